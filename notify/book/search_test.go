package book

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

// onEngine is a book on a database, with the clock of the machine and nothing to wait for.
func onEngine(t testing.TB, d *storetest.Database, o *tree.Tree) (b *Book, end func()) {
	t.Helper()
	s := d.Open(t)
	b = New(Options{Tree: o, Store: s, Journal: journal.New(journal.Options{Store: s}), Manager: "test", Settle: time.Nanosecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	if err := b.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSearch goes through all pages, over a restart, on both engines.
func TestSearch(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		var b *Book
		o := tree.New(tree.Options{Statuses: func(c []tree.StatusChange) { b.Statuses(c) }, Names: func(c []tree.NameChange) { b.Names(c) }})
		b, end := onEngine(t, d, o)
		report := func(n int, text string, from, to int) {
			t.Helper()
			for i := from; i < to; i++ {
				p := tree.MustPath(fmt.Sprintf("/shop/%d/%c/Up", n, 'a'+i))
				ref, ok := o.Lookup(p)
				if !ok {
					var err error
					if ref, err = o.Add(p, &tree.Spec{Kind: tree.State, Owner: fmt.Sprint("shop", n), Properties: map[string]string{"customer": "acme"}}); err != nil {
						t.Fatal(err)
					}
				}
				o.Report(tree.Report{Node: ref, Value: tree.Text(text)})
			}
			if err := b.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		report(1, "red", 0, 20)
		report(2, "yellow", 0, 20)
		report(1, "green", 0, 10)
		report(2, "green", 5, 15)
		end()
		b, end = onEngine(t, d, o)
		defer end()
		if err := b.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			q    alert.Query
			want int
		}{
			"not resolved": {alert.Query{}, 20},
			"all":          {alert.Query{States: alert.States}, 40},
			"resolved":     {alert.Query{States: []alert.State{alert.Resolved}}, 20},
			"red, all":     {alert.Query{States: alert.States, Statuses: []tree.Status{tree.Red}}, 20},
			"below":        {alert.Query{States: alert.States, Under: tree.MustPath("/shop/2")}, 20},
			"instance":     {alert.Query{States: alert.States, Instance: "shop1"}, 20},
			"customer":     {alert.Query{States: alert.States, Customer: "ACME"}, 40},
			"text":         {alert.Query{States: alert.States, Text: "/2/b/up IS"}, 1},
			"seen":         {alert.Query{States: alert.States, Sees: tree.MustPath("/shop/1").Contains}, 20},
		} {
			for _, limit := range []int{1, 7, 20, 1000} {
				q := c.q
				q.Limit = limit
				seen := map[alert.ID]bool{}
				var last *alert.Alert
				for pages := 0; ; pages++ {
					page, err := b.Search(t.Context(), q)
					if err != nil || pages > 50 {
						t.Fatal(name, err)
					}
					for i := range page.Alerts {
						a := &page.Alerts[i]
						if last != nil && (last.Ended() && !a.Ended() || last.Ended() == a.Ended() && (!a.Ended() && compare(placeOf(last), placeOf(a)) >= 0 || a.Ended() && a.Resolved.After(*last.Resolved))) {
							t.Errorf("%s: %s %s comes after %s %s", name, a.Path, a.State, last.Path, last.State)
						}
						last = a
						seen[a.ID] = true
					}
					if page.Next == "" {
						break
					}
					if len(page.Alerts) != limit {
						t.Errorf("%s: a page of %d", name, len(page.Alerts))
					}
					q.After = page.Next
				}
				if len(seen) != c.want {
					t.Errorf("%s by %d: %d alerts, want %d", name, limit, len(seen), c.want)
				}
			}
		}
		if s := b.Stats(); s.Rows != 20 || s.Live != 20 {
			t.Errorf("%+v", s)
		}
	})
}

func TestBadQueries(t *testing.T) {
	d := storetest.SQLite(t)
	b, end := onEngine(t, d, tree.New(tree.Options{}))
	defer end()
	other := alert.Query{Instance: "x"}
	foreign := cursor(&other, place{id: 1})
	for name, q := range map[string]alert.Query{
		"limit":            {Limit: alert.MaxLimit + 1},
		"less than none":   {Limit: -1},
		"a long text":      {Text: strings.Repeat("x", MaxTextBytes+1)},
		"not UTF-8":        {Text: "\xff"},
		"no cursor":        {After: "x"},
		"a foreign cursor": {After: foreign},
		"the end first":    {From: time.Unix(2, 0), To: time.Unix(1, 0)},
	} {
		if _, err := b.Search(t.Context(), q); !errors.Is(err, alert.ErrQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Search(t.Context(), alert.Query{Instance: "x", After: foreign}); err != nil {
		t.Error(err)
	}
}

func FuzzCursor(f *testing.F) {
	q := alert.Query{}
	f.Add(cursor(&q, place{id: 7}))
	f.Add(cursor(&q, place{resolved: true, ended: 1, id: 7}))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		q := alert.Query{After: token}
		at, err := parseCursor(&q)
		if err == nil && cursor(&q, at) != token {
			t.Errorf("%q reads as %+v, which is %q", token, at, cursor(&q, at))
		}
	})
}
