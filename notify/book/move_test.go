package book

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

// release gives the alerts below a node away; there is no error.
func (w *world) release(path string) []alert.Alert {
	w.t.Helper()
	alerts, err := w.book.Release(w.t.Context(), tree.MustPath(path), "manager b watches it now")
	if err != nil {
		w.t.Fatal(err)
	}
	return alerts
}

// adopt takes alerts over; there is no error.
func (w *world) adopt(alerts []alert.Alert) {
	w.t.Helper()
	if err := w.book.Adopt(w.t.Context(), alerts); err != nil {
		w.t.Fatal(err)
	}
}

// shows writes alerts as show does, a line each.
func (w *world) shows(alerts []alert.Alert) string {
	lines := make([]string, len(alerts))
	for i := range alerts {
		lines[i] = w.show(&alerts[i])
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// gone takes a subtree out of the tree.
func (w *world) gone(path string) {
	w.t.Helper()
	if err := w.tree.Change(tree.Remove(tree.MustPath(path))); err != nil {
		w.t.Fatal(err)
	}
}

// two runs a test with two managers, each with a tree and a database of its own.
func two(t *testing.T, test func(giver, taker *world)) {
	t.Helper()
	t.Parallel()
	da, db := storetest.SQLite(t), storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		a := newWorld(t, da)
		defer a.close()
		b := newWorld(t, db)
		b.begin()
		defer b.close()
		test(a, b)
	})
}

// TestADeviceTakesItsAlertsAlong: they are over here without a word, go on there as they
// were, and there it is told that they are over.
func TestADeviceTakesItsAlertsAlong(t *testing.T) {
	two(t, func(a, b *world) {
		grow := func(w *world) {
			w.group("/host", nil)
			w.state("/host/Ping", &tree.Alerting{Vital: 1})
			w.state("/host/Disk", nil)
			w.state("/host/Load", nil)
			w.state("/host/Quiet", nil)
		}
		grow(a)
		a.state("/other/x", nil)
		a.begin()
		a.set("green", "/host/Ping", "/host/Disk", "/host/Load", "/host/Quiet", "/other/x")
		a.settled()
		a.set("red", "/host/Disk", "/other/x")
		a.set("white", "/host/Quiet")
		a.settled()
		a.wait(DefaultSilence + time.Second)
		until := time.Now().Add(time.Hour)
		if r := a.book.Acknowledge(a.t.Context(), []alert.ID{a.one("/host/Disk").ID}, alert.Ack{By: "ada", Comment: "on it", Sticky: true, Until: &until}, nil); r[0].Error != "" {
			t.Fatal(r)
		}
		a.set("red", "/host/Ping", "/host/Load")
		a.settled()
		had := a.live()
		a.wants("at the giver", had, "/host/Disk suppressed red by ada parent /host/Ping", "/host/Load suppressed red parent /host/Ping",
			"/host/Ping open red +3", "/host/Quiet suppressed silence parent /host/Ping", "/other/x open red")
		opened := a.one("/host/Disk").Opened
		a.since()

		moved := a.release("/host")
		a.wants("they are released as they were", a.shows(moved), strings.Split(had, "\n")[:4]...)
		a.wants("what is not of the device stays", a.live(), "/other/x open red")
		if again := a.release("/host"); a.shows(again) != a.shows(moved) {
			t.Errorf("released again:\n%s", a.shows(again))
		}
		for _, line := range strings.Split(a.since(), "\n") {
			if !strings.HasPrefix(line, "moved ") {
				t.Errorf("told: %s", line)
			}
		}
		// What the nodes do until they go is of no interest.
		a.set("yellow", "/host/Disk")
		a.set("green", "/host/Ping", "/host/Load")
		a.set("red", "/host/Quiet")
		a.wait(10 * time.Second)
		a.gone("/host")
		a.wait(10 * time.Minute)
		a.wants("nobody was told", a.since())
		a.wants("live", a.live(), "/other/x open red")

		// The nodes may come after the alerts.
		b.adopt(moved)
		b.wants("at the taker", b.live(), strings.Split(had, "\n")[:4]...)
		b.wait(20 * time.Second)
		grow(b)
		b.wait(time.Second)
		b.set("red", "/host/Ping", "/host/Disk", "/host/Load")
		b.set("white", "/host/Quiet")
		b.wait(30 * time.Second)
		b.wants("at the taker", b.live(), strings.Split(had, "\n")[:4]...)
		d := b.one("/host/Disk")
		if !d.Opened.Equal(opened) || !d.Ack.Sticky || !d.Ack.Until.Equal(until) || d.Ack.Comment != "on it" || d.History[0].What != alert.Opened || d.History[len(d.History)-1].What != alert.Adopted {
			t.Errorf("the alert at the taker: %+v", d)
		}
		b.since()
		b.adopt(moved) // once more, as after a kill
		b.wants("it was adopted before", b.since())
		b.restart()
		b.adopt(moved)
		b.wait(time.Second)
		b.wants("it was adopted before", b.since())
		b.wants("at the taker", b.live(), strings.Split(had, "\n")[:4]...)
		b.set("green", "/host/Ping", "/host/Load", "/host/Quiet")
		b.wait(DefaultRecover + time.Minute)
		b.wants("at the taker", b.live(), "/host/Disk acknowledged red by ada")
		b.adopt(moved)
		b.wait(time.Minute)
		b.wants("what is over stays over", b.live(), "/host/Disk acknowledged red by ada")
		b.wait(time.Hour)
		b.adopt(moved)
		b.wait(time.Minute)
		b.wants("and what ended, ended", b.live(), "/host/Disk open red")

		// And back again.
		back := b.release("/host")
		b.gone("/host")
		a.adopt(back)
		grow(a)
		a.set("red", "/host/Disk")
		a.wait(time.Minute)
		if a.wants("back", a.live(), "/host/Disk open red", "/other/x open red"); !a.one("/host/Disk").Opened.Equal(opened) {
			t.Errorf("it opened at %s", a.one("/host/Disk").Opened)
		}
		a.wants("told", a.since(), "adopted /host/Disk open red")
		a.set("green", "/host/Disk")
		a.settled()
		a.wants("told", a.since(), "resolved /host/Disk resolved green")
		page, err := a.lines.Search(a.t.Context(), journal.Query{Under: tree.MustPath("/host/Disk"), Oldest: true})
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, e := range page.Entries {
			text += string(e.Text) + "\n"
		}
		if !strings.Contains(text, "moved: manager b watches it now\n") || !strings.Contains(text, "adopted: it goes on here\n") {
			t.Error(text)
		}
	})
}

