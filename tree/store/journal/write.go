package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"grove/tree/store"
)

const (
	// maxBatch is how many entries one piece of work writes: enough that a commit costs
	// little, and few enough that others get their turn.
	maxBatch = 4096
	// trimEvery is how often it is looked for what is too old.
	trimEvery = time.Minute
	// trimAgain is how soon it is looked for again when the database did not answer, as
	// when it is slow to open: the count of what is kept is not known until then.
	trimAgain = 2 * time.Second
	// countEvery is how often the rows are counted, which takes a tenth of a second for a
	// million.
	countEvery = 6 * time.Hour
	// drainTime bounds the last writing when Run ends.
	drainTime = 4 * time.Second
)

// Run writes what is told until ctx ends, and then what still waits. While the database
// cannot be written it tries again.
func (j *Journal) Run(ctx context.Context) error {
	var index sync.WaitGroup
	defer index.Wait()
	index.Go(func() { j.index(ctx) })
	trim := time.NewTicker(trimEvery)
	defer trim.Stop()
	j.overdue = true
	failing := false // the last look for what is too old
	for ctx.Err() == nil {
		changed := j.take()
		switch {
		case len(j.batch) > 0:
			if j.write(ctx) {
				j.settle(nil)
			}
		case !j.overdue:
			select {
			case <-changed:
			case <-trim.C:
				j.overdue = true
			case <-ctx.Done():
			}
		}
		if j.overdue && ctx.Err() == nil {
			err := j.trim(ctx)
			switch {
			case err != nil:
				j.overdue = false
				if !failing {
					j.o.Log.Warn("old entries of the journal stay for now", "err", err)
				}
				trim.Reset(trimAgain)
			case failing:
				trim.Reset(trimEvery)
			}
			failing = err != nil
		}
	}
	return j.drain()
}

// drain writes what waits when Run ends.
func (j *Journal) drain() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	for {
		if j.take(); len(j.batch) == 0 {
			break
		}
		if err = j.try(ctx); err != nil {
			break
		}
		j.settle(nil)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		lost := len(j.queue) + j.taken
		j.lost += uint64(lost)
		err = fmt.Errorf("%w: %d: %w", ErrLost, lost, err)
	}
	j.stopped = true
	j.signal()
	return err
}

// take makes the oldest that wait the batch, unless there is one still, and returns what
// is closed when there are more.
func (j *Journal) take() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.taken == 0 {
		j.taken = min(len(j.queue), maxBatch)
		j.batch = append(j.batch[:0], j.queue[:j.taken]...)
		if j.queue = j.queue[j.taken:]; len(j.queue) == 0 {
			j.queue = nil // a flood is over: give its memory back
		}
	}
	return j.progress
}

// settle says that the batch was written, or why it was not.
func (j *Journal) settle(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		j.settled += uint64(j.taken)
		j.taken = 0
		j.stalled = false
		clear(j.batch)
		j.batch = j.batch[:0]
	}
	j.failing = err
	j.signal()
}

// write writes the batch, however often it must be tried, and says whether it did.
func (j *Journal) write(ctx context.Context) bool {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := j.try(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if j.Stats().Err == nil {
			j.o.Log.Error("the journal waits for the database", "err", err)
		}
		j.settle(err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// try writes the batch once. The numbers that it gives stay with the entries, so that a
// second try of what was committed after all changes nothing.
func (j *Journal) try(ctx context.Context) error {
	if replaced := j.o.Store.Replaced(); !j.known || replaced != j.replaced {
		j.rows.Store(-1)
		j.overdue = true // They are counted at once, not at the next look for what is old.
		for i := range j.batch {
			j.batch[i].ID = 0
		}
		j.known, j.replaced = true, replaced
	}
	if j.batch[len(j.batch)-1].ID == 0 {
		// What is written in the order of numbers is written soonest.
		slices.SortStableFunc(j.batch, func(a, b Entry) int { return cmp.Compare(milliseconds(a.Time), milliseconds(b.Time)) })
	}
	// What was begun is not given up, or it would not be known whether it was done.
	return j.o.Store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error { return j.Add(tx, j.batch...) })
}

// Add writes entries in a transaction of the caller's: they are in the journal once that
// is committed. They get their numbers where they stand, and keep those that they have:
// who passes the same ones again, since the transaction runs once more or since nobody
// knows whether it was committed, writes none of them twice.
func (j *Journal) Add(tx *store.Tx, entries ...Entry) error {
	fresh, err := j.fresh(tx, entries)
	if err != nil {
		return err
	}
	if err := j.numbers.give(tx, j.o.Store.Replaced(), entries); err != nil {
		return err
	}
	if err := j.insert(tx, entries); err != nil || j.o.Also == nil || len(entries) == 0 {
		return err
	}
	if fresh == nil {
		return j.o.Also(tx, entries)
	}
	rest := make([]Entry, 0, len(entries))
	for i := range entries {
		if fresh[i] {
			rest = append(rest, entries[i])
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return j.o.Also(tx, rest)
}

// fresh says which entries are not in the journal yet; nil is that none is.
func (j *Journal) fresh(tx *store.Tx, entries []Entry) (fresh []bool, err error) {
	if j.o.Also == nil || !slices.ContainsFunc(entries, func(e Entry) bool { return e.ID != 0 }) {
		return nil, nil
	}
	fresh = make([]bool, len(entries))
	for i := range entries {
		found := false
		if entries[i].ID != 0 {
			var id int64
			if found, err = tx.Row("SELECT id FROM journal WHERE manager = $1 AND id = $2", []any{tx.Manager(), int64(entries[i].ID)}, &id); err != nil {
				return nil, err
			}
		}
		fresh[i] = !found
	}
	return fresh, nil
}

const insertHead = "INSERT INTO journal (manager, id, node, kind, was, status, form, value, text)"

// insert writes entries that have numbers, but for those that are written already.
func (j *Journal) insert(tx *store.Tx, entries []Entry) error {
	manager := tx.Manager()
	if manager == 0 {
		return errNoManager
	}
	places := make([]store.Place, 0, len(entries))
	args := make([]any, 0, 9*len(entries))
	for i := range entries {
		e := &entries[i]
		place := store.Place{Number: store.NodeNumber(e.Path), Path: e.Path}
		places = append(places, place)
		form, value := valueColumns(e.Value)
		args = append(args, manager, int64(e.ID), place.Number, int64(e.Kind), int64(e.From), int64(e.To), form, value, store.Clean(e.Text))
	}
	if err := tx.Know(places); err != nil {
		return err
	}
	if err := spoil(tx, entries); err != nil {
		return err
	}
	inserted, err := tx.Insert(insertHead, "ON CONFLICT DO NOTHING", 9, args)
	if err != nil {
		return err
	}
	tx.Ended(func(err error) {
		if err != nil {
			return
		}
		j.written.Add(uint64(inserted))
		if j.rows.Load() >= 0 {
			j.rows.Add(inserted)
		}
	})
	return nil
}

var errNoManager = errors.New("the database was opened by a tool, which has no journal")
