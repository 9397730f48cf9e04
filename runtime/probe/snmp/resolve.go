package snmp

import (
	"context"
	"net"
	"net/netip"
	"time"

	"grove/runtime/probe/dial"
)

// resolved is the address of a device, as it was found and allowed.
type resolved struct {
	addr  netip.Addr
	until time.Time // zero: the name is the address
}

// resolveEvery is how long an address stands for a name.
const resolveEvery = time.Minute

// resolve returns the address behind a host. Every address is checked when it is found:
// a policy does not change.
func (r *resolved) resolve(ctx context.Context, policy *dial.Policy, host string) (netip.Addr, error) {
	now := time.Now()
	if r.addr.IsValid() && (r.until.IsZero() || now.Before(r.until)) {
		return r.addr, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if err := policy.Check(addr); err != nil {
			return netip.Addr{}, err
		}
		r.addr = addr.Unmap()
		return r.addr, nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		if r.addr.IsValid() && ctx.Err() == nil {
			return r.addr, nil // name servers that are down stop no poll
		}
		return netip.Addr{}, err
	}
	var refused error
	for _, addr := range found {
		if err := policy.Check(addr); err != nil {
			refused = err
			continue
		}
		r.addr, r.until = addr.Unmap(), now.Add(resolveEvery)
		return r.addr, nil
	}
	r.addr = netip.Addr{}
	return r.addr, refused
}

// forget has a name looked up again, since the device does not answer where it was.
func (r *resolved) forget() {
	if !r.until.IsZero() {
		r.until = time.Unix(0, 1)
	}
}
