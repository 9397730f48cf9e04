package registry

import (
	"context"

	"grove/notify/peer"
)

// MaxTerm bounds terms: one more begins each time when a manager gets another home.
const MaxTerm = 1<<20 - 1

// term is that of a home: the later one has the higher number, as long as they had managers
// in common.
type term struct {
	Number int64   `json:"number,omitempty"`
	Of     peer.ID `json:"of,omitempty"` // the home
}

// Term is the number of the term of this manager as a home; zero: it never was one. Before
// it becomes the home of a manager (With), or has to act for it (Mine), its term is higher
// than that of every home which that one had before, and on disk.
func (r *Registry) Term() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.role.Term
}

// under notes the term of a home that a manager has, or had.
func (m *member) under(t term) {
	if t.Number > m.term.Number && t.Number <= MaxTerm && t.Of.Check() == nil {
		m.term = t
	}
}

// above says whether the term of this manager is higher than those of the other homes that a
// manager had.
func (r *Registry) above(m *member) bool {
	return m.term.Of == "" || m.term.Of == r.self || m.term.Number < r.role.Term
}

// rise begins a new term when this manager is to be the home of somebody, or to act for
// somebody, who had another home with a term as high.
func (r *Registry) rise(all []*member) {
	next := max(1, r.role.Term)
	for _, m := range all {
		if !r.above(m) && (r.ought(m) || r.judges(m) && m.home == r.self) {
			next = max(next, m.term.Number+1)
		}
	}
	if !r.role.On || next == r.role.Term || next > MaxTerm || r.rising {
		return
	}
	r.rising = true
	r.start(func(ctx context.Context) {
		r.saving.Lock()
		defer r.saving.Unlock()
		r.mu.Lock()
		to := r.role
		r.mu.Unlock()
		to.Term = max(to.Term, next)
		err := r.saveRole(ctx, to)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rising = false
		if err != nil {
			if ctx.Err() == nil {
				r.log.Warn("a new term as home cannot begin", "term", next, "err", err)
			}
			return
		}
		r.role.Term = to.Term
	})
}
