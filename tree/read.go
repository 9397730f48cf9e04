package tree

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/agnivade/levenshtein"
)

// Node returns a copy of what is known of the node at p.
func (t *Tree) Node(p Path) (Node, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.node(t.find(p.text), p.String())
}

// NodeAt returns a copy of what is known of the node that r names.
func (t *Tree) NodeAt(r Ref) (Node, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.node(t.at(r), fmt.Sprintf("node %d", r.index))
}

func (t *Tree) node(i uint32, name string) (n Node, err error) {
	if i == none {
		return Node{}, fmt.Errorf("%s: %w", name, ErrNoNode)
	}
	t.fill(&n, i, t.pathOf(i))
	return n, nil
}

// Structure counts the changes of structure so far: while it stays the same, so do
// the paths and specs of all nodes.
func (t *Tree) Structure() uint64 { return t.structure.Load() }

// Spec returns what was said of the node that r names when it was made, or nil when it
// is gone. It must not be changed.
func (t *Tree) Spec(r Ref) *Spec {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if i := t.at(r); i != none {
		return t.places[i].spec
	}
	return nil
}

// maxNear bounds the names that Missing holds against the one that is wrong.
const maxNear = 1000

// Missing returns the error for a path that leads to no node: it wraps ErrNoNode and
// says where the path goes astray, with the name there that is the least different, or with
// what a group says that stands for something elsewhere.
func (t *Tree) Missing(p Path) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	child, parent := p, p.Parent()
	for t.find(parent.text) == none {
		child, parent = parent, parent.Parent()
	}
	name := child.Name()
	if s := t.places[t.find(parent.text)].spec; s != nil && s.Properties[Elsewhere] != "" {
		return fmt.Errorf("%w: %s has no %q here: %s", ErrNoNode, parent, name, s.Properties[Elsewhere])
	}
	near, distance := "", len(name)/3+2
	i := t.places[t.find(parent.text)].first
	for k := 0; i != none && k < maxNear; i, k = t.places[i].next, k+1 {
		other, _ := unescape(t.places[i].name)
		if d := levenshtein.ComputeDistance(other, name); d < distance {
			near, distance = other, d
		}
	}
	if near != "" {
		return fmt.Errorf("%w: %s has no %q; did you mean %q?", ErrNoNode, parent, name, near)
	}
	return fmt.Errorf("%w: %s has no %q", ErrNoNode, parent, name)
}

// Walk yields the node at root and those below it, parents first, down to so many
// levels below root (negative: all), until yield returns false. The Node is used
// again for the next. The tree stands still meanwhile, so yield must be quick and
// must not call the tree.
func (t *Tree) Walk(root Path, depth int, yield func(*Node) bool) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i := t.find(root.text)
	if i == none {
		return fmt.Errorf("%s: %w", root, ErrNoNode)
	}
	t.walk(i, depth, yield)
	return nil
}

// walk is preorder with the whole Node; it puts each path together from that of
// the parent.
func (t *Tree) walk(root uint32, depth int, yield func(*Node) bool) {
	var n Node
	text := make([]byte, 0, MaxPathBytes)
	text = append(text, t.pathOf(root).text...)
	ends := make([]int, 0, MaxDepth+1) // of the path of each level below root
	top := int(t.places[root].depth)
	t.preorder(root, depth, func(i uint32) bool {
		level := int(t.places[i].depth) - top
		if level > 0 {
			text = append(append(text[:ends[level-1]], pathSeparator), t.places[i].name...)
		}
		ends = append(ends[:level], len(text))
		t.fill(&n, i, Path{string(text)})
		return yield(&n)
	})
}

// fill copies everything that is known of the node at i.
func (t *Tree) fill(n *Node, i uint32, path Path) {
	t.fillCell(&n.Cell, i)
	c, p := &t.cells[i], &t.places[i]
	n.Ref, n.Parent = Ref{i, c.gen}, p.parent
	if p.parent == none {
		n.Parent = i
	}
	n.Depth, n.Path, n.Spec = int(p.depth), path, p.spec
	n.Name, _ = unescape(p.name)
	n.Created = time.Time{}
	if p.created != 0 {
		n.Created = time.Unix(int64(p.created), 0)
	}
	n.Children, n.Threshold, n.Tuned = 0, nil, false
	if c.kind == Group {
		n.Children = int(t.groups[p.group].members)
	} else {
		n.Threshold = t.threshold(c)
		_, n.Tuned = t.tuned[i]
	}
}

