package grant

import (
	"fmt"

	"grove/tree"
)

// Remembers says whether somebody sees the past of the node that is, or was, at a path.
// A grant on a subtree is about everything that ever was in it. One that is about a
// customer is about the nodes that are the customer's now: whose a node was that is gone
// nobody can say, so that its past is only for those who need not be asked.
func (g *Guard) Remembers(s *Subject, p tree.Path) bool { return g.remembers(s, Viewer, p) }

func (g *Guard) remembers(s *Subject, r Role, p tree.Path) bool {
	customers := false
	for _, a := range s.Grants {
		if a.Role < r || !a.Path.Contains(p) {
			continue
		}
		if a.Customer == "" {
			return true
		}
		customers = true
	}
	if !customers {
		return false
	}
	_, there := g.tree.Lookup(p)
	return there && g.May(s, r, p)
}

// Past returns the guard of the tree as it stood at some moment, which judges by what g
// knows of the nodes, as Remembers does. What the past itself has no properties of, and
// what is gone, is nobody's, whatever it hung below.
func (g *Guard) Past(past *tree.Tree) *Guard {
	o := NewGuard(past)
	o.now = g
	return o
}

// spec is what a node is, and whether it is there.
func (g *Guard) spec(p tree.Path) (*tree.Spec, bool) {
	ref, ok := g.tree.Lookup(p)
	if !ok {
		return nil, false
	}
	return g.tree.Spec(ref), true
}

// RemembersAll says whether somebody sees everything that is, or ever was, at and below
// a path: whether sums over all of it are for him.
func (s *Subject) RemembersAll(p tree.Path) bool {
	for _, a := range s.Grants {
		if a.Role >= Viewer && a.Customer == "" && a.Path.Contains(p) {
			return true
		}
	}
	return false
}

// Missing is the error for a path that leads to no node that somebody sees. Only who
// sees everything is told which name comes near; others are told the same whether a
// node is hidden or not there.
func (g *Guard) Missing(s *Subject, p tree.Path) error {
	if s.Whole(Viewer) {
		return g.tree.Missing(p)
	}
	return fmt.Errorf("%s: %w", p, tree.ErrNoNode)
}

// There is Of for what is in the tree: where nothing is any more, nothing is seen.
func (o *Scope) There(p tree.Path) Sight {
	if o.whole {
		return Seen
	}
	if _, ok := o.guard.tree.Lookup(p); !ok {
		return Hidden
	}
	return o.Of(p)
}
