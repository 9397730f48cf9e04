package tree

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxAhead is how far the time of a reading may be ahead of the tree's clock. What
// is further ahead is refused: once taken it would make every reading until then an
// older one. When the tree's own clock was set back by more, the readings before do
// not count as newer.
const MaxAhead = 5 * time.Minute

// lockFor is how many readings are applied before the lock is given up once, so
// that a long batch does not hold up the readers.
const lockFor = 8192

// Apply gives numbers to nodes, in order, and returns how many were taken; Stats
// counts the others. A reading that is not newer than what its node has, or more
// than MaxAhead newer than the tree's clock, is left out. Batches of a few hundred
// make the most of it; nothing is allocated.
func (t *Tree) Apply(batch []Reading) (applied int) {
	if t.frozen {
		return 0
	}
	for part := range slices.Chunk(batch, lockFor) {
		now := t.opts.Now()
		t.mu.Lock()
		applied += t.applyLocked(part, now.UnixNano())
		t.unlock()
		if t.opts.Readings != nil {
			t.opts.Readings(now, part)
		}
	}
	return applied
}

func (t *Tree) applyLocked(batch []Reading, now int64) (applied int) {
	cells, classes, blocks, pending := t.cells, t.classes, t.blocks, t.pending
	latest := now + int64(MaxAhead)
	for k := range batch {
		r := &batch[k]
		i := r.Node.index
		if int(i) >= len(cells) || cells[i].gen != r.Node.gen || r.Node.gen == 0 {
			t.stats.Unknown++
			continue
		}
		c := &cells[i]
		at := r.Time
		if at == 0 {
			if at = now; c.time > now && t.untimely(c, at, latest) {
				continue
			}
		} else if (at <= c.time || at > latest) && t.untimely(c, at, latest) {
			continue
		}
		v := r.Value
		stay := &classes[c.class].stay[c.level&3]
		if c.flags&flagSlow == 0 && v >= stay.low && v <= stay.high {
			c.time = at
			if v != c.value {
				c.value, c.stamp, blocks[i>>6] = v, pending, pending
			}
			applied++
			continue
		}
		if t.takeNumber(i, v, at, now) {
			applied++
		}
	}
	t.stats.Applied += uint64(applied)
	t.dirty = t.dirty || applied > 0
	return applied
}

// untimely counts a reading that is too far ahead, or not newer than what its node
// has, and says whether it is refused: not when the node's own is from a future that
// the clock, set back, has not reached.
func (t *Tree) untimely(c *cell, at, latest int64) bool {
	switch {
	case at > latest:
		t.stats.Ahead++
	case c.time > latest:
		return false
	default:
		t.stats.Older++
	}
	return true
}

// Report gives observations of any kind to nodes, in order, and returns how many
// were taken; Stats counts the others.
func (t *Tree) Report(reports ...Report) (applied int) {
	if t.frozen {
		return 0
	}
	now := t.opts.Now()
	applied = t.report(reports, now.UnixNano())
	if t.opts.Reports != nil {
		t.opts.Reports(now, reports)
	}
	return applied
}

func (t *Tree) report(reports []Report, now int64) (applied int) {
	latest := now + int64(MaxAhead)
	t.mu.Lock()
	defer t.unlock()
	for k := range reports {
		r := &reports[k]
		i := t.at(r.Node)
		if i == none {
			t.stats.Unknown++
			continue
		}
		c := &t.cells[i]
		at := nanoseconds(r.Time, now)
		switch {
		case c.kind == Log:
			at = min(at, now)
		case at > latest, at < c.time, at == c.time && !r.Time.IsZero():
			if t.untimely(c, at, latest) {
				continue
			}
		}
		taken := false
		n, isNumber := r.Value.Number()
		s, isText := r.Value.Text()
		switch {
		case c.kind == Group || t.classes[c.class].given:
		case r.Reason != "":
			t.fail(i, cut(r.Reason), now)
			taken = true
		case c.kind == Log:
			t.takeEvents(i, r.Events, at, now)
			taken = true
		case isNumber:
			taken = t.takeNumber(i, n, at, now)
		case isText:
			taken = t.takeText(i, cut(s), at, now)
		}
		if taken {
			applied++
			t.stats.Applied++
			t.dirty = true
		} else {
			t.stats.Misfit++
		}
	}
	return applied
}

