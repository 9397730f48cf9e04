package journal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/store/storetest"
)

func engines(b *testing.B, run func(b *testing.B, d *storetest.Database)) {
	b.Run("sqlite", func(b *testing.B) { run(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { run(b, storetest.Postgres(b)) })
}

// changesAt are changes of the status of n nodes at one time.
func changesAt(n int, at time.Time, to tree.Status) []tree.StatusChange {
	changes := make([]tree.StatusChange, n)
	for i := range changes {
		changes[i] = tree.StatusChange{
			Path: tree.MustPath(fmt.Sprintf("/shop/rack%02d/host%05d/load", i%100, i)), Kind: tree.Performance,
			From: tree.White, To: to, Time: at, Value: tree.Number(float64(i) / 10),
		}
	}
	return changes
}

// BenchmarkChangesAtOnce is 100,000 nodes that take another status at once, until that is
// committed: at first with nodes that the database does not know, then again.
func BenchmarkChangesAtOnce(b *testing.B) {
	const nodes = 100_000
	engines(b, func(b *testing.B, d *storetest.Database) {
		j := running(b, d, Options{Now: time.Now})
		at := start
		changes := changesAt(nodes, at, tree.Red)
		all := func() {
			at = at.Add(time.Second)
			for i := range changes {
				changes[i].Time = at
			}
			j.Statuses(changes)
			if err := j.Sync(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		began := time.Now()
		all()
		first := time.Since(began)
		for b.Loop() {
			all()
		}
		b.ReportMetric(nodes/first.Seconds(), "first-changes/s")
		b.ReportMetric(float64(nodes*b.N)/b.Elapsed().Seconds(), "changes/s")
	})
}

// linesAt are events of n logs at one time: lines of a log with words and numbers that
// differ, and now and then one that is rare.
func linesAt(n, round int, at time.Time) []Entry {
	lines := make([]Entry, n)
	for i := range lines {
		text := fmt.Sprintf("worker %d finished job %08x for customer %d in %d ms", i%64, uint32(i*2654435761+round*40503), (i*7+round)%5000, (i*31+round*17)%2000)
		if i == round%n {
			text = fmt.Sprintf("kernel: Out of memory: killed process %d (java)", 1000+round)
		}
		lines[i] = Entry{
			Time: at, Path: tree.MustPath(fmt.Sprintf("/shop/rack%02d/host%05d/log", i%100, i)),
			Kind: Event, To: tree.Status(1 + i%3), Text: text,
		}
	}
	return lines
}

// BenchmarkMillion asks a journal of a million entries of 10,000 nodes: 800,000 changes of
// a status with their values and 200,000 different lines of logs, and before, how fast it
// is filled and how long after that all texts are indexed.
func BenchmarkMillion(b *testing.B) {
	engines(b, func(b *testing.B, d *storetest.Database) {
		j := running(b, d, Options{Now: func() time.Time { return start.Add(101 * time.Minute) }})
		began := time.Now()
		for round := range 100 {
			at := start.Add(time.Duration(round) * time.Minute)
			changes := changesAt(8_000, at, tree.Status(1+round%2))
			if round%10 == 9 {
				for i := range changes[:10] {
					changes[i].To, changes[i].Reason = tree.Red, "No Answer"
				}
			}
			j.Statuses(changes)
			j.WaitForRoom()
			j.give(linesAt(2_000, round, at), true)
		}
		if err := j.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
		filled := time.Since(began)
		indexed(b, j)
		if err := j.o.Store.Analyze(b.Context(), analyzed...); err != nil { // as the index does when it is idle
			b.Fatal(err)
		}
		behind := time.Since(began) - filled
		b.Run("fill", func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(1e6/filled.Seconds(), "entries/s")
				b.ReportMetric(behind.Seconds(), "s-until-indexed")
			}
		})
		one, rack := tree.MustPath("/shop/rack42/host00042"), tree.MustPath("/shop/rack42")
		for _, s := range []struct {
			name  string
			query Query
		}{
			{"newest", Query{}},
			{"oldest", Query{Oldest: true}},
			{"one-node-a-range", Query{Under: one, From: start.Add(30 * time.Minute), To: start.Add(60 * time.Minute)}},
			{"one-leaf", Query{Under: tree.MustPath("/shop/rack42/host00042/load"), Only: true}},
			{"subtree-of-100", Query{Under: rack}},
			{"all-below-shop", Query{Under: tree.MustPath("/shop")}},
			{"red", Query{Statuses: []tree.Status{tree.Red}}},
			{"kind", Query{Kinds: []Kind{Event}}},
			{"kind-nowhere", Query{Kinds: []Kind{Definition}}},
			{"text-frequent", Query{Text: "customer"}},
			{"text-now-and-then", Query{Text: "out of memory"}},
			{"text-rare", Query{Text: "process 1042 "}},
			{"text-of-reasons", Query{Text: "no answer"}},
			{"text-nowhere", Query{Text: "nowhere"}},
			{"text-number", Query{Text: "799.9"}},
			{"text-of-a-letter", Query{Text: "q"}},
			{"text-in-a-subtree", Query{Text: "out of memory", Under: rack}},
			{"text-below-shop", Query{Text: "out of memory", Under: tree.MustPath("/shop"), Kinds: []Kind{Event}, Statuses: []tree.Status{tree.Yellow}}},
		} {
			b.Run(s.name, func(b *testing.B) {
				for b.Loop() {
					if _, err := j.Search(b.Context(), s.query); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run("intervals", func(b *testing.B) {
			for b.Loop() {
				if _, err := j.Intervals(b.Context(), tree.MustPath("/shop/rack42/host00042/load"), start, start.Add(time.Hour)); err != nil {
					b.Fatal(err)
				}
			}
		})
		for name, under := range map[string]tree.Path{"totals-of-100": rack, "totals-of-10000": tree.Root} {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					if _, err := j.Totals(b.Context(), under, start, start.Add(time.Hour)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		stats, err := j.o.Store.Stats(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.Log(strings.TrimSpace(fmt.Sprintf("%s: %d bytes for each of %d entries", d.Engine, stats.Bytes/j.rows.Load(), j.rows.Load())))
	})
}
