// Package mbean turns the MBeans of a Java server into attributes and tables of a probe.
// A definition says which by the names or name patterns of JMX; the kinds of probes that
// can ask such a server, each by its own protocol, ask what a Plan wants to know and give
// it the answers.
package mbean

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
)

// The bounds of the options.
const (
	maxAttributes = 500
	maxTables     = 50
	maxColumns    = 50
	maxQueries    = 300
	maxName       = 1000 // bytes of a name or pattern
	maxPath       = 500  // bytes of an attribute or a path
	maxDepth      = 15   // steps of a path
	maxProperties = 10
	MaxRows       = 10_000 // of one table
	defaultRows   = 1000
)

// Beans say which MBeans become attributes and tables. They stand inline in a kind's
// options.
type Beans struct {
	Attributes map[string]Value `yaml:"attributes,omitempty" jsonschema:"description=Attributes by name: each a value of one MBean\\, or of all that a pattern matches taken together."`
	Tables     map[string]Table `yaml:"tables,omitempty" jsonschema:"description=Tables by name: a row for each MBean that a pattern matches."`
}

// Value is one value of MBeans.
type Value struct {
	MBean       string `yaml:"mbean,omitempty" jsonschema:"description=Name of the MBean\\, such as java.lang:type=Memory\\, or a pattern with * and ?. In a table that of the table unless given."`
	Attribute   string `yaml:"attribute,omitempty" jsonschema:"description=Name of the MBean's attribute."`
	Path        string `yaml:"path,omitempty" jsonschema:"description=Way into a composite or tabular value: names joined by /\\, with !/ for a slash in a name."`
	Type        string `yaml:"type,omitempty" jsonschema:"enum=number,enum=counter,enum=text,enum=bool,enum=size,description=number (default)\\, counter (a number that only rises)\\, text\\, bool\\, or size: how many items a list or map has."`
	Combine     string `yaml:"combine,omitempty" jsonschema:"enum=sum,enum=min,enum=max,enum=first,enum=count,description=What is made of the values of several MBeans: sum (default for numbers)\\, min\\, max\\, first (by name; default for others) or count."`
	Unit        string `yaml:"unit,omitempty" jsonschema:"description=Unit of the number."`
	Description string `yaml:"description,omitempty" jsonschema:"description=What it means."`
}

// Table is a table of MBeans.
type Table struct {
	MBean       string           `yaml:"mbean,omitempty" jsonschema:"description=Pattern of the MBeans\\, such as Catalina:type=ThreadPool\\,name=*; columns may have their own."`
	By          []string         `yaml:"by,omitempty" jsonschema:"description=Key properties of the names that tell rows apart; each becomes a column. Those with a wildcard in the pattern unless given."`
	Entries     string           `yaml:"entries,omitempty" jsonschema:"description=Attribute of one MBean (and a path into it\\, joined by /) whose entries are the rows\\, in place of MBeans."`
	Columns     map[string]Value `yaml:"columns,omitempty" jsonschema:"description=Columns by name. Without any the table tells which MBeans there are."`
	Rows        int              `yaml:"rows,omitempty" jsonschema:"minimum=1,maximum=10000,default=1000,description=The most rows; of more the first by key are shown."`
	Description string           `yaml:"description,omitempty" jsonschema:"description=What the table shows."`
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// types are the types of a Value.
var types = []string{"number", "counter", "text", "bool", "size"}

// combines are the ways to make one value of several.
var combines = []string{"sum", "min", "max", "first", "count"}

// source is a checked Value.
type source struct {
	name    string // of the attribute or column
	pattern beans.Name
	query   int // index into the plan's queries; -1: an entry of a table
	attr    string
	path    []string
	typ     string
	combine string
	info    beans.AttributeInfo
}

// table is a checked Table.
type table struct {
	name    string
	by      []string // key properties; empty: a row for each MBean, or entries
	joined  bool     // several properties: the column key joins them
	columns []source
	names   []string // of the columns, in the order of the cells
	rows    int
	entries *source // whose entries are the rows
	query   int     // which MBeans there are, when there are no columns
	info    beans.AttributeInfo
}

// Plan is what Beans come to.
type Plan struct {
	values  []source // sorted by name
	tables  []table  // sorted by name
	queries []Query
	index   map[string]int // canonical name -> query
	infos   []beans.AttributeInfo
}

// Query is one thing to ask.
type Query struct {
	Name       beans.Name // maybe a pattern
	Attributes []string   // sorted; none: only which MBeans there are
}

// Check makes a plan. Reserved are the attributes that the kind has itself. An error is a
// *probe.OptionError.
func (o *Beans) Check(reserved []beans.AttributeInfo) (*Plan, error) {
	p := &Plan{index: map[string]int{}}
	taken := map[string]bool{}
	for _, a := range slices.Concat(reserved, own) {
		taken[a.Name] = true
	}
	switch {
	case len(o.Attributes) > maxAttributes:
		return nil, probe.BadOption("attributes", "%d are more than %d", len(o.Attributes), maxAttributes)
	case len(o.Tables) > maxTables:
		return nil, probe.BadOption("tables", "%d are more than %d", len(o.Tables), maxTables)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Attributes)) {
		option := "attributes." + name
		if err := checkName(option, name, taken); err != nil {
			return nil, err
		}
		s, err := p.source(option, name, o.Attributes[name], "", false)
		if err != nil {
			return nil, err
		}
		p.values = append(p.values, s)
		p.infos = append(p.infos, s.info)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Tables)) {
		option := "tables." + name
		if err := checkName(option, name, taken); err != nil {
			return nil, err
		}
		t, err := p.table(option, name, o.Tables[name])
		if err != nil {
			return nil, err
		}
		p.tables = append(p.tables, t)
		p.infos = append(p.infos, t.info)
	}
	if len(p.queries) > maxQueries {
		return nil, probe.BadOption("attributes", "they and the tables name %d different MBeans and patterns, more than %d", len(p.queries), maxQueries)
	}
	return p, nil
}

