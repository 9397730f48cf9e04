package journal

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

// TestAlsoIsToldOfEachEntryOnce in the transaction that writes it, however often that is
// tried.
func TestAlsoIsToldOfEachEntryOnce(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		refuse := errors.New("not now")
		var fail error
		j := running(t, d, Options{Also: func(tx *store.Tx, entries []Entry) error {
			for _, e := range entries {
				if _, err := tx.Exec("INSERT INTO told VALUES ($1)", e.Text); err != nil {
					return err
				}
			}
			return fail
		}})
		write := func(do func(tx *store.Tx) error) error { return j.o.Store.Write(t.Context(), do) }
		if err := write(func(tx *store.Tx) error { _, err := tx.Exec("CREATE TABLE told (what TEXT)"); return err }); err != nil {
			t.Fatal(err)
		}
		entries := []Entry{entry(1, "/a", Event, 0, 0, "1"), entry(2, "/a", Event, 0, 0, "2")}
		if err := write(func(tx *store.Tx) error { fail = refuse; return j.Add(tx, entries...) }); !errors.Is(err, refuse) {
			t.Fatal(err)
		}
		if err := write(func(tx *store.Tx) error { fail = nil; return j.Add(tx, entries...) }); err != nil {
			t.Fatal(err)
		}
		// Nobody knew whether that was committed: it comes again, with one that is new.
		entries = append(entries, entry(3, "/a", Event, 0, 0, "3"))
		if err := write(func(tx *store.Tx) error {
			return errors.Join(j.Add(tx, entries...), j.Add(tx, entries[:1]...), j.Add(tx))
		}); err != nil {
			t.Fatal(err)
		}
		if err := j.Append(t.Context(), entry(4, "/a", Event, 0, 0, "4")); err != nil {
			t.Fatal(err)
		}
		var told, there int
		err := j.o.Store.Read(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Row("SELECT COUNT(*) FROM told", nil, &told)
			_, again := tx.Row("SELECT COUNT(*) FROM journal", nil, &there)
			return errors.Join(err, again)
		})
		if err != nil || told != 4 || there != 4 {
			t.Errorf("%d told, %d there, %v", told, there, err)
		}
	})
}

// TestElsewhere leaves out what another manager remembers.
func TestElsewhere(t *testing.T) {
	d := storetest.SQLite(t)
	theirs := tree.MustPath("/theirs")
	j := running(t, d, Options{Elsewhere: theirs.Contains})
	live := tree.New(tree.Options{Statuses: j.Statuses, Reports: j.Reports, Now: j.o.Now})
	j.Bind(live)
	for _, name := range []string{"/theirs", "/ours"} {
		if _, err := live.Add(tree.MustPath(name), &tree.Spec{Kind: tree.Group}); err != nil {
			t.Fatal(err)
		}
		ref, err := live.Add(tree.MustPath(name+"/log"), &tree.Spec{Kind: tree.Log, Mode: tree.Push})
		if err != nil {
			t.Fatal(err)
		}
		live.Report(tree.Report{Node: ref, Events: []tree.Event{{Text: "bad", Status: tree.Red}}})
	}
	if err := j.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := j.Search(t.Context(), Query{Oldest: true})
	if err != nil {
		t.Fatal(err)
	}
	found := map[tree.Path]int{}
	for _, e := range page.Entries {
		found[e.Path]++
	}
	if found[tree.MustPath("/ours/log")] != 2 || found[tree.MustPath("/ours")] != 1 || found[theirs]+found[tree.MustPath("/theirs/log")] != 0 {
		t.Errorf("%v", found)
	}
	// What is appended by name is always taken: it comes from there.
	if err := j.Append(t.Context(), entry(0, "/theirs/log", Event, 0, tree.Red, "bad")); err != nil {
		t.Fatal(err)
	}
	if page, err = j.Search(t.Context(), Query{Under: theirs}); err != nil || len(page.Entries) != 1 {
		t.Errorf("%v, %v", page.Entries, err)
	}
}

// TestUnknownIsWhite covers what is not known yet of a node, wherever it begins and ends.
func TestUnknownIsWhite(t *testing.T) {
	d := storetest.SQLite(t)
	at := func(minute int) time.Time { return start.Add(time.Duration(minute) * time.Minute) }
	var from, to time.Time
	j := running(t, d, Options{Unknown: func(p tree.Path) (time.Time, time.Time, string) {
		if p != tree.MustPath("/a") {
			return time.Time{}, time.Time{}, ""
		}
		return from, to, "not told"
	}})
	if err := j.Append(t.Context(),
		entry(10*time.Minute, "/a", Status, tree.White, tree.Green, ""), entry(20*time.Minute, "/a", Status, tree.Green, tree.Red, ""),
		entry(30*time.Minute, "/a", Status, tree.Red, tree.Green, ""), entry(10*time.Minute, "/b", Status, tree.White, tree.Green, ""),
	); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		from, to int
		want     []string
		white    time.Duration
	}{
		"nothing":           {0, 0, []string{"10 white ", "10 green ", "10 red ", "10 green "}, 10},
		"the end":           {35, 50, []string{"10 white ", "10 green ", "10 red ", "5 green ", "5 white not told"}, 15},
		"in the middle":     {12, 18, []string{"10 white ", "2 green ", "6 white not told", "2 green ", "10 red ", "10 green "}, 16},
		"over changes":      {15, 35, []string{"10 white ", "5 green ", "20 white not told", "5 green "}, 30},
		"a whole one":       {20, 30, []string{"10 white ", "10 green ", "10 white not told", "10 green "}, 20},
		"everything":        {-5, 50, []string{"40 white not told"}, 40},
		"before, of no use": {-9, -5, []string{"10 white ", "10 green ", "10 red ", "10 green "}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			if from, to = at(tc.from), at(tc.to); tc.to == 0 {
				from, to = time.Time{}, time.Time{}
			}
			found, err := j.Intervals(t.Context(), tree.MustPath("/a"), at(0), at(40))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			end := at(0)
			for _, i := range found {
				if !i.From.Equal(end) {
					t.Errorf("a gap at %s", end)
				}
				end = i.To
				got = append(got, fmt.Sprintf("%.0f %s %s", i.To.Sub(i.From).Minutes(), i.Status, i.Text))
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
			totals, err := j.Totals(t.Context(), tree.Root, at(0), at(40))
			if err != nil || len(totals) != 2 {
				t.Fatal(totals, err)
			}
			all := totals[0].For[0] + totals[0].For[1] + totals[0].For[2] + totals[0].For[3]
			if totals[0].For[tree.White] != tc.white*time.Minute || all != 40*time.Minute || totals[1].For[tree.White] != 10*time.Minute {
				t.Errorf("%v", totals)
			}
		})
	}
}
