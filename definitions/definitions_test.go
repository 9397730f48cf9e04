package definitions_test

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"grove/definitions"
	"grove/runtime/probe"
	"grove/runtime/probe/builtin"
	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/rolluptest"
)

var only = flag.String("app", "", "look at these applications alone, with commas between them")

// applications are the folders of the catalogue.
func applications(t *testing.T) []string {
	t.Helper()
	if *only != "" {
		return strings.Split(*only, ",")
	}
	entries, err := fs.ReadDir(definitions.Catalogue(), ".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) == 0 {
		t.Fatal("the catalogue is empty")
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(definitions.Catalogue(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// registry is made once: nothing changes it.
var registry = sync.OnceValue(func() *probe.Registry { return builtin.Registry(builtin.Options{}) })

func loader() *definition.Loader {
	return &definition.Loader{
		Kinds:     builtin.Kinds{Registry: registry()},
		Catalogue: definitions.Catalogue(),
		Facts:     map[string]string{"hostname": "alpha"},
	}
}

// load loads one file that must be right.
func load(t *testing.T, name, text string) *definition.Plan {
	t.Helper()
	plan, errs := loader().FS(fstest.MapFS{name: {Data: []byte(text)}}, "")
	for _, e := range errs {
		t.Errorf("%v %s", e, e.Hint)
	}
	if len(errs) > 0 {
		t.FailNow()
	}
	return plan
}

// one loads the definition of an application.
func one(t *testing.T, app string) *definition.Definition {
	t.Helper()
	plan := load(t, app+".yaml", read(t, path.Join(app, app+".yaml")))
	if len(plan.Definitions) != 1 || plan.Definitions[0].Application != app {
		t.Fatalf("%s/%s.yaml does not hold the definition of %s", app, app, app)
	}
	return plan.Definitions[0]
}

// TestLoads loads the catalogue as a drop-in directory, which checks all of it.
func TestLoads(t *testing.T) {
	l := loader()
	l.Catalogue = nil
	plan, errs := l.FS(definitions.Catalogue(), "")
	for _, e := range errs {
		t.Errorf("%v %s", e, e.Hint)
	}
	if want := len(applications(t)); len(plan.Definitions) != want {
		t.Errorf("%d definitions, want %d", len(plan.Definitions), want)
	}
}

// TestCompanyOfAll makes an instance of each definition, as a manager that watches
// everything has them: no metric may mean two things.
func TestCompanyOfAll(t *testing.T) {
	files := fstest.MapFS{}
	for _, app := range applications(t) {
		files[app+".yaml"] = &fstest.MapFile{Data: []byte(instance(t, app))}
	}
	plan, errs := loader().FS(files, "")
	for _, e := range errs {
		t.Error(e)
	}
	if want := len(applications(t)); len(plan.Instances) != want {
		t.Errorf("%d instances, want %d", len(plan.Instances), want)
	}
}

// expected are the applications that people look for in the catalogue.
var expected = []string{
	"linux-host", "windows-host", "grove", "go-application", "jvm", "tomcat", "spring-boot", "kafka", "cassandra", "activemq", "j2ee-server",
	"nginx", "apache", "haproxy", "postgresql", "mariadb", "redis", "memcached", "rabbitmq", "nats", "bind", "postfix", "openldap", "ssh-server",
	"docker-host", "kubernetes-cluster", "snmp-switch", "snmp-router", "snmp-printer", "snmp-ups", "web-service", "content-delivery", "sap-instance",
}

// TestNothingIsMissing holds the catalogue to what it must have, and the README of the
// whole to naming all of it.
func TestNothingIsMissing(t *testing.T) {
	entries, err := fs.ReadDir(definitions.Catalogue(), ".")
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	for _, app := range expected {
		if !slices.Contains(there, app) {
			t.Errorf("the catalogue has no %s", app)
		}
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, app := range there {
		if !strings.Contains(string(readme), "["+app+"](definitions/"+app+"/README.md)") {
			t.Errorf("README.md does not list %s", app)
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// instance is the instance file that the README of an application shows.
func instance(t *testing.T, app string) string {
	t.Helper()
	blocks := yamlBlock.FindAllStringSubmatch(read(t, path.Join(app, "README.md")), -1)
	if len(blocks) != 1 {
		t.Fatalf("README.md of %s has %d blocks of YAML, want 1: the instance file", app, len(blocks))
	}
	return blocks[0][1]
}

func TestReadme(t *testing.T) {
	for _, app := range applications(t) {
		t.Run(app, func(t *testing.T) {
			plan := load(t, app+".yaml", instance(t, app))
			if len(plan.Instances) != 1 || plan.Instances[0].Application != app {
				t.Errorf("the README's instance file makes no instance of %s", app)
			}
			readme := read(t, path.Join(app, "README.md"))
			d := one(t, app)
			for _, p := range d.Parameters {
				if !strings.Contains(readme, "`"+p.Name+"`") {
					t.Errorf("README.md does not name the parameter %s", p.Name)
				}
			}
			_, rest, _ := strings.Cut(readme, "```\n")
			drawing, _, _ := strings.Cut(rest, "```")
			for _, n := range sample(t, d) {
				if name := n.Path.Name(); n.Path != definition.TestTop && !strings.Contains(drawing, name) && !strings.Contains(drawing, n.Path.Parent().Name()) {
					t.Errorf("README.md draws neither %s nor its parent", n.Path)
				}
			}
		})
	}
}

// cell is what every cell of a sample row holds: all conditions of the definitions
// can hold for one of its forms.
func cell(column, text string) tree.Value {
	switch column {
	case "enabled", "up", "responding", "numeric":
		return tree.Bool(true)
	case "read_only":
		return tree.Bool(false)
	case "admin", "status":
		return tree.Text("up")
	case "fstype":
		return tree.Text("ext4")
	case "type":
		return tree.Text("hrStorageRam")
	case "level":
		return tree.Text("operator")
	case "mountpoint", "device", "name", "index", "alias", "unit", "description", "features", "context":
		return tree.Text(text)
	}
	return tree.Number(1)
}

// sample grows a definition with samples of its parameters and one row in each of its
// tables.
func sample(t *testing.T, d *definition.Definition) []definition.Node {
	t.Helper()
	var all []definition.Node
	for i := range d.Tests { // for the parameters that its tests set
		instance, errs := d.ForTest(&d.Tests[i])
		if err := errs.Err(); err != nil {
			t.Fatal(err)
		}
		all = append(all, instance.Nodes...)
		for _, l := range instance.Loops {
			row := map[string]tree.Value{}
			for _, a := range instance.Attributes(l.Probe) {
				for _, c := range a.Columns {
					if a.Name == l.Table {
						row[c.Name] = cell(c.Name, "p1")
					}
				}
			}
			nodes, err := l.Expand(row)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, nodes...)
		}
	}
	return all
}

// TestDescribed holds every node that has a value to be explained to people, and
// every definition to say what it watches.
func TestDescribed(t *testing.T) {
	for _, app := range applications(t) {
		d := one(t, app)
		if d.Title == "" || d.Description == "" {
			t.Errorf("%s: no title or no description", app)
		}
		for _, n := range sample(t, d) {
			switch {
			case n.Spec.Kind == tree.Group:
			case n.Spec.Description == "":
				t.Errorf("%s: %s has no description", app, n.Path)
			case n.Spec.Kind != tree.Log && (n.Spec.Threshold == nil || n.Spec.Threshold.StaleAfter == 0): // Logs may be silent.
				t.Errorf("%s: %s never turns white", app, n.Path)
			case n.Source == nil:
				t.Errorf("%s: nothing feeds %s", app, n.Path)
			}
		}
	}
}

func TestRollups(t *testing.T) {
	for _, app := range applications(t) {
		d := one(t, app)
		if len(d.Tests) == 0 {
			t.Errorf("%s carries no tests", app)
		}
		for _, r := range rolluptest.All(d) {
			for _, f := range r.Failures {
				t.Errorf("%s: %s", r.Name, f)
			}
		}
	}
}

// TestMetrics holds the names of metrics to the conventions of Prometheus: names that
// its own linter accepts, base units at their end, a ratio for each share, and one
// meaning for each name in the whole catalogue.
func TestMetrics(t *testing.T) {
	meaning := map[string]string{}
	units := map[string]string{"s": "_seconds", "bytes": "_bytes", "%": "_ratio", "bytes/s": "_bytes_per_second",
		"packets/s": "_per_second", "connections/s": "_per_second", "requests/s": "_per_second"}
	for _, app := range applications(t) {
		for _, n := range sample(t, one(t, app)) {
			s := n.Spec
			if s.Metric == "" {
				continue
			}
			if first, taken := meaning[s.Metric]; taken && first != s.Description {
				t.Errorf("metric %s means %q and %q", s.Metric, first, s.Description)
			}
			meaning[s.Metric] = s.Description
			if end, known := units[s.Unit]; known && !strings.HasSuffix(s.Metric, end) {
				t.Errorf("metric %s has the unit %q, so its name ends in %s", s.Metric, s.Unit, end)
			}
		}
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(meaning)) {
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s gauge\n%s 1\n", name, meaning[name], name, name)
	}
	problems, err := promlint.New(strings.NewReader(text.String())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("metric %s: %s", p.Metric, p.Text)
	}
}

// setting is a line of a definition's tree that decides on colours or on values.
var setting = regexp.MustCompile(`^( +)(yellow|red|back|clear|states|change|scale|where|white|as): +(.*)$`)

var (
	holding = regexp.MustCompile(` for \d+[smh]`)
	border  = regexp.MustCompile(`"([<>]) (\d[\d.]*)`)
	initial = regexp.MustCompile(`^(  \w+: \{ type: (?:int|float), default: )(\d[\d.]*)(.*)$`)
)

// mutants are what a line may become by a slip: the rule is gone, it does not wait, its
// border is another.
func mutants(line string, inTree bool) []string {
	shift := func(number string, by float64) string {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return number
		}
		return strconv.FormatFloat(n*by, 'f', -1, 64)
	}
	if !inTree {
		p := initial.FindStringSubmatch(line)
		if p == nil {
			return nil
		}
		return []string{p[1] + shift(p[2], 0.75) + p[3], p[1] + shift(p[2], 1.25) + p[3]}
	}
	if !setting.MatchString(line) {
		return nil
	}
	out := []string{""}
	if holding.MatchString(line) {
		out = append(out, holding.ReplaceAllString(line, ""))
	}
	if b := border.FindStringSubmatchIndex(line); b != nil {
		for _, by := range []float64{0.7, 1.4} {
			out = append(out, line[:b[4]]+shift(line[b[4]:b[5]], by)+line[b[5]:])
		}
	}
	return out
}

// TestEveryRuleIsTested spoils one line after the other that decides on colours: each
// time a test that the definition carries must fail.
func TestEveryRuleIsTested(t *testing.T) {
	if raced {
		t.Skip("it runs in one goroutine a definition that share nothing: make test runs it without the race detector")
	}
	for _, app := range applications(t) {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			lines := strings.Split(read(t, path.Join(app, app+".yaml")), "\n")
			from, to := slices.Index(lines, "tree:"), slices.Index(lines, "tests:")
			tried, held := 0, 0
			for i := range to {
				for _, mutant := range mutants(lines[i], i > from) {
					if mutant == lines[i] {
						continue // A default of 0 stays what it is.
					}
					tried++
					changed := slices.Clone(lines)
					changed[i] = mutant
					var fails bool
					if held, fails = failing(strings.Join(changed, "\n"), held); !fails {
						t.Errorf("%s.yaml:%d: no test fails when %q becomes %q", app, i+1, strings.TrimSpace(lines[i]), strings.TrimSpace(mutant))
					}
				}
			}
			if tried < 5 {
				t.Errorf("only %d lines were spoilt: the test looks for them in the wrong way", tried)
			}
		})
	}
}

// failing says whether a definition does not load or fails a test that it carries, and
// which; it begins with the one given, since neighbouring rules are mostly held by the same test.
func failing(text string, first int) (int, bool) {
	plan, errs := loader().FS(fstest.MapFS{"it.yaml": {Data: []byte(text)}}, "")
	if len(errs) > 0 {
		return first, true
	}
	d := plan.Definitions[0]
	for i := range d.Tests {
		at := (first + i) % len(d.Tests)
		if r := rolluptest.Run(d, &d.Tests[at]); !r.Passed() {
			return at, true
		}
	}
	return first, false
}