// nanoseconds is when a report was observed, by the tree's count: now for the zero
// time, 0 for all before 1970, the last that there is for all after it.
func nanoseconds(at time.Time, now int64) int64 {
	switch {
	case at.IsZero():
		return now
	case at.Before(time.Unix(0, 0)):
		return 0
	case at.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return at.UnixNano()
}

// cut bounds a text that came from outside.
func cut(s string) string {
	if len(s) <= MaxTextBytes {
		return s
	}
	return strings.ToValidUTF8(s[:MaxTextBytes-len("…")], "") + "…"
}

// takeNumber is the whole evaluation of a number that was observed.
func (t *Tree) takeNumber(i uint32, v float64, at, now int64) bool {
	if t.classes[t.cells[i].class].given {
		t.stats.Misfit++
		return false
	}
	return t.judgeNumber(i, v, at, now)
}

// judgeNumber is the whole evaluation of a number.
func (t *Tree) judgeNumber(i uint32, v float64, at, now int64) bool {
	c := &t.cells[i]
	th := t.threshold(c)
	switch {
	case c.kind == TextKind:
		return t.takeText(i, Number(v).String(), at, now)
	case c.kind != Performance && c.kind != State:
		t.stats.Misfit++
		return false
	case math.IsNaN(v):
		c.time = at
		t.fail(i, "the reading is not a number (NaN)", now)
		return true
	}
	t.dropText(i)
	c.value, c.time = v, at
	c.flags |= flagNumber
	t.mark(i)
	if th.States != nil {
		t.takeState(i, stateOf(v), now)
		return true
	}
	c.level = th.levels(v, c.level)
	t.settleFresh(i, now)
	return true
}

// takeText is the whole evaluation of a text.
func (t *Tree) takeText(i uint32, s string, at, now int64) bool {
	c := &t.cells[i]
	switch c.kind {
	case Performance:
		c.time = at
		t.fail(i, strconv.Quote(clip(s))+" is not a number", now)
	case State, TextKind:
		if c.flags&flagText == 0 || t.texts[i] != s {
			c.flags = c.flags&^flagNumber | flagText
			t.texts[i] = s
			t.mark(i)
		}
		c.time = at
		if c.kind == TextKind {
			c.level = 0
			t.settleFresh(i, now)
		} else {
			t.takeState(i, s, now)
		}
	default:
		t.stats.Misfit++
		return false
	}
	return true
}

// stateOf is how people write a number that stands for a state: a million is
// "1000000" and not "1e+06".
func stateOf(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// takeState colours by the map of states.
func (t *Tree) takeState(i uint32, s string, now int64) {
	c := &t.cells[i]
	states := t.threshold(c).States
	status, ok := states[s]
	if !ok {
		status, ok = states["*"]
	}
	if !ok && states == nil {
		status, ok = Green, true
		if named, err := ParseStatus(s); err == nil {
			status = named
		}
	}
	switch {
	case !ok:
		t.whiten(i, strconv.Quote(clip(s))+" is not one of the known states", now)
		return
	case status == White:
		t.whiten(i, "the state "+strconv.Quote(clip(s))+" stands for white", now)
		return
	}
	c.level = levelsOf(status)
	t.settleFresh(i, now)
}

// levelsOf is the state of the levels that stands for a status given outright.
func levelsOf(s Status) uint8 {
	switch s {
	case Yellow:
		return levelYellow
	case Red:
		return levelYellow | levelRed
	}
	return 0
}

// threshold returns the threshold of a cell, never nil.
func (t *Tree) threshold(c *cell) *Threshold { return t.classes[c.class].source }

// settleFresh settles the status after a reading, unless the reading itself is
// older than the node allows.
func (t *Tree) settleFresh(i uint32, now int64) {
	c := &t.cells[i]
	if limit := t.threshold(c).StaleAfter; limit > 0 && now-c.time > int64(limit) && !t.classes[c.class].given {
		t.whiten(i, staleReason(limit), now)
		return
	}
	t.settle(i, now)
}

func staleReason(limit time.Duration) string {
	return "no reading for " + FormatDuration(limit)
}

// whiten says that nothing is known of an attribute, and why.
func (t *Tree) whiten(i uint32, reason string, now int64) {
	c := &t.cells[i]
	c.flags &^= flagFailed
	if c.status == White && t.reasons[i] == reason {
		return
	}
	t.reasons[i] = reason
	t.forgetHolds(i)
	c.level = 0
	c.flags |= flagSlow
	t.mark(i)
	t.setStatus(i, White, now)
}

// fail is whiten for a reason that another threshold would not mend.
func (t *Tree) fail(i uint32, reason string, now int64) {
	t.whiten(i, reason, now)
	t.cells[i].flags |= flagFailed
}

// forgetHolds ends what runs towards another status.
func (t *Tree) forgetHolds(i uint32) {
	t.cells[i].flags &^= flagPending | flagFlap
	delete(t.holds, i)
	delete(t.flaps, i)
}

func (t *Tree) dropText(i uint32) {
	if c := &t.cells[i]; c.flags&flagText != 0 {
		c.flags &^= flagText
		delete(t.texts, i)
	}
}

// mark says that the next flush has something of the node to publish.
func (t *Tree) mark(i uint32) {
	t.cells[i].stamp = t.pending
	t.blocks[i>>6] = t.pending
	t.dirty = true
}

// unlock gives the lock up, and sees that what changed is flushed in time.
func (t *Tree) unlock() {
	dirty := t.dirty
	if len(t.changes) >= maxChanges {
		if t.flushing.TryLock() { // never waits, so the order of the locks does not matter
			defer t.flushing.Unlock()
			t.mu.Unlock()
			t.flush()
			return
		}
		// A flush is under way, perhaps the one that called us.
		if more := len(t.changes) - maxWaiting; more > 0 {
			t.stats.Untold += uint64(more)
			clear(t.changes[maxWaiting:])
			t.changes = t.changes[:maxWaiting]
		}
	}
	t.mu.Unlock()
	if dirty {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

const (
	// maxChanges is how many changes of status are gathered before a producer
	// flushes by itself.
	maxChanges = 4096
	// maxWaiting bounds the changes that wait while others are being told.
	maxWaiting = 1 << 18
	// maxSpare bounds the room for changes that is kept for the next flush.
	maxSpare = 1 << 14
)
