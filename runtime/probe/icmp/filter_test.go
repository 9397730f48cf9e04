package icmp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFilter has a socket beside another that pings: what comes for that one does not come
// here, and what is about our own requests does.
func TestFilter(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "::1"} {
		t.Run(address, func(t *testing.T) {
			to := netip.MustParseAddr(address)
			six := !to.Is4()
			allowed(t, six)
			s, err := open(six, true)
			if err != nil {
				t.Skip("no raw socket: ", err)
			}
			defer closed(t, s)
			other, err := open(six, true)
			if err != nil {
				t.Fatal(err)
			}
			other.id = s.id + 1
			l := startLine(other)
			defer closed(t, l)
			if err := other.attachFilter(); err != nil {
				t.Fatal(err)
			}
			echoes, err := l.ping(t.Context(), series{to: to, count: 1, size: 56, wait: 5 * time.Second})
			if err != nil || len(echoes) != 1 || !echoes[0].ok {
				t.Fatalf("the other got %v, %v", echoes, err)
			}
			in := newVector(4, receiveLen, controlLen)
			if n, err := in.receive(s.fd); !errors.Is(err, unix.EAGAIN) {
				t.Errorf("%d answers to the other came, %v", n, err)
			}
			// The kernel answers its own machine before it returns from sending.
			out := newVector(1, headerLen+tokenLen, 0)
			name := newSockaddr(to)
			encode(out.bodies[0], six, uint32(s.id)<<16|7, 9)
			out.put(0, headerLen+tokenLen, &name)
			if _, err := out.send(s.fd, 0, 1); err != nil {
				t.Fatal(err)
			}
			if n, err := in.receive(s.fd); n != 1 {
				t.Fatalf("%d answers, %v", n, err)
			}
			p, ok := s.unpack(in, 0)
			m, good := decode(p.body, six)
			if !ok || !good || m.key != uint32(s.id)<<16|7 || m.token != 9 || p.from != to || p.ttl != 64 || p.at.IsZero() {
				t.Errorf("got %+v of %+v", m, p)
			}
			if six {
				return
			}
			// Errors about a request of somebody to port 53, and about one of ours.
			foreign, ours := complaint(1, to, unreachable4, 3), complaint(uint32(s.id)<<16|8, to, unreachable4, 1)
			foreign[headerLen+9] = unix.IPPROTO_UDP
			for _, b := range [][]byte{foreign, ours} {
				binary.BigEndian.PutUint16(b[2:], 0)
				binary.BigEndian.PutUint16(b[2:], ^checksum(b))
				if err := unix.Sendto(s.fd, b, 0, &unix.SockaddrInet4{Addr: to.As4()}); err != nil {
					t.Fatal(err)
				}
			}
			n, err := in.receive(s.fd)
			if n != 1 {
				t.Fatalf("%d errors, %v", n, err)
			}
			if p, _ := s.unpack(in, 0); len(p.body) != len(ours) || p.body[1] != 1 {
				t.Errorf("got %v", p.body)
			}
		})
	}
}

// closed closes a socket or a line, and says when that fails.
func closed(t *testing.T, c interface{ close() error }) {
	t.Helper()
	if err := c.close(); err != nil {
		t.Error(err)
	}
}
