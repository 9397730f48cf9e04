// Package gostats is the probe kind "go": the Go runtime of the process it runs in,
// through runtime/metrics.
package gostats

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"math"
	"os"
	"runtime/metrics"
	"slices"
	"strconv"
	"syscall"
	"time"

	"grove/beans"
	"grove/runtime/probe"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options are the options of the kind "go": none.
type Options struct{}

// started is when the process began, nearly: when its packages were initialised.
var started = time.Now()

// Kind returns the kind "go".
func Kind() probe.Kind {
	return probe.Kind{
		Name:       "go",
		Title:      "Grove's own Go runtime",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return new(Options) },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			return newProbe(), nil
		},
	}
}

// numbers are the attributes that are one metric each of runtime/metrics.
var numbers = []struct {
	attribute, metric string
	unit, description string
	counter           bool
}{
	{"goroutines", "/sched/goroutines:goroutines", "goroutines", "Goroutines that exist now.", false},
	{"threads", "/sched/threads/total:threads", "threads", "Threads of the operating system that Go runs.", false},
	{"processors", "/sched/gomaxprocs:threads", "processors", "Processors that Go may use at once.", false},
	{"heap_used", "/memory/classes/heap/objects:bytes", "bytes", "Living objects, and dead ones that are not collected yet.", false},
	{"heap_goal", "/gc/heap/goal:bytes", "bytes", "Heap size at which the next collection ends.", false},
	{"heap_objects", "/gc/heap/objects:objects", "objects", "Objects on the heap.", false},
	{"allocated", "/gc/heap/allocs:bytes", "bytes", "Allocated since the start.", true},
	{"gc_cycles", "/gc/cycles/total:gc-cycles", "cycles", "Collections since the start.", true},
}

const (
	memoryTotal    = "/memory/classes/total:bytes"
	memoryReleased = "/memory/classes/heap/released:bytes"
	memoryLimit    = "/gc/gomemlimit:bytes"
	pauses         = "/sched/pauses/total/gc:seconds"
	latencies      = "/sched/latencies:seconds"
)

type goProbe struct {
	attributes []beans.AttributeInfo
	samples    []metrics.Sample
	index      map[string]int // of samples

	// Of the run before.
	pauses, latencies []uint64
	cpu               time.Duration
	at                time.Time
}

func newProbe() *goProbe {
	p := &goProbe{index: map[string]int{}}
	sample := func(name string) {
		p.index[name] = len(p.samples)
		p.samples = append(p.samples, metrics.Sample{Name: name})
	}
	add := func(name, unit, description string, typ beans.Type, counter bool) {
		a := beans.AttributeInfo{Name: name, Type: typ, Unit: unit, Description: description, Readable: true}
		if counter {
			a.Descriptor = map[string]string{"metricType": "counter"}
		}
		p.attributes = append(p.attributes, a)
	}
	for _, n := range numbers {
		sample(n.metric)
		add(n.attribute, n.unit, n.description, beans.TypeInt, n.counter)
	}
	for _, name := range []string{memoryTotal, memoryReleased, memoryLimit, pauses, latencies} {
		sample(name)
	}
	add("memory", "bytes", "What Go has from the operating system.", beans.TypeInt, false)
	add("memory_limit", "bytes", "The limit that Go keeps its memory to.", beans.TypeInt, false)
	add("memory_resident", "bytes", "Memory of the process that is in physical memory.", beans.TypeInt, false)
	add("gc_pause_max", "s", "The longest pause for a collection since the reading before.", beans.TypeFloat, false)
	add("scheduling_delay", "s", "How long goroutines waited for a processor, 99th percentile since the reading before.", beans.TypeFloat, false)
	add("cpu", "%", "Use of one processor since the reading before.", beans.TypeFloat, false)
	add("cpu_time", "s", "Processor time that the process has used.", beans.TypeFloat, true)
	add("uptime", "s", "Since the process started.", beans.TypeFloat, false)
	add("open_files", "files", "Open files, sockets and pipes.", beans.TypeInt, false)
	add("open_files_limit", "files", "The most that the process may open.", beans.TypeInt, false)
	return p
}

