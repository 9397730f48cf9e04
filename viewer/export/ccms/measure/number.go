package measure

import (
	"math"
	"strconv"
	"strings"

	"grove/tree"
	"grove/viewer/export/ccms/name"
)

// units are those of four characters for units that have more.
var units = map[string]string{
	"ms": "msec", "percent": "%", "seconds": "s", "milliseconds": "msec", "minutes": "min", "hours": "h", "days": "d",
	"bytes": "B", "bytes/s": "B/s", "bit/s": "b/s", "Mbit/s": "Mb/s", "bits/s": "b/s",
	"connections": "conn", "connections/s": "/s", "requests": "req", "requests/s": "/s", "packets": "pkt", "packets/s": "/s",
	"processes": "proc", "threads": "thrd", "files": "file", "sessions": "sess", "users": "user", "entries": "entr",
	"errors": "err", "errors/s": "/s", "nodes": "node", "messages": "msg", "messages/s": "/s", "celsius": "°C", "threads/s": "/s",
}

// MaxUnit is the length of field VALUNIT, in characters.
const MaxUnit = 4

// Unit makes a unit fit into field VALUNIT. One that has to be cut loses letters; the
// whole one is given beside it.
func Unit(text string) string {
	if short, ok := units[text]; ok {
		return short
	}
	return strings.TrimSpace(name.Clip(text, MaxUnit))
}

// places is how many digits after the point the values of a unit have, where nothing
// else says.
var places = map[string]int{
	"s": 3, "seconds": 3, "h": 2, "d": 2, "days": 2, "ratio": 4, "%": 2, "percent": 2, "ms": 3, "V": 3, "A": 3, "°C": 1,
	"bytes": 0, "B": 0, "connections": 0, "requests": 0, "processes": 0, "nodes": 0, "files": 0, "sessions": 0,
}

const (
	defaultPlaces = 2
	maxPlaces     = 6
)

// Decimals is how many digits after the point an attribute has: those of its unit, and
// more where a border of its thresholds needs them.
func Decimals(unit string, th *Threshold) int {
	n, ok := places[unit]
	if !ok {
		n = defaultPlaces
		if strings.HasSuffix(unit, "/s") {
			n = 3
		}
	}
	if th != nil {
		for _, border := range []*float64{th.GreenToYellow, th.YellowToRed, th.RedToYellow, th.YellowToGreen} {
			if border != nil {
				n = max(n, digitsAfter(*border))
			}
		}
	}
	return n
}

// digitsAfter counts the digits after the point that a number needs.
func digitsAfter(v float64) int {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	_, after, _ := strings.Cut(text, ".")
	return min(len(after), maxPlaces)
}

// Stored is a value as CCMS stores it: value * 10^decimals, without a fraction. In SAP's
// tables it has four bytes; here it has eight, and what goes beyond ends at the border.
func Stored(v float64, decimals int) int64 {
	scaled := math.Round(v * math.Pow10(decimals))
	switch {
	case math.IsNaN(scaled):
		return 0
	case scaled >= math.MaxInt64:
		return math.MaxInt64
	case scaled <= math.MinInt64:
		return math.MinInt64
	}
	return int64(scaled)
}

// Describe writes a value and its unit as clients expect it: one blank between them, and
// none elsewhere in what is a number, since they split there.
func Describe(kind tree.Kind, value tree.Value, u string) string {
	v, isNumber := value.Number()
	if kind == tree.Group || value.IsNone() {
		return ""
	}
	if !isNumber {
		return value.String()
	}
	text := strconv.FormatFloat(v, 'f', digitsShown(v), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" {
		text = "0"
	}
	return strings.TrimSpace(text + " " + Unit(u))
}

// digitsShown is how many digits after the point make six in all.
func digitsShown(v float64) int {
	size := math.Abs(v)
	if size < 1 {
		return maxPlaces
	}
	return max(0, maxPlaces-1-int(math.Log10(size)))
}
