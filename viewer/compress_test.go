package viewer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func gunzip(t *testing.T, body []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestTheTreeIsCompressed(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		name, target, accept string
		want                 string // Content-Encoding
	}{
		{"tree", "/api/v1/tree", "gzip", "gzip"},
		{"among others", "/api/v1/tree", "br;q=1.0, GZIP;q=0.5", "gzip"},
		{"anything", "/api/v1/tree", "*", "gzip"},
		{"node", "/api/v1/nodes/shop", "gzip", ""}, // small
		{"not wanted", "/api/v1/tree", "gzip;q=0, *", ""},
		{"not said", "/api/v1/tree", "", ""},
		{"an error", "/api/v1/tree?path=/nowhere", "gzip", ""},
		{"metrics do it themselves", "/metrics", "gzip", ""},
	} {
		plain, got := ask(s, "GET", c.target), ask(s, "GET", c.target, "Accept-Encoding", c.accept)
		if ce := got.Header().Get("Content-Encoding"); ce != c.want || got.Code != plain.Code {
			t.Errorf("%s: %d in %q, want %d in %q", c.name, got.Code, ce, plain.Code, c.want)
			continue
		}
		body := got.Body.String()
		if c.want == "gzip" {
			if len(body) >= plain.Body.Len() {
				t.Errorf("%s: %d bytes of %d", c.name, len(body), plain.Body.Len())
			}
			body = gunzip(t, got.Body.Bytes())
		}
		if d := cmp.Diff(plain.Body.String(), body); d != "" {
			t.Errorf("%s: -plain +got\n%s", c.name, d)
		}
		if vary := got.Header().Get("Vary"); strings.HasPrefix(c.target, "/api") && vary != "Accept-Encoding" {
			t.Errorf("%s: Vary %q", c.name, vary)
		}
	}
}

// TestHeadHasTheHeaderOfGet goes over a socket, since net/http does a part of it.
func TestHeadHasTheHeaderOfGet(t *testing.T) {
	hs := httptest.NewServer(newServer(t).http.Handler)
	defer hs.Close()
	header := func(method, target, accept string) http.Header {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, hs.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", accept)
		res, err := hs.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || method == "HEAD" && len(body) > 0 || method == "GET" && len(body) == 0 {
			t.Errorf("%s %s: %d bytes, %v", method, target, len(body), err)
		}
		res.Header.Del("Date")
		// It is said where it is known before the body; RFC 9110, 9.3.2 allows that.
		if method == "GET" && res.ContentLength > 0 && strings.HasPrefix(target, "/api/v1/tree") {
			res.Header.Del("Content-Length")
		}
		return res.Header
	}
	for _, target := range []string{"/api/v1/tree", "/api/v1/nodes/shop", "/app-7QKX3Y2B.js", "/api/v1/openapi.json"} {
		for _, accept := range []string{"gzip", "identity"} {
			head, get := header("HEAD", target, accept), header("GET", target, accept)
			head.Del("Content-Length")
			get.Del("Content-Length")
			if d := cmp.Diff(get, head); d != "" {
				t.Errorf("%s in %s: -GET +HEAD\n%s", target, accept, d)
			}
		}
	}
}

func TestTagsOfForms(t *testing.T) {
	s := newServer(t)
	plain := ask(s, "GET", "/app-7QKX3Y2B.js").Header().Get("ETag")
	zipped := ask(s, "GET", "/app-7QKX3Y2B.js", "Accept-Encoding", "gzip").Header().Get("ETag")
	if !strings.HasPrefix(plain, `"`) || zipped != "W/"+plain {
		t.Errorf("plain %s, compressed %s", plain, zipped)
	}
	for _, tag := range []string{plain, zipped} {
		w := ask(s, "GET", "/app-7QKX3Y2B.js", "Accept-Encoding", "gzip", "If-None-Match", tag)
		if w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("Content-Encoding") != "" || w.Header().Get("ETag") != zipped {
			t.Errorf("%s: %d %v", tag, w.Code, w.Header())
		}
	}
}

func TestWhatIsCompressed(t *testing.T) {
	long := strings.Repeat("0123456789", 500)
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		zipped  bool
		status  int
		body    string
		etag    string
	}{
		{"json", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Content-Length", "5000")
			w.Header().Set("ETag", `"a"`)
			w.WriteHeader(422)
			_, _ = io.WriteString(w, long)
		}, true, 422, long, `W/"a"`},
		{"in pieces", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			for i := range len(long) {
				_, _ = io.WriteString(w, long[i:i+1])
			}
		}, true, 200, long, ""},
		{"short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("ETag", `"a"`)
			_, _ = io.WriteString(w, long[:100])
			_, _ = io.WriteString(w, long[:100])
		}, false, 200, long[:200], `"a"`},
		{"flushed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: 1\n\n")
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			_, _ = io.WriteString(w, "data: 2\n\n")
		}, true, 200, "data: 1\n\ndata: 2\n\n", ""},
		{"picture", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, long)
		}, false, 200, long, ""},
		{"of no type", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long) }, false, 200, long, ""},
		{"of another coding", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Encoding", "br")
			_, _ = io.WriteString(w, long)
		}, false, 200, long, ""},
		{"not to be changed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Cache-Control", "no-store, no-transform")
			_, _ = io.WriteString(w, long)
		}, false, 200, long, ""},
		{"nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, false, 204, "", ""},
		{"not even a status", func(http.ResponseWriter, *http.Request) {}, false, 200, "", ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		compress(c.handler).ServeHTTP(w, r)
		body := w.Body.String()
		zipped := w.Header().Get("Content-Encoding") == "gzip"
		if zipped {
			body = gunzip(t, w.Body.Bytes())
			if w.Header().Get("Content-Length") != "" {
				t.Errorf("%s: the length of the plain form", c.name)
			}
		}
		if zipped != c.zipped || w.Code != c.status || body != c.body || w.Header().Get("ETag") != c.etag {
			t.Errorf("%s: %d, compressed %v, %d bytes, ETag %s", c.name, w.Code, zipped, len(body), w.Header().Get("ETag"))
		}
	}
}

func TestPanicIsNotHalfAnAnswer(t *testing.T) {
	for name, size := range map[string]int{"before the answer": 10, "within it": 5000} {
		begun := false
		w := httptest.NewRecorder()
		func() {
			defer func() { begun = recover() != nil && w.Body.Len() > 0 }()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept-Encoding", "gzip")
			compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				_, _ = w.Write(make([]byte, size))
				panic(errors.New("broken"))
			})).ServeHTTP(w, r)
		}()
		if size == 10 && (begun || w.Header().Get("Content-Encoding") != "") {
			t.Errorf("%s: something was sent", name)
		}
		if z, err := gzip.NewReader(w.Body); size > 10 && err == nil {
			if _, err := io.ReadAll(z); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: the answer looks whole: %v", name, err)
			}
		}
	}
}
