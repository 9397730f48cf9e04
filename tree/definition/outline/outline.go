// Package outline says what a definition writes before anybody uses it: each node that
// stands in it once, with a pattern of the paths that its copies will have. Dashboards
// and rules are made of it, which serve every instance.
//
// A definition says only to an instance what it grows, so the outline grows it with its
// defaults, then with the parameters of each of its roll-up tests, and its loops with the
// rows of those tests and a row of samples. What none of them brings to light is not in
// the outline: a condition that no test fulfils, or rows that only one table in the world
// has.
package outline

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition"
	"grove/tree/definition/source"
)

// anyName stands in a pattern for a name that differs between copies.
const anyName = "[^/]+"

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
	// Always says that every instance has the node, under this one path.
	Always bool
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
	if err := o.expand(d, &definition.Test{Pos: d.Pos}, true); err != nil {
		return nil, err
	}
	for i := range d.Tests {
		if err := o.expand(d, &d.Tests[i], false); err != nil {
			return nil, err
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

// expand grows the definition as one test has it.
func (o *outliner) expand(d *definition.Definition, t *definition.Test, defaults bool) error {
	instance, errs := d.ForTest(t)
	if err := errs.Err(); err != nil {
		return fmt.Errorf("outline of %s: %w", d.Application, err)
	}
	keys := map[tree.Path]string{} // of the nodes of this expansion, by path
	for i := range instance.Nodes {
		o.add(&instance.Nodes[i], keys, tree.Root, defaults)
	}
	for _, l := range instance.Loops {
		rows := []map[string]tree.Value{}
		for _, s := range t.Steps {
			for _, r := range s.Rows {
				if r.Probe == l.Probe && r.Table == l.Table {
					rows = append(rows, r.Rows...)
				}
			}
		}
		for _, row := range append(rows, sample(instance, l)) {
			nodes, err := l.Expand(row)
			if err != nil {
				continue // A row of samples may be nonsense to the definition.
			}
			for i := range nodes {
				o.add(&nodes[i], keys, l.Parent, false)
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
func (o *outliner) add(n *definition.Node, keys map[tree.Path]string, loop tree.Path, defaults bool) {
	parent := keys[n.Path.Parent()]
	key := parent + "\n" + n.Pos.String()
	keys[n.Path] = key
	known := o.byKey[key]
	if known == nil {
		known = &Node{Name: n.Path.Name(), Spec: n.Spec, Source: n.Source, path: n.Path, pos: n.Pos, byDefaults: defaults}
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
	if i, found := slices.BinarySearch(known.Metrics, n.Spec.Metric); !found {
		known.Metrics = slices.Insert(known.Metrics, i, n.Spec.Metric)
	}
	if known.byDefaults == defaults && !sameColours(known.Spec, n.Spec) {
		known.Varies = true
	}
}

func sameColours(a, b *tree.Spec) bool {
	x, y := *a, *b
	x.Labels, y.Labels, x.Description, y.Description, x.Metric, y.Metric = nil, nil, "", "", "", ""
	x.Properties, y.Properties, x.Source, y.Source = nil, nil, "", ""
	return x.Equal(&y)
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
			n.Name, name = "*", anyName
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
