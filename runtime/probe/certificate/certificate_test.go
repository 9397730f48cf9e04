package certificate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/files"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*Options)) *Options {
	o := Kind(nil, nil, nil).NewOptions().(*Options)
	change(o)
	return o
}

// readings runs a probe once and returns its readings as text.
func readings(t *testing.T, p probe.Probe) (map[string]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			for i, cell := range row {
				got[table.Attribute+"["+row[0].String()+"]."+table.Columns[i]] = cell.String()
			}
		}
	}
	return got, err
}

func ask(t *testing.T, o *Options) map[string]string {
	t.Helper()
	p, err := Kind(nil, nil, nil).New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	got, err := readings(t, p)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func expect(t *testing.T, got, want map[string]string) {
	t.Helper()
	for attribute, value := range want {
		if got[attribute] != value {
			t.Errorf("%s is %q, want %q (error: %s)", attribute, got[attribute], value, got["error"])
		}
	}
}

// TestRealServers asks each protocol's server from Debian for its certificate.
func TestRealServers(t *testing.T) {
	for _, tt := range []struct {
		protocol string
		start    func(t *testing.T) (address, ca string)
	}{
		{"postgres", func(t *testing.T) (string, string) { s := servertest.PostgreSQL(t); return s.Address, s.CA }},
		{"mysql", func(t *testing.T) (string, string) { s := servertest.MariaDB(t); return s.Address, s.CA }},
		{"ldap", func(t *testing.T) (string, string) { s := servertest.OpenLDAP(t); return s.Address, s.CA }},
	} {
		t.Run(tt.protocol, func(t *testing.T) {
			t.Parallel()
			address, ca := tt.start(t)
			checkServer(t, tt.protocol, address, ca)
		})
	}
	t.Run("mail", func(t *testing.T) {
		t.Parallel()
		m := servertest.MailServer(t)
		checkServer(t, "smtp", m.SMTP.Address, m.CA)
		checkServer(t, "imap", m.IMAP.Address, m.CA)
		checkServer(t, "", m.IMAPS, m.CA)
		if m.POP3 != "" {
			checkServer(t, "pop3", m.POP3, m.CA)
		}
	})
}

func checkServer(t *testing.T, protocol, address, ca string) {
	t.Helper()
	got := ask(t, options(func(o *Options) { o.Address, o.Protocol, o.TLS.CA = address, protocol, ca }))
	expect(t, got, map[string]string{
		"up": "1", "state": "up", "error": "", "trusted": "1", "reason": "", "names": "127.0.0.1", "key": "ECDSA", "key_bits": "256", "signature": "ECDSA-SHA256",
		"weak": "0", "weaknesses": "", "self_signed": "0", "changed": "0", "tls_version": "TLS 1.3", "ocsp": "none", "expires_days": "0",
		"chain[1].subject": "CN=127.0.0.1", "issuer": "CN=Test authority",
	})
	got = ask(t, options(func(o *Options) { o.Address, o.Protocol = address, protocol }))
	expect(t, got, map[string]string{"up": "0", "state": "tls", "trusted": "0", "names": "127.0.0.1"})
	got = ask(t, options(func(o *Options) { o.Address, o.Protocol, o.TLS.Insecure = address, protocol, true }))
	expect(t, got, map[string]string{"up": "1", "state": "up", "trusted": "0"})
}

// pair makes a certificate that is signed by itself.
func pair(t *testing.T, template *x509.Certificate, bits int) tls.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	var private any
	var public any
	if bits > 0 {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		private, public = k, &k.PublicKey
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		private, public = k, &k.PublicKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// serve answers connections until the test ends: what begin says, then TLS.
func serve(t *testing.T, config *tls.Config, begin func(net.Conn) error) string {
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
				if begin == nil || begin(conn) == nil {
					if config != nil {
						_ = tls.Server(conn, config).Handshake()
					}
					_, _ = io.Copy(io.Discard, conn)
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

func ours(left time.Duration) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "shop"}, NotBefore: now.Add(-10 * 24 * time.Hour), NotAfter: now.Add(left),
		DNSNames: []string{"shop.example"}, IPAddresses: []net.IP{{127, 0, 0, 1}}, IsCA: true, BasicConstraintsValid: true,
	}
}

func TestCertificates(t *testing.T) {
	old := serve(t, &tls.Config{Certificates: []tls.Certificate{pair(t, ours(-time.Hour), 0)}}, nil)
	weak := serve(t, &tls.Config{Certificates: []tls.Certificate{pair(t, ours(10*24*time.Hour+time.Hour), 1024)}}, nil)
	expect(t, ask(t, options(func(o *Options) { o.Address = old })), map[string]string{
		"up": "0", "state": "tls", "trusted": "0", "self_signed": "1", "names": "shop.example, 127.0.0.1", "expires_days": "-1", "valid_share": "0"})
	expect(t, ask(t, options(func(o *Options) { o.Address, o.TLS.Insecure = weak, true })), map[string]string{
		"up": "1", "key": "RSA", "key_bits": "1024", "weak": "1", "weaknesses": "certificate 1 has a key of RSA with 1024 bits", "expires_days": "10"})
}

// TestChangeIsNoticed has a server whose certificate is renewed between two runs.
func TestChangeIsNoticed(t *testing.T) {
	var mu sync.Mutex
	current := pair(t, ours(time.Hour), 0)
	address := serve(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		return &current, nil
	}}, nil)
	p, err := Kind(nil, nil, nil).New(options(func(o *Options) { o.Address, o.TLS.Insecure = address, true }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i, want := range []string{"0", "0", "1", "0"} {
		if i == 2 {
			mu.Lock()
			current = pair(t, ours(time.Hour), 0)
			mu.Unlock()
		}
		got, err := readings(t, p)
		if err != nil || got["changed"] != want {
			t.Errorf("run %d: changed is %q, want %q: %v", i, got["changed"], want, err)
		}
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "server.pem")
	c := pair(t, ours(30*24*time.Hour+time.Hour), 2048)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("not looked at")})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})...)
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	probetest.Run(t, Kind(nil, nil, nil), options(func(o *Options) { o.File = name }))
	expect(t, ask(t, options(func(o *Options) { o.File, o.TLS.CA = name, name })), map[string]string{
		"up": "1", "trusted": "1", "expires_days": "30", "key": "RSA", "key_bits": "2048", "weak": "0", "tls_version": ""})
	expect(t, ask(t, options(func(o *Options) { o.File, o.TLS.CA, o.TLS.ServerName = name, name, "other.example" })), map[string]string{"up": "0", "state": "tls", "trusted": "0"})
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, ask(t, options(func(o *Options) { o.File = empty })), map[string]string{"up": "0", "state": "missing", "error": empty + " holds no certificate"})
	policy, err := files.NewPolicy([]string{"/etc"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Kind(nil, nil, policy).New(options(func(o *Options) { o.File = name }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got, _ := readings(t, p); got["up"] != "0" || !strings.Contains(got["error"], "not allowed to definitions") {
		t.Errorf("got %v", got)
	}
}

// TestStandInsSwitchToTLS has the protocols for which there is no server in Debian that a
// test could run alone, and servers that misbehave.
func TestStandInsSwitchToTLS(t *testing.T) {
	config := &tls.Config{Certificates: []tls.Certificate{pair(t, ours(time.Hour), 0)}}
	talk := func(lines ...string) func(net.Conn) error {
		return func(c net.Conn) error {
			for i, text := range lines {
				if _, err := io.WriteString(c, text); err != nil {
					return err
				}
				if i < len(lines)-1 {
					if _, err := c.Read(make([]byte, 4096)); err != nil {
						return err
					}
				}
			}
			return nil
		}
	}
	features := "<?xml version='1.0'?><stream:stream from='shop' id='1' xmlns='jabber:client'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
	for _, tt := range []struct {
		name, protocol string
		begin          func(net.Conn) error
		state, text    string
	}{
		{"ftp", "ftp", talk("220-Welcome\r\n to the\r\n220 shop\r\n", "234 Go on\r\n"), "up", ""},
		{"ftp without TLS", "ftp", talk("220 shop\r\n", "502 What?\r\n"), "protocol", `wanted 234: the server said "502 What?"`},
		{"xmpp", "xmpp", talk("", features, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), "up", ""},
		{"xmpp without TLS", "xmpp", talk("", "<stream:stream><stream:features></stream:features>"), "protocol", "the server does not offer STARTTLS"},
		{"smtp without TLS", "smtp", talk("220 mail\r\n", "250-mail\r\n250 SIZE\r\n"), "protocol", "the server does not offer STARTTLS"},
		{"pop3 without TLS", "pop3", talk("+OK\r\n", "-ERR no\r\n"), "protocol", `STLS: the server said "-ERR no"`},
		{"imap that says more than it may", "imap", talk("* OK\r\n", "a1 OK\r\na2 OK more\r\n"), "protocol", "the server said 12 bytes more before TLS began: somebody may be in between"},
		{"postgres without TLS", "postgres", talk("", "N"), "protocol", "the server does not offer TLS"},
		{"mysql that refuses", "mysql", talk("\x0a\x00\x00\x00\xff\x10\x04blocked"), "protocol", `no greeting: the server said "blocked"`},
		{"a server that hangs up", "smtp", func(net.Conn) error { return io.EOF }, "closed", "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := serve(t, config, tt.begin)
			got := ask(t, options(func(o *Options) { o.Address, o.Protocol, o.TLS.Insecure = address, tt.protocol, true }))
			expect(t, got, map[string]string{"state": tt.state, "error": tt.text})
		})
	}
}

func TestContract(t *testing.T) {
	good := serve(t, &tls.Config{Certificates: []tls.Certificate{pair(t, ours(time.Hour), 0)}}, nil)
	probetest.Run(t, Kind(nil, nil, nil), options(func(o *Options) { o.Address = good }))
	quiet := serve(t, nil, nil)
	for protocol := range preambles {
		probetest.Stops(t, Kind(nil, nil, nil), options(func(o *Options) { o.Address, o.Protocol = quiet, protocol }))
	}
	probetest.Refuses(t, Kind(nil, nil, nil),
		probetest.Bad{Name: "nothing", Option: "address", Want: "address: is missing: give host and port, or a file", Options: options(func(*Options) {})},
		probetest.Bad{Name: "both", Option: "file", Want: "file: address is given, too: only one of them can be looked at", Options: options(func(o *Options) { o.Address, o.File = "a:1", "/a" })},
		probetest.Bad{Name: "a relative file", Option: "file", Want: `file: "a.pem" is not an absolute path without detours`, Options: options(func(o *Options) { o.File = "a.pem" })},
		probetest.Bad{Name: "a protocol of a file", Option: "protocol", Want: "protocol: only with address", Options: options(func(o *Options) { o.File, o.Protocol = "/a", "smtp" })},
		probetest.Bad{Name: "no port", Option: "address", Want: `address: "a": is not a host and a port, such as db1:5432 or [2001:db8::1]:22`, Options: options(func(o *Options) { o.Address = "a" })},
		probetest.Bad{Name: "a wrong protocol", Option: "protocol", Want: `protocol: "irc" is none of ftp, imap, ldap, mysql, pop3, postgres, smtp, tls, xmpp`, Options: options(func(o *Options) { o.Address, o.Protocol = "a:1", "irc" })},
		probetest.Bad{Name: "a name that is no name", Option: "tls.server_name", Want: `tls.server_name: "a'b" is not the name of a host`, Options: options(func(o *Options) { o.Address, o.TLS.ServerName = "a:1", "a'b" })},
		probetest.Bad{Name: "a relative authority", Option: "tls.ca", Want: `tls.ca: "ca.pem" is not an absolute path without detours`, Options: options(func(o *Options) { o.Address, o.TLS.CA = "a:1", "ca.pem" })},
	)
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Kind(policy, nil, nil).New(options(func(o *Options) { o.Address = good }))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := readings(t, p); err == nil || !strings.Contains(err.Error(), `the rule "!loopback" refuses it`) {
		t.Errorf("got %v", err)
	}
}

// FuzzPreamble holds that no server's words end in a panic or in a wait for ever.
func FuzzPreamble(f *testing.F) {
	f.Add("smtp", []byte("220 mail\r\n250-a\r\n250 STARTTLS\r\n220 go\r\n"))
	f.Add("ldap", []byte("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"))
	f.Add("mysql", []byte("\x05\x00\x00\x00\x0a5.0\x00"))
	f.Add("xmpp", []byte("<stream:features>urn:ietf:params:xml:ns:xmpp-tls</stream:features><proceed/>"))
	f.Fuzz(func(_ *testing.T, protocol string, said []byte) {
		if begin, ok := preambles[protocol]; ok {
			_ = begin(bufio.NewReader(io.LimitReader(bytes.NewReader(said), maxPreamble)), io.Discard, "shop")
		}
	})
}

// FuzzParse holds that a file is either refused or has certificates that can be shown.
func FuzzParse(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		chain, err := parse(text)
		if (len(chain) > 0) == (err != nil) {
			t.Errorf("%d certificates and %v", len(chain), err)
		}
		table(chain, time.Now())
		weaknesses(chain, 0)
	})
}
