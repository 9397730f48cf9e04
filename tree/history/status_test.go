package history

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"grove/tree"
)

func TestStatusesAreKept(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	red := &tree.Threshold{Red: tree.Level{Form: tree.Above, High: 10, OffHigh: 10}}
	ref := g.add(t, "/shop/load", tree.Spec{Kind: tree.Performance, Threshold: red})
	g.add(t, "/shop/text", tree.Spec{Kind: tree.TextKind})
	g.tree.Flush()
	g.walk(t.Context(), false) // as Run does when the tree changed
	g.advance(10 * time.Second)
	g.give(ref, 10*time.Second, 5)
	g.tree.Flush()
	g.advance(10 * time.Second)
	g.give(ref, 20*time.Second, 50)
	g.tree.Flush()
	g.changedGroups()
	g.advance(4 * time.Minute)
	g.walk(t.Context(), true) // and before PromQL forgets
	g.advance(10 * time.Second)
	if err := g.tree.Change(tree.Remove(tree.MustPath("/shop/load"))); err != nil {
		t.Fatal(err)
	}
	g.walk(t.Context(), false)
	g.sync(t)
	want := map[string][]string{
		`{__name__="grove_node_status", path="/shop/load"}`: {"0=0", "10=1", "20=3", "260=3", "270=stale"},
		`{__name__="grove_node_status", path="/shop/text"}`: {"0=0", "260=0"},
		`{__name__="grove_node_status", path="/shop"}`:      {"0=0", "10=1", "20=3", "260=3"},
		`{__name__="grove_node_status", path="/"}`:          {"0=0", "10=1", "20=3", "260=3"},
	}
	if diff := cmp.Diff(want, g.selected(t, equal(labels.MetricName, "grove_node_status"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = map[string][]string{
		`{__name__="grove_group_nodes", path="/shop", status="white"}`:  {"0=2", "20=1", "260=1"},
		`{__name__="grove_group_nodes", path="/shop", status="green"}`:  {"0=0", "20=0", "260=0"},
		`{__name__="grove_group_nodes", path="/shop", status="yellow"}`: {"0=0", "20=0", "260=0"},
		`{__name__="grove_group_nodes", path="/shop", status="red"}`:    {"0=0", "20=1", "260=1"},
	}
	if diff := cmp.Diff(want, g.selected(t, equal(labels.MetricName, "grove_group_nodes"), equal("path", "/shop"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = map[string][]string{`{__name__="grove_node_value", path="/shop/load"}`: {"10=5", "20=50", "270=stale"}}
	if diff := cmp.Diff(want, g.selected(t, equal(labels.MetricName, "grove_node_value"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSeriesFollowTheNode(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	ref := g.add(t, "/a", tree.Spec{Kind: tree.Performance})
	change := func(op tree.Op) {
		t.Helper()
		g.advance(10 * time.Second)
		if err := g.tree.Change(op); err != nil {
			t.Fatal(err)
		}
		g.advance(10 * time.Second)
		g.tree.Apply([]tree.Reading{{Node: ref, Value: 1}})
	}
	g.give(ref, 0, 1)
	change(tree.Update(tree.MustPath("/a"), &tree.Spec{Kind: tree.Performance, Description: "the same series"}))
	change(tree.Update(tree.MustPath("/a"), &tree.Spec{Kind: tree.Performance, Metric: "named"}))
	change(tree.Move(tree.MustPath("/a"), tree.MustPath("/b")))
	change(tree.Update(tree.MustPath("/b"), &tree.Spec{Kind: tree.Performance, Metric: "named", History: &tree.History{Every: time.Second}}))
	change(tree.Update(tree.MustPath("/b"), &tree.Spec{Kind: tree.Performance, Metric: "named"}))
	change(tree.Update(tree.MustPath("/b"), &tree.Spec{Kind: tree.Performance, Metric: "named", History: &tree.History{Off: true}}))
	// The place of a node that is gone goes to another.
	change(tree.Remove(tree.MustPath("/b")))
	next := g.add(t, "/c", tree.Spec{Kind: tree.Performance})
	g.advance(10 * time.Second)
	g.tree.Apply([]tree.Reading{{Node: next, Value: 1}})
	g.walk(t.Context(), false)
	g.sync(t)
	want := map[string][]string{
		`{__name__="grove_node_value", path="/a"}`: {"0=1", "20=1", "40=stale"},
		`{__name__="named", path="/a"}`:            {"40=1", "60=stale"},
		`{__name__="named", path="/b"}`:            {"60=1", "80=1", "100=1", "120=stale"},
		`{__name__="grove_node_value", path="/c"}`: {"150=1"},
	}
	if diff := cmp.Diff(want, g.selected(t, isValue)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = map[string][]string{`{__fold__="max", __name__="named", path="/b"}`: {"80=1", "80.001=stale"}}
	if diff := cmp.Diff(want, g.selected(t, isValue, equal("__fold__", "max"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestANodeInThePlaceOfAnother makes nodes at paths whose nodes were taken away since the
// history looked: with the same number in the tree, and with another.
func TestANodeInThePlaceOfAnother(t *testing.T) {
	for name, c := range map[string]struct {
		before []tree.Op // between taking away and making anew
		told   bool      // the new node has a status of its own before it is looked for
	}{
		"the same number":       {nil, false},
		"the same number, told": {nil, true},
		"another number":        {[]tree.Op{tree.Add(tree.MustPath("/other/a"), &tree.Spec{Kind: tree.State}), tree.Add(tree.MustPath("/other/b"), &tree.Spec{Kind: tree.State})}, false},
		"another number, told":  {[]tree.Op{tree.Add(tree.MustPath("/other/a"), &tree.Spec{Kind: tree.State}), tree.Add(tree.MustPath("/other/b"), &tree.Spec{Kind: tree.State})}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := plant(t, t.TempDir(), nil)
			g.give(g.add(t, "/shop/load", tree.Spec{Kind: tree.Performance}), 0, 1)
			g.tree.Flush()
			g.walk(t.Context(), false)
			g.advance(10 * time.Second)
			ops := append([]tree.Op{tree.Remove(tree.MustPath("/shop"))}, c.before...)
			if err := g.tree.Change(append(ops, tree.Add(tree.MustPath("/shop/load"), &tree.Spec{Kind: tree.Performance}))...); err != nil {
				t.Fatal(err)
			}
			if c.told {
				ref, _ := g.tree.Lookup(tree.MustPath("/shop/load"))
				g.give(ref, 10*time.Second, 2)
			}
			g.tree.Flush()
			g.walk(t.Context(), false)
			g.advance(time.Second)
			g.changedGroups()
			g.walk(t.Context(), false)
			g.sync(t)
			statuses, _, err := g.StatusesAt(t.Context(), g.now())
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/", "/shop", "/shop/load"} {
				n, err := g.tree.Node(tree.MustPath(path))
				if s, ok := statuses[path]; err != nil || !ok || s.Status != n.Status {
					t.Errorf("%s is %v, and %t %v by what is recorded", path, n.Status, ok, s.Status)
				}
			}
			if c.told {
				readings, err := g.ReadingsAt(t.Context(), g.now(), 0)
				if r := readings["/shop/load"]; err != nil || r.Value != 2 || r.Ended {
					t.Errorf("the reading is %+v, %v", r, err)
				}
			}
		})
	}
}

// TestHooksDuringChanges runs everything at once, for the race detector.
func TestHooksDuringChanges(t *testing.T) {
	g := plant(t, t.TempDir(), func(o *Options) { o.MaxBuffered = 1000 })
	g.sync(t) // A producer waits for room only once it is open.
	ctx, cancel := context.WithCancel(t.Context())
	var background, producers sync.WaitGroup
	background.Go(func() { _ = g.Run(ctx) })
	background.Go(func() { _ = g.tree.Run(ctx) })
	refs := make([]tree.Ref, 64)
	for i := range refs {
		refs[i] = g.add(t, "/g/n"+string(rune('a'+i/8))+"/"+string(rune('a'+i%8)), tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.Level{Form: tree.Above, High: 50, OffHigh: 50}}})
	}
	for p := range 4 {
		producers.Go(func() {
			batch := make([]tree.Reading, 16)
			for round := range 300 {
				for i := range batch {
					batch[i] = tree.Reading{Node: refs[p*16+i], Value: float64((round * 7) % 100), Time: noon.Add(time.Duration(round) * time.Millisecond).UnixNano()}
				}
				g.tree.Apply(batch)
			}
		})
	}
	producers.Go(func() {
		for i := range 40 {
			path := tree.MustPath("/h/" + string(rune('a'+i%26)))
			_ = g.tree.Change(tree.Add(path, &tree.Spec{Kind: tree.Performance}))
			g.walk(ctx, i%4 == 0)
			g.changedGroups()
			_, _, _ = g.Points(ctx, tree.MustPath("/g/na/a"), noon, noon.Add(time.Hour), 10)
			_ = g.Stats()
			_ = g.Ready()
			_ = g.Limit(ctx)
			_ = g.tree.Change(tree.Remove(path))
		}
	})
	producers.Wait()
	cancel()
	background.Wait()
	g.sync(t)
	got := g.selected(t, equal(labels.MetricName, "grove_node_value"), equal("path", "/g/na/a"))
	if n := len(got[`{__name__="grove_node_value", path="/g/na/a"}`]); n != 300 {
		t.Errorf("%d readings, want 300: %+v", n, g.Stats())
	}
	if st := g.Stats(); st.Buffered != 0 || st.Given != st.Durable {
		t.Errorf("%+v", st)
	}
}
