package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"grove/notify/peer"
)

const (
	// Every is how often a manager says that it is here.
	Every = time.Second
	// hereTime is how long an answer is waited for; the next question does not wait for it.
	hereTime = 1500 * time.Millisecond
	maxAsks  = 3
	// askedTime is how long a manager that was asked counts on being asked again.
	askedTime = 1500 * time.Millisecond
	tickTime  = 250 * time.Millisecond
)

// here is what a manager says every second (registry.here), and what it is answered.
// Durations are in milliseconds unless it is said.
type here struct {
	// Manager is what it says of itself, Number the number of that, which rises. It is left
	// out for one who has it, as Have told: the number of what the other one said of itself.
	Manager *peer.Manager `json:"manager,omitempty"`
	Number  int64         `json:"number"`
	Have    int64         `json:"have,omitempty"`
	Devices int           `json:"devices,omitempty"` // how many it watches, which no number tells
	Life    int64         `json:"life"`              // of this run of it, any number
	Home    peer.ID       `json:"home,omitempty"`
	Load    Load          `json:"load,omitzero"`
	// Term is the highest of the homes that the asker had; in the answer, of the one who
	// gives the lease.
	Term term `json:"term,omitzero"`
	// Token is that of the registration: of the one who asks with the one who is asked.
	Token int64 `json:"token,omitempty"`
	// Homes are, in the question, the integration managers that the asker is registered with.
	Homes []peer.ID `json:"homes,omitempty"`
	// Version is that of the list.
	Version int64 `json:"list,omitempty"`
	// In the question: how long ago the one before it was answered, what that took, and how
	// far the clock of who is asked was ahead then; the latter two in microseconds.
	Answered int64 `json:"answered,omitempty"`
	Trip     int64 `json:"trip,omitempty"`
	Ahead    int64 `json:"ahead,omitempty"`
	// In the answer: how long the lease lasts, and the time of the clock in microseconds since
	// 1970, which is only shown.
	Milli int64 `json:"ms,omitempty"`
	Clock int64 `json:"clock,omitempty"`
}

// here is what this manager says to another one.
func (r *Registry) here(to *member, token int64) here {
	s := r.statement()
	h := here{
		Number: r.number, Have: to.first, Devices: s.Devices, Life: r.life, Home: r.home, Term: r.under, Token: token, Version: r.version, Homes: r.homes,
		Trip: to.trip.Microseconds(), Ahead: to.offset.Microseconds(),
	}
	if to.has != r.number {
		h.Manager = &s
	}
	if to.answer != 0 {
		h.Answered = max(1, (r.time() - to.answer).Milliseconds())
	}
	if r.o.Load != nil {
		h.Load = r.o.Load()
	}
	return h
}

// bounded is the same for what is in a heartbeat, and fills in who said it.
func (h *here) bounded(from peer.ID) error {
	if h.Manager == nil {
		return nil
	}
	h.Manager.ID = from
	return bounded(*h.Manager)
}

// heartbeat takes what another manager says of itself.
func (r *Registry) heartbeat(m *member, h *here) {
	m.has = h.Have
	m.load = h.Load
	switch {
	case h.Manager != nil:
		m.first = h.Number
		r.learn(m, *h.Manager, h.Number, h.Home, true)
	case h.Number == m.first:
		now := m.Manager
		now.Devices = h.Devices
		r.learn(m, now, h.Number, h.Home, true)
	default: // It says it once it hears that it is not known here.
		r.learn(m, m.Manager, m.number, h.Home, true)
	}
}

// leaves says whether this manager leaves it to another one to ask: one that does so each
// second, and from which this one has no lease. Of two only one does.
func (r *Registry) leaves(m *member) bool {
	return m.asks != 0 && r.time()-m.asks < askedTime && !m.Integrates && (r.role.On || r.self > m.id)
}

// handlers answer other managers.
func (r *Registry) handlers() map[string]peer.Handler {
	return map[string]peer.Handler{
		"registry.here": r.answerHere, "registry.there": r.answerThere, "registry.bye": r.answerBye,
		"registry.neighbours": r.answerNeighbours, "registry.see": r.answerSee,
		"registry.relay": r.answerRelay, "registry.renew": r.answerRenew,
		"registry.role": r.answerHere, "registry.adopt": r.answerAdopt,
		"registry.who": r.answerWho, "registry.can": r.answerCan, "registry.message": r.answerMessage,
	}
}

