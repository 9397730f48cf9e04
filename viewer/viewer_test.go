package viewer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 5_000_000, time.UTC)

// hostile are names and texts that somebody else chose.
var hostile = []string{`<script>alert(1)</script>`, `"};evil()`, `a~b/c`, `../..`, `...`, `%2e%2e`, "日本語 \U0001F600", `{path...}`, `a?b#c&d=e`, `C:\x`}

func newTree(t *testing.T) *tree.Tree {
	t.Helper()
	tr := tree.New(tree.Options{Now: func() time.Time { return start }})
	ops := []tree.Op{
		tree.Add(tree.MustPath("/shop"), &tree.Spec{Kind: tree.Group, Description: "The web shop", Rollup: &tree.Rollup{Rule: tree.Percent, Yellow: 1, Red: 50, Cap: tree.Yellow}}),
		tree.Add(tree.MustPath("/shop/web1/active"), &tree.Spec{Kind: tree.Performance, Unit: "connections", Description: "open", Metric: "nginx_active",
			Labels: map[string]string{"site": "x"}, Source: "status", Owner: "shop-web1", Edge: tree.Edge{Map: tree.FixedStatus, Fixed: tree.Yellow, Weight: 3},
			Threshold: &tree.Threshold{Yellow: tree.AboveLevel(500, 450), Red: tree.AboveLevel(1000, 900), StaleAfter: time.Minute, ClearAfter: time.Second, Flap: tree.Flap{Changes: 5, Window: 10 * time.Minute}}}),
		tree.Add(tree.MustPath("/shop/web1/state"), &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "*": tree.Red}}}),
		tree.Add(tree.MustPath("/shop/web1/log"), &tree.Spec{Kind: tree.Log}),
		tree.Add(tree.MustPath("/host/load"), &tree.Spec{Kind: tree.Performance, Mode: tree.Request}),
	}
	for _, name := range hostile {
		p, err := tree.MustPath("/hostile").Child(name)
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, tree.Add(p, &tree.Spec{Kind: tree.TextKind, Description: name}))
	}
	if err := tr.Change(ops...); err != nil {
		t.Fatal(err)
	}
	report := func(path string, r tree.Report) {
		t.Helper()
		ref, ok := tr.Lookup(tree.MustPath(path))
		r.Node = ref
		if !ok || tr.Report(r) != 1 {
			t.Fatalf("report %s", path)
		}
	}
	report("/shop/web1/active", tree.Report{Value: tree.Number(1200), Time: start})
	report("/shop/web1/state", tree.Report{Value: tree.Text("up"), Time: start})
	report("/shop/web1/log", tree.Report{Events: []tree.Event{{Time: start, Status: tree.Yellow, Text: "<b>odd</b>"}}, Time: start})
	report("/host/load", tree.Report{Reason: "nobody home", Time: start})
	tr.Flush()
	return tr
}

type fixedDefinitions DefinitionList

func (f fixedDefinitions) Definitions() DefinitionList { return DefinitionList(f) }

// asWhom lets in everybody, with the grants of the header Grants, by semicolons; without
// one he may do everything.
func asWhom(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := grant.Anonymous
		if texts, ok := r.Header["Grants"]; ok {
			who = &grant.Subject{Name: "ada"}
			for text := range strings.SplitSeq(strings.Join(texts, ";"), ";") {
				if g, err := grant.Parse(text); err == nil {
					who.Grants = append(who.Grants, g)
				}
			}
		}
		next.ServeHTTP(w, r.WithContext(grant.With(r.Context(), who)))
	})
}

// ask sends a request through the whole handler.
func ask(s *Server, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:7440"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, r)
	return w
}

