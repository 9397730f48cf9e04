package live

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"grove/tree"
	"grove/tree/grant"
	"grove/viewer/live/frame"
)

// world is a tree that changes at random, and what follows from it said plainly.
type world struct {
	*rig
	rnd *rand.Rand
}

// fact is what a client is to know of a node.
type fact struct {
	Kind     tree.Kind
	Status   tree.Status
	Value    string
	Children int
	Hidden   bool
	Counts   [4]int32
}

// plain is a node of the tree with what follows from grants, said plainly.
type plain struct {
	ref           tree.Ref
	path          tree.Path
	fact          fact
	seen, visible bool
	children      []*plain
}

// openness is which groups are open, by nodes instead of indexes.
type openness struct {
	all            bool
	opened, closed map[tree.Ref]bool
	text           string
	statuses       []tree.Status
}

func (o *openness) filtering() bool { return o.text != "" || len(o.statuses) > 0 }

func (o *openness) isOpen(n *plain) bool { return o.opened[n.ref] || o.all && !o.closed[n.ref] }

// plainly looks at the whole tree for somebody.
func (w *world) plainly(who *grant.Subject) map[string]*plain {
	nodes := map[string]*plain{}
	customers := map[string]string{}
	_ = w.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
		up := nodes[n.Path.Parent().String()]
		p := &plain{ref: n.Ref, path: n.Path, fact: fact{Kind: n.Kind, Status: n.Status, Value: n.Value.String()}}
		nodes[n.Path.String()] = p
		customer := customers[n.Path.Parent().String()]
		if own := n.Spec.Properties[grant.CustomerProperty]; own != "" {
			customer = own
		}
		customers[n.Path.String()] = customer
		for _, g := range who.Grants {
			p.seen = p.seen || g.Path.Contains(n.Path) && (g.Customer == "" || g.Customer == customer)
		}
		p.visible = p.seen || n.Path.IsRoot()
		if n.Depth > 0 {
			up.children = append(up.children, p)
			for a := n.Path.Parent(); p.seen; a = a.Parent() {
				nodes[a.String()].visible = true
				if a.IsRoot() {
					break
				}
			}
		}
		return true
	})
	var count func(n *plain) (counts [4]int32, hidden bool)
	count = func(n *plain) (counts [4]int32, hidden bool) {
		if n.fact.Kind != tree.Group {
			if n.seen {
				counts[n.fact.Status] = 1
			}
			return counts, !n.seen
		}
		for _, c := range n.children {
			below, partly := count(c)
			for s := range below {
				counts[s] += below[s]
			}
			hidden = hidden || partly
			if c.visible {
				n.fact.Children++
			}
		}
		n.fact.Counts, n.fact.Hidden = counts, hidden
		return counts, hidden
	}
	count(nodes["/"])
	return nodes
}

// matches lists what a filter finds below a root.
func (o *openness) matches(root *plain) map[*plain]bool {
	hits := map[*plain]bool{}
	words := strings.Fields(o.text)
	var walk func(n *plain, above []string)
	walk = func(n *plain, above []string) {
		for _, c := range n.children {
			if !c.visible {
				continue
			}
			names := append(slices.Clone(above), c.path.Name())
			all, own := true, false
			for _, word := range words {
				all = all && slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, word) })
				own = own || strings.Contains(c.path.Name(), word)
			}
			if len(o.statuses) > 0 {
				own = c.fact.Kind != tree.Group && slices.Contains(o.statuses, c.fact.Status)
			}
			if all && own {
				hits[c] = true
			}
			walk(c, names)
		}
	}
	walk(root, nil)
	return hits
}

func leadsTo(n *plain, hits map[*plain]bool) bool {
	return hits[n] || slices.ContainsFunc(n.children, func(c *plain) bool { return leadsTo(c, hits) })
}

func isWay(n *plain, hits map[*plain]bool) bool {
	return slices.ContainsFunc(n.children, func(c *plain) bool { return leadsTo(c, hits) })
}

