package past

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"grove/tree"
)

// seen is what a live tree was at a moment.
type seen struct {
	at    time.Time
	nodes map[string]tree.Node
	step  string
}

// look notes what the live tree is.
func (w *world) note(step string) seen {
	s := seen{at: w.now(), nodes: map[string]tree.Node{}, step: step}
	_ = w.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		s.nodes[n.Path.String()] = *n
		return true
	})
	return s
}

// again is the live tree after a restart: as the memory of a manager brings it back.
func (w *world) again() {
	w.t.Helper()
	before := w.note("restart")
	w.stop()
	w.clock.Add(20_000)
	w.start()
	for _, kind := range []tree.Kind{tree.Group, tree.Performance, tree.State, tree.Log} {
		for path, n := range before.nodes {
			if n.Kind != kind {
				continue
			}
			p := tree.MustPath(path)
			if _, ok := w.tree.Lookup(p); !ok {
				w.change(tree.Add(p, n.Spec))
			} else {
				w.change(tree.Update(p, n.Spec))
			}
		}
	}
	var memories, groups []tree.Memory
	for path, n := range before.nodes {
		m := tree.Memory{Path: tree.MustPath(path), Status: n.Status, Since: n.Since, Time: n.Time, Value: n.Value}
		if n.Kind == tree.Log {
			m.Value = tree.Value{}
			m.Events, _ = w.journal.Events(w.t.Context(), m.Path, tree.DefaultKeep)
		}
		if n.Kind == tree.Group {
			groups = append(groups, m)
		} else {
			memories = append(memories, m)
		}
	}
	w.tree.Restore(memories...)
	w.tree.Restore(groups...)
}

// compare holds a moment against what was seen at it, and counts the values that it does
// not know, or knows from the node that was there before.
func (w *world) compare(s seen) (nodes, unknown int) {
	w.t.Helper()
	past, release, err := w.past.At(w.t.Context(), s.at)
	if err != nil {
		w.t.Errorf("%s: %v", s.step, err)
		return 0, 0
	}
	defer release()
	got := map[string]tree.Node{}
	_ = past.Walk(tree.Root, -1, func(n *tree.Node) bool {
		got[n.Path.String()] = *n
		return true
	})
	for path, n := range s.nodes {
		g, ok := got[path]
		delete(got, path)
		if !ok {
			w.t.Errorf("%s: %s is missing", s.step, path)
			continue
		}
		now, err := w.tree.Node(n.Path)
		there := err == nil && now.Kind == n.Kind
		_, isNumber := n.Value.Number()
		nodes++
		switch {
		case g.Status == n.Status && g.Value.IsNone() && (g.Reason == noNumber || g.Reason == noText || g.Kind == tree.Log),
			g.Status == tree.White && n.Status == tree.White:
			if g.Value != n.Value { // It moved here, or is there anew, without a reading since.
				unknown++
			}
		case g.Status != n.Status:
			w.t.Errorf("%s: %s is %s, was %s", s.step, path, g.Status, n.Status)
		case g.Counts != n.Counts:
			w.t.Errorf("%s: %s counts %v, was %v", s.step, path, g.Counts, n.Counts)
		case (there || isNumber) && g.Value != n.Value:
			w.t.Errorf("%s: %s has %q, had %q (%s)", s.step, path, g.Value, n.Value, g.Reason)
		case there && g.Reason != n.Reason && g.Reason != noReading && g.Reason != noReason:
			w.t.Errorf("%s: %s says %q, said %q", s.step, path, g.Reason, n.Reason)
		case there && g.Kind != n.Kind:
			w.t.Errorf("%s: %s is a %s, was a %s", s.step, path, g.Kind, n.Kind)
		case there && g.Spec != now.Spec:
			w.t.Errorf("%s: %s has not the spec of today", s.step, path)
		}
	}
	for path := range got {
		w.t.Errorf("%s: %s was not there", s.step, path)
	}
	return nodes, unknown
}

// TestModel holds moments against what a tree of random changes was when they were now.
func TestModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := grow(t)
			random := rand.New(rand.NewPCG(seed, 7))
			one := func(n int) int { return random.IntN(n) }
			place := func() tree.Path {
				text := "/" + string(rune('a'+one(3)))
				for range one(3) {
					text += "/" + string(rune('u'+one(4)))
				}
				return tree.MustPath(text)
			}
			rules := []*tree.Rollup{nil, {Rule: tree.Best}, {Rule: tree.AtLeast, Red: 2}, {Cap: tree.Yellow}}
			attributes := func(each func(n *tree.Node)) {
				s := w.note("")
				for _, n := range s.nodes {
					if n.Kind != tree.Group {
						each(&n)
					}
				}
			}
			tell := func(n *tree.Node) {
				path := n.Path.String()
				switch n.Kind {
				case tree.Performance:
					w.report(path, float64(one(300)))
				case tree.State:
					w.report(path, []string{"green", "yellow", "red"}[one(3)])
				case tree.Log:
					w.report(path, tree.Event{Status: tree.Status(1 + one(3)), Text: fmt.Sprint("line ", one(100))})
				}
			}
			var all []seen
			for i := range 40 {
				for range 1 + one(6) {
					path := place()
					switch what := one(12); {
					case what < 4:
						spec := &tree.Spec{Kind: []tree.Kind{tree.Performance, tree.State, tree.Log, tree.Group}[one(4)]}
						if spec.Kind == tree.Performance {
							spec.Threshold = &tree.Threshold{Yellow: tree.AboveLevel(100, 100), Red: tree.AboveLevel(200, 200)}
						}
						if spec.Kind == tree.Group {
							spec.Rollup = rules[one(len(rules))]
						}
						_ = w.tree.Change(tree.Add(path, spec)) // Where something is it stays.
					case what == 4:
						_ = w.tree.Change(tree.Remove(path)) // Where nothing is there is nothing to remove.
					case what == 5:
						_ = w.tree.Change(tree.Move(path, place()))
					case what == 6:
						if n, err := w.tree.Node(path); err == nil && n.Kind == tree.Group {
							w.change(tree.Update(path, &tree.Spec{Kind: tree.Group, Rollup: rules[one(len(rules))]}))
						}
					}
				}
				attributes(func(n *tree.Node) {
					switch one(5) {
					case 0:
						w.report(n.Path.String(), errors.New("no answer"))
					case 1, 2:
						tell(n)
					}
				})
				step := fmt.Sprintf("step %d", i)
				if i%15 == 14 {
					attributes(func(n *tree.Node) { // A value that is gone is not brought back.
						if n.Kind != tree.Log {
							tell(n)
						} else {
							w.report(n.Path.String(), tree.Event{Status: tree.Green, Text: "fine"})
						}
					})
					w.pass(time.Second)
					w.again()
					step += " after a restart"
				}
				w.pass(time.Duration(2+one(400)) * time.Second)
				all = append(all, w.note(step))
				w.pass(time.Second)
			}
			if err := w.settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			nodes, unknown := 0, 0
			for _, s := range all {
				n, u := w.compare(s)
				nodes, unknown = nodes+n, unknown+u
			}
			if unknown > nodes/10 {
				t.Errorf("of %d nodes %d are not known", nodes, unknown)
			}
		})
	}
}
