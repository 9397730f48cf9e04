// Package oidc lets people in whom an OpenID provider knows, by the authorization code
// flow (OpenID Connect Core 1.0, section 3.1) with PKCE (RFC 7636), a state and a nonce.
//
// What belongs to one login until the browser comes back is in its cookie, sealed: the
// server keeps nothing for logins that never end.
package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	openid "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"grove/tree/grant"
)

// Errors that people are told in different words.
var (
	ErrDenied      = errors.New("the provider does not let you in")
	ErrStale       = errors.New("the login took too long, or was begun in another browser")
	ErrUnavailable = errors.New("the provider of the login does not answer as it should")
	ErrNoGrants    = errors.New("none of your groups has a role here")
)

// Options say which provider, and what its users may do.
type Options struct {
	// Issuer is its address, as its own document has it: https, but for loopback.
	Issuer   string
	ClientID string
	// Secret returns the secret of this client; nil is a public client, which has none.
	Secret func() (string, error)
	// Scopes are asked for besides openid; nil is profile, email and groups, as far as
	// the provider says that it has them.
	Scopes []string
	// Name is the claim with the name of the user, "preferred_username" when empty, and
	// Groups that with his groups, "groups" when empty; a dot leads into an object.
	Name, Groups string
	// Grants say what the members of groups may do.
	Grants []Rule
	Now    func() time.Time // nil is time.Now
}

// Rule grants something to the members of a group, "*" being everybody.
type Rule struct {
	Group string
	Grant grant.Grant
}

// ParseRule reads "GROUP=GRANT", such as "ops=editor /shop". A group may have equals
// signs in it, as those of directories do.
func ParseRule(text string) (Rule, error) {
	var last error
	for at := strings.LastIndexByte(text, '='); at > 0; at = strings.LastIndexByte(text[:at], '=') {
		g, err := grant.Parse(text[at+1:])
		if err == nil {
			return Rule{strings.TrimSpace(text[:at]), g}, nil
		}
		if last == nil || !strings.Contains(text[at+1:], "=") {
			last = err
		}
	}
	if last != nil {
		return Rule{}, fmt.Errorf("%.80q: GROUP=GRANT is wanted, such as ops=editor /shop: %w", text, last)
	}
	return Rule{}, fmt.Errorf("%.80q: GROUP=GRANT is wanted, such as ops=editor /shop", text)
}

// Person is who came back.
type Person struct {
	Name, Title string
	// Subject is unique, and stays when the name does not: issuer and "sub".
	Subject string
	Grants  []grant.Grant
}

// Bounds.
const (
	loginWithin = 10 * time.Minute // from Begin to Finish
	askWithin   = 10 * time.Second // each request to the provider
	maxAnswer   = 1 << 20
	maxGroups   = 10_000
	// maxRedirects of one request to the provider.
	maxRedirects = 5
)

// Provider is an OpenID provider. Its methods may be called from many goroutines.
type Provider struct {
	o      Options
	client *http.Client
	seal   *seal
	asking chan struct{} // has an element while nobody asks
	found  *discovered   // who has the element may write it
}

// discovered is what the provider says of itself.
type discovered struct {
	provider *openid.Provider
	endpoint oauth2.Endpoint
	scopes   []string
}

// New checks the options. The provider is asked when somebody logs in: it may be away
// when grove starts.
func New(o Options) (*Provider, error) {
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("issuer %.80q: https://HOST/PATH is wanted", o.Issuer)
	case plain(u):
		return nil, fmt.Errorf("issuer %.80q: without https anybody in between could come in as anybody", o.Issuer)
	case o.ClientID == "":
		return nil, errors.New("the id of the client is missing, as the provider knows it")
	case len(o.Grants) == 0:
		return nil, errors.New("no group may do anything: at least one GROUP=GRANT is needed, such as ops=editor /shop")
	}
	if o.Name == "" {
		o.Name = "preferred_username"
	}
	if o.Groups == "" {
		o.Groups = "groups"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	sealing, err := newSeal()
	if err != nil {
		return nil, err
	}
	p := &Provider{o: o, seal: sealing, asking: make(chan struct{}, 1)}
	p.asking <- struct{}{}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 2, 10*time.Second
	p.client = &http.Client{Transport: bounded{transport}, Timeout: askWithin, CheckRedirect: follow}
	return p, nil
}

