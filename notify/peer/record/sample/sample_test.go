package sample

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree"
	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	berlin peer.ID = "00000000000000be"
	north  peer.ID = "00000000000000aa"
)

// every is the history of an owner that reads all nodes once in ten seconds, for ever.
type every struct {
	mu    sync.Mutex
	asked map[tree.Path]int
}

func (h *every) Samples(_ context.Context, p tree.Path, from, to time.Time) iter.Seq2[history.Sample, error] {
	return func(yield func(history.Sample, error) bool) {
		h.mu.Lock()
		h.asked[p]++
		h.mu.Unlock()
		if p == tree.MustPath("/broken") {
			yield(history.Sample{}, errors.New("broken"))
			return
		}
		for at := from.Add(9999 * time.Millisecond).Truncate(10 * time.Second); at.Before(to); at = at.Add(10 * time.Second) {
			if !yield(history.Sample{Time: at, Value: float64(at.Unix()), Gap: at.Minute() == 30}, nil) {
				return
			}
		}
	}
}

// kept is a history that keeps readings in memory.
type kept struct {
	mu   sync.Mutex
	got  map[tree.Ref]map[int64]float64 // by Unix seconds
	sync func() error
}

func (k *kept) Readings(_ time.Time, batch []tree.Reading) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range batch {
		if k.got[r.Node] == nil {
			k.got[r.Node] = map[int64]float64{}
		}
		k.got[r.Node][r.Time/int64(time.Second)] = r.Value
	}
}

func (k *kept) Sync(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sync != nil {
		return k.sync()
	}
	return nil
}

// of are the readings of a node, by Unix seconds.
func (k *kept) of(n Node) map[int64]float64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.got[n.Ref])
}

// forget forgets everything; from now on Sync does as is said.
func (k *kept) forget(sync func() error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.got)
	k.sync = sync
}

// times is how often nodes were asked for, since the last time.
func (h *every) times() map[tree.Path]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = map[tree.Path]int{}
	return asked
}

// nodes are so many of a tree, with their handles in it.
func nodes(t *testing.T, n int) (live *tree.Tree, all []Node) {
	t.Helper()
	live = tree.New(tree.Options{})
	if _, err := live.Add(tree.MustPath("/shop"), &tree.Spec{Kind: tree.Group}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p := tree.MustPath(fmt.Sprintf("/shop/load%03d", i))
		ref, err := live.Add(p, &tree.Spec{Kind: tree.Performance, Mode: tree.Push})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Node{p, ref})
	}
	return live, all
}

// started lets a filler run until stop is called.
func started(t *testing.T, o Options) (f *Filler, stop func()) {
	f = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(stop)
	return f, stop
}

// answers lets an owner answer until the test ends.
func answers(t *testing.T, f peer.Fabric, from Source, shares func(peer.ID, []peer.ID) (func(tree.Path) bool, error)) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { Answer(ctx, f, from, shares) })
	t.Cleanup(func() { cancel(); all.Wait() })
}

func (f *Filler) owes(t *testing.T) (all []string) {
	t.Helper()
	owed, err := f.Owed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range owed {
		all = append(all, fmt.Sprintf("%s of %s", s.To.Sub(s.From), s.Peer))
	}
	return all
}

