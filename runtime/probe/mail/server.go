// Package mail holds the kinds of probes that ask mail servers: "smtp" for those that take
// mail, "imap" for mailboxes, and "mail_delivery", which sends a message and waits until it
// is in the mailbox.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// The bounds of what servers may say.
const (
	maxSaid = 1 << 20 // bytes of one run; the IMAP library follows what is nested by recursion
	maxText = 256     // bytes of a text that is shown
)

// Server says how one server is reached.
type Server struct {
	Address    string         `yaml:"address" jsonschema:"required,description=Host and port\\, such as mail1:25."`
	Encryption string         `yaml:"encryption,omitempty" jsonschema:"enum=starttls,enum=tls,enum=none,description=starttls\\, tls or none; by default tls for the ports 465 and 993\\, and starttls for others."`
	TLS        secure.Options `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked\\, and what is shown to the server."`
	User       string         `yaml:"user,omitempty" jsonschema:"description=Name to log in with; nobody logs in when empty."`
	Password   secret.Ref     `yaml:"password,omitempty" jsonschema:"description=Its password; a reference such as file:/etc/grove/mail or env:MAIL_PASSWORD."`
}

// tlsPorts are those at which TLS begins at once: RFC 8314.
var tlsPorts = map[string]bool{"465": true, "993": true}

// check fills in the defaults and says which option is wrong; prefix stands before their
// names.
func (s *Server) check(prefix string) (host string, err error) {
	bad := func(option, format string, args ...any) (string, error) {
		return "", probe.BadOption(prefix+option, format, args...)
	}
	host, port, err := dial.Split(s.Address)
	if err != nil {
		return bad("address", "%q: %w", s.Address, err)
	}
	s.Address = net.JoinHostPort(host, port)
	if s.Encryption == "" {
		s.Encryption = "starttls"
		if tlsPorts[port] {
			s.Encryption = "tls"
		}
	}
	switch s.Encryption {
	case "starttls", "tls":
	case "none":
		if s.TLS != (secure.Options{}) {
			return bad("tls", "only with encryption")
		}
		if s.User != "" {
			return bad("user", "a password is not sent without encryption")
		}
	default:
		return bad("encryption", "%q is none of starttls, tls and none", s.Encryption)
	}
	switch {
	case s.User != "" && s.Password == "":
		return bad("password", "is missing: a reference such as file:/etc/grove/mail")
	case s.User == "" && s.Password != "":
		return bad("user", "is missing")
	case !isText(s.User):
		return bad("user", "has a character that names may not have")
	}
	if err := s.Password.Check(); err != nil {
		return bad("password", "%w", err)
	}
	if err := s.TLS.Check(); err != nil {
		var option *probe.OptionError
		if errors.As(err, &option) {
			return bad(option.Option, "%w", option.Err)
		}
		return "", err
	}
	return host, nil
}

// isText says whether s can stand in a line of a protocol.
func isText(s string) bool {
	return len(s) <= 512 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// reach is what a probe needs to talk with a Server.
type reach struct {
	Server
	host    string
	dialer  *net.Dialer
	secrets *secret.Policy
	files   secure.Files
}

// prepared is what a run needs besides: the manager's own files and secrets.
type prepared struct {
	tls      *tls.Config
	password string
}

// prepare reads them; its error is the manager's fault, not the server's.
func (s *reach) prepare() (p prepared, err error) {
	if s.Encryption != "none" {
		if p.tls, err = s.files.Config(s.TLS, s.secrets, s.host); err != nil {
			return p, err
		}
	}
	p.password, err = s.secrets.Read(s.Password)
	if err != nil {
		return p, fmt.Errorf("password: %w", err)
	}
	return p, nil
}

// dial connects, with TLS where it begins at once. The connection ends with the context;
// the caller closes it.
func (s *reach) dial(ctx context.Context, p prepared) (net.Conn, error) {
	conn, err := s.dialer.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	bound := &bounded{Conn: conn, left: maxSaid, stop: stop}
	if s.Encryption != "tls" {
		return bound, nil
	}
	session := tls.Client(bound, p.tls)
	if err := session.HandshakeContext(ctx); err != nil {
		_ = bound.Close()
		if ctx.Err() == nil {
			err = &answer.Fault{State: "tls", Err: err}
		}
		return nil, err
	}
	return session, nil
}

// bounded is a connection that a server cannot fill without end.
type bounded struct {
	net.Conn
	left int
	stop func() bool
}

// Read implements net.Conn.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, fmt.Errorf("the server said more than %d bytes", maxSaid)
	}
	return n, err
}

// Close implements net.Conn.
func (b *bounded) Close() error {
	b.stop()
	return b.Conn.Close()
}

// timely says that the time was over where an error says only that the connection ended.
func timely(ctx context.Context, err error) error {
	var fault *answer.Fault
	if err != nil && ctx.Err() != nil && !errors.As(err, &fault) {
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
	return err
}

// clean is what a server said, as it may be shown.
func clean(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\n", " "), "�")
}

// refusedLogin shows the code of an answer only.
type refusedLogin struct{ answer *textproto.Error }

// Error implements error.
func (r *refusedLogin) Error() string {
	return fmt.Sprintf("the server refuses the login: code %d", r.answer.Code)
}

// Unwrap returns the answer.
func (r *refusedLogin) Unwrap() error { return r.answer }

// denied is a login that was refused. What the server says of it is left out: it may repeat
// what it was sent.
func denied(err error) error {
	var code *textproto.Error
	if errors.As(err, &code) {
		return &answer.Fault{State: "denied", Err: &refusedLogin{code}}
	}
	return &answer.Fault{State: "denied", Err: errors.New("the server refuses the login")}
}
