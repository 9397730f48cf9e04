package definitions_test

import (
	"fmt"
	"net"
	"net/smtp"
	"testing"

	"grove/runtime/probe/servertest"
	"grove/tree"
)

// TestPostfix runs the definition on Debian's Postfix: a message that cannot be delivered
// waits, and then the server is taken away.
func TestPostfix(t *testing.T) {
	m := servertest.MailServer(t)
	w := grow(t, fmt.Sprintf(`
use: postfix
at: /mail/mail1
with: { address: "%s", authority: %s, queue_directory: %s, recipient: %s, deferred_yellow: 0, every: 500ms }
---
use: postfix
at: /mail/stranger
name: stranger
with: { address: "%[1]s", local: false, recipient: nobody@example.test, every: 500ms }
`, m.SMTP.Address, m.CA, m.Queue, servertest.MailUser))
	w.is("/mail/mail1/Answer/State", tree.Green)
	w.says("/mail/mail1/Answer/Greeting", "Postfix")
	w.within("/mail/mail1/Answer/Response time", 1e-6, 5)
	w.is("/mail/mail1/Answer/Takes mail", tree.Green)
	w.is("/mail/mail1/Certificate/Trusted", tree.Green)
	w.is("/mail/mail1/Certificate/Days left", tree.Red) // the test's certificate is good for a day
	w.is("/mail/mail1/Queues/Listed", tree.Green)
	w.within("/mail/mail1/Queues/Deferred", 0, 0)
	w.within("/mail/mail1/Queues/Oldest", 0, 0)
	w.until("every node has a reading", func() bool { return len(w.white("/mail/mail1")) == 0 })
	w.exported()

	w.is("/mail/stranger/Answer/State", tree.Red)
	w.is("/mail/stranger/Answer/Takes mail", tree.Red)
	w.is("/mail/stranger/Certificate/Trusted", tree.Yellow)

	// With its mailboxes gone, what it took waits.
	m.Break()
	conn, err := net.Dial("tcp", m.SMTP.Address)
	if err != nil {
		t.Fatal(err)
	}
	client, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Mail("me@example.test"); err != nil {
		t.Fatal(err)
	}
	if err := client.Rcpt(servertest.MailUser); err != nil {
		t.Fatal(err)
	}
	text, err := client.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(text, "Subject: stuck\r\n\r\nI wait.\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := text.Close(); err != nil {
		t.Fatal(err)
	}
	w.within("/mail/mail1/Queues/Deferred", 1, 1)
	w.within("/mail/mail1/Queues/Size", 100, 10_000)

	m.SMTP.Stop()
	w.is("/mail/mail1/Answer/State", tree.Red)
	w.is("/mail/mail1/Queues/Listed", tree.Red)
	w.is("/mail/mail1/Queues/Deferred", tree.White)
	w.is("/mail/mail1", tree.Red)
}
