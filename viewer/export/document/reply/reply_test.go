package reply

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var formats = []Format{
	{"xml", "application/xml; charset=utf-8", []string{"application/xml", "text/xml"}},
	{"json", "application/json", []string{"application/json"}},
	{"html", "text/html; charset=utf-8", []string{"text/html", "application/xhtml+xml"}},
}

func TestNegotiate(t *testing.T) {
	for _, tc := range []struct{ accept, want string }{
		{"", "xml"}, {"*/*", "xml"}, {"application/json", "json"}, {"text/xml", "xml"},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"},
		{"application/json;q=0.2, application/*;q=0.5", "xml"},
		{"application/json, */*;q=0.1", "json"},
		{"application/xml;q=0, */*", "json"},
		{"image/png", ""}, {"application/json;q=0", ""}, {"application/json;q=2", ""}, {"rubbish", ""}, {"text/*", "html"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", tc.accept)
		got := ""
		if f := Negotiate(r, formats); f != nil {
			got = f.Name
		}
		if got != tc.want {
			t.Errorf("%q: %q, want %q", tc.accept, got, tc.want)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tc := range []struct{ in, rest, format string }{{"tree.xml", "tree", "xml"}, {"tree", "tree", ""}, {"a.b", "a.b", ""}, {"a.xml.json", "a.xml", "json"}} {
		rest, f := Split(tc.in, formats)
		if rest != tc.rest || (f == nil) != (tc.format == "") || f != nil && f.Name != tc.format {
			t.Errorf("%q: %q %v", tc.in, rest, f)
		}
	}
}

var begin = time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)

func TestSend(t *testing.T) {
	body := strings.Repeat("text ", 1000)
	for _, tc := range []struct {
		name   string
		method string
		header [2]string
		after  time.Duration
		want   string
	}{
		{"plain", "GET", [2]string{}, 0, "200  5000"},
		{"gzip", "GET", [2]string{"Accept-Encoding", "br, gzip"}, 0, "200 gzip 5000"},
		{"any coding", "GET", [2]string{"Accept-Encoding", "*"}, 0, "200 gzip 5000"},
		{"gzip refused", "GET", [2]string{"Accept-Encoding", "gzip;q=0, *"}, 0, "200  5000"},
		{"head", "HEAD", [2]string{}, 0, "200  0"},
		{"the same tag", "GET", [2]string{"If-None-Match", `W/"t1"`}, 0, "304  0"},
		{"a strong tag", "GET", [2]string{"If-None-Match", `"x", "t1"`}, 0, "304  0"},
		{"any tag", "GET", [2]string{"If-None-Match", `*`}, 0, "304  0"},
		{"another tag", "GET", [2]string{"If-None-Match", `W/"t2"`}, 0, "200  5000"},
		{"not modified", "GET", [2]string{"If-Modified-Since", "Sun, 01 Mar 2026 12:00:00 GMT"}, time.Minute, "304  0"},
		{"modified", "GET", [2]string{"If-Modified-Since", "Sun, 01 Mar 2026 11:59:59 GMT"}, time.Minute, "200  5000"},
		{"perhaps modified", "GET", [2]string{"If-Modified-Since", "Sun, 01 Mar 2026 12:00:00 GMT"}, time.Second, "200  5000"},
		{"no time", "GET", [2]string{"If-Modified-Since", "yesterday"}, time.Minute, "200  5000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, "/", nil)
			if tc.header[0] != "" {
				r.Header.Set(tc.header[0], tc.header[1])
			}
			w := httptest.NewRecorder()
			Send(w, r, begin.Add(tc.after), Answer{Type: "text/plain", Tag: "t1", Changed: begin, Policy: "default-src 'none'", Write: func(w io.Writer) error {
				_, err := io.WriteString(w, body)
				return err
			}})
			a := w.Result()
			got, err := io.ReadAll(a.Body)
			if err == nil && a.Header.Get("Content-Encoding") == "gzip" {
				var z *gzip.Reader
				if z, err = gzip.NewReader(bytes.NewReader(got)); err == nil {
					got, err = io.ReadAll(z)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := fmt.Sprint(a.StatusCode, " ", a.Header.Get("Content-Encoding"), " ", len(got)); s != tc.want {
				t.Errorf("got %s, want %s", s, tc.want)
			}
			if a.Header.Get("Etag") != `W/"t1"` || a.Header.Get("Content-Security-Policy") != "default-src 'none'" {
				t.Error(a.Header)
			}
		})
	}
}

func TestHalfADocumentCutsTheConnection(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Send(w, r, begin, Answer{Type: "text/plain", Tag: "t", Write: func(w io.Writer) error {
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
			return errors.New("broke")
		}})
	}))
	defer s.Close()
	s.Config.ErrorLog = nil
	a, err := http.Get(s.URL)
	if err != nil {
		return // cut before anything arrived
	}
	defer a.Body.Close()
	if _, err := io.ReadAll(a.Body); err == nil {
		t.Error("half a document looks whole")
	}
}

func TestAges(t *testing.T) {
	var a Ages
	later := begin.Add(time.Hour)
	if got := a.Since("x", "1", begin); got != begin {
		t.Error(got)
	}
	if got := a.Since("x", "1", later); got != begin {
		t.Error(got)
	}
	if got := a.Since("x", "2", later); got != later {
		t.Error(got)
	}
	for i := range 2 * maxAges {
		a.Since(fmt.Sprint(i), "1", later.Add(time.Duration(i)))
	}
	if len(a.seen) != maxAges {
		t.Error(len(a.seen))
	}
	if _, ok := a.seen["x"]; ok {
		t.Error("the oldest is still remembered")
	}
}

func TestGate(t *testing.T) {
	g := make(Gate, 1)
	leave, ok := g.Enter(httptest.NewRequest(http.MethodGet, "/", nil))
	if !ok {
		t.Fatal("there was room")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := g.Enter(httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)); ok {
		t.Error("there was no room")
	}
	leave()
	if leave, ok := g.Enter(httptest.NewRequest(http.MethodGet, "/", nil)); !ok {
		t.Error("there is room again")
	} else {
		leave()
	}
}
