package mbean_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/mbean"
	"grove/tree"
)

// server answers queries from a few MBeans, as the kinds of probes do.
type server map[string]map[string]any

func (s server) answer(p *mbean.Plan) []mbean.Answer {
	var all []mbean.Answer
	for _, q := range p.Queries() {
		var a mbean.Answer
		for text, values := range s {
			if name := beans.MustName(text); q.Name.Matches(name) {
				a.Beans = append(a.Beans, mbean.Bean{Name: name, Values: values})
			}
		}
		all = append(all, a)
	}
	return all
}

// text shows what a result holds: values by name, and tables with a line for each row.
func text(r probe.Result) map[string]string {
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	for _, t := range r.Tables {
		var lines []string
		for _, row := range t.Rows {
			var cells []string
			for i, c := range row {
				if !c.IsNone() {
					cells = append(cells, t.Columns[i]+"="+c.String())
				}
			}
			lines = append(lines, strings.Join(cells, " "))
		}
		got[t.Attribute] = strings.Join(lines, "; ")
	}
	return got
}

func plan(t *testing.T, b mbean.Beans) *mbean.Plan {
	t.Helper()
	p, err := b.Check(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var shop = server{
	"shop:type=Queue,name=orders": {"Length": json.Number("12"), "Title": "Orders", "Open": true, "Readers": []any{"anna", "bert"}, "Usage": map[string]any{"used": json.Number("5"), "by/day": []any{"1", json.Number("2")}}, "Last": nil},
	"shop:type=Queue,name=bills":  {"Length": "3", "Title": "Bills", "Open": "false", "Readers": []any{}},
	`shop:type=Queue,name="a,b"`:  {"Length": json.Number("NaN"), "Title": "", "Readers": nil},
	"shop:type=Size,queue=orders": {"Bytes": json.Number("4096")},
	"shop:type=Size,queue=gone":   {"Bytes": json.Number("1")},
	"shop:type=Ref":               {"Queue": map[string]any{"objectName": "shop:type=Queue,name=orders"}, "Map": map[string]any{"north": json.Number("4"), "south": map[string]any{"x": json.Number("6")}}},
}

func TestValues(t *testing.T) {
	const orders, all = "shop:type=Queue,name=orders", "shop:type=Queue,*"
	for _, tt := range []struct {
		name     string
		value    mbean.Value
		want     string // no value: empty
		problems string
	}{
		{"a number", mbean.Value{MBean: orders, Attribute: "Length"}, "12", ""},
		{"a number as text", mbean.Value{MBean: "shop:type=Queue,name=bills", Attribute: "Length"}, "3", ""},
		{"no finite number", mbean.Value{MBean: `shop:type=Queue,name="a,b"`, Attribute: "Length"}, "", ""},
		{"null", mbean.Value{MBean: orders, Attribute: "Last"}, "", ""},
		{"below null", mbean.Value{MBean: orders, Attribute: "Last", Path: "duration"}, "", ""},
		{"a path", mbean.Value{MBean: orders, Attribute: "Usage", Path: "used"}, "5", ""},
		{"a path with a slash and a place", mbean.Value{MBean: orders, Attribute: "Usage", Path: "by!/day/1"}, "2", ""},
		{"a path that leads nowhere", mbean.Value{MBean: orders, Attribute: "Usage", Path: "max"}, "", "shop:name=orders,type=Queue Usage/max: has no max: there are by/day, used"},
		{"a place that is none", mbean.Value{MBean: orders, Attribute: "Readers", Path: "2", Type: "text"}, "", "shop:name=orders,type=Queue Readers/2: 2 is no place in a list of 2 items"},
		{"a path into a number", mbean.Value{MBean: orders, Attribute: "Length", Path: "x/y"}, "", "shop:name=orders,type=Queue Length/x/y: is a plain value, in which there is no x/y"},
		{"a truth value", mbean.Value{MBean: orders, Attribute: "Open", Type: "bool"}, "1", ""},
		{"a truth value as text", mbean.Value{MBean: "shop:type=Queue,name=bills", Attribute: "Open", Type: "bool"}, "0", ""},
		{"no truth value", mbean.Value{MBean: orders, Attribute: "Title", Type: "bool"}, "", "shop:name=orders,type=Queue Title: is neither true nor false"},
		{"a size", mbean.Value{MBean: orders, Attribute: "Readers", Type: "size"}, "2", ""},
		{"the size of null", mbean.Value{MBean: `shop:type=Queue,name="a,b"`, Attribute: "Readers", Type: "size"}, "0", ""},
		{"the size of a number", mbean.Value{MBean: orders, Attribute: "Length", Type: "size"}, "", "shop:name=orders,type=Queue Length: is neither a list nor a map, and has no size"},
		{"a reference as text", mbean.Value{MBean: "shop:type=Ref", Attribute: "Queue", Type: "text"}, "shop:type=Queue,name=orders", ""},
		{"a composite as text", mbean.Value{MBean: "shop:type=Ref", Attribute: "Map", Type: "text"}, `{"north":4,"south":{"x":6}}`, ""},
		{"a composite as a number", mbean.Value{MBean: "shop:type=Ref", Attribute: "Map"}, "", "shop:type=Ref Map: has parts and is no number: give a path"},
		{"a list as a number", mbean.Value{MBean: orders, Attribute: "Readers"}, "", "shop:name=orders,type=Queue Readers: is a list and no number: give type size, or a path"},
		{"a sum", mbean.Value{MBean: all, Attribute: "Length"}, "15", ""},
		{"the least", mbean.Value{MBean: all, Attribute: "Length", Combine: "min"}, "3", ""},
		{"the most", mbean.Value{MBean: all, Attribute: "Length", Combine: "max"}, "12", ""},
		{"the first by name", mbean.Value{MBean: all, Attribute: "Title", Type: "text"}, "", ""},
		{"how many", mbean.Value{MBean: all, Attribute: "Title", Combine: "count"}, "3", ""},
		{"how many of none", mbean.Value{MBean: "shop:type=Nothing,*", Attribute: "Title", Combine: "count"}, "0", ""},
		{"of several classes", mbean.Value{MBean: "shop:*", Attribute: "Bytes"}, "4097", ""},
		{"no MBean", mbean.Value{MBean: "shop:type=Nothing", Attribute: "x"}, "", "shop:type=Nothing x: no such MBean"},
		{"no match", mbean.Value{MBean: "shop:type=Nothing,*", Attribute: "x"}, "", "shop:type=Nothing,* x: no MBean matches"},
		{"no attribute", mbean.Value{MBean: orders, Attribute: "x"}, "", "shop:name=orders,type=Queue x: the MBean has no such attribute"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := plan(t, mbean.Beans{Attributes: map[string]mbean.Value{"it": tt.value}})
			var r probe.Result
			p.Take(shop.answer(p), &r)
			if got := text(r); got["it"] != tt.want || got["problems"] != tt.problems {
				t.Errorf("%q, problems %q; want %q, %q", got["it"], got["problems"], tt.want, tt.problems)
			}
		})
	}
}

func TestTables(t *testing.T) {
	number := func(attribute string) mbean.Value { return mbean.Value{Attribute: attribute} }
	for _, tt := range []struct {
		name     string
		table    mbean.Table
		key      string
		want     string
		problems string
	}{
		{"by the property with a wildcard", mbean.Table{MBean: "shop:type=Queue,name=*", Columns: map[string]mbean.Value{"length": number("Length"), "open": {Attribute: "Open", Type: "bool"}}}, "name",
			"name=a,b; name=bills length=3 open=0; name=orders length=12 open=1", ""},
		{"by the whole name", mbean.Table{MBean: "shop:type=Size,*", Columns: map[string]mbean.Value{"bytes": number("Bytes")}}, "mbean",
			"mbean=shop:queue=gone,type=Size bytes=1; mbean=shop:queue=orders,type=Size bytes=4096", ""},
		{"by several properties", mbean.Table{MBean: "shop:type=*,queue=*"}, "key",
			"type=Size queue=gone key=type=Size,queue=gone; type=Size queue=orders key=type=Size,queue=orders", ""},
		{"several MBeans in a row", mbean.Table{By: []string{"type"}, Columns: map[string]mbean.Value{"length": {MBean: "shop:type=Queue,*", Attribute: "Length"}, "bytes": {MBean: "shop:type=Size,*", Attribute: "Bytes", Combine: "max"}}}, "type",
			"type=Queue length=15; type=Size bytes=4096", ""},
		{"entries of a map", mbean.Table{MBean: "shop:type=Ref", Entries: "Map", Columns: map[string]mbean.Value{"it": {Type: "text"}}}, "entry",
			`entry=north it=4; entry=south it={"x":6}`, ""},
		{"entries of a list", mbean.Table{MBean: "shop:type=Queue,name=orders", Entries: "Usage/by!/day", Columns: map[string]mbean.Value{"it": {}}}, "entry",
			"entry=0 it=1; entry=1 it=2", ""},
		{"entries of a number", mbean.Table{MBean: "shop:type=Queue,name=orders", Entries: "Length"}, "entry", "", "shop:name=orders,type=Queue Length: is neither a list nor a map, and has no entries"},
		{"entries of nothing", mbean.Table{MBean: "shop:type=Nothing", Entries: "x"}, "entry", "", "shop:type=Nothing x: no such MBean"},
		{"more than may be", mbean.Table{MBean: "shop:type=Queue,name=*", Rows: 2}, "name", "name=a,b; name=bills", "it: 3 rows, of which the first 2 are shown"},
		{"none", mbean.Table{MBean: "nowhere:*"}, "mbean", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := plan(t, mbean.Beans{Tables: map[string]mbean.Table{"it": tt.table}})
			for _, a := range p.Attributes() {
				if a.Name == "it" && a.Key != tt.key {
					t.Errorf("the key is %s, want %s", a.Key, tt.key)
				}
			}
			var r probe.Result
			p.Take(shop.answer(p), &r)
			if got := text(r); got["it"] != tt.want || got["problems"] != tt.problems {
				t.Errorf("%q, problems %q; want\n%q, %q", got["it"], got["problems"], tt.want, tt.problems)
			}
		})
	}
}

