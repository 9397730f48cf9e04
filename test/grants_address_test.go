package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// disguises write an address in other ways, by which a server that compares texts would
// take it for another.
var disguises = map[string]func(path string) string{
	"as it is":         func(p string) string { return p },
	"two slashes":      func(p string) string { return "/" + p },
	"slashes within":   func(p string) string { return strings.ReplaceAll(p, "/", "//") },
	"a dot":            func(p string) string { return "/." + p },
	"there and back":   func(p string) string { return "/healthz/.." + p },
	"from the page":    func(p string) string { return "/style.css/.." + p },
	"encoded slashes":  func(p string) string { return "/" + strings.ReplaceAll(p[1:], "/", "%2f") },
	"encoded twice":    func(p string) string { return "/" + strings.ReplaceAll(p[1:], "/", "%252F") },
	"encoded dots":     func(p string) string { return "/healthz/%2e%2e" + p },
	"an encoded word":  func(p string) string { return fmt.Sprintf("/%%%02x%s", p[1], p[2:]) },
	"a parameter":      func(p string) string { return p + ";x=1" },
	"a parameter open": func(p string) string { return "/healthz;" + p },
	"a slash behind":   func(p string) string { return p + "/" },
	"a dot behind":     func(p string) string { return p + "." },
	"a file behind":    func(p string) string { return p + "/style.css" },
	"capitals":         strings.ToUpper,
	"a backslash":      func(p string) string { return `\` + p[1:] },
	"an end":           func(p string) string { return p + "%00" },
	"a host":           func(p string) string { return "http://localhost" + p },
}

// raws sends a request line as it is written, which no client of HTTP would, on a
// connection of its own.
func (e *estate) raws(line string, header ...string) (status int, text string) {
	e.Helper()
	address := strings.TrimPrefix(e.url, "http://")
	c, err := new(net.Dialer).DialContext(e.Context(), "tcp", address)
	if err != nil {
		e.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		e.Fatal(err)
	}
	fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", line, address, strings.Join(append(header, ""), "\r\n"))
	method, _, _ := strings.Cut(line, " ")
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		e.Fatalf("%s: %v", line, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		e.Fatalf("%s: %v", line, err)
	}
	return res.StatusCode, string(body) + fmt.Sprint(res.Header)
}

// TestAddressesInDisguise asks for everything that takes a login, without one and as who
// sees a part, by addresses written in other ways and by other methods.
func TestAddressesInDisguise(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	all := []string{e.acme, e.zenith, e.vault}
	var part *asker
	for _, a := range e.askers {
		if a.name == "viewer of a customer" {
			part = a
		}
	}
	done := map[string]bool{}
	for _, u := range e.uses() {
		if u.need.free || u.method != http.MethodGet || done[u.target] {
			continue
		}
		done[u.target] = true
		path, query, _ := strings.Cut(u.target, "?")
		if query != "" {
			query = "?" + query
		}
		for name, disguise := range disguises {
			target := strings.ReplaceAll(disguise(path), " ", "%20") + query
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "TRACE"} {
				if method != "GET" && name != "as it is" {
					continue
				}
				status, text := e.raws(method + " " + target)
				if status < 300 && !(name == "a parameter open" || method == "OPTIONS") || status >= 500 {
					t.Errorf("%s %s (%s), without a login: %d\n%.300s", method, target, name, status, text)
				}
				for _, hidden := range all {
					if strings.Contains(text, hidden) && !strings.Contains(target, hidden) {
						t.Errorf("%s %s (%s), without a login, tells of %s", method, target, name, hidden)
					}
				}
			}
			status, text := e.raws("GET "+target, "Authorization: Bearer "+part.token)
			if status >= 500 {
				t.Errorf("%s (%s): %d\n%.300s", target, name, status, text)
			}
			for _, hidden := range all {
				if !slices.Contains(part.sees, hidden) && strings.Contains(text, hidden) && !strings.Contains(target, hidden) {
					t.Errorf("%s (%s) tells %s of %s:\n%s", target, name, part.name, hidden, around(text, hidden))
				}
			}
		}
	}
}

// TestReadingChangesNothing asks by GET, as who may do everything, for all that has an
// effect, and by POST in which a header or a parameter names another method.
func TestReadingChangesNothing(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	var root *asker
	for _, a := range e.askers {
		if a.name == "admin" {
			root = a
		}
	}
	o := &auditor{estate: e, root: root}
	o.skip()
	routes := e.Routes()
	for _, u := range e.uses() {
		if u.method == http.MethodGet || strings.Contains(u.route, "/prometheus/") || u.route == "POST /api/v1/session" || u.route == "DELETE /api/v1/session" {
			continue
		}
		path, _, _ := strings.Cut(u.target, "?")
		if strings.HasPrefix(u.route, u.method+" ") && !slices.Contains(routes, "GET "+strings.TrimPrefix(u.route, u.method+" ")) {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				if got := e.tryAs(root, &use{method: method, target: u.target}, "identity"); got.status != http.StatusMethodNotAllowed && got.status != http.StatusNotFound && got.status != http.StatusUnprocessableEntity {
					t.Errorf("%s %s: %d %s", method, path, got.status, got.text)
				}
			}
		}
		status, text := e.raws("GET "+strings.ReplaceAll(path, " ", "%20")+"?_method="+u.method, "Authorization: Bearer "+root.token, "X-HTTP-Method-Override: "+u.method, "X-Method-Override: "+u.method)
		if status >= 500 {
			t.Errorf("%s named by a header: %d %s", u.target, status, text)
		}
	}
	for _, target := range []string{
		`/jolokia/write/grove:type=Node,path="` + strings.ReplaceAll(north+e.acme, "/", "!/") + `"/ClearAfter/1`,
		"/jolokia/exec/grove:type=Timer/stop", "/jolokia/notification/register",
	} {
		if got := e.tryAs(root, &use{method: http.MethodGet, target: strings.ReplaceAll(target, `"`, "%22")}, "identity"); !strings.Contains(got.text, "not allowed") {
			t.Errorf("%s: %s", target, got.text)
		}
	}
	if lines := o.news("nobody"); lines != nil {
		t.Errorf("reading is in the audit log: %v", lines)
	}
}
