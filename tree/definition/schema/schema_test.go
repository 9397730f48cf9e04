package schema_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"grove/tree/definition/kindstest"
	"grove/tree/definition/schema"
	"grove/tree/definition/source"
)

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := schema.Of(kindstest.Kinds{})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource(schema.ID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schema.ID)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s
}

// documents reads a file as an editor sees it.
func documents(t *testing.T, name string, text []byte) []any {
	t.Helper()
	docs, errs := source.Read(name, text)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	var out []any
	for i := range docs {
		out = append(out, docs[i].Value.Any())
	}
	return out
}

func TestGoodFilesAreValid(t *testing.T) {
	s := compile(t)
	files, _ := filepath.Glob("../testdata/good/*.yaml")
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range documents(t, f, text) {
			if err := s.Validate(doc); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
	}
}

// TestWhatEditorsCatch lists mistakes that the schema must find by itself.
func TestWhatEditorsCatch(t *testing.T) {
	s := compile(t)
	frame := func(probe, node string) string {
		return "grove: 1\napplication: app\nprobes: { p: " + probe + " }\ntree: { A: " + node + " }\n"
	}
	const probe, node = `{ kind: http, url: "http://a/" }`, `{ from: p.status }`
	tests := []struct {
		name, text string
		valid      bool
	}{
		{"right", frame(probe, node), true},
		{"instance", "use: app\nat: /a\nwith: { x: [1] }\n", true},
		{"instance without at", "use: app\n", false},
		{"unknown top key", "grove: 1\nprobez: {}\n", false},
		{"no version", "application: app\n", false},
		{"unknown kind", frame(`{ kind: htpp }`, node), false},
		{"unknown option", frame(`{ kind: http, ulr: "http://a/" }`, node), false},
		{"option of another kind", frame(`{ kind: table, url: "http://a/" }`, node), false},
		{"missing option", frame(`{ kind: http }`, node), false},
		{"option's word", frame(`{ kind: http, url: "http://a/", method: PUTT }`, node), false},
		{"variable as option", frame(`{ kind: http, url: "${url}", method: "${m}" }`, node), true},
		{"list of options", frame(`{ kind: table, only: [a, b] }`, node), true},
		{"word that is a number", frame(`{ kind: table, version: 1 }`, node), true},
		{"word that is no number", frame(`{ kind: table, version: 2c }`, node), true},
		{"number that is no word", frame(`{ kind: table, version: 2 }`, node), false},
		{"choices that are numbers", "grove: 1\nparameters: { p: { type: int, choices: [80, 443], default: 80 } }\n", true},
		{"every without unit", frame(`{ kind: http, url: "http://a/", every: 10 }`, node), false},
		{"every", frame(`{ kind: http, url: "http://a/", every: 1m30s }`, node), true},
		{"level", frame(probe, `{ from: p.status, yellow: "> 5 for 3s", red: "outside 1..2" }`), true},
		{"level without a number", frame(probe, `{ from: p.status, yellow: above 5 }`), false},
		{"setting spelled wrong", frame(probe, `{ from: p.status, yelow: "> 5" }`), false},
		{"roll-up", frame(probe, `{ rollup: { need: 2, cap: yellow }, B: { kind: status } }`), true},
		{"roll-up spelled wrong", frame(probe, `{ rollup: { neeed: 2 }, B: { kind: status } }`), false},
		{"status", frame(probe, `{ kind: status, states: { a: gren } }`), false},
		{"history", frame(probe, `{ from: p.status, history: { every: 10s, keep: 30d } }`), true},
		{"history off", frame(probe, `{ from: p.status, history: off }`), true},
		{"history spelled wrong", frame(probe, `{ from: p.status, history: { evry: 10s } }`), false},
		{"history that is none", frame(probe, `{ from: p.status, history: sometimes }`), false},
		{"alert", frame(probe, `{ from: p.status, alert: { rule: each, yellow: minor, silence: never, event_type: other, repair: run }, vital: true, depends_on: [/a, b] }`), true},
		{"alert in a word", frame(probe, `{ from: p.status, alert: never, vital: top, depends_on: /a }`), true},
		{"rule of alerts", frame(probe, `{ from: p.status, alert: nevr }`), false},
		{"severity", frame(probe, `{ from: p.status, alert: { red: cleared } }`), false},
		{"event type", frame(probe, `{ from: p.status, alert: { event_type: fire } }`), false},
		{"silence", frame(probe, `{ from: p.status, alert: { silence: soon } }`), false},
		{"expected children", frame(probe, `{ expect: [a, b], B: { expect: { children: a, at_least: 2 }, C: { kind: status } } }`), true},
		{"expected spelled wrong", frame(probe, `{ expect: { at_lest: 2 } }`), false},
		{"what an instance depends on", "use: app\nat: /a\ndepends_on: [/b]\n", true},
		{"property", "use: app\nat: /a\nproperties: { location: Berlin, floor: 3 }\n", true},
		{"name of a property", frame(probe, `{ from: p.status, properties: { "a b": c } }`), false},
		{"monitor", "grove: 1\nmonitors: { M: { kind: gauge, node: [ a, b ], high: 1e9, notify: high, every: 1m } }\n", true},
		{"kind of a monitor", "grove: 1\nmonitors: { M: { kind: gage, node: a, high: 1 } }\n", false},
		{"setting of a monitor", "grove: 1\nmonitors: { M: { kind: gauge, node: a, hihg: 1 } }\n", false},
		{"label", frame(probe, `{ from: p.status, labels: { a-b: c } }`), false},
		{"type of a parameter", "grove: 1\nparameters: { p: { type: strin } }\n", false},
		{"discovery", "use: { by: row.target, choose: { \"a*\": app }, default: app }\nat: /a/${row.target}\neach: { kind: dns_srv, names: [x], every: 1m }\nkeep: 2h\nmost: 10\ntests: [ { name: a, rows: [ { target: a } ], expect: { a: absent } } ]\n", true},
		{"option of a discovery", "use: app\nat: /a\neach: { kind: dns_srv, nmaes: [x] }\n", false},
		{"choice without by", "use: { default: app }\nat: /a\neach: { kind: dns_srv, names: [x] }\n", false},
		{"time without unit", "use: app\nat: /a\neach: { kind: dns_srv, names: [x] }\nkeep: 2\n", false},
		{"profile", "grove: 1\nprofile: { object_id: [1.3.6.*, 1.5] }\n", true},
		{"profile that is a list", "grove: 1\nprofile: [1.3.6.*]\n", false},
		{"test", "grove: 1\ntests: [ { name: a, expct: {} } ]\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := s.Validate(documents(t, "a.yaml", []byte(tt.text))[0])
			if valid := err == nil; valid != tt.valid {
				t.Errorf("valid is %v, want %v: %v", valid, tt.valid, err)
			}
		})
	}
}

// TestDescriptions keeps editors from showing a setting without a word about it.
func TestDescriptions(t *testing.T) {
	text, err := schema.Of(kindstest.Kinds{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Readings that make the node yellow", "How often it runs. Default: 30s", "Status by the text of the reading; * is every other text",
		"Loop: a node for each item of a list, of a range", "Named groups become attributes", `"default": "GET"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the schema does not say %q", want)
		}
	}
}
