package history

import (
	"time"

	"grove/tree/history/fold"
	"grove/tree/history/shelf"
)

// folding merges the readings of a node, for one interval at a time. The sample of an
// interval has the time of the last reading in it, so that one that was ended early, by
// Sync, is followed by the rest of it.
type folding struct {
	node             *node
	every            int64 // milliseconds
	least, most, num *shelf.Series

	n             float64
	min, max, sum float64
	start, last   int64
}

func newFolding(n *node, every time.Duration) *folding {
	beside := func(which string) *shelf.Series {
		return &shelf.Series{Labels: fold.Of(n.value.Labels, which)}
	}
	return &folding{node: n, every: max(every.Milliseconds(), 1), least: beside(fold.Min), most: beside(fold.Max), num: beside(fold.Count)}
}

// foldIn merges one reading, in the base unit.
func (s *Store) foldIn(f *folding, at int64, v float64) {
	start := at - at%f.every
	switch {
	case f.n > 0 && start > f.start:
		s.endFold(f)
	case f.n > 0 && start < f.start || at <= f.node.last:
		// It is late: its interval is written already.
		s.pushFolded(f, at, v, v, v, 1)
		return
	}
	if f.n == 0 {
		f.start, f.min, f.max, f.sum = start, v, v, 0
		s.record.folds[f] = struct{}{}
	}
	f.n++
	f.sum += v
	f.min, f.max, f.last = min(f.min, v), max(f.max, v), max(f.last, at)
}

// endFold writes what is merged so far.
func (s *Store) endFold(f *folding) {
	if f.n == 0 {
		return
	}
	n := f.node
	n.last, n.ended = max(f.last, n.last+1), false
	s.pushFolded(f, n.last, f.sum/f.n, f.min, f.max, f.n)
	f.n = 0
	delete(s.record.folds, f)
}

func (s *Store) pushFolded(f *folding, at int64, average, least, most, num float64) {
	s.push(f.node.value, at, average)
	s.push(f.least, at, least)
	s.push(f.most, at, most)
	s.push(f.num, at, num)
}

// stop ends the series beside the averages.
func (f *folding) stop(s *Store, at int64) {
	for _, series := range []*shelf.Series{f.least, f.most, f.num} {
		s.push(series, at, stale)
	}
}

// endFolds writes those of which due holds.
func (s *Store) endFolds(due func(*folding) bool) {
	for f := range s.record.folds {
		if due(f) {
			s.endFold(f)
		}
	}
}
