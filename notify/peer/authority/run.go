package authority

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"grove/notify/peer"
)

// Times of Run.
const (
	look   = time.Minute // how often it looks when nothing happens
	retry  = time.Minute // after a renewal that failed, unless the link comes up before
	reload = 5 * time.Second
	// soon is how often it looks at a link that was lost lately: the other side may want the
	// certificate to be renewed before anything else.
	soon, lately = time.Second, time.Minute
	askTimeout   = 10 * time.Second
	// parting is how long the link of one that left stands, so that it is told that this is
	// known here.
	parting = 2 * time.Second
	// writeTimeout bounds what is done with the database while nobody else can be let in.
	writeTimeout = 10 * time.Second
)

// Handle has questions of other managers answered.
func (a *Authority) Handle(f peer.Fabric) {
	a.mu.Lock()
	a.asked = f
	a.mu.Unlock()
	f.Handle(kindJoin, a.HandleJoin)
	f.Handle(kindRenew, a.HandleRenew)
	f.Handle(kindRevoked, a.HandleRevoked)
	f.Handle(kindLeave, a.HandleLeave)
}

func (a *Authority) fabric() peer.Fabric {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.asked
}

// Run renews the certificates of this manager, tells members what was revoked, and has links
// cut of those who left or whose certificates are over, until ctx ends, whose error it
// returns.
func (a *Authority) Run(ctx context.Context, f peer.Fabric) error {
	r := &runner{a: a, f: f, tried: map[peer.ID]time.Time{}, have: map[peer.ID]int64{}}
	cancel := f.OnLink(r.linked)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.wake:
		case <-timer.C:
		}
		timer.Reset(r.turn(ctx))
	}
}

// runner is what Run remembers.
type runner struct {
	a *Authority
	f peer.Fabric

	mu    sync.Mutex
	tried map[peer.ID]time.Time // when a renewal failed
	ups   int                   // how many links came up
	have  map[peer.ID]int64     // up to which entry a member knows what was revoked
}

// linked looks at once when a link comes up, or is lost.
func (r *runner) linked(l peer.Link) {
	if !l.Up {
		r.a.nudge()
		return
	}
	r.mu.Lock()
	delete(r.tried, l.Peer)
	r.ups++
	delete(r.have, l.Peer) // It may have been brought back from a backup.
	r.mu.Unlock()
	r.a.nudge()
}

// turn does what there is to do, and returns how long nothing will be.
func (r *runner) turn(ctx context.Context) time.Duration {
	next := look
	if !r.current(ctx) {
		next = reload
	}
	r.a.cutOver()
	next = min(next, r.a.part(), r.renew(ctx))
	r.push(ctx)
	return max(next, time.Second)
}

// current reads the database anew when it was replaced, or was away when grove started.
func (r *runner) current(ctx context.Context) bool {
	a := r.a
	a.mu.RLock()
	current := a.loaded && a.replaced == a.o.Store.Replaced()
	a.mu.RUnlock()
	if current {
		return true
	}
	reading, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := a.Load(reading); err != nil {
		if ctx.Err() == nil {
			a.log.Warn("who may link is not read from the database yet", "error", err)
		}
		return false
	}
	return true
}

// cutOver has links cut of those whose certificates are over and were not renewed. They may
// come back to renew.
func (a *Authority) cutOver() {
	now := a.o.Now()
	var over []peer.ID
	a.mu.Lock()
	for id, ends := range a.ends {
		if now.After(ends.Add(Apart)) {
			over = append(over, id)
			delete(a.ends, id)
		}
	}
	a.mu.Unlock()
	for _, id := range over {
		a.cut(id, "its certificate is over")
	}
}

// part has links cut of those who left and were answered that it is known, and returns when it
// has to be looked at again.
func (a *Authority) part() time.Duration {
	now, next := a.o.Now(), look
	var over []peer.ID
	a.mu.Lock()
	for id, left := range a.left {
		if wait := left.Add(parting).Sub(now); wait > 0 && wait <= parting {
			next = min(next, wait)
			continue
		}
		delete(a.left, id)
		if _, again := a.ends[id]; !again {
			over = append(over, id)
		}
	}
	a.mu.Unlock()
	for _, id := range over {
		a.cut(id, "it left")
	}
	return next
}

// renew renews what is due and returns when it has to be looked at again.
func (r *runner) renew(ctx context.Context) time.Duration {
	a, next := r.a, look
	links := map[peer.ID]peer.Link{}
	for _, l := range r.f.Links() {
		links[l.Peer] = l
	}
	for _, known := range a.Uppers() {
		u, err := a.upper(known.ID)
		if err != nil {
			continue // It was left meanwhile.
		}
		now := a.o.Now()
		wait := u.due(now).Sub(now)
		link := links[u.ID]
		if link.Limited {
			wait = 0 // By the clock over there, which is the one that counts.
		}
		switch {
		case link.Up:
		case now.Sub(link.Since).Abs() < lately:
			next = min(next, soon)
		default:
			next = min(next, reload)
		}
		r.mu.Lock()
		if at, failed := r.tried[u.ID]; failed {
			wait = max(wait, at.Add(retry).Sub(now))
		}
		ups := r.ups
		r.mu.Unlock()
		if wait > 0 {
			next = min(next, wait)
			continue
		}
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		err = a.renew(asking, r.f, u, link.Limited)
		cancel()
		if err != nil {
			r.mu.Lock()
			if ups == r.ups { // otherwise the link may have come back while it was asked
				r.tried[u.ID] = now
			}
			r.mu.Unlock()
			if ctx.Err() == nil {
				a.log.Warn("the certificate for the link to a manager is not renewed yet", "manager", u.ID, "name", u.Name, "ends", u.Ends, "error", err)
			}
			continue
		}
		a.log.Debug("the certificate for the link to a manager is renewed", "manager", u.ID, "name", u.Name)
		next = 0 // The new one says when it is due.
	}
	return next
}

// push tells members that are linked what was revoked and what they do not know.
func (r *runner) push(ctx context.Context) {
	a := r.a
	a.mu.RLock()
	last := a.revoked.last()
	a.mu.RUnlock()
	if last == 0 {
		return
	}
	for _, l := range r.f.Links() {
		if !l.Up || a.Valid(l.Peer) != nil {
			continue
		}
		for ctx.Err() == nil {
			r.mu.Lock()
			have := r.have[l.Peer]
			r.mu.Unlock()
			if have >= last {
				break
			}
			if err := r.pushTo(ctx, l.Peer, have); err != nil {
				a.log.Debug("a manager does not know yet what was revoked", "manager", l.Peer, "error", err)
				break
			}
		}
	}
}

// pushTo sends one message of what a member does not know.
func (r *runner) pushTo(ctx context.Context, id peer.ID, have int64) error {
	a := r.a
	a.mu.RLock()
	entries := a.revoked.after(have, maxPushed)
	a.mu.RUnlock()
	body, err := json.Marshal(revokedQuestion{entries})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := r.f.Ask(ctx, id, kindRevoked, body)
	if err != nil {
		return err
	}
	var got revokedAnswer
	if err := json.Unmarshal(answer, &got); err != nil {
		return err
	}
	if got.Have <= have {
		return errors.New("it takes none of it")
	}
	r.mu.Lock()
	r.have[id] = got.Have
	r.mu.Unlock()
	return nil
}
