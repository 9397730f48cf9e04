package throttle

import (
	"testing"
	"time"

	"grove/notify/outbox/message"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestAWindow lets go what the throttle has for a period, and begins another after it.
func TestAWindow(t *testing.T) {
	type try struct {
		after time.Duration // since start
		bytes int64
		until time.Duration // since start; zero: it goes
	}
	const minute = time.Minute
	for name, c := range map[string]struct {
		throttle Throttle
		tries    []try
	}{
		"none":     {Throttle{}, []try{{0, 1 << 40, 0}, {0, 1 << 40, 0}}},
		"messages": {Throttle{Per: minute, Messages: 2}, []try{{0, 9, 0}, {30 * time.Second, 9, 0}, {31 * time.Second, 1, minute}, {minute, 1, 0}, {minute, 1, 0}, {minute, 1, 2 * minute}}},
		"bytes":    {Throttle{Per: minute, Bytes: 20}, []try{{0, 15, 0}, {0, 6, minute}, {0, 5, 0}, {0, 1, minute}, {minute, 20, 0}}},
		"an hour is the period where none is said":    {Throttle{Messages: 1}, []try{{0, 1, 0}, {time.Second, 1, time.Hour}}},
		"a clock that is set back begins another one": {Throttle{Per: minute, Messages: 1}, []try{{0, 1, 0}, {-time.Hour, 1, 0}, {-time.Hour, 1, minute - time.Hour}}},
	} {
		t.Run(name, func(t *testing.T) {
			var w Window
			for i, one := range c.tries {
				now := start.Add(one.after)
				var want time.Time
				if one.until != 0 {
					want = start.Add(one.until)
				}
				got := w.Until(&c.throttle, one.bytes, now)
				if !got.Equal(want) {
					t.Errorf("%d: until %s, want %s", i, got, want)
				}
				if got.IsZero() {
					w.Take(&c.throttle, one.bytes, now)
				}
			}
		})
	}
}

// TestBackCountsOnlyItsPeriod: what did not go in the period before is no room in this one.
func TestBackCountsOnlyItsPeriod(t *testing.T) {
	throttle, w := Throttle{Per: time.Minute, Messages: 2}, Window{}
	began := w.Take(&throttle, 5, start)
	w.Back(began, 5)
	if w.Messages != 0 || w.Bytes != 0 {
		t.Errorf("%+v", w)
	}
	began = w.Take(&throttle, 5, start)
	w.Take(&throttle, 7, start.Add(time.Minute))
	w.Back(began, 5)
	if w.Messages != 1 || w.Bytes != 7 {
		t.Errorf("%+v", w)
	}
}

func TestWhatMayNeverGo(t *testing.T) {
	for want, throttle := range map[string]Throttle{
		"": {Bytes: 10, MessageBytes: 10},
		"its 10 bytes are more than the throttle allows a message, 9": {MessageBytes: 9},
		"its 10 bytes are more than the throttle allows in 1h0m0s, 9": {Bytes: 9},
		"its 10 bytes are more than the throttle allows in 1m0s, 8":   {Bytes: 8, Per: time.Minute},
	} {
		if got := throttle.Never(10); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestThrottlesThatAreWrong(t *testing.T) {
	for want, throttles := range map[string]Throttles{
		"x.total.per: 1ms is not between 1s and 744h0m0s": {Total: Throttle{Per: time.Millisecond}},
		"x.total.bytes: -1 is less than zero":             {Total: Throttle{Bytes: -1}},
		"x.total.message_bytes: -1 is less than zero":     {Total: Throttle{MessageBytes: message.Size(-1)}},
		"x.channels.sms.messages: -5 is less than zero":   {Channels: map[string]Throttle{"sms": {Messages: -5}}},
	} {
		if err := throttles.Check("x."); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
