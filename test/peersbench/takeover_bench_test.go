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
//
// What else is told says where the time went: how long a device took from the decision of its
// home, which is the gap but for the verdict and the schedule, and for how long the processors
// worked for each manager meanwhile. Each device asks once a second, and answers with an empty
// page: 1,000 of them keep about a third of a processor busy, the page's server included. The
// gaps are of use while less than that of the machine is busy otherwise.
func BenchmarkTakeover(b *testing.B) {
	devices, kills := count(b, "GROVE_DEVICES", 1000), count(b, "GROVE_KILLS", 20)
	for b.Loop() {
		w := newTarget(b, devices)
		const moves = "move_loopback: true\nstand_in: [\"*\"]\n"
		hub := newManager(b, "hub", true, moves, nil)
		edge := newManager(b, "edge", false, moves, map[string]string{"page.yaml": pages, "pages.yaml": w.instances()})
		east, west := newManager(b, "east", false, moves, nil), newManager(b, "west", false, moves, nil)
		for _, m := range []*manager{hub, edge, east, west} {
			m.Start()
		}
		for _, m := range []*manager{edge, east, west} {
			m.joins(hub)
		}
		owns := func(by string) bool { return by == edge.Name }
		stands := func(by string) bool { return by != edge.Name }
		began := time.Now()
		edge.Eventually(func() error { return w.watched(began, 2, owns) })
		known := time.Now()
		hub.Eventually(func() error {
			return hub.book(devices, "own", func(d *peer.Device) bool { return d.Watcher == edge.Name && len(d.StandIns) > 0 })
		})
		// What others need of a device is left with the hub some seconds after that.
		edge.Eventually(func() error { return w.watched(known, 30, owns) })

		var gaps, backs, doubles, tooks []time.Duration
		all := []*manager{hub, edge, east, west}
		var double int
		for n := range kills {
			w.Forget()
			work := workOf(hub, east, west)
			killed := time.Now()
			edge.Kill()
			hub.Eventually(func() error { return w.watched(killed, 2, stands) })
			gone := w.changes(killed, owns)
			to := map[string]int{}
			var gap []time.Duration
			for _, c := range gone {
				to[c.to]++
				gap = append(gap, c.gap)
			}
			hub.Eventually(func() error {
				return hub.book(devices, "taken", func(d *peer.Device) bool { return d.Watcher != edge.Name && d.Watcher != "" })
			})
			after := w.changes(killed, owns)
			took := hub.took(devices, killed)
			tooks = append(tooks, took...)
			slices.Sort(took)
			b.Logf("kill %d: from the decision until a device was watched %v, at worst %v; worked for%s", n+1, ms(took[len(took)/2]), ms(took[len(took)-1]), work())

			w.Forget()
			again := time.Now()
			edge.Launch()
			work = workOf(all...)
			edge.Ready()
			edge.Eventually(func() error { return w.watched(again, 3, owns) })
			hub.Eventually(func() error {
				return hub.book(devices, "own", func(d *peer.Device) bool { return d.Watcher == edge.Name })
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
					b.Logf("kill %d: asked by two, seconds after the kill or the start: %s", n+1, c.story)
				}
			}
			double += twice
			gaps, backs = append(gaps, gap...), append(backs, back...)
			slices.Sort(gap)
			slices.Sort(back)
			b.Logf("kill %d: the way back, worked for%s", n+1, work())
			b.Logf("kill %d: without a reading %v, at worst %v; taken by %v; back after %v: %v, at worst %v; asked twice %d",
				n+1, ms(gap[len(gap)/2]), ms(gap[len(gap)-1]), to, ms(time.Since(again)), ms(back[len(back)/2]), ms(back[len(back)-1]), twice)
		}
		slices.Sort(gaps)
		slices.Sort(backs)
		slices.Sort(tooks)
		b.ReportMetric(float64(kills), "kills")
		b.ReportMetric(gaps[len(gaps)/2].Seconds(), "s-gap-median")
		b.ReportMetric(gaps[len(gaps)-1].Seconds(), "s-gap-worst")
		b.ReportMetric(tooks[len(tooks)/2].Seconds(), "s-took-median")
		b.ReportMetric(tooks[len(tooks)-1].Seconds(), "s-took-worst")
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

// workOf begins to count how long the processors work for managers.
func workOf(managers ...*manager) (since func() string) {
	before := map[*manager]time.Duration{}
	for _, m := range managers {
		before[m] = m.worked()
	}
	return func() (text string) {
		for _, m := range managers {
			text += fmt.Sprintf(" %s %v", m.Name, ms(m.worked()-before[m]))
		}
		return text
	}
}

// took lists how long the takeovers of devices lasted for their home, which has decided them
// since a time.
func (m *manager) took(devices int, since time.Time) (list []time.Duration) {
	m.Helper()
	var some peer.MovePage
	for q := (url.Values{"limit": {"1000"}}); len(list) < devices; q.Set("after", some.Next) {
		some = peer.MovePage{}
		if err := m.Ask("/api/v1/peers/moves?"+q.Encode(), &some); err != nil {
			m.Fatal(err)
		}
		for i := range some.Moves {
			if v := &some.Moves[i]; v.Why == "takeover" && v.State == peer.Done && v.Time.After(since) {
				list = append(list, time.Duration(v.Took*float64(time.Second)))
			}
		}
		if some.Next == "" {
			break
		}
	}
	if len(list) == 0 {
		m.Fatal("home remembers no takeover")
	}
	return list
}

// book says whether the book of a home has so many devices in a state, all of them right.
func (m *manager) book(devices int, state string, right func(*peer.Device) bool) error {
	found := 0
	for q := (url.Values{"limit": {"1000"}, "state": {state}}); ; {
		var some peer.Devices
		if err := m.Ask("/api/v1/devices?"+q.Encode(), &some); err != nil {
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
		return fmt.Errorf("%s knows of %d devices that are %s as they should be, not %d", m.Name, found, state, devices)
	}
	return nil
}
