package route

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/route/told"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// minute counts the messages of a route, for Rule.Most.
type minute struct {
	began time.Duration
	n     int
}

// room is how many messages a route may still make in this minute, and when the next begins.
func (r *Router) room(rt *route) (n int, next time.Duration) {
	m := r.spent[rt.Name]
	if m == nil || r.tick >= m.began+time.Minute {
		m = &minute{began: r.tick}
		r.spent[rt.Name] = m
	}
	return rt.most - m.n, m.began + time.Minute
}

// Bounds of one transaction, so that others get their turn, and of one message.
const (
	maxDecisions = 200
	maxTold      = 20_000
)

// While the book is behind, as in a storm whose cause comes last, what nobody was told of yet
// waits: lookAgain at a time, for longestLook in all, since what flaps never rests.
const (
	lookAgain   = 100 * time.Millisecond
	longestLook = 5 * time.Second
)

// decide makes the messages that are due.
func (r *Router) decide(ctx context.Context, now time.Time) error {
	for {
		due := r.due(now)
		if len(due) == 0 {
			return nil
		}
		targets := newResolver(r, now)
		for some := range slices.Chunk(due, maxDecisions) {
			decisions := make([]*decision, 0, len(some))
			for _, g := range some {
				if d := r.decision(ctx, g, now, targets); d != nil {
					decisions = append(decisions, d)
				}
			}
			if err := r.write(ctx, decisions); err != nil {
				return err
			}
		}
	}
}

// due returns the groups of which something is to be told now, the most pressing first, and
// puts off what is beyond the bound of its route. Groups that are empty are forgotten.
func (r *Router) due(now time.Time) []*group {
	var ends, list []*group
	busy := map[string]int{} // how many groups of a route want a message
	for _, g := range r.groups {
		if g.dirty {
			if len(g.members) == 0 && g.id == "" {
				r.forget(g)
				continue
			}
			g.plan(r, now)
		}
		switch {
		case g.due > r.tick:
		case g.quiet <= r.tick: // It is no message.
			ends = append(ends, g)
		case g.end <= r.tick: // It is as many messages as told of the opening, not more.
			ends = append(ends, g)
		case r.behind && g.fresh > 0 && r.tick < g.tell+longestLook:
			g.retry, g.dirty = r.tick+lookAgain, true
		default:
			list = append(list, g)
			busy[g.name]++
		}
	}
	slices.SortFunc(list, r.pressing)
	slices.SortFunc(ends, r.pressing)
	taken := ends
	chosen := make(map[*group]bool, len(ends))
	for _, g := range ends {
		chosen[g] = true
	}
	crowds := map[string]*crowd{}
	for _, g := range list {
		n, next := r.room(g.route)
		c := crowds[g.name]
		if c != nil && c.slot {
			n-- // It is for the message about the crowd.
		}
		switch {
		case chosen[g]:
		case g.id == "" && !g.merged && (c != nil || busy[g.name] > n && n <= 1):
			if c == nil {
				c = &crowd{slot: n == 1, next: next}
				crowds[g.name] = c
			}
			c.groups = append(c.groups, g)
		case n <= 0 && (c == nil || !g.merged):
			g.retry, g.dirty = next, true
		case n <= 0: // It is told with the crowd, or put off with it.
		default:
			chosen[g] = true
			r.spent[g.name].n++
			taken = append(taken, g)
		}
		busy[g.name]--
	}
	for _, c := range crowds {
		to := r.merge(c.groups, now)
		switch {
		case chosen[to]:
		case !c.slot:
			to.retry, to.dirty = c.next, true
		case to.due <= r.tick:
			r.spent[to.name].n++
			taken = append(taken, to)
		}
	}
	return taken
}

// crowd is what is too much of one route: groups of which nobody was told, and whether there
// is room for one message about all of them before the next minute.
type crowd struct {
	groups []*group
	slot   bool
	next   time.Duration
}

