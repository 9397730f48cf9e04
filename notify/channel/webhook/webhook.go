// Package webhook is the channel that posts messages to an HTTP server: as grove's JSON, as
// Alertmanager's webhooks, as a CloudEvent or as a template says, signed by the rules of
// https://www.standardwebhooks.com or with an HMAC in a header.
package webhook

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"grove/notify/channel"
	"grove/notify/channel/post"
	"grove/notify/template"
)

//go:embed doc.md
var doc string

//go:embed example.yaml
var example string

// Options are the options of the kind.
type Options struct {
	URL     string            `yaml:"url" jsonschema:"description=Address to post to\\, or a reference to one that is a secret."`
	Method  string            `yaml:"method" jsonschema:"enum=POST,enum=PUT,description=Method of HTTP."`
	Format  string            `yaml:"format" jsonschema:"enum=grove,enum=alertmanager,enum=cloudevents,enum=template,description=Shape of the body."`
	Body    string            `yaml:"body,omitempty" jsonschema:"description=Template of the body\\, with format template."`
	Type    string            `yaml:"content_type,omitempty" jsonschema:"description=Content type of a body by a template; application/json when empty."`
	Headers map[string]string `yaml:"headers,omitempty" jsonschema:"description=Header fields; a value that is a reference to a secret is read at each use."`

	User     string `yaml:"user,omitempty" jsonschema:"description=User of basic authentication."`
	Password string `yaml:"password,omitempty" jsonschema:"description=Reference to the password of basic authentication."`
	Bearer   string `yaml:"bearer,omitempty" jsonschema:"description=Reference to a bearer token."`

	Sign []string `yaml:"sign,omitempty" jsonschema:"description=References to secrets of Standard Webhooks: the message is signed with each\\, so that one can be replaced."`
	HMAC *HMAC    `yaml:"hmac,omitempty" jsonschema:"description=Signature of the body alone in a header."`

	post.Options `yaml:",inline"`
}

// HMAC is a signature as many receivers have it.
type HMAC struct {
	Secret string `yaml:"secret" jsonschema:"description=Reference to the secret."`
	Header string `yaml:"header,omitempty" jsonschema:"description=Header field; X-Hub-Signature-256 when empty."`
	Hash   string `yaml:"hash,omitempty" jsonschema:"enum=sha256,enum=sha512,description=Hash function; sha256 when empty."`
	Prefix string `yaml:"prefix,omitempty" jsonschema:"description=What stands before the hexadecimal digits; the name of the hash and an equals sign when empty."`
}

// Bounds of the options.
const (
	maxHeaders = 32
	maxSigns   = 4
)

// Kind returns the kind.
func Kind() channel.Kind {
	return channel.Kind{
		Name: "webhook", Doc: doc, Example: example,
		Options: func() any { return &Options{Method: http.MethodPost, Format: "grove", Options: post.Defaults()} },
		New: func(w *channel.World, options any) (channel.Channel, error) {
			o, ok := options.(*Options)
			if !ok {
				return nil, fmt.Errorf("these are options of another kind: %T", options)
			}
			return open(w, o)
		},
	}
}

type hook struct {
	*post.Client
	world *channel.World
	o     *Options
	body  *template.Template // with format template
}

func open(w *channel.World, o *Options) (channel.Channel, error) {
	if err := o.check(w); err != nil {
		return nil, err
	}
	h := &hook{world: w, o: o}
	var err error
	if o.Format == "template" {
		if h.body, err = template.Option("body", o.Body, template.Text); err != nil {
			return nil, err
		}
		if err := h.checkJSON(); err != nil {
			return nil, err
		}
	}
	h.Client, err = post.New(w, o.Options)
	return h, err
}

var token = regexp.MustCompile(`\A[A-Za-z0-9!#$%&'*+.^_|~-]{1,100}\z`) // RFC 9110, section 5.6.2

// reserved are header fields that are the message's own.
var reserved = []string{"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Idempotency-Key", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "User-Agent", "Trailer", "Te", "Upgrade"}

// secretive are words in the names of header fields whose values are secrets.
var secretive = regexp.MustCompile(`(?i)auth|token|secret|key|password|cookie`)

