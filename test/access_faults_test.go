package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"grove/cmd/app"
)

// caller asks a manager as somebody.
type caller struct {
	*manager
	name, password string
	token, cookie  string
}

// try sends a request and returns the status, the answer, and the cookie that came.
func (c *caller) try(method, target string, body any) (status int, text []byte, cookie string) {
	c.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		c.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.Context(), method, c.url+target, bytes.NewReader(data))
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	switch {
	case c.token != "":
		req.Header.Set("Authorization", "Bearer "+c.token)
	case c.cookie != "":
		req.Header.Set("Cookie", c.cookie)
	case c.name != "":
		req.SetBasicAuth(c.name, c.password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer res.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(res.Body); err != nil {
		c.Fatal(err)
	}
	for _, k := range res.Cookies() {
		cookie += k.Name + "=" + k.Value + "; "
	}
	cookie = strings.TrimSuffix(cookie, "; ")
	return res.StatusCode, answer.Bytes(), cookie
}

// must is try for what has to be done.
func (c *caller) must(method, target string, body, into any) (cookie string) {
	c.Helper()
	status, text, cookie := c.try(method, target, body)
	if status >= 300 {
		c.Fatalf("%s %s: %d %s", method, target, status, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			c.Fatal(err)
		}
	}
	return cookie
}

// is asks for something that only tells a status.
func (c *caller) is(what string, want int) {
	c.Helper()
	if status, text, _ := c.try(http.MethodGet, "/api/v1/tree?depth=1", nil); status != want {
		c.Errorf("%s: %d, want %d: %.300s", what, status, want, text)
	}
}

const strong = "correct horse battery"

func person(name, role string) map[string]any {
	return map[string]any{"name": name, "password": strong, "grants": []any{map[string]any{"role": role, "path": "/"}}}
}

// TestKilledManagerKnowsWhoMayComeIn kills the manager right after each change of who may do what
// was acknowledged.
func TestKilledManagerKnowsWhoMayComeIn(t *testing.T) {
	t.Parallel()
	r := newTrial(t, 1, 1)
	root := &caller{manager: r.start(), name: "root", password: strong}
	var kept, revoked, last struct{ ID, Token string }
	root.name = ""
	root.must(http.MethodPost, "/api/v1/users", person("root", "admin"), nil)
	root.name = "root"
	r.kill() // The door must not open again.
	root.manager = r.start()
	nobody := &caller{manager: root.manager}
	nobody.is("nobody after the first user", http.StatusUnauthorized)

	for _, name := range []string{"ada", "bob", "eve"} {
		root.must(http.MethodPost, "/api/v1/users", person(name, "editor"), nil)
	}
	ada := &caller{manager: root.manager}
	ada.cookie = ada.must(http.MethodPost, "/api/v1/session", map[string]any{"name": "ada", "password": strong}, nil)
	out := &caller{manager: root.manager}
	out.cookie = out.must(http.MethodPost, "/api/v1/session", map[string]any{"name": "ada", "password": strong}, nil)
	root.must(http.MethodPost, "/api/v1/tokens", map[string]any{"name": "kept"}, &kept)
	root.must(http.MethodPost, "/api/v1/tokens", map[string]any{"name": "revoked"}, &revoked)
	ada.must(http.MethodPut, "/api/v1/thresholds/calm/Number", map[string]any{"red": "> 77"}, nil)
	out.must(http.MethodDelete, "/api/v1/session", nil, nil)
	yes := true
	root.must(http.MethodPatch, "/api/v1/users/bob", map[string]any{"disabled": yes}, nil)
	root.must(http.MethodDelete, "/api/v1/users/eve", nil, nil)
	root.must(http.MethodPost, "/api/v1/tokens", map[string]any{"name": "last"}, &last)
	root.must(http.MethodDelete, "/api/v1/tokens/"+revoked.ID, nil, nil)
	r.kill()

	m := r.start()
	port := func(m *manager) string { return "grove-" + m.url[strings.LastIndexByte(m.url, ':')+1:] }
	as := func(c caller) *caller {
		c.manager, c.cookie = m, strings.ReplaceAll(c.cookie, port(root.manager), port(m)) // A browser would ask at the same address.
		return &c
	}
	as(caller{}).is("nobody", http.StatusUnauthorized)
	as(caller{cookie: ada.cookie}).is("a session", http.StatusOK)
	as(caller{cookie: out.cookie}).is("a session that was logged out", http.StatusUnauthorized)
	as(caller{token: kept.Token}).is("a token", http.StatusOK)
	as(caller{token: last.Token}).is("the last token", http.StatusOK)
	as(caller{token: revoked.Token}).is("a token that was revoked", http.StatusUnauthorized)
	as(caller{name: "ada", password: strong}).is("a user", http.StatusOK)
	as(caller{name: "bob", password: strong}).is("a user who was disabled", http.StatusUnauthorized)
	as(caller{name: "eve", password: strong}).is("a user who was removed", http.StatusUnauthorized)
	var node struct {
		Thresholds struct {
			Red   string
			Tuned bool
		}
	}
	root = as(caller{name: "root", password: strong})
	root.must(http.MethodGet, "/api/v1/nodes/calm/Number", nil, &node)
	if node.Thresholds.Red != "> 77" || !node.Thresholds.Tuned {
		t.Errorf("the threshold is %+v", node.Thresholds)
	}
	var log struct {
		Records []struct{ Action, Outcome, Who string }
	}
	root.must(http.MethodGet, "/api/v1/audit?limit=100", nil, &log)
	for _, action := range []string{"user add", "user change", "user remove", "token create", "token revoke", "login", "logout", "thresholds put"} {
		if !slices.ContainsFunc(log.Records, func(r struct{ Action, Outcome, Who string }) bool {
			return r.Action == action && r.Outcome == "ok" && r.Who != ""
		}) {
			t.Errorf("the audit log does not know %q: %+v", action, log.Records)
		}
	}
}

// TestLoginsWithoutTheDatabase takes the database away: who is in stays in, who comes is
// told why he cannot, what would change something is refused, and all comes back by
// itself.
func TestLoginsWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	address, server := postgres(t)
	m := serve(t, func(c *app.Config) { c.Name, c.Database = "one", address })
	m.hurt = true // It may end before all is written that it could not write.
	m.write("calm.yaml", calmDefinition)
	m.loaded("calm")
	first := &caller{manager: m}
	first.must(http.MethodPost, "/api/v1/users", person("root", "admin"), nil)
	root := &caller{manager: m}
	login := map[string]any{"name": "root", "password": strong}
	root.cookie = root.must(http.MethodPost, "/api/v1/session", login, nil)
	var token struct{ ID, Token string }
	root.must(http.MethodPost, "/api/v1/tokens", map[string]any{"name": "program"}, &token)
	program := &caller{manager: m, token: token.Token}
	program.is("a token before", http.StatusOK)
	if err := server.Stop(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	back := false
	t.Cleanup(func() {
		if !back {
			_ = server.Start()
		}
	})
	nobody := &caller{manager: m}
	root.is("a session without the database", http.StatusOK)
	program.is("a token without the database", http.StatusOK)
	nobody.is("nobody without the database", http.StatusUnauthorized)
	for _, c := range []struct {
		what, method, target string
		who                  *caller
		body                 any
	}{
		{"a login", http.MethodPost, "/api/v1/session", nobody, login},
		{"a token", http.MethodPost, "/api/v1/tokens", root, map[string]any{"name": "more"}},
		{"a user", http.MethodPost, "/api/v1/users", root, person("eve", "admin")},
		{"no token", http.MethodDelete, "/api/v1/tokens/" + token.ID, root, nil},
		{"a threshold", http.MethodPut, "/api/v1/thresholds/calm/Number", root, map[string]any{"red": "> 1"}},
	} {
		status, text, cookie := c.who.try(c.method, c.target, c.body)
		var problem struct{ Detail string }
		if err := json.Unmarshal(text, &problem); status != http.StatusServiceUnavailable || err != nil || problem.Detail == "" || cookie != "" {
			t.Errorf("%s without the database: %d %s, %v, a cookie: %t", c.what, status, text, err, cookie != "")
		}
		for _, inside := range []string{"password", "dial", "socket", "grovepg", "pgx", "SQLSTATE"} {
			if strings.Contains(string(text), inside) {
				t.Errorf("%s without the database tells of %s: %s", c.what, inside, text)
			}
		}
	}
	wrong := map[string]any{"name": "root", "password": "wrong horse battery"}
	if status, text, _ := nobody.try(http.MethodPost, "/api/v1/session", wrong); status != http.StatusUnauthorized && status != http.StatusServiceUnavailable {
		t.Errorf("a wrong password without the database: %d %s", status, text)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	back = true
	m.eventually(func() error {
		if status, text, _ := nobody.try(http.MethodPost, "/api/v1/session", login); status >= 300 {
			return fmt.Errorf("a login with the database again: %d %s", status, text)
		}
		return nil
	})
	if status, _, _ := nobody.try(http.MethodPost, "/api/v1/session", map[string]any{"name": "eve", "password": strong}); status != http.StatusUnauthorized {
		t.Errorf("the user who could not be added comes in: %d", status)
	}
	var node struct{ Thresholds struct{ Tuned bool } }
	root.must(http.MethodGet, "/api/v1/nodes/calm/Number", nil, &node)
	if node.Thresholds.Tuned {
		t.Error("the threshold that was refused holds")
	}
}
