package exchange

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"grove/runtime/probe/snmp/ber"
)

// batch is what package ipv4 and package ipv6 have in common.
type batch interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
}

// line is one socket with those who wait for answers at it.
type line struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	batch  batch
	counts *counts
	done   chan struct{} // closed when nobody reads it any more

	mu      sync.Mutex // guards pending, and the results of calls that are in it
	pending map[uint32]*Call
	scans   int       // of pending, in the second that began at scanned
	scanned time.Time // see scan
}

const (
	batchSize = 32
	// wantedBuffer is what the kernel is asked to keep of answers: 20,000 devices on a
	// schedule of 10 s with 50 ms to a slot begin 100 polls together.
	wantedBuffer = 4 << 20
	bufferSize   = 2048 // of an answer; most fit into an Ethernet frame
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}

func openLine(network string, counts *counts) (*line, error) {
	conn, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, err
	}
	// The kernel gives what it allows; less is no reason not to go on.
	_ = conn.SetReadBuffer(wantedBuffer)
	_ = conn.SetWriteBuffer(wantedBuffer)
	raw, err := conn.SyscallConn()
	if err == nil {
		tuned := error(nil)
		err = raw.Control(func(fd uintptr) { tuned = tune(int(fd), network == "udp6") })
		err = errors.Join(err, tuned)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	l := &line{conn: conn, raw: raw, counts: counts, done: make(chan struct{}), pending: map[uint32]*Call{}}
	if network == "udp4" {
		l.batch = ipv4.NewPacketConn(conn)
	} else {
		l.batch = ipv6.NewPacketConn(conn)
	}
	go l.read()
	return l, nil
}

func (l *line) close() {
	_ = l.conn.Close()
	<-l.done
}

// expect notes who waits for which answers.
func (l *line) expect(calls []Call, to netip.AddrPort, w *wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.left = len(calls)
	for i := range calls {
		c := &calls[i]
		c.Answer, c.Err, c.unreadable, c.to, c.wait, c.open = nil, nil, nil, to, w, true
		for {
			c.id = ber.MinID + rand.Uint32N(ber.MaxID-ber.MinID)
			if l.pending[c.id] == nil {
				break
			}
		}
		ber.PutID(c.Message, c.ID, c.id)
		l.pending[c.id] = c
	}
}

// settle ends the waiting of a call, which is not touched after it; the mutex is held.
func (l *line) settle(c *Call, err error) {
	delete(l.pending, c.id)
	w := c.wait
	c.Err, c.open, c.wait = err, false, nil
	if w.left--; w.left == 0 {
		w.ready <- struct{}{}
	}
}

// give gives the calls up that have no answer.
func (l *line) give(calls []Call, w *wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range calls {
		c := &calls[i]
		switch {
		case !c.open:
		case c.unreadable != nil:
			l.settle(c, &UnreadableError{c.unreadable})
		default:
			l.settle(c, ErrSilent)
		}
	}
	<-w.ready // either an answer was the last, or the loop above
}

// output is what a send needs; it is used again.
type output struct {
	messages []ipv4.Message
	buffers  [][1][]byte
	addr     net.UDPAddr
	ip       [16]byte
}

var outputs = sync.Pool{New: func() any { return new(output) }}

