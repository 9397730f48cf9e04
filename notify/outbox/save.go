package outbox

import (
	"context"

	"grove/notify/outbox/shelf"
	"grove/tree/store"
)

// change is what the database is to know of an entry.
type change struct {
	e       *entry
	version uint64
	shelf.Change
}

// maxChanges bounds what is written in one transaction, lest others wait for long.
const maxChanges = 2000

// save writes what has changed. On return everything is on disk that was changed before
// the call, or the error says why not; then it is tried again later.
func (o *Outbox) save(ctx context.Context) error {
	select {
	case o.saving <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-o.saving }()
	for {
		more, err := o.saveSome(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// saveSome writes at most maxChanges; more says whether there may be others.
func (o *Outbox) saveSome(ctx context.Context) (more bool, err error) {
	o.mu.Lock()
	changes, channels, memory := o.takeChangesLocked()
	noted, doubt := o.noted, !o.loaded || o.doubt || o.replaced != o.store.Replaced()
	o.mu.Unlock()
	if len(changes)+len(channels) == 0 && memory == noted && !doubt {
		return false, nil
	}
	err = o.store.Write(ctx, func(tx *store.Tx) error {
		if err := o.load(tx); err != nil {
			return err
		}
		rows := make([]shelf.Change, len(changes))
		for i := range changes {
			rows[i] = changes[i].Change
		}
		if err := shelf.Update(tx, rows); err != nil {
			return err
		}
		if err := shelf.SetChannels(tx, channels); err != nil || memory == noted {
			return err
		}
		return shelf.SetMemory(tx, memory)
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		for _, c := range channels {
			o.settings[c.Name] = struct{}{}
		}
		if ctx.Err() == nil {
			if o.away == nil {
				o.log.Error("what became of messages cannot be written: no more persistent ones are sent until it can", "err", err)
			}
			o.away = err
		}
		return false, err
	}
	if o.away != nil {
		o.log.Info("what became of messages can be written again")
		o.away = nil
		o.wakeLocked()
	}
	if memory != noted {
		o.noted = memory
	}
	for i := range changes {
		c := &changes[i]
		if c.version == c.e.version {
			delete(o.changed, c.e)
		}
		if c.e.unmarked && (c.Gone || c.State != Waiting) {
			c.e.unmarked = false
			c.e.line.unmarked--
			if c.e.line.unmarked == maxUnmarked-1 {
				o.touchLocked(c.e.line)
			}
		}
	}
	return len(changes) == maxChanges, nil
}

// takeChangesLocked copies what is to be written.
func (o *Outbox) takeChangesLocked() (changes []change, channels []shelf.Channel, memory int) {
	changes = make([]change, 0, min(len(o.changed), maxChanges))
	for e := range o.changed {
		if len(changes) == maxChanges {
			break
		}
		m := e.Message
		m.Body = nil
		changes = append(changes, change{e, e.version, shelf.Change{Message: m, Gone: e.gone}})
	}
	for channel := range o.settings {
		l := o.namedLocked(channel)
		channels = append(channels, shelf.Channel{Name: channel, Stopped: l.stopped, Window: l.window})
		delete(o.settings, channel)
	}
	memory = o.noted
	if o.loaded {
		memory = o.queue.Fleeting()
	}
	return changes, channels, memory
}
