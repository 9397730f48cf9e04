package tree

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// naive is the roll-up said plainly: look at all children, every time. It returns
// the status of a node and the one that it keeps for its parent while it is white.
func naive(tr *Tree, i uint32) (status, known Status) {
	p := &tr.places[i]
	if tr.cells[i].kind != Group {
		return tr.cells[i].status, p.known
	}
	rule := ruleOf(p.spec)
	now, kept := group{rule: rule}, group{rule: rule}
	remembers := false
	for j := p.first; j != none; j = tr.places[j].next {
		spec := tr.places[j].spec
		status, known := naive(tr, j)
		now.add(contributionOf(spec, rule, status, known), +1)
		keep := Rollup{White: KeepWhite}
		if rule.White != IgnoreWhite {
			keep.White = rule.White
		}
		kept.add(contributionOf(spec, &keep, status, known), +1)
		remembers = remembers || known != White && spec.Kind != TextKind && spec.Edge.Map != Ignore
	}
	switch status = now.result(); {
	case status != White:
		return status, status
	case rule.White != IgnoreWhite:
		return White, kept.all()
	case remembers: // what it was when the last of them fell silent: only time tells
		return White, p.known
	}
	return White, White
}

func naiveLeaves(tr *Tree, i uint32) (n [4]int32) {
	if tr.cells[i].kind != Group {
		n[tr.cells[i].status]++
		return n
	}
	for j := tr.places[i].first; j != none; j = tr.places[j].next {
		for s, k := range naiveLeaves(tr, j) {
			n[s] += k
		}
	}
	return n
}

// follower keeps what a viewer would: the state of each node by index.
type follower struct {
	view  *View
	seq   uint64
	nodes map[uint32]Node
	reset int
}

func (f *follower) follow(t *testing.T) {
	t.Helper()
	span, err := f.view.Since(f.seq, func(c *Cell) {
		n := f.nodes[c.Index]
		n.Cell = *c
		f.nodes[c.Index] = n
	})
	if err != nil {
		t.Fatal(err)
	}
	f.seq = span.To
	for _, i := range span.Removed {
		delete(f.nodes, i)
	}
	for _, n := range span.Placed {
		f.nodes[n.Index] = n
	}
	if span.Reset {
		f.reset++
		f.snapshot(t)
	}
	for i := range f.nodes { // cells of nodes that a viewer does not know
		if f.nodes[i].Spec == nil {
			t.Fatalf("told of node %d before it was placed", i)
		}
	}
}

