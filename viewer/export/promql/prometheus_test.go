package promql

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/tsdb"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/history/promql"
)

// The samples: two hours, one every 15 s. Questions are asked at times between two
// samples, since Prometheus 3 leaves out a sample at the very beginning of a range
// that Prometheus 2 took in.
var (
	first = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	last  = first.Add(2 * time.Hour)
)

// exposition writes the samples in OpenMetrics.
func exposition() []byte {
	var b bytes.Buffer
	each := func(name string, labels string, value func(i int) (float64, bool)) {
		for i := range int(last.Sub(first) / (15 * time.Second)) {
			if v, ok := value(i); ok {
				fmt.Fprintf(&b, "%s{%s} %v %d\n", name, labels, v, first.Unix()+int64(i)*15)
			}
		}
	}
	b.WriteString("# TYPE http_requests counter\n")
	for n, path := range []string{"/shop/web1/requests", "/shop/web2/requests", "/db/requests"} {
		each("http_requests_total", fmt.Sprintf("path=%q,code=\"200\"", path), func(i int) (float64, bool) { return float64((i*(n+1) + i%7)), true })
		each("http_requests_total", fmt.Sprintf("path=%q,code=\"500\"", path), func(i int) (float64, bool) {
			return float64(i % 200), n != 2 // With resets.
		})
	}
	b.WriteString("# TYPE answer_seconds gauge\n")
	for n, path := range []string{"/shop/web1/answer", "/shop/web2/answer", `/shop/it's "odd" \ é`} {
		each("answer_seconds", fmt.Sprintf("path=%q", path), func(i int) (float64, bool) {
			return math.Round(1000*(1+math.Sin(float64(i+10*n)/17))) / 1000, n != 1 || i < 100 || i > 200 // With a gap.
		})
	}
	b.WriteString("# TYPE odd gauge\n")
	each("odd", `path="/nan"`, func(i int) (float64, bool) { return math.NaN(), true })
	each("odd", `path="/inf"`, func(i int) (float64, bool) { return math.Inf(1 - 2*(i%2)), true })
	each("odd", `path="/huge"`, func(i int) (float64, bool) { return 1e21 * float64(i+1), true })
	each("odd", `path="/tiny"`, func(i int) (float64, bool) { return 1e-9 / float64(i+1), true })
	b.WriteString("# TYPE size_bytes histogram\n")
	for _, le := range []string{"10.0", "100.0", "1000.0", "+Inf"} {
		k := map[string]int{"10.0": 1, "100.0": 3, "1000.0": 4, "+Inf": 5}[le]
		each("size_bytes_bucket", fmt.Sprintf("path=\"/shop/size\",le=%q", le), func(i int) (float64, bool) { return float64(i * k), true })
	}
	each("size_bytes_count", `path="/shop/size"`, func(i int) (float64, bool) { return float64(i * 5), true })
	each("size_bytes_sum", `path="/shop/size"`, func(i int) (float64, bool) { return float64(i * 500), true })
	b.WriteString("# EOF\n")
	return b.Bytes()
}

func tool(t testing.TB, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return p
}

