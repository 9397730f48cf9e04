// Package rolluptest runs the tests that definitions carry: given these readings and
// this passing of time, expect these statuses. A test runs on a real tree whose clock
// it owns, so that it takes no time and always ends the same.
package rolluptest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/source"
)

// Result is what came of one test.
type Result struct {
	Application string // or the name of the discovery
	Name        string
	Pos         source.Pos
	Failures    []Failure // none: it passed
}

// Passed says whether everything was as expected.
func (r *Result) Passed() bool { return len(r.Failures) == 0 }

// Failure is one expectation that was not met, or one step that could not be taken.
type Failure struct {
	Pos source.Pos
	Msg string
}

// String writes the failure as compilers do: "file:line:column: message".
func (f Failure) String() string { return f.Pos.String() + ": " + f.Msg }

// start is the time at which every test begins. It is far from zero, which means "no
// reading" to the tree.
var start = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// All runs every test of a definition, in the order of the file.
func All(d *definition.Definition) []Result {
	results := make([]Result, 0, len(d.Tests))
	for i := range d.Tests {
		results = append(results, Run(d, &d.Tests[i]))
	}
	return results
}

// Discovery runs every test of a discovery, in the order of the file.
func Discovery(d *definition.Discovery) []Result {
	results := make([]Result, 0, len(d.Tests))
	for i := range d.Tests {
		t := &d.Tests[i]
		r := Result{Application: d.Name, Name: t.Name, Pos: t.Pos}
		for _, e := range d.Run(t) {
			msg := e.Msg
			if e.Hint != "" {
				msg += " (" + e.Hint + ")"
			}
			r.Failures = append(r.Failures, Failure{e.Pos, msg})
		}
		results = append(results, r)
	}
	return results
}

// Run runs one test of a definition.
func Run(d *definition.Definition, t *definition.Test) Result {
	r := Result{Application: d.Application, Name: t.Name, Pos: t.Pos}
	instance, errs := d.ForTest(t)
	if len(errs) > 0 {
		for _, e := range errs {
			r.Failures = append(r.Failures, Failure{e.Pos, e.Msg})
		}
		return r
	}
	b := &bench{instance: instance, now: start, result: &r}
	b.tree = tree.New(tree.Options{Now: func() time.Time { return b.now }})
	if !b.grow() {
		return r
	}
	for i := range t.Steps {
		b.step(&t.Steps[i])
	}
	return r
}

// bench is a test under way.
type bench struct {
	instance *definition.Instance
	tree     *tree.Tree
	now      time.Time
	result   *Result
	nodes    []*grown // with a source
	readings map[definition.Ref]tree.Value
	tables   map[definition.Ref]map[string]map[string]tree.Value // rows by key
	loops    [][]definition.Node                                 // what each loop has grown
	given    map[tree.Path]definition.StepGiven                  // the last of each path
}

// grown is a node that readings of probes feed.
type grown struct {
	node    definition.Node
	convert definition.Convert
}

func (b *bench) fail(pos source.Pos, format string, args ...any) {
	b.result.Failures = append(b.result.Failures, Failure{pos, fmt.Sprintf(format, args...)})
}

// grow makes the nodes of the instance.
func (b *bench) grow() bool {
	b.readings = map[definition.Ref]tree.Value{}
	b.tables = map[definition.Ref]map[string]map[string]tree.Value{}
	b.given = map[tree.Path]definition.StepGiven{}
	b.loops = make([][]definition.Node, len(b.instance.Loops))
	return b.add(b.instance.Nodes, b.result.Pos)
}

func (b *bench) add(nodes []definition.Node, pos source.Pos) bool {
	ops := make([]tree.Op, 0, len(nodes))
	for _, n := range nodes {
		ops = append(ops, tree.Add(n.Path, n.Spec))
		if n.Source != nil {
			b.nodes = append(b.nodes, &grown{node: n})
		}
	}
	if err := b.tree.Change(ops...); err != nil {
		b.fail(pos, "the tree cannot be made: %v", err)
		return false
	}
	return true
}

func (b *bench) step(s *definition.Step) {
	fresh := map[definition.Ref]bool{}
	for i := range s.Rows {
		b.rows(&s.Rows[i], fresh)
	}
	for _, r := range s.Readings {
		ref := definition.Ref{Probe: r.Probe, Attribute: r.Attribute}
		b.readings[ref] = r.Value
		fresh[ref] = true
	}
	if len(fresh) > 0 {
		b.feed(fresh)
	}
	for _, g := range s.Given {
		b.give(g)
		b.given[g.Path] = g
	}
	b.keepComing(s.For)
	b.now = b.now.Add(s.After)
	b.tree.Advance(b.now)
	b.tree.Flush()
	for _, e := range s.Expect {
		b.expect(e)
	}
}

