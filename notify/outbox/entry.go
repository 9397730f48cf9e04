package outbox

import (
	"container/list"
	"iter"
	"time"
)

// entry is a message in memory. What it holds belongs to Outbox.mu.
type entry struct {
	Message
	line *line
	// lane and fleeting are its places in its lane, and among those that are not
	// persistent, while it waits.
	lane, fleeting *list.Element
	reserved       bool // somebody's transaction, or a person, decides about it: it neither goes nor is dropped
	sending        bool
	gone           bool      // taken out: its row, if there is one, is to go as well
	unmarked       bool      // sent, which the database does not know yet
	failed         time.Time // the last attempt
	version        uint64    // rises with each change that the database is to know
	began          [2]time.Time
}

// free says whether it may be dropped.
func (e *entry) free() bool { return !e.reserved && !e.sending }

// queue is entries in their order.
type queue struct{ list.List }

func (q *queue) first() *entry {
	if f := q.Front(); f != nil {
		return f.Value.(*entry)
	}
	return nil
}

func (q *queue) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for f := q.Front(); f != nil; {
			next := f.Next()
			if !yield(f.Value.(*entry)) {
				return
			}
			f = next
		}
	}
}

// put puts an entry where its number belongs, which mostly is the end.
func (q *queue) put(e *entry) *list.Element {
	for b := q.Back(); b != nil; b = b.Prev() {
		if b.Value.(*entry).ID < e.ID {
			return q.InsertAfter(e, b)
		}
	}
	return q.PushFront(e)
}

// oldestFree returns the oldest that may be dropped.
func oldestFree(q *queue) *entry {
	for e := range q.all() {
		if e.free() {
			return e
		}
	}
	return nil
}

// line is the messages of one channel.
type line struct {
	channel string
	lanes   [precedences]queue
	counts  [precedences]Counts // but for what is seen from the lanes
	waiting [precedences]amount
	window  window
	stopped time.Time // zero: it is not
	hold    time.Time // the channel asked to be left alone until then
	// throttled is when the throttle lets the next one go; zero: it does.
	throttled time.Time
	running   bool // a sender is at it
	unmarked  int  // entries

	lastError             string
	lastErrorAt, lastSent time.Time
}

// enterLocked lets an entry wait in its lane.
func (o *Outbox) enterLocked(e *entry) {
	l := e.line
	e.lane = l.lanes[e.Precedence].put(e)
	if !e.Persistent {
		e.fleeting = o.fleeting[e.Precedence].put(e)
		o.inMemory++
	}
	l.waiting[e.Precedence].add(1, e.bytes())
	o.soonestLocked(e)
}

// leaveLocked takes an entry out of its lane. It still counts under the limits when it is
// reserved: then that was taken back before.
func (o *Outbox) leaveLocked(e *entry) {
	l := e.line
	l.lanes[e.Precedence].Remove(e.lane)
	if e.fleeting != nil {
		o.fleeting[e.Precedence].Remove(e.fleeting)
		o.inMemory--
	}
	e.lane, e.fleeting = nil, nil
	l.waiting[e.Precedence].add(-1, e.bytes())
	if !e.reserved {
		o.taken[e.Precedence].add(-1, e.bytes())
	}
	e.reserved = false
}

// forgetLocked takes an entry out of memory, and its row out of the database.
func (o *Outbox) forgetLocked(e *entry) {
	o.unknowLocked(e)
	e.gone = true
	o.changedLocked(e)
}

// unknowLocked lets the key and the number of an entry be free again.
func (o *Outbox) unknowLocked(e *entry) {
	if o.keys[e.name()] == e {
		delete(o.keys, e.name())
	}
	delete(o.known, e.ID)
}

// name is what tells messages apart.
type name struct{ channel, key string }

func (m *Message) name() name { return name{m.Channel, m.Key} }

// lineLocked returns the line of a channel, which it makes when there is none.
func (o *Outbox) lineLocked(channel string) *line {
	l := o.lines[channel]
	if l == nil {
		l = &line{channel: channel}
		o.lines[channel] = l
	}
	return l
}
