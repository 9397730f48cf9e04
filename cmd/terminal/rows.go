package terminal

import (
	"cmp"
	"slices"
	"strings"

	"grove/tree"
	"grove/viewer/live/frame"
)

// order is how the children of a group are sorted.
type order uint8

const (
	asDefined order = iota
	worstFirst
	byName
)

var orderNames = [...]string{"as defined", "worst first", "by name"}

// row is one line of the tree.
type row struct {
	index  uint32 // of the node
	parent int32  // row of the node above; -1 for the root
	depth  uint8
	group  bool
	open   bool
	more   bool // there is something to open
}

// rows lists what shows in the order in which it is drawn, in the room of old.
func rows(old []row, m *frame.Mirror, by order) []row {
	list := old[:0]
	var add func(index uint32, parent int32, depth uint8)
	add = func(index uint32, parent int32, depth uint8) {
		n := m.Node(index)
		if n == nil {
			return
		}
		here := int32(len(list))
		list = append(list, row{
			index: index, parent: parent, depth: depth, group: n.Kind == tree.Group, open: len(n.Below) > 0, more: n.Children > 0,
		})
		below := n.Below
		if by != asDefined && len(below) > 1 {
			below = slices.Clone(below)
			slices.SortStableFunc(below, func(a, b uint32) int { return by.compare(m.Node(a), m.Node(b)) })
		}
		for _, child := range below {
			add(child, here, depth+1)
		}
	}
	add(m.Root, -1, 0)
	return list
}

// severity orders statuses: what is wrong, what is not known, what is well.
func severity(s tree.Status) int {
	switch s {
	case tree.White:
		return 1
	case tree.Green:
		return 0
	}
	return int(s)
}

// compare orders two children of a group.
func (o order) compare(a, b *frame.Mirrored) int {
	if a == nil || b == nil {
		return 0
	}
	if o == worstFirst {
		return severity(b.Status) - severity(a.Status)
	}
	return cmp.Or(natural(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Name, b.Name))
}

// natural compares texts so that the numbers in them count as numbers: web2 before web10.
func natural(a, b string) int {
	for a != "" && b != "" {
		na, nb := digits(a), digits(b)
		if na == "" || nb == "" {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		ta, tb := strings.TrimLeft(na, "0"), strings.TrimLeft(nb, "0")
		if c := cmp.Or(cmp.Compare(len(ta), len(tb)), strings.Compare(ta, tb), cmp.Compare(len(na), len(nb))); c != 0 {
			return c
		}
		a, b = a[len(na):], b[len(nb):]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is the number that a text begins with.
func digits(s string) string {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i]
}
