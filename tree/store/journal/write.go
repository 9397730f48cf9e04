package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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

const insertHead = "INSERT INTO journal (manager, id, node, kind, was, status, form, value, text)"

// try writes the batch once. The numbers that it gives stay with the entries, so that a
// second try of what was committed after all changes nothing.
func (j *Journal) try(ctx context.Context) error {
	batch := j.batch
	if err := j.number(ctx, batch); err != nil {
		return err
	}
	places := make([]store.Place, 0, len(batch))
	args := make([]any, 0, 9*len(batch))
	var inserted int64
	// What was begun is not given up, or it would not be known whether it was done.
	err := j.o.Store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) (err error) {
		places, args = places[:0], args[:0]
		manager := tx.Manager()
		if manager == 0 {
			return errNoManager
		}
		for i := range batch {
			e := &batch[i]
			place := store.Place{Number: store.NodeNumber(e.Path), Path: e.Path}
			places = append(places, place)
			form, value := valueColumns(e.Value)
			args = append(args, manager, int64(e.ID), place.Number, int64(e.Kind), int64(e.From), int64(e.To), form, value, store.Clean(e.Text))
		}
		if err := tx.Know(places); err != nil {
			return err
		}
		inserted, err = tx.Insert(insertHead, "ON CONFLICT DO NOTHING", 9, args)
		return err
	})
	if err != nil {
		return err
	}
	j.written.Add(uint64(inserted))
	if j.rows.Load() >= 0 {
		j.rows.Add(inserted)
	}
	j.last = max(j.last, batch[len(batch)-1].ID)
	return nil
}

var errNoManager = errors.New("the database was opened by a tool, which has no journal")

// number gives the entries of a batch their numbers, in the order of their times. What is
// older than what was written already takes its place among it.
func (j *Journal) number(ctx context.Context, batch []Entry) error {
	s := j.o.Store
	if replaced := s.Replaced(); !j.known || replaced != j.replaced {
		var last int64
		err := s.Read(ctx, func(tx *store.Tx) error {
			_, err := tx.Row("SELECT COALESCE(MAX(id), 0) FROM journal WHERE manager = $1", []any{tx.Manager()}, &last)
			return err
		})
		if err != nil {
			return err
		}
		j.last, j.known, j.replaced = ID(last), true, replaced
		j.rows.Store(-1)
		j.overdue = true // They are counted at once, not at the next look for what is old.
		for i := range batch {
			batch[i].ID = 0
		}
	}
	if batch[len(batch)-1].ID != 0 {
		return nil // they have theirs from the try before
	}
	slices.SortStableFunc(batch, func(a, b Entry) int { return cmp.Compare(milliseconds(a.Time), milliseconds(b.Time)) })
	last, late := j.last, 0
	for late < len(batch) && milliseconds(batch[late].Time) < int64(last>>idBits) {
		late++
	}
	if err := j.numberLate(ctx, batch[:late]); err != nil {
		return err
	}
	for i := late; i < len(batch); i++ {
		last = max(last+1, firstID(batch[i].Time))
		batch[i].ID = last
	}
	return nil
}

// numberLate finds room for entries among those of the same milliseconds.
func (j *Journal) numberLate(ctx context.Context, late []Entry) error {
	if len(late) == 0 {
		return nil
	}
	ids := make([]ID, len(late))
	err := j.o.Store.Read(ctx, func(tx *store.Tx) error {
		next := ID(0) // the first that is free after the entry before
		for i := range late {
			first := firstID(late[i].Time)
			if i > 0 && ids[i-1]>>idBits >= first>>idBits {
				ids[i] = next
			} else {
				ids[i] = first
			}
			// A millisecond that is full passes what comes on to the next.
			for i == 0 || ids[i]>>idBits != ids[i-1]>>idBits {
				var highest int64
				found, err := tx.Row("SELECT COALESCE(MAX(id), -1) FROM journal WHERE manager = $1 AND id >= $2 AND id < $3",
					[]any{tx.Manager(), int64(ids[i]), int64((ids[i]>>idBits + 1) << idBits)}, &highest)
				if err != nil {
					return err
				}
				if !found || highest < 0 {
					break
				}
				full := ID(highest)>>idBits != ID(highest+1)>>idBits
				ids[i] = ID(highest + 1)
				if !full {
					break
				}
			}
			next = ids[i] + 1
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range late {
		late[i].ID = ids[i]
	}
	return nil
}
