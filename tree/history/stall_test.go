package history

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"grove/tree"
)

// hung is told of each batch in the log, and holds the committer up until it is released.
type hung struct{ held, release chan struct{} }

func (h *hung) Notify() {
	select {
	case h.held <- struct{}{}:
	default:
	}
	<-h.release
}

// TestAHungDiskStopsNobody has a disk that does nothing while the tree goes on: nothing of
// the tree waits for it for good, what is lost is counted, and it is taken up again.
func TestAHungDiskStopsNobody(t *testing.T) {
	g := plant(t, t.TempDir(), func(o *Options) { o.MaxBuffered = 10_000 })
	red := &tree.Threshold{Red: tree.Level{Form: tree.Above, High: 10, OffHigh: 10}}
	refs := make([]tree.Ref, 1000)
	for i := range refs {
		refs[i] = g.add(t, fmt.Sprintf("/n/%d", i), tree.Spec{Kind: tree.Performance, Threshold: red})
	}
	g.sync(t)
	g.patience = 50 * time.Millisecond
	disk := &hung{make(chan struct{}, 1), make(chan struct{})}
	g.SetWriteNotified(disk)
	round := 0
	give := func() {
		batch := make([]tree.Reading, len(refs))
		for i, ref := range refs {
			batch[i] = tree.Reading{Node: ref, Value: float64(20 * (round % 2))}
		}
		round++
		g.advance(1000)
		g.tree.Apply(batch)
		g.tree.Flush()
	}
	give()
	<-disk.held
	before := g.Lost()
	for range 30 {
		give()
	}
	if g.Lost() == before || g.Stats().Dropped[BufferFull] == 0 {
		t.Errorf("nothing is lost: %+v", g.Stats())
	}
	if n, err := g.tree.Node(tree.MustPath("/n/7")); err != nil || n.Status != tree.Green {
		t.Errorf("the tree shows %v, %v", n.Status, err)
	}
	close(disk.release)
	g.sync(t)
	lost := g.Lost()
	give()
	g.sync(t)
	if g.Lost() != lost {
		t.Errorf("%d more are lost although the disk is back", g.Lost()-lost)
	}
}

// TestStatusesNeverWait fills the buffer with what the tree tells while it publishes.
func TestStatusesNeverWait(t *testing.T) {
	g := plant(t, t.TempDir(), func(o *Options) { o.MaxBuffered = 1000 })
	ref := g.add(t, "/n", tree.Spec{Kind: tree.Performance})
	g.sync(t)
	disk := &hung{make(chan struct{}, 1), make(chan struct{})}
	g.SetWriteNotified(disk)
	g.tree.Apply([]tree.Reading{{Node: ref, Value: 1}})
	<-disk.held
	changes := make([]tree.StatusChange, 1500)
	for i := range changes {
		changes[i] = tree.StatusChange{Ref: ref, Path: tree.MustPath("/n"), Kind: tree.Performance, To: tree.Status(1 + i%3), Time: g.now()}
	}
	var flush sync.WaitGroup
	flush.Go(func() { g.Statuses(changes) })
	flush.Wait() // The disk is released only after it.
	if lost := g.Lost(); lost != 0 {
		t.Errorf("%d are lost though there is room for what the tree publishes", lost)
	}
	close(disk.release)
	g.sync(t)
}
