package websocket

import (
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*Options)) *Options {
	o := Kind(nil, nil).NewOptions().(*Options)
	change(o)
	return o
}

// ask runs a probe once and returns its readings as text.
func ask(t *testing.T, kind probe.Kind, o *Options, within time.Duration) (map[string]string, error) {
	t.Helper()
	p, err := kind.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	return got, err
}

func expect(t *testing.T, got, want map[string]string) {
	t.Helper()
	for attribute, value := range want {
		if got[attribute] != value {
			t.Errorf("%s is %q, want %q (error: %s)", attribute, got[attribute], value, got["error"])
		}
	}
}

const python = `
import asyncio, websockets
async def echo(ws, path=None):
    await ws.send("welcome")
    async for message in ws:
        await ws.send("you said " + message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["prices"]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()
asyncio.run(main())
`

// TestPython asks Debian's python3-websockets, another implementation than the probe's.
func TestPython(t *testing.T) {
	if err := exec.Command("/usr/bin/python3", "-c", "import websockets").Run(); err != nil {
		t.Skip("python3-websockets is not installed")
	}
	cmd := exec.Command("/usr/bin/python3", "-c", python)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line := make([]byte, 16)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url := "ws://127.0.0.1:" + strings.TrimSpace(string(line[:n])) + "/"
	full := options(func(o *Options) { o.URL, o.Subprotocol, o.Send, o.Expect = url, "prices", "hello", "^you said (.*)$" })
	probetest.Run(t, Kind(nil, nil), options(func(o *Options) { o.URL, o.Ping = url, false }), full)
	got, err := ask(t, Kind(nil, nil), full, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, got, map[string]string{"up": "1", "state": "up", "error": "", "status": "101", "subprotocol": "prices", "message": "you said hello"})
	for _, attribute := range []string{"handshake", "answer_time", "ping", "duration"} {
		if got[attribute] == "" {
			t.Errorf("no %s", attribute)
		}
	}
	got, err = ask(t, Kind(nil, nil), options(func(o *Options) { o.URL, o.Subprotocol = url, "chat" }), 20*time.Second)
	if err != nil || got["up"] != "0" {
		t.Errorf("a subprotocol that nobody speaks: %v, %v", got, err)
	}
}

