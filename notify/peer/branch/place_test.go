package branch_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/branch"
	"grove/notify/peer/peertest"
	"grove/tree"
)

func TestWhereTreesHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, peertest.New(1), idA)
		defer a.finish()
		testPlaces(t, a.branches)
	})
}

func testPlaces(t *testing.T, b *branch.Branches) {
	err := b.Set([]branch.Rule{
		{From: "berlin", Under: tree.MustPath("/host"), At: "/sites/${name}"}, {From: "berlin", Under: tree.MustPath("/shop"), At: "/sites/${name}"},
		{From: string(idC)}, {From: "*", At: "/others/${name}"}, {From: "nobody", At: "/x"},
	}, []peer.Manager{
		{ID: idB, Name: "berlin"}, {ID: idC, Name: "a/b"}, {ID: idD, Name: "twin"}, {ID: "eeeeeeeeeeeeeeee", Name: "twin"}, {ID: idA, Name: "self"}, {ID: "ffffffffffffffff", Name: " "},
	})
	if err == nil || !strings.Contains(err.Error(), "its name cannot be that of a node") {
		t.Errorf("a name that is none: %v", err)
	}
	synctest.Wait()
	for _, c := range []struct {
		id     peer.ID
		remote string
		local  string // empty: nowhere
	}{
		{idB, "/host/cpu", "/sites/berlin/host/cpu"}, {idB, "/shop", "/sites/berlin/shop"}, {idB, "/", "/others/berlin"},
		{idC, "/x", "/Managers/a~1b/x"}, {idD, "/x", "/others/twin/x"}, {"eeeeeeeeeeeeeeee", "/x", "/others/twin~0eeee/x"},
		{idA, "/x", ""}, {"ffffffffffffffff", "/x", ""},
	} {
		wantPlaced(t, b, c.id, tree.MustPath(c.remote), c.local)
	}
}

// wantPlaced fails unless a remote path has a place, once what is wanted was begun.
func wantPlaced(t *testing.T, b *branch.Branches, id peer.ID, remote tree.Path, want string) {
	t.Helper()
	local, ok := b.Place(id, remote)
	switch {
	case want == "" && ok:
		t.Errorf("%s of %s hangs at %s", remote, id, local)
	case want != "" && (!ok || local.String() != want):
		t.Errorf("%s of %s hangs at %s (%t), want %s", remote, id, local, ok, want)
	case ok:
		if owner, back, ok := b.Owner(local); !ok || owner != id || back != remote {
			t.Errorf("%s is %s of %s (%t), want %s of %s", local, back, owner, ok, remote, id)
		}
	}
}

func TestPartsHiddenOnesAndBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := peertest.New(1)
		var allowed atomic.Bool
		var hung atomic.Value
		a := start(t, net, idA, func(o *branch.Options) {
			o.MaxNodes = 6
			o.Hung = func(at tree.Path) {
				time.Sleep(10 * time.Second) // It may take its time.
				hung.Store(at)
			}
		})
		b := start(t, net, idB, func(o *branch.Options) {
			o.Sees = func(asker peer.ID, p tree.Path) bool {
				return asker == idA && (allowed.Load() || p.Name() != "Process")
			}
		})
		c := start(t, net, idC)
		defer a.finish()
		defer b.finish()
		defer c.finish()
		b.furnish()
		rules := []branch.Rule{{From: string(idB), Under: tree.MustPath("/shop/web"), At: "/web"}, {From: string(idB), Under: tree.MustPath("/nowhere"), At: "/x"}}
		a.branches.Hide(func(id peer.ID, p tree.Path) bool { return id == idB && p.String() == "/shop/web/Load" })
		if err := a.branches.Set(rules, []peer.Manager{b.who()}); err != nil {
			t.Fatal(err)
		}
		c.joins(b)
		settled()
		there := func(path string) bool { _, err := a.tree.Node(tree.MustPath(path)); return err == nil }
		if !there("/web/Latency") || there("/web/Load") || there("/web/Process") || there("/x") {
			t.Errorf("%v", a.look("/web"))
		}
		for _, s := range a.branches.State() {
			if live := s.Under.String() == "/shop/web"; live != (s.Phase == branch.Live) || !live && (s.Phase != branch.Refused || !strings.Contains(s.Error, "/nowhere: there is no such node")) {
				t.Errorf("%+v", s)
			}
		}
		if s := c.branches.State()[0]; s.Phase != branch.Refused || s.Nodes != 0 {
			t.Errorf("who may see nothing: %+v", s)
		}
		allowed.Store(true)
		b.branches.Reshare()
		settled()
		if !there("/web/Process") {
			t.Error("what may be seen now does not hang")
		}
		allowed.Store(false)
		b.branches.Reshare()
		settled()
		if there("/web/Process") {
			t.Error("what may not be seen any more hangs")
		}
		a.branches.Hide(nil, idB)
		settled()
		if !there("/web/Load") {
			t.Error("it is still hidden")
		}
		// What is too deep or too many is left out, and said.
		deep := "/shop/web"
		for range 29 {
			deep += "/d"
		}
		b.change(tree.Add(tree.MustPath(deep), number))
		settled()
		s := a.branches.State()[1]
		if s.Phase != branch.Live || s.Nodes != 6 || s.Left == 0 {
			t.Errorf("%+v", s)
		}
		// A part that comes to be is joined then.
		b.change(tree.Add(tree.MustPath("/nowhere"), number))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if at := hung.Load(); at != tree.MustPath("/web") && at != tree.MustPath("/x") {
			t.Errorf("told that %v hangs", at)
		}
		if !there("/x") {
			t.Error("what came to be does not hang")
		}
		// Something else in the place.
		a.change(tree.Add(tree.MustPath("/taken"), number))
		if err := a.branches.Set([]branch.Rule{{From: "*", At: "/taken"}}, []peer.Manager{b.who()}); err != nil {
			t.Fatal(err)
		}
		settled()
		if s := a.branches.State()[0]; s.Phase != branch.Refused || !strings.Contains(s.Error, "node exists already") || there("/web") {
			t.Errorf("%+v", s)
		}
	})
}

func TestAManagerThatSendsRubbishIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := peertest.New(1)
		a, b := start(t, net, idA), start(t, net, idB)
		defer a.finish()
		defer b.finish()
		b.furnish()
		a.joins(b)
		settled()
		b.stop()
		other := net.Join(idB)
		for kind, answer := range map[string]string{
			"branch.open": `{"feed":"f","number":7}`, "branch.snapshot": `{"number":7,"pieces":1,"nodes":1}`, "branch.piece": "\x01\x02\x03rubbish", "branch.keep": `{"number":7}`, "branch.deltas": "\x99",
		} {
			other.Handle(kind, answers(answer))
		}
		settled()
		if s := a.branches.State()[0]; s.Phase != branch.Refused || !strings.Contains(s.Error, "cannot be read") {
			t.Errorf("%+v", s)
		}
		if n := a.node("/Managers/mb/shop/web/Load"); n.Status != tree.White || n.Last != tree.Yellow || !strings.HasPrefix(n.Reason, "mb does not tell: deltas of a joined tree that cannot be read") {
			t.Errorf("%+v", n.Cell)
		}
	})
}