func newServer(t *testing.T, change ...func(*Options)) *Server {
	t.Helper()
	o := Options{
		Listen: "127.0.0.1:0", Tree: newTree(t), Version: "1",
		Definitions: fixedDefinitions{
			Instances: []Instance{{Name: "shop-web1", State: "kept", At: "/shop/web1", Errors: []Fault{{File: "a.yaml", Line: 3, Column: 7, Message: "unknown key"}}}},
		},
		Access:  asWhom,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("m 1\n")) }),
		Page: fstest.MapFS{
			"index.html":      {Data: []byte("<!doctype html><title>Grove</title>" + strings.Repeat(" ", 500))},
			"app-7QKX3Y2B.js": {Data: []byte(strings.Repeat("let a = 1;\n", 100))},
			"mark.png":        {Data: []byte("png")},
			".gitkeep":        {Data: nil},
		},
		Operations: []func(huma.API){func(api huma.API) {
			huma.Register(api, huma.Operation{OperationID: "break", Method: http.MethodPost, Path: "/api/v1/break"},
				func(context.Context, *struct{}) (*struct{}, error) { return nil, errors.New("secret cause") })
			huma.Register(api, huma.Operation{OperationID: "mistake", Method: http.MethodPut, Path: "/api/v1/break"},
				func(context.Context, *struct{}) (*struct{}, error) { return nil, Problem(errors.New("secret cause")) })
			huma.Register(api, huma.Operation{OperationID: "panic", Method: http.MethodGet, Path: "/api/v1/panic"},
				func(context.Context, *struct{}) (*struct{}, error) { panic("secret panic") })
		}},
	}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestTheRoutesAreThese(t *testing.T) {
	want := []string{
		"GET /api/v1/definitions", "GET /api/v1/nodes/{path...}", "GET /api/v1/openapi.json", "GET /api/v1/openapi.yaml",
		"GET /api/v1/panic", "GET /api/v1/tree", "GET /app-7QKX3Y2B.js", "GET /healthz", "GET /mark.png", "GET /metrics",
		"GET /readyz", "GET /{$}", "POST /api/v1/break", "PUT /api/v1/break",
	}
	if d := cmp.Diff(want, newServer(t).Routes()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestEveryAnswerIsAsTheDocumentSays(t *testing.T) {
	s := newServer(t)
	doc, err := jsonschema.UnmarshalJSON(ask(s, "GET", "/api/v1/openapi.json").Body)
	if err != nil {
		t.Fatal(err)
	}
	if v := doc.(map[string]any)["openapi"]; v != "3.1.0" {
		t.Errorf("openapi %v", v)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("file:///openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range []struct {
		method, target, path string
		status               int
	}{
		{"GET", "/api/v1/tree", "/api/v1/tree", 200},
		{"GET", "/api/v1/tree?path=/shop&depth=1&status=yellow,red&text=WEB&limit=5", "/api/v1/tree", 200},
		{"GET", "/api/v1/tree?path=/nowhere", "/api/v1/tree", 404},
		{"GET", "/api/v1/tree?path=//x//y", "/api/v1/tree", 400},
		{"GET", "/api/v1/tree?depth=x&limit=0&status=blue&odd=1", "/api/v1/tree", 422},
		{"GET", "/api/v1/nodes/", "/api/v1/nodes/{path}", 200},
		{"GET", "/api/v1/nodes/shop", "/api/v1/nodes/{path}", 200},
		{"GET", "/api/v1/nodes/shop/web1/active", "/api/v1/nodes/{path}", 200},
		{"GET", "/api/v1/nodes/shop/web1/log", "/api/v1/nodes/{path}", 200},
		{"GET", "/api/v1/nodes/host/load", "/api/v1/nodes/{path}", 200},
		{"GET", "/api/v1/nodes/hostile/%3Cscript%3Ealert(1)%3C~1script%3E", "/api/v1/nodes/{path}", 200},
		{"GET", "/api/v1/nodes/none", "/api/v1/nodes/{path}", 404},
		{"GET", "/api/v1/nodes/a~2", "/api/v1/nodes/{path}", 400},
		{"GET", "/api/v1/nodes/" + strings.Repeat("x", 1100), "/api/v1/nodes/{path}", 422},
		{"GET", "/api/v1/definitions", "/api/v1/definitions", 200},
		{"GET", "/api/v1/definitions?x=1", "/api/v1/definitions", 422},
		{"POST", "/api/v1/break", "/api/v1/break", 500},
		{"PUT", "/api/v1/break", "/api/v1/break", 500},
		{"GET", "/api/v1/panic", "/api/v1/panic", 500},
	} {
		w := ask(s, c.method, c.target)
		if w.Code != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.target, w.Code, w.Body)
			continue
		}
		contentType := w.Header().Get("Content-Type")
		status := fmt.Sprint(c.status)
		responses := dig(doc, "paths", c.path, strings.ToLower(c.method), "responses")
		if dig(responses, status) == nil {
			status = "default"
		}
		if dig(responses, status, "content", contentType) == nil {
			t.Errorf("%s %s: the document has no %s of type %s", c.method, c.target, status, contentType)
			continue
		}
		pointer := strings.Join([]string{"paths", escape(c.path), strings.ToLower(c.method), "responses", status, "content", escape(contentType), "schema"}, "/")
		schema, err := compiler.Compile("file:///openapi.json#/" + pointer)
		if err != nil {
			t.Fatal(err)
		}
		body, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(body); err != nil {
			t.Errorf("%s %s: %v\n%s", c.method, c.target, err, w.Body)
		}
		seen[c.method+" "+c.path] = true
	}
	for path, item := range dig(doc, "paths").(map[string]any) {
		for method := range item.(map[string]any) {
			if !seen[strings.ToUpper(method)+" "+path] {
				t.Errorf("%s %s is in the document and not in this test", method, path)
			}
		}
	}
}

func escape(s string) string {
	s = strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(s)
}

func dig(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func TestNodeHasEverything(t *testing.T) {
	s := newServer(t)
	var got map[string]any
	if err := json.Unmarshal(ask(s, "GET", "/api/v1/nodes/shop/web1/active").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, varies := range []string{"index", "parent"} {
		delete(got, varies)
	}
	want := map[string]any{
		"path": "/shop/web1/active", "name": "active", "kind": "performance", "description": "open", "unit": "connections",
		"status": "red", "last": "red", "since": "2026-03-01T12:00:00.005Z", "time": "2026-03-01T12:00:00.005Z", "value": 1200.0,
		"mode": "timer", "source": "status", "owner": "shop-web1", "metric": "nginx_active", "labels": map[string]any{"site": "x"},
		"may": []any{"push", "thresholds"}, "children": 0.0, "created": "2026-03-01T12:00:00.000Z", "cause": []any{"/shop/web1/active"},
		"edge": map[string]any{"as": "fixed", "fixed": "yellow", "weight": 3.0},
		"thresholds": map[string]any{"yellow": "> 500", "red": "> 1000", "back": map[string]any{"yellow": []any{450.0}, "red": []any{900.0}},
			"clear": "1s", "white": "1m", "flap": map[string]any{"changes": 5.0, "window": "10m"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestNodeInRequestModeAnswersWithTheReadingThatWasAskedFor: whoever looks wants to know
// what is, not what was when somebody looked last.
func TestNodeInRequestModeAnswersWithTheReadingThatWasAskedFor(t *testing.T) {
	var tr *tree.Tree
	asked := make(chan tree.Ref, 1)
	tr = tree.New(tree.Options{Asked: func(refs []tree.Ref) { asked <- refs[0] }})
	ref, err := tr.Add(tree.MustPath("/load"), &tree.Spec{Kind: tree.Performance, Mode: tree.Request})
	if err != nil {
		t.Fatal(err)
	}
	tr.Report(tree.Report{Node: ref, Value: tree.Number(1), Time: time.Now().Add(-time.Hour)})
	s := newServer(t, func(o *Options) { o.Tree = tr })
	go func() { tr.Report(tree.Report{Node: <-asked, Value: tree.Number(2)}) }()
	var got Node
	if err := json.Unmarshal(ask(s, "GET", "/api/v1/nodes/load").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Value == nil || got.Value.Value != tree.Number(2) {
		t.Errorf("answered with %#v", got.Value)
	}
}

func TestTreeFilters(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		name, query string
		want        string
	}{
		{"a subtree", "path=/shop", "shop(web1(active log state))"},
		{"one level", "path=/shop&depth=1", "shop(web1)"},
		{"only the node", "path=/shop&depth=0", "shop"},
		{"red ones", "path=/shop&status=red", "shop(web1(active))"},
		{"two statuses", "path=/shop&status=red,green", "shop(web1(active state))"},
		{"a text in the name", "path=/shop&text=STAT", "shop(web1(state))"},
		{"a text in the description", "path=/shop&text=Open", "shop(web1(active))"},
		{"nothing", "path=/shop&text=zebra", "shop"},
		{"a limit", "path=/shop&limit=3", "shop(web1(active))!"},
		{"a limit that is just enough", "path=/shop&limit=5", "shop(web1(active log state))"},
	} {
		w := ask(s, "GET", "/api/v1/tree?"+c.query)
		var got Tree
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v in %s", c.name, err, w.Body)
		}
		text, n := outline(got.Root)
		if got.Truncated {
			text += "!"
		}
		if text != c.want || n != got.Count {
			t.Errorf("%s: %s, count %d of %d; want %s", c.name, text, got.Count, n, c.want)
		}
	}
}

// outline writes a branch with its children sorted by name, and counts its nodes.
func outline(b *Branch) (string, int) {
	var names []string
	n := 1
	for _, c := range b.Nodes {
		name, k := outline(c)
		names = append(names, name)
		n += k
	}
	slices.Sort(names)
	if names == nil {
		return b.Name, n
	}
	return b.Name + "(" + strings.Join(names, " ") + ")", n
}

func TestErrorsHaveOneShape(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Ready = func() error { return errors.New("history is replayed") } })
	for _, c := range []struct {
		name, method, target string
		header               []string
		want                 string
		status               int
	}{
		{"no such route", "GET", "/api/v2", nil, `{"title":"Not Found","status":404,"detail":"there is nothing at this address"}`, 404},
		{"a hidden file", "GET", "/.gitkeep", nil, `{"title":"Not Found","status":404,"detail":"there is nothing at this address"}`, 404},
		{"no fallback for deep addresses", "GET", "/some/page", nil, `{"title":"Not Found","status":404,"detail":"there is nothing at this address"}`, 404},
		{"wrong method", "DELETE", "/api/v1/tree", nil, `{"title":"Method Not Allowed","status":405,"detail":"DELETE is not served here, only GET, HEAD"}`, 405},
		{"no such node", "GET", "/api/v1/nodes/x", nil, `{"title":"Not Found","status":404,"detail":"/x: no such node: / has no \"x\""}`, 404},
		{"no path", "GET", "/api/v1/nodes/a~2", nil, `{"title":"Bad Request","status":400,"detail":"malformed path \"a~2\": \"~\" must be followed by 0 or 1"}`, 400},
		{"bad query", "GET", "/api/v1/tree?depth=99", nil, `{"title":"Unprocessable Entity","status":422,"detail":"validation failed","errors":[{"message":"expected number \u003c= 32","location":"query.depth","value":99}]}`, 422},
		{"not ready", "GET", "/readyz", nil, `{"title":"Service Unavailable","status":503,"detail":"not ready: history is replayed"}`, 503},
		{"an error that nobody knows", "POST", "/api/v1/break", nil, `{"title":"Internal Server Error","status":500,"detail":"the server made a mistake; its log says more"}`, 500},
		{"a mistake that says so", "PUT", "/api/v1/break", nil, `{"title":"Internal Server Error","status":500,"detail":"the server made a mistake; its log says more"}`, 500},
		{"a panic", "GET", "/api/v1/panic", nil, `{"title":"Internal Server Error","status":500,"detail":"the server made a mistake; its log says more"}`, 500},
		{"another host", "GET", "/api/v1/tree", []string{"Host", "evil.example"}, `{"title":"Misdirected Request","status":421,"detail":"this server is not known by that host name; ask for it as localhost, or add the name to its configured hosts"}`, 421},
		{"another site", "POST", "/api/v1/break", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, `{"title":"Forbidden","status":403,"detail":"a page of another site may not do this here"}`, 403},
	} {
		w := ask(s, c.method, c.target, c.header...)
		got := strings.TrimSpace(w.Body.String())
		var a, b any
		_, _ = json.Unmarshal([]byte(got), &a), json.Unmarshal([]byte(c.want), &b)
		if w.Code != c.status || b == nil || !cmp.Equal(a, b) {
			t.Errorf("%s: %d\ngot  %s\nwant %s", c.name, w.Code, got, c.want)
		}
		if ct := w.Header().Get("Content-Type"); ct != problemType {
			t.Errorf("%s: content type %q", c.name, ct)
		}
		if csp := w.Header().Get("Content-Security-Policy"); csp != defaultPolicy {
			t.Errorf("%s: policy %q", c.name, csp)
		}
		for _, h := range securityHeaders {
			if w.Header().Get(h[0]) != h[1] {
				t.Errorf("%s: header %s is %q", c.name, h[0], w.Header().Get(h[0]))
			}
		}
	}
	if allow := ask(s, "DELETE", "/api/v1/tree").Header().Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("Allow: %q", allow)
	}
}

func TestProblemKnowsTheErrorsOfTheTreeAndTheBeans(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		detail string
	}{
		{"no node", fmt.Errorf("/x: %w", tree.ErrNoNode), 404, "/x: no such node"},
		{"a right", fmt.Errorf("%w: ada needs the role editor on /shop", grant.ErrDenied), 403, "not allowed: ada needs the role editor on /shop"},
		{"path", fmt.Errorf("%w: odd", tree.ErrPath), 400, "malformed path: odd"},
		{"threshold", tree.ErrThreshold, 422, "invalid threshold"},
		{"bean", &beans.NameError{Op: "get", Name: "a:b=c", Err: beans.ErrNotFound}, 404, "get a:b=c: no such bean"},
		{"read-only", beans.ErrReadOnly, 409, "read-only attribute"},
		{"value", beans.ErrInvalidValue, 422, "invalid value"},
		{"body", &http.MaxBytesError{Limit: 5}, 413, "http: request body too large"},
		{"time", context.DeadlineExceeded, 503, "context deadline exceeded"},
		{"an answer already", huma.Error410Gone("gone"), 410, "gone"},
		{"unknown", errors.New("secret"), 500, internalDetail},
	} {
		var answer huma.StatusError
		if !errors.As(Problem(c.err), &answer) || answer.GetStatus() != c.status {
			t.Errorf("%s: %v, want %d", c.name, answer, c.status)
			continue
		}
		text, err := json.Marshal(answer)
		var model huma.ErrorModel
		if err != nil || json.Unmarshal(text, &model) != nil || model.Detail != c.detail || strings.Contains(string(text), "secret") {
			t.Errorf("%s: %s, want %q", c.name, text, c.detail)
		}
	}
	if Problem(nil) != nil {
		t.Error("no error is a problem")
	}
}

func TestHostileNamesComeBackAsTheyAre(t *testing.T) {
	s := newServer(t)
	w := ask(s, "GET", "/api/v1/tree?path=/hostile")
	var got Tree
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range got.Root.Nodes {
		names = append(names, b.Name)
		if b.Description != b.Name {
			t.Errorf("description %q of %q", b.Description, b.Name)
		}
	}
	want := slices.Sorted(slices.Values(hostile))
	if d := cmp.Diff(want, slices.Sorted(slices.Values(names))); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if ct := w.Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q", ct)
	}
}

func TestHosts(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Hosts = []string{"grove.example"} })
	for host, want := range map[string]int{
		"localhost": 200, "LocalHost:7440": 200, "localhost.": 200, "127.0.0.1:7440": 200, "127.1.2.3": 200, "[::1]:7440": 200, "grove.example:80": 200,
		"evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.nip.io": 421, "10.0.0.1": 421, "[::2]": 421, "": 421, "grove.example.evil": 421,
		"0.0.0.0": 421, "2130706433": 421,
	} {
		if w := ask(s, "GET", "/healthz", "Host", host); w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
	r := httptest.NewRequest("GET", "/healthz", nil)
	r.Host = "192.0.2.7"
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 7440}))
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Errorf("the address that was connected to: %d", w.Code)
	}
}

func TestIsLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:7440": true, "localhost:1": true, "[::1]:7440": true, "127.9.9.9:0": true, "[::ffff:127.0.0.1]:1": true,
		":7440": false, "0.0.0.0:7440": false, "[::]:7440": false, "192.0.2.1:7440": false, "example.com:7440": false, "127.0.0.1": false, "": false,
	} {
		if got := IsLoopback(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}

func TestPage(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		name, target string
		header       []string
		status       int
		want         map[string]string
	}{
		{"index", "/", nil, 200, map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache", "Content-Encoding": "", "Vary": "Accept-Encoding"}},
		{"script", "/app-7QKX3Y2B.js", []string{"Accept-Encoding", "br, gzip"}, 200,
			map[string]string{"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable", "Content-Encoding": "gzip"}},
		{"gzip is refused", "/app-7QKX3Y2B.js", []string{"Accept-Encoding", "gzip;q=0"}, 200, map[string]string{"Content-Encoding": ""}},
		{"picture", "/mark.png", []string{"Accept-Encoding", "gzip"}, 200, map[string]string{"Content-Type": "image/png", "Content-Encoding": "", "Vary": ""}},
	} {
		w := ask(s, "GET", c.target, c.header...)
		if w.Code != c.status {
			t.Errorf("%s: %d", c.name, w.Code)
		}
		for k, v := range c.want {
			if got := w.Header().Get(k); got != v {
				t.Errorf("%s: %s is %q, want %q", c.name, k, got, v)
			}
		}
		again := ask(s, "GET", c.target, append(c.header, "If-None-Match", w.Header().Get("ETag"))...)
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: asked again: %d, %d bytes", c.name, again.Code, again.Body.Len())
		}
	}
}

