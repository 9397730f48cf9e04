// Package servertest runs real servers for tests, each on a loopback port and in a
// directory of its own: nothing of the machine's own servers is touched. A test whose
// server is not installed is skipped and says what it lacks.
package servertest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start; it is long, since the machine may be
// busy, and nothing waits so long when all is well.
const patience = 60 * time.Second

// Server is a server that was started. The test's end stops it.
type Server struct {
	Address string // host:port
	Dir     string // where its files are
	CA      string // file of the authority of its certificate, where it has one

	t       testing.TB
	command func() *exec.Cmd
	kill    func()
}

// find returns where a program is, or skips the test.
func find(t testing.TB, debianPackage string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
		found, _ := filepath.Glob(filepath.Join("/usr/sbin", name)) // The pattern is right.
		if len(found) > 0 {
			return found[0]
		}
	}
	t.Skipf("%s is not installed (apt-get install %s)", names[0], debianPackage)
	return ""
}

// newServer makes a server that is not started yet, in a directory of the user that it
// will run as; an empty name stands for the one that runs the tests.
func newServer(t testing.TB, as string) (*Server, *syscall.Credential) {
	t.Helper()
	dir, err := os.MkdirTemp("", "grove") //nolint:usetesting // a short name: it has to fit into a socket's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{t: t, Dir: dir, Address: free(t), kill: func() {}}
	t.Cleanup(s.Stop)
	if os.Geteuid() != 0 || as == "" {
		return s, nil
	}
	u, err := user.Lookup(as)
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	s.own(dir, int(uid), int(gid))
	return s, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (s *Server) own(file string, uid, gid int) {
	s.t.Helper()
	if err := os.Chown(file, uid, gid); err != nil {
		s.t.Fatal(err)
	}
}

// free returns a loopback address that nobody listens on.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Port is the port of the address.
func (s *Server) Port() string {
	_, port, _ := net.SplitHostPort(s.Address) // It was made by free.
	return port
}

func (s *Server) write(name, text string) string {
	s.t.Helper()
	file := filepath.Join(s.Dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// run runs a program that prepares the server.
func (s *Server) run(as *syscall.Credential, program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// Start starts the server, again after Stop, and waits until it takes connections.
func (s *Server) Start() {
	s.t.Helper()
	var output locked
	cmd := s.command()
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 5 * time.Second
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	s.kill = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", cmd.Path, output.String())
		}
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); ; <-tick.C {
		conn, err := net.DialTimeout("tcp", s.Address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			s.t.Fatalf("%s ended at once:\n%s", cmd.Path, output.String())
		default:
		}
		if time.Now().After(late) {
			s.t.Fatalf("%s takes no connections: %v\n%s", cmd.Path, err, output.String())
		}
	}
}

// Stop kills the server, as a crash would; it is harmless when it does not run.
func (s *Server) Stop() { s.kill() }

// locked is a buffer that may be read while a program writes to it.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
