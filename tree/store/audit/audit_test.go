package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func appended(t *testing.T, l *Log, n int) {
	t.Helper()
	for i := range n {
		_, err := l.Append(t.Context(), Entry{Who: fmt.Sprint("user", i%3), Origin: "127.0.0.1", Action: "put", Target: "shop", Was: "1", Became: "2", Outcome: "ok"})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheHashIsTheOneOfTheDocumentation computes one as the package says it is made.
func TestTheHashIsTheOneOfTheDocumentation(t *testing.T) {
	l := New(storetest.SQLite(t).Open(t), "m", func() time.Time { return start })
	r, err := l.Append(t.Context(), Entry{Who: "ännä", Action: "login", Outcome: "ok\n"})
	// printf 'grove audit 1\n1:1\n13:1772366400000\n1:m\n6:ännä\n0:\n5:login\n0:\n0:\n0:\n3:ok\n\n0:\n' | sha256sum
	if want := "7a7982f39675d5a1c22a3502130b99627ff58ccff25b2d86493573b18e67ee9d"; err != nil || r.Hash != want || r.Previous != "" || r.Seq != 1 {
		t.Errorf("%+v, %v, want %s", r, err, want)
	}
}

func TestVerifyNamesTheFirstBadRecord(t *testing.T) {
	rehash := func(r Record, change func(*Record)) Record {
		change(&r)
		r.Hash = r.sum()
		return r
	}
	edit := func(statement string, args ...any) func(*store.Tx, []Record) error {
		return func(tx *store.Tx, _ []Record) error { _, err := tx.Exec(statement, args...); return err }
	}
	put := func(tx *store.Tx, r Record) error {
		if _, err := tx.Exec("DELETE FROM audit WHERE seq = $1", r.Seq); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO audit ("+columns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
			r.Seq, r.Time.UnixMilli(), r.Manager, r.Who, r.Origin, r.Action, r.Target, r.Was, r.Became, r.Outcome, r.Previous, r.Hash)
		return err
	}
	for name, tc := range map[string]struct {
		do   func(*store.Tx, []Record) error // given the records, oldest first
		want string
	}{
		"untouched": {func(*store.Tx, []Record) error { return nil }, ""},
		"edited":    {edit("UPDATE audit SET outcome = $1 WHERE seq = $2", "denied", 17), "audit log: record 17: was edited, or moved here from another place"},
		"edited with its hash": {func(tx *store.Tx, r []Record) error {
			return put(tx, rehash(r[16], func(r *Record) { r.Who = "nobody" }))
		}, "audit log: record 18: does not continue the record before: one of the two was put there later"},
		"deleted":           {edit("DELETE FROM audit WHERE seq = $1", 17), "audit log: record 17: is missing"},
		"the first deleted": {edit("DELETE FROM audit WHERE seq = $1", 1), "audit log: record 1: is missing"},
		"reordered": {func(tx *store.Tx, r []Record) error {
			a, b := r[16], r[17]
			a.Seq, b.Seq = b.Seq, a.Seq
			return errors.Join(put(tx, a), put(tx, b))
		}, "audit log: record 17: was edited, or moved here from another place"},
		"inserted": {func(tx *store.Tx, r []Record) error {
			for i := len(r) - 1; i >= 16; i-- { // room for it
				moved := r[i]
				moved.Seq++
				if err := put(tx, moved); err != nil {
					return err
				}
			}
			_, err := tx.Exec("UPDATE audit_head SET seq = seq + 1")
			return errors.Join(err, put(tx, rehash(r[16], func(r *Record) { r.Who = "nobody" })))
		}, "audit log: record 18: was edited, or moved here from another place"},
		"the end cut off": {edit("DELETE FROM audit WHERE seq > $1", 45), "audit log: record 46: is missing, and all after it up to 50: the end was cut off"},
		"the end cut off with the head": {func(tx *store.Tx, r []Record) error {
			_, err := tx.Exec("UPDATE audit_head SET seq = $1, hash = $2", 45, r[44].Hash)
			return errors.Join(err, edit("DELETE FROM audit WHERE seq > $1", 45)(tx, r))
		}, "audit log: record 46: is missing, and all after it up to 50, whose hash was kept: the end was cut off"},
		"written anew": {func(tx *store.Tx, r []Record) error {
			last := ""
			for i := range r {
				if i == 16 {
					r[i].Who = "nobody"
				}
				r[i] = rehash(r[i], func(r *Record) { r.Previous = last })
				last = r[i].Hash
				if err := put(tx, r[i]); err != nil {
					return err
				}
			}
			_, err := tx.Exec("UPDATE audit_head SET hash = $1", last)
			return err
		}, "audit log: record 50: is not the one whose hash was kept: the log was written anew up to here"},
		"no head":         {edit("DELETE FROM audit_head"), "audit log: the head of the log is missing"},
		"all was deleted": {edit("DELETE FROM audit"), "audit log: record 1: is missing, and all after it up to 50: the end was cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, d *storetest.Database) {
				s := d.Open(t)
				l := New(s, "m", func() time.Time { return start })
				appended(t, l, 50)
				kept, err := l.Head(t.Context())
				if err != nil || kept.Seq != 50 {
					t.Fatal(kept, err)
				}
				records, err := l.Read(t.Context(), Query{Limit: MaxPage})
				if err != nil || len(records) != 50 {
					t.Fatal(len(records), err)
				}
				for i, j := 0, len(records)-1; i < j; i, j = i+1, j-1 {
					records[i], records[j] = records[j], records[i]
				}
				if err := s.Write(t.Context(), func(tx *store.Tx) error { return tc.do(tx, records) }); err != nil {
					t.Fatal(err)
				}
				head, err := l.Verify(t.Context(), kept)
				if tc.want == "" {
					if err != nil || head != kept {
						t.Errorf("%v, %v, want %v", head, err, kept)
					}
					return
				}
				if err == nil || err.Error() != tc.want {
					t.Errorf("got  %v\nwant %s", err, tc.want)
				}
			})
		})
	}
}

