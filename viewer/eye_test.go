package viewer

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
)

// shop is acme's but for /shop/b, which is zenith's; /bank is nobody's.
func shop(t *testing.T) *tree.Tree {
	t.Helper()
	tr := tree.New(tree.Options{Now: func() time.Time { return start }})
	red := &tree.Threshold{Red: tree.AboveLevel(10, 10)}
	if err := tr.Change(
		tree.Add(tree.MustPath("/shop"), &tree.Spec{Kind: tree.Group, Description: "secret shop", Properties: map[string]string{"customer": "acme", "location": "Berlin"}}),
		tree.Add(tree.MustPath("/shop/a/cpu"), &tree.Spec{Kind: tree.Performance, Threshold: red, Properties: map[string]string{"location": "Bonn"}}),
		tree.Add(tree.MustPath("/shop/b"), &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "zenith"}}),
		tree.Add(tree.MustPath("/shop/b/cpu"), &tree.Spec{Kind: tree.Performance, Threshold: red}),
		tree.Add(tree.MustPath("/shop/b/empty"), &tree.Spec{Kind: tree.Group}),
		tree.Add(tree.MustPath("/bank/cpu"), &tree.Spec{Kind: tree.Performance, Threshold: red, Description: "secret bank"}),
	); err != nil {
		t.Fatal(err)
	}
	for path, v := range map[string]float64{"/shop/a/cpu": 1, "/shop/b/cpu": 11, "/bank/cpu": 11} {
		ref, _ := tr.Lookup(tree.MustPath(path))
		tr.Report(tree.Report{Node: ref, Value: tree.Number(v), Time: start})
	}
	tr.Flush()
	return tr
}

// shopBeans has one runtime bean, of an instance at /shop, behind every attribute.
type shopBeans struct{ tree *tree.Tree }

func (b shopBeans) Sources(ref tree.Ref) []NodeSource {
	if b.tree.Spec(ref).Kind == tree.Group {
		return nil
	}
	return []NodeSource{{Source: "host", Bean: "grove:name=host", Instance: "shop", Kind: "host", Resource: "web1.example", Mode: "timer", Started: true, Runs: 1}}
}

func (b shopBeans) Operations(ref tree.Ref) []NodeOperation {
	n, err := b.tree.NodeAt(ref)
	if err != nil {
		return nil
	}
	ops := []NodeOperation{
		{Bean: "grove:path=x", Name: "causes", Needs: grant.Operator, At: n.Path},
		{Bean: "grove:path=x", Name: "reset", Needs: grant.Editor, At: n.Path},
	}
	if n.Kind != tree.Group {
		ops = append(ops, NodeOperation{Bean: "grove:name=host", Source: "host", Name: "stop", Needs: grant.Operator, At: tree.MustPath("/shop")})
	}
	return ops
}

func newShop(t *testing.T, change ...func(*Options)) *Server {
	t.Helper()
	tr := shop(t)
	return newServer(t, append([]func(*Options){func(o *Options) {
		o.Tree, o.Beans = tr, shopBeans{tr}
		o.Definitions = fixedDefinitions{
			Instances:    []Instance{{Name: "shop", Application: "web", At: "/shop"}, {Name: "a", Application: "host", At: "/shop/a"}, {Name: "lost", State: "failed"}},
			Applications: []Application{{Name: "host"}, {Name: "web"}},
			Errors:       []Fault{{File: "x.yaml", Message: "secret fault"}},
		}
	}}, change...)...)
}

func get(t *testing.T, s *Server, grants, target string, into any) int {
	t.Helper()
	w := ask(s, "GET", target, "Grants", grants)
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatalf("%s: %v in %s", target, err, w.Body)
	}
	return w.Code
}

