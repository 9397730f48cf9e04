// Package quantity writes values for people: a few figures, with units of a fitting size.
package quantity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"grove/tree"
)

// thin is a space that does not break a line.
const thin = "\u202f"

// Show writes a value with its unit for people: about four figures, bytes in KiB and
// larger, seconds in ms or in hours.
func Show(v tree.Value, unit string) string {
	n, isNumber := v.Number()
	if !isNumber {
		return v.String()
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return strings.TrimSpace(v.String() + thin + unit)
	}
	head, tail, _ := strings.Cut(unit, "/")
	if tail != "" {
		tail = "/" + tail
	}
	switch head {
	case "bytes", "byte", "B":
		return scaled(n, 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}, tail)
	case "s", "seconds":
		if tail == "" {
			return showSeconds(n)
		}
	case "ms", "milliseconds":
		if tail == "" {
			return showSeconds(n / 1e3)
		}
	case "%", "percent":
		return figures(math.Round(n*10)/10) + thin + "%" + tail
	case "bit", "bits", "Hz", "V", "W", "A":
		return scaled(n, 1000, []string{"", "k", "M", "G", "T", "P", "E"}, strings.TrimSuffix(head, "s")+tail)
	case "1":
		head = ""
	}
	return strings.TrimSuffix(figures(n)+thin+head+tail, thin)
}

func scaled(v, base float64, prefixes []string, tail string) string {
	step := 0
	for math.Abs(v) >= base*0.9995 && step < len(prefixes)-1 {
		v /= base
		step++
	}
	return strings.TrimSuffix(figures(v)+thin+prefixes[step]+tail, thin)
}

func showSeconds(v float64) string {
	size := math.Abs(v)
	switch {
	case v == 0:
		return "0" + thin + "s"
	case size < 1e-6:
		return figures(v*1e9) + thin + "ns"
	case size < 1e-3:
		return figures(v*1e6) + thin + "µs"
	case size < 1:
		return figures(v*1e3) + thin + "ms"
	case size < 120 || size > 1e9:
		return figures(v) + thin + "s"
	case v < 0:
		return "−" + Duration(time.Duration(size*float64(time.Second)))
	}
	return Duration(time.Duration(v * float64(time.Second)))
}

// Duration writes a duration in its two largest units: "3 h 12 min".
func Duration(d time.Duration) string {
	two := func(a time.Duration, an string, b time.Duration, bn string) string {
		s := fmt.Sprintf("%d%s%s", a, thin, an)
		if b > 0 {
			s += fmt.Sprintf(" %d%s%s", b, thin, bn)
		}
		return s
	}
	s := d.Round(time.Second) / time.Second
	switch m, h := s/60, s/3600; {
	case s < 60:
		return two(s, "s", 0, "")
	case h == 0:
		return two(m, "min", s%60, "s")
	case h < 24:
		return two(h, "h", m%60, "min")
	default:
		return two(h/24, "d", h%24, "h")
	}
}

// figures writes a number with about four significant figures and grouped thousands.
func figures(v float64) string {
	size := math.Abs(v)
	digits := 0
	if v != math.Trunc(v) {
		switch {
		case size < 0.001 && size > 0:
			return strings.Replace(strconv.FormatFloat(v, 'e', 2, 64), "-", "−", 1)
		case size < 1:
			digits = 3
		case size < 10:
			digits = 2
		case size < 1000:
			digits = 1
		}
	}
	if size >= 1e15 {
		return strconv.FormatFloat(v, 'g', 5, 64)
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(size, 'f', digits, 64), ".")
	if len(whole) > 4 {
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + thin + whole[i:]
		}
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		whole += "." + fraction
	}
	if v < 0 && strings.ContainsAny(whole, "123456789") {
		whole = "−" + whole
	}
	return whole
}
