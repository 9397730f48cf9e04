// Package definition turns definition files into a plan: which nodes make up the
// tree of each application, which probes feed them, and how they are coloured.
//
// # Way of a file
//
// Package source reads a file into values that know where they stand. A definition
// is compiled once into shapes (its templates filled in, its texts taken apart) and
// checked by growing every part of it once, with samples for what only an instance
// knows. An instance then grows the shapes with its parameters. Nodes that are alike
// share their Spec and Source, so that a loop over 100,000 nodes costs little more
// than their names.
//
// # Errors
//
// Everything that is wrong is reported at once, with file, line and column, sorted.
// One bad file does not spoil the others: the plan holds everything that is right,
// and Plan.Broken says what is missing, so that a manager can go on with the old
// instances (Plan.Keep). LANGUAGE.md beside this file describes the language.
package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"grove/tree"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// Loader loads definition files. Its fields are set before the first call and not
// changed. It is safe for concurrent use.
type Loader struct {
	// Kinds is what is known of the kinds of probes.
	Kinds Kinds
	// Catalogue holds the definitions that come with the program; a definition of
	// the same application in the files goes before. Nil: there are none.
	Catalogue fs.FS
	// Beside are directories that are loaded beside the one that Dir and FS are given, such
	// as that of the definitions that managers share.
	Beside []string
	// Facts are names that every definition knows, such as ${hostname}.
	Facts map[string]string
	// Ask lists instances that the program itself asks for.
	Ask []Ask
	// Running returns the instances that run now; nil: none do. Where files want the
	// same name, place or application, the ones that run keep it, whatever the files
	// are called, and the newcomer is in error.
	Running func() []*Instance
	// Found returns the rows that a discovery has found and that still count, in any
	// order; nil: none are known.
	Found func(discovery string) []map[string]tree.Value

	once      sync.Once
	catalogue map[string]*entry
	listErrs  source.Errors
}

// askedFile stands for a file where an instance is asked for by the program.
const askedFile = "default tree"

// Ask is an instance that the program asks for. Name must be set.
type Ask struct {
	Name        string
	Application string
	At          string // a path, which may take in facts: "/${hostname}"
	With        map[string]string
}

// entry is a definition of the catalogue or of the files.
type entry struct {
	doc   document
	input input
	once  sync.Once
	def   *Definition
	errs  source.Errors

	// Of the catalogue, most of which nobody uses: its file is read when it is needed.
	application string // empty: doc was read
	reading     sync.Once
	readErrs    source.Errors
}

// document returns what defines the entry.
func (e *entry) document(budget *int64) (document, source.Errors) {
	if e.application == "" {
		return e.doc, nil
	}
	e.reading.Do(func() {
		docs, errs := e.input.read(budget)
		for i := range docs {
			d, bad := classify(e.input.name, docs[i].Value)
			errs.Append(bad...)
			if app, ok := d.value.Field("application"); ok && len(bad) == 0 && app.Kind == source.Scalar && app.Text == e.application {
				e.doc = d
			}
		}
		if len(errs) == 0 && e.doc.file == "" {
			errs.Add(source.Pos{File: e.input.display()}, "the file defines no application %q", e.application)
		}
		e.readErrs = errs
	})
	return e.doc, e.readErrs
}

// Dir loads the drop-in directory: every *.yaml, *.yml and *.xml in it and in its
// directories, one level deep, and what Beside has. A directory that is not there is
// empty.
func (l *Loader) Dir(dir string) (*Plan, source.Errors) {
	d := directories{}
	defer d.close()
	d.add(dir)
	return l.loadBeside(&d)
}

// FS loads a directory that is not on disk, as Dir does; prefix goes before the names
// of its files in messages.
func (l *Loader) FS(fsys fs.FS, prefix string) (*Plan, source.Errors) {
	d := directories{}
	defer d.close()
	d.list(&root{fsys: fsys, prefix: prefix})
	return l.loadBeside(&d)
}

func (l *Loader) loadBeside(d *directories) (*Plan, source.Errors) {
	for _, dir := range l.Beside {
		d.add(dir)
	}
	return l.load(d.inputs, d.errs)
}

// directories gathers the files of directories.
type directories struct {
	open   []*os.Root
	inputs []input
	errs   source.Errors
}

func (d *directories) add(dir string) {
	r, err := os.OpenRoot(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.errs.Add(source.Pos{File: dir}, "%w", bare(err))
	default:
		d.open = append(d.open, r)
		d.list(&root{fsys: dirFS{r}, prefix: dir})
	}
}

func (d *directories) list(r *root) {
	inputs, errs := r.list()
	d.inputs = append(d.inputs, inputs...)
	d.errs.Append(errs...)
}

