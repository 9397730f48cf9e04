package grafana

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v4"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition"
	"grove/tree/metric"
)

// kinds knows one kind of probe.
type kinds struct{}

func (kinds) KindNames() []string           { return []string{"test"} }
func (kinds) NewOptions(string) (any, bool) { return &struct{}{}, true }
func (kinds) Pushes(string) bool            { return false }
func (kinds) Attributes(string, any) ([]beans.AttributeInfo, error) {
	return []beans.AttributeInfo{
		{Name: "n", Type: beans.TypeFloat},
		{Name: "up", Type: beans.TypeBool},
		{Name: "text", Type: beans.TypeString},
		{Name: "log", Type: beans.TypeString},
		{Name: "rows", Type: beans.TypeTable, Key: "name", Columns: []beans.AttributeInfo{{Name: "name", Type: beans.TypeString}, {Name: "size", Type: beans.TypeInt}}},
	}, nil
}

func define(t testing.TB, text string) *definition.Definition {
	t.Helper()
	l := definition.Loader{Kinds: kinds{}}
	plan, errs := l.FS(fstest.MapFS{"it.yaml": {Data: []byte("grove: 1\napplication: my.App\nprobes: { p: { kind: test } }\n" + text)}}, "")
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.Definitions[0]
}

func parse(expr string) error {
	_, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	return err
}

const sample = `
title: My application
tree:
  Direct: { from: p.n, metric: my_direct_seconds, unit: ms, yellow: "> 100", red: "> 200", description: How long. }
  Requests: { from: p.n, metric: my_requests_total }
  Bytes: { from: p.n, metric: my_bytes_total, unit: KiB }
  "A.b (c) \"d\" \\ e":
    Text: { from: p.text, kind: text }
    State: { from: p.up }
    Plain: { from: p.n, unit: "%" }
  Rows:
    "${row.name}":
      each: p.rows
      Size: { from: row.size, unit: bytes, red: "> 1000" }
      Odd: { from: row.size, unit: "${row.name}" }
      Grade: { from: row.size, metric: "my_${row.name}_grade" }
tests:
  - name: two rows
    rows: { p.rows: [ { name: a, size: 1 }, { name: b, size: 2 } ] }
    expect: { "": white }
`

