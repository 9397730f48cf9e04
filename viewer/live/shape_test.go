package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/live/frame"
	"grove/viewer/live/shape"
)

// told reads a message that is not data.
func (c *client) told(want string) {
	c.t.Helper()
	if got := strings.TrimSpace(string(c.read())); got != want {
		c.t.Errorf("got  %s\nwant %s", got, want)
	}
}

func (r *rig) index(path string) uint32 {
	r.t.Helper()
	ref, ok := r.tree.Lookup(tree.MustPath(path))
	if !ok {
		r.t.Fatalf("no %s", path)
	}
	return ref.Index()
}

func TestOnlyWhatShowsIsSent(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/","depth":1}`)
	c.told(`{"type":"opened","id":1,"nodes":[0],"all":false}`)
	c.frame()
	same(t, c.show(), map[string]string{"": "white", "/shop": "white", "/host": "white"})
	c.ack(1)

	r.set("/shop/web1/load", 150)
	if f := c.frame(); len(f.Changes) != 2 {
		t.Errorf("a reading below a closed group: %+v", f.Changes)
	}
	c.ack(1)
	c.send(`{"type":"open","id":1,"nodes":[%d]}`, r.index("/shop"))
	c.told(`{"type":"applied","id":1,"count":1}`)
	f := c.frame()
	if f.From != f.Seq || len(f.Nodes) != 1 || f.Nodes[0].Name != "web1" || f.Nodes[0].Children != 2 {
		t.Errorf("what the open brought: %+v", f)
	}
	c.ack(1)
	c.send(`{"type":"open","id":1,"problems":true}`)
	c.told(`{"type":"applied","id":1,"count":2}`)
	c.told(fmt.Sprintf(`{"type":"opened","id":1,"nodes":[0,%d,%d],"all":false,"focus":%d}`,
		min(r.index("/shop"), r.index("/shop/web1")), max(r.index("/shop"), r.index("/shop/web1")), r.index("/shop/web1/load")))
	c.frame()
	same(t, c.show(), map[string]string{"": "red", "/shop": "red", "/host": "white", "/shop/web1": "red", "/shop/web1/load": "red 150", "/shop/web1/state": "white"})
}

func TestViewersInOneShapeShareFrames(t *testing.T) {
	r := newRig(t, Options{})
	shop := r.index("/shop")
	var clients []*client
	for k := range 4 {
		c := r.dial(ProtocolBinary)
		c.send(`{"type":"subscribe","id":1,"path":"/","depth":1}`)
		c.read() // opened
		c.frame()
		c.ack(1)
		// All come to the same shape, on two ways.
		c.send(`{"type":"open","id":1,"nodes":[%d]}`, shop)
		c.read()
		c.frame()
		c.ack(1)
		if k%2 == 0 {
			c.send(`{"type":"open","id":1,"nodes":[%d]}`, r.index("/host"))
			c.read()
			c.frame()
			c.ack(1)
			c.send(`{"type":"close","id":1,"nodes":[%d]}`, r.index("/host"))
			c.read()
		}
		clients = append(clients, c)
	}
	set := func(v float64) float64 {
		before := testutil.ToFloat64(r.server.counts.encoded)
		r.set("/shop/web1/load", v)
		for _, c := range clients {
			c.frame()
			c.ack(1)
		}
		return testutil.ToFloat64(r.server.counts.encoded) - before
	}
	set(150) // Their numbers may differ until something shows a change.
	if n := set(1); n != 1 {
		t.Errorf("%v frames were encoded for clients in one shape", n)
	}
}

func TestFilterSaysHowMuchItFinds(t *testing.T) {
	r := newRig(t, Options{})
	var ops []tree.Op
	for i := range shape.MaxMatches + 100 {
		ops = append(ops, tree.Add(tree.MustPath(fmt.Sprintf("/many/disk%d", i)), &tree.Spec{Kind: tree.Performance}))
	}
	if err := r.tree.Change(ops...); err != nil {
		t.Fatal(err)
	}
	r.tree.Flush()
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/","filter":{"text":"DISK many","statuses":["white"]}}`)
	c.told(fmt.Sprintf(`{"type":"opened","id":1,"nodes":[0,%d],"all":false}`, r.index("/many")))
	c.told(`{"type":"matches","id":1,"hits":5100,"shown":5000}`)
	if f := c.frame(); len(f.Nodes) != 2+shape.MaxMatches {
		t.Errorf("%d nodes", len(f.Nodes))
	}
	c.ack(1)
	// What does not match any longer goes, and others come in its place.
	r.set("/many/disk7", 1)
	f := c.frame()
	if len(f.Removed) != 1 || f.Removed[0] != r.index("/many/disk7") || len(f.Nodes) != 1 {
		t.Errorf("removed %v, %d placed", f.Removed, len(f.Nodes))
	}
	c.told(`{"type":"matches","id":1,"hits":5099,"shown":5000}`)
}

