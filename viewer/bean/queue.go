package bean

import (
	"errors"
	"sync"

	"grove/beans"
)

// ErrEnded is the error of a queue to which nothing more will come.
var ErrEnded = errors.New("the notifications have ended")

// Queue is a bounded queue of notifications. When it is full the oldest in it is dropped
// and counted.
type Queue interface {
	// TryNext returns the next notification, and how many were dropped before it; ok is
	// false when none is there. An error says that none will come.
	TryNext() (n beans.Notification, lost uint64, ok bool, err error)
	// Ready returns a channel that has an element after something came.
	Ready() <-chan struct{}
	Close()
}

// maxQueued bounds the notifications of one bean that wait for one client.
const maxQueued = 1000

// queue is the Queue of one bean.
type queue struct {
	ready  chan struct{}
	cancel func()

	mu   sync.Mutex // guards all below
	ring []beans.Notification
	head int // the oldest
	size int
	lost uint64 // since the last that was taken
}

// listen subscribes to one bean.
func listen(server *beans.Server, name beans.Name) (*queue, error) {
	q := &queue{ready: make(chan struct{}, 1), ring: make([]beans.Notification, maxQueued)}
	cancel, err := server.Subscribe(name, q.push, nil)
	q.cancel = cancel
	return q, err
}

// push is the listener. It never waits.
func (q *queue) push(n beans.Notification) {
	q.mu.Lock()
	if q.size == len(q.ring) {
		q.head = (q.head + 1) % len(q.ring)
		q.size--
		q.lost++
	}
	q.ring[(q.head+q.size)%len(q.ring)] = n
	q.size++
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default: // it is signalled already
	}
}

// TryNext implements Queue.
func (q *queue) TryNext() (n beans.Notification, lost uint64, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.size == 0 {
		return n, 0, false, nil
	}
	n = q.ring[q.head]
	q.ring[q.head] = beans.Notification{}
	q.head = (q.head + 1) % len(q.ring)
	q.size--
	lost, q.lost = q.lost, 0
	return n, lost, true, nil
}

// Ready implements Queue.
func (q *queue) Ready() <-chan struct{} { return q.ready }

// Close implements Queue.
func (q *queue) Close() { q.cancel() }
