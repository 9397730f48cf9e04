package twin

import (
	"cmp"
	"slices"
	"time"

	"grove/notify/peer"
)

// steady is a fact that counts only when it has lasted.
type steady struct {
	known    bool
	now      bool // as it is
	settled  bool // as it counts
	changeAt time.Time
}

// see takes the fact as it is at a time. The first time it counts at once.
func (f *steady) see(is bool, at time.Time) {
	if !f.known {
		*f = steady{known: true, now: is, settled: is, changeAt: at}
	}
	if f.now != is {
		f.now, f.changeAt = is, at
	}
	if f.now != f.settled && at.Sub(f.changeAt) >= Hold {
		f.settled = f.now
	}
}

// before says whether a source goes before another one when both are alive. To a manager its own
// goes before others.
func (t *Twins) before(a, b *source) bool {
	own := func(s *source) int {
		if s.via == t.opts.Self {
			return 0
		}
		return 1
	}
	white := func(s *source) int {
		if s.white.settled {
			return 1
		}
		return 0
	}
	direct := func(s *source) int {
		if s.via == s.Manager {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(t.preference(a), t.preference(b)), cmp.Compare(own(a), own(b)), cmp.Compare(white(a), white(b)),
		cmp.Compare(direct(a), direct(b)), a.key.compare(b.key)) < 0
}

// preference is the place of a source's manager in the list of those that are preferred.
func (t *Twins) preference(s *source) int {
	for i, name := range t.rules.Prefer {
		if name == s.ManagerName || peer.ID(name) == s.Manager {
			return i
		}
	}
	return len(t.rules.Prefer)
}

// primary returns who is primary now that another one was, who may be nil or gone. One that
// came a moment ago, as after a restart of its manager, waits as one that was lost does, unless
// all of them did.
func (t *Twins) primary(members []*source, was *source, now time.Time) *source {
	if !slices.Contains(members, was) {
		was = nil
	}
	best := func(fit func(*source) bool) (found *source) {
		for _, s := range members {
			if fit(s) && (found == nil || t.before(s, found)) {
				found = s
			}
		}
		return found
	}
	if was == nil { // It had no other source until now.
		was = best(func(s *source) bool { return s.live.settled && now.Sub(s.came) >= Hold })
	}
	if was != nil && was.live.settled {
		stays := now.Sub(was.came) >= Hold
		if better := best(func(s *source) bool { return s.live.settled && s.live.now && (!stays || now.Sub(s.came) >= Hold) }); better != nil && t.before(better, was) {
			return better
		}
		return was
	}
	if alive := best(func(s *source) bool { return s.live.now }); alive != nil {
		return alive
	}
	if was != nil {
		return was
	}
	return best(func(*source) bool { return true })
}

// next is the source that takes over unless the primary comes back soon: the primary itself
// while it is alive, or when none is.
func (t *Twins) next(g *group) *source {
	next := g.shown
	for _, s := range g.members {
		if s.live.now && (!next.live.now || next != g.shown && t.before(s, next)) {
			next = s
		}
	}
	return next
}

// reason says in words why the primary is the one.
func (t *Twins) reason(g *group) string {
	p := g.shown
	name := cmp.Or(p.ManagerName, string(p.Manager))
	others := slices.DeleteFunc(slices.Clone(g.members), func(s *source) bool { return s == p })
	all := func(less func(*source) bool) bool {
		return !slices.ContainsFunc(others, func(s *source) bool { return !less(s) })
	}
	switch {
	case !p.live.now && all(func(s *source) bool { return !s.live.now }):
		return "no source is alive, and " + name + " was the last"
	case !p.live.now:
		return name + " is the primary, and was lost a moment ago"
	case all(func(s *source) bool { return t.preference(p) < t.preference(s) }):
		return name + " is preferred"
	case p.via == t.opts.Self:
		return name + " is this manager"
	case all(func(s *source) bool { return !s.live.settled || !s.live.now }):
		return name + " is the only one alive"
	case !p.white.settled && all(func(s *source) bool { return s.white.settled }):
		return name + " is the only one with data"
	}
	return name + " has the lowest ID of those that are alike"
}
