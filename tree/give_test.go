package tree

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	givenNumber = &Spec{Kind: Performance, Given: true, Threshold: &Threshold{Yellow: AboveLevel(80, 75), StaleAfter: time.Second}}
	givenState  = &Spec{Kind: State, Given: true}
	givenLog    = &Spec{Kind: Log, Given: true, Keep: 3}
	givenText   = &Spec{Kind: TextKind, Given: true}
	givenGroup  = &Spec{Kind: Group, Given: true}
)

func TestGivenNodesTakeTheStatusOfTheirOwner(t *testing.T) {
	clock := newClock()
	at := clock.now.UnixNano()
	ago := clock.now.Add(-time.Hour)
	for _, c := range []struct {
		name string
		spec *Spec
		give []Given
		want Cell
	}{
		{"a number, whatever the threshold", givenNumber, []Given{{Status: Red, Value: Number(3), Time: at - 5, Since: ago.UnixNano()}},
			Cell{Status: Red, Last: Red, Value: Number(3), Time: time.Unix(0, at-5), Since: ago}},
		{"an older number, for the owner is right", givenNumber, []Given{{Status: Red, Value: Number(3), Time: at}, {Status: Green, Value: Number(90), Time: at - 9}},
			Cell{Status: Green, Last: Green, Value: Number(90), Time: time.Unix(0, at-9), Since: clock.now}},
		{"the same status keeps its time", givenNumber, []Given{{Status: Red, Value: Number(3), Time: at - 5, Since: at - 7}, {Status: Red, Value: Number(4), Time: at}},
			Cell{Status: Red, Last: Red, Value: Number(4), Time: time.Unix(0, at), Since: time.Unix(0, at-7)}},
		{"white from the first", givenNumber, []Given{{Last: Yellow, Value: Number(3), Time: at - 5, Since: at - 4, Reason: "no reading for 1s"}},
			Cell{Last: Yellow, Value: Number(3), Time: time.Unix(0, at-5), Since: time.Unix(0, at-4), Reason: "no reading for 1s"}},
		{"never read", givenNumber, []Given{{}}, Cell{Since: clock.now, Reason: "no reading yet"}},
		{"the link lost", givenNumber, []Given{{Status: Yellow, Value: Number(3), Time: at - 5}, {Keep: true, Last: Yellow, Reason: "link to b lost"}},
			Cell{Last: Yellow, Value: Number(3), Time: time.Unix(0, at-5), Since: clock.now, Reason: "link to b lost"}},
		{"and back", givenNumber, []Given{{Status: Yellow, Value: Number(3), Time: at - 5}, {Keep: true, Last: Yellow, Reason: "link to b lost"}, {Keep: true, Status: Yellow, Since: at - 5, Flapping: true}},
			Cell{Status: Yellow, Last: Yellow, Flapping: true, Value: Number(3), Time: time.Unix(0, at-5), Since: time.Unix(0, at-5)}},
		{"a clock that is ahead", givenNumber, []Given{{Status: Green, Value: Number(3), Time: at + int64(time.Hour), Since: at + int64(time.Hour)}},
			Cell{Status: Green, Last: Green, Value: Number(3), Time: clock.now.Add(MaxAhead), Since: clock.now}},
		{"a state", givenState, []Given{{Status: Yellow, Pending: true, Value: Text("slow"), Time: at}},
			Cell{Status: Yellow, Last: Yellow, Pending: true, Value: Text("slow"), Time: time.Unix(0, at), Since: clock.now}},
		{"a state that is a number, then a text", givenState, []Given{{Status: Red, Value: Number(3), Time: at}, {Status: Red, Value: Text("down"), Time: at}},
			Cell{Status: Red, Last: Red, Value: Text("down"), Time: time.Unix(0, at), Since: clock.now}},
		{"a text", givenText, []Given{{Status: Green, Value: Number(3), Time: at}}, Cell{Status: Green, Last: Green, Value: Text("3"), Time: time.Unix(0, at), Since: clock.now}},
		{"a value that is gone", givenState, []Given{{Status: Red, Value: Text("a"), Time: at}, {Last: Red, Time: at, Reason: "r"}},
			Cell{Last: Red, Time: time.Unix(0, at), Since: clock.now, Reason: "r"}},
		{"a log", givenLog, []Given{{Status: Green, Time: at, Events: []Event{{Status: Red, Text: "one"}, {Text: "two"}}}},
			Cell{Status: Green, Last: Green, Value: Text("two"), Time: time.Unix(0, at), Since: clock.now}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := clock.tree()
			ref := mustAdd(t, tr, "/b/x", c.spec)
			for _, g := range c.give {
				g.Node = ref
				if tr.Give(g) != 1 {
					t.Fatalf("%+v was not taken", g)
				}
			}
			n, err := tr.NodeAt(ref)
			if err != nil {
				t.Fatal(err)
			}
			c.want.Index, c.want.Kind = n.Index, c.spec.Kind
			if diff := cmp.Diff(c.want, n.Cell, cmp.AllowUnexported(Value{})); diff != "" {
				t.Error(diff)
			}
			clock := *clock
			clock.pass(time.Hour)
			tr.Advance(clock.now)
			if after, _ := tr.NodeAt(ref); after.Status != n.Status {
				t.Errorf("%s after an hour of silence", after.Status)
			}
			check(t, tr, 0)
		})
	}
}

