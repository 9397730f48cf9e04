package record_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store/journal"
	"grove/viewer/record"
)

// shared grows a world with nodes of two customers and something of their past.
func shared(t *testing.T) *world {
	t.Helper()
	w := grow(t)
	for _, c := range []struct{ path, customer string }{{"/shop", "acme"}, {"/shop/other", "zenith"}} {
		if _, err := w.tree.Add(tree.MustPath(c.path), &tree.Spec{Kind: tree.Group, Properties: map[string]string{"customer": c.customer}}); err != nil {
			t.Fatal(err)
		}
	}
	red := &tree.Threshold{Red: tree.AboveLevel(10, 10)}
	for i, path := range []string{"/shop/cpu", "/shop/other/gold", "/bank/gold"} {
		ref := w.add(t, path, tree.Spec{Kind: tree.Performance, Unit: "%", Threshold: red})
		w.read(ref, time.Duration(i+1)*time.Second, 20)
	}
	w.at.Store(noon.Add(time.Minute).UnixMilli())
	w.sync(t)
	return w
}

func TestHistoryOfWhatIsSeen(t *testing.T) {
	w := shared(t)
	for name, c := range map[string]struct {
		grants []string
		path   string
		status int
		want   string // part of the answer
	}{
		"a node":             {[]string{"viewer / customer=acme"}, "/shop/cpu", 200, `"unit":"%"`},
		"another customer's": {[]string{"viewer / customer=acme"}, "/shop/other/gold", 404, `"/shop/other/gold: no such node"`},
		"hidden":             {[]string{"viewer /shop"}, "/bank/gold", 404, `"/bank/gold: no such node"`},
		"nowhere":            {[]string{"viewer /shop"}, "/bank/golf", 404, `"/bank/golf: no such node"`},
		"nowhere, one's own": {[]string{"viewer /shop"}, "/shop/cpv", 404, `"/shop/cpv: no such node"`},
		"the way":            {[]string{"viewer /shop/cpu"}, "/shop", 200, `"points":[],"statuses":[{`},
		"nobody":             {nil, "/shop/cpu", 404, `"/shop/cpu: no such node"`},
		"nobody, the root":   {nil, "/", 200, `"points":[],"statuses":[{`},
	} {
		w.as(t, c.grants...)
		status, text, _ := w.ask(t, http.MethodGet, "/api/v1/history?path="+url.QueryEscape(c.path), nil)
		if status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

// TestPagesOfWhatIsSeen fills pages with the entries of what is seen, in among more of what
// is not, and loses none of them.
func TestPagesOfWhatIsSeen(t *testing.T) {
	w := shared(t)
	var want []string
	var entries []journal.Entry
	for i := range 3000 {
		path := tree.MustPath("/bank/gold")
		text := "a secret"
		if i%100 == 0 {
			path, text = tree.MustPath("/shop/cpu"), fmt.Sprint("entry ", i)
			want = append([]string{text}, want...)
		}
		at := noon.Add(time.Duration(i) * time.Millisecond)
		entries = append(entries, journal.Entry{Time: at, Path: path, Kind: journal.Event, To: tree.Green, Text: text})
	}
	if err := w.journal.Append(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	w.sync(t)
	w.as(t, "viewer / customer=acme")
	for _, limit := range []int{1, 7, 30, 100} {
		var got []string
		after, pages := "", 0
		for {
			page := decode[record.Journaled](t, w, http.MethodGet, fmt.Sprintf("/api/v1/journal?kind=event&limit=%d&after=%s", limit, url.QueryEscape(after)), nil)
			pages++
			for _, e := range page.Entries {
				got = append(got, e.Text)
			}
			if after = page.Next; after == "" {
				break
			}
			if len(page.Entries) != limit {
				t.Errorf("a page of %d has %d entries", limit, len(page.Entries))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d at a time: %s", limit, diff)
		}
		if most := (len(want) + limit - 1) / limit; pages != most {
			t.Errorf("%d at a time: %d pages, want %d", limit, pages, most)
		}
	}
	for _, under := range []string{"/bank", "/banc"} {
		w.says(t, http.MethodGet, "/api/v1/journal?path="+under, nil, 200, `{"entries":[]}`)
	}
	w.as(t)
	w.says(t, http.MethodGet, "/api/v1/journal", nil, 200, `{"entries":[]}`)
}

// TestTheWholeIsForFew asks for what belongs to no node.
func TestTheWholeIsForFew(t *testing.T) {
	w := grow(t)
	const viewer, editor, admin = 1, 2, 3
	subjects := [][]string{{"admin /shop", "admin / customer=acme"}, {"operator"}, {"editor"}, {"admin"}}
	for _, c := range []struct {
		method, target string
		body           any
		from           int // of the subjects, the least who may
	}{
		{"GET", "/api/v1/shared-definitions", nil, viewer},
		{"GET", "/api/v1/definitions/x", nil, viewer},
		{"GET", "/api/v1/definitions/x/revisions", nil, viewer},
		{"GET", "/api/v1/definitions/x/diff", nil, viewer},
		{"PUT", "/api/v1/definitions/x", record.PutRequest{Text: "bad"}, editor},
		{"POST", "/api/v1/definitions/x/rollback", record.RollbackRequest{To: 1}, editor},
		{"DELETE", "/api/v1/definitions/x", nil, editor},
		{"GET", "/api/v1/audit", nil, admin},
		{"GET", "/api/v1/audit/verification", nil, admin},
		{"POST", "/api/v1/backup", nil, admin},
		{"POST", "/api/v1/restores", nil, admin},
		{"PUT", "/api/v1/restores/x?offset=0", []byte("x"), admin},
		{"POST", "/api/v1/restores/x/apply?size=1", nil, admin},
		{"DELETE", "/api/v1/restores/x", nil, admin},
	} {
		for i, grants := range subjects {
			w.as(t, grants...)
			status, text, _ := w.ask(t, c.method, c.target, c.body)
			if refused := status == http.StatusForbidden; refused != (i < c.from) {
				t.Errorf("%s %s by %v: %d %s", c.method, c.target, grants, status, text)
			}
		}
	}
	if _, err := record.New(record.Options{Tree: w.tree}); err == nil {
		t.Error("operations without a guard are made")
	}
}

// TestTheAuditLogNamesWhoAsked changes something as somebody.
func TestTheAuditLogNamesWhoAsked(t *testing.T) {
	w := grow(t)
	w.as(t, "editor")
	if status, text, _ := w.ask(t, http.MethodPut, "/api/v1/definitions/x", record.PutRequest{Text: "good"}); status != 200 {
		t.Fatal(text)
	}
	for _, line := range w.audited(t) {
		if !strings.HasPrefix(line, "ada|definition put|x|") {
			t.Error(line)
		}
	}
}
