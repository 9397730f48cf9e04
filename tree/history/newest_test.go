package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

// TestNewestSaysWhatLastSays has nodes of all kinds of pasts.
func TestNewestSaysWhatLastSays(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	nodes := map[string]tree.Spec{
		"/plain":  {Kind: tree.Performance},
		"/unit":   {Kind: tree.Performance, Unit: "ms", Metric: "answer_seconds"},
		"/folded": {Kind: tree.Performance, History: &tree.History{Every: time.Minute}},
		"/white":  {Kind: tree.Performance},
		"/late":   {Kind: tree.Performance},
		"/old":    {Kind: tree.Performance},
		"/never":  {Kind: tree.Performance},
	}
	refs := map[string]tree.Ref{}
	for path, spec := range nodes {
		refs[path] = g.add(t, path, spec)
	}
	g.give(refs["/old"], -20*time.Hour, 1)
	for i := range 300 {
		g.advance(10 * time.Second)
		for path, ref := range refs {
			if path != "/never" && path != "/old" {
				g.give(ref, time.Duration(i+1)*10*time.Second, float64(i)+0.5)
			}
		}
	}
	g.give(refs["/late"], 10*time.Minute, 77)
	g.tree.Report(tree.Report{Node: refs["/white"], Reason: "no answer"})
	g.tree.Flush()
	g.sync(t)
	for _, step := range []string{"in memory", "in blocks"} {
		newest, err := g.Newest(t.Context(), 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]Sample{}
		for path := range nodes {
			if last, ok, err := g.Last(t.Context(), tree.MustPath(path)); err != nil {
				t.Fatal(err)
			} else if ok {
				want[path] = last
			}
		}
		if diff := cmp.Diff(want, newest); diff != "" || len(newest) != 6 {
			t.Errorf("%s: %d nodes (-Last +Newest):\n%s", step, len(newest), diff)
		}
		if newest, err = g.Newest(t.Context(), 5*time.Hour); err != nil || len(newest) != 5 {
			t.Errorf("%s: %d nodes within five hours, %v", step, len(newest), err)
		}
		if err := g.raw.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