// follow goes where an answer leads to, but not with a code or a secret, which are for
// the address alone that the provider named.
func follow(r *http.Request, before []*http.Request) error {
	if len(before) >= maxRedirects || before[0].Method != http.MethodGet || before[0].Header.Get("Authorization") != "" {
		return http.ErrUseLastResponse
	}
	return nil
}

// Close gives up what is open to the provider.
func (p *Provider) Close() { p.client.CloseIdleConnections() }

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// plain says whether what is sent to an address could be read on its way.
func plain(u *url.URL) bool { return u.Scheme != "https" && !isLoopback(u.Hostname()) }

// bounded cuts answers that are too long, and asks nobody by plain HTTP, wherever the
// provider's own document or an answer sends it.
type bounded struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if plain(r.URL) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, fmt.Errorf("it names the address %.200q, and without https anybody in between could come in as anybody", r.URL.Redacted())
	}
	res, err := b.Transport.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

// discover asks the provider what it is, until it has answered once.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	select {
	case <-p.asking:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { p.asking <- struct{}{} }()
	if p.found != nil {
		return p.found, nil
	}
	provider, err := openid.NewProvider(openid.ClientContext(ctx, p.client), p.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var says struct {
		Scopes  []string `json:"scopes_supported"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := provider.Claims(&says); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if u, err := url.Parse(provider.Endpoint().AuthURL); err != nil || plain(u) {
		return nil, fmt.Errorf("%w: it sends people to %.200q to log in, which is not https", ErrUnavailable, provider.Endpoint().AuthURL)
	}
	d := &discovered{provider: provider, endpoint: provider.Endpoint(), scopes: []string{openid.ScopeOpenID}}
	// OpenID Connect Discovery 1.0, section 3: without a list it is client_secret_basic.
	switch basic, post := slices.Contains(says.Methods, "client_secret_basic"), slices.Contains(says.Methods, "client_secret_post"); {
	case len(says.Methods) == 0 || basic && !post:
		d.endpoint.AuthStyle = oauth2.AuthStyleInHeader
	case post && !basic:
		d.endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	wanted := p.o.Scopes
	if wanted == nil {
		for _, s := range []string{"profile", "email", "groups"} {
			if slices.Contains(says.Scopes, s) {
				wanted = append(wanted, s)
			}
		}
	}
	d.scopes = append(d.scopes, wanted...)
	p.found = d
	return d, nil
}

// config is the client, for one place that the browser comes back to.
func (p *Provider) config(d *discovered, redirect string) (*oauth2.Config, error) {
	c := &oauth2.Config{ClientID: p.o.ClientID, Endpoint: d.endpoint, RedirectURL: redirect, Scopes: d.scopes}
	if p.o.Secret == nil {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
		return c, nil
	}
	secret, err := p.o.Secret()
	if err != nil {
		return nil, fmt.Errorf("%w: secret of the client: %w", ErrUnavailable, err)
	}
	c.ClientSecret = secret
	return c, nil
}

// Begin returns where to send the browser, and what its cookie is to hold until it comes
// back to redirect; then is kept for the caller.
func (p *Provider) Begin(ctx context.Context, redirect, then string) (address, cookie string, err error) {
	d, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	c, err := p.config(d, redirect)
	if err != nil {
		return "", "", err
	}
	l := login{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), Redirect: redirect, Then: then, Ends: p.o.Now().Add(loginWithin).Unix()}
	return c.AuthCodeURL(l.State, openid.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier)), p.seal.close(l), nil
}

// Finish returns who came back with an address, and what Begin was to keep.
func (p *Provider) Finish(ctx context.Context, cookie string, query url.Values) (who Person, then string, err error) {
	l, err := p.seal.open(cookie)
	if err != nil || p.o.Now().Unix() > l.Ends {
		return who, "", ErrStale
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(l.State)) != 1 {
		return who, l.Then, ErrStale
	}
	if code := query.Get("error"); code != "" { // RFC 6749, section 4.1.2.1
		return who, l.Then, fmt.Errorf("%w: %.80q: %.200q", ErrDenied, code, query.Get("error_description"))
	}
	// RFC 9207: another provider must not answer in the place of this one.
	if iss := query.Get("iss"); iss != "" && iss != p.o.Issuer {
		return who, l.Then, fmt.Errorf("%w: it was %.200q that answered", ErrStale, iss)
	}
	d, err := p.discover(ctx)
	if err != nil {
		return who, l.Then, err
	}
	c, err := p.config(d, l.Redirect)
	if err != nil {
		return who, l.Then, err
	}
	ctx = openid.ClientContext(ctx, p.client)
	tokens, err := c.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(l.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode != "":
		// The whole answer may hold more than an operator should see.
		return who, l.Then, fmt.Errorf("%w: it refuses the code: %.80q: %.200q", ErrUnavailable, refused.ErrorCode, refused.ErrorDescription)
	case err != nil:
		return who, l.Then, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return who, l.Then, fmt.Errorf("%w: it gave no id_token", ErrUnavailable)
	}
	id, err := d.provider.Verifier(&openid.Config{ClientID: p.o.ClientID, Now: p.o.Now}).Verify(ctx, raw)
	if err != nil {
		return who, l.Then, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(l.Nonce)) != 1 {
		return who, l.Then, fmt.Errorf("%w: the id_token is that of another login", ErrStale)
	}
	all := claims{}
	if err := id.Claims(&all); err != nil {
		return who, l.Then, fmt.Errorf("%w: claims: %w", ErrUnavailable, err)
	}
	if err := p.ask(ctx, d, tokens, id.Subject, all); err != nil {
		return who, l.Then, err
	}
	who, err = p.person(id.Issuer, id.Subject, all)
	return who, l.Then, err
}

// ask adds what the provider tells only when it is asked for the user.
func (p *Provider) ask(ctx context.Context, d *discovered, tokens *oauth2.Token, subject string, all claims) error {
	if d.provider.UserInfoEndpoint() == "" || all.find(p.o.Name) != nil && all.find(p.o.Groups) != nil {
		return nil
	}
	info, err := d.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	// OpenID Connect Core 1.0, section 5.3.2: it has to be the same user.
	if info.Subject != subject {
		return fmt.Errorf("%w: it tells of another user", ErrUnavailable)
	}
	more := claims{}
	if err := info.Claims(&more); err != nil {
		return fmt.Errorf("%w: claims: %w", ErrUnavailable, err)
	}
	for name, value := range more {
		if _, there := all[name]; !there {
			all[name] = value
		}
	}
	return nil
}

// person makes a user of claims.
func (p *Provider) person(issuer, subject string, all claims) (Person, error) {
	who := Person{Subject: issuer + " " + subject}
	who.Name, _ = all.find(p.o.Name).(string)
	if who.Name == "" {
		return who, fmt.Errorf("%w: it gives no claim %q for the name of the user", ErrUnavailable, p.o.Name)
	}
	if verified, told := all["email_verified"].(bool); p.o.Name == "email" && (!told || !verified) {
		return who, fmt.Errorf("%w: it has not verified the address %.80q, which would be the name of the user", ErrDenied, who.Name)
	}
	who.Title, _ = all["name"].(string)
	groups := all.list(p.o.Groups)
	for _, r := range p.o.Grants {
		if (r.Group == "*" || slices.Contains(groups, r.Group)) && !slices.Contains(who.Grants, r.Grant) {
			who.Grants = append(who.Grants, r.Grant)
		}
	}
	if len(who.Grants) == 0 {
		return who, fmt.Errorf("%w: %s", ErrNoGrants, who.Name)
	}
	return who, nil
}

// claims are what a provider says of a user.
type claims map[string]any

// find returns a claim, nil when it is not there. A dot in its name leads into an object
// unless a claim has the whole name.
func (c claims) find(name string) any {
	if v, ok := c[name]; ok {
		return v
	}
	first, rest, ok := strings.Cut(name, ".")
	if inner, isObject := c[first].(map[string]any); ok && isObject {
		return claims(inner).find(rest)
	}
	return nil
}

// list returns a claim that is a list of texts, or one text.
func (c claims) list(name string) (texts []string) {
	switch v := c.find(name).(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v[:min(len(v), maxGroups)] {
			if text, ok := one.(string); ok {
				texts = append(texts, text)
			}
		}
	}
	return texts
}
