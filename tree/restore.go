package tree

import "time"

// Memory is what is remembered of a node from before a restart.
type Memory struct {
	Path Path
	// Value and Time are of the last reading; none for a group and for a log.
	Value Value
	Time  time.Time
	// Status is the last that was not white, Since when it began.
	Status Status
	Since  time.Time
	// Events are those of a log attribute, oldest first.
	Events []Event
}

// Restore gives nodes back what is remembered of them, as far as no reading came
// meanwhile, and returns how many took it. A reading that is too old by now leaves its
// node white with the status that it had; one that the present threshold judges
// differently takes that judgement. It is no news: Options.Statuses is not told.
func (t *Tree) Restore(memories ...Memory) (restored int) {
	if t.frozen {
		return 0
	}
	now := t.opts.Now().UnixNano()
	t.mu.Lock()
	defer t.unlock()
	t.quiet = true
	defer func() { t.quiet = false }()
	nodes := make([]uint32, len(memories))
	for k := range memories {
		m := &memories[k]
		i := t.find(m.Path.text)
		if i != none && t.cells[i].kind != Group && (t.cells[i].time != 0 || !t.remember(i, m, now)) {
			i = none
		}
		nodes[k] = i
	}
	// Each reading led groups through other statuses, so the times come last.
	for k, i := range nodes {
		if i == none || t.cells[i].status != memories[k].Status || t.cells[i].status == White {
			continue
		}
		t.places[i].since = nanoseconds(memories[k].Since, now)
		t.mark(i)
	}
	for _, i := range nodes {
		if i != none {
			restored++
		}
	}
	return restored
}

// remember gives an attribute without a reading the one that it had.
func (t *Tree) remember(i uint32, m *Memory, now int64) bool {
	c, at := &t.cells[i], min(nanoseconds(m.Time, now), now)
	if t.classes[c.class].given {
		// What its owner would say of it is not known yet.
		t.give(i, &Given{Last: m.Status, Value: m.Value, Time: at, Events: m.Events}, now)
		t.dirty = true
		return true
	}
	// The status of before goes first: the levels, and what the node counts as while
	// it is white, continue from it.
	if m.Status != White && m.Status <= Red {
		c.level = levelsOf(m.Status)
		t.setStatus(i, m.Status, now)
	}
	taken := false
	n, isNumber := m.Value.Number()
	s, isText := m.Value.Text()
	switch {
	case c.kind == Log && len(m.Events) > 0:
		t.takeEvents(i, m.Events, at, now)
		taken = true
	case c.kind == Log:
	case isNumber:
		taken = t.takeNumber(i, n, at, now)
	case isText:
		taken = t.takeText(i, cut(s), at, now)
	}
	if !taken {
		t.whiten(i, "", now)
		delete(t.reasons, i)
	}
	t.dirty = true
	return taken
}
