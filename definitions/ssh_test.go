package definitions_test

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"testing"

	"grove/runtime/probe/ssh/sshtest"
	"grove/tree"
)

// TestSSHServer runs the definition of an SSH server on Debian's sshd: with failed logins,
// with another host key, and without the server.
func TestSSHServer(t *testing.T) {
	s := sshtest.Start(t, "KexAlgorithms curve25519-sha256", "MACs hmac-sha2-256-etm@openssh.com")
	w := grow(t, fmt.Sprintf(`
use: ssh-server
at: /gate
with: { address: "%s", every: 200ms, logins: log, log: %s }
`, s.Address, s.LogFile()))
	w.is("/gate/Answer/Up", tree.Green)
	w.says("/gate/Answer/State", "up")
	w.within("/gate/Answer/Response time", 1e-6, 10)
	w.says("/gate/Host key/Verdict", "known")
	w.says("/gate/Host key/Fingerprint", s.Fingerprint())
	w.says("/gate/Version", "OpenSSH")
	w.within("/gate/Weak algorithms/Count", 0, 0)
	w.within("/gate/Logins in the log/Failed", 0, 0)
	w.is("/gate", tree.Green)
	w.until("every node has a reading", func() bool { return len(w.white("/gate")) == 0 })
	w.exported()

	stranger := filepath.Join(t.TempDir(), "stranger")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	host, port, _ := net.SplitHostPort(s.Address)
	login := exec.Command("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "IdentitiesOnly=yes", "-i", stranger, "-p", port, "nobody@"+host, "true")
	if err := login.Run(); err == nil {
		t.Fatal("a stranger comes in")
	}
	w.until("the failed login is told", func() bool {
		events, err := w.tree.Events(tree.MustPath("/gate/Logins in the log/Events"))
		return err == nil && len(events) > 0 && events[0].Text == "login of nobody from 127.0.0.1 failed"
	})

	s.Stop()
	w.is("/gate/Answer/Up", tree.Red)
	w.says("/gate/Answer/Error", "connection refused")
	w.is("/gate", tree.Red)
	w.is("/gate/Host key", tree.Green)

	s.NewHostKey("ed25519")
	s.Run()
	w.is("/gate/Host key/Verdict", tree.Red)
	w.says("/gate/Answer/State", "host_key")
	w.says("/gate/Host key/Fingerprint", s.Fingerprint())
}
