package test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"grove/cmd/app"
)

// canaries are secrets, each of its own, and the references by which a configuration
// names them.
type canaries struct {
	testing.TB
	dir  string
	text []string
}

// file makes a secret in a file and returns the reference to it.
func (c *canaries) file() string {
	c.Helper()
	name := filepath.Join(c.dir, fmt.Sprintf("secret%d", len(c.text)))
	if err := os.WriteFile(name, []byte(c.one()), 0o600); err != nil {
		c.Fatal(err)
	}
	return "file:" + name
}

// env makes a secret in the environment and returns the reference to it.
func (c *canaries) env() string {
	c.Helper()
	name := fmt.Sprintf("SHOP_CANARY_%d", len(c.text))
	c.Setenv(name, c.one())
	return "env:" + name
}

// one makes a secret that stands by itself.
func (c *canaries) one() string {
	text := fmt.Sprintf("Canary%02d-x!y/z", len(c.text))
	c.text = append(c.text, text)
	return text
}

// in says which secrets a text has in it, in any of the forms that programs give them.
func (c *canaries) in(text []byte) (found []string) {
	for _, secret := range c.text {
		for _, form := range []string{
			secret[:8], url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret))[:12], base64.StdEncoding.EncodeToString([]byte("grove:" + secret))[:20],
		} {
			if at := bytes.Index(text, []byte(form)); at >= 0 {
				found = append(found, fmt.Sprintf("%s as …%q…", secret, text[max(0, at-80):min(len(text), at+40)]))
				break
			}
		}
	}
	return found
}

