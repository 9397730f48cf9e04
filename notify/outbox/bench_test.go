package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"grove/tree/store/storetest"
)

// BenchmarkThrough puts messages of a kilobyte from 64 goroutines, each in a transaction
// of its own, to so many channels, until all of them have been sent and that is on disk.
func BenchmarkThrough(b *testing.B) {
	for _, channels := range []int{1, 20} {
		for name, open := range map[string]func(testing.TB) *storetest.Database{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
			b.Run(fmt.Sprintf("%s/channels=%d", name, channels), func(b *testing.B) {
				through(b, open(b), channels)
			})
		}
	}
}

func through(b *testing.B, d *storetest.Database, channels int) {
	var got atomic.Int64
	o := New(Options{Store: d.Open(b), Send: func(context.Context, *Message) error { got.Add(1); return nil }})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := o.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	body := json.RawMessage(`"` + strings.Repeat("x", 1000) + `"`)
	var next atomic.Int64
	var putters sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		putters.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				m := Message{Key: fmt.Sprint(i), Channel: fmt.Sprint("c", i%int64(channels)), Persistent: true, Body: body, Title: "/shop/web1/Up is red"}
				if err := o.Add(context.Background(), m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	putters.Wait()
	for {
		if s := o.Stats(); s.Total.Waiting == 0 && s.Unmarked == 0 {
			break
		}
		_ = o.save(ctx)
	}
	b.StopTimer()
	cancel()
	all.Wait()
	if got.Load() != int64(b.N) {
		b.Errorf("%d of %d were sent", got.Load(), b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
