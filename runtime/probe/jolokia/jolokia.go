// Package jolokia is the probe kind "jolokia": the MBeans of a Java server by the agent
// that brings JMX to HTTP, in both generations of its protocol (Jolokia 1.x speaks 7,
// Jolokia 2.x speaks 8). The protocol is described at https://jolokia.org/reference.
package jolokia

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/endpoint"
	"grove/runtime/probe/mbean"
	"grove/runtime/probe/secret"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// parameters hold for all requests of a bulk: an attribute that fails takes no other
// along, names are told in one order, and errors without their stack.
const parameters = "ignoreErrors=true&canonicalNaming=true&includeStackTrace=false"

// Option changes what Kind returns.
type Option func(*settings)

type settings struct{ secrets *secret.Policy }

// Secrets says which files and variables the definitions may name; by default it is
// what a nil secret.Policy allows.
func Secrets(p *secret.Policy) Option { return func(s *settings) { s.secrets = p } }

// Kind returns the kind "jolokia". Its probes connect to the addresses that the policy
// allows, and send an agent in proxy mode to no other.
func Kind(policy *dial.Policy, options ...Option) probe.Kind {
	var s settings
	for _, o := range options {
		o(&s)
	}
	return probe.Kind{
		Name:       "jolokia",
		Title:      "MBeans of Java servers by Jolokia",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Options: endpoint.Defaults()} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			plan, err := o.check()
			if err != nil {
				return nil, err
			}
			return &jolokiaProbe{plan: plan, policy: policy, client: endpoint.New(o.Options, plan.url, policy, s.secrets)}, nil
		},
	}
}

type jolokiaProbe struct {
	plan       *plan
	policy     *dial.Policy
	client     *endpoint.Client
	target     *target // of the run that is under way
	subscribed subscription
}

// Attributes implements probe.Probe.
func (p *jolokiaProbe) Attributes() []beans.AttributeInfo { return p.plan.attributes }

// Target implements probe.Probe: the host of the agent.
func (p *jolokiaProbe) Target() string { return p.client.Target() }

// Close implements probe.Probe.
func (p *jolokiaProbe) Close() error {
	p.leave()
	p.client.Close()
	return nil
}

// Run implements probe.Probe. An agent that cannot be reached, refuses or does not speak
// Jolokia is a reading: up is false and error says why. An MBean that is not there is
// told in errors.
func (p *jolokiaProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	if err := p.prepare(); err != nil {
		return r, err
	}
	err := p.read(ctx, &r)
	return r, p.client.Finish(ctx, &r, start, err)
}

// prepare reads what the run needs of files and secrets.
func (p *jolokiaProbe) prepare() error {
	if err := p.client.Ready(); err != nil {
		return err
	}
	s := p.plan.Service
	p.target = nil
	if s.URL == "" {
		return nil
	}
	if p.plan.host.IsValid() {
		if err := p.policy.Check(p.plan.host); err != nil {
			return fmt.Errorf("target.url: %w", err)
		}
	}
	p.target = &target{URL: s.URL, User: s.User}
	if s.Password != "" {
		var err error
		if p.target.Password, err = p.client.Secret("target.password", s.Password); err != nil {
			return err
		}
	}
	return nil
}

// read asks for everything in one request.
func (p *jolokiaProbe) read(ctx context.Context, r *probe.Result) error {
	requests := []request{{Type: "version"}}
	if p.plan.Deadlocks {
		requests = append(requests, request{Type: "exec", MBean: "java.lang:type=Threading", Operation: "findDeadlockedThreads"})
	}
	if !p.plan.list.IsZero() {
		requests = append(requests, listing(p.plan.list))
	}
	for _, q := range p.plan.mbeans.Queries() {
		requests = append(requests, question(q))
	}
	answers, err := p.post(ctx, requests)
	if err != nil {
		return err
	}
	next := func() *response {
		a := &answers[0]
		answers = answers[1:]
		return a
	}
	var problems []mbean.Problem
	tell := func(what string, err error) {
		if err != nil {
			problems = append(problems, mbean.Problem{What: what, Err: err})
		}
	}
	tell("version", takeVersion(next(), r))
	if p.plan.Deadlocks {
		tell("java.lang:type=Threading findDeadlockedThreads", takeDeadlocks(next(), r))
	}
	if !p.plan.list.IsZero() {
		tell("list "+p.plan.list.String(), takeList(p.plan.list, next(), r))
	}
	var got []mbean.Answer
	for _, q := range p.plan.mbeans.Queries() {
		got = append(got, take(q, next()))
	}
	if len(p.plan.feeds) > 0 {
		more, err := p.notifications(ctx, r)
		if err != nil {
			return err
		}
		problems = append(problems, more...)
	}
	p.plan.mbeans.Take(got, r, problems...)
	return nil
}

// post sends a bulk request and reads as many responses.
func (p *jolokiaProbe) post(ctx context.Context, requests []request) ([]response, error) {
	for i := range requests {
		requests[i].Target = p.target
	}
	text, err := json.Marshal(requests)
	if err != nil {
		return nil, err
	}
	body, err := p.client.Ask(ctx, endpoint.Request{Method: "POST", Query: parameters, Type: "application/json", Accept: "application/json", Body: string(text)})
	if err != nil {
		return nil, err
	}
	return readAll(body, len(requests))
}

func takeVersion(a *response, r *probe.Result) error {
	if err := a.failure(); err != nil {
		return err
	}
	var v agentInfo
	if err := json.Unmarshal(a.Value, &v); err != nil {
		return err
	}
	const most = 100
	r.Text("agent", clean(v.Agent, most))
	r.Text("protocol", clean(v.Protocol, most))
	return nil
}

// takeDeadlocks counts the threads; none are told as null.
func takeDeadlocks(a *response, r *probe.Result) error {
	if err := a.failure(); err != nil {
		return err
	}
	var threads []json.Number
	if err := json.Unmarshal(a.Value, &threads); err != nil {
		return fmt.Errorf("is no list of threads: %w", err)
	}
	r.Number("deadlocked", float64(len(threads)))
	return nil
}
