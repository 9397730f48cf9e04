package endpoint

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"grove/runtime/probe"
	"grove/runtime/probe/answer"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
	"grove/tree"
)

const (
	// maxAnswerHeader bounds the header of an answer, in bytes.
	maxAnswerHeader = 64 << 10
	// maxRefusal bounds what is repeated of the body of a refusal, in bytes.
	maxRefusal = 200
	// idle is how long a kept connection may rest.
	idle = 5 * time.Minute
	// leastSecret is the shortest secret that is looked for in texts; shorter ones would
	// blot out words that have nothing to do with them.
	leastSecret = 4
)

// Client asks one endpoint, over one connection that it keeps between runs. It is used
// by one goroutine at a time, as a probe is.
type Client struct {
	options   Options
	url       *url.URL
	policy    *dial.Policy
	secrets   *secret.Policy
	files     secure.Files
	transport *http.Transport
	client    *http.Client
	hidden    []string // the secrets that were sent in this run, in all forms
}

// New makes a client of options that Check found right, for the URL that it returned. It
// connects where the policy allows.
func New(o Options, u *url.URL, policy *dial.Policy, secrets *secret.Policy) *Client {
	c := &Client{options: o, url: u, secrets: secrets, policy: policy}
	c.connect(nil)
	return c
}

// connect makes the transport anew: its configuration may not change while it is used.
func (c *Client) connect(config *tls.Config) {
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
	c.transport = &http.Transport{
		// Proxy is nil: the environment decides nothing about what is watched.
		DialContext:            c.policy.Dialer(0).DialContext,
		TLSClientConfig:        config,
		MaxResponseHeaderBytes: maxAnswerHeader,
		MaxConnsPerHost:        1,
		IdleConnTimeout:        idle,
	}
	c.client = &http.Client{Transport: c.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Target is what runs are limited by: the host.
func (c *Client) Target() string { return strings.ToLower(c.url.Hostname()) }

// Close ends the kept connection.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Ready makes the client ready for one run: certificates that changed are read.
func (c *Client) Ready() error {
	c.hidden = c.hidden[:0]
	if c.url.Scheme != "https" {
		return nil
	}
	changed, err := c.files.Load(c.options.TLS, c.secrets)
	if err != nil {
		return err
	}
	if changed || c.transport.TLSClientConfig == nil {
		name := c.options.TLS.ServerName
		if name == "" {
			name = c.url.Hostname()
		}
		c.connect(&tls.Config{
			ServerName: name, RootCAs: c.files.Roots(), Certificates: c.files.Certificates(),
			InsecureSkipVerify: c.options.TLS.Insecure, //nolint:gosec // the writer of the definition asked for it
			MinVersion:         tls.VersionTLS12,
		})
	}
	return nil
}

// Secret reads a secret that goes into a request, and hides it from now on. The error
// names the option.
func (c *Client) Secret(option string, ref secret.Ref) (string, error) {
	s, err := c.secrets.Read(ref)
	if err != nil {
		return "", &LocalError{fmt.Errorf("%s: %w", option, err)}
	}
	c.hide(s)
	return s, nil
}

func (c *Client) hide(s string) {
	if len(s) < leastSecret {
		return
	}
	for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s))} {
		c.hidden = append(c.hidden, form, "[secret]")
	}
}

// LocalError is a failure of the manager or the definition, and not of what is asked: a
// secret or a certificate that cannot be read.
type LocalError struct{ Err error }

// Error implements error.
func (e *LocalError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LocalError) Unwrap() error { return e.Err }

// Request is one question.
type Request struct {
	Method string // GET when empty
	Path   string // appended to that of the URL
	Query  string // encoded; put before that of the URL
	Type   string // media type of the body
	Accept string
	Body   string
	Header http.Header // further headers, which are no secrets
}

// Answer is an answer as far as it came.
type Answer struct {
	Status int // 0 when there was none
	Header http.Header
	Body   []byte // at most one byte more than max_body
}

// Ask asks once and returns the body of an answer with status 200. Any other is an
// *answer.Fault with state "refused_access" for 401 and 403 and "status" otherwise, and
// one that is too long has state "too_long".
func (c *Client) Ask(ctx context.Context, q Request) ([]byte, error) {
	a, err := c.Exchange(ctx, q)
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}

