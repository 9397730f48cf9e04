package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/history"
	"grove/tree/history/remote"
)

// TestLongAgo puts a chart together of what a store has from before and what is kept
// here. A real store is asked in the tests of remote; this one only says which
// questions it was asked.
func TestLongAgo(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	border := now.Add(-time.Hour)
	asked := 0
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		value := "0.5"
		if strings.Contains(r.FormValue("query"), "count_over_time") {
			value = "1"
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[%s,"%s"]]}]}}`, r.FormValue("end"), value)
	}))
	defer store.Close()
	samples, err := history.Open(history.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer samples.Close()
	tr := tree.New(tree.Options{Readings: samples.Readings})
	samples.Bind(tr)
	p := tree.MustPath("/answer")
	node, err := tr.Add(p, &tree.Spec{Kind: tree.Performance, Unit: "ms", Metric: "answer_seconds"})
	if err != nil {
		t.Fatal(err)
	}
	tr.Apply([]tree.Reading{{Node: node, Value: 7, Time: border.UnixNano()}})
	if err := samples.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader, err := remote.NewReader(remote.Source{URL: store.URL}, readSecret, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	l := &longAgo{Store: samples, tree: tr, reader: reader, log: slog.New(slog.DiscardHandler)}
	points := func(from time.Time) []history.Point {
		t.Helper()
		found, _, err := l.Points(context.Background(), p, from, now, 60)
		if err != nil {
			t.Fatal(err)
		}
		var read []history.Point
		for _, q := range found {
			if q.Count > 0 {
				read = append(read, q)
			}
		}
		return read
	}
	if got := points(border); len(got) != 1 || got[0].Avg != 7 || asked != 0 {
		t.Errorf("what is kept here: %v, and the store was asked %d times", got, asked)
	}
	got := points(border.Add(-2 * time.Hour))
	if asked == 0 || len(got) < 2 || got[0].Avg != 500 || got[len(got)-1].Avg != 7 {
		t.Errorf("with what was before: %v, and the store was asked %d times", got, asked)
	}
	store.Close()
	if got := points(border.Add(-2 * time.Hour)); len(got) != 1 || got[0].Avg != 7 {
		t.Errorf("with a store that is gone: %v", got)
	}
}
