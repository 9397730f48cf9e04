package app_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"grove/cmd/app"
	"grove/tree"
	"grove/viewer/live"
	"grove/viewer/record"
)

// authority signs certificates for this machine, and for users.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool(), file: filepath.Join(t.TempDir(), "ca.pem")}
	cert, key, err := a.sign("authority", nil)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(cert)
	if a.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	a.key = key
	a.pool.AddCert(a.cert)
	if err := os.WriteFile(a.file, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) sign(name string, email []string) (cert []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	number, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: name}, EmailAddresses: email, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: a.cert == nil,
	}
	parent, signer := c, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key, err
}

// pair writes a certificate and its key into files.
func (a *authority) pair(t *testing.T, name string) (cert, key string) {
	t.Helper()
	text, private, err := a.sign(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, content := range map[string][]byte{cert: text, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

const password = "correct horse battery"

// withUser makes a data directory in which there is an admin, ada.
func withUser(t *testing.T) (data string) {
	t.Helper()
	data = t.TempDir()
	h, end, err := app.OpenAccounts(t.Context(), app.Config{Data: data}, "root")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	}()
	body := `{"name":"ada","password":"` + password + `","grants":[{"role":"admin","path":"/"}]}`
	r, err := http.NewRequest(http.MethodPost, "http://x/api/v1/users", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	w := &recorder{header: http.Header{}}
	if h.ServeHTTP(w, r); w.status != http.StatusCreated {
		t.Fatalf("%d %s", w.status, w.String())
	}
	return data
}

type recorder struct {
	bytes.Buffer
	header http.Header
	status int
}

func (r *recorder) Header() http.Header    { return r.header }
func (r *recorder) WriteHeader(status int) { r.status = status }

func TestWhereNobodyCouldLogIn(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.pair(t, "server")
	for name, c := range map[string]struct {
		change func(*app.Config)
		want   string // a part; empty: it starts
	}{
		"loopback without users": {func(c *app.Config) { c.Listen = "127.0.0.1:0" }, ""},
		"plain HTTP":             {func(c *app.Config) { c.Data = withUser(t) }, "--listen 0.0.0.0:0: others could reach this address, and read the passwords on their way to it: give --tls-cert and --tls-key"},
		"plain HTTP, knowingly":  {func(c *app.Config) { c.Data, c.Insecure = withUser(t), true }, ""},
		"no users, knowingly":    {func(c *app.Config) { c.Insecure = true }, "others could reach this address, and there are no users yet, so that nobody could log in: add one first, with\n\tgrove user add NAME --role admin --data "},
		"TLS without users":      {func(c *app.Config) { c.Access.TLSCert, c.Access.TLSKey = cert, key }, "there are no users yet"},
		"TLS with a user":        {func(c *app.Config) { c.Data, c.Access.TLSCert, c.Access.TLSKey = withUser(t), cert, key }, ""},
		"TLS with a provider":    {func(c *app.Config) { c.Access.TLSCert, c.Access.TLSKey, c.Access.OIDC = cert, key, provided }, ""},
		"a certificate alone":    {func(c *app.Config) { c.Access.TLSCert = cert }, "--tls-cert and --tls-key go together"},
		"a certificate of none":  {func(c *app.Config) { c.Access.TLSCert, c.Access.TLSKey = key, key }, "TLS: "},
		"clients without TLS":    {func(c *app.Config) { c.Listen, c.Access.ClientCA = "127.0.0.1:0", ca.file }, "--client-ca: clients show certificates by TLS alone"},
		"an unknown part":        {func(c *app.Config) { c.Listen, c.Access.ClientName = "127.0.0.1:0", "uid" }, `--client-name "uid": subject, email or dns is wanted`},
		"a provider's secret":    {func(c *app.Config) { c.Listen, c.Access.OIDC.Secret = "127.0.0.1:0", "hunter2" }, "--oidc-secret: a secret is given by reference: file:/path, env:NAME or credential:NAME"},
		"a provider's wrong rule": {func(c *app.Config) {
			c.Listen, c.Access.OIDC = "127.0.0.1:0", app.OIDCConfig{Issuer: "https://id", Client: "x", Grants: []string{"ops"}}
		}, `--oidc-grant "ops": GROUP=GRANT is wanted`},
		"a provider of nobody": {func(c *app.Config) {
			c.Listen, c.Access.OIDC = "127.0.0.1:0", app.OIDCConfig{Issuer: "https://id", Client: "x"}
		}, "no group may do anything"},
	} {
		t.Run(name, func(t *testing.T) {
			config := app.Config{Listen: "0.0.0.0:0", Data: t.TempDir(), NoHost: true}
			c.change(&config)
			a, err := app.New(config)
			if a != nil {
				if err := a.Stop(context.Background()); err != nil {
					t.Error(err)
				}
			}
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !errors.Is(err, app.ErrConfig)) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the secret is in the error")
			}
		})
	}
}

var provided = app.OIDCConfig{Issuer: "https://id.example", Client: "grove", Grants: []string{"*=viewer"}}

// TestAServerThatSpeaksTLS: a login, a certificate of a user, a certificate of the server
// that is renewed and one that is broken.
func TestAServerThatSpeaksTLS(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.pair(t, "one")
	data := withUser(t)
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: data, NoHost: true, Access: app.AccessConfig{TLSCert: cert, TLSKey: key, ClientCA: ca.file}})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool}, ForceAttemptHTTP2: true}
	defer func() {
		transport.CloseIdleConnections()
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	get := func(transport *http.Transport, path string, header ...string) (int, string, *tls.ConnectionState) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, a.Scheme()+"://"+a.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body), res.TLS
	}
	if status, body, _ := get(transport, "/api/v1/tree"); status != http.StatusUnauthorized {
		t.Errorf("without a login: %d %s", status, body)
	}
	basic := []string{"Authorization", "Basic YWRhOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ=="}
	status, body, state := get(transport, "/api/v1/nodes/grove/Access", basic...)
	if status != http.StatusOK || !strings.Contains(body, `"who logs in, by TLS"`) || state.NegotiatedProtocol != "h2" {
		t.Errorf("with a password: %d %s, %s", status, body, state.NegotiatedProtocol)
	}
	clientCert, clientKey := ca.pair(t, "ada")
	pair, err := tls.LoadX509KeyPair(clientCert, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	mutual := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{pair}}}
	defer mutual.CloseIdleConnections()
	if status, body, _ := get(mutual, "/api/v1/me"); status != http.StatusOK || !strings.Contains(body, `"name":"ada"`) || !strings.Contains(body, `"method":"certificate"`) {
		t.Errorf("with a certificate: %d %s", status, body)
	}
	if err := os.WriteFile(cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the node tells of the broken certificate", func() bool {
		_, body, _ := get(transport, "/api/v1/nodes/grove/Access", basic...)
		return strings.Contains(body, "the new certificate is not used") && strings.Contains(body, `"status":"red"`)
	})
	newCert, newKey := ca.pair(t, "two")
	for from, to := range map[string]string{newCert: cert, newKey: key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the new certificate is used", func() bool {
		fresh := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool}}
		defer fresh.CloseIdleConnections()
		_, _, state := get(fresh, "/healthz")
		return state.PeerCertificates[0].Subject.CommonName == "two"
	})
	until(t, "grove itself is well", func() bool {
		_, body, _ := get(transport, "/api/v1/nodes/grove/Answers/Healthy", basic...)
		return strings.Contains(body, `"status":"green"`)
	})
}

