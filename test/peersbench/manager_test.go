package peersbench

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"grove/viewer"
	"grove/viewer/peer"
)

// patience is how long a benchmark waits for what must come, unless it says otherwise.
const patience = 2 * time.Minute

// manager is a grove of its own on loopback.
type manager struct {
	testing.TB
	name, data string
	page       string // its address, host and port
	peers      string // where others link to it, host and port; empty: nowhere
	http       *http.Client
	log        *logText
	process    *exec.Cmd
	ended      chan error // once, of the process
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
	m := &manager{TB: t, name: name, data: t.TempDir(), page: free(t), log: new(logText)}
	if listens {
		m.peers = free(t)
		peers += fmt.Sprintf("listen: [\"tls://%s\"]\n", m.peers)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	m.http = &http.Client{Transport: transport, Timeout: patience}
	m.write("peers.yaml", peers)
	m.write("name", name)
	for file, text := range definitions {
		m.write(filepath.Join("definitions", file), text)
	}
	t.Cleanup(func() {
		if m.process != nil {
			if t.Failed() {
				_, said, err := m.request(http.MethodGet, "/api/v1/devices?limit=3", nil)
				t.Logf("%s knows of devices, %v: %s", name, err, said)
			}
			m.kill()
		}
		transport.CloseIdleConnections()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, m.log)
		}
	})
	return m
}

// Ports that free gives out are below those that systems give to connections, one of which
// might take it before the manager that is to listen there has started.
const (
	firstPort = 10_000
	ports     = 22_000
)

var nextPort atomic.Uint32

// free is an address of loopback at which nothing listens.
func free(t testing.TB) string {
	t.Helper()
	nextPort.CompareAndSwap(0, rand.Uint32N(ports)+1) // Another program does the same perhaps.
	var err error
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+nextPort.Add(1)%ports)
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal(err)
	return ""
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
	m.launch()
	m.ready()
}

// launch starts it.
func (m *manager) launch() {
	m.Helper()
	c := exec.Command("grove", "serve", "--listen", m.page, "--data", m.data, "--name", m.name, "--no-own-host", "--secrets", here, "--log-level", cmp.Or(os.Getenv("GROVE_LOG"), "warn"))
	c.Dir, c.Stdout, c.Stderr = m.data, m.log, m.log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // It goes with the benchmark, however that ends.
	if err := c.Start(); err != nil {
		m.Fatal(err)
	}
	m.process, m.ended = c, make(chan error, 1)
	go func() { m.ended <- c.Wait() }()
}

// ready waits until it is.
func (m *manager) ready() {
	m.Helper()
	m.eventually(func() error {
		code, body, err := m.request(http.MethodGet, "/readyz", nil)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d: %s", code, body)
		}
		return err
	})
}

// kill ends it as nothing can prepare for.
func (m *manager) kill() {
	m.Helper()
	if err := m.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.Error(err)
	}
	<-m.ended //nolint:errcheck // It was killed.
	m.process = nil
	m.http.CloseIdleConnections()
}

// eventually asks again until check is content.
func (m *manager) eventually(check func() error) {
	m.Helper()
	m.within(patience, check)
}

// within is eventually with a bound of its own.
func (m *manager) within(most time.Duration, check func() error) {
	m.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.After(most)
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
			m.Fatalf("%s, after %v: %v", m.name, most, err)
		}
	}
}

// request asks the manager over REST.
func (m *manager) request(method, path string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
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
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

// call asks for something and decodes the answer, unless into is nil.
func (m *manager) call(method, path string, body, into any) error {
	code, text, err := m.request(method, path, body)
	if err != nil {
		return err
	}
	if code/100 != 2 {
		return fmt.Errorf("%s %s of %s: %d: %.400s", method, path, m.name, code, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// ask decodes the answer to a GET.
func (m *manager) ask(path string, into any) error { return m.call(http.MethodGet, path, nil, into) }

// joins lets the manager join another by an invitation, again as long as that one is too busy.
// The link may come later.
func (m *manager) joins(upper *manager) {
	m.Helper()
	m.eventually(func() error {
		var invited struct{ Address, Token string }
		if err := upper.call(http.MethodPost, "/api/v1/peers/invite", map[string]string{"name": m.name}, &invited); err != nil {
			return err
		}
		code, text, err := m.request(http.MethodPost, "/api/v1/peers/join", map[string]string{"address": invited.Address, "token": invited.Token})
		switch {
		case err != nil:
			return err
		case code == http.StatusServiceUnavailable && bytes.Contains(text, []byte("has let this manager in")):
			return nil
		case code == http.StatusServiceUnavailable, code == http.StatusConflict: // A link on the way was lost.
			return fmt.Errorf("%s joins %s: %.400s", m.name, upper.name, text)
		case code/100 != 2:
			m.Fatalf("%s joins %s: %d: %.400s", m.name, upper.name, code, text)
		}
		return nil
	})
}

// others returns what the manager knows of all others.
func (m *manager) others(t testing.TB) []peer.OtherPeer {
	t.Helper()
	var all peer.Overview
	if err := m.ask("/api/v1/peers", &all); err != nil {
		t.Fatal(err)
	}
	return all.Managers
}

// node returns a node of the manager's tree.
func (m *manager) node(path string) (n viewer.Details, err error) {
	err = m.ask("/api/v1/nodes"+(&url.URL{Path: path}).EscapedPath(), &n)
	return n, err
}

// push sends readings; nil is that they were acknowledged.
func (m *manager) push(readings ...map[string]any) error {
	var out struct{ Accepted int }
	err := m.call(http.MethodPost, "/api/v1/readings", readings, &out)
	if err == nil && out.Accepted != len(readings) {
		err = fmt.Errorf("%s took %d of %d readings", m.name, out.Accepted, len(readings))
	}
	return err
}

// memory is what the process takes of the machine's memory now, bytes: with what it shares
// with others of the same program, or without.
func (m *manager) memory(shared bool) float64 {
	m.Helper()
	field := "RssAnon"
	if shared {
		field = "VmRSS"
	}
	for line := range strings.Lines(m.proc("status")) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err != nil {
				m.Fatal(err)
			}
			return kilobytes * 1024
		}
	}
	m.Fatalf("%s has no memory", m.name)
	return 0
}

// worked is for how long the process has kept processors busy.
func (m *manager) worked() time.Duration {
	m.Helper()
	// The second field is the name of the program, in parentheses; the 14th and 15th are the
	// times of the process and of the system for it, in hundredths of a second.
	_, after, _ := strings.Cut(m.proc("stat"), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		m.Fatalf("%s has no times", m.name)
	}
	var sum time.Duration
	for _, f := range fields[11:13] {
		ticks, err := strconv.Atoi(f)
		if err != nil {
			m.Fatal(err)
		}
		sum += time.Duration(ticks) * 10 * time.Millisecond
	}
	return sum
}

// proc reads what the system says of the process.
func (m *manager) proc(file string) string {
	m.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", m.process.Process.Pid, file))
	if err != nil {
		m.Fatal(err)
	}
	return string(text)
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