// Run says that this manager is here, and judges, until its context ends: then it says
// goodbye.
func (r *Registry) Run(ctx context.Context) error {
	work, end := context.WithCancel(ctx)
	defer end()
	r.mu.Lock()
	r.running = work
	r.mu.Unlock()
	r.asks.Go(func() { r.tell(work) })
	tick := time.NewTicker(tickTime)
	defer tick.Stop()
	for {
		r.tick(work)
		select {
		case <-ctx.Done():
			r.mu.Lock()
			r.running = nil
			r.mu.Unlock()
			r.asks.Wait()
			for kind := range r.handlers() {
				r.f.Handle(kind, nil)
			}
			r.goodbye(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
		}
	}
}

// start runs something that asks others, if Run still waits for it. The caller holds mu.
func (r *Registry) start(do func(ctx context.Context)) {
	if ctx := r.running; ctx != nil {
		r.asks.Go(func() { do(ctx) })
	}
}

// tick does what is due.
func (r *Registry) tick(ctx context.Context) {
	links := r.f.Links()
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.time()
	clear(r.tallies)
	for _, m := range r.members {
		if m.caught && now-m.proven >= peer.Suspect {
			m.caught = false
		}
	}
	r.gap(now)
	for _, l := range links {
		m := r.members[l.Peer]
		if m == nil && l.Up {
			m = r.get(l.Peer)
		}
		if m == nil {
			continue
		}
		if m.next == 0 { // Not all at the same moment.
			h := fnv.New32a()
			_, _ = h.Write([]byte(r.self + l.Peer)) // It never fails.
			m.next = now + time.Duration(h.Sum32())%Every
			if m.state == Known {
				m.next = now
			}
		}
		if now >= m.next && m.asking < maxAsks {
			if r.leaves(m) {
				continue
			}
			if m.next += Every; m.next <= now {
				m.next = now + Every
			}
			m.asking++
			r.start(func(ctx context.Context) { r.askHere(ctx, m) })
		}
	}
	all := r.sorted()
	r.lonely(all)
	r.follow()
	r.rise(all)
	valid := 0
	for _, m := range all {
		r.evaluate(m)
		r.judge(m, all)
		if valid < maxValid && r.validate(m) {
			valid++
		}
		if mine := r.mine(m); mine != m.acts {
			m.acts = mine
			r.touch(m)
		}
		if (m.state == Gone || m.state == Known) && now-max(m.heard, m.from) > Forget {
			r.drop(m)
		}
	}
	r.choose(all)
	r.relay(all)
}

// gap notices that this manager was stopped, or its machine suspended: what others did
// meanwhile it has not heard.
func (r *Registry) gap(now time.Duration) {
	wall := r.o.Now().Round(0)
	stopped := now - r.ticked
	slept := wall.Sub(r.tickedWall.Round(0)) - stopped
	if stopped > peer.Suspect || slept > peer.Suspect {
		r.log.Warn("this manager was stopped, or its clock was set: it listens before it judges others", "stopped", stopped, "clock", slept)
		r.from = now
	}
	r.ticked, r.tickedWall = now, wall
}

// listens says whether this manager has not listened for long enough yet to judge others.
func (r *Registry) listens() bool { return r.time()-r.from < LeaseTime }

// askHere says to another manager that this one is here.
func (r *Registry) askHere(ctx context.Context, m *member) {
	r.mu.Lock()
	asked, wall := r.time(), r.o.Now()
	said := r.here(m, m.mine)
	r.mu.Unlock()
	a, err := ask[here](ctx, r, m.id, "registry.here", said, hereTime)
	r.mu.Lock()
	defer r.mu.Unlock()
	m.asking--
	if err != nil || r.members[m.ID] != m || a.Life == m.byeLife && a.Life != 0 {
		return
	}
	if a.bounded(m.ID) != nil {
		return
	}
	now := r.time()
	m.trip = now - asked
	m.offset = time.UnixMicro(a.Clock).Sub(wall.Add(m.trip / 2))
	m.answer, m.proven = now, now
	r.hear(m)
	r.heartbeat(m, &a)
	if said.Manager == nil && a.Have != said.Number {
		m.next = now // It has begun anew, and does not know who this is.
	}
	r.renewed(m, a, asked, wall, false)
	r.lists(m, a.Version)
}

// lists asks for the list of a manager that has another version than this one knows.
func (r *Registry) lists(m *member, version int64) {
	if version == m.listed && version != 0 {
		m.caught = true
	}
	if version != m.listed && version != 0 && !m.listing && r.running != nil { // Else nobody would ask, and nobody again.
		m.listing = true
		r.start(func(ctx context.Context) { r.askNeighbours(ctx, m, version) })
	}
}

// renewed notes the lease that another manager gave.
func (r *Registry) renewed(m *member, a here, asked time.Duration, wall time.Time, passed bool) {
	if !r.integrates(m) {
		m.mine, m.until = 0, 0
		return
	}
	if m.ID == r.home && a.Term.Of == m.ID && a.Term.Number > r.under.Number && a.Term.Number <= MaxTerm {
		r.under = a.Term
	}
	if a.Token == 0 { // It is on its way to the disk over there.
		return
	}
	left := min(time.Duration(a.Milli)*time.Millisecond, LeaseTime)
	if until := asked + left; until > m.until || a.Token != m.mine {
		m.until, m.wall, m.passed = until, wall.Add(left).Round(0), passed
	}
	m.mine = a.Token
}

// answerHere answers registry.here, and registry.role, which says the same out of turn.
func (r *Registry) answerHere(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q here
	if err := decode("registry.here", body, &q); err != nil {
		return nil, err
	}
	if err := q.bounded(from); err != nil {
		return nil, peer.Refuse(peer.Invalid, "registry.here: %v", err)
	}
	r.mu.Lock()
	m := r.get(from)
	if m == nil {
		r.mu.Unlock()
		return nil, peer.Refuse(peer.Busy, "this manager knows %d others already", MaxManagers)
	}
	if q.Life == m.byeLife && q.Life != 0 {
		r.mu.Unlock()
		return nil, peer.Refuse(peer.Refused, "%s said goodbye", from)
	}
	if q.Token > maxToken && q.Token > m.token {
		q.Token = 0 // No home has given that.
	}
	if m.state == Dead || q.Token > m.token {
		m.life = 0 // It registers anew.
	}
	r.hear(m)
	r.noteTerm(m, q.Term)
	m.registeredWith(q.Homes)
	r.heartbeat(m, &q)
	if q.Version != 0 { // Else it is of a version that says in its answers alone what this one needs.
		m.asks = r.time()
		if q.Answered > 0 {
			m.proven = max(m.proven, m.asks-time.Duration(min(q.Answered, 1<<40))*time.Millisecond)
		}
		r.lists(m, q.Version)
		if m.answer == 0 || m.asks-m.answer > Every {
			m.trip, m.offset = time.Duration(q.Trip)*time.Microsecond, -time.Duration(q.Ahead)*time.Microsecond
		}
	}
	var register bool
	if r.role.On && !m.registering {
		again := m.denied && r.lends(m)
		register = m.token == 0 || m.life != q.Life || again
		m.registering = register
		if again {
			m.denied = false
		}
	}
	r.mu.Unlock()
	if register {
		_ = r.register(ctx, m, q.Token, q.Life) // It is logged, and tried again with the next heartbeat.
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return json.Marshal(r.lease(m))
}

// lease is the answer to a manager that is here.
func (r *Registry) lease(m *member) here {
	a := r.here(m, 0)
	a.Clock, a.Term, a.Answered, a.Trip, a.Ahead, a.Homes = r.o.Now().UnixMicro(), term{}, 0, 0, 0, nil
	if m.with != 0 {
		a.Term = m.term
	}
	if r.role.On && m.token != 0 && !m.registering {
		a.Token = m.token
		if r.lends(m) && !m.denied {
			a.Milli = LeaseTime.Milliseconds()
		} else {
			m.denied = m.denied || m.term.Of != ""
		}
	}
	return a
}

// maxToken is above all tokens that are given while nobody says that he has a higher one, so
// that nobody can wear them out: they begin with the time in milliseconds.
const maxToken = 1 << 52

// register gives a manager a token that is higher than any it had, for one run of it.
func (r *Registry) register(ctx context.Context, m *member, above, life int64) error {
	r.saving.Lock()
	defer r.saving.Unlock()
	r.mu.Lock()
	k := r.keep(m)
	r.mu.Unlock()
	var err error
	k.Life = life
	if k.Token, err = r.o.Leases.Token(ctx, max(above, k.Token)); err == nil {
		err = r.save(ctx, k)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m.registering = false
	if err != nil {
		r.log.Warn("a manager cannot be registered", "manager", m.title(), "err", err)
		return fmt.Errorf("register %s: %w", m.title(), err)
	}
	m.token, m.life = k.Token, life
	r.touch(m)
	return nil
}

// byeQuestion says that the manager stops by its own will (registry.bye).
type byeQuestion struct {
	Life int64 `json:"life"`
}

// goodbye tells all that this manager stops by its own will. Who misses it notices the
// silence.
func (r *Registry) goodbye(ctx context.Context) {
	r.each(ctx, time.Second, func(ctx context.Context, m *member) error {
		_, err := ask[struct{}](ctx, r, m.id, "registry.bye", byeQuestion{r.life}, time.Second)
		return err
	}, func(m *member) bool { return m.ear != 0 && m.state != Dead && m.state != Gone })
}

func (r *Registry) answerBye(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q byeQuestion
	if err := decode("registry.bye", body, &q); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[from]; m != nil {
		m.byeAt, m.byeLife = r.time(), q.Life
		m.heard, m.judged, m.words = m.byeAt, "", nil
		r.stand(m, Gone, r.self, "it said goodbye")
	}
	return []byte("{}"), nil
}

// ask asks another manager and reads the answer.
func ask[A any](ctx context.Context, r *Registry, to peer.ID, kind string, question any, limit time.Duration) (a A, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return a, err
	}
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	said, err := r.f.Ask(ctx, to, kind, body)
	if err == nil {
		err = decode(kind, said, &a)
	}
	return a, err
}
