package route

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"grove/notify/route/told"
	"grove/tree/alert"
)

// load reads what was told, compares it with the book, and takes in what stands.
func (r *Router) load(ctx context.Context, now time.Time) error {
	groups, err := told.Load(ctx, r.o.Store)
	if err != nil {
		return err
	}
	live := map[alert.ID]*alert.Alert{}
	r.o.Book.Live(func(a *alert.Alert) bool {
		live[a.ID] = a
		return true
	})
	r.groups, r.of = map[string]*group{}, map[alert.ID][]*group{}
	for _, t := range groups {
		g := r.group(t.Route, r.routeOf(t.Route), t.Common, t.Merged)
		g.id, g.precedence, g.began, g.told, g.step, g.channels = t.ID, t.Precedence, t.Began, t.Told, t.Step, t.Channels
		g.last, g.dirty = r.ago(t.Told, now), true
		for id, as := range t.Alerts {
			a := live[id]
			if a == nil {
				one, err := r.o.Book.Get(ctx, id)
				switch {
				case errors.Is(err, alert.ErrNone): // It was given up, or is too old to be kept.
					a = &alert.Alert{ID: id, State: alert.Resolved, Changed: now}
				case err != nil:
					return fmt.Errorf("alert %s, of which %d channels were told: %w", id, len(t.Channels), err)
				default:
					a = &one
				}
			}
			m := &member{a: a, from: as.Since, start: r.ago(as.Since, now), told: &as}
			r.keep(g, m)
			r.freshen(g, m, a.State, now)
		}
	}
	r.sortAgain(now, true)
	return nil
}

// settle puts the alerts that a route had, and had not told of when another did, into its
// groups again.
func (r *Router) settle(now time.Time) {
	for id, groups := range r.of {
		for _, g := range slices.Clone(groups) {
			m := g.members[id]
			if m.told == nil || m.a.State != alert.Open && m.a.State != alert.Acknowledged {
				continue
			}
			for _, name := range m.told.Owed {
				if rt := r.routeOf(name); rt != nil && rt.when.Match(m.a, now) {
					r.join(m.a, rt, now)
				}
			}
		}
	}
}

// join puts an alert into the group of a route, unless it is in one already.
func (r *Router) join(a *alert.Alert, rt *route, now time.Time) {
	if slices.ContainsFunc(r.of[a.ID], func(g *group) bool { return g.name == rt.Name }) {
		return
	}
	m := &member{a: a, since: r.ago(a.Changed, now), from: now, start: r.tick}
	m.fresh = m.needs() // What is acknowledged waits until it is not.
	r.keep(r.group(rt.Name, rt, rt.by.Of(a), false), m)
}

func (r *Router) routeOf(name string) *route {
	for _, rt := range *r.routes.Load() {
		if rt.Name == name {
			return rt
		}
	}
	return nil
}

// turned says whether a time of the week has begun or ended since the last look.
func (r *Router) turned(now time.Time) bool {
	for i, rt := range *r.routes.Load() {
		if i < len(r.open) && r.open[i] != rt.when.Open(now) {
			return true
		}
	}
	return false
}

// sortAgain looks for a route for all alerts that none has told of: the routes are others,
// or other times of the week have begun.
func (r *Router) sortAgain(now time.Time, replaced bool) {
	routes, timed := *r.routes.Load(), false
	r.open = make([]bool, len(routes))
	for i, rt := range routes {
		r.open[i] = rt.when.Open(now)
		timed = timed || rt.when.Timed()
	}
	if !timed {
		r.open = nil
	}
	if replaced {
		maps.DeleteFunc(r.spent, func(name string, _ *minute) bool { return r.routeOf(name) == nil })
		for _, g := range r.groups {
			g.route, g.dirty, g.retry = r.routeOf(g.name), true, 0
			for id, m := range g.members {
				if m.told == nil { // What came from elsewhere comes again below.
					r.drop(g, id)
				}
			}
		}
	}
	r.o.Book.Live(func(a *alert.Alert) bool {
		r.adopt(a, now)
		r.sort(a, now)
		return true
	})
	if replaced {
		r.settle(now)
	}
}

// apply takes in how an alert is now.
func (r *Router) apply(a *alert.Alert, now time.Time) {
	for _, g := range slices.Clone(r.of[a.ID]) {
		m := g.members[a.ID]
		if a.Revision < m.a.Revision {
			return
		}
		was := m.a.State
		m.a, g.dirty = a, true
		if m.told == nil && !m.came && (a.State == alert.Suppressed || a.State == alert.Resolved) {
			r.drop(g, a.ID)
			continue
		}
		r.freshen(g, m, was, now)
	}
	r.adopt(a, now)
	r.sort(a, now)
}

// freshen finds out whether an alert of a group is to be told, after it was in a state.
func (r *Router) freshen(g *group, m *member, was alert.State, now time.Time) {
	if m.told != nil && m.a.State == alert.Open {
		released := lastStep(m.a, alert.Released)
		adopted := lastStep(m.a, alert.Adopted)
		if known := !adopted.IsZero() && !later(released, adopted); !known && (later(released, g.told) || was == alert.Suppressed && !later(lastStep(m.a, alert.Reopened), released)) {
			m.again = true
		}
		if t := lastStep(m.a, alert.Unacknowledged, alert.Released, alert.Reopened); later(t, m.from) {
			m.from, m.start = t, r.ago(t, now)
		}
	}
	fresh := m.needs()
	if fresh && !m.fresh {
		m.since = r.ago(m.a.Changed, now)
	}
	m.fresh = fresh
}

// later says whether a time is after another, to the millisecond: the database has no more.
func later(t, than time.Time) bool { return t.UnixMilli() > than.UnixMilli() }

// sort puts an alert into the groups of the routes that take it, unless it was told
// already as bad as it is, since it began.
func (r *Router) sort(a *alert.Alert, now time.Time) {
	if a.State != alert.Open {
		return
	}
	for _, g := range slices.Clone(r.of[a.ID]) { // It may have eased while it waited.
		switch m := g.members[a.ID]; {
		case m.came:
			return // It is as good as told.
		case m.told == nil && !g.route.when.Match(a, now):
			r.drop(g, a.ID)
		}
	}
	began := lastStep(a, alert.Opened, alert.Reopened, alert.Released)
	for _, g := range r.of[a.ID] {
		if m := g.members[a.ID]; m.told != nil && g.route != nil && !m.worse() && !later(began, m.told.Told) {
			return
		}
	}
	wanted := map[string]bool{}
	for _, rt := range *r.routes.Load() {
		if !rt.when.Match(a, now) {
			continue
		}
		wanted[rt.Name] = true
		r.join(a, rt, now)
		if !rt.Continue {
			break
		}
	}
	for _, g := range slices.Clone(r.of[a.ID]) {
		if g.members[a.ID].told == nil && !wanted[g.name] {
			r.drop(g, a.ID)
		}
	}
}
