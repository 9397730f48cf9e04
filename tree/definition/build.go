package definition

import (
	"fmt"
	"strings"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/expression"
	"grove/tree/definition/file"
	"grove/tree/definition/rule"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// builtKey tells apart what was built of the settings of a shape: by the texts that
// its variables came to.
type builtKey struct {
	shape *shape
	row   *rowInfo
	texts string
	// above is what the nodes above say of their history.
	above tree.History
}

// built is what the settings of a node came to. Nodes that are alike share it.
type built struct {
	spec    *tree.Spec
	reading *reading // nil: nothing feeds the node
	program *expression.Program
	derived *Expression // the value of a node that no variable changes
	bad     bool
	vital   vital
	// dependsOn is where the node says what it depends on; zero: it does not.
	dependsOn source.Pos
	levels    map[uint8]*tree.Spec // the specs of copies that are vital for groups so far above
}

// build makes the spec and the source of a node, or takes those of a node that is
// alike.
func (x *expansion) build(s *shape, p place) (*built, bool) {
	key := builtKey{shape: s, row: p.row, above: p.history}
	sample := p.sample && len(s.texts) == 0 // then nothing here depends on the sample
	var filled []filling
	var vague map[int]bool // settings that hold a sample
	if len(s.texts) > 0 {
		filled = make([]filling, len(s.texts))
		var texts strings.Builder
		for i := range s.texts {
			if f, ok := s.list(i, p.scope); ok {
				if f.list.Sample {
					if vague == nil {
						vague = map[int]bool{}
					}
					vague[s.texts[i].top] = true
				}
				filled[i] = f
				fmt.Fprintf(&texts, "%v\x00", f.list.Plain())
				continue
			}
			text, isSample, err := s.texts[i].text.Fill(p.scope, false)
			if err != nil {
				x.errs.Append(fillError(s.texts[i].pos, err))
				return nil, false
			}
			if isSample || s.texts[i].bad {
				if vague == nil {
					vague = map[int]bool{}
				}
				vague[s.texts[i].top] = true
			}
			filled[i].text = text
			texts.WriteString(text + "\x00")
		}
		key.texts = texts.String()
	}
	if sample {
		vague = nil
	}
	if b, ok := x.built[key]; ok {
		return b, !b.bad
	}
	before := len(x.errs)
	b := x.fresh(s, p, filled, vague)
	b.bad = len(x.errs) > before
	if !b.bad && !x.check {
		x.def.alike.spec(s, b.spec)
	}
	x.built[key] = b
	return b, !b.bad
}

// fresh builds what no node before had.
func (x *expansion) fresh(s *shape, p place, filled []filling, vague map[int]bool) *built {
	settings := source.Value{Kind: source.Map, Pos: s.pos}
	next := 0
	fed := false
	for i, f := range s.settings {
		if len(filled) > 0 {
			f.Value = f.Value.Clone()
			refill(&f.Value, filled, &next)
		}
		if vague[i] {
			fed = fed || f.Key == "from" || f.Key == "value" || f.Key == "kind"
			continue
		}
		settings.Fields = append(settings.Fields, f)
	}
	var n file.Node
	what := "the node"
	x.errs.Append(settings.Decode(&n, source.DecodeOptions{What: what})...)
	b := &built{spec: &tree.Spec{Owner: x.owner}}
	x.common(&n, b, s.attr)
	x.keepHistory(p.history, &n, b)
	if !s.attr {
		x.group(&n, b)
		return b
	}
	x.attribute(s, p, &n, b, fed)
	return b
}

// filling is what the variables of a text came to: a text or, where the setting takes
// lists, the list that is its only variable.
type filling struct {
	text string
	list *variable.Value
}

// list returns what one of the texts comes to when that is a list.
func (s *shape) list(i int, scope *variable.Scope) (filling, bool) {
	if !file.TakesLists(s.settings[s.texts[i].top].Key) {
		return filling{}, false
	}
	name, only := s.texts[i].text.Only()
	if !only {
		return filling{}, false
	}
	v, err := scope.Lookup(name)
	if _, is := v.Any.([]variable.Value); err != nil || !is {
		return filling{}, false
	}
	return filling{list: &v}, true
}

// refill puts the texts into a copy of a setting, in the order in which texts found
// them.
func refill(v *source.Value, filled []filling, next *int) {
	switch v.Kind {
	case source.Scalar:
		if strings.Contains(v.Text, "${") {
			f := &filled[*next]
			*next++
			if f.list != nil {
				*v = asSource(*f.list, v.Pos)
				return
			}
			v.Text = f.text
		}
	case source.List:
		for i := range v.Items {
			refill(&v.Items[i], filled, next)
		}
	default:
		for i := range v.Fields {
			refill(&v.Fields[i].Value, filled, next)
		}
	}
}

func (x *expansion) common(n *file.Node, b *built, attribute bool) {
	if n.Description.Given() {
		text, bad := n.Description.Str()
		x.errs.Append(bad)
		b.spec.Description = text
	}
	if n.As.Given() {
		e, bad := rule.ParseEdge(&n.As.Value)
		x.errs.Append(bad)
		b.spec.Edge = e
	}
	if n.Weight.Given() {
		w, bad := rule.ParseWeight(&n.Weight.Value)
		x.errs.Append(bad)
		b.spec.Edge.Weight = w
	}
	if n.Properties.Given() {
		p, errs := rule.ParseProperties(&n.Properties.Value)
		x.errs.Append(errs...)
		b.spec.Properties = p
	}
	x.alerting(n, b, attribute)
}

func (x *expansion) group(n *file.Node, b *built) {
	if n.Rollup.Given() {
		r, errs := rule.ParseRollup(&n.Rollup.Value)
		x.errs.Append(errs...)
		b.spec.Rollup = r
	}
	if n.Expect.Given() {
		x.errs.Append(rule.ParseExpect(&n.Expect.Value, b.alerting())...)
	}
}

// attribute builds a node that has a value.
func (x *expansion) attribute(s *shape, p place, n *file.Node, b *built, vague bool) {
	first := s.settings[0].Pos
	for i := range s.settings {
		if f := &s.settings[i]; file.ForAttributes(f.Key) {
			first = f.Pos
			if len(s.children) > 0 {
				x.errs.Add(f.Pos, "%s is for attributes, but the node has children, so it is a group", f.Key)
				return
			}
			break
		}
	}
	if n.Rollup.Given() {
		x.errs.Add(n.Rollup.Pos, "rollup is for groups, but the node is an attribute")
	}
	if n.Expect.Given() {
		x.errs.Add(n.Expect.Pos, "expect is for groups, but the node is an attribute")
	}
	fed := n.From.Given() || n.Value.Given()
	switch {
	case n.From.Given() && n.Value.Given():
		x.errs.Add(n.Value.Pos, "a node has from or value, not both")
		return
	case n.From.Given():
		r, bad := x.reference(&n.From.Value, p)
		if bad != nil {
			x.errs.Append(bad)
			x.unfed(n)
			return
		}
		b.reading = r
	case n.Value.Given():
		if !x.derive(s, p, n, b) {
			x.unfed(n)
			return
		}
	case s.typo:
		x.unfed(n)
		return
	case !n.Kind.Given() && !vague:
		x.errs.Add(first, "nothing feeds the node").WithHint("give it from or value; or kind, when a program sends its readings")
		return
	}
	before := len(x.errs)
	x.kind(n, b)
	x.mode(n, b, fed || vague)
	x.number(n, b)
	x.threshold(n, b)
	x.exported(n, b)
	x.keep(n, b)
	x.vital(n, b)
	if b.reading != nil {
		b.spec.Source = b.label()
	}
	if len(x.errs) == before {
		if err := b.spec.Check(); err != nil {
			x.errs.Add(first, "%w", err)
		}
	}
}

// unfed finds what is wrong with a node although its source is wrong, so that people
// see all at once. What depends on the source is left out.
func (x *expansion) unfed(n *file.Node) {
	b := &built{spec: &tree.Spec{Kind: tree.Performance}}
	switch {
	case n.Kind.Given():
		before := len(x.errs)
		if x.kind(n, b); len(x.errs) > before {
			return
		}
	case n.States.Given():
		b.spec.Kind = tree.State
	}
	x.threshold(n, b)
	x.exported(n, b)
}

// label names the source of a node for people. Nodes of different rows share it.
func (b *built) label() string {
	s := b.reading.source
	switch {
	case b.program != nil:
		return b.program.String()
	case b.reading.row:
		return s.Probe + "." + s.Attribute + "." + s.Column
	}
	return s.String()
}

// derive compiles the value of a node.
func (x *expansion) derive(s *shape, p place, n *file.Node, b *built) bool {
	text, bad := n.Value.Str()
	if bad != nil {
		x.errs.Append(bad)
		return false
	}
	program, err := expression.Compile(text, x.resolver(p, true))
	if err != nil {
		plain := variable.Text{}
		for i := range s.texts {
			if s.texts[i].pos == n.Value.Pos {
				plain = s.texts[i].text
			}
		}
		x.errs.Append(expressionError(&n.Value.Value, &plain, err))
		return false
	}
	b.program = program
	r := &reading{source: Source{}}
	refs := 0
	for _, name := range program.Names() {
		if probe, ok := x.probeOf(name, p); ok {
			refs++
			if name.Base == "row" {
				r.row = true
			}
			r.probes = append(r.probes, probe)
		}
	}
	if refs == 0 {
		x.errs.Add(n.Value.Pos, "the value reads no probe, so it would never change").WithHint("name an attribute, as in status.active")
		return false
	}
	r.info = &beans.AttributeInfo{Type: map[expression.Type]beans.Type{
		expression.Number: beans.TypeFloat, expression.Text: beans.TypeString, expression.Bool: beans.TypeBool, expression.Any: beans.TypeAny,
	}[program.Result()]}
	b.reading = r
	if refs == len(program.Names()) {
		b.derived = x.bind(program, p)
		r.source.Value = b.derived
	}
	return true
}

// probeOf returns the probe whose reading a variable of an expression is.
func (x *expansion) probeOf(n expression.Name, p place) (*probeInfo, bool) {
	if n.Base == "row" && p.row != nil {
		return x.probes[p.row.probe], true
	}
	if n.Member == "" {
		return nil, false
	}
	if v, ok := p.scope.Get(n.Base); ok {
		if _, hasParts := v.Any.(map[string]variable.Value); hasParts {
			return nil, false
		}
	}
	probe, ok := x.probes[n.Base]
	return probe, ok
}

// bind connects the variables of a program with readings and with the values of
// parameters and items.
func (x *expansion) bind(program *expression.Program, p place) *Expression {
	e := &Expression{program: program, slots: make([]slot, len(program.Names()))}
	for i, n := range program.Names() {
		switch _, isRef := x.probeOf(n, p); {
		case !isRef:
			e.slots[i] = slot{-1, scopeValue(p.scope, n)}
			continue
		case n.Base == "row":
			table := ""
			if p.row.table != nil {
				table = p.row.table.Name
			}
			e.refs = append(e.refs, Ref{Probe: p.row.probe, Attribute: table, Column: n.Member})
		default:
			e.refs = append(e.refs, Ref{Probe: n.Base, Attribute: n.Member})
		}
		e.slots[i] = slot{ref: len(e.refs) - 1}
	}
	return e
}

// sourceAt returns the source of a node at a place: shared unless the row or a
// variable makes a difference.
func (b *built) sourceAt(x *expansion, p place) *Source {
	if b.reading == nil {
		return nil
	}
	shared := &b.reading.source
	if b.program != nil && b.derived == nil {
		s := *shared
		s.Value = x.bind(b.program, p)
		s.Row = p.rowKey
		return &s
	}
	if b.reading.row && shared.Row != p.rowKey {
		s := *shared
		s.Row = p.rowKey
		return x.def.alike.source(s)
	}
	if shared.Value == nil {
		return x.def.alike.source(*shared)
	}
	return shared
}

func (x *expansion) kind(n *file.Node, b *built) {
	if n.Kind.Given() {
		text, bad := n.Kind.Str()
		if bad != nil {
			x.errs.Append(bad)
			return
		}
		k, err := tree.ParseKind(text)
		if err != nil || k == tree.Group {
			e := x.errs.Add(n.Kind.Pos, "unknown kind %q of a node", text)
			if hint := source.DidYouMean(text, nodeKinds); hint != "" {
				e.Hint = hint
			} else {
				e.WithHint("performance, status, log or text")
			}
			return
		}
		b.spec.Kind = k
		if k == tree.Performance && b.isText() {
			x.errs.Add(n.Kind.Pos, "%s is a text, but a node of kind performance shows numbers", b.label())
		}
		return
	}
	b.spec.Kind = tree.Performance
	if b.reading == nil || b.reading.info == nil {
		if n.States.Given() {
			b.spec.Kind = tree.State
		}
		return
	}
	switch b.reading.info.Type {
	case beans.TypeBool, beans.TypeString, beans.TypeName:
		b.spec.Kind = tree.State
	case beans.TypeTime:
		b.spec.Kind = tree.TextKind
	case beans.TypeStrings, beans.TypeList:
		b.spec.Kind = tree.Log
	case beans.TypeAny:
		if n.States.Given() {
			b.spec.Kind = tree.State
		}
	}
}

// nodeKinds are the kinds that a definition may name.
var nodeKinds = []string{"performance", "status", "log", "text"}

func (b *built) isText() bool {
	return b.reading != nil && b.reading.info != nil && expressionType(b.reading.info.Type) == expression.Text
}

func (b *built) isTruth() bool {
	return b.reading != nil && b.reading.info != nil && b.reading.info.Type == beans.TypeBool
}

// mode decides how the node gets its readings and when it is stale.
func (x *expansion) mode(n *file.Node, b *built, fed bool) {
	mode := tree.Push
	var every, timeout time.Duration
	known := b.reading != nil
	if known {
		mode = b.reading.probes[0].Mode
		for _, probe := range b.reading.probes {
			if probe.Mode != mode {
				mode = tree.Timer
			}
			every, timeout = max(every, probe.Every), max(timeout, probe.Timeout)
		}
	}
	if n.Mode.Given() {
		m, bad := parseMode(&n.Mode.Value)
		x.errs.Append(bad)
		if bad == nil {
			mode = m
			x.checkMode(n, b, m, fed)
		}
	}
	b.spec.Mode = mode
	if n.Every.Given() {
		d, bad := n.Every.Duration()
		switch {
		case bad != nil:
			x.errs.Append(bad)
		case !known:
			x.errs.Add(n.Every.Pos, "every is for nodes that a probe feeds")
		case mode != tree.Timer:
			x.errs.Add(n.Every.Pos, "every is for nodes in mode timer, not %s", mode)
		case d < every:
			x.errs.Add(n.Every.Pos, "every %s is shorter than the interval %s of probe %q", tree.FormatDuration(d), tree.FormatDuration(every), b.reading.probes[0].Name)
		case d > MaxEvery:
			x.errs.Add(n.Every.Pos, "every is at most %s, not %s", tree.FormatDuration(MaxEvery), tree.FormatDuration(d))
		default:
			every = d
			b.reading.source.Every = d
		}
	}
	if known {
		b.reading.source.Mode = mode
	}
	var stale time.Duration
	if known && mode == tree.Timer {
		stale = staleIntervals*every + timeout
	}
	if n.White.Given() {
		d, bad := rule.ParseWhite(&n.White.Value)
		x.errs.Append(bad)
		stale = d
		if bad == nil && d > 0 && known && mode == tree.Timer && d <= every {
			x.errs.Add(n.White.Pos, "white after %s: the node gets a reading every %s, so it would turn white in between", tree.FormatDuration(d), tree.FormatDuration(every))
		}
	}
	if stale > 0 {
		b.threshold().StaleAfter = stale
	}
}

func (x *expansion) checkMode(n *file.Node, b *built, m tree.Mode, fed bool) {
	if b.reading == nil {
		if !fed && m != tree.Push {
			x.errs.Add(n.Mode.Pos, "mode %s needs a probe; nodes without from or value are in mode push", m)
		}
		return
	}
	for _, probe := range b.reading.probes {
		if m == tree.Push && !probe.pushes && !probe.unknown {
			x.errs.Add(n.Mode.Pos, "mode push: probe %q (%s) sends nothing by itself", probe.Name, probe.Kind)
			return
		}
	}
}