// maxRepeats bounds how often a step repeats the readings; a longer time makes the
// interval longer.
const maxRepeats = 10_000

// keepComing lets time pass in which everything that was read so far is read again,
// at the interval of the fastest probe.
func (b *bench) keepComing(d time.Duration) {
	every := 10 * time.Second
	for i, p := range b.instance.Probes {
		if i == 0 || p.Every < every {
			every = p.Every
		}
	}
	every = max(every, d/maxRepeats)
	fresh := make(map[definition.Ref]bool, len(b.readings)+len(b.tables))
	for end := b.now.Add(d); b.now.Before(end); {
		b.now = b.now.Add(min(every, end.Sub(b.now)))
		b.tree.Advance(b.now)
		for ref := range b.readings {
			fresh[ref] = true
		}
		for ref := range b.tables {
			fresh[ref] = true
		}
		b.feed(fresh)
		for _, g := range b.given {
			b.again(g)
		}
	}
}

// again repeats a reading that was given, if its node is still there and no log.
func (b *bench) again(g definition.StepGiven) {
	full, err := b.instance.At.Join(g.Path)
	if err != nil {
		return
	}
	n, err := b.tree.Node(full)
	if err != nil || n.Kind == tree.Log || g.Value.IsNone() {
		return
	}
	b.report(definition.Node{Path: n.Path, Spec: n.Spec}, g.Value, "")
}

// rows replaces the rows of a table: nodes come, change and go.
func (b *bench) rows(r *definition.StepRows, fresh map[definition.Ref]bool) {
	ref := definition.Ref{Probe: r.Probe, Attribute: r.Table}
	fresh[ref] = true
	for i, l := range b.instance.Loops {
		if l.Probe != r.Probe || l.Table != r.Table {
			continue
		}
		var nodes []definition.Node
		for _, row := range r.Rows {
			more, err := l.Expand(row)
			if err != nil {
				b.fail(r.Pos, "row %s: %v", row[l.Key], err)
				continue
			}
			nodes = append(nodes, more...)
		}
		b.replace(i, nodes, r.Pos)
	}
	byKey := map[string]map[string]tree.Value{}
	for _, row := range r.Rows {
		byKey[row[b.key(ref)].String()] = row
	}
	b.tables[ref] = byKey
}

// key is the column that tells the rows of a table apart.
func (b *bench) key(table definition.Ref) string {
	for _, l := range b.instance.Loops {
		if l.Probe == table.Probe && l.Table == table.Attribute {
			return l.Key
		}
	}
	return b.instance.TableKey(table.Probe, table.Attribute)
}

func (b *bench) replace(loop int, nodes []definition.Node, pos source.Pos) {
	wanted := make(map[tree.Path]definition.Node, len(nodes))
	for _, n := range nodes {
		wanted[n.Path] = n
	}
	had := make(map[tree.Path]bool, len(b.loops[loop]))
	var gone []tree.Op
	for i := len(b.loops[loop]) - 1; i >= 0; i-- { // children before parents
		p := b.loops[loop][i].Path
		had[p] = true
		if _, stays := wanted[p]; !stays {
			gone = append(gone, tree.Remove(p))
		}
	}
	if err := b.tree.Change(gone...); err != nil {
		b.fail(pos, "nodes of rows that are gone: %v", err)
	}
	kept := b.nodes[:0]
	for _, g := range b.nodes {
		if w, stays := wanted[g.node.Path]; stays {
			g.node = w
			kept = append(kept, g)
		} else if !had[g.node.Path] {
			kept = append(kept, g)
		}
	}
	b.nodes = kept
	var fresh []definition.Node
	for _, n := range nodes {
		if !had[n.Path] {
			fresh = append(fresh, n)
		} else if err := b.tree.Change(tree.Update(n.Path, n.Spec)); err != nil {
			b.fail(pos, "%v", err)
		}
	}
	b.add(fresh, pos)
	b.loops[loop] = nodes
}

// value returns the present reading of an attribute or of a cell.
func (b *bench) value(ref definition.Ref, row string) tree.Value {
	if ref.Column == "" {
		return b.readings[ref]
	}
	return b.tables[definition.Ref{Probe: ref.Probe, Attribute: ref.Attribute}][row][ref.Column]
}

// feed gives the nodes what their sources have to say after some of them changed.
func (b *bench) feed(fresh map[definition.Ref]bool) {
	for _, g := range b.nodes {
		s := g.node.Source
		var v tree.Value
		touched, reason := false, ""
		touch := func(ref definition.Ref) {
			ref.Column = ""
			touched = touched || fresh[ref]
		}
		if s.Value == nil {
			ref := definition.Ref{Probe: s.Probe, Attribute: s.Attribute, Column: s.Column}
			touch(ref)
			v = b.value(ref, s.Row)
		} else {
			for _, ref := range s.Value.Refs() {
				touch(ref)
			}
			var err error
			v, err = s.Value.Eval(func(i int) tree.Value { return b.value(s.Value.Refs()[i], s.Row) })
			if err != nil {
				reason = err.Error()
			}
		}
		if !touched {
			continue
		}
		if reason == "" {
			out, ok, err := g.convert.Reading(s, v, b.now)
			switch {
			case err != nil:
				reason = err.Error()
			case !ok && v.IsNone():
				reason = "the probe has no value"
			case !ok:
				continue
			}
			v = out
		}
		b.report(g.node, v, reason)
	}
}

