package timer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/beans/beanstest"
	"grove/beans/timer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder notes what a timer emits: sequence, type, date and the moment of
// emission, both in time since the beginning.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// inBubble runs a test with a timer that runs but is not active.
func inBubble(t *testing.T, test func(t *testing.T, tm *timer.Timer, r *recorder)) {
	synctest.Test(t, func(t *testing.T) {
		tm, r, begin := timer.New(), &recorder{}, time.Now()
		tm.Subscribe(func(n beans.Notification) {
			r.mu.Lock()
			defer r.mu.Unlock()
			fired := n.Data.(timer.Fired)
			r.lines = append(r.lines, fmt.Sprintf("%d %s #%d %v of %v at %v", n.Sequence, n.Type, fired.ID, fired.Data, n.Time.Sub(begin), time.Since(begin)))
		}, beans.TypePrefixes("t."))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tm.Run(ctx) }()
		test(t, tm, r)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func add(t *testing.T, tm *timer.Timer, e timer.Entry) int64 {
	t.Helper()
	id, err := tm.Add(e)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// pass lets time go by, and then all goroutines settle.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func expect(t *testing.T, r *recorder, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, r.take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnceThenGone(t *testing.T) {
	inBubble(t, func(t *testing.T, tm *timer.Timer, r *recorder) {
		tm.Start()
		id := add(t, tm, timer.Entry{Type: "t.once", Data: "x", Date: time.Now().Add(5 * time.Second)})
		pass(4 * time.Second)
		expect(t, r)
		pass(time.Second)
		expect(t, r, "1 t.once #1 x of 5s at 5s")
		if _, ok := tm.Entry(id); ok {
			t.Error("the entry is still there")
		}
		pass(time.Hour)
		expect(t, r)
	})
}

func TestExactNumberOfOccurrencesInOneSequence(t *testing.T) {
	inBubble(t, func(t *testing.T, tm *timer.Timer, r *recorder) {
		tm.Start()
		now := time.Now()
		add(t, tm, timer.Entry{Type: "t.three", Date: now.Add(time.Second), Period: 2 * time.Second, Occurrences: 3})
		add(t, tm, timer.Entry{Type: "t.other", Date: now.Add(3 * time.Second)})
		pass(time.Minute)
		expect(t, r, "1 t.three #1 <nil> of 1s at 1s", "2 t.three #1 <nil> of 3s at 3s", "3 t.other #2 <nil> of 3s at 3s", "4 t.three #1 <nil> of 5s at 5s")
		if len(tm.Entries()) > 0 {
			t.Errorf("left: %v", tm.Entries())
		}
	})
}

func TestDateInThePastIsNow(t *testing.T) {
	inBubble(t, func(t *testing.T, tm *timer.Timer, r *recorder) {
		pass(10 * time.Second)
		tm.Start()
		add(t, tm, timer.Entry{Type: "t.late", Date: time.Now().Add(-time.Hour), Period: time.Second, Occurrences: 2})
		pass(0)
		expect(t, r, "1 t.late #1 <nil> of 10s at 10s")
		pass(time.Second)
		expect(t, r, "2 t.late #1 <nil> of 11s at 11s")
	})
}

func TestFixedDelayFollowsTheEmissionAndFixedRateTheDate(t *testing.T) {
	inBubble(t, func(t *testing.T, tm *timer.Timer, r *recorder) {
		slow := true
		tm.Subscribe(func(n beans.Notification) {
			if slow { // the first emission keeps the timer busy for 2.5 s
				slow = false
				<-time.After(2500 * time.Millisecond)
			}
		}, nil)
		now := time.Now()
		add(t, tm, timer.Entry{Type: "t.first", Date: now.Add(time.Second)})
		add(t, tm, timer.Entry{Type: "t.rate", Date: now.Add(2 * time.Second), Period: time.Second, Occurrences: 4, FixedRate: true})
		add(t, tm, timer.Entry{Type: "t.delay", Date: now.Add(2 * time.Second), Period: time.Second, Occurrences: 3})
		tm.Start()
		pass(time.Minute)
		expect(t, r,
			"1 t.first #1 <nil> of 1s at 1s",
			"2 t.rate #2 <nil> of 2s at 3.5s",
			"3 t.delay #3 <nil> of 2s at 3.5s",
			"4 t.rate #2 <nil> of 3s at 3.5s",
			"5 t.rate #2 <nil> of 4s at 4s",
			"6 t.delay #3 <nil> of 3s at 4.5s",
			"7 t.rate #2 <nil> of 5s at 5s",
			"8 t.delay #3 <nil> of 4s at 5.5s")
	})
}

func TestStopKeepsEntriesAndStartSkipsWhatPassed(t *testing.T) {
	inBubble(t, func(t *testing.T, tm *timer.Timer, r *recorder) {
		now := time.Now()
		add(t, tm, timer.Entry{Type: "t.ever", Date: now.Add(time.Second), Period: 2 * time.Second})
		add(t, tm, timer.Entry{Type: "t.four", Date: now.Add(time.Second), Period: 2 * time.Second, Occurrences: 4})
		add(t, tm, timer.Entry{Type: "t.once", Date: now.Add(time.Second)})
		tm.Start()
		pass(2 * time.Second)
		tm.Stop()
		if tm.Active() || len(tm.Entries()) != 2 {
			t.Errorf("active %v, entries %v", tm.Active(), tm.Entries())
		}
		r.take()
		pass(4 * time.Second) // 6 s: missed 3 s and 5 s
		tm.Start()
		expect(t, r)
		if e, _ := tm.Entry(2); e.Date.Sub(now) != 7*time.Second || e.Occurrences != 1 {
			t.Errorf("after the start: %+v", e)
		}
		pass(2 * time.Second)
		expect(t, r, "4 t.ever #1 <nil> of 7s at 7s", "5 t.four #2 <nil> of 7s at 7s")
		tm.Stop()
		pass(time.Hour)
		add(t, tm, timer.Entry{Type: "t.once", Date: time.Now().Add(time.Second)})
		pass(2 * time.Second)
		tm.Start()
		pass(0)
		expect(t, r)
		if ids, _ := tm.Attribute(t.Context(), "AllNotificationIDs"); !cmp.Equal(ids, []int64{1}) {
			t.Errorf("left: %v; what passed while the timer was stopped goes with its last date", ids)
		}
	})
}

func TestStartSendsWhatPassed(t *testing.T) {
	inBubble(t, func(t *testing.T, tm *timer.Timer, r *recorder) {
		tm.SetSendPast(true)
		now := time.Now()
		add(t, tm, timer.Entry{Type: "t.two", Date: now.Add(time.Second), Period: time.Second, Occurrences: 2})
		add(t, tm, timer.Entry{Type: "t.ever", Date: now.Add(2 * time.Second), Period: 2 * time.Second})
		pass(5 * time.Second)
		tm.Start()
		expect(t, r,
			"1 t.two #1 <nil> of 1s at 5s", "2 t.two #1 <nil> of 2s at 5s",
			"3 t.ever #2 <nil> of 2s at 5s", "4 t.ever #2 <nil> of 4s at 5s")
		tm.Start()
		pass(time.Second)
		expect(t, r, "5 t.ever #2 <nil> of 6s at 6s")
	})
}

func TestPastIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := timer.New()
		tm.SetSendPast(true)
		count := 0
		tm.Subscribe(func(beans.Notification) { count++ }, nil)
		add(t, tm, timer.Entry{Type: "t", Date: time.Now(), Period: time.Millisecond})
		pass(365 * 24 * time.Hour)
		tm.Start()
		if count != timer.MaxPast {
			t.Errorf("%d emitted", count)
		}
		if e := tm.Entries()[0]; !e.Date.Equal(time.Now()) {
			t.Errorf("the next date is %v, not %v", e.Date, time.Now())
		}
	})
}

