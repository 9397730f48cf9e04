package shelf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// The TSDB does not open at all when one of its blocks cannot be read, and mends its log
// only where it understands the damage. Here what is damaged is put aside, where a person
// can look at it, and the rest goes on.

// putWhatIsDamagedAside looks at what opening the database looks at.
func (s *Shelf) putWhatIsDamagedAside() error {
	for _, block := range s.blockDirs() {
		// A block without a description is none to the TSDB, which does not say so.
		if bad := CheckBlock(block); bad != nil && isDamage(bad) {
			if err := s.putAside(block, bad); err != nil {
				return err
			}
		}
	}
	for _, log := range s.logs() {
		if _, _, bad := wlog.Segments(log); bad != nil && !errors.Is(bad, os.ErrNotExist) && isDamage(bad) {
			return s.putLogAside(bad)
		}
	}
	return nil
}

// putLogAside is for a log that cannot be mended. What is in memory goes with it.
func (s *Shelf) putLogAside(why error) error {
	for _, dir := range append(s.logs(), filepath.Join(s.opts.Dir, "chunks_head")) {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := s.putAside(dir, why); err != nil {
			return err
		}
	}
	return nil
}

// isDamage tells files that are damaged from a system that does not let us read them.
func isDamage(err error) bool {
	for _, other := range []error{
		os.ErrPermission, context.Canceled, syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EROFS,
	} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}

// blockDirs are the directories of the blocks.
func (s *Shelf) blockDirs() []string { return blockDirs(s.opts.Dir) }

func blockDirs(in string) (dirs []string) {
	entries, err := os.ReadDir(in)
	if err != nil {
		return nil // There is none, or opening says so.
	}
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err == nil && e.IsDir() {
			dirs = append(dirs, filepath.Join(in, e.Name()))
		}
	}
	return dirs
}

// putAside moves a file or directory of the shelf into Options.Aside.
func (s *Shelf) putAside(path string, why error) error {
	if err := os.MkdirAll(s.opts.Aside, 0o750); err != nil {
		return fmt.Errorf("put %s aside: %w", path, err)
	}
	base := filepath.Join(s.opts.Aside, filepath.Base(s.opts.Dir)+"-"+filepath.Base(path))
	to := base
	for k := 2; ; k++ {
		if _, err := os.Lstat(to); errors.Is(err, os.ErrNotExist) {
			break
		}
		to = fmt.Sprintf("%s-%d", base, k)
	}
	if err := errors.Join(os.Rename(path, to), syncPath(s.opts.Dir), syncPath(s.opts.Aside)); err != nil {
		return fmt.Errorf("put %s aside: %w", path, err)
	}
	s.aside.Add(1)
	s.opts.Log.Error("a part of the history is damaged and was put aside: what it held is not shown any more", "was", path, "is", to, "error", why)
	return nil
}

// PutDamagedAside reads all samples from mint to maxt, Unix milliseconds, and puts aside
// the blocks that cannot be read. It returns how many they were.
func (s *Shelf) PutDamagedAside(ctx context.Context, mint, maxt int64) (moved int, err error) {
	err = s.with(func(db *tsdb.DB) error {
		for _, b := range db.Blocks() {
			if b.MaxTime() <= mint || b.MinTime() > maxt {
				continue
			}
			bad := readBlock(ctx, b)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if bad == nil || !isDamage(bad) {
				continue
			}
			if err := s.putAside(b.Dir(), bad); err != nil {
				return err
			}
			moved++
		}
		if moved == 0 {
			return nil
		}
		return db.CompactOOOHead(ctx)
	})
	return moved, err
}

// readBlock reads everything in a block.
func readBlock(ctx context.Context, b *tsdb.Block) (err error) {
	q, err := tsdb.NewBlockQuerier(b, b.MinTime(), b.MaxTime())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".*"))
	var it chunkenc.Iterator
	for set.Next() {
		it = set.At().Iterator(it)
		for it.Next() != chunkenc.ValNone {
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	return set.Err()
}
