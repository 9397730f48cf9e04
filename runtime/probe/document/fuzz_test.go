package document

import (
	"testing"

	"grove/runtime/probe"
	"grove/runtime/probe/extract"
)

// FuzzParse holds that no document of any format breaks the probe, and that what can be
// parsed is the same as itself.
func FuzzParse(f *testing.F) {
	for i, s := range []string{`{"a": [1, {"b": null}]}`, "<a x='1'><b>2</b><b/></a>", "a,b\n1,2\n", "[s]\na = 1\n", "a.b = 1\n"} {
		f.Add(i, []byte(s), "")
	}
	f.Add(1, []byte("\xff\xfe<\x00a\x00/\x00>\x00"), "text/xml; charset=utf-8")
	f.Fuzz(func(t *testing.T, which int, b []byte, contentType string) {
		p := &plan{format: formats[min(max(which, 0), len(formats)-1)], size: defaultSize}
		d, err := p.parse(b, contentType)
		if (d == nil) == (err == nil) {
			t.Fatalf("%v and %v", d, err)
		}
		if err != nil {
			return
		}
		if lines := stateOf("a", d).changes(stateOf("b", d)); len(lines) != 1 || lines[0] != "changed: spaces, comments or the order alone" {
			t.Errorf("it differs from itself: %v", lines)
		}
		at, err := newPlace(p.format, "a")
		if err != nil {
			t.Fatal(err)
		}
		rows, _ := d.rows(at)
		table, err := extract.NewTable("t", "t", "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		into := table.Rows()
		for _, r := range rows {
			if into.Add(func(extract.Field) any { return r.find(at) }) != nil {
				break
			}
		}
		var r probe.Result
		_ = into.Result(&r)
		if v, err := d.find(at); err == nil {
			_, _ = extract.Value("string", v)
		}
	})
}

// FuzzXPath holds that no path breaks the probe, neither when it is read nor on a document.
func FuzzXPath(f *testing.F) {
	for _, s := range []string{"//b", "count(//b)", "/a/b[1]/@x", "sum(//b) div 0", "string(/a)", "substring('a', //b)", "number()"} {
		f.Add(s)
	}
	d, err := parseXML([]byte("<a x='1'><b>2</b><b/></a>"), true)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, s string) {
		at, err := newPlace(formatXML, s)
		if err != nil {
			return
		}
		_, _ = d.find(at)
		_, _ = d.rows(at)
	})
}
