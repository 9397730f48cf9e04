// Package ccmstest has the tree on which the CCMS packages are tested.
package ccmstest

import (
	"context"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms"
	"grove/viewer/export/ccms/alert"
)

// World is a tree with an exporter that hears of its changes.
type World struct {
	*testing.T
	Clock time.Time // what time it is
	*tree.Tree
	*ccms.Exporter
	Acknowledged []alert.Acknowledgement // what the audit was told
}

// New returns a world, whose exporter has options that were edited.
func New(t *testing.T, edit ...func(*ccms.Options)) *World {
	t.Helper()
	w := &World{T: t, Clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return w.Clock }
	w.Tree = tree.New(tree.Options{Now: clock, Statuses: func(c []tree.StatusChange) {
		if w.Exporter != nil {
			w.Statuses(c)
		}
	}})
	o := ccms.Options{Tree: w.Tree, Guard: grant.NewGuard(w.Tree), Now: clock, Audit: func(_ context.Context, a alert.Acknowledgement) { w.Acknowledged = append(w.Acknowledged, a) }}
	for _, f := range edit {
		f(&o)
	}
	e, err := ccms.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Exporter = e
	t.Cleanup(e.Close)
	return w
}

// Grow adds a node.
func (w *World) Grow(path string, s *tree.Spec) {
	w.Helper()
	if _, err := w.Add(tree.MustPath(path), s); err != nil {
		w.Fatal(err)
	}
}

// Tell gives a node a reading a second after the one before, and publishes it.
func (w *World) Tell(path string, v tree.Value) {
	w.Helper()
	w.Clock = w.Clock.Add(time.Second)
	ref, ok := w.Lookup(tree.MustPath(path))
	if !ok || w.Report(tree.Report{Node: ref, Value: v, Time: w.Clock}) != 1 {
		w.Fatalf("report %s", path)
	}
	w.Flush()
}

// Shop grows a small tree with values and one alert, of a yellow line of a log.
func (w *World) Shop() {
	w.Grow("/shop/web1/Connections/Open", &tree.Spec{
		Kind: tree.Performance, Unit: "connections", Description: "Open connections.", Source: "web1.status", Owner: "web1", Metric: "nginx_connections_active",
		Threshold: &tree.Threshold{Yellow: tree.AboveLevel(500, 450), Red: tree.AboveLevel(1000, 900.5)},
	})
	w.Grow("/shop/web1/Answer/Up", &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"up": tree.Green, "*": tree.Red}}, Properties: map[string]string{"severity": "200", "visibility": "expert"}})
	w.Grow("/shop/web1/Error", &tree.Spec{Kind: tree.TextKind})
	w.Grow("/shop/web1/Log", &tree.Spec{Kind: tree.Log, Threshold: &tree.Threshold{ClearAfter: time.Minute}, Keep: 7})
	w.Tell("/shop/web1/Connections/Open", tree.Number(291))
	w.Tell("/shop/web1/Answer/Up", tree.Text("up"))
	w.Tell("/shop/web1/Error", tree.Text(strings.Repeat("x", 41)))
	w.Clock = w.Clock.Add(time.Second)
	ref, _ := w.Lookup(tree.MustPath("/shop/web1/Log"))
	w.Report(tree.Report{Node: ref, Time: w.Clock, Events: []tree.Event{{Time: w.Clock, Status: tree.Green, Text: "started"}, {Time: w.Clock, Status: tree.Yellow, Text: "slow"}}})
	w.Flush()
}

// Everyone lets everybody ask.
func (w *World) Everyone() context.Context { return grant.With(w.Context(), grant.Anonymous) }
