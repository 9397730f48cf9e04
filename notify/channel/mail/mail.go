// Package mail is the channel that sends mail over SMTP, with STARTTLS or TLS and with
// authentication.
//
// Composing and the protocol are go-mail's; connections, their bounds and what an answer
// means are here.
package mail

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"grove/notify/channel"
	"grove/notify/template"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options are the options of the kind.
type Options struct {
	Server     string      `yaml:"server" jsonschema:"description=Mail server as host:port; without a port 587\\, or 465 with encryption tls."`
	Encryption string      `yaml:"encryption" jsonschema:"enum=starttls,enum=opportunistic,enum=tls,enum=none,description=How the connection is secured."`
	TLS        channel.TLS `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked."`
	User       string      `yaml:"user,omitempty" jsonschema:"description=Name to log in with; nobody logs in when empty."`
	Password   string      `yaml:"password,omitempty" jsonschema:"description=Reference to the password."`
	Auth       string      `yaml:"auth" jsonschema:"enum=auto,enum=plain,enum=login,enum=cram-md5,enum=scram-sha-1,enum=scram-sha-256,description=How to log in; auto takes the safest that the server offers."`
	From       string      `yaml:"from" jsonschema:"description=Sender\\, as an address or Name <address>."`
	To         []string    `yaml:"to" jsonschema:"description=Recipients."`
	CC         []string    `yaml:"cc,omitempty" jsonschema:"description=Recipients of a copy."`
	ReplyTo    string      `yaml:"reply_to,omitempty" jsonschema:"description=Where answers go\\, if not to the sender."`
	Helo       string      `yaml:"helo,omitempty" jsonschema:"description=Name by which grove introduces itself; that of the machine when empty."`

	template.Options `yaml:",inline"`

	HTML  string `yaml:"html,omitempty" jsonschema:"description=Template of the HTML alternative; a table of the alerts when empty."`
	Plain bool   `yaml:"plain,omitempty" jsonschema:"description=Send text only\\, without an HTML alternative."`
}

// maxRecipients bounds To and CC together.
const maxRecipients = 100

// Kind returns the kind.
func Kind() channel.Kind {
	return channel.Kind{
		Name: "mail", Doc: doc, Example: example,
		Options: func() any { return &Options{Encryption: "starttls", Auth: "auto"} },
		New: func(w *channel.World, options any) (channel.Channel, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("these are options of another kind: %T", options)
			}
			return newMailer(w, o)
		},
	}
}

// mailer is the channel. Each message has a connection of its own.
type mailer struct {
	world         *channel.World
	options       *Options
	host, address string
	from, replyTo *mail.Address
	to, cc        []*mail.Address
	wording       template.Wording
	html          *template.Template // nil: none
}

func newMailer(w *channel.World, o *Options) (*mailer, error) {
	m := &mailer{world: w, options: o}
	var err error
	port := 587
	if o.Encryption == "tls" {
		port = 465
	}
	if m.host, m.address, err = channel.Address("server", o.Server, port); err != nil {
		return nil, err
	}
	if err := o.check(w); err != nil {
		return nil, err
	}
	if m.from, err = person("from", o.From); err != nil {
		return nil, err
	}
	if o.ReplyTo != "" {
		if m.replyTo, err = person("reply_to", o.ReplyTo); err != nil {
			return nil, err
		}
	}
	if m.to, err = people("to", o.To); err != nil {
		return nil, err
	}
	if m.cc, err = people("cc", o.CC); err != nil {
		return nil, err
	}
	if n := len(m.to) + len(m.cc); n == 0 {
		return nil, channel.BadOption("to", "is missing: who gets the mail?")
	} else if n > maxRecipients {
		return nil, channel.BadOption("to", "%d recipients are more than the bound of %d: use a mailing list", n, maxRecipients)
	}
	if m.wording, err = o.Options.New(); err != nil {
		return nil, err
	}
	if o.Plain {
		if o.HTML != "" {
			return nil, channel.BadOption("html", "is of no use with plain")
		}
		return m, nil
	}
	text := o.HTML
	if text == "" {
		text = defaultHTML
	}
	m.html, err = template.Option("html", text, template.HTML)
	return m, err
}

