package definitions_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grove/tree"
)

// webServer is Debian's nginx with a configuration of the test's.
type webServer struct {
	t             *testing.T
	dir           string
	plain, secure string // host:port
	ca            string // file of the authority that signed its certificate
	stop          func()
}

const nginxConfig = `
daemon off;
pid nginx.pid;
error_log stderr crit;
worker_processes 1;
events { worker_connections 32; }
http {
	access_log off;
	client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
	default_type text/html;
	root files;
	server { listen PLAIN; location = /nginx_status { stub_status; } location = /slow.html { limit_rate 1000; } }
	server { listen SECURE ssl; ssl_certificate server.pem; ssl_certificate_key server.key; }
}
`

// startNginx starts it on free loopback ports; the test's end stops it.
func startNginx(t *testing.T) *webServer {
	t.Helper()
	program := installed(t, "nginx", "nginx-light")
	s := &webServer{t: t, dir: t.TempDir()}
	config := nginxConfig
	for name, to := range map[string]*string{"PLAIN": &s.plain, "SECURE": &s.secure} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // at the end, so that both ports differ
		*to = l.Addr().String()
		config = strings.ReplaceAll(config, name, *to)
		l.Close()
	}
	s.write("nginx.conf", config)
	s.write("files/slow.html", strings.Repeat("one after the other ", 20_000))
	s.write("files/index.html", "<h1>Welcome to the shop</h1>")
	s.certificate(9*24*time.Hour + time.Hour)
	// nginx drops its rights when it is started as root, and its workers read the files.
	for _, d := range []string{filepath.Dir(s.dir), s.dir, filepath.Join(s.dir, "files")} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.start(program)
	return s
}

// installed finds a program, or skips the test.
func installed(t *testing.T, name, debianPackage string) string {
	t.Helper()
	if program, err := exec.LookPath(name); err == nil {
		return program
	}
	program := filepath.Join("/usr/sbin", name)
	if _, err := os.Stat(program); err != nil {
		t.Skipf("skipped: %s is not installed (apt-get install %s)", name, debianPackage)
	}
	return program
}

func (s *webServer) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// certificate makes an authority, and a certificate of it that ends after a time.
func (s *webServer) certificate(left time.Duration) {
	s.t.Helper()
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "shop"}, IPAddresses: []net.IP{{127, 0, 0, 1}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(left), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	keys := [2]*ecdsa.PrivateKey{}
	for i := range keys {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			s.t.Fatal(err)
		}
		keys[i] = key
	}
	for name, c := range map[string]*x509.Certificate{"ca.pem": authority, "server.pem": server} {
		key := keys[0]
		if c == server {
			key = keys[1]
		}
		der, err := x509.CreateCertificate(rand.Reader, c, authority, &key.PublicKey, keys[0])
		if err != nil {
			s.t.Fatal(err)
		}
		s.write(name, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	der, err := x509.MarshalECPrivateKey(keys[1])
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("server.key", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
	s.ca = filepath.Join(s.dir, "ca.pem")
}

// start starts the program and waits until it listens. It may be called again after
// stop.
func (s *webServer) start(program string) {
	s.t.Helper()
	cmd := exec.Command(program, "-p", s.dir, "-c", "nginx.conf", "-e", "stderr")
	var output bytes.Buffer
	cmd.Stderr = &output
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	s.stop = func() {
		_ = cmd.Process.Signal(os.Interrupt) // the master takes its workers with it
		<-ended
	}
	s.t.Cleanup(func() {
		s.stop()
		if s.t.Failed() {
			s.t.Logf("nginx said:\n%s", output.String())
		}
	})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		a, errA := net.Dial("tcp", s.plain)
		b, errB := net.Dial("tcp", s.secure)
		for _, c := range []net.Conn{a, b} {
			if c != nil {
				_ = c.Close()
			}
		}
		if errA == nil && errB == nil {
			return
		}
		select {
		case <-ended:
			s.t.Fatalf("nginx ended at once:\n%s", output.String())
		case <-s.t.Context().Done():
			s.t.Fatal("nginx does not listen")
		case <-tick.C:
		}
	}
}

// visit asks for the page as a visitor does.
func (s *webServer) visit() {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + s.plain + "/")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// flood makes connections that keep nginx busy, until it drops one for want of places.
func (s *webServer) flood() {
	s.t.Helper()
	for range 1000 {
		c, err := net.Dial("tcp", s.plain)
		if err != nil {
			s.t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			s.t.Fatal(err)
		}
		if _, err := c.Write([]byte("GET /slow.html HTTP/1.1\r\nHost: shop\r\n\r\n")); err != nil {
			return
		}
		// An answer that has begun keeps its place; idle ones are closed to make room.
		switch _, err := c.Read(make([]byte, 1)); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.t.Fatal("nginx neither answers nor drops a connection")
		case err != nil:
			return
		}
	}
	s.t.Fatal("nginx drops no connection")
}

