package request

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Params are the processing parameters of a request. Zero numbers are without limit.
type Params struct {
	MaxDepth, MaxCollectionSize, MaxObjects int

	IgnoreErrors       bool
	CanonicalNaming    bool
	IncludeRequest     bool // true unless asked otherwise
	IncludeStackTrace  bool
	SerializeException bool
	LongAsText         bool
	ListCache          bool
	ListKeys           bool
	ListInterfaces     bool
	OpenTypes          bool
	PlainText          bool  // the answer is text/plain
	IfModifiedSince    int32 // seconds since 1970

	path string // parameter p
}

// set reads one parameter; names that are not known are left alone.
func (p *Params) set(name, text string) error {
	invalid := bad("Invalid value of %s parameter", name)
	number := func(n *int) error {
		i, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
		if err != nil || i < 0 {
			return invalid
		}
		*n = int(i)
		return nil
	}
	choice := func(b *bool, yes, no string) error {
		switch v := " " + strings.ToLower(strings.TrimSpace(text)) + " "; {
		case strings.Contains(yes, v):
			*b = true
		case strings.Contains(no, v):
			*b = false
		default:
			return invalid
		}
		return nil
	}
	flag := func(b *bool) error { return choice(b, " true on yes y 1 ", " false off no n 0 ") }
	switch name {
	case "maxDepth":
		return number(&p.MaxDepth)
	case "maxCollectionSize":
		return number(&p.MaxCollectionSize)
	case "maxObjects":
		return number(&p.MaxObjects)
	case "ifModifiedSince":
		var n int
		if err := number(&n); err != nil {
			return err
		}
		p.IfModifiedSince = int32(n)
	case "ignoreErrors":
		return flag(&p.IgnoreErrors)
	case "canonicalNaming":
		return flag(&p.CanonicalNaming)
	case "includeRequest":
		return flag(&p.IncludeRequest)
	case "includeStackTrace":
		return choice(&p.IncludeStackTrace, " true on yes y 1 runtime ", " false off no n 0 ")
	case "serializeException":
		return flag(&p.SerializeException)
	case "serializeLong":
		return choice(&p.LongAsText, " string ", " number ")
	case "listCache":
		return flag(&p.ListCache)
	case "listKeys":
		return flag(&p.ListKeys)
	case "listInterfaces":
		return flag(&p.ListInterfaces)
	case "openTypes":
		return flag(&p.OpenTypes)
	case "mimeType":
		// Anything else would let a link choose how a browser takes the answer
		// (CVE-2018-1000129).
		return choice(&p.PlainText, " text/plain ", " application/json ")
	case "callback":
		return bad("JSONP is not served: ask without the parameter callback")
	case "p":
		p.path = text
	}
	return nil
}

// ParamsOf reads the parameters of a query.
func ParamsOf(query url.Values) (Params, error) {
	p := Params{IncludeRequest: true}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if values := query[name]; len(values) > 0 {
			if err := p.set(name, values[0]); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// with returns the parameters with those of the member config of a body.
func (p Params) with(config any) (Params, error) {
	m, ok := config.(map[string]any)
	if !ok {
		if config != nil {
			return p, bad("config must be an object")
		}
		return p, nil
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch m[name].(type) {
		case nil:
			continue
		case string, bool, json.Number:
		default:
			return p, bad("Invalid value of %s parameter", name)
		}
		if name == "p" || name == "mimeType" {
			continue // they are of the whole
		}
		if err := p.set(name, fmt.Sprint(m[name])); err != nil {
			return p, err
		}
	}
	return p, nil
}
