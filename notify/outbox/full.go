package outbox

import (
	"fmt"
	"time"
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
	Precedence   Precedence
	Reason       Refusal
	// Limit is the one that is reached: "total.messages", "bulk.bytes"; Have is what waits
	// under it, or the bytes of the message, and Most the limit.
	Limit      string
	Have, Most int64
}

// Error implements error.
func (e *FullError) Error() string {
	what := fmt.Sprintf("the outbox refuses the %s message %q to the channel %q", e.Precedence, cut(e.Key, 80), e.Channel)
	if e.Reason == RefusedSize {
		return fmt.Sprintf("%s: it has %d bytes, and the limit %s is %d", what, e.Have, e.Limit, e.Most)
	}
	return fmt.Sprintf("%s: %d wait of the limit %s, %d: see which channel does not deliver (grove outbox), or raise the limit", what, e.Have, e.Limit, e.Most)
}

// amount is a number of messages with their bytes.
type amount struct {
	messages int
	bytes    int64
}

func (a *amount) add(sign int, bytes int64) {
	a.messages += sign
	a.bytes += int64(sign) * bytes
}

// tight is a limit under which there is no room.
type tight struct {
	name  string
	total bool // not the precedence's own
	have  int64
	most  int64
}

// tightLocked says which limit a message does not fit under; nil is none.
func (o *Outbox) tightLocked(p Precedence, bytes int64) *tight {
	var total amount
	for _, a := range o.taken {
		total.messages += a.messages
		total.bytes += a.bytes
	}
	for i, have := range []amount{total, o.taken[p]} {
		room, name := o.rooms[precedences], "total"
		if i == 1 {
			room, name = o.rooms[p], p.String()
		}
		if have.messages+1 > room.Messages {
			return &tight{name + ".messages", i == 0, int64(have.messages), int64(room.Messages)}
		}
		if have.bytes+bytes > int64(room.Bytes) {
			return &tight{name + ".bytes", i == 0, have.bytes, int64(room.Bytes)}
		}
	}
	return nil
}

// tooLargeLocked refuses what would not fit into an empty outbox: nothing is dropped for it.
func (o *Outbox) tooLargeLocked(m *Message) *FullError {
	for _, limit := range []struct {
		name string
		most int64
	}{{"total.bytes", int64(o.rooms[precedences].Bytes)}, {m.Precedence.String() + ".bytes", int64(o.rooms[m.Precedence].Bytes)}} {
		if m.bytes() > limit.most {
			return &FullError{m.Key, m.Channel, m.Precedence, RefusedSize, limit.name, m.bytes(), limit.most}
		}
	}
	return nil
}

// roomLocked makes room for a message, as the comment of the package says. It returns
// what is to be dropped, which is reserved and does not count any more.
func (o *Outbox) roomLocked(m *Message, now time.Time) (drop []*entry, full *FullError) {
	if full := o.tooLargeLocked(m); full != nil {
		return nil, full
	}
	for {
		t := o.tightLocked(m.Precedence, m.bytes())
		if t == nil {
			return drop, nil
		}
		victim := o.oldestOverLocked(m.Precedence, t.total, now)
		if victim == nil && (t.total || m.Precedence == Bulk) {
			victim = oldestFree(o.fleeting[Bulk])
		}
		refusal := RefusedFull
		if victim == nil && m.Precedence == Bulk {
			refusal = RefusedBulk
		} else if victim == nil && m.Precedence == Urgent && t.total {
			victim = oldestFree(o.fleeting[Normal])
		}
		if victim == nil {
			for _, e := range drop {
				o.releaseLocked(e)
			}
			return nil, &FullError{m.Key, m.Channel, m.Precedence, refusal, t.name, t.have, t.most}
		}
		victim.reserved = true
		o.taken[victim.Precedence].add(-1, victim.bytes())
		drop = append(drop, victim)
	}
}

// releaseLocked takes back that an entry was to be dropped.
func (o *Outbox) releaseLocked(e *entry) {
	e.reserved = false
	o.taken[e.Precedence].add(1, e.bytes())
}

// oldestOverLocked returns the oldest message whose time to live is over, of all or of one
// precedence. All of them are looked at only when one may be over.
func (o *Outbox) oldestOverLocked(p Precedence, all bool, now time.Time) (oldest *entry) {
	if o.soonest.IsZero() || now.Before(o.soonest) {
		return nil
	}
	o.soonest = time.Time{}
	for _, l := range o.lines {
		for q := range l.lanes {
			for e := range l.lanes[q].all() {
				o.soonestLocked(e)
				if e.free() && e.over(now) && (all || e.Precedence == p) && (oldest == nil || e.ID < oldest.ID) {
					oldest = e
				}
			}
		}
	}
	return oldest
}

// soonestLocked notes when the time to live of an entry ends.
func (o *Outbox) soonestLocked(e *entry) {
	if !e.Ends.IsZero() && (o.soonest.IsZero() || e.Ends.Before(o.soonest)) {
		o.soonest = e.Ends
	}
}
