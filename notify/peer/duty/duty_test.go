package duty

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
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
	w.gap = 0
}

func TestDelegation(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1", "sw2")
		w.startAll()
		w.is("a", "sw1", "a")
		a := w.m("a").life.duty
		if err := a.Give(t.Context(), "sw1", Wish{To: "b", By: "ann", Until: time.Now().Add(5 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		w.is("a", "sw1", "b")
		w.is("a", "sw2", "a")
		if w.gap > 0 {
			t.Errorf("nobody watched for %v", w.gap)
		}
		pass(5 * time.Minute)
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
		if n := len(w.m("a").life.back); n != 1 {
			t.Errorf("it was told %d times that the device is back", n)
		}
		w.quiet()
	})
}

// TestLateReport: what a manager said of itself before it was told to watch a device, and
// home hears only afterwards, moves nothing.
func TestLateReport(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1")
		w.startAll()
		b := w.m("b").life.duty
		var once sync.Once
		written, late := make(chan struct{}), make(chan struct{})
		w.point = func(m *manager, what string) bool {
			switch {
			case m.name == "h" && what == "ask "+kindRelease: // b has prepared
				go func() { _ = b.tell(t.Context(), id("h"), false) }()
				<-written
			case m.name == "b" && what == "ask "+kindLive:
				once.Do(func() { close(written) })
				<-late
			}
			return false
		}
		if err := w.m("a").life.duty.Give(t.Context(), "sw1", Wish{To: "b"}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		w.is("a", "sw1", "b")
		before := *w.m("h").life.duty.rows[Key{Owner: id("a"), Name: "sw1"}]
		close(late)
		pass(2 * time.Second)
		if after := *w.m("h").life.duty.rows[before.Key]; after.Epoch != before.Epoch || after.State != book.Watched {
			t.Errorf("epoch %d, and after a late report %d, %s", before.Epoch, after.Epoch, after.State)
		}
		if n := len(w.m("b").life.came); n != 1 {
			t.Errorf("it was told %d times that the device came", n)
		}
		w.quiet()
	})
}

// TestMoveIsKept: a move is in the history though the answer of who took the device is lost.
func TestMoveIsKept(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1")
		w.startAll()
		var heard atomic.Bool
		w.point = func(m *manager, what string) bool {
			return m.name == "h" && what == "answer "+kindTake && !heard.Load()
		}
		if err := w.m("a").life.duty.Give(t.Context(), "sw1", Wish{To: "b", By: "ann"}); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if err := w.m("b").life.duty.tell(t.Context(), id("h"), false); err != nil {
			t.Fatal(err)
		}
		heard.Store(true)
		moves, err := w.m("a").life.duty.Moves(t.Context(), book.Query{Limit: 10})
		if err != nil || len(moves) != 1 || moves[0].From != id("a") || moves[0].To != id("b") || moves[0].Why != book.Given || moves[0].By != "ann" || moves[0].State != "done" || moves[0].Took == 0 {
			t.Errorf("moves %+v, %v", moves, err)
		}
		pass(time.Minute)
		if n := len(w.m("h").disk.moves); n != 1 {
			t.Errorf("%d moves", n)
		}
		w.quiet()
	})
}

// TestHomeDies: another one becomes home, learns from all what they watch, takes over what the
// home had, and what dies later; the first one comes back as one of many.
func TestHomeDies(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b", "c"}, func(w *world) {
		t := w.t
		w.others = []peer.ID{id("b")}
		w.own("h", "core")
		w.own("a", "sw1")
		w.own("c", "sw2")
		w.startAll()
		w.m("a").kill()
		pass(12 * time.Second)
		before := w.watcher("a", "sw1")
		if before == "" {
			t.Fatal("sw1 is not taken over")
		}
		w.m("h").kill()
		pass(5 * time.Second)
		w.succeed("b")
		pass(20 * time.Second)
		if who := w.watcher("h", "core"); who != "b" && who != "c" {
			t.Errorf("the device of the home is watched by %q", who)
		}
		if before != "h" {
			w.is("a", "sw1", before)
		}
		w.quiet()
		w.m("c").kill()
		pass(20 * time.Second)
		w.is("c", "sw2", "b")
		w.m("h").start()
		w.m("a").start()
		w.m("c").start()
		pass(10 * time.Second)
		w.is("h", "core", "h")
		w.is("a", "sw1", "a")
		w.is("c", "sw2", "c")
		w.quiet()
	})
}

