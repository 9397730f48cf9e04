package definition

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"grove/tree/definition/file"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// Definition says what makes up the tree of one application. It is not changed
// once it was loaded.
type Definition struct {
	Application string
	Title       string
	Description string
	File        string   // where it stands
	Files       []string // that file and the ones that it includes
	BuiltIn     bool     // it comes with the program
	Pos         source.Pos
	Parameters  []*variable.Parameter
	Tests       []Test
	// Profile holds the patterns of what a discovery finds at the things that the
	// definition is for, by column.
	Profile map[string][]string

	kinds      Kinds
	facts      *variable.Scope
	at         source.Value    // where it hangs itself; null: nowhere
	history    file.History    // of all its nodes
	properties file.Properties // of its top
	dependsOn  file.Texts      // likewise
	monitors   file.Named
	templates  map[string]*template
	probes     []source.Field
	tree       *shape
	shapes     int
	alike      alike
}

// ProbeKinds lists the kinds of the probes that the definition has, sorted; without those
// that a parameter chooses.
func (d *Definition) ProbeKinds() []string {
	kinds := map[string]bool{}
	for i := range d.probes {
		if v, ok := d.probes[i].Value.Field("kind"); ok && v.Kind == source.Scalar && !strings.Contains(v.Text, "${") {
			kinds[v.Text] = true
		}
	}
	return sortedKeys(kinds)
}

// template is a piece of tree.
type template struct {
	name   string
	params []*variable.Parameter
	body   source.Value
	pos    source.Pos
}

// applicationForm is the form of the names of applications and instances.
var applicationForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// document is one document of a file, sorted by what it is.
type document struct {
	value    source.Value
	file     string
	instance bool // it asks for an instance
	fragment bool // it is only there to be included
}

// classify sorts a document by its keys.
func classify(fileName string, v source.Value) (document, source.Errors) {
	var errs source.Errors
	d := document{value: v, file: fileName}
	if v.Kind != source.Map {
		errs.Add(v.Pos, "a definition file is a map of keys such as application and tree, not %s", v.Describe())
		return d, errs
	}
	_, uses := v.Field("use")
	_, names := v.Field("application")
	_, trees := v.Field("tree")
	switch {
	case uses && !names && !trees:
		d.instance = true
	case !names && !trees:
		d.fragment = true
		for _, key := range []string{"templates", "parameters", "probes", "include"} {
			if _, ok := v.Field(key); ok {
				return d, errs
			}
		}
		var keys []string
		for i := range v.Fields {
			keys = append(keys, v.Fields[i].Key)
		}
		e := errs.Add(v.Pos, "neither a definition (application and tree) nor an instance (use and at)")
		if slices.Contains(keys, "channels") || slices.Contains(keys, "routes") {
			e.Hint = "the file of alerts lies beside the directory of definitions, not in it, and is checked by its own name"
			return d, errs
		}
		for i, k := range keys {
			for _, want := range []string{"application", "tree", "use"} {
				if near, ok := source.Nearest(k, []string{want}); ok {
					e.Hint = "is " + strconv.Quote(k) + " meant to be " + strconv.Quote(near) + "?"
					e.Pos = v.Fields[i].Pos
					return d, errs
				}
			}
		}
	}
	return d, errs
}

// reader reads one definition from its documents.
type reader struct {
	def   *Definition
	files func(name string) ([]source.Document, source.Errors) // reads an included file
	errs  source.Errors
	seen  map[string]source.Pos // where parameters, templates and probes were declared
}

