//go:build linux

package history

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/history/shelf"
)

// smallDisk mounts a disk of so many bytes.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestDiskFull fills the disk under a history, takes up again once there is room, and
// looks whether what was acknowledged is there: with the room that is kept free, and
// without, so that writing itself fails.
func TestDiskFull(t *testing.T) {
	for name, minFree := range map[string]uint64{"room is looked at": 4 << 20, "writing fails": 1} {
		t.Run(name, func(t *testing.T) {
			spare := int64(4096) // more than the least, and less than a round needs
			disk := smallDisk(t, 32<<20)
			dir := filepath.Join(disk, "history")
			g := plant(t, dir, func(o *Options) { o.MinFree, o.MaxBytes, o.MaxBuffered = minFree, 1<<30, 10_000 })
			var refs []tree.Ref
			for i := range 1000 {
				refs = append(refs, g.add(t, fmt.Sprintf("/n/%d", i), tree.Spec{Kind: tree.Performance, Mode: tree.Push}))
			}
			g.sync(t)
			acknowledged := map[int]bool{}
			round := 0
			give := func() (err error) {
				batch := make([]tree.Reading, len(refs))
				g.at.Store(noon.Add(time.Duration(round) * time.Millisecond).UnixMilli())
				for i, ref := range refs {
					batch[i] = tree.Reading{Node: ref, Value: float64(round) + 1/float64(i+2), Time: g.now().UnixNano()}
				}
				g.tree.Apply(batch)
				err = g.Sync(t.Context())
				acknowledged[round] = err == nil
				round++
				return err
			}
			for range 50 {
				if err := give(); err != nil {
					t.Fatal(err)
				}
			}
			fill(t, filepath.Join(disk, "ballast"), spare)
			var refused error
			for range 500 {
				if refused = give(); refused != nil {
					break
				}
			}
			if !errors.Is(refused, ErrNotReady) && !errors.Is(refused, shelf.ErrBroken) {
				t.Fatalf("with a full disk: %v", refused)
			}
			for range 30 { // more than the buffer holds
				if err := give(); err == nil {
					t.Fatal("it acknowledged a reading on a full disk")
				}
			}
			if st := g.Stats(); st.Dropped[NoRoom] == 0 || st.Refusing == "" || st.Ready {
				t.Errorf("%+v", st)
			}
			if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
				t.Fatal(err)
			}
			for again := time.NewTicker(50 * time.Millisecond); give() != nil; <-again.C {
			}
			check := func(g *grove) {
				t.Helper()
				for i := range refs {
					got := g.selected(t, isValue, equal("path", fmt.Sprintf("/n/%d", i)))[fmt.Sprintf(`{__name__="grove_node_value", path="/n/%d"}`, i)]
					have := map[string]bool{}
					for _, text := range got {
						have[text] = true
					}
					for round, ok := range acknowledged {
						want := fmt.Sprintf("%v=%v", float64(round)/1000, float64(round)+1/float64(i+2))
						if ok && !have[want] {
							t.Fatalf("node %d: %s is lost", i, want)
						}
					}
				}
			}
			check(g)
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			next := plantAt(t, dir, g.clock, func(o *Options) { o.MinFree = 1 })
			next.sync(t)
			check(next)
		})
	}
}

// fill writes a file until only so many bytes more go in.
func fill(t *testing.T, name string, spare int64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err := errors.Join(err, f.Truncate(size-spare), f.Close()); err != nil {
		t.Fatal(err)
	}
}
