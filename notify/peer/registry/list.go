package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"grove/notify/peer"
)

const (
	pageBytes = 256 << 10 // of a list
	listTime  = 5 * time.Second
	// validEvery is how often managers are asked whether they are there that nobody near
	// vouches for.
	validEvery = 30 * time.Second
	maxValid   = 8 // at a time
)

// entry is what a list (registry.neighbours) says of a manager. State is of the own hearing
// or judgement of who says so; it is empty when that one only knows of it.
type entry struct {
	Manager peer.Manager `json:"manager"`
	Number  int64        `json:"number"`
	Home    peer.ID      `json:"home,omitempty"`
	State   Standing     `json:"state,omitempty"`
	// Term is the last one, if who says so integrates.
	Term term `json:"term,omitzero"`
	// Milli is how long ago it was heard, by anybody, or said goodbye; -1 never. With Dead
	// and CutOff it is how long ago it was judged.
	Milli int64 `json:"ago"`
}

// listQuestion asks for what has changed since a version; zero is everything.
type listQuestion struct {
	Since int64 `json:"since"`
}

// listAnswer is a page of it, up to a version, of the version that there is.
type listAnswer struct {
	To      int64   `json:"to"`
	Version int64   `json:"version"`
	Entries []entry `json:"entries"`
}

// answerNeighbours answers registry.neighbours with what has changed, the oldest first.
func (r *Registry) answerNeighbours(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q listQuestion
	if err := decode("registry.neighbours", body, &q); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var changed []*member
	for _, m := range r.members {
		if m.changed > q.Since && m.ID != from {
			changed = append(changed, m)
		}
	}
	slices.SortFunc(changed, func(a, b *member) int { return cmp.Compare(a.changed, b.changed) })
	a := listAnswer{To: r.version, Version: r.version}
	size := 0
	for _, m := range changed {
		e := r.entry(m)
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		if size += len(text); size > pageBytes && len(a.Entries) > 0 {
			break
		}
		a.Entries, a.To = append(a.Entries, e), m.changed
	}
	if len(a.Entries) == len(changed) {
		a.To = r.version
	}
	return json.Marshal(a)
}

func (r *Registry) entry(m *member) entry {
	e := entry{Manager: m.Manager, Number: m.number, Home: m.home, Milli: -1}
	if r.role.On {
		e.Term = m.term
	}
	at := m.heard
	if m.by == r.self {
		e.State = m.state
		if m.judged != "" {
			at = m.judgedAt
		}
	}
	if at != 0 {
		e.Milli = (r.time() - at).Milliseconds()
	}
	return e
}

// askNeighbours asks for the list of another manager.
func (r *Registry) askNeighbours(ctx context.Context, m *member, version int64) {
	defer func() {
		r.mu.Lock()
		m.listing = false
		r.mu.Unlock()
	}()
	for ctx.Err() == nil {
		r.mu.Lock()
		if version < m.listed { // It has begun anew.
			m.listed = 0
		}
		since := m.listed
		r.mu.Unlock()
		a, err := ask[listAnswer](ctx, r, m.id, "registry.neighbours", listQuestion{since}, listTime)
		if err != nil || a.To < since {
			return // With its next heartbeat again.
		}
		r.mu.Lock()
		for _, e := range a.Entries {
			r.merge(m.id, e)
		}
		m.listed, version = a.To, a.Version
		m.caught = m.caught || a.To >= a.Version
		r.mu.Unlock()
		if a.To >= a.Version || a.To == since {
			return
		}
	}
}

// merge takes what another manager says of one.
func (r *Registry) merge(source peer.ID, e entry) {
	if bounded(e.Manager) != nil {
		return
	}
	now := r.time()
	if e.Manager.ID == r.self {
		r.number = max(r.number, e.Number) // What it says of itself now is newer.
		return
	}
	at := time.Duration(0)
	if e.Milli >= 0 {
		ago := time.Duration(min(e.Milli, 1<<40)) * time.Millisecond
		at = now - ago // Negative: before this manager was started.
		if at == 0 {
			at = -1
		}
		if ago > Forget && e.State != Dead {
			return
		}
	}
	m := r.get(e.Manager.ID)
	if m == nil {
		return
	}
	if !r.hears(m) {
		r.learn(m, e.Manager, e.Number, e.Home, false)
	}
	if s := r.members[source]; s != nil && r.integrates(s) && r.noteTerm(m, e.Term) {
		if !r.hears(m) { // It is that home's until it says otherwise itself.
			m.home, m.with = e.Term.Of, 0
		}
		r.touch(m)
	}
	believed := false
	switch e.State {
	case Live, Gone:
		believed = at != 0
	case CutOff, Dead: // Only those judge who integrate. The time is that of the verdict.
		s := r.members[source]
		believed = at != 0 && s != nil && r.integrates(s)
	}
	if at != 0 && e.State != CutOff && e.State != Dead && (m.heard == 0 || at > m.heard) {
		m.heard = at
	}
	if !believed {
		delete(m.words, source)
		return
	}
	if m.words == nil {
		m.words = map[peer.ID]word{}
	}
	if _, had := m.words[source]; !had && len(m.words) >= maxWords {
		for other := range m.words {
			if s := r.members[other]; s == nil || !r.hears(s) {
				delete(m.words, other)
			}
		}
		if len(m.words) >= maxWords {
			return
		}
	}
	m.words[source] = word{e.State, at}
}

// maxWords bounds how many managers are believed about one.
const maxWords = 16

// validate asks a manager now and then whether it is there that this one knows only by the
// word of others, or not even that, and says whether it did.
func (r *Registry) validate(m *member) bool {
	now := r.time()
	if r.hears(m) || m.state == Gone || m.asking > 0 || m.asked != 0 && now-m.asked < validEvery {
		return false
	}
	if m.state == Live && m.by != r.self {
		return false // Somebody who is heard hears it.
	}
	m.asked = now
	m.asking++
	r.start(func(ctx context.Context) {
		said, err := r.AskThere(ctx, m.id)
		r.mu.Lock()
		defer r.mu.Unlock()
		m.asking--
		if err != nil {
			delete(m.words, r.self)
			return
		}
		at := r.time()
		m.heard = at
		if said.ID == m.ID && bounded(said) == nil {
			if m.words == nil {
				m.words = map[peer.ID]word{}
			}
			m.words[r.self] = word{Live, at}
		}
	})
	return true
}

// AskThere asks a manager whether it is there; it answers with what it says of itself.
func (r *Registry) AskThere(ctx context.Context, id peer.ID) (peer.Manager, error) {
	return ask[peer.Manager](ctx, r, id, "registry.there", struct{}{}, hereTime)
}

func (r *Registry) answerThere(context.Context, peer.ID, []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return json.Marshal(r.statement())
}
