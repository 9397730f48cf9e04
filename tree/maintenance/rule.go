package maintenance

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// maxRuleBytes bounds the text of a rule.
const maxRuleBytes = 256

// far is how far ahead an occurrence is looked for, and within which a rule must have one.
const far = 10 * 366 * 24 * time.Hour

// ParseRule reads how a window repeats, as people say it or as RFC 5545 does, and returns
// the latter:
//
//	daily
//	weekly on Sat, Sun
//	monthly on 15            the day of the month; -1 is the last
//	monthly on first Sun     first to fourth, last
//	FREQ=WEEKLY;INTERVAL=2;BYDAY=TU
//
// An empty text is once, and "once" as well.
func ParseRule(text string) (string, error) {
	rule, err := parseRule(text)
	if err != nil {
		return "", &FieldError{"rule", err}
	}
	return rule, nil
}

func parseRule(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxRuleBytes {
		return "", fmt.Errorf("a rule of %d bytes is longer than the bound of %d", len(text), maxRuleBytes)
	}
	lower := strings.ToLower(text)
	how, on, _ := strings.Cut(lower, " on ")
	switch {
	case lower == "" || lower == "once":
		return "", nil
	case strings.HasPrefix(lower, "freq="), strings.HasPrefix(lower, "rrule:"):
		return strings.TrimPrefix(strings.ToUpper(text), "RRULE:"), nil
	case lower == "daily":
		return "FREQ=DAILY", nil
	case how == "weekly" && strings.TrimSpace(on) == "":
		return "", errors.New(`weekly on which days? "weekly on sat, sun"`)
	case how == "weekly":
		var days []string
		for day := range strings.SplitSeq(on, ",") {
			code, ok := dayCode(day)
			if !ok {
				return "", fmt.Errorf("%q is no day of the week: mon, tue, wed, thu, fri, sat or sun", strings.TrimSpace(day))
			}
			days = append(days, code)
		}
		return "FREQ=WEEKLY;BYDAY=" + strings.Join(days, ","), nil
	case how == "monthly":
		return monthly(strings.TrimSpace(on))
	}
	return "", fmt.Errorf(`%q says not how it repeats: "daily", "weekly on sat, sun", "monthly on 15", "monthly on first sun", or a rule such as "FREQ=WEEKLY;BYDAY=SU"`, text)
}

func monthly(on string) (string, error) {
	if n, err := strconv.Atoi(on); err == nil && (n >= 1 && n <= 31 || n == -1) {
		return "FREQ=MONTHLY;BYMONTHDAY=" + strconv.Itoa(n), nil
	}
	which, day, _ := strings.Cut(on, " ")
	n, known := map[string]string{"first": "1", "second": "2", "third": "3", "fourth": "4", "last": "-1"}[which]
	code, ok := dayCode(day)
	if !known || !ok {
		return "", fmt.Errorf(`monthly on %q: a day from 1 to 31, -1 for the last one, or such as "first sun"`, on)
	}
	return "FREQ=MONTHLY;BYDAY=" + n + code, nil
}

// dayCode is the code that RFC 5545 has for a day: "sun", "Sunday" and "su" are "SU".
func dayCode(day string) (string, bool) {
	day = strings.ToLower(strings.TrimSpace(day))
	for _, name := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
		if len(day) >= 2 && strings.HasPrefix(name, day) {
			return strings.ToUpper(name[:2]), true
		}
	}
	return "", false
}

// checkRule refuses a rule that cannot be read, is finer than hours, or never comes true.
func (w *Window) checkRule(wrong func(field, format string, args ...any) error) error {
	if w.Rule == "" {
		return nil
	}
	if len(w.Rule) > maxRuleBytes {
		return wrong("rule", "%d bytes are more than the bound of %d", len(w.Rule), maxRuleBytes)
	}
	if strings.Contains(strings.ToUpper(w.Rule), "DTSTART") {
		return wrong("rule", "it begins at start: DTSTART cannot be in it")
	}
	o, err := rrule.StrToROption(w.Rule)
	switch {
	case err != nil:
		return wrong("rule", "%q: %w", w.Rule, err)
	case o.Freq > rrule.HOURLY, len(o.Byminute) > 1, len(o.Bysecond) > 1:
		return wrong("rule", "%q: hourly is the finest", w.Rule)
	}
	first, ok := w.begins(w.Start, w.Start.Add(far))
	if !ok {
		return wrong("rule", "%q has no time within ten years of the start", w.Rule)
	}
	if second, ok := w.begins(first.Add(time.Second), first.Add(far)); ok && second.Before(first.Add(time.Duration(w.For))) {
		return wrong("for", "%s is longer than the pause until it begins again: it would never end", w.For)
	}
	return nil
}

