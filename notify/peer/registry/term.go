package registry

import (
	"context"

	"grove/notify/peer"
)

// MaxTerm bounds terms: one more begins each time when a manager gets another home.
const MaxTerm = 1<<20 - 1

// term is the time in which a home decides about a manager: the later one has the higher
// number. Each manager has its own, so that what one says of its terms touches no other.
type term struct {
	Number int64   `json:"number,omitempty"`
	Of     peer.ID `json:"of,omitempty"` // the home
}

// Term is the number of the term of a manager, as its home knows it; zero: none has begun.
// Before this manager becomes its home (With), or has to act for it (Mine), the number is
// higher than with every other home that it had before, and on disk.
// Before is whose term was the one before, as far as is known.
func (r *Registry) Term(id peer.ID) (number int64, before peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[id]; m != nil {
		return m.term.Number, m.before
	}
	return 0, ""
}

// noteTerm notes the term of a home that a manager has, or had, and says whether that is news.
func (r *Registry) noteTerm(m *member, t term) bool {
	if t.Number > MaxTerm || t.Of.Check() != nil || t.Number < m.term.Number {
		return false
	}
	// Two homes that did not know of each other have begun the same one: neither decides by it,
	// and the one that ought to decide begins the next.
	tie := m.term.Of == r.self && t.Of != r.self
	if t.Number == m.term.Number && !tie {
		return false
	}
	m.term = t
	return true
}

// above says whether the last term of a manager is of this one.
func (r *Registry) above(m *member) bool { return m.term.Of == r.self && m.term.Number > 0 }

// rise begins a new term for everybody to whom this manager is to be home, or for whom it is
// to act, and who had another home before, or none.
func (r *Registry) rise(all []*member) {
	if !r.role.On || r.rising {
		return
	}
	var next []*member
	for _, m := range all {
		if len(next) < maxRise && !r.above(m) && r.ought(m) && m.term.Number < MaxTerm && r.over(m) && r.decides(m) {
			next = append(next, m)
		}
	}
	if len(next) == 0 {
		return
	}
	r.rising = true
	r.start(func(ctx context.Context) {
		r.saving.Lock()
		defer r.saving.Unlock()
		begun := make([]kept, len(next))
		r.mu.Lock()
		for i, m := range next {
			begun[i] = r.keep(m)
			begun[i].Term = term{m.term.Number + 1, r.self}
		}
		r.mu.Unlock()
		err := r.save(ctx, begun...)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rising = false
		if err != nil {
			if ctx.Err() == nil {
				r.log.Warn("a new term as home cannot begin", "managers", len(next), "err", err)
			}
			return
		}
		for i, m := range next {
			before := m.term.Of
			if !r.noteTerm(m, begun[i].Term) {
				continue
			}
			m.before = before
			switch {
			case !r.hears(m):
				m.home = r.self // It is this one's until it says otherwise itself.
			case m.home == r.self && m.with == 0:
				m.with = r.time()
			}
			r.touch(m)
		}
	})
}

// maxRise bounds how many terms begin together.
const maxRise = 1000
