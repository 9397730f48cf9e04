package jmxproxy

import (
	"grove/beans"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/mbean"
)

// Options are the options of the kind "jmxproxy".
type Options struct {
	endpoint.Options `yaml:",inline"`
	mbean.Beans      `yaml:",inline"`
}

// fixed are the attributes that every probe has.
var fixed = append(answer.Attributes(append(endpoint.States(), "protocol")...),
	beans.AttributeInfo{Name: "server", Type: beans.TypeString, Readable: true, Description: "Name and version of the server."})
