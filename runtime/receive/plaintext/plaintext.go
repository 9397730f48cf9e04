// Package plaintext takes lines of text that programs send without a word of greeting: in
// UDP packets, several to a packet, and over TCP. What a line means its receiver knows.
package plaintext

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"grove/runtime/receive"
	"grove/runtime/receive/allowance"
)

// Bounds and defaults.
const (
	MaxLine        = 8 << 10 // bytes of a line
	maxPacket      = 64 << 10
	receiveBuffer  = 4 << 20 // bytes that the kernel is asked to hold back
	maxConnections = 1000
	idle           = 10 * time.Minute // after which a silent connection is closed
	DefaultRate    = 100_000          // lines a second and source
	DefaultBurst   = 200_000          // lines at once of a source that was silent before
)

// Options of a Server.
type Options struct {
	// Sources are the addresses that may send; nil: all.
	Sources []netip.Prefix
	// Rate is how many lines a second each source may send, Burst how many at once; zero
	// stands for the defaults.
	Rate  float64
	Burst int
	// Account counts the lines that are refused before anybody reads them.
	Account *receive.Account
	// Line takes one line, without its end; it does not keep it. It may be called from
	// several goroutines at once.
	Line func(line []byte)
	Now  func() time.Time // nil: time.Now
}

// Server takes lines.
type Server struct {
	options Options
	limit   *allowance.Limit[netip.Addr]
}

// New makes a server.
func New(o Options) *Server {
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Burst == 0 {
		o.Burst = DefaultBurst
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{options: o, limit: allowance.New[netip.Addr](o.Rate, o.Burst)}
}

// allows says whether a source may send at all.
func (s *Server) allows(source netip.Addr) bool {
	if s.options.Sources == nil {
		return true
	}
	for _, p := range s.options.Sources {
		if p.Contains(source) {
			return true
		}
	}
	return false
}

func sourceOf(addr net.Addr) netip.Addr {
	a, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

// text hands on the lines of a packet, or one line.
func (s *Server) text(source netip.Addr, text []byte) {
	if n := bytes.Count(text, []byte{'\n'}) + 1; n > 0 {
		if _, ok := s.limit.Take(source, n, s.options.Now()); !ok {
			s.options.Account.Refused(receive.RateLimited, n)
			return
		}
	}
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
		case len(line) > MaxLine:
			s.options.Account.Refused(receive.Malformed, 1)
		default:
			s.options.Line(line)
		}
	}
}

// Packets takes lines by UDP until the context ends, then closes the socket.
func (s *Server) Packets(ctx context.Context, conn net.PacketConn) error {
	defer conn.Close()
	if udp, ok := conn.(*net.UDPConn); ok {
		_ = udp.SetReadBuffer(receiveBuffer) // What the kernel gives is what there is.
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	buf := make([]byte, maxPacket)
	for {
		n, from, err := conn.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if source := sourceOf(from); s.allows(source) {
			s.text(source, buf[:n])
		} else {
			s.options.Account.Refused(receive.Denied, 1)
		}
	}
}

// Stream takes lines by TCP until the context ends, then closes the listener and all
// connections.
func (s *Server) Stream(ctx context.Context, listener net.Listener) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	places := make(chan struct{}, maxConnections)
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // A sender that was gone, or too many open files: it passes.
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		select {
		case places <- struct{}{}:
		default:
			s.options.Account.Refused(receive.RateLimited, 1)
			_ = conn.Close()
			continue
		}
		running.Go(func() {
			defer func() { <-places }()
			s.connection(ctx, conn)
		})
	}
}

// connection reads lines until the sender ends, falls silent, or sends what is no line.
func (s *Server) connection(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	source := sourceOf(conn.RemoteAddr())
	if !s.allows(source) {
		s.options.Account.Refused(receive.Denied, 1)
		return
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 4096), MaxLine+2)
	for {
		if err := conn.SetReadDeadline(s.options.Now().Add(idle)); err != nil || ctx.Err() != nil {
			return
		}
		if !lines.Scan() {
			if errors.Is(lines.Err(), bufio.ErrTooLong) {
				s.options.Account.Refused(receive.Malformed, 1)
			}
			return
		}
		s.text(source, lines.Bytes())
	}
}
