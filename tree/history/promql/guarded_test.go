package promql

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"

	"grove/tree"
	"grove/tree/grant"
)

// shared is an engine over the past of a tree of two customers, in which some nodes are
// not there any more.
func shared(t *testing.T) *Engine {
	t.Helper()
	tr := tree.New(tree.Options{})
	for path, spec := range map[string]*tree.Spec{
		"/shop":           {Kind: tree.Group, Properties: map[string]string{"customer": "acme"}},
		"/shop/cpu":       {Kind: tree.Performance, Metric: "cpu", Description: "Used."},
		"/shop/other":     {Kind: tree.Group, Properties: map[string]string{"customer": "zenith"}},
		"/shop/other/cpu": {Kind: tree.Performance, Metric: "cpu", Description: "secret one"},
		"/bank/gold":      {Kind: tree.Performance, Metric: "secret_gold", Description: "secret two"},
	} {
		if _, err := tr.Add(tree.MustPath(path), spec); err != nil {
			t.Fatal(err)
		}
	}
	db, err := tsdb.Open(filepath.Join(t.TempDir(), "db"), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a := db.Appender(t.Context())
	add := func(name, path string, more ...string) {
		l := labels.FromStrings(append([]string{"__name__", name, "path", path}, more...)...)
		if _, err := a.Append(0, l, start.UnixMilli(), 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/", "/shop", "/shop/cpu", "/shop/other", "/shop/other/cpu", "/shop/gone", "/bank", "/bank/gold"} {
		add("grove_node_status", path)
	}
	for _, path := range []string{"/", "/shop", "/shop/other", "/bank"} {
		add("grove_group_nodes", path, "status", "red")
	}
	add("cpu", "/shop/cpu")
	add("cpu", "/shop/other/cpu", "secret_label", "secret_value")
	add("cpu", "/shop/gone")
	add("secret_gold", "/bank/gold")
	add("own", "")
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	guard := grant.NewGuard(tr)
	return newEngine(t, Options{Store: db, Guard: guard, Metadata: NewCatalogue(tr, guard).Seen})
}

// as lets somebody ask who has these grants.
func as(t *testing.T, texts ...string) context.Context {
	t.Helper()
	s := &grant.Subject{Name: "ada"}
	for _, text := range texts {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Grants = append(s.Grants, g)
	}
	return grant.With(t.Context(), s)
}

func TestQueriesFindWhatIsSeen(t *testing.T) {
	e := shared(t)
	for name, c := range map[string]struct {
		grants []string
		expr   string
		want   string
	}{
		"a customer":               {[]string{"viewer / customer=acme"}, `cpu`, `vector {__name__="cpu" path="/shop/cpu"} 1@0`},
		"a count":                  {[]string{"viewer / customer=acme"}, `count({__name__=~".+"})`, `vector {} 4@0`},
		"what is gone":             {[]string{"viewer /shop"}, `count(cpu)`, `vector {} 3@0`},
		"by name":                  {[]string{"viewer /shop"}, `secret_gold or own or absent(secret_gold)`, `vector {} 1@0`},
		"by path":                  {[]string{"viewer /shop/cpu"}, `{path="/bank/gold"}`, `vector`},
		"by a pattern":             {[]string{"viewer /shop/cpu"}, `{path=~"/b.*|.*other.*", __name__!=""}`, `vector`},
		"by a label":               {[]string{"viewer /shop/cpu"}, `{secret_label!=""}`, `vector`},
		"a join":                   {[]string{"viewer /shop/cpu"}, `cpu * on() group_right secret_gold`, `vector`},
		"a subquery":               {[]string{"viewer /shop/cpu"}, `max_over_time(sum(cpu)[5m:1m])`, `vector {} 1@0`},
		"statuses of the way":      {[]string{"viewer /shop/other/cpu"}, `count by (path) (grove_node_status)`, `vector {path="/"} 1@0 {path="/shop"} 1@0 {path="/shop/other"} 1@0 {path="/shop/other/cpu"} 1@0`},
		"counts that are complete": {[]string{"viewer /shop", "viewer / customer=zenith"}, `count by (path) (grove_group_nodes)`, `vector {path="/shop"} 1@0 {path="/shop/other"} 1@0`},
		"counts that are not":      {[]string{"viewer / customer=acme"}, `grove_group_nodes`, `vector`},
		"nothing":                  {nil, `{__name__=~".+"}`, `vector {__name__="grove_node_status" path="/"} 1@0`},
		"everything":               {[]string{"viewer"}, `count({__name__=~".+"})`, `vector {} 17@0`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, text(e.Instant(as(t, c.grants...), Query{Expr: c.expr}, at(0)))); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := text(e.Instant(t.Context(), Query{Expr: "cpu"}, at(0))); got != "vector" {
		t.Errorf("nobody gets %s", got)
	}
}

// TestNamesAreThoseOfWhatIsSeen holds that lists, their limits and what is said of metrics
// tell nothing of what is hidden.
func TestNamesAreThoseOfWhatIsSeen(t *testing.T) {
	e := shared(t)
	ctx := as(t, "viewer / customer=acme")
	f := Find{Matching: []string{`{path=~".*"}`, `{__name__=~".+"}`}, From: at(-1), To: at(1)}
	show := func(v any, warnings []string, err error) string { return fmt.Sprint(v, warnings, err) }
	series := func(limit int) string {
		f := f
		f.Limit, f.Matching = limit, []string{`{__name__=~".+"}`}
		found, warnings, err := e.Series(ctx, f)
		slices.SortFunc(found, func(a, b Labels) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return show(found, warnings, err)
	}
	values := func(name string, limit int, matching ...string) string {
		v, warnings, err := e.LabelValues(ctx, name, Find{Matching: matching, From: at(-1), To: at(1), Limit: limit})
		return show(v, warnings, err)
	}
	names := func(matching ...string) string {
		v, warnings, err := e.LabelNames(ctx, Find{Matching: matching, From: at(-1), To: at(1)})
		return show(v, warnings, err)
	}
	const all = "{__name__ cpu} {path /shop/cpu}] [{__name__ grove_node_status} {path /shop/cpu}] [{__name__ grove_node_status} {path /shop}] [{__name__ grove_node_status} {path /}"
	for name, c := range map[string]struct{ got, want string }{
		"series":                    {series(0), "[[" + all + "]] [] <nil>"},
		"series, as many":           {series(4), "[[" + all + "]] [] <nil>"},
		"series, too many":          {series(1), "[[{__name__ grove_node_status} {path /}]] [results truncated due to limit] <nil>"},
		"metrics":                   {values("__name__", 0), "[cpu grove_node_status] [] <nil>"},
		"metrics, as many":          {values("__name__", 2), "[cpu grove_node_status] [] <nil>"},
		"metrics, too many":         {values("__name__", 1), "[cpu] [results truncated due to limit] <nil>"},
		"paths":                     {values("path", 0), "[/ /shop /shop/cpu] [] <nil>"},
		"paths of a metric":         {values("path", 0, "cpu"), "[/shop/cpu] [] <nil>"},
		"a label of what is hidden": {values("secret_label", 0), "[] [] <nil>"},
		"labels":                    {names(), "[__name__ path] [] <nil>"},
		"labels of what is hidden":  {names(`{secret_label!=""}`), "[] [] <nil>"},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if told := fmt.Sprint(e.Metadata(ctx, "", -1, 0)); strings.Contains(told, "secret") || !strings.Contains(told, "Used.") {
		t.Errorf("of metrics is said %s", told)
	}
	if told := e.Metadata(ctx, "secret_gold", -1, 0); len(told) > 0 {
		t.Errorf("of a hidden metric is said %v", told)
	}
	if told := e.Metadata(everyone(t.Context()), "secret_gold", -1, 0); len(told) == 0 {
		t.Error("nobody hears of a metric")
	}
}
