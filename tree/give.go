package tree

import (
	"slices"
	"time"
)

// Given is what another manager, whose node it is, says of a node whose Spec is Given.
// Times are Unix nanoseconds of the owner's clock.
type Given struct {
	Node   Ref
	Status Status
	Last   Status // of a white node: the last that was not white
	// Flapping and Pending are as in Cell.
	Flapping, Pending bool
	// Keep leaves Value, Time and Events out: the node keeps what it has.
	Keep bool
	// Value of any attribute but a log, and Time when it was observed; 0: none was yet.
	Value Value
	Time  int64
	// Since is when Status began; 0: when it was before, or now for another status.
	Since  int64
	Reason string  // why it is white
	Events []Event // new lines of a log
}

// Give gives nodes that stand for those of another manager what their owner says of them,
// and returns how many took it; Stats counts the others as it does those of Apply. The owner
// is right: nothing is too late or judged, unless the threshold was tuned here, which then
// colours the value of every node that is not white. One batch tells of one moment: a node
// is in it once, and what becomes worse is taken first, so that no group looks better on the
// way. Of a group only the time of the status that it has itself is taken.
//
// Options are told of the values that are newer than those before as of readings and
// reports. Nothing is allocated for numbers.
func (t *Tree) Give(batch ...Given) (given int) {
	if t.frozen {
		return 0
	}
	told := t.telling.Swap(nil)
	if told == nil { // The first, or several at the same time.
		told = new(telling)
	}
	defer t.telling.Store(told)
	for part := range slices.Chunk(batch, lockFor) {
		now := t.opts.Now()
		told.clear()
		t.mu.Lock()
		given += t.giveLocked(part, told, now.UnixNano())
		t.unlock()
		if len(told.readings) > 0 {
			t.opts.Readings(now, told.readings)
		}
		if len(told.reports) > 0 {
			t.opts.Reports(now, told.reports)
		}
	}
	return given
}

// telling is room for what Options are told of one batch, and for what is taken later.
type telling struct {
	readings       []Reading
	reports        []Report
	better, groups []int32 // in the batch
}

func (g *telling) clear() {
	clear(g.reports) // They hold texts.
	g.readings, g.reports, g.better, g.groups = g.readings[:0], g.reports[:0], g.better[:0], g.groups[:0]
}

func (t *Tree) giveLocked(batch []Given, told *telling, now int64) (given int) {
	cells, classes, blocks, pending := t.cells, t.classes, t.blocks, t.pending
	latest := now + int64(MaxAhead)
	tellsReadings, tellsReports := t.opts.Readings != nil, t.opts.Reports != nil
	for k := range batch {
		g := &batch[k]
		i := g.Node.index
		if int(i) >= len(cells) || cells[i].gen != g.Node.gen || g.Node.gen == 0 {
			t.stats.Unknown++
			continue
		}
		c := &cells[i]
		if c.kind == Group {
			told.groups = append(told.groups, int32(k))
			continue
		}
		cl := &classes[c.class]
		if !cl.given {
			t.stats.Misfit++
			continue
		}
		n, isNumber := g.Value.Number()
		newer, turns := !g.Keep && g.Time > c.time, g.Status == White && c.status != White
		if isNumber && c.flags&(flagNumber|flagFlap|flagPending) == flagNumber && c.status == g.Status && c.status != White &&
			g.Since == 0 && c.kind != TextKind && !cl.judged && !g.Keep && !g.Flapping && !g.Pending {
			c.time = min(g.Time, latest)
			if n != c.value {
				c.value, c.stamp, blocks[i>>6] = n, pending, pending
			}
		} else {
			if worst := max(c.status, t.places[i].known); !cl.judged && g.Status < worst && g.Status != White {
				told.better = append(told.better, int32(k))
			} else {
				t.give(i, g, now)
			}
		}
		given++
		switch {
		case !newer && !turns && len(g.Events) == 0:
		case g.Status == White && (turns || isNumber) && len(g.Events) == 0:
			if tellsReports && g.Reason != "" {
				told.reports = append(told.reports, Report{Node: g.Node, Reason: g.Reason, Time: timeOf(g.Time)})
			}
		case isNumber && c.kind == Performance:
			if tellsReadings {
				told.readings = append(told.readings, Reading{Node: g.Node, Value: n, Time: g.Time})
			}
		case tellsReports && (!g.Value.IsNone() || c.kind == Log):
			told.reports = append(told.reports, Report{Node: g.Node, Value: g.Value, Events: g.Events, Time: timeOf(g.Time)})
		}
	}
	for _, k := range told.better {
		t.give(batch[k].Node.index, &batch[k], now)
	}
	for _, k := range told.groups {
		if t.giveGroup(batch[k].Node.index, &batch[k], now) {
			given++
		}
	}
	t.stats.Applied += uint64(given)
	t.dirty = t.dirty || given > 0
	return given
}

func timeOf(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}

