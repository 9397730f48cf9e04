package app_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"grove/cmd/app"
	"grove/tree"
)

var updateMetrics = flag.Bool("update-metrics", false, "write the table of METRICS.md")

const metricsDoc = "../../viewer/export/prometheus/METRICS.md"

// The table stands between these lines.
const tableBegin, tableEnd = "<!-- table -->\n", "<!-- end of table -->\n"

// TestMetricsAreDocumented compares the table of METRICS.md with what a manager says
// after every part of it had something to do.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(metricsDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(doc), tableBegin)
	table, tail, closed := strings.Cut(rest, tableEnd)
	if !ok || !closed {
		t.Fatalf("%s has no table", metricsDoc)
	}
	m := startManager(t)
	m.use()
	// Probes and the feed take their time; what they are to show is in the table.
	got := m.wait(func(got string) bool { return got == table })
	if *updateMetrics { // after all of the wait, so that everything has come
		if err := os.WriteFile(metricsDoc, []byte(head+tableBegin+got+tableEnd+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(table, got); d != "" {
		t.Errorf("METRICS.md is not what a manager says (-update-metrics writes it): -file +manager\n%s", d)
	}
}

func TestPromtoolFindsNothingInAManager(t *testing.T) {
	const promtool = "/usr/bin/promtool"
	if _, err := os.Stat(promtool); err != nil {
		t.Skipf("%s is not installed", promtool)
	}
	m := startManager(t)
	m.use()
	m.wait(func(table string) bool { return strings.Contains(table, "grove_probe_runs_total") })
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(m.get("/metrics"))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool says %v:\n%s", err, out)
	}
}

type manager struct {
	t    *testing.T
	app  *app.App
	addr string
	http http.Client
}

func startManager(t *testing.T) *manager {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after Stop
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: t.TempDir(), NoHost: true, Version: "1.2.3", Revision: "abc"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, app: a, addr: a.Addr().String()}
	m.http.Transport = &http.Transport{DisableKeepAlives: true}
	a.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *manager) get(path string) string {
	m.t.Helper()
	return m.do(http.MethodGet, path, "")
}

func (m *manager) do(method, path, body string) string {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), method, "http://"+m.addr+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := m.http.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// use gives every part of the manager something to do: a program pushes readings while
// somebody follows the tree.
func (m *manager) use() {
	m.t.Helper()
	if _, err := m.app.Tree.Add(tree.MustPath("/test/plain"), &tree.Spec{Kind: tree.Performance, Unit: "connections"}); err != nil {
		m.t.Fatal(err)
	}
	ws, res, err := websocket.DefaultDialer.DialContext(m.t.Context(), "ws://"+m.addr+"/api/v1/live", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	defer ws.Close()
	defer res.Body.Close()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","id":1,"path":"/test"}`)); err != nil {
		m.t.Fatal(err)
	}
	for value := 0; ; value++ {
		if err := ws.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			m.t.Fatal(err)
		}
		_, frame, err := ws.ReadMessage()
		if err != nil {
			m.t.Fatal(err)
		}
		if strings.Contains(string(frame), `"delta"`) {
			return
		}
		m.do(http.MethodPost, "/api/v1/readings", fmt.Sprintf(`{"path":"/test/plain","value":%d}`, value))
	}
}

// wait returns the table of the manager's metrics when it is as wanted, or after a
// while.
func (m *manager) wait(wanted func(table string) bool) string {
	m.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * time.Minute)
	for {
		table := m.table()
		if wanted(table) {
			return table
		}
		select {
		case <-tick.C:
		case <-late:
			return table
		}
	}
}

// table describes grove's own metrics, one a line.
func (m *manager) table() string {
	m.t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(m.get("/metrics")))
	if err != nil {
		m.t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| Name | Type | Labels | Meaning |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		// The definition named grove has metrics too; they are its own.
		if !strings.HasPrefix(name, "grove_") || strings.HasPrefix(name, "grove_self_") {
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), labels(f), f.GetHelp())
	}
	return b.String()
}

func labels(f *dto.MetricFamily) string {
	names := map[string]bool{}
	for _, metric := range f.GetMetric() {
		for _, l := range metric.GetLabel() {
			names["`"+l.GetName()+"`"] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}
