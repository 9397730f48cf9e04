package shelf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// shelved makes a directory with two blocks, of hour 0 and of hour 2, and a sample of hour
// 4 in the log.
func shelved(t *testing.T) (dir string, blocks []string) {
	t.Helper()
	dir = t.TempDir()
	s := standing(t, dir, nil)
	a := named("a")
	for h := range 3 {
		if _, err := s.Append(t.Context(), []Sample{{a, hour(float64(2 * h)), float64(h)}}); err != nil {
			t.Fatal(err)
		}
		if h == 2 {
			break
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	db, release, err := s.use()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range db.Blocks() {
		blocks = append(blocks, b.Dir())
	}
	release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(blocks) != 2 {
		t.Fatalf("%d blocks, not 2", len(blocks))
	}
	return dir, blocks
}

// overwrite changes the bytes of a file from an offset on; below zero it counts from the end.
func overwrite(t *testing.T, file string, at int64, with []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		t.Fatal(err)
	} else if at < 0 {
		at += info.Size()
	}
	if _, err := f.WriteAt(with, at); err != nil {
		t.Fatal(err)
	}
}

var garbage = []byte("garbage garbage garbage")

// TestDamageIsPutAside damages each file of a shelf: it opens, shows the rest, and takes
// samples.
func TestDamageIsPutAside(t *testing.T) {
	rest := []string{"2=1", "4=2"} // without the first block
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir, block string)
		aside  int
		want   []string
	}{
		{"nothing", func(*testing.T, string, string) {}, 0, []string{"0=0", "2=1", "4=2"}},
		{"index cut", func(t *testing.T, _, block string) {
			if err := os.Truncate(filepath.Join(block, "index"), 40); err != nil {
				t.Fatal(err)
			}
		}, 1, rest},
		{"index empty", func(t *testing.T, _, block string) {
			if err := os.Truncate(filepath.Join(block, "index"), 0); err != nil {
				t.Fatal(err)
			}
		}, 1, rest},
		{"index gone", func(t *testing.T, _, block string) {
			if err := os.Remove(filepath.Join(block, "index")); err != nil {
				t.Fatal(err)
			}
		}, 1, rest},
		{"index overwritten at its end", func(t *testing.T, _, block string) { overwrite(t, filepath.Join(block, "index"), -30, garbage) }, 1, rest},
		{"index overwritten at its beginning", func(t *testing.T, _, block string) { overwrite(t, filepath.Join(block, "index"), 0, garbage) }, 1, rest},
		{"chunks overwritten at their beginning", func(t *testing.T, _, block string) {
			overwrite(t, filepath.Join(block, "chunks", "000001"), 0, garbage)
		}, 1, rest},
		{"chunks empty", func(t *testing.T, _, block string) {
			if err := os.Truncate(filepath.Join(block, "chunks", "000001"), 0); err != nil {
				t.Fatal(err)
			}
		}, 1, rest},
		{"description overwritten", func(t *testing.T, _, block string) { overwrite(t, filepath.Join(block, "meta.json"), 0, garbage) }, 1, rest},
		{"description gone", func(t *testing.T, _, block string) {
			if err := os.Remove(filepath.Join(block, "meta.json")); err != nil {
				t.Fatal(err)
			}
		}, 1, rest},
		{"log overwritten", func(t *testing.T, dir, _ string) {
			_, last, err := wlog.Segments(filepath.Join(dir, "wal"))
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, wlog.SegmentName(filepath.Join(dir, "wal"), last), 0, garbage)
		}, 0, []string{"0=0", "2=1"}},
		{"checkpoint overwritten", func(t *testing.T, dir, _ string) {
			at := filepath.Join(dir, "wal", "checkpoint.00000000")
			if err := os.MkdirAll(at, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(wlog.SegmentName(at, 0), garbage, 0o600); err != nil {
				t.Fatal(err)
			}
		}, 0, []string{"0=0", "2=1"}},
		{"log with a strange file", func(t *testing.T, dir, _ string) {
			first, _, err := wlog.Segments(filepath.Join(dir, "wal"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(wlog.SegmentName(filepath.Join(dir, "wal"), first+7), garbage, 0o600); err != nil {
				t.Fatal(err)
			}
		}, 3, []string{"0=0", "2=1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, blocks := shelved(t)
			c.damage(t, dir, blocks[0])
			s := standing(t, dir, nil)
			if diff := cmp.Diff(c.want, kept(t, s, "a")); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
			if out, err := s.Append(t.Context(), []Sample{{named("a"), hour(5), 3}}); err != nil || out.Taken != 1 {
				t.Errorf("a sample after the damage: %+v, %v", out, err)
			}
			found, err := filepath.Glob(filepath.Join(dir, "damaged", "*"))
			if err != nil || len(found) != c.aside || s.Stats().Aside != c.aside {
				t.Errorf("put aside: %v (%v), told %d, want %d", found, err, s.Stats().Aside, c.aside)
			}
		})
	}
}

// TestDamagedSamplesArePutAside damages samples that only reading finds.
func TestDamagedSamplesArePutAside(t *testing.T) {
	dir, blocks := shelved(t)
	overwrite(t, filepath.Join(blocks[0], "chunks", "000001"), 10, garbage[:4])
	s := standing(t, dir, nil)
	if moved, err := s.PutDamagedAside(t.Context(), hour(2), hour(6)); moved != 0 || err != nil {
		t.Errorf("looked at the rest: %d, %v", moved, err)
	}
	if moved, err := s.PutDamagedAside(t.Context(), hour(0), hour(6)); moved != 1 || err != nil {
		t.Errorf("looked at all: %d, %v", moved, err)
	}
	if diff := cmp.Diff([]string{"2=1", "4=2"}, kept(t, s, "a")); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// TestNoAccessIsNoDamage keeps a system that does not let us read from costing the samples.
func TestNoAccessIsNoDamage(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("everything may be read here")
	}
	dir, blocks := shelved(t)
	if err := os.Chmod(filepath.Join(blocks[0], "index"), 0); err != nil {
		t.Fatal(err)
	}
	if err := New(Options{Dir: dir, BlockRange: 1, MaxBlockRange: 1, Segment: 1 << 20}).Open(); err == nil {
		t.Fatal("opened")
	}
	if _, err := os.Stat(blocks[0]); err != nil {
		t.Error("moved what may not be read")
	}
}
