// Package source reads definition files, YAML or XML, into one tree of values that
// know where they stand, and prints errors that point there.
//
// Nothing here knows what a definition means: ReadYAML and ReadXML yield documents
// of scalars, lists and maps; a Value's methods read scalars as numbers, durations
// and so on; Decode fills Go structs; every complaint is an *Error with a position.
// The mapping of XML to values is described at ReadXML.
//
// Input is bounded by MaxFileBytes, MaxDepth and MaxValues.
package source

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The bounds of a file. An error about one of them names it. A value takes up to a
// kilobyte while it is read, so that MaxValues bounds the memory of a hostile file to
// some 250 MB; a definition of 50,000 attributes that are all written out stays below.
const (
	MaxFileBytes = 8 << 20 // length of a file in bytes
	MaxDepth     = 64      // lists and maps within each other
	MaxValues    = 250_000 // values of a file, aliases counted as often as they are used
)

// Pos is a place in a file. Line and Column count from 1, Column in characters;
// zero means that the place is not known.
type Pos struct {
	File         string
	Line, Column int
}

// String writes "file:line:column", leaving out what is not known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Compare orders positions by file, line and column.
func (p Pos) Compare(o Pos) int {
	if c := strings.Compare(p.File, o.File); c != 0 {
		return c
	}
	if p.Line != o.Line {
		return p.Line - o.Line
	}
	return p.Column - o.Column
}

// Document is one document of a file: a file of YAML may hold several, separated
// by "---" lines.
type Document struct {
	Pos   Pos
	Value Value
}

// Kind is the kind of a Value.
type Kind uint8

// The kinds of values.
const (
	Scalar Kind = iota
	List
	Map
)

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case Scalar:
		return "scalar"
	case List:
		return "list"
	case Map:
		return "map"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Value is one value of a file.
type Value struct {
	Kind   Kind
	Pos    Pos
	Text   string  // of a scalar, as written but unquoted
	Quoted bool    // a scalar that was quoted, so that it is a text whatever it looks like
	Null   bool    // a scalar that says nothing: "", "~", "null"
	Items  []Value // of a list
	Fields []Field // of a map, in the order of the file; keys are unique
}

// Field is one key of a map with its value.
type Field struct {
	Key   string
	Pos   Pos // of the key
	Value Value
}

// Text returns a scalar that is a text whatever it looks like.
func Text(pos Pos, text string) Value {
	return Value{Kind: Scalar, Pos: pos, Text: text, Quoted: true}
}

// Field returns the value of a key of a map.
func (v *Value) Field(key string) (*Value, bool) {
	for i := range v.Fields {
		if v.Fields[i].Key == key {
			return &v.Fields[i].Value, true
		}
	}
	return nil, false
}

// Set replaces the value of a key or appends a new one, which then stands at the
// value's position. A null scalar becomes a map first.
func (v *Value) Set(key string, value Value) {
	if v.Null {
		*v = Value{Kind: Map, Pos: v.Pos}
	}
	if old, ok := v.Field(key); ok {
		*old = value
		return
	}
	v.Fields = append(v.Fields, Field{Key: key, Pos: value.Pos, Value: value})
}

// Lookup follows a path of keys and list indexes, "extract.regex" or
// "columns.0.name". A key that holds dots is found when it is the rest of the path.
func (v *Value) Lookup(path string) (*Value, bool) {
	found, rest := v.follow(path)
	return found, rest == ""
}

// PosOf returns the position of the deepest part of a path that is there.
func (v *Value) PosOf(path string) Pos {
	found, _ := v.follow(path)
	return found.Pos
}

// follow walks a path as far as it goes and returns what is left of it.
func (v *Value) follow(path string) (*Value, string) {
	for path != "" {
		if next, ok := v.Field(path); ok {
			return next, ""
		}
		name, rest, _ := strings.Cut(path, ".")
		next, ok := v.Field(name)
		if !ok {
			i, err := strconv.Atoi(name)
			if v.Kind != List || err != nil || i < 0 || i >= len(v.Items) {
				return v, path
			}
			next = &v.Items[i]
		}
		v, path = next, rest
	}
	return v, ""
}

// Clone returns a deep copy.
func (v *Value) Clone() Value {
	out := *v
	out.Items = slices.Clone(v.Items)
	for i := range out.Items {
		out.Items[i] = out.Items[i].Clone()
	}
	out.Fields = slices.Clone(v.Fields)
	for i := range out.Fields {
		out.Fields[i].Value = out.Fields[i].Value.Clone()
	}
	return out
}

// Map returns a deep copy in which each scalar went through scalar and each field
// through key, before its value. Both change what they are given in place; scalar
// may make it a list or a map, which is then kept as it is. Either may be nil. Keys
// that became equal are errors.
func (v *Value) Map(scalar func(*Value) *Error, key func(*Field) *Error) (Value, Errors) {
	out := v.Clone()
	var errs Errors
	out.mapInPlace(scalar, key, &errs)
	return out, errs
}

func (v *Value) mapInPlace(scalar func(*Value) *Error, key func(*Field) *Error, errs *Errors) {
	switch v.Kind {
	case Scalar:
		if scalar != nil {
			errs.Append(scalar(v))
		}
	case List:
		for i := range v.Items {
			v.Items[i].mapInPlace(scalar, key, errs)
		}
	case Map:
		for i := range v.Fields {
			if key != nil {
				errs.Append(key(&v.Fields[i]))
			}
			v.Fields[i].Value.mapInPlace(scalar, key, errs)
		}
		if key != nil {
			checkKeys(v.Fields, errs)
		}
	}
}

// checkKeys complains about every key that was there before.
func checkKeys(fields []Field, errs *Errors) {
	seen := make(map[string]Pos, len(fields))
	for i := range fields {
		f := &fields[i]
		if first, ok := seen[f.Key]; ok {
			errs.Append(duplicateKey(f, first))
			continue
		}
		seen[f.Key] = f.Pos
	}
}

func duplicateKey(f *Field, first Pos) *Error {
	where := fmt.Sprintf("line %d", first.Line)
	switch {
	case first.File != f.Pos.File:
		where = first.String()
	case first.Line == f.Pos.Line:
		where = fmt.Sprintf("column %d", first.Column)
	}
	return Errorf(f.Pos, "duplicate key %q: it is there already in %s", f.Key, where)
}

// Describe says what a value is, for a message: `a list`, `a map`, `nothing` or the
// quoted text of a scalar, cut when it is long.
func (v *Value) Describe() string {
	switch {
	case v.Kind == List:
		return "a list"
	case v.Kind == Map:
		return "a map"
	case v.Null:
		return "nothing"
	}
	const most = 60
	if text := []rune(v.Text); len(text) > most {
		return strconv.Quote(string(text[:most]) + "…")
	}
	return strconv.Quote(v.Text)
}
