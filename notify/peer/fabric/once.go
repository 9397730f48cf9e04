package fabric

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"

	"grove/notify/peer"
)

// AskOnce asks one question of a manager at an address, over a connection of its own that is
// closed afterwards: that is how a manager joins that has no certificate yet. The TLS
// configuration says whom it trusts, and what it shows of itself.
func (f *Fabric) AskOnce(ctx context.Context, address string, config *tls.Config, to peer.ID, kind string, body []byte) ([]byte, error) {
	if err := checkMessage(to, kind, body); err != nil {
		return nil, err
	}
	if _, err := parseAddress(address); err != nil {
		return nil, err
	}
	proxy, err := parseProxy(f.options.Proxy)
	if err != nil {
		return nil, err
	}
	s := &session{way: &way{f: f, kind: up, address: address, id: to}}
	s.ctx, s.end = context.WithCancelCause(ctx)
	defer s.close()
	defer context.AfterFunc(f.ctx, func() { s.end(errors.New("this manager stops")) })()
	options := append(secure(address, config), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			s.end(errors.New("the other side does not let this manager ask that"))
		}
	}))
	s.urgent, err = s.call(address, proxy, stallBulk, options...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, plain(err))
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askWait)
		defer cancel()
	}
	return s.ask(ctx, s.urgent, urgent, to, kind, body)
}

// plain says what went wrong with a connection, and what to look at.
func plain(err error) error {
	var timeout net.Error
	var name *net.DNSError
	var unknown x509.UnknownAuthorityError
	var alert tls.AlertError
	text := strings.TrimPrefix(err.Error(), "nats: ")
	switch {
	case errors.As(err, &name):
		return fmt.Errorf("the name %s cannot be resolved: %w", name.Name, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens there: %w", err)
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate that is shown there is of somebody else: %w", err)
	case errors.As(err, &alert), strings.Contains(text, "tls:"):
		return fmt.Errorf("TLS: %s", strings.TrimPrefix(text, "TLS error: "))
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return errors.New("the other side refuses this manager: its certificate or password is not good there")
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %s", text)
	}
	return errors.New(text)
}