// TestAdoptedAlertsEndByThemselves: what is well by its first reading is over soon, what never
// comes in a minute, and not before.
func TestAdoptedAlertsEndByThemselves(t *testing.T) {
	two(t, func(a, b *world) {
		for _, name := range []string{"well", "never", "unread"} {
			a.state("/h/"+name, nil)
		}
		a.begin()
		a.set("red", "/h/well", "/h/never", "/h/unread")
		a.settled()
		moved := a.release("/h")
		b.state("/h/well", nil)
		b.state("/h/unread", nil)
		b.adopt(moved)
		b.set("green", "/h/well")
		b.wait(2 * time.Second)
		b.wants("its thresholds may not be tuned yet", b.live(), "/h/never open red", "/h/unread open red", "/h/well open red")
		b.wait(wellAfter)
		b.wants("it is well", b.live(), "/h/never open red", "/h/unread open red")
		b.wait(ArriveWithin)
		b.wants("it is gone", b.live(), "/h/unread open red")
		b.set("green", "/h/unread")
		b.settled()
		b.wants("live", b.live())
		b.wants("told", b.since(), "adopted /h/never open red", "adopted /h/unread open red", "adopted /h/well open red",
			"resolved /h/never resolved white", "resolved /h/unread resolved green", "resolved /h/well resolved green")
	})
}

