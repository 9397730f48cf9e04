package tree

import (
	"errors"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for _, tc := range []struct{ in, canonical, name string }{
		{"/", "/", ""},
		{"", "/", ""},
		{"/shop/web1", "/shop/web1", "web1"},
		{"shop/web1/", "/shop/web1", "web1"},
		{"/host/~1var", "/host/~1var", "/var"},
		{"/a~0b", "/a~0b", "a~b"},
		{"/File systems/größe", "/File systems/größe", "größe"},
	} {
		p, err := ParsePath(tc.in)
		if err != nil || p.String() != tc.canonical || p.Name() != tc.name {
			t.Errorf("%q: %v %q %q", tc.in, err, p, p.Name())
		}
	}
	for _, tc := range []struct{ name, in, want string }{
		{"empty name", "/a//b", `malformed path "/a//b": empty name`},
		{"bad escape", "/a~2", `malformed path "/a~2": "~" must be followed by 0 or 1`},
		{"half an escape", "/a~", `malformed path "/a~": "~" must be followed by 0 or 1`},
		{"control character", "/a\x1b[31m", `malformed path "/a\x1b[31m": name "a\x1b[31m" has a control character`},
		{"direction of text", "/a\u202eb", `malformed path "/a\u202eb": name "a\u202eb" has a control character`},
		{"not UTF-8", "/\xff", `malformed path "/\xff": name "\xff" is not UTF-8`},
		{"space", "/a /b", `malformed path "/a /b": name "a " begins or ends with a space`},
		{"deep", strings.Repeat("/a", 33), `malformed path "` + strings.Repeat("/a", 33) + `": deeper than 32 names`},
		{"long name", "/" + strings.Repeat("x", 129), `malformed path "/` + strings.Repeat("x", 79) + `…": name "` + strings.Repeat("x", 80) + `…" is longer than 128 bytes`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParsePath(tc.in)
			if !errors.Is(err, ErrPath) || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestPathContains(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{{"/", "/x", true}, {"/a", "/a", true}, {"/a", "/ab", false}, {"/a", "/a/b", true}, {"/a/b", "/a", false}} {
		if got := MustPath(tc.a).Contains(MustPath(tc.b)); got != tc.want {
			t.Errorf("%s contains %s: %v", tc.a, tc.b, got)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/~1var", "/a~0", "//", "/\x00", "~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePath(s)
		if err != nil {
			if !p.IsRoot() {
				t.Error("both a path and an error")
			}
			return
		}
		again, err := ParsePath(p.String())
		if err != nil || again != p {
			t.Errorf("%q reads back as %q, %v", p, again, err)
		}
		joined := Root
		for _, name := range p.Names() {
			if joined, err = joined.Child(name); err != nil {
				t.Fatal(err)
			}
		}
		if joined != p {
			t.Errorf("%q put together from its names is %q", p, joined)
		}
	})
}
