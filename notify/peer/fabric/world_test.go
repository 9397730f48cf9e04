package fabric_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/notify/peer"
	"grove/notify/peer/fabric"
	"grove/notify/peer/peertest"
)

const hour = time.Hour

// patient is how many pings may be lost where a test has a busy machine and no faults.
const patient = 200

func TestMain(m *testing.M) {
	if address := os.Getenv(childAddress); address != "" {
		runChild(address)
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(natsFolder)
		os.Exit(code)
	}))
}

const (
	first  peer.ID = "00000000000000a1"
	second peer.ID = "00000000000000a2"
	third  peer.ID = "00000000000000a3"
)

// ca is a throw-away authority.
type ca struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate

	mu      sync.Mutex
	serial  int64
	revoked map[peer.ID]bool
	expired map[peer.ID]bool
}

func newCA(t testing.TB) *ca {
	c := &ca{revoked: map[peer.ID]bool{}, expired: map[peer.ID]bool{}, serial: 1}
	c.key, c.cert = c.make(t, "authority", nil, time.Hour)
	return c
}

// make makes a key and a certificate; without a parent's key it is self-signed.
func (c *ca) make(t testing.TB, name string, uri *url.URL, ends time.Duration) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(c.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(ends),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	c.mu.Unlock()
	if uri != nil {
		template.URIs = []*url.URL{uri}
	} else {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	}
	parent, signer := template, key
	if uri != nil && c.key != nil {
		parent, signer = c.cert, c.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// security is the fabric.Security of one manager.
type security struct {
	ca  *ca
	own tls.Certificate
}

func uriOf(id peer.ID) *url.URL { return &url.URL{Scheme: "grove", Host: string(id)} }

func (c *ca) security(t testing.TB, id peer.ID, ends time.Duration) *security {
	key, cert := c.make(t, string(id), uriOf(id), ends)
	return &security{c, tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}}
}

func (s *security) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.ca.cert)
	return p
}

func (s *security) ServerConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{s.own}, ClientAuth: tls.RequireAnyClientCert}
}

func (s *security) ClientConfig(of peer.ID) (*tls.Config, error) {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{s.own}, InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			leaf := state.PeerCertificates[0]
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: s.pool()}); err != nil {
				return err
			}
			if id := idOf(leaf); id != of {
				return fmt.Errorf("%s answers, not %s", id, of)
			}
			return nil
		},
	}, nil
}

func idOf(c *x509.Certificate) peer.ID {
	if len(c.URIs) != 1 {
		return ""
	}
	return peer.ID(c.URIs[0].Host)
}

func (s *security) Judge(state tls.ConnectionState) (peer.Caller, error) {
	leaf := state.PeerCertificates[0]
	caller := peer.Caller{ID: idOf(leaf), Ends: leaf.NotAfter}
	s.ca.mu.Lock()
	defer s.ca.mu.Unlock()
	if s.ca.revoked[caller.ID] {
		return caller, errors.New("it was revoked")
	}
	if leaf.CheckSignatureFrom(s.ca.cert) != nil {
		if leaf.Subject.CommonName != "joiner" {
			return caller, errors.New("a foreign certificate")
		}
		caller.Only = []string{"authority.join"}
	}
	if s.ca.expired[caller.ID] {
		caller.Only = []string{"authority.renew"}
	}
	return caller, nil
}

// judge has a manager revoked, or its certificate taken for one that is over.
func (c *ca) judge(id peer.ID, revoked, expired bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revoked[id], c.expired[id] = revoked, expired
}

// joiner is the security of a manager that has a certificate of its own making only.
func joiner(t testing.TB, id peer.ID) *security {
	alone := &ca{serial: 1}
	key, cert := alone.make(t, "joiner", uriOf(id), hour)
	return &security{nil, tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}}
}

// manager is a fabric that runs until the test is over.
func manager(t testing.TB, o fabric.Options) *fabric.Fabric {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(testLog{t}, nil))
	}
	f, err := fabric.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	return f
}

type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(string(p))
	return len(p), nil
}

// linked waits until two managers have a link, as both see it.
func linked(t *testing.T, a, b *fabric.Fabric) {
	t.Helper()
	peertest.Until(t, fmt.Sprintf("%s and %s are linked", a.Self(), b.Self()), func() bool { return isUp(a, b.Self()) && isUp(b, a.Self()) })
}

func isUp(f *fabric.Fabric, to peer.ID) bool {
	l, ok := linkTo(f, to)
	return ok && l.Up
}

func linkTo(f *fabric.Fabric, to peer.ID) (peer.Link, bool) {
	for _, l := range f.Links() {
		if l.Peer == to {
			return l, true
		}
	}
	return peer.Link{}, false
}

// pass is a stand-in for the network between a manager and another one: a relay that can
// cut, and be silent like a black hole.
type pass struct {
	listener net.Listener
	to       string
	delay    time.Duration // of each piece, each way; set before anybody calls
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	cut    bool
	silent bool
	free   chan struct{} // is closed when it is not silent
}

func newPass(t testing.TB, to string) *pass {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pass{listener: l, to: to, conns: map[net.Conn]bool{}, free: make(chan struct{})}
	close(p.free)
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.set(true, false)
		p.running.Wait()
	})
	return p
}

func (p *pass) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	p.mu.Lock()
	if p.cut {
		p.mu.Unlock()
		return
	}
	p.conns[c] = true
	p.mu.Unlock()
	up, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer func() { _ = up.Close() }()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, up}, {up, c}} {
		both.Go(func() {
			defer func() { _ = c.Close(); _ = up.Close() }()
			_, _ = io.Copy(slow{p, way[1]}, way[0])
		})
	}
	both.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// slow writes when the pass is not silent.
type slow struct {
	p *pass
	net.Conn
}

func (s slow) Write(b []byte) (int, error) {
	s.p.mu.Lock()
	free := s.p.free
	s.p.mu.Unlock()
	<-free
	if s.p.delay > 0 {
		<-time.After(s.p.delay)
	}
	return s.Conn.Write(b)
}

// set cuts and mends; and makes silent and not.
func (p *pass) set(cut, silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		for c := range p.conns {
			_ = c.Close()
		}
	}
	if silent != p.silent {
		if p.silent = silent; silent {
			p.free = make(chan struct{})
		} else {
			close(p.free)
		}
	}
}

func hostOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func hexID(n int) peer.ID {
	var b [8]byte
	b[6], b[7] = byte(n>>8), byte(n)
	b[0] = 0xb
	return peer.ID(hex.EncodeToString(b[:]))
}

var quiet = slog.New(slog.DiscardHandler)

// write writes a security for another process, and readSecurity reads it.
func (s *security) write(w io.Writer) error {
	key, err := x509.MarshalPKCS8PrivateKey(s.own.PrivateKey)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%x\n%x\n%x\n", key, s.own.Leaf.Raw, s.ca.cert.Raw)
	return err
}

func readSecurity(r io.Reader) (*security, error) {
	var key, own, root []byte
	if _, err := fmt.Fscanf(r, "%x\n%x\n%x\n", &key, &own, &root); err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(own)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(root)
	return &security{&ca{cert: cert}, tls.Certificate{Certificate: [][]byte{own}, PrivateKey: private, Leaf: leaf}}, err
}
