package tree

import (
	"hash/maphash"
	"math"
	"strings"
	"time"
)

// extent returns how far the paths below i go beyond its own: in names and in
// bytes, each of the one that goes farthest.
func (t *Tree) extent(i uint32) (names, bytes int) {
	top := int(t.places[i].depth)
	var ends [MaxDepth + 1]int // of the path of each level below i
	t.preorder(i, -1, func(j uint32) bool {
		if level := int(t.places[j].depth) - top; level > 0 {
			ends[level] = ends[level-1] + 1 + len(t.places[j].name)
			names, bytes = max(names, level), max(bytes, ends[level])
		}
		return true
	})
	return names, bytes
}

// add makes a node with its missing parents.
func (t *Tree) add(p Path, s *Spec, now time.Time) {
	if i := t.find(p.text); i != none { // a group made for its children, wanted now
		t.update(i, s, now)
		t.cells[i].flags &^= flagImplied
		return
	}
	t.insert(p, t.parentFor(p, now), s, now)
}

var impliedSpec = &Spec{Kind: Group}

// parentFor returns the parent of a node to be, making what is missing.
func (t *Tree) parentFor(p Path, now time.Time) uint32 {
	up := p.Parent()
	if i := t.find(up.text); i != none {
		return i
	}
	i := t.insert(up, t.parentFor(up, now), impliedSpec, now)
	t.cells[i].flags |= flagImplied
	return i
}

// insert makes a node below a parent that exists; parent is none for the root.
func (t *Tree) insert(p Path, parent uint32, s *Spec, now time.Time) uint32 {
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		i = uint32(len(t.cells))
		t.cells = append(t.cells, cell{})
		t.places = append(t.places, place{})
		if int(i>>6) == len(t.blocks) {
			t.blocks = append(t.blocks, 0)
		}
	}
	t.cells[i] = cell{gen: t.cells[i].gen + 1, kind: s.Kind, flags: flagSlow, level: 0}
	if t.cells[i].gen == 0 {
		t.cells[i].gen = 1
	}
	name := p.text[strings.LastIndexByte(p.text, pathSeparator)+1:]
	t.places[i] = place{
		name: name, spec: s, since: now.UnixNano(), parent: parent,
		first: none, last: none, next: none, prev: none, group: none,
		created: uint32(min(max(now.Unix(), 0), math.MaxUint32)),
	}
	if parent != none {
		t.places[i].depth = t.places[parent].depth + 1
		t.hang(i, parent)
	}
	t.setIndex(p.text, i)
	t.nodes++
	t.dress(i, s)
	if s.Kind == Group {
		t.newGroup(i, s)
	}
	t.place(i)
	for j := parent; j != none && len(t.roots) > 0; j = t.places[j].parent {
		if v := t.roots[j]; v != nil {
			v.include(i)
		}
	}
	t.attach(i, now.UnixNano())
	return i
}

// dress gives a node what its spec says of readings.
func (t *Tree) dress(i uint32, s *Spec) {
	c := &t.cells[i]
	c.class = t.classFor(classKey{source: s.Threshold, given: s.Given && s.Kind != Group})
	c.flags &^= flagStale
	if s.Threshold != nil && s.Threshold.StaleAfter > 0 && !s.Given {
		c.flags |= flagStale
	}
	if s.Mode == Request && s.Kind != Group {
		t.requests[i] = struct{}{}
	} else {
		delete(t.requests, i)
	}
}

var worstRollup = &Rollup{}

func ruleOf(s *Spec) *Rollup {
	if s.Rollup == nil {
		return worstRollup
	}
	return s.Rollup
}

func (t *Tree) newGroup(i uint32, s *Spec) {
	g := uint32(len(t.groups))
	if n := len(t.freeG); n > 0 {
		g, t.freeG = t.freeG[n-1], t.freeG[:n-1]
	} else {
		t.groups = append(t.groups, group{})
	}
	t.groups[g] = group{rule: ruleOf(s)}
	t.places[i].group = g
}

// hang makes i the last child of parent.
func (t *Tree) hang(i, parent uint32) {
	up := &t.places[parent]
	t.places[i].parent, t.places[i].prev, t.places[i].next = parent, up.last, none
	if up.last == none {
		up.first = i
	} else {
		t.places[up.last].next = i
	}
	up.last = i
}

// unhang takes i out of the children of its parent.
func (t *Tree) unhang(i uint32) {
	p := &t.places[i]
	up := &t.places[p.parent]
	if p.prev == none {
		up.first = p.next
	} else {
		t.places[p.prev].next = p.next
	}
	if p.next == none {
		up.last = p.prev
	} else {
		t.places[p.next].prev = p.prev
	}
}

