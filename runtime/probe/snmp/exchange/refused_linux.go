package exchange

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"

	"grove/runtime/probe/snmp/ber"
)

// tune makes the kernel keep what the network says of single requests, which it does
// not tell the owner of a socket with many peers otherwise: ip(7), IP_RECVERR.
func tune(fd int, six bool) error {
	// Without the right to exceed net.core.rmem_max, what was set before stays.
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, wantedBuffer)
	if six {
		return syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, 1)
	}
	return syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_RECVERR, 1)
}

// refusals reads the queue of errors until it is empty.
func (l *line) refusals() {
	var request [256]byte // its beginning, as much of it as the network sent back
	var control [512]byte
	for {
		var n, oob int
		var from syscall.Sockaddr
		var err error
		if e := l.raw.Control(func(fd uintptr) {
			n, oob, _, from, err = syscall.Recvmsg(int(fd), request[:], control[:], syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
		}); e != nil || err != nil {
			return
		}
		to, ok := addrPort(from)
		cause := reason(control[:oob])
		if !ok || cause == 0 {
			continue
		}
		id, _ := ber.PeekID(request[:n])
		l.refused(to, id, cause)
	}
}

func addrPort(s syscall.Sockaddr) (netip.AddrPort, bool) {
	switch s := s.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), uint16(s.Port)), true
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr), uint16(s.Port)), true
	}
	return netip.AddrPort{}, false
}

// reason reads the struct sock_extended_err of ip(7). It is 0 when there is none that
// ends a request: what is only too big for a link is sent again in pieces.
func reason(control []byte) syscall.Errno {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		four := m.Header.Level == syscall.IPPROTO_IP && m.Header.Type == syscall.IP_RECVERR
		six := m.Header.Level == syscall.IPPROTO_IPV6 && m.Header.Type == syscall.IPV6_RECVERR
		if !four && !six || len(m.Data) < 4 {
			continue
		}
		e := syscall.Errno(binary.NativeEndian.Uint32(m.Data))
		for _, final := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
			if errors.Is(e, final) {
				return final
			}
		}
	}
	return 0
}
