package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"grove/tree"
)

func TestDocument(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		name  string
		query Query
	}{
		{"tree", all()},
		{"customer", Query{Depth: -1, Customer: "att"}},
		{"subtree", Query{Depth: 1, Path: at("/net/core1/Ports")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := w.document(t, tc.query)
			for _, f := range Formats {
				got := written(t, d, f.Name)
				golden(t, tc.name+"."+f.Name, got)
				switch f.Name {
				case "xml":
					validate(t, got)
				case "json":
					validateJSON(t, got)
				}
			}
		})
	}
}

func validateJSON(t *testing.T, text []byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	file, _ := StaticFile(SchemaJSON)
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("schema.json", schema); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Error(err)
	}
}

// TestTheStyleSheetMakesTheSamePage transforms XML by the style sheet that it names.
func TestTheStyleSheetMakesTheSamePage(t *testing.T) {
	program := tool(t, "xsltproc")
	w := newWorld(t)
	hostile(t, w)
	for _, q := range []Query{all(), {Depth: -1, Customer: "ATT"}, {Depth: 0, Path: at("/net")}} {
		d := w.document(t, q)
		cmd := exec.CommandContext(t.Context(), program, "--nonet", "static/"+StyleSheetXSL, "-")
		cmd.Stdin = bytes.NewReader(written(t, d, "xml"))
		var complaints strings.Builder
		cmd.Stderr = &complaints
		made, err := cmd.Output()
		if err != nil || complaints.Len() > 0 {
			t.Fatal(err, complaints.String())
		}
		if diff := cmp.Diff(textOf(written(t, d, "html")), textOf(made)); diff != "" {
			t.Errorf("(-page +style sheet)\n%s", diff)
		}
	}
}

var (
	headOf  = regexp.MustCompile(`(?s)^.*<body[^>]*>`)
	tagOf   = regexp.MustCompile(`<(/?[a-z0-9]+)[^>]*>`)
	classOf = regexp.MustCompile(`<[a-z0-9]+ (?:xmlns="[^"]*" )?class="([^"]*)"`)
)

