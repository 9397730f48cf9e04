package outbox

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox/message"
	"grove/tree/store/storetest"
)

// history is what a test has done with an outbox, and what it knows that must come of it.
type history struct {
	*world
	random *rand.Rand

	mu        sync.Mutex
	serial    int
	owed      map[string]*promise // by "channel key"
	disturbed bool                // an order need not hold any more
	order     map[string]int      // the last serial that came first, by channel and precedence
	mood      map[string]int      // of a channel: 0 it takes everything, 1 it is down, 2 it refuses for good, 3 it wants to be left alone
}

// promise is one message that was acknowledged.
type promise struct {
	m         Message
	serial    int
	delivered int
	dropped   bool
}

// histories is low, as each run of the tests has other ones: 200 take some minutes.
var histories = flag.Int("histories", 2, "how many histories TestHistories makes up on each engine")

// TestHistories does things at random, with crashes between any two of them.
func TestHistories(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("GROVE_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("GROVE_SEED=%d", seed)
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		for i := range *histories {
			another := d
			if i > 0 && d.Engine == "sqlite" {
				another = storetest.SQLite(t)
			} else if i > 0 {
				another = storetest.Postgres(t)
			}
			h := &history{world: newWorld(t, another), random: rand.New(rand.NewPCG(seed, uint64(i))), owed: map[string]*promise{}, order: map[string]int{}, mood: map[string]int{}}
			h.options.Attempts, h.options.Settings.Limits.Total.Messages, h.options.Send = 6, 40, h.take
			h.Outbox = New(h.options)
			h.live()
			if t.Failed() {
				return
			}
		}
	})
}

// take is the receiver.
func (h *history) take(_ context.Context, m *Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.mood[m.Channel] {
	case 1:
		return errors.New("down")
	case 2:
		return channel.Permanent(errors.New("refused"))
	case 3:
		return channel.RetryAfter(errors.New("busy"), time.Minute)
	}
	p := h.owed[m.Channel+" "+m.Key]
	if p == nil { // its transaction is committed, which the test does not know yet
		p = h.promised(*m)
	}
	p.delivered++
	lane := m.Channel + " " + m.Precedence.String()
	if p.delivered == 1 && !h.disturbed {
		if p.serial < h.order[lane] {
			h.Errorf("%s came after one that was put later", m.Key)
		}
		h.order[lane] = p.serial
	}
	return nil
}

// promised notes a message.
func (h *history) promised(m Message) *promise {
	p := h.owed[m.Channel+" "+m.Key]
	if p == nil {
		p = &promise{m: m}
		h.owed[m.Channel+" "+m.Key] = p
		_, _ = fmt.Sscanf(strings.TrimLeft(m.Key, "k"), "%d", &p.serial)
	}
	return p
}

func (h *history) live() {
	h.Helper()
	h.begin()
	for range 80 {
		h.step()
		balanced(h.TB, h.Outbox)
	}
	// In the end everything works, and dead letters are sent again.
	h.mu.Lock()
	clear(h.mood)
	h.disturbed = true
	h.mu.Unlock()
	for _, one := range []string{"a", "b", "c"} {
		if err := h.Start(h.Context(), one); err != nil {
			h.Fatal(err)
		}
	}
	h.until("the end", func() bool {
		h.pass(10 * time.Minute)
		return h.counts().Waiting == 0
	})
	h.restart()
	h.until("the start", h.isLoaded)
	page, err := h.List(h.Context(), Query{State: Dead, Limit: MaxLimit})
	if err != nil {
		h.Fatal(err)
	}
	dead := map[string]bool{}
	for _, m := range page.Messages {
		dead[m.Channel+" "+m.Key] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, p := range h.owed {
		if p.m.Persistent && p.delivered == 0 && !p.dropped && !dead[name] && p.m.Ends.IsZero() {
			h.Errorf("%s was put and is neither sent, dead, dropped nor over", name)
		}
	}
}

func (h *history) isLoaded() bool {
	h.Outbox.mu.Lock()
	defer h.Outbox.mu.Unlock()
	return h.loaded
}

// begin runs it; it may end with an error when the database is closed under it.
func (h *history) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = h.Run(ctx) })
	h.end = sync.OnceFunc(func() { cancel(); all.Wait() })
	h.Cleanup(h.end)
	h.until("the start", h.isLoaded)
}

// restart opens everything again, with or without a crash.
func (h *history) restart() {
	h.Helper()
	if h.random.IntN(2) == 0 { // what is not yet marked stays so
		if err := h.store.Close(); err != nil {
			h.Fatal(err)
		}
	}
	h.end()
	if err := h.store.Close(); err != nil {
		h.Fatal(err)
	}
	h.open()
	h.begin()
}

func (h *history) step() {
	h.Helper()
	channels := []string{"a", "b", "c"}
	one := channels[h.random.IntN(len(channels))]
	switch n := h.random.IntN(100); {
	case n < 60:
		h.mu.Lock()
		h.serial++
		m := written(fmt.Sprintf("%s k%d", one, h.serial))
		h.mu.Unlock()
		m.Precedence, m.Persistent = Precedence(h.random.IntN(message.Precedences)), h.random.IntN(3) > 0
		if h.random.IntN(6) == 0 {
			m.Ends = h.clock().Add(time.Duration(h.random.IntN(60)) * time.Second)
		}
		err := h.Add(h.Context(), m)
		var full *FullError
		if err != nil && !errors.As(err, &full) {
			h.Fatal(err)
		}
		if err == nil {
			h.mu.Lock()
			h.promised(m)
			h.mu.Unlock()
		}
	case n < 72:
		h.mu.Lock()
		h.mood[one] = h.random.IntN(4)
		h.mu.Unlock()
	case n < 86:
		h.pass(time.Duration(h.random.IntN(20000)) * time.Millisecond)
	case n < 89:
		if err := h.Stop(h.Context(), one); err != nil {
			h.Fatal(err)
		}
	case n < 93:
		if err := h.Start(h.Context(), one); err != nil {
			h.Fatal(err)
		}
	case n < 95:
		h.change(h.Resend, Dead)
	case n < 96:
		h.change(h.Drop, "")
	default:
		h.restart()
	}
}

// change drops some messages, or has them sent again.
func (h *history) change(do func(context.Context, []int64) ([]int64, error), s State) {
	h.Helper()
	page, err := h.List(h.Context(), Query{State: s, Limit: 5})
	if err != nil {
		h.Fatal(err)
	}
	byID := map[int64]Message{}
	var ids []int64
	for _, m := range page.Messages {
		byID[m.ID] = m
		ids = append(ids, m.ID)
	}
	h.mu.Lock()
	h.disturbed = h.disturbed || s == Dead && len(ids) > 0
	h.mu.Unlock()
	done, err := do(h.Context(), ids)
	if err != nil {
		h.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range done {
		if m := byID[id]; s == "" {
			h.promised(m).dropped = true
		}
	}
}

// TestAStopEndsAndMarks: what is under way is let end, and is marked.
func TestAStopEndsAndMarks(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	begun, end := make(chan struct{}), make(chan struct{})
	w.answers(func(*Message) error { close(begun); <-end; return nil })
	w.run()
	w.add("mail m1", "mail m2")
	<-begun
	var all sync.WaitGroup
	all.Go(w.end)
	w.until("the stop", func() bool { w.Outbox.mu.Lock(); defer w.Outbox.mu.Unlock(); return w.stopping })
	close(end)
	all.Wait()
	w.answers(nil)
	w.restart()
	w.delivers("mail m1", "mail m2")
	if n := w.counts(); n.Restored != 1 {
		t.Errorf("%+v", n)
	}
}
