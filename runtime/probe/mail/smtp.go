package mail

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/tree"
)

//go:embed smtp.md
var smtpDoc string

//go:embed smtp.yaml
var smtpExample string

// SMTPOptions are the options of the kind "smtp".
type SMTPOptions struct {
	Server `yaml:",inline"`
	Hello  string `yaml:"hello" jsonschema:"default=grove,description=Name by which grove greets (EHLO)."`
	From   string `yaml:"from,omitempty" jsonschema:"description=Sender for the question whether mail to the recipient would be taken; empty is the null sender."`
	To     string `yaml:"to,omitempty" jsonschema:"description=Recipient that is asked about (RCPT TO). No message is sent."`
}

// SMTP returns the kind "smtp". Its probes connect where the first policy allows, and read
// the secrets that the second does; nil is the default of each.
func SMTP(policy *dial.Policy, secrets *secret.Policy) probe.Kind {
	return probe.Kind{
		Name:       "smtp",
		Title:      "Mail servers by SMTP",
		Doc:        smtpDoc,
		Example:    smtpExample,
		NewOptions: func() any { return &SMTPOptions{Hello: "grove"} },
		New: func(options any) (probe.Probe, error) {
			given, ok := options.(*SMTPOptions)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, given)
			}
			o := *given
			host, err := o.check("")
			if err != nil {
				return nil, err
			}
			switch {
			case !isAtom(o.Hello):
				return nil, probe.BadOption("hello", "%q is not the name of a host", o.Hello)
			case o.From != "" && !isMailbox(o.From):
				return nil, probe.BadOption("from", "%q is not a mail address", o.From)
			case o.To != "" && !isMailbox(o.To):
				return nil, probe.BadOption("to", "%q is not a mail address", o.To)
			case o.From != "" && o.To == "":
				return nil, probe.BadOption("from", "only with to")
			}
			return &smtpProbe{options: o, reach: reach{Server: o.Server, host: host, dialer: policy.Dialer(0), secrets: secrets}}, nil
		},
	}
}

func isAtom(s string) bool {
	return s != "" && isText(s) && !strings.ContainsAny(s, " <>@")
}

func isMailbox(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && isText(s) && !strings.ContainsAny(s, "<> \t")
}

type smtpProbe struct {
	options SMTPOptions
	reach   reach
}

// Target implements probe.Probe.
func (p *smtpProbe) Target() string { return strings.ToLower(p.reach.host) }

// Close implements probe.Probe.
func (p *smtpProbe) Close() error { return nil }

// Attributes implements probe.Probe.
func (p *smtpProbe) Attributes() []beans.AttributeInfo {
	list := append(answer.Attributes("protocol", "busy", "denied", "rejected"), readable(
		beans.AttributeInfo{Name: "greeting", Type: beans.TypeString, Description: "What the server says first."},
		beans.AttributeInfo{Name: "greeting_time", Type: beans.TypeFloat, Unit: "s", Description: "From the beginning until the greeting was there."},
		beans.AttributeInfo{Name: "code", Type: beans.TypeInt, Description: "The last code that the server answered with."},
		beans.AttributeInfo{Name: "starttls", Type: beans.TypeBool, Description: "1 when the server offers STARTTLS; not known when TLS began at once."},
		beans.AttributeInfo{Name: "extensions", Type: beans.TypeString, Description: "Which of the known extensions the server has, with spaces between them."},
		beans.AttributeInfo{Name: "auth", Type: beans.TypeString, Description: "Mechanisms by which one may log in."},
		beans.AttributeInfo{Name: "size", Type: beans.TypeInt, Unit: "bytes", Description: "The largest message that is taken, where the server says so."},
		beans.AttributeInfo{Name: "accepted", Type: beans.TypeBool, Description: "Only with option to: 1 when the server would take mail for the recipient."},
	)...)
	if p.options.User != "" {
		list = append(list, readable(beans.AttributeInfo{Name: "login_time", Type: beans.TypeFloat, Unit: "s", Description: "Time of logging in."})...)
	}
	return list
}

