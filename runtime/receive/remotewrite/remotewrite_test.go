package remotewrite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/series"
	"grove/runtime/receive"
	"grove/runtime/receive/remotewrite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	kind := remotewrite.Kind(remotewrite.NewHub(remotewrite.Options{}))
	with := func(o series.Options, stale time.Duration) *remotewrite.ProbeOptions {
		o.MaxSeries = 10
		return &remotewrite.ProbeOptions{Options: o, StaleAfter: stale}
	}
	probetest.Run(t, kind, with(series.Options{
		Values: map[string]string{"jobs": "sum(jobs_total)"},
		Tables: map[string]series.Table{"queues": {Key: []string{"queue"}, Columns: map[string]string{"jobs": "jobs_total"}}},
	}, time.Minute))
	probetest.Refuses(t, kind,
		probetest.Bad{Name: "nothing", Options: with(series.Options{}, time.Minute), Option: "values", Want: "values: are missing: neither values nor texts nor tables say what is wanted"},
		probetest.Bad{Name: "stale", Options: with(series.Options{Values: map[string]string{"x": "y"}}, 0), Option: "stale_after", Want: "stale_after: 0s is not between 0s and 24h0m0s"},
		probetest.Bad{Name: "own attribute", Options: with(series.Options{Values: map[string]string{"late": "y"}}, time.Minute), Option: "values.late", Want: `values.late: there is another attribute "late"`},
	)
}

// attached is a probe that takes part in a hub, and what was delivered to its nodes.
type attached struct {
	probe.Probe
	detach func()

	mu   sync.Mutex
	got  []string
	seen chan struct{}
}

func attach(t testing.TB, hub *remotewrite.Hub, instance string, o series.Options) *attached {
	t.Helper()
	a := &attached{seen: make(chan struct{}, 1)}
	a.Probe, a.detach = attachTo(t, hub, instance, o, func(r probe.Result) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.got = append(a.got, text(r))
		select {
		case a.seen <- struct{}{}:
		default:
		}
	})
	return a
}

func attachTo(t testing.TB, hub *remotewrite.Hub, instance string, o series.Options, deliver func(probe.Result)) (p probe.Probe, detach func()) {
	t.Helper()
	o.MaxSeries = 100_000
	p, err := remotewrite.Kind(hub).New(&remotewrite.ProbeOptions{Options: o, StaleAfter: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	detach, err = p.(receive.Attacher).Attach(instance, "metrics", deliver)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(detach)
	return p, detach
}

// text writes what the definition asked for.
func text(r probe.Result) string {
	var parts []string
	for _, v := range r.Values {
		switch v.Attribute {
		case "samples", "late", "series", "received", "events_dropped", "missing":
			continue
		case "error":
			if s, _ := v.Value.Text(); s == "" {
				continue
			}
		}
		parts = append(parts, v.Attribute+"="+v.Value.String())
	}
	for _, table := range r.Tables {
		parts = append(parts, fmt.Sprint(table.Attribute, table.Rows))
	}
	return strings.Join(parts, " ")
}

func (a *attached) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.got
	a.got = nil
	return got
}

type point struct {
	series string // such as jobs_total{queue="a"}; written with commas only
	at     int64
	value  float64
	native *histogram.Histogram
}

var base = time.Now().Add(-time.Minute).UnixMilli()

func labelsOf(t testing.TB, s string) labels.Labels {
	t.Helper()
	name, rest, _ := strings.Cut(strings.TrimSuffix(s, "}"), "{")
	list := []string{labels.MetricName, name}
	for part := range strings.SplitSeq(rest, ",") {
		if k, v, ok := strings.Cut(part, "="); ok {
			list = append(list, k, strings.Trim(v, `"`))
		}
	}
	return labels.FromStrings(list...)
}

func v1(t testing.TB, points ...point) *prompb.WriteRequest {
	req := &prompb.WriteRequest{Metadata: []prompb.MetricMetadata{{MetricFamilyName: "jobs_total"}}}
	for _, p := range points {
		s := prompb.TimeSeries{Labels: prompb.FromLabels(labelsOf(t, p.series), nil), Exemplars: []prompb.Exemplar{{Value: 1}}}
		if p.native != nil {
			s.Histograms = []prompb.Histogram{prompb.FromIntHistogram(base+p.at, p.native)}
		} else {
			s.Samples = []prompb.Sample{{Value: p.value, Timestamp: base + p.at}}
		}
		req.Timeseries = append(req.Timeseries, s)
	}
	return req
}

func v2(t testing.TB, points ...point) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	req := &writev2.Request{}
	for _, p := range points {
		s := writev2.TimeSeries{LabelsRefs: symbols.SymbolizeLabels(labelsOf(t, p.series), nil), Exemplars: []writev2.Exemplar{{Value: 1}}}
		if p.native != nil {
			s.Histograms = []writev2.Histogram{writev2.FromIntHistogram(base+p.at, p.native)}
		} else {
			s.Samples = []writev2.Sample{{Value: p.value, Timestamp: base + p.at}}
		}
		req.Timeseries = append(req.Timeseries, s)
	}
	req.Symbols = symbols.Symbols()
	return req
}