func TestDashboardAsks(t *testing.T) {
	text, err := Dashboard(define(t, sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Lint(text, parse) {
		t.Error(p)
	}
	queries, err := Queries(text, map[string]string{"instance": "/x"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range queries {
		got = append(got, fmt.Sprintf("%s: %s %v %v", q.Panel, q.Expr, q.Instant, q.MayBeEmpty))
	}
	odd := `/A\\.b \\(c\\) \"d\" \\\\ e`
	want := []string{
		`variable instance: my_direct_seconds false false`,
		`Status: grove_node_status{path=~"/x(/[^/]+)?"} false false`,
		`Problems: grove_node_status{path=~"/x(/Direct|` + odd + `/State|/Rows/[^/]+/Size)"} >= 2 true true`,
		`Direct: my_direct_seconds{path=~"/x/Direct"} false false`,
		`Requests: rate(my_requests_total{path=~"/x/Requests"}[4m]) false false`,
		`Bytes: rate(my_bytes_total{path=~"/x/Bytes"}[4m]) false false`,
		`States of A.b (c) "d" \ e: grove_node_status{path=~"/x` + odd + `/State"} false false`,
		`Plain: grove_node_value{path=~"/x` + odd + `/Plain"} false false`,
		`Size: grove_node_value{path=~"/x/Rows/[^/]+/Size"} false true`,
		`Odd: grove_node_value{path=~"/x/Rows/[^/]+/Odd"} false true`,
		`Grade: {__name__=~"my_a_grade|my_b_grade|my_sample_grade",path=~"/x/Rows/[^/]+/Grade"} false true`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for _, want := range []string{`"uid": "grove-app-my-app"`, `"unit": "binBps"`, `"unit": "s"`, `"regex": "^(.*)/Rows/([^/]+)/Size$"`, `"renamePattern": "$1 $2"`, "Texts are on [grove's page](${grove}/): A.b (c)"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(string(text), "suffix: a") {
		t.Error("a chart of values in different units has the unit of the first")
	}
	again, err := Dashboard(define(t, sample))
	if err != nil || string(again) != string(text) {
		t.Errorf("the same definition makes another dashboard, %v", err)
	}
}

func TestDashboardIsBounded(t *testing.T) {
	var many strings.Builder
	many.WriteString("tree:\n")
	for i := range MaxPanels + 1 {
		fmt.Fprintf(&many, "  N%d: { from: p.n }\n", i)
	}
	_, err := Dashboard(define(t, many.String()))
	want := "grafana: too many attributes for a dashboard: definition my.App has 501 numbers, and a dashboard at most 500 panels; nodes that are alike share one when a loop writes them"
	if !errors.Is(err, ErrTooLarge) || err.Error() != want {
		t.Errorf("%v", err)
	}
	text, err := Dashboard(define(t, "tree:\n  \"N${item}\": { each: \"1..2000\", from: p.n, red: \"> 1\" }\n"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"type": "timeseries"`); n != 1 {
		t.Errorf("%d charts for a loop", n)
	}
}

// TestWithoutMetricsInstancesAreFoundByPath is about a definition whose nodes have no
// metrics of their own.
func TestWithoutMetricsInstancesAreFoundByPath(t *testing.T) {
	for tree, want := range map[string]string{
		"tree: { A: { B: { from: p.n } } }":                                  `grove_node_status{path=~".+/A/B"}`,
		"tree: { A: { B: { from: p.up, metric: my_b } } }":                   `my_b`,
		"tree: { G: { \"${row.name}\": { each: p.rows, from: row.size } } }": `grove_node_status{path=~".+"}`,
	} {
		text, err := Dashboard(define(t, tree))
		if err != nil {
			t.Fatal(err)
		}
		queries, err := Queries(text, map[string]string{"instance": "/x"})
		if err != nil || queries[0].Expr != want {
			t.Errorf("%s: %v, %v, want %s", tree, queries[0].Expr, err, want)
		}
	}
}

func TestSteps(t *testing.T) {
	g, y, r := colours[tree.Green], colours[tree.Yellow], colours[tree.Red]
	_, ratio := metric.BaseUnit("x_ratio", "%")
	for name, c := range map[string]struct {
		threshold *tree.Threshold
		scale     *metric.Scale
		want      string
	}{
		"none":           {nil, metric.Identity, g},
		"nothing":        {&tree.Threshold{}, metric.Identity, g},
		"above":          {&tree.Threshold{Yellow: tree.AboveLevel(80, 80), Red: tree.AboveLevel(90, 90)}, ratio, g + " 0.8 " + y + " 0.9 " + r},
		"below":          {&tree.Threshold{Yellow: tree.BelowLevel(5, 5), Red: tree.BelowLevel(2, 2)}, metric.Identity, r + " 2 " + y + " 5 " + g},
		"only red below": {&tree.Threshold{Red: tree.BelowLevel(2, 2)}, metric.Identity, r + " 2 " + g},
		"outside": {&tree.Threshold{Yellow: tree.Level{Form: tree.Outside, Low: 2, High: 8}, Red: tree.Level{Form: tree.Outside, Low: 1, High: 9}}, metric.Identity,
			r + " 1 " + y + " 2 " + g + " 8 " + y + " 9 " + r},
		"inside":      {&tree.Threshold{Yellow: tree.Level{Form: tree.Inside, Low: 2, High: 8}}, metric.Identity, g + " 2 " + y + " 8 " + g},
		"mixed":       {&tree.Threshold{Yellow: tree.AboveLevel(8, 8), Red: tree.BelowLevel(2, 2)}, metric.Identity, r + " 2 " + g + " 8 " + y},
		"same border": {&tree.Threshold{Yellow: tree.AboveLevel(8, 8), Red: tree.AboveLevel(8, 8)}, metric.Identity, g + " 8 " + r},
	} {
		var got []string
		for _, s := range steps(c.threshold, c.scale) {
			if s.Value != nil {
				got = append(got, fmt.Sprint(*s.Value))
			}
			got = append(got, s.Color)
		}
		if d := cmp.Diff(c.want, strings.Join(got, " ")); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
}

func TestUnits(t *testing.T) {
	for unit, want := range map[string]string{
		"": "short", "ratio": "percentunit", "%": "percent", "seconds": "s", "bytes_per_second": "binBps", "connections": "suffix: connections",
		"joules_per_second": "suffix: joules/s", "errors/s": "suffix: errors/s", "°C": "celsius",
	} {
		if got := unitName(unit); got != want {
			t.Errorf("%q: %q, want %q", unit, got, want)
		}
	}
}

func TestQueriesNeedTheirVariables(t *testing.T) {
	text, err := Overview()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Queries(text, nil)
	if err == nil || err.Error() != `grafana: panel "Problems": nobody gives the variable $subtree a value` {
		t.Errorf("%v", err)
	}
	if _, err := Queries([]byte("{"), nil); err == nil {
		t.Error("half a dashboard is none")
	}
}

func TestProvisioning(t *testing.T) {
	files, err := Provisioning("https://grove.example:7440/base", "/var/lib/grafana/dashboards")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"datasources/grove.yaml": `# Where grove answers queries. Put it into provisioning/datasources.
apiVersion: 1
datasources:
  - access: proxy
    editable: false
    jsonData:
      disableMetricsLookup: false
      httpMethod: GET
      manageAlerts: false
      prometheusType: Prometheus
      timeInterval: 10s
    name: Grove
    type: prometheus
    uid: grove
    url: https://grove.example:7440/base/prometheus
`,
		"dashboards/grove.yaml": `# Where the dashboards are. Put it into provisioning/dashboards.
apiVersion: 1
providers:
  - allowUiUpdates: true
    disableDeletion: false
    folder: Grove
    folderUid: grove
    name: Grove
    options:
      foldersFromFilesStructure: false
      path: /var/lib/grafana/dashboards
    type: file
    updateIntervalSeconds: 60
`,
	}
	got := map[string]string{}
	for name, text := range files {
		got[name] = string(text)
		var v map[string]any
		if err := yaml.Unmarshal(text, &v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for _, c := range [][2]string{{"grove:7440", "/x"}, {"ftp://grove", "/x"}, {"http://a:b@grove", "/x"}, {"http://grove/?q", "/x"}, {"http://grove", "x"}, {"http://", "/x"}} {
		if _, err := Provisioning(c[0], c[1]); err == nil || strings.Contains(err.Error(), "a:b") {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// FuzzQueries holds that whatever calls itself a dashboard is read without a panic, and
// that no query keeps a variable.
func FuzzQueries(f *testing.F) {
	good, err := Overview()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"panels":[{"targets":[{"expr":"up{a=\"$subtree\"}"}]}],"templating":{"list":[{"type":"query","query":"label_values(a, b)"}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		queries, err := Queries(text, map[string]string{"subtree": "/x"})
		if err != nil {
			return
		}
		for _, q := range queries {
			if strings.Contains(q.Expr, "${subtree}") || strings.Contains(q.Expr, "[[subtree]]") {
				t.Errorf("%q keeps a variable", q.Expr)
			}
		}
		Lint(text, parse)
	})
}
