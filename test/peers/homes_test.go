package peers

import (
	"fmt"
	"os"
	"testing"
	"time"

	"grove/viewer/peer"
)

// overview is what a manager says of all, and of itself.
func (m *manager) overview() (all peer.Overview, err error) {
	err = m.Ask("/api/v1/peers", &all)
	return all, err
}

// livesWith waits until another manager is the home of this one.
func (m *manager) livesWith(home *manager) {
	m.Helper()
	m.Eventually(func() error {
		all, err := m.overview()
		if err == nil && all.Home != home.Name {
			err = fmt.Errorf("the home of %s is %q", m.Name, all.Home)
		}
		return err
	})
}

// id is that of a manager that runs.
func id(m *manager) (id string) {
	m.Helper()
	m.Eventually(func() error {
		all, err := m.overview()
		id = all.Self.ID
		return err
	})
	return id
}

// TestHomes goes through the faults of two integration managers, with which the owner of a
// device and its stand-in are both registered: they are cut from each other and from the
// owner, killed, and each of them is left with one half of the others.
func TestHomes(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	w := newTarget(t, n)
	berlin, munich := newManager(t, n, "berlin", hub, nil), newManager(t, n, "munich", hub, nil)
	hamburg := newManager(t, n, "hamburg", leaf+"stand_in: [bremen]\n", map[string]string{"pages.yaml": pages, "one.yaml": page(w, "one")})
	bremen := newManager(t, n, "bremen", leaf, nil)
	all := []*manager{berlin, munich, hamburg, bremen}
	for _, m := range all {
		m.Write("alerts.yaml", hook(w))
	}
	twist{}.start(all)
	step := steps(t, all)
	// Of two that are there the one with the lower ID is the home.
	home, other := berlin, munich
	if a, b := id(berlin), id(munich); b < a {
		home, other = munich, berlin
	}

	whole := func() {
		for _, m := range all[2:] {
			for _, upper := range all[:2] {
				m.linked(upper)
				upper.linked(m)
			}
		}
		munich.linked(berlin)
		berlin.linked(munich)
	}
	// own holds that hamburg alone watches, and that all know; told is what people heard.
	var told []string
	own := func(since time.Time) {
		w.watchedBy("one", hamburg, since)
		agree("one", hamburg, all...)
		w.says("one", hamburg, told...)
	}

	step("join", func(t *testing.T) {
		for _, m := range []*manager{other, hamburg, bremen} {
			m.joins(home)
			m.livesWith(home)
		}
		for _, m := range all[2:] {
			m.joins(other)
		}
		whole()
		w.Fails("one", true)
		told = []string{"firing by hamburg"}
		own(time.Time{})
	})

	step("homes that are cut from each other", func(t *testing.T) {
		cut := time.Now()
		n.between(berlin, munich, way{cut: true})
		berlin.lost(munich)
		munich.lost(berlin)
		w.watchedBy("one", hamburg, cut)
		agree("one", hamburg, home, hamburg)
		n.heal()
		whole()
		own(time.Now())
	})

	step("an owner that is cut from its home", func(t *testing.T) {
		cut := time.Now()
		n.between(home, hamburg, way{cut: true})
		hamburg.lost(home)
		home.Eventually(func() error {
			p, err := home.peer("hamburg")
			if err == nil && p.State == "live" {
				err = fmt.Errorf("hamburg is %s", p.State)
			}
			return err
		})
		w.watchedBy("one", hamburg, cut)
		agree("one", hamburg, home, bremen)
		n.heal()
		whole()
		own(time.Now())
	})

	step("kill the home", func(t *testing.T) {
		killed := time.Now()
		home.Kill()
		for _, m := range all[2:] {
			m.livesWith(other)
		}
		w.watchedBy("one", hamburg, killed)
		// The other one is home: it hands on what hamburg watched.
		agree("one", hamburg, other, hamburg)
		killed = time.Now()
		hamburg.Kill()
		t.Logf("bremen asks after %v", w.watchedBy("one", bremen, killed).Sub(killed).Round(time.Millisecond))
		agree("one", bremen, other, bremen)
		hamburg.Start()
		agree("one", hamburg, other, hamburg)
		home.Start()
		whole()
		for _, m := range all[2:] {
			m.livesWith(home)
		}
		own(time.Now())
	})

	if os.Getenv("GROVE_TEST_PEERS") != "all" {
		return // The rest takes 20 s more.
	}
	step("two halves", func(t *testing.T) {
		cut := time.Now()
		for _, far := range []*manager{other, bremen} {
			for _, near := range []*manager{home, hamburg} {
				n.between(far, near, way{cut: true})
			}
		}
		hamburg.lost(other)
		bremen.lost(home)
		w.watchedBy("one", hamburg, cut)
		w.Fails("one", false)
		told = append(told, "resolved by hamburg")
		w.says("one", hamburg, told...)
		n.heal()
		whole()
		own(time.Now())
	})
}
