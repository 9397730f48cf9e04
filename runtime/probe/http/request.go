package http

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"
	"strings"

	"grove/runtime/probe/secret"
)

// leastSecret is the shortest secret that is looked for in texts; shorter ones would
// blot out words that have nothing to do with them.
const leastSecret = 4

// request makes the request of one run. It returns the names of the headers that hold
// secrets and the secrets, so that neither leaves the host that they are for.
func (p *httpProbe) request(ctx context.Context) (*nethttp.Request, *credential, error) {
	var body *strings.Reader
	req, err := nethttp.NewRequestWithContext(ctx, p.plan.Method, p.plan.url.String(), nil)
	if err != nil {
		return nil, nil, errors.New("the request cannot be made")
	}
	if p.plan.Body != "" {
		body = strings.NewReader(p.plan.Body)
		if req, err = nethttp.NewRequestWithContext(ctx, p.plan.Method, p.plan.url.String(), body); err != nil {
			return nil, nil, errors.New("the request cannot be made")
		}
	}
	req.Header.Set("User-Agent", "grove")
	c := &credential{headers: []string{"Authorization", "Cookie", "Proxy-Authorization"}}
	for name, value := range p.plan.Headers {
		if secret.Looks(value) {
			if value, err = p.secrets.Read(secret.Ref(value)); err != nil {
				return nil, nil, fmt.Errorf("headers.%s: %w", name, err)
			}
			if !isHeaderValue(value) {
				return nil, nil, fmt.Errorf("headers.%s: the secret has a character that headers may not have", name)
			}
			c.headers = append(c.headers, name)
			c.texts = append(c.texts, value)
		}
		if strings.EqualFold(name, "host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	if p.plan.Basic.User != "" {
		password, err := p.secrets.Read(p.plan.Basic.Password)
		if err != nil {
			return nil, nil, fmt.Errorf("basic.password: %w", err)
		}
		req.SetBasicAuth(p.plan.Basic.User, password)
		c.texts = append(c.texts, password, base64.StdEncoding.EncodeToString([]byte(p.plan.Basic.User+":"+password)))
	}
	if p.plan.Bearer != "" {
		token, err := p.secrets.Read(p.plan.Bearer)
		if err != nil {
			return nil, nil, fmt.Errorf("bearer: %w", err)
		}
		if !isHeaderValue(token) {
			return nil, nil, errors.New("bearer: the secret has a character that headers may not have")
		}
		req.Header.Set("Authorization", "Bearer "+token)
		c.texts = append(c.texts, token)
	}
	return req, c, nil
}

// credential is what one run knows of secrets.
type credential struct {
	headers []string
	texts   []string
}

// hide takes the secrets out of a text: what a server answers may repeat them.
func (c *credential) hide(text string) string {
	for _, s := range c.texts {
		if len(s) < leastSecret {
			continue
		}
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s))} {
			text = strings.ReplaceAll(text, form, "[secret]")
		}
	}
	return text
}

// redirectError says why a redirect was not followed.
type redirectError struct{ reason string }

func (e *redirectError) Error() string { return "redirect: " + e.reason }

// redirect is the CheckRedirect of the client. What is secret stays with the origin
// that it was given for: on the way to another, and after it, it is not sent.
func (p *httpProbe) redirect(req *nethttp.Request, via []*nethttp.Request) error {
	if p.plan.Redirects == 0 {
		return nethttp.ErrUseLastResponse
	}
	if len(via) > p.plan.Redirects {
		return &redirectError{fmt.Sprintf("more than %d", p.plan.Redirects)}
	}
	if err := checkURL(req.URL); err != nil {
		return &redirectError{err.Error()}
	}
	if req.URL.User != nil {
		return &redirectError{"the URL holds a user name"}
	}
	req.Header.Del("Referer")
	foreign := !sameOrigin(req.URL, via[0].URL)
	for _, v := range via {
		foreign = foreign || !sameOrigin(v.URL, via[0].URL)
	}
	if !foreign {
		return nil
	}
	if req.Body != nil || req.GetBody != nil {
		return &redirectError{"to another host, which would get the request's body"}
	}
	c, _ := req.Context().Value(credentialKey{}).(*credential)
	if c == nil {
		return &redirectError{"the secrets of the request are not known"}
	}
	for _, name := range c.headers {
		req.Header.Del(name)
	}
	return nil
}

type credentialKey struct{}

// sameOrigin compares scheme, host and port, as RFC 6454 does.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
