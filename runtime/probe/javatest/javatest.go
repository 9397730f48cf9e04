// Package javatest runs Java servers for tests: Debian's Jolokia agent in a small program
// of its own (Agent.java), which also stands in for servers by MBeans of their names and
// shapes, and Debian's Tomcat. A JVM takes its time to start, so that a server may be
// shared by all tests of a program; it dies with it.
package javatest

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start; it is long, since the machine may be
// busy, and nothing waits so long when all is well.
const patience = 60 * time.Second

// User and Password are what the servers ask for, where they ask.
const (
	User     = "monitor"
	Password = "5ecret-of-java"
)

//go:embed Agent.java
var source []byte

// Server is a server that runs.
type Server struct {
	URL     string // http://127.0.0.1:<port>
	command *exec.Cmd
	output  *os.File // what it said; its name is gone already
}

// MissingError says what is not installed.
type MissingError struct{ File, Package string }

// Error implements error.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed (apt-get install %s)", e.File, e.Package)
}

func installed(needs ...MissingError) error {
	for _, need := range needs {
		if _, err := os.Stat(need.File); err != nil {
			return &need
		}
	}
	return nil
}

// Need returns a server, or skips the test when something is not installed.
func Need(t testing.TB, s *Server, err error) *Server {
	t.Helper()
	if missing, ok := err.(*MissingError); ok { //nolint:errorlint // It is not wrapped.
		t.Skip("skipped: " + missing.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// quick are the flags of a JVM that starts fast and does little.
var quick = []string{"-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx96m", "-XX:+UseSerialGC"}

// Agent starts the program with the agent. The files describe MBeans, as Agent.java says.
func Agent(mbeans ...string) (*Server, error) {
	if err := installed(
		MissingError{"/usr/bin/javac", "openjdk-17-jdk-headless"},
		MissingError{"/usr/share/java/jolokia-core.jar", "libjolokia-core-java"},
		MissingError{"/usr/share/java/json-simple.jar", "libjson-simple-java"},
	); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "grove")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "Agent.java")
	if err := os.WriteFile(program, source, 0o600); err != nil {
		return nil, err
	}
	args := append(quick[:len(quick):len(quick)], "-cp", "/usr/share/java/jolokia-core.jar:/usr/share/java/json-simple.jar", program, User, Password)
	s := &Server{}
	if err := s.start(args, mbeans...); err != nil {
		return nil, err
	}
	for said := range s.sayings() {
		if _, rest, ok := strings.Cut(said, "listening on "); ok && strings.Contains(rest, "\n") {
			port, _, _ := strings.Cut(rest, "\n")
			s.URL = "http://127.0.0.1:" + port
			return s, nil
		}
	}
	s.Stop()
	return nil, fmt.Errorf("the Java server does not start: %s", s.said())
}

// start runs java.
func (s *Server) start(flags []string, args ...string) error {
	file, err := os.CreateTemp("", "grove")
	if err != nil {
		return err
	}
	s.output = file
	if err := os.Remove(file.Name()); err != nil {
		return err
	}
	s.command = exec.Command("java", append(flags, args...)...)
	s.command.Stdout, s.command.Stderr = file, file
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return s.command.Start()
}

// said is what the server wrote.
func (s *Server) said() string {
	text := make([]byte, 64<<10)
	n, _ := s.output.ReadAt(text, 0)
	return string(text[:n])
}

// sayings yields what the server wrote so far, again and again as long as there is patience.
func (s *Server) sayings() func(func(string) bool) {
	return func(yield func(string) bool) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for late := time.Now().Add(patience); time.Now().Before(late); <-tick.C {
			if !yield(s.said()) {
				return
			}
		}
	}
}

// Stop kills the server and waits.
func (s *Server) Stop() {
	if s == nil || s.command == nil || s.command.Process == nil {
		return
	}
	_ = syscall.Kill(-s.command.Process.Pid, syscall.SIGKILL)
	_ = s.command.Wait()
	_ = s.output.Close()
	s.command = nil
}

// Ask sends a request without a body to the server, as a test does that changes something there.
func (s *Server) Ask(method, path, body string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Close = true
	req.SetBasicAuth(User, Password)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Write changes an attribute of an MBean that a file described; the value is written as
// in the file.
func (s *Server) Write(mbean, attribute, value string) error {
	return s.Ask(http.MethodPost, "/jolokia/", fmt.Sprintf(`{"type":"write","mbean":%q,"attribute":%q,"value":%q}`, mbean, attribute, value))
}

// free returns a loopback address that nobody listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
