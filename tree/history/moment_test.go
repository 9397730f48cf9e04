package history

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

// moment tells what a store knows of a moment so long after noon, a line for each node.
func (g *grove) moment(t *testing.T, after time.Duration) map[string]string {
	t.Helper()
	statuses, step, err := g.StatusesAt(t.Context(), noon.Add(after))
	if err != nil {
		t.Fatal(err)
	}
	readings, err := g.ReadingsAt(t.Context(), noon.Add(after), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	ago := func(at time.Time) string { return at.Sub(noon).String() }
	for path, s := range statuses {
		line := s.Status.String()
		if s.Group {
			line += " group"
		}
		if step > 0 && s.Before != s.Status {
			line += " was " + s.Before.String()
		}
		if !s.Since.IsZero() {
			line += " since " + ago(s.Since)
		}
		if !s.Renewed.IsZero() {
			line += " renewed " + ago(s.Renewed)
		}
		if s.Status == tree.White && s.Last != tree.White {
			line += " last " + s.Last.String()
		}
		if r, ok := readings[path]; ok {
			line += fmt.Sprintf(" %s=%v%s at %s", r.Metric, r.Value, r.Unit, ago(r.Time))
		}
		got[path] = line
	}
	return got
}

func TestMoments(t *testing.T) {
	g := plant(t, t.TempDir(), nil)
	red := &tree.Threshold{Red: tree.AboveLevel(10, 10), StaleAfter: time.Minute}
	load := g.add(t, "/shop/load", tree.Spec{Kind: tree.Performance, Threshold: red, Unit: "MB"})
	time2 := g.add(t, "/shop/time", tree.Spec{Kind: tree.Performance, Unit: "ms", Metric: "answer_seconds"})
	g.walk(t.Context(), false)
	g.advance(10 * time.Second)
	g.give(load, 10*time.Second, 5)
	g.give(time2, 10*time.Second, 500)
	g.tree.Flush()
	g.changedGroups()
	g.advance(10 * time.Second)
	g.give(load, 20*time.Second, 50)
	g.tree.Flush()
	g.advance(70 * time.Second)
	g.tree.Advance(g.now()) // 1m30s: load has been silent
	g.tree.Flush()
	g.advance(30 * time.Second)
	if err := g.tree.Change(tree.Move(tree.MustPath("/shop/time"), tree.MustPath("/shop/answer"))); err != nil {
		t.Fatal(err)
	}
	g.walk(t.Context(), false) // 2m
	g.advance(30 * time.Second)
	if err := g.tree.Change(tree.Remove(tree.MustPath("/shop/load"))); err != nil {
		t.Fatal(err)
	}
	g.tree.Flush()
	g.walk(t.Context(), false)
	g.advance(30 * time.Second)
	g.add(t, "/shop/load", tree.Spec{Kind: tree.Performance, Threshold: red, Unit: "MB"}) // 3m
	g.walk(t.Context(), false)
	g.advance(time.Minute)
	g.walk(t.Context(), true)
	g.sync(t)
	answer := " answer_seconds=0.5 at 10s"
	for _, step := range []string{"in memory", "in blocks"} {
		for after, want := range map[time.Duration]map[string]string{
			-time.Second: {},
			0:            {"/": "white group", "/shop": "white group", "/shop/load": "white", "/shop/time": "white"},
			10 * time.Second: {"/": "green group since 10s", "/shop": "green group since 10s",
				"/shop/load": "green since 10s grove_node_value=5MB at 10s", "/shop/time": "green since 10s" + answer},
			25 * time.Second: {"/": "red group since 20s", "/shop": "red group since 20s",
				"/shop/load": "red since 20s grove_node_value=50MB at 20s", "/shop/time": "green since 10s" + answer},
			90 * time.Second: {"/": "red group since 20s", "/shop": "red group since 20s",
				"/shop/load": "white since 1m30s last red grove_node_value=50MB at 20s", "/shop/time": "green since 10s" + answer},
			// The groups had nothing to say while the node moved, two changes in a millisecond.
			121 * time.Second: {"/": "red group since 2m0.001s", "/shop": "red group since 2m0.001s",
				"/shop/load": "white since 1m30s last red grove_node_value=50MB at 20s", "/shop/answer": "green"},
			150 * time.Second: {"/": "green group since 2m30s", "/shop": "green group since 2m30s", "/shop/answer": "green"},
			180 * time.Second: {"/": "green group since 2m30s", "/shop": "green group since 2m30s", "/shop/answer": "green",
				"/shop/load": "white since 3m0s renewed 2m30s last red grove_node_value=50MB at 20s"},
			// All were written anew at 4m, and are forgotten five minutes later.
			9*time.Minute - time.Millisecond: {"/": "green group since 2m30s", "/shop": "green group since 2m30s", "/shop/answer": "green",
				"/shop/load": "white since 3m0s renewed 2m30s last red grove_node_value=50MB at 20s"},
			9 * time.Minute: {},
		} {
			if diff := cmp.Diff(want, g.moment(t, after)); diff != "" {
				t.Errorf("%s, at %s (-want +got):\n%s", step, after, diff)
			}
		}
		if err := g.raw.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	some, err := g.ReadingsAt(t.Context(), noon.Add(time.Hour), 0, "/shop/load", "/nowhere")
	if err != nil || len(some) != 1 || some["/shop/load"].Value != 50 {
		t.Errorf("by name: %v, %v", some, err)
	}
}

// TestMomentsOfMerged asks for what is kept as five minutes each.
func TestMomentsOfMerged(t *testing.T) {
	g := plant(t, t.TempDir(), func(o *Options) { o.Keep, o.OutOfOrder = 4*time.Hour, time.Hour })
	red := &tree.Threshold{Red: tree.AboveLevel(10, 10)}
	load := g.add(t, "/shop/load", tree.Spec{Kind: tree.Performance, Threshold: red})
	early := g.add(t, "/shop/early", tree.Spec{Kind: tree.Performance})
	for i := range 14 * 60 {
		g.give(early, time.Duration(i)*time.Minute, 1)
		v := 5.0
		if i >= 33 && i < 63 {
			v = 50
		}
		g.give(load, time.Duration(i)*time.Minute, v)
		g.tree.Flush()
		if i == 52 {
			if err := g.tree.Change(tree.Remove(tree.MustPath("/shop/early"))); err != nil {
				t.Fatal(err)
			}
		}
		g.walk(t.Context(), true)
		g.advance(time.Minute)
		if i%120 == 119 {
			g.sync(t)
			if err := g.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if oldest, _ := g.raw.Oldest(); oldest <= noon.Add(2*time.Hour).UnixMilli() {
		t.Fatalf("all is kept as it came, from %s on", time.UnixMilli(oldest).Sub(noon))
	}
	for after, want := range map[time.Duration]map[string]string{
		20 * time.Minute: {"/": "green group", "/shop": "green group", "/shop/load": "green grove_node_value=5 at 20m0s", "/shop/early": "green grove_node_value=1 at 20m0s"},
		31 * time.Minute: {"/": "red group was green", "/shop": "red group was green", "/shop/load": "red was green grove_node_value=23 at 30m0s", "/shop/early": "green grove_node_value=1 at 30m0s"},
		45 * time.Minute: {"/": "red group", "/shop": "red group", "/shop/load": "red grove_node_value=50 at 45m0s", "/shop/early": "green grove_node_value=1 at 45m0s"},
		58 * time.Minute: {"/": "red group", "/shop": "red group", "/shop/load": "red grove_node_value=50 at 55m0s"},
	} {
		if diff := cmp.Diff(want, g.moment(t, after)); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", after, diff)
		}
	}
}
