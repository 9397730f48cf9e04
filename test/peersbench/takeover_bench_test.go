package peersbench

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"grove/viewer/peer"
)

// BenchmarkTakeover kills a manager of 1,000 devices that are each asked every second, as
// often as GROVE_KILLS says (20), and starts it again once others watch them all:
//
//	go test ./test/peersbench -run '^$' -bench '^BenchmarkTakeover$' -benchtime 1x -timeout 60m
//
// All figures are of what the devices themselves saw. A gap is from the last question of the
// one that was killed to the first of another one, of each device: up to a second of it is
// the schedule of its probe. Back is the same from the last question of the stand-in to the
// first of the owner when that is there again. Double are questions of a second manager
// after the first of the one that watches now, which must be none.
func BenchmarkTakeover(b *testing.B) {
	devices, kills := count(b, "GROVE_DEVICES", 1000), count(b, "GROVE_KILLS", 20)
	for b.Loop() {
		w := newTarget(b, devices)
		const moves = "move_loopback: true\nstand_in: [\"*\"]\n"
		hub := newManager(b, "hub", true, moves, nil)
		edge := newManager(b, "edge", false, moves, map[string]string{"page.yaml": pages, "pages.yaml": w.instances()})
		east, west := newManager(b, "east", false, moves, nil), newManager(b, "west", false, moves, nil)
		for _, m := range []*manager{hub, edge, east, west} {
			m.start()
		}
		for _, m := range []*manager{edge, east, west} {
			m.joins(hub)
		}
		owns := func(by string) bool { return by == edge.name }
		stands := func(by string) bool { return by != edge.name }
		began := time.Now()
		edge.eventually(func() error { return w.watched(began, 2, owns) })
		known := time.Now()
		hub.eventually(func() error {
			return hub.book(devices, "own", func(d *peer.Device) bool { return d.Watcher == edge.name && len(d.StandIns) > 0 })
		})
		// What others need of a device is left with the hub some seconds after that.
		edge.eventually(func() error { return w.watched(known, 30, owns) })

		var gaps, backs, doubles []time.Duration
		var double int
		for n := range kills {
			w.forget()
			killed := time.Now()
			edge.kill()
			hub.eventually(func() error { return w.watched(killed, 2, stands) })
			gone := w.changes(killed, owns)
			to := map[string]int{}
			var gap []time.Duration
			for _, c := range gone {
				to[c.to]++
				gap = append(gap, c.gap)
			}
			hub.eventually(func() error {
				return hub.book(devices, "taken", func(d *peer.Device) bool { return d.Watcher != edge.name && d.Watcher != "" })
			})
			after := w.changes(killed, owns)

			w.forget()
			again := time.Now()
			edge.start()
			edge.eventually(func() error { return w.watched(again, 3, owns) })
			hub.eventually(func() error {
				return hub.book(devices, "own", func(d *peer.Device) bool { return d.Watcher == edge.name })
			})
			returned := w.changes(again, stands)
			var back []time.Duration
			for _, c := range returned {
				back = append(back, c.gap)
			}
			twice := 0
			for _, c := range append(after, returned...) {
				if twice += c.double; c.double > 0 {
					doubles = append(doubles, c.over)
				}
			}
			double += twice
			gaps, backs = append(gaps, gap...), append(backs, back...)
			slices.Sort(gap)
			slices.Sort(back)
			b.Logf("kill %d: without a reading %v, at worst %v; taken by %v; back after %v: %v, at worst %v; asked twice %d",
				n+1, ms(gap[len(gap)/2]), ms(gap[len(gap)-1]), to, ms(time.Since(again)), ms(back[len(back)/2]), ms(back[len(back)-1]), twice)
		}
		slices.Sort(gaps)
		slices.Sort(backs)
		b.ReportMetric(float64(kills), "kills")
		b.ReportMetric(gaps[len(gaps)/2].Seconds(), "s-gap-median")
		b.ReportMetric(gaps[len(gaps)-1].Seconds(), "s-gap-worst")
		b.ReportMetric(backs[len(backs)/2].Seconds(), "s-back-median")
		b.ReportMetric(backs[len(backs)-1].Seconds(), "s-back-worst")
		b.ReportMetric(float64(double), "double")
		if len(doubles) > 0 {
			b.ReportMetric(slices.Max(doubles).Seconds(), "s-double-worst")
		}
		b.ReportMetric(0, "ns/op")
	}
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// book says whether the book of a home has so many devices in a state, all of them right.
func (m *manager) book(devices int, state string, right func(*peer.Device) bool) error {
	found := 0
	for q := (url.Values{"limit": {"1000"}, "state": {state}}); ; {
		var some peer.Devices
		if err := m.ask("/api/v1/devices?"+q.Encode(), &some); err != nil {
			return err
		}
		for i := range some.Devices {
			if right(&some.Devices[i]) {
				found++
			}
		}
		if some.Next == "" {
			break
		}
		q.Set("after", some.Next)
	}
	if found < devices {
		return fmt.Errorf("%s knows of %d devices that are %s as they should be, not %d", m.name, found, state, devices)
	}
	return nil
}
