package alert

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Keep tells the shelf what it does not know yet, and reads it first if that is still to
// be done, or to be done again: filled says that it was, so that the colours of all
// attributes are news to the book. What a shelf does not take waits for the next time.
func (b *Book) Keep(ctx context.Context) (filled bool) {
	if b.o.Shelf == nil {
		return false
	}
	b.keeping.Lock()
	defer b.keeping.Unlock()
	if replaced := b.o.Shelf.Replaced(); replaced != b.replaced || !b.Ready() {
		b.empty()
		b.replaced = replaced
		kept, err := b.o.Shelf.Alerts(ctx)
		b.note(ctx, err)
		if err != nil {
			return false
		}
		b.fill(kept)
		filled = true
	}
	changed, gone := b.news()
	if len(changed)+len(gone) == 0 {
		return filled
	}
	err := b.o.Shelf.Keep(ctx, changed, gone)
	if err != nil {
		b.putBack(changed, gone)
	}
	b.note(ctx, err)
	return filled
}

// empty forgets everything, until the shelf has been read.
func (b *Book) empty() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.alerts)
	clear(b.of)
	clear(b.changed)
	b.ready, b.gone, b.next = false, nil, 1
}

// fill takes what the shelf kept.
func (b *Book) fill(kept []Alert) {
	slices.SortFunc(kept, byID)
	b.mu.Lock()
	defer b.mu.Unlock()
	foreign := 0
	for i := range kept {
		a := &kept[i]
		// Alerts from when the system had another name can neither be found by their names
		// nor be acknowledged any more.
		if id, ok := b.o.Scheme.ParseAID(a.AID); !ok || id != a.ID {
			b.gone = append(b.gone, a.ID)
			b.next = max(b.next, a.ID+1)
			foreign++
			continue
		}
		b.putLocked(a)
	}
	b.ready = true
	if foreign > 0 {
		b.o.Log.Warn("alerts of another system are dropped: it has another name now", "alerts", foreign, "system", b.o.Scheme.System)
	}
}

// news returns what the shelf does not know yet.
func (b *Book) news() (changed []Alert, gone []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(b.changed)) {
		changed = append(changed, *b.alerts[id])
	}
	gone = b.gone
	clear(b.changed)
	b.gone = nil
	return changed, gone
}

// putBack takes back what the shelf did not take.
func (b *Book) putBack(changed []Alert, gone []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range changed {
		if id := changed[i].ID; b.alerts[id] != nil { // else it is among those that are gone
			b.changed[id] = true
		}
	}
	b.gone = append(gone, b.gone...)
}

// note remembers how it went, and says when that changes.
func (b *Book) note(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return // The one who asked went away.
	}
	b.mu.Lock()
	before := b.failing
	b.failing = err != nil
	b.mu.Unlock()
	switch {
	case err != nil && !before:
		b.o.Log.Error("alerts are not kept for now: what is new would be lost with the manager", "error", err)
	case err == nil && before:
		b.o.Log.Info("alerts are kept again")
	}
}