// expect says what a client is to know by now.
func (w *world) expect(v *watcher) map[string]fact {
	nodes := w.plainly(v.who)
	root := nodes[v.path.String()]
	if root == nil || !root.visible {
		return nil
	}
	v.follow(root)
	hits := v.open.matches(root)
	know := map[string]fact{}
	var show func(n *plain)
	show = func(n *plain) {
		know[n.path.String()] = n.fact
		for _, c := range n.children {
			if !c.visible || !v.open.isOpen(n) {
				continue
			}
			if v.open.filtering() && !v.open.opened[n.ref] && !leadsTo(c, hits) {
				continue
			}
			show(c)
		}
	}
	show(root)
	return know
}

// follow takes up that another node may have taken the place of the root.
func (v *watcher) follow(root *plain) {
	if v.root != root.ref {
		v.root, v.open.opened[root.ref] = root.ref, v.open.opened[root.ref] || !v.open.all
	}
}

// watcher is a client with what it believes.
type watcher struct {
	w      *world
	ws     *websocket.Conn
	binary bool
	who    *grant.Subject
	path   tree.Path
	open   openness
	root   tree.Ref
	mirror frame.Mirror
	run    string
	id     uint32
	gone   bool // the server said that there is no such node
	unread bool // a frame was not acknowledged
	frames int
	opened *opened // the last
}

func (v *watcher) send(format string, args ...any) {
	v.w.t.Helper()
	if err := v.ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		v.w.t.Fatal(err)
	}
}

func (v *watcher) connect(url string) {
	v.w.t.Helper()
	protocol := ProtocolJSON
	if v.binary {
		protocol = ProtocolBinary
	}
	ws, res, err := (&websocket.Dialer{Subprotocols: []string{protocol}}).Dial(url, nil)
	if err != nil {
		v.w.t.Fatal(err)
	}
	_ = res.Body.Close()
	v.w.t.Cleanup(func() { _ = ws.Close() })
	v.ws = ws
	var hello welcome
	_, data, err := ws.ReadMessage()
	if err != nil || json.Unmarshal(data, &hello) != nil {
		v.w.t.Fatal(err)
	}
	v.run = hello.Run
}

// message takes up one message of the server; it returns the id of an error.
func (v *watcher) message() (failed uint32) {
	v.w.t.Helper()
	_ = v.ws.SetReadDeadline(time.Now().Add(2 * time.Minute))
	kind, data, err := v.ws.ReadMessage()
	if err != nil {
		v.w.t.Fatal(err)
	}
	f := new(frame.Frame)
	if kind == websocket.BinaryMessage {
		f, err = frame.Decode(data)
	} else {
		var m struct {
			Type  string
			ID    uint32
			Count uint64
			Code  string
		}
		if err := json.Unmarshal(data, &m); err != nil {
			v.w.t.Fatal(err)
		}
		switch m.Type {
		case "error":
			if m.ID == v.id && m.Code == codeNoNode {
				v.gone = true
			}
			return m.ID
		case "applied":
			if m.ID == v.id {
				v.mirror.Applied(m.Count)
			}
			return 0
		case "opened":
			o := new(opened)
			if err := json.Unmarshal(data, o); err != nil {
				v.w.t.Fatal(err)
			}
			if o.ID == v.id {
				v.opened = o
				if !o.All {
					v.mirror.Opened(o.Nodes)
				}
			}
			return 0
		case "matches":
			return 0
		}
		err = json.Unmarshal(data, f)
	}
	if err != nil {
		v.w.t.Fatalf("%v in %.300q", err, data)
	}
	if f.ID != v.id {
		return 0
	}
	if err := v.mirror.Apply(f); err != nil {
		v.w.t.Fatalf("%v: %.300q", err, data)
	}
	v.unread, v.frames = true, v.frames+1
	return 0
}

// sync reads everything that the server had to send.
func (v *watcher) sync() {
	v.w.t.Helper()
	// The writer answers before it looks at the subscriptions, so the second answer
	// shows that it has looked.
	for range 2 {
		v.send(`{"type":"unsubscribe","id":999}`)
		for v.message() != 999 {
		}
	}
}

