package past

import (
	"fmt"
	"testing"
	"time"

	"grove/tree"
)

// BenchmarkAt puts a moment of 100,000 nodes together, of which each had a hundred
// readings and three changes of status.
func BenchmarkAt(b *testing.B) {
	w := grow(b)
	const nodes = 100_000
	spec := &tree.Spec{Kind: tree.Performance, Unit: "ms", Metric: "answer_seconds", Threshold: bad}
	ops := make([]tree.Op, nodes)
	for i := range ops {
		ops[i] = tree.Add(tree.MustPath(fmt.Sprintf("/shop/rack%d/host%d/load%d", i/1000, i/10, i%10)), spec)
	}
	w.change(ops...)
	readings := make([]tree.Reading, nodes)
	for i := range readings {
		readings[i].Node, _ = w.tree.Lookup(tree.MustPath(fmt.Sprintf("/shop/rack%d/host%d/load%d", i/1000, i/10, i%10)))
	}
	for round := range 100 {
		w.clock.Add(10_000)
		for i := range readings {
			readings[i].Time = 0
			readings[i].Value = float64(i%8 + round/33%3*2)
		}
		w.tree.Apply(readings)
		w.tree.Flush()
		if round%24 == 0 {
			w.look()
		}
	}
	if err := w.settle(b.Context()); err != nil {
		b.Fatal(err)
	}
	at := w.now().Add(-time.Minute)
	for b.Loop() {
		at = at.Add(-time.Millisecond)
		past, release, err := w.past.At(b.Context(), at)
		if err != nil || past.Len() < nodes {
			b.Fatal(err)
		}
		release()
	}
}
