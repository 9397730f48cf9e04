package definitions_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/grafana"
	"grove/viewer/export/prometheus"
	"grove/viewer/export/prometheus/prometheustest"
)

// TestEveryPanelHasData evaluates the queries of all dashboards in a real Prometheus that
// scrapes a tree with everything in it, in which every application has a problem: no
// query may fail, and none may be without series.
func TestEveryPanelHasData(t *testing.T) {
	t.Parallel()
	tr := tree.New(tree.Options{})
	plant(t, tr)
	e, err := prometheus.New(prometheus.Options{Tree: tr, Guard: grant.NewGuard(tr)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	grove := httptest.NewServer(toEverybody(e))
	defer grove.Close()
	server := prometheustest.Start(t, fmt.Sprintf("scrape_configs:\n- job_name: grove\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  - targets: [%q]\n",
		strings.TrimPrefix(grove.URL, "http://")))
	if got := server.Value("count(count_over_time(grove_node_status[1m]) > 2) == " + fmt.Sprint(tr.Len())); got != fmt.Sprint(tr.Len()) {
		t.Fatal(got)
	}
	for name, text := range dashboards(t) {
		app, _, _ := strings.Cut(name, "/")
		for _, instance := range []string{"(/site/" + app + "|/grove)", ".*"} {
			queries, err := grafana.Queries(text, map[string]string{"instance": instance, "subtree": instance})
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range queries {
				n, err := server.Series(q.Expr)
				if err != nil || n == 0 {
					t.Errorf("%s: panel %q: %d series, %v\n%s", name, q.Panel, n, err, q.Expr)
				}
			}
		}
	}
}

// TestVariablesFindInstances makes of the paths of the landmarks what Grafana makes of
// them: the places of the instances.
func TestVariablesFindInstances(t *testing.T) {
	tr := tree.New(tree.Options{})
	plant(t, tr)
	for _, app := range applications(t) {
		text, err := grafana.Dashboard(one(t, app))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{planted + "/" + app}
		if app == "grove" {
			want = []string{"/grove"}
		}
		if got := instancesOf(t, tr, text); !slices.Equal(got, want) {
			t.Errorf("%s: instances %v, want %v", app, got, want)
		}
	}
}

// toEverybody lets a handler answer as a grove without users does.
func toEverybody(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(grant.With(r.Context(), grant.Anonymous)))
	})
}
