package shape

import (
	"fmt"

	"grove/tree"
	"grove/tree/grant"
)

// Scene is one subtree as those with the same grants see it. All its methods are called
// by one goroutine at a time, those that take a Reader while the tree stands still and
// after Update.
type Scene struct {
	scope     *grant.Scope // nil: everything is seen
	structure uint64       // of the tree, at the last Update
	seq       uint64       // of the last Update
	fresh     bool         // there was an Update
	tally     *tally       // nil: nothing hidden contributes to what is seen
	finds     map[string]*Find
}

// NewScene returns a scene that needs its first Update.
func NewScene() *Scene { return &Scene{finds: map[string]*Find{}} }

// Update takes up what changed. It returns false, and the scene is of no use until the
// next Update, when the scope is not about the tree's structure: an index may be another
// node's. A nil scope stands for everything.
func (s *Scene) Update(r *tree.Reader, scope *grant.Scope) bool {
	structure := r.Structure()
	if scope != nil && scope.Structure() != structure {
		return false
	}
	seq := r.Seq()
	at := seq
	if s.fresh && seq == s.seq {
		at++ // Clients that have this number have seen the scene as it was.
	}
	switch {
	case !s.fresh || scope != s.scope || !r.Known(s.seq):
		s.scope, s.tally = scope, nil
		if scope != nil {
			s.tally = newTally(r, s, at)
		}
		for _, f := range s.finds {
			f.build(r, s)
		}
	case seq == s.seq && structure == s.structure:
		return true // What is not flushed yet can wait until it is.
	default:
		placed := r.Placed(s.seq)
		if s.tally != nil {
			s.tally.update(r, s.seq, at)
		}
		for _, f := range s.finds {
			f.update(r, s, s.seq, placed)
		}
	}
	s.structure, s.seq, s.fresh = structure, seq, true
	return true
}

// Find returns what a filter finds, nil when it is off. Each is given back to Release.
func (s *Scene) Find(r *tree.Reader, filter Filter) *Find {
	if !filter.IsOn() {
		return nil
	}
	key := filter.String()
	f := s.finds[key]
	if f == nil {
		f = &Find{filter: filter}
		f.build(r, s)
		s.finds[key] = f
	}
	f.users++
	return f
}

// Release says that one less has a filter on; f may be nil.
func (s *Scene) Release(f *Find) {
	if f == nil {
		return
	}
	if f.users--; f.users == 0 {
		delete(s.finds, f.filter.String())
	}
}

// SeesRoot says whether the root of the subtree is there.
func (s *Scene) SeesRoot(r *tree.Reader) bool { return s.sees(r.Root()) }

func (s *Scene) sees(i uint32) bool { return s.scope == nil || s.scope.At(i) != grant.Hidden }

// find returns the index of a node in the subtree that is seen.
func (s *Scene) find(r *tree.Reader, p tree.Path) (uint32, bool) {
	i, ok := r.Find(p)
	return i, ok && s.sees(i)
}

func missing(p tree.Path) error { return fmt.Errorf("%s: %w", p, tree.ErrNoNode) }

// rows visits the nodes that show, parents first, until visit returns false.
func (s *Scene) rows(r *tree.Reader, sh *Shape, f *Find, visit func(uint32) bool) {
	root := r.Root()
	if visit(root) && r.IsGroup(root) && sh.isOpen(root) {
		s.rowsBelow(r, root, sh, f, visit)
	}
}

func (s *Scene) rowsBelow(r *tree.Reader, g uint32, sh *Shape, f *Find, visit func(uint32) bool) bool {
	all := f == nil || sh.opened.Has(g)
	if !all && !f.isWay(g) {
		return true
	}
	for c := range r.Children(g) {
		if !s.sees(c) || !all && !f.keeps(c) {
			continue
		}
		if !visit(c) || r.IsGroup(c) && sh.isOpen(c) && !s.rowsBelow(r, c, sh, f, visit) {
			return false
		}
	}
	return true
}

// Node tells what a record says beyond what the tree does: how many children are seen,
// whether something hidden contributes, and the counts of what is seen, nil when they
// are the node's own. Way says that no more of the node is seen than its name and status.
func (s *Scene) Node(r *tree.Reader, n *tree.Node) (children int, hidden bool, counts *[4]int32, way bool) {
	if s.scope == nil || n.Kind != tree.Group {
		return n.Children, false, nil, false
	}
	for c := range r.Children(n.Index) {
		if s.sees(c) {
			children++
		}
	}
	return children, s.scope.Partial(n.Index), s.Counts(n.Index), s.scope.At(n.Index) == grant.Way
}

// Counts returns the counts of what is seen below a group to which something hidden
// contributes, nil for any other node.
func (s *Scene) Counts(i uint32) *[4]int32 {
	if s.tally == nil {
		return nil
	}
	if g := s.tally.groups[i]; g != nil {
		counts := g.counts
		return &counts
	}
	return nil
}

// changed is Reader.Changed, but for groups to which something hidden contributes only
// when what is seen of them changed.
func (s *Scene) changed(r *tree.Reader, i uint32, since uint64) bool {
	if s.tally != nil {
		if g := s.tally.groups[i]; g != nil {
			return g.changed > since
		}
	}
	return r.Changed(i, since)
}
