package memory

import (
	"fmt"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/store/storetest"
)

// BenchmarkRestart writes what is known of 100,000 nodes for the first time, and brings it
// back to another tree.
func BenchmarkRestart(b *testing.B) {
	const nodes = 100_000
	for _, d := range []func(testing.TB) *storetest.Database{storetest.SQLite, storetest.Postgres} {
		db := d(b)
		b.Run(db.Engine, func(b *testing.B) {
			s := db.Open(b)
			grow := func() (*tree.Tree, *Memory) {
				tr := tree.New(tree.Options{})
				for i := range nodes {
					if _, err := tr.Add(tree.MustPath(fmt.Sprintf("/shop/rack%02d/host%05d", i%100, i)), &tree.Spec{Kind: tree.State}); err != nil {
						b.Fatal(err)
					}
				}
				return tr, New(Options{Store: s, Tree: tr})
			}
			var saving, restoring time.Duration
			for b.Loop() {
				tr, m := grow()
				for i := range nodes {
					r, _ := tr.Lookup(tree.MustPath(fmt.Sprintf("/shop/rack%02d/host%05d", i%100, i)))
					tr.Report(tree.Report{Node: r, Value: tree.Text("up")})
				}
				began := time.Now()
				if err := m.Sync(b.Context()); err != nil {
					b.Fatal(err)
				}
				saving += time.Since(began)
				_, m = grow()
				began = time.Now()
				if n, err := m.Restore(b.Context()); err != nil || n < nodes {
					b.Fatal(n, err)
				}
				restoring += time.Since(began)
			}
			b.ReportMetric(nodes*float64(b.N)/saving.Seconds(), "saved/s")
			b.ReportMetric(nodes*float64(b.N)/restoring.Seconds(), "restored/s")
		})
	}
}
