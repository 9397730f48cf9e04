package history

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"grove/tree"
)

// TestRun lets half an hour pass: every status is written at least every five minutes, a
// merged interval ends by itself, and a node that is gone ends.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Options{Dir: dir, MinFree: 1})
		if err != nil {
			t.Fatal(err)
		}
		live := tree.New(tree.Options{Readings: s.Readings, Reports: s.Reports, Statuses: s.Statuses})
		s.Bind(live)
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 2)
		go func() { stopped <- s.Run(ctx) }()
		go func() { stopped <- live.Run(ctx) }()
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := live.Change(
			tree.Add(tree.MustPath("/g/white"), &tree.Spec{Kind: tree.Performance}),
			tree.Add(tree.MustPath("/g/merged"), &tree.Spec{Kind: tree.Performance, History: &tree.History{Every: time.Minute}}),
			tree.Add(tree.MustPath("/g/gone"), &tree.Spec{Kind: tree.Performance}),
		); err != nil {
			t.Fatal(err)
		}
		ref, _ := live.Lookup(tree.MustPath("/g/merged"))
		live.Apply([]tree.Reading{{Node: ref, Value: 1}, {Node: ref, Value: 3, Time: time.Now().Add(time.Second).UnixNano()}})
		time.Sleep(15 * time.Minute)
		if err := live.Change(tree.Remove(tree.MustPath("/g/gone"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		for path, until := range map[string]time.Duration{"/": 30, "/g": 30, "/g/white": 30, "/g/merged": 30, "/g/gone": 15} {
			times, ended := timesOf(t, s, equal(labels.MetricName, "grove_node_status"), equal("path", path))
			if len(times) < int(until)/5 || times[0].Sub(begin) > 10*time.Second {
				t.Errorf("%s: %v", path, times)
				continue
			}
			for i := 1; i < len(times); i++ {
				if pause := times[i].Sub(times[i-1]); pause >= 5*time.Minute {
					t.Errorf("%s: nothing for %s", path, pause)
				}
			}
			if ended != (path == "/g/gone") {
				t.Errorf("%s: ended is %t", path, ended)
			}
			if last := times[len(times)-1].Sub(begin.Add(until * time.Minute)); last.Abs() > 5*time.Minute {
				t.Errorf("%s: the last is %s away", path, last)
			}
		}
		sample, ok, err := s.Last(t.Context(), tree.MustPath("/g/merged"))
		if err != nil || !ok || sample.Value != 2 {
			t.Errorf("merged: %v %v %v", sample, ok, err)
		}
		if st := s.Stats(); st.Bytes == 0 || !st.Ready || st.Durable != st.Given {
			t.Errorf("%+v", st)
		}
		cancel()
		if err := errors.Join(<-stopped, <-stopped, s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// timesOf are the times of the samples of one series, but for a staleness marker at its
// end.
func timesOf(t *testing.T, s *Store, matchers ...*labels.Matcher) (times []time.Time, ended bool) {
	t.Helper()
	q, err := s.Queryable().Querier(0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	set := q.Select(t.Context(), false, nil, matchers...)
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() != 0 {
			at, v := it.At()
			if ended = math.IsNaN(v); !ended {
				times = append(times, time.UnixMilli(at))
			}
		}
	}
	return times, ended
}

// TestWhatDoesNotFitIsCounted holds for a store that replays its log, whose producers do
// not wait.
func TestWhatDoesNotFitIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		state state
		want  Reason
	}{
		"while the log is read":    {opening, BufferFull},
		"while nothing is taken":   {refusing, NoRoom},
		"when it cannot be opened": {failed, NotOpen},
		"when it is closed":        {closed, Closed},
	} {
		t.Run(name, func(t *testing.T) {
			g := plant(t, t.TempDir(), func(o *Options) { o.MaxBuffered = 10 })
			ref := g.add(t, "/a", tree.Spec{Kind: tree.Performance, Mode: tree.Push})
			g.sync(t)
			if c.state == closed {
				if err := g.Close(); err != nil {
					t.Fatal(err)
				}
			}
			g.mu.Lock()
			g.state, g.why = c.state, errors.New("a reason")
			g.mu.Unlock()
			const given = 3 * batchSize
			for i := range given {
				g.give(ref, time.Duration(i)*time.Millisecond, 1)
			}
			st := g.Stats()
			if st.Dropped[c.want] == 0 || st.Dropped[c.want]+st.Given != given || st.Ready || st.Refusing == "" {
				t.Errorf("%+v", st)
			}
			if c.state != closed {
				g.setState(open, nil)
				g.sync(t)
				if got := len(g.selected(t, isValue)[`{__name__="grove_node_value", path="/a"}`]); uint64(got) != st.Given {
					t.Errorf("%d readings are kept of %d that fitted", got, st.Given)
				}
			}
		})
	}
}

func TestSyncEndsWithItsContext(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	g.sync(t)
	g.mu.Lock()
	g.state = opening
	g.given++ // something that is never committed
	g.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := g.Ready(); !errors.Is(err, ErrNotReady) || err.Error() != "the history is not ready: its log is being read, 0 of 1 files so far" {
		t.Errorf("got %v", err)
	}
}
