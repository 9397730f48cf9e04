package prometheus

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metrics"
	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// FromSet gathers a set of VictoriaMetrics' package, in which grove counts what happens
// often, so that it stands beside the metrics of client_golang. Such a set knows
// neither help nor, in what it writes, types: help comes from the maps, by the name of
// the family, and the type from the names: a counter ends in _total, what has
// vmrange buckets is a histogram, all else a gauge. A family without help is an error.
//
// Histograms of that package have a bucket for each eighteenth of a decade that is not
// empty, with the label vmrange, which Prometheus cannot read. They become Prometheus'
// cumulative buckets with the label le, at three bounds a decade (see boundsOf), which
// is exact since every third of a decade is a bound of theirs too. Summaries would need
// no conversion, but their quantiles cannot be added over labels or managers, and each
// keeps a goroutine for its window.
func FromSet(set *metrics.Set, help ...map[string]string) client.Gatherer {
	all := map[string]string{}
	for _, m := range help {
		maps.Copy(all, m)
	}
	return client.GathererFunc(func() ([]*dto.MetricFamily, error) {
		var text bytes.Buffer
		set.WritePrometheus(&text)
		parser := expfmt.NewTextParser(model.LegacyValidation)
		raw, err := parser.TextToMetricFamilies(&text)
		if err != nil {
			return nil, fmt.Errorf("read a set of metrics: %w", err)
		}
		return families(raw, all)
	})
}

// families gives types and help to what was written without.
func families(raw map[string]*dto.MetricFamily, help map[string]string) ([]*dto.MetricFamily, error) {
	histograms := map[string]*histogram{}
	for name, f := range raw {
		if base, ok := strings.CutSuffix(name, "_bucket"); ok && hasRanges(f) {
			histograms[base] = newHistogram(base)
		}
	}
	var out []*dto.MetricFamily
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if h, part := partOf(histograms, name); h != nil {
			for _, m := range raw[name].GetMetric() {
				if err := h.add(part, m); err != nil {
					return nil, fmt.Errorf("metric %s: %w", name, err)
				}
			}
			continue
		}
		f := &dto.MetricFamily{Name: &name, Type: dto.MetricType_GAUGE.Enum()}
		if strings.HasSuffix(name, "_total") {
			f.Type = dto.MetricType_COUNTER.Enum()
		}
		for _, m := range raw[name].GetMetric() {
			one := &dto.Metric{Label: sorted(m.GetLabel())}
			value := m.GetUntyped().GetValue()
			if f.GetType() == dto.MetricType_COUNTER {
				one.Counter = &dto.Counter{Value: &value}
			} else {
				one.Gauge = &dto.Gauge{Value: &value}
			}
			f.Metric = append(f.Metric, one)
		}
		out = append(out, f)
	}
	for _, name := range slices.Sorted(maps.Keys(histograms)) {
		out = append(out, histograms[name].family())
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, f := range out {
		text, ok := help[f.GetName()]
		if !ok {
			return nil, fmt.Errorf("metric %s has no help", f.GetName())
		}
		f.Help = &text
	}
	return out, nil
}

const rangeLabel = "vmrange"

func hasRanges(f *dto.MetricFamily) bool {
	return slices.ContainsFunc(f.GetMetric(), func(m *dto.Metric) bool {
		return slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == rangeLabel })
	})
}

// partOf says which histogram a name's samples belong to, and which part they are.
func partOf(histograms map[string]*histogram, name string) (h *histogram, part string) {
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, part); ok && histograms[base] != nil {
			return histograms[base], part
		}
	}
	return nil, ""
}

func sorted(labels []*dto.LabelPair) []*dto.LabelPair {
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return labels
}

// stepsPerDecade is how VictoriaMetrics' histograms cut a decade.
const stepsPerDecade = 18

// boundsOf returns the bounds of a histogram in steps from 1, by the unit that its name
// says: 10 us to 100 s, 100 bytes to 100 MB, otherwise 1 to 100,000.
func boundsOf(name string) []int {
	first, last := 0, 5 // decades
	switch {
	case strings.HasSuffix(name, "_seconds"):
		first, last = -5, 2
	case strings.HasSuffix(name, "_bytes"):
		first, last = 2, 8
	}
	var bounds []int
	for step := first * stepsPerDecade; step <= last*stepsPerDecade; step += stepsPerDecade / 3 {
		bounds = append(bounds, step)
	}
	return bounds
}

// histogram collects the parts of a family. Metrics are told apart by their labels.
type histogram struct {
	name   string
	bounds []int
	series map[string]*series
}

type series struct {
	labels  []*dto.LabelPair
	buckets []uint64 // by bound, not cumulative
	sum     float64
	count   uint64
}

func newHistogram(name string) *histogram {
	return &histogram{name: name, bounds: boundsOf(name), series: map[string]*series{}}
}

func (h *histogram) add(part string, m *dto.Metric) error {
	var labels []*dto.LabelPair
	var key []byte
	between := ""
	for _, l := range sorted(m.GetLabel()) {
		if l.GetName() == rangeLabel {
			between = l.GetValue()
			continue
		}
		labels = append(labels, l)
		key = append(appendLabel(key, l.GetName(), l.GetValue()), ',')
	}
	s := h.series[string(key)]
	if s == nil {
		s = &series{labels: labels, buckets: make([]uint64, len(h.bounds))}
		h.series[string(key)] = s
	}
	value := m.GetUntyped().GetValue()
	switch part {
	case "_sum":
		s.sum = value
	case "_count":
		s.count = uint64(value)
	case "_bucket":
		_, text, _ := strings.Cut(between, "...")
		end, err := strconv.ParseFloat(text, 64)
		if err != nil || !(end > 0) {
			return fmt.Errorf("%s %q is not a range", rangeLabel, between)
		}
		if math.IsInf(end, 1) {
			return nil // It is in the count.
		}
		// The end is rounded to four digits; steps are 14 % apart.
		step := int(math.Round(math.Log10(end) * stepsPerDecade))
		if i, _ := slices.BinarySearch(h.bounds, step); i < len(h.bounds) {
			s.buckets[i] += uint64(value)
		}
	}
	return nil
}

func (h *histogram) family() *dto.MetricFamily {
	f := &dto.MetricFamily{Name: &h.name, Type: dto.MetricType_HISTOGRAM.Enum()}
	for _, key := range slices.Sorted(maps.Keys(h.series)) {
		s := h.series[key]
		d := &dto.Histogram{SampleCount: &s.count, SampleSum: &s.sum}
		below := uint64(0)
		for i, step := range h.bounds {
			below += s.buckets[i]
			upTo, cumulative := boundAt(step), below
			d.Bucket = append(d.Bucket, &dto.Bucket{UpperBound: &upTo, CumulativeCount: &cumulative})
		}
		f.Metric = append(f.Metric, &dto.Metric{Label: s.labels, Histogram: d})
	}
	return f
}

// boundAt is a bound as people can read it, with four digits, as VictoriaMetrics
// writes it.
func boundAt(step int) float64 {
	v, _ := strconv.ParseFloat(strconv.FormatFloat(math.Pow(10, float64(step)/stepsPerDecade), 'e', 3, 64), 64)
	return v
}
