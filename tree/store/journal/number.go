package journal

import (
	"cmp"
	"slices"

	"grove/tree/store"
)

// numbers gives entries their numbers, in the goroutine of the store's writer. None is
// given twice, even when what it was given for was undone: it may be written yet.
type numbers struct {
	known    bool  // the database was asked
	replaced int64 // of the store, then
	last     ID    // the highest that was given or that the database had
	// given are the highest of milliseconds before that of last, and earlier such: the
	// database may not have them yet.
	given, earlier map[int64]ID
}

// maxGiven is after how many milliseconds it is forgotten what was given in those before.
// Nothing waits for its commit for as long as that: a batch has 4,096 entries.
const maxGiven = 1 << 14

// give numbers those entries that have none, in the order of their times. What is older
// than what was numbered before takes its place among it.
func (n *numbers) give(tx *store.Tx, replaced int64, entries []Entry) error {
	if !n.known || replaced != n.replaced {
		var last int64
		if _, err := tx.Row("SELECT COALESCE(MAX(id), 0) FROM journal WHERE manager = $1", []any{tx.Manager()}, &last); err != nil {
			return err
		}
		n.last, n.known, n.replaced = ID(last), true, replaced
		n.given, n.earlier = map[int64]ID{}, nil
	}
	fresh := make([]*Entry, 0, len(entries))
	for i := range entries {
		if entries[i].ID == 0 {
			fresh = append(fresh, &entries[i])
		}
	}
	slices.SortStableFunc(fresh, func(a, b *Entry) int { return cmp.Compare(milliseconds(a.Time), milliseconds(b.Time)) })
	for _, e := range fresh {
		id := FirstID(e.Time)
		if id>>idBits < n.last>>idBits {
			free, err := n.free(tx, id)
			if err != nil {
				return err
			}
			e.ID = free
			if free>>idBits < n.last>>idBits {
				n.remember(free)
				continue
			}
			id = free // All milliseconds up to the last are full.
		}
		if id = max(n.last+1, id); id>>idBits != n.last>>idBits {
			n.remember(n.last)
		}
		n.last, e.ID = id, id
	}
	return nil
}

// free finds room for an entry among those of the same millisecond. One that is full
// passes what comes on to the next.
func (n *numbers) free(tx *store.Tx, id ID) (ID, error) {
	for ; id>>idBits < n.last>>idBits; id = (id>>idBits + 1) << idBits {
		given, ok := n.given[int64(id>>idBits)]
		if !ok {
			given, ok = n.earlier[int64(id>>idBits)]
		}
		if !ok {
			var highest int64
			found, err := tx.Row("SELECT COALESCE(MAX(id), -1) FROM journal WHERE manager = $1 AND id >= $2 AND id < $3",
				[]any{tx.Manager(), int64(id), int64((id>>idBits + 1) << idBits)}, &highest)
			if err != nil {
				return 0, err
			}
			if !found || highest < 0 {
				return id, nil
			}
			given = ID(highest)
		}
		if next := given + 1; next>>idBits == id>>idBits {
			return next, nil
		}
	}
	return id, nil
}

// remember notes the highest number of a millisecond.
func (n *numbers) remember(id ID) {
	if len(n.given) >= maxGiven {
		n.earlier, n.given = n.given, nil
	}
	if n.given == nil {
		n.given = map[int64]ID{}
	}
	n.given[int64(id>>idBits)] = id
}
