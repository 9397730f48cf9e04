package servertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Mail is Debian's Postfix with Debian's Dovecot, for the domain example.test. Who logs in
// is grove@example.test with Password; the password is asked for over TLS only.
type Mail struct {
	SMTP *Server // with STARTTLS; delivers to the mailboxes that IMAP shows
	IMAP *Server // with STARTTLS and a quota of 10 MiB
	POP3 string  // host:port, with STLS; empty when Dovecot's POP3 is not installed
	IMAPS,
	CA string // host:port of IMAP over TLS; the authority of all certificates
	Config string // directory of Postfix's configuration
	Queue  string // its queue directory
}

// MailUser is the one user of the mail server.
const MailUser = "grove@example.test"

const dovecotConfig = `
base_dir = %[1]s/run
log_path = /dev/stderr
listen = 127.0.0.1
protocols = %[2]s
ssl = yes
ssl_cert = <%[3]s
ssl_key = <%[4]s
disable_plaintext_auth = yes
login_trusted_networks =
auth_failure_delay = 0
mail_location = maildir:%[1]s/mail/%%n/Maildir
first_valid_uid = 1
mail_plugins = quota
plugin {
 quota = maildir:mailbox
 quota_rule = *:storage=10M
}
protocol imap {
 mail_plugins = quota imap_quota
}
passdb {
 driver = passwd-file
 args = scheme=PLAIN username_format=%%u %[1]s/users
}
userdb {
 driver = static
 args = uid=65534 gid=65534 home=%[1]s/mail/%%n
}
service imap-login {
 chroot =
 inet_listener imap {
  port = %[5]s
 }
 inet_listener imaps {
  port = %[6]s
 }
}
service auth {
 unix_listener %[1]s/auth {
  mode = 0666
 }
}
service stats {
 unix_listener stats-writer {
  mode = 0666
 }
}
%[7]s
`

const postfixConfig = `
compatibility_level = 3.6
maillog_file = /dev/stdout
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
queue_directory = %[1]s/queue
data_directory = %[1]s/data
myhostname = mail.example.test
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
virtual_mailbox_domains = example.test
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = inline:{ {grove@example.test=grove/Maildir/} }
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
smtpd_tls_security_level = may
smtpd_tls_cert_file = %[2]s
smtpd_tls_key_file = %[3]s
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = %[1]s/auth
smtpd_peername_lookup = no
`

const postfixServices = `
127.0.0.1:%s inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

// MailServer starts both.
func MailServer(t testing.TB) *Mail {
	t.Helper()
	dovecot := find(t, "dovecot-imapd", "dovecot")
	postfix := find(t, "postfix", "postfix")
	if os.Geteuid() != 0 {
		t.Skip("Postfix and Dovecot want to be started by root")
	}
	imap, _ := newServer(t, "")
	smtp, _ := newServer(t, "")
	m := &Mail{SMTP: smtp, IMAP: imap, IMAPS: free(t), Config: filepath.Join(imap.Dir, "postfix"), Queue: filepath.Join(imap.Dir, "queue")}
	certificate, key := imap.certificate()
	m.CA = imap.CA
	imap.mkdir("mail", 0o755, 65534)
	imap.mkdir("postfix", 0o755, 0)
	imap.mkdir("queue", 0o755, 0)
	if err := os.Chmod(imap.Dir, 0o755); err != nil { //nolint:gosec // The mailboxes are another user's.
		t.Fatal(err)
	}
	_, imaps, _ := net.SplitHostPort(m.IMAPS)
	protocols, pop3 := "imap", ""
	if _, err := os.Stat("/usr/lib/dovecot/pop3"); err == nil {
		m.POP3 = free(t)
		_, port, _ := net.SplitHostPort(m.POP3)
		protocols, pop3 = "imap pop3", "service pop3-login {\n chroot =\n inet_listener pop3 {\n  port = "+port+"\n }\n inet_listener pop3s {\n  port = 0\n }\n}\n"
	}
	imap.write("users", MailUser+":"+Password+"\n")
	config := imap.write("dovecot.conf", fmt.Sprintf(dovecotConfig, imap.Dir, protocols, certificate, key, imap.Port(), imaps, pop3))
	imap.own(filepath.Join(imap.Dir, "users"), lookup(t, "dovecot"), 0)
	imap.command = func() *exec.Cmd {
		cmd := exec.Command(dovecot, "-F", "-c", config)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	imap.Start()
	imap.await(m.IMAPS)

	imap.mkdir("data", 0o700, lookup(t, "postfix"))
	imap.write("postfix/main.cf", fmt.Sprintf(postfixConfig, imap.Dir, certificate, key))
	imap.write("postfix/master.cf", strings.TrimSpace(fmt.Sprintf(postfixServices, smtp.Port()))+"\n")
	for _, f := range []string{"main.cf", "master.cf"} {
		if err := os.Chmod(filepath.Join(m.Config, f), 0o644); err != nil { //nolint:gosec // Postfix's services read it as another user.
			t.Fatal(err)
		}
	}
	imap.run(nil, postfix, "-c", m.Config, "check")
	smtp.command = func() *exec.Cmd {
		cmd := exec.Command("/usr/lib/postfix/sbin/master", "-c", m.Config, "-d")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	smtp.Start()
	return m
}

// Break takes the mailboxes away, so that the mail for them has to wait.
func (m *Mail) Break() {
	m.IMAP.t.Helper()
	mail := filepath.Join(m.IMAP.Dir, "mail")
	if err := os.RemoveAll(mail); err != nil {
		m.IMAP.t.Fatal(err)
	}
	m.IMAP.write("mail", "not a directory")
}