func readable(list ...beans.AttributeInfo) []beans.AttributeInfo {
	for i := range list {
		list[i].Readable = true
	}
	return list
}

// Run implements probe.Probe.
func (p *smtpProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	r := probe.Result{Time: start}
	ready, err := p.reach.prepare()
	if err != nil {
		return r, err
	}
	err = answer.Add(ctx, &r, start, timely(ctx, p.talk(ctx, ready, start, &r)))
	return r, err
}

func (p *smtpProbe) talk(ctx context.Context, ready prepared, start time.Time, r *probe.Result) error {
	s, err := p.reach.greet(ctx, ready, p.options.Hello)
	if s != nil {
		defer s.close()
		r.Text("greeting", clean(s.greeting()))
	}
	if err == nil {
		r.Number("greeting_time", s.greeted.Sub(start).Seconds())
		s.describe(r)
		err = p.use(s, ready, r)
	}
	if code := codeOf(err); code > 0 {
		r.Number("code", float64(code))
	} else if err == nil {
		r.Number("code", 250)
	}
	return err
}

// use logs in and asks about the recipient.
func (p *smtpProbe) use(s *session, ready prepared, r *probe.Result) error {
	if p.options.User != "" {
		start := time.Now()
		if err := s.login(p.options.User, ready.password); err != nil {
			return err
		}
		r.Number("login_time", time.Since(start).Seconds())
	}
	if p.options.To != "" {
		err := s.address(p.options.From, p.options.To)
		r.Add("accepted", tree.Bool(err == nil))
		if err != nil {
			return err
		}
		if err := s.client.Reset(); err != nil {
			return said("RSET", err)
		}
	}
	return said("QUIT", s.client.Quit())
}

// session is a conversation with a server that was greeted.
type session struct {
	client  *smtp.Client
	first   *first
	greeted time.Time
	plain   bool // STARTTLS was offered
	direct  bool // TLS began at once
}

// greet connects and says hello, twice with STARTTLS. The session is there, and to be
// closed, as soon as there was a connection.
func (s *reach) greet(ctx context.Context, ready prepared, hello string) (*session, error) {
	conn, err := s.dial(ctx, ready)
	if err != nil {
		return nil, err
	}
	it := &session{first: &first{Conn: conn}, direct: s.Encryption == "tls"}
	if it.client, err = smtp.NewClient(it.first, s.host); err != nil {
		return it, said("greeting", err)
	}
	it.greeted = time.Now()
	if err := it.client.Hello(hello); err != nil {
		return it, said("EHLO", err)
	}
	it.plain, _ = it.client.Extension("STARTTLS")
	if s.Encryption != "starttls" {
		return it, nil
	}
	if !it.plain {
		return it, &answer.Fault{State: "protocol", Err: errors.New("the server does not offer STARTTLS")}
	}
	if err := it.client.StartTLS(ready.tls); err != nil {
		if ctx.Err() == nil && codeOf(err) == 0 {
			return it, &answer.Fault{State: "tls", Err: err}
		}
		return it, said("STARTTLS", err)
	}
	return it, nil
}

func (s *session) close() {
	if s.client != nil {
		_ = s.client.Close()
	}
	_ = s.first.Close()
}

func (s *session) greeting() string {
	line, _, _ := strings.Cut(string(s.first.seen), "\n")
	return strings.TrimSpace(line)
}

// extensions are those that are looked for, by the IANA registry of SMTP.
var extensions = []string{"8BITMIME", "AUTH", "BINARYMIME", "CHUNKING", "DELIVERBY", "DSN", "ENHANCEDSTATUSCODES", "ETRN", "MT-PRIORITY",
	"PIPELINING", "REQUIRETLS", "SIZE", "SMTPUTF8", "STARTTLS", "VRFY"}

