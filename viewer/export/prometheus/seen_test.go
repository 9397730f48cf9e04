package prometheus

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
)

// guarded are the options of an exporter of a tree.
func guarded(tr *tree.Tree) Options { return Options{Tree: tr, Guard: grant.NewGuard(tr)} }

// asAnyone lets everyone ask who asks.
func asAnyone(h http.Handler) http.Handler { return as(h, grant.Anonymous) }

func as(h http.Handler, s *grant.Subject) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(grant.With(r.Context(), s)))
	})
}

// shared is a tree of two customers, in which the first node of a metric says a secret.
func shared(t *testing.T) *tree.Tree {
	t.Helper()
	tr := tree.New(tree.Options{})
	for _, n := range []struct {
		path string
		spec tree.Spec
	}{
		{"/hidden/cpu", tree.Spec{Kind: tree.Performance, Metric: "cpu_ratio", Description: "a secret"}},
		{"/hidden/own", tree.Spec{Kind: tree.Performance, Metric: "secret_ratio", Description: "another"}},
		{"/shop", tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "acme"}}},
		{"/shop/cpu", tree.Spec{Kind: tree.Performance, Metric: "cpu_ratio", Description: "Used."}},
		{"/shop/other", tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "zenith"}}},
		{"/shop/other/cpu", tree.Spec{Kind: tree.Performance, Threshold: &tree.Threshold{Red: tree.AboveLevel(1, 1)}}},
	} {
		n.spec.Mode = tree.Push
		ref, err := tr.Add(tree.MustPath(n.path), &n.spec)
		if err != nil {
			t.Fatal(err)
		}
		if n.spec.Kind != tree.Group {
			tr.Apply([]tree.Reading{{Node: ref, Value: 42}})
		}
	}
	tr.Flush()
	return tr
}

func TestLinesOfWhatIsSeen(t *testing.T) {
	e, err := New(guarded(shared(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for name, c := range map[string]struct {
		grants []string
		target string
		want   []string
	}{
		"a customer": {[]string{"viewer / customer=acme"}, "/metrics", []string{
			"# HELP cpu_ratio Used.", "# TYPE cpu_ratio gauge", `cpu_ratio{path="/shop/cpu"} 42`,
			`grove_group_nodes{path="/",status="white"} 0`, `grove_group_nodes{path="/",status="green"} 1`, `grove_group_nodes{path="/",status="yellow"} 0`, `grove_group_nodes{path="/",status="red"} 0`,
			`grove_group_nodes{path="/shop",status="white"} 0`, `grove_group_nodes{path="/shop",status="green"} 1`, `grove_group_nodes{path="/shop",status="yellow"} 0`, `grove_group_nodes{path="/shop",status="red"} 0`,
			`grove_node_reading_timestamp_seconds{path="/shop/cpu"} T`,
			`grove_node_status{path="/"} 3`, `grove_node_status{path="/shop"} 3`, `grove_node_status{path="/shop/cpu"} 1`,
			`grove_group_hidden{path="/"} 1`, `grove_group_hidden{path="/shop"} 1`,
		}},
		"a subtree": {[]string{"viewer /shop/other"}, "/metrics?path=/shop&exclude[]=grove_node_reading_timestamp_seconds&exclude[]=grove_group_nodes", []string{
			`grove_node_value{path="/shop/other/cpu"} 42`,
			`grove_node_status{path="/shop"} 3`, `grove_node_status{path="/shop/other"} 3`, `grove_node_status{path="/shop/other/cpu"} 3`,
			`grove_group_hidden{path="/shop"} 1`,
		}},
		"nothing": {nil, "/metrics", []string{
			`grove_group_nodes{path="/",status="white"} 0`, `grove_group_nodes{path="/",status="green"} 0`, `grove_group_nodes{path="/",status="yellow"} 0`, `grove_group_nodes{path="/",status="red"} 0`,
			`grove_node_status{path="/"} 3`, `grove_group_hidden{path="/"} 1`,
		}},
		"what is hidden":  {[]string{"viewer /shop"}, "/metrics?path=/hidden", []string{"/hidden: no such node"}},
		"what is nowhere": {[]string{"viewer /shop"}, "/metrics?path=/nowhere", []string{"/nowhere: no such node"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &grant.Subject{Name: "ada"}
			for _, text := range c.grants {
				g, err := grant.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				s.Grants = append(s.Grants, g)
			}
			w := httptest.NewRecorder()
			as(e, s).ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.target, nil))
			var got []string
			for line := range strings.Lines(w.Body.String()) {
				line = strings.TrimSpace(line)
				if before, _, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(line, "grove_node_reading") {
					line = before + "} T"
				}
				if !strings.HasPrefix(line, "# ") || strings.Contains(line, " cpu_") {
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNobodySeesNothing(t *testing.T) {
	e, err := New(guarded(shared(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics?path=/shop", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
	if _, err := New(Options{Tree: tree.New(tree.Options{})}); err == nil {
		t.Error("an exporter without a guard is made")
	}
}
