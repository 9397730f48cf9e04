package source

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sketch writes a value without positions, to compare values at a glance: 'x' is a
// quoted scalar, x a plain one, ~ nothing.
func sketch(v *Value) string {
	var b strings.Builder
	switch v.Kind {
	case List:
		b.WriteByte('[')
		for i := range v.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(sketch(&v.Items[i]))
		}
		b.WriteByte(']')
	case Map:
		b.WriteByte('{')
		for i := range v.Fields {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%s: %s", v.Fields[i].Key, sketch(&v.Fields[i].Value))
		}
		b.WriteByte('}')
	default:
		switch {
		case v.Null:
			b.WriteString("~")
		case v.Quoted:
			b.WriteString("'" + v.Text + "'")
		default:
			b.WriteString(v.Text)
		}
	}
	return b.String()
}

func TestReadYAML(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"empty":            {"", ""},
		"only a comment":   {"# nothing\n", ""},
		"empty documents":  {"---\n---\n# c\n---\na: 1\n", "{a: 1}"},
		"two documents":    {"a: 1\n---\nb: 2\n", "{a: 1} {b: 2}"},
		"scalars":          {`[a, "b", 'c', 1, 1.5, true, ~, null, "", "~", on]`, "[a, 'b', 'c', 1, 1.5, true, ~, ~, '', '~', on]"},
		"nothing":          {"a:\nb: x\n", "{a: ~, b: x}"},
		"empty key":        {`{"": red}`, "{: red}"},
		"order":            {"z: 1\na: 2\nm: 3\n", "{z: 1, a: 2, m: 3}"},
		"keys as written":  {"1..24: x\n8080: y\ntrue: z\n~: n\n010: o\n", "{1..24: x, 8080: y, true: z, ~: n, 010: o}"},
		"number as is":     {"a: 1_000\nb: 0x10\nc: 010\nd: 2026-01-01\n", "{a: 1_000, b: 0x10, c: 010, d: 2026-01-01}"},
		"block scalars":    {"a: |\n  x\n  y\nb: >\n  x\n  y\nc: |-\n  z\n", "{a: 'x\ny\n', b: 'x y\n', c: 'z'}"},
		"multi-line plain": {"a: one\n  two\n", "{a: one two}"},
		"CRLF":             {"a: 1\r\nb: |\r\n  x\r\n  y\r\n", "{a: 1, b: 'x\ny\n'}"},
		"CR":               {"a: 1\rb: 2\r", "{a: 1, b: 2}"},
		"BOM":              {"\ufeffa: 1\n", "{a: 1}"},
		"alias":            {"a: &x {b: 1}\nc: *x\n", "{a: {b: 1}, c: {b: 1}}"},
		"alias as key":     {"a: &x k\n*x : 1\n", "{a: k, k: 1}"},
		"core tags":        {"a: !!str 1\nb: !!int 2\nc: !!map {}\nd: !!seq []\n", "{a: '1', b: 2, c: {}, d: []}"},
		"quoted <<":        {`{"<<": 1}`, "{<<: 1}"},
		"json":             {`{"a":[1,{"b":null}],"c":"\u00e9\/"}`, "{a: [1, {b: ~}], c: 'é/'}"},
		"scalar document":  {"hello\n", "hello"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			docs, errs := ReadYAML("f.yaml", []byte(tt.in))
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

func TestReadYAMLPositions(t *testing.T) {
	docs, errs := ReadYAML("f.yaml", []byte("\ufeff# é\nä: {é: [x, \"ö\",   y]}\nlist:\n  - k: |\n      text\n  -   last\n"))
	if errs != nil {
		t.Fatal(errs)
	}
	root := &docs[0].Value
	for path, want := range map[string]string{
		"ä":        "f.yaml:2:4",
		"ä.é":      "f.yaml:2:8",
		"ä.é.1":    "f.yaml:2:12",
		"ä.é.2":    "f.yaml:2:19",
		"list":     "f.yaml:4:3",
		"list.0.k": "f.yaml:4:8",
		"list.1":   "f.yaml:6:7",
	} {
		if got := root.PosOf(path).String(); got != want {
			t.Errorf("%s stands at %s, want %s", path, got, want)
		}
	}
	if got := root.Fields[0].Value.Fields[0].Pos.String(); got != "f.yaml:2:5" {
		t.Errorf("key é stands at %s", got)
	}
}

func TestReadYAMLErrors(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"tab":                {"a:\n\tb: 1\n", "f.yaml:2:1: a tab is used for indentation (indent with spaces)"},
		"unclosed quote":     {"a: \"x\nb: 1\n", "f.yaml:1:4: the closing quote is missing"},
		"unclosed list":      {"a: [1, 2\nb: 3\n", "f.yaml:2:2: want a comma or ] of the list that begins in line 1 (between [ and ] a text that holds { } [ ] or a comma must be quoted)"},
		"half-written file":  {"probes:\n  status:\n    kind: http\n    extract: { regex: 'Active", "f.yaml:4:23: the closing quote is missing"},
		"bad indentation":    {"a:\n  b: 1\n c: 2\n", "f.yaml:3:2: want a key of the map that begins in line 1 (keys of one map stand below each other, and nothing may follow a quoted text)"},
		"unquoted star":      {"a: *\n", "f.yaml:1:4: a text that begins with * must be quoted"},
		"unquoted greater":   {"a: > 500\n", `f.yaml:1:4: a text after > or | must begin in the next line (quote a comparison: "> 500")`},
		"unknown alias":      {"a: *x\n", "f.yaml:1:4: no anchor of this name stands before its alias (a text that begins with * must be quoted)"},
		"unquoted variable":  {"a: {b: ${x}}\n", "f.yaml:1:9: want a comma or } (between { and } a text that holds { } [ ] or a comma must be quoted)"},
		"variable as map":    {"{a: {{x}}}\n", "f.yaml:1:6: a key must be a text, not a list or a map (a value that begins with { or [ must be quoted)"},
		"duplicate keys":     {"a: 1\nb: 2\na: 3\n\"b\": {c: 1, c: 2}\n", "f.yaml:3:1: duplicate key \"a\": it is there already in line 1\nf.yaml:4:1: duplicate key \"b\": it is there already in line 2\nf.yaml:4:13: duplicate key \"c\": it is there already in column 7"},
		"list as key":        {"? [a]\n: b\n", "f.yaml:1:3: a key must be a text, not a list or a map (a value that begins with { or [ must be quoted)"},
		"missing key":        {"a: 1\n: 2\n", "f.yaml:2:1: a key is missing before the colon"},
		"merge":              {"a: &x {b: 1}\nc:\n  <<: *x\n", "f.yaml:3:3: merge keys (<<) are not supported (use a template)"},
		"tags":               {"a: !secret x\nb: !!binary aGk=\nc: !!python/object [1]\n", "f.yaml:1:4: the tag !secret is not supported here (leave it out)\nf.yaml:2:4: the tag !!binary is not supported here (leave it out)\nf.yaml:3:4: the tag !!python/object is not supported here (leave it out)"},
		"wrong tag":          {"a: !!int abc\nb: !!map x\n", "f.yaml:2:4: the tag !!map is not supported here (leave it out)"},
		"circle":             {"a: &x [1, *x]\n", "f.yaml:1:4: the anchor &x contains an alias of itself"},
		"errors before":      {"a: 1\na: 2\n---\n[\n", "f.yaml:2:1: duplicate key \"a\": it is there already in line 1\nf.yaml:5:1: want a value here"},
		"NUL":                {"a: 1\nb: x\x00y\n", "f.yaml:2:5: control character U+0000 is not allowed"},
		"escape":             {"a: \x1b[31m\n", "f.yaml:1:4: control character U+001B is not allowed"},
		"not UTF-8":          {"a: é\nb: caf\xe9\n", "f.yaml:2:7: byte 0xe9 is not UTF-8 (save the file as UTF-8)"},
		"UTF-16":             {"\xff\xfea\x00", "f.yaml:1:1: the file is UTF-16, want UTF-8 (save it as UTF-8)"},
		"line separator":     {"a: x\u2028y\n", "f.yaml:1:5: control character U+2028 is not allowed"},
		"deep flow":          {strings.Repeat("[", 70) + strings.Repeat("]", 70), "f.yaml:1:65: lists and maps are nested more than 64 deep"},
		"very deep flow":     {strings.Repeat("[", 100_000), "f.yaml:1:65: lists and maps are nested more than 64 deep"},
		"deep mix":           {deepMix(70), "f.yaml:36:65: lists and maps are nested more than 64 deep"},
		"many values":        {"[" + strings.Repeat("a,", MaxValues+1) + "]", "f.yaml: more than 250000 values (split the file, or let a template make what repeats)"},
		"huge":               {strings.Repeat("# comment\n", MaxFileBytes/10+1), "f.yaml: the file has 8388610 bytes, more than the limit of 8388608 (split it, or let a template make what repeats)"},
		"alias bomb":         {bomb(9, 9), "f.yaml:7:10: more than 250000 values (split the file, or let a template make what repeats)"},
		"directive":          {"%YAML 3.0\n---\na: 1\n", "f.yaml:1:1: want YAML version 1.1 or 1.2"},
		"text after text":    {"a: 'x' y\n", "f.yaml:1:8: want a key (keys of one map stand below each other, and nothing may follow a quoted text)"},
		"at sign":            {"a: @x\n", "f.yaml:1:4: a text cannot begin with this character (quote it)"},
		"bad escape":         {"a: \"\\d\"\n", `f.yaml:1:5: unknown escape in a text in double quotes (write \\ for a backslash, or use single quotes)`},
		"key without colon":  {"a: 1\nb\nc: 2\n", "f.yaml:2:1: want a colon after this key"},
		"list in line":       {"a: - x\n", "f.yaml:1:4: a list cannot begin here (begin it in the next line, or quote a text that begins with -)"},
		"colon in the value": {"a: b: c\n", `f.yaml:1:5: unexpected colon (quote a text that holds ": ", and indent keys alike)`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			docs, errs := ReadYAML("f.yaml", []byte(tt.in))
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			if docs != nil {
				t.Errorf("there are documents too: %v", docs)
			}
			if diff := cmp.Diff(tt.want, errs.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// deepMix nests flow lists in block maps, so that neither alone is too deep.
func deepMix(n int) string {
	var b strings.Builder
	for i := range n / 2 {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String() + strings.Repeat(" ", n/2) + strings.Repeat("[", n/2) + strings.Repeat("]", n/2)
}

// bomb is a billion laughs: each line has width aliases of the line before.
func bomb(lines, width int) string {
	var b strings.Builder
	b.WriteString("l0: &l0 [x]\n")
	for i := range lines {
		alias := fmt.Sprintf("*l%d,", i)
		fmt.Fprintf(&b, "l%d: &l%d [%s]\n", i+1, i+1, strings.Repeat(alias, width))
	}
	return b.String()
}
