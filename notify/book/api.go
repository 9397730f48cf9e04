package book

import (
	"context"

	"grove/tree"
	"grove/tree/alert"
)

type (
	intake  struct{}
	shown   struct{}
	decider struct{}
)

// Stats are the counts of a book.
type Stats struct {
	Begun                              bool // Begin has read what was kept
	Live, Waiting                      int  // alerts that are not resolved; paths that wait to be looked at
	Unwritten                          int  // alerts that wait for the database
	Opened, Reopened, Resolved         uint64
	Suppressed, Released, Acknowledged uint64
	GivenUp                            uint64 // for want of room
	Surveys                            uint64 // looks at the whole tree
	Rows                               int64  // resolved alerts in the database; -1 while they are not counted
	Err                                error  // why nothing can be written at present
}

// Statuses takes changes of status; it is for tree.Options and never waits.
func (b *Book) Statuses(changes []tree.StatusChange) {}

// Names takes changes of structure; it is for tree.Options and never waits.
func (b *Book) Names(changes []tree.NameChange) {}

// Begin reads what was kept and compares it with the tree.
func (b *Book) Begin(ctx context.Context) error { return nil }

// Reloaded says that specs may have changed.
func (b *Book) Reloaded() {}

// MaintenanceChanged says that other nodes are maintained than before.
func (b *Book) MaintenanceChanged() {}

// Run decides until ctx ends.
func (b *Book) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Sync returns when all that the tree was given before is decided and on disk.
func (b *Book) Sync(ctx context.Context) error { return nil }

// Get returns one alert; the error of one that is not there wraps alert.ErrNone.
func (b *Book) Get(ctx context.Context, id alert.ID) (alert.Alert, error) {
	return alert.Alert{}, alert.ErrNone
}

// Search looks for alerts.
func (b *Book) Search(ctx context.Context, q alert.Query) (alert.Page, error) {
	return alert.Page{}, nil
}

// Live yields the alerts that are not resolved, in no order, until yield returns false.
func (b *Book) Live(yield func(*alert.Alert) bool) {}

// Acknowledge says for alerts that somebody knows of them.
func (b *Book) Acknowledge(ctx context.Context, ids []alert.ID, a alert.Ack, may func(tree.Path) error) []alert.Result {
	return nil
}

// Unacknowledge ends acknowledgements.
func (b *Book) Unacknowledge(ctx context.Context, ids []alert.ID, by, comment string, may func(tree.Path) error) []alert.Result {
	return nil
}

// Comment adds a comment to alerts.
func (b *Book) Comment(ctx context.Context, ids []alert.ID, by, text string, may func(tree.Path) error) []alert.Result {
	return nil
}

// Resolve ends alerts by hand.
func (b *Book) Resolve(ctx context.Context, ids []alert.ID, by, comment string, may func(tree.Path) error) []alert.Result {
	return nil
}

// WhatIf says which alerts would open if nodes took other statuses.
func (b *Book) WhatIf(changes []tree.StatusChange) []alert.Alert { return nil }

// Counts counts the alerts that are not resolved.
func (b *Book) Counts(sees func(tree.Path) bool) map[alert.State]int { return nil }

// Stats returns the present counts.
func (b *Book) Stats() Stats { return Stats{} }
