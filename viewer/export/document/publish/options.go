package publish

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"grove/viewer/export/report"
)

// Options say what is published, when and where to.
type Options struct {
	Name     string `yaml:"name"`
	What     string `yaml:"what"`
	Format   string `yaml:"format"`
	Path     string `yaml:"path,omitempty"`
	Customer string `yaml:"customer,omitempty"`
	Manager  string `yaml:"manager,omitempty"` // of a document
	Period   string `yaml:"period,omitempty"`  // of a report: "day", "week", …
	Worst    int    `yaml:"worst,omitempty"`   // of a report: how many of the worst nodes
	Zone     string `yaml:"zone,omitempty"`    // time zone of at and of a report; UTC without

	// One of these says when.
	Every time.Duration `yaml:"every,omitempty"`
	At    string        `yaml:"at,omitempty"`
	On    string        `yaml:"on,omitempty"`
	// Settle and Pause are for "on: change"; zero is DefaultSettle and DefaultPause.
	Settle time.Duration `yaml:"settle,omitempty"`
	Pause  time.Duration `yaml:"pause,omitempty"`

	To Target `yaml:"to"`
}

// Target is where to; one of File, Directory and URL.
type Target struct {
	File      string `yaml:"file,omitempty"`
	Directory string `yaml:"directory,omitempty"`
	Keep      int    `yaml:"keep,omitempty"` // files in the directory; zero is DefaultKeep

	URL     string            `yaml:"url,omitempty"`
	Method  string            `yaml:"method,omitempty"` // PUT without, or POST
	Headers map[string]string `yaml:"headers,omitempty"`
	// SecretHeaders, Basic.Password and Bearer are references: "file:/path", "env:NAME", "credential:NAME".
	SecretHeaders map[string]string `yaml:"secret_headers,omitempty"`
	Basic         *Basic            `yaml:"basic,omitempty"`
	Bearer        string            `yaml:"bearer,omitempty"`
	Timeout       time.Duration     `yaml:"timeout,omitempty"` // of one request; zero is DefaultTimeout
	Tries         int               `yaml:"tries,omitempty"`   // zero is DefaultTries
}

// Basic is a user by the basic scheme (RFC 7617).
type Basic struct {
	User     string `yaml:"user"`
	Password string `yaml:"password"`
}

// Bounds and defaults.
const (
	MaxPublications = 200
	MinEvery        = 10 * time.Second
	MaxEvery        = 31 * 24 * time.Hour
	DefaultSettle   = 5 * time.Second
	DefaultPause    = time.Minute
	MinPause        = time.Second
	DefaultKeep     = 24
	MaxKeep         = 10_000
	DefaultTimeout  = 30 * time.Second
	MaxTimeout      = 10 * time.Minute
	DefaultTries    = 6
	MaxTries        = 20
	maxHeaders      = 50
)

// KeyError says which key of a publication is wrong, "to.url" for a nested one.
type KeyError struct {
	Key string
	Err error
}

// Error implements error.
func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// faults gathers what is wrong with options.
type faults []error

