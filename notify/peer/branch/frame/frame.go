// Package frame is how a part of a tree is written for those that join it: pieces of a
// snapshot, and numbered deltas, in one binary form.
//
// A frame is the byte Version, its number, and four lists, each with its length before it:
// indexes of nodes that are gone, specs, nodes that were placed (parents first) and nodes of
// which something changed. Numbers are variable-length integers (package encoding/binary),
// signed ones in zigzag form; an index is the difference to the one before it in its list, a
// time, in milliseconds, that to the time before it in the frame. A text has its length
// before it. A node that changed costs 4 to 12 bytes.
package frame

import (
	"encoding/binary"
	"errors"
	"math"

	"grove/tree"
)

// Version is the form that this package writes; what begins with another byte is refused.
const Version = 1

// Bounds of what is read, beside those of package tree.
const (
	MaxIndex  = tree.MaxNodes // of a node and of a spec
	MaxSpec   = 64 << 10      // bytes of one spec
	MaxEvents = 10_000        // of one node in one frame
)

// ErrFrame is wrapped by every error about a frame.
var ErrFrame = errors.New("a frame of a joined tree that cannot be read")

// Frame is one delta, or one piece of a snapshot.
type Frame struct {
	Number  uint64
	Removed []uint32
	Specs   []Spec
	Placed  []Placed
	Changed []State
}

// Spec gives a spec, as package branch writes it, a number for nodes to refer to.
type Spec struct {
	ID   uint32
	Text []byte
}

// Placed says that there is a node, where it hangs, and everything of its state.
type Placed struct {
	State
	Parent uint32 // index; the root's is its own
	Name   string // not escaped
	Spec   uint32
}

// State is what is said of a node.
type State struct {
	Index  uint32
	Status tree.Status
	Said   Said
	// Value, with SaidValue, and Time, with SaidTime or SaidValue: when it was observed,
	// Unix milliseconds; 0 is never.
	Value tree.Value
	Time  int64
	// With SaidTurn: the last status that was not white, when Status began, and so on.
	Last              tree.Status
	Flapping, Pending bool
	Since             int64 // Unix milliseconds; 0 is not known
	Reason            string
	Events            []tree.Event // new ones, with SaidEvents
}

// Said are the parts of a State that a frame has.
type Said uint8

// The parts.
const (
	SaidTime   Said = 1 << iota // Time
	SaidValue                   // Value, and Time with it
	SaidTurn                    // Last, Flapping, Pending, Since, Reason
	SaidEvents                  // Events
)

// How a value is written.
const (
	formSame = iota // only its time
	formNone
	formInteger
	formSingle
	formDouble
	formText
)

// The first byte of a state: its status in the lowest two bits, these, and the form of the
// value in the highest three.
const (
	headTime = 1 << (2 + iota)
	headTurn
	headEvents
	formShift = 5
)

// The byte that begins a turn: the last status in the lowest two bits, and these.
const (
	turnFlapping = 1 << (2 + iota)
	turnPending
	turnReason
)

// writer appends; it knows what the next time is a difference to.
type writer struct {
	b    []byte
	time int64
}

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)   { w.b = binary.AppendVarint(w.b, v) }

func (w *writer) text(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) moment(at int64) {
	w.int(at - w.time)
	w.time = at
}

// Append appends the frame to b. Texts must be within the bounds of package tree.
func (f *Frame) Append(b []byte) []byte {
	w := writer{b: append(b, Version)}
	w.uint(f.Number)
	w.uint(uint64(len(f.Removed)))
	var before int64
	for _, i := range f.Removed {
		w.int(int64(i) - before)
		before = int64(i)
	}
	w.uint(uint64(len(f.Specs)))
	for _, s := range f.Specs {
		w.uint(uint64(s.ID))
		w.uint(uint64(len(s.Text)))
		w.b = append(w.b, s.Text...)
	}
	w.uint(uint64(len(f.Placed)))
	before = 0
	for k := range f.Placed {
		p := &f.Placed[k]
		w.int(int64(p.Index) - before)
		before = int64(p.Index)
		w.int(before - int64(p.Parent))
		w.text(p.Name)
		w.uint(uint64(p.Spec))
		w.state(&p.State)
	}
	w.uint(uint64(len(f.Changed)))
	before = 0
	for k := range f.Changed {
		s := &f.Changed[k]
		w.int(int64(s.Index) - before)
		before = int64(s.Index)
		w.state(s)
	}
	return w.b
}

// formOf is the shortest form that keeps a value as it is.
func formOf(v tree.Value) byte {
	n, isNumber := v.Number()
	switch {
	case v.IsNone():
		return formNone
	case !isNumber:
		return formText
	case n == math.Trunc(n) && math.Abs(n) < 1<<27 && (n != 0 || !math.Signbit(n)):
		return formInteger
	case float64(float32(n)) == n:
		return formSingle
	}
	return formDouble
}

func (w *writer) state(s *State) {
	head, form := byte(s.Status), byte(formSame)
	if s.Said&SaidValue != 0 {
		form = formOf(s.Value)
	}
	if s.Said&(SaidTime|SaidValue) != 0 {
		head |= headTime | form<<formShift
	}
	if s.Said&SaidTurn != 0 {
		head |= headTurn
	}
	if s.Said&SaidEvents != 0 {
		head |= headEvents
	}
	w.b = append(w.b, head)
	if head&headTime != 0 {
		w.moment(s.Time)
		w.value(s.Value, form)
	}
	if head&headTurn != 0 {
		turn := byte(s.Last)
		if s.Flapping {
			turn |= turnFlapping
		}
		if s.Pending {
			turn |= turnPending
		}
		if s.Reason != "" {
			turn |= turnReason
		}
		w.b = append(w.b, turn)
		w.moment(s.Since)
		if s.Reason != "" {
			w.text(s.Reason)
		}
	}
	if head&headEvents != 0 {
		w.uint(uint64(len(s.Events)))
		for _, e := range s.Events {
			w.moment(max(e.Time.UnixMilli(), 0))
			w.b = append(w.b, byte(e.Status))
			w.text(e.Text)
		}
	}
}

func (w *writer) value(v tree.Value, form byte) {
	n, _ := v.Number()
	switch form {
	case formInteger:
		w.int(int64(n))
	case formSingle:
		w.b = binary.LittleEndian.AppendUint32(w.b, math.Float32bits(float32(n)))
	case formDouble:
		w.b = binary.LittleEndian.AppendUint64(w.b, math.Float64bits(n))
	case formText:
		text, _ := v.Text()
		w.text(text)
	}
}
