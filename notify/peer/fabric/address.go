package fabric

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// parseAddress checks an address at which a manager listens, or is called.
func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%.100q is not an address such as tls://grove.example:7443", text)
	}
	switch {
	case u.Scheme != "tls" && u.Scheme != "wss":
		return nil, fmt.Errorf("%.100q: the address of a manager begins with tls:// or wss://", text)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s: the address of a manager has a host, a port and with wss a path, and nothing else", u.Redacted())
	case u.Scheme == "tls" && u.Path != "":
		return nil, fmt.Errorf("%.100q: a path has a meaning with wss only", text)
	}
	if u.Port() == "" {
		return nil, fmt.Errorf("%.100q has no port, such as :7443", text)
	}
	if port, err := strconv.Atoi(u.Port()); err != nil || port < 0 || port > 65535 {
		return nil, fmt.Errorf("%.100q: a port is a number up to 65535", text)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("%.100q has no host; 0.0.0.0 listens at all addresses of this machine", text)
	}
	return u, nil
}

// listen is where a server listens; nil is not.
type listen struct{ tls, wss *url.URL }

func parseListen(addresses []string) (l listen, err error) {
	for _, text := range addresses {
		u, err := parseAddress(text)
		if err != nil {
			return l, err
		}
		place := &l.tls
		if u.Scheme == "wss" {
			place = &l.wss
		}
		if *place != nil {
			return l, fmt.Errorf("%s and %s: a manager listens at one %s address", *place, u, u.Scheme)
		}
		*place = u
	}
	return l, nil
}

// parseProxy checks the address of an HTTP proxy; nil is none. Its password is in no error.
func parseProxy(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Port() == "" {
		return nil, errors.New("proxy: an address such as http://proxy.example:3128 is needed")
	}
	return u, nil
}
