package fabric

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"grove/notify/peer"
)

// onceTries is how often a connection for one question is begun.
const onceTries = 6

// AskOnce asks one question of a manager at an address, over a connection of its own that is
// closed afterwards: that is how a manager joins that has no certificate yet. The TLS
// configuration says whom it trusts, and what it shows of itself. A connection that fails
// since one of the two has no time is begun again; what was asked is not asked again.
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
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, dialWithin+askWait)
		defer cancel()
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(f.ctx, func() { end(errors.New("this manager stops")) })()
	s, err := f.callOnce(ctx, address, config, to, proxy)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.ask(ctx, s.urgent, urgent, to, kind, body)
}

// callOnce opens a session of one connection, again and again while it pays.
func (f *Fabric) callOnce(ctx context.Context, address string, config *tls.Config, to peer.ID, proxy *url.URL) (*session, error) {
	retry := retryFirst
	for try := 1; ; try++ {
		s := &session{way: &way{f: f, kind: up, address: address, id: to}}
		s.ctx, s.end = context.WithCancelCause(ctx)
		options := append(secure(address, config), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				s.end(errors.New("the other side does not let this manager ask that"))
			}
		}))
		var err error
		if s.urgent, err = s.call(address, proxy, stallBulk, options...); err == nil {
			return s, nil
		}
		s.close()
		switch {
		case refused(err):
			return nil, peer.Refuse(peer.Refused, "%s: %v", address, plain(err))
		case !hasty(err):
			return nil, fmt.Errorf("%s: %w", address, plain(err))
		case try == onceTries:
			return nil, fmt.Errorf("%s: %d times: %w", address, try, plain(err))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w: %w", address, context.Cause(ctx), plain(err))
		case <-time.After(retry - rand.N(retry/2)):
		}
		retry = min(2*retry, retryMost)
	}
}

// hasty says whether a connection failed as one does when somebody listens who, or who calls
// whom, has no time at the moment: the next one may do.
func hasty(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return false // Nobody listens, or the network does not lead there.
	}
	var timeout net.Error
	text := strings.ToLower(err.Error())
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || // It ends what takes it too long.
		errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrStaleConnection) || strings.Contains(text, "authentication timeout") ||
		strings.Contains(text, "expected 'pong'") // A ping of the other side came before its answer.
}

// refused says whether the other side does not let this manager in.
func refused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked)
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
	case refused(err):
		return errors.New("the other side refuses this manager: its certificate or password is not good there")
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %s", text)
	}
	return errors.New(text)
}
