package bind

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"grove/runtime/probe"
	"grove/tree"
	"grove/tree/definition"
)

// loop grows nodes for the rows of a table. It is guarded by the lock of its instance.
type loop struct {
	plan    *definition.Loop
	columns []string // of the table, as it came last
	rows    map[string]*row
	run     uint64 // counts the tables that came
}

// row is one row of a loop with the nodes that it grew: none when the condition of
// the loop leaves it out.
type row struct {
	cells   []tree.Value // a copy, in the order of loop.columns
	seen    uint64       // the run that had it last
	nodes   []definition.Node
	targets []*target // as long as nodes
}

// where names the loop in messages.
func (l *loop) where() string { return l.plan.Probe + "." + l.plan.Table }

// asMap is the row as Expand takes it.
func asMap(columns []string, cells []tree.Value) map[string]tree.Value {
	m := make(map[string]tree.Value, len(columns))
	for k, c := range columns {
		if k < len(cells) && !cells[k].IsNone() {
			m[c] = cells[k]
		}
	}
	return m
}

// rowChange is what a table that came makes of one row.
type rowChange struct {
	key    string
	old    *row         // nil: the row is new
	cells  []tree.Value // of the result, which the probe may use again
	nodes  []definition.Node
	leaves bool // the row is gone
}

// follow lets the loops over a table grow and lose nodes with its rows. Only a table
// of a run that succeeded says that a row is gone.
func (i *instance) follow(r *runner, t *probe.Table, failed bool) {
	for _, l := range i.loops {
		if l.plan.Probe != r.plan.Name || l.plan.Table != t.Attribute {
			continue
		}
		changes, problem := l.compare(t, failed)
		if bad := i.regrow(l, changes); bad != "" && problem == "" {
			problem = bad
		}
		i.setProblem(l.where()+" at "+l.plan.Parent.String(), problem)
	}
}

// compare holds a table against the rows that are there.
func (l *loop) compare(t *probe.Table, failed bool) (changes []rowChange, problem string) {
	key := slices.Index(t.Columns, l.plan.Key)
	if key < 0 {
		return nil, fmt.Sprintf("%s came without the column %q, which tells its rows apart", l.where(), l.plan.Key)
	}
	same := slices.Equal(l.columns, t.Columns)
	decide := l.decide(t.Columns)
	l.run++
	count, over := l.staying(t, key, failed), 0
	seen := make(map[string]bool, len(t.Rows))
	for _, cells := range t.Rows {
		if key >= len(cells) || cells[key].String() == "" {
			continue
		}
		k := cells[key].String()
		if seen[k] {
			problem = fmt.Sprintf("%s has two rows with %s %q: the first is shown", l.where(), l.plan.Key, k)
			continue
		}
		seen[k] = true
		old := l.rows[k]
		if old != nil {
			old.seen = l.run
			if same && equalAt(old.cells, cells, decide) {
				old.cells = append(old.cells[:0], cells...)
				continue
			}
		} else if count++; count > MaxRows {
			over++
			continue
		}
		nodes, err := l.plan.Expand(asMap(t.Columns, cells))
		if err != nil {
			problem = fmt.Sprintf("row %q of %s: %v", k, l.where(), err)
			continue
		}
		changes = append(changes, rowChange{key: k, old: old, cells: cells, nodes: nodes})
	}
	if over > 0 {
		problem = fmt.Sprintf("%s has %d rows too many: more than %d are not shown", l.where(), over, MaxRows)
	}
	if !failed {
		var gone []string
		for k, old := range l.rows {
			if old.seen != l.run {
				gone = append(gone, k)
			}
		}
		slices.Sort(gone)
		for _, k := range gone {
			changes = append(changes, rowChange{key: k, old: l.rows[k], leaves: true})
		}
		if !same {
			l.columns = slices.Clone(t.Columns)
		}
	} else if !same && len(l.rows) == 0 {
		l.columns = slices.Clone(t.Columns)
	}
	return changes, problem
}

// decide returns which of the columns of a table decide what grows; nil: all.
func (l *loop) decide(columns []string) []int {
	if l.plan.Columns == nil {
		return nil
	}
	places := make([]int, 0, len(l.plan.Columns))
	for _, name := range l.plan.Columns {
		if k := slices.Index(columns, name); k >= 0 {
			places = append(places, k)
		}
	}
	return places
}

// equalAt says whether two rows have the same cells at some places; nil: everywhere.
func equalAt(a, b []tree.Value, places []int) bool {
	if places == nil || len(a) != len(b) {
		return slices.Equal(a, b)
	}
	for _, k := range places {
		if k < len(a) && a[k] != b[k] {
			return false
		}
	}
	return true
}

// staying counts the rows that are there and stay.
func (l *loop) staying(t *probe.Table, key int, failed bool) int {
	if failed {
		return len(l.rows)
	}
	n := 0
	for _, cells := range t.Rows {
		if key < len(cells) && l.rows[cells[key].String()] != nil {
			n++
		}
	}
	return n
}

// regrow brings the nodes of rows to what they are now: in one change of the tree, or
// row by row when that is refused, so that a bad row spoils no other.
func (i *instance) regrow(l *loop, changes []rowChange) (problem string) {
	var gone, come []tree.Op
	for k := range changes {
		g, c := changes[k].ops()
		gone, come = append(gone, g...), append(come, c...)
	}
	if len(gone)+len(come) > 0 {
		if err := i.b.opts.Tree.Change(append(gone, come...)...); err != nil {
			return i.regrowEach(l, changes)
		}
	}
	for k := range changes {
		i.adopt(l, &changes[k])
	}
	return ""
}

