package trap

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/secret"
	"grove/runtime/receive"
	"grove/runtime/receive/trap/usm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testAuth = "a password for authentication"
	testPriv = "a password for encryption"
)

// listening serves a hub on a loopback port until the test ends.
func listening(t *testing.T, h *Hub, address string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().String()
}

// attached makes a probe of a hub; what is delivered to its nodes goes to the channel.
func attached(t *testing.T, h *Hub, o *ProbeOptions) (*trapProbe, <-chan probe.Result) {
	t.Helper()
	p, err := Kind(h).New(o)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan probe.Result, 1000)
	detach, err := p.(receive.Attacher).Attach("switch", "traps", func(r probe.Result) { results <- r })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		detach()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p.(*trapProbe), results
}

// netSNMP runs one of net-snmp's senders.
func netSNMP(t *testing.T, program string, args ...string) (output string, err error) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skip(program + " is not installed")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "SNMPCONFPATH="+dir, "MIBS=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func secretFile(file string) secret.Ref { return secret.Ref("file:" + file) }

func passwordFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// linkDown is what the senders say: two varbinds behind the trap's name.
var linkDown = []string{"1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.3", "i", "3", "1.3.6.1.2.1.2.2.1.8.3", "i", "2"}

// TestSendersOfNetSNMP has the real senders send in every version and with every
// protection, and waits for what a definition would show.
func TestSendersOfNetSNMP(t *testing.T) {
	auth, priv := passwordFile(t, testAuth), passwordFile(t, testPriv)
	user := func(name, authProtocol, privProtocol string) usm.User {
		u := usm.User{User: name, Auth: authProtocol, Priv: privProtocol}
		if authProtocol != "" {
			u.AuthPassword = secretFile(auth)
		}
		if privProtocol != "" {
			u.PrivPassword = secretFile(priv)
		}
		return u
	}
	h := NewHub(Options{})
	_, results := attached(t, h, &ProbeOptions{
		Sources: []string{"localhost:161"}, Communities: []string{"secret"},
		Users: []usm.User{
			user("shaaes", "SHA", "AES"), user("sha256", "SHA256", "AES256C"), user("sha512", "SHA512", ""), user("md5des", "MD5", "DES"), user("plain", "", ""),
		},
		Events: []Event{{Text: "{trap} {ifIndex} {ifOperStatus} {user|-}"}},
	})
	h.lookup = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}, nil
	}
	to := listening(t, h, "127.0.0.1:0")
	waitFor(t, "the source is looked up", func() bool { return h.resolved.Load() != nil })
	v3 := func(user string, more ...string) []string {
		return append([]string{"-v3", "-r0", "-t5", "-u", user}, more...)
	}
	for _, tt := range []struct {
		name, program string
		args          []string
		want          string
	}{
		{"version 1", "snmptrap", []string{"-v1", "-c", "secret", to, "1.3.6.1.4.1.8072.3.2.10", "127.0.0.1", "2", "0", "4711", "1.3.6.1.2.1.2.2.1.1.3", "i", "3", "1.3.6.1.2.1.2.2.1.8.3", "i", "2"}, "linkDown 3 down -"},
		{"version 1, of an enterprise", "snmptrap", []string{"-v1", "-c", "secret", to, "1.3.6.1.4.1.9", "127.0.0.1", "6", "17", "4711", "1.3.6.1.2.1.2.2.1.8.4", "i", "1"}, "1.3.6.1.4.1.9.0.17 4 up -"},
		{"version 2c", "snmptrap", append([]string{"-v2c", "-c", "secret", to, ""}, linkDown...), "linkDown 3 down -"},
		{"inform of version 2c", "snmpinform", append([]string{"-v2c", "-c", "secret", "-r0", "-t5", to, ""}, linkDown...), "linkDown 3 down -"},
		{"version 3, plain", "snmptrap", append(v3("plain", "-l", "noAuthNoPriv", "-e", "0x8000000001020304", to, ""), linkDown...), "linkDown 3 down plain"},
		{"version 3, authenticated", "snmptrap", append(v3("sha512", "-l", "authNoPriv", "-a", "SHA-512", "-A", testAuth, "-e", "0x8000000001020304", to, ""), linkDown...), "linkDown 3 down sha512"},
		{"version 3, encrypted", "snmptrap", append(v3("shaaes", "-l", "authPriv", "-a", "SHA", "-A", testAuth, "-x", "AES", "-X", testPriv, "-e", "0x8000000001020305", to, ""), linkDown...), "linkDown 3 down shaaes"},
		{"version 3, DES", "snmptrap", append(v3("md5des", "-l", "authPriv", "-a", "MD5", "-A", testAuth, "-x", "DES", "-X", testPriv, "-e", "0x8000000001020305", to, ""), linkDown...), "linkDown 3 down md5des"},
		{"inform of version 3, plain", "snmpinform", append(v3("plain", "-l", "noAuthNoPriv", to, ""), linkDown...), "linkDown 3 down plain"},
		{"inform of version 3, authenticated", "snmpinform", append(v3("sha512", "-l", "authNoPriv", "-a", "SHA-512", "-A", testAuth, to, ""), linkDown...), "linkDown 3 down sha512"},
		{"inform of version 3, encrypted", "snmpinform", append(v3("shaaes", "-l", "authPriv", "-a", "SHA", "-A", testAuth, "-x", "AES", "-X", testPriv, to, ""), linkDown...), "linkDown 3 down shaaes"},
		{"inform of version 3, AES 256", "snmpinform", append(v3("sha256", "-l", "authPriv", "-a", "SHA-256", "-A", testAuth, "-x", "AES-256-C", "-X", testPriv, to, ""), linkDown...), "linkDown 3 down sha256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if out, err := netSNMP(t, tt.program, tt.args...); err != nil {
				if strings.Contains(out, "Invalid privacy protocol") {
					t.Skip("this net-snmp is built without that protocol")
				}
				t.Fatalf("%v: %s\n%+v", err, out, h.Stats().Last)
			}
			if diff := cmp.Diff(tt.want, eventOf(t, results)); diff != "" {
				t.Errorf("-want +got:\n%s\n%+v", diff, h.Stats().Last)
			}
		})
	}
	s := h.Stats()
	if s.Informs != s.Answered || s.Informs < 4 || s.Reports < 3 {
		t.Errorf("informs %d, answered %d, reports %d", s.Informs, s.Answered, s.Reports)
	}
}

