package book

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
)

// TestTheDatabaseIsAway: the book goes on deciding, and tells nobody what is not kept.
func TestTheDatabaseIsAway(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.state("/a/y", nil)
		w.begin()
		w.set("red", "/a/y")
		w.settled()
		w.since()
		id := w.one("/a/y").ID
		w.awayAs = store.ErrUnavailable
		w.away.Store(true)
		w.set("red", "/a/x")
		w.wait(time.Minute)
		w.wants("nobody is told", w.since())
		w.wants("nor shown", w.live(), "/a/y open red")
		if s := w.book.Stats(); s.Err == nil || s.Unwritten != 1 {
			w.t.Errorf("%+v", s)
		}
		if err := w.book.Sync(w.t.Context()); err == nil {
			w.t.Error("all is on disk")
		}
		if r := w.book.Acknowledge(w.t.Context(), []alert.ID{id}, alert.Ack{By: "ada"}, nil); !strings.Contains(r[0].Error, "cannot be written") {
			w.t.Errorf("%+v", r)
		}
		w.set("green", "/a/x")
		w.wait(time.Minute)
		w.set("yellow", "/a/x")
		w.wait(time.Minute)
		w.away.Store(false)
		w.wait(retryEvery + time.Second)
		w.wants("live", w.live(), "/a/x open yellow x2", "/a/y open red")
		w.wants("told", w.since(), "opened /a/x open red", "reopened /a/x open yellow x2")
		if s := w.book.Stats(); s.Err != nil || s.Unwritten != 0 || !s.Begun || s.Live != 2 {
			w.t.Errorf("%+v", s)
		}
		w.settled()
	})
}

// TestTooManyToWrite: what does not fit into memory is decided later, by what nodes are then.
func TestTooManyChanges(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.state("/a/y", nil)
		w.set("green", "/a/x", "/a/y")
		w.begin()
		w.wait(time.Second)
		before := w.book.Stats().Surveys
		flood := make([]tree.StatusChange, maxQueue+10)
		for i := range flood {
			flood[i] = tree.StatusChange{Path: tree.MustPath("/nowhere"), Kind: tree.State, To: tree.Red}
		}
		w.set("red", "/a/y")
		w.book.Statuses(flood)
		w.set("red", "/a/x")
		w.wait(2 * time.Second)
		w.settled()
		w.wants("live", w.live(), "/a/x open red", "/a/y open red")
		if s := w.book.Stats(); s.Surveys != before+1 {
			w.t.Errorf("%d looks at the whole tree", s.Surveys-before)
		}
	})
}

// TestTooManyAlerts gives up yellow consequences first.
func TestTooManyAlerts(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/h/Up", &tree.Alerting{Vital: 1})
		for i := range 4 {
			w.state(fmt.Sprintf("/h/yellow%d", i), nil)
			w.state(fmt.Sprintf("/h/red%d", i), nil)
		}
		w.state("/free/x", nil)
		w.state("/free/y", nil)
		w.begin()
		w.book.most = 9
		w.set("red", "/h/Up", "/h/red0", "/h/red1", "/h/red2", "/h/red3")
		w.set("yellow", "/h/yellow0", "/h/yellow1", "/h/yellow2", "/h/yellow3")
		w.settled()
		w.since()
		w.set("yellow", "/free/x")
		w.settled()
		w.wants("told", w.since(), "opened /free/x open yellow", "resolved /h/yellow0 resolved yellow parent /h/Up")
		w.set("yellow", "/free/y")
		w.wait(time.Minute)
		w.wants("told", w.since(), "opened /free/y open yellow", "resolved /h/yellow1 resolved yellow parent /h/Up")
		if s := w.book.Stats(); s.GivenUp != 2 || s.Live != 9 {
			w.t.Errorf("%+v", s)
		}
		w.set("green", "/h/yellow0", "/free/y", "/free/x")
		w.settled()
		w.set("yellow", "/h/yellow0")
		w.settled()
		if a := w.one("/h/yellow0"); a.Count != 2 {
			w.t.Errorf("%+v", a)
		}
	})
}

// TestForgets: what is over leaves nothing in memory.
func TestForgets(t *testing.T) {
	bubble(t, func(w *world) {
		for i := range 100 {
			w.state(fmt.Sprintf("/a/x%d", i), nil)
		}
		w.begin()
		for i := range 100 {
			w.set("red", fmt.Sprintf("/a/x%d", i))
		}
		w.settled()
		for i := range 100 {
			w.set("green", fmt.Sprintf("/a/x%d", i))
		}
		w.settled()
		w.wait(DefaultReopen + time.Minute)
		b := w.book
		if err := b.take(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		defer b.leave()
		if n := len(b.entries) + len(b.byID) + len(b.recent) + len(b.in.watched) + len(b.agenda.at) + len(b.agenda.due) + len(b.unwritten) + len(b.touched) + len(b.sources) + len(b.over) + len(b.counts) + len(b.recount); n != 0 {
			w.t.Errorf("%d entries, %d numbers, %d recent, %d watched, %d in the agenda, %d counted", len(b.entries), len(b.byID), len(b.recent), len(b.in.watched), len(b.agenda.at), len(b.counts))
		}
	})
}

// TestABackupIsLoaded: the book goes by what the database holds now.
func TestABackupIsLoaded(t *testing.T) {
	bubble(t, func(w *world) {
		w.state("/a/x", nil)
		w.state("/a/y", nil)
		w.begin()
		w.set("red", "/a/x")
		w.settled()
		first := w.one("/a/x").ID
		var backup bytes.Buffer
		if err := w.store.Dump(w.t.Context(), &backup); err != nil {
			w.t.Fatal(err)
		}
		w.set("green", "/a/x")
		w.set("red", "/a/y")
		w.settled()
		second := w.one("/a/y").ID
		w.wait(2 * DefaultReopen)
		w.since()
		if err := w.store.Load(w.t.Context(), &backup); err != nil {
			w.t.Fatal(err)
		}
		w.wait(sweepEvery + time.Second)
		w.wants("live", w.live(), "/a/y open red")
		w.wants("told", w.since(), "resolved /a/x resolved green", "opened /a/y open red")
		if a, err := w.book.Get(w.t.Context(), first); err != nil || !a.Ended() {
			w.t.Errorf("%+v, %v", a, err)
		}
		if again := w.one("/a/y").ID; again <= second {
			w.t.Errorf("the number %s was given before, up to %s", again, second)
		}
	})
}
