package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/definition/source"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// began is when the worlds begin: a Monday, ten in the morning in Berlin.
var began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// world is a router with a book, an outbox and a clock that the test has in its hands.
// What is in sent is what was committed.
type world struct {
	t      testing.TB
	store  *store.Store
	rules  []Rule
	router *Router
	now    time.Time

	alerts map[alert.ID]*alert.Alert
	order  []alert.ID
	last   alert.ID

	sent    []delivery
	wakes   int
	behind  bool                       // the book is
	refuse  func(outbox.Message) error // by the outbox; nil takes all
	targets map[string][]string        // what a target stands for; others for themselves
}

// delivery is one message as the outbox has it.
type delivery struct {
	outbox.Message
	Said channel.Message
}

// readRules reads routes as the file of alerts has them.
func readRules(t testing.TB, text string) []Rule {
	t.Helper()
	documents, errs := source.Read("alerts.yaml", []byte(text))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var rules []Rule
	if errs := documents[0].Value.Decode(&rules, source.DecodeOptions{What: "routes"}); len(errs) > 0 {
		t.Fatal(errs)
	}
	for i := range rules {
		if err := rules[i].Check(); err != nil {
			t.Fatalf("route %d: %v", i+1, err)
		}
	}
	return rules
}

func newWorld(t testing.TB, s *store.Store, rules string) *world {
	t.Helper()
	w := &world{t: t, store: s, now: began, alerts: map[alert.ID]*alert.Alert{}, targets: map[string][]string{}}
	if rules != "" {
		w.rules = readRules(t, rules)
	}
	w.restart()
	return w
}

// forgetAll makes a database as new, as far as routes go.
func forgetAll(t testing.TB, s *store.Store) {
	t.Helper()
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"route_group", "route_channel", "route_alert"} {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// restart makes a new router on the same database, as after a kill.
func (w *world) restart() {
	w.router = New(Options{Rules: w.rules, Book: w, Outbox: w, Store: w.store, Manager: "grove1",
		Resolve: func(target string, _ time.Time) ([]string, error) {
			channels, ok := w.targets[target]
			switch {
			case !ok:
				return []string{target}, nil
			case channels == nil:
				return nil, errors.New("nobody is on call")
			}
			return channels, nil
		},
		URL: func() string { return "https://grove.example" }, Now: func() time.Time { return w.now }})
}

// Live implements Book.
func (w *world) Live(yield func(*alert.Alert) bool) {
	for _, id := range w.order {
		if a := w.alerts[id]; a != nil && a.State != alert.Resolved && !yield(a) {
			return
		}
	}
}

// Behind implements Book.
func (w *world) Behind() bool { return w.behind }

// Get implements Book.
func (w *world) Get(_ context.Context, id alert.ID) (alert.Alert, error) {
	if a := w.alerts[id]; a != nil {
		return *a, nil
	}
	return alert.Alert{}, fmt.Errorf("%w: %s", alert.ErrNone, id)
}

// Put implements Outbox.
func (w *world) Put(tx *store.Tx, messages ...outbox.Message) error {
	var list []delivery
	for _, m := range messages {
		if w.refuse != nil {
			if err := w.refuse(m); err != nil {
				return err
			}
		}
		d := delivery{Message: m}
		if err := json.Unmarshal(m.Body, &d.Said); err != nil {
			return err
		}
		list = append(list, d)
	}
	tx.Ended(func(err error) {
		if err == nil {
			w.sent = append(w.sent, list...)
		}
	})
	return nil
}

// Wake implements Outbox.
func (w *world) Wake() { w.wakes++ }

// step lets the router do what is due, and returns how long it would wait then.
func (w *world) step() time.Duration {
	w.t.Helper()
	wait, err := w.router.step(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return wait
}

// pass lets time pass, and the router do each thing when it is due.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for {
		wait := w.step()
		next := w.now.Add(max(wait, time.Millisecond))
		if next.After(end) {
			break
		}
		w.now = next
	}
	w.now = end
	w.step()
}

