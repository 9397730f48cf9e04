package beans_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/beans"
)

func TestParseName(t *testing.T) {
	tests := []struct {
		name, text                string
		domain, string, canonical string
		properties                []beans.Property
	}{
		{name: "canonical", text: "d:a=1,b=2", domain: "d", properties: []beans.Property{{"a", "1"}, {"b", "2"}}},
		{name: "creation order stays", text: "d:b=2,a=1", domain: "d", canonical: "d:a=1,b=2", properties: []beans.Property{{"b", "2"}, {"a", "1"}}},
		{name: "empty domain", text: ":type=Node", domain: "", properties: []beans.Property{{"type", "Node"}}},
		{name: "empty value", text: "d:a=", domain: "d", properties: []beans.Property{{"a", ""}}},
		{name: "empty value before another", text: "d:a=,b=", domain: "d", properties: []beans.Property{{"a", ""}, {"b", ""}}},
		{name: "spaces count", text: " d : a = 1 ", domain: " d ", properties: []beans.Property{{" a ", " 1 "}}},
		{name: "quoted value", text: `d:name="a,b=c:\*\?\"\\\n"`, domain: "d", properties: []beans.Property{{"name", `"a,b=c:\*\?\"\\\n"`}}},
		{name: "quoted value in the middle", text: `d:name="a,b",z="=",c=1`, domain: "d", canonical: `d:c=1,name="a,b",z="="`,
			properties: []beans.Property{{"name", `"a,b"`}, {"z", `"="`}, {"c", "1"}}},
		{name: "list wildcard alone", text: "d:*", domain: "d"},
		{name: "everything", text: "*:*", domain: "*"},
		{name: "list wildcard goes last", text: "d:*,b=2,a=1", domain: "d", string: "d:b=2,a=1,*", canonical: "d:a=1,b=2,*",
			properties: []beans.Property{{"b", "2"}, {"a", "1"}}},
		{name: "list wildcard in the middle", text: "d:a=1,*,b=2", domain: "d", string: "d:a=1,b=2,*", canonical: "d:a=1,b=2,*",
			properties: []beans.Property{{"a", "1"}, {"b", "2"}}},
		{name: "an asterisk as a value is no list wildcard", text: "d:a=*", domain: "d", properties: []beans.Property{{"a", "*"}}},
		{name: "slashes and other scripts", text: "grüße:path=/läden/東京", domain: "grüße", properties: []beans.Property{{"path", "/läden/東京"}}},
		{name: "keys sort bytewise", text: "d:ab=1,a=2,B=3", domain: "d", canonical: "d:B=3,a=2,ab=1",
			properties: []beans.Property{{"ab", "1"}, {"a", "2"}, {"B", "3"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := beans.ParseName(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if tt.string == "" {
				tt.string = tt.text
			}
			if tt.canonical == "" {
				tt.canonical = tt.string
			}
			if n.Domain() != tt.domain || n.String() != tt.string || n.Canonical() != tt.canonical {
				t.Errorf("got domain %q, string %q, canonical %q\nwant domain %q, string %q, canonical %q",
					n.Domain(), n.String(), n.Canonical(), tt.domain, tt.string, tt.canonical)
			}
			if diff := cmp.Diff(tt.properties, n.Properties()); diff != "" {
				t.Errorf("properties (-want +got):\n%s", diff)
			}
			for _, p := range tt.properties {
				if v, ok := n.Get(p.Key); v != p.Value || !ok {
					t.Errorf("Get(%q) = %q, %v, want %q", p.Key, v, ok, p.Value)
				}
			}
			if v, ok := n.Get("no such key"); v != "" || ok {
				t.Errorf("Get of an unknown key = %q, %v", v, ok)
			}
		})
	}
}

func TestParseNameErrors(t *testing.T) {
	many := "d:"
	for i := range beans.MaxNameProperties + 1 {
		if i > 0 {
			many += ","
		}
		many += "k" + strconv.Itoa(i) + "=v"
	}
	tests := []struct{ name, text, want string }{
		{"empty", "", `parse "": malformed name: the text is empty`},
		{"no colon", "grove", `parse "grove": malformed name: there is no ':' after the domain`},
		{"no colon but a property", "a=b", `parse "a=b": malformed name: there is no ':' after the domain`},
		{"no properties", "grove:", `parse "grove:": malformed name: it has no properties`},
		{"newline in the domain", "a\nb:c=d", `parse "a\nb:c=d": malformed name: newline in the domain at byte 2`},
		{"property without value", "d:a", `parse "d:a": malformed name: property "a" has no '=' at byte 3`},
		{"second property without value", "d:a=1,b", `parse "d:a=1,b": malformed name: property "b" has no '=' at byte 7`},
		{"property without value before another", "d:b,a=1", `parse "d:b,a=1": malformed name: property "b" has no '=' at byte 3`},
		{"empty key", "d:=1", `parse "d:=1": malformed name: an empty key at byte 3`},
		{"empty property", "d:a=1,,b=2", `parse "d:a=1,,b=2": malformed name: an empty property at byte 7`},
		{"comma at the end", "d:a=1,", `parse "d:a=1,": malformed name: a comma at the end at byte 6`},
		{"comma after the wildcard", "d:*,", `parse "d:*,": malformed name: a comma at the end at byte 4`},
		{"two list wildcards", "d:*,a=1,*", `parse "d:*,a=1,*": malformed name: a second list wildcard '*' at byte 9`},
		{"duplicate key", "d:a=1,b=2,a=3", `parse "d:a=1,b=2,a=3": malformed name: key "a" a second time at byte 11`},
		{"colon in a key", "d:a:b=1", `parse "d:a:b=1": malformed name: ':' in a key at byte 4`},
		{"asterisk in a key", "d:a*=1", `parse "d:a*=1": malformed name: '*' in a key at byte 4`},
		{"question mark in a key", "d:?=1", `parse "d:?=1": malformed name: '?' in a key at byte 3`},
		{"newline in a key", "d:a\n=1", `parse "d:a\n=1": malformed name: '\n' in a key at byte 4`},
		{"equals sign in a value", "d:a=1=2", `parse "d:a=1=2": malformed name: '=' in an unquoted value at byte 6`},
		{"colon in a value", "d:a=http://x", `parse "d:a=http://x": malformed name: ':' in an unquoted value at byte 9`},
		{"quote in a value", `d:a=1"`, `parse "d:a=1\"": malformed name: '"' in an unquoted value at byte 6`},
		{"newline in a value", "d:a=1\n", `parse "d:a=1\n": malformed name: '\n' in an unquoted value at byte 6`},
		{"no closing quote", `d:a="1`, `parse "d:a=\"1": malformed name: a quote without its closing quote at byte 5`},
		{"a quote alone", `d:a="`, `parse "d:a=\"": malformed name: a quote without its closing quote at byte 5`},
		{"escaped closing quote", `d:a="1\"`, `parse "d:a=\"1\\\"": malformed name: a quote without its closing quote at byte 5`},
		{"text after the closing quote", `d:a="1"2`, `parse "d:a=\"1\"2": malformed name: text after the closing quote at byte 8`},
		{"bad escape", `d:a="\x"`, `parse "d:a=\"\\x\"": malformed name: a backslash without one of \ n " ? * after it at byte 6`},
		{"newline in quotes", "d:a=\"\n\"", `parse "d:a=\"\n\"": malformed name: newline in a quoted value at byte 6`},
		{"not UTF-8", "d:a=\xff", `parse "d:a=\xff": malformed name: it is not valid UTF-8`},
		{"too long", "d:a=" + strings.Repeat("x", 4093),
			`parse "d:a=` + strings.Repeat("x", 116) + `…": malformed name: it has 4097 bytes, more than the bound of 4096`},
		{"too many properties", many,
			`parse "` + many[:120] + `…": malformed name: it has more properties than the bound of 64 at byte 377`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := beans.ParseName(tt.text)
			if err == nil {
				t.Fatalf("got name %q, want error %s", n, tt.want)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			if !errors.Is(err, beans.ErrMalformedName) {
				t.Error("the error is not ErrMalformedName")
			}
			if !n.IsZero() {
				t.Errorf("a name %q besides the error", n)
			}
		})
	}
}

func TestNameBoundsAreInclusive(t *testing.T) {
	if _, err := beans.ParseName("d:a=" + strings.Repeat("x", 4092)); err != nil {
		t.Error(err)
	}
	many := "d:"
	for i := range beans.MaxNameProperties {
		many += "k" + strconv.Itoa(i) + "=v,"
	}
	if _, err := beans.ParseName(many + "*"); err != nil {
		t.Error(err)
	}
}

func TestNewName(t *testing.T) {
	n, err := beans.NewName("grove", "type", "Node", "path", beans.PropertyValue("/a:b*c"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `grove:type=Node,path="/a:b\*c"`; n.String() != want {
		t.Errorf("got %s, want %s", n, want)
	}
	if text, _ := n.Text("path"); text != "/a:b*c" {
		t.Errorf("Text(path) = %q", text)
	}
	for _, tt := range []struct {
		name, domain string
		args         []string
		want         string
	}{
		{"no properties", "d", nil, `parse "d:": malformed name: it has no properties`},
		{"odd", "d", []string{"a"}, `make name in domain "d": malformed name: the last key has no value`},
		{"colon in the domain", "d:x=1,", []string{"a", "b"}, `make name in domain "d:x=1,": malformed name: a domain must not contain ':'`},
		{"key that would be two", "d", []string{"a=1,b", "c"}, `make name in domain "d": malformed name: key "a=1,b" must not contain '='`},
		{"value that would be two", "d", []string{"a", "1,b=2"}, `make name in domain "d": malformed name: value "1,b=2" of key "a" must be quoted`},
		{"quoted value that would be two", "d", []string{"a", `"1",b=2`}, `make name in domain "d": malformed name: value "\"1\",b=2" of key "a" must be quoted`},
		{"open quote", "d", []string{"a", `"1`}, `make name in domain "d": malformed name: value "\"1" of key "a": a quote without its closing quote`},
		{"asterisk as key", "d", []string{"*", "1"}, `parse "d:*=1": malformed name: '*' in a key at byte 3`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := beans.NewName(tt.domain, tt.args...)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v (%s)\nwant %s", err, n, tt.want)
			}
			if !errors.Is(err, beans.ErrMalformedName) {
				t.Error("the error is not ErrMalformedName")
			}
		})
	}
}

func TestPatternKinds(t *testing.T) {
	for _, tt := range []struct {
		text                string
		domain, list, value bool
	}{
		{"d:a=1", false, false, false},
		{"*:a=1", true, false, false},
		{"d?:a=1", true, false, false},
		{"d:a=1,*", false, true, false},
		{"d:a=*", false, false, true},
		{"d:a=x?y,*", false, true, true},
		{"*:*", true, true, false},
		{`d:a="x\*y\?"`, false, false, false},
		{`d:a="x*y"`, false, false, true},
		{`d:a="x\\*y"`, false, false, true},
	} {
		n := beans.MustName(tt.text)
		if n.IsDomainPattern() != tt.domain || n.IsListPattern() != tt.list || n.IsValuePattern() != tt.value {
			t.Errorf("%s: domain %v, list %v, value %v; want %v, %v, %v", tt.text,
				n.IsDomainPattern(), n.IsListPattern(), n.IsValuePattern(), tt.domain, tt.list, tt.value)
		}
		if n.IsPattern() != (tt.domain || tt.list || tt.value) {
			t.Errorf("%s: IsPattern() = %v", tt.text, n.IsPattern())
		}
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"d:a=1,b=2", "d:b=2,a=1", true},
		{"d:a=1", "d:a=2", false},
		{"*:*", "d:a=1", true},
		{"*:*", ":a=1", true},
		{"*:*", "*:*", false},
		{"d:a=1", "d:a=1,*", false},
		{"d:a=1,*", "d:a=1,*", false},
		{"d*:*", "domain:a=1", true},
		{"d?:*", "d:a=1", false},
		{"d?:*", "dé:a=1", true},
		{"d:*", "D:a=1", false},
		{"d:a=1,*", "d:a=1", true},
		{"d:a=1,*", "d:b=2,a=1,c=3", true},
		{"d:a=1,*", "d:b=2", false},
		{"*:a=1", "d:a=1,b=2", false},
		{"*:a=1,b=2", "d:b=2,a=1", true},
		{"d:a=*", "d:a=", true},
		{"d:a=*", "d:a=1,b=2", false},
		{"d:a=*,*", "d:b=2,a=1", true},
		{"d:a=x?z", "d:a=xyz", true},
		{"d:a=x?z", "d:a=xz", false},
		{"d:a=*b*c*", "d:a=abbbxc", true},
		{"d:a=*b*c", "d:a=abcd", false},
		{"d:a=*", `d:a="quoted"`, true},
		{`d:a="*"`, `d:a="quoted"`, true},
		{`d:a="*"`, "d:a=plain", false},
		{`d:a="x\**"`, `d:a="x\*tail"`, true},
		{`d:a="x\**"`, `d:a="xytail"`, false},
		{`d:a=1,b="\\*"`, `d:a=1,b="\\tail"`, true},
	} {
		if got := beans.MustName(tt.pattern).Matches(beans.MustName(tt.name)); got != tt.want {
			t.Errorf("%s matches %s: %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
	if (beans.MustName("*:*")).Matches(beans.Name{}) || (beans.Name{}).Matches(beans.Name{}) {
		t.Error("the zero Name matches")
	}
}

func TestNamesEqualByCanonicalText(t *testing.T) {
	a, b := beans.MustName("d:a=1,b=2"), beans.MustName("d:b=2,a=1")
	if !a.Equal(b) || a.Compare(b) != 0 || a.Canonical() != b.Canonical() {
		t.Errorf("%s and %s are not equal", a, b)
	}
	if a.Equal(beans.MustName("d:a=1")) {
		t.Error("names with different properties are equal")
	}
}

func TestInDomain(t *testing.T) {
	for _, tt := range []struct{ text, domain, want string }{
		{":a=1", "grove", "grove:a=1"},
		{"d:a=1", "grove", "d:a=1"},
		{":b=1,a=2,*", "grove", "grove:b=1,a=2,*"},
		{":a=1", "", ":a=1"},
	} {
		n, err := beans.MustName(tt.text).InDomain(tt.domain)
		if err != nil || n.String() != tt.want {
			t.Errorf("%s in %s: %s, %v; want %s", tt.text, tt.domain, n, err, tt.want)
		}
	}
}

func TestNameAsJSON(t *testing.T) {
	type record struct{ Name, None beans.Name }
	in := record{Name: beans.MustName(`d:b=2,a="x\"y"`)}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"Name":"d:b=2,a=\"x\\\"y\"","None":""}`; string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	var out record
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`{"Name":"nonsense"}`), &out); !errors.Is(err, beans.ErrMalformedName) {
		t.Errorf("got %v", err)
	}
}

func TestQuote(t *testing.T) {
	for _, tt := range []struct{ text, quoted string }{
		{"", `""`},
		{"plain", `"plain"`},
		{"a,b=c:d", `"a,b=c:d"`},
		{"\"*?\\\n", `"\"\*\?\\\n"`},
		{`\n`, `"\\n"`},
		{"東京", `"東京"`},
	} {
		if got := beans.Quote(tt.text); got != tt.quoted {
			t.Errorf("Quote(%q) = %s, want %s", tt.text, got, tt.quoted)
		}
		if got, err := beans.Unquote(tt.quoted); got != tt.text || err != nil {
			t.Errorf("Unquote(%s) = %q, %v, want %q", tt.quoted, got, err, tt.text)
		}
	}
}

func TestUnquoteErrors(t *testing.T) {
	for _, tt := range []struct{ quoted, want string }{
		{``, `unquote "": malformed name: it does not stand in quotes`},
		{`"`, `unquote "\"": malformed name: it does not stand in quotes`},
		{`a"`, `unquote "a\"": malformed name: it does not stand in quotes`},
		{`"a"b"`, `unquote "\"a\"b\"": malformed name: '"' without a backslash`},
		{`"*"`, `unquote "\"*\"": malformed name: '*' without a backslash`},
		{"\"\n\"", `unquote "\"\n\"": malformed name: '\n' without a backslash`},
		{`"\"`, `unquote "\"\\\"": malformed name: a backslash at the end`},
		{`"\x"`, `unquote "\"\\x\"": malformed name: a backslash without one of \ n " ? * after it`},
	} {
		got, err := beans.Unquote(tt.quoted)
		if err == nil || err.Error() != tt.want || got != "" || !errors.Is(err, beans.ErrMalformedName) {
			t.Errorf("got  %q, %v\nwant %s", got, err, tt.want)
		}
	}
}

func TestCanonicalNameCostsNoAllocation(t *testing.T) {
	const text, key = "grove:path=/shop/web1/Connections/Active,type=Node", "type"
	pattern := beans.MustName("grove:type=Node,*")
	allocs := testing.AllocsPerRun(100, func() {
		n, err := beans.ParseName(text)
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := n.Get(key); v != "Node" || !pattern.Matches(n) {
			t.Fatal("the name is wrong")
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"d:a=1", ":a=1", "*:*", "d:b=2,*,a=1", `d:a="x\*\"\\\n"`, "d:a=", "d:=", `d:a="`, "a\nb:c=d", "d:a=1,a=2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := beans.ParseName(text)
		if err != nil {
			if !n.IsZero() || !errors.Is(err, beans.ErrMalformedName) {
				t.Fatalf("%q: name %q with error %v", text, n, err)
			}
			return
		}
		again, err := beans.ParseName(n.String())
		if err != nil || again != n {
			t.Fatalf("%q: its text %q reads as %#v, %v", text, n, again, err)
		}
		canonical, err := beans.ParseName(n.Canonical())
		if err != nil || canonical.Canonical() != n.Canonical() || canonical.String() != n.Canonical() {
			t.Fatalf("%q: canonical text %q reads as %#v, %v", text, n.Canonical(), canonical, err)
		}
		if n.Matches(n) == n.IsPattern() {
			t.Fatalf("%q matches itself: %v", text, n.Matches(n))
		}
		if n.IsPattern() {
			return
		}
		var pairs []string
		for _, p := range n.Properties() {
			pairs = append(pairs, p.Key, p.Value)
		}
		built, err := beans.NewName(n.Domain(), pairs...)
		if err != nil || built != n {
			t.Fatalf("%q: built from its parts it is %#v, %v", text, built, err)
		}
		if !beans.MustName("*:*").Matches(n) {
			t.Fatalf("*:* does not match %q", text)
		}
	})
}

func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "a", `"*?\`, "\n", `\n`, "a,b=c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		back, err := beans.Unquote(beans.Quote(text))
		if err != nil || back != text {
			t.Fatalf("%q came back as %q, %v", text, back, err)
		}
		if quoted, err := beans.Unquote(text); err == nil && beans.Quote(quoted) != text {
			t.Fatalf("Unquote took %q, which Quote does not make", text)
		}
		n, err := beans.NewName("d", "k", beans.PropertyValue(text))
		if err != nil {
			return // too long or not UTF-8
		}
		if v, ok := n.Text("k"); v != text || !ok || n.IsPattern() {
			t.Fatalf("%q as a property value is %q in %s", text, v, n)
		}
	})
}

func BenchmarkParseName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := beans.ParseName("grove:path=/shop/web1/Connections/Active,type=Node"); err != nil {
			b.Fatal(err)
		}
	}
}
