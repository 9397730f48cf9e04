package book

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"grove/notify/peer/duty/parcel"
	"grove/tree/store"
)

// MaxMoves is how many moves are kept.
const MaxMoves = 10_000

// Book is the tables. Its methods may be called from many goroutines.
type Book struct{ s *store.Store }

// New returns the book of a manager.
func New(s *store.Store) *Book { return &Book{s} }

// errNoManager is a program that opened the database without saying which manager it is.
var errNoManager = errors.New("the database was opened without a manager")

// Load returns everything but parcels and moves.
func (b *Book) Load(ctx context.Context) (*Content, error) {
	var c *Content
	err := b.s.Read(ctx, func(tx *store.Tx) error {
		c = &Content{}
		return errors.Join(
			each(tx, "SELECT document FROM peer_device WHERE manager = $1 ORDER BY owner, name", &c.Rows),
			each(tx, "SELECT document FROM peer_hold WHERE manager = $1 ORDER BY owner, name", &c.Holds),
			each(tx, "SELECT document FROM peer_member WHERE manager = $1 ORDER BY id", &c.Members),
		)
	})
	if err != nil {
		return nil, fmt.Errorf("book of devices: %w", err)
	}
	return c, nil
}

func each[T any](tx *store.Tx, query string, into *[]T) error {
	return tx.Each(query, []any{tx.Manager()}, func(rows *sql.Rows) error {
		var document string
		if err := rows.Scan(&document); err != nil {
			return err
		}
		var one T
		if err := json.Unmarshal([]byte(document), &one); err != nil {
			return err
		}
		*into = append(*into, one)
		return nil
	})
}

// document writes a value; a text that the database would not take is made one that it does.
func document(v any) (string, error) {
	text, err := json.Marshal(v)
	return store.Clean(string(text)), err
}

// Write writes a change: it is committed on return.
func (b *Book) Write(ctx context.Context, c *Change) error {
	if c.IsZero() {
		return nil
	}
	err := b.s.Write(ctx, func(tx *store.Tx) error { return write(tx, c) })
	if err != nil {
		return fmt.Errorf("book of devices: %w", err)
	}
	return nil
}

func write(tx *store.Tx, c *Change) error {
	manager := tx.Manager()
	if manager == 0 {
		return errNoManager
	}
	if err := drop(tx, "peer_device", OfBook, c.DropRows); err != nil {
		return err
	}
	if err := drop(tx, "peer_hold", OfHold, c.DropHolds); err != nil {
		return err
	}
	const conflict = "ON CONFLICT (manager, owner, name) DO UPDATE SET document = excluded.document"
	var args []any
	for _, r := range c.Rows {
		text, err := document(r)
		if err != nil {
			return err
		}
		args = append(args, manager, string(r.Owner), r.Name, text)
	}
	if _, err := tx.Insert("INSERT INTO peer_device (manager, owner, name, document)", conflict, 4, args); err != nil {
		return err
	}
	args = nil
	for _, h := range c.Holds {
		text, err := document(h)
		if err != nil {
			return err
		}
		args = append(args, manager, string(h.Owner), h.Name, text)
	}
	if _, err := tx.Insert("INSERT INTO peer_hold (manager, owner, name, document)", conflict, 4, args); err != nil {
		return err
	}
	args = nil
	for _, m := range c.Members {
		text, err := document(m)
		if err != nil {
			return err
		}
		args = append(args, manager, string(m.ID), text)
	}
	if _, err := tx.Insert("INSERT INTO peer_member (manager, id, document)", "ON CONFLICT (manager, id) DO UPDATE SET document = excluded.document", 3, args); err != nil {
		return err
	}
	if err := keep(tx, OfBook, c.Left); err != nil {
		return err
	}
	if err := keep(tx, OfHold, c.Held); err != nil {
		return err
	}
	return move(tx, c.Moves)
}

