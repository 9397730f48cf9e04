package remote

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"grove/tree"
	"grove/tree/metric"
)

// Bounds of the options of a target, and what holds where they say nothing.
const (
	DefaultTimeout  = 30 * time.Second
	DefaultBatch    = 2000
	DefaultParallel = 4
	maxBatch        = 50_000
	maxParallel     = 64
	maxTimeout      = 10 * time.Minute
	maxListed       = 1000 // headers, labels, paths, metrics
)

// Target is a store to send to: an element of the list remote_write of a file of
// exports.
type Target struct {
	// Name tells targets apart, in messages and as the name of the file with the
	// position: letters, digits, "-", "_" and ".", at most 64.
	Name string `yaml:"name"`
	// URL takes the requests: "https://metrics.example/api/v1/write".
	URL string `yaml:"url"`
	// Version is that of remote write: 1, which all stores speak and holds when it is
	// 0, or 2, which also says what a metric is.
	Version int `yaml:"version,omitempty"`
	// Headers go with every request; credentials have keys of their own.
	Headers map[string]string `yaml:"headers,omitempty"`
	Access  `yaml:",inline"`
	// Labels are added to every series that does not have them: which grove it is.
	Labels map[string]string `yaml:"labels,omitempty"`
	// Paths are the subtrees to send; none is everything.
	Paths []string `yaml:"paths,omitempty"`
	// Metrics and NotMetrics name those to send and those to leave out; a star stands
	// for any letters. No Metrics are all.
	Metrics    []string `yaml:"metrics,omitempty"`
	NotMetrics []string `yaml:"not_metrics,omitempty"`
	// Timeout bounds one request; 0 is DefaultTimeout.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// Batch is how many samples a request has at most, Parallel how many requests are
	// under way at once; 0 stands for DefaultBatch and DefaultParallel.
	Batch    int `yaml:"batch,omitempty"`
	Parallel int `yaml:"parallel,omitempty"`
}

// Access is how a store is reached.
type Access struct {
	Basic  Basic  `yaml:"basic,omitempty"`
	Bearer string `yaml:"bearer,omitempty"` // token, by reference: "file:/etc/grove/token"
	TLS    TLS    `yaml:"tls,omitempty"`
}

// Basic is a name and a password.
type Basic struct {
	User     string `yaml:"user,omitempty"`
	Password string `yaml:"password,omitempty"` // by reference: "env:STORE_PASSWORD"
}

// TLS says how the store's certificate is checked.
type TLS struct {
	CA string `yaml:"ca,omitempty"` // file of the authorities to trust in place of the system's, PEM
}

// KeyError says of a key of the options what is wrong with it.
type KeyError struct {
	Key string // "basic.password"
	Err error
}

// Error implements error.
func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *KeyError) Unwrap() error { return e.Err }

// checks collects what is wrong.
type checks []*KeyError

func (c *checks) add(key, format string, args ...any) {
	*c = append(*c, &KeyError{key, fmt.Errorf(format, args...)})
}

func (c *checks) between(key string, n, most int) {
	if n < 0 || n > most {
		c.add(key, "must be 1 to %d, not %d", most, n)
	}
}

