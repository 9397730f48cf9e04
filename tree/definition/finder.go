package definition

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/expression"
	"grove/tree/definition/file"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// finder is an instance document with each: a discovery that a file asks for.
type finder struct {
	discovery *Discovery
	each      source.Value
	tablePos  source.Pos

	name       *source.Value // of the instances; nil: the name of the document and the key
	use        *source.Value // the application, when it is a text
	choice     *choice       // how it is chosen, when it is not
	at         source.Value
	with       *source.Value
	properties *source.Value
	dependsOn  *source.Value
	where      *source.Value

	runner  *Instance
	row     *rowInfo
	scope   *variable.Scope // what all rows can name
	program *expression.Program
}

// readFinder reads an instance document that has each; fallback names it when it does not
// do so itself.
func readFinder(d document, fallback string) (*finder, source.Errors) {
	var errs source.Errors
	var f file.Instance
	errs.Append(d.value.Decode(&f, source.DecodeOptions{What: "an instance"})...)
	if f.Grove.Given() {
		checkVersion(&f.Grove, d.value.Pos, &errs)
	}
	name := fallback
	q := &finder{discovery: &Discovery{Pos: d.value.Pos, File: d.value.Pos.File, Table: f.Table.Text, Keep: DefaultKeep, Most: DefaultDiscovered}, at: f.At.Value, tablePos: f.Table.Pos}
	if f.Name.Given() {
		text, bad := f.Name.Str()
		errs.Append(bad)
		begin, _, open := strings.Cut(text, "${")
		begin = strings.TrimRight(begin, "-_.")
		switch {
		case open:
			q.name = &f.Name.Value
			if begin != "" {
				name = begin
			}
		case bad == nil:
			name = text
		}
	}
	if !applicationForm.MatchString(discoveryPrefix + name) {
		errs.Add(d.value.Pos, "the name of the discovery, %q: letters, digits, dots, - and _, at most %d", name, 64-len(discoveryPrefix)).WithHint("give it one: name: …")
	}
	q.discovery.Name, q.discovery.Runner = name, discoveryPrefix+name
	switch {
	case !f.Use.Given():
		errs.Add(d.value.Pos, "use names the application of a definition, and says nothing")
	case f.Use.Kind == source.Map:
		c, bad := readChoice(&f.Use.Value)
		errs.Append(bad...)
		q.choice = c
	default:
		_, bad := f.Use.Str()
		errs.Append(bad)
		q.use = &f.Use.Value
	}
	if !f.At.Given() {
		errs.Add(d.value.Pos, "the instances have no place in the tree").WithHint("at: /a/path/${row.column}")
	} else if text, bad := f.At.Str(); bad != nil || !strings.Contains(text, "${row.") {
		errs.Append(bad)
		if bad == nil {
			errs.Add(f.At.Pos, "at %q: every row would hang there", text).WithHint("each has a place of its own: at: /a/path/${row.column}")
		}
	}
	if f.Each.Kind != source.Map {
		errs.Add(f.Each.Pos, "each is a probe that finds rows, a map with a kind and its options, not %s", f.Each.Describe())
	}
	q.each = f.Each.Value.Clone()
	for _, part := range []struct {
		given bool
		value *source.Value
		to    **source.Value
	}{
		{f.With.Given(), &f.With.Value, &q.with}, {f.Properties.Given(), &f.Properties.Value, &q.properties}, {f.DependsOn.Given(), &f.DependsOn.Value, &q.dependsOn}, {f.Where.Given(), &f.Where.Value, &q.where},
	} {
		if part.given {
			*part.to = part.value
		}
	}
	if f.Keep.Given() {
		keep, bad := f.Keep.Duration()
		errs.Append(bad)
		q.discovery.Keep = keep
		if bad == nil && (keep < 0 || keep > maxKeep) {
			errs.Add(f.Keep.Pos, "keep is 0 to %s, not %s", tree.FormatDuration(maxKeep), tree.FormatDuration(keep))
		}
	}
	if f.Most.Given() {
		most, bad := f.Most.Int()
		errs.Append(bad)
		q.discovery.Most = int(most)
		if bad == nil && (most < 1 || most > MaxDiscovered) {
			errs.Add(f.Most.Pos, "most is 1 to %d, not %d", MaxDiscovered, most)
		}
	}
	errs.Append(q.tests(&f.Tests)...)
	return q, errs
}

