// Package dns is the probe kind "dns": a question to one or more name servers, what they
// answer, and whether they agree.
package dns

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// resolvConf is where the system's servers stand.
const resolvConf = "/etc/resolv.conf"

// Kind returns the kind "dns". Its probes ask the servers that the policy allows, and read
// the files of TLS that the other one does; nil is the default of each.
func Kind(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "dns",
		Title:      "DNS questions, over UDP, TCP and TLS",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Type: "A", Recursion: true, Rcode: "NOERROR"} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			p, err := o.check()
			if err != nil {
				return nil, err
			}
			return &dnsProbe{plan: p, dialer: policy.Dialer(0), secrets: secrets}, nil
		},
	}
}

type dnsProbe struct {
	plan    *plan
	dialer  *net.Dialer
	secrets *secret.Policy
	files   secure.Files
}

// Target implements probe.Probe: the first server, when they are named.
func (p *dnsProbe) Target() string {
	if len(p.plan.servers) == 0 {
		return ""
	}
	host, _, _ := net.SplitHostPort(p.plan.servers[0])
	return strings.ToLower(host)
}

// Close implements probe.Probe.
func (p *dnsProbe) Close() error { return nil }

func readable(list ...beans.AttributeInfo) []beans.AttributeInfo {
	for i := range list {
		list[i].Readable = true
	}
	return list
}

// Attributes implements probe.Probe.
func (p *dnsProbe) Attributes() []beans.AttributeInfo {
	return append(answer.Attributes("rcode", "mismatch"), readable(
		beans.AttributeInfo{Name: "time", Type: beans.TypeFloat, Unit: "s", Description: "Time of the slowest server that answered."},
		beans.AttributeInfo{Name: "rcode", Type: beans.TypeString, Description: "Response code of the first server that answered: NOERROR, NXDOMAIN, SERVFAIL, REFUSED and so on."},
		beans.AttributeInfo{Name: "answers", Type: beans.TypeInt, Description: "How many records it answered with."},
		beans.AttributeInfo{Name: "first", Type: beans.TypeString, Description: "Data of the first of them, in order."},
		beans.AttributeInfo{Name: "ttl", Type: beans.TypeFloat, Unit: "s", Description: "How long its answer may be kept."},
		beans.AttributeInfo{Name: "authoritative", Type: beans.TypeBool, Description: "1 when its answer is authoritative."},
		beans.AttributeInfo{Name: "authenticated", Type: beans.TypeBool, Description: "1 when it validated the answer by DNSSEC (flag AD)."},
		beans.AttributeInfo{Name: "serial", Type: beans.TypeInt, Description: "Only for SOA: the serial number of the zone."},
		beans.AttributeInfo{Name: "refresh", Type: beans.TypeFloat, Unit: "s", Description: "Only for SOA: how often secondaries look for a new serial number."},
		beans.AttributeInfo{Name: "expire", Type: beans.TypeFloat, Unit: "s", Description: "Only for SOA: how long secondaries answer without having reached the primary."},
		beans.AttributeInfo{Name: "same", Type: beans.TypeBool, Description: "1 when all servers that answered gave the same answer; for SOA, the same serial."},
		beans.AttributeInfo{Name: "records", Type: beans.TypeTable, Key: "data", Description: "The records of the answer.", Columns: readable(
			beans.AttributeInfo{Name: "data", Type: beans.TypeString, Description: "What the record says, such as 192.0.2.7 or 10 mail.example.com."},
			beans.AttributeInfo{Name: "name", Type: beans.TypeString, Description: "Whose record it is."},
			beans.AttributeInfo{Name: "type", Type: beans.TypeString, Description: "Type of the record."},
			beans.AttributeInfo{Name: "ttl", Type: beans.TypeFloat, Unit: "s", Description: "How long the record may be kept."},
		)},
		beans.AttributeInfo{Name: "servers", Type: beans.TypeTable, Key: "server", Description: "What each server did.", Columns: readable(
			beans.AttributeInfo{Name: "server", Type: beans.TypeString, Description: "Host and port."},
			beans.AttributeInfo{Name: "up", Type: beans.TypeBool, Description: "1 when it answered as it should."},
			beans.AttributeInfo{Name: "error", Type: beans.TypeString, Description: "What went wrong; empty when nothing did."},
			beans.AttributeInfo{Name: "rcode", Type: beans.TypeString, Description: "Its response code."},
			beans.AttributeInfo{Name: "time", Type: beans.TypeFloat, Unit: "s", Description: "Until its answer was there."},
			beans.AttributeInfo{Name: "serial", Type: beans.TypeInt, Description: "Only for SOA: the serial number that it has."},
		)},
	)...)
}

