package history

import (
	"testing"
	"time"

	"grove/tree"
)

// counted is how many readings of a node there are between two times.
func (g *grove) counted(t *testing.T, path string, from, to time.Time) (n uint64) {
	t.Helper()
	points, _, err := g.Points(t.Context(), tree.MustPath(path), from, to, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		n += p.Count
	}
	return n
}

// TestClockThatWasAheadForAWhile sets the clock forward by four days, and back: readings of
// the real present are kept, and those from the future are shown again once it comes.
func TestClockThatWasAheadForAWhile(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	ref := g.add(t, "/n", tree.Spec{Kind: tree.Performance})
	give := func(n int) {
		for range n {
			g.advance(time.Minute)
			g.tree.Apply([]tree.Reading{{Node: ref, Value: 1}})
		}
		g.sync(t)
		if err := g.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const ahead = 4 * 24 * time.Hour
	give(10)
	g.advance(ahead)
	give(10)
	g.advance(-ahead)
	give(10)
	give(10)
	if n := g.counted(t, "/n", noon, g.now().Add(time.Minute)); n < 30 || g.Stats().Dropped[TooLate] > 0 {
		t.Errorf("%d of 40 readings are kept, dropped %v", n, g.Stats().Dropped)
	}
	g.advance(ahead)
	give(10)
	if n := g.counted(t, "/n", noon.Add(ahead), g.now().Add(time.Minute)); n < 20 {
		t.Errorf("%d of 20 readings are shown when their time has come", n)
	}
}

// TestClockThatWasSetBack sets the clock back by an hour.
func TestClockThatWasSetBack(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	ref := g.add(t, "/n", tree.Spec{Kind: tree.Performance, Mode: tree.Timer})
	give := func(n int) {
		for range n {
			g.advance(time.Minute)
			g.tree.Apply([]tree.Reading{{Node: ref, Value: 1}})
		}
		g.sync(t)
	}
	give(90)
	g.advance(-time.Hour - 30*time.Second)
	give(30)
	if n := g.counted(t, "/n", noon, noon.Add(2*time.Hour)); n != 120 {
		t.Errorf("%d of 120 readings are kept, dropped %v", n, g.Stats().Dropped)
	}
}

// TestTakesFrom gives a reading of just that age, and one that is older.
func TestTakesFrom(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	ref := g.add(t, "/n", tree.Spec{Kind: tree.Performance})
	g.tree.Apply([]tree.Reading{{Node: ref, Value: 1, Time: g.now().Add(tree.MaxAhead).UnixNano()}})
	g.sync(t)
	from := g.TakesFrom()
	g.tree.Apply([]tree.Reading{{Node: ref, Value: 2, Time: from.UnixNano()}, {Node: ref, Value: 3, Time: from.Add(-time.Minute).UnixNano()}})
	g.sync(t)
	if n := g.counted(t, "/n", from.Add(-time.Hour), g.now()); n != 1 || g.Stats().Dropped[TooLate] != 1 {
		t.Errorf("%d are kept, dropped %v", n, g.Stats().Dropped)
	}
}
