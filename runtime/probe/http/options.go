package http

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"grove/runtime/probe"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// The bounds of the options.
const (
	maxURL         = 4096     // bytes
	maxHeaders     = 50       //
	maxRequestBody = 64 << 10 // bytes
	maxMaxBody     = 64 << 20 // bytes
	maxRedirects   = 20
	maxExpression  = 2000 // bytes of a regular expression
	maxExtracts    = 200
)

// Options are the options of the kind "http".
type Options struct {
	URL       string            `yaml:"url" jsonschema:"required,format=uri,description=Address to ask: http:// or https://."`
	Method    string            `yaml:"method" jsonschema:"default=GET,description=Method of the request."`
	Headers   map[string]string `yaml:"headers,omitempty" jsonschema:"description=Headers of the request. A value that begins with file:\\, env: or credential: is a reference to a secret; credentials must be given so."`
	Body      string            `yaml:"body,omitempty" jsonschema:"description=Body of the request."`
	Basic     Basic             `yaml:"basic,omitempty" jsonschema:"description=Name and password by HTTP basic authentication."`
	Bearer    secret.Ref        `yaml:"bearer,omitempty" jsonschema:"description=Token that is sent as Authorization: Bearer; a reference such as file:/etc/grove/token or env:TOKEN."`
	Status    Codes             `yaml:"status,omitempty" jsonschema:"description=Status codes that are well: codes and ranges; 200-399 when empty."`
	Match     string            `yaml:"match,omitempty" jsonschema:"description=Regular expression (RE2) that the answer's body must contain."`
	NotMatch  string            `yaml:"not_match,omitempty" jsonschema:"description=Regular expression (RE2) that the answer's body must not contain."`
	MaxBody   int               `yaml:"max_body" jsonschema:"minimum=1,maximum=67108864,default=1048576,description=The most bytes of the answer's body that are read\\, after decompression."`
	Redirects int               `yaml:"redirects" jsonschema:"minimum=0,maximum=20,default=10,description=The most redirects that are followed; 0 takes a redirect for the answer."`
	KeepAlive bool              `yaml:"keep_alive,omitempty" jsonschema:"description=Keep the connection for the next run. Then most runs do not see whether a new one could be had."`
	TLS       secure.Options    `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked."`
	Extract   Extract           `yaml:"extract,omitempty" jsonschema:"description=Attributes that are read from the answer."`
}

// Basic is a name and a password.
type Basic struct {
	User     string     `yaml:"user,omitempty" jsonschema:"description=Name of the user."`
	Password secret.Ref `yaml:"password,omitempty" jsonschema:"description=Password; a reference such as file:/etc/grove/password or env:PASSWORD."`
}

// Extract says which attributes are read from the answer.
type Extract struct {
	Regex      string               `yaml:"regex,omitempty" jsonschema:"description=Regular expression (RE2) whose named groups\\, (?P<name>…)\\, become attributes: the first match in the body."`
	JSON       map[string]string    `yaml:"json,omitempty" jsonschema:"description=Attributes by JSONPath in the body\\, such as active: $.pool.active."`
	Header     map[string]string    `yaml:"header,omitempty" jsonschema:"description=Attributes by header of the answer\\, such as server: Server."`
	Attributes map[string]Extracted `yaml:"attributes,omitempty" jsonschema:"description=What the extracted attributes are\\, where it is not a plain number."`
}

// Extracted describes one extracted attribute.
type Extracted struct {
	Type        string `yaml:"type,omitempty" jsonschema:"enum=number,enum=counter,enum=bool,enum=text,enum=age,description=number\\, counter (a number that only rises)\\, bool\\, text\\, or age: the seconds since the time that is found; headers are text when empty\\, others number."`
	Unit        string `yaml:"unit,omitempty" jsonschema:"description=Unit of the number."`
	Description string `yaml:"description,omitempty" jsonschema:"description=What the attribute means."`
}

// Codes is a list of status codes and ranges of them: "204", "200-299", "2xx".
type Codes []string

// JSONSchema lets editors take numbers, too.
func (Codes) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "integer", Minimum: "100", Maximum: "599"},
		{Type: "string", Pattern: `^[1-5](xx|[0-9][0-9](-[1-5][0-9][0-9])?)$`},
	}}}
}

// span is a range of status codes, both ends included.
type span struct{ from, to int }

func (c Codes) parse() ([]span, error) {
	if len(c) == 0 {
		return []span{{200, 399}}, nil
	}
	var out []span
	for _, text := range c {
		s, ok := parseSpan(text)
		if !ok {
			return nil, fmt.Errorf("%q is neither a status code (204) nor a range (200-299, 2xx)", text)
		}
		out = append(out, s)
	}
	return out, nil
}

func parseSpan(text string) (span, bool) {
	if len(text) == 3 && strings.HasSuffix(text, "xx") {
		c := int(text[0]-'0') * 100
		return span{c, c + 99}, text[0] >= '1' && text[0] <= '5'
	}
	low, high, ranged := strings.Cut(text, "-")
	from, err := strconv.Atoi(low)
	to := from
	if err == nil && ranged {
		to, err = strconv.Atoi(high)
	}
	return span{from, to}, err == nil && from >= 100 && to <= 599 && from <= to && len(low) == 3
}