// blocks has promtool write the samples, once for each that will open them.
func blocks(t testing.TB, dirs ...string) {
	t.Helper()
	promtool := tool(t, "promtool")
	file := filepath.Join(t.TempDir(), "samples")
	if err := os.WriteFile(file, exposition(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if out, err := exec.Command(promtool, "tsdb", "create-blocks-from", "openmetrics", file, dir).CombinedOutput(); err != nil {
			t.Fatalf("promtool: %v\n%s", err, out)
		}
	}
}

// newGrove serves the samples in a folder as grove does.
func newGrove(t testing.TB, dir string) *httptest.Server {
	t.Helper()
	options := tsdb.DefaultOptions()
	options.RetentionDuration = 0
	db, err := tsdb.Open(dir, nil, nil, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	engine, err := promql.New(promql.Options{Store: db, MaxSamples: 5000, Guard: grant.NewGuard(tree.New(tree.Options{})), Metadata: func(context.Context) map[string][]promql.Metadata {
		return map[string][]promql.Metadata{"answer_seconds": {{Type: "gauge", Help: "Time until the <answer>.", Unit: "seconds"}}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	h, err := New(Options{Engine: engine, Revision: "abc"})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(grant.With(r.Context(), grant.Anonymous)))
	}))
	t.Cleanup(s.Close)
	return s
}

// newPrometheus serves the samples in a folder with Debian's prometheus.
func newPrometheus(t testing.TB, dir string) string {
	t.Helper()
	program := tool(t, "prometheus")
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--config.file="+config, "--storage.tsdb.path="+dir, "--web.listen-address="+address,
		"--storage.tsdb.retention.time=100y", "--query.max-samples=5000", "--log.level=warn")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // It was sent away.
		if t.Failed() {
			t.Logf("prometheus says:\n%s", log.String())
		}
	})
	base := "http://" + address
	waiting, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if res, err := client.Get(base + "/-/ready"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return base
			}
		}
		select {
		case <-waiting.Done():
			t.Fatalf("prometheus is not ready")
		case <-tick.C:
		}
	}
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// fetched is an answer, read.
type fetched struct {
	Status int
	Body   any
}

