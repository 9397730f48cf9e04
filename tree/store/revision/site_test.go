package revision

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree/store"
	"grove/tree/store/storetest"
)

// of returns the definitions as a manager of a site has them.
func of(s *store.Store, site string) *Definitions {
	return New(Options{Store: s, Now: at, Site: func() string { return site }})
}

// has lists what a manager has: site:name@number=text.
func has(t *testing.T, d *Definitions, removed bool) (all []string) {
	t.Helper()
	list, err := d.List(t.Context(), removed)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		text, err := d.text(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s:%s@%d=%s", r.Site, r.Name, r.Number, text))
	}
	return all
}

// TestSites: a definition of a site is for its managers alone, and there takes the place of
// one that is for all.
func TestSites(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s, ctx := db.Open(t), t.Context()
		none, north, south := New(Options{Store: s, Now: at}), of(s, "north"), of(s, "south")
		put(t, none, "shop", "all 1", 0)
		put(t, none, "shop", "all 2", 1)
		put(t, north, "shop", "north 1", 0)
		put(t, north, "desk", "north desk", 0)
		put(t, south, "desk", "south desk", 0)
		for name, tc := range map[string]struct {
			d    *Definitions
			want []string
		}{
			"no site":      {none, []string{":shop@2=all 2"}},
			"north":        {north, []string{"north:desk@1=north desk", "north:shop@1=north 1"}},
			"south":        {south, []string{"south:desk@1=south desk", ":shop@2=all 2"}},
			"another site": {of(s, "west"), []string{":shop@2=all 2"}},
			"for all":      {north.ForAll(), []string{":shop@2=all 2"}},
		} {
			if d := cmp.Diff(tc.want, has(t, tc.d, false)); d != "" {
				t.Errorf("%s: -want +got\n%s", name, d)
			}
		}
		// Each has revisions of its own.
		for _, tc := range []struct {
			d      *Definitions
			number int64
			want   string
		}{
			{north, 0, "north 1"}, {north, 1, "north 1"}, {south, 0, "all 2"}, {south, 1, "all 1"}, {north.ForAll(), 1, "all 1"},
		} {
			if r, err := tc.d.Get(ctx, "shop", tc.number); err != nil || r.Text != tc.want {
				t.Errorf("revision %d: %+v, %v, want %s", tc.number, r, err, tc.want)
			}
		}
		if _, err := north.Get(ctx, "shop", 2); !errors.Is(err, ErrNotFound) {
			t.Errorf("revision 2 of north: %v", err)
		}
		if list, err := north.History(ctx, "shop", 0); err != nil || len(list) != 1 || list[0].Site != "north" {
			t.Errorf("%+v, %v", list, err)
		}
		if list, err := south.History(ctx, "shop", 0); err != nil || len(list) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
		// What is for all is not changed by the way.
		var conflict *ConflictError
		if _, err := south.Put(ctx, Change{Name: "shop", Text: "x", Expected: 2}); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "site south has none of its own") {
			t.Errorf("%v", err)
		}
		if _, err := south.Remove(ctx, "shop", Any, "anna", ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v", err)
		}
		if _, err := south.Rollback(ctx, "shop", 1, Any, "anna", ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v", err)
		}
		// Removed, the one for all counts again; brought back, the site's own.
		if _, err := north.Remove(ctx, "shop", 1, "anna", ""); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"north:desk@1=north desk", ":shop@2=all 2"}, has(t, north, false)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if r, err := north.Rollback(ctx, "shop", 1, Any, "anna", ""); err != nil || r.Number != 3 || r.Site != "north" {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := north.ForAll().Remove(ctx, "shop", 2, "anna", ""); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"north:desk@1=north desk", "north:shop@3=north 1"}, has(t, north, false)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if _, err := south.Get(ctx, "shop", 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v", err)
		}
		if d := cmp.Diff([]string{"south:desk@1=south desk", ":shop@3="}, has(t, south, true)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

// TestFilesFollowTheSite: a manager that comes to be of another site has the files of that.
func TestFilesFollowTheSite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s, dir := db.Open(t), t.TempDir()
		put(t, of(s, "north"), "shop", "north", 0)
		put(t, of(s, "south"), "shop", "south", 0)
		put(t, of(s, ""), "shop", "all", 0)
		put(t, of(s, ""), "desk", "all", 0)
		var site atomic.Value
		site.Store("north")
		changed := make(chan struct{}, 100)
		d := New(Options{Store: s, Dir: dir, Site: func() string { return site.Load().(string) }, Changed: func() { changed <- struct{}{} }})
		if st := d.State(); st.Like || !st.Since.IsZero() {
			t.Errorf("%+v", st)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx) }()
		for _, want := range []struct{ site, text string }{{"north", "north"}, {"south", "south"}, {"", "all"}, {"north", "north"}} {
			site.Store(want.site)
			d.Resite()
			for {
				text, err := os.ReadFile(filepath.Join(dir, "shop.yaml"))
				if st := d.State(); err == nil && string(text) == want.text && st.Site == want.site && st.Like && st.Files == 2 && st.Err == nil {
					break
				}
				<-changed
			}
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestSitesChangeTogether: managers of two sites and of none change a definition of one name
// at the same time, and none comes in another's way.
func TestSitesChangeTogether(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		const times = 5
		ended := make(chan error)
		sites := []string{"", "north", "south"}
		for _, site := range sites {
			s := db.OpenAs(t, "manager"+site)
			go func() {
				var err error
				for n := int64(0); n < times && err == nil; n++ {
					_, err = of(s, site).Put(context.Background(), Change{Name: "shop", Text: fmt.Sprint(site, n), Expected: n})
				}
				ended <- err
			}()
			if db.Engine == "sqlite" { // a file belongs to one at a time
				if err := <-ended; err != nil {
					t.Error(err)
				}
				continue
			}
		}
		if db.Engine != "sqlite" {
			for range sites {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		}
		for _, site := range sites {
			list, err := of(db.Open(t), site).History(t.Context(), "shop", 0)
			if err != nil || len(list) != times || slices.ContainsFunc(list, func(r Revision) bool { return r.Site != site }) {
				t.Errorf("%q: %+v, %v", site, list, err)
			}
		}
	})
}