func TestHiddenNodesAreNotThere(t *testing.T) {
	ada := &grant.Subject{Name: "ada", Grants: []grant.Grant{{Role: grant.Viewer, Path: tree.MustPath("/shop/web1/load")}}}
	for _, protocol := range []string{ProtocolBinary, ProtocolJSON} {
		r := newRigAs(t, ada, Options{})
		if err := r.tree.Change(tree.Update(tree.MustPath("/shop/web1/state"), &tree.Spec{Kind: tree.State, Description: "a secret"}),
			tree.Add(tree.MustPath("/shop/web1"), &tree.Spec{Kind: tree.Group, Description: "a secret"})); err != nil {
			t.Fatal(err)
		}
		r.set("/shop/web1/load", 150)
		c := r.dial(protocol)
		c.send(`{"type":"subscribe","id":2,"path":"/host"}`)
		c.told(`{"type":"error","id":2,"code":"no_such_node","message":"/host: no such node"}`)
		c.send(`{"type":"subscribe","id":1,"path":"/"}`)
		c.read() // opened
		f := c.frame()
		same(t, c.show(), map[string]string{"": "red", "/shop": "red", "/shop/web1": "red", "/shop/web1/load": "red 150"})
		for _, n := range f.Nodes {
			group := n.Kind == tree.Group
			if n.Hidden != group || group && (n.Children != 1 || *n.Counts != [4]int32{tree.Red: 1}) || n.Description != "" {
				t.Errorf("%s: %+v", n.Name, n)
			}
		}
		c.ack(1)
		for _, open := range []string{`"nodes":[%d]`, `"path":"/host/cpu"`} {
			if strings.Contains(open, "%d") {
				open = fmt.Sprintf(open, r.index("/host"))
			}
			c.send(`{"type":"open","id":1,%s}`, open)
			c.read() // applied
		}
		c.told(`{"type":"error","id":1,"code":"no_such_path","message":"/host/cpu: no such node"}`)
		// What changes in what is hidden is not told, what follows from it is.
		r.set("/host/cpu", 5)
		r.set("/shop/web1/load", 1)
		for c.seq < r.tree.Seq() {
			for _, ch := range c.frame().Changes {
				if ch.Index == r.index("/host") || ch.Index == r.index("/host/cpu") {
					t.Errorf("told of %+v", ch)
				}
			}
			c.ack(1)
		}
	}
}