// Exchange asks as Ask does, and returns with an error what came of the answer: its header
// and body may say more.
func (c *Client) Exchange(ctx context.Context, q Request) (Answer, error) {
	u := *c.url
	u.Path, u.RawPath = u.Path+q.Path, ""
	if q.Query != "" {
		u.RawQuery = strings.TrimSuffix(q.Query+"&"+u.RawQuery, "&")
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, u.String(), strings.NewReader(q.Body))
	if err != nil {
		return Answer{}, &LocalError{errors.New("the request cannot be made")}
	}
	if q.Body == "" {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	req.Header.Set("User-Agent", "grove")
	if q.Type != "" {
		req.Header.Set("Content-Type", q.Type)
	}
	if q.Accept != "" {
		req.Header.Set("Accept", q.Accept)
	}
	for name, list := range q.Header {
		req.Header[name] = list
	}
	if err := c.identify(req); err != nil {
		return Answer{}, err
	}
	res, err := c.client.Do(req)
	if err != nil {
		// Without the URL, which the reader knows.
		var outer *url.Error
		if errors.As(err, &outer) && ctx.Err() == nil {
			err = outer.Err
		}
		return Answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(c.options.MaxBody)+1))
	got := Answer{res.StatusCode, res.Header, body}
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return got, &answer.Fault{State: "refused_access", Err: errors.New("user and password, or the token, are refused (status 401)")}
	case res.StatusCode == http.StatusForbidden:
		return got, &answer.Fault{State: "refused_access", Err: errors.New("this may not be asked (status 403)")}
	case res.StatusCode != http.StatusOK:
		return got, &answer.Fault{State: "status", Err: fmt.Errorf("status %d %s%s", res.StatusCode, http.StatusText(res.StatusCode), c.refusal(body))}
	case err != nil:
		return got, fmt.Errorf("the answer broke off after %d bytes: %w", len(body), err)
	case len(body) > c.options.MaxBody:
		return got, &answer.Fault{State: "too_long", Err: fmt.Errorf("the answer has more than max_body, %d bytes", c.options.MaxBody)}
	}
	return got, nil
}

// States are the states that Ask's faults have, as answer.Attributes takes them.
func States() []string { return []string{"refused_access", "status", "too_long"} }

func (c *Client) identify(req *http.Request) error {
	if c.options.Basic.User != "" {
		password, err := c.Secret("basic.password", c.options.Basic.Password)
		if err != nil {
			return err
		}
		req.SetBasicAuth(c.options.Basic.User, password)
		c.hide(c.options.Basic.User + ":" + password)
	}
	if c.options.Bearer != "" {
		token, err := c.Secret("bearer", c.options.Bearer)
		if err != nil {
			return err
		}
		if strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return &LocalError{errors.New("bearer: the secret has a character that headers may not have")}
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// refusal is the beginning of a refusal's body when it is a line of text, for people.
func (c *Client) refusal(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if line == "" || strings.HasPrefix(line, "<") || strings.HasPrefix(line, "{") {
		return ""
	}
	return ": " + strings.ToValidUTF8(line[:min(len(line), maxRefusal)], "�")
}

// Finish adds up, state, error and duration to the result of a run, as answer.Add does,
// and takes the secrets out of all its texts. What it returns is what the run returns.
func (c *Client) Finish(ctx context.Context, r *probe.Result, start time.Time, err error) error {
	var local *LocalError
	if errors.As(err, &local) {
		return errors.New(c.clean(local.Error()))
	}
	failure := answer.Add(ctx, r, start, err)
	c.hideAll(r)
	return failure
}

func (c *Client) clean(text string) string {
	if len(c.hidden) == 0 {
		return text
	}
	return strings.NewReplacer(c.hidden...).Replace(text)
}

func (c *Client) hideAll(r *probe.Result) {
	if len(c.hidden) == 0 {
		return
	}
	hide := strings.NewReplacer(c.hidden...)
	one := func(v *tree.Value) {
		if text, ok := v.Text(); ok {
			*v = tree.Text(hide.Replace(text))
		}
	}
	for i := range r.Values {
		one(&r.Values[i].Value)
		for j := range r.Values[i].Events {
			r.Values[i].Events[j].Text = hide.Replace(r.Values[i].Events[j].Text)
		}
	}
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			for i := range row {
				one(&row[i])
			}
		}
	}
}