func (d *directories) close() {
	for _, r := range d.open {
		_ = r.Close() // It was only read.
	}
}

// Files loads the files that are named; a directory stands for the files in it. What
// a file includes lies in its directory.
func (l *Loader) Files(names ...string) (*Plan, source.Errors) {
	var inputs []input
	var errs source.Errors
	roots := map[string]*root{}
	defer func() {
		for _, r := range roots {
			r.fsys.(dirFS).Root.Close()
		}
	}()
	open := func(dir string) (*root, bool) {
		if r, ok := roots[dir]; ok {
			return r, true
		}
		r, err := os.OpenRoot(dir)
		if err != nil {
			errs.Add(source.Pos{File: dir}, "%w", bare(err))
			return nil, false
		}
		roots[dir] = &root{fsys: dirFS{r}, prefix: dir}
		return roots[dir], true
	}
	for _, name := range names {
		info, err := os.Stat(name)
		switch {
		case err != nil:
			errs.Add(source.Pos{File: name}, "%w", bare(err))
		case info.IsDir():
			if r, ok := open(filepath.Clean(name)); ok {
				list, bad := r.list()
				inputs = append(inputs, list...)
				errs.Append(bad...)
			}
		default:
			if r, ok := open(filepath.Dir(name)); ok {
				inputs = append(inputs, input{r, filepath.Base(name)})
			}
		}
	}
	return l.load(inputs, errs)
}

// dirFS reads a directory without following links out of it.
type dirFS struct{ *os.Root }

// Open implements fs.FS.
func (d dirFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return d.Root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|openFlags, 0)
}

// Lstat implements fs.ReadLinkFS.
func (d dirFS) Lstat(name string) (fs.FileInfo, error) { return d.Root.Lstat(filepath.FromSlash(name)) }

// ReadLink implements fs.ReadLinkFS.
func (d dirFS) ReadLink(name string) (string, error) {
	return d.Root.Readlink(filepath.FromSlash(name))
}

// facts makes the outermost scope.
func (l *Loader) facts() *variable.Scope {
	var s *variable.Scope
	for _, name := range sortedKeys(l.Facts) {
		s = s.With(name, variable.Value{Text: l.Facts[name], Any: l.Facts[name]})
	}
	return s
}

// define reads and checks the definition of an entry, once.
func (l *Loader) define(e *entry, budget *int64) (*Definition, source.Errors) {
	e.once.Do(func() {
		doc, errs := e.document(budget)
		if len(errs) > 0 {
			e.def, e.errs = &Definition{Application: e.application}, errs.Sorted()
			return
		}
		def, errs := readDefinition(doc, l.Kinds, l.facts(), func(name string) ([]source.Document, source.Errors) {
			return input{e.input.root, name}.read(budget)
		})
		for i, f := range def.Files {
			def.Files[i] = e.input.root.display(f)
		}
		def.File, def.BuiltIn = e.input.display(), e.input.root.builtIn
		if def.tree != nil && def.shapes <= maxShapes {
			errs.Append(def.check()...)
		}
		if len(errs) == 0 {
			errs = def.checkTests()
		}
		e.def, e.errs = def, errs.Sorted()
	})
	return e.def, e.errs
}

// builtIn returns the catalogue by application.
func (l *Loader) builtIn() (map[string]*entry, source.Errors) {
	l.once.Do(func() {
		l.catalogue = map[string]*entry{}
		if l.Catalogue == nil {
			return
		}
		rt := &root{fsys: l.Catalogue, prefix: "builtin:", builtIn: true}
		inputs, errs := rt.list()
		budget := int64(MaxBytes)
		for _, in := range inputs {
			if dir, file := path.Split(in.name); file == strings.TrimSuffix(dir, "/")+".yaml" {
				name := strings.TrimSuffix(dir, "/")
				l.catalogue[name] = &entry{input: in, application: name}
				continue
			}
			docs, bad := in.read(&budget)
			errs.Append(bad...)
			for i := range docs {
				d, bad := classify(in.name, docs[i].Value)
				errs.Append(bad...)
				if app, ok := d.value.Field("application"); ok && len(bad) == 0 && app.Kind == source.Scalar {
					if _, taken := l.catalogue[app.Text]; taken {
						errs.Add(app.Pos, "application %q is defined already", app.Text)
						continue
					}
					l.catalogue[app.Text] = &entry{doc: d, input: in}
				}
			}
		}
		l.listErrs = errs
	})
	return l.catalogue, l.listErrs
}

