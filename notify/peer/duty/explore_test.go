package duty

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// fault is what happens at one point of a scenario.
type fault struct {
	point  int           // the how manyeth from the beginning
	victim string        // who is killed; empty: nobody
	down   time.Duration // for how long
	lose   bool          // the message is lost, or the disk refuses
}

func (f fault) String() string {
	if f.lose {
		return fmt.Sprintf("point %d is lost", f.point)
	}
	return fmt.Sprintf("at point %d %s is killed for %v", f.point, f.victim, f.down)
}

// act lets a world begin what is to be explored.
type act func(w *world)

// run plays an act with some faults, waits until all is quiet, and judges. It returns how
// many points there were in the first seconds, and what they were.
func (w *world) run(a act, faults ...fault) (points []string) {
	var mu sync.Mutex
	type rise struct {
		name string
		at   time.Time
	}
	var rises []rise
	recording := true
	w.point = func(m *manager, what string) (lose bool) {
		mu.Lock()
		if !recording {
			mu.Unlock()
			return false
		}
		n := len(points)
		points = append(points, m.name+" "+what)
		mu.Unlock()
		for _, f := range faults {
			if f.point != n {
				continue
			}
			lose = lose || f.lose
			if f.victim != "" {
				w.m(f.victim).kill()
				mu.Lock()
				rises = append(rises, rise{f.victim, time.Now().Add(f.down)})
				mu.Unlock()
			}
		}
		return lose
	}
	a(w)
	for i := 0; i < 200; i++ { // 50 seconds
		pass(250 * time.Millisecond)
		mu.Lock()
		recording = i < 40
		var up []string
		for k := 0; k < len(rises); {
			if !time.Now().Before(rises[k].at) {
				up = append(up, rises[k].name)
				rises = append(rises[:k], rises[k+1:]...)
				continue
			}
			k++
		}
		mu.Unlock()
		for _, n := range up {
			w.m(n).start()
		}
	}
	w.point = nil
	w.quiet()
	return points
}

// everything says that there is time to try all that there is: GROVE_TEST_SEEDS is set.
func everything() bool { return os.Getenv("GROVE_TEST_SEEDS") != "" }

// explore plays an act once for each point at which something can go wrong, and each thing
// that can: every manager is killed there, for a moment or for long, and the message or the
// write is lost. Unless there is time for everything, each third loss and each sixth kill is
// tried.
func explore(t *testing.T, names, victims []string, prepare, a act) {
	t.Helper()
	play := func(t *testing.T, faults ...fault) (points []string) {
		bubble(t, 1, names, func(w *world) {
			prepare(w)
			points = w.run(a, faults...)
			if w.t.Failed() {
				w.t.Logf("%v", faults)
				for i, p := range points {
					w.t.Logf("  %d %s", i, p)
				}
			}
		})
		return points
	}
	points := play(t)
	t.Logf("%d points", len(points))
	var all []fault
	for i := range points {
		if i%3 == 0 || everything() {
			all = append(all, fault{point: i, lose: true})
		}
		for v, n := range victims {
			for k, down := range []time.Duration{time.Second, 20 * time.Second} {
				if (i+5*v)%12 == 6*k || everything() {
					all = append(all, fault{point: i, victim: n, down: down})
				}
			}
		}
	}
	for _, f := range all {
		play(t, f)
		if t.Failed() {
			t.Fatalf("%v", f)
		}
	}
}

func TestExploreDelegation(t *testing.T) {
	explore(t, []string{"h", "a", "b"}, []string{"h", "a", "b"}, func(w *world) {
		w.own("a", "sw1")
		w.startAll()
	}, func(w *world) {
		if err := w.m("a").life.duty.Give(w.t.Context(), "sw1", Wish{To: "b"}); err != nil {
			w.t.Log(err)
		}
	})
}

// TestExploreReturn: a manager has died and is back, and its device goes back to it.
func TestExploreReturn(t *testing.T) {
	explore(t, []string{"h", "a", "b"}, []string{"h", "a", "b"}, func(w *world) {
		w.own("a", "sw1")
		w.startAll()
		w.m("a").kill()
		pass(15 * time.Second)
		w.is("a", "sw1", "b")
	}, func(w *world) { w.m("a").start() })
}

// TestExploreTakeover: a manager dies for good, and what others do about it goes wrong.
func TestExploreTakeover(t *testing.T) {
	explore(t, []string{"h", "a", "b", "c"}, []string{"h", "b", "c"}, func(w *world) {
		w.own("a", "sw1")
		w.startAll()
	}, func(w *world) { w.m("a").kill() })
}

// TestExploreHandover: a manager gives everything away, and stops.
func TestExploreHandover(t *testing.T) {
	explore(t, []string{"h", "a", "b"}, []string{"h", "a", "b"}, func(w *world) {
		w.own("a", "sw1")
		w.own("h", "sw2")
		w.startAll()
	}, func(w *world) {
		ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
		defer cancel()
		if a := w.m("a").life; a != nil {
			_ = a.duty.Handover(ctx, "", "ann") // It may be killed meanwhile.
		}
	})
}
