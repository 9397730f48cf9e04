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
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"grove/runtime/probe/series"
	"grove/runtime/receive"
)

// Bounds and defaults of a Hub.
const (
	// DefaultMaxBody and DefaultMaxDecoded bound a request as it is sent and after
	// decompression, in bytes. Prometheus sends 2,000 samples at once, some 100 kB.
	DefaultMaxBody    = 8 << 20
	DefaultMaxDecoded = 32 << 20
	// DefaultAtOnce is how many requests are worked on at once; others wait.
	DefaultAtOnce = 8
	// maxAhead is how far in the future a sample may be: clocks differ.
	maxAhead = 5 * time.Minute
	// maxKnown bounds the series that the hub remembers who wants.
	maxKnown = 200_000
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
	options  Options
	attached receive.Attached[*taker]
	places   chan struct{} // of requests that are worked on
	account  receive.Account
	counts   struct{ requests, bad, exemplars, metadata, bytes atomic.Uint64 }
	work     sync.Pool // *work

	mu     sync.RWMutex // guards the rest
	names  map[string]bool
	any    bool
	known  map[string][]receive.Named[*taker] // who wants a series, by its key
	former map[string][]receive.Named[*taker] // of before known was full
	round  uint64                             // counts changes of the probes
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
	h := &Hub{options: o, places: make(chan struct{}, o.AtOnce)}
	h.work.New = func() any { return new(work) }
	h.changed()
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
	h.mu.RLock()
	series := len(h.known)
	h.mu.RUnlock()
	return Stats{
		Counts: h.account.Counts(), Requests: h.counts.requests.Load(), BadRequests: h.counts.bad.Load(),
		Exemplars: h.counts.exemplars.Load(), Metadata: h.counts.metadata.Load(), Bytes: h.counts.bytes.Load(),
		Probes: len(h.attached.All()), Series: series,
	}
}

// changed forgets who wants what, since probes came or went.
func (h *Hub) changed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.round++
	h.names, h.any = map[string]bool{}, false
	h.known, h.former = map[string][]receive.Named[*taker]{}, nil
	for _, p := range h.attached.All() {
		names, all := p.Probe.plan.Names()
		h.any = h.any || all
		for _, n := range names {
			h.names[n] = true
		}
	}
}

