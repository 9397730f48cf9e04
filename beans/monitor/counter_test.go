package monitor_test

import (
	"errors"
	"math"
	"testing"

	"grove/beans"
	"grove/beans/monitor"
)

// counting sets a counter up and enables its notifications.
func counting(initial, offset, modulus beans.Value, difference bool) func(*monitor.Counter) error {
	return func(c *monitor.Counter) error {
		c.SetNotify(true)
		c.SetDifference(difference)
		err := c.SetInitThreshold(initial)
		if offset != nil {
			err = errors.Join(err, c.SetOffset(offset))
		}
		if modulus != nil {
			err = errors.Join(err, c.SetModulus(modulus))
		}
		return err
	}
}

func TestCounter(t *testing.T) {
	tests := map[string]struct {
		set   func(*monitor.Counter) error
		steps []step
	}{
		"without offset it is told once, and again after the count was seen below": {counting(int64(10), nil, nil, false), []step{
			{value: int64(9)},
			{value: int64(10), want: told("0 counter.threshold a int64(10) by int64(10)")},
			{value: int64(12)},
			{value: int64(3)},
			{value: int64(11), want: told("1 counter.threshold a int64(11) by int64(10)")},
		}},
		"without offset a count that stays beyond is not told again": {counting(int64(10), nil, nil, false), []step{
			{value: int64(12), want: told("0 counter.threshold a int64(12) by int64(10)")},
			{value: int64(11)},
			{value: int64(11)},
			{value: int64(10)},
		}},
		"offset": {counting(int64(10), int64(10), nil, false), []step{
			{value: int64(10), want: told("0 counter.threshold a int64(10) by int64(10)")},
			{value: int64(19)},
			{value: int64(55), want: told("1 counter.threshold a int64(55) by int64(20)")},
			{value: int64(59)},
			{value: int64(60), want: told("2 counter.threshold a int64(60) by int64(60)")},
			{value: int64(5)}, // no modulus: the threshold stays where it is
			{value: int64(65)},
			{value: int64(70), want: told("3 counter.threshold a int64(70) by int64(70)")},
		}},
		"offset and modulus": {counting(int32(10), int32(10), int32(30), false), []step{
			{value: int32(25), want: told("0 counter.threshold a int32(25) by int32(10)")},
			{value: int32(30), want: told("1 counter.threshold a int32(30) by int32(30)")},
			{value: int32(2)}, // wrapped
			{value: int32(15), want: told("2 counter.threshold a int32(15) by int32(10)")},
		}},
		"a wrap that no scan sees below is seen one scan late": {counting(int64(10), int64(10), int64(30), false), []step{
			{value: int64(30), want: told("0 counter.threshold a int64(30) by int64(10)")},
			{value: int64(12)},
			{value: int64(13), want: told("1 counter.threshold a int64(13) by int64(10)")},
		}},
		"difference": {counting(int64(10), nil, nil, true), []step{
			{value: int64(100)},
			{value: int64(110), want: told("0 counter.threshold a int64(10) by int64(10)")},
			{value: int64(125), want: told("1 counter.threshold a int64(15) by int64(10)")},
			{value: int64(126)},
			{value: int64(100)}, // fell, without a modulus
			{value: int64(110), want: told("2 counter.threshold a int64(10) by int64(10)")},
		}},
		"difference and modulus": {counting(int8(10), nil, int8(100), true), []step{
			{value: int8(95)},
			{value: int8(10), want: told("0 counter.threshold a int8(15) by int8(10)")}, // 10 - 95 + 100
			{value: int8(20), want: told("1 counter.threshold a int8(10) by int8(10)")},
		}},
		"difference and offset": {counting(int64(10), int64(10), nil, true), []step{
			{value: int64(0)},
			{value: int64(25), want: told("0 counter.threshold a int64(25) by int64(10)")},
			{value: int64(50)}, // 25 below 30
			{value: int64(81), want: told("1 counter.threshold a int64(31) by int64(30)")},
			{value: int64(80)}, // fell: the threshold begins anew
			{value: int64(90), want: told("2 counter.threshold a int64(10) by int64(10)")},
		}},
		"an error makes it begin anew, but the threshold": {counting(int64(10), int64(10), nil, false), []step{
			{value: int64(15), want: told("0 counter.threshold a int64(15) by int64(10)")},
			{value: nil, want: told("1 error.type a The observed attribute value is null.")},
			{value: int64(15)},
			{value: int64(20), want: told("2 counter.threshold a int64(20) by int64(20)")},
		}},
		"an error lets the alarm without offset be told again": {counting(int64(10), nil, nil, false), []step{
			{value: int64(15), want: told("0 counter.threshold a int64(15) by int64(10)")},
			{value: int64(15)},
			{value: "x", want: told("1 error.type a The observed attribute type is not valid.")},
			{value: int64(15), want: told("2 counter.threshold a int64(15) by int64(10)")},
		}},
		"the default threshold fits int alone": {func(c *monitor.Counter) error { c.SetNotify(true); return nil }, []step{
			{value: int64(5), want: told("0 error.threshold a The threshold type is not valid.")},
			{value: int32(5), want: told("1 counter.threshold a int32(5) by int32(0)")},
		}},
		"floats are no counts": {counting(10.0, nil, nil, false), []step{
			{value: 12.0, want: told("0 error.type a The observed attribute type is not valid.")},
		}},
		"an offset of another type": {counting(int64(10), int32(5), nil, false), []step{
			{value: int64(12), want: told("0 error.threshold a The threshold type is not valid.")},
		}},
		"a modulus of another type": {counting(int64(10), int64(5), int32(50), false), []step{
			{value: int64(12), want: told("0 error.threshold a The threshold type is not valid.")},
		}},
		"offset and modulus of Integer 0 fit every type": {counting(int64(10), int32(0), int32(0), false), []step{
			{value: int64(12), want: told("0 counter.threshold a int64(12) by int64(10)")},
		}},
		"untyped": {counting(monitor.Untyped(10), monitor.Untyped("10"), monitor.Untyped(30.0), false), []step{
			{value: int64(25), want: told("0 counter.threshold a int64(25) by int64(10)")},
			{value: int64(30), want: told("1 counter.threshold a int64(30) by int64(30)")},
			{value: int64(2)},
			{value: int32(15), want: told("2 counter.threshold a int32(15) by int32(10)")},
		}},
		"floats that count": {func(c *monitor.Counter) error {
			c.CountFloats(true)
			return counting(int64(10), int64(10), nil, false)(c)
		}, []step{
			{value: 12.0, want: told("0 counter.threshold a int64(12) by int64(10)")},
			{value: 12.5, want: told("1 error.type a The observed attribute type is not valid.")},
			{value: 20.0, want: told("2 counter.threshold a int64(20) by int64(20)")},
		}},
		"the state goes on while nothing is told": {func(c *monitor.Counter) error {
			err := counting(int64(10), nil, nil, false)(c)
			c.SetNotify(false)
			return err
		}, []step{{value: int64(15)}, {value: int64(16)}}},
		"a threshold far away": {counting(int64(1), int64(3), nil, false), []step{
			{value: int64(math.MaxInt64 - 1), want: told("0 counter.threshold a int64(9223372036854775806) by int64(1)")},
			{value: int64(math.MaxInt64 - 1)},
		}},
		"a threshold wraps in the width": {counting(int8(100), int8(50), nil, false), []step{
			{value: int8(100), want: told("0 counter.threshold a int8(100) by int8(100)")},
			{value: int8(1), want: told("1 counter.threshold a int8(1) by int8(-106)")},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				c := w.service.NewCounter()
				b, n := w.thing("a")
				w.add(c, n)
				w.no(tt.set(c))
				scans(w, c, b, tt.steps)
			})
		})
	}
}

