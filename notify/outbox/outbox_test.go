package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/channel"
	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// world is an outbox with a clock and a receiver of its own.
type world struct {
	testing.TB
	db    *storetest.Database
	store *store.Store
	*Outbox
	options Options
	end     func() // stops Run, and waits

	mu     sync.Mutex
	now    time.Time
	got    []string               // "channel key", in the order of delivery
	answer func(m *Message) error // of the receiver; nil is yes
}

// newWorld opens an outbox that does not run yet.
func newWorld(t *testing.T, db *storetest.Database) *world {
	w := &world{TB: t, db: db, now: start}
	w.options = Options{Now: w.clock, Send: w.receive}
	w.open()
	return w
}

func (w *world) open() {
	w.Helper()
	w.store = w.db.Open(w.TB)
	w.options.Store = w.store
	w.Outbox = New(w.options)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	w.now = w.now.Add(d)
	w.mu.Unlock()
	w.Wake()
}

func (w *world) receive(_ context.Context, m *Message) error {
	w.mu.Lock()
	answer := w.answer
	w.mu.Unlock()
	if answer != nil {
		if err := answer(m); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, m.Channel+" "+m.Key)
	return nil
}

func (w *world) answers(answer func(m *Message) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// run starts it.
func (w *world) run() {
	ctx, cancel := context.WithCancel(w.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := w.Run(ctx); err != nil {
			w.Error(err)
		}
	})
	w.end = sync.OnceFunc(func() { cancel(); all.Wait() })
	w.Cleanup(w.end)
}

// restart ends everything and opens it again.
func (w *world) restart() {
	w.Helper()
	w.end()
	if err := w.store.Close(); err != nil {
		w.Fatal(err)
	}
	w.open()
	w.run()
}

// until waits for something, for which there is no time to say.
func (w *world) until(what string, is func() bool) {
	w.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !is(); <-tick.C {
		if time.Now().After(end) {
			stats := w.Stats()
			w.mu.Lock()
			defer w.mu.Unlock()
			w.Fatalf("%s does not come: delivered %q, stats %+v", what, w.got, stats)
		}
	}
}

// delivers waits until exactly this was delivered.
func (w *world) delivers(want ...string) {
	w.Helper()
	w.until(fmt.Sprint(want), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.got) >= len(want)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(want, w.got); diff != "" {
		w.Errorf("-want +got\n%s", diff)
	}
}

// add puts messages given as "channel key precedence".
func (w *world) add(texts ...string) {
	w.Helper()
	for _, text := range texts {
		if err := w.Add(w.Context(), written(text)); err != nil {
			w.Fatal(err)
		}
	}
}

// written is the message that a text stands for, "channel key precedence"; the precedence in capitals is one that is
// not persistent.
func written(text string) Message {
	f := strings.Fields(text)
	p := Normal
	if len(f) > 2 {
		p, _ = ParsePrecedence(strings.ToLower(f[2]))
	}
	return Message{
		Channel: f[0], Key: f[1], Precedence: p, Persistent: len(f) < 3 || f[2] == strings.ToLower(f[2]),
		Title: "title of " + f[1], At: tree.MustPath("/shop/ü"), Purpose: "firing", Body: json.RawMessage(`{"key":"` + f[1] + `"}`),
	}
}

// counts returns the sum over all channels.
func (w *world) counts() Counts { return w.Stats().Total }

