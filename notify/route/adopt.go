package route

import (
	"slices"
	"strconv"
	"time"

	"grove/notify/route/told"
	"grove/tree/alert"
)

// Alerts move between managers. What has moved away is forgotten here without a word, since
// another manager goes on telling of it. What came from another manager counts as told by
// the routes that take it, as if they had told of it when it opened: to whom they would
// have told it, it is told that it is over; and repeating and escalating goes on
// from then. The same holds for devices that two managers watch, where one leaves it to the
// other to tell of them (see alert.Suppression.Told): what the other has told is forgotten here,
// and what it had told when it is lost counts as told.

// leaves says whether another manager tells people what becomes of an alert from now on.
func leaves(a *alert.Alert) bool { return moved(a) || a.Suppression != nil && a.Suppression.Told }

// moved says whether an alert is over here since another manager goes on with it.
func moved(a *alert.Alert) bool {
	n := len(a.History)
	return a.State == alert.Resolved && n > 0 && a.History[n-1].What == alert.Moved
}

// toldElsewhere says whether another manager had an alert of which it told people, or would
// have; and since when that stands as it is. It has not begun anew here since.
func toldElsewhere(a *alert.Alert) (since time.Time, ok bool) {
	end, anew, held := -1, false, false // what came last: it may have moved more than once
	for i, s := range a.History {
		switch s.What {
		case alert.Adopted:
			end, anew, held = i, false, false
		case alert.DidSuppress:
			held = true
		case alert.Released: // It was left to another manager, or followed from something.
			anew = anew || held
		case alert.Opened, alert.Reopened:
			anew = true
		}
	}
	if end < 0 || anew {
		return since, false
	}
	since = a.Opened
	// Of what was held back from the moment when it opened nobody was told.
	held = false
	var from time.Time // it was not held back
	for i := range a.History[:end+1] {
		switch s := &a.History[i]; s.What {
		case alert.Opened, alert.Reopened, alert.Released:
			since, from, held = s.Time, s.Time, false
		case alert.DidSuppress:
			ok = ok || !held && s.Time.Sub(from) >= DefaultWait
			held = true
		case alert.Unacknowledged:
			since = s.Time
		case alert.Adopted:
			ok = ok || !held
		}
	}
	return since, ok
}

// adopt puts an alert of which another manager has told into the groups of the routes that
// would have told of it, unless one has it already.
func (r *Router) adopt(a *alert.Alert, now time.Time) {
	since, ok := toldElsewhere(a)
	if !ok || leaves(a) {
		return
	}
	for _, g := range r.of[a.ID] {
		if m := g.members[a.ID]; m.told != nil || m.came {
			return
		}
	}
	for _, g := range slices.Clone(r.of[a.ID]) {
		r.drop(g, a.ID) // It was about to be told.
	}
	// Those count that were in force then, by the times of the week; else those of now.
	for _, at := range []time.Time{since, now} {
		taken := false
		for _, rt := range *r.routes.Load() {
			if !rt.when.Match(a, at) {
				continue
			}
			taken = true
			r.keep(r.group(rt.Name, rt, rt.by.Of(a), false), &member{a: a, came: true, since: r.tick, from: since, start: r.ago(since, now)})
			if !rt.Continue {
				break
			}
		}
		if taken {
			return
		}
	}
}

// quiet makes what is remembered of a group, and told to nobody, when alerts of it have moved
// to or from another manager.
func (r *Router) quiet(g *group, now time.Time, targets *resolver) *decision {
	d := &decision{g: g}
	c := &d.change
	c.ID, c.Route, c.Common, c.Merged, c.Precedence, c.Began, c.Told, c.Step = g.id, g.name, g.common, g.merged, g.precedence, g.began, g.told, g.step
	c.Channels, c.Alerts = map[string]int64{}, map[alert.ID]told.Alert{}
	first, left := (*member)(nil), 0
	for id, m := range g.members {
		switch {
		case m.came:
			c.Alerts[id] = told.Alert{Status: m.a.Status, Severity: m.a.Severity, Since: m.from, Told: r.lastTold(g.route, m, now)}
			if first == nil || m.from.Before(first.from) || m.from.Equal(first.from) && id < first.a.ID {
				first = m
			}
		case m.told != nil && leaves(m.a):
			c.Gone = append(c.Gone, id)
		case m.told != nil || m.fresh:
			left++
		}
	}
	if first == nil {
		c.Ends = left == 0
		return d
	}
	if g.id == "" {
		at := c.Alerts[first.a.ID].Told
		eldest := g.firstOf(c.Alerts)
		d.begins = true
		c.ID = hash(r.o.Manager, g.key, eldest.ID.String(), strconv.FormatInt(eldest.Revision, 10))
		c.Began, c.Told, c.Precedence = first.from, at, uint8(g.route.precedence)
	}
	c.Step = max(c.Step, r.steps(g.route, first, now))
	names := targets.channels(g.name, g.route.To)
	for i := range min(c.Step, len(g.route.Escalate)) {
		names = append(names, targets.channels(g.name, g.route.Escalate[i].To)...)
	}
	for _, name := range names {
		c.Channels[name] = g.channels[name]
	}
	return d
}

// untilKnown is until when nobody had acknowledged an alert that came.
func untilKnown(m *member, now time.Time) time.Time {
	if ack := m.a.Ack; ack != nil && ack.At.Before(now) {
		return ack.At
	}
	return now
}

// lastTold is when the manager that had an alert would have told of it last, by a route of
// this one.
func (r *Router) lastTold(rt *route, m *member, now time.Time) time.Time {
	switch ack := m.a.Ack; {
	case ack != nil && ack.At.After(m.from) && ack.At.Before(now):
		return ack.At // That somebody knows of it is told as well.
	case rt.repeat <= 0:
		return m.from
	}
	n := max(now.Sub(m.from), 0) / rt.repeat
	return m.from.Add(n * rt.repeat)
}

// steps is how many steps of an escalation that manager would have taken.
func (r *Router) steps(rt *route, m *member, now time.Time) (n int) {
	for n < len(rt.Escalate) && !m.from.Add(time.Duration(rt.Escalate[n].After)).After(untilKnown(m, now)) {
		n++
	}
	return n
}
