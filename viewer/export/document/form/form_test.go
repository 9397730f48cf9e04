package form

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/document"
	"grove/viewer/export/document/documenttest"
	"grove/viewer/export/document/static"
	"grove/viewer/export/goldentest"
)

func written(t *testing.T, d *document.Document, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d, format, "/documents/static"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDocument(t *testing.T) {
	w := documenttest.New(t)
	for _, tc := range []struct {
		name  string
		query document.Query
	}{
		{"tree", documenttest.All()},
		{"customer", document.Query{Depth: -1, Customer: "att"}},
		{"subtree", document.Query{Depth: 1, Path: documenttest.At("/net/core1/Ports")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := w.Document(t, tc.query)
			for _, f := range Formats {
				got := written(t, d, f.Name)
				goldentest.Is(t, tc.name+"."+f.Name, got)
				switch f.Name {
				case "xml":
					documenttest.Validate(t, got)
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
	file, _ := static.File(static.SchemaJSON)
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
	program := documenttest.Tool(t, "xsltproc")
	w := documenttest.New(t)
	w.Hostile(t)
	for _, q := range []document.Query{documenttest.All(), {Depth: -1, Customer: "ATT"}, {Depth: 0, Path: documenttest.At("/net")}} {
		d := w.Document(t, q)
		cmd := exec.CommandContext(t.Context(), program, "--nonet", "../static/"+static.StyleSheetXSL, "-")
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

func TestHostileTexts(t *testing.T) {
	w := documenttest.New(t)
	w.Hostile(t)
	d := w.Document(t, documenttest.All())
	xml := written(t, d, "xml")
	documenttest.Validate(t, xml)
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

// large makes a tree of 100 instances with so many attributes each.
func large(t testing.TB, attributes int) *document.Maker {
	tr := tree.New(tree.Options{})
	m := document.Manager{ID: "em1", Name: "ABC"}
	spec := &tree.Spec{Kind: tree.Performance, Unit: "%", Threshold: &tree.Threshold{Yellow: tree.AboveLevel(85, 80)}}
	var ops []tree.Op
	for i := range 100 {
		where := documenttest.At(fmt.Sprintf("/site %d/host %d", i%10, i))
		m.Instances = append(m.Instances, document.Instance{Name: fmt.Sprint("h", i), Application: "linux-host", Where: where, Kinds: []string{"host"}})
		for k := range attributes {
			p, err := where.Join(documenttest.At(fmt.Sprintf("/Group %d/Attribute %d", k%20, k)))
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
	maker, err := document.NewMaker(document.Options{Tree: tr, Guard: grant.NewGuard(tr), Managers: documenttest.Fixed{m}})
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
			if _, err := m.Make(documenttest.Everyone(b), documenttest.All()); err != nil {
				b.Fatal(err)
			}
		}
	})
	d, err := m.Make(documenttest.Everyone(b), documenttest.All())
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range Formats {
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := Write(io.Discard, d, f.Name, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestWritingHoldsNoCopy holds that a large document is written in pieces.
func TestWritingHoldsNoCopy(t *testing.T) {
	d, err := large(t, 50).Make(documenttest.Everyone(t), documenttest.All())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Formats {
		var c counter
		if err := Write(&c, d, f.Name, ""); err != nil {
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
		r, err := tr.Add(documenttest.At("/x"), &tree.Spec{Kind: tree.State, Unit: a, Properties: map[string]string{"service": b}})
		if err != nil {
			t.Skip()
		}
		tr.Report(tree.Report{Node: r, Value: tree.Text(a)})
		m, err := document.NewMaker(document.Options{Tree: tr, Guard: grant.NewGuard(tr), Managers: documenttest.Fixed{{ID: a, Name: b}}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := m.Make(documenttest.Everyone(t), documenttest.All())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := WriteJSON(&out, d, ""); err != nil || !json.Valid(out.Bytes()) {
			t.Fatalf("%v\n%s", err, out.String())
		}
	})
}
