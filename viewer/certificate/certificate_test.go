package certificate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key, a.pem, _ = issue(t, a, name, time.Now().Add(time.Hour))
	return a
}

var serial int64

// issue makes a certificate, signed by itself while the authority has none.
func issue(t *testing.T, by *authority, name string, ends time.Time) (*x509.Certificate, *ecdsa.PrivateKey, []byte, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: ends.Add(-2 * time.Hour), NotAfter: ends,
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: by.cert == nil,
	}
	parent, signer := c, key
	if by.cert != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return c, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// files are those of a keeper.
type files struct{ dir, cert, key, ca string }

func newFiles(t *testing.T) files {
	dir := t.TempDir()
	return files{dir, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")}
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func (f files) put(t *testing.T, by *authority, name string) {
	t.Helper()
	_, _, cert, key := issue(t, by, name, time.Now().Add(time.Hour))
	write(t, f.key, key)
	write(t, f.cert, cert)
}

// TestRenewedCertificatesAreUsed runs a real server: a renewed pair is used from the next
// connection on, a broken one is not, and connections go on all the time.
func TestRenewedCertificatesAreUsed(t *testing.T) {
	f, ca := newFiles(t), newAuthority(t, "authority")
	f.put(t, ca, "one.example")
	told := make(chan struct{}, 10)
	k, err := Open(Options{Cert: f.cert, Key: f.key, Every: 5 * time.Millisecond, Changed: func() { told <- struct{}{} }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { _ = k.Run(ctx) })
	address := serve(t, k)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.pem)
	name := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "one.example" {
		t.Errorf("at first: %s", got)
	}
	_, _, cert, key := issue(t, ca, "two.example", time.Now().Add(time.Hour))
	write(t, f.cert, cert) // without its key yet
	<-told
	if err := k.Status().Err; err == nil || !strings.Contains(err.Error(), "private key does not match") {
		t.Errorf("half of a new pair: %v", err)
	}
	if got := name(); got != "one.example" {
		t.Errorf("half of a new pair: %s", got)
	}
	write(t, f.key, key)
	<-told
	if got, err := name(), k.Status().Err; got != "two.example" || err != nil {
		t.Errorf("a new pair: %s, %v", got, err)
	}
	if err := os.Remove(f.key); err != nil {
		t.Fatal(err)
	}
	<-told
	if got, err := name(), k.Status().Err; got != "two.example" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a key: %s, %v", got, err)
	}
}

// serve answers every connection of TLS with a byte.
func serve(t *testing.T, k *Keeper) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", k.Config())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { _ = l.Close() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_, _ = c.Write([]byte("x"))
			})
		}
	})
	return l.Addr().String()
}

func TestCertificatesOfClients(t *testing.T) {
	f, ca, other := newFiles(t), newAuthority(t, "authority"), newAuthority(t, "another")
	f.put(t, ca, "one.example")
	write(t, f.ca, ca.pem)
	k, err := Open(Options{Cert: f.cert, Key: f.key, ClientCA: f.ca})
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, k)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.pem)
	client := func(by *authority, ends time.Duration) *tls.Config {
		c := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
		if by != nil {
			_, _, cert, key := issue(t, by, "ada", time.Now().Add(ends))
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			// Else it shows none that the server does not ask for.
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		return c
	}
	ancient := client(nil, 0)
	ancient.MaxVersion = tls.VersionTLS11
	for name, c := range map[string]struct {
		config *tls.Config
		ok     bool
	}{"none": {client(nil, 0), true}, "of the authority": {client(ca, time.Hour), true}, "of another": {client(other, time.Hour), false}, "that has ended": {client(ca, -time.Minute), false}, "TLS 1.1": {ancient, false}} {
		conn, err := tls.Dial("tcp", address, c.config)
		if err == nil {
			// With TLS 1.3 the client hears of a refusal when it reads.
			_, err = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
		if (err == nil) != c.ok {
			t.Errorf("a certificate %s: %v", name, err)
		}
	}
}

func TestWhatCannotBeUsed(t *testing.T) {
	ca := newAuthority(t, "authority")
	for name, c := range map[string]struct {
		do   func(f files)
		want string
	}{
		"no certificate": {func(f files) { _ = os.Remove(f.cert) }, "cert.pem: no such file or directory"},
		"no PEM":         {func(f files) { write(t, f.cert, []byte("hello")) }, "failed to find any PEM data in certificate input"},
		"another key": {func(f files) {
			_, _, _, key := issue(t, ca, "x", time.Now().Add(time.Hour))
			write(t, f.key, key)
		}, "private key does not match public key"},
		"an old one": {func(f files) {
			_, _, cert, key := issue(t, ca, "x", time.Now().Add(-time.Hour))
			write(t, f.cert, cert)
			write(t, f.key, key)
		}, "cert.pem: the certificate has ended at 20"},
		"one of tomorrow": {func(f files) {
			_, _, cert, key := issue(t, ca, "x", time.Now().Add(24*time.Hour))
			write(t, f.cert, cert)
			write(t, f.key, key)
		}, "cert.pem: the certificate begins at 20"},
		"no authority": {func(f files) { write(t, f.ca, []byte("hello")) }, "ca.pem: there is no certificate in PEM in it"},
		"a broken authority": {func(f files) {
			write(t, f.ca, append(ca.pem, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("hello")})...))
		}, "ca.pem: certificate 2 in it: x509: "},
		"a huge file": {func(f files) { write(t, f.ca, make([]byte, maxFile+1)) }, "ca.pem is longer than 1048576 bytes"},
	} {
		f := newFiles(t)
		f.put(t, ca, "one.example")
		write(t, f.ca, ca.pem)
		c.do(f)
		_, err := Open(Options{Cert: f.cert, Key: f.key, ClientCA: f.ca})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// TestAnAuthorityThatIsTakenOutIsTrustedNoMore: also by connections that began before.
func TestAnAuthorityThatIsTakenOutIsTrustedNoMore(t *testing.T) {
	ca, next := newAuthority(t, "authority"), newAuthority(t, "another")
	f := newFiles(t)
	f.put(t, ca, "one.example")
	write(t, f.ca, append(ca.pem, next.pem...))
	k, err := Open(Options{Cert: f.cert, Key: f.key, ClientCA: f.ca})
	if err != nil {
		t.Fatal(err)
	}
	if !k.Trusts(ca.cert) || !k.Trusts(next.cert) || k.Trusts(newAuthority(t, "authority").cert) {
		t.Error("not the authorities of the file are trusted")
	}
	write(t, f.ca, next.pem)
	if changed, err := k.look(); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if k.Trusts(ca.cert) || !k.Trusts(next.cert) {
		t.Error("not the authorities of the new file are trusted")
	}
	write(t, f.ca, []byte("hello"))
	if _, err := k.look(); err == nil || !k.Trusts(next.cert) {
		t.Errorf("a broken file: %v", err)
	}
}
