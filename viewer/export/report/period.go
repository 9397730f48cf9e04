package report

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // names of time zones where the machine has none

	"grove/viewer/export/document/reply"
)

// ErrPeriod is wrapped by every error about the time of a report.
var ErrPeriod = errors.New("the time of the report")

// MaxPeriod bounds the time of a report.
const MaxPeriod = 400 * 24 * time.Hour

// DefaultPeriod is that of a report of which none is said.
const DefaultPeriod = "last24h"

// Periods are the names of times, for messages.
var Periods = []string{"today", "day", "week", "month", "last24h", "last7d", "last30d"}

// Period returns what a name means at a moment, in the zone of that moment: day is the
// last whole day, week the last whole week from Monday (ISO 8601), month the last whole
// month; today and the last hours and days reach up to now.
func Period(name string, now time.Time) (from, to time.Time, err error) {
	y, m, d := now.Date()
	day := func(m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, now.Location()) }
	switch name {
	case "today":
		return day(m, d), now, nil
	case "day":
		return day(m, d-1), day(m, d), nil
	case "week":
		monday := d - (int(now.Weekday())+6)%7
		return day(m, monday-7), day(m, monday), nil
	case "month":
		return day(m-1, 1), day(m, 1), nil
	case "last24h":
		return now.Add(-24 * time.Hour), now, nil
	case "last7d":
		return now.AddDate(0, 0, -7), now, nil
	case "last30d":
		return now.AddDate(0, 0, -30), now, nil
	}
	return from, to, fmt.Errorf("%w: there is no period %q: %s", ErrPeriod, reply.Clip(name), strings.Join(Periods, ", "))
}

// Zone returns a time zone by its IANA name; empty is UTC.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if name == "Local" {
		return nil, fmt.Errorf("%w: the time zone needs a name, such as Europe/Berlin", ErrPeriod)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%w: there is no time zone %q", ErrPeriod, reply.Clip(name))
	}
	return zone, nil
}

// ParseTime reads a time: RFC 3339, or a day or a minute in the zone.
func ParseTime(text string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.In(zone), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: %q is no time: 2026-03-01, 2026-03-01T12:00 or 2026-03-01T12:00:00Z", ErrPeriod, reply.Clip(text))
}

// checkSpan says whether a time can be reported on, and ends it now at the latest.
func checkSpan(from, to, now time.Time) (time.Time, error) {
	if to.After(now) {
		to = now
	}
	switch {
	case !from.Before(now):
		return to, fmt.Errorf("%w begins at %s, which is not over yet", ErrPeriod, from.Format(time.RFC3339))
	case !from.Before(to):
		return to, fmt.Errorf("%w begins at %s, which is not before its end at %s", ErrPeriod, from.Format(time.RFC3339), to.Format(time.RFC3339))
	case to.Sub(from) > MaxPeriod:
		return to, fmt.Errorf("%w is longer than %d days", ErrPeriod, MaxPeriod/(24*time.Hour))
	}
	return to, nil
}
