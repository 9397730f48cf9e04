package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"grove/notify/peer"
)

// role says whether this manager integrates: by a command that was given while the settings
// said so and so, or else as the settings say.
type role struct {
	On       bool `json:"integrates"`
	Settings bool `json:"settings"`
}

// Integrates says whether this manager is an integration manager.
func (r *Registry) Integrates() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.role.On
}

// Integrate makes this manager an integration manager, or one no more, which outlives a
// restart. Before it becomes one it hands its devices over; before it stops being one it
// passes those who are registered on to the other integration managers, of which one has to
// take them unless there is none. An error says that nothing has changed.
func (r *Registry) Integrate(ctx context.Context, on bool) error {
	r.turning.Lock()
	defer r.turning.Unlock()
	r.mu.Lock()
	was, settings := r.role.On, r.o.Self().Integrates
	r.mu.Unlock()
	switch {
	case was == on:
	case on && r.o.HandOver != nil:
		if err := r.o.HandOver(ctx); err != nil {
			return fmt.Errorf("this manager does not integrate: its devices cannot be handed over: %w", err)
		}
	case !on:
		if err := r.passOn(ctx); err != nil {
			return fmt.Errorf("this manager goes on integrating: those who are registered here cannot be passed on: %w", err)
		}
	}
	r.saving.Lock()
	r.mu.Lock()
	next := role{on, settings}
	r.mu.Unlock()
	err := r.saveRole(ctx, next)
	if err != nil {
		r.saving.Unlock()
		return err
	}
	r.mu.Lock()
	r.role = next
	r.saving.Unlock()
	if on != was {
		r.from = r.time() // Who judges has listened first.
		for _, m := range r.members {
			m.with = 0
			if m.judged == CutOff {
				m.judged = ""
			}
			r.touch(m)
		}
	}
	r.mu.Unlock()
	if on != was {
		r.log.Info("the role of this manager has changed", "integrates", on)
		r.announce(ctx)
	}
	return nil
}

// follow does what the settings say once they say something else than they did.
func (r *Registry) follow() {
	if on := r.o.Self().Integrates; on != r.role.Settings && !r.following {
		r.following = true
		r.start(func(ctx context.Context) {
			err := r.Integrate(ctx, on)
			if err != nil && ctx.Err() == nil {
				r.log.Error("the role that the settings say cannot be taken", "integrates", on, "err", err)
				select { // Not at once again.
				case <-ctx.Done():
				case <-time.After(10 * time.Second):
				}
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.following = false
		})
	}
}

// announce tells all who hear this manager of its role, without waiting for the next
// heartbeat. Who misses it learns it then.
func (r *Registry) announce(ctx context.Context) {
	r.each(ctx, hereTime, func(ctx context.Context, m *member) error {
		r.mu.Lock()
		said := r.here(m, m.mine)
		r.mu.Unlock()
		_, err := ask[here](ctx, r, m.id, "registry.role", said, hereTime)
		return err
	}, r.hears)
}

// adoption is what an integration manager passes on that stops being one (registry.adopt).
type adoption struct {
	Members []adopted `json:"members"`
}

type adopted struct {
	Manager peer.Manager `json:"manager"`
	Number  int64        `json:"number"`
	Token   int64        `json:"token"`
	Term    term         `json:"term,omitzero"`
}

// passOn passes those who are registered here on to all other integration managers.
func (r *Registry) passOn(ctx context.Context) error {
	r.mu.Lock()
	var pages []adoption
	size := pageBytes
	for _, m := range r.sorted() {
		if m.token == 0 || m.state == Gone {
			continue
		}
		text, err := json.Marshal(m.Manager)
		if err != nil {
			r.mu.Unlock()
			return err
		}
		if size += len(text); size > pageBytes {
			pages, size = append(pages, adoption{}), 0
		}
		p := &pages[len(pages)-1]
		p.Members = append(p.Members, adopted{m.Manager, m.number, m.token, m.term})
	}
	r.mu.Unlock()
	if len(pages) == 0 {
		return nil
	}
	asked, errs := r.each(ctx, 10*time.Second, func(ctx context.Context, m *member) error {
		for _, p := range pages {
			_, err := ask[struct{}](ctx, r, m.id, "registry.adopt", p, 5*time.Second)
			if peer.IsRefusal(err, peer.Refused) { // It takes nobody from here: they find their home themselves.
				return nil
			}
			if err != nil {
				return fmt.Errorf("%s: %w", m.id, err)
			}
		}
		return nil
	}, func(m *member) bool { return r.integrates(m) && r.hears(m) })
	if len(errs) < asked {
		return nil
	}
	return errors.Join(errs...)
}

// answerAdopt takes those over who were registered with another integration manager. They
// come themselves with their next heartbeat; who does not is judged as those are that this
// one has heard before.
func (r *Registry) answerAdopt(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var a adoption
	if err := decode("registry.adopt", body, &a); err != nil {
		return nil, err
	}
	r.mu.Lock()
	giver := r.members[from]
	if !r.role.On || giver == nil || !r.integrates(giver) {
		r.mu.Unlock()
		return nil, peer.Refuse(peer.Refused, "registered managers are passed on from one integration manager to another")
	}
	r.mu.Unlock()
	for _, one := range a.Members {
		if one.Manager.ID == r.self || bounded(one.Manager) != nil || one.Token <= 0 || one.Token > maxToken {
			continue
		}
		r.mu.Lock()
		m := r.get(one.Manager.ID)
		if m == nil {
			r.mu.Unlock()
			return nil, peer.Refuse(peer.Busy, "this manager knows %d others already", MaxManagers)
		}
		r.learn(m, one.Manager, one.Number, from, false)
		r.noteTerm(m, one.Term)
		known := m.token >= one.Token || m.registering
		if !known {
			m.registering = true
			m.from = r.time()
		}
		r.mu.Unlock()
		if !known {
			if err := r.register(ctx, m, one.Token, 0); err != nil {
				return nil, err
			}
		}
	}
	return []byte("{}"), nil
}

// each asks all members of which the condition holds, at the same time, and returns how
// many there were, and the errors.
func (r *Registry) each(ctx context.Context, limit time.Duration, do func(context.Context, *member) error, when func(*member) bool) (asked int, errs []error) {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	r.mu.Lock()
	var all []*member
	for _, m := range r.sorted() {
		if when(m) {
			all = append(all, m)
		}
	}
	r.mu.Unlock()
	failed := make(chan error, len(all))
	room := make(chan struct{}, maxAtOnce)
	for _, m := range all {
		room <- struct{}{}
		go func() {
			defer func() { <-room }()
			failed <- do(ctx, m)
		}()
	}
	for range all {
		if err := <-failed; err != nil {
			errs = append(errs, err)
		}
	}
	return len(all), errs
}

// maxAtOnce bounds how many managers are asked at the same time.
const maxAtOnce = 64
