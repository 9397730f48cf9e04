package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"grove/notify/peer"
)

const (
	canTime = 2 * time.Second
	whoTime = 5 * time.Second
)

// whoQuestion asks the home who can (registry.who), and a manager whether it can
// (registry.can); for is set by who asks on behalf of another one.
type whoQuestion struct {
	Need Need    `json:"need"`
	For  peer.ID `json:"for,omitempty"`
}

type whoAnswer struct {
	Candidates []Candidate `json:"candidates"`
}

type canAnswer struct {
	Free int `json:"free"`
}

// Who returns who can watch what has such a need, those with the most room first. The home
// is asked, which knows everybody and asks them; without one, or when it does not answer,
// this manager asks those whom it knows itself.
func (r *Registry) Who(ctx context.Context, n Need) ([]Candidate, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	home := r.home
	if r.role.On {
		home = ""
	}
	r.mu.Unlock()
	if home != "" {
		if a, err := ask[whoAnswer](ctx, r, home, "registry.who", whoQuestion{Need: n}, whoTime); err == nil {
			return a.Candidates, nil
		}
	}
	return r.candidates(ctx, r.self, n), ctx.Err()
}

// check bounds a need.
func (n Need) check() error {
	if len(n.Kinds)+len(n.Applications)+len(n.Not) > 3*maxList || n.Room < 0 {
		return peer.Refuse(peer.Invalid, "a need has at most %d kinds, applications and managers, and a room of zero or more", 3*maxList)
	}
	return nil
}

const maxList = 1000

func (r *Registry) answerWho(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q whoQuestion
	if err := decode("registry.who", body, &q); err != nil {
		return nil, err
	}
	if err := q.Need.check(); err != nil {
		return nil, err
	}
	if !r.Integrates() {
		return nil, peer.Refuse(peer.Refused, "this manager does not integrate: ask your home")
	}
	a := whoAnswer{r.candidates(ctx, from, q.Need)}
	if self := r.Self(); from != r.self && !slices.Contains(q.Need.Not, r.self) {
		if free, err := r.can(ctx, from, q.Need); err == nil && free > 0 {
			a.Candidates = append(a.Candidates, Candidate{self, free})
		}
	}
	sortCandidates(a.Candidates)
	return json.Marshal(a)
}

func sortCandidates(all []Candidate) {
	slices.SortFunc(all, func(a, b Candidate) int { return cmp.Or(-cmp.Compare(a.Free, b.Free), cmp.Compare(a.ID, b.ID)) })
}

// maxCandidates bounds those who are asked for one need, the ones with the most room first.
const maxCandidates = 100

// candidates asks on behalf of a manager all others that say of themselves that they can.
func (r *Registry) candidates(ctx context.Context, asker peer.ID, n Need) []Candidate {
	var mu sync.Mutex
	found := []Candidate{}
	asked := 0
	r.each(ctx, canTime, func(ctx context.Context, m *member) error {
		a, err := ask[canAnswer](ctx, r, m.id, "registry.can", whoQuestion{n, asker}, canTime)
		r.mu.Lock()
		c := Candidate{m.Manager, a.Free}
		r.mu.Unlock()
		if err == nil && a.Free > 0 && a.Free >= n.Room {
			mu.Lock()
			found = append(found, c)
			mu.Unlock()
		}
		return err
	}, func(m *member) bool {
		ok := asked < maxCandidates && m.ID != asker && m.state == Live && !slices.Contains(n.Not, m.ID) && suits(m.Manager, n)
		if ok {
			asked++
		}
		return ok
	})
	sortCandidates(found)
	return found
}

// suits says whether a manager can, as far as what it says of itself.
func suits(m peer.Manager, n Need) bool {
	return m.Capacity-m.Devices >= max(1, n.Room) && covers(m.Kinds, n.Kinds) && covers(m.Applications, n.Applications)
}

// covers says whether everything that is needed is there.
func covers(have, needed []string) bool {
	return !slices.ContainsFunc(needed, func(s string) bool { return !slices.Contains(have, s) })
}

// can says for how many devices this manager has room.
func (r *Registry) can(ctx context.Context, from peer.ID, n Need) (int, error) {
	self := r.Self()
	if !suits(self, n) {
		return 0, nil
	}
	if r.o.Can == nil {
		return self.Capacity - self.Devices, nil
	}
	return r.o.Can(ctx, from, n)
}

func (r *Registry) answerCan(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q whoQuestion
	if err := decode("registry.can", body, &q); err != nil {
		return nil, err
	}
	if err := q.Need.check(); err != nil {
		return nil, err
	}
	free, err := r.can(ctx, cmp.Or(q.For, from), q.Need)
	if err != nil {
		return nil, err
	}
	return json.Marshal(canAnswer{free})
}