func fetch(t testing.TB, method, base, path string, form url.Values) fetched {
	t.Helper()
	var body io.Reader
	address := base + path
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else {
		address += "?" + form.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	f := fetched{Status: res.StatusCode}
	if err := json.Unmarshal(text, &f.Body); err != nil {
		t.Fatalf("%s: %v in %s", address, err, text)
	}
	return f
}

// comparable leaves out what may differ between versions: the words of errors,
// warnings and infos, and the order of the series of a vector or matrix.
func comparable(f fetched) fetched {
	top, _ := f.Body.(map[string]any)
	delete(top, "infos")
	delete(top, "warnings")
	if top["error"] != nil {
		top["error"] = "said"
	}
	data, _ := top["data"].(map[string]any)
	delete(data, "stats")
	if result, _ := data["result"].([]any); data["resultType"] == "vector" || data["resultType"] == "matrix" {
		slices.SortFunc(result, func(a, b any) int { return strings.Compare(labelsOf(a), labelsOf(b)) })
	}
	return f
}

func labelsOf(series any) string {
	b, _ := json.Marshal(series.(map[string]any)["metric"])
	return string(b)
}

// alike tells numbers apart only by more than the last digits: the two versions add
// in different orders.
var alike = cmp.Comparer(func(a, b string) bool {
	if a == b {
		return true
	}
	var x, y float64
	if _, err := fmt.Sscan(a, &x); err != nil {
		return false
	}
	if _, err := fmt.Sscan(b, &y); err != nil {
		return false
	}
	return math.Abs(x-y) <= 1e-9*math.Max(math.Abs(x), math.Abs(y))
})

func TestAnswersAreThoseOfPrometheus(t *testing.T) {
	tool(t, "prometheus")
	ours, theirs := filepath.Join(t.TempDir(), "grove"), filepath.Join(t.TempDir(), "prometheus")
	blocks(t, ours, theirs)
	grove, prometheus := newGrove(t, ours).URL+Prefix, newPrometheus(t, theirs)

	at := fmt.Sprintf("%d.123", first.Add(time.Hour).Unix()+7)
	from, to := first.Add(10*time.Minute+7*time.Second), first.Add(100*time.Minute+7*time.Second)
	type question struct {
		path string
		form url.Values
	}
	var questions []question
	ask := func(path string, pairs ...string) {
		f := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			f.Add(pairs[i], pairs[i+1])
		}
		questions = append(questions, question{"/api/v1/" + path, f})
	}
	for _, q := range []string{
		`answer_seconds`, `answer_seconds{path=~"/shop/web.*"}`, `answer_seconds{path!~".*web1.*"}`, `{__name__=~"answer.*|odd"}`,
		`rate(http_requests_total[5m])`, `irate(http_requests_total[2m])`, `increase(http_requests_total{code="500"}[1h])`,
		`sum by (path) (rate(http_requests_total[5m]))`, `sum without (code) (http_requests_total)`,
		`topk(2, http_requests_total)`, `bottomk(1, answer_seconds)`, `quantile(0.9, answer_seconds)`, `stddev(answer_seconds)`,
		`count_values("v", http_requests_total > 100)`, `avg_over_time(answer_seconds[10m])`, `max_over_time(answer_seconds[30m:1m])`,
		`quantile_over_time(0.5, answer_seconds[10m])`, `deriv(answer_seconds[10m])`, `predict_linear(answer_seconds[10m], 600)`,
		`resets(http_requests_total{code="500"}[1h])`, `changes(answer_seconds[10m])`, `absent(nowhere{a="b"})`, `absent_over_time(answer_seconds[1m])`,
		`histogram_quantile(0.9, rate(size_bytes_bucket[5m]))`, `rate(size_bytes_sum[5m]) / rate(size_bytes_count[5m])`,
		`http_requests_total{code="500"} / on(path) group_left http_requests_total{code="200"}`,
		`http_requests_total{code="500"} > bool 100`, `http_requests_total > 100 < 400`, `answer_seconds and on(path) answer_seconds > 1`,
		`answer_seconds or odd`, `answer_seconds unless answer_seconds > 1`, `-answer_seconds ^ 2 % 3`,
		`label_replace(answer_seconds, "app", "$1", "path", "/(\\w+)/.*")`, `label_join(answer_seconds, "x", "-", "path", "path")`,
		`answer_seconds offset 30m`, `answer_seconds @ 1772367000`, `odd`, `odd * 0`, `1 / 0`, `scalar(answer_seconds)`, `vector(1)`,
		`"a text with é and \" in it"`, `time()`, `timestamp(answer_seconds)`, `hour()`, `clamp(answer_seconds, 0.5, 1)`, `sort_desc(answer_seconds)`,
		`answer_seconds[1m]`, `answer_seconds[5m:1m]`, `nowhere`, `sgn(odd)`, `round(answer_seconds, 0.1)`, `last_over_time(answer_seconds[1h])`,
		// What is wrong.
		`sum(`, `answer_seconds[5m] + 1`, `{}`, `{path=~"("}`, `answer_seconds + on() answer_seconds`, `nosuch(1)`, ``, `rate(answer_seconds)`,
		`{__name__=~".+"}[2h]`, `label_replace(answer_seconds, "x-y", "$1", "path", "(")`, `1 + "x"`,
	} {
		ask("query", "query", q, "time", at)
		ask("query_range", "query", q, "start", from.Format(time.RFC3339), "end", fmt.Sprint(to.Unix()), "step", "5m")
	}
	ask("query", "query", "time()", "time", "2026-03-01T13:00:00.5+01:00")
	for _, p := range [][]string{
		{"time", "yesterday"}, {"time", ""}, {"timeout", "x"}, {"timeout", "1m"}, {"lookback_delta", "10s", "time", at}, {"time", at, "stats", "all"},
	} {
		ask("query", append([]string{"query", `answer_seconds > 1e9`}, p...)...)
	}
	for _, p := range [][3]string{
		{"", "", ""}, {"1", "2", ""}, {"1", "2", "0"}, {"1", "2", "-1"}, {"1", "2", "x"}, {"2", "1", "1"}, {"0", "11000", "1"}, {"0", "11001", "1"},
		{"1", "2", "1h30m5s1ms"}, {"1", "2", "5m1h"}, {"1", "2", "1.5"}, {"1", "x", "1"}, {"x", "2", "1"}, {"1", "2", "99999999999999999999"},
		{"1e300", "2", "1"},
	} {
		ask("query_range", "query", "vector(1) > 2", "start", p[0], "end", p[1], "step", p[2])
	}
	window := []string{"start", fmt.Sprint(first.Unix()), "end", fmt.Sprint(last.Unix())}
	for _, m := range [][]string{
		nil, {"match[]", "answer_seconds"}, {"match[]", "odd", "match[]", `http_requests_total{code="500"}`}, {"match[]", `{path=~"/shop/.*"}`},
		{"match[]", "{"}, {"match[]", `{path=~".*"}`}, {"match[]", `nowhere`}, {"start", "x"}, {"end", "x"},
	} {
		for _, where := range []string{"series", "labels", "label/path/values", "label/__name__/values", "label/none/values"} {
			ask(where, append(slices.Clone(window), m...)...)
			ask(where, m...)
		}
	}
	for _, q := range []string{"answer_seconds", "{"} {
		ask("query_exemplars", append(slices.Clone(window), "query", q)...)
		ask("format_query", "query", q)
	}
	ask("format_query", "query", `sum by (path,code) (rate(http_requests_total{path=~"/shop/.*",code="500"}[5m])) / sum by (path) (rate(http_requests_total[5m])) > 0.1`)
	ask("rules")
	ask("alerts")
	ask("metadata", "metric", "nowhere")
	ask("metadata", "limit", "x")

	t.Logf("%d questions", len(questions))
	for _, q := range questions {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if method == http.MethodPost && (strings.Contains(q.path, "/label/") || strings.HasSuffix(q.path, "metadata") || strings.HasSuffix(q.path, "rules") || strings.HasSuffix(q.path, "alerts")) {
				continue
			}
			want, got := comparable(fetch(t, method, prometheus, strings.ReplaceAll(q.path, " ", "%20"), q.form)), comparable(fetch(t, method, grove, strings.ReplaceAll(q.path, " ", "%20"), q.form))
			if d := cmp.Diff(want, got, alike); d != "" {
				t.Errorf("%s %s %v: -prometheus +grove\n%s", method, q.path, q.form, clipped(d))
			}
		}
	}
}

