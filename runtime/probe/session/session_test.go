package session_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
	"grove/runtime/probe/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEncryption(t *testing.T) {
	insecure := secure.Options{Insecure: true}
	for _, tt := range []struct {
		name, address, encryption string
		tls                       secure.Options
		want                      string
	}{
		{"this machine", "127.0.0.1:1", "", secure.Options{}, "none"},
		{"this machine by name", "LocalHost:1", "", secure.Options{}, "none"},
		{"this machine by IPv6", "[::1]:1", "", secure.Options{}, "none"},
		{"this machine with options of TLS", "127.0.0.1:1", "", insecure, "tls"},
		{"another", "db1:1", "", secure.Options{}, "tls"},
		{"another in the clear", "db1:1", "none", secure.Options{}, "none"},
		{"as it says", "localhost:1", "starttls", secure.Options{}, "starttls"},
	} {
		s, err := session.Options{Address: tt.address, Encryption: tt.encryption, TLS: tt.tls}.Check(session.TLS, session.StartTLS)
		if err != nil || s.Encryption != tt.want {
			t.Errorf("%s: %v, %v, want %s", tt.name, s, err, tt.want)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		options session.Options
		want    string
	}{
		"address":    {session.Options{Address: "db1"}, `address: "db1": is not a host and a port, such as db1:5432 or [2001:db8::1]:22`},
		"encryption": {session.Options{Address: "a:1", Encryption: "yes"}, `encryption: "yes" is none of none, tls`},
		"tls":        {session.Options{Address: "a:1", Encryption: "none", TLS: secure.Options{Insecure: true}}, "tls: is of no use with encryption: none"},
		"file":       {session.Options{Address: "a:1", TLS: secure.Options{CA: "x"}}, `tls.ca: "x" is not an absolute path without detours`},
		"user":       {session.Options{Address: "a:1", User: strings.Repeat("u", 1001)}, "user: has more than 1000 bytes, or a NUL"},
		"password":   {session.Options{Address: "a:1", Password: "guess"}, "password: " + secret.Ref("guess").Check().Error()},
	} {
		_, err := tt.options.Check(session.TLS)
		var bad *probe.OptionError
		if !errors.As(err, &bad) || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

func dialer(t *testing.T, o session.Options, policy *dial.Policy) *session.Dialer {
	t.Helper()
	s, err := o.Check(session.TLS)
	if err != nil {
		t.Fatal(err)
	}
	return session.NewDialer(s, policy, nil)
}

// listen says a text to everyone who connects.
func listen(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String()
}

func TestReadsAreBounded(t *testing.T) {
	address := listen(t, "0123456789")
	c, err := dialer(t, session.Options{Address: address}, nil).Dial(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := io.ReadAll(c)
	if string(got) != "0123" || !errors.Is(err, session.ErrTooMuch) || err.Error() != "the server sent too much: more than 4 bytes in one run" {
		t.Errorf("%q, %v", got, err)
	}
	c.Renew()
	if c.Exceeded() != nil {
		t.Error("a new run has no bytes")
	}
	got, err = io.ReadAll(c)
	if string(got) != "4567" || !errors.Is(err, session.ErrTooMuch) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNoTLS(t *testing.T) {
	d := dialer(t, session.Options{Address: listen(t, "220 this is no TLS at all\r\n"), Encryption: "tls"}, nil)
	c, err := d.Dial(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := d.Secure(context.Background(), c); answer.State(err) != "tls" {
		t.Errorf("got %v", err)
	}
}

func TestPolicy(t *testing.T) {
	policy, err := dial.ParsePolicy([]string{"!loopback"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dialer(t, session.Options{Address: "127.0.0.1:1"}, policy).Dial(t.Context(), 1); !errors.Is(err, dial.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestHide(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(file, []byte("hunter22\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := dialer(t, session.Options{Address: "localhost:1", Password: secret.Ref("file:" + file)}, nil)
	plain := errors.New("nothing to hide")
	if got := d.HideError(plain); !errors.Is(got, plain) || got.Error() != plain.Error() || d.HideError(nil) != nil {
		t.Error("an error is changed")
	}
	if p, err := d.Password(); err != nil || p != "hunter22" {
		t.Fatalf("%q, %v", p, err)
	}
	inner := errors.New("no hunter22 here")
	if err := d.HideError(inner); err.Error() != "no [secret] here" || !errors.Is(err, inner) {
		t.Errorf("got %v", err)
	}
}
