package prometheus

import (
	"strings"

	dto "github.com/prometheus/client_model/go"

	"grove/tree/metric"
)

// The families that every tree has.
const (
	nameValue     = metric.Value
	nameStatus    = metric.Status
	nameTime      = metric.ReadingTime
	nameGroup     = metric.GroupNodes
	nameConflicts = "grove_export_conflicts"
)

// family is a set of samples under one name.
type family struct {
	name    string // in the text format; a counter's ends in _total
	counter bool
	unit    string // of what is written; see metric.BaseUnit
	help    string
	rows    []int32 // rising positions in table.rows
}

// claims are the names that families have taken. OpenMetrics (1.0.0, "MetricFamily
// Name") forbids two families that share a name or whose samples could.
type claims map[string]struct{}

// claim takes names if none of them is taken.
func (c claims) claim(names []string) bool {
	for _, n := range names {
		if _, ok := c[n]; ok {
			return false
		}
	}
	for _, n := range names {
		c[n] = struct{}{}
	}
	return true
}

func (f *family) claims() []string {
	if f.counter {
		return counterClaims(f.name)
	}
	return []string{f.name}
}

func counterClaims(name string) []string {
	short := strings.TrimSuffix(name, "_total")
	return []string{short, short + "_total", short + "_created"}
}

func ownClaims(f *dto.MetricFamily) []string {
	name := f.GetName()
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		return counterClaims(name)
	case dto.MetricType_SUMMARY:
		return []string{name, name + "_sum", name + "_count", name + "_created"}
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		return []string{name, name + "_bucket", name + "_sum", name + "_count", name + "_created", name + "_gsum", name + "_gcount"}
	}
	return []string{name}
}

// openUnit is the unit to declare in OpenMetrics, which must be how the name of the
// family ends; it is empty otherwise.
func (f *family) openUnit(name string) string {
	if f.unit != "" && metric.ValidName(f.unit) && strings.HasSuffix(name, "_"+f.unit) {
		return f.unit
	}
	return ""
}
