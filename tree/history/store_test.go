package history

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"grove/tree"
)

// clock is the clock of a test.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMilli(c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(d.Milliseconds()) }

// noon is when tests begin.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// grove is a tree with a history.
type grove struct {
	*Store
	*clock
	tree *tree.Tree
}

// plant opens a history in a directory, with a tree in front of it.
func plant(t *testing.T, dir string, change func(*Options)) *grove {
	t.Helper()
	c := &clock{}
	c.at.Store(noon.UnixMilli())
	return plantAt(t, dir, c, change)
}

func plantAt(t *testing.T, dir string, c *clock, change func(*Options)) *grove {
	t.Helper()
	o := Options{Dir: dir, Now: c.now, MinFree: 1, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
	if change != nil {
		change(&o)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	live := tree.New(tree.Options{Now: c.now, Readings: s.Readings, Reports: s.Reports, Statuses: s.Statuses})
	s.Bind(live)
	return &grove{s, c, live}
}

// add makes a node.
func (g *grove) add(t *testing.T, path string, spec tree.Spec) tree.Ref {
	t.Helper()
	ref, err := g.tree.Add(tree.MustPath(path), &spec)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// give applies one reading of so long after noon.
func (g *grove) give(ref tree.Ref, after time.Duration, v float64) {
	g.tree.Apply([]tree.Reading{{Node: ref, Value: v, Time: noon.Add(after).UnixNano()}})
}

func (g *grove) sync(t *testing.T) {
	t.Helper()
	if err := g.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// selected lists what a selection yields: by series, "seconds after noon=value".
func (g *grove) selected(t *testing.T, matchers ...*labels.Matcher) map[string][]string {
	t.Helper()
	return selectedFrom(t, g.Queryable(), matchers...)
}

func selectedFrom(t *testing.T, from storage.Queryable, matchers ...*labels.Matcher) map[string][]string {
	t.Helper()
	q, err := from.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}()
	got := map[string][]string{}
	set := q.Select(context.Background(), true, nil, matchers...)
	for set.Next() {
		var list []string
		it := set.At().Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			at, v := it.At()
			text := fmt.Sprint(v)
			if value.IsStaleNaN(v) {
				text = "stale"
			}
			list = append(list, fmt.Sprintf("%v=%s", float64(at-noon.UnixMilli())/1000, text))
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
		got[set.At().Labels().String()] = list
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return got
}

func equal(name, v string) *labels.Matcher { return labels.MustNewMatcher(labels.MatchEqual, name, v) }

func TestReadingsArePlacedWhereTheyBelong(t *testing.T) {
	for name, c := range map[string]struct {
		spec tree.Spec
		give func(g *grove, ref tree.Ref)
		want map[string][]string
	}{
		"of a node that is pushed, to the millisecond": {
			tree.Spec{Kind: tree.Performance, Mode: tree.Push, Unit: "ms"},
			func(g *grove, ref tree.Ref) {
				g.give(ref, 1234*time.Millisecond, 1)
				g.give(ref, 1235*time.Millisecond, 2)
			},
			map[string][]string{`{__name__="grove_node_value", path="/a/b", unit="ms"}`: {"1.234=1", "1.235=2"}},
		},
		"of a node that is asked, to the second": {
			tree.Spec{Kind: tree.Performance},
			func(g *grove, ref tree.Ref) {
				g.give(ref, 1234*time.Millisecond, 1)
				g.give(ref, 2345*time.Millisecond, 2)
			},
			map[string][]string{`{__name__="grove_node_value", path="/a/b"}`: {"1=1", "2=2"}},
		},
		"of a node that is asked often, to the millisecond": {
			tree.Spec{Kind: tree.Performance},
			func(g *grove, ref tree.Ref) {
				g.give(ref, 1000*time.Millisecond, 1)
				g.give(ref, 1400*time.Millisecond, 2)
				g.give(ref, 2100*time.Millisecond, 3)
			},
			map[string][]string{`{__name__="grove_node_value", path="/a/b"}`: {"1=1", "1.4=2", "2.1=3"}},
		},
		"late ones between the others, and told twice once": {
			tree.Spec{Kind: tree.Performance},
			func(g *grove, ref tree.Ref) {
				g.give(ref, 60*time.Second, 3)
				g.give(ref, -2*time.Hour, 1)
				g.give(ref, 30*time.Second, 2)
				g.give(ref, 30*time.Second, 2)
				g.give(ref, -25*time.Hour, 0)
			},
			map[string][]string{`{__name__="grove_node_value", path="/a/b"}`: {"-7200=1", "30=2", "60=3"}},
		},
		"without those from the future": {
			tree.Spec{Kind: tree.Performance},
			func(g *grove, ref tree.Ref) {
				g.give(ref, time.Hour, 3)
				g.give(ref, time.Second, 1)
				g.tree.Apply([]tree.Reading{{Node: tree.Ref{}, Value: 7}})
			},
			map[string][]string{`{__name__="grove_node_value", path="/a/b"}`: {"1=1"}},
		},
		"in the base unit of their metric": {
			tree.Spec{Kind: tree.Performance, Unit: "%", Metric: "disk_used_ratio", Labels: map[string]string{"disk": "sda"}},
			func(g *grove, ref tree.Ref) { g.give(ref, time.Second, 42.5) },
			map[string][]string{`{__name__="disk_used_ratio", disk="sda", path="/a/b"}`: {"1=0.425"}},
		},
		"of a state that is a number, by report": {
			tree.Spec{Kind: tree.State},
			func(g *grove, ref tree.Ref) {
				g.tree.Report(tree.Report{Node: ref, Value: tree.Bool(true), Time: noon.Add(time.Second)},
					tree.Report{Node: ref, Value: tree.Text("running"), Time: noon.Add(2 * time.Second)},
					tree.Report{Node: ref, Value: tree.Number(3), Time: noon.Add(3 * time.Second)})
			},
			map[string][]string{`{__name__="grove_node_value", path="/a/b"}`: {"1=1", "3=3"}},
		},
		"not at all, when the definition says so": {
			tree.Spec{Kind: tree.Performance, History: &tree.History{Off: true}},
			func(g *grove, ref tree.Ref) { g.give(ref, time.Second, 1) },
			map[string][]string{},
		},
		"with a gap where the node is white": {
			tree.Spec{Kind: tree.Performance},
			func(g *grove, ref tree.Ref) {
				g.give(ref, time.Second, 1)
				g.advance(10 * time.Second)
				g.tree.Report(tree.Report{Node: ref, Reason: "no answer", Time: g.now()})
				g.tree.Flush()
				g.advance(10 * time.Second)
				g.give(ref, 20*time.Second, 2)
			},
			map[string][]string{`{__name__="grove_node_value", path="/a/b"}`: {"1=1", "10=stale", "20=2"}},
		},
		"merged, with the least and the greatest beside": {
			tree.Spec{Kind: tree.Performance, History: &tree.History{Every: time.Minute}},
			func(g *grove, ref tree.Ref) {
				for i, v := range []float64{1, 5, 3, 7, 8} {
					g.give(ref, time.Duration(i*20)*time.Second, v)
				}
			},
			map[string][]string{`{__name__="grove_node_value", path="/a/b"}`: {"40=3", "80=7.5"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := plant(t, t.TempDir(), nil)
			ref := g.add(t, "/a/b", c.spec)
			c.give(g, ref)
			g.sync(t)
			got := g.selected(t, equal("path", "/a/b"), labels.MustNewMatcher(labels.MatchNotEqual, labels.MetricName, "grove_node_status"))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNobodyElseReadsTheFiles in a directory that was there before, open to everybody.
func TestNobodyElseReadsTheFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // That is the case.
		t.Fatal(err)
	}
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