// Attributes implements probe.Probe.
func (p *goProbe) Attributes() []beans.AttributeInfo { return p.attributes }

// Target implements probe.Probe.
func (p *goProbe) Target() string { return "" }

// Close implements probe.Probe.
func (p *goProbe) Close() error { return nil }

// Run implements probe.Probe.
func (p *goProbe) Run(ctx context.Context) (probe.Result, error) {
	if err := ctx.Err(); err != nil {
		return probe.Result{}, err
	}
	now := time.Now()
	r := probe.Result{Time: now}
	metrics.Read(p.samples)
	for _, n := range numbers {
		if v, ok := p.number(n.metric); ok {
			r.Number(n.attribute, v)
		}
	}
	if total, ok := p.number(memoryTotal); ok {
		released, _ := p.number(memoryReleased)
		r.Number("memory", total-released)
	}
	if limit, ok := p.number(memoryLimit); ok && limit < math.MaxInt64 {
		r.Number("memory_limit", limit)
	}
	if h := p.histogram(pauses); h != nil {
		_, most := since(h, p.pauses, 1)
		r.Number("gc_pause_max", most)
		p.pauses = append(p.pauses[:0], h.Counts...)
	}
	if h := p.histogram(latencies); h != nil {
		_, delay := since(h, p.latencies, 0.99)
		r.Number("scheduling_delay", delay)
		p.latencies = append(p.latencies[:0], h.Counts...)
	}
	p.process(&r, now)
	return r, nil
}

// process adds what the operating system knows of the process.
func (p *goProbe) process(r *probe.Result, now time.Time) {
	r.Number("uptime", now.Sub(started).Seconds())
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		r.Number("cpu_time", cpu.Seconds())
		if wall := now.Sub(p.at); !p.at.IsZero() && wall > 0 {
			r.Number("cpu", 100*(cpu-p.cpu).Seconds()/wall.Seconds())
		}
		p.cpu, p.at = cpu, now
	}
	// The directory itself is open while it is read.
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.Number("open_files", float64(len(entries)-1))
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		r.Number("open_files_limit", float64(limit.Cur))
	}
	// proc(5): the second field of statm is the resident set in pages.
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(text); len(fields) > 1 {
			if pages, err := strconv.ParseUint(string(fields[1]), 10, 64); err == nil {
				r.Number("memory_resident", float64(pages)*float64(os.Getpagesize()))
			}
		}
	}
}

// number returns a metric; ok is false when this Go does not know it.
func (p *goProbe) number(name string) (v float64, ok bool) {
	switch s := p.samples[p.index[name]].Value; s.Kind() {
	case metrics.KindUint64:
		return float64(s.Uint64()), true
	case metrics.KindFloat64:
		return s.Float64(), true
	default:
		return 0, false
	}
}

func (p *goProbe) histogram(name string) *metrics.Float64Histogram {
	s := p.samples[p.index[name]].Value
	if s.Kind() != metrics.KindFloat64Histogram {
		return nil
	}
	return s.Float64Histogram()
}

// since returns how many values a histogram has more than before, and the upper bound
// of the bucket that holds the given quantile of them; 0 when there are none.
func since(h *metrics.Float64Histogram, before []uint64, quantile float64) (n uint64, bound float64) {
	fresh := slices.Clone(h.Counts)
	for i := range min(len(before), len(fresh)) {
		fresh[i] -= before[i]
	}
	for _, c := range fresh {
		n += c
	}
	sum, rank := uint64(0), uint64(math.Ceil(quantile*float64(n)))
	for i, c := range fresh {
		if sum += c; c > 0 && sum >= rank {
			// Bucket i lies between Buckets[i] and Buckets[i+1]; the last has no end.
			if bound = h.Buckets[i+1]; math.IsInf(bound, 0) {
				bound = h.Buckets[i]
			}
			return n, bound
		}
	}
	return n, 0
}
