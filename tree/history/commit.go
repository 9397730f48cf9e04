package history

import (
	"context"
	"errors"
	"time"

	"grove/tree/history/shelf"
)

// retryEvery is how often a refused batch is tried again.
const retryEvery = time.Second

// counts are what became of samples, by reason.
type counts struct {
	taken                             uint64
	full, noRoom, unopened, closed    uint64 // were not let into the buffer
	late, duplicate, limited, invalid uint64 // were refused by the shelf
}

// rouse wakes the committer.
func (s *Store) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// commit opens the shelves and brings batches to the log until the store is closed.
func (s *Store) commit(ctx context.Context) {
	defer close(s.done)
	if err := errors.Join(s.raw.Open(), s.long.Open()); err != nil {
		s.opts.Log.Error("the history cannot be opened", "error", err)
		s.setState(failed, err)
		<-ctx.Done()
		return
	}
	s.setState(open, nil)
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	sync := time.NewTicker(s.opts.SyncEvery)
	defer sync.Stop()
	for ctx.Err() == nil {
		partial, due := false, false
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-flush.C:
			partial = true
		case <-sync.C:
			due = true
		}
		s.drain(ctx, partial)
		s.sync(due)
	}
	for s.drain(ctx, true) {
	}
	s.sync(true)
	s.mu.Lock()
	s.tellWaiters(errClosed)
	s.mu.Unlock()
}

// maxDrain is how many batches are committed before who waits for the disk has a turn.
const maxDrain = 64

// drain commits whole batches, and the one that is not full if asked or awaited; more
// says that there can be others.
func (s *Store) drain(ctx context.Context, partial bool) (more bool) {
	for range maxDrain {
		batch := s.take(partial)
		if batch == nil {
			return false
		}
		out, ok := s.put(ctx, batch)
		s.mu.Lock()
		s.held -= len(batch)
		s.done64 += uint64(len(batch))
		s.stalled = false
		if ok {
			s.counts.taken += uint64(out.Taken)
			s.counts.late += uint64(out.Late)
			s.counts.duplicate += uint64(out.Duplicate)
			s.counts.limited += uint64(out.Limited)
			s.counts.invalid += uint64(out.Invalid)
		} else {
			s.counts.closed += uint64(len(batch))
		}
		clear(batch)
		if len(s.spare) < 64 {
			s.spare = append(s.spare, batch[:0])
		}
		s.room.Broadcast()
		s.mu.Unlock()
	}
	s.rouse()
	return true
}

// take removes the oldest batch from the buffer.
func (s *Store) take(partial bool) (batch []shelf.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.full) > 0:
		batch = s.full[0]
		s.full[0] = nil
		s.full = s.full[1:]
	case len(s.current) > 0 && (partial || len(s.waiters) > 0 || s.stuck > 0):
		batch = s.current
		s.current = nil
	}
	return batch
}

// put brings a batch to the log, however long that takes. It gives up when the store is
// being closed.
func (s *Store) put(ctx context.Context, batch []shelf.Sample) (out shelf.Outcome, ok bool) {
	for refused := false; ; refused = true {
		out, err := s.raw.Append(context.WithoutCancel(ctx), batch)
		if err == nil {
			if refused {
				s.opts.Log.Info("the history takes readings again")
				s.setState(open, nil)
			}
			if out.Late > 0 && s.keptOutByTheFuture(ctx) {
				// What was taken is taken again, which changes nothing.
				if again, err := s.raw.Append(context.WithoutCancel(ctx), batch); err == nil {
					out = again
				}
			}
			return out, true
		}
		if !refused {
			s.opts.Log.Error("the history takes no readings", "error", err)
		}
		s.setState(refusing, err)
		if !pause(ctx, retryEvery) {
			return out, false
		}
		if (errors.Is(err, shelf.ErrBroken) || errors.Is(err, shelf.ErrNotOpen)) && s.raw.Room() == nil {
			if err := s.raw.Reopen(); err != nil {
				s.opts.Log.Error("the history cannot be opened again", "error", err)
			}
		}
	}
}

// pause waits, and says whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// sync brings the log to the disk when somebody waits for it or it is due, for all
// who wait at once.
func (s *Store) sync(due bool) {
	s.mu.Lock()
	committed := s.done64
	awaited := false
	for _, w := range s.waiters {
		awaited = awaited || w.target <= committed
	}
	idle := s.durable >= committed
	s.mu.Unlock()
	if !awaited && (!due || idle) {
		return
	}
	err := s.raw.Sync()
	if err != nil {
		s.opts.Log.Error("the history is not on the disk", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.durable = committed
	}
	rest := s.waiters[:0]
	for _, w := range s.waiters {
		if w.target <= committed {
			w.done <- err
		} else {
			rest = append(rest, w)
		}
	}
	clear(s.waiters[len(rest):])
	s.waiters = rest
}
