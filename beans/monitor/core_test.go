package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/beans/monitor"
)

// TestTimes holds when scans take place: after one period, then one period after the
// end of the scan before.
func TestTimes(t *testing.T) {
	inBubble(t, func(w *world) {
		var mu sync.Mutex // guards at
		var at []time.Duration
		var slow atomic.Int64
		b := &asked{thing: thing{value: int64(1)}, ask: func() {
			mu.Lock()
			at = append(at, time.Since(w.begin))
			mu.Unlock()
			<-time.After(time.Duration(slow.Load()))
		}}
		n, err := w.server.Register(b, beans.MustName("test:name=a"))
		w.no(err)
		g := w.service.NewGauge()
		w.add(g, n)
		if p := w.service.NewText().Period(); p != 10*time.Second {
			t.Errorf("the default period is %s", p)
		}
		expect := func(what string, want ...time.Duration) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if d := cmp.Diff(want, at); d != "" {
				t.Errorf("%s (-want +got):\n%s", what, d)
			}
			at = nil
		}
		pass(5 * time.Second)
		expect("before the start")
		w.no(g.Start()) // at 5 s
		pass(900 * time.Millisecond)
		w.no(g.Start()) // nothing to do
		pass(1600 * time.Millisecond)
		expect("period of 1 s", 6*time.Second, 7*time.Second)
		slow.Store(int64(700 * time.Millisecond)) // now 7.5 s
		pass(4 * time.Second)
		expect("fixed delay", 8*time.Second, 9700*time.Millisecond, 11400*time.Millisecond)
		pass(time.Second) // 12.5 s; the scan of 11.4 s ended at 12.1 s
		slow.Store(0)
		w.no(g.SetPeriod(3 * time.Second))
		pass(4 * time.Second)
		expect("a new period begins anew", 15500*time.Millisecond)
		g.Stop()
		pass(time.Minute)
		expect("stopped")
		w.no(g.Start())
		w.no(w.server.Unregister(beans.MustName("test:name=monitor")))
		pass(time.Minute)
		expect("unregistered")
		if g.Active() {
			t.Error("what was unregistered is active")
		}
	})
}

// asked calls a function whenever its attribute is read.
type asked struct {
	thing
	ask func()
}

func (b *asked) Attribute(ctx context.Context, name string) (beans.Value, error) {
	b.ask()
	return b.thing.Attribute(ctx, name)
}

// TestStopAndStartDuringAScan holds that the scan that was under way tells nothing, and
// that the new one waits for its period.
func TestStopAndStartDuringAScan(t *testing.T) {
	inBubble(t, func(w *world) {
		b := &asked{thing: thing{value: int64(1)}, ask: func() { <-time.After(1500 * time.Millisecond) }}
		n, err := w.server.Register(b, beans.MustName("test:name=a"))
		w.no(err)
		g := w.service.NewGauge()
		w.add(g, n)
		g.SetNotifyHigh(true)
		w.no(g.Start())
		pass(2 * time.Second) // it scans since 1 s
		g.Stop()
		w.no(g.Start())
		pass(1400 * time.Millisecond) // 3.4 s: the old scan has ended at 2.5 s, the new one began at 3 s
		w.expect()
		pass(1200 * time.Millisecond)
		w.expect("0 gauge.high a int64(1) by int32(0)")
	})
}

