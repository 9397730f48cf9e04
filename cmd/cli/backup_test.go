package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grove/viewer/record"
	"grove/viewer/record/archive"
)

// packed is a small backup.
func packed(t *testing.T, manager string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := archive.NewWriter(&b, archive.Head{Version: "1.2", Manager: manager, Created: noon})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := w.Add(name, 2048, strings.NewReader(strings.Repeat(name, 2048))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBackupIsWrittenWhole(t *testing.T) {
	whole := packed(t, "north\x1b[2J")
	dir := t.TempDir()
	target := filepath.Join(dir, "b.tar.zst")
	if err := os.WriteFile(target, []byte("the one before"), 0o644); err != nil {
		t.Fatal(err)
	}
	// One that is cut off, or damaged, leaves the one before.
	for name, c := range map[string]struct {
		answer any
		code   Exit
		says   string
	}{
		"cut off": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(whole[:100])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}), NoReply, "grove: the backup from URL was cut off: unexpected EOF\n"},
		"damaged":      {string(whole[:100]), NoReply, "grove: what came from URL cannot be restored: the backup is damaged: it ends before manifest.json: it is not whole\n"},
		"another page": {"<html>", NoReply, "grove: what came from URL cannot be restored: the backup is damaged: invalid input: magic number mismatch\n"},
		"refused":      {refuse(409, "another backup is being made"), Wrong, "grove: another backup is being made\n"},
	} {
		s := serve(t, map[string]any{"POST /api/v1/backup": c.answer})
		code, stdout, stderr := s.run(t, "backup", target)
		if code != c.code || stdout != "" || strings.ReplaceAll(stderr, s.URL, "URL") != c.says {
			t.Errorf("%s: %d %s%s", name, code, stdout, stderr)
		}
		if text, err := os.ReadFile(target); err != nil || string(text) != "the one before" {
			t.Errorf("%s: %v, %.20q", name, err, text)
		}
	}
	s := serve(t, map[string]any{"POST /api/v1/backup": string(whole)})
	code, stdout, stderr := s.run(t, "backup", target)
	if want := fmt.Sprintf("%s: %d B of north\\u001b[2J, 2 files, 4 KiB unpacked\n", target, len(whole)); code != OK || stdout != want {
		t.Errorf("%d %s%s, want %s", code, stdout, stderr, want)
	}
	text, err := os.ReadFile(target)
	if err != nil || !bytes.Equal(text, whole) {
		t.Errorf("%v, %d bytes", err, len(text))
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", err, info.Mode())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", err, entries)
	}
	if code, _, stderr := s.run(t, "backup", filepath.Join(dir, "none", "x")); code != Usage || !strings.Contains(stderr, "no such file or directory") {
		t.Errorf("%d %s", code, stderr)
	}
}

// taker takes backups in.
type taker struct {
	got    []byte
	asked  []string
	refuse http.HandlerFunc // of apply
}

