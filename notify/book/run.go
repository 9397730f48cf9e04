package book

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
)

// ErrNotBegun is the answer of a book that has not read yet what it kept.
var ErrNotBegun = errors.New("the book of alerts has not begun")

// endWithin bounds the last writing when Run ends.
const endWithin = 4 * time.Second

// Run decides until ctx ends, and then writes what was decided. What has not settled by then
// is decided after the next start.
func (b *Book) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time
	rest := pace
	for {
		select {
		case <-ctx.Done():
			return b.end()
		case <-b.in.wake:
			if wait := rest - time.Since(last); wait > 0 {
				timer.Reset(wait)
				continue
			}
		case <-timer.C:
		}
		if b.take(ctx) != nil {
			return b.end()
		}
		next := b.round(ctx)
		rest = min(max(pace, paceShare*b.spent), maxPace)
		b.leave()
		last = time.Now()
		timer.Reset(max(next.Sub(b.o.Now()), rest))
	}
}

// end writes what waits.
func (b *Book) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.leave()
	b.retry = time.Time{}
	b.commit(ctx)
	b.shown.mu.Lock()
	defer b.shown.mu.Unlock()
	err := b.shown.failing
	if err != nil {
		err = fmt.Errorf("alerts that were decided are not kept: %w", err)
	}
	b.shown.failing = store.ErrClosed
	close(b.shown.progress)
	b.shown.progress = make(chan struct{})
	return err
}

// Begin reads what was kept and compares it with the tree. It comes once, after the
// definitions are loaded and the nodes have back what they were: before, nothing is
// decided. After an error Run tries again.
func (b *Book) Begin(ctx context.Context) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.leave()
	b.time = b.now()
	b.wanted = true
	b.in.begun.Store(true)
	err := b.load(ctx)
	b.failed(err)
	if err == nil {
		b.adoptEarly(ctx)
	}
	b.tell()
	b.rouse()
	return err
}

// ready says whether there is something to decide on.
func (b *Book) ready(ctx context.Context) bool {
	if b.loaded && b.o.Store.Replaced() == b.known {
		return true
	}
	if !b.wanted {
		return false
	}
	err := b.load(ctx)
	b.failed(err)
	if err == nil {
		b.adoptEarly(ctx)
	}
	return err == nil
}

// load reads what was kept, and has the whole tree looked at.
func (b *Book) load(ctx context.Context) error {
	known := b.o.Store.Replaced()
	rows, last, bad, err := b.ledger.Load(ctx, b.time.Add(-max(b.waits.Load().reopen, b.waits.Load().recover)))
	if err != nil {
		return err
	}
	for _, err := range bad {
		b.o.Log.Error("an alert cannot be read: it is left where it is", "err", err)
	}
	b.forget()
	b.unwatchAll()
	b.known, b.loaded = known, true
	b.last = max(b.last, last)
	b.started, b.swept = b.time, b.time
	b.counted.Rows, b.trimmed = -1, time.Time{}
	for _, r := range rows {
		e := &entry{slot: slot{r.Alert.Path, kindOf(r.Alert.Kind)}, a: r.Alert, closed: r.Closed, was: r.Alert.Status}
		e.remember()
		if older := b.entries[e.slot]; older != nil {
			delete(b.byID, older.a.ID)
			if older.live() { // Two of one slot cannot be; of an old mistake one is enough.
				b.live--
			}
		}
		b.entries[e.slot], b.byID[e.a.ID] = e, e
		b.watch(e.path)
		if ref, ok := b.o.Tree.Lookup(e.path); ok && e.kind == ofStatus {
			if spec := b.o.Tree.Spec(ref); spec != nil {
				e.know(spec)
			}
		}
		switch {
		case e.live():
			b.live++
			if s := e.a.Suppression; s != nil && s.Cause != 0 {
				b.counts[s.Cause]++
			}
		case !e.closed:
			b.recent = append(b.recent, recently{e, *e.a.Resolved})
		}
	}
	b.in.mu.Lock()
	b.in.given++ // for the look at the whole tree
	b.in.mu.Unlock()
	b.noted = b.drain(true).upTo
	b.survey(b.noted - 1)
	b.recall()
	b.shown.mu.Lock()
	defer b.shown.mu.Unlock()
	clear(b.shown.live)
	for _, e := range b.entries {
		if e.live() {
			e.a.Consequences = b.counts[e.a.ID]
			b.shown.live[e.a.ID] = e.a
		}
	}
	return nil
}

// remember takes from the history of an alert what tells whether it is flapping, and when it
// came from another manager.
func (e *entry) remember() {
	for _, s := range e.a.History {
		switch s.What {
		case alert.Reopened:
			e.turns = append(e.turns[max(len(e.turns)-FlapTimes+1, 0):], s.Time)
			e.turned = s.Time
		case alert.Opened, alert.Worsened:
			e.turned = s.Time
		case alert.Adopted:
			e.adopted = s.Time
		}
	}
}

// recall lets causes that ended a short while before the start hold back what follows.
func (b *Book) recall() {
	for _, e := range b.byID {
		if s, is := b.source(e); is {
			b.sources[e.a.ID] = s
			continue
		}
		if e.live() || !e.vital || e.a.Worst != tree.Red {
			continue
		}
		if until := e.a.Resolved.Add(b.waits.Load().recover); b.time.Before(until) {
			l := lingering{until: until}
			l.ID, l.Path, l.Status, l.Vital, l.Fails, l.Over = e.a.ID, e.path, tree.Red, true, e.fails, true
			b.over[l.ID] = l
		}
	}
	b.unrelated = true
}

// tell shows readers the counts, and up to where everything is decided and written.
func (b *Book) tell() {
	given := b.noted
	if b.head < len(b.settling) {
		given = b.settling[b.head].after
	}
	b.shown.mu.Lock()
	defer b.shown.mu.Unlock()
	b.shown.stats = b.counted
	b.shown.stats.Begun = b.loaded
	b.shown.stats.Waiting = len(b.settling) - b.head
	b.shown.stats.Unwritten = len(b.unwritten)
	if b.piece != nil {
		b.shown.stats.Unwritten += len(b.piece.rows)
	}
	if b.shown.stats.Unwritten == 0 && given > b.shown.given {
		b.shown.given = given
		close(b.shown.progress)
		b.shown.progress = make(chan struct{})
	}
}

// Sync returns when everything is decided and on disk that the tree had changed before the
// call; so it waits for as long as changes settle.
func (b *Book) Sync(ctx context.Context) error {
	b.o.Tree.Flush()
	b.in.mu.Lock()
	end := b.in.given
	b.in.mu.Unlock()
	for {
		b.shown.mu.RLock()
		begun, given, failing, progress := b.shown.stats.Begun, b.shown.given, b.shown.failing, b.shown.progress
		b.shown.mu.RUnlock()
		switch {
		case failing != nil:
			return failing
		case !begun:
			return ErrNotBegun
		case given >= end:
			return nil
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
