package pattern

import (
	"time"
)

// joiner gathers the lines of a record.
type joiner struct {
	text  []byte
	lines int
	bytes int64 // of the source, with what is left out
	last  time.Time
}

// add takes a line with its line end.
func (j *joiner) add(m *Matcher, line []byte, now time.Time) {
	text := trim(line)
	if j.bytes > 0 && !m.set.belongs(text) {
		j.flush(m)
	}
	if j.lines < m.set.lines && len(j.text)+len(text) < MaxLine {
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
func (j *joiner) flush(m *Matcher) {
	m.try(&Record{Text: j.text}, nil, 0)
	j.text, j.lines, j.bytes = j.text[:0], 0, 0
}
