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
	if err := m.ask("/api/v1/devices", &all); err != nil {
		return peer.Device{}, err
	}
	for _, d := range all.Devices {
		if d.Name == name {
			return d, nil
		}
	}
	return peer.Device{}, fmt.Errorf("%s knows of no device %s", m.name, name)
}

// agree waits until all say that one watches a device.
func agree(name string, watcher *manager, all ...*manager) {
	watcher.Helper()
	for _, m := range all {
		m.eventually(func() error {
			d, err := m.device(name)
			if err == nil && d.Watcher != watcher.name {
				err = fmt.Errorf("%s says that %q watches %s (%s), not %s", m.name, d.Watcher, name, d.State, watcher.name)
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
		m.eventually(func() error {
			p, err := m.peer(other.name)
			if err == nil && p.State != "live" && p.State != "known" {
				err = fmt.Errorf("%s is %s to %s", other.name, p.State, m.name)
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
		m.start()
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
		m.write("alerts.yaml", hook(w))
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
			w.fails(name, true)
			w.says(name, hamburg, "firing by hamburg")
		}
		given := time.Now()
		hamburg.must("peer", "give", "one", "bremen")
		t.Logf("bremen asks after %v", w.watchedBy("one", bremen, given).Sub(given).Round(time.Millisecond))
		agree("one", bremen, all...)
		w.watchedBy("two", hamburg, given)
		w.fails("one", false)
		w.says("one", bremen, "firing by hamburg", "resolved by bremen")
		w.fails("one", true)
		w.says("one", bremen, "firing by hamburg", "resolved by bremen", "firing by bremen")
		returned := time.Now()
		hamburg.must("peer", "return", "one")
		w.watchedBy("one", hamburg, returned)
		agree("one", hamburg, all...)
		w.fails("one", false)
		w.says("one", hamburg, "firing by hamburg", "resolved by bremen", "firing by bremen", "resolved by hamburg")
	})

	step("kill the owner", func(t *testing.T) {
		// What people were told of one: it fails, is well again while another manager watches it,
		// and they do not hear that twice.
		one := []string{"firing by hamburg", "resolved by bremen", "firing by bremen", "resolved by hamburg", "firing by hamburg"}
		w.fails("one", true)
		w.says("one", hamburg, one...)
		killed := time.Now()
		hamburg.kill()
		for _, name := range []string{"one", "two"} {
			var by *manager
			berlin.eventually(func() error {
				d, err := berlin.device(name)
				for _, m := range []*manager{berlin, bremen} {
					if err == nil && d.Watcher == m.name {
						by = m
						return nil
					}
				}
				return fmt.Errorf("nobody has taken %s over: %+v, %w", name, d, err)
			})
			t.Logf("%s asks for %s after %v", by.name, name, w.watchedBy(name, by, killed).Sub(killed).Round(time.Millisecond))
			if name == "one" {
				w.fails("one", false)
				one = append(one, "resolved by "+by.name)
				w.says("one", by, one...)
			}
		}
		back := time.Now()
		hamburg.start()
		for _, name := range []string{"one", "two"} {
			w.watchedBy(name, hamburg, back)
			agree(name, hamburg, all...)
		}
		w.fails("two", false)
		w.says("two", hamburg, "firing by hamburg", "resolved by hamburg")
		w.says("one", hamburg, one...)
	})

	step("kill while a device moves", func(t *testing.T) {
		for i, victim := range []*manager{hamburg, bremen, berlin} {
			wait := time.NewTimer(time.Duration(i*15) * time.Millisecond)
			moved := make(chan error, 1)
			began := time.Now()
			go func() {
				_, err := hamburg.command("peer", "give", "one", "bremen")
				moved <- err
			}()
			<-wait.C
			victim.kill()
			victim.start()
			t.Logf("%s was killed: %v", victim.name, <-moved)
			// Whoever has it in the end, all agree, and nobody else watches it.
			var watcher *manager
			berlin.eventually(func() error {
				d, err := berlin.device("one")
				for _, m := range []*manager{hamburg, bremen} {
					if err == nil && d.Watcher == m.name && (d.State == "own" || d.State == "given") {
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
				hamburg.eventually(func() error { _, err := hamburg.command("peer", "return", "one"); return err })
				w.watchedBy("one", hamburg, returned)
			}
			agree("one", hamburg, all...)
		}
	})
}
