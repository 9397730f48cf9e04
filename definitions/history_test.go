package definitions_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/history"
	"grove/tree/history/promql"
	"grove/viewer/export/grafana"
)

// TestEveryPanelHasDataInGrove evaluates the queries of all dashboards on grove's own
// history, with nothing in between.
func TestEveryPanelHasDataInGrove(t *testing.T) {
	t.Parallel()
	past, err := history.Open(history.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	tr := tree.New(tree.Options{Readings: past.Readings, Reports: past.Reports, Statuses: past.Statuses})
	past.Bind(tr)
	ctx, cancel := context.WithCancel(grant.With(t.Context(), grant.Itself))
	var running sync.WaitGroup
	running.Go(func() { _ = past.Run(ctx) }) // It ends because it was told to.
	defer func() {
		cancel()
		running.Wait()
		if err := past.Close(); err != nil {
			t.Error(err)
		}
	}()
	plant(t, tr)
	if err := past.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	engine, err := promql.New(promql.Options{Store: past.Queryable(), Guard: grant.NewGuard(tr)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	ask := func(expr string) (int, error) {
		now := time.Now()
		r, err := engine.Range(ctx, promql.Query{Expr: expr}, now.Add(-time.Minute), now.Add(time.Second), time.Second)
		if err != nil {
			return 0, err
		}
		return len(r.Series), nil
	}
	// Counts of groups are written by a look around, not with the readings.
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n == 0; n, err = ask(`grove_group_nodes{path="/site",status="red"} > 0`) {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("the history has no counts of groups: %v", err)
		}
	}
	for name, text := range dashboards(t) {
		app, _, _ := strings.Cut(name, "/")
		queries, err := grafana.Queries(text, map[string]string{"instance": "(/site/" + app + "|/grove)", "subtree": ".*"})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range queries {
			if n, err := ask(q.Expr); err != nil || n == 0 {
				t.Errorf("%s: panel %q has nothing: %v\n%s", name, q.Panel, err, q.Expr)
			}
		}
	}
}
