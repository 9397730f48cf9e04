// Package probe is the contract of the polled runtime beans and the registry of
// their kinds. One folder below it holds each kind.
package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grove/beans"
	"grove/tree"
)

// Probe watches one resource. The schedule calls Run, from one goroutine at a time.
//
// A Probe takes its options from its Kind's New and gives its readings back: it
// sees neither the tree nor the registry nor anything global.
type Probe interface {
	// Attributes describes what Run yields: fixed for the life of the probe. Tables
	// have Type beans.TypeTable with Columns and Key. A count that only rises has
	// "metricType" "counter" in its Descriptor.
	Attributes() []beans.AttributeInfo
	// Target is what runs are limited by: the host or address that is asked; empty
	// for this machine.
	Target() string
	// Run asks the resource once. It returns when the context ends, at the latest.
	// A resource that is found to be down is a reading, not an error, where the
	// kind has an attribute for it; an error means that Run could not do its work,
	// and its text is shown to people. What was found before an error is returned
	// with it.
	Run(ctx context.Context) (Result, error)
	// Close frees what the probe holds. Run is not called during or after it.
	Close() error
}

// Announcer is a Probe that notices by itself when something is there. The caller
// runs Watch beside Run for nodes in notification mode; it calls announce, which
// does not block, until the context ends.
type Announcer interface {
	Watch(ctx context.Context, announce func()) error
}

// Rememberer is a Probe that goes on after a restart where it was: how far it has read a
// log, say. What it remembers belongs to its name in its instance; it is gone when the
// probe's kind is another.
type Rememberer interface {
	// Recall is called once, before the first Run, with what Memory returned last; nil
	// when nothing is known. What it cannot use it ignores.
	Recall(memory []byte)
	// Memory says where the probe is, in at most MaxMemory bytes. It is called after the
	// result of each Run was delivered, of a probe that sends by itself also about a second
	// after what it sent was delivered, and before its Close: not beside a Run, but it may
	// be beside what the probe receives.
	Memory() []byte
}

// MaxMemory bounds what a Rememberer keeps, in bytes.
const MaxMemory = 48 << 10

// Result is what one run found.
type Result struct {
	// Time is when it was observed; zero means now.
	Time   time.Time
	Values []Value
	Tables []Table
}

// Value is the reading of one attribute.
type Value struct {
	Attribute string
	Value     tree.Value
	// Events are the new lines of an attribute that yields events; its type is
	// beans.TypeStrings.
	Events []tree.Event
}

// Table is the reading of one attribute of TypeTable.
type Table struct {
	Attribute string
	Columns   []string
	Rows      [][]tree.Value // as long as Columns; no value where a cell is not known
}

// Add appends the reading of one attribute.
func (r *Result) Add(attribute string, v tree.Value) {
	r.Values = append(r.Values, Value{Attribute: attribute, Value: v})
}

// Number appends a number.
func (r *Result) Number(attribute string, v float64) { r.Add(attribute, tree.Number(v)) }

// Text appends a text.
func (r *Result) Text(attribute, v string) { r.Add(attribute, tree.Text(v)) }

// Kind is one kind of probes.
type Kind struct {
	Name  string // "http": lower-case letters, digits and underscores
	Title string // "HTTP and HTTPS requests"
	// Doc describes the kind to the writer of a definition, in Markdown: what it
	// asks, every option, every attribute.
	Doc string
	// Example is a definition file that uses the kind; it must load.
	Example string
	// NewOptions returns a pointer to a fresh struct of options with `yaml` and
	// `jsonschema` tags, the defaults filled in.
	NewOptions func() any
	// New makes a probe of options that NewOptions made. It checks every option and
	// touches nothing outside the process. An error about one option is an
	// *OptionError.
	New func(options any) (Probe, error)
	// Limit is how many runs of the kind may be under way at once; 0 means
	// schedule's default.
	Limit int
	// Pushes says that a probe of the kind sends by itself, so that nodes may be in
	// push mode: it implements runtime/receive's Attacher.
	Pushes bool
}

// OptionError says which option is wrong.
type OptionError struct {
	Option string // its yaml key, "extract.regex" for a nested one
	Err    error
}

// Error implements error.
func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// BadOption makes an OptionError.
func BadOption(option, format string, args ...any) error {
	return &OptionError{Option: option, Err: fmt.Errorf(format, args...)}
}

// ErrUnknownKind is returned for a kind that is not registered.
var ErrUnknownKind = errors.New("unknown kind of probe")

// Registry is the set of known kinds: a value, built once and handed down.
type Registry struct {
	kinds map[string]Kind
	names []string // sorted
}

// NewRegistry returns a registry of the given kinds. A malformed or repeated name
// is a mistake in the program and panics.
func NewRegistry(kinds ...Kind) *Registry {
	r := &Registry{kinds: make(map[string]Kind, len(kinds))}
	for _, k := range kinds {
		if !validName(k.Name) || k.NewOptions == nil || k.New == nil {
			panic(fmt.Sprintf("probe: kind %q is malformed", k.Name))
		}
		if _, ok := r.kinds[k.Name]; ok {
			panic(fmt.Sprintf("probe: kind %q is registered twice", k.Name))
		}
		r.kinds[k.Name] = k
		r.names = append(r.names, k.Name)
	}
	slices.Sort(r.names)
	return r
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' && i > 0 || c == '_' && i > 0) {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Kind returns the kind of a name.
func (r *Registry) Kind(name string) (Kind, bool) {
	k, ok := r.kinds[name]
	return k, ok
}

// Names lists the kinds, sorted; the caller does not change the slice.
func (r *Registry) Names() []string { return r.names }
