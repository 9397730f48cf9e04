package fabric_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/fabric"
)

// pair returns a manager that listens, and one that is linked to it over TLS.
func pair(b *testing.B) (hub, one *fabric.Fabric) {
	b.Helper()
	ca := newCA(b)
	hub = manager(b, fabric.Options{Self: first, Security: ca.security(b, first, hour), Listen: []string{"tls://127.0.0.1:0"}, Log: quiet})
	one = manager(b, fabric.Options{Self: second, Security: ca.security(b, second, hour), Log: quiet})
	if err := one.Connect(hub.Addresses()[0], first); err != nil {
		b.Fatal(err)
	}
	wait(b, func() bool { return isUp(hub, second) && isUp(one, first) })
	return hub, one
}

func wait(b *testing.B, holds func() bool) {
	b.Helper()
	end := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-end:
			b.Fatal("it took more than a minute")
		case <-tick.C:
		}
	}
}

// BenchmarkAsk measures questions of 256 bytes, there and back over TLS, one at a time.
func BenchmarkAsk(b *testing.B) {
	hub, one := pair(b)
	hub.Handle("test.echo", func(_ context.Context, _ peer.ID, body []byte) ([]byte, error) { return body, nil })
	body := make([]byte, 256)
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		began := time.Now()
		if _, err := one.Ask(b.Context(), first, "test.echo", body); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1e6, "us-median")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1e6, "us-p99")
}

// BenchmarkAskTogether measures the same of 64 askers at a time, of which the other manager
// answers 16 at the same time.
func BenchmarkAskTogether(b *testing.B) {
	hub, one := pair(b)
	hub.Handle("test.echo", func(_ context.Context, _ peer.ID, body []byte) ([]byte, error) { return body, nil })
	body := make([]byte, 256)
	var left atomic.Int64
	left.Store(int64(b.N))
	var asking sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		asking.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := one.Ask(b.Context(), first, "test.echo", body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	asking.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "questions/s")
}

// BenchmarkStream measures messages of 256 bytes that one manager publishes and another one
// follows, over TLS, from the first until the last has come.
func BenchmarkStream(b *testing.B) {
	hub, one := pair(b)
	var n atomic.Int64
	cancel, err := hub.Follow(second, "s", func([]byte) { n.Add(1) })
	if err != nil {
		b.Fatal(err)
	}
	defer cancel()
	body := make([]byte, 256)
	b.ResetTimer()
	for i := range b.N {
		if err := one.Publish("s", body); err != nil {
			b.Fatal(err)
		}
		if i%1024 == 0 { // what waits is bounded
			wait(b, func() bool { return int64(i)-n.Load() < 16384 })
		}
	}
	wait(b, func() bool { return n.Load() == int64(b.N) })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkLinks measures what a link costs, both sides of it in this process, with its four
// connections' TLS.
func BenchmarkLinks(b *testing.B) {
	const links = 100
	ca := newCA(b)
	hub := manager(b, fabric.Options{Self: first, Security: ca.security(b, first, hour), Listen: []string{"tls://127.0.0.1:0"}, PerAddress: 4 * links, Log: quiet})
	var securities []*security
	for i := range links {
		securities = append(securities, ca.security(b, hexID(i), hour))
	}
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc + m.StackInuse)
	}
	for b.Loop() {
		before := heap()
		began := time.Now()
		var all []*fabric.Fabric
		for i, s := range securities {
			f := manager(b, fabric.Options{Self: hexID(i), Security: s, Log: quiet})
			if err := f.Connect(hub.Addresses()[0], first); err != nil {
				b.Fatal(err)
			}
			all = append(all, f)
		}
		wait(b, func() bool {
			n := 0
			for _, l := range hub.Links() {
				if l.Up {
					n++
				}
			}
			return n == links
		})
		b.ReportMetric(time.Since(began).Seconds(), "s-until-linked")
		b.ReportMetric((heap()-before)/links/1024, "kB/link")
		for _, f := range all {
			f.Close()
		}
		wait(b, func() bool { return !isUp(hub, hexID(links-1)) })
	}
}
