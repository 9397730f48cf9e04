package pattern

import (
	"bytes"
	"strconv"
	"time"

	"grove/runtime/probe"
	"grove/tree"
)

// Record is one line, or what belongs together.
type Record struct {
	Text []byte // without its line end; it is not kept
	// Time is when it was written; zero: now.
	Time time.Time
	// Status is how bad it is by what it says itself; white: it says nothing.
	Status tree.Status
	// Field yields what else it has by the names that Compile was told; nil: nothing.
	Field func(name string) string
}

// Matcher holds what lines came to since the last result. It is for one goroutine at a
// time.
type Matcher struct {
	set      *Set
	next     []int // of scan, by the index of needles
	lines    uint64
	matched  uint64
	limit    limit
	clock    clock
	outlets  []state // by the index of set.outlets
	events   []tree.Event
	location []int // of the groups of one match; used again
}

// state is what an outlet has come to.
type state struct {
	number float64
	count  int // lines since the last result
	text   string
}

// NewMatcher makes a Matcher of the set.
func (s *Set) NewMatcher() *Matcher {
	return &Matcher{set: s, next: make([]int, len(s.needles)), outlets: make([]state, len(s.outlets)), limit: limit{set: s}}
}

// Record takes a record that is whole as it is, and says whether a rule took it.
func (m *Matcher) Record(r Record) bool {
	m.lines++
	if len(r.Text) > MaxLine {
		r.Text = r.Text[:MaxLine]
	}
	return m.try(&r, nil, 0)
}

// scan looks for the needles of all rules in many lines at once and tries only the lines
// that hold one.
func (m *Matcher) scan(chunk []byte, field func(name string) string) {
	for k := range m.next {
		m.next[k] = m.seek(k, chunk, 0)
	}
	r := Record{Field: field}
	for {
		at := len(chunk)
		for _, n := range m.next {
			at = min(at, n)
		}
		if at >= len(chunk) {
			return
		}
		start := bytes.LastIndexByte(chunk[:at], '\n') + 1
		end := len(chunk)
		if i := bytes.IndexByte(chunk[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		r.Text = trim(chunk[start:end])
		m.try(&r, m.next, end)
		for k, n := range m.next {
			if n < end {
				m.next[k] = m.seek(k, chunk, end)
			}
		}
	}
}

// seek is the next place of a needle; the length of the chunk when there is none.
func (m *Matcher) seek(k int, chunk []byte, from int) int {
	if i := m.set.needles[k].index(chunk[from:]); i >= 0 {
		return from + i
	}
	return len(chunk)
}

// try gives a record to the rules in their order. Of scan, next are the places of the
// needles and end is where the line ends: a rule without one before it does not fit.
func (m *Matcher) try(r *Record, next []int, end int) (matched bool) {
	k := 0 // index of the rule's first needle
	for i := range m.set.rules {
		rule := &m.set.rules[i]
		if next != nil {
			there := false
			for range rule.needles {
				there = there || next[k] < end
				k++
			}
			if !there {
				continue
			}
		}
		if !m.fits(rule, r.Text, next != nil) {
			continue
		}
		if !matched {
			matched = true
			m.matched++
		}
		m.apply(rule, r)
		if !rule.pass {
			break
		}
	}
	return matched
}

// fits says whether a rule takes a line, and leaves the places of its groups in
// m.location. Found says that the line holds a needle of the rule.
func (m *Matcher) fits(rule *rule, line []byte, found bool) bool {
	if !found && len(rule.needles) > 0 || rule.literal && len(rule.needles) > 0 {
		there := false
		for k := range rule.needles {
			if there = rule.needles[k].index(line) >= 0; there {
				break
			}
		}
		if !there {
			return false
		}
	}
	switch {
	case rule.captures:
		if m.location = rule.match.FindSubmatchIndex(line); m.location == nil {
			return false
		}
	case !rule.literal && !rule.match.Match(line):
		return false
	}
	return rule.not == nil || !rule.not.Match(line)
}

// group is what a group of the last match holds; nil when it took no part in it.
func (m *Matcher) group(line []byte, group int) []byte {
	if k := 2 * group; m.location[k] >= 0 {
		return line[m.location[k]:m.location[k+1]]
	}
	return nil
}

// apply makes of a line what the rule says.
func (m *Matcher) apply(rule *rule, r *Record) {
	if rule.count >= 0 {
		m.outlets[rule.count].number++
	}
	for _, v := range rule.values {
		if found := m.group(r.Text, v.group); found != nil {
			m.outlets[v.outlet].take(m.set.outlets[v.outlet].kind, found, v.scale)
		}
	}
	if rule.quiet {
		return
	}
	status := rule.status
	switch {
	case rule.level > 0:
		status = StatusOfWord(string(m.group(r.Text, rule.level)))
	case rule.own:
		status = max(r.Status, tree.Green)
	}
	now := time.Now()
	e := tree.Event{Time: r.Time, Status: status}
	if rule.time > 0 {
		if at, ok := m.clock.read(m.group(r.Text, rule.time), now); ok {
			e.Time = at
		}
	}
	if e.Time.IsZero() {
		e.Time = now
	}
	if e.Text = rule.text.of(r, m.location); e.Text == "" {
		e.Text = "(empty line)"
	}
	if m.limit.admits(&e, now) {
		m.tell(e)
	}
}

func (m *Matcher) tell(e tree.Event) {
	if len(m.events) >= MaxPending {
		m.limit.suppressed++
		return
	}
	m.events = append(m.events, e)
}

// take adds what a line holds.
func (s *state) take(kind outletKind, found []byte, scale float64) {
	if kind == takeText {
		s.text = Clean(found)
		s.count++
		return
	}
	n, err := strconv.ParseFloat(string(bytes.TrimSpace(found)), 64)
	if n *= scale; err != nil || n-n != 0 {
		return // what is no number says nothing
	}
	s.count++
	switch {
	case kind == takeSum:
		s.number += n
	case s.count == 1, kind == takeLast:
		s.number = n
	case kind == takeMin:
		s.number = min(s.number, n)
	case kind == takeMax:
		s.number = max(s.number, n)
	case kind == takeAverage:
		s.number += (n - s.number) / float64(s.count)
	}
}

// Add adds to a result what came since the last: counts as they stand, values that came
// anew, and the events.
func (m *Matcher) Add(r *probe.Result) {
	now := time.Now()
	if e, ok := m.limit.summary(now); ok {
		m.tell(e)
	}
	r.Number(attrLines, float64(m.lines))
	r.Number(attrMatched, float64(m.matched))
	r.Number(attrSuppressed, float64(m.limit.suppressed))
	for k := range m.outlets {
		s, o := &m.outlets[k], m.set.outlets[k]
		switch {
		case o.kind == takeCount || o.kind == takeSum:
			r.Number(o.name, s.number)
		case s.count == 0:
		case o.kind == takeText:
			r.Text(o.name, s.text)
		default:
			r.Number(o.name, s.number)
		}
		s.count = 0
	}
	// Without events the empty text says that the log was looked at.
	v := probe.Value{Attribute: attrEvents, Events: m.events}
	if len(m.events) == 0 {
		v.Value = tree.Text("")
	} else {
		v.Value = tree.Text(m.events[len(m.events)-1].Text)
	}
	r.Values = append(r.Values, v)
	m.events = nil
}
