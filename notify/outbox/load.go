package outbox

import (
	"fmt"

	"grove/notify/outbox/queue"
	"grove/notify/outbox/shelf"
	"grove/tree/store"
)

// load reads what the database has, once; and again when it may have what memory does
// not know. Only the writer of the database calls it, as nobody else writes meanwhile.
func (o *Outbox) load(tx *store.Tx) error {
	o.mu.Lock()
	fine := o.loaded && !o.doubt && o.replaced == o.store.Replaced()
	o.mu.Unlock()
	if fine {
		return nil
	}
	replaced := o.store.Replaced()
	there, err := shelf.Read(tx)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.loaded {
		o.lost, o.noted = there.Memory, there.Memory
		if o.lost > 0 {
			o.log.Warn("messages that are not persistent are gone with the process before", "messages", o.lost)
		}
	}
	if !o.loaded || replaced != o.replaced {
		for _, c := range there.Channels {
			l := o.namedLocked(c.Name)
			l.stopped, l.window = c.Stopped, c.Window
		}
	}
	o.mergeLocked(there.Messages)
	o.loaded, o.doubt, o.replaced = true, false, replaced
	o.wakeLocked()
	return nil
}

// mergeLocked brings memory and the rows together. What memory knows it knows better: the
// row is written again if it differs. What is a row alone is taken over; and what is in
// memory alone, though it is persistent, was undone by a backup that was loaded.
func (o *Outbox) mergeLocked(rows []Message) {
	there := make(map[int64]bool, len(rows))
	for _, m := range rows {
		there[m.ID] = true
		o.last = max(o.last, m.ID)
		if known := o.known[m.ID]; known != nil {
			if known.State != m.State && !known.Waits() {
				o.changedLocked(known)
			}
			continue
		}
		if o.isGoneLocked(m.ID) {
			continue
		}
		e := &entry{Entry: queue.Entry{Message: m}, line: o.lineLocked(m.Channel)}
		// One that came in memory alone while the database was away loses the key to it.
		o.keys[e.Name()], o.known[e.ID] = e, e
		switch e.State {
		case Sent:
			o.keepLocked(e, &o.sent)
		case Dead:
			o.keepLocked(e, &o.dead)
		default:
			o.queue.Add(&e.Entry)
			e.line.counts[e.Precedence].Restored++
		}
	}
	for id, e := range o.known {
		if there[id] || !e.Persistent {
			continue
		}
		switch {
		case e.Waits() && e.Free():
			o.dropLocked(e, DroppedByRestore)
		case e.State == Sent:
			o.sent.Remove(&e.Entry)
			o.forgetLocked(e)
		case e.State == Dead:
			o.dead.Remove(&e.Entry)
			o.forgetLocked(e)
		}
	}
}

// keepLocked keeps an entry for looking at, and forgets what has to go for it.
func (o *Outbox) keepLocked(e *entry, in *queue.Kept) {
	for _, old := range in.Add(&e.Entry) {
		o.forgetLocked(o.entryLocked(old))
	}
}

// isGoneLocked says whether the row of a message is about to be deleted.
func (o *Outbox) isGoneLocked(id int64) bool {
	for e := range o.changed {
		if e.ID == id && e.gone {
			return true
		}
	}
	return false
}
