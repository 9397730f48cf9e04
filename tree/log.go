package tree

import (
	"slices"
	"time"
)

// eventLog holds the newest events of a log attribute.
type eventLog struct {
	ring []Event
	next int    // where the next event goes once the ring is full
	all  uint64 // events so far
}

// add takes an event; keep is the same for every event until fit changes it.
func (l *eventLog) add(e Event, keep int) {
	l.all++
	if len(l.ring) < keep {
		l.ring = append(l.ring, e)
		return
	}
	l.ring[l.next] = e
	l.next = (l.next + 1) % len(l.ring)
}

// ordered returns a copy, oldest first.
func (l *eventLog) ordered() []Event {
	return slices.Concat(l.ring[l.next:], l.ring[:l.next])
}

// fit makes the ring ready for another number of events to keep.
func (l *eventLog) fit(keep int) {
	all := l.ordered()
	l.ring, l.next = slices.Clone(all[max(len(all)-keep, 0):]), 0
}

func keepOf(s *Spec) int {
	if s.Keep == 0 {
		return DefaultKeep
	}
	return s.Keep
}

// takeEvents adds lines to a log attribute. The newest line that is not white gives
// the status; where the threshold has ClearAfter, an event is a moment: it colours
// at once and the colour ends that long after the last of its kind.
func (t *Tree) takeEvents(i uint32, events []Event, at, now int64) {
	c := &t.cells[i]
	th := t.threshold(c)
	c.time = max(c.time, at)
	l := t.logs[i]
	if l == nil && len(events) > 0 {
		l = &eventLog{}
		t.logs[i] = l
	}
	if c.status == White && l != nil && th.ClearAfter > 0 {
		t.recall(i, now) // what has not faded yet
	}
	for _, e := range events {
		e = t.keepEvent(i, l, e, at) // before the status: a change of it is told with the line that made it
		if e.Status == White {
			continue
		}
		c.level = levelsOf(e.Status)
		t.settleFresh(i, now)
		if th.ClearAfter > 0 {
			c.level = 0
			t.settleFresh(i, now)
		}
	}
	if c.status == White {
		t.recall(i, now)
	}
	if len(events) > 0 {
		t.mark(i)
	}
}

// keepEvent adds a line to those that a log attribute holds, and returns it as it is held.
func (t *Tree) keepEvent(i uint32, l *eventLog, e Event, at int64) Event {
	e.Text, e.Status = cut(e.Text), min(e.Status, Red)
	if e.Time.IsZero() {
		e.Time = time.Unix(0, at)
	}
	l.add(e, keepOf(t.places[i].spec))
	t.cells[i].flags |= flagText
	t.texts[i] = e.Text
	return e
}

// recall gives a log attribute the status that the lines which it holds come to:
// after it was white, and under another threshold. Lines that fade begin to do so.
func (t *Tree) recall(i uint32, now int64) {
	c := &t.cells[i]
	th := t.threshold(c)
	status := Green
	if l := t.logs[i]; l != nil {
		for _, e := range l.ordered() {
			switch {
			case e.Status == White:
			case th.ClearAfter == 0:
				status = e.Status
			case time.Unix(0, now).Sub(e.Time) < th.ClearAfter:
				status = max(status, e.Status)
			}
		}
	}
	c.level = levelsOf(status)
	t.settleFresh(i, now)
	if th.ClearAfter > 0 {
		c.level = 0
		t.settleFresh(i, now)
	}
}
