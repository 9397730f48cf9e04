package icmp

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// TestSchedule has no socket: when requests are queued and series end is a matter of time
// alone.
func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		name   string
		full   bool // nothing has room after the first request
		until  time.Duration
		queued int // at the end
		end    time.Duration
	}{
		{name: "all requests", until: 300 * time.Millisecond, queued: 3, end: 300 * time.Millisecond},
		{name: "until the run's end", until: 150 * time.Millisecond, queued: 2, end: 150 * time.Millisecond},
		{name: "too many under way", full: true, until: 300 * time.Millisecond, queued: 1, end: 300 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := netip.MustParseAddr("192.0.2.1")
				l := &line{socket: &socket{raw: true}, begin: time.Now(), wake: make(chan struct{}, 1)}
				owner := newFlights(series{to: to, count: 3, interval: 100 * time.Millisecond}, newSockaddr(to), tt.until)
				start := time.Now()
				if err := l.launch(owner); err != nil {
					t.Fatal(err)
				}
				<-l.wake
				if tt.full {
					l.count = maxUnderWay
				}
				for len(owner.change) == 0 {
					wait := l.dueLocked()
					if wait == 0 {
						break
					}
					time.Sleep(wait)
				}
				if took := time.Since(start); len(owner.change) != 1 || took < tt.end || took > tt.end+slot {
					t.Errorf("it ended %d times, after %v", len(owner.change), took)
				}
				if len(l.queue) != tt.queued || len(l.later) != 0 {
					t.Errorf("%d queued, %d filed", len(l.queue), len(l.later))
				}
				if tt.full {
					l.count = len(owner.list)
				}
				if l.land(owner); l.count != 0 {
					t.Errorf("%d are under way", l.count)
				}
			})
		})
	}
}

// TestLand holds that a series that is over leaves nothing behind.
func TestLand(t *testing.T) {
	to := netip.MustParseAddr("192.0.2.1")
	l := &line{socket: &socket{}, begin: time.Now(), wake: make(chan struct{}, 1)}
	var list []*flights
	for range 10 {
		owner := newFlights(series{to: to, count: 4, interval: time.Second}, newSockaddr(to), time.Minute)
		if err := l.launch(owner); err != nil {
			t.Fatal(err)
		}
		list = append(list, owner)
	}
	for i := range list {
		if got := l.land(list[(i+3)%len(list)]); len(got) != 0 {
			t.Errorf("got %v of requests that were never sent", got)
		}
	}
	if l.count != 0 || len(l.later) != 0 {
		t.Errorf("%d are under way, %d filed", l.count, len(l.later))
	}
}
