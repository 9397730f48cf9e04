package ccms

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms/alert"
)

// model is a tree that two exporters show: one that follows it, and one that looks at
// everything anew each time.
type model struct {
	*testing.T
	*rand.Rand
	tree    *tree.Tree
	clock   time.Time
	follows *Exporter
	anew    *Exporter
	names   map[string]bool     // full names and TIDs that elements have, or had
	counts  map[tree.Ref]uint32 // readings that were sampled
	fresh   map[tree.Ref]bool   // who had readings since the last sample
	who     []context.Context   // who ask
	done    int                 // changes of the structure that took place
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		T: t, Rand: rand.New(rand.NewPCG(seed, 1)), clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		names: map[string]bool{}, counts: map[tree.Ref]uint32{}, fresh: map[tree.Ref]bool{},
	}
	now := func() time.Time { return m.clock }
	m.tree = tree.New(tree.Options{Now: now})
	open := func() *Exporter {
		e, err := New(Options{Tree: m.tree, Guard: grant.NewGuard(m.tree), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	m.follows, m.anew = open(), open()
	for _, grants := range []string{"viewer", "viewer /a", "viewer / customer=acme"} {
		g, err := grant.Parse(grants)
		if err != nil {
			t.Fatal(err)
		}
		m.who = append(m.who, grant.With(t.Context(), &grant.Subject{Name: "ada", Grants: []grant.Grant{g}}))
	}
	return m
}

// some is the path of some node that there is, of a group if that is asked for.
func (m *model) some(group bool) tree.Path {
	var all []tree.Path
	_ = m.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		if !group || n.Kind == tree.Group {
			all = append(all, n.Path)
		}
		return true
	})
	return all[m.IntN(len(all))]
}

// free is a path below some group that often is free. There are few names, so that they
// are taken again.
func (m *model) free() tree.Path {
	p, err := m.some(true).Child(string(rune('a' + m.IntN(5))))
	if err == nil && m.IntN(3) == 0 {
		p, err = p.Child("deeper")
	}
	if err != nil {
		m.Fatal(err)
	}
	return p
}

func (m *model) spec(kind tree.Kind) *tree.Spec {
	s := &tree.Spec{Kind: kind, Properties: map[string]string{}}
	for _, values := range [][]string{{"severity", "", "7", "200"}, {"visibility", "", "expert"}, {"customer", "", "", "acme"}} {
		if v := values[1+m.IntN(len(values)-1)]; v != "" {
			s.Properties[values[0]] = v
		}
	}
	if m.IntN(4) == 0 {
		s.Owner = string(rune('p' + m.IntN(3)))
	}
	if kind == tree.Performance {
		s.Threshold = &tree.Threshold{Yellow: tree.AboveLevel(3, 3), Red: tree.AboveLevel(float64(6+m.IntN(2)), 6)}
	}
	return s
}

// op is some change of the structure. Many are not possible: those are refused.
func (m *model) op() tree.Op {
	kinds := []tree.Kind{tree.Performance, tree.Performance, tree.State, tree.TextKind, tree.Log, tree.Group, tree.Group}
	kind := kinds[m.IntN(len(kinds))]
	switch m.IntN(6) {
	case 0:
		return tree.Remove(m.some(false))
	case 1, 2:
		return tree.Move(m.some(false), m.free())
	case 3:
		p := m.some(false)
		if n, err := m.tree.Node(p); err == nil {
			kind = n.Kind
		}
		return tree.Update(p, m.spec(kind))
	}
	return tree.Add(m.free(), m.spec(kind))
}

// change changes the structure.
func (m *model) change() {
	if m.IntN(8) == 0 { // a tree comes
		top := m.free()
		var ops []tree.Op
		for i := range 16 {
			p, _ := top.Join(tree.MustPath(fmt.Sprintf("/g%d/v%d", i/4, i)))
			ops = append(ops, tree.Add(p, m.spec(tree.Performance)))
		}
		if m.tree.Change(ops...) == nil {
			m.done++
		}
		return
	}
	if m.tree.Change(m.op()) == nil {
		m.done++
	}
}

// flood changes more than a tree remembers, and leaves it as it was.
func (m *model) flood() {
	top := tree.MustPath("/flood")
	var ops []tree.Op
	for i := range 5000 {
		p, _ := top.Child(fmt.Sprint(i))
		ops = append(ops, tree.Add(p, &tree.Spec{Kind: tree.TextKind}))
	}
	if err := m.tree.Change(ops...); err != nil {
		m.Fatal(err)
	}
	if err := m.tree.Change(tree.Remove(top)); err != nil {
		m.Fatal(err)
	}
}

