// Package statsd is the receiver for what programs send to StatsD: counters, gauges,
// timers, histograms and sets, with rates and with the tags of DogStatsD
// (github.com/statsd/statsd, docs/metric_types.md; docs.datadoghq.com, "DogStatsD
// datagram format").
//
// What comes is added up for a short time, as StatsD itself does, and then given to the
// probes that want it: a program may count a hundred thousand things a second, and nobody
// looks at each.
package statsd

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"math"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"grove/runtime/probe"
	"grove/runtime/probe/series"
	"grove/runtime/receive"
	"grove/runtime/receive/plaintext"
	"grove/runtime/receive/sample"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Bounds and defaults.
const (
	// DefaultFlush is how long is added up.
	DefaultFlush = time.Second
	maxSeries    = 100_000 // that are added up at once
	maxMembers   = 10_000  // of a set that are told apart
	// maxValue and leastRate keep sums finite: one that is not would stay so for good.
	maxValue  = 1e100
	leastRate = 1e-9
	// scale is that of the histograms of timers: buckets grow by 2^(1/8), so that a
	// quantile is off by 5 % at most.
	scale = 3
)

// Options of a Hub. The zero value stands for the defaults.
type Options struct {
	Sources []netip.Prefix   // the addresses that may send; nil: all
	Rate    float64          // lines a second and source; 0: 100,000
	Burst   int              // lines at once; 0: 200,000
	Flush   time.Duration    // how long is added up; 0: a second
	Now     func() time.Time // nil: time.Now
}

// Hub takes lines. It may be used from many goroutines.
type Hub struct {
	samples *sample.Hub
	server  *plaintext.Server
	flush   time.Duration
	now     func() time.Time
	lines   atomic.Uint64

	mu  sync.Mutex // guards sum
	sum map[string]*total
}

// total is what a series came to since the last flush.
type total struct {
	name     string
	lines    int
	kind     byte // 'c', 'g', 'h' or 's'
	value    float64
	absolute bool // of a gauge: value is what it is, and not by how much it changed
	sum      float64
	zero     uint64
	positive map[int32]uint64
	negative map[int32]uint64
	members  map[string]struct{}
}

// NewHub makes a hub.
func NewHub(o Options) *Hub {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Flush <= 0 {
		o.Flush = DefaultFlush
	}
	h := &Hub{samples: sample.NewHub(sample.Options{Now: o.Now}), flush: o.Flush, now: o.Now, sum: map[string]*total{}}
	h.server = plaintext.New(plaintext.Options{Sources: o.Sources, Rate: o.Rate, Burst: o.Burst, Account: h.samples.Account(), Line: h.line, Now: o.Now})
	return h
}

// Kind returns the kind "statsd": probes that take part in what a hub gets.
func Kind(h *Hub) probe.Kind {
	return sample.Kind(h.samples, probe.Kind{Name: "statsd", Title: "Metrics that programs send to StatsD", Doc: doc, Example: example})
}

// Packets takes lines by UDP until the context ends.
func (h *Hub) Packets(ctx context.Context, conn net.PacketConn) error {
	return h.flushing(ctx, func(ctx context.Context) error { return h.server.Packets(ctx, conn) })
}

// Stream takes lines by TCP until the context ends.
func (h *Hub) Stream(ctx context.Context, l net.Listener) error {
	return h.flushing(ctx, func(ctx context.Context) error { return h.server.Stream(ctx, l) })
}

// Stats reads the counts: of what was added up, one for each series and flush; of what was
// refused, one for each line.
func (h *Hub) Stats() Stats {
	return Stats{Lines: h.lines.Load(), Counts: h.samples.Account().Counts()}
}

// Stats is what became of what was sent.
type Stats struct {
	receive.Counts        // of samples, each of which may stand for many lines
	Lines          uint64 // that were read well
}

// flushing hands on what was added up while serve runs, and once more afterwards.
func (h *Hub) flushing(ctx context.Context, serve func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		pace := time.NewTicker(h.flush)
		defer pace.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
				h.handOn()
			}
		}
	})
	err := serve(ctx)
	cancel()
	running.Wait()
	h.handOn()
	return err
}

// line takes one line.
func (h *Hub) line(line []byte) {
	if bytes.HasPrefix(line, []byte("_e{")) || bytes.HasPrefix(line, []byte("_sc|")) {
		h.samples.Account().Refused(receive.NoNode, 1) // Events and checks of DogStatsD: nobody asks for them.
		return
	}
	m, err := parse(line)
	if err != nil || !h.add(&m) {
		reason := receive.Malformed
		if err == nil {
			reason = receive.RateLimited
		}
		h.samples.Account().Refused(reason, 1)
		return
	}
	h.lines.Add(1)
}

// metric is one line.
type metric struct {
	key, name []byte
	kind      byte
	values    [][]byte
	rate      float64
}

