package websocket

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// The bounds of the options and of what is read.
const (
	maxURL     = 4096
	maxHeaders = 50
	maxSend    = 64 << 10
	maxMessage = 1 << 20 // bytes of one message
	maxPattern = 1000    // bytes of the regular expression
	maxLine    = 256     // bytes of the answer that are shown
)

// Options are the options of the kind "websocket".
type Options struct {
	URL         string            `yaml:"url" jsonschema:"required,description=Address to ask: ws:// or wss://."`
	Subprotocol string            `yaml:"subprotocol,omitempty" jsonschema:"description=Subprotocol that is offered and that the server must choose."`
	Origin      string            `yaml:"origin,omitempty" jsonschema:"description=Header Origin\\, which some servers ask for\\, such as https://shop.example."`
	Headers     map[string]string `yaml:"headers,omitempty" jsonschema:"description=Headers of the handshake. A value that begins with file: or env: or credential: is a reference to a secret; credentials must be given so."`
	Bearer      secret.Ref        `yaml:"bearer,omitempty" jsonschema:"description=Token that is sent as Authorization: Bearer; a reference such as file:/etc/grove/token."`
	Send        string            `yaml:"send,omitempty" jsonschema:"description=Text message that is sent after the handshake\\, at most 64 KiB."`
	Expect      string            `yaml:"expect,omitempty" jsonschema:"description=Regular expression (RE2) that a message of the server must contain; others before it are passed over."`
	Ping        bool              `yaml:"ping" jsonschema:"default=true,description=Send a ping at the end and wait for the pong."`
	TLS         secure.Options    `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked\\, with wss://."`
}

// plan is what Options come to.
type plan struct {
	Options
	url    *url.URL
	expect *regexp.Regexp // nil: no message is waited for
}

// own are the headers that the handshake itself sets.
var own = []string{"connection", "host", "origin", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version", "upgrade"}

// credentials are the headers whose values are secrets whatever they look like.
var credentials = []string{"authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{Options: *o}
	var err error
	if p.url, err = parseURL(o.URL); err != nil {
		return nil, probe.BadOption("url", "%w", err)
	}
	if o.Subprotocol != "" && !isToken(o.Subprotocol) {
		return nil, probe.BadOption("subprotocol", "%q is not the name of a subprotocol", o.Subprotocol)
	}
	if !isValue(o.Origin) {
		return nil, probe.BadOption("origin", "has a character that headers may not have")
	}
	if err := o.checkHeaders(); err != nil {
		return nil, err
	}
	if err := o.Bearer.Check(); err != nil {
		return nil, probe.BadOption("bearer", "%w", err)
	}
	switch {
	case len(o.Send) > maxSend:
		return nil, probe.BadOption("send", "has %d bytes, more than %d", len(o.Send), maxSend)
	case len(o.Expect) > maxPattern:
		return nil, probe.BadOption("expect", "has %d bytes, more than %d", len(o.Expect), maxPattern)
	case o.TLS != (secure.Options{}) && p.url.Scheme != "wss":
		return nil, probe.BadOption("tls", "only with wss://")
	}
	if o.Expect != "" {
		if p.expect, err = regexp.Compile(o.Expect); err != nil {
			return nil, probe.BadOption("expect", "%w", err)
		}
	}
	return p, o.TLS.Check()
}

func parseURL(text string) (*url.URL, error) {
	if text == "" || len(text) > maxURL {
		return nil, fmt.Errorf("is missing, or longer than %d bytes", maxURL)
	}
	u, err := url.Parse(text)
	if err != nil {
		// The error of url.Parse repeats the URL, which may hold a password.
		return nil, errors.New("is no URL")
	}
	switch {
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, fmt.Errorf("the scheme is %q, not ws or wss", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	case u.User != nil:
		return nil, errors.New("holds a user name; give what the server asks for by headers or bearer")
	}
	return u, nil
}

func (o *Options) checkHeaders() error {
	if len(o.Headers) > maxHeaders {
		return probe.BadOption("headers", "%d headers are more than the %d that are allowed", len(o.Headers), maxHeaders)
	}
	var names []string
	for name := range o.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		option, value, small := "headers."+name, o.Headers[name], strings.ToLower(name)
		switch {
		case !isToken(name):
			return probe.BadOption("headers", "%q is no name of a header", name)
		case slices.Contains(own, small):
			return probe.BadOption(option, "belongs to the handshake; see origin and subprotocol")
		case small == "authorization" && o.Bearer != "":
			return probe.BadOption(option, "is given twice: bearer sets it, too")
		case secret.Looks(value):
			if err := secret.Ref(value).Check(); err != nil {
				return probe.BadOption(option, "%w", err)
			}
		case slices.Contains(credentials, small):
			return probe.BadOption(option, "a secret is given by reference, such as file:/path, env:NAME or credential:NAME")
		case !isValue(value):
			return probe.BadOption(option, "has a character that headers may not have")
		}
	}
	return nil
}

// isToken says whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

// isValue says whether s can be the value of a header: RFC 9110, section 5.5.
func isValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
