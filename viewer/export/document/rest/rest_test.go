package rest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/viewer/export/document/documenttest"
)

func refuse(w http.ResponseWriter, _ *http.Request, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, detail)
}

func newHandler(t *testing.T, w *documenttest.World) *Handler {
	t.Helper()
	h, err := New(Options{Maker: w.Maker(t), Prefix: "/documents", Refuse: refuse})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHandler(t *testing.T) {
	w := documenttest.New(t)
	h := newHandler(t, w)
	for _, tc := range []struct{ method, address, accept, want string }{
		{"GET", "/documents", "", "200 application/xml; charset=utf-8 <?xml"},
		{"GET", "/documents/", "text/html,*/*;q=0.8", "200 text/html; charset=utf-8 <!DOC"},
		{"GET", "/documents/tree.json", "text/html", "200 application/json {\n  \""},
		{"HEAD", "/documents/tree.json", "", "200 application/json "},
		{"GET", "/documents/managers", "application/json", "200 application/json {\n  \""},
		{"GET", "/documents/managers/em1.html?depth=0", "", "200 text/html; charset=utf-8 <!DOC"},
		{"GET", "/documents/customers/ATT.xml?path=/shop", "", "200 application/xml; charset=utf-8 <?xml"},
		{"GET", "/documents/tree?path=/web1/File%20systems/~1var", "", "200 application/xml; charset=utf-8 <?xml"},
		{"GET", "/documents/static/document-1.xsd", "", "200 application/xml; charset=utf-8 <?xml"},
		{"GET", "/documents/static/document-1.xsl", "", "200 application/xslt+xml <?xml"},
		{"GET", "/documents/static/document-1.schema.json", "", "200 application/schema+json {\n  \""},
		{"GET", "/documents/static/document-1.css", "", "200 text/css; charset=utf-8 /* Ho"},
		{"GET", "/documents/static/page.css", "", "200 text/css; charset=utf-8 /* Th"},
		{"GET", "/documents/static/../doc.go", "", "404 there are document-1.xsd, document-1.schema.json, document-1.xsl, document-1.css, page.css"},
		{"GET", "/documents/tree", "image/png", "406 there is application/xml, application/json and text/html"},
		{"POST", "/documents", "", "405 documents are only read: GET or HEAD"},
		{"GET", "/documents/nothing", "", "404 there are documents of tree, managers, managers/ID and customers/NAME"},
		{"GET", "/documents/managers/em9", "", `404 no such manager as "em9"`},
		{"GET", "/documents/customers/IBM.json", "", `404 no such customer as "IBM": no node has it as its property "customer"`},
		{"GET", "/documents/tree?path=/nowhere", "", `404 no such node: / has no "nowhere"`},
		{"GET", "/documents/tree?path=/a//b", "", `400 malformed path "/a//b": empty name`},
		{"GET", "/documents/tree?depth=-1", "", "400 depth is a number from 0 to 32"},
		{"GET", "/documents/tree?deep=1", "", `400 there is no parameter "deep"; there are path, depth and customer`},
		{"GET", "/documents/tree?depth=1&depth=2", "", `400 "depth" is given more than once`},
		{"GET", "/documents/customers/ATT?customer=AOL", "", "400 the address names another customer"},
	} {
		t.Run(tc.method+tc.address, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, tc.address, nil)
			r.Header.Set("Accept", tc.accept)
			a := httptest.NewRecorder()
			h.ServeHTTP(a, r.WithContext(documenttest.Everyone(t)))
			body := a.Body.String()
			got := fmt.Sprintf("%d %s", a.Code, body)
			if a.Code == http.StatusOK {
				got = fmt.Sprintf("200 %s %.5s", a.Header().Get("Content-Type"), body)
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestHandlerKnowsWhatTheClientHas(t *testing.T) {
	w := documenttest.New(t)
	h := newHandler(t, w)
	ask := func(header, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/documents/tree.xml", nil)
		r.Header.Set(header, value)
		a := httptest.NewRecorder()
		h.ServeHTTP(a, r.WithContext(documenttest.Everyone(t)))
		return a
	}
	first := ask("Accept-Encoding", "gzip")
	tag, changed := first.Header().Get("Etag"), first.Header().Get("Last-Modified")
	if !strings.HasPrefix(tag, `W/"xml-`) || changed != "Sun, 01 Mar 2026 12:00:30 GMT" || first.Header().Get("Content-Encoding") != "gzip" {
		t.Error(first.Header())
	}
	w.Clock = w.Clock.Add(time.Minute)
	if a := ask("If-None-Match", tag); a.Code != http.StatusNotModified || a.Body.Len() > 0 {
		t.Error(a.Code)
	}
	if a := ask("If-Modified-Since", changed); a.Code != http.StatusNotModified {
		t.Error(a.Code)
	}
	r, _ := w.Tree.Lookup(documenttest.At("/Lonely"))
	w.Tree.Report(tree.Report{Node: r, Value: tree.Number(7)})
	if a := ask("If-None-Match", tag); a.Code != http.StatusOK || a.Header().Get("Etag") == tag || a.Header().Get("Last-Modified") != "Sun, 01 Mar 2026 12:01:30 GMT" {
		t.Error(a.Code, a.Header())
	}
}
