package history

import (
	"math"
	"slices"
	"time"

	"grove/tree/history/rollup"
)

// collection sorts samples into buckets.
type collection struct {
	width   int64
	first   int64 // number of the first bucket: its time by the width
	buckets []bucketOf
	deltas  [2][]int64 // between samples that follow each other, as they came and merged
	before  [2]int64   // the sample before
}

// bucketOf is one bucket.
type bucketOf struct {
	n, sum, min, max, last float64
	from, to               int64 // times of its first and last sample
	gapFrom, gapTo         int64 // times of its first and last staleness marker; 0: none
	long                   bool
}

// maxDeltas is how many intervals are looked at to find the usual one.
const maxDeltas = 1024

func (c *collection) add(m merged) {
	b := &c.buckets[m.at/c.width-c.first]
	if m.gap {
		if b.gapFrom == 0 || m.at < b.gapFrom {
			b.gapFrom = m.at
		}
		b.gapTo = max(b.gapTo, m.at)
		return
	}
	kind := 0
	if m.long {
		kind = 1
	}
	if before := c.before[kind]; before != 0 && m.at > before && len(c.deltas[kind]) < maxDeltas {
		c.deltas[kind] = append(c.deltas[kind], m.at-before)
	}
	c.before[kind] = m.at
	if b.n == 0 {
		*b = bucketOf{min: m.min, max: m.max, from: m.at, to: m.at, last: m.avg, gapFrom: b.gapFrom, gapTo: b.gapTo}
	}
	b.long = b.long || m.long
	b.n += m.n
	b.sum += m.avg * m.n
	b.min, b.max = min(b.min, m.min), max(b.max, m.max)
	b.from = min(b.from, m.at)
	if m.at >= b.to {
		b.to, b.last = m.at, m.avg
	}
}

// limit is for how long nothing can come without there being a gap: three times the
// usual interval.
func limit(deltas []int64) int64 {
	if len(deltas) == 0 {
		return 0
	}
	slices.Sort(deltas)
	return 3 * deltas[len(deltas)/2]
}

// points makes points of the buckets.
func (c *collection) points() []Point {
	limits := [2]int64{limit(c.deltas[0]), limit(c.deltas[1])}
	var list []Point
	var before *bucketOf
	k := 0 // number of before
	marked := false
	gap := func(next int) {
		at := (c.first+int64(k)+1)*c.width - c.width/2
		if next > k+1 {
			at = (c.first + int64(k) + 1) * c.width
		}
		nan := math.NaN()
		list = append(list, Point{Time: time.UnixMilli(at), Min: nan, Max: nan, Avg: nan, Last: nan})
	}
	for i := range c.buckets {
		b := &c.buckets[i]
		if b.n == 0 {
			marked = marked || b.gapTo != 0
			continue
		}
		if before != nil {
			allowed := limits[0]
			if before.long || b.long {
				allowed = max(allowed, limits[1], 2*rollup.Step.Milliseconds())
			}
			silent := allowed > 0 && b.from-before.to > max(allowed, c.width)
			if marked || before.gapTo > before.to || b.gapFrom != 0 && b.gapFrom < b.from || silent {
				gap(i)
			}
		}
		list = append(list, Point{
			Time: time.UnixMilli((c.first + int64(i)) * c.width),
			Min:  b.min, Max: b.max, Avg: b.sum / b.n, Last: b.last, Count: uint64(b.n),
		})
		before, k, marked = b, i, false
	}
	if before != nil && (marked || before.gapTo > before.to) {
		gap(len(c.buckets))
	}
	return list
}
