// Package answer is what probes of services have in common to say of an answer: whether
// it came, how long it took and, when it did not come, what went wrong.
package answer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/tree"
)

// Attributes describes what Add yields. States are those that the kind has beside the
// common ones, as its Faults name them.
func Attributes(states ...string) []beans.AttributeInfo {
	common := append([]string{"up", "refused", "timeout", "unresolved", "unreachable", "closed", "tls"}, states...)
	return []beans.AttributeInfo{
		{Name: "up", Type: beans.TypeBool, Readable: true, Description: "1 when everything that was asked for worked."},
		{Name: "state", Type: beans.TypeString, Readable: true, Description: strings.Join(common, ", ") + " or failed."},
		{Name: "error", Type: beans.TypeString, Readable: true, Description: "What went wrong; empty when nothing did."},
		{Name: "duration", Type: beans.TypeFloat, Unit: "s", Readable: true, Description: "From the beginning to the end of the answer."},
	}
}

// Fault is a finding that has a state of its own.
type Fault struct {
	State string // one word
	Err   error
}

// Error implements error.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Add adds up, state, error and, after a success, duration to the result of a run that
// began at start and ended, just now, with err. What it returns is what the run returns
// beside the result: nil when the resource is up or down, and the error when the run
// could not find that out, since the policy refused the address or the run was cancelled.
func Add(ctx context.Context, r *probe.Result, start time.Time, err error) error {
	var denied *dial.DeniedError
	switch {
	case errors.As(err, &denied):
		return denied
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	r.Add("up", tree.Bool(err == nil))
	r.Text("state", State(err))
	text := ""
	if err != nil {
		text = strings.ToValidUTF8(err.Error(), "�")
	}
	r.Text("error", text)
	if err == nil {
		r.Number("duration", time.Since(start).Seconds())
	}
	return nil
}

// State sorts errors into what people ask first; nil is "up".
func State(err error) string {
	var fault *Fault
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case err == nil:
		return "up"
	case errors.As(err, &fault):
		return fault.State
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "timeout"
	case errors.As(err, &dns):
		if dns.IsTimeout {
			return "timeout"
		}
		return "unresolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case isTLS(err):
		return "tls"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "failed"
}

// isTLS says whether an error is about a certificate or a handshake.
func isTLS(err error) bool {
	var (
		record    tls.RecordHeaderError
		alert     tls.AlertError
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &verify) ||
		errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}
