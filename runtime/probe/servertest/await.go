package servertest

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// await waits until a further address of the server takes connections.
func (s *Server) await(address string) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); ; <-tick.C {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(late) {
			s.t.Fatalf("nothing takes connections at %s: %v", address, err)
		}
	}
}

// append adds to a file that write wrote.
func (s *Server) append(name, text string) {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Join(s.Dir, name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// mkdir makes a directory of a user's.
func (s *Server) mkdir(name string, mode os.FileMode, uid int) {
	s.t.Helper()
	dir := filepath.Join(s.Dir, name)
	if err := os.Mkdir(dir, mode); err != nil {
		s.t.Fatal(err)
	}
	s.own(dir, uid, uid)
}

// lookup returns the number of a user, or skips the test.
func lookup(t testing.TB, name string) int {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}
