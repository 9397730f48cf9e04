package tree

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrSuppose is wrapped by every error about what is supposed.
var ErrSuppose = errors.New("cannot be supposed")

// Supposition is a status that a node is supposed to have: an attribute, or all
// attributes below a group.
type Supposition struct {
	Path   Path
	Status Status
}

// Suppose says which statuses would change if nodes had others, by the rules that the
// tree rolls up with, and changes nothing: first the attributes, in the order of the tree,
// then the groups that follow, the deepest first. What is said of a node goes before what
// is said of a group above it. At most so many attributes are looked at; with more below
// what is supposed it is an error. The tree stands still only while the branches that are
// concerned are copied.
func (t *Tree) Suppose(suppositions []Supposition, most int) ([]StatusChange, error) {
	if t.frozen {
		return nil, ErrFrozen
	}
	s := supposed{now: t.opts.Now()}
	if err := s.copy(t, suppositions, most); err != nil {
		return nil, err
	}
	return s.follow(), nil
}

// supposed is a copy of the branches of a tree that something is supposed of.
type supposed struct {
	now    time.Time
	leaves []supposedLeaf
	groups []supposedGroup
	slots  []int32 // of groups, by index; 0: not copied, else one more
}

// supposedNode is what a leaf and a group have in common.
type supposedNode struct {
	ref    Ref
	name   string // escaped
	spec   *Spec
	parent int32 // in groups; -1 for the root
	status Status
	known  Status
}

type supposedLeaf struct {
	supposedNode
	to    Status
	value Value
}

type supposedGroup struct {
	supposedNode
	group
	depth   uint8
	changed bool // what a child contributes
	path    Path // once it is asked for
}

// copy takes what is needed out of the tree.
func (s *supposed) copy(t *Tree, suppositions []Supposition, most int) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s.slots = make([]int32, len(t.cells))
	said := make(map[uint32]Status, len(suppositions))
	tops := make([]uint32, 0, len(suppositions))
	for _, p := range suppositions {
		i := t.find(p.Path.text)
		switch {
		case i == none:
			return fmt.Errorf("%s: %w", p.Path, ErrNoNode)
		case p.Status > Red:
			return fmt.Errorf("%s: %w: %w %d", p.Path, ErrSuppose, ErrStatus, p.Status)
		case t.cells[i].kind == TextKind:
			return fmt.Errorf("%s: %w: a text has no status", p.Path, ErrSuppose)
		}
		if _, twice := said[i]; !twice {
			tops = append(tops, i)
		}
		said[i] = p.Status
	}
	var by [MaxDepth + 2]Status // what holds at each depth of the branch
	for _, top := range tops {
		if t.saidAbove(top, said) {
			continue // Its branch is looked at with the one above.
		}
		enough := t.preorder(top, -1, func(i uint32) bool {
			c, p := &t.cells[i], &t.places[i]
			status, own := said[i]
			if !own {
				status = by[p.depth-1]
			}
			by[p.depth] = status
			if c.kind == Group || c.kind == TextKind || c.status == status {
				return true
			}
			if len(s.leaves) >= most {
				return false
			}
			leaf := supposedLeaf{supposedNode: s.node(t, i), to: status, value: t.valueOf(i)}
			s.leaves = append(s.leaves, leaf)
			return true
		})
		if !enough {
			return fmt.Errorf("%w: more than %d attributes would change", ErrSuppose, most)
		}
	}
	return nil
}

func (t *Tree) saidAbove(i uint32, said map[uint32]Status) bool {
	for j := t.places[i].parent; j != none; j = t.places[j].parent {
		if _, ok := said[j]; ok {
			return true
		}
	}
	return false
}

func (s *supposed) node(t *Tree, i uint32) supposedNode {
	c, p := &t.cells[i], &t.places[i]
	return supposedNode{ref: Ref{i, c.gen}, name: p.name, spec: p.spec, parent: s.slot(t, p.parent), status: c.status, known: p.known}
}

// slot copies a group, and those above it, unless they were.
func (s *supposed) slot(t *Tree, i uint32) int32 {
	if i == none {
		return -1
	}
	if slot := s.slots[i]; slot > 0 {
		return slot - 1
	}
	p := &t.places[i]
	g := supposedGroup{supposedNode: s.node(t, i), group: t.groups[p.group], depth: p.depth}
	slot := int32(len(s.groups))
	s.groups = append(s.groups, g)
	s.slots[i] = slot + 1
	return slot
}

// follow lets everything follow from the statuses of the leaves.
func (s *supposed) follow() []StatusChange {
	changes := make([]StatusChange, 0, len(s.leaves))
	for i := range s.leaves {
		l := &s.leaves[i]
		known := l.known
		if l.to != White {
			known = l.to
		}
		changes = append(changes, s.change(&l.supposedNode, l.to, l.value))
		s.contribute(&l.supposedNode, l.to, known)
	}
	// A group is looked at once all those below it are.
	order := make([]int32, len(s.groups))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(s.groups[b].depth, s.groups[a].depth) })
	for _, slot := range order {
		g := &s.groups[slot]
		if !g.changed {
			continue
		}
		to, known := g.result(), g.known
		switch {
		case to != White:
			known = to
		case g.rule.White != IgnoreWhite:
			known = g.all() // as Tree.kept has it
		}
		if to != g.status {
			changes = append(changes, s.change(&g.supposedNode, to, Value{}))
		}
		s.contribute(&g.supposedNode, to, known)
	}
	return changes
}

// contribute tells the parent of a node what it brings now.
func (s *supposed) contribute(n *supposedNode, status, known Status) {
	if n.parent < 0 {
		return
	}
	g := &s.groups[n.parent]
	before, after := contributionOf(n.spec, g.rule, n.status, n.known), contributionOf(n.spec, g.rule, status, known)
	if before == after {
		return
	}
	g.add(before, -1)
	g.add(after, +1)
	g.changed = true
}

func (s *supposed) change(n *supposedNode, to Status, value Value) StatusChange {
	return StatusChange{Ref: n.ref, Path: s.pathOf(n), Kind: n.spec.Kind, From: n.status, To: to, Time: s.now, Value: value}
}

func (s *supposed) pathOf(n *supposedNode) Path {
	if n.parent < 0 {
		return Root
	}
	above := &s.groups[n.parent]
	if above.path.text == "" && above.parent >= 0 {
		above.path = s.pathOf(&above.supposedNode)
	}
	return Path{above.path.text + string(pathSeparator) + n.name}
}
