package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"grove/beans"
)

// beanPattern matches every bean that stands in the server by itself.
var beanPattern = beans.MustName("*:*")

// TestBadRequests sends what no honest client sends. Every answer that grove itself
// gives has the one shape of errors, and nothing of it moves the tree.
func TestBadRequests(t *testing.T) {
	m := serve(t)
	m.write("shop.yaml", shop)
	m.loaded("shop")
	m.push(reading{"path": "/shop/Connections/Active", "value": 5})
	before := m.subtree("/shop")
	host := m.Addr().String()
	request := func(line string, rest ...string) string {
		return line + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(rest, "\r\n") + "\r\n"
	}
	post := func(body string, headers ...string) string {
		return request("POST /api/v1/readings", append(headers, fmt.Sprintf("Content-Length: %d", len(body)), "", body)...)
	}
	const jsonType = "Content-Type: application/json"
	one := `{"path": "/shop/Connections/Active", "value": 6}`
	for _, bad := range []struct {
		name    string
		request string
		status  int
		says    string
	}{
		{"no such address", request("GET /nowhere", ""), 404, "there is nothing at this address"},
		{"no such operation", request("GET /api/v1/nothing", ""), 404, "there is nothing"},
		{"another method", request("DELETE /api/v1/tree", ""), 405, "only GET"},
		{"a method of nobody", request("BREW /api/v1/tree", ""), 405, "BREW"},
		{"climbing out", request("GET /api/v1/nodes/../../../etc/passwd", ""), 307, "another form"},
		{"climbing out in disguise", request("GET /api/v1/nodes/%2e%2e%2f%2e%2e%2fetc%2fpasswd", ""), 400, ""},
		{"no such node", request("GET /api/v1/nodes/shop/Nothing", ""), 404, "/shop/Nothing"},
		{"a malformed path", request("GET /api/v1/tree?path=/a~9", ""), 400, "~"},
		{"a long path", request("GET /api/v1/tree?path=/"+strings.Repeat("a", 2000), ""), 422, "length"},
		{"an unknown parameter", request("GET /api/v1/tree?pth=/", ""), 422, "pth"},
		{"a depth that is none", request("GET /api/v1/tree?depth=much", ""), 422, "depth"},
		{"a negative depth", request("GET /api/v1/tree?depth=-1", ""), 422, "depth"},
		{"a status that is none", request("GET /api/v1/tree?status=blue", ""), 422, "status"},
		{"an empty body", post("", jsonType), 400, ""},
		{"half a body", post(one[:20], jsonType), 400, "line 1, column"},
		{"no JSON", post("value=1", jsonType), 400, "line 1, column 1"},
		{"an array that does not end", post("["+one, jsonType), 400, "line 1, column"},
		{"nested without end", post(strings.Repeat("[", 100_000), jsonType), 400, ""},
		{"an unknown key", post(`{"path": "/shop/State", "value": "running", "colour": {"a":`+strings.Repeat("[", 100)+`}`, jsonType), 400, ""},
		{"not UTF-8", post("{\"path\": \"/shop\xff\"}", jsonType), 400, "UTF-8"},
		{"another content", post(one, "Content-Type: text/plain"), 415, "text/plain"},
		{"compressed", post("\x1f\x8b\x08\x00", jsonType, "Content-Encoding: gzip"), 415, "gzip"},
		{"a body that is too large", post(strings.Repeat(" ", 4<<20+1)+one, jsonType), 413, "4194304"},
		{"too many readings", post("["+strings.Repeat(`{},`, 10_000)+`{}]`, jsonType), 400, "more than 10000 readings"},
		{"a form of another site", post(one, "Content-Type: text/plain", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"), 403, "another site"},
		{"a script of another site", post(one, jsonType, "Origin: http://evil.example"), 403, "another site"},
		{"a page without a home", post(one, jsonType, "Origin: null", "Sec-Fetch-Site: cross-site"), 403, "another site"},
		{"another name of this host", strings.Replace(request("GET /api/v1/tree", ""), host, "evil.example", 1), 421, "host name"},
		{"another address", strings.Replace(request("GET /api/v1/tree", ""), host, "192.0.2.1", 1), 421, "host name"},
		{"a websocket of another site", request("GET /api/v1/live", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", "Origin: http://evil.example", ""), 403, ""},
		{"no websocket", request("GET /api/v1/live", ""), 426, "connect with the subprotocol"},
		{"a websocket by another name", strings.Replace(request("GET /api/v1/live", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", ""), host, "evil.example", 1), 421, ""},
	} {
		t.Run(bad.name, func(t *testing.T) {
			res, body := m.raw(t, bad.request)
			var problem struct {
				Title, Detail string
				Status        int
				Errors        []struct{ Message, Location string }
			}
			if err := json.Unmarshal(body, &problem); err != nil || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%s, %s, not a problem: %s", res.Status, res.Header.Get("Content-Type"), body)
			}
			if res.StatusCode != bad.status || problem.Status != bad.status || problem.Title == "" || problem.Detail == "" {
				t.Errorf("%s, want %d: %s", res.Status, bad.status, body)
			}
			if !strings.Contains(string(body), bad.says) {
				t.Errorf("the answer does not say %q: %s", bad.says, body)
			}
			if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("X-Content-Type-Options is %q", got)
			}
		})
	}

	// These never reach grove: the HTTP library refuses them, and closes.
	for name, bad := range map[string]string{
		"no HTTP":           "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
		"no host":           "GET / HTTP/1.1\r\n\r\n",
		"two hosts":         "GET / HTTP/1.1\r\nHost: " + host + "\r\nHost: evil.example\r\n\r\n",
		"a huge header":     request("GET /", "X: "+strings.Repeat("x", 1<<20), ""),
		"two lengths":       request("POST /api/v1/readings", "Content-Length: 1", "Content-Length: 2", "", "xx"),
		"length and pieces": request("POST /api/v1/readings", "Content-Length: 1", "Transfer-Encoding: chunked, identity", "", "xx"),
	} {
		t.Run(name, func(t *testing.T) {
			if res, body := m.raw(t, bad); res.StatusCode < 400 || res.StatusCode == 500 {
				t.Errorf("%s: %s", res.Status, body)
			}
		})
	}
	if after := m.subtree("/shop"); after != before {
		t.Errorf("the requests changed the tree:\n%s", after)
	}
}

// raw sends bytes over a connection of their own and reads one answer.
func (m *manager) raw(t *testing.T, request string) (*http.Response, []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", m.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	sent := make(chan struct{})
	go func() { // the answer may come before everything is sent
		defer close(sent)
		_, _ = io.Copy(conn, strings.NewReader(request))
	}()
	defer func() { conn.Close(); <-sent }()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil && res.StatusCode < 400 { // who is refused may be cut while sending
		t.Fatalf("half an answer: %v: %s", err, body)
	}
	return res, body
}

// TestSlowSendersAreCut: who begins a request and does not go on is sent away, and holds
// up nobody.
func TestSlowSendersAreCut(t *testing.T) {
	t.Parallel()
	m := serve(t)
	var slow []net.Conn
	for range 100 {
		conn, err := net.Dial("tcp", m.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /api/v1/tree HTTP/1.1\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	begin := time.Now()
	if code, _ := m.get("/healthz"); code != http.StatusOK || time.Since(begin) > 2*time.Second {
		t.Errorf("others are answered %d after %v", code, time.Since(begin))
	}
	for _, conn := range slow {
		_ = conn.SetDeadline(begin.Add(patience))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Fatalf("a slow sender after %v: %v", time.Since(begin), err)
		}
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("slow senders were cut after %v", took)
	}
}