// TestFlappingAndMaintainedAlertsMove: the former ends once it was well for long, the latter
// is held back until it is known why.
func TestFlappingAndMaintainedAlertsMove(t *testing.T) {
	two(t, func(a, b *world) {
		a.state("/h/flaps", nil)
		a.state("/h/works", nil)
		a.begin()
		a.maintain("/h/works", nil, true)
		a.set("red", "/h/works")
		for range FlapTimes + 1 {
			a.set("red", "/h/flaps")
			a.settled()
			a.set("green", "/h/flaps")
			a.settled()
		}
		a.set("red", "/h/flaps")
		a.settled()
		a.wants("at the giver", a.live(), fmt.Sprintf("/h/flaps open red x%d flapping", FlapTimes+2), "/h/works suppressed red maintenance /h/works")
		b.state("/h/flaps", nil)
		b.state("/h/works", nil)
		b.adopt(a.release("/h"))
		b.set("red", "/h/flaps", "/h/works")
		b.wait(20 * time.Second)
		b.maintain("/h", nil, true)
		b.wait(time.Second)
		b.maintain("/h", nil, false)
		b.maintain("/h/works", nil, true)
		b.wait(ArriveWithin)
		b.wants("at the taker", b.live(), fmt.Sprintf("/h/flaps open red x%d flapping", FlapTimes+2), "/h/works suppressed red maintenance /h/works")
		b.set("green", "/h/flaps")
		b.wait(Calm - time.Minute)
		b.wants("it may come again", b.live(), fmt.Sprintf("/h/flaps open red x%d flapping", FlapTimes+2), "/h/works suppressed red maintenance /h/works")
		b.wait(2 * time.Minute)
		b.wants("it is calm", b.live(), "/h/works suppressed red maintenance /h/works")
		b.maintain("/h/works", nil, false)
		b.wait(time.Second)
		b.wants("nobody works any more", b.live(), "/h/works open red")
	})
}

// TestWhatIsOpenHere keeps when it opened first, and who knows of it.
func TestWhatIsOpenHere(t *testing.T) {
	two(t, func(a, b *world) {
		a.state("/h/x", nil)
		b.state("/h/x", nil)
		a.begin()
		a.set("red", "/h/x")
		a.settled()
		opened := a.one("/h/x").Opened
		a.book.Acknowledge(a.t.Context(), []alert.ID{a.one("/h/x").ID}, alert.Ack{By: "ada"}, nil)
		b.set("red", "/h/x")
		b.wait(time.Minute)
		b.settled()
		b.since()
		moved := a.release("/h")
		b.adopt(moved)
		b.wants("live", b.live(), "/h/x acknowledged red by ada")
		if x := b.one("/h/x"); !x.Opened.Equal(opened) || x.Count != 1 {
			t.Errorf("%+v", x)
		}
		b.wants("told", b.since(), "adopted /h/x acknowledged red by ada")
		b.adopt(moved)
		b.wants("told again", b.since())
	})
}

// TestTheDatabaseIsAwayAsADeviceMoves: what cannot be kept is not released, and goes on.
func TestTheDatabaseIsAwayAsADeviceMoves(t *testing.T) {
	for name, err := range map[string]error{"gone": store.ErrUnavailable, "refuses": fmt.Errorf("no")} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.state("/h/x", nil)
				w.begin()
				w.set("red", "/h/x")
				w.settled()
				w.since()
				w.awayAs = err
				w.away.Store(true)
				if moved, err := w.book.Release(w.t.Context(), tree.MustPath("/h"), "test"); err == nil || len(moved) > 0 {
					t.Errorf("%v %v", moved, err)
				}
				w.away.Store(false)
				w.wait(time.Minute)
				w.wants("live", w.live(), "/h/x open red")
				moved := w.release("/h")
				w.away.Store(true)
				if err := w.book.Adopt(w.t.Context(), moved); err == nil {
					t.Error("it is kept")
				}
				w.away.Store(false)
				w.wait(time.Minute)
				w.adopt(moved)
				w.wants("live", w.live(), "/h/x open red")
				w.set("green", "/h/x")
				w.wait(time.Minute)
				w.wants("live", w.live())
			})
		})
	}
}