type sender struct {
	t   testing.TB
	api *remote.API
}

// serve starts a hub, and the client library of the protocol's own authors beside it.
func serve(t testing.TB, hub *remotewrite.Hub) (*sender, string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(remotewrite.Path, hub.Handler())
	s := httptest.NewServer(mux)
	transport := &http.Transport{}
	t.Cleanup(func() { transport.CloseIdleConnections(); s.Close() })
	api, err := remote.NewAPI(s.URL, remote.WithAPIHTTPClient(&http.Client{Transport: transport}), remote.WithAPIPath(remotewrite.Path),
		remote.WithAPINoRetryOnRateLimit(), remote.WithAPIBackoff(remote.BackoffConfig{Min: time.Millisecond, Max: time.Millisecond, MaxRetries: 1}))
	if err != nil {
		t.Fatal(err)
	}
	return &sender{t, api}, s.URL + remotewrite.Path
}

func (s *sender) send(version int, points ...point) (remote.WriteResponseStats, error) {
	s.t.Helper()
	if version == 2 {
		return s.api.Write(s.t.Context(), remote.WriteV2MessageType, v2(s.t, points...))
	}
	return s.api.Write(s.t.Context(), remote.WriteV1MessageType, v1(s.t, points...))
}

func native(counts ...int64) *histogram.Histogram {
	h := &histogram.Histogram{Schema: 0, PositiveSpans: []histogram.Span{{Offset: 0, Length: uint32(len(counts))}}}
	before := int64(0)
	for _, n := range counts {
		h.PositiveBuckets = append(h.PositiveBuckets, n-before)
		h.Count += uint64(n)
		before = n
	}
	h.Sum = float64(h.Count)
	return h
}

func TestSamplesReachNodes(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			hub := remotewrite.NewHub(remotewrite.Options{})
			a := attach(t, hub, "shop", series.Options{
				Values: map[string]string{"jobs": `sum(jobs_total{instance="a"})`, "mean": "histogram_avg(wait_seconds)"},
				Tables: map[string]series.Table{"queues": {Key: []string{"queue"}, Columns: map[string]string{"n": `jobs_total{instance="a"}`}}},
			})
			other := attach(t, hub, "other", series.Options{Values: map[string]string{"jobs": `jobs_total{instance="b"}`}})
			s, _ := serve(t, hub)
			stats, err := s.send(version,
				point{series: `jobs_total{instance="a",queue="x"}`, value: 3}, point{series: `jobs_total{instance="a",queue="y"}`, value: 4},
				point{series: `jobs_total{instance="c",queue="y"}`, value: 5}, point{series: `nobody_wants`, value: 5},
				point{series: `wait_seconds`, native: native(1, 2)})
			if err != nil {
				t.Fatal(err)
			}
			if version == 2 && (stats.Samples != 4 || stats.Histograms != 1 || stats.Exemplars != 0) {
				t.Errorf("%+v", stats)
			}
			if diff := cmp.Diff([]string{"jobs=7 queues[[x 3] [y 4]]"}, a.take()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got := other.take(); got != nil {
				t.Errorf("nothing came for it, and it got %v", got)
			}
			// Later samples, one again, one of the future, one that goes.
			if _, err = s.send(version,
				point{series: `jobs_total{instance="a",queue="x"}`, value: 3}, point{series: `jobs_total{instance="b"}`, at: 1000, value: 9},
				point{series: `wait_seconds`, at: 1000, native: native(2, 4)},
				point{series: `jobs_total{instance="a",queue="y"}`, at: 1000, value: math.Float64frombits(value.StaleNaN)},
				point{series: `jobs_total{instance="b"}`, at: 3_600_000, value: 9}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"jobs=3 mean=1 queues[[x 3]]"}, a.take()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff([]string{"jobs=9"}, other.take()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			got := hub.Stats()
			want := remotewrite.Stats{Requests: 2, Exemplars: 10, Probes: 2, Series: 5, Bytes: got.Bytes}
			if version == 1 {
				want.Metadata = 2
			}
			want.Received, want.Applied = 10, 6
			want.Refused[receive.NoNode], want.Refused[receive.Older], want.Refused[receive.WrongTime] = 2, 1, 1
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stats -want +got:\n%s", diff)
			}
		})
	}
}

