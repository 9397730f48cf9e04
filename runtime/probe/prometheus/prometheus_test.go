package prometheus_test

import (
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/prometheus"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/series"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func kind() probe.Kind { return prometheus.Kind(nil, nil) }

func options(url string, o series.Options) *prometheus.Options {
	all := kind().NewOptions().(*prometheus.Options)
	o.MaxSeries = all.Series.MaxSeries
	all.URL, all.Series = url, o
	return all
}

func values(list ...string) series.Options {
	o := series.Options{Values: map[string]string{}}
	for i := 0; i < len(list); i += 2 {
		o.Values[list[i]] = list[i+1]
	}
	return o
}

// target is a program that shows the same text until it is changed.
type target struct {
	*httptest.Server
	text, contentType string
	status            int

	mu  sync.Mutex // guards got: two probes may ask at the same time
	got http.Header
}

func newTarget(t testing.TB, text string) *target {
	s := &target{text: text, contentType: "text/plain; version=0.0.4", status: 200}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.got = r.Header
		s.mu.Unlock()
		w.Header().Set("Content-Type", s.contentType)
		w.WriteHeader(s.status)
		_, _ = w.Write([]byte(s.text))
	}))
	t.Cleanup(s.Close)
	return s
}

// scrape runs a probe once and returns what it read, by attribute.
func scrape(t testing.TB, p probe.Probe) (map[string]any, probe.Result, error) {
	t.Helper()
	r, err := p.Run(t.Context())
	got := map[string]any{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.Any()
	}
	return got, r, err
}

func build(t testing.TB, o *prometheus.Options) probe.Probe {
	t.Helper()
	p, err := kind().New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

const sample = `# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{queue="a"} 3
jobs_total{queue="b"} 4
# TYPE build_info gauge
build_info{version="1.2"} 1
queue_bytes {queue="a"} 100
other_thing 1
`

func TestContract(t *testing.T) {
	s := newTarget(t, sample)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	good := options(s.URL, series.Options{
		Values: map[string]string{"jobs": "sum(jobs_total)", "absent": "no_such"},
		Texts:  map[string]series.Text{"version": {Of: "build_info", Label: "version"}},
		Tables: map[string]series.Table{"queues": {Key: []string{"queue"}, Columns: map[string]string{"jobs": "jobs_total", "weight": "queue_bytes"}}},
	})
	probetest.Run(t, kind(), good)
	probetest.Stops(t, kind(), options("http://"+silent.Addr().String(), values("x", "y")))
	with := func(change func(*prometheus.Options)) *prometheus.Options {
		o := options(s.URL, values("x", "y"))
		change(o)
		return o
	}
	probetest.Refuses(t, kind(),
		probetest.Bad{Name: "no URL", Options: with(func(o *prometheus.Options) { o.URL = "" }), Option: "url", Want: "url: is missing"},
		probetest.Bad{Name: "secret in the open", Options: with(func(o *prometheus.Options) { o.Bearer = "hunter2" }), Option: "bearer", Want: "bearer: " + secret.Ref("hunter2").Check().Error()},
		probetest.Bad{Name: "nothing wanted", Options: with(func(o *prometheus.Options) { o.Series.Values = nil }), Option: "values", Want: "values: are missing: neither values nor texts nor tables say what is wanted"},
		probetest.Bad{Name: "expression", Options: with(func(o *prometheus.Options) { o.Series = values("x", "rate(y[5m])") }), Option: "values.x", Want: `values.x: "rate(y[5m])": rate is not known here: a node makes it by change: rate`},
		probetest.Bad{Name: "own attribute", Options: with(func(o *prometheus.Options) { o.Series = values("up", "y") }), Option: "values.up", Want: `values.up: there is another attribute "up"`},
		probetest.Bad{Name: "format", Options: with(func(o *prometheus.Options) { o.Formats = []string{"json"} }), Option: "formats", Want: `formats: "json" is none of protobuf, openmetrics, text`},
		probetest.Bad{Name: "format twice", Options: with(func(o *prometheus.Options) { o.Formats = []string{"text", "text"} }), Option: "formats", Want: `formats: text is there twice`},
		probetest.Bad{Name: "age", Options: with(func(o *prometheus.Options) { o.MaxAge = 25 * time.Hour }), Option: "max_age", Want: `max_age: 25h0m0s is not between 0s and 24h0m0s`},
	)
}

func TestScrape(t *testing.T) {
	s := newTarget(t, sample)
	p := build(t, options(s.URL, series.Options{
		Values: map[string]string{"jobs": "sum(jobs_total)", "absent": "no_such"},
		Texts:  map[string]series.Text{"version": {Of: "build_info", Label: "version"}},
		Tables: map[string]series.Table{"queues": {Key: []string{"queue"}, Columns: map[string]string{"jobs": "jobs_total", "weight": "queue_bytes"}}},
	}))
	got, r, err := scrape(t, p)
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := got["duration"].(float64); d <= 0 {
		t.Error("no duration")
	}
	delete(got, "duration")
	want := map[string]any{"up": 1.0, "state": "up", "error": "", "samples": 5.0, "series": 4.0, "size": float64(len(sample)), "format": "text 0.0.4", "missing": "absent", "jobs": 7.0, "version": "1.2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if rows := fmt.Sprint(r.Tables); rows != "[{queues [queue jobs weight] [[a 3 100] [b 4 ]]}]" {
		t.Error(rows)
	}
	if s.got.Get("Accept") != "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.9,application/openmetrics-text;version=0.0.1;q=0.8,"+
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.7,text/plain;version=0.0.4;q=0.6,application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8;q=0.5" {
		t.Errorf("Accept: %s", s.got.Get("Accept"))
	}
	// What the exporter shows no more is gone at once.
	s.text = `jobs_total{queue="b"} 5` + "\n"
	got, r, err = scrape(t, p)
	if err != nil || got["jobs"] != 5.0 || got["version"] != nil || got["missing"] != "absent, version" || fmt.Sprint(r.Tables) != "[{queues [queue jobs weight] [[b 5 ]]}]" {
		t.Errorf("%v %v %v", got, r.Tables, err)
	}
}

