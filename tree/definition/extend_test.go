package definition_test

import (
	"slices"
	"strings"
	"testing"

	"grove/tree/definition"
)

// page is a definition, and asked asks for instances of it.
const page = `grove: 1
application: page
parameters: { url: { type: url, required: true } }
probes: { page: { kind: http, url: "${url}" } }
tree: { Time: { from: page.duration, metric: page_time } }
`

func asked(name, at string) string {
	return "use: page\nname: " + name + "\nat: " + at + "\nwith: { url: \"http://127.0.0.1/" + name + "\" }\n"
}

// What is added to a plan is what a load of all files has, and what was there before is the
// very same.
func TestExtend(t *testing.T) {
	was, errs := load(t, "page.yaml", page, "a.yaml", asked("a", "/a"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	plan, errs := loader().Extend(was, nil, definition.Text{File: "c.yaml", Text: asked("c", "/c")}, definition.Text{File: "b.yaml", Text: asked("b", "/b")})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want, errs := load(t, "page.yaml", page, "a.yaml", asked("a", "/a"), "b.yaml", asked("b", "/b"), "c.yaml", asked("c", "/c"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if got, want := render(plan), render(want); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if plan.Instances[0] != was.Instances[0] || plan.Instances[1].File != "b.yaml" {
		t.Errorf("%q of %q is there, and %q of %q", plan.Instances[0].Name, plan.Instances[0].File, plan.Instances[1].Name, plan.Instances[1].File)
	}
	if len(was.Instances) != 1 {
		t.Errorf("the plan of before has %d instances", len(was.Instances))
	}
	back := plan.Instances[2]
	if plan, errs = loader().Extend(was, []*definition.Instance{back}); len(errs) > 0 || len(plan.Instances) != 2 || !slices.Contains(plan.Instances, back) {
		t.Errorf("%d instances, %v", len(plan.Instances), errs)
	}
}

// What cannot be added is left out, and nothing else is.
func TestExtendRefuses(t *testing.T) {
	was, errs := load(t, "page.yaml", page, "a.yaml", asked("a", "/a"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for name, c := range map[string]struct{ text, want string }{
		"a name that is taken":      {asked("a", "/x"), `an instance "a" already`},
		"a place that is taken":     {asked("x", "/a"), `instance "a" is at /a already`},
		"a node of another":         {strings.Replace(page, "application: page", "application: other\nat: /a", 1), "does not ask for one instance"},
		"an unknown definition":     {strings.Replace(asked("x", "/x"), "use: page", "use: nothing", 1), `no definition of "nothing"`},
		"a discovery":               {asked("x", "/x") + "each: { }\n", "does not ask for one instance"},
		"a parameter that is wrong": {strings.Replace(asked("x", "/x"), "url:", "uri:", 1), "uri"},
		"no document":               {"- 1\n", "a definition file is a map"},
		"no YAML":                   {"use: [", "x.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			plan, errs := loader().Extend(was, nil, definition.Text{File: "x.yaml", Text: c.text}, definition.Text{File: "b.yaml", Text: asked("b", "/b")})
			if !strings.Contains(printed(errs), c.want) {
				t.Errorf("%s: want %q", printed(errs), c.want)
			}
			if len(plan.Instances) != 2 || plan.Instances[1].Name != "b" || len(plan.Broken) != len(was.Broken) {
				t.Errorf("the plan is %s", render(plan))
			}
		})
	}
	if _, errs := loader().Extend(was, was.Instances); !strings.Contains(printed(errs), `an instance "a" already`) {
		t.Errorf("an instance came twice: %s", printed(errs))
	}
}
