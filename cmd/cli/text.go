package cli

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// unsafeOnTerminal holds for characters that a terminal would obey.
func unsafeOnTerminal(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}

// quantity writes a number with its unit as people read it: 1.5 GiB, 12 ms, 37.2 %.
func quantity(v float64, unit string) string {
	switch unit {
	case "bytes", "B", "bytes/s", "B/s":
		suffix := ""
		if strings.HasSuffix(unit, "/s") {
			suffix = "/s"
		}
		for _, p := range [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"} {
			if math.Abs(v) < 1024 || p == "PiB" {
				return digits(v) + " " + p + suffix
			}
			v /= 1024
		}
	case "s":
		switch a := math.Abs(v); {
		case a == 0:
			return "0 s"
		case a < 1e-3:
			return digits(v*1e6) + " µs"
		case a < 1:
			return digits(v*1e3) + " ms"
		case a < 120:
			return digits(v) + " s"
		case a < 7200:
			return digits(v/60) + " min"
		case a < 172800:
			return digits(v/3600) + " h"
		}
		return digits(v/86400) + " d"
	case "%":
		if v > 0 && v < 0.01 {
			return "< 0.01 %"
		}
	case "":
		return digits(v)
	}
	return digits(v) + " " + unit
}

// digits writes a number with three digits that count, and whole numbers whole.
func digits(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	switch a := math.Abs(v); {
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.01:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