// send sends what has no answer yet. An error is that of one call.
func (l *line) send(calls []Call, to netip.AddrPort) {
	o := outputs.Get().(*output)
	defer outputs.Put(o)
	if to.Addr().Is4() {
		four := to.Addr().As4()
		o.addr = net.UDPAddr{IP: append(o.ip[:0], four[:]...), Port: int(to.Port())}
	} else {
		o.ip = to.Addr().As16()
		o.addr = net.UDPAddr{IP: o.ip[:], Port: int(to.Port()), Zone: to.Addr().Zone()}
	}
	o.messages = o.messages[:0]
	if cap(o.buffers) < len(calls) {
		o.buffers = make([][1][]byte, len(calls))
	}
	l.mu.Lock()
	for i := range calls {
		if !calls[i].open {
			continue
		}
		b := &o.buffers[:cap(o.buffers)][i]
		b[0] = calls[i].Message
		o.messages = append(o.messages, ipv4.Message{Buffers: b[:], Addr: &o.addr})
	}
	l.mu.Unlock()
	failures := 0
	for rest := o.messages; len(rest) > 0; {
		n, err := l.batch.WriteBatch(rest, 0)
		if err == nil && n > 0 {
			l.counts.sent.Add(uint64(n))
			rest, failures = rest[n:], 0
			continue
		}
		// It may be what the network says of another request: that is told once, and
		// to whoever uses the socket next.
		l.refusals()
		if failures++; failures < attempts(err) {
			continue
		}
		failures = 0
		l.fail(rest[0].Buffers[0], err)
		rest = rest[1:]
	}
	clear(o.messages)
	for i := range o.buffers {
		o.buffers[i][0] = nil
	}
}

// attempts is how often a send that fails so is tried. What only a device or a router says
// is never of the request at hand; others may be told it as fast as this one is tried.
func attempts(err error) int {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) {
		return 100
	}
	return 3
}

// fail ends the call whose request cannot be sent.
func (l *line) fail(message []byte, err error) {
	id, ok := ber.PeekID(message)
	if !ok || err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.pending[id]; c != nil {
		l.settle(c, err)
	}
}

// read takes what comes until the socket is closed.
func (l *line) read() {
	defer close(l.done)
	messages := make([]ipv4.Message, batchSize)
	space := make([]byte, batchSize*MaxAnswer)
	for i := range messages {
		messages[i].Buffers = [][]byte{space[i*MaxAnswer : (i+1)*MaxAnswer : (i+1)*MaxAnswer]}
	}
	for {
		n, err := l.batch.ReadBatch(messages, 0)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.refusals()
			continue
		}
		l.mu.Lock()
		for i := range messages[:n] {
			m := &messages[i]
			from, ok := m.Addr.(*net.UDPAddr)
			if !ok {
				continue
			}
			ap := from.AddrPort()
			l.take(m.Buffers[0][:m.N], netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), m.N == MaxAnswer)
		}
		l.mu.Unlock()
	}
}

// take gives a datagram to the call that waits for it; the mutex is held.
func (l *line) take(b []byte, from netip.AddrPort, cut bool) {
	if cut {
		if id, ok := ber.PeekID(b); ok {
			if c := l.pending[id]; c != nil && c.to == from {
				l.settle(c, ErrTooLong)
			}
		}
		return
	}
	h, err := ber.ReadHead(b)
	if err != nil {
		l.counts.unreadable.Add(1)
		l.scan(from, func(c *Call) { c.unreadable = append(c.unreadable[:0], b[:min(len(b), bufferSize)]...) })
		return
	}
	c := l.pending[h.ID]
	if c == nil || c.to != from || h.PDU != ber.Response || h.Version != c.Version || string(h.Community) != c.Community {
		l.counts.strays.Add(1)
		return
	}
	l.counts.answers.Add(1)
	c.buffer = buffers.Get().(*[]byte)
	*c.buffer = append((*c.buffer)[:0], b...)
	c.Answer = *c.buffer
	l.settle(c, nil)
}

// maxScans bounds how often in a second all who wait are looked through for an address,
// so that rubbish from somebody costs little.
const maxScans = 100

// scan does something with the calls to an address; the mutex is held.
func (l *line) scan(to netip.AddrPort, do func(*Call)) {
	if now := time.Now(); now.Sub(l.scanned) >= time.Second {
		l.scanned, l.scans = now, 0
	}
	if l.scans++; l.scans > maxScans {
		return
	}
	for _, c := range l.pending {
		if c.to == to {
			do(c)
		}
	}
}

// refused ends the calls that the network does not carry. The id is that of the request,
// or 0 when the network does not say which.
func (l *line) refused(to netip.AddrPort, id uint32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.refused.Add(1)
	if id != 0 {
		if c := l.pending[id]; c != nil && c.to == to {
			l.settle(c, err)
		}
		return
	}
	l.scan(to, func(c *Call) { l.settle(c, err) })
}
