package peers

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"grove/viewer"
	"grove/viewer/peer"
)

// patience is how long a test waits for something that must come. Nothing here takes a tenth
// of it on a quiet machine.
const patience = 60 * time.Second

// manager is a grove of its own in a network namespace of its own.
type manager struct {
	testing.TB
	name, data string
	page       string   // its address, host and port
	program    string   // empty: this test binary
	env        []string // beyond that of the test
	space      *space
	http       *http.Client
	log        *logText
	process    *exec.Cmd
	ended      chan error // once, of the process
}

// listening is where every manager serves its page, in its own namespace.
const listening = "127.0.0.1:7440"

// newManager prepares a manager with a file of peers and with definitions by name.
func newManager(t testing.TB, n *network, name, peers string, definitions map[string]string) *manager {
	t.Helper()
	m := &manager{TB: t, name: name, data: t.TempDir(), page: listening, space: n.add(t), log: new(logText)}
	m.http = &http.Client{Transport: &http.Transport{DialContext: m.space.dial, DisableKeepAlives: true}, Timeout: patience}
	m.write("peers.yaml", strings.ReplaceAll(peers, "ADDRESS", m.space.address.String()))
	for file, text := range definitions {
		m.write(filepath.Join("definitions", file), text)
	}
	t.Cleanup(func() {
		if m.process != nil {
			if t.Failed() {
				for _, about := range []string{"devices", "moves"} {
					out, err := m.command("peer", about)
					t.Logf("%s says of %s, %v:\n%s", name, about, err, out)
				}
			}
			m.kill()
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, m.log)
		}
	})
	return m
}

// write puts a file into the data directory.
func (m *manager) write(name, text string) {
	m.Helper()
	file := filepath.Join(m.data, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
}

// start starts it and waits until it is ready.
func (m *manager) start() {
	m.Helper()
	c := exec.Command(cmp.Or(m.program, "grove"), "serve", "--listen", listening, "--data", m.data, "--name", m.name, "--no-own-host", "--log-level", cmp.Or(os.Getenv("GROVE_LOG"), "info"))
	c.Dir, c.Stderr, c.Env = m.data, m.log, append(os.Environ(), m.env...)
	// It goes with the thread that started it, which goes with the test.
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		m.Fatal(err)
	}
	if err := m.space.in(c.Start); err != nil {
		m.Fatal(err)
	}
	m.process, m.ended = c, make(chan error, 1)
	lines := bufio.NewReader(out)
	line, readErr := lines.ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		m.ended <- c.Wait()
	}()
	if readErr != nil || !strings.Contains(line, " serves ") {
		m.Fatalf("grove serve says %q: %v", line, readErr)
	}
	m.eventually(func() error {
		code, body, err := m.request(http.MethodGet, "/readyz", nil)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d: %s", code, body)
		}
		return err
	})
}

// signal sends a signal to the process.
func (m *manager) signal(s syscall.Signal) {
	m.Helper()
	if err := m.process.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.Error(err)
	}
}

// kill ends it as nothing can prepare for.
func (m *manager) kill() {
	m.Helper()
	m.signal(syscall.SIGKILL)
	<-m.ended //nolint:errcheck // It was killed.
	m.process = nil
}

// command runs a command of the program where the manager is, and returns what it prints.
func (m *manager) command(args ...string) (string, error) {
	var out, wrong bytes.Buffer
	c := exec.Command(cmp.Or(m.program, "grove"), args...)
	c.Dir, c.Stdout, c.Stderr = m.data, &out, &wrong
	c.Env = append(append(os.Environ(), m.env...), "NO_COLOR=1")
	if err := m.space.in(c.Start); err != nil {
		return "", err
	}
	if err := c.Wait(); err != nil {
		return out.String(), fmt.Errorf("grove %s: %w: %s", strings.Join(args, " "), err, wrong.Bytes())
	}
	return out.String(), nil
}

// must is command for what has to work.
func (m *manager) must(args ...string) string {
	m.Helper()
	out, err := m.command(args...)
	if err != nil {
		m.Fatal(err)
	}
	return out
}

// joins lets the manager join another as people do: with the command that the other prints.
func (m *manager) joins(upper *manager) {
	m.Helper()
	line := upper.must("peer", "invite", m.name)
	words := strings.Fields(line)
	if len(words) != 5 || words[0] != "grove" {
		m.Fatalf("grove peer invite prints %q", line)
	}
	m.must(words[1:]...)
}

