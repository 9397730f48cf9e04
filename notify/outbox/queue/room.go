package queue

import (
	"fmt"
	"time"

	"grove/notify/outbox/message"
)

// Refusal is why a message was refused.
type Refusal string

// The refusals.
const (
	RefusedBulk Refusal = "bulk"      // a new bulk message, when there is no room
	RefusedFull Refusal = "full"      // there is no room, and nothing that may be dropped
	RefusedSize Refusal = "too large" // it is larger than all the room
)

// FullError says that there is no room for a message. Whoever put it still owes it: the
// transaction is to fail with this error, and to be tried again later.
type FullError struct {
	Key, Channel string
	Precedence   message.Precedence
	Reason       Refusal
	// Limit is the one that is reached: "total.messages", "bulk.bytes"; Have is what waits
	// under it, or the bytes of the message, and Most the limit.
	Limit      string
	Have, Most int64
}

// Error implements error.
func (e *FullError) Error() string {
	what := fmt.Sprintf("the outbox refuses the %s message %q to the channel %q", e.Precedence, message.Cut(e.Key, 80), e.Channel)
	if e.Reason == RefusedSize {
		return fmt.Sprintf("%s: it has %d bytes, and the limit %s is %d", what, e.Have, e.Limit, e.Most)
	}
	return fmt.Sprintf("%s: %d wait of the limit %s, %d: see which channel does not deliver (grove outbox), or raise the limit", what, e.Have, e.Limit, e.Most)
}

// tight is a limit under which there is no room.
type tight struct {
	name  string
	total bool // not the precedence's own
	have  int64
	most  int64
}

// tight says which limit a message does not fit under; nil is none.
func (q *Queue) tight(m *message.Message) *tight {
	var total Amount
	for _, a := range q.taken {
		total.Messages += a.Messages
		total.Bytes += a.Bytes
	}
	for i, have := range []Amount{total, q.taken[m.Precedence]} {
		room, name := q.rooms[message.Precedences], "total"
		if i == 1 {
			room, name = q.rooms[m.Precedence], m.Precedence.String()
		}
		if have.Messages+1 > room.Messages {
			return &tight{name + ".messages", i == 0, int64(have.Messages), int64(room.Messages)}
		}
		if have.Bytes+m.Bytes() > int64(room.Bytes) {
			return &tight{name + ".bytes", i == 0, have.Bytes, int64(room.Bytes)}
		}
	}
	return nil
}

// tooLarge refuses what would not fit into an empty queue: nothing is dropped for it.
func (q *Queue) tooLarge(m *message.Message) *FullError {
	for _, limit := range []struct {
		name string
		most int64
	}{{"total.bytes", int64(q.rooms[message.Precedences].Bytes)}, {m.Precedence.String() + ".bytes", int64(q.rooms[m.Precedence].Bytes)}} {
		if m.Bytes() > limit.most {
			return &FullError{m.Key, m.Channel, m.Precedence, RefusedSize, limit.name, m.Bytes(), limit.most}
		}
	}
	return nil
}

// Fits says whether there is room for a message without that another is dropped.
func (q *Queue) Fits(m *message.Message) bool { return q.tooLarge(m) == nil && q.tight(m) == nil }

// Reserve takes room for a message, which follows by Enter or Cancel. When there is none,
// what follows happens in this order, until there is:
//
//  1. the oldest message whose time to live is over is dropped,
//  2. the oldest bulk message that is not persistent is dropped,
//  3. a new bulk message is refused,
//  4. for a new urgent message the oldest normal one that is not persistent is dropped,
//  5. the new message is refused.
//
// Where the limit of one precedence is what there is no room under, only messages of that
// precedence are dropped. What is to be dropped is returned, reserved: it counts no more,
// and leaves by Leave, or stays by Release.
func (q *Queue) Reserve(m *message.Message, now time.Time) (drop []*Entry, full *FullError) {
	if full := q.tooLarge(m); full != nil {
		return nil, full
	}
	for {
		t := q.tight(m)
		if t == nil {
			q.taken[m.Precedence].add(1, m.Bytes())
			return drop, nil
		}
		victim := q.oldestOver(m.Precedence, t.total, now)
		if victim == nil && (t.total || m.Precedence == message.Bulk) {
			victim = q.fleeting[message.Bulk].oldestFree()
		}
		refusal := RefusedFull
		if victim == nil && m.Precedence == message.Bulk {
			refusal = RefusedBulk
		} else if victim == nil && m.Precedence == message.Urgent && t.total {
			victim = q.fleeting[message.Normal].oldestFree()
		}
		if victim == nil {
			for _, e := range drop {
				q.Release(e)
			}
			return nil, &FullError{m.Key, m.Channel, m.Precedence, refusal, t.name, t.have, t.most}
		}
		victim.Reserved = true
		q.taken[victim.Precedence].add(-1, victim.Bytes())
		drop = append(drop, victim)
	}
}

// Cancel gives back the room that Reserve has taken for a message.
func (q *Queue) Cancel(m *message.Message) { q.taken[m.Precedence].add(-1, m.Bytes()) }

// Release takes back that an entry was to be dropped.
func (q *Queue) Release(e *Entry) {
	e.Reserved = false
	q.taken[e.Precedence].add(1, e.Bytes())
}

// oldestOver returns the oldest message whose time to live is over, of all or of one
// precedence; nil is none.
func (q *Queue) oldestOver(p message.Precedence, all bool, now time.Time) (oldest *Entry) {
	for e := range q.Over(now) {
		if (all || e.Precedence == p) && (oldest == nil || e.ID < oldest.ID) {
			oldest = e
		}
	}
	return oldest
}
