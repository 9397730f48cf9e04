// Package post is what channels to services with an HTTP API share: one request with JSON
// and its answer, what of a failure is worth another try, and how texts are cut to what a
// service takes.
package post

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"grove/notify/channel"
	"grove/notify/template"
)

// KindOf makes a kind of the files doc.md and example.yaml, the defaults of its options, and
// what makes a channel.
func KindOf[O any](name string, files embed.FS, defaults func() *O, open func(*channel.World, *O) (channel.Channel, error)) channel.Kind {
	read := func(file string) string {
		text, _ := files.ReadFile(file) // The suite of every kind holds that it is there.
		return string(text)
	}
	return channel.Kind{
		Name: name, Doc: read("doc.md"), Example: read("example.yaml"),
		Options: func() any { return defaults() },
		New: func(w *channel.World, options any) (channel.Channel, error) {
			o, ok := options.(*O)
			if !ok {
				return nil, fmt.Errorf("options of the kind %s are no %T", name, options)
			}
			return open(w, o)
		},
	}
}

// Options are those of every kind; kinds inline them.
type Options struct {
	template.Options `yaml:",inline"`

	TLS     channel.TLS   `yaml:"tls,omitempty" jsonschema:"description=How to verify the service over TLS\\, and grove's certificate: ca\\, server_name\\, insecure\\, certificate\\, key."`
	Timeout time.Duration `yaml:"timeout,omitempty" jsonschema:"description=How long a request may take.,default=30s"`
}

// Defaults are the options where nothing else is said.
func Defaults() Options { return Options{Timeout: 30 * time.Second} }

// MaxTimeout bounds Options.Timeout.
const MaxTimeout = 5 * time.Minute

// maxAnswer bounds how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// Client asks one service for one channel, and has its wording. It is used from one
// goroutine at a time.
type Client struct {
	template.Wording

	w    *channel.World
	http *http.Client
}

// New checks the options and makes a client, which does no I/O before it is used. The
// checks are what a kind found of its own options: the first error counts.
func New(w *channel.World, o Options, checks ...error) (*Client, error) {
	for _, err := range checks {
		if err != nil {
			return nil, err
		}
	}
	if o.Timeout <= 0 || o.Timeout > MaxTimeout {
		return nil, channel.BadOption("timeout", "%v is not within 0 and %v", o.Timeout, MaxTimeout)
	}
	if (o.TLS.Certificate == "") != (o.TLS.Key == "") {
		return nil, channel.BadOption("tls.key", "a certificate and its key come together")
	}
	words, err := o.Options.New()
	if err != nil {
		return nil, err
	}
	return &Client{words, w, w.Client(o.TLS, o.Timeout)}, nil
}

// Close closes the connections that wait for another request.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// CheckURL says whether an option is the address of a service, which is no secret.
func CheckURL(option, address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return channel.BadOption(option, "%q is no address of the form https://host/path", address)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return channel.BadOption(option, "an address without user, query and fragment is wanted")
	}
	return nil
}

// CheckSecret says whether an option that must be there is a reference to a secret.
func CheckSecret(w *channel.World, option, reference string) error {
	if reference == "" {
		return channel.BadOption(option, "it is missing: a reference file:/path, env:NAME or credential:NAME")
	}
	if err := w.CheckSecret(reference); err != nil {
		return channel.BadOption(option, "%w", err)
	}
	return nil
}

// CheckLength says whether an option has so many entries at most.
func CheckLength(option string, have, most int) error {
	if have > most {
		return channel.BadOption(option, "%d are more than %d", have, most)
	}
	return nil
}

// Secret reads what an option refers to: one line without blanks around it. An error is
// worth another try, since somebody may mend what is missing.
func (c *Client) Secret(option, reference string) (string, error) {
	text, err := c.w.Secret(reference)
	text = strings.TrimSpace(text)
	switch {
	case err != nil:
		return "", channel.BadOption(option, "%w", err)
	case text == "" || strings.ContainsAny(text, "\r\n\x00"):
		return "", channel.BadOption(option, "what it refers to is not one line of text")
	}
	return text, nil
}

// Address reads an address that is a secret, such as that of a webhook.
func (c *Client) Address(option, reference string) (string, error) {
	text, err := c.Secret(option, reference)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", channel.BadOption(option, "what it refers to is no address of the form https://host/path")
	}
	return text, nil
}

