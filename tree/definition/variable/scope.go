// Package variable holds what a definition file can name: parameters with their
// types and values, the items and rows of loops, and texts that take them in by
// "${name}".
package variable

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition/source"
)

// Value is the value of a variable.
type Value struct {
	// Text is the value as a "${name}" puts it into a text; lists and maps have
	// none.
	Text string
	// Any is a string, float64, bool, time.Duration, []Value or map[string]Value.
	Any any
	// Sample marks a value that only stands for one that is not known while a file
	// is checked.
	Sample bool
	// Secret marks a reference to a secret: only probes may have it.
	Secret bool
}

// Of makes the value of a value of a file: what looks like a number or a truth
// value and is not quoted is one.
func Of(v *source.Value) Value {
	switch v.Kind {
	case source.List:
		items := make([]Value, len(v.Items))
		for i := range v.Items {
			items[i] = Of(&v.Items[i])
		}
		return Value{Any: items}
	case source.Map:
		fields := make(map[string]Value, len(v.Fields))
		for i := range v.Fields {
			fields[v.Fields[i].Key] = Of(&v.Fields[i].Value)
		}
		return Value{Any: fields}
	}
	if !v.Quoted {
		if n, err := strconv.ParseFloat(v.Text, 64); err == nil && n-n == 0 {
			return Value{Text: v.Text, Any: n}
		}
		if v.Text == "true" || v.Text == "false" {
			return Value{Text: v.Text, Any: v.Text == "true"}
		}
	}
	return Value{Text: v.Text, Any: v.Text}
}

// OfRow makes the value of a row of a table.
func OfRow(row map[string]tree.Value) Value {
	fields := make(map[string]Value, len(row))
	for name, cell := range row {
		fields[name] = Value{Text: cell.String(), Any: cell.Any()}
	}
	return Value{Any: fields}
}

// Tree returns a scalar as the tree has it; ok is false for a list or a map.
func (v Value) Tree() (value tree.Value, ok bool) {
	switch a := v.Any.(type) {
	case float64:
		return tree.Number(a), true
	case bool:
		return tree.Bool(a), true
	case string:
		return tree.Text(a), true
	case time.Duration:
		return tree.Number(a.Seconds()), true
	case nil:
		return tree.Value{}, true
	}
	return tree.Value{}, false
}

// Plain returns the value with Go's own types all the way down: lists as []any,
// maps as map[string]any.
func (v Value) Plain() any {
	switch a := v.Any.(type) {
	case []Value:
		out := make([]any, len(a))
		for i := range a {
			out[i] = a[i].Plain()
		}
		return out
	case map[string]Value:
		out := make(map[string]any, len(a))
		for k, e := range a {
			out[k] = e.Plain()
		}
		return out
	}
	return v.Any
}

// Scope is the variables that a text may name: the innermost hides the others. A
// Scope is not changed; With makes a new one around it. The nil Scope is empty.
type Scope struct {
	outer *Scope
	name  string
	value Value
}

// With returns the scope with one more variable.
func (s *Scope) With(name string, v Value) *Scope { return &Scope{s, name, v} }

// Get returns a variable.
func (s *Scope) Get(name string) (Value, bool) {
	for ; s != nil; s = s.outer {
		if s.name == name {
			return s.value, true
		}
	}
	return Value{}, false
}

// Names lists the variables, sorted.
func (s *Scope) Names() []string {
	var names []string
	for ; s != nil; s = s.outer {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// NameError says that there is no such variable.
type NameError struct {
	Name string // "limit" or "item.port"
	Msg  string
	Hint string
}

// Error implements error.
func (e *NameError) Error() string { return e.Msg }

// Lookup returns the value of "limit" or "item.port". Its error is a *NameError.
func (s *Scope) Lookup(name string) (Value, error) {
	base, member, dotted := strings.Cut(name, ".")
	v, ok := s.Get(base)
	if !ok {
		e := &NameError{Name: name, Msg: fmt.Sprintf("unknown name %q in ${%s}", base, name)}
		switch known := s.Names(); {
		case base == "item" || base == "row":
			e.Hint = base + " is known only inside a loop"
		case len(known) == 0:
			e.Hint = "there are no parameters"
		default:
			e.Hint = source.DidYouMean(base, known)
		}
		return Value{}, e
	}
	if !dotted || v.Sample && v.Any == nil {
		return v, nil
	}
	fields, ok := v.Any.(map[string]Value)
	if !ok {
		return Value{}, &NameError{Name: name, Msg: fmt.Sprintf("%s has no parts, so there is no ${%s}", base, name)}
	}
	part, ok := fields[member]
	if !ok {
		names := make([]string, 0, len(fields))
		for n := range fields {
			names = append(names, n)
		}
		slices.Sort(names)
		return Value{}, &NameError{Name: name, Msg: fmt.Sprintf("%s has no %q", base, member), Hint: source.DidYouMean(member, names)}
	}
	part.Sample = part.Sample || v.Sample
	return part, nil
}
