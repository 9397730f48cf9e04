package viewer

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"
)

// upgrading is a feed that takes the connection over and lets it go at once.
type upgrading struct{}

func (upgrading) Close(context.Context) error { return nil }

func (upgrading) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
	_ = c.Close()
}

func TestRequestsAreCounted(t *testing.T) {
	set := metrics.NewSet()
	s := newServer(t, func(o *Options) { o.Own, o.Live = set, upgrading{} })
	for _, c := range [][]string{
		{"GET", "/api/v1/tree"}, {"GET", "/api/v1/tree?path=/shop"}, {"HEAD", "/api/v1/tree"}, {"GET", "/api/v1/tree?path=/nowhere"},
		{"GET", "/api/v1/nodes/shop"}, {"GET", "/api/v1/nodes/shop/web1"}, {"GET", "/api/v1/panic"},
		{"GET", "/"}, {"GET", "/app-7QKX3Y2B.js"}, {"GET", "/nothing/here"}, {"GET", "/nothing/there"},
		{"DELETE", "/api/v1/tree"}, {"BREW", "/x"}, {"BAKE", "/x"}, {"GET", "/healthz", "Host", "evil.example"}, {"GET", "/healthz"},
		{"POST", "/api/v1/break", "Sec-Fetch-Site", "cross-site"},
	} {
		ask(s, c[0], c[1], c[2:]...)
	}
	s.Start()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	var text bytes.Buffer
	set.WritePrometheus(&text)
	var got []string
	bucket := regexp.MustCompile(`(?m)^.*_(bucket|sum)\{.*\n`)
	for line := range strings.Lines(bucket.ReplaceAllString(text.String(), "")) {
		got = append(got, strings.TrimSuffix(line, "\n"))
	}
	want := []string{
		`grove_http_request_duration_seconds_count{route="/api/v1/nodes/{path...}",method="GET"} 2`,
		`grove_http_request_duration_seconds_count{route="/api/v1/panic",method="GET"} 1`,
		`grove_http_request_duration_seconds_count{route="/api/v1/tree",method="GET"} 3`,
		`grove_http_request_duration_seconds_count{route="/api/v1/tree",method="HEAD"} 1`,
		`grove_http_request_duration_seconds_count{route="/healthz",method="GET"} 1`,
		`grove_http_request_duration_seconds_count{route="none",method="DELETE"} 1`,
		`grove_http_request_duration_seconds_count{route="none",method="GET"} 3`,
		`grove_http_request_duration_seconds_count{route="none",method="POST"} 1`,
		`grove_http_request_duration_seconds_count{route="none",method="other"} 2`,
		`grove_http_request_duration_seconds_count{route="page",method="GET"} 2`,
		`grove_http_requests_total{route="/api/v1/live",method="GET",code="101"} 1`,
		`grove_http_requests_total{route="/api/v1/nodes/{path...}",method="GET",code="200"} 2`,
		`grove_http_requests_total{route="/api/v1/panic",method="GET",code="500"} 1`,
		`grove_http_requests_total{route="/api/v1/tree",method="GET",code="200"} 2`,
		`grove_http_requests_total{route="/api/v1/tree",method="GET",code="404"} 1`,
		`grove_http_requests_total{route="/api/v1/tree",method="HEAD",code="200"} 1`,
		`grove_http_requests_total{route="/healthz",method="GET",code="200"} 1`,
		`grove_http_requests_total{route="none",method="DELETE",code="405"} 1`,
		`grove_http_requests_total{route="none",method="GET",code="404"} 2`,
		`grove_http_requests_total{route="none",method="GET",code="421"} 1`,
		`grove_http_requests_total{route="none",method="POST",code="403"} 1`,
		`grove_http_requests_total{route="none",method="other",code="404"} 2`,
		`grove_http_requests_total{route="page",method="GET",code="200"} 2`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for name := range MetricHelp() {
		if !strings.Contains(text.String(), name) {
			t.Errorf("%s has help and is not counted", name)
		}
	}
}

func BenchmarkCount(b *testing.B) {
	r := requests{set: metrics.NewSet()}
	b.ReportAllocs()
	for b.Loop() {
		r.done("GET /api/v1/tree", "GET", 200, 12345)
	}
}