func (f *faults) add(key, format string, args ...any) {
	*f = append(*f, &KeyError{key, fmt.Errorf(format, args...)})
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Check says everything that is wrong with the options by themselves; each error in it
// is a *KeyError.
func (o *Options) Check() error {
	var f faults
	if !nameForm.MatchString(o.Name) {
		f.add("name", "%q: small letters, digits, dots, - and _, at most 64, a letter or digit first", clip(o.Name))
	}
	switch o.What {
	case "document":
		o.checkFormat(&f, "xml", "json", "html")
		for key, given := range map[string]bool{"period": o.Period != "", "worst": o.Worst != 0} {
			if given {
				f.add(key, "is for reports")
			}
		}
	case "report":
		o.checkFormat(&f, "html", "csv", "json")
		if o.Manager != "" {
			f.add("manager", "is for documents; say path")
		}
		if _, err := o.reportQuery(time.Now()); err != nil {
			f.add("period", "%w", err)
		}
	default:
		f.add("what", "%q: document or report", clip(o.What))
	}
	if o.What != "report" {
		if _, err := o.documentQuery(); err != nil {
			f.add("path", "%w", err)
		}
	}
	o.checkTime(&f)
	o.To.check(&f)
	slices.SortFunc(f, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(f...)
}

func (o *Options) checkFormat(f *faults, known ...string) {
	if !slices.Contains(known, o.Format) {
		f.add("format", "%q: a %s is had as %s", clip(o.Format), o.What, strings.Join(known, ", "))
	}
}

func (o *Options) checkTime(f *faults) {
	zone, err := report.Zone(o.Zone)
	if err != nil {
		f.add("zone", "%w", err)
		zone = time.UTC
	}
	said := 0
	for _, given := range []bool{o.Every != 0, o.At != "", o.On != ""} {
		if given {
			said++
		}
	}
	if said != 1 {
		f.add("every", "one of every, at and on says when")
	}
	if o.Every != 0 && (o.Every < MinEvery || o.Every > MaxEvery) {
		f.add("every", "%s is not from %s to %s", o.Every, MinEvery, MaxEvery)
	}
	if o.At != "" {
		if _, err := parseMoment(o.At, zone); err != nil {
			f.add("at", "%q %w", clip(o.At), err)
		}
	}
	if o.On != "" && o.On != "change" {
		f.add("on", "%q: only change", clip(o.On))
	}
	switch {
	case o.On == "" && (o.Settle != 0 || o.Pause != 0):
		f.add("settle", "settle and pause are for on: change")
	case o.Settle < 0 || o.Settle > time.Hour:
		f.add("settle", "%s is not from 0s to 1h", o.Settle)
	case o.Pause != 0 && (o.Pause < MinPause || o.Pause > 24*time.Hour):
		f.add("pause", "%s is not from %s to 24h", o.Pause, MinPause)
	}
}

func (t *Target) check(f *faults) {
	said := 0
	for key, text := range map[string]string{"to.file": t.File, "to.directory": t.Directory, "to.url": t.URL} {
		if text == "" {
			continue
		}
		said++
		if key != "to.url" && (!filepath.IsAbs(text) || filepath.Clean(text) != text || strings.ContainsRune(text, 0)) {
			f.add(key, "%q is not an absolute path without detours", clip(text))
		}
	}
	if said != 1 {
		f.add("to", "one of file, directory and url says where to")
	}
	if t.Keep != 0 && (t.Directory == "" || t.Keep < 1 || t.Keep > MaxKeep) {
		f.add("to.keep", "is for a directory, 1 to %d", MaxKeep)
	}
	if t.URL == "" {
		for key, given := range map[string]bool{
			"to.method": t.Method != "", "to.headers": len(t.Headers) > 0, "to.secret_headers": len(t.SecretHeaders) > 0, "to.basic": t.Basic != nil,
			"to.bearer": t.Bearer != "", "to.timeout": t.Timeout != 0, "to.tries": t.Tries != 0,
		} {
			if given {
				f.add(key, "is for a url")
			}
		}
		return
	}
	t.checkURL(f)
}

func (t *Target) checkURL(f *faults) {
	switch u, err := url.Parse(t.URL); {
	case err != nil:
		f.add("to.url", "is malformed") // The parser's error repeats it, with what is secret in it.
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		f.add("to.url", "is not an address of http or https")
	case u.User != nil:
		f.add("to.url", "has a user in it; say to.basic, with the password by reference")
	case u.Scheme == "http" && (t.Basic != nil || t.Bearer != "" || len(t.SecretHeaders) > 0) && !isLoopback(u.Hostname()):
		f.add("to.url", "would send credentials without encryption; use https")
	}
	if t.Method != "" && t.Method != "PUT" && t.Method != "POST" {
		f.add("to.method", "%q: PUT or POST", clip(t.Method))
	}
	if len(t.Headers)+len(t.SecretHeaders) > maxHeaders {
		f.add("to.headers", "more than %d", maxHeaders)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		t.checkHeader(f, "to.headers", name)
		if strings.ContainsFunc(t.Headers[name], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			f.add("to.headers", "the value of %q has a control character", clip(name))
		}
		if strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Cookie") {
			f.add("to.headers", "%s is secret; say to.secret_headers, to.basic or to.bearer, by reference", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.SecretHeaders)) {
		t.checkHeader(f, "to.secret_headers", name)
		checkReference(f, "to.secret_headers", t.SecretHeaders[name])
	}
	if t.Basic != nil {
		if t.Basic.User == "" || strings.ContainsAny(t.Basic.User, ":\r\n\x00") {
			f.add("to.basic.user", "a name without a colon")
		}
		checkReference(f, "to.basic.password", t.Basic.Password)
	}
	if t.Bearer != "" {
		checkReference(f, "to.bearer", t.Bearer)
	}
	if t.Basic != nil && t.Bearer != "" {
		f.add("to.bearer", "basic says who already")
	}
	if t.Timeout < 0 || t.Timeout > MaxTimeout {
		f.add("to.timeout", "%s is not up to %s", t.Timeout, MaxTimeout)
	}
	if t.Tries < 0 || t.Tries > MaxTries {
		f.add("to.tries", "%d is not 1 to %d", t.Tries, MaxTries)
	}
}

// headerForm is a token (RFC 9110, 5.6.2).
var headerForm = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// ours are the headers that a request gets by itself.
var ours = []string{"Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Host", "Connection"}

func (t *Target) checkHeader(f *faults, key, name string) {
	if !headerForm.MatchString(name) || slices.ContainsFunc(ours, func(o string) bool { return strings.EqualFold(o, name) }) {
		f.add(key, "%q is no header that can be given", clip(name))
	}
}

// checkReference says whether a secret is given by reference. The error does not repeat
// it, since it may be the secret itself.
func checkReference(f *faults, key, text string) {
	file, isFile := strings.CutPrefix(text, "file:")
	name, isEnv := strings.CutPrefix(text, "env:")
	credential, isCredential := strings.CutPrefix(text, "credential:")
	if !(isFile && filepath.IsAbs(file) || isEnv && name != "" || isCredential && credential != "") {
		f.add(key, "a secret is given by reference: file:/path, env:NAME or credential:NAME")
	}
}

// CheckAll says what is wrong with a list of publications.
func CheckAll(list []Options) error {
	var errs []error
	if len(list) > MaxPublications {
		errs = append(errs, fmt.Errorf("publish: more than %d", MaxPublications))
	}
	seen := map[string]int{}
	for i := range list {
		if err := list[i].Check(); err != nil {
			for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
				errs = append(errs, fmt.Errorf("publish[%d].%w", i, one))
			}
		}
		if first, ok := seen[list[i].Name]; ok {
			errs = append(errs, fmt.Errorf("publish[%d].%w", i, &KeyError{"name", fmt.Errorf("publish[%d] has it already", first)}))
		}
		seen[list[i].Name] = i
	}
	return errors.Join(errs...)
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// clip shortens hostile text for an error message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
