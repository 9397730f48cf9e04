package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox/message"
	"grove/tree/store"
)

const (
	// maxUnmarked bounds what a channel has sent that is not yet marked: what a crash at
	// that moment repeats.
	maxUnmarked = 256
	// sweepEvery is how often what is over is looked for, and a database that was away.
	sweepEvery = time.Second
	// graceTime is what attempts get that are under way when the outbox is to stop, and
	// what marking gets after them.
	graceTime = 5 * time.Second
)

// Run sends until ctx ends. It returns once the attempts under way have ended and what
// became of them is on disk, or why it is not. It is called once.
func (o *Outbox) Run(ctx context.Context) error {
	attempts, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var saver sync.WaitGroup
	saver.Go(func() { o.saveWhenDirty(ctx) })
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	for ctx.Err() == nil {
		if next := o.start(attempts); !next.IsZero() {
			due.Reset(max(next.Sub(o.options.Now()), 0))
		}
		select {
		case <-ctx.Done():
		case <-o.wake:
		case <-due.C:
		case <-sweep.C:
			o.sweep()
		}
	}
	return o.end(cancel, &saver)
}

// end stops what Run has started.
func (o *Outbox) end(cancel context.CancelFunc, saver *sync.WaitGroup) error {
	o.mu.Lock()
	o.stopping = true
	o.mu.Unlock()
	late := time.AfterFunc(graceTime, cancel)
	o.active.Wait()
	late.Stop()
	saver.Wait()
	ctx, stop := context.WithTimeout(context.Background(), graceTime)
	defer stop()
	err := o.save(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := o.queue.Fleeting(); n > 0 {
		o.log.Warn("messages that are not persistent are lost with this stop", "messages", n)
	}
	if err != nil {
		return fmt.Errorf("outbox: what became of %d messages is not on disk, the next start sends them again: %w", len(o.changed), err)
	}
	return nil
}

// saveWhenDirty writes what has changed, soon; and when that fails, again and again.
func (o *Outbox) saveWhenDirty(ctx context.Context) {
	again := time.NewTicker(o.again)
	defer again.Stop()
	for {
		err := o.save(ctx)
		dirty := o.dirty
		if err != nil { // The database is asked no more often than the ticker says.
			dirty = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-dirty:
		case <-again.C:
		}
	}
}

// start starts a sender for every channel that has something to send, and returns when
// to look again; zero is not before it is woken.
func (o *Outbox) start(ctx context.Context) (due time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.options.Now()
	if o.rescan || !o.due.IsZero() && !now.Before(o.due) {
		o.due, o.rescan = time.Time{}, false
		o.backLocked(now)
		for _, l := range o.lines {
			o.startLocked(ctx, l, now)
		}
	} else {
		for l := range o.touched {
			o.startLocked(ctx, l, now)
		}
	}
	clear(o.touched)
	return o.due
}

// startLocked starts a sender for a channel, if it has something to send.
func (o *Outbox) startLocked(ctx context.Context, l *line, now time.Time) {
	if l.running {
		return
	}
	e, due := o.nextLocked(l, now)
	switch {
	case e == nil:
		if !due.IsZero() && (o.due.IsZero() || due.Before(o.due)) {
			o.due = due
		}
	case o.senders >= o.options.Senders:
		o.capped = true
	default:
		l.running = true
		o.senders++
		o.active.Go(func() { o.send(ctx, l) })
	}
}

// nextLocked returns what a channel may send now, or else when there may be something;
// zero is when something changes.
func (o *Outbox) nextLocked(l *line, now time.Time) (ready *entry, due time.Time) {
	l.throttled = time.Time{}
	if o.stopping || !o.all.stopped.IsZero() || !l.stopped.IsZero() {
		return nil, time.Time{}
	}
	if now.Before(l.hold) {
		return nil, l.hold
	}
	for _, p := range message.ByPrecedence {
		e := o.headLocked(l, p, now)
		switch {
		case e == nil || e.Reserved:
			continue
		case now.Before(e.Next):
			if due.IsZero() || e.Next.Before(due) {
				due = e.Next
			}
			continue
		case e.Persistent && (o.away != nil || l.unmarked >= maxUnmarked):
			continue
		}
		one := o.throttle.Channels[l.channel]
		for _, until := range []time.Time{l.window.Until(&one, e.Bytes(), now), o.all.window.Until(&o.throttle.Total, e.Bytes(), now)} {
			if until.After(l.throttled) {
				l.throttled = until
			}
		}
		if !l.throttled.IsZero() {
			return nil, l.throttled
		}
		return e, time.Time{}
	}
	return nil, due
}

// headLocked returns the first of a lane that may still be sent: what is over, or too
// large for the throttle, is taken out.
func (o *Outbox) headLocked(l *line, p Precedence, now time.Time) *entry {
	for {
		e := o.entryLocked(l.First(p))
		if e == nil || e.Reserved || e.Sending {
			return e
		}
		one := o.throttle.Channels[l.channel]
		if e.Over(now) {
			o.expireLocked(e)
		} else if why := one.Never(e.Bytes()); why != "" {
			o.giveUpLocked(e, why)
		} else if why := o.throttle.Total.Never(e.Bytes()); why != "" {
			o.giveUpLocked(e, why)
		} else {
			return e
		}
	}
}

// turn is how many messages a sender sends for its channel before it lets another have
// its place, if one waits for it.
const turn = 100

// send sends what one channel has, until there is nothing to send now.
func (o *Outbox) send(ctx context.Context, l *line) {
	for n := 0; ; n++ {
		o.mu.Lock()
		now := o.options.Now()
		e, _ := o.nextLocked(l, now)
		if e == nil || n >= turn && o.capped {
			l.running = false
			o.senders--
			o.rescan = o.rescan || o.capped // for those who had no sender
			o.capped = false
			o.touchLocked(l) // for the time at which there is something
			o.mu.Unlock()
			return
		}
		e.Sending = true
		one := o.throttle.Channels[l.channel]
		e.began = [2]time.Time{l.window.Take(&one, e.Bytes(), now), o.all.window.Take(&o.throttle.Total, e.Bytes(), now)}
		m := e.Message
		o.mu.Unlock()
		m.Attempts++
		err := o.attempt(ctx, &m)
		o.mu.Lock()
		o.attemptedLocked(l, e, err, ctx.Err() != nil)
		o.mu.Unlock()
	}
}

// attempt tries once to deliver a message.
func (o *Outbox) attempt(ctx context.Context, m *Message) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.options.Timeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			o.log.Error("the channel failed", "channel", m.Channel, "panic", r, "stack", string(debug.Stack()))
			err = errors.New("the channel failed: see the log")
		}
	}()
	return o.options.Send(ctx, m)
}