func TestSenderThatCatchesUp(t *testing.T) {
	hub := remotewrite.NewHub(remotewrite.Options{})
	a := attach(t, hub, "shop", series.Options{Values: map[string]string{"jobs": "sum(jobs)"}})
	s, _ := serve(t, hub)
	if _, err := s.send(1, point{series: `jobs{i="1"}`, at: 1, value: 1}, point{series: `jobs{i="2"}`, at: 1, value: 1},
		point{series: `jobs{i="1"}`, at: 2, value: 2}, point{series: `jobs{i="2"}`, at: 2, value: 2},
		point{series: `jobs{i="1"}`, at: 3, value: 3}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"jobs=2", "jobs=4", "jobs=5"}, a.take()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// What falls silent while the rest goes on is gone.
	if _, err := s.send(1, point{series: `jobs{i="1"}`, at: 320_000, value: 7}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"jobs=7"}, a.take()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// In mode timer a run has what came since the last.
	r, err := a.Run(t.Context())
	if err != nil || text(r) != "jobs=7" {
		t.Errorf("%s %v", text(r), err)
	}
	if r, err = a.Run(t.Context()); err != nil || text(r) != "" {
		t.Errorf("a second run: %s %v", text(r), err)
	}
	a.detach()
	if _, err := s.send(1, point{series: `jobs{i="1"}`, at: 330_000, value: 8}); err != nil {
		t.Fatal(err)
	}
	if got := a.take(); got != nil || hub.Stats().Refused[receive.NoNode] != 1 {
		t.Errorf("after detach: %v, %+v", got, hub.Stats())
	}
}

func TestProblemsAreShown(t *testing.T) {
	hub := remotewrite.NewHub(remotewrite.Options{})
	a := attach(t, hub, "shop", series.Options{Values: map[string]string{"jobs": "jobs"}})
	s, _ := serve(t, hub)
	if _, err := s.send(1, point{series: `jobs{i="1"}`, value: 1}, point{series: `jobs{i="2"}`, value: 1}); err != nil {
		t.Fatal(err)
	}
	got := a.take()
	if len(got) != 1 || !strings.HasPrefix(got[0], "error=values.jobs: 2 series fit, and one is wanted") {
		t.Error(got)
	}
}

