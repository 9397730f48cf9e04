package tree

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestGroupKeepsOnlyWhatItHas: a silent group keeps its last status for its parent,
// but not for the sake of nodes that are gone, moved away or forgotten.
func TestGroupKeepsOnlyWhatItHas(t *testing.T) {
	p := MustPath
	silent := func(tr *Tree, c *clock) {
		c.pass(2 * time.Minute)
		good, _ := tr.Lookup(p("/b/good"))
		tr.Apply([]Reading{{Node: good, Value: 1}})
		tr.Advance(c.now)
	}
	change := func(ops ...Op) func(*Tree, *clock) error {
		return func(tr *Tree, _ *clock) error { return tr.Change(ops...) }
	}
	for _, tc := range []struct {
		name  string
		group *Rollup
		do    func(*Tree, *clock) error
		want  string // statuses of the root, /a, /a/g, and the last that /a/g had
	}{
		{"silent", nil, func(tr *Tree, c *clock) error { silent(tr, c); return nil }, "red white white red"},
		{"silent, its group ignores white", &Rollup{White: IgnoreWhite}, func(tr *Tree, c *clock) error { silent(tr, c); return nil }, "red white white red"},
		{"removed", nil, change(Remove(p("/a/g/bad"))), "green white white white"},
		{"removed, its group ignores white", &Rollup{White: IgnoreWhite}, change(Remove(p("/a/g/bad"))), "green white white white"},
		{"removed while silent", nil, func(tr *Tree, c *clock) error { silent(tr, c); return tr.Change(Remove(p("/a/g/bad"))) }, "green white white white"},
		{"removed while silent, its group ignores white", &Rollup{White: IgnoreWhite}, func(tr *Tree, c *clock) error { silent(tr, c); return tr.Change(Remove(p("/a/g/bad"))) }, "green white white white"},
		{"moved away", nil, change(Move(p("/a/g/bad"), p("/c/bad"))), "red white white white"},
		{"one of two silent ones removed", nil, func(tr *Tree, c *clock) error {
			r, err := tr.Add(p("/a/g/fair"), &Spec{Kind: Performance, Threshold: &Threshold{StaleAfter: time.Minute}})
			tr.Apply([]Reading{{Node: r, Value: 1}})
			silent(tr, c)
			if err == nil {
				err = tr.Change(Remove(p("/a/g/bad")))
			}
			return err
		}, "green white white green"},
		{"reset", nil, func(tr *Tree, _ *clock) error { return tr.Reset(p("/a/g/bad")) }, "green white white white"},
		{"reset, its group ignores white", &Rollup{White: IgnoreWhite}, func(tr *Tree, _ *clock) error { return tr.Reset(p("/a/g/bad")) }, "green white white white"},
		{"reset with its groups", nil, func(tr *Tree, _ *clock) error { return tr.Reset(p("/a")) }, "green white white white"},
		{"reset while silent", nil, func(tr *Tree, c *clock) error { silent(tr, c); return tr.Reset(p("/a")) }, "green white white white"},
		{"ignored while silent", nil, func(tr *Tree, c *clock) error {
			silent(tr, c)
			return tr.Change(Update(p("/a/g/bad"), &Spec{Kind: Performance, Edge: Edge{Map: Ignore}}))
		}, "green white white white"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock()
			tr := c.tree()
			if err := tr.Change(Add(p("/a"), &Spec{}), Add(p("/a/g"), &Spec{Rollup: tc.group})); err != nil {
				t.Fatal(err)
			}
			bad := mustAdd(t, tr, "/a/g/bad", &Spec{Kind: Performance, Threshold: &Threshold{Red: AboveLevel(5, 5), StaleAfter: time.Minute}})
			good := mustAdd(t, tr, "/b/good", &Spec{Kind: Performance})
			tr.Apply([]Reading{{Node: bad, Value: 9}, {Node: good, Value: 1}})
			if err := tc.do(tr, c); err != nil {
				t.Fatal(err)
			}
			n, _ := tr.Node(p("/a/g"))
			got := statusAt(t, tr, "/").String() + " " + statusAt(t, tr, "/a").String() + " " + n.Status.String() + " " + n.Last.String()
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			check(t, tr, 0)
		})
	}
}
