package grant_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/grant"
)

func TestCustomers(t *testing.T) {
	for text, want := range map[string][]string{
		"":                     nil,
		" , ,":                 nil,
		"acme":                 {"acme"},
		"ATT, AOL":             {"ATT", "AOL"},
		" ATT ,AOL,":           {"ATT", "AOL"},
		"ATT, att, AOL":        {"ATT", "AOL"},
		"Acme & Co, Smith Ltd": {"Acme & Co", "Smith Ltd"},
		"Ärzte,ärzte":          {"Ärzte"},
	} {
		if diff := cmp.Diff(want, grant.Customers(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func FuzzCustomers(f *testing.F) {
	f.Add("ATT, AOL")
	f.Add(",,a , A")
	f.Fuzz(func(t *testing.T, text string) {
		list := grant.Customers(text)
		for i, name := range list {
			if name == "" || strings.TrimSpace(name) != name || strings.Contains(name, ",") || grant.Includes(list[:i], name) {
				t.Errorf("%q has %q", text, list)
			}
		}
		if again := grant.Customers(strings.Join(list, ",")); !cmp.Equal(list, again) {
			t.Errorf("%q is read as %q, and that as %q", text, list, again)
		}
	})
}

// TestSeveralCustomers looks at nodes that belong to two, to one and to nobody.
func TestSeveralCustomers(t *testing.T) {
	o := tree.New(tree.Options{})
	for _, n := range []struct{ path, customer string }{{"/net", "ATT, AOL"}, {"/net/a", "att"}, {"/net/b", " Qwest ,AOL"}, {"/net/c", ","}, {"/net/c/d", "ATTACK"}} {
		if _, err := o.Add(tree.MustPath(n.path), &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": n.customer}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/net/up", "/net/a/up", "/net/b/up", "/net/c/up", "/net/c/d/up"} {
		if _, err := o.Add(tree.MustPath(path), &tree.Spec{Kind: tree.Performance}); err != nil {
			t.Fatal(err)
		}
	}
	guard := grant.NewGuard(o)
	all := []string{"/net/up", "/net/a/up", "/net/b/up", "/net/c/up", "/net/c/d/up"}
	for name, c := range map[string]struct {
		grants []string
		sees   []string
	}{
		"one":                {[]string{"viewer / customer=ATT"}, []string{"/net/up", "/net/a/up"}},
		"the other":          {[]string{"viewer / customer=AOL"}, []string{"/net/up", "/net/b/up"}},
		"case":               {[]string{"viewer / customer=qwest"}, []string{"/net/b/up"}},
		"both":               {[]string{"viewer / customer=ATT", "viewer / customer=AOL"}, []string{"/net/up", "/net/a/up", "/net/b/up"}},
		"neither":            {[]string{"viewer / customer=A"}, nil},
		"the list as a name": {[]string{"viewer / customer=ATTACK"}, []string{"/net/c/d/up"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &grant.Subject{Name: "ada", Grants: grants(t, c.grants...)}
			scope := guard.Scope(s)
			var may, sees, past []string
			before := guard.Past(o).Scope(s)
			for _, path := range all {
				p := tree.MustPath(path)
				if guard.May(s, grant.Viewer, p) {
					may = append(may, path)
				}
				if scope.Of(p) == grant.Seen {
					sees = append(sees, path)
				}
				if before.Of(p) == grant.Seen {
					past = append(past, path)
				}
			}
			for _, got := range [][]string{may, sees, past} {
				if diff := cmp.Diff(c.sees, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestOneCustomerAGrant refuses what would never be anybody, or would read as another
// grant.
func TestOneCustomerAGrant(t *testing.T) {
	for _, name := range []string{"ATT, AOL", ",", "ATT ", " ATT", "a\nviewer /bank", "a\x00", strings.Repeat("x", grant.MaxCustomerBytes+1)} {
		g := grant.Grant{Role: grant.Viewer, Customer: name}
		if err := g.Check(); !errors.Is(err, grant.ErrGrant) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestNoNameReadsAsAnotherGrant asks with grants whose texts are the same.
func TestNoNameReadsAsAnotherGrant(t *testing.T) {
	o := tree.New(tree.Options{})
	if _, err := o.Add(tree.MustPath("/shop"), &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "acme"}}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/shop/up", "/shop customer=acme/up"} {
		if _, err := o.Add(tree.MustPath(path), &tree.Spec{Kind: tree.Performance}); err != nil {
			t.Fatal(err)
		}
	}
	guard := grant.NewGuard(o)
	one := &grant.Subject{Grants: []grant.Grant{{Role: grant.Viewer, Path: tree.MustPath("/shop"), Customer: "acme"}}}
	other := &grant.Subject{Grants: []grant.Grant{{Role: grant.Viewer, Path: tree.MustPath("/shop customer=acme")}}}
	if one.Grants[0].String() != other.Grants[0].String() {
		t.Fatalf("%s, %s", one.Grants[0], other.Grants[0])
	}
	if guard.Scope(one).Of(tree.MustPath("/shop/up")) != grant.Seen || guard.Scope(other).Of(tree.MustPath("/shop/up")) != grant.Hidden {
		t.Error("one sees what the other sees")
	}
}
