package ntp

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"grove/runtime/probe"
)

// Options are the options of the kind "ntp".
type Options struct {
	Server  string `yaml:"server" jsonschema:"required,description=Host of the time server\\, or host and port; the port is 123 unless given."`
	Version int    `yaml:"version" jsonschema:"minimum=3,maximum=4,default=4,description=Version of the protocol: 3 or 4."`
}

// plan is what Options come to.
type plan struct {
	Options
	host    string
	address string // host:port
}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{Options: *o}
	host, port, err := split(o.Server)
	if err != nil {
		return nil, probe.BadOption("server", "%q: %w", o.Server, err)
	}
	if o.Version < 3 || o.Version > 4 {
		return nil, probe.BadOption("version", "%d is neither 3 nor 4", o.Version)
	}
	p.host, p.address = strings.ToLower(host), net.JoinHostPort(host, port)
	return p, nil
}

func split(server string) (host, port string, err error) {
	if server == "" {
		return "", "", errors.New("is needed: a host, such as ntp.example.com")
	}
	if a, err := netip.ParseAddr(strings.Trim(server, "[]")); err == nil {
		return a.String(), "123", nil
	}
	host, port = server, "123"
	if h, p, err := net.SplitHostPort(server); err == nil {
		host, port = h, p
	}
	if n, err := strconv.Atoi(port); (err != nil || n < 1 || n > 65535) && !strings.Contains(server, "/") {
		return "", "", errors.New("the port is not a number from 1 to 65535")
	}
	if host == "" || strings.Contains(server, "/") || len(host) > 253 || strings.ContainsAny(host, "/[] \t\n") || strings.Contains(host, ":") && !strings.Contains(host, "::") {
		return "", "", errors.New("is not a host, or a host and a port, such as ntp.example.com or [2001:db8::1]:123")
	}
	return host, port, nil
}
