package channeltest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"grove/notify/channel"
)

// Canary is the value of a secret that Subject.Secrets does not list.
const Canary = "canary-8c1f-not-to-be-told"

// world is a World that watches.
type world struct {
	*channel.World
	t      *testing.T
	closed atomic.Bool // nothing may be reached

	mu      sync.Mutex
	log     bytes.Buffer
	secrets []string
}

// NewWorld returns a World that connects to everything, runs every program, and knows the
// secrets of the Subject.
func NewWorld(t *testing.T, s Subject) *channel.World { return newWorld(t, s).World }

func newWorld(t *testing.T, s Subject) *world {
	w := &world{t: t}
	w.World = &channel.World{
		Manager: "grove-test", Version: "1.0", URL: "https://grove.example",
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			w.reached("Dial")
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		Secret: func(ref string) (string, error) {
			w.reached("Secret")
			if CheckSecret(ref) != nil {
				t.Errorf("Secret is asked for %q, which is no reference", ref)
			}
			value, known := s.Secrets[ref]
			if !known {
				value = Canary
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.secrets = append(w.secrets, value)
			return value, nil
		},
		CheckSecret: CheckSecret,
		TLS: func(o channel.TLS, server string) (*tls.Config, error) {
			w.reached("TLS")
			return TLS(o, server)
		},
		Run: func(ctx context.Context, program string, args, env []string) ([]byte, int, error) {
			w.reached("Run")
			return run(ctx, program, args, env)
		},
		Log: slog.New(slog.NewTextHandler(&locked{w: w}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if s.World != nil {
		s.World(w.World)
	}
	return w
}

func (w *world) reached(what string) {
	if w.closed.Load() {
		w.t.Errorf("New uses %s: it may do no I/O, since options are also checked where nothing is sent", what)
	}
}

// secretsIn complains about secrets that were asked for and stand in a text.
func (w *world) secretsIn(text, where string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secret := range w.secrets {
		if strings.Contains(text, secret) {
			w.t.Errorf("a secret stands in %s: %s", where, text)
		}
		// Of an address that is a secret its path is.
		if u, err := url.Parse(secret); err == nil && len(u.Path) > 8 && u.Host != "" && strings.Contains(text, u.Path) {
			w.t.Errorf("the path of a secret address stands in %s: %s", where, text)
		}
	}
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// locked writes into the log of a world.
type locked struct{ w *world }

func (l *locked) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(p)
}

// CheckSecret says whether a text is a reference to a secret.
func CheckSecret(ref string) error {
	for _, prefix := range []string{"file:/", "env:", "credential:"} {
		if rest, ok := strings.CutPrefix(ref, prefix); ok && rest != "" {
			return nil
		}
	}
	return errors.New("is no reference to a secret: file:/path, env:NAME or credential:NAME")
}

// TLS makes a configuration of the files that options name.
func TLS(o channel.TLS, server string) (*tls.Config, error) {
	config := &tls.Config{ServerName: server, InsecureSkipVerify: o.Insecure, MinVersion: tls.VersionTLS12}
	if o.ServerName != "" {
		config.ServerName = o.ServerName
	}
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate", o.CA)
		}
	}
	if o.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(o.Certificate, o.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// run runs a program as the manager would, but for its bounds.
func run(ctx context.Context, program string, args, env []string) ([]byte, int, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return out, -1, ctx.Err()
	case errors.As(err, &exit):
		return out, exit.ExitCode(), nil
	case err != nil:
		return out, -1, err
	}
	return out, 0, nil
}
