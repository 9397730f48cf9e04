package measure

import (
	"math"
	"time"
)

// windowMinutes is how far back averages go.
const windowMinutes = 15

// Window sums up the readings of the last minutes: of the running one and of the
// fifteen before it. The zero value has seen none. It is for one goroutine at a time. There
// is one for each attribute that has readings, so it is kept small.
type Window struct {
	minute   int64 // the running one, since 1970
	sums     [windowMinutes + 1]float64
	counts   [windowMinutes + 1]uint16 // a minute that is full takes no more
	last     int64                     // time of the last reading that was taken, Unix nanoseconds
	min, max extreme
}

// extreme is Extreme with the time in Unix nanoseconds.
type extreme struct {
	value float64
	at    int64
}

func (x extreme) told() Extreme { return Extreme{x.value, time.Unix(0, x.at)} }

// Extreme is the least or the greatest value and when it was.
type Extreme struct {
	Value float64
	Time  time.Time
}

// Average is what the readings of some minutes come to: fields AVGxxPVAL, AVGxxCVAL and
// AVGxxSVAL.
type Average struct {
	Value float64 // P: Sum / Count
	Count uint32  // C
	Sum   float64 // S
}

// Add takes a reading that was observed at a time. One that was taken before, is older,
// or no number, changes nothing.
func (w *Window) Add(v float64, at time.Time) {
	t := at.UnixNano()
	if t <= w.last || math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	first := w.last == 0
	w.last = t
	w.advance(at)
	if k := at.Unix() / 60 % int64(len(w.sums)); w.counts[k] < math.MaxUint16 {
		w.sums[k] += v
		w.counts[k]++
	}
	if first || v < w.min.value {
		w.min = extreme{v, t}
	}
	if first || v > w.max.value {
		w.max = extreme{v, t}
	}
}

// advance forgets the minutes that are too long ago.
func (w *Window) advance(now time.Time) {
	minute := now.Unix() / 60
	if minute <= w.minute {
		return
	}
	for m := max(w.minute+1, minute-int64(len(w.sums))+1); m <= minute; m++ {
		k := m % int64(len(w.sums))
		w.sums[k], w.counts[k] = 0, 0
	}
	w.minute = minute
}

// Average is over the last full minutes and the running one, so that it always has
// something to show: ok is false when no reading came.
func (w *Window) Average(now time.Time, minutes int) (a Average, ok bool) {
	w.advance(now)
	for m := w.minute - int64(minutes); m <= w.minute; m++ {
		if m < 0 {
			continue
		}
		k := m % int64(len(w.sums))
		a.Sum += w.sums[k]
		a.Count += uint32(w.counts[k])
	}
	if a.Count == 0 {
		return a, false
	}
	a.Value = a.Sum / float64(a.Count)
	return a, true
}

// Extremes are the least and the greatest of all values that it ever took.
func (w *Window) Extremes() (least, greatest Extreme) { return w.min.told(), w.max.told() }
