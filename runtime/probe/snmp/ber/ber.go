// Package ber writes the requests of SNMP version 1 and 2c and reads the answers to
// them where they lie, without a copy and without anything on the heap: some ten
// nanoseconds a value. It knows the parts of X.690 that RFC 1157 and RFC 3416 use.
package ber

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Versions, as messages name them.
const (
	Version1  = 0
	Version2c = 1
)

// Tags of values: RFC 2578 section 7.1, and net-snmp's for numbers with a fraction,
// which are sent in an Opaque.
const (
	Integer        = 0x02
	OctetString    = 0x04
	Null           = 0x05
	ObjectID       = 0x06
	IPAddress      = 0x40
	Counter32      = 0x41
	Gauge32        = 0x42
	TimeTicks      = 0x43
	Opaque         = 0x44
	Counter64      = 0x46
	Unsigned32     = 0x47
	Double         = 0x79 // a Float is read as one
	NoSuchObject   = 0x80
	NoSuchInstance = 0x81
	EndOfMibView   = 0x82

	sequence = 0x30
	float    = 0x78
	extended = 0x9f // before float and Double within an Opaque
)

// Tags of messages.
const (
	Get      = 0xa0
	GetNext  = 0xa1
	Response = 0xa2
	GetBulk  = 0xa5
)

// Value is one value of an answer.
type Value struct {
	Type byte
	// Bits are the number of an Integer (as an int64), of a Counter32, Gauge32,
	// TimeTicks, Unsigned32 or Counter64, or the bits of the float64 of a Double.
	Bits uint64
	// Octets are those of an OctetString, IPAddress, ObjectID or Opaque. They lie in the
	// message.
	Octets []byte
}

// IsMissing says whether the agent says that it has no such thing.
func (v *Value) IsMissing() bool {
	switch v.Type {
	case Null, NoSuchObject, NoSuchInstance, EndOfMibView:
		return true
	}
	return false
}

// Number returns the number; ok is false for what is none, and for no finite one.
func (v *Value) Number() (n float64, ok bool) {
	switch v.Type {
	case Integer:
		return float64(int64(v.Bits)), true
	case Counter32, Gauge32, TimeTicks, Unsigned32, Counter64:
		return float64(v.Bits), true
	case Double:
		n = math.Float64frombits(v.Bits)
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	}
	return 0, false
}

// Head is what stands before the values of a message.
type Head struct {
	Version   byte
	Community []byte
	PDU       byte
	ID        uint32
	Status    int // error-status
	Index     int // error-index
	// Bindings are the encoded names and values.
	Bindings Bindings
}

var errShort = errors.New("cut off")

// part reads the tag and length of the first part of b, and returns what is in it and
// behind it.
func part(b []byte) (tag byte, in, behind []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, errShort
	}
	size, head := int(b[1]), 2
	if size >= 0x80 {
		octets := size & 0x7f
		// An agent may use more octets than it needs; no message has a length of five.
		if octets == 0 || octets > 4 || len(b) < 2+octets {
			return 0, nil, nil, errors.New("a length that cannot be read")
		}
		size, head = 0, 2+octets
		for _, c := range b[2:head] {
			size = size<<8 | int(c)
		}
	}
	if size > len(b)-head {
		return 0, nil, nil, fmt.Errorf("a part of %d bytes where %d are left", size, len(b)-head)
	}
	return b[0], b[head : head+size], b[head+size:], nil
}

// want reads a part that must have a tag.
func want(b []byte, tag byte) (in, behind []byte, err error) {
	got, in, behind, err := part(b)
	if err == nil && got != tag {
		err = fmt.Errorf("a part with the tag %#02x where %#02x belongs", got, tag)
	}
	return in, behind, err
}

func wantInt(b []byte) (n int64, behind []byte, err error) {
	in, behind, err := want(b, Integer)
	if err == nil {
		n, err = signed(in)
	}
	return n, behind, err
}

// ReadHead reads the head of a message of version 1 or 2c.
func ReadHead(message []byte) (h Head, err error) {
	body, behind, err := want(message, sequence)
	if err != nil {
		return h, err
	}
	if len(behind) > 0 {
		return h, fmt.Errorf("%d bytes behind the message", len(behind))
	}
	version, body, err := wantInt(body)
	if err != nil {
		return h, err
	}
	if version != Version1 && version != Version2c {
		return h, fmt.Errorf("the version %d, which is not 1 or 2c", version)
	}
	h.Version = byte(version)
	if h.Community, body, err = want(body, OctetString); err != nil {
		return h, err
	}
	pdu, body, behind, err := part(body)
	if err != nil {
		return h, err
	}
	if len(behind) > 0 || pdu&0xe0 != 0xa0 {
		return h, errors.New("no PDU, or something behind it")
	}
	h.PDU = pdu
	id, body, err := wantInt(body)
	if err != nil {
		return h, err
	}
	status, body, err := wantInt(body)
	if err != nil {
		return h, err
	}
	index, body, err := wantInt(body)
	if err != nil {
		return h, err
	}
	const most = math.MaxInt32
	if id < math.MinInt32 || id > most || status < 0 || status > 255 || index < 0 || index > most {
		return h, errors.New("a number in the head that is out of range")
	}
	h.ID, h.Status, h.Index = uint32(id), int(status), int(index)
	bindings, behind, err := want(body, sequence)
	if err != nil {
		return h, err
	}
	if len(behind) > 0 {
		return h, errors.New("something behind the values")
	}
	h.Bindings = bindings
	return h, nil
}

