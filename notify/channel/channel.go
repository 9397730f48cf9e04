// Package channel is the contract of channels: the ways in which grove tells people and
// systems of alerts. Each kind has a folder below and a line in the folder builtin.
package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Channel delivers messages in one way to one place, as its options say. Send is called
// from one goroutine at a time; Close comes last and waits for what the channel started.
type Channel interface {
	// Send delivers one message and returns once the other side has accepted it. It ends
	// with ctx. An error that Permanent made says that trying again is of no use, one of
	// RetryAfter when to try again; after any other error it is tried again with growing
	// pauses. A message whose delivery failed midway is delivered again with the same Key.
	Send(ctx context.Context, m *Message) error
	Close() error
}

// Kind is a kind of channel.
type Kind struct {
	Name string // as configurations have it: "mail"
	// Doc says in Markdown what it does, every option, and how to prepare the other side;
	// Example is a YAML mapping of options that works once its values are adapted.
	Doc, Example string
	// Options returns a pointer to a struct of options with their defaults; its fields have
	// yaml tags, and jsonschema tags with a description.
	Options func() any
	// New checks such options and makes a channel; it does no I/O. Its errors about an
	// option are made by BadOption.
	New func(w *World, options any) (Channel, error)
}

// World is what surrounds a channel: everything it reaches goes through here, where the
// operator's rules are.
type World struct {
	Manager string // name of this manager
	Version string
	// URL is where people find this manager's page, without a slash at the end; empty: nobody said.
	URL string
	// Dial connects; it refuses what the operator does not allow.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Secret reads what a reference refers to: "file:/path", "env:NAME", "credential:NAME". It
	// is called at each use. CheckSecret says whether a text is a reference at all.
	Secret      func(ref string) (string, error)
	CheckSecret func(ref string) error
	// TLS makes the configuration for a server of that name; the files are read again when they
	// changed. The zero TLS trusts the system's authorities.
	TLS func(o TLS, server string) (*tls.Config, error)
	// Run runs a program without a shell, with bounds and only if the operator allows it. Env
	// has name=value.
	Run func(ctx context.Context, program string, args, env []string) (output []byte, status int, err error)
	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // never nil
}

// TLS are the options of a connection over TLS, the same in every kind.
type TLS struct {
	CA          string `yaml:"ca,omitempty" jsonschema:"description=File of the certificate authorities to trust in place of the system's (PEM)."`
	ServerName  string `yaml:"server_name,omitempty" jsonschema:"description=Name that the certificate must be for; the host that is asked when empty."`
	Insecure    bool   `yaml:"insecure,omitempty" jsonschema:"description=Take any certificate\\, also an expired or foreign one."`
	Certificate string `yaml:"certificate,omitempty" jsonschema:"description=File of the certificate to present (PEM)."`
	Key         string `yaml:"key,omitempty" jsonschema:"description=File of the key of that certificate (PEM)."`
}

// Client returns an HTTP client that connects by the rules of the World, follows no
// redirect, and needs to be closed by its CloseIdleConnections. It fails only when it is used.
func (w *World) Client(o TLS, timeout time.Duration) *http.Client {
	transport := &http.Transport{
		DialContext:         w.Dial,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
	transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config, err := w.TLS(o, host)
		if err != nil {
			return nil, err
		}
		plain, err := w.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		config.NextProtos = []string{"http/1.1"}
		secure := tls.Client(plain, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, plain.Close())
		}
		return secure, nil
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Time is the time by the clock of the World.
func (w *World) Time() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}
