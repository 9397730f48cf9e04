// Package notify is the bus of notifications: what happens in grove is
// published once, and whoever cares subscribes.
//
// Publishing never waits for a subscriber. All subscribers see one total order,
// so also the order of each source. Each has a bounded queue of its own; when it
// is full the oldest record in it is dropped and counted, and the next record
// that the subscriber takes says how many it lost. A subscriber that must not
// miss a state reads the state again when it lost something.
//
// Locks nest in the order Bus.mu, Subscription.mu. The package starts no
// goroutine.
package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"grove/beans"
)

// The bounds of a bus.
const (
	MaxSubscriptions = 10_000
	DefaultBuffer    = 256
	MaxBuffer        = 65_536
)

// ErrClosed is the error of a subscription that has ended and of a bus that was
// closed.
var ErrClosed = errors.New("closed")

// Notification is what subscribers take from the bus.
type Notification struct {
	beans.Notification
	// Position counts all notifications of the bus from 1 on. With a filter it
	// has gaps that are no losses.
	Position uint64
	// Lost is how many notifications that the subscription asked for were
	// dropped between the one before and this one.
	Lost uint64
}

// Bus hands notifications from publishers to subscriptions. [NewBus] makes one.
type Bus struct {
	mu            sync.Mutex // guards all below
	subscriptions []*Subscription
	position      uint64
	refused       uint64
	delivered     uint64 // of subscriptions that have ended
	lost          uint64 // likewise
	closed        bool
	empty         chan struct{} // closed when the bus is closed and nobody subscribes
}

// NewBus returns a bus without subscriptions.
func NewBus() *Bus { return &Bus{empty: make(chan struct{})} }

// Publish hands the notification to all subscriptions that ask for it, and
// returns without waiting for any. The source and its sequence number are the
// publisher's, see [Bus.Source]; a time is added if there is none. It is a
// [beans.Listener], and so can listen to beans. After Close it only counts.
func (b *Bus) Publish(n beans.Notification) {
	if n.Time.IsZero() {
		n.Time = time.Now()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		b.refused++
		return
	}
	b.position++
	for _, s := range b.subscriptions {
		if s.wants(&n) {
			s.push(Notification{Notification: n, Position: b.position})
		}
	}
}

// Source is a publisher that numbers its notifications by one from 1 on, for
// sources that are not beans with numbers of their own.
type Source struct {
	bus  *Bus
	name beans.Name

	mu       sync.Mutex // guards sequence, and keeps its order on the bus
	sequence int64
}

// Source returns a publisher under the name. Two sources of one name would
// number twice.
func (b *Bus) Source(name beans.Name) *Source { return &Source{bus: b, name: name} }

// Publish publishes a notification with the name and the next number of the
// source.
func (s *Source) Publish(kind, message string, data beans.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sequence++
	s.bus.Publish(beans.Notification{Type: kind, Source: s.name, Sequence: s.sequence, Message: message, Data: data})
}

// Options say what a subscription asks for. The conditions must hold together.
// They are called while the bus is locked: they must be quick and must not call
// the bus.
type Options struct {
	Name string // for statistics and messages
	// Types are prefixes of notification types, taken literally; none: all types.
	Types  []string
	Source func(beans.Name) bool // nil: all sources; see Within
	Filter beans.Filter          // nil: everything
	// Buffer is the length of the queue: 0 for DefaultBuffer, at most MaxBuffer.
	Buffer int
}

// Within returns a condition on sources: the property key, with its quotes
// removed, is the path or lies below it. "/shop" covers "/shop" and "/shop/web1",
// not "/shopping"; "/" covers all that have the property.
func Within(key, path string) func(beans.Name) bool {
	path = strings.TrimSuffix(path, "/")
	return func(n beans.Name) bool {
		got, ok := n.Text(key)
		if !ok || !strings.HasPrefix(got, path) {
			return false
		}
		rest := got[len(path):]
		return rest == "" || rest[0] == '/'
	}
}

// Subscribe begins a subscription with the next notification. The caller closes
// it.
func (b *Bus) Subscribe(o Options) (*Subscription, error) {
	if o.Buffer == 0 {
		o.Buffer = DefaultBuffer
	}
	fail := func(err error) (*Subscription, error) {
		return nil, fmt.Errorf("subscribe %q: %w", o.Name, err)
	}
	if o.Buffer < 0 || o.Buffer > MaxBuffer {
		return fail(fmt.Errorf("%w: a buffer of %d, which must be from 1 to %d", beans.ErrInvalidValue, o.Buffer, MaxBuffer))
	}
	o.Types = slices.Clone(o.Types)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return fail(ErrClosed)
	}
	if len(b.subscriptions) >= MaxSubscriptions {
		return fail(fmt.Errorf("the bus has its bound of %d subscriptions", MaxSubscriptions))
	}
	s := &Subscription{bus: b, options: o, ready: make(chan struct{}, 1)}
	b.subscriptions = append(b.subscriptions, s)
	return s, nil
}

// Close ends the bus: nothing more is published, and the subscribers take what
// is queued, after which Next says ErrClosed. Close waits until each has seen
// that or has closed its subscription. When the context ends first, it closes the
// rest and says which subscriptions had something left.
func (b *Bus) Close(ctx context.Context) error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	if first && len(b.subscriptions) == 0 {
		close(b.empty)
	}
	open := slices.Clone(b.subscriptions)
	b.mu.Unlock()
	for _, s := range open {
		s.finish()
	}
	select {
	case <-b.empty:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	open = slices.Clone(b.subscriptions)
	b.mu.Unlock()
	var left []error
	for _, s := range open {
		if st := s.Stats(); st.Queued > 0 {
			left = append(left, fmt.Errorf("subscription %q leaves %d notifications", st.Name, st.Queued))
		}
		s.Close()
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("close the bus: %w: %w", ctx.Err(), errors.Join(left...))
}

// remove takes out a subscription that has ended.
func (b *Bus) remove(s *Subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.subscriptions, s)
	if i < 0 {
		return
	}
	b.subscriptions = slices.Delete(b.subscriptions, i, i+1)
	st := s.Stats()
	b.delivered += st.Delivered
	b.lost += st.Lost
	if b.closed && len(b.subscriptions) == 0 {
		close(b.empty)
	}
}

// Stats are the counts of a bus since it was made.
type Stats struct {
	Published     uint64 // notifications
	Refused       uint64 // notifications after Close
	Delivered     uint64 // queued for a subscription, those lost included
	Lost          uint64 // dropped from full queues
	Subscriptions []SubscriptionStats
}

// Stats returns the present counts, with the open subscriptions in the order in
// which they began.
func (b *Bus) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := Stats{Published: b.position, Refused: b.refused, Delivered: b.delivered, Lost: b.lost}
	for _, s := range b.subscriptions {
		one := s.Stats()
		st.Delivered += one.Delivered
		st.Lost += one.Lost
		st.Subscriptions = append(st.Subscriptions, one)
	}
	return st
}
