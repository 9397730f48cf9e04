package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/live/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a tree of /shop/web1/{load,state} and /host/cpu behind a server.
type rig struct {
	t      *testing.T
	tree   *tree.Tree
	server *Server
	url    string
}

// as serves the feed to somebody.
func as(h http.Handler, who *grant.Subject) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(grant.With(r.Context(), who)))
	})
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	return newRigAs(t, grant.Anonymous, o)
}

func newRigAs(t *testing.T, who *grant.Subject, o Options) *rig {
	t.Helper()
	return newRigOf(t, func(string) *grant.Subject { return who }, o)
}

// newRigOf serves whoever is the one that the query of a request names.
func newRigOf(t *testing.T, who func(name string) *grant.Subject, o Options) *rig {
	t.Helper()
	tr := tree.New(tree.Options{})
	hot := &tree.Threshold{Red: tree.AboveLevel(100, 100)}
	for path, spec := range map[string]*tree.Spec{
		"/shop/web1/load":  {Kind: tree.Performance, Unit: "s", Threshold: hot},
		"/shop/web1/state": {Kind: tree.State},
		"/host/cpu":        {Kind: tree.Performance, Unit: "%"},
	} {
		if _, err := tr.Add(tree.MustPath(path), spec); err != nil {
			t.Fatal(err)
		}
	}
	tr.Flush()
	o.Tree, o.Version = tr, "1.0"
	s := New(o)
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		as(s, who(r.URL.RawQuery)).ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		hs.Close()
	})
	return &rig{t: t, tree: tr, server: s, url: "ws" + strings.TrimPrefix(hs.URL, "http")}
}

func (r *rig) set(path string, v float64) {
	r.t.Helper()
	ref, ok := r.tree.Lookup(tree.MustPath(path))
	if !ok || r.tree.Report(tree.Report{Node: ref, Value: tree.Number(v)}) != 1 {
		r.t.Fatalf("set %s", path)
	}
	r.tree.Flush()
}

// client is the other end of a socket, with the tree as it knows it.
type client struct {
	t       *testing.T
	ws      *websocket.Conn
	welcome welcome
	nodes   map[uint32]*frame.Node
	seq     uint64
}

