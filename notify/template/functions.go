package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"grove/tree"
)

// count is the function that templates have in their loops and parts; nobody can call it.
const count = "count"

// Bounds of the work of one render. The clock is looked at only after so many units, so
// that a modest template is never cut off because the machine is busy.
const (
	maxWork   = 100_000
	clockWork = 1_000
)

var errWork = errors.New("the template does too much: it loops over too many things, or takes longer than 100 ms")

// budget bounds the work of one render at a time.
type budget struct {
	at    time.Time // of the message
	began time.Time
	work  int
	next  int // when to look at the clock
}

func (b *budget) begin(at time.Time) {
	*b = budget{at: at, began: time.Now(), next: clockWork}
}

// spend counts work: one unit a call and one for each 256 bytes that are made or read.
func (b *budget) spend(bytes int) error {
	b.work += 1 + bytes/256
	if b.work < b.next {
		return nil
	}
	b.next = b.work + clockWork
	if b.work > maxWork || time.Since(b.began) > MaxTime {
		return errWork
	}
	return nil
}

// text returns a value as text.
func (b *budget) text(v any) (string, error) {
	var s string
	switch v := v.(type) {
	case nil:
	case string:
		s = v
	default:
		if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
			break
		}
		s = fmt.Sprint(v)
	}
	if len(s) > 4*MaxBytes {
		return "", errLong
	}
	return s, b.spend(len(s))
}

// plain makes a function of templates from one of texts whose result is at most grows
// times as long.
func (b *budget) plain(f func(string) string, grows int) func(any) (string, error) {
	return func(v any) (string, error) {
		s, err := b.text(v)
		if err != nil {
			return "", err
		}
		if len(s) > MaxBytes {
			return "", errLong
		}
		return f(s), b.spend(grows * len(s))
	}
}

// functions are those that templates have, beside goFunctions.
func (b *budget) functions() map[string]any {
	return map[string]any{
		count:      func() (string, error) { return "", b.spend(0) },
		"upper":    b.plain(strings.ToUpper, 3),
		"lower":    b.plain(strings.ToLower, 3),
		"title":    b.plain(title, 3),
		"trim":     b.plain(strings.TrimSpace, 1),
		"line":     b.plain(OneLine, 1),
		"markdown": b.plain(Markdown, 3),
		"slack":    b.plain(Slack, 5),
		"html":     b.plain(EscapeHTML, 5),
		"url":      b.plain(url.QueryEscape, 3),
		"json":     b.json,
		"join":     b.join,
		"concat":   b.concat,
		"replace":  b.replace,
		"truncate": b.truncate,
		"indent":   b.indent,
		"contains": b.contains,
		"default":  b.otherwise,
		"first":    b.first,
		"duration": b.duration,
		"since":    b.since,
		"time":     b.time,
		"unix":     b.unix,
		"number":   b.number,
		"mark":     b.mark,
	}
}

