package ber

// Name is the object identifier that a request asks for, in two parts that are sent
// as one: a column and the index of a row.
type Name struct {
	Column OID
	Row    string
}

// Request is a message that asks.
type Request struct {
	Version   byte // Version1 or Version2c
	Community string
	PDU       byte // Get, GetNext or GetBulk
	// NonRepeaters and Repetitions are those of GetBulk; 0 otherwise.
	NonRepeaters, Repetitions int
	Names                     []Name
}

// Append appends the message to b and says at which place of the result the four
// octets of its request-id are, which are written by PutID.
func (r *Request) Append(b []byte) (message []byte, id int) {
	bindings := 0
	for i := range r.Names {
		bindings += sizeTLV(r.binding(i))
	}
	pdu := 6 + 2 + intSize(r.NonRepeaters) + 2 + intSize(r.Repetitions) + sizeTLV(bindings)
	body := 3 + sizeTLV(len(r.Community)) + sizeTLV(pdu)
	b = appendHead(b, sequence, body)
	b = append(b, Integer, 1, r.Version)
	b = appendHead(b, OctetString, len(r.Community))
	b = append(b, r.Community...)
	b = appendHead(b, r.PDU, pdu)
	b = append(b, Integer, 4)
	id = len(b)
	b = append(b, 0x40, 0, 0, 0)
	b = appendInt(b, Integer, int64(r.NonRepeaters))
	b = appendInt(b, Integer, int64(r.Repetitions))
	b = appendHead(b, sequence, bindings)
	for i := range r.Names {
		n := &r.Names[i]
		b = appendHead(b, sequence, r.binding(i))
		b = appendHead(b, ObjectID, len(n.Column)+len(n.Row))
		b = append(b, n.Column...)
		b = append(b, n.Row...)
		b = append(b, Null, 0)
	}
	return b, id
}

// binding is the size of what is in the i-th binding.
func (r *Request) binding(i int) int {
	return sizeTLV(len(r.Names[i].Column)+len(r.Names[i].Row)) + 2
}

// PutID writes the request-id of a message at the place that Append returned. An id is
// between MinID and MaxID, so that it takes four octets and is positive, as some agents
// want it.
func PutID(message []byte, at int, id uint32) {
	_ = message[at+3]
	message[at], message[at+1], message[at+2], message[at+3] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
}

// The least and the greatest request-id.
const (
	MinID = 1 << 24
	MaxID = 1<<31 - 1
)

// sizeTLV is the size of a value of n octets with its tag and length.
func sizeTLV(n int) int {
	switch {
	case n < 0x80:
		return 2 + n
	case n < 0x100:
		return 3 + n
	}
	return 4 + n
}

func appendHead(b []byte, tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, tag, byte(n))
	case n < 0x100:
		return append(b, tag, 0x81, byte(n))
	}
	return append(b, tag, 0x82, byte(n>>8), byte(n))
}

// intSize is how many octets a number takes: X.690 section 8.3 wants the fewest.
func intSize[T int | int64](n T) int {
	size := 1
	for n > 127 || n < -128 {
		n >>= 8
		size++
	}
	return size
}

func appendInt(b []byte, tag byte, n int64) []byte {
	size := intSize(n)
	b = append(b, tag, byte(size))
	for i := size - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}