func TestOnlyGiveFeedsGivenNodes(t *testing.T) {
	tr := newClock().tree()
	given, own := mustAdd(t, tr, "/b/x", givenNumber), mustAdd(t, tr, "/own", &Spec{Kind: Performance})
	group, _ := tr.Lookup(MustPath("/b"))
	if n := tr.Apply([]Reading{{Node: given, Value: 1}}) + tr.Report(Report{Node: given, Value: Number(1)}, Report{Node: given, Reason: "r"}); n != 0 {
		t.Errorf("%d readings were taken", n)
	}
	if n := tr.Give(Given{Node: own, Status: Red}, Given{Node: group, Status: Red}, Given{}); n != 0 {
		t.Errorf("%d were given to others", n)
	}
	if s := tr.Stats(); s.Misfit != 5 || s.Unknown != 1 {
		t.Errorf("%+v", s)
	}
	if err := tr.SetThreshold(MustPath("/b/x"), &Threshold{}); err != nil {
		t.Fatal(err)
	}
	if n := tr.Apply([]Reading{{Node: given, Value: 1}}); n != 0 {
		t.Error("a tuned one took a reading")
	}
}

func TestAThresholdThatIsTunedHereJudgesGivenValues(t *testing.T) {
	clock := newClock()
	tr := clock.tree()
	p, ref := MustPath("/b/x"), mustAdd(t, tr, "/b/x", givenNumber)
	give := func(g Given) Status {
		t.Helper()
		g.Node = ref
		tr.Give(g)
		return statusAt(t, tr, "/b")
	}
	at := clock.now.UnixNano()
	give(Given{Status: Red, Value: Number(50), Time: at, Since: at - 100})
	if err := tr.SetThreshold(p, &Threshold{Yellow: AboveLevel(40, 40), StaleAfter: time.Second}); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name string
		got  Status
		want Status
	}{
		{"at once", statusAt(t, tr, "/b"), Yellow},
		{"the next", give(Given{Status: Red, Value: Number(30), Time: at}), Green},
		{"link lost", give(Given{Keep: true, Last: Red, Reason: "link to b lost"}), White},
		{"and back", give(Given{Keep: true, Status: Red}), Green},
		{"the owner does not know", give(Given{Last: Red, Reason: "no answer", Value: Number(45), Time: at}), White},
		{"and knows", give(Given{Status: Red, Value: Number(45), Time: at, Since: at - 50}), Yellow},
		{"another value", give(Given{Status: Red, Value: Number(46), Time: at}), Yellow},
	}
	for _, s := range steps {
		if s.got != s.want {
			t.Errorf("%s: %s, want %s", s.name, s.got, s.want)
		}
	}
	if err := tr.Change(Update(p, &Spec{Kind: Performance, Given: true, Description: "other", Threshold: &Threshold{Red: AboveLevel(1, 1)}})); err != nil {
		t.Fatal(err)
	}
	if n, _ := tr.Node(p); n.Status != Yellow || !n.Tuned {
		t.Errorf("the owner has another threshold: %+v", n.Cell)
	}
	check(t, tr, 1)
	if err := tr.Untune(ref); err != nil {
		t.Fatal(err)
	}
	if n, _ := tr.Node(p); n.Status != Red || n.Tuned || n.Since.UnixNano() != at-50 || n.Threshold.Red.High != 1 {
		t.Errorf("no longer tuned: %+v", n.Cell)
	}
	// A white one stays white, for the owner says so.
	give(Given{Last: Red, Reason: "no answer", Value: Number(45), Time: at})
	if err := tr.SetThreshold(p, &Threshold{}); err != nil {
		t.Fatal(err)
	}
	if n, _ := tr.Node(p); n.Status != White || n.Reason != "no answer" {
		t.Errorf("tuned while white: %+v", n.Cell)
	}
	if err := tr.Reset(Root); err != nil {
		t.Fatal(err)
	}
	if n, _ := tr.Node(p); n.Status != White || n.Tuned || n.Value != Number(45) || n.Reason != "no answer" {
		t.Errorf("reset: %+v", n.Cell)
	}
	check(t, tr, 2)
}

