package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/prometheus/prometheus/tsdb/wlog"

	"grove/tree"
	"grove/tree/history/shelf"
)

// ErrNotReady is wrapped by the errors of a store that cannot read or write now.
var ErrNotReady = errors.New("the history is not ready")

var errClosed = fmt.Errorf("%w: it is closed", ErrNotReady)

// state is what the store does with samples.
type state uint8

const (
	opening  state = iota // replays the log; samples wait, as far as there is room
	open                  // takes them; producers wait for room
	refusing              // cannot write; as opening
	failed                // could not be opened
	closed
)

// Store is the history of one tree. Its methods may be called from many goroutines.
type Store struct {
	opts      Options
	raw, long *shelf.Shelf
	lock      *tsdbutil.DirLocker

	tree atomic.Pointer[tree.Tree]

	quit context.CancelFunc
	done chan struct{} // closed when the committer has ended
	wake chan struct{} // holds a token when there is something to commit

	mu    sync.Mutex // guards everything below
	room  sync.Cond  // on mu: the buffer got room, or the state changed
	state state
	why   error // of refusing and failed

	// The buffer: samples in the order in which they were given.
	current []shelf.Sample
	full    [][]shelf.Sample
	spare   [][]shelf.Sample
	held    int  // in both and on the way to the log
	stuck   int  // who waits for room
	stalled bool // the disk does nothing: nobody waits for room
	// patience is the constant, but in tests.
	patience time.Duration
	given    uint64 // samples so far
	done64   uint64 // of them committed, or dropped and counted
	durable  uint64 // of them on the disk
	waiters  []waiter

	counts counts
	record recorder

	keeping keeping // of Run; has its own locks
}

// waiter waits until so many samples are on the disk.
type waiter struct {
	target uint64
	done   chan error
}

// Open returns a store that opens its files in the background; what is wrong with them
// is told by Ready. The directory belongs to one store at a time.
func Open(o Options) (*Store, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	// The database below it makes files that everybody on the machine may read.
	if err := os.Chmod(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	lock, err := tsdbutil.NewDirLocker(o.Dir, "history", o.Log, nil)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	// A lock that an earlier process left behind is no news.
	if err := lock.Lock(); err != nil {
		return nil, fmt.Errorf("the history in %s is used by another process: %w", o.Dir, err)
	}
	s := &Store{opts: o, lock: lock, patience: patience, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	s.room.L = &s.mu
	s.record.init()
	common := shelf.Options{Aside: filepath.Join(o.Dir, "damaged"), MaxSeries: o.MaxSeries, MinFree: o.MinFree, Segment: o.segment()}
	raw, long := common, common
	raw.Dir, raw.BlockRange, raw.MaxBlockRange = filepath.Join(o.Dir, "raw"), rawBlock, max(min(o.Keep/10, maxRawBlock), rawBlock)
	raw.OutOfOrder, raw.Obsolete, raw.Log = o.OutOfOrder, s.obsoleteRaw, o.Log.With("samples", "raw")
	long.Dir, long.BlockRange, long.MaxBlockRange = filepath.Join(o.Dir, "long"), longBlock, max(min(o.Long/10, maxLongBlock), longBlock)
	// Nothing is late where all is put in as blocks; but only a shelf that takes late
	// samples finds new blocks when it is told to.
	long.OutOfOrder = time.Millisecond
	long.Obsolete, long.Log = s.obsoleteLong, o.Log.With("samples", "long")
	s.raw, s.long = shelf.New(raw), shelf.New(long)
	s.keeping.rolled.Store(s.readRolled())
	ctx, quit := context.WithCancel(context.Background())
	s.quit = quit
	go s.commit(ctx)
	return s, nil
}

// Bind names the tree of the nodes, before it gets its first reading.
func (s *Store) Bind(t *tree.Tree) { s.tree.Store(t) }

// Ready is nil once the history can be read and written. Until then it says how far
// the log is replayed, or what is wrong.
func (s *Store) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readyLocked()
}

func (s *Store) readyLocked() error {
	switch s.state {
	case opening:
		done, all := s.raw.Progress()
		return fmt.Errorf("%w: its log is being read, %d of %d files so far", ErrNotReady, done, all)
	case refusing, failed:
		return fmt.Errorf("%w: %w", ErrNotReady, s.why)
	case closed:
		return errClosed
	}
	return nil
}

// setState tells everybody who waits.
func (s *Store) setState(to state, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == closed {
		return
	}
	s.state, s.why = to, why
	s.room.Broadcast()
	if to == refusing || to == failed {
		s.tellWaiters(s.readyLocked())
	}
}

func (s *Store) tellWaiters(err error) {
	for _, w := range s.waiters {
		w.done <- err
	}
	s.waiters = nil
}

// Sync returns when everything that was given before is on the disk, or with an error
// when that cannot be or ctx ends. While the log is replayed it waits.
func (s *Store) Sync(ctx context.Context) error {
	s.mu.Lock()
	s.endFolds(func(*folding) bool { return true })
	if s.state == refusing || s.state == failed || s.state == closed {
		defer s.mu.Unlock()
		return s.readyLocked()
	}
	if s.durable >= s.given && s.state == open {
		s.mu.Unlock()
		return nil
	}
	w := waiter{s.given, make(chan error, 1)}
	s.waiters = append(s.waiters, w)
	s.mu.Unlock()
	s.rouse()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the history to be on the disk: %w", ctx.Err())
	}
}

// Close writes what was given, and ends the use of the directory. It may be called more
// than once.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.state == closed {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.endFolds(func(*folding) bool { return true })
	s.state = closed
	s.room.Broadcast()
	s.mu.Unlock()
	s.quit()
	<-s.done
	return errors.Join(s.raw.Close(), s.long.Close(), s.lock.Release())
}

// WAL is the directory whose log, in "wal" below it, has every sample that is taken: for
// remote write.
func (s *Store) WAL() string { return s.raw.Dir() }

// SetWriteNotified names whom to tell after each batch that is written to the log.
func (s *Store) SetWriteNotified(wn wlog.WriteNotified) { s.raw.SetWriteNotified(wn) }

// millis is a time of the TSDB.
func millis(t time.Time) int64 { return t.UnixMilli() }
