package mail

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/template"
)

// openSMTPD is Debian's OpenSMTPD for the domain example.test, and before it Dovecot's
// submission service, which logs in who sends, over TLS, and hands over: the OpenSMTPD of
// Debian 12 cannot do TLS with the OpenSSL of Debian 12.
type openSMTPD struct {
	plain, starttls, tls string // host:port: without TLS and login; with both
	ca                   string
	box                  string // Maildir
}

const password = "open-sesame"

// openSMTPDStart gives OpenSMTPD the users and folders that are compiled into it, in a
// mount namespace of its own, for its package cannot be installed beside Postfix's.
const openSMTPDStart = `set -e
for d in /var/lib /var/spool /run /opt /usr/libexec; do mkdir -p $d; mount -t tmpfs none $d; done
mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd
chmod 711 /var/spool/smtpd
cp -r "$1/usr/libexec/opensmtpd" /usr/libexec/
for f in passwd group; do grep -v ^opensmtp /etc/$f > /opt/$f; done
printf 'opensmtpd:x:9701:9701::/var/lib/opensmtpd/empty:/usr/sbin/nologin\nopensmtpq:x:9702:9702::/var/lib/opensmtpd/empty:/usr/sbin/nologin\n' >> /opt/passwd
printf 'opensmtpd:x:9701:\nopensmtpq:x:9702:\n' >> /opt/group
mount --bind /opt/passwd /etc/passwd
mount --bind /opt/group /etc/group
exec "$1/usr/sbin/smtpd" -d -f "$2"
`

const openSMTPDConfig = `table users { "ops@example.test" = "nobody", "boss@example.test" = "nobody" }
listen on 127.0.0.1 port %[1]s
action "in" maildir "%[2]s" user nobody virtual <users>
match from any for domain "example.test" action "in"
`

const dovecotConfig = `base_dir = %[1]s/run
state_dir = %[1]s/run
log_path = /dev/stderr
listen = 127.0.0.1
protocols = submission
ssl = required
ssl_cert = <%[2]s
ssl_key = <%[3]s
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
auth_failure_delay = 0
mail_location = maildir:%[1]s/home
first_valid_uid = 1
hostname = mail.example.test
submission_relay_host = 127.0.0.1
submission_relay_port = %[4]s
submission_relay_trusted = yes
passdb {
 driver = passwd-file
 args = scheme=PLAIN username_format=%%u %[1]s/users
}
userdb {
 driver = static
 args = uid=65534 gid=65534 home=%[1]s/home
}
service submission-login {
 chroot =
 inet_listener submission {
  port = %[5]s
 }
 inet_listener submissions {
  port = %[6]s
  ssl = yes
 }
}
service stats {
 unix_listener stats-writer {
  mode = 0666
 }
}
`

func startOpenSMTPD(t *testing.T) *openSMTPD {
	t.Helper()
	unpacked, err := filepath.Abs("../../../.tools/opensmtpd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(unpacked + "/usr/sbin/smtpd"); err != nil {
		t.Skip("OpenSMTPD is not unpacked into .tools (make test does that)")
	}
	if _, err := os.Stat("/usr/lib/dovecot/submission"); err != nil {
		t.Skip("Dovecot's submission service is not installed (Debian package dovecot-submissiond)")
	}
	if os.Geteuid() != 0 {
		t.Skip("OpenSMTPD and Dovecot want to be started by root")
	}
	if out, err := exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "none", "/opt").CombinedOutput(); err != nil {
		t.Skipf("OpenSMTPD needs a mount namespace, which is not allowed here: %s", out)
	}
	dir := t.TempDir()
	// Others than root walk through it: the servers' users.
	for _, path := range []string{filepath.Dir(dir), dir, dir + "/run", dir + "/home", dir + "/mail"} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o755); err != nil { //nolint:gosec // The mailbox is another user's.
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/home", "/mail"} {
		if err := os.Chown(dir+path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	at := func(port string) string { return net.JoinHostPort("127.0.0.1", port) }
	plain, starttls, tls := channeltest.FreePort(t), channeltest.FreePort(t), channeltest.FreePort(t)
	s := &openSMTPD{plain: at(plain), starttls: at(starttls), tls: at(tls), box: dir + "/mail/box"}

	config := write("smtpd.conf", fmt.Sprintf(openSMTPDConfig, plain, s.box), 0o600)
	channeltest.Program(t, exec.Command("unshare", "-m", "sh", "-c", openSMTPDStart, "start", unpacked, config), s.plain)

	ca, certificate, key := channeltest.Certificate(t)
	s.ca = ca
	write("users", "grove:"+password+"\n", 0o644)
	config = write("dovecot.conf", fmt.Sprintf(dovecotConfig, dir, certificate, key, plain, starttls, tls), 0o600)
	channeltest.Program(t, exec.Command("/usr/sbin/dovecot", "-F", "-c", config), s.starttls, s.tls)
	return s
}

// received returns the mails in the mailbox, in order.
func (s *openSMTPD) received(t *testing.T) []channeltest.Delivery {
	files, err := filepath.Glob(s.box + "/new/*")
	if err != nil {
		t.Fatal(err)
	}
	// Their names begin with the second of their arrival: that of their writing is finer.
	type arrival struct {
		at   time.Time
		text string
	}
	var all []arrival
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, arrival{info.ModTime(), string(text)})
	}
	var deliveries []channeltest.Delivery
	for len(all) > 0 {
		first := 0
		for i := range all {
			if all[i].at.Before(all[first].at) {
				first = i
			}
		}
		deliveries = append(deliveries, read(t, all[first].text))
		all = append(all[:first], all[first+1:]...)
	}
	return deliveries
}