// textOf is the text of a page, one piece a line, with the classes, which carry the colours.
func textOf(html []byte) []string {
	body := headOf.ReplaceAllString(string(html), "")
	body = strings.NewReplacer("&nbsp;", "\u00a0", "&#13;", "\r", "&quot;", `"`, "\ufffd", "?").Replace(body)
	body = classOf.ReplaceAllString(body, "\n[$1]$0")
	var lines []string
	for line := range strings.SplitSeq(tagOf.ReplaceAllString(body, "\n"), "\n") {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// hostile puts texts into the tree that try to be something else than text.
func hostile(t *testing.T, w *world) {
	t.Helper()
	evil := "<script>alert(1)</script>\"'&amp; \x00\x01\x1b[31m\u202egnp.exe\u2066 \ufffe\xff]]>\r\n<!--"
	w.add(t, "/evil/<script>alert(2)<~1script>", &tree.Spec{Kind: tree.Group, Properties: map[string]string{
		"service": evil, "location": evil, "portal": "javascript:alert(3)", "customer": evil, "contact": evil, "label": evil, "type": evil,
		"address": evil, "role": evil, "host": evil, "device": evil, "description": evil, "x": evil,
	}})
	r := w.add(t, "/evil/<script>alert(2)<~1script>/\" onload=\"x", &tree.Spec{
		Kind: tree.State, Unit: evil, Description: evil, Threshold: &tree.Threshold{States: map[string]tree.Status{evil: tree.Red, "": tree.Green}},
	})
	w.tree.Report(tree.Report{Node: r, Value: tree.Text(evil)})
	r = w.add(t, "/evil/why", &tree.Spec{Kind: tree.Performance})
	w.tree.Report(tree.Report{Node: r, Reason: evil})
	for i, v := range []float64{0, -1, 1e300, 1e-300} {
		r = w.add(t, fmt.Sprintf("/evil/n%d", i), &tree.Spec{Kind: tree.Performance, Unit: "bytes/s"})
		w.tree.Apply([]tree.Reading{{Node: r, Value: v}})
	}
	w.managers[0].Description, w.managers[0].Portal = evil, "data:text/html,<script>alert(4)</script>"
	w.managers[0].Instances[3].Errors = []string{evil}
}

func TestHostileTexts(t *testing.T) {
	w := newWorld(t)
	hostile(t, w)
	d := w.document(t, all())
	xml := written(t, d, "xml")
	validate(t, xml)
	validateJSON(t, written(t, d, "json"))
	html := string(written(t, d, "html"))
	for _, bad := range []string{"<script", "href=\"javascript:", "href=\"data:", "\" onload=", "\x1b", "\u202e", "\u2066", "\x00", "<!--"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, format := range []string{"xml", "json", "html"} {
		if text := written(t, d, format); bytes.Contains(text, []byte("secret")) {
			t.Errorf("%s has a secret", format)
		}
	}
}

// told lists what a document tells of: elements, with their attributes.
func told(d *Document) []string {
	var list []string
	for e := range d.Elements() {
		line := fmt.Sprintf("%s %s %s", e.Role, e.Name, e.Status.Status)
		for _, i := range e.leaves {
			line += " " + d.records[i].path.String()
		}
		list = append(list, line)
	}
	for _, m := range d.managers {
		for _, i := range m.leaves {
			list = append(list, m.ID+" "+d.records[i].path.String())
		}
	}
	return list
}

func TestRoles(t *testing.T) {
	type node struct{ path, properties string } // a path that ends with a slash is a group
	for _, tc := range []struct {
		name      string
		nodes     []node
		instances []Instance
		query     Query
		want      []string
	}{
		{"nothing said", []node{{"/a/b/x", ""}, {"/c", ""}}, nil, all(), []string{"service a white /a/b/x", "em1 /c"}},
		{
			"instances", []node{{"/h/x", ""}, {"/d/x", ""}, {"/s/x", ""}},
			[]Instance{{Where: at("/h"), Kinds: []string{"process", "host"}}, {Where: at("/d"), Kinds: []string{"snmp"}}, {Where: at("/s")}},
			all(), []string{"host h white /h/x", "device d white /d/x", "service s white /s/x"},
		},
		{
			"a role said", []node{{"/a/", "role=device"}, {"/a/x", ""}}, []Instance{{Where: at("/a"), Kinds: []string{"host"}}},
			all(), []string{"device a white /a/x"},
		},
		{
			"a part", []node{{"/a/", "role=host"}, {"/a/b/", "role=part"}, {"/a/b/x", ""}}, []Instance{{Where: at("/a/b")}},
			all(), []string{"host a white /a/b/x"},
		},
		{
			"one inside another", []node{{"/h/", "role=host"}, {"/h/x", ""}, {"/h/web/", "role=service"}, {"/h/web/y", ""}}, nil,
			all(), []string{"host h white /h/x", "service web white /h/web/y"},
		},
		{
			"one service in two places", []node{{"/a/", "service=shop"}, {"/a/x", ""}, {"/b/c/", "service=shop"}, {"/b/c/y", ""}}, nil,
			all(), []string{"service shop white /a/x /b/c/y"},
		},
		{
			"the same below says nothing new", []node{{"/a/", "service=shop"}, {"/a/b/", "service=shop"}, {"/a/b/x", ""}}, nil,
			all(), []string{"service shop white /a/b/x"},
		},
		{
			"a service on a host", []node{{"/a/", "host=web1"}, {"/a/x", ""}}, []Instance{{Where: at("/a")}},
			all(), []string{"service a white /a/x"},
		},
		{"a host by property", []node{{"/a/", "host=web1"}, {"/a/x", ""}}, nil, all(), []string{"host web1 white /a/x"}},
		{
			"loose attributes between", []node{{"/a/b/x", ""}, {"/a/y", ""}, {"/a/c/z", ""}}, []Instance{{Where: at("/a/b")}},
			all(), []string{"service b white /a/b/x", "service c white /a/c/z", "em1 /a/y"},
		},
		{
			"a part of the tree has the same elements", []node{{"/a/b/x", ""}, {"/a/c/", "role=host"}, {"/a/c/y", ""}}, nil,
			Query{Depth: -1, Path: at("/a/b")}, []string{"service b white /a/b/x"},
		},
		{
			"depth", []node{{"/a/x", ""}, {"/a/b/y", ""}}, []Instance{{Where: at("/a")}},
			Query{Depth: 1}, []string{"service a white /a/x"},
		},
		{
			"customers", []node{{"/a/", "customer=X"}, {"/a/x", ""}, {"/a/b/", "customer=Y"}, {"/a/b/y", ""}, {"/c/", "customer=X, Y"}, {"/c/z", ""}, {"/d/w", ""}}, nil,
			Query{Depth: -1, Customer: "y"}, []string{"service a white /a/b/y", "service c white /c/z"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &world{now: begin, tree: tree.New(tree.Options{}), managers: fixed{{ID: "em1", Name: "ABC", Instances: tc.instances}}}
			for _, n := range tc.nodes {
				s := &tree.Spec{Kind: tree.Performance, Properties: map[string]string{}}
				if strings.HasSuffix(n.path, "/") {
					s.Kind = tree.Group
				}
				for pair := range strings.FieldsFuncSeq(n.properties, func(r rune) bool { return r == ';' }) {
					k, v, _ := strings.Cut(pair, "=")
					s.Properties[k] = v
				}
				w.add(t, n.path, s)
			}
			d := w.document(t, tc.query)
			if diff := cmp.Diff(tc.want, told(d)); diff != "" {
				t.Error(diff)
			}
			validate(t, written(t, d, "xml"))
		})
	}
}

// TestACustomerSeesNothingOfOthers looks for words that are not for ATT.
func TestACustomerSeesNothingOfOthers(t *testing.T) {
	w := newWorld(t)
	d := w.document(t, Query{Depth: -1, Customer: "ATT"})
	for _, f := range Formats {
		text := string(written(t, d, f.Name))
		for _, bad := range []string{"AOL", "Qwest", "eth1", "web1/CPU", "Lonely", "orders", "/plain"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %s", f.Name, bad)
			}
		}
		if !strings.Contains(text, "eth0") || !strings.Contains(text, "Response time") {
			t.Errorf("%s lacks what is the customer's", f.Name)
		}
	}
	if got := d.managers[0].status.Status; got != tree.Yellow {
		t.Errorf("the whole is %s: another's red shows", got)
	}
}

func TestSeveralManagers(t *testing.T) {
	w := newWorld(t)
	w.add(t, "/peers/em3/x", &tree.Spec{Kind: tree.Performance})
	w.managers[0].Integration = true
	w.managers = append(w.managers, Manager{ID: "em3", Name: "YYY", Top: at("/peers/em3")})
	d := w.document(t, all())
	validate(t, written(t, d, "xml"))
	if len(d.managers) != 2 || d.managers[0].counts[tree.White] != 1 || d.managers[1].counts[tree.White] != 1 {
		t.Errorf("%+v", d.managers)
	}
	one := w.document(t, Query{Depth: -1, Manager: "em3"})
	if diff := cmp.Diff([]string{"em3 /peers/em3/x"}, told(one)); diff != "" || len(one.managers) != 1 {
		t.Error(diff, len(one.managers))
	}
	own := w.document(t, Query{Depth: -1, Manager: "em1"})
	if slices.ContainsFunc(told(own), func(s string) bool { return strings.Contains(s, "em3") }) {
		t.Error(told(own))
	}
}

func TestMistakes(t *testing.T) {
	w := newWorld(t)
	m := w.maker(t)
	m.opts.MaxNodes = 10
	for _, tc := range []struct {
		query Query
		is    error
		want  string
	}{
		{Query{Path: at("/web1/Cpu")}, tree.ErrNoNode, `no such node: /web1 has no "Cpu"; did you mean "CPU"?`},
		{Query{Manager: "em9"}, ErrNoManager, `no such manager as "em9"`},
		{Query{Path: at("/web1"), Customer: "IBM"}, ErrNoCustomer, `no such customer as "IBM": no node has it as its property "customer"`},
		{Query{}, ErrTooLarge, "the document is too large: / has more than 10 nodes; ask for a part of it by its path"},
	} {
		_, err := m.Make(tc.query)
		if !errors.Is(err, tc.is) || err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
	if _, err := NewMaker(Options{}); err == nil {
		t.Error("a maker of nothing")
	}
}

func TestTag(t *testing.T) {
	w := newWorld(t)
	tags := map[string]string{}
	look := func(what string, q Query, same string) {
		t.Helper()
		tag := w.document(t, q).Tag
		if same != "" {
			if tags[same] != tag {
				t.Errorf("%s: the tag changed", what)
			}
			return
		}
		for other, o := range tags {
			if o == tag {
				t.Errorf("%s has the tag of %s", what, other)
			}
		}
		tags[what] = tag
	}
	look("first", all(), "")
	w.now = w.now.Add(time.Second)
	look("later", all(), "first")
	look("a part", Query{Depth: -1, Path: at("/web1")}, "")
	r, _ := w.tree.Lookup(at("/Lonely"))
	w.tree.Apply([]tree.Reading{{Node: r, Value: 6}})
	look("another value", all(), "")
	look("a part", Query{Depth: -1, Path: at("/web1")}, "a part")
	if err := w.tree.SetThreshold(at("/Lonely"), &tree.Threshold{Yellow: tree.AboveLevel(100, 100)}); err != nil {
		t.Fatal(err)
	}
	look("tuned", all(), "")
	if err := w.tree.Change(tree.Update(at("/Lonely"), &tree.Spec{Kind: tree.Performance, Unit: "m"})); err != nil {
		t.Fatal(err)
	}
	look("another unit", all(), "")
	w.managers[0].Location = "Denver"
	look("another place", all(), "")
}

func TestShow(t *testing.T) {
	for _, tc := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "", "0"}, {1234567, "", "1 234 567"}, {-0.5, "", "−0.5"}, {12.345, "connections", "12.3 connections"}, {1536, "bytes", "1.5 KiB"},
		{2e6, "bytes/s", "1.91 MiB/s"}, {97.25, "%", "97.3 %"}, {0.0625, "s", "62.5 ms"}, {3720, "s", "1 h 2 min"}, {90061, "s", "1 d 1 h"},
		{1e-7, "s", "100 ns"}, {1e300, "x", "1e+300 x"}, {1e-9, "", "1.00e−09"}, {0.42, "1", "0.42"}, {1e9, "bit/s", "1 Gbit/s"}, {-3720, "s", "−1 h 2 min"},
	} {
		if got := strings.ReplaceAll(Show(tree.Number(tc.v), tc.unit), thin, " "); got != tc.want {
			t.Errorf("%v %s: %q, want %q", tc.v, tc.unit, got, tc.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, tc := range []struct{ in, shown, host string }{
		{"https://u:p@shop.example:8443/a?t=1#x", "https://shop.example:8443/a", "shop.example"}, {"10.0.0.1:161", "10.0.0.1:161", "10.0.0.1"},
		{"[::1]:161", "[::1]:161", "::1"}, {"web1", "web1", "web1"}, {"u:p@web1:22", "web1:22", "web1"}, {"", "", ""}, {"a b/c", "a b/c", ""},
	} {
		shown := withoutSecrets(tc.in)
		if shown != tc.shown || hostOf(shown) != tc.host {
			t.Errorf("%q: %q, %q", tc.in, shown, hostOf(shown))
		}
	}
}

// large makes a tree of 100 instances with so many attributes each.
func large(t testing.TB, attributes int) *Maker {
	tr := tree.New(tree.Options{})
	m := Manager{ID: "em1", Name: "ABC"}
	spec := &tree.Spec{Kind: tree.Performance, Unit: "%", Threshold: &tree.Threshold{Yellow: tree.AboveLevel(85, 80)}}
	var ops []tree.Op
	for i := range 100 {
		where := at(fmt.Sprintf("/site %d/host %d", i%10, i))
		m.Instances = append(m.Instances, Instance{Name: fmt.Sprint("h", i), Application: "linux-host", Where: where, Kinds: []string{"host"}})
		for k := range attributes {
			p, err := where.Join(at(fmt.Sprintf("/Group %d/Attribute %d", k%20, k)))
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, tree.Add(p, spec))
		}
	}
	if err := tr.Change(ops...); err != nil {
		t.Fatal(err)
	}
	var batch []tree.Reading
	if err := tr.Walk(tree.Root, -1, func(n *tree.Node) bool {
		if n.Kind != tree.Group {
			batch = append(batch, tree.Reading{Node: n.Ref, Value: float64(n.Index % 90)})
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	tr.Apply(batch)
	maker, err := NewMaker(Options{Tree: tr, Managers: fixed{m}})
	if err != nil {
		t.Fatal(err)
	}
	return maker
}

func BenchmarkDocument100000(b *testing.B) {
	m := large(b, 1000)
	b.Run("make", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Make(all()); err != nil {
				b.Fatal(err)
			}
		}
	})
	d, err := m.Make(all())
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range Formats {
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Write(io.Discard, f.Name, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestWritingHoldsNoCopy holds that a large document is written in pieces.
func TestWritingHoldsNoCopy(t *testing.T) {
	d, err := large(t, 50).Make(all())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Formats {
		var c counter
		if err := d.Write(&c, f.Name, ""); err != nil {
			t.Fatal(err)
		}
		if c.bytes < 1<<20 || c.most > 64<<10 {
			t.Errorf("%s: %d bytes in pieces of up to %d", f.Name, c.bytes, c.most)
		}
	}
}

type counter struct{ bytes, most int }

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += len(b)
	c.most = max(c.most, len(b))
	return len(b), nil
}

func FuzzJSON(f *testing.F) {
	f.Add("a", "b")
	f.Add("\x00\xff\u202e\"\\", "</script>")
	f.Fuzz(func(t *testing.T, a, b string) {
		tr := tree.New(tree.Options{})
		r, err := tr.Add(at("/x"), &tree.Spec{Kind: tree.State, Unit: a, Properties: map[string]string{"service": b}})
		if err != nil {
			t.Skip()
		}
		tr.Report(tree.Report{Node: r, Value: tree.Text(a)})
		m, err := NewMaker(Options{Tree: tr, Managers: fixed{{ID: a, Name: b}}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := m.Make(all())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := d.WriteJSON(&out, ""); err != nil || !json.Valid(out.Bytes()) {
			t.Fatalf("%v\n%s", err, out.String())
		}
	})
}
