package servertest

import (
	"os/exec"
	"testing"
)

// Redis starts Debian's Redis without a password and without files. Settings are such as
// "--maxclients", "20".
func Redis(t testing.TB, settings ...string) *Server {
	t.Helper()
	program := find(t, "redis-server", "redis-server")
	s, _ := newServer(t, "")
	args := append([]string{"--port", s.Port(), "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--repl-diskless-sync-delay", "0"}, settings...)
	s.command = func() *exec.Cmd { return exec.Command(program, args...) }
	s.Start()
	return s
}

// RedisTLS starts it with TLS on its address and nothing else.
func RedisTLS(t testing.TB) *Server {
	t.Helper()
	program := find(t, "redis-server", "redis-server")
	s, _ := newServer(t, "")
	certificate, key := s.certificate()
	s.command = func() *exec.Cmd {
		return exec.Command(program, "--port", "0", "--tls-port", s.Port(), "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "",
			"--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", s.CA, "--tls-auth-clients", "no")
	}
	s.Start()
	return s
}

// Memcached starts Debian's memcached. Settings are such as "-c", "20".
func Memcached(t testing.TB, settings ...string) *Server {
	t.Helper()
	program := find(t, "memcached", "memcached")
	s, _ := newServer(t, "")
	args := append([]string{"-l", "127.0.0.1", "-p", s.Port(), "-U", "0", "-u", "nobody", "-m", "4"}, settings...)
	s.command = func() *exec.Cmd { return exec.Command(program, args...) }
	s.Start()
	return s
}
