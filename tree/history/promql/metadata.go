package promql

import (
	"context"
	"maps"
	"slices"
)

// Metadata is what is known of a metric.
type Metadata struct {
	Type string // "gauge", "counter", ... or "unknown"
	Help string
	Unit string // as OpenMetrics has it: the end of the metric's name, or empty
}

// Metadata returns what is known of a metric, or of all when the name is empty: of at
// most limit metrics, the first by name, and at most perMetric of each. Below zero
// there is no limit, and a perMetric of zero is none either, as in Prometheus. Of a metric
// whose nodes are all hidden from whoever asks nothing is known.
func (e *Engine) Metadata(ctx context.Context, metric string, limit, perMetric int) map[string][]Metadata {
	found := map[string][]Metadata{}
	if e.opts.Metadata == nil {
		return found
	}
	known := e.opts.Metadata(ctx)
	names := []string{metric}
	if metric == "" {
		names = slices.Sorted(maps.Keys(known))
	}
	for _, name := range names {
		m := known[name]
		if len(m) == 0 {
			continue
		}
		if limit >= 0 && len(found) >= limit {
			break
		}
		if perMetric > 0 && len(m) > perMetric {
			m = m[:perMetric]
		}
		found[name] = m
	}
	return found
}
