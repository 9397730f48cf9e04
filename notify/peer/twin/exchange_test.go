package twin_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/notify/peer/twin"
	"grove/tree"
)

// manager is one manager with its Twins.
type manager struct {
	*twin.Twins
	asks   []peer.ID
	trusts []peer.ID
	prefer []string
	sees   func(peer.ID, tree.Path) bool
	mu     sync.Mutex
	own    []twin.Device
	told   []twin.Fact
}

// start joins a manager to a network until the test ends.
func start(t *testing.T, n *peertest.Net, id peer.ID, m *manager) *manager {
	m.Twins = twin.New(twin.Options{Self: id, Trust: func(other peer.ID) bool { return slices.Contains(m.trusts, other) }})
	m.SetRules(twin.Rules{Identity: []string{"serial"}, Prefer: m.prefer})
	e := twin.NewExchange(m.Twins, twin.ExchangeOptions{
		Fabric: n.Join(id), Own: func() []twin.Device { m.mu.Lock(); defer m.mu.Unlock(); return m.own },
		Told: func() []twin.Fact { m.mu.Lock(); defer m.mu.Unlock(); return m.told }, Sees: m.sees,
		Managers: func() (all []peer.Manager) {
			for _, id := range m.asks {
				all = append(all, peer.Manager{ID: id, Name: names[id]})
			}
			return all
		},
		Local: func(of peer.ID, at tree.Path) (tree.Path, bool) {
			return tree.MustPath("/Managers/" + names[of] + at.String()), true
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return m
}

func TestManagersTellEachOtherOfTheirDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		var many []twin.Device
		for i := range 2000 {
			many = append(many, device(hamburg, fmt.Sprint("d", i), "serial", fmt.Sprint("s", i)))
		}
		b := start(t, n, berlin, &manager{own: []twin.Device{device(berlin, "x", "serial", "s7")}})
		start(t, n, hamburg, &manager{own: many, asks: []peer.ID{cologne}})
		start(t, n, cologne, &manager{own: []twin.Device{device(cologne, "far", "serial", "s8"), device(cologne, "farther", "serial", "9x")}, asks: []peer.ID{hamburg}})
		m := start(t, n, self, &manager{asks: []peer.ID{berlin, hamburg}, own: []twin.Device{device(self, "own", "serial", "9x")}})
		time.Sleep(20 * time.Second)
		groups, against := m.Groups()
		if diff := cmp.Diff([]string{"self:own | cologne:farther", "berlin:x | hamburg:d7"}, told(groups)); diff != "" || len(against) > 0 {
			t.Errorf("%v\n%s", against, diff)
		}
		// What hamburg shows of cologne is d8 itself, so that "far" is left out there.
		if got := groups[0].Secondaries[0]; got.Via != hamburg || got.Path.String() != "/Managers/cologne/farther" {
			t.Errorf("what is behind hamburg: %+v", got)
		}
		n.Cut(berlin, self, true)
		time.Sleep(12 * time.Second)
		if m.Hidden(hamburg, tree.MustPath("/d7")) || !m.Hidden(berlin, tree.MustPath("/x")) {
			t.Error("the secondary did not take over")
		}
		n.Cut(berlin, self, false)
		b.mu.Lock()
		b.own = nil
		b.mu.Unlock()
		time.Sleep(12 * time.Second)
		if groups, _ := m.Groups(); len(groups) != 1 {
			t.Errorf("a device that is gone: %v", told(groups))
		}
	})
}

func TestAManagerThatTellsNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := peertest.New(1)
		bad := device(berlin, "bad")
		bad.Identity["address"] = "localhost"
		n.Join(berlin).Handle("twin.devices", func(context.Context, peer.ID, []byte) ([]byte, error) {
			return []byte(`{"edition":"1","devices":[{"manager":"x","name":"a","at":"/"},{"manager":"00000000000000bb","name":"","at":"/"}],"more":"a"}`), nil
		})
		m := start(t, n, self, &manager{asks: []peer.ID{berlin}, own: []twin.Device{device(self, "a")}})
		time.Sleep(20 * time.Second)
		if groups, _ := m.Groups(); len(groups) != 0 {
			t.Errorf("%v", told(groups))
		}
		if left := m.Set(berlin, []twin.Device{bad, device(berlin, "good"), device(berlin, "good")}); left != 2 {
			t.Errorf("%d left out", left)
		}
		if _, err := n.Join(hamburg).Ask(t.Context(), self, "twin.devices", []byte("{")); !peer.IsRefusal(err, peer.Invalid) {
			t.Errorf("a question that cannot be read: %v", err)
		}
	})
}
