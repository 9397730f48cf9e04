package definition

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/expression"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// expansion grows the nodes of one instance.
type expansion struct {
	def        *Definition
	owner      string
	check      bool // every loop once, every condition true: to look at all that is written
	scope      *variable.Scope
	errs       source.Errors
	probes     map[string]*probeInfo
	probeNames []string
	probeList  []*probeInfo
	loopTexts  []string    // what is written in the loops over rows
	looped     []tree.Path // where loops make nodes that are not all known
	nodes      []Node
	loops      []*Loop
	built      map[builtKey]*built
	conditions map[conditionKey]*expression.Program
	own        topSettings // what the instance says of its top
	at         tree.Path   // where the tree hangs
	needed     []needed    // nodes of the definition that others need
	ups        []upNode    // nodes that are vital by default
	limit      int         // nodes that may still be made
	stopped    bool
}

func newExpansion(def *Definition, owner string, scope *variable.Scope, check bool) *expansion {
	return &expansion{
		def: def, owner: owner, check: check, scope: scope, limit: MaxNodes,
		probes: map[string]*probeInfo{}, built: map[builtKey]*built{}, conditions: map[conditionKey]*expression.Program{},
	}
}

// place is where a shape is being grown.
type place struct {
	parent tree.Path
	scope  *variable.Scope
	row    *rowInfo // the loop over a table that it is in
	rowKey string   // the row, once it is known
	// history is what the nodes above say of theirs; zero keeps everything.
	history tree.History
	sample  bool // something on the way only stands for what is not known
}

// rowInfo is a table that a loop runs over.
type rowInfo struct {
	probe string
	table *beans.AttributeInfo // nil: not known, because its probe is in error
	key   string
}

// name is the table as a definition names it.
func (r *rowInfo) name() string {
	if r.table == nil {
		return r.probe
	}
	return r.probe + "." + r.table.Name
}

// stop says whether there is no use in going on.
func (x *expansion) stop(pos source.Pos) bool {
	switch {
	case x.stopped:
	case len(x.errs) >= MaxErrors:
		x.stopped = true
	case len(x.nodes) >= x.limit:
		x.stopped = true
		x.errs.Add(pos, "more than %d nodes", MaxNodes)
	}
	return x.stopped
}

// top grows the whole tree of the instance at a path.
func (x *expansion) top(at tree.Path) {
	s := x.def.tree
	p, ok := x.frames(s, place{scope: x.scope})
	if !ok {
		return
	}
	p.parent = at
	p.history = x.defaultHistory()
	x.at = at
	x.node(s, p, at)
	x.topProperties()
	x.topDependsOn()
	x.checkNeeded()
	x.vitalByDefault()
}

// grow grows a child of a group, with all copies that its loop makes.
func (x *expansion) grow(s *shape, p place) {
	if s.each == nil {
		x.one(s, p)
		return
	}
	if x.check {
		x.looped = append(x.looped, p.parent)
	}
	items, row, ok := x.items(s, p)
	if !ok {
		return
	}
	if row != nil {
		x.table(s, p, row)
		return
	}
	if x.check && len(items) > 1 {
		items = items[:1]
	}
	if x.check && len(items) == 0 {
		items = []variable.Value{{Sample: true, Text: "1"}}
	}
	for _, item := range items {
		if x.stop(s.pos) {
			return
		}
		inner := p
		inner.scope = p.scope.With("item", item)
		inner.sample = p.sample || item.Sample
		x.one(s, inner)
	}
}

// items returns what a loop runs over: items, or a table.
func (x *expansion) items(s *shape, p place) (items []variable.Value, row *rowInfo, ok bool) {
	pos := s.each.Pos
	if s.each.Kind == source.List {
		filled, _, errs := fillValue(s.each, p.scope, false)
		x.errs.Append(errs...)
		items, _ := variable.Of(&filled).Any.([]variable.Value)
		return items, nil, len(errs) == 0
	}
	if s.each.Kind == source.Map {
		x.errs.Add(pos, `each is a list, a range such as "1..24", a ${parameter} or probe.table, not a map`)
		return nil, nil, false
	}
	if name, only := s.eachText.Only(); only {
		v, err := p.scope.Lookup(name)
		if err != nil {
			x.errs.Append(fillError(pos, err))
			return nil, nil, false
		}
		if list, isList := v.Any.([]variable.Value); isList {
			return list, nil, true
		}
	}
	text, sample, err := s.eachText.Fill(p.scope, false)
	if err != nil {
		x.errs.Append(fillError(pos, err))
		return nil, nil, false
	}
	if from, to, isRange := strings.Cut(text, ".."); isRange {
		items, err := rangeItems(from, to, sample)
		if err != nil {
			x.errs.Add(pos, "each %q: %w", text, err)
		}
		return items, nil, err == nil
	}
	if p.row != nil {
		x.errs.Add(pos, "a loop over a table cannot stand within another one")
		return nil, nil, false
	}
	row, bad := x.tableOf(text, pos)
	if bad != nil {
		if !sample {
			x.errs.Append(bad)
		}
		return nil, nil, false
	}
	return nil, row, true
}

