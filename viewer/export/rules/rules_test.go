package rules

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"testing/fstest"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition"
	"grove/viewer/export/goldentest"
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
		{Name: "rows", Type: beans.TypeTable, Key: "name", Columns: []beans.AttributeInfo{
			{Name: "name", Type: beans.TypeString}, {Name: "size", Type: beans.TypeInt}, {Name: "state", Type: beans.TypeString},
		}},
	}, nil
}

func define(t *testing.T, text string) *definition.Definition {
	t.Helper()
	l := definition.Loader{Kinds: kinds{}}
	plan, errs := l.FS(fstest.MapFS{"it.yaml": {Data: []byte("grove: 1\napplication: my.app\nprobes: { p: { kind: test } }\n" + text)}}, "")
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.Definitions[0]
}

const sample = `
title: My {{ application }}
tree:
  Up: { from: p.up, metric: my_up, description: Whether it is there. }
  Speed: { from: p.n, metric: my_speed_ratio, unit: "%", yellow: "< 50 for 1m", red: "< 10", description: "As a {{ share }}." }
  Only yellow: { from: p.n, unit: s, yellow: "> 3" }
  Only red: { from: p.n, unit: s, metric: my_only_red_seconds, red: "> 3 for 5m" }
  No border: { from: p.n }
  "Words (odd) \"x\" \\ y": { from: p.text, states: { good: green, bad: yellow, "*": red } }
  Any words: { from: p.text }
  Note: { from: p.text, kind: text }
  Rows:
    rollup: { percent: { yellow: 10, red: 50 } }
    "${row.name}":
      each: p.rows
      Size: { from: row.size, unit: bytes, red: "> 1000" }
      State: { from: row.state, states: { up: green, "*": yellow } }
`

// accepts runs a program that checks a file.
func accepts(t *testing.T, program string, args ...string) {
	t.Helper()
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not installed", program)
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", program, err, out)
	}
}

func TestRulesOfDefinition(t *testing.T) {
	text, err := Prometheus(define(t, sample), Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := goldentest.Is(t, "sample.rules", text)
	accepts(t, "/usr/bin/promtool", "check", "rules", "--lint=all", "--lint-fatal", file)
}

func TestRulesOfTree(t *testing.T) {
	text, err := Overview(Options{Page: "https://grove.example/base/"})
	if err != nil {
		t.Fatal(err)
	}
	file := goldentest.Is(t, "overview.rules", text)
	accepts(t, "/usr/bin/promtool", "check", "rules", "--lint=all", "--lint-fatal", file)
}

func TestOptionsAreChecked(t *testing.T) {
	d := define(t, sample)
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Page: "grove:7440"}, `rules: page "grove:7440" is no http or https URL of grove, such as http://127.0.0.1:7440, without user, query and fragment`},
		{Options{Page: "http://{{ x }}"}, `rules: page "http://{{ x }}" is no http or https URL of grove, such as http://127.0.0.1:7440, without user, query and fragment`},
		{Options{For: 1500 * time.Millisecond}, "rules: 1.5s are no whole seconds"},
		{Options{For: -1}, ""},
		{Options{}, ""},
	} {
		for _, make := range []func() ([]byte, error){
			func() ([]byte, error) { return Prometheus(d, c.options) },
			func() ([]byte, error) { return Overview(c.options) },
		} {
			_, err := make()
			if got := errText(err); got != c.want {
				t.Errorf("%+v: %s, want %s", c.options, got, c.want)
			}
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAlertmanager(t *testing.T) {
	text, err := Alertmanager(AlertmanagerOptions{
		Receivers: []Receiver{{Name: "people", Webhook: "http://127.0.0.1:9/hook"}, {Name: "shop"}},
		Routes: []Route{
			{tree.MustPath("/shop (a.b)"), "critical", "shop"},
			{tree.MustPath("/shop (a.b)"), "", "shop"},
			{tree.Root, "warning", "people"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := goldentest.Is(t, "alertmanager.conf", text)
	accepts(t, "/usr/bin/amtool", "check-config", file)
	for labels, want := range map[string]string{
		`path=/shop (a.b)/x`: "shop", `path=/shop (a.b)`: "shop", `path=/shop (a.b)x`: "people", `path=/other`: "people",
	} {
		accepts(t, "/usr/bin/amtool", "config", "routes", "test", "--config.file="+file, "--verify.receivers="+want, "severity=critical", labels)
	}
	text, err = Alertmanager(AlertmanagerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	accepts(t, "/usr/bin/amtool", "check-config", goldentest.Is(t, "alertmanager.least.conf", text))
}

func TestAlertmanagerRefuses(t *testing.T) {
	one := []Receiver{{Name: "a"}}
	for _, c := range []struct {
		options AlertmanagerOptions
		want    string
	}{
		{AlertmanagerOptions{Receivers: []Receiver{{}}}, "rules: a receiver has no name"},
		{AlertmanagerOptions{Receivers: []Receiver{{Name: "a"}, {Name: "a"}}}, `rules: receiver "a" is there twice`},
		{AlertmanagerOptions{Receivers: []Receiver{{Name: "a", Webhook: "ftp://x"}}}, `rules: receiver "a": its webhook is no http or https URL`},
		{AlertmanagerOptions{Receivers: []Receiver{{Name: "a", Webhook: "http://u:secret@x"}}},
			`rules: receiver "a": a password does not belong into the URL of its webhook; Alertmanager reads it from a file (http_config)`},
		{AlertmanagerOptions{Receivers: one, Routes: []Route{{Receiver: "b"}}}, `rules: the route of / goes to "b", which is no receiver`},
		{AlertmanagerOptions{Receivers: one, Routes: []Route{{Receiver: "a", Severity: "bad"}}}, `rules: the route of /: severity "bad" is neither warning nor critical`},
		{AlertmanagerOptions{Receivers: one, Routes: make([]Route, MaxRoutes+1)}, "rules: 1 receivers and 1001 routes, and there may be 1000 of each"},
	} {
		_, err := Alertmanager(c.options)
		if got := errText(err); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
