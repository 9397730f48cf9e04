package icmp

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"grove/runtime/probe"
)

// The bounds of the options.
const (
	maxCount    = 100
	maxSize     = 1472 // bytes: what an Ethernet frame takes with the headers of IPv4 and ICMP
	minInterval = 10 * time.Millisecond
	maxInterval = time.Minute
	minWait     = 10 * time.Millisecond
	maxWait     = time.Minute
)

// Options are the options of the kind "ping".
type Options struct {
	Host     string        `yaml:"host" jsonschema:"required,description=Name or address of what is pinged\\, without a port."`
	Family   string        `yaml:"family,omitempty" jsonschema:"enum=any,enum=ipv4,enum=ipv6,default=any,description=Which addresses of a name are taken: any\\, ipv4 or ipv6."`
	Count    int           `yaml:"count" jsonschema:"minimum=1,maximum=100,default=3,description=How many requests a run sends."`
	Interval time.Duration `yaml:"interval" jsonschema:"type=string,default=200ms,description=Time between two requests of a run."`
	Wait     time.Duration `yaml:"wait" jsonschema:"type=string,default=1s,description=How long an answer may take; what comes later is lost."`
	Size     int           `yaml:"size" jsonschema:"minimum=8,maximum=1472,default=56,description=Bytes that are sent behind the header."`
}

// plan is what Options come to.
type plan struct {
	Options
	address netip.Addr // invalid when Host is a name
}

// check says which option is wrong.
func (o *Options) check() (*plan, error) {
	p := &plan{Options: *o}
	if err := checkHost(o.Host); err != nil {
		return nil, probe.BadOption("host", "%q: %w", o.Host, err)
	}
	if a, err := netip.ParseAddr(strings.Trim(o.Host, "[]")); err == nil {
		p.address = a.Unmap()
	}
	switch {
	case o.Family != "" && o.Family != "any" && o.Family != "ipv4" && o.Family != "ipv6":
		return nil, probe.BadOption("family", "%q is none of any, ipv4 and ipv6", o.Family)
	case p.address.IsValid() && (o.Family == "ipv4" && !p.address.Is4() || o.Family == "ipv6" && p.address.Is4()):
		return nil, probe.BadOption("family", "the host %s is an address of the other family", p.address)
	case o.Count < 1 || o.Count > maxCount:
		return nil, probe.BadOption("count", "%d is outside 1..%d", o.Count, maxCount)
	case o.Interval < minInterval || o.Interval > maxInterval:
		return nil, probe.BadOption("interval", "%v is outside %v..%v", o.Interval, minInterval, maxInterval)
	case o.Wait < minWait || o.Wait > maxWait:
		return nil, probe.BadOption("wait", "%v is outside %v..%v", o.Wait, minWait, maxWait)
	case o.Size < tokenLen || o.Size > maxSize:
		return nil, probe.BadOption("size", "%d is outside %d..%d", o.Size, tokenLen, maxSize)
	}
	return p, nil
}

func checkHost(host string) error {
	switch {
	case host == "":
		return errors.New("is needed: a name or an address, such as db1 or 192.0.2.7")
	case len(host) > 253:
		return errors.New("is longer than 253 bytes")
	case strings.ContainsAny(host, "/ \t\n"):
		return errors.New("is neither a name nor an address")
	}
	if h, _, found := strings.Cut(host, ":"); found && !strings.Contains(strings.TrimPrefix(host, h+":"), ":") {
		return errors.New("a ping has no port")
	}
	return nil
}

// network is the family as a resolver takes it.
func (p *plan) network() string {
	switch p.Family {
	case "ipv4":
		return "ip4"
	case "ipv6":
		return "ip6"
	}
	return "ip"
}