// TestQueriesAreShared: one MBean is asked for once, whatever many attributes are of it.
func TestQueriesAreShared(t *testing.T) {
	p := plan(t, mbean.Beans{
		Attributes: map[string]mbean.Value{
			"a": {MBean: "shop:type=Queue,name=orders", Attribute: "Length"},
			"b": {MBean: "shop:name=orders,type=Queue", Attribute: "Title", Type: "text"},
			"c": {MBean: "shop:type=Queue,name=orders", Attribute: "Length", Combine: "count"},
		},
		Tables: map[string]mbean.Table{"t": {MBean: "shop:name=*,type=Queue", Columns: map[string]mbean.Value{"x": {Attribute: "Length"}, "y": {Attribute: "Usage", Path: "used"}}}},
	})
	var got []string
	for _, q := range p.Queries() {
		got = append(got, fmt.Sprint(q.Name, q.Attributes))
	}
	want := []string{"shop:type=Queue,name=orders [Length Title]", "shop:name=*,type=Queue [Length Usage]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("queries (-want +got):\n%s", d)
	}
}

// TestFailuresAreBounded: a server that has none of what is asked for is told of in short.
func TestFailuresAreBounded(t *testing.T) {
	b := mbean.Beans{Attributes: map[string]mbean.Value{}}
	for i := range 300 {
		b.Attributes[fmt.Sprintf("a%d", i)] = mbean.Value{MBean: fmt.Sprintf("shop:type=Nothing,name=%d", i), Attribute: "x"}
	}
	p := plan(t, b)
	answers := make([]mbean.Answer, len(p.Queries()))
	answers[0].Err = errors.New("it is " + strings.Repeat("long ", 1000))
	var r probe.Result
	p.Take(answers, &r, mbean.Problem{What: "the agent", Err: errors.New("is tired")})
	got := text(r)
	if got["failed"] != "301" || len(got["problems"]) > 600 || !strings.HasSuffix(got["problems"], "… (301 in all)") || strings.Count(got["errors"], "; ") != 99 {
		t.Errorf("failed %s, %d bytes of problems: %s", got["failed"], len(got["problems"]), got["problems"])
	}
	b.Attributes["more"] = mbean.Value{MBean: "shop:type=Nothing,name=more", Attribute: "x"}
	if _, err := b.Check(nil); err == nil || err.Error() != "attributes: they and the tables name 301 different MBeans and patterns, more than 300" {
		t.Errorf("%v", err)
	}
}

