package branch

import (
	"errors"
	"fmt"
	"slices"

	"grove/notify/peer/branch/frame"
	"grove/tree"
)

// atATime is how many nodes are changed or given at once.
const atATime = 1000

// hung are the nodes of another tree that hang in this one.
type hung struct {
	b     *Branches
	place place

	byIndex map[uint32]*node // by the index over there
	remote  map[uint32]*tree.Spec
	specs   map[*tree.Spec]*tree.Spec // as they hang here
	nodes   int                       // that hang; others are hidden, or cannot hang
	over    int                       // that are too many
	trouble string                    // why some do not hang
	astray  bool                      // what hangs may not be what should: all of it is to be compared
	faded   string                    // why everything is white
}

// node is one node of the other tree.
type node struct {
	parent *node // nil at the top
	name   string
	path   tree.Path // here
	ref    tree.Ref  // zero: it does not hang
	spec   *tree.Spec
	group  bool
	frame.State
}

func newHung(b *Branches, p place) *hung {
	return &hung{b: b, place: p, byIndex: map[uint32]*node{}, remote: map[uint32]*tree.Spec{}, specs: map[*tree.Spec]*tree.Spec{}}
}

// left is how many nodes do not hang here.
func (h *hung) left() int { return len(h.byIndex) - h.nodes + h.over }

// specOf is the spec of a node as it hangs here.
func (h *hung) specOf(id uint32, top bool) (*tree.Spec, error) {
	remote := h.remote[id]
	if remote == nil {
		return nil, fmt.Errorf("%w: a node with the spec %d, which nobody told", errRubbish, id)
	}
	if top {
		return h.place.hungSpec(remote, true), nil
	}
	s := h.specs[remote]
	if s == nil {
		s = h.place.hungSpec(remote, false)
		h.specs[remote] = s
	}
	return s, nil
}

// enter makes the node of what was placed. It says whether and where it should hang.
func (h *hung) enter(p *frame.Placed, parent *node) (n *node, hangs bool, err error) {
	n = &node{parent: parent, name: p.Name, State: p.State}
	if n.spec, err = h.specOf(p.Spec, parent == nil); err != nil {
		return nil, false, err
	}
	n.group = n.spec.Kind == tree.Group
	n.Events = nil
	n.path = h.place.at
	if parent != nil {
		if n.path, err = parent.path.Child(p.Name); err != nil {
			h.trouble = fmt.Sprintf("not everything hangs here: below %s: %v", parent.path, err)
			return n, false, nil
		}
	}
	return n, parent == nil || !h.hidden(n.path), nil
}

func (h *hung) hidden(path tree.Path) bool {
	below, _ := h.place.at.Below(path)
	remote, err := h.place.under.Join(below)
	return err != nil || h.b.hidden(h.place.peer, remote)
}