// TestSecretsOfExportsAndProbesStaySecret gives a manager secrets in every place that
// takes one: probes, exports, parameters, working ones and failing ones. They must arrive
// where they belong, and be in nothing else that comes out of the manager: no address
// that can be read, no bean, event, log, audit record, journal, document, backup, nor its
// own files.
func TestSecretsOfExportsAndProbesStaySecret(t *testing.T) {
	c := &canaries{TB: t, dir: t.TempDir()}
	b, inboxURL := startInbox(t)
	// The resource answers with what it was asked with, in a header that nobody reads.
	resource := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = b.look(func() error {
			b.secrets = append(b.secrets, r.Header.Get("Authorization")+r.Header.Get("X-Token"))
			return nil
		})
		w.Header().Set("X-Was", r.Header.Get("Authorization"))
	}))
	t.Cleanup(resource.Close)
	exports := filepath.Join(c.dir, "exports.yaml")
	if err := os.WriteFile(exports, fmt.Appendf(nil, `remote_write:
- { name: works, url: %q, bearer: %q }
- { name: fails, url: "http://127.0.0.1:1/write", basic: { user: grove, password: %q } }
otlp:
- { name: works, url: %[1]q, every: 1s, headers: { Authorization: %[4]q } }
- { name: fails, url: "http://127.0.0.1:1", every: 1s, headers: { X-Token: %[5]q } }
publish:
- { name: works, what: document, format: json, on: change, settle: 100ms, pause: 1s, to: { url: "%[1]s/documents", basic: { user: grove, password: %[6]q } } }
- { name: fails, what: report, format: csv, period: day, every: 10s, to: { url: "http://127.0.0.1:1/", bearer: %[7]q, secret_headers: { X-Token: %[8]q } } }
- { name: gone, what: document, format: xml, on: change, settle: 100ms, pause: 1s, to: { url: "%[1]s/documents", bearer: "file:%[9]s/none" } }
`, inboxURL, c.file(), c.env(), c.file(), c.env(), c.file(), c.env(), c.file(), c.dir), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(c.dir, "policy")
	if err := os.WriteFile(rules, []byte("grove:* write *\ngrove:* exec *\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	m := serve(t, func(o *app.Config) { o.Data, o.Exports, o.Jolokia, o.Name = data, exports, rules, "canary" })
	events := m.listen("", "")
	m.write("secret.yaml", fmt.Sprintf(`grove: 1
application: secret
at: /unused
parameters:
  url: { type: url }
  password: { type: secret }
  token: { type: secret }
probes:
  good: { kind: http, url: "${url}", every: 1s, basic: { user: grove, password: "${password}" }, headers: { X-Token: "${token}" } }
  gone: { kind: http, url: "http://127.0.0.1:1/", every: 1s, bearer: "${token}" }
  agent: { kind: snmp, address: "127.0.0.1:1", every: 1s, timeout: 500ms, retries: 0, version: 2c, community: "${token}", request_timeout: 100ms, values: { uptime: .1.3.6.1.2.1.1.3.0 } }
tree:
  Good: { from: good.up }
  Gone: { from: gone.up }
  Why: { from: gone.error, kind: text }
  Agent: { from: agent.uptime }
---
use: secret
name: works
at: /works
with: { url: %[1]q, password: %[2]q, token: %[3]q }
---
use: sap-instance
name: sap
at: /sap
with: { url: "http://127.0.0.1:1/SAPControl", user: grove, password: %[4]q, every: 1s, timeout: 900ms }
`, resource.URL, c.file(), c.env(), c.file()))
	m.write("plain.yaml", fmt.Sprintf("use: secret\nname: plain\nat: /plain\nwith: { url: %q, password: %q, token: \"env:NONE\" }\n", resource.URL, c.one()))
	m.write("other.yaml", other)
	m.loaded("other")
	m.is("/works/Good", "1", "green")
	m.is("/works/Gone", "0", "red")
	m.refused("plain")
	m.push(reading{"path": "/other/Level", "value": 11})
	if a := m.jolokia(map[string]any{"type": "write", "mbean": nodeBean("/other/Level"), "attribute": "YellowToRed", "value": 20}); a.Status != http.StatusOK {
		t.Errorf("%+v", a)
	}
	// Everything that can fail has failed, and everything that works has sent its secret.
	for _, path := range []string{"Remote write/fails", "OpenTelemetry/fails", "Publications/fails", "Publications/gone"} {
		m.eventually(func() error {
			if n, err := m.find("/grove/Exports/" + path + "/State"); err != nil || n.Status != "red" {
				return fmt.Errorf("%s is %s: %w", path, n.Status, err)
			}
			return nil
		})
	}
	m.eventually(func() error {
		return b.look(func() error {
			for what, want := range map[string]string{"the bearer": "Bearer " + c.text[0], "the header": c.text[2], "the name and password": "Basic " + base64.StdEncoding.EncodeToString([]byte("grove:"+c.text[4])),
				"what the probe sends": "Basic " + base64.StdEncoding.EncodeToString([]byte("grove:"+c.text[7])) + c.text[8]} {
				if !slices.Contains(b.secrets, want) {
					return fmt.Errorf("%s did not arrive: %q", what, b.secrets)
				}
			}
			return nil
		})
	})

	outputs := m.outputs()
	m.remove("plain.yaml") // in which the user wrote a secret; a backup has the user's files as they are
	m.gone("/grove/Definitions/plain")
	outputs["the backup"] = m.backup()
	outputs["the log"] = []byte(m.log.String())
	outputs["an event"] = []byte(events.next().String())
	arguments, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	outputs["the arguments"] = arguments
	_ = b.look(func() error {
		outputs["the documents that were sent"] = bytes.Join(b.documents, nil)
		return nil
	})
	if err := m.Stop(t.Context()); err != nil && !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("stop: %v", err)
	}
	m.hurt = true
	outputs["the log of the end"] = []byte(m.log.String())
	err = filepath.WalkDir(data, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(name, m.drop) {
			return err
		}
		text, err := os.ReadFile(name)
		outputs["the file "+strings.TrimPrefix(name, data)] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(outputs) < 40 {
		t.Errorf("only %d outputs were looked at", len(outputs))
	}
	for where, text := range outputs {
		for _, found := range c.in(text) {
			t.Errorf("%s has %s", where, found)
		}
	}
}

// outputs is everything that a manager tells those who ask, by what it is: every address
// of its interface that can be read, and what stands beside it.
func (m *manager) outputs() map[string][]byte {
	m.Helper()
	all := map[string][]byte{}
	get := func(path string) {
		m.Helper()
		code, body := m.get(path)
		if code == http.StatusNotFound || len(body) == 0 {
			m.Errorf("GET %s: %d: %s", path, code, body)
		}
		all["GET "+path] = body
	}
	var described struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name, In string
				Required bool
			}
		}
	}
	m.ask("/api/v1/openapi.json", &described)
	// What addresses and parameters stand for that must be given.
	samples := map[string]string{"path": "/works/Why", "name": "shared", "number": "1", "revision": "1", "from": "0", "to": "1"}
	for path, operations := range described.Paths {
		if o, ok := operations["get"]; ok {
			q := url.Values{}
			for _, p := range o.Parameters {
				switch {
				case p.In == "path":
					path = strings.ReplaceAll(path, "{"+p.Name+"}", strings.TrimPrefix(samples[p.Name], "/"))
				case p.Required:
					q.Set(p.Name, samples[p.Name])
				}
			}
			code, body := m.get(path + "?" + q.Encode())
			if code >= 500 {
				m.Errorf("GET %s: %d: %s", path, code, body)
			}
			all["GET "+path] = body
		}
	}
	for _, path := range []string{
		"/metrics", "/api/v1/openapi.json", "/api/v1/tree?depth=20", "/api/v1/nodes/works/Agent", "/api/v1/nodes/sap/Answer", "/api/v1/nodes/grove/Definitions/plain", "/api/v1/history?path=/other/Level",
		"/api/v1/journal?limit=10000", "/jolokia/list", "/jolokia/version", "/jolokia/search/*:*", "/jolokia/read/*:*",
		"/documents/tree.xml", "/documents/tree.json", "/documents/tree.html", "/documents/managers.xml", "/reports/tree.json", "/reports/tree.csv", "/reports/tree.html",
		"/ccms/v1/tree", "/ccms/v1/alerts", "/SAPControl?wsdl", "/prometheus/api/v1/label/__name__/values", "/prometheus/api/v1/series?match[]={path!=%22%22}",
		"/prometheus/api/v1/metadata", "/prometheus/api/v1/status/buildinfo", "/readyz", "/healthz",
	} {
		get(path)
	}
	names, err := m.Beans.Query(m.Context(), beanPattern, nil)
	if err != nil || len(names) == 0 {
		m.Fatalf("%d beans: %v", len(names), err)
	}
	for _, name := range names {
		all["bean "+name.String()] = m.jolokia(map[string]any{"type": "read", "mbean": name.String()}).Value
	}
	return all
}