// TestWhatEndsEndsAtOnce: an open feed ends when the token behind it is revoked, and who
// did it is in the audit log.
func TestWhatEndsEndsAtOnce(t *testing.T) {
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: withUser(t), NoHost: true})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	do := func(method, path, body string, into any) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+a.Addr().String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("ada", password)
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= 300 {
			t.Fatalf("%s %s: %s %s, %v", method, path, res.Status, text, err)
		}
		if into != nil {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	var token struct{ ID, Token string }
	do("POST", "/api/v1/tokens", `{"name":"wall"}`, &token)
	dialer := websocket.Dialer{Subprotocols: []string{live.ProtocolJSON}}
	feed, res, err := dialer.Dial("ws://"+a.Addr().String()+"/api/v1/live", http.Header{"Authorization": {"Bearer " + token.Token}})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	_ = res.Body.Close()
	if err := feed.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","id":1,"path":"/"}`)); err != nil {
		t.Fatal(err)
	}
	do("DELETE", "/api/v1/tokens/"+token.ID, "", nil)
	if err := feed.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, _, err = feed.ReadMessage()
	}
	if !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("the feed ends with %v", err)
	}
	var log record.Audited
	do("GET", "/api/v1/audit?action=token+revoke", "", &log)
	if len(log.Records) != 1 || log.Records[0].Who != "ada" || log.Records[0].Origin != "127.0.0.1" || log.Records[0].Target != "ada wall" {
		t.Errorf("the audit log has %+v", log.Records)
	}
	if n, err := a.Tree.Node(tree.MustPath("/grove/Access")); err != nil || n.Status != tree.Green {
		t.Errorf("%v, %v", n, err)
	}
}