// open opens an alert of a node.
func (w *world) open(path string, change ...func(*alert.Alert)) alert.ID {
	w.last++
	a := &alert.Alert{ID: w.last, Key: path, Manager: "grove1", Path: tree.MustPath(path), Kind: alert.Status, State: alert.Open, Status: tree.Red, Worst: tree.Red,
		Severity: tree.Major, Opened: w.now, Count: 1, Instance: strings.Split(path, "/")[1], Message: path + " is red: connection refused"}
	for _, c := range change {
		c(a)
	}
	w.order = append(w.order, a.ID)
	w.alerts[a.ID] = a
	w.note(a, alert.Opened)
	return a.ID
}

func yellow(a *alert.Alert) {
	a.Status, a.Worst, a.Severity = tree.Yellow, tree.Yellow, tree.Warning
	a.Message = a.Path.String() + " is yellow: slow"
}

// note adds a step to a new copy of an alert and tells the router.
func (w *world) note(a *alert.Alert, what alert.What) {
	a.Changed, a.Revision = w.now, a.Revision+1
	a.History = append(slices.Clone(a.History), alert.Step{Time: w.now, What: what, Status: a.Status})
	w.alerts[a.ID] = a
	w.router.Changed([]alert.Alert{*a})
}

// change makes another of an alert.
func (w *world) change(id alert.ID, what alert.What, change func(*alert.Alert)) {
	a := *w.alerts[id]
	change(&a)
	w.note(&a, what)
}

func (w *world) resolve(ids ...alert.ID) {
	for _, id := range ids {
		w.change(id, alert.DidResolve, func(a *alert.Alert) {
			at := w.now
			a.State, a.Status, a.Resolved, a.Ack, a.Suppression = alert.Resolved, tree.Green, &at, nil, nil
		})
	}
}

func (w *world) reopen(id alert.ID) {
	w.change(id, alert.Reopened, func(a *alert.Alert) {
		a.State, a.Status, a.Severity, a.Resolved, a.Count = alert.Open, tree.Red, tree.Major, nil, a.Count+1
	})
}

func (w *world) suppress(id alert.ID) {
	w.change(id, alert.DidSuppress, func(a *alert.Alert) {
		a.State, a.Suppression = alert.Suppressed, &alert.Suppression{Reason: alert.ByParent, Text: "its parent has failed", Since: w.now}
	})
}

func (w *world) release(id alert.ID) {
	w.change(id, alert.Released, func(a *alert.Alert) {
		if a.State, a.Suppression = alert.Open, nil; a.Ack != nil {
			a.State = alert.Acknowledged
		}
	})
}

func (w *world) acknowledge(id alert.ID) {
	w.change(id, alert.DidAcknowledge, func(a *alert.Alert) {
		if a.Ack = (&alert.Ack{By: "ada", At: w.now}); a.State == alert.Open {
			a.State = alert.Acknowledged
		}
	})
}

func (w *world) unacknowledge(id alert.ID) {
	w.change(id, alert.Unacknowledged, func(a *alert.Alert) {
		if a.Ack = nil; a.State == alert.Acknowledged {
			a.State = alert.Open
		}
	})
}

func (w *world) worsen(id alert.ID) {
	w.change(id, alert.Worsened, func(a *alert.Alert) { a.Status, a.Worst, a.Severity = tree.Red, tree.Red, tree.Major })
}

func (w *world) ease(id alert.ID) {
	w.change(id, alert.Eased, func(a *alert.Alert) { a.Status, a.Severity = tree.Yellow, tree.Warning })
}

// told takes what was sent since it was last asked, a line a message: when, to whom, what
// for, and the title.
func (w *world) told() []string {
	var lines []string
	for _, d := range w.sent {
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", tree.FormatDuration(d.Made.Sub(began)), d.Channel, d.Purpose, d.Said.Title))
	}
	w.sent = nil
	return lines
}

// is compares what was sent since it was last asked.
func (w *world) is(want ...string) {
	w.t.Helper()
	got := w.told()
	if !slices.Equal(got, want) {
		w.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
