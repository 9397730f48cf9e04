package book

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"grove/tree"
	"grove/tree/alert"
)

// MaxAtOnce bounds the alerts of one change that a person asks for.
const MaxAtOnce = 10_000

// maxByBytes bounds the name of who asks.
const maxByBytes = 128

// Acknowledge says for alerts that somebody knows of them. May says whether that is allowed
// at a node; nil: everywhere. What succeeded is on disk.
func (b *Book) Acknowledge(ctx context.Context, ids []alert.ID, a alert.Ack, may func(tree.Path) error) []alert.Result {
	return b.act(ctx, ids, a.By, a.Comment, may, func(e *entry) error {
		ack := a
		ack.At = b.time
		if a.Until != nil {
			until := a.Until.UTC()
			if !until.After(b.time) {
				return fmt.Errorf("%w: the acknowledgement would end at %s, which is over", alert.ErrState, until.Format("2006-01-02 15:04:05"))
			}
			ack.Until = &until
			b.agenda.add(e.path, until)
		}
		b.edit(e).Ack = &ack
		b.step(e, alert.DidAcknowledge, a.By, a.Comment)
		b.counted.Acknowledged++
		return nil
	})
}

// Unacknowledge ends acknowledgements, as Acknowledge begins them.
func (b *Book) Unacknowledge(ctx context.Context, ids []alert.ID, by, comment string, may func(tree.Path) error) []alert.Result {
	return b.act(ctx, ids, by, comment, may, func(e *entry) error {
		if e.a.Ack == nil {
			return fmt.Errorf("%w: nobody has acknowledged it", alert.ErrState)
		}
		b.edit(e).Ack = nil
		b.step(e, alert.Unacknowledged, by, comment)
		return nil
	})
}

// Comment adds a comment to alerts.
func (b *Book) Comment(ctx context.Context, ids []alert.ID, by, text string, may func(tree.Path) error) []alert.Result {
	return b.act(ctx, ids, by, text, may, func(e *entry) error {
		if strings.TrimSpace(text) == "" {
			return fmt.Errorf("%w: the comment is empty", alert.ErrState)
		}
		b.edit(e)
		b.step(e, alert.Commented, by, text)
		return nil
	})
}

// Resolve ends alerts by hand. Their nodes have to be well, or get worse, before there is
// another.
func (b *Book) Resolve(ctx context.Context, ids []alert.ID, by, comment string, may func(tree.Path) error) []alert.Result {
	return b.act(ctx, ids, by, comment, may, func(e *entry) error {
		e.closed = e.well.IsZero()
		b.resolve(e, e.a.Status, by, comment)
		return nil
	})
}

// act changes alerts for a person.
func (b *Book) act(ctx context.Context, ids []alert.ID, by, comment string, may func(tree.Path) error, change func(*entry) error) []alert.Result {
	results := make([]alert.Result, len(ids))
	refuse := func(err error) []alert.Result {
		for i, id := range ids {
			results[i] = alert.Result{ID: id, Error: err.Error()}
		}
		return results
	}
	switch {
	case len(ids) > MaxAtOnce:
		return refuse(fmt.Errorf("%d alerts at once are more than the bound of %d", len(ids), MaxAtOnce))
	case len(comment) > alert.MaxCommentBytes:
		return refuse(fmt.Errorf("a comment of %d bytes is longer than the bound of %d", len(comment), alert.MaxCommentBytes))
	case !utf8.ValidString(comment) || strings.IndexByte(comment, 0) >= 0:
		return refuse(fmt.Errorf("the comment is not UTF-8"))
	case by == "" || len(by) > maxByBytes:
		return refuse(fmt.Errorf("who asks has a name of 1 to %d bytes", maxByBytes))
	}
	if err := b.take(ctx); err != nil {
		return refuse(err)
	}
	defer b.leave()
	b.time = b.now()
	if !b.ready(ctx) {
		return refuse(ErrNotBegun)
	}
	if err := b.writeFirst(ctx); err != nil {
		return refuse(err)
	}
	for i, id := range ids {
		results[i].ID = id
		if err := b.one(ctx, id, may, change); err != nil {
			results[i].Error = err.Error()
		}
	}
	b.settle()
	b.commit(ctx)
	b.tell()
	b.rouse() // What became due may be sooner than Run knows.
	if b.piece != nil {
		for i := range results {
			if results[i].Error == "" {
				results[i].Error = "it is decided, and done once the database can be written: " + b.unkept().Error()
			}
		}
	}
	return results
}

// writeFirst writes what waits, before somebody changes alerts: where that fails, nothing is
// begun.
func (b *Book) writeFirst(ctx context.Context) error {
	b.retry = b.time
	b.commit(ctx)
	if b.piece != nil {
		return b.unkept()
	}
	return nil
}

// unkept is why nothing can be written.
func (b *Book) unkept() error {
	b.shown.mu.RLock()
	defer b.shown.mu.RUnlock()
	return fmt.Errorf("the database cannot be written: %w", b.shown.failing)
}

// one changes one alert.
func (b *Book) one(ctx context.Context, id alert.ID, may func(tree.Path) error, change func(*entry) error) error {
	e := b.byID[id]
	if e == nil {
		old, err := b.ledger.Get(ctx, id)
		if err != nil {
			return err
		}
		e = &entry{slot: slot{path: old.Path}, a: old}
	}
	if may != nil {
		if err := may(e.path); err != nil {
			return err
		}
	}
	if !e.live() {
		return fmt.Errorf("%w: the alert of %s is resolved since %s", alert.ErrState, e.path, e.a.Resolved.Format("2006-01-02 15:04:05"))
	}
	return change(e)
}