// TestNodeShowsWhatIsSeen asks for nodes with other grants.
func TestNodeShowsWhatIsSeen(t *testing.T) {
	s := newShop(t)
	for _, c := range []struct {
		name, grants, path string
		status             int
		want               map[string]any // fields of the answer; nil: the field is absent
	}{
		{"everything", "viewer", "/shop", 200, map[string]any{"status": "red", "description": "secret shop", "counts": counts(0, 1, 0, 1), "children": 2.0, "hidden": nil, "cause": []any{"/shop/b/cpu"}, "may": nil}},
		{"a way", "viewer /shop/a", "/shop", 200, map[string]any{
			"status": "red", "description": nil, "properties": nil, "counts": counts(0, 1, 0, 0), "children": 1.0, "hidden": true, "cause": nil, "rollup": nil, "may": nil, "created": nil, "since": nil,
		}},
		{"the root is a way", "viewer /shop/a", "/", 200, map[string]any{"status": "red", "counts": counts(0, 1, 0, 0), "children": 1.0, "hidden": true}},
		{"nothing at all", "", "/", 200, map[string]any{"status": "red", "counts": counts(0, 0, 0, 0), "children": 0.0, "hidden": true}},
		{"a customer's", "viewer / customer=acme", "/shop", 200, map[string]any{"status": "red", "description": "secret shop", "counts": counts(0, 1, 0, 0), "children": 1.0, "hidden": true, "cause": nil}},
		{"another customer's", "viewer / customer=zenith", "/shop/b", 200, map[string]any{"counts": counts(0, 0, 0, 1), "children": 2.0, "hidden": nil, "cause": []any{"/shop/b/cpu"}}},
		{"hidden", "viewer /shop/a", "/shop/b/cpu", 404, map[string]any{"detail": "/shop/b/cpu: no such node"}},
		{"not there", "viewer /shop/a", "/shop/b/cpus", 404, map[string]any{"detail": "/shop/b/cpus: no such node"}},
		{"not there, for who sees all", "viewer", "/shop/b/cpus", 404, map[string]any{"detail": `/shop/b/cpus: no such node: /shop/b has no "cpus"; did you mean "cpu"?`}},
		{"properties", "viewer", "/shop/a/cpu", 200, map[string]any{"resource": "web1.example", "properties": []any{
			map[string]any{"name": "customer", "value": "acme", "from": "/shop"}, map[string]any{"name": "location", "value": "Bonn"},
		}}},
		{"properties of a way are not told", "viewer /shop/a", "/shop/a/cpu", 200, map[string]any{"properties": []any{map[string]any{"name": "location", "value": "Bonn"}}}},
		{"a viewer may do nothing", "viewer /shop", "/shop/a/cpu", 200, map[string]any{"may": nil, "operations": nil}},
		{"an operator", "operator /shop", "/shop/a/cpu", 200, map[string]any{"may": []any{"ask", "operate"}, "operations": operations("causes", "stop")}},
		{"an operator of a part may not stop a bean of the whole", "operator /shop/a", "/shop/a/cpu", 200, map[string]any{"may": []any{"ask", "operate"}, "operations": operations("causes")}},
		{"an editor", "editor /shop", "/shop/a/cpu", 200, map[string]any{"may": []any{"ask", "operate", "thresholds"}, "operations": operations("causes", "reset", "stop")}},
		{"an editor of a group", "editor /shop", "/shop", 200, map[string]any{"may": []any{"operate"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got map[string]any
			status := get(t, s, c.grants, "/api/v1/nodes"+c.path, &got)
			if status != c.status {
				t.Errorf("%d, want %d: %v", status, c.status, got)
			}
			for field, want := range c.want {
				if d := cmp.Diff(want, got[field]); d != "" {
					t.Errorf("%s (-want +got):\n%s", field, d)
				}
			}
		})
	}
}

func counts(white, green, yellow, red float64) map[string]any {
	return map[string]any{"white": white, "green": green, "yellow": yellow, "red": red}
}

func operations(names ...string) (list []any) {
	for _, name := range names {
		o := map[string]any{"bean": "grove:path=x", "name": name, "returns": "", "impact": ""}
		if name == "stop" {
			o["bean"], o["source"] = "grove:name=host", "host"
		}
		list = append(list, o)
	}
	return list
}

// TestTreeShowsWhatIsSeen asks for the tree with other grants: also its numbers are of
// what is seen alone.
func TestTreeShowsWhatIsSeen(t *testing.T) {
	s := newShop(t)
	for _, c := range []struct {
		name, grants, query string
		want                string
		root                Counts
		hidden              bool
	}{
		{"everything", "viewer", "", "(bank(cpu) shop(a(cpu) b(cpu empty)))", Counts{0, 1, 0, 2}, false},
		{"a part", "viewer /shop/a", "", "(shop(a(cpu)))", Counts{0, 1, 0, 0}, true},
		{"a part, not deep", "viewer /shop/a", "depth=1", "(shop)", Counts{0, 1, 0, 0}, true},
		{"a limit", "viewer /shop/a;viewer /bank", "limit=2", "(shop)!", Counts{0, 1, 0, 1}, true},
		{"a customer", "viewer / customer=acme", "", "(shop(a(cpu)))", Counts{0, 1, 0, 0}, true},
		{"two parts", "viewer /shop/b/cpu;viewer /bank", "status=red", "(bank(cpu) shop(b(cpu)))", Counts{0, 0, 0, 2}, true},
		{"all of it in parts", "viewer /shop;viewer /bank", "", "(bank(cpu) shop(a(cpu) b(cpu empty)))", Counts{0, 1, 0, 2}, false},
		{"the description of a way is no match", "viewer /shop/a", "text=secret", "", Counts{0, 1, 0, 0}, true},
		{"nothing", "", "", "", Counts{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Tree
			if status := get(t, s, c.grants, "/api/v1/tree?"+c.query, &got); status != 200 {
				t.Fatal(status)
			}
			text, n := outline(got.Root)
			if got.Truncated {
				text += "!"
			}
			if text != c.want || n != got.Count {
				t.Errorf("%s, count %d of %d; want %s", text, got.Count, n, c.want)
			}
			if *got.Root.Counts != c.root || got.Root.Hidden != c.hidden || got.Root.Status != "red" {
				t.Errorf("the root: %+v of %s, hidden %t", *got.Root.Counts, got.Root.Status, got.Root.Hidden)
			}
		})
	}
	var problem map[string]any
	if status := get(t, s, "viewer /shop/a", "/api/v1/tree?path=/bank", &problem); status != 404 || problem["detail"] != "/bank: no such node" {
		t.Errorf("hidden: %d %v", status, problem)
	}
}

func TestDefinitionsShowWhatIsSeen(t *testing.T) {
	s := newShop(t)
	for grants, want := range map[string][]string{
		"viewer":                  {"shop", "a", "lost", "(host)", "(web)", "secret fault"},
		"viewer /shop":            {"shop", "a", "(host)", "(web)"},
		"viewer /shop/a":          {"a", "(host)"},
		"viewer / customer=other": nil,
		"":                        nil,
	} {
		var list DefinitionList
		get(t, s, grants, "/api/v1/definitions", &list)
		var got []string
		for _, i := range list.Instances {
			got = append(got, i.Name)
		}
		for _, a := range list.Applications {
			got = append(got, "("+a.Name+")")
		}
		for _, f := range list.Errors {
			got = append(got, f.Message)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", grants, d)
		}
	}
}

// TestThePast asks for a moment: the grants are held against the tree of then.
func TestThePast(t *testing.T) {
	then := start.Add(-time.Hour).Truncate(time.Second)
	released := 0
	s := newShop(t, func(o *Options) {
		o.Past = func(_ context.Context, at time.Time) (*tree.Tree, func(), error) {
			if !at.Equal(then) {
				return nil, nil, &tree.OpError{Op: "go back", Err: tree.ErrNoNode}
			}
			tr := tree.New(tree.Options{Now: func() time.Time { return then }})
			if _, err := tr.Add(tree.MustPath("/shop/a/old"), &tree.Spec{Kind: tree.Performance}); err != nil {
				t.Error(err)
			}
			return tr, func() { released++ }, nil
		}
	})
	at := "at=" + url.QueryEscape(then.Format(time.RFC3339))
	var d Details
	if status := get(t, s, "editor /shop/a", "/api/v1/nodes/shop/a/old?"+at, &d); status != 200 || d.At != "2026-03-01T11:00:00.000Z" || d.May != nil || d.Beans != nil {
		t.Errorf("%d %+v", status, d)
	}
	var tr Tree
	if status := get(t, s, "viewer /shop/a", "/api/v1/tree?"+at, &tr); status != 200 || tr.At == "" || tr.Count != 4 {
		t.Errorf("%d %+v", status, tr)
	}
	for _, c := range []struct {
		name, grants, target string
		status               int
	}{
		{"not there then", "viewer", "/api/v1/nodes/bank?" + at, 404},
		{"hidden then", "viewer /bank", "/api/v1/nodes/shop/a/old?" + at, 404},
		{"no time", "viewer", "/api/v1/nodes/shop?at=yesterday", 400},
		{"no time of a tree", "viewer", "/api/v1/tree?at=1", 400},
		{"an error", "viewer", "/api/v1/tree?at=2000-01-01T00:00:00Z", 404},
	} {
		if w := ask(s, "GET", c.target, "Grants", c.grants); w.Code != c.status {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
	if released != 4 {
		t.Errorf("released %d times", released)
	}
	for _, target := range []string{"/api/v1/nodes/shop?", "/api/v1/tree?"} {
		if w := ask(newShop(t), "GET", target+at); w.Code != http.StatusNotImplemented {
			t.Errorf("without a past, %s: %d %s", target, w.Code, w.Body)
		}
	}
}
