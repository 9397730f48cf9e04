package history

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"grove/tree"
)

// TestDamageKeepsNothingFromBeingMerged damages the samples of one block: all others are
// merged, and the history goes on.
func TestDamageKeepsNothingFromBeingMerged(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	ref := g.add(t, "/n", tree.Spec{Kind: tree.Performance})
	for range 12 * 60 {
		g.advance(time.Minute)
		g.tree.Apply([]tree.Reading{{Node: ref, Value: 1}})
	}
	g.sync(t)
	if err := g.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	blocks, err := filepath.Glob(filepath.Join(g.raw.Dir(), "0*"))
	if err != nil || len(blocks) < 2 {
		t.Fatalf("blocks %v, %v", blocks, err)
	}
	f, err := os.OpenFile(filepath.Join(blocks[0], "chunks", "000001"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("garbage garbage"), 10); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	g.advance(36 * time.Hour)
	for range 3 { // What the TSDB finds damaged it says once.
		err = g.Maintain(t.Context())
	}
	if err != nil {
		t.Errorf("maintain: %v", err)
	}
	if err := g.Limit(t.Context()); err != nil {
		t.Error(err)
	}
	st := g.Stats()
	if st.Merged.Before(noon.Add(12*time.Hour)) || st.Aside != 1 {
		t.Errorf("merged up to %s, %d parts put aside", st.Merged, st.Aside)
	}
	points, _, err := g.Points(t.Context(), tree.MustPath("/n"), noon, noon.Add(12*time.Hour), 100)
	if err != nil || len(points) < 50 {
		t.Errorf("%d points are left, %v", len(points), err)
	}
}