// TestRefusals: who lacks something is not given a device, and another one is.
func TestRefusals(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b", "c"}, func(w *world) {
		t := w.t
		w.own("a", "sw1")
		w.m("b").lacks = map[string]error{"sw1": errors.New("there is no secret file:/etc/grove/community")}
		w.m("c").kinds = []string{"http"}
		w.startAll()
		a := w.m("a").life.duty
		if err := a.Give(t.Context(), "sw1", Wish{To: "c"}); err == nil || err.Error() != "device sw1: nobody can take sw1: c runs no probes of the kind snmp" {
			t.Error(err)
		}
		if err := a.Give(t.Context(), "sw1", Wish{To: "x"}); err == nil || err.Error() != `device sw1: home knows no manager "x"` {
			t.Error(err)
		}
		if err := a.Give(t.Context(), "sw9", Wish{To: "b"}); !errors.Is(err, ErrNone) {
			t.Error(err)
		}
		if err := a.Give(t.Context(), "sw1", Wish{To: "b"}); err != nil {
			t.Error(err)
		}
		pass(3 * time.Second)
		w.is("a", "sw1", "a")
		moves, err := a.Moves(t.Context(), book.Query{Limit: 1})
		if err != nil || len(moves) != 1 || moves[0].State != "failed" || moves[0].Error != "there is no secret file:/etc/grove/community" {
			t.Errorf("%+v, %v", moves, err)
		}
		w.m("a").kill()
		pass(12 * time.Second)
		w.is("a", "sw1", "h")
		w.quiet()
	})
}

// TestOnlyHomeGives: no manager has another one watch a device by itself, though it is its own.
func TestOnlyHomeGives(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.startAll()
		a := w.m("a").life
		k := Key{Owner: id("a"), Name: "trojan"}
		p := a.packed(k, 1)
		p.By = k.Owner
		blob, err := parcel.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{"b", "h"} {
			for _, kind := range []string{kindOffer, kindTake, kindRelease} {
				if _, err := a.duty.ask(t.Context(), id(to), kind, order{Key: k, Epoch: 2, From: k.Owner}, blob, nil); !peer.IsRefusal(err, peer.Refused) {
					t.Errorf("%s to %s: %v", kind, to, err)
				}
			}
		}
		pass(3 * time.Second)
		w.is("a", "trojan", "")
	})
}

// TestNothingIsLeftWithOthers: who is no integration manager keeps nothing for others.
func TestNothingIsLeftWithOthers(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.startAll()
		a := w.m("a").life
		k := Key{Owner: id("c"), Name: "ballast"}
		p := a.packed(k, 1)
		p.By = id("a")
		blob, err := parcel.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.duty.ask(t.Context(), id("b"), kindLeave, left{Key: k, Epoch: 7}, blob, nil); !peer.IsRefusal(err, peer.Refused) {
			t.Error(err)
		}
		if n := len(w.m("b").life.duty.rows); n > 0 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestNobody: what nobody can watch is shown with the reason, and is watched again when its
// owner is back.
func TestNobody(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "host", "sw1")
		w.m("a").devices[0].Fixed = "it watches this machine itself"
		w.m("b").capacity, w.m("h").capacity = 0, 0
		w.startAll()
		if err := w.m("a").life.duty.Give(t.Context(), "host", Wish{To: "b"}); err == nil || err.Error() != "device host: no other manager can watch host: it watches this machine itself" {
			t.Error(err)
		}
		w.m("a").kill()
		pass(12 * time.Second)
		list, err := w.m("b").life.duty.Devices(t.Context())
		if err != nil || len(list) != 2 || list[0].State != "orphaned" || list[1].State != "orphaned" ||
			list[0].Reason != "it went with its manager: it watches this machine itself" || list[1].Reason != "all 2 managers that could take it are full: raise their capacity in peers.yaml" {
			t.Errorf("%+v, %v", list, err)
		}
		w.mu.Lock()
		w.m("b").capacity = 10 // as when somebody has raised it
		w.mu.Unlock()
		pass(2 * time.Second)
		w.is("a", "sw1", "b")
		w.m("a").start()
		pass(5 * time.Second)
		w.is("a", "host", "a")
		w.is("a", "sw1", "a")
		w.quiet()
	})
}

// TestWithoutHome: a manager without a home keeps the book itself, and what it has given
// stays where it is while it is away.
func TestWithoutHome(t *testing.T) {
	bubble(t, 1, []string{"h", "a"}, func(w *world) {
		t := w.t
		w.own("h", "sw1")
		w.startAll()
		if err := w.m("h").life.duty.Give(t.Context(), "sw1", Wish{To: "a"}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		w.is("h", "sw1", "a")
		w.m("h").kill()
		pass(time.Minute)
		w.is("h", "sw1", "a")
		w.m("h").start()
		pass(5 * time.Second)
		w.is("h", "sw1", "a")
		w.m("a").kill()
		pass(12 * time.Second)
		w.is("h", "sw1", "h")
		w.m("a").start()
		pass(5 * time.Second)
		w.is("h", "sw1", "a")
		w.quiet()
	})
}

// TestStartWithBusyHome: a manager waits for a home that is there and slow, and does not watch
// beside the one that watches its device meanwhile.
func TestStartWithBusyHome(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		w.own("a", "sw1")
		w.startAll()
		pass(10 * time.Second)
		w.m("a").kill()
		pass(12 * time.Second)
		w.net.Slow(550*time.Millisecond, 0)
		w.m("a").start()
		if w.m("a").life.duty.May("sw1") {
			w.t.Error("it watches what another one watches")
		}
		w.net.Slow(0, 0)
		pass(20 * time.Second)
		w.is("a", "sw1", "a")
		w.quiet()
	})
}

