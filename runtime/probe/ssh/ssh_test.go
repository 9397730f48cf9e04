package ssh

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/ssh/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*Options)) *Options {
	o := Kind(nil, nil).NewOptions().(*Options)
	change(o)
	return o
}

func withKey(s *sshtest.Server) func(*Options) {
	return func(o *Options) {
		o.Address, o.User, o.Key, o.KnownHosts = s.Address, s.User, secret.Ref("file:"+s.Key), s.KnownHosts
	}
}

func TestContract(t *testing.T) {
	s := sshtest.Start(t)
	kind := Kind(nil, nil)
	probetest.Run(t, kind,
		options(func(o *Options) { o.Address = s.Address }),
		options(withKey(s)),
		options(func(o *Options) { withKey(s)(o); o.KnownHosts, o.Fingerprints = "", []string{s.Fingerprint()} }),
	)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	probetest.Stops(t, kind, options(func(o *Options) { o.Address = silent.Addr().String() }))
	bad := func(name, option, want string, change func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: option + ": " + want, Options: options(func(o *Options) { o.Address = "web1"; change(o) })}
	}
	const pin = "SHA256:0123456789012345678901234567890123456789012"
	probetest.Refuses(t, kind,
		bad("no address", "address", `"": is needed: host and port, such as db1:5432`, func(o *Options) { o.Address = "" }),
		bad("bad port", "address", `"web1:x": the port is not a number from 1 to 65535`, func(o *Options) { o.Address = "web1:x" }),
		bad("a password as it is", "password", "a secret is given by reference: file:/path, env:NAME or credential:NAME", func(o *Options) { o.User, o.Password = "a", "hunter2" }),
		bad("nobody", "user", "is needed where there is a key", func(o *Options) { o.Key = "env:K" }),
		bad("no way in", "key", "or password or agent is needed: how me logs in", func(o *Options) { o.User = "me" }),
		bad("unknown host", "known_hosts", "or fingerprints is needed: nobody logs in where the host key is not known; ssh-keyscan web1 prints it", func(o *Options) { o.User, o.Key = "me", "env:K" }),
		bad("both", "fingerprints", "and known_hosts both say which host keys are right: leave one out", func(o *Options) { o.KnownHosts, o.Fingerprints = "/k", []string{pin} }),
		bad("no fingerprint", "fingerprints", `"aa:bb" is not SHA256: and 43 letters, as ssh-keygen -lf prints them`, func(o *Options) { o.Fingerprints = []string{"aa:bb"} }),
		bad("relative", "known_hosts", `"known" is not an absolute path without detours`, func(o *Options) { o.KnownHosts = "known" }),
		bad("passphrase alone", "passphrase", "only with a key", func(o *Options) { o.User, o.Password, o.Passphrase, o.KnownHosts = "me", "env:P", "env:Q", "/k" }),
	)
}

// ask runs a probe once and returns its readings as text.
func ask(t *testing.T, p probe.Probe) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r, err := p.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	return got
}

