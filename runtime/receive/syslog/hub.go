// Package syslog takes messages of syslog (RFC 5424 and RFC 3164) by UDP, TCP and TLS and
// gives them to the probes of the kind "syslog" that want them.
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"

	"grove/runtime/receive"
	"grove/runtime/receive/allowance"
)

// The bounds of what is taken at once.
const (
	receiveBuffer     = 4 << 20 // bytes that the kernel keeps of a UDP socket
	readAtOnce        = 64      // datagrams that one call of the kernel brings
	handleAtOnce      = 256     // messages of a stream that are handed on together
	handshakeTime     = 10 * time.Second
	maxAhead          = 5 * time.Minute // how far the time of a message may be ahead
	defaultRate       = 10_000
	defaultConns      = 1_000
	connectionsSource = 100 // connections of one source
)

// Options say from whom messages are taken, and how many.
type Options struct {
	// Sources are the addresses that may send; nil is all.
	Sources []netip.Prefix
	// Rate is how many messages a second one source may send in the long run, and twice
	// as many at once; 0 stands for 10,000, less for any number. What comes faster by UDP
	// is refused and counted; a stream is read more slowly instead.
	Rate float64
	// Connections is how many streams there may be at once; 0 stands for 1,000.
	Connections int
}

// Hub takes messages and gives them to the probes that are attached. Its methods may be
// called from many goroutines.
type Hub struct {
	opts     Options
	attached receive.Attached[*syslogProbe]
	account  receive.Account
	rate     *allowance.Limit[netip.Addr]
	cut      atomic.Uint64
	broken   atomic.Uint64
	turned   atomic.Uint64

	mu    sync.Mutex // guards conns
	conns map[netip.Addr]int
	count int
}

// NewHub makes a hub.
func NewHub(o Options) *Hub {
	if o.Rate == 0 {
		o.Rate = defaultRate
	}
	if o.Connections == 0 {
		o.Connections = defaultConns
	}
	return &Hub{opts: o, rate: allowance.New[netip.Addr](o.Rate, int(2*o.Rate)), conns: map[netip.Addr]int{}}
}

// Stats is what a hub has counted since it was made.
type Stats struct {
	// Counts are of messages: NoNode are those that nobody wants, Denied those of sources
	// that are not allowed.
	receive.Counts
	Cut         uint64 // messages of which only the first MaxMessage bytes were taken
	Broken      uint64 // streams that ended since what they held was no message
	Turned      uint64 // connections that were refused: too many, or not of an allowed source
	Connections int    // that there are now
}

// Stats reads the counts.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Stats{Counts: h.account.Counts(), Cut: h.cut.Load(), Broken: h.broken.Load(), Turned: h.turned.Load(), Connections: h.count}
}

// allows says whether a source may send.
func (h *Hub) allows(source netip.Addr) bool {
	return h.opts.Sources == nil || slices.ContainsFunc(h.opts.Sources, func(p netip.Prefix) bool { return p.Contains(source) })
}

// hand gives messages to the probes.
func (h *Hub) hand(all []arrival) {
	if len(all) == 0 {
		return
	}
	now := time.Now()
	for i := range all {
		if all[i].time.After(now.Add(maxAhead)) {
			all[i].time = time.Time{} // its clock is wrong
		}
	}
	taken := make([]bool, len(all))
	for _, p := range h.attached.All() {
		p.Probe.take(all, taken)
	}
	n := 0
	for _, t := range taken {
		if t {
			n++
		}
	}
	h.account.Applied(n)
	h.account.Refused(receive.NoNode, len(all)-n)
}

// Serve takes datagrams until the context ends, then closes the socket.
func (h *Hub) Serve(ctx context.Context, conn net.PacketConn) error {
	defer conn.Close()
	if udp, ok := conn.(*net.UDPConn); ok {
		// A smaller buffer than was asked for is what the system allows.
		_ = udp.SetReadBuffer(receiveBuffer)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	// Of an IPv6 socket, too: only the control messages differ, and none is asked for.
	batches := ipv4.NewPacketConn(conn)
	messages := make([]ipv4.Message, readAtOnce)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, MaxMessage+1)}
	}
	p, all := newParser(), make([]arrival, 0, readAtOnce)
	for {
		n, err := batches.ReadBatch(messages, 0)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("syslog: %w", err)
		case err != nil:
			if !pause(ctx, 10*time.Millisecond) {
				return nil
			}
			continue
		}
		now := time.Now()
		all = all[:0]
		for i := range messages[:n] {
			m := &messages[i]
			source := addressOf(m.Addr)
			// Sources that may not send at all are made up easily: they get no allowance,
			// of which there are only so many.
			if !h.allows(source) {
				h.account.Refused(receive.Denied, 1)
				continue
			}
			switch _, ok := h.rate.Take(source, 1, now); {
			case !ok:
				h.account.Refused(receive.RateLimited, 1)
			case m.N == 0:
				h.account.Refused(receive.Malformed, 1)
			default:
				all = append(all, arrival{p.parse(m.Buffers[0][:m.N]), source})
			}
		}
		h.hand(all)
	}
}

// pause waits; it returns false when the context ends.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func addressOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// ServeStream takes connections, with TLS where the listener speaks it, until the context
// ends; then it closes the listener and all connections and waits for them.
func (h *Hub) ServeStream(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("syslog: %w", err)
			}
			if !pause(ctx, 10*time.Millisecond) { // too many open files, say
				return nil
			}
			continue
		}
		source := addressOf(conn.RemoteAddr())
		if !h.admit(source) {
			h.turned.Add(1)
			_ = conn.Close()
			continue
		}
		running.Go(func() {
			defer h.leave(source)
			defer conn.Close()
			h.stream(ctx, conn, source)
		})
	}
}

// admit counts a connection in, unless there are too many.
func (h *Hub) admit(source netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.allows(source) || h.count >= h.opts.Connections || h.conns[source] >= connectionsSource {
		return false
	}
	h.conns[source]++
	h.count++
	return true
}

func (h *Hub) leave(source netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count--
	if h.conns[source]--; h.conns[source] == 0 {
		delete(h.conns, source)
	}
}

// stream reads the messages of a connection to its end.
func (h *Hub) stream(ctx context.Context, conn net.Conn, source netip.Addr) {
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	if t, ok := conn.(*tls.Conn); ok {
		limited, cancel := context.WithTimeout(ctx, handshakeTime)
		err := t.HandshakeContext(limited)
		cancel()
		if err != nil {
			h.broken.Add(1)
			return
		}
	}
	f, p, all := newFrames(conn), newParser(), make([]arrival, 0, handleAtOnce)
	for {
		b, whole, err := f.next()
		if err != nil {
			h.hand(all)
			if errors.Is(err, errFrame) || errors.Is(err, io.ErrUnexpectedEOF) {
				h.broken.Add(1)
				h.account.Refused(receive.Malformed, 1)
			}
			return
		}
		if !whole {
			h.cut.Add(1)
		}
		all = append(all, arrival{p.parse(b), source})
		// What was sent together is handed on together.
		if len(all) < handleAtOnce && f.r.Buffered() > 0 {
			continue
		}
		h.hand(all)
		if wait, ok := h.rate.Take(source, len(all), time.Now()); !ok {
			if !pause(ctx, wait) {
				return
			}
			h.rate.Take(source, len(all), time.Now())
		}
		clear(all)
		all = all[:0]
	}
}
