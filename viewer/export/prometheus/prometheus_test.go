package prometheus

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files")

var start = time.Date(2026, 3, 1, 12, 0, 0, 5_000_000, time.UTC)

func newTree(t testing.TB) *tree.Tree {
	t.Helper()
	tr := tree.New(tree.Options{Now: func() time.Time { return start }})
	number := func(unit, metric, help string, labels map[string]string) *tree.Spec {
		return &tree.Spec{Kind: tree.Performance, Unit: unit, Metric: metric, Description: help, Labels: labels}
	}
	hot := number("s", "http_response_seconds", "Time until the answer.", map[string]string{"site": `a\b"c` + "\n"})
	hot.Threshold = &tree.Threshold{Red: tree.AboveLevel(2, 2)}
	for _, n := range []struct {
		path  string
		spec  *tree.Spec
		value tree.Value
	}{
		{"/shop/web1/answer", hot, tree.Number(2.5)},
		{"/shop/web2/answer", number("s", "http_response_seconds", "Other words.", nil), tree.Number(0.25)},
		{"/shop/web1/requests", number("", "http_requests_total", "Requests \\ \"so far\"\nat all.", nil), tree.Number(1 << 40)},
		{"/shop/web1/negative", number("", "odd_total", "", nil), tree.Number(-1)},
		{"/shop/web1/state", &tree.Spec{Kind: tree.State}, tree.Text("up")},
		{"/shop/web1/silent", number("s", "silent_seconds", "", nil), tree.Value{}},
		{"/shop/web1/plain", number("%", "", "", nil), tree.Number(-0.125)},
		{"/shop/web1/huge", number("", "", "", nil), tree.Number(math.Inf(-1))},
		{`/shop/web1/~1var "x" \ y`, number("bytes", "", "", nil), tree.Number(1e300)},
		{"/shop/web3/slow", number("ms", "http_response_seconds", "", nil), tree.Number(3)},
		{"/shop/web3/used", number("%", "disk_used_ratio", "", nil), tree.Number(42.5)},
		{"/bad/unit", number("requests", "http_response_seconds", "", nil), tree.Number(3)},
		{"/bad/name", number("", "grüße", "", nil), tree.Number(4)},
		{"/bad/suffix", number("", "things_count", "", nil), tree.Number(5)},
		{"/bad/own", number("", "grove_build_info_x", "", map[string]string{"path": "x", "__x": "y", "ok": "z"}), tree.Number(6)},
		{"/bad/sample", number("", "http_requests_created", "", nil), tree.Number(7)},
		{"/bad/clash", number("", "http_requests", "", nil), tree.Number(8)},
		{"/bad/tree", number("", metric.Status, "", nil), tree.Number(9)},
		{"/bad/gathered", number("", "grove_test_size", "", nil), tree.Number(10)},
	} {
		ref, err := tr.Add(tree.MustPath(n.path), n.spec)
		if err != nil {
			t.Fatal(err)
		}
		if !n.value.IsNone() && tr.Report(tree.Report{Node: ref, Value: n.value, Time: start}) != 1 {
			t.Fatalf("report %s", n.path)
		}
	}
	tr.Flush()
	return tr
}

