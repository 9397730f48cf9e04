package mail

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/probetest"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fresh[T any](kind probe.Kind, change func(*T)) *T {
	o, _ := kind.NewOptions().(*T)
	change(o)
	return o
}

// ask runs a probe once and returns its readings as text.
func ask(t *testing.T, kind probe.Kind, o any, within time.Duration) (map[string]string, error) {
	t.Helper()
	p, err := kind.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	r, err := p.Run(ctx)
	got := map[string]string{}
	for _, v := range r.Values {
		got[v.Attribute] = v.Value.String()
	}
	return got, err
}

func expect(t *testing.T, got, want map[string]string) {
	t.Helper()
	for attribute, value := range want {
		if got[attribute] != value {
			t.Errorf("%s is %q, want %q (error: %s)", attribute, got[attribute], value, got["error"])
		}
	}
}

const enough = 30 * time.Second

// TestPostfixAndDovecot asks Debian's servers, and has a message go from one to the other.
func TestPostfixAndDovecot(t *testing.T) {
	m := servertest.MailServer(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(servertest.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("open-sesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	known := func(s *Server, address string) {
		s.Address, s.TLS.CA, s.User, s.Password = address, m.CA, servertest.MailUser, secret.Ref("file:"+password)
	}
	smtp := func(change func(*SMTPOptions)) *SMTPOptions {
		return fresh(SMTP(nil, nil), func(o *SMTPOptions) { o.Address, o.TLS.CA = m.SMTP.Address, m.CA; change(o) })
	}
	imap := func(change func(*IMAPOptions)) *IMAPOptions {
		return fresh(IMAP(nil, nil), func(o *IMAPOptions) { known(&o.Server, m.IMAP.Address); change(o) })
	}
	delivery := func(change func(*DeliveryOptions)) *DeliveryOptions {
		return fresh(Delivery(nil, nil), func(o *DeliveryOptions) {
			known(&o.SMTP, m.SMTP.Address)
			known(&o.IMAP, m.IMAP.Address)
			o.From, o.To = "canary@example.test", servertest.MailUser
			change(o)
		})
	}
	t.Run("contract", func(t *testing.T) {
		probetest.Run(t, SMTP(nil, nil), smtp(func(*SMTPOptions) {}), smtp(func(o *SMTPOptions) { known(&o.Server, m.SMTP.Address); o.To = servertest.MailUser }))
		probetest.Run(t, IMAP(nil, nil), imap(func(*IMAPOptions) {}), imap(func(o *IMAPOptions) { o.User, o.Password = "", "" }))
		probetest.Run(t, Delivery(nil, nil), delivery(func(*DeliveryOptions) {}))
	})
	t.Run("smtp", func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			change func(*SMTPOptions)
			want   map[string]string
		}{
			{"with STARTTLS", func(*SMTPOptions) {}, map[string]string{"up": "1", "state": "up", "error": "", "greeting": "220 mail.example.test ESMTP Postfix",
				"starttls": "1", "auth": "PLAIN", "size": "1.024e+07", "extensions": "8BITMIME AUTH CHUNKING DSN ENHANCEDSTATUSCODES ETRN PIPELINING SIZE SMTPUTF8 VRFY"}},
			{"without", func(o *SMTPOptions) { o.Encryption, o.TLS.CA = "none", "" }, map[string]string{"up": "1", "starttls": "1", "auth": ""}},
			{"a stranger", func(o *SMTPOptions) { o.TLS.CA = "" }, map[string]string{"up": "0", "state": "tls"}},
			{"a login", func(o *SMTPOptions) { known(&o.Server, m.SMTP.Address) }, map[string]string{"up": "1"}},
			{"a wrong password", func(o *SMTPOptions) {
				known(&o.Server, m.SMTP.Address)
				o.Password = secret.Ref("file:" + wrong)
			}, map[string]string{"up": "0", "state": "denied", "code": "535", "error": "the server refuses the login: code 535"}},
			{"a recipient", func(o *SMTPOptions) { o.To = servertest.MailUser }, map[string]string{"up": "1", "accepted": "1"}},
			{"nobody there", func(o *SMTPOptions) { o.From, o.To = "me@example.test", "nobody@example.test" }, map[string]string{"up": "0", "state": "rejected", "accepted": "0", "code": "550"}},
			{"another domain", func(o *SMTPOptions) { o.To = "me@example.com" }, map[string]string{"up": "0", "state": "rejected", "accepted": "0"}},
			{"not SMTP", func(o *SMTPOptions) { o.Address = m.IMAP.Address }, map[string]string{"up": "0"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got, err := ask(t, SMTP(nil, nil), smtp(tt.change), enough)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, got, tt.want)
			})
		}
	})
	t.Run("queue", func(t *testing.T) {
		probetest.Run(t, Queue(nil), queueOf(m.Queue))
		got, err := ask(t, Queue(nil), queueOf(m.Queue), enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "1", "state": "up", "error": "", "hold": "0", "maildrop": "0"})
	})
	t.Run("delivery", func(t *testing.T) {
		got, err := ask(t, Delivery(nil, nil), delivery(func(*DeliveryOptions) {}), enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "1", "state": "up", "error": "", "late": "0"})
		for _, attribute := range []string{"accept_time", "delivery_time"} {
			if got[attribute] == "" {
				t.Errorf("no %s", attribute)
			}
		}
		got, err = ask(t, Delivery(nil, nil), delivery(func(o *DeliveryOptions) { o.To = "nobody@example.test" }), enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "0", "state": "rejected"})
		got, err = ask(t, Delivery(nil, nil), delivery(func(o *DeliveryOptions) { o.Mailbox = "Nowhere" }), enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "0", "state": "missing"})
	})
	t.Run("two of the same", func(t *testing.T) {
		// One runs again and again while the other waits for its message.
		kind := Delivery(nil, nil)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 3 {
					got, err := ask(t, kind, delivery(func(*DeliveryOptions) {}), enough)
					if err != nil {
						t.Error(err)
					}
					expect(t, got, map[string]string{"up": "1", "state": "up", "late": "0"})
				}
			})
		}
		wg.Wait()
	})
	t.Run("imap", func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			change func(*IMAPOptions)
			want   map[string]string
		}{
			{"with STARTTLS", func(*IMAPOptions) {}, map[string]string{"up": "1", "state": "up", "error": "", "messages": "0", "unseen": "0", "quota_limit": "1.048576e+07", "quota_used": "0", "quota_share": "0"}},
			{"over TLS", func(o *IMAPOptions) { o.Address, o.Encryption = m.IMAPS, "tls" }, map[string]string{"up": "1", "messages": "0"}},
			{"without a login", func(o *IMAPOptions) { o.User, o.Password = "", "" }, map[string]string{"up": "1", "messages": ""}},
			{"a stranger", func(o *IMAPOptions) { o.TLS.CA = "" }, map[string]string{"up": "0", "state": "tls"}},
			{"a wrong password", func(o *IMAPOptions) { o.Password = secret.Ref("file:" + wrong) }, map[string]string{"up": "0", "state": "denied", "error": "the server refuses the login"}},
			{"no such mailbox", func(o *IMAPOptions) { o.Mailbox = "Nowhere" }, map[string]string{"up": "0", "state": "missing"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				got, err := ask(t, IMAP(nil, nil), imap(tt.change), enough)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, got, tt.want)
			})
		}
	})
	t.Run("a message that comes late", func(t *testing.T) {
		// A message of the same probe lies there already, and one of another.
		old := delivery(func(*DeliveryOptions) {})
		p, err := Delivery(nil, nil).New(old)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		mine := p.(*deliveryProbe)
		ready, err := mine.smtp.prepare()
		if err != nil {
			t.Fatal(err)
		}
		for _, mark := range []string{mine.series() + "-OLD", "0123456789abcdef-OTHER"} {
			if err := mine.send(t.Context(), ready, mark); err != nil {
				t.Fatal(err)
			}
		}
		for late := time.Now().Add(enough); ; {
			got, err := ask(t, IMAP(nil, nil), imap(func(*IMAPOptions) {}), enough)
			if err != nil {
				t.Fatal(err)
			}
			if got["messages"] == "2" {
				break
			}
			if time.Now().After(late) {
				t.Fatalf("%s messages", got["messages"])
			}
		}
		got, err := ask(t, Delivery(nil, nil), old, enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "1", "late": "1"})
		got, err = ask(t, IMAP(nil, nil), imap(func(*IMAPOptions) {}), enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"messages": "1", "unseen": "1"})
	})
	t.Run("servers that end", func(t *testing.T) {
		m.IMAP.Stop()
		got, err := ask(t, IMAP(nil, nil), imap(func(*IMAPOptions) {}), enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "0", "state": "refused"})
		got, err = ask(t, Delivery(nil, nil), delivery(func(*DeliveryOptions) {}), enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "0", "state": "refused"})
		if !strings.HasPrefix(got["error"], "imap: ") {
			t.Errorf("the error is %q", got["error"])
		}
		m.SMTP.Stop()
		got, err = ask(t, Queue(nil), queueOf(m.Queue), enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "0", "state": "refused"})
		got, err = ask(t, SMTP(nil, nil), smtp(func(*SMTPOptions) {}), enough)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, map[string]string{"up": "0", "state": "refused"})
	})
}

