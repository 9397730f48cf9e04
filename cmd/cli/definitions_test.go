package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grove/viewer/record"
)

// file writes a file of a test and returns its name.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refuse is an answer in the shape of RFC 9457.
func refuse(status int, detail string, errors ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":%d,"title":%q,"detail":%q,"errors":[%s]}`, status, http.StatusText(status), detail, strings.Join(errors, ","))
	}
}

func TestDefinitionsArePut(t *testing.T) {
	var got record.PutRequest
	s := serve(t, map[string]any{
		"GET /api/v1/definitions/shop": record.Revision{Name: "shop", Revision: 3},
		"PUT /api/v1/definitions/shop": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = record.PutRequest{}
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
				t.Error(err)
			}
			fmt.Fprint(w, `{"name":"shop","revision":4}`)
		}),
		"GET /api/v1/definitions/same": record.Revision{Name: "same", Revision: 3},
		"PUT /api/v1/definitions/same": record.Revision{Name: "same", Revision: 3},
	})
	shop := file(t, "shop.yaml", "text")
	code, stdout, stderr := s.run(t, "definitions", "put", shop, "--expected", "3", "-m", "why")
	if code != OK || stdout != "shop: revision 4\n" || got.Text != "text" || *got.Expected != 3 || got.Comment != "why" {
		t.Errorf("%d %s%s %+v", code, stdout, stderr, got)
	}
	code, stdout, stderr = s.run(t, "definitions", "put", shop, file(t, "same.xml", "<x/>"))
	if code != OK || stdout != "shop: revision 4\nsame: revision 3 says so already\n" || got.Expected != nil {
		t.Errorf("%d %s%s %+v", code, stdout, stderr, got)
	}
	for name, c := range map[string]struct {
		args []string
		code Exit
		says string
	}{
		"two under a name":     {[]string{shop, shop, "--as", "x"}, Usage, "grove: --as and --expected are for one file\n"},
		"no file":              {[]string{"/nowhere/x.yaml"}, Usage, "grove: open /nowhere/x.yaml: no such file or directory\n"},
		"a file without bound": {[]string{file(t, "shop.yaml", strings.Repeat("x", maxDefinition+1))}, Usage, "shop.yaml is larger than 1048576 bytes\n"},
	} {
		if code, _, stderr := s.run(t, append([]string{"definitions", "put"}, c.args...)...); code != c.code || !strings.HasSuffix(stderr, c.says) {
			t.Errorf("%s: %d %s", name, code, stderr)
		}
	}
}

func TestErrorsOfADefinitionStandInItsFile(t *testing.T) {
	s := serve(t, map[string]any{
		"PUT /api/v1/definitions/shop":  refuse(422, "its text has errors", `{"message":"unknown setting \"yelow\"","location":"shop.yaml:2:3"}`, `{"message":"no tree\u001b[2J","location":"shop.yaml"}`),
		"PUT /api/v1/definitions/late":  refuse(409, "definition late: changed meanwhile: revision 2 is by anna"),
		"PUT /api/v1/definitions/other": refuse(422, "validation failed", `{"message":"expected length <= 1000","location":"body.comment"}`),
	})
	path := file(t, "my.yaml", "grove: 1\n  yelow: x\n")
	for name, c := range map[string]struct{ as, says string }{
		"errors":   {"shop", path + ": no tree<U+001B>[2J\n" + path + ":2:3: unknown setting \"yelow\"\n    2 |   yelow: x\n      |   ^\ngrove: 2 errors\n"},
		"conflict": {"late", "grove: definition late: changed meanwhile: revision 2 is by anna\n"},
		"comment":  {"other", "grove: validation failed\n  expected length <= 1000 (body.comment)\n"},
	} {
		code, stdout, stderr := s.run(t, "definitions", "put", path, "--as", c.as)
		if code != Wrong || stdout != "" || stderr != c.says {
			t.Errorf("%s: %d\n%s%s\nwant\n%s", name, code, stdout, stderr, c.says)
		}
	}
}

