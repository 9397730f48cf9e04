package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"grove/beans"
	"grove/beans/monitor"
)

// many registers things by name.
func many(tb testing.TB, n int) (*beans.Server, []beans.Name) {
	tb.Helper()
	server, err := beans.NewServer(beans.ServerOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	names := make([]beans.Name, n)
	for i := range names {
		b := &thing{value: int64(i)}
		if names[i], err = server.Register(b, beans.MustName(fmt.Sprintf("test:type=Thing,name=%d", i))); err != nil {
			tb.Fatal(err)
		}
	}
	return server, names
}

// BenchmarkObjects adds, looks up and removes all objects of one monitor; the figure
// per object stays the same when they are ten times as many.
func BenchmarkObjects(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			server, names := many(b, n)
			s := monitor.NewService(monitor.Options{Beans: server})
			for b.Loop() {
				g := s.NewGauge()
				for _, name := range names {
					if err := g.Observe(name); err != nil {
						b.Fatal(err)
					}
				}
				for _, name := range names {
					if !g.Observes(name) {
						b.Fatal(name)
					}
				}
				for _, name := range names {
					g.Unobserve(name)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/object")
		})
	}
}

// BenchmarkScan scans the objects of one monitor.
func BenchmarkScan(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			server, names := many(b, n)
			s := monitor.NewService(monitor.Options{Beans: server})
			g := s.NewGauge()
			_ = g.SetObservedAttribute("Value")
			_ = g.SetPeriod(time.Millisecond)
			scanned := make(chan struct{})
			last := &asked{thing: thing{value: int64(0)}, ask: func() { scanned <- struct{}{} }}
			lastName, err := server.Register(last, beans.MustName("test:type=Last"))
			if err != nil {
				b.Fatal(err)
			}
			for _, name := range append(names, lastName) {
				_ = g.Observe(name)
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error)
			go func() { done <- s.Run(ctx) }()
			_ = g.Start()
			<-scanned
			for b.Loop() {
				<-scanned
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/object")
			g.Stop()
			cancel()
			for {
				select {
				case <-scanned:
				case err := <-done:
					if !errors.Is(err, context.Canceled) {
						b.Error(err)
					}
					return
				}
			}
		})
	}
}

// TestManyObjects holds that 100,000 objects are scanned, removed and added again, all
// in their order.
func TestManyObjects(t *testing.T) {
	const n = 100_000
	server, names := many(t, n)
	synctest.Test(t, func(t *testing.T) {
		told := 0
		s := monitor.NewService(monitor.Options{Beans: server, Notify: func(beans.Notification) { told++ }})
		g := s.NewGauge()
		if _, err := server.Register(g, beans.MustName("test:type=Gauge")); err != nil {
			t.Fatal(err)
		}
		_ = g.SetObservedAttribute("Value")
		g.SetNotifyHigh(true)
		if err := g.SetThresholds(int64(n/2), int64(0)); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := g.Observe(name); err != nil {
				t.Fatal(err)
			}
		}
		for i := 1; i < n; i += 2 { // the odd ones go
			g.Unobserve(names[i])
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		if err := g.Start(); err != nil {
			t.Fatal(err)
		}
		pass(15 * time.Second)
		if told != n/4 {
			t.Errorf("%d alarms, want %d", told, n/4)
		}
		for i, name := range g.ObservedObjects() {
			if !name.Equal(names[2*i]) {
				t.Fatalf("object %d is %s", i, name)
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
