package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/cmd/app"
	"grove/tree/store"
	"grove/viewer/record"
)

// TestBeansAndDesks sets an attribute and listens over the web, and looks at what is kept
// for users who come and go.
func TestBeansAndDesks(t *testing.T) {
	dir := t.TempDir()
	const shop = "grove: 1\napplication: shop\nat: /shop\nprobes:\n  m: { kind: push, attributes: { load: { type: number } } }\ntree:\n  Load: { from: m.load, red: \"> 90\" }\n"
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(shop), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	a, err := app.New(app.Config{Listen: "127.0.0.1:0", Data: data, Definitions: dir, NoHost: true})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			if err := a.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			http.DefaultClient.CloseIdleConnections()
		}
	}
	t.Cleanup(stop)
	user := "" // who asks, by a password; empty: nobody
	const secret = "correct horse battery"
	send := func(method, path, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(context.Background(), method, "http://"+a.Addr().String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if user != "" {
			r.SetBasicAuth(user, secret)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	call := func(method, path, body string) string {
		t.Helper()
		res := send(method, path, body)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %s %v", method, path, res.StatusCode, text, err)
		}
		return strings.TrimSpace(string(text))
	}

	call("PUT", "/api/v1/bean/attribute?name=grove:type=Timer", `{"attribute":"SendPastNotifications","value":true}`)
	var log record.Audited
	if err := json.Unmarshal([]byte(call("GET", "/api/v1/audit?action=bean%20set", "")), &log); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, r := range log.Records {
		told = append(told, r.Who+" "+r.Target+" was "+r.Was+" became "+r.Became+" "+r.Outcome)
	}
	const change = `anonymous grove:type=Timer SendPastNotifications was false became true `
	if diff := cmp.Diff([]string{change + "ok", change + "begun"}, told); diff != "" {
		t.Error(diff)
	}

	stream := send("GET", "/api/v1/bean/notifications?name="+url.QueryEscape(`grove:type=Node,path="/shop*"`), "")
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	next := func() string {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return text
			}
			if lines.Text() == ": events follow" {
				return "ready"
			}
		}
		return "the end"
	}
	if got := next(); got != "ready" {
		t.Fatalf("the stream begins with %q", got)
	}
	call("POST", "/api/v1/readings", `{"path":"/shop/Load","value":99}`)
	if got := next(); !strings.Contains(got, `"path":"/shop/Load"`) || !strings.Contains(got, `"to":"red"`) {
		t.Errorf("the stream tells %s", got)
	}

	const dark, plain = `{"theme":"dark","zone":"local","sound":false}`, `{"theme":"system","zone":"local","sound":false}`
	call("PUT", "/api/v1/me/preferences", `{"theme":"dark"}`)
	call("POST", "/api/v1/users", `{"name":"root","password":"`+secret+`","grants":[{"role":"admin","path":"/"}]}`)
	user = "root"
	add := func() {
		call("POST", "/api/v1/users", `{"name":"ada","password":"`+secret+`","grants":[{"role":"viewer","path":"/shop"}]}`)
	}
	as := func(name, method, body string) string {
		before := user
		defer func() { user = before }()
		user = name
		return call(method, "/api/v1/me/preferences", body)
	}
	add()
	if got := as("ada", "GET", ""); got != plain {
		t.Errorf("ada finds what nobody left: %s", got)
	}
	if got := as("ada", "PUT", `{"theme":"dark"}`); got != dark {
		t.Errorf("ada gets %s", got)
	}
	call("DELETE", "/api/v1/users/ada", "")
	add()
	if got := as("ada", "GET", ""); got != plain {
		t.Errorf("another ada finds %s", got)
	}
	if got := as("ada", "PUT", `{"theme":"dark"}`); got != dark {
		t.Errorf("the other ada gets %s", got)
	}
	stop()
	for next() != "the end" { // The stream does not outlive the server.
	}

	// The command line removes her from the database of a manager that does not run.
	h, end, err := app.OpenAccounts(t.Context(), app.Config{Data: data}, "root")
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodDelete, "http://x/api/v1/users/ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &recorder{header: http.Header{}}
	if h.ServeHTTP(w, r); w.status != http.StatusNoContent {
		t.Errorf("%d %s", w.status, w.String())
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	facts, err := store.Open(t.Context(), store.Options{Address: filepath.Join(data, "facts.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := facts.Close(); err != nil {
			t.Error(err)
		}
	}()
	var left int
	err = facts.Read(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Row("SELECT COUNT(*) FROM drawer WHERE kind = 'desk' AND name = 'ada'", nil, &left)
		return err
	})
	if err != nil || left != 0 {
		t.Errorf("%d of a user who was removed, %v", left, err)
	}
}
