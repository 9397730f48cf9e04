package frame

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"grove/tree"
)

// reader reads what writer writes, and keeps the first error.
type reader struct {
	b    []byte
	all  int
	time int64
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: byte %d: %s", ErrFrame, r.all-len(r.b), fmt.Sprintf(format, args...))
	}
	r.b = nil
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("no number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail("no number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail("it ends too early")
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

func (r *reader) bytes(n uint64, most int) []byte {
	switch {
	case n > uint64(most):
		r.fail("%d bytes where %d at most belong", n, most)
		return nil
	case n > uint64(len(r.b)):
		r.fail("it ends too early")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text(most int) string {
	b := r.bytes(r.uint(), most)
	if !utf8.Valid(b) {
		r.fail("a text that is not UTF-8")
		return ""
	}
	return string(b)
}

// count reads the length of a list, each element of which has so many bytes at least.
func (r *reader) count(least int) int {
	n := r.uint()
	if n > uint64(len(r.b)/least) {
		r.fail("%d elements in %d bytes", n, len(r.b))
		return 0
	}
	return int(n)
}

// index takes what should be an index.
func (r *reader) index(i int64) uint32 {
	if i < 0 || i >= MaxIndex {
		r.fail("no node has the index %d", i)
		return 0
	}
	return uint32(i)
}

// specID reads the number of a spec.
func (r *reader) specID() uint32 {
	id := r.uint()
	if id >= MaxIndex {
		r.fail("no spec has the number %d", id)
		return 0
	}
	return uint32(id)
}

// lastMilli is the last moment that fits into nanoseconds.
const lastMilli = math.MaxInt64 / 1_000_000

func (r *reader) moment() int64 {
	at := r.time + r.int()
	if at < 0 || at > lastMilli {
		r.fail("the time %d ms is none", at)
		return 0
	}
	r.time = at
	return at
}

// Decode reads what Append writes; the lists of f are used again. Texts are copied, but
// for those of specs.
func (f *Frame) Decode(body []byte) error {
	r := reader{b: body, all: len(body)}
	*f = Frame{Removed: f.Removed[:0], Specs: f.Specs[:0], Placed: f.Placed[:0], Changed: f.Changed[:0]}
	if v := r.byte(); r.err == nil && v != Version {
		r.fail("it has the form %d, and this program reads %d", v, Version)
	}
	f.Number = r.uint()
	var before int64
	for range r.count(1) {
		i := r.index(before + r.int())
		f.Removed, before = append(f.Removed, i), int64(i)
	}
	for range r.count(2) {
		f.Specs = append(f.Specs, Spec{r.specID(), r.bytes(r.uint(), MaxSpec)})
	}
	before = 0
	for range r.count(5) {
		var p Placed
		p.Index = r.index(before + r.int())
		before = int64(p.Index)
		p.Parent = r.index(before - r.int())
		p.Name = r.text(tree.MaxNameBytes)
		p.Spec = r.specID()
		r.state(&p.State)
		f.Placed = append(f.Placed, p)
	}
	before = 0
	for range r.count(2) {
		s := State{Index: r.index(before + r.int())}
		before = int64(s.Index)
		r.state(&s)
		f.Changed = append(f.Changed, s)
	}
	if len(r.b) > 0 {
		r.fail("%d bytes are left", len(r.b))
	}
	return r.err
}

func (r *reader) state(s *State) {
	head := r.byte()
	s.Status = tree.Status(head & 3)
	switch form := head >> formShift; {
	case head&headTime != 0:
		s.Time, s.Said = r.moment(), SaidTime
		if form != formSame {
			s.Value, s.Said = r.value(form), SaidTime|SaidValue
		}
	case form != 0:
		r.fail("a value without its time")
	}
	if head&headTurn != 0 {
		turn := r.byte()
		s.Said |= SaidTurn
		s.Last, s.Flapping, s.Pending = tree.Status(turn&3), turn&turnFlapping != 0, turn&turnPending != 0
		s.Since = r.moment()
		if turn&turnReason != 0 {
			s.Reason = r.text(tree.MaxTextBytes)
		}
	}
	if head&headEvents != 0 {
		s.Said |= SaidEvents
		n := r.count(3)
		if n > MaxEvents {
			r.fail("%d events where %d at most belong", n, MaxEvents)
			return
		}
		for range n {
			at, status := r.moment(), r.byte()
			s.Events = append(s.Events, tree.Event{Time: time.UnixMilli(at), Status: tree.Status(status & 3), Text: r.text(tree.MaxTextBytes)})
		}
	}
}

func (r *reader) value(form byte) (v tree.Value) {
	switch form {
	case formNone:
	case formInteger:
		v = tree.Number(float64(r.int()))
	case formSingle:
		if b := r.bytes(4, 4); b != nil {
			v = tree.Number(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		}
	case formDouble:
		if b := r.bytes(8, 8); b != nil {
			v = tree.Number(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	case formText:
		v = tree.Text(r.text(tree.MaxTextBytes))
	default:
		r.fail("a value has the form %d", form)
	}
	if n, ok := v.Number(); ok && math.IsNaN(n) {
		r.fail("a value is not a number (NaN)")
		return tree.Value{}
	}
	return v
}
