// Package sshtest starts Debian's sshd for tests, on a free port of loopback and with
// everything that it needs in a directory of the test's.
package sshtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is an sshd of a test. The user of the test may log in with Key.
type Server struct {
	Address    string // host:port
	Dir        string
	User       string
	Key        string // file of a private key that may log in
	KnownHosts string // file
	t          testing.TB
	program    string
	stop       func()
}

const patience = 20 * time.Second

// Start starts an sshd with further lines of configuration, and stops it with the test.
func Start(t testing.TB, lines ...string) *Server {
	t.Helper()
	const program = "/usr/sbin/sshd"
	if _, err := os.Stat(program); err != nil {
		t.Skip("sshd is not installed (Debian package openssh-server)")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" {
		// The package leaves it to the system's service manager to make this one.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := &Server{t: t, Dir: t.TempDir(), User: me.Username, program: program, Address: freeAddress(t)}
	s.Key, s.KnownHosts = filepath.Join(s.Dir, "user"), filepath.Join(s.Dir, "known_hosts")
	s.keygen("user", "ed25519")
	if err := os.Rename(s.Key+".pub", filepath.Join(s.Dir, "authorized")); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Address)
	config := fmt.Sprintf(`ListenAddress 127.0.0.1:%s
HostKey %s
PidFile none
UsePAM no
StrictModes no
AuthorizedKeysFile %s
PermitRootLogin yes
PasswordAuthentication no
LogLevel VERBOSE
Subsystem sftp internal-sftp
%s
`, port, filepath.Join(s.Dir, "host"), filepath.Join(s.Dir, "authorized"), strings.Join(lines, "\n"))
	if err := os.WriteFile(filepath.Join(s.Dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.NewHostKey("ed25519")
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("sshd said:\n%s", s.Log())
		}
	})
	s.Run()
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) keygen(name, kind string) {
	s.t.Helper()
	file := filepath.Join(s.Dir, name)
	_ = os.Remove(file) // ssh-keygen asks otherwise
	if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", file).CombinedOutput(); err != nil {
		s.t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
}

// NewHostKey gives the server, which does not run, another host key, and writes it to
// KnownHosts.
func (s *Server) NewHostKey(kind string) {
	s.t.Helper()
	s.keygen("host", kind)
	key, err := os.ReadFile(filepath.Join(s.Dir, "host.pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(s.Address)
	if err := os.WriteFile(s.KnownHosts, fmt.Appendf(nil, "# of a test\n[%s]:%s %s", host, port, key), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Fingerprint is what ssh-keygen says of the host key.
func (s *Server) Fingerprint() string {
	s.t.Helper()
	out, err := exec.Command("ssh-keygen", "-lf", filepath.Join(s.Dir, "host.pub")).Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 {
		s.t.Fatalf("ssh-keygen says %q, %v", out, err)
	}
	return fields[1]
}

// Run starts the server, which does not run, and waits until it takes connections.
func (s *Server) Run() {
	s.t.Helper()
	cmd := exec.Command(s.program, "-D", "-e", "-f", filepath.Join(s.Dir, "config"))
	// A file and not a pipe, which those that serve a connection would keep open.
	log, err := os.OpenFile(s.LogFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	s.stop = sync.OnceFunc(func() {
		// Those that serve a connection lead groups of their own and end with it.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); ; {
		conn, err := net.DialTimeout("tcp", s.Address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(late) {
			s.t.Fatalf("sshd takes no connections: %v", err)
		}
		select {
		case <-ended:
			s.t.Fatal("sshd ended at once")
		case <-tick.C:
		}
	}
}

// Stop kills the server and waits for its end.
func (s *Server) Stop() {
	if s.stop != nil {
		s.stop()
	}
}

// LogFile is where sshd writes what it says.
func (s *Server) LogFile() string { return filepath.Join(s.Dir, "log") }

// Log is what sshd said so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.LogFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}
