package peers

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grove/test/grovetest"
	"grove/viewer/peer"
)

// manager is a grove of its own in a network namespace of its own.
type manager struct {
	*grovetest.Manager
	space *space
}

// listening is where every manager serves its page, in its own namespace.
const listening = "127.0.0.1:7440"

// newManager prepares a manager with a file of peers and with definitions by name.
func newManager(t testing.TB, n *network, name, peers string, definitions map[string]string) *manager {
	t.Helper()
	m := &manager{space: n.add(t)}
	files := map[string]string{"peers.yaml": strings.ReplaceAll(peers, "ADDRESS", m.space.address.String())}
	for file, text := range definitions {
		files[filepath.Join("definitions", file)] = text
	}
	m.Manager = grovetest.NewManager(t, name, grovetest.Options{
		Files: files, Listen: listening, Level: "info", In: m.space.in,
		Transport: &http.Transport{DialContext: m.space.dial, DisableKeepAlives: true},
		Failed: func(m *grovetest.Manager) {
			for _, about := range []string{"devices", "moves"} {
				out, err := m.Command("peer", about)
				t.Logf("%s says of %s, %v:\n%s", name, about, err, out)
			}
		},
	})
	return m
}

// joins lets the manager join another as people do: with the command that the other prints.
func (m *manager) joins(upper *manager) {
	m.Helper()
	line := upper.Must("peer", "invite", m.Name)
	words := strings.Fields(line)
	if len(words) != 5 || words[0] != "grove" {
		m.Fatalf("grove peer invite prints %q", line)
	}
	m.Must(words[1:]...)
}

// peer returns what the manager knows of another, by name.
func (m *manager) peer(name string) (peer.OtherPeer, error) {
	var all peer.Overview
	if err := m.Ask("/api/v1/peers", &all); err != nil {
		return peer.OtherPeer{}, err
	}
	for _, p := range all.Managers {
		if p.Name == name {
			return p, nil
		}
	}
	return peer.OtherPeer{}, fmt.Errorf("%s knows of no %s", m.Name, name)
}

// linked waits until the link to another is up and it is live.
func (m *manager) linked(other *manager) {
	m.Helper()
	m.Eventually(func() error {
		p, err := m.peer(other.Name)
		if err == nil && (p.State != "live" || p.Link == nil || !p.Link.Up) {
			err = fmt.Errorf("%s is %s to %s, link %+v", other.Name, p.State, m.Name, p.Link)
		}
		return err
	})
}

// lost waits until the link to another is down, and returns when that was, by this machine's
// clock.
func (m *manager) lost(other *manager) time.Time {
	m.Helper()
	var at time.Time
	m.Eventually(func() error {
		p, err := m.peer(other.Name)
		at = time.Now()
		if err == nil && p.Link != nil && p.Link.Up && p.State == "live" {
			err = fmt.Errorf("%s is %s to %s, link %+v", other.Name, p.State, m.Name, p.Link)
		}
		return err
	})
	return at
}

// reason waits until a node has a status and a reason that says something.
func (m *manager) reason(path, status, reason string) {
	m.Helper()
	m.Eventually(func() error {
		n, err := m.Node(path)
		if err == nil && (n.Status != status || !strings.Contains(n.Reason, reason)) {
			err = fmt.Errorf("%s of %s is %s (%s), not %s (%s)", path, m.Name, n.Status, n.Reason, status, reason)
		}
		return err
	})
}

// journal reads the entries of one node and kind, oldest first.
func (m *manager) journal(path, kind string) (all []grovetest.Entry, err error) {
	const apart = 72 * time.Hour // that clocks of managers may be
	from, to := time.Now().Add(-apart).UTC().Format(time.RFC3339), time.Now().Add(apart).UTC().Format(time.RFC3339)
	err = m.Journal(path, kind, from, to, func(e grovetest.Entry) { all = append(all, e) })
	return all, err
}
