package definitions_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
	"go.yaml.in/yaml/v4"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/metric"
	"grove/viewer/export/prometheus"
	"grove/viewer/export/prometheus/prometheustest"
	"grove/viewer/export/rules"
)

// alertFiles are the rules that come with grove, by the file that they are checked in as.
func alertFiles(t *testing.T, o rules.Options) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, app := range applications(t) {
		text, err := rules.Prometheus(one(t, app), o)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Join(app, "alerts.rules")] = text
	}
	text, err := rules.Overview(o)
	if err != nil {
		t.Fatal(err)
	}
	out["grove/overview.rules"] = text
	return out
}

// accepts runs a program that checks a file.
func accepts(t *testing.T, program string, args ...string) {
	t.Helper()
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not installed", program)
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

func TestRulesAreCheckedIn(t *testing.T) {
	for name, text := range alertFiles(t, rules.Options{}) {
		golden(t, name, text)
		accepts(t, "/usr/bin/promtool", "check", "rules", "--lint=all", "--lint-fatal", name)
	}
	text, err := rules.Alertmanager(rules.AlertmanagerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "grove/alertmanager.conf", text)
	accepts(t, "/usr/bin/amtool", "check-config", "grove/alertmanager.conf")
}

// ruleFile is what promtool reads of a file of rules.
type ruleFile struct {
	Groups []struct {
		Rules []alertRule `yaml:"rules"`
	} `yaml:"groups"`
}

type alertRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// The form of promtool's unit tests.
type (
	unitTest struct {
		RuleFiles          []string   `yaml:"rule_files"`
		EvaluationInterval string     `yaml:"evaluation_interval"`
		Tests              []unitCase `yaml:"tests"`
	}
	unitCase struct {
		Name     string       `yaml:"name"`
		Interval string       `yaml:"interval"`
		Input    []unitSeries `yaml:"input_series"`
		Alerts   []unitAlert  `yaml:"alert_rule_test"`
	}
	unitSeries struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	unitAlert struct {
		At     string      `yaml:"eval_time"`
		Name   string      `yaml:"alertname"`
		Expect []unitFires `yaml:"exp_alerts"`
	}
	unitFires struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	}
)

// statusOf finds which nodes an alert is about.
var statusOf = regexp.MustCompile(`grove_node_status\{path=~"((?:[^"\\]|\\.)*)"\} (>=|==) (\d)`)

// TestRulesFire writes unit tests for promtool: a tree with everything, in which
// everything is as bad as it can be, then as good, then unknown. Each alert must fire for
// exactly the nodes of its own application whose status it names.
func TestRulesFire(t *testing.T) {
	for _, state := range []struct {
		name  string
		water func(*tree.Tree)
	}{
		{"bad", func(tr *tree.Tree) { water(tr, func(tree.Path) bool { return true }) }},
		{"good", func(tr *tree.Tree) { water(tr, func(tree.Path) bool { return false }) }},
		{"unknown", func(*tree.Tree) {}},
	} {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			tr := tree.New(tree.Options{})
			grow := newGarden(t, tr)
			state.water(tr)
			dir, fired := t.TempDir(), 0
			c := unitCase{Name: state.name, Interval: "1m", Input: exposed(t, tr)}
			test := unitTest{EvaluationInterval: "1m"}
			for _, app := range applications(t) {
				text, err := rules.Prometheus(one(t, app), rules.Options{})
				if err != nil {
					t.Fatal(err)
				}
				var f ruleFile
				if err := yaml.Unmarshal(text, &f); err != nil {
					t.Fatal(err)
				}
				test.RuleFiles = append(test.RuleFiles, configure(t, filepath.Join(dir, app+".rules"), string(text)))
				byName := map[string]int{} // A name begins with that of its application.
				for _, r := range f.Groups[0].Rules {
					at, there := byName[r.Alert]
					if !there {
						at = len(c.Alerts)
						byName[r.Alert] = at
						c.Alerts = append(c.Alerts, unitAlert{At: "20m", Name: r.Alert})
					}
					expect := firing(t, tr, grow[app], r)
					fired += len(expect)
					c.Alerts[at].Expect = append(c.Alerts[at].Expect, expect...)
				}
			}
			test.Tests = []unitCase{c}
			out, err := yaml.Marshal(test)
			if err != nil {
				t.Fatal(err)
			}
			// One run for all, since reading the series is what takes long.
			accepts(t, "/usr/bin/promtool", "test", "rules", configure(t, filepath.Join(dir, "it.test.yaml"), string(out)))
			if want := map[string]int{"bad": 40, "good": 0, "unknown": 5}[state.name]; fired < want || want == 0 && fired > 0 {
				t.Errorf("%d alerts fire, want %d", fired, want)
			}
		})
	}
}

