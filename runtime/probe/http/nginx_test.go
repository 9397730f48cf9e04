package http

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginx is Debian's web server with a configuration of the test's.
type nginx struct {
	plain, other, secure, expired, wrongName string // host:port
	dir                                      string
	ca                                       string // file
}

const nginxConfig = `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
	default_type text/plain;
	root files;
	server {
		listen PLAIN;
		location = /status { stub_status; }
		location = /hello { return 200 "hello world\n"; }
		location = /json { add_header X-Shop "open\tsince ten"; return 200 '{"pool":{"active":7,"full":false,"name":"a\u0007b"},"big":12345678901,"list":[1,2],"none":null,"text":"12.5","worst":"NaN"}'; }
		location = /teapot { return 418 "short and stout"; }
		location = /redirect { return 302 /hello; }
		location = /loop { return 302 /loop; }
		location = /away { return 302 http://OTHER/echo; }
		location = /away-and-back { return 302 http://OTHER/back; }
		location = /away307 { return 307 http://OTHER/echo; }
		location = /metadata { return 302 http://169.254.169.254/latest/; }
		location = /ftp { return 302 ftp://127.0.0.1/; }
		location = /userinfo { return 302 http://someone:else@PLAIN/hello; }
		location = /echo { return 200 "authorization=$http_authorization token=$http_x_token cookie=$http_cookie referer=$http_referer method=$request_method agent=$http_user_agent host=$http_host connection=$connection"; }
		location = /leak { return 302 "gopher://$http_x_token/"; }
		location = /huge { try_files /huge.txt =404; }
		location = /slow { limit_rate 1000; try_files /huge.txt =404; }
		location = /bomb { add_header Content-Encoding gzip; try_files /bomb.gz =404; }
		location = /broken { add_header Content-Encoding gzip; return 200 "this is not gzip"; }
	}
	server {
		listen OTHER;
		location = /echo { return 200 "authorization=$http_authorization token=$http_x_token cookie=$http_cookie referer=$http_referer"; }
		location = /back { return 302 http://PLAIN/echo; }
	}
	server { listen SECURE ssl http2; ssl_certificate good.pem; ssl_certificate_key good.key; ssl_client_certificate ca.pem; ssl_verify_client optional;
		location / { return 200 "secure $ssl_client_s_dn"; } }
	server { listen EXPIRED ssl; ssl_certificate expired.pem; ssl_certificate_key expired.key; location / { return 200 "late"; } }
	server { listen WRONG ssl; ssl_certificate wrong.pem; ssl_certificate_key wrong.key; location / { return 200 "not me"; } }
}
`

// startNginx starts it on free loopback ports; the test's end stops it.
func startNginx(t *testing.T) *nginx {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("skipped: nginx is not installed (apt-get install nginx-light)")
	}
	n := &nginx{dir: t.TempDir()}
	n.certificates(t)
	n.files(t)
	n.configure(t)
	n.start(t, program)
	return n
}

// configure writes the configuration with ports that are free. All of them are held
// until each is known.
func (n *nginx) configure(t *testing.T) {
	t.Helper()
	config := nginxConfig
	for _, address := range []struct {
		name string
		to   *string
	}{{"PLAIN", &n.plain}, {"OTHER", &n.other}, {"SECURE", &n.secure}, {"EXPIRED", &n.expired}, {"WRONG", &n.wrongName}} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		*address.to = listener.Addr().String()
		config = strings.ReplaceAll(config, address.name, *address.to)
	}
	write(t, filepath.Join(n.dir, "nginx.conf"), []byte(config))
}

// start starts the program and waits until it listens.
func (n *nginx) start(t *testing.T, program string) {
	t.Helper()
	cmd := exec.Command(program, "-p", n.dir, "-c", "nginx.conf", "-e", "stderr")
	var output bytes.Buffer
	cmd.Stderr = &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("nginx said:\n%s", output.String())
		}
	})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		// It opens its ports in the order of the file.
		conn, err := net.Dial("tcp", n.wrongName)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatal("nginx ended at once")
		case <-t.Context().Done():
			t.Fatal("nginx does not listen")
		case <-tick.C:
		}
	}
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (n *nginx) files(t *testing.T) {
	t.Helper()
	write(t, filepath.Join(n.dir, "files/huge.txt"), bytes.Repeat([]byte("0123456789abcde\n"), 2<<20/16))
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 8 {
		z.Write(zeros)
	}
	z.Close()
	write(t, filepath.Join(n.dir, "files/bomb.gz"), bomb.Bytes())
	// nginx drops its rights when it is started as root.
	for _, d := range []string{n.dir, filepath.Join(n.dir, "files")} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// certificates makes an authority and certificates of it: one that is good for 127.0.0.1
// and shop.example, one that has expired, one for another name.
func (n *nginx) certificates(t *testing.T) {
	t.Helper()
	now := time.Now()
	caKey := newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(100 * 24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	n.ca = filepath.Join(n.dir, "ca.pem")
	write(t, n.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}))
	for i, c := range []struct {
		name     string
		dns      []string
		ips      []net.IP
		notAfter time.Time
	}{
		{"good", []string{"shop.example"}, []net.IP{{127, 0, 0, 1}}, now.Add(10*24*time.Hour + time.Hour)},
		{"expired", nil, []net.IP{{127, 0, 0, 1}}, now.Add(-2*time.Hour + -time.Minute)},
		{"wrong", []string{"bank.example"}, nil, now.Add(time.Hour)},
		{"client", nil, nil, now.Add(time.Hour)},
	} {
		key := newKey(t)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 2)), Subject: pkix.Name{CommonName: c.name}, DNSNames: c.dns, IPAddresses: c.ips,
			NotBefore: now.Add(-12 * time.Hour), NotAfter: c.notAfter,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(n.dir, c.name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		keyDER, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(n.dir, c.name+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
