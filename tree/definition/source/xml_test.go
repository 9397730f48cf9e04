package source

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// meaning is a sketch in which quotes show only where they matter: at a text that
// would be a number or a truth value without them.
func meaning(v Value) string {
	v = v.Clone()
	v, _ = v.Map(func(s *Value) *Error {
		if s.Quoted {
			plain := Value{Text: s.Text}
			_, isText := plain.Any().(string)
			s.Quoted = !isText
		}
		return nil
	}, nil)
	return sketch(&v)
}

func readFile(t *testing.T, name string) Value {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	docs, errs := Read(name, text)
	if errs != nil {
		t.Fatal(errs)
	}
	if len(docs) != 1 {
		t.Fatalf("%d documents", len(docs))
	}
	return docs[0].Value
}

func TestXMLMeansTheSameAsYAML(t *testing.T) {
	y, x := readFile(t, "testdata/nginx.yaml"), readFile(t, "testdata/nginx.xml")
	if diff := cmp.Diff(meaning(y), meaning(x)); diff != "" {
		t.Error(diff)
	}
}

func TestReadXML(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"version":            {`<grove version="1"/>`, "{grove: 1}"},
		"namespace":          {`<grove xmlns="urn:grove" xmlns:g="urn:grove" version="1"><x g:as="list"/></grove>`, "{grove: 1, x: []}"},
		"a field version":    {`<grove version="1"><version>2</version></grove>`, "{grove: 1, version: 2}"},
		"instance":           {`<instance use="nginx" at="/a"><with><parameter name="p" value="v"/></with></instance>`, "{use: nginx, at: /a, with: {p: v}}"},
		"instances":          {`<instances><instance use="a"/><instance use="b"/></instances>`, "{use: a} {use: b}"},
		"no instances":       {`<instances/>`, ""},
		"empty":              {`<grove a=""><b/><c></c><d> </d></grove>`, "{a: '', b: ~, c: ~, d: ~}"},
		"text":               {"<grove><a>\n  x y\n</a><b>x<!-- c -->y</b><c>&lt;&#65;</c></grove>", "{a: x y, b: xy, c: <A}"},
		"kept white space":   {`<grove><a xml:space="preserve"> x </a><b xml:space="preserve"> </b></grove>`, "{a:  x , b:  }"},
		"CDATA":              {`<grove><a><![CDATA[ <b> & ]]></a></grove>`, "{a: <b> &}"},
		"as":                 {`<grove><a grove:as="list"/><b grove:as="map"/><c grove:as="text">1</c><d grove:as="text"/></grove>`, "{a: [], b: {}, c: '1', d: ''}"},
		"items":              {`<grove><a><item>1</item><item x="2"/><item><item>3</item></item><item/></a></grove>`, "{a: [1, {x: 2}, [3], ~]}"},
		"entries":            {`<grove><a><entry name="x y" value="1"/><entry name="z">2</entry><entry name="m" a="1" value="3"/></a></grove>`, "{a: {x y: 1, z: 2, m: {a: 1, value: 3}}}"},
		"value of a node":    {`<grove><tree><node name="A" value="x.y"/></tree></grove>`, "{tree: {A: {value: x.y}}}"},
		"name twice":         {`<grove><probes><probe name="a"><name>b</name></probe></probes></grove>`, "{probes: {a: {name: b}}}"},
		"name as a field":    {`<grove><tests><test name="t"/></tests><x name="n"/></grove>`, "{tests: [{name: t}], x: {name: n}}"},
		"null is a text":     {`<grove a="~" b="null"/>`, "{a: ~, b: null}"},
		"table with a name":  {`<grove><table name="if"/></grove>`, "{table: {name: if}}"},
		"greater than":       {`<grove a="> 5" b='"'/>`, `{a: > 5, b: "}`},
		"byte order mark":    {"\ufeff<grove a='1'/>", "{a: 1}"},
		"line ends":          {"<grove>\r\n<a>x\r\ny</a>\r\n</grove>\r\n", "{a: x\ny}"},
		"include":            {`<grove><include><file>a.yaml</file></include></grove>`, "{include: [a.yaml]}"},
		"templates in templ": {`<grove><templates><template name="t"><node name="N" unit="s"/></template></templates></grove>`, "{templates: {t: {N: {unit: s}}}}"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			docs, errs := ReadXML("f.xml", []byte(tt.in))
			if errs != nil {
				t.Fatal(errs)
			}
			var got []string
			for i := range docs {
				got = append(got, sketch(&docs[i].Value))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadXMLPositions(t *testing.T) {
	docs, errs := ReadXML("f.xml", []byte("<grove version='1'\n  ä = \"é\" b=\"x\">\n <!-- é --><tree><node name='É'\tunit=\"s\"/>\n"+
		"<x>\n\n  é text</x><y><![CDATA[  a]]></y><z/></tree></grove>"))
	if errs != nil {
		t.Fatal(errs)
	}
	root := &docs[0].Value
	for path, want := range map[string]string{
		"":            "f.xml:1:1",
		"grove":       "f.xml:1:17",
		"ä":           "f.xml:2:8",
		"b":           "f.xml:2:14",
		"tree":        "f.xml:3:12",
		"tree.É":      "f.xml:3:18",
		"tree.É.unit": "f.xml:3:39",
		"tree.x":      "f.xml:6:3",
		"tree.y":      "f.xml:6:27",
		"tree.z":      "f.xml:6:35",
	} {
		if got := root.PosOf(path).String(); got != want {
			t.Errorf("%s stands at %s, want %s", path, got, want)
		}
	}
	tree, _ := root.Field("tree")
	if got := tree.Fields[0].Pos.String(); got != "f.xml:3:30" {
		t.Errorf("the name É stands at %s", got)
	}
	if got := tree.Fields[0].Value.Fields[0].Pos.String(); got != "f.xml:3:33" {
		t.Errorf("the key unit stands at %s", got)
	}
}

func TestReadXMLErrors(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"nothing":               {"", `f.xml:1:1: the file has no element (begin with <grove version="1" application="…">)`},
		"only a comment":        {"<!-- x -->", `f.xml:1:11: the file has no element (begin with <grove version="1" application="…">)`},
		"text":                  {"hello", "f.xml:1:1: text outside of the root element"},
		"text before":           {"hello <grove/>", "f.xml:1:1: text outside of the root element"},
		"two roots":             {"<grove/>\n<grove/>", "f.xml:2:1: a second root element <grove>"},
		"unknown root":          {"<groove/>", `f.xml:1:1: unknown root element <groove> (did you mean "grove"?)`},
		"quite unknown root":    {"<html/>", "f.xml:1:1: unknown root element <html> (a file begins with <grove>, <instance> or <instances>)"},
		"not closed":            {"<grove>\n<a>\n", "f.xml:3:1: the file ends before <a> of line 2 is closed"},
		"closed wrongly":        {"<grove>\n<a></b>\n</grove>", "f.xml:2:8: not XML: element <a> closed by </b>"},
		"half a tag":            {"<grove a=\"1\" b", "f.xml:1:15: the file ends in the middle of an element"},
		"bare ampersand":        {"<grove a=\"x & y\"/>", "f.xml:1:14: not XML: invalid character entity & (no semicolon) (write &amp; for &)"},
		"less than":             {"<grove>\n <a>1 < 2</a></grove>", "f.xml:2:8: not XML: expected element name after < (write &lt; for <)"},
		"unquoted":              {"<grove a=1/>", "f.xml:1:11: not XML: unquoted or missing attribute value in element"},
		"doctype":               {"<!DOCTYPE grove [<!ENTITY a \"b\">]>\n<grove x=\"&a;\"/>", "f.xml:1:1: document types and other <!…> directives are not allowed"},
		"doctype with file":     {"<!DOCTYPE grove SYSTEM \"file:///etc/passwd\">\n<grove/>", "f.xml:1:1: document types and other <!…> directives are not allowed"},
		"entity":                {"<grove>&nbsp;</grove>", "f.xml:1:14: not XML: invalid character entity &nbsp; (write &amp; for &)"},
		"instruction":           {"<?xml-stylesheet href=\"x\"?>\n<grove><?php x?></grove>", "f.xml:1:1: processing instructions are not allowed, except <?xml …?> at the very beginning\nf.xml:2:8: processing instructions are not allowed, except <?xml …?> at the very beginning"},
		"late declaration":      {" <?xml version=\"1.0\"?><grove/>", "f.xml:1:2: processing instructions are not allowed, except <?xml …?> at the very beginning"},
		"encoding":              {"<?xml version=\"1.0\" encoding=\"latin1\"?><grove/>", "f.xml:1:40: the encoding is latin1, want UTF-8"},
		"control":               {"<grove a=\"&#7;\"/>", "f.xml:1:16: not XML: illegal character code U+0007"},
		"NUL":                   {"<grove>\x00</grove>", "f.xml:1:8: control character U+0000 is not allowed"},
		"not UTF-8":             {"<grove a=\"\xe9\"/>", "f.xml:1:11: byte 0xe9 is not UTF-8 (save the file as UTF-8)"},
		"text and elements":     {"<grove><a>x <b/></a></grove>", "f.xml:1:11: text beside elements in <a>"},
		"text and attributes":   {"<grove><a k=\"1\">x</a></grove>", "f.xml:1:17: text in <a>, which has attributes already (make the text an attribute or an element of its own)"},
		"text and items":        {"<grove><a><item/>x</a></grove>", "f.xml:1:18: text beside elements in <a>"},
		"items and fields":      {"<grove><a k=\"1\"><item/></a></grove>", "f.xml:1:8: <a> is a list and cannot have attributes or other elements too"},
		"duplicates":            {"<grove a=\"1\" a=\"2\"><a/><b/><b/></grove>", "f.xml:1:14: duplicate key \"a\": it is there already in column 8\nf.xml:1:20: duplicate key \"a\": it is there already in column 8\nf.xml:1:28: duplicate key \"b\": it is there already in column 24"},
		"duplicate nodes":       {"<grove><tree>\n<node name=\"A\"/>\n<node name=\"A\"/></tree></grove>", `f.xml:3:13: duplicate key "A": it is there already in line 2`},
		"no name":               {"<grove><tree><node from=\"x\"/></tree><probes><probe/></probes></grove>", "f.xml:1:14: <node> needs a name (<node name=\"…\">)\nf.xml:1:45: <probe> needs a name (<probe name=\"…\">)"},
		"unknown prefix":        {"<grove x:a=\"1\"><x:b/></grove>", "f.xml:1:8: unknown attribute x:a\nf.xml:1:16: unknown namespace \"x\" of <b>"},
		"bad as":                {"<grove><a grove:as=\"number\"/><b grove:as=\"list\">x</b></grove>", "f.xml:1:21: grove:as is \"list\", \"map\" or \"text\", not \"number\"\nf.xml:1:43: grove:as=\"list\" does not fit what the element holds"},
		"instances and others":  {"<instances><instance use=\"a\"/><grove/></instances>", "f.xml:1:1: <instances> is a list and cannot have attributes or other elements too"},
		"only others":           {"<instances><grove/></instances>", "f.xml:1:1: <instances> holds nothing but <instance>"},
		"deep":                  {"<grove>" + strings.Repeat("<a>", 100), "f.xml:1:197: lists and maps are nested more than 64 deep"},
		"very deep":             {"<grove>" + strings.Repeat("<a>", 200_000), "f.xml:1:197: lists and maps are nested more than 64 deep"},
		"many values":           {"<grove>" + strings.Repeat("<a/>", MaxValues+1), "f.xml: more than 250000 values (split the file, or let a template make what repeats)"},
		"many attributes":       {"<grove " + strings.Repeat("a='' ", MaxValues+1) + "/>", "f.xml:1:1: more than 250000 values (split the file, or let a template make what repeats)"},
		"huge":                  {"<grove>" + strings.Repeat(" ", MaxFileBytes), "f.xml: the file has 8388615 bytes, more than the limit of 8388608 (split it, or let a template make what repeats)"},
		"billion laughs":        {laughs(), "f.xml:1:1: document types and other <!…> directives are not allowed"},
		"several at once":       {"<grove><tree><node/><x y=\"1\">t</x></tree><a/><a/></grove>", "f.xml:1:14: <node> needs a name (<node name=\"…\">)\nf.xml:1:30: text in <x>, which has attributes already (make the text an attribute or an element of its own)\nf.xml:1:46: duplicate key \"a\": it is there already in column 42"},
		"encoding is not utf-8": {"<?xml version=\"1.0\" encoding=\"utf-8\"?><grove/", "f.xml:1:46: the file ends in the middle of an element"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			docs, errs := ReadXML("f.xml", []byte(tt.in))
			if docs != nil {
				t.Errorf("there are documents too: %v", docs)
			}
			if diff := cmp.Diff(tt.want, errs.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func laughs() string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE lolz [<!ENTITY l0 \"lol\">")
	for i := range 9 {
		fmt.Fprintf(&b, "<!ENTITY l%d \"%s\">", i+1, strings.Repeat(fmt.Sprintf("&l%d;", i), 10))
	}
	return b.String() + "]><grove>&l9;</grove>"
}

// TestXMLHoldsEveryValue writes random values as XML and as YAML and reads both.
func TestXMLHoldsEveryValue(t *testing.T) {
	for seed := range uint64(500) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		want := g.fields(3)
		var x, y bytes.Buffer
		x.WriteString("<grove>\n")
		writeFields(&x, &want)
		x.WriteString("</grove>\n")
		writeFlow(&y, &want)
		for name, text := range map[string][]byte{"f.xml": x.Bytes(), "f.yaml": y.Bytes()} {
			docs, errs := Read(name, text)
			if errs != nil {
				t.Fatalf("seed %d: %v\n%s", seed, errs, text)
			}
			if diff := cmp.Diff(sketch(&want), sketch(&docs[0].Value)); diff != "" {
				t.Fatalf("seed %d, %s: %s\n%s", seed, name, diff, text)
			}
		}
	}
}

type generator struct{ *rand.Rand }

func (g generator) value(depth int) Value {
	switch n := g.IntN(10); {
	case n < 2 && depth > 0:
		v := Value{Kind: List}
		for range g.IntN(4) {
			v.Items = append(v.Items, g.value(depth-1))
		}
		return v
	case n < 5 && depth > 0:
		return g.fields(depth - 1)
	case n == 5:
		return Value{Null: true}
	}
	plain := []string{"1", "true", "a.b", "x y", "1e3"}
	quoted := []string{"", " x ", "~", "null", "1", "a: b", "<&>\"'", "é\nü", "# x", "[", "{}", "\t"}
	n := g.IntN(len(plain) + len(quoted))
	if n >= len(plain) {
		return Value{Text: quoted[n-len(plain)], Quoted: true}
	}
	return Value{Text: plain[n]}
}

func (g generator) fields(depth int) Value {
	v := Value{Kind: Map}
	keys := []string{"a", "b", "", "item", "entry", "node", "x y", "*", "name", "value", "tree", "probes", "tests", "label"}
	for range 1 + g.IntN(4) {
		v.Set(keys[g.IntN(len(keys))], g.value(depth))
	}
	return v
}

// writeFields writes a map by the rules that hold in every element.
func writeFields(b *bytes.Buffer, v *Value) {
	for i := range v.Fields {
		f := &v.Fields[i]
		b.WriteString("<entry name=\"")
		_ = xml.EscapeText(b, []byte(f.Key))
		b.WriteString("\"")
		writeValue(b, &f.Value)
		b.WriteString("</entry>\n")
	}
}

// writeValue writes the rest of a start tag and what stands up to the end tag.
func writeValue(b *bytes.Buffer, v *Value) {
	switch {
	case v.Kind == List && len(v.Items) == 0:
		b.WriteString(" grove:as=\"list\">")
	case v.Kind == List:
		b.WriteString(">\n")
		for i := range v.Items {
			b.WriteString("<item")
			writeValue(b, &v.Items[i])
			b.WriteString("</item>\n")
		}
	case v.Kind == Map && len(v.Fields) == 0:
		b.WriteString(" grove:as=\"map\">")
	case v.Kind == Map:
		b.WriteString(">\n")
		writeFields(b, v)
	case v.Null:
		b.WriteString(">")
	default:
		if v.Quoted {
			b.WriteString(" grove:as=\"text\"")
		}
		b.WriteString(" xml:space=\"preserve\">")
		_ = xml.EscapeText(b, []byte(v.Text))
	}
}

func writeFlow(b *bytes.Buffer, v *Value) {
	switch {
	case v.Kind == List:
		b.WriteString("[")
		for i := range v.Items {
			writeFlow(b, &v.Items[i])
			b.WriteString(", ")
		}
		b.WriteString("]")
	case v.Kind == Map:
		b.WriteString("{")
		for i := range v.Fields {
			fmt.Fprintf(b, "%q: ", v.Fields[i].Key)
			writeFlow(b, &v.Fields[i].Value)
			b.WriteString(", ")
		}
		b.WriteString("}")
	case v.Null:
		b.WriteString("~")
	case v.Quoted:
		fmt.Fprintf(b, "%q", v.Text)
	default:
		b.WriteString(v.Text)
	}
}
