package quantity

import (
	"strings"
	"testing"

	"grove/tree"
)

func TestShow(t *testing.T) {
	for _, tc := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "", "0"}, {1234567, "", "1 234 567"}, {-0.5, "", "−0.5"}, {12.345, "connections", "12.3 connections"}, {1536, "bytes", "1.5 KiB"},
		{2e6, "bytes/s", "1.91 MiB/s"}, {97.25, "%", "97.3 %"}, {0.0625, "s", "62.5 ms"}, {3720, "s", "1 h 2 min"}, {90061, "s", "1 d 1 h"},
		{1e-7, "s", "100 ns"}, {1e300, "x", "1e+300 x"}, {1e-9, "", "1.00e−09"}, {0.42, "1", "0.42"}, {1e9, "bit/s", "1 Gbit/s"}, {-3720, "s", "−1 h 2 min"},
	} {
		if got := strings.ReplaceAll(Show(tree.Number(tc.v), tc.unit), thin, " "); got != tc.want {
			t.Errorf("%v %s: %q, want %q", tc.v, tc.unit, got, tc.want)
		}
	}
}
