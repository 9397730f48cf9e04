package ccms

import "grove/tree"

// directory leads from a key that each node has to the node. It is filled when somebody
// asks first, and follows the tree from then on. What it says of a node that went, or has
// another key now, is held against the tree before it is believed.
type directory struct {
	tree *tree.Tree
	key  func(*tree.Node) uint64
	refs map[uint64]tree.Ref // nil: nobody asked
}

// find returns the node with a key, of a tree with the given nodes.
func (d *directory) find(key uint64, all []node) (n tree.Node, ok bool) {
	if d.refs == nil {
		d.refs = make(map[uint64]tree.Ref, len(all))
		for i := range all {
			if ref := all[i].ref; !ref.IsZero() {
				d.add(ref)
			}
		}
	}
	n, err := d.tree.NodeAt(d.refs[key])
	return n, err == nil && d.key(&n) == key
}

// follow takes up the nodes that were placed in a tree with so many indexes. When too much
// is told of nodes that went, it is filled anew by who asks next.
func (d *directory) follow(placed []tree.Ref, indexes int) {
	if d.refs == nil {
		return
	}
	for _, ref := range placed {
		d.add(ref)
	}
	if len(d.refs) > 2*indexes {
		d.forget()
	}
}

// add takes up a node, unless it went meanwhile.
func (d *directory) add(ref tree.Ref) {
	if n, err := d.tree.NodeAt(ref); err == nil {
		d.refs[d.key(&n)] = ref
	}
}

// forget leaves it to who asks next to fill it.
func (d *directory) forget() { d.refs = nil }
