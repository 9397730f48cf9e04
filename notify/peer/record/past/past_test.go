package past

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/notify/peer/record"
	"grove/tree"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

// merged are lines in the order of their times.
func merged(all ...[]string) []string {
	list := slices.Concat(all...)
	slices.SortStableFunc(list, func(a, b string) int {
		return strings.Compare(a[:strings.IndexByte(a, ' ')], b[:strings.IndexByte(b, ' ')])
	})
	return list
}

// The past goes there and back: who takes the shop has what was before, its owner has what
// was elsewhere, each once, the second time too.
func TestThereAndBack(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		other := d
		if d.Engine == "sqlite" {
			other = storetest.SQLite(t)
		}
		net := peertest.New(1)
		owner, taker := newManager(t, net, d, berlin, "/shop"), newManager(t, net, other, hamburg, "/Taken/berlin/shop")
		for round := range 2 {
			owner.sees(2, fmt.Sprint("own ", round))
			before := owner.knows()
			moves(owner, taker)
			taker.settled()
			if round == 0 {
				if d := cmp.Diff(before, taker.knows()); d != "" {
					t.Fatalf("what was before: -at the owner +at who took it\n%s", d)
				}
			}
			taker.sees(300, fmt.Sprint("elsewhere ", round))
			away := taker.knows()[len(before):]
			moves(taker, owner)
			owner.settled()
			if d := cmp.Diff(merged(before, away), owner.knows()); d != "" {
				t.Fatalf("round %d: -want +at the owner\n%s", round, d)
			}
			for _, node := range []string{"/Load 0", "/Load 69"} {
				if d := cmp.Diff(taker.history.of("/Taken/berlin/shop"+node), owner.history.of("/shop"+node)); d != "" {
					t.Errorf("readings of %s: -at who took it +at the owner\n%s", node, d)
				}
			}
		}
		if owner.history.of("/shop/Other/Load") != nil {
			t.Error("readings of another device came along")
		}
	})
}

// bubble runs a test in a bubble, with databases of files.
func bubble(t *testing.T, test func(t *testing.T, net *peertest.Net, files []*storetest.Database)) {
	files := []*storetest.Database{storetest.SQLite(t), storetest.SQLite(t), storetest.SQLite(t)}
	synctest.Test(t, func(t *testing.T) { test(t, peertest.New(1), files) })
}

// Whatever is lost on the way, and whoever is killed at whichever question, in the end each
// entry is there once.
func TestNoFaultLosesOrDoubles(t *testing.T) {
	for _, kind := range []string{"question lost", "answer lost", "asker killed", "asked killed"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for at, all := 1, 1; at <= all; at++ {
				bubble(t, func(t *testing.T, net *peertest.Net, files []*storetest.Database) {
					owner, taker := newManager(t, net, files[0], berlin, "/shop"), newManager(t, net, files[1], hamburg, "/Taken/shop")
					f := &faulty{at: at, late: kind == "answer lost", fault: func() {}}
					killed := make(chan bool, 1)
					if strings.HasSuffix(kind, "killed") {
						f.late = true
						f.fault = func() { killed <- true }
					}
					owner.stop()
					owner.wrap = func(in peer.Fabric) peer.Fabric { f.Fabric = in; return f }
					owner.start()
					owner.sees(1, "own")
					before := owner.knows()
					moves(owner, taker)
					taker.settled()
					taker.sees(200, "elsewhere")
					away := taker.knows()[len(before):]
					moves(taker, owner)
					var wait sync.WaitGroup
					wait.Go(func() {
						victim := owner
						if kind == "asked killed" {
							victim = taker
						}
						select {
						case <-killed:
							victim.stop()
							victim.start()
						case <-time.After(time.Minute):
						}
					})
					wait.Wait()
					owner.settled()
					if d := cmp.Diff(merged(before, away), owner.knows()); d != "" {
						t.Fatalf("fault at question %d: -want +got\n%s", at, d)
					}
					if d := cmp.Diff(taker.history.of("/Taken/shop/Load 69"), owner.history.of("/shop/Load 69")); d != "" {
						t.Errorf("fault at question %d: readings: -want +got\n%s", at, d)
					}
					if all = f.asked; all < 5 {
						t.Fatalf("only %d questions were asked", all)
					}
					owner.stop()
					taker.stop()
				})
			}
		})
	}
}

