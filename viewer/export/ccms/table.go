package ccms

import (
	"cmp"
	"hash/maphash"
	"slices"

	"grove/tree"
	"grove/viewer/export/ccms/measure"
	"grove/viewer/export/ccms/name"
)

// table is what is kept of the tree between questions: only what the tree does not know
// itself. Exporter.mu guards it.
type table struct {
	view *tree.View
	seq  uint64
	full bool // every node was looked at once

	nodes   []node     // by index
	turned  []tree.Ref // attributes that came, moved or took another colour since it was taken
	numbers directory  // by the numbers of identifiers
	names   directory  // by hashes of full names
	hash    func(full string) uint64
}

// node is what is kept of one node.
type node struct {
	ref       tree.Ref // zero: there is none with this index
	attribute bool
	status    tree.Status
	window    *measure.Window // of a performance attribute that had a reading
}

// newTable returns a table that has looked at nothing yet, of a tree whose nodes are named
// as those of a system.
func newTable(t *tree.Tree, system string) (table, error) {
	view, err := t.View(tree.Root)
	if err != nil {
		return table{}, err
	}
	seed := maphash.MakeSeed()
	hash := func(full string) uint64 { return maphash.String(seed, full) }
	return table{
		view: view, hash: hash,
		numbers: directory{tree: t, key: func(n *tree.Node) uint64 { return name.Number(n.Path) }},
		names:   directory{tree: t, key: func(n *tree.Node) uint64 { return hash(full(n, system)) }},
	}, nil
}

// full is the full name of a node.
func full(n *tree.Node, system string) string {
	return name.Of(n.Path, n.Kind == tree.Group).Full(system)
}

// update brings the table up to date and samples what changed.
func (t *table) update() error {
	var placed []tree.Ref
	known := false
	err := t.view.Read(func(r *tree.Reader) {
		known = t.full && r.Known(t.seq)
		placed = t.read(r, known)
	})
	if err != nil {
		return err
	}
	for _, d := range []*directory{&t.numbers, &t.names} {
		if known {
			d.follow(placed, len(t.nodes))
		} else {
			d.forget()
		}
	}
	return nil
}

// read looks at what was placed and what changed, of which all is known, or else at
// everything. It returns the nodes that were placed.
func (t *table) read(r *tree.Reader, known bool) (placed []tree.Ref) {
	bound := uint32(r.Bound())
	if more := int(bound) - len(t.nodes); more > 0 {
		t.nodes = append(t.nodes, make([]node, more)...)
	}
	if known {
		for _, p := range r.Placed(t.seq) {
			if t.place(r, p.Index) {
				placed = append(placed, t.nodes[p.Index].ref)
			}
		}
	} else {
		for i := range bound {
			t.place(r, i)
		}
	}
	var c tree.Cell
	for first := uint32(0); first < bound; first += 64 {
		if known && !r.BlockChanged(first/64, t.seq) {
			continue
		}
		for i := first; i < min(first+64, bound); i++ {
			if n := &t.nodes[i]; n.attribute && (!known || r.Changed(i, t.seq)) {
				r.Cell(i, &c)
				t.take(n, &c)
			}
		}
	}
	t.seq, t.full = r.Seq(), true
	return placed
}

// place notes which node has an index now, if there is one. One that moved, or was given
// another spec, keeps its window.
func (t *table) place(r *tree.Reader, i uint32) bool {
	n := &t.nodes[i]
	if !r.Has(i) {
		*n = node{}
		return false
	}
	var is tree.Node
	r.Node(i, &is)
	if n.ref != is.Ref {
		*n = node{ref: is.Ref, attribute: is.Kind != tree.Group}
	}
	n.status = is.Status
	if n.attribute {
		t.turned = append(t.turned, n.ref)
	}
	return true
}

// take notes the colour of an attribute and adds the value of a performance attribute to
// its window.
func (t *table) take(n *node, c *tree.Cell) {
	if n.status != c.Status {
		n.status = c.Status
		t.turned = append(t.turned, n.ref)
	}
	v, ok := c.Value.Number()
	if c.Kind != tree.Performance || c.Time.IsZero() || !ok {
		return
	}
	if n.window == nil {
		n.window = new(measure.Window)
	}
	n.window.Add(v, c.Time)
}

// turnAll lists every attribute as one whose colour changed.
func (t *table) turnAll() {
	t.turned = t.turned[:0]
	for i := range t.nodes {
		if t.nodes[i].attribute {
			t.turned = append(t.turned, t.nodes[i].ref)
		}
	}
}

// takeTurned returns the attributes that turned since the last time and have a colour:
// silence is no improvement. They are in the order of their indexes, however they were
// found, so that their alerts are numbered in that order.
func (t *table) takeTurned() []tree.Ref {
	turned := slices.DeleteFunc(t.turned, func(ref tree.Ref) bool {
		n := t.at(ref)
		return n == nil || n.status == tree.White
	})
	t.turned = nil // It may have been long.
	slices.SortFunc(turned, func(a, b tree.Ref) int { return cmp.Compare(a.Index(), b.Index()) })
	return slices.Compact(turned)
}

// at returns what is kept of a node; nil when it is gone.
func (t *table) at(ref tree.Ref) *node {
	if ref.IsZero() || int(ref.Index()) >= len(t.nodes) || t.nodes[ref.Index()].ref != ref {
		return nil
	}
	return &t.nodes[ref.Index()]
}

// window copies what was sampled of a node; ok is false when that is nothing.
func (t *table) window(ref tree.Ref) (w measure.Window, ok bool) {
	n := t.at(ref)
	if n == nil || n.window == nil {
		return w, false
	}
	return *n.window, true
}

// numbered returns the node with the number of an identifier.
func (t *table) numbered(number uint64) (tree.Node, bool) { return t.numbers.find(number, t.nodes) }

// named returns the node with a full name, or with one that has the same hash.
func (t *table) named(full string) (tree.Node, bool) { return t.names.find(t.hash(full), t.nodes) }
