package tree

import "iter"

// Reader reads the subtree of a view while the tree stands still, node by node as the
// caller wants. An index that the caller gives must be of a node that the Reader or a
// Ref named, and Has says whether it still is in the subtree; the other methods are for
// such nodes only.
type Reader struct {
	t *Tree
	s *subtree
}

// Read calls read, which must be quick and must not call the tree, nor keep the Reader.
func (v *View) Read(read func(*Reader)) error {
	if err := v.resolve(); err != nil {
		return err
	}
	defer v.t.mu.RUnlock()
	read(&Reader{v.t, v.s})
	return nil
}

// Seq is the number of the last flush: the one to give to Changed later.
func (r *Reader) Seq() uint64 { return r.t.seq() }

// Structure is Tree.Structure.
func (r *Reader) Structure() uint64 { return r.t.Structure() }

// Root is the index of the root of the subtree.
func (r *Reader) Root() uint32 { return r.s.root }

// Bound is more than every index.
func (r *Reader) Bound() int { return len(r.t.cells) }

// Has says whether the node with an index lies in the subtree.
func (r *Reader) Has(i uint32) bool { return r.s.has(i) }

// Parent is the index of the parent; it must not be asked of the root of the tree.
func (r *Reader) Parent(i uint32) uint32 { return r.t.places[i].parent }

// Children yields the indexes of the children, in their order.
func (r *Reader) Children(i uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for j := r.t.places[i].first; j != none && yield(j); j = r.t.places[j].next {
		}
	}
}

// IsGroup says whether the node is a group.
func (r *Reader) IsGroup(i uint32) bool { return r.t.cells[i].kind == Group }

// Status is the status of the node.
func (r *Reader) Status(i uint32) Status { return r.t.cells[i].status }

// Level is how far the node is below the root of the subtree.
func (r *Reader) Level(i uint32) int {
	return int(r.t.places[i].depth) - int(r.t.places[r.s.root].depth)
}

// Name is the name of the node, not escaped; the root of the tree has none.
func (r *Reader) Name(i uint32) string {
	name, _ := unescape(r.t.places[i].name)
	return name
}

// Leaves counts the attributes anywhere below a group by their status.
func (r *Reader) Leaves(i uint32) [4]int32 { return r.t.groups[r.t.places[i].group].leaves }

// Cell copies what changes with readings.
func (r *Reader) Cell(i uint32, c *Cell) { r.t.fillCell(c, i) }

// Node copies everything that is known of the node but its path.
func (r *Reader) Node(i uint32, n *Node) { r.t.fill(n, i, Path{}) }

// Events returns the events of a log attribute after the first so many of all that it ever
// had, oldest first, as far as they are held, and how many it had.
func (r *Reader) Events(i uint32, after uint64) (events []Event, all uint64) {
	l := r.t.logs[i]
	if l == nil || l.all <= after {
		if l != nil {
			all = l.all
		}
		return nil, all
	}
	held := l.ordered()
	return held[len(held)-int(min(l.all-after, uint64(len(held)))):], l.all
}

// Find returns the index of the node at a path, if it lies in the subtree.
func (r *Reader) Find(p Path) (uint32, bool) {
	i := r.t.find(p.text)
	return i, i != none && r.s.has(i)
}

// Known says whether the changes after flush number since can be told: Changed and
// Placed may be asked.
func (r *Reader) Known(since uint64) bool {
	return since >= r.t.base && since <= r.t.seq() && since >= r.t.log.lost
}

// Changed says whether a node changed after flush number since.
func (r *Reader) Changed(i uint32, since uint64) bool {
	return r.t.cells[i].stamp > uint32(since-r.t.base)
}

// BlockChanged says whether any of the nodes with the indexes 64*block to 64*block+63
// may have changed after flush number since: if not, none of them need be asked.
func (r *Reader) BlockChanged(block uint32, since uint64) bool {
	return int(block) < len(r.t.blocks) && r.t.blocks[block] > uint32(since-r.t.base)
}

// Placement says that a node was added, moved, given another spec or removed.
type Placement struct {
	Index uint32
	// Other says that a node with this index was removed; if there is one now, it is
	// another.
	Other bool
}

// Placed lists by rising index what happened to the structure of the tree, not of the
// subtree alone, after flush number since. The parents of what came, went or moved are
// Changed.
func (r *Reader) Placed(since uint64) []Placement {
	events, _ := r.t.log.since(since)
	placed := make([]Placement, len(events))
	for k, e := range events {
		placed[k] = Placement{e.index, e.gen != r.t.cells[e.index].gen || !r.t.lives(e.index)}
	}
	return placed
}

// lives says whether there is a node with an index.
func (t *Tree) lives(i uint32) bool { return i == 0 || t.places[i].parent != none }
