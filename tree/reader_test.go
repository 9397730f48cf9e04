package tree

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReaderTellsAnIndexThatWasGivenAgain(t *testing.T) {
	tr := New(Options{})
	for _, p := range []string{"/a/x", "/a/y", "/b/z"} {
		if _, err := tr.Add(MustPath(p), &Spec{Kind: Performance}); err != nil {
			t.Fatal(err)
		}
	}
	seq := tr.Flush()
	v, err := tr.View(MustPath("/a"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	index := func(p string) uint32 {
		ref, ok := tr.Lookup(MustPath(p))
		if !ok {
			t.Fatalf("no %s", p)
		}
		return ref.Index()
	}
	x, y, z, a := index("/a/x"), index("/a/y"), index("/b/z"), index("/a")
	if err := tr.Change(Remove(MustPath("/a/x"))); err != nil {
		t.Fatal(err)
	}
	if err := tr.Change(Add(MustPath("/a/w"), &Spec{Kind: State}), Update(MustPath("/a/y"), &Spec{Kind: Performance, Unit: "s"})); err != nil {
		t.Fatal(err)
	}
	if index("/a/w") != x {
		t.Fatal("the index was not given again: the test tests nothing")
	}
	tr.Flush()
	err = v.Read(func(r *Reader) {
		want := []Placement{{x, true}, {y, false}}
		slices.SortFunc(want, func(a, b Placement) int { return int(a.Index) - int(b.Index) })
		if d := cmp.Diff(want, r.Placed(seq)); d != "" {
			t.Errorf("placed: -want +got\n%s", d)
		}
		if len(r.Placed(r.Seq())) != 0 || !r.Known(seq) || r.Known(seq-1<<30) || r.Known(r.Seq()+1) {
			t.Error("what is known is not what happened")
		}
		if !r.Has(x) || r.Has(z) || r.Root() != a || !r.Changed(a, seq) || r.Changed(z, seq) || !r.BlockChanged(a>>6, seq) || r.BlockChanged(1000, seq) {
			t.Error("what is in the subtree, or changed, is wrong")
		}
		if got := slices.Collect(r.Children(a)); !slices.Equal(got, []uint32{y, x}) || r.Name(x) != "w" || r.Level(x) != 1 || r.Parent(x) != a || r.IsGroup(x) || !r.IsGroup(a) {
			t.Errorf("children %v", got)
		}
		if i, ok := r.Find(MustPath("/a/w")); !ok || i != x {
			t.Errorf("found %d %v", i, ok)
		}
		if _, ok := r.Find(MustPath("/b/z")); ok {
			t.Error("found what is not in the subtree")
		}
		if r.Leaves(a) != [4]int32{White: 2} || r.Status(x) != White || r.Bound() <= int(x) || r.Structure() != tr.Structure() {
			t.Errorf("leaves %v", r.Leaves(a))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
