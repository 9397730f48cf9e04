package duty

import (
	"context"
	"sync"
)

// lock is a mutex for which one waits no longer than one's context lives.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) take(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) must() { l <- struct{}{} }

func (l lock) free() { <-l }

// locks are a lock for each device.
type locks struct {
	mu  sync.Mutex
	all map[Key]*counted
}

type counted struct {
	lock
	n int // who has it, or waits
}

// take locks a device until free is called.
func (l *locks) take(ctx context.Context, k Key) (free func(), err error) {
	l.mu.Lock()
	c := l.all[k]
	if c == nil {
		if l.all == nil {
			l.all = map[Key]*counted{}
		}
		c = &counted{lock: newLock()}
		l.all[k] = c
	}
	c.n++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c.n--; c.n == 0 {
			delete(l.all, k)
		}
	}
	if err := c.take(ctx); err != nil {
		leave()
		return nil, err
	}
	return func() { c.free(); leave() }, nil
}
