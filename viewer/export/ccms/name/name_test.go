package name

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"grove/tree"
)

var scheme = Scheme{System: "GRV", Segment: "SAP_CCMS_grove"}

func TestNames(t *testing.T) {
	long := strings.Repeat("ä", 41)
	for _, tt := range []struct {
		name, path string
		group      bool
		want       string
	}{
		{"the root", "/", true, `GRV\...`},
		{"a context", "/shop", true, `GRV\shop\...`},
		{"an object", "/shop/web1", true, `GRV\shop\web1\...`},
		{"an attribute", "/shop/web1/Up", false, `GRV\shop\web1\Up`},
		{"a deeper object", "/shop/web1/Connections", true, `GRV\shop\...\web1/Connections\...`},
		{"a deeper attribute", "/shop/web1/Connections/Open", false, `GRV\shop\...\web1/Connections\Open`},
		{"an attribute of a context", "/shop/Up", false, `GRV\shop\...\Up`},
		{"an attribute of the root", "/Up", false, `GRV\...\...\Up`},
		{"a slash in a name", "/host/File systems/~1var/Used", false, `GRV\host\...\File systems/~1var\Used`},
		{"a slash in the name of a context and of an attribute", "/a~1b/c/~1var", false, `GRV\a/b\c\/var`},
		{"a backslash", `/shop/web1/C:\Temp`, false, `GRV\shop\web1\C:_Temp~HIYB7YWK`},
		{"a name that is too long", "/shop/web1/" + long, false, `GRV\shop\web1\` + strings.Repeat("ä", 31) + `~FCIFFRHW`},
		{"a name that is just long enough", "/shop/web1/" + long[2:], false, `GRV\shop\web1\` + long[2:]},
		{"a name that stands for others", "/shop/.../Up", false, `GRV\shop\...~VNO7MJN4\Up`},
		{"a name that looks shortened", "/shop/web1/a~0AAAABBBB", false, `GRV\shop\web1\a~AAAABBBB~CPWESBDO`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tree.MustPath(tt.path), tt.group).Full("GRV"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// FuzzNamesAreUnique: two nodes never have one name, and no part is too long.
func FuzzNamesAreUnique(f *testing.F) {
	for _, seed := range [][2]string{
		{"/a/b/c", "/a/b~1c"}, {"/a/b~1c/d", "/a/b/c/d"}, {"/a/.../c", "/a/c"}, {`/a/b\c/d`, "/a/b_c/d"},
		{"/" + strings.Repeat("x", 50), "/" + strings.Repeat("x", 51)}, {"/a~1b/c", "/a/b/c"},
	} {
		f.Add(seed[0], seed[1], true, false)
	}
	f.Fuzz(func(t *testing.T, one, other string, oneGroup, otherGroup bool) {
		p, err1 := tree.ParsePath(one)
		q, err2 := tree.ParsePath(other)
		if err1 != nil || err2 != nil {
			return
		}
		a := Of(p, oneGroup || p.IsRoot())
		b := Of(q, otherGroup || q.IsRoot())
		same := p == q && (oneGroup || p.IsRoot()) == (otherGroup || q.IsRoot())
		if (a.Full("GRV") == b.Full("GRV")) != same {
			t.Errorf("%s is %s, %s is %s", p, a.Full("GRV"), q, b.Full("GRV"))
		}
		for _, text := range []string{a.Context, a.Object, a.Attribute, Short(p, "GRV")} {
			if utf8.RuneCountInString(text) > MaxPart || strings.Contains(text, `\`) || !utf8.ValidString(text) {
				t.Errorf("%s has the part %q", p, text)
			}
		}
		if id, ok := scheme.ParseTID(scheme.TID(Number(p), 100)); !ok || id != Number(p) {
			t.Errorf("the TID of %s does not lead back", p)
		}
	})
}

func TestIdentifiersHaveTheirLengths(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 5, 9, 0, time.UTC)
	tid := scheme.TID(7*half+9, 100)
	if want := "GRV     SAP_CCMS_grove                          010" + "0000000007" + "100" + "0000000009" + "0000000000"; tid != want || len(tid) != 84 {
		t.Errorf("got  %q\nwant %q", tid, want)
	}
	aid := scheme.AID(42, at)
	if want := "GRV     SAP_CCMS_grove                          0000000042" + "0000000000" + "20260301" + "120509" + "00"; aid != want || len(aid) != 84 {
		t.Errorf("got  %q\nwant %q", aid, want)
	}
	for _, id := range []uint64{0, 1, 9_999_999_999, 10_000_000_000, 1 << 62} {
		if got, ok := scheme.ParseAID(scheme.AID(id, at)); !ok || got != id {
			t.Errorf("%d comes back as %d, %v", id, got, ok)
		}
	}
	for _, bad := range []string{"", aid[:83], aid + "0", "T10" + aid[3:], strings.Replace(aid, "42", "4x", 1)} {
		if id, ok := scheme.ParseAID(bad); ok {
			t.Errorf("%q is taken for %d", bad, id)
		}
		if id, ok := scheme.ParseTID(bad); ok {
			t.Errorf("%q is taken for the TID of %d", bad, id)
		}
	}
}