// serve answers connections until the test ends: each line that comes with the next text.
func serve(t *testing.T, texts ...string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				for i, text := range texts {
					if _, err := io.WriteString(conn, text); err != nil {
						return
					}
					if i == len(texts)-1 {
						break
					}
					if _, err := conn.Read(make([]byte, 4096)); err != nil {
						return
					}
				}
				_, _ = io.Copy(io.Discard, conn)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

// TestStandInsMisbehave has what real servers do only when they are ill.
func TestStandInsMisbehave(t *testing.T) {
	for _, tt := range []struct {
		name       string
		texts      []string
		encryption string
		want       map[string]string
	}{
		{"too busy to greet", []string{"421 come back later\r\n"}, "none", map[string]string{"state": "busy", "code": "421", "error": "greeting: the server answers 421 come back later"}},
		{"no mail here", []string{"554 no SMTP service here\r\n"}, "none", map[string]string{"state": "protocol", "code": "554"}},
		{"no STARTTLS", []string{"220 mail\r\n", "250-mail\r\n250 SIZE\r\n"}, "starttls", map[string]string{"state": "protocol", "error": "the server does not offer STARTTLS", "starttls": ""}},
		{"silence", []string{""}, "none", map[string]string{"state": "timeout"}},
		{"nonsense", []string{strings.Repeat("x", 10<<20)}, "none", map[string]string{"up": "0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ask(t, SMTP(nil, nil), fresh(SMTP(nil, nil), func(o *SMTPOptions) { o.Address, o.Encryption = serve(t, tt.texts...), tt.encryption }), 500*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, got, tt.want)
		})
	}
	got, err := ask(t, IMAP(nil, nil), fresh(IMAP(nil, nil), func(o *IMAPOptions) { o.Address, o.Encryption = serve(t, "* BYE I am full\r\n"), "none" }), 500*time.Millisecond)
	if err != nil || got["up"] != "0" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestStopsAndRefuses(t *testing.T) {
	quiet := serve(t, "")
	for _, encryption := range []string{"none", "starttls", "tls"} {
		probetest.Stops(t, SMTP(nil, nil), fresh(SMTP(nil, nil), func(o *SMTPOptions) { o.Address, o.Encryption = quiet, encryption }))
		probetest.Stops(t, IMAP(nil, nil), fresh(IMAP(nil, nil), func(o *IMAPOptions) { o.Address, o.Encryption = quiet, encryption }))
	}
	t.Setenv("MAIL_PASSWORD", "open-sesame")
	probetest.Stops(t, Delivery(nil, nil), fresh(Delivery(nil, nil), func(o *DeliveryOptions) {
		o.From, o.To, o.SMTP.Address, o.IMAP.Address, o.IMAP.User, o.IMAP.Password = "a@b", "c@d", quiet, quiet, "me", "env:MAIL_PASSWORD"
	}))
	bad := func(name, option, want string, change func(*SMTPOptions)) probetest.Bad {
		return probetest.Bad{Name: name, Option: option, Want: want, Options: fresh(SMTP(nil, nil), func(o *SMTPOptions) { o.Address = "a:25"; change(o) })}
	}
	probetest.Refuses(t, SMTP(nil, nil),
		bad("no address", "address", `address: "": is needed: host and port, such as db1:5432`, func(o *SMTPOptions) { o.Address = "" }),
		bad("a wrong encryption", "encryption", `encryption: "ssl" is none of starttls, tls and none`, func(o *SMTPOptions) { o.Encryption = "ssl" }),
		bad("TLS without TLS", "tls", "tls: only with encryption", func(o *SMTPOptions) { o.Encryption, o.TLS.Insecure = "none", true }),
		bad("a password in the open", "user", "user: a password is not sent without encryption", func(o *SMTPOptions) { o.Encryption, o.User, o.Password = "none", "me", "env:A" }),
		bad("a password as it is", "password", "password: "+secret.Ref("open-sesame").Check().Error(), func(o *SMTPOptions) { o.User, o.Password = "me", "open-sesame" }),
		bad("no password", "password", "password: is missing: a reference such as file:/etc/grove/mail", func(o *SMTPOptions) { o.User = "me" }),
		bad("commands in the name", "hello", `hello: "a\r\nMAIL" is not the name of a host`, func(o *SMTPOptions) { o.Hello = "a\r\nMAIL" }),
		bad("commands in the recipient", "to", `to: "a@b>\r\nDATA" is not a mail address`, func(o *SMTPOptions) { o.To = "a@b>\r\nDATA" }),
		bad("a sender alone", "from", "from: only with to", func(o *SMTPOptions) { o.From = "a@b" }),
		bad("a relative authority", "tls.ca", `tls.ca: "ca.pem" is not an absolute path without detours`, func(o *SMTPOptions) { o.TLS.CA = "ca.pem" }),
	)
	probetest.Refuses(t, IMAP(nil, nil), probetest.Bad{Name: "no mailbox", Option: "mailbox", Want: `mailbox: "" is not the name of a mailbox`,
		Options: fresh(IMAP(nil, nil), func(o *IMAPOptions) { o.Address, o.Mailbox = "a:143", "" })})
	both := func(change func(*DeliveryOptions)) *DeliveryOptions {
		return fresh(Delivery(nil, nil), func(o *DeliveryOptions) {
			o.From, o.To, o.SMTP.Address, o.IMAP.Address, o.IMAP.User, o.IMAP.Password = "a@b", "c@d", "a:25", "a:143", "me", "env:A"
			change(o)
		})
	}
	probetest.Refuses(t, Delivery(nil, nil),
		probetest.Bad{Name: "no login", Option: "imap.user", Want: "imap.user: is missing", Options: both(func(o *DeliveryOptions) { o.IMAP.User, o.IMAP.Password = "", "" })},
		probetest.Bad{Name: "no server", Option: "smtp.address", Want: `smtp.address: "": is needed: host and port, such as db1:5432`, Options: both(func(o *DeliveryOptions) { o.SMTP.Address = "" })},
		probetest.Bad{Name: "no recipient", Option: "to", Want: `to: "" is not a mail address`, Options: both(func(o *DeliveryOptions) { o.To = "" })},
	)
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func() error{
		"smtp": func() error {
			_, err := ask(t, SMTP(policy, nil), fresh(SMTP(nil, nil), func(o *SMTPOptions) { o.Address = quiet }), time.Second)
			return err
		},
		"imap": func() error {
			_, err := ask(t, IMAP(policy, nil), fresh(IMAP(nil, nil), func(o *IMAPOptions) { o.Address = quiet }), time.Second)
			return err
		},
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), `the rule "!loopback" refuses it`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
