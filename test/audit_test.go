package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/viewer/record"
)

// auditor makes changes and reads what the audit log says of each.
type auditor struct {
	*estate
	root    *asker
	seq     int64             // of the newest record that was read
	secrets map[string]string // by what they are
}

// skip leaves out what is in the log by now.
func (o *auditor) skip() {
	o.Helper()
	got := o.tryAs(o.root, &use{method: http.MethodGet, target: "/api/v1/audit?limit=1"}, "identity")
	var page record.Audited
	if err := json.Unmarshal([]byte(got.text), &page); err != nil || len(page.Records) != 1 {
		o.Fatalf("audit: %d %v: %s", got.status, err, got.text)
	}
	o.seq = page.Records[0].Seq
}

// news are the records since the last time: "action: outcome, outcome", for each action
// that there is in the order of the log.
func (o *auditor) news(who string) (lines []string) {
	o.Helper()
	got := o.tryAs(o.root, &use{method: http.MethodGet, target: "/api/v1/audit?limit=100"}, "identity")
	var page record.Audited
	if err := json.Unmarshal([]byte(got.text), &page); err != nil || got.status != http.StatusOK {
		o.Fatalf("audit: %d %v: %s", got.status, err, got.text)
	}
	slices.Reverse(page.Records)
	for _, r := range page.Records {
		if r.Seq <= o.seq {
			continue
		}
		o.seq = r.Seq
		if last := len(lines) - 1; last >= 0 && strings.HasPrefix(lines[last], r.Action+": ") {
			lines[last] += ", " + r.Outcome
		} else {
			lines = append(lines, r.Action+": "+r.Outcome)
		}
		if r.Who != who || !strings.HasPrefix(r.Origin, "127.0.0.1") || r.Manager == "" || r.Target == "" && r.Action != "backup" {
			o.Errorf("who, from where or what is not said, or is not %s: %+v", who, r)
		}
		text := fmt.Sprintf("%+v", r)
		for what, secret := range o.secrets {
			if strings.Contains(text, secret) {
				o.Errorf("the audit log tells %s: %s", what, text)
			}
		}
	}
	return lines
}