func TestBadAnswers(t *testing.T) {
	s := newTarget(t, sample)
	o := options(s.URL, values("jobs", "sum(jobs_total)"))
	o.MaxBody = 1000
	p := build(t, o)
	tests := []struct {
		name              string
		text, contentType string
		status            int
		state, error      string
	}{
		{"page", "<html>", "text/html", 200, "malformed", `after 0 samples: expected a valid start token, got "<" ("INVALID") while parsing: "<"`},
		{"half", "jobs_total 1\njobs_to", "text/plain", 200, "malformed", `after 1 samples: `},
		{"no end", "# TYPE jobs counter\njobs_total 1\n", "application/openmetrics-text; version=1.0.0", 200, "malformed", `after 1 samples: `},
		{"no protobuf", "jobs_total 1\n", "application/vnd.google.protobuf", 200, "malformed", `after 0 samples: `},
		{"status", "overloaded\n", "text/plain", 503, "status", "status 503 Service Unavailable: overloaded"},
		{"secret", "who are you", "text/plain", 401, "refused_access", "user and password, or the token, are refused (status 401)"},
		{"long", strings.Repeat("jobs_total 1\n", 100), "text/plain", 200, "too_long", "the answer has more than max_body, 1000 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.text, s.contentType, s.status = tt.text, tt.contentType, tt.status
			got, _, err := scrape(t, p)
			text, _ := got["error"].(string)
			if err != nil || got["up"] != 0.0 || got["state"] != tt.state || !strings.HasPrefix(text, tt.error) || got["jobs"] != nil {
				t.Errorf("%v %v", got, err)
			}
		})
	}
	s.text, s.contentType, s.status = sample, "", 200
	if got, _, err := scrape(t, p); err != nil || got["jobs"] != 7.0 {
		t.Errorf("afterwards, without a content type: %v %v", got, err)
	}
}

func TestTimestamps(t *testing.T) {
	now := time.Now()
	s := newTarget(t, "")
	show := func(ages ...time.Duration) {
		s.text = ""
		for i, age := range ages {
			s.text += fmt.Sprintf("jobs{i=%q} %d %d\n", fmt.Sprint(i), i+1, now.Add(-age).UnixMilli())
		}
	}
	p := build(t, options(s.URL, values("jobs", "sum(jobs)")))
	show(time.Minute, 10*time.Minute)
	got, r, err := scrape(t, p)
	if err != nil || got["jobs"] != 1.0 || r.Time.UnixMilli() != now.Add(-time.Minute).UnixMilli() {
		t.Errorf("an old sample counts, or the time is not its own: %v %v %v", got, r.Time, err)
	}
	s.text += "jobs{i=\"now\"} 10\n"
	if got, r, err = scrape(t, p); err != nil || got["jobs"] != 11.0 || r.Time.Before(now) {
		t.Errorf("a sample without a time is of now: %v %v %v", got, r.Time, err)
	}
	deaf := options(s.URL, values("jobs", "sum(jobs)"))
	deaf.HonorTimestamps = false
	show(time.Minute, 10*time.Minute)
	if got, r, err = scrape(t, build(t, deaf)); err != nil || got["jobs"] != 3.0 || r.Time.Before(now) {
		t.Errorf("times are heeded: %v %v %v", got, r.Time, err)
	}
}

