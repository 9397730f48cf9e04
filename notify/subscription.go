package notify

import (
	"context"
	"iter"
	"strings"
	"sync"

	"grove/beans"
)

// Subscription is one subscriber's queue. One goroutine at a time takes from it;
// the other methods may be called from any.
type Subscription struct {
	bus     *Bus
	options Options
	ready   chan struct{} // has an element when there may be something to take

	mu        sync.Mutex // guards all below
	ring      []Notification
	head      int // the oldest
	count     int
	lost      uint64 // since the last that was taken
	lostAll   uint64
	delivered uint64
	finishing bool // no more will come
	closed    bool
}

// SubscriptionStats are the counts of one subscription.
type SubscriptionStats struct {
	Name      string
	Queued    int // waiting to be taken
	Buffer    int // the most that can wait
	Delivered uint64
	Lost      uint64
}

// Stats returns the present counts.
func (s *Subscription) Stats() SubscriptionStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SubscriptionStats{Name: s.options.Name, Queued: s.count, Buffer: s.options.Buffer, Delivered: s.delivered, Lost: s.lostAll}
}

// Next returns the next notification, and waits for it. It returns ErrClosed
// when the subscription is closed, or the bus is and nothing is left, and else
// the error of the context.
func (s *Subscription) Next(ctx context.Context) (Notification, error) {
	for {
		n, ok, err := s.TryNext()
		if ok || err != nil {
			return n, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Notification{}, ctx.Err()
		}
	}
}

// TryNext is Next without waiting: ok is false if there is none.
func (s *Subscription) TryNext() (n Notification, ok bool, err error) {
	s.mu.Lock()
	if s.count > 0 && !s.closed {
		n = s.ring[s.head]
		s.ring[s.head] = Notification{}
		s.head = (s.head + 1) % len(s.ring)
		s.count--
		n.Lost, s.lost = s.lost, 0
		s.mu.Unlock()
		return n, true, nil
	}
	over := s.finishing
	s.mu.Unlock()
	if over {
		s.Close()
		return n, false, ErrClosed
	}
	return n, false, nil
}

// Ready returns a channel that has an element after something came or the
// subscription ended, for subscribers that select among several things. After
// each element the subscriber calls TryNext until it has no more.
func (s *Subscription) Ready() <-chan struct{} { return s.ready }

// All yields what Next returns until it returns an error.
func (s *Subscription) All(ctx context.Context) iter.Seq[Notification] {
	return func(yield func(Notification) bool) {
		for {
			n, err := s.Next(ctx)
			if err != nil || !yield(n) {
				return
			}
		}
	}
}

// Close ends the subscription and drops what is queued. It may be called more
// than once.
func (s *Subscription) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed, s.finishing = true, true
	s.ring, s.count = nil, 0
	s.mu.Unlock()
	if first {
		s.signal()
		s.bus.remove(s)
	}
}

// finish lets the subscriber take what is queued, and no more.
func (s *Subscription) finish() {
	s.mu.Lock()
	s.finishing = true
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.ready <- struct{}{}:
	default: // it is signalled already
	}
}

// wants is called with the bus locked.
func (s *Subscription) wants(n *beans.Notification) bool {
	o := &s.options
	if len(o.Types) > 0 {
		found := false
		for _, prefix := range o.Types {
			if found = strings.HasPrefix(n.Type, prefix); found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return (o.Source == nil || o.Source(n.Source)) && (o.Filter == nil || o.Filter(*n))
}

// push queues a notification, in the place of the oldest if the queue is full.
func (s *Subscription) push(n Notification) {
	s.mu.Lock()
	if s.finishing {
		s.mu.Unlock()
		return
	}
	s.delivered++
	if s.count == len(s.ring) && s.count < s.options.Buffer {
		s.growLocked()
	}
	if s.count == s.options.Buffer {
		s.ring[s.head] = n
		s.head = (s.head + 1) % len(s.ring)
		s.lost++
		s.lostAll++
	} else {
		s.ring[(s.head+s.count)%len(s.ring)] = n
		s.count++
	}
	s.mu.Unlock()
	s.signal()
}

// growLocked doubles the ring up to the buffer, so that quiet subscriptions
// stay small.
func (s *Subscription) growLocked() {
	ring := make([]Notification, min(s.options.Buffer, max(8, 2*len(s.ring))))
	n := copy(ring, s.ring[s.head:])
	copy(ring[n:], s.ring[:s.head])
	s.ring, s.head = ring, 0
}
