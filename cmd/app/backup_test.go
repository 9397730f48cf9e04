package app_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"grove/cmd/app"
	"grove/tree"
	"grove/viewer/record"
	"grove/viewer/record/archive"
)

// shelter is a manager of a test.
type shelter struct {
	*app.App
	data, dropIn string
}

const shopText = "grove: 1\napplication: shop\nat: /shop\ntree:\n  Load: { kind: performance, mode: push, yellow: \"> 5\" }\n  Rest: { kind: performance, mode: push, yellow: \"> 5\" }\n  State: { kind: text, mode: push }\n"

// house starts a manager that has the definition shop in its drop-in directory.
func house(t *testing.T, name string) *shelter {
	t.Helper()
	s := &shelter{data: t.TempDir(), dropIn: t.TempDir()}
	s.write(t, "shop.yaml", shopText)
	var err error
	s.App, err = app.New(app.Config{Listen: "127.0.0.1:0", Data: s.data, Definitions: s.dropIn, Name: name, NoHost: true, Version: "1.2"})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *shelter) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.dropIn, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request and returns the answer, which must be well.
func (s *shelter) ask(t *testing.T, method, target string, body []byte) []byte {
	t.Helper()
	status, text := s.try(t, method, target, body)
	if status >= 300 {
		t.Fatalf("%s %s: %d %s", method, target, status, text)
	}
	return text
}

func (s *shelter) try(t *testing.T, method, target string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr().String()+target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.Contains(target, "offset=") {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, text
}

// push gives a node a reading and waits until it is kept.
func (s *shelter) push(t *testing.T, path string, value any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"path": path, "value": value})
	if err != nil {
		t.Fatal(err)
	}
	s.ask(t, "POST", "/api/v1/readings", body)
}

func (s *shelter) tune(t *testing.T, path string, yellow float64) {
	t.Helper()
	if err := s.Tree.SetThreshold(tree.MustPath(path), &tree.Threshold{Yellow: tree.AboveLevel(yellow, yellow)}); err != nil {
		t.Fatal(err)
	}
}

// restore sends a backup in and has it restored.
func (s *shelter) restore(t *testing.T, packed []byte, query string) (int, []byte) {
	t.Helper()
	var up record.Upload
	if err := json.Unmarshal(s.ask(t, "POST", "/api/v1/restores", nil), &up); err != nil {
		t.Fatal(err)
	}
	s.ask(t, "PUT", "/api/v1/restores/"+up.ID+"?offset=0", packed)
	status, text := s.try(t, "POST", fmt.Sprintf("/api/v1/restores/%s/apply?size=%d%s", up.ID, len(packed), query), nil)
	if status >= 300 {
		s.ask(t, "DELETE", "/api/v1/restores/"+up.ID, nil)
	}
	return status, text
}

