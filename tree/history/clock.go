package history

import (
	"context"
	"path/filepath"
	"time"

	"grove/tree"
	"grove/tree/history/rollup"
)

// ahead is where samples wait whose time has not come.
func (s *Store) ahead() string { return filepath.Join(s.opts.Dir, "ahead") }

// bearable is up to when there may be samples from the future: they keep nothing of the
// present out, unless late readings may hardly be late.
func (s *Store) bearable(now time.Time) int64 {
	return millis(now.Add(max(s.opts.OutOfOrder/2, 2*rawBlock)))
}

// keptOutByTheFuture says whether samples were refused as too late only because there are
// others from the future, which are put away then.
func (s *Store) keptOutByTheFuture(ctx context.Context) bool {
	bearable := s.bearable(s.opts.Now())
	if latest, ok := s.raw.Latest(); !ok || latest <= bearable {
		return false
	}
	s.keeping.busy.Lock()
	defer s.keeping.busy.Unlock()
	if err := s.settleClock(ctx); err != nil {
		s.opts.Log.Error("samples from the future keep others out", "error", err)
		return false
	}
	latest, ok := s.raw.Latest()
	return !ok || latest <= bearable
}

// settleClock puts away what a clock that was ahead has left, once that would keep the
// present out, and takes it back when its time comes: either the clock was wrong then, or
// it is now.
func (s *Store) settleClock(ctx context.Context) error {
	now := s.opts.Now()
	bearable := s.bearable(now)
	moved, err := s.raw.TakeBack(s.ahead(), bearable)
	if err != nil {
		return err
	}
	if moved > 0 {
		if err := s.raw.Reload(ctx); err != nil {
			return err
		}
		s.opts.Log.Info("the time of samples has come that were from the future: they are shown again", "blocks", moved)
	}
	latest, ok := s.raw.Latest()
	if !ok || latest <= bearable {
		return nil
	}
	s.opts.Log.Warn("the history holds samples from the future, since the clock was set back: they wait until their time comes",
		"newest", time.UnixMilli(latest).UTC(), "now", now.UTC(), "in", s.ahead())
	if err := s.raw.PutAway(s.ahead(), millis(now.Add(tree.MaxAhead))); err != nil {
		return err
	}
	// What was merged by the other clock is merged again.
	final := millis(now.Add(-s.opts.OutOfOrder - 2*rollup.Step))
	if final -= final % window.Milliseconds(); s.keeping.rolled.Load() > final {
		return s.setRolled(final)
	}
	return nil
}

// TakesFrom is how old a reading may be to be kept.
func (s *Store) TakesFrom() time.Time {
	newest := s.opts.Now().Add(tree.MaxAhead)
	if latest, ok := s.raw.Latest(); ok && latest > millis(newest.Add(rawBlock)) {
		newest = time.UnixMilli(latest) // The clock was set back.
	}
	return newest.Add(-s.opts.OutOfOrder)
}
