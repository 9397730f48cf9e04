package maintenance

import (
	"context"
	"encoding/json"
	"time"

	"grove/tree/store/drawer"
)

// Waits of Run: it looks again at least so often, since the clock may be set, and after a
// failure so soon.
const (
	longest = time.Minute
	again   = 10 * time.Second
)

// lookEvery is how often it is looked whether all of the database was replaced.
const lookEvery = time.Second

// keepOver is how long a window that is over is shown before it is taken away.
const keepOver = 30 * 24 * time.Hour

// Run says when windows begin and end, announces them, and takes away those of people that
// were over long ago, until ctx ends.
func (c *Calendar) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.woken:
		case <-timer.C:
		case <-look.C:
			if !c.replaced() {
				continue
			}
		}
		timer.Reset(c.step(ctx))
	}
}

// step does what is due, and returns how long nothing will be.
func (c *Calendar) step(ctx context.Context) time.Duration {
	now := c.o.Now()
	wait := longest
	if c.replaced() {
		if err := c.Load(ctx); err != nil {
			if ctx.Err() == nil {
				c.o.Log.Error("the maintenance windows of a database that was replaced cannot be read; it is tried again", "error", err)
			}
			wait = again
		}
	}
	for _, p := range c.List() {
		failed, next := c.announce(ctx, &p, now)
		switch {
		case failed:
			wait = min(wait, again)
		case !next.IsZero():
			wait = min(wait, next.Sub(now))
		}
		if p.Now == nil && p.Next == nil && p.Source != FromFile {
			c.tidy(ctx, &p, now)
		}
	}
	if c.o.Changed != nil {
		c.o.Changed()
	}
	return max(wait, time.Millisecond)
}

// replaced says whether the database is another than the one that the windows are of.
func (c *Calendar) replaced() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.o.Store.Replaced() != c.known
}

// announce tells of a window what is due and was not told, and returns when the next of it
// begins, ends or is near.
func (c *Calendar) announce(ctx context.Context, p *Planned, now time.Time) (failed bool, next time.Time) {
	soonest := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if p.Now != nil {
		soonest(p.Now.End)
	}
	if p.Next != nil {
		soonest(p.Next.Start)
		soonest(p.Next.Start.Add(-time.Duration(p.Announce)))
	}
	if p.Announce == 0 || c.o.Announce == nil {
		return false, next
	}
	c.mu.RLock()
	last := c.phases[p.ID]
	c.mu.RUnlock()
	// What began and was told of ends, also when its end was missed.
	if last.Phase == Begins && (p.Now == nil || !p.Now.Start.Equal(last.Start)) {
		o := p.occurrence(last.Start)
		if !c.tell(ctx, o, Ends) {
			return true, next
		}
		last.Phase = Ends
	}
	if p.Now != nil && !(last.Start.Equal(p.Now.Start) && (last.Phase == Begins || last.Phase == Ends)) {
		return !c.tell(ctx, *p.Now, Begins), next
	}
	if p.Next != nil && !p.Next.Start.Add(-time.Duration(p.Announce)).After(now) && !last.Start.Equal(p.Next.Start) && p.Now == nil {
		return !c.tell(ctx, *p.Next, Near), next
	}
	return false, next
}

// tell announces a phase and keeps that it was. Between the two a crash makes it be told
// again.
func (c *Calendar) tell(ctx context.Context, o Occurrence, phase Phase) bool {
	if err := c.o.Announce(ctx, o, phase); err != nil {
		if ctx.Err() == nil {
			c.o.Log.Error("a maintenance cannot be announced; it is tried again", "window", o.Window.Name, "phase", phase, "error", err)
		}
		return false
	}
	t := told{o.Start, phase}
	text, err := json.Marshal(t)
	if err == nil {
		err = c.told.Change(ctx, []drawer.Item{{Name: o.Window.ID, Text: string(text)}}, nil)
	}
	if err != nil {
		c.o.Log.Error("that a maintenance was announced is not kept", "window", o.Window.Name, "error", err)
	}
	c.mu.Lock()
	c.phases[o.Window.ID] = t
	c.mu.Unlock()
	return true
}

// tidy takes away a window that was over long ago.
func (c *Calendar) tidy(ctx context.Context, p *Planned, now time.Time) {
	end := p.Start.Add(time.Duration(p.For))
	if last, ok := p.begun(now); ok {
		end = p.occurrence(last).End
	}
	if now.Sub(end) < keepOver {
		return
	}
	if err := c.Remove(ctx, p.ID); err != nil && ctx.Err() == nil {
		c.o.Log.Error("a maintenance window that is over cannot be removed", "window", p.Name, "error", err)
		return
	}
	if err := c.told.Change(ctx, nil, []string{p.ID}); err != nil && ctx.Err() == nil {
		c.o.Log.Error("what was announced of a maintenance window that is over cannot be removed", "window", p.Name, "error", err)
	}
	c.mu.Lock()
	delete(c.phases, p.ID)
	c.mu.Unlock()
}
