package ccms

import (
	"strconv"

	"grove/tree"
	"grove/tree/grant"
)

// row is a node as whoever asks sees it.
type row struct {
	tree.Node
	heir
	above  int32 // position of the group above it in the picture; -1: it is not in there
	holds  bool  // a group that directly holds attributes that are seen
	hidden bool  // attributes that are hidden contribute to its colour
}

// heir is what a node takes from the nearest group above it, as far as its own spec says
// nothing.
type heir struct {
	level    Level
	severity uint8
	owner    string // the instance that it belongs to
}

// with is what a node with a spec hands on. What is not understood changes nothing: a
// definition's properties are free text.
func (h heir) with(s *tree.Spec) heir {
	if s == nil {
		return h
	}
	if s.Owner != "" {
		h.owner = s.Owner
	}
	if n, err := strconv.ParseUint(s.Properties["severity"], 10, 8); err == nil {
		h.severity = uint8(n)
	}
	if level, ok := parseLevel(s.Properties["visibility"]); ok {
		h.level = level
	}
	return h
}

// nobody is heir to nothing.
var nobody = heir{level: Operator, severity: DefaultSeverity}

// heirAt is what the node at a path is heir to, with what it says itself.
func heirAt(t *tree.Tree, p tree.Path) heir {
	above := nobody
	if !p.IsRoot() {
		above = heirAt(t, p.Parent())
	}
	ref, ok := t.Lookup(p)
	if !ok {
		return above
	}
	return above.with(t.Spec(ref))
}

// picture says which nodes at and below a path are wanted.
type picture struct {
	top   tree.Path
	depth int // levels below the top; negative: all
	room  int // about how many will be kept, where that is known
	// keep chooses: it is given a node, what that hands on and what it was handed. The tree
	// stands still meanwhile.
	keep func(n *tree.Node, own, above *heir, sight grant.Sight) bool
}

// take returns the nodes that are wanted, as far as somebody sees them, parents first. Of a
// group on the way to what is seen it has no more than that it is there and its colour.
func (e *Exporter) take(s *grant.Subject, p picture) ([]row, error) {
	rows := make([]row, 0, p.room)
	var heirs [tree.MaxDepth + 3]heir // by level below the top, from the one above it
	var at [tree.MaxDepth + 3]int32   // positions of the same nodes
	heirs[0], at[0] = nobody, -1
	if !p.top.IsRoot() {
		heirs[0] = heirAt(e.opts.Tree, p.top.Parent())
	}
	first := p.top.Depth() - 1
	err := e.opts.Guard.Walk(s, p.top, p.depth, func(n *tree.Node, scope *grant.Scope, sight grant.Sight) bool {
		own := n.Depth - first
		above := own - 1
		heirs[own], at[own] = heirs[above].with(n.Spec), -1
		if up := at[above]; up >= 0 && n.Kind != tree.Group {
			rows[up].holds = true
		}
		if !p.keep(n, &heirs[own], &heirs[above], sight) {
			return true
		}
		at[own] = int32(len(rows))
		rows = append(rows, row{Node: *n, heir: heirs[own], above: at[above], hidden: n.Kind == tree.Group && scope.Partial(n.Index)})
		if sight == grant.Way {
			r := &rows[at[own]]
			r.Spec, r.owner, r.Reason = nil, "", ""
		}
		return true
	})
	return rows, err
}
