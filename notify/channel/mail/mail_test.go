package mail

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/channel/channeltest"
	"grove/notify/template"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// standIn is an SMTP server that plays what a real one does only when it is ill.
type standIn struct {
	address string
	mu      sync.Mutex
	mails   []string
}

func newStandIn(t *testing.T, mood channeltest.Mood) *standIn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &standIn{address: ln.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				s.serve(conn, mood)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return s
}

func (s *standIn) serve(conn net.Conn, mood channeltest.Mood) {
	in := bufio.NewScanner(conn)
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	say("220 stand-in")
	for in.Scan() {
		verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " ")
		switch verb {
		case "EHLO":
			say("250-stand-in\r\n250-AUTH CRAM-MD5 PLAIN\r\n250 8BITMIME")
		case "AUTH":
			say("334 PDE+")
			in.Scan()
			say("235 ok")
		case "MAIL", "RSET":
			say("250 ok")
		case "RCPT":
			switch {
			case !strings.Contains(in.Text(), ":<"):
				say("501 syntax")
			case strings.Contains(in.Text(), "nobody"):
				say("550 no such user")
			case strings.Contains(in.Text(), "later"):
				say("451 come again")
			default:
				say("250 ok")
			}
		case "DATA":
			switch mood {
			case channeltest.Silent:
				_, _ = io.Copy(io.Discard, conn)
				return
			case channeltest.Reset:
				_ = conn.(*net.TCPConn).SetLinger(0)
				return
			}
			say("354 go on")
			var text strings.Builder
			for in.Scan() && in.Text() != "." {
				text.WriteString(strings.TrimPrefix(in.Text(), ".") + "\n")
			}
			switch mood {
			case channeltest.Broken:
				say("451 try later " + channeltest.Canary + "\x1b[31m")
				continue
			case channeltest.Refusing:
				say("554 spam: " + channeltest.Canary)
				continue
			}
			s.mu.Lock()
			s.mails = append(s.mails, text.String())
			s.mu.Unlock()
			say("250 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 no")
		}
	}
}

func (s *standIn) received(t *testing.T) []channeltest.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []channeltest.Delivery
	for _, text := range s.mails {
		all = append(all, read(t, text))
	}
	return all
}