func newExporter(t testing.TB, tr *tree.Tree) *Exporter {
	t.Helper()
	r := client.NewRegistry()
	g := client.NewGauge(client.GaugeOpts{Name: "grove_test_size", Help: "A gauge."})
	c := client.NewCounter(client.CounterOpts{Name: "grove_test_total", Help: "A counter."})
	h := client.NewHistogram(client.HistogramOpts{Name: "grove_test_seconds", Help: "A histogram.", Buckets: []float64{1}})
	r.MustRegister(g, c, h)
	g.Set(1)
	c.Add(2)
	h.Observe(0.5)
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr, Gatherers: []client.Gatherer{r}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func write(t testing.TB, e *Exporter, f Format, path string) string {
	t.Helper()
	var b bytes.Buffer
	if err := e.Write(&b, f, tree.MustPath(path)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	e := newExporter(t, newTree(t))
	for name, text := range map[string]string{
		"all.text.txt":        write(t, e, Text, "/"),
		"all.openmetrics.txt": write(t, e, OpenMetrics, "/"),
		"web2.text.txt":       write(t, e, Text, "/shop/web2"),
	} {
		text = dropCreated(text)
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), text); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

// dropCreated leaves out the lines that depend on the clock.
func dropCreated(text string) string {
	var keep []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "_created") || strings.HasPrefix(line, "grove_node") {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "")
}

func TestConflictsAreSaidInWords(t *testing.T) {
	e := newExporter(t, newTree(t))
	write(t, e, Text, "/")
	want := []string{
		"/bad/unit: metric \"http_response_seconds\" is in seconds elsewhere, not in requests",
		"/bad/name: metric \"grüße\" is not a metric name: letters, digits and underscores",
		"/bad/suffix: metric \"things_count\" ends in _count, which is reserved for other types of metrics",
		"/bad/own: label \"__x\" is not a label name, or one of grove's own",
		"/bad/own: label \"path\" is not a label name, or one of grove's own",
		"/bad/sample: metric \"http_requests_created\" ends in _created, which is reserved for other types of metrics",
		"/bad/clash: metric \"http_requests\" has the name of another metric, or of one of its samples",
		"/bad/tree: metric \"grove_node_status\" has the name of another metric, or of one of its samples",
		"/bad/gathered: metric \"grove_test_size\" is one of grove's own",
	}
	if d := cmp.Diff(want, e.Conflicts()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestScrapesFollowTheTree(t *testing.T) {
	tr := newTree(t)
	e := newExporter(t, tr)
	has := func(want bool, line string) {
		t.Helper()
		if got := strings.Contains(write(t, e, Text, "/"), line+"\n"); got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
	has(true, `grove_node_value{path="/shop/web1/plain",unit="%"} -0.125`)
	ref, _ := tr.Lookup(tree.MustPath("/shop/web1/plain"))
	tr.Report(tree.Report{Node: ref, Value: tree.Number(7), Time: start.Add(time.Second)})
	tr.Flush()
	has(true, `grove_node_value{path="/shop/web1/plain",unit="%"} 7`)
	has(true, `grove_node_reading_timestamp_seconds{path="/shop/web1/plain"} 1772366401.005`)

	tr.Report(tree.Report{Node: ref, Reason: "gone", Time: start.Add(2 * time.Second)})
	tr.Flush()
	has(false, `grove_node_value{path="/shop/web1/plain",unit="%"} 7`)
	has(true, `grove_node_status{path="/shop/web1/plain"} 0`)

	if err := tr.Change(tree.Remove(tree.MustPath("/bad")), tree.Move(tree.MustPath("/shop/web2"), tree.MustPath("/new"))); err != nil {
		t.Fatal(err)
	}
	tr.Flush()
	has(false, `grove_node_status{path="/bad"} 1`)
	has(true, `http_response_seconds{path="/new/answer"} 0.25`)
	has(true, `grove_export_conflicts 0`)
	has(true, `grove_group_nodes{path="/new",status="green"} 1`)
}

func TestSubtreeIsAPartOfTheWhole(t *testing.T) {
	e := newExporter(t, newTree(t))
	whole := strings.Split(write(t, e, Text, "/"), "\n")
	in := map[string]bool{}
	for _, line := range whole {
		in[line] = true
	}
	n := 0
	for line := range strings.Lines(write(t, e, Text, "/shop/web1")) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "#") {
			continue
		}
		n++
		if !in[line] || !strings.Contains(line, `path="/shop/web1`) {
			t.Errorf("odd line %s", line)
		}
	}
	if n < 20 {
		t.Errorf("only %d samples", n)
	}
}

func TestTextIsReadByPrometheusParser(t *testing.T) {
	e := newExporter(t, newTree(t))
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(write(t, e, Text, "/")))
	if err != nil {
		t.Fatal(err)
	}
	m := families["http_response_seconds"].GetMetric()
	if len(m) != 3 || m[0].GetGauge().GetValue() != 2.5 || m[0].GetLabel()[1].GetValue() != `a\b"c`+"\n" {
		t.Errorf("http_response_seconds: %v", m)
	}
}

func TestOwnRegistryHasNothingThatOpenMetricsForbids(t *testing.T) {
	r := NewRegistry("1.2.3", "abc")
	own, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	taken := metric.Claims{}
	for _, f := range own {
		if !taken.Claim(ownClaims(f)) {
			t.Errorf("%s clashes", f.GetName())
		}
	}
	if len(own) < 15 {
		t.Errorf("only %d families", len(own))
	}
}

// run gives text to a program and returns what it prints.
func run(t *testing.T, text, name string, args ...string) string {
	t.Helper()
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return string(out)
}

func shipped(t *testing.T) *Exporter {
	t.Helper()
	tr := newTree(t)
	if err := tr.Change(tree.Remove(tree.MustPath("/shop/web1/negative"))); err != nil {
		t.Fatal(err)
	}
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr, Gatherers: []client.Gatherer{NewRegistry("1.2.3", "abc"), FromSet(newSet(), testHelp)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func TestPromtoolFindsNothing(t *testing.T) {
	if out := run(t, write(t, shipped(t), Text, "/"), "/usr/bin/promtool", "check", "metrics"); out != "" {
		t.Errorf("promtool says:\n%s", out)
	}
}

func TestStrictOpenMetricsParserFindsNothing(t *testing.T) {
	const script = `
import sys
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
except ImportError:
    print("not installed"); sys.exit(0)
families = list(parse(sys.stdin.read()))
print(len(families) > 10)
`
	for _, path := range []string{"/", "/shop"} {
		text := write(t, shipped(t), OpenMetrics, path)
		out := run(t, text, "/usr/bin/python3", "-c", script)
		switch strings.TrimSpace(out) {
		case "not installed":
			t.Skip("python3-prometheus-client is not installed")
		case "True":
		case "False":
			if path == "/" {
				t.Error("too few families")
			}
		default:
			t.Errorf("the parser says:\n%s", out)
		}
	}
}

func TestNegotiation(t *testing.T) {
	for accept, want := range map[string]Format{
		"":           Text,
		"*/*":        Text,
		"text/html":  Text,
		"text/plain": Text,
		"application/openmetrics-text; version=1.0.0":          OpenMetrics,
		"application/openmetrics-text; version=\"1.0.0\"":      OpenMetrics,
		"application/openmetrics-text":                         OpenMetrics,
		"application/openmetrics-text; version=2.0.0":          Text,
		"application/openmetrics-text; q=0":                    Text,
		"application/openmetrics-text;q=0.4, text/plain;q=0.5": Text,
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2": OpenMetrics,
	} {
		if got := negotiate(accept); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

func TestAnswers(t *testing.T) {
	e := newExporter(t, newTree(t))
	ask := func(target string, header ...string) *http.Response {
		r := httptest.NewRequest("GET", target, nil).WithContext(grant.With(context.Background(), grant.Anonymous))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w.Result()
	}
	res := ask("/metrics", "Accept", "application/openmetrics-text; version=1.0.0", "Accept-Encoding", "gzip")
	if ct := res.Header.Get("Content-Type"); ct != "application/openmetrics-text; version=1.0.0; charset=utf-8" {
		t.Errorf("content type %q", ct)
	}
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(z); err != nil || !bytes.HasSuffix(body, []byte("# EOF\n")) {
		t.Errorf("body ends %q, %v", body[max(0, len(body)-20):], err)
	}
	res = ask("/metrics")
	if ct := res.Header.Get("Content-Type"); ct != "text/plain; version=0.0.4; charset=utf-8" || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("content type %q, encoding %q", ct, res.Header.Get("Content-Encoding"))
	}
	for target, want := range map[string]int{"/metrics?path=/nowhere": 404, "/metrics?path=/a//b": 400, "/metrics?path=/shop": 200} {
		if got := ask(target).StatusCode; got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
}

// benchTree has 100,000 values in 10,000 hosts.
func benchTree(b testing.TB) *tree.Tree {
	b.Helper()
	tr := tree.New(tree.Options{})
	var ops []tree.Op
	spec := &tree.Spec{Kind: tree.Performance, Unit: "s"}
	named := &tree.Spec{Kind: tree.Performance, Unit: "ms", Metric: "answer_seconds", Labels: map[string]string{"site": "x"}}
	path := func(i int) tree.Path { return tree.MustPath(fmt.Sprintf("/site%d/host%d/value%d", i/1000, i/10, i)) }
	for i := range 100_000 {
		s := spec
		if i%10 == 0 {
			s = named
		}
		ops = append(ops, tree.Add(path(i), s))
	}
	if err := tr.Change(ops...); err != nil {
		b.Fatal(err)
	}
	var batch []tree.Reading
	for i := range 100_000 {
		ref, _ := tr.Lookup(path(i))
		batch = append(batch, tree.Reading{Node: ref, Value: float64(i) / 100})
	}
	tr.Apply(batch)
	tr.Flush()
	return tr
}

// BenchmarkStructure is a scrape after a node came and another went, less the writing.
func BenchmarkStructure(b *testing.B) {
	tr := benchTree(b)
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	write(b, e, Text, "/")
	spec := &tree.Spec{Kind: tree.Performance, Unit: "s"}
	path := func(i int) tree.Path { return tree.MustPath(fmt.Sprintf("/site%d/host%d/new%d", i%100, i%100*100, i)) }
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		ops := []tree.Op{tree.Add(path(i), spec)}
		if i > 0 {
			ops = append(ops, tree.Remove(path(i-1)))
		}
		if err := tr.Change(ops...); err != nil {
			b.Fatal(err)
		}
		tr.Flush()
		if _, err := e.table.update(nil); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkWrite(b *testing.B) {
	tr := benchTree(b)
	e, err := New(Options{Guard: grant.NewGuard(tr), Tree: tr})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	write(b, e, Text, "/") // the first scrape builds the table
	for _, f := range []Format{Text, OpenMetrics} {
		b.Run(string(f[:12]), func(b *testing.B) {
			var buf bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				if err := e.Write(&buf, f, tree.Root); err != nil {
					b.Fatal(err)
				}
			}
			lines := bytes.Count(buf.Bytes(), []byte("\n"))
			b.ReportMetric(float64(lines), "lines")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(lines), "ns/line")
		})
	}
}