// TestOneAuditRecordPerChange makes one of every change: where it takes a while, the log
// says that it begins and how it ended, else it has one record, written with the change
// itself.
func TestOneAuditRecordPerChange(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	o := &auditor{estate: e, secrets: map[string]string{"a password": "correct horse battery", "a new password": "staple wrong mule"}}
	var made struct{ ID, Token string }
	e.send(nil, http.MethodPost, "/api/v1/tokens", map[string]any{"name": "auditor"}, http.StatusCreated, &made)
	const token = "token auditor of root"
	o.root = &asker{name: "auditor", token: made.Token}
	o.secrets["a token"] = made.Token
	ada := &asker{name: "ada", session: e.login("ada")}
	_, secret, _ := strings.Cut(ada.session, "=")
	o.secrets["a session"] = secret
	alerts := e.alerted()
	o.skip()

	node := north + e.acme
	mbean := `grove:type=Node,path="` + node + `"`
	bean := "name=" + url.QueryEscape(mbean)
	// over sends a request as somebody, and gives back a part of the answer.
	over := func(a *asker, method, target string, body any, status int) map[string]any {
		t.Helper()
		got := e.tryAs(a, &use{method: method, target: target, body: body}, "identity")
		if got.status != status {
			t.Fatalf("%s %s: %d %s", method, target, got.status, got.text)
		}
		answer := map[string]any{}
		if strings.HasPrefix(got.text, "{") {
			if err := json.Unmarshal([]byte(got.text), &answer); err != nil {
				t.Fatal(err)
			}
		}
		return answer
	}
	jolokia := func(body map[string]any, status int) func() {
		return func() {
			t.Helper()
			if answer := over(o.root, http.MethodPost, "/jolokia", body, http.StatusOK); answer["status"] != float64(status) {
				t.Fatalf("%v: %v", body, answer)
			}
		}
	}
	rest := func(a *asker, method, target string, body any, status int) func() {
		return func() { t.Helper(); over(a, method, target, body, status) }
	}
	word := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(word, []byte(o.secrets["a new password"]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := ""
	command := func(args ...string) func() {
		return func() {
			t.Helper()
			c := exec.CommandContext(t.Context(), "grove", args...)
			c.Env = append(os.Environ(), "GROVE_SERVER="+e.url, "GROVE_TOKEN=env:AUDITOR", "AUDITOR="+o.root.token)
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %v: %s", args, err, out)
			}
			printed = strings.TrimSpace(string(out))
		}
	}
	file := filepath.Join(t.TempDir(), "shared.yaml")
	if err := os.WriteFile(file, []byte("grove: 1\napplication: shared\nat: /shared\ntree: { Word: { kind: text } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	definition := func(word string) map[string]any {
		return map[string]any{"text": "grove: 1\napplication: mine\nat: /mine\ntree: { " + word + ": { kind: text } }\n"}
	}
	var id, program string // of a token, and what it shows
	grants := []any{map[string]any{"role": "viewer", "path": "/plant"}}
	both := func(action string) []string { return []string{action + ": begun, ok"} }
	once := func(action string) []string { return []string{action + ": ok"} }
	for _, c := range []struct {
		name string
		do   func()
		who  string
		want []string
	}{
		{"what is only read", func() {
			over(o.root, "GET", "/api/v1/tree", nil, 200)
			over(o.root, "POST", "/jolokia", map[string]any{"type": "read", "mbean": mbean}, 200)
			over(o.root, "POST", "/api/v1/bean/operation?"+bean, map[string]any{"operation": "causes"}, 200)
		}, token, nil},
		{"what is refused", func() {
			over(ada, "PUT", "/api/v1/thresholds"+node, map[string]any{"red": "> 99"}, 403)
			over(ada, "PUT", "/api/v1/thresholds"+south+e.zenith, map[string]any{"red": "> 99"}, 404)
			over(ada, "POST", "/api/v1/users", map[string]any{"name": "eve", "grants": grants}, 403)
			over(ada, "POST", "/jolokia", map[string]any{"type": "write", "mbean": mbean, "attribute": "ClearAfter", "value": "1s"}, 200)
			over(o.root, "PUT", "/api/v1/thresholds"+node, map[string]any{"red": "nonsense"}, 422)
		}, token, nil},
		{"a threshold", rest(o.root, "PUT", "/api/v1/thresholds"+node, map[string]any{"red": "> 99"}, 200), token, both("thresholds put")},
		{"a threshold as it was", rest(o.root, "DELETE", "/api/v1/thresholds"+node, nil, 200), token, both("thresholds delete")},
		{"a definition", rest(o.root, "PUT", "/api/v1/definitions/mine", definition("One"), 200), token, both("definition put")},
		{"another", rest(o.root, "PUT", "/api/v1/definitions/mine", definition("Two"), 200), token, both("definition put")},
		{"the first again", rest(o.root, "POST", "/api/v1/definitions/mine/rollback", map[string]any{"to": 1}, 200), token, both("definition rollback")},
		{"no definition", rest(o.root, "DELETE", "/api/v1/definitions/mine", nil, 200), token, both("definition remove")},
		{"a definition by the command", command("definitions", "put", file), token, both("definition put")},
		{"none by the command", command("definitions", "remove", "shared"), token, both("definition remove")},
		{"a backup", rest(o.root, "POST", "/api/v1/backup", nil, 200), token, both("backup")},
		{"an attribute", rest(o.root, "PUT", "/api/v1/bean/attribute?"+bean, map[string]any{"attribute": "ClearAfter", "value": 1}, 200), token, both("bean set")},
		{"an operation", rest(o.root, "POST", "/api/v1/bean/operation?"+bean, map[string]any{"operation": "reset"}, 200), token, both("bean invoke")},
		{"an attribute by JMX", jolokia(map[string]any{"type": "write", "mbean": mbean, "attribute": "ClearAfter", "value": 2}, 200), token, both("jolokia write")},
		{"an operation by JMX", jolokia(map[string]any{"type": "exec", "mbean": mbean, "operation": "reset"}, 200), token, both("jolokia exec")},
		{"an operation by JMX that fails", jolokia(map[string]any{"type": "exec", "mbean": "grove:type=Timer", "operation": "removeNotification", "arguments": []any{999}}, 404), token, []string{`jolokia exec: begun, invoke grove:type=Timer: operation "removeNotification": remove from the timer: no such bean: notification 999`}},
		{"a user", rest(o.root, "POST", "/api/v1/users", map[string]any{"name": "eve", "password": o.secrets["a password"], "grants": grants}, 201), token, once("user add")},
		{"what he may", rest(o.root, "PATCH", "/api/v1/users/eve", map[string]any{"grants": []any{}}, 200), token, once("user change")},
		{"his password", rest(o.root, "PUT", "/api/v1/users/eve/password", map[string]any{"password": o.secrets["a new password"]}, 204), token, once("user password")},
		{"no user", rest(o.root, "DELETE", "/api/v1/users/eve", nil, 204), token, once("user remove")},
		{"a user by the command", command("user", "add", "bob", "--role", "viewer", "--password-file", word), token, once("user add")},
		{"what he may by the command", command("user", "grant", "bob", "--role", "operator"), token, once("user change")},
		{"that he may not come in", command("user", "disable", "bob"), token, once("user change")},
		{"his password by the command", command("user", "password", "bob", "--password-file", word), token, once("user password")},
		{"a token by the command", func() {
			command("token", "create", "tool", "--user", "root", "--role", "viewer", "--json")()
			var made struct{ ID, Token string }
			if err := json.Unmarshal([]byte(printed), &made); err != nil {
				t.Fatal(err)
			}
			id, o.secrets["a token by the command"] = made.ID, made.Token
		}, token, once("token create")},
		{"no token by the command", func() { command("token", "revoke", id)() }, token, once("token revoke")},
		{"no user by the command", command("user", "remove", "bob"), token, once("user remove")},
		{"a token", func() {
			made := over(ada, "POST", "/api/v1/tokens", map[string]any{"name": "own", "grants": []any{map[string]any{"role": "viewer", "path": "/plant/North"}}}, 201)
			id, _ = made["id"].(string)
			program, _ = made["token"].(string)
			o.secrets["a token of hers"] = program
		}, "ada", once("token create")},
		{"no token", func() { over(ada, "DELETE", "/api/v1/tokens/"+id, nil, 204) }, "ada", once("token revoke")},
		{"to acknowledge alerts", rest(ada, "POST", "/api/v1/alerts/acknowledge", map[string]any{"ids": []any{alerts[node], alerts[south+e.zenith]}, "comment": "mine"}, 200), "ada", both("alerts acknowledge")},
		{"to acknowledge what is hidden", rest(ada, "POST", "/api/v1/alerts/acknowledge", map[string]any{"ids": []any{alerts[south+e.zenith]}}, 200), "ada", nil},
		{"to take that back by the command", command("unack", node), token, both("alerts unacknowledge")},
		{"to acknowledge by the command", command("ack", node, "--for", "2h"), token, both("alerts acknowledge")},
		{"to resolve one", rest(o.root, "POST", "/api/v1/alerts/resolve", map[string]any{"ids": []any{alerts[node]}}, 200), token, both("alerts resolve")},
		{"a maintenance by the command", command("maintenance", "add", node, "--for", "1h", "--name", "move"), token, both("maintenance add")},
		{"its end by the command", command("maintenance", "end", "move"), token, both("maintenance end")},
		{"no maintenance by the command", command("maintenance", "remove", "move"), token, both("maintenance remove")},
		{"a stop by the command", command("outbox", "stop"), token, both("outbox stop")},
		{"a start by the command", command("outbox", "start", "desk"), token, both("outbox start")},
		{"a channel that fails", rest(o.root, "POST", "/api/v1/channels/desk/test", nil, 502), token, []string{"channel test: begun, the channel did not take the message: 127.0.0.1:9: dial tcp 127.0.0.1:9: connect: connection refused"}},
		{"what is only tried", func() {
			over(o.root, "POST", "/api/v1/what-if", map[string]any{"set": map[string]any{node: "green"}}, 200)
			over(o.root, "POST", "/api/v1/routes/explain", map[string]any{"path": south + e.zenith}, 200)
		}, token, nil},
		{"to ask now", rest(ada, "POST", "/api/v1/ask"+node, nil, 409), "ada", nil}, // Nothing can be asked: it is pushed.
		{"what has a wrong body", func() {
			for _, u := range []use{
				{method: "PUT", target: "/api/v1/me/password", body: map[string]any{"nonsense": 1, "password": o.secrets["a password"]}},
				{method: "PUT", target: "/api/v1/me/password", body: map[string]any{"current": "short1", "password": "short2"}},
				{method: "PUT", target: "/api/v1/me/password", body: []any{o.secrets["a password"]}},
				{method: "POST", target: "/api/v1/users", body: map[string]any{"name": "!", "secret": o.secrets["a password"]}},
				{method: "POST", target: "/api/v1/users", body: o.secrets["a password"], kind: "application/json"},
				{method: "POST", target: "/api/v1/session", body: map[string]any{"nobody": "ada", "password": o.secrets["a password"]}},
			} {
				got := e.tryAs(ada, &u, "identity")
				if got.status < 400 || got.status >= 500 {
					t.Errorf("%s: %d", u.target, got.status)
				}
				for _, secret := range []string{o.secrets["a password"], "short1", "short2"} {
					if strings.Contains(got.text, secret) {
						t.Errorf("%s repeats what may be a secret: %s", u.target, got.text)
					}
				}
			}
		}, token, nil},
		{"a password of one's own", rest(ada, "PUT", "/api/v1/me/password", map[string]any{"current": o.secrets["a password"], "password": o.secrets["a new password"]}, 204), "ada", once("user password")},
		{"a login that fails", func() {
			over(&asker{}, "POST", "/api/v1/session", map[string]any{"name": "ada", "password": "not hers at all"}, 401)
		}, "ada", []string{"login: failed: wrong password"}},
		{"to log out", rest(ada, "DELETE", "/api/v1/session", nil, 204), "ada", once("logout")},
	} {
		c.do()
		if d := cmp.Diff(c.want, o.news(c.who)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	if whole := over(o.root, "GET", "/api/v1/audit/verification", nil, 200); whole["whole"] != true {
		t.Errorf("the audit log is not whole: %v", whole)
	}
}
