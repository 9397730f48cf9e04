package book

import (
	"context"
	"time"

	"grove/notify/ledger"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/journal"
)

const (
	// maxPiece is how many alerts are written in one transaction: others get their turn.
	maxPiece = 250
	// retryFirst and retryEvery are the shortest and the longest pause between two tries to
	// write.
	retryFirst = 50 * time.Millisecond
	retryEvery = 2 * time.Second
	// trimEvery is how often it is looked for resolved alerts that are too old or too many,
	// trimStep how many of them go at once, and countEvery how often they are counted.
	trimEvery  = time.Minute
	trimStep   = 1000
	countEvery = 6 * time.Hour
)

// piece is what is written in one transaction. It is not changed, so that a second try of
// what was committed after all changes nothing.
type piece struct {
	rows  []ledger.Row
	steps []bool // whether each took a step, of which people are told
	lines []journal.Entry
}

// cut makes the next piece of what is to be written, of so many alerts at most.
func (b *Book) cut(most int) *piece {
	n := min(len(b.unwritten), most)
	if n == 0 {
		return nil
	}
	if len(b.unwritten) > n {
		b.order()
	}
	p := &piece{rows: make([]ledger.Row, n), steps: make([]bool, n)}
	for i, e := range b.unwritten[:n] {
		p.rows[i] = ledger.Row{Alert: e.a, Closed: e.closed}
		p.steps[i] = len(e.lines) > 0
		p.lines = append(p.lines, e.lines...)
		e.lines, e.fresh, e.waiting = nil, false, false
		e.told = e.a.State == alert.Open || e.a.State == alert.Acknowledged
	}
	clear(b.unwritten[:n])
	if b.unwritten = b.unwritten[n:]; len(b.unwritten) == 0 {
		b.unwritten = nil // a storm is over: give its memory back
	}
	return p
}

// order puts first what people should know first: causes, and what they were told of and
// would not be told of any more.
func (b *Book) order() {
	first := func(e *entry) bool {
		_, source := b.sources[e.a.ID]
		return source || e.told && e.a.State == alert.Suppressed
	}
	ordered := make([]*entry, 0, len(b.unwritten))
	for _, want := range [...]bool{true, false} {
		for _, e := range b.unwritten {
			if first(e) == want {
				ordered = append(ordered, e)
			}
		}
	}
	b.unwritten = ordered
}

// commit writes what waits, as far as the database takes it.
func (b *Book) commit(ctx context.Context) {
	for b.commitPiece(ctx) {
	}
}

// commitPiece writes one piece of what waits, and says whether there is more to write now.
func (b *Book) commitPiece(ctx context.Context) (more bool) {
	if b.piece != nil && b.now().Before(b.retry) {
		return false
	}
	if b.piece == nil {
		if b.piece = b.cut(maxPiece); b.piece == nil {
			b.publish(nil)
			b.owing.Store(false)
			return false
		}
	}
	p := b.piece
	// What was begun is not given up, or it would not be known whether it was done.
	err := b.o.Store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		if err := b.ledger.Put(tx, p.rows); err != nil || len(p.lines) == 0 {
			return err
		}
		return b.o.Journal.Add(tx, p.lines...)
	})
	b.failed(err)
	if err != nil {
		b.pause = min(max(2*b.pause, retryFirst), retryEvery)
		b.retry = b.now().Add(b.pause)
		return false
	}
	b.piece, b.pause = nil, 0
	if told := b.publish(p); len(told) > 0 {
		b.o.Changed(told)
	}
	b.owing.Store(len(b.unwritten) > 0)
	return len(b.unwritten) > 0
}

// failed remembers how the last try to write went.
func (b *Book) failed(err error) {
	b.shown.mu.Lock()
	before := b.shown.failing
	b.shown.failing = err
	if (before == nil) != (err == nil) {
		close(b.shown.progress)
		b.shown.progress = make(chan struct{})
	}
	b.shown.mu.Unlock()
	switch {
	case before == nil && err != nil:
		b.o.Log.Error("alerts wait for the database: nobody is told of them before they are kept", "err", err)
	case before != nil && err == nil:
		b.o.Log.Info("alerts are kept again")
	}
}

// publish shows readers what was committed, and returns those of them that took a step.
func (b *Book) publish(p *piece) (told []alert.Alert) {
	b.shown.mu.Lock()
	defer b.shown.mu.Unlock()
	for _, e := range b.recounted {
		if _, there := b.shown.live[e.a.ID]; there && !e.fresh {
			b.shown.live[e.a.ID] = e.a
		}
	}
	b.recounted = nil
	if p == nil {
		return nil
	}
	told = make([]alert.Alert, 0, len(p.rows))
	for i := range p.rows {
		a := p.rows[i].Alert
		if a.Ended() {
			delete(b.shown.live, a.ID)
			if p.steps[i] && b.counted.Rows >= 0 {
				b.counted.Rows++
			}
		} else {
			b.shown.live[a.ID] = a
		}
		if p.steps[i] {
			told = append(told, *a)
		}
	}
	return told
}

// trim deletes resolved alerts that are too old or too many, a step at a time.
func (b *Book) trim(ctx context.Context) {
	if b.time.Sub(b.trimmed) < trimEvery || b.piece != nil {
		return
	}
	b.trimmed = b.time
	if b.counted.Rows < 0 || b.time.Sub(b.numbered) >= countEvery {
		rows, err := b.ledger.Count(ctx)
		if err != nil {
			return // It is looked for again in a minute; who writes says what is wrong.
		}
		b.counted.Rows, b.numbered = rows, b.time
	}
	for _, t := range []struct {
		before time.Time
		most   int64
	}{{b.time.Add(-Keep), trimStep}, {b.time, min(b.counted.Rows-MaxRows, trimStep)}} {
		if t.most <= 0 {
			continue
		}
		deleted, err := b.ledger.Trim(ctx, t.before, int(t.most))
		if err != nil {
			b.o.Log.Warn("old alerts stay for now", "err", err)
			return
		}
		b.counted.Rows -= deleted
		if deleted == trimStep {
			b.trimmed = time.Time{} // There is more: the next round goes on.
		}
	}
}
