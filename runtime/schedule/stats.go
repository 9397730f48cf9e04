package schedule

import (
	"maps"
	"slices"
	"time"
)

// LateBounds are the upper bounds, inclusive, of the classes of Stats.Late; a last
// class holds what is above all of them.
var LateBounds = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// Stats counts what a schedule has done since New.
type Stats struct {
	Jobs    int // scheduled now
	Running int // runs under way
	Waiting int // due runs that wait for a limit

	Runs      uint64 // ended
	Failures  uint64 // of them, ended with an error
	Panics    uint64 // of the failures
	Missed    uint64 // due runs that were skipped: the run before was not over, or the process stood still
	BackedOff uint64 // due runs that were left out because their jobs kept failing
	Busy      time.Duration
	// Late counts runs by how late they started: class i up to LateBounds[i].
	Late    [len(LateBounds) + 1]uint64
	LateMax time.Duration
	LateSum time.Duration

	Kinds []KindStats // sorted by kind
}

// KindStats is what a schedule does now for one kind.
type KindStats struct {
	Kind                    string
	Limit, Running, Waiting int
}

func (s *Stats) late(d time.Duration) {
	i, found := slices.BinarySearch(LateBounds[:], d)
	_ = found // an exact bound belongs to its class
	s.Late[i]++
	s.LateSum += d
	s.LateMax = max(s.LateMax, d)
}

// Stats returns a copy of the counts.
func (s *Schedule) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	for _, kind := range slices.Sorted(maps.Keys(s.kinds)) {
		l := s.kinds[kind]
		out.Kinds = append(out.Kinds, KindStats{kind, l.max, l.running, l.healthy.n + l.suspect.n})
	}
	return out
}
