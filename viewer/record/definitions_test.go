package record_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree/store"
	"grove/viewer/record"
)

func pointer(n int64) *int64 { return &n }

func TestLifeOfADefinition(t *testing.T) {
	w := grow(t)
	const at = "/api/v1/definitions/shop"
	put := func(text string, expected *int64, comment string) record.Revision {
		t.Helper()
		return decode[record.Revision](t, w, "PUT", at, record.PutRequest{Text: text, Expected: expected, Comment: comment})
	}
	w.says(t, "GET", "/api/v1/shared-definitions", nil, 200, `{"revisions":[]}`)
	if r := put("one\n", pointer(0), "first"); r.Revision != 1 || r.Text != "" || r.Who != "anonymous" || r.Time != "2026-03-02T12:00:00.000Z" || r.Comment != "first" {
		t.Errorf("%+v", r)
	}
	if r := put("one\n", nil, "again"); r.Revision != 1 || r.Comment != "first" {
		t.Errorf("the same text: %+v", r)
	}
	if r := put("two\n", pointer(1), ""); r.Revision != 2 {
		t.Errorf("%+v", r)
	}
	if r := decode[record.Revision](t, w, "GET", at, nil); r.Text != "two\n" || r.Revision != 2 {
		t.Errorf("%+v", r)
	}
	if r := decode[record.Revision](t, w, "GET", at+"?revision=1", nil); r.Text != "one\n" {
		t.Errorf("%+v", r)
	}
	w.says(t, "GET", at+"/diff?from=1", nil, 200, `{"diff":"--- shop revision 1\n+++ shop revision 2\n@@ -1 +1 @@\n-one\n+two\n"}`)
	if r := decode[record.Revision](t, w, "POST", at+"/rollback", record.RollbackRequest{To: 1, Expected: pointer(2)}); r.Revision != 3 || r.Comment != "back to revision 1" {
		t.Errorf("%+v", r)
	}
	if r := decode[record.Revision](t, w, "DELETE", at+"?expected=3&comment=done", nil); r.Revision != 4 || !r.Removed {
		t.Errorf("%+v", r)
	}
	w.says(t, "GET", "/api/v1/shared-definitions", nil, 200, `{"revisions":[]}`)
	list := decode[record.Revisions](t, w, "GET", "/api/v1/shared-definitions?removed=true", nil).Revisions
	if len(list) != 1 || list[0].Revision != 4 || list[0].SHA256 != "" {
		t.Errorf("%+v", list)
	}
	var numbers []int64
	for _, r := range decode[record.Revisions](t, w, "GET", at+"/revisions?before=4", nil).Revisions {
		numbers = append(numbers, r.Revision)
	}
	if diff := cmp.Diff([]int64{3, 2, 1}, numbers); diff != "" {
		t.Error(diff)
	}

	// The journal has the revisions, the audit log every try.
	w.at.Add(1000)
	var told []string
	for _, e := range decode[record.Journaled](t, w, "GET", "/api/v1/journal?kind=definition&order=oldest", nil).Entries {
		told = append(told, e.Path+": "+e.Text)
	}
	if diff := cmp.Diff([]string{
		"/grove/Definitions/shop: revision 1 by anonymous: first", "/grove/Definitions/shop: revision 2 by anonymous",
		"/grove/Definitions/shop: revision 3 by anonymous: back to revision 1", "/grove/Definitions/shop: removed with revision 4 by anonymous: done",
	}, told); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"anonymous|definition put|shop|||begun", "anonymous|definition put|shop||revision 1, sha256 HASH|ok",
		"anonymous|definition put|shop|revision 1, sha256 HASH||begun", "anonymous|definition put|shop|revision 1, sha256 HASH|revision 1, sha256 HASH|ok",
		"anonymous|definition put|shop|revision 1, sha256 HASH||begun", "anonymous|definition put|shop|revision 1, sha256 HASH|revision 2, sha256 HASH|ok",
		"anonymous|definition rollback|shop|revision 2, sha256 HASH||begun", "anonymous|definition rollback|shop|revision 2, sha256 HASH|revision 3, sha256 HASH|ok",
		"anonymous|definition remove|shop|revision 3, sha256 HASH||begun", "anonymous|definition remove|shop|revision 3, sha256 HASH|revision 4, removed|ok",
	}, w.audited(t)); diff != "" {
		t.Error(diff)
	}
}

