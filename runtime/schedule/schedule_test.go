package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin runs a schedule in the bubble until the returned function is called, which
// waits for its end.
func begin(t *testing.T, o Options) (*Schedule, func()) {
	t.Helper()
	s := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func mustAdd(t *testing.T, s *Schedule, j Job) Handle {
	t.Helper()
	h, err := s.Add(j)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// sleep lasts as long as the context lets it.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// record keeps what the goroutines of runs tell to the test.
type record[T any] struct {
	mu  sync.Mutex
	all []T
}

func (r *record[T]) add(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, v)
}

// take returns what was kept, and forgets it.
func (r *record[T]) take() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

func nothing(context.Context) error { return nil }

func TestFirstRunComesAtOnceThenEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		start := time.Now()
		var runs record[time.Duration]
		mustAdd(t, s, Job{Key: "a", Every: 10 * time.Second, Run: func(context.Context) error {
			runs.add(time.Since(start))
			return nil
		}})
		time.Sleep(41 * time.Second)
		synctest.Wait()
		at := runs.take()
		if len(at) < 4 || at[0] > 50*time.Millisecond {
			t.Fatalf("runs at %v, want the first within a slot", at)
		}
		for i := 2; i < len(at); i++ {
			if gap := at[i] - at[i-1]; gap != 10*time.Second {
				t.Errorf("runs at %v: a gap of %v", at, gap)
			}
		}
	})
}

func TestNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		free := make(chan struct{})
		var began record[time.Time]
		h := mustAdd(t, s, Job{Key: "a", Every: 10 * time.Second, Timeout: 9 * time.Second, Run: func(ctx context.Context) error {
			began.add(time.Now())
			select {
			case <-free:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		time.Sleep(time.Second)
		synctest.Wait()
		if next := s.Next(h); !next.IsZero() {
			t.Errorf("next is %v while a run is under way", next)
		}
		close(free)
		synctest.Wait()
		began.take()
		next := s.Next(h)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if at := began.take(); len(at) != 1 || !at[0].Equal(next) {
			t.Errorf("it ran at %v, and %v was announced", at, next)
		}
		asked := mustAdd(t, s, Job{Key: "b", Run: func(context.Context) error { return nil }})
		for name, h := range map[string]Handle{"only triggered": asked, "none": {}} {
			if next := s.Next(h); !next.IsZero() {
				t.Errorf("%s: next is %v", name, next)
			}
		}
		s.Remove(h)
		if next := s.Next(h); !next.IsZero() {
			t.Errorf("removed: next is %v", next)
		}
	})
}

func TestPlaceIsStableOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := func() time.Duration { // of the regular run within the interval, by the wall clock
			s, end := begin(t, Options{})
			defer end()
			var runs record[time.Time]
			mustAdd(t, s, Job{Key: "shop/web1", Every: time.Minute, Run: func(context.Context) error { runs.add(time.Now()); return nil }})
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			at := runs.take()
			return time.Duration(at[len(at)-1].UnixNano()) % time.Minute
		}
		a := second()
		time.Sleep(17 * time.Second)
		b := second()
		if d := (a - b).Abs(); d > 50*time.Millisecond {
			t.Errorf("the place was %v, after a restart %v", a, b)
		}
	})
}

func TestJobsOfOneSlotStartTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{Slot: 100 * time.Millisecond})
		defer end()
		instants := map[time.Time]bool{}
		var mu sync.Mutex
		for i := range 1000 {
			mustAdd(t, s, Job{Key: fmt.Sprint(i), Every: time.Second, Run: func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				instants[time.Now()] = true
				return nil
			}})
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(instants) > 101 {
			t.Errorf("10,000 runs started at %d different instants in 10 s, want at most one a slot", len(instants))
		}
	})
}

func TestMissedRunsAreCountedAndSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		var outcomes record[Outcome]
		slow := true
		mustAdd(t, s, Job{Key: "a", Every: 10 * time.Second, Timeout: time.Second,
			Run: func(context.Context) error {
				if slow { // and deaf to its context
					slow = false
					time.Sleep(35 * time.Second)
				}
				return nil
			},
			Done: outcomes.add})
		time.Sleep(56 * time.Second)
		synctest.Wait()
		var missed []int
		for _, o := range outcomes.take() {
			missed = append(missed, o.Missed)
			if o.Late != 0 {
				t.Errorf("a run was %v late", o.Late)
			}
		}
		if len(missed) < 3 || missed[0] != 0 || missed[1] < 3 || missed[1] > 4 || slices.Max(missed[2:]) != 0 {
			t.Errorf("missed %v: want none, then the three or four of 35 s, then none", missed)
		}
		if got := s.Stats().Missed; got != uint64(missed[1]) {
			t.Errorf("Stats.Missed = %d, want %d", got, missed[1])
		}
	})
}

func TestPausedProcessDoesNotBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Nobody runs the schedule for an hour: what a stopped process looks like to it.
		s := New(Options{})
		var runs atomic.Int64
		for i := range 500 {
			every := time.Minute
			if i%2 == 0 {
				every = 24 * time.Hour
			}
			j := mustAdd(t, s, Job{Key: fmt.Sprint(i), Every: every, Run: func(context.Context) error { runs.Add(1); return nil }}).j
			j.prompt = false
		}
		time.Sleep(time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		most, before := int64(0), int64(0)
		for range 310 {
			time.Sleep(time.Second)
			synctest.Wait()
			now := runs.Load()
			most, before = max(most, now-before), now
		}
		// 250 runs a minute and 250 within five minutes are 5 a second.
		if most > 25 {
			t.Errorf("%d runs in one second after a pause", most)
		}
		if want := int64(250*5 + 250); before < want {
			t.Errorf("%d runs in five minutes, want all %d", before, want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestTimeoutIsFourFifthsOfTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		var outcomes record[Outcome]
		mustAdd(t, s, Job{Key: "a", Every: 10 * time.Second,
			Run:  func(ctx context.Context) error { return sleep(ctx, time.Hour) },
			Done: outcomes.add})
		time.Sleep(9 * time.Second)
		synctest.Wait()
		all := outcomes.take()
		if len(all) == 0 {
			t.Fatal("no run has ended")
		}
		got := all[len(all)-1]
		if got.Duration != 8*time.Second || got.Err == nil || got.Err.Error() != "no result within 8s: context deadline exceeded" {
			t.Errorf("ended after %v with %v", got.Duration, got.Err)
		}
		if !errors.Is(got.Err, context.DeadlineExceeded) {
			t.Errorf("%v hides its cause", got.Err)
		}
	})
}

func TestPanicIsTheRunsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s, end := begin(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		defer end()
		var told record[Outcome]
		mustAdd(t, s, Job{Key: "a", Every: time.Second, Run: func(context.Context) error { panic("out of cheese") }, Done: told.add})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		outcomes := told.take()
		if len(outcomes) < 2 {
			t.Fatalf("%d runs: the job must go on", len(outcomes))
		}
		if o := outcomes[0]; !o.Panicked || o.Err == nil || o.Err.Error() != "panic: out of cheese" {
			t.Errorf("%+v", o)
		}
		if !strings.Contains(log.String(), "schedule_test.go") {
			t.Errorf("the stack is not in the log: %s", log.String())
		}
		if got := s.Stats(); got.Panics != uint64(len(outcomes)) || got.Running != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestGoexitIsTheRunsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		var outcomes record[Outcome]
		mustAdd(t, s, Job{Key: "a", Every: time.Second, Run: func(context.Context) error { runtime.Goexit(); return nil }, Done: outcomes.add})
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		all := outcomes.take()
		if len(all) == 0 || all[0].Err == nil || all[0].Err.Error() != "the run ended its goroutine" {
			t.Errorf("got %v", all)
		}
	})
}

func TestTriggersCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		var runs atomic.Int64
		h := mustAdd(t, s, Job{Key: "a", Run: func(ctx context.Context) error { runs.Add(1); return sleep(ctx, time.Second) }})
		time.Sleep(time.Minute)
		if runs.Load() != 0 {
			t.Fatalf("%d runs without a Trigger", runs.Load())
		}
		for range 100 {
			s.Trigger(h)
		}
		time.Sleep(100 * time.Millisecond)
		if runs.Load() != 1 {
			t.Fatalf("%d runs of 100 triggers, want 1", runs.Load())
		}
		for range 100 { // while it runs: once more, afterwards
			s.Trigger(h)
		}
		time.Sleep(500 * time.Millisecond)
		if runs.Load() != 1 {
			t.Fatal("two runs at once")
		}
		time.Sleep(time.Minute)
		if runs.Load() != 2 {
			t.Errorf("%d runs, want 2", runs.Load())
		}
	})
}

func TestTriggerDoesNotMoveTheRegularPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		var runs record[time.Time]
		h := mustAdd(t, s, Job{Key: "a", Every: time.Minute, Run: func(context.Context) error { runs.add(time.Now()); return nil }})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		before := runs.take()
		regular := before[len(before)-1]
		time.Sleep(7 * time.Second)
		s.Trigger(h)
		time.Sleep(time.Minute)
		synctest.Wait()
		at := runs.take()
		if !slices.ContainsFunc(at, func(x time.Time) bool { return x.Equal(regular.Add(time.Minute)) }) {
			t.Errorf("runs at %v, none a minute after %v", at, regular)
		}
	})
}

func TestRemoveWaitsForTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		var under, told atomic.Bool
		h := mustAdd(t, s, Job{Key: "a", Every: 10 * time.Second,
			Run: func(ctx context.Context) error {
				under.Store(true)
				defer under.Store(false)
				<-ctx.Done()
				time.Sleep(time.Second) // to clean up
				return ctx.Err()
			},
			Done: func(Outcome) { told.Store(true) }})
		time.Sleep(time.Second)
		if !under.Load() {
			t.Fatal("no run is under way")
		}
		s.Remove(h)
		if under.Load() {
			t.Error("Remove returned before the run had ended")
		}
		s.Remove(h) // again does nothing
		s.Trigger(h)
		time.Sleep(time.Minute)
		if told.Load() {
			t.Error("Done was called after Remove")
		}
		if err := s.Update(h, time.Second, 0); !errors.Is(err, ErrRemoved) {
			t.Errorf("Update after Remove: %v", err)
		}
		if got := s.Stats(); got.Jobs != 0 || got.Running != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestEndWaitsForTheRunsAndTellsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		var told, under atomic.Int64
		for i := range 10 {
			mustAdd(t, s, Job{Key: fmt.Sprint(i), Every: 10 * time.Second,
				Run: func(ctx context.Context) error {
					under.Add(1)
					defer under.Add(-1)
					<-ctx.Done()
					time.Sleep(time.Second)
					return ctx.Err()
				},
				Done: func(Outcome) { told.Add(1) }})
		}
		time.Sleep(time.Second)
		if under.Load() != 10 {
			t.Fatalf("%d runs under way, want 10", under.Load())
		}
		end()
		if under.Load() != 0 || told.Load() != 0 {
			t.Errorf("%d runs left, %d told", under.Load(), told.Load())
		}
		if _, err := s.Add(Job{Key: "late", Every: time.Second, Run: nothing}); !errors.Is(err, ErrClosed) {
			t.Errorf("Add after the end: %v", err)
		}
	})
}

func TestUpdateChangesTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		var runs atomic.Int64
		h := mustAdd(t, s, Job{Key: "a", Every: time.Hour, Run: func(context.Context) error { runs.Add(1); return nil }})
		time.Sleep(time.Second)
		if err := s.Update(h, time.Second, 0); err != nil {
			t.Fatal(err)
		}
		runs.Store(0)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if runs.Load() != 10 {
			t.Errorf("%d runs in 10 s at an interval of 1 s", runs.Load())
		}
		if err := s.Update(h, 0, 0); err != nil {
			t.Fatal(err)
		}
		runs.Store(0)
		time.Sleep(time.Hour)
		if runs.Load() != 0 {
			t.Errorf("%d runs without an interval", runs.Load())
		}
	})
}

func TestTheFailingBackOffAndReturnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{MaxBackoff: time.Minute})
		defer end()
		var runs record[time.Time]
		var well atomic.Bool
		mustAdd(t, s, Job{Key: "a", Every: 10 * time.Second, Run: func(context.Context) error {
			runs.add(time.Now())
			if !well.Load() {
				return errors.New("dead")
			}
			return nil
		}})
		gaps := func(at []time.Time) []time.Duration {
			var g []time.Duration
			for i := 2; i < len(at); i++ { // the first run is out of turn
				g = append(g, at[i].Sub(at[i-1]))
			}
			return g
		}
		time.Sleep(150 * time.Second)
		synctest.Wait()
		const s10 = 10 * time.Second
		if diff := cmp.Diff([]time.Duration{s10, 2 * s10, 4 * s10, 4 * s10}, gaps(runs.take())[:4]); diff != "" {
			t.Errorf("the gaps between failing runs (-want +got):\n%s", diff)
		}
		well.Store(true)
		time.Sleep(100 * time.Second)
		synctest.Wait()
		at := runs.take()
		for _, g := range gaps(at) {
			if g != s10 {
				t.Errorf("gaps after success: %v", gaps(at))
				break
			}
		}
		if len(at) < 7 {
			t.Errorf("%d runs in 100 s after the resource returned", len(at))
		}
	})
}

