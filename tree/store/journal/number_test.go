package journal

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

// texts are those of all entries in the order of their numbers, which must be that of
// their times.
func texts(t *testing.T, j *Journal) (all []string) {
	t.Helper()
	page, err := j.Search(t.Context(), Query{Oldest: true, Limit: MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entries {
		all = append(all, e.Text)
	}
	return all
}

func TestAddBelongsToTheTransactionOfTheCaller(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		text := func(at time.Duration, s string) Entry { return entry(at, "/a", Alert, tree.White, tree.Red, s) }
		if err := j.Append(t.Context(), text(10*time.Second, "2"), text(20*time.Second, "6")); err != nil {
			t.Fatal(err)
		}
		undone := errors.New("undone")
		lost := []Entry{text(10*time.Second, "never")}
		if err := j.o.Store.Write(t.Context(), func(tx *store.Tx) error { return errors.Join(j.Add(tx, lost...), undone) }); !errors.Is(err, undone) {
			t.Fatal(err)
		}
		// What runs again, and what is passed again after it was committed, is there once;
		// what others wrote meanwhile has other numbers.
		entries := []Entry{text(20*time.Second, "7"), text(10*time.Second, "3"), text(5*time.Second, "1"), text(30*time.Second, "8")}
		for range 3 {
			if err := j.o.Store.Write(t.Context(), func(tx *store.Tx) error {
				return errors.Join(j.Add(tx, entries...), j.Add(tx), j.Add(tx, entries...))
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Append(t.Context(), text(10*time.Second, "4")); err != nil {
			t.Fatal(err)
		}
		// An entry keeps its place for as long as it is not written.
		if err := j.o.Store.Write(t.Context(), func(tx *store.Tx) error { return j.Add(tx, text(10*time.Second, "5")) }); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"1", "2", "3", "4", "5", "6", "7", "8"}, texts(t, j)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if err := j.o.Store.Write(t.Context(), func(tx *store.Tx) error { return j.Add(tx, lost...) }); err != nil {
			t.Fatal(err)
		}
		if got := texts(t, j); len(got) != 9 || got[2] != "never" {
			t.Errorf("what was undone once and is written then: %q", got)
		}
		if got := j.Stats().Written; got != 9 {
			t.Errorf("%d were written, want 9", got)
		}
	})
}

// TestManyWritersShareTheNumbers has several write what happens at the same time, some of
// it late, some of it undone at first.
func TestManyWritersShareTheNumbers(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{})
		const writers, rounds = 4, 50
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range rounds {
					e := entry(time.Duration(i%7)*time.Second, "/a", Alert, tree.White, tree.Red, fmt.Sprint(w, i))
					if w == 0 {
						if err := j.Append(t.Context(), e); err != nil {
							t.Error(err)
						}
						continue
					}
					entries, again := []Entry{e}, errors.New("again")
					for {
						err := j.o.Store.Write(t.Context(), func(tx *store.Tx) error {
							err := j.Add(tx, entries...)
							if again != nil && i%2 == 0 {
								err = errors.Join(err, again)
							}
							return err
						})
						if err == nil {
							break
						}
						if again == nil || !errors.Is(err, again) {
							t.Error(err)
							break
						}
						again = nil
					}
				}
			})
		}
		all.Wait()
		seen := map[string]bool{}
		for _, s := range texts(t, j) {
			seen[s] = true
		}
		if len(seen) != writers*rounds {
			t.Errorf("%d of %d entries are there", len(seen), writers*rounds)
		}
	})
}

func TestMillisecondsThatAreForgottenAreAsked(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	j := New(Options{Store: s})
	if err := s.Write(t.Context(), func(tx *store.Tx) error {
		for i := range maxGiven + 2 {
			at := start.Add(time.Duration(-i) * time.Millisecond)
			if i == 0 {
				at = start.Add(time.Second)
			}
			e := []Entry{{Time: at}}
			if err := j.numbers.give(tx, 0, e); err != nil {
				return err
			}
			if e[0].ID != FirstID(at) {
				return fmt.Errorf("%d is not the first of its millisecond", e[0].ID)
			}
		}
		// What was given, and is not in the database, is known for a while.
		e := []Entry{{Time: start.Add(-5 * time.Millisecond)}}
		err := j.numbers.give(tx, 0, e)
		if e[0].ID != FirstID(e[0].Time)+1 {
			return fmt.Errorf("%d is not the second of its millisecond", e[0].ID)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := len(j.numbers.given) + len(j.numbers.earlier); n > 2*maxGiven {
		t.Errorf("%d milliseconds are remembered", n)
	}
}
