// Package dnssrv is the probe kind "dns_srv": the servers of a service as DNS names them,
// by SRV records (RFC 2782), or the addresses of a name.
package dnssrv

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

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

const (
	// resolvConf is where the system's servers stand.
	resolvConf = "/etc/resolv.conf"
	// bufferSize is how long an answer by UDP may be, in bytes: what fits into one packet
	// everywhere, as DNS flag day 2020 recommends.
	bufferSize = 1232
	// maxTry is how long one question by UDP waits for its answer.
	maxTry      = 2 * time.Second
	maxServers  = 16
	maxNames    = 100
	maxAnswers  = 10_000 // of all names
	defaultPort = "53"
)

// Options are the options of the kind "dns_srv".
type Options struct {
	Names   []string `yaml:"names" jsonschema:"required,description=Names that are asked for: _https._tcp.shop.example."`
	Type    string   `yaml:"type" jsonschema:"enum=SRV,enum=A,enum=AAAA,default=SRV,description=Type of the records."`
	Port    uint16   `yaml:"port,omitempty" jsonschema:"description=Port of the targets\\, for type A and AAAA."`
	Servers []string `yaml:"servers,omitempty" jsonschema:"description=Name servers: host or host:port. The first that answers counts; those of /etc/resolv.conf when empty."`
}

// types are the records that can be asked for.
var types = map[string]uint16{"SRV": dns.TypeSRV, "A": dns.TypeA, "AAAA": dns.TypeAAAA}

// check says which option is wrong, and returns the servers with their ports.
func (o *Options) check() (servers []string, err error) {
	switch {
	case len(o.Names) == 0:
		return nil, probe.BadOption("names", "is missing")
	case len(o.Names) > maxNames:
		return nil, probe.BadOption("names", "%d of them, more than %d", len(o.Names), maxNames)
	case types[o.Type] == 0:
		return nil, probe.BadOption("type", "%q is none of SRV, A and AAAA", o.Type)
	case o.Type == "SRV" && o.Port != 0:
		return nil, probe.BadOption("port", "SRV records have their own")
	case len(o.Servers) > maxServers:
		return nil, probe.BadOption("servers", "%d of them, more than %d", len(o.Servers), maxServers)
	}
	for i, name := range o.Names {
		if _, ok := dns.IsDomainName(name); !ok || name == "" {
			return nil, probe.BadOption(fmt.Sprintf("names[%d]", i), "%q is not the name of a domain", name)
		}
	}
	for i, s := range o.Servers {
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			host, port = strings.Trim(s, "[]"), defaultPort
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/ ") {
			return nil, probe.BadOption(fmt.Sprintf("servers[%d]", i), "%q is not a host, or a host and a port, such as 192.0.2.53 or ns1.example.com:53", s)
		}
		servers = append(servers, net.JoinHostPort(host, port))
	}
	return servers, nil
}

// Kind returns the kind "dns_srv". Its probes ask the servers that the policy allows; nil
// is the default policy.
func Kind(policy *dial.Policy) probe.Kind {
	return probe.Kind{
		Name:       "dns_srv",
		Title:      "Servers of a service, by DNS",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Type: "SRV"} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			servers, err := o.check()
			if err != nil {
				return nil, err
			}
			return &srvProbe{options: *o, servers: servers, dialer: policy.Dialer(0)}, nil
		},
	}
}

type srvProbe struct {
	options Options
	servers []string // host:port; none: the system's
	dialer  *net.Dialer
}

// Attributes implements probe.Probe.
func (p *srvProbe) Attributes() []beans.AttributeInfo {
	return append(answer.Attributes("rcode"),
		beans.AttributeInfo{Name: "count", Type: beans.TypeInt, Unit: "targets", Readable: true, Description: "How many targets there are."},
		beans.AttributeInfo{Name: "server", Type: beans.TypeString, Readable: true, Description: "The name server that answered."},
		beans.AttributeInfo{Name: "targets", Type: beans.TypeTable, Key: "address", Readable: true, Description: "The targets, each once.", Columns: []beans.AttributeInfo{
			{Name: "address", Type: beans.TypeString, Readable: true, Description: "Target and port: web1.example:443; the address alone where there is no port."},
			{Name: "target", Type: beans.TypeString, Readable: true, Description: "Name of the target, or its address, without the port."},
			{Name: "port", Type: beans.TypeInt, Readable: true, Description: "Its port."},
			{Name: "priority", Type: beans.TypeInt, Readable: true, Description: "Of an SRV record: targets of a higher number stand in."},
			{Name: "weight", Type: beans.TypeInt, Readable: true, Description: "Of an SRV record: its share among targets of one priority."},
			{Name: "name", Type: beans.TypeString, Readable: true, Description: "Name that was asked for."},
		}})
}

// Target implements probe.Probe: the first server, when they are named.
func (p *srvProbe) Target() string {
	if len(p.servers) == 0 {
		return ""
	}
	host, _, _ := net.SplitHostPort(p.servers[0])
	return strings.ToLower(host)
}

// Close implements probe.Probe.
func (p *srvProbe) Close() error { return nil }

