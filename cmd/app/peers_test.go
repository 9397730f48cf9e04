package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"grove/cmd/app"
	"grove/tree"
)

// site is a manager with files of its own, which can be stopped and started again.
type site struct {
	*testing.T
	app  *app.App
	name string
	data string
	more func(*app.Config) // what else is different; may be nil
}

// newSite starts a manager; peers is its file of peers.
func newSite(t *testing.T, name, peers string) *site {
	return newSiteWith(t, name, peers, nil)
}

func newSiteWith(t *testing.T, name, peers string, more func(*app.Config)) *site {
	s := &site{T: t, name: name, data: t.TempDir(), more: more}
	s.write("peers.yaml", peers)
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *site) write(file, text string) {
	s.Helper()
	file = filepath.Join(s.data, file)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *site) start() {
	s.Helper()
	c := app.Config{Listen: "127.0.0.1:0", Data: s.data, Name: s.name, NoHost: true}
	if s.more != nil {
		s.more(&c)
	}
	a, err := app.New(c)
	if err != nil {
		s.Fatal(err)
	}
	s.app = a
	a.Start()
}

func (s *site) stop() {
	s.Helper()
	if s.app == nil {
		return
	}
	http.DefaultClient.CloseIdleConnections()
	if err := s.app.Stop(context.Background()); err != nil {
		s.Error(s.name, err)
	}
	s.app = nil
}

// call asks the manager; what it refuses is an error.
func (s *site) call(method, path string, body, into any) error {
	s.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			s.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(s.Context(), method, "http://"+s.app.Addr().String()+path, &b)
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// must is call without an error.
func (s *site) must(method, path string, body, into any) {
	s.Helper()
	if err := s.call(method, path, body, into); err != nil {
		s.Fatal(s.name, err)
	}
}

// joins has the manager join another one by an invitation.
func (s *site) joins(hub *site) {
	s.Helper()
	s.joinsAs(hub, s.name)
}

func (s *site) joinsAs(hub *site, name string) {
	s.Helper()
	var invited struct{ Address, Token string }
	hub.must(http.MethodPost, "/api/v1/peers/invite", map[string]string{"name": name}, &invited)
	s.must(http.MethodPost, "/api/v1/peers/join", map[string]string{"address": invited.Address, "token": invited.Token}, nil)
}

// node is a node of the manager's tree; ok is false when there is none.
func (s *site) node(path string) (n tree.Node, ok bool) {
	n, err := s.app.Tree.Node(tree.MustPath(path))
	return n, err == nil
}

func (s *site) until(what string, ok func() bool) {
	s.Helper()
	for limit := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(limit) {
			s.Fatalf("%s: not within two minutes: %s", s.name, what)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-s.Context().Done():
		}
	}
}

const listens = "listen: [\"tls://127.0.0.1:0\"]\nmove_loopback: true\n"

// Two managers are joined by an invitation: the tree of one hangs live in the other, and is
// white with a reason when the link is lost.
func TestTreesAreJoined(t *testing.T) {
	t.Parallel()
	hub := newSite(t, "hub", listens)
	edge := newSite(t, "edge", "move_loopback: true\n")
	edge.write("definitions/shop.yaml", "grove: 1\napplication: shop\nat: /shop\ntree:\n  Load: { kind: performance, mode: push, unit: requests/s, red: \"> 10\" }\n")
	edge.joins(hub)
	edge.until("the shop grows", func() bool { _, ok := edge.node("/shop/Load"); return ok })
	push := func(v float64) {
		edge.must(http.MethodPost, "/api/v1/readings", map[string]any{"path": "/shop/Load", "value": v}, nil)
	}
	push(3)
	const there = "/Managers/edge/shop/Load"
	hub.until("the load hangs in the hub", func() bool { n, ok := hub.node(there); return ok && n.Status == tree.Green && n.Value.String() == "3" })
	push(30)
	hub.until("red colours the hub", func() bool {
		n, _ := hub.node(there)
		top, _ := hub.node("/")
		return n.Status == tree.Red && n.Value.String() == "30" && top.Status == tree.Red
	})
	n, _ := hub.node(there)
	if n.Spec.Unit != "requests/s" || n.Spec.Labels["manager"] != "edge" || n.Threshold.Red.String() != "> 10" {
		t.Errorf("the joined node: %+v", n.Spec)
	}
	edge.stop()
	hub.until("the branch turns white", func() bool {
		n, _ := hub.node(there)
		top, _ := hub.node("/Managers")
		return n.Status == tree.White && n.Last == tree.Red && n.Reason == "link to edge lost" && top.Status == tree.White && top.Last == tree.Red
	})
	edge.start()
	edge.until("the shop grows again", func() bool { _, ok := edge.node("/shop/Load"); return ok })
	push(4)
	hub.until("the branch is back", func() bool { n, _ := hub.node(there); return n.Status == tree.Green && n.Value.String() == "4" })
}