func build(t *testing.T, change func(*Options)) probe.Probe {
	t.Helper()
	p, err := Kind(nil, nil).New(options(change))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestServer(t *testing.T) {
	s := sshtest.Start(t, "KexAlgorithms curve25519-sha256,diffie-hellman-group14-sha1", "MACs hmac-sha2-256,umac-64@openssh.com")
	p := build(t, func(o *Options) { o.Address = s.Address })
	got := ask(t, p)
	if got["up"] != "1" || got["host_key"] != "new" || got["fingerprint"] != s.Fingerprint() || got["host_key_type"] != "ssh-ed25519" || !strings.HasPrefix(got["version"], "OpenSSH_") {
		t.Errorf("got %v", got)
	}
	if got["weak"] != "diffie-hellman-group14-sha1 umac-64@openssh.com" || got["weak_count"] != "2" {
		t.Errorf("weak are %q", got["weak"])
	}
	if got = ask(t, p); got["host_key"] != "known" {
		t.Errorf("got %v", got)
	}
	if log := s.Log(); strings.Contains(log, "Invalid user") || strings.Contains(log, "Failed") {
		t.Error("a look is a failed login in the log of the server")
	}
	memory := p.(probe.Rememberer).Memory()

	s.Stop()
	if got = ask(t, p); got["state"] != "refused" || got["host_key"] != "" {
		t.Errorf("without a server: %v", got)
	}
	before := s.Fingerprint()
	s.NewHostKey("ecdsa")
	s.Run()
	again := build(t, func(o *Options) { o.Address = s.Address }) // after a restart
	again.(probe.Rememberer).Recall(memory)
	for range 2 {
		got = ask(t, again)
		if got["up"] != "0" || got["state"] != "host_key" || got["host_key"] != "changed" || !strings.Contains(got["error"], before) || got["fingerprint"] != s.Fingerprint() {
			t.Errorf("with another key: %v", got)
		}
	}
	for name, tt := range map[string]struct {
		change      func(*Options)
		state, says string
	}{
		"pinned":           {func(o *Options) { o.Fingerprints = []string{s.Fingerprint()} }, "up", "known"},
		"another pinned":   {func(o *Options) { o.Fingerprints = []string{before} }, "host_key", "wrong"},
		"known hosts":      {func(o *Options) { o.KnownHosts = s.KnownHosts }, "up", "known"},
		"key":              {withKey(s), "up", "known"},
		"not in the hosts": {func(o *Options) { o.KnownHosts = "/dev/null" }, "host_key", ""},
	} {
		change := tt.change
		if name == "not in the hosts" {
			empty := filepath.Join(t.TempDir(), "empty")
			if err := os.WriteFile(empty, []byte("# nobody\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			change = func(o *Options) { o.KnownHosts = empty }
		}
		got := ask(t, build(t, func(o *Options) { o.Address = s.Address; change(o) }))
		if got["state"] != tt.state || got["host_key"] != tt.says {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func client(t *testing.T, policy *dial.Policy, change func(*Options)) *Client {
	t.Helper()
	o := options(change)
	target, err := o.Access.Check(true)
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(target, policy, nil)
	t.Cleanup(func() { c.Close() })
	return c
}

// run runs a command line on the server.
func run(t *testing.T, c *Client, command ...string) (output string, status int, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	status, err = c.Exec(ctx, Quote(command), &out, &errs)
	return out.String() + errs.String(), status, err
}

func TestExec(t *testing.T) {
	s := sshtest.Start(t)
	c := client(t, nil, withKey(s))
	if out, status, err := run(t, c, "printf", "%s|", "a b", "it's", "$HOME;", "*"); out != "a b|it's|$HOME;|*|" || status != 0 || err != nil {
		t.Errorf("got %q, %d, %v", out, status, err)
	}
	if out, status, err := run(t, c, "sh", "-c", "echo no >&2; exit 3"); out != "no\n" || status != 3 || err != nil {
		t.Errorf("got %q, %d, %v", out, status, err)
	}
	if _, status, err := run(t, c, "sh", "-c", "kill -9 $$"); status != 137 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	if n := strings.Count(s.Log(), "Accepted publickey"); n != 1 {
		t.Errorf("%d logins for three programs", n)
	}
	// The server restarts between two runs.
	conn := c.conn
	s.Stop()
	_ = conn.Close()
	if _, _, err := run(t, c, "true"); answer.State(err) != "refused" {
		t.Errorf("without a server: %v", err)
	}
	s.Run()
	if out, _, err := run(t, c, "echo", "again"); out != "again\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
	// A program that does not end ends with its time, and the next run works.
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Exec(ctx, "sleep 100", new(bytes.Buffer), new(bytes.Buffer)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if out, _, err := run(t, c, "echo", "after"); out != "after\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestWhoMayNotComeIn(t *testing.T) {
	s := sshtest.Start(t)
	other := filepath.Join(t.TempDir(), "other")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret words", "-f", other).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("SSH_TEST_PASSPHRASE", "secret words")
	loopback, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		policy      *dial.Policy
		change      func(*Options)
		state, says string
	}{
		"an unknown key": {nil, func(o *Options) { o.Key, o.Passphrase = secret.Ref("file:"+other), "env:SSH_TEST_PASSPHRASE" }, "login", "unable to authenticate"},
		"no passphrase":  {nil, func(o *Options) { o.Key = secret.Ref("file:" + other) }, "failed", "is encrypted: give its passphrase"},
		"no key":         {nil, func(o *Options) { o.Key = secret.Ref("file:" + s.KnownHosts) }, "failed", "is not a private key that can be used"},
		"another host key": {nil, func(o *Options) {
			o.KnownHosts, o.Fingerprints = "", []string{"SHA256:0123456789012345678901234567890123456789012"}
		}, "host_key", "not the one that is known"},
		// What the reference names may be a secret that is none of the definition's business.
		"no agent":            {nil, func(o *Options) { o.Key, o.Agent = "", "env:SSH_TEST_PASSPHRASE" }, "failed", "agent: connect to the socket that env:SSH_TEST_PASSPHRASE names: "},
		"a forbidden address": {loopback, func(*Options) {}, "failed", "is not allowed"},
	} {
		_, _, err := run(t, client(t, tt.policy, func(o *Options) { withKey(s)(o); tt.change(o) }), "true")
		if answer.State(err) != tt.state || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret words") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAgent(t *testing.T) {
	s := sshtest.Start(t)
	socket := filepath.Join(t.TempDir(), "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		t.Skip("ssh-agent is not installed")
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	t.Setenv("SSH_AUTH_SOCK", socket)
	add := func() error { return exec.Command("ssh-add", "-q", s.Key).Run() }
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(2 * time.Minute); add() != nil; <-tick.C {
		if time.Now().After(late) {
			t.Fatal("the agent takes no key")
		}
	}
	c := client(t, nil, func(o *Options) { withKey(s)(o); o.Key, o.Agent = "", "env:SSH_AUTH_SOCK" })
	if out, _, err := run(t, c, "echo", "in"); out != "in\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestPasswordStandIn uses a server of this test, since Debian's sshd asks the system's
// users for their passwords.
func TestPasswordStandIn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := sshtest.Start(t) // for its keys
	pem, err := os.ReadFile(filepath.Join(host.Dir, "host"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		if string(password) != "open sesame" {
			return nil, errors.New("no")
		}
		return nil, nil
	}}
	config.AddHostKey(key)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			server, channels, requests, err := ssh.NewServerConn(conn, config)
			if err != nil {
				conn.Close()
				continue
			}
			go ssh.DiscardRequests(requests)
			for c := range channels {
				_ = c.Reject(ssh.Prohibited, "nothing here")
			}
			server.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-ended })
	for password, want := range map[string]string{"open sesame": "up", "wrong": "login"} {
		t.Setenv("SSH_TEST_PASSWORD", password)
		got := ask(t, build(t, func(o *Options) {
			o.Address, o.User, o.Password, o.Fingerprints = ln.Addr().String(), "me", "env:SSH_TEST_PASSWORD", []string{host.Fingerprint()}
		}))
		if got["state"] != want || strings.Contains(got["error"], password) {
			t.Errorf("%s: %v", password, got)
		}
	}
}

func TestKnownHosts(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
	for _, tt := range []struct {
		line, address string
		want          int
	}{
		{"web1 " + key, "web1:22", 1},
		{"WEB1,192.0.2.7 " + key, "192.0.2.7:22", 1},
		{"web1 " + key, "web1:2222", 0},
		{"[web1]:2222 " + key, "web1:2222", 1},
		{"*.example,!bad.example " + key, "good.example:22", 1},
		{"*.example,!bad.example " + key, "bad.example:22", 0},
		{"web? " + key, "web12:22", 0},
		{"|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= " + key, "192.168.1.61:22", 1}, // of ssh's own tests
		{"@revoked web1 " + key, "web1:22", 0},
		{"@cert-authority * " + key, "web1:22", 0},
		{"# comment\n\nweb1 " + key, "web1:22", 1},
	} {
		e := &expected{address: tt.address}
		if err := e.read([]byte(tt.line)); err != nil || len(e.keys) != tt.want {
			t.Errorf("%q for %s: %d keys, %v", tt.line, tt.address, len(e.keys), err)
		}
	}
	e := &expected{address: "web1:22"}
	if err := e.read([]byte("web1 " + key + "\n@revoked web1 " + key + "\n")); err != nil || e.check(e.keys[0]) == nil {
		t.Errorf("a revoked key is taken: %v", err)
	}
	if err := e.read([]byte("one\ntwo")); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
		t.Errorf("got %v", err)
	}
}

func FuzzOffers(f *testing.F) {
	f.Add([]byte("SSH-2.0-x\r\n\x00\x00\x00\x20\x04\x14"))
	f.Add([]byte("hello\nSSH-2.0-y\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseOffers(b)
		if err == nil && o.version == "" {
			t.Error("offers without a version")
		}
		_ = o.weak()
	})
}
