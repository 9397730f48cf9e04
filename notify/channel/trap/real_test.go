package trap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"grove/notify/channel"
)

// receiver is Debian's snmptrapd, which logs what it gets with numbers for names.
type receiver struct {
	address, log string
	err          error
}

// theReceiver is started once for all tests of the package, by startReceiver.
var theReceiver = sync.OnceValue(startReceiver)

var stopReceiver = func() {}

const trapd = "/usr/sbin/snmptrapd"

func startReceiver() receiver {
	dir, err := os.MkdirTemp("", "trap")
	if err != nil {
		return receiver{err: err}
	}
	stopReceiver = func() { _ = os.RemoveAll(dir) }
	var config strings.Builder
	config.WriteString("authCommunity log,net secret\n")
	for name, u := range realUsers {
		protocols := ""
		if u.auth != "" {
			protocols += fmt.Sprintf(" %s %q", u.authName, secrets["env:AUTH"])
		}
		if u.priv != "" {
			protocols += fmt.Sprintf(" %s %q", u.privName, secrets["env:PRIV"])
		}
		id, err := engineID("", world().Manager)
		if err != nil {
			return receiver{err: err}
		}
		fmt.Fprintf(&config, "createUser %s%s\ncreateUser -e 0x%x %s%s\nauthUser log,net %s %s\n", name, protocols, id, name, protocols, name, u.level)
	}
	file := filepath.Join(dir, "snmptrapd.conf")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return receiver{err: err}
	}
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return receiver{err: err}
	}
	r := receiver{address: socket.LocalAddr().String(), log: filepath.Join(dir, "log")}
	_ = socket.Close()
	cmd := exec.Command(trapd, "-f", "-n", "-Lf", r.log, "-C", "-c", file, "-M", dir, "-m", "", "-Onq", "-F", "notification %P: %v\n", "-p", filepath.Join(dir, "pid"), "udp:"+r.address)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // also when the tests are killed
	if err := cmd.Start(); err != nil {
		return receiver{err: err}
	}
	stopReceiver = func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = os.RemoveAll(dir) }
	return r
}

// realReceiver returns it once it listens.
func realReceiver(t *testing.T) receiver {
	t.Helper()
	if _, err := os.Stat(trapd); err != nil {
		t.Skip("snmptrapd is not installed")
	}
	r := theReceiver()
	if r.err != nil {
		t.Fatal(r.err)
	}
	r.until(t, "NET-SNMP version")
	return r
}

// until waits for a text in the log.
func (r receiver) until(t *testing.T, text string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		log, _ := os.ReadFile(r.log)
		if strings.Contains(string(log), text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q is not in the log:\n%s", text, log)
		}
	}
}

// realUsers are the users that the receiver knows, with net-snmp's names of protocols.
var realUsers = map[string]struct{ auth, authName, priv, privName, level string }{
	"plain":   {"", "", "", "", "noauth"},
	"md5":     {"MD5", "MD5", "", "", "auth"},
	"sha224":  {"SHA224", "SHA-224", "", "", "auth"},
	"sha384":  {"SHA384", "SHA-384", "", "", "auth"},
	"md5des":  {"MD5", "MD5", "DES", "DES", "priv"},
	"shaaes":  {"SHA", "SHA", "AES", "AES", "priv"},
	"aes192":  {"SHA256", "SHA-256", "AES192", "AES-192", "priv"},
	"aes256":  {"SHA512", "SHA-512", "AES256", "AES-256", "priv"},
	"aes192c": {"SHA", "SHA", "AES192C", "AES-192-C", "priv"},
	"aes256c": {"SHA256", "SHA-256", "AES256C", "AES-256-C", "priv"},
}

