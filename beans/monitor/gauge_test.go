package monitor_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"grove/beans"
	"grove/beans/monitor"
)

// step is one scan: the value that it finds, what is done before, and what is told.
type step struct {
	value beans.Value
	do    func()
	want  []string
}

// scans runs steps against a monitor of one thing, which is started.
func scans(w *world, m watched, b *thing, steps []step) {
	w.t.Helper()
	w.no(m.Start())
	pass(500 * time.Millisecond)
	for i, s := range steps {
		if s.do != nil {
			s.do()
		}
		b.set(s.value)
		pass(time.Second)
		before := w.t.Failed()
		w.expect(s.want...)
		if !before && w.t.Failed() {
			w.t.Errorf("that was step %d", i+1)
			return
		}
	}
}

func told(lines ...string) []string { return lines }

func TestGauge(t *testing.T) {
	both := func(high, low beans.Value) func(*monitor.Gauge) error {
		return func(g *monitor.Gauge) error {
			g.SetNotifyHigh(true)
			g.SetNotifyLow(true)
			return g.SetThresholds(high, low)
		}
	}
	boom := errors.New("boom")
	tests := map[string]struct {
		set   func(*monitor.Gauge) error
		steps []step
	}{
		"alternates": {both(int64(10), int64(5)), []step{
			{value: int64(7)},
			{value: int64(10), want: told("0 gauge.high a int64(10) by int64(10)")},
			{value: int64(99)},
			{value: int64(6)},
			{value: int64(12)},
			{value: int64(5), want: told("1 gauge.low a int64(5) by int64(5)")},
			{value: int64(0)},
			{value: int64(9)},
			{value: int64(11), want: told("2 gauge.high a int64(11) by int64(10)")},
		}},
		"low first": {both(10.0, 5.0), []step{
			{value: 4.5, want: told("0 gauge.low a float64(4.5) by float64(5)")},
			{value: 4.0},
			{value: 10.5, want: told("1 gauge.high a float64(10.5) by float64(10)")},
		}},
		"equal thresholds alternate": {both(int32(5), int32(5)), []step{
			{value: int32(5), want: told("0 gauge.high a int32(5) by int32(5)")},
			{value: int32(5), want: told("1 gauge.low a int32(5) by int32(5)")},
			{value: int32(5), want: told("2 gauge.high a int32(5) by int32(5)")},
		}},
		"the state goes on while nothing is told": {func(g *monitor.Gauge) error {
			g.SetNotifyLow(true)
			return g.SetThresholds(int16(10), int16(5))
		}, []step{
			{value: int16(20)},
			{value: int16(1), want: told("0 gauge.low a int16(1) by int16(5)")},
			{value: int16(20)},
			{value: int16(1), want: told("1 gauge.low a int16(1) by int16(5)")},
		}},
		"defaults of Integer 0 fit every type": {func(g *monitor.Gauge) error { g.SetNotifyHigh(true); return nil }, []step{
			{value: 0.5, want: told("0 gauge.high a float64(0.5) by int32(0)")},
			{value: -0.5},
			{value: int8(1), want: told("1 gauge.high a int8(1) by int32(0)")},
		}},
		"a threshold of another type": {both(int64(10), int64(5)), []step{
			{value: int32(50), want: told("0 error.threshold a The threshold type is not valid.")},
			{value: 50.0},
			{value: int64(50), want: told("1 gauge.high a int64(50) by int64(10)")},
			{value: int32(50), want: told("2 error.threshold a The threshold type is not valid.")},
			{value: int64(50), want: told("3 gauge.high a int64(50) by int64(10)")},
		}},
		"untyped thresholds": {both(monitor.Untyped(10), monitor.Untyped("5.0")), []step{
			{value: int64(10), want: told("0 gauge.high a int64(10) by int64(10)")},
			{value: 5.0, want: told("1 gauge.low a float64(5) by float64(5)")},
			{value: float32(10), want: told("2 gauge.high a float32(10) by float32(10)")},
			{value: int8(5), want: told("3 gauge.low a int8(5) by int8(5)")},
			{value: time.Minute, want: told("4 gauge.high a float64(60) by float64(10)")},
		}},
		"untyped thresholds that do not fit": {both(monitor.Untyped(300), monitor.Untyped(0.5)), []step{
			{value: int64(10), want: told("0 error.threshold a The threshold type is not valid.")},
			{value: 400.0, want: told("1 gauge.high a float64(400) by float64(300)")},
			{value: int8(10), want: told("2 error.threshold a The threshold type is not valid.")},
		}},
		"each error once until a clean scan, and the alarm again after it": {both(int64(10), int64(5)), []step{
			{value: int64(10), want: told("0 gauge.high a int64(10) by int64(10)")},
			{value: nil, want: told("1 error.type a The observed attribute value is null.")},
			{value: "text"},
			{value: boom, want: told(`2 error.runtime a attribute "Value": boom`)},
			{value: boom},
			{value: nil},
			{value: int64(7)},
			{value: nil, want: told("3 error.type a The observed attribute value is null.")},
			{value: int64(10), want: told("4 gauge.high a int64(10) by int64(10)")},
		}},
		"types that are none": {both(int64(10), int64(5)), []step{
			{value: "text", want: told("0 error.type a The observed attribute type is not valid.")},
			{value: int64(7)},
			{value: true, want: told("1 error.type a The observed attribute type is not valid.")},
			{value: int64(7)},
			{value: map[string]beans.Value{}, want: told("2 error.type a The observed attribute value does not implement the Comparable interface.")},
			{value: int64(7)},
			{value: []float64{1}, want: told("3 error.type a The observed attribute value does not implement the Comparable interface.")},
		}},
		"difference": {func(g *monitor.Gauge) error { g.SetDifference(true); return both(int64(10), int64(-10))(g) }, []step{
			{value: int64(100)},
			{value: int64(105)},
			{value: int64(115), want: told("0 gauge.high a int64(10) by int64(10)")},
			{value: int64(100), want: told("1 gauge.low a int64(-15) by int64(-10)")},
			{value: nil, want: told("2 error.type a The observed attribute value is null.")},
			{value: int64(900)}, // the first after an error
			{value: int64(910), want: told("3 gauge.high a int64(10) by int64(10)")},
		}},
		"difference wraps in the width": {func(g *monitor.Gauge) error { g.SetDifference(true); return both(int8(50), int8(-50))(g) }, []step{
			{value: int8(100)},
			{value: int8(-100), want: told("0 gauge.high a int8(56) by int8(50)")}, // -200 + 256
		}},
		"difference of longs wraps": {func(g *monitor.Gauge) error { g.SetDifference(true); return both(int64(1), int64(-1))(g) }, []step{
			{value: int64(math.MaxInt64)},
			{value: int64(math.MinInt64), want: told("0 gauge.high a int64(1) by int64(1)")},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				g := w.service.NewGauge()
				b, n := w.thing("a")
				w.add(g, n)
				w.no(tt.set(g))
				scans(w, g, b, tt.steps)
			})
		})
	}
}