func TestWhatIsPutIsSentInItsOrder(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db)
		w.add("mail n1", "mail b2 bulk", "mail n3", "mail u4 urgent", "mail N5 NORMAL", "mail u6 urgent")
		w.run()
		w.delivers("mail u4", "mail u6", "mail n1", "mail n3", "mail N5", "mail b2")
		w.until("the end", func() bool { return w.counts().Sent == 6 && w.Stats().Unmarked == 0 })
		w.restart()
		// Nothing of it waits any more, and what was persistent can be looked at.
		w.until("the start", func() bool { return w.Stats().Kept == 5 })
		page, err := w.List(t.Context(), Query{Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		m := page.Messages[0]
		if len(page.Messages) != 2 || page.Next == "" || m.Key != "u6" || m.State != Sent || m.Attempts != 1 || !m.Settled.Equal(start) || m.Precedence != Urgent ||
			m.At.String() != "/shop/ü" || m.Title != "title of u6" || m.Purpose != "firing" || string(m.Body) != `{"key":"u6"}` {
			t.Errorf("%+v", page)
		}
		rest, err := w.List(t.Context(), Query{After: page.Next, State: Sent, Channel: "mail"})
		if err != nil || len(rest.Messages) != 3 || rest.Next != "" {
			t.Errorf("%+v, %v", rest, err)
		}
		balanced(t, w.Outbox)
	})
}

// TestAPutFollowsItsTransaction: neither before the commit nor without it anything is sent.
func TestAPutFollowsItsTransaction(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db)
		w.run()
		refused := errors.New("changed my mind")
		for _, end := range []error{refused, nil} {
			err := w.store.Write(t.Context(), func(tx *store.Tx) error {
				if err := w.Put(tx, written("mail one"), written("mail ONE2 NORMAL")); err != nil {
					return err
				}
				w.Wake()
				if n := w.counts(); n.Waiting != 0 || n.Sent != 0 {
					t.Errorf("before the commit: %+v", n)
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
		}
		w.delivers("mail one", "mail ONE2")
		// A key that is known is not put again.
		w.add("mail one", "mail ONE2 NORMAL", "mail two")
		w.delivers("mail one", "mail ONE2", "mail two")
		if n := w.counts(); n.Repeated != 2 || n.Put != 3 {
			t.Errorf("%+v", n)
		}
		w.restart()
		w.add("mail two", "mail three")
		w.delivers("mail one", "mail ONE2", "mail two", "mail three")
		balanced(t, w.Outbox)
	})
}

func TestARefusalFailsTheTransaction(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db)
		w.Configure(Settings{Limits: Limits{Total: Room{Messages: 2}}})
		w.add("mail one", "mail two")
		err := w.store.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.Exec("INSERT INTO drawer (manager, kind, name, text) VALUES ($1, 'told', 'x', '')", tx.Manager()); err != nil {
				return err
			}
			return w.Put(tx, written("mail three urgent"))
		})
		var full *FullError
		if !errors.As(err, &full) || full.Limit != "total.messages" || full.Key != "three" {
			t.Errorf("%v", err)
		}
		err = w.store.Read(t.Context(), func(tx *store.Tx) error {
			found, err := tx.Row("SELECT 1 FROM drawer", nil, new(int))
			if found {
				t.Error("the rest of the transaction is there")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		w.run()
		w.delivers("mail one", "mail two")
		w.until("room", func() bool { return w.counts().Waiting == 0 })
		w.add("mail three urgent")
		w.delivers("mail one", "mail two", "mail three")
	})
}

