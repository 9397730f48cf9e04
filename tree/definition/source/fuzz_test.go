package source

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode"
)

// checkRead checks what holds for every input: there are never both documents and
// errors, and everything has a place.
func checkRead(t *testing.T, docs []Document, errs Errors) {
	t.Helper()
	if len(docs) > 0 && len(errs) > 0 {
		t.Fatalf("%d documents and errors: %v", len(docs), errs)
	}
	for _, e := range errs {
		if e.Pos.File != "f" || e.Msg == "" {
			t.Errorf("odd error: %#v", e)
		}
	}
	for i := range docs {
		checkPlaces(t, &docs[i].Value)
	}
	if err := Print(&bytes.Buffer{}, errs, func(string) []byte { return []byte("x") }, true); err != nil {
		t.Error(err)
	}
}

func checkPlaces(t *testing.T, v *Value) {
	if v.Pos.Line < 1 || v.Pos.Column < 1 {
		t.Errorf("a value without a place: %s", v.Describe())
	}
	keys := map[string]bool{}
	for i := range v.Fields {
		f := &v.Fields[i]
		if f.Pos.Line < 1 || f.Pos.Column < 1 || keys[f.Key] {
			t.Errorf("a key without a place or twice: %q", f.Key)
		}
		keys[f.Key] = true
		checkPlaces(t, &f.Value)
	}
	for i := range v.Items {
		checkPlaces(t, &v.Items[i])
	}
}

// asXML tells whether XML can hold all texts of a value as they are.
func asXML(v *Value) bool {
	fits := func(s string) bool {
		return !strings.ContainsFunc(s, func(c rune) bool { return c == unicode.ReplacementChar || c != '\n' && forbidden(c) })
	}
	ok := true
	_, _ = v.Map(func(s *Value) *Error { ok = ok && fits(s.Text); return nil },
		func(f *Field) *Error { ok = ok && fits(f.Key); return nil })
	return ok
}

func FuzzYAML(f *testing.F) {
	example, err := os.ReadFile("testdata/nginx.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	for _, s := range []string{"a: &x [1, *x]", "a: {b: [c, ~, \"\"]}\n---\n- |\n  t\n", "? [a]\n: b", "\ufeff", "a: 'x", bomb(3, 9), "{a: !!str 1}", "%YAML 1.2\n---\n", "a:\r\n  b: >\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs, errs := ReadYAML("f", []byte(text))
		checkRead(t, docs, errs)
		for i := range docs {
			v := &docs[i].Value
			if v.Kind != Map || len(v.Fields) == 0 || !asXML(v) {
				continue
			}
			var b bytes.Buffer
			b.WriteString("<grove>")
			writeFields(&b, v)
			b.WriteString("</grove>")
			again, errs := ReadXML("f", b.Bytes())
			if errs != nil {
				t.Fatalf("as XML: %v\n%s", errs, b.Bytes())
			}
			want, _ := v.Map(func(s *Value) *Error {
				if s.Null {
					s.Text = ""
				}
				return nil
			}, nil)
			if got := sketch(&again[0].Value); got != sketch(&want) {
				t.Errorf("as XML: got %s, want %s", got, sketch(&want))
			}
		}
	})
}

func FuzzXML(f *testing.F) {
	example, err := os.ReadFile("testdata/nginx.xml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	for _, s := range []string{"<grove/>", "<instances><instance/></instances>", laughs(), "<grove xmlns:g='urn:grove' g:as='map'/>", "<grove a='1' b = \"2\"><x>t<![CDATA[u]]></x></grove>", "<grove><item/><a/></grove>", "<grove><!-- c --><?x?></grove>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs, errs := ReadXML("f", []byte(text))
		checkRead(t, docs, errs)
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"url: x\ncodes: [1, 2]\ntls: {verify: on}\nany: {a: [b]}\n", "timeout: 1h30m\nlevel: high\nspan: 1..2\nmatch: a+\nby_port: {1: low}\n", "steps: [{}, ~]\npair: [a, b]\nraw: [1]\nmaybe: 3\nbad: ~\n", "[]", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := ReadYAML("f", []byte(text))
		for i := range docs {
			var o options
			checkRead(t, nil, docs[i].Value.Decode(&o, DecodeOptions{What: "it"}))
			var a any
			checkRead(t, nil, docs[i].Value.Decode(&a, DecodeOptions{}))
			for _, v := range docs[i].Value.Items {
				_, _ = v.Duration()
				_, _ = v.Bytes()
				_, _ = v.Percent()
			}
		}
	})
}