// exposed gives what an exporter says of a tree as series of promtool's unit tests.
func exposed(t *testing.T, tr *tree.Tree) []unitSeries {
	t.Helper()
	e, err := prometheus.New(prometheus.Options{Tree: tr, Guard: grant.NewGuard(tr)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var text bytes.Buffer
	if err := e.Write(&text, prometheus.Text, tree.Root); err != nil {
		t.Fatal(err)
	}
	var out []unitSeries
	for line := range strings.Lines(text.String()) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		out = append(out, unitSeries{line[:at], line[at+1:] + "x30"})
	}
	return out
}

// firing says which alerts a rule must raise for the nodes of an application, by the tree
// itself.
func firing(t *testing.T, tr *tree.Tree, at tree.Path, r alertRule) []unitFires {
	t.Helper()
	m := statusOf.FindStringSubmatch(r.Expr)
	if m == nil {
		t.Fatalf("%s asks for no status: %s", r.Alert, r.Expr)
	}
	path := regexp.MustCompile("^(?:" + strings.ReplaceAll(m[1], `\\`, `\`) + ")$")
	var out []unitFires
	_ = tr.Walk(at, -1, func(n *tree.Node) bool {
		// A pattern ends as a path does; its beginning is any place of an instance.
		below, _ := at.Below(n.Path)
		end := strings.TrimPrefix(m[1], ".+")
		whole := regexp.MustCompile("^" + strings.ReplaceAll(end, `\\`, `\`) + "$")
		if !path.MatchString(n.Path.String()) || !whole.MatchString(below.String()) {
			return true
		}
		is := fmt.Sprint(int(n.Status))
		if m[2] == "==" && is != m[3] || is < m[3] {
			return true
		}
		labels := map[string]string{"path": n.Path.String()}
		value := float64(n.Status)
		if !strings.HasPrefix(r.Expr, metric.Status) && !strings.HasPrefix(r.Expr, "label_replace("+metric.Status) {
			s := metric.SeriesOf(n.Path, n.Spec)
			number, ok := n.Value.Number()
			if !ok {
				return true
			}
			value = s.Scale.Of(number)
			for _, l := range s.Labels {
				if l.Value != "" { // To Prometheus an empty label is none.
					labels[l.Name] = l.Value
				}
			}
		}
		labels["at"] = at.String()
		f := unitFires{Labels: map[string]string{}, Annotations: map[string]string{}}
		for k, v := range labels {
			f.Labels[k] = v
		}
		for k, v := range r.Labels {
			f.Labels[k] = v
		}
		f.Labels["at"], f.Labels["parent"] = at.String(), n.Path.Parent().String()
		if r.Labels["scope"] == "group" {
			f.Labels["parent"] = n.Path.String()
		}
		for k, v := range r.Annotations {
			f.Annotations[k] = expand(t, v, labels, value)
		}
		out = append(out, f)
		return true
	})
	return out
}

// expand fills in a template as Prometheus does.
func expand(t *testing.T, text string, labels map[string]string, value float64) string {
	t.Helper()
	e := template.NewTemplateExpander(t.Context(), "{{$labels := .Labels}}{{$value := .Value}}"+text, "it",
		template.AlertTemplateData(labels, nil, "", promql.Sample{F: value}), model.Time(0), nil, nil, nil)
	out, err := e.Expand()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPrometheusRaisesAlerts has a real Prometheus load all rules and scrape a tree in
// which one node of each application is red.
func TestPrometheusRaisesAlerts(t *testing.T) {
	t.Parallel()
	tr := tree.New(tree.Options{})
	plant(t, tr)
	e, err := prometheus.New(prometheus.Options{Tree: tr, Guard: grant.NewGuard(tr)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	grove := httptest.NewServer(toEverybody(e))
	defer grove.Close()
	dir := t.TempDir()
	for name, text := range alertFiles(t, rules.Options{For: -1}) {
		if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, "/", "-")), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := prometheustest.Start(t, fmt.Sprintf("global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }\nrule_files: [ %q ]\nscrape_configs:\n- job_name: grove\n  static_configs:\n  - targets: [%q]\n",
		filepath.Join(dir, "*.rules"), strings.TrimPrefix(grove.URL, "http://")))
	type alert struct {
		State       string            `json:"state"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	}
	var want []string
	for _, r := range reds {
		at := "/grove"
		if strings.HasPrefix(r.path, planted) {
			at = strings.Join(strings.Split(r.path, "/")[:3], "/")
		}
		want = append(want, fmt.Sprintf("%s %s of %s: %s", r.alert, r.path, at, r.value))
	}
	slices.Sort(want)
	var odd []string
	err = server.Until(func() error {
		var data struct {
			Alerts []alert `json:"alerts"`
		}
		if err := server.Get("/api/v1/alerts", &data); err != nil {
			return err
		}
		var got []string
		odd = nil
		for _, a := range data.Alerts {
			if a.State != "firing" {
				continue
			}
			if app := a.Labels["application"]; !strings.HasSuffix(a.Labels["at"], "/"+app) || !strings.HasPrefix(a.Labels["path"], a.Labels["at"]+"/") {
				odd = append(odd, fmt.Sprint(a.Labels))
			}
			if a.Labels["severity"] == "critical" {
				got = append(got, fmt.Sprintf("%s %s of %s: %s", a.Labels["alertname"], a.Labels["path"], a.Labels["at"], a.Annotations["value"]))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("alerts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, o := range odd {
		t.Errorf("an alert of another application's node: %s", o)
	}
	for query, want := range map[string]string{`grove:attributes:count{status="red"}`: fmt.Sprint(len(want)), `count(grove:bad_attributes:ratio > 0)`: "1"} {
		if got := server.Value(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