// until waits for something that comes by itself.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestBackupIsRestoredWhileItRuns takes a backup of one manager, lets it go on, and goes
// back; and brings another one to the same.
func TestBackupIsRestoredWhileItRuns(t *testing.T) {
	a := house(t, "north")
	a.push(t, "/shop/Load", 3)
	a.push(t, "/shop/State", "before")
	a.tune(t, "/shop/Load", 50)
	put := func(name, text string) {
		t.Helper()
		body, err := json.Marshal(record.PutRequest{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		a.ask(t, "PUT", "/api/v1/definitions/"+name, body)
	}
	shared := strings.NewReplacer("application: shop", "application: bank", "/shop", "/bank").Replace(shopText)
	put("bank", shared)
	there := func(s *shelter, path string) func() bool {
		return func() bool { _, ok := s.Tree.Lookup(tree.MustPath(path)); return ok }
	}
	until(t, "the shared definition grows its nodes", there(a, "/bank/Load"))
	a.push(t, "/bank/Load", 7)
	a.write(t, "deep/more.yaml", "# nothing yet\n")
	a.write(t, ".hidden.yaml", "secret")
	a.write(t, "key.pem", "secret")
	packed := a.ask(t, "POST", "/api/v1/backup", nil)

	// What goes on after the backup.
	a.push(t, "/shop/Load", 4)
	a.tune(t, "/shop/Load", 60)
	a.tune(t, "/shop/Rest", 70)
	a.ask(t, "DELETE", "/api/v1/definitions/bank", nil)
	until(t, "the removed definition goes", func() bool { return !there(a, "/bank")() })
	a.write(t, "shop.yaml", strings.Replace(shopText, "Rest", "Other", 1))
	a.Reload()

	status, text := a.restore(t, packed, "&drop_ins=true")
	var done record.Restored
	if err := json.Unmarshal(text, &done); err != nil || status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	if done.Manager != "north" || done.Version != "1.2" || !slices.Equal(done.DropIns, []string{"deep/more.yaml", "shop.yaml"}) || len(done.Warnings) > 0 {
		t.Errorf("%+v", done)
	}
	node := func(s *shelter, path string) tree.Node {
		t.Helper()
		n, err := s.Tree.Node(tree.MustPath(path))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := node(a, "/shop/Load"); !n.Tuned || n.Threshold.Yellow.High != 50 {
		t.Errorf("the threshold is not that of the backup: %+v", n.Threshold)
	}
	if n := node(a, "/shop/Rest"); n.Tuned {
		t.Errorf("a threshold is tuned that was not: %+v", n.Threshold)
	}
	until(t, "the shared definition is back", there(a, "/bank/Load"))
	until(t, "its node has its value back", func() bool {
		n, err := a.Tree.Node(tree.MustPath("/bank/Load"))
		return err == nil && n.Value.String() == "7"
	})
	// It goes on: what is tuned now is kept, and told.
	a.push(t, "/shop/Load", 55)
	if n := node(a, "/shop/Load"); n.Status != tree.Yellow {
		t.Errorf("it is %v", n.Status)
	}
	var v record.Verified
	if err := json.Unmarshal(a.ask(t, "GET", "/api/v1/audit/verification", nil), &v); err != nil || !v.Whole {
		t.Errorf("%v, %+v", err, v)
	}
	var log record.Audited
	if err := json.Unmarshal(a.ask(t, "GET", "/api/v1/audit?limit=1", nil), &log); err != nil || len(log.Records) != 1 {
		t.Fatalf("%v, %+v", err, log)
	}
	if r := log.Records[0]; r.Action != "restore" || r.Outcome != "ok" || !strings.HasPrefix(r.Was, "audit log up to ") || !strings.HasPrefix(r.Became, "backup by north of ") {
		t.Errorf("%+v", r)
	}
	if text := a.ask(t, "GET", "/api/v1/journal?kind=manager", nil); !bytes.Contains(text, []byte("restored the backup by north of ")) {
		t.Errorf("the journal does not tell: %s", text)
	}

	// Another manager has the shared definitions and the readings then, and its own files.
	b := house(t, "south")
	if status, text := b.restore(t, packed, ""); status != 200 || bytes.Contains(text, []byte("drop_ins")) {
		t.Fatalf("%d %s", status, text)
	}
	until(t, "the shared definition is there", there(b, "/bank/Load"))
	var s record.Series
	if err := json.Unmarshal(b.ask(t, "GET", "/api/v1/history?path=/shop/Load&from=-1h", nil), &s); err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(s.Points, func(p record.Point) bool { return p.Last != nil && *p.Last == 3 }); i < 0 {
		t.Errorf("the reading is not in the history: %+v", s.Points)
	}
	if _, err := os.Stat(filepath.Join(b.dropIn, "deep")); !errors.Is(err, os.ErrNotExist) {
		t.Error("its drop-in directory was changed")
	}
	for _, s := range []*shelter{a, b} {
		if left, err := os.ReadDir(filepath.Join(s.data, "spool")); err != nil || len(left) > 0 {
			t.Errorf("left over: %v, %v", left, err)
		}
	}
}

// contentOf unpacks a backup.
func contentOf(t *testing.T, packed []byte) (files [][2]string) {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, [2]string{h.Name, string(text)})
	}
}

// repack makes a backup of other content, whole by its own sums.
func repack(t *testing.T, files [][2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := archive.NewWriter(&b, archive.Head{Version: "1.2", Manager: "north", Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f[0] == "grove-backup.json" || f[0] == "manifest.json" {
			continue
		}
		if err := w.Add(f[0], int64(len(f[1])), strings.NewReader(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWhatCannotBeRestoredChangesNothing tries backups that are whole by their sums, too.
func TestWhatCannotBeRestoredChangesNothing(t *testing.T) {
	a := house(t, "north")
	a.push(t, "/shop/Load", 3)
	packed := a.ask(t, "POST", "/api/v1/backup", nil)
	files := contentOf(t, packed)
	changed := func(change func(name, text string) string) []byte {
		other := slices.Clone(files)
		for i, f := range other {
			other[i][1] = change(f[0], f[1])
		}
		return repack(t, other)
	}
	without := func(name string) []byte {
		return repack(t, slices.DeleteFunc(slices.Clone(files), func(f [2]string) bool { return strings.HasPrefix(f[0], name) }))
	}
	database := func(old, new string) []byte {
		return changed(func(name, text string) string {
			if name == "database.jsonl" {
				return strings.Replace(text, old, new, 1)
			}
			return text
		})
	}
	flipped := bytes.Clone(packed)
	flipped[len(flipped)/2] ^= 0xff
	emptied := func(name, text string) string {
		if strings.HasSuffix(name, "meta.json") {
			return ""
		}
		return text
	}
	for name, c := range map[string]struct {
		packed []byte
		says   string
	}{
		"cut off":           {packed[:len(packed)-100], "the backup is damaged: "},
		"a flipped byte":    {flipped, "the backup is damaged: "},
		"no backup":         {[]byte("hello"), "the backup is damaged: "},
		"no database":       {without("database.jsonl"), "the backup is damaged: it has no database.jsonl"},
		"something else":    {repack(t, append(slices.Clone(files), [2]string{"extra/x", ""})), "the backup is damaged: \"extra/x\" has no place in it"},
		"a program":         {repack(t, append(slices.Clone(files), [2]string{"definitions/x.sh", ""})), "the backup is damaged: \"definitions/x.sh\" has no place in it"},
		"too deep":          {repack(t, append(slices.Clone(files), [2]string{"definitions/a/b/x.yaml", ""})), "the backup is damaged: \"definitions/a/b/x.yaml\" has no place in it"},
		"damaged database":  {database(`"manager"`, `"mangler"`), `backup: line 2: there is no table "mangler"`},
		"other rows":        {database(`"north"`, `"south"`), "backup: line 4: the sum over the table manager differs: the file is damaged"},
		"newer tables":      {database(`"schema":`, `"schema":9`), "backup: was written by a newer grove: "},
		"half a block":      {changed(emptied), "not a snapshot of a history"},
		"a block of others": {repack(t, append(slices.Clone(files), [2]string{"history/raw/x/index", ""})), "not a snapshot of a history"},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := a.restore(t, c.packed, "")
			var p struct{ Detail string }
			if err := json.Unmarshal(text, &p); err != nil || status != 422 || !strings.Contains(p.Detail, c.says) {
				t.Errorf("%d %s", status, text)
			}
		})
	}
	var log record.Audited
	if err := json.Unmarshal(a.ask(t, "GET", "/api/v1/audit", nil), &log); err != nil {
		t.Fatal(err)
	}
	for _, r := range log.Records {
		if r.Action == "restore" && r.Outcome == "ok" {
			t.Errorf("%+v", r)
		}
	}
	if text := a.ask(t, "GET", "/api/v1/nodes/shop/Load", nil); !bytes.Contains(text, []byte(`"value":3`)) {
		t.Errorf("%s", text)
	}
	if left, err := os.ReadDir(filepath.Join(a.data, "spool")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestBackupHoldsNoSecret since it is taken to other places.
func TestBackupHoldsNoSecret(t *testing.T) {
	a := house(t, "north")
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("swordfish"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.write(t, "web.yaml", "grove: 1\napplication: web\nat: /web\nprobes:\n  page: { kind: http, url: \"http://127.0.0.1:9/\", every: 1h, user: me, password: \"file:"+secret+"\" }\ntree:\n  Up: { from: page.up }\n")
	a.Reload()
	found := false
	for _, f := range contentOf(t, a.ask(t, "POST", "/api/v1/backup", nil)) {
		if strings.Contains(f[1], "swordfish") {
			t.Errorf("%s holds it", f[0])
		}
		found = found || f[0] == "definitions/web.yaml" && strings.Contains(f[1], "file:"+secret)
	}
	if !found {
		t.Error("the definition with the reference is not in it")
	}
}
