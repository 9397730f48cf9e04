package icmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	receiveBuffer = 4 << 20 // bytes in the kernel: answers come in bursts
	controlLen    = 128     // bytes of control messages of one packet
	// receiveLen is what is read of a packet, in bytes: two IPv4 headers with all options, an
	// ICMP header and the begin of what it is about. The rest is cut off.
	receiveLen = 192
)

// socket is an open socket of one family. Go's poller does not know it: that would wake a
// thread for each answer, and the answers are read many at a time.
type socket struct {
	six bool
	// raw sockets see all ICMP messages of the machine, and choose their identifier; the
	// kernel sorts those of the others, and chooses their identifier.
	raw  bool
	id   uint16 // of the requests of a raw socket
	fd   int
	bell int // an eventfd, written to by wake
}

// openSocket opens a raw socket, or one without rights where that is not allowed.
func openSocket(six bool) (*socket, error) {
	raw, rawErr := open(six, true)
	if rawErr == nil {
		return raw, nil
	}
	plain, err := open(six, false)
	if err != nil {
		return nil, fmt.Errorf("pings need the capability CAP_NET_RAW, or a group of the process within net.ipv4.ping_group_range: %w", errors.Join(rawErr, err))
	}
	return plain, nil
}

func open(six, raw bool) (*socket, error) {
	family, protocol, kind := unix.AF_INET, unix.IPPROTO_ICMP, unix.SOCK_DGRAM
	if six {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	if raw {
		kind = unix.SOCK_RAW
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &socket{six: six, raw: raw, id: uint16(rand.Uint32()), fd: fd, bell: -1}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), s.close())
	}
	return s, nil
}

// close closes the socket, which nobody may use any more.
func (s *socket) close() error {
	err := os.NewSyscallError("close", unix.Close(s.fd))
	if s.bell >= 0 {
		err = errors.Join(err, os.NewSyscallError("close", unix.Close(s.bell)))
	}
	return err
}

// wait blocks until there is something to receive or ring was called, and says whether
// there are errors to read.
func (s *socket) wait() (faults bool, err error) {
	list := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.bell), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(list, -1); !errors.Is(err, unix.EINTR) {
			return list[0].Revents&unix.POLLERR != 0, os.NewSyscallError("poll", err)
		}
	}
}

// ring ends wait, from now on.
func (s *socket) ring() error {
	_, err := unix.Write(s.bell, []byte{1, 1, 1, 1, 0, 0, 0, 0})
	return os.NewSyscallError("write", err)
}

// prepare sets the options of a fresh socket.
func (s *socket) prepare() error {
	fd, six, raw := s.fd, s.six, s.raw
	type option struct{ level, name, value int }
	options := []option{{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1}}
	switch {
	case six:
		options = append(options, option{unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1})
		if !raw {
			options = append(options, option{unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1})
		}
	case raw:
		// Everything is left out but these types: the requests to this machine, above all.
		pass := 1<<echoReply4 | 1<<unreachable4 | 1<<exceeded4 | 1<<problem4
		const filterOption = 1 // ICMP_FILTER of linux/icmp.h
		options = append(options, option{unix.SOL_RAW, filterOption, int(int32(^uint32(pass)))})
	default:
		options = append(options, option{unix.IPPROTO_IP, unix.IP_RECVTTL, 1}, option{unix.IPPROTO_IP, unix.IP_RECVERR, 1})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if six && raw {
		var filter unix.ICMPv6Filter
		for i := range filter.Data {
			filter.Data[i] = ^uint32(0)
		}
		for _, kind := range []int{unreachable6, tooBig6, exceeded6, problem6, answer6} {
			filter.Data[kind/32] &^= 1 << (kind % 32)
		}
		const filterOption = 1 // ICMPV6_FILTER of linux/icmpv6.h
		if err := unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, filterOption, &filter); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if raw {
		if err := s.attachFilter(); err != nil {
			return err
		}
	}
	// The first needs rights, the second is bounded by net.core.rmem_max; any buffer will do.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	return nil
}

// packet is what one received message holds.
type packet struct {
	from netip.Addr // without its zone
	body []byte     // the ICMP message
	ttl  int        // 0: not known
	at   time.Time  // when the kernel took it; zero: not known
}

// unpack takes received packet i of a vector apart.
func (s *socket) unpack(v *vector, i int) (p packet, ok bool) {
	p.from = v.names[i].addr()
	h := &v.headers[i]
	p.body = v.bodies[i][:h.length]
	if s.raw && !s.six {
		inner, ok := afterHeader(p.body)
		if !ok {
			return p, false
		}
		p.ttl, p.body = int(p.body[8]), inner
	}
	p.control(v.control[i][:h.header.Controllen])
	return p, p.from.IsValid()
}

// control reads the control messages that prepare asked for.
func (p *packet) control(b []byte) {
	for len(b) >= unix.SizeofCmsghdr {
		header, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return
		}
		b = rest
		switch {
		case header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16:
			p.at = time.Unix(int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:])))
		case (header.Level == unix.IPPROTO_IP && header.Type == unix.IP_TTL ||
			header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_HOPLIMIT) && len(data) >= 4:
			p.ttl = int(binary.NativeEndian.Uint32(data))
		}
	}
}

// faults reads the queue of errors, where the kernel puts the error messages for a socket
// without rights, and calls each with what the message says and who sent it.
func (s *socket) faults(each func(m message, from netip.Addr)) {
	if s.raw {
		return
	}
	body, oob := make([]byte, 2048), make([]byte, 512)
	for {
		n, nn, _, to, err := unix.Recvmsg(s.fd, body, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		if m, from, ok := s.fault(body[:n], oob[:nn], to); ok {
			each(m, from)
		}
	}
}

// fault reads one message of the queue: the request that it is about, beginning with its
// ICMP header, and a struct sock_extended_err with the address of who complains.
func (s *socket) fault(body, oob []byte, to unix.Sockaddr) (m message, from netip.Addr, ok bool) {
	if len(body) < headerLen {
		return m, from, false
	}
	switch a := to.(type) {
	case *unix.SockaddrInet4:
		m.to = netip.AddrFrom4(a.Addr)
	case *unix.SockaddrInet6:
		m.to = netip.AddrFrom16(a.Addr)
	}
	m.key = binary.BigEndian.Uint32(body[4:])
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return m, from, false
	}
	for _, c := range list {
		const size = 16 // of struct sock_extended_err in linux/errqueue.h
		switch d := c.Data; {
		case c.Header.Level == unix.IPPROTO_IP && c.Header.Type == unix.IP_RECVERR && len(d) >= size:
			m.fault = fault4(d[5], d[6])
			if len(d) >= size+8 {
				from = netip.AddrFrom4([4]byte(d[size+4 : size+8]))
			}
		case c.Header.Level == unix.IPPROTO_IPV6 && c.Header.Type == unix.IPV6_RECVERR && len(d) >= size:
			m.fault = fault6(d[5], d[6])
			if len(d) >= size+24 {
				from = netip.AddrFrom16([16]byte(d[size+8 : size+24]))
			}
		}
	}
	return m, from, m.fault != ""
}
