package definition

import (
	"slices"
	"strings"

	"grove/beans"
	"grove/tree"
	"grove/tree/definition/file"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// Instance makes one use of the definition. With holds the values of parameters; nil
// stands for an empty map. Pos is where the instance is asked for. The errors are
// about the values: the definition itself was found to be right when it was loaded.
func (d *Definition) Instance(name string, at tree.Path, with *source.Value, pos source.Pos) (*Instance, source.Errors) {
	return d.instance(name, at, with, topSettings{}, pos, false)
}

// topSettings are what an instance says of its top itself; nil is nothing.
type topSettings struct {
	properties, dependsOn *source.Value
	row                   *variable.Value // of a discovery, which they and with may name
}

// instance makes an instance; samples stand for required parameters that with leaves out.
func (d *Definition) instance(name string, at tree.Path, with *source.Value, own topSettings, pos source.Pos, samples bool) (*Instance, source.Errors) {
	scope := d.facts.With("instance", variable.Value{Text: name, Any: name})
	if with != nil {
		outer := scope
		if own.row != nil {
			outer = rowScope(scope, *own.row, true)
		}
		filled, _, errs := fillValue(with, outer, false)
		if len(errs) > 0 {
			return nil, errs
		}
		with = &filled
	}
	scope, errs := variable.Bind(d.Parameters, with, scope, pos, "definition "+quoted(d.Application), samples)
	if len(errs) > 0 {
		return nil, errs
	}
	x := newExpansion(d, name, scope, false)
	x.own = own
	x.makeProbes()
	x.top(at)
	monitors := x.makeMonitors(at)
	if len(x.errs) > 0 {
		return nil, x.errs.Sorted()
	}
	i := &Instance{
		Name: name, Application: d.Application, Title: d.Title, Description: d.Description,
		File: pos.File, Definition: d.File, Pos: pos, At: at,
		Nodes: slices.Clip(slices.Clone(x.nodes)), Loops: x.loops, Monitors: monitors, parameters: make([]any, len(d.Parameters)),
		definition: d, infos: x.probeList,
	}
	used := x.used()
	for _, p := range x.probeList {
		if used[p.Name] {
			i.Probes = append(i.Probes, *p.Probe)
		}
	}
	for k := range i.Probes {
		i.probe(i.Probes[k].Name).Probe = &i.Probes[k]
	}
	for k, p := range d.Parameters {
		v, _ := scope.Get(p.Name)
		i.parameters[k] = v.Plain()
	}
	return i, nil
}

// Parameters are those of the instance by their names, as given or by default; secrets are
// references. The map is the caller's.
func (i *Instance) Parameters() map[string]any {
	all := make(map[string]any, len(i.parameters))
	for k, v := range i.parameters {
		all[i.definition.Parameters[k].Name] = v
	}
	return all
}

// Parameter is one of them.
func (i *Instance) Parameter(name string) (value any, ok bool) {
	for k, v := range i.parameters {
		if i.definition.Parameters[k].Name == name {
			return v, true
		}
	}
	return nil, false
}

// check looks at everything that the definition writes, also at what the present
// values leave out: every loop once, every condition true.
func (d *Definition) check() source.Errors {
	scope := d.facts.With("instance", variable.Value{Text: "instance", Any: "instance", Sample: true})
	scope, errs := variable.Bind(d.Parameters, nil, scope, d.Pos, "definition "+quoted(d.Application), true)
	x := newExpansion(d, d.Application, scope, true)
	x.errs = errs
	x.makeProbes()
	x.top(TestTop)
	x.makeMonitors(TestTop)
	return x.errs.Sorted()
}

// probe returns what is known of a probe of the instance; nil: it has no such one.
func (i *Instance) probe(name string) *probeInfo {
	for _, p := range i.infos {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// info is like probe, and tells what is wrong with the name.
func (i *Instance) info(name string, pos source.Pos) (*probeInfo, *source.Error) {
	if p := i.probe(name); p != nil {
		return p, nil
	}
	known := make([]string, len(i.infos))
	for k, p := range i.infos {
		known[k] = p.Name
	}
	slices.Sort(known)
	e := source.Errorf(pos, "there is no probe %q", name)
	if e.Hint = source.DidYouMean(name, known); e.Hint == "" && len(known) > 0 {
		e.Hint = "probes: " + strings.Join(known, ", ")
	}
	return nil, e
}

// request is an instance that a file asks for.
type request struct {
	name        string
	application string
	at          source.Value
	with        *source.Value
	top         topSettings
	pos         source.Pos
	usePos      source.Pos
	definition  *Definition // set when the definition is its own instance
	named       bool        // the file gives the name

	// Of a row that a discovery found.
	rowKey    string
	discovery string
	why       string
	atFilled  bool // at holds no variables any more
}

// readRequest reads an instance document; fallback names it when it does not do so
// itself.
func readRequest(d document, fallback string) (request, source.Errors) {
	var errs source.Errors
	var f file.Instance
	errs.Append(d.value.Decode(&f, source.DecodeOptions{What: "an instance"})...)
	if f.Grove.Given() {
		checkVersion(&f.Grove, d.value.Pos, &errs)
	}
	r := request{name: fallback, pos: d.value.Pos, at: f.At.Value}
	errs.Append(noFinder(&f)...)
	if f.Use.Kind == source.Map {
		return r, errs
	}
	if text, bad := f.Use.Str(); bad != nil {
		errs.Add(d.value.Pos, "use names the application of a definition, not %s", f.Use.Describe())
	} else if text == "" {
		errs.Add(d.value.Pos, "use names the application of a definition, and says nothing")
	} else {
		r.application, r.usePos = text, f.Use.Pos
	}
	if f.Name.Given() {
		text, bad := f.Name.Str()
		errs.Append(bad)
		r.name, r.named = text, true
		if bad == nil && !applicationForm.MatchString(text) {
			errs.Add(f.Name.Pos, "instance name %q: letters, digits, dots, - and _, at most 64", text)
		}
	} else if !applicationForm.MatchString(fallback) {
		errs.Add(d.value.Pos, "the name of the file, %q, is no instance name: letters, digits, dots, - and _, at most 64", fallback).WithHint("give it one: name: …")
	}
	if !f.At.Given() {
		errs.Add(d.value.Pos, "the instance has no place in the tree").WithHint("at: /a/path")
	}
	if f.With.Given() {
		r.with = &f.With.Value
	}
	if f.Properties.Given() {
		r.top.properties = &f.Properties.Value
	}
	if f.DependsOn.Given() {
		r.top.dependsOn = &f.DependsOn.Value
	}
	return r, errs
}

// place reads where an instance hangs.
func (r *request) place(facts *variable.Scope) (tree.Path, *source.Error) {
	filled := r.at
	if !r.atFilled {
		var errs source.Errors
		if filled, _, errs = fillValue(&r.at, facts.With("instance", variable.Value{Text: r.name, Any: r.name}), false); len(errs) > 0 {
			return tree.Root, errs[0]
		}
	}
	text, bad := filled.Str()
	if bad != nil {
		return tree.Root, bad
	}
	p, err := tree.ParsePath(text)
	if err != nil {
		return tree.Root, source.Errorf(r.at.Pos, "%w", err)
	}
	if !strings.HasPrefix(text, "/") {
		return tree.Root, source.Errorf(r.at.Pos, "at %q: a path begins with /", text)
	}
	if p.IsRoot() {
		return tree.Root, source.Errorf(r.at.Pos, "an instance cannot hang at the root itself").WithHint("at: /%s", r.application)
	}
	return p, nil
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// TableKey is the column that tells the rows of a table apart; empty for what is no
// table of the instance.
func (i *Instance) TableKey(probe, table string) string {
	if p := i.probe(probe); p != nil {
		if a, ok := p.attribute(table); ok {
			return a.Key
		}
	}
	return ""
}

// Attributes describes what a probe of the instance yields; the caller does not
// change it.
func (i *Instance) Attributes(probe string) []beans.AttributeInfo {
	if p := i.probe(probe); p != nil {
		return p.attributes
	}
	return nil
}