// drain reads and acknowledges until there is nothing more.
func (v *watcher) drain() {
	v.w.t.Helper()
	for {
		frames := v.frames
		if v.unread {
			v.unread = false
			v.send(`{"type":"ack","id":%d,"seq":%d}`, v.id, v.mirror.Seq)
		}
		v.sync()
		if v.frames == frames && !v.unread {
			return
		}
	}
}

// check holds the mirror against the tree.
func (v *watcher) check(what string) {
	v.w.t.Helper()
	v.drain()
	want := v.w.expect(v)
	if v.gone { // At some time it was not there.
		return
	}
	if want == nil {
		v.w.t.Fatalf("%s: %s is not there for %s, and the client was not told", what, v.path, v.who.Name)
	}
	got := map[string]fact{}
	v.mirror.Walk(func(n *frame.Mirrored, _ int) bool {
		p := v.path
		for _, name := range v.mirror.Names(n.Index) {
			p = child(p, name)
		}
		f := fact{Kind: n.Kind, Status: n.Status, Value: n.Value.String(), Children: n.Children, Hidden: n.Hidden}
		if n.Counts != nil {
			f.Counts = *n.Counts
		}
		got[p.String()] = f
		return true
	})
	if d := cmp.Diff(want, got); d != "" {
		v.w.t.Fatalf("%s: %s at %s (all %v, %d opened, %d closed, filter %q %v): -want +got\n%s", what, v.who.Name, v.path, v.open.all, len(v.open.opened), len(v.open.closed), v.open.text, v.open.statuses, d)
	}
	if len(got) != v.mirror.Len() {
		v.w.t.Fatalf("%s: %d nodes hang on nothing", what, v.mirror.Len()-len(got))
	}
}

// subscribe asks for something at random, under a new id.
func (v *watcher) subscribe() {
	v.w.t.Helper()
	rnd := v.w.rnd
	v.id++
	v.gone, v.opened = false, nil
	v.mirror.Restart()
	nodes := v.w.plainly(v.who)
	root := nodes[v.path.String()]
	v.open = openness{opened: map[tree.Ref]bool{}, closed: map[tree.Ref]bool{}}
	request := map[string]any{"type": "subscribe", "id": v.id, "path": v.path}
	depth, some := -1, 0
	var paths []string
	everything := true
	if rnd.IntN(2) == 0 {
		depth = rnd.IntN(5)
		request["depth"], everything = depth, false
	}
	if rnd.IntN(3) == 0 {
		for _, n := range v.groups(nodes, 3) {
			paths = append(paths, n.path.String())
		}
		request["open"], everything = append(paths, "/not/there"), false
	}
	if rnd.IntN(4) == 0 {
		some = 1 + rnd.IntN(30)
		request["some"], everything = some, false
	}
	if rnd.IntN(3) == 0 {
		v.open.text = []string{"", "a", "b c", "ab"}[rnd.IntN(4)]
		if rnd.IntN(2) == 0 {
			v.open.statuses = []tree.Status{tree.Status(rnd.IntN(4)), tree.Red}
		}
		words := make([]string, len(v.open.statuses))
		for k, s := range v.open.statuses {
			words[k] = s.String()
		}
		request["filter"] = map[string]any{"text": strings.ToUpper(v.open.text), "statuses": words}
	}
	text, err := json.Marshal(request)
	if err != nil {
		v.w.t.Fatal(err)
	}
	v.send("%s", text)
	if root == nil || !root.visible {
		return
	}
	v.root = root.ref
	below := func(p string) bool { return v.path.Contains(tree.MustPath(p)) && nodes[p] != nil }
	switch {
	case v.open.filtering():
		v.open.all = true
		for _, p := range paths {
			if below(p) {
				v.open.opened[nodes[p].ref] = true
			}
		}
		return
	case everything:
		v.open.all = true
		return
	}
	for _, n := range nodes {
		if n.visible && n.fact.Kind == tree.Group && v.path.Contains(n.path) && n.path.Depth()-v.path.Depth() < depth {
			v.open.opened[n.ref] = true
		}
	}
	for _, p := range paths {
		for below(p) {
			v.open.opened[nodes[p].ref] = true
			p = nodes[p].path.Parent().String()
			if p == v.path.Parent().String() && !v.path.IsRoot() || p == "/" && v.path.IsRoot() {
				v.open.opened[root.ref] = true
				break
			}
		}
	}
	if some > 0 {
		v.open.opened[root.ref] = true
		level := []*plain{root}
		for len(v.w.expect(v))-1 <= some {
			var next []*plain
			for _, n := range level {
				for _, c := range n.children {
					if c.visible && c.fact.Kind == tree.Group {
						next = append(next, c)
					}
				}
			}
			before := maps.Clone(v.open.opened)
			for _, n := range next {
				v.open.opened[n.ref] = true
			}
			if len(v.w.expect(v))-1 > some {
				v.open.opened = before
				break
			}
			if level = next; len(level) == 0 {
				break
			}
		}
	}
}

