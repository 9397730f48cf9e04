// Package session is what the probes of servers have in common that are asked over TCP
// after a login: where the server is, as whom it is asked, how the connection is
// encrypted, and how much it may send.
package session

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// The forms of encryption.
const (
	Plain    = "none"     // nothing is encrypted
	TLS      = "tls"      // the connection is
	StartTLS = "starttls" // it begins in the clear and is before the login
)

// maxName bounds the name of a user, in bytes.
const maxName = 1000

// Options say where a server is and as whom it is asked. They are embedded inline in the
// options of a kind.
type Options struct {
	Address    string         `yaml:"address" jsonschema:"required,description=Host and port\\, such as db1:5432 or [2001:db8::1]:5432."`
	User       string         `yaml:"user,omitempty" jsonschema:"description=Name of the user."`
	Password   secret.Ref     `yaml:"password,omitempty" jsonschema:"description=Password; a reference such as file:/etc/grove/password or env:PASSWORD."`
	Encryption string         `yaml:"encryption,omitempty" jsonschema:"description=none or tls (of LDAP also starttls). When empty\\, what goes to this machine by a loopback address is not encrypted and all else must be."`
	TLS        secure.Options `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked."`
}

// Server is what Options come to.
type Server struct {
	Options
	Host, Port string
	Encryption string // one of the kind's forms, never empty
}

// Check says which option is wrong. Forms are what the kind knows of encryption beside
// Plain: the first is taken for other machines when nothing is said.
func (o Options) Check(forms ...string) (*Server, error) {
	host, port, err := dial.Split(o.Address)
	if err != nil {
		return nil, probe.BadOption("address", "%q: %w", o.Address, err)
	}
	s := &Server{Options: o, Host: host, Port: port, Encryption: o.Encryption}
	s.Address = net.JoinHostPort(host, port)
	known := append([]string{Plain}, forms...)
	switch {
	case o.Encryption == "" && isLoopback(host):
		s.Encryption = Plain
		if o.TLS != (secure.Options{}) {
			s.Encryption = forms[0]
		}
	case o.Encryption == "":
		s.Encryption = forms[0]
	case !slices.Contains(known, o.Encryption):
		return nil, probe.BadOption("encryption", "%q is none of %s", o.Encryption, strings.Join(known, ", "))
	}
	if o.Encryption == Plain && o.TLS != (secure.Options{}) {
		return nil, probe.BadOption("tls", "is of no use with encryption: none")
	}
	if len(o.User) > maxName || strings.ContainsRune(o.User, 0) {
		return nil, probe.BadOption("user", "has more than %d bytes, or a NUL", maxName)
	}
	if err := o.Password.Check(); err != nil {
		return nil, probe.BadOption("password", "%w", err)
	}
	return s, o.TLS.Check()
}

// isLoopback says whether a host is this machine for certain.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
