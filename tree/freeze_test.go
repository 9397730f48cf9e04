package tree_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

// then is the moment of the tests.
var then = time.Unix(1_800_000_000, 0)

// lines tells what a tree is, a line for each node.
func lines(t *testing.T, tr *tree.Tree) (all []string) {
	t.Helper()
	v, err := tr.View(tree.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Snapshot(func(n *tree.Node) bool {
		line := fmt.Sprintf("%s %s %s %s", n.Path, n.Kind, n.Status, n.Value)
		if n.Kind == tree.Group {
			line += fmt.Sprint(n.Counts)
		}
		if n.Reason != "" {
			line += " (" + n.Reason + ")"
		}
		all = append(all, line)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFreezeKeepsWhatIsRecorded(t *testing.T) {
	red := &tree.Threshold{Red: tree.AboveLevel(1, 1)}
	best := &tree.Spec{Kind: tree.Group, Rollup: &tree.Rollup{Rule: tree.Best}}
	number, state := &tree.Spec{Kind: tree.Performance, Threshold: red}, &tree.Spec{Kind: tree.State}
	tr, err := tree.Freeze(then, []tree.Record{
		{Path: tree.MustPath("/shop"), Spec: best, Status: tree.Red, Since: then.Add(-time.Hour)},
		{Path: tree.MustPath("/shop/high"), Spec: number, Status: tree.Green, Value: tree.Number(50), Time: then.Add(-time.Minute)},
		{Path: tree.MustPath("/shop/low"), Spec: number, Tuned: &tree.Threshold{}, Status: tree.Red, Value: tree.Number(0)},
		{Path: tree.MustPath("/shop/silent"), Spec: number, Status: tree.White, Last: tree.Yellow, Reason: "no reading for 1m"},
		{Path: tree.MustPath("/shop/state"), Spec: state, Status: tree.Yellow, Reason: "its text was not recorded"},
		{Path: tree.MustPath("/lost/log"), Spec: &tree.Spec{Kind: tree.Log}, Status: tree.Green, Events: []tree.Event{{Time: then, Status: tree.Green, Text: "hello"}}},
		{Path: tree.Root, Spec: &tree.Spec{Kind: tree.Group}, Status: tree.Yellow},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/ group yellow [1 2 1 1]",
		"/shop group red [1 1 1 1]",
		"/shop/high performance green 50",
		"/shop/low performance red 0",
		"/shop/silent performance white  (no reading for 1m)",
		"/shop/state status yellow  (its text was not recorded)",
		"/lost group white [0 1 0 0] (nothing was recorded of it)",
		"/lost/log log green hello",
	}
	if diff := cmp.Diff(want, lines(t, tr)); diff != "" {
		t.Error(diff)
	}
	if at, frozen := tr.Frozen(); !frozen || !at.Equal(then) {
		t.Errorf("frozen at %v, %t", at, frozen)
	}
	n, err := tr.Node(tree.MustPath("/shop"))
	if err != nil || !n.Since.Equal(then.Add(-time.Hour)) || !n.Created.IsZero() {
		t.Errorf("%v since %v, created %v: %v", n.Path, n.Since, n.Created, err)
	}
	if n, err = tr.Node(tree.MustPath("/shop/low")); err != nil || !n.Tuned || !n.Since.IsZero() {
		t.Errorf("%+v, %v", n, err)
	}
	// The best child of today's rule is green, and yet low is why the group was red.
	if cause, err := tr.Cause(tree.MustPath("/shop")); err != nil || fmt.Sprint(cause) != "[/shop/low]" {
		t.Errorf("cause %v, %v", cause, err)
	}
}

func TestFreezeTakesNoChanges(t *testing.T) {
	path := tree.MustPath("/a/b")
	tr, err := tree.Freeze(then, []tree.Record{{Path: path, Spec: &tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{StaleAfter: time.Second}}, Status: tree.Green, Value: tree.Number(1), Time: then}})
	if err != nil {
		t.Fatal(err)
	}
	before := lines(t, tr)
	ref, _ := tr.Lookup(path)
	for name, err := range map[string]error{
		"change":    tr.Change(tree.Remove(path)),
		"threshold": tr.SetThreshold(path, &tree.Threshold{}),
		"tune":      tr.Tune(ref, func(*tree.Threshold) {}),
		"reset":     tr.Reset(tree.Root),
	} {
		if !errors.Is(err, tree.ErrFrozen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := tr.Apply([]tree.Reading{{Node: ref, Value: 2}}) + tr.Report(tree.Report{Node: ref, Reason: "x"}) + tr.Restore(tree.Memory{Path: path, Status: tree.Red})
	tr.Advance(then.Add(time.Hour))
	tr.Flush()
	if diff := cmp.Diff(before, lines(t, tr)); diff != "" || n != 0 {
		t.Errorf("%d were taken\n%s", n, diff)
	}
	if _, frozen := tree.New(tree.Options{}).Frozen(); frozen {
		t.Error("a live tree is frozen")
	}
}

func TestFreezeRefuses(t *testing.T) {
	leaf := &tree.Spec{Kind: tree.Performance}
	for name, c := range map[string]struct {
		records []tree.Record
		want    string
	}{
		"a node twice":        {[]tree.Record{{Path: tree.MustPath("/a"), Spec: leaf}, {Path: tree.MustPath("/a"), Spec: leaf}}, "freeze /a: node exists already"},
		"a node below a leaf": {[]tree.Record{{Path: tree.MustPath("/a"), Spec: leaf}, {Path: tree.MustPath("/a/b"), Spec: leaf}}, "freeze /a/b: not a group"},
		"a group as a leaf":   {[]tree.Record{{Path: tree.MustPath("/a/b"), Spec: leaf}, {Path: tree.MustPath("/a"), Spec: leaf}}, "freeze /a: node exists already"},
		"no spec":             {[]tree.Record{{Path: tree.MustPath("/a")}}, "freeze /a: invalid change"},
	} {
		if _, err := tree.Freeze(then, c.records); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// TestFreezeIsTheTreeThatWas freezes what live trees of many shapes tell of themselves.
func TestFreezeIsTheTreeThatWas(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		live := tree.New(tree.Options{Now: func() time.Time { return then }})
		rules := []*tree.Rollup{nil, {Rule: tree.Best}, {Rule: tree.AtLeast, Red: 2}, {White: tree.RedWhite}, {White: tree.IgnoreWhite}, {Cap: tree.Yellow}}
		for range 60 {
			path := tree.Root
			for range 1 + random.IntN(4) {
				path, _ = path.Child(string(rune('a' + random.IntN(4))))
			}
			spec := &tree.Spec{Kind: tree.Kind(random.IntN(5)), Edge: tree.Edge{Map: tree.EdgeMap(random.IntN(4))}}
			if spec.Kind == tree.Group {
				spec.Rollup = rules[random.IntN(len(rules))]
			}
			if ref, err := live.Add(path, spec); err == nil && random.IntN(4) > 0 {
				live.Report(tree.Report{Node: ref, Value: tree.Text([]string{"red", "yellow", "green"}[random.IntN(3)])})
				live.Report(tree.Report{Node: ref, Value: tree.Number(random.Float64())})
				live.Report(tree.Report{Node: ref, Events: []tree.Event{{Status: tree.Status(random.IntN(4)), Text: "line"}}})
			}
		}
		var records []tree.Record
		_ = live.Walk(tree.Root, -1, func(n *tree.Node) bool {
			r := tree.Record{Path: n.Path, Spec: n.Spec, Status: n.Status, Last: n.Last, Since: n.Since, Value: n.Value, Time: n.Time, Reason: n.Reason}
			if n.Kind == tree.Log && !n.Value.IsNone() {
				r.Events = []tree.Event{{Text: n.Value.String()}}
			}
			records = append(records, r)
			return true
		})
		past, err := tree.Freeze(then, records)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(lines(t, live), lines(t, past)); diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
		for _, r := range records {
			was, _ := live.Cause(r.Path)
			is, _ := past.Cause(r.Path)
			if len(was) > 0 && fmt.Sprint(was) != fmt.Sprint(is) {
				t.Errorf("seed %d: the cause of %s was %v, and is %v", seed, r.Path, was, is)
			}
		}
	}
}

func BenchmarkFreeze(b *testing.B) {
	spec := &tree.Spec{Kind: tree.Performance}
	records := make([]tree.Record, 100_000)
	for i := range records {
		records[i] = tree.Record{Path: tree.MustPath(fmt.Sprintf("/shop/host%d/load%d", i/100, i%100)), Spec: spec, Status: tree.Green, Value: tree.Number(1)}
	}
	for b.Loop() {
		if _, err := tree.Freeze(then, records); err != nil {
			b.Fatal(err)
		}
	}
}
