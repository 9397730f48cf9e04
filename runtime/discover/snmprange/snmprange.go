// Package snmprange is the probe kind "snmp_range": which addresses of a range answer
// SNMP, and what they are by their sysObjectID.
package snmprange

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/snmp/ber"
	"grove/runtime/probe/snmp/exchange"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

const (
	// maxWaiting bounds the addresses that are waited for at the same time.
	maxWaiting = 2000
	maxText    = 255 // bytes of a DisplayString (RFC 2579) that are shown
)

// asked are the objects of the group system (RFC 3418) in the order of the columns.
var asked = func() (names []ber.Name) {
	for _, dotted := range []string{"1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.2.0", "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.6.0", "1.3.6.1.2.1.1.3.0"} {
		oid, err := ber.ParseOID(dotted)
		if err != nil {
			panic(err)
		}
		names = append(names, ber.Name{Column: oid})
	}
	return names
}()

var columns = []beans.AttributeInfo{
	{Name: "address", Type: beans.TypeString, Readable: true, Description: "Address that answered."},
	{Name: "name", Type: beans.TypeString, Readable: true, Description: "sysName."},
	{Name: "object_id", Type: beans.TypeString, Readable: true, Description: "sysObjectID: what kind of device it is, 1.3.6.1.4.1.9.1.1208."},
	{Name: "description", Type: beans.TypeString, Readable: true, Description: "sysDescr, in one line."},
	{Name: "location", Type: beans.TypeString, Readable: true, Description: "sysLocation."},
	{Name: "uptime", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "sysUpTime: since the agent was started."},
}

// Kind returns the kind "snmp_range". Its probes ask only addresses that the one policy
// allows, and read the secrets that the other one does; nil is the default of each.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	shared := new(exchange.Exchange)
	return probe.Kind{
		Name:       "snmp_range",
		Title:      "Devices of a range of addresses, by SNMP",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return defaults() },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			p, err := o.check()
			if err != nil {
				return nil, err
			}
			return &rangeProbe{plan: p, policy: policy, secrets: secrets, exchange: shared}, nil
		},
		// A range is a burst of packets: one after the other is fast enough.
		Limit: 2,
	}
}

type rangeProbe struct {
	plan     *plan
	policy   *dial.Policy
	secrets  *secret.Policy
	exchange *exchange.Exchange
}

// Attributes implements probe.Probe.
func (p *rangeProbe) Attributes() []beans.AttributeInfo {
	return append(answer.Attributes("silent", "too_short"),
		beans.AttributeInfo{Name: "asked", Type: beans.TypeInt, Unit: "addresses", Readable: true, Description: "How many addresses were asked."},
		beans.AttributeInfo{Name: "denied", Type: beans.TypeInt, Unit: "addresses", Readable: true, Description: "How many were left out, since the manager may not ask them."},
		beans.AttributeInfo{Name: "count", Type: beans.TypeInt, Unit: "devices", Readable: true, Description: "How many answered."},
		beans.AttributeInfo{Name: "devices", Type: beans.TypeTable, Key: "address", Columns: columns, Readable: true, Description: "Those that answered, in the order of their addresses."},
	)
}

// Target implements probe.Probe: it is many, and none of them is asked twice.
func (p *rangeProbe) Target() string { return "" }

// Close implements probe.Probe.
func (p *rangeProbe) Close() error { return nil }

// Run implements probe.Probe. A sweep that did not come to its end is an error, and so is
// silence everywhere: neither says that devices are gone.
func (p *rangeProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	community := p.plan.Community
	if secret.Looks(community) {
		var err error
		if community, err = p.secrets.Read(secret.Ref(community)); err != nil {
			return r, fmt.Errorf("community: %w", err)
		}
	}
	table := probe.Table{Attribute: "devices"}
	for _, c := range columns {
		table.Columns = append(table.Columns, c.Name)
	}
	addresses, denied, refusal := p.allowed()
	if len(addresses) == 0 {
		return r, refusal
	}
	var err error
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < p.plan.needs() {
		err = &answer.Fault{State: "too_short", Err: fmt.Errorf("%d addresses at a rate of %d take up to %v, and the run has %v: give it a longer timeout, or a higher rate",
			len(addresses), p.plan.Rate, p.plan.needs().Round(time.Second), time.Until(deadline).Round(time.Second))}
	} else {
		table.Rows, err = p.sweep(ctx, addresses, community, start)
	}
	if err := answer.Add(ctx, &r, start, err); err != nil {
		return r, err
	}
	if err == nil {
		r.Number("asked", float64(len(addresses)))
		r.Number("denied", float64(denied))
		r.Number("count", float64(len(table.Rows)))
		r.Tables = append(r.Tables, table)
	}
	return r, nil
}

