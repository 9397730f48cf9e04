package tree

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

// The figures of the engine: run them with
//
//	make bench
//
// which prints readings per second of one core for batches of 256 random nodes, of
// which about 1 % change the status of their node.

// readings makes a long run of readings: most of them keep the status of their
// node, and about one in a hundred is on the other side of yellow.
func readings(refs []Ref) []Reading {
	r := rand.New(rand.NewPCG(3, 4))
	all := make([]Reading, 1<<20)
	for i := range all {
		v := 10 + 60*r.Float64()
		if r.IntN(200) == 0 { // and back again by the next: two changes
			v = 85
		}
		all[i] = Reading{Node: refs[r.IntN(len(refs))], Value: v}
	}
	return all
}

func benchmarkApply(b *testing.B, nodes int, flushEvery int) {
	tr, refs := wideTree(nodes)
	all := readings(refs)
	v, err := tr.View(Root)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	for i := range refs {
		tr.Apply([]Reading{{Node: refs[i], Value: 20}})
	}
	seq := tr.Flush()
	frame := make([]byte, 0, 8<<20)
	encode := func() {
		seq = tr.Flush()
		frame = frame[:0]
		var before uint32
		span, err := v.Since(seq-1, func(c *Cell) {
			n, _ := c.Value.Number()
			frame = binary.AppendUvarint(frame, uint64(c.Index-before)<<3|uint64(c.Status))
			frame = binary.LittleEndian.AppendUint32(frame, math.Float32bits(float32(n)))
			before = c.Index
		})
		if err != nil || span.Reset {
			b.Fatal(err, span)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	changes, done, since := tr.Stats().Changes, 0, 0
	for b.Loop() {
		at := done & (len(all) - 1)
		tr.Apply(all[at : at+256])
		done += 256
		if since += 256; flushEvery > 0 && since >= flushEvery {
			since = 0
			encode()
		}
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds()/1e6, "Mreadings/s")
	b.ReportMetric(100*float64(tr.Stats().Changes-changes)/float64(done), "%changed") // groups included
	b.ReportMetric(0, "ns/op")
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) { benchmarkApply(b, n, 0) })
	}
}

// BenchmarkApplyAndEncode publishes after every 100,000 readings and encodes every
// changed node, as the live feed does.
func BenchmarkApplyAndEncode(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) { benchmarkApply(b, n, 100_000) })
	}
}

// BenchmarkApplyByName looks each node up by the text of its path.
func BenchmarkApplyByName(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			tr, refs := wideTree(n)
			r := rand.New(rand.NewPCG(3, 4))
			names := make([][]byte, 1<<16)
			for i := range names {
				node, err := tr.NodeAt(refs[r.IntN(n)])
				if err != nil {
					b.Fatal(err)
				}
				names[i] = []byte(node.Path.String())
			}
			batch := make([]Reading, 256)
			done := 0
			for b.Loop() {
				for k := range batch {
					ref, ok := tr.LookupText(names[done&(len(names)-1)])
					if !ok {
						b.Fatal("not found")
					}
					batch[k] = Reading{Node: ref, Value: 10 + float64(done&31)}
					done++
				}
				tr.Apply(batch)
			}
			b.ReportMetric(float64(done)/b.Elapsed().Seconds()/1e6, "Mreadings/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkMemory tells the bytes that a node costs, its path and spec included.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			var perNode float64
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				tr, _ := wideTree(n)
				runtime.GC()
				runtime.ReadMemStats(&after)
				perNode = float64(after.HeapAlloc-before.HeapAlloc) / float64(tr.Len())
				runtime.KeepAlive(tr)
			}
			b.ReportMetric(perNode, "bytes/node")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkGive gives the same readings to nodes of another manager, with the status that
// their owner has for them.
func BenchmarkGive(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			tr, refs := wideTree(n)
			ops := make([]Op, len(refs))
			spec := &Spec{Kind: Performance, Given: true, Threshold: tr.Spec(refs[0]).Threshold}
			for i, ref := range refs {
				node, _ := tr.NodeAt(ref)
				ops[i] = Update(node.Path, spec)
			}
			if err := tr.Change(ops...); err != nil {
				b.Fatal(err)
			}
			all := readings(refs)[:1<<18]
			batch := make([]Given, len(all))
			for i, r := range all {
				batch[i] = Given{Node: r.Node, Status: Green, Value: Number(r.Value), Time: int64(i + 1)}
				if r.Value > 80 {
					batch[i].Status = Yellow
				}
			}
			for i := range refs {
				tr.Give(Given{Node: refs[i], Status: Green, Value: Number(20), Time: 1})
			}
			b.ReportAllocs()
			b.ResetTimer()
			done := 0
			for b.Loop() {
				at := done & (len(batch) - 1)
				tr.Give(batch[at : at+256]...)
				done += 256
			}
			b.ReportMetric(float64(done)/b.Elapsed().Seconds()/1e6, "Mgiven/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
