package test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"grove/cmd/app"
)

// TestAManagerThatStartsWithoutItsDatabaseLetsIn starts a manager while its database is
// away: who is known comes in as before, nothing can be changed, and who was disabled
// meanwhile is out as soon as the database answers. Without a copy nobody comes in.
func TestAManagerThatStartsWithoutItsDatabaseLetsIn(t *testing.T) {
	t.Parallel()
	address, server := postgres(t)
	data := t.TempDir()
	begin := func() *manager {
		return serve(t, func(c *app.Config) { c.Name, c.Database, c.Data = "one", address, data })
	}
	one := begin()
	first := &caller{manager: one}
	first.must(http.MethodPost, "/api/v1/users", person("root", "admin"), nil)
	root, bob := &caller{manager: one, name: "root", password: strong}, &caller{manager: one, name: "bob", password: strong}
	root.must(http.MethodPost, "/api/v1/users", person("bob", "viewer"), nil)
	cookie := bob.must(http.MethodPost, "/api/v1/session", map[string]any{"name": "bob", "password": strong}, nil)
	var token struct{ ID, Token string }
	root.must(http.MethodPost, "/api/v1/tokens", map[string]any{"name": "program"}, &token)
	if err := one.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	file := filepath.Join(data, "accounts.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("the copy: %v, %v", info, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(strings.Split(cookie, "; ")[0], "=")
	for what, s := range map[string]string{"password": strong, "token": token.Token, "session": secret} {
		if s == "" || bytes.Contains(text, []byte(s)) {
			t.Errorf("the copy has the %s", what)
		}
	}

	// Another manager disables bob while this one does not run.
	two := serve(t, func(c *app.Config) { c.Name, c.Database = "two", address })
	two.hurt = true
	(&caller{manager: two, name: "root", password: strong}).must(http.MethodPatch, "/api/v1/users/bob", map[string]any{"disabled": true}, nil)

	if err := server.Stop(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	back := false
	t.Cleanup(func() {
		if !back {
			_ = server.Start()
		}
	})
	port := func(m *manager) string { return "grove-" + m.url[strings.LastIndexByte(m.url, ':')+1:] }
	before := port(one)
	one = begin()
	one.hurt = true // It may end before all is written that it could not write.
	nobody := &caller{manager: one}
	root, bob = &caller{manager: one, name: "root", password: strong}, &caller{manager: one, name: "bob", password: strong}
	session := &caller{manager: one, cookie: strings.ReplaceAll(cookie, before, port(one))} // A browser would ask at the same address.
	program := &caller{manager: one, token: token.Token}
	nobody.is("nobody", http.StatusUnauthorized)
	root.is("a password", http.StatusOK)
	bob.is("a password of who is disabled since", http.StatusOK)
	session.is("a session", http.StatusOK)
	program.is("a token", http.StatusOK)
	(&caller{manager: one, name: "root", password: "wrong horse battery"}).is("a wrong password", http.StatusUnauthorized)
	var node struct{ Value, Status string }
	root.must(http.MethodGet, "/api/v1/nodes/grove/Access", nil, &node)
	if !strings.Contains(node.Value, "copy") || node.Status != "yellow" {
		t.Errorf("/grove/Access is %+v", node)
	}
	for what, try := range map[string]func() (int, []byte, string){
		"a new session": func() (int, []byte, string) {
			return nobody.try(http.MethodPost, "/api/v1/session", map[string]any{"name": "root", "password": strong})
		},
		"a new user": func() (int, []byte, string) {
			return root.try(http.MethodPost, "/api/v1/users", person("eve", "admin"))
		},
		"a change": func() (int, []byte, string) {
			return root.try(http.MethodPatch, "/api/v1/users/bob", map[string]any{"disabled": true})
		},
	} {
		if status, text, _ := try(); status != http.StatusServiceUnavailable || !bytes.Contains(text, []byte("database")) {
			t.Errorf("%s without the database: %d %s", what, status, text)
		}
	}

	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	back = true
	one.eventually(func() error {
		if status, _, _ := bob.try(http.MethodGet, "/api/v1/tree?depth=1", nil); status != http.StatusUnauthorized {
			return fmt.Errorf("who was disabled meanwhile is answered %d", status)
		}
		return nil
	})
	session.is("a session of who was disabled", http.StatusUnauthorized)
	root.is("a password with the database again", http.StatusOK)
	program.is("a token with the database again", http.StatusOK)
}
