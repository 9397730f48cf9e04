package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grove/definitions"
	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/portable"
	"grove/tree/definition/source"
)

// Every definition of the catalogue, packed and loaded elsewhere, grows the same nodes and
// probes as at home.
func TestTheCatalogueIsPortable(t *testing.T) {
	loader := Loader()
	read := func(file string) ([]byte, error) {
		return fs.ReadFile(definitions.Catalogue(), strings.TrimPrefix(file, "builtin:"))
	}
	at := tree.MustPath("/shop/x")
	for _, name := range loader.BuiltInNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home, errs := loader.BuiltIn(name)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			here, errs := home.Instance("x", at, samples(t, home), source.Pos{})
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			packed, err := portable.Pack(home, read)
			if err != nil {
				t.Fatal(err)
			}
			with, err := portable.Parameters(here)
			if err != nil {
				t.Fatal(err)
			}
			asked, err := portable.Asked(portable.Request{Name: "x", Application: packed.Alias, At: at, With: with, Properties: here.Nodes[0].Spec.Properties})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, packed.Alias), 0o700); err != nil {
				t.Fatal(err)
			}
			write := func(name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range packed.Files {
				write(filepath.Join(packed.Alias, f.Name), f.Text)
			}
			write("x.yaml", asked)
			plan, errs := Loader().Dir(dir)
			if len(errs) > 0 {
				t.Fatalf("%v\n%s", errs, asked)
			}
			there, ok := plan.Instance("x")
			if !ok {
				t.Fatal("the instance is not in the plan")
			}
			same(t, here, there)
		})
	}
}

// samples gives a text to each parameter that must be given.
func samples(t *testing.T, d *definition.Definition) *source.Value {
	test := definition.Test{}
	if len(d.Tests) > 0 {
		test = d.Tests[0]
	}
	i, errs := d.ForTest(&test)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	v := source.Value{Kind: source.Map}
	for name, value := range i.Parameters() {
		if text, ok := value.(string); ok {
			v.Set(name, source.Value{Text: text, Quoted: true})
		}
	}
	return &v
}

// same fails unless two instances have the same nodes and probes.
func same(t *testing.T, a, b *definition.Instance) {
	t.Helper()
	if len(a.Nodes) != len(b.Nodes) || len(a.Probes) != len(b.Probes) || len(a.Loops) != len(b.Loops) || len(a.Monitors) != len(b.Monitors) {
		t.Fatalf("%d nodes, %d probes, %d loops, %d monitors; at home %d, %d, %d, %d",
			len(b.Nodes), len(b.Probes), len(b.Loops), len(b.Monitors), len(a.Nodes), len(a.Probes), len(a.Loops), len(a.Monitors))
	}
	for k := range a.Nodes {
		if x, y := &a.Nodes[k], &b.Nodes[k]; x.Path != y.Path || !x.Spec.Equal(y.Spec) {
			t.Errorf("node %s: %+v\nat home %s: %+v", y.Path, y.Spec, x.Path, x.Spec)
		}
	}
	for k := range a.Probes {
		if x, y := &a.Probes[k], &b.Probes[k]; x.Name != y.Name || x.Fingerprint != y.Fingerprint {
			t.Errorf("probe %s: %s\nat home: %s", y.Name, y.Fingerprint, x.Fingerprint)
		}
	}
}
