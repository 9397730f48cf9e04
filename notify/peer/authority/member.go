package authority

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
)

// Lower is a manager that joined this one.
type Lower struct {
	ID              peer.ID
	Name            string // by which it was invited
	InvitedBy       string
	Joined, Renewed time.Time
	Ends            time.Time // of its newest certificate
	// Revoked is when and why it was revoked; nil: it was not, or was invited again since.
	Revoked *Revocation
}

// memberRow is what the database has of a member.
type memberRow struct {
	name, key string
	number    int64
}

func (a *Authority) readMember(tx *store.Tx, id peer.ID) (row memberRow, found bool, err error) {
	found, err = tx.Row("SELECT name, key, number FROM peer_lower WHERE manager = $1 AND authority = $2 AND id = $3",
		[]any{tx.Manager(), string(a.keys.id), string(id)}, &row.name, &row.key, &row.number)
	return row, found, err
}

// Lowers lists all that joined this manager, by ID; those that were revoked are among them.
func (a *Authority) Lowers(ctx context.Context) (list []Lower, err error) {
	err = a.o.Store.Read(ctx, func(tx *store.Tx) error {
		list = nil
		return tx.Each("SELECT id, name, invited_by, joined_at, renewed_at, number, ends_at FROM peer_lower WHERE manager = $1 AND authority = $2 ORDER BY id",
			[]any{tx.Manager(), string(a.keys.id)}, func(rows *sql.Rows) error {
				var m Lower
				var joined, renewed, number, ends int64
				if err := rows.Scan(&m.ID, &m.Name, &m.InvitedBy, &joined, &renewed, &number, &ends); err != nil {
					return err
				}
				m.Joined, m.Renewed, m.Ends = time.UnixMilli(joined), time.UnixMilli(renewed), time.UnixMilli(ends)
				a.mu.RLock()
				defer a.mu.RUnlock()
				if e, ok := a.revoked.of[m.ID]; ok && number <= e.UpTo {
					m.Revoked = &e
				}
				list = append(list, m)
				return nil
			})
	})
	if err != nil {
		return nil, fmt.Errorf("managers that joined: %w", err)
	}
	return list, nil
}

// Load reads what the database has, and completes what it lacks of the revocations: an older
// backup may have been loaded. Open and Run call it.
func (a *Authority) Load(ctx context.Context) error {
	a.issuing.Lock()
	defer a.issuing.Unlock()
	replaced := a.o.Store.Replaced()
	var (
		open    []opening
		entries []Revocation
		ends    map[peer.ID]time.Time
		numbers map[peer.ID]int64
	)
	err := a.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		open, entries, ends, numbers = nil, nil, map[peer.ID]time.Time{}, map[peer.ID]int64{}
		of := []any{tx.Manager(), string(a.keys.id)}
		err = tx.Each("SELECT id, ends_at, used_by, used_at FROM peer_invitation WHERE manager = $1 AND authority = $2", of, func(rows *sql.Rows) error {
			var o opening
			var by peer.ID
			var at, used int64
			err := rows.Scan(&o.id, &at, &by, &used)
			o.ends = time.UnixMilli(at)
			if used != 0 {
				o = o.used(by, time.UnixMilli(used))
			}
			open = append(open, o)
			return err
		})
		if err != nil {
			return err
		}
		err = tx.Each("SELECT id, number, ends_at FROM peer_lower WHERE manager = $1 AND authority = $2", of, func(rows *sql.Rows) error {
			var id peer.ID
			var number, at int64
			err := rows.Scan(&id, &number, &at)
			ends[id], numbers[id] = time.UnixMilli(at), number
			return err
		})
		if err != nil {
			return err
		}
		return tx.Each("SELECT id, entry, up_to, made_at, made_by, comment FROM peer_revocation WHERE manager = $1 AND authority = $2", of, func(rows *sql.Rows) error {
			var e Revocation
			var at int64
			err := rows.Scan(&e.ID, &e.Entry, &e.UpTo, &at, &e.By, &e.Comment)
			e.Time = time.UnixMilli(at)
			entries = append(entries, e)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("peer authority: %w", err)
	}
	if err := a.complete(ctx, entries); err != nil {
		return fmt.Errorf("peer authority: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open, a.loaded, a.replaced = open, true, replaced
	a.number = max(a.number, a.revoked.highest())
	for id, number := range numbers {
		a.number = max(a.number, number)
		if !a.revoked.covers(id, number) && ends[id].After(a.ends[id]) {
			a.ends[id] = ends[id]
		}
	}
	return nil
}

// complete makes the file and the database know each other's revocations.
func (a *Authority) complete(ctx context.Context, stored []Revocation) error {
	a.mu.RLock()
	all := revocations{of: nil}
	for _, e := range a.revoked.of {
		all.add(e)
	}
	a.mu.RUnlock()
	learned := false
	inTable := revocations{}
	for _, e := range stored {
		inTable.add(e)
		learned = all.add(e) || learned
	}
	if learned {
		if err := all.write(a.revokedFile()); err != nil {
			return err
		}
		a.mu.Lock()
		a.revoked = all
		a.mu.Unlock()
	}
	var missing []Revocation
	for _, e := range all.of {
		if !inTable.covers(e.ID, e.UpTo) {
			missing = append(missing, e)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return a.o.Store.Write(ctx, func(tx *store.Tx) error {
		for _, e := range missing {
			if err := a.putRevocation(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// next numbers a certificate. It never repeats a number, and after a database was lost it goes
// on above what was there, unless the clock was put back too. The lock issuing is held.
func (a *Authority) next() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.number = max(a.number+1, a.o.Now().UnixMilli())
	return a.number
}