func TestManagersShareOneChain(t *testing.T) {
	d := storetest.Postgres(t)
	var all sync.WaitGroup
	const managers, records = 3, 40
	for i := range managers {
		s := d.OpenAs(t, fmt.Sprint("m", i))
		l := New(s, fmt.Sprint("m", i), nil)
		for range 4 {
			all.Go(func() {
				for k := range records / 4 {
					if _, err := l.Append(t.Context(), Entry{Who: "anna", Action: "put", Target: fmt.Sprint(k), Outcome: "ok"}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	head, err := New(d.OpenAs(t, ""), "", nil).Verify(t.Context())
	if err != nil || head.Seq != managers*records {
		t.Errorf("%v, %v, want %d records", head, err, managers*records)
	}
}

func TestWhatIsNotCommittedIsNoRecord(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		l := New(s, "m", nil)
		appended(t, l, 1)
		gaveUp := errors.New("no")
		if err := s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := l.Add(tx, Entry{Who: "anna"})
			return errors.Join(err, gaveUp)
		}); !errors.Is(err, gaveUp) {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Append(ctx, Entry{}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		appended(t, l, 1)
		if head, err := l.Verify(t.Context()); err != nil || head.Seq != 2 {
			t.Errorf("%v, %v", head, err)
		}
	})
}

func TestRead(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		now := start
		l := New(d.Open(t), "m", func() time.Time { now = now.Add(time.Second); return now })
		appended(t, l, 9)
		if _, err := l.Append(t.Context(), Entry{Who: "o'\x00hara", Action: strings.Repeat("ü", 2000), Became: strings.Repeat("x", 20_000)}); err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct {
			query Query
			want  []int64
		}{
			"newest":     {Query{Limit: 3}, []int64{10, 9, 8}},
			"next page":  {Query{Limit: 3, Before: 8}, []int64{7, 6, 5}},
			"who":        {Query{Who: "user1"}, []int64{8, 5, 2}},
			"hostile":    {Query{Who: "o'\x00hara"}, []int64{10}},
			"a time":     {Query{From: start.Add(3 * time.Second), To: start.Add(5 * time.Second)}, []int64{4, 3}},
			"action":     {Query{Action: "put", Target: "shop", Limit: 1}, []int64{9}},
			"no such":    {Query{Action: "putt"}, nil},
			"all before": {Query{Before: 3}, []int64{2, 1}},
		} {
			records, err := l.Read(t.Context(), tc.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, r := range records {
				got = append(got, r.Seq)
				if len(r.Action) > MaxFieldBytes || len(r.Became) > MaxStateBytes {
					t.Errorf("fields of %d and %d bytes", len(r.Action), len(r.Became))
				}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s: -want +got\n%s", name, d)
			}
		}
		if _, err := l.Read(t.Context(), Query{Limit: MaxPage + 1}); !errors.Is(err, ErrQuery) {
			t.Error(err)
		}
		if _, err := l.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func FuzzHead(f *testing.F) {
	f.Add("0:")
	f.Add("7:" + strings.Repeat("0a", 32))
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := ParseHead(text); err == nil && h.String() != text {
			t.Errorf("%q is read as %v", text, h)
		}
	})
}
