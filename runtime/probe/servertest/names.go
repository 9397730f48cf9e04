package servertest

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// NameServer is Debian's BIND, with the zone example.test.
type NameServer struct {
	*Server           // plain DNS, over UDP and TCP
	TLS        string // host:port of DNS over TLS, with a certificate of CA
	Statistics string // host:port of the statistics channel, HTTP
}

// Named starts one whose zone has a serial number. It recurses for nobody: what it does
// not know, it refuses.
func Named(t testing.TB, serial int) *NameServer {
	t.Helper()
	program := find(t, "bind9", "named")
	s, _ := newServer(t, "")
	n := &NameServer{Server: s, TLS: free(t), Statistics: free(t)}
	certificate, key := s.certificate()
	_, tlsPort, _ := net.SplitHostPort(n.TLS)
	_, statisticsPort, _ := net.SplitHostPort(n.Statistics)
	s.write("example.test", fmt.Sprintf(`$TTL 300
@    IN SOA ns1.example.test. admin.example.test. ( %d 3600 600 864000 60 )
     IN NS  ns1
     IN MX  10 mail
     IN TXT "v=spf1 -all"
ns1  IN A   127.0.0.1
www  IN A   192.0.2.7
     IN A   192.0.2.8
     IN AAAA 2001:db8::7
mail IN A   192.0.2.25
shop IN CNAME www
_http._tcp IN SRV 10 60 80 www
           IN SRV 20 40 8080 mail
_none._tcp IN SRV 0 0 0 .
`, serial))
	for i := range 90 {
		s.append("example.test", fmt.Sprintf("many IN A 198.51.100.%d\n_many._tcp IN SRV 0 0 %d many\n", i+1, i+1))
	}
	config := s.write("named.conf", fmt.Sprintf(`
options {
	directory %q; pid-file %q; session-keyfile %q; lock-file none;
	listen-on port %s { 127.0.0.1; }; listen-on port %s tls local { 127.0.0.1; }; listen-on-v6 { none; };
	recursion no; allow-query { any; }; allow-transfer { none; }; notify no; dnssec-validation no; minimal-responses no;
};
tls local { cert-file %q; key-file %q; };
controls { };
statistics-channels { inet 127.0.0.1 port %s allow { 127.0.0.1; }; };
zone "example.test" { type primary; file "example.test"; };
`, s.Dir, filepath.Join(s.Dir, "pid"), filepath.Join(s.Dir, "session.key"), s.Port(), tlsPort, certificate, key, statisticsPort))
	s.command = func() *exec.Cmd {
		cmd := exec.Command(program, "-g", "-c", config, "-n", "1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	s.Start()
	s.await(n.TLS)
	s.await(n.Statistics)
	n.loaded()
	return n
}

// loaded waits until the server answers for its zone: it listens before it does.
func (n *NameServer) loaded() {
	n.t.Helper()
	question := []byte("\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x04test\x00\x00\x06\x00\x01")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); ; <-tick.C {
		if code, err := n.ask(question); err == nil && code == 0 {
			return
		} else if time.Now().After(late) {
			n.t.Fatalf("the zone is not loaded: code %d, %v", code, err)
		}
	}
}

func (n *NameServer) ask(question []byte) (code byte, err error) {
	conn, err := net.Dial("udp", n.Address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return 0, err
	}
	if _, err := conn.Write(question); err != nil {
		return 0, err
	}
	answer := make([]byte, 512)
	if _, err := conn.Read(answer); err != nil {
		return 0, err
	}
	return answer[3] & 15, nil
}