// TestWhatWasMissedIsFetched joins a tree, loses it, is restarted in the middle, and gets what
// it missed and no more.
func TestWhatWasMissedIsFetched(t *testing.T) {
	d := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), store.Options{Address: d.Address, Manager: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		net := peertest.New(1)
		owner := &every{asked: map[tree.Path]int{}}
		answers(t, net.Join(berlin), owner, nil)
		_, all := nodes(t, 100)
		mine := &kept{got: map[tree.Ref]map[int64]float64{}}
		o := Options{Store: s, Fabric: net.Join(north), History: mine, Nodes: func(peer.ID) []Node { return all }, Most: time.Hour}
		f, stop := started(t, o)
		defer func() { stop() }()
		began := time.Now()
		f.Live(berlin)
		time.Sleep(time.Minute)
		// An hour, less what passed meanwhile, and the margin after it, without the minute in
		// which there was a gap.
		if got := len(mine.of(all[99])); got < 350 || got > 360+3-6 || len(f.owes(t)) != 0 || f.Added() < 100*350 {
			t.Errorf("%d readings of the last, %d in all, owed %v", got, f.Added(), f.owes(t))
		}
		if v := mine.of(all[0])[began.Unix()-600]; v != float64(began.Unix()-600) {
			t.Errorf("value %v", v)
		}
		f.Lost(berlin)
		time.Sleep(10 * time.Minute)
		owner.times()
		// The first piece comes, and then the history fails and the program ends.
		rounds := 0
		mine.forget(func() error {
			if rounds++; rounds > 1 {
				return errors.New("full")
			}
			return nil
		})
		f.Live(berlin)
		time.Sleep(3 * time.Second)
		if d := cmp.Diff([]string{"11m2.5s of " + string(berlin)}, f.owes(t)); d != "" {
			t.Error(d)
		}
		stop()
		if asked := owner.times(); len(asked) != 100 {
			t.Errorf("%d were asked", len(asked))
		}
		mine.forget(nil)
		time.Sleep(5 * time.Minute)
		f, stop = started(t, o)
		f.Live(berlin)
		time.Sleep(time.Minute)
		if asked := owner.times(); asked[all[0].Remote] != 1 || asked[all[99].Remote] != 2 {
			t.Errorf("asked %d and %d times", asked[all[0].Remote], asked[all[99].Remote])
		}
		if got := f.owes(t); got != nil {
			t.Errorf("owed %v", got)
		}
		got := mine.of(all[99])
		for i := began.Add(62*time.Second).Unix() / 10 * 10; i < began.Add(16*time.Minute).Unix(); i += 10 {
			if got[i] != float64(i) {
				t.Errorf("nothing of %s", time.Unix(i, 0).Sub(began))
			}
		}
	})
}

// TestLongAnswers come in pieces, of a node in the middle too.
func TestLongAnswers(t *testing.T) {
	owner := &every{asked: map[tree.Path]int{}}
	from, to := int64(0), (72 * time.Hour).Milliseconds()
	q := Question{Nodes: []tree.Path{tree.MustPath("/a"), tree.MustPath("/b"), tree.MustPath("/secret")}, From: from, To: to}
	got := map[tree.Path]int{}
	last := map[tree.Path]int64{}
	for rounds := 0; len(q.Nodes) > 0; rounds++ {
		a, err := find(t.Context(), owner, &q, func(p tree.Path) (tree.Path, bool) { return p, p != tree.MustPath("/secret") })
		if err != nil {
			t.Fatal(err)
		}
		body := a.bytes()
		if len(body) > peer.MaxBody || rounds > 100 {
			t.Fatalf("%d bytes in round %d", len(body), rounds)
		}
		if a, err = parseAnswer(body, &q); err != nil {
			t.Fatal(err)
		}
		for i, list := range a.lists {
			for _, r := range list {
				p := q.Nodes[i]
				if got[p] > 0 && r.At <= last[p] {
					t.Fatalf("%s: %d after %d", p, r.At, last[p])
				}
				last[p] = r.At
				got[p]++
			}
		}
		q.Nodes, q.First = q.Nodes[a.done:], from
		if len(a.lists) > a.done {
			q.First = a.next
		}
	}
	const all = 72 * 59 * 6
	if d := cmp.Diff(map[tree.Path]int{tree.MustPath("/a"): all, tree.MustPath("/b"): all}, got); d != "" {
		t.Error(d)
	}
}

