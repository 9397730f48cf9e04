// Package ssh speaks to SSH servers: [Client] is a connection that is kept for the kinds
// which run programs and read files over SSH, and the kind "ssh" looks at a server itself.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
)

// Client keeps a connection to a server and makes a new one when it broke. It is used by
// one goroutine at a time, as a probe is; Close may be called beside it.
type Client struct {
	target  *Target
	dialer  *net.Dialer
	secrets *secret.Policy

	mu   sync.Mutex // guards what follows
	conn *ssh.Client
}

// NewClient returns a client that connects when it is needed. Nil policies are the
// defaults.
func NewClient(t *Target, policy *dial.Policy, secrets *secret.Policy) *Client {
	return &Client{target: t, dialer: policy.Dialer(0), secrets: secrets}
}

// Close ends the connection and waits for what belongs to it.
func (c *Client) Close() error {
	c.mu.Lock()
	conn := c.conn
	c.conn = nil
	c.mu.Unlock()
	if conn == nil {
		return nil
	}
	return end(conn)
}

func end(conn *ssh.Client) error {
	err := conn.Close()
	_ = conn.Wait() // says why it ended, which is that it was closed
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Use calls do with a connection that stands. One that was kept may have broken without
// notice: when do fails with it, and the context has not ended, it is called once more
// with a new one. The connection is closed when the context ends before do returns, since
// its methods know no context.
func (c *Client) Use(ctx context.Context, do func(*ssh.Client) error) error {
	c.mu.Lock()
	kept := c.conn
	c.mu.Unlock()
	if kept != nil {
		err := c.with(ctx, kept, do)
		if err == nil || ctx.Err() != nil || !broken(err) {
			return err
		}
	}
	conn, _, err := connect(ctx, c.dialer, c.target, c.secrets)
	if err != nil {
		return err
	}
	c.mu.Lock()
	before := c.conn
	c.conn = conn
	c.mu.Unlock()
	if before != nil {
		_ = end(before) // it was broken, or another run made it
	}
	return c.with(ctx, conn, do)
}

// with calls do, and forgets the connection when it broke.
func (c *Client) with(ctx context.Context, conn *ssh.Client, do func(*ssh.Client) error) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err := do(conn)
	if !stop() {
		err = errors.Join(context.Cause(ctx), err)
	} else if !broken(err) {
		return err
	}
	c.mu.Lock()
	if c.conn == conn {
		c.conn = nil
	}
	c.mu.Unlock()
	_ = end(conn)
	return err
}

// Broken is wrapped around errors that say that the connection itself is of no use.
type Broken struct{ Err error }

// Error implements error.
func (b *Broken) Error() string { return b.Err.Error() }

// Unwrap returns the cause.
func (b *Broken) Unwrap() error { return b.Err }

func broken(err error) bool {
	var b *Broken
	return errors.As(err, &b)
}

// found is what a handshake told.
type found struct {
	connected time.Duration
	start     []byte // the first bytes that the server sent
	key       ssh.PublicKey
	login     bool
}

// connect makes a connection and, where there is a user, logs in. It tries the kinds of
// host keys one after the other where it is not known of which kind the right one is.
func connect(ctx context.Context, dialer *net.Dialer, t *Target, secrets *secret.Policy) (*ssh.Client, *found, error) {
	want, err := expect(t, secrets)
	if err != nil {
		return nil, nil, err
	}
	var shown *found // with another key than the right one
	var wrong error
	for _, algorithms := range want.algorithms() {
		conn, f, err := handshake(ctx, dialer, t, secrets, want, algorithms)
		var fault *answer.Fault
		switch {
		case err == nil || !errors.As(err, &fault):
			return conn, f, err
		case fault.State == "host_key":
			shown, wrong = f, err
		case fault.State != "algorithms":
			return nil, f, err
		case wrong == nil:
			shown, wrong = f, err
		}
	}
	return nil, shown, wrong
}

// errSeen ends a handshake in which nobody logs in as soon as the host key was shown.
var errSeen = errors.New("the host key was seen")