// Check says everything that is wrong with the options; each is a [*KeyError].
func (t *Target) Check() error {
	var c checks
	if !validName(t.Name) {
		c.add("name", "must be 1 to 64 letters, digits, \"-\", \"_\" and \".\", and begin with a letter or digit")
	}
	c.url("url", t.URL)
	if t.Version < 0 || t.Version > 2 {
		c.add("version", "must be 1 or 2, not %d", t.Version)
	}
	t.Access.check(&c)
	for _, name := range sortedKeys(t.Headers) {
		c.header("headers."+clip(name), name, t.Headers[name])
	}
	for _, name := range sortedKeys(t.Labels) {
		if !metric.ValidLabel(name) {
			c.add("labels."+clip(name), "is not a label name, or one of grove's own")
		}
	}
	for i, p := range t.Paths {
		if _, err := tree.ParsePath(p); err != nil {
			c.add(fmt.Sprintf("paths[%d]", i), "%w", err)
		}
	}
	for key, names := range map[string][]string{"metrics": t.Metrics, "not_metrics": t.NotMetrics} {
		for i, name := range names {
			if !metric.ValidName(strings.ReplaceAll(name, "*", "_")) {
				c.add(fmt.Sprintf("%s[%d]", key, i), "%q is not the name of a metric, with or without stars", clip(name))
			}
		}
	}
	c.between("timeout", int(t.Timeout/time.Millisecond), int(maxTimeout/time.Millisecond))
	c.between("batch", t.Batch, maxBatch)
	c.between("parallel", t.Parallel, maxParallel)
	if n := max(len(t.Headers), len(t.Labels), len(t.Paths), len(t.Metrics), len(t.NotMetrics)); n > maxListed {
		c.add("url", "the target has a list of %d elements, and %d is the bound", n, maxListed)
	}
	return c.sorted()
}

// sorted joins what is wrong, by the keys.
func (c checks) sorted() error {
	slices.SortStableFunc(c, func(a, b *KeyError) int { return strings.Compare(a.Key, b.Key) })
	errs := make([]error, len(c))
	for i, e := range c {
		errs[i] = e
	}
	return errors.Join(errs...)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func (c *checks) url(key, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		c.add(key, "is missing")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || len(text) > 4096:
		c.add(key, "must be an address that begins with http:// or https://") // It may hold a secret: not repeated.
	case u.User != nil:
		c.add(key, "must not hold a name or password: use basic, with the password by reference")
	case u.Fragment != "":
		c.add(key, "must not hold a #")
	}
}

// owned are the headers that the protocol or the keys of Access set.
var owned = []string{"Authorization", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Host", "Retry-Attempt", "User-Agent", versionHeader}

func (c *checks) header(key, name, value string) {
	for i := range len(name) {
		if !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(name[i])) && !validName("a"+name[i:i+1]) { // RFC 9110, 5.6.2
			c.add(key, "is not the name of a header")
			return
		}
	}
	switch {
	case name == "":
		c.add(key, "is not the name of a header")
	case slices.Contains(owned, http.CanonicalHeaderKey(name)):
		c.add(key, "cannot be set here; credentials are given by basic or bearer")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) || len(value) > 4096:
		c.add(key, "has a value that cannot be sent")
	}
}

func (a *Access) check(c *checks) {
	reference := func(key, ref string) {
		if ref != "" && !strings.HasPrefix(ref, "file:") && !strings.HasPrefix(ref, "env:") && !strings.HasPrefix(ref, "credential:") {
			c.add(key, "a secret is given by reference: file:/path, env:NAME or credential:NAME") // It may be the secret: not repeated.
		}
	}
	reference("basic.password", a.Basic.Password)
	reference("bearer", a.Bearer)
	switch {
	case a.Basic.User != "" && a.Bearer != "":
		c.add("bearer", "cannot be used together with basic")
	case a.Basic.User == "" && a.Basic.Password != "":
		c.add("basic.user", "is missing")
	case strings.ContainsRune(a.Basic.User, ':'):
		c.add("basic.user", "must not hold a colon") // RFC 7617, 2
	}
	if a.TLS.CA != "" && !filepath.IsAbs(a.TLS.CA) {
		c.add("tls.ca", "must be an absolute path")
	}
}

// withDefaults returns the target with what it does not say.
func (t Target) withDefaults() Target {
	if t.Version == 0 {
		t.Version = 1
	}
	if t.Timeout == 0 {
		t.Timeout = DefaultTimeout
	}
	if t.Batch == 0 {
		t.Batch = DefaultBatch
	}
	if t.Parallel == 0 {
		t.Parallel = DefaultParallel
	}
	return t
}

// clip bounds what a message repeats.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}