// TestGaugeSettingsReset says which changes make alarms come again.
func TestGaugeSettingsReset(t *testing.T) {
	inBubble(t, func(w *world) {
		g := w.service.NewGauge()
		b, n := w.thing("a")
		w.add(g, n)
		g.SetNotifyHigh(true)
		set := func(high, low beans.Value) func() { return func() { w.no(g.SetThresholds(high, low)) } }
		set(int64(10), int64(5))()
		scans(w, g, b, []step{
			{value: int64(20), want: told("0 gauge.high a int64(20) by int64(10)")},
			{do: set(int64(10), int64(5)), value: int64(20)},
			{do: set(int64(10), int64(6)), value: int64(20), want: told("1 gauge.high a int64(20) by int64(10)")},
			{do: func() { g.SetNotifyHigh(false); g.SetNotifyHigh(true) }, value: int64(20)},
			{do: func() { g.SetDifference(false) }, value: int64(20)},
			{do: func() { g.SetDifference(true) }, value: int64(20)},
			{do: func() { g.SetDifference(false) }, value: int64(20), want: told("2 gauge.high a int64(20) by int64(10)")},
			{do: set(10.0, 5.0), value: int64(20), want: told("3 error.threshold a The threshold type is not valid.")},
			{do: set(10.0, 5.0), value: int64(20)},
			{do: set(11.0, 5.0), value: int64(20), want: told("4 error.threshold a The threshold type is not valid.")},
			{do: set(int64(10), int64(5)), value: int64(20), want: told("5 gauge.high a int64(20) by int64(10)")},
			{do: func() { g.Stop(); w.no(g.Start()); pass(500 * time.Millisecond) }, value: int64(20), want: told("6 gauge.high a int64(20) by int64(10)")},
		})
	})
}

func TestGaugeThresholdsAreChecked(t *testing.T) {
	g := monitor.NewService(monitor.Options{}).NewGauge()
	for name, tt := range map[string]struct {
		high, low beans.Value
		want      string
	}{
		"nothing":          {nil, int64(1), "invalid value: the high threshold is missing"},
		"no number":        {int64(1), "x", "invalid value: the low threshold is a number, not x"},
		"untyped no":       {monitor.Untyped("x"), int64(1), "invalid value: the high threshold is a number, not x"},
		"not a number":     {math.NaN(), 1.0, "invalid value: the high threshold is a number, not NaN"},
		"infinite":         {monitor.Untyped("Inf"), 1.0, "invalid value: the high threshold is a number, not Inf"},
		"types":            {int64(1), int32(1), "invalid value: the thresholds 1 and 1 have different types"},
		"order":            {int64(1), int64(2), "invalid value: the high threshold 1 is below the low threshold 2"},
		"order of untyped": {monitor.Untyped(1), monitor.Untyped(1.5), "invalid value: the high threshold 1 is below the low threshold 1.5"},
	} {
		t.Run(name, func(t *testing.T) {
			err := g.SetThresholds(tt.high, tt.low)
			if err == nil || err.Error() != tt.want || !errors.Is(err, beans.ErrInvalidValue) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if high, low := g.Thresholds(); high != int32(0) || low != int32(0) {
				t.Errorf("the thresholds became %v and %v", high, low)
			}
		})
	}
}
