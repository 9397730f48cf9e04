package tree

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStepsOfOneChangeSeeEachOther begins with the leaves /a/x, /a/y and /b/z below
// plain groups that are there for their sake.
func TestStepsOfOneChangeSeeEachOther(t *testing.T) {
	leaf, group := &Spec{Kind: Performance}, &Spec{Description: "wanted"}
	long := "/" + strings.Repeat("n", MaxNameBytes)
	p := MustPath
	for _, tc := range []struct {
		name string
		ops  []Op
		want []string // the paths below the root afterwards, when err is empty
		err  string
	}{
		{"moved to one place twice", []Op{Move(p("/a/x"), p("/n")), Move(p("/b/z"), p("/n"))}, nil,
			"move /b/z: invalid change: /n is moved in the same change"},
		{"moved below a moved leaf", []Op{Move(p("/a/x"), p("/n")), Move(p("/b/z"), p("/n/z"))}, nil,
			"move /b/z: invalid change: /n is moved in the same change"},
		{"moved above a moved node", []Op{Move(p("/a/x"), p("/n/x")), Move(p("/b/z"), p("/n"))}, nil,
			"move /b/z: invalid change: /n/x is moved in the same change"},
		{"moved side by side", []Op{Move(p("/a/x"), p("/n/x")), Move(p("/a/y"), p("/n/y"))},
			[]string{"/b", "/b/z", "/n", "/n/x", "/n/y"}, ""},
		{"moved to where its own parent makes room", []Op{Move(p("/b/z"), p("/b/c/z"))},
			[]string{"/a", "/a/x", "/a/y", "/b", "/b/c", "/b/c/z"}, ""},
		{"a subtree is replaced", []Op{Remove(p("/a")), Add(p("/a/y"), leaf), Add(p("/a/x"), leaf)},
			[]string{"/b", "/b/z", "/a", "/a/y", "/a/x"}, ""},
		{"a subtree is replaced by a group of its own", []Op{Remove(p("/a")), Add(p("/a"), group), Add(p("/a/x"), leaf)},
			[]string{"/b", "/b/z", "/a", "/a/x"}, ""},
		{"what went with its group cannot be changed", []Op{Remove(p("/a")), Add(p("/a"), group), Update(p("/a/x"), leaf)}, nil,
			"update /a/x: no such node"},
		{"a group that was there for what is removed becomes a leaf", []Op{Remove(p("/b/z")), Add(p("/b"), leaf)},
			[]string{"/a", "/a/x", "/a/y", "/b"}, ""},
		{"a group that still has children does not", []Op{Remove(p("/a/x")), Add(p("/a"), leaf)}, nil,
			"add /a: node exists already"},
		{"a released group of nothing becomes a leaf", []Op{Release(p("/a/x")), Release(p("/a/y")), Release(p("/a")), Add(p("/a"), leaf)},
			[]string{"/b", "/b/z", "/a"}, ""},
		{"a released group that got a child stays", []Op{Release(p("/a/x")), Release(p("/a/y")), Add(p("/a/k"), leaf), Add(p("/a"), leaf)}, nil,
			"add /a: node exists already"},
		{"a wanted group stays without children", []Op{Add(p("/b"), group), Remove(p("/b/z"))},
			[]string{"/a", "/a/x", "/a/y", "/b"}, ""},
		{"an updated group stays without children", []Op{Update(p("/b"), group), Remove(p("/b/z"))},
			[]string{"/a", "/a/x", "/a/y", "/b"}, ""},
		{"moved too deep", []Op{Move(p("/a"), p(strings.Repeat("/d", MaxDepth)))}, nil,
			"move /a: malformed path: deeper than 32 names"},
		{"moved to a path that is too long", []Op{Move(p("/a"), p(strings.Repeat(long, 7)+long[:MaxNameBytes-8]))}, nil,
			"move /a: malformed path: longer than 1024 bytes"},
		{"unknown mode", []Op{Add(p("/n"), &Spec{Kind: Performance, Mode: Notification + 1})}, nil,
			"add /n: unknown mode 4"},
		{"no spec", []Op{Add(p("/n"), nil)}, nil, "add /n: invalid change: no spec"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newClock().tree()
			for _, path := range []string{"/a/x", "/a/y", "/b/z"} {
				mustAdd(t, tr, path, leaf)
			}
			want := append([]string{"/"}, tc.want...)
			if tc.err != "" {
				want = paths(tr)
			}
			err := tr.Change(tc.ops...)
			if text := errorText(err); text != tc.err {
				t.Errorf("error %q, want %q", text, tc.err)
			}
			if diff := cmp.Diff(want, paths(tr)); diff != "" {
				t.Error(diff)
			}
			check(t, tr, 0)
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestNamesThatComeAndGoAreTold(t *testing.T) {
	var got []string
	tr := New(Options{Names: func(changes []NameChange) {
		for _, c := range changes {
			sign := "+"
			if c.Gone {
				sign = "-"
			}
			got = append(got, sign+c.Path.String())
		}
	}})
	flush := func(what string, want ...string) {
		t.Helper()
		got = nil
		tr.Flush()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	flush("a new tree", "+/")
	mustAdd(t, tr, "/a/b/x", &Spec{Kind: Performance})
	flush("a node with its groups", "+/a", "+/a/b", "+/a/b/x")
	if err := tr.Change(Update(MustPath("/a/b/x"), &Spec{Kind: Performance, Unit: "s"})); err != nil {
		t.Fatal(err)
	}
	flush("another spec")
	if err := tr.Change(Move(MustPath("/a/b"), MustPath("/c"))); err != nil {
		t.Fatal(err)
	}
	flush("a move", "-/a/b", "-/a/b/x", "+/c", "+/c/x", "-/a")
	if err := tr.Change(Remove(MustPath("/c"))); err != nil {
		t.Fatal(err)
	}
	flush("a removal", "-/c/x", "-/c")
}
