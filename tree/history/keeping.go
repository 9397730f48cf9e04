package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"grove/tree/history/rollup"
	"grove/tree/history/shelf"
	"grove/tree/metric"
)

// How often Run does what.
const (
	measureEvery  = 10 * time.Second
	maintainEvery = time.Minute
	forgetEvery   = time.Hour
)

// window is how much is merged at once.
const window = longBlock

// keeping is what Run does besides watching the tree.
type keeping struct {
	// What ends before these goes, since the limit of bytes is reached.
	rawCutoff, longCutoff atomic.Int64
	rolled                atomic.Int64 // everything before is merged; 0: nothing is
	measured

	busy sync.Mutex // held by what changes blocks
}

// measured is what the shelves held when they were last looked at.
type measured struct {
	mu        sync.Mutex // guards both
	raw, long shelf.Stats
}

func (m *measured) get() (raw, long shelf.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.raw, m.long
}

// obsoleteRaw says which blocks of readings as they came go: those that are older than
// they are kept and merged, which they may not be when the store was closed for long, and
// those that the limit of bytes takes.
func (s *Store) obsoleteRaw(_, maxt int64) bool {
	old := millis(s.opts.Now().Add(-s.opts.Keep))
	return maxt <= min(old, s.keeping.rolled.Load()) || maxt <= s.keeping.rawCutoff.Load()
}

// obsoleteLong says it of merged ones.
func (s *Store) obsoleteLong(_, maxt int64) bool {
	return maxt <= max(millis(s.opts.Now().Add(-s.opts.Long)), s.keeping.longCutoff.Load())
}

// Run watches the tree and keeps the samples in order until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { s.watch(ctx) })
	both.Go(func() { s.keep(ctx) })
	both.Wait()
	return nil
}

// keep writes blocks, merges and deletes.
func (s *Store) keep(ctx context.Context) {
	measure := time.NewTicker(measureEvery)
	defer measure.Stop()
	maintain := time.NewTicker(maintainEvery)
	defer maintain.Stop()
	forget := time.NewTicker(forgetEvery)
	defer forget.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-measure.C:
			err = s.Limit(ctx)
		case <-maintain.C:
			err = s.Maintain(ctx)
		case <-forget.C:
			err = s.forgetEarly(ctx)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, shelf.ErrNotOpen) {
			s.opts.Log.Error("keeping the history in order", "error", err)
		}
	}
}

// Maintain writes blocks when it is time and merges what no late reading can change any
// more. Run does it every minute.
func (s *Store) Maintain(ctx context.Context) error {
	s.keeping.busy.Lock()
	defer s.keeping.busy.Unlock()
	if err := s.ready(); err != nil {
		return shelf.ErrNotOpen
	}
	if err := s.settleClock(ctx); err != nil {
		return err
	}
	if err := s.raw.Maintain(ctx); err != nil {
		return err
	}
	final := millis(s.opts.Now().Add(-s.opts.OutOfOrder - 2*rollup.Step))
	if err := s.rollTo(ctx, final-final%window.Milliseconds()); err != nil {
		return fmt.Errorf("merging: %w", err)
	}
	return s.long.Maintain(ctx)
}

// ready is Ready, but holds also while nothing can be written.
func (s *Store) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == refusing {
		return nil
	}
	return s.readyLocked()
}

// rolledFile remembers what is merged, staging is where it is done.
func (s *Store) rolledFile() string { return filepath.Join(s.opts.Dir, "merged") }
func (s *Store) staging() string    { return filepath.Join(s.opts.Dir, "staging") }

// rollTo merges what is before to, a whole window.
func (s *Store) rollTo(ctx context.Context, to int64) error {
	oldest, ok := s.raw.Oldest()
	if !ok {
		return nil
	}
	width := window.Milliseconds()
	from := max(s.keeping.rolled.Load(), oldest-oldest%width)
	for ; from < to; from += width {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.roll(ctx, from, from+width); err != nil {
			// What cannot be read must not keep the rest from being merged, and so for
			// ever from being deleted.
			moved, damage := s.raw.PutDamagedAside(ctx, from, from+width-1)
			if moved == 0 || damage != nil {
				return errors.Join(err, damage)
			}
			if err := s.roll(ctx, from, from+width); err != nil {
				return err
			}
		}
		if err := s.setRolled(from + width); err != nil {
			return err
		}
	}
	return nil
}

// setRolled remembers that everything before a time is merged.
func (s *Store) setRolled(at int64) error {
	if err := writeFile(s.rolledFile(), []byte(strconv.FormatInt(at, 10)+"\n")); err != nil {
		return err
	}
	s.keeping.rolled.Store(at)
	return nil
}

// roll merges one window. The blocks are made elsewhere, so that a window is there as a
// whole or is done again.
func (s *Store) roll(ctx context.Context, from, to int64) error {
	if err := os.RemoveAll(s.staging()); err != nil {
		return err
	}
	if err := s.long.Room(); err != nil {
		return err
	}
	if err := rollup.Write(ctx, s.raw, s.staging(), from, to, s.opts.Log); err != nil {
		return err
	}
	if err := move(s.staging(), s.long.Dir()); err != nil {
		return err
	}
	return s.long.Reload(ctx)
}

// move renames what is in one directory into another of the same disk.
func move(from, to string) error {
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())))
	}
	if err != nil {
		return err
	}
	return errors.Join(syncDir(to), os.RemoveAll(from))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeFile writes a file that is there as before or as asked for, whatever happens.
