package definition

import (
	"maps"

	"grove/tree"
	"grove/tree/definition/file"
	"grove/tree/definition/rule"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// What is kept of the readings of nodes, and what is known of the things that they
// stand for.

// defaultHistory is what the definition says of the history of all its nodes.
func (x *expansion) defaultHistory() tree.History {
	said := &x.def.history
	if !said.Given() {
		return tree.History{}
	}
	filled, sample, errs := fillValue(&said.Value, x.scope, false)
	x.errs.Append(errs...)
	if sample || len(errs) > 0 {
		return tree.History{}
	}
	h, errs := rule.ParseHistory(&filled)
	x.errs.Append(errs...)
	return h
}

// keepHistory gives the node what it says of its history, or what those above say.
func (x *expansion) keepHistory(above tree.History, n *file.Node, b *built) {
	h := above
	if n.History.Given() {
		var errs source.Errors
		h, errs = rule.ParseHistory(&n.History.Value)
		x.errs.Append(errs...)
	}
	if h != (tree.History{}) {
		b.spec.History = &h
	}
}

// history is what holds for the nodes below.
func (b *built) history() tree.History {
	if b.spec.History == nil {
		return tree.History{}
	}
	return *b.spec.History
}

// topProperties puts the properties of the definition and of the instance on the top
// of the instance. What the instance says goes before what the tree says, and that
// before what the definition says.
func (x *expansion) topProperties() {
	general, own := x.fillProperties(x.def.properties.Given(), &x.def.properties.Value, nil), x.fillProperties(x.own.properties != nil, x.own.properties, x.own.row)
	if len(x.nodes) == 0 || len(general)+len(own) == 0 {
		return
	}
	top := *x.nodes[0].Spec
	all := make(map[string]string, len(general)+len(own)+len(top.Properties))
	maps.Copy(all, general)
	maps.Copy(all, top.Properties)
	maps.Copy(all, own)
	top.Properties = all
	x.nodes[0].Spec = &top
}

func (x *expansion) fillProperties(given bool, v *source.Value, row *variable.Value) map[string]string {
	if !given {
		return nil
	}
	scope := x.scope
	if row != nil {
		scope = rowScope(scope, *row, true)
	}
	filled, _, errs := fillValue(v, scope, false)
	x.errs.Append(errs...)
	if len(errs) > 0 {
		return nil
	}
	properties, errs := rule.ParseProperties(&filled)
	x.errs.Append(errs...)
	return properties
}
