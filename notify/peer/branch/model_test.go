package branch_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree"
)

// history makes random things happen to the tree of a manager.
type history struct {
	*manager
	r      *rand.Rand
	leaves []string
	n      int
}

var specs = []*tree.Spec{
	number, state, log, text,
	{Kind: tree.Performance, Threshold: &tree.Threshold{Yellow: tree.Level{Form: tree.Above, High: 50, OffHigh: 40, After: 2 * time.Second}, ClearAfter: time.Second}},
	{Kind: tree.Performance, Threshold: &tree.Threshold{Yellow: tree.AboveLevel(50, 50), StaleAfter: 4 * time.Second}},
	{Kind: tree.State, Edge: tree.Edge{Map: tree.OneDown}, Threshold: &tree.Threshold{Flap: tree.Flap{Changes: 3, Window: 10 * time.Second}}},
}

func (h *history) step() {
	if len(h.leaves) == 0 || h.r.IntN(12) == 0 {
		h.n++
		path := fmt.Sprintf("/g%d/h%d/n%d", h.r.IntN(3), h.r.IntN(3), h.n)
		if h.tree.Change(tree.Add(tree.MustPath(path), specs[h.r.IntN(len(specs))])) == nil {
			h.leaves = append(h.leaves, path)
		}
		return
	}
	k := h.r.IntN(len(h.leaves))
	path := h.leaves[k]
	n, err := h.tree.Node(tree.MustPath(path))
	if err != nil {
		h.leaves = append(h.leaves[:k], h.leaves[k+1:]...)
		return
	}
	switch h.r.IntN(16) {
	case 0:
		_ = h.tree.Change(tree.Remove(n.Path))
	case 1:
		_ = h.tree.Change(tree.Remove(n.Path.Parent()))
	case 2:
		_ = h.tree.Change(tree.Move(n.Path.Parent(), tree.MustPath(fmt.Sprintf("/g%d/m%d", h.r.IntN(3), h.n))))
		h.n++
	case 3:
		s := *n.Spec
		s.Description = fmt.Sprint("description ", h.n)
		_ = h.tree.Change(tree.Update(n.Path, &s))
	case 4:
		_ = h.tree.SetThreshold(n.Path, &tree.Threshold{Yellow: tree.AboveLevel(30, 30)})
	case 5:
		_ = h.tree.Untune(n.Ref)
	case 6:
		h.report(path, errors.New("no answer"))
	default:
		switch n.Kind {
		case tree.Performance:
			h.report(path, h.r.IntN(100))
		case tree.State:
			h.report(path, []string{"up", "down", "red", "yellow", "green"}[h.r.IntN(5)])
		case tree.Log:
			h.n++
			h.report(path, tree.Event{Time: time.Now(), Status: tree.Status(h.r.IntN(4)), Text: fmt.Sprint("line ", h.n)})
		default:
			h.report(path, fmt.Sprint("text ", h.r.IntN(9)))
		}
	}
}

// TestWhateverHappensWhatHangsIsWhatIsShared lets random things happen to the trees of two
// managers, to the links between three, and to their processes; once it is quiet what hangs
// is what is shared.
func TestWhateverHappensWhatHangsIsWhatIsShared(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				net := peertest.New(seed)
				a, b, c := start(t, net, idA), start(t, net, idB), start(t, net, idC)
				defer a.finish()
				defer b.finish()
				defer c.finish()
				a.joins(b)
				b.joins(c)
				atB, atC := &history{manager: b, r: r}, &history{manager: c, r: r}
				ids := []peer.ID{idA, idB, idC}
				for step := range 300 {
					atB.step()
					atC.step()
					time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
					switch r.IntN(60) {
					case 0, 1:
						net.Cut(ids[r.IntN(3)], ids[r.IntN(3)], true)
					case 2:
						for _, from := range ids {
							for _, to := range ids {
								net.Cut(from, to, false)
							}
						}
					case 3:
						net.Slow(time.Duration(r.IntN(20))*time.Millisecond, 0.1)
					case 4:
						time.Sleep(time.Duration(r.IntN(20)) * time.Second)
					case 5:
						if step%5 == 0 {
							c.stop()
							c.begin()
						}
					case 6:
						if step%5 == 0 {
							a.stop()
							*a = *start(t, net, idA)
							a.joins(b)
						}
					}
				}
				net.Slow(0, 0)
				for _, from := range ids {
					for _, to := range ids {
						net.Cut(from, to, false)
					}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				b.same("/Managers/mc", c, "/")
				a.same("/Managers/mb", b, "/")
				for _, m := range []*manager{a, b} {
					if s := m.branches.State()[0]; s.Left != 0 || s.Error != "" || s.Behind != 0 {
						t.Errorf("%+v", s)
					}
				}
			})
		})
	}
}
