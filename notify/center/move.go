package center

import (
	"context"

	"grove/tree"
	"grove/tree/alert"
)

// Live yields the alerts that are not resolved, until yield returns false.
func (c *Center) Live(yield func(*alert.Alert) bool) { c.Book.Live(yield) }

// Release ends the alerts at and below a node without telling anybody, since another manager
// goes on with them, as book.Book.Release says.
func (c *Center) Release(ctx context.Context, under tree.Path, why string) ([]alert.Alert, error) {
	return c.Book.Release(ctx, under, why)
}

// Adopt goes on with alerts of another manager, which has told people of them, as
// book.Book.Adopt says.
func (c *Center) Adopt(ctx context.Context, alerts []alert.Alert) error {
	return c.Book.Adopt(ctx, alerts)
}

// TakeBack goes on with alerts of a device that another manager has watched, in place of those
// that were open here, as book.Book.TakeBack says.
func (c *Center) TakeBack(ctx context.Context, under tree.Path, why string, alerts []alert.Alert) error {
	return c.Book.TakeBack(ctx, under, why, alerts)
}