func TestWhatFailsIsTriedAgain(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db)
		down := errors.New("the server does not answer")
		w.answers(func(*Message) error { return down })
		w.run()
		w.add("mail n1", "mail n2", "chat x1")
		failed := func(n uint64) { w.Helper(); w.until("a failure", func() bool { return w.counts().Failed >= n }) }
		failed(2)
		// Those behind it wait, and one of higher precedence is tried.
		w.answers(func(m *Message) error {
			if m.Precedence == Urgent {
				return nil
			}
			return down
		})
		w.add("mail u3 urgent")
		w.delivers("mail u3")
		w.until("that", func() bool { return w.counts().Sent == 1 })
		page, err := w.List(t.Context(), Query{State: Waiting, Channel: "mail"})
		if err != nil || len(page.Messages) != 2 {
			t.Fatalf("%+v, %v", page, err)
		}
		if m := page.Messages[1]; m.Key != "n1" || m.Attempts != 1 || m.Error != down.Error() || m.Next.Sub(start) < 800*time.Millisecond || m.Next.Sub(start) > 1200*time.Millisecond {
			t.Errorf("%+v", m)
		}
		if m := page.Messages[0]; m.Key != "n2" || m.Attempts != 0 {
			t.Errorf("%+v", m)
		}
		w.pass(1300 * time.Millisecond)
		failed(4)
		// The attempts are known after a restart.
		w.restart()
		w.until("the start", func() bool { return w.counts().Restored == 3 })
		page, err = w.List(t.Context(), Query{State: Waiting, Channel: "mail"})
		if err != nil || len(page.Messages) != 2 || page.Messages[1].Attempts != 2 {
			t.Fatalf("%+v, %v", page, err)
		}
		w.answers(nil)
		w.pass(3 * time.Second)
		w.until("all", func() bool { return w.counts().Sent == 3 })
		w.mu.Lock()
		defer w.mu.Unlock()
		got := slices.DeleteFunc(w.got, func(s string) bool { return s == "chat x1" })
		if diff := cmp.Diff([]string{"mail u3", "mail n1", "mail n2"}, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// TestAChannelIsLeftAloneWhenItAsks: all of it, for as long as it said.
func TestAChannelIsLeftAloneWhenItAsks(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db)
		w.answers(func(*Message) error { return channel.RetryAfter(errors.New("429"), 90*time.Second) })
		w.run()
		w.add("chat n1")
		w.until("a failure", func() bool { return w.counts().Failed == 1 })
		w.answers(nil)
		w.add("chat u2 urgent", "mail m3")
		w.delivers("mail m3")
		if c := w.Stats().Channels[0]; c.Channel != "chat" || !c.Held.Equal(start.Add(90*time.Second)) || c.LastError != "429" {
			t.Errorf("%+v", c)
		}
		w.pass(89 * time.Second)
		w.add("mail m4")
		w.delivers("mail m3", "mail m4")
		w.pass(time.Second)
		w.delivers("mail m3", "mail m4", "chat u2", "chat n1")
	})
}

// TestAMessageStandsAside: those behind it go, and it is neither an attempt nor given up,
// however often it is asked about.
func TestAMessageStandsAside(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.options.Attempts = 2
	w.Outbox = New(w.options)
	var mu sync.Mutex
	asked := 0
	w.answers(func(m *Message) error {
		if m.Key != "n1" {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked <= 3 {
			return channel.Aside(errors.New("home does not answer"), 5*time.Second)
		}
		return nil
	})
	w.run()
	w.add("chat n1", "chat n2", "chat u3 urgent")
	times := func(n int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return asked == n
		}
	}
	w.until("the first question", times(1))
	w.until("the others", func() bool { return w.counts().Sent == 2 })
	if c := w.counts(); c.Failed != 0 {
		t.Errorf("it counts as an attempt: %+v", c)
	}
	for n := 2; n <= 4; n++ {
		w.pass(5 * time.Second)
		w.until("another question", times(n))
	}
	w.until("the end", func() bool { return w.counts().Sent == 3 })
}

// Whoever starts a channel does not wait for a pause that the other side had asked for.
func TestAStartHurries(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.answers(func(*Message) error { return channel.RetryAfter(errors.New("429"), time.Hour) })
	w.run()
	w.add("chat n1")
	w.until("a failure", func() bool { return w.counts().Failed == 1 })
	w.answers(nil)
	w.pass(time.Minute)
	if err := w.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	w.delivers("chat n1")
}