// TestKilledBetween: who died after it has released, and goes on with the device, goes on
// with its alerts; who does not, and gets it back, as always.
func TestKilledBetween(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/h/x", nil)
		w.state("/h/y", nil)
		w.begin()
		w.set("red", "/h/x", "/h/y")
		w.settled()
		w.book.Acknowledge(w.t.Context(), []alert.ID{w.one("/h/x").ID}, alert.Ack{By: "ada"}, nil)
		w.release("/h")
		w.set("green", "/h/y")
		w.restart()
		w.since()
		w.wait(time.Second)
		w.wants("it goes on here", w.live(), "/h/x acknowledged red by ada", "/h/y open red")
		w.wait(wellAfter)
		w.wants("told", w.since(), "adopted /h/x acknowledged red by ada", "adopted /h/y open red", "resolved /h/y resolved green")

		moved := w.release("/h")
		w.end()
		w.gone("/h")
		w.begin()
		w.wait(time.Second)
		if again := w.release("/h"); w.shows(again) != w.shows(moved) {
			t.Errorf("released again:\n%s", w.shows(again))
		}
		w.wait(GoneAtStart + time.Minute)
		w.since()
		w.state("/h/x", nil)
		w.set("red", "/h/x")
		w.wait(time.Minute)
		w.wants("as always", w.since(), "opened /h/x open red")
	})
}

// TestNodesThatStay: what was released and does not go has its alerts here.
func TestNodesThatStay(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/h/x", nil)
		w.state("/h/y", nil)
		w.begin()
		w.set("red", "/h/x")
		w.settled()
		w.release("/h")
		w.set("red", "/h/y")
		w.wait(leaveWithin - time.Second)
		w.wants("live", w.live())
		w.wait(3 * time.Second)
		w.wants("live", w.live(), "/h/x open red", "/h/y open red")
	})
}

// TestAdoptedBeforeTheBegin: what a manager adopted before it has read its own goes on.
func TestAdoptedBeforeTheBegin(t *testing.T) {
	two(t, func(a, b *world) {
		a.state("/h/x", nil)
		a.begin()
		a.set("red", "/h/x")
		a.settled()
		moved := a.release("/h")
		b.end()
		b.early = moved
		b.begin()
		b.wait(time.Second)
		b.wants("live", b.live(), "/h/x open red")
		b.restart()
		b.wants("live", b.live(), "/h/x open red")
	})
}

// TestTakenBackAfterAKill: what was open when the manager was killed is over without a word,
// since another one told what became of it; what that one had open goes on. The device may
// come before the book has begun, and its nodes at once or later.
func TestTakenBackAfterAKill(t *testing.T) {
	for _, c := range []struct {
		name  string
		early bool // the device comes before the book begins
		grown bool // its nodes are there when it comes
	}{{"early", true, false}, {"early, with its nodes", true, true}, {"later", false, false}, {"later, with its nodes", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			two(t, func(a, b *world) {
				for _, w := range []*world{a, b} {
					w.state("/h/x", nil)
					w.state("/h/y", nil)
					w.state("/o", nil)
				}
				a.begin()
				a.set("red", "/h/x", "/h/y", "/o")
				b.set("red", "/h/y")
				a.settled()
				b.settled()
				moved := b.release("/h")
				a.end()
				a.gone("/h")
				takeBack := func() {
					if err := a.book.TakeBack(a.t.Context(), tree.MustPath("/h"), "b watched it", moved); err != nil {
						a.t.Fatal(err)
					}
				}
				grow := func() {
					a.state("/h/x", nil)
					a.state("/h/y", nil)
					a.set("green", "/h/x")
					a.set("red", "/h/y")
				}
				if c.grown {
					grow()
				}
				if c.early {
					a.before = takeBack
				}
				a.since()
				a.begin()
				if !c.early {
					takeBack()
				}
				if !c.grown {
					grow()
				}
				a.wait(GoneAtStart + leaveWithin + time.Minute)
				a.wants("live", a.live(), "/h/y open red", "/o open red")
				for _, line := range strings.Split(a.since(), "\n") {
					if strings.HasPrefix(line, "resolved ") || strings.HasPrefix(line, "opened ") || strings.HasPrefix(line, "reopened ") {
						a.t.Errorf("told: %s", line)
					}
				}
				a.set("red", "/h/x")
				a.settled()
				a.wants("what comes is news", a.live(), "/h/x open red", "/h/y open red", "/o open red")
			})
		})
	}
	bubble(t, func(w *world) {
		w.begin()
		if err := w.book.TakeBack(w.t.Context(), tree.Root, "", nil); err == nil {
			w.t.Error("the alerts of the whole tree were taken back")
		}
	})
}