// TestDefinitionsOfSites: a manager of a site changes those of its site, and with allSites
// those for all.
func TestDefinitionsOfSites(t *testing.T) {
	w := grow(t)
	const at = "/api/v1/definitions/shop"
	put := func(query, text string, expected *int64) record.Revision {
		t.Helper()
		return decode[record.Revision](t, w, "PUT", at+query, record.PutRequest{Text: text, Expected: expected})
	}
	put("", "all 1\n", pointer(0))
	w.site.Store("north")
	if r := decode[record.Revision](t, w, "GET", at, nil); r.Site != "" || r.Text != "all 1\n" {
		t.Errorf("what is for all: %+v", r)
	}
	const none = "definition shop: site north has none of its own, so there is no revision 1 of it to change; one for all sites is changed as that"
	if status, text, _ := w.ask(t, "PUT", at, record.PutRequest{Text: "x", Expected: pointer(1)}); status != http.StatusConflict || detail(text) != none {
		t.Errorf("%d: %s", status, text)
	}
	if r := put("", "north 1\n", pointer(0)); r.Site != "north" || r.Revision != 1 {
		t.Errorf("its own: %+v", r)
	}
	if r := put("?allSites=true", "all 2\n", pointer(1)); r.Site != "" || r.Revision != 2 {
		t.Errorf("that for all: %+v", r)
	}
	for query, want := range map[string]string{"": "north 1\n", "?allSites=true": "all 2\n", "?allSites=true&revision=1": "all 1\n"} {
		if r := decode[record.Revision](t, w, "GET", at+query, nil); r.Text != want {
			t.Errorf("%s: %+v", query, r)
		}
	}
	w.says(t, "GET", at+"/diff?allSites=true&from=1", nil, 200, `{"diff":"--- shop revision 1\n+++ shop revision 2\n@@ -1 +1 @@\n-all 1\n+all 2\n"}`)
	for query, want := range map[string]int{"": 1, "?allSites=true": 2} {
		if list := decode[record.Revisions](t, w, "GET", at+"/revisions"+query, nil).Revisions; len(list) != want {
			t.Errorf("%s: %+v", query, list)
		}
	}
	if list := decode[record.Revisions](t, w, "GET", "/api/v1/shared-definitions", nil).Revisions; len(list) != 1 || list[0].Site != "north" {
		t.Errorf("%+v", list)
	}
	if r := decode[record.Revision](t, w, "POST", at+"/rollback?allSites=true", record.RollbackRequest{To: 1}); r.Revision != 3 || r.Site != "" {
		t.Errorf("%+v", r)
	}
	if r := decode[record.Revision](t, w, "DELETE", at, nil); r.Revision != 2 || r.Site != "north" {
		t.Errorf("%+v", r)
	}
	if r := decode[record.Revision](t, w, "GET", at, nil); r.Site != "" || r.Revision != 3 {
		t.Errorf("once its own is removed: %+v", r)
	}
	w.at.Add(1000)
	var told []string
	for _, e := range decode[record.Journaled](t, w, "GET", "/api/v1/journal?kind=definition&order=oldest", nil).Entries {
		told = append(told, e.Text)
	}
	if diff := cmp.Diff([]string{
		"revision 1 by anonymous", "revision 1 of site north by anonymous", "revision 2 by anonymous", "revision 3 by anonymous: back to revision 1", "removed with revision 2 of site north by anonymous",
	}, told); diff != "" {
		t.Error(diff)
	}
}

