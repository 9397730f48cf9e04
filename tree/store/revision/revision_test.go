package revision

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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

func at() time.Time { return start }

func put(t *testing.T, d *Definitions, name, text string, expected int64) Revision {
	t.Helper()
	r, err := d.Put(t.Context(), Change{Name: name, Text: text, Expected: expected, Who: "anna", Comment: "because"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRevisions(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		d := New(Options{Store: db.Open(t), Now: at})
		ctx := t.Context()
		// Word for word: nothing is trimmed, normalised or put in another order.
		first, second := "grove: 1\r\n\tb: {\"z\": 1, \"a\": 2}  \n\n", "grove: 1\nü\n"
		if r := put(t, d, "shop", first, 0); r.Number != 1 || r.SHA256 != "" && len(r.SHA256) != 64 {
			t.Errorf("%+v", r)
		}
		put(t, d, "shop", second, 1)
		if r := put(t, d, "shop", second, 2); r.Number != 2 {
			t.Errorf("the same text made revision %d", r.Number)
		}
		put(t, d, "other", "x", 0)
		if got, err := d.Get(ctx, "shop", 1); err != nil || got.Text != first || got.Who != "anna" || got.Comment != "because" || !got.Time.Equal(start) {
			t.Errorf("%+v, %v", got, err)
		}
		diff, err := d.Diff(ctx, "shop", 1, 2)
		if want := "--- shop revision 1\n+++ shop revision 2\n@@ -1,3 +1,2 @@\n-grove: 1\r\n-\tb: {\"z\": 1, \"a\": 2}  \n-\n+grove: 1\n+ü\n"; err != nil || diff != want {
			t.Errorf("difference\n%s, %v, want\n%s", diff, err, want)
		}
		if r, err := d.Rollback(ctx, "shop", 1, 2, "berta", ""); err != nil || r.Number != 3 || r.Text != first || r.Comment != "back to revision 1" {
			t.Errorf("rollback: %+v, %v", r, err)
		}
		if r, err := d.Remove(ctx, "shop", 3, "berta", "gone"); err != nil || r.Number != 4 || !r.Removed {
			t.Errorf("remove: %+v, %v", r, err)
		}
		if _, err := d.Get(ctx, "shop", 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("one that was removed: %v", err)
		}
		if r, err := d.Rollback(ctx, "shop", 2, 4, "berta", ""); err != nil || r.Number != 5 {
			t.Errorf("it comes back: %+v, %v", r, err)
		}
		if _, err := d.Remove(ctx, "shop", Any, "berta", ""); err != nil {
			t.Error(err)
		}
		if r := put(t, d, "shop", "again", 0); r.Number != 7 {
			t.Errorf("made anew: %d", r.Number)
		}
		history, err := d.History(ctx, "shop", 0)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, r := range history {
			lines = append(lines, fmt.Sprint(r.Number, " ", r.Who, " ", r.Removed))
		}
		if d := cmp.Diff([]string{"7 anna false", "6 berta true", "5 berta false", "4 berta true", "3 berta false", "2 anna false", "1 anna false"}, lines); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		list, err := d.List(ctx, false)
		if err != nil || len(list) != 2 || list[0].Name != "other" || list[1].Number != 7 {
			t.Errorf("%+v, %v", list, err)
		}
		if older, err := d.History(ctx, "shop", 3); err != nil || len(older) != 2 {
			t.Errorf("%+v, %v", older, err)
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		bad := errors.New("shop.yaml:1:1: no")
		d := New(Options{Store: db.Open(t), Now: at, Check: func(_, text string) error {
			if text == "bad" {
				return bad
			}
			return nil
		}})
		ctx := t.Context()
		put(t, d, "shop", "1", 0)
		put(t, d, "shop", "2", 1)
		get := func(name string, n int64) func() error {
			return func() error { _, err := d.Get(ctx, name, n); return err }
		}
		change := func(c Change) func() error { return func() error { _, err := d.Put(ctx, c); return err } }
		for want, tc := range map[string]struct {
			do func() error
			is error
		}{
			"definition shop: changed meanwhile: revision 2 is by anna of " + start.Local().Format(time.RFC3339) + ", and yours comes after revision 1: look at the difference, then put yours again": {
				change(Change{Name: "shop", Text: "3", Expected: 1}), store.ErrStale},
			"definition shop: is there already, as revision 2 by anna of " + start.Local().Format(time.RFC3339): {change(Change{Name: "shop", Text: "3"}), store.ErrStale},
			"definition shop2: there is none, so it has no revision 4 to change":                                {change(Change{Name: "shop2", Text: "3", Expected: 4}), store.ErrStale},
			"shop.yaml:1:1: no": {change(Change{Name: "shop", Text: "bad", Expected: 2}), bad},
			`definition: the name "Shop/.." is not 1 to 64 of a to z, 0 to 9, dot, underscore and hyphen, beginning with a letter or digit`: {
				change(Change{Name: "Shop/.."}), ErrDefinition},
			"definition: its text has 1048577 bytes, more than 1048576": {change(Change{Name: "shop", Text: strings.Repeat("x", MaxTextBytes+1)}), ErrDefinition},
			"definition: its text is not UTF-8":                         {change(Change{Name: "shop", Text: "a\x00"}), ErrDefinition},
			"definition: the comment has 1001 bytes, more than 1000":    {change(Change{Name: "shop", Text: "x", Comment: strings.Repeat("x", 1001)}), ErrDefinition},
			"no such definition: none":                                  {get("none", 0), ErrNotFound},
			"no such definition: shop has no revision 9":                {get("shop", 9), ErrNotFound},
		} {
			if err := tc.do(); !errors.Is(err, tc.is) || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		}
	})
}

func TestOfManyWhoChangeOneWins(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		stores := []*store.Store{db.OpenAs(t, "a")}
		if db.Engine == "postgres" { // which several managers share
			stores = append(stores, db.OpenAs(t, "b"), db.OpenAs(t, "c"))
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		won := map[int64]int{}
		for i := range 12 {
			d := New(Options{Store: stores[i%len(stores)]})
			all.Go(func() {
				for expected := int64(0); expected < 8; {
					r, err := d.Put(t.Context(), Change{Name: "shop", Text: fmt.Sprintf("%d by %d", expected, i), Expected: expected})
					var conflict *ConflictError
					switch {
					case err == nil:
						mu.Lock()
						won[r.Number]++
						mu.Unlock()
						expected = r.Number
					case errors.As(err, &conflict) && conflict.Current.Number > expected:
						expected = conflict.Current.Number
					default:
						t.Errorf("after %d: %v", expected, err)
						return
					}
				}
			})
		}
		all.Wait()
		for n := int64(1); n <= 8; n++ {
			if won[n] != 1 {
				t.Errorf("revision %d was made %d times", n, won[n])
			}
		}
	})
}

func TestFilesFollowTheDatabase(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		writer := New(Options{Store: db.OpenAs(t, "writer")})
		reader := writer.o.Store
		if db.Engine == "postgres" {
			reader = db.OpenAs(t, "reader")
		}
		dir := filepath.Join(t.TempDir(), "cache")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"gone.yaml", ".new-1", "README"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		put(t, writer, "before", "1", 0)
		changed := make(chan struct{}, 100)
		d := New(Options{Store: reader, Dir: dir, Changed: func() { changed <- struct{}{} }})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx) }()
		wait := func(want map[string]string) {
			t.Helper()
			for {
				<-changed
				got := map[string]string{}
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					text, err := os.ReadFile(filepath.Join(dir, e.Name()))
					if info, _ := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
						t.Fatal(info.Mode(), err)
					}
					got[e.Name()] = string(text)
				}
				if cmp.Equal(want, got) {
					return
				}
			}
		}
		wait(map[string]string{"before.yaml": "1", "README": "x"})
		put(t, writer, "shop", " <application/>", 0)
		wait(map[string]string{"before.yaml": "1", "shop.xml": " <application/>", "README": "x"})
		put(t, writer, "shop", "grove: 1", 1)
		wait(map[string]string{"before.yaml": "1", "shop.yaml": "grove: 1", "README": "x"})
		if _, err := writer.Remove(t.Context(), "before", Any, "", ""); err != nil {
			t.Fatal(err)
		}
		wait(map[string]string{"shop.yaml": "grove: 1", "README": "x"})
		if db.Engine == "postgres" { // the server goes away, and what happened meanwhile is caught up with
			server := storetest.TheServer()
			if err := server.Restart(); err != nil {
				t.Fatal(err)
			}
			for {
				if _, err := writer.Put(t.Context(), Change{Name: "shop", Text: "grove: 2", Expected: Any}); err == nil {
					break
				}
			}
			wait(map[string]string{"shop.yaml": "grove: 2", "README": "x"})
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestUnified(t *testing.T) {
	for name, tc := range map[string]struct{ a, b, want string }{
		"equal":           {"a\n", "a\n", ""},
		"from nothing":    {"", "a\nb\n", "--- o\n+++ n\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"to nothing":      {"a\n", "", "--- o\n+++ n\n@@ -1 +0,0 @@\n-a\n"},
		"no last newline": {"a\nb", "a\nb\n", "--- o\n+++ n\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
		"in the middle":   {"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nX\n6\n7\n8\n9\n", "--- o\n+++ n\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n"},
		"empty lines":     {"\n\n", "\n", "--- o\n+++ n\n@@ -1,2 +1 @@\n \n-\n"},
	} {
		if got := Unified("o", "n", tc.a, tc.b); got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}

// TestUnifiedIsWhatPatchTakes gives random differences to the real patch program.
func TestUnifiedIsWhatPatchTakes(t *testing.T) {
	const program = "/usr/bin/patch"
	if _, err := os.Stat(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range random.IntN(60) {
			fmt.Fprintf(&b, "line %d\n", random.IntN(8))
		}
		return b.String() + strings.Repeat("end", random.IntN(2))
	}
	dir := t.TempDir()
	for range 100 {
		a, b := text(), text()
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, []byte(a), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "-s", file)
		diff := Unified("file", "file", a, b)
		cmd.Stdin = strings.NewReader(diff)
		if out, err := cmd.CombinedOutput(); err != nil && diff != "" {
			t.Fatalf("%v: %s\n%s", err, out, diff)
		}
		got, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			err = nil // patch removes what becomes empty
		}
		if err != nil || string(got) != b {
			t.Fatalf("%v\n%q\nbecame\n%q\nnot\n%q\nby\n%s", err, a, got, b, diff)
		}
	}
}

// FuzzUnified applies each difference by hand.
func FuzzUnified(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd")
	f.Add("", "\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		var before, after strings.Builder
		for _, e := range compare(lines(a), lines(b)) {
			if e.op != '+' {
				before.WriteString(e.text)
			}
			if e.op != '-' {
				after.WriteString(e.text)
			}
		}
		if before.String() != a || after.String() != b {
			t.Errorf("%q and %q are taken for %q and %q", a, b, before.String(), after.String())
		}
	})
}
