package remotewrite

import (
	"encoding/binary"
	"errors"
	"math"

	"grove/runtime/probe/series"
	"grove/runtime/receive/sample"
)

// The two messages of remote write are walked as they are, without making structures of
// them: most of what a Prometheus sends nobody here asks for. Field numbers are those of
// prompb/remote.proto and prompb/types.proto (version 1), and of
// prompb/io/prometheus/write/v2/types.proto (version 2).
const (
	v1Series, v1Metadata = 1, 3 // WriteRequest
	v2Symbols, v2Series  = 4, 5 // Request
	labelsField          = 1    // TimeSeries: labels, in version 2 references to symbols
	samplesField         = 2
	valueField           = 1 // Sample
	timeField            = 2
	nameField            = 1 // Label
	textField            = 2
)

// TimeSeries has histograms and exemplars the other way round in the two versions.
var (
	histogramsField = [3]int{1: 4, 2: 3}
	exemplarsField  = [3]int{1: 3, 2: 4}
)

// wire types of protocol buffers.
const (
	varint  = 0
	fixed64 = 1
	counted = 2
	fixed32 = 5
)

var errWire = errors.New("is no message of remote write: its protocol buffers are broken")

// field is one field of a message: a number in value, or bytes in data.
type field struct {
	number int
	kind   byte
	value  uint64
	data   []byte
}

// next takes a field off a message.
func next(b []byte) (f field, rest []byte, ok bool) {
	tag, n := binary.Uvarint(b)
	if n <= 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32 {
		return f, nil, false
	}
	b = b[n:]
	f.number, f.kind = int(tag>>3), byte(tag&7)
	switch f.kind {
	case varint:
		if f.value, n = binary.Uvarint(b); n <= 0 {
			return f, nil, false
		}
		return f, b[n:], true
	case fixed64:
		if len(b) < 8 {
			return f, nil, false
		}
		f.value = binary.LittleEndian.Uint64(b)
		return f, b[8:], true
	case counted:
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return f, nil, false
		}
		f.data = b[n : n+int(size)]
		return f, b[n+int(size):], true
	case fixed32:
		if len(b) < 4 {
			return f, nil, false
		}
		return f, b[4:], true
	}
	return f, nil, false // Groups are long gone.
}

// message is what a request holds. It is used again by the next.
type message struct {
	version int
	keys    []byte // of all series, one after the other
	symbols [][]byte
	refs    []uint32
	series  []timeSeries
	samples []point
	native  [][]byte // histograms, not read yet
	// What is not taken, and counted.
	exemplars, metadata int
}

// timeSeries is a run in each of the message's lists. Its key is the labels: a name and a
// text in turn, with a byte after each that no text has.
type timeSeries struct {
	keyFrom, keyTo       int
	nameFrom, nameTo     int // of the metric, in keys; empty when there is none
	sampleFrom, sampleTo int
	nativeFrom, nativeTo int
	bad                  bool // its labels are too long or refer to nothing
}

type point struct {
	time  int64
	value float64
}

func (m *message) reset() {
	m.keys, m.symbols, m.series, m.samples, m.native = m.keys[:0], m.symbols[:0], m.series[:0], m.samples[:0], m.native[:0]
	m.exemplars, m.metadata = 0, 0
}

// read walks a request. The slices of the message point into b.
func (m *message) read(b []byte, version int) error {
	m.reset()
	m.version = version
	if version == 2 {
		for rest := b; len(rest) > 0; {
			f, after, ok := next(rest)
			if !ok {
				return errWire
			}
			rest = after
			if f.number == v2Symbols && f.kind == counted {
				m.symbols = append(m.symbols, f.data)
			}
		}
	}
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok {
			return errWire
		}
		b = rest
		switch {
		case f.kind != counted:
		case version == 1 && f.number == v1Series, version == 2 && f.number == v2Series:
			if !m.readSeries(f.data) {
				return errWire
			}
		case version == 1 && f.number == v1Metadata:
			m.metadata++
		}
	}
	return nil
}

func (m *message) readSeries(b []byte) bool {
	s := timeSeries{keyFrom: len(m.keys), sampleFrom: len(m.samples), nativeFrom: len(m.native)}
	m.refs = m.refs[:0]
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok {
			return false
		}
		b = rest
		switch {
		case f.number == labelsField && m.version == 1 && f.kind == counted:
			ok = m.readLabel(&s, f.data)
		case f.number == labelsField && m.version == 2:
			ok = m.readRefs(f)
		case f.kind != counted:
		case f.number == samplesField:
			ok = m.readSample(f.data)
		case f.number == histogramsField[m.version]:
			m.native = append(m.native, f.data)
		case f.number == exemplarsField[m.version]:
			m.exemplars++
		}
		if !ok {
			return false
		}
	}
	if len(m.refs)%2 != 0 {
		s.bad = true
	}
	for i := 0; i+1 < len(m.refs); i += 2 {
		name, text := m.refs[i], m.refs[i+1]
		if uint64(name) >= uint64(len(m.symbols)) || uint64(text) >= uint64(len(m.symbols)) {
			s.bad = true
			break
		}
		m.label(&s, m.symbols[name], m.symbols[text])
	}
	s.keyTo, s.sampleTo, s.nativeTo = len(m.keys), len(m.samples), len(m.native)
	s.bad = s.bad || s.nameTo == 0
	m.series = append(m.series, s)
	return true
}

func (m *message) readLabel(s *timeSeries, b []byte) bool {
	var name, text []byte
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok {
			return false
		}
		b = rest
		switch {
		case f.kind != counted:
		case f.number == nameField:
			name = f.data
		case f.number == textField:
			text = f.data
		}
	}
	m.label(s, name, text)
	return true
}

// readRefs reads references, packed or one by one.
func (m *message) readRefs(f field) bool {
	switch f.kind {
	case varint:
		m.refs = append(m.refs, uint32(min(f.value, math.MaxUint32)))
	case counted:
		for b := f.data; len(b) > 0; {
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return false
			}
			m.refs = append(m.refs, uint32(min(v, math.MaxUint32)))
			b = b[n:]
		}
	}
	return true
}

// label appends one to the key of a series.
func (m *message) label(s *timeSeries, name, text []byte) {
	if len(m.keys)-s.keyFrom+len(name)+len(text) > series.MaxLabels {
		s.bad = true
		return
	}
	if string(name) == "__name__" {
		from := len(m.keys) + len(name) + 1
		s.nameFrom, s.nameTo = from, from+len(text)
	}
	m.keys = sample.AppendLabel(m.keys, name, text)
}

func (m *message) readSample(b []byte) bool {
	var s point
	for len(b) > 0 {
		f, rest, ok := next(b)
		if !ok {
			return false
		}
		b = rest
		switch {
		case f.number == valueField && f.kind == fixed64:
			s.value = math.Float64frombits(f.value)
		case f.number == timeField && f.kind == varint:
			s.time = int64(f.value)
		}
	}
	m.samples = append(m.samples, s)
	return true
}

// total is how many samples there are, histograms included.
func (m *message) total() int { return len(m.samples) + len(m.native) }