// TestOpenSMTPD sends by real servers, with all ways to log in, and reads what lies in the
// mailbox.
func TestOpenSMTPD(t *testing.T) {
	s := startOpenSMTPD(t)
	secrets := map[string]string{"env:PASSWORD": password, "env:WRONG": "wrong-" + password}
	send := func(change func(*Options), m *channel.Message) error {
		t.Helper()
		o := good(s.starttls)
		o.Encryption, o.TLS.CA = "starttls", s.ca
		change(o)
		c, err := Kind().New(channeltest.NewWorld(t, channeltest.Subject{Secrets: secrets}), o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Send(t.Context(), m)
	}
	m := template.Samples()["firing, many"]
	sent := 0
	for _, tt := range []struct {
		name      string
		change    func(*Options)
		want      string // a part of the error
		permanent bool
	}{
		{"STARTTLS", func(*Options) {}, "", false},
		{"opportunistic", func(o *Options) { o.Encryption = "opportunistic" }, "", false},
		{"TLS", func(o *Options) { o.Server, o.Encryption = s.tls, "tls" }, "", false},
		{"in the clear", func(o *Options) { o.Server, o.Encryption, o.TLS.CA, o.User, o.Password = s.plain, "none", "", "", "" }, "", false},
		{"plain", func(o *Options) { o.Auth = "plain" }, "", false},
		{"login", func(o *Options) { o.Auth = "login" }, "", false},
		{"cram-md5", func(o *Options) { o.Auth = "cram-md5" }, "", false},
		{"scram-sha-1", func(o *Options) { o.Auth = "scram-sha-1" }, "", false},
		{"scram-sha-256", func(o *Options) { o.Auth = "scram-sha-256" }, "", false},
		{"a copy", func(o *Options) { o.CC = []string{"boss@example.test"} }, "", false},
		{"a stranger", func(o *Options) { o.TLS.CA = "" }, "certificate", false},
		{"no such domain", func(o *Options) { o.To = []string{"ops@example.com"} }, "recipient ops@example.com: the server answers 550", true},
		{"no login", func(o *Options) { o.User, o.Password = "", "" }, "530", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := send(tt.change, m)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "":
				sent++
			case err == nil || !strings.Contains(err.Error(), tt.want) || channel.IsPermanent(err) != tt.permanent:
				t.Errorf("%v (permanent: %t), want %q (permanent: %t)", err, channel.IsPermanent(err), tt.want, tt.permanent)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the password stands in %v", err)
			}
		})
	}
	// A copy is a second mail in the same mailbox.
	sent++
	all := s.received(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(2 * time.Minute); len(all) < sent && time.Now().Before(late); all = s.received(t) {
		<-tick.C
	}
	if len(all) != sent {
		t.Fatalf("%d mails lie in the mailbox, %d were sent", len(all), sent)
	}
	for _, d := range all {
		if d.Key != all[0].Key || d.Group != all[0].Group || !strings.Contains(d.Text, "acknowledged by ada") {
			t.Errorf("%+v", d)
		}
	}
	t.Run("contract", func(t *testing.T) {
		channeltest.Run(t, channeltest.Subject{
			Kind: Kind(), Secrets: secrets,
			Start: func(t *testing.T, m channeltest.Mood) *channeltest.Counterpart {
				if m != channeltest.Well {
					return nil // A real one is not ill on demand.
				}
				o := good(s.tls)
				o.Encryption, o.TLS.CA = "tls", s.ca
				return &channeltest.Counterpart{Options: o, Received: func() []channeltest.Delivery { return s.received(t) }}
			},
		})
	})
	// The last, for Dovecot has who failed wait before the next.
	err := send(func(o *Options) { o.Password = "env:WRONG" }, m)
	if err == nil || !strings.Contains(err.Error(), "login: the server answers 535") || !channel.IsPermanent(err) || strings.Contains(err.Error(), password) {
		t.Errorf("a wrong password: %v", err)
	}
}