func TestDefinitionsRefuse(t *testing.T) {
	w := grow(t)
	for _, text := range []string{"one", "two"} {
		decode[record.Revision](t, w, "PUT", "/api/v1/definitions/shop", record.PutRequest{Text: text})
	}
	before := len(w.audited(t))
	for name, c := range map[string]struct {
		method, target string
		body           any
		status         int
		says           string
	}{
		"behind":              {"PUT", "shop", record.PutRequest{Text: "three", Expected: pointer(1)}, 409, "definition shop: changed meanwhile: revision 2 is by anonymous of 2026-03-02T12:00:00Z, and yours comes after revision 1: look at the difference, then put yours again"},
		"there already":       {"PUT", "shop", record.PutRequest{Text: "three", Expected: pointer(0)}, 409, "definition shop: is there already, as revision 2 by anonymous of 2026-03-02T12:00:00Z"},
		"not there":           {"PUT", "other", record.PutRequest{Text: "three", Expected: pointer(7)}, 409, "definition other: there is none, so it has no revision 7 to change"},
		"bad text":            {"PUT", "shop", record.PutRequest{Text: "a bad text"}, 422, "definition shop: its text has errors; nothing was changed"},
		"bad name":            {"PUT", "Shop", record.PutRequest{Text: "x"}, 422, `definition: the name "Shop" is not 1 to 64 of a to z, 0 to 9, dot, underscore and hyphen, beginning with a letter or digit`},
		"no text":             {"PUT", "shop", map[string]any{}, 422, "validation failed"},
		"NUL":                 {"PUT", "shop", record.PutRequest{Text: "\x00"}, 422, "definition: its text is not UTF-8"},
		"too large":           {"PUT", "shop", record.PutRequest{Text: strings.Repeat("x", 1<<20+1)}, 422, "validation failed"},
		"far too large":       {"PUT", "shop", record.PutRequest{Text: strings.Repeat("x", 7<<20)}, 413, "request body is too large limit=6356992 bytes"},
		"unknown":             {"GET", "other", nil, 404, "no such definition: other"},
		"unknown revision":    {"GET", "shop?revision=3", nil, 404, "no such definition: shop has no revision 3"},
		"unknown to diff":     {"GET", "shop/diff?from=3", nil, 404, "no such definition: shop has no revision 3"},
		"unknown history":     {"GET", "other/revisions", nil, 404, "no such definition: other"},
		"unknown rollback":    {"POST", "shop/rollback", record.RollbackRequest{To: 9}, 404, "no such definition: shop has no revision 9"},
		"rollback behind":     {"POST", "shop/rollback", record.RollbackRequest{To: 1, Expected: pointer(1)}, 409, "definition shop: changed meanwhile: revision 2 is by anonymous of 2026-03-02T12:00:00Z, and yours comes after revision 1: look at the difference, then put yours again"},
		"removal of nothing":  {"DELETE", "other", nil, 404, "no such definition: other"},
		"removal behind":      {"DELETE", "shop?expected=1", nil, 409, "definition shop: changed meanwhile: revision 2 is by anonymous of 2026-03-02T12:00:00Z, and yours comes after revision 1: look at the difference, then put yours again"},
		"a negative revision": {"GET", "shop?revision=-1", nil, 422, "validation failed"},
		"GET with effect":     {"GET", "shop/rollback", nil, 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, text, _ := w.ask(t, c.method, "/api/v1/definitions/"+c.target, c.body)
			if status != c.status || detail(text) != c.says {
				t.Errorf("%d %s", status, text)
			}
		})
	}
	_, text, _ := w.ask(t, "PUT", "/api/v1/definitions/shop", record.PutRequest{Text: "a bad text"})
	if want := `"errors":[{"message":"bad is bad","location":"shop.yaml:2:2"}]`; !strings.Contains(text, want) {
		t.Errorf("%s does not say %s", text, want)
	}
	if r := decode[record.Revision](t, w, "GET", "/api/v1/definitions/shop", nil); r.Revision != 2 || r.Text != "two" {
		t.Errorf("something changed: %+v", r)
	}
	// What was tried against another revision is in the audit log; what made no sense is
	// not.
	refused := 0
	for _, line := range w.audited(t)[before:] {
		if strings.HasSuffix(line, "|ok") {
			t.Error(line)
		}
		if !strings.HasSuffix(line, "|begun") {
			refused++
		}
	}
	if refused != 7 {
		t.Errorf("%d refusals are in the audit log:\n%s", refused, strings.Join(w.audited(t)[before:], "\n"))
	}
}

// TestNothingIsDoneThatIsNotInTheAuditLog since what cannot be recorded must not happen.
func TestNothingIsDoneThatIsNotInTheAuditLog(t *testing.T) {
	w := grow(t)
	err := w.facts.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec("DELETE FROM audit_head")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"PUT", "/api/v1/definitions/shop"}, {"POST", "/api/v1/backup"}} {
		var body any
		if c[0] == "PUT" {
			body = record.PutRequest{Text: "one"}
		}
		if status, text, _ := w.ask(t, c[0], c[1], body); status != 500 {
			t.Errorf("%s %s: %d %s", c[0], c[1], status, text)
		}
	}
	w.says(t, "GET", "/api/v1/shared-definitions", nil, 200, `{"revisions":[]}`)
	if w.backups.staged.Load() != 0 {
		t.Error("a backup was made")
	}
}

func TestDatabaseThatIsAway(t *testing.T) {
	w := grow(t)
	if err := w.facts.Close(); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/api/v1/shared-definitions", "/api/v1/definitions/shop", "/api/v1/audit", "/api/v1/audit/verification", "/api/v1/journal"} {
		status, text, header := w.ask(t, "GET", target, nil)
		if status != 503 || detail(text) != "grove is stopping" || header.Get("Retry-After") != "2" {
			t.Errorf("%s: %d %s", target, status, text)
		}
	}
}