// Run implements probe.Probe. A name without an answer makes the whole list unknown.
func (p *srvProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	table, server, err := p.look(ctx)
	if err := answer.Add(ctx, &r, start, err); err != nil {
		return r, err
	}
	if err == nil {
		r.Text("server", server)
		r.Number("count", float64(len(table.Rows)))
		r.Tables = append(r.Tables, *table)
	}
	return r, nil
}

func (p *srvProbe) look(ctx context.Context) (*probe.Table, string, error) {
	servers := p.servers
	if len(servers) == 0 {
		config, err := dns.ClientConfigFromFile(resolvConf)
		if err != nil {
			return nil, "", err
		}
		for _, s := range config.Servers {
			servers = append(servers, net.JoinHostPort(s, config.Port))
		}
	}
	if len(servers) == 0 {
		return nil, "", fmt.Errorf("%s names no server", resolvConf)
	}
	table := &probe.Table{Attribute: "targets", Columns: []string{"address", "target", "port", "priority", "weight", "name"}}
	seen := map[string]bool{}
	server := ""
	for _, name := range p.options.Names {
		m, from, err := p.ask(ctx, servers, name)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		server = from
		for _, rr := range m.Answer {
			row := p.row(rr, name)
			if row == nil || seen[row[0].String()] {
				continue
			}
			seen[row[0].String()] = true
			if table.Rows = append(table.Rows, row); len(table.Rows) > maxAnswers {
				return nil, "", fmt.Errorf("more than %d targets", maxAnswers)
			}
		}
	}
	return table, server, nil
}

// row is what a record says of a target; nil: nothing.
func (p *srvProbe) row(rr dns.RR, name string) []tree.Value {
	target, port := "", p.options.Port
	priority, weight := tree.Value{}, tree.Value{}
	switch rr := rr.(type) {
	case *dns.SRV:
		if p.options.Type != "SRV" || rr.Target == "." { // the service is decidedly not there (RFC 2782)
			return nil
		}
		target, port = strings.ToLower(strings.TrimSuffix(rr.Target, ".")), rr.Port
		priority, weight = tree.Number(float64(rr.Priority)), tree.Number(float64(rr.Weight))
	case *dns.A:
		if p.options.Type != "A" {
			return nil
		}
		target = rr.A.String()
	case *dns.AAAA:
		if p.options.Type != "AAAA" {
			return nil
		}
		target = rr.AAAA.String()
	default:
		return nil // a CNAME on the way
	}
	address, number := target, tree.Value{}
	if port != 0 {
		address, number = net.JoinHostPort(target, strconv.Itoa(int(port))), tree.Number(float64(port))
	}
	return []tree.Value{tree.Text(address), tree.Text(target), number, priority, weight, tree.Text(strings.TrimSuffix(name, "."))}
}

// ask asks one server after the other until one answers.
func (p *srvProbe) ask(ctx context.Context, servers []string, name string) (m *dns.Msg, server string, err error) {
	var errs []error
	for i, s := range servers {
		if m, err = p.exchange(ctx, s, name, len(servers)-i); err == nil {
			return m, s, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", s, err))
		var fault *answer.Fault
		if ctx.Err() != nil || errors.As(err, &fault) && fault.State == "rcode" {
			break // another would say the same
		}
	}
	return nil, "", errors.Join(errs...)
}

// exchange asks one server, which shares the time that is left with others.
func (p *srvProbe) exchange(ctx context.Context, server, name string, share int) (*dns.Msg, error) {
	if deadline, ok := ctx.Deadline(); ok {
		within, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(share))
		defer cancel()
		ctx = within
	}
	first, cancel := context.WithTimeout(ctx, maxTry)
	m, err := p.try(first, "udp", server, name)
	cancel()
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		m, err = p.try(ctx, "udp", server, name) // packets get lost
	}
	if err == nil && m.Truncated {
		m, err = p.try(ctx, "tcp", server, name)
	}
	if err == nil && m.Rcode != dns.RcodeSuccess {
		code, ok := dns.RcodeToString[m.Rcode]
		if !ok {
			code = strconv.Itoa(m.Rcode)
		}
		state := "rcode"
		if m.Rcode == dns.RcodeServerFailure || m.Rcode == dns.RcodeRefused {
			state = "failed" // the next server may know better
		}
		return nil, &answer.Fault{State: state, Err: fmt.Errorf("the response code is %s", code)}
	}
	return m, err
}

func (p *srvProbe) try(ctx context.Context, network, server, name string) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), types[p.options.Type])
	q.SetEdns0(bufferSize, false)
	conn, err := p.dialer.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	client := dns.Client{ReadTimeout: time.Hour, WriteTimeout: time.Hour} // the context ends it
	m, _, err := client.ExchangeWithConnContext(ctx, q, &dns.Conn{Conn: conn})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	case err != nil:
		return nil, err
	case !m.Response:
		return nil, errors.New("what came is no answer")
	case len(m.Question) == 1 && (!strings.EqualFold(m.Question[0].Name, q.Question[0].Name) || m.Question[0].Qtype != q.Question[0].Qtype):
		return nil, errors.New("the answer is about another question")
	}
	return m, nil
}
