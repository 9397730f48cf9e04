package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/export/document"
	"grove/viewer/export/document/documenttest"
)

func report(t *testing.T, w *documenttest.World, ref tree.Ref, v float64) {
	t.Helper()
	w.Clock = w.Clock.Add(time.Second)
	if w.Tree.Apply([]tree.Reading{{Node: ref, Value: v}}) != 1 {
		t.Fatal(ref)
	}
	w.Tree.Flush()
}

func as(t *testing.T, texts ...string) context.Context {
	t.Helper()
	s := &grant.Subject{Name: "ada"}
	for _, text := range texts {
		g, err := grant.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Grants = append(s.Grants, g)
	}
	return grant.With(t.Context(), s)
}

// TestDocumentsOfWhatIsSeen asks in every format as somebody who sees a part.
func TestDocumentsOfWhatIsSeen(t *testing.T) {
	w := documenttest.New(t)
	h := newHandler(t, w)
	ask := func(ctx context.Context, address string) *httptest.ResponseRecorder {
		a := httptest.NewRecorder()
		h.ServeHTTP(a, httptest.NewRequest(http.MethodGet, address, nil).WithContext(ctx))
		return a
	}
	for name, c := range map[string]struct {
		grants []string
		says   []string
		hides  []string
	}{
		"a subtree":    {[]string{"viewer /web1"}, []string{"CPU", "Fort Collins", "Swap", "ops@shop.example", document.HiddenReason}, []string{"core1", "eth0", "checkout", "ATT", "Qwest", "Lonely", "orders", "broken", "yelow", "10.0.0.1", "web1.example:7440/", "1.2.3"}},
		"a customer":   {[]string{"viewer / customer=Qwest"}, []string{"eth1", "core1", document.HiddenReason}, []string{"eth0", "Agent", "web1/", "ATT", "AOL", "checkout", "Lonely", "10.0.0.1", "yelow", "broken", "Core 1", "rack"}},
		"an attribute": {[]string{"viewer /shop/front/Log"}, []string{"Log", "front"}, []string{"Response", "shop.example", "CPU", "eth0", "yelow", "Web service", "web-service"}},
		"all":          {[]string{"viewer"}, []string{"eth0", "CPU", "checkout", "broken", "yelow", "1.2.3"}, []string{document.HiddenReason}},
	} {
		for _, format := range []string{"xml", "json", "html"} {
			a := ask(as(t, c.grants...), "/documents/tree."+format)
			body := a.Body.String()
			if a.Code != http.StatusOK {
				t.Fatal(a.Code, body)
			}
			body = strings.ReplaceAll(body, `generator="grove 1.2.3"`, "")
			body = strings.ReplaceAll(body, "grove 1.2.3", "")
			for _, text := range c.says {
				if !strings.Contains(body, text) {
					t.Errorf("%s, %s: it does not say %q", name, format, text)
				}
			}
			for _, text := range c.hides {
				if i := strings.Index(body, text); i >= 0 {
					t.Errorf("%s, %s: it says %q: …%s", name, format, text, body[max(0, i-100):min(len(body), i+100)])
				}
			}
		}
	}
	ada := as(t, "viewer /web1")
	for hidden, absent := range map[string]string{
		"/documents/tree.xml?path=/net/core1": "/documents/tree.xml?path=/net/core2",
		"/documents/customers/Qwest.xml":      "/documents/customers/Qwist.xml",
	} {
		a, b := ask(ada, hidden), ask(ada, absent)
		if text := strings.NewReplacer("core1", "core2", "Qwest", "Qwist").Replace(a.Body.String()); a.Code != b.Code || a.Code != http.StatusNotFound || text != b.Body.String() {
			t.Errorf("%d %s of what is not there: %d %s", a.Code, text, b.Code, b.Body)
		}
	}
	if a := ask(t.Context(), "/documents/tree.xml?path=/web1"); a.Code != http.StatusNotFound {
		t.Errorf("nobody: %d", a.Code)
	}
}

// TestTagsTellNothing changes what is hidden, and what is not.
func TestTagsTellNothing(t *testing.T) {
	w := documenttest.New(t)
	h := newHandler(t, w)
	ada := as(t, "viewer /web1")
	head := func(ctx context.Context) (tag, changed string) {
		a := httptest.NewRecorder()
		h.ServeHTTP(a, httptest.NewRequest(http.MethodHead, "/documents/tree.xml", nil).WithContext(ctx))
		return a.Header().Get("ETag"), a.Header().Get("Last-Modified")
	}
	tag, changed := head(ada)
	w.Managers[0].Instances[3].Errors[0] = "another"
	ref, _ := w.Tree.Lookup(documenttest.At("/net/core1/Ports/eth0/Use"))
	report(t, w, ref, 13)
	head(documenttest.Everyone(t))
	if again, since := head(ada); again != tag || since != changed {
		t.Errorf("%s %s, after a change of what is hidden %s %s", tag, changed, again, since)
	}
	ref, _ = w.Tree.Lookup(documenttest.At("/web1/CPU/Used"))
	report(t, w, ref, 12)
	if again, _ := head(ada); again == tag {
		t.Error("a change of what is seen leaves the tag")
	}
}
