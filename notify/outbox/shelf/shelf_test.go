package shelf

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/outbox/message"
	"grove/notify/outbox/throttle"
	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// write is a piece of work that must not fail.
func write(t *testing.T, s *store.Store, work func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), work); err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsWrittenIsRead. It runs on SQLite alone: the tests of the outbox run every
// statement on both engines, and a server takes seconds to start.
func TestWhatIsWrittenIsRead(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	var messages []*message.Message
	for id, key := range []string{"wait", "retry", "fly", "sent", "worn", "gone"} {
		messages = append(messages, &message.Message{
			ID: int64(id) + 1, Key: key, Channel: "mail", Precedence: message.Urgent, Persistent: key != "fly", Made: start, Ends: start.Add(time.Hour),
			Title: "ü", At: tree.MustPath("/shop"), Purpose: "firing", Body: json.RawMessage(`{"key":1}`), State: message.Waiting,
		})
	}
	write(t, s, func(tx *store.Tx) error { return Insert(tx, messages) })
	wait, retry, sent, worn, gone := messages[0], messages[1], messages[3], messages[4], messages[5]
	retry.Attempts, retry.Next, retry.Error, retry.Ends = 3, start.Add(time.Minute), "down", time.Time{}
	sent.State, sent.Attempts, sent.Settled = message.Sent, 1, start.Add(2*time.Second)
	worn.State, worn.Attempts, worn.Settled, worn.Error = message.Dead, 9, start.Add(time.Second), "worn"
	channels := []Channel{{Name: "", Stopped: start}, {Name: "mail", Window: throttle.Window{Began: start, Messages: 3, Bytes: 4}}}
	for range 2 { // A piece of work may run more than once.
		write(t, s, func(tx *store.Tx) error {
			if err := Update(tx, []Change{{Message: *gone, Gone: true}, {Message: *retry}, {Message: *sent}, {Message: *worn}}); err != nil {
				return err
			}
			if err := SetChannels(tx, channels); err != nil {
				return err
			}
			return SetMemory(tx, 7)
		})
	}
	want := Contents{Messages: []message.Message{*wait, *retry, *worn, *sent}, Channels: channels, Memory: 7}
	write(t, s, func(tx *store.Tx) error {
		got, err := Read(tx)
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b tree.Path) bool { return a == b })); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		return err
	})
}

// TestManyRowsAtOnce: as many as the groups of a statement do not divide.
func TestManyRowsAtOnce(t *testing.T) {
	const many = 2*256 + 77
	s := storetest.SQLite(t).Open(t)
	var messages []*message.Message
	var sent, gone []Change
	for id := range int64(many) {
		m := &message.Message{ID: id + 1, Key: "k", Channel: "c", Persistent: true, Made: start, At: tree.MustPath("/"), Body: json.RawMessage(`1`), State: message.Sent, Attempts: 1, Settled: start}
		m.Key += m.Made.Add(time.Duration(id)).Format(".000000000")
		messages = append(messages, m)
		sent, gone = append(sent, Change{Message: *m}), append(gone, Change{Message: *m, Gone: true})
	}
	for _, step := range []struct {
		changes []Change
		want    int
		state   message.State
	}{{nil, many, message.Waiting}, {sent, many, message.Sent}, {gone[1:], 1, message.Sent}} {
		write(t, s, func(tx *store.Tx) error {
			if step.changes == nil {
				return Insert(tx, messages)
			}
			return Update(tx, step.changes)
		})
		write(t, s, func(tx *store.Tx) error {
			got, err := Read(tx)
			if len(got.Messages) != step.want || got.Messages[0].State != step.state {
				t.Errorf("%d rows, the first is %+v; want %d that are %s", len(got.Messages), got.Messages[0], step.want, step.state)
			}
			return err
		})
	}
}

// TestARowThatIsNotOurs is said, with its number.
func TestARowThatIsNotOurs(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	write(t, s, func(tx *store.Tx) error {
		if err := Insert(tx, []*message.Message{{ID: 4, Key: "k", Channel: "c", Persistent: true, At: tree.MustPath("/")}}); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE outbox SET state = 9")
		return err
	})
	err := s.Read(t.Context(), func(tx *store.Tx) error { _, err := Read(tx); return err })
	if err == nil || err.Error() != "the row of message 4 is not as grove writes it" {
		t.Errorf("%v", err)
	}
	err = storetest.SQLite(t).OpenAs(t, "").Read(t.Context(), func(tx *store.Tx) error { _, err := Read(tx); return err })
	if err == nil || err.Error() != errNoManager.Error() {
		t.Errorf("%v", err)
	}
}
