package shape

import (
	"grove/tree"
)

// Shape says which groups are open. It is not changed once it is made.
type Shape struct {
	// all opens every group that is not in closed. While a filter is on, that shows the
	// children that match or lead to a match only.
	all    bool
	opened Set // by hand: all children show
	closed Set // what all does not open
}

// isOpen says whether children of a group show: all of them, or with a filter perhaps
// only those that the filter keeps.
func (s *Shape) isOpen(i uint32) bool { return s.opened.Has(i) || s.all && !s.closed.Has(i) }

// isEverything says whether all that is there shows, unless a filter is on.
func (s *Shape) isEverything() bool { return s.all && s.closed.IsEmpty() }

func (s *Shape) equal(o *Shape) bool {
	return s.all == o.all && s.opened.Equal(o.opened) && s.closed.Equal(o.closed)
}

func (s *Shape) hash() uint64 {
	h := uint64(1)
	if s.all {
		h = 2
	}
	return s.closed.hash(s.opened.hash(h))
}

// without returns the shape that knows nothing of some indexes.
func (s Shape) without(indexes []uint32) Shape {
	s.opened, s.closed = s.opened.Without(indexes...), s.closed.Without(indexes...)
	return s
}

// begin makes the shape that a client wishes.
func (s *Scene) begin(r *tree.Reader, w *Wish, f *Find) Shape {
	if f != nil { // Matches show by themselves, whatever they hang below.
		var byHand []uint32
		for _, p := range w.Open {
			if i, ok := s.find(r, p); ok && r.IsGroup(i) {
				byHand = append(byHand, i)
			}
		}
		return Shape{all: true, opened: SetOf(byHand)}
	}
	if w.Depth >= tree.MaxDepth {
		return Shape{all: true}
	}
	var open []uint32
	root := r.Root()
	level := []uint32{root}
	for range w.Depth {
		open = append(open, level...)
		level = s.groupsBelow(r, level)
	}
	for _, p := range w.Open {
		i, ok := s.find(r, p)
		if !ok || !r.IsGroup(i) {
			continue
		}
		open = append(open, i)
		for i != root {
			i = r.Parent(i)
			open = append(open, i)
		}
	}
	if w.Some == 0 {
		return Shape{opened: SetOf(open)}
	}
	return Shape{opened: s.openSome(r, SetOf(open), w.Some)}
}

// openSome opens the root, and then level by level while no more rows than some show
// below the root.
func (s *Scene) openSome(r *tree.Reader, opened Set, some int) Set {
	opened = opened.With(r.Root())
	rows := 0
	count := func(set Set) int {
		sh := Shape{opened: set}
		n := -1
		s.rows(r, &sh, nil, func(uint32) bool { n++; return n <= some })
		return n
	}
	level := []uint32{r.Root()}
	rows = count(opened)
	for rows <= some {
		level = s.groupsBelow(r, level)
		if len(level) == 0 {
			break
		}
		more := opened.With(level...)
		if count(more) > some {
			break
		}
		opened = more
	}
	return opened
}

// groupsBelow lists the groups among the children of groups.
func (s *Scene) groupsBelow(r *tree.Reader, groups []uint32) (below []uint32) {
	for _, g := range groups {
		for c := range r.Children(g) {
			if r.IsGroup(c) && s.sees(c) {
				below = append(below, c)
			}
		}
	}
	return below
}

// maxProblems bounds the attributes to which a turn to the problems opens the ways.
const maxProblems = 2000

// Answer is what a client is told of the turns that it left to the server.
type Answer struct {
	All    bool     // every group is open
	Opened []uint32 // else: the open groups, rising
	Focus  uint32   // the worst attribute, or what was asked for
	Focal  bool     // Focus is one
	Err    error    // why the last of them could not be done
}

// turn applies one message of a client to a shape. It returns the groups of which all
// that is below is to be sent again, and nil or what to tell the client, Opened not
// filled in.
func (s *Scene) turn(r *tree.Reader, sh Shape, f *Find, t *Turn) (Shape, []uint32, *Answer) {
	root := r.Root()
	switch {
	case t.Path != nil:
		i, ok := s.find(r, *t.Path)
		if !ok {
			return sh, nil, &Answer{Err: missing(*t.Path)}
		}
		var above []uint32
		for j := i; j != root; {
			j = r.Parent(j)
			above = append(above, j)
		}
		if f != nil || !sh.all {
			sh.opened = sh.opened.With(above...)
		}
		sh.closed = sh.closed.Without(above...)
		return sh, nil, &Answer{Focus: i, Focal: true}
	case t.Problems:
		ways, worst, any := s.problems(r)
		return Shape{opened: SetOf(append(ways, root))}, nil, &Answer{Focus: worst, Focal: any}
	case t.All && t.Open:
		return Shape{all: true}, nil, &Answer{}
	case t.All && f != nil:
		closed := f.ways()
		return Shape{all: true, closed: SetOf(closed).Without(root)}, nil, &Answer{}
	case t.All:
		return Shape{opened: SetOf([]uint32{root})}, nil, &Answer{}
	}
	var groups []uint32
	for _, i := range t.Nodes {
		if r.Has(i) && r.IsGroup(i) && s.sees(i) {
			groups = append(groups, i)
		}
	}
	if !t.Open {
		sh.opened = sh.opened.Without(groups...)
		if sh.all {
			sh.closed = sh.closed.With(groups...)
		}
		return sh, groups, nil
	}
	var byHand []uint32
	for _, i := range groups {
		// With a filter, a group on the way that was folded shows its matches again.
		if !sh.all || f != nil && !(sh.closed.Has(i) && f.isWay(i)) {
			byHand = append(byHand, i)
		}
	}
	sh.opened, sh.closed = sh.opened.With(byHand...), sh.closed.Without(groups...)
	return sh, groups, nil
}

// problems lists the groups above yellow and red attributes, and the first of the worst.
func (s *Scene) problems(r *tree.Reader) (ways []uint32, worst uint32, any bool) {
	rest := maxProblems
	way := map[uint32]bool{}
	var walk func(g uint32, want tree.Status)
	walk = func(g uint32, want tree.Status) {
		for c := range r.Children(g) {
			switch {
			case rest == 0:
				return
			case !s.sees(c):
			case r.IsGroup(c):
				if r.Leaves(c)[want] > 0 {
					walk(c, want)
				}
			case r.Status(c) == want:
				if !any {
					worst, any = c, true
				}
				rest--
				for p := g; !way[p]; p = r.Parent(p) {
					way[p] = true
					ways = append(ways, p)
					if p == r.Root() {
						break
					}
				}
			}
		}
	}
	if root := r.Root(); r.IsGroup(root) {
		walk(root, tree.Red)
		walk(root, tree.Yellow)
	}
	return ways, worst, any
}

// open lists the groups that are open in a shape, for Answer.
func (s *Scene) open(r *tree.Reader, sh *Shape, f *Find) (groups []uint32, all bool) {
	switch {
	case !sh.all:
		return collect(sh.opened), false
	case f != nil:
		open := sh.opened
		for _, g := range f.ways() {
			if !sh.closed.Has(g) {
				open = open.With(g)
			}
		}
		return collect(open), false
	case sh.closed.IsEmpty():
		return nil, true
	}
	everything := Shape{all: true}
	s.rows(r, &everything, nil, func(i uint32) bool {
		if r.IsGroup(i) && !sh.closed.Has(i) {
			groups = append(groups, i)
		}
		return true
	})
	return groups, false
}

func collect(s Set) []uint32 {
	list := make([]uint32, 0, s.Len())
	for i := range s.All() {
		list = append(list, i)
	}
	return list
}