func TestBoundsAreNamed(t *testing.T) {
	s := newTarget(t, sample)
	o := options(s.URL, values("jobs", "sum(jobs_total)"))
	o.Series.MaxSeries = 1
	got, _, err := scrape(t, build(t, o))
	if err == nil || err.Error() != "max_series: there are more than 1: select fewer, or raise it" || got["up"] != 1.0 {
		t.Errorf("%v %v", got, err)
	}
	if _, _, err = scrape(t, build(t, options(s.URL, values("jobs", "jobs_total")))); err == nil || !strings.HasPrefix(err.Error(), "values.jobs: 2 series fit, and one is wanted") {
		t.Error(err)
	}
}

// TestClientLibrary scrapes a program with Prometheus' own client library in all formats,
// compressed, with a classic and a native histogram.
func TestClientLibrary(t *testing.T) {
	registry := client.NewRegistry()
	native := client.NewHistogram(client.HistogramOpts{Name: "native_seconds", Help: "Native.", NativeHistogramBucketFactor: 1.1})
	both := client.NewHistogram(client.HistogramOpts{Name: "both_seconds", Help: "Both.", NativeHistogramBucketFactor: 1.1, Buckets: []float64{0.1, 0.2, 0.5, 1}})
	classic := client.NewHistogram(client.HistogramOpts{Name: "classic_seconds", Help: "Classic.", Buckets: []float64{0.1, 0.2, 0.5, 1}})
	summary := client.NewSummary(client.SummaryOpts{Name: "summary_seconds", Help: "Summary.", Objectives: map[float64]float64{0.5: 0.01}})
	jobs := client.NewCounterVec(client.CounterOpts{Name: "jobs_total", Help: "Jobs."}, []string{"queue"})
	dotted := client.NewGauge(client.GaugeOpts{Name: "http.server.active", Help: "A name with dots."})
	registry.MustRegister(native, both, classic, summary, jobs, dotted)
	s := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	defer s.Close()
	observe := func() {
		random := rand.New(rand.NewPCG(1, 2))
		for range 1000 {
			v := random.Float64()
			for _, o := range []client.Observer{native, both, classic, summary} {
				o.Observe(v)
			}
		}
	}
	jobs.WithLabelValues("a").Add(3)
	dotted.Set(7)
	wanted := values("jobs", "jobs_total", "dots", `{"http.server.active"}`, "bucket", `both_seconds_bucket{le="0.5"}`, "plain_count", "both_seconds_count",
		"median_summary", `summary_seconds{quantile="0.5"}`, "mean_summary", "histogram_avg(summary_seconds)")
	for _, name := range []string{"native", "both", "classic"} {
		wanted.Values["p90_"+name] = "histogram_quantile(0.9, " + name + "_seconds)"
		wanted.Values["mean_"+name] = "histogram_avg(" + name + "_seconds)"
		wanted.Values["n_"+name] = "histogram_count(" + name + "_seconds)"
	}
	for _, tt := range []struct{ name, format, want string }{
		{"default", "", "protobuf"}, {"protobuf", "protobuf", "protobuf"}, {"openmetrics", "openmetrics", "openmetrics 1.0.0"}, {"text", "text", "text 0.0.4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(s.URL, wanted)
			if tt.format != "" {
				o.Formats = []string{tt.format}
			}
			p := build(t, o)
			observe()
			if _, _, err := scrape(t, p); err != nil {
				t.Fatal(err)
			}
			observe()
			got, _, err := scrape(t, p)
			if err != nil || got["format"] != tt.want || got["jobs"] != 3.0 || got["dots"] != 7.0 || got["up"] != 1.0 {
				t.Fatalf("%v %v", got, err)
			}
			if got["plain_count"] != got["n_both"] || got["bucket"] == nil || got["median_summary"] == nil {
				t.Errorf("parts of the classic form: %v", got)
			}
			about := func(name string, want, slack float64) {
				if v, ok := got[name].(float64); !ok || v < want-slack || v > want+slack {
					t.Errorf("%s is %v, want about %v", name, got[name], want)
				}
			}
			about("mean_summary", 0.5, 0.05)
			for _, name := range []string{"both", "classic"} {
				about("p90_"+name, 0.9, 0.05)
				about("mean_"+name, 0.5, 0.05)
			}
			if tt.want == "protobuf" {
				about("p90_native", 0.9, 0.05)
				about("mean_native", 0.5, 0.05)
			}
			if n, _ := got["n_both"].(float64); n == 0 || got["n_both"] != got["n_classic"] {
				t.Errorf("counts: %v", got)
			}
		})
	}
}

func TestCompressedAndSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("hunter2-long\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2-long" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte("jobs 3\n"))
		_ = z.Close()
	}))
	defer s.Close()
	o := options(s.URL, values("jobs", "jobs"))
	o.Bearer, o.TLS.Insecure = secret.Ref("file:"+file), true
	p := build(t, o)
	if got, _, err := scrape(t, p); err != nil || got["jobs"] != 3.0 {
		t.Errorf("%v %v", got, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, _, err := scrape(t, p); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
	o.TLS.Insecure = false
	if err := os.WriteFile(file, []byte("hunter2-long"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _, err := scrape(t, build(t, o)); err != nil || got["state"] != "tls" {
		t.Errorf("a foreign certificate: %v %v", got, err)
	}
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err == nil {
		p, err := prometheus.Kind(policy, nil).New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if _, _, err := scrape(t, p); err == nil {
			t.Error("an address that is not allowed is asked")
		}
	}
}

// run starts a program until the test ends, and waits until a probe of it is up.
func run(t *testing.T, address string, program string, arguments ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skip(program + " is not installed")
	}
	cmd := exec.Command(path, arguments...)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestNodeExporter(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	run(t, address, "prometheus-node-exporter", "--web.listen-address="+address)
	p := build(t, options("http://"+address+"/metrics", series.Options{
		Values: map[string]string{
			"memory": "node_memory_MemTotal_bytes", "processors": `count(node_cpu_seconds_total{mode="idle"})`, "idle": `sum(node_cpu_seconds_total{mode="idle"})`, "load": "node_load1",
		},
		Texts:  map[string]series.Text{"kernel": {Of: "node_uname_info", Label: "release"}},
		Tables: map[string]series.Table{"interfaces": {Key: []string{"device"}, Columns: map[string]string{"received": "node_network_receive_bytes_total", "up": "node_network_up"}}},
	}))
	got, r, err := scrape(t, p)
	if err != nil || got["missing"] != "" {
		t.Fatalf("%v %v", got, err)
	}
	if m, _ := got["memory"].(float64); m < 1<<24 {
		t.Errorf("memory: %v", m)
	}
	if n, _ := got["processors"].(float64); n < 1 {
		t.Errorf("processors: %v", n)
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil && got["kernel"] != strings.TrimSpace(string(release)) {
		t.Errorf("kernel: %v, want %s", got["kernel"], release)
	}
	if !strings.Contains(fmt.Sprint(r.Tables), "[lo ") {
		t.Errorf("interfaces: %v", r.Tables)
	}
}

func TestPrometheusItselfAndPushgateway(t *testing.T) {
	t.Parallel()
	gateway := freeAddress(t)
	run(t, gateway, "prometheus-pushgateway", "--web.listen-address="+gateway)
	answer, err := http.Post("http://"+gateway+"/metrics/job/backup/instance/db1", "text/plain", strings.NewReader("# TYPE backup_bytes gauge\nbackup_bytes 12345\n"))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	got, r, err := scrape(t, build(t, options("http://"+gateway+"/metrics", series.Options{
		Values: map[string]string{"pushed": `push_time_seconds{job="backup"}`},
		Tables: map[string]series.Table{"backups": {Key: []string{"job", "instance"}, Columns: map[string]string{"size": "backup_bytes"}}},
	})))
	if err != nil || fmt.Sprint(r.Tables) != "[{backups [job instance size key] [[backup db1 12345 backup,db1]]}]" {
		t.Errorf("%v %v %v", got, r.Tables, err)
	}
	if at, _ := got["pushed"].(float64); time.Since(time.Unix(int64(at), 0)) > time.Minute {
		t.Errorf("pushed at %v", at)
	}

	server := freeAddress(t)
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, server, "prometheus", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+server)
	itself := build(t, options("http://"+server+"/metrics", values("goroutines", "go_goroutines", "head", "prometheus_tsdb_head_series")))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		got, _, err = scrape(t, itself)
		if n, _ := got["goroutines"].(float64); err == nil && n >= 5 && got["head"] != nil { // It answers before its store is open.
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v %v", got, err)
		}
	}
}

// BenchmarkScrape is a scrape of 10,000 series by HTTP, of which one in ten is wanted.
func BenchmarkScrape(b *testing.B) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "metric_%d_bytes{device=\"d%d\",instance=\"some-instance-name\"} %d.5\n", i%10, i/10, i)
	}
	s := newTarget(b, text.String())
	p := build(b, options(s.URL, series.Options{
		Values: map[string]string{"total": "sum(metric_3_bytes)"},
		Tables: map[string]series.Table{"t": {Key: []string{"device"}, Columns: map[string]string{"n": "metric_3_bytes"}}},
	}))
	b.ReportAllocs()
	for b.Loop() {
		if got, _, err := scrape(b, p); err != nil || got["samples"] != 10_000.0 {
			b.Fatal(got, err)
		}
	}
}
