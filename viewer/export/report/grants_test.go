package report

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"grove/tree/grant"
)

// TestReportsOfWhatIsSeen makes reports for somebody who sees a part.
func TestReportsOfWhatIsSeen(t *testing.T) {
	w := newWorld(t)
	h, err := NewHandler(HandlerOptions{Maker: w.maker(t), Prefix: "/reports", Refuse: func(w http.ResponseWriter, _ *http.Request, status int, detail string) {
		http.Error(w, detail, status)
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		grants  []string
		address string
		status  int
		says    []string
		hides   []string
	}{
		"a subtree":  {[]string{"viewer /web1/shop"}, "/reports/tree.json?from=2026-03-01&to=2026-03-02", 200, []string{`"/web1/shop/Answer"`}, []string{"CPU", "Used", "Log", "cmd", `"path": "/web1",`}},
		"a customer": {[]string{"viewer / customer=ATT"}, "/reports/tree.csv?from=2026-03-01&to=2026-03-02", 200, []string{"/web1/shop"}, []string{"CPU", "Used", "cmd"}},
		"an element": {[]string{"viewer /web1/CPU"}, "/reports/tree.json?from=2026-03-01&to=2026-03-02&path=/web1", 200, []string{"/web1/CPU/Used"}, []string{"shop", "Answer", "cmd"}},
		"hidden":     {[]string{"viewer /web1"}, "/reports/tree.json?path=/=cmd", 404, []string{"/=cmd: no such node"}, nil},
		"nowhere":    {[]string{"viewer /web1"}, "/reports/tree.json?path=/=cmx", 404, []string{"/=cmx: no such node"}, nil},
		"nobody":     {nil, "/reports/tree.json?from=2026-03-01&to=2026-03-02", 200, nil, []string{"web1", "CPU", "shop", "cmd"}},
		"all":        {[]string{"viewer"}, "/reports/tree.json?from=2026-03-01&to=2026-03-02", 200, []string{"/web1/CPU/Used", "/web1/shop"}, nil},
	} {
		s := &grant.Subject{Name: "ada"}
		for _, text := range c.grants {
			g, err := grant.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			s.Grants = append(s.Grants, g)
		}
		a := httptest.NewRecorder()
		h.ServeHTTP(a, httptest.NewRequest(http.MethodGet, c.address, nil).WithContext(grant.With(t.Context(), s)))
		body := a.Body.String()
		if a.Code != c.status {
			t.Errorf("%s: %d %s", name, a.Code, body)
		}
		for _, text := range c.says {
			if !strings.Contains(body, text) {
				t.Errorf("%s: it does not say %q: %s", name, text, body)
			}
		}
		for _, text := range c.hides {
			if strings.Contains(body, text) {
				t.Errorf("%s: it says %q: %s", name, text, body)
			}
		}
	}
	if _, err := NewMaker(Options{Journal: w.journal}); err == nil {
		t.Error("a maker without a guard is made")
	}
}