// describe adds what the server said of itself.
func (s *session) describe(r *probe.Result) {
	var has []string
	for _, name := range extensions {
		if ok, _ := s.client.Extension(name); ok {
			has = append(has, name)
		}
	}
	r.Text("extensions", strings.Join(has, " "))
	_, mechanisms := s.client.Extension("AUTH")
	r.Text("auth", clean(mechanisms))
	if !s.direct {
		r.Add("starttls", tree.Bool(s.plain))
	}
	if _, text := s.client.Extension("SIZE"); text != "" {
		if n, err := strconv.ParseUint(text, 10, 53); err == nil && n > 0 {
			r.Number("size", float64(n))
		}
	}
}

// login logs in by PLAIN, or by LOGIN where the server has nothing better.
func (s *session) login(user, password string) error {
	_, mechanisms := s.client.Extension("AUTH")
	var auth smtp.Auth
	switch offered := " " + strings.ToUpper(mechanisms) + " "; {
	case strings.Contains(offered, " PLAIN "):
		auth = plain{user, password}
	case strings.Contains(offered, " LOGIN "):
		auth = login{user, password}
	default:
		return &answer.Fault{State: "protocol", Err: errors.New("the server offers neither AUTH PLAIN nor AUTH LOGIN")}
	}
	if err := s.client.Auth(auth); err != nil {
		if codeOf(err) > 0 {
			return denied(err)
		}
		return err
	}
	return nil
}

// plain is RFC 4616. The connection has TLS: check holds that.
type plain struct{ user, password string }

// Start implements smtp.Auth.
func (a plain) Start(*smtp.ServerInfo) (string, []byte, error) {
	return "PLAIN", []byte("\x00" + a.user + "\x00" + a.password), nil
}

// Next implements smtp.Auth.
func (plain) Next(_ []byte, more bool) ([]byte, error) {
	if more {
		return nil, errors.New("the server asks for more than name and password")
	}
	return nil, nil
}

// login is the mechanism of draft-murchison-sasl-login: it asks for the name, then for the
// password.
type login struct{ user, password string }

// Start implements smtp.Auth.
func (login) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

// Next implements smtp.Auth.
func (a login) Next(asked []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case strings.HasPrefix(strings.ToLower(string(asked)), "user"):
		return []byte(a.user), nil
	case strings.HasPrefix(strings.ToLower(string(asked)), "pass"):
		return []byte(a.password), nil
	}
	return nil, errors.New("the server asks for more than name and password")
}

// address names sender and recipient.
func (s *session) address(from, to string) error {
	if err := s.client.Mail(from); err != nil {
		return said("MAIL FROM", err)
	}
	if err := s.client.Rcpt(to); err != nil {
		if code := codeOf(err); code > 0 {
			return &answer.Fault{State: "rejected", Err: said("RCPT TO", err)}
		}
		return err
	}
	return nil
}

// said puts the refusal of a command into words; other errors stay as they are.
func said(command string, err error) error {
	var code *textproto.Error
	if !errors.As(err, &code) {
		return err
	}
	state := "protocol"
	if code.Code >= 400 && code.Code < 500 {
		state = "busy" // it may be asked again later, RFC 5321 section 4.2.1
	}
	return &answer.Fault{State: state, Err: &refused{command, code}}
}

// refused is an answer that says no.
type refused struct {
	command string
	code    *textproto.Error
}

// Error implements error.
func (r *refused) Error() string {
	return fmt.Sprintf("%s: the server answers %d %s", r.command, r.code.Code, clean(r.code.Msg))
}

// Unwrap returns the answer.
func (r *refused) Unwrap() error { return r.code }

func codeOf(err error) int {
	var code *textproto.Error
	if errors.As(err, &code) {
		return code.Code
	}
	return 0
}

// first keeps the begin of what a server says: its greeting, which net/smtp does not show.
type first struct {
	net.Conn
	seen []byte
}

// Read implements io.Reader.
func (f *first) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if room := 2*maxText - len(f.seen); room > 0 {
		f.seen = append(f.seen, p[:min(n, room)]...)
	}
	return n, err
}
