package registry

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// trial is a network with faults by chance, and what must hold in it whatever they are.
type trial struct {
	*world
	names   []string
	random  *rand.Rand
	dead    map[string]bool
	frozen  map[string]bool
	cuts    map[[2]string]bool
	sound   map[[2]string]time.Time // since when a way is as it should be, both ends included
	judged  map[[2]string]int64     // tokens of verdicts that were looked at
	history []string
}

// settled is how long something was as it is for others to have to know it: one lease, and
// what it takes to ask.
const settled = 8 * time.Second

func (w *trial) log(format string, args ...any) {
	w.history = append(w.history, fmt.Sprintf("%6.2f ", time.Since(epoch).Seconds())+fmt.Sprintf(format, args...))
}

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// up says whether a manager runs and is not frozen.
func (w *trial) up(name string) bool { return !w.dead[name] && !w.frozen[name] }

// linked says whether two have heard each other without a gap for long enough.
func (w *trial) linked(a, b string) bool {
	for _, way := range [][2]string{{a, b}, {b, a}} {
		if since, ok := w.sound[way]; !ok || time.Since(since) < settled {
			return false
		}
	}
	return true
}

// fault does something by chance.
func (w *trial) fault() {
	a := w.names[w.random.IntN(len(w.names))]
	b := w.names[w.random.IntN(len(w.names))]
	switch n := w.random.IntN(100); {
	case n < 35 && a != b:
		w.way(a, b, true)
	case n < 45 && a != b:
		w.way(a, b, true)
		w.way(b, a, true)
	case n < 70:
		if len(w.cuts) > 0 {
			way := w.oneCut()
			w.way(way[0], way[1], false)
		}
	case n < 78:
		if w.up(a) {
			w.log("freeze %s", a)
			w.nodes[a].ice.freeze(true)
			w.frozen[a] = true
		}
	case n < 86:
		w.thaw(a)
	case n < 92:
		if w.up(a) {
			w.log("kill %s", a)
			w.kill(a)
			w.dead[a] = true
		}
	default:
		w.revive(a)
	}
}

// oneCut is one of the ways that are cut.
func (w *trial) oneCut() [2]string {
	ways := slices.SortedFunc(maps.Keys(w.cuts), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return ways[w.random.IntN(len(ways))]
}

func (w *trial) way(a, b string, cut bool) {
	w.log("cut %s to %s: %t", a, b, cut)
	w.net.Cut(id(a), id(b), cut)
	if cut {
		w.cuts[[2]string{a, b}] = true
	} else {
		delete(w.cuts, [2]string{a, b})
	}
}

func (w *trial) thaw(name string) {
	if w.frozen[name] {
		w.log("thaw %s", name)
		w.nodes[name].ice.freeze(false)
		delete(w.frozen, name)
	}
}

func (w *trial) revive(name string) {
	if w.dead[name] {
		w.log("start %s", name)
		w.run(name, nil)
		delete(w.dead, name)
	}
}

// note keeps track of which ways are sound.
func (w *trial) note() {
	for _, a := range w.names {
		for _, b := range w.names {
			way := [2]string{a, b}
			if a == b || !w.up(a) || !w.up(b) || w.cuts[way] {
				delete(w.sound, way)
			} else if _, ok := w.sound[way]; !ok {
				w.sound[way] = time.Now()
			}
		}
	}
}

// check holds the verdicts of all against what is so.
func (w *trial) check() {
	for _, at := range w.names {
		if !w.up(at) || at == "c" || at == "d" || at == "e" {
			continue
		}
		for _, s := range w.nodes[at].Present() {
			if s.State != Dead || s.By != id(at) || s.Token == w.judged[[2]string{at, s.Name}] {
				continue
			}
			w.judged[[2]string{at, s.Name}] = s.Token
			w.log("%s judges %s dead: %d, %s", at, s.Name, s.Token, s.Why)
			if !w.up(s.Name) {
				continue
			}
			for _, by := range w.names {
				if by != at && by != s.Name && w.linked(at, by) && w.linked(by, s.Name) {
					w.fail("%s judged %s dead, which %s hears", at, s.Name, by)
				}
			}
			if w.linked(at, s.Name) {
				w.fail("%s judged %s dead, which it hears itself", at, s.Name)
			}
			if other, _ := w.nodes[at].Get(id(s.Name)); other.Mine && w.nodes[at].term(s.Name) <= 0 {
				w.fail("%s acts without a term", at)
			}
			if h := w.nodes[s.Name].Home(); h.Home == id(at) && h.Token < s.Token && h.Held() {
				w.fail("%s judged %s dead, which holds its lease of %d for another %s", at, s.Name, h.Token, h.Left)
			}
		}
	}
}

func (w *trial) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.history {
		w.t.Log(line)
	}
	w.t.Fatalf(format, args...)
}

// TestFaults: whatever happens to links and managers, no manager is judged dead that one
// hears which the judge hears, none that is judged dead believes that it holds its lease, and
// once all is well again all know that all live.
func TestFaults(t *testing.T) {
	seeds := 6
	if n, err := strconv.Atoi(os.Getenv("GROVE_TEST_SEEDS")); err == nil {
		seeds = n
	}
	for seed := range uint64(seeds) {
		loss := 0.0
		if seed%3 == 2 {
			loss = 0.2
		}
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &trial{
					world: newWorld(t, seed), names: []string{"A", "B", "c", "d", "e"}, random: rand.New(rand.NewPCG(seed, 7)),
					dead: map[string]bool{}, frozen: map[string]bool{}, cuts: map[[2]string]bool{}, sound: map[[2]string]time.Time{}, judged: map[[2]string]int64{},
				}
				w.net.Slow(5*time.Millisecond, loss)
				for _, name := range w.names {
					w.run(name, nil)
				}
				next := time.Now().Add(10 * time.Second)
				for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
					if time.Now().After(next) {
						w.fault()
						next = time.Now().Add(time.Duration(w.random.IntN(4000)) * time.Millisecond)
					}
					w.note()
					pass(50 * time.Millisecond)
					w.check()
				}
				for way := range w.cuts {
					w.way(way[0], way[1], false)
				}
				w.net.Slow(5*time.Millisecond, 0)
				for _, name := range w.names {
					w.thaw(name)
					w.revive(name)
				}
				w.log("all is well again")
				pass(30 * time.Second)
				w.stands(allStand("live", w.names...)...)
				if t.Failed() {
					w.fail("they do not agree")
				}
				for _, name := range w.names {
					if h := w.nodes[name].Home(); !h.Held() || h.Home == "" {
						w.fail("home of %s: %+v", name, h)
					}
				}
			})
		})
	}
}
