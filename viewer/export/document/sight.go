package document

import (
	"context"
	"fmt"
	"slices"

	"grove/tree"
	"grove/tree/grant"
)

// HiddenReason stands in the reason of a status to which something contributes that is
// hidden from whoever asks.
const HiddenReason = "something that is hidden from you contributes to it"

// sight is how much whoever asks sees.
type sight struct {
	guard *grant.Guard
	asks  *grant.Subject
	whole bool
}

func (m *Maker) sight(ctx context.Context) sight {
	s := grant.Of(ctx)
	return sight{m.opts.Guard, s, s.Whole(grant.Viewer)}
}

// managers are those of which anything is seen, with the instances that are. Of an
// instance that hangs at a group on the way to what is seen nothing is told but what it
// is; of a manager where it is, and not what it is by itself.
func (g *sight) managers(all []Manager) []Manager {
	if g.whole {
		return all
	}
	var seen []Manager
	scope := g.guard.Scope(g.asks)
	for _, m := range all {
		if scope.There(m.Top) == grant.Hidden {
			continue
		}
		if scope.There(m.Top) != grant.Seen {
			m.Version, m.Host, m.Description, m.Location, m.Contacts, m.Failover = "", "", "", "", nil, ""
		}
		instances := m.Instances
		m.Instances = nil
		for _, i := range instances {
			switch {
			case g.guard.Remembers(g.asks, i.Where):
				m.Instances = append(m.Instances, i)
			case scope.There(i.Where) == grant.Way:
				m.Instances = append(m.Instances, Instance{Where: i.Where, Kinds: i.Kinds})
			}
		}
		seen = append(seen, m)
	}
	return seen
}

// walk goes over the nodes that are seen.
func (g *sight) walk(t *tree.Tree, top tree.Path, yield func(n *tree.Node, sight grant.Sight, partial bool) bool) error {
	if g.whole {
		return t.Walk(top, -1, func(n *tree.Node) bool { return yield(n, grant.Seen, false) })
	}
	return g.guard.Walk(g.asks, top, -1, func(n *tree.Node, scope *grant.Scope, sight grant.Sight) bool {
		return yield(n, sight, scope.Partial(n.Index))
	})
}

// copyTree copies the nodes above the subtree, which say what holds in it, and the
// subtree itself, whose first record has the index that is returned. What is hidden is
// left out.
func (m *Maker) copyTree(g *sight, top tree.Path) (records []Record, first int, err error) {
	t := m.opts.Tree
	missing := func() ([]Record, int, error) { return nil, 0, g.guard.Missing(g.asks, top) }
	scope := g.guard.Scope(g.asks)
	add := func(n *tree.Node, sight grant.Sight, partial bool) {
		records = append(records, Record{})
		r := &records[len(records)-1]
		r.fill(n)
		r.way, r.hidden = sight == grant.Way, partial
		if r.way {
			r.Reason, r.Last = "", r.Status
		}
	}
	for _, p := range above(top) {
		n, err := t.Node(p)
		sight := scope.There(p)
		if err != nil || sight == grant.Hidden {
			return missing()
		}
		add(&n, sight, false)
	}
	first = len(records)
	if top.IsRoot() && g.whole {
		records = slices.Grow(records, min(t.Len(), m.opts.MaxNodes)+64)
	}
	complete := true
	err = g.walk(t, top, func(n *tree.Node, sight grant.Sight, partial bool) bool {
		if len(records)-first >= m.opts.MaxNodes {
			complete = false
			return false
		}
		add(n, sight, partial)
		return true
	})
	switch {
	case err != nil:
		return missing()
	case !complete:
		return nil, 0, fmt.Errorf("%w: %s has more than %d nodes; ask for a part of it by its path", ErrTooLarge, top, m.opts.MaxNodes)
	}
	return records, first, nil
}

// veil takes from an element that begins at a group on the way to what is seen all that is
// said of it but its name, what it is and its status, and says of a status whether
// something hidden contributes.
func (e *Element) veil(r *Record) {
	if r.way {
		e.Name, e.Label, e.Type, e.Description = r.Path.Name(), "", "", ""
		e.Instance, e.Application = "", ""
		e.Address, e.DNSName, e.Portal, e.Location = "", "", "", ""
		e.Contacts, e.Customers, e.Properties, e.Problems = nil, nil, nil, nil
		e.Host, e.Device, e.Service = "", "", ""
		e.wanted = false
	}
	if r.hidden {
		e.Status.conceal()
	}
}

// conceal says that something hidden contributes to a status.
func (s *Status) conceal() {
	if s.Reason != "" {
		s.Reason += "; "
	}
	s.Reason += HiddenReason
}