// fakeFeed remembers that it was closed.
type fakeFeed struct {
	http.Handler
	closed int
}

func (f *fakeFeed) Close(context.Context) error { f.closed++; return nil }

func TestStopWaitsForRequestsUnderWayAndIsIdempotent(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	feed := &fakeFeed{Handler: http.NotFoundHandler()}
	s := newServer(t, func(o *Options) {
		o.Live = feed
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-finish
			_, _ = w.Write([]byte("whole"))
		})
	})
	s.Start()
	answer := make(chan string)
	go func() {
		tr := &http.Transport{}
		defer tr.CloseIdleConnections()
		res, err := (&http.Client{Transport: tr}).Get("http://" + s.Addr().String() + "/metrics")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-begun
	stopped := make(chan error)
	go func() { stopped <- s.Stop(context.Background()) }()
	close(finish)
	if got := <-answer; got != "whole" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := s.Stop(context.Background()); err != nil || feed.closed != 1 {
		t.Errorf("second Stop: %v, feed closed %d times", err, feed.closed)
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("still listens")
	}
}

func TestStopCutsWhatDoesNotEnd(t *testing.T) {
	begun := make(chan struct{})
	s := newServer(t, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
		})
	})
	s.Start()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop: %v", err)
	}
	s.stopErr = nil // so that the clean-up is content
}

