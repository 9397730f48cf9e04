package grafana

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// names are Grafana's names of units, by those of definitions and by the base units of
// package metric. Bytes are shown in powers of 1024, as grove's own page does.
var names = map[string]string{
	"": units.Short, "ratio": units.PercentUnit, "%": units.Percent, "percent": units.Percent, "‰": "suffix: ‰",
	"s": units.Seconds, "seconds": units.Seconds, "ns": units.Nanoseconds, "us": units.Microseconds, "µs": units.Microseconds, "μs": units.Microseconds,
	"ms": units.Milliseconds, "milliseconds": units.Milliseconds, "min": units.Minutes, "h": units.Hours, "d": units.Days,
	"B": units.BytesIEC, "bytes": units.BytesIEC, "kB": units.Kilobytes, "MB": units.Megabytes, "GB": units.Gigabytes, "TB": units.Terabytes,
	"KiB": units.Kibibytes, "MiB": units.Mebibytes, "GiB": units.Gibibytes, "TiB": units.Tebibytes,
	"bit": units.BitsSI, "bits": units.BitsSI,
	"bytes_per_second": units.BytesPerSecondIEC, "bytes/s": units.BytesPerSecondIEC, "B/s": units.BytesPerSecondIEC, "bit/s": units.BitsPerSecondSI, "bits/s": units.BitsPerSecondSI,
	"packets/s": units.PacketsPerSecond, "requests/s": units.RequestsPerSecond, "reads/s": units.ReadsPerSecond, "writes/s": units.WritesPerSecond,
	"messages/s": units.MessagesPerSecond, "events/s": units.EventsPerSecond, "rows/s": units.RowsPerSecond,
	"celsius": units.Celsius, "°C": units.Celsius, "V": units.Volt, "volts": units.Volt, "A": units.Ampere, "amperes": units.Ampere,
	"W": units.Watt, "watts": units.Watt, "kW": units.KiloWatt, "J": units.Joule, "joules": units.Joule, "Wh": units.WattHour, "kWh": units.KiloWattHour,
	"Hz": units.Hertz, "hertz": units.Hertz, "m": units.Meter, "meters": units.Meter, "mm": units.Millimeter, "km": units.Kilometer,
	"g": units.Gram, "grams": units.Gram, "kg": units.Kilogram,
}

// unitName returns Grafana's name of a unit; what it has none for is written behind the
// number.
func unitName(unit string) string {
	if name, ok := names[unit]; ok {
		return name
	}
	if base, ok := strings.CutSuffix(unit, "_per_second"); ok {
		return unitName(base + "/s")
	}
	return "suffix: " + unit
}
