package prometheus

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"grove/tree"
	"grove/tree/metric"
)

// maxConflicts bounds the conflicts that are kept in words; all are counted.
const maxConflicts = 100

// table is what is kept of the tree between scrapes. Exporter.mu guards it.
type table struct {
	view *tree.View
	seq  uint64
	full bool // a snapshot was taken

	rows      []row           // in preorder: a subtree is an interval
	at        map[string]int  // canonical path -> row; nil until somebody asks
	positions []int32         // by node index; -1: not in the tree
	families  []*family       // of values, by name; grove_node_value among them
	own       map[string]bool // names of grove's own metrics when the table was made
	taken     claims

	conflicts []string
	bad       int // nodes with a conflict
}

// row is one node. The text of a line is head, value, newline.
type row struct {
	path   tree.Path
	end    int32 // position after the last node below
	kind   tree.Kind
	status tree.Status
	number bool // value is one
	value  float64
	scale  *metric.Scale // to the unit of the family
	time   int64         // Unix milliseconds of the last reading, 0: none
	counts [4]int32
	labels []byte // path="/a/b"
	head   []byte // of the value's line: name{path="/a/b",…}␠
}

func (r *row) set(c *tree.Cell) {
	r.status, r.counts = c.Status, c.Counts
	r.value, r.number = c.Value.Number()
	r.time = 0
	if !c.Time.IsZero() {
		r.time = c.Time.UnixMilli()
	}
}

// update brings the table up to date; changed says that its structure is new.
func (t *table) update(own []*dto.MetricFamily) (changed bool, err error) {
	names := map[string]bool{}
	for _, f := range own {
		names[f.GetName()] = true
	}
	if t.full && (len(own) == 0 || maps.Equal(names, t.own)) {
		span, err := t.view.Since(t.seq, func(c *tree.Cell) {
			if int(c.Index) < len(t.positions) && t.positions[c.Index] >= 0 {
				t.rows[t.positions[c.Index]].set(c)
			}
		})
		if err != nil {
			return false, err
		}
		if !span.Reset && len(span.Placed) == 0 && len(span.Removed) == 0 {
			t.seq = span.To
			return false, nil
		}
	}
	if len(own) > 0 {
		t.own = names
	}
	return true, t.rebuild()
}

// rebuild takes a snapshot and prepares what stays the same until the next.
func (t *table) rebuild() error {
	t.rows, t.positions, t.at, t.full = t.rows[:0], t.positions[:0], nil, false
	specs := make([]*tree.Spec, 0, cap(t.rows))
	var open []int32 // positions of the nodes above the present one
	seq, err := t.view.Snapshot(func(n *tree.Node) bool {
		r := row{path: n.Path, kind: n.Kind}
		r.set(&n.Cell)
		for len(open) > n.Depth {
			t.rows[open[len(open)-1]].end = int32(len(t.rows))
			open = open[:len(open)-1]
		}
		open = append(open, int32(len(t.rows)))
		for int(n.Index) >= len(t.positions) {
			t.positions = append(t.positions, -1)
		}
		t.positions[n.Index] = int32(len(t.rows))
		t.rows = append(t.rows, r)
		specs = append(specs, n.Spec)
		return true
	})
	if err != nil {
		return err
	}
	for _, p := range open {
		t.rows[p].end = int32(len(t.rows))
	}
	t.seq, t.full = seq, true
	t.prepare(specs)
	return nil
}