// replace makes what hangs the same as a snapshot: nodes that are there already keep their
// handles, and with them all that the tree knows of them.
func (h *hung) replace(d *draft) error {
	h.remote, h.specs = d.specs, map[*tree.Spec]*tree.Spec{}
	h.over, h.trouble, h.astray = d.over, "", false
	before := make(map[tree.Path]*node, len(h.byIndex))
	if h.nodes > 0 { // What is there counts, not what should be.
		_ = h.b.o.Tree.Walk(h.place.at, -1, func(n *tree.Node) bool {
			before[n.Path] = &node{ref: n.Ref, spec: n.Spec}
			return true
		})
	}
	now, wanted := make(map[uint32]*node, len(d.placed)), make(map[tree.Path]bool, len(d.placed))
	var adds, kept []*node
	var gives []tree.Given
	events := map[*node][]tree.Event{}
	for k := range d.placed {
		p := &d.placed[k]
		parent := now[p.Parent]
		if top := k == 0; top != (p.Parent == p.Index) || !top && parent == nil {
			h.over++
			continue
		}
		n, hangs, err := h.enter(p, parent)
		if err != nil {
			return err
		}
		now[p.Index] = n
		if !hangs || parent != nil && !wanted[parent.path] || wanted[n.path] {
			continue
		}
		wanted[n.path] = true
		if len(p.Events) > 0 {
			events[n] = p.Events
		}
		if old := before[n.path]; old != nil && old.spec.Kind == n.spec.Kind {
			n.ref = old.ref
			if !old.spec.Equal(n.spec) {
				kept = append(kept, n)
			}
			continue
		}
		adds = append(adds, n)
	}
	gone := map[tree.Path]bool{}
	for path := range before {
		if !wanted[path] {
			gone[path] = true
		}
	}
	for _, n := range adds {
		if before[n.path] != nil {
			gone[n.path] = true // of another kind
		}
	}
	var ops []tree.Op
	for path := range gone {
		if path == h.place.at || !gone[path.Parent()] {
			ops = append(ops, tree.Remove(path))
		}
	}
	h.change(ops)
	h.byIndex, h.faded = now, ""
	if err := h.add(adds); err != nil {
		return err
	}
	fresh := map[*node]bool{}
	for _, n := range adds {
		fresh[n] = true
	}
	h.nodes = 0
	for _, n := range now {
		if n.ref.IsZero() {
			continue
		}
		h.nodes++
		g := given(n.ref, &n.State)
		if lines := events[n]; len(lines) > 0 {
			g.Events = lines
			if !fresh[n] {
				g.Events = h.newLines(n.path, lines)
			}
		}
		gives = append(gives, g)
	}
	h.giveAll(gives)
	// Groups take their rules when they have something to roll up.
	ops = ops[:0]
	for _, n := range kept {
		ops = append(ops, tree.Update(n.path, n.spec))
	}
	h.change(ops)
	return nil
}

// newLines leaves out those lines that a log has already.
func (h *hung) newLines(path tree.Path, lines []tree.Event) (fresh []tree.Event) {
	type line struct {
		at   int64
		text string
	}
	held, err := h.b.o.Tree.Events(path)
	if err != nil {
		return lines
	}
	known := make(map[line]bool, len(held))
	for _, e := range held {
		known[line{e.Time.UnixMilli(), e.Text}] = true
	}
	for _, e := range lines {
		if !known[line{e.Time.UnixMilli(), e.Text}] {
			fresh = append(fresh, e)
		}
	}
	return fresh
}

// giveAll gives attributes their states, and then groups the times of theirs.
func (h *hung) giveAll(gives []tree.Given) {
	groups := make(map[tree.Ref]bool)
	for _, n := range h.byIndex {
		if n.group {
			groups[n.ref] = true
		}
	}
	for _, wantGroups := range []bool{false, true} {
		batch := make([]tree.Given, 0, atATime)
		for _, g := range gives {
			if groups[g.Node] != wantGroups {
				continue
			}
			if batch = append(batch, g); len(batch) == atATime {
				h.b.o.Tree.Give(batch...)
				batch = batch[:0]
			}
		}
		h.b.o.Tree.Give(batch...)
	}
}

// change changes the structure, as far as it can be: what cannot is as it should be, or is
// found when all is compared.
func (h *hung) change(ops []tree.Op) {
	for from := 0; from < len(ops); from += atATime {
		part := ops[from:min(from+atATime, len(ops))]
		if h.b.o.Tree.Change(part...) == nil {
			continue
		}
		for _, op := range part {
			if err := h.b.o.Tree.Change(op); err != nil && !errors.Is(err, tree.ErrNoNode) {
				h.trouble = err.Error()
			}
		}
	}
}

// add hangs new nodes, parents first. A node that cannot hang is left out, with all below.
func (h *hung) add(nodes []*node) error {
	t := h.b.o.Tree
	for from := 0; from < len(nodes); from += atATime {
		part := nodes[from:min(from+atATime, len(nodes))]
		ops := make([]tree.Op, 0, len(part))
		for _, n := range part {
			ops = append(ops, tree.Add(n.path, h.worn(n)))
		}
		if h.trouble == "" && t.Change(ops...) == nil {
			for _, n := range part {
				n.ref, _ = t.Lookup(n.path)
			}
			continue
		}
		for k, n := range part {
			if n.parent != nil && n.parent.ref.IsZero() {
				continue
			}
			if err := t.Change(ops[k]); err != nil {
				h.trouble = fmt.Sprintf("not everything hangs here: %v", err)
				if n.parent == nil {
					return err
				}
				continue
			}
			n.ref, _ = t.Lookup(n.path)
		}
	}
	return nil
}

