package oncall

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-ical"
	"github.com/teambition/rrule-go"
)

// earliest is the first year of an event, and latest the last.
const earliest, latest = 1970, 2200

// time reads a property that is a date, or a time in UTC, in a zone of the calendar, or in
// none. day says that it is a date.
func (r *reading) time(p *ical.Prop) (t time.Time, day bool, err error) {
	zone := r.zone
	if id := p.Params.Get(ical.ParamTimezoneID); id != "" {
		if zone, err = r.zoneOf(id); err != nil {
			return t, false, err
		}
	}
	return readTime(p.Value, zone)
}

// readTime reads "20260302", "20260302T080000" and "20260302T080000Z".
func readTime(text string, zone *time.Location) (t time.Time, day bool, err error) {
	switch {
	case len(text) == 8:
		day = true
		t, err = time.ParseInLocation("20060102", text, zone)
	case strings.HasSuffix(text, "Z"):
		t, err = time.ParseInLocation("20060102T150405Z", text, time.UTC)
	default:
		t, err = time.ParseInLocation("20060102T150405", text, zone)
	}
	switch {
	case err != nil:
		return t, day, fmt.Errorf("%.40q is no date and no time such as 20260302T080000", text)
	case t.Year() < earliest || t.Year() > latest:
		return t, day, fmt.Errorf("%s is not between the years %d and %d", text, earliest, latest)
	}
	return t, day, nil
}

// lasts reads how long an event is: until DTEND, for DURATION, or one day when it is a day.
func (r *reading) lasts(c *ical.Component, start time.Time, day bool) (l length, err error) {
	end, duration := c.Props.Get(ical.PropDateTimeEnd), c.Props.Get(ical.PropDuration)
	switch {
	case end != nil:
		t, _, err := r.time(end)
		if err != nil {
			return l, fmt.Errorf("DTEND: %w", err)
		}
		l.wall = wall(t.In(start.Location())).Sub(wall(start))
	case duration != nil:
		if l, err = readDuration(duration.Value); err != nil {
			return l, fmt.Errorf("DURATION: %w", err)
		}
	case day:
		l.wall = 24 * time.Hour
	}
	if l.wall < 0 || l.exact < 0 || l.wall+l.exact > longest {
		return l, fmt.Errorf("it ends before it begins, or lasts longer than %d days", longest/(24*time.Hour))
	}
	return l, nil
}

// wall is what the clock on the wall shows, as if it were UTC.
func wall(t time.Time) time.Time {
	y, m, d := t.Date()
	h, mi, s := t.Clock()
	return time.Date(y, m, d, h, mi, s, 0, time.UTC)
}

var durationForm = regexp.MustCompile(`\A\+?P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?\z`)

// readDuration reads "P7D" and "PT8H30M" (RFC 5545, 3.3.6): days go by the clock on the
// wall, hours do not.
func readDuration(text string) (l length, err error) {
	parts := durationForm.FindStringSubmatch(text)
	if parts == nil {
		return l, fmt.Errorf("%.40q is no duration such as P7D or PT8H", text)
	}
	part := func(i int) time.Duration {
		n, _ := strconv.Atoi(parts[i]) // A few digits, or none.
		return time.Duration(n)
	}
	l.wall = (7*part(1) + part(2)) * 24 * time.Hour
	l.exact = part(3)*time.Hour + part(4)*time.Minute + part(5)*time.Second
	return l, nil
}

