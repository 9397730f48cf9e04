package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzSpans adds spans and compares with a set of numbers.
func FuzzSpans(f *testing.F) {
	f.Add([]byte{1, 3, 3, 5, 9, 12, 0, 1})
	f.Add([]byte{5, 9, 1, 2, 2, 5, 0, 30})
	f.Fuzz(func(t *testing.T, bytes []byte) {
		var s spans
		have := map[int64]bool{}
		for i := 0; i+1 < len(bytes); i += 2 {
			one := span{int64(bytes[i]), int64(bytes[i+1])}
			touched := false
			for n := one.low + 1; n <= one.high; n++ {
				touched = touched || have[n]
			}
			if one.low < one.high && s.touches(one) != touched {
				t.Errorf("%v touches %v", s, one)
			}
			s = s.add(one)
			for n := one.low + 1; n <= one.high; n++ {
				have[n] = true
			}
		}
		got := map[int64]bool{}
		for i, one := range s {
			if one.low >= one.high || i > 0 && s[i-1].high >= one.low {
				t.Fatalf("%v", s)
			}
			for n := one.low + 1; n <= one.high; n++ {
				got[n] = true
			}
		}
		if d := cmp.Diff(have, got); d != "" {
			t.Error(d)
		}
		for n := range int64(257) {
			if s.has(n) != have[n] {
				t.Errorf("%v has %d: %v", s, n, s.has(n))
			}
		}
		if len(s) > 0 {
			all := int64(len(have))
			if first := s[0].low; s.missing() != s.end()-first-all {
				t.Errorf("%v misses %d", s, s.missing())
			}
		}
	})
}
