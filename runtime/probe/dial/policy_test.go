package dial_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"grove/runtime/probe/dial"
)

func TestCheck(t *testing.T) {
	const metadata = "it is the metadata service of a cloud, which only a rule that names it allows"
	for _, tt := range []struct {
		name  string
		rules []string
		addr  string
		want  string // the rule of the refusal; empty: allowed
	}{
		{"the default allows an address of the internet", nil, "192.0.2.1", ""},
		{"the default allows this machine", nil, "127.0.0.1", ""},
		{"the default allows link-local", nil, "169.254.3.4", ""},
		{"the default refuses the metadata service", nil, "169.254.169.254", metadata},
		{"the default refuses it mapped into IPv6", nil, "::ffff:169.254.169.254", metadata},
		{"the default refuses it through NAT64", nil, "64:ff9b::a9fe:a9fe", metadata},
		{"the default refuses it through 6to4", nil, "2002:a9fe:a9fe::1", metadata},
		{"the default refuses it by IPv6", nil, "fd00:ec2::254", metadata},
		{"all is not a name for the metadata service", []string{"all"}, "169.254.169.254", metadata},
		{"nor is link-local", []string{"link-local"}, "169.254.169.254", metadata},
		{"the address is", []string{"169.254.169.254"}, "169.254.169.254", ""},
		{"the word is", []string{"all", "metadata"}, "100.100.100.200", ""},
		{"what no rule allows is refused", []string{"10.0.0.0/8"}, "11.0.0.1", "no rule allows it (flag --dial of grove serve)"},
		{"what a rule allows is allowed", []string{"10.0.0.0/8"}, "10.9.8.7", ""},
		{"only refusals leave the rest allowed", []string{"!private"}, "192.0.2.1", ""},
		{"a refusal refuses", []string{"!private"}, "10.1.1.1", `the rule "!private" refuses it`},
		{"the more specific refusal wins", []string{"10.0.0.0/8", "! 10.1.0.0/16"}, "10.1.2.3", `the rule "! 10.1.0.0/16" refuses it`},
		{"the more specific permission wins", []string{"!10.0.0.0/8", "10.1.2.3"}, "10.1.2.3", ""},
		{"of equals the refusal wins", []string{"!10.0.0.0/8", "10.0.0.0/8"}, "10.1.2.3", `the rule "!10.0.0.0/8" refuses it`},
		{"zero is this machine", []string{"!loopback"}, "0.0.0.0", `the rule "!loopback" refuses it`},
		{"so is zero by IPv6", []string{"!loopback"}, "::", `the rule "!loopback" refuses it`},
		{"a zone changes nothing", []string{"!link-local"}, "fe80::1%eth0", `the rule "!link-local" refuses it`},
		{"a mapped rule is an IPv4 rule", []string{"!::ffff:10.0.0.0/104"}, "10.1.2.3", `the rule "!::ffff:10.0.0.0/104" refuses it`},
		{"the inner address of NAT64 must be allowed", []string{"64:ff9b::/96"}, "64:ff9b::c000:201", "no rule allows it (flag --dial of grove serve)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := dial.ParsePolicy(tt.rules)
			if err != nil {
				t.Fatal(err)
			}
			if tt.rules == nil {
				p = nil
			}
			want := ""
			if tt.want != "" {
				want = "address " + tt.addr + " is not allowed: " + tt.want
			}
			got := ""
			if err := p.Check(netip.MustParseAddr(tt.addr)); err != nil {
				got = err.Error()
				if !errors.Is(err, dial.ErrDenied) {
					t.Errorf("%v is not ErrDenied", err)
				}
			}
			if got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	_, err := dial.ParsePolicy([]string{"all", "10.0.0.0/40"})
	const want = `address rule 2: "10.0.0.0/40" is no address, no prefix such as 192.0.2.0/24, and none of all, loopback, private, link-local, metadata`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := dial.ParsePolicy(make([]string, dial.MaxRules+1)); err == nil || err.Error() != "1001 address rules, more than 1000" {
		t.Errorf("too many rules: %v", err)
	}
}

func TestDialerChecksTheResolvedAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())

	p, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0"} {
		conn, err := p.Dialer(time.Second).DialContext(context.Background(), "tcp", net.JoinHostPort(host, port))
		if !errors.Is(err, dial.ErrDenied) {
			t.Errorf("%s: %v, want a refusal", host, err)
		}
		if conn != nil {
			conn.Close()
		}
	}
	conn, err := (*dial.Policy)(nil).Dialer(time.Second).DialContext(context.Background(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestControlRefusesOtherNetworks(t *testing.T) {
	err := (*dial.Policy)(nil).Control("unix", "/run/docker.sock", nil)
	if err == nil || err.Error() != `address is not allowed: "unix" is not a network of IP addresses` {
		t.Errorf("got %v", err)
	}
	if err := (*dial.Policy)(nil).Control("ip4:icmp", "169.254.169.254", nil); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add("!10.0.0.0/8", "10.1.2.3")
	f.Add("::ffff:10.0.0.0/100", "::ffff:10.1.2.3")
	f.Add("loopback", "::1%lo")
	f.Fuzz(func(t *testing.T, text, address string) {
		p, err := dial.ParsePolicy([]string{text})
		if (p == nil) == (err == nil) {
			t.Fatalf("%q: policy %v and error %v", text, p, err)
		}
		addr, aerr := netip.ParseAddr(address)
		if err != nil || aerr != nil {
			return
		}
		// An address and its mapped form are one address.
		if addr.Is4() && (p.Check(addr) == nil) != (p.Check(netip.AddrFrom16(addr.As16())) == nil) {
			t.Errorf("%q: %s differs from its mapped form", text, addr)
		}
	})
}
