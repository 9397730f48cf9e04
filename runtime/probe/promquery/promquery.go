// Package promquery is the probe kind "promquery": what a Prometheus, or another server
// with its query interface, answers to queries of a definition.
package promquery

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

// Kind returns the kind "promquery". Its probes connect where the policy allows, and read
// the secrets that theirs does; nil is the default policy of either.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:    "promquery",
		Title:   "Queries of a Prometheus",
		Doc:     doc,
		Example: example,
		NewOptions: func() any {
			o := &Options{Options: endpoint.Defaults(), Check: true}
			o.Queries.MaxSeries = series.DefaultMaxSeries
			return o
		},
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			return newAsker(o, policy, secrets)
		},
	}
}

// own are the attributes that every probe of the kind has.
func own() []beans.AttributeInfo {
	return append(answer.Attributes(append(endpoint.States(), "malformed")...),
		beans.AttributeInfo{Name: "warnings", Type: beans.TypeString, Readable: true, Description: "What the server remarks on the queries; empty when it says nothing."},
		beans.AttributeInfo{Name: "missing", Type: beans.TypeString, Readable: true, Description: "Values and texts whose queries found nothing; empty when all found something."},
	)
}

// asker keeps its connection, and the series that queries found before.
type asker struct {
	client     *endpoint.Client
	attributes []beans.AttributeInfo
	queries    []query
	set        *series.Set
	round      int64
}

func newAsker(o *Options, policy *dial.Policy, secrets *secret.Policy) (*asker, error) {
	u, err := o.Options.Check()
	if err != nil {
		return nil, err
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	attributes := own()
	reserved := make([]string, len(attributes))
	for i, a := range attributes {
		reserved[i] = a.Name
	}
	queries, plan, err := o.plan(reserved)
	if err != nil {
		return nil, err
	}
	return &asker{
		client: endpoint.New(o.Options, u, policy, secrets), queries: queries, set: plan.NewSet(),
		attributes: append(attributes, plan.Attributes()...),
	}, nil
}

// Attributes implements probe.Probe.
func (p *asker) Attributes() []beans.AttributeInfo { return p.attributes }

// Target implements probe.Probe: the host of the URL.
func (p *asker) Target() string { return p.client.Target() }

// Close implements probe.Probe.
func (p *asker) Close() error {
	p.client.Close()
	return nil
}

// Run implements probe.Probe. A server that does not answer is a reading; an error says
// which query it refuses.
func (p *asker) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	if err := p.client.Ready(); err != nil {
		return r, err
	}
	problem, err := p.ask(ctx, &r)
	if err := p.client.Finish(ctx, &r, start, err); err != nil {
		return r, err
	}
	return r, problem
}

// ask asks all queries, one after the other over one connection. A problem is one of the
// definition; an error, one of the server, ends it.
func (p *asker) ask(ctx context.Context, r *probe.Result) (problem, err error) {
	p.set.Begin()
	p.round++
	var warnings []string
	for _, q := range p.queries {
		got, err := p.client.Exchange(ctx, endpoint.Request{
			Method: http.MethodPost, Path: "/api/v1/query", Type: "application/x-www-form-urlencoded",
			Body: url.Values{"query": {q.text}}.Encode(), Accept: "application/json",
		})
		var fault *answer.Fault
		refused := errors.As(err, &fault) && (got.Status == http.StatusBadRequest || got.Status == http.StatusUnprocessableEntity)
		if err != nil && !refused {
			return nil, err
		}
		result, err := parse(got.Body)
		switch {
		case err != nil:
			return nil, &answer.Fault{State: "malformed", Err: fmt.Errorf("the answer to %s: %w", q.option, err)}
		case result.refusal != "":
			problem = first(problem, fmt.Errorf("%s: %s", q.option, result.refusal))
			continue
		case refused:
			return nil, fault
		}
		warnings = append(warnings, result.warnings...)
		if err := p.put(q, result); err != nil {
			problem = first(problem, err)
		}
	}
	p.set.End()
	r.Text("warnings", remarks(warnings))
	r.Text("missing", strings.Join(p.set.Missing(), ", "))
	return first(problem, p.set.Read(r, false)), nil
}

// put gives the results of a query to the set.
func (p *asker) put(q query, result *result) error {
	for _, s := range result.series {
		l := series.NewLabels(q.metric, s.labels)
		key := series.Key(l, nil)
		x := p.set.Get(key)
		if x == nil {
			var err error
			if x, err = p.set.Add(key, l); err != nil {
				return err
			}
		}
		// Results that differ in the name of the metric alone are told apart by nothing that
		// a definition could say.
		if p.set.Seen(x) {
			return fmt.Errorf("%s: finds several metrics with the same labels: aggregate them, such as by sum(…)", q.option)
		}
		_ = p.set.Put(x, series.Sample{Value: s.value, Time: p.round})
	}
	return nil
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
