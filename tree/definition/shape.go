package definition

import (
	"slices"
	"strconv"
	"strings"

	"grove/tree"
	"grove/tree/definition/file"
	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

// shape is a node as a definition writes it, its templates filled in and its texts
// taken apart once, so that a loop over it costs little.
type shape struct {
	name     variable.Text
	pos      source.Pos     // of the name
	settings []source.Field // what the node is, without what shapes the tree
	texts    []fillable     // the settings' scalars that take in variables
	attr     bool           // it has a setting of an attribute
	typo     bool           // a setting is spelled wrong, so others may be missed
	each     *source.Value
	eachText variable.Text
	where    *source.Value
	whereTxt variable.Text
	frames   []frame // the templates that it uses, the outermost last
	children []*shape
}

// fillable is a scalar with variables; at is the way to it through the settings.
type fillable struct {
	text variable.Text
	pos  source.Pos
	top  int  // index in settings
	bad  bool // it cannot be read, so nobody knows what the setting says
}

// frame is the use of a template: its parameters are bound before the node is made.
type frame struct {
	template *template
	with     *source.Value
	pos      source.Pos
}

// compiler turns the maps of a definition into shapes.
type compiler struct {
	def     *Definition
	errs    *source.Errors
	using   []string // templates that are being filled in
	tooMany bool
}

// top compiles the tree itself.
func (c *compiler) top(v *source.Value) *shape {
	s := &shape{pos: v.Pos}
	if v.Kind != source.Map {
		c.errs.Add(v.Pos, "tree is a map of nodes, not %s", v.Describe())
		return s
	}
	c.body(s, v)
	if s.each != nil {
		c.errs.Add(s.each.Pos, "the top of the tree cannot be a loop")
		s.each = nil
	}
	if s.where != nil {
		c.errs.Add(s.where.Pos, "the top of the tree has no condition")
		s.where = nil
	}
	return s
}

func (c *compiler) full(pos source.Pos) bool {
	if c.tooMany || len(*c.errs) > MaxErrors {
		return true
	}
	if c.def.shapes++; c.def.shapes > maxShapes {
		c.tooMany = true
		c.errs.Add(pos, "the definition writes more than %d nodes, templates filled in", maxShapes).WithHint("write a loop instead")
		return true
	}
	return false
}

// node compiles a child.
func (c *compiler) node(f *source.Field) *shape {
	s := &shape{pos: f.Pos}
	var err error
	if s.name, err = variable.ParseText(f.Key); err != nil {
		c.errs.Add(f.Pos, "node name: %w", err)
	} else if s.name.IsPlain() {
		if err := tree.CheckName(f.Key); err != nil {
			c.errs.Add(f.Pos, "node name: %w", err)
		}
	}
	if f.Value.Null {
		return s // an empty group
	}
	c.body(s, &f.Value)
	if s.each != nil && s.where == nil && err == nil && s.name.IsPlain() {
		c.errs.Add(f.Pos, "the name of a loop tells its copies apart, so it needs a variable").WithHint("such as ${item}, or ${row.column} over a table")
	}
	return s
}

// body compiles the settings and children of a node map.
func (c *compiler) body(s *shape, v *source.Value) {
	var use, with *source.Value
	for i := range v.Fields {
		f := &v.Fields[i]
		switch {
		case f.Key == "use":
			use = &f.Value
		case f.Key == "with":
			with = &f.Value
		case f.Key == "each":
			s.each = &f.Value
			s.eachText = c.parse(&f.Value)
		case f.Key == "where":
			s.where = &f.Value
			s.whereTxt = c.parse(&f.Value)
			if _, bad := f.Value.Str(); bad != nil {
				c.errs.Append(bad)
				s.where = nil
			}
		case f.Key == "nodes":
			c.children(s, &f.Value)
		case file.IsNodeKey(f.Key):
			if !f.Value.Null {
				s.set(*f)
			}
		case c.isChild(f):
			if child := c.child(f); child != nil {
				s.children = append(s.children, child)
			}
		default:
			s.typo = true
		}
	}
	if use != nil {
		c.use(s, use, with)
	} else if with != nil {
		c.errs.Add(with.Pos, "with gives parameters to a template, but there is no use")
	}
	s.texts = s.texts[:0]
	s.attr = false
	for i := range s.settings {
		f := &s.settings[i]
		c.texts(s, &f.Value, i)
		if file.ForAttributes(f.Key) {
			s.attr = true
		}
	}
	c.unique(s)
}

func (c *compiler) child(f *source.Field) *shape {
	if c.full(f.Pos) {
		return nil
	}
	return c.node(f)
}

// isChild says whether a key that is no setting names a child, and complains when
// it looks like a setting that is spelled wrong.
func (c *compiler) isChild(f *source.Field) bool {
	near, ok := source.Nearest(f.Key, file.NodeKeys)
	lower := f.Key == strings.ToLower(f.Key) && !strings.ContainsAny(f.Key, " ${")
	isMap := f.Value.Kind == source.Map || f.Value.Null
	switch {
	case isMap && (!ok || !lower || !oneOff(f.Key, near)):
		return true
	case isMap:
		c.errs.Add(f.Pos, "unknown setting %q", f.Key).WithHint("did you mean %q? A node of this name goes below nodes", near)
	case ok:
		c.errs.Add(f.Pos, "unknown setting %q", f.Key).WithHint("did you mean %q?", near)
	case lower:
		c.errs.Add(f.Pos, "unknown setting %q", f.Key).WithHint("a node is a map of settings, not %s", f.Value.Describe())
	default:
		c.errs.Add(f.Value.Pos, "node %q is a map of settings and children, not %s", f.Key, f.Value.Describe())
	}
	return false
}

// oneOff holds when one letter was left out, added, changed or swapped with its
// neighbour.
func oneOff(a, b string) bool {
	if len(a) < 4 || a == b {
		return false
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	return a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

func (c *compiler) children(s *shape, v *source.Value) {
	if v.Null {
		return
	}
	if v.Kind != source.Map {
		c.errs.Add(v.Pos, "nodes is a map of children, not %s", v.Describe())
		return
	}
	for i := range v.Fields {
		f := &v.Fields[i]
		if f.Value.Kind != source.Map && !f.Value.Null {
			c.errs.Add(f.Value.Pos, "node %q is a map of settings and children, not %s", f.Key, f.Value.Describe())
			continue
		}
		if child := c.child(f); child != nil {
			s.children = append(s.children, child)
		}
	}
}

// use puts the settings and children of a template under those of the node.
func (c *compiler) use(s *shape, use, with *source.Value) {
	name, bad := use.Str()
	if bad != nil {
		c.errs.Append(bad)
		return
	}
	t, ok := c.def.templates[name]
	if !ok {
		names := make([]string, 0, len(c.def.templates))
		for n := range c.def.templates {
			names = append(names, n)
		}
		slices.Sort(names)
		e := c.errs.Add(use.Pos, "there is no template %q", name)
		if e.Hint = source.DidYouMean(name, names); e.Hint == "" && len(names) == 0 {
			e.Hint = "the definition has no templates"
		}
		return
	}
	if slices.Contains(c.using, name) {
		c.errs.Add(use.Pos, "template %q uses itself: %s", name, strings.Join(append(slices.Clone(c.using), name), " -> "))
		return
	}
	if len(c.using) >= maxTemplates {
		c.errs.Add(use.Pos, "more than %d templates within each other", maxTemplates)
		return
	}
	c.using = append(c.using, name)
	base := &shape{pos: t.pos}
	c.body(base, &t.body)
	c.using = c.using[:len(c.using)-1]
	for _, v := range []*source.Value{base.each, base.where} {
		if v != nil {
			c.errs.Add(v.Pos, "the top of a template has neither each nor where").WithHint("write it where the template is used")
		}
	}
	own := s.settings
	s.settings = slices.Clone(base.settings)
	for _, f := range own {
		s.set(f)
	}
	s.children = append(slices.Clone(base.children), s.children...)
	s.typo = s.typo || base.typo
	s.frames = append(slices.Clone(base.frames), frame{t, with, use.Pos})
}

// set replaces or adds a setting.
func (s *shape) set(f source.Field) {
	for i := range s.settings {
		if s.settings[i].Key == f.Key {
			s.settings[i] = f
			return
		}
	}
	s.settings = append(s.settings, f)
}

// texts collects the scalars that take in variables.
func (c *compiler) texts(s *shape, v *source.Value, top int) {
	switch v.Kind {
	case source.Scalar:
		t, err := variable.ParseText(v.Text)
		if err != nil {
			c.errs.Add(v.Pos, "%w", err)
			s.texts = append(s.texts, fillable{pos: v.Pos, top: top, bad: true})
		} else if !t.IsPlain() || strings.Contains(v.Text, "${") {
			s.texts = append(s.texts, fillable{text: t, pos: v.Pos, top: top})
		}
	case source.List:
		for i := range v.Items {
			c.texts(s, &v.Items[i], top)
		}
	default:
		for i := range v.Fields {
			c.texts(s, &v.Fields[i].Value, top)
		}
	}
}

func (c *compiler) parse(v *source.Value) variable.Text {
	if v.Kind != source.Scalar {
		return variable.Text{}
	}
	t, err := variable.ParseText(v.Text)
	if err != nil {
		c.errs.Add(v.Pos, "%w", err)
	}
	return t
}

// unique complains about children of one name; names with variables are looked at
// when they are filled in.
func (c *compiler) unique(s *shape) {
	if len(s.children) < 2 {
		return
	}
	seen := make(map[string]source.Pos, len(s.children))
	for _, child := range s.children {
		if !child.name.IsPlain() {
			continue
		}
		name, _, _ := child.name.Fill(nil, false)
		if first, ok := seen[name]; ok {
			c.errs.Add(child.pos, "node %s is there already, at %s", strconv.Quote(name), first)
			continue
		}
		seen[name] = child.pos
	}
}
