package frame_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grove/notify/peer/branch/frame"
	"grove/tree"
)

const said = frame.SaidTime | frame.SaidValue

// sample has every form of everything.
var sample = frame.Frame{
	Number:  70_000,
	Removed: []uint32{9, 3, 3_000_000},
	Specs:   []frame.Spec{{ID: 0, Text: []byte(`{}`)}, {ID: 7, Text: []byte(`{"kind":"group"}`)}},
	Placed: []frame.Placed{
		{State: frame.State{Index: 5, Status: tree.Red, Said: frame.SaidTurn, Since: 1}, Parent: 5, Name: "", Spec: 7},
		{State: frame.State{Index: 2, Status: tree.Yellow, Said: said | frame.SaidTurn, Value: tree.Text("ab"), Time: 9, Last: tree.Yellow, Flapping: true, Since: 4}, Parent: 5, Name: "a/b ü"},
	},
	Changed: []frame.State{
		{Index: 1, Status: tree.Green, Said: said, Value: tree.Number(3), Time: 1_700_000_000_000},
		{Index: 2, Status: tree.Green, Said: said, Value: tree.Number(-0.5), Time: 1_700_000_000_001},
		{Index: 3, Status: tree.Green, Said: said, Value: tree.Number(0.1), Time: 1_700_000_000_001},
		{Index: 4, Status: tree.Green, Said: said, Value: tree.Number(math.Inf(-1)), Time: 1},
		{Index: 5, Status: tree.Green, Said: said, Value: tree.Number(1e300), Time: 1},
		{Index: 6, Status: tree.Green, Said: said, Time: 0},
		{Index: 7, Status: tree.Green, Said: frame.SaidTime, Time: 5},
		{Index: 8, Status: tree.White, Said: frame.SaidTurn, Last: tree.Red, Pending: true, Reason: "no answer"},
		{Index: 9, Status: tree.Red, Said: frame.SaidEvents, Events: []tree.Event{{Time: time.UnixMilli(7), Status: tree.Red, Text: "down"}, {Time: time.UnixMilli(3), Text: ""}}},
		{Index: 4_000, Status: tree.Red},
	},
}

var same = cmp.Options{cmp.AllowUnexported(tree.Value{}), cmpopts.EquateEmpty()}

func TestWhatIsWrittenIsRead(t *testing.T) {
	var got frame.Frame
	body := sample.Append(nil)
	if err := got.Decode(body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample, got, same); diff != "" {
		t.Error(diff)
	}
	for n := range body {
		if err := got.Decode(body[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were read", n, len(body))
		}
	}
	var zero frame.Frame
	if err := got.Decode(zero.Append(nil)); err != nil || len(got.Changed)+len(got.Placed) != 0 {
		t.Errorf("an empty one: %v", err)
	}
}

func TestNegativeZeroAndShortNumbers(t *testing.T) {
	for v, most := range map[float64]int{0: 1, 1: 1, -63: 1, 8000: 2, 0.5: 4, 0.1: 8, math.Copysign(0, -1): 4, 1 << 40: 4} {
		f := frame.Frame{Changed: []frame.State{{Said: said, Value: tree.Number(v)}}}
		body := f.Append(nil)
		var got frame.Frame
		if err := got.Decode(body); err != nil {
			t.Fatal(err)
		}
		n, _ := got.Changed[0].Value.Number()
		if n != v || math.Signbit(n) != math.Signbit(v) {
			t.Errorf("%v became %v", v, n)
		}
		if value := len(body) - 9; value != most {
			t.Errorf("%v has %d bytes, want %d", v, value, most)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		want string
	}{
		"another form":   {[]byte{2}, "byte 1: it has the form 2, and this program reads 1"},
		"nothing":        {nil, "byte 0: it ends too early"},
		"a long list":    {[]byte{1, 0, 200, 1, 0}, "200 elements in 1 bytes"},
		"more after it":  {[]byte{1, 0, 0, 0, 0, 0, 7}, "1 bytes are left"},
		"an index":       {[]byte{1, 0, 1, 1, 0, 0, 0}, "no node has the index -1"},
		"a long name":    {append([]byte{1, 0, 0, 0, 1, 0, 0, 200, 1}, make([]byte, 300)...), "200 bytes where 128 at most belong"},
		"a value's form": {[]byte{1, 0, 0, 0, 0, 1, 0, 7<<5 | 4, 0}, "a value has the form 7"},
		"no time":        {[]byte{1, 0, 0, 0, 0, 1, 0, 1 << 5}, "a value without its time"},
		"before 1970":    {[]byte{1, 0, 0, 0, 0, 1, 0, 4, 1}, "the time -1 ms is none"},
	} {
		var f frame.Frame
		if err := f.Decode(c.body); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// FuzzFrame reads anything: what can be read can be written and read again as the same.
func FuzzFrame(f *testing.F) {
	f.Add(sample.Append(nil))
	f.Add([]byte{1, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		var a, b frame.Frame
		if a.Decode(body) != nil {
			return
		}
		again := a.Append(nil)
		if err := b.Decode(again); err != nil {
			t.Fatalf("%v: %v", a, err)
		}
		if !bytes.Equal(again, b.Append(nil)) {
			t.Fatal("another frame")
		}
	})
}
