package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"grove/notify/outbox/message"
)

// Query says which messages to list.
type Query struct {
	State   State  // empty: any
	Channel string // empty: of all
	Limit   int    // DefaultLimit when zero
	After   string // Page.Next of the page before
}

// Bounds of a list.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// ErrQuery is wrapped by the errors of a query that cannot be answered.
var ErrQuery = errors.New("list of messages")

// Page is some messages, the newest first.
type Page struct {
	Messages []Message `json:"messages"`
	Next     string    `json:"next,omitempty"` // for Query.After; empty: there is no more
}

// List lists messages, from memory.
func (o *Outbox) List(_ context.Context, q Query) (Page, error) {
	page := Page{Messages: []Message{}}
	if q.State != "" && !slices.Contains(message.States[:], q.State) {
		return page, fmt.Errorf("%w: unknown state %q: waiting, sent or dead", ErrQuery, message.Cut(string(q.State), 80))
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		return page, fmt.Errorf("%w: the limit %d is not between 1 and %d", ErrQuery, q.Limit, MaxLimit)
	}
	var after int64
	if q.After != "" {
		var err error
		if after, err = strconv.ParseInt(q.After, 10, 64); err != nil || after <= 0 {
			return page, fmt.Errorf("%w: %q is no place in a list", ErrQuery, message.Cut(q.After, 80))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []*entry
	for id, e := range o.known {
		// One whose transaction is not committed does not wait yet.
		if q.State != "" && e.State != q.State || q.Channel != "" && e.Channel != q.Channel || e.State == Waiting && !e.Waits() {
			continue
		}
		if after == 0 || id < after {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *entry) int { return cmp.Compare(b.ID, a.ID) })
	if len(found) > q.Limit {
		found = found[:q.Limit]
		page.Next = strconv.FormatInt(found[q.Limit-1].ID, 10)
	}
	for _, e := range found {
		page.Messages = append(page.Messages, e.Message)
	}
	return page, nil
}