// TestObjects holds that each object has a state of its own, in the order of adding.
func TestObjects(t *testing.T) {
	inBubble(t, func(w *world) {
		g := w.service.NewGauge()
		a, an := w.thing("a")
		b, bn := w.thing("b")
		c, cn := w.thing("c")
		w.add(g, cn, an, bn, an)
		g.SetNotifyHigh(true)
		w.no(g.SetThresholds(int64(10), int64(5)))
		if d := cmp.Diff([]beans.Name{cn, an, bn}, g.ObservedObjects(), cmp.Comparer(beans.Name.Equal)); d != "" {
			t.Error(d)
		}
		derived, at := g.DerivedGauge(an)
		if derived != int32(0) || !at.Equal(w.begin) {
			t.Errorf("before the first scan: %v at %v", derived, at)
		}
		a.set(int64(10))
		b.set(int64(1))
		c.set(int64(20))
		w.no(g.Start())
		pass(1500 * time.Millisecond)
		w.expect("0 gauge.high c int64(20) by int64(10)", "1 gauge.high a int64(10) by int64(10)")
		derived, at = g.DerivedGauge(bn)
		if derived != int64(1) || at.Sub(w.begin) != time.Second {
			t.Errorf("after the first scan: %v at %v", derived, at)
		}
		g.Unobserve(an)
		g.Unobserve(an)
		b.set(int64(30))
		w.no(g.Observe(beans.MustName("test:name=none")))
		pass(time.Second)
		w.expect("2 gauge.high b int64(30) by int64(10)", "3 error.mbean none The observed object must be accessible in the MBeanServerConnection.")
		w.no(g.Observe(an)) // with nothing remembered
		pass(time.Second)
		w.expect("4 gauge.high a int64(10) by int64(10)")
		if derived, at := g.DerivedGauge(beans.MustName("test:name=d")); derived != nil || !at.IsZero() {
			t.Errorf("of what is not observed: %v %v", derived, at)
		}
		w.no(g.ObserveOnly(bn))
		w.no(g.ObserveOnly(bn))
		if got := g.ObservedObjects(); len(got) != 1 || !got[0].Equal(bn) {
			t.Errorf("observed: %v", got)
		}
		for _, wrong := range []beans.Name{{}, beans.MustName("test:*")} {
			if err := g.Observe(wrong); !errors.Is(err, beans.ErrInvalidValue) {
				t.Errorf("observe %q: %v", wrong, err)
			}
		}
	})
}

// TestMissing holds the errors about objects and attributes, each with its flag.
func TestMissing(t *testing.T) {
	const object, attribute = " error.mbean a The observed object must be accessible in the MBeanServerConnection.", " error.attribute a The observed attribute must be accessible in the observed object."
	inBubble(t, func(w *world) {
		g := w.service.NewGauge()
		b, n := w.thing("a")
		w.add(g, n)
		g.SetNotifyHigh(true)
		here := true
		register := func(want bool) func() {
			return func() {
				if here == want {
					return
				}
				if here = want; want {
					_, err := w.server.Register(b, n)
					w.no(err)
				} else {
					w.no(w.server.Unregister(n))
				}
			}
		}
		observe := func(a string) func() { return func() { w.no(g.SetObservedAttribute(a)) } }
		scans(w, g, b, []step{
			{do: register(false), value: int64(1), want: told("0" + object)},
			{value: int64(1)},
			{do: register(true), value: int64(1), want: told("1 gauge.high a int64(1) by int32(0)")},
			{do: register(false), value: int64(1), want: told("2" + object)},
			{do: register(true), value: int64(1), want: told("3 gauge.high a int64(1) by int32(0)")},
			{do: observe("Other"), value: int64(1), want: told("4" + attribute)},
			{do: observe("Other"), value: int64(1)},
			{do: observe("Another"), value: int64(1), want: told("5" + attribute)},
			{do: register(false), value: int64(1), want: told("6" + object)},
			{do: func() { register(true)(); observe("Value")() }, value: "x", want: told("7 error.type a The observed attribute type is not valid.")},
			{do: observe("Another"), value: "x", want: told("8" + attribute)},
			{do: observe("Value"), value: "x", want: told("9 error.type a The observed attribute type is not valid.")},
			{do: observe(""), value: int64(1)},
		})
	})
}

// TestPaths observes parts of values.
func TestPaths(t *testing.T) {
	const attribute = "0 error.attribute a The observed attribute must be accessible in the observed object."
	composite := map[string]beans.Value{"used": int64(7), "none": nil, "inner": map[string]beans.Value{"deep": int32(8)}, "other": beans.MustName("test:name=other")}
	for path, tt := range map[string]struct {
		value beans.Value
		want  []string
	}{
		"Value.used":        {composite, told("0 gauge.high a int64(7) by int32(0)")},
		"Value.inner.deep":  {composite, told("0 gauge.high a int32(8) by int32(0)")},
		"Value.length":      {[]string{"x", "y"}, told("0 gauge.high a int32(2) by int32(0)")},
		"Value.other.Value": {composite, told("0 gauge.high a float64(9.5) by int32(0)")},
		"With.dot":          {nil, told("0 gauge.high a int64(77) by int32(0)")},
		"Value.free":        {composite, told(attribute)},
		"Value.used.more":   {composite, told(attribute)},
		"Value.":            {composite, told(attribute)},
		"Other.used":        {composite, told(attribute)},
		"Value.other.Gone":  {composite, told(attribute)},
		"Value.none":        {composite, told("0 error.type a The observed attribute type is not valid.")},
		"Value.inner":       {composite, told("0 error.type a The observed attribute value does not implement the Comparable interface.")},
		"Value.null":        {nil, told("0 error.type a The observed attribute value is null.")},
	} {
		t.Run(path, func(t *testing.T) {
			inBubble(t, func(w *world) {
				g := w.service.NewGauge()
				b, n := w.thing("a")
				other, _ := w.thing("other")
				other.set(9.5)
				w.add(g, n)
				w.no(g.SetObservedAttribute(path))
				g.SetNotifyHigh(true)
				scans(w, g, b, []step{{value: tt.value, want: tt.want}, {value: tt.value}})
			})
		})
	}
}