func (o *Options) check(w *channel.World) error {
	switch {
	case o.URL == "":
		return channel.BadOption("url", "is missing")
	case o.Method != http.MethodPost && o.Method != http.MethodPut:
		return channel.BadOption("method", "%q is neither POST nor PUT", template.Truncate(o.Method, 20))
	case !slices.Contains([]string{"grove", "alertmanager", "cloudevents", "template"}, o.Format):
		return channel.BadOption("format", "%q is none of grove, alertmanager, cloudevents and template", template.Truncate(o.Format, 50))
	case o.Format == "template" && o.Body == "":
		return channel.BadOption("body", "is missing: format template needs the template")
	case o.Format != "template" && o.Body != "":
		return channel.BadOption("body", "is of no use without format: template")
	case o.Format != "template" && o.Type != "":
		return channel.BadOption("content_type", "is of no use without format: template")
	case !value(o.Type):
		return channel.BadOption("content_type", "is not printable ASCII")
	case o.User != "" && o.Password == "":
		return channel.BadOption("password", "is missing: the user needs one")
	case o.User == "" && o.Password != "":
		return channel.BadOption("user", "is missing: whose password is it?")
	case strings.ContainsAny(o.User, ":\r\n"):
		return channel.BadOption("user", "has a colon or a line break")
	case o.User != "" && o.Bearer != "":
		return channel.BadOption("bearer", "is a second way to log in beside user: leave one out")
	case len(o.Headers) > maxHeaders:
		return channel.BadOption("headers", "%d are more than the bound of %d", len(o.Headers), maxHeaders)
	case len(o.Sign) > maxSigns:
		return channel.BadOption("sign", "%d are more than the bound of %d", len(o.Sign), maxSigns)
	}
	if w.CheckSecret(o.URL) != nil {
		u, err := url.Parse(o.URL)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			return channel.BadOption("url", "is neither of the form https://host/path nor a reference to such an address")
		case u.User != nil:
			return channel.BadOption("url", "has a user in it: use user and password")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Headers)) {
		isSecret := w.CheckSecret(o.Headers[name]) == nil
		switch canonical := http.CanonicalHeaderKey(name); {
		case !token.MatchString(name):
			return channel.BadOption("headers", "%q is no name of a header field", template.Truncate(name, 100))
		case slices.Contains(reserved, canonical):
			return channel.BadOption("headers."+name, "grove sets it")
		case !isSecret && secretive.MatchString(name):
			return channel.BadOption("headers."+name, "looks like a secret: refer to it by file:/path, env:NAME or credential:NAME")
		case !isSecret && !value(o.Headers[name]):
			return channel.BadOption("headers."+name, "the value is not printable ASCII of at most 1000 characters")
		case canonical == "Authorization" && (o.User != "" || o.Bearer != ""):
			return channel.BadOption("headers."+name, "is a second way to log in: leave one out")
		}
	}
	return o.checkSecrets(w)
}

func (o *Options) checkSecrets(w *channel.World) error {
	refs := map[string]string{"password": o.Password, "bearer": o.Bearer}
	for i, ref := range o.Sign {
		if ref == "" {
			return channel.BadOption(fmt.Sprintf("sign[%d]", i), "is empty")
		}
		refs[fmt.Sprintf("sign[%d]", i)] = ref
	}
	if o.HMAC != nil {
		switch {
		case o.HMAC.Secret == "":
			return channel.BadOption("hmac.secret", "is missing")
		case o.HMAC.Header != "" && (!token.MatchString(o.HMAC.Header) || slices.Contains(reserved, http.CanonicalHeaderKey(o.HMAC.Header))):
			return channel.BadOption("hmac.header", "%q is no header field for a signature", template.Truncate(o.HMAC.Header, 100))
		case o.HMAC.Hash != "" && o.HMAC.Hash != "sha256" && o.HMAC.Hash != "sha512":
			return channel.BadOption("hmac.hash", "%q is neither sha256 nor sha512", template.Truncate(o.HMAC.Hash, 20))
		case !value(o.HMAC.Prefix):
			return channel.BadOption("hmac.prefix", "is not printable ASCII")
		}
		refs["hmac.secret"] = o.HMAC.Secret
	}
	for _, option := range slices.Sorted(maps.Keys(refs)) {
		if refs[option] == "" {
			continue
		}
		if err := w.CheckSecret(refs[option]); err != nil {
			return channel.BadOption(option, "%w", err)
		}
	}
	return nil
}

// value says whether a text may be the value of a header field.
func value(text string) bool {
	return len(text) <= 1000 && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// Send implements channel.Channel.
func (h *hook) Send(ctx context.Context, m *channel.Message) error {
	body, contentType, err := h.encode(m)
	if err != nil {
		return channel.Permanent(err)
	}
	r := post.Request{Method: h.o.Method, URL: h.o.URL, Raw: body, Header: map[string]string{
		"Content-Type": contentType, "Idempotency-Key": identifier(m.Key),
	}}
	if h.world.CheckSecret(h.o.URL) == nil {
		if r.URL, err = h.Address("url", h.o.URL); err != nil {
			return err
		}
	}
	if err := h.authenticate(&r); err != nil {
		return err
	}
	if err := h.sign(&r, identifier(m.Key)); err != nil {
		return err
	}
	return h.Do(ctx, r)
}