// read makes a delivery of a mail.
func read(t *testing.T, text string) channeltest.Delivery {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	d := channeltest.Delivery{Key: m.Header.Get("Message-ID"), Group: m.Header.Get("References"), Head: head, Size: len(text)}
	if m.Header.Get("In-Reply-To") != d.Group {
		t.Errorf("In-Reply-To is %q, References %q", m.Header.Get("In-Reply-To"), d.Group)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	d.Text = subject + "\n"
	if kind == "text/plain" {
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil {
			t.Fatal(err)
		}
		d.Text += string(body)
		return d
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{"text/plain; charset=UTF-8", "text/html; charset=UTF-8"} {
		p, err := parts.NextPart() // decodes quoted-printable
		if err != nil || p.Header.Get("Content-Type") != want {
			t.Fatalf("%v, %v; want %s", p.Header, err, want)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		d.Text += strings.ReplaceAll(string(body), "\r\n", "\n")
	}
	return d
}

func good(server string) *Options {
	return &Options{Server: server, Encryption: "none", Auth: "auto", User: "grove", Password: "env:PASSWORD",
		From: "Grove Wächter <grove@example.test>", To: []string{"ops@example.test"}}
}

func TestContractStandIn(t *testing.T) {
	bad := func(option string, change func(*Options)) channeltest.Bad {
		o := good("127.0.0.1:25")
		change(o)
		return channeltest.Bad{Options: o, Option: option}
	}
	channeltest.Run(t, channeltest.Subject{
		Kind: Kind(),
		Start: func(t *testing.T, m channeltest.Mood) *channeltest.Counterpart {
			if m == channeltest.Busy {
				return nil
			}
			s := newStandIn(t, m)
			return &channeltest.Counterpart{Options: good(s.address), Received: func() []channeltest.Delivery { return s.received(t) }}
		},
		Bad: []channeltest.Bad{
			bad("server", func(o *Options) { o.Server = "" }),
			bad("server", func(o *Options) { o.Server = "mail.example.org:smtps or so" }),
			bad("server", func(o *Options) { o.Server = "mail.example.org:99999" }),
			bad("encryption", func(o *Options) { o.Encryption = "ssl" }),
			bad("tls", func(o *Options) { o.TLS.Insecure = true }),
			bad("auth", func(o *Options) { o.Auth = "ntlm" }),
			bad("password", func(o *Options) { o.Password = "open-sesame" }),
			bad("password", func(o *Options) { o.Password = "" }),
			bad("user", func(o *Options) { o.User = "" }),
			bad("from", func(o *Options) { o.From = "" }),
			bad("from", func(o *Options) { o.From = "grove@example.org\r\nBcc: all@example.org" }),
			bad("to", func(o *Options) { o.To = nil }),
			bad("to[1]", func(o *Options) { o.To = append(o.To, "ops") }),
			bad("to[0]", func(o *Options) { o.To = []string{"ops@exämple.org"} }),
			bad("cc[0]", func(o *Options) { o.CC = []string{"a@b c"} }),
			bad("to", func(o *Options) { o.To = strings.Fields(strings.Repeat("a@b.example ", 101)) }),
			bad("reply_to", func(o *Options) { o.ReplyTo = "@" }),
			bad("helo", func(o *Options) { o.Helo = "a b" }),
			bad("title", func(o *Options) { o.Title = "{{.Foo}}" }),
			bad("html", func(o *Options) { o.HTML = "{{env}}" }),
			bad("html", func(o *Options) { o.HTML, o.Plain = "x", true }),
		},
		Hostile: func(t *testing.T, d channeltest.Delivery) {
			_, html, _ := strings.Cut(d.Text, "<html")
			if strings.Contains(html, "<script>") || !strings.Contains(html, "&lt;script&gt;") {
				t.Errorf("the HTML is not escaped: %s", html)
			}
		},
	})
}

// TestRecipientsStandIn has some of the recipients refused.
func TestRecipientsStandIn(t *testing.T) {
	for _, tt := range []struct {
		name      string
		to        []string
		delivered bool
		permanent bool
	}{
		{"one of two is gone", []string{"nobody@example.test", "ops@example.test"}, true, false},
		{"both are gone", []string{"nobody@example.test", "nobody2@example.test"}, false, true},
		{"one is to come later", []string{"ops@example.test", "later@example.test"}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStandIn(t, channeltest.Well)
			o := good(s.address)
			o.To = tt.to
			err := send(t, o, template.Samples()["firing"])
			if (err == nil) != tt.delivered || channel.IsPermanent(err) != tt.permanent || len(s.received(t)) == 1 != tt.delivered {
				t.Errorf("%v; %d arrive", err, len(s.received(t)))
			}
		})
	}
}

// TestEncryptionStandIn holds that nothing goes out in the clear that should not.
func TestEncryptionStandIn(t *testing.T) {
	s := newStandIn(t, channeltest.Well)
	for _, tt := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Encryption = "starttls" }, "the server does not offer STARTTLS: use encryption tls, or opportunistic to send in the clear"},
		{func(o *Options) { o.Encryption = "opportunistic" }, ""},
		{func(o *Options) { o.Auth = "plain" }, `login: the server offers no way that can be used (auth plain, encryption none): it offers "CRAM-MD5 PLAIN", and passwords are sent over TLS only`},
		{func(o *Options) { o.Auth = "scram-sha-256" }, `login: the server offers no way that can be used (auth scram-sha-256, encryption none): it offers "CRAM-MD5 PLAIN", and passwords are sent over TLS only`},
	} {
		o := good(s.address)
		tt.change(o)
		got := ""
		if err := send(t, o, template.Samples()["firing"]); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestHeadersStandIn(t *testing.T) {
	s := newStandIn(t, channeltest.Well)
	o := good(s.address)
	o.CC, o.ReplyTo, o.Plain, o.Title = []string{"Böss <boss@example.test>"}, "desk@example.test", true, "Ä {{.Status}}"
	if err := send(t, o, template.Samples()["firing"]); err != nil {
		t.Fatal(err)
	}
	d := s.received(t)[0]
	for _, want := range []string{
		"From: =?utf-8?q?Grove_W=C3=A4chter?= <grove@example.test>", "To: <ops@example.test>", "Cc: =?utf-8?q?B=C3=B6ss?= <boss@example.test>", "Reply-To: <desk@example.test>",
		"Date: Sun, 01 Mar 2026 12:05:00 +0000", "Auto-Submitted: auto-generated", "List-Id: <databases.grove.grove.localhost>",
		"X-Grove-Purpose: firing", "X-Grove-Status: red", "X-Grove-Severity: major", "Importance: high", "Subject: =?UTF-8?q?=C3=84_red?=",
	} {
		if !strings.Contains(d.Head+"\n", want+"\n") {
			t.Errorf("no %s in\n%s", want, d.Head)
		}
	}
	if want := "Ä red\nWhat people read."; strings.TrimSpace(d.Text) != want {
		t.Errorf("%q", d.Text)
	}
}

// send sends one message by a channel of its own.
func send(t *testing.T, o *Options, m *channel.Message) error {
	t.Helper()
	c, err := Kind().New(channeltest.NewWorld(t, channeltest.Subject{}), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.Send(t.Context(), m)
}

func TestTalkativeServersAreCutOffStandIn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for err == nil {
			_, err = fmt.Fprint(conn, "220-"+strings.Repeat("x", 4096))
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	if err := send(t, good(ln.Addr().String()), template.Samples()["firing"]); err == nil || !strings.Contains(err.Error(), "more than the bound of 1048576 bytes") {
		t.Errorf("%v", err)
	}
}