// Who took it from one who had taken it is told by both, one after the other.
func TestTheChainIsFollowed(t *testing.T) {
	bubble(t, func(t *testing.T, net *peertest.Net, files []*storetest.Database) {
		owner := newManager(t, net, files[0], berlin, "/shop")
		first, second := newManager(t, net, files[1], hamburg, "/Taken/shop"), newManager(t, net, files[2], bremen, "/elsewhere/shop")
		for _, m := range []*manager{owner, first, second} {
			m.local.parties[hamburg], m.local.parties[bremen] = true, true
		}
		owner.sees(1, "own")
		moves(owner, first)
		first.settled()
		first.sees(1, "first")
		want := first.knows()
		first.stop() // It dies, and another one takes over what it had left with home.
		second.watches(hamburg)
		time.Sleep(time.Minute)
		second.sees(2, "second")
		want = append(want, second.knows()...)
		moves(second, owner)
		time.Sleep(time.Minute)
		if got := owner.past.Stats(); got.Owed != 1 {
			t.Errorf("owed: %+v", got)
		}
		first.local.here, first.local.held = false, &Held{Gone: true} // Home says so when it is back.
		first.start()
		first.past.Left(shop, false)
		owner.settled()
		if d := cmp.Diff(want, owner.knows()); d != "" {
			t.Errorf("-want +at the owner\n%s", d)
		}
		owner.stop()
		first.stop()
		second.stop()
	})
}

// A manager that was cut off has seen the time itself in which another one watched beside it.
func TestWhatItSawItselfDoesNotComeAgain(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"same clocks": 0, "its clock is ahead": time.Hour, "its clock is behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, net *peertest.Net, files []*storetest.Database) {
				owner, taker := newManager(t, net, files[0], berlin, "/shop"), newManager(t, net, files[1], hamburg, "/shop")
				taker.ahead.Store(int64(ahead))
				taker.watches(berlin)
				time.Sleep(time.Minute)
				taker.sees(1, "beside")
				owner.sees(1, "own")
				want := owner.knows()
				time.Sleep(time.Minute)
				owner.leaves("") // It hears that another one watches it.
				time.Sleep(time.Minute)
				told := len(taker.knows())
				taker.sees(2, "elsewhere")
				for _, line := range taker.knows()[told:] {
					at, rest, _ := strings.Cut(line, " ")
					ms, err := strconv.ParseInt(at, 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, fmt.Sprint(ms-ahead.Milliseconds(), " ", rest))
				}
				moves(taker, owner)
				owner.settled()
				if d := cmp.Diff(want, owner.knows()); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
				owner.stop()
				taker.stop()
			})
		})
	}
}

// Only parties to a move are told.
func TestStrangersAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, net *peertest.Net, files []*storetest.Database) {
		owner, taker := newManager(t, net, files[0], berlin, "/shop"), newManager(t, net, files[1], hamburg, "/Taken/shop")
		owner.sees(1, "own")
		moves(owner, taker)
		taker.settled()
		taker.sees(1, "elsewhere")
		moves(taker, owner)
		owner.settled()
		stranger := net.Join(spy)
		ask := func(kind string, question any) error {
			body, err := json.Marshal(question)
			if err != nil {
				t.Fatal(err)
			}
			_, err = stranger.AskBulk(t.Context(), hamburg, kind, body)
			return err
		}
		var begins int64
		for kind, question := range map[string]any{
			kindStays: staysQuestion{Device: shop}, kindEntries: entriesQuestion{shop, begins, 0}, kindReadings: readingsQuestion{Device: shop},
		} {
			if err := ask(kind, question); !peer.IsRefusal(err, peer.Refused) {
				t.Errorf("%s of a stranger: %v", kind, err)
			}
			taker.local.away = errors.New("home is away")
			if err := ask(kind, question); !peer.IsRefusal(err, peer.Busy) {
				t.Errorf("%s of one of whom home has not said anything: %v", kind, err)
			}
			taker.local.away = nil
		}
		if err := ask(kindStays, staysQuestion{Device: Device{spy, "shop"}}); !peer.IsRefusal(err, peer.NotFound) {
			t.Errorf("a device that was never there: %v", err)
		}
		if err := ask(kindStays, staysQuestion{Device: Device{"x", "shop"}}); !peer.IsRefusal(err, peer.Invalid) {
			t.Errorf("a device that cannot be: %v", err)
		}
		taker.local.parties[spy] = true
		if err := ask(kindStays, staysQuestion{Device: shop}); err != nil {
			t.Errorf("one to whom it was moved, as home knows: %v", err)
		}
		owner.stop()
		taker.stop()
	})
}

// Who asks when a device was watched is answered while that is written down. The race detector
// judges this one.
func TestAskedWhileItIsWrittenDown(t *testing.T) {
	bubble(t, func(t *testing.T, net *peertest.Net, files []*storetest.Database) {
		taker := newManager(t, net, files[0], hamburg, "/Taken/shop")
		other := net.Join(berlin)
		body, err := json.Marshal(staysQuestion{Device: shop})
		if err != nil {
			t.Fatal(err)
		}
		taker.watches(hamburg)
		taker.settled()
		for range 200 {
			taker.watches(hamburg)
			if _, err := other.AskBulk(t.Context(), hamburg, kindStays, body); err != nil {
				t.Error(err)
			}
		}
		taker.stop()
	})
}

