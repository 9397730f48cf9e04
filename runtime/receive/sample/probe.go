package sample

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/series"
	"grove/runtime/receive"
	"grove/tree"
)

// Bounds and defaults of the options.
const (
	maxStale     = 24 * time.Hour
	defaultStale = 5 * time.Minute // as long as Prometheus looks back
)

// ProbeOptions are what a definition says of a probe of such a kind.
type ProbeOptions struct {
	series.Options `yaml:",inline"`
	StaleAfter     time.Duration `yaml:"stale_after" jsonschema:"type=string,default=5m,description=A series is gone when it has no sample for so long while others have; or when its sender says so."`
}

// Kind makes of a name and the texts for people the kind of the probes that take part in
// what a hub gets.
func Kind(h *Hub, k probe.Kind) probe.Kind {
	k.Pushes = true
	k.NewOptions = func() any {
		return &ProbeOptions{Options: series.Options{MaxSeries: series.DefaultMaxSeries}, StaleAfter: defaultStale}
	}
	k.New = func(options any) (probe.Probe, error) {
		o, ok := options.(*ProbeOptions)
		if !ok {
			return nil, fmt.Errorf("options are %T, want %T", options, o)
		}
		return newTaker(h, o)
	}
	return k
}

// own are the attributes that every probe of the kind has, beside those of its feed.
func own() []beans.AttributeInfo {
	return []beans.AttributeInfo{
		{Name: "samples", Type: beans.TypeInt, Unit: "samples", Readable: true, Description: "Samples that were taken for this probe since it began.", Descriptor: map[string]string{"metricType": "counter"}},
		{Name: "late", Type: beans.TypeInt, Unit: "samples", Readable: true, Description: "Samples that were not newer than what their series had.", Descriptor: map[string]string{"metricType": "counter"}},
		{Name: "series", Type: beans.TypeInt, Unit: "series", Readable: true, Description: "Series that the probe takes."},
		{Name: "error", Type: beans.TypeString, Readable: true, Description: "What the definition asks for and cannot be read; empty when there is nothing."},
		{Name: "missing", Type: beans.TypeString, Readable: true, Description: "Values and texts for which nothing came; empty when all have something."},
	}
}

// taker is a probe: a feed with the series that it asks for.
type taker struct {
	*receive.Feed
	plan  *series.Plan
	stale int64 // milliseconds

	mu            sync.Mutex // guards the rest
	set           *series.Set
	samples, late uint64
	newest        int64 // of all samples, in milliseconds
	swept         int64 // newest when series were looked through for old ones
	problem       error // the last series that found no place
	pending       bool  // something was put since the last flush
	at            int64 // newest of what is pending
}

func newTaker(h *Hub, o *ProbeOptions) (*taker, error) {
	reserved := []string{"received", "events_dropped"}
	for _, a := range own() {
		reserved = append(reserved, a.Name)
	}
	plan, err := o.Plan(reserved...)
	if err != nil {
		return nil, err
	}
	if o.StaleAfter <= 0 || o.StaleAfter > maxStale {
		return nil, probe.BadOption("stale_after", "%v is not between 0s and %v", o.StaleAfter, maxStale)
	}
	t := &taker{plan: plan, set: plan.NewSet(), stale: o.StaleAfter.Milliseconds()}
	t.Feed = receive.NewFeed(append(own(), plan.Attributes()...), func(instance, name string) (func(), error) {
		leave := h.attached.Join(instance, name, t)
		h.changed()
		return func() { leave(); h.changed() }, nil
	})
	return t, nil
}

// begin starts what one request brings.
func (t *taker) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set.Begin()
	t.problem = nil
}

// put takes a sample of a series.
func (t *taker) put(key []byte, s series.Sample) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.set.Get(key)
	if x == nil {
		l, err := labelsOf(key)
		if err != nil {
			return err
		}
		if x, err = t.set.Add(key, l); err != nil {
			t.problem = err
			return nil
		}
	}
	// A sender that catches up has several samples of a series in one request: each is a
	// reading.
	if t.set.Seen(x) && s.Time > x.Time() {
		t.flushLocked()
		t.set.Begin()
	}
	if err := t.set.Put(x, s); err != nil {
		t.late++
		return err
	}
	t.samples++
	t.pending = true
	t.newest, t.at = max(t.newest, s.Time), max(t.at, s.Time)
	return nil
}

// flush hands on what came.
func (t *taker) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flushLocked()
}

func (t *taker) flushLocked() {
	if !t.pending {
		return
	}
	// Looking through all series takes long when they are many, so not every time.
	if t.newest-t.swept > min(t.stale/4, 30_000) {
		t.swept = t.newest
		t.set.Expire(t.newest - t.stale)
	}
	r := probe.Result{Time: time.UnixMilli(t.at)}
	t.pending, t.at = false, 0
	problem := t.set.Read(&r, true)
	if t.problem != nil {
		problem = t.problem
	}
	r.Number("samples", float64(t.samples))
	r.Number("late", float64(t.late))
	r.Number("series", float64(t.set.Len()))
	text := ""
	if problem != nil {
		text = problem.Error()
	}
	r.Text("error", text)
	r.Add("missing", tree.Text(strings.Join(t.set.Missing(), ", ")))
	t.Post(r)
}