func TestReceiverOfNetSNMP(t *testing.T) {
	r := realReceiver(t)
	tell := func(t *testing.T, name string, inform bool, change func(*Options)) {
		t.Helper()
		m := message()
		m.Key = "grove-a/" + name
		c := opened(t, options(func(o *Options) { o.Targets, o.Inform = []string{r.address}, inform; change(o) }))
		for range 2 { // twice, as a channel that stays open does
			if err := c.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		r.until(t, `.1.3.6.1.4.1.8072.9999.9999.471.1.2.1.0 "`+m.Key+`"`)
	}
	for kind, inform := range map[string]bool{"trap": false, "inform": true} {
		t.Run("v2c "+kind, func(t *testing.T) { tell(t, "v2c-"+kind, inform, func(*Options) {}) })
		for name, u := range realUsers {
			t.Run(name+" "+kind, func(t *testing.T) {
				tell(t, name+"-"+kind, inform, func(o *Options) { v3(o, u.auth, u.priv); o.User = name })
			})
		}
	}
	r.until(t, `.1.3.6.1.6.3.1.1.4.1.0 .1.3.6.1.2.1.118.0.3`)
	for _, text := range []string{
		`.1.3.6.1.6.3.1.1.4.1.0 .1.3.6.1.2.1.118.0.2`,
		`.1.3.6.1.2.1.118.1.2.2.1.13.5.103.114.111.118.101.11.7.234.3.1.12.30.15.4.43.0.0.2147483648 .1.3.6.1.2.1.118.1.1.2.1.3.5.103.114.111.118.101.1.6`,
		`.1.3.6.1.2.1.121.1.1.1.1.3.5.103.114.111.118.101.1.3 549`,
		`.1.3.6.1.4.1.8072.9999.9999.471.1.1.1.5.362174516.3395293606 "/shop/web1/Up"`,
		`.1.3.6.1.4.1.8072.9999.9999.471.1.1.1.9.362174516.3395293606 3`,
	} {
		r.until(t, text)
	}
}

func TestWhatTheReceiverOfNetSNMPRefuses(t *testing.T) {
	r := realReceiver(t)
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
		final  bool
	}{
		"another password": {func(o *Options) { o.User, o.AuthPassword = "shaaes", "env:WRONG" },
			`the authentication of user "shaaes" fails: wrong auth_password, or another auth`, true},
		"another user":  {func(o *Options) { o.User = "nobody" }, `the receiver knows no user "nobody"`, true},
		"another level": {func(o *Options) { v3(o, "MD5", "DES"); o.User = "md5" }, `the receiver does not let user "md5" send at this level: auth and priv`, true},
		// What it decrypts with another key is no message to it, and it says nothing.
		"another cipher": {func(o *Options) { o.User, o.PrivPassword = "shaaes", "env:WRONG" }, "no answer came within 500ms, 1 times; a wrong priv_password looks the same", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := opened(t, options(func(o *Options) {
				v3(o, "SHA", "AES")
				o.Targets, o.Inform, o.Timeout, o.Retries = []string{r.address}, true, 500*time.Millisecond, 0
				c.change(o)
			})).Send(t.Context(), message())
			if err == nil || err.Error() != r.address+": "+c.want || channel.IsPermanent(err) != c.final {
				t.Errorf("%v, permanent %v\nwant %s", err, channel.IsPermanent(err), c.want)
			}
		})
	}
}

// A receiver that began anew since it told its clock says so, and gets the inform then; one
// that is another engine now, too.
func TestTheClockOfTheReceiverIsReadAgain(t *testing.T) {
	r := realReceiver(t)
	keys, err := opened(t, options(func(o *Options) { v3(o, "SHA", "AES"); o.User = "shaaes" })).(*sender).credentials()
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*gosnmp.UsmSecurityParameters){
		"earlier start": func(p *gosnmp.UsmSecurityParameters) { p.AuthoritativeEngineBoots += 5 },
		"another time":  func(p *gosnmp.UsmSecurityParameters) { p.AuthoritativeEngineTime += 5000 },
		"other engine":  func(p *gosnmp.UsmSecurityParameters) { p.AuthoritativeEngineID = "\x80\x00\x1f\x88\x04other" },
	} {
		conn, err := net.Dial("udp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		x := &exchange{conn: conn, keys: keys, engine: newEngine("engine"), timeout: 2 * time.Second, retries: 1}
		if err := x.discover(); err != nil {
			t.Fatal(err)
		}
		spoil(x.receiver)
		if err := x.inform(varbinds()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
}

// TestTheMIBNamesWhatIsSent translates numbers by the file that receivers get.
func TestTheMIBNamesWhatIsSent(t *testing.T) {
	translate, err := exec.LookPath("snmptranslate")
	if err != nil {
		t.Skip("snmptranslate is not installed")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	_ = os.RemoveAll(filepath.Join(dir, "fuzz"))
	if err := os.WriteFile(filepath.Join(dir, "GROVE-MIB.txt"), []byte(MIB), 0o600); err != nil {
		t.Fatal(err)
	}
	var numbers []string
	o, _ := newOIDs(DefaultEnterprise)
	m := message()
	m.Firing = 60
	all := o.notifications(m)
	for _, n := range []notification{all[0], all[2]} {
		numbers = append(numbers, n.name)
		for _, v := range n.objects {
			numbers = append(numbers, v.Name)
		}
	}
	args := []string{"-M", dir, "-m", "GROVE-MIB", "-Pew"}
	var own []string
	for _, n := range numbers {
		if strings.HasPrefix(n, DefaultEnterprise) {
			own = append(own, n)
		}
	}
	cmd := exec.Command(translate, append(args, own...)...)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir, "MIBS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(out)), "\n") + "\n"
	for _, name := range []string{"GROVE-MIB::groveAlertKey.362174516.3395293606\n", "GROVE-MIB::groveAlertInstance.", "GROVE-MIB::groveMessage\n", "GROVE-MIB::groveMessageKey.0\n", "GROVE-MIB::groveMessageResolved.0\n"} {
		if !strings.Contains(text, name) {
			t.Errorf("no %q in\n%s", name, text)
		}
	}
	if lines := strings.Count(text, "\n"); lines != len(own) || strings.Contains(text, "groveMIB.") || strings.Contains(text, "enterprises") {
		t.Errorf("%d names for %d numbers, or some without a name:\n%s", lines, len(own), text)
	}
}