// server answers by gorilla's own server side, as each test says.
func server(t *testing.T, overTLS bool, handle func(*websocket.Conn)) *httptest.Server {
	t.Helper()
	upgrader := websocket.Upgrader{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/secret" && r.Header.Get("Authorization") != "Bearer open-sesame" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		handle(conn)
	}))
	if overTLS {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func drain(conn *websocket.Conn) {
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

func TestFindings(t *testing.T) {
	quiet := server(t, false, drain)
	leaves := server(t, false, func(c *websocket.Conn) {
		_ = c.WriteMessage(websocket.TextMessage, []byte("bye"))
		_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
		drain(c)
	})
	fails := server(t, false, func(c *websocket.Conn) {
		_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseInternalServerErr, ""), time.Now().Add(time.Second))
		drain(c)
	})
	repeats := server(t, false, func(c *websocket.Conn) {
		_ = c.WriteMessage(websocket.TextMessage, []byte("you sent Bearer open-sesame"))
		drain(c)
	})
	deaf := server(t, false, func(c *websocket.Conn) { _, _ = io.Copy(io.Discard, c.NetConn()) })
	overTLS := server(t, true, drain)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: overTLS.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOCKET_TOKEN", "open-sesame")
	ws := func(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }
	for _, tt := range []struct {
		name   string
		change func(*Options)
		want   map[string]string
	}{
		{"a ping", func(o *Options) { o.URL = ws(quiet) }, map[string]string{"up": "1", "status": "101"}},
		{"over TLS", func(o *Options) { o.URL, o.TLS.CA = ws(overTLS), ca }, map[string]string{"up": "1"}},
		{"over TLS, from a stranger", func(o *Options) { o.URL = ws(overTLS) }, map[string]string{"up": "0", "state": "tls"}},
		{"a token", func(o *Options) { o.URL, o.Bearer = ws(quiet)+"/secret", "env:SOCKET_TOKEN" }, map[string]string{"up": "1"}},
		{"a token that the server repeats", func(o *Options) { o.URL, o.Bearer, o.Expect = ws(repeats), "env:SOCKET_TOKEN", "you sent" }, map[string]string{"up": "1", "message": "you sent Bearer [secret]"}},
		{"no token", func(o *Options) { o.URL = ws(quiet) + "/secret" }, map[string]string{"up": "0", "state": "handshake", "status": "401",
			"error": "the server does not switch to WebSocket: status 401"}},
		{"a silent server", func(o *Options) { o.URL, o.Expect = ws(quiet), "x" }, map[string]string{"up": "0", "state": "timeout"}},
		{"no pong", func(o *Options) { o.URL = ws(deaf) }, map[string]string{"up": "0", "state": "timeout"}},
		{"the wrong message", func(o *Options) { o.URL, o.Expect = ws(leaves), "welcome" }, map[string]string{"up": "0", "state": "mismatch", "message": "bye",
			"error": `the connection ended and nothing in 1 messages fits "welcome"`}},
		{"a server that gives up", func(o *Options) { o.URL = ws(fails) }, map[string]string{"up": "0", "state": "closed", "error": "the server closed the connection: code 1011"}},
		{"nobody", func(o *Options) { o.URL = "ws://127.0.0.1:1/" }, map[string]string{"up": "0", "state": "refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ask(t, Kind(nil, nil), options(tt.change), 500*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, got, tt.want)
		})
	}
	if _, err := ask(t, Kind(nil, nil), options(func(o *Options) { o.URL, o.Bearer = ws(quiet), "env:NO_SUCH_TOKEN" }), time.Second); err == nil ||
		err.Error() != "bearer: environment variable NO_SUCH_TOKEN is not set, or empty" {
		t.Errorf("got %v", err)
	}
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, Kind(policy, nil), options(func(o *Options) { o.URL = ws(quiet) }), time.Second); err == nil || !strings.Contains(err.Error(), `the rule "!loopback" refuses it`) {
		t.Errorf("got %v", err)
	}
}

func TestStopsAndRefuses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	probetest.Stops(t, Kind(nil, nil), options(func(o *Options) { o.URL = "ws://" + ln.Addr().String() }))
	probetest.Stops(t, Kind(nil, nil), options(func(o *Options) { o.URL = "wss://" + ln.Addr().String() }))
	quiet := server(t, false, drain)
	probetest.Stops(t, Kind(nil, nil), options(func(o *Options) { o.URL, o.Expect = "ws"+strings.TrimPrefix(quiet.URL, "http"), "x" }))
	bad := func(name, option, want string, change func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: want, Options: options(func(o *Options) { o.URL = "ws://a/"; change(o) })}
	}
	probetest.Refuses(t, Kind(nil, nil),
		bad("no URL", "url", "url: is missing, or longer than 4096 bytes", func(o *Options) { o.URL = "" }),
		bad("a page", "url", `url: the scheme is "http", not ws or wss`, func(o *Options) { o.URL = "http://a/" }),
		bad("a user", "url", "url: holds a user name; give what the server asks for by headers or bearer", func(o *Options) { o.URL = "ws://me:secret@a/" }),
		bad("a wrong subprotocol", "subprotocol", `subprotocol: "a b" is not the name of a subprotocol`, func(o *Options) { o.Subprotocol = "a b" }),
		bad("a secret in the open", "headers.Cookie", "headers.Cookie: a secret is given by reference, such as file:/path, env:NAME or credential:NAME", func(o *Options) { o.Headers = map[string]string{"Cookie": "x"} }),
		bad("a header of the handshake", "headers.Upgrade", "headers.Upgrade: belongs to the handshake; see origin and subprotocol", func(o *Options) { o.Headers = map[string]string{"Upgrade": "x"} }),
		bad("a bad expression", "expect", "expect: error parsing regexp: missing closing ): `(`", func(o *Options) { o.Expect = "(" }),
		bad("TLS without TLS", "tls", "tls: only with wss://", func(o *Options) { o.TLS.Insecure = true }),
	)
}