// noFinder complains about keys that mean something only beside each.
func noFinder(f *file.Instance) source.Errors {
	var errs source.Errors
	for _, k := range []struct {
		key string
		raw *file.Raw
	}{{"table", &f.Table.Raw}, {"where", &f.Where.Raw}, {"keep", &f.Keep.Raw}, {"most", &f.Most.Raw}, {"tests", &f.Tests.Raw}} {
		if k.raw.Given() {
			errs.Add(k.raw.Pos, "%s is for instances that a discovery finds, and there is no each", k.key)
		}
	}
	if f.Use.Kind == source.Map {
		errs.Add(f.Use.Pos, "use chooses by what a discovery finds, and there is no each").WithHint("name the application: use: …")
	}
	return errs
}

// prepare makes the instance that runs the probe, and looks at what the document says of
// rows with a row of samples.
func (r *loading) prepare(f *finder) source.Errors {
	times(&f.each)
	def, errs := r.discoveryDefinition(&f.each, f.each.Pos)
	if len(errs) > 0 {
		return errs
	}
	d := f.discovery
	at, err := tree.MustPath(discoveryAt).Child(d.Name)
	if err != nil {
		return source.Errors{source.Errorf(d.Pos, "%w", err)}
	}
	runner, errs := def.Instance(d.Runner, at, nil, d.Pos)
	if len(errs) > 0 {
		return errs
	}
	runner.Discovery, f.runner = d.Name, runner
	probe := runner.probe(DiscoveryProbe)
	if bad := f.findTable(probe); bad != nil {
		return source.Errors{bad}
	}
	f.scope = r.facts().With("instance", variable.Value{Text: d.Name, Any: d.Name})
	f.columns()
	runner.Probes = []Probe{*probe.Probe}
	runner.Probes[0].Fingerprint += "/" + d.Table
	return r.checkFinder(f, probe)
}

// times gives a probe that discovers its own interval and timeout.
func times(each *source.Value) {
	every := discoveryEvery
	if v, ok := each.Field("every"); ok && !v.Null {
		if d, bad := v.Duration(); bad == nil {
			every = d
		}
	} else {
		each.Set("every", source.Text(each.Pos, every.String()))
	}
	if v, ok := each.Field("timeout"); !ok || v.Null {
		each.Set("timeout", source.Text(each.Pos, min(discoveryTimeout, every*4/5).Round(time.Millisecond).String()))
	}
}

// findTable finds the table whose rows become instances.
func (f *finder) findTable(p *probeInfo) *source.Error {
	d := f.discovery
	tables := p.tables()
	switch {
	case p.pushes:
		return source.Errorf(f.each.Pos, "kind %s sends by itself, but a discovery asks", p.Kind)
	case p.Mode != tree.Timer:
		return source.Errorf(f.each.PosOf("mode"), "a discovery runs in mode timer")
	case len(tables) == 0:
		return source.Errorf(f.each.Pos, "kind %s yields no table, so it finds no instances", p.Kind)
	case d.Table == "" && len(tables) > 1:
		return source.Errorf(f.each.Pos, "kind %s yields several tables", p.Kind).WithHint("say which: table: %s", strings.Join(tables, " or "))
	case d.Table == "":
		d.Table, f.tablePos = tables[0], f.each.Pos
	}
	a, ok := p.attribute(d.Table)
	if !ok || a.Type != beans.TypeTable {
		return noAttribute(f.tablePos, p, d.Table, tables, "table")
	}
	if a.Key == "" {
		return source.Errorf(f.tablePos, "the rows of %s cannot be told apart, so they become no instances", d.Table)
	}
	d.Key = a.Key
	f.row = &rowInfo{probe: DiscoveryProbe, table: a, key: a.Key}
	return nil
}

// columns finds the columns that the document names.
func (f *finder) columns() {
	used := map[string]bool{f.discovery.Key: true}
	note := func(v *source.Value) {
		if v == nil {
			return
		}
		_, _ = v.Map(func(s *source.Value) *source.Error {
			t, err := variable.ParseText(s.Text)
			if err != nil {
				return nil // told where it is filled in
			}
			for _, name := range t.Names() {
				if column, ok := strings.CutPrefix(name, "row."); ok {
					used[column] = true
				}
			}
			return nil
		}, nil)
	}
	for _, v := range []*source.Value{f.name, f.use, &f.at, f.with, f.properties, f.dependsOn, f.where} {
		note(v)
	}
	if f.choice != nil {
		used[f.choice.column] = true
	}
	f.discovery.Columns = sortedKeys(used)
}

