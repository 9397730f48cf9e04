package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"grove/cmd/app"
	"grove/viewer/export/sapcontrol/listener"
)

// freeInstance is the number of a SAP instance whose port and socket nobody has.
func freeInstance(t *testing.T) int {
	t.Helper()
	for n := 99; n >= 0; n-- {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", listener.Port(n)))
		if err != nil {
			continue
		}
		_ = l.Close()
		if c, err := new(net.Dialer).DialContext(t.Context(), "unix", listener.Socket(n)); err == nil {
			_ = c.Close()
			continue
		}
		return n
	}
	t.Skip("every port for a SAP instance is taken")
	return 0
}

// TestSAPToolsShowWhoTheyAre asks SAPControl at its own port and its own socket, as SAP's
// tools do, which know nothing but Basic authentication.
func TestSAPToolsShowWhoTheyAre(t *testing.T) {
	t.Parallel()
	instance := freeInstance(t)
	e := newEstate(t, func(c *app.Config) { c.SAPListen, c.SAPInstance = true, instance })
	port := &http.Transport{}
	socket := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", listener.Socket(instance))
	}}
	t.Cleanup(func() { port.CloseIdleConnections(); socket.CloseIdleConnections() })
	token := map[string]string{}
	for _, a := range e.askers {
		token[a.name] = a.token
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	basic := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	all := []string{e.acme, e.zenith, e.vault}
	for where, transport := range map[string]*http.Transport{fmt.Sprintf("127.0.0.1:%d", listener.Port(instance)): port, "localhost": socket} {
		client := &http.Client{Transport: transport, Timeout: patience}
		for _, c := range []struct {
			name   string
			sign   func(*http.Request)
			status int
			sees   []string
		}{
			{"nobody", func(*http.Request) {}, http.StatusUnauthorized, nil},
			{"a wrong token", bearer("grove_" + strings.Repeat("x", 43)), http.StatusUnauthorized, nil},
			{"a wrong password", basic("ada", "wrong horse battery"), http.StatusUnauthorized, nil},
			{"a token", bearer(token["viewer of a customer"]), http.StatusOK, all[1:2]},
			{"a token as the password", basic("sapadm", token["viewer of a subtree"]), http.StatusOK, all[:1]},
			{"a user", basic("ada", "correct horse battery"), http.StatusOK, all[:1]},
			{"a user who sees all", basic("root", "correct horse battery"), http.StatusOK, all},
		} {
			for _, function := range []string{"GetAlertTree", "GetAlerts"} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+where+"/SAPControl.cgi", strings.NewReader(soapOf("<m:"+function+"/>")))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", soapType)
				c.sign(req)
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil {
					t.Fatal(err)
				}
				if res.StatusCode != c.status {
					t.Errorf("%s, %s at %s: %s, want %d\n%s", c.name, function, where, res.Status, c.status, text)
				}
				if c.status == http.StatusUnauthorized && !strings.Contains(strings.Join(res.Header.Values("WWW-Authenticate"), ","), "Basic") {
					t.Errorf("%s at %s: it is not said how to log in: %v", c.name, where, res.Header)
				}
				for _, name := range all {
					if sees, told := strings.Contains(" "+strings.Join(c.sees, " ")+" ", " "+name+" "), strings.Contains(string(text), name); sees != told {
						t.Errorf("%s, %s at %s: sees %t, is told %t\n%s", c.name, function, where, sees, told, around(string(text), name))
					}
				}
			}
		}
	}
}

// TestListenersEndWithTheirToken revokes the token of a client of Jolokia that listens to
// a node: on a stream, and by asking for what came.
func TestListenersEndWithTheirToken(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var token struct{ ID, Token string }
	e.send(nil, http.MethodPost, "/api/v1/tokens", map[string]any{"name": "listener", "grants": []any{map[string]any{"role": "viewer", "path": "/plant/North"}}}, http.StatusCreated, &token)
	a := &asker{name: "listener", token: token.Token, sees: []string{e.acme}}
	ask := func(body map[string]any) (status int, value any) {
		t.Helper()
		got := e.tryAs(a, &use{method: http.MethodPost, target: "/jolokia", body: body}, "identity")
		var answer struct {
			Status int
			Value  any
		}
		if got.status != http.StatusOK {
			return got.status, got.text
		}
		if err := json.Unmarshal([]byte(got.text), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Status, answer.Value
	}
	must := func(body map[string]any) any {
		t.Helper()
		status, value := ask(body)
		if status != http.StatusOK {
			t.Fatalf("%v: %d %v", body, status, value)
		}
		return value
	}
	registered, _ := must(map[string]any{"type": "notification", "command": "register"}).(map[string]any)
	id, _ := registered["id"].(string)
	backend, _ := registered["backend"].(map[string]any)
	pulled, _ := backend["pull"].(map[string]any)
	store, _ := pulled["store"].(string)
	add := func(mode, path string) map[string]any {
		return map[string]any{"type": "notification", "command": "add", "client": id, "mode": mode, "mbean": `grove:type=Node,path="` + path + `"`}
	}
	handle := must(add("pull", north+e.acme))
	must(add("sse", north+e.acme))
	if status, value := ask(add("sse", south+e.zenith)); status != http.StatusNotFound {
		t.Errorf("a bean that is hidden: %d %v", status, value)
	}
	stream := e.events(ctx, a, "/jolokia/notification/open/"+id+"/sse")
	push := func(value int) {
		t.Helper()
		var out map[string]any
		e.send(nil, http.MethodPost, "/api/v1/readings", []any{reading{"path": north + e.acme, "value": value}}, http.StatusOK, &out)
	}
	pull := map[string]any{"type": "exec", "mbean": store, "operation": "pull", "arguments": []any{id, handle}}
	push(5)
	if err := stream.until(e.acme); err != nil {
		t.Fatal(err)
	}
	e.eventually(func() error {
		if status, value := ask(pull); status != http.StatusOK || !strings.Contains(fmt.Sprint(value), e.acme) {
			return fmt.Errorf("pull: %d %v", status, value)
		}
		return nil
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, e.url+"/api/v1/tokens/"+token.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("root", "correct horse battery")
	if code, answer := e.do(req); code != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", code, answer)
	}
	push(95)
	before := stream.text.Len()
	if err := stream.until("what never comes"); ctx.Err() != nil {
		t.Errorf("the stream goes on: %v", err)
	}
	if more := stream.text.String()[before:]; strings.Contains(more, e.acme) {
		t.Errorf("the stream tells of what came after its token: %s", more)
	}
	for _, body := range []map[string]any{pull, {"type": "notification", "command": "ping", "client": id}, add("pull", north+e.acme)} {
		if status, value := ask(body); status != http.StatusUnauthorized {
			t.Errorf("%v: %d %v", body, status, value)
		}
	}
}