func rangeItems(from, to string, sample bool) ([]variable.Value, error) {
	a, err1 := strconv.Atoi(strings.TrimSpace(from))
	b, err2 := strconv.Atoi(strings.TrimSpace(to))
	switch {
	case err1 != nil || err2 != nil:
		return nil, errors.New(`a range is two whole numbers, as in "1..24"`)
	case a > b && sample:
		b = a
	case a > b:
		return nil, errors.New("the range is empty: its first number is the lower one")
	case b-a >= maxRange || b-a < 0:
		return nil, errors.New("the range has more than " + strconv.Itoa(maxRange) + " items")
	}
	items := make([]variable.Value, 0, b-a+1)
	for i := a; i <= b; i++ {
		items = append(items, variable.Value{Text: strconv.Itoa(i), Any: float64(i), Sample: sample})
	}
	return items, nil
}

// tableOf finds the table that "probe.table" names.
func (x *expansion) tableOf(text string, pos source.Pos) (*rowInfo, *source.Error) {
	name, attribute, dotted := strings.Cut(text, ".")
	if !dotted {
		return nil, source.Errorf(pos, `each %q: neither a list nor a range such as "1..24" nor probe.table`, text)
	}
	p, bad := x.probeNamed(name, pos)
	if bad != nil {
		return nil, bad
	}
	if p.unknown {
		return &rowInfo{probe: name}, nil
	}
	a, ok := p.attribute(attribute)
	tables := p.tables()
	if !ok {
		return nil, noAttribute(pos, p, attribute, tables, "table")
	}
	if a.Type != beans.TypeTable {
		e := source.Errorf(pos, "%s is no table", text)
		if len(tables) > 0 {
			e.Hint = "tables of " + name + ": " + strings.Join(tables, ", ")
		}
		return nil, e
	}
	return &rowInfo{probe: name, table: a, key: a.Key}, nil
}

func (p *probeInfo) tables() []string {
	var out []string
	for i := range p.attributes {
		if p.attributes[i].Type == beans.TypeTable {
			out = append(out, p.attributes[i].Name)
		}
	}
	return out
}

// table makes the loop over a table and looks at its body with a row of samples.
func (x *expansion) table(s *shape, p place, row *rowInfo) {
	p.row = row
	if x.check {
		fields := map[string]variable.Value{}
		sample := variable.Value{Sample: true}
		if row.table != nil {
			for _, c := range row.table.Columns {
				fields[c.Name] = sampleCell(c.Type)
			}
			sample.Any = fields
		}
		p.scope = p.scope.With("row", sample)
		p.sample = true
		x.one(s, p)
		return
	}
	if row.table == nil {
		return
	}
	x.looped = append(x.looped, p.parent)
	x.loops = append(x.loops, &Loop{
		Probe: row.probe, Table: row.table.Name, Key: row.key, Parent: p.parent, Pos: s.pos,
		Expand: x.rowExpander(s, p, row), Columns: row.usedBy(s), made: x.makeup(s, p),
	})
}

func sampleCell(t beans.Type) variable.Value {
	if expressionType(t) == expression.Text {
		return variable.Value{Sample: true, Text: "sample", Any: "sample"}
	}
	return variable.Value{Sample: true, Text: "1", Any: 1.0}
}

// rowExpander returns the function that grows the nodes of one row.
func (x *expansion) rowExpander(s *shape, p place, row *rowInfo) func(map[string]tree.Value) ([]Node, error) {
	rows := &rowGrower{shape: s, place: p, row: row, base: x}
	return rows.expand
}

