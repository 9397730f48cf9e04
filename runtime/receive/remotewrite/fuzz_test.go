package remotewrite

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"grove/runtime/probe/series"
	"grove/runtime/receive"
)

// FuzzRequest: no request does harm, whatever it holds. What the protocol's own code reads
// of version 1, this one reads, too.
func FuzzRequest(f *testing.F) {
	one := prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: []prompb.Label{{Name: "__name__", Value: "jobs"}, {Name: "q", Value: "a"}}, Samples: []prompb.Sample{{Value: 1, Timestamp: 2}}}}}
	two := writev2.Request{Symbols: []string{"", "__name__", "jobs"}, Timeseries: []writev2.TimeSeries{{LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{{Value: 1, Timestamp: 2}}, Histograms: []writev2.Histogram{{Schema: 3}}}}}
	first, err := one.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	second, err := two.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first, false)
	f.Add(second, true)
	hub := NewHub(Options{})
	p, err := Kind(hub).New(&ProbeOptions{StaleAfter: time.Minute, Options: series.Options{
		Values: map[string]string{"n": `sum({__name__=~".+"})`, "p": "histogram_quantile(0.5, jobs)"}, MaxSeries: 100,
	}})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := p.(receive.Attacher).Attach("a", "b", nil); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, second bool) {
		w := new(work)
		version := 1
		if second {
			version = 2
		}
		if w.message.read(body, version) == nil {
			out := hub.apply(context.Background(), w)
			if n := out.samples + out.histograms + out.Malformed + out.Denied; n != w.message.total() {
				t.Errorf("of %d samples %d are accounted for", w.message.total(), n)
			}
		}
		if version != 1 {
			return
		}
		var known prompb.WriteRequest
		if known.Unmarshal(body) != nil {
			return
		}
		samples := 0
		for i := range known.Timeseries {
			samples += len(known.Timeseries[i].Samples)
		}
		if err := w.message.read(body, 1); err != nil || len(w.message.series) != len(known.Timeseries) || len(w.message.samples) != samples {
			t.Errorf("%v: %d series and %d samples, want %d and %d", err, len(w.message.series), len(w.message.samples), len(known.Timeseries), samples)
		}
	})
}
