package series

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/tree"
)

// maxProblems bounds what one error lists.
const maxProblems = 3

// Read adds what is there to a result; with changed, only what got samples, or lost
// series, since the last Read. What has no series is left out, unless it has a default.
// The error says which items could not be read, and why.
func (s *Set) Read(r *probe.Result, changed bool) error {
	s.sweep()
	var problems problems
	for i := range s.plan.values {
		c, it := &s.values[i], &s.plan.values[i]
		if changed && !c.dirty {
			continue
		}
		c.dirty = false
		v, err := c.read(it)
		problems.add(it.option, err)
		if !v.IsNone() {
			r.Add(it.name, v)
		}
	}
	for i := range s.tables {
		s.readTable(&s.plan.tables[i], &s.tables[i], r, changed, &problems)
	}
	return problems.err()
}

func (s *Set) readTable(plan *table, t *rows, r *probe.Result, changed bool, problems *problems) {
	if t.over {
		problems.put(&BoundError{plan.option + ".max_rows", plan.maxRows})
	}
	if changed && !t.changed() {
		return
	}
	t.dirty = false
	if t.order {
		t.order = false
		slices.SortFunc(t.sorted, func(a, b *row) int { return strings.Compare(a.key, b.key) })
	}
	width := len(plan.columns)
	cells := make([]tree.Value, width*len(t.sorted))
	out := probe.Table{Attribute: plan.name, Columns: plan.columns, Rows: make([][]tree.Value, len(t.sorted))}
	for k, row := range t.sorted {
		line := cells[k*width : (k+1)*width : (k+1)*width]
		copy(line, row.texts)
		for i := range plan.items {
			v, err := row.cells[i].read(&plan.items[i])
			if err != nil {
				problems.add(plan.items[i].option, fmt.Errorf("row %s: %w", row.key, err))
			}
			line[len(row.texts)+i] = v
			row.cells[i].dirty = false
		}
		if len(plan.key) > 1 {
			line[width-1] = tree.Text(row.key)
		}
		out.Rows[k] = line
	}
	r.Tables = append(r.Tables, out)
}

func (t *rows) changed() bool {
	if t.dirty {
		return true
	}
	for _, r := range t.sorted {
		for i := range r.cells {
			if r.cells[i].dirty {
				return true
			}
		}
	}
	return false
}

// Missing lists the values and texts for which there is no series and no default.
func (s *Set) Missing() []string {
	var names []string
	for i := range s.values {
		c := &s.values[i]
		if len(c.members) == 0 && len(c.groups) == 0 && s.plan.values[i].fallback == nil {
			names = append(names, s.plan.values[i].name)
		}
	}
	return names
}

// read makes one value of a cell; none when there is nothing.
func (c *cell) read(it *item) (tree.Value, error) {
	if len(c.members) == 0 && len(c.groups) == 0 {
		if it.fallback == nil {
			return tree.Value{}, nil
		}
		return it.value(*it.fallback), nil
	}
	if it.query.op == label {
		return c.text(it.label), nil
	}
	if it.query.op.isHistogram() {
		v, ok := c.histogram(&it.query)
		if !ok || !finite(v) {
			return tree.Value{}, nil
		}
		return it.value(v), nil
	}
	v, n := 0.0, 0
	for _, x := range c.members {
		if x.native != nil {
			return tree.Value{}, errors.New("is a histogram: read it by histogram_quantile, histogram_avg, histogram_count or histogram_sum")
		}
		if x.time == 0 || !isNumber(x.value) {
			continue
		}
		n++
		switch {
		case n == 1:
			v = x.value
		case it.query.op == smallest:
			v = min(v, x.value)
		case it.query.op == largest:
			v = max(v, x.value)
		default:
			v += x.value
		}
	}
	switch {
	case it.query.op == count:
		v = float64(len(c.members))
	case n == 0:
		return tree.Value{}, nil
	case it.query.op == one && n > 1:
		return tree.Value{}, fmt.Errorf("%d series fit, and one is wanted: say which by a label, or put sum(…), min, max, avg or count around it", n)
	case it.query.op == average:
		v /= float64(n)
	}
	if !finite(v) {
		return tree.Value{}, nil
	}
	return it.value(v), nil
}

func (it *item) value(v float64) tree.Value {
	if it.truth {
		return tree.Bool(v != 0)
	}
	return tree.Number(v)
}

// text joins the texts of a label.
func (c *cell) text(name string) tree.Value {
	var texts []string
	for _, x := range c.members {
		if t := x.labels.Get(name); t != "" {
			texts = append(texts, t)
		}
	}
	if len(texts) == 0 {
		return tree.Value{}
	}
	slices.Sort(texts)
	return tree.Text(shown(strings.Join(slices.Compact(texts), ", ")))
}

// problems are what items could not be read for.
type problems struct {
	list []error
	more int
}

func (p *problems) add(option string, err error) {
	if err != nil {
		p.put(fmt.Errorf("%s: %w", option, err))
	}
}

func (p *problems) put(err error) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, err)
		return
	}
	p.more++
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	list := p.list
	if p.more > 0 {
		list = append(list, fmt.Errorf("and %d more", p.more))
	}
	return &joined{list}
}

// joined is several errors in one line.
type joined struct{ list []error }

func (j *joined) Error() string {
	texts := make([]string, len(j.list))
	for i, err := range j.list {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (j *joined) Unwrap() []error { return j.list }