// Run implements probe.Probe.
func (p *dnsProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	servers, err := p.servers()
	if err != nil {
		return r, err
	}
	replies := make([]reply, len(servers))
	var asking sync.WaitGroup
	for i, s := range servers {
		asking.Go(func() { replies[i] = p.ask(ctx, s) })
	}
	asking.Wait()
	for i := range replies {
		var config *configError
		if errors.As(replies[i].err, &config) {
			return r, config.error
		}
	}
	fault := p.add(&r, replies)
	err = answer.Add(ctx, &r, start, fault)
	return r, err
}

// servers are those of the options, or the system's at the moment.
func (p *dnsProbe) servers() ([]string, error) {
	if len(p.plan.servers) > 0 {
		return p.plan.servers, nil
	}
	config, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, s := range config.Servers {
		if len(list) == maxServers {
			break
		}
		list = append(list, net.JoinHostPort(s, ports[p.plan.Protocol]))
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s names no server: give one by servers", resolvConf)
	}
	return list, nil
}

// add adds what the servers answered, and says what is wrong.
func (p *dnsProbe) add(r *probe.Result, replies []reply) error {
	table := probe.Table{Attribute: "servers", Columns: []string{"server", "up", "error", "rcode", "time", "serial"}}
	var fault error
	var first *reply
	var slowest time.Duration
	answered := 0
	for i := range replies {
		it := &replies[i]
		row := []tree.Value{tree.Text(it.server), tree.Bool(it.err == nil), tree.Text(""), {}, {}, {}}
		if it.err != nil {
			row[2] = tree.Text(strings.ToValidUTF8(it.err.Error(), "�"))
			if fault == nil {
				fault = it.err
				if len(replies) > 1 {
					fault = fmt.Errorf("%s: %w", it.server, it.err)
				}
			}
		}
		if it.got {
			answered++
			if first == nil {
				first = it
			}
			slowest = max(slowest, it.took)
			row[3], row[4] = tree.Text(rcodeText(it.rcode)), tree.Number(it.took.Seconds())
			if it.soa != nil {
				row[5] = tree.Number(float64(it.serial))
			}
		}
		table.Rows = append(table.Rows, row)
	}
	r.Tables = append(r.Tables, table)
	if first == nil {
		return fault
	}
	r.Number("time", slowest.Seconds())
	first.add(r)
	different := differ(replies)
	if answered == len(replies) || different != nil {
		r.Add("same", tree.Bool(different == nil))
	}
	if different != nil && p.plan.Same && fault == nil {
		fault = &answer.Fault{State: "mismatch", Err: different}
	}
	return fault
}

// add adds what one server answered.
func (r *reply) add(to *probe.Result) {
	to.Text("rcode", rcodeText(r.rcode))
	to.Number("answers", float64(len(r.records)))
	to.Add("authoritative", tree.Bool(r.message.Authoritative))
	to.Add("authenticated", tree.Bool(r.message.AuthenticatedData))
	if len(r.records) > 0 {
		to.Text("first", strings.ToValidUTF8(r.records[0].data, "�"))
	}
	if ttl, ok := r.leastTTL(); ok {
		to.Number("ttl", ttl)
	}
	if r.soa != nil {
		to.Number("serial", float64(r.serial))
		to.Number("refresh", float64(r.soa.Refresh))
		to.Number("expire", float64(r.soa.Expire))
	}
	table := probe.Table{Attribute: "records", Columns: []string{"data", "name", "type", "ttl"}}
	seen := map[string]bool{}
	for _, rec := range r.records {
		data := strings.ToValidUTF8(rec.data, "�")
		if data == "" || seen[data] {
			continue
		}
		seen[data] = true
		table.Rows = append(table.Rows, []tree.Value{tree.Text(data), tree.Text(rec.name), tree.Text(rec.kind), tree.Number(rec.ttl)})
	}
	to.Tables = append(to.Tables, table)
}
