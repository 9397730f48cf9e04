package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

func TestOldestGoesFirst(t *testing.T) {
	g := plant(t, t.TempDir(), func(o *Options) { o.MaxBytes, o.OutOfOrder = 16<<20, time.Hour })
	g.opts.MaxBytes = 4 << 20 // less than is allowed, so that it does not take long
	refs := make([]tree.Ref, 40)
	for i := range refs {
		refs[i] = g.add(t, fmt.Sprintf("/n/%d", i), tree.Spec{Kind: tree.Performance})
	}
	g.sync(t)
	noise := rand.New(rand.NewPCG(1, 2))
	batch := make([]tree.Reading, len(refs))
	most := int64(0)
	for hour := range 28 {
		for range 360 {
			g.advance(10 * time.Second)
			for i, ref := range refs {
				batch[i] = tree.Reading{Node: ref, Value: noise.Float64()}
			}
			g.tree.Apply(batch)
		}
		g.sync(t)
		if err := g.Limit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := g.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		most = max(most, g.Stats().Bytes)
		if g.Stats().Refusing != "" {
			t.Fatalf("hour %d: %s", hour, g.Stats().Refusing)
		}
	}
	if err := g.Limit(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := g.Stats()
	if st.Bytes > st.MaxBytes || most > 2*st.MaxBytes {
		t.Errorf("%d bytes, %d at most, of %d", st.Bytes, most, st.MaxBytes)
	}
	if st.Oldest.Before(noon.Add(5*time.Hour)) || st.Oldest.After(g.now().Add(-2*time.Hour)) {
		t.Errorf("kept from %s, it is %s", st.Oldest, g.now())
	}
	// What was deleted had been merged before, unless that was deleted as well.
	if !st.OldestMerged.Before(st.Oldest) {
		t.Errorf("merged from %s, as they came from %s", st.OldestMerged, st.Oldest)
	}
	points, _, err := g.Points(t.Context(), tree.MustPath("/n/7"), st.OldestMerged, g.now(), 500)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		if p.Count == 0 {
			t.Errorf("a gap at %s", p.Time)
		}
	}
}

// TestLimitThatBlocksCannotKeep fills memory faster than blocks are made.
func TestLimitThatBlocksCannotKeep(t *testing.T) {
	g := plant(t, t.TempDir(), func(o *Options) { o.MaxBytes = 16 << 20 })
	g.opts.MaxBytes = 4 << 20
	refs := make([]tree.Ref, 500)
	for i := range refs {
		refs[i] = g.add(t, fmt.Sprintf("/n/%d", i), tree.Spec{Kind: tree.Performance})
	}
	g.sync(t)
	noise := rand.New(rand.NewPCG(1, 2))
	batch := make([]tree.Reading, len(refs))
	give := func() {
		g.advance(time.Second)
		for i, ref := range refs {
			batch[i] = tree.Reading{Node: ref, Value: float64(noise.IntN(1000))}
		}
		g.tree.Apply(batch)
	}
	for range 1600 {
		give()
	}
	g.sync(t)
	if before := g.raw.Stats().Bytes; before < 4<<20 {
		t.Fatalf("only %d bytes", before)
	}
	for k := 0; ; k++ {
		if err := g.Limit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := g.Stats(); st.Bytes < st.MaxBytes {
			break
		} else if k == 20 {
			t.Fatalf("still %d of %d bytes", st.Bytes, st.MaxBytes)
		}
		give()
		if err := g.Sync(t.Context()); err != nil && !strings.Contains(err.Error(), "limit of bytes") {
			t.Fatal(err)
		}
	}
	if st := g.Stats(); !st.Oldest.Equal(noon.Add(time.Second)) {
		t.Errorf("it is kept from %s, though a block takes less room than the log", st.Oldest)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for again := time.NewTicker(50 * time.Millisecond); g.Sync(ctx) != nil; {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("it does not recover")
		}
	}
}

func TestNodesThatKeepLess(t *testing.T) {
	g := plant(t, t.TempDir(), func(o *Options) { o.OutOfOrder = time.Hour })
	short := g.add(t, "/short", tree.Spec{Kind: tree.Performance, History: &tree.History{Keep: time.Hour}})
	other := g.add(t, "/short.er", tree.Spec{Kind: tree.Performance})
	for range 13 {
		g.tree.Apply([]tree.Reading{{Node: short, Value: 1}, {Node: other, Value: 2}})
		g.advance(30 * time.Minute)
		g.sync(t)
	}
	if err := g.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.forgetEarly(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := g.selected(t, isValue)
	if diff := cmp.Diff([]string{"21600=1"}, got[`{__name__="grove_node_value", path="/short"}`]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(got[`{__name__="grove_node_value", path="/short.er"}`]); n != 13 {
		t.Errorf("%d readings of the other, want 13", n)
	}
}

func TestSeriesBeyondTheLimitAreCounted(t *testing.T) {
	dir := t.TempDir()
	g := plant(t, dir, func(o *Options) { o.MaxSeries = 3 })
	for i := range 5 {
		ref := g.add(t, fmt.Sprintf("/n/%d", i), tree.Spec{Kind: tree.Performance})
		g.give(ref, 0, 1)
		g.give(ref, time.Second, 1)
	}
	g.sync(t)
	if st := g.Stats(); st.Series != 3 || st.Dropped[MaxSeries] != 4 || st.Samples != 6 {
		t.Errorf("%+v", st)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	// A limit that was lowered does not keep the log from being read.
	next := plantAt(t, dir, g.clock, func(o *Options) { o.MaxSeries = 1 })
	next.sync(t)
	if got := next.selected(t, isValue); len(got) != 3 {
		t.Errorf("%v", got)
	}
}

func TestTheDirectoryBelongsToOne(t *testing.T) {
	dir := t.TempDir()
	g := plant(t, dir, nil)
	_, err := Open(Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "is used by another process") {
		t.Errorf("got %v", err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g.give(tree.Ref{}, 0, 1)
	for name, err := range map[string]error{"sync": g.Sync(t.Context()), "ready": g.Ready(), "again": func() error { _, _, err := g.Last(t.Context(), tree.Root); return err }()} {
		if err == nil || err.Error() != "the history is not ready: it is closed" && !strings.HasSuffix(err.Error(), ": the history is not ready: it is closed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	plantAt(t, dir, g.clock, nil).sync(t)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "a history needs a directory"},
		{Options{Dir: "x", Keep: time.Minute}, "readings are kept for 4h0m0s at least, not 1m0s"},
		{Options{Dir: "x", Long: -1}, "long: a history has no negative times, not -1ns"},
		{Options{Dir: "x", MaxBytes: 1000}, "the readings need 16 MiB at least, not 1000 bytes"},
	} {
		if _, err := Open(c.o); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