// prepare sorts the nodes that hold numbers into families. The first node of a
// family in the order of the tree says its help and unit.
func (t *table) prepare(specs []*tree.Spec) {
	t.conflicts, t.bad = nil, 0
	t.taken = claims{}
	for _, name := range []string{nameValue, nameStatus, nameTime, nameGroup, nameConflicts} {
		t.taken[name] = struct{}{}
	}
	generic := &family{name: nameValue, help: "Value of a node, in its unit."}
	byName := map[string]*family{}
	var texts slab
	var b []byte // the text that is being made
	for i := range t.rows {
		r, s := &t.rows[i], specs[i]
		b = appendLabel(b[:0], "path", r.path.String())
		r.labels = texts.keep(b)
		if r.kind == tree.Group || s == nil {
			continue
		}
		f := generic
		r.scale = metric.Identity
		if s.Metric != "" {
			named, scale, refused := t.named(byName, s)
			if refused == "" {
				f, r.scale = named, scale
			} else {
				t.conflict(r.path, fmt.Sprintf("metric %.80q %s", s.Metric, refused))
			}
		}
		f.rows = append(f.rows, int32(i))
		b = append(append(append(b[:0], f.name...), '{'), r.labels...)
		if f == generic && s.Unit != "" {
			b = appendLabel(append(b, ','), "unit", s.Unit)
		}
		if f != generic {
			b = t.appendLabels(b, r.path, s.Labels)
		}
		r.head = texts.keep(append(b, '}', ' '))
	}
	t.families = []*family{generic}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		t.families = append(t.families, byName[name])
	}
}

// named returns the family for a definition's metric and how its values get the
// family's unit, or says why there is none.
func (t *table) named(byName map[string]*family, s *tree.Spec) (*family, *metric.Scale, string) {
	unit, scale := metric.BaseUnit(s.Metric, s.Unit)
	if f := byName[s.Metric]; f != nil {
		if f.unit != unit {
			return nil, nil, fmt.Sprintf("is in %s elsewhere, not in %s", orNone(f.unit), orNone(unit))
		}
		return f, scale, ""
	}
	if refused := metric.RefuseName(s.Metric); refused != "" {
		return nil, nil, refused
	}
	f := &family{name: s.Metric, counter: strings.HasSuffix(s.Metric, "_total"), unit: unit, help: s.Description}
	for _, name := range f.claims() {
		if t.own[name] {
			return nil, nil, "is one of grove's own"
		}
	}
	if !t.taken.claim(f.claims()) {
		return nil, nil, "has the name of another metric, or of one of its samples"
	}
	if f.help == "" {
		f.help = "Value of a node."
	}
	byName[s.Metric] = f
	return f, scale, ""
}

func orNone(unit string) string {
	if unit == "" {
		return "no unit"
	}
	return unit
}

func (t *table) conflict(path tree.Path, text string) {
	t.bad++
	if len(t.conflicts) < maxConflicts {
		t.conflicts = append(t.conflicts, path.String()+": "+text)
	}
}

// slab keeps many short texts in few allocations, which live and go together.
type slab struct{ free []byte }

func (s *slab) keep(text []byte) []byte {
	if len(text) > cap(s.free)-len(s.free) {
		s.free = make([]byte, 0, max(64<<10, len(text)))
	}
	from := len(s.free)
	s.free = append(s.free, text...)
	return s.free[from:len(s.free):len(s.free)]
}

func (t *table) appendLabels(b []byte, path tree.Path, labels map[string]string) []byte {
	if len(labels) == 0 {
		return b
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if !metric.ValidLabel(name) {
			t.conflict(path, fmt.Sprintf("label %.80q is not a label name, or one of grove's own", name))
			continue
		}
		b = appendLabel(append(b, ','), name, labels[name])
	}
	return b
}

// find returns the interval of rows at and below a path.
func (t *table) find(path tree.Path) (from, to int32, err error) {
	if path.IsRoot() {
		return 0, int32(len(t.rows)), nil
	}
	if t.at == nil {
		t.at = make(map[string]int, len(t.rows))
		for i := range t.rows {
			t.at[t.rows[i].path.String()] = i
		}
	}
	i, ok := t.at[path.String()]
	if !ok {
		return 0, 0, fmt.Errorf("%s: %w", path, tree.ErrNoNode)
	}
	return int32(i), t.rows[i].end, nil
}

// appendLabel appends name="value".
func appendLabel(b []byte, name, value string) []byte {
	b = append(append(b, name...), '=', '"')
	return append(appendEscaped(b, strings.ToValidUTF8(value, "�"), true), '"')
}

// appendEscaped escapes what both formats escape: backslash and newline, and the
// quote in label values and in the help of OpenMetrics.
func appendEscaped(b []byte, s string, quote bool) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			b = append(b, '\\', '\\')
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '"' && quote:
			b = append(b, '\\', '"')
		default:
			b = append(b, c)
		}
	}
	return b
}
