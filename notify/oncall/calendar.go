package oncall

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-ical"
	"github.com/teambition/rrule-go"
)

// Bounds of a calendar.
const (
	MaxBytes      = 1 << 20
	MaxEvents     = 10_000
	maxRecurring  = 2_000
	maxLine       = 4_096 // bytes of one line, once it is unfolded
	maxDates      = 1_000 // EXDATE and RDATE of one event
	maxTries      = 1_000_000
	maxPeople     = 32
	maxNameBytes  = 64
	longest       = 366 * 24 * time.Hour // an event
	maxRangeYears = 5                    // what is asked for at once
)

// ErrCalendar is wrapped by every error about a calendar.
var ErrCalendar = errors.New("calendar")

// Calendar is who is on call when, by the events of an iCalendar file (RFC 5545).
type Calendar struct {
	events []event
	// moved are the times at which an occurrence of an event stands elsewhere.
	moved map[occasion]bool
}

// occasion is one occurrence of an event, by where its rule puts it.
type occasion struct {
	uid  string
	time int64 // Unix seconds
}

// event is one VEVENT.
type event struct {
	uid    string
	people []string
	start  time.Time
	lasts  length
	rule   *rrule.ROption // nil: it does not recur
	more   []time.Time    // RDATE
	except map[int64]bool // EXDATE, Unix seconds
	place  *time.Time     // RECURRENCE-ID: it stands in the place of that occurrence
	gone   bool           // it is cancelled
}

// length is how long an occurrence lasts: by the clock on the wall first, so that a shift
// until nine ends at nine also when the clocks have jumped.
type length struct {
	wall  time.Duration
	exact time.Duration
}

func (l length) from(t time.Time) time.Time {
	y, m, d := t.Date()
	h, mi, s := t.Clock()
	return time.Date(y, m, d, h, mi, s+int(l.wall/time.Second), 0, t.Location()).Add(l.exact)
}

// Shift is one time in which the same people are on call.
type Shift struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	People []string  `json:"people"`
}

// Parse reads an iCalendar file. Times without a zone are those of a zone; nil is that of
// the machine.
func Parse(text []byte, zone *time.Location) (*Calendar, error) {
	if zone == nil {
		zone = time.Local
	}
	c, err := parse(text, zone)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCalendar, err)
	}
	return c, nil
}

func parse(text []byte, zone *time.Location) (c *Calendar, err error) {
	if err := check(text); err != nil {
		return nil, err
	}
	defer func() {
		// The reader of the format panics at some lines that are no lines of a calendar.
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("it cannot be read: %v", p)
		}
	}()
	r := &reading{zone: zone, zones: map[string]*time.Location{}, c: &Calendar{moved: map[occasion]bool{}}}
	decoder := ical.NewDecoder(bytes.NewReader(text))
	for n := 0; ; n++ {
		calendar, err := decoder.Decode()
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return nil, errors.New("it is empty: a calendar begins with BEGIN:VCALENDAR")
		case errors.Is(err, io.EOF):
			return r.c, nil
		case err != nil:
			return nil, err
		}
		if err := r.calendar(calendar); err != nil {
			return nil, err
		}
	}
}

// check refuses what would take the reader of the format too long.
func check(text []byte) error {
	switch {
	case len(text) > MaxBytes:
		return fmt.Errorf("%d bytes are more than the bound of %d", len(text), MaxBytes)
	case !utf8.Valid(text):
		return errors.New("it is not UTF-8")
	}
	number, size, depth := 0, 0, 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			size += len(line) - 1
		} else {
			size = len(line)
		}
		if size > maxLine {
			return fmt.Errorf("line %d: a line of more than %d bytes", number, maxLine)
		}
		switch {
		case len(line) >= 6 && strings.EqualFold(string(line[:6]), "BEGIN:"):
			if depth++; depth > 8 {
				return fmt.Errorf("line %d: components stand in each other more than 8 deep", number)
			}
		case len(line) >= 4 && strings.EqualFold(string(line[:4]), "END:"):
			depth--
		}
	}
	return nil
}

// reading is a calendar that is being read.
type reading struct {
	zone      *time.Location
	zones     map[string]*time.Location // of the VTIMEZONEs, by TZID
	c         *Calendar
	recurring int
}

func (r *reading) calendar(calendar *ical.Calendar) error {
	if name := calendar.Props.Get("X-WR-TIMEZONE"); name != nil {
		if zone, err := time.LoadLocation(name.Value); err == nil && name.Value != "" {
			r.zone = zone
		}
	}
	for _, child := range calendar.Children {
		if child.Name == ical.CompTimezone {
			if err := r.timezone(child); err != nil {
				return err
			}
		}
	}
	for _, child := range calendar.Children {
		if child.Name != ical.CompEvent {
			continue
		}
		if len(r.c.events) == MaxEvents {
			return fmt.Errorf("more than %d events", MaxEvents)
		}
		e, err := r.event(child)
		if err != nil {
			return fmt.Errorf("event %d, %q: %w", len(r.c.events)+1, strings.TrimSpace(value(child, ical.PropSummary)+" "+value(child, ical.PropDateTimeStart)), err)
		}
		if e.place != nil {
			r.c.moved[occasion{e.uid, e.place.Unix()}] = true
		}
		r.c.events = append(r.c.events, *e)
	}
	return nil
}

// value is a property as the file has it, shortened.
func value(c *ical.Component, name string) string {
	p := c.Props.Get(name)
	if p == nil {
		return ""
	}
	if len(p.Value) > 80 {
		return strings.ToValidUTF8(p.Value[:80], "") + "…"
	}
	return p.Value
}

