package journal

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/journal/block"
)

// The index of texts: blocks of some thousand entries each say which of them has which
// text. They are made behind the writing, by a goroutine of their own, of what is
// committed; what has no block yet is searched entry by entry.

const (
	// blockEntries is how many entries a block has. What is newer than the last block, and
	// so is read entry by entry by every search for a text, are hardly more.
	blockEntries = 4096
	// blockBytes is after how many bytes of texts a block ends.
	blockBytes = 1 << 20
	// blockAge is how long entries wait for those that come late, before they go into a
	// block.
	blockAge = 5 * time.Second
	// indexEvery is how often it is looked for what has no block.
	indexEvery = time.Second
	// indexTime bounds the making of one block.
	indexTime = 30 * time.Second
)

// index makes blocks until ctx ends.
func (j *Journal) index(ctx context.Context) {
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	failing := false
	var made, known int // blocks since the beginning, and when the server last looked
	for {
		more, err := j.indexOne(ctx)
		if more {
			made++
		}
		if made >= 2*known+1 && !more {
			if err := j.o.Store.Analyze(ctx, analyzed...); err != nil && ctx.Err() == nil {
				j.o.Log.Debug("the server plans searches as before", "err", err)
			}
			known = made
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing && !errors.Is(err, errChanged) {
			j.o.Log.Warn("texts of the journal are searched entry by entry for now", "err", err)
		}
		failing = err != nil && !errors.Is(err, errChanged)
		if more && err == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// analyzed are the tables that a search reads. They may grow much faster than a server
// looks at them by itself.
var analyzed = []string{"journal", "journal_block", "node"}

// errChanged says that entries came or went while their block was made.
var errChanged = errors.New("the entries of a block have changed")

// span is where a block ends, and the one before it.
type span struct {
	after, last ID // last is zero for a block that is yet to be made
}

// indexOne makes the next block that is stale or missing; more says that there may be
// another.
func (j *Journal) indexOne(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, indexTime)
	defer cancel()
	var at span
	var b block.Builder
	var end ID // of what was read
	err = j.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		b = block.Builder{}
		if at, err = nextSpan(tx); err != nil {
			return err
		}
		end, err = j.fill(tx, at, FirstID(j.o.Now().Add(-blockAge)), &b)
		return err
	})
	switch {
	case err != nil:
		return false, err
	case b.Len() == j.blockEntries || b.Bytes() >= blockBytes:
	case at.last == 0:
		return false, nil // Too few yet.
	default:
		end = at.last // It is the last of what was stale.
	}
	parts := b.Parts()
	err = j.o.Store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		manager := tx.Manager()
		// What came or went since it was read makes it be made again.
		var entries, first int64
		if _, err := tx.Row("SELECT COUNT(*), COALESCE(MIN(id), -1) FROM journal WHERE manager = $1 AND id > $2 AND id <= $3",
			[]any{manager, int64(at.after), int64(end)}, &entries, &first); err != nil {
			return err
		}
		if entries != int64(b.Len()) || first != b.First() {
			return errChanged
		}
		if entries == 0 {
			_, err := tx.Exec("DELETE FROM journal_block WHERE manager = $1 AND last = $2", manager, int64(end))
			return err
		}
		_, err := tx.Exec("INSERT INTO journal_block (manager, last, stale, words, numbers, entries) VALUES ($1, $2, 0, $3, $4, $5)"+
			" ON CONFLICT (manager, last) DO UPDATE SET stale = 0, words = excluded.words, numbers = excluded.numbers, entries = excluded.entries",
			manager, int64(end), parts.Words, parts.Numbers, parts.Entries)
		return err
	})
	return err == nil, err
}

// nextSpan finds the oldest block that is stale, or the end of the last.
func nextSpan(tx *store.Tx) (at span, err error) {
	var last, after int64
	found, err := tx.Row("SELECT last FROM journal_block WHERE manager = $1 AND stale = 1 ORDER BY last LIMIT 1", []any{tx.Manager()}, &last)
	if err != nil {
		return at, err
	}
	bound := last
	if !found {
		bound = maxNumber
	}
	_, err = tx.Row("SELECT COALESCE(MAX(last), -1) FROM journal_block WHERE manager = $1 AND last < $2", []any{tx.Manager(), bound}, &after)
	return span{ID(after), ID(last)}, err
}

// maxNumber is above the number of every entry.
const maxNumber = 1<<63 - 1

// fill reads the entries of a block, or the first of them that make a block of their own,
// and returns the number of the last. A block that is new has none that are too young.
func (j *Journal) fill(tx *store.Tx, at span, young ID, b *block.Builder) (end ID, err error) {
	bound := at.last
	if bound == 0 {
		bound = young - 1
	}
	errFull := errors.New("full")
	err = tx.Each("SELECT id, kind, status, form, value, text FROM journal WHERE manager = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $4",
		[]any{tx.Manager(), int64(at.after), int64(bound), int64(j.blockEntries)}, func(rows *sql.Rows) error {
			var id, kind, status, form int64
			var value, text string
			if err := rows.Scan(&id, &kind, &status, &form, &value, &text); err != nil {
				return err
			}
			b.Add(block.Entry{Number: id, Mark: markOf(kind, status)})
			b.Word(text)
			if form == formNumber {
				b.Number(value)
			} else {
				b.Word(value)
			}
			end = ID(id)
			if b.Bytes() >= blockBytes {
				return errFull
			}
			return nil
		})
	if errors.Is(err, errFull) {
		err = nil
	}
	return end, err
}

// markOf is what a block knows of an entry: its kind and its status.
func markOf(kind, status int64) byte { return byte(kind)<<2 | byte(status)&3 }

// matches says whether an entry is of the kinds and statuses of a query.
func (q *Query) matches(mark byte) bool {
	return (len(q.Kinds) == 0 || slices.Contains(q.Kinds, Kind(mark>>2))) &&
		(len(q.Statuses) == 0 || slices.ContainsFunc(q.Statuses, func(s tree.Status) bool { return byte(s) == mark&3 }))
}

// spoil marks the blocks stale that lack entries that are about to be written.
func spoil(tx *store.Tx, entries []Entry) error {
	ids := make([]ID, len(entries))
	for i := range entries {
		ids[i] = entries[i].ID
	}
	slices.Sort(ids)
	for len(ids) > 0 {
		var last int64
		found, err := tx.Row("SELECT last FROM journal_block WHERE manager = $1 AND last >= $2 ORDER BY last LIMIT 1", []any{tx.Manager(), int64(ids[0])}, &last)
		if err != nil || !found {
			return err // All that follow are newer than the last block.
		}
		if _, err := tx.Exec("UPDATE journal_block SET stale = 1 WHERE manager = $1 AND last = $2", tx.Manager(), last); err != nil {
			return err
		}
		k, _ := slices.BinarySearch(ids, ID(last)+1)
		ids = ids[k:]
	}
	return nil
}