// allowed returns the addresses that may be asked; the error is about the last that may
// not.
func (p *rangeProbe) allowed() (addresses []netip.Addr, denied int, refusal error) {
	for _, a := range p.plan.addresses {
		if err := p.policy.Check(a); err != nil {
			denied++
			refusal = err
			continue
		}
		addresses = append(addresses, a)
	}
	return addresses, denied, refusal
}

// sweep asks all addresses, each at its time, and returns the rows of those that answered.
func (p *rangeProbe) sweep(ctx context.Context, addresses []netip.Addr, community string, start time.Time) ([][]tree.Value, error) {
	p.exchange.Join()
	defer p.exchange.Leave()
	request := ber.Request{Version: p.plan.version, Community: community, PDU: ber.Get, Names: asked}
	var (
		next  atomic.Int64
		mu    sync.Mutex // guards what follows
		rows  = map[netip.Addr][]tree.Value{}
		fault error // the last of an address that could not be asked at all
		wg    sync.WaitGroup
	)
	waiting := int(float64(p.plan.Rate)*p.plan.patience().Seconds()) + 1
	for range min(waiting, len(addresses), maxWaiting) {
		wg.Go(func() {
			turn := time.NewTimer(0)
			defer turn.Stop()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(addresses) {
					return
				}
				turn.Reset(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(p.plan.Rate))))
				select {
				case <-ctx.Done():
					return
				case <-turn.C:
				}
				row, err := p.ask(ctx, addresses[i], &request)
				mu.Lock()
				if row != nil {
					rows[addresses[i]] = row
				} else if err != nil {
					fault = err
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("not all addresses were asked: %w", ctx.Err())
	case len(rows) > 0:
	case fault != nil:
		return nil, fmt.Errorf("none of %d addresses could be asked: %w", len(addresses), fault)
	default:
		return nil, &answer.Fault{State: "silent", Err: fmt.Errorf("none of %d addresses answered with this community", len(addresses))}
	}
	var out [][]tree.Value
	for _, a := range addresses {
		if row := rows[a]; row != nil {
			out = append(out, row)
		}
	}
	return out, nil
}

// ask asks one address; without an answer there is no row, and no error unless it could
// not be asked.
func (p *rangeProbe) ask(ctx context.Context, a netip.Addr, request *ber.Request) ([]tree.Value, error) {
	message, id := request.Append(nil)
	call := exchange.Call{Message: message, ID: id, Version: p.plan.version, Community: request.Community}
	calls := []exchange.Call{call}
	err := p.exchange.Ask(ctx, netip.AddrPortFrom(a, p.plan.Port), calls, p.plan.RequestTimeout, p.plan.Retries)
	defer calls[0].Free()
	if err != nil {
		return nil, err
	}
	var unreadable *exchange.UnreadableError
	switch c := &calls[0]; {
	case c.Err == nil:
		return read(a, c.Answer), nil
	case errors.Is(c.Err, exchange.ErrSilent), errors.Is(c.Err, exchange.ErrTooLong), errors.As(c.Err, &unreadable):
		return nil, nil
	default:
		if answer.State(c.Err) == "refused" {
			return nil, nil // somebody is there, and no agent
		}
		return nil, c.Err
	}
}

// read makes a row of an answer; nil: it is none.
func read(a netip.Addr, message []byte) []tree.Value {
	head, err := ber.ReadHead(message)
	if err != nil || head.PDU != ber.Response {
		return nil
	}
	row := make([]tree.Value, len(columns))
	row[0] = tree.Text(a.String())
	bindings := head.Bindings
	var v ber.Value
	for i := 1; i < len(row); i++ {
		_, ok, err := bindings.Next(&v)
		if err != nil {
			return nil
		}
		if !ok {
			break // version 1 says so when one is missing: what answers is there all the same
		}
		switch v.Type {
		case ber.OctetString:
			row[i] = tree.Text(text(v.Octets))
		case ber.ObjectID:
			if ber.CheckOID(v.Octets) == nil {
				row[i] = tree.Text(ber.OID(v.Octets).String())
			}
		case ber.TimeTicks:
			row[i] = tree.Number(float64(v.Bits) / 100) // hundredths of a second
		}
	}
	return row
}

// text is a DisplayString in one line.
func text(octets []byte) string {
	s := strings.ToValidUTF8(string(octets[:min(len(octets), maxText)]), "�")
	words := strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}
