package definition_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/kindstest"
	"grove/tree/definition/source"
)

const one = "grove: 1\napplication: %s\nat: /%[1]s\nprobes: { h: { kind: host } }\ntree: { CPU: { from: h.cpu } }\n"

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func instances(p *definition.Plan) (names []string) {
	for _, i := range p.Instances {
		names = append(names, i.Name)
	}
	return names
}

// TestDirReadsOnlyWhatItShould covers everything that may lie in a drop-in directory.
func TestDirReadsOnlyWhatItShould(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"a.yaml":         fmt.Sprintf(one, "a"),
		"b.yml":          fmt.Sprintf(one, "b"),
		"sub/c.yaml":     fmt.Sprintf(one, "c"),
		"sub/sub/d.yaml": fmt.Sprintf(one, "d"), // too deep
		".hidden.yaml":   "x: [",
		".git/e.yaml":    "x: [",
		"f.yaml~":        "x: [",
		"#g.yaml":        "x: [",
		"README.md":      "x: [",
		"comment.yaml":   "# nothing\n",
		"outside.txt":    fmt.Sprintf(one, "outside"),
	})
	if err := os.Symlink("outside.txt", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	plan, errs := loader().Dir(dir)
	if got, want := instances(plan), []string{"a", "b", "c"}; !cmp.Equal(want, got) {
		t.Errorf("instances %v, want %v", got, want)
	}
	want := filepath.Join(dir, "link.yaml") + ": the file is a symbolic link, which is not followed; only regular files are read\n"
	if got := printed(errs); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestDirectoriesStandBeside(t *testing.T) {
	dir, shared := t.TempDir(), t.TempDir()
	writeFiles(t, dir, map[string]string{"a.yaml": fmt.Sprintf(one, "a")})
	writeFiles(t, shared, map[string]string{"a.yaml": fmt.Sprintf(one, "b"), "bad.yaml": "x: ["})
	l := loader()
	l.Beside = []string{shared, t.TempDir()}
	for name, load := range map[string]func() (*definition.Plan, source.Errors){
		"Dir": func() (*definition.Plan, source.Errors) { return l.Dir(dir) },
		"FS":  func() (*definition.Plan, source.Errors) { return l.FS(os.DirFS(dir), dir) },
	} {
		plan, errs := load()
		if got, want := instances(plan), []string{"a", "b"}; !cmp.Equal(want, got) {
			t.Errorf("%s: instances %v, want %v", name, got, want)
		}
		if len(errs) != 1 || errs[0].Pos.File != filepath.Join(shared, "bad.yaml") {
			t.Errorf("%s: %s", name, printed(errs))
		}
	}
}

func TestDirThatIsNotThereIsEmpty(t *testing.T) {
	plan, errs := loader().Dir(filepath.Join(t.TempDir(), "none"))
	if len(errs) > 0 || len(plan.Instances) > 0 || len(plan.Broken) > 0 {
		t.Errorf("%v %v", plan, errs)
	}
}

// TestIncludeDoesNotFollowLinks keeps an include inside the directory.
func TestIncludeDoesNotFollowLinks(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret.yaml")
	writeFiles(t, dir, map[string]string{"a.yaml": strings.Replace(fmt.Sprintf(one, "a"), "probes", "include: [x/s.yaml]\nprobes", 1)})
	writeFiles(t, filepath.Dir(secret), map[string]string{"secret.yaml": "grove: 1\ntemplates: {}\n"})
	if err := os.Symlink(filepath.Dir(secret), filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	plan, errs := loader().Dir(dir)
	if len(plan.Instances) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Msg, "path escapes") {
		t.Errorf("%v %s", instances(plan), printed(errs))
	}
}

func TestOneBadFileAmongManyKeepsTheOthers(t *testing.T) {
	files := fstest.MapFS{}
	for i := range 500 {
		name := fmt.Sprintf("app%03d", i)
		files[name+".yaml"] = &fstest.MapFile{Data: []byte(fmt.Sprintf(one, name))}
	}
	old, errs := loader().FS(files, "")
	if len(errs) > 0 || len(old.Instances) != 500 {
		t.Fatalf("%d instances, %v", len(old.Instances), errs)
	}
	files["app250.yaml"] = &fstest.MapFile{Data: []byte("grove: 1\napplication: app250\ntr")}
	plan, errs := loader().FS(files, "")
	if len(plan.Instances) != 499 || len(errs) == 0 {
		t.Errorf("%d instances, %d errors", len(plan.Instances), len(errs))
	}
	for _, e := range errs {
		if e.Pos.File != "app250.yaml" || e.Pos.Line == 0 {
			t.Errorf("error at %s", e.Pos)
		}
	}
	kept := plan.Keep(old)
	if len(kept) != 1 || kept[0].Name != "app250" {
		t.Errorf("kept %d instances", len(kept))
	}
}

// TestEmptyFileKeepsItsInstances since it may be one that is just being written anew.
func TestEmptyFileKeepsItsInstances(t *testing.T) {
	old, errs := load(t, "a.yaml", fmt.Sprintf(one, "a"))
	if len(errs) > 0 {
		t.Fatal(printed(errs))
	}
	next, errs := load(t, "a.yaml", "")
	if got, want := printed(errs), "a.yaml: the file is empty: remove it, or write a comment, when nothing is wanted of it\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
	if kept := next.Keep(old); len(kept) != 1 {
		t.Errorf("%d kept", len(kept))
	}
	next, errs = load(t, "a.yaml", "# not now\n")
	if kept := next.Keep(old); len(errs) > 0 || len(kept) != 0 {
		t.Errorf("a comment: %d kept, %s", len(kept), printed(errs))
	}
}

// TestUnreadableDirectoryKeepsItsInstances, and only its own.
func TestUnreadableDirectoryKeepsItsInstances(t *testing.T) {
	old := &definition.Plan{Instances: []*definition.Instance{{Name: "a", File: "defs/sub/a.yaml"}, {Name: "b", File: "defs/sub2/b.yaml"}}}
	next := &definition.Plan{Broken: []definition.Broken{{File: "defs/sub"}}}
	if kept := next.Keep(old); len(kept) != 1 || kept[0].Name != "a" {
		t.Errorf("kept %v", kept)
	}
}

// TestBrokenDefinitionKeepsItsInstances covers instances of other files.
func TestBrokenDefinitionKeepsItsInstances(t *testing.T) {
	definitionFile := strings.Replace(fmt.Sprintf(one, "app"), "at: /app\n", "", 1)
	old, errs := load(t, "app.yaml", definitionFile, "web1.yaml", "use: app\nat: /web1\n", "web2.yaml", "use: app\nat: /web2\n")
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	plan, errs := load(t, "app.yaml", strings.Replace(definitionFile, "h.cpu", "h.cpuu", 1), "web1.yaml", "use: app\nat: /web1\n")
	if got, want := printed(errs), "app.yaml:4:22: probe \"h\" (host) has no attribute \"cpuu\" (did you mean \"cpu\"?)\n"; got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	kept := plan.Keep(old)
	if len(kept) != 1 || kept[0].Name != "web1" { // the file of web2 is gone, so web2 goes
		t.Errorf("kept %v", kept)
	}
}

// TestFilesGoBeforeTheCatalogue lets a user's definition replace a built-in one.
func TestFilesGoBeforeTheCatalogue(t *testing.T) {
	l := loader()
	l.Catalogue = fstest.MapFS{
		"app/definition.yaml":       {Data: []byte("grove: 1\napplication: app\ntitle: built in\ntree: { A: { kind: status } }\n")},
		"app/testdata/x.yaml":       {Data: []byte("x: [")},
		"other/definition.yaml":     {Data: []byte("grove: 1\napplication: other\ninclude: [common.yaml]\ntree: { use: t }\n")},
		"other/common.yaml":         {Data: []byte("grove: 1\ntemplates: { t: { A: { kind: status } } }\n")},
		"linux-host/linux-host.yml": {Data: []byte("grove: 1\napplication: linux-host\ntree: { A: { kind: status } }\n")},
	}
	l.Ask = []definition.Ask{{Name: "host", Application: "linux-host", At: "/${hostname}"}}
	plan, errs := l.FS(fstest.MapFS{"a.yaml": {Data: []byte("use: app\nat: /a\n---\nuse: other\nname: b\nat: /b\n")}}, "")
	if err := errs.Err(); err != nil {
		t.Fatal(printed(errs))
	}
	if got, want := instances(plan), []string{"a", "b", "host"}; !cmp.Equal(want, got) {
		t.Errorf("instances %v, want %v", got, want)
	}
	if i, _ := plan.Instance("host"); i.At != tree.MustPath("/alpha") {
		t.Errorf("host hangs at %s", i.At)
	}
	l.Ask[0].With = map[string]string{"port": "80"}
	_, errs = l.FS(fstest.MapFS{}, "")
	if got, want := printed(errs), "default tree: definition \"linux-host\" has no parameter \"port\" (it has none at all)\n"; got != want {
		t.Errorf("got %s", got)
	}
	l.Ask = nil
	plan, errs = l.FS(fstest.MapFS{
		"a.yaml": {Data: []byte("use: app\nat: /a\n")},
		"b.yaml": {Data: []byte("grove: 1\napplication: app\ntitle: mine\ntree: { A: { kind: status } }\n")},
	}, "")
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	if i, _ := plan.Instance("a"); i.Title != "mine" {
		t.Errorf("title %q", i.Title)
	}
}

func TestInstancesDoNotShareNodes(t *testing.T) {
	plan, errs := load(t, "a.yaml", fmt.Sprintf(one, "a"), "b.yaml", strings.Replace(fmt.Sprintf(one, "b"), "at: /b", "at: /a", 1))
	if got, want := instances(plan), []string{"a"}; !cmp.Equal(want, got) {
		t.Errorf("instances %v, want %v", got, want)
	}
	want := "b.yaml:1:1: instance \"a\" is at /a already, asked for at a.yaml:1:1 (each has a place of its own: at: …)\n"
	if got := printed(errs); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestInstanceWithinAnother names both instances, once, at places that people wrote.
func TestInstanceWithinAnother(t *testing.T) {
	const two = "grove: 1\napplication: two\ntree:\n  CPU: { kind: performance, mode: push }\n  Load: { kind: performance, mode: push }\n"
	_, errs := load(t, "a.yaml", "use: two\nat: /a/CPU\n", "b.yaml", "use: two\nat: /a\n", "c.yaml", "use: two\nat: /a/CPU/CPU\n", "two.yaml", two)
	want := `b.yaml:1:1: node /a/CPU of instance "b" is there already: instance "a", asked for at a.yaml:1:1, makes it
c.yaml:1:1: node /a/CPU/CPU of instance "c" is there already: instance "a", asked for at a.yaml:1:1, makes it
`
	if got := printed(errs); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestFilesFindsIncludesBesideTheFile is what "grove check FILE" relies on.
func TestFilesFindsIncludesBesideTheFile(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"a.yaml":      "grove: 1\napplication: a\nat: /a\ninclude: [common.yaml]\ntree: { use: t }\n",
		"common.yaml": "grove: 1\nparameters: { p: { default: x } }\ntemplates: { t: { \"${p}\": { kind: status } } }\n",
		"bad.yaml":    "[",
	})
	plan, errs := loader().Files(filepath.Join(dir, "a.yaml"))
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	if len(plan.Instances) != 1 || plan.Instances[0].Nodes[1].Path != tree.MustPath("/a/x") {
		t.Errorf("%v", render(plan))
	}
	_, errs = loader().Files(filepath.Join(dir, "none.yaml"), dir)
	if len(errs) != 2 || errs[0].Pos.File != filepath.Join(dir, "bad.yaml") || errs[1].Msg != "no such file or directory" {
		t.Errorf("%s", printed(errs))
	}
}

// TestRowsAddNodes holds what the binder relies on: rows become nodes with the source
// of their cells, and rows that the condition leaves out become none.
func TestRowsAddNodes(t *testing.T) {
	i := good(t, `grove: 1
application: app
at: /app
parameters: { limit: { type: float, default: 90 } }
probes: { disks: { kind: table } }
tree:
  "${row.mount}":
    each: disks.filesystems
    where: row.size > 0
    Used: { value: row.used / row.size * limit, red: "> ${limit}", labels: { mount: "${row.mount}" } }
    Size: { from: row.size }
`)
	if len(i.Loops) != 1 || i.Loops[0].Key != "mount" || i.Loops[0].Parent != i.At {
		t.Fatalf("%+v", i.Loops)
	}
	row := map[string]tree.Value{"mount": tree.Text("/var"), "used": tree.Number(1), "size": tree.Number(4)}
	nodes, err := i.Loops[0].Expand(row)
	if err != nil || len(nodes) != 3 {
		t.Fatalf("%v %v", nodes, err)
	}
	used, size := nodes[1], nodes[2]
	if used.Path != tree.MustPath("/app/~1var/Used") || used.Spec.Labels["mount"] != "/var" || used.Source.Row != "/var" {
		t.Errorf("%+v", used)
	}
	want := []definition.Ref{{Probe: "disks", Attribute: "filesystems", Column: "used"}, {Probe: "disks", Attribute: "filesystems", Column: "size"}}
	if d := cmp.Diff(want, used.Source.Value.Refs()); d != "" {
		t.Error(d)
	}
	v, err := used.Source.Value.Eval(func(i int) tree.Value { return row[want[i].Column] })
	if n, _ := v.Number(); err != nil || n != 22.5 {
		t.Errorf("%v %v", v, err)
	}
	if size.Source.String() != "disks.filesystems[/var].size" || size.Spec.Unit != "bytes" {
		t.Errorf("%s %+v", size.Source, size.Spec)
	}
	again, err := i.Loops[0].Expand(map[string]tree.Value{"mount": tree.Text("/home"), "size": tree.Number(1)})
	if err != nil || again[2].Spec != size.Spec || again[2].Source.Row != "/home" || size.Source.Row != "/var" {
		t.Errorf("%v %v", again, err)
	}
	for name, row := range map[string]map[string]tree.Value{
		"condition false": {"mount": tree.Text("/run"), "size": tree.Number(0)},
		"cell is missing": {"mount": tree.Text("/run")},
	} {
		if nodes, err := i.Loops[0].Expand(row); err != nil || len(nodes) != 0 {
			t.Errorf("%s: %v %v", name, nodes, err)
		}
	}
	if _, err := i.Loops[0].Expand(map[string]tree.Value{"mount": tree.Text(""), "size": tree.Number(1)}); err == nil {
		t.Error("an empty name was taken")
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	_, errs := load(t, "a.yaml", "grove: 1\napplication: a\nat: /a\nparameters: { p: { type: secret, default: hunter2 } }\ntree: { A: { kind: status } }\n")
	if strings.Contains(printed(errs), "hunter2") || len(errs) != 1 {
		t.Error(printed(errs))
	}
}

var _ definition.Kinds = kindstest.Kinds{}

// TestNewcomersDisplaceNobody: the order of file names decides only among newcomers.
func TestNewcomersDisplaceNobody(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"m.yaml": fmt.Sprintf(one, "m"), "n.yaml": "use: m\nat: /n\n"})
	l := loader()
	old, errs := l.Dir(dir)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	l.Running = func() []*definition.Instance { return old.Instances }
	writeFiles(t, dir, map[string]string{
		"a.yaml": fmt.Sprintf(one, "m"),       // the application of another file
		"b.yaml": "use: m\nname: n\nat: /b\n", // the name of an instance
		"c.yaml": "use: m\nat: /n\n",          // the place of an instance
		"d.yaml": "use: m\nname: m\nat: /d\n", // the name of a definition's own instance
		"e.yaml": "use: m\nat: /m\n",          // its place
		"z.yaml": fmt.Sprintf(one, "new"),     // what is fine
	})
	next, errs := l.Dir(dir)
	if got, want := instances(next), []string{"m", "n", "new"}; !cmp.Equal(want, got) {
		t.Errorf("instances %q, want %q: %v", got, want, errs.Err())
	}
	for _, i := range next.Instances {
		if base := filepath.Base(i.File); i.Name != "new" && base != i.Name+".yaml" {
			t.Errorf("%s is now of %s", i.Name, base)
		}
	}
	var blamed []string
	for _, e := range errs {
		blamed = append(blamed, filepath.Base(e.Pos.File))
	}
	slices.Sort(blamed)
	if want := []string{"a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml"}; !cmp.Equal(want, slices.Compact(blamed)) {
		t.Errorf("blamed are %q, want %q", blamed, want)
	}
}
