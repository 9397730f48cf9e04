package branch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/branch"
	"grove/notify/peer/peertest"
	"grove/tree"
)

// The figures of joined trees, over a network in memory: run them with
//
//	make bench

// fleet is one manager that joins many.
type fleet struct {
	tree   *tree.Tree
	joined *branch.Branches
	trees  []*tree.Tree
	refs   [][]tree.Ref
	shares []*branch.Branches
	stop   func()
}

// spread gives a tree so many nodes, in groups of 100.
func spread(b testing.TB, t *tree.Tree, nodes int) (refs []tree.Ref) {
	ops := make([]tree.Op, nodes)
	paths := make([]tree.Path, nodes)
	for i := range ops {
		paths[i] = tree.MustPath(fmt.Sprintf("/area%d/group%d/node%d", i/10_000, i/100%100, i%100))
		ops[i] = tree.Add(paths[i], number)
	}
	if err := t.Change(ops...); err != nil {
		b.Fatal(err)
	}
	batch := make([]tree.Reading, nodes)
	for i, p := range paths {
		ref, _ := t.Lookup(p)
		refs = append(refs, ref)
		batch[i] = tree.Reading{Node: ref, Value: float64(i % 70)}
	}
	t.Apply(batch)
	return refs
}

// gather joins so many managers of so many nodes in one.
func gather(b testing.TB, managers, nodes int) *fleet {
	net := peertest.New(1)
	f := &fleet{tree: tree.New(tree.Options{})}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var all []peer.Manager
	for k := range managers {
		id := peer.ID(fmt.Sprintf("%016x", k+1))
		t := tree.New(tree.Options{})
		f.trees, f.refs = append(f.trees, t), append(f.refs, spread(b, t, nodes))
		s := branch.New(branch.Options{Tree: t, Fabric: net.Join(id)})
		f.shares = append(f.shares, s)
		running.Go(func() { _ = t.Run(ctx) })
		running.Go(func() { _ = s.Run(ctx) })
		all = append(all, peer.Manager{ID: id, Name: fmt.Sprint("m", k)})
	}
	f.joined = branch.New(branch.Options{Tree: f.tree, Fabric: net.Join("ffffffffffffffff")})
	running.Go(func() { _ = f.tree.Run(ctx) })
	running.Go(func() { _ = f.joined.Run(ctx) })
	f.stop = func() {
		cancel()
		running.Wait()
	}
	if err := f.joined.Set([]branch.Rule{{From: "*"}}, all); err != nil {
		b.Fatal(err)
	}
	return f
}

// until waits until something holds.
func until(b testing.TB, what string, holds func() bool) {
	end := time.Now().Add(60 * time.Second)
	for !holds() {
		if time.Now().After(end) {
			b.Fatal("never: " + what)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func (f *fleet) live() bool {
	states := f.joined.State()
	return len(states) == len(f.trees) && !slices.ContainsFunc(states, func(s branch.State) bool { return s.Phase != branch.Live })
}

// BenchmarkJoin joins a tree of 100,000 nodes.
func BenchmarkJoin(b *testing.B) {
	var took time.Duration
	var bytes uint64
	for b.Loop() {
		f := gather(b, 1, 100_000)
		begin := time.Now()
		until(b, "joined", f.live)
		took += time.Since(begin)
		bytes = f.joined.State()[0].Bytes
		if n := f.joined.State()[0].Nodes; n < 100_000 {
			b.Fatal(n)
		}
		f.stop()
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "s/join")
	b.ReportMetric(float64(bytes)/100_000, "bytes/node")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkHundredManagers gives readings to 100 managers of 1,000 nodes each, which hang in
// one tree, as fast as all of them get there.
func BenchmarkHundredManagers(b *testing.B) {
	f := gather(b, 100, 1000)
	defer f.stop()
	until(b, "joined", f.live)
	r := rand.New(rand.NewPCG(1, 2))
	batch := make([]tree.Reading, 1000)
	last := tree.MustPath("/Managers/m99/area0/group9/node99")
	deltas, bytes := uint64(0), uint64(0)
	for _, s := range f.shares {
		deltas, bytes = deltas-s.Stats().Deltas, bytes-s.Stats().Bytes
	}
	round := 0
	b.ResetTimer()
	for b.Loop() {
		round++
		for k, t := range f.trees {
			for i, ref := range f.refs[k] {
				batch[i] = tree.Reading{Node: ref, Value: float64(r.IntN(700)) / 10}
			}
			if k == len(f.trees)-1 {
				batch[999].Value = float64(round)
				if round%2 == 0 {
					batch[999].Value = -float64(round)
				}
			}
			t.Apply(batch)
		}
		until(b, "everything came", func() bool {
			n, _ := f.tree.Node(last)
			v, _ := n.Value.Number()
			return v == batch[999].Value
		})
	}
	b.StopTimer()
	for _, s := range f.shares {
		deltas, bytes = deltas+s.Stats().Deltas, bytes+s.Stats().Bytes
	}
	b.ReportMetric(float64(deltas)/b.Elapsed().Seconds(), "deltas/s")
	b.ReportMetric(float64(bytes)/float64(deltas), "bytes/delta")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRedLeaf tells how long it takes until a leaf that turns red three managers down
// colours the root at the top.
func BenchmarkRedLeaf(b *testing.B) {
	net := peertest.New(1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var trees []*tree.Tree
	var refs []tree.Ref
	for k := range 4 {
		t := tree.New(tree.Options{})
		refs = spread(b, t, 1000)
		s := branch.New(branch.Options{Tree: t, Fabric: net.Join(peer.ID(fmt.Sprintf("%016x", k+1)))})
		running.Go(func() { _ = t.Run(ctx) })
		running.Go(func() { _ = s.Run(ctx) })
		if k < 3 {
			if err := s.Set([]branch.Rule{{From: "*"}}, []peer.Manager{{ID: peer.ID(fmt.Sprintf("%016x", k+2)), Name: "next"}}); err != nil {
				b.Fatal(err)
			}
		}
		trees = append(trees, t)
	}
	leaf := tree.MustPath("/Managers/next/Managers/next/Managers/next/area0/group9/node99")
	until(b, "three deep", func() bool { _, ok := trees[0].Lookup(leaf); return ok })
	root := func() tree.Status { n, _ := trees[0].Node(tree.Root); return n.Status }
	until(b, "green", func() bool { return root() == tree.Green })
	var took []time.Duration
	for b.Loop() {
		for _, v := range []float64{99, 1} {
			want := map[float64]tree.Status{99: tree.Red, 1: tree.Green}[v]
			begin := time.Now()
			trees[3].Apply([]tree.Reading{{Node: refs[999], Value: v}})
			until(b, want.String(), func() bool { return root() == want })
			if want == tree.Red {
				took = append(took, time.Since(begin))
			}
			time.Sleep(30 * time.Millisecond) // A leaf that turns by itself comes after a pause.
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1e3, "ms-p99")
	b.ReportMetric(0, "ns/op")
}
