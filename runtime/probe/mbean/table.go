package mbean

import (
	"maps"
	"slices"
	"strings"

	"grove/beans"
	"grove/runtime/probe"
)

// The columns that tables have beside those of the definition.
const (
	columnMBean = "mbean" // the canonical name, of rows that are MBeans
	columnKey   = "key"   // the key properties joined, when there are several
	columnEntry = "entry" // the key of an entry
)

// table checks one Table.
func (p *Plan) table(option, name string, o Table) (table, error) {
	t := table{name: name, rows: o.Rows, query: -1}
	if t.rows == 0 {
		t.rows = defaultRows
	}
	switch {
	case t.rows < 1 || t.rows > MaxRows:
		return t, probe.BadOption(option+".rows", "%d is outside 1..%d", o.Rows, MaxRows)
	case len(o.Columns) > maxColumns:
		return t, probe.BadOption(option+".columns", "%d are more than %d", len(o.Columns), maxColumns)
	case len(o.By) > maxProperties:
		return t, probe.BadOption(option+".by", "%d are more than %d", len(o.By), maxProperties)
	}
	t.info = beans.AttributeInfo{Name: name, Type: beans.TypeTable, Readable: true, Description: o.Description}
	if o.Entries != "" {
		if err := p.entries(option, o, &t); err != nil {
			return t, err
		}
	} else if err := p.keys(option, o, &t); err != nil {
		return t, err
	}
	taken := map[string]bool{}
	for _, c := range t.info.Columns {
		if taken[c.Name] {
			return t, probe.BadOption(option+".by", "two of them come to the column %s", c.Name)
		}
		taken[c.Name] = true
	}
	for _, column := range slices.Sorted(maps.Keys(o.Columns)) {
		at := option + ".columns." + column
		if err := checkName(at, column, taken); err != nil {
			return t, err
		}
		s, err := p.source(at, column, o.Columns[column], o.MBean, t.entries != nil)
		if err != nil {
			return t, err
		}
		for _, key := range t.by {
			if _, has := s.pattern.Get(key); !has && !s.pattern.IsListPattern() {
				return t, probe.BadOption(at+".mbean", "no MBean that it names has the property %s, by which rows are told apart", key)
			}
		}
		t.columns = append(t.columns, s)
		t.info.Columns = append(t.info.Columns, s.info)
	}
	for _, c := range t.info.Columns {
		t.names = append(t.names, c.Name)
	}
	return t, nil
}

// keys adds the columns by which rows that are MBeans are told apart.
func (p *Plan) keys(option string, o Table, t *table) error {
	if o.MBean == "" && (len(o.Columns) == 0 || len(o.By) == 0) {
		return probe.BadOption(option+".mbean", "is missing: a pattern such as java.lang:type=MemoryPool,name=*; only columns with patterns of their own, told apart by by, do without")
	}
	text := func(name, description string) {
		t.info.Columns = append(t.info.Columns, beans.AttributeInfo{Name: name, Type: beans.TypeString, Readable: true, Description: description})
	}
	t.by = slices.Clone(o.By)
	if o.MBean != "" {
		pattern, err := parseName(o.MBean)
		if err != nil {
			return probe.BadOption(option+".mbean", "%w", err)
		}
		if len(t.by) == 0 && !pattern.IsListPattern() && !pattern.IsDomainPattern() {
			for _, property := range pattern.Properties() {
				if strings.ContainsAny(property.Value, "*?") {
					t.by = append(t.by, property.Key)
				}
			}
		}
		if len(o.Columns) == 0 {
			t.query = p.ask(pattern, "")
		}
	}
	if t.info.Description == "" {
		t.info.Description = "MBeans " + o.MBean + "."
		if o.MBean == "" {
			t.info.Description = "MBeans by " + strings.Join(t.by, " and ") + "."
		}
	}
	for _, key := range t.by {
		column := columnOf(key)
		if column == "" {
			return probe.BadOption(option+".by", "%q is no key of a property", key)
		}
		text(column, "Property "+key+" of the MBean's name.")
	}
	switch len(t.by) {
	case 0:
		t.info.Key = columnMBean
		text(columnMBean, "Name of the MBean.")
	case 1:
		t.info.Key = t.info.Columns[0].Name
	default:
		t.joined, t.info.Key = true, columnKey
		text(columnKey, "The properties that tell rows apart, as in a name.")
	}
	return nil
}

// entries prepares a table whose rows are the entries of an attribute.
func (p *Plan) entries(option string, o Table, t *table) error {
	attribute, path, _ := strings.Cut(o.Entries, "/")
	if len(o.By) > 0 {
		return probe.BadOption(option+".by", "entries are told apart by their keys")
	}
	s, err := p.source(option, t.name, Value{MBean: o.MBean, Attribute: attribute, Path: path, Type: "size"}, "", false)
	if err != nil {
		return err
	}
	if s.pattern.IsPattern() {
		return probe.BadOption(option+".mbean", "entries are those of one MBean: %s is a pattern", s.pattern)
	}
	t.entries, t.info.Key = &s, columnEntry
	t.info.Columns = append(t.info.Columns, beans.AttributeInfo{Name: columnEntry, Type: beans.TypeString, Readable: true, Description: "Key of the entry, or its place in a list."})
	if t.info.Description == "" {
		t.info.Description = "Entries of " + o.Entries + " of " + o.MBean + "."
	}
	return nil
}

// columnOf is the column of a key property: what an identifier cannot have is replaced.
func columnOf(key string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	if len(name) > maxPath || strings.ContainsAny(key, ",=:*?\n") {
		return ""
	}
	return name
}
