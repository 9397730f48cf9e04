package branch_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/branch"
	"grove/notify/peer/peertest"
	"grove/tree"
)

// cut cuts both ways, or mends them.
func cut(net *peertest.Net, a, b peer.ID, cut bool) {
	net.Cut(a, b, cut)
	net.Cut(b, a, cut)
}

func TestALostLinkIsHonest(t *testing.T) {
	for name, ways := range map[string][]bool{"both ways": {true, true}, "to the owner": {true, false}, "from the owner": {false, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := peertest.New(1)
				a, b := start(t, net, idA), start(t, net, idB)
				defer a.finish()
				defer b.finish()
				b.furnish()
				// A group that would be green when its children are white.
				b.change(tree.Add(tree.MustPath("/rack"), &tree.Spec{Kind: tree.Group, Rollup: &tree.Rollup{White: tree.GreenWhite}}),
					tree.Add(tree.MustPath("/rack/Fan"), state), tree.Add(tree.MustPath("/quiet"), &tree.Spec{Kind: tree.Group, Rollup: &tree.Rollup{White: tree.IgnoreWhite}}),
					tree.Add(tree.MustPath("/quiet/One"), state), tree.Add(tree.MustPath("/quiet/Two"), state))
				b.report("/rack/Fan", "down")
				b.report("/quiet/One", "up")
				b.report("/quiet/Two", "down")
				b.report("/shop/web/Latency", errors.New("no answer"))
				a.joins(b)
				settled()
				a.same("/Managers/mb", b, "/")
				since := a.node("/Managers/mb/shop/web/Latency").Since
				load := a.node("/Managers/mb/shop/web/Load")
				var better []string
				a.statuses = func(changes []tree.StatusChange) {
					for _, c := range changes {
						if c.Kind == tree.Group && c.To != tree.White && c.To < c.From {
							better = append(better, fmt.Sprint(c.Path, " ", c.From, "-", c.To))
						}
					}
				}
				net.Cut(idA, idB, ways[0])
				net.Cut(idB, idA, ways[1])
				lost := time.Now()
				time.Sleep(3 * time.Second)
				synctest.Wait()
				n := a.node("/Managers/mb/shop/web/Load")
				if n.Status != tree.White || n.Last != tree.Yellow || n.Value != load.Value || !n.Time.Equal(load.Time) || n.Reason != "link to mb lost" ||
					n.Since.Before(lost) || n.Since.Sub(lost) > 3*time.Second {
					t.Errorf("%+v", n.Cell)
				}
				if n := a.node("/Managers/mb/shop/web/Latency"); !n.Since.Equal(since) || n.Status != tree.White {
					t.Errorf("what was white before: %+v, since %s", n.Cell, since)
				}
				for path, last := range map[string]tree.Status{"/Managers/mb/rack": tree.Red, "/Managers/mb/quiet": tree.Red, "/Managers/mb": tree.Red, "/Managers": tree.Red} {
					if n := a.node(path); n.Status != tree.White || n.Last != last {
						t.Errorf("%s: %s, was %s, want %s", path, n.Status, n.Last, last)
					}
				}
				if s := a.branches.State()[0]; s.Phase != branch.Lost {
					t.Errorf("%+v", s)
				}
				// Meanwhile over there.
				b.report("/shop/web/Load", 95)
				b.change(tree.Add(tree.MustPath("/later"), number), tree.Remove(tree.MustPath("/shop/db/Size")))
				b.report("/later", 95)
				time.Sleep(5 * time.Second)
				cut(net, idA, idB, false)
				settled()
				a.same("/Managers/mb", b, "/")
				if n := a.node("/Managers/mb/shop/web/Load"); n.Ref != load.Ref {
					t.Error("it is another node")
				}
				if s := a.branches.State()[0]; s.Phase != branch.Live {
					t.Errorf("%+v", s)
				}
				if len(better) > 0 {
					t.Errorf("these looked better: %s", better)
				}
				// The rules of the groups are those of their owner again.
				b.report("/rack/Fan", errors.New("no answer"))
				b.report("/quiet/Two", errors.New("no answer"))
				settled()
				a.same("/Managers/mb", b, "/")
			})
		})
	}
}

func TestALongSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := peertest.New(1)
		a, b := start(t, net, idA), start(t, net, idB)
		defer a.finish()
		defer b.finish()
		b.furnish()
		a.joins(b)
		settled()
		ref := a.node("/Managers/mb/shop/web/Load").Ref
		if err := a.tree.SetThreshold(tree.MustPath("/Managers/mb/shop/web/Load"), &tree.Threshold{Red: tree.AboveLevel(50, 40)}); err != nil {
			t.Fatal(err)
		}
		b.report("/shop/web/Load", 60)
		settled()
		if n := a.node("/Managers/mb/shop/web/Load"); n.Status != tree.Red || !n.Tuned {
			t.Errorf("tuned here: %+v", n.Cell)
		}
		for _, restart := range []string{"nobody", "the owner", "who joins"} {
			cut(net, idA, idB, true)
			b.report("/shop/web/Load", 61)
			b.report("/shop/web/Lines", tree.Event{Time: time.Now(), Text: "while " + restart})
			switch restart {
			case "the owner":
				b.stop()
				ready := time.Now().Add(2 * time.Minute)
				b.begin(func(o *branch.Options) { o.Ready = func() bool { return time.Now().After(ready) } })
				cut(net, idA, idB, false)
				settled()
				if s := a.branches.State()[0]; s.Phase != branch.Lost || s.Error != "it is starting" || a.node("/Managers/mb/shop/web/Load").Status != tree.White {
					t.Errorf("while it starts: %+v", s)
				}
				time.Sleep(2 * time.Minute)
			case "who joins":
				a.stop()
				*a = *start(t, net, idA)
				a.joins(b)
			}
			time.Sleep(time.Minute) // the feed is forgotten
			b.change(tree.Add(tree.MustPath("/"+restart), number))
			cut(net, idA, idB, false)
			settled()
			if n := a.node("/Managers/mb/shop/web/Load"); restart != "who joins" && (n.Status != tree.Red || n.Ref != ref) {
				t.Errorf("%s: tuned here: %+v", restart, n.Cell)
			}
			if restart != "who joins" {
				if err := a.tree.Untune(ref); err != nil {
					t.Fatal(err)
				}
				a.same("/Managers/mb", b, "/")
				if err := a.tree.SetThreshold(tree.MustPath("/Managers/mb/shop/web/Load"), &tree.Threshold{Red: tree.AboveLevel(50, 40)}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestDeltasThatAreLostAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := peertest.New(3)
		a, b := start(t, net, idA), start(t, net, idB)
		defer a.finish()
		defer b.finish()
		b.furnish()
		a.joins(b)
		settled()
		net.Slow(5*time.Millisecond, 0.2)
		for k := range 200 {
			b.report("/shop/web/Load", k)
			b.report("/shop/web/Lines", tree.Event{Time: time.Now(), Text: fmt.Sprint("line ", k)})
			time.Sleep(50 * time.Millisecond)
		}
		net.Slow(0, 0)
		settled()
		a.same("/Managers/mb", b, "/")
		if s := a.branches.State()[0]; s.Snapshots > 3 {
			t.Errorf("%d snapshots were taken", s.Snapshots)
		}
	})
}

func TestManagersWhoJoinEachOther(t *testing.T) {
	for name, joins := range map[string]map[peer.ID][]peer.ID{
		"two":                   {idA: {idB}, idB: {idA}},
		"triangle":              {idA: {idB, idC}, idB: {idA, idC}, idC: {idA, idB}},
		"chain":                 {idA: {idB}, idB: {idC}, idC: {idD}},
		"ring":                  {idA: {idB}, idB: {idC}, idC: {idD}, idD: {idA}},
		"diamond":               {idA: {idB, idC}, idB: {idD}, idC: {idD}},
		"a ring that one joins": {idA: {idB}, idB: {idC}, idC: {idD}, idD: {idC}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := peertest.New(1)
				all := map[peer.ID]*manager{}
				for _, id := range []peer.ID{idA, idB, idC, idD} {
					m := start(t, net, id)
					defer m.finish()
					m.change(tree.Add(tree.MustPath("/own"), number))
					m.report("/own", 10)
					all[id] = m
				}
				for id, others := range joins {
					var managers []*manager
					for _, o := range others {
						managers = append(managers, all[o])
					}
					all[id].joins(managers...)
				}
				time.Sleep(30 * time.Second)
				synctest.Wait()
				for id, m := range all {
					// Each that can be reached is there, and none twice on the way down.
					reach := map[peer.ID]bool{}
					_ = m.tree.Walk(tree.Root, -1, func(n *tree.Node) bool {
						if n.Name != "own" {
							return true
						}
						chain := append([]string{"m" + string(id[:1])}, n.Path.Names()...)
						met := map[string]bool{}
						for _, name := range chain {
							if strings.HasPrefix(name, "m") && met[name] {
								t.Errorf("%s: %s leads in a circle", id, n.Path)
							}
							met[name] = true
						}
						if n.Status != tree.Green {
							t.Errorf("%s: %s is %s", id, n.Path, n.Status)
						}
						reach[peer.ID(strings.Repeat(lastManager(chain)[1:], 16))] = true
						return true
					})
					want := map[peer.ID]bool{id: true}
					for more := true; more; {
						more = false
						for from, others := range joins {
							for _, o := range others {
								if want[from] && !want[o] {
									want[o], more = true, true
								}
							}
						}
					}
					if len(reach) != len(want) {
						t.Errorf("%s sees %v, want %v", id, reach, want)
					}
				}
				// A red leaf colours all that have it.
				all[idD].report("/own", 99)
				settled()
				for id, m := range all {
					n := 0
					_ = m.tree.Walk(tree.Root, -1, func(n2 *tree.Node) bool {
						if n2.Name == "own" && n2.Status == tree.Red {
							n++
						}
						return true
					})
					if sees := n > 0; sees != (m.node("/").Status == tree.Red) {
						t.Errorf("%s: %d red leaves, and the root is %s", id, n, m.node("/").Status)
					}
				}
			})
		})
	}
}

// lastManager is the last name of a manager in a path.
func lastManager(names []string) (last string) {
	for _, name := range names {
		if len(name) == 2 && name[0] == 'm' {
			last = name
		}
	}
	return last
}
