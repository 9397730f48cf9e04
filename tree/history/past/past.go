package past

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"grove/tree"
	"grove/tree/history"
	"grove/tree/store/journal"
)

// Errors of a moment that cannot be shown.
var (
	// ErrRange is wrapped by the refusal of a moment of which nothing is held.
	ErrRange = errors.New("no such moment")
	// ErrBusy is wrapped when too many different moments are looked at already.
	ErrBusy = errors.New("too many moments are looked at")
)

// History is what is asked of the samples; *history.Store has it.
type History interface {
	StatusesAt(ctx context.Context, at time.Time) (statuses map[string]history.StatusAt, step time.Duration, err error)
	ReadingsAt(ctx context.Context, at time.Time, within time.Duration, paths ...string) (map[string]history.ReadingAt, error)
	Stats() history.Stats
	Ready() error
}

// Journal is what is asked of the journal; *journal.Journal has it.
type Journal interface {
	Last(ctx context.Context, at time.Time) (map[int64]journal.Entry, error)
	EventsBefore(ctx context.Context, at time.Time, n int, paths ...tree.Path) (map[tree.Path][]tree.Event, error)
	Search(ctx context.Context, q journal.Query) (journal.Page, error)
}

// Options are the surroundings of a Past.
type Options struct {
	Tree    *tree.Tree // of today
	History History
	Journal Journal
	// Settle returns once everything that the tree was told is written; a moment that is
	// hardly over needs it. Nil is at once.
	Settle func(context.Context) error
	// Held is how many different moments are looked at at once, 16 when zero; Kept how
	// many of them are kept a while for whoever comes next, 4 when zero.
	Held, Kept int
	// KeptNodes bounds the nodes of those that are kept; 500,000 when zero, about 150 MB.
	KeptNodes int
	Now       func() time.Time // nil is time.Now
	Log       *slog.Logger     // nil: nothing is logged
}

// Lengths of time that are not options.
const (
	// keptFor is for how long a moment is kept that nobody looks at.
	keptFor = 2 * time.Minute
	// fresh is how long a moment must be over for nothing more to be told of it.
	fresh = 10 * time.Second
	// slow is from when on it is worth a line in the log that one was put together.
	slow = 5 * time.Second
)

// building is how many moments are put together at once.
const building = 2

// Past puts moments together and keeps a few. Its methods may be called from many
// goroutines.
type Past struct {
	o     Options
	turns chan struct{} // an element for each moment that is being put together

	mu      sync.Mutex // guards what follows
	moments map[int64]*moment
	used    uint64      // counts uses
	sweep   *time.Timer // nil: nothing is kept
}

// moment is one of them, by its Unix milliseconds.
type moment struct {
	turn chan struct{} // an element while somebody puts it together or looks whether it is

	// Guarded by Past.mu.
	tree  *tree.Tree // nil: not yet
	holds int
	used  uint64
	since time.Time // when nobody looked at it any more
	brief bool      // it is not kept: more may be told of it
}

// New returns a Past, which needs Close.
func New(o Options) *Past {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Settle == nil {
		o.Settle = func(context.Context) error { return nil }
	}
	o.Held, o.Kept, o.KeptNodes = cmp.Or(o.Held, 16), cmp.Or(o.Kept, 4), cmp.Or(o.KeptNodes, 500_000)
	return &Past{o: o, turns: make(chan struct{}, building), moments: map[int64]*moment{}}
}

// Range is from when to when the history holds anything; ErrRange when it holds nothing.
func (p *Past) Range() (from, to time.Time, err error) {
	st := p.o.History.Stats()
	if st.Oldest.IsZero() && st.OldestMerged.IsZero() {
		if err := p.o.History.Ready(); err != nil {
			return from, to, err
		}
		return from, to, fmt.Errorf("%w: the history holds nothing yet", ErrRange)
	}
	from = st.Oldest
	if from.IsZero() || !st.OldestMerged.IsZero() && st.OldestMerged.Before(from) {
		from = st.OldestMerged
	}
	return from, p.o.Now(), nil
}

// Merged is the time before which the history holds steps of five minutes alone; zero
// when there is none.
func (p *Past) Merged() time.Time {
	if st := p.o.History.Stats(); !st.OldestMerged.IsZero() && st.OldestMerged.Before(st.Oldest) {
		return st.Oldest
	}
	return time.Time{}
}

