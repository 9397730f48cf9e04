//go:build linux

package history

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"grove/tree"
)

// forest is a tree of n nodes in groups of 100 with a history, if hooked.
func forest(b *testing.B, n int, hooked bool) (*Store, *tree.Tree, []tree.Ref, *clock) {
	b.Helper()
	c := &clock{}
	c.at.Store(noon.UnixMilli())
	s, err := Open(Options{Dir: b.TempDir(), Now: c.now, MinFree: 1, MaxSeries: 10_000_000})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	o := tree.Options{Now: c.now}
	if hooked {
		o.Readings, o.Reports, o.Statuses = s.Readings, s.Reports, s.Statuses
	}
	live := tree.New(o)
	s.Bind(live)
	spec := &tree.Spec{Kind: tree.Performance, Unit: "ms", Metric: "answer_seconds"}
	ops := make([]tree.Op, n)
	for i := range ops {
		ops[i] = tree.Add(tree.MustPath(fmt.Sprintf("/shop/host%d/load%d", i/100, i%100)), spec)
	}
	if err := live.Change(ops...); err != nil {
		b.Fatal(err)
	}
	refs := make([]tree.Ref, n)
	for i := range refs {
		refs[i], _ = live.Lookup(tree.MustPath(fmt.Sprintf("/shop/host%d/load%d", i/100, i%100)))
	}
	if err := s.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s, live, refs, c
}

// round gives each node one reading, in batches of 256.
func round(live *tree.Tree, refs []tree.Ref, batch []tree.Reading, at time.Time, k int) {
	for from := 0; from < len(refs); from += len(batch) {
		part := batch[:min(len(batch), len(refs)-from)]
		for i := range part {
			part[i] = tree.Reading{Node: refs[from+i], Value: float64((from + i*7 + k*13) % 500), Time: at.UnixNano()}
		}
		live.Apply(part)
	}
}

// BenchmarkApply is what a reading costs its producer, without and with a history
// behind the tree, until it is on the disk.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		for _, hooked := range []bool{false, true} {
			name := fmt.Sprintf("nodes=%d/history=%t", n, hooked)
			b.Run(name, func(b *testing.B) {
				s, live, refs, c := forest(b, n, hooked)
				batch := make([]tree.Reading, 256)
				empty := resident()
				round(live, refs, batch, c.now(), 0)
				if err := s.Sync(b.Context()); err != nil {
					b.Fatal(err)
				}
				k, busy := 0, cpu(syscall.RUSAGE_SELF)
				for b.Loop() {
					k++
					c.advance(10 * time.Second)
					round(live, refs, batch, c.now(), k)
					if err := s.Sync(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "readings/s")
				b.ReportMetric(float64(cpu(syscall.RUSAGE_SELF)-busy)/float64(n)/float64(b.N), "cpu-ns/reading")
				if hooked {
					b.ReportMetric(float64(resident()-empty)/float64(n), "B/series")
				}
				if st := s.Stats(); hooked && st.Samples < uint64(n)*uint64(b.N+1) {
					b.Errorf("%d samples of %d: %v", st.Samples, n*(b.N+1), st.Dropped)
				}
			})
		}
	}
}

// resident is the memory of the process, bytes, after what is not used was given back.
func resident() int64 {
	runtime.GC()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// BenchmarkDay reads a day of one node among a thousand at 10 s as a chart shows it.
func BenchmarkDay(b *testing.B) {
	s, live, refs, c := forest(b, 1000, true)
	batch := make([]tree.Reading, 256)
	for k := range 8640 {
		c.advance(10 * time.Second)
		round(live, refs, batch, c.now(), k)
		if k%360 == 0 {
			if err := s.Sync(b.Context()); err != nil {
				b.Fatal(err)
			}
			if err := s.Maintain(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	path := tree.MustPath("/shop/host3/load7")
	for b.Loop() {
		points, _, err := s.Points(b.Context(), path, c.now().Add(-24*time.Hour), c.now(), DefaultBuckets)
		if err != nil || len(points) < 900 {
			b.Fatal(len(points), err)
		}
	}
}

// BenchmarkReadings is what the hook itself takes from a producer while the buffer has
// room.
func BenchmarkReadings(b *testing.B) {
	s, _, refs, c := forest(b, 100_000, true)
	batch := make([]tree.Reading, 256)
	at := c.now()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var busy time.Duration
	for b.Loop() {
		begin := cpu(rusageThread)
		at = at.Add(10 * time.Second)
		for from := 0; from+len(batch) <= len(refs); from += len(batch) {
			for i := range batch {
				batch[i] = tree.Reading{Node: refs[from+i], Value: 1, Time: at.UnixNano()}
			}
			s.Readings(at, batch)
		}
		busy += cpu(rusageThread) - begin
		if err := s.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(busy)/float64(b.N)/float64(len(refs)), "cpu-ns/reading")
}

// rusageThread is RUSAGE_THREAD of getrusage(2).
const rusageThread = 1

// cpu is how long a processor worked.
func cpu(who int) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(who, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
