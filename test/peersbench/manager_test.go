package peersbench

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"grove/test/grovetest"
	"grove/viewer/peer"
)

// patience is how long a benchmark waits for what must come, unless it says otherwise.
const patience = grovetest.Patience

// manager is a grove of its own on loopback.
type manager struct {
	*grovetest.Manager
	peers string // where others link to it, host and port; empty: nowhere
}

// A manager tells those that it watches who it is, since all have the same address: whoami is
// the file with its name, in the directory where it runs.
const (
	here   = "/proc/self/cwd"
	whoami = here + "/name"
)

// newManager prepares a manager; one that listens can be joined. Definitions are by the name
// of their file.
func newManager(t testing.TB, name string, listens bool, peers string, definitions map[string]string) *manager {
	t.Helper()
	m := &manager{}
	if listens {
		m.peers = grovetest.FreeAddress(t)
		peers += fmt.Sprintf("listen: [\"tls://%s\"]\n", m.peers)
	}
	files := map[string]string{"peers.yaml": peers, "name": name}
	for file, text := range definitions {
		files[filepath.Join("definitions", file)] = text
	}
	m.Manager = grovetest.NewManager(t, name, grovetest.Options{
		Files: files, Args: []string{"--secrets", here},
		Failed: func(m *grovetest.Manager) {
			_, said, err := m.Request(http.MethodGet, "/api/v1/devices?limit=3", nil)
			t.Logf("%s knows of devices, %v: %s", name, err, said)
		},
	})
	return m
}

// joins lets the manager join another by an invitation, again as long as that one is too busy.
// The link may come later.
func (m *manager) joins(upper *manager) {
	m.Helper()
	m.Eventually(func() error {
		var invited struct{ Address, Token string }
		if err := upper.Call(http.MethodPost, "/api/v1/peers/invite", map[string]string{"name": m.Name}, &invited); err != nil {
			return err
		}
		code, text, err := m.Request(http.MethodPost, "/api/v1/peers/join", map[string]string{"address": invited.Address, "token": invited.Token})
		switch {
		case err != nil:
			return err
		case code == http.StatusServiceUnavailable && bytes.Contains(text, []byte("has let this manager in")):
			return nil
		case code == http.StatusServiceUnavailable, code == http.StatusConflict: // A link on the way was lost.
			return fmt.Errorf("%s joins %s: %.400s", m.Name, upper.Name, text)
		case code/100 != 2:
			m.Fatalf("%s joins %s: %d: %.400s", m.Name, upper.Name, code, text)
		}
		return nil
	})
}

// others returns what the manager knows of all others.
func (m *manager) others(t testing.TB) []peer.OtherPeer {
	t.Helper()
	var all peer.Overview
	if err := m.Ask("/api/v1/peers", &all); err != nil {
		t.Fatal(err)
	}
	return all.Managers
}

// memory is what the process takes of the machine's memory now, bytes: with what it shares
// with others of the same program, or without.
func (m *manager) memory(shared bool) float64 {
	m.Helper()
	if shared {
		return grovetest.Memory(m.TB, m.PID(), "VmRSS")
	}
	return grovetest.Memory(m.TB, m.PID(), "RssAnon")
}

// worked is for how long the process has kept processors busy.
func (m *manager) worked() time.Duration {
	m.Helper()
	return grovetest.Worked(m.TB, m.PID())
}

// count is the number of an environment variable, or else another one.
func count(t testing.TB, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number above zero", variable, text)
	}
	return n
}
