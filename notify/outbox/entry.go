package outbox

import (
	"time"

	"grove/notify/outbox/message"
	"grove/notify/outbox/queue"
	"grove/notify/outbox/throttle"
)

// entry is a message in memory. What it holds belongs to Outbox.mu.
type entry struct {
	queue.Entry
	line     *line
	gone     bool         // taken out: its row, if there is one, is to go as well
	unmarked bool         // sent, which the database does not know yet
	failed   time.Time    // the last attempt
	version  uint64       // rises with each change that the database is to know
	began    [2]time.Time // the periods that the attempt under way is counted in: the channel's, and that of all
}

// line is what the outbox knows of one channel.
type line struct {
	*queue.Lanes
	channel string
	counts  [message.Precedences]Counts // but for what is seen from the lanes
	window  throttle.Window
	stopped time.Time // zero: it is not
	hold    time.Time // the channel asked to be left alone until then
	// throttled is when the throttle lets the next one go; zero: it does.
	throttled time.Time
	running   bool // a sender is at it
	unmarked  int  // how many entries are

	lastError             string
	lastErrorAt, lastSent time.Time
}

// entryLocked returns what waits as it is known here; nil for nil. All that
// waits or is kept is known.
func (o *Outbox) entryLocked(e *queue.Entry) *entry {
	if e == nil {
		return nil
	}
	return o.known[e.ID]
}

// forgetLocked takes an entry out of memory, and its row out of the database.
func (o *Outbox) forgetLocked(e *entry) {
	o.unknowLocked(e)
	e.gone = true
	o.changedLocked(e)
}

// unknowLocked lets the key and the number of an entry be free again.
func (o *Outbox) unknowLocked(e *entry) {
	if o.keys[e.Name()] == e {
		delete(o.keys, e.Name())
	}
	delete(o.known, e.ID)
}

// lineLocked returns the line of a channel, which it makes when there is none.
func (o *Outbox) lineLocked(channel string) *line {
	l := o.lines[channel]
	if l == nil {
		l = &line{Lanes: o.queue.Lanes(channel), channel: channel}
		o.lines[channel] = l
	}
	return l
}

// namedLocked returns the line of a channel, or with the empty name that of all.
func (o *Outbox) namedLocked(channel string) *line {
	if channel == "" {
		return &o.all
	}
	return o.lineLocked(channel)
}
