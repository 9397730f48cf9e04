// Package peertest is a network of managers in memory, for tests of what managers say to
// each other: links that can be cut, one way and both, and that lose what they should lose.
// It works inside a synctest bubble.
package peertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"grove/notify/peer"
)

// Net is a network. Its methods may be called from many goroutines.
type Net struct {
	mu      sync.Mutex
	members map[peer.ID]*Member
	cut     map[[2]peer.ID]bool // from, to
	delay   time.Duration
	loss    float64
	random  *rand.Rand
}

// New returns a network without members. Seed makes what is lost the same in each run.
func New(seed uint64) *Net {
	return &Net{members: map[peer.ID]*Member{}, cut: map[[2]peer.ID]bool{}, random: rand.New(rand.NewPCG(seed, seed))}
}

// Member is the fabric of one manager in the network.
type Member struct {
	net      *Net
	id       peer.ID
	gone     bool
	handlers map[string]peer.Handler
	follows  map[*follow]bool
	watches  map[*watch]bool
	since    map[peer.ID]time.Time
}

type follow struct {
	of     peer.ID
	stream string
	in     chan []byte
	done   chan struct{}
}

type watch struct{ told func(peer.Link) }

var _ peer.Fabric = (*Member)(nil)

// Join adds a manager, linked to all others. One of that ID that was there before is gone.
func (n *Net) Join(id peer.ID) *Member {
	n.Leave(id)
	n.mu.Lock()
	m := &Member{net: n, id: id, handlers: map[string]peer.Handler{}, follows: map[*follow]bool{}, watches: map[*watch]bool{}, since: map[peer.ID]time.Time{}}
	for other := range n.members {
		m.since[other] = time.Now()
	}
	n.members[id] = m
	n.mu.Unlock()
	n.tell(id)
	return m
}

// Leave takes a manager off the network, as if it were killed.
func (n *Net) Leave(id peer.ID) {
	n.mu.Lock()
	m := n.members[id]
	if m == nil {
		n.mu.Unlock()
		return
	}
	delete(n.members, id)
	m.gone = true
	follows := m.follows
	m.follows = map[*follow]bool{}
	n.mu.Unlock()
	for f := range follows {
		close(f.done)
	}
	n.tell(id)
}

// Cut cuts or mends the way from one manager to another; both ways are two calls.
func (n *Net) Cut(from, to peer.ID, cut bool) {
	n.mu.Lock()
	n.cut[[2]peer.ID{from, to}] = cut
	n.mu.Unlock()
	n.tell(from, to)
}

// Slow makes each message take so long, and loses that share of those that are sent or
// published; questions are answered or end with ErrLost.
func (n *Net) Slow(delay time.Duration, loss float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay, n.loss = delay, loss
}

// tell tells all members of their links to some managers.
func (n *Net) tell(of ...peer.ID) {
	type call struct {
		told func(peer.Link)
		link peer.Link
	}
	var calls []call
	n.mu.Lock()
	for _, m := range n.members {
		for _, id := range of {
			if id != m.id {
				m.since[id] = time.Now()
			}
		}
		for _, other := range slices.Sorted(n.ids()) {
			if other == m.id || !slices.Contains(of, other) && !slices.Contains(of, m.id) {
				continue
			}
			for w := range m.watches {
				calls = append(calls, call{w.told, n.link(m, other)})
			}
		}
	}
	n.mu.Unlock()
	for _, c := range calls {
		c.told(c.link)
	}
}

func (n *Net) ids() func(func(peer.ID) bool) {
	seen := map[peer.ID]bool{}
	for id, m := range n.members {
		seen[id] = true
		for other := range m.since {
			seen[other] = true
		}
	}
	return func(yield func(peer.ID) bool) {
		for id := range seen {
			if !yield(id) {
				return
			}
		}
	}
}

func (n *Net) link(m *Member, to peer.ID) peer.Link {
	l := peer.Link{Peer: to, Address: "memory", Since: m.since[to]}
	l.Up = n.members[to] != nil && !n.cut[[2]peer.ID{m.id, to}] && !n.cut[[2]peer.ID{to, m.id}]
	if !l.Up {
		l.Error = "cut"
	}
	return l
}

// way returns the member that a message reaches; nil: it is lost on the way. Nobody says that
// no such manager is there.
func (n *Net) way(from *Member, to peer.ID, mayLose bool) (m *Member, delay time.Duration, nobody bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if from.gone {
		return nil, 0, true
	}
	m = n.members[to]
	switch {
	case m == nil:
		return nil, 0, true
	case n.cut[[2]peer.ID{from.id, to}], mayLose && n.random.Float64() < n.loss:
		return nil, n.delay, false
	}
	return m, n.delay, false
}

// Self implements peer.Fabric.
func (m *Member) Self() peer.ID { return m.id }