// groups picks visible groups at random, in the view or not.
func (v *watcher) groups(nodes map[string]*plain, most int) (picked []*plain) {
	for _, p := range slices.Sorted(maps.Keys(nodes)) {
		if n := nodes[p]; n.visible && n.fact.Kind == tree.Group && v.w.rnd.IntN(4) == 0 && len(picked) < most {
			picked = append(picked, n)
		}
	}
	return picked
}

// turn sends an open or close at random and says what follows from it.
func (v *watcher) turn() {
	v.w.t.Helper()
	nodes := v.w.plainly(v.who)
	root := nodes[v.path.String()]
	if root == nil || !root.visible {
		return
	}
	v.follow(root)
	hits := v.open.matches(root)
	inside := func(n *plain) bool { return v.path.Contains(n.path) }
	switch rnd := v.w.rnd; rnd.IntN(10) {
	case 0:
		v.mirror.Open()
		v.send(`{"type":"open","id":%d,"all":true}`, v.id)
		v.open.all = true
		clear(v.open.opened)
		clear(v.open.closed)
	case 1:
		v.mirror.Open() // The answer says what is closed.
		v.send(`{"type":"close","id":%d,"all":true}`, v.id)
		clear(v.open.opened)
		clear(v.open.closed)
		if v.open.filtering() {
			v.open.all = true
			for _, n := range nodes {
				if n != root && inside(n) && n.visible && isWay(n, hits) {
					v.open.closed[n.ref] = true
				}
			}
		} else {
			v.open.all = false
			v.open.opened[root.ref] = true
		}
	case 2:
		v.mirror.Open()
		v.send(`{"type":"open","id":%d,"problems":true}`, v.id)
		v.open.all = false
		clear(v.open.opened)
		clear(v.open.closed)
		v.open.opened[root.ref] = true
		for _, n := range nodes {
			if n.visible && inside(n) && n.fact.Kind != tree.Group && n.fact.Status > tree.Green {
				for p := n.path.Parent(); v.path.Contains(p); p = p.Parent() {
					v.open.opened[nodes[p.String()].ref] = true
					if p.IsRoot() {
						break
					}
				}
			}
		}
	case 3:
		keys := slices.Sorted(maps.Keys(nodes))
		n := nodes[keys[rnd.IntN(len(keys))]]
		v.mirror.Open()
		v.send(`{"type":"open","id":%d,"path":%q}`, v.id, n.path)
		if !n.visible || !inside(n) || n == root {
			return
		}
		for p := n.path.Parent(); v.path.Contains(p); p = p.Parent() {
			ref := nodes[p.String()].ref
			if v.open.filtering() || !v.open.all {
				v.open.opened[ref] = true
			}
			delete(v.open.closed, ref)
			if p.IsRoot() {
				break
			}
		}
	case 4, 5, 6:
		var indexes []uint32
		groups := v.groups(nodes, 3)
		for _, n := range groups {
			indexes = append(indexes, n.ref.Index())
		}
		v.mirror.Close(indexes...)
		v.send(`{"type":"close","id":%d,"nodes":%s}`, v.id, list(append(indexes, 1<<30)))
		for _, n := range groups {
			if inside(n) {
				delete(v.open.opened, n.ref)
				if v.open.all {
					v.open.closed[n.ref] = true
				}
			}
		}
	default:
		var indexes []uint32
		groups := v.groups(nodes, 3)
		for _, n := range groups {
			indexes = append(indexes, n.ref.Index())
		}
		v.mirror.Open(indexes...)
		v.send(`{"type":"open","id":%d,"nodes":%s}`, v.id, list(append(indexes, 1<<30)))
		for _, n := range groups {
			if !inside(n) {
				continue
			}
			if v.open.filtering() && v.open.all && !(v.open.closed[n.ref] && isWay(n, hits)) || !v.open.all {
				v.open.opened[n.ref] = true
			}
			delete(v.open.closed, n.ref)
		}
	}
}

