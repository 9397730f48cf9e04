package ccms

import (
	"context"
	"slices"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/ccms/alert"
)

// sight is how much whoever asks sees of the table; nil is all of it. It is made for one
// question, with Exporter.mu held.
type sight struct {
	guard *grant.Guard
	asks  *grant.Subject
	scope *grant.Scope
	table *table
	known []grant.Sight // of rows; one more than it is, 0: not known yet
}

func (e *Exporter) sight(ctx context.Context) *sight {
	s := grant.Of(ctx)
	if s.Whole(grant.Viewer) {
		return nil
	}
	return &sight{guard: e.opts.Guard, asks: s, scope: e.opts.Guard.Scope(s), table: &e.table, known: make([]grant.Sight, len(e.table.rows))}
}

// at says how much is seen of the row at a position.
func (g *sight) at(i int32) grant.Sight {
	if g == nil {
		return grant.Seen
	}
	if g.known[i] == 0 {
		g.known[i] = g.scope.There(g.table.rows[i].path) + 1
	}
	return g.known[i] - 1
}

// shownOf is the row at a position as it is seen: of a group on the way to what is seen no
// more than that it is there and its colour, of any group only what the attributes that
// are seen make of it. Hidden says whether others contribute to its colour.
func (g *sight) shownOf(t *table, i int32) (r row, hidden bool) {
	r = t.rows[i]
	if g == nil || r.kind != tree.Group {
		return r, false
	}
	var all int32
	for _, n := range r.counts {
		all += n
	}
	r.holds, r.counts = false, [4]int32{}
	for k := i + 1; k < r.end; k++ {
		below := &g.table.rows[k]
		if below.kind == tree.Group || g.at(k) != grant.Seen {
			continue
		}
		r.counts[below.status]++
		r.holds = r.holds || below.parent == i
		all--
	}
	if g.at(i) == grant.Way {
		r.spec, r.owner, r.reason = nil, "", ""
	}
	return r, all != 0
}

// remembers says whether the alerts of an attribute are seen, which may be gone.
func (e *Exporter) remembers(ctx context.Context) func(tree.Path) bool {
	s := grant.Of(ctx)
	if s.Whole(grant.Viewer) {
		return nil
	}
	return func(p tree.Path) bool { return e.opts.Guard.Remembers(s, p) }
}

// mayAcknowledge says why whoever asks may not acknowledge alerts of an attribute: its
// operators may. To those who do not see it there are none.
func (e *Exporter) mayAcknowledge(ctx context.Context) func(tree.Path) error {
	s := grant.Of(ctx)
	return func(p tree.Path) error {
		if !e.opts.Guard.Remembers(s, p) {
			return alert.ErrGone
		}
		return e.opts.Guard.Demand(s, grant.Operator, p)
	}
}

// operates says why somebody may not acknowledge any alert.
func operates(s *grant.Subject) error {
	if slices.ContainsFunc(s.Grants, func(g grant.Grant) bool { return g.Role >= grant.Operator }) {
		return nil
	}
	return grant.DemandWhole(s, grant.Operator)
}
