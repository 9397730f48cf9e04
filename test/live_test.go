package test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/viewer"
	"grove/viewer/live/client"
	"grove/viewer/live/frame"
)

// follower is a viewer of the live feed.
type follower struct {
	testing.TB
	*client.Client
}

// follow subscribes to a subtree until the test ends. After so long that nothing can be
// expected any more, it ends by itself.
func follow(t testing.TB, m *manager, path string) *follower {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	c, err := client.Dial(ctx, m.url, tree.MustPath(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); cancel() })
	return &follower{t, c}
}

// next waits for one more frame.
func (f *follower) next() *frame.Frame {
	f.Helper()
	got, err := f.Next()
	if err != nil {
		f.Fatal(err)
	}
	return got
}

// find returns the node at names below the root of the view.
func (f *follower) find(names string) (found *frame.Mirrored) {
	f.Mirror.Walk(func(n *frame.Mirrored, _ int) bool {
		if strings.Join(f.Mirror.Names(n.Index), "/") == names {
			found = n
		}
		return found == nil
	})
	return found
}

// is follows the feed until the node at names has a status.
func (f *follower) is(names, status string) {
	f.Helper()
	for {
		if n := f.find(names); n != nil && n.Status.String() == status {
			return
		}
		f.next()
	}
}

// seen is what both REST and the feed say of a node.
type seen struct {
	Path, Kind, Unit, Status, Value, Reason string
	Index                                   uint32
	Flapping, Pending                       bool
	Counts                                  [4]int32
}

// lines writes nodes for comparing, in the order of their paths.
func lines(all []seen) []string {
	slices.SortFunc(all, func(a, b seen) int { return strings.Compare(a.Path, b.Path) })
	out := make([]string, len(all))
	for i, n := range all {
		out[i] = fmt.Sprintf("%+v", n)
	}
	return out
}

// mirrored is the subtree as the feed says it.
func (f *follower) mirrored() []string {
	var all []seen
	f.Mirror.Walk(func(n *frame.Mirrored, _ int) bool {
		s := seen{
			Path: strings.Join(f.Mirror.Names(n.Index), "/"), Kind: n.Kind.String(), Unit: n.Unit, Status: n.Status.String(),
			Reason: n.Reason, Index: n.Index, Flapping: n.Flapping, Pending: n.Pending,
		}
		if !n.Value.IsNone() {
			s.Value = n.Value.String()
		}
		if n.Counts != nil {
			s.Counts = *n.Counts
		}
		all = append(all, s)
		return true
	})
	return lines(all)
}

// shown is the same as REST says it.
func (m *manager) shown(path string) []string {
	m.Helper()
	var answer viewer.Tree
	m.ask("/api/v1/tree?path="+path, &answer)
	var all []seen
	every(answer.Root, func(n *viewer.Branch) {
		s := seen{
			Path: strings.TrimPrefix(strings.TrimPrefix(n.Path, path), "/"), Kind: n.Kind, Unit: n.Unit, Status: n.Status,
			Reason: n.Reason, Index: n.Index, Flapping: n.Flapping, Pending: n.Pending,
		}
		if n.Value != nil {
			s.Value = n.Value.String()
		}
		if n.Counts != nil {
			s.Counts = [4]int32{n.Counts.White, n.Counts.Green, n.Counts.Yellow, n.Counts.Red}
		}
		all = append(all, s)
	})
	return lines(all)
}

// TestLiveFeedSaysWhatRESTSays holds a viewer's tree against REST after every step of
// what can happen to a tree.
func TestLiveFeedSaysWhatRESTSays(t *testing.T) {
	m := serve(t)
	m.write("shop.yaml", shop)
	m.loaded("shop")
	feed := follow(t, m, "/shop")
	agree := func(step string) {
		t.Helper()
		want := m.shown("/shop")
		for {
			diff := cmp.Diff(want, feed.mirrored())
			if diff == "" {
				return
			}
			if _, err := feed.Next(); err != nil {
				t.Fatalf("%s: the feed ends with %v and differs from REST:\n%s", step, err, diff)
			}
		}
	}
	active := func(v float64) {
		m.push(reading{"path": "/shop/Connections/Active", "value": v})
	}
	active(1)
	agree("a number")
	active(2)
	agree("the same status")
	active(501)
	agree("yellow")
	active(1001)
	agree("red")
	m.push(reading{"path": "/shop/State", "value": "draining"})
	agree("a text")
	m.push(reading{"path": "/shop/Log", "event": map[string]any{"text": "it rains", "status": "red"}})
	agree("an event")
	m.write("shop.yaml", shop+"  More:\n    Deep: { kind: text }\n    Number: { kind: performance, unit: s }\n")
	m.eventually(func() error { _, err := m.find("/shop/More/Deep"); return err })
	agree("nodes that come")
	m.push(reading{"path": "/shop/More/Deep", "value": "日本語 \U0001f600 <b>"}, reading{"path": "/shop/More/Number", "value": 0.5})
	agree("values of new nodes")
	m.write("shop.yaml", strings.Replace(shop, "unit: connections", "unit: visitors", 1))
	m.gone("/shop/More")
	agree("nodes that go, and a unit that changes")
	active(700)
	agree("a value afterwards")
	if err := m.Tree.Reset(tree.MustPath("/shop")); err != nil {
		t.Fatal(err)
	}
	agree("a reset")
	m.remove("shop.yaml")
	m.gone("/shop")
	for {
		if _, err := feed.Next(); err != nil {
			if !strings.Contains(err.Error(), "/shop: no such node") {
				t.Errorf("the end of the subtree: %v", err)
			}
			return
		}
	}
}
