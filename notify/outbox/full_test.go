package outbox

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/outbox/message"
	"grove/notify/outbox/queue"
)

// start is when the clocks of tests begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// hold puts messages without a database: what is decided about room is decided in memory.
func hold(o *Outbox, messages ...Message) error {
	for i := range messages {
		if err := messages[i].Check(o.options.Now()); err != nil {
			return err
		}
	}
	p, err := o.plan(messages)
	if err == nil {
		p.end(nil)
	}
	return err
}

// TestAPutIsAllOrNothing: what is refused leaves everything as it was. The order in which
// messages are dropped and refused is the queue's to test.
func TestAPutIsAllOrNothing(t *testing.T) {
	body := json.RawMessage(`"12345678"`) // 10 bytes
	m := func(key string, p Precedence, persistent bool) Message {
		return Message{Key: key, Channel: "c", Precedence: p, Persistent: persistent, Body: body, Made: start.Add(-time.Hour)}
	}
	on := func(channel string, m Message) Message { m.Channel = channel; return m }
	total := func(messages int) Limits { return Limits{Total: Room{Messages: messages}} }
	for name, c := range map[string]struct {
		limits Limits
		before []Message
		put    []Message
		want   string // keys that wait, in the order of their numbers
		why    string // of the refusal
	}{
		"what makes room goes":                       {total(2), []Message{m("b1", Bulk, false), m("n2", Normal, true)}, []Message{m("n3", Normal, true)}, "n2 n3", ""},
		"all of a put or nothing":                    {total(2), []Message{m("n1", Normal, true)}, []Message{m("n2", Normal, true), m("n3", Normal, true)}, "n1", "full"},
		"a put that is refused brings back":          {total(2), []Message{m("b1", Bulk, false), m("n2", Normal, true)}, []Message{m("n3", Normal, true), m("n4", Normal, true)}, "b1 n2", "full"},
		"the same key needs no room":                 {total(1), []Message{m("n1", Normal, true)}, []Message{m("n1", Normal, true)}, "n1", ""},
		"the same key twice in one put is one":       {total(2), []Message{m("n1", Normal, true)}, []Message{m("n2", Normal, true), m("n2", Normal, true)}, "n1 n2", ""},
		"the same key on another channel is another": {total(2), []Message{m("n1", Normal, true)}, []Message{on("d", m("n1", Normal, true))}, "n1 n1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := New(Options{Now: func() time.Time { return start }})
			if err := hold(o, c.before...); err != nil {
				t.Fatal(err)
			}
			o.Configure(Settings{Limits: c.limits})
			err := hold(o, c.put...)
			var full *FullError
			if errors.As(err, &full) != (c.why != "") || full != nil && string(full.Reason) != c.why {
				t.Errorf("got %v, want %q", err, c.why)
			}
			if diff := cmp.Diff(c.want, keysOf(t, o)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			balanced(t, o)
			s := o.Stats()
			if refused := c.why != ""; (s.Total.Refused[Refusal(c.why)] == 1) != refused || len(s.Total.Refused) > 1 {
				t.Errorf("refused: %v", s.Total.Refused)
			}
		})
	}
}

// keysOf are the keys of what waits, in the order of the numbers.
func keysOf(t testing.TB, o *Outbox) string {
	t.Helper()
	page, err := o.List(t.Context(), Query{State: Waiting, Limit: MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, m := range page.Messages {
		keys = append([]string{m.Key}, keys...)
	}
	return strings.Join(keys, " ")
}

// balanced holds the accounts: of what came everything has become something, and what
// counts under the limits is what waits.
func balanced(t testing.TB, o *Outbox) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.statsLocked()
	var waiting [message.Precedences]queue.Amount
	for i := range s.Channels {
		for _, p := range message.ByPrecedence {
			c := s.Channels[i].Of(p)
			var dropped uint64
			for _, n := range c.Dropped {
				dropped += n
			}
			if in, out := c.Put+c.Restored+c.Resent, c.Sent+c.Dead+c.Expired+dropped+uint64(c.Waiting); in != out {
				t.Errorf("%s, %s: %d came and %d are accounted for: %+v", s.Channels[i].Channel, p, in, out, *c)
			}
			waiting[p].Messages += c.Waiting
			waiting[p].Bytes += c.Bytes
		}
	}
	for _, p := range message.ByPrecedence {
		if taken := o.queue.Taken(p); taken != waiting[p] {
			t.Errorf("%s: the limits count %v, and what waits is %v", p, taken, waiting[p])
		}
	}
}

func TestFullErrorSaysWhatToDo(t *testing.T) {
	o := New(Options{Settings: Settings{Limits: Limits{Total: Room{Messages: 1, Bytes: 20}}}, Now: func() time.Time { return start }})
	one := Message{Key: "1", Channel: "ops-mail", Body: json.RawMessage(`{}`), Persistent: true}
	if err := hold(o, one); err != nil {
		t.Fatal(err)
	}
	one.Key, one.Precedence = "2", Urgent
	want := `the outbox refuses the urgent message "2" to the channel "ops-mail": 1 wait of the limit total.messages, 1: see which channel does not deliver (grove outbox), or raise the limit`
	if err := hold(o, one); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	one.Body = json.RawMessage(`"` + strings.Repeat("x", 30) + `"`)
	want = `the outbox refuses the urgent message "2" to the channel "ops-mail": it has 32 bytes, and the limit total.bytes is 20`
	if err := hold(o, one); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestAMessageThatIsWrong(t *testing.T) {
	m := Message{Key: "k", Channel: "c", Body: json.RawMessage(`{`)}
	if err := New(Options{}).Add(t.Context(), m); !errors.Is(err, ErrMessage) {
		t.Errorf("%v", err)
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for want, s := range map[string]Settings{
		"limits.bulk.messages: -1 is not between 0, which is no bound of its own, and 1000000":          {Limits: Limits{Bulk: Room{Messages: -1}}},
		"limits.total.bytes: 5368709120 is not between 0, which is no bound of its own, and 4294967296": {Limits: Limits{Total: Room{Bytes: 5 << 30}}},
		"throttles.total.per: 1ms is not between 1s and 744h0m0s":                                       {Throttles: Throttles{Total: Throttle{Per: time.Millisecond}}},
		"throttles.channels.sms.messages: -5 is less than zero":                                         {Throttles: Throttles{Channels: map[string]Throttle{"sms": {Messages: -5}}}},
	} {
		if err := s.Check(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if err := (&Settings{Throttles: Throttles{Total: Throttle{Per: time.Hour, Messages: 3}}}).Check(); err != nil {
		t.Error(err)
	}
}

func TestPausesGrowUpToABound(t *testing.T) {
	for attempts, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: MaxPause, 63: MaxPause, 300: MaxPause} {
		for range 100 {
			if got := pause(attempts); got < want*8/10 || got > min(want*12/10, MaxPause) {
				t.Errorf("after %d attempts: %s, want about %s", attempts, got, want)
			}
		}
	}
}
