package beans

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxPending bounds the notifications of one Broadcaster that wait while a
// listener runs.
const maxPending = 1 << 16

// Broadcaster hands the notifications of one source to its listeners. A bean
// embeds one to become an [Emitter]. The zero Broadcaster is ready; it must not
// be copied.
//
// Listeners see one total order, that of the sequence numbers, and no lock is
// held while one runs, so a listener may emit again: what it emits follows. Of
// several goroutines that emit at once one calls the listeners for all. While a
// listener runs at most 65,536 notifications wait; any beyond are dropped and
// counted, and every listener sees the gap in the sequence numbers.
type Broadcaster struct {
	mu            sync.Mutex // guards all below
	sequence      int64      // of the notification emitted last
	subscriptions []*subscription
	pending       []Notification // pending[head:] wait
	head          int
	delivering    bool
	dropped       uint64
}

type subscription struct {
	listener Listener
	filter   Filter
	after    int64 // sequence number at the time of subscribing
	ended    atomic.Bool
}

// Subscribe implements the method of [Emitter]. A panic of listener or filter
// surfaces in the call of Emit that runs it.
func (b *Broadcaster) Subscribe(listener Listener, filter Filter) (cancel func()) {
	s := &subscription{listener: listener, filter: filter}
	b.mu.Lock()
	s.after = b.sequence
	b.subscriptions = append(slices.Clip(b.subscriptions), s)
	b.mu.Unlock()
	return func() {
		if s.ended.Swap(true) {
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		// A copy: a delivery may be walking over the present slice.
		rest := make([]*subscription, 0, len(b.subscriptions)-1)
		for _, other := range b.subscriptions {
			if other != s {
				rest = append(rest, other)
			}
		}
		b.subscriptions = rest
	}
}

// Emit numbers the notification, from 1 on, gives it the present time if it has
// none, and calls the listeners. When several goroutines emit at once it may
// return before another has delivered.
func (b *Broadcaster) Emit(n Notification) {
	b.enqueue(n)
	b.deliver()
}

// enqueue takes the place of n in the order; deliver must follow.
func (b *Broadcaster) enqueue(n Notification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sequence++
	if len(b.subscriptions) == 0 {
		return
	}
	if len(b.pending)-b.head >= maxPending {
		b.dropped++
		return
	}
	n.Sequence = b.sequence
	if n.Time.IsZero() {
		n.Time = time.Now()
	}
	if b.head > 0 && len(b.pending) == cap(b.pending) {
		b.pending = b.pending[:copy(b.pending, b.pending[b.head:])]
		b.head = 0
	}
	b.pending = append(b.pending, n)
}

// deliver calls the listeners for what is pending, unless another goroutine (or
// a caller further up the stack) is doing so.
func (b *Broadcaster) deliver() {
	b.mu.Lock()
	if b.delivering {
		b.mu.Unlock()
		return
	}
	b.delivering = true
	defer func() { // with the lock held, unless a listener panicked
		b.delivering = false
		b.mu.Unlock()
	}()
	for b.head < len(b.pending) {
		n := b.pending[b.head]
		b.pending[b.head] = Notification{}
		if b.head++; b.head == len(b.pending) {
			b.pending, b.head = b.pending[:0], 0
		}
		b.callLocked(n)
	}
	if cap(b.pending) > 64 {
		b.pending = nil // a flood is over; the common case is one
	}
}

// callLocked calls the listeners without the lock and takes it again, also when
// one of them panics.
func (b *Broadcaster) callLocked(n Notification) {
	subscriptions := b.subscriptions
	b.mu.Unlock()
	defer b.mu.Lock()
	for _, s := range subscriptions {
		if n.Sequence <= s.after || s.ended.Load() {
			continue
		}
		if s.filter == nil || s.filter(n) {
			s.listener(n)
		}
	}
}

// Listened reports whether anybody subscribes, so that an emitter can spare
// itself the making of notifications for nobody.
func (b *Broadcaster) Listened() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subscriptions) > 0
}

// Dropped returns how many notifications were dropped because a listener did
// not return while 65,536 others waited.
func (b *Broadcaster) Dropped() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

// TypePrefixes returns a filter that lets through the notifications whose type
// begins with one of the prefixes (NotificationFilterSupport). A prefix is taken
// literally, so "grove.*" lets nothing through; no prefix at all does neither.
func TypePrefixes(prefixes ...string) Filter {
	prefixes = slices.Clone(prefixes)
	return func(n Notification) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(n.Type, p) {
				return true
			}
		}
		return false
	}
}

// AttributeNames returns a filter that lets through the changes of exactly the
// named attributes (AttributeChangeNotificationFilter), and nothing else.
func AttributeNames(names ...string) Filter {
	names = slices.Clone(names)
	return func(n Notification) bool {
		change, ok := n.Data.(AttributeChange)
		return ok && n.Type == TypeAttributeChange && slices.Contains(names, change.Attribute)
	}
}
