package bind

import (
	"maps"
	"slices"
	"time"

	"grove/runtime/schedule"
)

// Stats is what a Binder has done since it was made.
type Stats struct {
	Instances int // that run
	Kept      int // of them, those that go on though their files are in error
	Probes    int // that run, stopped ones included
	Reload    Reload
	Kinds     []KindStats // sorted by kind
}

// KindStats counts the runs of the probes of one kind, also of those that left.
type KindStats struct {
	Kind     string
	Probes   int           // that there are now
	Runs     uint64        // ended
	Failures uint64        // of them, ended with an error
	Missed   uint64        // due runs that were skipped
	Late     time.Duration // how late the runs started, all together
	Busy     time.Duration // how long the runs took, all together
}

// Reload is how the last Apply went.
type Reload struct {
	Time     time.Time // when it began; zero: there was none
	Duration time.Duration
	OK       bool      // everything that the files say is running
	Last     time.Time // when the last Apply that was OK began
	Error    string    // the first error of the last Apply
	Errors   int       // instances and files in error
	Reloads  uint64    // all
	Failures uint64    // of them, not OK
}

// Stats returns the counts so far.
func (b *Binder) Stats() Stats {
	probes := map[string]int{}
	var s Stats
	for _, i := range b.running() {
		i.mu.Lock()
		s.Instances++
		if i.fault != "" {
			s.Kept++
		}
		for _, r := range i.runners {
			s.Probes++
			probes[r.plan.Kind]++
		}
		i.mu.Unlock()
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	s.Reload = b.reload
	for kind := range probes {
		if b.kinds[kind] == nil {
			s.Kinds = append(s.Kinds, KindStats{Kind: kind, Probes: probes[kind]})
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(b.kinds)) {
		k := *b.kinds[kind]
		k.Probes = probes[kind]
		s.Kinds = append(s.Kinds, k)
	}
	slices.SortFunc(s.Kinds, func(a, b KindStats) int {
		if a.Kind < b.Kind {
			return -1
		}
		return 1
	})
	return s
}

// count adds a run to the counts of its kind.
func (b *Binder) count(kind string, o *schedule.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.kinds[kind]
	if k == nil {
		k = &KindStats{Kind: kind}
		b.kinds[kind] = k
	}
	k.Runs++
	if o.Err != nil {
		k.Failures++
	}
	k.Missed += uint64(o.Missed)
	k.Late += o.Late
	k.Busy += o.Duration
}
