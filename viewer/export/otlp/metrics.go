package otlp

import (
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"grove/tree"
	"grove/tree/metric"
)

// maxPoints bounds the points of one request.
const maxPoints = 10_000

// picture is what the nodes at and below a path say now, as requests of at most
// maxPoints points. Names, labels and values are those of /metrics; a white node has no
// value.
func picture(t *tree.Tree, root tree.Path, now time.Time, of *resource.Resource, scope instrumentation.Scope) ([]*metricdata.ResourceMetrics, error) {
	view, err := t.View(root)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	b := builder{now: now, of: of, scope: scope, metrics: map[string]*points{}}
	if _, err = view.Snapshot(b.add); err != nil {
		return nil, err
	}
	b.cut()
	return b.requests, nil
}

// builder gathers points by metric.
type builder struct {
	now      time.Time
	of       *resource.Resource
	scope    instrumentation.Scope
	metrics  map[string]*points
	count    int
	requests []*metricdata.ResourceMetrics
}

// points are those of one metric, and integers those of the statuses.
type points struct {
	unit, help string
	numbers    []metricdata.DataPoint[float64]
	integers   []metricdata.DataPoint[int64]
}

func (b *builder) metric(name, unit, help string) *points {
	p := b.metrics[name]
	if p == nil {
		p = &points{unit: ucum(unit), help: help}
		b.metrics[name] = p
	}
	return p
}

// add takes one node.
func (b *builder) add(n *tree.Node) bool {
	path := attribute.NewSet(attribute.String("path", n.Path.String()))
	p := b.metric(metric.Status, "", "Status of a node: 0 white (nothing is known), 1 green, 2 yellow, 3 red.")
	p.integers = append(p.integers, metricdata.DataPoint[int64]{Attributes: path, Time: b.now, Value: int64(n.Status)})
	b.count++
	if v, ok := n.Value.Number(); ok && n.Kind != tree.Group && n.Status != tree.White {
		s := metric.SeriesOf(n.Path, n.Spec)
		labels := make([]attribute.KeyValue, len(s.Labels))
		for i, l := range s.Labels {
			labels[i] = attribute.String(l.Name, l.Value)
		}
		unit, help := s.Unit, n.Spec.Description
		if s.Name == metric.Value { // of many units: the label says which
			unit, help = "", "Value of a node, in its unit."
		}
		p := b.metric(s.Name, unit, help)
		p.numbers = append(p.numbers, metricdata.DataPoint[float64]{Attributes: attribute.NewSet(labels...), Time: n.Time, Value: s.Scale.Of(v)})
		b.count++
	}
	if b.count >= maxPoints {
		b.cut()
	}
	return true
}

// cut makes a request of what was gathered.
func (b *builder) cut() {
	if b.count == 0 {
		return
	}
	scope := metricdata.ScopeMetrics{Scope: b.scope}
	for _, name := range slices.Sorted(maps.Keys(b.metrics)) {
		p := b.metrics[name]
		m := metricdata.Metrics{Name: name, Description: p.help, Unit: p.unit}
		switch {
		case len(p.integers) > 0:
			m.Data = metricdata.Gauge[int64]{DataPoints: p.integers}
		case strings.HasSuffix(name, "_total"):
			m.Data = metricdata.Sum[float64]{DataPoints: p.numbers, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
		default:
			m.Data = metricdata.Gauge[float64]{DataPoints: p.numbers}
		}
		scope.Metrics = append(scope.Metrics, m)
	}
	b.requests = append(b.requests, &metricdata.ResourceMetrics{Resource: b.of, ScopeMetrics: []metricdata.ScopeMetrics{scope}})
	b.metrics, b.count = map[string]*points{}, 0
}

// units are UCUM's words for the base units of metric names ("Instrument units",
// OpenTelemetry semantic conventions).
var units = map[string]string{
	"seconds": "s", "s": "s", "bytes": "By", "B": "By", "ratio": "1", "%": "%", "celsius": "Cel", "°C": "Cel", "volts": "V", "amperes": "A",
	"watts": "W", "joules": "J", "hertz": "Hz", "meters": "m", "grams": "g", "milliseconds": "ms", "ms": "ms", "percent": "%",
}

// ucum says a unit in UCUM; what it has no word for becomes an annotation.
func ucum(unit string) string {
	if name, rate := strings.CutSuffix(unit, "_per_second"); rate {
		return ucum(name) + "/s"
	}
	if u := units[unit]; u != "" || unit == "" {
		return u
	}
	return "{" + strings.Map(func(r rune) rune {
		if r == '{' || r == '}' || r < ' ' || r > '~' { // UCUM is ASCII
			return '_'
		}
		return r
	}, unit) + "}"
}
