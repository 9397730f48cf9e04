// Package dial holds the one rule about which addresses the probes may talk to.
//
// A definition names hosts; what they resolve to is known only at the moment of
// connecting, and may differ from one run to the next. So the rule is checked there,
// by the Control function of a [net.Dialer], against the address that the kernel is
// about to be given. A name that resolves to a refused address, a redirect to one,
// and an address in disguise (IPv4 in IPv6, NAT64, 6to4) all end in a *DeniedError.
package dial

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// ErrDenied is what every refusal wraps.
var ErrDenied = errors.New("address is not allowed")

// DeniedError says which address was refused and by which rule.
type DeniedError struct {
	Addr netip.Addr // invalid when the network has no such addresses
	Rule string     // why, for people
}

// Error implements error.
func (e *DeniedError) Error() string {
	if !e.Addr.IsValid() {
		return ErrDenied.Error() + ": " + e.Rule
	}
	return fmt.Sprintf("address %s is not allowed: %s", e.Addr, e.Rule)
}

// Unwrap returns ErrDenied.
func (e *DeniedError) Unwrap() error { return ErrDenied }

// MaxRules bounds the rules of one policy.
const MaxRules = 1000

// Policy decides which addresses may be connected to. It never changes once it was
// parsed. A nil Policy is the default: everything but the metadata services of
// clouds, which give credentials to whoever can ask from this machine.
type Policy struct {
	rules []rule
	// listed is true when at least one rule allows: then what no rule names is refused.
	listed bool
}

type rule struct {
	prefix netip.Prefix
	deny   bool
	text   string // as written
}

// words are the names that stand for prefixes.
var words = map[string][]netip.Prefix{
	"all":        prefixes("0.0.0.0/0", "::/0"),
	"loopback":   prefixes("127.0.0.0/8", "::1/128"),
	"private":    prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"), // RFC 1918, RFC 4193
	"link-local": prefixes("169.254.0.0/16", "fe80::/10"),                               // RFC 3927, RFC 4291
	"metadata":   metadata,
}

// metadata are the addresses at which clouds tell a machine its own credentials:
// AWS, Azure, Google and most others; AWS containers; Alibaba; AWS and Google by IPv6.
var metadata = prefixes("169.254.169.254/32", "169.254.170.2/32", "100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128")

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}

// ParsePolicy reads rules, in any order: an address ("192.0.2.7"), a prefix
// ("192.0.2.0/24") or one of the words all, loopback, private, link-local and
// metadata allows; the same with "!" before it refuses.
//
// The most specific rule that matches an address decides; of two that are equally
// specific, the one that refuses. Once a rule allows something, what matches no rule
// is refused; when there are only refusals, everything else is allowed. The metadata
// services of clouds are refused unless a rule names them: the address itself, or
// the word metadata.
func ParsePolicy(rules []string) (*Policy, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("%d address rules, more than %d", len(rules), MaxRules)
	}
	p := &Policy{}
	for i, text := range rules {
		body, deny := strings.CutPrefix(strings.TrimSpace(text), "!")
		body = strings.TrimSpace(body)
		set, ok := words[body]
		if !ok {
			prefix, err := parsePrefix(body)
			if err != nil {
				return nil, fmt.Errorf("address rule %d: %q is no address, no prefix such as 192.0.2.0/24, and none of all, loopback, private, link-local, metadata", i+1, text)
			}
			set = []netip.Prefix{prefix}
		}
		p.listed = p.listed || !deny
		for _, prefix := range set {
			p.rules = append(p.rules, rule{prefix: prefix, deny: deny, text: strings.TrimSpace(text)})
		}
	}
	return p, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, err
		}
		if a := p.Addr(); a.Is4In6() {
			if p.Bits() < 96 {
				return p, errors.New("a prefix of mapped addresses has at least 96 bits")
			}
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Check says whether addr may be connected to; the error is a *DeniedError.
func (p *Policy) Check(addr netip.Addr) error {
	if !addr.IsValid() {
		return &DeniedError{Rule: "it is no IP address"}
	}
	plain := addr.Unmap().WithZone("")
	// The kernel takes the unspecified address for this machine.
	if plain.IsUnspecified() {
		if plain.Is4() {
			plain = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		} else {
			plain = netip.IPv6Loopback()
		}
	}
	if err := p.check(addr, plain); err != nil {
		return err
	}
	// A gateway may carry these to the IPv4 address inside: that one must be allowed, too.
	if inner, ok := embedded(plain); ok {
		return p.check(addr, inner)
	}
	return nil
}

func (p *Policy) check(shown, plain netip.Addr) error {
	var best *rule
	if p != nil {
		for i := range p.rules {
			r := &p.rules[i]
			if !r.prefix.Contains(plain) {
				continue
			}
			if best == nil || r.prefix.Bits() > best.prefix.Bits() || r.prefix.Bits() == best.prefix.Bits() && r.deny {
				best = r
			}
		}
	}
	switch {
	case best != nil && best.deny:
		return &DeniedError{Addr: shown, Rule: fmt.Sprintf("the rule %q refuses it", best.text)}
	case isMetadata(plain) && (best == nil || !best.prefix.IsSingleIP()):
		return &DeniedError{Addr: shown, Rule: "it is the metadata service of a cloud, which only a rule that names it allows"}
	case best == nil && p != nil && p.listed:
		return &DeniedError{Addr: shown, Rule: "no rule allows it (flag --dial of grove serve)"}
	}
	return nil
}

func isMetadata(a netip.Addr) bool {
	for _, m := range metadata {
		if m.Contains(a) {
			return true
		}
	}
	return false
}

var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixTo = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// embedded returns the IPv4 address that an IPv6 address carries.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixTo.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}

// Control is the Control function of a net.Dialer or of another library that takes
// one: it refuses the resolved address before anything is sent to it. Other networks
// than TCP, UDP and IP are refused.
func (p *Policy) Control(network, address string, _ syscall.RawConn) error {
	switch {
	case strings.HasPrefix(network, "tcp"), strings.HasPrefix(network, "udp"):
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return &DeniedError{Rule: fmt.Sprintf("%q is no IP address with a port", address)}
		}
		return p.Check(ap.Addr())
	case strings.HasPrefix(network, "ip"):
		a, err := netip.ParseAddr(address)
		if err != nil {
			return &DeniedError{Rule: fmt.Sprintf("%q is no IP address", address)}
		}
		return p.Check(a)
	default:
		return &DeniedError{Rule: fmt.Sprintf("%q is not a network of IP addresses", network)}
	}
}

// Dialer returns a dialer that refuses what the policy refuses. The timeout bounds
// one connection, with all addresses of a name; 0 means only the context does.
func (p *Policy) Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: timeout, Control: p.Control}
}
