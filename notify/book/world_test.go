package book

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// world is a tree with a book on a database of its own, in a bubble whose clock the test
// owns.
type world struct {
	t     testing.TB
	d     *storetest.Database
	tree  *tree.Tree
	store *store.Store
	lines *journal.Journal
	book  *Book
	end   func()
	// killed says that the database was closed before, so that nothing more is written.
	killed bool

	early  []alert.Alert // that are adopted before each Begin
	before func()        // what else is done then; may be nil

	away       atomic.Bool   // the database, for the book
	awayAs     error         // what it says then
	back       atomic.Int64  // how far the clock was set back, in nanoseconds
	slow       time.Duration // how long it takes; set before anything happens
	mu         sync.Mutex    // guards what follows
	told       []alert.Alert
	maintained map[tree.Path]*time.Time // nil: without an end
	twin       Twin
}

// bubble runs a test with a world on SQLite.
func bubble(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel() // The disk is what they wait for.
	d := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, d)
		defer w.close()
		test(w)
	})
}

func newWorld(t testing.TB, d *storetest.Database) *world {
	w := &world{t: t, d: d, maintained: map[tree.Path]*time.Time{}, awayAs: errors.New("the test took the database away")}
	w.tree = tree.New(tree.Options{
		Statuses: func(c []tree.StatusChange) { w.book.Statuses(c) },
		Names:    func(c []tree.NameChange) { w.book.Names(c) },
		// Its clock ticks in vain for hours.
		FlushEvery: 10 * time.Second,
	})
	return w
}

// begin opens the database and starts the book.
func (w *world) begin() {
	w.t.Helper()
	var err error
	w.store, err = store.Open(context.Background(), store.Options{Address: w.d.Address, Manager: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.lines = journal.New(journal.Options{Store: w.store})
	w.book = New(Options{
		Now:  func() time.Time { return time.Now().Add(-time.Duration(w.back.Load())) },
		Tree: w.tree, Store: w.store, Journal: w, Manager: "test", Maintained: w.maintains, Twin: w.twinOf,
		Changed: func(a []alert.Alert) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, a...)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- w.tree.Run(ctx) }()
	go func() { ended <- w.book.Run(ctx) }()
	w.end = func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil && !w.killed {
			w.t.Error(err)
		}
		if err := w.store.Close(); err != nil {
			w.t.Error(err)
		}
		w.end = nil
	}
	if err := w.book.Adopt(context.Background(), w.early); err != nil {
		w.t.Fatal(err)
	}
	if w.before != nil {
		w.before()
	}
	if err := w.book.Begin(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// Add implements Journal.
func (w *world) Add(tx *store.Tx, entries ...journal.Entry) error {
	if w.away.Load() {
		return w.awayAs
	}
	time.Sleep(w.slow)
	return w.lines.Add(tx, entries...)
}

// restart ends the manager, and starts it with the same tree.
func (w *world) restart() {
	w.t.Helper()
	w.end()
	w.begin()
}

func (w *world) close() {
	if w.end != nil {
		w.end()
	}
}

func (w *world) maintains(p tree.Path, at time.Time) (alert.Suppression, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for q, until := range w.maintained {
		if q.Contains(p) && (until == nil || at.Before(*until)) {
			return alert.Suppression{At: q, Text: "maintenance", Until: until}, true
		}
	}
	return alert.Suppression{}, false
}

// twinOf says what the test does.
func (w *world) twinOf(a *alert.Alert) Twin {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.twin
}

// leave says to whom alerts are left.
func (w *world) leave(t Twin) {
	w.mu.Lock()
	t.At = tree.MustPath("/a")
	w.twin = t
	w.mu.Unlock()
	w.book.TwinsChanged()
	w.wait(time.Second)
}

// maintain says that a node is worked on, or no more.
func (w *world) maintain(path string, until *time.Time, on bool) {
	w.mu.Lock()
	if on {
		w.maintained[tree.MustPath(path)] = until
	} else {
		delete(w.maintained, tree.MustPath(path))
	}
	w.mu.Unlock()
	w.book.MaintenanceChanged()
}

// add grows a node.
func (w *world) add(path string, s *tree.Spec) {
	w.t.Helper()
	if _, err := w.tree.Add(tree.MustPath(path), s); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) state(path string, a *tree.Alerting) {
	w.t.Helper()
	w.add(path, &tree.Spec{Kind: tree.State, Alerting: a})
}

func (w *world) group(path string, a *tree.Alerting) {
	w.t.Helper()
	w.add(path, &tree.Spec{Kind: tree.Group, Alerting: a})
}

// set gives attributes the status that is the text: "red", "green"; "white" is no value.
func (w *world) set(status string, paths ...string) {
	w.t.Helper()
	for _, path := range paths {
		ref, ok := w.tree.Lookup(tree.MustPath(path))
		if !ok {
			w.t.Fatalf("there is no %s", path)
		}
		r := tree.Report{Node: ref, Value: tree.Text(status)}
		if status == "white" {
			r = tree.Report{Node: ref, Reason: "no answer"}
		}
		if w.tree.Report(r) != 1 {
			w.t.Fatalf("%s does not take %s", path, status)
		}
	}
}

// wait lets time pass, and the book decide.
func (w *world) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// settled waits until the book has decided.
func (w *world) settled() {
	w.t.Helper()
	if err := w.book.Sync(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// show writes an alert in a line: "/a/x open red x2 flapping ack<-/b".
func (w *world) show(a *alert.Alert) string {
	s := fmt.Sprintf("%s %s %s", a.Path, a.State, a.Status)
	if a.Kind != alert.Status {
		s = fmt.Sprintf("%s %s %s", a.Path, a.State, a.Kind)
	}
	if a.Count > 1 {
		s += fmt.Sprint(" x", a.Count)
	}
	if a.Flapping {
		s += " flapping"
	}
	if a.Ack != nil {
		s += " by " + a.Ack.By
	}
	if a.Suppression != nil {
		s += fmt.Sprintf(" %s %s", a.Suppression.Reason, a.Suppression.At)
	}
	if a.Consequences > 0 {
		s += fmt.Sprintf(" +%d", a.Consequences)
	}
	return s
}

// live shows the alerts that are not resolved.
func (w *world) live() string {
	var lines []string
	for a := range w.book.Live {
		lines = append(lines, w.show(a))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// since shows what was told since the last time, each with its last step.
func (w *world) since() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := make([]string, len(w.told))
	for i := range w.told {
		a := &w.told[i]
		lines[i] = string(a.History[len(a.History)-1].What) + " " + w.show(a)
	}
	w.told = nil
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// wants compares what is shown with lines that a test writes.
func (w *world) wants(what, got string, lines ...string) {
	w.t.Helper()
	slices.Sort(lines)
	if want := strings.Join(lines, "\n"); got != want {
		w.t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

// one is the alert of a node that is not resolved.
func (w *world) one(path string) *alert.Alert {
	w.t.Helper()
	for a := range w.book.Live {
		if a.Path.String() == path {
			return a
		}
	}
	w.t.Fatalf("there is no alert of %s, only\n%s", path, w.live())
	return nil
}
