package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
)

// moved is the answer to a request that moves devices.
type moved struct {
	Moves []struct{ Device, Owner, At, From, To, State, Error string }
	Stays []struct{ Path, Why string }

	Done, UnderWay, Failed int
}

// lines are what became of each.
func (m *moved) lines() (lines []string) {
	for _, x := range m.Moves {
		lines = append(lines, strings.TrimSpace(x.Device+" "+x.State+" "+x.Error))
	}
	for _, x := range m.Stays {
		lines = append(lines, x.Path+" stays: "+x.Why)
	}
	return lines
}

// A subtree is given and returned as one: each of its devices moves, what cannot stays and says
// why, and a node stands for each device that is away, which says who watches it.
func TestASubtreeMovesAndReturns(t *testing.T) {
	t.Parallel()
	hub := newSite(t, "hub", listens)
	shop := newProbed(t)
	edge := newSite(t, "edge", "")
	edge.write("definitions/counter.yaml", "grove: 1\napplication: counter\ntree:\n  Load: { kind: performance, mode: push, unit: requests/s, red: \"> 10\" }\n")
	edge.write("definitions/shop.yaml", shop.definition())
	instance := func(use, name, at, with string) {
		edge.write("definitions/"+name+".yaml", "grove: 1\nuse: "+use+"\nname: "+name+"\nat: "+at+"\n"+with)
	}
	instance("counter", "north", "/hamburg/shops/north", "")
	instance("counter", "south", "/hamburg/shops/south", "")
	instance("counter", "office", "/hamburg/office", "")
	instance("shop", "till", "/hamburg/shops/till", "with: { url: \""+shop.server.URL+"\" }\n")
	edge.joins(hub)
	edge.until("the shops grow", func() bool { _, ok := edge.node("/hamburg/shops/till/Load"); return ok })
	if err := edge.app.Tree.Change(tree.Add(tree.MustPath("/hamburg/shops/Note"), &tree.Spec{Kind: tree.State, Mode: tree.Push})); err != nil {
		t.Fatal(err)
	}
	push := func(at string, v float64) {
		edge.must(http.MethodPost, "/api/v1/readings", map[string]any{"path": at, "value": v}, nil)
	}
	push("/hamburg/shops/north/Load", 30)
	push("/hamburg/office/Load", 3)
	edge.until("the north is red", func() bool { n, _ := edge.node("/hamburg"); return n.Status == tree.Red })
	edge.until("home knows all devices", func() bool {
		var all struct{ Total int }
		return hub.call(http.MethodGet, "/api/v1/devices", nil, &all) == nil && all.Total == 4
	})

	var m moved
	edge.until("two of three move", func() bool { // while it finds its home they stay
		m = moved{}
		return edge.call(http.MethodPost, "/api/v1/devices/give", map[string]any{"devices": []string{"/hamburg/shops", "south"}, "to": "hub"}, &m) == nil && m.Done == 2
	})
	if diff := cmp.Diff([]string{
		"north done", "south done",
		"till failed it stays: probe \"answer\" asks an address on this machine: " + shop.server.URL,
		"/hamburg/shops/Note stays: no definition has grown it: what programs push moves with no device",
	}, m.lines()); diff != "" {
		t.Error(diff)
	}
	if m.Done != 2 || m.Failed != 1 || m.UnderWay != 0 || m.Moves[0].At != "/hamburg/shops/north" || m.Moves[0].To != "hub" || m.Moves[0].Owner != "edge" {
		t.Errorf("moved: %+v", m)
	}
	hub.until("the hub watches the shops", func() bool {
		n, ok := hub.node("/hamburg/shops/north/Load")
		_, too := hub.node("/hamburg/shops/south/Load")
		return ok && too && n.Status == tree.Red
	})

	// Nodes stand for them, which count for nothing.
	edge.until("the edge says who watches them", func() bool {
		n, ok := edge.node("/hamburg/shops/north/Watched by")
		return ok && n.Status == tree.White && strings.HasPrefix(n.Reason, "hub watches north since ")
	})
	if n, ok := edge.node("/hamburg/shops/north"); !ok || n.Status != tree.White {
		t.Errorf("what stands for a device is %s", n.Status)
	}
	edge.until("the top is as what is watched here", func() bool {
		shops, _ := edge.node("/hamburg/shops")
		top, _ := edge.node("/hamburg")
		return shops.Status == tree.Green && top.Status == tree.Green
	})
	err := edge.call(http.MethodGet, "/api/v1/nodes/hamburg/shops/north/Load", nil, nil)
	if err == nil || !strings.Contains(err.Error(), `404`) || !strings.Contains(err.Error(), `/hamburg/shops/north has no \"Load\" here: hub watches north since`) || !strings.Contains(err.Error(), "#/tree?node=/hamburg/shops/north") {
		t.Errorf("the error of a node that is away: %v", err)
	}
	var open struct{ Alerts []struct{ Path string } }
	edge.must(http.MethodGet, "/api/v1/alerts", nil, &open)
	for _, a := range open.Alerts {
		if strings.HasPrefix(a.Path, "/hamburg") {
			t.Errorf("the edge alerts about %s", a.Path)
		}
	}
	// At home it counts once: what stands for it at its owner is white there, or hangs no more
	// once it is known that this is the device which is watched here.
	hub.until("at home it counts where it is watched", func() bool {
		n, ok := hub.node("/Managers/edge/hamburg/shops/north")
		top, _ := hub.node("/Managers/edge/hamburg")
		return (!ok || n.Status == tree.White && n.Spec.Properties[tree.Elsewhere] != "") && top.Status == tree.Green
	})
	for _, c := range []struct {
		name string
		ask  []string
		want string
	}{
		{"a part of a device", []string{"/hamburg/office/Load"}, `422.*part of the device office, which moves as a whole: name office, or /hamburg/office`},
		{"a part of a device that is away", []string{"/hamburg/shops/north/Load"}, `422.*part of the device north`},
		{"a node that was pushed", []string{"/hamburg/shops/Note"}, `422.*nothing at or below /hamburg/shops/Note can move`},
		{"nowhere", []string{"/nowhere"}, `404.*no such node`},
		{"no path", []string{"/a//b"}, `422`},
		{"no device", []string{"ghost"}, `404.*ghost`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := edge.call(http.MethodPost, "/api/v1/devices/give", map[string]any{"devices": c.ask, "to": "hub"}, nil)
			if err == nil || !containsAll(err.Error(), strings.Split(c.want, ".*")) {
				t.Errorf("error %v", err)
			}
		})
	}
	edge.until("one of two moves", func() bool {
		m = moved{}
		return edge.call(http.MethodPost, "/api/v1/devices/give", map[string]any{"devices": []string{"ghost", "office"}, "to": "hub"}, &m) == nil && m.Done == 1
	})
	if m.Done != 1 || m.Failed != 1 || m.Moves[0].State != "failed" || m.Moves[1].State != "done" {
		t.Errorf("one of two: %+v", m)
	}

	// They are still away after a restart, and come back together.
	edge.stop()
	edge.start()
	edge.until("nodes stand for them again", func() bool {
		n, ok := edge.node("/hamburg/shops/south/Watched by")
		return ok && strings.HasPrefix(n.Reason, "hub watches south")
	})
	m = moved{}
	edge.until("home is linked", func() bool {
		return edge.call(http.MethodPost, "/api/v1/devices/return", map[string]any{"devices": []string{"/hamburg"}}, &m) == nil && m.Done == 4
	})
	edge.until("the edge watches all", func() bool {
		n, ok := edge.node("/hamburg/shops/north/Load")
		_, stands := edge.node("/hamburg/shops/north/Watched by")
		return ok && !stands && n.Status == tree.Red
	})
	hub.until("the hub does not", func() bool { _, ok := hub.node("/hamburg/shops/north/Load"); return !ok })
}

func containsAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}
