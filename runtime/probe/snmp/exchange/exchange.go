// Package exchange carries the requests of all SNMP probes of a manager, and the answers
// to them, over few UDP sockets.
//
// An answer finds its request by its request-id, which is drawn at random, and counts
// only when it comes from the address that was asked and has the version and community
// of the request. Several requests of a poll go out in one system call, and answers are
// read in batches: a socket for each device would cost as much as the rest of a poll.
// What the network says of a request, such as that nothing listens, reaches the request
// through the socket's queue of errors.
package exchange

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Call is one request and what comes of it. Ask sets what is below Community.
type Call struct {
	Message   []byte // the request
	ID        int    // where its request-id is, four octets
	Version   byte
	Community string

	// Answer is the datagram that came, valid until Free; nil when Err says why there
	// is none.
	Answer []byte
	Err    error

	id         uint32
	to         netip.AddrPort
	unreadable []byte // what came from the agent last that cannot be read
	buffer     *[]byte
	wait       *wait
	open       bool // no answer yet; guarded by the mutex of the line
}

// Free gives the buffer of the answer back.
func (c *Call) Free() {
	if c.buffer != nil {
		buffers.Put(c.buffer)
		c.buffer, c.Answer = nil, nil
	}
}

// What Call.Err may be beside the errors of the network: syscall.ECONNREFUSED and the
// like.
var (
	// ErrSilent says that no answer came in time.
	ErrSilent = errors.New("no answer")
	// ErrTooLong says that an answer came that is longer than MaxAnswer.
	ErrTooLong = errors.New("the answer is too long")
)

// UnreadableError says that something came from the agent, but no answer that can be read.
type UnreadableError struct{ Datagram []byte }

// Error implements error.
func (*UnreadableError) Error() string { return "what came cannot be read" }

// MaxAnswer is the longest answer, in bytes. Requests are made so that answers fit into
// an Ethernet frame.
const MaxAnswer = 16 << 10

// Exchange is shared by all probes of a kind. Its sockets are open while it has members.
type Exchange struct {
	mu      sync.RWMutex
	members int
	lines   [2][]*line // IPv4, IPv6
	counts  counts
}

type counts struct {
	sent, answers, strays, unreadable, refused atomic.Uint64
}

// Counts are what an Exchange did since it was made.
type Counts struct {
	Sent       uint64 // requests, those that were sent again included
	Answers    uint64
	Strays     uint64 // datagrams that nobody waits for: mostly answers that came too late
	Unreadable uint64 // datagrams that are no message
	Refused    uint64 // requests of which the network said that they do not arrive
}

// Counts returns them.
func (e *Exchange) Counts() Counts {
	c := &e.counts
	return Counts{c.sent.Load(), c.answers.Load(), c.strays.Load(), c.unreadable.Load(), c.refused.Load()}
}

// Bounds of the sockets. A socket's buffer holds a few hundred answers, so that many
// members, whose polls begin together, get several.
const (
	membersPerLine = 2000
	maxLines       = 8
)

// Join makes the caller a member: it may ask until it leaves.
func (e *Exchange) Join() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.members++
}

// Leave ends a membership. The last who leaves closes the sockets and waits for those
// who read them.
func (e *Exchange) Leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.members--; e.members > 0 {
		return
	}
	for f := range e.lines {
		for _, l := range e.lines[f] {
			l.close()
		}
		e.lines[f] = nil
	}
}

// line returns the socket for an address.
func (e *Exchange) line(to netip.AddrPort) (*line, error) {
	family, key := 0, uint(to.Port())
	if to.Addr().Is4() {
		for _, b := range to.Addr().As4() {
			key = key*31 + uint(b)
		}
	} else {
		family = 1
		for _, b := range to.Addr().As16() {
			key = key*31 + uint(b)
		}
	}
	e.mu.RLock()
	lines, want := e.lines[family], e.wantLocked()
	e.mu.RUnlock()
	if len(lines) < want {
		var err error
		if lines, err = e.grow(family); err != nil {
			return nil, err
		}
	}
	return lines[key%uint(len(lines))], nil
}

func (e *Exchange) wantLocked() int { return min(1+e.members/membersPerLine, maxLines) }

func (e *Exchange) grow(family int) ([]*line, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.lines[family]) < e.wantLocked() {
		l, err := openLine([]string{"udp4", "udp6"}[family], &e.counts)
		if err != nil && len(e.lines[family]) == 0 {
			return nil, err
		}
		if err != nil {
			break // those that there are will do
		}
		// Others read the slice without the lock: it is never changed in place.
		e.lines[family] = append(e.lines[family][:len(e.lines[family]):len(e.lines[family])], l)
	}
	return e.lines[family], nil
}

// wait is what one Ask waits with.
type wait struct {
	left  int           // calls without an answer; guarded by the mutex of the line
	ready chan struct{} // has one element when left became 0
	timer *time.Timer
}

var waits = sync.Pool{New: func() any {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &wait{ready: make(chan struct{}, 1), timer: timer}
}}

// Ask sends the calls at once, and again, up to so many times, those that have no answer
// within the timeout. It returns when each call has its Answer or Err. The error is that
// of the context when it ended before, and that of the system when there is no socket;
// then what calls have counts, too. Only a member may ask; to is no IPv4 address within
// IPv6.
func (e *Exchange) Ask(ctx context.Context, to netip.AddrPort, calls []Call, timeout time.Duration, retries int) error {
	l, err := e.line(to)
	if err != nil {
		return err
	}
	w := waits.Get().(*wait)
	defer waits.Put(w)
	l.expect(calls, to, w)
	w.timer.Reset(timeout)
	defer w.timer.Stop()
	for try := 0; ; try++ {
		l.send(calls, to)
		select {
		case <-w.ready:
			return nil
		case <-ctx.Done():
			l.give(calls, w)
			return ctx.Err()
		case <-w.timer.C:
			if try == retries {
				l.give(calls, w)
				return nil
			}
			w.timer.Reset(timeout)
		}
	}
}
