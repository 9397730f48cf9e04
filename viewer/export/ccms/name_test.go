package ccms

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("ä", 41)
	for _, tt := range []struct {
		name, path string
		group      bool
		want       string
	}{
		{"the root", "/", true, `GRV\...`},
		{"a context", "/shop", true, `GRV\shop\...`},
		{"an object", "/shop/web1", true, `GRV\shop\web1\...`},
		{"an attribute", "/shop/web1/Up", false, `GRV\shop\web1\Up`},
		{"a deeper object", "/shop/web1/Connections", true, `GRV\shop\...\web1/Connections\...`},
		{"a deeper attribute", "/shop/web1/Connections/Open", false, `GRV\shop\...\web1/Connections\Open`},
		{"an attribute of a context", "/shop/Up", false, `GRV\shop\...\Up`},
		{"an attribute of the root", "/Up", false, `GRV\...\...\Up`},
		{"a slash in a name", "/host/File systems/~1var/Used", false, `GRV\host\...\File systems/~1var\Used`},
		{"a slash in the name of a context and of an attribute", "/a~1b/c/~1var", false, `GRV\a/b\c\/var`},
		{"a backslash", `/shop/web1/C:\Temp`, false, `GRV\shop\web1\C:_Temp~HIYB7YWK`},
		{"a name that is too long", "/shop/web1/" + long, false, `GRV\shop\web1\` + strings.Repeat("ä", 31) + `~FCIFFRHW`},
		{"a name that is just long enough", "/shop/web1/" + long[2:], false, `GRV\shop\web1\` + long[2:]},
		{"a name that stands for others", "/shop/.../Up", false, `GRV\shop\...~VNO7MJN4\Up`},
		{"a name that looks shortened", "/shop/web1/a~0AAAABBBB", false, `GRV\shop\web1\a~AAAABBBB~CPWESBDO`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := nameOf(tree.MustPath(tt.path), tt.group).full("GRV"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// FuzzNamesAreUnique: two nodes never have one name, and no part is too long.
func FuzzNamesAreUnique(f *testing.F) {
	for _, seed := range [][2]string{
		{"/a/b/c", "/a/b~1c"}, {"/a/b~1c/d", "/a/b/c/d"}, {"/a/.../c", "/a/c"}, {`/a/b\c/d`, "/a/b_c/d"},
		{"/" + strings.Repeat("x", 50), "/" + strings.Repeat("x", 51)}, {"/a~1b/c", "/a/b/c"},
	} {
		f.Add(seed[0], seed[1], true, false)
	}
	f.Fuzz(func(t *testing.T, one, other string, oneGroup, otherGroup bool) {
		p, err1 := tree.ParsePath(one)
		q, err2 := tree.ParsePath(other)
		if err1 != nil || err2 != nil {
			return
		}
		a := nameOf(p, oneGroup || p.IsRoot())
		b := nameOf(q, otherGroup || q.IsRoot())
		same := p == q && (oneGroup || p.IsRoot()) == (otherGroup || q.IsRoot())
		if (a.full("GRV") == b.full("GRV")) != same {
			t.Errorf("%s is %s, %s is %s", p, a.full("GRV"), q, b.full("GRV"))
		}
		for _, text := range []string{a.context, a.object, a.attribute, shortName(p, "GRV")} {
			if utf8.RuneCountInString(text) > MaxPart || strings.Contains(text, `\`) || !utf8.ValidString(text) {
				t.Errorf("%s has the part %q", p, text)
			}
		}
		if id, ok := parseTID(makeTID("GRV", DefaultSegment, number(p), Performance), "GRV", DefaultSegment); !ok || id != number(p) {
			t.Errorf("the TID of %s does not lead back", p)
		}
	})
}

func TestIdentifiersHaveTheirLengths(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 5, 9, 0, time.UTC)
	tid := makeTID("GRV", DefaultSegment, 7*half+9, Performance)
	if want := "GRV     SAP_CCMS_grove                          010" + "0000000007" + "100" + "0000000009" + "0000000000"; tid != want || len(tid) != 84 {
		t.Errorf("got  %q\nwant %q", tid, want)
	}
	aid := makeAID("GRV", DefaultSegment, 42, at)
	if want := "GRV     SAP_CCMS_grove                          0000000042" + "0000000000" + "20260301" + "120509" + "00"; aid != want || len(aid) != 84 {
		t.Errorf("got  %q\nwant %q", aid, want)
	}
	for _, id := range []uint64{0, 1, 9_999_999_999, 10_000_000_000, 1 << 62} {
		if got, ok := parseAID(makeAID("GRV", DefaultSegment, id, at), "GRV", DefaultSegment); !ok || got != id {
			t.Errorf("%d comes back as %d, %v", id, got, ok)
		}
	}
	for _, bad := range []string{"", aid[:83], aid + "0", "T10" + aid[3:], strings.Replace(aid, "42", "4x", 1)} {
		if id, ok := parseAID(bad, "GRV", DefaultSegment); ok {
			t.Errorf("%q is taken for %d", bad, id)
		}
		if id, ok := parseTID(bad, "GRV", DefaultSegment); ok {
			t.Errorf("%q is taken for the TID of %d", bad, id)
		}
	}
}

func TestThresholds(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	for _, tt := range []struct {
		name string
		th   tree.Threshold
		want *Threshold
	}{
		{"none", tree.Threshold{}, nil},
		{"above", tree.Threshold{Yellow: tree.AboveLevel(500, 450), Red: tree.AboveLevel(1000, 900)},
			&Threshold{Direction: Above, GreenToYellow: f(500), YellowToGreen: f(450), YellowToRed: f(1000), RedToYellow: f(900), Yellow: "> 500", Red: "> 1000"}},
		{"above, red only, with times", tree.Threshold{Red: tree.Level{Form: tree.Above, High: 2, OffHigh: 2, After: 30 * time.Second}, ClearAfter: time.Minute, StaleAfter: time.Hour},
			&Threshold{Direction: Above, YellowToRed: f(2), RedToYellow: f(2), Red: "> 2 for 30s", ClearAfter: "1m", StaleAfter: "1h"}},
		{"below", tree.Threshold{Yellow: tree.BelowLevel(20, 25), Red: tree.BelowLevel(10, 10)},
			&Threshold{Direction: Below, GreenToYellow: f(20), YellowToGreen: f(25), YellowToRed: f(10), RedToYellow: f(10), Yellow: "< 20", Red: "< 10"}},
		{"a range, which CCMS does not have", tree.Threshold{Yellow: tree.Level{Form: tree.Outside, Low: 10, High: 20, OffLow: 10, OffHigh: 20}},
			&Threshold{Yellow: "outside 10..20"}},
		{"two directions, which CCMS does not have", tree.Threshold{Yellow: tree.BelowLevel(1, 1), Red: tree.AboveLevel(9, 9)},
			&Threshold{Yellow: "< 1", Red: "> 9"}},
		{"states", tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "*": tree.Red}},
			&Threshold{States: map[string]string{"up": "green", "*": "red"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, thresholdOf(&tt.th)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestDescriptionsAreValueAndUnit(t *testing.T) {
	for _, tt := range []struct {
		value tree.Value
		unit  string
		want  string
	}{
		{tree.Number(91), "%", "91 %"},
		{tree.Number(15.0625), "ms", "15.0625 msec"},
		{tree.Number(11), "entries", "11 entr"},
		{tree.Number(0.1 + 0.2), "s", "0.3 s"},
		{tree.Number(-0.00000001), "%", "0 %"},
		{tree.Number(91.23456), "%", "91.2346 %"},
		{tree.Number(501.5), "connections", "501.5 conn"},
		{tree.Number(1234567.8), "requests/s", "1234568 /s"},
		{tree.Number(math.Inf(1)), "s", "+Inf s"},
		{tree.Number(3), "", "3"},
		{tree.Number(100), "", "100"},
		{tree.Number(1e15), "bytes", "1000000000000000 B"},
		{tree.Number(7), "furlongs per fortnight", "7 furl"},
		{tree.Text("running well"), "", "running well"},
		{tree.Value{}, "s", ""},
	} {
		if got := describe(tree.Performance, tt.value, tt.unit); got != tt.want {
			t.Errorf("%v %s: got %q, want %q", tt.value, tt.unit, got, tt.want)
		}
	}
}

func TestAveragesSlideByTheMinute(t *testing.T) {
	var w window
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for s := range 20 * 60 { // second s has the value of its minute
		w.add(float64(s/60), start.Add(time.Duration(s)*time.Second))
	}
	now := start.Add(20*time.Minute - time.Second)
	for minutes, want := range map[int]Average{
		1:  {Value: 18.5, Count: 120, Sum: 60 * (18 + 19)},
		5:  {Value: 16.5, Count: 360, Sum: 60 * (14 + 15 + 16 + 17 + 18 + 19)},
		15: {Value: 11.5, Count: 960, Sum: 60 * 184},
	} {
		got, ok := w.average(now, minutes)
		if d := cmp.Diff(want, got); d != "" || !ok {
			t.Errorf("%d minutes: -want +got\n%s", minutes, d)
		}
	}
	if d := cmp.Diff(Extreme{0, start}, w.min); d != "" {
		t.Error(d)
	}
	w.add(5, start) // late
	w.add(5, now)   // the same again
	if got, _ := w.average(now.Add(10*time.Minute), 15); got.Count != 6*60 {
		t.Errorf("ten minutes later %d readings are counted, want those of six minutes", got.Count)
	}
	if _, ok := w.average(now.Add(time.Hour), 15); ok {
		t.Error("an hour later there is still an average")
	}
}
