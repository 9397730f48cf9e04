package metric

import "strings"

// Definitions show people the unit that reads best, such as 42 % or 12 ms; metrics
// are wanted in base units, which their names end in ("Metric and label naming",
// prometheus.io/docs/practices/naming, "Base units": seconds, celsius, meters, bytes,
// ratio "0-1 rather than percentage", volts, amperes, joules, grams). So a value is
// converted when the name of its metric says the base unit and its own unit is
// another of the same quantity. Any other pair is left as it is.

// Scale converts a value to a base unit: value * times / over. One of them is 1, so
// that the result is the number nearest to the true one.
type Scale struct{ times, over float64 }

// Of returns the value in the base unit.
func (s *Scale) Of(v float64) float64 { return v * s.times / s.over }

// Back returns the value in the node's own unit of one in the base unit.
func (s *Scale) Back(v float64) float64 { return v * s.over / s.times }

// Identity is the scale of the base units themselves.
var Identity = &Scale{1, 1}

func times(f float64) *Scale { return &Scale{f, 1} }
func over(f float64) *Scale  { return &Scale{1, f} }

// scales says by the word in the metric's name which units there are, and how they
// become the base unit. kB is 1000 bytes and KiB 1024 (IEC 80000-13). Bits are
// another quantity than bytes, and temperatures have offsets, not scales.
var scales = map[string]map[string]*Scale{
	"ratio": {"ratio": Identity, "%": over(100), "percent": over(100), "‰": over(1000)},
	"seconds": {
		"s": Identity, "seconds": Identity, "ns": over(1e9), "us": over(1e6), "µs": over(1e6), "μs": over(1e6), "ms": over(1e3),
		"min": times(60), "h": times(3600), "d": times(86400),
	},
	"bytes": {
		"B": Identity, "bytes": Identity, "kB": times(1e3), "MB": times(1e6), "GB": times(1e9), "TB": times(1e12),
		"KiB": times(1 << 10), "MiB": times(1 << 20), "GiB": times(1 << 30), "TiB": times(1 << 40),
	},
	"volts":   {"V": Identity, "mV": over(1e3), "kV": times(1e3)},
	"amperes": {"A": Identity, "mA": over(1e3)},
	"watts":   {"W": Identity, "mW": over(1e3), "kW": times(1e3), "MW": times(1e6)},
	"joules":  {"J": Identity, "kJ": times(1e3), "Wh": times(3600), "kWh": times(3.6e6)},
	"hertz":   {"Hz": Identity, "kHz": times(1e3), "MHz": times(1e6), "GHz": times(1e9)},
	"meters":  {"m": Identity, "mm": over(1e3), "cm": over(100), "km": times(1e3)},
	"grams":   {"g": Identity, "mg": over(1e3), "kg": times(1e3)},
	"celsius": {"°C": Identity},
	// Units that are not base units, but what a name may say of itself.
	"milliseconds": {"ms": Identity},
	"percent":      {"%": Identity},
}

// perSecond ends the names and units of rates.
const perSecondName, perSecondUnit = "_per_second", "/s"

// BaseUnit returns the unit that the values of a metric have by its name, in the words
// of OpenMetrics, and how a value in the definition's unit becomes one. When the name
// says none that goes with the definition's unit, it is the latter, and nothing is
// converted.
func BaseUnit(metric, unit string) (string, *Scale) {
	name, from := strings.TrimSuffix(metric, "_total"), unit
	rate := ""
	if n, ok := strings.CutSuffix(name, perSecondName); ok && strings.HasSuffix(unit, perSecondUnit) {
		name, from, rate = n, strings.TrimSuffix(unit, perSecondUnit), perSecondName
	}
	word := name[strings.LastIndexByte(name, '_')+1:]
	if s := scales[word][from]; s != nil && len(word) < len(name) {
		return word + rate, s
	}
	return unit, Identity
}