// FuzzCheck: whatever a definition says, there is a plan whose tables have a key among their
// columns and whose queries are names, or an error about an option.
func FuzzCheck(f *testing.F) {
	f.Add("java.lang:type=Memory", "HeapMemoryUsage", "used", "number", "name")
	f.Add("a:b=*,*", "x", "a!/b/0", "text", "b")
	f.Add("a:1=*", "x/y", "", "size", "")
	f.Fuzz(func(t *testing.T, name, attribute, path, typ, by string) {
		b := mbean.Beans{
			Attributes: map[string]mbean.Value{"it": {MBean: name, Attribute: attribute, Path: path, Type: typ}},
			Tables:     map[string]mbean.Table{"t": {MBean: name, Columns: map[string]mbean.Value{"c": {Attribute: attribute, Path: path, Type: typ}}}},
		}
		if by != "" {
			b.Tables["u"] = mbean.Table{MBean: name, By: []string{by}}
		}
		p, err := b.Check(nil)
		var bad *probe.OptionError
		if (err == nil) == (p == nil) || err != nil && !errors.As(err, &bad) {
			t.Fatalf("%v %v", p, err)
		}
		if err != nil {
			return
		}
		for _, a := range p.Attributes() {
			found := a.Type != beans.TypeTable
			for _, c := range a.Columns {
				found = found || c.Name == a.Key
			}
			if !found {
				t.Errorf("%s has no column %q", a.Name, a.Key)
			}
		}
		var r probe.Result
		p.Take(make([]mbean.Answer, len(p.Queries())), &r)
		for _, v := range r.Values {
			if v.Value == (tree.Value{}) {
				t.Errorf("%s: no value", v.Attribute)
			}
		}
	})
}
