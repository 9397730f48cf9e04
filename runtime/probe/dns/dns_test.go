package dns

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/servertest"
	"grove/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*Options)) *Options {
	o := Kind(nil, nil).NewOptions().(*Options)
	o.Name, o.Recursion = "www.example.test", false
	change(o)
	return o
}

// silent is a server that hears questions by UDP and TCP and answers none.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return l.Addr().String()
}

// text writes serial numbers in full.
func text(v tree.Value) string {
	if n, ok := v.Number(); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return v.String()
}

// ask runs a probe once and returns its readings and cells as text.
func ask(t *testing.T, kind probe.Kind, o *Options) (map[string]string, error) {
	t.Helper()
	p, err := kind.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = text(v.Value)
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			for i, cell := range row {
				got[table.Attribute+"["+row[0].String()+"]."+table.Columns[i]] = text(cell)
			}
		}
		got[table.Attribute] = fmt.Sprint(len(table.Rows))
	}
	return got, err
}

// TestBIND asks two of Debian's name servers, which have different versions of a zone.
func TestBIND(t *testing.T) {
	one, two := servertest.Named(t, 2026010101), servertest.Named(t, 2026010102)
	kind := Kind(nil, nil)
	t.Run("contract", func(t *testing.T) {
		probetest.Run(t, kind,
			options(func(o *Options) { o.Servers = []string{one.Address} }),
			options(func(o *Options) {
				o.Servers, o.Type = []string{one.Address, two.Address}, "SOA"
				o.Name = "example.test"
			}),
			options(func(o *Options) { o.Servers, o.Protocol, o.TLS.CA = []string{one.TLS}, "tls", one.CA }),
		)
	})
	both := []string{one.Address, two.Address}
	for _, tt := range []struct {
		name   string
		change func(*Options)
		want   map[string]string
	}{
		{"addresses", func(o *Options) { o.Expect = []string{"192.0.2.8"} }, map[string]string{
			"up": "1", "state": "up", "error": "", "rcode": "NOERROR", "answers": "2", "first": "192.0.2.7", "ttl": "300", "authoritative": "1",
			"authenticated": "0", "same": "1", "records[192.0.2.7].name": "www.example.test.", "records[192.0.2.7].ttl": "300", "records[192.0.2.8].type": "A", "records": "2"}},
		{"an alias", func(o *Options) { o.Name = "shop.example.test" }, map[string]string{"up": "1", "answers": "2", "records[192.0.2.7].name": "www.example.test."}},
		{"mail servers", func(o *Options) { o.Name, o.Type, o.Expect = "example.test", "mx", []string{"10 Mail.example.test."} },
			map[string]string{"up": "1", "first": "10 mail.example.test"}},
		{"a text", func(o *Options) { o.Name, o.Type, o.Expect = "example.test", "TXT", []string{"v=spf1 -all"} },
			map[string]string{"up": "1", "first": `"v=spf1 -all"`}},
		{"by TCP", func(o *Options) { o.Protocol = "tcp" }, map[string]string{"up": "1", "answers": "2"}},
		{"too long for UDP", func(o *Options) { o.Name = "many.example.test" }, map[string]string{"up": "1", "answers": "90", "records": "90"}},
		{"a missing answer", func(o *Options) { o.Expect = []string{"192.0.2.9"} }, map[string]string{"up": "0", "state": "mismatch", "error": `"192.0.2.9" is not among the answers`}},
		{"no such name", func(o *Options) { o.Name = "nobody.example.test" },
			map[string]string{"up": "0", "state": "rcode", "rcode": "NXDOMAIN", "error": "the response code is NXDOMAIN, want NOERROR", "answers": "0"}},
		{"a name that must not be there", func(o *Options) { o.Name, o.Rcode = "nobody.example.test", "NXDOMAIN" }, map[string]string{"up": "1", "rcode": "NXDOMAIN"}},
		{"no such type", func(o *Options) { o.Type = "SRV" }, map[string]string{"up": "0", "state": "mismatch", "error": "there is no record of type SRV"}},
		{"a foreign zone", func(o *Options) { o.Name = "example.org" }, map[string]string{"up": "0", "rcode": "REFUSED", "state": "rcode"}},
		{"not validated", func(o *Options) { o.Authenticated = true }, map[string]string{"up": "0", "error": "the answer was not validated by DNSSEC"}},
		{"serials that differ", func(o *Options) { o.Name, o.Type, o.Servers = "example.test", "SOA", both }, map[string]string{
			"up": "1", "same": "0", "serial": "2026010101", "refresh": "3600", "expire": "864000",
			"servers[" + one.Address + "].serial": "2026010101", "servers[" + two.Address + "].serial": "2026010102", "servers[" + two.Address + "].up": "1"}},
		{"serials that must not differ", func(o *Options) { o.Name, o.Type, o.Servers, o.Same = "example.test", "SOA", both, true },
			map[string]string{"up": "0", "same": "0", "state": "mismatch", "error": one.Address + " has the serial 2026010101, " + two.Address + " has 2026010102"}},
		{"the same answers", func(o *Options) { o.Servers, o.Same = both, true }, map[string]string{"up": "1", "same": "1"}},
		{"over TLS", func(o *Options) { o.Servers, o.Protocol, o.TLS.CA = []string{one.TLS}, "tls", one.CA }, map[string]string{"up": "1", "answers": "2"}},
		{"over TLS, from a stranger", func(o *Options) { o.Servers, o.Protocol = []string{one.TLS}, "tls" }, map[string]string{"up": "0", "state": "tls"}},
		{"one of two is down", func(o *Options) { o.Servers = []string{"127.0.0.1:1", one.Address} }, map[string]string{
			"up": "0", "state": "refused", "answers": "2", "servers[127.0.0.1:1].up": "0", "servers[" + one.Address + "].up": "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ask(t, kind, options(func(o *Options) { o.Servers = []string{one.Address}; tt.change(o) }))
			if err != nil {
				t.Fatal(err)
			}
			for attribute, want := range tt.want {
				if got[attribute] != want {
					t.Errorf("%s is %q, want %q (error: %s)", attribute, got[attribute], want, got["error"])
				}
			}
		})
	}
	t.Run("a server that ends", func(t *testing.T) {
		one.Stop()
		got, err := ask(t, kind, options(func(o *Options) { o.Servers = []string{one.Address} }))
		if err != nil || got["up"] != "0" || got["state"] != "refused" {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestStopsAndRefuses(t *testing.T) {
	quiet := silent(t)
	for _, protocol := range []string{"udp", "tcp", "tls"} {
		probetest.Stops(t, Kind(nil, nil), options(func(o *Options) { o.Servers, o.Protocol = []string{quiet}, protocol }))
	}
	bad := func(name, option, want string, change func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: want, Options: options(change)}
	}
	probetest.Refuses(t, Kind(nil, nil),
		bad("no name", "name", `name: "": is needed: what to ask for, such as www.example.com`, func(o *Options) { o.Name = "" }),
		bad("an address", "name", `name: "192.0.2.7": an address can be asked for with type: PTR only`, func(o *Options) { o.Name = "192.0.2.7" }),
		bad("no domain", "name", `name: "a..b": is not the name of a domain`, func(o *Options) { o.Name = "a..b" }),
		bad("a zone transfer", "type", `type: "AXFR" is not a type of records that can be asked for`, func(o *Options) { o.Type = "AXFR" }),
		bad("a wrong code", "rcode", `rcode: "OK" is not a response code, such as NOERROR or NXDOMAIN`, func(o *Options) { o.Rcode = "OK" }),
		bad("a wrong protocol", "protocol", `protocol: "https" is none of udp, tcp and tls`, func(o *Options) { o.Protocol = "https" }),
		bad("a wrong port", "servers[1]", `servers[1]: "ns2:x": the port is not a number from 1 to 65535`, func(o *Options) { o.Servers = []string{"ns1", "ns2:x"} }),
		bad("twice", "servers[1]", `servers[1]: "ns1:53" is there twice`, func(o *Options) { o.Servers = []string{"ns1", "ns1:53"} }),
		bad("too many", "servers", `servers: 17 servers, more than 16`, func(o *Options) { o.Servers = make([]string, 17) }),
		bad("TLS without TLS", "tls", `tls: only with protocol: tls`, func(o *Options) { o.TLS.Insecure = true }),
	)
}

func TestPolicy(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{"udp", "tcp", "tls"} {
		_, err := ask(t, Kind(policy, nil), options(func(o *Options) { o.Servers, o.Protocol = []string{"127.0.0.1:53"}, protocol }))
		if err == nil || !strings.Contains(err.Error(), `the rule "!loopback" refuses it`) {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ name, kind, want string }{
		{"www.example.com", "A", "www.example.com."},
		{"192.0.2.7", "PTR", "7.2.0.192.in-addr.arpa."},
		{"2001:db8::1", "PTR", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
	} {
		got, err := question(tt.name, dns.StringToType[tt.kind])
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
	for server, want := range map[string]string{"ns1": "ns1:53", "ns1:5353": "ns1:5353", "2001:db8::1": "[2001:db8::1]:53", "[2001:db8::1]:54": "[2001:db8::1]:54"} {
		if got, err := withPort(server, "53"); err != nil || got != want {
			t.Errorf("%s: %q, %v", server, got, err)
		}
	}
}

func TestDataIsCompared(t *testing.T) {
	for in, want := range map[string]string{"10  Mail.Example.test.": "10 mail.example.test", `"A  b."`: `"A  b."`, ".": ".", "0 issue .": "0 issue ."} {
		if d := cmp.Diff(want, normal(in)); d != "" {
			t.Error(d)
		}
	}
}

// FuzzAnswer holds that any message of a server becomes readings that keep the contract.
func FuzzAnswer(f *testing.F) {
	m := new(dns.Msg)
	m.SetQuestion("example.test.", dns.TypeSOA)
	rr, err := dns.NewRR("example.test. 300 IN SOA ns1.example.test. admin.example.test. 1 2 3 4 5")
	if err != nil {
		f.Fatal(err)
	}
	m.Answer = []dns.RR{rr}
	packed, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		r := reply{message: m, got: true, rcode: m.Rcode}
		r.read()
		var result probe.Result
		r.add(&result)
		for _, table := range result.Tables {
			seen := map[string]bool{}
			for _, row := range table.Rows {
				if key := row[0].String(); key == "" || seen[key] {
					t.Errorf("%s: the key %q is empty or there twice", table.Attribute, key)
				} else {
					seen[key] = true
				}
			}
		}
	})
}
