package bind

import (
	"fmt"
	"testing"
	"testing/fstest"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/builtin"
	"grove/runtime/schedule"
	"grove/tree"
	"grove/tree/definition"
)

// bare makes a Binder that runs nothing by itself.
func bare(b *testing.B) (*Binder, *definition.Loader) {
	b.Helper()
	s := &stage{made: map[string]int{}, runs: map[string]int{}, closed: map[string]int{}}
	registry := probe.NewRegistry(s.kind())
	server, err := beans.NewServer(beans.ServerOptions{ID: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	binder, err := New(Options{Tree: tree.New(tree.Options{}), Registry: registry, Schedule: schedule.New(schedule.Options{}), Beans: server})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = binder.Stop(b.Context()) })
	return binder, &definition.Loader{Kinds: builtin.Kinds{Registry: registry}}
}

// BenchmarkApply is the cost of 100,000 new nodes, and of the same again.
func BenchmarkApply(b *testing.B) {
	text := "grove: 1\napplication: big\nat: /big\nprobes: { a: { kind: actor, id: a, every: 10s } }\ntree:\n  \"group ${item}\":\n    each: 1..10000\n"
	for k := range 10 {
		text += fmt.Sprintf("    leaf%d: { from: a.value }\n", k)
	}
	load := func(b *testing.B, l *definition.Loader) *definition.Plan {
		plan, errs := l.FS(fstest.MapFS{"big.yaml": &fstest.MapFile{Data: []byte(text)}}, "")
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		return plan
	}
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			binder, loader := bare(b)
			plan := load(b, loader)
			b.StartTimer()
			if err := binder.Apply(plan); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("same", func(b *testing.B) {
		binder, loader := bare(b)
		if err := binder.Apply(load(b, loader)); err != nil {
			b.Fatal(err)
		}
		again := load(b, loader)
		other := load(b, loader)
		for b.Loop() {
			if err := binder.Apply(again); err != nil {
				b.Fatal(err)
			}
			again, other = other, again
		}
	})
}

// BenchmarkDeliver is the cost of one run that feeds 1,000 rows of a table, whose
// numbers all changed, to 2,000 nodes.
func BenchmarkDeliver(b *testing.B) {
	binder, loader := bare(b)
	plan, errs := loader.FS(fstest.MapFS{"disks.yaml": &fstest.MapFile{Data: []byte(disks)}}, "")
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	if err := binder.Apply(plan); err != nil {
		b.Fatal(err)
	}
	i := binder.instances["disks"]
	n := 0.0
	b.ReportAllocs()
	for b.Loop() {
		n++
		rows := make([][]tree.Value, 1000)
		for k := range rows {
			rows[k] = disk(fmt.Sprint("d", k), n, "ssd")
		}
		res := probe.Result{Tables: []probe.Table{{Attribute: "disks", Columns: []string{"name", "used", "kind"}, Rows: rows}}}
		i.deliver(i.runner("d"), &res, false, false)
	}
}
