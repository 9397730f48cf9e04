package portable_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/kindstest"
	"grove/tree/definition/portable"
	"grove/tree/definition/source"
)

const yamlShop = `# The shop, which hangs itself.
grove: 1
application: shop
title: "A shop: \"small\""
at: /shop
include: [parts.yaml]
parameters:
  url: { type: url, default: "http://127.0.0.1/" }
  every: { type: duration, default: 1500ms }
properties: { location: Berlin }
probes:
  answer: { kind: http, url: "${url}", every: "${every}" }
tree:
  "Answer: all":
    Time: { from: answer.duration, yellow: "> 0.5 for 30s", description: "a # b" }
    Limits: { use: limits }
tests:
  - name: slow is yellow
    given: { "Answer: all/Time": 2 }
    expect: { "": green }
`

const xmlShop = `<grove version="1" application="shop" at="/shop"><title>A shop</title>
<parameters><parameter name="url" type="url" default="http://127.0.0.1/"/></parameters>
<probes><probe name="answer" kind="http" url="${url}"/></probes>
<tree><node name="Time" from="answer.duration" yellow="&gt; 0.5"/></tree></grove>`

func load(t *testing.T, files map[string]string) (*definition.Plan, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plan, errs := (&definition.Loader{Kinds: kindstest.Kinds{}}).Dir(dir)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return plan, dir
}

// A definition that hangs itself becomes one that an instance asks for, elsewhere and under
// another name, with what it includes.
func TestPack(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"YAML": {"shop.yaml": strings.Replace(yamlShop, "given: { \"Answer: all/Time\": 2 }\n    expect: { \"\": green }", "given: { \"Answer: all/Time\": 0.1 }\n    expect: { \"\": green }", 1),
			"parts.yaml": "grove: 1\ntemplates:\n  limits:\n    tree: { Most: { from: answer.duration, red: \"> 9\" } }\n"},
		"XML": {"shop.xml": xmlShop},
	} {
		t.Run(name, func(t *testing.T) {
			plan, _ := load(t, files)
			here := plan.Instances[0]
			packed, err := portable.Pack(plan.Definitions[0], os.ReadFile)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(packed.Alias, "shop-") || packed.Application != "shop" || len(packed.Sum) != 64 {
				t.Errorf("packed %+v", packed)
			}
			with, err := portable.Parameters(here)
			if err != nil {
				t.Fatal(err)
			}
			asked, err := portable.Asked(portable.Request{
				Name: "shop", Application: packed.Alias, At: tree.MustPath("/Taken/shop"), With: with, Properties: here.Nodes[0].Spec.Properties,
			})
			if err != nil {
				t.Fatal(err)
			}
			elsewhere := map[string]string{"shop.yaml": asked}
			for _, f := range packed.Files {
				elsewhere[packed.Alias+"/"+f.Name] = f.Text
			}
			plan, _ = load(t, elsewhere)
			if len(plan.Instances) != 1 {
				t.Fatalf("%d instances, want one: %s", len(plan.Instances), packed.Files[0].Text)
			}
			there := plan.Instances[0]
			if there.Name != "shop" || there.At != tree.MustPath("/Taken/shop") || there.Title != here.Title || len(there.Nodes) != len(here.Nodes) {
				t.Errorf("there: %+v", there)
			}
			for k := range here.Nodes {
				x, _ := here.At.Below(here.Nodes[k].Path)
				if y, _ := there.At.Below(there.Nodes[k].Path); x != y || !here.Nodes[k].Spec.Equal(there.Nodes[k].Spec) {
					t.Errorf("%s became %s", x, y)
				}
			}
			if here.Probes[0].Fingerprint != there.Probes[0].Fingerprint {
				t.Errorf("probe %s, want %s", there.Probes[0].Fingerprint, here.Probes[0].Fingerprint)
			}
			again, err := portable.Pack(plan.Definitions[0], os.ReadFile)
			if err != nil || again.Alias == packed.Alias {
				t.Errorf("packed again: %+v, %v", again, err)
			}
		})
	}
}

func TestPackRefuses(t *testing.T) {
	d := &definition.Definition{Application: "shop", File: "shop.yaml", Files: []string{"shop.yaml"}}
	for name, c := range map[string]struct {
		text string
		err  error
		want string
	}{
		"gone":    {err: os.ErrNotExist, want: "shop.yaml: file does not exist"},
		"other":   {text: "application: other\n", want: "does not define shop any more"},
		"bad":     {text: "a: [", want: "shop.yaml:2:1"},
		"too big": {text: strings.Repeat("# x\n", portable.MaxBytes/4+1), want: "longer than"},
	} {
		_, err := portable.Pack(d, func(string) ([]byte, error) { return []byte(c.text), c.err })
		if !errors.Is(err, portable.ErrPortable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// FuzzWrite holds that what is written reads back as the same value.
func FuzzWrite(f *testing.F) {
	f.Add(yamlShop)
	f.Add("a: [1, 'x', null, {b: ''}, [], {}, 1e3, yes, 2026-01-01, \"\\u2028\"]")
	f.Fuzz(func(t *testing.T, text string) {
		documents, errs := source.ReadYAML("a", []byte(text))
		if len(errs) > 0 || len(documents) != 1 {
			return
		}
		again, errs := source.ReadYAML("b", []byte(portable.Write(&documents[0].Value)))
		if len(errs) > 0 || len(again) != 1 {
			t.Fatalf("%q became %q: %v", text, portable.Write(&documents[0].Value), errs)
		}
		if a, b := shape(&documents[0].Value), shape(&again[0].Value); a != b {
			t.Fatalf("%q became %q", a, b)
		}
	})
}

// shape is a value without its places. A scalar that a reader takes for a text may be quoted
// or not.
func shape(v *source.Value) string {
	var b strings.Builder
	switch v.Kind {
	case source.Map:
		for i := range v.Fields {
			b.WriteString(v.Fields[i].Key + "=" + shape(&v.Fields[i].Value) + ";")
		}
		return "{" + b.String() + "}"
	case source.List:
		for i := range v.Items {
			b.WriteString(shape(&v.Items[i]) + ",")
		}
		return "[" + b.String() + "]"
	}
	if v.Null {
		return "null"
	}
	return v.Text
}
