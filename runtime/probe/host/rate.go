package host

import (
	"time"

	"grove/tree"
)

// leastInterval is the shortest time over which a rate means anything.
const leastInterval = time.Millisecond

// rater makes rates of counts that only rise, between one run and the next. It
// forgets a key that a run does not name.
type rater struct {
	before, now time.Time
	old, new    map[string][]uint64
}

// begin opens a run.
func (r *rater) begin(now time.Time) {
	r.before, r.now = r.now, now
	r.old, r.new = r.new, make(map[string][]uint64, len(r.new))
}

// rates returns by how much per second each count of a key has risen since the run
// before. It has no values when the key is new, and when a count fell: then the
// device was reset, and what the others did since is not known either.
func (r *rater) rates(key string, counts ...uint64) []tree.Value {
	r.new[key] = counts
	out := make([]tree.Value, len(counts))
	old, interval := r.old[key], r.now.Sub(r.before)
	if len(old) != len(counts) || interval < leastInterval {
		return out
	}
	for i := range counts {
		if counts[i] < old[i] {
			return out
		}
	}
	for i := range counts {
		out[i] = tree.Number(float64(counts[i]-old[i]) / interval.Seconds())
	}
	return out
}
