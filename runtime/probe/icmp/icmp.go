// Package icmp is the probe kind "ping": echo requests over IPv4 and IPv6, how many were
// answered and how fast.
//
// All probes of a manager share one socket for each family of addresses, which one
// goroutine writes and one reads, many packets a system call: the cost of a ping is that
// of the kernel. Requests carry a random token, so that neither the answers for another
// program nor those that somebody makes up count.
package icmp

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// margin is what a run leaves of its time, so that what came until then is a reading.
const margin = 100 * time.Millisecond

// Kind returns the kind "ping". Its probes ask only the addresses that the policy allows,
// nil is the default policy, and share one engine.
func Kind(policy *dial.Policy) probe.Kind {
	shared := new(engine)
	return probe.Kind{
		Name:    "ping",
		Title:   "Pings: ICMP echo over IPv4 and IPv6",
		Doc:     doc,
		Example: example,
		NewOptions: func() any {
			return &Options{Count: 3, Interval: 200 * time.Millisecond, Wait: time.Second, Size: 56}
		},
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			p, err := o.check()
			if err != nil {
				return nil, err
			}
			return &pingProbe{plan: p, policy: policy, engine: shared}, nil
		},
		Limit: 20_000, // a run that waits costs nothing but its memory
	}
}

type pingProbe struct {
	plan   *plan
	policy *dial.Policy
	engine *engine
	lines  [2]*line // held by this probe: IPv4, IPv6

	// The address of the last run, and as text.
	last netip.Addr
	text string
}

// Target implements probe.Probe.
func (p *pingProbe) Target() string { return p.plan.Host }

// Attributes implements probe.Probe.
func (p *pingProbe) Attributes() []beans.AttributeInfo {
	list := answer.Attributes()
	for _, a := range []beans.AttributeInfo{
		{Name: "address", Type: beans.TypeString, Description: "The address that was pinged."},
		{Name: "sent", Type: beans.TypeInt, Unit: "packets", Description: "Requests of this run."},
		{Name: "received", Type: beans.TypeInt, Unit: "packets", Description: "Answers of this run."},
		{Name: "loss", Type: beans.TypeFloat, Unit: "%", Description: "Requests without an answer."},
		{Name: "rtt_min", Type: beans.TypeFloat, Unit: "s", Description: "The shortest time from request to answer."},
		{Name: "rtt", Type: beans.TypeFloat, Unit: "s", Description: "The average time from request to answer."},
		{Name: "rtt_max", Type: beans.TypeFloat, Unit: "s", Description: "The longest time from request to answer."},
		{Name: "jitter", Type: beans.TypeFloat, Unit: "s", Description: "By how much the times of two answers in a row differ, on average."},
		{Name: "ttl", Type: beans.TypeInt, Description: "Time to live (hop limit) that was left of the last answer: it falls by one at each router."},
	} {
		a.Readable = true
		list = append(list, a)
	}
	return list
}

// Run implements probe.Probe.
func (p *pingProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	r.Values = make([]probe.Value, 0, 13)
	fault, err := p.ask(ctx, start, &r)
	if err != nil {
		return r, err
	}
	err = answer.Add(ctx, &r, start, fault)
	return r, err
}

// ask pings and adds what came of it. The fault says why the host is down, the error why
// that could not be found out.
func (p *pingProbe) ask(ctx context.Context, start time.Time, r *probe.Result) (fault, err error) {
	to, err := p.resolve(ctx)
	if err != nil {
		return err, nil
	}
	if err := p.policy.Check(to); err != nil {
		return err, nil
	}
	if to != p.last {
		p.last, p.text = to, to.String()
	}
	r.Text("address", p.text)
	l, err := p.line(!to.Is4())
	if err != nil {
		return nil, err
	}
	s := series{to: to, count: p.plan.Count, interval: p.plan.Interval, size: p.plan.Size, wait: p.plan.Wait}
	if deadline, ok := ctx.Deadline(); ok {
		s.until = deadline.Add(-min(margin, deadline.Sub(start)/10))
	}
	echoes, err := l.ping(ctx, s)
	if err != nil {
		return nil, err
	}
	return p.add(r, echoes), nil
}

// resolve returns the address to ping: that of the options, or the first of the name.
func (p *pingProbe) resolve(ctx context.Context) (netip.Addr, error) {
	if p.plan.address.IsValid() {
		return p.plan.address, nil
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, p.plan.network(), p.plan.Host)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(list) == 0 {
		return netip.Addr{}, &net.DNSError{Err: "no address", Name: p.plan.Host, IsNotFound: true}
	}
	return list[0].Unmap(), nil
}

// line returns the shared line of a family, which the probe holds until it is closed.
func (p *pingProbe) line(six bool) (*line, error) {
	held := &p.lines[index(six)]
	if *held == nil {
		l, err := p.engine.hold(six)
		if err != nil {
			return nil, err
		}
		*held = l
	}
	return *held, nil
}

// Close implements probe.Probe.
func (p *pingProbe) Close() error {
	var errs []error
	for k, l := range p.lines {
		if l != nil {
			errs = append(errs, p.engine.release(k == 1))
			p.lines[k] = nil
		}
	}
	return errors.Join(errs...)
}

// add adds the readings of a run, and says why the host is down if it is.
func (p *pingProbe) add(r *probe.Result, echoes []echo) error {
	var n, ttl, steps int
	var sum, jitter, last time.Duration
	least, most := time.Duration(math.MaxInt64), time.Duration(0)
	var fault error
	for _, e := range echoes {
		if !e.ok || e.rtt > p.plan.Wait {
			if fault == nil {
				fault = e.fault
			}
			continue
		}
		if n > 0 {
			jitter += (e.rtt - last).Abs()
			steps++
		}
		n++
		last, ttl = e.rtt, e.ttl
		sum += e.rtt
		least, most = min(least, e.rtt), max(most, e.rtt)
	}
	r.Number("sent", float64(len(echoes)))
	r.Number("received", float64(n))
	if len(echoes) > 0 {
		r.Number("loss", float64(len(echoes)-n)/float64(len(echoes))*100)
	}
	if n > 0 {
		r.Number("rtt_min", least.Seconds())
		r.Number("rtt", sum.Seconds()/float64(n))
		r.Number("rtt_max", most.Seconds())
		if ttl > 0 {
			r.Number("ttl", float64(ttl))
		}
		if steps > 0 {
			r.Number("jitter", jitter.Seconds()/float64(steps))
		}
		return nil
	}
	var complaint *Complaint
	switch {
	case errors.As(fault, &complaint):
		return &answer.Fault{State: "unreachable", Err: fault}
	case fault != nil:
		return fault
	}
	return &answer.Fault{State: "timeout", Err: fmt.Errorf("no answer to %d pings", len(echoes))}
}
