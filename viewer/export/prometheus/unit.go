package prometheus

import "strings"

// Definitions show people the unit that reads best, such as 42 % or 12 ms; metrics
// are wanted in base units, which their names end in ("Metric and label naming",
// prometheus.io/docs/practices/naming, "Base units": seconds, celsius, meters, bytes,
// ratio "0-1 rather than percentage", volts, amperes, joules, grams). So a value is
// converted when the name of its metric says the base unit and its own unit is
// another of the same quantity. Any other pair is left as it is.

// scale converts a value to a base unit: value * times / over. One of them is 1, so
// that the result is the number nearest to the true one.
type scale struct{ times, over float64 }

func (s *scale) of(v float64) float64 { return v * s.times / s.over }

// identity is the scale of the base units themselves.
var identity = &scale{1, 1}

func times(f float64) *scale { return &scale{f, 1} }
func over(f float64) *scale  { return &scale{1, f} }

// scales says by the word in the metric's name which units there are, and how they
// become the base unit. kB is 1000 bytes and KiB 1024 (IEC 80000-13). Bits are
// another quantity than bytes, and temperatures have offsets, not scales.
var scales = map[string]map[string]*scale{
	"ratio": {"ratio": identity, "%": over(100), "percent": over(100), "‰": over(1000)},
	"seconds": {
		"s": identity, "seconds": identity, "ns": over(1e9), "us": over(1e6), "µs": over(1e6), "μs": over(1e6), "ms": over(1e3),
		"min": times(60), "h": times(3600), "d": times(86400),
	},
	"bytes": {
		"B": identity, "bytes": identity, "kB": times(1e3), "MB": times(1e6), "GB": times(1e9), "TB": times(1e12),
		"KiB": times(1 << 10), "MiB": times(1 << 20), "GiB": times(1 << 30), "TiB": times(1 << 40),
	},
	"volts":   {"V": identity, "mV": over(1e3), "kV": times(1e3)},
	"amperes": {"A": identity, "mA": over(1e3)},
	"watts":   {"W": identity, "mW": over(1e3), "kW": times(1e3), "MW": times(1e6)},
	"joules":  {"J": identity, "kJ": times(1e3), "Wh": times(3600), "kWh": times(3.6e6)},
	"hertz":   {"Hz": identity, "kHz": times(1e3), "MHz": times(1e6), "GHz": times(1e9)},
	"meters":  {"m": identity, "mm": over(1e3), "cm": over(100), "km": times(1e3)},
	"grams":   {"g": identity, "mg": over(1e3), "kg": times(1e3)},
	"celsius": {"°C": identity},
	// Units that are not base units, but what a name may say of itself.
	"milliseconds": {"ms": identity},
	"percent":      {"%": identity},
}

// perSecond ends the names and units of rates.
const perSecondName, perSecondUnit = "_per_second", "/s"

// baseUnit returns the unit that the values of a metric have by its name, in the words
// of OpenMetrics, and how a value in the definition's unit becomes one. When the name
// says none that goes with the definition's unit, it is the latter, and nothing is
// converted.
func baseUnit(metric, unit string) (string, *scale) {
	name, from := strings.TrimSuffix(metric, "_total"), unit
	rate := ""
	if n, ok := strings.CutSuffix(name, perSecondName); ok && strings.HasSuffix(unit, perSecondUnit) {
		name, from, rate = n, strings.TrimSuffix(unit, perSecondUnit), perSecondName
	}
	word := name[strings.LastIndexByte(name, '_')+1:]
	if s := scales[word][from]; s != nil && len(word) < len(name) {
		return word + rate, s
	}
	return unit, identity
}
