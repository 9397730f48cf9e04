package past

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when tests begin.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world is a tree with a history and a journal on disk, which survive restarts.
type world struct {
	t       testing.TB
	dir     string
	clock   atomic.Int64 // Unix milliseconds
	tree    *tree.Tree
	samples *history.Store
	facts   *store.Store
	journal *journal.Journal
	past    *Past
	stop    func()
	looked  time.Time // when all of the tree was recorded
}

func (w *world) now() time.Time { return time.UnixMilli(w.clock.Load()) }

// grow makes a world, whose manager runs.
func grow(t testing.TB) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.clock.Store(noon.UnixMilli())
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

// start runs the manager.
func (w *world) start() {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if w.facts, err = store.Open(w.t.Context(), store.Options{Address: w.dir + "/facts.db", Manager: "north", Now: w.now, Log: log}); err != nil {
		w.t.Fatal(err)
	}
	if w.samples, err = history.Open(history.Options{Dir: w.dir + "/history", Now: w.now, MinFree: 1, Keep: 4 * time.Hour, OutOfOrder: time.Hour, Log: log}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.samples.Sync(w.t.Context()); err != nil { // Then it is open.
		w.t.Fatal(err)
	}
	w.journal = journal.New(journal.Options{Store: w.facts, Now: w.now, Log: log})
	w.tree = tree.New(tree.Options{
		Now:      w.now,
		Readings: w.samples.Readings,
		Reports: func(now time.Time, reports []tree.Report) {
			w.samples.Reports(now, reports)
			w.journal.Reports(now, reports)
		},
		Statuses: func(c []tree.StatusChange) {
			w.samples.Statuses(c)
			w.journal.Statuses(c)
		},
	})
	w.journal.Bind(w.tree)
	w.samples.Bind(w.tree)
	w.past = New(Options{Tree: w.tree, History: w.samples, Journal: w.journal, Settle: w.settle, Now: w.now, Log: log})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = w.journal.Run(ctx) })
	w.mark(tree.White, tree.Green)
	w.stop = func() {
		w.past.Close()
		w.mark(tree.Green, tree.White)
		cancel()
		all.Wait()
		if err := errors.Join(w.samples.Close(), w.facts.Close()); err != nil {
			w.t.Error(err)
		}
	}
}

// mark writes into the journal that the manager starts or stops.
func (w *world) mark(from, to tree.Status) {
	w.t.Helper()
	if err := w.journal.Append(context.Background(), journal.Entry{Time: w.now(), Path: tree.Root, Kind: journal.Manager, From: from, To: to, Text: "mark"}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) settle(ctx context.Context) error {
	w.tree.Flush()
	return errors.Join(w.journal.Sync(ctx), w.samples.Sync(ctx))
}

// pass lets time pass, with what a running manager does meanwhile.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for end := w.now().Add(d); w.now().Before(end); {
		w.look()
		w.clock.Store(min(w.clock.Load()+time.Minute.Milliseconds(), end.UnixMilli()))
		w.tree.Advance(w.now())
	}
	w.look()
}

// look records the tree, as Run does all the time, and all of it every four minutes.
func (w *world) look() {
	w.t.Helper()
	w.tree.Flush()
	all := w.now().Sub(w.looked) >= 4*time.Minute
	if all {
		w.looked = w.now()
	}
	if err := w.samples.Look(w.t.Context(), all); err != nil {
		w.t.Fatal(err)
	}
}

// add makes a node.
func (w *world) add(path string, spec tree.Spec) tree.Ref {
	w.t.Helper()
	ref, err := w.tree.Add(tree.MustPath(path), &spec)
	if err != nil {
		w.t.Fatal(err)
	}
	return ref
}

func (w *world) change(ops ...tree.Op) {
	w.t.Helper()
	if err := w.tree.Change(ops...); err != nil {
		w.t.Fatal(err)
	}
}

// report gives a node a reading of now.
func (w *world) report(path string, value any) {
	w.t.Helper()
	ref, ok := w.tree.Lookup(tree.MustPath(path))
	if !ok {
		w.t.Fatalf("no %s", path)
	}
	r := tree.Report{Node: ref, Time: w.now()}
	switch v := value.(type) {
	case float64:
		r.Value = tree.Number(v)
	case string:
		r.Value = tree.Text(v)
	case tree.Event:
		r.Events = []tree.Event{v}
	case error:
		r.Reason = v.Error()
	}
	w.tree.Report(r)
	w.tree.Flush()
}

// shown tells what a tree is, by path.
func shown(t testing.TB, tr *tree.Tree) map[string]string {
	t.Helper()
	got := map[string]string{}
	_ = tr.Walk(tree.Root, -1, func(n *tree.Node) bool {
		line := n.Kind.String() + " " + n.Status.String()
		if n.Kind == tree.Group {
			line += fmt.Sprint(n.Counts)
		}
		if !n.Value.IsNone() {
			line += " " + n.Value.String()
		}
		if n.Spec.Unit != "" {
			line += " " + n.Spec.Unit
		}
		if n.Reason != "" {
			line += " (" + n.Reason + ")"
		}
		got[n.Path.String()] = line
		return true
	})
	return got
}

// at returns what the past shows of a moment.
func (w *world) at(at time.Time) map[string]string {
	w.t.Helper()
	past, release, err := w.past.At(w.t.Context(), at)
	if err != nil {
		w.t.Fatal(err)
	}
	defer release()
	return shown(w.t, past)
}
