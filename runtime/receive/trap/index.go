package trap

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"iter"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"grove/runtime/receive/trap/message"
	"grove/runtime/receive/trap/usm"
)

// index finds the probes that a message may be for. It is made anew when probes come and
// go, and is not changed.
type index struct {
	of       uint64 // which change of the probes it is made after
	sources  map[netip.Addr][]*trapProbe
	patterns []wide
	users    map[string][]*usm.Account // by name
}

// wide is a probe that takes messages from more than single addresses.
type wide struct {
	probe    *trapProbe
	prefixes []netip.Prefix
	any      bool
}

// changed says that a probe came or went, or that a host has other addresses.
func (h *Hub) changed() {
	h.changes.Add(1)
	select {
	case h.rejoined <- struct{}{}:
	default:
	}
}

// present is the index as the probes are now. The lock of the hub is held.
func (h *Hub) present() *index {
	of := h.changes.Load()
	if h.index != nil && h.index.of == of {
		return h.index
	}
	x := &index{of: of, sources: map[netip.Addr][]*trapProbe{}, users: map[string][]*usm.Account{}}
	hosts := map[string][]netip.Addr{}
	if resolved := h.resolved.Load(); resolved != nil {
		hosts = *resolved
	}
	accounts := map[usm.User]*usm.Account{}
	let := func(u usm.User) {
		if accounts[u] != nil {
			return
		}
		a := h.accounts[u]
		if a == nil {
			a = &usm.Account{User: u}
		}
		accounts[u] = a
		x.users[u.User] = append(x.users[u.User], a)
	}
	for _, u := range h.opts.Users {
		let(u)
	}
	for _, named := range h.probes.All() {
		x.add(named.Probe, hosts)
		for _, u := range named.Probe.plan.users {
			let(u)
		}
	}
	h.accounts, h.index = accounts, x
	return x
}

func (x *index) add(p *trapProbe, hosts map[string][]netip.Addr) {
	prefixes := slices.Clone(p.plan.sources)
	for _, host := range p.plan.hosts {
		for _, a := range hosts[host] {
			prefixes = append(prefixes, onlyThis(a))
		}
	}
	anybody := len(p.plan.sources)+len(p.plan.hosts) == 0
	single := !slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return !p.IsSingleIP() })
	if anybody || !single || len(p.plan.relays) > 0 {
		x.patterns = append(x.patterns, wide{p, prefixes, anybody})
		return
	}
	for _, prefix := range prefixes {
		if a := prefix.Addr(); !slices.Contains(x.sources[a], p) {
			x.sources[a] = append(x.sources[a], p)
		}
	}
}

// candidates are the probes that take messages from whom one comes.
func (x *index) candidates(m *message.Message) iter.Seq[*trapProbe] {
	return func(yield func(*trapProbe) bool) {
		for _, p := range x.sources[m.Peer.Addr()] {
			if !yield(p) {
				return
			}
		}
		for _, w := range x.patterns {
			if (w.any || contains(w.prefixes, w.probe.from(m))) && !yield(w.probe) {
				return
			}
		}
	}
}

// How hosts are looked up that definitions name as sources.
const (
	lookupEvery   = time.Minute
	lookupTimeout = 5 * time.Second
)

func systemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// follow looks up the hosts that probes name as sources, again and again, until the
// context ends. A host that cannot be found keeps the addresses that it had.
func (h *Hub) follow(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.rejoined:
		case <-timer.C:
		}
		h.lookupAll(ctx)
		timer.Reset(lookupEvery)
	}
}

func (h *Hub) lookupAll(ctx context.Context) {
	before := map[string][]netip.Addr{}
	if p := h.resolved.Load(); p != nil {
		before = *p
	}
	after := map[string][]netip.Addr{}
	for _, named := range h.probes.All() {
		for _, host := range named.Probe.plan.hosts {
			if _, done := after[host]; done || ctx.Err() != nil {
				continue
			}
			limited, cancel := context.WithTimeout(ctx, lookupTimeout)
			addresses, err := h.lookup(limited, host)
			cancel()
			if err != nil {
				addresses = before[host]
			}
			for i, a := range addresses {
				addresses[i] = a.Unmap()
			}
			slices.SortFunc(addresses, netip.Addr.Compare)
			after[host] = addresses
		}
	}
	if ctx.Err() != nil || maps.EqualFunc(before, after, slices.Equal[[]netip.Addr]) {
		return
	}
	h.resolved.Store(&after)
	h.changes.Add(1) // not changed, which would have them looked up again
}

// recent knows the informs that were taken lately, so that one that comes again, since its
// answer was lost or late, is answered and not taken twice.
type recent struct {
	at   map[uint64]time.Time
	ring []uint64
	next int
}

const (
	maxRecent  = 8192
	recentFor  = 5 * time.Minute // senders give up long before
	hashPieces = 8
)

// fingerprint tells informs apart; it is never 0.
func (h *Hub) fingerprint(m *message.Message) uint64 {
	var sum maphash.Hash
	sum.SetSeed(h.seed)
	var number [hashPieces]byte
	write := func(b []byte) {
		binary.BigEndian.PutUint64(number[:], uint64(len(b)))
		_, _ = sum.Write(number[:])
		_, _ = sum.Write(b)
	}
	address := m.Peer.Addr().As16()
	write(address[:])
	binary.BigEndian.PutUint64(number[:], uint64(m.Peer.Port())<<32|uint64(uint32(m.Request))) //nolint:gosec // The bits count.
	_, _ = sum.Write(number[:])
	write([]byte(m.User))
	write(m.Community)
	for i := range m.All {
		write(m.All[i].OID)
		write([]byte{m.All[i].Tag})
		write(m.All[i].Value)
	}
	return sum.Sum64() | 1
}

func (r *recent) has(inform uint64, now time.Time) bool {
	at, ok := r.at[inform]
	return ok && now.Sub(at) < recentFor
}

func (r *recent) add(inform uint64, now time.Time) {
	if r.at == nil {
		r.at, r.ring = map[uint64]time.Time{}, make([]uint64, maxRecent)
	}
	delete(r.at, r.ring[r.next])
	r.at[inform], r.ring[r.next] = now, inform
	r.next = (r.next + 1) % len(r.ring)
}

func (r *recent) remove(inform uint64) { delete(r.at, inform) }