func list(indexes []uint32) string {
	text, _ := json.Marshal(indexes)
	return string(text)
}

// resume comes back on another socket and goes on from where it was, when what is open
// can be said by paths.
func (v *watcher) resume(url string) {
	v.w.t.Helper()
	_ = v.ws.Close()
	// What is open below a closed group cannot be said.
	paths := []string{}
	for p := range v.w.expect(v) {
		if n := v.w.plainly(v.who)[p]; v.open.opened[n.ref] {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	v.w.change()
	run := v.run
	v.connect(url)
	if v.open.filtering() || v.gone || v.open.all && len(v.open.closed) > 0 || run != v.run {
		v.subscribe()
		return
	}
	if v.open.all {
		v.send(`{"type":"subscribe","id":%d,"path":%q,"since":%d,"run":%q}`, v.id, v.path, v.mirror.Seq, run)
		v.mirror.Restart()
		return
	}
	nodes := v.w.plainly(v.who)
	root := nodes[v.path.String()]
	v.open.opened = map[tree.Ref]bool{}
	for _, p := range paths {
		for now := nodes[p]; now != nil && now.visible && now.fact.Kind == tree.Group && root != nil; now = nodes[now.path.Parent().String()] {
			v.open.opened[now.ref] = true
			if now == root {
				v.root = root.ref
				break
			}
		}
	}
	text, _ := json.Marshal(paths)
	v.send(`{"type":"subscribe","id":%d,"path":%q,"depth":0,"open":%s,"since":%d,"run":%q}`, v.id, v.path, text, v.mirror.Seq, run)
	v.mirror.Restart()
}

func child(p tree.Path, name string) tree.Path {
	c, err := p.Child(name)
	if err != nil {
		panic(err)
	}
	return c
}

var letters = []string{"a", "b", "c", "ab"}

func (w *world) randomPath() tree.Path {
	p := tree.Root
	for range 1 + w.rnd.IntN(4) {
		p = child(p, letters[w.rnd.IntN(len(letters))])
	}
	return p
}

// change does something to the tree and publishes it.
func (w *world) change() {
	for range 1 + w.rnd.IntN(4) {
		w.changeOnce()
	}
	w.tree.Flush()
}

func (w *world) changeOnce() {
	p, q := w.randomPath(), w.randomPath()
	customer := map[string]string{}
	if w.rnd.IntN(3) == 0 {
		customer[grant.CustomerProperty] = []string{"acme", "duck"}[w.rnd.IntN(2)]
	}
	spec := &tree.Spec{Kind: []tree.Kind{tree.Group, tree.Performance, tree.Performance}[w.rnd.IntN(3)], Properties: customer}
	if spec.Kind != tree.Group {
		spec.Threshold = &tree.Threshold{Yellow: tree.AboveLevel(10, 10), Red: tree.AboveLevel(20, 20)}
	}
	switch w.rnd.IntN(10) {
	case 0, 1, 2:
		_ = w.tree.Change(tree.Add(p, spec))
	case 3:
		_ = w.tree.Change(tree.Remove(p))
	case 4: // An index is given again at once, often.
		_ = w.tree.Change(tree.Remove(p))
		_ = w.tree.Change(tree.Add(q, spec))
	case 5:
		_ = w.tree.Change(tree.Move(p, q))
	case 6:
		if n, err := w.tree.Node(p); err == nil {
			again := *n.Spec
			again.Properties = customer
			_ = w.tree.Change(tree.Update(p, &again))
		}
	default:
		var reports []tree.Report
		_ = w.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
			if n.Kind == tree.Performance && w.rnd.IntN(4) == 0 {
				reports = append(reports, tree.Report{Node: n.Ref, Value: tree.Number(float64(w.rnd.IntN(30)))})
			}
			return true
		})
		w.tree.Report(reports...)
	}
}

