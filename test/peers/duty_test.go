package peers

import (
	"fmt"
	"testing"
	"time"

	"grove/viewer/peer"
)

// pages is the definition of a page: it is red when the page says that it is, and not when a
// busy machine is slow.
const pages = `grove: 1
application: web-page
parameters: { url: { type: url, required: true } }
probes: { page: { kind: http, url: "${url}", every: 500ms, status: [200-599] } }
tree: { Status: { from: page.status, red: "> 499", alert: { red: critical } } }
`

// page is an instance that watches a page of the target.
func page(w *target, name string) string {
	return fmt.Sprintf("use: web-page\nat: /web/%s\nwith: { url: %q }\n", name, w.url(name))
}

// hook tells the target of every alert.
func hook(w *target) string {
	return fmt.Sprintf(`channels:
  hook: { kind: webhook, url: %q }
routes:
  - name: all
    to: [hook]
    group: { by: [instance], wait: 100ms, interval: 100ms }
    repeat: never
    resolved: each
alerts: { settle: 100ms }
`, w.url("hook"))
}

// device returns what a manager says of a device.
func (m *manager) device(name string) (peer.Device, error) {
	var all peer.Devices
	if err := m.Ask("/api/v1/devices", &all); err != nil {
		return peer.Device{}, err
	}
	for _, d := range all.Devices {
		if d.Name == name {
			return d, nil
		}
	}
	return peer.Device{}, fmt.Errorf("%s knows of no device %s", m.Name, name)
}

// agree waits until all say that one watches a device.
func agree(name string, watcher *manager, all ...*manager) {
	watcher.Helper()
	for _, m := range all {
		m.Eventually(func() error {
			d, err := m.device(name)
			if err == nil && d.Watcher != watcher.Name {
				err = fmt.Errorf("%s says that %q watches %s (%s), not %s", m.Name, d.Watcher, name, d.State, watcher.Name)
			}
			return err
		})
	}
}

// knows waits until a manager has heard of all others.
func (m *manager) knows(all ...*manager) {
	m.Helper()
	for _, other := range all {
		if other == m {
			continue
		}
		m.Eventually(func() error {
			p, err := m.peer(other.Name)
			if err == nil && p.State != "live" && p.State != "known" {
				err = fmt.Errorf("%s is %s to %s", other.Name, p.State, m.Name)
			}
			return err
		})
	}
}

// TestDuty moves devices between three real managers by command and by kill -9, and counts at
// the devices who watches them, and at the receiver of alerts what people were told.
func TestDuty(t *testing.T) {
	t.Parallel()
	duty(t, twist{})
}

// twist is what is out of the ordinary with the managers of a test.
type twist struct {
	laid   func(n *network)     // with the network before there are managers; nil is nothing
	made   func(m *manager)     // with each before it starts; nil is nothing
	joined func(all []*manager) // with all once they are joined; nil is nothing
	again  func(all []*manager) // with all before one joins anew; nil is nothing
	apart  bool                 // clocks are
}

// network makes the network.
func (w twist) network(t *testing.T) *network {
	n := newNetwork(t)
	if w.laid != nil {
		w.laid(n)
	}
	return n
}

// start starts managers.
func (w twist) start(all []*manager) {
	for _, m := range all {
		if w.made != nil {
			w.made(m)
		}
		m.Start()
	}
}

// apply is called when all are joined.
func (w twist) apply(all []*manager) {
	if w.joined != nil {
		w.joined(all)
	}
}

