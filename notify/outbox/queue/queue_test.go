package queue

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"grove/notify/outbox/message"
)

// start is when messages come.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// holder puts messages into a queue, one after the other.
type holder struct {
	*Queue
	last int64
}

// hold puts messages until one is refused.
func (h *holder) hold(messages ...message.Message) *FullError {
	for _, m := range messages {
		drop, full := h.Reserve(&m, start)
		if full != nil {
			return full
		}
		for _, e := range drop {
			h.Leave(e)
		}
		h.last++
		m.ID = h.last
		h.Enter(&Entry{Message: m})
	}
	return nil
}

// waiting returns what waits, in the order of the numbers.
func (h *holder) waiting() (all []*Entry) {
	for _, l := range h.channels {
		all = slices.AppendSeq(all, l.All())
	}
	slices.SortFunc(all, func(a, b *Entry) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// keys are those of what waits, in the order of the numbers.
func (h *holder) keys() string {
	var keys []string
	for _, e := range h.waiting() {
		keys = append(keys, e.Key)
	}
	return strings.Join(keys, " ")
}

// balanced holds the accounts: what counts under the limits is what waits.
func (h *holder) balanced(t *testing.T) {
	t.Helper()
	var waiting [message.Precedences]Amount
	fleeting := 0
	for _, e := range h.waiting() {
		waiting[e.Precedence].add(1, e.Bytes())
		if !e.Persistent {
			fleeting++
		}
	}
	if h.taken != waiting || h.Fleeting() != fleeting {
		t.Errorf("the limits count %v and %d that are not persistent, and what waits is %v and %d", h.taken, h.Fleeting(), waiting, fleeting)
	}
}

// TestWhenThereIsNoRoom holds the order in which messages are dropped and refused.
func TestWhenThereIsNoRoom(t *testing.T) {
	over := start.Add(-time.Minute)
	body := json.RawMessage(`"12345678"`) // 10 bytes
	m := func(key string, p message.Precedence, persistent bool) message.Message {
		return message.Message{Key: key, Channel: "c", Precedence: p, Persistent: persistent, Body: body, Made: start.Add(-time.Hour)}
	}
	ends := func(m message.Message) message.Message { m.Ends = over; return m }
	on := func(channel string, m message.Message) message.Message { m.Channel = channel; return m }
	total := func(messages int) Limits { return Limits{Total: Room{Messages: messages}} }
	for name, c := range map[string]struct {
		limits Limits
		before []message.Message
		put    []message.Message
		want   string // keys that wait, in the order of their numbers
		why    string // of the refusal
	}{
		"room is left": {total(3), []message.Message{m("n1", message.Normal, true)}, []message.Message{m("b2", message.Bulk, false)}, "n1 b2", ""},
		"the oldest expired goes first, of any precedence, persistent or not": {
			total(4), []message.Message{m("b1", message.Bulk, false), m("u2", message.Urgent, true), ends(m("u3", message.Urgent, true)), ends(m("b4", message.Bulk, false))},
			[]message.Message{m("b5", message.Bulk, false)}, "b1 u2 b4 b5", "",
		},
		"the oldest expired, on whatever channel": {
			total(3), []message.Message{on("a", m("n1", message.Normal, true)), on("z", ends(m("n2", message.Normal, true))), on("a", ends(m("n3", message.Normal, true)))},
			[]message.Message{m("n4", message.Normal, true)}, "n1 n3 n4", "",
		},
		"then the oldest bulk that is not persistent": {
			total(4), []message.Message{m("n1", message.Normal, false), m("b2", message.Bulk, true), m("b3", message.Bulk, false), m("b4", message.Bulk, false)},
			[]message.Message{m("n5", message.Normal, true)}, "n1 b2 b4 n5", "",
		},
		"for a new bulk one too": {total(2), []message.Message{m("n1", message.Normal, false), m("b2", message.Bulk, false)}, []message.Message{m("b3", message.Bulk, true)}, "n1 b3", ""},
		"then a new bulk one is refused": {
			total(3), []message.Message{m("n1", message.Normal, false), m("b2", message.Bulk, true), m("n3", message.Normal, false)},
			[]message.Message{m("b4", message.Bulk, true)}, "n1 b2 n3", "bulk",
		},
		"then for an urgent one the oldest normal that is not persistent": {
			total(4), []message.Message{m("n1", message.Normal, true), m("u2", message.Urgent, false), m("n3", message.Normal, false), m("n4", message.Normal, false)},
			[]message.Message{m("u5", message.Urgent, true)}, "n1 u2 n4 u5", "",
		},
		"but not for a normal one":                {total(2), []message.Message{m("n1", message.Normal, false), m("u2", message.Urgent, false)}, []message.Message{m("n3", message.Normal, true)}, "n1 u2", "full"},
		"else an urgent one is refused as well":   {total(2), []message.Message{m("n1", message.Normal, true), m("u2", message.Urgent, false)}, []message.Message{m("u3", message.Urgent, true)}, "n1 u2", "full"},
		"a persistent bulk one is never dropped":  {total(1), []message.Message{m("b1", message.Bulk, true)}, []message.Message{m("u2", message.Urgent, true)}, "b1", "full"},
		"as many are dropped as there must be":    {Limits{Total: Room{Bytes: 30}}, []message.Message{m("b1", message.Bulk, false), m("b2", message.Bulk, false), m("n3", message.Normal, false)}, []message.Message{{Key: "u4", Channel: "c", Precedence: message.Urgent, Body: json.RawMessage(`"1234567890123456789012345678"`)}}, "u4", ""},
		"none is dropped when that is not enough": {Limits{Total: Room{Bytes: 30}}, []message.Message{m("b1", message.Bulk, false), m("n2", message.Normal, true), m("n3", message.Normal, true)}, []message.Message{{Key: "u4", Channel: "c", Precedence: message.Urgent, Body: json.RawMessage(`"1234567890123456789012345678"`)}}, "b1 n2 n3", "full"},
		"what is larger than all the room":        {Limits{Total: Room{Bytes: 9}}, nil, []message.Message{m("u1", message.Urgent, true)}, "", "too large"},
		"larger than the room of its precedence":  {Limits{Bulk: Room{Bytes: 9}}, []message.Message{m("b0", message.Normal, false)}, []message.Message{m("b1", message.Bulk, true)}, "b0", "too large"},
		"under its own limit only its own go":     {Limits{Normal: Room{Messages: 1}}, []message.Message{m("b1", message.Bulk, false), ends(m("b2", message.Bulk, false)), m("n3", message.Normal, false)}, []message.Message{m("n4", message.Normal, true)}, "b1 b2 n3", "full"},
		"its own expired":                         {Limits{Normal: Room{Messages: 1}}, []message.Message{ends(m("b1", message.Bulk, false)), ends(m("n2", message.Normal, true))}, []message.Message{m("n3", message.Normal, true)}, "b1 n3", ""},
		"its own bulk":                            {Limits{Bulk: Room{Messages: 1}}, []message.Message{m("b1", message.Bulk, false)}, []message.Message{m("b2", message.Bulk, true)}, "b2", ""},
		"its own bulk by bytes":                   {Limits{Bulk: Room{Bytes: 15}}, []message.Message{m("b1", message.Bulk, false)}, []message.Message{m("b2", message.Bulk, true)}, "b2", ""},
		"a bulk limit refuses bulk":               {Limits{Bulk: Room{Messages: 1}}, []message.Message{m("b1", message.Bulk, true), m("n2", message.Normal, false)}, []message.Message{m("b3", message.Bulk, true)}, "b1 n2", "bulk"},
		"a limit of urgent drops no normal":       {Limits{Urgent: Room{Messages: 1}}, []message.Message{m("n1", message.Normal, false), m("u2", message.Urgent, false)}, []message.Message{m("u3", message.Urgent, true)}, "n1 u2", "full"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &holder{Queue: New(Limits{})}
			if full := h.hold(c.before...); full != nil {
				t.Fatal(full)
			}
			h.Configure(c.limits)
			full := h.hold(c.put...)
			if (full != nil) != (c.why != "") || full != nil && string(full.Reason) != c.why {
				t.Errorf("got %v, want %q", full, c.why)
			}
			if diff := gocmp.Diff(c.want, h.keys()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			h.balanced(t)
		})
	}
}

func TestFullErrorSaysWhatToDo(t *testing.T) {
	h := &holder{Queue: New(Limits{Total: Room{Messages: 1, Bytes: 20}})}
	one := message.Message{Key: "1", Channel: "ops-mail", Body: json.RawMessage(`{}`), Persistent: true}
	if full := h.hold(one); full != nil {
		t.Fatal(full)
	}
	one.Key, one.Precedence = "2", message.Urgent
	want := `the outbox refuses the urgent message "2" to the channel "ops-mail": 1 wait of the limit total.messages, 1: see which channel does not deliver (grove outbox), or raise the limit`
	if err := h.hold(one); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	one.Body = json.RawMessage(`"` + strings.Repeat("x", 30) + `"`)
	want = `the outbox refuses the urgent message "2" to the channel "ops-mail": it has 32 bytes, and the limit total.bytes is 20`
	if err := h.hold(one); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestTheOrderOfALane is that of the numbers, whenever an entry comes.
func TestTheOrderOfALane(t *testing.T) {
	q := New(Limits{})
	var entries []*Entry
	for _, id := range []int64{3, 1, 4, 2} {
		e := &Entry{Message: message.Message{ID: id, Channel: "c"}}
		entries = append(entries, e)
		q.Add(e)
	}
	q.Leave(entries[1])
	var got []int64
	for e := range q.Lanes("c").All() {
		got = append(got, e.ID)
		q.Leave(e)
	}
	if !slices.Equal(got, []int64{2, 3, 4}) || q.Lanes("c").First(message.Normal) != nil || q.Taken(message.Normal) != (Amount{}) {
		t.Errorf("%v, and %v is left", got, q.Taken(message.Normal))
	}
}

// TestATimeToLiveIsSeenAgain: who looks at what is over and leaves it there finds it again,
// also when it stops looking early.
func TestATimeToLiveIsSeenAgain(t *testing.T) {
	q := New(Limits{})
	for id := range int64(3) {
		q.Add(&Entry{Message: message.Message{ID: id, Channel: "c", Ends: start.Add(time.Duration(id) * time.Minute)}})
	}
	for at, want := range []int{1, 2, 3, 3} {
		now := start.Add(time.Duration(at) * time.Minute)
		for range q.Over(now) {
			break
		}
		n := 0
		for range q.Over(now) {
			n++
		}
		if n != want {
			t.Errorf("after %d minutes %d are over, want %d", at, n, want)
		}
	}
}

// TestWhatIsKeptHasBounds: by number, by bytes and by age; the newest stays.
func TestWhatIsKeptHasBounds(t *testing.T) {
	k := &Kept{Most: 3, MostBytes: 25}
	var gone []int64
	for id := range int64(5) {
		e := &Entry{Message: message.Message{ID: id, Body: json.RawMessage(strings.Repeat("1", 1+6*int(id))), Settled: start.Add(time.Duration(id) * time.Second)}}
		for _, old := range k.Add(e) {
			gone = append(gone, old.ID)
		}
	}
	// Of 1, 7, 13, 19 and 25 bytes only the last is within the bound.
	if !slices.Equal(gone, []int64{0, 1, 2, 3}) || k.Len() != 1 {
		t.Errorf("%v are gone, and %d kept", gone, k.Len())
	}
	if n := len(k.Before(start.Add(4 * time.Second))); n != 0 {
		t.Errorf("%d are too old at their own time", n)
	}
	if n := len(k.Before(start.Add(5 * time.Second))); n != 1 || k.Len() != 0 || k.bytes != 0 {
		t.Errorf("%d were too old, %d with %d bytes are kept", n, k.Len(), k.bytes)
	}
}
