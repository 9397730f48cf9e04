package definition

import (
	"math"
	"slices"
	"strings"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/file"
	"grove/tree/definition/rule"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// What the status of nodes means to people: how they alert, what they depend on, and
// which group has failed when one of them is red.

func (b *built) alerting() *tree.Alerting {
	if b.spec.Alerting == nil {
		b.spec.Alerting = &tree.Alerting{}
	}
	return b.spec.Alerting
}

// alerting reads what groups and attributes alike say of alerts.
func (x *expansion) alerting(n *file.Node, b *built, attribute bool) {
	if n.Alert.Given() {
		x.errs.Append(rule.ParseAlert(&n.Alert.Value, !attribute, b.alerting())...)
	}
	if n.DependsOn.Given() {
		if paths := x.paths(&n.DependsOn.Value, x.check); len(paths) > 0 {
			b.alerting().DependsOn, b.dependsOn = paths, n.DependsOn.Pos
		}
	}
}

// needed is a node of the definition that another depends on.
type needed struct {
	said  *source.Value
	below tree.Path
}

// paths reads the nodes that something depends on: a path or a list of paths, absolute
// ones and those below the top. An empty text, as of a variable that says nothing, names
// none. Those below the top must be there if so is asked.
func (x *expansion) paths(v *source.Value, mustBe bool) (out []tree.Path) {
	items := v.Items
	switch v.Kind {
	case source.Scalar:
		items = []source.Value{*v}
	case source.Map:
		x.errs.Add(v.Pos, "depends_on is a path or a list of paths, not a map")
		return nil
	}
	if len(items) > tree.MaxAlerting {
		x.errs.Add(v.Pos, "more than %d nodes to depend on", tree.MaxAlerting).WithHint("name a group that holds them")
		return nil
	}
	for i := range items {
		item := &items[i]
		text, bad := item.Str()
		if bad != nil {
			x.errs.Append(bad)
			continue
		}
		if text == "" {
			continue
		}
		p, err := tree.ParsePath("/" + strings.TrimPrefix(text, "/"))
		if err == nil && !strings.HasPrefix(text, "/") {
			if mustBe {
				x.needed = append(x.needed, needed{item, p})
			}
			p, err = x.at.Join(p)
		}
		switch {
		case err != nil:
			x.errs.Add(item.Pos, "depends_on: %w", err)
		case p.IsRoot():
			x.errs.Add(item.Pos, "depends_on: the root is above everything").WithHint("name what can fail without the rest")
		case !slices.Contains(out, p):
			out = append(out, p)
		}
	}
	return out
}

// topDependsOn puts what the definition and the instance depend on to what the top says.
func (x *expansion) topDependsOn() {
	var more []tree.Path
	if x.def.dependsOn.Given() {
		more = x.filledPaths(&x.def.dependsOn.Value, nil, x.check)
	}
	if x.own.dependsOn != nil {
		more = append(more, x.filledPaths(x.own.dependsOn, x.own.row, true)...)
	}
	if len(x.nodes) == 0 || len(more) == 0 {
		return
	}
	pos := x.def.dependsOn.Pos
	if x.own.dependsOn != nil {
		pos = x.own.dependsOn.Pos
	}
	top := *x.nodes[0].Spec
	var a tree.Alerting
	if top.Alerting != nil {
		a = *top.Alerting
	}
	a.DependsOn = slices.Clone(a.DependsOn)
	for _, p := range more {
		if !slices.Contains(a.DependsOn, p) {
			a.DependsOn = append(a.DependsOn, p)
		}
	}
	top.Alerting = &a
	x.nodes[0].Spec = &top
	x.notItself(pos, x.at, &tree.Alerting{DependsOn: more})
}

func (x *expansion) filledPaths(v *source.Value, row *variable.Value, mustBe bool) []tree.Path {
	scope := x.scope
	if row != nil {
		scope = rowScope(scope, *row, true)
	}
	filled, sample, errs := fillValue(v, scope, false)
	x.errs.Append(errs...)
	if len(errs) > 0 || sample && x.check {
		return nil
	}
	return x.paths(&filled, mustBe)
}

// notItself says when a node depends on itself or on what is above it, which can do
// nothing without it either.
func (x *expansion) notItself(pos source.Pos, path tree.Path, a *tree.Alerting) {
	for _, p := range a.DependsOn {
		if p.Contains(path) {
			x.errs.Add(pos, "depends_on: %s lies below %s, or is the same", path, p).WithHint("what is above a node cannot be its cause: name another one, or use vital")
			return
		}
	}
}

// checkNeeded says of paths below the top that nothing there can have them.
func (x *expansion) checkNeeded() {
	for _, n := range x.needed {
		if p, err := x.at.Join(n.below); err == nil && !x.grows(p) {
			x.noNode(n.said, x.at, n.below)
		}
	}
}

// vital is which group fails with a node, as the node says it.
type vital struct {
	said *source.Value // nil: the node says nothing
	text string
	up   string // the probe whose answer the node shows; empty: it shows something else
}

// The words of vital; every other is the name of a group above.
const (
	vitalNever  = "false"
	vitalParent = "true"
	vitalTop    = "top"
)

// vital reads which group fails with an attribute.
func (x *expansion) vital(n *file.Node, b *built) {
	if r := b.reading; r != nil && b.program == nil && !r.row && r.source.Attribute == "up" && r.source.Column == "" &&
		r.source.Change == NoChange && r.info != nil && r.info.Type == beans.TypeBool && b.spec.Kind != tree.TextKind {
		b.vital.up = r.source.Probe
	}
	if !n.Vital.Given() {
		return
	}
	v := &n.Vital.Value
	text, bad := v.Str()
	if on, err := v.Bool(); err == nil && !v.Quoted {
		text, bad = vitalNever, nil
		if on {
			text = vitalParent
		}
	}
	switch {
	case bad != nil:
		x.errs.Append(bad)
		return
	case text == "":
		x.errs.Add(v.Pos, "vital is true, false, top or the name of a group above, and says nothing")
		return
	case b.spec.Kind == tree.TextKind && text != vitalNever:
		x.errs.Add(v.Pos, "a node of kind text is never red, so that nothing fails with it").WithHint("vital is for nodes that have a status")
		return
	}
	b.vital.said, b.vital.text = v, text
}

// upNode is a node that shows whether a probe has an answer, and says nothing else of
// what fails with it.
type upNode struct {
	node  int // in nodes
	shape *shape
	built *built
}

// vitalSpec returns the spec of a copy of a node, by the place where it is.
func (x *expansion) vitalSpec(s *shape, b *built, p place, path tree.Path) *tree.Spec {
	if b.dependsOn.Line > 0 {
		x.notItself(b.dependsOn, path, b.spec.Alerting)
	}
	switch {
	case b.vital.said == nil:
		if b.vital.up != "" && !x.check && p.row == nil {
			x.ups = append(x.ups, upNode{len(x.nodes), s, b})
		}
		return b.spec
	case b.vital.text == vitalNever:
		return b.spec
	case b.vital.text == vitalParent:
		return x.failing(s, b, path.Parent(), path)
	case b.vital.text == vitalTop:
		return x.failing(s, b, x.at, path)
	}
	var above []string
	for group := path.Parent(); group != x.at && x.at.Contains(group); group = group.Parent() {
		if group.Name() == b.vital.text {
			return x.failing(s, b, group, path)
		}
		above = append(above, group.Name())
	}
	if x.check && p.sample {
		return b.spec // The names above are samples.
	}
	e := x.errs.Add(b.vital.said.Pos, "vital: no group %q is above the node", b.vital.text)
	switch e.Hint = source.DidYouMean(b.vital.text, append(above, vitalTop, vitalParent, vitalNever)); {
	case e.Hint != "":
	case len(above) == 0:
		e.Hint = "true is the group that the node is in, top the whole instance"
	default:
		e.Hint = "true is " + quoted(above[0]) + ", top the whole instance; above are " + strings.Join(above, ", ")
	}
	return b.spec
}

// failing returns the spec of a copy of a node with which a group fails.
func (x *expansion) failing(s *shape, b *built, group, path tree.Path) *tree.Spec {
	levels := path.Depth() - group.Depth()
	if levels < 1 || levels > math.MaxUint8 {
		return b.spec
	}
	if spec := b.levels[uint8(levels)]; spec != nil {
		return spec
	}
	spec := *b.spec
	var a tree.Alerting
	if spec.Alerting != nil {
		a = *spec.Alerting
	}
	a.Vital = uint8(levels)
	spec.Alerting = &a
	if !x.check {
		x.def.alike.spec(s, &spec)
	}
	if b.levels == nil {
		b.levels = map[uint8]*tree.Spec{}
	}
	b.levels[uint8(levels)] = &spec
	return &spec
}

// vitalByDefault has the smallest group that holds everything that a probe feeds fail
// with the node that shows whether the probe has an answer: without one nothing else of
// it can be known, nor is what comes of other probes there another trouble.
func (x *expansion) vitalByDefault() {
	if len(x.ups) == 0 {
		return
	}
	groups := map[string]tree.Path{}
	holds := func(probe string, group tree.Path) {
		common, ok := groups[probe]
		if !ok {
			groups[probe] = group
			return
		}
		for !common.Contains(group) {
			common = common.Parent()
		}
		groups[probe] = common
	}
	for i := range x.nodes {
		s := x.nodes[i].Source
		switch {
		case s == nil:
		case s.Value == nil:
			holds(s.Probe, x.nodes[i].Path.Parent())
		default:
			for _, ref := range s.Value.Refs() {
				holds(ref.Probe, x.nodes[i].Path.Parent())
			}
		}
	}
	for i, l := range x.loops {
		for _, p := range x.probeList {
			if p.Name == l.Probe || mentions(x.loopTexts[i], p.Name) {
				holds(p.Name, l.Parent)
			}
		}
	}
	for _, up := range x.ups {
		n := &x.nodes[up.node]
		n.Spec = x.failing(up.shape, up.built, groups[up.built.vital.up], n.Path)
	}
}

// Unmet names each node that something depends on although nothing in the plan grows it.
// That is no error: other files, or a program, may bring it; but until then nothing
// follows from it, which is worth a warning.
func (p *Plan) Unmet() (warnings source.Errors) {
	var known map[tree.Path]bool
	for _, i := range p.Instances {
		for n := range i.Nodes {
			node := &i.Nodes[n]
			if node.Spec.Alerting == nil || len(node.Spec.Alerting.DependsOn) == 0 {
				continue
			}
			if known == nil {
				known = p.grown()
			}
			pos := node.Pos
			if node.Path == i.At {
				pos = i.Pos
			}
			for _, on := range node.Spec.Alerting.DependsOn {
				if !known[on] && !p.mayGrow(on) {
					warnings.Add(pos, "%s depends on %s, which is no node of these files", node.Path, on).WithHint("nothing follows from it until it is there")
				}
			}
		}
	}
	return warnings.Sorted()
}

// grown are the nodes of the plan, and the groups above its instances.
func (p *Plan) grown() map[tree.Path]bool {
	known := map[tree.Path]bool{}
	for _, i := range p.Instances {
		for n := range i.Nodes {
			known[i.Nodes[n].Path] = true
		}
		for above := i.At; !above.IsRoot(); above = above.Parent() {
			known[above] = true
		}
	}
	return known
}

// mayGrow says whether a row could bring a node.
func (p *Plan) mayGrow(path tree.Path) bool {
	return slices.ContainsFunc(p.Instances, func(i *Instance) bool {
		return slices.ContainsFunc(i.Loops, func(l *Loop) bool { return l.Parent != path && l.Parent.Contains(path) })
	})
}
