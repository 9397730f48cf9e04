package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"grove/tree"
)

// ErrFrame is wrapped by every error about a frame that cannot be read.
var ErrFrame = errors.New("malformed frame")

const (
	bitNumber = 1 << (iota + 2)
	bitText
	bitCounts
	bitReason
	bitFlapping
	bitPending
)

// flagHidden is the one flag of a node.
const flagHidden = 1

// Encoder writes frames. It keeps its table of strings between frames to save
// allocations; one goroutine at a time uses it.
type Encoder struct {
	buf     []byte
	strings map[string]uint64
}

// Append appends the binary form of f to buf.
func (e *Encoder) Append(buf []byte, f *Frame) []byte {
	if e.strings == nil {
		e.strings = make(map[string]uint64)
	}
	clear(e.strings)
	e.buf = append(buf, byte(f.Type))
	e.number(uint64(f.ID))
	if f.Type == TypeDelta {
		e.number(f.From)
	}
	e.number(f.Seq)
	e.time(f.Time)
	if f.Type == TypeDelta {
		e.number(uint64(len(f.Removed)))
		for _, index := range f.Removed {
			e.number(uint64(index))
		}
	}
	e.number(uint64(len(f.Nodes)))
	for i := range f.Nodes {
		e.node(&f.Nodes[i])
	}
	if f.Type == TypeDelta {
		e.number(uint64(len(f.Changes)))
		var last uint32
		for i := range f.Changes {
			e.change(&f.Changes[i], last)
			last = f.Changes[i].Index
		}
	}
	buf, e.buf = e.buf, nil
	return buf
}

func (e *Encoder) number(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }

func (e *Encoder) float(v float64) {
	e.buf = binary.LittleEndian.AppendUint32(e.buf, math.Float32bits(float32(v)))
}

func (e *Encoder) time(t time.Time) {
	if t.IsZero() || t.UnixMilli() < 0 {
		e.number(0)
		return
	}
	e.number(uint64(t.UnixMilli()))
}

func (e *Encoder) string(s string) {
	if r, ok := e.strings[s]; ok {
		e.number(r)
		return
	}
	e.strings[s] = uint64(len(e.strings)) + 1
	e.number(0)
	e.number(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

func (e *Encoder) node(n *Node) {
	e.number(uint64(n.Index))
	e.number(uint64(n.Parent))
	flags := byte(0)
	if n.Hidden {
		flags |= flagHidden
	}
	e.buf = append(e.buf, byte(n.Kind), flags)
	e.number(uint64(max(n.Children, 0)))
	e.string(n.Name)
	e.string(n.Unit)
	e.time(n.Since)
	e.state(&n.State)
}

func (e *Encoder) change(c *Change, last uint32) {
	head := uint64(c.Index-last)<<3 | uint64(c.Status&3)
	if !c.Full {
		number, _ := c.Value.Number()
		e.number(head)
		e.float(number)
		return
	}
	e.number(head | 1<<2)
	e.time(c.Since)
	e.state(&c.State)
}

func (e *Encoder) state(s *State) {
	bits := byte(s.Status & 3)
	number, isNumber := s.Value.Number()
	text, isText := s.Value.Text()
	if isNumber {
		bits |= bitNumber
	}
	if isText {
		bits |= bitText
	}
	if s.Counts != nil {
		bits |= bitCounts
	}
	if s.Reason != "" {
		bits |= bitReason
	}
	if s.Flapping {
		bits |= bitFlapping
	}
	if s.Pending {
		bits |= bitPending
	}
	e.buf = append(e.buf, bits)
	if isNumber {
		e.float(number)
	}
	if isText {
		e.string(text)
	}
	if s.Counts != nil {
		for _, n := range s.Counts {
			e.number(uint64(max(n, 0)))
		}
	}
	if s.Reason != "" {
		e.string(s.Reason)
	}
}

// Decode reads one binary frame. Its strings and slices are its own. An error
// names the byte at which the frame went wrong and wraps [ErrFrame].
func Decode(data []byte) (*Frame, error) {
	d := decoder{data: data}
	f := d.frame()
	if d.err == nil && d.at != len(d.data) {
		d.fail("%d bytes too many", len(d.data)-d.at)
	}
	if d.err != nil {
		return nil, d.err
	}
	return f, nil
}

type decoder struct {
	data    []byte
	at      int
	strings []string
	err     error // the first; everything after it reads zeros
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: byte %d: %s", ErrFrame, d.at, fmt.Sprintf(format, args...))
		d.at = len(d.data)
	}
}

func (d *decoder) frame() *Frame {
	if len(d.data) > MaxFrameBytes {
		d.fail("longer than %d bytes", MaxFrameBytes)
		return nil
	}
	f := &Frame{Type: Type(d.byte())}
	if d.err == nil && f.Type != TypeSnapshot && f.Type != TypeDelta {
		d.at = 0
		d.fail("unknown type %#02x", byte(f.Type))
		return nil
	}
	f.ID = d.number32("id")
	if f.Type == TypeDelta {
		f.From = d.number()
	}
	f.Seq = d.number()
	f.Time = d.time()
	if f.Type == TypeDelta {
		for range d.count("removed", 1) {
			f.Removed = append(f.Removed, d.number32("index"))
		}
	}
	if n := d.count("nodes", 9); n > 0 {
		f.Nodes = make([]Node, 0, n)
		for range n {
			f.Nodes = append(f.Nodes, d.node())
		}
	}
	if f.Type == TypeDelta {
		last := uint64(0)
		n := d.count("changes", 2)
		f.Changes = make([]Change, 0, n)
		for i := range n {
			c, gap := d.change()
			if i > 0 && gap == 0 {
				d.fail("index %d is changed twice", last)
			}
			if last += gap; last > math.MaxUint32 {
				d.fail("index is beyond 32 bits")
			}
			c.Index = uint32(last)
			f.Changes = append(f.Changes, c)
			if d.err != nil {
				break
			}
		}
	}
	return f
}

func (d *decoder) byte() byte {
	if d.at >= len(d.data) {
		d.fail("ends early")
		return 0
	}
	d.at++
	return d.data[d.at-1]
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.data[d.at:])
	switch {
	case n > 0:
		d.at += n
	case n == 0:
		d.fail("ends early")
	default:
		d.fail("number is beyond 64 bits")
	}
	return v
}