// Join puts a path below an address; the path begins with a slash and is escaped.
func Join(address, path string) string { return strings.TrimRight(address, "/") + path }

// Request is one request.
type Request struct {
	Method string // POST when empty
	URL    string
	Header map[string]string
	Body   any // becomes JSON; nil: there is none
	// Raw is a body in place of Body, with its Content-Type in Header.
	Raw []byte
	// Secrets are what must not stand in errors, beside the path and the query of the URL.
	Secrets []string
	// Into, unless nil, takes the JSON of an answer that says that all is well.
	Into any
}

// StatusError is an answer that does not say that all is well.
type StatusError struct {
	Host   string
	Status int
	Text   string // what the service says, cleaned and cut
	Body   []byte // the same as it came, at most 64 KiB
}

// Error implements error.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s answers %d", e.Host, e.Status)
	if name := http.StatusText(e.Status); name != "" {
		text += " " + name
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// Status is that of a StatusError in err; 0: there is none.
func Status(err error) int {
	var s *StatusError
	if errors.As(err, &s) {
		return s.Status
	}
	return 0
}

// Do makes a request. Its errors are permanent when another try is of no use, and have a
// pause when the service asked for one.
func (c *Client) Do(ctx context.Context, r Request) error {
	request, err := r.make(ctx, c.w.Version)
	if err != nil {
		return err
	}
	host := request.URL.Host
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", host, r.hide(err))
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		// Half an explanation is one, too.
		return c.judge(&StatusError{host, response.StatusCode, r.excerpt(body), body}, response.Header.Get("Retry-After"))
	}
	if r.Into == nil {
		return nil // also when the rest of the answer is lost: the message was accepted
	}
	if err != nil {
		return fmt.Errorf("%s: the answer breaks off: %w", host, r.hide(err))
	}
	if err := json.Unmarshal(body, r.Into); err != nil {
		// It is not said what was expected, but that something was accepted.
		return fmt.Errorf("%s answers %d with something that is not its documented JSON: %q", host, response.StatusCode, r.excerpt(body))
	}
	return nil
}

// make makes the request of net/http.
func (r *Request) make(ctx context.Context, version string) (*http.Request, error) {
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	var body io.Reader = http.NoBody
	switch {
	case r.Raw != nil:
		body = bytes.NewReader(r.Raw)
	case r.Body != nil:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(r.Body); err != nil {
			return nil, channel.Permanent(fmt.Errorf("the message cannot be written as JSON: %w", err))
		}
		body = &b
	}
	request, err := http.NewRequestWithContext(ctx, method, r.URL, body)
	if err != nil {
		return nil, errors.New("the address of the service cannot be read")
	}
	request.Header.Set("User-Agent", "grove/"+version)
	request.Header.Set("Accept", "application/json, text/plain;q=0.5")
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for k, v := range r.Header {
		request.Header.Set(k, v)
	}
	return request, nil
}

// judge says whether and when an answer is worth another try: RFC 9110 section 15.
func (c *Client) judge(err *StatusError, retryAfter string) error {
	switch s := err.Status; {
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s >= 500:
		if wait, ok := pause(retryAfter, c.w.Time()); ok {
			return channel.RetryAfter(err, wait)
		}
		return err
	case s >= 300 && s < 400:
		return channel.Permanent(fmt.Errorf("%w: redirects are not followed, so the address must be that of the service itself", err))
	}
	return channel.Permanent(err)
}

// MaxPause bounds the pause that a service may ask for.
const MaxPause = 24 * time.Hour

// pause reads a Retry-After: seconds, also with a fraction as Discord has them, or a date.
func pause(text string, now time.Time) (time.Duration, bool) {
	if text == "" {
		return 0, false
	}
	if seconds, err := json.Number(text).Float64(); err == nil {
		return Pause(seconds), true
	}
	if at, err := http.ParseTime(text); err == nil {
		return Pause(at.Sub(now).Seconds()), true
	}
	return 0, false
}

// Pause is a pause of so many seconds within its bounds.
func Pause(seconds float64) time.Duration {
	return time.Duration(min(max(0, seconds), MaxPause.Seconds()) * float64(time.Second))
}
