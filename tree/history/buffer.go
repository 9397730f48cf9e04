package history

import (
	"time"

	"grove/tree/history/shelf"
)

// patience is how long producers wait for a disk that does nothing at all. Then they wait
// no more until it does something, so that the live tree goes on.
const patience = 10 * time.Second

// admit waits until the buffer has room for n samples more, if waiting helps. It is
// called with mu held, which it gives up meanwhile.
func (s *Store) admit(n int) {
	for s.state == open && !s.stalled && s.held > 0 && s.held+n > s.opts.MaxBuffered {
		s.wait()
	}
}

// wait waits until the buffer has more room than now, or the state changed, or the disk
// does nothing. It is called with mu held, which it gives up meanwhile.
func (s *Store) wait() {
	s.stuck++
	s.rouse()
	before := s.done64
	impatient := time.AfterFunc(s.patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.done64 == before && !s.stalled {
			s.stalled = true
			s.opts.Log.Warn("the disk of the history does nothing: nobody waits for it until it does, and what has no room is lost")
			s.room.Broadcast()
		}
	})
	s.room.Wait()
	impatient.Stop()
	s.stuck--
}

// bound is how many samples the buffer may hold now. Producers keep to half of it; what
// the tree tells while it publishes never waits, and has the rest.
func (s *Store) bound() int {
	if s.state != open || s.stalled {
		return s.opts.MaxBuffered
	}
	return 2 * s.opts.MaxBuffered
}

// push puts a sample into the buffer, with mu held.
func (s *Store) push(series *shelf.Series, at int64, value float64) {
	if s.state >= failed || s.held >= s.bound() {
		switch s.state {
		case refusing:
			s.counts.noRoom++
		case closed:
			s.counts.closed++
		case opening, open:
			s.counts.full++
		default:
			s.counts.unopened++
		}
		return
	}
	if s.current == nil {
		if k := len(s.spare) - 1; k >= 0 {
			s.current, s.spare = s.spare[k], s.spare[:k]
		} else {
			s.current = make([]shelf.Sample, 0, batchSize)
		}
	}
	s.current = append(s.current, shelf.Sample{Series: series, Time: at, Value: value})
	s.held++
	s.given++
	if len(s.current) == batchSize {
		s.full = append(s.full, s.current)
		s.current = nil
		s.rouse()
	}
}
