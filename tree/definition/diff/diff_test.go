package diff_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"grove/tree/definition"
	"grove/tree/definition/diff"
	"grove/tree/definition/kindstest"
)

const app = `grove: 1
application: app
at: /shop
probes:
  web: { kind: http, url: "http://a/", every: 10s }
  disks: { kind: table }
tree:
  Speed: { from: web.duration, yellow: "> 500", red: "> 1000", back: 10%, metric: speed }
  Up: { from: web.up }
  Group: { rollup: { need: 1 }, "N ${item}": { each: 1..3, kind: status } }
  Load: { value: web.status / 100 }
  Disks: { "${row.mount}": { each: disks.filesystems, from: row.used, red: "> 10" } }
`

func plan(t *testing.T, text string) *definition.Plan {
	t.Helper()
	l := &definition.Loader{Kinds: kindstest.Kinds{}}
	p, errs := l.FS(fstest.MapFS{"app.yaml": {Data: []byte(text)}}, "")
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

func compare(t *testing.T, old, next *definition.Plan) string {
	t.Helper()
	c := diff.Compare(old, next)
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestMonitors changes one monitor, removes it, and moves it with its instance.
func TestMonitors(t *testing.T) {
	const text = "monitors:\n  M: { kind: gauge, node: Speed, high: 9, every: 1m }\n  C: { kind: counter, observe: \"a:b=c\", attribute: V, threshold: 5 }\n  S: { kind: string, node: Up, attribute: Status, match: green }\ntree:"
	with := strings.Replace(app, "tree:", text, 1) + "  Lines: { kind: log }\n"
	for name, tt := range map[string]struct{ old, next, want string }{
		"numbers": {"high: 9, every: 1m", "high: 10, low: 5, difference: true", "  ~ monitor M: every: 1m -> 10s; high: 9 -> 10; low: 9 -> 5; difference: false -> true; notify: high -> high, low\n"},
		"kind":    {"kind: gauge, node: Speed, high: 9", "kind: counter, node: Speed, threshold: 9", "  ~ monitor M: kind: gauge -> counter; high: 9 -> (none); low: 9 -> (none); threshold: (none) -> 9; notify: high -> threshold\n"},
		"object":  {"a:b=c", "a:b=*", "  ~ monitor C: observe: a:b=c -> a:b=*\n"},
		"node":    {"node: Speed", "node: [ Speed, Load ]", "  ~ monitor M: node: Speed -> Speed, Load\n"},
		"text":    {"match: green", "match: red, notify: match", "  ~ monitor S: match: \"green\" -> \"red\"; notify: differ, match -> match\n"},
		"log":     {"match: green", "match: green, log: Lines, status: { differ: red }", "  ~ monitor S: log: (none) -> Lines; status: (none) -> differ red\n"},
		"removed": {"  S: { kind: string, node: Up, attribute: Status, match: green }\n", "", "  - monitor S (string)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			want := "~ instance app (app) at /shop\n" + tt.want + "0 to add, 0 to change, 0 to move, 0 to remove\n"
			if d := cmp.Diff(want, compare(t, plan(t, with), plan(t, strings.Replace(with, tt.old, tt.next, 1)))); d != "" {
				t.Error(d)
			}
		})
	}
	got := compare(t, plan(t, with), plan(t, strings.Replace(with, "at: /shop", "at: /store", 1)))
	if strings.Contains(got, "monitor") {
		t.Errorf("a move changes monitors:\n%s", got)
	}
}

// TestPrint compares the whole text for one change each.
func TestPrint(t *testing.T) {
	tests := []struct{ name, old, next, want string }{
		{"nothing", "", "", "nothing would change\n"},
		{"comment and order of options", `{ kind: http, url: "http://a/", every: 10s }`, `{ every: 10s, url: "http://a/", kind: http, method: GET } # same`, "nothing would change\n"},
		{"level", "> 500", "> 600", "~ instance app (app) at /shop\n  ~ /shop/Speed: yellow: > 500 -> > 600\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"history", "Up: { ", "Up: { history: { every: 1m, keep: 1w }, ", "~ instance app (app) at /shop\n  ~ /shop/Up: history: (none) -> every 1m keep 7d\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"history of rows", "Disks: { ", "Disks: { history: off, ", "~ instance app (app) at /shop\n  ~ /shop/Disks: history: (none) -> off\n  ~ nodes of discovered rows are looked at again\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"monitor added", "tree:", "monitors: { M: { kind: gauge, node: Speed, high: 9 } }\ntree:", "~ instance app (app) at /shop\n  + monitor M (gauge every 10s)\n0 to add, 0 to change, 0 to move, 0 to remove\n"},
		{"properties", "at: /shop", "at: /shop\nproperties: { location: Berlin }", "~ instance app (app) at /shop\n  ~ /shop: properties: (none) -> location=\"Berlin\"\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"alert", "Up: { ", "Up: { alert: { rule: never, yellow: minor, red: critical, silence: 5m, event_type: other, probable_cause: fire, repair: run }, depends_on: [/a, Load], ",
			"~ instance app (app) at /shop\n  ~ /shop/Up: alert: (none) -> never yellow minor red critical silence 5m event type other probable cause \"fire\" repair \"run\"; depends_on: (none) -> /a, /shop/Load\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"vital", "Up: { ", "Up: { vital: false, alert: { silence: never }, ", "~ instance app (app) at /shop\n  ~ /shop/Up: alert: (none) -> silence never; vital: its group -> (none)\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"expected children", "Group: { ", "Group: { expect: { children: [N 1], at_least: 3 }, ", "~ instance app (app) at /shop\n  ~ /shop/Group: expect: (none) -> N 1; at least 3\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"how many children", "Group: { ", "Group: { expect: { at_least: 3 }, ", "~ instance app (app) at /shop\n  ~ /shop/Group: expect: (none) -> at least 3\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"what rows depend on", "Disks: { \"${row.mount}\": { ", "Disks: { \"${row.mount}\": { depends_on: Load, ", "~ instance app (app) at /shop\n  ~ nodes of discovered rows are looked at again\n0 to add, 0 to change, 0 to move, 0 to remove\n"},
		{"back", "10%", "20%", "~ instance app (app) at /shop\n  ~ /shop/Speed: back of yellow: at 450 -> at 400; back of red: at 900 -> at 800\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"roll-up", "need: 1", "need: 2", "~ instance app (app) at /shop\n  ~ /shop/Group: rollup: need green 1 -> need green 2\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"items", "1..3", "2..4", "~ instance app (app) at /shop\n  + /shop/Group/N 4\n  - /shop/Group/N 1\n1 to add, 0 to change, 0 to move, 1 to remove\n"},
		{"value", "/ 100", "/ 10", "~ instance app (app) at /shop\n  ~ /shop/Load: from: web.status / 100 -> web.status / 10\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"source", "from: web.up", "from: web.status", "~ instance app (app) at /shop\n  ~ /shop/Up: kind: status -> performance; states: 0 red, 1 green -> (none); vital: its group -> (none); from: web.up -> web.status\n0 to add, 1 to change, 0 to move, 0 to remove\n"},
		{"probe's option", "http://a/", "http://b/", "~ instance app (app) at /shop\n  ~ probe web: options\n0 to add, 0 to change, 0 to move, 0 to remove\n"},
		{"place", "at: /shop", "at: /mall", "> instance app (app) moves from /shop to /mall\n0 to add, 0 to change, 9 to move, 0 to remove\n"},
		{"loop over rows", `red: "> 10"`, `red: "> 20"`, "~ instance app (app) at /shop\n  ~ nodes of discovered rows are looked at again\n0 to add, 0 to change, 0 to move, 0 to remove\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next := strings.Replace(app, tt.old, tt.next, 1)
			if tt.old != tt.next && next == app {
				t.Fatal("the test changes nothing")
			}
			if d := cmp.Diff(tt.want, compare(t, plan(t, app), plan(t, next))); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestComeAndGo(t *testing.T) {
	const small = "grove: 1\napplication: app\nat: /a\nprobes: { h: { kind: host } }\ntree: { CPU: { from: h.cpu } }\n"
	if got, want := compare(t, nil, plan(t, small)), "+ instance app (app) at /a\n  + probe h (host every 30s)\n  + /a\n  + /a/CPU\n2 to add, 0 to change, 0 to move, 0 to remove\n"; got != want {
		t.Errorf("got:\n%s", got)
	}
	if got, want := compare(t, plan(t, small), &definition.Plan{}), "- instance app (app) at /a\n  - probe h (host)\n  - /a\n  - /a/CPU\n0 to add, 0 to change, 0 to move, 2 to remove\n"; got != want {
		t.Errorf("got:\n%s", got)
	}
}

// TestBrokenFileChangesNothing holds the promise that a bad file keeps the old tree.
func TestBrokenFileChangesNothing(t *testing.T) {
	l := &definition.Loader{Kinds: kindstest.Kinds{}}
	next, errs := l.FS(fstest.MapFS{"app.yaml": {Data: []byte(strings.Replace(app, "web.up", "web.upp", 1))}}, "")
	if len(errs) != 1 {
		t.Fatalf("%d errors", len(errs))
	}
	if got := compare(t, plan(t, app), next); got != "nothing would change\n" {
		t.Errorf("got:\n%s", got)
	}
}