func TestDeadLetters(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db)
		w.options.Attempts = 3
		w.Outbox = New(w.options)
		w.answers(func(m *Message) error {
			if m.Key == "bad" {
				return channel.Permanent(errors.New("no such receiver"))
			}
			return errors.New("down")
		})
		w.run()
		short := written("pager short")
		short.Ends = start.Add(90 * time.Second)
		late := written("pager late")
		late.Ends = start.Add(2 * time.Second)
		w.add("mail bad", "mail worn")
		if err := w.Add(t.Context(), short, late); err != nil {
			t.Fatal(err)
		}
		dead := func(n int) { w.Helper(); w.until("a dead letter", func() bool { return w.Stats().Dead == n }) }
		dead(1)
		for i := uint64(2); i <= 3; i++ {
			w.until("a failure", func() bool { return w.counts().Failed >= 2*i-1 })
			w.pass(10 * time.Second)
		}
		dead(3)
		if n := w.counts(); n.Expired != 1 || n.Waiting != 0 || n.Dead != 3 {
			t.Errorf("%+v", n)
		}
		w.restart()
		dead(3)
		page, err := w.List(t.Context(), Query{State: Dead})
		if err != nil {
			t.Fatal(err)
		}
		errs := map[string]string{}
		var ids []int64
		for _, m := range page.Messages {
			errs[m.Key] = m.Error
			ids = append(ids, m.ID)
		}
		if diff := cmp.Diff(map[string]string{"bad": "no such receiver", "worn": "3 attempts have failed, the last: down", "short": "3 attempts have failed, the last: down"}, errs); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		w.answers(nil)
		w.pass(time.Hour) // over the time to live of one
		if done, err := w.Drop(t.Context(), ids[:1]); err != nil || len(done) != 1 {
			t.Errorf("%v, %v", done, err)
		}
		done, err := w.Resend(t.Context(), append(ids, 77))
		if err != nil || len(done) != 2 {
			t.Errorf("%v, %v", done, err)
		}
		w.until("what is sent again", func() bool { return w.counts().Sent == 2 })
		if done, err := w.Resend(t.Context(), ids); err != nil || len(done) != 0 {
			t.Errorf("again: %v, %v", done, err)
		}
		w.restart()
		w.until("the start", func() bool { return w.Stats().Kept == 2 })
		if s := w.Stats(); s.Dead != 0 || s.Total.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		balanced(t, w.Outbox)
	})
}

// TestATimeToLiveThatIsOver: what was tried is a dead letter, what was not is gone.
func TestATimeToLiveThatIsOver(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db)
		w.answers(func(*Message) error { return errors.New("down") })
		w.run()
		tried, waits := written("mail tried"), written("mail waits")
		tried.Ends, waits.Ends = start.Add(time.Minute), start.Add(time.Minute)
		if err := w.Add(t.Context(), tried, waits, written("mail stays")); err != nil {
			t.Fatal(err)
		}
		w.until("a failure", func() bool { return w.counts().Failed == 1 })
		w.answers(nil)
		w.pass(time.Minute)
		w.delivers("mail stays")
		w.until("the end", func() bool { n := w.counts(); return n.Dead == 1 && n.Expired == 1 && n.Sent == 1 })
		page, err := w.List(t.Context(), Query{State: Dead})
		if err != nil || page.Messages[0].Error != "its time to live is over after 1 attempts: down" {
			t.Errorf("%+v, %v", page, err)
		}
		balanced(t, w.Outbox)
	})
}

// TestThoseBehindGoOnAtOnce when what they wait for is dropped, by a person or to make room.
func TestThoseBehindGoOnAtOnce(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.answers(func(m *Message) error {
		if m.Key == "BAD" {
			return errors.New("down")
		}
		return nil
	})
	w.run()
	for i, drop := range []func(id int64){
		func(id int64) {
			if done, err := w.Drop(t.Context(), []int64{id}); err != nil || len(done) != 1 {
				t.Errorf("%v, %v", done, err)
			}
		},
		func(int64) {
			w.Configure(Settings{Limits: Limits{Total: Room{Messages: 2}}})
			w.add("other o1 urgent")
		},
	} {
		failed := w.counts().Failed
		w.add("mail BAD NORMAL", fmt.Sprintf("mail n%d", i))
		w.until("a failure", func() bool { return w.counts().Failed > failed })
		page, err := w.List(t.Context(), Query{State: Waiting})
		if err != nil || len(page.Messages) != 2 {
			t.Fatalf("%+v, %v", page, err)
		}
		drop(page.Messages[1].ID)
		w.until("the next", func() bool { return w.counts().Waiting == 0 })
	}
	if n := w.counts(); n.Sent != 3 || n.Dropped[DroppedByPerson] != 1 || n.Dropped[DroppedForRoom] != 1 {
		t.Errorf("%+v", n)
	}
}