func checkName(option, name string, taken map[string]bool) error {
	switch {
	case !identifier.MatchString(name):
		return probe.BadOption(option, "%q is no name of an attribute: letters, digits and underscores", name)
	case taken[name]:
		return probe.BadOption(option, "%q is the name of another attribute of the probe", name)
	}
	taken[name] = true
	return nil
}

// source checks one Value. Of is the name that it has unless it gives one itself; entry
// says that it is read from an entry of an attribute.
func (p *Plan) source(option, name string, v Value, of string, entry bool) (source, error) {
	s := source{name: name, attr: v.Attribute, typ: v.Type, combine: v.Combine, query: -1}
	if s.typ == "" {
		s.typ = "number"
	}
	if s.combine == "" {
		s.combine = "first"
		if s.typ != "text" && s.typ != "bool" {
			s.combine = "sum"
		}
	}
	path, err := splitPath(v.Path)
	switch {
	case err != nil:
		return s, probe.BadOption(option+".path", "%w", err)
	case !slices.Contains(types, s.typ):
		return s, probe.BadOption(option+".type", "%q is none of %s", v.Type, strings.Join(types, ", "))
	case !slices.Contains(combines, s.combine):
		return s, probe.BadOption(option+".combine", "%q is none of %s", v.Combine, strings.Join(combines, ", "))
	case (s.typ == "text" || s.typ == "bool") && s.combine != "first":
		return s, probe.BadOption(option+".combine", "of values of type %s only the first is taken", s.typ)
	case (s.typ == "text" || s.typ == "bool") && v.Unit != "":
		return s, probe.BadOption(option+".unit", "a %s has no unit", s.typ)
	}
	s.path = path
	s.info = beans.AttributeInfo{Name: name, Type: beans.TypeFloat, Unit: v.Unit, Readable: true, Description: v.Description}
	switch s.typ {
	case "counter":
		s.info.Descriptor = map[string]string{"metricType": "counter"}
	case "text":
		s.info.Type = beans.TypeString
	case "bool":
		s.info.Type = beans.TypeBool
	}
	if entry {
		switch {
		case v.MBean != "":
			return s, probe.BadOption(option+".mbean", "the rows are the entries of one attribute: give the MBean at the table")
		case v.Attribute != "":
			return s, probe.BadOption(option+".attribute", "the rows are the entries of one attribute: give a path into the entry, or nothing for the entry itself")
		}
		if s.info.Description == "" {
			s.info.Description = "Of the entry: " + orItself(v.Path) + "."
		}
		return s, nil
	}
	text := v.MBean
	if text == "" {
		text = of
	}
	if s.pattern, err = parseName(text); err != nil {
		return s, probe.BadOption(option+".mbean", "%w", err)
	}
	if v.Attribute == "" {
		return s, probe.BadOption(option+".attribute", "is missing: which attribute of the MBean")
	}
	if err := checkAttribute(v.Attribute); err != nil {
		return s, probe.BadOption(option+".attribute", "%w", err)
	}
	if s.info.Description == "" {
		s.info.Description = v.Attribute
		if v.Path != "" {
			s.info.Description += "/" + v.Path
		}
		s.info.Description += " of " + text + "."
	}
	s.query = p.ask(s.pattern, v.Attribute)
	return s, nil
}

func orItself(path string) string {
	if path == "" {
		return "its value"
	}
	return path
}

func checkAttribute(name string) error {
	if len(name) > maxPath {
		return fmt.Errorf("has %d bytes, more than %d", len(name), maxPath)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%q is no name of an attribute", name)
	}
	return nil
}

func parseName(text string) (beans.Name, error) {
	if text == "" {
		return beans.Name{}, fmt.Errorf("is missing: a name or a pattern such as java.lang:type=Memory")
	}
	if len(text) > maxName {
		return beans.Name{}, fmt.Errorf("has %d bytes, more than %d", len(text), maxName)
	}
	return beans.ParseName(text)
}

// splitPath splits at slashes; an exclamation mark takes away the meaning of what follows
// it, as in Jolokia's paths.
func splitPath(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxPath {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(text), maxPath)
	}
	var steps []string
	var step strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '!' && i+1 < len(text):
			i++
			step.WriteByte(text[i])
		case c == '/':
			steps = append(steps, step.String())
			step.Reset()
		default:
			step.WriteByte(c)
		}
	}
	steps = append(steps, step.String())
	if len(steps) > maxDepth {
		return nil, fmt.Errorf("has %d steps, more than %d", len(steps), maxDepth)
	}
	if slices.Contains(steps, "") {
		return nil, fmt.Errorf("%q has an empty step", text)
	}
	return steps, nil
}

// ask notes what is to be asked and returns the index of the query.
func (p *Plan) ask(name beans.Name, attribute string) int {
	i, known := p.index[name.Canonical()]
	if !known {
		i = len(p.queries)
		p.index[name.Canonical()] = i
		p.queries = append(p.queries, Query{Name: name})
	}
	q := &p.queries[i]
	if attribute != "" {
		if at, there := slices.BinarySearch(q.Attributes, attribute); !there {
			q.Attributes = slices.Insert(q.Attributes, at, attribute)
		}
	}
	return i
}
