package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Headers of remote write (prometheus.io/docs/specs/prw/remote_write_spec, "Protocol",
// and remote_write_spec_2_0).
const (
	versionHeader = "X-Prometheus-Remote-Write-Version"
	writtenHeader = "X-Prometheus-Remote-Write-Samples-Written"
)

// Bounds of what a store may answer to a write.
const (
	maxAnswer     = 4 << 10 // bytes that are read of an answer's body
	maxRetryAfter = 10 * time.Minute
	maxCA         = 1 << 20 // bytes of a file of authorities
)

// transport returns how a store is reached, without what says who asks.
func (a *Access) transport() (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    maxParallel,
		IdleConnTimeout:        90 * time.Second,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 64 << 10,
	}
	if a.TLS.CA == "" {
		return t, nil
	}
	info, err := os.Stat(a.TLS.CA)
	if err == nil && info.Size() > maxCA {
		err = fmt.Errorf("it has %d bytes, and %d is the bound", info.Size(), maxCA)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(a.TLS.CA)
	}
	if err != nil {
		return nil, &KeyError{"tls.ca", err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, &KeyError{"tls.ca", fmt.Errorf("%s holds no certificate", a.TLS.CA)}
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// secrets reads what a reference stands for.
type secrets func(ref string) (string, error)

// authorize says in a request who asks. A secret is read for each request and not
// kept, so that changing it needs no restart.
func (a *Access) authorize(r *http.Request, read secrets) error {
	ref, key := a.Bearer, "bearer"
	if a.Basic.User != "" {
		ref, key = a.Basic.Password, "basic.password"
	}
	value := ""
	if ref != "" {
		if read == nil {
			return &KeyError{key, errors.New("nothing reads secrets here")}
		}
		var err error
		if value, err = read(ref); err != nil {
			return &KeyError{key, err}
		}
	}
	switch {
	case a.Basic.User != "":
		r.SetBasicAuth(a.Basic.User, value)
	case value != "":
		r.Header.Set("Authorization", "Bearer "+value)
	}
	return nil
}

// stay keeps a client from following redirects: the credentials and the samples are
// for the address that was configured.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// sender posts requests of remote write.
type sender struct {
	target Target
	client *http.Client
	read   secrets
	agent  string
}

func newSender(t Target, read secrets, agent string) (*sender, error) {
	transport, err := t.Access.transport()
	if err != nil {
		return nil, err
	}
	return &sender{target: t, read: read, agent: agent, client: &http.Client{Transport: transport, CheckRedirect: stay, Timeout: t.Timeout}}, nil
}

func (s *sender) close() { s.client.CloseIdleConnections() }

// verdict is what became of a request.
type verdict int

const (
	accepted verdict = iota
	refused          // for what is in it: sent again, it will be refused again
	later            // for reasons that pass: to be sent again
	mistaken         // for what an operator has to put right: to be sent again
)

// outcome is the answer to a request.
type outcome struct {
	verdict verdict
	written int           // samples that a refusing store took nevertheless; -1: it does not say
	after   time.Duration // that the store asks to wait; 0: it does not say
	err     error         // what is wrong, unless accepted
}

// post sends one request, compressed with snappy's block format.
func (s *sender) post(ctx context.Context, body []byte, attempt int) outcome {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.target.URL, bytes.NewReader(body))
	if err != nil {
		return outcome{verdict: mistaken, err: err}
	}
	for name, value := range s.target.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("User-Agent", s.agent)
	if s.target.Version == 2 {
		r.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
		r.Header.Set(versionHeader, "2.0.0")
	} else {
		r.Header.Set("Content-Type", "application/x-protobuf")
		r.Header.Set(versionHeader, "0.1.0")
	}
	if attempt > 0 {
		r.Header.Set("Retry-Attempt", strconv.Itoa(attempt))
	}
	if err := s.target.authorize(r, s.read); err != nil {
		return outcome{verdict: mistaken, err: err}
	}
	res, err := s.client.Do(r)
	if err != nil {
		return outcome{verdict: later, err: err}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // It only explains.
	return s.judge(res, strings.TrimSpace(string(text)))
}

// judge reads an answer.
func (s *sender) judge(res *http.Response, text string) outcome {
	o := outcome{written: -1}
	if n, err := strconv.Atoi(res.Header.Get(writtenHeader)); err == nil && n >= 0 {
		o.written = n
	}
	code := res.StatusCode
	if code/100 == 2 {
		if s.target.Version == 2 && o.written < 0 {
			// Who does not know 2.0 may take the request for an empty one of 1.0 (2.0,
			// "Required Written Response Headers").
			o.verdict = mistaken
			o.err = errors.New("the store does not say what it wrote, so it does not speak remote write 2.0: set version: 1")
		}
		return o
	}
	o.err = fmt.Errorf("the store answers %q", clip(strings.TrimSpace(res.Status+" "+clip(text))))
	switch {
	case code/100 == 5 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		o.verdict = later
		o.after = retryAfter(res.Header.Get("Retry-After"), time.Now())
	case code/100 == 3:
		o.verdict = mistaken
		o.err = fmt.Errorf("%w: redirects are not followed: give the address that it names", o.err)
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusMethodNotAllowed,
		code == http.StatusProxyAuthRequired, code == http.StatusUnsupportedMediaType:
		o.verdict = mistaken
	default:
		o.verdict = refused
	}
	return o
}

// retryAfter reads the header (RFC 9110, 10.2.3): seconds or a time.
func retryAfter(text string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.Atoi(text); err == nil {
		d = time.Duration(min(max(n, 0), int(maxRetryAfter/time.Second))) * time.Second
	} else if t, err := http.ParseTime(text); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
