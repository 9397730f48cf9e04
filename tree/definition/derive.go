package definition

import (
	"fmt"
	"math"
	"slices"
	"time"

	"grove/tree"
	"grove/tree/definition/expression"
)

// Ref is a reading that a derived value needs: an attribute of a probe of the same
// instance, or, with a Column, a cell of an attribute that is a table, in the row
// that Source.Row names.
type Ref struct{ Probe, Attribute, Column string }

// String writes the reference as expressions do: "status.active", "row.used".
func (r Ref) String() string {
	if r.Column != "" {
		return "row." + r.Column
	}
	return r.Probe + "." + r.Attribute
}

// Expression is a derived value. It is safe for use by many goroutines.
type Expression struct {
	program *expression.Program
	refs    []Ref
	slots   []slot // one per variable of the program
}

type slot struct {
	ref      int // -1: constant
	constant tree.Value
}

// Refs lists what the expression reads; the caller does not change it.
func (e *Expression) Refs() []Ref { return e.refs }

// String returns the text.
func (e *Expression) String() string { return e.program.String() }

// Eval evaluates the expression; values gives the present reading of Refs()[i].
// A reading that is missing or of another type is an error, as is a result that is
// not a finite number. It does not panic, and it ends: expressions have no loops.
func (e *Expression) Eval(values func(i int) tree.Value) (tree.Value, error) {
	return e.program.Eval(func(i int) tree.Value {
		if s := e.slots[i]; s.ref >= 0 {
			return values(s.ref)
		}
		return e.slots[i].constant
	})
}

// Equal says whether two expressions yield the same of the same readings.
func (e *Expression) Equal(o *Expression) bool {
	if e == o {
		return true
	}
	return e != nil && o != nil && e.String() == o.String() && slices.Equal(e.refs, o.refs) && slices.Equal(e.slots, o.slots)
}

// Equal says whether two sources yield the same readings.
func (s *Source) Equal(o *Source) bool {
	if s == o {
		return true
	}
	if s == nil || o == nil {
		return false
	}
	a, b := *s, *o
	a.Value, b.Value = nil, nil
	return a == b && s.Value.Equal(o.Value)
}

// Convert makes the reading of a node of a reading of its source: it applies Change
// and Scale. It belongs to one node and is not safe for concurrent use. The zero
// value is ready.
type Convert struct {
	last tree.Value
	time time.Time
}

// Reading returns what the node gets; ok is false when this reading yields nothing,
// as the first of a rate does. An error says why the value cannot be used.
func (c *Convert) Reading(s *Source, v tree.Value, at time.Time) (out tree.Value, ok bool, err error) {
	if s.Change == NoChange && (s.Scale == 0 || s.Scale == 1) {
		return v, !v.IsNone(), nil
	}
	if v.IsNone() {
		return v, false, nil
	}
	n, isNumber := v.Number()
	if !isNumber {
		return v, false, fmt.Errorf("%q is not a number", v.String())
	}
	if s.Change != NoChange {
		last, had := c.last.Number()
		elapsed := at.Sub(c.time)
		if had && elapsed <= 0 {
			return v, false, nil // not newer: the earlier reading stays the reference
		}
		c.last, c.time = v, at
		if !had || s.Change == Rate && n < last {
			return v, false, nil
		}
		n -= last
		if s.Change == Rate {
			n /= elapsed.Seconds()
		}
	}
	if s.Scale != 0 {
		n *= s.Scale
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return v, false, fmt.Errorf("%v is not a finite number", n)
	}
	return tree.Number(n), true, nil
}