// fillCell copies what changes with readings.
func (t *Tree) fillCell(n *Cell, i uint32) {
	c, p := &t.cells[i], &t.places[i]
	*n = Cell{
		Index: i, Kind: c.kind, Status: c.status, Last: p.known,
		Flapping: c.flags&flagFlap != 0, Pending: c.flags&flagPending != 0,
	}
	if p.since != 0 {
		n.Since = time.Unix(0, p.since)
	}
	if c.time != 0 {
		n.Time = time.Unix(0, c.time)
	}
	if c.flags&flagNumber != 0 {
		n.Value = Number(c.value)
	} else if c.flags&flagText != 0 {
		n.Value = Text(t.texts[i])
	}
	if c.status == White || t.frozen {
		n.Reason = t.reasonOf(i)
	}
	if c.kind == Group {
		n.Counts = t.groups[p.group].leaves
	}
}

func (t *Tree) valueOf(i uint32) Value {
	switch c := &t.cells[i]; {
	case c.flags&flagNumber != 0:
		return Number(c.value)
	case c.flags&flagText != 0:
		return Text(t.texts[i])
	}
	return Value{}
}

// reasonOf says why a node is white; it is empty for any other, unless something of a
// node of the past is not known.
func (t *Tree) reasonOf(i uint32) string {
	c := &t.cells[i]
	if reason, ok := t.reasons[i]; ok && t.frozen {
		return reason
	}
	switch {
	case c.status != White:
		return ""
	case c.kind == Group && t.places[i].first == none:
		return "nothing is in this group"
	case c.kind == Group:
		return "nothing below has a status"
	}
	if reason, ok := t.reasons[i]; ok {
		return reason
	}
	return "no reading yet"
}

// Events returns the events that a log attribute holds, oldest first.
func (t *Tree) Events(p Path) ([]Event, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i := t.find(p.text)
	if i == none {
		return nil, fmt.Errorf("%s: %w", p, ErrNoNode)
	}
	if l := t.logs[i]; l != nil {
		return l.ordered(), nil
	}
	return nil, nil
}

// maxCauses bounds what Cause returns.
const maxCauses = 16

// Cause returns the attributes that give the node at p its yellow or red, worst
// first in the order of the tree, 16 at most: for a group, the attributes below
// whose status reaches it through the roll-up. It is empty for a green or white
// node.
func (t *Tree) Cause(p Path) (causes []Path, err error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i := t.find(p.text)
	if i == none {
		return nil, fmt.Errorf("%s: %w", p, ErrNoNode)
	}
	if t.cells[i].status > Green {
		t.causes(i, &causes, func(j uint32) Status { return t.contribution(j).status })
		if t.frozen && len(causes) == 0 {
			// The rule of then was another one.
			t.causes(i, &causes, func(j uint32) Status { return t.cells[j].status })
		}
	}
	return causes, nil
}

func (t *Tree) causes(i uint32, found *[]Path, contributes func(uint32) Status) {
	if t.cells[i].kind != Group {
		*found = append(*found, t.pathOf(i))
		return
	}
	before := len(*found)
	for _, want := range [...]Status{Red, Yellow} {
		for j := t.places[i].first; j != none; j = t.places[j].next {
			if len(*found) == maxCauses {
				return
			}
			if contributes(j) == want {
				t.causes(j, found, contributes)
			}
		}
		if want <= t.cells[i].status && len(*found) > before {
			return
		}
	}
}

// Look says that somebody looks at the subtree at p: its nodes in Request mode are
// asked for, through Options.Asked.
func (t *Tree) Look(p Path) {
	t.mu.RLock()
	var asked []Ref
	if top := t.find(p.text); top != none && len(t.requests) > 0 && t.opts.Asked != nil {
		for i := range t.requests {
			for j := i; j != none; j = t.places[j].parent {
				if j == top {
					asked = append(asked, Ref{i, t.cells[i].gen})
					break
				}
			}
		}
	}
	t.mu.RUnlock()
	if len(asked) > 0 {
		slices.SortFunc(asked, func(a, b Ref) int { return int(a.index) - int(b.index) })
		t.opts.Asked(asked)
	}
}

