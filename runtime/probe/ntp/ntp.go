// Package ntp is the probe kind "ntp": what a time server says, and by how much this
// machine's clock differs from it.
package ntp

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/beevik/ntp"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// longestWait bounds a run whose context has no deadline.
const longestWait = 10 * time.Second

// Kind returns the kind "ntp". Its probes ask only the servers that the policy allows; nil
// is the default policy.
func Kind(policy *dial.Policy) probe.Kind {
	return probe.Kind{
		Name:       "ntp",
		Title:      "Time servers by NTP",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Version: 4} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			p, err := o.check()
			if err != nil {
				return nil, err
			}
			return &ntpProbe{plan: p, dialer: policy.Dialer(0)}, nil
		},
	}
}

type ntpProbe struct {
	plan   *plan
	dialer *net.Dialer
}

// Target implements probe.Probe.
func (p *ntpProbe) Target() string { return p.plan.host }

// Close implements probe.Probe.
func (p *ntpProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *ntpProbe) Attributes() []beans.AttributeInfo {
	list := answer.Attributes("unsynchronized", "refusing")
	for _, a := range []beans.AttributeInfo{
		{Name: "offset", Type: beans.TypeFloat, Unit: "s", Description: "By how much the server's clock is ahead of this machine's."},
		{Name: "offset_absolute", Type: beans.TypeFloat, Unit: "s", Description: "The same without its sign."},
		{Name: "rtt", Type: beans.TypeFloat, Unit: "s", Description: "Time of the question and its answer on the way."},
		{Name: "stratum", Type: beans.TypeInt, Description: "How far the server is from a reference clock: 1 has one; 16 is not synchronized."},
		{Name: "leap", Type: beans.TypeString, Description: "none, add or remove (a second at the end of the day), or unsynchronized."},
		{Name: "synchronized", Type: beans.TypeBool, Description: "1 when the server says that its clock is set by another."},
		{Name: "reference", Type: beans.TypeString, Description: "What the server takes the time from: a clock's name or an address."},
		{Name: "reference_age", Type: beans.TypeFloat, Unit: "s", Description: "How long ago the server's clock was set or corrected."},
		{Name: "root_delay", Type: beans.TypeFloat, Unit: "s", Description: "Time on the way from the server to the reference clock and back."},
		{Name: "root_dispersion", Type: beans.TypeFloat, Unit: "s", Description: "The most that the server's clock may be wrong, without the way."},
		{Name: "root_distance", Type: beans.TypeFloat, Unit: "s", Description: "The most that the time from this server may be wrong, all in all (RFC 5905)."},
		{Name: "precision", Type: beans.TypeFloat, Unit: "s", Description: "The smallest step of the server's clock."},
	} {
		a.Readable = true
		list = append(list, a)
	}
	return list
}

// Run implements probe.Probe.
func (p *ntpProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	err := answer.Add(ctx, &r, start, p.ask(ctx, &r))
	return r, err
}

func (p *ntpProbe) ask(ctx context.Context, r *probe.Result) error {
	wait := longestWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = time.Until(deadline)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := func() bool { return false }
	said, err := ntp.QueryWithOptions(p.plan.address, ntp.QueryOptions{
		Timeout: wait, Version: p.plan.Version,
		Dialer: func(_, remote string) (net.Conn, error) {
			conn, err := p.dialer.DialContext(ctx, "udp", remote)
			if err == nil {
				stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		},
	})
	stop()
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("no answer: %w", ctx.Err())
	case err != nil:
		return err
	}
	add(r, said)
	if kissed(said) {
		return &answer.Fault{State: "refusing", Err: fmt.Errorf("the server refuses to answer: kiss of death %q", said.KissCode)}
	}
	if said.Leap == ntp.LeapNotInSync || said.Stratum == 0 || said.Stratum >= unsynchronized {
		return &answer.Fault{State: "unsynchronized", Err: errors.New("the server's clock is not synchronized")}
	}
	if err := said.Validate(); err != nil {
		return &answer.Fault{State: "unsynchronized", Err: err}
	}
	return nil
}

// unsynchronized is the stratum of a clock that is not set by another, RFC 5905 section 7.3.
const unsynchronized = 16

// kissed says whether the server refuses to serve: a stratum of 0 with a code, RFC 5905
// section 7.4. Without one its clock is not synchronized.
func kissed(said *ntp.Response) bool { return said.IsKissOfDeath() && said.KissCode != "" }

var leaps = map[ntp.LeapIndicator]string{
	ntp.LeapNoWarning: "none", ntp.LeapAddSecond: "add", ntp.LeapDelSecond: "remove", ntp.LeapNotInSync: "unsynchronized",
}

func add(r *probe.Result, said *ntp.Response) {
	stratum := said.Stratum
	if stratum == 0 && !kissed(said) {
		stratum = unsynchronized // as it is sent, RFC 5905 figure 11
	}
	r.Number("stratum", float64(stratum))
	r.Text("leap", leaps[said.Leap])
	set := said.Leap != ntp.LeapNotInSync && said.Stratum > 0 && said.Stratum < unsynchronized
	r.Add("synchronized", tree.Bool(set))
	if kissed(said) {
		return
	}
	r.Number("offset", said.ClockOffset.Seconds())
	r.Number("offset_absolute", said.ClockOffset.Abs().Seconds())
	r.Number("rtt", said.RTT.Seconds())
	r.Number("root_delay", said.RootDelay.Seconds())
	r.Number("root_dispersion", said.RootDispersion.Seconds())
	r.Number("root_distance", said.RootDistance.Seconds())
	r.Number("precision", said.Precision.Seconds())
	if set {
		r.Text("reference", said.ReferenceString())
		if age := said.Time.Sub(said.ReferenceTime); age >= 0 && !said.ReferenceTime.IsZero() {
			r.Number("reference_age", age.Seconds())
		}
	}
}
