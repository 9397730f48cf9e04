package metric

import "testing"

func TestValuesHaveTheUnitOfTheName(t *testing.T) {
	for _, c := range []struct {
		metric, unit string
		value        float64
		wantUnit     string
		want         float64
	}{
		{"host_cpu_used_ratio", "%", 42.5, "ratio", 0.425},
		{"host_cpu_used_ratio", "ratio", 0.5, "ratio", 0.5},
		{"host_cpu_used_percent", "%", 42, "percent", 42},
		{"answer_seconds", "ms", 3, "seconds", 0.003},
		{"answer_seconds", "µs", 250, "seconds", 0.00025},
		{"answer_milliseconds", "ms", 3, "milliseconds", 3},
		{"uptime_seconds", "d", 2, "seconds", 172800},
		{"busy_seconds_total", "min", 1.5, "seconds", 90},
		{"size_bytes", "KiB", 3, "bytes", 3072},
		{"size_bytes", "kB", 3, "bytes", 3000},
		{"size_bytes", "B", 3, "bytes", 3},
		{"read_bytes_per_second", "MiB/s", 2, "bytes_per_second", 2 << 20},
		{"read_bytes_per_second", "bytes/s", 2, "bytes_per_second", 2},
		{"errors_per_second", "errors/s", 2, "errors/s", 2},
		{"size_bytes", "bit", 8, "bit", 8},
		{"speed_bytes_per_second", "bit/s", 8, "bit/s", 8},
		{"answer_seconds", "KiB", 3, "KiB", 3},
		{"answer", "ms", 3, "ms", 3},
		{"seconds", "ms", 3, "ms", 3}, // the whole name, so no unit
		{"room_celsius", "°C", 21, "celsius", 21},
		{"answer_seconds", "", 3, "", 3},
	} {
		unit, scale := BaseUnit(c.metric, c.unit)
		if got := scale.Of(c.value); unit != c.wantUnit || got != c.want {
			t.Errorf("%s in %q: %v is %v %q, want %v %q", c.metric, c.unit, c.value, got, unit, c.want, c.wantUnit)
		}
		if back := scale.Back(c.want); back != c.value {
			t.Errorf("%s in %q: %v is %v back, want %v", c.metric, c.unit, c.want, back, c.value)
		}
	}
}

func TestEveryScaleHasOneSide(t *testing.T) {
	for word, units := range scales {
		bases := 0
		for unit, s := range units {
			if s.times != 1 && s.over != 1 || s.times < 1 || s.over < 1 {
				t.Errorf("%s of %s: %v", unit, word, *s)
			}
			if s == Identity {
				bases++
			}
		}
		if bases == 0 {
			t.Errorf("%s has no unit of its own", word)
		}
	}
}
