package record

import "slices"

// span is numbers, from after low up to high.
type span struct{ low, high int64 }

// spans are spans in order that do not touch each other.
type spans []span

// add returns the spans with one more.
func (s spans) add(one span) spans {
	if one.low >= one.high {
		return s
	}
	all := make(spans, 0, len(s)+1)
	for i, old := range s {
		switch {
		case old.high < one.low:
			all = append(all, old)
		case one.high < old.low:
			return append(append(all, one), s[i:]...)
		default:
			one = span{min(one.low, old.low), max(one.high, old.high)}
		}
	}
	return append(all, one)
}

// has says whether a number is in one of them.
func (s spans) has(n int64) bool {
	i, _ := slices.BinarySearchFunc(s, n, func(one span, n int64) int {
		if one.high < n {
			return -1
		}
		return 1
	})
	return i < len(s) && s[i].low < n
}

// touches says whether one of them has a number of another span.
func (s spans) touches(one span) bool {
	return slices.ContainsFunc(s, func(old span) bool { return old.low < one.high && one.low < old.high })
}

// hole is the first of the numbers that are missing between them.
func (s spans) hole() (hole span, ok bool) {
	if len(s) < 2 {
		return span{}, false
	}
	return span{s[0].high, s[1].low}, true
}

// missing is how many numbers the holes have.
func (s spans) missing() (n int64) {
	for i := 1; i < len(s); i++ {
		n += s[i].low - s[i-1].high
	}
	return n
}

// end is the highest number.
func (s spans) end() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].high
}

// mark is the number up to which nothing is missing.
func (s spans) mark() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[0].high
}
