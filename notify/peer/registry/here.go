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
	tickTime = 250 * time.Millisecond
)

// here is what a manager says every second (registry.here), and what it is answered.
// Durations are in milliseconds.
type here struct {
	Manager peer.Manager `json:"manager"`
	Number  int64        `json:"number"` // of what it says of itself, which rises
	Life    int64        `json:"life"`   // of this run of it, any number
	Home    peer.ID      `json:"home,omitempty"`
	Load    Load         `json:"load,omitzero"`
	// Term is the highest of the homes that the asker had; in the answer, of the one who
	// gives the lease.
	Term term `json:"term,omitzero"`
	// Token is that of the registration: of the one who asks with the one who is asked.
	Token int64 `json:"token,omitempty"`
	// In the answer: how long the lease lasts, the version of the list, and the time of the
	// clock in microseconds since 1970, which is only shown.
	Milli   int64 `json:"ms,omitempty"`
	Version int64 `json:"list,omitempty"`
	Clock   int64 `json:"clock,omitempty"`
}

// here is what this manager says to another one.
func (r *Registry) here(token int64) here {
	h := here{Manager: r.statement(), Number: r.number, Life: r.life, Home: r.home, Term: r.under, Token: token}
	if r.o.Load != nil {
		h.Load = r.o.Load()
	}
	return h
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
	said := r.here(m.mine)
	r.mu.Unlock()
	a, err := ask[here](ctx, r, m.id, "registry.here", said, hereTime)
	r.mu.Lock()
	defer r.mu.Unlock()
	m.asking--
	if err != nil || r.members[m.ID] != m || a.Life == m.byeLife && a.Life != 0 {
		return
	}
	if a.Manager.ID = m.ID; bounded(a.Manager) != nil {
		return
	}
	now := r.time()
	m.trip = now - asked
	m.offset = time.UnixMicro(a.Clock).Sub(wall.Add(m.trip / 2))
	m.answer = now
	r.hear(m)
	r.learn(m, a.Manager, a.Number, a.Home, true)
	m.load = a.Load
	r.renewed(m, a, asked, wall, false)
	if a.Version != m.listed && !m.listing {
		m.listing = true
		r.start(func(ctx context.Context) { r.askNeighbours(ctx, m, a.Version) })
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
	q.Manager.ID = from
	if err := bounded(q.Manager); err != nil {
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
	if m.state == Dead || q.Token > m.token {
		m.life = 0 // It registers anew.
	}
	r.hear(m)
	m.under(q.Term)
	r.learn(m, q.Manager, q.Number, q.Home, true)
	m.load = q.Load
	var register bool
	if r.role.On && !m.registering {
		register = m.token == 0 || m.life != q.Life
		m.registering = register
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
	a := r.here(0)
	a.Version, a.Clock, a.Term = r.version, r.o.Now().UnixMicro(), term{}
	if m.with != 0 {
		a.Term = term{r.role.Term, r.self}
	}
	if r.role.On && m.token != 0 && !m.registering {
		a.Token, a.Milli = m.token, LeaseTime.Milliseconds()
	}
	return a
}

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
