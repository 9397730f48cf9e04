package grant

import "grove/tree"

// Remembering is Remembers of one subject for many nodes of the present tree: it walks over
// the tree once, and not for each of them. It is nil when he sees all that is, or was.
func (g *Guard) Remembering(s *Subject) func(tree.Path) bool {
	if s.Whole(Viewer) {
		return nil
	}
	scope := g.Scope(s)
	return func(p tree.Path) bool { return s.RemembersAll(p) || scope.There(p) == Seen }
}

// Partial says whether attributes at or below a path are, or may be, hidden from somebody:
// what follows from all of them, as the status of a group does, tells him more than he sees.
// Of what is gone nobody knows any more whose the parts were.
func (g *Guard) Partial(s *Subject, p tree.Path) bool {
	if s.RemembersAll(p) {
		return false
	}
	scope := g.Scope(s)
	ref, ok := g.tree.Lookup(p)
	return !ok || scope.Of(p) != Seen || scope.Partial(ref.Index())
}
