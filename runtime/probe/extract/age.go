package extract

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"grove/tree"
)

// Value makes of what was found a value of the field.
func (f Field) Value(found any) (tree.Value, error) {
	if !f.Age {
		return Value(f.Info.Type, found)
	}
	if b, ok := found.([]byte); ok {
		found = string(b)
	}
	if found == nil {
		return tree.Value{}, nil
	}
	at, err := moment(found)
	if err != nil {
		return tree.Value{}, err
	}
	return tree.Number(time.Since(at).Seconds()), nil
}

// layouts are how times are written: by RFC 3339, SQL, LDAP's generalized time (RFC 4517,
// 3.3.13; a CSN begins with one), HTTP, RFC 5322, and a day. Without a zone they are in UTC.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999",
	"20060102150405.999999999Z0700", "20060102150405.999999999Z", "20060102150405Z0700", http.TimeFormat, time.RFC1123Z, time.DateOnly,
}

func moment(found any) (time.Time, error) {
	switch v := found.(type) {
	case time.Time:
		return v, nil
	case string:
		text, _, _ := strings.Cut(strings.TrimSpace(v), "#")
		if len(text) <= 64 {
			for _, layout := range layouts {
				if at, err := time.Parse(layout, text); err == nil {
					return at, nil
				}
			}
			if seconds, err := strconv.ParseFloat(text, 64); err == nil {
				return unix(seconds)
			}
		}
		return time.Time{}, fmt.Errorf("%q is no time", Clean(v, 100))
	}
	v, err := number(found)
	if err != nil {
		return time.Time{}, err
	}
	seconds, _ := v.Number()
	return unix(seconds)
}

// unix takes seconds since 1970 up to the year 9999.
func unix(seconds float64) (time.Time, error) {
	if !(seconds > -62135596800 && seconds < 253402300800) {
		return time.Time{}, fmt.Errorf("%v is no number of seconds since 1970", seconds)
	}
	return time.UnixMilli(int64(seconds * 1000)), nil
}