// eventually waits until a condition holds.
func (m *manager) eventually(check func() error) {
	m.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.After(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case err := <-m.ended:
			m.ended <- err
			m.Fatalf("%s ended: %v", m.name, err)
		case <-late:
			m.Fatalf("%s, after %v: %v", m.name, patience, err)
		}
	}
}

// request asks the manager over REST.
func (m *manager) request(method, path string, body any) (int, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(m.Context(), method, "http://"+m.page+path, reader)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := m.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

// ask decodes the answer to a GET.
func (m *manager) ask(path string, into any) error {
	code, body, err := m.request(http.MethodGet, path, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("GET %s: %d: %s", path, code, body)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	return err
}

// peer returns what the manager knows of another, by name.
func (m *manager) peer(name string) (peer.OtherPeer, error) {
	var all peer.Overview
	if err := m.ask("/api/v1/peers", &all); err != nil {
		return peer.OtherPeer{}, err
	}
	for _, p := range all.Managers {
		if p.Name == name {
			return p, nil
		}
	}
	return peer.OtherPeer{}, fmt.Errorf("%s knows of no %s", m.name, name)
}

// linked waits until the link to another is up and it is live.
func (m *manager) linked(other *manager) {
	m.Helper()
	m.eventually(func() error {
		p, err := m.peer(other.name)
		if err == nil && (p.State != "live" || p.Link == nil || !p.Link.Up) {
			err = fmt.Errorf("%s is %s to %s, link %+v", other.name, p.State, m.name, p.Link)
		}
		return err
	})
}

// lost waits until the link to another is down, and returns when that was, by this machine's
// clock.
func (m *manager) lost(other *manager) time.Time {
	m.Helper()
	var at time.Time
	m.eventually(func() error {
		p, err := m.peer(other.name)
		at = time.Now()
		if err == nil && p.Link != nil && p.Link.Up && p.State == "live" {
			err = fmt.Errorf("%s is %s to %s, link %+v", other.name, p.State, m.name, p.Link)
		}
		return err
	})
	return at
}

// node returns a node of the manager's tree.
func (m *manager) node(path string) (n viewer.Details, err error) {
	err = m.ask("/api/v1/nodes"+(&url.URL{Path: path}).EscapedPath(), &n)
	return n, err
}

// is waits until a node has a value, as people read it, and a status.
func (m *manager) is(path, value, status string) {
	m.Helper()
	m.eventually(func() error {
		n, err := m.node(path)
		if err != nil {
			return err
		}
		got := ""
		if n.Value != nil {
			got = n.Value.String()
		}
		if got != value || n.Status != status {
			return fmt.Errorf("%s of %s is %q, %s (%s), not %q, %s", path, m.name, got, n.Status, n.Reason, value, status)
		}
		return nil
	})
}

// reason waits until a node has a status and a reason that says something.
func (m *manager) reason(path, status, reason string) {
	m.Helper()
	m.eventually(func() error {
		n, err := m.node(path)
		if err == nil && (n.Status != status || !strings.Contains(n.Reason, reason)) {
			err = fmt.Errorf("%s of %s is %s (%s), not %s (%s)", path, m.name, n.Status, n.Reason, status, reason)
		}
		return err
	})
}

// push sends readings; nil is that they were acknowledged.
func (m *manager) push(readings ...map[string]any) error {
	code, body, err := m.request(http.MethodPost, "/api/v1/readings", readings)
	if err != nil {
		return err
	}
	var out struct{ Accepted int }
	if err := json.Unmarshal(body, &out); err != nil || code != http.StatusOK || out.Accepted != len(readings) {
		return fmt.Errorf("push to %s: %d: %s", m.name, code, body)
	}
	return nil
}

// entry is one entry of a journal.
type entry struct {
	Path, Kind, Text string
	From, To         string
	Time             time.Time
}

// journal reads the entries of one node and kind, oldest first.
func (m *manager) journal(path, kind string) (all []entry, err error) {
	const apart = 72 * time.Hour // that clocks of managers may be
	from, to := time.Now().Add(-apart).UTC().Format(time.RFC3339), time.Now().Add(apart).UTC().Format(time.RFC3339)
	q := url.Values{"path": {path}, "only": {"true"}, "kind": {kind}, "order": {"oldest"}, "limit": {"10000"}, "from": {from}, "to": {to}}
	for {
		var page struct {
			Entries []entry
			Next    string
		}
		if err := m.ask("/api/v1/journal?"+q.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Entries...)
		if page.Next == "" {
			return all, nil
		}
		q.Set("after", page.Next)
	}
}

// logText is what a process says.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String implements fmt.Stringer.
func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
