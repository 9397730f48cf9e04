package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// put writes a row that the tests count.
func put(name string) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		_, err := tx.Exec("INSERT INTO definition (name, revision) VALUES ($1, $2)", name, 1)
		return err
	}
}

func names(t *testing.T, s *store.Store) (all []string) {
	t.Helper()
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Each("SELECT name FROM definition ORDER BY name", nil, func(rows *sql.Rows) error {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			all = append(all, name)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAPieceThatFailsTakesNothingElseWithIt(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		// One piece holds the writer until the others wait, so that they share a group.
		hold, held := make(chan struct{}), make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			if err := s.Write(t.Context(), func(*store.Tx) error { close(held); <-hold; return nil }); err != nil {
				t.Error(err)
			}
		})
		<-held
		refused := errors.New("changed my mind")
		errs, told := make([]error, 12), make([][]error, 12)
		for i := range errs {
			all.Go(func() {
				errs[i] = s.Write(t.Context(), func(tx *store.Tx) error {
					tx.Ended(func(err error) { told[i] = append(told[i], err) })
					if err := put(fmt.Sprintf("d%02d", i/2))(tx); err != nil {
						return err
					}
					if i >= 10 {
						return refused
					}
					return nil
				})
			})
		}
		for s.Waiting() < len(errs) { // until all stand in the queue
			runtime.Gosched()
		}
		close(hold)
		all.Wait()
		if d := cmp.Diff([]string{"d00", "d01", "d02", "d03", "d04"}, names(t, s)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		for i := 0; i < 10; i += 2 {
			a, b := errs[i], errs[i+1]
			if a == nil {
				a, b = b, a
			}
			if b != nil || !errors.Is(a, store.ErrUnique) {
				t.Errorf("of two equal rows: %v, %v, want one to be there already", errs[i], errs[i+1])
			}
		}
		if !errors.Is(errs[10], refused) || !errors.Is(errs[11], refused) {
			t.Errorf("errors of those that gave up: %v, %v", errs[10], errs[11])
		}
		for i, err := range errs {
			if len(told[i]) != 1 || (told[i][0] == nil) != (err == nil) || !errors.Is(err, told[i][0]) {
				t.Errorf("piece %d ended with %v, and was told %v", i, err, told[i])
			}
		}
		stats, err := s.Stats(t.Context())
		if err != nil || stats.Commits != 2 || stats.Pieces != 13 || !stats.Ready || stats.Bytes == 0 || stats.Engine != d.Engine {
			t.Errorf("stats %+v, %v, want 2 commits of 13 pieces", stats, err)
		}
	})
}

// TestAPieceIsToldHowItEnded: also one that is alone, and one of a database that goes.
func TestAPieceIsToldHowItEnded(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		refused := errors.New("changed my mind")
		var told []error
		for _, want := range []error{nil, refused, nil, store.ErrUnavailable} { // the last one makes the store look for its database anew
			err := s.Write(t.Context(), func(tx *store.Tx) error {
				told = nil // it may be run again
				tx.Ended(func(err error) { told = append(told, err) })
				return want
			})
			if len(told) != 1 || !errors.Is(told[0], want) || (told[0] == nil) != (err == nil) {
				t.Errorf("a piece that ends with %v was told %v, and Write returned %v", want, told, err)
			}
		}
	})
}

func TestWhatWasAcknowledgedIsThereAgain(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		if err := s.Write(t.Context(), put("one")); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"write": s.Write(t.Context(), put("two")),
			"read":  s.Read(t.Context(), func(*store.Tx) error { return nil }),
		} {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("%s after Close: %v", what, err)
			}
		}
		if d := cmp.Diff([]string{"one"}, names(t, d.Open(t))); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

func TestSQLiteFileIsForItsOwnerAlone(t *testing.T) {
	d := storetest.SQLite(t)
	s := d.Open(t)
	if err := s.Write(t.Context(), put("one")); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(d.Address + end)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v, want 0600", d.Address+end, info.Mode(), err)
		}
	}
}

func TestAPanicIsTheErrorOfItsPiece(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		if err := s.Write(t.Context(), func(*store.Tx) error { panic("oh") }); err == nil {
			t.Error("no error")
		}
		if err := s.Write(t.Context(), put("after")); err != nil {
			t.Error(err)
		}
	})
}

func TestKnownNodes(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		var places []store.Place
		for i := range 300 {
			p := tree.MustPath(fmt.Sprintf("/a/%03d", i))
			places = append(places, store.Place{Number: store.NodeNumber(p), Path: p})
		}
		gaveUp := errors.New("no")
		if err := s.Write(t.Context(), func(tx *store.Tx) error { return errors.Join(tx.Know(places), gaveUp) }); !errors.Is(err, gaveUp) {
			t.Fatal(err)
		}
		for range 2 { // what was undone is not known
			if err := s.Write(t.Context(), func(tx *store.Tx) error { return tx.Know(places) }); err != nil {
				t.Fatal(err)
			}
		}
		var n int
		if err := s.Read(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Row("SELECT COUNT(*) FROM node WHERE path >= $1 AND path < $2", []any{"/a/", "/a0"}, &n)
			return err
		}); err != nil || n != 300 {
			t.Errorf("%d nodes, %v", n, err)
		}
	})
}

func TestTheNewestProcessOfAManagerWrites(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		first, other, tool := d.Open(t), d.OpenAs(t, "other"), d.OpenAs(t, "")
		second := d.Open(t)
		for name, tc := range map[string]struct {
			s    *store.Store
			want error
		}{"first": {first, store.ErrTaken}, "second": {second, nil}, "other": {other, nil}, "tool": {tool, nil}} {
			if err := tc.s.Write(t.Context(), put(name)); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", name, err, tc.want)
			}
		}
		if first.Ready() == nil {
			t.Error("the first says that it is ready")
		}
	})
}

func TestWriteGivesUpOnlyWhatWasNotBegun(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Write(ctx, func(tx *store.Tx) error {
			cancel()
			return put("begun")(tx)
		})
		if err != nil {
			t.Errorf("the one that was begun: %v", err)
		}
		if err := s.Write(ctx, put("late")); !errors.Is(err, context.Canceled) {
			t.Errorf("the other: %v", err)
		}
		if d := cmp.Diff([]string{"begun"}, names(t, s)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		before := goleak.IgnoreCurrent()
		s, err := store.Open(t.Context(), store.Options{Address: d.Address, Manager: "test"})
		if err != nil {
			t.Fatal(err)
		}
		told, ended := make(chan struct{}, 1), make(chan error)
		go func() {
			ended <- s.Watch(context.Background(), "definition", func(store.Notice) { told <- struct{}{} })
		}()
		<-told
		if err := s.Write(t.Context(), put("one")); err != nil {
			t.Error(err)
		}
		if got := names(t, s); len(got) != 1 {
			t.Errorf("%v", got)
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who watched: %v", err)
		}
		goleak.VerifyNone(t, before)
	})
}
