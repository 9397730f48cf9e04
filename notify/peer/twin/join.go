package twin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"grove/notify/peer"
)

// group is one device with its sources, of which there are at least two.
type group struct {
	members []*source // by key
	mark    string    // by which they were joined first
	why     []string
	shown   *source // the primary
}

// repeats says whether another source tells what happened to a device, too: the first one,
// unless that is the same device of the same manager, which somebody else watches now or did
// before; of several ways to who does the shortest counts.
func (g *group) repeats(s, first *source) bool {
	if s == first {
		return false
	}
	if s.named() != first.named() || s.watcher() == first.watcher() {
		return true
	}
	return slices.ContainsFunc(g.members, func(o *source) bool {
		return o != s && o.named() == s.named() && o.watcher() == s.watcher() && cmp.Or(cmp.Compare(len(o.Through), len(s.Through)), o.key.compare(s.key)) < 0
	})
}

// watcher is the manager that told of a device first: the one that watches it, or would.
func (s *source) watcher() peer.ID {
	if len(s.Through) > 0 {
		return s.Through[0]
	}
	return s.via
}

// joiner finds what is the same.
type joiner struct {
	rules   Rules
	sources []*source
	of      map[*source]*group
	same    map[[2]*source]bool // by hand
	apart   map[[2]*source]bool
	against []Contradiction
}

// maxContradictions bounds those that are told.
const maxContradictions = 1000

// join returns what is the same among sources, which are sorted by key. Stronger rules come
// first, so that what contradicts them is what is left out.
func join(sources []*source, rules Rules) ([]*group, []Contradiction) {
	j := &joiner{rules: rules, sources: sources, of: map[*source]*group{}, same: map[[2]*source]bool{}, apart: map[[2]*source]bool{}}
	j.hands(rules.Different, func(a, b *source) { j.apart[pair(a, b)] = true })
	j.oneByManyWays()
	j.hands(rules.Same, func(a, b *source) { j.same[pair(a, b)] = true })
	j.hands(rules.Same, func(a, b *source) {
		j.union(a, b, "said by hand", a.called()+" and "+b.called()+" are the same by hand", true)
	})
	for rank, mark := range rules.Identity {
		j.byMark(rank, mark)
	}
	var groups []*group
	for _, s := range sources {
		if g := j.of[s]; g != nil && g.members[0] == s {
			groups = append(groups, g)
		}
	}
	return groups, j.against
}

func pair(a, b *source) [2]*source {
	if a.key.compare(b.key) > 0 {
		a, b = b, a
	}
	return [2]*source{a, b}
}

// hands goes over the pairs of which people said something. Devices that are not there are
// left out.
func (j *joiner) hands(lists [][]string, each func(a, b *source)) {
	named := map[string][]*source{}
	if len(lists) > 0 {
		for _, s := range j.sources {
			named[string(s.Manager)+":"+s.Name] = append(named[string(s.Manager)+":"+s.Name], s)
			if s.ManagerName != "" && s.ManagerName != string(s.Manager) {
				named[s.called()] = append(named[s.called()], s)
			}
		}
	}
	for _, list := range lists {
		var said [][]*source
		for _, text := range list {
			if found := named[text]; len(found) > 0 && len(found) <= MaxMembers {
				said = append(said, found)
			}
		}
		for i, some := range said {
			for _, others := range said[:i] {
				for _, a := range some {
					for _, b := range others {
						if a.Manager == b.Manager && a.Name == b.Name {
							continue
						}
						each(b, a)
					}
				}
			}
		}
	}
}

// oneByManyWays joins what several managers tell of one device of one manager.
func (j *joiner) oneByManyWays() {
	for i, s := range j.sources {
		if i > 0 && j.sources[i-1].Manager == s.Manager && j.sources[i-1].Name == s.Name {
			j.union(j.sources[i-1], s, "one device", s.called()+" is told of by several managers", true)
		}
	}
}

