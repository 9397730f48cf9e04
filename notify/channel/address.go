package channel

import (
	"net"
	"strconv"
	"strings"
)

// Address reads the option of a server, host:port or a host alone, whose port is then the
// one given: "mail.example.org", "[2001:db8::1]:587". The error is of BadOption.
func Address(option, text string, port int) (host string, address string, err error) {
	host, number := text, strconv.Itoa(port)
	if h, p, err := net.SplitHostPort(text); err == nil {
		host, number = h, p
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	n, err := strconv.ParseUint(number, 10, 16)
	isName := host != "" && !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/\@<>"[]`, r) })
	switch {
	case text == "":
		return "", "", BadOption(option, "is missing: write host:port")
	case err != nil || n == 0 || !isName || strings.Contains(host, ":") && net.ParseIP(host) == nil:
		return "", "", BadOption(option, "%.100q is not host:port", text)
	}
	return host, net.JoinHostPort(host, number), nil
}
