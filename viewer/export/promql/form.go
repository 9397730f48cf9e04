package promql

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"grove/tree/history/promql"
)

// form holds the parameters of a question, those of the query string and of a posted
// form alike.
type form map[string][]string

// get returns the first value of a parameter, or nothing.
func (f form) get(name string) string {
	if v := f[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func bad(format string, args ...any) error {
	return &promql.Error{Kind: promql.BadData, Err: fmt.Errorf(format, args...)}
}

// parameter says that one is malformed, in the words of Prometheus.
func parameter(name string, err error) error {
	return bad("invalid parameter %q: %w", name, err)
}

// The earliest and the latest time that Prometheus' interface knows: the default of
// times that may be left out, and what its clients send for "any".
var (
	minTime = time.Unix(math.MinInt64/1000+62135596801, 0).UTC()
	maxTime = time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC()
)

// parseTime reads Unix seconds with a fraction, or RFC 3339.
func parseTime(s string) (time.Time, error) {
	if t, err := strconv.ParseFloat(s, 64); err == nil {
		if !(t >= float64(minTime.Unix()) && t <= float64(maxTime.Unix())) { // NaN, too.
			return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", clip(s))
		}
		whole, part := math.Modf(t)
		part = math.Round(part*1000) / 1000 // Samples know milliseconds.
		return time.Unix(int64(whole), int64(part*float64(time.Second))).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	// RFC 3339 ends with the year 9999.
	switch s {
	case minTime.Format(time.RFC3339Nano):
		return minTime, nil
	case maxTime.Format(time.RFC3339Nano):
		return maxTime, nil
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", clip(s))
}

// time reads a time that may be left out.
func (f form) time(name string, otherwise time.Time) (time.Time, error) {
	s := f.get(name)
	if s == "" {
		return otherwise, nil
	}
	t, err := parseTime(s)
	if err != nil {
		return time.Time{}, parameter(name, fmt.Errorf("invalid time value for '%s': %w", name, err))
	}
	return t, nil
}

// units are those of durations, from the longest to the shortest, as they have to
// follow each other (prometheus.io/docs/prometheus/latest/querying/basics, "Float
// literals and time durations").
var units = []struct {
	name string
	is   time.Duration
}{
	{"y", 365 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour},
	{"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

// parseDuration reads seconds with a fraction, or such as "1h30m".
func parseDuration(s string) (time.Duration, error) {
	refuse := fmt.Errorf("cannot parse %q to a valid duration", clip(s))
	if d, err := strconv.ParseFloat(s, 64); err == nil {
		ns := d * float64(time.Second)
		if !(ns > math.MinInt64 && ns < math.MaxInt64) { // NaN, too.
			return 0, fmt.Errorf("%w. It overflows int64", refuse)
		}
		return time.Duration(ns), nil
	}
	var sum time.Duration
	rest, next := s, 0
	for rest != "" {
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return 0, refuse
		}
		end := digits
		for end < len(rest) && (rest[end] < '0' || rest[end] > '9') {
			end++
		}
		at := next
		for at < len(units) && units[at].name != rest[digits:end] {
			at++
		}
		if at == len(units) || n > (math.MaxInt64-int64(sum))/int64(units[at].is) {
			return 0, refuse
		}
		sum += time.Duration(n) * units[at].is
		rest, next = rest[end:], at+1
	}
	if s == "" {
		return 0, refuse
	}
	return sum, nil
}

// duration reads a duration that may be left out.
func (f form) duration(name string) (time.Duration, error) {
	s := f.get(name)
	if s == "" {
		return 0, nil
	}
	d, err := parseDuration(s)
	if err != nil {
		return 0, parameter(name, err)
	}
	return d, nil
}

// limit reads the parameter limit; zero is none.
func (f form) limit() (int, error) {
	s := f.get("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return 0, parameter("limit", fmt.Errorf("cannot parse %q to a number", clip(s)))
	case n < 0:
		return 0, parameter("limit", errors.New("limit must be non-negative"))
	}
	return n, nil
}

// clip bounds what a message repeats.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}
