// Package pack reads the numbers of which long answers between managers are made: varints
// and floats as encoding/binary appends them, from outside and so with bounds.
package pack

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrShort is the error of what ends before it should, or has a number that is too long.
var ErrShort = errors.New("it ends too early, or has a number of more than 64 bits")

// Reader reads numbers one after the other. After an error all that it reads are zero.
type Reader struct {
	rest []byte
	err  error
}

// New returns a reader of a body.
func New(body []byte) *Reader { return &Reader{rest: body} }

// Err is the first error.
func (r *Reader) Err() error { return r.err }

// Len is how many bytes are left.
func (r *Reader) Len() int { return len(r.rest) }

// Uvarint reads a number that is not negative.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	return took(r, v, n)
}

// Varint reads a number.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.rest)
	return took(r, v, n)
}

// Float reads what AppendFloat has written.
func (r *Reader) Float() float64 {
	if len(r.rest) < 8 {
		return took(r, 0.0, 0)
	}
	return took(r, math.Float64frombits(binary.LittleEndian.Uint64(r.rest)), 8)
}

func took[N uint64 | int64 | float64](r *Reader, v N, n int) N {
	if r.err != nil {
		return 0
	}
	if n <= 0 {
		r.err, r.rest = ErrShort, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// AppendFloat appends the eight bytes of a float.
func AppendFloat(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
}
