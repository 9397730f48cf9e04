package prometheus

import (
	"strings"

	dto "github.com/prometheus/client_model/go"

	"grove/tree/metric"
)

// nameConflicts counts what [Exporter.Conflicts] says.
const nameConflicts = "grove_export_conflicts"

// family is a set of samples under one name.
type family struct {
	metric.Family
	rows []int32 // rising positions in table.rows
}

func ownClaims(f *dto.MetricFamily) []string {
	name := f.GetName()
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		return metric.CounterClaims(name)
	case dto.MetricType_SUMMARY:
		return []string{name, name + "_sum", name + "_count", name + "_created"}
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		return []string{name, name + "_bucket", name + "_sum", name + "_count", name + "_created", name + "_gsum", name + "_gcount"}
	}
	return []string{name}
}

// openUnit is the unit to declare in OpenMetrics, which must be how the name of the
// family ends; it is empty otherwise.
func openUnit(unit, name string) string {
	if unit != "" && metric.ValidName(unit) && strings.HasSuffix(name, "_"+unit) {
		return unit
	}
	return ""
}
