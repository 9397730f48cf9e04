package jolokia

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/grant"
	"grove/viewer"
)

// serveWhole starts grove's own HTTP server with the agent mounted in it.
func serveWhole(t *testing.T, r *rig) (base string, stop func()) {
	t.Helper()
	s, err := viewer.New(viewer.Options{Access: func(h http.Handler) http.Handler { return as(h, grant.Anonymous) }, Listen: "127.0.0.1:0", Tree: tree.New(tree.Options{}), Mounts: []viewer.Mount{{Prefix: "/jolokia", Handler: r.server}}})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return "http://" + s.Addr().String(), stop
}

// TestCurl asks through grove's own server with curl, which sends paths as they are
// written.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	r := newRig(t, nil)
	for i, name := range []string{`grove:type=Odd,path="//a///b/"`, `grove:type=Odd,path=/`, `grove:type=Odd,n="ü 日本 %2F"`, `grove:type=Odd,n=a!b`, `grove:type=Odd,n="*\"\n"`} {
		if i == 4 {
			name = "grove:type=Odd,n=" + beans.Quote("*\"\n")
		}
		r.register(newGadget(), name)
	}
	base, _ := serveWhole(t, r)
	const form = "%{http_code} %{redirect_url}"
	for _, tt := range []struct {
		name, path string
		more       []string
		want       string // status, and a part of the answer
	}{
		{"no slash", "/jolokia", nil, `200 "protocol":"8.2"`},
		{"slashes", "/jolokia///", nil, `200 "protocol":"8.2"`},
		{"escaped slashes", `/jolokia/read/grove:type=Odd,path=%22!/!/a!/!/!/b!/%22/Good`, nil, `200 "value":1`},
		{"escaped slashes, encoded", `/jolokia/read/grove%3Atype%3DOdd%2Cpath%3D%22!%2F!%2Fa!%2F!%2F!%2Fb!%2F%22/Good`, nil, `200 "value":1`},
		{"a slash at the end of a name", `/jolokia/read/grove:type=Odd,path=!//Good`, nil, `200 "value":1`},
		{"a slash at the end of a name, encoded", `/jolokia/read/grove:type=Odd,path=!%2F/Good`, nil, `200 "value":1`},
		{"slashes that are not escaped", `/jolokia/read/grove:type=Odd,path=//Good`, nil, `200 "status":404`},
		{"dots", `/jolokia/read/../version`, nil, `400 there is no ':' after the domain`},
		{"unicode and percent", `/jolokia/read/grove:type=Odd,n=%22%C3%BC%20%E6%97%A5%E6%9C%AC%20%252F%22/Good`, nil, `200 "value":1`},
		{"exclamation mark", `/jolokia/read/grove:type=Odd,n=a!!b/Good`, nil, `200 "value":1`},
		{"wildcards in quotes", `/jolokia/read/grove:type=Odd,n=%22%5C*%5C%22%5Cn%22/Good`, nil, `200 "value":1`},
		{"not UTF-8", `/jolokia/search/%ff:*`, nil, `400 it is not valid UTF-8`},
		{"semicolon in the query", `/jolokia/version?a;b`, nil, `400 The query cannot be read`},
		{"no content type", "/jolokia/x/y", []string{"-H", "Content-Type:", "-d", `{"type":"version"}`}, `200 "protocol":"8.2"`},
		{"form", "/jolokia/", []string{"-d", `{"type":"version"}`}, `200 "protocol":"8.2"`},
		{"chunks", "/jolokia/", []string{"-H", "Transfer-Encoding: chunked", "-d", `{"type":"version"}`}, `200 "protocol":"8.2"`},
		{"a page of another site", "/jolokia/", []string{"-H", "Sec-Fetch-Site: cross-site", "-H", "Origin: https://evil.example", "-d", `{"type":"version"}`}, `403 may not`},
		{"another host", "/jolokia/version", []string{"-H", "Host: evil.example"}, `421 not known by that host name`},
		{"not the prefix", "/jolokias", nil, `404 nothing at this address`},
		{"put", "/jolokia/", []string{"-X", "PUT"}, `400 HTTP Method PUT is not supported.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"-s", "--globoff", "--path-as-is", "--max-time", "20", "-w", form}, tt.more...)
			out, err := exec.CommandContext(t.Context(), curl, append(args, base+tt.path)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			status, want, _ := strings.Cut(tt.want, " ")
			if got := string(out); !strings.HasSuffix(got, status+" ") || !strings.Contains(got, want) {
				t.Errorf("%s\ngot  %s\nwant %s", tt.path, got, tt.want)
			}
		})
	}
}

// TestStreamsEnd sees that a stream ends with the agent, and that grove's own server, which
// waits for the requests under way, does not wait for streams.
func TestStreamsEnd(t *testing.T) {
	for name, end := range map[string]func(agent, server func()){
		"agent":  func(agent, _ func()) { agent() },
		"server": func(_, server func()) { server() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			base, stop := serveWhole(t, r)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/jolokia/notification/open/"+r.client()+"/sse", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			buf := make([]byte, 5)
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != ":\r\n\r\n" {
				t.Errorf("%q %v", buf, err)
			}
			end(r.server.Close, stop)
			if rest, err := io.ReadAll(resp.Body); len(rest) != 0 || err != nil {
				t.Errorf("the stream goes on: %q %v", rest, err)
			}
		})
	}
}

// FuzzAgent sends what a GET and a POST may bring to an agent with beans. Whatever it is,
// the answer is JSON or a text that says what is wrong, and nothing is changed that the
// policy does not allow.
func FuzzAgent(f *testing.F) {
	for _, tt := range transcripts {
		if strings.HasPrefix(tt.target, "/jolokia/") || tt.body != "" {
			f.Add(strings.TrimPrefix(tt.target, "/jolokia"), tt.body)
		}
	}
	r := newRig(f, func(o *Options) { o.Policy = nil })
	f.Fuzz(func(t *testing.T, path, body string) {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		if body != "" {
			req = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		}
		path, query, _ := strings.Cut(path, "?")
		if strings.Contains(path, "notification/open") {
			return // it lasts
		}
		req.URL.Path, req.URL.RawQuery = "/jolokia"+path, query
		w := httptest.NewRecorder()
		as(r.server, grant.Anonymous).ServeHTTP(w, req)
		switch kind := w.Header().Get("Content-Type"); {
		case w.Code == http.StatusOK:
			if !json.Valid(w.Body.Bytes()) {
				t.Fatalf("no JSON: %s", w.Body)
			}
		case w.Code != http.StatusBadRequest || kind != "text/plain; charset=utf-8":
			t.Fatalf("%d %s %s", w.Code, kind, w.Body)
		}
		if r.fan.Speed != 42 || len(r.audit) != 0 {
			t.Fatal("something was changed")
		}
	})
}
