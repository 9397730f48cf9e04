// Package week is about times of the week, as people write them:
//
//	Mon-Fri 08:00-18:00 Europe/Berlin
//	Sat,Sun
//	22:00-06:00
//	Mon-Fri 08:00-12:00,13:00-17:00; Sat 10:00-14:00 Europe/Berlin
//
// A part is days, times of day and a time zone; each of the three may be missing, and then
// it is every day, the whole day, and the zone of the next part that names one, at last
// that of the machine. Parts are separated by semicolons. A time that ends before it begins
// runs over midnight, and belongs to the day on which it begins.
//
// Times are those of the clock on the wall. So 02:15-02:45 does not come on the day in
// spring on which the clock jumps over it, and lasts an hour and a half where the hour
// from two to three comes twice in autumn.
package week

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of a text.
const (
	MaxBytes = 1024
	MaxParts = 64 // and of times of day in one part
)

// ErrWeek is wrapped by every error about the text of times of the week.
var ErrWeek = errors.New("malformed times of the week")

// Week is a set of times of the week. The zero value contains no time.
type Week struct {
	text  string
	parts []part
}

// part is some times of day on some days.
type part struct {
	days  [7]bool // by time.Weekday
	spans []span  // never empty
	zone  *time.Location
}

// span is from a minute of the day up to another, which is not part of it; over midnight
// when to is not greater than from.
type span struct{ from, to int }

const minutesOfDay = 24 * 60

// Parse reads the text of times of the week.
func Parse(text string) (Week, error) {
	if len(text) > MaxBytes {
		return Week{}, fmt.Errorf("%w: %d bytes are more than the bound of %d", ErrWeek, len(text), MaxBytes)
	}
	w := Week{text: strings.Join(strings.Fields(text), " ")}
	texts := strings.Split(text, ";")
	if len(texts) > MaxParts {
		return Week{}, fmt.Errorf("%w: %d parts are more than the bound of %d", ErrWeek, len(texts), MaxParts)
	}
	zone := time.Local
	for _, t := range slices.Backward(texts) {
		p, err := parsePart(t)
		if err != nil {
			return Week{}, fmt.Errorf("%w %q: %w", ErrWeek, text, err)
		}
		if p.zone == nil {
			p.zone = zone
		}
		zone = p.zone
		w.parts = append(w.parts, p)
	}
	slices.Reverse(w.parts)
	return w, nil
}

// Must is Parse for texts that are written in the program.
func Must(text string) Week {
	w, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return w
}

// parsePart reads "Mon-Fri 08:00-18:00 Europe/Berlin"; zone is nil when it names none.
func parsePart(text string) (part, error) {
	var p part
	words := strings.Fields(commas.Replace(text))
	if len(words) == 0 {
		return p, errors.New(`it is empty: write such as "Mon-Fri 08:00-18:00 Europe/Berlin"`)
	}
	if days, err := parseDays(words[0]); err == nil {
		p.days = days
		words = words[1:]
	} else if !isTimes(words[0]) && (len(words) > 1 || !isZone(words[0])) {
		return p, err
	} else {
		p.days = [7]bool{true, true, true, true, true, true, true}
	}
	p.spans = []span{{0, minutesOfDay}}
	if len(words) > 0 && isTimes(words[0]) {
		var err error
		if p.spans, err = parseTimes(words[0]); err != nil {
			return p, err
		}
		words = words[1:]
	}
	if len(words) > 0 {
		zone, err := parseZone(words[0])
		if err != nil {
			return p, err
		}
		p.zone = zone
		words = words[1:]
	}
	if len(words) > 0 {
		return p, fmt.Errorf("%q is too much: days, times of day and a time zone are all there is", words[0])
	}
	return p, nil
}

// commas takes the spaces off that people write after commas.
var commas = strings.NewReplacer(", ", ",", " ,", ",", " - ", "-")

var dayNames = [7]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// parseDay reads a day of the week by its English name, or three letters and more of it.
func parseDay(text string) (time.Weekday, error) {
	if lower := strings.ToLower(text); len(lower) >= 3 {
		for i, name := range dayNames {
			if strings.HasPrefix(name, lower) {
				return time.Weekday(i), nil
			}
		}
	}
	return 0, fmt.Errorf("%q is no day of the week: Mon, Tue, Wed, Thu, Fri, Sat or Sun", text)
}

