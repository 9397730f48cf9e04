// Package queue is the messages in memory: those that wait, in a [Queue], and those that do
// not any more, in [Kept]. What waits is a lane for each channel and precedence, in the order
// of the numbers. [Limits] say how much may wait, and [Queue.Reserve] what is dropped or
// refused when there is no room.
package queue

import (
	"container/list"
	"iter"
	"time"

	"grove/notify/outbox/message"
)

// Entry is a message in memory.
type Entry struct {
	message.Message
	// Reserved is set while it is decided about: it neither goes nor is dropped.
	Reserved bool
	// Sending is set while its channel is at it: it is not dropped.
	Sending bool
	// aside is set while others go before it.
	aside bool

	// lane and fleeting are its places in its lane, and among those that are not
	// persistent, while it waits.
	lane, fleeting *list.Element
}

// Free says whether it may be dropped.
func (e *Entry) Free() bool { return !e.Reserved && !e.Sending }

// Waits says whether it is in its lane.
func (e *Entry) Waits() bool { return e.lane != nil }

// Amount is a number of messages with their bytes.
type Amount struct {
	Messages int
	Bytes    int64
}

func (a *Amount) add(sign int, bytes int64) {
	a.Messages += sign
	a.Bytes += int64(sign) * bytes
}

// lane is entries in the order of their numbers.
type lane struct{ list.List }

func (l *lane) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for f := l.Front(); f != nil; {
			next := f.Next() // The entry may leave meanwhile.
			if !yield(f.Value.(*Entry)) {
				return
			}
			f = next
		}
	}
}

// put puts an entry where its number belongs, which mostly is the end.
func (l *lane) put(e *Entry) *list.Element {
	for b := l.Back(); b != nil; b = b.Prev() {
		if b.Value.(*Entry).ID < e.ID {
			return l.InsertAfter(e, b)
		}
	}
	return l.PushFront(e)
}

// oldestFree returns the oldest that may be dropped; nil is none.
func (l *lane) oldestFree() *Entry {
	for e := range l.all() {
		if e.Free() {
			return e
		}
	}
	return nil
}

// Lanes are the messages that wait for one channel, a lane for each precedence.
type Lanes struct {
	lanes   [message.Precedences]lane
	waiting [message.Precedences]Amount
	aside   [message.Precedences]int // how many of them stand aside
}

// First returns the first of a lane that does not stand aside; nil is none.
func (l *Lanes) First(p message.Precedence) *Entry {
	if l.aside[p] == l.lanes[p].Len() {
		return nil
	}
	for e := range l.lanes[p].all() {
		if !e.aside {
			return e
		}
	}
	return nil
}

// Aside has an entry that waits stand aside, so that others go before it, or no more.
func (l *Lanes) Aside(e *Entry, aside bool) {
	if !e.Waits() || e.aside == aside {
		return
	}
	e.aside = aside
	if aside {
		l.aside[e.Precedence]++
	} else {
		l.aside[e.Precedence]--
	}
}

// StandAside returns those that stand aside. The present one may stop that meanwhile.
func (l *Lanes) StandAside() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for p := range l.lanes {
			if l.aside[p] == 0 {
				continue
			}
			for e := range l.lanes[p].all() {
				if e.aside && !yield(e) {
					return
				}
			}
		}
	}
}

// All returns those that wait, lane by lane. The present one may leave meanwhile.
func (l *Lanes) All() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for p := range l.lanes {
			for e := range l.lanes[p].all() {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Waiting returns how much waits in a lane.
func (l *Lanes) Waiting(p message.Precedence) Amount { return l.waiting[p] }

// Queue is what waits for all channels. Its methods must not be called at the same time.
type Queue struct {
	rooms    [message.Precedences + 1]Room // of each precedence and, last, in total
	channels map[string]*Lanes
	// taken is what counts under the limits: what waits and is not to be dropped, and what
	// room is reserved for.
	taken    [message.Precedences]Amount
	fleeting [message.Precedences]lane // those that wait and are not persistent, of all channels
	soonest  time.Time                 // not later than when the first time to live ends; zero: none has an end
}

// New makes an empty queue.
func New(l Limits) *Queue {
	return &Queue{rooms: l.rooms(), channels: map[string]*Lanes{}}
}

// Configure puts other limits in the place of the present ones. What waits beyond a lower
// limit goes on waiting.
func (q *Queue) Configure(l Limits) { q.rooms = l.rooms() }

// Lanes returns those of a channel, which it makes when there are none.
func (q *Queue) Lanes(channel string) *Lanes {
	l := q.channels[channel]
	if l == nil {
		l = &Lanes{}
		q.channels[channel] = l
	}
	return l
}

// Fleeting returns how many wait that are not persistent.
func (q *Queue) Fleeting() (n int) {
	for p := range q.fleeting {
		n += q.fleeting[p].Len()
	}
	return n
}

// Taken returns how much counts under the limit of a precedence: what waits and is not
// to be dropped, and what room is reserved for.
func (q *Queue) Taken(p message.Precedence) Amount { return q.taken[p] }

// Enter lets an entry wait, for which there is room from Reserve.
func (q *Queue) Enter(e *Entry) {
	l := q.Lanes(e.Channel)
	e.lane = l.lanes[e.Precedence].put(e)
	if !e.Persistent {
		e.fleeting = q.fleeting[e.Precedence].put(e)
	}
	l.waiting[e.Precedence].add(1, e.Bytes())
	q.ends(e)
}

// Add lets an entry wait, whether there is room or not.
func (q *Queue) Add(e *Entry) {
	q.taken[e.Precedence].add(1, e.Bytes())
	q.Enter(e)
}

// Leave takes an entry out that waits, and with it what was reserved about it.
func (q *Queue) Leave(e *Entry) {
	l := q.Lanes(e.Channel)
	l.Aside(e, false)
	l.lanes[e.Precedence].Remove(e.lane)
	if e.fleeting != nil {
		q.fleeting[e.Precedence].Remove(e.fleeting)
	}
	e.lane, e.fleeting = nil, nil
	l.waiting[e.Precedence].add(-1, e.Bytes())
	if !e.Reserved { // else Reserve has taken it back
		q.taken[e.Precedence].add(-1, e.Bytes())
	}
	e.Reserved = false
}

// Over returns those whose time to live is over and that may be dropped. All that wait are
// looked at, but only when one may be over. The present one may leave meanwhile.
func (q *Queue) Over(now time.Time) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		if q.soonest.IsZero() || now.Before(q.soonest) {
			return
		}
		q.soonest = time.Time{}
		more := true
		for _, l := range q.channels {
			for e := range l.All() {
				if more && e.Free() && e.Over(now) {
					more = yield(e)
				}
				if e.Waits() {
					q.ends(e)
				}
			}
		}
	}
}

// ends notes when the time to live of an entry ends.
func (q *Queue) ends(e *Entry) {
	if !e.Ends.IsZero() && (q.soonest.IsZero() || e.Ends.Before(q.soonest)) {
		q.soonest = e.Ends
	}
}
