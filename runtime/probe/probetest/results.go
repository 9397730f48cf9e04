package probetest

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/runtime/probe"
	"grove/tree"
)

// An expression names an attribute as probe.attribute, so it must be an identifier.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// scalars are the types that a tree.Value can carry: a number, or a text. Lines of a log
// are TypeStrings besides, so that a node that shows them is a log by default.
var scalars = []beans.Type{beans.TypeBool, beans.TypeInt, beans.TypeFloat, beans.TypeString}

func checkAttributes(t *testing.T, kind probe.Kind, options any, p probe.Probe) {
	attributes := p.Attributes()
	if len(attributes) == 0 {
		t.Fatal("a probe without attributes feeds no node")
	}
	if diff := cmp.Diff(attributes, p.Attributes()); diff != "" {
		t.Errorf("Attributes changes between calls (-first +second):\n%s", diff)
	}
	if first, second := p.Target(), p.Target(); first != second {
		t.Errorf("Target changes between calls: %q, then %q", first, second)
	}
	known := kind.Doc + dump(t, options)
	names := map[string]bool{}
	for _, a := range attributes {
		if names[a.Name] {
			t.Errorf("%s is declared twice", a.Name)
		}
		names[a.Name] = true
		if !strings.Contains(known, a.Name) {
			t.Errorf("%s is neither in Doc nor in the options", a.Name)
		}
		checkAttribute(t, a.Name, a, true)
	}
}

func checkAttribute(t *testing.T, name string, a beans.AttributeInfo, table bool) {
	if !identifier.MatchString(a.Name) {
		t.Errorf("%s is not an identifier, so no expression can use it", name)
	}
	if a.Description == "" {
		t.Errorf("%s has no description", name)
	}
	if !a.Readable || a.Writable {
		t.Errorf("%s must be Readable and not Writable: it is a reading", name)
	}
	number := a.Type == beans.TypeInt || a.Type == beans.TypeFloat
	if a.Unit != "" && !number {
		t.Errorf("%s is a %s and has the unit %q", name, a.Type, a.Unit)
	}
	switch a.Descriptor["metricType"] {
	case "":
	case "counter", "gauge":
		if !number {
			t.Errorf("%s is a %s and has a metricType", name, a.Type)
		}
	default:
		t.Errorf("%s: metricType is counter or gauge, not %q", name, a.Descriptor["metricType"])
	}
	if a.Type != beans.TypeTable {
		if !slices.Contains(scalars, a.Type) && (a.Type != beans.TypeStrings || !table) {
			t.Errorf("%s: a reading is one of %v or a table, not a %s", name, scalars, a.Type)
		}
		if len(a.Columns) > 0 || a.Key != "" {
			t.Errorf("%s has columns and is no table", name)
		}
		return
	}
	if !table {
		t.Errorf("%s: a table within a table", name)
		return
	}
	columns := map[string]bool{}
	for _, c := range a.Columns {
		if columns[c.Name] {
			t.Errorf("%s.%s is declared twice", name, c.Name)
		}
		columns[c.Name] = true
		checkAttribute(t, name+"."+c.Name, c, false)
	}
	if !columns[a.Key] {
		t.Errorf("%s: the key %q is not one of the columns, so rows cannot be told apart", name, a.Key)
	}
}

func checkResult(t *testing.T, attributes []beans.AttributeInfo, r probe.Result, start time.Time) {
	t.Helper()
	if !r.Time.IsZero() && (r.Time.Before(start.Add(-24*time.Hour)) || r.Time.After(time.Now().Add(time.Minute))) {
		t.Errorf("Time is %v: it is when the resource was observed", r.Time)
	}
	declared := map[string]beans.AttributeInfo{}
	for _, a := range attributes {
		declared[a.Name] = a
	}
	seen := map[string]bool{}
	once := func(name string) (beans.AttributeInfo, bool) {
		a, ok := declared[name]
		if !ok {
			t.Errorf("%s is not declared: no node can be fed by it", name)
		}
		if seen[name] {
			t.Errorf("%s has two readings in one result", name)
		}
		seen[name] = true
		return a, ok
	}
	for _, v := range r.Values {
		a, ok := once(v.Attribute)
		if !ok {
			continue
		}
		if v.Value.IsNone() && len(v.Events) == 0 {
			t.Errorf("%s: a reading without a value; leave it out", v.Attribute)
		}
		if len(v.Events) > 0 && a.Type != beans.TypeStrings {
			t.Errorf("%s is a %s and has events: only %s may", v.Attribute, a.Type, beans.TypeStrings)
		}
		checkValue(t, v.Attribute, a.Type, v.Value)
	}
	for _, table := range r.Tables {
		if a, ok := once(table.Attribute); ok {
			checkTable(t, a, table)
		}
	}
}

func checkTable(t *testing.T, a beans.AttributeInfo, table probe.Table) {
	if a.Type != beans.TypeTable {
		t.Errorf("%s is a %s and has rows", a.Name, a.Type)
		return
	}
	types := map[string]beans.Type{}
	for _, c := range a.Columns {
		types[c.Name] = c.Type
	}
	key := slices.Index(table.Columns, a.Key)
	if key < 0 {
		t.Errorf("%s: its key column %q is missing", a.Name, a.Key)
		return
	}
	for i, c := range table.Columns {
		if _, ok := types[c]; !ok || slices.Contains(table.Columns[:i], c) {
			t.Errorf("%s: the column %q is not declared, or there twice", a.Name, c)
		}
	}
	keys := map[string]bool{}
	for i, row := range table.Rows {
		if len(row) != len(table.Columns) {
			t.Errorf("%s, row %d: %d cells under %d columns", a.Name, i, len(row), len(table.Columns))
			continue
		}
		text := row[key].String()
		if row[key].IsNone() || text == "" {
			t.Errorf("%s, row %d: no key", a.Name, i)
		}
		if keys[text] {
			t.Errorf("%s, row %d: the key %q was there before", a.Name, i, text)
		}
		keys[text] = true
		for j, cell := range row {
			checkValue(t, a.Name+"."+table.Columns[j], types[table.Columns[j]], cell)
		}
	}
}

func checkValue(t *testing.T, name string, typ beans.Type, v tree.Value) {
	if v.IsNone() {
		return
	}
	n, number := v.Number()
	text, _ := v.Text()
	switch typ {
	case beans.TypeBool:
		if !number || n != 0 && n != 1 {
			t.Errorf("%s is a bool and reads %v: use tree.Bool", name, v)
		}
	case beans.TypeInt:
		if !number || n != math.Trunc(n) {
			t.Errorf("%s is an int and reads %v", name, v)
		}
	case beans.TypeFloat:
		if !number {
			t.Errorf("%s is a float and reads the text %q", name, text)
		}
	case beans.TypeString, beans.TypeStrings:
		if number {
			t.Errorf("%s is a text and reads the number %v", name, v)
		}
		if !utf8.ValidString(text) {
			t.Errorf("%s is not UTF-8: %q", name, text)
		}
	case beans.TypeTable:
		t.Errorf("%s is a table and has a single value", name)
	}
	if number && (math.IsNaN(n) || math.IsInf(n, 0)) {
		t.Errorf("%s reads %v: what is not known is left out", name, v)
	}
}