// TestStartWithoutHome: a manager whose home does not answer watches what it had, fenced.
func TestStartWithoutHome(t *testing.T) {
	bubble(t, 1, []string{"h", "a"}, func(w *world) {
		t := w.t
		w.own("a", "sw1")
		w.startAll()
		w.m("a").kill()
		w.m("h").kill()
		pass(time.Second)
		began := time.Now()
		a := w.m("a").start()
		if took := time.Since(began); took > startTime+time.Second {
			t.Errorf("it took %v to start", took)
		}
		w.is("a", "sw1", "a")
		path := tree.MustPath("/sw1")
		if _, held := a.duty.Held(path); !held {
			t.Error("messages go out at once")
		}
		pass(3 * time.Minute)
		if why, held := a.duty.Held(path); held {
			t.Errorf("messages wait for ever: %s", why)
		}
		w.m("h").start()
		pass(5 * time.Second)
		w.is("a", "sw1", "a")
		if why, held := a.duty.Held(path); held {
			t.Errorf("messages wait though home answers: %s", why)
		}
		w.quiet()
	})
}

// TestManyDevices: hundreds of devices have new watchers within ten seconds of a death.
func TestManyDevices(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b", "c"}, func(w *world) {
		t := w.t
		for i := range 300 {
			w.own("a", fmt.Sprint("sw", i))
		}
		for _, m := range w.all {
			m.capacity = 2000
		}
		w.startAll()
		w.m("a").kill()
		pass(12 * time.Second)
		if w.gap > 10*time.Second {
			t.Errorf("nobody watched for %v", w.gap)
		}
		for _, n := range []string{"h", "b", "c"} {
			l := w.m(n).life
			l.mu.Lock()
			if got := len(l.watches); got < 95 || got > 105 {
				t.Errorf("%s has got %d", n, got)
			}
			l.mu.Unlock()
		}
		w.quiet()
		w.m("a").start()
		pass(10 * time.Second)
		if got := len(w.m("a").life.watches); got != 300 {
			t.Errorf("%d have gone back", got)
		}
		w.quiet()
	})
}

// TestManyDevicesShareWrites holds that many devices that move at the same time do not wait for
// the disk one after the other.
func TestManyDevicesShareWrites(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		const devices = 150
		for i := range devices {
			w.own("a", fmt.Sprint("sw", i))
		}
		for _, m := range w.all {
			m.capacity, m.disk.slow = 2*devices, 20*time.Millisecond
		}
		w.startAll()
		for _, c := range []struct {
			what string
			do   func()
			by   string
		}{
			{"taken over", w.m("a").kill, "hb"}, {"given back", func() { w.m("a").start() }, "a"},
		} {
			were := map[string]int{}
			for _, m := range w.all {
				were[m.name] = m.disk.written()
			}
			c.do()
			pass(30 * time.Second)
			for i := range devices {
				if who := w.watcher("a", fmt.Sprint("sw", i)); who == "" || !strings.Contains(c.by, who) {
					w.t.Fatalf("sw%d is watched by %q when all are %s", i, who, c.what)
				}
			}
			for _, m := range w.all {
				// Each is written about several times.
				if n := m.disk.written() - were[m.name]; n > devices/2 {
					w.t.Errorf("%s has written %d times while %d devices were %s", m.name, n, devices, c.what)
				}
			}
		}
		w.quiet()
		for _, m := range w.all {
			m.disk.mu.Lock()
			m.disk.slow = 0 // Nobody waits for it when all end.
			m.disk.mu.Unlock()
		}
		pass(time.Second)
	})
}

// TestOldBook: a home whose database was restored from before a move, and that move, come
// together again.
func TestOldBook(t *testing.T) {
	bubble(t, 1, []string{"h", "a", "b"}, func(w *world) {
		t := w.t
		w.own("a", "sw1", "sw2")
		w.startAll()
		rows := maps.Clone(w.m("h").disk.rows)
		if err := w.m("a").life.duty.Give(t.Context(), "sw1", Wish{To: "b"}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		w.is("a", "sw1", "b")
		w.m("h").kill()
		pass(time.Second)
		w.m("h").disk.rows, w.m("h").disk.moves = rows, nil
		w.m("h").start()
		pass(2 * liveEvery)
		w.is("a", "sw2", "a")
		w.quiet()
	})
}
