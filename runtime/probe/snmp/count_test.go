package snmp

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe/snmp/ber"
)

func TestRestarts(t *testing.T) {
	const wraps = 1 << 32
	tests := []struct {
		name    string
		last    uint64
		elapsed time.Duration
		ticks   uint64
		want    bool
	}{
		{"goes on", 1000, 10 * time.Second, 2000, false},
		{"stands still", 1000, 10 * time.Second, 1000, false},
		{"began anew", 100_000, 10 * time.Second, 500, true},
		{"began anew after long", 100_000, time.Hour, 5000, true},
		{"went round after 497 days", wraps - 500, 10 * time.Second, 500, false},
		{"went round, with a clock that is not exact", wraps - 500, 10 * time.Second, 300, false},
		{"began anew just before it would go round", wraps - 100_000, 10 * time.Second, 500, true},
		{"began anew long after it would have gone round", wraps - 500, 24 * time.Hour, 500, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Unix(1_000_000, 0)
			u := upSince{}
			if u.restarted(tt.last, begin) {
				t.Error("the first reading is a restart")
			}
			if got := u.restarted(tt.ticks, begin.Add(tt.elapsed)); got != tt.want {
				t.Errorf("restarted: %v", got)
			}
		})
	}
}

func TestCountsRise(t *testing.T) {
	type step struct {
		raw  uint64
		anew bool
		want float64
	}
	tests := []struct {
		name  string
		tag   byte
		steps []step
	}{
		{"32 bits", ber.Counter32, []step{{5, false, 5}, {7, false, 7}, {7, false, 7}}},
		{"32 bits go round", ber.Counter32, []step{{math.MaxUint32 - 1, false, math.MaxUint32 - 1}, {3, false, math.MaxUint32 + 4}, {math.MaxUint32, false, 2*math.MaxUint32 + 1}, {0, false, 2*math.MaxUint32 + 2}}},
		{"32 bits are cleared", ber.Counter32, []step{{1000, false, 1000}, {10, false, 10}, {20, false, 20}}},
		{"32 bits are cleared after they went round", ber.Counter32, []step{{math.MaxUint32, false, math.MaxUint32}, {9, false, math.MaxUint32 + 10}, {5, true, 5}, {6, false, 6}}},
		{"64 bits", ber.Counter64, []step{{1 << 40, false, 1 << 40}, {1<<40 + 1, false, 1<<40 + 1}}},
		{"64 bits are cleared", ber.Counter64, []step{{1 << 40, false, 1 << 40}, {10, false, 10}, {20, false, 20}}},
		{"a restart", ber.Counter64, []step{{1000, false, 1000}, {10, true, 10}, {30, false, 30}}},
		// What was counted since is more than all before: told as it is, it would look as if it
		// had been counted between two readings.
		{"a restart, and more than before", ber.Counter64, []step{{1000, false, 1000}, {5000, true, 0}, {5010, false, 10}, {100, true, 0}, {101, false, 1}}},
		{"the same with 32 bits", ber.Counter32, []step{{1000, false, 1000}, {5000, true, 0}, {5010, false, 10}, {3, false, 3}}},
		{"and then they go round", ber.Counter32, []step{{1000, false, 1000}, {math.MaxUint32, true, 0}, {9, false, 10}, {11, false, 12}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			prev, had, offset := 0.0, false, 0.0
			for i, s := range tt.steps {
				var got float64
				got, offset = rise(prev, had, s.raw, tt.tag, s.anew, offset)
				if got != s.want {
					t.Fatalf("step %d: %v, want %v", i, got, s.want)
				}
				prev, had = got, true
			}
		})
	}
}

// portCounts reads the counts of ports.
func portCounts(o *Options) {
	o.Values = map[string]string{"first": "ifInErrors.1"}
	o.Tables = map[string]Table{"ports": {Columns: map[string]string{"in": "ifInOctets", "errors": "ifInErrors"}, Discontinuity: "ifCounterDiscontinuityTime"}}
}

