// Package sapcontrol is the probe kind "sapcontrol": a SAP instance as its start service
// tells of it, with the alert tree, processes, instances, queues, locks and work
// processes. It asks the web service SAPControl, which needs no more than HTTP.
package sapcontrol

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
	"grove/tree"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

const (
	// longestRun bounds a run whose context has no deadline.
	longestRun = 30 * time.Second
	// margin is what a run leaves of its time, so that "no answer" is still reported
	// as a reading.
	margin = 100 * time.Millisecond
	// maxAnswerHeader bounds the header of an answer, in bytes.
	maxAnswerHeader = 64 << 10
	// maxError bounds the text of the attribute error, in bytes.
	maxError = 500
	// leastSecret is the shortest secret that is looked for in texts.
	leastSecret = 4
)

// Option changes what Kind returns.
type Option func(*settings)

type settings struct {
	secrets *secret.Policy
	sockets string
}

// Secrets says which files and variables the definitions may name; by default it is
// what a nil secret.Policy allows.
func Secrets(p *secret.Policy) Option { return func(s *settings) { s.secrets = p } }

// Sockets says in which directory the sockets of start services are; by default it is
// /tmp, where SAP's make them.
func Sockets(dir string) Option { return func(s *settings) { s.sockets = filepath.Clean(dir) } }

// Kind returns the kind "sapcontrol". Its probes connect to the addresses that the
// policy allows, and to sockets where it allows loopback. Redirects are not followed and
// proxies are not used.
func Kind(policy *dial.Policy, options ...Option) probe.Kind {
	s := settings{sockets: "/tmp"}
	for _, o := range options {
		o(&s)
	}
	return probe.Kind{
		Name:       "sapcontrol",
		Title:      "SAP instances by their start service",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{MaxBody: 32 << 20} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			plan, err := o.check(s.sockets)
			if err != nil {
				return nil, err
			}
			return newProbe(plan, policy, s.secrets), nil
		},
	}
}

type sapProbe struct {
	plan       *plan
	attributes []beans.AttributeInfo
	policy     *dial.Policy
	secrets    *secret.Policy
	files      secure.Files
}

func newProbe(p *plan, policy *dial.Policy, secrets *secret.Policy) *sapProbe {
	s := &sapProbe{plan: p, policy: policy, secrets: secrets}
	s.attributes = append(s.attributes, fixed...)
	for _, f := range p.functions {
		s.attributes = append(s.attributes, f.attributes...)
	}
	return s
}

// Attributes implements probe.Probe.
func (p *sapProbe) Attributes() []beans.AttributeInfo { return p.attributes }

// Target implements probe.Probe: the host of the URL, and none for a socket.
func (p *sapProbe) Target() string {
	if p.plan.socket != "" {
		return ""
	}
	return strings.ToLower(p.plan.url.Hostname())
}

// Close implements probe.Probe. A run closes its connections itself.
func (p *sapProbe) Close() error { return nil }

// Run implements probe.Probe. A service that cannot be reached or does not answer in time
// is a reading: up is false and error says why. A function that it refuses is told in
// error, and its table is left out. An error means that the definition or the manager is
// at fault: a secret that cannot be read, an address that is not allowed.
func (p *sapProbe) Run(ctx context.Context) (probe.Result, error) {
	start := time.Now()
	result := probe.Result{Time: start}
	if err := ctx.Err(); err != nil {
		return result, err
	}
	c, err := p.client()
	if err != nil {
		return result, err
	}
	defer c.http.CloseIdleConnections()
	limit := longestRun
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		limit = left - min(margin, left/10)
	}
	running, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	up, problems, err := p.ask(running, c, &result)
	// Nobody asked any more: what was found is not the system's fault.
	if ctx.Err() != nil && !errors.Is(running.Err(), context.DeadlineExceeded) {
		return probe.Result{Time: start}, ctx.Err()
	}
	if err != nil {
		return result, err
	}
	result.Add("up", tree.Bool(up))
	result.Text("error", clean(strings.Join(problems, "; "), maxError))
	result.Number("duration", time.Since(start).Seconds())
	c.hideAll(&result)
	return result, nil
}