// TestAStopOutlivesARestart: of one channel and of all.
func TestAStopOutlivesARestart(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db)
		w.run()
		if err := w.Stop(t.Context(), "mail"); err != nil {
			t.Fatal(err)
		}
		w.add("mail m1", "chat c1")
		w.delivers("chat c1")
		if err := w.Stop(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		w.add("chat c2", "chat LOST NORMAL")
		w.restart()
		w.until("the start", func() bool { return w.counts().Restored == 2 })
		if s := w.Stats(); s.Stopped.IsZero() || s.Channels[1].Channel != "mail" || s.Channels[1].Stopped.IsZero() || s.Lost != 1 {
			t.Errorf("%+v", s)
		}
		if err := w.Start(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		w.delivers("chat c1", "chat c2")
		w.restart()
		w.until("the start", func() bool { return w.counts().Restored == 1 })
		if err := w.Start(t.Context(), "mail"); err != nil {
			t.Fatal(err)
		}
		w.delivers("chat c1", "chat c2", "mail m1")
		if w.Stats().Lost != 0 {
			t.Errorf("lost %d", w.Stats().Lost)
		}
	})
}

func TestThrottles(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		w := newWorld(t, db)
		w.options.Settings.Throttles = Throttles{Total: Throttle{Bytes: 1000, MessageBytes: 100}, Channels: map[string]Throttle{
			"sms": {Messages: 2, Per: time.Minute}, "fax": {Bytes: 30},
		}}
		w.Outbox = New(w.options)
		w.run()
		w.add("sms s1", "sms s2", "sms s3 urgent", "mail m1")
		w.until("three", func() bool { return w.counts().Sent == 3 })
		var sms ChannelStats
		w.until("the throttle", func() bool {
			for _, c := range w.Stats().Channels {
				if c.Channel == "sms" {
					sms = c
				}
			}
			return !sms.Throttled.IsZero()
		})
		if !sms.Throttled.Equal(start.Add(time.Minute)) || sms.Normal.Waiting+sms.Urgent.Waiting != 1 {
			t.Errorf("%+v", sms)
		}
		w.restart() // what was sent in the period still counts
		w.until("the start", func() bool { return w.counts().Restored == 1 })
		w.pass(59 * time.Second)
		w.add("mail m2")
		w.until("mail", func() bool { return w.counts().Sent == 1 })
		w.pass(time.Second)
		w.until("the next period", func() bool { return w.counts().Sent == 2 })
		// One that may never go is a dead letter; one that has to wait for its bytes is not.
		long := written("fax long")
		long.Body = json.RawMessage(`"` + strings.Repeat("x", 30) + `"`)
		huge := written("mail huge")
		huge.Body = json.RawMessage(`"` + strings.Repeat("x", 100) + `"`)
		if err := w.Add(t.Context(), long, huge); err != nil {
			t.Fatal(err)
		}
		w.until("dead letters", func() bool { return w.Stats().Dead == 2 })
		page, err := w.List(t.Context(), Query{State: Dead, Channel: "fax"})
		if err != nil || page.Messages[0].Error != "its 32 bytes are more than the throttle allows in 1h0m0s, 30" {
			t.Errorf("%+v, %v", page, err)
		}
		w.add("fax f1", "fax f2", "fax f3") // of 12 bytes each
		w.until("two", func() bool { return w.counts().Sent == 4 })
		w.pass(time.Hour)
		w.until("the third", func() bool { return w.counts().Sent == 5 })
		balanced(t, w.Outbox)
	})
}

