package duty

import (
	"fmt"
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
	for i := 0; i < 320; i++ { // 80 seconds
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

// explore plays an act once for each point at which something can go wrong, and each thing
// that can: every manager is killed there, for a moment or for long, and the message or the
// write is lost.
func explore(t *testing.T, names []string, prepare, a act) {
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
		all = append(all, fault{point: i, lose: true})
		for _, n := range names {
			for _, down := range []time.Duration{time.Second, 30 * time.Second} {
				all = append(all, fault{point: i, victim: n, down: down})
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
	explore(t, []string{"h", "a", "b"}, func(w *world) {
		w.own("a", "sw1")
		w.startAll()
	}, func(w *world) {
		if err := w.m("a").life.duty.Give(w.t.Context(), "sw1", Wish{To: "b"}); err != nil {
			w.t.Log(err)
		}
	})
}
