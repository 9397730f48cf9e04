// Package cause says which alerts follow from which, by what the tree knows: what is below
// a group that has failed, what depends on something that has, and what is below a group
// that alerts as a whole.
//
// An alert that can be the cause of others is a [Source]. Sources may follow from sources,
// also in circles, as when two hosts depend on each other. The end of each way is its root:
// an alert that follows from nothing, or in a circle from which no way leads out the one
// that opened first. So a circle never silences everybody, and each consequence names one
// root, which people are told of.
package cause

import (
	"grove/tree"
	"grove/tree/alert"
)

// Source is an alert that others can follow from.
type Source struct {
	ID     alert.ID
	Path   tree.Path
	Status tree.Status // of the node, for people
	// Vital says that the group Fails has failed since this attribute is red. An attribute
	// that is not is a source for what depends on it.
	Vital bool
	Fails tree.Path
	// Whole says that it is the alert of a group that alerts as a whole.
	Whole bool
	// Over says that it has ended a short while ago: it goes on holding back what follows
	// from it, but it is the root of no circle in which another stands.
	Over bool
}

// World is what a Graph asks the tree. Both are asked for a path often, so they answer soon.
type World interface {
	// DependsOn lists what the node needs, itself and by what is above it.
	DependsOn(p tree.Path) []tree.Path
	// Whole is the nearest group above a node that alerts as a whole for it.
	Whole(p tree.Path) (group tree.Path, ok bool)
}

// Link says what an alert follows from.
type Link struct {
	Reason alert.Reason
	// Via is the group that has failed or that alerts as a whole, or what it depends on.
	Via tree.Path
	// Root is the alert at the end of the way; nil: the group that alerts as a whole is
	// well, and nobody is told.
	Root *Source
}

// Text says it to people.
func (l *Link) Text() string {
	switch {
	case l.Root == nil:
		return l.Via.String() + " alerts as a whole, and is well"
	case l.Reason == alert.ByWhole && l.Root.Path == l.Via:
		return l.Via.String() + " alerts as a whole"
	case l.Reason == alert.ByWhole:
		return l.Via.String() + " alerts as a whole, and follows: " + l.Root.says()
	case l.Reason == alert.ByDependency && l.Root.Path == l.Via:
		return "it depends on " + l.Via.String() + ", which is " + l.Root.Status.String()
	case l.Reason == alert.ByDependency:
		return "it depends on " + l.Via.String() + ", which has failed: " + l.Root.says()
	}
	return l.Via.String() + " has failed: " + l.Root.says()
}

func (s *Source) says() string { return s.Path.String() + " is " + s.Status.String() }

// Graph holds alerts against their sources. It is for one goroutine at a time.
type Graph struct {
	world   World
	sources []Source
	byID    map[alert.ID]int32
	at      map[tree.Path]int32 // those that are red
	whole   map[tree.Path]int32
	failed  map[tree.Path]int32 // groups, as vertices
	edges   [][]int32           // of sources, then of failed groups
	root    []int32             // of each vertex: a source
	above   map[tree.Path]found // what failed above the children of a group
}

// found is the outermost of the failed groups above.
type found struct {
	group tree.Path
	root  int32
	ok    bool
}

