package snmprange

import (
	"fmt"
	"net/netip"
	"time"

	"grove/runtime/probe"
	"grove/runtime/probe/secret"
	"grove/runtime/probe/snmp/ber"
)

// The bounds of the options.
const (
	maxSpans     = 1000
	maxRate      = 10_000
	maxRetries   = 10
	maxCommunity = 255
	leastWait    = 10 * time.Millisecond
	mostWait     = 30 * time.Second
)

// Options are the options of the kind "snmp_range".
type Options struct {
	Addresses      []string      `yaml:"addresses" jsonschema:"required,description=Whom to ask: addresses\\, ranges such as 10.0.0.1-10.0.0.20\\, networks such as 10.0.0.0/24; 65536 addresses at most."`
	Without        []string      `yaml:"without,omitempty" jsonschema:"description=What of them to leave out\\, in the same forms."`
	Port           uint16        `yaml:"port" jsonschema:"default=161,description=Port of the agents."`
	Version        string        `yaml:"version" jsonschema:"enum=1,enum=2c,default=2c,description=Version of the protocol."`
	Community      string        `yaml:"community" jsonschema:"default=public,description=Community: the text itself or a reference (file:/path\\, env:NAME or credential:NAME)."`
	RequestTimeout time.Duration `yaml:"request_timeout" jsonschema:"type=string,default=1s,description=How long to wait for the answer to one packet."`
	Retries        int           `yaml:"retries" jsonschema:"minimum=0,maximum=10,default=1,description=How often a packet is sent again when no answer comes."`
	Rate           int           `yaml:"rate" jsonschema:"minimum=1,maximum=10000,default=500,description=How many addresses to ask a second."`
}

func defaults() *Options {
	return &Options{Port: 161, Version: "2c", Community: "public", RequestTimeout: time.Second, Retries: 1, Rate: 500}
}

// plan is what Options come to.
type plan struct {
	Options
	addresses []netip.Addr
	version   byte
}

func (o *Options) check() (*plan, error) {
	p := &plan{Options: *o, version: ber.Version2c}
	switch {
	case len(o.Addresses) == 0:
		return nil, probe.BadOption("addresses", "is missing")
	case o.Port == 0:
		return nil, probe.BadOption("port", "is 1 to 65535")
	case o.Version == "3":
		return nil, probe.BadOption("version", "3 cannot be asked of a range: each agent would have to be greeted first; 1 and 2c can")
	case o.Version != "1" && o.Version != "2c":
		return nil, probe.BadOption("version", "%q is neither 1 nor 2c", o.Version)
	case o.Community == "":
		return nil, probe.BadOption("community", "is missing")
	case o.RequestTimeout < leastWait || o.RequestTimeout > mostWait:
		return nil, probe.BadOption("request_timeout", "%v is outside %v..%v", o.RequestTimeout, leastWait, mostWait)
	case o.Retries < 0 || o.Retries > maxRetries:
		return nil, probe.BadOption("retries", "%d is outside 0..%d", o.Retries, maxRetries)
	case o.Rate < 1 || o.Rate > maxRate:
		return nil, probe.BadOption("rate", "%d is outside 1..%d", o.Rate, maxRate)
	case secret.Looks(o.Community):
		if err := secret.Ref(o.Community).Check(); err != nil {
			return nil, probe.BadOption("community", "%w", err)
		}
	case len(o.Community) > maxCommunity:
		return nil, probe.BadOption("community", "has %d bytes, more than %d", len(o.Community), maxCommunity)
	}
	if o.Version == "1" {
		p.version = ber.Version1
	}
	spans, err := parseSpans("addresses", o.Addresses)
	if err != nil {
		return nil, err
	}
	without, err := parseSpans("without", o.Without)
	if err != nil {
		return nil, err
	}
	if p.addresses, err = list(spans, without); err != nil {
		return nil, probe.BadOption("addresses", "%w", err)
	}
	if len(p.addresses) == 0 {
		return nil, probe.BadOption("without", "leaves no address")
	}
	return p, nil
}

func parseSpans(option string, texts []string) ([]span, error) {
	if len(texts) > maxSpans {
		return nil, probe.BadOption(option, "%d of them, more than %d", len(texts), maxSpans)
	}
	var spans []span
	for i, text := range texts {
		s, err := parseSpan(text, option == "without")
		if err != nil {
			return nil, probe.BadOption(fmt.Sprintf("%s[%d]", option, i), "%q %w", text, err)
		}
		spans = append(spans, s)
	}
	return spans, nil
}

// needs is how long a run takes at most.
func (p *plan) needs() time.Duration {
	return time.Duration(len(p.addresses))*time.Second/time.Duration(p.Rate) + p.patience()
}

// patience is how long one address is waited for.
func (p *plan) patience() time.Duration {
	return p.RequestTimeout * time.Duration(p.Retries+1)
}