// SetThreshold tunes the attribute at p: th is in force until Reset, or until the
// definition gives the node another threshold than it had. The present reading is
// held against it at once, without the hysteresis and the holds of those before. Of
// a log or a text only the times and the flapping matter.
func (t *Tree) SetThreshold(p Path, th *Threshold) error {
	if th == nil {
		return fmt.Errorf("%w: none is given", ErrThreshold)
	}
	if err := th.Check(); err != nil {
		return err
	}
	tuned := *th
	now := t.opts.Now().UnixNano()
	t.mu.Lock()
	i := t.find(p.text)
	if err := t.tunable(i, p.text); err != nil {
		t.unlock()
		return err
	}
	return t.tune(i, &tuned, now)
}

// Tune is SetThreshold with the threshold that change makes of the one in force, so
// that two who tune the same node at once do not undo each other. The tree stands
// still meanwhile, so change must be quick and must not call the tree.
func (t *Tree) Tune(r Ref, change func(*Threshold)) error {
	now := t.opts.Now().UnixNano()
	t.mu.Lock()
	i := t.at(r)
	if err := t.tunable(i, "node "+strconv.FormatUint(uint64(r.index), 10)); err != nil {
		t.unlock()
		return err
	}
	tuned := *t.threshold(&t.cells[i])
	tuned.States = maps.Clone(tuned.States)
	change(&tuned)
	if err := tuned.Check(); err != nil {
		t.unlock()
		return err
	}
	return t.tune(i, &tuned, now)
}

// tunable says whether node i, found by name, has a threshold.
func (t *Tree) tunable(i uint32, name string) error {
	switch {
	case t.frozen:
		return ErrFrozen
	case i == none:
		return fmt.Errorf("%s: %w", name, ErrNoNode)
	case t.cells[i].kind == Group:
		return fmt.Errorf("%s: %w: a group has none", t.pathOf(i), ErrThreshold)
	}
	return nil
}

// tune gives attribute i another threshold, gives up the lock and tells of it.
func (t *Tree) tune(i uint32, th *Threshold, now int64) error {
	t.setGivenAside(i)
	t.tuned[i] = th
	t.wear(i, th)
	t.reconsider(i, now)
	t.place(i)
	told := t.tuning(i, th)
	t.unlock()
	return t.tell(told)
}

// tuning is what Options.Tuned is told of node i.
func (t *Tree) tuning(i uint32, th *Threshold) Tuning {
	return Tuning{Path: t.pathOf(i), Defined: t.places[i].spec.Threshold, Threshold: th}
}

// tell tells Options.Tuned, without the lock.
func (t *Tree) tell(tunings ...Tuning) error {
	var errs []error
	for _, tuned := range tunings {
		if t.opts.Tuned != nil {
			errs = append(errs, t.opts.Tuned(tuned))
		}
	}
	return errors.Join(errs...)
}

// Reset lets every attribute at and below p forget its value, status, events and
// tuned threshold, as if it had just been made. Given ones forget the threshold only.
func (t *Tree) Reset(p Path) error {
	if t.frozen {
		return ErrFrozen
	}
	now := t.opts.Now().UnixNano()
	t.mu.Lock()
	i := t.find(p.text)
	if i == none {
		t.unlock()
		return fmt.Errorf("%s: %w", p, ErrNoNode)
	}
	var told []Tuning
	t.preorder(i, -1, func(j uint32) bool {
		if t.cells[j].kind != Group {
			if _, tuned := t.tuned[j]; tuned {
				told = append(told, t.tuning(j, nil))
			}
			t.reset(j, now)
		}
		return true
	})
	t.unlock()
	return t.tell(told...)
}

func (t *Tree) reset(i uint32, now int64) {
	c, p := &t.cells[i], &t.places[i]
	if p.spec.Given {
		if _, ok := t.tuned[i]; ok {
			t.untune(i, now)
		}
		return // What another manager says of it holds.
	}
	if _, ok := t.tuned[i]; ok {
		delete(t.tuned, i)
		t.dropClass(c.class)
		t.dress(i, p.spec)
		t.place(i)
	}
	t.dropText(i)
	delete(t.logs, i)
	t.forgetHolds(i)
	c.value, c.time, c.level = 0, 0, 0
	c.flags = c.flags&^(flagNumber|flagFailed) | flagSlow
	t.mark(i)
	t.setStatus(i, White, now)
	delete(t.reasons, i)
	if p.known != White { // forget what it contributed while white, too
		known := p.known
		p.known = White
		t.rollUp(i, White, known, now)
		t.refresh(p.parent, now)
	}
}
