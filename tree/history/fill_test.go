package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

// What was read elsewhere while a node was away is between what was read here before and
// after, in the unit of the node, once however often it comes.
func TestFillClosesAHole(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	spec := tree.Spec{Kind: tree.Performance, Mode: tree.Timer, Unit: "ms", Metric: "shop_answer_seconds"}
	const path = "/shop/answer"
	ref := g.add(t, path, spec)
	g.give(ref, 0, 1)
	g.give(ref, 10*time.Second, 2)
	g.advance(15 * time.Second)
	if err := g.tree.Change(tree.Remove(tree.MustPath(path))); err != nil {
		t.Fatal(err)
	}
	g.walk(t.Context(), false)
	g.sync(t)
	away := []Sample{{Time: noon.Add(20200 * time.Millisecond), Value: 3}, {Time: noon.Add(20400 * time.Millisecond), Value: 4}, {Time: noon.Add(25 * time.Second), Gap: true}, {Time: noon.Add(30 * time.Second), Value: 5}}
	g.advance(20 * time.Second)
	g.Fill(tree.MustPath(path), &spec, away) // while it is not in the tree
	g.advance(5 * time.Second)
	ref = g.add(t, path, spec)
	g.give(ref, 40*time.Second, 6)
	g.Fill(tree.MustPath(path), &spec, away)
	g.Fill(tree.MustPath(path), &spec, []Sample{{Time: noon.Add(-48 * time.Hour), Value: 9}, {Time: noon.Add(48 * time.Hour), Value: 9}})
	g.Fill(tree.MustPath("/shop/log"), &tree.Spec{Kind: tree.Log}, away)
	g.sync(t)
	var got []string
	for s, err := range g.Samples(t.Context(), tree.MustPath(path), noon.Add(-72*time.Hour), noon.Add(72*time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		text := s.Time.Sub(noon).String()
		if s.Gap {
			text += " gap"
		} else {
			text += " " + tree.Number(s.Value).String()
		}
		got = append(got, text)
	}
	if d := cmp.Diff([]string{"0s 1", "10s 2", "15s gap", "20.2s 3", "20.4s 4", "30s 5", "40s 6"}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
