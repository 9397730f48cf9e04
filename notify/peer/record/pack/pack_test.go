package pack_test

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"grove/notify/peer/record/pack"
)

func TestReader(t *testing.T) {
	b := binary.AppendUvarint(nil, math.MaxUint64)
	b = binary.AppendVarint(b, -5)
	b = pack.AppendFloat(b, math.Inf(-1))
	r := pack.New(b)
	if u, v, f := r.Uvarint(), r.Varint(), r.Float(); u != math.MaxUint64 || v != -5 || !math.IsInf(f, -1) || r.Err() != nil || r.Len() != 0 {
		t.Errorf("%d %d %g, %v, %d bytes left", u, v, f, r.Err(), r.Len())
	}
	if v := r.Varint(); v != 0 || !errors.Is(r.Err(), pack.ErrShort) {
		t.Errorf("beyond the end: %d, %v", v, r.Err())
	}
	r = pack.New([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2})
	if v := r.Uvarint(); v != 0 || !errors.Is(r.Err(), pack.ErrShort) || r.Varint() != 0 || r.Float() != 0 {
		t.Errorf("too long: %d, %v", v, r.Err())
	}
}