// At returns the tree as it stood at a moment, to the millisecond and with what happened
// in it. The tree takes no changes, and is the caller's until release is called; it may be
// called more than once. A moment that many ask for is put together once.
func (p *Past) At(ctx context.Context, at time.Time) (past *tree.Tree, release func(), err error) {
	at = time.UnixMilli(at.UnixMilli())
	from, now, err := p.Range()
	if errors.Is(err, ErrRange) { // What was told of late may wait to be written.
		if err := p.o.Settle(ctx); err != nil {
			return nil, nil, fmt.Errorf("the tree at %s: %w", stamp(at), err)
		}
		from, now, err = p.Range()
	}
	if err != nil {
		return nil, nil, err
	}
	if at.Before(from.Add(-time.Millisecond)) || at.After(now) {
		return nil, nil, fmt.Errorf("%w: %s is outside of what the history holds, from %s to %s", ErrRange, stamp(at), stamp(from), stamp(now))
	}
	m, err := p.hold(at)
	if err != nil {
		return nil, nil, err
	}
	release = sync.OnceFunc(func() { p.release(at, m) })
	if past, err = p.ready(ctx, at, m); err != nil {
		release()
		return nil, nil, err
	}
	return past, release, nil
}

// hold finds a moment, or makes one that is still to be put together.
func (p *Past) hold(at time.Time) (*moment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.moments[at.UnixMilli()]
	if m == nil || m.holds == 0 {
		held := 0
		for _, other := range p.moments {
			if other.holds > 0 {
				held++
			}
		}
		if held >= p.o.Held {
			return nil, fmt.Errorf("%w: %d; try again later", ErrBusy, held)
		}
	}
	if m == nil {
		m = &moment{turn: make(chan struct{}, 1)}
		p.moments[at.UnixMilli()] = m
	}
	m.holds++
	p.used++
	m.used = p.used
	return m, nil
}

// ready returns the tree of a moment. Whoever comes first puts it together; when he goes
// before it is done, the next one does.
func (p *Past) ready(ctx context.Context, at time.Time, m *moment) (*tree.Tree, error) {
	if err := enter(ctx, m.turn); err != nil {
		return nil, err
	}
	defer func() { <-m.turn }()
	p.mu.Lock()
	past := m.tree
	p.mu.Unlock()
	if past != nil {
		return past, nil
	}
	if err := enter(ctx, p.turns); err != nil {
		return nil, err
	}
	defer func() { <-p.turns }()
	begin := p.o.Now()
	brief := begin.Sub(at) < fresh
	if brief {
		if err := p.o.Settle(ctx); err != nil {
			return nil, fmt.Errorf("the tree at %s: %w", stamp(at), err)
		}
	}
	past, err := p.build(ctx, at)
	if err != nil {
		return nil, err
	}
	if took := p.o.Now().Sub(begin); took > slow {
		p.o.Log.Info("a moment of the past was slow to put together", "at", stamp(at), "nodes", past.Len(), "took", took)
	}
	p.mu.Lock()
	m.tree, m.brief = past, brief
	p.mu.Unlock()
	return past, nil
}

// enter waits for room in a channel of turns.
func enter(ctx context.Context, turns chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release gives a moment back.
func (p *Past) release(at time.Time, m *moment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.holds--
	if m.holds > 0 {
		return
	}
	m.since = p.o.Now()
	if m.tree == nil || m.brief {
		delete(p.moments, at.UnixMilli())
	}
	p.forget()
}

// forget drops what nobody looks at: what is too much, and what was kept long enough. It
// is called with the lock.
func (p *Past) forget() {
	kept, nodes := 0, 0
	for {
		kept, nodes = 0, 0
		oldest, last := int64(0), (*moment)(nil)
		for at, m := range p.moments {
			if m.holds > 0 {
				continue
			}
			kept++
			nodes += m.tree.Len()
			if last == nil || m.used < last.used {
				oldest, last = at, m
			}
		}
		if kept == 0 || kept <= p.o.Kept && nodes <= p.o.KeptNodes && p.o.Now().Sub(last.since) < keptFor {
			break
		}
		delete(p.moments, oldest)
	}
	switch {
	case kept == 0 && p.sweep != nil:
		p.sweep.Stop()
		p.sweep = nil
	case kept > 0 && p.sweep == nil:
		p.sweep = time.AfterFunc(keptFor, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.sweep = nil
			p.forget()
		})
	}
}

// Close drops what is kept. It may be called more than once.
func (p *Past) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.Kept, p.o.KeptNodes = 0, 0
	p.forget()
}

// stamp writes a time for people.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