func (r *reading) event(c *ical.Component) (*event, error) {
	e := &event{uid: value(c, ical.PropUID), gone: strings.EqualFold(value(c, ical.PropStatus), "CANCELLED")}
	if p := c.Props.Get(ical.PropUID); p != nil {
		e.uid = p.Value
	}
	start := c.Props.Get(ical.PropDateTimeStart)
	if start == nil {
		return nil, errors.New("it has no DTSTART")
	}
	var day bool
	var err error
	if e.start, day, err = r.time(start); err != nil {
		return nil, fmt.Errorf("DTSTART: %w", err)
	}
	if e.lasts, err = r.lasts(c, e.start, day); err != nil {
		return nil, err
	}
	if p := c.Props.Get(ical.PropRecurrenceID); p != nil {
		if p.Params.Get(ical.ParamRange) != "" {
			return nil, errors.New("RECURRENCE-ID with RANGE is not supported: split the recurring event in two")
		}
		at, _, err := r.time(p)
		if err != nil {
			return nil, fmt.Errorf("RECURRENCE-ID: %w", err)
		}
		e.place = &at
	}
	if !e.gone {
		if e.people, err = people(c.Props.Get(ical.PropSummary)); err != nil {
			return nil, err
		}
	}
	return e, r.recurrence(c, e)
}

// people reads names that commas separate, with or without backslashes before them.
func people(p *ical.Prop) ([]string, error) {
	if p == nil {
		return nil, errors.New("it has no SUMMARY, which names who is on call")
	}
	texts, err := p.TextList()
	if err != nil {
		return nil, fmt.Errorf("SUMMARY: %w", err)
	}
	var names []string
	for name := range strings.SplitSeq(strings.Join(texts, ","), ",") {
		if name = strings.TrimSpace(name); name == "" || slices.Contains(names, name) {
			continue
		}
		if len(name) > maxNameBytes {
			return nil, fmt.Errorf("SUMMARY names people, separated by commas: a name has at most %d bytes", maxNameBytes)
		}
		names = append(names, name)
	}
	switch {
	case len(names) == 0:
		return nil, errors.New("its SUMMARY names nobody")
	case len(names) > maxPeople:
		return nil, fmt.Errorf("SUMMARY: %d people are more than the bound of %d", len(names), maxPeople)
	}
	return names, nil
}

// occurrence is one time of an event.
type occurrence struct {
	from, to time.Time
	people   []string
}

// errRange is a time too long to be asked for at once.
var errRange = fmt.Errorf("%w: more than %d years cannot be asked for at once", ErrCalendar, maxRangeYears)

// occurrences returns those that overlap a time, in no order.
func (c *Calendar) occurrences(from, to time.Time) ([]occurrence, error) {
	if to.After(from.AddDate(maxRangeYears, 0, 0)) {
		return nil, errRange
	}
	var list []occurrence
	tries := 0
	for i := range c.events {
		e := &c.events[i]
		if e.gone {
			continue
		}
		take := func(start time.Time) {
			if e.except[start.Unix()] || e.place == nil && c.moved[occasion{e.uid, start.Unix()}] {
				return
			}
			if end := e.lasts.from(start); start.Before(to) && end.After(from) && end.After(start) {
				list = append(list, occurrence{start, end, e.people})
			}
		}
		if e.rule == nil {
			take(e.start)
		} else if err := e.recurs(to, &tries, take); err != nil {
			return nil, err
		}
		for _, start := range e.more {
			if !start.Equal(e.start) {
				take(start)
			}
		}
	}
	return list, nil
}

// Shifts says who is on call from a time on, up to another: the times in which somebody
// is, in order. Of events that overlap the one that starts later wins, as whoever takes over for
// an evening writes it; of two that start together the shorter; and two of the same time
// count both.
func (c *Calendar) Shifts(from, to time.Time) ([]Shift, error) {
	list, err := c.occurrences(from, to)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b occurrence) int { return cmp.Or(a.from.Compare(b.from), -a.to.Compare(b.to)) })
	var borders []time.Time
	for _, o := range list {
		for _, t := range []time.Time{o.from, o.to} {
			if t.Before(from) {
				t = from
			}
			if t.After(to) {
				t = to
			}
			borders = append(borders, t)
		}
	}
	slices.SortFunc(borders, time.Time.Compare)
	borders = slices.CompactFunc(borders, time.Time.Equal)
	var shifts []Shift
	var running []occurrence // that have begun, the one that wins last
	next := 0
	for i, t := range borders[:len(borders)-1] {
		for ; next < len(list) && !list[next].from.After(t); next++ {
			running = append(running, list[next])
		}
		running = slices.DeleteFunc(running, func(o occurrence) bool { return !o.to.After(t) })
		names := winners(running)
		if len(names) == 0 {
			continue
		}
		if n := len(shifts); n > 0 && shifts[n-1].To.Equal(t) && slices.Equal(shifts[n-1].People, names) {
			shifts[n-1].To = borders[i+1]
			continue
		}
		shifts = append(shifts, Shift{t, borders[i+1], names})
	}
	return shifts, nil
}

// winners are the people of the last occurrence, and of those of the very same time.
func winners(running []occurrence) []string {
	if len(running) == 0 {
		return nil
	}
	last := running[len(running)-1]
	var names []string
	for _, o := range running {
		if !o.from.Equal(last.from) || !o.to.Equal(last.to) {
			continue
		}
		for _, name := range o.people {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// At says who is on call at a time; nobody is nil.
func (c *Calendar) At(t time.Time) ([]string, error) {
	shifts, err := c.Shifts(t, t.Add(time.Second))
	if err != nil || len(shifts) == 0 || shifts[0].From.After(t) {
		return nil, err
	}
	return shifts[0].People, nil
}
