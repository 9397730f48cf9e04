package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/account"
	"grove/tree/store/audit"
	"grove/viewer"
	"grove/viewer/access"
	"grove/viewer/access/attempt"
	"grove/viewer/access/oidc"
	"grove/viewer/access/oidc/oidctest"
	"grove/viewer/access/password"
	"grove/viewer/access/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	right = "correct horse battery"
	other = "another horse stands here"
)

// world is a server with users, as programs and browsers see it.
type world struct {
	url       string
	audit     *audit.Log
	directory *account.Directory
	skew      atomic.Int64
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }

func grow(t *testing.T, provider func(redirect string) *oidc.Provider) *world {
	t.Helper()
	w := &world{}
	s, err := store.Open(t.Context(), store.Options{Address: filepath.Join(t.TempDir(), "facts.db"), Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w.audit = audit.New(s, "north", w.now)
	w.directory = account.New(account.Options{Store: s, Audit: w.audit, Now: w.now})
	if err := w.directory.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(func() { server.Close(); http.DefaultClient.CloseIdleConnections() })
	w.url = server.URL
	passwords := password.New(password.Params{Memory: 64, Time: 1, Threads: 1}, 2)
	o := access.Options{
		Directory: w.directory, Passwords: passwords, Audit: w.audit, Loopback: true, Free: []string{"/"}, Refuse: viewer.WriteProblem, Now: w.now,
		Limits: attempt.Options{Name: attempt.Rate{Burst: 4, Every: time.Minute}},
	}
	if provider != nil {
		o.OIDC, o.OIDCTitle = provider(w.url+"/api/v1/login/oidc/callback"), "Company login"
	}
	door := access.New(o)
	mux := http.NewServeMux()
	config := huma.DefaultConfig("grove", "1")
	config.RejectUnknownQueryParameters = true
	config.CreateHooks = nil // No $schema in answers, as the server has it.
	rest.New(rest.Options{
		Access: door, Directory: w.directory, Passwords: passwords, Manager: "north", Problem: viewer.Problem, Now: w.now,
	}).Register(humago.New(mux, config))
	mux.Handle("/api/v1/login/", door.OpenID())
	mux.HandleFunc("/whoami", func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, grant.Of(r.Context()).Name) })
	handler = door.Handler(mux)
	return w
}

// client is a browser, or a program.
type client struct {
	*http.Client
	t      *testing.T
	w      *world
	header http.Header
	jar    map[string]string // cookies
	last   http.Header       // of the answer
}

