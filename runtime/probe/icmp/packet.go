package icmp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// The types of messages, RFC 792 and RFC 4443.
const (
	echoReply4, unreachable4, echoRequest4, exceeded4, problem4   = 0, 3, 8, 11, 12
	unreachable6, tooBig6, exceeded6, problem6, request6, answer6 = 1, 2, 3, 4, 128, 129
)

const (
	headerLen = 8 // of an echo request and of an error message
	tokenLen  = 8 // the begin of the payload: nobody answers who has not seen the request
)

// encode writes an echo request of len(b) bytes, headerLen and tokenLen at least. The kernel
// writes the checksum of IPv6 and that of sockets without rights.
func encode(b []byte, six bool, key uint32, token uint64) {
	b[0], b[1], b[2], b[3] = echoRequest4, 0, 0, 0
	if six {
		b[0] = request6
	}
	binary.BigEndian.PutUint32(b[4:], key)
	binary.BigEndian.PutUint64(b[headerLen:], token)
	if !six {
		binary.BigEndian.PutUint16(b[2:], ^checksum(b))
	}
}

// checksum is the ones' complement sum of RFC 1071 before its complement is taken.
func checksum(b []byte) uint16 {
	var sum uint64
	for ; len(b) >= 4; b = b[4:] {
		sum += uint64(binary.BigEndian.Uint32(b))
	}
	var rest [4]byte
	copy(rest[:], b)
	sum += uint64(binary.BigEndian.Uint32(rest[:]))
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// message is what a packet says that may concern an echo request of ours.
type message struct {
	key   uint32 // identifier and sequence number of the request
	token uint64 // of an answer
	fault string // what an error message says; empty for an answer
	to    netip.Addr
}

// decode reads an ICMP message. Anything but an echo reply and an error message about an
// echo request is not ok.
func decode(b []byte, six bool) (m message, ok bool) {
	if len(b) < headerLen {
		return m, false
	}
	reply := byte(echoReply4)
	if six {
		reply = answer6
	}
	if b[0] == reply {
		if b[1] != 0 || len(b) < headerLen+tokenLen {
			return m, false
		}
		m.key = binary.BigEndian.Uint32(b[4:])
		m.token = binary.BigEndian.Uint64(b[headerLen:])
		return m, true
	}
	if six {
		m.fault = fault6(b[0], b[1])
	} else {
		m.fault = fault4(b[0], b[1])
	}
	if m.fault == "" {
		return m, false
	}
	return m, m.quote(b[headerLen:], six)
}

// quote reads the packet that an error message is about: its IP header and at least the
// first 8 bytes behind it.
func (m *message) quote(b []byte, six bool) bool {
	request := byte(request6)
	if six {
		if len(b) < 40+headerLen || b[0]>>4 != 6 || b[6] != 58 {
			return false
		}
		m.to = netip.AddrFrom16([16]byte(b[24:40]))
		b = b[40:]
	} else {
		inner, ok := afterHeader(b)
		if !ok || b[9] != 1 {
			return false
		}
		request = echoRequest4
		m.to = netip.AddrFrom4([4]byte(b[16:20]))
		b = inner
	}
	if len(b) < headerLen || b[0] != request {
		return false
	}
	m.key = binary.BigEndian.Uint32(b[4:])
	return true
}

// afterHeader returns what stands behind an IPv4 header.
func afterHeader(b []byte) ([]byte, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return nil, false
	}
	n := int(b[0]&15) * 4
	if n < 20 || n > len(b) {
		return nil, false
	}
	return b[n:], true
}

// unreachables are the codes of "destination unreachable", RFC 792, RFC 1122 section
// 3.2.2.1 and RFC 1812 section 5.2.7.1.
var unreachables = []string{
	"network unreachable", "host unreachable", "protocol unreachable", "port unreachable", "the packet is too big and must not be split",
	"source route failed", "network unknown", "host unknown", "source host isolated", "network prohibited", "host prohibited",
	"network unreachable for this type of service", "host unreachable for this type of service", "prohibited by a filter",
	"host precedence violation", "precedence cut off",
}

func fault4(kind, code byte) string {
	switch kind {
	case unreachable4:
		if int(code) < len(unreachables) {
			return unreachables[code]
		}
		return fmt.Sprintf("unreachable (code %d)", code)
	case exceeded4:
		return exceeded(code)
	case problem4:
		return "the packet's header is wrong"
	}
	return ""
}

// unreachables6 are the same for IPv6, RFC 4443 section 3.1.
var unreachables6 = []string{
	"no route", "prohibited by a filter", "beyond the scope of the source address", "address unreachable", "port unreachable",
	"the source address is not allowed", "the route is rejected",
}

func fault6(kind, code byte) string {
	switch kind {
	case unreachable6:
		if int(code) < len(unreachables6) {
			return unreachables6[code]
		}
		return fmt.Sprintf("unreachable (code %d)", code)
	case tooBig6:
		return "the packet is too big"
	case exceeded6:
		return exceeded(code)
	case problem6:
		return "the packet's header is wrong"
	}
	return ""
}

func exceeded(code byte) string {
	if code == 0 {
		return "time to live exceeded: too many hops, or a loop of routes"
	}
	return "time exceeded while the packet was put together"
}
