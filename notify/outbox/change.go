package outbox

import (
	"context"
	"fmt"
	"time"

	"grove/notify/outbox/message"
	"grove/notify/outbox/throttle"
)

// Stop stops sending to a channel, or with the empty name to all, until Start: also after
// a restart. What is under way ends. It is in force on return, whatever the error, which
// says that a restart would undo it.
func (o *Outbox) Stop(ctx context.Context, channel string) error { return o.turn(ctx, channel, true) }

// Start lets a channel, or with the empty name all, send again, and at once: whoever starts
// it knows that the other side is well, whatever pause it had asked for.
func (o *Outbox) Start(ctx context.Context, channel string) error {
	return o.turn(ctx, channel, false)
}

func (o *Outbox) turn(ctx context.Context, channel string, stop bool) error {
	if len(channel) > message.MaxChannelBytes {
		return fmt.Errorf("%w: the name of a channel has at most %d bytes", ErrMessage, message.MaxChannelBytes)
	}
	o.mu.Lock()
	l := o.namedLocked(channel)
	if l.stopped.IsZero() == stop {
		l.stopped = message.Milliseconds(o.options.Now())
		if !stop {
			l.stopped = time.Time{}
		}
		o.settings[channel] = struct{}{}
		o.log.Info("sending of messages was turned", "channel", channel, "stopped", stop)
	}
	if !stop {
		for _, l := range o.lines {
			if channel == "" || l.channel == channel {
				o.hurryLocked(l)
			}
		}
	}
	o.mu.Unlock()
	o.Wake()
	return o.saved(ctx)
}

// hurryLocked has what a channel would send next sent now.
func (o *Outbox) hurryLocked(l *line) {
	l.hold = time.Time{}
	for _, p := range message.ByPrecedence {
		if first := o.entryLocked(l.First(p)); first != nil {
			first.Next = time.Time{}
		}
	}
	o.touched[l] = struct{}{}
}

// saved waits until what a person has changed is on disk.
func (o *Outbox) saved(ctx context.Context) error {
	if err := o.save(ctx); err != nil {
		return fmt.Errorf("it is done, but not on disk yet, so that a restart would undo it: %w", err)
	}
	return nil
}

// Resend has dead letters sent again, with the same keys, and without their time to live
// if that is over. It returns those for which it was done: not what is no dead letter, nor
// what there is no room for. The error says that a restart would undo it.
func (o *Outbox) Resend(ctx context.Context, ids []int64) (done []int64, err error) {
	done = o.each(ids, func(e *entry) bool {
		if e.State != Dead || !o.queue.Fits(&e.Message) {
			return false
		}
		o.dead.Remove(&e.Entry)
		e.State, e.Attempts, e.Next, e.Settled = Waiting, 0, time.Time{}, time.Time{}
		if e.Over(o.options.Now()) {
			e.Ends = time.Time{}
		}
		o.queue.Add(&e.Entry)
		e.line.counts[e.Precedence].Resent++
		o.changedLocked(e)
		return true
	})
	o.Wake()
	return done, o.saved(ctx)
}

// Drop drops messages that wait, and dead letters. It returns those for which it was done:
// not what was sent or is being sent at this moment. The error says that a restart would
// undo it.
func (o *Outbox) Drop(ctx context.Context, ids []int64) (done []int64, err error) {
	done = o.each(ids, func(e *entry) bool {
		switch {
		case e.State == Dead:
			o.dead.Remove(&e.Entry)
			o.forgetLocked(e)
		case e.Waits() && e.Free():
			o.dropLocked(e, DroppedByPerson)
		default:
			return false
		}
		return true
	})
	return done, o.saved(ctx)
}

// each does something with each of some messages that are there, and returns with which
// it was done.
func (o *Outbox) each(ids []int64, do func(e *entry) bool) (done []int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		if e := o.known[id]; e != nil && do(e) {
			done = append(done, id)
		}
	}
	return done
}

// Forget gives up what waits for a channel that is not configured any more: it becomes
// dead letters, which a person may have sent once there is such a channel again.
func (o *Outbox) Forget(ctx context.Context, channel string) error {
	o.mu.Lock()
	if l := o.lines[channel]; l != nil {
		for e := range l.All() {
			if e.Free() {
				o.giveUpLocked(o.entryLocked(e), "there is no such channel any more")
			}
		}
		l.stopped, l.hold, l.window = time.Time{}, time.Time{}, throttle.Window{}
		o.settings[channel] = struct{}{}
	}
	o.mu.Unlock()
	return o.saved(ctx)
}
