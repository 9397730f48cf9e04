package frame

import (
	"errors"
	"fmt"
	"slices"
)

// ErrGap is returned for a delta that does not continue what the mirror has: the
// reader must ask for a fresh snapshot.
var ErrGap = errors.New("gap between frames")

// Mirror is what shows of a subtree as frames describe it, kept by a reader. One
// goroutine at a time uses it.
type Mirror struct {
	Seq  uint64 // of the last frame; 0 before the first
	Root uint32 // index of the root of the view

	nodes map[uint32]*Mirrored

	turns   uint64            // open and close messages that were sent
	applied uint64            // of them the server knows
	pending map[uint32]uint64 // groups that were opened or closed by a later one -> its number
	loose   bool              // frames may be about what is not here, since it was closed
}

// Mirrored is one node of a Mirror.
type Mirrored struct {
	Node
	Below []uint32 // indexes of the children that show, in the order in which they came
}

// Len counts the nodes.
func (m *Mirror) Len() int { return len(m.nodes) }

// Node returns a node by its index, nil when there is none. The caller does not
// change it.
func (m *Mirror) Node(index uint32) *Mirrored { return m.nodes[index] }

// Names returns the names from the root of the view down to a node, without the
// root's own.
func (m *Mirror) Names(index uint32) []string {
	var names []string
	for n := m.nodes[index]; n != nil && n.Index != m.Root && len(names) <= len(m.nodes); n = m.nodes[n.Parent] {
		names = append(names, n.Name)
	}
	slices.Reverse(names)
	return names
}

// Walk yields the nodes depth first, parents first, with their depth below the
// root, until yield returns false.
func (m *Mirror) Walk(yield func(n *Mirrored, depth int) bool) {
	if m.nodes[m.Root] != nil {
		m.walk(m.Root, 0, yield)
	}
}

func (m *Mirror) walk(index uint32, depth int, yield func(*Mirrored, int) bool) bool {
	n := m.nodes[index]
	if n == nil || !yield(n, depth) {
		return n == nil
	}
	for _, c := range n.Below {
		if !m.walk(c, depth+1, yield) {
			return false
		}
	}
	return true
}

// Close forgets what is below groups, as the reader does when it sends one message that
// closes them.
func (m *Mirror) Close(groups ...uint32) {
	m.turn(groups)
	for _, g := range groups {
		m.forget(g)
	}
}

// Open says that the reader sends one message that opens groups, or one that leaves it
// to the server which: then without any.
func (m *Mirror) Open(groups ...uint32) { m.turn(groups) }

func (m *Mirror) turn(groups []uint32) {
	m.turns++
	if m.pending == nil {
		m.pending = map[uint32]uint64{}
	}
	for _, g := range groups {
		m.pending[g], m.loose = m.turns, true
	}
}

// Applied takes up that the server has applied so many of the messages that open and
// close.
func (m *Mirror) Applied(count uint64) {
	m.applied = max(m.applied, count)
	for g, turn := range m.pending {
		if turn <= m.applied {
			delete(m.pending, g)
		}
	}
}

// Opened takes up which groups are open by the server's choice: what is below the others
// is forgotten.
func (m *Mirror) Opened(groups []uint32) {
	open := make(map[uint32]bool, len(groups))
	for _, g := range groups {
		open[g] = true
	}
	m.loose = true
	for index, n := range m.nodes {
		if !open[index] && len(n.Below) > 0 {
			m.forget(index)
		}
	}
}

// Restart says that the reader subscribes anew: the messages are counted from the
// beginning.
func (m *Mirror) Restart() { m.turns, m.applied, m.pending = 0, 0, nil }

// Apply brings the mirror up to a frame. After an error, which wraps [ErrGap] or
// [ErrFrame], only a snapshot helps.
func (m *Mirror) Apply(f *Frame) error {
	if f.Type == TypeSnapshot {
		m.nodes = make(map[uint32]*Mirrored, len(f.Nodes))
		m.loose = len(m.pending) > 0
		for i := range f.Nodes {
			n := f.Nodes[i]
			if i == 0 {
				m.Root = n.Index
			}
			if err := m.place(n); err != nil {
				return err
			}
		}
		m.Seq = f.Seq
		return nil
	}
	if m.nodes == nil || f.From != m.Seq {
		return fmt.Errorf("%w: have %d, delta from %d", ErrGap, m.Seq, f.From)
	}
	for _, index := range f.Removed {
		m.remove(index)
	}
	for i := range f.Nodes {
		if err := m.place(f.Nodes[i]); err != nil {
			return err
		}
	}
	for i := range f.Changes {
		c := &f.Changes[i]
		n := m.nodes[c.Index]
		switch {
		case n == nil && m.loose:
			continue
		case n == nil:
			return fmt.Errorf("%w: change of the unknown node %d", ErrFrame, c.Index)
		case c.Full:
			n.Since = c.Since
		case c.Status != n.Status:
			n.Since = f.Time
		}
		n.State = c.State
	}
	m.Seq = f.Seq
	return nil
}

// place adds a node, or moves and renews one that is there.
func (m *Mirror) place(n Node) error {
	if n.Index != m.Root {
		up := m.nodes[n.Parent]
		_, pending := m.pending[n.Parent]
		if up == nil && m.loose || pending {
			m.forget(n.Index) // It is somewhere where it does not show.
			m.remove(n.Index)
			return nil
		}
		if up == nil || n.Parent == n.Index {
			return fmt.Errorf("%w: node %d comes before its parent %d", ErrFrame, n.Index, n.Parent)
		}
		for p := up; p.Index != m.Root; p = m.nodes[p.Parent] {
			if p.Index == n.Index || m.nodes[p.Parent] == nil {
				return fmt.Errorf("%w: node %d is placed below itself or nowhere", ErrFrame, n.Index)
			}
		}
	}
	old := m.nodes[n.Index]
	if old == nil {
		m.nodes[n.Index] = &Mirrored{Node: n}
	} else if old.Parent != n.Parent {
		m.leave(old)
		old.Node = n
	} else {
		old.Node = n
		return nil
	}
	if n.Index != m.Root {
		up := m.nodes[n.Parent]
		up.Below = append(up.Below, n.Index)
	}
	return nil
}

// remove forgets a node; those below it are removed by their own indexes, or placed
// elsewhere.
func (m *Mirror) remove(index uint32) {
	if n := m.nodes[index]; n != nil && index != m.Root {
		m.leave(n)
		delete(m.nodes, index)
	}
}

// forget removes all that is below a node.
func (m *Mirror) forget(index uint32) {
	n := m.nodes[index]
	if n == nil {
		return
	}
	below := n.Below
	n.Below = nil
	for _, c := range below {
		m.forget(c)
		delete(m.nodes, c)
	}
}

func (m *Mirror) leave(n *Mirrored) {
	if up := m.nodes[n.Parent]; up != nil && n.Parent != n.Index {
		up.Below = slices.DeleteFunc(up.Below, func(c uint32) bool { return c == n.Index })
	}
}