// readDefinition makes a definition of a document; includes are read through files,
// by their name in the same root.
func readDefinition(d document, kinds Kinds, facts *variable.Scope, files func(name string) ([]source.Document, source.Errors)) (*Definition, source.Errors) {
	r := reader{
		def: &Definition{
			File: d.file, Files: []string{d.file}, Pos: d.value.Pos, kinds: kinds, facts: facts,
			at:        source.Value{Null: true},
			templates: map[string]*template{},
		},
		files: files,
		seen:  map[string]source.Pos{},
	}
	var f file.Definition
	r.errs.Append(d.value.Decode(&f, source.DecodeOptions{What: "a definition"})...)
	r.version(&f.Grove, d.value.Pos)
	def := r.def
	switch {
	case !f.Application.Given():
		r.errs.Add(d.value.Pos, "the definition has no application").WithHint("application: a-name")
	case !applicationForm.MatchString(f.Application.Value.Text):
		r.errs.Add(f.Application.Pos, "application %q: letters, digits, dots, - and _, at most 64", f.Application.Value.Text)
	}
	def.Application = f.Application.Value.Text
	def.Title, def.Description = r.text(&f.Title), r.text(&f.Description)
	if f.At.Given() {
		def.at = f.At.Value
	}
	if f.Profile.Given() {
		r.profile(&f.Profile.Value)
	}
	def.history, def.properties, def.dependsOn, def.monitors = f.History, f.Properties, f.DependsOn, f.Monitors
	r.parts(d.file, &f, nil)
	if !f.Tree.Given() {
		r.errs.Add(d.value.Pos, "the definition has no tree")
	} else {
		c := compiler{def: def, errs: &r.errs}
		def.tree = c.top(&f.Tree.Value)
	}
	def.Tests = r.tests(&f.Tests)
	return def, r.errs
}

// profile checks the profile of the definition.
func (r *reader) profile(v *source.Value) {
	columns, errs := readProfile(v, r.def.Application, false)
	r.errs.Append(errs...)
	r.def.Profile = make(map[string][]string, len(columns))
	for column, patterns := range columns {
		for _, p := range patterns {
			r.def.Profile[column] = append(r.def.Profile[column], p.text)
		}
	}
}

// version checks "grove: 1".
func (r *reader) version(v *file.Text, pos source.Pos) { checkVersion(v, pos, &r.errs) }

func checkVersion(v *file.Text, pos source.Pos, errs *source.Errors) {
	if !v.Given() {
		errs.Add(pos, "the version of the language is missing").WithHint("begin with grove: 1")
		return
	}
	if n, err := v.Int(); err != nil || n != file.Version {
		errs.Add(v.Pos, "version %s of the language is not known", v.Describe()).WithHint("this program knows grove: %d", file.Version)
	}
}

func (r *reader) text(v *file.Text) string {
	if !v.Given() {
		return ""
	}
	s, err := v.Str()
	r.errs.Append(err)
	return s
}

// parts takes over what a file and the files that it includes declare.
func (r *reader) parts(fileName string, f *file.Definition, within []string) {
	within = append(within, fileName)
	r.include(fileName, &f.Include.Value, within)
	for i := range r.fields(&f.Parameters.Value, "parameters") {
		field := &f.Parameters.Fields[i]
		if r.fresh("parameter", field) {
			p, errs := variable.Parse(field)
			r.errs.Append(errs...)
			r.def.Parameters = append(r.def.Parameters, p)
		}
	}
	for i := range r.fields(&f.Templates.Value, "templates") {
		if field := &f.Templates.Fields[i]; r.fresh("template", field) {
			r.template(field)
		}
	}
	for i := range r.fields(&f.Probes.Value, "probes") {
		if field := &f.Probes.Fields[i]; r.fresh("probe", field) {
			r.def.probes = append(r.def.probes, *field)
		}
	}
}

func (r *reader) fields(v *source.Value, what string) []source.Field {
	if v.Pos.Line == 0 || v.Null || v.Kind == source.Map {
		return v.Fields
	}
	r.errs.Add(v.Pos, "%s is a map by name, not %s", what, v.Describe())
	return nil
}

// fresh complains about a name that is malformed or taken.
func (r *reader) fresh(what string, f *source.Field) bool {
	if what != "parameter" && !variable.ValidName(f.Key) {
		r.errs.Add(f.Pos, "%s name %q: letters, digits and underscores, not beginning with a digit, at most 64", what, f.Key)
		return false
	}
	if what == "probe" && (f.Key == "item" || f.Key == "row") {
		r.errs.Add(f.Pos, "probe name %q means something else already", f.Key)
		return false
	}
	key := what + " " + f.Key
	if first, ok := r.seen[key]; ok {
		r.errs.Add(f.Pos, "%s %q is declared already, at %s", what, f.Key, first)
		return false
	}
	r.seen[key] = f.Pos
	return true
}

