package command

import (
	"math"
	"strings"
)

// span is a range of the Monitoring Plugins Development Guidelines, "Threshold and
// Ranges": a value that it alerts on is outside of it, or inside after an "@".
type span struct {
	low, high float64
	inside    bool
}

// parseSpan reads "10", "10:", "~:10", "10:20" and "@10:20".
func parseSpan(text string) (span, bool) {
	s := span{low: 0, high: math.Inf(1)}
	body, inside := strings.CutPrefix(text, "@")
	s.inside = inside
	low, high, two := strings.Cut(body, ":")
	if !two {
		low, high = "", low
		if high == "" {
			return s, false
		}
	}
	ok := true
	switch low {
	case "":
	case "~":
		s.low = math.Inf(-1)
	default:
		s.low, ok = number(low)
	}
	if ok && high != "" {
		s.high, ok = number(high)
	}
	return s, ok && s.low <= s.high
}

// alerts says whether a value is where it should not be.
func (s span) alerts(v float64) bool { return (v >= s.low && v <= s.high) == s.inside }

// state is what the ranges of an item say of its value; empty when nothing is known.
func (p *perf) state() string {
	warn, hasWarn := parseSpan(p.warn)
	crit, hasCrit := parseSpan(p.crit)
	switch {
	case !p.known || !hasWarn && !hasCrit:
		return ""
	case hasCrit && crit.alerts(p.value):
		return states[2]
	case hasWarn && warn.alerts(p.value):
		return states[1]
	}
	return states[0]
}