// checkFinder looks at all that a document says of rows, with a row of samples.
func (r *loading) checkFinder(f *finder, probe *probeInfo) source.Errors {
	var errs source.Errors
	cells := map[string]variable.Value{}
	for _, c := range f.row.table.Columns {
		cells[c.Name] = sampleCell(c.Type)
	}
	sample := variable.Value{Any: cells, Sample: true}
	if f.choice != nil {
		if _, bad := column(f.row, f.choice.column); bad != nil {
			errs.Add(f.choice.pos, "%s", bad.Msg).WithHint("%s", bad.Hint)
		}
	}
	scope := rowScope(f.scope, sample, true)
	for _, v := range []*source.Value{f.name, f.use, &f.at, f.properties, f.dependsOn} {
		if v != nil {
			_, _, bad := fillValue(v, scope, false)
			errs.Append(f.columnErrors(bad)...)
		}
	}
	if f.where != nil {
		errs.Append(f.compile(probe)...)
	}
	given, bad := f.sampleWith(scope)
	errs.Append(bad...)
	if len(errs) > 0 {
		return errs
	}
	for _, name := range f.applications() {
		q := request{application: name.Text, usePos: name.Pos, pos: f.discovery.Pos, name: f.discovery.Name}
		if r.badApps[q.application] {
			continue // its rows go on as they were, each by itself
		}
		def := r.find(&q, &errs)
		if def == nil {
			continue
		}
		_, bad := def.instance(instanceName(f.discovery.Name+"-sample"), TestTop, given, topSettings{}, f.discovery.Pos, true)
		errs.Append(bad...)
		if f.with != nil && f.with.Kind == source.Map {
			errs.Append(variable.CheckNames(def.Parameters, f.with, "definition "+quoted(def.Application))...)
		}
		for _, p := range def.Parameters {
			if p.Required && !f.gives(p.Name) {
				errs.Add(f.discovery.Pos, "definition %s needs the parameter %q", quoted(def.Application), p.Name).WithHint("with: { %s: \"${row.…}\" }", p.Name)
			}
		}
	}
	return errs.Sorted()
}

// gives says whether the document gives a parameter.
func (f *finder) gives(parameter string) bool {
	if f.with == nil {
		return false
	}
	_, ok := f.with.Field(parameter)
	return ok
}

// applications lists the definitions that a document names.
func (f *finder) applications() []source.Value {
	if f.use != nil {
		if strings.Contains(f.use.Text, "${") {
			return nil
		}
		return []source.Value{*f.use}
	}
	var list []source.Value
	for _, p := range f.choice.patterns {
		list = append(list, source.Text(p.pos, p.application))
	}
	if f.choice.fallback != "" {
		list = append(list, source.Text(f.choice.fallbackPos, f.choice.fallback))
	}
	return list
}

// sampleWith returns the values of parameters that do not depend on the row.
func (f *finder) sampleWith(scope *variable.Scope) (*source.Value, source.Errors) {
	if f.with == nil || f.with.Kind != source.Map {
		return f.with, nil
	}
	var errs source.Errors
	given := source.Value{Kind: source.Map, Pos: f.with.Pos}
	for i := range f.with.Fields {
		field := f.with.Fields[i]
		filled, sample, bad := fillValue(&field.Value, scope, false)
		errs.Append(f.columnErrors(bad)...)
		if !sample {
			field.Value = filled
			given.Fields = append(given.Fields, field)
		}
	}
	return &given, errs
}

// columnErrors lets errors about a column that is not there say which there are.
func (f *finder) columnErrors(errs source.Errors) source.Errors {
	for _, e := range errs {
		if strings.HasPrefix(e.Msg, "row has no ") && e.Hint == "" {
			e.Hint = "columns: " + strings.Join(names(f.row.table.Columns), ", ")
		}
	}
	return errs
}

// compile compiles the condition.
func (f *finder) compile(probe *probeInfo) source.Errors {
	x := newExpansion(&Definition{}, f.discovery.Name, f.scope, true)
	x.probes[DiscoveryProbe] = probe
	text, bad := f.where.Str()
	if bad != nil {
		return source.Errors{bad}
	}
	program, err := expression.Compile(text, x.resolver(place{scope: f.scope, row: f.row}, false))
	if err != nil {
		plain := variable.Text{}
		return source.Errors{expressionError(f.where, &plain, err)}
	}
	if t := program.Result(); t == expression.Number || t == expression.Text {
		return source.Errors{source.Errorf(f.where.Pos, "where yields a %s, but a condition is true or false", t)}
	}
	f.program = program
	return nil
}