// TestSendersThatAreRefused: whoever waits for an answer gets none, or is told what is wrong.
func TestSendersThatAreRefused(t *testing.T) {
	auth, priv := passwordFile(t, testAuth), passwordFile(t, testPriv)
	h := NewHub(Options{})
	_, results := attached(t, h, &ProbeOptions{
		Traps: []string{"linkDown"}, Communities: []string{"secret"},
		Users: []usm.User{{User: "shaaes", Auth: "SHA", AuthPassword: secretFile(auth), Priv: "AES", PrivPassword: secretFile(priv)},
			{User: "lost", Auth: "SHA", AuthPassword: "env:GROVE_TEST_NO_SUCH_VARIABLE"}},
	})
	to := listening(t, h, "127.0.0.1:0")
	inform := func(args ...string) []string { return append(append(args, "-r0", "-t1", to, ""), linkDown...) }
	for _, tt := range []struct {
		name   string
		args   []string
		reason Reason
		says   string // part of what the sender is told
	}{
		{"wrong community", inform("-v2c", "-c", "guess"), WrongCommunity, "Timeout"},
		{"wrong trap", []string{"-v2c", "-c", "secret", "-r0", "-t1", to, "", "1.3.6.1.6.3.1.1.5.1"}, Unmatched, "Timeout"},
		{"wrong password", inform("-v3", "-u", "shaaes", "-l", "authPriv", "-a", "SHA", "-A", "another password", "-x", "AES", "-X", testPriv), WrongDigest, ""},
		{"wrong password for encryption", inform("-v3", "-u", "shaaes", "-l", "authPriv", "-a", "SHA", "-A", testAuth, "-x", "AES", "-X", "another password"), NotDecrypted, ""},
		{"not encrypted", inform("-v3", "-u", "shaaes", "-l", "authNoPriv", "-a", "SHA", "-A", testAuth), WeakSecurity, ""},
		{"unknown user", inform("-v3", "-u", "nobody", "-l", "noAuthNoPriv"), UnknownUser, "nknown user"},
		{"a password that cannot be read", inform("-v3", "-u", "lost", "-l", "authNoPriv", "-a", "SHA", "-A", testAuth), NoSecret, "Timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := h.Stats()
			out, err := netSNMP(t, "snmpinform", tt.args...)
			if err == nil {
				t.Fatalf("the sender thinks that all is well: %s", out)
			}
			if !strings.Contains(out, tt.says) {
				t.Errorf("the sender is told %q, want %q", out, tt.says)
			}
			after := h.Stats()
			if after.Refusals[tt.reason] != before.Refusals[tt.reason]+1 || after.Last[tt.reason].Text == "" {
				t.Errorf("not counted as %v: %v, %+v", tt.reason, after.Refusals, after.Last)
			}
		})
	}
	if s := h.Stats(); len(results) > 0 || s.Applied != 0 || len(s.Unmatched) != 1 || s.Unmatched[0].Trap != "coldStart" {
		t.Errorf("%d results, %+v", len(results), s)
	}
}

// TestIPv6: a socket of both families tells the sender's address in one form.
func TestIPv6(t *testing.T) {
	h := NewHub(Options{Sources: []netip.Prefix{netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("127.0.0.0/8")}})
	_, results := attached(t, h, &ProbeOptions{Sources: []string{"::1", "127.0.0.1"}, Events: []Event{{Text: "{source}"}}})
	_, port, err := net.SplitHostPort(listening(t, h, "[::]:0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ to, want string }{{"127.0.0.1:" + port, "127.0.0.1"}, {"udp6:[::1]:" + port, "::1"}} {
		if out, err := netSNMP(t, "snmptrap", append([]string{"-v2c", "-c", "x", tt.to, ""}, linkDown...)...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := eventOf(t, results); got != tt.want {
			t.Errorf("from %s, want %s", got, tt.want)
		}
	}
}

// eventOf is the one event of the next result.
func eventOf(t *testing.T, results <-chan probe.Result) string {
	t.Helper()
	select {
	case r := <-results:
		for _, v := range r.Values {
			if len(v.Events) == 1 {
				return v.Events[0].Text
			}
		}
		return fmt.Sprintf("%+v", r)
	case <-time.After(2 * time.Minute):
		return "nothing comes"
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(2 * time.Minute)
	defer late.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("%s: not within 2 minutes", what)
		}
	}
}
