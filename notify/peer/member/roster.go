package member

import (
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty"
	"grove/notify/peer/registry"
)

// roster is the registry as duty sees it.
type roster struct{ m *Member }

var _ duty.Roster = roster{}

// Managers implements duty.Roster.
func (r roster) Managers() []peer.Manager {
	list := []peer.Manager{r.m.Registry.Self()}
	for _, s := range r.m.Present() {
		list = append(list, s.Manager)
	}
	return list
}

// State implements duty.Roster.
func (r roster) State(id peer.ID) duty.State {
	if id == r.m.ID() {
		return duty.Live
	}
	s, ok := r.m.Registry.Get(id)
	if !ok {
		return duty.Unknown
	}
	switch s.State {
	case registry.Live:
		return duty.Live
	case registry.Suspect:
		return duty.Silent
	case registry.CutOff:
		return duty.CutOff
	case registry.Dead:
		return duty.Dead
	case registry.Gone:
		return duty.Left
	}
	return duty.Unknown
}

// Home implements duty.Roster.
func (r roster) Home() peer.ID { return r.m.Registry.Home().Home }

// Homes implements duty.Roster: all that integrate and that this manager has joined. Others may
// say that they integrate, and are not given what is to be known of devices.
func (r roster) Homes() (list []peer.ID) {
	for _, s := range r.m.Present() {
		if s.Integrates && s.State == registry.Live && r.m.trusts(s.ID) {
			list = append(list, s.ID)
		}
	}
	return list
}

// Acts implements duty.Roster.
func (r roster) Acts(owner peer.ID) bool {
	s, ok := r.m.Registry.Get(owner)
	return ok && s.Mine
}

// Term implements duty.Roster.
func (r roster) Term(owner peer.ID) (int64, peer.ID) { return r.m.Registry.Term(owner) }

// Lease implements duty.Roster.
func (r roster) Lease(home peer.ID) (token int64, until time.Time) {
	h := r.m.Registry.Home()
	if h.Home != home || h.Left <= 0 {
		return h.Token, time.Time{}
	}
	return h.Token, time.Now().Add(h.Left)
}
