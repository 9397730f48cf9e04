package frame

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

var equal = cmp.Options{
	cmp.Comparer(func(a, b tree.Value) bool {
		x, xok := a.Number()
		y, yok := b.Number()
		return a == b || xok && yok && math.IsNaN(x) && math.IsNaN(y)
	}),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

func sample() (snapshot, delta *Frame) {
	at := time.UnixMilli(1_790_000_000_123)
	snapshot = &Frame{Type: TypeSnapshot, ID: 1, Seq: 1 << 50, Time: at, Nodes: []Node{
		{Index: 0, Parent: 0, Kind: tree.Group, State: State{Status: tree.Red, Counts: &[4]int32{1, 2, 0, 1}}},
		{Index: 7, Parent: 0, Kind: tree.Performance, Name: "Aktive Gäste", Unit: "s", Since: at, Hidden: true, Children: 300, State: State{Status: tree.Yellow, Value: tree.Number(0.5), Flapping: true}},
		{Index: 3, Parent: 0, Kind: tree.State, Name: "s", State: State{Status: tree.White, Reason: "s", Pending: true, Value: tree.Text("<script>")}},
	}}
	delta = &Frame{Type: TypeDelta, ID: 4_000_000_000, From: 5, Seq: 9, Time: at, Removed: []uint32{3, 1},
		Nodes: []Node{{Index: 3, Parent: 0, Kind: tree.Log, Name: "log", State: State{Status: tree.Green, Value: tree.Text("")}}},
		Changes: []Change{
			{Index: 0, Full: true, State: State{Status: tree.Green, Counts: &[4]int32{0, 4, 0, 0}}},
			{Index: 7, State: State{Status: tree.Green, Value: tree.Number(-1.25)}},
			{Index: 8, State: State{Status: tree.Red, Value: tree.Number(math.Inf(1))}},
			{Index: 4_000_000_000, Full: true, Since: at, State: State{Status: tree.White, Reason: "no reading for 60s"}},
		}}
	return snapshot, delta
}

func TestBinaryFramesReadBackAsWritten(t *testing.T) {
	var e Encoder
	snapshot, delta := sample()
	for _, f := range []*Frame{snapshot, delta, {Type: TypeSnapshot}, {Type: TypeDelta, Changes: []Change{}}} {
		got, err := Decode(e.Append(nil, f))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(f, got, equal); d != "" {
			t.Errorf("-written +read\n%s", d)
		}
	}
}

func TestJSONFramesReadBackAsWritten(t *testing.T) {
	snapshot, delta := sample()
	delta.Changes = delta.Changes[:2] // JSON has no infinity.
	for i := range delta.Changes {
		delta.Changes[i].Full = true
	}
	for _, f := range []*Frame{snapshot, delta} {
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		got := new(Frame)
		if err := json.Unmarshal(text, got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(f, got, equal); d != "" {
			t.Errorf("-written +read\n%s", d)
		}
	}
}

// TestBinaryFormIsThis holds the bytes that the page's decoder relies on.
func TestBinaryFormIsThis(t *testing.T) {
	var e Encoder
	f := &Frame{Type: TypeDelta, ID: 1, From: 2, Seq: 300, Time: time.UnixMilli(1), Removed: []uint32{9},
		Nodes: []Node{{Index: 5, Parent: 4, Kind: tree.Performance, Name: "x", Unit: "x", Hidden: true, Children: 300}},
		Changes: []Change{
			{Index: 2, State: State{Status: tree.Red, Value: tree.Number(1)}},
			{Index: 5, Full: true, Since: time.UnixMilli(2), State: State{Status: tree.White, Reason: "x", Pending: true}},
		}}
	want := []byte{'D', 1, 2, 0xac, 2, 1,
		1, 9,
		1, 5, 4, 1, 1, 0xac, 2, 0, 1, 'x', 1, 0, 0,
		2, 2<<3 | 3, 0, 0, 0x80, 0x3f,
		3<<3 | 4, 2, 1<<5 | 1<<7, 1}
	if got := e.Append(nil, f); !bytes.Equal(got, want) {
		t.Errorf("got  % x\nwant % x", got, want)
	}
}

func TestPlainAndFullChanges(t *testing.T) {
	quiet := time.Unix(1000, 0)
	before, after := quiet.Add(-time.Second), quiet
	for _, c := range []struct {
		name string
		cell tree.Cell
		full bool
	}{
		{"a number whose status is old", tree.Cell{Kind: tree.Performance, Value: tree.Number(1), Since: before}, false},
		{"a number whose status is new", tree.Cell{Kind: tree.Performance, Value: tree.Number(1), Since: after}, true},
		{"a text", tree.Cell{Kind: tree.State, Value: tree.Text("up"), Since: before}, true},
		{"no value", tree.Cell{Kind: tree.Performance, Since: before}, true},
		{"a reason", tree.Cell{Kind: tree.Performance, Value: tree.Number(1), Since: before, Reason: "stale"}, true},
		{"flapping", tree.Cell{Kind: tree.Performance, Value: tree.Number(1), Since: before, Flapping: true}, true},
		{"pending", tree.Cell{Kind: tree.Performance, Value: tree.Number(1), Since: before, Pending: true}, true},
		{"a group", tree.Cell{Kind: tree.Group, Since: before}, true},
	} {
		if got := ChangeOf(&c.cell, quiet).Full; got != c.full {
			t.Errorf("%s: full %v, want %v", c.name, got, c.full)
		}
	}
}

func TestDecodeSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, c := range []struct {
		name, data, want string
	}{
		{"nothing", "", "malformed frame: byte 0: ends early"},
		{"unknown type", "X\x00", "malformed frame: byte 0: unknown type 0x58"},
		{"cut", "S\x01", "malformed frame: byte 2: ends early"},
		{"long number", "S" + strings.Repeat("\xff", 11), "malformed frame: byte 1: number is beyond 64 bits"},
		{"wide id", "S\xff\xff\xff\xff\xff\x01", "malformed frame: byte 7: id 68719476735 is beyond 32 bits"},
		{"declared count is not believed", "S\x01\x01\x01\xff\xff\xff\x7f", "malformed frame: byte 8: 268435455 nodes do not fit into 0 bytes"},
		{"unknown string", "S\x01\x01\x01\x01\x01\x01\x01\x00\x00\x05\x00\x00\x00\x00", "malformed frame: byte 11: string 5 of 0"},
		{"not UTF-8", "S\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x01\xff\x00\x00\x00\x00", "malformed frame: byte 12: string is not UTF-8"},
		{"long string", "S\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\xff\xff\x7f\x00\x00\x00\x00", "malformed frame: byte 14: string of 2097151 bytes is longer than 65536"},
		{"unknown kind", "S\x01\x01\x01\x01\x01\x01\x09\x00\x00\x00\x01\x00\x00\x00", "malformed frame: byte 8: unknown kind 9"},
		{"unknown flags", "S\x01\x01\x01\x01\x01\x01\x01\x06\x00\x00\x01\x00\x00\x00", "malformed frame: byte 9: unknown flags 0x06"},
		{"children without bound", "S\x01\x01\x01\x01\x01\x01\x01\x00\xff\xff\xff\x7f\x00\x00\x00", "malformed frame: byte 13: 268435455 children are more than 4000000"},
		{"the same index twice", "D\x01\x01\x02\x01\x00\x00\x02\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00", "malformed frame: byte 18: index 1 is changed twice"},
		{"two statuses", "D\x01\x01\x02\x01\x00\x00\x01\x0d\x00\x02", "malformed frame: byte 11: status is said twice, and differently"},
		{"more than a frame", "S\x01\x01\x01\x00zz", "malformed frame: byte 5: 2 bytes too many"},
	} {
		f, err := Decode([]byte(c.data))
		if f != nil || err == nil || err.Error() != c.want || !errors.Is(err, ErrFrame) {
			t.Errorf("%s: %v, %v; want %s", c.name, f, err, c.want)
		}
	}
	for _, c := range []struct{ name, data, want string }{
		{"no JSON", "{", "unexpected end of JSON input"},
		{"unknown type", `{"type":"x"}`, `malformed frame: unknown type "x"`},
		{"delta from nowhere", `{"type":"delta"}`, "malformed frame: a delta without from"},
		{"unknown status", `{"type":"delta","from":1,"changes":[{"index":1,"status":"blue"}]}`, `malformed frame: unknown status "blue": green, yellow, red or white`},
		{"a list for a value", `{"type":"delta","from":1,"changes":[{"index":1,"status":"red","value":[]}]}`, `malformed frame: value "[]" is neither a number nor a string`},
	} {
		if err := json.Unmarshal([]byte(c.data), new(Frame)); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v; want %s", c.name, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var e Encoder
	snapshot, delta := sample()
	f.Add(e.Append(nil, snapshot))
	f.Add(e.Append(nil, delta))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Decode(data)
		if (got == nil) != (err != nil) {
			t.Fatalf("frame %v and error %v", got, err)
		}
		if err != nil {
			return
		}
		m := mirrorOf(t)
		m.Seq = got.From
		if m.Apply(got) == nil { // It must not end in a circle.
			n := 0
			m.Walk(func(w *Mirrored, _ int) bool {
				n++
				return n <= m.Len() && len(m.Names(w.Index)) <= m.Len()
			})
			if n > m.Len() {
				t.Fatalf("%d nodes are walked, there are %d", n, m.Len())
			}
		}
		again, err := Decode(e.Append(nil, got))
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if d := cmp.Diff(got, again, equal); d != "" {
			t.Fatal(d)
		}
	})
}

func BenchmarkEncodeChange(b *testing.B) {
	f := &Frame{Type: TypeDelta, Changes: make([]Change, 1000)}
	for i := range f.Changes {
		f.Changes[i] = Change{Index: uint32(i * 97), Full: i%100 == 0, State: State{Status: tree.Green, Value: tree.Number(float64(i) / 7)}}
	}
	var e Encoder
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = e.Append(buf[:0], f)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/change")
	b.ReportMetric(float64(len(buf))/1000, "bytes/change")
}