func TestConnectionsAreBounded(t *testing.T) {
	s := newServer(t, func(o *Options) { o.PerAddress = 2 })
	s.Start()
	var conns []net.Conn
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		conns = append(conns, c)
		return c
	}
	status := func(c net.Conn) string {
		_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
		_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		b := make([]byte, 12)
		n, _ := io.ReadFull(c, b)
		return string(b[:n])
	}
	for range 2 {
		if got := status(dial()); got != "HTTP/1.1 200" {
			t.Errorf("within the bound: %q", got)
		}
	}
	if got := status(dial()); got != "" {
		t.Errorf("beyond the bound: %q", got)
	}
}

func TestAddressInUse(t *testing.T) {
	s := newServer(t)
	_, err := New(Options{Tree: s.opts.Tree, Listen: s.Addr().String()})
	if want := "viewer: listen tcp " + s.Addr().String() + ": bind: address already in use"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"/api/v1/nodes/shop/web1", "/api/v1/nodes/%2e%2e/x", "/api/v1/tree?path=%ff&depth=1", "//api/v1/tree", "/api/v1/nodes/a%2fb~1"} {
		f.Add(s)
	}
	tr := tree.New(tree.Options{})
	if _, err := tr.Add(tree.MustPath("/shop/web1"), &tree.Spec{Kind: tree.Performance}); err != nil {
		f.Fatal(err)
	}
	s, err := New(Options{Tree: tr, Listen: "127.0.0.1:0"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Stop(context.Background()) })
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.NewRequest("GET", "http://localhost"+target, nil)
		if err != nil || r.URL.Host != "localhost" {
			return
		}
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w.Code >= 400 && w.Header().Get("Content-Type") != problemType {
			t.Fatalf("%d of type %s", w.Code, w.Header().Get("Content-Type"))
		}
	})
}

// TestMount sees that a mounted handler gets its paths as they were asked for, and only
// those.
func TestMount(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Method, r.URL.EscapedPath()) })
	s, err := New(Options{Listen: "127.0.0.1:0", Tree: tree.New(tree.Options{}), Mounts: []Mount{{Prefix: "/raw", Handler: echo}}})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer func() { _ = s.Stop(context.Background()) }()
	for path, want := range map[string]string{
		"/raw": "POST /raw", "/raw/": "POST /raw/", "/raw//a/../b%2Fc": "POST /raw//a/../b%2Fc", "/raws": "404",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(a.Body)
		a.Body.Close()
		got := string(body)
		if a.StatusCode != http.StatusOK {
			got = strconv.Itoa(a.StatusCode)
		}
		if got != want {
			t.Errorf("POST %s: %q, want %q", path, got, want)
		}
	}
}