// leavesOf counts the attributes at and below i by status.
func (t *Tree) leavesOf(i uint32) (n [4]int32) {
	if t.cells[i].kind == Group {
		return t.groups[t.places[i].group].leaves
	}
	n[t.cells[i].status] = 1
	return n
}

// attach lets the node at i, with all below it, count in its parents.
func (t *Tree) attach(i uint32, now int64) {
	t.weigh(i, +1)
	if parent := t.places[i].parent; parent != none {
		t.refresh(parent, now)
	}
}

// detach takes what attach counted out again, and the node out of its parent.
func (t *Tree) detach(i uint32, now int64) {
	t.weigh(i, -1)
	t.unhang(i)
	t.refresh(t.places[i].parent, now)
}

// contribution is what the node at i brings into its parent by its present spec.
func (t *Tree) contribution(i uint32) contribution {
	p := &t.places[i]
	return contributionOf(p.spec, t.groups[t.places[p.parent].group].rule, t.cells[i].status, p.known)
}

// weigh adds the node at i, with all below it, to the counts above or takes it out.
func (t *Tree) weigh(i uint32, sign int32) {
	p := &t.places[i]
	if p.parent == none {
		return
	}
	leaves := t.leavesOf(i)
	for j := p.parent; j != none; j = t.places[j].parent {
		g := &t.groups[t.places[j].group]
		for s, n := range leaves {
			g.leaves[s] += sign * n
		}
		t.mark(j)
	}
	t.groups[t.places[p.parent].group].add(t.contribution(i), sign)
}

// refresh gives a group the status that its counts come to, and rolls it up.
func (t *Tree) refresh(i uint32, now int64) {
	from, known := t.cells[i].status, t.places[i].known
	if t.regroup(i, now) {
		t.rollUp(i, from, known, now)
	}
}

// update gives a node another spec.
func (t *Tree) update(i uint32, s *Spec, now time.Time) {
	p, c := &t.places[i], &t.cells[i]
	same := p.spec.Given == s.Given && (s.Given || equalThreshold(p.spec.Threshold, s.Threshold))
	if p.parent != none {
		g := &t.groups[t.places[p.parent].group]
		g.add(t.contribution(i), -1)
		p.spec = s
		g.add(t.contribution(i), +1)
	}
	p.spec = s
	t.place(i)
	if l := t.logs[i]; l != nil {
		l.fit(keepOf(s))
	}
	t.dropClass(c.class)
	t.dress(i, s)
	switch tuned := t.tuned[i]; {
	case c.kind == Group:
		t.reweigh(i)
		c.flags &^= flagImplied
		t.refresh(i, now.UnixNano())
	case same && tuned != nil:
		t.wear(i, tuned)
	case !same:
		if tuned != nil {
			t.untuned = append(t.untuned, t.tuning(i, nil))
		}
		delete(t.tuned, i)
		delete(t.given, i)
		t.reconsider(i, now.UnixNano())
	}
	if p.parent != none {
		t.refresh(p.parent, now.UnixNano())
	}
}

// wear gives an attribute another threshold than its spec says.
func (t *Tree) wear(i uint32, th *Threshold) {
	c := &t.cells[i]
	t.dropClass(c.class)
	given := t.places[i].spec.Given
	c.class = t.classFor(classKey{source: th, given: given, judged: given})
	c.flags &^= flagStale
	if th.StaleAfter > 0 && !given {
		c.flags |= flagStale
	}
}

// reconsider holds the present value of an attribute against its threshold, after
// that changed. Holds begin anew.
func (t *Tree) reconsider(i uint32, now int64) {
	c := &t.cells[i]
	c.flags |= flagSlow
	if cl := &t.classes[c.class]; cl.given && !cl.judged {
		t.regive(i, now)
		return
	}
	if c.time == 0 || c.flags&flagFailed != 0 || c.kind != Log && c.flags&(flagNumber|flagText) == 0 {
		return
	}
	t.forgetHolds(i)
	switch {
	case c.kind == Log:
		t.recall(i, now)
	case c.kind == TextKind:
		t.settleFresh(i, now)
	case c.flags&flagText != 0 && c.kind == State:
		t.takeState(i, t.texts[i], now)
	case c.flags&flagNumber != 0 && t.threshold(c).States != nil:
		t.takeState(i, stateOf(c.value), now)
	case c.flags&flagNumber != 0:
		c.level = t.threshold(c).levels(c.value, 0)
		t.settleFresh(i, now)
	}
}

// reweigh counts the children of a group anew, after its rule changed.
func (t *Tree) reweigh(i uint32) {
	g := &t.groups[t.places[i].group]
	*g = group{rule: ruleOf(t.places[i].spec), leaves: g.leaves}
	for j := t.places[i].first; j != none; j = t.places[j].next {
		g.add(contributionOf(t.places[j].spec, g.rule, t.cells[j].status, t.places[j].known), +1)
	}
}

