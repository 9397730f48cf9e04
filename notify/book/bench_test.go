package book

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/storetest"
)

// benchWorld is a tree of hosts with a book on a database; red and green give them all a
// status.
type benchWorld struct {
	b    *testing.B
	book *Book
	tree *tree.Tree
	refs []tree.Ref
}

func newBenchWorld(b *testing.B, d *storetest.Database, n int, vital uint8) (w *benchWorld, end func()) {
	w = &benchWorld{b: b}
	w.tree = tree.New(tree.Options{Statuses: func(c []tree.StatusChange) { w.book.Statuses(c) }, Names: func(c []tree.NameChange) { w.book.Names(c) }})
	add := func(path string, s *tree.Spec) {
		ref, err := w.tree.Add(tree.MustPath(path), s)
		if err != nil {
			b.Fatal(err)
		}
		w.refs = append(w.refs, ref)
	}
	add("/dc/Power", &tree.Spec{Kind: tree.State, Alerting: &tree.Alerting{Vital: vital}})
	plain := &tree.Spec{Kind: tree.State}
	for i := range n {
		add(fmt.Sprintf("/dc/rack%d/host%d/Up", i%100, i), plain)
	}
	w.book, end = onEngine(b, d, w.tree)
	w.report("green", w.refs)
	return w, end
}

func (w *benchWorld) report(text string, refs []tree.Ref) {
	reports := make([]tree.Report, len(refs))
	for i := range refs {
		reports[i] = tree.Report{Node: refs[i], Value: tree.Text(text)}
	}
	w.tree.Report(reports...)
	if err := w.book.Sync(w.b.Context()); err != nil {
		w.b.Fatal(err)
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // It never fails for oneself.
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStorm turns 10,000 nodes red at once: below one that has failed, and unrelated.
func BenchmarkStorm(b *testing.B) {
	const n = 10_000
	for name, vital := range map[string]uint8{"one-cause": 1, "unrelated": 0} {
		b.Run(name, func(b *testing.B) {
			var took, spent time.Duration
			var open, bytes float64
			for b.Loop() {
				w, end := newBenchWorld(b, storetest.SQLite(b), n, vital)
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				start, cpuStart := time.Now(), cpu()
				w.report("red", w.refs)
				took += time.Since(start)
				spent += cpu() - cpuStart
				open = float64(w.book.Counts(nil)[alert.Open])
				runtime.GC()
				runtime.ReadMemStats(&after)
				bytes = float64(after.HeapAlloc-before.HeapAlloc) / n
				end()
			}
			b.ReportMetric(took.Seconds()/float64(b.N), "s")
			b.ReportMetric(spent.Seconds()/float64(b.N), "cpu-s")
			b.ReportMetric(open, "told")
			b.ReportMetric(bytes, "bytes/alert")
		})
	}
}

// BenchmarkAlerts opens and resolves alerts, each kept with its lines of the journal, in
// each database.
func BenchmarkAlerts(b *testing.B) {
	for engine, open := range map[string]func(testing.TB) *storetest.Database{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			const n = 10_000
			w, end := newBenchWorld(b, open(b), n, 0)
			defer end()
			w.book.Configure(time.Nanosecond, 0, time.Nanosecond, 0) // each is another alert
			start := time.Now()
			for b.Loop() {
				w.report("red", w.refs[1:])
				w.report("green", w.refs[1:])
			}
			b.ReportMetric(float64(b.N)*n/time.Since(start).Seconds(), "alerts/s")
			if s := w.book.Stats(); s.Opened != uint64(b.N)*n || s.Resolved != s.Opened {
				b.Fatalf("%+v", s)
			}
		})
	}
}

// BenchmarkStatuses is what the tree pays for telling of changes that are of no interest.
func BenchmarkStatuses(b *testing.B) {
	w, end := newBenchWorld(b, storetest.SQLite(b), 1000, 0)
	defer end()
	changes := make([]tree.StatusChange, 1000)
	for i := range changes {
		changes[i] = tree.StatusChange{Ref: w.refs[i], Path: tree.MustPath(fmt.Sprintf("/dc/rack%d/host%d/Up", i%100, i)), Kind: tree.State, To: tree.Green}
		if i%2 == 0 {
			changes[i].Kind = tree.Group
		}
	}
	for b.Loop() {
		w.book.Statuses(changes)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(changes)), "ns/change")
}

// BenchmarkSurvey looks at the whole of a tree of 100,000 nodes.
func BenchmarkSurvey(b *testing.B) {
	w, end := newBenchWorld(b, storetest.SQLite(b), 50_000, 0)
	defer end()
	if err := w.book.take(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer w.book.leave()
	for b.Loop() {
		w.book.survey(0)
		w.book.settling = nil
	}
}
