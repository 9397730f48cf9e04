// Package metric says what a node is called where Prometheus' conventions hold: in the
// exporter's answers, in the history, in PromQL, in dashboards and rules. All of them
// mean the same series by the same name and labels.
package metric

import (
	"maps"
	"slices"
	"strings"

	"grove/tree"
)

// The families that every tree has, all with the label "path".
const (
	Value       = "grove_node_value"                     // of nodes without a metric of their own; label "unit" where there is one
	Status      = "grove_node_status"                    // 0 white, 1 green, 2 yellow, 3 red
	State       = "grove_node_state"                     // the same as a state set; label "grove_node_state"; exports only
	ReadingTime = "grove_node_reading_timestamp_seconds" // Unix time of the last reading
	GroupNodes  = "grove_group_nodes"                    // attributes anywhere below a group; label "status"
)

// Label is a name with a value.
type Label struct{ Name, Value string }

// Series is what the value of a node is called.
type Series struct {
	Name   string  // of the family: the node's own metric or Value
	Labels []Label // sorted by name, "path" among them, without the family's name
	Unit   string  // of the values: the base unit that the name says, or the node's own
	Scale  *Scale  // from the node's unit to Unit
}

// SeriesOf names the series of the values of a node. A metric that cannot be used
// leaves the generic one, and labels that cannot be used are left out.
func SeriesOf(path tree.Path, spec *tree.Spec) Series {
	s := Series{Name: Value, Scale: Identity, Labels: []Label{{"path", path.String()}}}
	if spec == nil {
		return s
	}
	s.Unit = spec.Unit
	if spec.Metric == "" || RefuseName(spec.Metric) != "" {
		if spec.Unit != "" {
			s.Labels = append(s.Labels, Label{"unit", spec.Unit})
		}
		return s
	}
	s.Name = spec.Metric
	s.Unit, s.Scale = BaseUnit(spec.Metric, spec.Unit)
	for _, name := range slices.Sorted(maps.Keys(spec.Labels)) {
		if ValidLabel(name) {
			s.Labels = append(s.Labels, Label{name, strings.ToValidUTF8(spec.Labels[name], "�")})
		}
	}
	slices.SortFunc(s.Labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// ValidLabel holds for the names that a definition may give a label.
func ValidLabel(name string) bool {
	return ValidName(name) && !strings.HasPrefix(name, "__") && name != "path"
}

// ValidName holds for the names that every Prometheus takes. Colons are for
// recording rules.
func ValidName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= '0' && c <= '9' && i > 0) {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

// reservedSuffixes belong to the samples of other types (OpenMetrics 1.0.0,
// "Suffixes"); a gauge with one of them could be taken for such a sample.
var reservedSuffixes = []string{"_bucket", "_count", "_sum", "_created", "_info", "_gcount", "_gsum"}

// RefuseName says why a definition's metric name cannot be used; it is empty when
// it can.
func RefuseName(name string) string {
	if !ValidName(name) {
		return "is not a metric name: letters, digits and underscores"
	}
	for _, s := range reservedSuffixes {
		if strings.HasSuffix(name, s) {
			return "ends in " + s + ", which is reserved for other types of metrics"
		}
	}
	if strings.TrimSuffix(name, "_total") == "" {
		return "has nothing before _total"
	}
	return ""
}
