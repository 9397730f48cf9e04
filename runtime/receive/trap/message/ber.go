package message

import (
	"errors"
	"fmt"
	"strconv"
)

// The tags of BER that SNMP uses: RFC 3417 section 8, RFC 2578 section 7.1 and RFC 3416
// section 3.
const (
	tagInteger     = 0x02
	TagOctets      = 0x04
	tagNull        = 0x05
	TagOID         = 0x06
	TagSequence    = 0x30
	tagAddress     = 0x40
	tagCounter32   = 0x41
	tagGauge32     = 0x42
	tagTicks       = 0x43
	tagOpaque      = 0x44
	tagCounter64   = 0x46
	tagUnsigned32  = 0x47
	tagNoObject    = 0x80
	tagNoInstance  = 0x81
	tagEndOfView   = 0x82
	TagGet         = 0xa0
	tagResponse    = 0xa2
	tagTrapV1      = 0xa4
	TagInform      = 0xa6
	TagTrapV2      = 0xa7
	maxArcs        = 128 // of an object identifier: RFC 2578 section 7.1.3
	maxLengthBytes = 4   // of a length: more is no message that fits into a datagram
)

// ErrBehind says that an element ends before what holds it.
var ErrBehind = errors.New("there is something behind its end")

var errCut = errors.New("it ends too early")

// Reader reads what BER holds, one element after the other. It never reads beyond its
// octets, and goes no deeper than its caller does.
type Reader []byte

// Element takes the next element.
func (r *Reader) Element() (tag byte, content []byte, err error) {
	b := *r
	if len(b) < 2 {
		return 0, nil, errCut
	}
	tag = b[0]
	if tag&0x1f == 0x1f {
		return 0, nil, fmt.Errorf("tag %#x is none of SNMP's", tag)
	}
	length, head := int(b[1]), 2
	if b[1] >= 0x80 {
		n := int(b[1] & 0x7f)
		if n == 0 || n > maxLengthBytes {
			return 0, nil, fmt.Errorf("a length of %d bytes", n)
		}
		if len(b) < 2+n {
			return 0, nil, errCut
		}
		length, head = 0, 2+n
		for _, c := range b[2 : 2+n] {
			length = length<<8 | int(c)
		}
	}
	if length < 0 || length > len(b)-head {
		return 0, nil, errCut
	}
	*r = b[head+length:]
	return tag, b[head : head+length : head+length], nil
}

// Expect takes the next element, which must have a tag.
func (r *Reader) Expect(tag byte, what string) ([]byte, error) {
	got, content, err := r.Element()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case got != tag:
		return nil, fmt.Errorf("%s: tag %#x instead of %#x", what, got, tag)
	}
	return content, nil
}

// Integer takes an INTEGER of at most 32 bits.
func (r *Reader) Integer(what string) (int32, error) {
	content, err := r.Expect(tagInteger, what)
	if err != nil {
		return 0, err
	}
	v, err := signed(content)
	if err != nil || int64(int32(v)) != v {
		return 0, fmt.Errorf("%s: %d octets are no 32-bit number", what, len(content))
	}
	return int32(v), nil
}

// signed reads the content of an INTEGER.
func signed(content []byte) (int64, error) {
	if len(content) == 0 || len(content) > 8 {
		return 0, fmt.Errorf("%d octets are no number", len(content))
	}
	v := int64(int8(content[0]))
	for _, c := range content[1:] {
		v = v<<8 | int64(c)
	}
	return v, nil
}

// unsigned reads the content of a counter or gauge: at most 64 bits, with a zero before
// them where the highest bit is set. Agents that leave that zero out are understood.
func unsigned(content []byte) (uint64, error) {
	if len(content) > 1 && content[0] == 0 {
		content = content[1:]
	}
	if len(content) == 0 || len(content) > 8 {
		return 0, fmt.Errorf("%d octets are no number", len(content))
	}
	var v uint64
	for _, c := range content {
		v = v<<8 | uint64(c)
	}
	return v, nil
}

// checkOID says whether content is an object identifier of at most 128 parts of 32 bits.
func checkOID(content []byte) error {
	if len(content) == 0 || content[len(content)-1]&0x80 != 0 {
		return errors.New("an object identifier that is cut off")
	}
	arcs, arc, begins := 1, uint64(0), true
	for _, c := range content {
		if begins && c == 0x80 {
			return errors.New("an object identifier with a needless zero")
		}
		arc = arc<<7 | uint64(c&0x7f)
		if arc > 1<<32+79 { // the first carries 80 for the arc before it
			return errors.New("a part of an object identifier above 4294967295")
		}
		if begins = c&0x80 == 0; begins {
			if arcs++; arcs > maxArcs {
				return fmt.Errorf("an object identifier of more than %d parts", maxArcs)
			}
			arc = 0
		}
	}
	return nil
}

// Dotted writes an object identifier that checkOID has found sound.
func Dotted(content []byte) string {
	b := make([]byte, 0, 3*len(content))
	arc, first := uint64(0), true
	for _, c := range content {
		arc = arc<<7 | uint64(c&0x7f)
		if c&0x80 != 0 {
			continue
		}
		if first {
			top := min(arc/40, 2)
			b = strconv.AppendUint(b, top, 10)
			arc -= 40 * top
			first = false
		}
		b = append(b, '.')
		b = strconv.AppendUint(b, arc, 10)
		arc = 0
	}
	return string(b)
}

// EncodeOID is the content of an object identifier that mib.checkOID has found sound.
func EncodeOID(text string) ([]byte, error) {
	var arcs []uint64
	for begin, i := 0, 0; i <= len(text); i++ {
		if i < len(text) && text[i] != '.' {
			continue
		}
		arc, err := strconv.ParseUint(text[begin:i], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no object identifier", text)
		}
		arcs = append(arcs, arc)
		begin = i + 1
	}
	if len(arcs) < 2 || len(arcs) > maxArcs {
		return nil, fmt.Errorf("%q is no object identifier", text)
	}
	out := appendArc(nil, 40*arcs[0]+arcs[1])
	for _, arc := range arcs[2:] {
		out = appendArc(out, arc)
	}
	return out, nil
}

func appendArc(out []byte, arc uint64) []byte {
	shift := 0
	for arc>>(shift+7) != 0 {
		shift += 7
	}
	for ; shift > 0; shift -= 7 {
		out = append(out, byte(arc>>shift)|0x80)
	}
	return append(out, byte(arc)&0x7f)
}

// AppendNumber is the content of an INTEGER or, of a number that is not negative, of a counter.
func AppendNumber(out []byte, v int64) []byte {
	n := 1
	for s := v; s > 127 || s < -128; s >>= 8 {
		n++
	}
	for n--; n >= 0; n-- {
		out = append(out, byte(v>>(8*n)))
	}
	return out
}

// AppendUnsigned is the content of a counter of 64 bits.
func AppendUnsigned(out []byte, v uint64) []byte {
	if v>>63 == 0 {
		return AppendNumber(out, int64(v))
	}
	out = append(out, 0)
	for n := 7; n >= 0; n-- {
		out = append(out, byte(v>>(8*n)))
	}
	return out
}
