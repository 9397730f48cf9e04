package dns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"grove/runtime/probe"
	"grove/runtime/probe/secure"
)

// The bounds of the options.
const (
	maxServers = 16
	maxExpect  = 100
)

// Options are the options of the kind "dns".
type Options struct {
	Name          string         `yaml:"name" jsonschema:"required,description=Name that is asked for\\, such as www.example.com; for type PTR an address will do."`
	Type          string         `yaml:"type" jsonschema:"default=A,description=Type of the records: A\\, AAAA\\, MX\\, SOA\\, NS\\, TXT\\, SRV\\, PTR or any other by its name."`
	Servers       []string       `yaml:"servers,omitempty" jsonschema:"description=Servers that are asked\\, each by itself: host or host:port; those of the system (/etc/resolv.conf) when empty."`
	Protocol      string         `yaml:"protocol,omitempty" jsonschema:"enum=udp,enum=tcp,enum=tls,default=udp,description=udp (a long answer is fetched by TCP)\\, tcp or tls."`
	TLS           secure.Options `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked\\, with protocol: tls."`
	Recursion     bool           `yaml:"recursion" jsonschema:"default=true,description=Ask for recursion. Without it a server says what it knows itself."`
	Rcode         string         `yaml:"rcode" jsonschema:"default=NOERROR,description=The response code that is well\\, such as NXDOMAIN for a name that must not be there."`
	Expect        []string       `yaml:"expect,omitempty" jsonschema:"description=Data that must be among the answers\\, such as 192.0.2.7 or 10 mail.example.com."`
	Authoritative bool           `yaml:"authoritative,omitempty" jsonschema:"description=The answer must be authoritative."`
	Authenticated bool           `yaml:"authenticated,omitempty" jsonschema:"description=The server must have validated the answer by DNSSEC (the flag AD)."`
	Same          bool           `yaml:"same,omitempty" jsonschema:"description=All servers must give the same answers; for SOA the same serial."`
}

// plan is what Options come to.
type plan struct {
	Options
	question dns.Question
	rcode    int
	servers  []string // host:port
	expect   []string // in the form of record.data
}

// ports by protocol: RFC 1035 and RFC 7858.
var ports = map[string]string{"udp": "53", "tcp": "53", "tls": "853"}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{Options: *o}
	if p.Protocol == "" {
		p.Protocol = "udp"
	}
	if ports[p.Protocol] == "" {
		return nil, probe.BadOption("protocol", "%q is none of udp, tcp and tls", o.Protocol)
	}
	kind, ok := dns.StringToType[strings.ToUpper(o.Type)]
	if !ok || kind == dns.TypeAXFR || kind == dns.TypeIXFR || kind == dns.TypeOPT {
		return nil, probe.BadOption("type", "%q is not a type of records that can be asked for", o.Type)
	}
	name, err := question(o.Name, kind)
	if err != nil {
		return nil, probe.BadOption("name", "%q: %w", o.Name, err)
	}
	p.question = dns.Question{Name: name, Qtype: kind, Qclass: dns.ClassINET}
	if p.rcode, ok = dns.StringToRcode[strings.ToUpper(o.Rcode)]; !ok {
		return nil, probe.BadOption("rcode", "%q is not a response code, such as NOERROR or NXDOMAIN", o.Rcode)
	}
	if len(o.Servers) > maxServers {
		return nil, probe.BadOption("servers", "%d servers, more than %d", len(o.Servers), maxServers)
	}
	for i, s := range o.Servers {
		server, err := withPort(s, ports[p.Protocol])
		if err != nil {
			return nil, probe.BadOption(fmt.Sprintf("servers[%d]", i), "%q: %w", s, err)
		}
		if slices.Contains(p.servers, server) {
			return nil, probe.BadOption(fmt.Sprintf("servers[%d]", i), "%q is there twice", s)
		}
		p.servers = append(p.servers, server)
	}
	if len(o.Expect) > maxExpect {
		return nil, probe.BadOption("expect", "%d answers, more than %d", len(o.Expect), maxExpect)
	}
	for _, e := range o.Expect {
		p.expect = append(p.expect, normal(e))
	}
	if o.TLS != (secure.Options{}) && p.Protocol != "tls" {
		return nil, probe.BadOption("tls", "only with protocol: tls")
	}
	return p, o.TLS.Check()
}

// question is the name that is asked for, in full.
func question(name string, kind uint16) (string, error) {
	if name == "" {
		return "", errors.New("is needed: what to ask for, such as www.example.com")
	}
	if a, err := netip.ParseAddr(name); err == nil {
		if kind != dns.TypePTR {
			return "", errors.New("an address can be asked for with type: PTR only")
		}
		return dns.ReverseAddr(a.WithZone("").String())
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return "", errors.New("is not the name of a domain")
	}
	return dns.Fqdn(name), nil
}

// withPort adds the port where a server has none.
func withPort(server, port string) (string, error) {
	host := server
	if a, err := netip.ParseAddr(strings.Trim(server, "[]")); err == nil {
		return net.JoinHostPort(a.String(), port), nil
	}
	if h, p, err := net.SplitHostPort(server); err == nil {
		host, port = h, p
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", errors.New("the port is not a number from 1 to 65535")
	}
	if host == "" || len(host) > 253 || strings.ContainsAny(host, "/[]: \t\n") && !strings.Contains(host, "::") {
		return "", errors.New("is not a host, or a host and a port, such as 192.0.2.53 or ns1.example.com:53")
	}
	return net.JoinHostPort(host, port), nil
}
