package otlp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// maxNesting is how deep values may be within values. The library follows them by
// recursion, and a stack that is exhausted ends the whole program: a request of 16 MiB
// has room for more than a million levels.
const maxNesting = 64

var (
	errNesting = fmt.Errorf("the request has values within values more than %d deep", maxNesting)
	errBroken  = errors.New("its protocol buffers are broken")
)

// shape says of a message which of its fields are messages on the way to values.
type shape map[uint64]shape

// The shapes, by the field numbers of opentelemetry/proto/{common,resource,logs,metrics}/v1.
var (
	anyValue = shape{}
	keyValue = shape{2: anyValue}

	resource = shape{1: keyValue}
	scope    = shape{3: keyValue}
	logs     = shape{1: {1: resource, 2: {1: scope, 2: {5: anyValue, 6: keyValue}}}}

	exemplar = shape{7: keyValue}
	numbers  = shape{1: {7: keyValue, 5: exemplar}}
	metrics  = shape{1: {1: resource, 2: {1: scope, 2: {
		5: numbers, 7: numbers, 12: keyValue,
		9:  {1: {9: keyValue, 8: exemplar}},
		10: {1: {1: keyValue, 11: exemplar}},
		11: {1: {7: keyValue}},
	}}}}
)

func init() {
	anyValue[5] = shape{1: anyValue} // array_value: values
	anyValue[6] = shape{1: keyValue} // kvlist_value: values
}

// checkNesting refuses a message whose values are too deep within each other, and one
// that is broken on the way there.
func checkNesting(message []byte, s shape) error { return nesting(message, s, 0) }

func nesting(b []byte, s shape, depth int) error {
	// A value within a value is up to three messages deeper.
	if depth > 3*maxNesting {
		return errNesting
	}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32 {
			return errBroken
		}
		b = b[n:]
		size := uint64(0) // of what is skipped
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(b); n <= 0 {
				return errBroken
			}
			size = uint64(n)
		case 1:
			size = 8
		case 5:
			size = 4
		case 2:
			if size, n = binary.Uvarint(b); n <= 0 {
				return errBroken
			}
			b = b[n:]
		default:
			return errBroken // Groups, which OTLP never had.
		}
		if size > uint64(len(b)) {
			return errBroken
		}
		if within, ok := s[tag>>3]; ok && tag&7 == 2 {
			if err := nesting(b[:size], within, depth+1); err != nil {
				return err
			}
		}
		b = b[size:]
	}
	return nil
}

// codec refuses what is nested too deep before gRPC has it decoded.
type codec struct{ encoding.CodecV2 }

// shapes tell the two requests apart by what the library has them decoded into, which is
// the first field of what it shows of them.
var shapes = map[reflect.Type]shape{
	reflect.TypeFor[plogotlp.ExportRequest]().Field(0).Type:    logs,
	reflect.TypeFor[pmetricotlp.ExportRequest]().Field(0).Type: metrics,
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	s, ok := shapes[reflect.TypeOf(v)]
	if !ok {
		return fmt.Errorf("%T is neither logs nor metrics", v)
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	if err := checkNesting(whole.ReadOnlyData(), s); err != nil {
		return err
	}
	return c.CodecV2.Unmarshal(mem.BufferSlice{whole}, v)
}
