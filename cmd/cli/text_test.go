package cli

import "testing"

func TestQuantity(t *testing.T) {
	for _, tc := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "B", "0 B"}, {1536, "B", "1.50 KiB"}, {1536, "B/s", "1.50 KiB/s"}, {1536, "bytes", "1.50 KiB"},
		{0.25, "s", "250 ms"}, {12, "", "12"}, {37.2, "%", "37.2 %"}, {8.85e-07, "%", "< 0.01 %"}, {0, "%", "0 %"},
	} {
		if got := quantity(tc.v, tc.unit); got != tc.want {
			t.Errorf("%v in %q: %s, want %s", tc.v, tc.unit, got, tc.want)
		}
	}
}