func (w *world) client(t *testing.T) *client {
	return &client{t: t, w: w, header: http.Header{}, jar: map[string]string{}, Client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send sends a request and returns the status and the answer.
func (c *client) send(method, path string, body any) (int, string) {
	c.t.Helper()
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	target := path
	if strings.HasPrefix(path, "/") {
		target = c.w.url + path
	}
	r, err := http.NewRequest(method, target, in)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = c.header.Clone()
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := c.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	for _, k := range res.Cookies() {
		if c.jar[k.Name] = k.Value; k.MaxAge < 0 {
			delete(c.jar, k.Name)
		}
	}
	c.last = res.Header
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// is sends a request whose answer has a status and a part of a text.
func (c *client) is(status int, want, method, path string, body any) string {
	c.t.Helper()
	got, text := c.send(method, path, body)
	if got != status || !strings.Contains(text, want) {
		c.t.Errorf("%s %s: %d %s, want %d %s", method, path, got, text, status, want)
	}
	return text
}

func (c *client) login(name, secret string) {
	c.t.Helper()
	c.is(200, `"name":"`+name+`"`, "POST", "/api/v1/session", map[string]string{"name": name, "password": secret})
}

// begun has ada, an admin, and bob, who sees /shop; both are logged in.
func begun(t *testing.T) (w *world, ada, bob *client) {
	t.Helper()
	w = grow(t, nil)
	first := w.client(t)
	first.is(201, `"name":"ada"`, "POST", "/api/v1/users", user("ada", "admin", "/"))
	ada, bob = w.client(t), w.client(t)
	ada.login("ada", right)
	ada.is(201, `"name":"bob"`, "POST", "/api/v1/users", user("bob", "viewer", "/shop"))
	bob.login("bob", right)
	return w, ada, bob
}

func user(name, role, path string) map[string]any {
	return map[string]any{"name": name, "password": right, "grants": []map[string]string{{"role": role, "path": path}}}
}

func TestTheFirstMinutes(t *testing.T) {
	w := grow(t, nil)
	c := w.client(t)
	c.is(200, `{"name":"anonymous","open":true,"login":false,"grants":[{"role":"admin","path":"/"}],"methods":[],"method":"open","password":false,"manager":"north"}`, "GET", "/api/v1/me", nil)
	c.is(409, "no login is needed here", "POST", "/api/v1/session", map[string]string{"name": "ada", "password": right})
	c.is(200, `{"tokens":[]}`, "GET", "/api/v1/tokens?user=*", nil)
	c.is(422, "no login is needed here, so you are no user", "GET", "/api/v1/tokens", nil)
	c.is(422, "the first user has to be admin on /", "POST", "/api/v1/users", user("ada", "viewer", "/"))
	c.is(422, "the password is too weak", "POST", "/api/v1/users", map[string]any{"name": "ada", "password": "short", "grants": []any{}})
	c.is(201, `"grants":[{"role":"admin","path":"/"}],"disabled":false,"password":true`, "POST", "/api/v1/users", user("Ada", "admin", "/"))
	c.is(200, `{"name":"","open":false,"login":true,"grants":[],"methods":["password"],"password":false,"manager":"north"}`, "GET", "/api/v1/me", nil)
	c.is(401, "log in first", "GET", "/api/v1/users", nil)
	c.is(401, "the name or the password is wrong", "POST", "/api/v1/session", map[string]string{"name": "ada", "password": "wrong"})
	c.is(401, "the name or the password is wrong", "POST", "/api/v1/session", map[string]string{"name": "eve", "password": right})
	if got := c.last.Get("WWW-Authenticate"); got != `Bearer realm="grove"` {
		t.Errorf("the challenge is %q", got)
	}
	c.login("ada", right)
	for i, life := range []string{"2592000", "34560000"} { // the session's, and that of a browser that is known
		if set := c.last.Values("Set-Cookie"); len(set) != 2 || !strings.Contains(set[i], "; Path=/; Max-Age="+life+"; HttpOnly; SameSite=Lax") || strings.Contains(set[i], "Secure") {
			t.Errorf("the cookies are %s", set)
		}
	}
	c.is(200, `"method":"session","source":"local","password":true,"expires":"`, "GET", "/api/v1/me", nil)
	c.is(200, "ada", "GET", "/whoami", nil)
	before := c.jar
	c.jar = map[string]string{}
	for k, v := range before {
		c.jar[k] = v
	}
	c.login("ada", right)
	again := w.client(t)
	again.jar = before
	again.is(401, "log in", "GET", "/whoami", nil) // The session of before has ended with the login.
	c.is(204, "", "DELETE", "/api/v1/session", nil)
	c.is(401, "log in", "GET", "/whoami", nil)
	c.is(204, "", "DELETE", "/api/v1/session", nil)
}

func TestCookiesBehindTLS(t *testing.T) {
	w, _, _ := begun(t)
	c := w.client(t)
	c.header.Set("X-Forwarded-Proto", "https")
	c.login("ada", right)
	if set := c.last.Get("Set-Cookie"); !strings.HasPrefix(set, "__Host-grove-") || !strings.Contains(set, "; Secure") || strings.Contains(set, "Domain") {
		t.Errorf("the cookie is %s", set)
	}
	c.is(200, "ada", "GET", "/whoami", nil)
}

// TestWhatWhoMay is the table of rights.
func TestWhatWhoMay(t *testing.T) {
	w, ada, bob := begun(t)
	token := func(c *client, body map[string]any) *client {
		var made rest.NewToken
		if err := json.Unmarshal([]byte(c.is(201, `"token":"grove_`, "POST", "/api/v1/tokens", body)), &made); err != nil {
			t.Fatal(err)
		}
		program := w.client(t)
		program.header.Set("Authorization", "Bearer "+made.Text)
		return program
	}
	clients := map[string]*client{
		"ada": ada, "bob": bob, "nobody": w.client(t), "bob's token": token(bob, map[string]any{"name": "ci"}), "ada's token": token(ada, map[string]any{"name": "all"}),
		"ada's small token": token(ada, map[string]any{"name": "small", "grants": []map[string]string{{"role": "admin", "path": "/shop"}}}),
	}
	for _, c := range []struct {
		method, path string
		body         any
		want         map[string]int // who is not here may
	}{
		{"GET", "/api/v1/users", nil, map[string]int{"bob": 403, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"GET", "/api/v1/users/bob", nil, map[string]int{"bob": 403, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"POST", "/api/v1/users", user("Bad name", "viewer", "/"), map[string]int{"ada": 422, "ada's token": 422, "bob": 403, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"PATCH", "/api/v1/users/bob", map[string]any{"title": "Bob"}, map[string]int{"bob": 403, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"PUT", "/api/v1/users/eve/password", map[string]any{"password": other}, map[string]int{"ada": 404, "ada's token": 404, "bob": 403, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"DELETE", "/api/v1/users/eve", nil, map[string]int{"ada": 404, "ada's token": 404, "bob": 403, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"GET", "/api/v1/tokens", nil, map[string]int{"nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"GET", "/api/v1/tokens?user=ada", nil, map[string]int{"bob": 403, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"GET", "/api/v1/tokens?user=*", nil, map[string]int{"bob": 403, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"POST", "/api/v1/tokens", map[string]any{"name": "", "user": "bob"}, map[string]int{"ada": 422, "ada's token": 422, "bob": 422, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"DELETE", "/api/v1/tokens/none", nil, map[string]int{"ada": 404, "ada's token": 404, "bob": 404, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"GET", "/api/v1/sessions", nil, map[string]int{"nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"GET", "/api/v1/sessions?user=ada", nil, map[string]int{"bob": 403, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"DELETE", "/api/v1/sessions/none", nil, map[string]int{"ada": 404, "ada's token": 404, "bob": 404, "nobody": 401, "bob's token": 403, "ada's small token": 403}},
		{"PUT", "/api/v1/me/password", map[string]any{"current": "x", "password": "short"}, map[string]int{"ada": 422, "bob": 422, "nobody": 401, "ada's token": 403, "bob's token": 403, "ada's small token": 403}},
		{"GET", "/api/v1/me", nil, nil},
	} {
		for name, client := range clients {
			status, text := client.send(c.method, c.path, c.body)
			if want := c.want[name]; want == 0 && status != 200 || want != 0 && status != want {
				t.Errorf("%s: %s %s: %d %s, want %d", name, c.method, c.path, status, text, want)
			}
			if status >= 400 && !strings.HasPrefix(client.last.Get("Content-Type"), "application/problem+json") {
				t.Errorf("%s: %s %s: the error is %s", name, c.method, c.path, client.last.Get("Content-Type"))
			}
		}
	}
}

func TestUsers(t *testing.T) {
	w, ada, bob := begun(t)
	ada.is(409, "user bob: is there already", "POST", "/api/v1/users", user("bob", "viewer", "/"))
	ada.is(422, "expected value to be one of", "PATCH", "/api/v1/users/bob", map[string]any{"grants": []map[string]string{{"role": "root", "path": "/"}}})
	ada.is(409, "nobody would be left who may manage users", "PATCH", "/api/v1/users/ada", map[string]any{"disabled": true})
	ada.is(409, "nobody would be left who may manage users", "DELETE", "/api/v1/users/ada", nil)
	ada.is(200, `"title":"Bob B.","source":"local","grants":[{"role":"viewer","path":"/shop"}]`, "PATCH", "/api/v1/users/bob", map[string]any{"title": "Bob B."})
	bob.is(200, "bob", "GET", "/whoami", nil)
	ada.is(200, `"sessions":1,"tokens":0`, "GET", "/api/v1/users/BOB", nil)
	ada.is(204, "", "PUT", "/api/v1/users/bob/password", map[string]any{"password": other})
	bob.is(401, "", "GET", "/whoami", nil)
	bob.is(401, "the name or the password is wrong", "POST", "/api/v1/session", map[string]string{"name": "bob", "password": right})
	bob.login("bob", other)
	second := w.client(t)
	second.login("bob", other)
	bob.is(403, "the current password is wrong", "PUT", "/api/v1/me/password", map[string]any{"current": "x", "password": right})
	bob.is(204, "", "PUT", "/api/v1/me/password", map[string]any{"current": other, "password": right})
	bob.is(200, "bob", "GET", "/whoami", nil)
	second.is(401, "", "GET", "/whoami", nil) // Another session of the user has ended.
	ada.is(200, `"disabled":true`, "PATCH", "/api/v1/users/bob", map[string]any{"disabled": true})
	bob.is(401, "", "GET", "/whoami", nil)
	bob.is(401, "the name or the password is wrong", "POST", "/api/v1/session", map[string]string{"name": "bob", "password": right})
	ada.is(200, `"disabled":false`, "PATCH", "/api/v1/users/bob", map[string]any{"disabled": false, "grants": []map[string]string{{"role": "admin"}}})
	bob.login("bob", right)
	bob.is(204, "", "DELETE", "/api/v1/users/ada", nil)
	ada.is(401, "", "GET", "/whoami", nil)
	bob.is(200, `{"users":[{"name":"bob"`, "GET", "/api/v1/users", nil)
}

func TestTokens(t *testing.T) {
	w, ada, bob := begun(t)
	bob.is(403, "a token of bob may no more than bob does: viewer /shop", "POST", "/api/v1/tokens", map[string]any{"name": "ci", "grants": []map[string]string{{"role": "viewer", "path": "/"}}})
	bob.is(422, "a token ends after now, and within 5 years", "POST", "/api/v1/tokens", map[string]any{"name": "ci", "expires": "2020-01-01T00:00:00Z"})
	var made rest.NewToken
	text := bob.is(201, `"grants":[{"role":"viewer","path":"/shop/a"}],"allowed":[{"role":"viewer","path":"/shop/a"}]`, "POST", "/api/v1/tokens", map[string]any{"name": "ci", "grants": []map[string]string{{"role": "viewer", "path": "/shop/a"}}})
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		t.Fatal(err)
	}
	bob.is(409, "a token ci of bob is there already", "POST", "/api/v1/tokens", map[string]any{"name": "ci"})
	ada.is(201, `"user":"bob"`, "POST", "/api/v1/tokens", map[string]any{"name": "another", "user": "bob"})
	program := w.client(t)
	program.header.Set("Authorization", "Bearer "+made.Text)
	program.is(200, "token ci of bob", "GET", "/whoami", nil)
	program.is(200, `"name":"token ci of bob","open":false,"login":false,"grants":[{"role":"viewer","path":"/shop/a"}],"methods":["password"],"method":"token"`, "GET", "/api/v1/me", nil)
	bob.is(200, `"last_used":"`, "GET", "/api/v1/tokens", nil)
	if all := bob.is(200, `"name":"another"`, "GET", "/api/v1/tokens", nil); strings.Contains(all, made.Text) {
		t.Error("the list has the text of a token")
	}
	ada.is(200, "", "PATCH", "/api/v1/users/bob", map[string]any{"grants": []map[string]string{{"role": "viewer", "path": "/bank"}}})
	program.is(200, `"grants":[]`, "GET", "/api/v1/me", nil) // Nothing is left of it.
	ada.is(204, "", "DELETE", "/api/v1/tokens/"+made.ID, nil)
	program.is(401, "the token is not known here", "GET", "/whoami", nil)
}

func TestSessions(t *testing.T) {
	w, ada, bob := begun(t)
	second := w.client(t)
	second.header.Set("User-Agent", "phone")
	second.login("bob", right)
	var list rest.Sessions
	if err := json.Unmarshal([]byte(bob.is(200, `"agent":"phone"`, "GET", "/api/v1/sessions", nil)), &list); err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, s := range list.Sessions {
		if s.Current == (s.Agent == "phone") || s.User != "bob" || s.Method != "password" || s.Address != "127.0.0.1" {
			t.Errorf("%+v", s)
		}
		if s.Agent == "phone" {
			id = s.ID
		}
	}
	bob.is(204, "", "DELETE", "/api/v1/sessions/"+id, nil)
	second.is(401, "", "GET", "/whoami", nil)
	second.login("bob", right)
	bob.is(204, "", "DELETE", "/api/v1/sessions", nil)
	second.is(401, "", "GET", "/whoami", nil)
	bob.is(200, "bob", "GET", "/whoami", nil)
	ada.is(204, "", "DELETE", "/api/v1/sessions?user=bob", nil)
	bob.is(401, "", "GET", "/whoami", nil)
	ada.is(200, `"user":"ada"`, "GET", "/api/v1/sessions?user=*", nil)
	w.skew.Store(int64(25 * time.Hour)) // Nothing was asked for all day.
	ada.is(401, "log in", "GET", "/whoami", nil)
}

func TestGuessesAreSlowedDown(t *testing.T) {
	w, _, _ := begun(t)
	c := w.client(t)
	// From where she has logged in nobody locks her out, but guessing ends there, too.
	for range 4 {
		c.is(401, "wrong", "POST", "/api/v1/session", map[string]string{"name": "eve", "password": "x"})
	}
	c.is(429, "too many logins have failed: try again in 1m0s", "POST", "/api/v1/session", map[string]string{"name": "eve", "password": "x"})
	if got := c.last.Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After: %s", got)
	}
	c.login("ada", right)
}

// TestWhoHasLoggedInIsNotLockedOut: neither by who guesses the password, nor by who spends
// the guesses of the address; also when grove has begun anew since.
func TestWhoHasLoggedInIsNotLockedOut(t *testing.T) {
	w, _, _ := begun(t)
	ada := w.client(t)
	ada.login("ada", right)
	ada.is(204, "", "DELETE", "/api/v1/session", nil)
	guesser := w.client(t)
	for range 40 {
		guesser.send("POST", "/api/v1/session", map[string]string{"name": "ada", "password": "x"})
		guesser.send("POST", "/api/v1/session", map[string]string{"name": "eve", "password": "x"})
	}
	guesser.is(429, "too many logins have failed", "POST", "/api/v1/session", map[string]string{"name": "ada", "password": right})
	ada.login("ada", right)
	for range 4 {
		ada.is(401, "wrong", "POST", "/api/v1/session", map[string]string{"name": "ada", "password": "x"})
	}
	ada.is(429, "too many logins have failed", "POST", "/api/v1/session", map[string]string{"name": "ada", "password": right})
	ada.is(429, "too many logins have failed", "POST", "/api/v1/session", map[string]string{"name": "eve", "password": right})
}

// TestAnotherUserAtTheSameBrowser: the session of before is nobody's then.
func TestAnotherUserAtTheSameBrowser(t *testing.T) {
	w, ada, _ := begun(t)
	ada.is(201, "", "POST", "/api/v1/users", user("joe", "viewer", "/"))
	c := w.client(t)
	c.login("ada", right)
	stolen := w.client(t)
	for k, v := range c.jar {
		stolen.jar[k] = v
	}
	stolen.is(200, "ada", "GET", "/whoami", nil)
	c.login("joe", right)
	c.is(200, "joe", "GET", "/whoami", nil)
	stolen.is(401, "log in", "GET", "/whoami", nil)
	records, err := w.audit.Read(t.Context(), audit.Query{Action: "logout"})
	if err != nil || len(records) != 1 || records[0].Who != "ada" || records[0].Was != "password from 127.0.0.1" {
		t.Errorf("the audit log has %v, %v", records, err)
	}
}

// TestOpenID logs in by a real provider, with a browser that has cookies.
func TestOpenID(t *testing.T) {
	var p *oidc.Provider
	var issuer string
	w := grow(t, func(redirect string) *oidc.Provider {
		ops, err := oidc.ParseRule("ops=editor /shop")
		if err != nil {
			t.Fatal(err)
		}
		issuer = oidctest.Start(t, redirect)
		p, err = oidc.New(oidc.Options{
			Issuer: issuer, ClientID: oidctest.Client, Secret: func() (string, error) { return oidctest.Secret, nil }, Grants: []oidc.Rule{ops},
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
	t.Cleanup(p.Close)
	c := w.client(t)
	c.is(200, `"open":false,"login":true,"grants":[],"methods":["password","oidc"],"oidc":"Company login"`, "GET", "/api/v1/me", nil)
	login := func(c *client, user string) string {
		t.Helper()
		c.is(303, "", "GET", "/api/v1/login/oidc?then="+url.QueryEscape("#/tree?find=x"), nil)
		back := oidctest.Login(t, c.last.Get("Location"), user)
		c.is(303, "", "GET", back.String(), nil)
		return c.last.Get("Location")
	}
	if to := login(c, "ada"); to != "/#/tree?find=x" {
		t.Errorf("it ends at %s", to)
	}
	c.is(200, `{"name":"ada","title":"Ada Lovelace","open":false,"login":false,"grants":[{"role":"editor","path":"/shop"}]`, "GET", "/api/v1/me", nil)
	c.is(409, "you have no password here to change", "PUT", "/api/v1/me/password", map[string]any{"current": "x", "password": other})
	// Eve was in a group when she logged in the last time.
	session, _, err := w.directory.Login(t.Context(), account.Login{
		Provided: &account.User{Name: "eve", Source: "oidc", Subject: issuer + " eve", Grants: []grant.Grant{grant.Everything}}, Method: "oidc", Life: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	before := w.directory.Session(session)
	if to := login(w.client(t), "eve"); to != "/#/login?problem=grants&then=%23%2Ftree%3Ffind%3Dx" {
		t.Errorf("who is in no group ends at %s", to)
	}
	if now := w.directory.Session(session); before == nil || before.Subject.Still() || now == nil || len(now.Subject.Grants) != 0 {
		t.Errorf("who is in no group any more keeps what she had: %v", now)
	}
	c.is(303, "", "GET", "/api/v1/login/oidc/callback?code=x&state=y", nil)
	if to := c.last.Get("Location"); to != "/#/login?problem=stale" {
		t.Errorf("a made up answer ends at %s", to)
	}
	// Another site's page can send a browser here as often as it likes: it locks nobody out.
	for range 40 {
		w.client(t).is(303, "", "GET", "/api/v1/login/oidc/callback?code=x&state=y", nil)
	}
	if to := login(w.client(t), "ada"); to != "/#/tree?find=x" {
		t.Errorf("after many made up answers a login ends at %s", to)
	}
	w.client(t).is(401, "the name or the password is wrong", "POST", "/api/v1/session", map[string]string{"name": "joe", "password": "x"})
	c.is(405, "only GET", "POST", "/api/v1/login/oidc", nil)
	name := "bob"
	if _, err := w.directory.Add(t.Context(), account.By{}, account.User{Name: name, Grants: []grant.Grant{grant.Everything}}); err != nil {
		t.Fatal(err)
	}
	if to := login(w.client(t), name); !strings.HasPrefix(to, "/#/login?problem=taken") {
		t.Errorf("who has the name of a local user ends at %s", to)
	}
	records, err := w.audit.Read(t.Context(), audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range records {
		lines = append([]string{r.Who + "|" + r.Action + "|" + r.Target + "|" + r.Became + "|" + r.Outcome}, lines...)
	}
	want := []string{
		"oidc|user add|ada|editor /shop; title Ada Lovelace|ok", "ada|login|ada|oidc|ok",
		"oidc|user add|eve|admin|ok", "eve|login|eve|oidc|ok",
		"oidc|user change|eve|nothing|ok", "eve|login|eve|oidc|failed: none of the groups has a role here", "unknown user|login||oidc|failed: it took too long, or was begun in another browser",
		"ada|login|ada|oidc|ok", "unknown user|login||password|failed: no such user",
		"|user add|bob|admin|ok", "bob|login|bob|oidc|failed: the name belongs to another user",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}
