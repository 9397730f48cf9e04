// Package httpsd is the probe kind "http_sd": a list of targets that a service answers
// with, in the form of Prometheus' HTTP service discovery.
package httpsd

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"grove/beans"
	"grove/runtime/discover/group"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/secret"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options are the options of the kind "http_sd".
type Options struct {
	endpoint.Options `yaml:",inline"`

	Labels []string `yaml:"labels,omitempty" jsonschema:"description=Labels that become columns."`
}

// Kind returns the kind "http_sd". Its probes ask where the one policy allows, and read the
// secrets and certificates that the other one does; nil is the default of each.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "http_sd",
		Title:      "Lists of targets by HTTP service discovery",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Options: endpoint.Defaults()} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			u, err := o.Check()
			if err != nil {
				return nil, err
			}
			if err := group.CheckLabels(o.Labels); err != nil {
				return nil, err
			}
			return &sdProbe{labels: o.Labels, client: endpoint.New(o.Options, u, policy, secrets)}, nil
		},
	}
}

type sdProbe struct {
	labels []string
	client *endpoint.Client
}

// Attributes implements probe.Probe.
func (p *sdProbe) Attributes() []beans.AttributeInfo {
	return append(answer.Attributes(append(endpoint.States(), "malformed")...), group.Attributes(p.labels)...)
}

// Target implements probe.Probe.
func (p *sdProbe) Target() string { return p.client.Target() }

// Close implements probe.Probe.
func (p *sdProbe) Close() error {
	p.client.Close()
	return nil
}

// Run implements probe.Probe.
func (p *sdProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	groups, err := p.ask(ctx)
	if err == nil {
		group.Add(&r, groups, p.labels)
	}
	return r, p.client.Finish(ctx, &r, start, err)
}

func (p *sdProbe) ask(ctx context.Context) ([]group.Group, error) {
	if err := p.client.Ready(); err != nil {
		return nil, &endpoint.LocalError{Err: err}
	}
	body, err := p.client.Ask(ctx, endpoint.Request{Accept: "application/json"})
	if err != nil {
		return nil, err
	}
	groups, err := group.Read(group.JSON, body)
	if err != nil {
		return nil, &answer.Fault{State: "malformed", Err: fmt.Errorf("the answer: %w", err)}
	}
	return groups, nil
}