// one grows one copy of a shape with all that is below it.
func (x *expansion) one(s *shape, p place) {
	if x.stop(s.pos) {
		return
	}
	if s.where != nil && !x.holds(s, p) {
		return
	}
	name, sample, err := s.name.Fill(p.scope, false)
	if err != nil {
		x.errs.Append(fillError(s.pos, err))
		return
	}
	p.sample = p.sample || sample
	path, err := p.parent.Child(name)
	if err != nil {
		if sample {
			return
		}
		x.errs.Add(s.pos, "node name: %w", err)
		return
	}
	inner, ok := x.frames(s, p)
	if !ok {
		return
	}
	x.node(s, inner, path)
}

// frames binds the parameters of the templates that a shape uses.
func (x *expansion) frames(s *shape, p place) (place, bool) {
	for _, f := range slices.Backward(s.frames) {
		with := f.with
		if with != nil {
			filled, sample, errs := fillValue(with, p.scope, true)
			if len(errs) > 0 {
				x.errs.Append(errs...)
				return p, false
			}
			p.sample = p.sample || sample
			with = &filled
		}
		if len(f.template.params) == 0 && with == nil {
			continue
		}
		scope, errs := variable.Bind(f.template.params, with, p.scope, f.pos, "template "+strconv.Quote(f.template.name), false)
		if len(errs) > 0 && !(x.check && p.sample) {
			x.errs.Append(errs...)
			if !x.check {
				return p, false
			}
		}
		p.scope = scope
	}
	return p, true
}

// node makes the node at a path and grows its children.
func (x *expansion) node(s *shape, p place, path tree.Path) {
	b, ok := x.build(s, p)
	if !ok && !x.check {
		return
	}
	if ok {
		x.nodes = append(x.nodes, Node{Path: path, Spec: x.vitalSpec(s, b, p, path), Source: b.sourceAt(x, p), Pos: s.pos})
		p.history = b.history()
	}
	p.parent = path
	for _, child := range s.children {
		x.grow(child, p)
	}
}

// conditionKey tells apart the conditions that were compiled.
type conditionKey struct {
	shape *shape
	text  string
}

// holds evaluates the condition of a node; while checking every condition holds.
func (x *expansion) holds(s *shape, p place) bool {
	text, sample, err := s.whereTxt.Fill(p.scope, false)
	if err != nil {
		x.errs.Append(fillError(s.where.Pos, err))
		return false
	}
	key := conditionKey{s, text}
	program, ok := x.conditions[key]
	if !ok {
		program, err = expression.Compile(text, x.resolver(p, false))
		if err != nil {
			if !sample {
				x.errs.Append(expressionError(s.where, &s.whereTxt, err))
			}
			program = nil
		} else if r := program.Result(); r == expression.Number || r == expression.Text {
			x.errs.Add(s.where.Pos, "where yields a %s, but a condition is true or false", r)
			program = nil
		}
		if len(x.conditions) < maxCached {
			x.conditions[key] = program
		}
	}
	if program == nil {
		return x.check
	}
	if x.check {
		return true
	}
	v, err := program.Eval(func(i int) tree.Value { return scopeValue(p.scope, program.Names()[i]) })
	if err != nil {
		if p.row == nil || ignoreNoValue(err) != nil {
			x.errs.Add(s.where.Pos, "where: %w", err)
		}
		return false
	}
	n, isNumber := v.Number()
	return isNumber && n != 0
}

// ignoreNoValue leaves out the error of a condition over a cell that the row lacks.
func ignoreNoValue(err error) error {
	if errors.Is(err, expression.ErrNoValue) {
		return nil
	}
	return err
}

func scopeValue(s *variable.Scope, n expression.Name) tree.Value {
	v, err := s.Lookup(n.String())
	if err != nil {
		return tree.Value{}
	}
	out, _ := v.Tree()
	return out
}