// title gives every word a capital at its beginning.
func title(s string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		first := !unicode.IsLetter(before) && !unicode.IsDigit(before) && before != '\''
		before = r
		if first {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

// json writes a value as JSON.
func (b *budget) json(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	if len(text) > MaxBytes {
		return "", errLong
	}
	return string(text), b.spend(16 * len(text))
}

// join writes the items of a list, or the pairs of a map in the order of its keys, with a
// text between: join ", " .Customers.
func (b *budget) join(between string, list any) (string, error) {
	var items []string
	switch v := reflect.ValueOf(list); v.Kind() {
	case reflect.Invalid:
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			s, err := b.text(v.Index(i).Interface())
			if err != nil {
				return "", err
			}
			items = append(items, s)
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return "", fmt.Errorf("join wants a list or a map of texts, not %s", v.Type())
		}
		pairs := map[string]string{}
		for it := v.MapRange(); it.Next(); {
			s, err := b.text(it.Value().Interface())
			if err != nil {
				return "", err
			}
			pairs[it.Key().String()] = s
		}
		for _, k := range slices.Sorted(maps.Keys(pairs)) {
			items = append(items, k+"="+pairs[k])
		}
	default:
		return "", fmt.Errorf("join wants a list or a map, not %s", v.Type())
	}
	size := len(between) * len(items)
	for _, s := range items {
		size += len(s)
	}
	if size > MaxBytes {
		return "", errLong
	}
	return strings.Join(items, between), b.spend(size)
}

// concat writes values one after the other.
func (b *budget) concat(values ...any) (string, error) { return b.join("", values) }

// replace puts a text in the place of another: replace "." "-" .Name.
func (b *budget) replace(old, by string, v any) (string, error) {
	s, err := b.text(v)
	if err != nil {
		return "", err
	}
	size := len(s) + strings.Count(s, old)*max(len(by)-len(old), 0)
	if size > MaxBytes {
		return "", errLong
	}
	return strings.ReplaceAll(s, old, by), b.spend(size)
}

// truncate cuts a text to so many characters, of which the last three say that it was cut.
func (b *budget) truncate(most int, v any) (string, error) {
	s, err := b.text(v)
	if err != nil {
		return "", err
	}
	return Truncate(s, most), nil
}

// indent puts blanks before every line.
func (b *budget) indent(blanks int, v any) (string, error) {
	s, err := b.text(v)
	if err != nil {
		return "", err
	}
	if blanks < 0 || blanks > 80 {
		return "", fmt.Errorf("indent by %d: 0 to 80 blanks", blanks)
	}
	return b.replace("\n", "\n"+strings.Repeat(" ", blanks), strings.Repeat(" ", blanks)+s)
}

// contains says whether a text stands in another: contains "db" .Name.
func (b *budget) contains(part string, v any) (bool, error) {
	s, err := b.text(v)
	return strings.Contains(s, part), err
}

// otherwise is the value unless it is empty: default "nobody" .Name.
func (b *budget) otherwise(instead, v any) (any, error) {
	if r := reflect.ValueOf(v); !r.IsValid() || r.IsZero() || (r.Kind() == reflect.Map || r.Kind() == reflect.Slice) && r.Len() == 0 {
		return instead, b.spend(0)
	}
	return v, b.spend(0)
}

// first are the first items of a list, or all if there are fewer: first 5 .Alerts.
func (b *budget) first(most int, list any) (any, error) {
	v := reflect.ValueOf(list)
	switch {
	case !v.IsValid():
		return nil, b.spend(0)
	case v.Kind() != reflect.Slice:
		return nil, fmt.Errorf("first wants a list, not %s", v.Type())
	case most < 0:
		return nil, fmt.Errorf("first %d: less than none", most)
	}
	return v.Slice(0, min(most, v.Len())).Interface(), b.spend(0)
}

// duration writes a duration as people do: "1h30m".
func (b *budget) duration(d time.Duration) (string, error) {
	switch {
	case d >= 10*time.Minute || d <= -10*time.Minute:
		d = d.Round(time.Minute)
	case d >= time.Second || d <= -time.Second:
		d = d.Round(time.Second)
	}
	return tree.FormatDuration(d), b.spend(0)
}

// since is how long before the message a time was.
func (b *budget) since(v any) (time.Duration, error) {
	t, err := moment(v)
	if err != nil || t.IsZero() {
		return 0, err
	}
	return max(b.at.Sub(t), 0), b.spend(0)
}

// time writes a time in a time zone: time "Europe/Berlin" .Opened. The empty zone is that of
// the machine. Nothing is written for no time.
func (b *budget) time(zone string, v any) (string, error) {
	t, err := moment(v)
	if err != nil || t.IsZero() {
		return "", err
	}
	where := time.Local
	if zone != "" {
		if where, err = time.LoadLocation(zone); err != nil {
			return "", fmt.Errorf("unknown time zone %q: write the like of Europe/Berlin", Truncate(zone, 64))
		}
	}
	// Reading a time zone reads a file.
	return t.In(where).Format("2006-01-02 15:04:05 MST"), b.spend(8 << 10)
}

// unix writes a time as seconds since 1970.
func (b *budget) unix(v any) (int64, error) {
	t, err := moment(v)
	return t.Unix(), errors.Join(err, b.spend(0))
}

func moment(v any) (time.Time, error) {
	switch v := v.(type) {
	case time.Time:
		return v, nil
	case *time.Time:
		if v == nil {
			return time.Time{}, nil
		}
		return *v, nil
	}
	return time.Time{}, fmt.Errorf("want a time, not %T", v)
}

// number writes a number with so many digits after the point, and what is none as it is.
func (b *budget) number(digits int, v any) (string, error) {
	s, err := b.text(v)
	if err != nil {
		return "", err
	}
	if digits < 0 || digits > 20 {
		return "", fmt.Errorf("number with %d digits: 0 to 20", digits)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || math.Abs(f) > 1e18 {
		return s, nil
	}
	return strconv.FormatFloat(f, 'f', digits, 64), nil
}

// mark is a word for a status or severity that is seen at the beginning of a line: "[RED]".
func (b *budget) mark(v any) (string, error) {
	s, err := b.text(v)
	switch s {
	case tree.Green.String(), tree.Cleared.String():
		s = "ok"
	case tree.White.String():
		s = "no data"
	}
	return "[" + strings.ToUpper(s) + "]", err
}

// Truncate cuts a text to so many characters, of which the last three are then dots.
func Truncate(s string, most int) string {
	if len(s) <= most || utf8.RuneCountInString(s) <= most {
		return s
	}
	keep, dots := max(most-3, 0), "..."[:min(max(most, 0), 3)]
	n := 0
	for i := range s {
		if n == keep {
			return s[:i] + dots
		}
		n++
	}
	return s
}
