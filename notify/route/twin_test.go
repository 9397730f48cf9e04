package route

import (
	"testing"
	"time"

	"grove/tree/alert"
	"grove/tree/store/storetest"
)

// leave leaves an alert to another manager that watches the device, too; told: that has told.
func (w *world) leave(told bool, ids ...alert.ID) {
	for _, id := range ids {
		w.change(id, alert.DidSuppress, func(a *alert.Alert) {
			a.State, a.Suppression = alert.Suppressed, &alert.Suppression{Reason: alert.ByTwin, Text: "berlin watches it, too", Since: w.now, Told: told}
		})
	}
}

// takeOver goes on with an alert of which the other manager has told.
func (w *world) takeOver(id alert.ID) {
	w.release(id)
	w.change(id, alert.Adopted, func(*alert.Alert) {})
}

// TestWhatATwinTells is not told from here: neither that it opened nor that it is over, unless
// that one is lost in between.
func TestWhatATwinTells(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world, id alert.ID)
		want []string
	}{
		{"all of it", func(w *world, id alert.ID) { w.leave(true, id); w.pass(time.Minute); w.resolve(id) }, nil},
		{"the opening", func(w *world, id alert.ID) {
			w.leave(true, id)
			w.pass(time.Minute)
			w.takeOver(id)
			w.pass(time.Minute)
			w.resolve(id)
		}, []string{"2m10s mail resolved: RESOLVED: /shop/a is red: connection refused, over after 2m"}},
		{"the end of what was told here", func(w *world, id alert.ID) {
			w.pass(time.Minute)
			w.leave(true, id)
			w.pass(time.Minute)
			w.change(id, alert.DidResolve, func(a *alert.Alert) { // It says by whom it is told.
				at := w.now
				a.State, a.Resolved = alert.Resolved, &at
			})
		}, []string{"10s mail firing: RED: /shop/a is red: connection refused"}},
		{"nothing yet of what was told here", func(w *world, id alert.ID) {
			w.pass(time.Minute)
			w.leave(false, id)
			w.pass(time.Minute)
			w.resolve(id)
		}, []string{"10s mail firing: RED: /shop/a is red: connection refused", "2m10s mail resolved: RESOLVED: /shop/a is red: connection refused, over after 2m"}},
		{"what was told by both in turn", func(w *world, id alert.ID) {
			w.pass(time.Minute)
			w.leave(true, id)
			w.pass(time.Minute)
			w.takeOver(id)
			w.pass(time.Minute)
			w.leave(true, id)
			w.pass(time.Minute)
			w.takeOver(id)
			w.pass(time.Minute)
			w.resolve(id)
		}, []string{"10s mail firing: RED: /shop/a is red: connection refused", "5m10s mail resolved: RESOLVED: /shop/a is red: connection refused, over after 5m"}},
		{"and not any more", func(w *world, id alert.ID) {
			w.leave(true, id)
			w.pass(time.Minute)
			w.takeOver(id)
			w.pass(time.Minute)
			w.leave(true, id)
			w.pass(time.Minute)
			w.release(id) // Berlin says that it is over, and it is not.
			w.pass(time.Minute)
		}, []string{"3m10s mail firing: RED: /shop/a is red: connection refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, kill := range []bool{false, true} {
				w := newWorld(t, storetest.SQLite(t).Open(t), simple)
				c.do(w, w.open("/shop/a"))
				if kill {
					w.restart()
				}
				w.pass(time.Minute)
				w.is(c.want...)
			}
		})
	}
}