// Ask implements peer.Fabric.
func (m *Member) Ask(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	if len(body) > peer.MaxBody {
		return nil, peer.ErrTooLong
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
	}
	other, delay, nobody := m.net.way(m, to, true)
	if nobody {
		return nil, peer.ErrNobody
	}
	if other == nil {
		<-ctx.Done()
		return nil, errors.Join(peer.ErrLost, ctx.Err())
	}
	handler := other.handler(kind)
	if handler == nil {
		return nil, peer.ErrNobody
	}
	if !wait(ctx, delay) {
		return nil, errors.Join(peer.ErrLost, ctx.Err())
	}
	answer, ended, err := call(ctx, handler, m.id, body)
	if !ended {
		return nil, errors.Join(peer.ErrLost, ctx.Err())
	}
	back, delay, _ := m.net.way(other, m.id, true)
	if back != m {
		<-ctx.Done()
		return nil, errors.Join(peer.ErrLost, ctx.Err())
	}
	if !wait(ctx, delay) {
		return nil, errors.Join(peer.ErrLost, ctx.Err())
	}
	if err != nil {
		var r *peer.Refusal
		if !errors.As(err, &r) {
			r = &peer.Refusal{Code: peer.Failed, Message: err.Error()}
		}
		return nil, r
	}
	if len(answer) > peer.MaxBody {
		return nil, peer.ErrTooLong
	}
	return bytes.Clone(answer), nil
}

// call calls a handler, and does not wait for it longer than the asker does. A panic of the
// handler is an error, as it is on a real link.
func call(ctx context.Context, h peer.Handler, from peer.ID, body []byte) (answer []byte, ended bool, err error) {
	type result struct {
		answer []byte
		err    error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{nil, fmt.Errorf("the handler has failed: %v", p)}
			}
			done <- r
		}()
		r.answer, r.err = h(ctx, from, bytes.Clone(body))
	}()
	select {
	case r := <-done:
		return r.answer, true, r.err
	case <-ctx.Done():
		return nil, false, nil
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// AskBulk implements peer.Fabric.
func (m *Member) AskBulk(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	return m.Ask(ctx, to, kind, body)
}

// Send implements peer.Fabric. What is sent arrives before it returns, unless the network is
// slow.
func (m *Member) Send(to peer.ID, kind string, body []byte) error {
	if len(body) > peer.MaxBody {
		return peer.ErrTooLong
	}
	other, delay, nobody := m.net.way(m, to, true)
	if nobody {
		return peer.ErrNobody
	}
	if other == nil {
		return nil
	}
	handler := other.handler(kind)
	if handler == nil {
		return nil
	}
	send := func() { _, _ = handler(context.Background(), m.id, bytes.Clone(body)) }
	if delay == 0 {
		send()
		return nil
	}
	time.AfterFunc(delay, send)
	return nil
}

// SendAll implements peer.Fabric.
func (m *Member) SendAll(kind string, body []byte) error {
	m.net.mu.Lock()
	var all []peer.ID
	for id := range m.net.members {
		if id != m.id {
			all = append(all, id)
		}
	}
	m.net.mu.Unlock()
	slices.Sort(all)
	for _, id := range all {
		if err := m.Send(id, kind, body); err != nil && !errors.Is(err, peer.ErrNobody) {
			return err
		}
	}
	return nil
}

func (m *Member) handler(kind string) peer.Handler {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	return m.handlers[kind]
}

// Handle implements peer.Fabric.
func (m *Member) Handle(kind string, h peer.Handler) {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	m.handlers[kind] = h
}

// Publish implements peer.Fabric.
func (m *Member) Publish(stream string, body []byte) error {
	if len(body) > peer.MaxBody {
		return peer.ErrTooLong
	}
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	if m.gone {
		return nil
	}
	for id, other := range m.net.members {
		if m.net.cut[[2]peer.ID{m.id, id}] || m.net.random.Float64() < m.net.loss {
			continue
		}
		for f := range other.follows {
			if f.of != m.id || f.stream != stream {
				continue
			}
			select {
			case f.in <- bytes.Clone(body):
			default: // one that is too slow loses, as with a real link
			}
		}
	}
	return nil
}

// Follow implements peer.Fabric.
func (m *Member) Follow(of peer.ID, stream string, take func([]byte)) (func(), error) {
	f := &follow{of: of, stream: stream, in: make(chan []byte, 65536), done: make(chan struct{})}
	m.net.mu.Lock()
	m.follows[f] = true
	m.net.mu.Unlock()
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			select {
			case b := <-f.in:
				take(b)
			case <-f.done:
				return
			}
		}
	})
	return sync.OnceFunc(func() {
		m.net.mu.Lock()
		there := m.follows[f]
		delete(m.follows, f)
		m.net.mu.Unlock()
		if there {
			close(f.done)
		}
		ended.Wait()
	}), nil
}

// Links implements peer.Fabric.
func (m *Member) Links() (links []peer.Link) {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	for _, id := range slices.Sorted(m.net.ids()) {
		if id != m.id {
			links = append(links, m.net.link(m, id))
		}
	}
	return links
}

// OnLink implements peer.Fabric.
func (m *Member) OnLink(told func(peer.Link)) func() {
	w := &watch{told}
	m.net.mu.Lock()
	m.watches[w] = true
	m.net.mu.Unlock()
	return func() {
		m.net.mu.Lock()
		defer m.net.mu.Unlock()
		delete(m.watches, w)
	}
}
