package definition_test

import (
	"os"
	"strings"
	"testing"

	"grove/tree/definition/file"
	"grove/tree/definition/rolluptest"
)

// TestLanguage loads every example of LANGUAGE.md and runs its tests.
func TestLanguage(t *testing.T) {
	text, err := os.ReadFile("LANGUAGE.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(text), "```yaml\n")[1:]
	if len(examples) < 7 {
		t.Fatalf("%d examples", len(examples))
	}
	_, inXML, ok := strings.Cut(string(text), "```xml\n")
	if !ok {
		t.Fatal("there is no example in XML")
	}
	for n, e := range append(examples, inXML) {
		example, _, ok := strings.Cut(e, "```")
		if !ok {
			t.Fatal("an example has no end")
		}
		file, name := "example.xml", "xml"
		if n < len(examples) {
			file = "example.yaml"
			_, name, _ = strings.Cut(example, "application: ")
			name, _, _ = strings.Cut(name, "\n")
		}
		t.Run(strings.Fields(name)[0], func(t *testing.T) {
			plan, errs := load(t, file, example)
			if err := errs.Err(); err != nil {
				t.Fatal(printed(errs))
			}
			if len(plan.Instances) != 1 {
				t.Errorf("%d instances", len(plan.Instances))
			}
			for _, d := range plan.Discoveries {
				for _, r := range rolluptest.Discovery(d) {
					for _, f := range r.Failures {
						t.Errorf("%s: %s", r.Name, f)
					}
				}
			}
			for _, d := range plan.Definitions {
				for _, r := range rolluptest.All(d) {
					for _, f := range r.Failures {
						t.Errorf("%s: %s", r.Name, f)
					}
				}
			}
		})
	}
}

// TestLanguageNamesEveryKey keeps the reference complete.
func TestLanguageNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile("LANGUAGE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []any{file.Definition{}, file.Instance{}, file.Choice{}, file.DiscoveryTest{}, file.Probe{}, file.Node{}, file.Monitor{}, file.Test{}, file.Parameter{}} {
		for _, key := range file.Keys(of) {
			if !strings.Contains(string(text), "`"+key+"`") {
				t.Errorf("the reference does not name `%s` of %T", key, of)
			}
		}
	}
}
