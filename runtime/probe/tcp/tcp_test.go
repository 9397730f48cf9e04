package tcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers each connection with handle until the test ends.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

func greet(conn net.Conn) {
	_, _ = io.WriteString(conn, "220 mail.example ESMTP\r\n250 more\r\n")
	_, _ = io.Copy(io.Discard, conn)
}

func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// secure starts a server with a certificate for example.com and 127.0.0.1.
func overTLS(t *testing.T) (address string, roots *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.Listener.Addr().String(), roots
}

func options(change func(*Options)) *Options {
	o := Kind(nil).NewOptions().(*Options)
	change(o)
	return o
}

func TestContract(t *testing.T) {
	plain := serve(t, greet)
	tlsAddress, _ := overTLS(t)
	probetest.Run(t, Kind(nil),
		options(func(o *Options) { o.Address = plain }),
		options(func(o *Options) { o.Address, o.Expect, o.Send = plain, "^220 ", "QUIT\r\n" }),
		options(func(o *Options) { o.Address, o.TLS, o.Verify = tlsAddress, true, false }),
	)
	quiet := serve(t, silent)
	probetest.Stops(t, Kind(nil), options(func(o *Options) { o.Address, o.Expect = quiet, "x" }))
	probetest.Stops(t, Kind(nil), options(func(o *Options) { o.Address, o.TLS = quiet, true }))
	probetest.Refuses(t, Kind(nil),
		probetest.Bad{Name: "no address", Options: options(func(*Options) {}), Option: "address",
			Want: `address: "": is needed: host and port, such as db1:5432`},
		probetest.Bad{Name: "no port", Options: options(func(o *Options) { o.Address = "db1" }), Option: "address",
			Want: `address: "db1": is not a host and a port, such as db1:5432 or [2001:db8::1]:22`},
		probetest.Bad{Name: "port by name", Options: options(func(o *Options) { o.Address = "db1:http" }), Option: "address",
			Want: `address: "db1:http": the port is not a number from 1 to 65535`},
		probetest.Bad{Name: "port out of range", Options: options(func(o *Options) { o.Address = "db1:65536" }), Option: "address",
			Want: `address: "db1:65536": the port is not a number from 1 to 65535`},
		probetest.Bad{Name: "no host", Options: options(func(o *Options) { o.Address = ":25" }), Option: "address",
			Want: `address: ":25": the host is empty or longer than 253 bytes`},
		probetest.Bad{Name: "server name without TLS", Options: options(func(o *Options) { o.Address, o.ServerName = "a:1", "b" }), Option: "server_name",
			Want: "server_name: only with tls: true"},
		probetest.Bad{Name: "bad expression", Options: options(func(o *Options) { o.Address, o.Expect = "a:1", "(" }), Option: "expect",
			Want: "expect: error parsing regexp: missing closing ): `(`"},
		probetest.Bad{Name: "too much to send", Options: options(func(o *Options) { o.Address, o.Send = "a:1", strings.Repeat("x", maxSend+1) }), Option: "send",
			Want: "send: has 65537 bytes, more than 65536"},
	)
}

// ask runs a probe once and returns its readings as text.
func ask(t *testing.T, o *Options, roots *x509.CertPool) map[string]string {
	t.Helper()
	p, err := Kind(nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.(*tcpProbe).roots = roots
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	r, err := p.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	return got
}

func TestFindings(t *testing.T) {
	greeting, quiet := serve(t, greet), serve(t, silent)
	hangUp := serve(t, func(net.Conn) {})
	flood := serve(t, func(c net.Conn) {
		for range 100 {
			if _, err := io.WriteString(c, strings.Repeat("x", 4096)); err != nil {
				return
			}
		}
	})
	tlsAddress, roots := overTLS(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for _, tt := range []struct {
		name    string
		options func(*Options)
		roots   *x509.CertPool
		state   string
		err     string // part of the text
	}{
		{"open", func(o *Options) { o.Address = quiet }, nil, "up", ""},
		{"greets", func(o *Options) { o.Address, o.Expect = greeting, "^220 " }, nil, "up", ""},
		{"refused", func(o *Options) { o.Address = gone.Addr().String() }, nil, "refused", "connection refused"},
		{"no such name", func(o *Options) { o.Address = "no-such-host.invalid:1" }, nil, "unresolved", ""},
		{"does not answer", func(o *Options) { o.Address, o.Expect = quiet, "x" }, nil, "timeout", "i/o timeout"},
		{"does not shake hands", func(o *Options) { o.Address, o.TLS = quiet, true }, nil, "timeout", ""},
		{"hangs up", func(o *Options) { o.Address, o.Expect = hangUp, "x" }, nil, "mismatch", `the connection ended and nothing in 0 bytes fits "x"`},
		{"never stops", func(o *Options) { o.Address, o.Expect = flood, "y" }, nil, "mismatch", `nothing in the first 65536 bytes fits "y"`},
		{"trusted", func(o *Options) { o.Address, o.TLS, o.ServerName = tlsAddress, true, "example.com" }, roots, "up", ""},
		{"another name", func(o *Options) { o.Address, o.TLS, o.ServerName = tlsAddress, true, "other.example" }, roots, "tls", "not other.example"},
		{"not trusted", func(o *Options) { o.Address, o.TLS = tlsAddress, true }, x509.NewCertPool(), "tls", "unknown authority"},
		{"not trusted, which is no matter", func(o *Options) { o.Address, o.TLS, o.Verify = tlsAddress, true, false }, x509.NewCertPool(), "up", ""},
		{"not TLS", func(o *Options) { o.Address, o.TLS = greeting, true }, nil, "tls", "first record does not look like a TLS handshake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, options(tt.options), tt.roots)
			if tt.name == "no such name" && got["state"] == "timeout" {
				t.Skip("the resolver of this machine does not answer")
			}
			if got["state"] != tt.state || !strings.Contains(got["error"], tt.err) || (got["error"] == "") != (tt.state == "up") {
				t.Errorf("state %q, error %q; want %q, %q", got["state"], got["error"], tt.state, tt.err)
			}
			if (got["up"] == "1") != (tt.state == "up") {
				t.Errorf("state %q and up %s", got["state"], got["up"])
			}
		})
	}
}

func TestCertificateIsDescribedEvenIfNotTrusted(t *testing.T) {
	address, _ := overTLS(t)
	got := ask(t, options(func(o *Options) { o.Address, o.TLS = address, true }), x509.NewCertPool())
	if got["certificate_trusted"] != "0" || got["certificate_subject"] != "O=Acme Co" || got["certificate_expires_in"] == "" || got["tls_version"] != tls.VersionName(tls.VersionTLS13) {
		t.Errorf("%v", got)
	}
}

func TestPolicyIsAFailure(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Kind(policy).New(options(func(o *Options) { o.Address = serve(t, silent) }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = p.Run(context.Background())
	if !errors.Is(err, dial.ErrDenied) || err.Error() != `address 127.0.0.1 is not allowed: the rule "!loopback" refuses it` {
		t.Errorf("got %v", err)
	}
	var _ probe.Probe = p
}
