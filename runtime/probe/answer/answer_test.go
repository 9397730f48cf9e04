package answer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
)

func TestState(t *testing.T) {
	for _, tt := range []struct {
		want string
		err  error
	}{
		{"up", nil},
		{"mismatch", fmt.Errorf("asked: %w", &answer.Fault{State: "mismatch", Err: errors.New("other")})},
		{"timeout", context.DeadlineExceeded},
		{"timeout", os.ErrDeadlineExceeded},
		{"timeout", &net.DNSError{IsTimeout: true}},
		{"unresolved", &net.DNSError{IsNotFound: true}},
		{"refused", syscall.ECONNREFUSED},
		{"unreachable", syscall.EHOSTUNREACH},
		{"closed", syscall.ECONNRESET},
		{"closed", io.EOF},
		{"tls", tls.RecordHeaderError{}},
		{"tls", &tls.CertificateVerificationError{Err: io.EOF}},
		{"tls", x509.UnknownAuthorityError{}},
		{"failed", errors.New("odd")},
	} {
		if got := answer.State(tt.err); got != tt.want {
			t.Errorf("%T %v is %s, want %s", tt.err, tt.err, got, tt.want)
		}
	}
}

func TestAdd(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		want map[string]string
		fail bool
	}{
		{"up", t.Context(), nil, map[string]string{"up": "1", "state": "up", "error": ""}, false},
		{"down", t.Context(), syscall.ECONNREFUSED, map[string]string{"up": "0", "state": "refused", "error": "connection refused"}, false},
		{"an error that is no text", t.Context(), errors.New("a\xffb"), map[string]string{"up": "0", "state": "failed", "error": "a�b"}, false},
		{"the policy says no", t.Context(), fmt.Errorf("dial: %w", &dial.DeniedError{Rule: "no"}), map[string]string{}, true},
		{"cancelled", ended, io.EOF, map[string]string{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r probe.Result
			err := answer.Add(tt.ctx, &r, time.Now(), tt.err)
			if (err != nil) != tt.fail {
				t.Errorf("error %v, want one: %v", err, tt.fail)
			}
			got, timed := map[string]string{}, false
			for _, v := range r.Values {
				if v.Attribute == "duration" {
					timed = true
					continue
				}
				got[v.Attribute] = v.Value.String()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if timed != (tt.err == nil) {
				t.Errorf("duration is there: %v", timed)
			}
		})
	}
}