// TestManyTakenBackBeforeTheBegin: more devices may come than alerts at once, and one may go
// again.
func TestManyTakenBackBeforeTheBegin(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/h/x", nil)
		w.begin()
		w.set("red", "/h/x")
		w.settled()
		open, err := w.book.Release(w.t.Context(), tree.MustPath("/h"), "b watches it")
		if err != nil {
			w.t.Fatal(err)
		}
		w.end()
		w.gone("/h")
		w.before = func() {
			for i := range MaxAtOnce + 1 {
				if err := w.book.TakeBack(w.t.Context(), tree.MustPath(fmt.Sprintf("/d%d", i)), "b watched it", nil); err != nil {
					w.t.Fatal(err)
				}
			}
			if err := w.book.TakeBack(w.t.Context(), tree.MustPath("/h"), "b watched it", open); err != nil {
				w.t.Fatal(err)
			}
			if err := w.book.TakeBack(w.t.Context(), tree.MustPath("/h"), "b watches it", nil); err != nil {
				w.t.Fatal(err)
			}
		}
		w.begin()
		w.wait(time.Second)
		w.wants("live", w.live())
	})
}

// TestWrongAlertsAreNotAdopted says what is wrong with which, and takes the others.
func TestWrongAlertsAreNotAdopted(t *testing.T) {
	bubble(t, func(w *world) {
		w.begin()
		good := alert.Alert{Path: tree.MustPath("/h/x"), Kind: alert.Status, State: alert.Open, Status: tree.Red, Worst: tree.Red, Opened: time.Now().Add(time.Hour)}
		at := time.Now()
		for want, change := range map[string]func(*alert.Alert){
			"says no node":          func(a *alert.Alert) { a.Path = tree.Root },
			`there is no kind "x"`:  func(a *alert.Alert) { a.Kind = "x" },
			"it is over":            func(a *alert.Alert) { a.Resolved = &at },
			"status cannot be":      func(a *alert.Alert) { a.Status = tree.Green },
			"more than the bound":   func(a *alert.Alert) { a.Message = strings.Repeat("x", maxMessageBytes+1) },
			"when it opened":        func(a *alert.Alert) { a.Opened = time.Time{} },
			"its acknowledgement":   func(a *alert.Alert) { a.Ack = &alert.Ack{} },
			"a step of its history": func(a *alert.Alert) { a.History = []alert.Step{{By: strings.Repeat("x", maxByBytes+1)}} },
		} {
			bad := good
			change(&bad)
			if err := w.book.Adopt(w.t.Context(), []alert.Alert{bad}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", want, err)
			}
		}
		if err := w.book.Adopt(w.t.Context(), make([]alert.Alert, MaxAtOnce+1)); err == nil || !strings.Contains(err.Error(), "bound") {
			t.Error(err)
		}
		bad := good
		bad.Path = tree.Root
		if err := w.book.Adopt(w.t.Context(), []alert.Alert{bad, good}); err == nil {
			t.Error("no error")
		}
		w.wants("live", w.live(), "/h/x open red")
	})
}

// TestAStormMoves: a thousand alerts, on both engines.
func TestAStormMoves(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		const n = 1000
		w := newWorld(t, d)
		defer w.close()
		paths := make([]string, n)
		for i := range paths {
			paths[i] = fmt.Sprintf("/h/n%d", i)
			w.state(paths[i], nil)
		}
		w.begin()
		w.set("red", paths...)
		w.settled()
		if moved := w.release("/h"); len(moved) != n {
			t.Fatalf("%d alerts", len(moved))
		}
		if s := w.book.Stats(); s.Live != 0 || s.Unwritten != 0 {
			t.Errorf("%+v", s)
		}
		moved := w.release("/h")
		w.adopt(moved)
		w.adopt(moved)
		if s := w.book.Stats(); s.Live != n || s.Unwritten != 0 {
			t.Errorf("%+v", s)
		}
	})
}
