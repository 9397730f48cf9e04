// Package jmxproxy is the probe kind "jmxproxy": the MBeans of a Tomcat by the JMX proxy
// of its manager, which needs no agent. The proxy is described in Tomcat's manager how-to.
package jmxproxy

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
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

// maxServer bounds the name of the server, in bytes.
const maxServer = 200

// Option changes what Kind returns.
type Option func(*settings)

type settings struct{ secrets *secret.Policy }

// Secrets says which files and variables the definitions may name; by default it is
// what a nil secret.Policy allows.
func Secrets(p *secret.Policy) Option { return func(s *settings) { s.secrets = p } }

// Kind returns the kind "jmxproxy". Its probes connect to the addresses that the policy
// allows.
func Kind(policy *dial.Policy, options ...Option) probe.Kind {
	var s settings
	for _, o := range options {
		o(&s)
	}
	return probe.Kind{
		Name:       "jmxproxy",
		Title:      "MBeans of Tomcat by its manager",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Options: endpoint.Defaults()} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			u, err := o.Options.Check()
			if err != nil {
				return nil, err
			}
			plan, err := o.Beans.Check(fixed)
			if err != nil {
				return nil, err
			}
			p := &proxyProbe{plan: plan, client: endpoint.New(o.Options, u, policy, s.secrets)}
			p.attributes = append(append(p.attributes, fixed...), plan.Attributes()...)
			return p, nil
		},
	}
}

type proxyProbe struct {
	plan       *mbean.Plan
	attributes []beans.AttributeInfo
	client     *endpoint.Client
}

// Attributes implements probe.Probe.
func (p *proxyProbe) Attributes() []beans.AttributeInfo { return p.attributes }

// Target implements probe.Probe: the host of the server.
func (p *proxyProbe) Target() string { return p.client.Target() }

// Close implements probe.Probe.
func (p *proxyProbe) Close() error {
	p.client.Close()
	return nil
}

// Run implements probe.Probe. A server that cannot be reached, refuses or has no such
// proxy is a reading: up is false and error says why. An MBean that is not there is told
// in errors.
func (p *proxyProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	if err := p.client.Ready(); err != nil {
		return r, err
	}
	err := p.read(ctx, &r)
	return r, p.client.Finish(ctx, &r, start, err)
}

// read asks one question after the other, over one connection.
func (p *proxyProbe) read(ctx context.Context, r *probe.Result) error {
	if err := p.readServer(ctx, r); err != nil {
		return err
	}
	answers := make([]mbean.Answer, 0, len(p.plan.Queries()))
	for _, q := range p.plan.Queries() {
		body, err := p.client.Ask(ctx, endpoint.Request{Query: "qry=" + url.QueryEscape(q.Name.String())})
		if err != nil {
			return err
		}
		var a mbean.Answer
		a.Beans, a.Err = readQuery(string(body), q)
		answers = append(answers, a)
	}
	p.plan.Take(answers, r)
	return nil
}

// readServer asks for the name of the server, which shows that there is a proxy. One in
// another program has other domains, and no such MBean.
func (p *proxyProbe) readServer(ctx context.Context, r *probe.Result) error {
	const name, attribute = "Catalina:type=Server", "serverInfo"
	body, err := p.client.Ask(ctx, endpoint.Request{Query: "get=" + url.QueryEscape(name) + "&att=" + attribute})
	if err != nil {
		return err
	}
	server, err := readGet(string(body), name, attribute)
	var told *refused
	switch {
	case errors.As(err, &told):
		return nil
	case err != nil:
		return err
	}
	r.Text("server", server[:min(len(server), maxServer)])
	return nil
}
