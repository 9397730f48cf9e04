// Package throttle bounds what is sent in a period: messages and bytes, by all channels
// together and by each for itself. What has been counted in the present period is in a
// [Window], which whoever sends keeps, also over restarts.
package throttle

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox/message"
)

// Throttle bounds what is sent. Zero is without a bound.
type Throttle struct {
	Per          time.Duration `yaml:"per,omitempty" jsonschema:"default=1h,description=The period that bytes and messages are counted in."`
	Bytes        message.Size  `yaml:"bytes,omitempty" jsonschema:"description=Bytes that may be sent in a period."`
	Messages     int64         `yaml:"messages,omitempty" jsonschema:"description=Messages that may be sent in a period."`
	MessageBytes message.Size  `yaml:"message_bytes,omitempty" jsonschema:"description=Bytes that one message may have; a longer one becomes a dead letter."`
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

// Check says what is wrong, as a channel.OptionError whose option begins with at.
func (t *Throttles) Check(at string) error {
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

// Counts says whether anything is counted over the period.
func (t *Throttle) Counts() bool { return t.Bytes > 0 || t.Messages > 0 }

// Never says why a message of so many bytes may never be sent; empty: it may.
func (t *Throttle) Never(bytes int64) string {
	switch {
	case t.MessageBytes > 0 && bytes > int64(t.MessageBytes):
		return fmt.Sprintf("its %d bytes are more than the throttle allows a message, %d", bytes, t.MessageBytes)
	case t.Bytes > 0 && bytes > int64(t.Bytes):
		return fmt.Sprintf("its %d bytes are more than the throttle allows in %s, %d", bytes, t.period(), t.Bytes)
	}
	return ""
}

// Window is what was sent in the present period of a throttle.
type Window struct {
	Began    time.Time // zero: none
	Messages int64
	Bytes    int64
}

// Until is when the throttle lets a message of so many bytes go; zero: now.
func (w *Window) Until(t *Throttle, bytes int64, now time.Time) time.Time {
	if !t.Counts() {
		return time.Time{}
	}
	ends := w.Began.Add(t.period())
	if !now.Before(ends) || now.Before(w.Began) {
		return time.Time{} // another period, or another clock
	}
	if t.Messages > 0 && w.Messages >= t.Messages || t.Bytes > 0 && w.Bytes+bytes > int64(t.Bytes) {
		return ends
	}
	return time.Time{}
}

// Take counts a message that goes. It returns the period that it was counted in, for Back;
// zero: nothing is counted.
func (w *Window) Take(t *Throttle, bytes int64, now time.Time) (began time.Time) {
	if !t.Counts() {
		return time.Time{}
	}
	if now.Before(w.Began) || !now.Before(w.Began.Add(t.period())) {
		*w = Window{Began: message.Milliseconds(now)}
	}
	w.Messages++
	w.Bytes += bytes
	return w.Began
}

// Back takes a message out of the count that did not go after all.
func (w *Window) Back(began time.Time, bytes int64) {
	if !began.IsZero() && began.Equal(w.Began) {
		w.Messages--
		w.Bytes -= bytes
	}
}
