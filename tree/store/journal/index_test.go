package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

// indexed makes all blocks that can be made, with so many entries each.
func indexed(t testing.TB, j *Journal) {
	t.Helper()
	for {
		more, err := j.indexOne(t.Context())
		if err != nil && !errors.Is(err, errChanged) {
			t.Fatal(err)
		}
		if !more && err == nil {
			return
		}
	}
}

// blocks counts the blocks, and those that are stale.
func blocks(t testing.TB, j *Journal) (all, stale int64) {
	t.Helper()
	if err := j.o.Store.Read(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Row("SELECT COUNT(*), COALESCE(SUM(stale), 0) FROM journal_block WHERE manager = $1", []any{tx.Manager()}, &all, &stale)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all, stale
}

// still makes a journal with small blocks that are made only when a test says so.
func still(t testing.TB, d *storetest.Database, now func() time.Time) *Journal {
	t.Helper()
	j := New(Options{Store: d.Open(t), Now: now})
	j.blockEntries = 7
	return j
}

// write adds entries, as a caller of Add does.
func write(t testing.TB, j *Journal, entries ...Entry) {
	t.Helper()
	if err := j.o.Store.Write(t.Context(), func(tx *store.Tx) error { return j.Add(tx, entries...) }); err != nil {
		t.Fatal(err)
	}
}

// TestSearchByBlocksIsSearchByEntry writes entries, early and late ones, deletes some and
// makes blocks in between: every search must find what looking at each entry finds.
func TestSearchByBlocksIsSearchByEntry(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		r := rand.New(rand.NewPCG(1, 2))
		now := start.Add(time.Hour)
		j := still(t, d, func() time.Time { return now })
		j.o.Keep = 50 * time.Minute
		words := []string{"No Answer", "no answer of b", "ÜBER die Zeit", "a_b%c\\d", "", "answer"}
		var all []Entry
		for round := range 8 {
			var batch []Entry
			for range 5 + r.IntN(20) {
				at := time.Duration(round*7)*time.Minute + time.Duration(r.IntN(300))*time.Second
				if r.IntN(4) == 0 {
					at = time.Duration(r.IntN(3600)) * time.Second // late, or early
				}
				e := entry(at, fmt.Sprint("/a/", r.IntN(3)), Kinds[r.IntN(3)], tree.White, tree.Status(r.IntN(4)), words[r.IntN(len(words))])
				switch r.IntN(3) {
				case 0:
					e.Value = tree.Number(float64(r.IntN(300)) / 10)
				case 1:
					e.Value = tree.Text(words[r.IntN(len(words))])
				}
				batch = append(batch, e)
			}
			write(t, j, batch...)
			all = append(all, batch...)
			switch round % 3 {
			case 0:
				indexed(t, j)
			case 1:
				_, _ = j.indexOne(t.Context())
			}
			if round == 5 {
				if err := j.trim(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, text := range []string{"ANSWER", "über", "12.5", "e"} {
				for _, q := range []Query{
					{Text: text, Limit: 9}, {Text: text, Limit: 9, Oldest: true}, {Text: text, Limit: 1000}, {Text: text, Kinds: []Kind{Event}, Limit: 5},
					{Text: text, Statuses: []tree.Status{tree.Red, tree.White}}, {Text: text, From: start.Add(10 * time.Minute), To: start.Add(40 * time.Minute), Limit: 5},
					{Text: text, Sees: func(p tree.Path) bool { return p.Name() != "1" }, Limit: 4, Oldest: true},
				} {
					if got, want := found(t, j, q, true), found(t, j, q, false); !cmp.Equal(got, want) {
						t.Fatalf("round %d, %+v:\n%s", round, q, cmp.Diff(want, got))
					}
				}
			}
		}
		indexed(t, j)
		if made, stale := blocks(t, j); made < 4 || stale > 0 {
			t.Errorf("%d blocks of %d entries, %d stale", made, len(all), stale)
		}
	})
}

// found are the texts and numbers of all pages of a search, by blocks or entry by entry.
func found(t testing.TB, j *Journal, q Query, byBlocks bool) (out []string) {
	t.Helper()
	for page := 0; page < 400; page++ {
		var entries []Entry
		limit, after, err := q.check()
		if err == nil {
			err = j.o.Store.Read(t.Context(), func(tx *store.Tx) error {
				s := newSearch(&q, tx, limit, j.o.Log)
				low, high := q.bounds(after)
				if byBlocks {
					err = s.grep(low, high)
				} else {
					err = s.scan(fromJournal, low, high)
				}
				entries = s.found
				return err
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries[:min(len(entries), limit)] {
			out = append(out, fmt.Sprintf("%d %s %s %s", e.ID, e.Path, e.Text, e.Value))
		}
		if len(entries) <= limit {
			return out
		}
		q.After = q.cursor(entries[limit-1].ID)
	}
	t.Fatal("the pages have no end")
	return nil
}

func TestBlocksKeepInStep(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		now := start.Add(time.Hour)
		j := still(t, d, func() time.Time { return now })
		var batch []Entry
		for i := range 30 {
			batch = append(batch, entry(time.Duration(i)*time.Minute, "/a", Event, tree.White, tree.Red, fmt.Sprint("line ", i)))
		}
		write(t, j, batch...)
		want := func(what string, wantBlocks, wantStale int64) {
			t.Helper()
			if made, stale := blocks(t, j); made != wantBlocks || stale != wantStale {
				t.Errorf("%s: %d blocks, %d stale; want %d, %d", what, made, stale, wantBlocks, wantStale)
			}
		}
		indexed(t, j)
		want("30 entries", 4, 0)
		write(t, j, entry(10*time.Minute+time.Second, "/a", Event, tree.White, tree.Red, "late"), entry(time.Hour, "/a", Event, tree.White, tree.Red, "new"))
		want("a late one", 4, 1)
		indexed(t, j)
		want("made anew", 5, 0) // One has eight now, so it is two.
		write(t, j, entry(59*time.Minute, "/a", Event, tree.White, tree.Red, "x"), entry(59*time.Minute+58*time.Second, "/a", Event, tree.White, tree.Red, "young"))
		indexed(t, j)
		want("those that are young wait", 5, 0)
		j.o.Keep = 44 * time.Minute
		if err := j.trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("old ones are gone", 2, 0)
		// A backup has no blocks; what is loaded gets its own.
		var backup strings.Builder
		if err := j.o.Store.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		write(t, j, batch[0])
		if err := j.o.Store.Load(t.Context(), strings.NewReader(backup.String())); err != nil {
			t.Fatal(err)
		}
		want("loaded", 0, 0)
		indexed(t, j)
		want("and made", 2, 0)
		page, err := j.Search(t.Context(), Query{Text: "LINE 2"})
		if err != nil || len(page.Entries) != 10 {
			t.Errorf("%d entries, %v", len(page.Entries), err)
		}
	})
}

// TestABlockThatIsDamagedIsSearchedEntryByEntry spoils what is stored.
func TestABlockThatIsDamagedIsSearchedEntryByEntry(t *testing.T) {
	j := still(t, storetest.SQLite(t), func() time.Time { return start.Add(time.Hour) })
	for i := range 14 {
		write(t, j, entry(time.Duration(i)*time.Second, "/a", Event, tree.White, tree.Red, fmt.Sprint("line ", i)))
	}
	indexed(t, j)
	if err := j.o.Store.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec("UPDATE journal_block SET entries = $1", []byte("?"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got := found(t, j, Query{Text: "line"}, true); len(got) != 14 {
		t.Errorf("%d entries", len(got))
	}
}

// TestRunMakesBlocks holds that nobody has to ask for them.
func TestRunMakesBlocks(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := New(Options{Store: d.Open(t), Now: func() time.Time { return start.Add(time.Hour) }})
		j.blockEntries = 7
		if err := func() error {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- j.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}()
			for i := range 8 {
				if err := j.Append(ctx, entry(time.Duration(i)*time.Second, "/a", Event, tree.White, tree.Red, "x")); err != nil {
					return err
				}
			}
			for made := int64(0); made == 0; made, _ = blocks(t, j) {
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			return nil
		}(); err != nil {
			t.Fatal(err)
		}
	})
}
