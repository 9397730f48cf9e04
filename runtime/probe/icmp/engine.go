package icmp

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// engine is what all ping probes of a manager share: one socket for each family of
// addresses, open while there are probes that have used it.
type engine struct {
	mu    sync.Mutex
	lines [2]*line // IPv4, IPv6
	users [2]int
}

// hold returns the line of a family and counts one more user of it.
func (e *engine) hold(six bool) (*line, error) {
	k := index(six)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lines[k] == nil {
		l, err := newLine(six)
		if err != nil {
			return nil, err
		}
		e.lines[k] = l
	}
	e.users[k]++
	return e.lines[k], nil
}

// release ends what one hold began; the last one closes the socket.
func (e *engine) release(six bool) error {
	k := index(six)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.users[k]--; e.users[k] > 0 {
		return nil
	}
	l := e.lines[k]
	e.lines[k] = nil
	return l.close()
}

func index(six bool) int {
	if six {
		return 1
	}
	return 0
}

// series is what one run asks for.
type series struct {
	to       netip.Addr
	count    int
	interval time.Duration // between two requests
	size     int           // bytes of payload
	wait     time.Duration // for an answer to the last request
	until    time.Time     // when it ends in any case; zero: only with the context
}

// ping sends a series of requests and waits for the answers: until all are there, until
// the last one has had its time, or until ctx ends. What it returns is in order.
func (l *line) ping(ctx context.Context, s series) ([]echo, error) {
	name := newSockaddr(s.to)
	if s.to.Zone() != "" {
		s.to = s.to.WithZone("")
	}
	limit := time.Duration(s.count-1)*s.interval + slot + s.wait
	if !s.until.IsZero() {
		limit = min(limit, time.Until(s.until))
	}
	owner := newFlights(s, name, limit)
	if err := l.launch(owner); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
	case <-owner.change:
	}
	return l.land(owner), nil
}
