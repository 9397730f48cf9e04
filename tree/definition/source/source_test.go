package source

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestMap(t *testing.T) {
	v := root(t, "a${i}: ${x}\nb: [\"${x}\", 1]\nc: ${list}\n")
	before := sketch(v)
	out, errs := v.Map(func(s *Value) *Error {
		if s.Text == "${list}" {
			*s = Value{Kind: List, Pos: s.Pos, Items: []Value{Text(s.Pos, "${x}")}}
			return nil
		}
		s.Text = strings.ReplaceAll(s.Text, "${x}", "y")
		return nil
	}, func(f *Field) *Error {
		f.Key = strings.ReplaceAll(f.Key, "${i}", "1")
		return nil
	})
	if errs != nil {
		t.Fatal(errs)
	}
	if got, want := sketch(&out), "{a1: y, b: ['y', 1], c: ['${x}']}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if sketch(v) != before {
		t.Errorf("the original became %s", sketch(v))
	}
	if got := out.PosOf("b.0").String(); got != "f.yaml:2:5" {
		t.Errorf("a mapped scalar stands at %s", got)
	}

	_, errs = v.Map(func(s *Value) *Error { return Errorf(s.Pos, "bad %s", s.Text) }, func(f *Field) *Error { f.Key = "k"; return nil })
	want := "f.yaml:1:8: bad ${x}\nf.yaml:2:1: duplicate key \"k\": it is there already in line 1\n" +
		"f.yaml:2:5: bad ${x}\nf.yaml:2:13: bad 1\nf.yaml:3:1: duplicate key \"k\": it is there already in line 1\nf.yaml:3:4: bad ${list}"
	if got := errs.Err().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLookup(t *testing.T) {
	v := root(t, "a: {b.c: {d: 1}, e: [x, {f: 2}]}\n")
	for path, want := range map[string]string{"": "{a: {b.c: {d: 1}, e: [x, {f: 2}]}}", "a.b.c": "{d: 1}", "a.e.1.f": "2", "a.e.0": "x"} {
		if got, ok := v.Lookup(path); !ok || sketch(got) != want {
			t.Errorf("%q: got %s, %v", path, sketch(got), ok)
		}
	}
	for path, want := range map[string]string{"a.x.y": "f.yaml:1:4", "a.e.2": "f.yaml:1:21", "a.e.-1": "f.yaml:1:21", "z": "f.yaml:1:1"} {
		if _, ok := v.Lookup(path); ok || v.PosOf(path).String() != want {
			t.Errorf("%q: found %v, nearest place %s, want %s", path, ok, v.PosOf(path), want)
		}
	}
}

func TestSet(t *testing.T) {
	v := Value{Null: true}
	v.Set("a", Text(Pos{"f", 1, 2}, "x"))
	v.Set("b", Value{Text: "1"})
	v.Set("a", Value{Text: "2"})
	if got := sketch(&v); got != "{a: 2, b: 1}" {
		t.Error(got)
	}
}

func TestErrors(t *testing.T) {
	var none Errors
	if none.Err() != nil {
		t.Error("an empty list is an error")
	}
	var l Errors
	l.Append(nil)
	l.Add(Pos{"b", 1, 1}, "b11")
	l.Add(Pos{"a", 10, 1}, "a101: %w", fs.ErrNotExist)
	l.Add(Pos{"a", 9, 2}, "a92")
	l.Add(Pos{"a", 9, 1}, "second").WithHint("or %d", 1)
	l.Add(Pos{"a", 9, 1}, "first")
	l.Add(Pos{"b", 1, 1}, "b11")
	err := l.Err()
	want := "a:9:1: second (or 1)\na:9:1: first\na:9:2: a92\na:10:1: a101: file does not exist\nb:1:1: b11"
	if err.Error() != want {
		t.Errorf("got\n%s", err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	for i := range 10 {
		l.Add(Pos{"c", i + 1, 1}, "more")
	}
	if got := l.Err().Error(); !strings.HasSuffix(got, "c:5:1: more\nand 5 more") {
		t.Errorf("got\n%s", got)
	}
}

func TestRead(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"a.xml":  {"<grove a='1'/>", "{a: 1}"},
		"a.YAML": {"a: <b>", "{a: <b>}"},
		"a.json": {`{"a": 1}`, "{a: 1}"},
		"stdin":  {" \n<grove a='1'/>", "{a: 1}"},
		"body":   {"a: 1", "{a: 1}"},
	} {
		docs, errs := Read(name, []byte(tt.text))
		if errs != nil || len(docs) != 1 || sketch(&docs[0].Value) != tt.want {
			t.Errorf("%s: got %v, %v", name, docs, errs)
		}
	}
}