// TestIndexGivenAgainLeaksNothing lets a node that is seen go, and gives its index to one
// that is hidden.
func TestIndexGivenAgainLeaksNothing(t *testing.T) {
	ada := &grant.Subject{Name: "ada", Grants: []grant.Grant{{Role: grant.Viewer, Path: tree.MustPath("/shop")}}}
	r := newRigAs(t, ada, Options{})
	guard := grant.NewGuard(r.tree)
	view, err := r.tree.View(tree.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	scene, old := shape.NewScene(), guard.Scope(ada)
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/"}`)
	c.read() // opened
	c.frame()
	c.ack(1)
	load := r.index("/shop/web1/load")
	if err := r.tree.Change(tree.Remove(tree.MustPath("/shop/web1/load"))); err != nil {
		t.Fatal(err)
	}
	if _, err := r.tree.Add(tree.MustPath("/host/secret"), &tree.Spec{Kind: tree.Performance}); err != nil {
		t.Fatal(err)
	}
	if r.index("/host/secret") != load {
		t.Fatal("the index was not given again: the test tests nothing")
	}
	if old.At(load) == grant.Hidden {
		t.Fatal("the old scope does not show the index: the test tests nothing")
	}
	_ = view.Read(func(reader *tree.Reader) {
		if scene.Update(reader, old) {
			t.Error("a scene takes a scope of another structure")
		}
		if !scene.Update(reader, nil) {
			t.Error("a scene needs a scope where everything is seen")
		}
	})
	r.set("/host/secret", 42)
	f := c.frame()
	if _, ok := c.nodes[load]; ok || len(f.Removed) != 1 || f.Removed[0] != load {
		t.Errorf("after the index was given again: removed %v", f.Removed)
	}
	c.ack(1)
	c.send(`{"type":"open","id":1,"path":"/host/secret"}`)
	c.read() // applied
	c.told(`{"type":"error","id":1,"code":"no_such_path","message":"/host/secret: no such node"}`)
	r.set("/shop/web1/state", 1)
	for c.seq < r.tree.Seq() {
		if f := c.frame(); len(f.Nodes) > 0 {
			for _, n := range f.Nodes {
				if n.Name == "secret" {
					t.Errorf("told of %+v", n)
				}
			}
		}
	}
	if _, ok := c.nodes[load]; ok {
		t.Error("the hidden node is there")
	}
}

func TestSocketEndsWithItsSession(t *testing.T) {
	var over atomic.Bool
	who := &grant.Subject{Name: "ada", Grants: []grant.Grant{grant.Everything}, Valid: func() bool { return !over.Load() }}
	r := newRigAs(t, who, Options{})
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/"}`)
	c.frame()
	over.Store(true)
	_ = c.ws.SetReadDeadline(time.Now().Add(2 * time.Minute))
	for {
		_, _, err := c.ws.ReadMessage()
		if err == nil {
			continue
		}
		if closed := new(websocket.CloseError); !errors.As(err, &closed) || closed.Code != websocket.ClosePolicyViolation || closed.Text != "logged out" {
			t.Errorf("closed with %v", err)
		}
		return
	}
}

func TestWhoSeesNothingIsRefused(t *testing.T) {
	r := newRigAs(t, grant.Nobody, Options{})
	_, res, err := websocket.DefaultDialer.Dial(r.url, nil)
	if err == nil || res.StatusCode != 403 {
		t.Errorf("%v, %v", res, err)
	}
}

func TestPastIsATreeThatStandsStill(t *testing.T) {
	at := time.UnixMilli(1_790_000_000_000)
	var given atomic.Int32
	past := func(_ context.Context, when time.Time) (*tree.Tree, func(), error) {
		if !when.Equal(at) {
			return nil, nil, fmt.Errorf("nothing is known of %s", when.UTC().Format(time.RFC3339))
		}
		tr, err := tree.Freeze(at, []tree.Record{
			{Path: tree.MustPath("/old/load"), Spec: &tree.Spec{Kind: tree.Performance}, Status: tree.Red, Value: tree.Number(9)},
		})
		given.Add(1)
		return tr, func() { given.Add(-1) }, err
	}
	r := newRig(t, Options{Past: past})
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/","at":1}`)
	c.told(`{"type":"error","id":1,"code":"no_past","message":"/: nothing is known of 1970-01-01T00:00:00Z"}`)
	c.send(`{"type":"subscribe","id":1,"path":"/","depth":1,"at":%d}`, at.UnixMilli())
	c.read() // opened
	c.frame()
	same(t, c.show(), map[string]string{"": "white", "/old": "white"})
	c.ack(1)
	r.set("/host/cpu", 3) // It is not of the past.
	c.send(`{"type":"open","id":1,"problems":true}`)
	c.told(`{"type":"applied","id":1,"count":1}`)
	c.read() // opened
	c.frame()
	same(t, c.show(), map[string]string{"": "white", "/old": "white", "/old/load": "red 9"})
	c.send(`{"type":"subscribe","id":2,"path":"/old","at":%d}`, at.UnixMilli())
	if f := c.frame(); f.ID != 2 || given.Load() != 1 {
		t.Errorf("%d trees of one moment", given.Load())
	}
	if err := r.server.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if given.Load() != 0 {
		t.Error("the tree of the past was not given back")
	}
	if _, err := New(Options{Tree: r.tree}).past(t.Context(), at); !errors.Is(err, errNoPast) {
		t.Errorf("without a past: %v", err)
	}
}

func TestForgottenChangesKeepTheShape(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial(ProtocolBinary)
	c.send(`{"type":"subscribe","id":1,"path":"/","open":["/shop"]}`)
	c.read() // opened
	c.frame()
	for i := 1; i < Window; i++ {
		r.set("/shop/web1/load", float64(i%2)*150) // its status changes each time
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
	c.told(fmt.Sprintf(`{"type":"opened","id":1,"nodes":[0,%d],"all":false}`, r.index("/shop")))
	if f := c.frame(); f.Type != frame.TypeSnapshot {
		t.Errorf("got %c", f.Type)
	}
	same(t, c.show(), map[string]string{"": "green", "/shop": "green", "/host": "white", "/shop/web1": "green"})
}

func TestRequestsOfShapesAreRead(t *testing.T) {
	depth := func(n int) shape.Wish { return shape.Wish{Depth: n} }
	for _, c := range []struct {
		name, text string
		want       shape.Wish
		err        string
	}{
		{"everything", ``, depth(32), ""},
		{"depth", `,"depth":2`, depth(2), ""},
		{"deeper than any tree", `,"depth":99`, depth(32), ""},
		{"some", `,"some":40`, shape.Wish{Some: 40}, ""},
		{"open", `,"open":["/a"]`, shape.Wish{Open: []tree.Path{tree.MustPath("/a")}}, ""},
		{"negative depth", `,"depth":-1`, shape.Wish{}, `bad_frame: "depth" is negative`},
		{"some of nothing", `,"some":0`, shape.Wish{}, `bad_frame: "some" is not from 1 to 4000000`},
		{"bad open", `,"open":["/a//b"]`, shape.Wish{}, `bad_path: "open": malformed path "/a//b": empty name`},
		{"bad status", `,"filter":{"statuses":["blue"]}`, shape.Wish{}, `bad_filter: unknown status "blue": green, yellow, red or white`},
		{"long text", `,"filter":{"text":"` + strings.Repeat("x", 1025) + `"}`, shape.Wish{}, `bad_filter: malformed filter: the text is longer than 1024 bytes`},
		{"many words", `,"filter":{"text":"` + words(31) + `"}`, shape.Wish{}, `bad_filter: malformed filter: the text has more than 30 words`},
		{"no time", `,"at":0`, shape.Wish{}, `bad_frame: "at" is not a time: milliseconds from 1 to 253402300800000`},
	} {
		r, err := parseRequest([]byte(`{"type":"subscribe","id":1,"path":"/"` + c.text + `}`))
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: %v, want %s", c.name, err, c.err)
			}
			continue
		}
		if err != nil || r.Shape.Key() != c.want.Key() {
			t.Errorf("%s: %+v, %v", c.name, r.Shape, err)
		}
	}
	for text, want := range map[string]string{
		`{"type":"open","id":1}`:                          `bad_frame: an open needs one of "nodes", "all", "problems" and "path"`,
		`{"type":"open","id":1,"all":true,"nodes":[]}`:    `bad_frame: an open needs one of "nodes", "all", "problems" and "path"`,
		`{"type":"close","id":1,"problems":true}`:         `bad_frame: a close needs "nodes" or "all"`,
		`{"type":"close","id":1,"path":"/"}`:              `bad_frame: a close needs "nodes" or "all"`,
		`{"type":"open","id":1,"nodes":[-1]}`:             `bad_frame: "nodes" cannot be a number -1`,
		`{"type":"open","id":1,"path":"/a//b"}`:           `bad_path: malformed path "/a//b": empty name`,
		`{"type":"close","id":1,"nodes":[1],"all":false}`: ``,
	} {
		_, err := parseRequest([]byte(text))
		if got := fmt.Sprint(err); want != "" && got != want || want == "" && err != nil {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func words(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint("w", i))
	}
	return strings.Join(list, " ")
}

func TestRunTellsGrantsApart(t *testing.T) {
	r := newRig(t, Options{})
	of := func(g ...grant.Grant) string {
		return (&conn{server: r.server, subject: &grant.Subject{Grants: g}}).run()
	}
	a, b := grant.Grant{Role: grant.Viewer, Path: tree.MustPath("/a")}, grant.Grant{Role: grant.Viewer, Path: tree.MustPath("/b")}
	if of(a, b) != of(b, a) || of(a) == of(b) || of(grant.Everything) != r.server.run || of(a) == r.server.run {
		t.Error("runs are not those of what is seen")
	}
}
