package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"grove/runtime/probe/secret"
	"grove/tree"
	"grove/tree/history"
	"grove/tree/history/promql"
	"grove/tree/history/remote"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/journal"
	"grove/tree/store/memory"
	"grove/tree/store/revision"
)

// openWithin bounds the wait for a database at start-up.
const openWithin = 30 * time.Second

// sharedDir is where the definitions are, in the data directory, that managers share.
const sharedDir = "shared"

// past is what the manager knows of before: samples in the history, facts in the
// central database.
type past struct {
	facts     *store.Store
	journal   *journal.Journal
	memory    *memory.Memory
	audit     *audit.Log
	shared    *revision.Definitions
	samples   *history.Store
	longAgo   longAgo      // the samples, and what was before them
	recalling atomic.Int32 // calls under way that tune what was tuned before
	// newest has the last numbers of most nodes while many are restored.
	newest atomic.Pointer[map[string]history.Sample]
	// catalogue knows what the metrics of the tree are.
	catalogue *promql.Catalogue
}

// openPast opens both below the data directory, before there is a tree. The log of the
// history is replayed in the background.
func (a *App) openPast(e Exports) error {
	c := &a.config
	ctx, cancel := context.WithTimeout(context.Background(), openWithin)
	defer cancel()
	o := store.Options{Address: c.Database, Manager: c.Name, Log: a.log, Patient: true}
	if o.Address == "" {
		o.Address = filepath.Join(c.Data, "facts.db")
	}
	if c.DatabasePassword != "" {
		o.Password = func(context.Context) (string, error) { return readSecret(c.DatabasePassword) }
	}
	var err error
	if a.past.facts, err = store.Open(ctx, o); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	a.onStop("database", func(context.Context) error { return a.past.facts.Close() })
	a.past.journal = journal.New(journal.Options{
		Store: a.past.facts, Keep: c.JournalKeep, Also: a.journaled, Elsewhere: a.elsewhere, Unknown: a.unknown, Log: a.log,
	})
	shared := filepath.Join(c.Data, sharedDir)
	if err := os.MkdirAll(shared, 0o700); err != nil {
		return fmt.Errorf("shared definitions: %w", err)
	}
	a.past.audit = audit.New(a.past.facts, c.Name, nil)
	a.past.shared = revision.New(revision.Options{
		Store: a.past.facts, Dir: shared, Site: a.site, Check: a.checkShared, Changed: a.Reload, Log: a.log,
	})
	a.past.samples, err = history.Open(history.Options{
		Dir: filepath.Join(c.Data, "history"), Keep: c.HistoryKeep, Long: c.HistoryLong, MaxBytes: c.HistoryBytes, Log: a.log,
	})
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	a.onStop("history", func(context.Context) error { return a.past.samples.Close() })
	if len(e.RemoteWrite) > 0 {
		// Before the history may cut its log, which the writer takes hold of.
		a.exports.writer, err = remote.New(remote.Options{
			WAL: filepath.Join(a.past.samples.WAL(), "wal"), Dir: filepath.Join(c.Data, "remote"), Targets: e.RemoteWrite,
			Labels: map[string]string{"grove_manager": c.Name}, Secret: readSecret, Metadata: a.metadata, Version: c.Version, Log: a.log,
		})
		if err != nil {
			return fmt.Errorf("remote write: %w", err)
		}
	}
	return nil
}

// metadata tells remote write what is known of a metric.
func (a *App) metadata(name string) (remote.Metadata, bool) {
	m, ok := a.past.catalogue.Of(name)
	return remote.Metadata(m), ok
}

// bindPast tells the past of which tree it is.
func (a *App) bindPast(e Exports) (err error) {
	p := &a.past
	p.longAgo = longAgo{Store: p.samples, tree: a.Tree, log: a.log}
	if e.ReadBack != nil {
		if p.longAgo.reader, err = remote.NewReader(*e.ReadBack, readSecret, a.config.Version); err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		a.onStop("reading back", func(context.Context) error { p.longAgo.reader.Close(); return nil })
	}
	p.journal.Bind(a.Tree)
	p.samples.Bind(a.Tree)
	p.catalogue = promql.NewCatalogue(a.Tree, a.Guard)
	p.memory = memory.New(memory.Options{
		Store: p.facts, Tree: a.Tree, Events: p.journal.Events, Log: a.log,
		Last: p.last,
	})
	return nil
}

// last is the newest number of a node that the history has.
func (p *past) last(path tree.Path) (float64, time.Time, bool) {
	if newest := p.newest.Load(); newest != nil {
		if s, ok := (*newest)[path.String()]; ok {
			return s.Value, s.Time, true
		}
	}
	last, ok, err := p.samples.Last(context.Background(), path)
	return last.Value, last.Time, ok && err == nil && !last.Gap
}

// Many nodes are restored by one walk over the history, as far back as most have a number.
const (
	many         = 1000
	newestWithin = 3 * time.Hour
)

// together has last answered from one walk until done is called.
func (p *past) together(ctx context.Context) (done func()) {
	newest, err := p.samples.Newest(ctx, newestWithin)
	if err != nil {
		return func() {} // Then they are asked for one by one.
	}
	p.newest.Store(&newest)
	return func() { p.newest.Store(nil) }
}