// BuiltInNames lists the applications of the catalogue, sorted.
func (l *Loader) BuiltInNames() []string {
	catalogue, _ := l.builtIn() // What is wrong with it is told where it is used.
	return sortedKeys(catalogue)
}

// BuiltIn returns the definition of an application of the catalogue; nil: there is none.
func (l *Loader) BuiltIn(application string) (*Definition, source.Errors) {
	catalogue, errs := l.builtIn()
	e, ok := catalogue[application]
	if !ok {
		return nil, errs
	}
	budget := int64(MaxBytes)
	return l.define(e, &budget)
}

// loading is one run of the loader.
type loading struct {
	*Loader
	plan     *Plan
	errs     source.Errors
	budget   int64
	entries  map[string]*entry
	order    []*entry
	badApps  map[string]bool
	requests []request
	names    map[string]source.Pos
	paths    map[tree.Path]*Node
	metrics  map[string]metricUse
	probes   int
	monitors int
	finders  []*finder
	profiled map[string][]pattern // by column
}

type metricUse struct {
	unit string
	kind tree.Kind
	pos  source.Pos
}

func (l *Loader) begin() *loading {
	return &loading{
		Loader: l, plan: &Plan{}, budget: MaxBytes,
		entries: map[string]*entry{}, badApps: map[string]bool{},
		names: map[string]source.Pos{}, paths: map[tree.Path]*Node{}, metrics: map[string]metricUse{}, profiled: map[string][]pattern{},
	}
}

func (l *Loader) load(inputs []input, errs source.Errors) (*Plan, source.Errors) {
	r := l.begin()
	for _, e := range errs {
		r.broken(e.Pos.File, "", source.Errors{e})
	}
	r.errs.Append(errs...)
	files, running := l.running()
	slices.SortStableFunc(inputs, func(a, b input) int { return firstOf(files[a.display()], files[b.display()]) })
	for _, in := range inputs {
		r.file(in)
	}
	r.ask()
	for _, e := range r.order {
		r.definition(e)
	}
	for _, f := range r.finders {
		r.discover(f)
	}
	slices.SortStableFunc(r.requests, func(a, b request) int {
		return firstOf(running[fileAndName{a.pos.File, a.name, a.rowKey}], running[fileAndName{b.pos.File, b.name, b.rowKey}])
	})
	return r.end()
}

