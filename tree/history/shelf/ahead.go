package shelf

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// The TSDB takes no sample that is much older than its newest. A clock that was ahead for a
// while would so keep everything out until its time has come; what it left is put away
// until then.

// Latest is the time of the newest sample, Unix milliseconds; ok is false when there is
// none. A block counts with its end.
func (s *Shelf) Latest() (latest int64, ok bool) {
	db, release, err := s.use()
	if err != nil {
		return 0, false
	}
	defer release()
	latest = db.Head().MaxTime()
	for _, b := range db.Blocks() {
		latest = max(latest, b.MaxTime())
	}
	return latest, latest != math.MinInt64
}

// PutAway moves the samples from a time on, Unix milliseconds, into a directory of blocks
// on the same disk, as far as a block has no earlier ones. Nothing is read or written
// meanwhile.
func (s *Shelf) PutAway(dir string, from int64) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if err := s.putAway(dir, from); err != nil {
		return fmt.Errorf("put away what is from the future: %w", err)
	}
	return s.open()
}

func (s *Shelf) putAway(dir string, from int64) error {
	_, release, err := s.use()
	if err != nil {
		return err
	}
	release()
	s.life.Lock()
	defer s.life.Unlock()
	db := s.db
	if db == nil {
		return ErrNotOpen
	}
	if err := s.guard(func() error { return s.flush(db) }); err != nil {
		return err
	}
	s.db = nil
	if err := s.guard(db.Close); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, block := range s.blockDirs() {
		mint, _, err := blockTimes(block)
		if err != nil {
			return err
		}
		if mint < from {
			continue
		}
		if err := os.Rename(block, filepath.Join(dir, filepath.Base(block))); err != nil {
			return err
		}
	}
	if err := errors.Join(syncPath(dir), syncPath(s.opts.Dir)); err != nil {
		return err
	}
	return errors.Join(s.emptyLog(), syncPath(s.opts.Dir))
}

// emptyLog empties the log of a closed database, everything of which is in blocks. Its
// numbers go on, for whoever follows it.
func (s *Shelf) emptyLog() error {
	log := filepath.Join(s.opts.Dir, "wal")
	_, last, err := wlog.Segments(log)
	if err != nil {
		return err
	}
	// The TSDB begins after its newest checkpoint, and otherwise with number 0.
	checkpoint := filepath.Join(log, fmt.Sprintf("checkpoint.%08d", last))
	return errors.Join(
		os.RemoveAll(log), os.RemoveAll(filepath.Join(s.opts.Dir, wlog.WblDirName)), os.RemoveAll(filepath.Join(s.opts.Dir, "chunks_head")),
		os.MkdirAll(checkpoint, 0o750), os.WriteFile(wlog.SegmentName(checkpoint, 0), nil, 0o640),
		os.WriteFile(wlog.SegmentName(log, last+1), nil, 0o640), syncPath(checkpoint), syncPath(log),
	)
}

// TakeBack moves those blocks from a directory to the shelf that end before a time, and
// returns how many; Reload shows them.
func (s *Shelf) TakeBack(dir string, before int64) (moved int, err error) {
	blocks := blockDirs(dir)
	for _, block := range blocks {
		_, maxt, err := blockTimes(block)
		if err != nil {
			return moved, err
		}
		if maxt > before {
			continue
		}
		if err := os.Rename(block, filepath.Join(s.opts.Dir, filepath.Base(block))); err != nil {
			return moved, err
		}
		moved++
	}
	if moved == 0 {
		return 0, nil
	}
	return moved, errors.Join(syncPath(dir), syncPath(s.opts.Dir))
}

// blockTimes are the time of the first sample of a block and that of its end.
func blockTimes(dir string) (mint, maxt int64, err error) {
	b, err := tsdb.OpenBlock(nil, dir, nil, nil)
	if err != nil {
		return 0, 0, err
	}
	return b.MinTime(), b.MaxTime(), b.Close()
}
