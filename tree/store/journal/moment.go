package journal

import (
	"context"
	"database/sql"
	"time"

	"grove/tree"
	"grove/tree/store"
)

// Last returns the last change of status of each node up to a moment, the moment's own
// millisecond included, by the number of the node (store.NodeNumber). Their paths are
// left out.
func (j *Journal) Last(ctx context.Context, at time.Time) (last map[int64]Entry, err error) {
	err = j.o.Store.Read(ctx, func(tx *store.Tx) error {
		last = map[int64]Entry{}
		return tx.Each("SELECT n.id, j.id, j.was, j.status, j.form, j.value, j.text FROM node n CROSS JOIN journal j WHERE n.manager = $1 AND j.manager = $1 AND j.id = "+
			"(SELECT k.id FROM journal k WHERE k.manager = n.manager AND k.node = n.id AND k.kind = 1 AND k.id < $2 ORDER BY k.id DESC LIMIT 1)",
			[]any{tx.Manager(), int64(FirstID(at.Add(time.Millisecond)))}, func(rows *sql.Rows) error {
				var node, id, was, status, form int64
				var value, text string
				if err := rows.Scan(&node, &id, &was, &status, &form, &value, &text); err != nil {
					return err
				}
				last[node] = Entry{
					ID: ID(id), Time: ID(id).Time(), Kind: Status, From: tree.Status(was), To: tree.Status(status), Value: valueOf(form, value), Text: text,
				}
				return nil
			})
	})
	return last, err
}

// EventsBefore returns the newest events that each of some log attributes had at a
// moment, oldest first: n of each at most.
func (j *Journal) EventsBefore(ctx context.Context, at time.Time, n int, paths ...tree.Path) (events map[tree.Path][]tree.Event, err error) {
	n = min(max(n, 0), tree.MaxKeep)
	err = j.o.Store.Read(ctx, func(tx *store.Tx) error {
		events = make(map[tree.Path][]tree.Event, len(paths))
		for _, p := range paths {
			var newest []tree.Event
			err := tx.Each("SELECT id, status, text FROM journal WHERE manager = $1 AND node = $2 AND kind = 2 AND id < $3 ORDER BY id DESC LIMIT $4",
				[]any{tx.Manager(), store.NodeNumber(p), int64(FirstID(at.Add(time.Millisecond))), int64(n)}, func(rows *sql.Rows) error {
					var id, status int64
					var text string
					if err := rows.Scan(&id, &status, &text); err != nil {
						return err
					}
					newest = append(newest, tree.Event{Time: ID(id).Time(), Status: tree.Status(status), Text: text})
					return nil
				})
			if err != nil {
				return err
			}
			for i, k := 0, len(newest)-1; i < k; i, k = i+1, k-1 {
				newest[i], newest[k] = newest[k], newest[i]
			}
			if newest != nil {
				events[p] = newest
			}
		}
		return nil
	})
	return events, err
}
