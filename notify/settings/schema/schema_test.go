package schema_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"grove/notify/channel/builtin"
	"grove/notify/settings/schema"
	"grove/tree/definition/source"
)

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := schema.Of(builtin.Kinds())
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

// document reads a file as an editor sees it.
func document(t *testing.T, text string) any {
	t.Helper()
	docs, errs := source.Read("alerts.yaml", []byte(text))
	if err := errs.Err(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return docs[0].Value.Any()
}

// TestExamplesAreValid holds the schema to the examples of all kinds and of the reference.
func TestExamplesAreValid(t *testing.T) {
	s := compile(t)
	kinds := builtin.Kinds()
	for _, name := range kinds.Names() {
		kind, _ := kinds.Kind(name)
		example := strings.TrimSpace(kind.Example)
		if !strings.Contains("\n"+example, "\nkind:") {
			example = "kind: " + name + "\n" + example
		}
		text := "channels:\n  c:\n    " + strings.ReplaceAll(example, "\n", "\n    ")
		if err := s.Validate(document(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	text, err := os.ReadFile("../ALERTS.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) < 5 {
		t.Fatalf("%d examples", len(blocks))
	}
	for i, b := range blocks {
		example, _, _ := strings.Cut(b, "```")
		if err := s.Validate(document(t, example)); err != nil {
			t.Errorf("example %d: %v\n%s", i+1, err, example)
		}
	}
}

// TestWhatEditorsCatch lists mistakes that the schema must find by itself.
func TestWhatEditorsCatch(t *testing.T) {
	s := compile(t)
	channel := func(options string) string { return "channels: { c: " + options + " }\n" }
	route := func(settings string) string { return "routes: [ { name: a, to: c, " + settings + " } ]\n" }
	for _, tt := range []struct {
		name, text string
		valid      bool
	}{
		{"nothing below a key", "channels:\nroutes:\n", true},
		{"unknown key", "chanels: {}\n", false},
		{"version", "grove: 2\n", false},
		{"channel", channel(`{ kind: webhook, url: "https://a/" }`), true},
		{"no kind", channel(`{ url: "https://a/" }`), false},
		{"unknown kind", channel(`{ kind: webhoook, url: "https://a/" }`), false},
		{"unknown option", channel(`{ kind: webhook, ulr: "https://a/" }`), false},
		{"option of another kind", channel(`{ kind: webhook, url: "https://a/", server: a }`), false},
		{"missing option", channel(`{ kind: webhook }`), false},
		{"option's word", channel(`{ kind: webhook, url: "https://a/", format: groove }`), false},
		{"word that is a number", channel(`{ kind: trap, targets: [a], version: 3 }`), true},
		{"number that is a text", channel(`{ kind: telegram, token: "env:T", chat: 12345 }`), true},
		{"nested option", channel(`{ kind: webhook, url: "https://a/", tls: { caa: /x } }`), false},
		{"duration without unit", channel(`{ kind: webhook, url: "https://a/", timeout: 10 }`), false},
		{"name", "channels: { \"a b\": { kind: webhook, url: \"https://a/\" } }\n", false},
		{"person", "people: { ada: { channels: [a, b] } }\n", true},
		{"person without channels", "people: { ada: {} }\n", false},
		{"rota", "on_call: { dba: { otherwise: [ada] }, b: { calendar: /a.ics, zone: Europe/Berlin } }\n", true},
		{"rota spelled wrong", "on_call: { dba: { calender: /a.ics } }\n", false},
		{"route", route(`when: { under: /a, severity: major.., status: [red], kind: status }, repeat: never, resolved: each, group: { by: all, wait: 0 }`), true},
		{"route without a name", "routes: [ { to: c } ]\n", false},
		{"route without a target", "routes: [ { name: c } ]\n", false},
		{"condition spelled wrong", route(`when: { undr: /a }`), false},
		{"status", route(`when: { status: green }`), false},
		{"range of severities", route(`when: { severity: [minor..major, ..warning] }`), true},
		{"severity", route(`when: { severity: high }`), false},
		{"kind of alerts", route(`when: { kind: outage }`), false},
		{"precedence", route(`precedence: high`), false},
		{"resolved", route(`resolved: sometimes`), false},
		{"resolved in a truth value", route(`resolved: false`), true},
		{"repeat", route(`repeat: 4`), false},
		{"step", route(`escalate: [ { after: 15m, to: [boss] } ]`), true},
		{"step without a target", route(`escalate: [ { after: 15m } ]`), false},
		{"maintenance", "maintenance: [ { name: a, at: [/a], start: \"22:00\", for: 2h, repeat: daily } ]\n", true},
		{"maintenance without an end", "maintenance: [ { name: a, at: [/a], start: \"22:00\" } ]\n", false},
		{"heartbeat", "heartbeats: { w: { to: c, every: 1m } }\n", true},
		{"outbox", "outbox: { limits: { total: { messages: 10, bytes: 64 MiB } }, throttles: { channels: { c: { per: 1h, messages: 10, message_bytes: 4096 } } } }\n", true},
		{"limit spelled wrong", "outbox: { limits: { totl: { messages: 10 } } }\n", false},
		{"throttle spelled wrong", "outbox: { throttles: { channels: { c: { par: 1h } } } }\n", false},
		{"size", "outbox: { limits: { total: { bytes: much } } }\n", false},
		{"alerts", "alerts: { settle: 1s, silence: 2m, reopen: 10m, recover: 30s }\n", true},
		{"alerts spelled wrong", "alerts: { setle: 1s }\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := s.Validate(document(t, tt.text))
			if valid := err == nil; valid != tt.valid {
				t.Errorf("valid is %v, want %v: %v", valid, tt.valid, err)
			}
		})
	}
}

// TestDescriptions keeps editors from showing a key without a word about it.
func TestDescriptions(t *testing.T) {
	text, err := schema.Of(builtin.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Sends mail to people over SMTP", "Mail server as host:port", "Who is told when nobody acknowledges", `"default": "POST"`, "For people."} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the schema does not say %q", want)
		}
	}
}

func ExampleOf() {
	text, err := schema.Of(builtin.Kinds())
	first, _, _ := strings.Cut(string(text), ",")
	fmt.Println(first, err)
	// Output:
	// {
	//   "$schema": "https://json-schema.org/draft/2020-12/schema" <nil>
}
