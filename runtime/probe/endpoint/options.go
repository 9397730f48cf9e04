// Package endpoint is one HTTP address that a probe asks, as a definition gives it: the
// URL, who asks, how the certificate is checked and how much is read. Kinds that speak a
// protocol over HTTP share it; what they ask and how they read the answer is theirs.
//
// Redirects are not followed and proxies are not used: what a definition names is what
// is asked, and credentials go nowhere else.
package endpoint

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// The bounds of the options, in bytes.
const (
	MaxURL  = 4096
	MaxBody = 64 << 20
)

// Options say which address is asked, and how. They stand inline in a kind's options.
type Options struct {
	URL     string         `yaml:"url" jsonschema:"required,format=uri,description=Address to ask: http:// or https://."`
	Basic   Basic          `yaml:"basic,omitempty" jsonschema:"description=Name and password by HTTP basic authentication."`
	Bearer  secret.Ref     `yaml:"bearer,omitempty" jsonschema:"description=Token that is sent as Authorization: Bearer; a reference such as file:/etc/grove/token or env:TOKEN."`
	TLS     secure.Options `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked."`
	MaxBody int            `yaml:"max_body" jsonschema:"minimum=1,maximum=67108864,default=8388608,description=The most bytes of one answer that are read\\, after decompression."`
}

// Basic is a name and a password.
type Basic struct {
	User     string     `yaml:"user,omitempty" jsonschema:"description=Name of the user."`
	Password secret.Ref `yaml:"password,omitempty" jsonschema:"description=Password; a reference such as file:/etc/grove/password or env:PASSWORD."`
}

// Defaults are the options that a kind starts from.
func Defaults() Options { return Options{MaxBody: 8 << 20} }

// Check says which option is wrong, as a *probe.OptionError, and returns the URL. No
// message repeats the value of an option that may be a secret.
func (o *Options) Check() (*url.URL, error) {
	u, err := ParseURL(o.URL)
	if err != nil {
		return nil, probe.BadOption("url", "%w", err)
	}
	if err := o.Basic.Password.Check(); err != nil {
		return nil, probe.BadOption("basic.password", "%w", err)
	}
	if err := o.Bearer.Check(); err != nil {
		return nil, probe.BadOption("bearer", "%w", err)
	}
	switch {
	case o.Basic.User == "" && o.Basic.Password != "":
		return nil, probe.BadOption("basic.user", "is missing")
	case o.Basic.User != "" && o.Basic.Password == "":
		return nil, probe.BadOption("basic.password", "is missing")
	case strings.Contains(o.Basic.User, ":"):
		return nil, probe.BadOption("basic.user", "may not have a colon")
	case o.Basic.User != "" && o.Bearer != "":
		return nil, probe.BadOption("bearer", "basic is given, too: only one of them can be sent")
	case o.MaxBody < 1 || o.MaxBody > MaxBody:
		return nil, probe.BadOption("max_body", "%d is outside 1..%d", o.MaxBody, MaxBody)
	}
	return u, o.TLS.Check()
}

// ParseURL reads an http or https URL without a user name. The error does not repeat it.
func ParseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("is missing")
	}
	if len(text) > MaxURL {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(text), MaxURL)
	}
	u, err := url.Parse(text)
	if err != nil {
		// The error of url.Parse repeats the URL, which may hold a password.
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, fmt.Errorf("is no URL: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the scheme is %q, not http or https", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	case u.User != nil:
		return nil, errors.New("holds a user name; give it by basic")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("the port %q is outside 1..65535", port)
		}
	}
	return u, nil
}