func (r *rig) dial(protocol string) *client {
	r.t.Helper()
	d := websocket.Dialer{EnableCompression: true, HandshakeTimeout: 5 * time.Second}
	if protocol != "" {
		d.Subprotocols = []string{protocol}
	}
	ws, res, err := d.Dial(r.url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = res.Body.Close()
	r.t.Cleanup(func() { _ = ws.Close() })
	if ws.Subprotocol() != protocol {
		r.t.Errorf("subprotocol %q, want %q", ws.Subprotocol(), protocol)
	}
	c := &client{t: r.t, ws: ws, nodes: map[uint32]*frame.Node{}}
	if err := json.Unmarshal(c.read(), &c.welcome); err != nil || c.welcome.Type != "welcome" {
		r.t.Fatalf("welcome %v, %v", c.welcome, err)
	}
	return c
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) read() []byte {
	c.t.Helper()
	_ = c.ws.SetReadDeadline(time.Now().Add(2 * time.Minute))
	_, data, err := c.ws.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

// frame reads a frame of data and applies it.
func (c *client) frame() *frame.Frame {
	c.t.Helper()
	data := c.read()
	f := new(frame.Frame)
	var err error
	if c.ws.Subprotocol() == ProtocolBinary {
		f, err = frame.Decode(data)
	} else {
		err = json.Unmarshal(data, f)
	}
	if err != nil {
		c.t.Fatalf("%v in %.200q", err, data)
	}
	if f.Type == frame.TypeSnapshot {
		clear(c.nodes)
	} else if f.From != c.seq {
		c.t.Fatalf("gap: have %d, delta from %d", c.seq, f.From)
	}
	c.seq = f.Seq
	for _, i := range f.Removed {
		delete(c.nodes, i)
	}
	for i := range f.Nodes {
		c.nodes[f.Nodes[i].Index] = &f.Nodes[i]
	}
	for _, ch := range f.Changes {
		n := c.nodes[ch.Index]
		if n == nil {
			c.t.Fatalf("change of unknown node %d", ch.Index)
		}
		n.State = ch.State
	}
	return f
}

func (c *client) ack(id uint32) { c.t.Helper(); c.send(`{"type":"ack","id":%d,"seq":%d}`, id, c.seq) }

// show writes what the client knows as "path=status value" by name.
func (c *client) show() map[string]string {
	got := map[string]string{}
	for i, n := range c.nodes {
		path := n.Name
		for p, up := n, i; p.Parent != up; {
			up = p.Parent
			p = c.nodes[up]
			path = p.Name + "/" + path
		}
		got[path] = strings.TrimSpace(n.Status.String() + " " + n.Value.String())
	}
	return got
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestSnapshotThenDeltasOfTheSubtreeOnly(t *testing.T) {
	for _, protocol := range []string{ProtocolBinary, ProtocolJSON, ""} {
		t.Run("protocol "+protocol, func(t *testing.T) {
			r := newRig(t, Options{})
			c := r.dial(protocol)
			if c.welcome.Server != "grove 1.0" || c.welcome.Run != r.server.run || c.welcome.Seq != r.tree.Seq() {
				t.Errorf("welcome %+v", c.welcome)
			}
			c.send(`{"type":"subscribe","id":1,"path":"/shop"}`)
			if f := c.frame(); f.Type != frame.TypeSnapshot || f.ID != 1 || f.Seq != r.tree.Seq() || f.Nodes[0].Name != "shop" {
				t.Errorf("first frame %+v", f)
			}
			same(t, c.show(), map[string]string{"shop": "white", "shop/web1": "white", "shop/web1/load": "white", "shop/web1/state": "white"})
			r.set("/host/cpu", 1) // not in the subtree: nothing comes
			r.set("/shop/web1/load", 150)
			f := c.frame()
			if f.Type != frame.TypeDelta || len(f.Changes) != 3 {
				t.Errorf("delta %+v", f)
			}
			same(t, c.show(), map[string]string{"shop": "red", "shop/web1": "red", "shop/web1/load": "red 150", "shop/web1/state": "white"})
			for _, n := range c.nodes {
				if n.Name == "shop" && *n.Counts != [4]int32{tree.White: 1, tree.Red: 1} {
					t.Errorf("counts %v", n.Counts)
				}
			}
		})
	}
}

func TestStructuralChangesArrive(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/shop"}`)
	c.frame()
	err := r.tree.Change(
		tree.Add(tree.MustPath("/shop/web2/load"), &tree.Spec{Kind: tree.Performance}),
		tree.Remove(tree.MustPath("/shop/web1/state")),
		tree.Move(tree.MustPath("/shop/web1/load"), tree.MustPath("/shop/web1/burden")))
	if err != nil {
		t.Fatal(err)
	}
	r.set("/shop/web2/load", 7)
	c.frame()
	same(t, c.show(), map[string]string{"shop": "green", "shop/web1": "white", "shop/web1/burden": "white", "shop/web2": "green", "shop/web2/load": "green 7"})

	// What comes from outside of the view brings everything below it.
	if err := r.tree.Change(tree.Move(tree.MustPath("/host"), tree.MustPath("/shop/host")), tree.Move(tree.MustPath("/shop/web2/load"), tree.MustPath("/load"))); err != nil {
		t.Fatal(err)
	}
	r.tree.Flush()
	c.frame()
	same(t, c.show(), map[string]string{"shop": "white", "shop/web1": "white", "shop/web1/burden": "white", "shop/host": "white", "shop/host/cpu": "white"})

	if err := r.tree.Change(tree.Remove(tree.MustPath("/shop"))); err != nil {
		t.Fatal(err)
	}
	r.tree.Flush()
	if got, want := string(c.read()), `{"type":"error","id":1,"code":"no_such_node","message":"/shop: no such node"}`+"\n"; got != want {
		t.Errorf("after the root went: %s", got)
	}
	c.send(`{"type":"unsubscribe","id":1}`)
	if got, want := string(c.read()), `{"type":"error","id":1,"code":"no_such_subscription","message":"there is no such subscription"}`+"\n"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestResume(t *testing.T) {
	r := newRig(t, Options{})
	first := r.dial(ProtocolBinary)
	first.send(`{"type":"subscribe","id":1,"path":"/"}`)
	first.frame()
	seq := first.seq
	_ = first.ws.Close()
	r.set("/host/cpu", 3)
	for _, c := range []struct {
		name, message string
		want          frame.Type
	}{
		{"where it was", fmt.Sprintf(`{"type":"subscribe","id":1,"path":"/","since":%d,"run":%q}`, seq, r.server.run), frame.TypeDelta},
		{"of another run", fmt.Sprintf(`{"type":"subscribe","id":1,"path":"/","since":%d,"run":"other"}`, seq), frame.TypeSnapshot},
		{"from the future", `{"type":"subscribe","id":1,"path":"/","since":9007199254740991}`, frame.TypeSnapshot},
		{"from long ago", `{"type":"subscribe","id":1,"path":"/","since":1}`, frame.TypeSnapshot},
	} {
		again := r.dial(ProtocolBinary)
		again.seq, again.nodes = seq, first.nodes
		again.send("%s", c.message)
		if f := again.frame(); f.Type != c.want {
			t.Errorf("%s: %c, want %c", c.name, f.Type, c.want)
		}
		if got := again.show()["/host/cpu"]; got != "green 3" {
			t.Errorf("%s: cpu %q", c.name, got)
		}
	}
}

func TestSlowReaderGetsOneMergedDelta(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	r := newRig(t, Options{Registerer: reg})
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/host"}`)
	c.frame()
	for i := 1; i < Window; i++ { // the snapshot was the first batch
		r.set("/host/cpu", float64(i))
		c.frame()
	}
	for i := range 50 {
		r.set("/host/cpu", float64(100+i))
	}
	// The writer answers before it looks at the subscriptions, so the second answer
	// shows that it has looked.
	for range 2 {
		c.send(`{"type":"unsubscribe","id":9}`)
		if got := string(c.read()); !strings.Contains(got, "no_such_subscription") {
			t.Fatalf("more than the window was sent: %q", got)
		}
	}
	c.ack(1)
	if f := c.frame(); f.Type != frame.TypeDelta || f.Seq != r.tree.Seq() {
		t.Errorf("after the acknowledgement: %+v, tree at %d", f, r.tree.Seq())
	}
	if got := c.show()["host/cpu"]; got != "green 149" {
		t.Errorf("cpu %q", got)
	}
	c.ack(1)
	r.set("/host/cpu", 5)
	c.frame()
	if got := testutil.ToFloat64(r.server.counts.held); got != 1 {
		t.Errorf("held %v times, want 1", got)
	}
	if got := testutil.ToFloat64(r.server.counts.frames.WithLabelValues("delta")); got < Window+1 {
		t.Errorf("%v deltas counted", got)
	}
}

func TestAcknowledgementsAreReadInTheirUsualForm(t *testing.T) {
	if id, seq, ok := parseAck([]byte(`{"type":"ack","id":12,"seq":3456}`)); !ok || id != 12 || seq != 3456 {
		t.Errorf("read as %d to %d, %v", id, seq, ok)
	}
}

func TestManyFlushesAreToldAtThePace(t *testing.T) {
	r := newRig(t, Options{})
	r.server.cost = time.Hour // One socket makes the pace the longest that there is.
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/"}`)
	c.frame()
	c.ack(1)
	r.set("/host/cpu", 1) // after a pause, so that it is told at once
	c.frame()
	from := c.seq
	for v := 2.0; v <= 4; v++ {
		r.set("/host/cpu", v)
		c.ack(1) // does not hasten what is told
	}
	f := c.frame()
	if f.From != from || f.Seq != r.tree.Seq() || len(f.Changes) == 0 {
		t.Errorf("from %d to %d with %d changes, want from %d to %d with some", f.From, f.Seq, len(f.Changes), from, r.tree.Seq())
	}
	if last, _ := f.Changes[len(f.Changes)-1].Value.Number(); last != 4 {
		t.Errorf("the last value is %v, want 4", last)
	}
}

func TestForgottenChangesBecomeASnapshot(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/shop"}`)
	c.frame()
	for i := 1; i < Window; i++ {
		r.set("/shop/web1/load", float64(i))
		c.frame()
	}
	for i := range 3000 { // more structure than the tree remembers
		p := tree.MustPath(fmt.Sprintf("/other/%d", i))
		if err := r.tree.Change(tree.Add(p, &tree.Spec{Kind: tree.Performance})); err != nil {
			t.Fatal(err)
		}
		if err := r.tree.Change(tree.Remove(p)); err != nil {
			t.Fatal(err)
		}
	}
	r.set("/shop/web1/load", 42)
	c.ack(1)
	if f := c.frame(); f.Type != frame.TypeSnapshot {
		t.Errorf("got %c", f.Type)
	}
	if got := c.show()["shop/web1/load"]; got != "green 42" {
		t.Errorf("load %q", got)
	}
}

func TestClientsInStepShareFrames(t *testing.T) {
	r := newRig(t, Options{})
	var clients []*client
	for range 5 {
		c := r.dial(ProtocolBinary)
		c.send(`{"type":"subscribe","id":1,"path":"/"}`)
		c.frame()
		clients = append(clients, c)
	}
	before := testutil.ToFloat64(r.server.counts.encoded)
	r.set("/host/cpu", 8)
	for _, c := range clients {
		c.frame()
	}
	if got := testutil.ToFloat64(r.server.counts.encoded) - before; got != 1 {
		t.Errorf("%v frames were encoded for 5 clients", got)
	}
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	if len(r.server.stages) != 1 {
		t.Errorf("%d stages", len(r.server.stages))
	}
}

func TestBadMessagesAreAnsweredInWords(t *testing.T) {
	r := newRig(t, Options{MaxSubscriptions: 1})
	c := r.dial(ProtocolJSON)
	for _, m := range []struct{ name, send, want string }{
		{"no JSON", `{`, `{"type":"error","code":"bad_frame","message":"the message is not a request in JSON: unexpected EOF"}`},
		{"two values", `{"type":"ack","id":1,"seq":1} 1`, `{"type":"error","code":"bad_frame","message":"the message goes on after its end at byte 31"}`},
		{"unknown field", `{"typ":"ack"}`, `{"type":"error","code":"bad_frame","message":"the message is not a request in JSON: unknown field \"typ\""}`},
		{"no id", `{"type":"ack"}`, `{"type":"error","code":"bad_frame","message":"\"id\" is missing"}`},
		{"unknown type", `{"type":"dance","id":3}`, `{"type":"error","id":3,"code":"bad_frame","message":"\"type\" is \"dance\", not subscribe, unsubscribe, open, close or ack"}`},
		{"no path", `{"type":"subscribe","id":1}`, `{"type":"error","id":1,"code":"bad_frame","message":"\"path\" is missing"}`},
		{"bad path", `{"type":"subscribe","id":1,"path":"/a//b"}`, `{"type":"error","id":1,"code":"bad_path","message":"malformed path \"/a//b\": empty name"}`},
		{"no node", `{"type":"subscribe","id":1,"path":"/a"}`, `{"type":"error","id":1,"code":"no_such_node","message":"/a: no such node"}`},
		{"negative id", `{"type":"ack","id":-1,"seq":1}`, `{"type":"error","code":"bad_frame","message":"\"id\" cannot be a number -1"}`},
		{"ack of nothing", `{"type":"ack","id":1}`, `{"type":"error","id":1,"code":"bad_frame","message":"\"seq\" is missing"}`},
	} {
		c.send("%s", m.send)
		if got := strings.TrimSpace(string(c.read())); got != m.want {
			t.Errorf("%s:\ngot  %s\nwant %s", m.name, got, m.want)
		}
	}
	c.send(`{"type":"subscribe","id":1,"path":"/host"}`)
	c.frame()
	c.send(`{"type":"subscribe","id":2,"path":"/host"}`)
	if got := string(c.read()); !strings.Contains(got, `"too_many_subscriptions","message":"a socket has at most 1 subscriptions; unsubscribe another"`) {
		t.Errorf("second subscription: %s", got)
	}
	c.send(`{"type":"subscribe","id":1,"path":"/shop"}`) // replaces
	if f := c.frame(); f.Nodes[0].Name != "shop" {
		t.Errorf("replaced: %+v", f)
	}
}

func TestMisbehavingClientsAreSentAway(t *testing.T) {
	r := newRig(t, Options{})
	for _, c := range []struct {
		name string
		do   func(c *client)
		code int
	}{
		{"binary message", func(c *client) { _ = c.ws.WriteMessage(websocket.BinaryMessage, []byte("{}")) }, websocket.CloseUnsupportedData},
		{"long message", func(c *client) {
			c.ws.EnableWriteCompression(false)
			_ = c.ws.WriteMessage(websocket.TextMessage, make([]byte, MaxMessageBytes+1))
		}, websocket.CloseMessageTooBig},
		{"message that grows", func(c *client) {
			c.ws.EnableWriteCompression(true)
			_ = c.ws.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte(" "), 1<<20))
		}, websocket.CloseMessageTooBig},
		{"nonsense without end", func(c *client) {
			for range MaxBadMessages + 1 {
				c.send("x")
			}
		}, websocket.ClosePolicyViolation},
	} {
		cl := r.dial(ProtocolJSON)
		c.do(cl)
		_ = cl.ws.SetReadDeadline(time.Now().Add(2 * time.Minute))
		for {
			_, _, err := cl.ws.ReadMessage()
			if err == nil {
				continue
			}
			if !websocket.IsCloseError(err, c.code) {
				t.Errorf("%s: %v, want code %d", c.name, err, c.code)
			}
			break
		}
	}
}

func TestSubscribingTooFastIsRefused(t *testing.T) {
	at := time.Unix(0, 0)
	b := bucket{rate: subscribeRate, most: subscribeMost, tokens: subscribeMost, at: at}
	for i := range subscribeMost {
		if !b.take(at) {
			t.Fatalf("refused after %d", i)
		}
	}
	if b.take(at) {
		t.Error("one more than the most at once")
	}
	if at = at.Add(time.Second / subscribeRate); !b.take(at) || b.take(at) {
		t.Error("tokens do not come back at the rate")
	}
}

func TestOrigin(t *testing.T) {
	r := newRig(t, Options{Origins: []string{"https://grove.example"}})
	host := strings.TrimPrefix(r.url, "ws://")
	for _, c := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"a program", nil, 101},
		{"the page", http.Header{"Origin": {"http://" + host}}, 101},
		{"a configured origin", http.Header{"Origin": {"https://grove.example"}}, 101},
		{"a cookie without origin", http.Header{"Cookie": {"a=b"}}, 403},
		{"another site", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"another port", http.Header{"Origin": {"http://127.0.0.1:1"}}, 403},
		{"the page, where a proxy ends TLS", http.Header{"Origin": {"https://" + host}}, 101},
		{"another scheme", http.Header{"Origin": {"ftp://" + host}}, 403},
		{"a sub-domain", http.Header{"Origin": {"https://x.grove.example"}}, 403},
		{"null", http.Header{"Origin": {"null"}}, 403},
		{"empty", http.Header{"Origin": {""}}, 403},
		{"with a path", http.Header{"Origin": {"http://" + host + "/"}}, 403},
		{"with a user", http.Header{"Origin": {"http://u@" + host}}, 403},
		{"two", http.Header{"Origin": {"http://" + host, "http://evil.example"}}, 403},
	} {
		ws, res, err := websocket.DefaultDialer.Dial(r.url, c.header)
		if res == nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if res.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", c.name, res.StatusCode, c.want)
		}
		if ws != nil {
			_ = ws.Close()
		}
	}
}

