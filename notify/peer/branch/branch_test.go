package branch_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"grove/notify/peer/branch"
	"grove/notify/peer/peertest"
	"grove/tree"
)

func TestATreeHangsLiveInAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := peertest.New(1)
		a, b := start(t, net, idA), start(t, net, idB)
		defer a.finish()
		defer b.finish()
		b.furnish()
		a.joins(b)
		settled()
		a.same("/Managers/mb", b, "/")
		if n := a.node("/"); n.Status != tree.Red {
			t.Errorf("the root is %s", n.Status)
		}
		if s := a.branches.State()[0]; s.Phase != branch.Live || s.Nodes != 10 || s.Left != 0 {
			t.Errorf("%+v", s)
		}
		// Values, events, structure.
		b.report("/shop/web/Load", 10)
		b.report("/shop/web/Process", "gone")
		b.report("/shop/web/Latency", errors.New("no answer"))
		b.report("/shop/web/Lines", tree.Event{Time: time.Now(), Status: tree.Red, Text: "two"})
		settled()
		a.same("/Managers/mb", b, "/")
		ref := a.node("/Managers/mb/shop/web/Load").Ref
		b.change(tree.Add(tree.MustPath("/shop/new/er/one"), number), tree.Remove(tree.MustPath("/shop/db/Size")))
		b.change(tree.Move(tree.MustPath("/shop/web"), tree.MustPath("/web")))
		b.report("/shop/new/er/one", 99)
		if err := b.tree.SetThreshold(tree.MustPath("/web/Load"), &tree.Threshold{Yellow: tree.AboveLevel(5, 5)}); err != nil {
			t.Fatal(err)
		}
		settled()
		a.same("/Managers/mb", b, "/")
		if n := a.node("/Managers/mb/web/Load"); n.Ref != ref || n.Spec.Labels["manager"] != "mb" {
			t.Errorf("moved: %+v, was %v", n, ref)
		}
		top := a.node("/Managers/mb").Spec
		if top.Properties["manager_id"] != string(idB) || top.Alerting.Rule != tree.AlertNever || top.Alerting.DependsOn[0].String() != "/grove/Peers/mb/Link" {
			t.Errorf("%+v", top)
		}
		// The same value read again: its time comes too.
		time.Sleep(time.Minute)
		b.report("/web/Load", 10)
		time.Sleep(time.Minute)
		settled()
		a.same("/Managers/mb", b, "/")
		if s := b.branches.Stats(); s.Feeds != 1 || s.Followers != 1 {
			t.Errorf("%+v", s)
		}
		// Not wanted any more.
		a.joins()
		settled()
		if _, err := a.tree.Node(tree.MustPath("/Managers")); err == nil {
			t.Error("it still hangs")
		}
		if s := b.branches.Stats(); s.Feeds != 0 {
			t.Errorf("%+v", s)
		}
	})
}
