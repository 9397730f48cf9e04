package registry

import (
	"fmt"
	"slices"

	"grove/notify/peer"
)

// maxHomes bounds the integration managers that one manager is registered with.
const maxHomes = 64

// leaseOver is after how long of silence another home has renewed no lease any more that
// still runs, if it hears nobody who would have it renew them.
const leaseOver = peer.Suspect + LeaseTime

// registeredWith notes with which integration managers another one is registered.
func (m *member) registeredWith(homes []peer.ID) {
	if len(homes) > maxHomes || slices.ContainsFunc(homes, func(id peer.ID) bool { return id.Check() != nil }) || slices.Equal(m.homes, homes) {
		return
	}
	m.homes = slices.Clone(homes)
}

// touches says whether this manager and another integration manager know of each other how
// it is: each hears the other, or somebody hears both, so that neither takes the other for
// dead. One that said goodbye, or was never registered here, decides nothing that this one
// would.
func (r *Registry) touches(id peer.ID) bool {
	x := r.members[id]
	if id == r.self || x == nil || x.token == 0 || x.state == Gone {
		return true
	}
	return x.proven != 0 && r.time()-x.proven < peer.Suspect && x.caught || x.judged == CutOff
}

// decides says whether this manager decides for another one, if it is its home or has to act
// in the place of that. While all integration managers of that one are in touch they agree.
// Otherwise the ones decide whom most have chosen of those who have the same choice: more
// than half of them for a manager that had another home, half of them for one that was home
// already. So never two decide, whatever is cut; those of whom no part is large enough
// decide nothing, and their managers have no lease.
func (r *Registry) decides(m *member) bool {
	if !slices.ContainsFunc(m.homes, func(id peer.ID) bool { return !r.touches(id) }) {
		return true
	}
	key := fmt.Sprint(m.homes)
	count, ok := r.tallies[key]
	if !ok {
		count.all, count.mine = r.votes(m)
		r.tallies[key] = count
	}
	if m.term.Of == r.self {
		return 2*count.mine >= count.all
	}
	return 2*count.mine > count.all
}

// lends says whether this manager gives another one a lease: not while somebody else may
// decide for one that has chosen it as its home.
func (r *Registry) lends(m *member) bool {
	return r.decides(m) && (m.home != r.self || r.above(m))
}

// tally is how many have a choice between some homes, and how many of them have chosen this
// manager.
type tally struct{ all, mine int }

// votes counts those who have the choice between the same homes as a manager, with it and
// these homes, and how many of them have chosen this one and are heard by it.
func (r *Registry) votes(m *member) (all, mine int) {
	now := r.time()
	all, mine = len(m.homes), 1
	if !slices.Contains(m.homes, r.self) {
		all++
	}
	for _, x := range r.members {
		home := slices.Contains(m.homes, x.id)
		if !home && (x.token == 0 || x.state == Gone || slices.ContainsFunc(m.homes, func(id peer.ID) bool { return !slices.Contains(x.homes, id) })) {
			continue
		}
		if !home {
			all++
		}
		if x.home == r.self && (r.hears(x) || x.relayed != 0 && now-x.relayed < peer.Suspect) {
			mine++
		}
	}
	return all, mine
}

// over says whether the leases are over that a manager has of its former home, as far as this
// one can know: they agree, or that one has been silent for long enough.
func (r *Registry) over(m *member) bool {
	of := m.term.Of
	if of == "" || of == r.self || slices.Contains(m.homes, of) && r.touches(of) {
		return true
	}
	x := r.members[of]
	if x == nil || x.state == Gone {
		return true
	}
	return r.time()-max(x.ear, x.proven, r.from) >= leaseOver
}
