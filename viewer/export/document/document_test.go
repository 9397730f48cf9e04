package document_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/document"
	"grove/viewer/export/document/documenttest"
	"grove/viewer/export/document/form"
)

func written(t *testing.T, d *document.Document, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := form.Write(&b, d, format, "/documents/static"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// told lists what a document tells of: elements, with their attributes.
func told(d *document.Document) []string {
	var list []string
	for e := range d.Elements() {
		line := fmt.Sprintf("%s %s %s", e.Role, e.Name, e.Status.Status)
		for _, r := range e.Leaves {
			line += " " + r.Path.String()
		}
		list = append(list, line)
	}
	for _, m := range d.Managers {
		for _, r := range m.Leaves {
			list = append(list, m.ID+" "+r.Path.String())
		}
	}
	return list
}

func TestRoles(t *testing.T) {
	type node struct{ path, properties string } // a path that ends with a slash is a group
	for _, tc := range []struct {
		name      string
		nodes     []node
		instances []document.Instance
		query     document.Query
		want      []string
	}{
		{"nothing said", []node{{"/a/b/x", ""}, {"/c", ""}}, nil, documenttest.All(), []string{"service a white /a/b/x", "em1 /c"}},
		{
			"instances", []node{{"/h/x", ""}, {"/d/x", ""}, {"/s/x", ""}},
			[]document.Instance{{Where: documenttest.At("/h"), Kinds: []string{"process", "host"}}, {Where: documenttest.At("/d"), Kinds: []string{"snmp"}}, {Where: documenttest.At("/s")}},
			documenttest.All(), []string{"host h white /h/x", "device d white /d/x", "service s white /s/x"},
		},
		{
			"a role said", []node{{"/a/", "role=device"}, {"/a/x", ""}}, []document.Instance{{Where: documenttest.At("/a"), Kinds: []string{"host"}}},
			documenttest.All(), []string{"device a white /a/x"},
		},
		{
			"a part", []node{{"/a/", "role=host"}, {"/a/b/", "role=part"}, {"/a/b/x", ""}}, []document.Instance{{Where: documenttest.At("/a/b")}},
			documenttest.All(), []string{"host a white /a/b/x"},
		},
		{
			"one inside another", []node{{"/h/", "role=host"}, {"/h/x", ""}, {"/h/web/", "role=service"}, {"/h/web/y", ""}}, nil,
			documenttest.All(), []string{"host h white /h/x", "service web white /h/web/y"},
		},
		{
			"one service in two places", []node{{"/a/", "service=shop"}, {"/a/x", ""}, {"/b/c/", "service=shop"}, {"/b/c/y", ""}}, nil,
			documenttest.All(), []string{"service shop white /a/x /b/c/y"},
		},
		{
			"the same below says nothing new", []node{{"/a/", "service=shop"}, {"/a/b/", "service=shop"}, {"/a/b/x", ""}}, nil,
			documenttest.All(), []string{"service shop white /a/b/x"},
		},
		{
			"a service on a host", []node{{"/a/", "host=web1"}, {"/a/x", ""}}, []document.Instance{{Where: documenttest.At("/a")}},
			documenttest.All(), []string{"service a white /a/x"},
		},
		{"a host by property", []node{{"/a/", "host=web1"}, {"/a/x", ""}}, nil, documenttest.All(), []string{"host web1 white /a/x"}},
		{
			"loose attributes between", []node{{"/a/b/x", ""}, {"/a/y", ""}, {"/a/c/z", ""}}, []document.Instance{{Where: documenttest.At("/a/b")}},
			documenttest.All(), []string{"service b white /a/b/x", "service c white /a/c/z", "em1 /a/y"},
		},
		{
			"a part of the tree has the same elements", []node{{"/a/b/x", ""}, {"/a/c/", "role=host"}, {"/a/c/y", ""}}, nil,
			document.Query{Depth: -1, Path: documenttest.At("/a/b")}, []string{"service b white /a/b/x"},
		},
		{
			"depth", []node{{"/a/x", ""}, {"/a/b/y", ""}}, []document.Instance{{Where: documenttest.At("/a")}},
			document.Query{Depth: 1}, []string{"service a white /a/x"},
		},
		{
			"customers", []node{{"/a/", "customer=X"}, {"/a/x", ""}, {"/a/b/", "customer=Y"}, {"/a/b/y", ""}, {"/c/", "customer=X, Y"}, {"/c/z", ""}, {"/d/w", ""}}, nil,
			document.Query{Depth: -1, Customer: "y"}, []string{"service a white /a/b/y", "service c white /c/z"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &documenttest.World{Clock: documenttest.Begin, Tree: tree.New(tree.Options{}), Managers: documenttest.Fixed{{ID: "em1", Name: "ABC", Instances: tc.instances}}}
			for _, n := range tc.nodes {
				s := &tree.Spec{Kind: tree.Performance, Properties: map[string]string{}}
				if strings.HasSuffix(n.path, "/") {
					s.Kind = tree.Group
				}
				for pair := range strings.FieldsFuncSeq(n.properties, func(r rune) bool { return r == ';' }) {
					k, v, _ := strings.Cut(pair, "=")
					s.Properties[k] = v
				}
				w.Add(t, n.path, s)
			}
			d := w.Document(t, tc.query)
			if diff := cmp.Diff(tc.want, told(d)); diff != "" {
				t.Error(diff)
			}
			documenttest.Validate(t, written(t, d, "xml"))
		})
	}
}

// TestACustomerSeesNothingOfOthers looks for words that are not for ATT.
func TestACustomerSeesNothingOfOthers(t *testing.T) {
	w := documenttest.New(t)
	d := w.Document(t, document.Query{Depth: -1, Customer: "ATT"})
	for _, f := range form.Formats {
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
	if got := d.Managers[0].Status.Status; got != tree.Yellow {
		t.Errorf("the whole is %s: another's red shows", got)
	}
}

func TestSeveralManagers(t *testing.T) {
	w := documenttest.New(t)
	w.Add(t, "/peers/em3/x", &tree.Spec{Kind: tree.Performance})
	w.Managers[0].Integration = true
	w.Managers = append(w.Managers, document.Manager{ID: "em3", Name: "YYY", Top: documenttest.At("/peers/em3")})
	d := w.Document(t, documenttest.All())
	documenttest.Validate(t, written(t, d, "xml"))
	if len(d.Managers) != 2 || d.Managers[0].Counts[tree.White] != 1 || d.Managers[1].Counts[tree.White] != 1 {
		t.Errorf("%+v", d.Managers)
	}
	one := w.Document(t, document.Query{Depth: -1, Manager: "em3"})
	if diff := cmp.Diff([]string{"em3 /peers/em3/x"}, told(one)); diff != "" || len(one.Managers) != 1 {
		t.Error(diff, len(one.Managers))
	}
	own := w.Document(t, document.Query{Depth: -1, Manager: "em1"})
	if slices.ContainsFunc(told(own), func(s string) bool { return strings.Contains(s, "em3") }) {
		t.Error(told(own))
	}
}

func TestMistakes(t *testing.T) {
	w := documenttest.New(t)
	m, err := document.NewMaker(document.Options{Tree: w.Tree, Guard: grant.NewGuard(w.Tree), Managers: w.Managers, MaxNodes: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		query document.Query
		is    error
		want  string
	}{
		{document.Query{Path: documenttest.At("/web1/Cpu")}, tree.ErrNoNode, `no such node: /web1 has no "Cpu"; did you mean "CPU"?`},
		{document.Query{Manager: "em9"}, document.ErrNoManager, `no such manager as "em9"`},
		{document.Query{Path: documenttest.At("/web1"), Customer: "IBM"}, document.ErrNoCustomer, `no such customer as "IBM": no node has it as its property "customer"`},
		{document.Query{}, document.ErrTooLarge, "the document is too large: / has more than 10 nodes; ask for a part of it by its path"},
	} {
		_, err := m.Make(documenttest.Everyone(t), tc.query)
		if !errors.Is(err, tc.is) || err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
	if _, err := document.NewMaker(document.Options{}); err == nil {
		t.Error("a maker of nothing")
	}
}

func TestTag(t *testing.T) {
	w := documenttest.New(t)
	tags := map[string]string{}
	look := func(what string, q document.Query, same string) {
		t.Helper()
		tag := w.Document(t, q).Tag
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
	look("first", documenttest.All(), "")
	w.Clock = w.Clock.Add(time.Second)
	look("later", documenttest.All(), "first")
	look("a part", document.Query{Depth: -1, Path: documenttest.At("/web1")}, "")
	r, _ := w.Tree.Lookup(documenttest.At("/Lonely"))
	w.Tree.Apply([]tree.Reading{{Node: r, Value: 6}})
	look("another value", documenttest.All(), "")
	look("a part", document.Query{Depth: -1, Path: documenttest.At("/web1")}, "a part")
	if err := w.Tree.SetThreshold(documenttest.At("/Lonely"), &tree.Threshold{Yellow: tree.AboveLevel(100, 100)}); err != nil {
		t.Fatal(err)
	}
	look("tuned", documenttest.All(), "")
	if err := w.Tree.Change(tree.Update(documenttest.At("/Lonely"), &tree.Spec{Kind: tree.Performance, Unit: "m"})); err != nil {
		t.Fatal(err)
	}
	look("another unit", documenttest.All(), "")
	w.Managers[0].Location = "Denver"
	look("another place", documenttest.All(), "")
}
