package shelf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// PostDeletion is the last method of tsdb.SeriesLifecycleCallback.
func (*limit) PostDeletion(map[chunks.HeadSeriesRef]labels.Labels) {}

// Sync returns when every batch that was taken before is on the disk. After an error
// nothing is known of what was not synced before, so that the shelf is broken.
func (s *Shelf) Sync() error {
	_, release, err := s.use()
	if err != nil {
		return err
	}
	defer release()
	if broken := s.broken.Load(); broken != nil {
		return *broken
	}
	s.syncing.Lock()
	defer s.syncing.Unlock()
	for _, dir := range s.logs() {
		if err := s.syncLog(dir); err != nil {
			return s.fail(err)
		}
	}
	return nil
}

// syncLog syncs the segments that were written since the last time.
func (s *Shelf) syncLog(dir string) error {
	first, last, err := wlog.Segments(dir)
	if err != nil {
		return err
	}
	if last < 0 {
		return nil
	}
	from, known := s.synced[dir]
	for i := max(from, first); i <= last; i++ {
		// A segment can be gone by now, since its samples are in a block.
		if err := syncPath(wlog.SegmentName(dir, i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if !known || last != from {
		if err := syncPath(dir); err != nil {
			return err
		}
	}
	s.synced[dir] = last
	return nil
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// size is how much the files below dir take, bytes.
func size(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // It was deleted meanwhile.
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}

// obsolete implements tsdb.BlocksToDeleteFunc.
func (s *Shelf) obsolete(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	gone := map[ulid.ULID]struct{}{}
	for _, b := range blocks {
		if b.Meta().Compaction.Deletable || s.opts.Obsolete(b.MinTime(), b.MaxTime()) {
			gone[b.Meta().ULID] = struct{}{}
		}
	}
	return gone
}

// Maintain does what the TSDB's own loop would: it moves full chunks out of memory,
// writes blocks when it is time, and merges them. It does nothing without room.
func (s *Shelf) Maintain(ctx context.Context) error {
	if free(s.opts.Dir) < s.opts.MinFree {
		return s.Room()
	}
	return s.with(func(db *tsdb.DB) error {
		db.ForceHeadMMap() // Its comment calls it one for tests; it is all that the loop does.
		return db.Compact(ctx)
	})
}

// Reload deletes obsolete blocks and finds those that were put into the directory.
// The late samples become a block by it.
func (s *Shelf) Reload(ctx context.Context) error {
	return s.with(func(db *tsdb.DB) error { return db.CompactOOOHead(ctx) })
}

// Flush makes a block of everything in memory.
func (s *Shelf) Flush(context.Context) error {
	return s.with(func(db *tsdb.DB) error {
		s.appending.Lock()
		defer s.appending.Unlock()
		return s.flush(db)
	})
}

// flush is Flush while nothing is appended.
func (s *Shelf) flush(db *tsdb.DB) error {
	head := db.Head()
	// A block lies in one range; what compaction makes of them does, too.
	width := s.opts.BlockRange.Milliseconds()
	// The TSDB moves the end along with the beginning, and keeps series with late samples.
	end := head.MaxTime()
	for head.NumSeries() > 0 && head.MinTime() != math.MaxInt64 && head.MinTime() <= end {
		mint := head.MinTime()
		maxt := min((mint/width+1)*width-1, end)
		if err := db.CompactHead(tsdb.NewRangeHead(head, mint, maxt)); err != nil {
			return err
		}
		if head.MinTime() <= mint {
			break
		}
	}
	return db.CompactOOOHead(context.Background())
}

// Delete forgets the samples of the series that match, from mint to maxt, Unix
// milliseconds. They are not shown any more at once; their room is free once their
// block is merged with others, or obsolete.
func (s *Shelf) Delete(ctx context.Context, mint, maxt int64, matchers ...*labels.Matcher) error {
	return s.with(func(db *tsdb.DB) error { return db.Delete(ctx, mint, maxt, matchers...) })
}

// Snapshot writes everything into blocks in an empty directory of the same disk.
func (s *Shelf) Snapshot(ctx context.Context, dir string) error {
	return s.with(func(db *tsdb.DB) error {
		// Late samples are not part of the TSDB's snapshot before they are in a block.
		if err := db.CompactOOOHead(ctx); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		return db.Snapshot(dir, db.Head().NumSeries() > 0 && db.Head().MinTime() <= db.Head().MaxTime())
	})
}

// CheckBlock opens a block and closes it again.
func CheckBlock(dir string) error {
	b, err := tsdb.OpenBlock(nil, dir, nil, nil)
	if err != nil {
		return err
	}
	return b.Close()
}

func (s *Shelf) with(do func(*tsdb.DB) error) error {
	db, release, err := s.use()
	if err != nil {
		return err
	}
	defer release()
	if broken := s.broken.Load(); broken != nil {
		return *broken
	}
	if err := s.guard(func() error { return do(db) }); err != nil {
		return fmt.Errorf("%s: %w", s.opts.Dir, err)
	}
	return nil
}