func TestCountsOfTables(t *testing.T) {
	d := &device{}
	counts := func(up, stamp, in1, errors1, in2, errors2 uint64) {
		d.set(sysUpTime, ber.TimeTicks, up)
		d.set(discontinuity+"1", ber.TimeTicks, stamp)
		d.set(discontinuity+"2", ber.TimeTicks, 0)
		for index, n := range map[string][2]uint64{"1": {in1, errors1}, "2": {in2, errors2}} {
			d.set(ifInOctets+index, ber.Counter32, n[0])
			d.set(ifInErrors+index, ber.Counter32, n[1])
		}
	}
	b := newBench(t, d, portCounts)
	steps := []struct {
		name string
		do   func()
		want string // rows and the value first
	}{
		{"the first", func() { counts(10000, 0, math.MaxUint32-9, 5, 100, 6) }, "1 5 4.294967286e+09, 2 6 100, 5"},
		{"one goes round", func() { counts(11000, 0, 10, 5, 200, 7) }, "1 5 4.294967306e+09, 2 7 200, 5"},
		{"a port is set back", func() { counts(12000, 11500, 3, 9, 300, 7) }, "1 0 3, 2 7 300, 9"},
		{"and goes on", func() { counts(13000, 11500, 4, 11, 400, 7) }, "1 2 4, 2 7 400, 11"},
		{"the device begins anew", func() { counts(500, 0, 5, 12, 500, 8) }, "1 0 0, 2 0 0, 0"},
		{"and goes on", func() { counts(1500, 0, 6, 12, 600, 8) }, "1 0 1, 2 0 100, 0"},
		{"a row comes", func() {
			counts(2500, 0, 7, 13, 700, 8)
			d.set(ifInOctets+"3", ber.Counter32, 50)
			d.set(ifInErrors+"3", ber.Counter32, 51)
		}, "1 1 2, 2 0 200, 3 51 50, 1"},
		{"and goes on", func() {
			counts(3500, 0, 8, 14, 800, 9)
			d.set(ifInOctets+"3", ber.Counter32, 60)
		}, "1 2 3, 2 1 300, 3 51 60, 2"},
	}
	for _, s := range steps {
		s.do()
		r, problem := b.poll(10 * time.Second)
		got := strings.Join(append(rows(r), value(r, "first").String()), ", ")
		if diff := cmp.Diff(s.want, got); diff != "" || problem != "" {
			t.Fatalf("%s: %q (-want +got):\n%s", s.name, problem, diff)
		}
		if names := r.Tables[0].Columns; !cmp.Equal(names, []string{"index", "errors", "in"}) || len(r.Tables[0].Rows[0]) != 3 {
			t.Fatalf("columns %v", names)
		}
	}
}

func TestCountsOf64BitsArePreferred(t *testing.T) {
	d := &device{}
	set := func(n uint64) {
		d.set(sysUpTime, ber.TimeTicks, 100*n)
		for _, index := range []string{"1", "2"} {
			d.set(ifInOctets+index, ber.Counter32, n)
			d.set(ifInErrors+index, ber.Counter32, 1)
			d.set(discontinuity+index, ber.TimeTicks, 0)
		}
	}
	change := func(o *Options) {
		portCounts(o)
		o.Values = map[string]string{"one": "ifInOctets.1", "two": "ifInOctets.2"}
	}
	poll := func(t *testing.T, b *bench, want string) {
		t.Helper()
		r, problem := b.poll(time.Second)
		got := strings.Join(append(rows(r), value(r, "one").String(), value(r, "two").String()), ", ")
		if got != want || problem != "" {
			t.Errorf("got  %s\nwant %s; %s", got, want, problem)
		}
	}
	t.Run("for all ports", func(t *testing.T) {
		set(1)
		d.set(ifHCInOctets+"1", ber.Counter64, 1001)
		d.set(ifHCInOctets+"2", ber.Counter64, 1002)
		b := newBench(t, d, change)
		poll(t, b, "1 1 1001, 2 1 1002, 1001, 1002")
		first := b.d.asked
		poll(t, b, "1 1 1001, 2 1 1002, 1001, 1002")
		if b.d.asked >= first {
			t.Errorf("%d values are asked for, %d before", b.d.asked, first)
		}
	})
	t.Run("for some", func(t *testing.T) {
		delete(d.objects, ifHCInOctets+"2")
		b := newBench(t, d, change)
		for range 2 {
			poll(t, b, "1 1 1, 2 1 1, 1001, 1")
		}
	})
	t.Run("for none, in version 1", func(t *testing.T) {
		b := newBench(t, d, func(o *Options) { change(o); o.Version = "1" })
		for range 2 {
			poll(t, b, "1 1 1, 2 1 1, 1, 1")
		}
	})
}
