package prometheus

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	dto "github.com/prometheus/client_model/go"

	"grove/tree"
	"grove/tree/metric"
)

// maxConflicts bounds the conflicts that are kept in words; all are counted.
const maxConflicts = 100

// table is what is kept of the tree between scrapes. Exporter.mu guards it: scrapes
// that write only read it.
type table struct {
	view *tree.View
	seq  uint64
	full bool // a snapshot was taken

	rows      []row                   // in preorder: a subtree is an interval
	at        func() map[string]int32 // canonical path -> row; made when somebody asks
	positions []int32                 // by node index; -1: not in the tree
	families  []*family               // of values, by name; grove_node_value among them
	own       map[string]bool         // names of grove's own metrics when the table was made
	taken     metric.Claims

	conflicts []string
	bad       int // nodes with a conflict
}

// row is one node. The text of a line is head, value, newline.
type row struct {
	path   tree.Path
	spec   *tree.Spec
	end    int32 // position after the last node below
	kind   tree.Kind
	status tree.Status
	rises  bool // a counter: never negative and always a number
	length uint8
	text   [maxNumber]byte // the value as it is written: length bytes, 0 of what is not
	value  float64         // that the text says, in the node's unit
	scale  *metric.Scale   // to the unit of the family; nil: the node has no value
	time   int64           // Unix milliseconds of the last reading, 0: none
	counts [4]int32
	labels []byte // path="/a/b"
	head   []byte // of the value's line: name{path="/a/b",…}␠
}

// maxNumber is the length of the longest number, such as -2.2250738585072014e-308.
const maxNumber = 24

func (r *row) set(c *tree.Cell) {
	r.status, r.counts = c.Status, c.Counts
	value, number := c.Value.Number()
	r.setValue(value, number && c.Status != tree.White)
	r.time = 0
	if !c.Time.IsZero() {
		r.time = c.Time.UnixMilli()
	}
}

// setValue writes the value anew if it is another one: to write a number takes longer
// than all the rest of its line.
func (r *row) setValue(value float64, given bool) {
	switch {
	case r.scale == nil || !given || r.rises && !(value >= 0):
		r.length, r.value = 0, value
	case r.length == 0 || math.Float64bits(value) != math.Float64bits(r.value):
		r.value = value
		r.length = uint8(len(appendNumber(r.text[:0], r.scale.Of(value))))
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
	values := make([]float64, 0, cap(t.rows)) // NaN: none
	var open []int32                          // positions of the nodes above the present one
	seq, err := t.view.Snapshot(func(n *tree.Node) bool {
		r := row{path: n.Path, kind: n.Kind, spec: n.Spec}
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
		value, number := n.Value.Number()
		if !number || n.Status == tree.White {
			value = math.NaN()
		}
		values = append(values, value)
		return true
	})
	if err != nil {
		return err
	}
	for _, p := range open {
		t.rows[p].end = int32(len(t.rows))
	}
	t.seq, t.full = seq, true
	t.at = sync.OnceValue(t.index)
	t.prepare(values)
	return nil
}

// prepare sorts the nodes that hold numbers into families.
func (t *table) prepare(values []float64) {
	t.conflicts, t.bad = nil, 0
	families := metric.NewFamilies(func(name string) bool { return t.own[name] })
	t.taken = families.Taken
	t.taken[nameConflicts], t.taken[nameHidden] = struct{}{}, struct{}{}
	generic := &family{Family: metric.Generic[slices.IndexFunc(metric.Generic, func(f metric.Family) bool { return f.Name == metric.Value })]}
	byName := map[*metric.Family]*family{}
	var texts slab
	var b []byte // the text that is being made
	for i := range t.rows {
		r, s := &t.rows[i], t.rows[i].spec
		b = appendLabel(b[:0], "path", r.path.String())
		r.labels = texts.keep(b)
		if r.kind == tree.Group || s == nil {
			continue
		}
		f := generic
		r.scale = metric.Identity
		if s.Metric != "" {
			known, scale, refused := families.Of(s)
			if refused == "" {
				if f = byName[known]; f == nil {
					f = &family{Family: *known}
					byName[known] = f
				}
				r.scale = scale
			} else {
				t.conflict(r.path, fmt.Sprintf("metric %.80q %s", s.Metric, refused))
			}
		}
		r.rises = f.Type == metric.Counter
		r.setValue(values[i], !math.IsNaN(values[i]))
		f.rows = append(f.rows, int32(i))
		b = append(append(append(b[:0], f.Name...), '{'), r.labels...)
		if f == generic && s.Unit != "" {
			b = appendLabel(append(b, ','), "unit", s.Unit)
		}
		if f != generic {
			b = t.appendLabels(b, r.path, s.Labels)
		}
		r.head = texts.keep(append(b, '}', ' '))
	}
	t.families = []*family{generic}
	for _, named := range families.Named() {
		t.families = append(t.families, byName[named])
	}
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

func (t *table) index() map[string]int32 {
	at := make(map[string]int32, len(t.rows))
	for i := range t.rows {
		at[t.rows[i].path.String()] = int32(i)
	}
	return at
}

// find returns the interval of rows at and below a path.
func (t *table) find(path tree.Path) (from, to int32, err error) {
	if path.IsRoot() {
		return 0, int32(len(t.rows)), nil
	}
	i, ok := t.at()[path.String()]
	if !ok {
		return 0, 0, noNode(path)
	}
	return i, t.rows[i].end, nil
}

func noNode(path tree.Path) error { return fmt.Errorf("%s: %w", path, tree.ErrNoNode) }

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