// begins is the first beginning from a time on, up to another.
func (w *Window) begins(from, to time.Time) (time.Time, bool) {
	if w.Rule == "" {
		return w.Start, !w.Start.Before(from) && !w.Start.After(to)
	}
	r := w.rule(from, to)
	if r == nil {
		return time.Time{}, false
	}
	start := r.After(from, true)
	return start, !start.IsZero() && !start.After(to)
}

// begun is the last beginning not after a time.
func (w *Window) begun(at time.Time) (time.Time, bool) {
	if w.Rule == "" {
		return w.Start, !w.Start.After(at)
	}
	for _, ago := range looks {
		from := at.Add(-ago)
		r := w.rule(from, at)
		if r == nil {
			return time.Time{}, false
		}
		if start := r.Before(at, true); !start.IsZero() {
			return start, true
		}
		if from.Before(w.Start) {
			break
		}
	}
	return time.Time{}, false
}

// looks are how far back the last beginning is looked for, one after the other: mostly it
// is not long ago.
var looks = []time.Duration{40 * 24 * time.Hour, 400 * 24 * time.Hour, 1 << 62}

// rule is what makes the beginnings from a time on, and some before it, up to another:
// without the latter bound a rule that never comes true again would be looked at until the
// year 9999, without the former one that began long ago would be followed from there.
func (w *Window) rule(from, to time.Time) *rrule.RRule {
	o, err := rrule.StrToROption(w.Rule)
	if err != nil {
		return nil // Check refused it.
	}
	o.Dtstart = w.Start.In(w.location()).Truncate(time.Second)
	forward(o, from)
	if o.Until.IsZero() || o.Until.After(to) {
		o.Until = to
	}
	r, err := rrule.NewRRule(*o)
	if err != nil {
		return nil
	}
	return r
}

// forward lets a rule begin later, not after a time, such that it yields the same from that
// time on. Rules that count, and those by the month or year, which are few, stay.
func forward(o *rrule.ROption, to time.Time) {
	const most = 3650 // days
	days := max(o.Interval, 1)
	switch {
	case o.Count > 0 || days > most:
		return
	case o.Freq == rrule.WEEKLY:
		days *= 7
	case o.Freq != rrule.DAILY && o.Freq != rrule.HOURLY: // An interval of hours fits into as many days.
		return
	}
	// Two days less, since days have 23 to 25 hours.
	n := (int(to.Sub(o.Dtstart)/(24*time.Hour)) - 2) / days
	for ; n > 0; n-- {
		start := o.Dtstart.AddDate(0, 0, n*days)
		if start.Hour() == o.Dtstart.Hour() && start.Minute() == o.Dtstart.Minute() { // else the wall skips it
			o.Dtstart = start
			return
		}
	}
}

// Now is the occurrence that a time lies in.
func (w *Window) Now(at time.Time) (Occurrence, bool) {
	start, ok := w.begun(at)
	if !ok {
		return Occurrence{}, false
	}
	o := w.occurrence(start)
	return o, at.Before(o.End)
}

// Next is the occurrence that begins next after a time.
func (w *Window) Next(at time.Time) (Occurrence, bool) {
	start, ok := w.begins(at.Add(time.Nanosecond), at.Add(far))
	if !ok {
		return Occurrence{}, false
	}
	return w.occurrence(start), true
}

// occurrence is the one that begins at a time.
func (w *Window) occurrence(start time.Time) Occurrence {
	o := Occurrence{Window: *w, Start: start, End: start.Add(time.Duration(w.For))}
	if !w.Ended.IsZero() && !start.After(w.Ended) && o.End.After(w.Ended) {
		o.End = w.Ended
	}
	return o
}

// Over says whether the window has ended for good.
func (w *Window) Over(at time.Time) bool {
	_, now := w.Now(at)
	_, next := w.Next(at)
	return !now && !next
}
