package route

import (
	"fmt"
	"testing"
	"time"

	"grove/notify/route/told"
	"grove/tree/alert"
	"grove/tree/store/storetest"
)

// move lets alerts go to another manager.
func (w *world) move(ids ...alert.ID) {
	for _, id := range ids {
		w.change(id, alert.Moved, func(a *alert.Alert) {
			at := w.now
			a.State, a.Resolved = alert.Resolved, &at
		})
	}
}

// adopt lets an alert come from another manager, where it opened so long ago.
func (w *world) adopt(path string, ago time.Duration, change ...func(*alert.Alert)) alert.ID {
	w.last++
	id := w.last
	a := alert.Alert{ID: id}
	{
		other := *w
		other.router = New(Options{Store: w.store}) // It hears of what was elsewhere.
		other.now, other.last, other.alerts, other.order = w.now.Add(-ago), id-1, map[alert.ID]*alert.Alert{}, nil
		a = *other.alerts[other.open(path, change...)]
	}
	w.order = append(w.order, id)
	w.note(&a, alert.Adopted)
	return id
}

// came gives an alert back to this manager.
func (w *world) came(id alert.ID) {
	w.change(id, alert.Adopted, func(a *alert.Alert) { a.State, a.Resolved = alert.Open, nil })
}

// nothing holds that nothing is remembered any more.
func (w *world) nothing() {
	w.t.Helper()
	if groups, err := told.Load(w.t.Context(), w.store); err != nil || len(groups) > 0 {
		w.t.Errorf("%d groups are remembered: %v", len(groups), err)
	}
}

// TestWhatMovedIsForgotten without a word, whether it was told or not, and by whatever is
// killed when.
func TestWhatMovedIsForgotten(t *testing.T) {
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("kill=%t", kill), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, db *storetest.Database) {
				w := newWorld(t, db.Open(t), simple)
				restart := func() {
					if kill {
						w.restart()
					}
				}
				first, second := w.open("/shop/a"), w.open("/shop/b")
				w.pass(time.Minute)
				w.told()
				third := w.open("/shop/c") // waits for the interval
				w.pass(time.Second)
				w.move(second, third)
				restart()
				w.pass(10 * time.Minute)
				w.is()
				w.resolve(first)
				restart()
				w.pass(time.Minute)
				w.is("11m11s mail resolved: RESOLVED: /shop/a is red: connection refused, over after 11m1s")
				w.nothing()

				fourth, fifth := w.open("/shop/d"), w.open("/other/e")
				w.pass(time.Minute)
				w.told()
				w.move(fourth, fifth)
				restart()
				w.pass(24 * time.Hour)
				w.is()
				w.nothing()
				// What comes back was told.
				w.came(fourth)
				restart()
				w.pass(time.Minute)
				w.is()
				w.resolve(fourth)
				restart()
				w.pass(time.Minute)
				if got := w.told(); len(got) == 0 {
					t.Error("nobody was told that it is over")
				}
				w.nothing()
				// What goes and comes back at once was told, too.
				sixth := w.open("/shop/f")
				w.pass(time.Minute)
				w.told()
				w.move(sixth)
				w.came(sixth)
				restart()
				w.pass(time.Minute)
				w.is()
				w.resolve(sixth)
				w.pass(time.Minute)
				w.is("24h17m11s mail resolved: RESOLVED: /shop/f is red: connection refused, over after 2m")
				w.nothing()
			})
		})
	}
}

// TestWhatBeganAnewElsewhere: what was told, and began anew after it had moved, counts as told
// when it moves once more.
func TestWhatBeganAnewElsewhere(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db.Open(t), simple)
		id := w.adopt("/shop/a", 20*time.Minute)
		w.pass(time.Minute)
		w.resolve(id)
		w.pass(time.Minute)
		w.told()
		w.reopen(id)
		w.pass(time.Minute)
		if got := w.told(); len(got) != 1 {
			t.Errorf("it began anew, and told was %q", got)
		}
		w.move(id)
		w.pass(time.Minute)
		w.nothing()
		w.came(id)
		w.pass(10 * time.Minute)
		w.is()
		w.resolve(id)
		w.pass(time.Minute)
		if got := w.told(); len(got) != 1 {
			t.Errorf("it is over, and told was %q", got)
		}
		w.nothing()
	})
}

// TestWhatCameCountsAsTold: nobody is told again, and who would have been told is told that
// it is over; what is new about it is told as ever.
func TestWhatCameCountsAsTold(t *testing.T) {
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("kill=%t", kill), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, db *storetest.Database) {
				w := newWorld(t, db.Open(t), simple)
				restart := func() {
					if kill {
						w.restart()
					}
				}
				w.pass(0)
				w.adopt("/shop/a", 20*time.Minute)
				restart()
				w.pass(10*time.Minute - time.Millisecond)
				w.is()
				// The first step was taken before it came; the second is due half an hour after it opened.
				restart()
				w.pass(time.Millisecond)
				w.is("10m cto escalation: nobody has acknowledged for 30m: RED: /shop/a is red: connection refused")
				w.pass(30 * time.Minute)
				w.is("40m mail reminder: still RED: /shop/a is red: connection refused", "40m boss reminder: still RED: /shop/a is red: connection refused",
					"40m cto reminder: still RED: /shop/a is red: connection refused")
				w.resolve(w.last)
				restart()
				w.pass(time.Minute)
				w.is("40m10s boss resolved: RESOLVED: /shop/a is red: connection refused, over after 1h", "40m10s cto resolved: RESOLVED: /shop/a is red: connection refused, over after 1h", "40m10s mail resolved: RESOLVED: /shop/a is red: connection refused, over after 1h")
				w.nothing()

				// Somebody knows of it, elsewhere, since a minute after it opened.
				id := w.adopt("/shop/b", time.Hour, yellow)
				w.change(id, alert.Adopted, func(a *alert.Alert) {
					a.State, a.Ack = alert.Acknowledged, &alert.Ack{By: "ada", At: w.now.Add(-59 * time.Minute)}
				})
				restart()
				w.pass(3 * time.Hour)
				w.is()
				w.unacknowledge(id)
				w.worsen(id)
				w.pass(time.Minute)
				w.is("3h41m10s mail firing: RED: /shop/b is yellow: slow")
				w.move(id)
				w.pass(time.Minute)
				w.nothing()

				// It was held back from the beginning: it is told when it is released.
				id = w.adopt("/shop/c", time.Hour)
				w.change(id, alert.DidSuppress, func(a *alert.Alert) {
					a.State, a.Suppression = alert.Suppressed, &alert.Suppression{Reason: alert.ByMaintenance}
					a.History = []alert.Step{a.History[0], {Time: a.History[0].Time, What: alert.DidSuppress}, a.History[1]}
				})
				restart()
				w.pass(time.Minute)
				w.nothing()
				w.release(id)
				restart()
				w.pass(time.Minute)
				if got := w.told(); len(got) != 1 {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

// TestAStormComes: a thousand alerts of other managers, in groups of their own, are no
// messages at all.
func TestAStormComes(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [mail, push], group: {by: alert, wait: 0s}, most: 3}]")
	w.pass(0)
	var ids []alert.ID
	for i := range 1000 {
		ids = append(ids, w.adopt(fmt.Sprintf("/n%d/Up", i), time.Minute))
	}
	w.pass(time.Minute)
	w.is()
	w.resolve(ids[0])
	w.pass(time.Minute)
	if got := w.told(); len(got) != 2 {
		t.Errorf("%q", got)
	}
	w.move(ids[1:]...)
	w.pass(time.Minute)
	w.is()
	w.nothing()
}