func TestADownResourceThatYieldsReadingsKeepsItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{})
		defer end()
		var runs atomic.Int64
		mustAdd(t, s, Job{Key: "a", Every: 10 * time.Second, Run: func(ctx context.Context) error {
			runs.Add(1)
			_ = sleep(ctx, time.Hour)
			return nil // "down" is the reading
		}})
		time.Sleep(1000 * time.Second)
		if runs.Load() < 100 {
			t.Errorf("%d runs in 100 intervals", runs.Load())
		}
	})
}

func TestLimitsHold(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options Options
		kind    func(int) string
		target  func(int) string
		want    int64
	}{
		{"of all", Options{Limit: 7}, func(i int) string { return fmt.Sprint(i) }, func(i int) string { return fmt.Sprint(i) }, 7},
		{"of a kind", Options{KindLimit: 5}, func(int) string { return "http" }, func(i int) string { return fmt.Sprint(i) }, 5},
		{"of one kind by name", Options{Kinds: map[string]int{"http": 3}}, func(int) string { return "http" }, func(int) string { return "" }, 3},
		{"of a target", Options{}, func(i int) string { return fmt.Sprint(i) }, func(int) string { return "web1" }, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, end := begin(t, tt.options)
				defer end()
				var now, most, runs atomic.Int64
				for i := range 100 {
					mustAdd(t, s, Job{Key: fmt.Sprint(i), Kind: tt.kind(i), Target: tt.target(i), Every: time.Minute,
						Run: func(ctx context.Context) error {
							if n := now.Add(1); n > most.Load() {
								most.Store(n)
							}
							defer now.Add(-1)
							runs.Add(1)
							return sleep(ctx, time.Second)
						}})
				}
				time.Sleep(59 * time.Second)
				synctest.Wait()
				if most.Load() != tt.want {
					t.Errorf("%d at once, want %d", most.Load(), tt.want)
				}
				if runs.Load() < 100 {
					t.Errorf("%d runs, want all 100 in turn", runs.Load())
				}
			})
		})
	}
}

// TestTheDeadDelayNobody: half of the jobs never answer, more than all places of
// their kind; the others keep their interval.
func TestTheDeadDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := begin(t, Options{KindLimit: 40})
		defer end()
		var mu sync.Mutex
		last, worst := map[int]time.Time{}, time.Duration(0)
		warm := time.Now().Add(3 * time.Minute)
		deadRuns := 0
		for i := range 400 {
			dead := i%2 == 0
			mustAdd(t, s, Job{Key: fmt.Sprint("job", i), Kind: "snmp", Target: fmt.Sprint(i), Every: 10 * time.Second,
				Run: func(ctx context.Context) error {
					mu.Lock()
					if dead {
						deadRuns++
					} else {
						if l, ok := last[i]; ok && l.After(warm) {
							worst = max(worst, time.Since(l))
						}
						last[i] = time.Now()
					}
					mu.Unlock()
					if dead {
						return sleep(ctx, time.Hour)
					}
					return sleep(ctx, 100*time.Millisecond)
				}})
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if worst > 11*time.Second {
			t.Errorf("a living job waited %v for its next run", worst)
		}
		if deadRuns < 400 {
			t.Errorf("%d runs of 200 dead jobs: they must be asked now and then", deadRuns)
		}
	})
}

