package pattern

import (
	"bytes"
	"time"
)

// Stream is one file, or whatever else lines come from in their order: a record of several
// lines is of one stream. It is used by the goroutine of its Matcher.
type Stream struct {
	m     *Matcher
	join  joiner
	field func(name string) string
}

// Stream begins a stream whose lines the matcher takes. Field yields what texts of events
// may hold beside the line; it may be nil.
func (m *Matcher) Stream(field func(name string) string) *Stream { return &Stream{m: m, field: field} }

// Lines takes whole lines, each with its line end.
func (s *Stream) Lines(chunk []byte) {
	m := s.m
	m.lines += uint64(bytes.Count(chunk, newline))
	switch {
	case m.set.lines > 0:
		now := time.Now()
		for line := range bytes.Lines(chunk) {
			s.add(line, now)
		}
	case m.set.fast:
		m.scan(chunk, s.field)
	default:
		r := Record{Field: s.field}
		for line := range bytes.Lines(chunk) {
			r.Text = trim(line)
			m.try(&r, nil, 0)
		}
	}
}

// Flush takes a record of several lines as whole, when it has waited long enough for more
// of them, or when there will be none.
func (s *Stream) Flush(end bool) {
	if s.join.bytes > 0 && (end || time.Since(s.join.last) >= s.m.set.wait) {
		s.flush()
	}
}

// Open is how many bytes at the end of what Lines took belong to a record that is not
// whole yet: they have come to nothing so far.
func (s *Stream) Open() int64 { return s.join.bytes }

var newline = []byte{'\n'}

// trim takes the line end off, and what is too much.
func trim(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line[:min(len(line), MaxLine)]
}
