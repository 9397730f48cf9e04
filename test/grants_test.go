package test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"grove/cmd/app"
	"grove/tree"
	"grove/tree/grant"
)

// estate is a manager with nodes of two customers, each with a name that stands nowhere
// else, and with tokens of those who see one, the other, all or nothing.
type estate struct {
	*manager
	// The names: of what is acme's, of what is zenith's, and of an instance that is
	// nobody's.
	acme, zenith, vault string
	askers              []*asker
}

// asker is somebody who asks.
type asker struct {
	name   string
	grants []grant.Grant
	token  string // of a program
	// session is the cookie of a person. Neither of them: nobody.
	session string
	sees    []string
}

const (
	north = "/plant/North/"
	south = "/plant/South/"
)

// estateOf has a definition of what two customers have, and one of what nobody has.
const estateOf = `grove: 1
application: plant
at: /plant
properties: { customer: acme }
tree:
  North:
    nodes:
      ACME: { kind: performance, unit: "%%", description: of ACME, red: "> 90", metric: m_ACME, labels: { l_ACME: v_ACME }, properties: { serial: ACME } }
      ACMElog: { kind: log }
      ACMEstate: { kind: status, states: { "is ACME": green, "*": red }, depends_on: [/plant/South/ZENITH] }
  South:
    properties: { customer: zenith }
    nodes:
      ZENITH: { kind: performance, unit: "%%", description: of ZENITH, red: "> 90", metric: m_ZENITH, labels: { l_ZENITH: v_ZENITH }, properties: { serial: ZENITH, contact: ZENITH } }
      ZENITHlog: { kind: log }
      ZENITHstate: { kind: status, states: { "is ZENITH": green, "*": red } }
`

const vaultOf = `grove: 1
application: VAULT
title: The VAULT
description: of VAULT
at: /VAULT
properties: { service: VAULT, address: VAULT.example, customer: c VAULT }
tree:
  Gold: { kind: performance, description: of VAULT, red: "> 90", metric: m_VAULT, labels: { l_VAULT: v_VAULT } }
  Log: { kind: log }
`

// alertsOf has routes that tell of everybody by name, to a channel that takes nothing.
const alertsOf = `
channels: { desk: { kind: ntfy, api: "http://127.0.0.1:9", topic: desk } }
routes:
  - { name: of ACME, when: { under: /plant/North/ACME }, to: [desk], continue: true }
  - { name: of ZENITH, when: { under: [/plant/South, /VAULT] }, to: [desk], continue: true }
  - { name: all, when: { under: [/plant, /VAULT], customer: ["*", VAULT] }, to: [desk] }
`

// word is a name that nothing has by chance: no digit of it is an index, no part a word.
func word(begin string) string { return begin + strings.ToLower(rand.Text()[:16]) }