// request makes of a row the instance that is asked for. Without one, why says why there
// is none, and nothing is wrong.
func (r *loading) request(f *finder, cells map[string]tree.Value) (q request, why string, errs source.Errors) {
	d := f.discovery
	key := cells[d.Key].String()
	row := variable.OfRow(cells)
	if fields, ok := row.Any.(map[string]variable.Value); ok {
		for _, c := range f.row.table.Columns { // a cell that this row lacks is empty
			if _, ok := fields[c.Name]; !ok {
				fields[c.Name] = variable.Value{}
			}
		}
	}
	scope := rowScope(f.scope, row, true)
	q = request{pos: d.Pos, with: f.with, top: topSettings{f.properties, f.dependsOn, &row}, rowKey: key, discovery: d.Name, why: "row " + strconv.Quote(key)}
	name := d.Name + "-" + key
	if f.name != nil {
		filled, _, bad := fillValue(f.name, scope, false)
		errs.Append(bad...)
		name = filled.Text
	}
	q.name, q.named = instanceName(name), true
	if f.program != nil {
		holds, err := f.holds(scope)
		if err != nil {
			errs.Add(f.where.Pos, "where: %w", err)
		}
		if !holds {
			return q, "where does not hold", errs
		}
	}
	switch {
	case f.use != nil:
		filled, _, bad := fillValue(f.use, scope, false)
		errs.Append(bad...)
		q.application, q.usePos = filled.Text, f.use.Pos
	default:
		application, how, pos, bad := r.choose(f.choice, &row)
		errs.Append(bad)
		q.application, q.usePos = application, pos
		if application == "" && bad == nil {
			return q, how, errs
		}
		q.why += ": " + how
	}
	t, _ := variable.ParseText(f.at.Text) // It was filled in with samples before.
	for _, name := range t.Names() {
		if v, err := scope.Lookup(name); err == nil && v.Text == "" && name != "instance" {
			errs.Add(f.at.Pos, "at names a place by %s, which is empty", name).WithHint("leave such rows out by where")
			return q, "", errs
		}
	}
	_, only := t.Only()
	at, _, bad := fillValue(&f.at, rowScope(f.scope.With("instance", variable.Value{Text: q.name, Any: q.name}), row, only), false)
	errs.Append(bad...)
	q.at, q.atFilled = at, true
	return q, "", errs
}

// holds evaluates the condition. Where the row lacks a cell, it does not hold.
func (f *finder) holds(scope *variable.Scope) (bool, error) {
	v, err := f.program.Eval(func(i int) tree.Value { return scopeValue(scope, f.program.Names()[i]) })
	if err != nil {
		return false, ignoreNoValue(err)
	}
	n, isNumber := v.Number()
	return isNumber && n != 0, nil
}

// discover makes the discovery of a document, and asks for the instances of the rows that
// are known.
func (r *loading) discover(f *finder) {
	d := f.discovery
	if errs := r.prepare(f); len(errs) > 0 {
		r.errs.Append(errs...)
		r.broken(d.File, d.Name, errs)
		return
	}
	var errs source.Errors
	if first, taken := r.names[d.Runner]; taken {
		errs.Add(d.Pos, "there is a discovery %q already, at %s", d.Name, first).WithHint("give it another name: name: …")
	} else {
		r.names[d.Runner] = d.Pos
		r.settle(f.runner, &errs)
	}
	if len(errs) > 0 {
		r.errs.Append(errs...)
		r.broken(d.File, d.Name, errs)
		return
	}
	r.plan.Instances = append(r.plan.Instances, f.runner)
	r.plan.Discoveries = append(r.plan.Discoveries, d)
	d.grow = func(row map[string]tree.Value) *Grown { return r.growRow(f, row) }
	if r.Found == nil {
		return
	}
	rows := slices.Clone(r.Found(d.Name))
	slices.SortFunc(rows, func(a, b map[string]tree.Value) int {
		return strings.Compare(a[d.Key].String(), b[d.Key].String())
	})
	for i, row := range rows {
		if i == d.Most {
			errs.Add(d.Pos, "discovery %q found %d rows, and at most %d become instances", d.Name, len(rows), d.Most).WithHint("raise it: most: %d", len(rows))
			r.errs.Append(errs...)
			r.broken(d.File, "", errs)
			break
		}
		q, why, errs := r.request(f, row)
		switch {
		case len(errs) > 0:
			q.blame(errs)
			r.errs.Append(errs...)
			r.broken(d.File, q.name, errs)
		case why != "":
			d.LeftOut = append(d.LeftOut, LeftOut{q.rowKey, why})
		default:
			r.requests = append(r.requests, q)
		}
	}
}

// growRow is Discovery.Grow.
func (r *loading) growRow(f *finder, row map[string]tree.Value) *Grown {
	q, why, errs := r.request(f, row)
	g := &Grown{Key: q.rowKey, LeftOut: why, Errs: errs}
	if len(errs) == 0 && why == "" {
		g.Name = q.name
		g.Instance = r.build(&q, &g.Errs)
	}
	q.blame(g.Errs)
	return g
}

// blame lets errors say which row they are about.
func (r *request) blame(errs source.Errors) {
	if r.top.row == nil {
		return
	}
	for _, e := range errs {
		e.Msg = "row " + strconv.Quote(r.rowKey) + ": " + e.Msg
	}
}
