package pattern

import "time"

// joiner gathers the lines of a record.
type joiner struct {
	text  []byte
	lines int
	bytes int64 // of the source, with what is left out
	last  time.Time
}

// add takes a line with its line end.
func (s *Stream) add(line []byte, now time.Time) {
	text, j := trim(line), &s.join
	if j.bytes > 0 && !s.m.set.belongs(text) {
		s.flush()
	}
	if j.lines < s.m.set.lines && len(j.text)+len(text) < MaxLine {
		if j.lines > 0 {
			j.text = append(j.text, '\n')
		}
		j.text = append(j.text, text...)
		j.lines++
	}
	j.bytes += int64(len(line))
	j.last = now
}

// belongs says whether a line goes on with the record before it.
func (s *Set) belongs(line []byte) bool {
	return (s.start == nil || !s.start.Match(line)) && (s.more == nil || s.more.Match(line))
}

// flush hands the record on.
func (s *Stream) flush() {
	j := &s.join
	s.m.try(&Record{Text: j.text, Field: s.field}, nil, 0)
	j.text, j.lines, j.bytes = j.text[:0], 0, 0
}