// end makes the instances that were asked for, and the plan.
func (r *loading) end() (*Plan, source.Errors) {
	for i := range r.requests {
		r.instance(&r.requests[i])
	}
	slices.SortFunc(r.plan.Instances, func(a, b *Instance) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(r.plan.Discoveries, func(a, b *Discovery) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(r.plan.Definitions, func(a, b *Definition) int { return strings.Compare(a.Application, b.Application) })
	slices.SortStableFunc(r.plan.Broken, func(a, b Broken) int { return strings.Compare(a.File, b.File) })
	r.paths, r.metrics, r.requests, r.finders = nil, nil, nil, nil // Discoveries hold on to the rest.
	return r.plan, r.errs.Sorted()
}

// fileAndName tells apart the instances that files ask for.
type fileAndName struct{ file, name, row string }

// running returns the files of what runs, and what they asked for.
func (l *Loader) running() (files map[string]bool, instances map[fileAndName]bool) {
	files, instances = map[string]bool{}, map[fileAndName]bool{}
	if l.Running == nil {
		return files, instances
	}
	for _, i := range l.Running() {
		files[i.File], files[i.Definition] = true, true
		instances[fileAndName{i.File, i.Name, i.Row}] = true
	}
	return files, instances
}

// firstOf sorts what is true before what is not.
func firstOf(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (r *loading) broken(file, name string, errs source.Errors) {
	r.plan.Broken = append(r.plan.Broken, Broken{File: file, Name: name, Err: errs})
}

// file reads a file and notes what it defines and asks for.
func (r *loading) file(in input) {
	docs, errs := in.read(&r.budget)
	if len(errs) > 0 {
		r.errs.Append(errs...)
		r.broken(in.display(), "", errs)
		return
	}
	for i := range docs {
		d, errs := classify(in.name, docs[i].Value)
		switch {
		case len(errs) > 0:
			r.errs.Append(errs...)
			r.broken(in.display(), "", errs)
		case d.instance:
			fallback := strings.TrimSuffix(path.Base(in.name), path.Ext(in.name))
			if _, found := docs[i].Value.Field("each"); found {
				f, errs := readFinder(d, fallback)
				if len(errs) > 0 {
					r.errs.Append(errs...)
					r.broken(in.display(), f.discovery.Name, errs)
					continue
				}
				r.finders = append(r.finders, f)
				continue
			}
			q, errs := readRequest(d, fallback)
			if len(errs) > 0 {
				r.errs.Append(errs...)
				r.broken(in.display(), q.name, errs)
				continue
			}
			r.requests = append(r.requests, q)
		case d.fragment:
			r.fragment(d, in)
		default:
			r.entry(d, in)
		}
	}
}

// fragment looks at the keys of a file that others include; the rest is looked at
// where it is included.
func (r *loading) fragment(d document, in input) {
	for i := range d.value.Fields {
		switch f := &d.value.Fields[i]; f.Key {
		case "grove", "parameters", "templates", "probes", "include", "title", "description":
		default:
			e := r.errs.Add(f.Pos, "unknown key %q in a file that others include", f.Key)
			e.Hint = source.DidYouMean(f.Key, []string{"grove", "parameters", "templates", "probes", "include", "application", "tree", "use"})
			r.broken(in.display(), "", source.Errors{e})
		}
	}
}

func (r *loading) entry(d document, in input) {
	e := &entry{doc: d, input: in}
	r.order = append(r.order, e)
	app, ok := d.value.Field("application")
	if !ok || app.Kind != source.Scalar || app.Null {
		return
	}
	if first, taken := r.entries[app.Text]; taken {
		err := source.Errorf(app.Pos, "application %q is defined already, in %s", app.Text, first.input.display())
		r.errs.Append(err)
		r.broken(in.display(), "", source.Errors{err})
		r.order = r.order[:len(r.order)-1]
		return
	}
	r.entries[app.Text] = e
}

// ask adds the instances that the program asks for.
func (r *loading) ask() {
	for _, a := range r.Ask {
		pos := source.Pos{File: askedFile}
		q := request{name: a.Name, application: a.Application, at: source.Text(pos, a.At), pos: pos, usePos: pos, named: true}
		if len(a.With) > 0 {
			with := source.Value{Kind: source.Map, Pos: pos}
			for _, k := range sortedKeys(a.With) {
				with.Fields = append(with.Fields, source.Field{Key: k, Pos: pos, Value: source.Text(pos, a.With[k])})
			}
			q.with = &with
		}
		r.requests = append(r.requests, q)
	}
}

// definition reads a definition of the files, and notes that it is its own instance.
func (r *loading) definition(e *entry) {
	def, errs := r.define(e, &r.budget)
	if len(errs) > 0 {
		r.errs.Append(errs...)
		r.broken(e.input.display(), "", errs)
		r.badApps[def.Application] = true
		return
	}
	r.plan.Definitions = append(r.plan.Definitions, def)
	if !def.at.Null {
		r.requests = append(r.requests, request{
			name: def.Application, application: def.Application, at: def.at, pos: def.Pos, usePos: def.at.Pos, definition: def,
		})
	}
}

// instance makes an instance that was asked for.
func (r *loading) instance(q *request) {
	var errs source.Errors
	instance := r.make(q, &errs)
	if instance != nil && len(errs) == 0 {
		r.settle(instance, &errs)
	}
	if len(errs) == 0 && instance != nil {
		r.plan.Instances = append(r.plan.Instances, instance)
		return
	}
	q.blame(errs)
	r.errs.Append(errs...)
	r.broken(q.pos.File, q.name, errs)
}

func (r *loading) make(q *request, errs *source.Errors) *Instance {
	if first, taken := r.names[q.name]; taken {
		e := errs.Add(q.pos, "there is an instance %q already, at %s", q.name, first)
		if !q.named {
			e.WithHint("give it another name: name: …")
		}
		return nil
	}
	r.names[q.name] = q.pos
	return r.build(q, errs)
}

// build makes an instance whose name nobody else has.
func (r *loading) build(q *request, errs *source.Errors) *Instance {
	at, bad := q.place(r.facts())
	errs.Append(bad)
	def := q.definition
	if def == nil {
		def = r.find(q, errs)
	}
	if def == nil || bad != nil {
		return nil
	}
	instance, more := def.instance(q.name, at, q.with, q.top, q.pos, false)
	if instance != nil {
		instance.Discovery, instance.Row, instance.Why = q.discovery, q.rowKey, q.why
	}
	for _, e := range more {
		if e.Pos.File != q.pos.File {
			e.Msg += " (in instance " + quoted(q.name) + ", " + q.pos.String() + ")"
		}
		errs.Append(e)
	}
	return instance
}

// find looks for a definition in the files, then in the catalogue.
func (r *loading) find(q *request, errs *source.Errors) *Definition {
	if r.badApps[q.application] {
		r.broken(q.pos.File, q.name, source.Errors{source.Errorf(q.usePos, "definition %q is in error", q.application)})
		return nil
	}
	if e, ok := r.entries[q.application]; ok {
		return e.def
	}
	catalogue, bad := r.builtIn()
	if e, ok := catalogue[q.application]; ok {
		budget := int64(MaxBytes)
		def, bad := r.define(e, &budget)
		if len(bad) > 0 {
			errs.Append(bad...)
			return nil
		}
		if !slices.Contains(r.plan.Definitions, def) {
			r.plan.Definitions = append(r.plan.Definitions, def)
		}
		return def
	}
	known := append(sortedKeys(r.entries), sortedKeys(catalogue)...)
	slices.Sort(known)
	e := errs.Add(q.usePos, "there is no definition of %q", q.application)
	switch e.Hint = source.DidYouMean(q.application, known); {
	case e.Hint != "" || len(known) == 0:
	case len(known) <= 20:
		e.Hint = "there are " + strings.Join(known, ", ")
	default:
		e.Hint = "grove definitions list prints those that come with grove; others stand in files of the directory"
	}
	errs.Append(bad...)
	return nil
}

// settle finds what an instance and the others before it both want.
func (r *loading) settle(i *Instance, errs *source.Errors) {
	switch {
	case len(r.plan.Instances) >= MaxInstances:
		errs.Add(i.Pos, "more than %d instances", MaxInstances)
		return
	case len(r.paths)+len(i.Nodes) > MaxNodes:
		errs.Add(i.Pos, "all definitions together make more than %d nodes", MaxNodes)
		return
	case r.probes+len(i.Probes) > MaxProbes:
		errs.Add(i.Pos, "all definitions together make more than %d probes", MaxProbes)
		return
	case r.monitors+len(i.Monitors) > MaxMonitors:
		errs.Add(i.Pos, "all definitions together make more than %d monitors", MaxMonitors)
		return
	}
	if r.apart(i, errs); len(*errs) > 0 {
		return
	}
	for n := range i.Nodes {
		r.metric(&i.Nodes[n], errs)
	}
	if len(*errs) > 0 {
		return
	}
	for n := range i.Nodes {
		node := &i.Nodes[n]
		if first, twice := r.paths[node.Path]; twice {
			e := errs.Add(node.Pos, "node %s is made twice", node.Path)
			if first.Pos == node.Pos {
				e.WithHint("the copies of a loop need names that differ")
			} else {
				e.WithHint("first at %s", first.Pos)
			}
			for _, m := range i.Nodes[:n] {
				delete(r.paths, m.Path)
			}
			return
		}
		r.paths[node.Path] = node
	}
	r.probes += len(i.Probes)
	r.monitors += len(i.Monitors)
}

// apart says when an instance wants nodes that another one has: once, however many
// they are.
func (r *loading) apart(i *Instance, errs *source.Errors) {
	if first, taken := r.paths[i.At]; taken {
		owner := first.Spec.Owner
		if other, _ := r.plan.Instance(owner); other != nil && other.At == i.At {
			errs.Add(i.Pos, "instance %q is at %s already, asked for at %s", owner, i.At, r.names[owner]).WithHint("each has a place of its own: at: …")
			return
		}
	}
	var e *source.Error
	more := 0
	for n := range i.Nodes {
		node := &i.Nodes[n]
		first, taken := r.paths[node.Path]
		if !taken {
			continue
		}
		if more++; e != nil {
			continue
		}
		pos := node.Pos
		if pos.File != i.Pos.File {
			pos = i.Pos // a definition elsewhere is not what people must mend
		}
		owner := first.Spec.Owner
		e = errs.Add(pos, "node %s of instance %q is there already: instance %q, asked for at %s, makes it", node.Path, i.Name, owner, r.names[owner])
	}
	if more > 1 {
		e.Msg += fmt.Sprintf(" (and %d more)", more-1)
	}
}

// metric says when a metric has another unit or kind than before: one name is one
// kind of quantity.
func (r *loading) metric(n *Node, errs *source.Errors) {
	if n.Spec.Metric == "" {
		return
	}
	use, ok := r.metrics[n.Spec.Metric]
	switch {
	case !ok:
		r.metrics[n.Spec.Metric] = metricUse{n.Spec.Unit, n.Spec.Kind, n.Pos}
	case use.kind != n.Spec.Kind:
		errs.Add(n.Pos, "metric %s is of kind %s here and of kind %s at %s", n.Spec.Metric, n.Spec.Kind, use.kind, use.pos)
	case use.unit != n.Spec.Unit:
		errs.Add(n.Pos, "metric %s has the unit %q here and %q at %s", n.Spec.Metric, n.Spec.Unit, use.unit, use.pos)
	}
}
