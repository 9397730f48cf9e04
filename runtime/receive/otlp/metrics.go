package otlp

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/value"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"grove/runtime/probe/series"
	"grove/runtime/receive/sample"
)

var (
	errNoTime = errors.New("a data point without a time")
	errEmpty  = errors.New("a metric without data")
)

// namer names metrics and labels as Prometheus does.
var (
	namer      = otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	labelNamer = otlptranslator.LabelNamer{}
)

// pair is a label.
type pair struct{ name, text string }

// work reads one request.
type work struct {
	d      *sample.Delivery
	common []pair // of the resource and the scope
	pairs  []pair // of one data point
	key    []byte
}

func (h *Hub) applyMetrics(ctx context.Context, all pmetric.Metrics) sample.Outcome {
	w := &work{d: h.samples.Begin(ctx)}
	for _, resource := range all.ResourceMetrics().All() {
		from := resourcePairs(resource.Resource().Attributes())
		for _, scope := range resource.ScopeMetrics().All() {
			w.common = from
			if name := scope.Scope().Name(); name != "" {
				w.common = append(slices.Clip(from), pair{"otel_scope_name", name})
			}
			for _, m := range scope.Metrics().All() {
				w.metric(m)
			}
		}
	}
	return w.d.End()
}

// resourcePairs makes labels of what a resource says of itself: job and instance as
// Prometheus has them, and every attribute by its own name.
func resourcePairs(attributes pcommon.Map) []pair {
	var pairs []pair
	job := textOf(attributes, "service.name")
	if namespace := textOf(attributes, "service.namespace"); namespace != "" && job != "" {
		job = namespace + "/" + job
	}
	if job != "" {
		pairs = append(pairs, pair{"job", job})
	}
	if id := textOf(attributes, "service.instance.id"); id != "" {
		pairs = append(pairs, pair{"instance", id})
	}
	return appendPairs(pairs, attributes)
}

func textOf(attributes pcommon.Map, name string) string {
	if v, ok := attributes.Get(name); ok {
		return v.AsString()
	}
	return ""
}

// appendPairs appends attributes as labels. What cannot be a name is left out.
func appendPairs(pairs []pair, attributes pcommon.Map) []pair {
	for name, v := range attributes.All() {
		if label, err := labelNamer.Build(name); err == nil && label != "__name__" {
			pairs = append(pairs, pair{label, v.AsString()})
		}
	}
	return pairs
}

// metric takes one metric with all its data points.
func (w *work) metric(m pmetric.Metric) {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		w.numbers(m, otlptranslator.MetricTypeGauge, m.Gauge().DataPoints(), false)
	case pmetric.MetricTypeSum:
		var kind otlptranslator.MetricType = otlptranslator.MetricTypeNonMonotonicCounter
		if m.Sum().IsMonotonic() {
			kind = otlptranslator.MetricTypeMonotonicCounter
		}
		w.numbers(m, kind, m.Sum().DataPoints(), m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta)
	case pmetric.MetricTypeHistogram:
		name := nameOf(m, otlptranslator.MetricTypeHistogram)
		delta := m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
		for _, p := range m.Histogram().DataPoints().All() {
			h, err := series.Explicit(p.ExplicitBounds().AsRaw(), bucketsOf(p), p.Sum())
			w.histogram(name, p.Attributes(), h, err, p.Timestamp(), p.Flags(), delta)
		}
	case pmetric.MetricTypeExponentialHistogram:
		name := nameOf(m, otlptranslator.MetricTypeExponentialHistogram)
		delta := m.ExponentialHistogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			h, err := series.Exponential(p.Scale(), p.ZeroCount(), p.ZeroThreshold(), sideOf(p.Positive()), sideOf(p.Negative()), p.Sum())
			w.histogram(name, p.Attributes(), h, err, p.Timestamp(), p.Flags(), delta)
		}
	case pmetric.MetricTypeSummary:
		name := nameOf(m, otlptranslator.MetricTypeSummary)
		for _, p := range m.Summary().DataPoints().All() {
			w.put(name+"_sum", p.Attributes(), nil, number(p.Sum(), p.Timestamp(), p.Flags(), false))
			w.put(name+"_count", p.Attributes(), nil, number(float64(p.Count()), p.Timestamp(), p.Flags(), false))
			for _, q := range p.QuantileValues().All() {
				quantile := pair{"quantile", strconv.FormatFloat(q.Quantile(), 'g', -1, 64)}
				w.put(name, p.Attributes(), &quantile, number(q.Value(), p.Timestamp(), p.Flags(), false))
			}
		}
	default:
		w.d.Refuse(errEmpty, 1)
	}
}

