package prometheus

import (
	"cmp"

	"grove/tree"
	"grove/tree/grant"
	"grove/tree/metric"
)

// nameHidden marks groups of whose attributes some are hidden from who asks: they are in
// its status, which is the same for everybody, and not in its counts.
const nameHidden = "grove_group_hidden"

// seen is what somebody sees of the rows from a position on who does not see everything.
type seen struct {
	sight  []grant.Sight
	counts [][4]int32 // of groups: of the attributes below that are seen
}

// seenBy finds out what a scope sees of the rows from a position to another, of which the
// first is above all others. It takes about as long as a lookup of every path.
func (t *table) seenBy(scope *grant.Scope, from, to int32) *seen {
	s := &seen{sight: make([]grant.Sight, to-from), counts: make([][4]int32, to-from)}
	var open []int32 // positions of the groups above the present row
	for i := from; i < to; i++ {
		for len(open) > 0 && t.rows[open[len(open)-1]].end <= i {
			open = open[:len(open)-1]
		}
		r := &t.rows[i]
		s.sight[i-from] = scope.There(r.path)
		if r.kind == tree.Group {
			open = append(open, i)
			continue
		}
		if s.sight[i-from] == grant.Seen {
			for _, k := range open {
				s.counts[k-from][r.status&3]++
			}
		}
	}
	return s
}

// sees says whether at least so much is seen of a row.
func (w *writer) sees(i int32, least grant.Sight) bool {
	return w.seen == nil || w.seen.sight[i-w.from] >= least
}

// hidden writes the marks of the groups of which something is hidden.
func (w *writer) hidden() {
	begun := false
	for i := w.from; i < w.to; i++ {
		r := &w.table.rows[i]
		if r.kind != tree.Group || !w.sees(i, grant.Way) || total(w.seen.counts[i-w.from]) == total(r.counts) {
			continue
		}
		if !begun {
			begun = true
			w.header(nameHidden, metric.Gauge, "", "1: attributes that are hidden from who asks contribute to the status of the group, and not to its counts.")
		}
		w.buf = append(append(append(w.buf, nameHidden+"{"...), r.labels...), "} 1\n"...)
		w.full()
	}
}

func total(counts [4]int32) (n int32) {
	for _, k := range counts {
		n += k
	}
	return n
}

// helpOf is the help of a family as the first of its rows says it that is seen: that of
// the first row of all may be hidden.
func (f *family) helpOf(r *row) string {
	if f.Name == metric.Value || r.spec == nil {
		return f.Help
	}
	return cmp.Or(r.spec.Description, "Value of a node.")
}
