package route

import (
	"math"
	"slices"
	"time"

	"grove/notify/route/grouping"
	"grove/notify/route/told"
	"grove/tree"
	"grove/tree/alert"
)

// never is a tick that does not come.
const never = time.Duration(math.MaxInt64)

// group is alerts that are told together. It is remembered from the first message on.
type group struct {
	key    string // of Router.groups
	id     string // empty: nobody was told yet
	name   string // of the route
	route  *route // nil when it is gone
	common grouping.Common
	merged bool // of what is too much for groups of its own

	members    map[alert.ID]*member
	channels   map[string]int64 // told, with the number of the last message
	precedence uint8
	began      time.Time
	told       time.Time
	last       time.Duration // the tick of told
	step       int

	dirty bool // dues is to be made again
	retry time.Duration
	fails int
	err   error // why it could not be told the last time
	dues
}

// dues are the ticks at which something is to be told; never is nothing.
type dues struct {
	due      time.Duration // the first of the others
	tell     time.Duration // what joined or got worse, or is over, to the targets
	end      time.Duration // all is over
	remind   time.Duration
	escalate time.Duration
	confirm  time.Duration // all is acknowledged
	quiet    time.Duration // what came from another manager, or moved there, which nobody is told
	fresh    int           // alerts to tell
	open     int           // alerts that were told, and nobody has acknowledged
	// Of what is to be told: how grave the worst of it is, and the oldest.
	gravest tree.Severity
	oldest  alert.ID
}

// member is an alert in a group.
type member struct {
	a     *alert.Alert
	since time.Duration // the tick from which it waits to be told
	from  time.Time     // from when on escalation counts
	start time.Duration // the tick of from
	fresh bool          // it is to be told
	again bool          // it was released, or came back, after it was told
	told  *told.Alert   // nil: it was not
	came  bool          // another manager has told of it, which is not remembered yet
}

// needs says whether the alert is to be told.
func (m *member) needs() bool {
	return !m.came && m.a.State == alert.Open && (m.told == nil || m.again || m.worse())
}

// lost says that nothing is known of the alert but that it is over.
func (m *member) lost() bool { return m.a.Opened.IsZero() }

// worse says whether it is worse than what was told.
func (m *member) worse() bool {
	return m.told != nil && (rank(m.a.Status) > rank(m.told.Status) || m.a.Severity > m.told.Severity)
}

// rank orders the statuses of alerts; white is a kind of its own.
func rank(s tree.Status) int {
	if s == tree.White {
		return int(tree.Yellow)
	}
	return int(s)
}

// lastStep is when something happened to an alert for the last time; zero is never.
func lastStep(a *alert.Alert, what ...alert.What) time.Time {
	for _, s := range slices.Backward(a.History) {
		if slices.Contains(what, s.What) {
			return s.Time
		}
	}
	return time.Time{}
}

// plan works out when something of the group is to be told.
func (g *group) plan(r *Router, now time.Time) {
	g.dirty = false
	d := dues{due: never, tell: never, end: never, remind: never, escalate: never, confirm: never, quiet: never}
	var standing, over, acked int
	since, from, ended := never, never, time.Duration(0)
	var confirmed time.Time
	for _, m := range g.members {
		if m.fresh {
			d.fresh++
			since = min(since, m.since)
			d.gravest = max(d.gravest, m.a.Severity)
			if d.oldest == 0 || m.a.ID < d.oldest {
				d.oldest = m.a.ID
			}
		}
		if m.came || m.told != nil && leaves(m.a) {
			d.quiet = r.tick
		}
		if m.told == nil {
			continue
		}
		switch m.a.State {
		case alert.Resolved:
			over++
			ended = max(ended, r.ago(m.a.Changed, now))
			continue
		case alert.Open:
			d.open++
			from = min(from, m.start)
		case alert.Acknowledged:
			acked++
			if m.a.Ack != nil && m.a.Ack.At.After(confirmed) {
				confirmed = m.a.Ack.At
			}
		}
		standing++
	}
	wait := DefaultWait
	if g.route != nil {
		wait = g.route.wait
	}
	switch {
	case g.id != "" && standing+over+d.fresh == 0:
		d.quiet = r.tick // All of it has moved.
	case g.id != "" && standing == 0 && d.fresh == 0:
		d.end = ended + wait
	case g.route != nil:
		interval := g.last + g.route.interval
		if d.fresh > 0 {
			if d.tell = since + wait; g.id != "" {
				d.tell = max(d.tell, interval)
			}
		}
		if over > 0 && g.route.Resolved == ResolvedEach {
			d.tell = min(d.tell, max(ended+wait, interval))
		}
		if d.open > 0 && d.fresh == 0 && g.route.repeat > 0 { // What is fresh reminds of the rest.
			d.remind = g.last + g.route.repeat
		}
		if d.open > 0 && g.step < len(g.route.Escalate) {
			d.escalate = from + time.Duration(g.route.Escalate[g.step].After)
		}
		if acked > 0 && d.open+d.fresh == 0 && later(confirmed, g.told) && g.route.tellsAcknowledged() {
			d.confirm = r.ago(confirmed, now) + wait
		}
	}
	if d.due = min(d.tell, d.end, d.remind, d.escalate, d.confirm, d.quiet); d.due != never {
		d.due = max(d.due, g.retry)
	}
	g.dues = d
}

// drop takes an alert out of a group.
func (r *Router) drop(g *group, id alert.ID) {
	delete(g.members, id)
	g.dirty = true
	r.of[id] = slices.DeleteFunc(r.of[id], func(other *group) bool { return other == g })
	if len(r.of[id]) == 0 {
		delete(r.of, id)
	}
}

// keep puts an alert into a group.
func (r *Router) keep(g *group, m *member) {
	g.members[m.a.ID] = m
	g.dirty = true
	r.of[m.a.ID] = append(r.of[m.a.ID], g)
}

// forget takes out a group that is over, or empty.
func (r *Router) forget(g *group) {
	for id := range g.members {
		r.drop(g, id)
	}
	if r.groups[g.key] == g {
		delete(r.groups, g.key)
	}
}

// group finds or makes the group of a route for what alerts have in common.
func (r *Router) group(name string, rt *route, c grouping.Common, merged bool) *group {
	key := name + "\x00" + c.String()
	if merged {
		key = name + "\x00\x00merged"
	}
	g := r.groups[key]
	if g == nil {
		g = &group{key: key, name: name, route: rt, common: c, merged: merged, members: map[alert.ID]*member{}, channels: map[string]int64{}, dues: dues{due: never}}
		r.groups[key] = g
	}
	return g
}