func handshake(ctx context.Context, dialer *net.Dialer, t *Target, secrets *secret.Policy, want *expected, algorithms []string) (*ssh.Client, *found, error) {
	f := &found{}
	methods, done, err := t.methods(ctx, secrets)
	if err != nil {
		return nil, f, err
	}
	defer done()
	start := time.Now()
	raw, err := dialer.DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return nil, f, err
	}
	f.connected = time.Since(start)
	heard := &listener{Conn: raw}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	conn, channels, requests, err := ssh.NewClientConn(heard, t.Address, &ssh.ClientConfig{
		User: t.User, Auth: methods, HostKeyAlgorithms: algorithms, ClientVersion: "SSH-2.0-Grove",
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			f.key = key
			if err := want.check(key); err != nil || t.User != "" {
				return err
			}
			return errSeen
		},
		BannerCallback: ssh.BannerCallback(func(string) error { return nil }),
	})
	ended := !stop()
	f.start = heard.heard()
	switch {
	case ended && conn != nil:
		return nil, f, errors.Join(context.Cause(ctx), conn.Close())
	case ended:
		return nil, f, errors.Join(context.Cause(ctx), raw.Close())
	case err != nil:
		_ = raw.Close() // NewClientConn has done so
		return nil, f, sorted(err, f)
	}
	f.login = true
	return ssh.NewClient(conn, channels, requests), f, nil
}

// sorted gives an error of a handshake its state.
func sorted(err error, f *found) error {
	var fault *answer.Fault
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.Is(err, errSeen):
		return errSeen
	}
	if f.key != nil && strings.Contains(err.Error(), "unable to authenticate") {
		return &answer.Fault{State: "login", Err: errors.New(strings.TrimPrefix(err.Error(), "ssh: handshake failed: "))}
	}
	var none *ssh.AlgorithmNegotiationError
	if errors.As(err, &none) {
		return &answer.Fault{State: "algorithms", Err: err}
	}
	return err
}

// methods reads the secrets with which somebody logs in; done lets go of the agent.
func (t *Target) methods(ctx context.Context, secrets *secret.Policy) (methods []ssh.AuthMethod, done func(), err error) {
	done = func() {}
	if t.Key != "" {
		signer, err := t.signer(secrets)
		if err != nil {
			return nil, done, err
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if t.Agent != "" {
		socket, err := secrets.Read(t.Agent)
		if err != nil {
			return nil, done, fmt.Errorf("agent: %w", err)
		}
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			// Without the path, since it may be any secret that the reference names.
			var at *net.OpError
			if errors.As(err, &at) {
				err = at.Err
			}
			return nil, done, fmt.Errorf("agent: connect to the socket that %s names: %w", t.Agent, err)
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		done = func() { stop(); _ = conn.Close() }
		methods = append(methods, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	if t.Password != "" {
		password, err := secrets.Read(t.Password)
		if err != nil {
			return nil, done, fmt.Errorf("password: %w", err)
		}
		methods = append(methods, ssh.Password(password), ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range answers {
				if !echos[i] {
					answers[i] = password
				}
			}
			return answers, nil
		}))
	}
	return methods, done, nil
}

// signer reads the private key. Its errors do not hold it.
func (t *Target) signer(secrets *secret.Policy) (ssh.Signer, error) {
	key, err := secrets.Read(t.Key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	key += "\n"
	if t.Passphrase == "" {
		signer, err := ssh.ParsePrivateKey([]byte(key))
		var missing *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &missing):
			return nil, fmt.Errorf("key: %s is encrypted: give its passphrase", t.Key)
		case err != nil:
			return nil, fmt.Errorf("key: %s is not a private key that can be used", t.Key)
		}
		return signer, nil
	}
	passphrase, err := secrets.Read(t.Passphrase)
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	signer, err := ssh.ParsePrivateKeyWithPassphrase([]byte(key), []byte(passphrase))
	if err != nil {
		return nil, fmt.Errorf("key: %s is not a private key that the passphrase opens", t.Key)
	}
	return signer, nil
}

// listener keeps what comes first: the version and the offers, which are not encrypted.
type listener struct {
	net.Conn

	mu    sync.Mutex // guards what follows: the connection is read until it is closed
	start []byte
	deaf  bool
}

// maxStart is enough for the version of a server, the lines before it, and its offers.
const maxStart = 16 << 10

// Read implements net.Conn.
func (l *listener) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	if room := maxStart - len(l.start); room > 0 && !l.deaf {
		l.start = append(l.start, p[:min(n, room)]...)
	}
	return n, err
}

// heard returns what came first, and keeps it no longer.
func (l *listener) heard() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := l.start
	l.start, l.deaf = nil, true
	return start
}
