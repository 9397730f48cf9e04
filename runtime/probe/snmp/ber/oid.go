package ber

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// OID is an object identifier as it is sent, without tag and length: X.690 section
// 8.19. Being a string, it can be compared and be the key of a map; Compare orders it.
// It may also be the end of an identifier, such as the index of a row.
type OID string

// ParseOID reads a dotted number of at least two parts: "1.3.6.1.2.1.1.3.0".
func ParseOID(dotted string) (OID, error) {
	first, rest, ok := strings.Cut(dotted, ".")
	if !ok {
		return "", fmt.Errorf("%q has one part: an object identifier has at least two", dotted)
	}
	second, rest, more := strings.Cut(rest, ".")
	a, err := strconv.ParseUint(first, 10, 32)
	if err != nil {
		return "", err
	}
	b, err := strconv.ParseUint(second, 10, 32)
	if err != nil {
		return "", err
	}
	if a > 2 || a < 2 && b > 39 {
		return "", fmt.Errorf("no object identifier begins with %d.%d", a, b)
	}
	out := appendArc(nil, 40*a+b)
	for more {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return "", err
		}
		out = appendArc(out, n)
	}
	return OID(out), nil
}

func appendArc(b []byte, n uint64) []byte {
	size := 1
	for rest := n >> 7; rest > 0; rest >>= 7 {
		size++
	}
	for i := size - 1; i > 0; i-- {
		b = append(b, byte(n>>(7*i))|0x80)
	}
	return append(b, byte(n)&0x7f)
}

// String writes the number with dots. The text of an identifier that is malformed ends
// where it is.
func (o OID) String() string {
	first, rest, err := arc(string(o))
	if err != nil {
		return ""
	}
	a := min(first/40, 2)
	b := strconv.AppendUint(make([]byte, 0, 4*len(o)), a, 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, first-40*a, 10)
	return string(appendIndex(b, rest, true))
}

// Index writes what is the end of an identifier, such as the index of a row: "3" or
// "4.192.0.2.1".
func Index[T ~string | ~[]byte](end T) string {
	return string(appendIndex(make([]byte, 0, 4*len(end)), string(end), false))
}

func appendIndex(b []byte, end string, dot bool) []byte {
	for end != "" {
		n, rest, err := arc(end)
		if err != nil {
			return b
		}
		if dot {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, n, 10)
		end, dot = rest, true
	}
	return b
}

var errArc = errors.New("an object identifier that cannot be read")

// arc takes the first part off.
func arc[T ~string | ~[]byte](o T) (n uint64, rest T, err error) {
	for i := range min(len(o), 6) {
		n = n<<7 | uint64(o[i]&0x7f)
		if o[i] < 0x80 {
			return n, o[i+1:], nil
		}
	}
	return 0, o, errArc
}

// CheckOID says whether octets from outside are an object identifier, or the end of
// one: whole parts of at most 32 bits, at most 128 of them (RFC 2578 section 3.5).
func CheckOID(octets []byte) error {
	const maxParts = 128
	for parts := 0; len(octets) > 0; parts++ {
		n, rest, err := arc(octets)
		// The first number of a whole identifier has up to 80 more, for its two parts.
		if err != nil || parts == maxParts || n > 1<<32-1+80 {
			return errArc
		}
		octets = rest
	}
	return nil
}

// Compare orders identifiers, or their ends, part by part as SNMP does.
func Compare[A, B ~string | ~[]byte](a A, b B) int {
	for i := 0; ; i++ {
		switch {
		case i == len(a) && i == len(b):
			return 0
		case i == len(a):
			return -1
		case i == len(b):
			return 1
		case a[i] == b[i]:
			continue
		}
		// The parts that differ begin behind the last octet that ends a part.
		for i > 0 && a[i-1] >= 0x80 {
			i--
		}
		x, _, _ := arc(a[i:])
		y, _, _ := arc(b[i:])
		if x < y {
			return -1
		}
		return 1
	}
}
