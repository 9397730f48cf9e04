// Package snmp is the probe kind "snmp": it asks the SNMP agents of devices and
// hosts, in version 1, 2c and 3.
//
// Single values are asked for by GET, many to a packet, and tables by GETBULK over
// all columns side by side (GETNEXT in version 1): a tenth of the packets of a walk
// down one column after the other. Names come from package mib.
package snmp

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/files"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/snmp/exchange"
	"grove/runtime/probe/snmp/mib"
	"grove/tree"

	"github.com/gosnmp/gosnmp"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Option sets something of a kind that has a default.
type Option func(*shared)

// Secrets says which secrets definitions may refer to; the default is what a nil
// secret.Policy allows.
func Secrets(p *secret.Policy) Option { return func(s *shared) { s.secrets = p } }

// Files says which directories of MIB files may be read; the default is what a nil
// files.Policy allows.
func Files(p *files.Policy) Option { return func(s *shared) { s.library.Open = p.Open } }

// Over has requests carried by an exchange of the caller's, who may then see what it
// carried; the default is one of the kind's own.
func Over(e *exchange.Exchange) Option { return func(s *shared) { s.exchange = e } }

// shared is what all probes of one kind have in common.
type shared struct {
	policy   *dial.Policy
	secrets  *secret.Policy
	library  mib.Library
	exchange *exchange.Exchange
	layouts  alike[layout]
	shapes   alike[shape]
}

// Kind returns the kind "snmp". The policy says which addresses may be asked. Probes
// of one Kind share the MIB files that were read.
func Kind(policy *dial.Policy, options ...Option) probe.Kind {
	shared := &shared{policy: policy, exchange: new(exchange.Exchange)}
	for _, option := range options {
		option(shared)
	}
	return probe.Kind{
		Name: "snmp", Title: "SNMP agents of devices and hosts", Doc: doc, Example: example,
		NewOptions: func() any { return newOptions() },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options of kind snmp are a %T, not a %T", o, options)
			}
			return newProbe(shared, o)
		},
		// A run is a few packets and has no socket of its own, and one that waits for a dead
		// device must keep no other from its place.
		Limit: 10_000,
	}
}

// snmpProbe implements probe.Probe.
type snmpProbe struct {
	shared  *shared
	names   *mib.Set
	options *Options
	plan    *plan
	engine  *engine // of version 3, kept while all is well
	memory  memory
	member  bool  // of shared.exchange
	lent    *lent // the room of the last result; nil: it was given back
}

// newProbe reads MIB files when the options name directories of them: names cannot
// be checked without.
func newProbe(shared *shared, o *Options) (*snmpProbe, error) {
	names, err := shared.library.Load(o.MIBs...)
	if err != nil {
		return nil, &probe.OptionError{Option: "mibs", Err: err}
	}
	plan, err := o.plan()
	if err != nil {
		return nil, err
	}
	plan.shape, err = shared.shapes.share(o.key(names), func() (*shape, error) { return o.shape(names) })
	if err != nil {
		return nil, err
	}
	return &snmpProbe{shared: shared, names: names, options: o, plan: plan}, nil
}

// Attributes implements probe.Probe.
func (p *snmpProbe) Attributes() []beans.AttributeInfo { return p.plan.attributes }

// Target implements probe.Probe.
func (p *snmpProbe) Target() string { return p.plan.host }

// Close implements probe.Probe.
func (p *snmpProbe) Close() error {
	if p.member {
		p.member = false
		p.shared.exchange.Leave()
	}
	return nil
}

// Run implements probe.Probe.
func (p *snmpProbe) Run(ctx context.Context) (result probe.Result, err error) {
	result.Time = time.Now()
	if err := ctx.Err(); err != nil {
		return result, err
	}
	p.lent = lents.Get().(*lent)
	result.Values, result.Tables = p.lent.values, p.lent.tables
	defer func() {
		p.lent.values, p.lent.tables = result.Values, result.Tables
	}()
	run := newPoll(poll{
		plan: p.plan, memory: &p.memory, bulk: p.plan.version != gosnmp.Version1, most: p.options.MaxRepetitions,
		names: p.names, into: &result, now: result.Time, layouts: &p.shared.layouts,
		lent: p.lent,
	})
	defer run.release()
	start := result.Time
	err = p.poll(ctx, run)
	if err != nil && !isDown(err) {
		p.engine = nil
		return result, err
	}
	if err != nil {
		// The device may have been replaced or may have new keys: begin afresh.
		p.engine = nil
		p.memory.address.forget()
		run.problem("%s", err)
	}
	p.memory.silent = err != nil && !run.answered
	result.Add(attrUp, tree.Bool(run.answered))
	if run.answered {
		result.Number(attrDuration, time.Since(start).Seconds())
	}
	result.Text(attrError, run.text())
	return result, nil
}

func (p *snmpProbe) poll(ctx context.Context, run *poll) error {
	a, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer a.close()
	run.agent = a
	return run.run(ctx)
}

// connect opens a socket to the agent. Secrets are read now, and so every time for
// the versions whose connections are not kept: a file may have been changed.
func (p *snmpProbe) connect(ctx context.Context) (agent, error) {
	if p.plan.version != gosnmp.Version3 {
		community := p.options.Community
		if secret.Looks(community) {
			var err error
			if community, err = p.shared.secrets.Read(secret.Ref(community)); err != nil {
				return nil, fmt.Errorf("community: %w", err)
			}
			if len(community) > maxCommunity {
				return nil, fmt.Errorf("community: %s holds more than %d bytes", p.options.Community, maxCommunity)
			}
		}
		return p.open(ctx, community)
	}
	if p.engine == nil {
		var passwords [2]string
		for i, reference := range []secret.Ref{p.options.V3.AuthPassword, p.options.V3.PrivPassword} {
			var err error
			if passwords[i], err = p.shared.secrets.Read(reference); err != nil {
				return nil, fmt.Errorf("password of user %q: %w", p.options.V3.User, err)
			}
		}
		p.engine = newEngine(p.shared.policy, p.plan, p.options, passwords[0], passwords[1])
	}
	if err := p.engine.connect(ctx); err != nil {
		return nil, err
	}
	return p.engine, nil
}

// open prepares a client of version 1 or 2c.
func (p *snmpProbe) open(ctx context.Context, community string) (agent, error) {
	address := net.JoinHostPort(p.plan.host, strconv.Itoa(int(p.plan.port)))
	to, err := p.memory.address.resolve(ctx, p.shared.policy, p.plan.host)
	if err != nil {
		return nil, dialError(address, err)
	}
	if !p.member {
		p.member = true
		p.shared.exchange.Join()
	}
	c := clients.Get().(*client)
	c.exchange, c.to, c.address = p.shared.exchange, netip.AddrPortFrom(to, p.plan.port), address
	c.version, c.community = byte(p.plan.version), community
	c.timeout, c.retries = p.options.RequestTimeout, p.options.Retries
	return c, nil
}
