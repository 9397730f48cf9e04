package registry

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"grove/notify/peer"
)

// steadyTime is how long an integration manager that is preferred has to be heard without a
// gap before it becomes the home again.
const steadyTime = 2 * LeaseTime

// Home returns the registration of this manager with its home, as it is at this moment.
func (r *Registry) Home() Registration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.registration()
}

func (r *Registry) registration() Registration {
	m := r.members[r.home]
	if m == nil {
		return Registration{Home: r.home}
	}
	left := min(m.until-r.time(), m.wall.Sub(r.o.Now().Round(0)))
	return Registration{Home: r.home, Token: m.mine, Left: max(0, left), Relayed: m.passed && left > 0}
}

// With says for how long this manager has been the home of another one; zero: it is not.
func (r *Registry) With(id peer.ID) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	if m == nil || m.with == 0 || !r.role.On || !r.decides(m) {
		return 0
	}
	return r.time() - m.with
}

// choose chooses the home.
func (r *Registry) choose(all []*member) {
	var order []string
	if r.o.Homes != nil {
		order = r.o.Homes()
	}
	place := func(m *member) int {
		if i := slices.IndexFunc(order, func(s string) bool { return s == string(m.ID) || strings.EqualFold(s, m.Name) }); i >= 0 {
			return i
		}
		return len(order)
	}
	var best *member
	var homes []peer.ID
	for _, m := range all { // by ID
		if r.integrates(m) && m.mine != 0 && len(homes) < maxHomes {
			homes = append(homes, m.ID)
		}
		if r.integrates(m) && m.mine != 0 && r.hears(m) && (best == nil || place(m) < place(best)) {
			best = m
		}
	}
	if !slices.Equal(homes, r.homes) { // It is read without the lock once it is said.
		r.homes = homes
	}
	now := r.members[r.home]
	reached := now != nil && (r.hears(now) || r.registration().Left > 0)
	switch {
	case best == nil || best == now:
		if best == nil && (now == nil || !r.integrates(now) || now.state == Gone) {
			r.home = ""
		}
	case now == nil || !r.integrates(now) || now.state == Gone || now.state == Dead || !reached,
		r.time()-best.steady > steadyTime && (place(best) < place(now) || place(best) == place(now) && best.ID < now.ID):
		r.home = best.ID
		r.log.Info("the home of this manager is another one", "home", best.title())
	}
	if reg := r.registration(); reg.Home != r.told.Home || reg.Token != r.told.Token || reg.Held() != r.told.Held() {
		select {
		case r.news <- struct{}{}:
		default:
		}
	}
}

// relayQuestion asks a neighbour (registry.relay) to pass a heartbeat on to the home; of is
// set by who passes it on (registry.renew).
type relayQuestion struct {
	To   peer.ID `json:"to,omitempty"`
	Of   peer.ID `json:"of,omitempty"`
	Here here    `json:"here"`
}

const (
	relayAfter = 1500 * time.Millisecond // without an answer of the home
	relayWays  = 2                       // neighbours that are asked at a time
)

// relay has neighbours pass the heartbeat on while the home does not answer.
func (r *Registry) relay(all []*member) {
	h := r.members[r.home]
	now := r.time()
	if h == nil || h.mine == 0 || now-h.answer < relayAfter || now-h.asked < Every {
		return
	}
	h.asked = now
	var ways []*member
	for _, m := range all {
		if m != h && r.hears(m) {
			ways = append(ways, m)
		}
	}
	for i := range min(relayWays, len(ways)) { // Others each time.
		w := ways[(int(now/Every)*relayWays+i)%len(ways)]
		said := r.here(h, h.mine)
		asked, wall := now, r.o.Now()
		r.start(func(ctx context.Context) {
			a, err := ask[here](ctx, r, w.id, "registry.relay", relayQuestion{To: h.id, Here: said}, hereTime)
			r.mu.Lock()
			defer r.mu.Unlock()
			if err == nil && a.Token == h.mine && h.ID == r.home {
				r.renewed(h, a, asked, wall, true)
			}
		})
	}
}

// answerRelay passes a heartbeat on to the home of the one that asks.
func (r *Registry) answerRelay(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q relayQuestion
	if err := decode("registry.relay", body, &q); err != nil {
		return nil, err
	}
	q.Of = from
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	return r.f.Ask(ctx, q.To, "registry.renew", body)
}

// answerRenew renews the lease of a manager by the word of another one. It only renews: who
// is not registered, or was judged dead, has to come itself.
func (r *Registry) answerRenew(_ context.Context, from peer.ID, body []byte) ([]byte, error) {
	var q relayQuestion
	if err := decode("registry.renew", body, &q); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[q.Of]
	switch {
	case m == nil || !r.judges(m) || r.members[from] == nil:
		return nil, peer.Refuse(peer.NotFound, "%s is not registered here", q.Of)
	case m.state == Dead || m.registering || m.byeAt != 0 || m.token != q.Here.Token || m.denied:
		return nil, peer.Refuse(peer.Stale, "%s was judged dead here or had no lease, and has to come itself", m.title())
	}
	m.relayed = r.time()
	m.heard = m.relayed
	return json.Marshal(r.lease(m))
}
