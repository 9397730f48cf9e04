package promquery_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/promquery"
	"grove/runtime/probe/series"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func kind() probe.Kind { return promquery.Kind(nil, nil) }

func options(url string, o series.Options) *promquery.Options {
	all := kind().NewOptions().(*promquery.Options)
	o.MaxSeries = all.Queries.MaxSeries
	all.URL, all.Queries = url, o
	return all
}

func value(query string) series.Options {
	return series.Options{Values: map[string]string{"x": query}}
}

// serverStandIn answers as a Prometheus does, with what Debian's never says.
func serverStandIn(t *testing.T) (url string, answer func(status int, body string)) {
	type reply struct {
		status int
		body   string
	}
	var current atomic.Pointer[reply]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/prefix/api/v1/query" || r.Method != "POST" || r.FormValue("query") == "" {
			http.Error(w, "what?", http.StatusNotFound)
			return
		}
		a := current.Load()
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.body))
	}))
	t.Cleanup(s.Close)
	answer = func(status int, body string) { current.Store(&reply{status, body}) }
	answer(200, `{"status":"success","data":{"resultType":"scalar","result":[1,"42"]}}`)
	return s.URL + "/prefix/", answer
}

func TestContract(t *testing.T) {
	url, _ := serverStandIn(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	probetest.Run(t, kind(), options(url, value("sum(up)")))
	probetest.Stops(t, kind(), options("http://"+silent.Addr().String(), value("up")))
	many := series.Options{Values: map[string]string{}}
	for i := range 101 {
		many.Values[fmt.Sprintf("v%03d", i)] = "up"
	}
	probetest.Refuses(t, kind(),
		probetest.Bad{Name: "syntax", Options: options(url, value("sum(up")), Option: "values.x", Want: `values.x: "sum(up": 1:7: parse error: unclosed left parenthesis`},
		probetest.Bad{Name: "range", Options: options(url, value("up[5m]")), Option: "values.x", Want: `values.x: "up[5m]": is a matrix, and a number or a vector is wanted`},
		probetest.Bad{Name: "empty", Options: options(url, value("")), Option: "values.x", Want: `values.x: is empty: it is a query in PromQL, such as sum(up)`},
		probetest.Bad{Name: "long", Options: options(url, value(strings.Repeat("x", 10_001))), Option: "values.x", Want: `values.x: has 10001 bytes, more than 10000`},
		probetest.Bad{Name: "many", Options: options(url, many), Option: "values.v100", Want: `values.v100: is one more than the 100 queries that are allowed`},
		probetest.Bad{Name: "nothing", Options: options(url, series.Options{}), Option: "values", Want: "values: are missing: neither values nor texts nor tables say what is wanted"},
		probetest.Bad{Name: "no key", Options: options(url, series.Options{Tables: map[string]series.Table{"t": {Columns: map[string]string{"n": "up"}}}}), Option: "tables.t.key", Want: "tables.t.key: is missing: which labels tell rows apart?"},
		probetest.Bad{Name: "text", Options: options(url, series.Options{Texts: map[string]series.Text{"t": {Of: "sum(", Label: "x"}}}), Option: "texts.t.of", Want: `texts.t.of: "sum(": 1:5: parse error: unclosed left parenthesis`},
	)
	other := options(url, value("a language of its own"))
	other.Check = false
	p, err := kind().New(other)
	if err != nil {
		t.Fatal(err)
	}
	_ = p.Close()
}

func ask(t *testing.T, p probe.Probe) (map[string]any, probe.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]any{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.Any()
	}
	return got, r, err
}