func TestDefinitionsArePrinted(t *testing.T) {
	evil := "evil\x1b[2J\ttab\nline"
	two := record.Revisions{Revisions: []record.Revision{
		{Name: "shop", Revision: 2, Time: stamp(0), Who: "anna", Comment: evil}, {Name: "bank", Revision: 10, Time: stamp(0), Who: "bert", Removed: true},
	}}
	s := serve(t, map[string]any{
		"GET /api/v1/shared-definitions":         two,
		"GET /api/v1/definitions/shop":           record.Revision{Name: "shop", Revision: 2, Text: "grove: 1\n"},
		"GET /api/v1/definitions/gone":           record.Revision{Name: "gone", Revision: 2, Removed: true},
		"GET /api/v1/definitions/shop/revisions": two,
		"GET /api/v1/definitions/shop/diff":      record.Difference{Diff: "--- shop revision 1\n+++ shop revision 2\n@@ -1 +1 @@\n-a\x1b[2J\n+b\n"},
		"POST /api/v1/definitions/shop/rollback": record.Revision{Name: "shop", Revision: 3},
		"DELETE /api/v1/definitions/shop":        record.Revision{Name: "shop", Revision: 4, Removed: true},
	})
	ofNorth := record.Revision{Name: "shop", Site: "north", Revision: 2, Time: stamp(0), Who: "anna"}
	north := serve(t, map[string]any{
		"GET /api/v1/shared-definitions":  record.Revisions{Revisions: []record.Revision{{Name: "bank", Revision: 1, Time: stamp(0), Who: "bert"}, ofNorth}},
		"DELETE /api/v1/definitions/shop": ofNorth, "POST /api/v1/definitions/shop/rollback": ofNorth, "GET /api/v1/definitions/shop": ofNorth,
	})
	ofSites := "NAME  SITE   REVISION  TIME                     WHO   COMMENT\nbank  all    1         2026-03-02 12:00:00 UTC  bert  \nshop  north  2         2026-03-02 12:00:00 UTC  anna  \n"
	empty := serve(t, map[string]any{"GET /api/v1/shared-definitions": record.Revisions{}})
	table := "NAME  REVISION  TIME                     WHO   COMMENT\n" +
		"shop  2         2026-03-02 12:00:00 UTC  anna  evil\\u001b[2J tab line\nbank  10        2026-03-02 12:00:00 UTC  bert  removed\n"
	diff := "--- shop revision 1\n+++ shop revision 2\n@@ -1 +1 @@\n-a\\u001b[2J\n+b\n"
	for _, c := range []struct {
		at     *stub
		line   string
		code   Exit
		prints string
		asks   string
	}{
		{s, "list --removed", OK, table, "GET /api/v1/shared-definitions?removed=true"},
		{empty, "list --shared", OK, "no shared definitions: make one with grove definitions put FILE\n", "GET /api/v1/shared-definitions?removed=false"},
		{s, "show --shared shop", OK, "grove: 1\n", "GET /api/v1/definitions/shop"},
		{s, "show shop@1", OK, "grove: 1\n", "GET /api/v1/definitions/shop?revision=1"},
		{s, "show shop@x", Usage, "grove: \"shop@x\" is no name of a definition, such as shop, or shop@3 for a revision\n", ""},
		{s, "show gone@2", Wrong, "grove: definition gone: was removed with revision 2\n", "GET /api/v1/definitions/gone?revision=2"},
		{s, "show --shared none", Wrong, "grove: there is no /api/v1/definitions/none\n", "GET /api/v1/definitions/none"},
		{s, "show --shared ../x", Wrong, "grove: there is no /api/v1/definitions/../x\n", "GET /api/v1/definitions/..%2Fx"},
		{s, "history shop --before 9", OK, table, "GET /api/v1/definitions/shop/revisions?before=9"},
		{s, "diff shop 1 2", OK, diff, "GET /api/v1/definitions/shop/diff?from=1&to=2"},
		{s, "diff shop", OK, diff, "GET /api/v1/definitions/shop/diff?from=1&to=0"},
		{s, "rollback shop 1", OK, "shop: revision 3, with the text of revision 1\n", "POST /api/v1/definitions/shop/rollback"},
		{s, "remove shop --expected 3 -m bye", OK, "shop: removed with revision 4; grove definitions rollback shop 3 brings it back\n", "DELETE /api/v1/definitions/shop?comment=bye&expected=3"},
		{north, "list --shared", OK, ofSites, "GET /api/v1/shared-definitions?removed=false"},
		{north, "list --all-sites", OK, ofSites, "GET /api/v1/shared-definitions?allSites=true&removed=false"},
		{north, "show --all-sites shop", OK, "", "GET /api/v1/definitions/shop?allSites=true"},
		{north, "rollback shop 1", OK, "shop: revision 2 of site north, with the text of revision 1\n", "POST /api/v1/definitions/shop/rollback"},
		{north, "remove shop", OK, "shop: removed with revision 2 of site north; grove definitions rollback shop 1 brings it back\n", "DELETE /api/v1/definitions/shop"},
		{north, "remove --all-sites shop", OK, "shop: removed with revision 2 of site north; grove definitions rollback --all-sites shop 1 brings it back\n", "DELETE /api/v1/definitions/shop?allSites=true"},
	} {
		code, stdout, stderr := c.at.run(t, append([]string{"definitions"}, strings.Fields(c.line)...)...)
		if code != c.code || stdout+stderr != c.prints {
			t.Errorf("%s: %d\n%s%s\nwant\n%s", c.line, code, stdout, stderr, c.prints)
		}
		if c.asks != "" && c.at.asked[len(c.at.asked)-1] != c.asks {
			t.Errorf("%s: asked %s", c.line, c.at.asked[len(c.at.asked)-1])
		}
	}
	if _, stdout, _ := s.run(t, "definitions", "diff", "shop", "--color", "always"); !strings.Contains(stdout, "\x1b[31m-a\\u001b[2J\x1b[0m\n\x1b[32m+b\x1b[0m\n") {
		t.Errorf("%q", stdout)
	}
}

