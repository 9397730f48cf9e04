// Package extract is what definitions say of readings that only they know: the columns
// of a query, the keys of a document, the figures of a server. A definition names each,
// with its type and unit, and what is found is made into a value of that type, or into
// a row of a table.
package extract

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"grove/beans"
	"grove/runtime/probe"
)

const (
	// MaxFields bounds the attributes, or the columns of one table, that a definition
	// declares.
	MaxFields = 200
	// MaxFrom bounds where an attribute comes from, in bytes.
	MaxFrom = 2000
	// MaxText bounds the text of a reading, in bytes.
	MaxText = 1000
)

var identifier = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]*\z`)

// IsName says whether expressions can use a text as the name of an attribute.
func IsName(s string) bool { return identifier.MatchString(s) && len(s) <= 64 }

// Attribute is what a definition says of one reading, or of one column of a table.
type Attribute struct {
	From        string `yaml:"from,omitempty" jsonschema:"description=Where it is found; its own name when empty."`
	Type        string `yaml:"type,omitempty" jsonschema:"enum=number,enum=counter,enum=bool,enum=text,enum=age,description=number (the default)\\, counter (a number that only rises)\\, bool\\, text\\, or age: the seconds since the time that is found."`
	Unit        string `yaml:"unit,omitempty" jsonschema:"description=Unit of the number."`
	Description string `yaml:"description,omitempty" jsonschema:"description=What it means."`
}

// Field is an Attribute that was checked.
type Field struct {
	Name string
	From string // never empty
	Age  bool   // a time is found, and its age is shown
	Info beans.AttributeInfo
}

// Number makes a field that a kind knows by itself, as Counter, Bool and Text do: it is
// found by its own name.
func Number(name, unit, description string) Field {
	return Field{Name: name, From: name, Info: beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Unit: unit, Readable: true, Description: description}}
}

// Counter makes the field of a number that only rises.
func Counter(name, unit, description string) Field {
	f := Number(name, unit, description)
	f.Info.Descriptor = map[string]string{"metricType": "counter"}
	return f
}

// Bool makes the field of a truth value.
func Bool(name, description string) Field {
	f := Number(name, "", description)
	f.Info.Type = beans.TypeBool
	return f
}

// Text makes the field of a text.
func Text(name, description string) Field {
	f := Number(name, "", description)
	f.Info.Type = beans.TypeString
	return f
}

// Fields checks what a definition declares under an option and returns it sorted by name.
// Taken are the names that the kind itself uses.
func Fields(option string, declared map[string]Attribute, taken ...beans.AttributeInfo) ([]Field, error) {
	if len(declared) > MaxFields {
		return nil, probe.BadOption(option, "are %d, more than %d", len(declared), MaxFields)
	}
	fields := make([]Field, 0, len(declared))
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if !IsName(name) {
			return nil, probe.BadOption(option, "%q is no name of an attribute: letters, digits and underscores, at most 64", name)
		}
		if slices.ContainsFunc(taken, func(a beans.AttributeInfo) bool { return a.Name == name }) {
			return nil, probe.BadOption(option+"."+name, "%q is an attribute that every probe of the kind has", name)
		}
		f, err := declared[name].field(option+"."+name, name)
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func (a Attribute) field(option, name string) (Field, error) {
	f := Field{Name: name, From: a.From}
	if f.From == "" {
		f.From = name
	}
	if len(f.From) > MaxFrom {
		return f, probe.BadOption(option+".from", "has %d bytes, more than %d", len(f.From), MaxFrom)
	}
	info, err := a.Info(option, name)
	f.Info, f.Age = info, a.Type == "age"
	return f, err
}

// Info describes the attribute as it was declared under an option.
func (a Attribute) Info(option, name string) (beans.AttributeInfo, error) {
	info := beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Unit: a.Unit, Readable: true, Description: a.Description}
	switch a.Type {
	case "", "number":
	case "counter":
		info.Descriptor = map[string]string{"metricType": "counter"}
	case "age":
		if a.Unit != "" && a.Unit != "s" {
			return info, probe.BadOption(option+".unit", "an age is in s")
		}
		info.Unit = "s"
	case "bool":
		info.Type = beans.TypeBool
	case "text":
		info.Type = beans.TypeString
	default:
		return info, probe.BadOption(option+".type", "%q is none of number, counter, bool, text, age", a.Type)
	}
	if a.Unit != "" && info.Type != beans.TypeFloat {
		return info, probe.BadOption(option+".unit", "only a number has a unit")
	}
	if info.Description == "" {
		from := a.From
		if from == "" {
			from = name
		}
		info.Description = fmt.Sprintf("Found as %s.", Clean(from, 100))
	}
	return info, nil
}

// Infos describes fields.
func Infos(fields []Field) []beans.AttributeInfo {
	list := make([]beans.AttributeInfo, len(fields))
	for i, f := range fields {
		list[i] = f.Info
	}
	return list
}
