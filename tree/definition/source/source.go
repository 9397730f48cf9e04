// Package source reads definition files, YAML or XML, into one tree of values that
// know where they stand, and prints errors that point there.
package source

import "fmt"

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

// Kind is the kind of a Value.
type Kind uint8

// The kinds of values.
const (
	Scalar Kind = iota
	List
	Map
)

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

// Field returns the value of a key of a map.
func (v *Value) Field(key string) (*Value, bool) {
	for i := range v.Fields {
		if v.Fields[i].Key == key {
			return &v.Fields[i].Value, true
		}
	}
	return nil, false
}
