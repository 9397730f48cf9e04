// Package outline says what a definition writes before anybody uses it: each node that
// stands in it once, with a pattern of the paths that its copies will have. Dashboards
// and rules are made of it, which serve every instance.
//
// A definition says only to an instance what it grows, so the outline grows it with its
// defaults, then with the parameters of each of its roll-up tests, and its loops each time
// with the rows of all those tests and a row of samples. What none of them brings to light is not in
// the outline: a condition that no test fulfils, or rows that only one table in the world
// has.
package outline

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/source"
)

// AnyName stands in a pattern for a name that differs between copies.
const AnyName = "[^/]+"

// Node is a node as a definition writes it.
type Node struct {
	// Name is what the definition calls it; "*" when its copies have different names.
	Name string
	// Pattern is a regular expression (RE2) of the paths of its copies below the
	// instance: "" for the instance itself, `/Networks/[^/]+/In`.
	Pattern string
	// Title is the path for people: "Networks / * / In"; empty for the instance.
	Title string
	// Spec is that of the first copy, grown with the definition's defaults if it grows
	// with them.
	Spec   *tree.Spec
	Source *definition.Source
	// Metrics are the names of the metrics of its copies, sorted; "" for none.
	Metrics []string
	// Units are the units of its copies, sorted; "" for none.
	Units []string
	// Always says that every instance has the node, under this one path.
	Always bool
	// Number says that its readings are numbers, truth values among them, so that its
	// values are a series for exporters; those of a node whose expression may yield
	// anything are not counted as such.
	Number bool
	// Varies says that its copies have other thresholds or units than Spec.
	Varies   bool
	Children []*Node

	path       tree.Path // of the first copy
	pos        source.Pos
	copies     bool // its own name differs
	byDefaults bool
}

// Of returns the outline of a definition: the node of the instance itself.
func Of(d *definition.Definition) (*Node, error) {
	o := outliner{byKey: map[string]*Node{}}
	var rows []definition.StepRows
	for i := range d.Tests {
		for _, s := range d.Tests[i].Steps {
			rows = append(rows, s.Rows...)
		}
	}
	if err := o.expand(d, &definition.Test{Pos: d.Pos}, rows, true); err != nil {
		return nil, err
	}
	for i := range d.Tests {
		if t := &d.Tests[i]; t.With != nil {
			if err := o.expand(d, t, rows, false); err != nil {
				return nil, err
			}
		}
	}
	if o.top == nil {
		return nil, fmt.Errorf("definition %s grows nothing", d.Application)
	}
	finish(o.top, nil)
	return o.top, nil
}

// All yields a node and all below it, parents first.
func (n *Node) All() []*Node {
	out := []*Node{n}
	for _, c := range n.Children {
		out = append(out, c.All()...)
	}
	return out
}

// Attribute says whether the node holds something, and is no group.
func (n *Node) Attribute() bool { return n.Spec.Kind != tree.Group }

// Colours says whether the node can be yellow or red by itself.
func (n *Node) Colours() bool {
	t := n.Spec.Threshold
	switch n.Spec.Kind {
	case tree.Performance:
		return t != nil && (t.Yellow.Form != tree.Never || t.Red.Form != tree.Never || len(t.States) > 0)
	case tree.State, tree.Log:
		return true
	}
	return false
}

type outliner struct {
	byKey map[string]*Node
	top   *Node
}

// expand grows the definition with the parameters of a test.
func (o *outliner) expand(d *definition.Definition, t *definition.Test, given []definition.StepRows, defaults bool) error {
	instance, errs := d.ForTest(t)
	if err := errs.Err(); err != nil {
		return fmt.Errorf("outline of %s: %w", d.Application, err)
	}
	keys := map[tree.Path]string{} // of the nodes of this expansion, by path
	for i := range instance.Nodes {
		o.add(instance, &instance.Nodes[i], keys, tree.Root, defaults)
	}
	for _, l := range instance.Loops {
		var rows []map[string]tree.Value
		for _, r := range given {
			if r.Probe == l.Probe && r.Table == l.Table {
				rows = append(rows, r.Rows...)
			}
		}
		for _, row := range append(rows, sample(instance, l)) {
			nodes, err := l.Expand(row)
			if err != nil {
				continue // A row may be nonsense to parameters that it was not made for.
			}
			for i := range nodes {
				o.add(instance, &nodes[i], keys, l.Parent, defaults)
			}
		}
	}
	return nil
}

