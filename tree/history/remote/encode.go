package remote

import (
	"fmt"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// Metadata is what is known of a metric.
type Metadata struct{ Type, Help, Unit string }

// series are samples of one series, in the order in which they were taken.
type series struct {
	labels  labels.Labels
	samples []prompb.Sample
}

// bundle is what one request holds.
type bundle []series

func (b bundle) samples() int {
	n := 0
	for _, s := range b {
		n += len(s.samples)
	}
	return n
}

// halves parts a bundle of more than one sample, series from series while there are
// several, so that the order of none is lost.
func (b bundle) halves() (bundle, bundle) {
	if len(b) > 1 {
		return b[:len(b)/2], b[len(b)/2:]
	}
	s := b[0].samples
	return bundle{{b[0].labels, s[:len(s)/2]}}, bundle{{b[0].labels, s[len(s)/2:]}}
}

// pack groups samples by their series, in the order of the log, into bundles of at
// most so many samples.
func pack(all []sample, most int) []bundle {
	var bundles []bundle
	for len(all) > 0 {
		n := min(most, len(all))
		at := make(map[chunks.HeadSeriesRef]int, n)
		var b bundle
		for _, s := range all[:n] {
			i, ok := at[s.ref]
			if !ok {
				i = len(b)
				at[s.ref] = i
				b = append(b, series{labels: s.labels})
			}
			b[i].samples = append(b[i].samples, prompb.Sample{Timestamp: s.time, Value: s.value})
		}
		bundles = append(bundles, b)
		all = all[n:]
	}
	return bundles
}

// encode writes the body of a request in a version of remote write.
func (b bundle) encode(version int, known func(metric string) (Metadata, bool)) ([]byte, error) {
	var (
		body []byte
		err  error
	)
	if version == 2 {
		body, err = b.version2(known)
	} else {
		r := prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, len(b))}
		for i, s := range b {
			r.Timeseries[i] = prompb.TimeSeries{Labels: prompb.FromLabels(s.labels, nil), Samples: s.samples}
		}
		body, err = r.Marshal()
	}
	if err != nil {
		return nil, fmt.Errorf("write a request: %w", err)
	}
	return snappy.Encode(nil, body), nil
}

func (b bundle) version2(known func(metric string) (Metadata, bool)) ([]byte, error) {
	symbols := writev2.NewSymbolTable()
	r := writev2.Request{Timeseries: make([]writev2.TimeSeries, len(b))}
	for i, s := range b {
		t := &r.Timeseries[i]
		t.LabelsRefs = symbols.SymbolizeLabels(s.labels, nil)
		t.Samples = make([]writev2.Sample, len(s.samples))
		for j, v := range s.samples {
			t.Samples[j] = writev2.Sample{Timestamp: v.Timestamp, Value: v.Value}
		}
		if known == nil {
			continue
		}
		if m, ok := known(s.labels.Get(labels.MetricName)); ok {
			t.Metadata.Type = writev2.FromMetadataType(model.MetricType(m.Type))
			t.Metadata.HelpRef = symbols.Symbolize(m.Help)
			t.Metadata.UnitRef = symbols.Symbolize(m.Unit)
		}
	}
	r.Symbols = symbols.Symbols()
	return r.OptimizedMarshal(nil)
}
