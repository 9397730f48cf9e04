package live

import (
	"sync"
	"time"
)

// flushTimes remembers when the latest flushes were.
type flushTimes struct {
	mu   sync.Mutex
	ring [256]flushTime
	at   int
}

type flushTime struct {
	seq  uint64
	time time.Time
}

func (f *flushTimes) note(seq uint64, t time.Time) {
	f.mu.Lock()
	f.ring[f.at%len(f.ring)] = flushTime{seq, t}
	f.at++
	f.mu.Unlock()
}

// of returns when the flush of a number was; it is zero when that is forgotten.
func (f *flushTimes) of(seq uint64) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := f.at - 1; i >= 0 && i >= f.at-len(f.ring); i-- {
		if e := f.ring[i%len(f.ring)]; e.seq <= seq {
			if e.seq == seq {
				return e.time
			}
			break
		}
	}
	return time.Time{}
}

// before returns a time before which everything was published with seq or earlier:
// well before that flush, since readings may come late. It is zero when the flush
// is forgotten.
func (f *flushTimes) before(seq uint64) time.Time {
	const late = 10 * time.Second
	if t := f.of(seq); !t.IsZero() {
		return t.Add(-late)
	}
	return time.Time{}
}
