package grant_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
)

// shop has two customers: /shop is acme's but for /shop/b, which is zenith's.
func shop(t *testing.T) *tree.Tree {
	t.Helper()
	o := tree.New(tree.Options{})
	leaf := &tree.Spec{Kind: tree.Performance}
	for path, spec := range map[string]*tree.Spec{
		"/shop":       {Kind: tree.Group, Properties: map[string]string{"customer": "acme"}},
		"/shop/b":     {Kind: tree.Group, Properties: map[string]string{"customer": "zenith"}},
		"/shop/a/cpu": leaf, "/shop/a/disk": leaf, "/shop/b/cpu": leaf, "/bank/cpu": leaf,
	} {
		if _, err := o.Add(tree.MustPath(path), spec); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func grants(t *testing.T, texts ...string) []grant.Grant {
	t.Helper()
	var gs []grant.Grant
	for _, text := range texts {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		gs = append(gs, g)
	}
	return gs
}

func TestScope(t *testing.T) {
	o := shop(t)
	guard := grant.NewGuard(o)
	paths := []string{"/", "/bank", "/bank/cpu", "/shop", "/shop/a", "/shop/a/cpu", "/shop/a/disk", "/shop/b", "/shop/b/cpu"}
	const hidden, way, seen = "-", "way", "seen"
	for name, c := range map[string]struct {
		grants  []string
		want    []string
		partial []string
	}{
		"everything":         {[]string{"viewer"}, []string{seen, seen, seen, seen, seen, seen, seen, seen, seen}, nil},
		"nothing":            {nil, []string{way, hidden, hidden, hidden, hidden, hidden, hidden, hidden, hidden}, []string{"/", "/bank", "/shop", "/shop/a", "/shop/b"}},
		"a subtree":          {[]string{"admin /shop/a"}, []string{way, hidden, hidden, way, seen, seen, seen, hidden, hidden}, []string{"/", "/bank", "/shop", "/shop/b"}},
		"an attribute":       {[]string{"viewer /shop/a/cpu"}, []string{way, hidden, hidden, way, way, seen, hidden, hidden, hidden}, []string{"/", "/bank", "/shop", "/shop/a", "/shop/b"}},
		"a customer":         {[]string{"viewer / customer=acme"}, []string{way, hidden, hidden, seen, seen, seen, seen, hidden, hidden}, []string{"/", "/bank", "/shop", "/shop/b"}},
		"a customer inside":  {[]string{"viewer / customer=zenith"}, []string{way, hidden, hidden, way, hidden, hidden, hidden, seen, seen}, []string{"/", "/bank", "/shop", "/shop/a"}},
		"customer elsewhere": {[]string{"viewer /shop/a customer=zenith"}, []string{way, hidden, hidden, hidden, hidden, hidden, hidden, hidden, hidden}, []string{"/", "/bank", "/shop", "/shop/a", "/shop/b"}},
		"all of it in parts": {[]string{"viewer /bank", "viewer /shop"}, []string{way, seen, seen, seen, seen, seen, seen, seen, seen}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &grant.Subject{Name: "ada", Grants: grants(t, c.grants...)}
			scope := guard.Scope(s)
			var got, partial []string
			for _, path := range paths {
				p := tree.MustPath(path)
				got = append(got, map[grant.Sight]string{grant.Hidden: hidden, grant.Way: way, grant.Seen: seen}[scope.Of(p)])
				if ref, _ := o.Lookup(p); scope.Partial(ref.Index()) {
					partial = append(partial, path)
				}
				if seen := scope.Of(p) == grant.Seen; guard.May(s, grant.Viewer, p) != seen {
					t.Errorf("%s: May says %t, Scope %t", path, !seen, seen)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.partial, partial); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestScopeFollows takes a scope again when nodes came: what is below a grant is seen.
func TestScopeFollows(t *testing.T) {
	o := shop(t)
	guard := grant.NewGuard(o)
	s := &grant.Subject{Name: "ada", Grants: grants(t, "viewer /shop/a")}
	before := guard.Scope(s)
	if guard.Scope(s) != before {
		t.Error("the scope is made again though nothing came or went")
	}
	for _, path := range []string{"/shop/a/new", "/shop/b/new"} {
		if _, err := o.Add(tree.MustPath(path), &tree.Spec{Kind: tree.Performance}); err != nil {
			t.Fatal(err)
		}
	}
	scope := guard.Scope(s)
	if scope.Of(tree.MustPath("/shop/a/new")) != grant.Seen || scope.Of(tree.MustPath("/shop/b/new")) != grant.Hidden {
		t.Error("the scope does not follow the tree")
	}
}

func TestDemand(t *testing.T) {
	guard := grant.NewGuard(shop(t))
	s := &grant.Subject{Name: "ada", Grants: grants(t, "operator /shop/a")}
	for _, c := range []struct {
		role grant.Role
		path string
		want error
	}{
		{grant.Operator, "/shop/a/cpu", nil},
		{grant.Editor, "/shop/a/cpu", grant.ErrDenied},
		{grant.Operator, "/shop", grant.ErrDenied},
		{grant.Viewer, "/shop/b/cpu", tree.ErrNoNode},
		{grant.Viewer, "/nowhere", tree.ErrNoNode},
		{grant.Operator, "/shop/a/not yet", nil},
	} {
		if err := guard.Demand(s, c.role, tree.MustPath(c.path)); !errors.Is(err, c.want) {
			t.Errorf("%s on %s: %v, want %v", c.role, c.path, err, c.want)
		}
	}
	if err := grant.DemandWhole(s, grant.Viewer); !errors.Is(err, grant.ErrDenied) {
		t.Errorf("the whole manager: %v", err)
	}
}

func TestOf(t *testing.T) {
	if s := grant.Of(context.Background()); s != grant.Nobody || s.Whole(grant.Viewer) {
		t.Errorf("a context that does not say belongs to %v", s)
	}
	if s := grant.Of(grant.With(context.Background(), grant.Itself)); s != grant.Itself || !s.Whole(grant.Admin) {
		t.Errorf("got %v", s)
	}
}

func TestMeet(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []string
		want []string
	}{
		{"the lesser role", []string{"admin"}, []string{"viewer /shop"}, []string{"viewer /shop"}},
		{"the smaller part", []string{"editor /shop/a"}, []string{"operator /shop"}, []string{"operator /shop/a"}},
		{"nothing in common", []string{"admin /shop"}, []string{"admin /bank"}, nil},
		{"neighbours", []string{"admin /shop"}, []string{"admin /shopping"}, nil},
		{"a customer's part", []string{"viewer / customer=acme"}, []string{"admin /shop"}, []string{"viewer /shop customer=acme"}},
		{"two customers", []string{"viewer / customer=acme"}, []string{"viewer / customer=zenith"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := grants(t, c.want...)
			for _, got := range [][]grant.Grant{grant.Meet(grants(t, c.a...), grants(t, c.b...)), grant.Meet(grants(t, c.b...), grants(t, c.a...))} {
				if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b tree.Path) bool { return a == b })); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"viewer": "viewer", " editor  /shop/ ": "editor /shop", "admin /": "admin", "viewer /My shop customer=Acme & Co": "viewer /My shop customer=Acme & Co",
		"operator customer=acme": "operator / customer=acme",
	} {
		g, err := grant.Parse(text)
		if err != nil || g.String() != want {
			t.Errorf("Parse(%q) = %v, %v, want %s", text, g, err, want)
		}
	}
	for _, text := range []string{"", "none", "root", "viewer shop", "viewer /a//b", "viewer /a customer=", "viewer x customer=y"} {
		if g, err := grant.Parse(text); !errors.Is(err, grant.ErrGrant) {
			t.Errorf("Parse(%q) = %v, %v", text, g, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("editor /shop customer=acme")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := grant.Parse(text)
		if err != nil {
			return
		}
		if again, err := grant.Parse(g.String()); err != nil || again != g {
			t.Errorf("%q is read as %v, and that as %v, %v", text, g, again, err)
		}
	})
}