// ask asks for the properties and then for each function.
func (p *sapProbe) ask(ctx context.Context, c *client, result *probe.Result) (up bool, problems []string, err error) {
	a, err := c.call(ctx, "GetInstanceProperties", "GetInstancePropertiesResponse")
	var denied *dial.DeniedError
	var fault *faultError
	switch {
	case errors.As(err, &denied):
		return false, nil, denied
	case errors.As(err, &fault):
		problems = append(problems, "GetInstanceProperties: "+fault.text)
	case err != nil:
		return false, []string{c.explain(ctx, err)}, nil
	default:
		told := map[string]bool{}
		for _, item := range a.items {
			name, value := properties[item["property"]], clean(item["value"], maxText)
			if name != "" && value != "" && !told[name] {
				told[name] = true
				result.Text(name, value)
			}
		}
	}
	for _, f := range p.plan.functions {
		a, err := c.call(ctx, f.name, f.answer, f.parameters...)
		switch {
		case errors.As(err, &fault):
			problems = append(problems, f.name+": "+fault.text)
			continue
		case err != nil:
			return false, append(problems, f.name+": "+c.explain(ctx, err)), nil
		}
		if err := f.take(a, result); err != nil {
			problems = append(problems, f.name+": "+err.Error())
		}
	}
	return true, problems, nil
}

// properties are the attributes for what GetInstanceProperties tells.
var properties = map[string]string{"SAPSYSTEM": "number", "SAPSYSTEMNAME": "system", "INSTANCE_NAME": "instance", "SAPLOCALHOST": "hostname"}

// client is one run's way to the service.
type client struct {
	http     *http.Client
	url      *url.URL
	maxBody  int
	user     string
	password string
}

// client makes ready what one run needs. Files and secrets are read anew each time, so
// that they are renewed without a restart.
func (p *sapProbe) client() (*client, error) {
	transport := &http.Transport{
		// Proxy is nil: the environment decides nothing about what is watched.
		DialContext:            p.policy.Dialer(0).DialContext,
		MaxResponseHeaderBytes: maxAnswerHeader,
		MaxConnsPerHost:        1,
	}
	if p.plan.socket != "" {
		if err := p.policy.Check(netip.AddrFrom4([4]byte{127, 0, 0, 1})); err != nil {
			return nil, fmt.Errorf("the socket is on this machine: %w", err)
		}
		var d net.Dialer
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", p.plan.socket)
		}
	}
	if p.plan.url.Scheme == "https" {
		config, err := p.files.Config(p.plan.TLS, p.secrets, p.plan.url.Hostname())
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = config
	}
	c := &client{
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		url:  p.plan.url, maxBody: p.plan.MaxBody, user: p.plan.Basic.User,
	}
	if c.user != "" {
		var err error
		if c.password, err = p.secrets.Read(p.plan.Basic.Password); err != nil {
			return nil, fmt.Errorf("basic.password: %w", err)
		}
	}
	return c, nil
}

// statusError is an answer that is no SOAP message.
type statusError struct{ code int }

// Error implements error.
func (e *statusError) Error() string {
	switch e.code {
	case http.StatusUnauthorized:
		return "user and password are refused (status 401)"
	case http.StatusForbidden:
		return "the user may not ask this (status 403)"
	}
	return fmt.Sprintf("status %d %s", e.code, http.StatusText(e.code))
}

// call asks for one function.
func (c *client) call(ctx context.Context, name, want string, parameters ...[2]string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), strings.NewReader(question(name, parameters...)))
	if err != nil {
		return nil, errors.New("the request cannot be made")
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	req.Header.Set("SOAPAction", `""`)
	req.Header.Set("User-Agent", "grove")
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(c.maxBody)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer broke off after %d bytes: %w", len(body), err)
	case len(body) > c.maxBody:
		return nil, fmt.Errorf("the answer has more than max_body, %d bytes", c.maxBody)
	// A fault comes with status 500 (SOAP 1.1, section 6.2); other statuses hold no message.
	case res.StatusCode != http.StatusOK && res.StatusCode != http.StatusInternalServerError:
		return nil, &statusError{res.StatusCode}
	}
	a, err := readAnswer(bytes.NewReader(body), want)
	var fault *faultError
	if err != nil && res.StatusCode != http.StatusOK && !errors.As(err, &fault) {
		return nil, &statusError{res.StatusCode}
	}
	return a, err
}

// explain puts a failure into words, without the URL, which the reader knows.
func (c *client) explain(ctx context.Context, err error) string {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	var timeout net.Error
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer in time"
	}
	return err.Error()
}

// hideAll takes the password out of all texts: what a server answers may repeat it.
func (c *client) hideAll(r *probe.Result) {
	if len(c.password) < leastSecret {
		return
	}
	var pairs []string
	for _, form := range []string{
		c.password, url.QueryEscape(c.password), base64.StdEncoding.EncodeToString([]byte(c.password)),
		base64.StdEncoding.EncodeToString([]byte(c.user + ":" + c.password)),
	} {
		pairs = append(pairs, form, "[secret]")
	}
	hide := strings.NewReplacer(pairs...)
	one := func(v *tree.Value) {
		if text, ok := v.Text(); ok {
			*v = tree.Text(hide.Replace(text))
		}
	}
	for i := range r.Values {
		one(&r.Values[i].Value)
	}
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			for i := range row {
				one(&row[i])
			}
		}
	}
}
