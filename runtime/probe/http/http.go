// Package http is the probe kind "http": one request, what the answer says and how
// long it took, and the certificate of the server.
package http

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	nethttp "net/http"
	"net/url"
	"strings"
	"time"

	"grove/beans"
	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/extract"
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
	// idle is how long a kept connection may rest.
	idle = 5 * time.Minute
)

// Option changes what Kind returns.
type Option func(*settings)

type settings struct{ secrets *secret.Policy }

// Secrets says which files and variables the definitions may name; by default it is
// what a nil secret.Policy allows.
func Secrets(p *secret.Policy) Option { return func(s *settings) { s.secrets = p } }

// Kind returns the kind "http". Its probes connect to the addresses that the policy
// allows; redirects obey it, too. Proxies are not used.
func Kind(policy *dial.Policy, options ...Option) probe.Kind {
	var s settings
	for _, o := range options {
		o(&s)
	}
	return probe.Kind{
		Name:       "http",
		Title:      "HTTP and HTTPS requests",
		Doc:        doc,
		Example:    example,
		NewOptions: func() any { return &Options{Method: "GET", MaxBody: 1 << 20, Redirects: 10} },
		New: func(options any) (probe.Probe, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options are %T, want %T", options, o)
			}
			plan, err := o.check()
			if err != nil {
				return nil, err
			}
			return newProbe(plan, policy, s.secrets), nil
		},
	}
}

type httpProbe struct {
	plan       *plan
	attributes []beans.AttributeInfo
	secrets    *secret.Policy
	dialer     *net.Dialer
	files      secure.Files
	transport  *nethttp.Transport
	client     *nethttp.Client
}

func newProbe(plan *plan, policy *dial.Policy, secrets *secret.Policy) *httpProbe {
	p := &httpProbe{plan: plan, secrets: secrets, dialer: policy.Dialer(0)}
	p.attributes = append(p.attributes, fixedAttributes...)
	if plan.match != nil || plan.notMatch != nil {
		p.attributes = append(p.attributes, matchedAttribute)
	}
	for _, it := range plan.extract.items {
		p.attributes = append(p.attributes, it.field.Info)
	}
	p.transport = &nethttp.Transport{
		// Proxy is nil: the environment decides nothing about what a check measures.
		DialContext:            p.dial,
		DialTLSContext:         p.dialTLS,
		DisableKeepAlives:      !plan.KeepAlive,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        idle,
		MaxResponseHeaderBytes: maxAnswerHeader,
	}
	p.client = &nethttp.Client{Transport: p.transport, CheckRedirect: p.redirect}
	return p
}

// Attributes implements probe.Probe.
func (p *httpProbe) Attributes() []beans.AttributeInfo { return p.attributes }

// Target implements probe.Probe: the host of the URL.
func (p *httpProbe) Target() string { return strings.ToLower(p.plan.url.Hostname()) }

// Close implements probe.Probe.
func (p *httpProbe) Close() error {
	p.transport.CloseIdleConnections()
	return nil
}

// Run implements probe.Probe. An endpoint that cannot be reached, does not answer in
// time or answers wrongly is a reading: up is false and error says why. An error means
// that the definition or the manager is at fault: a secret that cannot be read, an
// address that is not allowed, an attribute that the answer does not have.
func (p *httpProbe) Run(ctx context.Context) (probe.Result, error) {
	result := probe.Result{Time: time.Now()}
	if err := ctx.Err(); err != nil {
		return result, err
	}
	changed, err := p.files.Load(p.plan.TLS, p.secrets)
	if err != nil {
		return result, err
	}
	if changed {
		p.transport.CloseIdleConnections()
	}
	limit := longestRun
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		limit = left - min(margin, left/10)
	}
	running, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	running, x := newExchange(running)
	req, secrets, err := p.request(running)
	if err != nil {
		return result, err
	}
	req = req.WithContext(context.WithValue(running, credentialKey{}, secrets))
	a := p.ask(req)
	if !p.plan.KeepAlive {
		p.transport.CloseIdleConnections()
	}
	// Nobody asked any more: what was found is not the endpoint's fault.
	if ctx.Err() != nil && running.Err() != context.DeadlineExceeded {
		return result, ctx.Err()
	}
	var denied *dial.DeniedError
	if errors.As(a.err, &denied) {
		return result, denied
	}
	took := time.Since(x.start)
	reason := p.verdict(a, x, limit)
	result.Add("up", tree.Bool(reason == ""))
	result.Text("error", extract.Clean(secrets.hide(reason), maxError))
	result.Number("duration", took.Seconds())
	p.addTimes(&result, x)
	if a.response == nil {
		return result, nil
	}
	result.Number("status", float64(a.response.StatusCode))
	result.Number("size", float64(len(a.body)))
	result.Add("truncated", tree.Bool(a.truncated))
	result.Text("protocol", a.response.Proto)
	if a.err != nil {
		return result, nil
	}
	if p.plan.match != nil || p.plan.notMatch != nil {
		result.Add(matchedAttribute.Name, tree.Bool(p.matches(a.body) == ""))
	}
	first := len(result.Values)
	err = p.plan.extract.extract(a.response.Header, a.body, &result)
	for i := range result.Values[first:] {
		v := &result.Values[first+i]
		if text, ok := v.Value.Text(); ok {
			v.Value = tree.Text(secrets.hide(text))
		}
	}
	// A server that is down answers something else: what it lacks then is no news.
	if reason != "" || err == nil {
		return result, nil
	}
	return result, errors.New(extract.Clean(secrets.hide(strings.ReplaceAll(err.Error(), "\n", "; ")), maxError))
}

