package snmprange

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// MaxAddresses bounds the addresses of one probe.
const MaxAddresses = 65_536

// span is a range of addresses, first and last included.
type span struct{ first, last netip.Addr }

// parseSpan reads an address, a range such as 10.0.0.1-10.0.0.20, or a network such as
// 10.0.0.0/24. The first and last address of an IPv4 network are those of the network
// itself and of its broadcasts, so that nothing answers there (RFC 1122); networks of two
// addresses have none (RFC 3021). They are part of the span when the whole network is meant.
func parseSpan(text string, whole bool) (span, error) {
	text = strings.TrimSpace(text)
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return network(prefix, whole)
	}
	from, to, isRange := strings.Cut(text, "-")
	first, err := netip.ParseAddr(strings.TrimSpace(from))
	if err != nil {
		return span{}, errors.New("is no address, no range such as 10.0.0.1-10.0.0.20, and no network such as 10.0.0.0/24")
	}
	s := span{first.Unmap().WithZone(""), first.Unmap().WithZone("")}
	if isRange {
		last, err := netip.ParseAddr(strings.TrimSpace(to))
		if err != nil {
			return span{}, fmt.Errorf("%q is no address", strings.TrimSpace(to))
		}
		s.last = last.Unmap().WithZone("")
	}
	switch {
	case first.Zone() != "":
		return span{}, errors.New("has a zone, which a range cannot have")
	case s.first.BitLen() != s.last.BitLen():
		return span{}, errors.New("begins with an address of one version and ends with one of another")
	case s.last.Less(s.first):
		return span{}, errors.New("ends before it begins")
	}
	return s, nil
}

func network(p netip.Prefix, whole bool) (span, error) {
	if p.Addr() != p.Masked().Addr() {
		return span{}, fmt.Errorf("is no network: %s is, or %s alone", p.Masked(), p.Addr())
	}
	host := p.Addr().BitLen() - p.Bits()
	if host > 16 {
		return span{}, fmt.Errorf("has more than %d addresses", MaxAddresses)
	}
	s := span{p.Addr(), p.Addr()}
	for range 1<<host - 1 {
		s.last = s.last.Next()
	}
	if p.Addr().Is4() && host > 1 && !whole {
		s.first, s.last = s.first.Next(), s.last.Prev()
	}
	return s, nil
}

// contains says whether an address lies in the span.
func (s span) contains(a netip.Addr) bool {
	return a.BitLen() == s.first.BitLen() && !a.Less(s.first) && !s.last.Less(a)
}

// list returns all addresses of spans but those that are left out, each once.
func list(spans, without []span) ([]netip.Addr, error) {
	var out []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, s := range spans {
		looked := 0
		for a := s.first; a.IsValid(); a = a.Next() {
			if looked++; looked > 2*MaxAddresses {
				return nil, fmt.Errorf("has more than %d addresses", MaxAddresses)
			}
			if !seen[a] && !leftOut(a, without) {
				if len(out) == MaxAddresses {
					return nil, fmt.Errorf("comes to more than %d addresses", MaxAddresses)
				}
				seen[a] = true
				out = append(out, a)
			}
			if a == s.last {
				break
			}
		}
	}
	return out, nil
}

func leftOut(a netip.Addr, without []span) bool {
	for _, s := range without {
		if s.contains(a) {
			return true
		}
	}
	return false
}