func (r *reader) template(f *source.Field) {
	if f.Value.Kind != source.Map {
		r.errs.Add(f.Value.Pos, "template %q is a map of settings and children, not %s", f.Key, f.Value.Describe())
		return
	}
	t := &template{name: f.Key, pos: f.Pos, body: source.Value{Kind: source.Map, Pos: f.Value.Pos}}
	seen := map[string]bool{}
	for i := range f.Value.Fields {
		field := &f.Value.Fields[i]
		if field.Key != "parameters" {
			t.body.Fields = append(t.body.Fields, *field)
			continue
		}
		for j := range r.fields(&field.Value, "parameters") {
			declared := &field.Value.Fields[j]
			if seen[declared.Key] {
				continue // the reader of the file has complained
			}
			seen[declared.Key] = true
			p, errs := variable.Parse(declared)
			r.errs.Append(errs...)
			t.params = append(t.params, p)
		}
	}
	r.def.templates[f.Key] = t
}

// include reads the files that a file names.
func (r *reader) include(fileName string, list *source.Value, within []string) {
	if list.Pos.Line == 0 || list.Null {
		return
	}
	items := list.Items
	if list.Kind == source.Scalar {
		items = []source.Value{*list}
	} else if list.Kind != source.List {
		r.errs.Add(list.Pos, "include is a list of file names, not %s", list.Describe())
		return
	}
	for i := range items {
		v := &items[i]
		name, bad := v.Str()
		if bad != nil {
			r.errs.Append(bad)
			continue
		}
		r.includeOne(fileName, name, v.Pos, within)
	}
}

func (r *reader) includeOne(fileName, name string, pos source.Pos, within []string) {
	full, problem := includePath(fileName, name)
	if problem != "" {
		r.errs.Add(pos, "include %q: %s", name, problem)
		return
	}
	for _, w := range within {
		if w == full {
			r.errs.Add(pos, "include %q: the file includes itself", name)
			return
		}
	}
	if len(within) >= maxIncludes {
		r.errs.Add(pos, "include %q: more than %d files within each other", name, maxIncludes)
		return
	}
	for _, f := range r.def.Files {
		if f == full {
			return // included already, on another way
		}
	}
	r.def.Files = append(r.def.Files, full)
	docs, errs := r.files(full)
	if len(errs) > 0 {
		for _, e := range errs {
			if e.Pos.Line == 0 { // the file could not be opened: say who wants it
				e = source.Errorf(pos, "include %q: %s", name, e.Msg)
			}
			r.errs.Append(e)
		}
		return
	}
	for i := range docs {
		d, errs := classify(full, docs[i].Value)
		r.errs.Append(errs...)
		if len(errs) > 0 {
			continue
		}
		if !d.fragment {
			r.errs.Add(d.value.Pos, "an included file has only parameters, templates, probes and include").WithHint("it is included at %s", pos)
			continue
		}
		var f file.Definition
		r.errs.Append(d.value.Decode(&f, source.DecodeOptions{What: "an included file"})...)
		checkVersion(&f.Grove, d.value.Pos, &r.errs)
		r.parts(full, &f, within)
	}
}

// includePath resolves the name of an included file against the file that names it.
func includePath(from, name string) (full, problem string) {
	switch {
	case name == "":
		return "", "empty name"
	case path.IsAbs(name):
		return "", "the name is absolute; name a file beside this one"
	}
	full = path.Join(path.Dir(from), name)
	if full == ".." || len(full) > 2 && full[:3] == "../" {
		return "", "the file lies outside of the directory of definitions"
	}
	if !isDefinitionName(path.Base(full)) {
		return "", "the name does not end in .yaml, .yml or .xml"
	}
	return full, ""
}
