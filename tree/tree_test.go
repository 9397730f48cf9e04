package tree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a clock that a test moves.
type clock struct{ now time.Time }

func newClock() *clock                { return &clock{time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }
func (c *clock) Now() time.Time       { return c.now }
func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }
func (c *clock) tree() *Tree          { return New(Options{Now: c.Now}) }
func mustAdd(t *testing.T, tr *Tree, path string, s *Spec) Ref {
	t.Helper()
	r, err := tr.Add(MustPath(path), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func statusAt(t *testing.T, tr *Tree, path string) Status {
	t.Helper()
	n, err := tr.Node(MustPath(path))
	if err != nil {
		t.Fatal(err)
	}
	return n.Status
}

func TestThresholdWithHysteresisColoursUpToTheRoot(t *testing.T) {
	c := newClock()
	tr := c.tree()
	th := &Threshold{Yellow: AboveLevel(500, 450), Red: AboveLevel(1000, 900)}
	r := mustAdd(t, tr, "/shop/web1/Connections/Active", &Spec{Kind: Performance, Threshold: th})
	for _, step := range []struct {
		value float64
		want  Status
	}{
		{100, Green}, {500, Green}, {501, Yellow}, {460, Yellow}, {450, Yellow}, {449, Green},
		{1001, Red}, {950, Red}, {900, Red}, {899, Yellow}, {449, Green}, {2000, Red}, {1, Green},
	} {
		c.pass(time.Second)
		if n := tr.Apply([]Reading{{Node: r, Value: step.value}}); n != 1 {
			t.Fatalf("value %v: applied %d", step.value, n)
		}
		for _, p := range []string{"/shop/web1/Connections/Active", "/shop/web1/Connections", "/shop", "/"} {
			if got := statusAt(t, tr, p); got != step.want {
				t.Errorf("after %v: %s is %s, want %s", step.value, p, got, step.want)
			}
		}
	}
}

func TestLevelForms(t *testing.T) {
	for _, tc := range []struct {
		name   string
		th     Threshold
		values []float64
		want   []Status
	}{
		{"above without hysteresis", Threshold{Yellow: AboveLevel(0, 0)},
			[]float64{0, 1, 0, 0.5, 0, -1}, []Status{Green, Yellow, Green, Yellow, Green, Green}},
		{"below without hysteresis", Threshold{Red: BelowLevel(1, 1)},
			[]float64{1, 0, 1, 0, 2}, []Status{Green, Red, Green, Red, Green}},
		{"outside without hysteresis", Threshold{Red: Level{Form: Outside, Low: 1, High: 3, OffLow: 1, OffHigh: 3}},
			[]float64{1, 0, 1, 4, 3, 2}, []Status{Green, Red, Green, Red, Green, Green}},
		{"below", Threshold{Yellow: BelowLevel(10, 12), Red: BelowLevel(5, 6)},
			[]float64{20, 9, 11, 12, 13, 4, 5.5, 6.5, 20}, []Status{Green, Yellow, Yellow, Yellow, Green, Red, Red, Yellow, Green}},
		{"outside", Threshold{Yellow: Level{Form: Outside, Low: 10, High: 20, OffLow: 11, OffHigh: 19}},
			[]float64{15, 21, 19.5, 18, 9, 10.5, 12}, []Status{Green, Yellow, Yellow, Green, Yellow, Yellow, Green}},
		{"inside", Threshold{Red: Level{Form: Inside, Low: 1, High: 3, OffLow: 0, OffHigh: 4}},
			[]float64{10, 2, 3.5, 4.5, 1, 0, -1}, []Status{Green, Red, Red, Green, Red, Red, Green}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock()
			tr := c.tree()
			r := mustAdd(t, tr, "/x", &Spec{Kind: Performance, Threshold: &tc.th})
			var got []Status
			for _, v := range tc.values {
				c.pass(time.Second)
				tr.Apply([]Reading{{Node: r, Value: v}})
				got = append(got, statusAt(t, tr, "/x"))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHoldTimes(t *testing.T) {
	c := newClock()
	tr := c.tree()
	th := &Threshold{Yellow: AboveLevel(0.5, 0.5), Red: AboveLevel(2, 2), ClearAfter: 20 * time.Second}
	th.Yellow.After, th.Red.After = 10*time.Second, 30*time.Second
	r := mustAdd(t, tr, "/x", &Spec{Kind: Performance, Threshold: th})
	for i, step := range []struct {
		pass  time.Duration
		value float64 // negative: no reading, time passes
		want  Status
	}{
		{time.Second, 0.1, Green},
		{time.Second, 3, Green},       // both holds begin
		{9 * time.Second, -1, Green},  // yellow not over yet
		{time.Second, -1, Yellow},     // over after 10 s
		{19 * time.Second, 3, Yellow}, // 29 s
		{time.Second, -1, Red},        // 30 s
		{time.Second, 0.1, Red},       // clearing begins
		{19 * time.Second, 0.1, Red},  // 19 s
		{time.Second, 3, Red},         // beyond again: clearing is forgotten
		{time.Second, 0.1, Red},       // clearing begins anew
		{20 * time.Second, -1, Green}, // over
		{time.Second, 3, Green},       // a short peak …
		{5 * time.Second, 0.1, Green}, // … never colours
		{60 * time.Second, -1, Green}, //
	} {
		c.pass(step.pass)
		if step.value >= 0 {
			tr.Apply([]Reading{{Node: r, Value: step.value}})
		}
		tr.Advance(c.now)
		if got := statusAt(t, tr, "/x"); got != step.want {
			t.Fatalf("step %d: %s, want %s", i, got, step.want)
		}
	}
	if len(tr.holds) != 0 || len(tr.due) != 0 {
		t.Errorf("%d holds and %d ends of holds are left", len(tr.holds), len(tr.due))
	}
}

func TestStaleness(t *testing.T) {
	c := newClock()
	tr := c.tree()
	r := mustAdd(t, tr, "/a/x", &Spec{Kind: Performance, Threshold: &Threshold{Yellow: AboveLevel(5, 5), StaleAfter: time.Minute}})
	n, _ := tr.Node(MustPath("/a/x"))
	if n.Status != White || n.Reason != "no reading yet" {
		t.Fatalf("a new node is %s, %q", n.Status, n.Reason)
	}
	tr.Apply([]Reading{{Node: r, Value: 9}})
	c.pass(time.Minute)
	tr.Advance(c.now)
	if got := statusAt(t, tr, "/a/x"); got != Yellow {
		t.Fatalf("after exactly the limit: %s", got)
	}
	c.pass(time.Nanosecond)
	tr.Advance(c.now)
	n, _ = tr.Node(MustPath("/a/x"))
	if n.Status != White || n.Reason != "no reading for 1m" || n.Last != Yellow || n.Value != Number(9) {
		t.Fatalf("after the limit: %+v", n.Cell)
	}
	if g, _ := tr.Node(MustPath("/a")); g.Status != White || g.Reason != "nothing below has a status" {
		t.Fatalf("its group: %+v", g.Cell)
	}
	tr.Apply([]Reading{{Node: r, Value: 1, Time: c.now.Add(-2 * time.Minute).UnixNano()}})
	if n, _ = tr.Node(MustPath("/a/x")); n.Status != White || tr.Stats().Older != 1 {
		t.Fatalf("an older reading was taken: %+v", n.Cell)
	}
	tr.Apply([]Reading{{Node: r, Value: 1}})
	if got := statusAt(t, tr, "/a/x"); got != Green {
		t.Fatalf("after a reading: %s", got)
	}
}

func TestSilenceNeverMakesAGroupLookBetter(t *testing.T) {
	c := newClock()
	tr := c.tree()
	th := &Threshold{Red: AboveLevel(5, 5), StaleAfter: time.Minute}
	bad := mustAdd(t, tr, "/g/bad", &Spec{Kind: Performance, Threshold: th})
	good := mustAdd(t, tr, "/g/good", &Spec{Kind: Performance})
	tr.Apply([]Reading{{Node: bad, Value: 9}, {Node: good, Value: 1}})
	c.pass(2 * time.Minute)
	tr.Advance(c.now)
	if got := statusAt(t, tr, "/g/bad"); got != White {
		t.Fatalf("/g/bad is %s", got)
	}
	if got := statusAt(t, tr, "/g"); got != Red {
		t.Fatalf("the group is %s once its red child fell silent", got)
	}
	if err := tr.Reset(MustPath("/g/bad")); err != nil {
		t.Fatal(err)
	}
	if got := statusAt(t, tr, "/g"); got != Green {
		t.Fatalf("the group is %s after the reset", got)
	}
}

func TestFlapping(t *testing.T) {
	c := newClock()
	tr := c.tree()
	r := mustAdd(t, tr, "/x", &Spec{Kind: Performance, Threshold: &Threshold{Red: AboveLevel(5, 5), Flap: Flap{Changes: 4, Window: time.Minute}}})
	feed := func(v float64) Node {
		c.pass(5 * time.Second)
		tr.Apply([]Reading{{Node: r, Value: v}})
		tr.Advance(c.now)
		n, _ := tr.Node(MustPath("/x"))
		return n
	}
	feed(1)
	for i, v := range []float64{9, 1, 9} {
		if n := feed(v); n.Flapping || (n.Status == Red) != (v > 5) {
			t.Fatalf("change %d: %+v", i+1, n.Cell)
		}
	}
	for range 5 {
		if n := feed(1); !n.Flapping || n.Status != Red {
			t.Fatalf("flapping: %+v", n.Cell)
		}
	}
	for range 20 {
		feed(1)
	}
	if n := feed(1); n.Flapping || n.Status != Green {
		t.Fatalf("calm again: %+v", n.Cell)
	}
	if len(tr.flaps) != 0 {
		t.Error("the detection still remembers the node")
	}
}

func TestStates(t *testing.T) {
	c := newClock()
	tr := c.tree()
	plain := mustAdd(t, tr, "/plain", &Spec{Kind: State})
	mapped := mustAdd(t, tr, "/mapped", &Spec{Kind: State, Threshold: &Threshold{States: map[string]Status{"running": Green, "degraded": Yellow, "1": Red}}})
	rest := mustAdd(t, tr, "/rest", &Spec{Kind: State, Threshold: &Threshold{States: map[string]Status{"up": Green, "*": Red}}})
	for _, step := range []struct {
		node Ref
		v    Value
		want string
	}{
		{plain, Text("red"), "red"},
		{plain, Text("sunny"), "green"},
		{mapped, Text("degraded"), "yellow"},
		{mapped, Number(1), "red"},
		{mapped, Text("odd"), `white: "odd" is not one of the known states`},
		{mapped, Text("running"), "green"},
		{rest, Text("anything"), "red"},
		{rest, Text("up"), "green"},
	} {
		c.pass(time.Second)
		tr.Report(Report{Node: step.node, Value: step.v})
		n, _ := tr.NodeAt(step.node)
		got := n.Status.String()
		if n.Reason != "" {
			got += ": " + n.Reason
		}
		if got != step.want || n.Value != step.v {
			t.Errorf("%s after %q: %s with %q, want %s", n.Path, step.v, got, n.Value, step.want)
		}
	}
}

func TestLogKeepsTheNewestEventsAndTakesTheirStatus(t *testing.T) {
	c := newClock()
	tr := c.tree()
	last := mustAdd(t, tr, "/last", &Spec{Kind: Log, Keep: 3})
	fading := mustAdd(t, tr, "/fading", &Spec{Kind: Log, Threshold: &Threshold{ClearAfter: time.Minute}})
	for i := range 5 {
		e := []Event{{Text: fmt.Sprint("line ", i), Status: Statuses[1+i%3]}}
		tr.Report(Report{Node: last, Events: e}, Report{Node: fading, Events: e})
	}
	events, err := tr.Events(MustPath("/last"))
	var texts []string
	for _, e := range events {
		texts = append(texts, e.Text)
	}
	if diff := cmp.Diff([]string{"line 2", "line 3", "line 4"}, texts); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got := statusAt(t, tr, "/last"); got != Yellow { // line 4
		t.Errorf("/last is %s", got)
	}
	if got := statusAt(t, tr, "/fading"); got != Red { // line 2, less than a minute ago
		t.Errorf("/fading is %s", got)
	}
	c.pass(time.Minute)
	tr.Advance(c.now)
	if got := statusAt(t, tr, "/fading"); got != Green {
		t.Errorf("/fading is %s after a minute without events", got)
	}
}

func TestRollupRules(t *testing.T) {
	for _, tc := range []struct {
		name     string
		rule     Rollup
		edges    []Edge
		children []Status
		want     Status
	}{
		{"worst", Rollup{}, nil, []Status{Green, Yellow, Green}, Yellow},
		{"worst ignores what is unknown", Rollup{}, nil, []Status{Green, White}, Green},
		{"all unknown", Rollup{}, nil, []Status{White, White}, White},
		{"white counts as yellow", Rollup{White: YellowWhite}, nil, []Status{Green, White}, Yellow},
		{"white counts as red, all unknown", Rollup{White: RedWhite}, nil, []Status{White}, Red},
		{"best", Rollup{Rule: Best}, nil, []Status{Red, Yellow, Red}, Yellow},
		{"at least two red", Rollup{Rule: AtLeast, Yellow: 1, Red: 2}, nil, []Status{Red, Green, Green}, Yellow},
		{"at least two red, two", Rollup{Rule: AtLeast, Yellow: 1, Red: 2}, nil, []Status{Red, Green, Red}, Red},
		{"need two, three green", Rollup{Rule: Need, Green: 2}, nil, []Status{Green, Green, Red}, Green},
		{"need two, one green one yellow", Rollup{Rule: Need, Green: 2}, nil, []Status{Green, Yellow, Red}, Yellow},
		{"need two, one green", Rollup{Rule: Need, Green: 2}, nil, []Status{Green, White, Red}, Red},
		{"percent", Rollup{Rule: Percent, Yellow: 25, Red: 50}, nil, []Status{Red, Green, Green, Green}, Yellow},
		{"percent, half", Rollup{Rule: Percent, Yellow: 25, Red: 50}, nil, []Status{Red, Red, Green, Green}, Red},
		{"weighted", Rollup{Rule: Weighted, Yellow: 20, Red: 60}, []Edge{{Weight: 6}, {Weight: 4}}, []Status{Green, Red}, Yellow},
		{"weighted, heavy child", Rollup{Rule: Weighted, Yellow: 20, Red: 60}, []Edge{{Weight: 6}, {Weight: 4}}, []Status{Red, Green}, Red},
		{"weighted, yellow counts half", Rollup{Rule: Weighted, Yellow: 30, Red: 60}, []Edge{{Weight: 6}, {Weight: 4}}, []Status{Yellow, Green}, Yellow},
		{"capped", Rollup{Cap: Yellow}, nil, []Status{Red}, Yellow},
		{"one up", Rollup{}, []Edge{{Map: OneUp}}, []Status{Yellow}, Red},
		{"one up leaves green", Rollup{}, []Edge{{Map: OneUp}}, []Status{Green}, Green},
		{"one down", Rollup{}, []Edge{{Map: OneDown}, {}}, []Status{Red, Green}, Yellow},
		{"ignored", Rollup{}, []Edge{{Map: Ignore}, {}}, []Status{Red, Green}, Green},
		{"only ignored", Rollup{}, []Edge{{Map: Ignore}}, []Status{Red}, White},
		{"fixed", Rollup{}, []Edge{{Map: FixedStatus, Fixed: Yellow}}, []Status{Red}, Yellow},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newClock().tree()
			if err := tr.Change(Add(MustPath("/g"), &Spec{Rollup: &tc.rule})); err != nil {
				t.Fatal(err)
			}
			for i, s := range tc.children {
				spec := &Spec{Kind: State}
				if tc.edges != nil {
					spec.Edge = tc.edges[i]
				}
				r := mustAdd(t, tr, fmt.Sprintf("/g/%d", i), spec)
				if s != White {
					tr.Report(Report{Node: r, Value: Text(s.String())})
				}
			}
			if got := statusAt(t, tr, "/g"); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestAGroupOfTextsIsGreenAndTextsHealNothing(t *testing.T) {
	tr := newClock().tree()
	for _, p := range []string{"/facts/Kernel", "/facts/Name", "/web/Error"} {
		r := mustAdd(t, tr, p, &Spec{Kind: TextKind})
		if p != "/facts/Name" {
			tr.Report(Report{Node: r, Value: Text("x")})
		}
	}
	mustAdd(t, tr, "/web/Up", &Spec{Kind: Performance})
	for p, want := range map[string]Status{"/facts": Green, "/web": White, "/": Green} {
		if got := statusAt(t, tr, p); got != want {
			t.Errorf("%s is %s, want %s", p, got, want)
		}
	}
	if err := tr.Change(Remove(MustPath("/facts/Kernel"))); err != nil {
		t.Fatal(err)
	}
	if got := statusAt(t, tr, "/facts"); got != White {
		t.Errorf("/facts is %s without the text that was read", got)
	}
}

func TestChangeIsAllOrNothing(t *testing.T) {
	leaf := &Spec{Kind: Performance}
	for _, tc := range []struct {
		name string
		ops  []Op
		want string
	}{
		{"exists", []Op{Add(MustPath("/new"), leaf), Add(MustPath("/a/x"), leaf)}, "add /a/x: node exists already"},
		{"twice", []Op{Add(MustPath("/new"), leaf), Add(MustPath("/new"), leaf)}, "add /new: node exists already"},
		{"below a leaf", []Op{Add(MustPath("/a/x/y"), leaf)}, "add /a/x/y: /a/x: not a group"},
		{"below a new leaf", []Op{Add(MustPath("/n"), leaf), Add(MustPath("/n/y"), leaf)}, "add /n/y: /n: not a group"},
		{"root", []Op{Remove(Root)}, "remove /: invalid change: the root stays"},
		{"missing", []Op{Add(MustPath("/new"), leaf), Remove(MustPath("/b"))}, "remove /b: no such node"},
		{"gone with its parent", []Op{Remove(MustPath("/a")), Update(MustPath("/a/x"), leaf)}, "update /a/x: no such node"},
		{"other kind", []Op{Update(MustPath("/a/x"), &Spec{Kind: Log})}, "update /a/x: invalid change: a performance cannot become a log"},
		{"bad spec", []Op{Add(MustPath("/n"), &Spec{Kind: Performance, Threshold: &Threshold{Yellow: AboveLevel(5, 6)}})},
			"add /n: invalid threshold: yellow: is left at 6, above where it is entered, 5"},
		{"into itself", []Op{Move(MustPath("/a"), MustPath("/a/b"))}, "move /a: invalid change: it cannot hang below itself"},
		{"onto another", []Op{Move(MustPath("/a"), MustPath("/c"))}, "move /a: move to /c: node exists already"},
		{"moved and touched", []Op{Move(MustPath("/a"), MustPath("/z")), Add(MustPath("/z/k"), leaf)}, "add /z/k: invalid change: /z is moved in the same change"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newClock().tree()
			mustAdd(t, tr, "/a/x", leaf)
			mustAdd(t, tr, "/c", leaf)
			before := paths(tr)
			err := tr.Change(tc.ops...)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
			if diff := cmp.Diff(before, paths(tr)); diff != "" {
				t.Errorf("the tree changed: %s", diff)
			}
		})
	}
}

func paths(tr *Tree) (all []string) {
	_ = tr.Walk(Root, -1, func(n *Node) bool {
		all = append(all, n.Path.String())
		return true
	})
	return all
}

func TestMoveKeepsHandleValueAndStatus(t *testing.T) {
	tr := newClock().tree()
	r := mustAdd(t, tr, "/a/b/x", &Spec{Kind: Performance, Threshold: &Threshold{Red: AboveLevel(5, 5)}})
	mustAdd(t, tr, "/c/y", &Spec{Kind: Performance})
	tr.Apply([]Reading{{Node: r, Value: 9}})
	if err := tr.Change(Move(MustPath("/a/b"), MustPath("/c/d/e"))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/", "/c", "/c/y", "/c/d", "/c/d/e", "/c/d/e/x"}, paths(tr)); diff != "" {
		t.Error(diff)
	}
	n, err := tr.NodeAt(r)
	if err != nil || n.Status != Red || n.Value != Number(9) || n.Path != MustPath("/c/d/e/x") || n.Depth != 4 {
		t.Errorf("%+v, %v", n, err)
	}
	if found, ok := tr.Lookup(MustPath("/c/d/e/x")); !ok || found != r {
		t.Error("the new path does not lead to the node")
	}
	if statusAt(t, tr, "/c") != Red {
		t.Error("the new parent is not red")
	}
	if _, err := tr.Node(MustPath("/a")); !errors.Is(err, ErrNoNode) {
		t.Error("the old parent, there for its child's sake, stayed")
	}
}

func TestReleaseLeavesAGroupToItsChildren(t *testing.T) {
	tr := newClock().tree()
	if err := tr.Change(Add(MustPath("/a"), &Spec{Description: "mine"})); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, tr, "/a/foreign", &Spec{Kind: Performance})
	if err := tr.Change(Release(MustPath("/a"))); err != nil {
		t.Fatal(err)
	}
	if n, err := tr.Node(MustPath("/a")); err != nil || n.Spec.Description != "" {
		t.Fatalf("%+v, %v", n, err)
	}
	if err := tr.Change(Remove(MustPath("/a/foreign"))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/"}, paths(tr)); diff != "" {
		t.Error(diff)
	}
}

func TestRefOfARemovedNodeHitsNoOther(t *testing.T) {
	tr := newClock().tree()
	old := mustAdd(t, tr, "/a", &Spec{Kind: Performance})
	if err := tr.Change(Remove(MustPath("/a"))); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, tr, "/b", &Spec{Kind: Performance})
	if n := tr.Apply([]Reading{{Node: old, Value: 1}}); n != 0 || tr.Stats().Unknown != 1 {
		t.Errorf("applied %d, %+v", n, tr.Stats())
	}
	if tr.Apply([]Reading{{Value: 1}}) != 0 {
		t.Error("the zero Ref was taken")
	}
}

func TestCauseLeadsToTheLeaf(t *testing.T) {
	tr := newClock().tree()
	th := &Threshold{Yellow: AboveLevel(5, 5), Red: AboveLevel(10, 10)}
	var refs []Ref
	for _, p := range []string{"/a/b/x", "/a/b/y", "/a/c/z"} {
		refs = append(refs, mustAdd(t, tr, p, &Spec{Kind: Performance, Threshold: th}))
	}
	tr.Apply([]Reading{{Node: refs[0], Value: 7}, {Node: refs[1], Value: 1}, {Node: refs[2], Value: 70}})
	causes, err := tr.Cause(Root)
	if diff := cmp.Diff([]string{"/a/c/z"}, pathTexts(causes)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	tr.Apply([]Reading{{Node: refs[2], Value: 1}})
	causes, _ = tr.Cause(Root)
	if diff := cmp.Diff([]string{"/a/b/x"}, pathTexts(causes)); diff != "" {
		t.Error(diff)
	}
}

func pathTexts(ps []Path) (texts []string) {
	for _, p := range ps {
		texts = append(texts, p.String())
	}
	return texts
}

func TestApplyAllocatesNothing(t *testing.T) {
	tr, refs := wideTree(1000)
	batch := make([]Reading, 256)
	r := rand.New(rand.NewPCG(1, 2))
	if n := testing.AllocsPerRun(100, func() {
		for i := range batch {
			batch[i] = Reading{Node: refs[r.IntN(len(refs))], Value: float64(r.IntN(101))}
		}
		tr.Apply(batch)
	}); n != 0 {
		t.Errorf("%v allocations in a batch", n)
	}
}

func TestTunedThresholdLastsUntilResetOrAnotherDefinition(t *testing.T) {
	tr := newClock().tree()
	p := MustPath("/x")
	spec := func(limit float64) *Spec {
		return &Spec{Kind: Performance, Threshold: &Threshold{Yellow: AboveLevel(limit, limit)}}
	}
	r := mustAdd(t, tr, "/x", spec(10))
	tr.Apply([]Reading{{Node: r, Value: 7}})
	if err := tr.SetThreshold(p, &Threshold{Yellow: AboveLevel(5, 5)}); err != nil {
		t.Fatal(err)
	}
	if got := statusAt(t, tr, "/x"); got != Yellow {
		t.Fatalf("%s at once after tuning", got)
	}
	if err := tr.Change(Update(p, spec(10))); err != nil {
		t.Fatal(err)
	}
	if n, _ := tr.Node(p); !n.Tuned || n.Status != Yellow {
		t.Fatalf("a reload that changes nothing: %+v", n)
	}
	if err := tr.Change(Update(p, spec(11))); err != nil {
		t.Fatal(err)
	}
	if n, _ := tr.Node(p); n.Tuned || n.Status != Green || n.Value != Number(7) {
		t.Fatalf("another threshold in the definition: %+v", n)
	}
	if err := tr.SetThreshold(p, &Threshold{Yellow: AboveLevel(5, 6)}); !errors.Is(err, ErrThreshold) {
		t.Fatalf("a bad threshold: %v", err)
	}
}

// TestUntune sees that the threshold of the definition is in force again at once, with
// the value as it was.
func TestUntune(t *testing.T) {
	for name, defined := range map[string]*Threshold{
		"a threshold in the definition": {Yellow: AboveLevel(10, 10), StaleAfter: time.Minute},
		"none in the definition":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			tr := clock.tree()
			p := MustPath("/x")
			r := mustAdd(t, tr, "/x", &Spec{Kind: Performance, Threshold: defined})
			tr.Apply([]Reading{{Node: r, Value: 7}})
			before, _ := tr.Node(p)
			for range 2 { // the second time there is nothing to undo
				if err := tr.Untune(r); err != nil {
					t.Fatal(err)
				}
				if n, _ := tr.Node(p); n.Tuned || n.Status != Green || n.Value != Number(7) || n.Threshold.StaleAfter != before.Threshold.StaleAfter {
					t.Fatalf("after untuning: %+v", n)
				}
				if err := tr.SetThreshold(p, &Threshold{Red: AboveLevel(5, 5)}); err != nil {
					t.Fatal(err)
				}
				if n, _ := tr.Node(p); !n.Tuned || n.Status != Red {
					t.Fatalf("after tuning: %+v", n)
				}
				if err := tr.Untune(r); err != nil {
					t.Fatal(err)
				}
			}
			if err := tr.Change(Remove(p)); err != nil {
				t.Fatal(err)
			}
			if err := tr.Untune(r); !errors.Is(err, ErrNoNode) {
				t.Errorf("a node that is gone: %v", err)
			}
		})
	}
	tr := newClock().tree()
	if err := tr.Untune(mustAdd(t, tr, "/g", &Spec{Kind: Group})); !errors.Is(err, ErrThreshold) {
		t.Errorf("a group: %v", err)
	}
}

func TestLookAsksOnlyBelow(t *testing.T) {
	var asked []Ref
	tr := New(Options{Asked: func(rs []Ref) { asked = append(asked, rs...) }})
	a := mustAdd(t, tr, "/a/x", &Spec{Kind: Performance, Mode: Request})
	mustAdd(t, tr, "/b/x", &Spec{Kind: Performance, Mode: Request})
	mustAdd(t, tr, "/a/y", &Spec{Kind: Performance})
	tr.Look(MustPath("/a"))
	if !slices.Equal(asked, []Ref{a}) {
		t.Errorf("asked %v", asked)
	}
}

// wideTree is a tree of n performance nodes, ten to a group, three levels deep.
func wideTree(n int) (*Tree, []Ref) {
	tr := New(Options{})
	th := &Threshold{Yellow: AboveLevel(80, 75), Red: AboveLevel(90, 85)}
	spec := &Spec{Kind: Performance, Threshold: th}
	ops := make([]Op, n)
	for i := range ops {
		ops[i] = Add(MustPath(fmt.Sprintf("/area%d/group%d/node%d", i/1000, i/10%100, i%10)), spec)
	}
	if err := tr.Change(ops...); err != nil {
		panic(err)
	}
	refs := make([]Ref, n)
	for i := range refs {
		refs[i], _ = tr.Lookup(ops[i].path)
	}
	return tr, refs
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", time.Minute: "1m", time.Hour: "1h", 90 * time.Minute: "1h30m",
		24 * time.Hour: "24h", 48 * time.Hour: "2d", 49 * time.Hour: "49h", 1500 * time.Millisecond: "1.5s", 10 * time.Second: "10s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

func TestMissingSaysWhereAPathGoesAstray(t *testing.T) {
	tr := newClock().tree()
	mustAdd(t, tr, "/shop/web1/Connections", &Spec{Kind: Performance})
	mustAdd(t, tr, "/shop/web1/~1var", &Spec{Kind: Performance})
	mustAdd(t, tr, "/shop/away", &Spec{Kind: Group, Properties: map[string]string{Elsewhere: "bremen watches it"}})
	mustAdd(t, tr, "/shop/away/Note", &Spec{Kind: Performance})
	for path, want := range map[string]string{
		"/shop/web1/Conections": `no such node: /shop/web1 has no "Conections"; did you mean "Connections"?`,
		"/shop/web1/~1vra":      `no such node: /shop/web1 has no "/vra"; did you mean "/var"?`,
		"/shop/wbe1/Active/x":   `no such node: /shop has no "wbe1"; did you mean "web1"?`,
		"/shop/away/Nose/x":     `no such node: /shop/away has no "Nose" here: bremen watches it`,
		"/elsewhere":            `no such node: / has no "elsewhere"`,
	} {
		err := tr.Missing(MustPath(path))
		if !errors.Is(err, ErrNoNode) || err.Error() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}
