package memory

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is the time of a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

var above = &tree.Threshold{Yellow: tree.AboveLevel(10, 10), Red: tree.AboveLevel(20, 15), StaleAfter: time.Hour}

var specs = map[string]*tree.Spec{
	"/a":        {Kind: tree.Group},
	"/a/number": {Kind: tree.Performance, Threshold: above},
	"/a/state":  {Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"down": tree.Red}, StaleAfter: time.Hour}},
	"/a/text":   {Kind: tree.TextKind},
	"/a/log":    {Kind: tree.Log},
	"/a/pushed": {Kind: tree.Performance, Mode: tree.Push, History: &tree.History{Off: true}},
	"/a/failed": {Kind: tree.Performance},
}

// grown makes a tree with its memory, as a process does when it starts.
func grown(t *testing.T, s *store.Store, c *clock, o Options) (*tree.Tree, *Memory) {
	t.Helper()
	var m *Memory
	tr := tree.New(tree.Options{Now: c.Now, Tuned: func(tuning tree.Tuning) error { return m.Tuned(tuning) }})
	for p, spec := range specs {
		if _, err := tr.Add(tree.MustPath(p), spec); err != nil {
			t.Fatal(err)
		}
	}
	o.Store, o.Tree, o.Now = s, tr, c.Now
	m = New(o)
	return tr, m
}

func report(t *testing.T, tr *tree.Tree, path string, r tree.Report) {
	t.Helper()
	var ok bool
	if r.Node, ok = tr.Lookup(tree.MustPath(path)); !ok {
		t.Fatal(path)
	}
	tr.Report(r)
}

