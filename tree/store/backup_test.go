package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/revision"
	"grove/tree/store/storetest"
)

// filled puts something into every table, and returns a change that goes on.
func filled(t *testing.T, s *store.Store) {
	t.Helper()
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		hostile := "<&>\u2028 \"'\\ läuft\n\ufffd"
		p := tree.MustPath("/a/ü \"x\"")
		n := store.NodeNumber(p)
		if err := tx.Know([]store.Place{{Number: n, Path: p}}); err != nil {
			return err
		}
		for i := range 200 {
			if _, err := tx.Exec("INSERT INTO journal (manager, id, node, kind, was, status, form, value, text) VALUES ($1, $2, $3, 1, 0, 3, 2, $4, $5)",
				tx.Manager(), int64(1)<<62+int64(i), n, hostile, fmt.Sprint(i)); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("INSERT INTO memory (manager, node, status, since, form, value, read_at, seen_at) VALUES ($1, $2, 1, 2, 0, '', 3, 4)", tx.Manager(), n); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO drawer (manager, kind, name, text) VALUES ($1, 'alert', '1', $2)", tx.Manager(), hostile); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO account (name, title, source, subject, grants, disabled, password, made_at, changed_at, login_at) VALUES ('anna', $1, 'local', '', '[]', 0, '', 5, 6, 7)", hostile); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO token (id, account, name, hash, grants, made_at, ends_at, used_at) VALUES ('1', 'anna', 'ci', '00', '[]', 5, 6, 7)"); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO tuning (manager, node, defined, threshold, tuned_at) VALUES ($1, $2, 'null', '{}', 5)", tx.Manager(), n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d := revision.New(revision.Options{Store: s})
	for i, text := range []string{"grove: 1\n", "grove: 1\n# <ü>\n"} {
		if _, err := d.Put(t.Context(), revision.Change{Name: "shop", Text: text, Expected: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	l := audit.New(s, "test", nil)
	for range 20 {
		if _, err := l.Append(t.Context(), audit.Entry{Who: "anna", Outcome: "ok"}); err != nil {
			t.Fatal(err)
		}
	}
}

func dumped(t *testing.T, s *store.Store) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Dump(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// body is a backup without what differs between two of the same: its time, and the
// managers, which the one who loads joins.
func body(dump string) string {
	_, rest, _ := strings.Cut(dump, "\n")
	i := strings.Index(rest, `{"table":"node"`)
	j := strings.LastIndex(rest, `{"end":"backup"`)
	return rest[i:j]
}

func TestABackupIsTheSameOnBothEngines(t *testing.T) {
	fixed := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	for _, way := range [][2]func(testing.TB) *storetest.Database{
		{storetest.SQLite, storetest.Postgres}, {storetest.Postgres, storetest.SQLite}, {storetest.SQLite, storetest.SQLite},
	} {
		from, to := way[0](t), way[1](t)
		from.Now(fixed)
		to.Now(fixed)
		t.Run(from.Engine+" to "+to.Engine, func(t *testing.T) {
			a := from.Open(t)
			filled(t, a)
			dump := dumped(t, a)
			other := to.OpenAs(t, "other")
			if err := other.Write(t.Context(), put("goes away")); err != nil {
				t.Fatal(err)
			}
			told := make(chan store.Notice, 10)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() { _ = other.Watch(ctx, "definition", func(n store.Notice) { told <- n }) })
			defer all.Wait()
			defer cancel()
			<-told
			if err := other.Load(t.Context(), strings.NewReader(dump)); err != nil {
				t.Fatal(err)
			}
			if n := <-told; !n.All {
				t.Errorf("those who watch are told %+v", n)
			}
			if back := dumped(t, other); body(back) != body(dump) {
				t.Errorf("it comes back as\n%.3000s\nand was\n%.3000s", body(back), body(dump))
			}
			if other.Replaced() != 1 {
				t.Errorf("replaced %d times", other.Replaced())
			}
			// The one who loaded goes on, and the one whose rows they were finds them.
			if err := other.Write(t.Context(), put("after")); err != nil {
				t.Error(err)
			}
			if _, err := audit.New(to.OpenAs(t, "test"), "test", nil).Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestABackupIsOfOneMoment(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		l := audit.New(s, "test", nil)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for ctx.Err() == nil {
					if _, err := l.Append(ctx, audit.Entry{Who: "anna"}); err != nil && ctx.Err() == nil {
						t.Error(err)
						return
					}
				}
			})
		}
		other := storetest.SQLite(t).OpenAs(t, "other")
		for range 5 {
			if err := other.Load(t.Context(), strings.NewReader(dumped(t, s))); err != nil {
				t.Fatal(err)
			}
			if _, err := audit.New(other, "other", nil).Verify(t.Context()); err != nil {
				t.Error(err)
			}
		}
		cancel()
		all.Wait()
	})
}

func TestBackupsThatAreRefused(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		s := d.Open(t)
		filled(t, s)
		dump := dumped(t, s)
		before := body(dump)
		lines := strings.SplitAfter(dump, "\n")
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct{ text, want string }{
			"nothing":           {"", "backup: line 1: the file ends here: it is not whole"},
			"something":         {"hello\n", "backup: line 1: this is no backup of grove"},
			"newer":             {strings.Replace(dump, `"grove_backup":1`, `"grove_backup":2`, 1), fmt.Sprintf("backup: was written by a newer grove: it has format 2 with tables of version %d, this grove reads up to 1 with %[1]d: use the newer grove", stats.Schema)},
			"newer tables":      {strings.Replace(dump, fmt.Sprintf(`"schema":%d`, stats.Schema), `"schema":99`, 1), fmt.Sprintf("backup: was written by a newer grove: it has format 1 with tables of version 99, this grove reads up to 1 with %d: use the newer grove", stats.Schema)},
			"an edit":           {strings.Replace(dump, `["","shop",2]`, `["","shop",1]`, 1), "backup: line 10: the sum over the table definition differs: the file is damaged"},
			"another kind":      {strings.Replace(dump, `["","shop",2]`, `["","shop","2"]`, 1), "backup: line 9: column revision holds a value of another kind"},
			"another table":     {strings.Replace(dump, `{"table":"node"`, `{"table":"nodes"`, 1), `backup: line 5: there is no table "nodes"`},
			"another column":    {strings.Replace(dump, `"columns":["id","name"`, `"columns":["id","nome"`, 1), `backup: line 2: the table manager has no column "nome"`},
			"a missing line":    {strings.Join(append(append([]string{}, lines[:20]...), lines[21:]...), ""), ""},
			"two lines swapped": {strings.Join(append(append(append([]string{}, lines[:30]...), lines[31], lines[30]), lines[32:]...), ""), ""},
			"another header":    {strings.Replace(dump, `"time":"2`, `"time":"3`, 1), ""},
			"more":              {dump + "x", fmt.Sprintf("backup: line %d: something follows after the end: the file is damaged", len(lines))},
			"half of it":        {dump[:len(dump)/2], ""},
			"no end":            {strings.Join(lines[:len(lines)-2], ""), fmt.Sprintf("backup: line %d: the file ends here: it is not whole", len(lines)-1)},
		} {
			err := s.Load(t.Context(), strings.NewReader(tc.text))
			if !errors.Is(err, store.ErrBackup) || tc.want != "" && err.Error() != tc.want {
				t.Errorf("%s: got %v\nwant %s", name, err, tc.want)
			}
		}
		if now := dumped(t, s); body(now) != before {
			t.Errorf("something is left of a backup that was refused:\n%.3000s", now)
		}
		if err := s.Write(t.Context(), put("after")); err != nil {
			t.Error(err)
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"grove_backup":1,"schema":1,"time":"2026-03-01T12:00:00Z"}` + "\n" + `{"table":"definition","columns":["name","revision"]}` + "\n" + `["shop",3]` + "\n"))
	f.Add([]byte("{}\n"))
	s := storetest.SQLite(f).Open(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := s.Load(t.Context(), bytes.NewReader(text)); err != nil && !errors.Is(err, store.ErrBackup) {
			t.Errorf("%v", err)
		}
	})
}