// answer is what came of a request. response is nil when there was none; err may be
// set beside it, when the body could not be read to its end.
type answer struct {
	response  *nethttp.Response
	body      []byte
	truncated bool
	err       error
}

func (p *httpProbe) ask(req *nethttp.Request) answer {
	response, err := p.client.Do(req)
	if err != nil {
		// With an error of CheckRedirect, the client returns the answer that redirected.
		return answer{err: err}
	}
	defer response.Body.Close()
	most := p.plan.MaxBody
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(most)+1))
	a := answer{response: response, body: body, err: err}
	if len(body) > most {
		a.body, a.truncated = body[:most], true
	}
	return a
}

// verdict says why the endpoint is down; it is empty when it is up.
func (p *httpProbe) verdict(a answer, x *exchange, limit time.Duration) string {
	if a.err != nil {
		return failure(a, x, limit)
	}
	code := a.response.StatusCode
	ok := false
	for _, s := range p.plan.status {
		ok = ok || code >= s.from && code <= s.to
	}
	if !ok {
		return fmt.Sprintf("status %d, want %s", code, p.plan.Status)
	}
	return p.matches(a.body)
}

// matches says what the body should or should not hold.
func (p *httpProbe) matches(body []byte) string {
	if p.plan.match != nil && !p.plan.match.Match(body) {
		return fmt.Sprintf("the body has nothing that fits match: %.80q", p.plan.match)
	}
	if p.plan.notMatch != nil && p.plan.notMatch.Match(body) {
		return fmt.Sprintf("the body has what not_match forbids: %.80q", p.plan.notMatch)
	}
	return ""
}

// failure puts the failure of a request into words. It leaves out the URL, which the
// reader knows and which may hold a token.
func failure(a answer, x *exchange, limit time.Duration) string {
	err := a.err
	var redirect *redirectError
	if errors.As(err, &redirect) {
		return redirect.Error()
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	var timeout net.Error
	if !errors.Is(err, context.DeadlineExceeded) && !(errors.As(err, &timeout) && timeout.Timeout()) {
		if a.response != nil {
			return fmt.Sprintf("the answer broke off after %d bytes: %v", len(a.body), err)
		}
		return err.Error()
	}
	within := limit.Round(10 * time.Millisecond)
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case a.response != nil:
		return fmt.Sprintf("the answer was not complete within %s: %d bytes", within, len(a.body))
	case x.ready:
		return fmt.Sprintf("no answer within %s", within)
	case x.connected:
		return fmt.Sprintf("connected, but the TLS handshake was not complete within %s", within)
	}
	return fmt.Sprintf("no connection within %s", within)
}

// addTimes adds how long the steps took and how long the certificate is still good.
func (p *httpProbe) addTimes(result *probe.Result, x *exchange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, step := range []struct {
		attribute string
		took      time.Duration
		known     bool
	}{
		{"dns", x.dns, x.looked},
		{"connect", x.connect, x.connected},
		{"tls", x.tls, x.handshook},
		{"first_byte", x.firstByte, x.answered},
	} {
		if step.known {
			result.Number(step.attribute, step.took.Seconds())
		}
	}
	left := math.Inf(1)
	for _, c := range x.certificates {
		left = min(left, time.Until(c.NotAfter).Seconds())
	}
	if len(x.certificates) > 0 {
		result.Number("certificate_left", left)
		result.Number("certificate_days", math.Floor(left/86400))
	}
}
