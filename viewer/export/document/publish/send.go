package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// refusal is an answer that is no success.
type refusal struct {
	status int
	after  time.Duration // when it may be tried again, as the answer says; 0: it does not
	to     string        // host of a redirect
}

// Error implements error.
func (r *refusal) Error() string {
	text := fmt.Sprintf("it answers %d %s", r.status, http.StatusText(r.status))
	if r.to != "" {
		text += ", a redirect to " + r.to + ", which is not followed: name that address"
	}
	return text
}

// passing says whether the same request may succeed later.
func (r *refusal) passing() bool {
	switch r.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return r.status >= 500 && r.status != http.StatusNotImplemented && r.status != http.StatusHTTPVersionNotSupported
}

// send makes one request.
func (p *Publisher) send(ctx context.Context, o *Options, m *Made) error {
	t := &o.To
	ctx, cancel := context.WithTimeout(ctx, orDuration(t.Timeout, DefaultTimeout))
	defer cancel()
	// Many receivers want to know the length beforehand.
	var length counter
	if err := m.Write(&length); err != nil {
		return err
	}
	method := t.Method
	if method == "" {
		method = http.MethodPut
	}
	body, write := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, method, t.URL, body)
	if err != nil {
		return errors.New("the address is malformed")
	}
	if err := p.headers(r, t); err != nil {
		return err
	}
	r.ContentLength = int64(length)
	r.Header.Set("Content-Type", m.Type)
	written := make(chan struct{})
	go func() {
		defer close(written)
		_ = write.CloseWithError(m.Write(write)) // It returns nil.
	}()
	answer, err := p.client.Do(r)
	// The transport closes the body in time; whoever writes hears of it at the next write.
	_ = body.Close()
	<-written
	if err != nil {
		return withoutAddress(err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10) // So that the connection can be used again.
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return nil
	}
	bad := &refusal{status: answer.StatusCode}
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		bad.after = time.Duration(min(seconds, int(maxWait/time.Second))) * time.Second
	}
	if answer.StatusCode >= 300 && answer.StatusCode < 400 {
		if to, err := answer.Location(); err == nil {
			bad.to = to.Scheme + "://" + to.Host
		}
	}
	return bad
}

type counter int64

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// headers fills in what is configured, with the secrets as they are now.
func (p *Publisher) headers(r *http.Request, t *Target) error {
	r.Header.Set("User-Agent", "grove/"+p.config.Version)
	for name, value := range t.Headers {
		r.Header.Set(name, value)
	}
	secret := func(key, reference string) (string, error) {
		if p.config.Secret == nil {
			return "", fmt.Errorf("%s: no secrets can be read", key)
		}
		text, err := p.config.Secret(reference)
		if err != nil {
			return "", fmt.Errorf("%s: %w", key, err)
		}
		return text, nil
	}
	for name, reference := range t.SecretHeaders {
		text, err := secret("to.secret_headers", reference)
		if err != nil {
			return err
		}
		r.Header.Set(name, text)
	}
	switch {
	case t.Basic != nil:
		text, err := secret("to.basic.password", t.Basic.Password)
		if err != nil {
			return err
		}
		r.SetBasicAuth(t.Basic.User, text)
	case t.Bearer != "":
		text, err := secret("to.bearer", t.Bearer)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+text)
	}
	for _, values := range r.Header {
		for _, v := range values {
			for i := range len(v) {
				if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
					return errors.New("a secret has a control character or a line end in it") // The transport would repeat it.
				}
			}
		}
	}
	return nil
}

// withoutAddress takes the address out of an error, since a token may stand in it.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// maxWait bounds the time between two tries.
const maxWait = 5 * time.Minute

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