func drop(tx *store.Tx, table string, place Place, keys []parcel.Key) error {
	for _, k := range keys {
		if _, err := tx.Exec("DELETE FROM "+table+" WHERE manager = $1 AND owner = $2 AND name = $3", tx.Manager(), string(k.Owner), k.Name); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM peer_parcel WHERE manager = $1 AND place = $2 AND owner = $3 AND name = $4", tx.Manager(), string(place), string(k.Owner), k.Name); err != nil {
			return err
		}
	}
	return nil
}

func keep(tx *store.Tx, place Place, parcels map[parcel.Key][]byte) error {
	for _, k := range slices.SortedFunc(maps.Keys(parcels), Compare) {
		_, err := tx.Exec("INSERT INTO peer_parcel (manager, place, owner, name, parcel) VALUES ($1, $2, $3, $4, $5) "+
			"ON CONFLICT (manager, place, owner, name) DO UPDATE SET parcel = excluded.parcel",
			tx.Manager(), string(place), string(k.Owner), k.Name, base64.StdEncoding.EncodeToString(parcels[k]))
		if err != nil {
			return err
		}
	}
	return nil
}

func move(tx *store.Tx, moves []Move) error {
	if len(moves) == 0 {
		return nil
	}
	var last int64
	if _, err := tx.Row("SELECT COALESCE(MAX(id), 0) FROM peer_move WHERE manager = $1", []any{tx.Manager()}, &last); err != nil {
		return err
	}
	var args []any
	for _, m := range moves { // a copy: the piece of work may run again
		last++
		m.ID = last
		text, err := document(m)
		if err != nil {
			return err
		}
		args = append(args, tx.Manager(), last, string(m.Key.Owner), m.Key.Name, text)
	}
	if _, err := tx.Insert("INSERT INTO peer_move (manager, id, owner, name, document)", "", 5, args); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM peer_move WHERE manager = $1 AND id <= $2", tx.Manager(), last-MaxMoves)
	return err
}

// Parcel returns the parcel of a row or a hold; nil is that there is none.
func (b *Book) Parcel(ctx context.Context, place Place, k parcel.Key) (data []byte, err error) {
	err = b.s.Read(ctx, func(tx *store.Tx) error {
		data = nil
		var text string
		found, err := tx.Row("SELECT parcel FROM peer_parcel WHERE manager = $1 AND place = $2 AND owner = $3 AND name = $4",
			[]any{tx.Manager(), string(place), string(k.Owner), k.Name}, &text)
		if err != nil || !found {
			return err
		}
		data, err = base64.StdEncoding.DecodeString(text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("parcel of %s: %w", k, err)
	}
	return data, nil
}

// Query asks for moves.
type Query struct {
	Device string // the name; empty: of all
	Before int64  // the ID of the one after which to go on; zero: from the newest
	Limit  int    // 1 to 1000
}

// Moves returns moves, the newest first.
func (b *Book) Moves(ctx context.Context, q Query) (moves []Move, err error) {
	query, args := "SELECT id, document FROM peer_move WHERE manager = $1", []any(nil)
	err = b.s.Read(ctx, func(tx *store.Tx) error {
		moves = nil
		query, args := query, append(args, tx.Manager())
		if q.Device != "" {
			args = append(args, q.Device)
			query += fmt.Sprintf(" AND name = $%d", len(args))
		}
		if q.Before > 0 {
			args = append(args, q.Before)
			query += fmt.Sprintf(" AND id < $%d", len(args))
		}
		args = append(args, min(max(q.Limit, 1), 1000))
		query += fmt.Sprintf(" ORDER BY id DESC LIMIT $%d", len(args))
		return tx.Each(query, args, func(rows *sql.Rows) error {
			var id int64
			var text string
			if err := rows.Scan(&id, &text); err != nil {
				return err
			}
			var m Move
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				return err
			}
			m.ID = id
			moves = append(moves, m)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("moves of devices: %w", err)
	}
	return moves, nil
}
