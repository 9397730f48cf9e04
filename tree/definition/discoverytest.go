package definition

import (
	"fmt"
	"strings"

	"grove/tree"
	"grove/tree/definition/file"
	"grove/tree/definition/source"
)

// DiscoveryTest says which instances are expected of which rows.
type DiscoveryTest struct {
	Name   string
	Pos    source.Pos
	Rows   []map[string]tree.Value
	Expect []DiscoveryExpect
}

// DiscoveryExpect is what becomes of one instance. Empty texts expect nothing.
type DiscoveryExpect struct {
	Instance string
	Absent   bool
	Use, At  string
	With     map[string]string
	Pos      source.Pos
}

// tests reads the tests of a discovery.
func (f *finder) tests(v *file.DiscoveryTests) source.Errors {
	var r reader
	if !v.Given() {
		return nil
	}
	if v.Kind != source.List {
		r.errs.Add(v.Pos, "tests is a list, not %s", v.Describe())
		return r.errs
	}
	if len(v.Items) > maxTests {
		r.errs.Add(v.Pos, "more than %d tests", maxTests)
		return r.errs
	}
	for i := range v.Items {
		item := &v.Items[i]
		var d file.DiscoveryTest
		if errs := item.Decode(&d, source.DecodeOptions{What: "a test"}); len(errs) > 0 {
			r.errs.Append(errs...)
			continue
		}
		t := DiscoveryTest{Name: r.text(&d.Name), Pos: item.Pos}
		if t.Name == "" {
			r.errs.Add(item.Pos, "the test has no name")
		}
		t.Rows, _ = r.rowList(&d.Rows.Value, "rows")
		for k := range r.fields(&d.Expect.Value, "expect") {
			t.Expect = append(t.Expect, r.expectInstance(&d.Expect.Fields[k]))
		}
		if len(t.Expect) == 0 && len(r.errs) == 0 {
			r.errs.Add(item.Pos, "test %q expects nothing", t.Name).WithHint("expect: { name-of-instance: /its/path }")
		}
		f.discovery.Tests = append(f.discovery.Tests, t)
	}
	return r.errs
}

// expectInstance reads what is expected of an instance: its path, absent, or a map.
func (r *reader) expectInstance(f *source.Field) DiscoveryExpect {
	e := DiscoveryExpect{Instance: f.Key, Pos: f.Value.Pos}
	if f.Value.Kind == source.Scalar {
		text, bad := f.Value.Str()
		r.errs.Append(bad)
		if e.Absent = text == "absent"; !e.Absent {
			e.At = text
		}
		return e
	}
	for i := range r.fields(&f.Value, "what is expected") {
		part := &f.Value.Fields[i]
		var bad *source.Error
		switch part.Key {
		case "use":
			e.Use, bad = part.Value.Str()
		case "at":
			e.At, bad = part.Value.Str()
		case "with":
			e.With = map[string]string{}
			for k := range r.fields(&part.Value, "with") {
				given := &part.Value.Fields[k]
				text, bad := given.Value.Str()
				r.errs.Append(bad)
				e.With[given.Key] = text
			}
		default:
			bad = source.Errorf(part.Pos, "unknown key %q in what is expected", part.Key).WithHint("use, at or with")
		}
		r.errs.Append(bad)
	}
	return e
}

// Run says what of a test is not as it is expected.
func (d *Discovery) Run(t *DiscoveryTest) source.Errors {
	var errs source.Errors
	grown := map[string]*Grown{}
	leftOut := map[string]string{}
	for _, row := range t.Rows {
		g := d.Grow(row)
		errs.Append(g.Errs...)
		switch {
		case g.Name == "":
			leftOut[g.Key] = g.LeftOut
		case grown[g.Name] != nil:
			errs.Add(t.Pos, "rows %q and %q both make instance %s", grown[g.Name].Key, g.Key, g.Name)
		default:
			grown[g.Name] = g
		}
	}
	for i := range t.Expect {
		e := &t.Expect[i]
		g := grown[e.Instance]
		switch {
		case g == nil && e.Absent:
		case g == nil:
			errs.Append(noInstance(e, grown, leftOut))
		case e.Absent:
			errs.Add(e.Pos, "instance %s is there, want none", e.Instance)
		case g.Instance != nil:
			e.compare(g.Instance, &errs)
		}
	}
	return errs
}

// noInstance says which instances there are instead.
func noInstance(e *DiscoveryExpect, grown map[string]*Grown, leftOut map[string]string) *source.Error {
	bad := source.Errorf(e.Pos, "there is no instance %s", e.Instance)
	var hints []string
	if there := sortedKeys(grown); len(there) > 0 {
		hints = append(hints, "there are "+strings.Join(there[:min(len(there), 20)], ", "))
	}
	for _, key := range sortedKeys(leftOut) {
		hints = append(hints, fmt.Sprintf("row %q: %s", key, leftOut[key]))
	}
	return bad.WithHint("%s", strings.Join(hints[:min(len(hints), 10)], "; "))
}

func (e *DiscoveryExpect) compare(i *Instance, errs *source.Errors) {
	if e.Use != "" && i.Application != e.Use {
		errs.Add(e.Pos, "instance %s uses %s, want %s", i.Name, i.Application, e.Use).WithHint("%s", i.Why)
	}
	if e.At != "" && i.At.String() != e.At {
		errs.Add(e.Pos, "instance %s is at %s, want %s", i.Name, i.At, e.At)
	}
	for _, name := range sortedKeys(e.With) {
		got, ok := i.Parameter(name)
		switch text := fmt.Sprint(got); {
		case !ok:
			errs.Add(e.Pos, "definition %s has no parameter %q", i.Application, name)
		case text != e.With[name]:
			errs.Add(e.Pos, "parameter %s of instance %s is %s, want %s", name, i.Name, text, e.With[name])
		}
	}
}