// hook lets a tree tell the past what it does.
func (p *past) hook(o *tree.Options) {
	o.Readings = func(now time.Time, batch []tree.Reading) {
		p.samples.Readings(now, batch)
		p.journal.WaitForRoom() // for what the batch changed; the flush that tells of it does not wait
	}
	o.Reports = func(now time.Time, reports []tree.Report) {
		p.samples.Reports(now, reports)
		p.journal.Reports(now, reports)
		p.journal.WaitForRoom()
	}
	o.Tuned = p.tuned
	live := o.Statuses
	o.Statuses = func(changes []tree.StatusChange) {
		live(changes)
		p.samples.Statuses(changes)
		p.journal.Statuses(changes)
	}
}

// markWithin bounds the wait for the journal's marks of start and stop.
const markWithin = 3 * time.Second

// mark writes into the journal that the manager starts, runs or stops: reports tell by
// that when nobody watched.
func (a *App) mark(ctx context.Context, from, to tree.Status, text string) error {
	ctx, cancel := context.WithTimeout(ctx, markWithin)
	defer cancel()
	return a.past.journal.Append(ctx, journal.Entry{Time: time.Now(), Path: tree.Root, Kind: journal.Manager, From: from, To: to, Text: text})
}

// pulseEvery is how often the journal is told that the manager runs: after a crash
// nothing else says until when it did.
const pulseEvery = 5 * time.Minute

// pulse tells it until ctx ends.
func (a *App) pulse(ctx context.Context) error {
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := a.mark(ctx, tree.Green, tree.Green, ""); err != nil && ctx.Err() == nil {
				a.log.Error("the journal does not know that grove runs", "error", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keptWithin bounds how long an acknowledgement waits for the disk.
const keptWithin = 20 * time.Second

// kept returns once everything that the tree was given before is on disk.
func (p *past) kept(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keptWithin)
	defer cancel()
	// The answer is no as soon as one of them says so.
	for _, sync := range []func(context.Context) error{p.journal.Sync, p.memory.Sync, p.samples.Sync} {
		if err := sync(ctx); err != nil {
			return err
		}
	}
	return nil
}

// errUnkept is the answer to who gave something while something was lost.
var errUnkept = errors.New("readings or changes of status were lost meanwhile")

// keep returns what returns once everything is on disk that the tree was given since, and
// before its call. What had no room meanwhile makes it an error, whoever gave it.
func (p *past) keep() func(context.Context) error {
	samples, entries := p.samples.Lost(), p.journal.Lost()
	return func(ctx context.Context) error {
		err := p.kept(ctx)
		if err == nil && (p.samples.Lost() != samples || p.journal.Lost() != entries) {
			return errUnkept
		}
		return err
	}
}

// restoreWithin bounds the wait of a manager that starts for its history.
const restoreWithin = 3 * time.Second

// waitForHistory waits until the history knows the last numbers. One whose log takes
// longer to replay gives them later.
func (a *App) waitForHistory(ctx context.Context) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(restoreWithin); a.past.samples.Ready() != nil && time.Now().Before(end); {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// restore gives the nodes at the paths back what they were before, as far as no reading
// has come since.
func (a *App) restore(ctx context.Context, paths ...tree.Path) {
	if len(paths) == 0 {
		return
	}
	a.recall()
	if len(paths) >= many {
		defer a.past.together(ctx)()
	}
	a.past.recalling.Add(1)
	defer a.past.recalling.Add(-1)
	n, err := a.past.memory.Restore(ctx, paths...)
	if err != nil {
		a.log.Error("what nodes were before is not all restored", "error", err)
	}
	if n > 0 {
		a.log.Info("nodes have back what they were before", "nodes", n)
		// The tree tells nobody of it, so that the history would go on with the white that
		// it may have seen first.
		if err := a.past.samples.Look(ctx, true); err != nil && !errors.Is(err, history.ErrNotReady) && ctx.Err() == nil {
			a.log.Error("the history has not recorded the statuses that nodes have back", "error", err)
		}
	}
}

// renew gives the nodes the numbers that the history has, once it is there.
func (a *App) renew(ctx context.Context) error {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for a.past.samples.Ready() != nil {
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer a.past.together(ctx)()
	if n := a.past.memory.Renew(ctx); n > 0 {
		a.log.Info("nodes have the last numbers of before, since the history is read", "nodes", n)
	}
	return ctx.Err()
}

// freshNodes are the paths that came to have a node.
type freshNodes struct {
	mu    sync.Mutex
	paths []tree.Path
}

// take is for tree.Options.Names.
func (f *freshNodes) take(changes []tree.NameChange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range changes {
		if !changes[i].Gone && len(f.paths) < tree.MaxNodes {
			f.paths = append(f.paths, changes[i].Path)
		}
	}
}

// all returns them and begins anew.
func (f *freshNodes) all() []tree.Path {
	f.mu.Lock()
	defer f.mu.Unlock()
	paths := f.paths
	f.paths = nil
	return paths
}

// runPast keeps the past until Stop.
func (a *App) runPast() {
	// A full queue takes seconds to write; a database that is away ends it at once.
	a.runWithin(3*partWithin, "journal", a.past.journal.Run)
	if err := a.mark(context.Background(), tree.White, tree.Green, "grove "+a.config.Version+" starts"); err != nil {
		a.log.Error("the journal does not know of the start", "error", err)
	}
	a.onStop("mark of the stop", func(ctx context.Context) error { return a.mark(ctx, tree.Green, tree.White, "grove stops") })
	a.run("pulse", a.pulse)
	a.run("memory", a.past.memory.Run)
	a.run("shared definitions", a.past.shared.Run)
	a.run("history", a.past.samples.Run)
}

// readSecret returns what a reference of the operator stands for: "file:/path", "env:NAME"
// or "credential:NAME".
func readSecret(reference string) (string, error) {
	return (*secret.Policy)(nil).Read(secret.Ref(reference))
}