// giveGroup takes the time of the status of a group, unless it came to another one here.
func (t *Tree) giveGroup(i uint32, g *Given, now int64) bool {
	p := &t.places[i]
	if !p.spec.Given {
		t.stats.Misfit++
		return false
	}
	if since := min(g.Since, now); since != 0 && since != p.since && t.cells[i].status == g.Status {
		p.since = since
		t.mark(i)
	}
	return true
}

// give takes what is given to an attribute.
func (t *Tree) give(i uint32, g *Given, now int64) {
	c := &t.cells[i]
	if t.classes[c.class].judged {
		said, since := t.given[i], g.Since
		if since == 0 && said.Status == g.Status {
			since = said.Since
		}
		t.given[i] = Given{Status: g.Status, Last: g.Last, Flapping: g.Flapping, Pending: g.Pending, Keep: true, Since: since, Reason: g.Reason}
		t.giveJudged(i, g, now)
		return
	}
	if !g.Keep {
		t.giveValue(i, g, now)
		t.giveEvents(i, g)
	}
	t.giveStatus(i, g, now)
}

// giveValue takes value and time.
func (t *Tree) giveValue(i uint32, g *Given, now int64) {
	c := &t.cells[i]
	n, isNumber := g.Value.Number()
	s, isText := g.Value.Text()
	if isNumber && c.kind == TextKind {
		s, isNumber, isText = g.Value.String(), false, true
	}
	c.time = min(g.Time, now+int64(MaxAhead))
	t.mark(i)
	switch {
	case c.kind == Log:
	case isNumber:
		t.dropText(i)
		c.value, c.flags = n, c.flags|flagNumber
	case isText && c.kind != Performance:
		c.flags = c.flags&^flagNumber | flagText
		t.texts[i] = cut(s)
	default:
		t.dropText(i)
		c.value, c.flags = 0, c.flags&^flagNumber
	}
}

// giveEvents takes the lines of a log; they say nothing of its status.
func (t *Tree) giveEvents(i uint32, g *Given) {
	if len(g.Events) == 0 || t.cells[i].kind != Log {
		return
	}
	l := t.logs[i]
	if l == nil {
		l = &eventLog{}
		t.logs[i] = l
	}
	for _, e := range g.Events {
		t.keepEvent(i, l, e, g.Time)
	}
}

// giveStatus takes the status, and what there is to say of it.
func (t *Tree) giveStatus(i uint32, g *Given, now int64) {
	c, p := &t.cells[i], &t.places[i]
	from, known, to := c.status, p.known, min(g.Status, Red)
	if to == White && g.Reason != "" {
		t.reasons[i] = cut(g.Reason)
	} else if c.status == White {
		delete(t.reasons, i)
	}
	c.level = levelsOf(to)
	c.flags = c.flags&^(flagFlap|flagPending|flagFailed) | flagSlow
	if g.Flapping {
		c.flags |= flagFlap
	}
	if g.Pending {
		c.flags |= flagPending
	}
	t.mark(i)
	if to != from {
		t.takeStatus(i, to, now)
		t.recount(i, from, to)
	}
	if to == White {
		p.known = min(g.Last, Red)
	}
	if since := min(g.Since, now); since != 0 {
		p.since = since
	}
	if to == from && p.known == known {
		return
	}
	t.rollUp(i, from, known, now)
	if to == White && p.known != known {
		t.refresh(p.parent, now) // which may keep less while it is white
	}
}

// giveJudged takes what is given to an attribute whose threshold was tuned here.
func (t *Tree) giveJudged(i uint32, g *Given, now int64) {
	c := &t.cells[i]
	if g.Status == White {
		if !g.Keep {
			t.giveValue(i, g, now)
			t.giveEvents(i, g)
		}
		t.fail(i, cut(g.Reason), now)
		return
	}
	if g.Keep {
		if c.flags&flagFailed != 0 {
			c.flags &^= flagFailed
			t.reconsider(i, now)
		}
		return
	}
	at := min(g.Time, now+int64(MaxAhead))
	n, isNumber := g.Value.Number()
	s, isText := g.Value.Text()
	switch {
	case c.kind == Log:
		t.takeEvents(i, g.Events, at, now)
	case isNumber:
		t.judgeNumber(i, n, at, now)
	case isText:
		t.takeText(i, cut(s), at, now)
	}
}

// setGivenAside keeps what the owner of a given node says of it, before a threshold that is
// tuned here judges its value.
func (t *Tree) setGivenAside(i uint32) {
	c, p := &t.cells[i], &t.places[i]
	if cl := &t.classes[c.class]; !cl.given || cl.judged {
		return
	}
	t.given[i] = Given{
		Status: c.status, Last: p.known, Flapping: c.flags&flagFlap != 0, Pending: c.flags&flagPending != 0,
		Keep: true, Since: p.since, Reason: t.reasons[i],
	}
	if c.status == White {
		c.flags |= flagFailed
	}
}

// regive gives a given node the status of its owner again, once no threshold that was tuned
// here judges it.
func (t *Tree) regive(i uint32, now int64) {
	t.forgetHolds(i)
	g, ok := t.given[i]
	if !ok {
		return
	}
	delete(t.given, i)
	t.giveStatus(i, &g, now)
}
