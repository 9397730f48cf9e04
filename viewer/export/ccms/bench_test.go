package ccms_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms"
)

func bigTree(b *testing.B) (*tree.Tree, []tree.Ref) {
	tr := tree.New(tree.Options{})
	var ops []tree.Op
	s := &tree.Spec{Kind: tree.Performance, Unit: "s", Threshold: &tree.Threshold{Red: tree.AboveLevel(1e9, 1e9)}}
	var paths []tree.Path
	for i := range 1000 {
		for k := range 100 {
			p := tree.MustPath(fmt.Sprintf("/site%d/host%d/value%d", i/50, i, k))
			paths, ops = append(paths, p), append(ops, tree.Add(p, s))
		}
	}
	if err := tr.Change(ops...); err != nil {
		b.Fatal(err)
	}
	refs := make([]tree.Ref, len(paths))
	for i, p := range paths {
		refs[i], _ = tr.Lookup(p)
	}
	return tr, refs
}

// BenchmarkSample is one second of a manager with 100,000 nodes at ten seconds each.
func BenchmarkSample(b *testing.B) {
	tr, refs := bigTree(b)
	e := exporter(b, tr)
	now := time.Now().UnixNano()
	batch := make([]tree.Reading, len(refs)/10)
	i := 0
	for b.Loop() {
		for k := range batch {
			batch[k] = tree.Reading{Node: refs[(i*len(batch)+k)%len(refs)], Value: float64(i), Time: now + int64(i)}
		}
		i++
		tr.Apply(batch)
		tr.Flush()
		sample(b, e)
	}
}

// BenchmarkTree lists 100,000 attributes.
func BenchmarkTree(b *testing.B) {
	tr, _ := bigTree(b)
	e := exporter(b, tr)
	for b.Loop() {
		if _, err := e.Tree(grant.With(b.Context(), grant.Anonymous), tree.Root, -1, 200_000); err != nil {
			b.Fatal(err)
		}
	}
}

// exporter shows a tree.
func exporter(b *testing.B, tr *tree.Tree) *ccms.Exporter {
	b.Helper()
	e, err := ccms.New(ccms.Options{Tree: tr, Guard: grant.NewGuard(tr)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(e.Close)
	return e
}

// sample looks once at what changed.
func sample(b *testing.B, e *ccms.Exporter) {
	b.Helper()
	if err := e.Sample(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPlace is what it takes to hear of a tree of 1,000 nodes that comes, and goes
// again, beside so many others.
func BenchmarkPlace(b *testing.B) {
	for _, others := range []int{0, 100_000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			tr := tree.New(tree.Options{})
			if others > 0 {
				tr, _ = bigTree(b)
			}
			e := exporter(b, tr)
			s := &tree.Spec{Kind: tree.Performance, Unit: "s"}
			top := tree.MustPath("/Managers/berlin")
			var ops []tree.Op
			for i := range 1000 {
				ops = append(ops, tree.Add(tree.MustPath(fmt.Sprintf("%s/host%d/value%d", top, i/20, i)), s))
			}
			turn := func(ops ...tree.Op) {
				b.StopTimer()
				if err := tr.Change(ops...); err != nil {
					b.Fatal(err)
				}
				tr.Flush()
				b.StartTimer()
				sample(b, e)
			}
			turn(ops...) // that there is room for it
			turn(tree.Remove(top))
			for b.Loop() {
				turn(ops...)
				turn(tree.Remove(top))
			}
		})
	}
}

// BenchmarkHeld reports what an exporter holds of each of 100,000 attributes, all of which
// have readings.
func BenchmarkHeld(b *testing.B) {
	tr, refs := bigTree(b)
	readings := make([]tree.Reading, len(refs))
	for i, ref := range refs {
		readings[i] = tree.Reading{Node: ref, Value: float64(i), Time: time.Now().UnixNano()}
	}
	tr.Apply(readings)
	tr.Flush()
	for b.Loop() {
		before := heap()
		e := exporter(b, tr)
		sample(b, e)
		b.ReportMetric(float64(heap()-before)/float64(len(refs)), "B/node")
		e.Close()
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