// duty is TestDuty with a twist.
func duty(t *testing.T, odd twist) {
	n := odd.network(t)
	w := newTarget(t, n)
	stands := "stand_in: [\"*\"]\n"
	berlin := newManager(t, n, "berlin", hub, nil)
	hamburg := newManager(t, n, "hamburg", leaf+stands, map[string]string{"pages.yaml": pages, "one.yaml": page(w, "one"), "two.yaml": page(w, "two")})
	bremen := newManager(t, n, "bremen", leaf+stands, nil)
	all := []*manager{berlin, hamburg, bremen}
	for _, m := range all {
		m.Write("alerts.yaml", hook(w))
	}
	odd.start(all)
	step := steps(t, all)

	step("join", func(t *testing.T) {
		for _, m := range all[1:] {
			m.joins(berlin)
			m.linked(berlin)
			berlin.linked(m)
		}
		for _, m := range all[1:] {
			m.knows(all...)
		}
		for _, name := range []string{"one", "two"} {
			w.watchedBy(name, hamburg, time.Time{})
			agree(name, hamburg, berlin, hamburg)
		}
		odd.apply(all)
	})

	step("give and return", func(t *testing.T) {
		for _, name := range []string{"one", "two"} {
			w.Fails(name, true)
			w.says(name, hamburg, "firing by hamburg")
		}
		given := time.Now()
		hamburg.Must("peer", "give", "one", "bremen")
		t.Logf("bremen asks after %v", w.watchedBy("one", bremen, given).Sub(given).Round(time.Millisecond))
		agree("one", bremen, all...)
		w.watchedBy("two", hamburg, given)
		w.Fails("one", false)
		w.says("one", bremen, "firing by hamburg", "resolved by bremen")
		w.Fails("one", true)
		w.says("one", bremen, "firing by hamburg", "resolved by bremen", "firing by bremen")
		returned := time.Now()
		hamburg.Must("peer", "return", "one")
		w.watchedBy("one", hamburg, returned)
		agree("one", hamburg, all...)
		w.Fails("one", false)
		w.says("one", hamburg, "firing by hamburg", "resolved by bremen", "firing by bremen", "resolved by hamburg")
	})

	step("kill the owner", func(t *testing.T) {
		// What people were told of one: it fails, is well again while another manager watches it,
		// and they do not hear that twice.
		one := []string{"firing by hamburg", "resolved by bremen", "firing by bremen", "resolved by hamburg", "firing by hamburg"}
		w.Fails("one", true)
		w.says("one", hamburg, one...)
		killed := time.Now()
		hamburg.Kill()
		for _, name := range []string{"one", "two"} {
			var by *manager
			berlin.Eventually(func() error {
				d, err := berlin.device(name)
				for _, m := range []*manager{berlin, bremen} {
					if err == nil && d.Watcher == m.Name {
						by = m
						return nil
					}
				}
				return fmt.Errorf("nobody has taken %s over: %+v, %w", name, d, err)
			})
			t.Logf("%s asks for %s after %v", by.Name, name, w.watchedBy(name, by, killed).Sub(killed).Round(time.Millisecond))
			if name == "one" {
				w.Fails("one", false)
				one = append(one, "resolved by "+by.Name)
				w.says("one", by, one...)
			}
		}
		back := time.Now()
		hamburg.Start()
		for _, name := range []string{"one", "two"} {
			w.watchedBy(name, hamburg, back)
			agree(name, hamburg, all...)
		}
		w.Fails("two", false)
		w.says("two", hamburg, "firing by hamburg", "resolved by hamburg")
		w.says("one", hamburg, one...)
		// Its alert of before the kill is over: what comes now is news.
		w.Fails("one", true)
		w.says("one", hamburg, append(one, "firing by hamburg")...)
		w.Fails("one", false)
	})

	step("kill while a device moves", func(t *testing.T) {
		for i, victim := range []*manager{hamburg, bremen, berlin} {
			wait := time.NewTimer(time.Duration(i*15) * time.Millisecond)
			moved := make(chan error, 1)
			began := time.Now()
			go func() {
				_, err := hamburg.Command("peer", "give", "one", "bremen")
				moved <- err
			}()
			<-wait.C
			victim.Kill()
			victim.Start()
			t.Logf("%s was killed: %v", victim.Name, <-moved)
			// Whoever has it in the end, all agree, and nobody else watches it.
			var watcher *manager
			berlin.Eventually(func() error {
				d, err := berlin.device("one")
				for _, m := range []*manager{hamburg, bremen} {
					if err == nil && d.Watcher == m.Name && (d.State == "own" || d.State == "given") {
						watcher = m
						return nil
					}
				}
				return fmt.Errorf("%+v: %w", d, err)
			})
			agree("one", watcher, all...)
			w.watchedBy("one", watcher, began)
			if watcher == bremen {
				returned := time.Now()
				hamburg.Eventually(func() error { _, err := hamburg.Command("peer", "return", "one"); return err })
				w.watchedBy("one", hamburg, returned)
			}
			agree("one", hamburg, all...)
		}
	})
}