func (b *bench) report(n definition.Node, v tree.Value, reason string) {
	ref, ok := b.tree.Lookup(n.Path)
	if !ok {
		return
	}
	// Without a time of its own a reading is taken also when it is the second one of
	// the same moment, as one that is given after the readings of a step.
	r := tree.Report{Node: ref, Value: v, Reason: reason}
	if n.Spec.Kind == tree.Log && reason == "" {
		r.Value, r.Events = tree.Value{}, []tree.Event{event(v.String(), b.now)}
	}
	b.tree.Report(r)
}

// event makes the line of a log: "red: disk failed", or any other text, which is green.
func event(text string, at time.Time) tree.Event {
	e := tree.Event{Time: at, Status: tree.Green, Text: text}
	if name, rest, ok := strings.Cut(text, ": "); ok {
		if s, err := tree.ParseStatus(name); err == nil {
			e.Status, e.Text = s, rest
		}
	}
	return e
}

// give gives a node a reading past its source.
func (b *bench) give(g definition.StepGiven) {
	node, ok := b.node(g.Path, g.Pos)
	if !ok {
		return
	}
	reason := ""
	if g.Value.IsNone() {
		reason = "the test gives no value"
	}
	b.report(definition.Node{Path: node.Path, Spec: node.Spec}, g.Value, reason)
}

func (b *bench) node(p tree.Path, pos source.Pos) (tree.Node, bool) {
	full, err := b.instance.At.Join(p)
	if err == nil {
		var n tree.Node
		if n, err = b.tree.Node(full); err == nil {
			return n, true
		}
	}
	b.fail(pos, "there is no node %s now", name(p))
	return tree.Node{}, false
}

// name is the path of a node for people: as the test writes it.
func name(p tree.Path) string {
	if p.IsRoot() {
		return "the top"
	}
	return fmt.Sprintf("%q", strings.TrimPrefix(p.String(), "/"))
}

func (b *bench) expect(e definition.StepExpect) {
	if e.Absent {
		full, err := b.instance.At.Join(e.Path)
		if err == nil {
			if _, ok := b.tree.Lookup(full); ok {
				b.fail(e.Pos, "%s is there, expected absent", name(e.Path))
			}
		}
		return
	}
	n, ok := b.node(e.Path, e.Pos)
	if !ok {
		return
	}
	if e.Status != nil && n.Status != *e.Status {
		b.fail(e.Pos, "%s is %s, expected %s%s", name(e.Path), n.Status, *e.Status, b.why(n))
	}
	if !strings.Contains(n.Reason, e.Because) {
		b.fail(e.Pos, "%s is %s because of %q, expected %q", name(e.Path), n.Status, n.Reason, e.Because)
	}
	if e.Value != nil && !same(n.Value, *e.Value) {
		b.fail(e.Pos, "%s has the value %s, expected %s", name(e.Path), show(n.Value), show(*e.Value))
	}
}

// why says where a status comes from.
func (b *bench) why(n tree.Node) string {
	if n.Kind != tree.Group {
		switch {
		case n.Reason != "":
			return " (" + n.Reason + ")"
		case !n.Value.IsNone():
			return " (value " + show(n.Value) + ")"
		}
		return " (no reading)"
	}
	causes, err := b.tree.Cause(n.Path)
	if err != nil || len(causes) == 0 {
		return ""
	}
	leaf, err := b.tree.Node(causes[0])
	if err != nil {
		return ""
	}
	below, _ := b.instance.At.Below(leaf.Path)
	if leaf.Kind == tree.Group {
		return ""
	}
	detail := strings.TrimSuffix(strings.TrimPrefix(b.why(leaf), " ("), ")")
	return fmt.Sprintf(" (because of %s: %s, %s)", name(below), leaf.Status, detail)
}

func show(v tree.Value) string {
	if v.IsNone() {
		return "nothing"
	}
	if t, ok := v.Text(); ok {
		return fmt.Sprintf("%q", t)
	}
	return v.String()
}

// same holds for equal texts and for numbers that differ by rounding only.
func same(a, b tree.Value) bool {
	x, okX := a.Number()
	y, okY := b.Number()
	if okX && okY {
		return x == y || math.Abs(x-y) <= 1e-9*max(math.Abs(x), math.Abs(y))
	}
	return a == b
}
