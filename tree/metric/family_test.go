package metric

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

func TestDescribe(t *testing.T) {
	tr := tree.New(tree.Options{})
	for path, spec := range map[string]*tree.Spec{
		"/a": {Kind: tree.Performance, Metric: "answer_seconds", Unit: "ms", Description: "Time of an answer."},
		"/b": {Kind: tree.Performance, Metric: "requests_total"},
		"/c": {Kind: tree.Performance, Metric: "bad-name", Unit: "s"},
		"/d": {Kind: tree.Performance, Unit: "s"},
		"/e": {Kind: tree.State, Metric: "grove_node_state"},
	} {
		if _, err := tr.Add(tree.MustPath(path), spec); err != nil {
			t.Fatal(err)
		}
	}
	want := slices.Concat([]Family{{"answer_seconds", Gauge, "seconds", "Time of an answer."}}, Generic,
		[]Family{{"requests_total", Counter, "", "Value of a node."}})
	if d := cmp.Diff(want, Describe(Nodes(tr))); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestGenericFamiliesAreSortedAndExplained(t *testing.T) {
	if !slices.IsSortedFunc(Generic, func(a, b Family) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("they are not sorted")
	}
	for _, f := range Generic {
		if f.Help == "" || !ValidName(f.Name) {
			t.Errorf("%+v", f)
		}
	}
}

func TestFamiliesRefuse(t *testing.T) {
	f := NewFamilies(func(name string) bool { return name == "grove_build" })
	for _, c := range []struct{ metric, unit, want string }{
		{"answer_seconds", "s", ""},
		{"answer_seconds", "ms", ""},
		{"answer_seconds", "", "is in seconds elsewhere, not in no unit"},
		{"requests_total", "", ""},
		{"requests", "", "has the name of another metric, or of one of its samples"},
		{"grove_build_total", "", "is one of grove's own"},
		{Value, "", "has the name of another metric, or of one of its samples"},
		{"x_info", "", "ends in _info, which is reserved for other types of metrics"},
	} {
		_, _, got := f.Of(&tree.Spec{Kind: tree.Performance, Metric: c.metric, Unit: c.unit})
		if got != c.want {
			t.Errorf("%s in %q: %q, want %q", c.metric, c.unit, got, c.want)
		}
	}
}
