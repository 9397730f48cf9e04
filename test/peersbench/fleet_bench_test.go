package peersbench

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Sizes of BenchmarkFleet.
const (
	fleetNodes  = 1000 // of each manager
	fleetGroups = 10
	fleetRounds = 5 // in which all nodes of all change
	fleetStarts = 4 // managers that start at the same time
)

// BenchmarkFleet hangs the trees of as many managers as GROVE_MANAGERS says (100), of 1,000
// nodes each, in one, all of them processes of their own:
//
//	go test ./test/peersbench -run '^$' -bench '^BenchmarkFleet$' -benchtime 1x -timeout 30m
//
// All are started, then joined one after the other as fast as they answer. Deltas are changes
// of nodes that were pushed to their managers over REST and are in the tree of the one that
// joins all: of all managers at once, and of one alone. Their bytes are all that came over the
// links meanwhile, with whatever else managers tell each other.
func BenchmarkFleet(b *testing.B) {
	managers := count(b, "GROVE_MANAGERS", 100)
	for b.Loop() {
		f := newFleet(b, managers)
		hub, all := f.hub, f.all
		before := hub.memory(true)
		f.change(b, all) // A node without a reading is white, and has nothing to tell.
		began := time.Now()
		for _, m := range all {
			m.joins(hub)
		}
		for _, m := range all {
			f.arrived(m)
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-joined")
		b.ReportMetric((hub.memory(true)-before)/1e6, "MB-hub")
		b.ReportMetric(all[0].memory(true)/1e6, "MB-member")
		rate, bytes := f.rate(b, all)
		b.ReportMetric(rate, "deltas/s")
		b.ReportMetric(bytes, "bytes/delta")
		rate, bytes = f.rate(b, all[:1])
		b.ReportMetric(rate, "deltas/s-of-one")
		b.ReportMetric(bytes, "bytes/delta-of-one")
		b.ReportMetric(0, "ns/op")
	}
}

// area is a definition of fleetNodes nodes that are pushed to.
func area() string {
	var b strings.Builder
	b.WriteString("grove: 1\napplication: area\nat: /area\ntree:\n")
	for g := range fleetGroups {
		fmt.Fprintf(&b, "  group%d:\n    nodes:\n", g)
		for n := range fleetNodes / fleetGroups {
			fmt.Fprintf(&b, "      node%d: { kind: performance, mode: push, red: \"> 1000000\" }\n", n)
		}
	}
	return b.String()
}

// fleet is many managers in the tree of one.
type fleet struct {
	hub   *manager
	all   []*manager
	value int // that every node was last given
}

// newFleet starts a manager and so many others, which have not joined it yet.
func newFleet(b *testing.B, managers int) *fleet {
	b.Helper()
	f := &fleet{hub: newManager(b, "hub", true, "", nil)}
	f.hub.Start()
	for k := range managers {
		f.all = append(f.all, newManager(b, fmt.Sprintf("m%d", k), false, "integrate: false\n", map[string]string{"area.yaml": area()}))
	}
	for some := range slices.Chunk(f.all, fleetStarts) {
		for _, m := range some {
			m.Launch()
		}
		for _, m := range some {
			m.Ready()
		}
	}
	return f
}

// change gives all nodes of some managers another value.
func (f *fleet) change(b *testing.B, some []*manager) {
	b.Helper()
	f.value++
	var work sync.WaitGroup
	errs := make([]error, len(some))
	room := make(chan struct{}, 8)
	for k, m := range some {
		room <- struct{}{}
		work.Go(func() {
			readings := make([]map[string]any, 0, fleetNodes)
			for g := range fleetGroups {
				for n := range fleetNodes / fleetGroups {
					readings = append(readings, map[string]any{"path": fmt.Sprintf("/area/group%d/node%d", g, n), "value": f.value})
				}
			}
			errs[k] = m.Push(readings...)
			<-room
		})
	}
	work.Wait()
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// arrived waits until the last node of a manager has its value in the tree of the hub.
func (f *fleet) arrived(m *manager) {
	path := fmt.Sprintf("/Managers/%s/area/group%d/node%d", m.Name, fleetGroups-1, fleetNodes/fleetGroups-1)
	f.hub.Eventually(func() error {
		n, err := f.hub.Node(path)
		if err == nil && (n.Value == nil || n.Value.String() != fmt.Sprint(f.value)) {
			err = fmt.Errorf("%s is %v, not %d", path, n.Value, f.value)
		}
		return err
	})
}

// rate has all nodes of some managers change some times, and returns how many changes a second
// arrived, and for how many bytes.
func (f *fleet) rate(b *testing.B, some []*manager) (perSecond, bytes float64) {
	b.Helper()
	before, _ := f.bytes(b)
	began := time.Now()
	for range fleetRounds {
		f.change(b, some)
		for _, m := range some {
			f.arrived(m)
		}
	}
	took := time.Since(began)
	deltas := float64(fleetRounds * fleetNodes * len(some))
	after, _ := f.bytes(b)
	return deltas / took.Seconds(), float64(after-before) / deltas
}

// countedWithin is how old figures of links are at most.
const countedWithin = 1100 * time.Millisecond

// bytes is what has come over all links, and what was sent.
func (f *fleet) bytes(b *testing.B) (in, out uint64) {
	b.Helper()
	<-time.After(countedWithin)
	for _, p := range f.hub.others(b) {
		if p.Link != nil {
			in, out = in+p.Link.BytesIn, out+p.Link.BytesOut
		}
	}
	return in, out
}