// TestNginx runs the definition of nginx on Debian's nginx, and takes it away.
func TestNginx(t *testing.T) {
	t.Parallel()
	s := startNginx(t)
	w := grow(t, fmt.Sprintf(`
use: nginx
at: /shop/web1
with: { status_url: "http://%s/nginx_status", every: 200ms, local: true }
`, s.plain))
	w.is("/shop/web1/Answer/Up", tree.Green)
	w.within("/shop/web1/Answer/Response time", 1e-6, 0.5)
	w.within("/shop/web1/Connections/Active", 1, 32) // the one that asks
	w.within("/shop/web1/Connections/Writing", 1, 32)
	w.within("/shop/web1/Processes/Count", 2, 1000) // master and worker
	w.within("/shop/web1/Processes/Memory", 1<<20, 1<<32)
	w.until("requests are seen", func() bool {
		s.visit()
		n, _ := w.node("/shop/web1/Requests")
		rate, ok := n.Value.Number()
		return ok && rate > 6 // 5 are the probe's own
	})
	w.within("/shop/web1/Connections/Accepted", 1, 1e6)
	w.within("/shop/web1/Connections/Dropped", 0, 0)
	w.is("/shop/web1", tree.Green)
	w.exported()
	w.until("every node has a reading", func() bool { return len(w.white("/shop/web1")) == 0 })

	s.flood()
	w.is("/shop/web1/Connections/Dropped", tree.Yellow)
	w.is("/shop/web1", tree.Yellow)

	s.stop()
	w.is("/shop/web1/Answer/Up", tree.Red)
	w.says("/shop/web1/Answer/Error", "connection refused")
	w.is("/shop/web1/Connections/Active", tree.White)
	w.is("/shop/web1/Requests", tree.White)
	w.is("/shop/web1", tree.Red)

	s.start(installed(t, "nginx", "nginx-light"))
	w.is("/shop/web1/Answer/Up", tree.Green)
	w.within("/shop/web1/Connections/Active", 1, 32)
}

// TestWebService runs the definition of a web service on pages of Debian's nginx.
func TestWebService(t *testing.T) {
	s := startNginx(t)
	w := grow(t, fmt.Sprintf(`
use: web-service
at: /shop/front
name: front
with: { url: "https://%s/", authority: %s, match: Welcome, every: 200ms }
---
use: web-service
at: /shop/plain
name: plain
with: { url: "http://%s/", every: 200ms }
---
use: web-service
at: /shop/gone
name: gone
with: { url: "http://%[3]s/gone", every: 200ms }
---
use: web-service
at: /shop/stranger
name: stranger
with: { url: "https://%[1]s/", every: 200ms }
`, s.secure, s.ca, s.plain))
	w.is("/shop/plain", tree.Green)
	w.within("/shop/plain/Status", 200, 200)
	w.within("/shop/plain/Response time", 1e-6, 1)
	w.within("/shop/plain/Size", 28, 28)
	if white := w.white("/shop/plain"); len(white) > 0 {
		t.Errorf("without a reading: %v", white)
	}
	if _, there := w.node("/shop/plain/Certificate"); there {
		t.Error("an address without TLS has a node for its certificate")
	}
	w.within("/shop/front/Certificate", 9, 9)
	w.is("/shop/front/Certificate", tree.Yellow)
	w.is("/shop/front/Up", tree.Green)
	w.exported()
	w.is("/shop/front/Content", tree.Green)
	w.is("/shop/gone", tree.Red)
	w.within("/shop/gone/Status", 404, 404)
	w.says("/shop/gone/Error", "status 404")
	w.is("/shop/stranger", tree.Red)
	w.says("/shop/stranger/Error", "certificate")

	s.write("files/index.html", "<h1>Fatal error</h1>")
	w.is("/shop/front/Content", tree.Red)
	w.is("/shop/front", tree.Red)
	w.is("/shop/plain", tree.Green)

	s.stop()
	w.is("/shop/plain", tree.Red)
	w.says("/shop/plain/Error", "connection refused")
	w.is("/shop/plain/Status", tree.White)
}