func (d *decoder) number32(what string) uint32 {
	v := d.number()
	if v > math.MaxUint32 {
		d.fail("%s %d is beyond 32 bits", what, v)
	}
	return uint32(v)
}

// count reads how many of something follow. A declared number is believed only as
// far as the rest of the frame could hold so many of at least size bytes.
func (d *decoder) count(what string, size int) int {
	v := d.number()
	if rest := (len(d.data) - d.at) / size; v > uint64(rest) || v > MaxNodes {
		d.fail("%d %s do not fit into %d bytes", v, what, len(d.data)-d.at)
		return 0
	}
	return int(v)
}

func (d *decoder) float() float64 {
	if len(d.data)-d.at < 4 {
		d.fail("ends early")
		return 0
	}
	d.at += 4
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(d.data[d.at-4:])))
}

func (d *decoder) time() time.Time {
	ms := d.number()
	switch {
	case ms == 0:
		return time.Time{}
	case ms > 1<<53:
		d.fail("time %d is too late", ms)
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

func (d *decoder) string() string {
	r := d.number()
	if r > 0 {
		if r > uint64(len(d.strings)) {
			d.fail("string %d of %d", r, len(d.strings))
			return ""
		}
		return d.strings[r-1]
	}
	n := d.number()
	switch {
	case n > MaxTextBytes:
		d.fail("string of %d bytes is longer than %d", n, MaxTextBytes)
		return ""
	case n > uint64(len(d.data)-d.at):
		d.fail("ends early")
		return ""
	}
	s := string(d.data[d.at : d.at+int(n)])
	if !utf8.ValidString(s) {
		d.fail("string is not UTF-8")
		return ""
	}
	d.at += int(n)
	d.strings = append(d.strings, s)
	return s
}

func (d *decoder) node() Node {
	n := Node{Index: d.number32("index"), Parent: d.number32("parent"), Kind: tree.Kind(d.byte())}
	if n.Kind > tree.TextKind {
		d.fail("unknown kind %d", n.Kind)
	}
	flags := d.byte()
	if flags&^flagHidden != 0 {
		d.fail("unknown flags %#02x", flags)
	}
	n.Hidden = flags&flagHidden != 0
	children := d.number()
	if children > MaxNodes {
		d.fail("%d children are more than %d", children, MaxNodes)
	}
	n.Children = int(children)
	n.Name, n.Unit, n.Since = d.string(), d.string(), d.time()
	n.State = d.state()
	return n
}

func (d *decoder) change() (c Change, gap uint64) {
	head := d.number()
	c.Full = head&(1<<2) != 0
	if c.Full {
		c.Since = d.time()
		c.State = d.state()
		if d.err == nil && c.Status != tree.Status(head&3) {
			d.fail("status is said twice, and differently")
		}
	} else {
		c.Status = tree.Status(head & 3)
		c.Value = tree.Number(d.float())
	}
	return c, head >> 3
}

func (d *decoder) state() State {
	bits := d.byte()
	s := State{Status: tree.Status(bits & 3), Flapping: bits&bitFlapping != 0, Pending: bits&bitPending != 0}
	if bits&bitNumber != 0 && bits&bitText != 0 {
		d.fail("value is a number and a text")
	}
	if bits&bitNumber != 0 {
		s.Value = tree.Number(d.float())
	}
	if bits&bitText != 0 {
		s.Value = tree.Text(d.string())
	}
	if bits&bitCounts != 0 {
		s.Counts = new([4]int32)
		for i := range s.Counts {
			n := d.number()
			if n > math.MaxInt32 {
				d.fail("count %d is beyond 31 bits", n)
			}
			s.Counts[i] = int32(n)
		}
	}
	if bits&bitReason != 0 {
		s.Reason = d.string()
	}
	return s
}
