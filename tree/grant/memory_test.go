package grant_test

import (
	"testing"

	"grove/tree"
	"grove/tree/grant"
)

func TestRememberingIsRemembers(t *testing.T) {
	o := shop(t)
	guard := grant.NewGuard(o)
	for name, texts := range map[string][]string{
		"nothing":             nil,
		"a subtree":           {"viewer /shop/a"},
		"a customer":          {"viewer / customer=acme"},
		"a customer and more": {"operator /shop customer=zenith", "viewer /bank"},
	} {
		s := &grant.Subject{Name: "ada", Grants: grants(t, texts...)}
		remembers := guard.Remembering(s)
		for _, path := range []string{"/", "/bank", "/bank/cpu", "/bank/gone", "/shop", "/shop/a", "/shop/a/cpu", "/shop/a/gone", "/shop/b/cpu", "/shop/b/gone"} {
			p := tree.MustPath(path)
			if got, want := remembers(p), guard.Remembers(s, p); got != want {
				t.Errorf("%s, %s: %t, want %t", name, path, got, want)
			}
		}
	}
	if guard.Remembering(&grant.Subject{Grants: grants(t, "viewer")}) != nil {
		t.Error("who sees everything is asked for each node")
	}
}

func TestPartial(t *testing.T) {
	guard := grant.NewGuard(shop(t))
	for _, c := range []struct {
		grant, path string
		partial     bool
	}{
		{"viewer", "/shop", false},
		{"viewer /shop", "/shop", false},
		{"viewer /shop", "/shop/gone", false},
		{"viewer /shop/a", "/shop", true},
		{"viewer / customer=acme", "/shop", true},
		{"viewer / customer=acme", "/shop/a", false},
		{"viewer / customer=acme", "/shop/a/cpu", false},
		{"viewer / customer=acme", "/shop/a/gone", true},
		{"viewer / customer=acme", "/bank/cpu", true},
	} {
		s := &grant.Subject{Name: "ada", Grants: grants(t, c.grant)}
		if got := guard.Partial(s, tree.MustPath(c.path)); got != c.partial {
			t.Errorf("%s, %s: %t", c.grant, c.path, got)
		}
	}
}
