package duty

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"grove/notify/peer"
)

// TestRandomFaults lets 3 to 5 managers die, return, lose each other and be asked for moves, all
// at random, and holds what always holds; in the end that each device is watched once.
func TestRandomFaults(t *testing.T) {
	runs := 3
	if n, err := strconv.Atoi(os.Getenv("GROVE_TEST_SEEDS")); err == nil {
		runs = n
	}
	for seed := range uint64(runs) {
		randomFaults(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomFaults(t *testing.T, seed uint64) {
	t.Helper()
	names := []string{"h", "a", "b", "c", "d"}[:3+seed%3]
	var said []string
	bubble(t, seed, names, func(w *world) {
		random := rand.New(rand.NewPCG(seed, 7))
		begin := time.Now()
		say := func(format string, args ...any) {
			said = append(said, fmt.Sprintf("%8v ", time.Since(begin))+fmt.Sprintf(format, args...))
		}
		w.untold = seed%2 == 1
		w.others = []peer.ID{id("h"), id("b")}
		var devices []string
		for _, n := range names {
			for i := range 1 + random.IntN(3) {
				devices = append(devices, fmt.Sprintf("%s-%d", n, i))
				w.own(n, devices[len(devices)-1])
			}
		}
		w.startAll()
		any := func() string { return names[random.IntN(len(names))] }
		for range 20 {
			switch n := any(); random.IntN(9) {
			case 0, 1:
				say("kill %s", n)
				w.m(n).kill()
			case 2, 3:
				for _, n := range names {
					if w.m(n).life == nil {
						say("start %s", n)
						w.m(n).start()
						break
					}
				}
			case 4:
				say("isolate %s", n)
				w.isolate(n, true)
			case 5:
				say("cut a link of %s", n)
				if o := any(); o != n {
					w.mu.Lock()
					w.cut[[2]peer.ID{id(n), id(o)}] = true
					w.mu.Unlock()
					w.net.Cut(id(n), id(o), true)
				}
			case 8:
				other := id("b")
				if w.home == other {
					other = id("h")
				}
				if w.all[w.home].life == nil && w.all[other].life != nil {
					pass(leaseTime)
					say("%s becomes home", w.all[other].name)
					w.succeed(w.all[other].name)
				}
			case 6:
				say("mend all")
				mend(w)
			case 7:
				l := w.m(n).life
				if l == nil {
					break
				}
				ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second)
				device, to := devices[random.IntN(len(devices))], any()
				switch random.IntN(4) {
				case 0:
					say("%s asks for a handover", n)
					_ = l.duty.Handover(ctx, "", "ann")
				case 1:
					say("%s is live", n)
					_ = l.duty.Live(ctx)
				case 2:
					say("%s returns %s", n, device)
					_ = l.duty.Return(ctx, device, "ann")
				default:
					say("%s gives %s to %s", n, device, to)
					_ = l.duty.Give(ctx, device, Wish{To: to, Until: time.Now().Add(time.Duration(random.IntN(120)) * time.Second)})
				}
				cancel()
			}
			pass(time.Duration(random.IntN(8000)) * time.Millisecond)
		}
		say("the end")
		mend(w)
		for _, n := range names {
			if w.m(n).life == nil {
				w.m(n).start()
			}
		}
		pass(200 * time.Second)
		w.quiet()
		if w.t.Failed() {
			for _, s := range said {
				w.t.Log(s)
			}
		}
	})
}

func mend(w *world) {
	for a := range w.all {
		for b := range w.all {
			if a != b {
				w.cutBoth(a, b, false)
			}
		}
	}
}
