package pattern

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// layouts are the forms of times that logs use. Those without a zone are of this machine's.
var layouts = []string{
	"2006-01-02T15:04:05.999999999Z07:00", // RFC 3339
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999 -0700",
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999", // also with a comma before the fraction
	"2006/01/02 15:04:05",           // nginx
	"02/Jan/2006:15:04:05 -0700",    // access logs
	"Mon Jan _2 15:04:05.999999999 2006",
	"Jan _2 15:04:05.999999999", // syslog: the year is the one that makes it the latest before now
	"Jan _2 15:04:05 2006",
	"02-Jan-2006 15:04:05.999", // BIND, Tomcat
	"02.01.2006 15:04:05",
	"20060102T150405Z0700",
	"20060102 15:04:05",
}

// maxAhead is how far the time of a line may be ahead of the clock.
const maxAhead = 5 * time.Minute

// clock reads the times of lines. Lines of a log look alike: the form of
// the last one is tried first.
type clock struct{ last int }

// read reads a time; ok is false for what is none, and for one that is in the future.
func (c *clock) read(b []byte, now time.Time) (at time.Time, ok bool) {
	text := string(bytes.TrimSpace(b))
	if at, ok = unix(text); !ok {
		at, ok = c.parse(text)
	}
	if !ok {
		return at, false
	}
	if at.Year() == 0 {
		at = at.AddDate(now.Year(), 0, 0)
		if at.After(now.Add(24 * time.Hour)) {
			at = at.AddDate(-1, 0, 0)
		}
	}
	return at, !at.After(now.Add(maxAhead)) && at.Year() >= 1970
}

func (c *clock) parse(text string) (time.Time, bool) {
	if len(text) > 64 {
		return time.Time{}, false
	}
	for k := range layouts {
		at := (c.last + k) % len(layouts)
		if t, err := time.ParseInLocation(layouts[at], text, time.Local); err == nil {
			c.last = at
			return t, true
		}
	}
	return time.Time{}, false
}

// unix reads seconds since 1970, with a fraction or not, or milliseconds: a number of
// 10^11 and more.
func unix(text string) (time.Time, bool) {
	if len(text) < 9 || strings.Trim(text, "0123456789.") != "" {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || f > 1e14:
		return time.Time{}, false
	case f >= 1e11:
		return time.UnixMilli(int64(f)), true
	}
	return time.UnixMicro(int64(f * 1e6)), true
}