func TestOneBatchOfGivenOnesIsOneMoment(t *testing.T) {
	clock := newClock()
	var told []string
	tr := New(Options{Now: clock.Now, Statuses: func(changes []StatusChange) {
		for _, c := range changes {
			told = append(told, fmt.Sprintf("%s %s-%s", c.Path, c.From, c.To))
		}
	}})
	if err := tr.Change(Add(MustPath("/b"), givenGroup)); err != nil {
		t.Fatal(err)
	}
	x, y := mustAdd(t, tr, "/b/x", givenNumber), mustAdd(t, tr, "/b/y", givenNumber)
	tr.Give(Given{Node: x, Status: Red}, Given{Node: y, Status: Green})
	tr.Flush()
	told = nil
	b, _ := tr.Lookup(MustPath("/b"))
	long := clock.now.Add(-time.Hour).UnixNano()
	tr.Give(Given{Node: b, Status: Red, Since: long}, Given{Node: x, Status: Green}, Given{Node: y, Status: Red})
	tr.Flush()
	if diff := cmp.Diff([]string{"/b/y green-red", "/b/x red-green"}, told); diff != "" {
		t.Error(diff)
	}
	if n, _ := tr.Node(MustPath("/b")); n.Since.UnixNano() != long {
		t.Errorf("the group is red since %s", n.Since)
	}
	tr.Give(Given{Node: b, Status: Green, Since: long + 1})
	if n, _ := tr.Node(MustPath("/b")); n.Since.UnixNano() != long || n.Status != Red {
		t.Errorf("what another status is since was taken: %+v", n.Cell)
	}
}