// nameOf is what Prometheus calls a metric; empty when it cannot be called anything.
func nameOf(m pmetric.Metric, kind otlptranslator.MetricType) string {
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name(), Unit: m.Unit(), Type: kind})
	if err != nil {
		return ""
	}
	return name
}

// bucketsOf are the counts of a histogram; one without buckets has a single one.
func bucketsOf(p pmetric.HistogramDataPoint) []uint64 {
	if p.BucketCounts().Len() == 0 {
		return []uint64{p.Count()}
	}
	return p.BucketCounts().AsRaw()
}

func sideOf(b pmetric.ExponentialHistogramDataPointBuckets) series.Buckets {
	return series.Buckets{Offset: b.Offset(), Counts: b.BucketCounts().AsRaw()}
}

func (w *work) numbers(m pmetric.Metric, kind otlptranslator.MetricType, points pmetric.NumberDataPointSlice, delta bool) {
	name := nameOf(m, kind)
	for _, p := range points.All() {
		v := p.DoubleValue()
		if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
			v = float64(p.IntValue())
		}
		w.put(name, p.Attributes(), nil, number(v, p.Timestamp(), p.Flags(), delta))
	}
}

// number makes a sample of a number. One without a recorded value says that the series
// is gone.
func number(v float64, at pcommon.Timestamp, flags pmetric.DataPointFlags, delta bool) series.Sample {
	if flags.NoRecordedValue() {
		v, delta = math.Float64frombits(value.StaleNaN), false
	}
	return series.Sample{Value: v, Time: at.AsTime().UnixMilli(), Increment: delta}
}

func (w *work) histogram(name string, attributes pcommon.Map, h *series.Histogram, err error, at pcommon.Timestamp, flags pmetric.DataPointFlags, delta bool) {
	s := series.Sample{Histogram: h, Time: at.AsTime().UnixMilli(), Increment: delta}
	switch {
	case flags.NoRecordedValue():
		s = number(0, at, flags, false)
	case err != nil:
		w.d.Refuse(err, 1)
		return
	}
	w.put(name, attributes, nil, s)
}

// put takes one sample of a series.
func (w *work) put(name string, attributes pcommon.Map, extra *pair, s series.Sample) {
	if s.Time <= 0 {
		w.d.Refuse(errNoTime, 1)
		return
	}
	w.pairs = append(w.pairs[:0], w.common...)
	w.pairs = appendPairs(w.pairs, attributes)
	if extra != nil {
		w.pairs = append(w.pairs, *extra)
	}
	// Of labels of one name the last goes: a data point knows better than its resource.
	slices.Reverse(w.pairs)
	slices.SortStableFunc(w.pairs, func(a, b pair) int { return cmp.Compare(a.name, b.name) })
	w.pairs = slices.CompactFunc(w.pairs, func(a, b pair) bool { return a.name == b.name })
	key := sample.AppendLabel(w.key[:0], "__name__", name)
	for _, p := range w.pairs {
		key = sample.AppendLabel(key, p.name, p.text)
	}
	w.key = key
	if wanted, ok := w.d.Series([]byte(name), key, 1); ok {
		w.d.Put(wanted, key, s)
	}
}