func TestAuditIsPrinted(t *testing.T) {
	s := serve(t, map[string]any{"GET /api/v1/audit": record.Audited{Next: 7, Records: []record.AuditRecord{
		{Seq: 8, Time: stamp(0), Manager: "north", Who: "anna", Origin: "10.0.0.1:5", Action: "definition put", Target: "shop\x1b[2J", Was: "revision 1", Became: "revision 2", Outcome: "ok"},
		{Seq: 7, Time: stamp(0), Manager: "north", Who: "bert", Origin: "CCMS", Action: "backup", Outcome: "begun\nline"},
	}}})
	code, stdout, stderr := s.run(t, "audit", "--who", "anna", "--action", "definition put", "--limit", "2", "--from", "1h")
	want := "… there is more before: ask for it with --before 7\n" +
		"7  2026-03-02 12:00:00 UTC  bert on north from CCMS  backup: begun line\n" +
		"8  2026-03-02 12:00:00 UTC  anna on north from 10.0.0.1:5  definition put shop\\u001b[2J: ok\n   was revision 1\n   became revision 2\n"
	if code != OK || stdout != want {
		t.Errorf("%d\n%s%s", code, stdout, stderr)
	}
	if want := "GET /api/v1/audit?action=definition+put&before=0&from=-1h&limit=2&to=now&who=anna"; s.asked[0] != want {
		t.Errorf("asked %s", s.asked[0])
	}
	if code, stdout, _ := serve(t, map[string]any{"GET /api/v1/audit": record.Audited{}}).run(t, "audit", "list"); code != OK || stdout != "no records\n" {
		t.Errorf("%d %s", code, stdout)
	}
	for says, c := range map[string]struct {
		v    record.Verified
		code Exit
	}{
		"the audit log is whole\nhead 8:ab\nKeep the head elsewhere: with --head it shows later whether the log still holds all of this.\n": {record.Verified{Whole: true, Head: "8:ab"}, OK},
		"grove: the audit log is not whole: record 3 was edited\n":                                                                          {record.Verified{Seq: 3, Reason: "was edited"}, Wrong},
		"grove: the audit log is not whole: the head of the log is missing\n":                                                               {record.Verified{Reason: "the head of the log is missing"}, Wrong},
	} {
		s := serve(t, map[string]any{"GET /api/v1/audit/verification": c.v})
		code, stdout, stderr := s.run(t, "audit", "verify", "--head", "1:aa", "--head", "2:bb")
		if code != c.code || stdout+stderr != says || s.asked[0] != "GET /api/v1/audit/verification?head=1%3Aaa%2C2%3Abb" {
			t.Errorf("%d %s%s, asked %s", code, stdout, stderr, s.asked)
		}
	}
}
