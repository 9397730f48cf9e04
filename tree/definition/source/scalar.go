package source

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// scalarText returns the text of a scalar that says something; want is what the
// reader hopes for, "a whole number".
func (v *Value) scalarText(want string) (string, *Error) {
	if v.Kind != Scalar || v.Null {
		return "", v.wrong(want)
	}
	return v.Text, nil
}

// wrong is the error about a value that is not what the reader wants.
func (v *Value) wrong(want string) *Error {
	return Errorf(v.Pos, "want %s, not %s", want, v.Describe())
}

// Str returns the text of a scalar, whatever it looks like.
func (v *Value) Str() (string, *Error) { return v.scalarText("a text") }

// Strings returns the texts of a list of scalars; one scalar counts as a list of one
// and nothing as an empty list.
func (v *Value) Strings() ([]string, *Error) {
	if v.Null {
		return nil, nil
	}
	if v.Kind == Scalar {
		return []string{v.Text}, nil
	}
	if v.Kind != List {
		return nil, v.wrong("a list of texts")
	}
	out := make([]string, 0, len(v.Items))
	for i := range v.Items {
		text, err := v.Items[i].Str()
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

const (
	wantInt      = "a whole number"
	wantFloat    = "a number"
	wantPercent  = "a percentage such as 10%"
	wantBool     = "true or false"
	wantDuration = "a duration such as 30s, 5m or 1h30m"
	wantBytes    = "an amount of bytes such as 4096, 64 KiB or 10 MB"
)

// Int returns a whole number; digits may be grouped, 1_000.
func (v *Value) Int() (int64, *Error) {
	text, bad := v.scalarText(wantInt)
	if bad != nil {
		return 0, bad
	}
	n, err := parseInt(text)
	if errors.Is(err, strconv.ErrRange) {
		return 0, Errorf(v.Pos, "%s does not fit into 64 bits", v.Describe())
	}
	if err != nil {
		return 0, v.wrong(wantInt)
	}
	return n, nil
}

// Float returns a finite number; digits may be grouped, 1_000.5.
func (v *Value) Float() (float64, *Error) {
	text, bad := v.scalarText(wantFloat)
	if bad != nil {
		return 0, bad
	}
	f, ok := parseFloat(text)
	if !ok {
		return 0, v.wrong(wantFloat)
	}
	return f, nil
}

// Percent returns the fraction that a percentage stands for: 0.1 for "10%".
func (v *Value) Percent() (float64, *Error) {
	text, bad := v.scalarText(wantPercent)
	if bad != nil {
		return 0, bad
	}
	number, ok := strings.CutSuffix(text, "%")
	f, isNumber := parseFloat(strings.TrimRight(number, " "))
	if !ok || !isNumber {
		return 0, v.wrong(wantPercent)
	}
	return f / 100, nil
}

// Bool returns true for true, yes and on, false for false, no and off.
func (v *Value) Bool() (bool, *Error) {
	text, bad := v.scalarText(wantBool)
	if bad != nil {
		return false, bad
	}
	switch strings.ToLower(text) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off":
		return false, nil
	}
	return false, v.wrong(wantBool)
}

// Duration returns a duration as ParseDuration reads it.
func (v *Value) Duration() (time.Duration, *Error) {
	text, bad := v.scalarText(wantDuration)
	if bad != nil {
		return 0, bad
	}
	d, err := ParseDuration(text)
	if err != nil {
		return 0, Errorf(v.Pos, "%w", err)
	}
	return d, nil
}

// Bytes returns an amount of bytes as ParseBytes reads it.
func (v *Value) Bytes() (int64, *Error) {
	text, bad := v.scalarText(wantBytes)
	if bad != nil {
		return 0, bad
	}
	n, err := ParseBytes(text)
	if err != nil {
		return 0, Errorf(v.Pos, "%w", err)
	}
	return n, nil
}

// parseInt reads decimal digits with an optional sign. Other bases are refused: who
// writes 010 rarely means eight.
func parseInt(text string) (int64, error) {
	text, ok := ungroup(text)
	if !ok || !decimal(text) {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(text, 10, 64)
}

// parseFloat reads a finite decimal number.
func parseFloat(text string) (float64, bool) {
	text, ok := ungroup(text)
	if !ok || strings.Trim(text, "0123456789.eE+-") != "" || strings.ContainsAny(text, "xXpP") {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, false
	}
	return f, true
}

// ungroup removes underscores, each of which must stand between two digits.
func ungroup(text string) (string, bool) {
	if !strings.Contains(text, "_") {
		return text, true
	}
	digit := func(i int) bool { return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9' }
	for i := range len(text) {
		if text[i] == '_' && !(digit(i-1) && digit(i+1)) {
			return "", false
		}
	}
	return strings.ReplaceAll(text, "_", ""), true
}

func decimal(text string) bool {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// ParseDuration reads a duration: numbers with the units w (7 days), d (24 hours),
// h, m, s, ms, us, ns, the larger ones first: "30s", "1h30m", "2d", "1.5s"; spaces
// between the parts are allowed, and 0 needs no unit.
func ParseDuration(text string) (time.Duration, error) {
	wrong := func() error { return fmt.Errorf("want %s, not %q", wantDuration, cut(text)) }
	rest := strings.TrimSpace(text)
	negative := strings.HasPrefix(rest, "-")
	rest = strings.TrimPrefix(rest, "-")
	if rest == "0" {
		return 0, nil
	}
	if rest == "" {
		return 0, wrong()
	}
	if decimal(rest) && rest[0] != '-' && rest[0] != '+' {
		return 0, fmt.Errorf("the duration %q needs a unit, such as %ss", cut(text), cut(rest))
	}
	var sum float64 // of nanoseconds, to find overflow
	var total time.Duration
	last := math.Inf(1)
	for rest = strings.TrimLeft(rest, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		number := rest[:n]
		rest = rest[n:]
		n = len(rest) - len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzµμ"))
		unit, ok := durationUnits[rest[:n]]
		rest = rest[n:]
		f, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || float64(unit) >= last {
			return 0, wrong()
		}
		last = float64(unit)
		sum += f * float64(unit)
		if sum > math.MaxInt64/2 {
			return 0, fmt.Errorf("the duration %q is too long, at most 146 years are allowed", cut(text))
		}
		whole, fraction := math.Modf(f)
		total += time.Duration(whole)*unit + time.Duration(math.Round(fraction*float64(unit)))
	}
	if negative {
		total = -total
	}
	return total, nil
}

var durationUnits = map[string]time.Duration{
	"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second,
	"ms": time.Millisecond, "us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond, "ns": time.Nanosecond,
}

// ParseBytes reads an amount of bytes: a number, or a number with a unit of 1000 (kB,
// MB, GB, TB) or 1024 (KiB, MiB, GiB, TiB), in any case.
func ParseBytes(text string) (int64, error) {
	wrong := fmt.Errorf("want %s, not %q", wantBytes, cut(text))
	t := strings.TrimSpace(text)
	n := len(t) - len(strings.TrimLeft(t, "0123456789._"))
	unit, ok := byteUnits[strings.ToLower(strings.TrimSpace(t[n:]))]
	f, isNumber := parseFloat(t[:n])
	if !ok || !isNumber {
		return 0, wrong
	}
	f *= float64(unit)
	if f >= math.MaxInt64 {
		return 0, fmt.Errorf("the amount %q does not fit into 64 bits", cut(text))
	}
	if f != math.Trunc(f) && unit == 1 {
		return 0, wrong
	}
	return int64(f), nil
}

var byteUnits = map[string]int64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// cut shortens a text for a message.
func cut(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
