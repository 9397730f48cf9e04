package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"grove/notify/peer"
)

const (
	lookEvery = 500 * time.Millisecond
	lookTime  = time.Second
	// deafTime is how long nobody else may have heard one that is judged dead: as long as its
	// lease, but for the last heartbeat, which they may have had when this manager did not.
	// Less would not do: a witness misses two heartbeats, or three, where a network loses much.
	deafTime = LeaseTime - Every
	// maxWitnesses bounds how many are asked whether they hear one that is silent.
	maxWitnesses = 16
	// manyAlone is how many managers have to fall silent together for this one to take itself
	// for cut off.
	manyAlone = 3
)

// evaluate says how it is with a manager as far as that follows from what is known.
func (r *Registry) evaluate(m *member) {
	switch {
	case r.hears(m):
		r.stand(m, Live, r.self, "")
		return
	case m.byeAt != 0:
		r.stand(m, Gone, r.self, "it said goodbye")
		return
	case m.judged != "":
		return // See judge.
	}
	var best word
	var by peer.ID
	now := r.time()
	for source, w := range m.words {
		switch s := r.members[source]; {
		case source == r.self: // It has answered that it is there.
			if now-w.at > 2*validEvery {
				delete(m.words, source)
				continue
			}
		case s == nil || !r.hears(s): // What nobody near vouches for any more.
			continue
		case w.state == Dead && w.at < m.ear, w.state == Gone && w.at < m.ear:
			continue // It was heard here since.
		}
		if by == "" || rank(w.state) > rank(best.state) || rank(w.state) == rank(best.state) && (w.at > best.at || w.at == best.at && source < by) {
			best, by = w, source
		}
	}
	switch {
	case by != "" && best.state == Live && r.judges(m):
		r.stand(m, Suspect, r.self, r.silent(m)) // Others are asked.
	case by != "" && best.state == Live:
		r.stand(m, Live, by, "")
	case by != "" && best.state == Gone:
		r.stand(m, Gone, by, "it said goodbye to "+r.title(by))
	case by != "" && (best.state == CutOff || !r.judges(m)):
		r.stand(m, best.state, by, r.title(by)+" says so")
	case m.state == Dead || m.state == Gone: // Until it is heard again.
	case m.heard == 0:
		r.stand(m, Known, "", "others know of it, and nobody has heard it yet")
	default:
		r.stand(m, Suspect, r.self, r.silent(m))
	}
}

// title is the name of a manager for people.
func (r *Registry) title(id peer.ID) string {
	if m := r.members[id]; m != nil {
		return m.title()
	}
	return string(id)
}

// rank orders what several say: who hears a manager knows better than who does not, but for
// its integration manager, which says that it is cut off.
func rank(s Standing) int {
	switch s {
	case CutOff:
		return 4
	case Live:
		return 3
	case Gone:
		return 2
	case Dead:
		return 1
	}
	return 0
}

func (r *Registry) silent(m *member) string {
	if m.ear == 0 {
		return "it was not heard yet since this manager was started"
	}
	return "nothing was heard of it since " + r.wall(m.ear).UTC().Format(time.TimeOnly) + " UTC"
}

// judges says whether this manager judges another one.
func (r *Registry) judges(m *member) bool { return r.role.On && m.token != 0 }

// lonely finds out whether it is rather this manager that is cut off: several others fell
// silent together, and there is none that it hears.
func (r *Registry) lonely(all []*member) {
	var fell []time.Duration
	for _, m := range all {
		if r.hears(m) {
			if r.alone {
				r.log.Info("this manager hears others again")
				r.alone, r.from = false, r.time() // The others are given their time.
			}
			return
		}
		if m.ear != 0 && m.byeAt == 0 && m.state != Dead {
			fell = append(fell, m.ear)
		}
	}
	slices.Sort(fell)
	if n := len(fell); !r.alone && n >= manyAlone && fell[n-1]-fell[n-manyAlone] < LeaseTime {
		r.log.Warn("this manager hears no other one any more: it takes itself for cut off", "others", n)
		r.alone = true
	}
}

// judge judges a manager that is silent and registered here.
func (r *Registry) judge(m *member, all []*member) {
	if !r.judges(m) || r.hears(m) || m.byeAt != 0 || m.state == Dead || m.state == Gone {
		return
	}
	now := r.time()
	if r.silence(m) < peer.Suspect {
		return
	}
	if now-m.lookedAt >= lookEvery {
		m.lookedAt = now
		r.look(m, all)
	}
	// Proof is when it was alive at the latest, by whomever.
	over := now - max(m.ear, m.relayed, m.from, r.from)
	var by peer.ID
	var heard time.Duration
	for id, s := range m.sights {
		if s.heard > heard || s.heard == heard && id < by {
			heard, by = s.heard, id
		}
	}
	proof := max(m.ear, m.relayed, m.from, r.from, heard)
	answered := !slices.ContainsFunc(r.witnesses(m, all), func(w *member) bool {
		s, ok := m.sights[w.ID]
		return !ok || now-s.asked > peer.Suspect || s.heard != 0 && s.asked-s.heard < deafTime
	})
	switch {
	case r.alone:
		r.verdict(m, CutOff, "this manager hears nobody and takes itself for cut off")
	case m.relayed != 0 && now-m.relayed < peer.Suspect:
		r.verdict(m, CutOff, "others pass on what it says, this manager does not hear it")
	case heard != 0 && now-heard < peer.Suspect:
		r.verdict(m, CutOff, r.title(by)+" hears it, this manager does not")
	case over < LeaseTime || r.listens():
		m.judged = ""
		r.stand(m, Suspect, r.self, r.silent(m))
	case answered || now-proof >= LeaseTime+peer.Suspect:
		r.bury(m)
	}
}