// apply applies a delta.
func (h *hung) apply(f *frame.Frame) error {
	if err := readSpecs(h.remote, f.Specs); err != nil {
		return err
	}
	gone := map[*node]bool{}
	for _, i := range f.Removed {
		if n := h.byIndex[i]; n != nil {
			gone[n] = true
			delete(h.byIndex, i)
			if !n.ref.IsZero() {
				h.nodes--
			}
		}
	}
	// What moves away from something that goes must not go with it.
	moves := slices.ContainsFunc(f.Placed, func(p frame.Placed) bool {
		n := h.byIndex[p.Index]
		return n != nil && n.parent != nil && (n.name != p.Name || n.parent != h.byIndex[p.Parent])
	})
	if !moves {
		h.drop(gone)
	}
	gives := make([]tree.Given, 0, len(f.Placed)+len(f.Changed))
	var groups []tree.Given
	give := func(n *node, s *frame.State) {
		switch {
		case n.ref.IsZero():
		case n.group:
			groups = append(groups, given(n.ref, s))
		default:
			gives = append(gives, h.newsOf(n, s))
		}
	}
	if len(f.Placed) > 0 {
		if err := h.hang(f.Placed); err != nil {
			return err
		}
		if moves {
			h.drop(gone)
			h.astray = h.astray || h.trouble != "" // Something may have been in the way.
		}
		for k := range f.Placed {
			if n := h.byIndex[f.Placed[k].Index]; n != nil {
				give(n, &f.Placed[k].State)
			}
		}
	}
	for k := range f.Changed {
		s := &f.Changed[k]
		n := h.byIndex[s.Index]
		if n == nil {
			continue // It is too many.
		}
		n.learn(s)
		give(n, s)
	}
	h.b.o.Tree.Give(gives...)
	if h.faded == "" {
		h.b.o.Tree.Give(groups...)
	}
	return nil
}

// drop takes nodes off.
func (h *hung) drop(gone map[*node]bool) {
	var ops []tree.Op
	for n := range gone {
		if n.ref.IsZero() || gone[n.parent] {
			continue
		}
		// It may have moved with what it hung below.
		if now, err := h.b.o.Tree.NodeAt(n.ref); err == nil {
			ops = append(ops, tree.Remove(now.Path))
		}
	}
	h.change(ops)
}

// learn takes over what is said of a node.
func (n *node) learn(s *frame.State) {
	n.Status = s.Status
	if s.Said&frame.SaidValue != 0 {
		n.Value = s.Value
	}
	if s.Said&(frame.SaidTime|frame.SaidValue) != 0 {
		n.Time = s.Time
	}
	if s.Said&frame.SaidTurn != 0 {
		n.Last, n.Flapping, n.Pending, n.Since, n.Reason = s.Last, s.Flapping, s.Pending, s.Since, s.Reason
	}
}

// newsOf is what a state, which the node knows already, says to the tree.
func (h *hung) newsOf(n *node, s *frame.State) tree.Given {
	g := given(n.ref, &n.State)
	g.Events = s.Events
	g.Keep = s.Said&(frame.SaidTime|frame.SaidValue|frame.SaidEvents) == 0
	if s.Said&frame.SaidTurn == 0 {
		g.Since = 0
	}
	if h.faded != "" {
		h.whiten(&g)
	}
	return g
}