func TestARestartForgetsNothing(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		c := &clock{now: start}
		s := d.Open(t)
		tr, m := grown(t, s, c, Options{})
		report(t, tr, "/a/number", tree.Report{Value: tree.Number(12)})
		report(t, tr, "/a/state", tree.Report{Value: tree.Text("down")})
		report(t, tr, "/a/text", tree.Report{Value: tree.Text("version 7 \x00 läuft")})
		report(t, tr, "/a/log", tree.Report{Events: []tree.Event{{Status: tree.Yellow, Text: "x"}}})
		report(t, tr, "/a/pushed", tree.Report{Value: tree.Number(1)})
		report(t, tr, "/a/failed", tree.Report{Value: tree.Number(1)})
		report(t, tr, "/a/failed", tree.Report{Reason: "no answer"})
		if err := m.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Minute)
		report(t, tr, "/a/number", tree.Report{Value: tree.Number(17)}) // no other status: the history's
		report(t, tr, "/a/pushed", tree.Report{Value: tree.Number(2)})
		if err := m.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Minute)
		again, m := grown(t, d.Open(t), c, Options{
			Last: func(p tree.Path) (float64, time.Time, bool) {
				return 18, start.Add(90 * time.Second), p.Name() == "number"
			},
			Events: func(_ context.Context, p tree.Path, n int) ([]tree.Event, error) {
				return []tree.Event{{Time: start, Status: tree.Yellow, Text: "x"}, {Time: start.Add(75 * time.Second), Status: tree.Yellow, Text: "y"}}, nil
			},
		})
		restored, err := m.Restore(t.Context())
		if err != nil || restored != 7 { // all but the failed one, and the root
			t.Errorf("%d restored, %v, want 7", restored, err)
		}
		type state struct {
			Status, Last tree.Status
			Value        string
			Since, Time  time.Duration // after the start
		}
		want := map[string]state{
			"/":         {tree.Red, tree.Red, "", 0, 0},
			"/a":        {tree.Red, tree.Red, "", 0, 0},
			"/a/number": {tree.Yellow, tree.Yellow, "18", 0, 90 * time.Second},
			"/a/state":  {tree.Red, tree.Red, "down", 0, 0},
			"/a/text":   {tree.Green, tree.Green, "version 7 \uFFFD läuft", 0, 0},
			"/a/log":    {tree.Yellow, tree.Yellow, "y", 0, 75 * time.Second},
			"/a/pushed": {tree.Green, tree.Green, "2", 0, time.Minute},
			"/a/failed": {tree.White, tree.Green, "", 2 * time.Minute, 0},
		}
		got := map[string]state{}
		if err := again.Walk(tree.Root, -1, func(n *tree.Node) bool {
			s := state{n.Status, n.Last, n.Value.String(), n.Since.Sub(start), 0}
			if !n.Time.IsZero() {
				s.Time = n.Time.Sub(start)
			}
			got[n.Path.String()] = s
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

func TestRestoreLeavesWhatIsNewer(t *testing.T) {
	c := &clock{now: start}
	d := storetest.SQLite(t)
	tr, m := grown(t, d.Open(t), c, Options{})
	report(t, tr, "/a/text", tree.Report{Value: tree.Text("old")})
	report(t, tr, "/a/state", tree.Report{Value: tree.Text("down")})
	if err := m.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.pass(2 * time.Hour)
	tr, m = grown(t, d.Open(t), c, Options{})
	report(t, tr, "/a/text", tree.Report{Value: tree.Text("new")})
	if n, err := m.Restore(t.Context(), tree.MustPath("/a/text")); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := m.Restore(t.Context(), tree.MustPath("/a/state"), tree.MustPath("/nowhere")); err != nil {
		t.Error(err)
	}
	n, err := tr.Node(tree.MustPath("/a/state"))
	if err != nil || n.Status != tree.White || n.Last != tree.Red {
		t.Errorf("what is stale: %v, last %v, %v, want white, red", n.Status, n.Last, err)
	}
	if n, _ := tr.Node(tree.MustPath("/a/text")); n.Value != tree.Text("new") {
		t.Errorf("text %q", n.Value)
	}
}

// TestEqualReadingsAreSeldomWritten counts the rows that are written.
func TestEqualReadingsAreSeldomWritten(t *testing.T) {
	c := &clock{now: start}
	s := storetest.SQLite(t).Open(t)
	tr, m := grown(t, s, c, Options{})
	sync := func() (rows uint64) {
		t.Helper()
		before, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		after, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return after.Rows - before.Rows
	}
	same := func() {
		report(t, tr, "/a/state", tree.Report{Value: tree.Text("down")})
		report(t, tr, "/a/number", tree.Report{Value: tree.Number(1)})
	}
	same()
	if rows := sync(); rows == 0 {
		t.Error("nothing was written at first")
	}
	for range 100 {
		c.pass(time.Second)
		same()
		if rows := sync(); rows != 0 {
			t.Fatalf("%d rows were written that say the same", rows)
		}
	}
	c.pass(refresh)
	same()
	if rows := sync(); rows != 1 {
		t.Errorf("%d rows were written after %v, want that of the text", rows, refresh)
	}
}

func TestWhatMovesIsRememberedWhereItIs(t *testing.T) {
	c := &clock{now: start}
	d := storetest.SQLite(t)
	tr, m := grown(t, d.Open(t), c, Options{})
	report(t, tr, "/a/text", tree.Report{Value: tree.Text("x")})
	for _, step := range []func() error{
		func() error { return m.Sync(t.Context()) },
		func() error { return tr.Change(tree.Move(tree.MustPath("/a"), tree.MustPath("/b"))) },
		func() error { return m.Sync(t.Context()) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	tr, m = grown(t, d.Open(t), c, Options{})
	if err := tr.Change(tree.Move(tree.MustPath("/a"), tree.MustPath("/b"))); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := tr.Node(tree.MustPath("/b/text")); err != nil || n.Value != tree.Text("x") {
		t.Errorf("text %q, %v", n.Value, err)
	}
}

func TestTunedThresholdsOutliveARestart(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		c := &clock{now: start}
		number, state := tree.MustPath("/a/number"), tree.MustPath("/a/state")
		tuned := &tree.Threshold{
			Yellow: tree.Level{Form: tree.Outside, Low: -1, High: 5, OffLow: 0, OffHigh: 4.5, After: time.Second}, ClearAfter: time.Minute,
			Flap: tree.Flap{Changes: 4, Window: time.Hour}, StaleAfter: 2 * time.Hour,
		}
		states := &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "*": tree.Yellow}}
		tr, _ := grown(t, d.Open(t), c, Options{})
		for p, th := range map[tree.Path]*tree.Threshold{number: tuned, state: states} {
			if err := tr.SetThreshold(p, th); err != nil {
				t.Fatal(err)
			}
		}
		check := func(s *store.Store, wantNumber, wantState *tree.Threshold) {
			t.Helper()
			tr, m := grown(t, s, c, Options{})
			for range 2 {
				if _, err := m.Restore(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for p, want := range map[tree.Path]*tree.Threshold{number: wantNumber, state: wantState} {
				n, err := tr.Node(p)
				if err != nil || n.Tuned != (want != nil) {
					t.Fatalf("%s: tuned %v, %v", p, n.Tuned, err)
				}
				if d := cmp.Diff(want, n.Threshold); n.Tuned && d != "" {
					t.Errorf("%s: -want +got\n%s", p, d)
				}
			}
		}
		check(d.Open(t), tuned, states)
		// Another definition ends a tuning, for good.
		before := specs["/a/number"]
		specs["/a/number"] = &tree.Spec{Kind: tree.Performance}
		check(d.Open(t), nil, states)
		specs["/a/number"] = before
		check(d.Open(t), nil, states)
		// So does a reset.
		tr, m := grown(t, d.Open(t), c, Options{})
		if _, err := m.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := tr.Reset(tree.Root); err != nil {
			t.Fatal(err)
		}
		check(d.Open(t), nil, nil)
	})
}

func TestNodesThatAreLongGoneAreForgotten(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		c := &clock{now: start}
		s := d.Open(t)
		tr, m := grown(t, s, c, Options{Keep: time.Hour})
		for _, p := range []string{"/a/text", "/a/state"} {
			report(t, tr, p, tree.Report{Value: tree.Text("down")})
		}
		if err := tr.SetThreshold(tree.MustPath("/a/state"), above); err != nil {
			t.Fatal(err)
		}
		if err := m.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows := func() (got [3]int) {
			t.Helper()
			if err := s.Read(t.Context(), func(tx *store.Tx) error {
				for i, table := range []string{"node", "memory", "tuning"} {
					if err := tx.Each("SELECT COUNT(*) FROM "+table, nil, func(rows *sql.Rows) error { return rows.Scan(&got[i]) }); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return got
		}
		forget := func(want [3]int) {
			t.Helper()
			if err := m.forget(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := rows(); got != want {
				t.Errorf("nodes, memories, tunings: %v, want %v", got, want)
			}
		}
		if err := tr.Change(tree.Remove(tree.MustPath("/a/state"))); err != nil {
			t.Fatal(err)
		}
		forget([3]int{4, 4, 1})
		c.pass(2 * time.Hour)
		forget([3]int{3, 3, 0})
		// What comes again is remembered again.
		if _, err := tr.Add(tree.MustPath("/a/state"), specs["/a/state"]); err != nil {
			t.Fatal(err)
		}
		report(t, tr, "/a/state", tree.Report{Value: tree.Text("down")})
		if err := m.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := rows(); got != [3]int{4, 4, 0} {
			t.Errorf("after it came again: %v", got)
		}
	})
}

func TestRunWritesEverythingInTheEnd(t *testing.T) {
	d := storetest.SQLite(t)
	c := &clock{now: start}
	tr, m := grown(t, d.Open(t), c, Options{Every: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.Run(ctx) }()
	report(t, tr, "/a/text", tree.Report{Value: tree.Text("x")})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	tr, m = grown(t, d.Open(t), c, Options{})
	if _, err := m.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := tr.Node(tree.MustPath("/a/text")); n.Value != tree.Text("x") {
		t.Errorf("text %q", n.Value)
	}
}

func TestSyncGivesUpWithItsCaller(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	_, m := grown(t, s, &clock{now: start}, Options{})
	m.turn <- struct{}{} // somebody writes, and takes his time
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-m.turn
	if err := m.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

func FuzzThreshold(f *testing.F) {
	for _, th := range []*tree.Threshold{nil, above, specs["/a/state"].Threshold} {
		text, err := Encode(th)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		th, err := Decode(text)
		if th == nil || err != nil {
			return
		}
		again, err := Encode(th)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(again)
		if err != nil || math.IsNaN(back.Red.High) {
			t.Fatalf("%s: %v", again, err)
		}
		if d := cmp.Diff(th, back); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

// TestNumbersThatTheHistoryKnowsLater restores a node while the history cannot be asked,
// and renews it when it can.
func TestNumbersThatTheHistoryKnowsLater(t *testing.T) {
	d := storetest.SQLite(t)
	c := &clock{now: start}
	tr, m := grown(t, d.Open(t), c, Options{})
	report(t, tr, "/a/number", tree.Report{Value: tree.Number(12)})
	report(t, tr, "/a/pushed", tree.Report{Value: tree.Number(1)})
	if err := m.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Minute)
	ready := false
	again, m := grown(t, d.Open(t), c, Options{Last: func(tree.Path) (float64, time.Time, bool) { return 18, start.Add(30 * time.Second), ready }})
	if _, err := m.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	report(t, again, "/a/pushed", tree.Report{Value: tree.Number(3)}) // newer than what the history knows
	ready = true
	if n := m.Renew(t.Context()); n < 1 {
		t.Errorf("%d renewed", n)
	}
	for path, want := range map[string]tree.Value{"/a/number": tree.Number(18), "/a/pushed": tree.Number(3)} {
		if n, err := again.Node(tree.MustPath(path)); err != nil || n.Value != want {
			t.Errorf("%s is %v, %v, want %v", path, n.Value, err, want)
		}
	}
	if n := m.Renew(t.Context()); n != 0 {
		t.Errorf("%d renewed again", n)
	}
}
