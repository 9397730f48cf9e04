// Package prometheus is the probe kind "prometheus": a scrape of what an exporter, or a
// program with a client library, shows of itself at /metrics.
package prometheus

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/series"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Kind returns the kind "prometheus". Its probes connect where the policy allows, and
// read the secrets that theirs does; nil is the default policy of either.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:    "prometheus",
		Title:   "Prometheus exporters",
		Doc:     doc,
		Example: example,
		NewOptions: func() any {
			o := &Options{Options: endpoint.Defaults(), HonorTimestamps: true, MaxAge: defaultMaxAge}
			o.Series.MaxSeries = series.DefaultMaxSeries
			return o
		},
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			return newScraper(o, policy, secrets)
		},
	}
}

// own are the attributes that every probe of the kind has.
func own() []beans.AttributeInfo {
	return append(answer.Attributes(append(endpoint.States(), "malformed")...),
		beans.AttributeInfo{Name: "samples", Type: beans.TypeInt, Unit: "samples", Readable: true, Description: "Samples that the exporter shows, wanted or not."},
		beans.AttributeInfo{Name: "series", Type: beans.TypeInt, Unit: "series", Readable: true, Description: "Series whose names are asked for."},
		beans.AttributeInfo{Name: "size", Type: beans.TypeFloat, Unit: "bytes", Readable: true, Description: "Size of the answer, uncompressed."},
		beans.AttributeInfo{Name: "format", Type: beans.TypeString, Readable: true, Description: "Format that the exporter chose."},
		beans.AttributeInfo{Name: "missing", Type: beans.TypeString, Readable: true, Description: "Values and texts for which the exporter has nothing; empty when it has all."},
	)
}

// scraper keeps its connection, and the series that it met.
type scraper struct {
	client     *endpoint.Client
	attributes []beans.AttributeInfo
	accept     string
	maxAge     int64 // milliseconds; 0: times are not heeded
	set        *series.Set
	last       int64 // time of the last scrape, in milliseconds
}

func newScraper(o *Options, policy *dial.Policy, secrets *secret.Policy) (*scraper, error) {
	u, err := o.Check()
	if err != nil {
		return nil, err
	}
	attributes := own()
	reserved := make([]string, len(attributes))
	for i, a := range attributes {
		reserved[i] = a.Name
	}
	plan, err := o.Series.Plan(reserved...)
	if err != nil {
		return nil, err
	}
	accept, err := o.accept(plan.Histograms())
	if err != nil {
		return nil, err
	}
	if err := o.checkAge(); err != nil {
		return nil, err
	}
	p := &scraper{
		client: endpoint.New(o.Options, u, policy, secrets), accept: accept, set: plan.NewSet(),
		attributes: append(attributes, plan.Attributes()...),
	}
	if o.HonorTimestamps {
		p.maxAge = o.MaxAge.Milliseconds()
	}
	return p, nil
}

// Attributes implements probe.Probe.
func (p *scraper) Attributes() []beans.AttributeInfo { return p.attributes }

// Target implements probe.Probe: the host of the URL.
func (p *scraper) Target() string { return p.client.Target() }

// Close implements probe.Probe.
func (p *scraper) Close() error {
	p.client.Close()
	return nil
}

// Run implements probe.Probe. An exporter that cannot be reached or answers wrongly is a
// reading; an error says what the definition asks for and cannot be read.
func (p *scraper) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	if err := p.client.Ready(); err != nil {
		return r, err
	}
	problem, err := p.scrape(ctx, start, &r)
	if err := p.client.Finish(ctx, &r, start, err); err != nil {
		return r, err
	}
	return r, problem
}

// scrape asks and reads. A problem is one of the definition, and no fault of the exporter.
func (p *scraper) scrape(ctx context.Context, start time.Time, r *probe.Result) (problem, err error) {
	header := http.Header{}
	if deadline, ok := ctx.Deadline(); ok {
		// An exporter that asks others itself gives up in time.
		header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(time.Until(deadline).Seconds(), 'f', 3, 64))
	}
	got, err := p.client.Exchange(ctx, endpoint.Request{Accept: p.accept, Header: header})
	if err != nil {
		return nil, err
	}
	// The clock may be set back, and a machine may be fast: no two scrapes are of one time.
	p.last = max(p.last+1, start.UnixMilli())
	e := exposition{body: got.Body, contentType: got.Header.Get("Content-Type"), at: p.last, now: start.UnixMilli(), maxAge: p.maxAge}
	if err := e.take(p.set); err != nil {
		return nil, &answer.Fault{State: "malformed", Err: err}
	}
	if e.timed && e.newest <= e.now {
		r.Time = time.UnixMilli(e.newest)
	}
	r.Number("samples", float64(e.samples))
	r.Number("series", float64(p.set.Len()))
	r.Number("size", float64(len(got.Body)))
	r.Text("format", e.format())
	r.Text("missing", strings.Join(p.set.Missing(), ", "))
	problem = p.set.Read(r, false)
	if e.problem != nil {
		problem = e.problem
	}
	return problem, nil
}
