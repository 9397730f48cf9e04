package definition

import (
	"strconv"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition/file"
	"grove/tree/definition/rule"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// Test is a roll-up test that a definition carries; package rolluptest runs it.
type Test struct {
	Name  string
	Pos   source.Pos
	With  *source.Value // parameters; nil: the defaults
	Steps []Step        // at least one
}

// Step is one step of a test: rows, then readings, then given, then time in which all
// readings so far keep coming, then time in silence, then what is expected.
type Step struct {
	Pos      source.Pos
	Rows     []StepRows
	Readings []StepReading
	Given    []StepGiven
	For      time.Duration
	After    time.Duration
	Expect   []StepExpect
}

// StepRows are the rows that a table of a probe has from then on.
type StepRows struct {
	Probe, Table string
	Rows         []map[string]tree.Value
	Pos          source.Pos
}

// StepReading is what a probe yields for one attribute.
type StepReading struct {
	Probe, Attribute string
	Value            tree.Value // none: the probe has no value
	Pos              source.Pos
}

// StepGiven is a reading that a node gets past its source.
type StepGiven struct {
	Path  tree.Path  // below the top of the definition
	Value tree.Value // none: no value can be had
	Pos   source.Pos
}

// StepExpect is what a node must be.
type StepExpect struct {
	Path   tree.Path // below the top of the definition
	Absent bool      // there must be no such node
	Status *tree.Status
	Value  *tree.Value
	// Because is a part of the reason why the node is white; empty: any.
	Because string
	Pos     source.Pos // of what is expected
}

// tests reads the tests of a definition.
func (r *reader) tests(v *file.Tests) []Test {
	if !v.Given() {
		return nil
	}
	if v.Kind != source.List {
		r.errs.Add(v.Pos, "tests is a list, not %s", v.Describe())
		return nil
	}
	if len(v.Items) > maxTests {
		r.errs.Add(v.Pos, "more than %d tests", maxTests)
		return nil
	}
	seen := map[string]bool{}
	out := make([]Test, 0, len(v.Items))
	for i := range v.Items {
		item := &v.Items[i]
		var f file.Test
		before := len(r.errs)
		errs := item.Decode(&f, source.DecodeOptions{What: "a test"})
		r.errs.Append(errs...)
		if len(errs) > 0 {
			continue
		}
		t := Test{Name: r.text(&f.Name), Pos: item.Pos}
		switch {
		case t.Name == "":
			r.errs.Add(item.Pos, "the test has no name")
		case seen[t.Name]:
			r.errs.Add(f.Name.Pos, "test %q is there already", t.Name)
		}
		seen[t.Name] = true
		if f.With.Given() {
			t.With = &f.With.Value
		}
		first := file.Step{Given: f.Given, Rows: f.Rows, Readings: f.Readings, For: f.For, After: f.After, Expect: f.Expect}
		t.Steps = append(t.Steps, r.step(&first, item.Pos))
		if f.Steps.Given() {
			t.Steps = append(t.Steps, r.steps(&f.Steps)...)
		}
		expects := 0
		for _, s := range t.Steps {
			expects += len(s.Expect)
		}
		if expects == 0 && len(r.errs) == before {
			r.errs.Add(item.Pos, "test %q expects nothing", t.Name).WithHint(`expect: { "": green }`)
		}
		out = append(out, t)
	}
	return out
}

func (r *reader) steps(v *file.Steps) []Step {
	if v.Kind != source.List {
		r.errs.Add(v.Pos, "steps is a list, not %s", v.Describe())
		return nil
	}
	if len(v.Items) > maxTestSteps {
		r.errs.Add(v.Pos, "more than %d steps", maxTestSteps)
		return nil
	}
	out := make([]Step, 0, len(v.Items))
	for i := range v.Items {
		var f file.Step
		errs := v.Items[i].Decode(&f, source.DecodeOptions{What: "a step"})
		r.errs.Append(errs...)
		if len(errs) == 0 {
			out = append(out, r.step(&f, v.Items[i].Pos))
		}
	}
	return out
}

func (r *reader) step(f *file.Step, pos source.Pos) Step {
	s := Step{Pos: pos}
	s.For, s.After = r.passing("for", &f.For), r.passing("after", &f.After)
	for i := range r.fields(&f.Rows.Value, "rows") {
		if rows, ok := r.stepRows(&f.Rows.Fields[i]); ok {
			s.Rows = append(s.Rows, rows)
		}
	}
	for i := range r.fields(&f.Readings.Value, "readings") {
		field := &f.Readings.Fields[i]
		probe, attribute, ok := strings.Cut(field.Key, ".")
		if !ok {
			r.errs.Add(field.Pos, "reading %q: write it as probe.attribute", field.Key)
			continue
		}
		if v, ok := r.cell(&field.Value); ok {
			s.Readings = append(s.Readings, StepReading{probe, attribute, v, field.Pos})
		}
	}
	for i := range r.fields(&f.Given.Value, "given") {
		field := &f.Given.Fields[i]
		path, ok := r.path(field)
		v, isCell := r.cell(&field.Value)
		if ok && isCell {
			s.Given = append(s.Given, StepGiven{path, v, field.Pos})
		}
	}
	for i := range r.fields(&f.Expect.Value, "expect") {
		if e, ok := r.expect(&f.Expect.Fields[i]); ok {
			s.Expect = append(s.Expect, e)
		}
	}
	return s
}

// passing reads how much time passes in a step.
func (r *reader) passing(key string, v *file.Duration) time.Duration {
	if !v.Given() {
		return 0
	}
	d, bad := v.Duration()
	r.errs.Append(bad)
	if bad == nil && (d < 0 || d > 365*24*time.Hour) {
		r.errs.Add(v.Pos, "%s is 0 to 365 days", key)
	}
	return d
}

func (r *reader) path(f *source.Field) (tree.Path, bool) {
	p, err := tree.ParsePath(f.Key)
	if err != nil {
		r.errs.Add(f.Pos, "%w", err)
	}
	return p, err == nil
}

// cell reads a scalar as a reading; nothing is no reading.
func (r *reader) cell(v *source.Value) (tree.Value, bool) {
	if v.Kind != source.Scalar {
		r.errs.Add(v.Pos, "a reading is a number, a text or true or false, not %s", v.Describe())
		return tree.Value{}, false
	}
	if v.Null {
		return tree.Value{}, true
	}
	out, _ := variable.Of(v).Tree()
	return out, true
}

func (r *reader) stepRows(f *source.Field) (StepRows, bool) {
	probe, table, ok := strings.Cut(f.Key, ".")
	if !ok {
		r.errs.Add(f.Pos, "rows of %q: write it as probe.table", f.Key)
		return StepRows{}, false
	}
	rows := StepRows{Probe: probe, Table: table, Pos: f.Pos}
	rows.Rows, ok = r.rowList(&f.Value, "rows of "+f.Key)
	return rows, ok
}

// rowList reads the rows of a table.
func (r *reader) rowList(v *source.Value, what string) (rows []map[string]tree.Value, ok bool) {
	if v.Null {
		return nil, true
	}
	if v.Kind != source.List {
		r.errs.Add(v.Pos, "%s are a list of maps, not %s", what, v.Describe())
		return nil, false
	}
	for i := range v.Items {
		item := &v.Items[i]
		if item.Kind != source.Map {
			r.errs.Add(item.Pos, "a row is a map of columns, not %s", item.Describe())
			return nil, false
		}
		row := make(map[string]tree.Value, len(item.Fields))
		for j := range item.Fields {
			v, ok := r.cell(&item.Fields[j].Value)
			if !ok {
				return nil, false
			}
			row[item.Fields[j].Key] = v
		}
		rows = append(rows, row)
	}
	return rows, true
}

func (r *reader) expect(f *source.Field) (StepExpect, bool) {
	path, ok := r.path(f)
	e := StepExpect{Path: path, Pos: f.Value.Pos}
	if !ok {
		return e, false
	}
	status := func(v *source.Value) bool {
		s, bad := rule.ParseStatus(v)
		if bad != nil {
			r.errs.Append(bad)
			return false
		}
		e.Status = &s
		return true
	}
	if f.Value.Kind == source.Scalar {
		if f.Value.Text == "absent" {
			e.Absent = true
			return e, true
		}
		return e, status(&f.Value)
	}
	if f.Value.Kind != source.Map {
		r.errs.Add(f.Value.Pos, "expected is a status, absent, or { status: …, value: … }, not a list")
		return e, false
	}
	for i := range f.Value.Fields {
		part := &f.Value.Fields[i]
		switch part.Key {
		case "status":
			if !status(&part.Value) {
				return e, false
			}
		case "value":
			v, ok := r.cell(&part.Value)
			if !ok {
				return e, false
			}
			e.Value = &v
		case "because":
			text, bad := part.Value.Str()
			if bad != nil {
				r.errs.Append(bad)
				return e, false
			}
			e.Because = text
		default:
			r.errs.Add(part.Pos, "unknown key %q in what is expected", part.Key).WithHint("status, value or because")
			return e, false
		}
	}
	return e, true
}

// checkTests says which names in the tests name nothing.
func (d *Definition) checkTests() source.Errors {
	var errs source.Errors
	var plain *Instance
	for i := range d.Tests {
		t := &d.Tests[i]
		instance := plain
		if instance == nil || t.With != nil {
			made, bad := d.ForTest(t)
			if len(bad) > 0 {
				errs.Append(bad...)
				continue
			}
			instance = made
			if t.With == nil {
				plain = made
			}
		}
		instance.checkTest(t, &errs)
	}
	return errs
}

// TestTop is where the tests hang the tree of the definition.
var TestTop = tree.MustPath("/test")

// ForTest makes the instance that a test works on: at TestTop, with the parameters of
// the test; samples stand for required ones that it does not give.
func (d *Definition) ForTest(t *Test) (*Instance, source.Errors) {
	return d.instance("test", TestTop, t.With, topSettings{}, t.Pos, true)
}

func (i *Instance) checkTest(t *Test, errs *source.Errors) {
	known := make(map[tree.Path]tree.Kind, len(i.Nodes))
	for _, n := range i.Nodes {
		known[n.Path] = n.Spec.Kind
	}
	for s := range t.Steps {
		step := &t.Steps[s]
		for _, rows := range step.Rows {
			i.checkRows(rows, known, errs)
		}
		for _, r := range step.Readings {
			if p, bad := i.info(r.Probe, r.Pos); bad != nil {
				errs.Append(bad)
			} else if _, ok := p.attribute(r.Attribute); !ok && !p.unknown {
				errs.Append(noAttribute(r.Pos, p, r.Attribute, names(p.attributes), "attribute"))
			}
		}
		for _, g := range step.Given {
			kind, bad := i.checkPath(g.Path, g.Pos, known)
			errs.Append(bad)
			if bad == nil && kind == tree.Group {
				errs.Add(g.Pos, "%s is a group: its status follows from its children", quoted(relative(g.Path)))
			}
		}
		for _, e := range step.Expect {
			if e.Absent {
				continue
			}
			_, bad := i.checkPath(e.Path, e.Pos, known)
			errs.Append(bad)
		}
	}
}

func relative(p tree.Path) string { return strings.TrimPrefix(p.String(), "/") }

func (i *Instance) checkPath(p tree.Path, pos source.Pos, known map[tree.Path]tree.Kind) (tree.Kind, *source.Error) {
	full, err := i.At.Join(p)
	if err != nil {
		return 0, source.Errorf(pos, "%w", err)
	}
	if kind, ok := known[full]; ok {
		return kind, nil
	}
	candidates := make([]string, 0, len(known))
	for k := range known {
		if below, ok := i.At.Below(k); ok {
			candidates = append(candidates, relative(below))
		}
		if len(candidates) >= 10_000 {
			break
		}
	}
	e := source.Errorf(pos, "there is no node %s", quoted(relative(p)))
	e.Hint = source.DidYouMean(relative(p), sorted(candidates))
	for _, l := range i.Loops {
		if e.Hint == "" && l.Parent.Contains(full) {
			e.Hint = "nodes of a loop need rows: { " + strconv.Quote(l.Probe+"."+l.Table) + ": … } in the test"
		}
	}
	return 0, e
}

func (i *Instance) checkRows(rows StepRows, known map[tree.Path]tree.Kind, errs *source.Errors) {
	p, bad := i.info(rows.Probe, rows.Pos)
	if bad != nil {
		errs.Append(bad)
		return
	}
	if p.unknown {
		return
	}
	info, ok := p.attribute(rows.Table)
	if !ok {
		errs.Append(noAttribute(rows.Pos, p, rows.Table, p.tables(), "table"))
		return
	}
	columns := names(info.Columns)
	for _, row := range rows.Rows {
		for _, c := range sortedKeys(row) {
			if _, ok := column(&rowInfo{probe: rows.Probe, table: info}, c); ok != nil {
				errs.Add(rows.Pos, "%s.%s has no column %q", rows.Probe, rows.Table, c).WithHint("%s", source.DidYouMean(c, columns))
			}
		}
		for _, l := range i.Loops {
			if l.Probe != rows.Probe || l.Table != rows.Table {
				continue
			}
			nodes, err := l.Expand(row)
			if err != nil {
				errs.Add(rows.Pos, "%w", err)
				continue
			}
			for _, n := range nodes {
				known[n.Path] = n.Spec.Kind
			}
		}
	}
}
