package tree

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLookups(t *testing.T) {
	tr := newClock().tree()
	x := mustAdd(t, tr, "/host/~1var/x", &Spec{Kind: Performance})
	root, _ := tr.Lookup(Root)
	for _, tc := range []struct {
		text string
		want Ref
	}{
		{"/host/~1var/x", x}, {"/", root}, {"", root}, {"/host/~1var/y", Ref{}}, {"host/~1var/x", Ref{}}, {"/host/~1var/x/", Ref{}},
		{"/host//var/x", Ref{}}, {"//host/~1var/x", Ref{}}, {"x", Ref{}}, {"/x", Ref{}},
	} {
		if got, ok := tr.LookupText([]byte(tc.text)); got != tc.want || ok == got.IsZero() {
			t.Errorf("%q leads to %v, %v", tc.text, got, ok)
		}
	}
	if n := testing.AllocsPerRun(10, func() { tr.LookupText([]byte("/host/~1var/x")) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if _, err := tr.NodeAt(Ref{}); errorText(err) != "node 0: no such node" {
		t.Errorf("the zero Ref: %v", err)
	}
	if _, err := tr.NodeAt(Ref{index: 1 << 30, gen: 1}); !errors.Is(err, ErrNoNode) {
		t.Errorf("the Ref of another tree: %v", err)
	}
}

// TestPathsOfOneHash gives two paths the same hash by hand: both are found, whichever
// goes or comes first.
func TestPathsOfOneHash(t *testing.T) {
	for _, order := range []string{"ab", "ba"} {
		tr := newClock().tree()
		refs := map[string]Ref{"a": mustAdd(t, tr, "/a", &Spec{Kind: Performance})}
		h := maphash.String(tr.seed, "/b")
		tr.index[h] = refs["a"].index
		refs["b"] = mustAdd(t, tr, "/b", &Spec{Kind: Performance})
		if len(tr.clash) != 1 {
			t.Fatal("no clash was made")
		}
		for k, name := range strings.Split(order, "") {
			for other, want := range refs {
				gone := k == 1 && other == order[:1]
				for _, got := range []func() (Ref, bool){
					func() (Ref, bool) { return tr.Lookup(MustPath("/" + other)) },
					func() (Ref, bool) { return tr.LookupText([]byte("/" + other)) },
				} {
					if r, ok := got(); ok == gone || ok && r != want {
						t.Errorf("%s: /%s leads to %v, %v", order, other, r, ok)
					}
				}
			}
			if err := tr.Change(Remove(MustPath("/" + name))); err != nil {
				t.Fatal(err)
			}
		}
		if len(tr.clash) != 0 {
			t.Errorf("%s: a clash is left", order)
		}
	}
}

func TestWalk(t *testing.T) {
	tr := newClock().tree()
	for _, p := range []string{"/a/b/x", "/a/y", "/c/~1z"} {
		mustAdd(t, tr, p, &Spec{Kind: Performance})
	}
	for _, tc := range []struct {
		root        string
		depth, most int
		want        string
	}{
		{"/", -1, 99, "/ /a /a/b /a/b/x /a/y /c /c/~1z"},
		{"/", 0, 99, "/"},
		{"/", 1, 99, "/ /a /c"},
		{"/a", 1, 99, "/a /a/b /a/y"},
		{"/c/~1z", 5, 99, "/c/~1z"},
		{"/", -1, 3, "/ /a /a/b"},
	} {
		var got []string
		err := tr.Walk(MustPath(tc.root), tc.depth, func(n *Node) bool {
			if n.Name != n.Path.Name() || n.Depth != n.Path.Depth() || (n.Kind == Group) != (n.Threshold == nil) {
				t.Errorf("%+v", n)
			}
			got = append(got, n.Path.String())
			return len(got) < tc.most
		})
		if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	for name, err := range map[string]error{
		"Walk": tr.Walk(MustPath("/n"), 0, nil), "Reset": tr.Reset(MustPath("/n")),
		"Events": second(tr.Events(MustPath("/n"))), "Cause": second(tr.Cause(MustPath("/n"))), "Node": second(tr.Node(MustPath("/n"))),
	} {
		if errorText(err) != "/n: no such node" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestUpdateKeepsWhatANodeHas updates a node of each kind with another description.
func TestUpdateKeepsWhatANodeHas(t *testing.T) {
	th := &Threshold{Yellow: AboveLevel(5, 3), StaleAfter: time.Hour}
	for _, kind := range []Kind{Performance, State, Log, TextKind} {
		t.Run(kind.String(), func(t *testing.T) {
			c := newClock()
			tr := c.tree()
			p := MustPath("/g/x")
			r := mustAdd(t, tr, "/g/x", &Spec{Kind: kind, Threshold: th})
			switch c.pass(time.Second); kind {
			case Performance:
				tr.Apply([]Reading{{Node: r, Value: 9}})
			case Log:
				tr.Report(Report{Node: r, Events: []Event{{Status: Yellow, Text: "a"}}})
			default:
				tr.Report(Report{Node: r, Value: Text("yellow")})
			}
			before, _ := tr.NodeAt(r)
			events, _ := tr.Events(p)
			c.pass(time.Minute)
			same := *th
			if err := tr.Change(Update(p, &Spec{Kind: kind, Threshold: &same, Description: "other"})); err != nil {
				t.Fatal(err)
			}
			after, _ := tr.NodeAt(r)
			still, _ := tr.Events(p)
			if diff := cmp.Diff(events, still); diff != "" || before.Cell != after.Cell || before.Created != after.Created || after.Spec.Description != "other" {
				t.Errorf("%+v\nbecame\n%+v\n%s", before, after, diff)
			}
		})
	}
}

// TestSinceIsWhenTheHoldEnded, not when somebody looked.
func TestSinceIsWhenTheHoldEnded(t *testing.T) {
	c := newClock()
	tr := c.tree()
	th := &Threshold{Red: AboveLevel(5, 5)}
	th.Red.After = 10 * time.Second
	r := mustAdd(t, tr, "/x", &Spec{Kind: Performance, Threshold: th})
	tr.Apply([]Reading{{Node: r, Value: 9}})
	end := c.now.Add(10 * time.Second)
	c.pass(time.Minute)
	tr.Advance(c.now)
	if n, _ := tr.NodeAt(r); n.Status != Red || !n.Since.Equal(end) {
		t.Errorf("%s since %v, want %v", n.Status, n.Since, end)
	}
}

func TestReadingsThatDoNotFitAreCounted(t *testing.T) {
	long := strings.Repeat("ä", MaxTextBytes)
	for _, tc := range []struct {
		name string
		kind Kind
		r    Report
		want string // status, value or reason
	}{
		{"number for a text", TextKind, Report{Value: Number(1.5)}, "green 1.5"},
		{"text for a number", Performance, Report{Value: Text("hot")}, `white "hot" is not a number`},
		{"nothing", Performance, Report{}, "misfit"},
		{"events for a number", Performance, Report{Events: []Event{{Text: "a"}}}, "misfit"},
		{"value and events for a number", Performance, Report{Value: Number(1), Events: []Event{{Text: "a"}}}, "green 1"},
		{"value and events for a log", Log, Report{Value: Text("v"), Events: []Event{{Text: "a", Status: Red}}}, "red a"},
		{"reason and value", Performance, Report{Value: Number(1), Reason: "why"}, "white why"},
		{"value for a group", Group, Report{Value: Number(1)}, "misfit"},
		{"reason for a group", Group, Report{Reason: "why"}, "misfit"},
		{"long text", TextKind, Report{Value: Text(long)}, "green " + long[:MaxTextBytes-4] + "…"},
		{"long reason", State, Report{Reason: long}, "white " + long[:MaxTextBytes-4] + "…"},
		{"long event", Log, Report{Events: []Event{{Text: long, Status: Green}}}, "green " + long[:MaxTextBytes-4] + "…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newClock().tree()
			if err := tr.Change(Add(MustPath("/x"), &Spec{Kind: tc.kind})); err != nil {
				t.Fatal(err)
			}
			tc.r.Node, _ = tr.Lookup(MustPath("/x"))
			taken := tr.Report(tc.r)
			n, _ := tr.NodeAt(tc.r.Node)
			got := fmt.Sprintf("%s %v%s", n.Status, n.Value, n.Reason)
			s := tr.Stats()
			if tc.want == "misfit" {
				got = "misfit"
				if s.Misfit != 1 || taken != 0 {
					t.Errorf("%+v", s)
				}
			} else if s.Applied != 1 || s.Misfit != 0 || taken != 1 {
				t.Errorf("%+v", s)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	tr := newClock().tree()
	group := mustAdd(t, tr, "/log", &Spec{Kind: Log})
	if n := tr.Apply([]Reading{{Node: group, Value: 1}}); n != 0 || tr.Stats().Misfit != 1 {
		t.Errorf("a number for a log: %d, %+v", n, tr.Stats())
	}
}

// TestAViewStaysWithItsPath tells what the follower of /a sees of moves.
func TestAViewStaysWithItsPath(t *testing.T) {
	p := MustPath
	leaf := &Spec{Kind: Performance}
	for _, tc := range []struct {
		name string
		ops  [][]Op
		want string // "" while nothing is there
	}{
		{"its node moves away", [][]Op{{Move(p("/a"), p("/b"))}}, ""},
		{"its node moves away and back", [][]Op{{Move(p("/a"), p("/b"))}, {Move(p("/b"), p("/a"))}}, "/a /a/x /a/y"},
		{"another comes to its place", [][]Op{{Move(p("/a"), p("/b"))}, {Move(p("/c"), p("/a"))}}, "/a /a/z"},
		{"it is removed and comes back", [][]Op{{Remove(p("/a"))}, {Add(p("/a/n"), leaf)}}, "/a /a/n"},
		{"it is replaced in one change", [][]Op{{Remove(p("/a")), Add(p("/a/n"), leaf)}}, "/a /a/n"},
		{"something moves in", [][]Op{{Move(p("/c/z"), p("/a/k/z"))}}, "/a /a/x /a/y /a/k /a/k/z"},
		{"something moves out", [][]Op{{Move(p("/a/x"), p("/x"))}}, "/a /a/y"},
		{"something moves within", [][]Op{{Move(p("/a/x"), p("/a/k/x"))}}, "/a /a/y /a/k /a/k/x"},
		{"something above moves away and back", [][]Op{{Move(p("/a"), p("/q/a"))}, {Move(p("/q/a"), p("/a"))}}, "/a /a/x /a/y"},
		{"an index is used again elsewhere", [][]Op{{Remove(p("/a/x"))}, {Add(p("/e"), leaf)}}, "/a /a/y"},
	} {
		for _, often := range []bool{true, false} { // the follower looks after each change, or at the end
			t.Run(fmt.Sprint(tc.name, often), func(t *testing.T) {
				tr := newClock().tree()
				for _, path := range []string{"/a/x", "/a/y", "/c/z"} {
					mustAdd(t, tr, path, leaf)
				}
				v, err := tr.View(p("/a"))
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				f := &follower{view: v}
				f.snapshot(t)
				for k, ops := range tc.ops {
					if err := tr.Change(ops...); err != nil {
						t.Fatal(err)
					}
					tr.Flush()
					if _, there := tr.Lookup(p("/a")); there && (often || k == len(tc.ops)-1) {
						f.follow(t)
					}
				}
				if _, there := tr.Lookup(p("/a")); !there {
					if tc.want != "" {
						t.Error("nothing is there")
					}
					f.snapshotLost(t)
					return
				}
				var walked []string
				_, err = v.Snapshot(func(n *Node) bool {
					walked = append(walked, n.Path.String())
					return true
				})
				if diff := cmp.Diff(tc.want, strings.Join(walked, " ")); diff != "" || err != nil {
					t.Error(diff, err)
				}
				fresh := &follower{view: v}
				fresh.snapshot(t)
				if diff := cmp.Diff(known(fresh.nodes), known(f.nodes)); diff != "" {
					t.Errorf("(-snapshot +followed)\n%s", diff)
				}
			})
		}
	}
}

func TestFlushNumbersRise(t *testing.T) {
	c := newClock()
	tr := c.tree()
	var told []uint64
	cancel := tr.OnFlush(func(seq uint64) { told = append(told, seq) })
	r := mustAdd(t, tr, "/x", &Spec{Kind: Performance})
	first := tr.Flush()
	if again := tr.Flush(); again != first || tr.Seq() != first {
		t.Errorf("a flush of nothing has the number %d after %d", again, first)
	}
	tr.Apply([]Reading{{Node: r, Value: 1}})
	next := tr.Flush()
	cancel()
	tr.Apply([]Reading{{Node: r, Value: 2}})
	last := tr.Flush()
	if diff := cmp.Diff([]uint64{first, first + 1}, told); diff != "" || next != first+1 || last != first+2 {
		t.Error(diff, next, last)
	}
	c.pass(time.Second)
	if later := c.tree().Seq(); later <= last {
		t.Errorf("the tree of the next process begins at %d, after %d", later, last)
	}
}
