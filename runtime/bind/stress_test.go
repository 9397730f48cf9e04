package bind

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// TestReloadsUnderLoad changes definitions, rows and probes while readings come in,
// somebody looks, and beans are read and called: in the end the tree is what the last
// plan says, and every probe that was made is closed.
func TestReloadsUnderLoad(t *testing.T) {
	inWorld(t, func(w *world) {
		var mu sync.Mutex
		rng := rand.New(rand.NewPCG(1, 2))
		random := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
		w.set("d", func(ctx context.Context) (probe.Result, error) {
			time.Sleep(time.Duration(random(300)) * time.Millisecond)
			var rows [][]tree.Value
			for range random(30) {
				rows = append(rows, disk(fmt.Sprint("d", random(40)), float64(random(100)), []string{"ssd", "cdrom"}[random(2)]))
			}
			return probe.Result{Tables: []probe.Table{{Attribute: "disks", Columns: []string{"name", "used", "kind"}, Rows: rows}}}, nil
		})
		w.value("a", "value", 1)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		every := func(d time.Duration, do func()) {
			wg.Go(func() {
				for tick := time.NewTicker(d); ; {
					select {
					case <-ctx.Done():
						tick.Stop()
						return
					case <-tick.C:
						do()
					}
				}
			})
		}
		all := beans.MustName("grove:type=RuntimeBean,*")
		every(70*time.Millisecond, func() { w.tree.Look(tree.Root) })
		every(110*time.Millisecond, func() {
			names, _ := w.beans.Query(ctx, all, nil)
			for _, n := range names {
				_, _ = w.beans.Attributes(ctx, n)
				_, _ = w.beans.Invoke(ctx, n, []string{"start", "stop", "run", "announce"}[random(4)])
			}
			w.binder.Stats()
		})
		fast := strings.ReplaceAll(disks, "every: 10s", "every: 1s")
		variants := []string{
			fast,
			strings.Replace(fast, "> 90", "> 50", 1),
			strings.Replace(fast, "at: /disks", "at: /moved", 1),
			strings.Replace(fast, "id: d,", "id: d, rev: 1,", 1),
			strings.Replace(fast, "id: d,", "id: d, mode: request,", 1),
			strings.Replace(fast, "id: d,", "id: d, mode: notification,", 1),
			strings.Replace(fast, "  First:", "  Second:", 1),
			strings.Replace(fast, "  Each:", "  Every one:", 1),
		}
		for range 300 {
			files := []string{"disks.yaml", variants[random(len(variants))]}
			if random(3) == 0 {
				files = append(files, "other.yaml", other)
			}
			if random(20) == 0 {
				files = nil
			}
			plan := w.load(files...)
			if err := w.binder.Apply(plan); err != nil {
				t.Error(err)
			}
			w.pass(time.Duration(random(1500)) * time.Millisecond)
		}
		cancel()
		wg.Wait()
		w.rows("d", disk("last", 5, "ssd"))
		w.apply("disks.yaml", strings.Replace(fast, "id: d,", "id: d, rev: 2,", 1))
		w.pass(3 * time.Second)
		var got []string
		_ = w.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
			got = append(got, n.Path.String())
			return true
		})
		want := "/ /disks /disks/Each /disks/Each/last /disks/Each/last/Share /disks/Each/last/Used /disks/First /grove /grove/Definitions /grove/Definitions/disks"
		if text := strings.Join(sorted(got), " "); text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
		w.is("/disks/Each/last/Used", "5", tree.Green)
		w.is("/grove/Definitions/disks", "loaded", tree.Green)
		w.apply()
		for _, id := range []string{"a", "c", "d"} {
			if made, closed := w.count(w.made, id), w.count(w.closed, id); made != closed {
				t.Errorf("probe %s: %d made, %d closed", id, made, closed)
			}
		}
		if n := len(w.binder.asks); n > 0 {
			t.Errorf("%d nodes are asked for that are gone", n)
		}
	})
}

func sorted(list []string) []string { slices.Sort(list); return list }
