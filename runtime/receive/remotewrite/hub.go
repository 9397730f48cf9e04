// Package remotewrite is the receiver for what a Prometheus, or whatever speaks its
// protocol, sends by remote write: versions 1 and 2
// (prometheus.io/docs/specs/prw/remote_write_spec and remote_write_spec_2_0).
//
// A definition declares a probe of kind "remote_write", whose options say which series
// it wants. The [Hub] takes requests and gives each sample to the probes that want it;
// what nobody wants is counted and let go. A request is read as a whole before any of it
// counts. What a sender repeats, since it did not hear an answer, does no harm: samples
// that are not newer than what is there are counted as older.
package remotewrite

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"grove/runtime/probe/series"
	"grove/runtime/receive"
	"grove/runtime/receive/sample"
)

// Bounds and defaults of a Hub.
const (
	// DefaultMaxBody and DefaultMaxDecoded bound a request as it is sent and after
	// decompression, in bytes. Prometheus sends 2,000 samples at once, some 100 kB.
	DefaultMaxBody    = 8 << 20
	DefaultMaxDecoded = 32 << 20
	// DefaultAtOnce is how many requests are worked on at once; others wait.
	DefaultAtOnce = 8
)

// Options of a Hub. The zero value stands for the defaults.
type Options struct {
	// May says whether who sends may send to the probes of an instance. Nil: everybody may.
	May func(ctx context.Context, instance string) error
	// Sources are the addresses that may send; nil: all.
	Sources []netip.Prefix
	// Allow says whether a source may send so many samples now, and if not, when. Nil: it may.
	Allow      func(source netip.Addr, samples int, now time.Time) (wait time.Duration, ok bool)
	MaxBody    int64
	MaxDecoded int
	AtOnce     int
	Now        func() time.Time // nil: time.Now
}

// Hub takes requests. It may be used from many goroutines.
type Hub struct {
	options Options
	samples *sample.Hub
	places  chan struct{} // of requests that are worked on
	counts  struct{ requests, bad, exemplars, metadata, bytes atomic.Uint64 }
	work    sync.Pool // *work
}

// NewHub makes a hub.
func NewHub(o Options) *Hub {
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.MaxDecoded <= 0 {
		o.MaxDecoded = DefaultMaxDecoded
	}
	if o.AtOnce <= 0 {
		o.AtOnce = DefaultAtOnce
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Hub{options: o, places: make(chan struct{}, o.AtOnce), samples: sample.NewHub(sample.Options{May: o.May, Now: o.Now})}
	h.work.New = func() any { return new(work) }
	return h
}

// Stats is what became of what was sent.
type Stats struct {
	receive.Counts        // of samples, histograms included
	Requests       uint64 // all, also refused ones
	BadRequests    uint64 // of which nothing could be read
	Exemplars      uint64 // not taken: grove keeps none
	Metadata       uint64 // of metrics, not taken: definitions say what values are
	Bytes          uint64 // after decompression
	Probes         int    // that take part
	Series         int    // of which the hub knows who wants them
}

// Stats reads the counts.
func (h *Hub) Stats() Stats {
	return Stats{
		Counts: h.samples.Account().Counts(), Requests: h.counts.requests.Load(), BadRequests: h.counts.bad.Load(),
		Exemplars: h.counts.exemplars.Load(), Metadata: h.counts.metadata.Load(), Bytes: h.counts.bytes.Load(),
		Probes: h.samples.Probes(), Series: h.samples.Known(),
	}
}

// work is what one request needs, used again by the next.
type work struct {
	body, decoded []byte
	message       message
}

// outcome is what became of one request.
type outcome struct {
	sample.Outcome
	samples, histograms int // that were taken well, wanted or not
}

// apply gives the samples of a message to the probes.
func (h *Hub) apply(ctx context.Context, w *work) outcome {
	m := &w.message
	var out outcome
	d := h.samples.Begin(ctx)
	for i := range m.series {
		s := &m.series[i]
		samples, native := m.samples[s.sampleFrom:s.sampleTo], m.native[s.nativeFrom:s.nativeTo]
		n := len(samples) + len(native)
		if s.bad {
			d.Refuse(sample.ErrLabels, n)
			continue
		}
		key := m.keys[s.keyFrom:s.keyTo]
		wanted, ok := d.Series(m.keys[s.nameFrom:s.nameTo], key, n)
		if !ok {
			continue
		}
		for _, p := range samples {
			d.Put(wanted, key, series.Sample{Value: p.value, Time: p.time})
		}
		out.samples += len(samples)
		for _, data := range native {
			if len(wanted) == 0 {
				d.Put(nil, key, series.Sample{})
				out.histograms++
				continue
			}
			p, err := histogramOf(data, m.version)
			if err != nil {
				d.Refuse(err, 1)
				continue
			}
			d.Put(wanted, key, p)
			out.histograms++
		}
	}
	out.Outcome = d.End()
	h.counts.exemplars.Add(uint64(m.exemplars))
	h.counts.metadata.Add(uint64(m.metadata))
	return out
}

// histogramOf reads a native histogram.
func histogramOf(data []byte, version int) (series.Sample, error) {
	var h *histogram.FloatHistogram
	var at int64
	if version == 2 {
		var p writev2.Histogram
		if err := p.Unmarshal(data); err != nil {
			return series.Sample{}, err
		}
		at = p.Timestamp
		if p.IsFloatHistogram() {
			h = p.ToFloatHistogram()
		} else {
			h = p.ToIntHistogram().ToFloat(nil)
		}
	} else {
		var p prompb.Histogram
		if err := p.Unmarshal(data); err != nil {
			return series.Sample{}, err
		}
		at = p.Timestamp
		if p.IsFloatHistogram() {
			h = p.ToFloatHistogram()
		} else {
			h = p.ToIntHistogram().ToFloat(nil)
		}
	}
	return series.Sample{Histogram: h, Time: at}, h.Validate()
}
