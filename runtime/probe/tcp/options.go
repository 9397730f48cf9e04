package tcp

import (
	"net"
	"regexp"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
)

// The bounds of the options and of what is read.
const (
	maxSend    = 64 << 10
	maxAnswer  = 64 << 10
	maxPattern = 1000 // bytes of the regular expression
	maxLine    = 256  // bytes of the answer that are shown
)

// Options are the options of the kind "tcp".
type Options struct {
	Address    string `yaml:"address" jsonschema:"required,description=Host and port\\, such as db1:5432 or [2001:db8::1]:22."`
	TLS        bool   `yaml:"tls,omitempty" jsonschema:"description=Speak TLS after connecting\\, and look at the certificate."`
	ServerName string `yaml:"server_name,omitempty" jsonschema:"description=The name that the certificate must have; the host of the address unless given."`
	Verify     bool   `yaml:"verify" jsonschema:"default=true,description=Count a certificate that is not trusted\\, expired or of another name as down."`
	Send       string `yaml:"send,omitempty" jsonschema:"description=Text that is sent after connecting\\, at most 64 KiB."`
	Expect     string `yaml:"expect,omitempty" jsonschema:"description=Regular expression (RE2) that the answer must contain within its first 64 KiB."`
}

// target is what Options come to.
type target struct {
	Options
	host   string
	expect *regexp.Regexp // nil: no answer is waited for
}

// check says which option is wrong.
func (o *Options) check() (*target, error) {
	t := &target{Options: *o}
	host, port, err := dial.Split(o.Address)
	if err != nil {
		return nil, probe.BadOption("address", "%q: %w", o.Address, err)
	}
	t.host, t.Address = host, net.JoinHostPort(host, port)
	switch {
	case o.ServerName != "" && !o.TLS:
		return nil, probe.BadOption("server_name", "only with tls: true")
	case len(o.Send) > maxSend:
		return nil, probe.BadOption("send", "has %d bytes, more than %d", len(o.Send), maxSend)
	case len(o.Expect) > maxPattern:
		return nil, probe.BadOption("expect", "has %d bytes, more than %d", len(o.Expect), maxPattern)
	}
	if o.Expect != "" {
		if t.expect, err = regexp.Compile(o.Expect); err != nil {
			return nil, probe.BadOption("expect", "%w", err)
		}
	}
	if t.ServerName == "" {
		t.ServerName = host
	}
	return t, nil
}