// recurrence reads RRULE, RDATE and EXDATE.
func (r *reading) recurrence(c *ical.Component, e *event) error {
	if rules := c.Props.Values(ical.PropRecurrenceRule); len(rules) > 0 {
		if r.recurring++; r.recurring > maxRecurring {
			return fmt.Errorf("more than %d events with an RRULE", maxRecurring)
		}
		if len(rules) > 1 {
			return errors.New("it has more than one RRULE")
		}
		if e.place != nil {
			return errors.New("it has both a RECURRENCE-ID and an RRULE")
		}
		o, err := readRule(rules[0].Value, e.start.Location())
		if err != nil {
			return fmt.Errorf("RRULE: %w", err)
		}
		o.Dtstart = e.start
		e.rule = o
		// A rule that never comes true is tried up to the year 9999 each time; here once.
		if rule, err := rrule.NewRRule(*o); err != nil {
			return fmt.Errorf("RRULE: %w", err)
		} else if _, ok := rule.Iterator()(); !ok {
			return fmt.Errorf("RRULE: %q never comes true", rules[0].Value)
		}
	}
	except, err := r.dates(c, ical.PropExceptionDates)
	if err != nil {
		return err
	}
	if len(except) > 0 {
		e.except = make(map[int64]bool, len(except))
		for _, t := range except {
			e.except[t.Unix()] = true
		}
	}
	e.more, err = r.dates(c, ical.PropRecurrenceDates)
	return err
}

// readRule reads a rule, of days at the finest.
func readRule(text string, zone *time.Location) (*rrule.ROption, error) {
	if strings.Contains(strings.ToUpper(text), "DTSTART") {
		return nil, errors.New("DTSTART cannot be in it")
	}
	o, err := rrule.StrToROptionInLocation(text, zone)
	switch {
	case err != nil:
		return nil, err
	case o.Freq > rrule.DAILY:
		return nil, fmt.Errorf("%q: nobody is on call by the hour: DAILY is the finest", text)
	case len(o.Byhour) > 1 || len(o.Byminute) > 1 || len(o.Bysecond) > 1:
		return nil, fmt.Errorf("%q: BYHOUR, BYMINUTE and BYSECOND have one number each", text)
	case o.Interval < 0 || o.Interval > 10_000 || o.Count < 0 || o.Count > 100_000:
		return nil, fmt.Errorf("%q: INTERVAL is at most 10000, and COUNT 100000", text)
	}
	for _, list := range [][]int{o.Bysetpos, o.Bymonth, o.Bymonthday, o.Byyearday, o.Byweekno, o.Byeaster} {
		if len(list) > 366 {
			return nil, fmt.Errorf("%q: a list of more than 366", text)
		}
	}
	if len(o.Byweekday) > 366 {
		return nil, fmt.Errorf("%q: a list of more than 366", text)
	}
	// UNTIL is in UTC, or in the zone of DTSTART when it has none; a day is all of it.
	for field := range strings.SplitSeq(text, ";") {
		if name, until, _ := strings.Cut(field, "="); strings.EqualFold(name, "UNTIL") && len(until) == 8 {
			o.Until = o.Until.AddDate(0, 0, 1).Add(-time.Second)
		}
	}
	return o, nil
}

// dates reads the times of a property that may stand there more than once, with several
// times each.
func (r *reading) dates(c *ical.Component, name string) ([]time.Time, error) {
	var list []time.Time
	for _, p := range c.Props.Values(name) {
		for text := range strings.SplitSeq(p.Value, ",") {
			one := p
			one.Value, _, _ = strings.Cut(strings.TrimSpace(text), "/") // of a period
			t, _, err := r.time(&one)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if list = append(list, t); len(list) > maxDates {
				return nil, fmt.Errorf("%s: more than %d times", name, maxDates)
			}
		}
	}
	return list, nil
}

// recurs calls take with each beginning before a time. tries counts, over all events.
func (e *event) recurs(to time.Time, tries *int, take func(time.Time)) error {
	rule, err := rrule.NewRRule(*e.rule)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCalendar, err)
	}
	next := rule.Iterator()
	for {
		start, ok := next()
		if !ok || !start.Before(to) {
			return nil
		}
		if *tries++; *tries > maxTries {
			return fmt.Errorf("%w: recurring events have come more than %d times: let them begin later", ErrCalendar, maxTries)
		}
		take(start)
	}
}