// backup makes a backup and returns it uncompressed.
func (m *manager) backup() []byte {
	m.Helper()
	req, err := http.NewRequestWithContext(m.Context(), http.MethodPost, m.url+"/api/v1/backup", nil)
	if err != nil {
		m.Fatal(err)
	}
	code, body := m.do(req)
	if code != http.StatusOK {
		m.Fatalf("backup: %d: %s", code, body)
	}
	z, err := zstd.NewReader(bytes.NewReader(body))
	if err != nil {
		m.Fatal(err)
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		m.Fatal(err)
	}
	return text
}

// TestExportsThatHoldSecretsAreRefused writes secrets where only references belong: the
// manager does not start, and what it says does not repeat them.
func TestExportsThatHoldSecretsAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"remote write, address":  `remote_write: [{ name: a, url: "http://grove:CANARY@127.0.0.1:1/w" }]`,
		"remote write, bearer":   `remote_write: [{ name: a, url: "http://127.0.0.1:1/w", bearer: CANARY }]`,
		"remote write, password": `remote_write: [{ name: a, url: "http://127.0.0.1:1/w", basic: { user: grove, password: CANARY } }]`,
		"remote write, header":   `remote_write: [{ name: a, url: "http://127.0.0.1:1/w", headers: { Authorization: "Bearer CANARY" } }]`,
		"otlp, address":          `otlp: [{ name: a, url: "http://grove:CANARY@127.0.0.1:1" }]`,
		"otlp, query":            `otlp: [{ name: a, url: "http://127.0.0.1:1/?key=CANARY" }]`,
		"otlp, header":           `otlp: [{ name: a, url: "http://127.0.0.1:1", headers: { Authorization: "Bearer CANARY" } }]`,
		"publish, address":       `publish: [{ name: a, what: document, format: xml, on: change, to: { url: "http://grove:CANARY@127.0.0.1:1/" } }]`,
		"publish, bearer":        `publish: [{ name: a, what: document, format: xml, on: change, to: { url: "http://127.0.0.1:1/", bearer: CANARY } }]`,
		"publish, password":      `publish: [{ name: a, what: document, format: xml, on: change, to: { url: "http://127.0.0.1:1/", basic: { user: grove, password: CANARY } } }]`,
		"publish, header":        `publish: [{ name: a, what: document, format: xml, on: change, to: { url: "http://127.0.0.1:1/", headers: { Authorization: "Bearer CANARY" } } }]`,
		"publish, secret header": `publish: [{ name: a, what: document, format: xml, on: change, to: { url: "http://127.0.0.1:1/", secret_headers: { X-Key: CANARY } } }]`,
		"an unknown key":         `remote_write: [{ name: a, url: "http://127.0.0.1:1/w", pasword: CANARY }]`,
		"no YAML":                "remote_write: [{ name: a, bearer: \"CANARY\n",
		"another type":           `remote_write: [{ name: a, url: "http://127.0.0.1:1/w", basic: CANARY }]`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "exports.yaml")
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "CANARY", "Canary-7f")), 0o600); err != nil {
				t.Fatal(err)
			}
			a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: t.TempDir(), NoHost: true, Exports: file})
			if err == nil {
				t.Error("the manager takes it", a.Stop(t.Context()))
				return
			}
			if said := err.Error(); strings.Contains(said, "Canary") || !strings.Contains(said, "exports.yaml") && !strings.Contains(said, "otlp: a: headers") {
				t.Errorf("it says %q", said)
			}
		})
	}
}
