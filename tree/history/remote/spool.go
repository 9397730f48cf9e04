package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// spool keeps those files of the history's log that a target still needs, by hard
// links in a folder of its own: the segments, and the checkpoints, which hold the
// labels of series that began in segments before them. A file that the history drops
// stays here until every target is past it, or the spool holds too much.
type spool struct {
	log string // the history's log
	dir string // the links, on the same file system
	max int64  // bytes that only the spool holds

	mu    sync.Mutex // guards the folder and what follows
	bytes int64      // that only the spool held as of the last update
}

// names of checkpoints begin so, as the log has them.
const checkpointPrefix = "checkpoint."

// numbered lists the segments or the checkpoints of a folder by their numbers, rising.
func numbered(dir, prefix string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []int
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), prefix)
		n, err := strconv.Atoi(text)
		if ok && err == nil && n >= 0 && e.IsDir() == (prefix != "") {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found, nil
}

func checkpointName(dir string, n int) string {
	return filepath.Join(dir, fmt.Sprintf("%s%08d", checkpointPrefix, n))
}

// update links what is new in the log, and drops what no target needs that stands
// at or after need.
func (s *spool) update(need int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	// Checkpoints first: a segment that the history drops has its labels in one that
	// was finished before.
	checkpoints, err := numbered(s.log, checkpointPrefix)
	if err != nil {
		return err
	}
	for _, n := range checkpoints {
		if err := s.linkCheckpoint(n); err != nil {
			return err
		}
	}
	segments, err := numbered(s.log, "")
	if err != nil {
		return err
	}
	for _, n := range segments {
		if err := link(wlog.SegmentName(s.log, n), wlog.SegmentName(s.dir, n)); err != nil {
			return err
		}
	}
	return s.prune(need, segments)
}

// link makes to the same file as from. The history rewrites a damaged segment: then
// the link is renewed.
func link(from, to string) error {
	err := os.Link(from, to)
	switch {
	case errors.Is(err, fs.ErrNotExist): // The history dropped it in the meantime.
		return nil
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	a, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	b, err2 := os.Stat(to)
	if err := errors.Join(err, err2); err != nil || os.SameFile(a, b) {
		return err
	}
	fresh := to + ".new"
	_ = os.Remove(fresh) // One of a crash may be there.
	if err := os.Link(from, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, to)
}

func (s *spool) linkCheckpoint(n int) error {
	from, to := checkpointName(s.log, n), checkpointName(s.dir, n)
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	files, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	fresh := to + ".tmp"
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700)); err != nil {
		return err
	}
	for _, f := range files {
		err := os.Link(filepath.Join(from, f.Name()), filepath.Join(fresh, f.Name()))
		if errors.Is(err, fs.ErrNotExist) { // Dropped in the meantime: a newer one is there.
			return os.RemoveAll(fresh)
		}
		if err != nil {
			return err
		}
	}
	return os.Rename(fresh, to)
}

// prune drops what nobody needs, then the oldest until the spool holds no more than
// it may.
func (s *spool) prune(need int, inLog []int) error {
	// A target reads the newest checkpoint before its segment and all segments between.
	checkpoints, err := numbered(s.dir, checkpointPrefix)
	if err != nil {
		return err
	}
	base := -1
	for _, n := range checkpoints {
		if n < need {
			base = n
		}
	}
	segments, err := numbered(s.dir, "")
	if err != nil {
		return err
	}
	var own []int // segments that only the spool has, rising
	s.bytes = 0
	sizes := map[int]int64{}
	for _, n := range segments {
		if n <= base {
			if err := os.Remove(wlog.SegmentName(s.dir, n)); err != nil {
				return err
			}
			continue
		}
		// What the log has after a repair stands for what was there before.
		if len(inLog) > 0 && n > inLog[len(inLog)-1] {
			if err := os.Remove(wlog.SegmentName(s.dir, n)); err != nil {
				return err
			}
			continue
		}
		if !slices.Contains(inLog, n) {
			info, err := os.Stat(wlog.SegmentName(s.dir, n))
			if err != nil {
				return err
			}
			own = append(own, n)
			sizes[n] = info.Size()
			s.bytes += info.Size()
		}
	}
	for len(own) > 0 && s.bytes > s.max {
		if err := os.Remove(wlog.SegmentName(s.dir, own[0])); err != nil {
			return err
		}
		s.bytes -= sizes[own[0]]
		own = own[1:]
	}
	for _, n := range checkpoints {
		if n < base {
			if err := os.RemoveAll(checkpointName(s.dir, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// held returns the bytes that only the spool holds.
func (s *spool) held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// segments lists what can be read, rising.
func (s *spool) segments() ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return numbered(s.dir, "")
}

// behind returns how many bytes stand after p.
func (s *spool) behind(p position) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	segments, err := numbered(s.dir, "")
	if err != nil {
		return 0
	}
	var sum int64
	for _, n := range segments {
		if n < p.Segment {
			continue
		}
		if info, err := os.Stat(wlog.SegmentName(s.dir, n)); err == nil {
			sum += info.Size()
		}
		if n == p.Segment {
			sum = max(sum-p.Offset, 0)
		}
	}
	return sum
}
