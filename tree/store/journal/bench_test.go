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

// BenchmarkMillion asks a journal of a million entries of 10,000 nodes.
func BenchmarkMillion(b *testing.B) {
	engines(b, func(b *testing.B, d *storetest.Database) {
		j := running(b, d, Options{Now: func() time.Time { return start.Add(101 * time.Minute) }})
		for round := range 100 {
			changes := changesAt(10_000, start.Add(time.Duration(round)*time.Minute), tree.Status(1+round%2))
			if round%10 == 9 {
				for i := range changes[:10] {
					changes[i].To, changes[i].Reason = tree.Red, "No Answer"
				}
			}
			j.Statuses(changes)
		}
		if err := j.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
		one, rack := tree.MustPath("/shop/rack42/host00042"), tree.MustPath("/shop/rack42")
		for name, q := range map[string]Query{
			"newest":           {},
			"oldest":           {Oldest: true},
			"one-node-a-range": {Under: one, From: start.Add(30 * time.Minute), To: start.Add(60 * time.Minute)},
			"one-leaf":         {Under: tree.MustPath("/shop/rack42/host00042/load"), Only: true},
			"subtree-of-100":   {Under: rack},
			"all-below-shop":   {Under: tree.MustPath("/shop")},
			"red":              {Statuses: []tree.Status{tree.Red}},
			"text":             {Text: "no answer"},
			"text-nowhere":     {Text: "nowhere"},
			"rare-kind":        {Kinds: []Kind{Definition}},
		} {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					if _, err := j.Search(b.Context(), q); err != nil {
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
