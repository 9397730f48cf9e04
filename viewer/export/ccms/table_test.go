package ccms

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

// TestATreeThatComesTouchesNoOther: whatever else there is, only what comes is looked at,
// and nothing is left of it when it goes.
func TestATreeThatComesTouchesNoOther(t *testing.T) {
	tr := tree.New(tree.Options{})
	sprout := func(top string, n int) {
		t.Helper()
		var ops []tree.Op
		for i := range n {
			ops = append(ops, tree.Add(tree.MustPath(fmt.Sprintf("%s/v%d", top, i)), &tree.Spec{Kind: tree.Performance}))
		}
		if err := tr.Change(ops...); err != nil {
			t.Fatal(err)
		}
		var readings []tree.Reading
		for i := range n {
			ref, _ := tr.Lookup(tree.MustPath(fmt.Sprintf("%s/v%d", top, i)))
			readings = append(readings, tree.Reading{Node: ref, Value: 1})
		}
		tr.Apply(readings)
		tr.Flush()
	}
	table, err := newTable(tr, DefaultSystem)
	if err != nil {
		t.Fatal(err)
	}
	defer table.view.Close()
	// looked updates the table and says how many attributes were looked at, how many
	// have a window, and how many nodes the directory of numbers leads to.
	looked := func() [3]int {
		t.Helper()
		if err := table.update(); err != nil {
			t.Fatal(err)
		}
		turned, windows := len(table.takeTurned()), 0
		for i := range table.nodes {
			if table.nodes[i].window != nil {
				windows++
			}
		}
		return [3]int{turned, windows, len(table.numbers.refs)}
	}
	is := func(what string, want, got [3]int) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -want +got\n%s", what, d)
		}
	}
	sprout("/others", 2000)
	is("at first", [3]int{2000, 2000, 0}, looked())
	is("once more", [3]int{0, 2000, 0}, looked())
	table.numbered(1) // Somebody asks, so that the directory follows.
	sprout("/berlin", 100)
	is("a tree that comes", [3]int{100, 2100, 2000 + 2 + 100 + 1}, looked())
	if err := tr.Change(tree.Remove(tree.MustPath("/berlin"))); err != nil {
		t.Fatal(err)
	}
	is("a tree that goes", [3]int{0, 2000, 2103}, looked())

	// Names that come and go without end do not fill the directory without end.
	for i := range 50 {
		top := fmt.Sprint("/hamburg", i)
		sprout(top, 100)
		looked()
		if err := tr.Change(tree.Remove(tree.MustPath(top))); err != nil {
			t.Fatal(err)
		}
		if n := looked()[2]; n > 2*len(table.nodes) {
			t.Fatalf("the directory leads to %d nodes", n)
		}
	}
	if n, ok := table.numbered(1); ok {
		t.Errorf("the number 1 leads to %s", n.Path)
	}
}