func (c Codes) String() string {
	if len(c) == 0 {
		return "200-399"
	}
	return strings.Join(c, ", ")
}

// plan is what Options come to.
type plan struct {
	Options
	url             *url.URL
	status          []span
	match, notMatch *regexp.Regexp
	extract         *extractor
}

// check says which option is wrong. No message repeats the value of an option that
// may be a secret, written there by mistake.
func (o *Options) check() (*plan, error) {
	p := &plan{Options: *o}
	var err error
	if p.url, err = parseURL(o.URL); err != nil {
		return nil, probe.BadOption("url", "%w", err)
	}
	if !isToken(o.Method) {
		return nil, probe.BadOption("method", "%q is no method", o.Method)
	}
	if err := o.checkHeaders(); err != nil {
		return nil, err
	}
	if len(o.Body) > maxRequestBody {
		return nil, probe.BadOption("body", "has %d bytes, more than %d", len(o.Body), maxRequestBody)
	}
	if p.status, err = o.Status.parse(); err != nil {
		return nil, probe.BadOption("status", "%w", err)
	}
	if p.match, err = compile("match", o.Match); err != nil {
		return nil, err
	}
	if p.notMatch, err = compile("not_match", o.NotMatch); err != nil {
		return nil, err
	}
	if o.MaxBody < 1 || o.MaxBody > maxMaxBody {
		return nil, probe.BadOption("max_body", "%d is outside 1..%d", o.MaxBody, maxMaxBody)
	}
	if o.Redirects < 0 || o.Redirects > maxRedirects {
		return nil, probe.BadOption("redirects", "%d is outside 0..%d", o.Redirects, maxRedirects)
	}
	if err := o.TLS.Check(); err != nil {
		return nil, err
	}
	p.extract, err = newExtractor(o.Extract)
	return p, err
}

func parseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("is missing")
	}
	if len(text) > maxURL {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(text), maxURL)
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
	if err := checkURL(u); err != nil {
		return nil, err
	}
	if u.User != nil {
		return nil, errors.New("holds a user name; give it by basic")
	}
	return u, nil
}

// checkURL says why a URL, given or redirected to, is not asked.
func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the scheme is %q, not http or https", u.Scheme)
	case u.Hostname() == "":
		return errors.New("has no host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("the port %q is outside 1..65535", port)
		}
	}
	return nil
}

// credentials are the headers whose values are secrets whatever they look like.
var credentials = []string{"authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"}

func (o *Options) checkHeaders() error {
	if len(o.Headers) > maxHeaders {
		return probe.BadOption("headers", "%d headers are more than the %d that are allowed", len(o.Headers), maxHeaders)
	}
	var names []string
	for name := range o.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		option, value := "headers."+name, o.Headers[name]
		switch {
		case !isToken(name):
			return probe.BadOption("headers", "%q is no name of a header", name)
		case i > 0 && slices.ContainsFunc(names[:i], func(other string) bool { return strings.EqualFold(other, name) }):
			return probe.BadOption(option, "is given twice")
		case secret.Looks(value):
			if err := secret.Ref(value).Check(); err != nil {
				return probe.BadOption(option, "%w", err)
			}
		case slices.Contains(credentials, strings.ToLower(name)):
			return probe.BadOption(option, "a secret is given by reference: file:/path, env:NAME or credential:NAME; see also basic and bearer")
		case !isHeaderValue(value):
			return probe.BadOption(option, "has a character that headers may not have")
		}
		if strings.EqualFold(name, "authorization") && (o.Bearer != "" || o.Basic != Basic{}) {
			return probe.BadOption(option, "is given twice: basic and bearer set it, too")
		}
	}
	if err := o.Basic.Password.Check(); err != nil {
		return probe.BadOption("basic.password", "%w", err)
	}
	switch {
	case o.Basic.User == "" && o.Basic.Password != "":
		return probe.BadOption("basic.user", "is missing")
	case strings.Contains(o.Basic.User, ":"):
		return probe.BadOption("basic.user", "may not have a colon")
	case o.Basic.User != "" && o.Bearer != "":
		return probe.BadOption("bearer", "basic is given, too: only one of them can be sent")
	}
	if err := o.Bearer.Check(); err != nil {
		return probe.BadOption("bearer", "%w", err)
	}
	return nil
}

// isToken says whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

// isHeaderValue says whether s can be sent as the value of a header: RFC 9110,
// section 5.5.
func isHeaderValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func compile(option, expression string) (*regexp.Regexp, error) {
	if expression == "" {
		return nil, nil
	}
	if len(expression) > maxExpression {
		return nil, probe.BadOption(option, "has %d bytes, more than %d", len(expression), maxExpression)
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, probe.BadOption(option, "%w", err)
	}
	return re, nil
}
