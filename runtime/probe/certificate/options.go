package certificate

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/files"
	"grove/runtime/probe/secure"
)

// Options are the options of the kind "certificate".
type Options struct {
	Address  string         `yaml:"address,omitempty" jsonschema:"description=Host and port that is asked for its certificate\\, such as mail1:25; either this or file."`
	Protocol string         `yaml:"protocol,omitempty" jsonschema:"enum=tls,enum=smtp,enum=imap,enum=pop3,enum=ftp,enum=ldap,enum=postgres,enum=mysql,enum=xmpp,default=tls,description=What is spoken before TLS begins: tls is nothing\\, the others switch to it as their protocols say (STARTTLS)."`
	File     string         `yaml:"file,omitempty" jsonschema:"description=File of certificates (PEM)\\, the server's own first; either this or address."`
	TLS      secure.Options `yaml:"tls,omitempty" jsonschema:"description=How the certificate is checked\\, and what is shown to the server."`
}

// plan is what Options come to.
type plan struct {
	Options
	host  string // of the address
	begin preamble
}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{Options: *o}
	switch {
	case o.Address == "" && o.File == "":
		return nil, probe.BadOption("address", "is missing: give host and port, or a file")
	case o.Address != "" && o.File != "":
		return nil, probe.BadOption("file", "address is given, too: only one of them can be looked at")
	case o.File != "":
		if err := files.CheckPath(o.File); err != nil {
			return nil, probe.BadOption("file", "%w", err)
		}
		if o.Protocol != "" {
			return nil, probe.BadOption("protocol", "only with address")
		}
		if o.TLS.Certificate != "" {
			return nil, probe.BadOption("tls.certificate", "only with address")
		}
		return p, o.TLS.Check()
	}
	host, port, err := dial.Split(o.Address)
	if err != nil {
		return nil, probe.BadOption("address", "%q: %w", o.Address, err)
	}
	p.host, p.Address = host, net.JoinHostPort(host, port)
	if p.Protocol == "" {
		p.Protocol = "tls"
	}
	known := false
	if p.begin, known = preambles[p.Protocol]; !known {
		var names []string
		for name := range preambles {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, probe.BadOption("protocol", "%q is none of %s", o.Protocol, strings.Join(names, ", "))
	}
	if strings.ContainsAny(p.name(), "'<>&\" \r\n") {
		return nil, probe.BadOption("tls.server_name", "%q is not the name of a host", p.name())
	}
	return p, o.TLS.Check()
}

// name is the host that the certificate must be for; it is empty for a file unless given.
func (p *plan) name() string {
	if p.TLS.ServerName != "" {
		return p.TLS.ServerName
	}
	return p.host
}

// where is what is looked at, for messages.
func (p *plan) where() string { return fmt.Sprint(p.Address, p.File) }
