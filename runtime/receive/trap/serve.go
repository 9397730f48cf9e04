package trap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

// How messages wait.
const (
	readAtOnce    = 64      // messages that one call of the kernel brings
	handleAtOnce  = 256     // messages whose readings are handed on together
	queueMessages = 16_384  // that wait at most
	queueBytes    = 8 << 20 // that they have at most
)

// Serve takes messages from a UDP socket until the context ends, then closes it. Several
// sockets may be served at once.
func (h *Hub) Serve(ctx context.Context, conn net.PacketConn) error {
	defer conn.Close()
	if h.limits != nil {
		return h.limits
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return fmt.Errorf("trap: a socket of type %T: traps come by UDP", conn)
	}
	s, err := h.open(udp)
	if err != nil {
		return fmt.Errorf("trap: %w", err)
	}
	defer h.close(s)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = udp.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { h.follow(ctx) })
	running.Go(func() { h.work(ctx, s) })
	err = h.read(ctx, s)
	cancel()
	running.Wait()
	return err
}

// queue is what waits between the goroutine that reads and the one that hands on.
type queue struct {
	mu      sync.Mutex
	filling *pile
	spare   *pile
	ready   chan struct{} // something waits
}

// pile is some messages, one after the other.
type pile struct {
	data  []byte
	items []item
}

type item struct {
	end  int // in data
	peer netip.AddrPort
	at   time.Time
}

func newQueue() *queue {
	return &queue{filling: &pile{}, spare: &pile{}, ready: make(chan struct{}, 1)}
}

// put copies a message in, unless too many wait. The lock is held.
func (q *queue) put(message []byte, peer netip.AddrPort, at time.Time) bool {
	p := q.filling
	if len(p.items) >= queueMessages || len(p.data)+len(message) > queueBytes {
		return false
	}
	p.data = append(p.data, message...)
	p.items = append(p.items, item{len(p.data), peer, at})
	return true
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// swap takes all that waits.
func (q *queue) swap() *pile {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := q.filling
	q.filling, q.spare = q.spare, full
	q.filling.data, q.filling.items = q.filling.data[:0], q.filling.items[:0]
	return full
}

// read reads from the socket until the context ends.
func (h *Hub) read(ctx context.Context, s *socket) error {
	// Of an IPv6 socket, too: only the control messages differ, and none is asked for.
	batches := ipv4.NewPacketConn(s.conn)
	messages := make([]ipv4.Message, readAtOnce)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, MaxMessage+1)}
	}
	var pause time.Duration
	for {
		n, err := batches.ReadBatch(messages, 0)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("trap: %w", err)
		case err != nil: // such as an ICMP error for an answer: the socket is still good
			pause = min(max(2*pause, time.Millisecond), time.Second)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			continue
		}
		pause = 0
		h.queueUp(s.queue, messages[:n], h.opts.Now())
	}
}

// queueUp puts what was read in the queue, as far as its senders are allowed and send no
// faster than they may.
func (h *Hub) queueUp(q *queue, messages []ipv4.Message, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range messages {
		m := &messages[i]
		from, ok := m.Addr.(*net.UDPAddr)
		if !ok {
			continue
		}
		peer := from.AddrPort()
		peer = netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port())
		// Senders that may not send at all are made up easily: they get no allowance, of
		// which there are only so many.
		if len(h.opts.Sources) > 0 && !contains(h.opts.Sources, peer.Addr()) {
			h.refuse(Foreign, peer.Addr(), now, func() string { return "its sender is not among those that are allowed" })
			continue
		}
		switch _, may := h.rate.Take(peer.Addr(), 1, now); {
		case !may:
			h.refuse(RateLimited, peer.Addr(), now, func() string { return "its sender sends too fast" })
		case m.N > MaxMessage:
			h.refuse(TooLarge, peer.Addr(), now, func() string { return fmt.Sprintf("longer than %d bytes", MaxMessage) })
		case !q.put(m.Buffers[0][:m.N], peer, now):
			h.refuse(QueueFull, peer.Addr(), now, func() string { return "too many messages wait to be handed on" })
		}
	}
	q.wake()
}

// work hands on what waits until the context ends, and then what still waits.
func (h *Hub) work(ctx context.Context, s *socket) {
	for {
		select {
		case <-ctx.Done():
			h.drain(context.WithoutCancel(ctx), s)
			return
		case <-s.queue.ready:
			h.drain(ctx, s)
		}
	}
}

// answering is what is to be sent when the readings of a batch are safe.
type answering struct {
	outcome
	peer netip.AddrPort
}

func (h *Hub) drain(ctx context.Context, s *socket) {
	p := s.queue.swap()
	begin := 0
	var answers []answering
	for done := 0; done < len(p.items); {
		some := p.items[done:min(done+handleAtOnce, len(p.items))]
		done += len(some)
		answers = answers[:0]
		var kept func(context.Context) error
		informs := false
		h.mu.Lock()
		for _, it := range some {
			out := h.handle(p.data[begin:it.end:it.end], it.peer, it.at)
			begin = it.end
			if out.answer != nil {
				answers = append(answers, answering{out, it.peer})
				informs = informs || out.inform != 0
			}
		}
		if informs && h.opts.Keep != nil {
			kept = h.opts.Keep()
		}
		h.post(some[len(some)-1].at)
		h.mu.Unlock()
		if len(answers) > 0 {
			h.send(ctx, s, answers, kept)
		}
	}
}

// send sends the answers of a batch when its readings are safe.
func (h *Hub) send(ctx context.Context, s *socket, answers []answering, kept func(context.Context) error) {
	var lost error
	if kept != nil {
		waiting, cancel := context.WithTimeout(ctx, keepTimeout)
		lost = kept(waiting)
		cancel()
	}
	for _, a := range answers {
		if lost != nil && a.inform != 0 {
			// It was not taken for good: it may come again, and then counts.
			h.mu.Lock()
			h.recent.remove(a.inform)
			h.mu.Unlock()
			h.unanswered.Add(1)
			continue
		}
		_, err := s.conn.WriteToUDPAddrPort(a.answer, a.peer)
		switch {
		case a.inform == 0:
		case err != nil:
			h.unanswered.Add(1)
		default:
			h.answered.Add(1)
		}
	}
}

// keepTimeout bounds how long answers wait until readings are on disk. Senders wait for a
// second or a few before they send again.
const keepTimeout = 5 * time.Second