func (f *follower) snapshot(t *testing.T) {
	t.Helper()
	f.nodes = map[uint32]Node{}
	seq, err := f.view.Snapshot(func(n *Node) bool {
		f.nodes[n.Index] = *n
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	f.seq = seq
}

// TestModel makes random changes and readings, and checks after each that every
// roll-up is what looking at all children gives, that names lead to their nodes,
// and that readers who follow the changes know what a fresh snapshot says.
func TestModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { model(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func model(t *testing.T, r *rand.Rand) {
	c := newClock()
	tr := c.tree()
	rules := []*Rollup{nil, {Rule: Best}, {Rule: AtLeast, Yellow: 1, Red: 2}, {Rule: Need, Green: 2}, {Rule: Percent, Yellow: 30, Red: 60},
		{Rule: Weighted, Yellow: 30, Red: 60, White: YellowWhite}, {Cap: Yellow, White: IgnoreWhite}}
	thresholds := []*Threshold{nil, {Yellow: AboveLevel(50, 45), Red: AboveLevel(80, 70)}, {Yellow: BelowLevel(20, 25), StaleAfter: 30 * time.Second},
		{Red: AboveLevel(60, 60), ClearAfter: 10 * time.Second, Flap: Flap{Changes: 3, Window: 20 * time.Second}},
		{Yellow: Level{Form: Above, High: 30, OffHigh: 30, After: 5 * time.Second}, StaleAfter: 20 * time.Second}}
	edges := []Edge{{}, {}, {Map: OneUp}, {Map: OneDown, Weight: 3}, {Map: Ignore}, {Map: FixedStatus, Fixed: Yellow}}
	randomPath := func() Path {
		p := Root
		for range 1 + r.IntN(4) {
			p, _ = p.Child(string(rune('a' + r.IntN(4))))
		}
		return p
	}
	randomSpec := func() *Spec {
		s := &Spec{Kind: []Kind{Group, Group, Performance, Performance, State, State, Log, TextKind}[r.IntN(8)], Edge: edges[r.IntN(len(edges))], Mode: Mode(r.IntN(4))}
		if s.Kind == Group {
			s.Rollup = rules[r.IntN(len(rules))]
		} else {
			s.Threshold = thresholds[r.IntN(len(thresholds))]
		}
		return s
	}
	mustAdd(t, tr, "/a/a", &Spec{Kind: Performance})
	followers := []*follower{}
	for _, p := range []Path{Root, MustPath("/a")} {
		v, err := tr.View(p)
		if err != nil {
			t.Fatal(err)
		}
		f := &follower{view: v}
		f.snapshot(t)
		followers = append(followers, f)
	}
	for step := range 500 {
		switch r.IntN(12) {
		case 0, 1:
			_ = tr.Change(Add(randomPath(), randomSpec()))
		case 2:
			_ = tr.Change(Remove(randomPath()))
		case 3:
			_ = tr.Change(Release(randomPath()), Add(randomPath(), randomSpec()))
		case 4:
			_ = tr.Change(Move(randomPath(), randomPath()), Move(randomPath(), randomPath()))
			_ = tr.Change(Move(randomPath(), randomPath()))
			_ = tr.Change(Remove(randomPath()), Add(randomPath(), randomSpec()), Update(randomPath(), randomSpec()), Add(randomPath(), randomSpec()))
		case 5:
			_ = tr.Change(Update(randomPath(), randomSpec()))
		case 6:
			c.pass(time.Duration(r.IntN(20)) * time.Second)
			tr.Advance(c.now)
		case 7:
			_ = tr.Reset(randomPath())
		case 8:
			_ = tr.SetThreshold(randomPath(), &Threshold{Yellow: AboveLevel(40, 40)})
		default:
			c.pass(time.Second)
			if ref, ok := tr.Lookup(randomPath()); ok {
				switch r.IntN(5) {
				case 0:
					tr.Report(Report{Node: ref, Value: Text("yellow")})
				case 2:
					tr.Report(Report{Node: ref, Events: []Event{{Status: Statuses[r.IntN(4)], Text: "line"}}})
				case 1:
					tr.Report(Report{Node: ref, Reason: "cannot ask"})
				default:
					tr.Apply([]Reading{{Node: ref, Value: float64(r.IntN(100))}})
				}
			}
		}
		check(t, tr, step)
		if r.IntN(3) == 0 {
			tr.Flush()
			for _, f := range followers {
				if _, ok := tr.Lookup(f.view.path); !ok {
					f.snapshotLost(t)
					continue
				}
				f.follow(t)
				fresh := &follower{view: f.view}
				fresh.snapshot(t)
				if diff := cmp.Diff(known(fresh.nodes), known(f.nodes)); diff != "" {
					t.Fatalf("step %d: view of %s: (-snapshot +followed)\n%s", step, f.view.path, diff)
				}
			}
		}
	}
	if followers[0].reset > 0 {
		t.Error("a reader that kept up was reset")
	}
}

// snapshotLost checks what a view of nothing says.
func (f *follower) snapshotLost(t *testing.T) {
	t.Helper()
	if _, err := f.view.Since(f.seq, func(*Cell) {}); err == nil {
		t.Fatal("a view of a subtree that is gone says nothing of it")
	}
}

// known makes nodes comparable.
func known(nodes map[uint32]Node) map[string]string {
	m := map[string]string{}
	for _, n := range nodes {
		m[n.Path.String()] = fmt.Sprint(n.Index, n.Parent, n.Kind, n.Status, n.Last, n.Value, n.Counts, n.Flapping, n.Pending, n.Since.UnixNano(), n.Tuned, n.Reason)
	}
	return m
}

func check(t *testing.T, tr *Tree, step int) {
	t.Helper()
	tr.mu.RLock()
	defer tr.mu.RUnlock()
	n := 0
	tr.preorder(0, -1, func(i uint32) bool {
		n++
		path := tr.pathOf(i)
		status, known := naive(tr, i)
		if got, kept := tr.cells[i].status, tr.places[i].known; got != status || kept != known {
			t.Fatalf("step %d: %s is %s and was %s, want %s and %s", step, path, got, kept, status, known)
		}
		if got, want := tr.leavesOf(i), naiveLeaves(tr, i); got != want {
			t.Fatalf("step %d: %s counts %v, want %v", step, path, got, want)
		}
		if tr.cells[i].kind == Group {
			children := int32(0)
			for j := tr.places[i].first; j != none; j = tr.places[j].next {
				children++
			}
			if got := tr.groups[tr.places[i].group].members; got != children {
				t.Fatalf("step %d: %s counts %d children, want %d", step, path, got, children)
			}
		}
		if tr.find(path.text) != i {
			t.Fatalf("step %d: %s is not found", step, path)
		}
		if tr.places[i].depth != uint8(path.Depth()) {
			t.Fatalf("step %d: %s has depth %d", step, path, tr.places[i].depth)
		}
		return true
	})
	if n != tr.nodes || len(tr.index)+len(tr.clash) != n {
		t.Fatalf("step %d: %d nodes reached, %d counted, %d indexed", step, n, tr.nodes, len(tr.index))
	}
	// What is kept beside the arrays is that of nodes which have it.
	beside := func(what string, i uint32, is bool) {
		if tr.cells[i].gen == 0 || tr.places[i].spec == nil || !is {
			t.Fatalf("step %d: node %d keeps %s that it has not", step, i, what)
		}
	}
	for i := range tr.texts {
		beside("a text", i, tr.cells[i].flags&flagText != 0)
	}
	for i := range tr.reasons {
		beside("a reason", i, tr.cells[i].status == White)
	}
	for i := range tr.logs {
		beside("a log", i, tr.cells[i].kind == Log)
	}
	for i := range tr.holds {
		beside("a hold", i, !tr.classes[tr.cells[i].class].calm)
	}
	for i := range tr.flaps {
		beside("a flap", i, tr.threshold(&tr.cells[i]).Flap.Changes > 0)
	}
	for i, th := range tr.tuned {
		beside("a tuned threshold", i, tr.classes[tr.cells[i].class].source == th)
	}
	for i := range tr.requests {
		beside("a request", i, tr.places[i].spec.Mode == Request)
	}
	if live := tr.nodes + len(tr.free); live != len(tr.cells) {
		t.Fatalf("step %d: %d nodes and free places of %d", step, live, len(tr.cells))
	}
	users := 0
	for _, c := range tr.classes[1:] {
		users += c.users
	}
	if users > n || len(tr.classOf)+len(tr.freeClass)+1 != len(tr.classes) {
		t.Fatalf("step %d: classes leak", step)
	}
}

func TestReadersAndWritersTogether(t *testing.T) {
	tr, refs := wideTree(5000)
	told := 0
	tr.opts.Statuses = func(cs []StatusChange) { // may call the tree, but for Flush
		told += len(cs)
		_, _ = tr.NodeAt(cs[0].Ref)
		tr.Report(Report{Node: cs[0].Ref, Reason: "told"})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() { done <- tr.Run(ctx) }()
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			batch := make([]Reading, 256)
			for range 200 {
				for i := range batch {
					batch[i] = Reading{Node: refs[r.IntN(len(refs))], Value: float64(r.IntN(101))}
				}
				tr.Apply(batch)
			}
		})
	}
	wg.Go(func() {
		for i := range 100 {
			p := MustPath(fmt.Sprintf("/new/%d", i%7))
			_ = tr.Change(Add(p, &Spec{Kind: Performance}))
			_ = tr.Change(Remove(p))
		}
	})
	wg.Go(func() { // what people do
		p, q := MustPath("/area1/group1"), MustPath("/area2/moved/here")
		for i := range 100 {
			_ = tr.SetThreshold(MustPath("/area0/group0/node0"), &Threshold{Yellow: AboveLevel(float64(i), 0), Flap: Flap{2, time.Minute}})
			_ = tr.Tune(refs[1], func(th *Threshold) { th.ClearAfter++ })
			_ = tr.Untune(refs[1])
			_ = tr.Change(Move(p, q))
			_ = tr.Reset(MustPath("/area3"))
			tr.Look(Root)
			_, _ = tr.Cause(Root)
			_ = tr.Change(Move(q, p))
			tr.Advance(time.Now())
			if v, err := tr.View(p); err == nil {
				_, _ = v.Since(tr.Seq(), func(*Cell) {})
				v.Close()
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			v, err := tr.View(Root)
			if err != nil {
				t.Error(err)
				return
			}
			defer v.Close()
			f := &follower{view: v}
			f.snapshot(t)
			for range 50 {
				f.follow(t)
				_, _ = tr.Node(MustPath("/area0/group3"))
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	tr.Flush() // the last report may have come in the last flush
	if s := tr.Stats(); uint64(told)+s.Untold+uint64(len(tr.changes)) != s.Changes {
		t.Errorf("%d changes were told, %+v", told, s)
	}
	check(t, tr, 0)
}

func TestRunFlushesAtOnceAfterAPauseAndAtPaceUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := New(Options{Pace: func() time.Duration { return 10200 * time.Microsecond }})
		r, err := tr.Add(MustPath("/x"), &Spec{Kind: Performance, Threshold: &Threshold{StaleAfter: 3 * time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		tr.Flush()
		var flushes []time.Duration
		start := time.Now()
		tr.OnFlush(func(uint64) { flushes = append(flushes, time.Since(start)) })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tr.Run(ctx) }()
		time.Sleep(time.Second + 500*time.Microsecond) // no reading falls together with a flush
		for i := range 26 {                            // a reading each millisecond
			tr.Apply([]Reading{{Node: r, Value: float64(i)}})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		us := func(n int) time.Duration { return time.Duration(n) * time.Microsecond }
		want := []time.Duration{us(1000_500), us(1010_700), us(1020_900), us(1031_100), us(5000_000)} // the last: stale, seen by the sweep
		if !slices.Equal(want, flushes) {
			t.Errorf("flushed after %v, want %v", flushes, want)
		}
	})
}

func TestStatusChangesComeInOrder(t *testing.T) {
	var got []string
	tr := New(Options{Statuses: func(cs []StatusChange) {
		for _, c := range cs {
			got = append(got, fmt.Sprintf("%s %s->%s %s", c.Path, c.From, c.To, c.Value))
		}
	}})
	r, _ := tr.Add(MustPath("/a/x"), &Spec{Kind: Performance, Threshold: &Threshold{Red: AboveLevel(5, 5)}})
	tr.Apply([]Reading{{Node: r, Value: 1}, {Node: r, Value: 9}})
	tr.Flush()
	tr.Flush()
	want := []string{"/a/x white->green 1", "/a white->green ", "/ white->green ", "/a/x green->red 9", "/a green->red ", "/ green->red "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSinceAnUnknownNumberResets(t *testing.T) {
	tr, _ := wideTree(10)
	seq := tr.Flush()
	v, err := tr.View(Root)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, since := range []uint64{0, 1, seq + 1, ^uint64(0)} {
		span, err := v.Since(since, func(*Cell) { t.Error("yielded") })
		if err != nil || !span.Reset {
			t.Errorf("since %d: %+v, %v", since, span, err)
		}
	}
	for i := range structureLogSize { // more changes of structure than are remembered
		_ = tr.Change(Update(MustPath("/area0"), &Spec{Description: fmt.Sprint(i)}))
	}
	tr.Flush()
	if span, _ := v.Since(seq-1, func(*Cell) {}); !span.Reset {
		t.Errorf("%+v", span)
	}
}

func TestStampsAreRenumberedBeforeTheyRunOut(t *testing.T) {
	tr, refs := wideTree(10)
	v, _ := tr.View(Root)
	defer v.Close()
	f := &follower{view: v}
	tr.pending = ^uint32(0) - 3
	f.snapshot(t)
	for i := range 10 {
		tr.Apply([]Reading{{Node: refs[0], Value: float64(i)}})
		before := tr.Seq()
		if tr.Flush() <= before && i > 0 {
			t.Fatal("the sequence number fell")
		}
		f.follow(t)
		if got := f.nodes[refs[0].Index()].Value; got != Number(float64(i)) {
			t.Fatalf("reading %d: %v", i, got)
		}
	}
	if f.reset != 1 {
		t.Errorf("%d resets", f.reset)
	}
}