func TestRights(t *testing.T) {
	hub := remotewrite.NewHub(remotewrite.Options{May: func(_ context.Context, instance string) error {
		if instance == "mine" {
			return nil
		}
		return errors.New("not yours: " + instance)
	}})
	mine := attach(t, hub, "mine", series.Options{Values: map[string]string{"jobs": "sum(jobs)"}})
	foreign := attach(t, hub, "foreign", series.Options{Values: map[string]string{"jobs": "sum(jobs)", "secret": "secret"}})
	s, _ := serve(t, hub)
	if _, err := s.send(1, point{series: "jobs", value: 1}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"jobs=1"}, mine.take()); diff != "" || foreign.take() != nil {
		t.Errorf("what two want goes to the one that may have it: %s", diff)
	}
	if _, err := s.send(1, point{series: "secret", value: 1}); err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), "not yours: foreign") {
		t.Error(err)
	}
	if foreign.take() != nil || hub.Stats().Refused[receive.Denied] != 1 {
		t.Errorf("%+v", hub.Stats())
	}
	if _, err := s.send(2, point{series: "secret", value: 1}, point{series: "jobs", at: 1, value: 1}); err != nil {
		t.Errorf("a part of a request is denied: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	hub := remotewrite.NewHub(remotewrite.Options{
		MaxBody: 2000, MaxDecoded: 4000,
		Allow: func(_ netip.Addr, samples int, _ time.Time) (time.Duration, bool) {
			return 1500 * time.Millisecond, samples < 5
		},
	})
	a := attach(t, hub, "shop", series.Options{Values: map[string]string{"jobs": "sum(jobs)"}})
	_, url := serve(t, hub)
	marshal := func(req *prompb.WriteRequest) string {
		b, err := req.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return string(snappy.Encode(nil, b))
	}
	good := marshal(v1(t, point{series: "jobs", value: 1}))
	many := marshal(v1(t, point{series: "jobs"}, point{series: "jobs"}, point{series: "jobs"}, point{series: "jobs"}, point{series: "jobs"}))
	nameless := v1(t, point{series: "jobs", at: 1, value: 2}, point{series: "x"})
	nameless.Timeseries[1].Labels = nameless.Timeseries[1].Labels[:0]
	badUTF8 := v1(t, point{series: `jobs{x="y"}`, at: 2})
	badUTF8.Timeseries[0].Labels[1].Value = "\xc3("
	for _, tt := range []struct {
		name, method, contentType, encoding, body string
		status                                    int
		want                                      string
	}{
		{"good", "POST", "application/x-protobuf", "snappy", good, 204, ""},
		{"without headers", "POST", "", "", good, 204, ""},
		{"again", "POST", "application/x-protobuf;proto=prometheus.WriteRequest", "snappy", good, 204, ""},
		{"GET", "GET", "", "", "", 405, "remote write is sent by POST\n"},
		{"JSON", "POST", "application/json", "snappy", good, 415, "content type \"application/json\": remote write is application/x-protobuf\n"},
		{"version 3", "POST", "application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", good, 415, "message \"io.prometheus.write.v3.Request\": prometheus.WriteRequest and io.prometheus.write.v2.Request are known\n"},
		{"gzip", "POST", "application/x-protobuf", "gzip", good, 415, "content encoding \"gzip\": remote write is compressed by snappy\n"},
		{"no snappy", "POST", "application/x-protobuf", "snappy", "\xff\xff\xff\xff\xff\xff", 400, "the body is not compressed by snappy\n"},
		{"no protobuf", "POST", "application/x-protobuf", "snappy", string(snappy.Encode(nil, []byte("hello"))), 400, "is no message of remote write: its protocol buffers are broken\n"},
		{"long", "POST", "application/x-protobuf", "snappy", strings.Repeat("x", 2001), 413, "the request has more than 2000 bytes: send fewer samples at once\n"},
		{"bomb", "POST", "application/x-protobuf", "snappy", string(snappy.Encode(nil, make([]byte, 4001))), 413, "the request has more than 4000 bytes after decompression: send fewer samples at once\n"},
		{"too fast", "POST", "application/x-protobuf", "snappy", many, 429, "this source sends more than it may\n"},
		{"without a name", "POST", "application/x-protobuf", "snappy", marshal(nameless), 400, "1 samples were refused: a series has no name, labels of more than 16 KiB, or labels that are not UTF-8\n"},
		{"not UTF-8", "POST", "application/x-protobuf", "snappy", marshal(badUTF8), 400, "1 samples were refused: a series has no name, labels of more than 16 KiB, or labels that are not UTF-8\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest(tt.method, url, strings.NewReader(tt.body))
			req.Header.Set("Content-Type", tt.contentType)
			req.Header.Set("Content-Encoding", tt.encoding)
			w := httptest.NewRecorder()
			hub.Handler().ServeHTTP(w, req)
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("%d %q", w.Code, w.Body)
			}
			if after := w.Header().Get("Retry-After"); (tt.status == 429) != (after == "2") {
				t.Errorf("Retry-After: %q", after)
			}
		})
	}
	if diff := cmp.Diff([]string{"jobs=1", "jobs=2"}, a.take()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if s := hub.Stats(); s.BadRequests != 9 || s.Refused[receive.Malformed] != 2 || s.Refused[receive.RateLimited] != 5 || s.Refused[receive.Older] != 2 {
		t.Errorf("%+v", s)
	}
	only := remotewrite.NewHub(remotewrite.Options{Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	w := httptest.NewRecorder()
	only.Handler().ServeHTTP(w, httptest.NewRequest("POST", url, strings.NewReader(good)))
	if w.Code != 403 {
		t.Errorf("a foreign address: %d", w.Code)
	}
}

// TestSlowSender: who sends slowly keeps nobody else from being served.
func TestSlowSender(t *testing.T) {
	hub := remotewrite.NewHub(remotewrite.Options{AtOnce: 1})
	_, url := serve(t, hub)
	body, slowly := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		hub.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", url, body))
	}()
	if _, err := slowly.Write([]byte{0}); err != nil { // It is being read.
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	hub.Handler().ServeHTTP(w, httptest.NewRequest("POST", url, bytes.NewReader(snappy.Encode(nil, nil))))
	if w.Code != 204 {
		t.Errorf("another sender is answered %d %s", w.Code, w.Body)
	}
	slowly.Close()
	<-ended
}

// TestRealPrometheus lets Debian's Prometheus scrape itself and send what it got, with a
// token, to two instances. One of its targets is down.
func TestRealPrometheus(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed")
	}
	hub := remotewrite.NewHub(remotewrite.Options{})
	mux := http.NewServeMux()
	mux.Handle(remotewrite.Path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		hub.Handler().ServeHTTP(w, r)
	}))
	s := httptest.NewServer(mux)
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
global: { scrape_interval: 200ms }
scrape_configs: [ { job_name: self, static_configs: [ { targets: [%q, "127.0.0.1:1"] } ] } ]
remote_write: [ { url: %q, authorization: { credentials: hunter2 }, queue_config: { batch_send_deadline: 50ms } } ]
`, address, s.URL+remotewrite.Path), 0o600); err != nil {
		t.Fatal(err)
	}
	a := attach(t, hub, "prometheus", series.Options{
		Values: map[string]string{
			"goroutines": `go_goroutines{job="self"}`, "down": `up{instance="127.0.0.1:1"}`,
			"p90": `histogram_quantile(0.9, prometheus_http_request_duration_seconds{handler="/metrics"})`, "requests": "sum(prometheus_http_requests_total)",
		},
		Texts:  map[string]series.Text{"version": {Of: "prometheus_build_info", Label: "version"}},
		Tables: map[string]series.Table{"targets": {Key: []string{"instance"}, Columns: map[string]string{"up": "up"}}},
	})
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+dir, "--web.listen-address="+address)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var all string
	late := time.After(60 * time.Second)
	for _, want := range []string{"goroutines=", "down=0", "p90=0.", "requests=", "version=2.", "[127.0.0.1:1 0] [" + address + " 1]"} {
		for !strings.Contains(all, want) {
			select {
			case <-a.seen:
				all += strings.Join(a.take(), "\n") + "\n"
			case <-late:
				t.Fatalf("no %s, only\n%s\n%+v", want, all, hub.Stats())
			}
		}
	}
	if strings.Contains(all, "error=") {
		t.Error(all)
	}
	if s := hub.Stats(); s.Refused[receive.Malformed]+s.Refused[receive.Older] > 0 || s.BadRequests > 0 || s.Refused[receive.NoNode] == 0 {
		t.Errorf("%+v", s)
	}
}