// byMark joins what has one mark in common.
func (j *joiner) byMark(rank int, mark string) {
	type bucket struct{ application, value string }
	found := map[bucket][]*source{}
	var order []bucket
	for _, s := range j.sources {
		if value := s.Identity[mark]; value != "" {
			b := bucket{s.Application, value}
			if found[b] == nil {
				order = append(order, b)
			}
			found[b] = append(found[b], s)
		}
	}
	for _, b := range order {
		some := found[b]
		if len(some) > MaxMembers {
			j.contradict(some, "%d devices have the %s %s, more than %d: it tells nothing apart", len(some), mark, b.value, MaxMembers)
			continue
		}
		for i, s := range some {
			for _, other := range some[:i] {
				if at, same, ok := j.judge(other, s); ok && same && at == rank {
					j.union(other, s, mark+" "+b.value, "the "+mark+" is the same", false)
				}
			}
		}
	}
}

// judge says whether two devices are the same by the marks: by the first that both have.
func (j *joiner) judge(a, b *source) (rank int, same, ok bool) {
	if a.Application != b.Application || a.Manager == b.Manager {
		return 0, false, false
	}
	for i, mark := range j.rules.Identity {
		x, y := a.Identity[mark], b.Identity[mark]
		if x != "" && y != "" {
			return i, x == y, true
		}
	}
	return 0, false, false
}

// union joins two groups, unless something keeps a member of one from a member of the other.
func (j *joiner) union(a, b *source, mark, why string, hand bool) {
	x, y := j.group(a), j.group(b)
	if x == y {
		return
	}
	if len(x.members)+len(y.members) > MaxMembers {
		j.contradict([]*source{a, b}, "%s, but then the device would have more than %d sources", why, MaxMembers)
		return
	}
	for _, p := range x.members {
		for _, q := range y.members {
			both := pair(p, q)
			p, q := both[0], both[1]
			if j.apart[both] {
				j.contradict([]*source{a, b}, "%s, but %s and %s are different by hand", why, p.called(), q.called())
				return
			}
			if hand || j.same[both] {
				continue
			}
			if p.Manager == q.Manager && p.Name != q.Name {
				j.contradict([]*source{a, b}, "%s, but %s and %s are two devices of one manager", why, p.called(), q.called())
				return
			}
			if rank, same, ok := j.judge(p, q); ok && !same {
				j.contradict([]*source{a, b}, "%s, but the %s of %s and %s differs", why, j.rules.Identity[rank], p.called(), q.called())
				return
			}
		}
	}
	joined := &group{mark: x.mark, why: x.why, members: append(slices.Clone(x.members), y.members...)}
	if joined.mark == "" {
		joined.mark = mark
	}
	for _, w := range append(slices.Clone(y.why), why) {
		if !slices.Contains(joined.why, w) && len(joined.why) < 10 {
			joined.why = append(slices.Clip(joined.why), w)
		}
	}
	slices.SortFunc(joined.members, func(a, b *source) int { return a.key.compare(b.key) })
	for _, s := range joined.members {
		j.of[s] = joined
	}
}

// group returns the group of a source; alone it makes one that is not kept.
func (j *joiner) group(s *source) *group {
	if g := j.of[s]; g != nil {
		return g
	}
	return &group{members: []*source{s}}
}

func (j *joiner) contradict(some []*source, format string, args ...any) {
	if len(j.against) >= maxContradictions {
		return
	}
	c := Contradiction{Why: fmt.Sprintf(format, args...)}
	for _, s := range some[:min(len(some), 10)] {
		c.Devices = append(c.Devices, s.called())
	}
	slices.Sort(c.Devices)
	c.Devices = slices.Compact(c.Devices)
	same := func(o Contradiction) bool {
		return o.Why == c.Why && strings.Join(o.Devices, "\n") == strings.Join(c.Devices, "\n")
	}
	if !slices.ContainsFunc(j.against, same) {
		j.against = append(j.against, c)
	}
}
