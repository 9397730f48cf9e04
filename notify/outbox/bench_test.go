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

// BenchmarkThrough puts messages of a kilobyte to 20 channels from 64 goroutines, so many
// with each piece of work, until all of them have been sent and that is on disk.
func BenchmarkThrough(b *testing.B) {
	for _, each := range []int{1, 10} {
		for name, open := range map[string]func(testing.TB) *storetest.Database{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
			b.Run(fmt.Sprintf("%s/each=%d", name, each), func(b *testing.B) {
				through(b, open(b), each)
			})
		}
	}
}

func through(b *testing.B, d *storetest.Database, each int) {
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
	var next, put atomic.Int64
	var putters sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		putters.Go(func() {
			for {
				var messages []Message
				for last := next.Add(int64(each)); len(messages) < each; {
					i := last - int64(len(messages))
					messages = append(messages, Message{
						Key: fmt.Sprint(i), Channel: fmt.Sprint("c", i%20), Persistent: true, Body: body, Title: "/shop/web1/Up is red",
					})
				}
				if next.Load() > int64(b.N)+64*int64(each) {
					return
				}
				put.Add(int64(each))
				if err := o.Add(context.Background(), messages...); err != nil {
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
	if got.Load() != put.Load() {
		b.Errorf("%d of %d were sent", got.Load(), put.Load())
	}
	b.ReportMetric(float64(put.Load())/b.Elapsed().Seconds(), "messages/s")
}