// TestCounterThreshold holds what clients see of the threshold of an object.
func TestCounterThreshold(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.service.NewCounter()
		b, n := w.thing("a")
		w.add(c, n)
		w.no(counting(int64(10), int64(10), int64(30), false)(c))
		see := func(want beans.Value) func() {
			return func() {
				w.t.Helper()
				if got := c.Threshold(n); got != want {
					w.t.Errorf("the threshold is %v, want %v", got, want)
				}
			}
		}
		scans(w, c, b, []step{
			{do: see(int64(10)), value: int64(15), want: told("0 counter.threshold a int64(15) by int64(10)")},
			{do: see(int64(20)), value: int64(30), want: told("1 counter.threshold a int64(30) by int64(20)")},
			{do: see(int64(10)), value: int64(31)}, // 40 is beyond the modulus
			{do: func() { w.no(c.SetInitThreshold(int64(12))); see(int64(12))() }, value: int64(1)},
			{do: func() { w.no(c.SetInitThreshold(int64(12))) }, value: int64(12), want: told("2 counter.threshold a int64(12) by int64(12)")},
			{do: func() { c.SetDifference(true); see(int64(12))() }, value: int64(13)},
		})
		if got := c.Threshold(beans.MustName("test:name=b")); got != nil {
			t.Errorf("of an object that is not observed: %v", got)
		}
	})
}

// TestCounterSettingsReset says which changes let an error or an alarm be told again.
func TestCounterSettingsReset(t *testing.T) {
	inBubble(t, func(w *world) {
		c := w.service.NewCounter()
		b, n := w.thing("a")
		w.add(c, n)
		w.no(counting(int64(10), nil, nil, false)(c))
		const wrong = " error.threshold a The threshold type is not valid."
		scans(w, c, b, []step{
			{value: int64(15), want: told("0 counter.threshold a int64(15) by int64(10)")},
			{do: func() { w.no(c.SetInitThreshold(int64(11))) }, value: int64(15), want: told("1 counter.threshold a int64(15) by int64(11)")},
			{do: func() { w.no(c.SetOffset(int32(1))) }, value: int64(15), want: told("2" + wrong)},
			{do: func() { w.no(c.SetOffset(int32(1))) }, value: int64(15)},
			{do: func() { w.no(c.SetOffset(int32(2))) }, value: int64(15), want: told("3" + wrong)},
			{do: func() { w.no(c.SetModulus(int32(2))) }, value: int64(15), want: told("4" + wrong)},
			{do: func() { w.no(errors.Join(c.SetOffset(int32(0)), c.SetModulus(int32(0)), c.SetInitThreshold(int32(2)))) }, value: int64(15), want: told("5" + wrong)},
			{do: func() { w.no(c.SetInitThreshold(int64(2))) }, value: int64(15), want: told("6 counter.threshold a int64(15) by int64(2)")},
		})
	})
}

func TestCounterSettingsAreChecked(t *testing.T) {
	c := monitor.NewService(monitor.Options{}).NewCounter()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{c.SetInitThreshold(nil), "invalid value: the initial threshold is missing"},
		{c.SetInitThreshold(int64(-1)), "invalid value: the initial threshold is not negative, but -1 is"},
		{c.SetOffset("x"), "invalid value: the offset is a number, not x"},
		{c.SetOffset(monitor.Untyped("-0.5")), "invalid value: the offset is not negative, but -0.5 is"},
		{c.SetModulus(int8(-1)), "invalid value: the modulus is not negative, but -1 is"},
	} {
		if tt.err == nil || tt.err.Error() != tt.want || !errors.Is(tt.err, beans.ErrInvalidValue) {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
}