// newEstate starts the manager.
func newEstate(t *testing.T, edit ...func(*app.Config)) *estate {
	t.Helper()
	rules := filepath.Join(t.TempDir(), "jolokia")
	if err := os.WriteFile(rules, []byte("grove:* write *\ngrove:* exec *\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := &estate{acme: word("xa"), zenith: word("xz"), vault: word("xv")}
	names := strings.NewReplacer("ACME", e.acme, "ZENITH", e.zenith, "VAULT", e.vault, "%%", "%")
	told := filepath.Join(t.TempDir(), "alerts.yaml")
	if err := os.WriteFile(told, []byte(names.Replace(alertsOf)), 0o600); err != nil {
		t.Fatal(err)
	}
	e.manager = serve(t, append(edit, func(c *app.Config) { c.Jolokia, c.Alerts = rules, told })...)
	e.write("plant.yaml", names.Replace(estateOf))
	e.write(e.vault+".yaml", names.Replace(vaultOf))
	e.loaded("plant")
	e.loaded(e.vault)
	for _, at := range []string{north + e.acme, south + e.zenith} {
		name := at[strings.LastIndex(at, "/")+1:]
		e.push(reading{"path": at, "value": 95}, reading{"path": at + "log", "event": map[string]any{"text": "it says " + name, "status": "yellow"}}, reading{"path": at + "state", "value": "was " + name})
	}
	e.push(reading{"path": "/" + e.vault + "/Gold", "value": 95}, reading{"path": "/" + e.vault + "/Log", "event": map[string]any{"text": "it says " + e.vault, "status": "red"}})
	e.is(north+e.acme, "95", "red")
	e.is("/"+e.vault+"/Gold", "95", "red")

	// The first user ends that everybody may do everything.
	var made map[string]any
	e.send(nil, http.MethodPost, "/api/v1/users", map[string]any{"name": "root", "password": "correct horse battery", "grants": []any{map[string]any{"role": "admin", "path": "/"}}}, http.StatusCreated, &made)
	all := []string{e.acme, e.zenith, e.vault}
	for _, a := range []*asker{
		{name: "viewer", grants: []grant.Grant{{Role: grant.Viewer}}, sees: all},
		{name: "viewer of a subtree", grants: []grant.Grant{{Role: grant.Viewer, Path: tree.MustPath("/plant/North")}}, sees: all[:1]},
		{name: "viewer of a node", grants: []grant.Grant{{Role: grant.Viewer, Path: tree.MustPath(north + e.acme)}}, sees: all[:1]},
		{name: "viewer of a customer", grants: []grant.Grant{{Role: grant.Viewer, Customer: "zenith"}}, sees: all[1:2]},
		{name: "operator of a subtree", grants: []grant.Grant{{Role: grant.Operator, Path: tree.MustPath("/plant/North")}}, sees: all[:1]},
		{name: "editor of a subtree", grants: []grant.Grant{{Role: grant.Editor, Path: tree.MustPath("/plant/North")}}, sees: all[:1]},
		{name: "admin of a customer", grants: []grant.Grant{{Role: grant.Admin, Customer: "acme"}}, sees: all[:1]},
		{name: "operator", grants: []grant.Grant{{Role: grant.Operator}}, sees: all},
		{name: "editor", grants: []grant.Grant{{Role: grant.Editor}}, sees: all},
		{name: "admin", grants: []grant.Grant{{Role: grant.Admin}}, sees: all},
		{name: "nobody"},
	} {
		e.askers = append(e.askers, a)
		if a.grants == nil {
			continue
		}
		texts := make([]any, len(a.grants))
		for i, g := range a.grants {
			texts[i] = map[string]any{"role": g.Role.String(), "path": g.Path.String(), "customer": g.Customer}
		}
		var token struct{ Token string }
		e.send(nil, http.MethodPost, "/api/v1/tokens", map[string]any{"name": a.name, "grants": texts}, http.StatusCreated, &token)
		a.token = token.Token
	}
	// A person sees what his programs see, and does what they may not.
	e.send(nil, http.MethodPost, "/api/v1/users", map[string]any{"name": "ada", "password": "correct horse battery", "grants": []any{map[string]any{"role": "operator", "path": "/plant/North"}}}, http.StatusCreated, &made)
	e.askers = append(e.askers, &asker{name: "person", grants: []grant.Grant{{Role: grant.Operator, Path: tree.MustPath("/plant/North")}}, session: e.login("ada"), sees: all[:1]})
	return e
}

// alerted waits until the alerts of all that is red are there, and returns their numbers by
// path. What of acme's depends on zenith's is held back because of that.
func (e *estate) alerted() map[string]string {
	e.Helper()
	ids := map[string]string{}
	e.eventually(func() error {
		var page struct {
			Alerts []struct{ ID, Path, State string }
		}
		e.send(nil, http.MethodGet, "/api/v1/alerts", nil, http.StatusOK, &page)
		states := map[string]string{}
		for _, a := range page.Alerts {
			ids[a.Path], states[a.Path] = a.ID, a.State
		}
		for path, state := range map[string]string{north + e.acme: "open", south + e.zenith: "open", "/" + e.vault + "/Gold": "open", north + e.acme + "state": "suppressed"} {
			if states[path] != state {
				return fmt.Errorf("the alert of %s is %q, not %s", path, states[path], state)
			}
		}
		return nil
	})
	return ids
}

// login begins a session and returns its cookie.
func (e *estate) login(name string) string {
	e.Helper()
	req, err := http.NewRequestWithContext(e.Context(), http.MethodPost, e.url+"/api/v1/session", strings.NewReader(`{"name":"`+name+`","password":"correct horse battery"}`))
	if err != nil {
		e.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := e.http.Do(req)
	if err != nil {
		e.Fatal(err)
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		return c.Name + "=" + c.Value
	}
	e.Fatalf("login: %s", res.Status)
	return ""
}

// send asks for something that must be done, as the first user unless somebody is named.
func (e *estate) send(a *asker, method, target string, body any, status int, into any) {
	e.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		e.Fatal(err)
	}
	req, err := http.NewRequestWithContext(e.Context(), method, e.url+target, bytes.NewReader(text))
	if err != nil {
		e.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if a == nil && len(e.askers) > 0 {
		req.SetBasicAuth("root", "correct horse battery")
	} else if a != nil {
		a.sign(req)
	}
	code, answer := e.do(req)
	if code != status {
		e.Fatalf("%s %s: %d %s", method, target, code, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		e.Fatal(err)
	}
}

func (a *asker) sign(req *http.Request) {
	switch {
	case a.token != "":
		req.Header.Set("Authorization", "Bearer "+a.token)
	case a.session != "":
		req.Header.Set("Cookie", a.session)
	}
}

// whole says whether somebody has at least a role on everything.
func (a *asker) whole(r grant.Role) bool { return (&grant.Subject{Grants: a.grants}).Whole(r) }

// may says whether somebody has at least a role on the node that is acme's, which all who
// see one thing of acme's see.
func (a *asker) may(r grant.Role) bool {
	return slices.ContainsFunc(a.grants, func(g grant.Grant) bool { return g.Role >= r && (g.Customer == "" || g.Customer == "acme") })
}

// use is one way to ask for something.
type use struct {
	route  string // the pattern of the server; its method, too, unless it is a prefix
	method string
	target string
	body   any    // a text is sent as it is, anything else as JSON
	kind   string // content type of a text
	need   need
	// lists are the names that the answer has of those that the asker sees.
	lists []string
}

// need is what it takes to be answered.
type need struct {
	free  bool       // anybody
	whole grant.Role // on the whole manager
	node  grant.Role // on the node that is acme's
	login bool       // to be logged in: programs have no sessions, and make no tokens unless they may do everything
	// absent is the status of what is about a node that is not there; 404 when it is 0.
	absent int
	// None of them: to be known. What is not seen is left out.
}

// outcome is what becomes of a request: whether it is answered, refused, or about
// something that is not there.
func (n *need) outcome(a *asker) string {
	switch {
	case n.free:
		return "answered"
	case a.token == "" && a.session == "":
		return "unknown"
	case n.login:
		if a.session == "" && !a.whole(grant.Admin) {
			return "refused"
		}
	case n.whole > grant.None:
		if a.whole(n.whole) {
			return "answered"
		}
		return "refused"
	case n.node > grant.None:
		switch {
		case a.may(n.node):
			return "answered"
		case a.may(grant.Viewer):
			return "refused"
		}
		return "absent"
	}
	return "answered"
}

func outcomeOf(status int, n *need) string {
	switch {
	case n.free && status < 500:
		return "answered"
	case status == http.StatusUnauthorized:
		return "unknown"
	case status == http.StatusForbidden:
		return "refused"
	case status == cmp.Or(n.absent, http.StatusNotFound) && n.node > grant.None:
		return "absent"
	case status < 500:
		return "answered"
	}
	return fmt.Sprint(status)
}

const soapType = "text/xml; charset=utf-8"

// soapOf is a message for SAPControl.
func soapOf(body string) string {
	return `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="urn:SAPControl"><soap:Body>` + body + `</soap:Body></soap:Envelope>`
}

// uses are all ways to ask that there are.
func (e *estate) uses() []use {
	const viewer, operator, editor, admin = grant.Viewer, grant.Operator, grant.Editor, grant.Admin
	node := north + e.acme
	alerts := e.alerted()
	number := map[string]any{"ids": []any{alerts[node], alerts[south+e.zenith], "1"}}
	numbered := func(more map[string]any) map[string]any { maps.Copy(more, number); return more }
	bean := url.QueryEscape(`grove:type=Node,path="` + node + `"`)
	span := "from=2020-01-01T00:00:00Z&to=now"
	free, login := need{free: true}, need{login: true}
	all, plant := []string{e.acme, e.zenith, e.vault}, []string{e.acme, e.zenith}
	ofNode := func(r grant.Role) need { return need{node: r} }
	whole := func(r grant.Role) need { return need{whole: r} }
	list := []use{
		{route: "GET /healthz", need: free}, {route: "GET /readyz", need: free},
		{route: "GET /api/v1/me", need: free}, {route: "POST /api/v1/session", body: map[string]any{"name": "x", "password": "y"}, need: free},
		{route: "DELETE /api/v1/session", need: free},
		{route: "GET /api/v1/openapi.json"}, {route: "GET /api/v1/openapi.yaml"},

		// The tree.
		{route: "GET /api/v1/tree", lists: all},
		{route: "GET /api/v1/tree", target: "/api/v1/tree?status=red&text=x", lists: all},
		{route: "GET /api/v1/nodes/{path...}", target: "/api/v1/nodes" + node, need: ofNode(viewer), lists: all[:1]},
		{route: "GET /api/v1/nodes/{path...}", target: "/api/v1/nodes/plant"},
		{route: "GET /api/v1/nodes/{path...}", target: "/api/v1/nodes/"},
		{route: "POST /api/v1/ask/{path...}", target: "/api/v1/ask" + node, need: ofNode(operator)},
		{route: "PUT /api/v1/thresholds/{path...}", target: "/api/v1/thresholds" + node, body: map[string]any{"red": "> 91"}, need: ofNode(editor)},
		{route: "DELETE /api/v1/thresholds/{path...}", target: "/api/v1/thresholds" + node, need: ofNode(editor)},
		{route: "POST /api/v1/readings", body: reading{"path": node, "value": 96}, need: need{node: operator, absent: http.StatusUnprocessableEntity}},
		{route: "/api/v1/alertmanager/", method: "POST", target: "/api/v1/alertmanager", need: need{absent: http.StatusBadRequest}},
		{route: "/api/v1/cloudevents/", method: "POST", target: "/api/v1/cloudevents", need: need{absent: http.StatusBadRequest}},
		{route: "/otlp/", method: "POST", target: "/otlp/v1/metrics", need: need{absent: http.StatusUnsupportedMediaType}},
		{route: "/api/v1/write/", method: "POST", target: "/api/v1/write", need: need{absent: http.StatusBadRequest}}, // Nothing is written; who may write what has its own test.
		{route: "GET /api/v1/live", need: need{}},                                                                     // Without an upgrade; with one it has its own test.

		// What was.
		{route: "GET /api/v1/history", target: "/api/v1/history?path=" + node + "&" + span, need: ofNode(viewer), lists: all[:1]},
		{route: "GET /api/v1/history", target: "/api/v1/history?path=/plant&" + span},
		{route: "GET /api/v1/journal", target: "/api/v1/journal?limit=10000&" + span, lists: all},
		{route: "GET /api/v1/journal", target: "/api/v1/journal?path=/plant&order=oldest&" + span, lists: plant},
		{route: "GET /api/v1/moments"},

		// Definitions and the manager itself.
		{route: "GET /api/v1/definitions"},
		{route: "GET /api/v1/sources", target: "/api/v1/sources?file=" + e.vault + ".yaml"}, // It is absent for those who do not see the instance.
		{route: "GET /api/v1/shared-definitions", need: whole(viewer)},
		{route: "GET /api/v1/definitions/{name}", target: "/api/v1/definitions/x", need: whole(viewer)},
		{route: "GET /api/v1/definitions/{name}/revisions", target: "/api/v1/definitions/x/revisions", need: whole(viewer)},
		{route: "GET /api/v1/definitions/{name}/diff", target: "/api/v1/definitions/x/diff", need: whole(viewer)},
		{route: "PUT /api/v1/definitions/{name}", target: "/api/v1/definitions/x", body: map[string]any{"text": "nothing"}, need: whole(editor)},
		{route: "POST /api/v1/definitions/{name}/rollback", target: "/api/v1/definitions/x/rollback", body: map[string]any{"to": 1}, need: whole(editor)},
		{route: "DELETE /api/v1/definitions/{name}", target: "/api/v1/definitions/x", need: whole(editor)},
		{route: "POST /api/v1/plan", body: map[string]any{"files": []any{}}, need: whole(editor)},
		{route: "GET /api/v1/system", need: whole(viewer)}, {route: "GET /api/v1/managers"},
		{route: "GET /api/v1/audit", need: whole(admin)}, {route: "GET /api/v1/audit/verification", need: whole(admin)},
		{route: "POST /api/v1/backup", need: whole(admin)}, {route: "POST /api/v1/restores", need: whole(admin)},
		{route: "PUT /api/v1/restores/{id}", target: "/api/v1/restores/x?offset=0", body: "x", kind: "application/octet-stream", need: whole(admin)},
		{route: "POST /api/v1/restores/{id}/apply", target: "/api/v1/restores/x/apply?size=1", need: whole(admin)},
		{route: "DELETE /api/v1/restores/{id}", target: "/api/v1/restores/x", need: whole(admin)},

		// Alerts, and who is told of them. What was asked for by number has a result each.
		{route: "GET /api/v1/alerts", lists: all}, {route: "GET /api/v1/alerts", target: "/api/v1/alerts?state=all&text=x&status=red", lists: all},
		{route: "GET /api/v1/alerts", target: "/api/v1/alerts?cause=" + alerts[south+e.zenith]}, {route: "GET /api/v1/alerts", target: "/api/v1/alerts?text=has+failed"},
		{route: "GET /api/v1/alerts/{id}", target: "/api/v1/alerts/" + alerts[node], need: ofNode(viewer), lists: all[:1]},
		{route: "GET /api/v1/alerts/{id}", target: "/api/v1/alerts/" + alerts[node+"state"]}, // It is absent for who sees a node alone.
		{route: "GET /api/v1/alerts/{id}", target: "/api/v1/alerts/" + alerts[south+e.zenith]},
		{route: "/api/v1/alerts/stream/", method: "GET", target: "/api/v1/alerts/stream?what=1"}, // A stream has its own test.
		{route: "POST /api/v1/alerts/acknowledge", body: numbered(map[string]any{"comment": "seen"})}, {route: "POST /api/v1/alerts/unacknowledge", body: number},
		{route: "POST /api/v1/alerts/comment", body: numbered(map[string]any{"comment": "seen"})}, {route: "POST /api/v1/alerts/resolve", body: map[string]any{"ids": []any{"1"}}},
		{route: "GET /api/v1/maintenance"},
		{route: "POST /api/v1/maintenance", body: map[string]any{"name": "of " + e.acme, "at": []any{node}, "start": "2100-01-01T00:00:00Z", "for": "1h"}, need: ofNode(operator)},
		{route: "DELETE /api/v1/maintenance/{id}", target: "/api/v1/maintenance/none"}, {route: "POST /api/v1/maintenance/{id}/end", target: "/api/v1/maintenance/none/end"},
		{route: "GET /api/v1/routes", need: whole(viewer), lists: all},
		{route: "POST /api/v1/routes/explain", body: map[string]any{"path": node}, need: ofNode(viewer)},
		{route: "POST /api/v1/routes/explain", body: map[string]any{"path": node + "state", "status": "red"}},
		{route: "POST /api/v1/what-if", body: map[string]any{"set": map[string]any{node: "yellow"}}, need: ofNode(viewer)}, {route: "POST /api/v1/what-if", body: map[string]any{"set": map[string]any{node + "state": "white"}}},
		{route: "GET /api/v1/outbox", need: whole(operator)}, {route: "POST /api/v1/outbox/stop", body: map[string]any{"channel": "none"}, need: whole(admin)},
		{route: "POST /api/v1/outbox/start", body: map[string]any{"channel": "none"}, need: whole(admin)},
		{route: "POST /api/v1/outbox/send", body: map[string]any{"ids": []any{"1"}}, need: whole(admin)}, {route: "POST /api/v1/outbox/drop", body: map[string]any{"ids": []any{"1"}}, need: whole(admin)},
		{route: "POST /api/v1/channels/{name}/test", target: "/api/v1/channels/none/test", need: whole(admin)},

		// Other managers, and devices. Nobody is linked here: what is asked of them is about who is not there.
		{route: "GET /api/v1/peers", need: whole(viewer)}, {route: "GET /api/v1/peers/moves", need: whole(viewer)},
		{route: "GET /api/v1/devices", need: whole(viewer)}, {route: "GET /api/v1/duplicates", need: whole(viewer)},
		{route: "POST /api/v1/peers/invite", body: map[string]any{"name": "none", "for": "1h"}, need: whole(admin)},
		{route: "POST /api/v1/peers/join", body: map[string]any{"address": "tls://127.0.0.1:1", "token": "none"}, need: whole(admin)},
		{route: "POST /api/v1/peers/{id}/revoke", target: "/api/v1/peers/none/revoke", body: map[string]any{}, need: whole(admin)},
		{route: "POST /api/v1/peers/{id}/leave", target: "/api/v1/peers/none/leave", need: whole(admin)},
		{route: "POST /api/v1/peers/integrate", body: map[string]any{"on": false}, need: whole(admin)},
		{route: "POST /api/v1/peers/handover", body: map[string]any{"to": "none"}, need: whole(admin)}, {route: "POST /api/v1/peers/live", need: whole(admin)},
		{route: "POST /api/v1/devices/{name}/give", target: "/api/v1/devices/none/give", body: map[string]any{"to": "none"}, need: whole(admin)},
		{route: "POST /api/v1/devices/{name}/return", target: "/api/v1/devices/none/return", need: whole(admin)},
		{route: "POST /api/v1/devices/give", body: map[string]any{"devices": []string{"none"}, "to": "none"}, need: whole(admin)},
		{route: "POST /api/v1/devices/return", body: map[string]any{"devices": []string{"none"}}, need: whole(admin)},
		{route: "POST /api/v1/messages", body: map[string]any{"to": "none", "text": "x"}, need: whole(operator)},

		// Who asks, and others.
		{route: "GET /api/v1/me/preferences"}, {route: "PUT /api/v1/me/preferences", body: map[string]any{"theme": "dark"}},
		{route: "GET /api/v1/me/views"}, {route: "PUT /api/v1/me/views/{name}", target: "/api/v1/me/views/mine", body: map[string]any{"address": "#/tree"}},
		{route: "DELETE /api/v1/me/views/{name}", target: "/api/v1/me/views/other"},
		{route: "GET /api/v1/tokens", need: login}, {route: "GET /api/v1/sessions", need: login}, {route: "DELETE /api/v1/sessions/{id}", target: "/api/v1/sessions/none", need: login}, {route: "DELETE /api/v1/sessions", need: login},
		{route: "DELETE /api/v1/tokens/{id}", target: "/api/v1/tokens/none", need: login},
		{route: "GET /api/v1/users", need: whole(admin)}, {route: "GET /api/v1/users/{name}", target: "/api/v1/users/root", need: whole(admin)},
		{route: "POST /api/v1/users", body: map[string]any{"name": "!", "grants": []any{}}, need: whole(admin)},
		{route: "PATCH /api/v1/users/{name}", target: "/api/v1/users/none", body: map[string]any{}, need: whole(admin)},
		{route: "PUT /api/v1/users/{name}/password", target: "/api/v1/users/none/password", body: map[string]any{"password": "correct horse"}, need: whole(admin)},
		{route: "DELETE /api/v1/users/{name}", target: "/api/v1/users/none", need: whole(admin)},

		// Beans.
		{route: "GET /api/v1/beans", lists: all}, {route: "GET /api/v1/beans/domains"},
		{route: "GET /api/v1/bean", target: "/api/v1/bean?name=" + bean, need: ofNode(viewer), lists: all[:1]},
		{route: "GET /api/v1/bean", target: "/api/v1/bean?name=grove:type=Timer", need: whole(viewer)},
		{route: "PUT /api/v1/bean/attribute", target: "/api/v1/bean/attribute?name=" + bean, body: map[string]any{"attribute": "ClearAfter", "value": "1s"}, need: ofNode(editor)},
		{route: "POST /api/v1/bean/operation", target: "/api/v1/bean/operation?name=" + bean, body: map[string]any{"operation": "refresh"}, need: ofNode(operator)},
		{route: "POST /api/v1/bean/operation", target: "/api/v1/bean/operation?name=grove:type=Timer", body: map[string]any{"operation": "start"}, need: whole(admin)},

		// The faces.
		{route: "GET /metrics", lists: all}, {route: "GET /metrics", target: "/metrics?path=/plant"},
		{route: "/prometheus/", method: "GET", target: `/prometheus/api/v1/query?query={__name__=~".%2B"}`, lists: all},
		{route: "/prometheus/", method: "POST", target: "/prometheus/api/v1/query", body: `query=count by (path)({__name__=~".%2B"})`, kind: "application/x-www-form-urlencoded", lists: all},
		{route: "/prometheus/", method: "GET", target: `/prometheus/api/v1/series?match[]={__name__=~".%2B"}`, lists: all},
		{route: "/prometheus/", method: "GET", target: "/prometheus/api/v1/labels"},
		{route: "/prometheus/", method: "GET", target: "/prometheus/api/v1/label/path/values", lists: all},
		{route: "/prometheus/", method: "GET", target: "/prometheus/api/v1/label/__name__/values", lists: all},
		{route: "/prometheus/", method: "GET", target: "/prometheus/api/v1/metadata", lists: all},
		{route: "/jolokia/", method: "GET", target: "/jolokia/list?maxDepth=3", lists: all},
		{route: "/jolokia/", method: "GET", target: "/jolokia/search/*:*", lists: all},
		{route: "/jolokia/", method: "POST", target: "/jolokia", body: map[string]any{"type": "read", "mbean": "grove:type=Node,*"}, lists: all},
		{route: "/jolokia/", method: "POST", target: "/jolokia", body: map[string]any{"type": "exec", "mbean": "grove:*", "operation": "causes"}},
		{route: "/ccms/", method: "GET", target: "/ccms/v1/tree", lists: all}, {route: "/ccms/", method: "GET", target: "/ccms/v1/tree?format=csv", lists: all},
		{route: "/ccms/", method: "GET", target: "/ccms/v1/mte/plant"},
		{route: "/ccms/", method: "GET", target: "/ccms/v1/mte//plant"},
		{route: "/ccms/", method: "GET", target: "/ccms/v1/alerts?state=all", lists: all}, {route: "/ccms/", method: "GET", target: "/ccms/v1/alerts?format=csv", lists: all},
		{route: "/SAPControl/", method: "POST", target: "/SAPControl", body: soapOf("<m:GetAlertTree/>"), kind: soapType, lists: all},
		{route: "/SAPControl/", method: "POST", target: "/SAPControl", body: soapOf("<m:GetAlerts/>"), kind: soapType, lists: all},
		{route: "/SAPControl/", method: "POST", target: "/SAPControl", body: soapOf("<m:GetProcessList/>"), kind: soapType},
		{route: "/SAPControl/", method: "POST", target: "/SAPControl", body: soapOf("<m:ABAPReadSyslog/>"), kind: soapType},
		{route: "/SAPControl/", method: "POST", target: "/SAPControl", body: soapOf("<m:ListLogFiles/>"), kind: soapType},
		{route: "/SAPControl/", method: "GET", target: "/SAPControl?wsdl"},
		{route: "/SAPControl.cgi/", method: "POST", target: "/SAPControl.cgi", body: soapOf("<m:GetAlertTree/>"), kind: soapType, lists: all},
		{route: "/documents/", method: "GET", target: "/documents/tree.xml", lists: all}, {route: "/documents/", method: "GET", target: "/documents/tree.json", lists: all},
		{route: "/documents/", method: "GET", target: "/documents/tree.html", lists: all}, {route: "/documents/", method: "GET", target: "/documents/managers"},
		{route: "/documents/", method: "GET", target: "/documents/customers/acme.json"}, {route: "/documents/", method: "GET", target: "/documents/static/document-1.xsd"},
		{route: "/reports/", method: "GET", target: "/reports/tree.json", lists: all}, {route: "/reports/", method: "GET", target: "/reports/tree.csv"},
		{route: "/reports/", method: "GET", target: "/reports/tree.html"}, {route: "/reports/", method: "GET", target: "/reports/customers/zenith.json"},
		{route: "/api/v1/events/", method: "GET", target: "/api/v1/events?what=1"}, // A stream has its own test.
		{route: "/api/v1/bean/notifications/", method: "GET", target: "/api/v1/bean/notifications?name=" + bean + "&what=1"},
		{route: "PUT /api/v1/me/password", body: map[string]any{"password": "", "new": ""}},
		{route: "POST /api/v1/tokens", body: map[string]any{"name": "", "grants": []any{map[string]any{"role": "viewer", "path": "/plant/North"}}}, need: login},
	}
	for i := range list {
		u := &list[i]
		if method, path, ok := strings.Cut(u.route, " "); ok {
			u.method = method
			if u.target == "" {
				u.target = path
			}
		}
	}
	return list
}

// isFile says whether a route serves a file of the page.
func isFile(route string) bool {
	path, ok := strings.CutPrefix(route, "GET /")
	return ok && (path == "{$}" || !strings.Contains(path, "/") && strings.Contains(path, "."))
}

// answered is what came back.
type answered struct {
	status int
	header http.Header
	raw    []byte // as it was sent
	text   string // decompressed
}

// tryAs sends a request as somebody.
func (e *estate) tryAs(a *asker, u *use, coding string) answered {
	e.Helper()
	var body io.Reader
	kind := u.kind
	switch b := u.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			e.Fatal(err)
		}
		body, kind = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(e.Context(), u.method, e.url+u.target, body)
	if err != nil {
		e.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Accept-Encoding", coding) // Said, so that nothing is decompressed on the way.
	a.sign(req)
	res, err := e.http.Do(req)
	if err != nil {
		e.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		e.Fatalf("%s %s: %v", u.method, u.target, err)
	}
	var plain io.Reader = bytes.NewReader(raw)
	switch res.Header.Get("Content-Encoding") {
	case "gzip":
		plain, err = gzip.NewReader(plain)
	case "zstd":
		var z *zstd.Decoder
		z, err = zstd.NewReader(plain)
		defer z.Close()
		plain = z
	}
	if err != nil {
		e.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil && !(len(raw) == 0 && errors.Is(err, io.EOF)) {
		e.Fatal(err)
	}
	return answered{res.StatusCode, res.Header, raw, string(text)}
}

// leaks are the names in an answer, and in its headers, that somebody does not see.
func (e *estate) leaks(a *asker, got answered) (names []string) {
	everything := got.text + string(got.raw) + fmt.Sprint(got.header)
	for _, name := range []string{e.acme, e.zenith, e.vault} {
		if !slices.Contains(a.sees, name) && strings.Contains(everything, name) {
			names = append(names, name)
		}
	}
	return names
}

// TestGrants asks for everything that there is as everybody. A route that the table does
// not know fails it: who adds one says who may ask for it.
func TestGrants(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	uses := e.uses()
	known := map[string]bool{}
	for i := range uses {
		known[uses[i].route] = true
	}
	served := map[string]bool{}
	for _, route := range e.Routes() {
		served[route] = true
		if !known[route] && !isFile(route) {
			t.Errorf("the table does not say who may ask for %s", route)
		}
	}
	for route := range known {
		if !served[route] {
			t.Errorf("%s is not served", route)
		}
	}
	codings := []string{"identity", "gzip", "zstd"}
	for _, a := range e.askers {
		t.Run(a.name, func(t *testing.T) {
			for i := range uses {
				u := &uses[i]
				if a.session != "" && u.route == "DELETE /api/v1/session" {
					continue // It would end what asks.
				}
				for _, coding := range codings[:1+2*min(len(u.method)%2, 1)] { // Only what is read is compressed.
					got := e.tryAs(a, u, coding)
					if want, is := u.need.outcome(a), outcomeOf(got.status, &u.need); want != is {
						t.Errorf("%s %s: %d, which is %s, not %s\n%.300s", u.method, u.target, got.status, is, want, got.text)
						break
					}
					// What was asked for may be repeated.
					for _, name := range e.leaks(a, got) {
						if !strings.Contains(u.target+fmt.Sprint(u.body), name) {
							t.Errorf("%s %s tells of %s:\n%s", u.method, u.target, name, around(got.text, name))
						}
					}
					if got.status != http.StatusOK {
						continue
					}
					for _, name := range u.lists {
						if slices.Contains(a.sees, name) && !strings.Contains(got.text, name) {
							t.Errorf("%s %s does not tell of %s:\n%.1000s", u.method, u.target, name, got.text)
						}
					}
				}
			}
		})
	}
}

// around is a piece of a text with a name in it.
func around(text, name string) string {
	i := strings.Index(text, name)
	if i < 0 {
		return "(in a header)"
	}
	return text[max(0, i-300):min(len(text), i+300)]
}

var moments = regexp.MustCompile(`"timestamp":\d+|"(from|to|time|seq)":("[^"]*"|\d+)`)

// TestHiddenIsAbsent asks for what somebody does not see, and for what is not there: the
// answers are the same but for the name that was asked for.
func TestHiddenIsAbsent(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	span := "from=2020-01-01T00:00:00Z&to=" + time.Now().UTC().Format(time.RFC3339)
	now := fmt.Sprintf("&time=%d", time.Now().Unix())
	mbean := func(path string) string { return `grove:type=Node,path="` + path + `"` }
	for _, a := range e.askers {
		for _, hidden := range []struct{ path, name string }{
			{north + e.acme, e.acme}, {north + e.acme + "log", e.acme}, {south + e.zenith, e.zenith}, {south + e.zenith + "/below", e.zenith}, {"/" + e.vault, e.vault}, {"/" + e.vault + "/Gold", e.vault}, {"/" + e.vault + "/Nothing", e.vault},
		} {
			if slices.Contains(a.sees, hidden.name) {
				continue
			}
			p := hidden.path
			absent := strings.Repeat("q", len(hidden.name))
			for _, u := range []use{
				{method: "GET", target: "/api/v1/nodes" + p}, {method: "GET", target: "/api/v1/tree?path=" + p},
				{method: "GET", target: "/api/v1/history?path=" + p + "&" + span}, {method: "GET", target: "/api/v1/journal?path=" + p + "&" + span},
				{method: "GET", target: "/api/v1/moments?path=" + p},
				{method: "GET", target: "/api/v1/alerts?under=" + p}, {method: "GET", target: "/api/v1/alerts?state=all&text=" + hidden.name}, {method: "GET", target: "/api/v1/alerts?customer=c+" + hidden.name},
				{method: "POST", target: "/api/v1/routes/explain", body: map[string]any{"path": p}}, {method: "POST", target: "/api/v1/what-if", body: map[string]any{"set": map[string]any{p: "red"}}},
				{method: "POST", target: "/api/v1/maintenance", body: map[string]any{"name": "x", "at": []any{p}, "for": "1h"}},
				{method: "GET", target: "/api/v1/sources?file=" + hidden.name + ".yaml"},
				{method: "POST", target: "/api/v1/ask" + p}, {method: "PUT", target: "/api/v1/thresholds" + p, body: map[string]any{"red": "> 1"}}, {method: "DELETE", target: "/api/v1/thresholds" + p},
				{method: "POST", target: "/api/v1/readings", body: reading{"path": p, "value": 1}}, {method: "POST", target: "/api/v1/readings", body: reading{"path": p, "value": "text", "unit": "km"}},
				{method: "POST", target: "/api/v1/readings", body: reading{"instance": hidden.name, "probe": "p", "attribute": "a", "value": 1}},
				{method: "GET", target: "/api/v1/beans?query=" + url.QueryEscape(mbean(p))},
				{method: "GET", target: "/api/v1/bean?name=" + url.QueryEscape(mbean(p))},
				{method: "PUT", target: "/api/v1/bean/attribute?name=" + url.QueryEscape(mbean(p)), body: map[string]any{"attribute": "ClearAfter", "value": "1s"}},
				{method: "POST", target: "/api/v1/bean/operation?name=" + url.QueryEscape(mbean(p)), body: map[string]any{"operation": "reset"}},
				{method: "GET", target: "/metrics?path=" + p},
				{method: "GET", target: "/prometheus/api/v1/query?query=" + url.QueryEscape(`{path="`+p+`"}`) + now}, {method: "GET", target: "/prometheus/api/v1/query?path=" + p + "&query=" + url.QueryEscape(`count({__name__=~".+"}) or vector(0)`) + now},
				{method: "GET", target: "/prometheus/api/v1/query?query=" + url.QueryEscape(`absent(m_`+hidden.name+`)`) + now},
				{method: "GET", target: "/prometheus/api/v1/label/l_" + hidden.name + "/values"}, {method: "GET", target: "/prometheus/api/v1/metadata?metric=m_" + hidden.name},
				{method: "POST", target: "/jolokia", body: map[string]any{"type": "read", "mbean": mbean(p)}}, {method: "POST", target: "/jolokia", body: map[string]any{"type": "write", "mbean": mbean(p), "attribute": "ClearAfter", "value": "1s"}},
				{method: "POST", target: "/jolokia", body: map[string]any{"type": "exec", "mbean": mbean(p), "operation": "reset"}}, {method: "POST", target: "/jolokia", body: map[string]any{"type": "search", "mbean": mbean(p)}},
				{method: "POST", target: "/jolokia", body: map[string]any{"type": "list", "path": "grove/type=Node,path=\"" + strings.ReplaceAll(p, "/", "!/") + "\""}},
				{method: "GET", target: "/ccms/v1/tree?path=" + p}, {method: "GET", target: "/ccms/v1/mte/" + p}, {method: "GET", target: "/ccms/v1/alerts?path=" + p},
				{method: "POST", target: "/SAPControl?path=" + p, body: soapOf("<m:GetAlertTree/>"), kind: soapType},
				{method: "POST", target: "/SAPControl", body: soapOf("<m:ReadLogFile><filename>" + p + "</filename></m:ReadLogFile>"), kind: soapType},
				{method: "GET", target: "/documents/tree.json?path=" + p}, {method: "GET", target: "/documents/customers/" + hidden.name + ".json"}, {method: "GET", target: "/reports/tree.json?path=" + p},
			} {
				twin := u
				twin.target = strings.ReplaceAll(u.target, hidden.name, absent)
				switch b := u.body.(type) {
				case nil:
				case string:
					twin.body = strings.ReplaceAll(b, hidden.name, absent)
				default:
					text, err := json.Marshal(b)
					if err != nil {
						t.Fatal(err)
					}
					u.body, u.kind, twin.body, twin.kind = string(text), "application/json", strings.ReplaceAll(string(text), hidden.name, absent), "application/json"
				}
				of, none := e.tryAs(a, &u, "identity"), e.tryAs(a, &twin, "identity")
				show := func(got answered) string {
					text := strings.ReplaceAll(got.text, hidden.name, absent)
					return fmt.Sprintf("%d %s %s %s\n%s", got.status, got.header.Get("Content-Type"), got.header.Get("Retry-After"), got.header.Get("Allow"), moments.ReplaceAllString(text, ""))
				}
				if d := diff.Diff(show(none), show(of)); d != "" {
					t.Errorf("%s, %s %s (-absent +hidden):\n%s", a.name, u.method, u.target, d)
				}
			}
		}
	}
}
