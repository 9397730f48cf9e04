package snmp

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// realAgent is Debian's snmpd with a configuration of its own on a loopback port.
type realAgent struct {
	address string
	dir     string
}

const (
	testAuthPassword = "a password for authentication"
	testPrivPassword = "a password for encryption"
)

// modernUsers are users of version 3 as snmpd and as the options name their protocols.
var modernUsers = []modernUser{
	{"md5des", "MD5", "MD5", "DES", "DES"},
	{"sha224", "SHA-224", "SHA224", "", ""},
	{"sha256aes", "SHA-256", "SHA256", "AES-128", "AES"},
	{"sha384aes192", "SHA-384", "SHA384", "AES-192", "AES192"},
	{"sha512aes256", "SHA-512", "SHA512", "AES-256", "AES256"},
	{"sha512", "SHA-512", "SHA512", "", ""},
	{"sha256aes192c", "SHA-256", "SHA256", "AES-192-C", "AES192C"},
	{"sha256aes256c", "SHA-256", "SHA256", "AES-256-C", "AES256C"},
}

type modernUser struct{ user, auth, authOption, priv, privOption string }

func (u modernUser) level() string {
	if u.priv == "" {
		return "auth"
	}
	return "priv"
}

// startSnmpd starts snmpd and waits until it answers; it is killed and waited for
// when the test ends.
func startSnmpd(t *testing.T) *realAgent {
	t.Helper()
	program := "/usr/sbin/snmpd"
	if _, err := os.Stat(program); err != nil {
		t.Skip("snmpd is not installed")
	}
	dir := t.TempDir()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := socket.LocalAddr().String()
	socket.Close()
	users := ""
	for _, u := range modernUsers {
		users += fmt.Sprintf("createUser %s %s %q", u.user, u.auth, testAuthPassword)
		if u.priv != "" {
			users += fmt.Sprintf(" %s %q", u.priv, testPrivPassword)
		}
		users += "\nrouser " + u.user + " " + u.level() + "\n"
	}
	config := fmt.Sprintf(`rocommunity public 127.0.0.1
sysName grove-test
sysLocation "a rack"
sysContact Gr\303\266ve
createUser shaaes SHA "%[1]s" AES "%[2]s"
createUser sha256 SHA-256 "%[1]s"
createUser plain
%[3]srouser shaaes priv
rouser sha256 auth
rouser plain noauth
disk / 5%%
load 12 10 5
`, testAuthPassword, testPrivPassword, users)
	file := filepath.Join(dir, "snmpd.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-f", "-Lo", "-C", "-c", file, "-p", filepath.Join(dir, "pid"), "udp:"+address)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	drained := make(chan struct{})
	var log strings.Builder
	go func() {
		defer close(drained)
		up := false
		for lines := bufio.NewScanner(output); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if !up && strings.Contains(lines.Text(), "NET-SNMP version") {
				up = true
				close(ready)
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("snmpd said:\n%s", log.String())
		}
	})
	select {
	case <-ready:
	case <-drained:
		t.Fatalf("snmpd ended:\n%s", log.String())
	case <-time.After(2 * time.Minute):
		t.Fatal("snmpd does not start")
	}
	return &realAgent{address: address, dir: dir}
}

// tool runs one of net-snmp's tools and returns its lines; they are the judge of
// what the probe reads.
func (a *realAgent) tool(t *testing.T, name string, args ...string) []string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+a.dir, "MIBS=", "SNMPCONFPATH="+a.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
