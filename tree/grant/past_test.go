package grant_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
)

func TestRemembers(t *testing.T) {
	o := shop(t)
	guard := grant.NewGuard(o)
	for name, c := range map[string]struct {
		grants []string
		path   string
		one    bool
		all    bool
	}{
		"a subtree":                  {[]string{"viewer /shop"}, "/shop/b/cpu", true, true},
		"what is gone from it":       {[]string{"viewer /shop"}, "/shop/b/gone", true, true},
		"elsewhere":                  {[]string{"viewer /shop/a"}, "/shop/b/cpu", false, false},
		"a customer's":               {[]string{"viewer / customer=acme"}, "/shop/a/cpu", true, false},
		"another's":                  {[]string{"viewer / customer=acme"}, "/shop/b/cpu", false, false},
		"what was somebody's":        {[]string{"viewer / customer=acme"}, "/shop/a/gone", false, false},
		"a customer's and a subtree": {[]string{"viewer / customer=zenith", "viewer /shop/a"}, "/shop/a/gone", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &grant.Subject{Name: "ada", Grants: grants(t, c.grants...)}
			p := tree.MustPath(c.path)
			if one, all := guard.Remembers(s, p), s.RemembersAll(p); one != c.one || all != c.all {
				t.Errorf("%t and %t, want %t and %t", one, all, c.one, c.all)
			}
		})
	}
}

// TestMissingTellsNothing asks for nodes that are hidden and for such as are not there.
func TestMissingTellsNothing(t *testing.T) {
	guard := grant.NewGuard(shop(t))
	s := &grant.Subject{Name: "ada", Grants: grants(t, "viewer /shop/a")}
	for _, path := range []string{"/bank/cpu", "/bank/cpv", "/bank", "/banc"} {
		p := tree.MustPath(path)
		if err := guard.Missing(s, p); !errors.Is(err, tree.ErrNoNode) || err.Error() != path+": no such node" {
			t.Errorf("%s: %v", path, err)
		}
	}
	want := `no such node: /bank has no "cpv"; did you mean "cpu"?`
	if err := guard.Missing(grant.Anonymous, tree.MustPath("/bank/cpv")); err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestScopeOfAfterwards asks an old scope after an index went to another node.
func TestScopeOfAfterwards(t *testing.T) {
	o := shop(t)
	guard := grant.NewGuard(o)
	s := &grant.Subject{Name: "ada", Grants: grants(t, "viewer /shop/a")}
	old := guard.Scope(s)
	if err := o.Change(tree.Remove(tree.MustPath("/shop/a/cpu"))); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Add(tree.MustPath("/bank/disk"), &tree.Spec{Kind: tree.Performance}); err != nil {
		t.Fatal(err)
	}
	if got := old.Of(tree.MustPath("/bank/disk")); got != grant.Hidden {
		t.Errorf("the new node of another is %v", got)
	}
	if got := old.There(tree.MustPath("/shop/a/cpu")); got != grant.Hidden {
		t.Errorf("a node that is gone is %v", got)
	}
	if got := old.There(tree.MustPath("/shop")); got != grant.Way {
		t.Errorf("the way is %v", got)
	}
}

func TestWalk(t *testing.T) {
	guard := grant.NewGuard(shop(t))
	s := &grant.Subject{Name: "ada", Grants: grants(t, "viewer / customer=acme")}
	for root, want := range map[string][]string{
		"/":        {"/ way partial", "/shop seen partial", "/shop/a seen", "/shop/a/cpu seen", "/shop/a/disk seen"},
		"/shop/a":  {"/shop/a seen", "/shop/a/cpu seen", "/shop/a/disk seen"},
		"/shop/b":  {"/shop/b: no such node"},
		"/nowhere": {"/nowhere: no such node"},
	} {
		var got []string
		err := guard.Walk(s, tree.MustPath(root), -1, func(n *tree.Node, scope *grant.Scope, sight grant.Sight) bool {
			text := n.Path.String() + map[grant.Sight]string{grant.Way: " way", grant.Seen: " seen"}[sight]
			if scope.Partial(n.Index) {
				text += " partial"
			}
			got = append(got, text)
			return true
		})
		if err != nil {
			got = append(got, err.Error())
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", root, diff)
		}
	}
}

// TestPast looks at a tree of the past that has nodes of today and such as are gone, as
// they come from what is recorded: only the former have properties.
func TestPast(t *testing.T) {
	now := shop(t)
	guard := grant.NewGuard(now)
	group, leaf := &tree.Spec{Kind: tree.Group}, &tree.Spec{Kind: tree.Performance}
	acme := &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "acme"}}
	var records []tree.Record
	for _, r := range []struct {
		path string
		spec *tree.Spec
	}{
		{"/", group}, {"/bank", group}, {"/bank/cpu", leaf}, {"/bank/gone", leaf}, {"/shop", acme}, {"/shop/a", group}, {"/shop/a/cpu", leaf}, {"/shop/a/gone", leaf},
		// What is zenith's today was not recorded as a group, so that nothing says so.
		{"/shop/b", group}, {"/shop/b/cpu", leaf}, {"/shop/b/gone", leaf}, {"/shop/lost", group}, {"/shop/lost/gone", leaf},
	} {
		records = append(records, tree.Record{Path: tree.MustPath(r.path), Spec: r.spec})
	}
	past, err := tree.Freeze(time.Unix(1_800_000_000, 0), records)
	if err != nil {
		t.Fatal(err)
	}
	before := guard.Past(past)
	look := func(t *testing.T, texts ...string) (lines []string) {
		t.Helper()
		s := &grant.Subject{Name: "ada", Grants: grants(t, texts...)}
		if err := before.Walk(s, tree.Root, -1, func(n *tree.Node, scope *grant.Scope, sight grant.Sight) bool {
			if n.Kind != tree.Group && sight == grant.Seen {
				lines = append(lines, n.Path.String())
			}
			if sight == grant.Seen != before.May(s, grant.Viewer, n.Path) {
				t.Errorf("%s: Walk and May do not agree", n.Path)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(lines)
		return lines
	}
	for name, c := range map[string]struct{ grants, want []string }{
		"a subtree with what is gone":       {[]string{"viewer /shop/b"}, []string{"/shop/b/cpu", "/shop/b/gone"}},
		"a customer without what is gone":   {[]string{"viewer / customer=acme"}, []string{"/shop/a/cpu"}},
		"another customer, who is so today": {[]string{"viewer / customer=zenith"}, []string{"/shop/b/cpu"}},
		"a gone node":                       {[]string{"viewer /shop/lost/gone"}, []string{"/shop/lost/gone"}},
		"nothing":                           {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, look(t, c.grants...)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("what is another's by now", func(t *testing.T) {
		if err := now.Change(tree.Update(tree.MustPath("/shop"), &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "initech"}})); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string(nil), look(t, "viewer / customer=acme")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"/shop/a/cpu"}, look(t, "viewer / customer=initech")); diff != "" {
			t.Error(diff)
		}
	})
}