// remove takes a node away with everything below it, and the groups above that
// were there for its sake.
func (t *Tree) remove(i uint32, now time.Time) {
	parent := t.places[i].parent
	t.detach(i, now.UnixNano())
	text := t.pathOf(i).text
	t.drop(i, text)
	if c := &t.cells[parent]; parent != 0 && c.flags&flagImplied != 0 && t.places[parent].first == none {
		t.remove(parent, now)
	}
}

// release takes a node away, or leaves it to its children.
func (t *Tree) release(i uint32, now time.Time) {
	if t.cells[i].kind == Group && t.places[i].first != none {
		t.update(i, impliedSpec, now)
		t.cells[i].flags |= flagImplied
		return
	}
	t.remove(i, now)
}

// drop forgets the nodes at and below i, whose path is text.
func (t *Tree) drop(i uint32, text string) {
	for j := t.places[i].first; j != none; {
		next := t.places[j].next
		t.drop(j, text+"/"+t.places[j].name)
		j = next
	}
	t.dropIndex(text, i)
	t.dropClass(t.cells[i].class)
	t.forgetHolds(i)
	for _, v := range t.roots {
		v.exclude(i)
	}
	if v := t.roots[i]; v != nil {
		v.root = none
		delete(t.roots, i)
	}
	delete(t.texts, i)
	delete(t.reasons, i)
	delete(t.logs, i)
	delete(t.tuned, i)
	delete(t.given, i)
	delete(t.requests, i)
	if g := t.places[i].group; g != none {
		t.groups[g] = group{}
		t.freeG = append(t.freeG, g)
	}
	t.cells[i] = cell{gen: t.cells[i].gen + 1}
	t.places[i] = place{first: none, last: none, next: none, prev: none, parent: none, group: none}
	t.free = append(t.free, i)
	t.nodes--
	t.place(i)
}

// move hangs a node at another place.
func (t *Tree) move(i uint32, to Path, now time.Time) {
	from := t.pathOf(i)
	old := t.places[i].parent
	t.detach(i, now.UnixNano())
	t.preorder(i, -1, func(j uint32) bool { // unhung, but its own parents still lead here
		t.dropIndex(t.pathOf(j).text, j)
		return true
	})
	parent := t.parentFor(to, now)
	t.places[i].name = to.text[strings.LastIndexByte(to.text, pathSeparator)+1:]
	t.hang(i, parent)
	t.preorder(i, -1, func(j uint32) bool {
		t.places[j].depth = t.places[t.places[j].parent].depth + 1
		t.setIndex(t.pathOf(j).text, j)
		t.place(j)
		for _, v := range t.views {
			if v.root == none {
				continue
			}
			if v.path.Contains(from) && !v.path.Contains(to) {
				v.exclude(j)
			} else if v.path.Contains(to) {
				v.include(j)
			}
		}
		return true
	})
	for p, v := range t.views { // a view stays with its path, not with what stood there
		if v.root != none && from.Contains(p) {
			delete(t.roots, v.root)
			v.root = none
		}
	}
	t.attach(i, now.UnixNano())
	if t.cells[old].flags&flagImplied != 0 && old != 0 && t.places[old].first == none {
		t.remove(old, now)
	}
}

// place says that a node was added, moved, given another spec, or removed.
func (t *Tree) place(i uint32) {
	t.mark(i)
	t.log.add(t.base+uint64(t.pending), i, t.cells[i].gen)
}

// preorder visits i and the nodes below it, parents first, down to so many levels
// below i (negative: all), until visit returns false.
func (t *Tree) preorder(i uint32, depth int, visit func(uint32) bool) bool {
	if !visit(i) {
		return false
	}
	if depth == 0 {
		return true
	}
	for j := t.places[i].first; j != none; j = t.places[j].next {
		if !t.preorder(j, depth-1, visit) {
			return false
		}
	}
	return true
}

func (t *Tree) setIndex(text string, i uint32) {
	t.rename(text, false)
	h := maphash.String(t.seed, text)
	if _, taken := t.index[h]; taken {
		t.clash[text] = i
		return
	}
	t.index[h] = i
}

// maxNames bounds the changes of names that wait for a flush.
const maxNames = 1 << 20

// rename notes that a path came to have a node, or lost it.
func (t *Tree) rename(text string, gone bool) {
	switch {
	case t.opts.Names == nil:
	case len(t.names) < maxNames:
		t.names = append(t.names, NameChange{Path{text}, gone})
	default:
		t.stats.UntoldNames++
	}
}

func (t *Tree) dropIndex(text string, i uint32) {
	t.rename(text, true)
	if j, ok := t.clash[text]; ok && j == i {
		delete(t.clash, text)
		return
	}
	delete(t.index, maphash.String(t.seed, text))
}
