package measure

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

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
			if d := cmp.Diff(tt.want, ThresholdOf(&tt.th)); d != "" {
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
		if got := Describe(tree.Performance, tt.value, tt.unit); got != tt.want {
			t.Errorf("%v %s: got %q, want %q", tt.value, tt.unit, got, tt.want)
		}
	}
}

func TestAveragesSlideByTheMinute(t *testing.T) {
	var w Window
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for s := range 20 * 60 { // second s has the value of its minute
		w.Add(float64(s/60), start.Add(time.Duration(s)*time.Second))
	}
	now := start.Add(20*time.Minute - time.Second)
	for minutes, want := range map[int]Average{
		1:  {Value: 18.5, Count: 120, Sum: 60 * (18 + 19)},
		5:  {Value: 16.5, Count: 360, Sum: 60 * (14 + 15 + 16 + 17 + 18 + 19)},
		15: {Value: 11.5, Count: 960, Sum: 60 * 184},
	} {
		got, ok := w.Average(now, minutes)
		if d := cmp.Diff(want, got); d != "" || !ok {
			t.Errorf("%d minutes: -want +got\n%s", minutes, d)
		}
	}
	least, greatest := w.Extremes()
	if d := cmp.Diff([]Extreme{{0, start}, {19, start.Add(19 * time.Minute)}}, []Extreme{least, greatest}); d != "" {
		t.Error(d)
	}
	w.Add(5, start) // late
	w.Add(5, now)   // the same again
	if got, _ := w.Average(now.Add(10*time.Minute), 15); got.Count != 6*60 {
		t.Errorf("ten minutes later %d readings are counted, want those of six minutes", got.Count)
	}
	if _, ok := w.Average(now.Add(time.Hour), 15); ok {
		t.Error("an hour later there is still an average")
	}
}

// TestAFullMinuteTakesNoMore: its average is that of what it took, and extremes go on.
func TestAFullMinuteTakesNoMore(t *testing.T) {
	var w Window
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range math.MaxUint16 {
		w.Add(2, start.Add(time.Duration(i)))
	}
	w.Add(1000, start.Add(time.Second))
	got, _ := w.Average(start.Add(time.Second), 1)
	if d := cmp.Diff(Average{Value: 2, Count: math.MaxUint16, Sum: 2 * math.MaxUint16}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if _, greatest := w.Extremes(); greatest.Value != 1000 {
		t.Errorf("the greatest is %v", greatest)
	}
}