// tell gives some attributes readings.
func (m *model) tell() {
	var reports []tree.Report
	_ = m.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		if n.Kind == tree.Group || m.IntN(3) > 0 {
			return true
		}
		r := tree.Report{Node: n.Ref, Time: m.clock}
		switch n.Kind {
		case tree.Performance:
			r.Value, m.fresh[n.Ref] = tree.Number(float64(m.IntN(10))), true
		case tree.Log:
			r.Events = []tree.Event{{Time: m.clock, Status: tree.Status(1 + m.IntN(3)), Text: "line"}}
		default:
			r.Value = tree.Text("word")
		}
		reports = append(reports, r)
		return true
	})
	m.tree.Report(reports...)
}

// sample lets both exporters look.
func (m *model) sample() {
	m.tree.Flush()
	m.anew.table.full = false
	m.anew.table.turnAll()
	for _, e := range []*Exporter{m.follows, m.anew} {
		if err := e.Sample(); err != nil {
			m.Fatal(err)
		}
	}
	for ref := range m.fresh {
		m.counts[ref]++
	}
	clear(m.fresh)
	maps.DeleteFunc(m.counts, func(ref tree.Ref, _ uint32) bool { _, err := m.tree.NodeAt(ref); return err != nil })
}

// check holds the exporters against each other, and what was sampled against the model.
func (m *model) check() {
	m.Helper()
	sampled := map[tree.Ref]uint32{}
	for i := range m.follows.table.nodes {
		if n := &m.follows.table.nodes[i]; n.window != nil {
			w := *n.window
			average, _ := w.Average(m.clock, 15)
			sampled[n.ref] = average.Count
		}
	}
	m.same("what was sampled", m.counts, sampled)
	for _, who := range m.who {
		all := both(m, "the tree", func(e *Exporter) ([]Row, error) { return e.Tree(who, tree.Root, -1, 1e6) })
		both(m, "the instances", func(e *Exporter) ([]Row, error) { return e.Instances(who) })
		both(m, "the logs", func(e *Exporter) ([]LogFile, error) { return e.Logs(who, tree.Root) })
		both(m, "the alerts", func(e *Exporter) ([]alert.Alert, error) {
			alerts, _, err := e.Alerts(who, alert.Filter{})
			return alerts, err
		})
		for i := range all {
			m.names[all[i].TID], m.names[all[i].Full] = true, true
		}
		m.checkDepth(who, all)
	}
	names := slices.Sorted(maps.Keys(m.names))
	for range 5 {
		name, who := names[m.IntN(len(names))], m.who[m.IntN(len(m.who))]
		both(m, name, func(e *Exporter) (Element, error) { return e.Element(who, name) })
	}
}

// checkDepth holds a part of a list against the whole of it.
func (m *model) checkDepth(who context.Context, all []Row) {
	m.Helper()
	if len(all) == 0 {
		return
	}
	top, depth := all[m.IntN(len(all))], m.IntN(3)
	var want []Row
	at := map[tree.Path]int{}
	for _, r := range all {
		if !top.Path.Contains(r.Path) || r.Depth > top.Depth+depth {
			continue
		}
		r.Parent = -1
		if r.Path != top.Path {
			r.Parent = at[r.Path.Parent()]
		}
		at[r.Path] = len(want)
		want = append(want, r)
	}
	got, err := m.follows.Tree(who, top.Path, depth, len(want))
	if err != nil {
		m.Fatal(err)
	}
	m.same(fmt.Sprintf("%d levels of %s", depth, top.Path), want, got)
}

// both asks both exporters the same.
func both[V any](m *model, what string, ask func(*Exporter) (V, error)) V {
	m.Helper()
	want, err1 := ask(m.anew)
	got, err2 := ask(m.follows)
	if fmt.Sprint(err1) != fmt.Sprint(err2) {
		m.Fatalf("%s: %v, anew %v", what, err2, err1)
	}
	m.same(what, want, got)
	return got
}

func (m *model) same(what string, want, got any) {
	m.Helper()
	if reflect.DeepEqual(want, got) { // which takes far less time
		return
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(tree.Value{}, tree.Path{}), cmp.Comparer(func(a, b tree.Ref) bool { return a == b }), cmpopts.EquateEmpty()); d != "" {
		m.Fatalf("%s: -want +got\n%s", what, d)
	}
}

// TestTableFollowsTheTree: whatever comes, goes, moves and changes, what is kept is what
// would be made of the tree anew, and what was sampled stays with its node.
func TestTableFollowsTheTree(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed)
			floods := m.IntN(30)
			for step := range 30 {
				for range 1 + m.IntN(5) {
					m.change()
				}
				if step == floods {
					m.flood()
				}
				m.clock = m.clock.Add(time.Second)
				m.tell()
				if m.IntN(3) > 0 {
					m.sample()
					m.check()
				}
			}
			if m.done < 30 {
				t.Errorf("only %d changes took place", m.done)
			}
		})
	}
}
