package metric

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"grove/tree"
)

// Type is the type of the samples of a family, in the words of OpenMetrics 1.0.0
// ("Metric Types").
type Type string

// The types that families of a tree have.
const (
	Gauge    Type = "gauge"
	Counter  Type = "counter"
	StateSet Type = "stateset" // only OpenMetrics knows it
)

// Family is what all samples of one name are.
type Family struct {
	Name string // as it is queried; a counter's ends in _total
	Type Type
	Unit string // of the samples; empty: none, or each says its own in the label "unit"
	Help string
}

// Generic are the families that every tree has, sorted by name.
var Generic = []Family{
	{GroupNodes, Gauge, "", "Attributes anywhere below a group, by status."},
	{ReadingTime, Gauge, "seconds", "When the last reading of a node was taken, in Unix time."},
	{State, StateSet, "", "Status of a node, as a state set."},
	{Status, Gauge, "", "Status of a node: 0 white (nothing is known), 1 green, 2 yellow, 3 red."},
	{Value, Gauge, "", "Value of a node, in its unit."},
}

// Claims returns the names that a family takes from all others. OpenMetrics (1.0.0,
// "MetricFamily Name") forbids two families that share a name or whose samples could.
func (f *Family) Claims() []string {
	if f.Type == Counter {
		return CounterClaims(f.Name)
	}
	return []string{f.Name}
}

// CounterClaims are the names that a counter takes.
func CounterClaims(name string) []string {
	short := strings.TrimSuffix(name, "_total")
	return []string{short, short + "_total", short + "_created"}
}

// Claims are names that are taken.
type Claims map[string]struct{}

// Claim takes names if none of them is taken.
func (c Claims) Claim(names []string) bool {
	for _, n := range names {
		if _, ok := c[n]; ok {
			return false
		}
	}
	for _, n := range names {
		c[n] = struct{}{}
	}
	return true
}

// Families sorts nodes into families by the metrics that their definitions name. The
// first node of a family says its help and its unit.
type Families struct {
	Taken    Claims
	reserved func(name string) bool
	byName   map[string]*Family
}

// NewFamilies returns Families that hold only the generic ones. No definition gets a
// name that is reserved; nil reserves none.
func NewFamilies(reserved func(name string) bool) *Families {
	f := &Families{Taken: Claims{}, reserved: reserved, byName: map[string]*Family{}}
	for i := range Generic {
		f.Taken[Generic[i].Name] = struct{}{}
	}
	return f
}

// Of returns the family of a node that names a metric, and how its values get the
// family's unit, or says why the metric cannot be used.
func (f *Families) Of(s *tree.Spec) (family *Family, scale *Scale, refused string) {
	unit, scale := BaseUnit(s.Metric, s.Unit)
	if known := f.byName[s.Metric]; known != nil {
		if known.Unit != unit {
			return nil, nil, fmt.Sprintf("is in %s elsewhere, not in %s", orNone(known.Unit), orNone(unit))
		}
		return known, scale, ""
	}
	if refused := RefuseName(s.Metric); refused != "" {
		return nil, nil, refused
	}
	family = &Family{Name: s.Metric, Type: Gauge, Unit: unit, Help: s.Description}
	if strings.HasSuffix(s.Metric, "_total") {
		family.Type = Counter
	}
	if f.reserved != nil && slices.ContainsFunc(family.Claims(), f.reserved) {
		return nil, nil, "is one of grove's own"
	}
	if !f.Taken.Claim(family.Claims()) {
		return nil, nil, "has the name of another metric, or of one of its samples"
	}
	if family.Help == "" {
		family.Help = "Value of a node."
	}
	f.byName[s.Metric] = family
	return family, scale, ""
}

// Named lists the families that definitions named, sorted by name.
func (f *Families) Named() []*Family {
	out := make([]*Family, 0, len(f.byName))
	for _, name := range slices.Sorted(maps.Keys(f.byName)) {
		out = append(out, f.byName[name])
	}
	return out
}

func orNone(unit string) string {
	if unit == "" {
		return "no unit"
	}
	return unit
}

// Nodes goes over all nodes of a tree, for Describe.
func Nodes(t *tree.Tree) func(yield func(*tree.Node) bool) error {
	return func(yield func(*tree.Node) bool) error { return t.Walk(tree.Root, -1, yield) }
}

// Describe lists the families of the nodes that a walk yields, sorted by name: what the
// metadata of Prometheus' interface says. A walk that fails has no nodes. Of all nodes
// it takes long: keep the result while [tree.Tree.Structure] stays.
func Describe(walk func(yield func(*tree.Node) bool) error) []Family {
	families := NewFamilies(nil)
	_ = walk(func(n *tree.Node) bool {
		if n.Kind != tree.Group && n.Spec != nil && n.Spec.Metric != "" {
			_, _, _ = families.Of(n.Spec) // What is refused has the generic name.
		}
		return true
	})
	out := slices.Clone(Generic)
	for _, f := range families.Named() {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return out
}
