package app

import (
	"slices"

	"grove/notify/book"
	"grove/notify/peer/duty"
	"grove/notify/peer/twin"
	"grove/tree"
	"grove/tree/alert"
)

// twinOf says of an alert about a device whether it is left to another manager, which watches
// that, too.
func (a *App) twinOf(x *alert.Alert) (t book.Twin) {
	m := a.peers.member
	if m == nil || !m.Twins.Any() {
		return t
	}
	k, at, ok := a.deviceAt(x.Path)
	if !ok {
		return t
	}
	w := m.Twins.Left(k.Owner, k.Name)
	t.Left, t.By, t.At = w.Left, w.To, at
	below, ok := at.Below(x.Path)
	if !ok {
		return t
	}
	i := slices.IndexFunc(w.Told, func(said twin.Told) bool { return said.Path == below && said.Kind == x.Kind })
	if i < 0 {
		return t
	}
	switch said := &w.Told[i]; {
	case said.Over:
		t.Told = w.Left && !said.At.Before(x.Opened)
	default:
		t.Told, t.Ack = w.Left || said.Status >= x.Status, said.Ack
	}
	return t
}

// deviceAt is the device that a node belongs to which is watched here, and its place.
func (a *App) deviceAt(p tree.Path) (k duty.Key, at tree.Path, ok bool) {
	if k, ok = a.peers.devices.Device(p); ok {
		at, ok = a.binder.Place(a.peers.devices.Name(k))
	}
	return k, at, ok && at.Contains(p)
}

// toldOfTwins are the alerts about devices of which people were told from here.
func (a *App) toldOfTwins() (facts []twin.Fact) {
	places := map[duty.Key]int{}
	for _, s := range a.alerts.center.Said() {
		k, at, ok := a.deviceAt(s.Path)
		if !ok {
			continue
		}
		below, ok := at.Below(s.Path)
		if !ok {
			continue
		}
		told := twin.Told{Path: below, Kind: s.Kind, Status: s.Status, Over: s.Over, At: s.At, Ack: s.Ack}
		i, known := places[k]
		if !known {
			i = len(facts)
			places[k] = i
			facts = append(facts, twin.Fact{Manager: k.Owner, Device: k.Name})
		}
		facts[i].Told = append(facts[i].Told, told)
	}
	return facts
}
