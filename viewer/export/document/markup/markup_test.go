package markup

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hostile = "<script>alert(1)</script>\"'& \x00\x1b[31m\t\r\n\u202eevil\u2066\xff\ufffe]]>"

func TestWriter(t *testing.T) {
	var b strings.Builder
	x := XML(&b)
	x.Instruction("xml-stylesheet", `href="a.xsl"`)
	x.Start("a", "x", "1&2").Element("b", "t<").Start("c").Start("d").End().End().Element("e", "")
	if err := x.Finish(); err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet href="a.xsl"?>
<a x="1&amp;2">
  <b>t&lt;</b>
  <c>
    <d/>
  </c>
  <e/>
</a>
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	h := HTML(&b)
	h.Start("p").Start("br").End().Text("a").Start("span", "class", hostile).End().Fixed("<!-- -->")
	if err := h.Finish(); err != nil {
		t.Fatal(err)
	}
	want = "<!DOCTYPE html>\n<p><br>a<span class=\"&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp; ��[31m&#9;&#13;&#10;�evil���]]&gt;\"></span><!-- --></p>\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestAnErrorIsKept(t *testing.T) {
	w := XML(failing{})
	for range 10_000 {
		w.Element("a", "text")
	}
	if err := w.Finish(); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestLink(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"https://shop.example/a?b=c#d", "https://shop.example/a?b=c#d"},
		{" http://10.0.0.1:8080/ ", "http://10.0.0.1:8080/"},
		{"http://user:secret@shop.example/", "http://shop.example/"},
		{"javascript:alert(1)", ""}, {"JavaScript://x/%0aalert(1)", ""}, {"data:text/html,x", ""}, {"//shop.example/", ""},
		{"/relative", ""}, {"http:", ""}, {"http://a\u202eb/", ""}, {"http://a b/", ""}, {"\x01http://a/", ""}, {"file:///etc/passwd", ""}, {"", ""},
	} {
		got, ok := Link(tc.in)
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("%q: %q, %v", tc.in, got, ok)
		}
	}
}

// FuzzWriter holds that what is written as text and as attribute is read back, cleaned.
func FuzzWriter(f *testing.F) {
	for _, s := range []string{"", "a", hostile, "]]>", "&amp;", " \n a \t "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b strings.Builder
		if err := XML(&b).Start("a", "b", s).Text(s).Finish(); err != nil {
			t.Fatal(err)
		}
		var got struct {
			B    string `xml:"b,attr"`
			Text string `xml:",chardata"`
		}
		if err := xml.Unmarshal([]byte(b.String()), &got); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if want := Clean(s); got.B != want || got.Text != want || Clean(want) != want {
			t.Errorf("%q reads back as %q and %q", want, got.B, got.Text)
		}
	})
}
