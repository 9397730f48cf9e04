package publish

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// moments are times that come again: every day, every week or every month.
type moments struct {
	hour, minute int
	weekday      time.Weekday // -1: any
	day          int          // of the month; 0: any
	zone         *time.Location
}

var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

var errMoment = errors.New(`is no time of day such as "06:30", "monday 06:30" or "day 1 06:30"; days of a month are 1 to 28`)

// parseMoment reads what "at" says.
func parseMoment(text string, zone *time.Location) (moments, error) {
	m := moments{weekday: -1, zone: zone}
	words := strings.Fields(strings.ToLower(text))
	switch {
	case len(words) == 1:
	case len(words) == 2:
		for i, name := range weekdays {
			if words[0] == name || words[0] == name[:3] {
				m.weekday = time.Weekday(i)
			}
		}
		if m.weekday < 0 {
			return m, errMoment
		}
	case len(words) == 3 && words[0] == "day":
		day, err := strconv.Atoi(words[1])
		// Not every month has more days.
		if err != nil || day < 1 || day > 28 {
			return m, errMoment
		}
		m.day = day
	default:
		return m, errMoment
	}
	t, err := time.Parse("15:04", words[len(words)-1])
	if err != nil {
		return m, errMoment
	}
	m.hour, m.minute = t.Hour(), t.Minute()
	return m, nil
}

// after returns the first of the moments after t. One that a change to summer time leaves
// out comes an hour later on that day.
func (m *moments) after(t time.Time) time.Time {
	year, month, day := t.In(m.zone).Date()
	for i := 0; ; i++ {
		next := time.Date(year, month, day+i, m.hour, m.minute, 0, 0, m.zone)
		if next.After(t) && (m.weekday < 0 || next.Weekday() == m.weekday) && (m.day == 0 || next.Day() == m.day) {
			return next
		}
	}
}