func TestAddRefusesBadJobs(t *testing.T) {
	s := New(Options{})
	for _, tt := range []struct {
		name string
		job  Job
		want string
	}{
		{"no key", Job{Every: time.Second, Run: nothing}, "job cannot be scheduled: it needs a key and a function"},
		{"no function", Job{Key: "a", Every: time.Second}, "job cannot be scheduled: it needs a key and a function"},
		{"negative", Job{Key: "a", Every: -time.Second, Run: nothing}, "job cannot be scheduled: a: a negative time"},
		{"shorter than a slot", Job{Key: "a", Every: time.Millisecond, Run: nothing}, "job cannot be scheduled: a: the interval 1ms is shorter than a slot of 50ms"},
		{"timeout not shorter", Job{Key: "a", Every: time.Second, Timeout: time.Second, Run: nothing}, "job cannot be scheduled: a: the timeout 1s is not shorter than the interval 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Add(tt.job)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if !errors.Is(err, ErrJob) {
				t.Error("it is not ErrJob")
			}
		})
	}
}

// TestModel runs 500 jobs with intervals from 10 s to a day for days of virtual time,
// a fifth of them wanting three times their interval, some failing, with jobs that
// are removed, updated and triggered all the while.
func TestModel(t *testing.T) {
	days := 2
	if testing.Short() {
		days = 1
	}
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		s, end := begin(t, Options{})
		type model struct {
			every   time.Duration
			slow    bool
			under   atomic.Int32
			last    time.Time
			worst   time.Duration
			runs    int
			handle  Handle
			touched bool
		}
		intervals := []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 24 * time.Hour}
		weights := []int{2, 4, 8, 26, 25, 25, 10} // a run in five minutes and less, as in life
		var all []*model
		var mu sync.Mutex
		perMinute := map[int64]int{}
		begun := time.Now()
		for i := range 500 {
			m := &model{slow: i%5 == 0}
			w := rng.IntN(100)
			for k := range intervals {
				if w -= weights[k]; w < 0 {
					m.every = intervals[k]
					break
				}
			}
			deaf := i%50 == 0 // and does not heed its context
			all = append(all, m)
			m.handle = mustAdd(t, s, Job{Key: fmt.Sprint("monitor/", i), Kind: fmt.Sprint(i % 3), Target: fmt.Sprint(i % 250), Every: m.every, Timeout: m.every * 8 / 10,
				Run: func(ctx context.Context) error {
					if m.under.Add(1) > 1 {
						t.Errorf("two runs of job %d at once", i)
					}
					defer m.under.Add(-1)
					mu.Lock()
					now := time.Now()
					if !m.last.IsZero() {
						m.worst = max(m.worst, now.Sub(m.last))
					}
					m.last = now
					m.runs++
					perMinute[int64(now.Sub(begun)/time.Minute)]++
					mu.Unlock()
					switch {
					case deaf:
						time.Sleep(3 * m.every)
					case m.slow:
						_ = sleep(ctx, 3*m.every)
					default:
						return sleep(ctx, time.Duration(i)*time.Millisecond/5)
					}
					return nil
				}})
		}
		for range days * 24 {
			time.Sleep(time.Hour)
			s.Trigger(all[rng.IntN(len(all))].handle)
			if h := all[rng.IntN(len(all))]; !h.touched {
				h.touched = true
				s.Remove(h.handle)
				mustAdd(t, s, Job{Key: "other", Every: time.Minute, Run: nothing})
			}
		}
		end()

		mu.Lock()
		defer mu.Unlock()
		expected, runs := 0.0, 0
		for i, m := range all {
			runs += m.runs
			if i%50 == 0 || m.touched {
				continue
			}
			expected += 1 / m.every.Minutes()
			// A slow run out of turn, the first or a triggered one, may cover the next regular
			// place: that run is missed, and the one after is an interval after it was due.
			allowed := m.every + time.Second
			if m.slow {
				allowed += m.every
			}
			if m.worst > allowed {
				t.Errorf("job %d of every %v (slow: %v) once waited %v", i, m.every, m.slow, m.worst)
			}
			if least := int(time.Duration(days)*24*time.Hour/m.every) - 2; m.runs < least {
				t.Errorf("job %d of every %v: %d runs in %d days, want %d", i, m.every, m.runs, days, least)
			}
		}
		burst := 0
		for minute, n := range perMinute {
			if minute > 0 { // in the first all run once
				burst = max(burst, n)
			}
		}
		if float64(burst) > 2*expected+20 {
			t.Errorf("%d runs in one minute, %.0f are normal", burst, expected)
		}
		t.Logf("%d runs in %d virtual days, %.1f a minute expected, at most %d in a minute", runs, days, expected, burst)
	})
}
