package probetest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/probetest"
	"grove/tree"
)

// broken are kinds that break one rule each, and what the suite must say.
var broken = map[string]struct {
	change func(*probe.Kind)
	want   string
}{
	"no documentation": {func(k *probe.Kind) { k.Doc = "" }, "Title, Doc and Example are all that the writer of a definition has"},
	"an option without documentation": {func(k *probe.Kind) { k.Doc = "`names` answer rows" },
		"Doc does not mention the option `path`"},
	"an example of another kind": {func(k *probe.Kind) { k.Example = "grove: 1\nprobes: { s: { kind: other } }\n" },
		`Example has no probe of kind "sample"`},
	"shared defaults": {func(k *probe.Kind) {
		names := []string{"a"}
		k.NewOptions = func() any { return &options{Path: "/", Names: names} }
	}, "options.Names: two calls of NewOptions share it"},
	"an option without a description": {func(k *probe.Kind) {
		k.NewOptions = func() any {
			return &struct {
				Path string `yaml:"path"`
			}{}
		}
	}, "Path: no jsonschema description"},
	"an option that is reserved": {func(k *probe.Kind) {
		k.NewOptions = func() any {
			return &struct {
				Every string `yaml:"every" jsonschema:"description=How often."`
			}{}
		}
	}, `the option "every" has the name of a setting that every probe has`},
	"an undeclared reading":     {func(k *probe.Kind) { k.New = makes(undeclared{}) }, "other is not declared: no node can be fed by it"},
	"a reading of another type": {func(k *probe.Kind) { k.New = makes(mistyped{}) }, `answer is an int and reads 1.5`},
	"a row twice":               {func(k *probe.Kind) { k.New = makes(doubled{}) }, `rows, row 1: the key "a" was there before`},
	"goroutines left behind":    {func(k *probe.Kind) { k.New = makes(leaky{}) }, "found unexpected goroutines"},
}

func makes(p probe.Probe) func(any) (probe.Probe, error) {
	return func(o any) (probe.Probe, error) {
		if _, ok := o.(*options); !ok {
			return nil, probe.BadOption("path", "foreign")
		}
		return p, nil
	}
}

type undeclared struct{ sample }

func (undeclared) Run(context.Context) (r probe.Result, err error) { r.Number("other", 1); return }

type mistyped struct{ sample }

func (mistyped) Run(context.Context) (r probe.Result, err error) { r.Number("answer", 1.5); return }

type doubled struct{ sample }

func (doubled) Run(context.Context) (r probe.Result, err error) {
	r.Tables = append(r.Tables, probe.Table{Attribute: "rows", Columns: []string{"name"}, Rows: [][]tree.Value{{tree.Text("a")}, {tree.Text("a")}}})
	return
}

type leaky struct{ sample }

func (leaky) Attributes() []beans.AttributeInfo { return sample{}.Attributes() }

func (leaky) Run(context.Context) (r probe.Result, err error) {
	go func() { select {} }()
	r.Number("answer", 1)
	return
}

const brokenEnv = "PROBETEST_BROKEN"

// TestSuiteFailsBrokenKinds runs the suite on each in a process of its own, since a
// test cannot fail on purpose and pass.
func TestSuiteFailsBrokenKinds(t *testing.T) {
	if name := os.Getenv(brokenEnv); name != "" {
		k := kind()
		broken[name].change(&k)
		probetest.Run(t, k)
		return
	}
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteFailsBrokenKinds$")
			cmd.Env = append(os.Environ(), brokenEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Error("the suite passes it")
			}
			if !strings.Contains(string(out), b.want) {
				t.Errorf("the suite does not say %q:\n%s", b.want, out)
			}
		})
	}
}