// parseDays reads "Mon-Fri,Sun"; a range may run over the end of the week.
func parseDays(text string) (days [7]bool, err error) {
	for item := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(item, "-")
		from, err := parseDay(first)
		if err != nil {
			return days, err
		}
		to := from
		if isRange {
			if to, err = parseDay(last); err != nil {
				return days, err
			}
		}
		for d := from; ; d = (d + 1) % 7 {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, nil
}

func isTimes(word string) bool { return word[0] >= '0' && word[0] <= '9' }

// isZone says whether a word may be meant as a time zone.
func isZone(word string) bool {
	_, err := parseZone(word)
	return err == nil
}

// parseTimes reads "08:00-12:00,13:00-18:00".
func parseTimes(text string) ([]span, error) {
	var spans []span
	for item := range strings.SplitSeq(text, ",") {
		first, last, ok := strings.Cut(item, "-")
		if !ok {
			return nil, fmt.Errorf("%q is no time of day from and to, such as 08:00-18:00", item)
		}
		from, err := parseTime(first)
		if err != nil {
			return nil, err
		}
		to, err := parseTime(last)
		if err != nil {
			return nil, err
		}
		if from == minutesOfDay || from == to {
			return nil, fmt.Errorf("%q has no minute in it: the whole day is 00:00-24:00", item)
		}
		if spans = append(spans, span{from, to}); len(spans) > MaxParts {
			return nil, fmt.Errorf("more than %d times of day", MaxParts)
		}
	}
	return spans, nil
}

// parseTime reads "08:00" into minutes of the day; 24:00 is the end of it.
func parseTime(text string) (int, error) {
	bad := fmt.Errorf("%q is no time of day from 00:00 to 24:00", text)
	h, m, ok := strings.Cut(text, ":")
	hour, okHour := number(h)
	minute, okMinute := number(m)
	if !ok || !okHour || !okMinute || len(m) != 2 || minute > 59 || hour*60+minute > minutesOfDay {
		return 0, bad
	}
	return hour*60 + minute, nil
}

// number reads one or two digits.
func number(text string) (n int, ok bool) {
	if len(text) == 0 || len(text) > 2 {
		return 0, false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// parseZone reads the name of a time zone of the IANA database, "UTC" or "Local".
func parseZone(text string) (*time.Location, error) {
	if text == "" || strings.ContainsAny(text, ",;:\\") {
		return nil, fmt.Errorf("%q is no time zone such as Europe/Berlin", text)
	}
	zone, err := time.LoadLocation(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone such as Europe/Berlin", text)
	}
	return zone, nil
}

// Contains says whether t is one of the times.
func (w *Week) Contains(t time.Time) bool {
	for i := range w.parts {
		if w.parts[i].contains(t) {
			return true
		}
	}
	return false
}

func (p *part) contains(t time.Time) bool {
	local := t.In(p.zone)
	minute, today := local.Hour()*60+local.Minute(), local.Weekday()
	yesterday := (today + 6) % 7
	for _, s := range p.spans {
		switch {
		case s.from < s.to:
			if p.days[today] && s.from <= minute && minute < s.to {
				return true
			}
		case p.days[today] && minute >= s.from, p.days[yesterday] && minute < s.to:
			return true
		}
	}
	return false
}

// In returns a time as the clock on the wall shows it, in the zone of the first part.
func (w *Week) In(t time.Time) time.Time {
	if len(w.parts) == 0 {
		return t
	}
	return t.In(w.parts[0].zone)
}

// IsZero says whether no times were given.
func (w *Week) IsZero() bool { return len(w.parts) == 0 }

// String returns the text that was parsed, with single spaces.
func (w Week) String() string { return w.text }

// MarshalText implements encoding.TextMarshaler.
func (w Week) MarshalText() ([]byte, error) { return []byte(w.text), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Week) UnmarshalText(text []byte) (err error) {
	*w, err = Parse(string(text))
	return err
}