// TestDefinitionsOfBefore: those of a database, and of a backup, from before there were sites
// are for all.
func TestDefinitionsOfBefore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s := db.OpenAs(t, "before")
		if err := s.Write(t.Context(), func(tx *store.Tx) error {
			for _, statement := range []string{
				"DROP TABLE definition", "DROP TABLE definition_revision", "DROP TABLE peer_database", "DELETE FROM grove_schema WHERE version_id >= 13",
				"CREATE TABLE definition (name TEXT NOT NULL PRIMARY KEY, revision BIGINT NOT NULL)",
				"CREATE TABLE definition_revision (name TEXT NOT NULL, revision BIGINT NOT NULL, removed SMALLINT NOT NULL, text TEXT NOT NULL, sha256 TEXT NOT NULL, " +
					"who TEXT NOT NULL, made_at BIGINT NOT NULL, comment TEXT NOT NULL, PRIMARY KEY (name, revision))",
				"INSERT INTO definition VALUES ('shop', 2)",
				"INSERT INTO definition_revision VALUES ('shop', 1, 0, 'one', 'x', 'anna', 1, ''), ('shop', 2, 0, 'two', 'y', 'anna', 2, '')",
			} {
				if _, err := tx.Exec(statement); err != nil {
					return fmt.Errorf("%s: %w", statement, err)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = db.Open(t)
		for _, site := range []string{"", "north"} {
			if d := cmp.Diff([]string{":shop@2=two"}, has(t, of(s, site), false)); d != "" {
				t.Errorf("%q: -want +got\n%s", site, d)
			}
		}
		if r, err := of(s, "north").Get(t.Context(), "shop", 1); err != nil || r.Text != "one" {
			t.Errorf("%+v, %v", r, err)
		}
		if r := put(t, of(s, "north"), "shop", "three", 0); r.Number != 1 {
			t.Errorf("%+v", r)
		}

		old := backupOf(12,
			[]string{`{"table":"definition","columns":["name","revision"]}`, `["desk",1]`},
			[]string{`{"table":"definition_revision","columns":["name","revision","removed","text","sha256","who","made_at","comment"]}`, `["desk",1,0,"desk","x","anna",1,""]`})
		if err := s.Load(t.Context(), strings.NewReader(old)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{":desk@1=desk"}, has(t, of(s, "north"), false)); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

// backupOf writes a backup of tables, each with its head and its rows.
func backupOf(schema int, tables ...[]string) string {
	all, text, rows := sha256.New(), "", 0
	line := func(format string, args ...any) string {
		one := fmt.Sprintf(format, args...) + "\n"
		all.Write([]byte(one))
		text += one
		return one
	}
	line(`{"grove_backup":1,"schema":%d,"time":"2026-03-01T12:00:00Z"}`, schema)
	for _, table := range tables {
		line("%s", table[0])
		sum := sha256.New()
		for _, row := range table[1:] {
			sum.Write([]byte(line("%s", row)))
			rows++
		}
		_, name, _ := strings.Cut(table[0], `:"`)
		name, _, _ = strings.Cut(name, `"`)
		line(`{"end":%q,"rows":%d,"sha256":"%x"}`, name, len(table)-1, sum.Sum(nil))
	}
	return text + fmt.Sprintf(`{"end":"backup","rows":%d,"sha256":"%x"}`, rows, all.Sum(nil)) + "\n"
}
