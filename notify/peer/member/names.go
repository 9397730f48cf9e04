package member

import (
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
	names := map[peer.ID]string{}
	for _, l := range lowers {
		names[l.ID] = l.Name
	}
	for _, u := range m.Authority.Uppers() {
		names[u.ID] = u.Name
	}
	m.names.Store(&names)
}

// named is the name of a manager that counts here; ok is false for one that has neither joined
// this manager nor was joined by it, and is known by hearsay.
func (m *Member) named(id peer.ID) (name string, ok bool) {
	if names := m.names.Load(); names != nil {
		name, ok = (*names)[id]
	}
	return name, ok && name != ""
}

// Present lists the managers that are known, as the registry does, by the names that count.
func (m *Member) Present() []registry.State {
	list := slices.Clone(m.Registry.Present())
	for k := range list {
		if name, ok := m.named(list[k].ID); ok {
			list[k].Name = name
		}
	}
	return list
}

// Get returns one of them.
func (m *Member) Get(id peer.ID) (registry.State, bool) {
	s, ok := m.Registry.Get(id)
	if name, known := m.named(id); known {
		s.Name = name
	}
	return s, ok
}
