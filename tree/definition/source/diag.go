package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is what is wrong at one place of a file.
type Error struct {
	Pos  Pos
	End  Pos    // the place after the last character concerned; zero when not known
	Msg  string // one line, no position, no final period
	Hint string // what to do about it: `did you mean "yellow"?`; may be empty
	Err  error  // the cause, for errors.Is and errors.As; may be nil
}

// Errorf makes an Error; a cause given by %w can be unwrapped.
func Errorf(pos Pos, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Pos: pos, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint sets the hint and returns the error.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Error returns "file:line:column: message (hint)".
func (e *Error) Error() string {
	var b strings.Builder
	if at := e.Pos.String(); at != "" {
		b.WriteString(at)
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString(" (")
		b.WriteString(e.Hint)
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors is a list of errors.
type Errors []*Error

// maxListed is how many errors Errors.Error writes out.
const maxListed = 10

// Add appends an error and returns it, so that a hint can be set.
func (l *Errors) Add(pos Pos, format string, args ...any) *Error {
	e := Errorf(pos, format, args...)
	*l = append(*l, e)
	return e
}

// Append appends errors, leaving out those that are nil.
func (l *Errors) Append(more ...*Error) {
	for _, e := range more {
		if e != nil {
			*l = append(*l, e)
		}
	}
}

// Sort orders the list by file, line and column; errors of one place stay in the
// order in which they were added.
func (l Errors) Sort() {
	slices.SortStableFunc(l, func(a, b *Error) int { return a.Pos.Compare(b.Pos) })
}

// Err returns the list, sorted and without repetitions, or nil when it is empty.
func (l Errors) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l.Sorted()
}

// Sorted returns a sorted copy without repetitions: a template that is used often
// yields each of its errors often.
func (l Errors) Sorted() Errors {
	type key struct {
		pos Pos
		msg string
	}
	seen := make(map[key]bool, len(l))
	var out Errors
	for _, e := range l {
		if k := (key{e.Pos, e.Msg}); !seen[k] {
			seen[k] = true
			out = append(out, e)
		}
	}
	out.Sort()
	return out
}

// Error lists the first few errors, one a line, and says how many more there are.
func (l Errors) Error() string {
	var b strings.Builder
	for i, e := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == maxListed && len(l) > maxListed+1 {
			fmt.Fprintf(&b, "and %d more", len(l)-maxListed)
			break
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Unwrap returns the errors, for errors.Is and errors.As.
func (l Errors) Unwrap() []error {
	out := make([]error, len(l))
	for i, e := range l {
		out[i] = e
	}
	return out
}
