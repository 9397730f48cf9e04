package definition_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/diff"
	"grove/tree/definition/kindstest"
	"grove/tree/definition/rolluptest"
	"grove/tree/definition/source"
)

var update = flag.Bool("update", false, "write the expected files of testdata")

func loader() *definition.Loader {
	return &definition.Loader{Kinds: kindstest.Kinds{}, Facts: map[string]string{"hostname": "alpha"}}
}

// load loads files given as name, text, name, text, …
func load(t testing.TB, files ...string) (*definition.Plan, source.Errors) {
	t.Helper()
	fsys := fstest.MapFS{}
	for i := 0; i+1 < len(files); i += 2 {
		fsys[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return loader().FS(fsys, "")
}

// good loads one definition that must be right.
func good(t testing.TB, text string) *definition.Instance {
	t.Helper()
	plan, errs := load(t, "app.yaml", text)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	if len(plan.Instances) != 1 {
		t.Fatalf("%d instances", len(plan.Instances))
	}
	return plan.Instances[0]
}

func printed(errs source.Errors) string {
	var b strings.Builder
	for _, e := range errs {
		fmt.Fprintln(&b, e.Error())
	}
	return b.String()
}

// render writes a plan for golden files: everything that a manager would see.
func render(p *definition.Plan) string {
	var b bytes.Buffer
	for _, i := range p.Instances {
		fmt.Fprintf(&b, "instance %s of %s at %s\n", i.Name, i.Application, i.At)
		for _, pr := range i.Probes {
			fmt.Fprintf(&b, "  probe %s: %s every %s timeout %s mode %s options %+v\n", pr.Name, pr.Kind, pr.Every, pr.Timeout, pr.Mode, pr.Options)
		}
		for _, n := range i.Nodes {
			renderNode(&b, n)
		}
		for _, l := range i.Loops {
			fmt.Fprintf(&b, "  loop over %s.%s by %s below %s\n", l.Probe, l.Table, l.Key, l.Parent)
		}
	}
	return b.String()
}

func renderNode(b *bytes.Buffer, n definition.Node) {
	s := n.Spec
	fmt.Fprintf(b, "  %s: %s", n.Path, s.Kind)
	if n.Source != nil {
		fmt.Fprintf(b, " from %q mode %s", n.Source.String(), n.Source.Mode)
		if n.Source.Change != 0 || n.Source.Scale != 0 || n.Source.Every != 0 {
			fmt.Fprintf(b, " change %d scale %v every %s", n.Source.Change, n.Source.Scale, n.Source.Every)
		}
	}
	if s.Unit != "" {
		fmt.Fprintf(b, " unit %s", s.Unit)
	}
	if t := s.Threshold; t != nil {
		fmt.Fprintf(b, " threshold %s", renderThreshold(t))
	}
	if s.Rollup != nil {
		fmt.Fprintf(b, " rollup %+v", *s.Rollup)
	}
	if s.Edge != (tree.Edge{}) {
		fmt.Fprintf(b, " edge %+v", s.Edge)
	}
	if s.Metric != "" {
		fmt.Fprintf(b, " metric %s%v", s.Metric, s.Labels)
	}
	if s.Description != "" {
		fmt.Fprintf(b, " description %q", s.Description)
	}
	fmt.Fprintln(b)
}

func renderThreshold(t *tree.Threshold) string {
	level := func(l tree.Level) string {
		if l.Form == tree.Never {
			return "never"
		}
		return fmt.Sprintf("%s (off %v %v)", l, l.OffLow, l.OffHigh)
	}
	return fmt.Sprintf("yellow %s red %s states %v clear %s flap %v stale %s", level(t.Yellow), level(t.Red), t.States, t.ClearAfter, t.Flap, t.StaleAfter)
}

// golden compares with a file, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}

// TestGoodFiles loads every file of testdata/good and compares what it comes to with
// its sibling *.plan.
func TestGoodFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.[yx]ml")
	more, _ := filepath.Glob("testdata/good/*.yaml")
	files = append(files, more...)
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			plan, errs := loader().Files(f)
			if err := errs.Err(); err != nil {
				t.Fatal(printed(errs))
			}
			golden(t, f+".plan", render(plan))
		})
	}
}

// TestXMLIsTheSameModel compares a definition in both forms.
func TestXMLIsTheSameModel(t *testing.T) {
	a, errs := loader().Files("testdata/good/shop.yaml")
	b, more := loader().Files("testdata/good/shop.xml")
	if len(errs)+len(more) > 0 {
		t.Fatal(printed(errs), printed(more))
	}
	if d := diff.Compare(a, b); !d.Empty() {
		var out strings.Builder
		_ = d.Print(&out)
		t.Error(out.String())
	}
	for _, d := range b.Definitions {
		for _, r := range rolluptest.All(d) {
			for _, f := range r.Failures {
				t.Error(f)
			}
		}
	}
}

// TestBadFiles loads every file of testdata/bad and compares its errors with its
// sibling *.err, to the letter.
func TestBadFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	more, _ := filepath.Glob("testdata/bad/*.xml")
	files = append(files, more...)
	if len(files) < 60 {
		t.Errorf("%d bad files, want at least 60", len(files))
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			plan, errs := loader().Files(f)
			if len(errs) == 0 {
				t.Fatal("no error")
			}
			if len(plan.Broken) == 0 {
				t.Error("the plan does not say what is missing")
			}
			golden(t, f+".err", printed(errs))
		})
	}
}

func TestOnlyProbesThatSomethingReadsAreStarted(t *testing.T) {
	i := good(t, `
grove: 1
application: app
at: /app
parameters: { local: { type: bool, default: false } }
probes:
  direct: { kind: host }
  derived: { kind: host }
  looped: { kind: table }
  inside: { kind: host }
  left: { kind: host }
  never: { kind: host }
  ide: { kind: host }
tree:
  CPU: { from: direct.cpu }
  Double: { value: derived.cpu * 2 }
  Left: { where: local, CPU: { from: left.cpu } }
  Disks: { "${row.mount}": { each: looped.filesystems, Share: { value: row.used / inside.load } } }
`)
	var names []string
	for _, p := range i.Probes {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"direct", "derived", "looped", "inside"}, names); diff != "" {
		t.Error(diff)
	}
}
