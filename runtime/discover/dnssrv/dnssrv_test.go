package dnssrv

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	o.Names = []string{"_http._tcp.example.test"}
	change(o)
	return o
}

// look runs a probe once and writes what it found, a line each.
func look(t *testing.T, o *Options) string {
	t.Helper()
	p, err := Kind(nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return shown(&r)
}

func shown(r *probe.Result) string {
	var b strings.Builder
	for _, v := range r.Values {
		switch v.Attribute {
		case "state", "count":
			b.WriteString(v.Value.String() + " ")
		case "error":
			if v.Value.String() != "" {
				b.WriteString("(" + v.Value.String() + ") ")
			}
		}
	}
	for _, t := range r.Tables {
		for k, row := range t.Rows {
			if k == 3 {
				break
			}
			b.WriteString("|")
			for _, cell := range row {
				b.WriteString(" " + cell.String())
			}
		}
	}
	return strings.TrimSpace(b.String())
}

// TestBIND asks Debian's.
func TestBIND(t *testing.T) {
	server := servertest.Named(t, 1)
	probetest.Run(t, Kind(nil), options(func(o *Options) { o.Servers = []string{server.Address} }))
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.LocalAddr().String()
	_ = closed.Close()
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"targets":             {func(*Options) {}, "up 2 | mail.example.test:8080 mail.example.test 8080 20 40 _http._tcp.example.test| www.example.test:80 www.example.test 80 10 60 _http._tcp.example.test"},
		"a long answer":       {func(o *Options) { o.Names = []string{"_many._tcp.example.test."} }, "up 90 "},
		"decidedly none":      {func(o *Options) { o.Names = []string{"_none._tcp.example.test"} }, "up 0"},
		"no such name":        {func(o *Options) { o.Names = append(o.Names, "_ftp._tcp.example.test") }, "rcode (_ftp._tcp.example.test: " + server.Address + ": the response code is NXDOMAIN)"},
		"another type":        {func(o *Options) { o.Names = []string{"www.example.test"} }, "up 0"},
		"addresses":           {func(o *Options) { o.Names, o.Type, o.Port = []string{"shop.example.test"}, "A", 80 }, "up 2 | 192.0.2.7:80 192.0.2.7 80   shop.example.test| 192.0.2.8:80 192.0.2.8 80   shop.example.test"},
		"longer addresses":    {func(o *Options) { o.Names, o.Type = []string{"www.example.test"}, "AAAA" }, "up 1 | 2001:db8::7 2001:db8::7    www.example.test"},
		"the second server":   {func(o *Options) { o.Servers = []string{nobody, server.Address} }, "up 2 |"},
		"nobody":              {func(o *Options) { o.Servers = []string{nobody} }, "refused (_http._tcp.example.test: " + nobody + ": "},
		"what it knows not":   {func(o *Options) { o.Names = []string{"example.com"} }, "failed (example.com: " + server.Address + ": the response code is REFUSED)"},
		"a name beside names": {func(o *Options) { o.Names = append(o.Names, o.Names[0]) }, "up 2 |"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(func(o *Options) { o.Servers = []string{server.Address}; c.change(o) })
			got := look(t, o)
			if parts := strings.Split(got, "|"); len(parts) == 3 && parts[1] > parts[2] { // BIND shuffles
				got = parts[0] + "|" + parts[2] + "|" + parts[1]
			}
			if !strings.HasPrefix(got, c.want) {
				t.Error(cmp.Diff(c.want, got))
			}
		})
	}
}

func TestPolicy(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"192.0.2.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Kind(policy).New(options(func(o *Options) { o.Servers = []string{"127.0.0.1:53"} }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("error %v", err)
	}
}

func TestContract(t *testing.T) {
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "no names", Options: &Options{Type: "SRV"}, Option: "names", Want: "names: is missing"},
		probetest.Bad{Name: "no name", Options: options(func(o *Options) { o.Names = []string{"a..b"} }), Option: "names[0]", Want: "names[0]: \"a..b\" is not the name of a domain"},
		probetest.Bad{Name: "type", Options: options(func(o *Options) { o.Type = "MX" }), Option: "type", Want: "type: \"MX\" is none of SRV, A and AAAA"},
		probetest.Bad{Name: "port", Options: options(func(o *Options) { o.Port = 1 }), Option: "port", Want: "port: SRV records have their own"},
		probetest.Bad{Name: "server", Options: options(func(o *Options) { o.Servers = []string{"ns:0"} }), Option: "servers[0]", Want: "servers[0]: \"ns:0\" is not a host, or a host and a port, such as 192.0.2.53 or ns1.example.com:53"},
		probetest.Bad{Name: "many servers", Options: options(func(o *Options) { o.Servers = make([]string, 17) }), Option: "servers", Want: "servers: 17 of them, more than 16"},
	)
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	probetest.Stops(t, Kind(nil), options(func(o *Options) { o.Servers = []string{silent.LocalAddr().String()} }))
}
