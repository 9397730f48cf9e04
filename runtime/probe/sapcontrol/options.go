package sapcontrol

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// The bounds of the options.
const (
	maxURL     = 4096     // bytes
	maxMaxBody = 64 << 20 // bytes
)

// Options are the options of the kind "sapcontrol".
type Options struct {
	URL       string         `yaml:"url" jsonschema:"required,description=Where the start service of the instance listens: http:// or https:// with port 5<NN>13 or 5<NN>14\\, or unix:///tmp/.sapstream5<NN>13 on the same machine."`
	Basic     Basic          `yaml:"basic,omitempty" jsonschema:"description=Name and password of a user of the system's host."`
	Functions []string       `yaml:"functions,omitempty" jsonschema:"description=What is asked for: alerts\\, processes\\, instances\\, queues\\, enqueue\\, work_processes; the first three when empty."`
	MaxBody   int            `yaml:"max_body" jsonschema:"minimum=1024,maximum=67108864,default=33554432,description=The most bytes of one answer."`
	TLS       secure.Options `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked."`
}

// Basic is a name and a password.
type Basic struct {
	User     string     `yaml:"user,omitempty" jsonschema:"description=Name of the user."`
	Password secret.Ref `yaml:"password,omitempty" jsonschema:"description=Password; a reference such as file:/etc/grove/password or env:PASSWORD."`
}

// standard are the functions that every kind of instance has.
var standard = []string{"alerts", "processes", "instances"}

// plan is what Options come to.
type plan struct {
	Options
	url       *url.URL
	socket    string // path of a unix socket, empty for a URL
	functions []*function
}

// sockets are the only files that are connected to: those of start services.
var sockets = regexp.MustCompile(`^\.sapstream5[0-9][0-9]13$`)

// check says which option is wrong. No message repeats what may be a secret, written
// there by mistake.
func (o *Options) check(socketDir string) (*plan, error) {
	p := &plan{Options: *o}
	if err := p.address(socketDir); err != nil {
		return nil, probe.BadOption("url", "%w", err)
	}
	if err := o.Basic.Password.Check(); err != nil {
		return nil, probe.BadOption("basic.password", "%w", err)
	}
	switch {
	case o.Basic.User == "" && o.Basic.Password != "":
		return nil, probe.BadOption("basic.user", "is missing")
	case strings.Contains(o.Basic.User, ":"):
		return nil, probe.BadOption("basic.user", "may not have a colon")
	case o.MaxBody < 1024 || o.MaxBody > maxMaxBody:
		return nil, probe.BadOption("max_body", "%d is outside 1024..%d", o.MaxBody, maxMaxBody)
	}
	if err := o.TLS.Check(); err != nil {
		return nil, err
	}
	names := o.Functions
	if len(names) == 0 {
		names = standard
	}
	for i, name := range names {
		f := functionNamed(name)
		switch {
		case f == nil:
			return nil, probe.BadOption("functions", "%q is none of %s", name, strings.Join(functionNames(), ", "))
		case slices.Contains(names[:i], name):
			return nil, probe.BadOption("functions", "%q is there twice", name)
		}
		p.functions = append(p.functions, f)
	}
	return p, nil
}

func (p *plan) address(socketDir string) error {
	if p.URL == "" {
		return errors.New("is missing")
	}
	if len(p.URL) > maxURL {
		return fmt.Errorf("has %d bytes, more than %d", len(p.URL), maxURL)
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		// The error of url.Parse repeats the URL, which may hold a password.
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return fmt.Errorf("is no URL: %w", err)
	}
	if u.User != nil {
		return errors.New("holds a user name; give it by basic")
	}
	switch u.Scheme {
	case "unix":
		dir, name := filepath.Split(u.Path)
		if u.Host != "" || filepath.Clean(dir) != socketDir || !sockets.MatchString(name) || filepath.Clean(u.Path) != u.Path {
			return fmt.Errorf("is no socket of a start service: unix://%s/.sapstream5<NN>13", socketDir)
		}
		p.socket = u.Path
		u = &url.URL{Scheme: "http", Host: "localhost", Path: "/"}
	case "http", "https":
		if u.Hostname() == "" {
			return errors.New("has no host")
		}
		if port := u.Port(); port != "" {
			if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
				return fmt.Errorf("the port %q is outside 1..65535", port)
			}
		}
	default:
		return fmt.Errorf("the scheme is %q, not http, https or unix", u.Scheme)
	}
	if u.Path == "" {
		u.Path = "/SAPControl.cgi"
	}
	p.url = u
	return nil
}