// mechanisms are the ways to log in, the safest first; those that send the password itself
// are used over TLS only.
var mechanisms = []string{"scram-sha-256", "scram-sha-1", "cram-md5", "plain", "login"}

func (o *Options) check(w *channel.World) error {
	switch {
	case !slices.Contains([]string{"starttls", "opportunistic", "tls", "none"}, o.Encryption):
		return channel.BadOption("encryption", "%q is none of starttls, opportunistic, tls and none", template.Truncate(o.Encryption, 50))
	case o.Encryption == "none" && o.TLS != (channel.TLS{}):
		return channel.BadOption("tls", "is of no use with encryption none")
	case o.Auth != "auto" && !slices.Contains(mechanisms, o.Auth):
		return channel.BadOption("auth", "%q is none of auto, %s", template.Truncate(o.Auth, 50), strings.Join(mechanisms, ", "))
	case o.User != "" && o.Password == "":
		return channel.BadOption("password", "is missing: the user needs one, as a reference like file:/etc/grove/mail")
	case o.User == "" && o.Password != "":
		return channel.BadOption("user", "is missing: whose password is it?")
	case strings.ContainsFunc(o.User, func(r rune) bool { return r < ' ' }):
		return channel.BadOption("user", "has control characters")
	case strings.ContainsFunc(o.Helo, func(r rune) bool { return r <= ' ' || r > '~' }):
		return channel.BadOption("helo", "%q is no name of a host", template.Truncate(o.Helo, 100))
	}
	if o.Password != "" {
		if err := w.CheckSecret(o.Password); err != nil {
			return channel.BadOption("password", "%w", err)
		}
	}
	return nil
}

func person(option, text string) (*mail.Address, error) {
	if text == "" {
		return nil, channel.BadOption(option, "is missing")
	}
	a, err := mail.ParseAddress(text)
	switch {
	case err != nil || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return nil, channel.BadOption(option, "%q is no address: write name@example.org or Name <name@example.org>", template.Truncate(text, 100))
	case strings.ContainsFunc(a.Address, func(r rune) bool { return r > '~' }):
		return nil, channel.BadOption(option, "%q has letters that not every mail server takes: write the domain as xn--…", template.Truncate(a.Address, 100))
	}
	return a, nil
}

func people(option string, texts []string) ([]*mail.Address, error) {
	var all []*mail.Address
	for i, text := range texts {
		a, err := person(fmt.Sprintf("%s[%d]", option, i), text)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// Close implements channel.Channel.
func (m *mailer) Close() error { return nil }

// Send implements channel.Channel.
func (m *mailer) Send(ctx context.Context, message *channel.Message) error {
	composed, err := m.compose(message)
	if err != nil {
		return channel.Permanent(err)
	}
	password := ""
	if m.options.Password != "" {
		if password, err = m.world.Secret(m.options.Password); err != nil {
			return fmt.Errorf("password: %w", err)
		}
	}
	err = m.deliver(ctx, password, composed.Bytes())
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no answer from %s in time: %w", m.options.Server, ctx.Err())
	}
	return judge(err, password)
}

// judge says what an error means for trying again, and of what the server said one clean line
// without the password.
func judge(err error, password string) error {
	var said *textproto.Error
	text := err.Error()
	refused := errors.As(err, &said)
	if refused {
		text = strings.Replace(text, said.Error(), fmt.Sprintf("the server answers %d %s", said.Code, said.Msg), 1)
	}
	if password != "" {
		text = strings.ReplaceAll(text, password, "(password)")
	}
	clean := errors.New(template.Truncate(template.OneLine(text), 500))
	if refused && said.Code/100 == 5 {
		return channel.Permanent(clean)
	}
	return clean
}

// maxAnswers bounds what a server may say in one session, in bytes.
const maxAnswers = 1 << 20

// bounded is a connection of which only so much is read.
type bounded struct {
	net.Conn
	left int
}

var errTalkative = fmt.Errorf("the server says more than the bound of %d bytes", maxAnswers)

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTalkative
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// deliver hands a composed message over to the server.
func (m *mailer) deliver(ctx context.Context, password string, text []byte) error {
	raw, err := m.world.Dial(ctx, "tcp", m.address)
	if err != nil {
		return err
	}
	// The library leaves the connection open when something fails, and hears no context.
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Now().Add(-time.Second)) })()

	var config *tls.Config
	if m.options.Encryption != "none" {
		if config, err = m.world.TLS(m.options.TLS, m.host); err != nil {
			return err
		}
	}
	var conn net.Conn = &bounded{raw, maxAnswers}
	if m.options.Encryption == "tls" {
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = secure
	}
	client, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if err := client.Hello(m.helo()); err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	secured := m.options.Encryption == "tls"
	if offers, _ := client.Extension("STARTTLS"); !secured && m.options.Encryption != "none" {
		switch {
		case offers:
			if err := client.StartTLS(config); err != nil {
				return fmt.Errorf("STARTTLS: %w", err)
			}
			secured = true
		case m.options.Encryption == "starttls":
			return errors.New("the server does not offer STARTTLS: use encryption tls, or opportunistic to send in the clear")
		}
	}
	if m.options.User != "" {
		if err := m.login(client, secured, password); err != nil {
			return fmt.Errorf("login: %w", err)
		}
	}
	return m.hand(client, text)
}

