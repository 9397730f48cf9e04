package outbox

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// start is when the clocks of tests begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// hold puts messages without a database: what is decided about room is decided in memory.
func hold(o *Outbox, messages ...Message) error {
	for i := range messages {
		if err := messages[i].check(o.options.Now()); err != nil {
			return err
		}
	}
	p, err := o.plan(messages)
	if err == nil {
		p.end(nil)
	}
	return err
}

// TestWhenThereIsNoRoom holds the order in which messages are dropped and refused.
func TestWhenThereIsNoRoom(t *testing.T) {
	over := start.Add(-time.Minute)
	body := json.RawMessage(`"12345678"`) // 10 bytes
	m := func(key string, p Precedence, persistent bool) Message {
		return Message{Key: key, Channel: "c", Precedence: p, Persistent: persistent, Body: body, Made: start.Add(-time.Hour)}
	}
	ends := func(m Message) Message { m.Ends = over; return m }
	on := func(channel string, m Message) Message { m.Channel = channel; return m }
	total := func(messages int) Limits { return Limits{Total: Room{Messages: messages}} }
	for name, c := range map[string]struct {
		limits Limits
		before []Message
		put    []Message
		want   string // keys that wait, in the order of their numbers
		why    string // of the refusal
	}{
		"room is left": {total(3), []Message{m("n1", Normal, true)}, []Message{m("b2", Bulk, false)}, "n1 b2", ""},
		"the oldest expired goes first, of any precedence, persistent or not": {
			total(4), []Message{m("b1", Bulk, false), m("u2", Urgent, true), ends(m("u3", Urgent, true)), ends(m("b4", Bulk, false))},
			[]Message{m("b5", Bulk, false)}, "b1 u2 b4 b5", "",
		},
		"the oldest expired, on whatever channel": {
			total(3), []Message{on("a", m("n1", Normal, true)), on("z", ends(m("n2", Normal, true))), on("a", ends(m("n3", Normal, true)))},
			[]Message{m("n4", Normal, true)}, "n1 n3 n4", "",
		},
		"then the oldest bulk that is not persistent": {
			total(4), []Message{m("n1", Normal, false), m("b2", Bulk, true), m("b3", Bulk, false), m("b4", Bulk, false)},
			[]Message{m("n5", Normal, true)}, "n1 b2 b4 n5", "",
		},
		"for a new bulk one too": {total(2), []Message{m("n1", Normal, false), m("b2", Bulk, false)}, []Message{m("b3", Bulk, true)}, "n1 b3", ""},
		"then a new bulk one is refused": {
			total(3), []Message{m("n1", Normal, false), m("b2", Bulk, true), m("n3", Normal, false)},
			[]Message{m("b4", Bulk, true)}, "n1 b2 n3", "bulk",
		},
		"then for an urgent one the oldest normal that is not persistent": {
			total(4), []Message{m("n1", Normal, true), m("u2", Urgent, false), m("n3", Normal, false), m("n4", Normal, false)},
			[]Message{m("u5", Urgent, true)}, "n1 u2 n4 u5", "",
		},
		"but not for a normal one":                   {total(2), []Message{m("n1", Normal, false), m("u2", Urgent, false)}, []Message{m("n3", Normal, true)}, "n1 u2", "full"},
		"else an urgent one is refused as well":      {total(2), []Message{m("n1", Normal, true), m("u2", Urgent, false)}, []Message{m("u3", Urgent, true)}, "n1 u2", "full"},
		"a persistent bulk one is never dropped":     {total(1), []Message{m("b1", Bulk, true)}, []Message{m("u2", Urgent, true)}, "b1", "full"},
		"as many are dropped as there must be":       {Limits{Total: Room{Bytes: 30}}, []Message{m("b1", Bulk, false), m("b2", Bulk, false), m("n3", Normal, false)}, []Message{{Key: "u4", Channel: "c", Precedence: Urgent, Body: json.RawMessage(`"1234567890123456789012345678"`)}}, "u4", ""},
		"none is dropped when that is not enough":    {Limits{Total: Room{Bytes: 30}}, []Message{m("b1", Bulk, false), m("n2", Normal, true), m("n3", Normal, true)}, []Message{{Key: "u4", Channel: "c", Precedence: Urgent, Body: json.RawMessage(`"1234567890123456789012345678"`)}}, "b1 n2 n3", "full"},
		"what is larger than all the room":           {Limits{Total: Room{Bytes: 9}}, nil, []Message{m("u1", Urgent, true)}, "", "too large"},
		"larger than the room of its precedence":     {Limits{Bulk: Room{Bytes: 9}}, []Message{m("b0", Normal, false)}, []Message{m("b1", Bulk, true)}, "b0", "too large"},
		"under its own limit only its own go":        {Limits{Normal: Room{Messages: 1}}, []Message{m("b1", Bulk, false), ends(m("b2", Bulk, false)), m("n3", Normal, false)}, []Message{m("n4", Normal, true)}, "b1 b2 n3", "full"},
		"its own expired":                            {Limits{Normal: Room{Messages: 1}}, []Message{ends(m("b1", Bulk, false)), ends(m("n2", Normal, true))}, []Message{m("n3", Normal, true)}, "b1 n3", ""},
		"its own bulk":                               {Limits{Bulk: Room{Messages: 1}}, []Message{m("b1", Bulk, false)}, []Message{m("b2", Bulk, true)}, "b2", ""},
		"its own bulk by bytes":                      {Limits{Bulk: Room{Bytes: 15}}, []Message{m("b1", Bulk, false)}, []Message{m("b2", Bulk, true)}, "b2", ""},
		"a bulk limit refuses bulk":                  {Limits{Bulk: Room{Messages: 1}}, []Message{m("b1", Bulk, true), m("n2", Normal, false)}, []Message{m("b3", Bulk, true)}, "b1 n2", "bulk"},
		"a limit of urgent drops no normal":          {Limits{Urgent: Room{Messages: 1}}, []Message{m("n1", Normal, false), m("u2", Urgent, false)}, []Message{m("u3", Urgent, true)}, "n1 u2", "full"},
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
	var waiting [precedences]amount
	for i := range s.Channels {
		for _, p := range byPrecedence {
			c := s.Channels[i].Of(p)
			var dropped uint64
			for _, n := range c.Dropped {
				dropped += n
			}
			if in, out := c.Put+c.Restored+c.Resent, c.Sent+c.Dead+c.Expired+dropped+uint64(c.Waiting); in != out {
				t.Errorf("%s, %s: %d came and %d are accounted for: %+v", s.Channels[i].Channel, p, in, out, *c)
			}
			waiting[p].messages += c.Waiting
			waiting[p].bytes += c.Bytes
		}
	}
	if o.taken != waiting {
		t.Errorf("the limits count %v, and what waits is %v", o.taken, waiting)
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

func TestMessagesThatAreWrong(t *testing.T) {
	fine := Message{Key: "k", Channel: "c", Body: json.RawMessage(`{}`)}
	for want, spoil := range map[string]func(m *Message){
		`message "" to the channel "c": the key has 0 bytes: it is not 1 to 256 bytes of valid UTF-8 without NUL`:                 func(m *Message) { m.Key = "" },
		"message \"a\\x00b\" to the channel \"c\": the key has 3 bytes: it is not 1 to 256 bytes of valid UTF-8 without NUL":      func(m *Message) { m.Key = "a\x00b" },
		`message "k" to the channel "": the name of the channel has 0 bytes: it is not 1 to 128 bytes of valid UTF-8 without NUL`: func(m *Message) { m.Channel = "" },
		`message "k" to the channel "c": there is no precedence 3`:                                                                func(m *Message) { m.Precedence = 3 },
		`message "k" to the channel "c": the body is no JSON`:                                                                     func(m *Message) { m.Body = json.RawMessage(`{`) },
		`message "k" to the channel "c": the body has 262147 bytes, more than the bound of 262144`:                                func(m *Message) { m.Body = json.RawMessage(`"` + strings.Repeat("x", 262145) + `"`) },
	} {
		m := fine
		spoil(&m)
		if err := New(Options{}).Add(t.Context(), m); !errors.Is(err, ErrMessage) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	m := fine
	m.Title, m.Body = strings.Repeat("ü", 600)+"\x00", json.RawMessage("\"\xff\"")
	if err := m.check(start); err != nil || len(m.Title) > MaxTitleBytes || !strings.HasSuffix(m.Title, "ü…") || string(m.Body) != "\"\ufffd\"" {
		t.Errorf("%v: %q, %q", err, m.Title[len(m.Title)-8:], m.Body)
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
