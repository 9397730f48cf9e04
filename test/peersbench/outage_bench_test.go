package peersbench

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"grove/test/grovetest"
)

// Sizes of BenchmarkOutage.
const (
	outageRate  = 300 // events a second
	outageBatch = 1000
	outageSteps = 3 // times a second that new ones happen
	outageLook  = 50 * time.Millisecond
	outageMost  = 20 * time.Minute // until all are there
)

// outageTree has what happened during the outage apart from what is new after it.
const outageTree = "grove: 1\napplication: shop\nat: /shop\ntree:\n  Missed: { kind: log }\n  New: { kind: log }\n"

// BenchmarkOutage cuts the link between two managers and has as many events happen as
// GROVE_EVENTS says (540,000: what 300 a second are in 30 minutes), as fast as they are taken.
// Both managers are killed and started again meanwhile. Then the link is mended, and once it
// is up 300 new ones a second happen until all are there:
//
//	go test ./test/peersbench -run '^$' -bench '^BenchmarkOutage$' -benchtime 1x -timeout 30m
//
// In the end the journals of both are compared: every event once, in the order in which it was
// acknowledged. Times are from the push over REST to an answer over REST.
func BenchmarkOutage(b *testing.B) {
	missed := count(b, "GROVE_EVENTS", 540_000)
	for b.Loop() {
		hub := newManager(b, "hub", true, "", nil)
		link := newCable(b, hub.peers)
		hub.Write("peers.yaml", fmt.Sprintf("listen: [\"tls://%s\"]\nways: [\"tls://%s\"]\n", hub.peers, link.address()))
		edge := newManager(b, "edge", false, "integrate: false\n", map[string]string{"shop.yaml": outageTree})
		hub.Start()
		edge.Start()
		edge.joins(hub)
		o := &outage{b, hub, edge, map[string]int{}}
		o.happen("Missed", 1)
		o.comes("Missed", 1)

		link.set(true)
		until := func(number int) {
			for o.sent["Missed"] < number {
				o.happen("Missed", min(outageBatch, number-o.sent["Missed"]))
			}
		}
		began := time.Now()
		until(missed / 3)
		hub.Kill()
		until(missed / 2)
		edge.Kill()
		edge.Start()
		until(missed * 2 / 3)
		hub.Start()
		until(missed)
		b.ReportMetric(float64(missed)/time.Since(began).Seconds(), "events/s-taken")

		link.set(false)
		mended := time.Now()
		o.linked()
		b.ReportMetric(time.Since(mended).Seconds(), "s-linked")
		late := o.catchUp(missed)
		b.ReportMetric(time.Since(mended).Seconds(), "s-caught-up")
		// What happens before the hub has asked for the first time belongs to what was missed.
		b.ReportMetric(late[0].Seconds(), "s-first-new")
		rest := slices.Sorted(slices.Values(late[min(1, len(late)-1):]))
		b.ReportMetric(rest[len(rest)/2].Seconds(), "s-median-new")
		b.ReportMetric(rest[len(rest)-1].Seconds(), "s-worst-new")
		wrong := 0
		for _, log := range []string{"Missed", "New"} {
			wrong += o.wrong(log)
		}
		b.ReportMetric(float64(wrong), "wrong")
		b.ReportMetric(0, "ns/op")
	}
}

// outage is two managers and what happened at one of them.
type outage struct {
	b         *testing.B
	hub, edge *manager
	sent      map[string]int // by log; the last has this number
}

// happen has so many events happen; all are acknowledged.
func (o *outage) happen(log string, events int) {
	o.b.Helper()
	readings := make([]map[string]any, events)
	for i := range readings {
		o.sent[log]++
		readings[i] = map[string]any{"path": "/shop/" + log, "event": map[string]any{"text": fmt.Sprint(o.sent[log]), "status": "green"}}
	}
	if err := o.edge.Push(readings...); err != nil {
		o.b.Fatal(err)
	}
}

// linked waits until the hub hears the edge.
func (o *outage) linked() {
	o.b.Helper()
	o.hub.Eventually(func() error {
		for _, p := range o.hub.others(o.b) {
			if p.Name == o.edge.Name && p.Link != nil && p.Link.Up {
				return nil
			}
		}
		return errors.New("the link is not up")
	})
}

// catchUp has new events happen until the hub has all that it missed and those, and returns
// how late the last of each step came.
func (o *outage) catchUp(missed int) (late []time.Duration) {
	o.b.Helper()
	type step struct {
		last int
		at   time.Time
	}
	var steps []step
	happen, look := time.NewTicker(time.Second/outageSteps), time.NewTicker(outageLook)
	defer happen.Stop()
	defer look.Stop()
	for began := time.Now(); ; {
		select {
		case <-happen.C:
			o.happen("New", outageRate/outageSteps)
			steps = append(steps, step{o.sent["New"], time.Now()})
		case <-look.C:
			newest, now := o.newest("New"), time.Now()
			for len(steps) > 0 && steps[0].last <= newest {
				late = append(late, now.Sub(steps[0].at))
				steps = steps[1:]
			}
			if len(late) > 0 && o.newest("Missed") == missed && o.behind() < outageRate {
				for _, s := range steps {
					o.comes("New", s.last)
					late = append(late, time.Since(s.at))
				}
				return late
			}
			if time.Since(began) > outageMost {
				o.b.Fatalf("%d of %d events after %v, and %d entries are missing", o.newest("Missed"), missed, outageMost, o.behind())
			}
		}
	}
}

// newest is the number of the newest event of a log that the hub has.
func (o *outage) newest(log string) (number int) {
	o.b.Helper()
	var page struct{ Entries []grovetest.Entry }
	if err := o.hub.Ask("/api/v1/journal?"+url.Values{"path": {hung + log}, "only": {"true"}, "kind": {"event"}, "limit": {"1"}}.Encode(), &page); err != nil {
		o.b.Fatal(err)
	}
	for _, e := range page.Entries {
		if _, err := fmt.Sscan(e.Text, &number); err != nil {
			o.b.Fatal(err)
		}
	}
	return number
}

// comes waits until the hub has an event.
func (o *outage) comes(log string, number int) {
	o.b.Helper()
	o.hub.Eventually(func() error {
		if newest := o.newest(log); newest < number {
			return fmt.Errorf("the newest in %s is %d, not %d", log, newest, number)
		}
		return nil
	})
}

// behind is how many entries the hub knows to be missing.
func (o *outage) behind() int64 {
	for _, p := range o.hub.others(o.b) {
		if p.Name == o.edge.Name {
			return p.Lag.Entries
		}
	}
	o.b.Fatal("the hub does not know the edge")
	return 0
}

// hung is where the tree of the edge hangs.
const hung = "/Managers/edge/shop/"

// wrong counts events of a log that the hub has not, has twice, or out of order.
func (o *outage) wrong(log string) (wrong int) {
	o.b.Helper()
	o.comes(log, o.sent[log])
	for at, m := range map[string]*manager{"/shop/" + log: o.edge, hung + log: o.hub} {
		next := 1
		if err := m.Journal(at, "event", "", "", func(e grovetest.Entry) {
			if e.Text != fmt.Sprint(next) {
				if wrong++; wrong < 10 {
					o.b.Errorf("%s of %s has %s where %d should be", at, m.Name, e.Text, next)
				}
			}
			next++
		}); err != nil {
			o.b.Fatal(err)
		}
		if next != o.sent[log]+1 {
			wrong++
			o.b.Errorf("%s of %s has %d events, not %d", at, m.Name, next-1, o.sent[log])
		}
	}
	return wrong
}