var errLine = errors.New("is no line of StatsD's: name:value|type|@rate|#tags")

// parse reads "api.calls:3|c|@0.1|#env:prod,slow".
func parse(line []byte) (m metric, err error) {
	name, rest, ok := bytes.Cut(line, []byte{':'})
	if !ok || len(name) == 0 {
		return m, errLine
	}
	sections := bytes.Split(rest, []byte{'|'})
	if len(sections) < 2 {
		return m, errLine
	}
	switch kind := string(sections[1]); kind {
	case "c", "g", "s", "h":
		m.kind = kind[0]
	case "ms", "d": // Timers and distributions are histograms.
		m.kind = 'h'
	default:
		return m, errLine
	}
	m.rate = 1
	var from, to int
	m.key, from, to = plaintext.AppendName(nil, name)
	for _, s := range sections[2:] {
		switch {
		case len(s) == 0:
			return m, errLine
		case s[0] == '@':
			m.rate, err = strconv.ParseFloat(string(s[1:]), 64)
			if err != nil || !(m.rate >= leastRate && m.rate <= 1) {
				return m, errLine
			}
		case s[0] == '#':
			for tag := range bytes.SplitSeq(s[1:], []byte{','}) {
				label, text, _ := bytes.Cut(tag, []byte{':'})
				m.key = plaintext.AppendTag(m.key, label, text)
			}
		}
	}
	m.name = m.key[from:to]
	m.values = bytes.Split(sections[0], []byte{':'})
	if m.kind != 's' {
		for _, v := range m.values {
			if f, err := strconv.ParseFloat(string(v), 64); err != nil || !(math.Abs(f) <= maxValue) {
				return m, errLine
			}
		}
	}
	return m, nil
}

// add adds a line up; false when there are too many series.
func (h *Hub) add(m *metric) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.sum[string(m.key)]
	if t == nil || t.kind != m.kind {
		if len(h.sum) >= maxSeries {
			return false
		}
		t = &total{name: string(m.name), kind: m.kind}
		h.sum[string(m.key)] = t
	}
	t.lines++
	for _, text := range m.values {
		v, _ := strconv.ParseFloat(string(text), 64)
		switch m.kind {
		case 'c':
			t.value += v / m.rate
		case 'g':
			if text[0] == '+' || text[0] == '-' {
				t.value += v
			} else {
				t.value, t.absolute = v, true
			}
		case 'h':
			t.observe(v, uint64(math.Round(1/m.rate)))
		case 's':
			if t.members == nil {
				t.members = map[string]struct{}{}
			}
			if len(t.members) < maxMembers {
				t.members[string(text)] = struct{}{}
			}
		}
	}
	return true
}

// observe adds a value, which stands for so many, to the histogram.
func (t *total) observe(v float64, n uint64) {
	t.sum += v * float64(n)
	if v == 0 {
		t.zero += n
		return
	}
	side := &t.positive
	if v < 0 {
		side, v = &t.negative, -v
	}
	if *side == nil {
		*side = map[int32]uint64{}
	}
	// Bucket i holds what is above 2^(i/8), up to 2^((i+1)/8).
	(*side)[int32(math.Ceil(math.Log2(v)*(1<<scale)))-1] += n
}

// buckets are one side of the histogram, dense.
func buckets(counts map[int32]uint64) series.Buckets {
	if len(counts) == 0 {
		return series.Buckets{}
	}
	low, high := int32(math.MaxInt32), int32(math.MinInt32)
	for i := range counts {
		low, high = min(low, i), max(high, i)
	}
	b := series.Buckets{Offset: low, Counts: make([]uint64, high-low+1)}
	for i, n := range counts {
		b.Counts[i-low] = n
	}
	return b
}

// handOn gives the probes what was added up.
func (h *Hub) handOn() {
	h.mu.Lock()
	sum := h.sum
	h.sum = make(map[string]*total, len(sum))
	h.mu.Unlock()
	if len(sum) == 0 {
		return
	}
	at := h.now().UnixMilli()
	d := h.samples.Begin(context.Background())
	defer d.End()
	for key, t := range sum {
		wanted, ok := d.Series([]byte(t.name), []byte(key), 1)
		if !ok {
			continue
		}
		s := series.Sample{Value: t.value, Time: at}
		switch t.kind {
		case 'c':
			s.Increment = true
		case 'g':
			s.Increment = !t.absolute
		case 's':
			s.Value = float64(len(t.members))
		case 'h':
			made, err := series.Exponential(scale, t.zero, 0, buckets(t.positive), buckets(t.negative), t.sum)
			if err != nil {
				d.Refuse(err, 1)
				continue
			}
			s.Histogram, s.Increment = made, true
		}
		d.Put(wanted, []byte(key), s)
	}
}
