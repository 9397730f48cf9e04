package heartbeat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"grove/notify/channel"
	"grove/notify/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box keeps what is put into it.
type box struct {
	mu   sync.Mutex
	all  []outbox.Message
	full error
}

func (b *box) Add(_ context.Context, messages ...outbox.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full != nil {
		return b.full
	}
	b.all = append(b.all, messages...)
	return nil
}

// to returns how many went to a channel.
func (b *box) to(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, m := range b.all {
		if m.Channel == name {
			n++
		}
	}
	return n
}

func TestHeartsBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b box
		var log bytes.Buffer
		var mu sync.Mutex
		var sick error
		h := New(Config{Outbox: &b, Manager: "m1", Log: slog.New(slog.NewTextHandler(&log, nil)), Healthy: func() error {
			mu.Lock()
			defer mu.Unlock()
			return sick
		}})
		set := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			sick = err
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = h.Run(ctx) })
		after := func(d time.Duration, fast, slow int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if f, s := b.to("fast"), b.to("slow"); f != fast || s != slow {
				t.Errorf("%d fast and %d slow ones, want %d and %d", f, s, fast, slow)
			}
		}
		after(time.Hour, 0, 0)
		h.Replace(map[string]Options{"a": {To: "fast", Every: 10 * time.Second}, "b": {To: "slow"}})
		after(0, 1, 1)
		after(time.Minute, 7, 2)
		// What stays keeps its time.
		time.Sleep(5 * time.Second)
		h.Replace(map[string]Options{"a": {To: "fast", Every: 10 * time.Second}, "b": {To: "slow", Every: 2 * time.Minute}})
		after(0, 7, 3)
		after(5*time.Second, 8, 3)
		// A manager that is not well says nothing.
		set(errors.New("the tree has stopped"))
		after(10*time.Minute, 8, 3)
		set(nil)
		after(10*time.Second, 9, 4)
		// Nor does one whose outbox takes nothing; none is made up for.
		b.mu.Lock()
		b.full = errors.New("the outbox is full")
		b.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		b.mu.Lock()
		b.full = nil
		b.mu.Unlock()
		after(10*time.Second, 10, 4)
		h.Replace(nil)
		after(time.Hour, 10, 4)
		cancel()
		wg.Wait()

		keys := map[string]bool{}
		for _, m := range b.all {
			if keys[m.Key] {
				t.Errorf("%s is the key of two", m.Key)
			}
			keys[m.Key] = true
		}
		m := b.all[0]
		if m.Persistent || m.Precedence != outbox.Bulk || !m.Ends.Equal(m.Made.Add(10*time.Second)) && m.Channel == "fast" {
			t.Errorf("%+v", m)
		}
		var body channel.Message
		if err := json.Unmarshal(m.Body, &body); err != nil || body.Purpose != channel.Heartbeat || body.Key != m.Key || body.Title != "grove on m1 lives" ||
			body.Group != "m1/heartbeat/a" || body.Sequence <= 0 {
			t.Errorf("%+v, %v", body, err)
		}
		if got := strings.Count(log.String(), "held back"); got != 3 { // both, and the fast one again
			t.Errorf("%d complaints:\n%s", got, log.String())
		}
	})
}

// TestClocksJump has the clock set forward and back by a day.
func TestClocksJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b box
		var mu sync.Mutex
		var ahead time.Duration
		jump := func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			ahead += d
		}
		h := New(Config{Outbox: &b, Manager: "m1", Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		}})
		h.Replace(map[string]Options{"a": {To: "x", Every: 10 * time.Second}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = h.Run(ctx) })
		time.Sleep(15 * time.Second)
		jump(24 * time.Hour)
		time.Sleep(30 * time.Second)
		jump(-24 * time.Hour)
		time.Sleep(35 * time.Second)
		cancel()
		wg.Wait()
		if n := b.to("x"); n < 6 || n > 9 {
			t.Errorf("%d heartbeats in 80 s", n)
		}
	})
}

func TestCheck(t *testing.T) {
	for want, o := range map[string]Options{
		"": {To: "x"},
		"to: is missing: the channel that the heartbeat goes to": {Every: time.Minute},
		"every: 10ms is not from 1s to 24h":                      {To: "x", Every: 10 * time.Millisecond},
		"every: 48h0m0s is not from 1s to 24h":                   {To: "x", Every: 48 * time.Hour},
	} {
		got := ""
		if err := o.Check(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
