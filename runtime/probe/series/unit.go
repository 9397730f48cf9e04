package series

import "strings"

// units are what the words mean in which names of metrics end ("Metric and label
// naming", prometheus.io/docs/practices/naming, "Base units").
var units = map[string]string{
	"seconds": "s", "milliseconds": "ms", "microseconds": "µs", "nanoseconds": "ns",
	"bytes": "bytes", "bits": "bits", "ratio": "ratio", "percent": "%", "celsius": "°C",
	"volts": "V", "amperes": "A", "watts": "W", "joules": "J", "hertz": "Hz", "meters": "m", "grams": "g",
}

// unit says what the name of a metric tells of an item's number.
func (q *query) unit() (unit string, counter bool) {
	name := q.name
	switch q.op {
	case count:
		return "", false
	case histogramCount:
		return "", true
	case histogramSum:
		name += "_sum"
	}
	// The parts of a histogram and of a summary, and counters (OpenMetrics 1.0.0, "Suffixes").
	for _, suffix := range []string{"_total", "_sum", "_count", "_bucket"} {
		base, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		counter = q.op == one || q.op == sum || q.op == histogramSum
		if suffix == "_count" || suffix == "_bucket" {
			return "", counter
		}
		name = base
		break
	}
	word := name[strings.LastIndexByte(name, '_')+1:]
	if len(word) == len(name) {
		return "", counter
	}
	return units[word], counter
}