// TestOriginBelowTLS refuses a page that came without TLS to a server that has it: whoever
// is on the way may have written it.
func TestOriginBelowTLS(t *testing.T) {
	s := New(Options{Tree: tree.New(tree.Options{})})
	defer func() { _ = s.Close(t.Context()) }()
	for origin, allowed := range map[string]bool{"https://grove.example": true, "http://grove.example": false} {
		r := httptest.NewRequest(http.MethodGet, "https://grove.example/api/v1/live", nil) // It has TLS by its scheme.
		r.Header.Set("Origin", origin)
		if detail := s.checkOrigin(r); (detail == "") != allowed {
			t.Errorf("%s: %q", origin, detail)
		}
	}
}

func TestBoundOfConnections(t *testing.T) {
	r := newRig(t, Options{MaxConnections: 1})
	r.dial("")
	_, res, err := websocket.DefaultDialer.Dial(r.url, nil)
	if err == nil || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("second connection: %v, %v", res, err)
	}
}

func TestPlainRequestIsToldToUpgrade(t *testing.T) {
	r := newRig(t, Options{})
	res, err := http.Get("http" + strings.TrimPrefix(r.url, "ws"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUpgradeRequired || res.Header.Get("Upgrade") != "websocket" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

func TestCloseSendsEverybodyAwayAndWaits(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/"}`)
	c.frame()
	if err := r.server.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := r.server.Connections(); n != 0 {
		t.Errorf("%d connections after Close", n)
	}
	if n := r.tree.Stats().Views; n != 0 {
		t.Errorf("%d views after Close", n)
	}
	if _, _, err := c.ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("client was told %v", err)
	}
	if _, res, err := websocket.DefaultDialer.Dial(r.url, nil); err == nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("connected after Close: %v", err)
	}
}

func TestAbsentClientIsNoticed(t *testing.T) {
	r := newRig(t, Options{PongTimeout: 50 * time.Millisecond, PingEvery: 10 * time.Millisecond})
	c := r.dial("") // does not read, so it answers no ping
	deadline := time.Now().Add(2 * time.Minute)
	for r.server.Connections() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the silent client is still connected")
		}
		// The ping is the clock here: wait for the server's next one.
		_ = c.ws.NetConn().SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = c.ws.NetConn().Read(make([]byte, 64))
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"type":"subscribe","id":1,"path":"/shop","since":123,"run":"x"}`, `{"type":"ack","id":1,"seq":130}`,
		`{"type":"unsubscribe","id":1}`, `{"type":"subscribe","id":1,"path":"/a~1b/"}`, `[]`, `{"id":1e3}`,
		`{"type":"ack","id":4294967295,"seq":18446744073709551615}`, `{"type":"ack","id":01,"seq":2}`, `{"type":"ack","id":1,"seq":+2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRequest(data)
		if id, seq, ok := parseAck(data); ok && (err != nil || !reflect.DeepEqual(r, request{Type: "ack", ID: id, Seq: seq})) {
			t.Errorf("an acknowledgement of %d to %d is read otherwise: %+v, %v", id, seq, r, err)
		}
		if err != nil {
			if !reflect.DeepEqual(r, request{}) {
				t.Errorf("a request and an error: %+v, %v", r, err)
			}
			if len(err.Error()) > 16*1024+8*len(data) {
				t.Errorf("an error of %d bytes for %d", len(err.Error()), len(data))
			}
			return
		}
		if r.Type == "subscribe" {
			if again, err := tree.ParsePath(r.Path.String()); err != nil || again != r.Path {
				t.Errorf("path %q reads as %q, %v", r.Path, again, err)
			}
		}
	})
}
