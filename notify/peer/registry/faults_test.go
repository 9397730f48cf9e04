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

	"grove/notify/peer"
)

// trial is a network with faults by chance, and what must hold in it whatever they are.
type trial struct {
	*world
	names   []string
	random  *rand.Rand
	dead    map[string]bool
	frozen  map[string]bool
	cuts    map[[2]string]bool
	sound   map[[2]string]time.Time   // since when a way is as it should be, both ends included
	heard   map[[2]string][]time.Time // of whom the other one: the last ones, within a lease
	judged  map[[2]string]int64       // tokens of verdicts that were looked at
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

// tells says whether the last word of one manager to another must have been that it hears a
// third: the other one has heard it within a lease, or else would not ask it, and whenever it
// was asked within the time for which an answer counts, it had heard the third. Where nothing
// is lost that follows from their being linked; otherwise it may miss some heartbeats.
func (w *trial) tells(by, at, of string) bool {
	const slack = 100 * time.Millisecond // to look, and on the way
	within := func(way [2]string, from, to time.Duration) bool {
		return slices.ContainsFunc(w.heard[way], func(t time.Time) bool { return time.Since(t) < from-slack && time.Since(t) >= to })
	}
	return within([2]string{at, by}, LeaseTime, 0) && within([2]string{by, of}, deafTime, peer.Suspect+slack)
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

// ear is when a manager heard another one last itself; zero: never.
func (n *node) ear(of string) time.Time {
	n.Registry.mu.Lock()
	defer n.Registry.mu.Unlock()
	if m := n.members[id(of)]; m != nil && m.ear != 0 {
		return time.Now().Add(m.ear - n.time())
	}
	return time.Time{}
}

// note keeps track of which ways are sound, and of who hears whom.
func (w *trial) note() {
	for _, a := range w.names {
		for _, b := range w.names {
			way := [2]string{a, b}
			if a == b || !w.up(a) || !w.up(b) || w.cuts[way] {
				delete(w.sound, way)
			} else if _, ok := w.sound[way]; !ok {
				w.sound[way] = time.Now()
			}
			if a == b || !w.up(a) {
				continue
			}
			w.heard[way] = slices.DeleteFunc(w.heard[way], func(t time.Time) bool { return time.Since(t) > LeaseTime })
			if t := w.nodes[a].ear(b); !t.IsZero() && !slices.Contains(w.heard[way], t) {
				w.heard[way] = append(w.heard[way], t)
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
			// Its name may not be known there, when it was started anew meanwhile.
			name := w.names[slices.IndexFunc(w.names, func(name string) bool { return id(name) == s.ID })]
			if s.State != Dead || s.By != id(at) || s.Token == w.judged[[2]string{at, name}] {
				continue
			}
			w.judged[[2]string{at, name}] = s.Token
			w.log("%s judges %s dead: %d, %s", at, name, s.Token, s.Why)
			if !w.up(name) {
				continue
			}
			for _, by := range w.names {
				if by != at && by != name && w.linked(at, by) && w.linked(by, name) && w.tells(by, at, name) {
					w.fail("%s judged %s dead, which %s hears", at, name, by)
				}
			}
			if w.linked(at, name) {
				w.fail("%s judged %s dead, which it hears itself", at, name)
			}
			if other, _ := w.nodes[at].Get(id(name)); other.Mine && w.nodes[at].term(name) <= 0 {
				w.fail("%s acts without a term", at)
			}
			if h := w.nodes[name].Home(); h.Home == id(at) && h.Token < s.Token && h.Held() {
				w.fail("%s judged %s dead, which holds its lease of %d for another %s", at, name, h.Token, h.Left)
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
					dead: map[string]bool{}, frozen: map[string]bool{}, cuts: map[[2]string]bool{}, sound: map[[2]string]time.Time{}, heard: map[[2]string][]time.Time{}, judged: map[[2]string]int64{},
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
