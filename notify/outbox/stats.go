package outbox

import (
	"slices"
	"strings"
	"time"

	"grove/notify/outbox/message"
)

// Drop is why a message was dropped.
type Drop string

// The reasons.
const (
	DroppedForRoom   Drop = "room"    // for another message
	DroppedByPerson  Drop = "person"  // somebody dropped it
	DroppedByRestore Drop = "restore" // a backup was loaded that does not have it
)

// Counts are of one channel and precedence, since the start. Of what came
// (Put + Restored + Resent) everything has become one of Sent, Dead, Expired, Dropped, or
// waits.
type Counts struct {
	Waiting  int                `json:"waiting"`
	Bytes    int64              `json:"bytes"`           // of what waits
	Oldest   time.Time          `json:"oldest,omitzero"` // when the oldest that waits was made
	Put      uint64             `json:"put"`
	Restored uint64             `json:"restored"` // found in the database
	Resent   uint64             `json:"resent"`   // dead letters that somebody had sent again
	Sent     uint64             `json:"sent"`
	Dead     uint64             `json:"dead"`
	Expired  uint64             `json:"expired"`  // the time to live was over before the first attempt
	Failed   uint64             `json:"failed"`   // attempts
	Repeated uint64             `json:"repeated"` // put again, and left as they were
	Dropped  map[Drop]uint64    `json:"dropped,omitempty"`
	Refused  map[Refusal]uint64 `json:"refused,omitempty"`
}

// add adds other counts.
func (c *Counts) add(d *Counts) {
	c.Waiting += d.Waiting
	c.Bytes += d.Bytes
	if !d.Oldest.IsZero() && (c.Oldest.IsZero() || d.Oldest.Before(c.Oldest)) {
		c.Oldest = d.Oldest
	}
	c.Put += d.Put
	c.Restored += d.Restored
	c.Resent += d.Resent
	c.Sent += d.Sent
	c.Dead += d.Dead
	c.Expired += d.Expired
	c.Failed += d.Failed
	c.Repeated += d.Repeated
	c.Dropped, c.Refused = sum(c.Dropped, d.Dropped), sum(c.Refused, d.Refused)
}

// sum returns the sum of two, and leaves both alone.
func sum[K comparable](a, b map[K]uint64) map[K]uint64 {
	if len(b) == 0 {
		return a
	}
	all := make(map[K]uint64, len(a)+len(b))
	for _, m := range []map[K]uint64{a, b} {
		for k, n := range m {
			all[k] += n
		}
	}
	return all
}

// ChannelStats are of one channel.
type ChannelStats struct {
	Channel string `json:"channel"`
	// Stopped is since when somebody has it stopped, Throttled until when its throttle, or
	// that of all, lets nothing go, and Held until when the channel wants to be left alone.
	Stopped     time.Time `json:"stopped,omitzero"`
	Throttled   time.Time `json:"throttled,omitzero"`
	Held        time.Time `json:"held,omitzero"`
	Urgent      Counts    `json:"urgent"`
	Normal      Counts    `json:"normal"`
	Bulk        Counts    `json:"bulk"`
	LastError   string    `json:"lastError,omitempty"`
	LastErrorAt time.Time `json:"lastErrorAt,omitzero"`
	LastSent    time.Time `json:"lastSent,omitzero"`
	// Letters are the dead letters that are kept now.
	Letters int `json:"letters"`
}

// Of returns the counts of a precedence.
func (s *ChannelStats) Of(p Precedence) *Counts {
	return [message.Precedences]*Counts{&s.Normal, &s.Urgent, &s.Bulk}[p]
}

// Stats are the counts of an outbox.
type Stats struct {
	Stopped  time.Time      `json:"stopped,omitzero"` // since when somebody has all stopped
	Channels []ChannelStats `json:"channels"`         // by name
	Total    Counts         `json:"total"`
	// Dead and Kept are the dead letters and sent messages that are kept for looking at.
	Dead int `json:"dead"`
	Kept int `json:"kept"`
	// Unmarked have been sent, which is not yet on disk: a crash would repeat them.
	Unmarked int `json:"unmarked"`
	// Lost were not persistent and waited when the process before this one ended.
	Lost int `json:"lost"`
	// Away says why nothing can be written at present; empty: it can.
	Away string `json:"away,omitempty"`
}

// Stats returns the present counts.
func (o *Outbox) Stats() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.statsLocked()
}

func (o *Outbox) statsLocked() Stats {
	now := o.options.Now()
	s := Stats{Stopped: o.all.stopped, Dead: o.dead.Len(), Kept: o.sent.Len(), Lost: o.lost, Channels: make([]ChannelStats, 0, len(o.lines))}
	if o.away != nil {
		s.Away = o.away.Error()
	}
	letters := make(map[string]int, len(o.lines))
	for e := range o.dead.All() {
		letters[e.Channel]++
	}
	for _, l := range o.lines {
		c := ChannelStats{Letters: letters[l.channel], Channel: l.channel, Stopped: l.stopped, LastError: l.lastError, LastErrorAt: l.lastErrorAt, LastSent: l.lastSent}
		if now.Before(l.throttled) {
			c.Throttled = l.throttled
		}
		if now.Before(l.hold) {
			c.Held = l.hold
		}
		for _, p := range message.ByPrecedence {
			of := c.Of(p)
			*of = l.counts[p]
			of.Dropped, of.Refused = sum(nil, of.Dropped), sum(nil, of.Refused)
			of.Waiting, of.Bytes = l.Waiting(p).Messages, l.Waiting(p).Bytes
			if first := l.First(p); first != nil {
				of.Oldest = first.Made
			}
			s.Total.add(of)
		}
		s.Unmarked += l.unmarked
		s.Channels = append(s.Channels, c)
	}
	slices.SortFunc(s.Channels, func(a, b ChannelStats) int { return strings.Compare(a.Channel, b.Channel) })
	return s
}
