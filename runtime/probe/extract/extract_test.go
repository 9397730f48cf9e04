package extract_test

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/extract"
	"grove/tree"
)

type attributes = map[string]extract.Attribute

func TestFields(t *testing.T) {
	fields, err := extract.Fields("attributes", attributes{
		"b": {From: "$.b", Type: "text"}, "a": {Unit: "s"}, "c": {Type: "counter", Description: "How many."}, "d": {Type: "bool"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []extract.Field{
		{Name: "a", From: "a", Info: beans.AttributeInfo{Name: "a", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "Found as a."}},
		{Name: "b", From: "$.b", Info: beans.AttributeInfo{Name: "b", Type: beans.TypeString, Readable: true, Description: "Found as $.b."}},
		{Name: "c", From: "c", Info: beans.AttributeInfo{Name: "c", Type: beans.TypeFloat, Readable: true, Description: "How many.", Descriptor: map[string]string{"metricType": "counter"}}},
		{Name: "d", From: "d", Info: beans.AttributeInfo{Name: "d", Type: beans.TypeBool, Readable: true, Description: "Found as d."}},
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFieldsRefuses(t *testing.T) {
	many := attributes{}
	for i := range extract.MaxFields + 1 {
		many["a"+strings.Repeat("x", i/60)+string(rune('a'+i%26))+string(rune('a'+i/26))] = extract.Attribute{}
	}
	for name, tt := range map[string]struct {
		declared     attributes
		option, want string
	}{
		"a name":       {attributes{"a-b": {}}, "it", `it: "a-b" is no name of an attribute: letters, digits and underscores, at most 64`},
		"taken":        {attributes{"up": {}}, "it.up", `it.up: "up" is an attribute that every probe of the kind has`},
		"a type":       {attributes{"a": {Type: "int"}}, "it.a.type", `it.a.type: "int" is none of number, counter, bool, text, age`},
		"a unit":       {attributes{"a": {Type: "text", Unit: "s"}}, "it.a.unit", "it.a.unit: only a number has a unit"},
		"a long place": {attributes{"a": {From: strings.Repeat("x", 2001)}}, "it.a.from", "it.a.from: has 2001 bytes, more than 2000"},
		"many":         {many, "it", "it: are 201, more than 200"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := extract.Fields("it", tt.declared, beans.AttributeInfo{Name: "up"})
			var bad *probe.OptionError
			if !errors.As(err, &bad) || bad.Option != tt.option || err.Error() != tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestValue(t *testing.T) {
	day := time.Date(2026, 11, 22, 8, 0, 0, 500e6, time.UTC)
	for _, tt := range []struct {
		typ   beans.Type
		found any
		want  tree.Value
		err   string
	}{
		{beans.TypeFloat, 1.5, tree.Number(1.5), ""},
		{beans.TypeFloat, []byte(" 42 "), tree.Number(42), ""},
		{beans.TypeFloat, int64(-3), tree.Number(-3), ""},
		{beans.TypeFloat, uint64(1 << 40), tree.Number(1 << 40), ""},
		{beans.TypeFloat, true, tree.Bool(true), ""},
		{beans.TypeFloat, day, tree.Number(float64(day.UnixMilli()) / 1000), ""},
		{beans.TypeFloat, nil, tree.Value{}, ""},
		{beans.TypeFloat, "x", tree.Value{}, `"x" is not a number`},
		{beans.TypeFloat, "NaN", tree.Value{}, `"NaN" is not a number`},
		{beans.TypeFloat, math.Inf(1), tree.Value{}, "+Inf is not a number that can be shown"},
		{beans.TypeFloat, []any{1}, tree.Value{}, "is a list or an object, not a number"},
		{beans.TypeBool, "Yes", tree.Bool(true), ""},
		{beans.TypeBool, "OFF", tree.Bool(false), ""},
		{beans.TypeBool, int64(2), tree.Bool(true), ""},
		{beans.TypeBool, "maybe", tree.Value{}, `"maybe" is neither true nor false`},
		{beans.TypeString, "a\x00b\xffc", tree.Text("a b�c"), ""},
		{beans.TypeString, day, tree.Text("2026-11-22T08:00:00.5Z"), ""},
		{beans.TypeString, map[string]any{"a": 1}, tree.Text(`{"a":1}`), ""},
		{beans.TypeString, 7.25, tree.Text("7.25"), ""},
	} {
		got, err := extract.Value(tt.typ, tt.found)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != tt.want || text != tt.err {
			t.Errorf("%s of %v: %v, %q; want %v, %q", tt.typ, tt.found, got, text, tt.want, tt.err)
		}
	}
}

func TestAge(t *testing.T) {
	fields, err := extract.Fields("it", attributes{"a": {Type: "age"}})
	if err != nil || fields[0].Info.Unit != "s" {
		t.Fatal(fields, err)
	}
	past := time.Now().Add(-time.Hour)
	for _, found := range []any{
		past, past.Unix(), float64(past.UnixMilli()) / 1000, past.Format(time.RFC3339), past.UTC().Format("2006-01-02 15:04:05"), past.UTC().Format("20060102150405Z"),
		past.UTC().Format("20060102150405.000000Z") + "#000000#000#000000", past.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), strconv.FormatInt(past.Unix(), 10),
	} {
		v, err := fields[0].Value(found)
		if n, ok := v.Number(); err != nil || !ok || n < 3598 || n > 3700 {
			t.Errorf("%v: %v, %v", found, v, err)
		}
	}
	if v, err := fields[0].Value(nil); err != nil || !v.IsNone() {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := fields[0].Value("soon"); err == nil || err.Error() != `"soon" is no time` {
		t.Errorf("got %v", err)
	}
}

func TestTable(t *testing.T) {
	table, err := extract.NewTable("q", "shelf", "name", attributes{"n": {}})
	if err != nil {
		t.Fatal(err)
	}
	if info := table.Info(); info.Key != "name" || len(info.Columns) != 2 || info.Type != beans.TypeTable {
		t.Errorf("%+v", info)
	}
	rows := table.Rows()
	for _, row := range []map[string]any{{"name": "a", "n": 1.0}, {"name": "a"}, {"n": 2.0}, {"name": "b", "n": "x"}, {"name": ""}, {"name": ""}} {
		if err := rows.Add(func(f extract.Field) any { return row[f.From] }); err != nil {
			t.Fatal(err)
		}
	}
	var r probe.Result
	err = rows.Result(&r)
	const want = "row 2: the key \"a\" was there before\nrow 2: its key name is empty\nrow 2: n: \"x\" is not a number\nand 2 more"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	got := r.Tables[0]
	if diff := cmp.Diff([]string{"n", "name"}, got.Columns); diff != "" {
		t.Error(diff)
	}
	if len(got.Rows) != 2 || got.Rows[0][0] != tree.Number(1) || !got.Rows[1][0].IsNone() || got.Rows[1][1] != tree.Text("b") {
		t.Errorf("%v", got.Rows)
	}

	full := table.Rows()
	for i := range extract.MaxRows {
		if err := full.Add(func(extract.Field) any { return float64(i) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := full.Add(func(extract.Field) any { return "one more" }); err == nil || err.Error() != "has more than 10000 rows" {
		t.Errorf("got %v", err)
	}
	if _, err := extract.NewTable("q", "shelf", "", nil); err == nil || err.Error() != "q.key: is missing: the column that tells rows apart" {
		t.Errorf("got %v", err)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\u202eb\xff", 3)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = max(1, min(most, 1000))
		got := extract.Clean(s, most)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\x00\x1b") || len(got) > 3*most+3 {
			t.Errorf("%q", got)
		}
	})
}

// FuzzValue holds that a text becomes a value of its type or an error, and never both.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"1e3", "Yes", "20261122080000Z", "2026-11-22", "1e400", "-5"} {
		f.Add(s)
	}
	age, err := extract.Fields("it", attributes{"a": {Type: "age"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, typ := range []beans.Type{beans.TypeFloat, beans.TypeBool, beans.TypeString} {
			v, err := extract.Value(typ, s)
			if n, number := v.Number(); v.IsNone() == (err == nil) || number && (math.IsNaN(n) || math.IsInf(n, 0)) {
				t.Errorf("%s of %q: %v, %v", typ, s, v, err)
			}
		}
		v, err := age[0].Value(s)
		if n, number := v.Number(); number == (err != nil) || math.IsNaN(n) || math.IsInf(n, 0) {
			t.Errorf("age of %q: %v, %v", s, v, err)
		}
	})
}
