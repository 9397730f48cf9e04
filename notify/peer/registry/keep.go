package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
	"grove/tree/store/drawer"
)

// kept is what is on disk of a manager, in the drawer "peer" under its ID. Times are Unix
// milliseconds.
type kept struct {
	peer.Manager
	Number int64    `json:"number"`
	Home   peer.ID  `json:"home,omitempty"`
	State  Standing `json:"state"`
	Why    string   `json:"why,omitempty"`
	By     peer.ID  `json:"by,omitempty"`
	Since  int64    `json:"since"`
	Heard  int64    `json:"heard,omitempty"`
	Token  int64    `json:"token,omitempty"`
	Life   int64    `json:"life,omitempty"`
	Term   term     `json:"term,omitzero"`
	// Homes are the integration managers that it is registered with.
	Homes []peer.ID `json:"homes,omitempty"`
}

// roleName is the name under which the drawer has the role; no ID looks like it.
const roleName = "role"

func (r *Registry) keep(m *member) kept {
	k := kept{
		Manager: m.Manager, Number: m.number, Home: m.home, State: m.state, Why: m.why, By: m.by,
		Since: m.since.UnixMilli(), Token: m.token, Life: m.life, Term: m.term, Homes: m.homes,
	}
	if m.heard != 0 {
		k.Heard = r.wall(m.heard).UnixMilli()
	}
	return k
}

// save brings managers to the disk. The caller holds saving.
func (r *Registry) save(ctx context.Context, all ...kept) error {
	if r.drawer == nil {
		return nil
	}
	var items []drawer.Item
	for i := range all {
		text, err := json.Marshal(all[i])
		if err != nil {
			return err
		}
		items = append(items, drawer.Item{Name: string(all[i].ID), Text: string(text)})
	}
	return r.drawer.Change(ctx, items, nil)
}

func (r *Registry) saveRole(ctx context.Context, to role) error {
	if r.drawer == nil {
		return nil
	}
	text, err := json.Marshal(to)
	if err != nil {
		return err
	}
	return r.drawer.Change(ctx, []drawer.Item{{Name: roleName, Text: string(text)}}, nil)
}

// load reads what was known before a restart.
func (r *Registry) load(ctx context.Context) error {
	settings := r.o.Self().Integrates
	r.role = role{On: settings, Settings: settings}
	if r.drawer == nil {
		return nil
	}
	items, err := r.drawer.All(ctx)
	if errors.Is(err, store.ErrUnavailable) {
		// A manager starts without its database, too: who is linked says so again, and nobody
		// is registered before the database can keep that.
		r.log.Warn("what was known of other managers cannot be read: this manager begins anew", "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.Name == roleName {
			var was role
			if err := json.Unmarshal([]byte(i.Text), &was); err != nil {
				return fmt.Errorf("drawer of peer: %s: %w", i.Name, err)
			}
			if was.Settings != settings {
				was.On, was.Settings = settings, settings
			}
			r.role = was
			continue
		}
		var k kept
		if err := json.Unmarshal([]byte(i.Text), &k); err != nil || k.ID.Check() != nil {
			r.log.Warn("what was known of another manager cannot be read, and is forgotten", "manager", i.Name)
			continue
		}
		m := &member{
			id: k.ID, Manager: k.Manager, number: k.Number, home: k.Home, state: k.State, why: k.Why, by: k.By, since: time.UnixMilli(k.Since),
			token: k.Token, life: k.Life, term: k.Term, homes: k.Homes, from: 1, told: true, changed: r.version,
		}
		if k.Heard != 0 {
			m.heard = min(-1, time.UnixMilli(k.Heard).Sub(r.o.Now()))
		}
		if k.State == Dead && k.By == r.self {
			m.judged, m.judgedAt = Dead, min(-1, time.UnixMilli(k.Since).Sub(r.o.Now()))
		}
		r.members[k.ID] = m
	}
	return nil
}

// tell brings to the disk what is new, then tells who wants to know, until its context ends.
func (r *Registry) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.news:
		}
		states := r.flush(ctx)
		if len(states) > 0 && r.o.Changed != nil {
			r.o.Changed(states)
		}
		r.mu.Lock()
		reg := r.registration()
		homed := reg.Home != r.told.Home || reg.Token != r.told.Token || reg.Held() != r.told.Held()
		r.told = reg
		r.mu.Unlock()
		if homed && r.o.Homed != nil {
			r.o.Homed(reg)
		}
	}
}

// flush brings what is new of managers to the disk and returns it.
func (r *Registry) flush(ctx context.Context) (states []State) {
	r.saving.Lock()
	defer r.saving.Unlock()
	var put []drawer.Item
	var texts []string
	var of []*member
	r.mu.Lock()
	for _, m := range r.sorted() {
		if m.told {
			continue
		}
		m.told = true
		states = append(states, r.present(m))
		k := r.keep(m)
		heard := k.Heard
		k.Heard = 0 // It alone is no reason to write.
		text, err := json.Marshal(k)
		if err != nil || string(text) == m.kept {
			continue
		}
		of, texts = append(of, m), append(texts, string(text))
		k.Heard = heard
		if text, err = json.Marshal(k); err == nil {
			put = append(put, drawer.Item{Name: string(m.ID), Text: string(text)})
		}
	}
	take := r.dropped
	r.dropped = nil
	r.mu.Unlock()
	if r.drawer == nil || len(put)+len(take) == 0 {
		return states
	}
	err := r.drawer.Change(ctx, put, take)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			r.log.Warn("what is known of other managers cannot be kept", "err", err)
		}
		return states
	}
	for i, m := range of {
		m.kept = texts[i]
	}
	return states
}
