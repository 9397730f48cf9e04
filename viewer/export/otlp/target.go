package otlp

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"grove/tree"
)

// Bounds of a target.
const (
	MinEvery     = time.Second
	DefaultEvery = time.Minute
	MaxHeaders   = 16
)

// Target is one collector, as the configuration names it.
type Target struct {
	Name string `yaml:"name"` // unique among targets
	// URL is where the collector takes OTLP over HTTP, "http://127.0.0.1:4318";
	// /v1/metrics and /v1/logs are added.
	URL     string            `yaml:"url"`
	Path    string            `yaml:"path"`    // only nodes at and below it; empty: all
	Headers map[string]string `yaml:"headers"` // header -> secret reference, such as file:/etc/grove/token
	// Every is how often metrics are sent; zero is a minute.
	Every time.Duration `yaml:"every"`
	// Types are prefixes of the notification types that become log records; none stands
	// for "grove.", "-" alone for no log records at all.
	Types []string `yaml:"types"`
	// NoMetrics leaves the metrics out.
	NoMetrics bool `yaml:"no_metrics"`

	root tree.Path
	base *url.URL
}

// Check fills the defaults and says which key is wrong.
func (t *Target) Check() error {
	if t.Name == "" {
		return errors.New("name: a target has a name of its own")
	}
	fail := func(key, format string, args ...any) error {
		return fmt.Errorf("%s: %s: %w", t.Name, key, fmt.Errorf(format, args...))
	}
	u, err := url.Parse(t.URL)
	switch {
	case err != nil:
		return fail("url", "it is not a URL") // the text of the error has the URL in it
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fail("url", "http://HOST:PORT or https://HOST is wanted")
	case u.User != nil:
		return fail("url", "no name or password belongs into it: give a header with a secret reference")
	case u.RawQuery != "" || u.Fragment != "":
		return fail("url", "it has no query and no fragment")
	}
	t.base = u
	if t.root, err = tree.ParsePath(t.Path); err != nil {
		return fail("path", "%w", err)
	}
	if t.Every == 0 {
		t.Every = DefaultEvery
	}
	if t.Every < MinEvery {
		return fail("every", "%s is less than %s", t.Every, MinEvery)
	}
	if len(t.Headers) > MaxHeaders {
		return fail("headers", "%d of them, and the bound is %d", len(t.Headers), MaxHeaders)
	}
	for name, reference := range t.Headers { // which is not repeated: it may be the secret itself
		if !strings.HasPrefix(reference, "file:") && !strings.HasPrefix(reference, "env:") && !strings.HasPrefix(reference, "credential:") {
			return fail("headers", "%s: a secret is given by reference: file:/path, env:NAME or credential:NAME", name)
		}
	}
	if len(t.Types) == 0 {
		t.Types = []string{"grove."}
	}
	return nil
}

// logs says whether the target takes log records.
func (t *Target) logs() bool { return len(t.Types) != 1 || t.Types[0] != "-" }

// wants says whether a notification becomes a log record of the target.
func (t *Target) wants(kind, path string) bool {
	root := strings.TrimSuffix(t.root.String(), "/")
	if rest, below := strings.CutPrefix(path, root); !below || rest != "" && rest[0] != '/' {
		return false
	}
	for _, prefix := range t.Types {
		if strings.HasPrefix(kind, prefix) {
			return true
		}
	}
	return false
}
