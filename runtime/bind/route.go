package bind

import (
	"slices"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition"
)

// target is one node that readings go to. It is guarded by the lock of its instance.
type target struct {
	ref     tree.Ref
	kind    tree.Kind
	source  *definition.Source
	convert *definition.Convert // nil: readings go as they are
	next    *time.Time          // no reading is wanted before; nil: any is
	had     bool                // it has had a reading
	said    string              // the last line of a log that is fed by a text
	slots   []*slot             // what it reads: one, or the references of its expression
	seen    uint64              // the delivery that it waits to be evaluated in
}

func newTarget(ref tree.Ref, n *definition.Node) *target {
	t := &target{ref: ref, kind: n.Spec.Kind, source: n.Source}
	if n.Source.Change != definition.NoChange || n.Source.Scale != 0 && n.Source.Scale != 1 {
		t.convert = new(definition.Convert)
	}
	return t
}

// runners lists the probes that the node reads.
func (t *target) runners() []*runner {
	var runners []*runner
	for _, s := range t.slots {
		if s != nil && !slices.Contains(runners, s.from) {
			runners = append(runners, s.from)
		}
	}
	return runners
}

// slot is the latest reading of one attribute or of one cell.
type slot struct {
	from  *runner
	cell  *cellKey // nil for an attribute; only for finding the slot again
	name  string   // of the attribute or of the column
	value tree.Value
	time  time.Time

	targets []*target // that show it, or evaluate an expression with it
}

type cellKey struct{ table, row string }

// present is the value as a derived value sees it: none once it is too old to be
// taken for the present one.
func (s *slot) present(now time.Time) tree.Value {
	if limit := s.from.freshFor(); limit > 0 && now.Sub(s.time) > limit {
		return tree.Value{}
	}
	return s.value
}

// routes lead from what one probe yields to nodes. They are guarded by the lock of
// the instance.
type routes struct {
	attributes []*slot                       // sorted by name
	tables     map[string]map[string][]*slot // table -> row -> cells; nil: no node shows a cell
}

// place is where the slot of an attribute is or belongs.
func (r *routes) place(attribute string) (at int, found bool) {
	return slices.BinarySearchFunc(r.attributes, attribute, func(s *slot, name string) int { return strings.Compare(s.name, name) })
}

// find returns the slot of an attribute, or of a cell if the column is not empty, or
// nil.
func (r *routes) find(attribute, row, column string) *slot {
	if column == "" {
		if at, found := r.place(attribute); found {
			return r.attributes[at]
		}
		return nil
	}
	for _, s := range r.tables[attribute][row] {
		if s.name == column {
			return s
		}
	}
	return nil
}

// slot finds a slot or makes it.
func (r *routes) slot(from *runner, attribute, row, column string) *slot {
	if s := r.find(attribute, row, column); s != nil {
		return s
	}
	if column == "" {
		s := &slot{from: from, name: attribute}
		at, _ := r.place(attribute)
		r.attributes = slices.Insert(r.attributes, at, s)
		return s
	}
	s := &slot{from: from, name: column, cell: &cellKey{attribute, row}}
	rows := r.tables[attribute]
	if rows == nil {
		rows = map[string][]*slot{}
		if r.tables == nil {
			r.tables = map[string]map[string][]*slot{}
		}
		r.tables[attribute] = rows
	}
	rows[row] = append(rows[row], s)
	return s
}

// drop forgets a slot that leads nowhere.
func (r *routes) drop(s *slot) {
	if s.cell == nil {
		if at, found := r.place(s.name); found {
			r.attributes = slices.Delete(r.attributes, at, at+1)
		}
		return
	}
	rows := r.tables[s.cell.table]
	rest := slices.DeleteFunc(rows[s.cell.row], func(o *slot) bool { return o == s })
	if len(rest) == 0 {
		delete(rows, s.cell.row)
	} else {
		rows[s.cell.row] = rest
	}
}

// each yields every slot.
func (r *routes) each(yield func(*slot)) {
	for _, s := range r.attributes {
		yield(s)
	}
	for _, rows := range r.tables {
		for _, cells := range rows {
			for _, s := range cells {
				yield(s)
			}
		}
	}
}

// link connects a node with what it reads. Values of old, the routes of the same probe
// before, are carried over.
func (i *instance) link(t *target, old func(*runner) routes) {
	connect := func(probe, attribute, row, column string) *slot {
		r := i.runner(probe)
		if r == nil {
			return nil // the plan names only probes that it has
		}
		s := r.routes.slot(r, attribute, row, column)
		if old != nil && s.time.IsZero() {
			before := old(r)
			if o := before.find(attribute, row, column); o != nil {
				s.value, s.time = o.value, o.time
			}
		}
		r.told = ""
		return s
	}
	t.slots = t.slots[:0]
	src := t.source
	if src.Value == nil {
		if s := connect(src.Probe, src.Attribute, src.Row, src.Column); s != nil {
			s.targets = append(s.targets, t)
			t.slots = append(t.slots, s)
		}
	} else {
		for _, ref := range src.Value.Refs() {
			row := src.Row
			if ref.Column == "" {
				row = ""
			}
			s := connect(ref.Probe, ref.Attribute, row, ref.Column)
			if s != nil && !slices.Contains(s.targets, t) {
				s.targets = append(s.targets, t)
			}
			t.slots = append(t.slots, s)
		}
	}
	if src.Mode == tree.Request {
		i.b.setAsk(t.ref, t.runners())
	}
}

// unlink takes a node off what it reads.
func (i *instance) unlink(t *target) {
	for _, s := range t.slots {
		if s == nil {
			continue
		}
		s.targets = without(s.targets, t)
		if len(s.targets) == 0 {
			s.from.routes.drop(s)
		}
	}
	t.slots = nil
	i.forgetAsk(t)
}

func (i *instance) forgetAsk(t *target) {
	if t.source.Mode == tree.Request {
		i.b.setAsk(t.ref, nil)
	}
}

// without takes one element out; the order does not matter.
func without(list []*target, t *target) []*target {
	k := slices.Index(list, t)
	if k < 0 {
		return list
	}
	last := len(list) - 1
	list[k], list[last] = list[last], nil
	return list[:last]
}
