package tree

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of a change of structure, besides ErrNoNode.
var (
	ErrNodeExists = errors.New("node exists already")
	ErrNotGroup   = errors.New("not a group")
	ErrBadChange  = errors.New("invalid change")
)

// Op is one step of a change of structure; Add, Update, Remove, Release and Move
// make it.
type Op struct {
	do   opKind
	path Path
	to   Path
	spec *Spec
}

type opKind uint8

const (
	opAdd opKind = iota
	opUpdate
	opRemove
	opRelease
	opMove
)

var opNames = [...]string{"add", "update", "remove", "release", "move"}

// Add makes a node. Parents that do not exist are made as plain groups, which go
// again with their last child; adding or updating such a group makes it stay.
func Add(p Path, s *Spec) Op { return Op{do: opAdd, path: p, spec: s} }

// Update gives a node another spec of the same kind. It keeps value, status,
// history and events; a threshold that differs from the one before takes effect at
// once and ends a tuned one.
func Update(p Path, s *Spec) Op { return Op{do: opUpdate, path: p, spec: s} }

// Remove takes a node away with everything below it.
func Remove(p Path) Op { return Op{do: opRemove, path: p} }

// Release takes a node away, but a group that still has children becomes a plain
// group that stays as long as they do.
func Release(p Path) Op { return Op{do: opRelease, path: p} }

// Move hangs a node, with everything below it, at another place that is free. It
// keeps handles, values, status and history. No other step of the same change may
// touch what is moved or where it goes.
func Move(from, to Path) Op { return Op{do: opMove, path: from, to: to} }

// OpError says which step of a change was refused.
type OpError struct {
	Op   string
	Path Path
	Err  error
}

