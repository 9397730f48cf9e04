package book_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var (
	at   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sw1  = parcel.Key{Owner: "00000000000000aa", Name: "sw1"}
	sw2  = parcel.Key{Owner: "00000000000000aa", Name: "sw2"}
	same = cmp.Comparer(func(a, b tree.Path) bool { return a == b })
)

// load returns all that is in the book, which has to be there.
func load(t *testing.T, b *book.Book) *book.Content {
	t.Helper()
	c, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBook(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		b := book.New(s)
		row := book.Row{
			Key: sw1, Application: "switch", At: tree.MustPath("/net/sw1"), Kinds: []string{"snmp"}, Place: sw1.Owner, Until: at, Watcher: "00000000000000bb",
			Epoch: 3, State: book.Taking, Next: 3, From: sw1.Owner, Why: book.Takeover, By: "ann", Since: at, Refused: []peer.ID{"00000000000000cc"},
		}
		hold := book.Hold{Key: sw2, Keeper: sw1.Owner, Step: book.Gone, Epoch: 2, Heir: "00000000000000bb", Next: 3, Since: at, New: true}
		member := book.Member{ID: sw1.Owner, StandIns: []string{"*"}, Away: true, To: "hamburg", Live: at}
		data := []byte{0, 1, 254, 255}
		err := b.Write(t.Context(), &book.Change{
			Rows: []*book.Row{&row, {Key: sw2}}, Holds: []*book.Hold{&hold, {Key: sw1}}, Members: []*book.Member{&member},
			Left: map[parcel.Key][]byte{sw1: data, sw2: {1}}, Held: map[parcel.Key][]byte{sw1: {2}},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := &book.Content{Rows: []book.Row{row, {Key: sw2}}, Holds: []book.Hold{{Key: sw1}, hold}, Members: []book.Member{member}}
		if diff := cmp.Diff(want, load(t, b), same); diff != "" {
			t.Error(diff)
		}
		// All of it is another manager's no business.
		if c := load(t, book.New(db.OpenAs(t, "other"))); len(c.Rows)+len(c.Holds)+len(c.Members) != 0 {
			t.Errorf("another manager has %+v", c)
		}
		for _, c := range []struct {
			place book.Place
			key   parcel.Key
			want  []byte
		}{{book.OfBook, sw1, data}, {book.OfBook, sw2, []byte{1}}, {book.OfHold, sw1, []byte{2}}, {book.OfHold, sw2, nil}} {
			if got, err := b.Parcel(t.Context(), c.place, c.key); err != nil || string(got) != string(c.want) {
				t.Errorf("%s of %s: %v, %v", c.place, c.key, got, err)
			}
		}
		if err := b.Write(t.Context(), &book.Change{DropRows: []parcel.Key{sw1}, DropHolds: []parcel.Key{sw1}, Rows: []*book.Row{{Key: sw2, Epoch: 9}}}); err != nil {
			t.Fatal(err)
		}
		want = &book.Content{Rows: []book.Row{{Key: sw2, Epoch: 9}}, Holds: []book.Hold{hold}, Members: []book.Member{member}}
		if diff := cmp.Diff(want, load(t, b), same); diff != "" {
			t.Error(diff)
		}
		if got, err := b.Parcel(t.Context(), book.OfBook, sw1); err != nil || got != nil {
			t.Errorf("the parcel of what was dropped: %v, %v", got, err)
		}
	})
}

// TestAllOrNothing holds that a change that cannot be written leaves nothing.
func TestAllOrNothing(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		b := book.New(s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Write(ctx, &book.Change{Rows: []*book.Row{{Key: sw1}}}); err == nil {
			t.Error("it was written though nobody waits")
		}
		if c := load(t, b); len(c.Rows) != 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestMoves(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		b := book.New(s)
		for i := range 5 {
			k := sw1
			if i%2 == 1 {
				k = sw2
			}
			if err := b.Write(t.Context(), &book.Change{Moves: []book.Move{{Time: at, Key: k, From: sw1.Owner, To: "00000000000000bb", Why: book.Given, State: "done", Took: time.Second, Epoch: int64(i)}}}); err != nil {
				t.Fatal(err)
			}
		}
		for name, c := range map[string]struct {
			q    book.Query
			want []int64
		}{
			"newest first":  {book.Query{Limit: 3}, []int64{4, 3, 2}},
			"of one device": {book.Query{Device: "sw2", Limit: 10}, []int64{3, 1}},
			"the next page": {book.Query{Before: 3, Limit: 10}, []int64{1, 0}},
			"at least one":  {book.Query{}, []int64{4}},
		} {
			moves, err := b.Moves(t.Context(), c.q)
			var got []int64
			for _, m := range moves {
				got = append(got, m.Epoch)
				if m.Took != time.Second || m.Key.Owner != sw1.Owner {
					t.Errorf("%s: %+v", name, m)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v %s", name, err, diff)
			}
		}
	})
}

// TestMovesAreBounded holds that the oldest make room.
func TestMovesAreBounded(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	b := book.New(s)
	many := make([]book.Move, book.MaxMoves)
	for i := range many {
		many[i] = book.Move{Key: parcel.Key{Owner: sw1.Owner, Name: fmt.Sprint(i)}}
	}
	for range 2 {
		if err := b.Write(t.Context(), &book.Change{Moves: many}); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Row("SELECT COUNT(*) FROM peer_move", nil, &n)
		return err
	})
	if err != nil || n != book.MaxMoves {
		t.Errorf("%d moves, %v", n, err)
	}
}
