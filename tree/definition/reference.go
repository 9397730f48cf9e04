package definition

import (
	"strconv"
	"strings"

	"grove/beans"
	"grove/tree/definition/source"
)

// reading is what a node shows, as far as it is known before there is a reading.
type reading struct {
	source Source
	info   *beans.AttributeInfo // nil: not known
	probes []*probeInfo         // that yield it
	row    bool                 // it is a cell of the row of the loop
}

func (x *expansion) probeNamed(name string, pos source.Pos) (*probeInfo, *source.Error) {
	if p, ok := x.probes[name]; ok {
		return p, nil
	}
	e := source.Errorf(pos, "there is no probe %q", name)
	if e.Hint = source.DidYouMean(name, x.probeNames); e.Hint == "" {
		if len(x.probeNames) == 0 {
			e.Hint = "the definition has no probes"
		} else {
			e.Hint = "probes: " + strings.Join(x.probeNames, ", ")
		}
	}
	return nil, e
}

// noAttribute says that a probe does not yield something; what is "attribute" or
// "table".
func noAttribute(pos source.Pos, p *probeInfo, name string, known []string, what string) *source.Error {
	e := source.Errorf(pos, "probe %q (%s) has no %s %q", p.Name, p.Kind, what, name)
	switch e.Hint = source.DidYouMean(name, known); {
	case e.Hint != "":
	case len(known) == 0:
		e.Hint = "it has none"
	case len(known) <= 12:
		e.Hint = "it has " + strings.Join(known, ", ")
	default:
		e.Hint = "it has " + strings.Join(known[:12], ", ") + ", …"
	}
	return e
}

// reference resolves a from: "probe.attribute", "row.column" or
// "probe.table[key].column".
func (x *expansion) reference(v *source.Value, p place) (*reading, *source.Error) {
	text, bad := v.Str()
	if bad != nil {
		return nil, bad
	}
	base, rest, dotted := strings.Cut(text, ".")
	if !dotted || base == "" || rest == "" {
		return nil, source.Errorf(v.Pos, "from %q: not understood", text).WithHint("write it as probe.attribute")
	}
	if base == "row" {
		return x.rowReference(rest, v.Pos, p)
	}
	if base == "item" {
		return nil, source.Errorf(v.Pos, "from %q: an item has no readings", text).WithHint("write ${item} where a text needs it")
	}
	probe, bad := x.probeNamed(base, v.Pos)
	if bad != nil {
		return nil, bad
	}
	r := &reading{probes: []*probeInfo{probe}, source: Source{Probe: base, Attribute: rest}}
	table, cell, isCell := strings.Cut(rest, "[")
	if isCell {
		key, col, ok := strings.Cut(cell, "].")
		if !ok || col == "" {
			return nil, source.Errorf(v.Pos, "from %q: not understood", text).WithHint("a cell is written as probe.table[key].column")
		}
		r.source.Attribute, r.source.Row, r.source.Column = table, key, col
	}
	if probe.unknown {
		return r, nil
	}
	info, ok := probe.attribute(r.source.Attribute)
	if !ok {
		return nil, noAttribute(v.Pos, probe, r.source.Attribute, names(probe.attributes), "attribute")
	}
	switch {
	case isCell && info.Type != beans.TypeTable:
		return nil, source.Errorf(v.Pos, "%s.%s is no table", base, r.source.Attribute)
	case isCell:
		c, bad := column(&rowInfo{probe: base, table: info}, r.source.Column)
		if bad != nil {
			return nil, source.Errorf(v.Pos, "%s", bad.Msg).WithHint("%s", bad.Hint)
		}
		info = c
	case info.Type == beans.TypeTable:
		return nil, source.Errorf(v.Pos, "%s is a table", text).WithHint("loop over it with each: %s, or name a cell: %s[key].column", text, text)
	case info.Type == beans.TypeMap || info.Type == beans.TypeVoid:
		return nil, source.Errorf(v.Pos, "%s is a %s, which no node can show", text, info.Type)
	}
	r.info = info
	return r, nil
}

func (x *expansion) rowReference(name string, pos source.Pos, p place) (*reading, *source.Error) {
	if p.row == nil {
		return nil, source.Errorf(pos, "from %q: row is known only inside a loop over a table", "row."+name)
	}
	probe := x.probes[p.row.probe]
	r := &reading{probes: []*probeInfo{probe}, row: true}
	r.source = Source{Probe: p.row.probe, Column: name, Row: p.rowKey}
	if p.row.table == nil {
		return r, nil
	}
	r.source.Attribute = p.row.table.Name
	c, bad := column(p.row, name)
	if bad != nil {
		return nil, source.Errorf(pos, "%s", bad.Msg).WithHint("%s", bad.Hint)
	}
	r.info = c
	return r, nil
}

// String names the source for people: "status.active", "disks.filesystems[/].used".
func (s *Source) String() string {
	switch {
	case s == nil:
		return ""
	case s.Value != nil:
		return s.Value.String()
	case s.Column != "":
		return s.Probe + "." + s.Attribute + "[" + s.Row + "]." + s.Column
	}
	return s.Probe + "." + s.Attribute
}

func quoted(s string) string { return strconv.Quote(s) }