// pressing orders groups that are due: escalations, then what nobody was told of, then the
// rest; of each the gravest first, then the oldest.
func (r *Router) pressing(a, b *group) int {
	class := func(g *group) int {
		switch {
		case g.escalate <= r.tick:
			return 0
		case g.tell <= r.tick && g.id == "" && !g.merged:
			return 1
		}
		return 2
	}
	place := func(g *group) int {
		if g.route == nil {
			return -1
		}
		return g.route.place
	}
	return cmp.Or(cmp.Compare(class(a), class(b)), -cmp.Compare(a.gravest, b.gravest), cmp.Compare(a.due, b.due),
		cmp.Compare(place(a), place(b)), cmp.Compare(a.oldest, b.oldest), cmp.Compare(a.key, b.key))
}

// merge moves what waits in groups of one route into the group of all that is too much for
// groups of its own.
func (r *Router) merge(groups []*group, now time.Time) *group {
	to := r.group(groups[0].name, groups[0].route, nil, true)
	for _, g := range groups {
		for id, m := range g.members {
			r.drop(g, id)
			r.keep(to, m)
		}
		r.forget(g)
	}
	to.plan(r, now)
	r.count(func(s *Stats) { s.Merged += int64(len(groups)) })
	return to
}

// write puts decisions on disk, and then into memory. What the outbox refuses is tried
// alone, and then later.
func (r *Router) write(ctx context.Context, decisions []*decision) error {
	if len(decisions) == 0 {
		return nil
	}
	entries := entriesOf(decisions)
	err := r.o.Store.Write(ctx, func(tx *store.Tx) error {
		if r.o.Journal != nil {
			if err := r.o.Journal.Add(tx, entries...); err != nil {
				return err
			}
		}
		for _, d := range decisions {
			if len(d.messages) > 0 {
				if err := r.o.Outbox.Put(tx, d.messages...); err != nil {
					return refusal{err}
				}
			}
			if err := told.Save(tx, &d.change); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil:
	case !isRefusal(err):
		r.count(func(s *Stats) { s.Refused++ })
		return err
	case len(decisions) > 1:
		for _, d := range decisions {
			if err := r.write(ctx, []*decision{d}); err != nil {
				return err
			}
		}
		return nil
	default:
		r.count(func(s *Stats) { s.Refused++ })
		g := decisions[0].g
		if g.fails == 0 {
			r.o.Log.Error("the outbox does not take a message: it is tried again", "route", g.name, "group", g.common.String(), "error", err)
		}
		g.fails++
		g.err = err
		g.retry, g.dirty = r.tick+min(time.Second<<min(g.fails-1, 6), time.Minute), true
		return nil
	}
	r.count(func(s *Stats) {
		for _, d := range decisions {
			for i := range d.messages {
				s.Messages[channel.Purpose(d.messages[i].Purpose)]++
			}
		}
	})
	for _, d := range decisions {
		r.done(d)
	}
	r.o.Outbox.Wake()
	return nil
}

// entriesOf are the lines of the journal that say who is told, one for each decision, where
// those see it who see all that it is about. What it is about is left out: others may read
// them.
func entriesOf(decisions []*decision) (entries []journal.Entry) {
	for _, d := range decisions {
		if len(d.messages) == 0 {
			continue
		}
		first := &d.messages[0]
		var names []string
		for i := range d.messages {
			names = append(names, d.messages[i].Channel)
		}
		slices.Sort(names)
		entries = append(entries, journal.Entry{
			Time: first.Made, Path: d.at, Kind: journal.Alert, From: d.status, To: d.status, Text: "told " + strings.Join(names, ", ") + ": " + first.Purpose,
		})
	}
	return entries
}

// done notes a decision that is on disk.
func (r *Router) done(d *decision) {
	g := d.g
	if d.change.Ends {
		r.forget(g)
		return
	}
	c := &d.change
	g.id, g.began, g.told, g.step, g.precedence = c.ID, c.Began, c.Told, c.Step, c.Precedence
	for name, sequence := range c.Channels {
		g.channels[name] = sequence
	}
	switch {
	case d.tells:
		g.last = r.tick
	case d.begins:
		g.last = r.ago(c.Told, r.looked)
	}
	for id, as := range c.Alerts {
		m := g.members[id]
		m.told, m.again, m.came = &as, false, false
		m.fresh = m.needs()
	}
	for _, id := range c.Gone {
		r.drop(g, id)
	}
	g.fails, g.err, g.retry, g.dirty = 0, nil, 0, true
}
