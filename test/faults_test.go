package test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"grove/cmd/cli"
	"grove/test/grovetest"
)

// badFile is a file that must change nothing, and what the tree says of it.
type badFile struct{ name, text, says string }

// badFiles makes them anew: one is huge, and must not be in the memory that others measure.
func badFiles() []badFile {
	return []badFile{
		{"alias-bomb.yaml", "grove: 1\napplication: bomb\nat: /bomb\ntree:\n  a: &a [x,x,x,x,x,x,x,x,x]\n  b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n  c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n  d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n  e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n  f: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", "alias-bomb.yaml:"},
		{"deep.yaml", "grove: 1\ntree: " + strings.Repeat("[", 10_000), "deep.yaml:"},
		{"nul.yaml", "grove: 1\napplication: n\x00ul\nat: /nul\ntree: { A: { kind: text } }\n", "nul.yaml:2:"},
		{"not-utf8.yaml", "grove: 1\napplication: n\xff\nat: /n\ntree: { A: { kind: text } }\n", "not-utf8.yaml:"},
		{"half.yaml", shop[:len(shop)/2] + "\n  - {", "half.yaml:"},
		{"include.yaml", "grove: 1\napplication: include\nat: /include\ninclude: [../../../etc/passwd]\ntree: { A: { kind: text } }\n", "include.yaml:4:"},
		{"entities.xml", `<!DOCTYPE g [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><grove version="1" application="x" at="/x"><title>&b;</title></grove>`, "entities.xml:1:"},
		{"huge.yaml", "grove: 1\n#" + strings.Repeat("x", 10<<20), "huge.yaml:"},
		{"unknown.yaml", "use: nowhere\nat: /unknown\n", "unknown.yaml:1:6: there is no definition of \"nowhere\""},
	}
}