// sample makes a row of a loop's table.
func sample(i *definition.Instance, l *definition.Loop) map[string]tree.Value {
	row := map[string]tree.Value{}
	for _, table := range i.Attributes(l.Probe) {
		if table.Name != l.Table {
			continue
		}
		for _, c := range table.Columns {
			switch c.Type {
			case beans.TypeString, beans.TypeName:
				row[c.Name] = tree.Text("sample")
			default:
				row[c.Name] = tree.Number(1)
			}
		}
	}
	return row
}

// add takes a node into the outline. Nodes are copies of each other when they stand at the
// same place of the definition, and so do the nodes above them. Loop is the path under
// which the rows of a loop hang.
func (o *outliner) add(i *definition.Instance, n *definition.Node, keys map[tree.Path]string, loop tree.Path, defaults bool) {
	parent := keys[n.Path.Parent()]
	key := parent + "\n" + n.Pos.String()
	keys[n.Path] = key
	known := o.byKey[key]
	if known == nil {
		known = &Node{Name: n.Path.Name(), Spec: n.Spec, Source: n.Source, path: n.Path, pos: n.Pos, byDefaults: defaults, Number: number(i, n)}
		o.byKey[key] = known
		if above := o.byKey[parent]; above != nil {
			above.Children = append(above.Children, known)
		} else {
			o.top = known
		}
	}
	if known.Name != n.Path.Name() || loop == n.Path.Parent() && loop != tree.Root {
		known.copies = true
	}
	known.Metrics = insert(known.Metrics, n.Spec.Metric)
	known.Units = insert(known.Units, n.Spec.Unit)
	if known.byDefaults == defaults && !sameColours(known.Spec, n.Spec) {
		known.Varies = true
	}
}

// insert adds a text to a sorted list of different ones.
func insert(list []string, text string) []string {
	if at, found := slices.BinarySearch(list, text); !found {
		return slices.Insert(list, at, text)
	}
	return list
}

// number says whether the readings of a node are numbers.
func number(i *definition.Instance, n *definition.Node) bool {
	if n.Spec.Kind != tree.State || n.Source == nil || n.Source.Value != nil {
		return n.Spec.Kind == tree.Performance
	}
	for _, a := range i.Attributes(n.Source.Probe) {
		if a.Name != n.Source.Attribute {
			continue
		}
		of := a.Type
		for _, c := range a.Columns {
			if c.Name == n.Source.Column {
				of = c.Type
			}
		}
		switch of {
		case beans.TypeBool, beans.TypeInt, beans.TypeFloat, beans.TypeDuration:
			return true
		}
	}
	return false
}

// sameColours holds for nodes whose numbers mean the same.
func sameColours(a, b *tree.Spec) bool {
	x, y := a.Threshold, b.Threshold
	if a.Kind != b.Kind || a.Unit != b.Unit || (x == nil) != (y == nil) {
		return false
	}
	return x == nil || x.Yellow == y.Yellow && x.Red == y.Red && maps.Equal(x.States, y.States)
}

// finish says of each node what follows from those above it, and puts children in the
// order of the file.
func finish(n, above *Node) {
	switch {
	case above == nil:
		n.Always = true
	default:
		text := n.path.String()
		name := regexp.QuoteMeta(text[strings.LastIndexByte(text, '/')+1:])
		if n.copies {
			n.Name, name = "*", AnyName
		}
		n.Pattern = above.Pattern + "/" + name
		n.Title = strings.TrimPrefix(above.Title+" / "+n.Name, " / ")
		n.Always = above.Always && n.byDefaults && !n.copies
	}
	slices.SortStableFunc(n.Children, func(a, b *Node) int {
		return cmp.Or(strings.Compare(a.pos.File, b.pos.File), a.pos.Line-b.pos.Line, a.pos.Column-b.pos.Column)
	})
	for _, c := range n.Children {
		finish(c, n)
	}
}
