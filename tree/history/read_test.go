package history

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"grove/tree"
	"grove/tree/metric"
)

// drawn writes points for comparison: "seconds after noon: min avg max last xcount".
func drawn(points []Point) (list []string) {
	for _, p := range points {
		at := float64(millis(p.Time)-noon.UnixMilli()) / 1000
		if p.Count == 0 {
			list = append(list, fmt.Sprintf("%v: gap", at))
			continue
		}
		list = append(list, fmt.Sprintf("%v: %v %v %v %v x%d", at, p.Min, p.Avg, p.Max, p.Last, p.Count))
	}
	return list
}

func (g *grove) points(t *testing.T, path string, from, to time.Duration, buckets int) []string {
	t.Helper()
	points, _, err := g.Points(t.Context(), tree.MustPath(path), noon.Add(from), noon.Add(to), buckets)
	if err != nil {
		t.Fatal(err)
	}
	return drawn(points)
}

func TestPointsAreMerged(t *testing.T) {
	minute := tree.Spec{Kind: tree.Performance, Mode: tree.Push}
	for name, c := range map[string]struct {
		spec    tree.Spec
		give    func(g *grove, ref tree.Ref)
		minutes int
		buckets int
		want    []string
	}{
		"nothing": {minute, func(*grove, tree.Ref) {}, 10, 10, nil},
		"each for itself": {minute, func(g *grove, ref tree.Ref) {
			for i := range 3 {
				g.give(ref, time.Duration(i)*time.Minute, float64(i))
			}
		}, 10, 11, []string{"0: 0 0 0 0 x1", "60: 1 1 1 1 x1", "120: 2 2 2 2 x1"}},
		"several into one": {minute, func(g *grove, ref tree.Ref) {
			for i, v := range []float64{4, 1, 7, 2, 3, 3} {
				g.give(ref, time.Duration(i*30)*time.Second, v)
			}
		}, 3, 3, []string{"0: 1 4 7 7 x3", "90: 2 2.6666666666666665 3 3 x3"}},
		"into one that has all": {minute, func(g *grove, ref tree.Ref) {
			for i, v := range []float64{4, 1, 7} {
				g.give(ref, time.Duration(i*30)*time.Second, v)
			}
		}, 3, 1, []string{"-1.7724528e+09: 1 4 7 7 x3"}},
		"with a gap where nothing came": {minute, func(g *grove, ref tree.Ref) {
			for _, i := range []int{0, 1, 2, 7, 8} {
				g.give(ref, time.Duration(i)*time.Minute, float64(i))
			}
		}, 10, 11, []string{"0: 0 0 0 0 x1", "60: 1 1 1 1 x1", "120: 2 2 2 2 x1", "180: gap", "420: 7 7 7 7 x1", "480: 8 8 8 8 x1"}},
		"with a gap where the node was white, and at the end": {minute, func(g *grove, ref tree.Ref) {
			for _, i := range []int{0, 1, 2, 3} {
				g.give(ref, time.Duration(i)*time.Minute, float64(i))
				if i%2 == 1 {
					g.at.Store(noon.Add(time.Duration(i)*time.Minute + time.Second).UnixMilli())
					g.tree.Report(tree.Report{Node: ref, Reason: "no answer"})
					g.tree.Flush()
				}
			}
		}, 10, 11, []string{"0: 0 0 0 0 x1", "60: 1 1 1 1 x1", "90: gap", "120: 2 2 2 2 x1", "180: 3 3 3 3 x1", "240: gap"}},
		"in the unit of the node": {tree.Spec{Kind: tree.Performance, Unit: "%", Metric: "used_ratio"}, func(g *grove, ref tree.Ref) {
			g.give(ref, 0, 42.5)
			g.give(ref, time.Minute, 0.1)
		}, 10, 11, []string{"0: 42.5 42.5 42.5 42.5 x1", "60: 0.1 0.1 0.1 0.1 x1"}},
		"of readings that were merged": {tree.Spec{Kind: tree.Performance, History: &tree.History{Every: time.Minute}}, func(g *grove, ref tree.Ref) {
			for i, v := range []float64{1, 5, 3, 7, 8} {
				g.give(ref, time.Duration(i*20)*time.Second, v)
			}
		}, 10, 2, []string{"0: 1 4.8 8 7.5 x5"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := plant(t, t.TempDir(), nil)
			ref := g.add(t, "/a", c.spec)
			g.advance(10 * time.Minute)
			c.give(g, ref)
			g.sync(t)
			if diff := cmp.Diff(c.want, g.points(t, "/a", 0, time.Duration(c.minutes)*time.Minute, c.buckets)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPointsRefusesWhatIsNoRange(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	g.sync(t)
	for _, c := range []struct {
		from, to time.Time
		buckets  int
		want     string
	}{
		{noon, noon, 10, "invalid range of time: it ends at 2026-03-02T12:00:00Z, before it begins at 2026-03-02T12:00:00Z"},
		{noon, noon.Add(time.Hour), MaxBuckets + 1, "invalid range of time: 1 to 10000 buckets, not 10001"},
		{noon, noon.Add(time.Hour), -1, "invalid range of time: 1 to 10000 buckets, not -1"},
		{time.Unix(-5, 0), noon, 10, "invalid range of time: it begins before 1970"},
	} {
		_, _, err := g.Points(t.Context(), tree.MustPath("/a"), c.from.UTC(), c.to.UTC(), c.buckets)
		if !errors.Is(err, ErrRange) || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestLastAndSamples(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	ref := g.add(t, "/a", tree.Spec{Kind: tree.Performance, Metric: "wait_seconds", Unit: "ms"})
	g.sync(t)
	if last, ok, err := g.Last(t.Context(), tree.MustPath("/a")); ok || err != nil {
		t.Errorf("before the first: %v %v %v", last, ok, err)
	}
	g.give(ref, -90*time.Minute, 12)
	g.sync(t)
	last, ok, err := g.Last(t.Context(), tree.MustPath("/a"))
	if want := (Sample{Time: noon.Add(-90 * time.Minute).Local(), Value: 12}); err != nil || !ok || last != want {
		t.Errorf("got %v %v %v, want %v", last, ok, err, want)
	}
	// Under another name it is the same node.
	if err := g.tree.Change(tree.Update(tree.MustPath("/a"), &tree.Spec{Kind: tree.Performance, Unit: "ms"})); err != nil {
		t.Fatal(err)
	}
	g.give(ref, 10*time.Second, 13)
	g.advance(20 * time.Second)
	g.tree.Report(tree.Report{Node: ref, Reason: "no answer"})
	g.tree.Flush()
	g.sync(t)
	var got []Sample
	for sample, err := range g.Samples(t.Context(), tree.MustPath("/a"), noon.Add(-24*time.Hour), noon.Add(time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, sample)
	}
	want := []string{"-5400 12 false", "0 NaN true", "10 13 false", "20 NaN true"}
	var texts []string
	for _, s := range got {
		texts = append(texts, fmt.Sprint(float64(millis(s.Time)-noon.UnixMilli())/1000, s.Value, s.Gap))
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// live gives a node a reading every ten seconds for so long.
func (g *grove) live(t *testing.T, ref tree.Ref, d time.Duration) {
	t.Helper()
	begin := g.now()
	for at := time.Duration(0); at < d; at += 10 * time.Second {
		g.at.Store(begin.Add(at).UnixMilli())
		g.tree.Apply([]tree.Reading{{Node: ref, Value: float64(at / (10 * time.Second) % 30), Time: g.now().UnixNano()}})
	}
	g.advance(10 * time.Second)
	g.sync(t)
}

func TestLongRunIsMergedOnceNothingCanComeAnyMore(t *testing.T) {
	dir := t.TempDir()
	g := plant(t, dir, func(o *Options) { o.Keep, o.OutOfOrder = 8*time.Hour, time.Hour })
	ref := g.add(t, "/a", tree.Spec{Kind: tree.Performance})
	for range 12 {
		g.live(t, ref, 2*time.Hour)
		if err := g.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	st := g.Stats()
	if st.Merged.Before(noon.Add(20*time.Hour)) || st.Oldest.Before(noon.Add(6*time.Hour)) || !st.OldestMerged.Equal(noon) {
		t.Errorf("merged up to %s, kept from %s, merged from %s", st.Merged, st.Oldest, st.OldestMerged)
	}
	// What is read is the same, wherever it comes from: each five minutes have each value
	// from 0 to 29 once.
	points, res, err := g.Points(t.Context(), tree.MustPath("/a"), noon, noon.Add(24*time.Hour), 24*12+1)
	if err != nil {
		t.Fatal(err)
	}
	if res.Merged.IsZero() || res.Bucket != 5*time.Minute {
		t.Errorf("%+v", res)
	}
	if len(points) != 288 {
		t.Errorf("%d points, want 288", len(points))
	}
	for i, p := range points {
		want := Point{Time: noon.Add(time.Duration(i) * 5 * time.Minute).Local(), Min: 0, Max: 29, Avg: 14.5, Last: p.Last, Count: 30}
		if p != want {
			t.Fatalf("point %d: %+v, want %+v", i, p, want)
		}
	}
	// So it is for PromQL: averages first, then readings as they came.
	got := g.selected(t, equal(labels.MetricName, "grove_node_value"), equal("path", "/a"))
	list := got[`{__name__="grove_node_value", path="/a"}`]
	if len(got) != 1 || list[0] != "0=14.5" || list[1] != "300=14.5" || list[len(list)-1] != "86390=29" {
		t.Errorf("%d series, %.5v", len(got), list)
	}
	// Beside the averages stands the rest, for who asks.
	got = g.selected(t, equal("path", "/a"), equal("__fold__", "max"))
	if list := got[`{__fold__="max", __name__="grove_node_value", path="/a"}`]; len(list) < 72 || list[0] != "0=29" {
		t.Errorf("%v", got)
	}
	// Merging again what is merged already changes nothing.
	g.keeping.rolled.Store(noon.Add(16 * time.Hour).UnixMilli())
	if err := g.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, _, err := g.Points(t.Context(), tree.MustPath("/a"), noon, noon.Add(24*time.Hour), 24*12+1)
	if diff := cmp.Diff(points, again); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// A new process knows it all.
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	next := plantAt(t, dir, g.clock, nil)
	next.sync(t)
	again, _, err = next.Points(t.Context(), tree.MustPath("/a"), noon, noon.Add(24*time.Hour), 24*12+1)
	if diff := cmp.Diff(points, again); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestClosedForLong holds that what was not merged when the store was closed is merged
// before it is deleted.
func TestClosedForLong(t *testing.T) {
	dir := t.TempDir()
	g := plant(t, dir, nil)
	ref := g.add(t, "/a", tree.Spec{Kind: tree.Performance})
	g.live(t, ref, 5*time.Hour)
	if err := g.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := g.Stats(); !st.Merged.IsZero() {
		t.Errorf("merged up to %s, while late ones can come", st.Merged)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g.advance(30 * 24 * time.Hour)
	next := plantAt(t, dir, g.clock, nil)
	next.sync(t)
	ref = next.add(t, "/a", tree.Spec{Kind: tree.Performance})
	next.live(t, ref, 4*time.Hour)
	if err := next.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.live(t, ref, 4*time.Hour)
	if err := next.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := next.Stats(); st.Oldest.Before(noon.Add(24 * time.Hour)) {
		t.Errorf("readings of %s are still there", st.Oldest)
	}
	want := []string{"0: 0 14.5 29 14.5 x30", "300: 0 14.5 29 14.5 x30", "600: 0 14.5 29 14.5 x30"}
	if diff := cmp.Diff(want, next.points(t, "/a", 0, 15*time.Minute, 4)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScalesGoBackExactly(t *testing.T) {
	for _, c := range []struct{ metric, unit string }{
		{"a_ratio", "%"}, {"a_ratio", "‰"}, {"a_seconds", "ms"}, {"a_seconds", "ns"}, {"a_seconds", "d"},
		{"a_bytes", "KiB"}, {"a_bytes", "TB"}, {"a_joules", "kWh"}, {"a_bytes_per_second", "MiB/s"}, {"a", "x"},
	} {
		spec := &tree.Spec{Kind: tree.Performance, Metric: c.metric, Unit: c.unit}
		back := unscale(c.metric, spec)
		for _, v := range []float64{0, 1, 42.5, -0.1, 1e6, math.Inf(1)} {
			if got := back(metric.SeriesOf(tree.MustPath("/a"), spec).Scale.Of(v)); got != v && math.Abs(got-v) > 1e-15*math.Abs(v) {
				t.Errorf("%s in %s: %v comes back as %v", c.metric, c.unit, v, got)
			}
		}
	}
}
