package mib

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed names.txt
var names string

// Builtin returns the well-known names.
var Builtin = sync.OnceValue(func() *Set {
	s, err := readNames(names)
	if err != nil {
		panic("mib: names.txt: " + err.Error()) // the file is part of the program, and a test reads it
	}
	return s
})

// hints of the textual conventions that the built-in names use: RFC 2579.
const (
	hintText = "255t"
	hintMAC  = "1x:"
	hintDate = "2d-1d-1d,1d:1d:1d.1d,1a1d:1d"
)

var syntaxWords = map[string]Object{
	"integer":   {Syntax: Integer},
	"counter32": {Syntax: Counter32},
	"counter64": {Syntax: Counter64},
	"gauge":     {Syntax: Gauge},
	"ticks":     {Syntax: Ticks, Unit: "s"},
	"string":    {Syntax: String, Hint: hintText},
	"octets":    {Syntax: Octets},
	"mac":       {Syntax: Octets, Hint: hintMAC},
	"oid":       {Syntax: OID},
	"ip":        {Syntax: Address},
	"truth":     {Syntax: Truth},
	"date":      {Syntax: Octets, Hint: hintDate},
	"decimal":   {Syntax: Decimal},
	"bits":      {Syntax: Bits},
}

// readNames reads the format that the head of names.txt describes.
func readNames(text string) (*Set, error) {
	s := newSet()
	module, entry := "", ""
	var index []string
	enums := map[string]map[int64]string{}
	object := func(oid, name string, rest []string) error {
		if err := CheckOID(oid); err != nil && oid != "1" {
			return err
		}
		o := Object{}
		if len(rest) > 0 {
			known, ok := syntaxWords[rest[0]]
			if enum := enums[rest[0]]; enum != nil {
				known, ok = Object{Syntax: Integer, Enum: enum}, true
			}
			if !ok {
				return fmt.Errorf("unknown syntax %q", rest[0])
			}
			o, o.Accessible = known, true
		}
		if len(rest) > 1 {
			o.Unit = rest[1]
		}
		o.Module, o.Name, o.OID = module, name, oid
		if _, taken := s.byOID[oid]; taken {
			return fmt.Errorf("%s is there twice", oid)
		}
		if entry != "" {
			o.Column, o.Index = true, index
		}
		s.add(&o)
		return nil
	}
	for i, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		column := line[0] == ' '
		if !column {
			entry = ""
		}
		var err error
		switch {
		case column && entry != "" && len(f) >= 3:
			err = object(entry+"."+f[0], f[1], f[2:])
		case f[0] == "module" && len(f) == 2:
			module = f[1]
		case f[0] == "node" && len(f) == 3:
			err = object(f[1], f[2], nil)
		case f[0] == "scalar" && len(f) >= 4:
			err = object(f[1], f[2], f[3:])
		case f[0] == "enum" && len(f) == 3:
			enums[f[1]], err = readEnum(f[2])
		case f[0] == "table" && len(f) == 5:
			if err = object(strings.TrimSuffix(f[1], ".1"), f[2], nil); err == nil {
				err = object(f[1], f[3], nil)
			}
			entry, index = f[1], strings.Split(f[4], ",")
		default:
			err = fmt.Errorf("cannot read %q", line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return s, nil
}

func readEnum(text string) (map[int64]string, error) {
	enum := map[int64]string{}
	for part := range strings.SplitSeq(text, ",") {
		word, number, _ := strings.Cut(part, "=")
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil || word == "" || enum[n] != "" {
			return nil, fmt.Errorf("cannot read %q", part)
		}
		enum[n] = word
	}
	return enum, nil
}