// Bindings are encoded names and values.
type Bindings []byte

// Next takes the first binding off; ok is false when there is none.
func (b *Bindings) Next(v *Value) (name []byte, ok bool, err error) {
	if len(*b) == 0 {
		return nil, false, nil
	}
	in, behind, err := want(*b, sequence)
	if err != nil {
		return nil, false, err
	}
	name, value, err := want(in, ObjectID)
	if err != nil {
		return nil, false, err
	}
	if err := v.read(value); err != nil {
		return nil, false, err
	}
	*b = behind
	return name, true, nil
}

func (v *Value) read(b []byte) error {
	tag, in, behind, err := part(b)
	if err != nil {
		return err
	}
	if len(behind) > 0 {
		return errors.New("something behind a value")
	}
	v.Type, v.Octets, v.Bits = tag, nil, 0
	switch tag {
	case Integer:
		n, err := signed(in)
		v.Bits = uint64(n)
		return err
	case Counter32, Gauge32, TimeTicks, Unsigned32, Counter64:
		v.Bits, err = unsigned(in)
		// Some agents send more than 32 bits, with the sign repeated.
		if tag != Counter64 {
			v.Bits &= math.MaxUint32
		}
		return err
	case OctetString, ObjectID, IPAddress:
		v.Octets = in
	case Opaque:
		v.Octets = in
		v.opaque(in)
	case Null, NoSuchObject, NoSuchInstance, EndOfMibView:
	default: // nothing is known of it
		v.Type, v.Octets = Opaque, in
	}
	return nil
}

// opaque reads the numbers that net-snmp sends in an Opaque; what is none stays octets.
func (v *Value) opaque(in []byte) {
	if len(in) < 3 || in[0] != extended {
		return
	}
	switch tag, octets, behind, err := part(in[1:]); {
	case err != nil || len(behind) > 0:
	case tag == float && len(octets) == 4:
		v.Type, v.Octets = Double, nil
		v.Bits = math.Float64bits(float64(math.Float32frombits(binary.BigEndian.Uint32(octets))))
	case tag == Double && len(octets) == 8:
		v.Type, v.Octets = Double, nil
		v.Bits = binary.BigEndian.Uint64(octets)
	}
}

func signed(b []byte) (int64, error) {
	if len(b) == 0 || len(b) > 8 {
		return 0, fmt.Errorf("a number of %d bytes", len(b))
	}
	n := int64(int8(b[0]))
	for _, c := range b[1:] {
		n = n<<8 | int64(c)
	}
	return n, nil
}

func unsigned(b []byte) (uint64, error) {
	if len(b) == 0 || len(b) > 9 || len(b) == 9 && b[0] != 0 {
		return 0, fmt.Errorf("a number of %d bytes", len(b))
	}
	n := uint64(0)
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, nil
}

// AppendBinding appends a name and value as answers have them.
func AppendBinding(b []byte, name OID, v *Value) []byte {
	var value []byte
	switch v.Type {
	case Integer:
		value = appendInt(value, Integer, int64(v.Bits))
	case Counter32, Gauge32, TimeTicks, Unsigned32, Counter64:
		value = append(value, v.Type, 9, 0)
		value = binary.BigEndian.AppendUint64(value, v.Bits)
	case Double:
		value = append(value, Opaque, 11, extended, Double, 8)
		value = binary.BigEndian.AppendUint64(value, v.Bits)
	default:
		value = append(appendHead(value, v.Type, len(v.Octets)), v.Octets...)
	}
	b = appendHead(b, sequence, sizeTLV(len(name))+len(value))
	b = append(appendHead(b, ObjectID, len(name)), name...)
	return append(b, value...)
}

// PeekID returns the request-id of a message that Append wrote, of which perhaps only
// the beginning is there.
func PeekID(b []byte) (id uint32, ok bool) {
	skip := func(inside bool) bool {
		if len(b) < 2 {
			return false
		}
		size, head := int(b[1]), 2
		if size >= 0x80 {
			octets := size & 0x7f
			if octets > 2 || len(b) < 2+octets {
				return false
			}
			size, head = 0, 2+octets
			for _, c := range b[2:head] {
				size = size<<8 | int(c)
			}
		}
		if !inside {
			head += size
		}
		if len(b) < head {
			return false
		}
		b = b[head:]
		return true
	}
	// Message, version, community, PDU.
	if !skip(true) || !skip(false) || !skip(false) || !skip(true) {
		return 0, false
	}
	if len(b) < 6 || b[0] != Integer || b[1] != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[2:]), true
}

// Fraction is the value of a number with a fraction.
func Fraction(n float64) Value { return Value{Type: Double, Bits: math.Float64bits(n)} }
