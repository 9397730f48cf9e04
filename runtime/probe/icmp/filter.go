package icmp

import (
	"os"

	"golang.org/x/sys/unix"
)

// attachFilter has the kernel drop what cannot concern a request of this raw socket: answers
// with another identifier, and error messages about other protocols than ICMP, of which a
// machine that asks many others over UDP gets plenty. Each would cost a wake-up. What is too
// short is dropped as well.
func (s *socket) attachFilter() error {
	const (
		loadByte  = unix.BPF_LD | unix.BPF_B | unix.BPF_IND // at X + K
		loadHalf  = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
		headerOf4 = unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH // X = length of the IPv4 header at K
		loadX     = unix.BPF_LDX | unix.BPF_IMM
		equal     = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K // skips Jt or Jf instructions
		result    = unix.BPF_RET | unix.BPF_K                // how many bytes pass
	)
	// IPv4 packets come with their header, those of IPv6 without it.
	begin := unix.SockFilter{Code: headerOf4}
	reply, protocolAt, protocol := uint32(echoReply4), uint32(headerLen+9), uint32(unix.IPPROTO_ICMP)
	if s.six {
		begin = unix.SockFilter{Code: loadX}
		reply, protocolAt, protocol = answer6, headerLen+6, unix.IPPROTO_ICMPV6
	}
	program := []unix.SockFilter{
		begin,
		{Code: loadByte, K: 0}, // type
		{Code: equal, K: reply, Jf: 2},
		{Code: loadHalf, K: 4}, // identifier
		{Code: equal, K: uint32(s.id), Jt: 2, Jf: 3},
		{Code: loadByte, K: protocolAt}, // of the packet that the error is about
		{Code: equal, K: protocol, Jf: 1},
		{Code: result, K: 1 << 16},
		{Code: result, K: 0},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return os.NewSyscallError("setsockopt", unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &filter))
}