func TestOptionsAreToldOfWhatIsGiven(t *testing.T) {
	clock := newClock()
	var told []string
	tr := New(Options{Now: clock.Now,
		Readings: func(_ time.Time, batch []Reading) {
			for _, r := range batch {
				told = append(told, fmt.Sprint(r.Node.index, " ", r.Value, " ", r.Time))
			}
		},
		Reports: func(_ time.Time, reports []Report) {
			for _, r := range reports {
				told = append(told, fmt.Sprint(r.Node.index, " ", r.Value, " ", r.Reason, len(r.Events)))
			}
		}})
	x, s, l := mustAdd(t, tr, "/x", givenNumber), mustAdd(t, tr, "/s", givenState), mustAdd(t, tr, "/l", givenLog)
	tr.Give(
		Given{Node: x, Status: Red, Value: Number(7), Time: 10}, Given{Node: s, Status: Red, Value: Text("down"), Time: 10},
		Given{Node: l, Status: Red, Time: 10, Events: []Event{{Text: "e"}}})
	tr.Give(Given{Node: x, Status: Red, Value: Number(7), Time: 10}, Given{Node: s, Keep: true, Status: Red}) // nothing new
	tr.Give(Given{Node: x, Status: Red, Value: Number(7), Time: 11})
	tr.Give(Given{Node: x, Last: Red, Value: Number(7), Time: 11, Reason: "stale"})
	tr.Give(Given{Node: x, Keep: true, Last: Red, Reason: "link lost"})
	tr.Give(Given{Node: x, Keep: true, Status: Red})
	tr.Give(Given{Node: x, Keep: true, Last: Red, Reason: "link lost"})
	want := []string{"1 7 10", "2 down 0", "3  1", "1 7 11", "1  stale0", "1  link lost0"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

func TestGiveAllocatesNothing(t *testing.T) {
	tr := New(Options{Readings: func(time.Time, []Reading) {}})
	batch := make([]Given, 256)
	for k := range batch {
		batch[k] = Given{Node: mustAdd(t, tr, fmt.Sprintf("/b/%d", k), givenNumber), Status: Green, Value: Number(1), Time: 1}
	}
	tr.Give(batch...)
	if n := testing.AllocsPerRun(100, func() {
		for k := range batch {
			batch[k].Time++
			batch[k].Value = Number(float64(batch[k].Time))
		}
		tr.Give(batch...)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWhatIsRememberedOfGivenNodes(t *testing.T) {
	clock := newClock()
	tr := clock.tree()
	x := mustAdd(t, tr, "/b/x", givenNumber)
	read := clock.now.Add(-time.Hour)
	if n := tr.Restore(Memory{Path: MustPath("/b/x"), Value: Number(3), Time: read, Status: Red}); n != 1 {
		t.Fatal("not restored")
	}
	if n, _ := tr.NodeAt(x); n.Status != White || n.Last != Red || n.Value != Number(3) || !n.Time.Equal(read) {
		t.Errorf("%+v", n.Cell)
	}
	tr.Give(Given{Node: x, Status: Green, Value: Number(2), Time: read.UnixNano() - 1})
	if s := statusAt(t, tr, "/b"); s != Green {
		t.Errorf("then %s", s)
	}
	changes, err := tr.Suppose([]Supposition{{MustPath("/b/x"), Red}}, 10)
	if err != nil || len(changes) != 3 {
		t.Errorf("supposed: %v, %v", changes, err)
	}
	past, err := Freeze(clock.now, []Record{{Path: MustPath("/b/x"), Spec: givenNumber, Tuned: &Threshold{}, Status: Yellow, Value: Number(2)}})
	if err != nil {
		t.Fatal(err)
	}
	if s := statusAt(t, past, "/b/x"); s != Yellow || past.Give(Given{Node: x}) != 0 {
		t.Errorf("of the past: %s", s)
	}
}

// TestGiveModel gives random things and holds the tree against a map of what was said.
func TestGiveModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		clock := newClock()
		tr := clock.tree()
		type said struct {
			Status, Last Status
			Value        float64
			Reason       string
		}
		model, refs, tuned := map[Ref]said{}, []Ref(nil), map[Ref]bool{}
		policies := []*Rollup{nil, {White: IgnoreWhite}, {White: YellowWhite}, {Rule: Best}, {Rule: Percent, Yellow: 20, Red: 50}}
		for g := range 5 {
			group := MustPath(fmt.Sprintf("/b/g%d", g))
			if err := tr.Change(Add(group, &Spec{Kind: Group, Given: true, Rollup: policies[g]})); err != nil {
				t.Fatal(err)
			}
			for k := range 4 {
				refs = append(refs, mustAdd(t, tr, fmt.Sprintf("%s/n%d", group, k), givenNumber))
			}
		}
		for step := range 300 {
			clock.pass(time.Second)
			batch := []Given(nil)
			for _, k := range r.Perm(len(refs))[:1+r.IntN(6)] {
				g := Given{Node: refs[k], Status: Status(r.IntN(4)), Value: Number(float64(r.IntN(100))), Time: clock.now.UnixNano()}
				before := model[g.Node]
				after := said{g.Status, g.Status, float64(r.IntN(100)), ""}
				g.Value = Number(after.Value)
				if g.Status == White {
					g.Last, g.Reason = Status(r.IntN(4)), fmt.Sprint("reason ", step)
					after.Last, after.Reason = g.Last, g.Reason
				}
				if r.IntN(3) == 0 && before.Status+before.Last > 0 {
					g.Keep, after.Value = true, before.Value
				}
				model[g.Node] = after
				batch = append(batch, g)
			}
			if n := tr.Give(batch...); n != len(batch) {
				t.Fatalf("seed %d: %d of %d were taken", seed, n, len(batch))
			}
			if k := r.IntN(len(refs)); r.IntN(10) == 0 {
				n, _ := tr.NodeAt(refs[k])
				if tuned[refs[k]] {
					_ = tr.Untune(refs[k])
				} else if err := tr.SetThreshold(n.Path, &Threshold{Yellow: AboveLevel(50, 45)}); err != nil {
					t.Fatal(err)
				}
				tuned[refs[k]] = !tuned[refs[k]]
			}
			check(t, tr, step)
			for ref, want := range model {
				n, _ := tr.NodeAt(ref)
				v, _ := n.Value.Number()
				got := said{n.Status, n.Last, v, n.Reason}
				if tuned[ref] {
					if (n.Status == White) != (want.Status == White) || n.Status == Red || v != want.Value {
						t.Fatalf("seed %d, step %d: tuned %s: %+v of %+v", seed, step, n.Path, got, want)
					}
					continue
				}
				if got != want {
					t.Fatalf("seed %d, step %d: %s: %+v, want %+v", seed, step, n.Path, got, want)
				}
			}
		}
	}
}
