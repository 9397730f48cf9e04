package remotelog

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/pattern"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
	"grove/runtime/probe/ssh/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(change func(*Options)) *Options {
	o := Kind(nil, nil).NewOptions().(*Options)
	change(o)
	return o
}

// place is a directory of logs on a server, and the options with which it is reached.
type place struct {
	dir    string
	root   string // what the server calls it
	access func(*Options)
}

// overSSH is a place at Debian's sshd.
func overSSH(t *testing.T) place {
	s := sshtest.Start(t)
	dir := t.TempDir()
	return place{dir, dir, func(o *Options) {
		o.Address, o.User, o.Key, o.KnownHosts = s.Address, s.User, secret.Ref("file:"+s.Key), s.KnownHosts
	}}
}

// overFTP is a place at Debian's vsftpd, whose only user is anonymous with a password.
func overFTP(t *testing.T, protocol string) place {
	t.Helper()
	const program = "/usr/sbin/vsftpd"
	if _, err := os.Stat(program); err != nil {
		t.Skip("vsftpd is not installed")
	}
	if os.Geteuid() != 0 {
		t.Skip("vsftpd must be started as root to serve a directory of the test's")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	l.Close()
	own, dir := t.TempDir(), t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(own, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	// The server's user must get there.
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	empty := filepath.Join(own, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	passwords := write("passwords", "right\n")
	config := fmt.Sprintf(`listen=YES
listen_address=127.0.0.1
listen_port=%s
background=NO
anonymous_enable=YES
local_enable=NO
anon_root=%s
anon_world_readable_only=NO
secure_email_list_enable=YES
email_password_file=%s
secure_chroot_dir=%s
seccomp_sandbox=NO
xferlog_enable=NO
`, port, dir, passwords, empty)
	ca := ""
	if protocol != ftpProtocol {
		s := httptest.NewTLSServer(nil)
		s.Close()
		key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		ca = write("server.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
		config += "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\nssl_ciphers=HIGH\nrsa_cert_file=" + ca +
			"\nrsa_private_key_file=" + write("server.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))) + "\n"
	}
	if protocol == ftpsImplicit {
		config += "implicit_ssl=YES\n"
	}
	cmd := exec.Command(program, write("config", config))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("vsftpd said:\n%s", said.String())
		}
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(2 * time.Minute); ; <-tick.C {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			break
		}
		if time.Now().After(late) {
			t.Fatal("vsftpd takes no connections")
		}
	}
	t.Setenv("FTP_TEST_PASSWORD", "right")
	return place{dir, "", func(o *Options) {
		o.Protocol, o.Address, o.User, o.Password = protocol, address, "anonymous", "env:FTP_TEST_PASSWORD"
		o.TLS = secure.Options{CA: ca}
	}}
}

// journal is a log at a place, and the probe that follows it.
type journal struct {
	*testing.T
	place
	options *Options
	probe   probe.Probe
	memory  []byte
	last    map[string]string
}

func newJournal(t *testing.T, p place, change func(*Options)) *journal {
	t.Helper()
	j := &journal{T: t, place: p, options: options(func(o *Options) {
		p.access(o)
		o.Path = filepath.Join(p.root, "a.log")
		if p.root == "" {
			o.Path = "/a.log"
		}
		change(o)
	})}
	j.restart()
	t.Cleanup(func() { j.probe.Close() })
	return j
}

func (j *journal) restart() {
	j.Helper()
	if j.probe != nil {
		if err := j.probe.Close(); err != nil {
			j.Fatal(err)
		}
	}
	p, err := Kind(nil, nil).New(j.options)
	if err != nil {
		j.Fatal(err)
	}
	j.probe = p
	p.(probe.Rememberer).Recall(j.memory)
}

func (j *journal) run() []string {
	j.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r, err := j.probe.Run(ctx)
	if err != nil {
		j.Fatal(err)
	}
	var events []string
	j.last = map[string]string{}
	for _, v := range r.Values {
		j.last[v.Attribute] = v.Value.String()
		for _, e := range v.Events {
			events = append(events, e.Text)
		}
	}
	j.memory = j.probe.(probe.Rememberer).Memory()
	return events
}

func (j *journal) finds(want ...string) {
	j.Helper()
	if diff := cmp.Diff(strings.Join(want, "|"), strings.Join(j.run(), "|")); diff != "" || j.last["up"] != "1" {
		j.Errorf("%s: -want +got:\n%s", j.last["error"], diff)
	}
}

func (j *journal) write(text string) {
	j.Helper()
	f, err := os.OpenFile(filepath.Join(j.dir, "a.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		j.Fatal(err)
	}
}

func (j *journal) rename(to string) {
	j.Helper()
	if err := os.Rename(filepath.Join(j.dir, "a.log"), filepath.Join(j.dir, to)); err != nil {
		j.Fatal(err)
	}
}

// follows is what holds by every protocol.
func follows(t *testing.T, p place) {
	j := newJournal(t, p, func(*Options) {})
	j.write("before\n")
	j.finds()
	if j.last["found"] != "1" || j.last["size"] != "7" {
		t.Errorf("got %v", j.last)
	}
	j.write("one\ntwo\nthr")
	j.finds("one", "two")
	j.restart()
	j.write("ee\n" + strings.Repeat("x", 300) + "\n")
	j.finds("three", strings.Repeat("x", 300))
	j.finds()
	if j.last["behind"] != "0" || j.last["bytes"] != "307" {
		t.Errorf("got %v", j.last)
	}
	// Renamed and begun anew, with a restart between.
	j.write("four\n")
	j.rename("a.log.1")
	j.write("five\n")
	j.restart()
	j.finds("four", "five")
	// Emptied, and longer than before.
	j.rename("gone")
	j.write("six is longer\n")
	j.finds("six is longer")
	if j.last["rotations"] != "2" || j.last["gaps"] != "1" {
		t.Errorf("got %v", j.last)
	}
	// Not there for a while.
	j.rename("a.log.1")
	j.finds()
	if j.last["found"] != "0" {
		t.Errorf("got %v", j.last)
	}
	j.write("seven\n")
	j.finds("seven")
}

func TestSFTP(t *testing.T) { follows(t, overSSH(t)) }

func TestFTP(t *testing.T) {
	for _, protocol := range []string{ftpProtocol, ftpsProtocol, ftpsImplicit} {
		t.Run(protocol, func(t *testing.T) {
			p := overFTP(t, protocol)
			follows(t, p)
			if protocol == ftpProtocol {
				return
			}
			j := newJournal(t, p, func(o *Options) { o.TLS = secure.Options{} })
			if j.run(); j.last["state"] != "tls" {
				t.Errorf("a certificate that nobody knows: %v", j.last)
			}
		})
	}
}

func TestWhoMayNotComeIn(t *testing.T) {
	p := overFTP(t, ftpProtocol)
	t.Setenv("FTP_TEST_PASSWORD", "wrong words")
	j := newJournal(t, p, func(*Options) {})
	if j.run(); j.last["up"] != "0" || j.last["state"] != "login" || strings.Contains(j.last["error"], "wrong words") {
		t.Errorf("got %v", j.last)
	}
	if lines, ok := j.last["lines"]; ok {
		t.Errorf("what could not be read has %s lines, which would look well", lines)
	}
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []place{p, overSSH(t)} {
		refused, err := Kind(policy, nil).New(options(func(o *Options) { p.access(o); o.Path = "/a.log" }))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := refused.Run(context.Background()); !errors.Is(err, dial.ErrDenied) {
			t.Errorf("got %v", err)
		}
		refused.Close()
	}
}

// TestDataFromElsewhereStandIn: a server that names another machine for its data is not
// followed there.
func TestDataFromElsewhereStandIn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("127.0.0.2 is not an address of this machine")
	}
	defer elsewhere.Close()
	port := elsewhere.Addr().(*net.TCPAddr).Port
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "220 hello\r\n")
		buf := make([]byte, 1024)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			switch command, _, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " "); command {
			case "USER", "PASS":
				fmt.Fprint(conn, "230 in\r\n")
			case "SIZE":
				fmt.Fprint(conn, "213 7\r\n")
			case "PASV":
				fmt.Fprintf(conn, "227 Entering Passive Mode (127,0,0,2,%d,%d).\r\n", port/256, port%256)
			case "EPSV", "FEAT":
				fmt.Fprint(conn, "500 no\r\n")
			default:
				fmt.Fprint(conn, "200 fine\r\n")
			}
		}
	}()
	defer func() { ln.Close(); <-ended }()
	j := newJournal(t, place{access: func(o *Options) { o.Protocol, o.Address = ftpProtocol, ln.Addr().String() }}, func(*Options) {})
	if j.run(); j.last["state"] != "refused" || strings.Contains(j.last["error"], "127.0.0.2") {
		t.Errorf("got %v", j.last)
	}
}

