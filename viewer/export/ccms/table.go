package ccms

import (
	"fmt"
	"strconv"
	"time"

	"grove/tree"
	"grove/viewer/export/ccms/measure"
	"grove/viewer/export/ccms/name"
)

// table is what is kept of the tree between questions. Exporter.mu guards it.
type table struct {
	view *tree.View
	seq  uint64
	full bool // a snapshot was taken

	rows      []row            // in preorder: a subtree is an interval
	positions []int32          // by node index; -1: not in the tree
	byPath    map[string]int32 // nil until somebody asks
	byNumber  map[uint64]int32 // of identifiers
	byName    map[string]int32 // full names
	windows   map[tree.Ref]*measure.Window
	turned    []int32 // attributes whose colour changed since turned was taken
}

// row is one node.
type row struct {
	ref       tree.Ref
	path      tree.Path
	parent    int32 // position; the root's is -1
	end       int32 // position after the last node below
	kind      tree.Kind
	holds     bool // a group that directly holds attributes
	tuned     bool
	flapping  bool
	level     Level
	severity  uint8
	status    tree.Status
	value     tree.Value
	time      time.Time
	since     time.Time
	created   time.Time
	reason    string
	owner     string // the instance that it belongs to: its own, or that of the group above
	counts    [4]int32
	spec      *tree.Spec
	threshold *tree.Threshold
	window    *measure.Window // of performance attributes that had a reading
}

func (r *row) set(c *tree.Cell) {
	r.status, r.value, r.time, r.since = c.Status, c.Value, c.Time, c.Since
	r.reason, r.counts, r.flapping = c.Reason, c.Counts, c.Flapping
}

// update brings the table up to date and samples what changed.
func (t *table) update() error {
	if t.full {
		span, err := t.view.Since(t.seq, func(c *tree.Cell) {
			if int(c.Index) < len(t.positions) && t.positions[c.Index] >= 0 {
				r := &t.rows[t.positions[c.Index]]
				if c.Status != r.status && c.Kind != tree.Group {
					t.turned = append(t.turned, t.positions[c.Index])
				}
				r.set(c)
				t.sample(r)
			}
		})
		if err != nil {
			return err
		}
		if !span.Reset && len(span.Placed) == 0 && len(span.Removed) == 0 {
			t.seq = span.To
			return nil
		}
	}
	return t.rebuild()
}

// sample adds the present value of a performance attribute to its window.
func (t *table) sample(r *row) {
	if r.kind != tree.Performance || r.time.IsZero() {
		return
	}
	v, ok := r.value.Number()
	if !ok {
		return
	}
	if r.window == nil {
		r.window = t.windows[r.ref]
	}
	if r.window == nil {
		r.window = new(measure.Window)
		t.windows[r.ref] = r.window
	}
	r.window.Add(v, r.time)
}

// rebuild takes a snapshot.
func (t *table) rebuild() error {
	t.rows, t.positions, t.full = t.rows[:0], t.positions[:0], false
	t.byPath, t.byNumber, t.byName = nil, nil, nil
	if t.windows == nil {
		t.windows = map[tree.Ref]*measure.Window{}
	}
	before := t.windows
	t.windows = make(map[tree.Ref]*measure.Window, len(before))
	var open []int32 // positions of the nodes above the present one
	seq, err := t.view.Snapshot(func(n *tree.Node) bool {
		here := int32(len(t.rows))
		for len(open) > n.Depth {
			t.rows[open[len(open)-1]].end = here
			open = open[:len(open)-1]
		}
		r := row{
			ref: n.Ref, path: n.Path, parent: -1, kind: n.Kind, tuned: n.Tuned, created: n.Created, spec: n.Spec, threshold: n.Threshold,
			level: Operator, severity: DefaultSeverity,
		}
		if len(open) > 0 {
			r.parent = open[len(open)-1]
			up := &t.rows[r.parent]
			r.level, r.severity, r.owner = up.level, up.severity, up.owner
			up.holds = up.holds || n.Kind != tree.Group
		}
		r.inherit(n.Spec)
		r.set(&n.Cell)
		if w := before[n.Ref]; w != nil {
			r.window, t.windows[n.Ref] = w, w
		}
		t.sample(&r)
		open = append(open, here)
		for int(n.Index) >= len(t.positions) {
			t.positions = append(t.positions, -1)
		}
		t.positions[n.Index] = here
		t.rows = append(t.rows, r)
		return true
	})
	if err != nil {
		return err
	}
	for _, p := range open {
		t.rows[p].end = int32(len(t.rows))
	}
	t.seq, t.full = seq, true
	t.turnAll() // Positions are new, and much may have changed.
	return nil
}

// turnAll lists every attribute as one whose colour changed.
func (t *table) turnAll() {
	t.turned = t.turned[:0]
	for i := range t.rows {
		if t.rows[i].kind != tree.Group {
			t.turned = append(t.turned, int32(i))
		}
	}
}

// inherit takes what a spec says of owner, severity and visibility. What is not understood
// changes nothing: a definition's properties are free text.
func (r *row) inherit(s *tree.Spec) {
	if s == nil {
		return
	}
	if s.Owner != "" {
		r.owner = s.Owner
	}
	if n, err := strconv.ParseUint(s.Properties["severity"], 10, 8); err == nil {
		r.severity = uint8(n)
	}
	if level, ok := parseLevel(s.Properties["visibility"]); ok {
		r.level = level
	}
}

// at returns the position of the node at a path.
func (t *table) at(p tree.Path) (int32, error) {
	if p.IsRoot() {
		return 0, nil
	}
	if t.byPath == nil {
		t.byPath = make(map[string]int32, len(t.rows))
		for i := range t.rows {
			t.byPath[t.rows[i].path.String()] = int32(i)
		}
	}
	i, ok := t.byPath[p.String()]
	if !ok {
		return 0, noNode(p)
	}
	return i, nil
}

func noNode(p tree.Path) error { return fmt.Errorf("%s: %w", p, tree.ErrNoNode) }

// numbered returns the position of the node with the number of an identifier.
func (t *table) numbered(n uint64) (int32, bool) {
	if t.byNumber == nil {
		t.byNumber = make(map[uint64]int32, len(t.rows))
		for i := range t.rows {
			t.byNumber[name.Number(t.rows[i].path)] = int32(i)
		}
	}
	i, ok := t.byNumber[n]
	return i, ok
}

// named returns the position of the element with a full name.
func (t *table) named(full, system string) (int32, bool) {
	if t.byName == nil {
		t.byName = make(map[string]int32, len(t.rows))
		for i := range t.rows {
			r := &t.rows[i]
			t.byName[name.Of(r.path, r.kind == tree.Group).Full(system)] = int32(i)
		}
	}
	i, ok := t.byName[full]
	return i, ok
}
