package queue

import (
	"grove/notify/channel"
	"grove/notify/outbox/message"
)

// Room bounds what waits. Zero is no bound of its own.
type Room struct {
	Messages int          `yaml:"messages,omitempty" jsonschema:"description=Messages that may wait."`
	Bytes    message.Size `yaml:"bytes,omitempty" jsonschema:"description=Bytes of their bodies\\, such as 64 MiB."`
}

// Limits bound the outbox: in total, and each precedence for itself.
type Limits struct {
	Total  Room `yaml:"total,omitempty"`
	Urgent Room `yaml:"urgent,omitempty"`
	Normal Room `yaml:"normal,omitempty"`
	Bulk   Room `yaml:"bulk,omitempty"`
}

// Default bounds in total, and the highest that may be set: all that waits is in memory.
const (
	DefaultMessages = 100_000
	DefaultBytes    = 128 << 20
	MaxMessages     = 1_000_000
	MaxBytes        = 4 << 30
)

// Check says what is wrong, as a channel.OptionError whose option begins with at.
func (l *Limits) Check(at string) error {
	for _, r := range []struct {
		name string
		room Room
	}{{"total", l.Total}, {"urgent", l.Urgent}, {"normal", l.Normal}, {"bulk", l.Bulk}} {
		if r.room.Messages < 0 || r.room.Messages > MaxMessages {
			return channel.BadOption(at+r.name+".messages", "%d is not between 0, which is no bound of its own, and %d", r.room.Messages, MaxMessages)
		}
		if r.room.Bytes < 0 || r.room.Bytes > MaxBytes {
			return channel.BadOption(at+r.name+".bytes", "%d is not between 0, which is no bound of its own, and %d", r.room.Bytes, int64(MaxBytes))
		}
	}
	return nil
}

// rooms are those of the precedences and, last, the one in total, with the defaults.
func (l *Limits) rooms() (all [message.Precedences + 1]Room) {
	all[message.Normal], all[message.Urgent], all[message.Bulk], all[message.Precedences] = l.Normal, l.Urgent, l.Bulk, l.Total
	for i := range all {
		if all[i].Messages == 0 {
			all[i].Messages = DefaultMessages
			if i < message.Precedences {
				all[i].Messages = MaxMessages
			}
		}
		if all[i].Bytes == 0 {
			all[i].Bytes = DefaultBytes
			if i < message.Precedences {
				all[i].Bytes = MaxBytes
			}
		}
	}
	return all
}