func TestContract(t *testing.T) {
	kind := Kind(nil, nil)
	p := overSSH(t)
	log := filepath.Join(p.dir, "a.log")
	if err := os.WriteFile(log, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	probetest.Run(t, kind,
		options(func(o *Options) { p.access(o); o.Path, o.From = log, "start" }),
		options(func(o *Options) {
			p.access(o)
			o.Path, o.Protocol = log+".none", "sftp"
			o.Rules = []pattern.Rule{{Match: "x", Count: "xs"}}
		}),
	)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, protocol := range []string{ftpProtocol, ftpsProtocol, ftpsImplicit} {
		probetest.Stops(t, kind, options(func(o *Options) { o.Protocol, o.Address, o.Path = protocol, silent.Addr().String(), "/a" }))
	}
	probetest.Stops(t, kind, options(func(o *Options) { p.access(o); o.Address, o.Path = silent.Addr().String(), "/a" }))
	bad := func(name, option, want string, change func(*Options)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: option + ": " + want, Options: options(func(o *Options) { o.Protocol, o.Address, o.Path = "ftps", "web1", "/a"; change(o) })}
	}
	probetest.Refuses(t, kind,
		bad("protocol", "protocol", `"scp" is none of sftp, ftps, ftps-implicit, ftp`, func(o *Options) { o.Protocol = "scp" }),
		bad("no address", "address", `"": is needed: host and port, such as db1:5432`, func(o *Options) { o.Address = "" }),
		bad("no path", "path", "is needed: the log file", func(o *Options) { o.Path = "" }),
		bad("another command", "path", "has a control character", func(o *Options) { o.Path = "/a\r\nDELE /b" }),
		bad("detour", "path", `"/a/../b" is a path with detours`, func(o *Options) { o.Path = "/a/../b" }),
		bad("rotated", "rotated", `"/a/../b" is a path with detours`, func(o *Options) { o.Rotated = "/a/../b" }),
		bad("user", "user", "has a control character", func(o *Options) { o.User = "a\r\nDELE b" }),
		bad("a key for FTP", "key", "is of sftp only", func(o *Options) { o.Key = "env:K" }),
		bad("TLS for SFTP", "tls", "is of FTP only", func(o *Options) {
			o.Protocol, o.User, o.Key, o.KnownHosts, o.TLS.Insecure = "sftp", "me", "env:K", "/k", true
		}),
		bad("TLS in the clear", "tls", "is of no use with protocol: ftp; say ftps", func(o *Options) { o.Protocol, o.TLS.Insecure = "ftp", true }),
		bad("nobody", "user", "is needed: who logs in", func(o *Options) { o.Protocol = "" }),
		bad("from", "from", `"middle" is none of end, start`, func(o *Options) { o.From = "middle" }),
		bad("password", "password", "a secret is given by reference: file:/path, env:NAME or credential:NAME", func(o *Options) { o.User, o.Password = "a", "b" }),
	)
}