// TestBadFilesChangeNothing drops everything that can be wrong with a file into the
// directory of a running manager at once, among good ones.
func TestBadFilesChangeNothing(t *testing.T) {
	m := serve(t)
	m.write("shop.yaml", shop)
	m.write("other.yaml", other)
	m.loaded("shop")
	m.loaded("other")
	m.push(reading{"path": "/shop/Connections/Active", "value": 501}, reading{"path": "/other/Level", "value": 11})
	m.is("/other/Level", "11", "red")
	before := m.subtree("/shop") + m.subtree("/other")

	for _, bad := range badFiles() {
		m.write(bad.name, bad.text)
	}
	for name, target := range map[string]string{"link.yaml": "/etc/hostname", "zero.yaml": "/dev/zero", "dangling.yaml": "nowhere.yaml"} {
		if err := os.Symlink(target, filepath.Join(m.drop, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(m.drop, "fifo.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	const good = 50
	for i := range good {
		m.write(fmt.Sprintf("good-%d.yaml", i), fmt.Sprintf("use: other\nat: /good/%d\n", i))
	}

	for i := range good {
		m.loaded(fmt.Sprintf("good-%d", i))
	}
	errors := m.definitions().Errors
	for _, i := range m.definitions().Instances {
		errors = append(errors, i.Errors...)
	}
	var all strings.Builder
	for _, e := range errors {
		fmt.Fprintf(&all, "%s:%d:%d: %s\n", e.File, e.Line, e.Column, e.Message)
	}
	for _, bad := range badFiles() {
		if !strings.Contains(all.String(), bad.says) {
			t.Errorf("%s: nothing says %q:\n%s", bad.name, bad.says, all.String())
		}
	}
	for _, name := range []string{"link.yaml", "zero.yaml", "dangling.yaml", "fifo.yaml"} {
		if !strings.Contains(all.String(), name) {
			t.Errorf("nothing says that %s is no file:\n%s", name, all.String())
		}
	}
	if diff := cmp.Diff(before, m.subtree("/shop")+m.subtree("/other")); diff != "" {
		t.Errorf("the bad files changed the tree:\n%s", diff)
	}
	for _, path := range []string{"/bomb", "/include", "/x", "/unknown"} {
		if _, err := m.find(path); err == nil {
			t.Errorf("%s grew", path)
		}
	}

	// Without them, all is well again.
	entries, err := os.ReadDir(m.drop)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "good-") && e.Name() != "shop.yaml" && e.Name() != "other.yaml" {
			m.remove(e.Name())
		}
	}
	m.eventually(func() error {
		if list := m.definitions(); len(list.Errors) > 0 {
			return fmt.Errorf("still wrong: %v", list.Errors)
		}
		n, err := m.find("/grove/Definitions")
		if err != nil || n.Status != "green" {
			return fmt.Errorf("the definitions are %s: %w", n.Status, err)
		}
		return nil
	})
}

// TestNewcomersDisplaceNobody drops files that want what a running instance has, and
// that sort before its file.
func TestNewcomersDisplaceNobody(t *testing.T) {
	m := serve(t)
	m.write("shop.yaml", shop)
	m.write("other.yaml", other)
	m.loaded("shop")
	m.loaded("other")
	m.push(reading{"path": "/shop/Connections/Active", "value": 501})
	m.is("/shop", "", "yellow")
	before := m.subtree("/shop")
	m.write("a-name.yaml", "use: other\nname: shop\nat: /a\n")
	m.write("b-place.yaml", "use: other\nat: /shop\n")
	m.write("c-application.yaml", strings.Replace(shop, "at: /shop", "at: /c", 1))
	m.write("d-fine.yaml", "use: other\nat: /d\n")
	m.loaded("d-fine")
	if text := m.refused("b-place"); !strings.Contains(text, "/shop") {
		t.Errorf("the tree says %q", text)
	}
	m.refused("c-application.yaml")
	if diff := cmp.Diff(before, m.subtree("/shop")); diff != "" {
		t.Errorf("a newcomer changed a running instance:\n%s", diff)
	}
	for _, path := range []string{"/a", "/c"} {
		if _, err := m.find(path); err == nil {
			t.Errorf("%s grew", path)
		}
	}
}

// hostile are texts that somebody else chose and that a terminal, a log or a page would
// obey.
var hostile = []string{
	"\x1b[31mred\x1b[0m", "\x1b]52;c;aGVsbG8=\x07", "\x1b]0;title\x07", "a\r\nb: injected", "\u009b31m", "a\x00b",
	"\u202egnp.exe", "<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "\\\"\n", "=cmd|' /C calc'!A0", "\u2066\u2069",
	strings.Repeat("long ", 500),
}

// raw finds control characters that a terminal or a reader of lines would obey.
func raw(text string, allowed string) string {
	for i, r := range text {
		if strings.ContainsRune(allowed, r) {
			continue
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return fmt.Sprintf("%q at %d, in %q", r, i, text[max(0, i-40):min(len(text), i+40)])
		}
	}
	return ""
}

// harmlessInJSON are characters that JSON keeps as they are: programs read it.
const harmlessInJSON = "\u202e\u2066\u2069\u009b"

// TestHostileTexts pushes them as values, events and names, and looks at everything
// that comes out.
func TestHostileTexts(t *testing.T) {
	m := serve(t)
	var nodes strings.Builder
	for i := range hostile {
		fmt.Fprintf(&nodes, "  Text %d: { kind: text }\n  State %d: { kind: status, metric: state, states: { x: green, \"*\": yellow } }\n", i, i)
	}
	m.write("hostile.yaml", "grove: 1\napplication: hostile\nat: /hostile\ntree:\n  \"<b>name</b> \\\"quoted\\\"\": { kind: performance, metric: odd, description: \"<script>\" }\n  Log: { kind: log }\n"+nodes.String())
	m.write("name.yaml", "grove: 1\napplication: name\nat: /name\ntree:\n  \"\\e[31mred\": { kind: text }\n")
	m.loaded("hostile")
	m.refused("name.yaml")
	for i, text := range hostile {
		m.push(reading{"path": fmt.Sprintf("/hostile/Text %d", i), "value": text}, reading{"path": fmt.Sprintf("/hostile/State %d", i), "value": text},
			reading{"path": "/hostile/Log", "event": map[string]any{"text": text, "status": "red"}})
		if code, body := m.post(reading{"path": "/hostile/" + text, "value": 1}); code < 400 {
			t.Errorf("a reading for a node of the name %q: %d %s", text, code, body)
		} else if found := raw(string(body), "\n"+harmlessInJSON); found != "" {
			t.Errorf("the answer to a reading for %q has %s", text, found)
		}
	}
	m.push(reading{"path": `/hostile/<b>name<~1b> "quoted"`, "value": 1})
	for _, path := range []string{"/api/v1/tree", "/api/v1/nodes/hostile/Log", "/api/v1/nodes/hostile/Text%200", "/api/v1/definitions", "/metrics",
		"/api/v1/tree?path=/%1b[31m", "/api/v1/nodes/%1b%5d0;x%07", "/api/v1/tree?text=%e2%80%ae", "/%1b[31m"} {
		_, body := m.get(path)
		allowed := "\n"
		if path != "/metrics" {
			allowed += harmlessInJSON
		}
		if found := raw(string(body), allowed); found != "" {
			t.Errorf("GET %s has %s", path, found)
		}
	}
	for _, args := range [][]string{{"tree"}, {"tree", "/hostile"}, {"get", "/hostile/Log"}, {"get", "/hostile/Text 0"}, {"get", "/hostile/State 3"}, {"get", "/\x1b[31m"}, {"tree", "--status", "\x1b[31m"}, {"\x1b[31m"}} {
		var out bytes.Buffer
		cli.Run(context.Background(), cli.Process{
			Args: append(args, "--server", m.url, "--color", "never"), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" },
		})
		http.DefaultClient.CloseIdleConnections()
		if found := raw(out.String(), "\n"); found != "" {
			t.Errorf("grove %q prints %s", args, found)
		}
	}
	for line := range strings.Lines(m.log.String()) {
		if found := raw(line, "\n"); found != "" || !strings.HasPrefix(line, "time=") {
			t.Errorf("the log has the line %q: %s", line, found)
		}
	}
}

// TestSecretsStaySecret uses a secret in every way that there is, in a probe that works
// and in probes that fail, and looks for it in everything that comes out.
func TestSecretsStaySecret(t *testing.T) {
	const canary = "Canary-7f!x y/ä"
	t.Setenv("SHOP_CANARY", canary)
	t.Setenv("SHOP_BROKEN", canary+"\r\nX-Injected: yes")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan http.Header, 64)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case got <- r.Header:
		default:
		}
	}))
	t.Cleanup(web.Close)
	m := serve(t)
	m.write("secret.yaml", fmt.Sprintf(`grove: 1
application: secret
parameters:
  token: { type: secret }
  url: { type: url }
  file: { type: secret }
probes:
  good: { kind: http, url: "${url}", every: 1s, basic: { user: grove, password: "${file}" }, headers: { X-Token: "${token}" } }
  gone: { kind: http, url: "http://127.0.0.1:1/", every: 1s, bearer: "${token}" }
tree:
  Good: { from: good.up }
  Gone: { from: gone.up }
  Why: { from: gone.error, kind: text }
---
use: secret
name: works
at: /works
with: { token: "env:SHOP_CANARY", file: "file:%[2]s", url: "%[1]s" }
---
use: secret
name: fails
at: /fails
with: { token: "env:SHOP_BROKEN", file: "file:%[2]s.none", url: "%[1]s" }
---
use: secret
name: plain
at: /plain
with: { token: "%[3]s", file: "file:%[2]s", url: "%[1]s" }
`, web.URL, file, canary))
	m.is("/works/Good", "1", "green")
	m.is("/works/Gone", "0", "red")
	m.eventually(func() error {
		n, err := m.find("/fails/Good")
		if err != nil || n.Status != "red" && n.Reason == "no reading yet" {
			return fmt.Errorf("%s %q: %w", n.Status, n.Reason, err)
		}
		return nil
	})
	if _, password, ok := (&http.Request{Header: <-got}).BasicAuth(); !ok || password != canary {
		t.Errorf("the resource got the password %q", password)
	}

	outputs := map[string]string{"the log": m.log.String()}
	for _, path := range []string{"/api/v1/tree", "/api/v1/definitions", "/metrics", "/api/v1/nodes/works/Good", "/api/v1/nodes/works/Why", "/api/v1/nodes/fails/Good", "/api/v1/nodes/fails/Why", "/api/v1/openapi.json"} {
		_, body := m.get(path)
		outputs[path] = string(body)
	}
	feed := follow(t, m, "/")
	outputs["the live feed"] = fmt.Sprintf("%+v", feed.next())
	names, err := m.Beans.Query(t.Context(), beanPattern, nil)
	if err != nil || len(names) == 0 {
		t.Fatalf("%d beans: %v", len(names), err)
	}
	for _, name := range names {
		info, err := m.Beans.Info(name)
		if err != nil {
			continue
		}
		for _, a := range info.Attributes {
			v, _ := m.Beans.Attribute(t.Context(), name, a.Name)
			outputs["bean "+name.String()] += fmt.Sprintf("%v\n", v)
		}
	}
	for where, text := range outputs {
		for _, form := range []string{canary, "Canary-7f", base64.StdEncoding.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte("grove:" + canary)), url.QueryEscape(canary), hex.EncodeToString([]byte(canary))} {
			if strings.Contains(text, form) {
				t.Errorf("%s has the secret: …%s", where, text[max(0, strings.Index(text, form)-200):strings.Index(text, form)])
			}
		}
	}
}

// TestKilledManagerComesBack kills the program as nobody can prepare for, and starts it
// again on the same data.
func TestKilledManagerComesBack(t *testing.T) {
	data := t.TempDir()
	drop := filepath.Join(data, "definitions")
	if err := os.Mkdir(drop, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(drop, "shop.yaml"), []byte(shop), 0o600); err != nil {
		t.Fatal(err)
	}
	for life := range 3 {
		s, address, err := grovetest.Program{Dir: data}.Serve("--data", data, "--no-own-host")
		if err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		t.Cleanup(func() { _ = s.End(os.Kill) }) // when the test fails half-way
		m := &manager{TB: t, url: address, drop: drop, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
		m.loaded("shop")
		m.push(reading{"path": "/shop/Connections/Active", "value": 600 + life})
		m.is("/shop/Connections/Active", fmt.Sprint(600+life), "yellow")
		if life < 2 {
			if err := s.End(os.Kill); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("life %d ended with %v", life, err)
			}
			continue
		}
		if err := s.End(syscall.SIGTERM); err != nil {
			t.Errorf("life %d ended with %v: %s", life, err, s.Said)
		}
	}
}
