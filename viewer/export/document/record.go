package document

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"grove/tree"
)

// record is the copy of one node: what can change while the document is written.
type record struct {
	path      tree.Path
	reason    string
	value     tree.Value
	spec      *tree.Spec
	threshold *tree.Threshold
	time      int64 // of the last reading, Unix nanoseconds; 0: none
	since     int64
	kind      tree.Kind
	status    tree.Status
	last      tree.Status
	depth     uint8
	place     uint8 // depth of the place of the element that it is told of with
	flapping  bool
	tuned     bool
}

func (r *record) fill(n *tree.Node) {
	*r = record{
		path: n.Path, reason: n.Reason, value: n.Value, spec: n.Spec, threshold: n.Threshold, since: n.Since.UnixNano(),
		kind: n.Kind, status: n.Status, last: n.Last, depth: uint8(n.Depth), flapping: n.Flapping, tuned: n.Tuned,
	}
	if !n.Time.IsZero() {
		r.time = n.Time.UnixNano()
	}
}

func (r *record) property(key string) string {
	if r.spec == nil {
		return ""
	}
	return r.spec.Properties[key]
}

// name is how people call an attribute in its element: "CPU › Used".
func (r *record) name() string {
	names := r.path.Names()
	if below := names[min(int(r.place), len(names)):]; len(below) > 0 {
		return strings.Join(below, " › ")
	}
	return r.path.Name()
}

func (r *record) sinceTime() time.Time { return time.Unix(0, r.since) }

// copyTree copies the nodes above the subtree, which say what holds in it, and the
// subtree itself, whose first record has the index that is returned.
func (m *Maker) copyTree(top tree.Path) (records []record, first int, err error) {
	t := m.opts.Tree
	for _, p := range above(top) {
		n, err := t.Node(p)
		if err != nil {
			return nil, 0, t.Missing(top)
		}
		records = append(records, record{})
		records[len(records)-1].fill(&n)
	}
	first = len(records)
	if top.IsRoot() {
		records = slices.Grow(records, min(t.Len(), m.opts.MaxNodes)+64)
	}
	whole := true
	err = t.Walk(top, -1, func(n *tree.Node) bool {
		if len(records)-first >= m.opts.MaxNodes {
			whole = false
			return false
		}
		records = append(records, record{})
		records[len(records)-1].fill(n)
		return true
	})
	switch {
	case err != nil:
		return nil, 0, t.Missing(top)
	case !whole:
		return nil, 0, fmt.Errorf("%w: %s has more than %d nodes; ask for a part of it by its path", ErrTooLarge, top, m.opts.MaxNodes)
	}
	return records, first, nil
}

// above lists the paths above p, the root first.
func above(p tree.Path) []tree.Path {
	list := make([]tree.Path, p.Depth())
	for i := len(list) - 1; i >= 0; i-- {
		p = p.Parent()
		list[i] = p
	}
	return list
}