// A manager is who it was invited as, whatever it calls itself: rules go by that name.
func TestTheNameOfTheInvitationCounts(t *testing.T) {
	t.Parallel()
	hub := newSite(t, "hub", listens)
	edge := newSite(t, "boss", "")
	edge.joinsAs(hub, "guest")
	hub.until("the guest's tree hangs", func() bool { _, ok := hub.node("/Managers/guest/grove"); return ok })
	var seen struct{ Managers []struct{ Name string } }
	hub.must(http.MethodGet, "/api/v1/peers", nil, &seen)
	if len(seen.Managers) != 1 || seen.Managers[0].Name != "guest" {
		t.Errorf("the hub knows %+v", seen.Managers)
	}
	if _, ok := hub.node("/Managers/boss"); ok {
		t.Error("the tree hangs under the name that the manager gives itself")
	}
}

// probed is a server that counts who asks it, and a definition that watches it.
type probed struct {
	server *httptest.Server
	asked  atomic.Int64
}

func newProbed(t *testing.T) *probed {
	p := &probed{}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		_, _ = io.WriteString(w, `{"load": 7}`)
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *probed) definition() string {
	return "grove: 1\napplication: shop\nparameters: { url: { type: url, required: true } }\nprobes:\n  answer: { kind: document, url: \"${url}\", every: 200ms, format: json, attributes: { load: { from: load } } }\n" +
		"tree:\n  Load: { from: answer.load, red: \"> 10\" }\n"
}

func (p *probed) instance() string {
	return "grove: 1\nuse: shop\nname: shop\nat: /shop\nwith: { url: \"" + p.server.URL + "\" }\n"
}

// A device is given to another manager with its threshold and its acknowledgement, is watched
// by one manager at each time, and comes back.
func TestADeviceMovesAndReturns(t *testing.T) {
	t.Parallel()
	hub := newSite(t, "hub", listens)
	shop := newProbed(t)
	edge := newSite(t, "edge", "move_loopback: true\n")
	edge.write("definitions/shop.yaml", shop.definition()+"---\n"+shop.instance())
	edge.joins(hub)
	edge.until("the shop is watched", func() bool { n, ok := edge.node("/shop/Load"); return ok && n.Status == tree.Green })
	edge.must(http.MethodPut, "/api/v1/thresholds/shop/Load", map[string]string{"red": "> 5"}, nil)
	edge.until("the shop is red", func() bool { n, _ := edge.node("/shop/Load"); return n.Status == tree.Red })
	devices := func(s *site) (list []struct{ Name, Owner, Watcher, State string }) {
		var got struct {
			Devices []struct{ Name, Owner, Watcher, State string }
		}
		if err := s.call(http.MethodGet, "/api/v1/devices", nil, &got); err != nil {
			return nil
		}
		return got.Devices
	}
	hub.until("home knows the shop", func() bool { return len(devices(hub)) == 1 && devices(hub)[0].Owner == "edge" })
	var move struct{ State, To, Error string }
	edge.until("the shop can be given", func() bool {
		return edge.call(http.MethodPost, "/api/v1/devices/shop/give", map[string]string{"to": "hub"}, &move) == nil
	})
	if move.State != "done" || move.To != "hub" {
		t.Errorf("move %+v", move)
	}
	hub.until("the hub watches the shop", func() bool {
		n, ok := hub.node("/shop/Load")
		return ok && n.Status == tree.Red && n.Threshold.Red.String() == "> 5"
	})
	edge.until("the edge does not", func() bool { _, ok := edge.node("/shop/Load"); return !ok })
	var list struct {
		Instances []struct{ Name, State string }
	}
	edge.must(http.MethodGet, "/api/v1/definitions", nil, &list)
	if !slices.ContainsFunc(list.Instances, func(i struct{ Name, State string }) bool { return i.Name == "shop" && i.State == "away" }) {
		t.Errorf("instances of the edge: %+v", list.Instances)
	}
	if d := devices(hub); len(d) != 1 || d[0].Watcher != "hub" || d[0].State != "given" {
		t.Errorf("devices %+v", d)
	}
	edge.stop()
	edge.start()
	edge.until("the edge is back, without the shop", func() bool { _, ok := edge.node("/grove/Peers/hub/Link"); return ok })
	if _, ok := edge.node("/shop/Load"); ok {
		t.Error("the edge watches the shop again after a restart")
	}
	edge.until("the shop is returned", func() bool { return edge.call(http.MethodPost, "/api/v1/devices/shop/return", nil, &move) == nil })
	edge.until("the edge watches the shop", func() bool {
		n, ok := edge.node("/shop/Load")
		return ok && n.Status == tree.Red && n.Threshold.Red.String() == "> 5"
	})
	hub.until("the hub does not", func() bool { _, ok := hub.node("/shop/Load"); return !ok })
}