// A change to the status that a node has already is none: a stand-in began with a state of some
// seconds before.
func TestChangesToTheSame(t *testing.T) {
	bubble(t, func(t *testing.T, net *peertest.Net, files []*storetest.Database) {
		owner, taker := newManager(t, net, files[0], berlin, "/shop"), newManager(t, net, files[1], hamburg, "/shop")
		at := time.Now()
		change := func(m *manager, from, to tree.Status) string {
			at = at.Add(time.Second)
			time.Sleep(time.Until(at))
			e := journal.Entry{Time: at, Path: tree.MustPath("/shop/Load"), Kind: journal.Status, From: from, To: to}
			if err := m.journal.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%d /Load status %s %s  ", at.UnixMilli(), from, to)
		}
		want := []string{change(owner, tree.Green, tree.Red)}
		owner.stop() // It is killed, and home hands on what it left a second before.
		time.Sleep(time.Second)
		taker.watches(berlin)
		change(taker, tree.Green, tree.Red)
		want = append(want, change(taker, tree.Red, tree.Yellow), change(taker, tree.Yellow, tree.Green))
		owner.start()
		moves(taker, owner)
		owner.settled()
		want = append(want, change(owner, tree.Green, tree.Red))
		if d := cmp.Diff(want, owner.knows()); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		owner.stop()
		taker.stop()
	})
}

// What is away for longer than the history takes readings back comes piece by piece.
func TestLongStaysHaveNoHole(t *testing.T) {
	bubble(t, func(t *testing.T, net *peertest.Net, files []*storetest.Database) {
		owner, taker := newManager(t, net, files[0], berlin, "/shop"), newManager(t, net, files[1], hamburg, "/Taken/shop")
		owner.stop()
		owner.more = func(o *Options) { o.Readings, o.Away = 4*time.Minute, 30*time.Second }
		owner.start()
		owner.sees(1, "own")
		moves(owner, taker)
		taker.settled()
		for minute := range 8 {
			if minute == 4 {
				owner.stop()
				owner.start()
			}
			taker.sees(1, fmt.Sprint("elsewhere ", minute))
			time.Sleep(time.Minute)
		}
		want := taker.knows()
		moves(taker, owner)
		owner.settled()
		for _, node := range []string{"/Load 0", "/Load 69"} {
			if d := cmp.Diff(taker.history.of("/Taken/shop"+node), owner.history.of("/shop"+node)); d != "" {
				t.Errorf("readings of %s: -at who took it +at the owner\n%s", node, d)
			}
		}
		if d := cmp.Diff(want, owner.knows()); d != "" {
			t.Errorf("-want +at the owner\n%s", d)
		}
		owner.stop()
		taker.stop()
	})
}

// A device that another manager took away again is owed nothing any more, and one whose
// watcher never had it neither.
func TestWhatIsNotOwed(t *testing.T) {
	bubble(t, func(t *testing.T, net *peertest.Net, files []*storetest.Database) {
		taker := newManager(t, net, files[1], hamburg, "/Taken/shop")
		taker.watches(berlin) // which is dead
		time.Sleep(time.Minute)
		if taker.past.Stats().Owed != 1 {
			t.Errorf("%+v", taker.past.Stats())
		}
		taker.leaves(bremen)
		taker.settled()
		other := newManager(t, net, files[2], bremen, "/shop")
		other.local.parties[hamburg] = true
		taker.past.Came(shop, bremen)
		taker.watches("")
		taker.settled()
		taker.stop()
		other.stop()
	})
}

// FuzzEntries reads anything: what is taken lies in the stay, in order, and after what was
// asked for.
func FuzzEntries(f *testing.F) {
	s := &Stay{Begins: 1000, Ends: 5000}
	low, high := s.numbers()
	after := low + 5
	line := record.LineOf(&journal.Entry{ID: after + 1, Path: tree.MustPath("/Load"), Kind: journal.Event, To: tree.Red, Text: "x"})
	for _, a := range []entriesAnswer{{To: high - 1, Entries: []record.Line{line}}, {To: after + 1, Entries: []record.Line{line, line}}, {To: high}, {}} {
		body, err := json.Marshal(a)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		to, entries, _, err := parseEntries(body, s, after)
		if err != nil {
			return
		}
		last := after
		for _, e := range entries {
			if e.ID <= last || e.ID > to || !told(e.Kind) {
				t.Errorf("%+v after %d up to %d", e, last, to)
			}
			last = e.ID
		}
		if to <= after || to >= high {
			t.Errorf("up to %d, after %d", to, after)
		}
	})
}

// FuzzStays reads anything: stays are in order, and after what was asked for.
func FuzzStays(f *testing.F) {
	for _, text := range []string{`{"stays":[{"begins":0,"ends":50},{"begins":50,"ends":70,"from":"00000000000000be"}],"now":9}`, `{"stays":[{"begins":5,"ends":5}]}`, `{"stays":[{"begins":5,"ends":9,"from":"x"}]}`, `{"now":-1}`, `{`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q := &staysQuestion{shop, 10}
		a, err := parseStays(body, q)
		if err != nil {
			return
		}
		last := q.After
		for _, s := range a.Stays {
			if s.Begins < 0 || s.Ends <= last || s.Begins >= s.Ends || s.Ends > maxTime {
				t.Errorf("%+v after %d", s, last)
			}
			last = s.Ends
		}
	})
}
