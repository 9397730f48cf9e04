// Package ledger keeps alerts in the central database: those that are not resolved, for the
// next start, and those that are, for whoever asks what was. The former are searched in
// memory by who decides on them; here it is searched for the latter.
package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
)

// Ledger is the alerts of one manager. Its methods may be called from many goroutines.
type Ledger struct{ s *store.Store }

// New returns the ledger in a database.
func New(s *store.Store) *Ledger { return &Ledger{s} }

// Row is an alert as it is kept.
type Row struct {
	Alert *alert.Alert
	// Closed, of one that is resolved, says that its node has not been well since: it was
	// ended by hand, or for want of room.
	Closed bool
}

var errNoManager = errors.New("the database was opened by a tool, which has no alerts")

const (
	head = "INSERT INTO alert (manager, id, path, kind, status, severity, opened, resolved, closed, cause, instance, customers, document)"
	tail = "ON CONFLICT (manager, id) DO UPDATE SET status = excluded.status, severity = excluded.severity, opened = excluded.opened, resolved = excluded.resolved, " +
		"closed = excluded.closed, cause = excluded.cause, document = excluded.document"
	width = 13
)

// Put writes alerts, each once, in the place of what is kept of them.
func (l *Ledger) Put(tx *store.Tx, rows []Row) error {
	manager := tx.Manager()
	if manager == 0 {
		return errNoManager
	}
	args := make([]any, 0, width*len(rows))
	for i := range rows {
		a := rows[i].Alert
		document, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("alert %s: %w", a.ID, err)
		}
		status, resolved, closed, cause := a.Status, int64(0), int64(0), alert.ID(0)
		if a.Resolved != nil {
			status, resolved = a.Worst, a.Resolved.UnixMilli()
		}
		if rows[i].Closed {
			closed = 1
		}
		if a.Suppression != nil {
			cause = a.Suppression.Cause
		}
		args = append(args, manager, int64(a.ID), a.Path.String(), string(a.Kind), int64(status), int64(a.Severity), a.Opened.UnixMilli(), resolved, closed,
			int64(cause), store.Clean(a.Instance), customers(a.Customers), store.Clean(string(document)))
	}
	_, err := tx.Insert(head, tail, width, args)
	return err
}

func customers(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return store.Clean("\n" + strings.ToLower(strings.Join(list, "\n")) + "\n")
}

// Load returns what a start needs, in the order of numbers: alerts that are not resolved,
// that are closed, or that were resolved since a time; and the highest number that was
// ever given and is still kept. What cannot be read is left out, and bad says what it is.
func (l *Ledger) Load(ctx context.Context, since time.Time) (rows []Row, last alert.ID, bad []error, err error) {
	err = l.s.Read(ctx, func(tx *store.Tx) error {
		rows, bad = rows[:0], nil
		var highest int64
		if _, err := tx.Row("SELECT COALESCE(MAX(id), 0) FROM alert WHERE manager = $1", []any{tx.Manager()}, &highest); err != nil {
			return err
		}
		last = alert.ID(highest)
		return tx.Each("SELECT document, closed FROM alert WHERE manager = $1 AND id IN (SELECT id FROM alert WHERE manager = $1 AND resolved = 0 "+
			"UNION SELECT id FROM alert WHERE manager = $1 AND closed = 1 UNION SELECT id FROM alert WHERE manager = $1 AND resolved >= $2) ORDER BY id",
			[]any{tx.Manager(), max(since.UnixMilli(), 1)}, func(r *sql.Rows) error {
				var text string
				var closed int64
				if err := r.Scan(&text, &closed); err != nil {
					return err
				}
				a, err := parse(text)
				if err != nil {
					bad = append(bad, err)
					return nil
				}
				rows = append(rows, Row{a, closed == 1})
				return nil
			})
	})
	return rows, last, bad, err
}

func parse(text string) (*alert.Alert, error) {
	a := new(alert.Alert)
	err := json.Unmarshal([]byte(text), a)
	if err == nil && (a.ID <= 0 || (a.State == alert.Resolved) != (a.Resolved != nil)) {
		err = errors.New("its number, or its state, is none")
	}
	if err != nil {
		return nil, fmt.Errorf("an alert in the database, %.80q: %w", text, err)
	}
	return a, nil
}

// Get returns one alert; the error wraps alert.ErrNone when it is not there.
func (l *Ledger) Get(ctx context.Context, id alert.ID) (a *alert.Alert, err error) {
	err = l.s.Read(ctx, func(tx *store.Tx) error {
		var text string
		found, err := tx.Row("SELECT document FROM alert WHERE manager = $1 AND id = $2", []any{tx.Manager(), int64(id)}, &text)
		if err == nil && !found {
			err = fmt.Errorf("%w: %s", alert.ErrNone, id)
		}
		if err == nil {
			a, err = parse(text)
		}
		return err
	})
	return a, err
}

// Find returns the newest alert of one kind of a node that opened at a time; nil: there is
// none.
func (l *Ledger) Find(ctx context.Context, p tree.Path, k alert.Kind, opened time.Time) (a *alert.Alert, err error) {
	err = l.s.Read(ctx, func(tx *store.Tx) error {
		a = nil
		var text string
		found, err := tx.Row("SELECT document FROM alert WHERE manager = $1 AND path = $2 AND kind = $3 AND opened = $4 ORDER BY id DESC LIMIT 1",
			[]any{tx.Manager(), p.String(), string(k), opened.UnixMilli()}, &text)
		if err == nil && found {
			a, err = parse(text)
		}
		return err
	})
	return a, err
}

// Count counts the resolved alerts.
func (l *Ledger) Count(ctx context.Context) (rows int64, err error) {
	err = l.s.Read(ctx, func(tx *store.Tx) error {
		_, err := tx.Row("SELECT COUNT(*) FROM alert WHERE manager = $1 AND resolved > 0", []any{tx.Manager()}, &rows)
		return err
	})
	return rows, err
}

// Trim deletes the resolved alerts that ended longest ago, so many at most, as far as they
// ended before a time.
func (l *Ledger) Trim(ctx context.Context, before time.Time, most int) (deleted int64, err error) {
	err = l.s.Write(ctx, func(tx *store.Tx) (err error) {
		deleted, err = tx.Exec("DELETE FROM alert WHERE manager = $1 AND id IN (SELECT id FROM alert WHERE manager = $1 AND resolved > 0 AND resolved < $2 "+
			"AND closed = 0 ORDER BY resolved, id LIMIT $3)", tx.Manager(), before.UnixMilli(), int64(most))
		return err
	})
	return deleted, err
}

// below are the bounds of the paths below a node: "/" is followed by "0" in ASCII.
func below(p tree.Path) (low, high string) { return p.String() + "/", p.String() + "0" }
