package book

import (
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
)

// What another manager watches, too, is left to it, and goes on here when it is not any more.
func TestAlertsAreLeftToATwin(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/Up", &tree.Alerting{Vital: 1})
		w.state("/a/Load", nil)
		w.begin()
		w.leave(Twin{Left: true, By: "berlin"})
		w.set("red", "/a/Up")
		w.settled()
		w.wants("told", w.since(), "suppressed /a/Up suppressed red twin /a")
		if s := w.one("/a/Up").Suppression; s.Text != "berlin watches /a, too, and tells of it" || s.Told {
			t.Errorf("%+v", s)
		}
		w.set("red", "/a/Load")
		w.settled()
		w.wants("it goes before other reasons", w.since(), "suppressed /a/Load suppressed red twin /a")
		w.leave(Twin{Left: true, By: "berlin", Told: true})
		w.wants("it is told there", w.since(), "suppressed /a/Load suppressed red twin /a", "suppressed /a/Up suppressed red twin /a")
		if s := w.one("/a/Up").Suppression; !s.Told {
			t.Errorf("%+v", s)
		}
		w.restart()
		w.wait(time.Minute)
		w.wants("after a restart", w.since())

		// Berlin is lost, which had told, and where ann knows of it.
		w.leave(Twin{By: "berlin", Told: true, Ack: &alert.Ack{By: "ann", At: time.Now()}})
		w.wants("taken over", w.since(), "adopted /a/Up acknowledged red by ann +1", "suppressed /a/Load suppressed red parent /a/Up")
		h := w.one("/a/Up").History
		if n := len(h); h[n-2].What != alert.Released || h[n-1].Text != "it goes on here: berlin has told of it" {
			t.Errorf("%+v", h)
		}

		// Hamburg has it now. What is over here before anybody looks is left to it, too.
		w.mu.Lock()
		w.twin = Twin{Left: true, By: "hamburg", At: tree.MustPath("/a"), Told: true}
		w.mu.Unlock()
		w.set("green", "/a/Up", "/a/Load")
		w.settled()
		w.wants("over", w.since(), "resolved /a/Load resolved green twin /a", "resolved /a/Up resolved green by ann twin /a +1")
		w.leave(Twin{})
		w.wait(2 * time.Minute)
		w.set("red", "/a/Load")
		w.settled()
		w.wants("nobody else has it", w.since(), "reopened /a/Load open red x2")
		w.leave(Twin{Left: true, By: "berlin"})
		w.leave(Twin{By: "berlin"})
		w.wants("berlin did not see it", w.since(), "released /a/Load open red x2", "suppressed /a/Load suppressed red x2 twin /a")
	})
}