// TestListeners holds that sequences begin with 0 for everybody, and that a listener
// may stop and change the monitor.
func TestListeners(t *testing.T) {
	inBubble(t, func(w *world) {
		g := w.service.NewGauge()
		b, n := w.thing("a")
		name := w.add(g, n)
		g.SetNotifyHigh(true)
		var got []string
		cancel, err := w.server.Subscribe(name, func(n beans.Notification) {
			got = append(got, fmt.Sprintf("%d %s of %s at %s", n.Sequence, n.Type, n.Source, n.Time.Sub(w.begin)))
			g.Stop()
			w.no(g.SetThresholds(int64(5), int64(1)))
		}, func(n beans.Notification) bool { return n.Sequence == 0 })
		w.no(err)
		defer cancel()
		b.set(int64(3))
		w.no(g.Start())
		pass(time.Minute)
		if d := cmp.Diff([]string{"0 jmx.monitor.gauge.high of test:name=monitor at 1s"}, got); d != "" {
			t.Error(d)
		}
		w.expect("0 gauge.high a int64(3) by int32(0)")
	})
}

// TestManyAtOnce holds that a bean that does not answer holds up its own monitor alone.
func TestManyAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		stuck := make(chan struct{})
		for i := range monitor.MaxScans - 1 {
			n, err := w.server.Register(&asked{ask: func() { <-stuck }}, beans.MustName(fmt.Sprintf("test:name=stuck%d", i)))
			w.no(err)
			g := w.service.NewGauge()
			w.no(g.SetPeriod(time.Second))
			w.no(g.SetObservedAttribute("Value"))
			w.no(g.Observe(n))
			w.no(g.Start())
		}
		g := w.service.NewGauge()
		b, n := w.thing("a")
		w.add(g, n)
		g.SetNotifyHigh(true)
		scans(w, g, b, []step{{value: int64(1), want: told("0 gauge.high a int64(1) by int32(0)")}})
		close(stuck)
	})
}

func TestSettingsAreChecked(t *testing.T) {
	g := monitor.NewService(monitor.Options{}).NewGauge()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{g.SetPeriod(0), "invalid value: the granularity period 0s is not positive"},
		{g.SetPeriod(-time.Second), "invalid value: the granularity period -1s is not positive"},
		{g.SetPeriod(time.Microsecond), "invalid value: the granularity period is 1 ms to 365 days, not 1µs"},
		{g.SetPeriod(366 * 24 * time.Hour), "invalid value: the granularity period is 1 ms to 365 days, not 8784h0m0s"},
		{g.SetObservedAttribute(strings.Repeat("x", 1025)), "invalid value: the observed attribute is longer than 1024 bytes"},
	} {
		if tt.err == nil || tt.err.Error() != tt.want || !errors.Is(tt.err, beans.ErrInvalidValue) {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
}

func TestActiveIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := monitor.NewService(monitor.Options{})
		var first *monitor.Text
		for i := range monitor.MaxActive {
			m := s.NewText()
			if err := m.Start(); err != nil {
				t.Fatal(i, err)
			}
			if first == nil {
				first = m
			}
		}
		m := s.NewText()
		if err := m.Start(); !errors.Is(err, monitor.ErrFull) || m.Active() {
			t.Errorf("beyond the bound: %v", err)
		}
		first.Stop()
		first.Stop()
		if err := m.Start(); err != nil {
			t.Error(err)
		}
	})
}
