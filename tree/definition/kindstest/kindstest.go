// Package kindstest is a stand-in for the kinds of probes of the runtime layer, for
// the tests of the definition language: it checks options and names attributes, and
// runs nothing.
package kindstest

import (
	"errors"
	"regexp"

	"grove/beans"
	"grove/tree/definition"
)

// Kinds is the stand-in: kinds http, host, table, events, receiver, and two that discover.
type Kinds struct{}

// HTTP are the options of the stand-in kind http.
type HTTP struct {
	URL     string  `yaml:"url" jsonschema:"required,description=Address to ask"`
	Method  string  `yaml:"method" jsonschema:"enum=GET,enum=HEAD"`
	Token   string  `yaml:"token" jsonschema:"description=Reference to a secret"`
	Extract Extract `yaml:"extract"`
}

// Extract takes attributes out of an answer.
type Extract struct {
	Regex string `yaml:"regex" jsonschema:"description=Named groups become attributes"`
}

// Host are the options of the stand-in kind host: it has none.
type Host struct{}

// Table are the options of the stand-in kind table.
type Table struct {
	Only    []string `yaml:"only" jsonschema:"description=Keys of the rows that count"`
	Version string   `yaml:"version,omitempty" jsonschema:"enum=1,enum=2c,description=Of the protocol"`
}

// SRV are the options of the stand-in kind dns_srv.
type SRV struct {
	Names []string `yaml:"names" jsonschema:"required,description=Names that are asked for"`
}

// Range are the options of the stand-in kind snmp_range.
type Range struct {
	Addresses []string `yaml:"addresses" jsonschema:"required,description=Addresses and ranges"`
}

// KindNames implements definition.Kinds.
func (Kinds) KindNames() []string {
	return []string{"dns_srv", "events", "host", "http", "receiver", "snmp_range", "table"}
}

// NewOptions implements definition.Kinds.
func (Kinds) NewOptions(kind string) (any, bool) {
	switch kind {
	case "http":
		return &HTTP{Method: "GET"}, true
	case "host", "events", "receiver":
		return &Host{}, true
	case "table":
		return &Table{}, true
	case "dns_srv":
		return &SRV{}, true
	case "snmp_range":
		return &Range{}, true
	}
	return nil, false
}

// Pushes implements definition.Kinds.
func (Kinds) Pushes(kind string) bool { return kind == "receiver" }

// Attributes implements definition.Kinds.
func (Kinds) Attributes(kind string, options any) ([]beans.AttributeInfo, error) {
	switch kind {
	case "http":
		return httpAttributes(options.(*HTTP))
	case "host":
		return []beans.AttributeInfo{
			{Name: "cpu", Type: beans.TypeFloat, Unit: "%"},
			{Name: "load", Type: beans.TypeFloat},
			{Name: "uptime", Type: beans.TypeDuration},
			{Name: "received", Type: beans.TypeInt, Unit: "bytes"},
			{Name: "name", Type: beans.TypeString},
			{Name: "booted", Type: beans.TypeTime},
		}, nil
	case "table":
		return []beans.AttributeInfo{
			{Name: "count", Type: beans.TypeInt},
			{Name: "filesystems", Type: beans.TypeTable, Key: "mount", Columns: []beans.AttributeInfo{
				{Name: "mount", Type: beans.TypeString},
				{Name: "type", Type: beans.TypeString},
				{Name: "used", Type: beans.TypeFloat, Unit: "bytes"},
				{Name: "size", Type: beans.TypeFloat, Unit: "bytes"},
				{Name: "readonly", Type: beans.TypeBool},
			}},
		}, nil
	case "dns_srv":
		return []beans.AttributeInfo{{Name: "targets", Type: beans.TypeTable, Key: "address", Columns: []beans.AttributeInfo{
			{Name: "address", Type: beans.TypeString},
			{Name: "target", Type: beans.TypeString},
			{Name: "port", Type: beans.TypeInt},
		}}}, nil
	case "snmp_range":
		return []beans.AttributeInfo{{Name: "devices", Type: beans.TypeTable, Key: "address", Columns: []beans.AttributeInfo{
			{Name: "address", Type: beans.TypeString},
			{Name: "name", Type: beans.TypeString},
			{Name: "object_id", Type: beans.TypeString},
			{Name: "uptime", Type: beans.TypeFloat, Unit: "s"},
		}}}, nil
	case "events":
		return []beans.AttributeInfo{{Name: "lines", Type: beans.TypeList}}, nil
	case "receiver":
		return []beans.AttributeInfo{{Name: "value", Type: beans.TypeFloat}}, nil
	}
	return nil, errors.New("unknown kind")
}

func httpAttributes(o *HTTP) ([]beans.AttributeInfo, error) {
	if o.URL == "" {
		return nil, &definition.OptionError{Option: "url", Err: errors.New("is missing")}
	}
	out := []beans.AttributeInfo{
		{Name: "up", Type: beans.TypeBool},
		{Name: "status", Type: beans.TypeInt},
		{Name: "duration", Type: beans.TypeFloat, Unit: "s"},
	}
	re, err := regexp.Compile(o.Extract.Regex)
	if err != nil {
		return nil, &definition.OptionError{Option: "extract.regex", Err: err}
	}
	for _, name := range re.SubexpNames()[1:] {
		if name != "" {
			out = append(out, beans.AttributeInfo{Name: name, Type: beans.TypeFloat})
		}
	}
	return out, nil
}
