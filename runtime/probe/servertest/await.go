package servertest

import (
	"net"
	"os"
	"path/filepath"
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
