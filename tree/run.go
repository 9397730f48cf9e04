package tree

import (
	"container/heap"
	"context"
	"math"
	"slices"
	"time"
)

// sweepEvery is how often Run looks for stale nodes and for the end of flapping: a
// node turns white at most so long after its limit.
const sweepEvery = time.Second

// sweepAtOnce is how many nodes are looked at under one lock.
const sweepAtOnce = 1 << 14

// Run publishes changes and lets time pass, until ctx ends; then it flushes once
// more and returns nil. A change that comes after a pause is flushed at once, and
// more of them at the pace of Options.
func (t *Tree) Run(ctx context.Context) error {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	flush := time.NewTimer(t.opts.FlushEvery)
	defer flush.Stop()
	var last time.Time // when a flush published something
	publish := func() {
		if before := t.Seq(); t.Flush() != before {
			last = time.Now()
		}
	}
	for {
		select {
		case <-ctx.Done():
			t.Flush()
			return nil
		case <-t.wake:
			pace := min(max(t.opts.Pace(), 0), t.opts.FlushEvery)
			if wait := pace - time.Since(last); wait > 0 {
				flush.Reset(wait)
				continue
			}
			publish()
		case <-flush.C:
			t.endHolds(t.opts.Now().UnixNano())
			publish()
			flush.Reset(t.opts.FlushEvery)
		case <-sweep.C:
			t.sweep(t.opts.Now().UnixNano())
		}
	}
}

// Advance does what is due by now: it ends hold times, turns stale nodes white and
// ends flapping. Run does the same; programs without Run, such as tests of
// definitions, call it after moving their clock.
func (t *Tree) Advance(now time.Time) {
	if t.frozen {
		return
	}
	t.endHolds(now.UnixNano())
	t.sweep(now.UnixNano())
}

// endHolds settles the nodes whose hold times end by now, each at the time at
// which it ended.
func (t *Tree) endHolds(now int64) {
	t.mu.Lock()
	defer t.unlock()
	for len(t.due) > 0 && t.due[0].at <= now {
		e := heap.Pop(&t.due).(dueEntry)
		h := t.holdOf(e)
		if h == nil {
			continue // it ended early, or begins anew
		}
		h.due = 0
		t.settleFresh(e.node.index, e.at)
	}
}

// sweep turns white what has been silent for too long and ends flapping.
func (t *Tree) sweep(now int64) {
	for from := 0; ; from += sweepAtOnce {
		t.mu.Lock()
		cells := t.cells
		to := min(from+sweepAtOnce, len(cells))
		for i := from; i < to; i++ {
			c := &cells[i]
			if c.flags&flagStale == 0 || c.status == White || c.kind == Group {
				continue
			}
			if c.time > now+int64(MaxAhead) {
				c.time = now - 1 // the clock was set back
			}
			if limit := t.threshold(c).StaleAfter; now-c.time > int64(limit) {
				t.whiten(uint32(i), staleReason(limit), now)
			}
		}
		done := to == len(cells)
		if done {
			flapping := make([]uint32, 0, len(t.flaps))
			for i := range t.flaps {
				flapping = append(flapping, i)
			}
			slices.Sort(flapping) // the order of status changes must not vary
			for _, i := range flapping {
				if t.cells[i].status != White {
					t.settle(i, now)
				}
			}
		}
		t.unlock()
		if done {
			return
		}
	}
}

// Seq is the number of the last flush.
func (t *Tree) Seq() uint64 { return t.last.Load() }

// seq is Seq under the lock.
func (t *Tree) seq() uint64 { return t.base + uint64(t.pending) - 1 }

// Flush publishes what changed since the flush before and returns its number. It
// costs the same however much changed: readers ask for the changes themselves.
func (t *Tree) Flush() uint64 {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	return t.flush()
}

// flush is Flush with t.flushing held.
func (t *Tree) flush() uint64 {
	t.mu.Lock()
	if !t.dirty {
		defer t.mu.Unlock()
		return t.seq()
	}
	t.dirty = false
	t.pending++
	t.stats.Flushes++
	if t.pending == math.MaxUint32 {
		t.renumber()
	}
	seq := t.seq()
	t.last.Store(seq)
	t.changes, t.flushed = t.flushed[:0], t.changes
	names := t.names
	t.names = nil // changes of names are rare, and come in crowds
	watchers := make([]func(uint64), 0, len(t.watchers))
	for w := range t.watchers {
		watchers = append(watchers, *w)
	}
	t.mu.Unlock()
	if len(names) > 0 {
		t.opts.Names(names)
	}
	if len(t.flushed) > 0 {
		t.opts.Statuses(t.flushed)
		if clear(t.flushed); cap(t.flushed) > maxSpare {
			t.flushed = nil
		}
	}
	for _, w := range watchers {
		w(seq)
	}
	return seq
}

// renumber makes room for further stamps. Readers find their numbers out of range
// and take a snapshot.
func (t *Tree) renumber() {
	t.base += uint64(t.pending) + 1
	t.pending = 1
	clear(t.blocks)
	for i := range t.cells {
		t.cells[i].stamp = 0
	}
	t.log = structureLog{}
}

// OnFlush calls watch with the number of each flush that published something, one
// call at a time, until cancel is called. Watch must not block, and must not call
// Flush.
func (t *Tree) OnFlush(watch func(seq uint64)) (cancel func()) {
	key := &watch
	t.mu.Lock()
	t.watchers[key] = struct{}{}
	t.mu.Unlock()
	return func() {
		t.mu.Lock()
		delete(t.watchers, key)
		t.mu.Unlock()
	}
}