// resolver gives the types of the names in an expression: columns of the row, items,
// parameters and, if refs, attributes of probes.
func (x *expansion) resolver(p place, refs bool) func(expression.Name) (expression.Type, error) {
	return func(n expression.Name) (expression.Type, error) {
		if n.Base == "row" {
			return x.columnType(p, n)
		}
		probe, isProbe := x.probes[n.Base]
		v, isVariable := p.scope.Get(n.Base)
		_, hasParts := v.Any.(map[string]variable.Value)
		if isProbe && refs && n.Member != "" && !hasParts {
			return attributeType(probe, n.Member)
		}
		if !isVariable {
			return expression.Any, x.unknownName(p, n, refs)
		}
		if n.Member != "" || n.Base == "item" {
			if _, err := p.scope.Lookup(n.String()); err != nil {
				var bad *variable.NameError
				if errors.As(err, &bad) {
					return expression.Any, &expression.Error{Msg: bad.Msg, Hint: bad.Hint}
				}
			}
			return expression.Any, nil
		}
		switch v.Any.(type) {
		case nil:
			return expression.Any, nil
		case string:
			if v.Secret {
				return expression.Any, &expression.Error{Msg: n.Base + ": " + variable.ErrSecret.Error()}
			}
			return expression.Text, nil
		case bool:
			return expression.Bool, nil
		case []variable.Value, map[string]variable.Value:
			return expression.Any, &expression.Error{Msg: n.Base + " is a list or a map, which an expression cannot use"}
		}
		return expression.Number, nil
	}
}

func (x *expansion) columnType(p place, n expression.Name) (expression.Type, error) {
	switch {
	case p.row == nil:
		return expression.Any, &expression.Error{Msg: "row is known only inside a loop over a table"}
	case n.Member == "":
		return expression.Any, &expression.Error{Msg: "row has columns: name one, as in row.name"}
	case p.row.table == nil:
		return expression.Any, nil
	}
	c, bad := column(p.row, n.Member)
	if bad != nil {
		return expression.Any, bad
	}
	return expressionType(c.Type), nil
}

func column(row *rowInfo, name string) (*beans.AttributeInfo, *expression.Error) {
	for i := range row.table.Columns {
		if row.table.Columns[i].Name == name {
			return &row.table.Columns[i], nil
		}
	}
	known := names(row.table.Columns)
	hint := source.DidYouMean(name, known)
	if hint == "" {
		hint = "columns: " + strings.Join(known, ", ")
	}
	return nil, &expression.Error{Offset: -1, Msg: row.name() + " has no column " + strconv.Quote(name), Hint: hint}
}

func attributeType(p *probeInfo, name string) (expression.Type, error) {
	if p.unknown {
		return expression.Any, nil
	}
	a, ok := p.attribute(name)
	if !ok {
		e := noAttribute(source.Pos{}, p, name, names(p.attributes), "attribute")
		return expression.Any, &expression.Error{Msg: e.Msg, Hint: e.Hint}
	}
	if a.Type == beans.TypeTable {
		return expression.Any, &expression.Error{Msg: p.Name + "." + name + " is a table, which an expression cannot use", Hint: "loop over it with each"}
	}
	return expressionType(a.Type), nil
}

func expressionType(t beans.Type) expression.Type {
	switch t {
	case beans.TypeInt, beans.TypeFloat, beans.TypeDuration:
		return expression.Number
	case beans.TypeBool:
		return expression.Bool
	case beans.TypeString, beans.TypeName:
		return expression.Text
	}
	return expression.Any
}

func (x *expansion) unknownName(p place, n expression.Name, refs bool) error {
	known := p.scope.Names()
	e := &expression.Error{Msg: "unknown name " + strconv.Quote(n.Base)}
	switch _, isProbe := x.probes[n.Base]; {
	case isProbe && !refs:
		e.Msg = "a condition cannot read the probe " + strconv.Quote(n.Base)
		e.Hint = "it knows parameters, item and row"
		return e
	case isProbe:
		e.Msg, e.Hint = strconv.Quote(n.Base)+" is a probe", "name one of its attributes, as in "+n.Base+".name"
		return e
	case n.Base == "item":
		e.Hint = "item is known only inside a loop"
		return e
	}
	if refs {
		known = append(known, x.probeNames...)
	}
	e.Hint = source.DidYouMean(n.Base, known)
	return e
}

// expressionError puts a mistake in an expression where it stands.
func expressionError(v *source.Value, text *variable.Text, err error) *source.Error {
	pos := v.Pos
	var bad *expression.Error
	if !errors.As(err, &bad) {
		return source.Errorf(pos, "%w", err)
	}
	if bad.Offset > 0 && text.IsPlain() && !strings.Contains(v.Text, "\n") && pos.Column > 0 {
		pos.Column += bad.Offset
		if v.Quoted {
			pos.Column++
		}
	}
	return source.Errorf(pos, "%s", bad.Msg).WithHint("%s", bad.Hint)
}

func sortedKeys[V any](m map[string]V) []string { return slices.SortedFunc(maps.Keys(m), cmp.Compare) }