// hang takes what was placed: new nodes, and such that moved or have another spec.
func (h *hung) hang(placed []frame.Placed) error {
	var adds []*node
	waits := map[*node]bool{} // adds
	var updates []tree.Op
	flush := func() error {
		if err := h.add(adds); err != nil {
			return err
		}
		for _, n := range adds {
			if !n.ref.IsZero() {
				h.nodes++
			}
		}
		h.change(updates)
		adds, updates = nil, nil
		clear(waits)
		return nil
	}
	for k := range placed {
		p := &placed[k]
		old, parent := h.byIndex[p.Index], h.byIndex[p.Parent]
		if p.Parent == p.Index {
			parent = nil
		} else if parent == nil {
			h.over++
			continue
		}
		if old == nil && len(h.byIndex) >= h.b.o.MaxNodes {
			h.over++
			continue
		}
		n, hangs, err := h.enter(p, parent)
		if err != nil {
			return err
		}
		if parent == nil && (old == nil || old.parent != nil) {
			return fmt.Errorf("%w: a second node at the top", errRubbish)
		}
		if old == nil {
			h.byIndex[p.Index] = n
			if hangs && (!parent.ref.IsZero() || waits[parent]) {
				adds = append(adds, n)
				waits[n] = true
			}
			continue
		}
		if old.parent == parent && old.name == n.name && old.group == n.group {
			if !old.ref.IsZero() && !old.spec.Equal(n.spec) {
				updates = append(updates, tree.Update(old.path, h.worn(n)))
			}
			old.spec, old.State = n.spec, n.State
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		h.move(old, n, hangs)
	}
	return flush()
}

// move hangs a node where it is now.
func (h *hung) move(n, now *node, hangs bool) {
	h.astray = h.astray || hangs == n.ref.IsZero() || now.group != n.group
	from := n.path
	n.parent, n.name, n.spec, n.State = now.parent, now.name, now.spec, now.State
	if h.astray || n.ref.IsZero() {
		return
	}
	if h.b.o.Tree.Change(tree.Move(from, now.path)) != nil || h.b.o.Tree.Change(tree.Update(now.path, h.worn(n))) != nil {
		h.astray = true
		return
	}
	for _, other := range h.byIndex {
		if below, ok := from.Below(other.path); ok {
			if path, err := now.path.Join(below); err == nil {
				other.path = path
			}
		}
	}
}

// worn is the spec that a node has now: while everything is white, groups count what their
// children had, for silence makes nothing look better.
func (h *hung) worn(n *node) *tree.Spec {
	if h.faded == "" || !n.forgets() {
		return n.spec
	}
	s, rule := *n.spec, *n.spec.Rollup
	rule.White = tree.KeepWhite
	s.Rollup = &rule
	return &s
}

// forgets says whether the group does not count what its white children had.
func (n *node) forgets() bool {
	return n.group && n.spec.Rollup != nil && n.spec.Rollup.White != tree.KeepWhite
}

// whiten makes what is given white for the reason that everything is.
func (h *hung) whiten(g *tree.Given) {
	if g.Status != tree.White {
		g.Last, g.Since = g.Status, 0
	}
	g.Status, g.Reason, g.Flapping, g.Pending = tree.White, h.faded, false, false
}

// fade turns every attribute white.
func (h *hung) fade(reason string) {
	h.faded = reason
	h.wear()
	var gives []tree.Given
	for _, n := range h.byIndex {
		if n.ref.IsZero() || n.group {
			continue
		}
		g := given(n.ref, &n.State)
		g.Keep, g.Events = true, nil
		h.whiten(&g)
		gives = append(gives, g)
	}
	h.giveAll(gives)
}

// unfade gives everything the status of its owner again.
func (h *hung) unfade() {
	h.faded = ""
	var gives []tree.Given
	for _, n := range h.byIndex {
		if n.ref.IsZero() {
			continue
		}
		g := given(n.ref, &n.State)
		g.Keep, g.Events = true, nil
		gives = append(gives, g)
	}
	h.giveAll(gives)
	h.wear()
}

// wear gives the groups that forget the rule that holds now.
func (h *hung) wear() {
	var ops []tree.Op
	for _, n := range h.byIndex {
		if !n.ref.IsZero() && n.forgets() {
			ops = append(ops, tree.Update(n.path, h.worn(n)))
		}
	}
	h.change(ops)
}

// remove takes everything off.
func (h *hung) remove() {
	h.change([]tree.Op{tree.Remove(h.place.at)})
	h.byIndex, h.nodes = map[uint32]*node{}, 0
}