// TestADeadChannelDelaysNoOther: it hangs until its time is over.
func TestADeadChannelDelaysNoOther(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	hang := make(chan struct{})
	w.options.Senders = 3
	w.options.Send = func(ctx context.Context, m *Message) error {
		if strings.HasPrefix(m.Channel, "dead") {
			select {
			case <-hang:
			case <-ctx.Done():
			}
			return errors.New("hung")
		}
		return w.receive(ctx, m)
	}
	w.Outbox = New(w.options)
	w.run()
	w.add("dead1 a", "dead2 b")
	w.until("both", func() bool { w.Outbox.mu.Lock(); defer w.Outbox.mu.Unlock(); return w.senders == 2 })
	w.add("mail m1", "chat c1", "mail m2")
	w.until("the others", func() bool { return w.counts().Sent == 3 })
	close(hang)
	w.until("failures", func() bool { return w.counts().Failed == 2 })
}

// TestAnAttemptHasItsTime: also one that panics ends.
func TestAnAttemptHasItsTime(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.options.Timeout = time.Millisecond
	w.options.Send = func(ctx context.Context, m *Message) error {
		if m.Key == "panic" {
			panic("a mistake")
		}
		<-ctx.Done()
		return ctx.Err()
	}
	w.Outbox = New(w.options)
	w.run()
	w.add("mail hang", "chat panic")
	w.until("failures", func() bool { return w.counts().Failed == 2 })
	for _, c := range w.Stats().Channels {
		if want := map[string]string{"mail": "context deadline exceeded", "chat": "the channel failed: see the log"}[c.Channel]; c.LastError != want {
			t.Errorf("%s: %q", c.Channel, c.LastError)
		}
	}
}

// TestForgetGivesUpWhatWaits: of a channel that is not configured any more.
func TestForgetGivesUpWhatWaits(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.run()
	if err := w.Stop(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	w.add("old a", "old B BULK", "new c")
	if err := w.Forget(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	w.delivers("new c")
	if s := w.Stats(); s.Dead != 2 || !s.Channels[1].Stopped.IsZero() {
		t.Errorf("%+v", s)
	}
	w.restart()
	w.until("the start", func() bool { return w.Stats().Dead == 1 }) // the other was in memory
	balanced(t, w.Outbox)
}

func TestQueriesThatAreWrong(t *testing.T) {
	o := New(Options{})
	for want, q := range map[string]Query{
		`list of messages: unknown state "x": waiting, sent or dead`: {State: "x"},
		`list of messages: the limit 1001 is not between 1 and 1000`: {Limit: 1001},
		`list of messages: "y" is no place in a list`:                {After: "y"},
		`list of messages: "-1" is no place in a list`:               {After: "-1"},
	} {
		if _, err := o.List(t.Context(), q); !errors.Is(err, ErrQuery) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestWhatIsKeptIsBounded: sent messages and dead letters, by number, bytes and age.
func TestWhatIsKeptIsBounded(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.sent.Most, w.dead.Most = 3, 2
	w.answers(func(m *Message) error {
		if m.Channel == "bad" {
			return channel.Permanent(errors.New("no"))
		}
		return nil
	})
	w.run()
	for i := range 6 {
		w.add(fmt.Sprintf("good g%d", i), fmt.Sprintf("bad b%d", i))
	}
	w.until("all", func() bool { n := w.counts(); return n.Sent == 6 && n.Dead == 6 })
	if s := w.Stats(); s.Kept != 3 || s.Dead != 2 || s.Channels[0].Channel != "bad" || s.Channels[0].Letters != 2 || s.Channels[1].Letters != 0 {
		t.Errorf("%+v", s)
	}
	w.restart()
	w.until("the start", func() bool { s := w.Stats(); return s.Kept == 3 && s.Dead == 2 })
	w.pass(MaxSentAge + time.Second)
	w.until("the day", func() bool { return w.Stats().Kept == 0 })
	w.restart()
	w.until("the start", func() bool { return w.Stats().Dead == 2 })
	if w.Stats().Kept != 0 {
		t.Errorf("%+v", w.Stats())
	}
}