func clipped(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "..."
	}
	return s
}

func TestPromtoolAsks(t *testing.T) {
	promtool := tool(t, "promtool")
	dir := filepath.Join(t.TempDir(), "grove")
	blocks(t, dir)
	server := newGrove(t, dir).URL + Prefix
	at := fmt.Sprint(first.Add(time.Hour).Unix() + 7)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"instant": {[]string{"instant", "--time=" + at, server, `sum by (code) (http_requests_total{path=~"/shop/.*"})`},
			"{code=\"200\"} => 724 @[" + at + "]\n{code=\"500\"} => 80 @[" + at + "]\n"},
		"range": {[]string{"range", "--start=" + at, "--end=" + fmt.Sprint(first.Add(time.Hour).Unix()+22), "--step=15s", server, `size_bytes_sum`},
			"size_bytes_sum{path=\"/shop/size\"} =>\n120000 @[" + at + "]\n120500 @[" + fmt.Sprint(first.Add(time.Hour).Unix()+22) + "]\n"},
		"series": {[]string{"series", "--match=odd", "--start=" + fmt.Sprint(first.Unix()), "--end=" + at, server},
			"{__name__=\"odd\", path=\"/huge\"}\n{__name__=\"odd\", path=\"/inf\"}\n{__name__=\"odd\", path=\"/nan\"}\n{__name__=\"odd\", path=\"/tiny\"}\n"},
		"labels": {[]string{"labels", "--match=size_bytes_bucket", server, "le"}, "+Inf\n10.0\n100.0\n1000.0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), promtool, append([]string{"query"}, c.args...)...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			lines := strings.SplitAfter(string(out), "\n")
			if name == "series" || name == "instant" {
				slices.Sort(lines)
			}
			if d := cmp.Diff(c.want, strings.Join(lines, "")); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}