func TestRemoveAllResetsIDs(t *testing.T) {
	tm := timer.New()
	later := timer.Entry{Type: "t.a", Date: time.Now().Add(time.Hour)}
	for i := range 3 {
		if id := add(t, tm, later); id != int64(i+1) {
			t.Errorf("ID %d", id)
		}
	}
	if err := tm.Remove(2); err != nil {
		t.Error(err)
	}
	if id := add(t, tm, later); id != 4 {
		t.Errorf("ID %d after a removal", id)
	}
	tm.RemoveAll()
	if id := add(t, tm, later); id != 1 {
		t.Errorf("ID %d after removing all", id)
	}
	if err := tm.RemoveType("t.a"); err != nil || len(tm.Entries()) > 0 {
		t.Errorf("%v, left %v", err, tm.Entries())
	}
}

func TestTimerErrors(t *testing.T) {
	tm, ctx, now := timer.New(), t.Context(), time.Now()
	try := func(e timer.Entry) error { _, err := tm.Add(e); return err }
	invoke := func(op string, args ...beans.Value) error { _, err := tm.Invoke(ctx, op, args); return err }
	for _, tt := range []struct {
		err, is error
		want    string
	}{
		{try(timer.Entry{}), beans.ErrInvalidValue, "add to the timer: invalid value: there is no date"},
		{try(timer.Entry{Date: now, Period: -1}), beans.ErrInvalidValue, "add to the timer: invalid value: the period -1ns is negative"},
		{try(timer.Entry{Date: now, Period: 1}), beans.ErrInvalidValue, "add to the timer: invalid value: the period 1ns is below the bound of 1ms"},
		{try(timer.Entry{Date: now, Occurrences: -1}), beans.ErrInvalidValue, "add to the timer: invalid value: -1 occurrences"},
		{tm.Remove(7), beans.ErrNotFound, "remove from the timer: no such bean: notification 7"},
		{tm.RemoveType("x"), beans.ErrNotFound, `remove from the timer: no such bean: notifications of type "x"`},
		{invoke("addNotification", "a", "b", nil), beans.ErrInvalidValue, `operation "addNotification": invalid value: 3 arguments for 4 or 5 or 6 or 7 parameters`},
		{invoke("addNotification", "a", "b", nil, nil), beans.ErrInvalidValue, `operation "addNotification": parameter "date": invalid value: nothing is no time`},
		{invoke("addNotification", "a", "b", nil, now, int64(1<<62)), beans.ErrInvalidValue, `operation "addNotification": invalid value: a period of 4611686018427387904 ms is out of range`},
		{invoke("addNotification", "a", "b", nil, now, 1, 1, true, 1), beans.ErrInvalidValue, `operation "addNotification": invalid value: 8 arguments for 4 or 5 or 6 or 7 parameters`},
		{invoke("removeNotification", 7), beans.ErrNotFound, "remove from the timer: no such bean: notification 7"},
	} {
		if tt.err == nil || tt.err.Error() != tt.want || !errors.Is(tt.err, tt.is) {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
	for range timer.MaxEntries {
		add(t, tm, timer.Entry{Type: "t", Date: now.Add(time.Hour)})
	}
	if err := try(timer.Entry{Type: "t", Date: now}); !errors.Is(err, timer.ErrFull) || err.Error() != "add to the timer: it has its bound of 10000 entries" {
		t.Errorf("beyond the bound: %v", err)
	}
}

func TestTimerAsBean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s, err := beans.NewServer(beans.ServerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		tm := timer.New()
		n, err := s.Register(tm, beans.MustName(":type=Timer"))
		if err != nil {
			t.Fatal(err)
		}
		invoke := func(op string, args ...beans.Value) beans.Value {
			t.Helper()
			v, err := s.Invoke(ctx, n, op, args...)
			if err != nil {
				t.Error(err)
			}
			return v
		}
		date := time.Now().Add(time.Hour)
		if id := invoke("addNotification", "t.a", "tea", "milk", date, 1500, 3, "true"); id != int64(1) {
			t.Errorf("ID %v", id)
		}
		invoke("addNotification", "t.b", "coffee", nil, date.Format(time.RFC3339Nano))
		invoke("start")
		for op, want := range map[string]beans.Value{
			"getNotificationType": "t.a", "getNotificationMessage": "tea", "getNotificationUserData": "milk",
			"getDate": date, "getPeriod": int64(1500), "getNbOccurences": int64(3), "getFixedRate": true,
		} {
			if diff := cmp.Diff(want, invoke(op, 1)); diff != "" {
				t.Errorf("%s: %s", op, diff)
			}
			if got := invoke(op, 9); got != nil {
				t.Errorf("%s of an unknown ID: %v", op, got)
			}
		}
		if got := invoke("getNotificationIDs", "t.b"); !cmp.Equal(got, []int64{2}) {
			t.Errorf("getNotificationIDs: %v", got)
		}
		for attribute, want := range map[string]beans.Value{
			"NbNotifications": int64(2), "AllNotificationIDs": []int64{1, 2}, "SendPastNotifications": false, "Active": true, "Empty": false, "state": "running",
		} {
			got, err := s.Attribute(ctx, n, attribute)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: %v %s", attribute, err, diff)
			}
		}
		info, err := s.Info(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Notifications[len(info.Notifications)-1].Types; !cmp.Equal(got, []string{"t.a", "t.b"}) {
			t.Errorf("types: %v", got)
		}
		if err := s.SetAttribute(ctx, n, "SendPastNotifications", true); err != nil || !tm.SendPast() {
			t.Errorf("SendPastNotifications: %v", err)
		}
		if err := s.Unregister(n); err != nil || tm.Active() {
			t.Errorf("unregistered with %v, active %v", err, tm.Active())
		}
	})
}

func TestTimerKeepsTheContract(t *testing.T) {
	beanstest.Bean(t, func(t *testing.T) beans.Bean {
		tm := timer.New()
		add(t, tm, timer.Entry{Type: "t.a", Date: time.Now().Add(time.Hour)})
		return tm
	})
}

func TestListenerMayChangeTheTimer(t *testing.T) {
	inBubble(t, func(t *testing.T, tm *timer.Timer, r *recorder) {
		tm.Subscribe(func(n beans.Notification) {
			if n.Type == "t.first" {
				tm.RemoveAll()
				add(t, tm, timer.Entry{Type: "t.second", Date: time.Now().Add(time.Second)})
			} else {
				tm.Stop()
			}
		}, nil)
		now := time.Now()
		add(t, tm, timer.Entry{Type: "t.first", Date: now.Add(time.Second), Period: time.Second})
		tm.Start()
		pass(time.Minute)
		expect(t, r, "1 t.first #1 <nil> of 1s at 1s", "2 t.second #1 <nil> of 2s at 2s")
		if tm.Active() {
			t.Error("the timer is active")
		}
	})
}
