package route

import (
	"fmt"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/tree/alert"
	"grove/tree/store/storetest"
)

// storm opens so many alerts of nodes that have nothing to do with each other, within a
// second, and returns how many messages told of them, and how many alerts those counted.
func storm(t testing.TB, w *world, n int) (ids []alert.ID, messages, told int) {
	for i := range n {
		ids = append(ids, w.open(fmt.Sprintf("/host%d/Up", i)))
		if i%(n/10) == 0 {
			w.pass(100 * time.Millisecond)
		}
	}
	w.pass(2 * time.Second)
	for _, d := range w.sent {
		messages++
		told += d.Said.Firing
		if len(d.Body) > channel.MaxBytes {
			t.Errorf("a message of %d bytes", len(d.Body))
		}
	}
	w.sent = nil
	return ids, messages, told
}

// TestAStorm: thousands of alerts are told in as many messages as the route may make, and so
// is that they are over, also when the router dies in between.
func TestAStorm(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t).Open(t), "[{name: all, to: [mail], escalate: [{after: 15m, to: boss}]}]")
	ids, messages, told := storm(t, w, 3_000)
	if messages > DefaultMost || told > 3_000 {
		t.Errorf("%d messages tell of %d alerts", messages, told)
	}
	w.pass(2 * time.Minute) // What came when the minute was full.
	for _, d := range w.sent {
		messages++
		if told = max(told, d.Said.Firing); d.Said.Purpose != channel.Firing {
			t.Errorf("%s", d.Said.Title)
		}
	}
	w.sent = nil
	if s := w.router.Stats(); s.Waiting != 0 || s.Groups > DefaultMost {
		t.Errorf("%+v", s)
	}
	w.restart()
	w.resolve(ids...)
	w.pass(time.Minute)
	over := 0
	for _, d := range w.sent {
		over += d.Said.Resolved
		if d.Said.Purpose != channel.Resolution {
			t.Errorf("%s", d.Said.Title)
		}
	}
	if over != len(ids) || len(w.sent) > messages {
		t.Errorf("%d messages end %d alerts, and %d told of them", len(w.sent), over, messages)
	}
	if s := w.router.Stats(); s.Groups != 0 {
		t.Errorf("%+v", s)
	}
}

// BenchmarkStorm is the time from ten thousand unrelated alerts to their messages on disk.
func BenchmarkStorm(b *testing.B) {
	w := newWorld(b, storetest.SQLite(b).Open(b), "[{name: all, to: [mail]}]")
	for b.Loop() {
		ids, _, _ := storm(b, w, 10_000)
		b.StopTimer()
		w.resolve(ids...)
		w.pass(5 * time.Minute)
		w.alerts, w.order, w.sent = map[alert.ID]*alert.Alert{}, nil, nil
		b.StartTimer()
	}
}
