package push

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/receive"
	"grove/tree"
	"grove/tree/grant"
)

// as lets somebody ask.
func as(h http.Handler, s *grant.Subject) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(grant.With(r.Context(), s)))
	})
}

func subject(t testing.TB, texts ...string) *grant.Subject {
	t.Helper()
	s := &grant.Subject{Name: "token ci"}
	for _, text := range texts {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Grants = append(s.Grants, g)
	}
	return s
}

// TestOperatorsPush pushes to nodes, and to probes, as somebody who may not push to all.
func TestOperatorsPush(t *testing.T) {
	w := newWorld(t, Options{Where: func(instance string) (tree.Path, bool) {
		at, ok := map[string]string{"shop": "/shop/web1", "bank": "/bank"}[instance]
		if !ok {
			return tree.Root, false
		}
		return tree.MustPath(at), true
	}})
	for path, spec := range map[string]*tree.Spec{
		"/bank/gold": {Kind: tree.Performance},
		"/other":     {Kind: tree.Group, Properties: map[string]string{"customer": "acme"}},
		"/other/cpu": {Kind: tree.Performance},
	} {
		if _, err := w.tree.Add(tree.MustPath(path), spec); err != nil {
			t.Fatal(err)
		}
	}
	const denied = "not allowed: token ci needs the role operator on "
	for name, c := range map[string]struct {
		grants  []string
		reading string
		want    string // reason and error, empty: it is taken
	}{
		"an operator":          {[]string{"operator /shop"}, `"path":"` + active + `"`, ""},
		"an editor of it":      {[]string{"editor " + active}, `"path":"` + active + `"`, ""},
		"a customer":           {[]string{"operator / customer=acme"}, `"path":"/other/cpu"`, ""},
		"another customer":     {[]string{"operator / customer=zenith"}, `"path":"/other/cpu"`, "no_node /other/cpu: no such node"},
		"a viewer":             {[]string{"viewer /shop"}, `"path":"` + active + `"`, "denied " + denied + active},
		"a viewer elsewhere":   {[]string{"viewer /shop", "operator /bank"}, `"path":"` + active + `"`, "denied " + denied + active},
		"the way":              {[]string{"operator " + active}, `"path":"/shop"`, "denied " + denied + "/shop"},
		"what is hidden":       {[]string{"operator /shop"}, `"path":"/bank/gold"`, "no_node /bank/gold: no such node"},
		"in another form":      {[]string{"operator /shop"}, `"path":"bank/gold/"`, "no_node /bank/gold: no such node"},
		"what is nowhere":      {[]string{"operator /shop"}, `"path":"/bank/golf"`, "no_node /bank/golf: no such node"},
		"hidden with a unit":   {[]string{"operator /shop"}, `"path":"/bank/gold","unit":"x"`, "no_node /bank/gold: no such node"},
		"nowhere, near":        {[]string{"operator /shop"}, `"path":"/shop/web1/Connections/Activ"`, "no_node /shop/web1/Connections/Activ: no such node"},
		"a hidden instance":    {[]string{"operator /shop"}, `"instance":"bank","probe":"p","attribute":"a"`, `no_node nothing takes readings of that name: no instance "bank" has a probe that readings are pushed to`},
		"no instance":          {[]string{"operator /shop"}, `"instance":"bink","probe":"p","attribute":"a"`, `no_node nothing takes readings of that name: no instance "bink" has a probe that readings are pushed to`},
		"an instance one sees": {[]string{"viewer /shop"}, `"instance":"shop","probe":"p","attribute":"a"`, "denied " + denied + "/shop/web1"},
		"an instance of one's": {[]string{"operator /shop"}, `"instance":"shop","probe":"p","attribute":"a"`, `no_node nothing takes readings of that name: no instance "shop" has a probe that readings are pushed to`},
		"nobody":               {nil, `"path":"` + active + `"`, "no_node " + active + ": no such node"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time from memory
				w.now = w.now.Add(1)
				out, err := w.Take(subject(t, c.grants...), "test", []byte("{"+c.reading+`,"value":1}`))
				if err != nil {
					t.Fatal(err)
				}
				got := ""
				for _, f := range out.Refused {
					got = f.Reason + " " + f.Error
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestRightsFollowTheTree takes a right away by a change of whose a node is.
func TestRightsFollowTheTree(t *testing.T) {
	w := newWorld(t, Options{})
	give := func(customer string) {
		w.now = w.now.Add(1)
		if _, err := w.tree.Add(tree.MustPath("/other"), &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": customer}}); err != nil {
			if err := w.tree.Change(tree.Update(tree.MustPath("/other"), &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": customer}})); err != nil {
				t.Fatal(err)
			}
		}
	}
	give("acme")
	if _, err := w.tree.Add(tree.MustPath("/other/cpu"), &tree.Spec{Kind: tree.Performance}); err != nil {
		t.Fatal(err)
	}
	s := subject(t, "operator / customer=acme")
	for _, c := range []struct {
		customer string
		accepted int
	}{{"acme", 1}, {"zenith", 0}, {"acme", 1}} {
		give(c.customer)
		out, err := w.Take(s, "test", []byte(`{"path":"/other/cpu","value":1}`))
		if err != nil || out.Accepted != c.accepted {
			t.Errorf("while it is %s's: %+v, %v", c.customer, out, err)
		}
	}
}

func TestPushIsRefusedAsAWhole(t *testing.T) {
	w := newWorld(t, Options{})
	url := serve(t, w)
	res, body := post(t, url, "application/json", `{"path":"`+active+`","value":1}`)
	if res.StatusCode != http.StatusOK {
		t.Fatal(body)
	}
	url = serveAs(t, w, subject(t, "viewer /shop"))
	for reading, status := range map[string]int{active: http.StatusForbidden, "/bank": http.StatusUnprocessableEntity} {
		if res, body := post(t, url, "application/json", fmt.Sprintf(`{"path":%q,"value":1}`, reading)); res.StatusCode != status {
			t.Errorf("%s: %d %s", reading, res.StatusCode, body)
		}
	}
	if _, err := New(Options{Tree: w.tree}); err == nil || !strings.Contains(err.Error(), "who may push") {
		t.Errorf("without a guard: %v", err)
	}
	if got := w.Stats().Refused[receive.Denied]; got != 1 {
		t.Errorf("%d readings are counted as denied", got)
	}
}