func writeFile(name string, data []byte) error {
	f, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// readRolled is up to when the samples are merged. When that is not known they are
// merged again, which changes nothing.
func (s *Store) readRolled() int64 {
	data, err := os.ReadFile(s.rolledFile())
	if err != nil {
		return 0
	}
	at, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || at < 0 || at%window.Milliseconds() != 0 {
		s.opts.Log.Warn("it is not known up to when the history is merged: it is merged again", "file", s.rolledFile())
		return 0
	}
	return at
}

// Limit measures the files and deletes the oldest blocks of both shelves when they
// take more than Options.MaxBytes; readings are refused while that is not enough. Run
// does it every 10 seconds.
func (s *Store) Limit(ctx context.Context) error {
	s.keeping.busy.Lock()
	defer s.keeping.busy.Unlock()
	if err := s.ready(); err != nil {
		return shelf.ErrNotOpen
	}
	// Some is left free, so that it is not one block at a time for ever.
	high, half := s.opts.MaxBytes/10*9, s.opts.MaxBytes/2
	total, log := s.measure()
	blocks := high - log
	if log > half && total > high {
		// Most of it is the log of what is in memory. In a block it takes less. What is
		// left of the log goes with the next samples, so blocks need not go for it.
		if err := s.raw.Flush(ctx); err != nil {
			return err
		}
		total, log = s.measure()
		blocks = high
	}
	if more := total - log - blocks; more > 0 {
		if err := s.deleteOldest(ctx, more); err != nil {
			return err
		}
		total, log = s.measure()
	}
	s.raw.SetFull(total > s.opts.MaxBytes && log <= half)
	return nil
}

// measure is how many bytes there are, and how many of them are not in blocks.
func (s *Store) measure() (total, log int64) {
	raw, long := s.raw.Stats(), s.long.Stats()
	s.keeping.measured.mu.Lock()
	s.keeping.measured.raw, s.keeping.measured.long = raw, long
	s.keeping.measured.mu.Unlock()
	log = raw.Bytes
	for _, b := range raw.Blocks {
		log -= b.Bytes
	}
	return raw.Bytes + long.Bytes, log
}

// deleteOldest deletes blocks of so many bytes, if there are: of the merged ones when
// they take more than a quarter of the limit, and else of those as they came.
func (s *Store) deleteOldest(ctx context.Context, bytes int64) error {
	raw, long := s.keeping.measured.get()
	rawCutoff, longCutoff := int64(0), int64(0)
	merged := long.Bytes
	oldest := func(blocks *[]shelf.Block, cutoff *int64) int64 {
		b := slices.MinFunc(*blocks, func(a, b shelf.Block) int { return cmp.Compare(a.Max, b.Max) })
		*blocks = slices.DeleteFunc(*blocks, func(o shelf.Block) bool { return o == b })
		*cutoff = b.Max
		return b.Bytes
	}
	raw.Blocks, long.Blocks = slices.Clone(raw.Blocks), slices.Clone(long.Blocks)
	for bytes > 0 && len(raw.Blocks)+len(long.Blocks) > 0 {
		if len(long.Blocks) > 0 && (merged > s.opts.MaxBytes/4 || len(raw.Blocks) == 0) {
			n := oldest(&long.Blocks, &longCutoff)
			merged, bytes = merged-n, bytes-n
			continue
		}
		bytes -= oldest(&raw.Blocks, &rawCutoff)
	}
	if rawCutoff == 0 && longCutoff == 0 {
		return nil
	}
	// What goes from the readings as they came is merged first, even if a late one
	// could still come.
	if s.long.Room() == nil {
		width := window.Milliseconds()
		if err := s.rollTo(ctx, (rawCutoff+width-1)/width*width); err != nil {
			return err
		}
	}
	s.keeping.rawCutoff.Store(rawCutoff)
	s.keeping.longCutoff.Store(longCutoff)
	// What is imported later is no part of it.
	defer s.keeping.rawCutoff.Store(0)
	defer s.keeping.longCutoff.Store(0)
	s.opts.Log.Warn("the history has reached its limit of bytes: its oldest part is deleted", "limit", s.opts.MaxBytes,
		"readings up to", time.UnixMilli(rawCutoff).UTC(), "merged readings up to", time.UnixMilli(longCutoff).UTC())
	return errors.Join(s.raw.Reload(ctx), s.long.Reload(ctx))
}

// forgetAtOnce is how many nodes are named in one deletion.
const forgetAtOnce = 256

// forgetEarly deletes the readings of nodes that keep them for less than the store.
func (s *Store) forgetEarly(ctx context.Context) error {
	s.keeping.busy.Lock()
	defer s.keeping.busy.Unlock()
	paths := map[time.Duration][]string{}
	s.mu.Lock()
	for _, n := range s.record.nodes {
		if n != nil && n.value != nil && n.spec.History != nil && n.spec.History.Keep > 0 && n.spec.History.Keep < s.opts.Long {
			paths[n.spec.History.Keep] = append(paths[n.spec.History.Keep], regexp.QuoteMeta(n.path.String()))
		}
	}
	s.mu.Unlock()
	for keep, all := range paths {
		until := millis(s.opts.Now().Add(-keep))
		for part := range slices.Chunk(all, forgetAtOnce) {
			of, err := labels.NewMatcher(labels.MatchRegexp, "path", strings.Join(part, "|"))
			if err != nil {
				return err
			}
			if err := errors.Join(s.raw.Delete(ctx, 0, until, of, isValue), s.long.Delete(ctx, 0, until, of, isValue)); err != nil {
				return err
			}
		}
	}
	return nil
}

// isValue matches the series of readings.
var isValue = labels.MustNewMatcher(labels.MatchNotRegexp, labels.MetricName, metric.Status+"|"+metric.GroupNodes)