// wants lists the probes that want a series; the error says that its labels are none.
func (h *Hub) wants(name, key []byte) ([]receive.Named[*taker], error) {
	h.mu.RLock()
	wanted := h.any || h.names[string(name)]
	if !wanted {
		h.mu.RUnlock()
		return nil, nil
	}
	list, ok := h.known[string(key)]
	former, was := h.former[string(key)]
	round := h.round
	h.mu.RUnlock()
	switch {
	case ok:
		return list, nil
	case was:
		list = former
	default:
		l, err := labelsOf(key)
		if err != nil {
			return nil, err
		}
		for _, p := range h.attached.All() {
			if p.Probe.plan.Fits(l) {
				list = append(list, p)
			}
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if round == h.round {
		if len(h.known) >= maxKnown/2 {
			h.known, h.former = map[string][]receive.Named[*taker]{}, h.known
		}
		h.known[string(key)] = list
	}
	return list, nil
}

// work is what one request needs, used again by the next.
type work struct {
	body, decoded []byte
	message       message
	touched       []*taker
	may           map[string]error
}

// outcome is what became of one request.
type outcome struct {
	samples, histograms int // that were taken well, wanted or not
	malformed, denied   int
	err                 error // of the first that was malformed or denied
}

// apply gives the samples of a message to the probes.
func (h *Hub) apply(ctx context.Context, w *work) outcome {
	m := &w.message
	var out outcome
	w.touched, w.may = w.touched[:0], map[string]error{}
	latest := h.options.Now().Add(maxAhead).UnixMilli()
	var count [3]int // applied, nobody's, older
	for i := range m.series {
		s := &m.series[i]
		samples, native := m.samples[s.sampleFrom:s.sampleTo], m.native[s.nativeFrom:s.nativeTo]
		n := len(samples) + len(native)
		key, name := m.keys[s.keyFrom:s.keyTo], m.keys[s.nameFrom:s.nameTo]
		if s.bad || len(name) == 0 {
			out.refuse(errLabels, &out.malformed, n)
			continue
		}
		wanted, err := h.wants(name, key)
		if err != nil {
			out.refuse(err, &out.malformed, n)
			continue
		}
		if wanted, err = h.allowed(ctx, w, wanted); err != nil {
			out.refuse(err, &out.denied, n)
			continue
		}
		out.samples, out.histograms = out.samples+len(samples), out.histograms+len(native)
		if len(wanted) == 0 {
			count[1] += n
			continue
		}
		for _, p := range samples {
			if p.time > latest {
				h.account.Refused(receive.WrongTime, 1)
				continue
			}
			count[h.put(w, wanted, key, series.Sample{Value: p.value, Time: p.time})]++
		}
		for _, data := range native {
			p, err := histogramOf(data, m.version)
			switch {
			case err != nil:
				out.histograms--
				out.refuse(err, &out.malformed, 1)
			case p.Time > latest:
				h.account.Refused(receive.WrongTime, 1)
			default:
				count[h.put(w, wanted, key, p)]++
			}
		}
	}
	for _, t := range w.touched {
		t.flush()
	}
	h.account.Applied(count[0])
	h.account.Refused(receive.NoNode, count[1])
	h.account.Refused(receive.Older, count[2])
	h.account.Refused(receive.Malformed, out.malformed)
	h.account.Refused(receive.Denied, out.denied)
	h.counts.exemplars.Add(uint64(m.exemplars))
	h.counts.metadata.Add(uint64(m.metadata))
	return out
}

// put gives a sample to probes: 0 when one took it, 2 when all had newer ones.
func (h *Hub) put(w *work, wanted []receive.Named[*taker], key []byte, s series.Sample) int {
	result := 2
	for _, p := range wanted {
		if !contains(w.touched, p.Probe) {
			w.touched = append(w.touched, p.Probe)
			p.Probe.begin()
		}
		if p.Probe.put(key, s) == nil {
			result = 0
		}
	}
	return result
}

// contains looks from the end: series of one probe come one after the other.
func contains(list []*taker, t *taker) bool {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == t {
			return true
		}
	}
	return false
}

// allowed leaves the probes that the sender may send to. When there are none though some
// are meant, the error says why.
func (h *Hub) allowed(ctx context.Context, w *work, list []receive.Named[*taker]) ([]receive.Named[*taker], error) {
	if h.options.May == nil || len(list) == 0 {
		return list, nil
	}
	var denied error
	left := list
	for i, p := range list {
		err, asked := w.may[p.Instance]
		if !asked {
			err = h.options.May(ctx, p.Instance)
			w.may[p.Instance] = err
		}
		switch {
		case err == nil && denied != nil:
			left = append(left, p)
		case err != nil && denied == nil:
			denied, left = err, append([]receive.Named[*taker](nil), list[:i]...)
		}
	}
	if len(left) > 0 {
		return left, nil
	}
	return nil, denied
}

func (o *outcome) refuse(err error, count *int, n int) {
	*count += n
	if o.err == nil {
		o.err = err
	}
}

var errLabels = errors.New("a series has no name, labels of more than 16 KiB, or labels that are not UTF-8")

// labelsOf makes labels of a key.
func labelsOf(key []byte) (labels.Labels, error) {
	if !utf8.Valid(bytes.ReplaceAll(key, []byte{separator}, nil)) {
		return labels.EmptyLabels(), errLabels
	}
	b := labels.NewScratchBuilder(16)
	for len(key) > 0 {
		name, rest, _ := bytes.Cut(key, []byte{separator})
		text, after, _ := bytes.Cut(rest, []byte{separator})
		key = after
		if len(text) > 0 {
			b.Add(string(name), string(text))
		}
	}
	b.Sort()
	l := b.Labels()
	if _, twice := l.HasDuplicateLabelNames(); twice {
		return l, errLabels
	}
	return l, nil
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

func joined(names []string) string { return strings.Join(names, ", ") }