func (m *mailer) helo() string {
	if m.options.Helo != "" {
		return m.options.Helo
	}
	if name, err := os.Hostname(); err == nil && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return name
	}
	return "localhost"
}

// login logs in by the way that is asked for, or the safest that the server offers.
func (m *mailer) login(client *smtp.Client, secured bool, password string) error {
	_, offered := client.Extension("AUTH")
	offers := strings.Fields(strings.ToLower(offered))
	for _, way := range mechanisms {
		if m.options.Auth != "auto" && m.options.Auth != way || !slices.Contains(offers, way) {
			continue
		}
		if clear := way == "plain" || way == "login"; clear && !secured {
			continue
		}
		switch way {
		case "scram-sha-256":
			return client.Auth(smtp.ScramSHA256Auth(m.options.User, password))
		case "scram-sha-1":
			return client.Auth(smtp.ScramSHA1Auth(m.options.User, password))
		case "cram-md5":
			return client.Auth(smtp.CRAMMD5Auth(m.options.User, password))
		case "plain":
			return client.Auth(smtp.PlainAuth("", m.options.User, password, m.host, false))
		case "login":
			return client.Auth(smtp.LoginAuth(m.options.User, password, m.host, false))
		}
	}
	return fmt.Errorf("the server offers no way that can be used (auth %s, encryption %s): it offers %q, and passwords are sent over TLS only",
		m.options.Auth, m.options.Encryption, offered)
}

// hand hands the message over. A recipient whom the server does not know must not keep the
// others from being told: it is logged, unless there is no other.
func (m *mailer) hand(client *smtp.Client, text []byte) error {
	if err := client.Mail("<" + m.from.Address + ">"); err != nil {
		return fmt.Errorf("sender %s: %w", m.from.Address, err)
	}
	accepted := 0
	var refused error
	for _, a := range slices.Concat(m.to, m.cc) {
		err := client.Rcpt("<" + a.Address + ">")
		var said *textproto.Error
		switch {
		case err == nil:
			accepted++
		case errors.As(err, &said) && said.Code/100 == 5:
			refused = fmt.Errorf("recipient %s: %w", a.Address, err)
			m.world.Log.Warn("a mail server refuses a recipient", "server", m.options.Server, "recipient", a.Address, "answer", template.OneLine(said.Error()))
		default:
			return fmt.Errorf("recipient %s: %w", a.Address, err)
		}
	}
	if accepted == 0 {
		return refused
	}
	body, err := client.Data()
	if err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	if _, err := body.Write(text); err != nil {
		return err
	}
	if err := body.Close(); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	// It is delivered; how the server says goodbye is its own affair.
	_ = client.Quit()
	return nil
}

// short is a name for something, as message identifiers have it.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}
