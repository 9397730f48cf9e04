package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// leastSecret is the shortest password that is looked for in texts; shorter ones would
// blot out words that have nothing to do with them.
const leastSecret = 4

// Dialer connects to a Server as far as the policies allow. It may be used from one
// goroutine at a time, and by the goroutines of a client library that it was given to.
type Dialer struct {
	server  *Server
	dialer  *net.Dialer
	secrets *secret.Policy
	files   secure.Files
	// password is the last that was read, for Hide.
	password atomic.Pointer[string]
}

// NewDialer returns a Dialer. Nil policies are the defaults.
func NewDialer(server *Server, policy *dial.Policy, secrets *secret.Policy) *Dialer {
	return &Dialer{server: server, dialer: policy.Dialer(0), secrets: secrets}
}

// Dial connects by TCP, without encryption. The most bytes that are read of the
// connection are so many, until Conn.Renew.
func (d *Dialer) Dial(ctx context.Context, most int64) (*Conn, error) {
	conn, err := d.dialer.DialContext(ctx, "tcp", d.server.Address)
	if err != nil {
		return nil, err
	}
	c := &Conn{Conn: conn, most: most}
	c.Renew()
	return c, nil
}

// LocalError is a failure of the manager or the definition, and not of the server: a
// password or a certificate that cannot be read.
type LocalError struct{ Err error }

// Error implements error.
func (e *LocalError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LocalError) Unwrap() error { return e.Err }

// Config reads the files of TLS as far as they changed and returns a configuration. Its
// error is a *LocalError.
func (d *Dialer) Config() (*tls.Config, error) {
	config, err := d.files.Config(d.server.TLS, d.secrets, d.server.Host)
	if err != nil {
		return nil, &LocalError{err}
	}
	return config, nil
}

// Secure speaks TLS over a connection.
func (d *Dialer) Secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	config, err := d.Config()
	if err != nil {
		return nil, err
	}
	session := tls.Client(conn, config)
	if err := session.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, &answer.Fault{State: "tls", Err: fmt.Errorf("TLS: %w", err)}
	}
	return session, nil
}

// Password reads the password; it is empty when there is none. Its error is a *LocalError.
func (d *Dialer) Password() (string, error) {
	text, err := d.secrets.Read(d.server.Password)
	if err != nil {
		return "", &LocalError{fmt.Errorf("password: %w", err)}
	}
	d.password.Store(&text)
	return text, nil
}

// Hide takes the password out of a text: what a server answers may repeat it.
func (d *Dialer) Hide(text string) string {
	if p := d.password.Load(); p != nil && len(*p) >= leastSecret {
		return strings.ReplaceAll(text, *p, "[secret]")
	}
	return text
}

// HideError does the same with an error, which stays what it is.
func (d *Dialer) HideError(err error) error {
	if err == nil {
		return nil
	}
	text := d.Hide(err.Error())
	if text == err.Error() {
		return err
	}
	return &hidden{text: text, err: err}
}

// Finish adds up, state, error and duration to the result of a run, as answer.Add does,
// without the password. What it returns is what the run returns: a *LocalError is no
// finding about the server.
func (d *Dialer) Finish(ctx context.Context, r *probe.Result, start time.Time, err error) error {
	var local *LocalError
	if errors.As(err, &local) {
		return local
	}
	return answer.Add(ctx, r, start, d.HideError(err))
}

// hidden is an error whose text held the password.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.err }

// ErrTooMuch is what a Conn's reads end with when the server sends too much.
var ErrTooMuch = errors.New("the server sent too much")

// Conn is a connection of which only so much is read: client libraries take what a
// server says of the length of its answers at its word.
type Conn struct {
	net.Conn
	most int64
	left atomic.Int64
}

// Renew lets the connection read as much again: a run begins.
func (c *Conn) Renew() { c.left.Store(c.most) }

// Exceeded is the error of a connection that may not be read any more, else nil. Client
// libraries do not always tell why a connection broke.
func (c *Conn) Exceeded() error {
	if c.left.Load() > 0 {
		return nil
	}
	return fmt.Errorf("%w: more than %d bytes in one run", ErrTooMuch, c.most)
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.Exceeded(); err != nil {
		return 0, err
	}
	left := c.left.Load()
	n, err := c.Conn.Read(p[:min(int64(len(p)), left)])
	c.left.Add(-int64(n))
	return n, err
}
