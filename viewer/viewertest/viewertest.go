// Package viewertest asks operations of the REST interface as somebody, in the tests of
// their rooms, and has a small estate of two customers to ask about.
package viewertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"grove/tree"
	"grove/tree/grant"
)

// Room serves operations to those who have grants.
type Room struct {
	*testing.T
	Mux *http.ServeMux
	// Audited is what was put into the audit log: "ada: action target detail: outcome".
	Audited []string
	// Full, unless nil, is the error of the audit log.
	Full error
}

// New makes a room; Add serves operations in it.
func New(t *testing.T) *Room { return &Room{T: t, Mux: http.NewServeMux()} }

// Add serves what register adds. It is called once.
func (r *Room) Add(register ...func(huma.API)) {
	config := huma.DefaultConfig("test", "1")
	config.RejectUnknownQueryParameters = true // as the server has it
	api := humago.New(r.Mux, config)
	for _, add := range register {
		add(api)
	}
}

// Subject makes somebody of grants, "operator /shop; viewer /bank". He is called ada.
func Subject(t *testing.T, grants string) *grant.Subject {
	t.Helper()
	who := &grant.Subject{Name: "ada"}
	for text := range strings.SplitSeq(grants, ";") {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		who.Grants = append(who.Grants, g)
	}
	return who
}

// Do asks as who has grants, and returns the status and the body. The mux has no parameters
// that span slashes: they are written as %2F.
func (r *Room) Do(grants, method, target, body string) (int, string) {
	r.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req := httptest.NewRequestWithContext(grant.With(r.Context(), Subject(r.T, grants)), method, target, content)
	req.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	r.Mux.ServeHTTP(answer, req)
	return answer.Code, answer.Body.String()
}

// Audit is the audit log of the room.
func (r *Room) Audit(ctx context.Context, action, target string, detail any) (func(error), error) {
	if r.Full != nil {
		return nil, r.Full
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return nil, err
	}
	return func(err error) {
		r.Audited = append(r.Audited, fmt.Sprintf("%s: %s %s %s: %v", grant.Of(ctx).Name, action, target, text, err))
	}, nil
}

// Estate is a tree with two customers: what is in /shop is acme's, but for /shop/b, which
// is zenith's; /bank is nobody's. Each has an attribute up, and /shop/a a second one, load.
func Estate(t *testing.T) (*tree.Tree, *grant.Guard) {
	t.Helper()
	o := tree.New(tree.Options{})
	up := &tree.Spec{Kind: tree.State, Threshold: &tree.Threshold{States: map[string]tree.Status{"1": tree.Green, "0": tree.Red}}}
	for _, one := range []struct {
		path string
		spec *tree.Spec
	}{
		{"/shop", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "acme"}}},
		{"/shop/b", &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": "zenith"}}},
		{"/shop/a/up", up}, {"/shop/a/load", &tree.Spec{Kind: tree.Performance}}, {"/shop/b/up", up}, {"/bank/up", up},
	} {
		if _, err := o.Add(tree.MustPath(one.path), one.spec); err != nil {
			t.Fatal(err)
		}
	}
	return o, grant.NewGuard(o)
}
