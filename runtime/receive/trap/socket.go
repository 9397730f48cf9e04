package trap

import (
	"fmt"
	"net"
	"syscall"
	"unsafe"
)

// socket is one that is served.
type socket struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	queue *queue
	lost  uint32 // messages that the kernel has dropped so far; it wraps
}

// Options of sockets that package syscall does not name: include/uapi/asm-generic/socket.h
// and, for what SO_MEMINFO tells, include/uapi/linux/sock_diag.h of Linux.
const (
	soMemInfo     = 55
	memInfoDrops  = 8
	memInfoFields = 9
)

// open prepares a socket: a large buffer is what outlives a burst.
func (h *Hub) open(conn *net.UDPConn) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn, raw: raw, queue: newQueue()}
	forced := false
	err = raw.Control(func(fd uintptr) {
		// Beyond net.core.rmem_max only with CAP_NET_ADMIN.
		forced = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, ReceiveBuffer) == nil
	})
	if err != nil {
		return nil, err
	}
	if !forced {
		if err := conn.SetReadBuffer(ReceiveBuffer); err != nil {
			return nil, fmt.Errorf("size of the buffer: %w", err)
		}
	}
	s.lost, _ = s.drops()
	h.socketsMu.Lock()
	defer h.socketsMu.Unlock()
	h.sockets[s] = struct{}{}
	return s, nil
}

func (h *Hub) close(s *socket) {
	h.meter()
	h.socketsMu.Lock()
	defer h.socketsMu.Unlock()
	delete(h.sockets, s)
}

// meter counts what the kernel has dropped since it was asked last.
func (h *Hub) meter() {
	h.socketsMu.Lock()
	defer h.socketsMu.Unlock()
	for s := range h.sockets {
		if now, ok := s.drops(); ok {
			h.drops[Kernel].Add(uint64(now - s.lost))
			s.lost = now
		}
	}
}

// drops asks the kernel how many messages of the socket it has dropped so far.
func (s *socket) drops() (n uint32, ok bool) {
	var fields [memInfoFields]uint32
	size := uint32(unsafe.Sizeof(fields))
	err := s.raw.Control(func(fd uintptr) {
		//nolint:gosec // Package syscall has no call for an option of this shape.
		_, _, failed := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.SOL_SOCKET, soMemInfo,
			uintptr(unsafe.Pointer(&fields)), uintptr(unsafe.Pointer(&size)), 0)
		ok = failed == 0 && size == uint32(unsafe.Sizeof(fields))
	})
	return fields[memInfoDrops], ok && err == nil
}
