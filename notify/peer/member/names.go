package member

import (
	"cmp"
	"context"
	"slices"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/registry"
)

// namesWithin bounds the reading of names.
const namesWithin = 2 * time.Second

// learnNames reads by which names managers were invited here, or called themselves when this
// one joined them. What a manager calls itself later has no say in what it may do here, nor in
// which rule of the file of peers is about it.
func (m *Member) learnNames(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, namesWithin)
	defer cancel()
	lowers, err := m.Authority.Lowers(ctx)
	if err != nil {
		return // Those that are known go on.
	}
	invited := map[peer.ID]string{}
	var all []acquaintance
	for _, l := range lowers {
		invited[l.ID] = l.Name
		all = append(all, acquaintance{l.ID, l.Name, l.Joined})
	}
	for _, u := range m.Authority.Uppers() {
		invited[u.ID] = u.Name
		all = append(all, acquaintance{u.ID, u.Name, u.Joined})
	}
	for _, s := range m.Registry.Present() {
		all = append(all, acquaintance{id: s.ID, name: s.Name})
	}
	shown := apart(all)
	m.names.Store(&invited)
	m.shown.Store(&shown)
}

// acquaintance is a manager of some name, since when it has that here; zero: it is known by
// hearsay.
type acquaintance struct {
	id    peer.ID
	name  string
	since time.Time
}

// apart gives each manager a name of its own: of several that are called the same, the one that
// has come first has the name, and "~" and the first digits of its ID follow that of another.
func apart(all []acquaintance) map[peer.ID]string {
	slices.SortStableFunc(all, func(a, b acquaintance) int {
		if a.since.IsZero() != b.since.IsZero() {
			return cmp.Compare(b.since.Unix(), a.since.Unix()) // hearsay comes last
		}
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.id, b.id))
	})
	shown, taken := map[peer.ID]string{}, map[string]bool{}
	for _, a := range all {
		if shown[a.id] != "" || a.name == "" {
			continue
		}
		name := a.name
		for digits := 4; taken[name] && digits <= len(a.id); digits += 4 {
			name = a.name + "~" + string(a.id[:digits])
		}
		shown[a.id], taken[name] = name, true
	}
	return shown
}

// named is the name of a manager that counts here; ok is false for one that has neither joined
// this manager nor was joined by it, and is known by hearsay.
func (m *Member) named(id peer.ID) (name string, ok bool) {
	if names := m.names.Load(); names != nil {
		name, ok = (*names)[id]
	}
	return name, ok && name != ""
}

// shownAs is the name by which people tell a manager from all others, which is another one
// than its own when several are called the same.
func (m *Member) shownAs(id peer.ID) (name string, ok bool) {
	if names := m.shown.Load(); names != nil {
		name, ok = (*names)[id]
	}
	return name, ok
}

// called says whether people mean a manager by a name: several may be meant.
func (m *Member) called(s *registry.State, name string) bool {
	own, _ := m.named(s.ID)
	return s.Name == name || own == name
}

// Present lists the managers that are known, as the registry does, by the names that tell them
// apart.
func (m *Member) Present() []registry.State {
	list := slices.Clone(m.Registry.Present())
	for k := range list {
		if name, ok := m.shownAs(list[k].ID); ok {
			list[k].Name = name
		}
	}
	return list
}

// Get returns one of them.
func (m *Member) Get(id peer.ID) (registry.State, bool) {
	s, ok := m.Registry.Get(id)
	if name, known := m.shownAs(id); known {
		s.Name = name
	}
	return s, ok
}
