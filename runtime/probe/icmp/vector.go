package icmp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of the C library: one packet of sendmmsg(2) and recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32 // of what was received
}

// sockaddr is a struct sockaddr_in or sockaddr_in6.
type sockaddr struct {
	bytes [unix.SizeofSockaddrInet6]byte
	size  uint32
}

// newSockaddr is an address as the kernel takes it. A zone that is neither a number nor an
// interface of this machine is left out: the kernel says what is wrong then.
func newSockaddr(a netip.Addr) (s sockaddr) {
	if a.Is4() {
		binary.NativeEndian.PutUint16(s.bytes[:], unix.AF_INET)
		copy(s.bytes[4:], a.AsSlice())
		s.size = unix.SizeofSockaddrInet4
		return s
	}
	binary.NativeEndian.PutUint16(s.bytes[:], unix.AF_INET6)
	copy(s.bytes[8:], a.AsSlice())
	s.size = unix.SizeofSockaddrInet6
	if zone := a.Zone(); zone != "" {
		if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
			binary.NativeEndian.PutUint32(s.bytes[24:], uint32(n))
		} else if i, err := net.InterfaceByName(zone); err == nil {
			binary.NativeEndian.PutUint32(s.bytes[24:], uint32(i.Index))
		}
	}
	return s
}

// addr is the address without its zone; invalid when there is none.
func (s *sockaddr) addr() netip.Addr {
	switch binary.NativeEndian.Uint16(s.bytes[:]) {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(s.bytes[4:8]))
	case unix.AF_INET6:
		return netip.AddrFrom16([16]byte(s.bytes[8:24])).Unmap()
	}
	return netip.Addr{}
}

// vector is room for the packets of one system call, made once and used again: nothing is
// allocated for a packet.
type vector struct {
	headers []mmsghdr
	pieces  []unix.Iovec
	names   []sockaddr
	bodies  [][]byte
	control [][]byte
}

// newVector makes room for n packets of up to size bytes and as much of control messages.
func newVector(n, size, control int) *vector {
	v := &vector{headers: make([]mmsghdr, n), pieces: make([]unix.Iovec, n), names: make([]sockaddr, n), bodies: make([][]byte, n), control: make([][]byte, n)}
	for i := range n {
		v.bodies[i] = make([]byte, size)
		v.pieces[i].Base = &v.bodies[i][0]
		h := &v.headers[i].header
		h.Name, h.Iov = &v.names[i].bytes[0], &v.pieces[i]
		h.SetIovlen(1)
		if control > 0 {
			v.control[i] = make([]byte, control)
			h.Control = &v.control[i][0]
		}
	}
	return v
}

// put makes packet i one of n bytes of its body to an address.
func (v *vector) put(i, n int, to *sockaddr) {
	v.pieces[i].SetLen(n)
	v.names[i] = *to
	v.headers[i].header.Namelen = to.size
}

// send sends the packets from up to but not including to, and returns how many the kernel
// took. It says why it did not take the first. Neither this call nor that of receive waits
// for anything, and so both keep their processor: Go's scheduler would take it away from a
// call that lasts as long as a batch does, and have it waited for afterwards.
func (v *vector) send(fd, from, to int) (int, error) {
	n, _, failed := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&v.headers[from])), uintptr(to-from), unix.MSG_DONTWAIT, 0, 0)
	if failed != 0 {
		return 0, failed
	}
	return int(n), nil
}

// receive takes the packets that have come, without waiting for any.
func (v *vector) receive(fd int) (int, error) {
	for i := range v.headers {
		h := &v.headers[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		v.pieces[i].SetLen(len(v.bodies[i]))
		h.SetControllen(len(v.control[i]))
	}
	n, _, failed := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&v.headers[0])), uintptr(len(v.headers)), unix.MSG_DONTWAIT, 0, 0)
	if failed != 0 {
		return 0, failed
	}
	return int(n), nil
}