// TestRealHistory has the same readings in two histories after an outage.
func TestRealHistory(t *testing.T) {
	clock := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	plant := func(name string) (*history.Store, *tree.Tree, []Node) {
		h, err := history.Open(history.Options{Dir: filepath.Join(t.TempDir(), name), Now: now, MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		live := tree.New(tree.Options{Now: now, Readings: h.Readings, Statuses: h.Statuses})
		h.Bind(live)
		var all []Node
		for i := range 3 {
			p := tree.MustPath(fmt.Sprintf("/load%d", i))
			spec := &tree.Spec{Kind: tree.Performance, Mode: tree.Timer}
			if i == 1 {
				spec.History = &tree.History{Every: time.Minute}
			}
			ref, err := live.Add(p, spec)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, Node{p, ref})
		}
		return h, live, all
	}
	his, hisTree, hisNodes := plant("his")
	mine, myTree, myNodes := plant("mine")
	began := clock
	s := storetest.SQLite(t).Open(t)
	net := peertest.New(1)
	answers(t, net.Join(berlin), his, nil)
	f, stop := started(t, Options{Store: s, Fabric: net.Join(north), History: mine, Nodes: func(peer.ID) []Node { return myNodes }, Most: 30 * time.Minute, Now: now})
	defer stop()
	read := func(until time.Time, both bool) {
		for ; now().Before(until); mu.Unlock() {
			for i := range hisNodes {
				v := float64(now().Unix()%1000) + float64(i)
				hisTree.Apply([]tree.Reading{{Node: hisNodes[i].Ref, Value: v}})
				if both {
					myTree.Apply([]tree.Reading{{Node: myNodes[i].Ref, Value: v}})
				}
			}
			mu.Lock()
			clock = clock.Add(10 * time.Second)
		}
	}
	filled := func() {
		t.Helper()
		before := f.Added()
		f.Live(berlin)
		end := time.Now().Add(time.Minute)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for f.Added() == before || len(f.owes(t)) > 0 {
			if <-tick.C; time.Now().After(end) {
				t.Fatal("it is not filled within a minute")
			}
		}
	}
	read(began.Add(10*time.Minute), false)
	if err := his.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	filled()
	read(began.Add(20*time.Minute), true)
	f.Lost(berlin)
	read(began.Add(30*time.Minute), false)
	if err := his.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	filled()
	read(began.Add(40*time.Minute), true)
	if err := errors.Join(his.Sync(t.Context()), mine.Sync(t.Context())); err != nil {
		t.Fatal(err)
	}
	for i := range hisNodes {
		samples := func(h *history.Store) map[string]float64 {
			got := map[string]float64{}
			for s, err := range h.Samples(t.Context(), hisNodes[i].Remote, began, now()) {
				if err != nil {
					t.Fatal(err)
				}
				if !s.Gap && !math.IsNaN(s.Value) {
					got[s.Time.UTC().Format("15:04:05")] = s.Value
				}
			}
			return got
		}
		want := samples(his)
		if len(want) < 40 {
			t.Fatalf("%d readings", len(want))
		}
		got := samples(mine)
		if i == 1 { // What was merged may be in more pieces here.
			for at := range want {
				if _, ok := got[at]; !ok && at < "12:30" {
					t.Errorf("nothing at %s", at)
				}
			}
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

// TestRefusals says what is wrong with a question.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"no JSON":      {`{`, "record.samples: unexpected end of JSON input"},
		"no nodes":     {`{"from":1,"to":2}`, "record.samples: 1 to 64 nodes, not 0"},
		"no time":      {`{"nodes":["/a"],"from":2,"to":2}`, "record.samples: a time of at most 768h0m0s, not from 2 to 2"},
		"a long time":  {`{"nodes":["/a"],"from":2,"to":9000000000000}`, "record.samples: a time of at most 768h0m0s, not from 2 to 9000000000000"},
		"before 1970":  {`{"nodes":["/a"],"from":-2,"to":9}`, "record.samples: a time of at most 768h0m0s, not from -2 to 9"},
		"all is right": {`{"nodes":["/a"],"from":2,"to":9}`, ""},
	} {
		_, err := parseQuestion([]byte(tc.body))
		if said := fmt.Sprint(err); said != tc.want && (err != nil || tc.want != "") || err != nil && !peer.IsRefusal(err, peer.Invalid) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// FuzzAnswer reads anything: what is taken was asked for, and is read back as it is written.
func FuzzAnswer(f *testing.F) {
	q := &Question{Nodes: []tree.Path{tree.MustPath("/a"), tree.MustPath("/b")}, From: 1000, To: 2000, First: 1500}
	whole := answer{done: 2, lists: [][]Reading{{{1500, 1}, {1999, 2}}, {{1000, math.Inf(1)}}}}
	part := answer{done: 1, next: 1200, lists: [][]Reading{nil, {{1000, 3}}}}
	f.Add(whole.bytes())
	f.Add(part.bytes())
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseAnswer(body, q)
		if err != nil {
			return
		}
		for _, list := range a.lists {
			for _, r := range list {
				if r.At < q.From || r.At >= q.To || math.IsNaN(r.Value) {
					t.Errorf("%+v", r)
				}
			}
		}
		again, err := parseAnswer(a.bytes(), q)
		if err != nil || len(again.lists) != len(a.lists) || again.done != a.done || again.next != a.next {
			t.Errorf("%+v: %+v, %v", a, again, err)
		}
	})
}