func (i *instance) regrowEach(l *loop, changes []rowChange) (problem string) {
	slices.SortStableFunc(changes, func(a, b rowChange) int { return boolOrder(b.leaves) - boolOrder(a.leaves) })
	for k := range changes {
		c := &changes[k]
		gone, come := c.ops()
		if err := i.b.opts.Tree.Change(append(gone, come...)...); err != nil {
			problem = fmt.Sprintf("row %q of %s: %v", c.key, l.where(), i.b.explain(err))
			continue
		}
		i.adopt(l, c)
	}
	return problem
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ops lists what a change takes away and what it adds or updates.
func (c *rowChange) ops() (gone, come []tree.Op) {
	var old []definition.Node
	if c.old != nil {
		old = c.old.nodes
	}
	if sameNodes(old, c.nodes) {
		return nil, nil
	}
	next := make(map[tree.Path]*definition.Node, len(c.nodes))
	for k := range c.nodes {
		next[c.nodes[k].Path] = &c.nodes[k]
	}
	stays := make(map[tree.Path]bool, len(old))
	for k := range slices.Backward(old) {
		o := &old[k]
		n := next[o.Path]
		switch {
		case n == nil:
			gone = append(gone, tree.Release(o.Path))
		case n.Spec.Kind != o.Spec.Kind:
			gone = append(gone, tree.Release(o.Path))
		default:
			stays[o.Path] = true
			if !n.Spec.Equal(o.Spec) {
				come = append(come, tree.Update(o.Path, n.Spec))
			}
		}
	}
	for k := range c.nodes {
		if n := &c.nodes[k]; !stays[n.Path] {
			come = append(come, tree.Add(n.Path, n.Spec))
		}
	}
	return gone, come
}

// sameNodes says whether two lists make the same nodes, which is so for nearly every
// row that came again.
func sameNodes(a, b []definition.Node) bool {
	return slices.EqualFunc(a, b, func(x, y definition.Node) bool { return x.Path == y.Path && x.Spec.Equal(y.Spec) })
}

// adopt makes the routes to the nodes of a row after the tree has them.
func (i *instance) adopt(l *loop, c *rowChange) {
	if c.leaves {
		for _, t := range c.old.targets {
			if t != nil {
				i.unlink(t)
			}
		}
		delete(l.rows, c.key)
		return
	}
	old := c.old
	if old == nil {
		old = &row{}
		l.rows[c.key] = old
	}
	before := make(map[tree.Path]*target, len(old.nodes))
	for k, t := range old.targets {
		if t != nil {
			before[old.nodes[k].Path] = t
		}
	}
	targets := make([]*target, len(c.nodes))
	for k := range c.nodes {
		n := &c.nodes[k]
		if n.Source == nil {
			continue
		}
		ref, ok := i.b.opts.Tree.Lookup(n.Path)
		if !ok {
			continue // a program removed it meanwhile
		}
		if t := before[n.Path]; t != nil && t.ref == ref && t.kind == n.Spec.Kind && t.source.Equal(n.Source) {
			targets[k] = t
			delete(before, n.Path)
			continue
		}
		targets[k] = newTarget(ref, n)
	}
	for _, t := range before {
		i.unlink(t)
	}
	for _, t := range targets {
		if t != nil && t.slots == nil {
			i.link(t, nil)
		}
	}
	old.cells, old.nodes, old.targets, old.seen = slices.Clone(c.cells), c.nodes, targets, l.run
}

// reloop makes the loops of a new plan, with the rows that the old loops have now.
func (i *instance) reloop(plan *definition.Instance) (loops []*loop, problems map[string]string) {
	problems = map[string]string{}
	taken := map[*loop]bool{}
	for _, p := range plan.Loops {
		l := &loop{plan: p, rows: map[string]*row{}}
		loops = append(loops, l)
		k := slices.IndexFunc(i.loops, func(o *loop) bool {
			return !taken[o] && o.plan.Probe == p.Probe && o.plan.Table == p.Table && o.plan.Key == p.Key
		})
		if k < 0 {
			continue
		}
		old := i.loops[k]
		taken[old] = true
		l.columns = old.columns
		for _, key := range slices.Sorted(maps.Keys(old.rows)) {
			o := old.rows[key]
			nodes, err := p.Expand(asMap(old.columns, o.cells))
			if err != nil {
				problems[l.where()+" at "+p.Parent.String()] = fmt.Sprintf("row %q of %s: %v", key, l.where(), err)
				continue
			}
			l.rows[key] = &row{cells: o.cells, nodes: nodes}
		}
	}
	return loops, problems
}

// explain adds to the error of a refused change whose node stands in the way.
func (b *Binder) explain(err error) error {
	var op *tree.OpError
	if !errors.As(err, &op) || !errors.Is(err, tree.ErrNodeExists) {
		return err
	}
	n, bad := b.opts.Tree.Node(op.Path)
	switch {
	case bad != nil:
		return err
	case n.Spec.Owner == "":
		return fmt.Errorf("%w: a program made it", err)
	}
	return fmt.Errorf("%w: instance %s made it", err, n.Spec.Owner)
}
