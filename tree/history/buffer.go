package history

import "grove/tree/history/shelf"

// admit waits until the buffer has room for n samples more, if waiting helps. It is
// called with mu held, which it gives up meanwhile.
func (s *Store) admit(n int) {
	for s.state == open && s.held > 0 && s.held+n > s.opts.MaxBuffered {
		s.wait()
	}
}

// wait waits until the buffer has more room than now, or the state changed. It is called
// with mu held, which it gives up meanwhile.
func (s *Store) wait() {
	s.stuck++
	s.rouse()
	s.room.Wait()
	s.stuck--
}

// push puts a sample into the buffer, with mu held.
func (s *Store) push(series *shelf.Series, at int64, value float64) {
	if s.held >= s.opts.MaxBuffered && s.state != open || s.state >= failed {
		switch s.state {
		case refusing:
			s.counts.noRoom++
		case closed:
			s.counts.closed++
		case opening:
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
