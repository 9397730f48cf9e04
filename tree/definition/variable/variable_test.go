package variable_test

import (
	"errors"
	"strings"
	"testing"

	"grove/tree/definition/source"
	"grove/tree/definition/variable"
)

func scope() *variable.Scope {
	var s *variable.Scope
	for name, v := range map[string]variable.Value{
		"port":  {Text: "80", Any: 80.0},
		"token": {Text: "env:T", Any: "env:T", Secret: true},
		"list":  {Any: []variable.Value{{Text: "a", Any: "a"}}},
		"item":  {Any: map[string]variable.Value{"name": {Text: "web", Any: "web"}}},
		"long":  {Text: strings.Repeat("x", 60_000), Any: ""},
		"vague": {Text: "1", Sample: true},
	} {
		s = s.With(name, v)
	}
	return s
}

func TestFill(t *testing.T) {
	tests := []struct{ text, want, err string }{
		{"plain", "plain", ""},
		{"", "", ""},
		{"${port}", "80", ""},
		{"a${port}b${item.name}c", "a80bwebc", ""},
		{"$${port}", "${port}", ""},
		{"cost: $5 {a}", "cost: $5 {a}", ""},
		{"${prt}", "", `unknown name "prt" in ${prt}`},
		{"${item}", "", "${item} has parts: name one, as in ${item.part}"},
		{"${item.nam}", "", `item has no "nam"`},
		{"${port.x}", "", "port has no parts, so there is no ${port.x}"},
		{"${list}", "", "${list} is a list, which cannot stand within a text"},
		{"${token}", "", "${token}: a secret may only be used in the options of a probe"},
		{"${long}${long}", "", "text becomes longer than 65536 bytes"},
		{"${", "", `"${" without "}" (write "$${" for "${" itself)`},
		{"${a b}", "", `${a b} is not a name (write "$${" for "${" itself)`},
		{"${}", "", `${} is not a name (write "$${" for "${" itself)`},
	}
	s := scope()
	for _, tt := range tests {
		parsed, err := variable.ParseText(tt.text)
		got := ""
		if err == nil {
			got, _, err = parsed.Fill(s, false)
		}
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if got != tt.want || msg != tt.err {
			t.Errorf("%q: %.60q %q", tt.text, got, msg)
		}
	}
	parsed, _ := variable.ParseText("${token} ${vague}")
	if got, sample, err := parsed.Fill(s, true); got != "env:T 1" || !sample || err != nil {
		t.Errorf("%q %v %v", got, sample, err)
	}
}

func TestLookupNamesTheNearest(t *testing.T) {
	_, err := scope().Lookup("prot")
	var bad *variable.NameError
	if !errors.As(err, &bad) || bad.Hint != `did you mean "port"?` {
		t.Errorf("%v %+v", err, bad)
	}
}

// TestSamplesPassTheirOwnCheck keeps the check of a definition from complaining about
// values that it made up itself.
func TestSamplesPassTheirOwnCheck(t *testing.T) {
	for _, kind := range variable.Types {
		docs, errs := source.ReadYAML("f", []byte("p: { type: "+kind+" }\n"))
		if err := errs.Err(); err != nil {
			t.Fatal(err)
		}
		p, errs := variable.Parse(&docs[0].Value.Fields[0])
		if err := errs.Err(); err != nil {
			t.Fatal(err)
		}
		s := p.Sample()
		v := source.Text(source.Pos{}, s.Text)
		if kind == "list" {
			v = source.Value{Kind: source.List}
		}
		if _, bad := p.Check(&v); bad != nil {
			t.Errorf("%s: %v", kind, bad)
		}
		if !s.Sample {
			t.Errorf("the sample of %s is not marked", kind)
		}
	}
}