// attemptedLocked does what follows from an attempt. One that was given up since the
// outbox stops does not count.
func (o *Outbox) attemptedLocked(l *line, e *entry, err error, stopped bool) {
	now := o.options.Now()
	e.Sending = false
	c := &l.counts[e.Precedence]
	if err != nil {
		l.window.Back(e.began[0], e.Bytes())
		o.all.window.Back(e.began[1], e.Bytes())
		if stopped {
			return
		}
		if after, ok := channel.IsAside(err); ok {
			e.Next = now.Add(min(max(after, sweepEvery), maxWait))
			e.Error = message.Cut(store.Clean(err.Error()), message.MaxErrorBytes)
			l.Aside(&e.Entry, true)
			return
		}
		e.Attempts++
		e.failed = now
		e.Error = message.Cut(store.Clean(err.Error()), message.MaxErrorBytes)
		c.Failed++
		l.lastError, l.lastErrorAt = e.Error, now
		wait, asked := channel.Wait(err)
		switch {
		case channel.IsPermanent(err):
			o.giveUpLocked(e, e.Error)
		case e.Attempts >= o.options.Attempts:
			o.giveUpLocked(e, fmt.Sprintf("%d attempts have failed, the last: %s", e.Attempts, e.Error))
		case e.Over(now):
			o.expireLocked(e)
		default:
			e.Next = message.Milliseconds(now.Add(pause(e.Attempts)))
			if asked {
				e.Next = message.Milliseconds(now.Add(min(max(wait, 0), maxWait)))
				l.hold = e.Next
			}
			o.changedLocked(e)
			o.sayLocked(slog.LevelWarn, "a message was not delivered and is tried again", "channel", l.channel, "key", e.Key, "attempt", e.Attempts, "next", e.Next, "err", e.Error)
		}
		return
	}
	e.Attempts++
	e.Error = ""
	c.Sent++
	l.lastSent = now
	o.queue.Leave(&e.Entry)
	o.settledLocked(e, Sent, &o.sent)
	if e.Persistent {
		e.unmarked = true
		l.unmarked++
	}
	one := o.throttle.Channels[l.channel]
	o.countedLocked(l.channel, one.Counts())
	o.countedLocked("", o.throttle.Total.Counts())
	// The channel works again: what waits for another attempt need not wait for long.
	for _, p := range message.ByPrecedence {
		if first := o.entryLocked(l.First(p)); first != nil && now.Before(first.Next) && !now.Before(first.failed.Add(earlyPause)) {
			first.Next = time.Time{}
		}
	}
}

// countedLocked has the window of a throttle written, if there is one.
func (o *Outbox) countedLocked(channel string, counts bool) {
	if counts {
		o.settings[channel] = struct{}{}
		poke(o.dirty)
	}
}

// sweep takes out what is over, wherever it stands, and what has been kept for long enough.
func (o *Outbox) sweep() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.options.Now()
	for _, e := range o.sent.Before(now.Add(-MaxSentAge)) {
		o.forgetLocked(o.entryLocked(e))
	}
	for e := range o.queue.Over(now) {
		o.expireLocked(o.entryLocked(e))
	}
	o.backLocked(now)
}

// backLocked has what stood aside for long enough asked about again.
func (o *Outbox) backLocked(now time.Time) {
	for _, l := range o.lines {
		for e := range l.StandAside() {
			if !now.Before(e.Next) {
				e.Next = time.Time{}
				l.Aside(e, false)
				o.touchLocked(l)
			}
		}
	}
}
