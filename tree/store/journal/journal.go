// Package journal remembers what happened: each change of a status, each event of a log
// attribute, and what else is told to it, searchable by time, subtree, kind, status and
// text. The database's own indexes lead to all but texts, and to these blocks of entries,
// which are made behind the writing (see package block).
//
// What is told waits in memory until it is committed, a few milliseconds, in a queue of
// bounded length. While it is full producers wait in [Journal.WaitForRoom] and
// [Journal.Reports], which is what slows down a flood; [Journal.Statuses] never waits, since
// it is called while the tree publishes, and may fill the queue twice. Nobody waits while
// the database cannot be written, or does nothing for longer than ten seconds: then the live
// tree goes on, and what has no room is lost, counted, and an error of [Journal.Sync]. What
// Sync has acknowledged is on disk.
package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"grove/tree"
	"grove/tree/store"
)

// Options are the surroundings of a Journal.
type Options struct {
	Store *store.Store
	// Keep is how long entries are kept; 400 days when zero.
	Keep time.Duration
	// Rows is how many are kept at most; 20 million when zero, about 3 GB.
	Rows int64
	// Queue is how many may wait to be written before producers wait; 262,144 when zero.
	// There is room for twice as many.
	Queue int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log takes what happens without being asked for; nil is nowhere.
	Log *slog.Logger
	// Also is called in each transaction that writes entries, after them, with those that
	// were not there before, in the goroutine of the store's writer: what else depends on
	// their being written. It may be called again when the transaction is. Nil is nothing.
	Also func(tx *store.Tx, entries []Entry) error
	// Elsewhere says of which nodes another manager remembers what happens, so that it comes
	// from there: Statuses and Reports leave them out. Nil is none.
	Elsewhere func(tree.Path) bool
	// Unknown says that it is not known yet what a node did from one time up to before
	// another, since whoever remembers it has not told. Intervals and Totals count that as
	// white. Nil is that all is known.
	Unknown func(tree.Path) (from, to time.Time, why string)
}

// ErrLost is what could not be remembered since the database was away for too long.
var ErrLost = errors.New("entries of the journal were lost")

// Journal is the journal of one manager. Its methods may be called from many goroutines;
// Run runs once.
type Journal struct {
	o    Options
	tree atomic.Pointer[tree.Tree]

	mu       sync.Mutex // guards what follows
	queue    []Entry
	taken    int           // entries of the batch
	given    uint64        // entries that were ever queued
	settled  uint64        // of them: written, or lost
	progress chan struct{} // closed and made anew when anything of this changes
	failing  error         // of the last try to write
	patience time.Duration // the constant, but in tests
	// blockEntries and maxRead are the constants, but in tests.
	blockEntries, maxRead int
	stalled               bool // the database does nothing: nobody waits for it
	stopped               bool // Run has returned
	lost                  uint64
	told                  uint64 // lost that a Sync has told of

	written atomic.Uint64
	deleted atomic.Uint64
	rows    atomic.Int64 // in the database; below zero: not counted yet

	// What follows belongs to Run.
	batch    []Entry // that is being written
	known    bool    // a batch had numbers before
	replaced int64   // of the store, when that was so
	counted  time.Time
	overdue  bool // there is more to delete, or to count

	numbers numbers
	paths   pathCache
}

// New makes a journal. Nothing is written before Run runs.
func New(o Options) *Journal {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Keep, o.Rows, o.Queue = cmp.Or(o.Keep, 400*24*time.Hour), cmp.Or(o.Rows, 20_000_000), cmp.Or(o.Queue, 1<<18)
	j := &Journal{o: o, progress: make(chan struct{}), patience: patience, blockEntries: blockEntries, maxRead: maxRead}
	j.rows.Store(-1)
	return j
}

// Bind says of which tree the reports are and where the present status of a node is
// asked. It comes before the first report.
func (j *Journal) Bind(t *tree.Tree) { j.tree.Store(t) }

// Statuses takes changes of status; it is for tree.Options. It never waits.
func (j *Journal) Statuses(changes []tree.StatusChange) {
	entries := make([]Entry, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		if j.o.Elsewhere == nil || !j.o.Elsewhere(c.Path) {
			entries = append(entries, Entry{Time: c.Time, Path: c.Path, Kind: Status, From: c.From, To: c.To, Value: c.Value, Text: c.Reason})
		}
	}
	j.give(entries, false)
}

// Reports takes the events of reports; it is for tree.Options.
func (j *Journal) Reports(now time.Time, reports []tree.Report) {
	var entries []Entry
	t := j.tree.Load()
	for i := range reports {
		r := &reports[i]
		if len(r.Events) == 0 || r.Reason != "" || t == nil {
			continue
		}
		path, ok := j.paths.of(t, r.Node)
		if !ok || j.o.Elsewhere != nil && j.o.Elsewhere(path) {
			continue
		}
		at := r.Time
		if at.IsZero() {
			at = now
		}
		for _, e := range r.Events {
			when := e.Time
			if when.IsZero() {
				when = at
			}
			if when.After(now.Add(tree.MaxAhead)) {
				when = now // a line from the future would stand above all that comes
			}
			entries = append(entries, Entry{Time: when, Path: path, Kind: Event, To: min(e.Status, tree.Red), Text: e.Text})
		}
	}
	j.give(entries, true)
}

