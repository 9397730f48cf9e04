package peersbench

import (
	"testing"
	"time"
)

// idleFor is how long BenchmarkIdle watches managers that do nothing.
const idleFor = 20 * time.Second

// BenchmarkIdle has as many managers as GROVE_MANAGERS says (100) in the tree of one, of 1,000
// nodes each of which none changes:
//
//	go test ./test/peersbench -run '^$' -bench '^BenchmarkIdle$' -benchtime 1x -timeout 30m
//
// What they take of the processors then, and what comes over the links, is what it costs that
// they know of each other.
func BenchmarkIdle(b *testing.B) {
	managers := count(b, "GROVE_MANAGERS", 100)
	for b.Loop() {
		f := newFleet(b, managers)
		alone, aloneMember := f.hub.memory(true), f.all[0].memory(false)
		f.change(b, f.all)
		for _, m := range f.all {
			m.joins(f.hub)
		}
		for _, m := range f.all {
			f.arrived(m)
		}
		// What they tell each other when they meet is no part of it.
		pause := time.NewTimer(idleFor)
		defer pause.Stop()
		<-pause.C
		members := func() (sum time.Duration) {
			for _, m := range f.all {
				sum += m.worked()
			}
			return sum
		}
		in, out := f.bytes(b)
		hub, all, began := f.hub.worked(), members(), time.Now()
		pause.Reset(idleFor)
		<-pause.C
		took := time.Since(began)
		share := func(d time.Duration) float64 { return 100 * d.Seconds() / took.Seconds() }
		b.ReportMetric(share(f.hub.worked()-hub), "%-hub")
		b.ReportMetric(share(members()-all)/float64(managers), "%-member")
		inNow, outNow := f.bytes(b)
		b.ReportMetric(float64(inNow-in)/took.Seconds()/float64(managers), "bytes/s-to-hub")
		b.ReportMetric(float64(outNow-out)/took.Seconds()/float64(managers), "bytes/s-to-member")
		b.ReportMetric((f.hub.memory(true)-alone)/1e6/float64(managers), "MB-hub-for-each")
		b.ReportMetric(aloneMember/1e6, "MB-alone")
		b.ReportMetric(f.all[0].memory(false)/1e6, "MB-member")
		b.ReportMetric(0, "ns/op")
	}
}
