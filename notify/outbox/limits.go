package outbox

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"grove/notify/channel"
	"grove/tree/definition/source"
)

// Size is an amount of bytes, written as 4096, "64 KiB" or "10 MB".
type Size int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := source.ParseBytes(string(text))
	*s = Size(n)
	return err
}

// Room bounds what waits. Zero is no bound of its own.
type Room struct {
	Messages int  `yaml:"messages,omitempty" jsonschema:"description=Messages that may wait."`
	Bytes    Size `yaml:"bytes,omitempty" jsonschema:"description=Bytes of their bodies\\, such as 64 MiB."`
}

// Settings are what an operator may set, also of an outbox that runs.
type Settings struct {
	Limits    Limits    `yaml:"limits,omitempty" jsonschema:"description=How much may wait."`
	Throttles Throttles `yaml:"throttles,omitempty" jsonschema:"description=How much is sent."`
}

// Check says what is wrong, as a channel.OptionError.
func (s *Settings) Check() error {
	if err := s.Limits.check("limits."); err != nil {
		return err
	}
	return s.Throttles.check("throttles.")
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

func (l *Limits) check(at string) error {
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

// rooms are those of the precedences and, last, the one in total.
func (l *Limits) rooms() (all [precedences + 1]Room) {
	all[Normal], all[Urgent], all[Bulk], all[precedences] = l.Normal, l.Urgent, l.Bulk, l.Total
	for i := range all {
		if all[i].Messages == 0 {
			all[i].Messages = DefaultMessages
			if i < precedences {
				all[i].Messages = MaxMessages
			}
		}
		if all[i].Bytes == 0 {
			all[i].Bytes = DefaultBytes
			if i < precedences {
				all[i].Bytes = MaxBytes
			}
		}
	}
	return all
}

// Throttle bounds what is sent. Zero is without a bound.
type Throttle struct {
	Per          time.Duration `yaml:"per,omitempty" jsonschema:"default=1h,description=The period that bytes and messages are counted in."`
	Bytes        Size          `yaml:"bytes,omitempty" jsonschema:"description=Bytes that may be sent in a period."`
	Messages     int64         `yaml:"messages,omitempty" jsonschema:"description=Messages that may be sent in a period."`
	MessageBytes Size          `yaml:"message_bytes,omitempty" jsonschema:"description=Bytes that one message may have; a longer one becomes a dead letter."`
}

// Throttles bound what is sent by all channels together, and by channels of their own.
type Throttles struct {
	Total    Throttle            `yaml:"total,omitempty"`
	Channels map[string]Throttle `yaml:"channels,omitempty"`
}

// Bounds of Throttle.Per.
const (
	DefaultPer = time.Hour
	minPer     = time.Second
	maxPer     = 31 * 24 * time.Hour
)

func (t *Throttles) check(at string) error {
	if err := t.Total.check(at + "total"); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(t.Channels)) {
		one := t.Channels[name]
		if err := one.check(at + "channels." + name); err != nil {
			return err
		}
	}
	return nil
}

func (t *Throttle) check(name string) error {
	switch {
	case t.Per != 0 && (t.Per < minPer || t.Per > maxPer):
		return channel.BadOption(name+".per", "%s is not between %s and %s", t.Per, minPer, maxPer)
	case t.Bytes < 0:
		return channel.BadOption(name+".bytes", "%d is less than zero", t.Bytes)
	case t.Messages < 0:
		return channel.BadOption(name+".messages", "%d is less than zero", t.Messages)
	case t.MessageBytes < 0:
		return channel.BadOption(name+".message_bytes", "%d is less than zero", t.MessageBytes)
	}
	return nil
}

func (t *Throttle) period() time.Duration {
	if t.Per == 0 {
		return DefaultPer
	}
	return t.Per
}

// counts says whether anything is counted over the period.
func (t *Throttle) counts() bool { return t.Bytes > 0 || t.Messages > 0 }

// never says why a message of so many bytes may never be sent; empty: it may.
func (t *Throttle) never(bytes int64) string {
	switch {
	case t.MessageBytes > 0 && bytes > int64(t.MessageBytes):
		return fmt.Sprintf("its %d bytes are more than the throttle allows a message, %d", bytes, t.MessageBytes)
	case t.Bytes > 0 && bytes > int64(t.Bytes):
		return fmt.Sprintf("its %d bytes are more than the throttle allows in %s, %d", bytes, t.period(), t.Bytes)
	}
	return ""
}

// window is what was sent in the present period of a throttle.
type window struct {
	began    time.Time
	messages int64
	bytes    int64
}

// until is when the throttle lets a message of so many bytes go; zero: now.
func (w *window) until(t *Throttle, bytes int64, now time.Time) time.Time {
	if !t.counts() {
		return time.Time{}
	}
	ends := w.began.Add(t.period())
	if !now.Before(ends) || now.Before(w.began) {
		return time.Time{} // another period, or another clock
	}
	if t.Messages > 0 && w.messages >= t.Messages || t.Bytes > 0 && w.bytes+bytes > int64(t.Bytes) {
		return ends
	}
	return time.Time{}
}

// take counts a message that goes. It returns the period that it was counted in, for back.
func (w *window) take(t *Throttle, bytes int64, now time.Time) (began time.Time) {
	if !t.counts() {
		return time.Time{}
	}
	if now.Before(w.began) || !now.Before(w.began.Add(t.period())) {
		*w = window{began: milliseconds(now)}
	}
	w.messages++
	w.bytes += bytes
	return w.began
}

// back takes a message out of the count that did not go after all.
func (w *window) back(began time.Time, bytes int64) {
	if !began.IsZero() && began.Equal(w.began) {
		w.messages--
		w.bytes -= bytes
	}
}
