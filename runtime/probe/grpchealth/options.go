package grpchealth

import (
	"net"
	"slices"
	"strings"

	"grove/runtime/probe"
	"grove/runtime/probe/dial"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/secure"
)

// The bounds of the options.
const (
	maxService  = 256 // bytes
	maxMetadata = 50
)

// Options are the options of the kind "grpc_health".
type Options struct {
	Address   string            `yaml:"address" jsonschema:"required,description=Host and port\\, such as shop1:50051."`
	Service   string            `yaml:"service,omitempty" jsonschema:"description=Name of the service that is asked about\\, such as shop.v1.Orders; the server as a whole when empty."`
	Plaintext bool              `yaml:"plaintext,omitempty" jsonschema:"description=Speak without TLS."`
	TLS       secure.Options    `yaml:"tls,omitempty" jsonschema:"description=How the server's certificate is checked\\, and what is shown to the server."`
	Metadata  map[string]string `yaml:"metadata,omitempty" jsonschema:"description=Metadata that is sent along. A value that begins with file: or env: or credential: is a reference to a secret; credentials must be given so."`
}

// plan is what Options come to.
type plan struct {
	Options
	host string
}

// secretKeys are the keys whose values are secrets whatever they look like.
var secretKeys = []string{"authorization", "cookie", "x-api-key", "x-auth-token"}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	host, port, err := dial.Split(o.Address)
	if err != nil {
		return nil, probe.BadOption("address", "%q: %w", o.Address, err)
	}
	p := &plan{Options: *o, host: host}
	p.Address = net.JoinHostPort(host, port)
	switch {
	case len(o.Service) > maxService:
		return nil, probe.BadOption("service", "has %d bytes, more than %d", len(o.Service), maxService)
	case o.Plaintext && o.TLS != (secure.Options{}):
		return nil, probe.BadOption("tls", "only without plaintext")
	case len(o.Metadata) > maxMetadata:
		return nil, probe.BadOption("metadata", "%d entries, more than %d", len(o.Metadata), maxMetadata)
	}
	var keys []string
	for k := range o.Metadata {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		option, value := "metadata."+k, o.Metadata[k]
		switch {
		case !isKey(k):
			return nil, probe.BadOption("metadata", "%q is no key: small letters, digits, dots, - and _, and not beginning with grpc-", k)
		case secret.Looks(value):
			if err := secret.Ref(value).Check(); err != nil {
				return nil, probe.BadOption(option, "%w", err)
			}
		case slices.Contains(secretKeys, k):
			return nil, probe.BadOption(option, "a secret is given by reference, such as file:/path, env:NAME or credential:NAME")
		case !isValue(value):
			return nil, probe.BadOption(option, "has a character that metadata may not have")
		}
	}
	return p, o.TLS.Check()
}

// isKey and isValue say what metadata may be: "gRPC over HTTP2", Custom-Metadata.
func isKey(s string) bool {
	return s != "" && len(s) <= 256 && !strings.HasPrefix(s, "grpc-") && !strings.HasSuffix(s, "-bin") && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	})
}

func isValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
