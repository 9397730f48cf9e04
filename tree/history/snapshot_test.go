package history

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

// aged is a history with both shelves in use, and late readings in memory.
func aged(t *testing.T, dir string) (*grove, tree.Ref) {
	t.Helper()
	g := plant(t, dir, func(o *Options) { o.Keep, o.OutOfOrder = 8*time.Hour, time.Hour })
	ref := g.add(t, "/a", tree.Spec{Kind: tree.Performance, Mode: tree.Push})
	for range 8 {
		g.live(t, ref, 2*time.Hour)
		if err := g.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	g.tree.Apply([]tree.Reading{{Node: ref, Value: -1, Time: g.now().Add(-30*time.Minute + time.Millisecond).UnixNano()}})
	g.sync(t)
	return g, ref
}

// everything is what Points and Samples tell of a node.
func (g *grove) everything(t *testing.T, path string) (all []string) {
	t.Helper()
	all = g.points(t, path, 0, 48*time.Hour, 577)
	for s, err := range g.Samples(t.Context(), tree.MustPath(path), noon, noon.Add(48*time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s.Time.UTC().Format(time.StampMilli)+" "+tree.Number(s.Value).String())
	}
	return all
}

func TestSnapshotIsRestored(t *testing.T) {
	g, ref := aged(t, t.TempDir())
	want := g.everything(t, "/a")
	backup := filepath.Join(t.TempDir(), "backup")
	if err := g.Snapshot(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	// The history goes on, and the snapshot stays.
	g.live(t, ref, 6*time.Hour)
	if err := g.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}

	// Into an empty history.
	dir := t.TempDir()
	next := plantAt(t, dir, g.clock, nil)
	next.sync(t)
	if err := next.Import(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, next.everything(t, "/a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// It takes new readings, and has both after a restart; doing it twice is no harm.
	again := next.add(t, "/b", tree.Spec{Kind: tree.Performance, Mode: tree.Push})
	next.live(t, again, time.Hour)
	if err := next.Import(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	fresh := next.everything(t, "/b")
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	last := plantAt(t, dir, next.clock, nil)
	last.sync(t)
	for path, want := range map[string][]string{"/a": want, "/b": fresh} {
		if diff := cmp.Diff(want, last.everything(t, path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// TestImportIntoItself is a restore on top of what is there, with readings in memory that
// the snapshot has as well.
func TestImportIntoItself(t *testing.T) {
	dir := t.TempDir()
	g, ref := aged(t, dir)
	backup := filepath.Join(t.TempDir(), "backup")
	if err := g.Snapshot(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	g.live(t, ref, 10*time.Minute)
	want := g.everything(t, "/a")
	if err := g.Import(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, g.everything(t, "/a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	g.live(t, ref, 10*time.Minute)
	want = g.everything(t, "/a")
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	next := plantAt(t, dir, g.clock, func(o *Options) { o.Keep, o.OutOfOrder = 8*time.Hour, time.Hour })
	next.sync(t)
	if diff := cmp.Diff(want, next.everything(t, "/a")); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

func TestImportRefusesWhatIsNoSnapshot(t *testing.T) {
	g, _ := aged(t, t.TempDir())
	for name, c := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"without a part": {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "long")) }, `it has no directory "long"`},
		"with something": {func(dir string) error { return os.Mkdir(filepath.Join(dir, "raw", "..x"), 0o700) }, "is not a block"},
		"without a meta": {func(dir string) error { return os.Remove(filepath.Join(blockIn(dir), "meta.json")) }, "no such file"},
		"with another meta": {func(dir string) error {
			return os.WriteFile(filepath.Join(blockIn(dir), "meta.json"), []byte(`{"version":1,"ulid":"x"}`), 0o600)
		}, `it says that it is "x"`},
		"with half an index": {func(dir string) error { return os.Truncate(filepath.Join(blockIn(dir), "index"), 100) }, "index"},
	} {
		t.Run(name, func(t *testing.T) {
			backup := filepath.Join(t.TempDir(), "backup")
			if err := g.Snapshot(t.Context(), backup); err != nil {
				t.Fatal(err)
			}
			unlink(t, backup) // its files are those of the store
			if err := c.spoil(backup); err != nil {
				t.Fatal(err)
			}
			next := plantAt(t, t.TempDir(), g.clock, nil)
			next.sync(t)
			err := next.Import(t.Context(), backup)
			if !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if err := next.Maintain(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	if err := g.Snapshot(t.Context(), t.TempDir()+"/not/there"); err == nil {
		t.Error("a snapshot into a directory that cannot be made")
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.Snapshot(t.Context(), full); err == nil || !strings.Contains(err.Error(), "the directory is not empty") {
		t.Errorf("a snapshot into a full directory: %v", err)
	}
}

func blockIn(dir string) string {
	blocks, _ := filepath.Glob(filepath.Join(dir, "raw", "0*"))
	return blocks[0]
}

// unlink replaces files by copies of them.
func unlink(t *testing.T, dir string) {
	t.Helper()
	copied := dir + "-copied"
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(copied, dir)); err != nil {
		t.Fatal(err)
	}
}