func TestAnswers(t *testing.T) {
	url, answer := serverStandIn(t)
	p, err := kind().New(options(url, value("up")))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, tt := range []struct {
		name         string
		status       int
		body         string
		up           float64
		state, error string
		x            any
		problem      string
		warnings     any
	}{
		{"scalar", 200, `{"status":"success","data":{"resultType":"scalar","result":[1,"42"]}}`, 1, "up", "", 42.0, "", ""},
		{"vector", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"7"]}]},"warnings":["w"],"infos":["i","w"]}`, 1, "up", "", 7.0, "", "i; w"},
		{"nothing", 200, `{"status":"success","data":{"resultType":"vector","result":[]}}`, 1, "up", "", nil, "", ""},
		{"not a number", 200, `{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}`, 1, "up", "", nil, "", ""},
		{"two", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"7"]},{"metric":{"a":"c"},"value":[1,"7"]}]}}`, 1, "up", "", nil, "values.x: 2 series fit, and one is wanted: say which by a label, or put sum(…), min, max, avg or count around it", ""},
		{"names alone", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"b"},"value":[1,"7"]},{"metric":{"__name__":"c"},"value":[1,"7"]}]}}`, 1, "up", "", 7.0, "values.x: finds several metrics with the same labels: aggregate them, such as by sum(…)", ""},
		{"histogram", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"1"}]}]}}`, 1, "up", "", nil, "values.x: finds histograms: make a number of them, such as by histogram_quantile(0.99, …)", ""},
		{"matrix", 200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, 1, "up", "", nil, "values.x: finds a matrix, and a number or a vector is wanted", ""},
		{"refused", 422, `{"status":"error","errorType":"execution","error":"many-to-many matching not allowed"}`, 1, "up", "", nil, "values.x: many-to-many matching not allowed", ""},
		{"overloaded", 503, `{"status":"error","errorType":"timeout","error":"query timed out"}`, 0, "status", "status 503 Service Unavailable", nil, "", nil},
		{"no such page", 404, `nothing here`, 0, "status", "status 404 Not Found: nothing here", nil, "", nil},
		{"no JSON", 200, `<html>`, 0, "malformed", "the answer to values.x: is not the JSON of Prometheus: invalid character '<' looking for beginning of value", nil, "", nil},
		{"other JSON", 200, `{}`, 0, "malformed", "the answer to values.x: is not the JSON of Prometheus: it has no status", nil, "", nil},
		{"broken pair", 200, `{"status":"success","data":{"resultType":"scalar","result":[1]}}`, 0, "malformed", "the answer to values.x: a scalar is a time and a number: unexpected end of JSON input", nil, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer(tt.status, tt.body)
			got, _, err := ask(t, p)
			problem := ""
			if err != nil {
				problem = err.Error()
			}
			want := map[string]any{"up": tt.up, "state": tt.state, "error": tt.error, "x": tt.x, "problem": tt.problem, "warnings": tt.warnings}
			had := map[string]any{"up": got["up"], "state": got["state"], "error": got["error"], "x": got["x"], "problem": problem, "warnings": got["warnings"]}
			if diff := cmp.Diff(want, had); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestRealPrometheus asks Debian's Prometheus, which scrapes itself and a target that is down.
func TestRealPrometheus(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "global: { scrape_interval: 200ms }\nscrape_configs: [ { job_name: self, static_configs: [ { targets: [%q, \"127.0.0.1:1\"] } ] } ]\n", address), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+dir, "--web.listen-address="+address)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	zero := 0.0
	p, err := kind().New(options("http://"+address, series.Options{
		Values:     map[string]string{"share": "sum(up) / count(up) * 100", "clock": "time()", "rate": "sum(rate(prometheus_tsdb_head_samples_appended_total[10s]))", "none": "no_such_metric"},
		Texts:      map[string]series.Text{"version": {Of: "prometheus_build_info", Label: "version"}},
		Tables:     map[string]series.Table{"targets": {Key: []string{"job", "instance"}, Columns: map[string]string{"up": "up", "took": "scrape_duration_seconds"}, Attributes: map[string]series.Attribute{"took": {Unit: "s"}}}},
		Attributes: map[string]series.Attribute{"none": {Default: &zero}, "share": {Unit: "%"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		got, r, err := ask(t, p)
		if err == nil && got["share"] == 50.0 && got["version"] != nil && got["rate"] != nil && len(r.Tables) == 1 && len(r.Tables[0].Rows) == 2 {
			if c, _ := got["clock"].(float64); time.Since(time.Unix(int64(c), 0)).Abs() > time.Minute {
				t.Errorf("clock: %v", c)
			}
			if got["none"] != 0.0 || got["missing"] != "" || got["warnings"] != "" {
				t.Errorf("%v", got)
			}
			if rows := fmt.Sprint(r.Tables[0].Columns, r.Tables[0].Rows); !strings.HasPrefix(rows, "[job instance took up key] [[self 127.0.0.1:1 ") || !strings.Contains(rows, " 0 self,127.0.0.1:1] [self "+address) {
				t.Error(rows)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v %v %v", got, r.Tables, err)
		}
	}
	bad, err := kind().New(options("http://"+address, series.Options{Values: map[string]string{"bad": "up * on (job) up", "good": "sum(up)"}}))
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	got, _, err := ask(t, bad)
	if err == nil || !strings.HasPrefix(err.Error(), "values.bad: ") || got["up"] != 1.0 || got["good"] != 1.0 {
		t.Errorf("%v %v", got, err)
	}
}
