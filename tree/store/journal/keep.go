package journal

import (
	"context"

	"grove/tree/store"
)

// trimStep is how many entries are deleted at once: some 20 ms, in which nobody else writes.
const trimStep = 2 * maxBatch

// trim deletes one step of what is too old or too much, and notes whether there is more.
// One step for each batch that was written keeps up with any flood.
func (j *Journal) trim(ctx context.Context) error {
	now := j.o.Now()
	if j.rows.Load() < 0 || now.Sub(j.counted) > countEvery {
		var rows int64
		err := j.o.Store.Read(ctx, func(tx *store.Tx) error {
			_, err := tx.Row("SELECT COUNT(*) FROM journal WHERE manager = $1", []any{tx.Manager()}, &rows)
			return err
		})
		if err != nil {
			return err
		}
		j.rows.Store(rows)
		j.counted = now
	}
	limit := FirstID(now.Add(-j.o.Keep))
	excess := j.rows.Load() - j.o.Rows
	var deleted int64
	err := j.o.Store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) (err error) {
		deleted = 0
		manager := tx.Manager()
		// The last of those that go in this step.
		var end int64
		var found bool
		if excess > 0 {
			found, err = tx.Row("SELECT id FROM journal WHERE manager = $1 ORDER BY id LIMIT 1 OFFSET $2", []any{manager, min(excess, trimStep) - 1}, &end)
		} else {
			// The last one is looked for by number, which is quick when there is none.
			found, err = tx.Row("SELECT COALESCE(MAX(id), -1) FROM (SELECT id FROM journal WHERE manager = $1 AND id < $2 ORDER BY id LIMIT $3) AS old",
				[]any{manager, int64(limit), int64(trimStep)}, &end)
			found = found && end >= 0
		}
		if err != nil || !found {
			return err
		}
		if deleted, err = tx.Exec("DELETE FROM journal WHERE manager = $1 AND id <= $2", manager, end); err != nil {
			return err
		}
		if _, err = tx.Exec("DELETE FROM journal_block WHERE manager = $1 AND last <= $2", manager, end); err != nil {
			return err
		}
		return tx.GiveBack()
	})
	if err != nil {
		return err
	}
	j.rows.Add(-deleted)
	j.deleted.Add(uint64(deleted))
	j.overdue = deleted > 0
	return nil
}
