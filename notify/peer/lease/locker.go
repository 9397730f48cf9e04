package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"grove/notify/peer"
)

// ErrLost is the cause of the end of the context of who held a lock that was lost: by
// context.Cause.
var ErrLost = errors.New("the lock was lost")

// LockerOptions are what a Locker needs.
type LockerOptions struct {
	Fabric peer.Fabric
	// Home is the manager whose leases count for this one: itself when it shares the database
	// with all whom it must exclude, or when it has no home; empty: none at present.
	Home func() peer.ID
	// Leases are those of this manager, which count while Home is itself.
	Leases *Leases
	// Now is the clock of the wall; nil is time.Now. A machine that was suspended is noticed
	// by its jump.
	Now func() time.Time
}

// Locker takes locks: leases that are renewed while something is done. A lock excludes those
// who take it at the same home, or in the same database: what managers of different homes do
// at the same time is kept apart by what they act on, by the token.
type Locker struct{ o LockerOptions }

// NewLocker returns a Locker.
func NewLocker(o LockerOptions) *Locker {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Locker{o}
}

// hold is a lock that is held.
type hold struct {
	*Locker
	name, holder string
	home         peer.ID
	ttl          time.Duration
	token        int64
	// until is when it is over: by the monotonic clock, and by the wall's, which runs on
	// while the machine is suspended. Whichever comes first counts.
	until, wall time.Time
}

// WithLock does something while it holds a lock, which lasts for ttl (MinTTL to MaxServed)
// beyond each renewal. It waits for the lock until ctx ends. The context of do ends when the
// lock is lost, with the cause ErrLost; then WithLock returns ErrLost joined with the error
// of do. A lock that is not given back because this manager dies is free after ttl.
func (l *Locker) WithLock(ctx context.Context, name string, ttl time.Duration, do func(ctx context.Context, token int64) error) error {
	h := &hold{Locker: l, name: name, holder: rand.Text()[:12], ttl: ttl}
	if err := h.wait(ctx); err != nil {
		return err
	}
	inside, end := context.WithCancelCause(ctx)
	defer end(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if h.keep(inside) {
			end(fmt.Errorf("%w: %s", ErrLost, name))
		}
	}()
	err := do(inside, h.token)
	lost := context.Cause(inside)
	end(nil)
	<-ended
	if errors.Is(lost, ErrLost) {
		return errors.Join(lost, err)
	}
	// What is not given back now is free after its time.
	give, stop := context.WithTimeout(context.WithoutCancel(ctx), min(ttl, 2*time.Second))
	defer stop()
	_, _ = h.ask(give, "lease.release")
	return err
}

// wait takes the lock as soon as it is free.
func (h *hold) wait(ctx context.Context) error {
	again := time.NewTicker(h.ttl/10 + 50*time.Millisecond)
	defer again.Stop()
	for {
		err := h.take(ctx)
		if err == nil || peer.IsRefusal(err, peer.Invalid) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w: %w", h.name, context.Cause(ctx), err)
		case <-again.C:
		}
	}
}

func (h *hold) take(ctx context.Context) error {
	if h.home = h.o.Home(); h.home == "" {
		return peer.Refuse(peer.Busy, "no home is known that gives locks")
	}
	asked, wall := time.Now(), h.o.Now().Round(0)
	ctx, stop := context.WithTimeout(ctx, h.ttl)
	defer stop()
	got, err := h.ask(ctx, "lease.take")
	if err != nil {
		return err
	}
	h.token = got.Token
	h.until, h.wall = asked.Add(got.Left), wall.Add(got.Left)
	if !h.safe() {
		return peer.Refuse(peer.Busy, "the answer took longer than the lock lasts")
	}
	return nil
}

// safe says whether it is still held for certain.
func (h *hold) safe() bool {
	return time.Now().Before(h.until) && h.o.Now().Round(0).Before(h.wall)
}

// keep renews the lock until ctx ends, or until it is lost, which it returns.
func (h *hold) keep(ctx context.Context) (lost bool) {
	every := h.ttl / 4
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(time.Until(h.until)):
			return true
		case <-tick.C:
		}
		if now := h.o.Home(); !h.safe() || now != "" && now != h.home {
			return true
		}
		asked, wall := time.Now(), h.o.Now().Round(0)
		asking, stop := context.WithTimeout(ctx, min(every, time.Until(h.until)))
		got, err := h.ask(asking, "lease.renew")
		stop()
		switch {
		case err == nil:
			h.until, h.wall = asked.Add(got.Left), wall.Add(got.Left)
		case peer.IsRefusal(err, peer.Stale):
			return ctx.Err() == nil
		}
	}
}

// ask asks the home at which the lock is taken.
func (h *hold) ask(ctx context.Context, kind string) (Lease, error) {
	if h.home == h.o.Fabric.Self() {
		holder := string(h.home) + "/" + h.holder
		switch kind {
		case "lease.take":
			return h.o.Leases.Take(ctx, h.name, holder, h.ttl)
		case "lease.renew":
			return h.o.Leases.Renew(ctx, h.name, holder, h.token)
		default:
			return Lease{}, h.o.Leases.Release(ctx, h.name, holder, h.token)
		}
	}
	body, err := json.Marshal(question{Name: h.name, Holder: h.holder, Milli: h.ttl.Milliseconds(), Token: h.token})
	if err != nil {
		return Lease{}, err
	}
	said, err := h.o.Fabric.Ask(ctx, h.home, kind, body)
	if err != nil {
		return Lease{}, err
	}
	var a answer
	if err := json.Unmarshal(said, &a); err != nil {
		return Lease{}, fmt.Errorf("%s of %s: the answer is not understood: %w", kind, h.home, err)
	}
	// What the answer says is no longer than what was asked for.
	return Lease{Name: h.name, Holder: h.holder, Token: a.Token, TTL: h.ttl, Left: min(h.ttl, time.Duration(a.Milli)*time.Millisecond)}, nil
}
