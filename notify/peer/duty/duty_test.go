package duty

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"grove/notify/peer/duty/book"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs a test in a world of managers, the first of which is home to the others.
func bubble(t *testing.T, seed uint64, names []string, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, names...)
		test(w)
	})
}

// pass lets time go by. It is the bubble's.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

// watcher returns who watches a device: the letters of all who do.
func (w *world) watcher(owner, name string) (who string) {
	for _, m := range []string{"h", "a", "b", "c", "d"} {
		x := w.all[id(m)]
		if x == nil || x.life == nil {
			continue
		}
		x.life.mu.Lock()
		if _, ok := x.life.watches[Key{Owner: id(owner), Name: name}]; ok {
			who += m
		}
		x.life.mu.Unlock()
	}
	return who
}

// is holds who watches a device.
func (w *world) is(owner, name, want string) {
	w.t.Helper()
	if who := w.watcher(owner, name); who != want {
		w.t.Errorf("after %v: %s is watched by %q, not by %q", time.Since(start(w)), name, who, want)
	}
}

func (w *world) startAll() {
	for _, n := range []string{"h", "a", "b", "c", "d"} {
		if m := w.all[id(n)]; m != nil {
			m.start()
		}
	}
	pass(10 * time.Second)
}

func TestDelegation(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1", "sw2")
		w.startAll()
		w.is("a", "sw1", "a")
		a := w.m("a").life.duty
		if err := a.Give(t.Context(), "sw1", Wish{To: "b", By: "ann", Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		w.is("a", "sw1", "b")
		w.is("a", "sw2", "a")
		pass(time.Hour)
		w.is("a", "sw1", "a")
		moves, err := a.Moves(t.Context(), book.Query{Limit: 10})
		if err != nil || len(moves) != 2 || moves[1].Why != book.Given || moves[1].By != "ann" || moves[0].Why != book.Returned {
			t.Errorf("moves %+v, %v", moves, err)
		}
		w.quiet()
	})
}

func TestTakeoverAndReturn(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1", "sw2", "sw3", "sw4")
		w.startAll()
		w.m("a").kill()
		pass(10 * time.Second)
		w.is("a", "sw1", "b")
		if w.gap > 10*time.Second {
			t.Errorf("nobody watched for %v", w.gap)
		}
		pass(time.Minute)
		w.m("a").start()
		pass(5 * time.Second)
		for _, d := range []string{"sw1", "sw2", "sw3", "sw4"} {
			w.is("a", d, "a")
		}
		w.quiet()
	})
}

func TestHandover(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1", "sw2")
		w.startAll()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.m("a").life.duty.Handover(ctx, "b", "ann"); err != nil {
			t.Fatal(err)
		}
		w.is("a", "sw1", "b")
		w.is("a", "sw2", "b")
		w.m("a").kill()
		pass(time.Minute)
		w.quiet()
		w.m("a").start()
		pass(5 * time.Second)
		w.is("a", "sw1", "a")
		w.quiet()
	})
}

func TestCutOff(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1")
		w.startAll()
		w.isolate("a", true)
		pass(20 * time.Second)
		w.is("a", "sw1", "ab")
		if why, held := w.m("a").life.duty.Held(tree.MustPath("/sw1")); !held {
			t.Errorf("messages go out though a stand-in tells as well: %q", why)
		}
		if _, held := w.m("b").life.duty.HeldDevice(Key{Owner: id("a"), Name: "sw1"}, time.Now()); held {
			t.Error("the stand-in does not tell")
		}
		w.isolate("a", false)
		pass(10 * time.Second)
		w.is("a", "sw1", "a")
		if len(w.m("a").life.back) != 1 {
			t.Error("nobody was told that it is back")
		}
		w.quiet()
	})
}