func (k *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.asked = append(k.asked, r.Method+" "+r.URL.RequestURI())
	switch r.Method + " " + r.URL.Path {
	case "POST /api/v1/restores":
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"id":"U","received":0,"max_part":100}`)
	case "PUT /api/v1/restores/U":
		part, _ := io.ReadAll(r.Body)
		k.got = append(k.got, part...)
		fmt.Fprint(w, `{}`)
	case "POST /api/v1/restores/U/apply":
		if k.refuse != nil {
			k.refuse(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(record.Restored{Manager: "north\x1b", Created: stamp(0), Bytes: 4096, Nodes: 1, DropIns: []string{"shop.yaml"}, Warnings: []string{"mind\x1b this"}})
	case "DELETE /api/v1/restores/U":
		w.WriteHeader(http.StatusNoContent)
	}
}

func TestRestoreSendsTheFileInParts(t *testing.T) {
	whole := packed(t, "north")
	path := file(t, "b.tar.zst", string(whole))
	k := &taker{}
	s := serve(t, nil)
	s.Config.Handler = k
	code, stdout, stderr := s.run(t, "restore", path, "--drop-ins")
	want := "restored the backup by north\\u001b of 2026-03-02 12:00:00 UTC: 4 KiB, 1 node with what they were\nput shop.yaml into the drop-in directory\n"
	if code != OK || stdout != want || stderr != "grove: mind\\u001b this\n" {
		t.Errorf("%d\n%s%s", code, stdout, stderr)
	}
	if !bytes.Equal(k.got, whole) {
		t.Errorf("%d bytes arrived", len(k.got))
	}
	if n := len(k.asked); k.asked[2] != "PUT /api/v1/restores/U?offset=100" || k.asked[n-1] != fmt.Sprintf("POST /api/v1/restores/U/apply?drop_ins=true&size=%d", len(whole)) {
		t.Errorf("%q", k.asked)
	}
	// What the server refuses is given up.
	k.refuse = refuse(422, "the backup is damaged: x")
	code, _, stderr = s.run(t, "restore", path)
	if n := len(k.asked); code != Wrong || stderr != "grove: the backup is damaged: x\n" || k.asked[n-1] != "DELETE /api/v1/restores/U" {
		t.Errorf("%d %s %q", code, stderr, k.asked)
	}
	// What is damaged is not even sent.
	asked := len(k.asked)
	code, _, stderr = s.run(t, "restore", file(t, "cut", string(whole[:len(whole)-9])))
	if code != Wrong || !strings.Contains(stderr, "cut: the backup is damaged: ") || len(k.asked) != asked {
		t.Errorf("%d %s", code, stderr)
	}
	code, stdout, _ = s.run(t, "restore", "--check", path)
	if want := path + ": whole, made by north with grove 1.2 at 2026-03-02 12:00:00 UTC, 2 files, 4 KiB unpacked\n"; code != OK || stdout != want || len(k.asked) != asked {
		t.Errorf("%d %s", code, stdout)
	}
	if code, _, stderr := s.run(t, "restore", "/nowhere/x"); code != Usage || stderr != "grove: open /nowhere/x: no such file or directory\n" {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestDocumentsAndReportsAreAskedFor(t *testing.T) {
	s := serve(t, map[string]any{
		"GET /documents/tree.xml": "<document/>", "GET /documents/managers/a b.json": "{}", "GET /documents/customers/x/y.html": "<html>",
		"GET /reports/tree.csv": "a,b\n", "GET /reports/tree.json": "{}",
	})
	for _, c := range []struct{ line, prints, asks string }{
		{"document", "<document/>", "GET /documents/tree.xml?path=%2F"},
		{"document /shop -d 2", "<document/>", "GET /documents/tree.xml?depth=2&path=%2Fshop"},
		{"document --manager a+b --format json", "{}", "GET /documents/managers/a%20b.json?path=%2F"},
		{"document --customer x/y --format html", "<html>", "GET /documents/customers/x%2Fy.html?path=%2F"},
		{"report", "a,b\n", "GET /reports/tree.csv?path=%2F"},
		{"report /shop --period week --zone Europe/Berlin --customer x --worst 3 --format json", "{}", "GET /reports/tree.json?customer=x&path=%2Fshop&period=week&worst=3&zone=Europe%2FBerlin"},
		{"report --from 2026-01-01 --to 2026-02-01", "a,b\n", "GET /reports/tree.csv?from=2026-01-01&path=%2F&to=2026-02-01"},
		{"document --format pdf", "grove: --format must be one of \"xml\",\"json\",\"html\" but got \"pdf\"\nTry: grove --help\n", ""},
		{"document /a~9", "grove: malformed path \"/a~9\": \"~\" must be followed by 0 or 1\n", ""},
	} {
		s.asked = nil
		args := strings.Fields(c.line)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "+", " ")
		}
		_, stdout, stderr := s.run(t, args...)
		if _, message, ok := strings.Cut(stderr, "grove: "); ok {
			stderr = "grove: " + message
		}
		if stdout+stderr != c.prints || strings.Join(s.asked, " ") != c.asks {
			t.Errorf("%s:\n%s%s\nasked %s", c.line, stdout, stderr, s.asked)
		}
	}
}
