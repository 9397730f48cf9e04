package ledger_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"grove/notify/ledger"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func samePath(a, b tree.Path) bool { return a == b }

// make some alerts: every third is not resolved.
func some(n int) []ledger.Row {
	rows := make([]ledger.Row, n)
	for i := range rows {
		opened := began.Add(time.Duration(i) * time.Second)
		a := &alert.Alert{
			ID: alert.ID(opened.UnixMilli()<<20 + int64(i)), Key: fmt.Sprint("key", i), Manager: "test", Path: tree.MustPath(fmt.Sprintf("/shop/web%d/Up", i%7)),
			Kind: alert.Status, State: alert.Open, Status: tree.Status(2 + i%2), Worst: tree.Status(2 + i%2), Severity: tree.Severity(2 + i%3), Opened: opened, Changed: opened,
			Message: fmt.Sprintf("/shop/web%d/Up is red: \"Größe\" 100%% of <%d>", i%7, i), Instance: fmt.Sprint("web", i%7), Customers: []string{"Acme", "Zenith_" + fmt.Sprint(i%2)},
			Labels: map[string]string{"a": "b"}, Count: 1, Revision: 1, History: []alert.Step{{Time: opened, What: alert.Opened, Status: tree.Red, Text: "x\x00y"}},
		}
		if i%5 == 0 {
			a.Suppression = &alert.Suppression{Reason: alert.ByParent, Cause: 77, At: tree.MustPath("/shop/Up"), Since: opened}
			a.State = alert.Suppressed
		}
		if i%3 != 0 {
			end := opened.Add(time.Hour - time.Duration(i%10)*time.Minute)
			a.State, a.Resolved, a.Status = alert.Resolved, &end, tree.Green
			if i%4 == 0 {
				a.Kind = alert.Silence
			}
		}
		rows[i] = ledger.Row{Alert: a, Closed: a.Resolved != nil && i%11 == 0}
	}
	return rows
}

func put(t *testing.T, s *store.Store, l *ledger.Ledger, rows []ledger.Row) {
	t.Helper()
	if err := s.Write(t.Context(), func(tx *store.Tx) error { return l.Put(tx, rows) }); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsPutIsThereAgain(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		l := ledger.New(s)
		rows := some(100)
		put(t, s, l, rows)
		end := began.Add(2 * time.Hour)
		rows[0].Alert.Resolved, rows[0].Alert.State, rows[0].Alert.Status = &end, alert.Resolved, tree.Green
		put(t, s, l, rows[:1])
		since := began.Add(time.Hour)
		if err := s.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec("INSERT INTO alert (manager, id, path, kind, status, severity, opened, resolved, closed, cause, instance, customers, document) "+
				"VALUES ($1, 1, '/x', 'status', 3, 4, 1, 0, 0, 0, '', '', '{')", tx.Manager())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		got, last, bad, err := l.Load(t.Context(), since)
		if len(bad) != 1 || !strings.Contains(bad[0].Error(), `an alert in the database, "{"`) {
			t.Error(bad)
		}
		if err != nil || last != rows[99].Alert.ID {
			t.Fatal(last, err)
		}
		var want []ledger.Row
		for _, r := range rows {
			if r.Alert.Resolved == nil || r.Closed || !r.Alert.Resolved.Before(since) {
				want = append(want, r)
			}
		}
		for _, r := range want { // what JSON makes of a text that no database takes
			r.Alert.History[0].Text = "x\x00y"
		}
		if diff := gocmp.Diff(want, got, gocmp.Comparer(samePath)); diff != "" || len(want) < 40 || len(want) > 60 {
			t.Errorf("%d: %s", len(want), diff)
		}
		one, err := l.Get(t.Context(), rows[4].Alert.ID)
		if diff := gocmp.Diff(rows[4].Alert, one, gocmp.Comparer(samePath)); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if _, err := l.Get(t.Context(), 12); !errors.Is(err, alert.ErrNone) {
			t.Error(err)
		}
	})
}

func TestSearch(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		l := ledger.New(s)
		rows := some(1200)
		put(t, s, l, rows)
		for name, q := range map[string]alert.Query{
			"all":             {},
			"below":           {Under: tree.MustPath("/shop/web3")},
			"below nothing":   {Under: tree.MustPath("/sho")},
			"status":          {Statuses: []tree.Status{tree.Red}},
			"severity":        {Severities: []tree.Severity{tree.Minor, tree.Major}},
			"kind":            {Kinds: []alert.Kind{alert.Silence}},
			"instance":        {Instance: "web2"},
			"customer":        {Customer: "zenith_1"},
			"half a customer": {Customer: "zenith"},
			"cause":           {Cause: 77},
			"text":            {Text: `"GRÖßE" 100`},
			"text in quotes":  {Text: `"größe" 100% of <5`},
			"no such text":    {Text: "nowhere"},
			"a key is none":   {Text: "severity"},
			"from":            {From: began.Add(time.Hour)},
			"to":              {To: began.Add(5 * time.Minute)},
			"between":         {From: began.Add(53 * time.Minute), To: began.Add(2 * time.Minute), Under: tree.MustPath("/shop")},
			"seen":            {Sees: func(p tree.Path) bool { return strings.Contains(p.String(), "web5") }},
		} {
			t.Run(name, func(t *testing.T) {
				q.States = []alert.State{alert.Resolved}
				var want []alert.ID
				resolved := slices.Clone(rows)
				slices.SortFunc(resolved, func(a, b ledger.Row) int {
					at := func(r ledger.Row) int64 {
						if r.Alert.Resolved == nil {
							return 0
						}
						return r.Alert.Resolved.UnixMilli()
					}
					return cmp.Or(cmp.Compare(at(b), at(a)), cmp.Compare(b.Alert.ID, a.Alert.ID))
				})
				for _, r := range resolved {
					if q.Takes(r.Alert) {
						want = append(want, r.Alert.ID)
					}
				}
				var got []alert.ID
				for after := (ledger.Position{}); ; { // in pages of 60
					n := 0
					if err := l.Search(t.Context(), &q, after, func(a *alert.Alert, at ledger.Position) bool {
						got, after = append(got, a.ID), at
						n++
						return n < 60
					}); err != nil {
						t.Fatal(err)
					}
					if n < 60 {
						break
					}
				}
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
				if none := name == "below nothing" || name == "no such text" || name == "a key is none" || name == "half a customer"; none != (len(want) == 0) {
					t.Errorf("%d", len(want))
				}
			})
		}
	})
}

func TestTrim(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		l := ledger.New(s)
		rows := some(100)
		put(t, s, l, rows)
		all, err := l.Count(t.Context())
		if err != nil || all != 66 {
			t.Fatal(all, err)
		}
		n, err := l.Trim(t.Context(), began.Add(time.Hour), 10)
		if err != nil || n != 10 {
			t.Fatal(n, err)
		}
		n, err = l.Trim(t.Context(), began.Add(time.Hour), 1000)
		if left, errC := l.Count(t.Context()); err != nil || errC != nil || left != all-n-10 || n < 10 {
			t.Errorf("%d of %d are left after %d, %v %v", left, all, n, err, errC)
		}
		if live, _, _, err := l.Load(t.Context(), began.Add(10*time.Hour)); err != nil || len(live) < 34 {
			t.Errorf("%d, %v", len(live), err)
		}
	})
}