// Error implements error: "add /a/b: node exists already".
func (e *OpError) Error() string { return e.Op + " " + e.Path.String() + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Change changes the structure, all steps in order or none: when one is refused
// the tree stays as it was and the error, an *OpError, says which and why.
func (t *Tree) Change(ops ...Op) error {
	if t.frozen {
		return ErrFrozen
	}
	untuned, err := t.change(ops)
	if err == nil {
		_ = t.tell(untuned...) // That a tuning is over is not what was asked for.
	}
	return err
}

func (t *Tree) change(ops []Op) (untuned []Tuning, err error) {
	now := t.opts.Now()
	t.mu.Lock()
	defer t.unlock()
	if err := t.checkOps(ops); err != nil {
		return nil, err
	}
	t.structure.Add(1)
	for _, op := range ops {
		i := t.find(op.path.text)
		switch {
		case op.do == opAdd:
			t.add(op.path, op.spec, now)
		case i == none: // a plain group that went with its last child, by an earlier step
		case op.do == opUpdate:
			t.update(i, op.spec, now)
		case op.do == opRemove:
			t.remove(i, now)
		case op.do == opRelease:
			t.release(i, now)
		case op.do == opMove:
			t.move(i, op.to, now)
		}
	}
	untuned, t.untuned = t.untuned, nil
	return untuned, nil
}

// Add is Change with one Add; it returns the handle of the new node.
func (t *Tree) Add(p Path, s *Spec) (Ref, error) {
	if err := t.Change(Add(p, s)); err != nil {
		return Ref{}, err
	}
	r, ok := t.Lookup(p)
	if !ok {
		return Ref{}, fmt.Errorf("add %s: %w: removed meanwhile", p, ErrNoNode)
	}
	return r, nil
}

// draft is what a change that is being checked has made of the nodes that it
// touches: their kind, or that they are gone.
type draft struct {
	t       *Tree
	nodes   map[string]draftNode
	gone    bool // some node was removed
	moved   []Path
	present int
}

type draftNode struct {
	kind    Kind
	gone    bool
	implied bool
	fresh   bool // made by this change: what the tree has below is not below it
}

// checkOps refuses a change without touching the tree.
func (t *Tree) checkOps(ops []Op) error {
	d := draft{t: t, nodes: make(map[string]draftNode, len(ops)), present: t.nodes}
	for _, op := range ops {
		if err := d.step(op); err != nil {
			return &OpError{Op: opNames[op.do], Path: op.path, Err: err}
		}
	}
	return nil
}

// look returns the node at a path as the change leaves it so far.
func (d *draft) look(text string) (n draftNode, ok bool) {
	if n, ok := d.nodes[text]; ok {
		return n, !n.gone
	}
	if d.gone {
		for up := text; up != ""; {
			up = up[:strings.LastIndexByte(up, pathSeparator)]
			if n, ok := d.nodes[up]; ok && (n.gone || n.fresh) {
				return draftNode{}, false
			}
		}
	}
	i := d.t.find(text)
	if i == none {
		return draftNode{}, false
	}
	c := &d.t.cells[i]
	return draftNode{kind: c.kind, implied: c.flags&flagImplied != 0}, true
}

func (d *draft) step(op Op) error {
	for _, m := range d.moved {
		if related(m, op.path) || op.do == opMove && related(m, op.to) {
			return fmt.Errorf("%w: %s is moved in the same change", ErrBadChange, m)
		}
	}
	if op.do == opAdd || op.do == opUpdate {
		if op.spec == nil {
			return fmt.Errorf("%w: no spec", ErrBadChange)
		}
		if err := op.spec.Check(); err != nil {
			return err
		}
	}
	here, ok := d.look(op.path.text)
	if op.do == opAdd {
		return d.add(op.path, op.spec.Kind, here, ok)
	}
	if !ok {
		return ErrNoNode
	}
	switch op.do {
	case opUpdate:
		if here.kind != op.spec.Kind {
			return fmt.Errorf("%w: a %s cannot become a %s", ErrBadChange, here.kind, op.spec.Kind)
		}
	case opRemove, opRelease:
		if op.path.IsRoot() {
			return fmt.Errorf("%w: the root stays", ErrBadChange)
		}
		if op.do == opRelease && here.kind == Group {
			// It stays or goes with its children, which later steps may take.
			here.implied = true
			d.nodes[op.path.text] = here
			return nil
		}
		d.nodes[op.path.text] = draftNode{gone: true}
		d.gone = true
	case opMove:
		if op.path.IsRoot() || op.path.Contains(op.to) {
			return fmt.Errorf("%w: it cannot hang below itself", ErrBadChange)
		}
		for text := range d.nodes {
			if p := (Path{text}); op.path.Contains(p) || op.to.Contains(p) {
				return fmt.Errorf("%w: %s changes in the same change", ErrBadChange, p)
			}
		}
		if _, ok := d.look(op.to.text); ok {
			return fmt.Errorf("move to %s: %w", op.to, ErrNodeExists)
		}
		switch names, bytes := d.t.extent(d.t.find(op.path.text)); {
		case op.to.Depth()+names > MaxDepth:
			return fmt.Errorf("%w: deeper than %d names", ErrPath, MaxDepth)
		case len(op.to.text)+bytes > MaxPathBytes:
			return fmt.Errorf("%w: longer than %d bytes", ErrPath, MaxPathBytes)
		}
		if err := d.parents(op.to); err != nil {
			return err
		}
		d.moved = append(d.moved, op.path, op.to)
	}
	return nil
}

func (d *draft) add(p Path, kind Kind, here draftNode, exists bool) error {
	if exists && here.implied && kind != Group && !d.holdsAny(p) {
		exists = false // it goes with the last child, by an earlier step
	}
	if p.IsRoot() || exists && !(here.implied && kind == Group) {
		return ErrNodeExists
	}
	if !exists {
		if d.present++; d.present > MaxNodes {
			return fmt.Errorf("%w: more than %d nodes", ErrBadChange, MaxNodes)
		}
	}
	if err := d.parents(p); err != nil {
		return err
	}
	d.nodes[p.text] = draftNode{kind: kind, fresh: here.fresh || !exists}
	return nil
}

// holdsAny says whether a group has a child left that keeps it.
func (d *draft) holdsAny(p Path) bool {
	keeps := func(child Path) bool {
		n, ok := d.look(child.text)
		return ok && !(n.implied && !d.holdsAny(child))
	}
	for text := range d.nodes {
		if child := (Path{text}); !child.IsRoot() && child.Parent() == p && keeps(child) {
			return true
		}
	}
	i := d.t.find(p.text)
	if i == none || d.t.cells[i].kind != Group {
		return false
	}
	for j := d.t.places[i].first; j != none; j = d.t.places[j].next {
		if keeps(Path{p.text + "/" + d.t.places[j].name}) {
			return true
		}
	}
	return false
}

// related says whether one of two paths lies in the other.
func related(p, q Path) bool { return p.Contains(q) || q.Contains(p) }

// parents checks that everything above p is a group or can become one.
func (d *draft) parents(p Path) error {
	for up := p.Parent(); ; up = up.Parent() {
		if n, ok := d.look(up.text); ok {
			if n.kind != Group {
				return fmt.Errorf("%s: %w", up, ErrNotGroup)
			}
			return nil
		}
		d.nodes[up.text] = draftNode{kind: Group, implied: true, fresh: true}
		d.present++
	}
}