// New puts sources in relation. Of one path there is one source.
func New(world World, sources []Source) *Graph {
	g := &Graph{
		world: world, byID: make(map[alert.ID]int32, len(sources)), at: make(map[tree.Path]int32, len(sources)),
		whole: map[tree.Path]int32{}, failed: map[tree.Path]int32{}, above: map[tree.Path]found{},
	}
	for _, s := range sources {
		if s.Whole {
			g.whole[s.Path] = -1
		}
	}
	for _, s := range sources {
		if w, covered := world.Whole(s.Path); covered {
			if _, ill := g.whole[w]; !ill {
				continue // Nobody is told of it, so nothing can be said to follow from it.
			}
		}
		i := int32(len(g.sources))
		g.sources = append(g.sources, s)
		g.byID[s.ID] = i
		if s.Status == tree.Red {
			g.at[s.Path] = i
		}
		if s.Whole {
			g.whole[s.Path] = i
		}
	}
	for w, i := range g.whole {
		if i < 0 { // It lies below one that is well.
			delete(g.whole, w)
		}
	}
	g.edges = make([][]int32, len(g.sources))
	for i := range g.sources {
		s := &g.sources[i]
		if !s.Vital {
			continue
		}
		v, ok := g.failed[s.Fails]
		if !ok {
			v = int32(len(g.edges))
			g.failed[s.Fails] = v
			g.edges = append(g.edges, nil)
		}
		g.edges[v] = append(g.edges[v], int32(i))
	}
	for i := range g.sources {
		p := g.sources[i].Path
		if w, ok := world.Whole(p); ok {
			if v, ill := g.whole[w]; ill {
				g.edges[i] = append(g.edges[i], v)
			}
		}
		for q := p; !q.IsRoot() && len(g.failed) > 0; {
			q = q.Parent()
			if v, ok := g.failed[q]; ok {
				g.edges[i] = append(g.edges[i], v)
			}
		}
		for _, d := range world.DependsOn(p) {
			g.eachNeeded(d, func(v int32) bool { g.edges[i] = append(g.edges[i], v); return true })
		}
	}
	g.root = roots(g.edges, func(a, b int32) int32 { return g.earlier(a, b) }, int32(len(g.sources)))
	return g
}

// eachNeeded yields the vertices because of which something at a path has failed.
func (g *Graph) eachNeeded(d tree.Path, yield func(int32) bool) {
	if v, ok := g.at[d]; ok && !yield(v) {
		return
	}
	for len(g.failed) > 0 {
		if v, ok := g.failed[d]; ok && !yield(v) {
			return
		}
		if d.IsRoot() {
			return
		}
		d = d.Parent()
	}
}

// earlier is the better root of two sources; below zero is none.
func (g *Graph) earlier(a, b int32) int32 {
	switch {
	case a < 0:
		return b
	case b < 0:
		return a
	case g.sources[a].Over != g.sources[b].Over:
		if g.sources[a].Over {
			return b
		}
		return a
	case g.sources[b].ID < g.sources[a].ID:
		return b
	}
	return a
}

// Len counts the sources that something can follow from.
func (g *Graph) Len() int { return len(g.sources) }

// Of says what the alert of a node follows from; id is its number, zero when it has none
// yet.
func (g *Graph) Of(p tree.Path, id alert.ID) (Link, bool) {
	self, isSource := g.byID[id]
	if isSource && g.root[self] == self {
		return Link{}, false
	}
	if !isSource {
		self = -1
	}
	w, covered := g.world.Whole(p)
	if covered {
		if v, ill := g.whole[w]; ill && v != self {
			return g.link(alert.ByWhole, w, g.root[v]), true
		}
	}
	if a := g.failedAbove(p, self); a.ok {
		return g.link(alert.ByParent, a.group, a.root), true
	}
	if len(g.sources) > 0 {
		for _, d := range g.world.DependsOn(p) {
			root := int32(-1)
			g.eachNeeded(d, func(v int32) bool {
				if r := g.root[v]; v != self && r != self {
					root = g.earlier(root, r)
				}
				return true
			})
			if root >= 0 {
				return g.link(alert.ByDependency, d, root), true
			}
		}
	}
	return Link{Reason: alert.ByWhole, Via: w}, covered
}

func (g *Graph) link(why alert.Reason, via tree.Path, root int32) Link {
	return Link{Reason: why, Via: via, Root: &g.sources[root]}
}

// failedAbove finds the outermost group above a node that has failed because of another
// than self, which is below zero for what is no source.
func (g *Graph) failedAbove(p tree.Path, self int32) (f found) {
	if len(g.failed) == 0 || p.IsRoot() {
		return f
	}
	up := p.Parent()
	if self < 0 {
		if f, known := g.above[up]; known {
			return f
		}
	}
	for q := up; ; q = q.Parent() {
		if v, ok := g.failed[q]; ok && g.root[v] != self && (len(g.edges[v]) > 1 || g.edges[v][0] != self) {
			f = found{q, g.root[v], true}
		}
		if q.IsRoot() {
			break
		}
	}
	if self < 0 {
		g.above[up] = f
	}
	return f
}