// verdict sets what this manager has judged.
func (r *Registry) verdict(m *member, s Standing, why string) {
	m.judged, m.judgedAt = s, r.time()
	r.stand(m, s, r.self, why)
}

// witnesses are those who may hear a manager, and whom this one hears or has just heard: one
// that is silent for a moment may be the one that knows.
func (r *Registry) witnesses(m *member, all []*member) (ws []*member) {
	for _, w := range all {
		if w == m || !r.hears(w) && (w.ear == 0 || r.silence(w) >= LeaseTime || w.state == Dead || w.state == Gone) {
			continue
		}
		if len(ws) < maxWitnesses || m.words[w.ID].state == Live {
			ws = append(ws, w)
		}
	}
	return ws
}

// sightQuestion asks whether a manager is heard (registry.see).
type sightQuestion struct {
	ID peer.ID `json:"id"`
}

// sightAnswer says how long ago it was heard, in milliseconds, or -1, and whether it said
// goodbye.
type sightAnswer struct {
	Milli int64 `json:"ago"`
	Gone  bool  `json:"gone,omitempty"`
}

// look asks a manager once more, and others whether they hear it.
func (r *Registry) look(m *member, all []*member) {
	r.start(func(ctx context.Context) {
		_, err := r.AskThere(ctx, m.id)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil && m.byeAt == 0 && m.state != Dead && r.members[m.id] == m {
			r.hear(m)
		}
	})
	for _, w := range r.witnesses(m, all) {
		r.start(func(ctx context.Context) {
			a, err := ask[sightAnswer](ctx, r, w.id, "registry.see", sightQuestion{m.id}, lookTime)
			if err != nil && !errors.As(err, new(*peer.Refusal)) {
				return
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			now := r.time()
			if a.Gone && !r.hears(m) && m.ear < now-time.Duration(a.Milli)*time.Millisecond {
				m.byeAt, m.judged = now, ""
				return
			}
			s := sight{asked: now}
			if err == nil && a.Milli >= 0 {
				s.heard = max(1, now-time.Duration(min(a.Milli, 1<<40))*time.Millisecond)
				m.heard = max(m.heard, s.heard)
			}
			if m.sights == nil {
				m.sights = map[peer.ID]sight{}
			}
			m.sights[w.ID] = s
		})
	}
}

// seeTime is how long one that may be silent is asked for another manager.
const seeTime = 600 * time.Millisecond

// answerSee says whether this manager hears another one, which it asks when it has not just
// heard it.
func (r *Registry) answerSee(ctx context.Context, _ peer.ID, body []byte) ([]byte, error) {
	var q sightQuestion
	if err := decode("registry.see", body, &q); err != nil {
		return nil, err
	}
	r.mu.Lock()
	m := r.members[q.ID]
	fresh := m == nil || m.byeAt != 0 || m.ear == 0 || r.time()-m.ear < seeTime
	r.mu.Unlock()
	if !fresh {
		if _, err := ask[peer.Manager](ctx, r, q.ID, "registry.there", struct{}{}, seeTime); err == nil {
			return json.Marshal(sightAnswer{})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case m == nil || m.ear == 0 && m.byeAt == 0:
		return json.Marshal(sightAnswer{Milli: -1})
	case m.byeAt != 0:
		return json.Marshal(sightAnswer{Milli: (r.time() - m.byeAt).Milliseconds(), Gone: true})
	}
	return json.Marshal(sightAnswer{Milli: (r.time() - m.ear).Milliseconds()})
}

// bury judges a manager dead: its new token is on disk before anybody is told.
func (r *Registry) bury(m *member) {
	if m.registering {
		return
	}
	m.registering = true
	ear, relayed, above := m.ear, m.relayed, m.token
	why := fmt.Sprintf("%s, and no other manager hears it", r.silent(m))
	r.start(func(ctx context.Context) {
		r.saving.Lock()
		defer r.saving.Unlock()
		token, err := r.o.Leases.Token(ctx, above)
		r.mu.Lock()
		k := r.keep(m)
		r.mu.Unlock()
		k.Token, k.State, k.By, k.Why, k.Since = token, Dead, r.self, why, r.o.Now().UnixMilli()
		if err == nil {
			err = r.save(ctx, k)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		m.registering = false
		if err != nil {
			if ctx.Err() == nil {
				r.log.Warn("that a manager is dead cannot be kept, so that nobody takes over from it", "manager", m.title(), "err", err)
			}
			return
		}
		m.token = token
		if m.ear != ear || m.relayed != relayed || m.byeAt != 0 { // It was heard meanwhile, and registers anew.
			r.touch(m)
			return
		}
		r.verdict(m, Dead, why)
	})
}

// mine says whether this manager has to act for another one when that dies.
func (r *Registry) mine(m *member) bool { return r.ought(m) && r.above(m) && r.decides(m) }

func (r *Registry) ought(m *member) bool {
	if !r.judges(m) {
		return false
	}
	if m.home == r.self {
		return true
	}
	// Whom this manager trusts does not matter here: the other one has chosen its home itself,
	// and two that act would be worse than none for a while.
	if h := r.members[m.home]; h != nil && h.Integrates && h.state != Dead && h.state != Gone {
		return false
	}
	// Of those that it has chosen, if it says so: anybody can say that he integrates.
	for _, other := range r.members {
		if other != m && other.Integrates && r.hears(other) && other.ID < r.self && (m.homes == nil || slices.Contains(m.homes, other.ID)) {
			return false
		}
	}
	return true
}
