package settings

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"grove/notify/channel/builtin"
	"grove/notify/heartbeat"
	"grove/notify/oncall"
	"grove/notify/outbox"
	"grove/notify/route"
	"grove/notify/route/match"
	"grove/tree/alert"
	"grove/tree/maintenance"
)

// TestReference loads every example of ALERTS.md.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("ALERTS.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(text), "```yaml\n")[1:]
	if len(examples) < 8 {
		t.Fatalf("%d examples", len(examples))
	}
	used := map[string]bool{}
	for i, e := range examples {
		example, _, ok := strings.Cut(e, "```")
		if !ok {
			t.Fatal("an example has no end")
		}
		s, errs := Read("alerts.yaml", []byte(example), builtin.Kinds(), world())
		if len(errs) > 0 {
			t.Errorf("example %d: %v\n%s", i+1, errs, example)
			continue
		}
		if !Is("alerts.yaml", []byte(example)) {
			t.Errorf("example %d is not taken for a file of alerts", i+1)
		}
		for _, key := range keys {
			used[key] = used[key] || strings.HasPrefix(example, key+":") || strings.Contains(example, "\n"+key+":")
		}
		for _, r := range s.Routes {
			if len(r.To) == 0 {
				t.Errorf("example %d: route %q tells nobody", i+1, r.Name)
			}
		}
	}
	_, inXML, ok := strings.Cut(string(text), "```xml\n")
	if !ok {
		t.Fatal("there is no example in XML")
	}
	inXML, _, _ = strings.Cut(inXML, "```")
	if s, errs := Read("alerts.xml", []byte(inXML), builtin.Kinds(), world()); len(errs) > 0 || len(s.Channels) != 1 || len(s.Routes) != 1 || !Is("alerts.xml", []byte(inXML)) {
		t.Errorf("%v\n%s", errs, inXML)
	}
	for _, key := range keys[1:] {
		if !used[key] {
			t.Errorf("no example has the key %s", key)
		}
	}
}

// TestReadme loads the file that newcomers see first.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(text), "# data/alerts.yaml\n")
	example, _, ended := strings.Cut(example, "```")
	if !found || !ended {
		t.Fatal("README.md shows no file of alerts")
	}
	s, errs := Read("alerts.yaml", []byte(example), builtin.Kinds(), world())
	if len(errs) > 0 || len(s.Routes) == 0 {
		t.Errorf("%v\n%s", errs, example)
	}
}

// TestReferenceNamesEverything keeps the reference complete.
func TestReferenceNamesEverything(t *testing.T) {
	text, err := os.ReadFile("ALERTS.md")
	if err != nil {
		t.Fatal(err)
	}
	words := append(builtin.Kinds().Names(), keys...)
	for _, of := range []any{Person{}, oncall.Rota{}, route.Rule{}, route.Group{}, route.Step{}, match.When{}, maintenance.Setting{}, heartbeat.Options{},
		outbox.Settings{}, outbox.Limits{}, outbox.Room{}, outbox.Throttle{}, outbox.Throttles{}, Alerts{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(of)) {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			words = append(words, name)
		}
	}
	for _, s := range alert.States {
		words = append(words, string(s))
	}
	for _, r := range []alert.Reason{alert.ByParent, alert.ByDependency, alert.ByWhole, alert.ByMaintenance} {
		words = append(words, string(r))
	}
	for _, w := range words {
		if !strings.Contains(string(text), "`"+w+"`") {
			t.Errorf("the reference does not name `%s`", w)
		}
	}
}