// Append writes entries and returns when they are committed.
func (j *Journal) Append(ctx context.Context, entries ...Entry) error {
	lost := j.Lost()
	end, err := j.give(entries, true), error(nil)
	if j.Lost() != lost {
		err = ErrLost
	}
	return cmp.Or(err, j.wait(ctx, end))
}

// patience is how long producers wait for a database that does nothing at all. Then they
// wait no more until it does something.
const patience = 10 * time.Second

// WaitForRoom waits while the queue is full, if waiting helps. It is for producers, after
// they have changed the tree.
func (j *Journal) WaitForRoom() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waitForRoom()
}

// waitForRoom is WaitForRoom with the lock, which it gives up meanwhile.
func (j *Journal) waitForRoom() {
	full := func() bool {
		return len(j.queue)+j.taken >= j.o.Queue && j.failing == nil && !j.stalled && !j.stopped
	}
	if !full() {
		return
	}
	impatient := time.NewTimer(j.patience)
	defer impatient.Stop()
	for before := j.settled; full(); {
		changed := j.progress
		j.mu.Unlock()
		select {
		case <-changed:
			j.mu.Lock()
			if j.settled != before {
				before = j.settled
				impatient.Reset(j.patience)
			}
		case <-impatient.C:
			j.mu.Lock()
			if j.settled == before && !j.stalled {
				j.stalled = true
				j.o.Log.Warn("the database does nothing: nobody waits for it until it does")
			}
			before = j.settled
			impatient.Reset(j.patience)
		}
	}
}

// give queues entries, and returns the number up to which they have settled then.
func (j *Journal) give(entries []Entry, wait bool) (end uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(entries) > 0 {
		if wait {
			j.waitForRoom()
		}
		most := j.o.Queue
		if !wait && j.failing == nil && !j.stalled && !j.stopped {
			most *= 2
		}
		n := min(max(most-len(j.queue)-j.taken, 0), len(entries))
		if n == 0 {
			if j.lost == j.told {
				j.o.Log.Error("entries of the journal are lost until the database can be written", "err", j.failing)
			}
			j.lost += uint64(len(entries))
			return j.given
		}
		j.queue = append(j.queue, entries[:n]...)
		j.given += uint64(n)
		entries = entries[n:]
		j.signal()
	}
	return j.given
}

// signal wakes all who wait for a change; it is called with the lock.
func (j *Journal) signal() {
	close(j.progress)
	j.progress = make(chan struct{})
}

// Sync returns when everything is committed that the tree had changed, and that was
// told, before the call; an error says that some of it is not, or that some was lost
// since the last Sync.
func (j *Journal) Sync(ctx context.Context) error {
	if t := j.tree.Load(); t != nil {
		t.Flush()
	}
	j.mu.Lock()
	end := j.given
	lost := j.lost - j.told
	j.told = j.lost
	j.mu.Unlock()
	if lost > 0 {
		return fmt.Errorf("%w: %d", ErrLost, lost)
	}
	return j.wait(ctx, end)
}

// wait waits until so many have settled.
func (j *Journal) wait(ctx context.Context, end uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.settled < end {
		if j.failing != nil {
			return j.failing
		}
		if j.stopped {
			return store.ErrClosed
		}
		changed := j.progress
		j.mu.Unlock()
		select {
		case <-changed:
			j.mu.Lock()
		case <-ctx.Done():
			j.mu.Lock()
			return ctx.Err()
		}
	}
	return nil
}

// Lost counts the entries that could not be remembered.
func (j *Journal) Lost() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lost
}

// Stats are the counts of a journal.
type Stats struct {
	Rows                   int64 // in the database; -1 while they are not counted yet
	Queue, Room            int   // entries that wait, and how many may
	Written, Deleted, Lost uint64
	Err                    error // why nothing can be written at present
}

// Stats returns the present counts.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Stats{
		Rows: j.rows.Load(), Queue: len(j.queue) + j.taken, Room: j.o.Queue,
		Written: j.written.Load(), Deleted: j.deleted.Load(), Lost: j.lost, Err: j.failing,
	}
}

// pathCache remembers the paths of nodes that report events, since a tree puts each
// together anew.
type pathCache struct {
	mu        sync.Mutex
	structure uint64
	paths     map[tree.Ref]tree.Path
}

// maxPaths bounds what is remembered.
const maxPaths = 1 << 14

func (c *pathCache) of(t *tree.Tree, r tree.Ref) (tree.Path, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := t.Structure(); c.paths == nil || now != c.structure || len(c.paths) >= maxPaths {
		c.paths, c.structure = map[tree.Ref]tree.Path{}, now
	}
	if p, ok := c.paths[r]; ok {
		return p, true
	}
	n, err := t.NodeAt(r)
	if err != nil || n.Kind != tree.Log {
		return tree.Root, false
	}
	c.paths[r] = n.Path
	return n.Path, true
}