// TestMirrorsAreAlwaysWhatShouldShow lets clients with different grants open and close,
// filter, lag and come back while the tree changes in every way, and holds what they
// know against what should show, found plainly.
func TestMirrorsAreAlwaysWhatShouldShow(t *testing.T) {
	subjects := []*grant.Subject{
		grant.Anonymous,
		{Name: "a", Grants: []grant.Grant{{Role: grant.Viewer, Path: tree.MustPath("/a")}, {Role: grant.Admin, Path: tree.MustPath("/b/c")}}},
		{Name: "acme", Grants: []grant.Grant{{Role: grant.Viewer, Customer: "acme"}}},
	}
	rounds, seeds := 80, 12
	if testing.Short() {
		seeds = 4
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := &world{rnd: rand.New(rand.NewPCG(seed, 1))}
			who := make(map[string]*grant.Subject)
			w.rig = newRigOf(t, func(name string) *grant.Subject { return who[name] }, Options{})
			for range 20 {
				w.change()
			}
			var watchers []*watcher
			url := func(v *watcher) string { return w.url + "?" + v.who.Name }
			for k := range 5 {
				v := &watcher{w: w, binary: k%2 == 0, who: subjects[k%len(subjects)], path: tree.MustPath([]string{"/", "/", "/", "/a", "/b"}[k])}
				who[v.who.Name] = v.who
				v.connect(url(v))
				v.subscribe()
				v.check("at first")
				watchers = append(watchers, v)
			}
			for round := range rounds {
				w.change()
				for _, v := range watchers {
					what := fmt.Sprint("round ", round)
					switch n := w.rnd.IntN(12); {
					case v.gone:
						if w.expect(v) == nil {
							continue
						}
						v.subscribe()
						v.check(what + ", it is there again")
					case n < 3: // It reads later, or only what is on its way.
						if n == 0 {
							v.sync()
						}
					case n == 3 && round%4 == 0:
						v.check(what + ", before it comes back")
						if !v.gone {
							v.resume(url(v))
							v.check(what + ", after it came back")
						}
					case n == 4 && round%2 == 0:
						v.subscribe()
						v.check(what + ", another wish")
					case n < 10:
						// What it opens and closes crosses frames that it has not read.
						if v.held() {
							v.check(what + ", before turns")
						}
						for range 1 + w.rnd.IntN(4) {
							if !v.gone {
								v.turn()
							}
						}
						v.check(what + ", after turns")
					default:
						v.check(what)
					}
				}
			}
			for _, v := range watchers {
				v.check("at the end")
			}
		})
	}
}

// held says whether turns may wait for acknowledgements, so that the tree could change
// before they are applied.
func (v *watcher) held() bool {
	v.w.server.mu.Lock()
	conns := slices.Collect(maps.Keys(v.w.server.conns))
	v.w.server.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		for _, s := range c.subs {
			if len(s.unacked) >= Window-1 {
				c.mu.Unlock()
				return true
			}
		}
		c.mu.Unlock()
	}
	return false
}
