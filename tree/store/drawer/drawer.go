// Package drawer keeps what a part of grove wants to find again after a restart, such as
// alerts and who acknowledged them: texts by name, in a drawer for each kind of thing.
// What is in a text only the part knows that wrote it; most are JSON.
//
// A drawer is a manager's own: others that share the database have drawers of the same
// kind beside it. It is bounded, and it is in every backup.
package drawer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"grove/tree/store"
)

// Bounds of an item.
const (
	MaxNameBytes = 256
	MaxTextBytes = 64 << 10
)

// ErrTooMuch is wrapped by errors of what a drawer has no room for.
var ErrTooMuch = errors.New("there is no room for it")

// Item is one thing in a drawer.
type Item struct {
	Name string // unique in the drawer
	Text string
}

// Drawer is all things of one kind. Its methods may be called from many goroutines.
type Drawer struct {
	s    *store.Store
	kind string
	most int
}

// New returns the drawer of a kind, such as "ccms alert", which the program names. It
// holds at most so many items.
func New(s *store.Store, kind string, most int) *Drawer { return &Drawer{s, kind, most} }

// errNoManager is a program that opened the database without saying which manager it is.
var errNoManager = errors.New("the database was opened without a manager")

// All returns everything that is in it, in the order of the bytes of the names.
func (d *Drawer) All(ctx context.Context) ([]Item, error) {
	var items []Item
	err := d.s.Read(ctx, func(tx *store.Tx) error {
		items = nil
		return tx.Each("SELECT name, text FROM drawer WHERE manager = $1 AND kind = $2 ORDER BY name", []any{tx.Manager(), d.kind}, func(rows *sql.Rows) error {
			var i Item
			if err := rows.Scan(&i.Name, &i.Text); err != nil {
				return err
			}
			items = append(items, i)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("drawer of %s: %w", d.kind, err)
	}
	return items, nil
}

// Text returns the text of one item; ok says whether it is there.
func (d *Drawer) Text(ctx context.Context, name string) (text string, ok bool, err error) {
	err = d.s.Read(ctx, func(tx *store.Tx) (err error) {
		ok, err = tx.Row("SELECT text FROM drawer WHERE manager = $1 AND kind = $2 AND name = $3", []any{tx.Manager(), d.kind, name}, &text)
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("drawer of %s: %w", d.kind, err)
	}
	return text, ok, nil
}

// Change takes out what has one of the names, then puts items in, in the place of those
// that have their names, all or nothing: it is committed on return. A name that is not
// there is none that has to be taken out.
func (d *Drawer) Change(ctx context.Context, put []Item, take []string) error {
	put, err := d.check(put)
	if err != nil || len(put)+len(take) == 0 {
		return err
	}
	err = d.s.Write(ctx, func(tx *store.Tx) error {
		manager := tx.Manager()
		if manager == 0 {
			return errNoManager
		}
		for _, name := range take {
			if _, err := tx.Exec("DELETE FROM drawer WHERE manager = $1 AND kind = $2 AND name = $3", manager, d.kind, name); err != nil {
				return err
			}
		}
		args := make([]any, 0, 4*len(put))
		for _, i := range put {
			args = append(args, manager, d.kind, i.Name, i.Text)
		}
		if _, err := tx.Insert("INSERT INTO drawer (manager, kind, name, text)", "ON CONFLICT (manager, kind, name) DO UPDATE SET text = excluded.text", 4, args); err != nil {
			return err
		}
		return d.fits(tx, manager)
	})
	if err != nil {
		return fmt.Errorf("drawer of %s: %w", d.kind, err)
	}
	return nil
}

// Take takes an item out of the drawers of a kind that all managers have, in the
// transaction in which that becomes right.
func Take(tx *store.Tx, kind, name string) error {
	_, err := tx.Exec("DELETE FROM drawer WHERE kind = $1 AND name = $2", kind, name)
	return err
}

// check returns the items as the database takes them, each name once: of several the last
// counts.
func (d *Drawer) check(put []Item) ([]Item, error) {
	at := make(map[string]int, len(put))
	items := make([]Item, 0, len(put))
	for _, i := range put {
		if i.Name == "" || len(i.Name) > MaxNameBytes || store.Clean(i.Name) != i.Name {
			return nil, fmt.Errorf("drawer of %s: a name of %d bytes: it is not 1 to %d bytes of valid UTF-8 without NUL", d.kind, len(i.Name), MaxNameBytes)
		}
		if len(i.Text) > MaxTextBytes {
			return nil, fmt.Errorf("drawer of %s: %s: %w: a text of %d bytes is more than the bound of %d", d.kind, i.Name, ErrTooMuch, len(i.Text), MaxTextBytes)
		}
		i.Text = store.Clean(i.Text)
		if k, again := at[i.Name]; again {
			items[k] = i
			continue
		}
		at[i.Name] = len(items)
		items = append(items, i)
	}
	return items, nil
}

// fits refuses what makes a drawer too full.
func (d *Drawer) fits(tx *store.Tx, manager int64) error {
	var have int
	_, err := tx.Row("SELECT COUNT(*) FROM drawer WHERE manager = $1 AND kind = $2", []any{manager, d.kind}, &have)
	if err == nil && have > d.most {
		err = fmt.Errorf("%w: %d would be more than the bound of %d", ErrTooMuch, have, d.most)
	}
	return err
}
