package grovetest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Manager is a grove of its own, a process at a time, and a client of it. Its data directory,
// its name and its address stay while processes come and go.
type Manager struct {
	Client
	Program Program
	Data    string // its directory

	args    []string
	process *Process // nil: none runs
}

// Options are how a manager differs from others. Without any it is an empty one on loopback.
type Options struct {
	Files     map[string]string // of its data directory, by name
	Listen    string            // host and port of its page; empty: a port of loopback of its own
	Args      []string          // of grove serve, beyond what says who and where it is
	Level     string            // of its log, unless the environment has another in GROVE_LOG; empty: warn
	Transport *http.Transport   // to its page
	// In calls what starts a process, perhaps in another network; nil: here.
	In func(start func() error) error
	// Failed says more of one that runs while its test has failed; then it is killed.
	Failed func(*Manager)
}

// NewManager prepares a manager, which is killed when the test ends.
func NewManager(t testing.TB, name string, o Options) *Manager {
	t.Helper()
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: 8}
	}
	if o.Listen == "" {
		o.Listen = FreeAddress(t)
	}
	m := &Manager{Data: t.TempDir()}
	m.Client = Client{TB: t, Name: name, Address: "http://" + o.Listen, HTTP: &http.Client{Transport: transport, Timeout: Patience}}
	m.Program = Program{Dir: m.Data, said: new(Log), in: o.In}
	m.args = append([]string{"serve", "--listen", o.Listen, "--data", m.Data, "--name", name, "--no-own-host",
		"--log-level", cmp.Or(os.Getenv("GROVE_LOG"), o.Level, "warn")}, o.Args...)
	for file, text := range o.Files {
		m.Write(file, text)
	}
	t.Cleanup(func() {
		if m.process != nil {
			if t.Failed() && o.Failed != nil {
				o.Failed(m)
			}
			m.Kill()
		}
		transport.CloseIdleConnections()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, m.Program.said)
		}
	})
	return m
}

// Write puts a file into the data directory.
func (m *Manager) Write(name, text string) {
	m.Helper()
	file := filepath.Join(m.Data, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
}

// Start starts it and waits until it is ready.
func (m *Manager) Start() {
	m.Helper()
	m.Launch()
	if _, err := m.process.serves(); err != nil {
		m.Fatalf("%s: %v", m.Name, err)
	}
	m.Ready()
}

// Launch starts it.
func (m *Manager) Launch() {
	m.Helper()
	var err error
	if m.process, err = m.Program.Start(m.args...); err != nil {
		m.Fatal(err)
	}
}

// Ready waits until it is.
func (m *Manager) Ready() {
	m.Helper()
	m.Eventually(func() error {
		code, body, err := m.Request(http.MethodGet, "/readyz", nil)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d: %s", code, body)
		}
		return err
	})
}

// Signal sends a signal to the process.
func (m *Manager) Signal(s syscall.Signal) {
	m.Helper()
	if err := m.process.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.Error(err)
	}
}

// Kill ends it as nothing can prepare for.
func (m *Manager) Kill() {
	m.Helper()
	m.Signal(syscall.SIGKILL)
	<-m.process.ended
	m.process = nil
	m.HTTP.CloseIdleConnections()
}

// PID is the number of its process, which runs.
func (m *Manager) PID() int { return m.process.PID }

// Command runs a command of the program where the manager is, and returns what it prints.
func (m *Manager) Command(args ...string) (string, error) {
	p := m.Program
	p.Env = append(p.Env[:len(p.Env):len(p.Env)], "NO_COLOR=1")
	return p.run(args...)
}

// Must is Command for what has to work.
func (m *Manager) Must(args ...string) string {
	m.Helper()
	out, err := m.Command(args...)
	if err != nil {
		m.Fatal(err)
	}
	return out
}

// Eventually asks again until check is content, and fails the test with what it last said
// when that does not happen, or when the manager has ended.
func (m *Manager) Eventually(check func() error) {
	m.Helper()
	if err := until(m.process, Patience, managerPace, check); err != nil {
		m.Fatalf("%s: %v", m.Name, err)
	}
}

// Is waits until a node has a value, as people read it, and a status.
func (m *Manager) Is(path, value, status string) {
	m.Helper()
	m.Eventually(func() error {
		n, err := m.Node(path)
		if err == nil {
			err = Shows(n, value, status)
		}
		return err
	})
}
