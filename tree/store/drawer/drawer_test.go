package drawer

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// is compares what is in a drawer.
func is(t *testing.T, d *Drawer, want ...Item) {
	t.Helper()
	got, err := d.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func change(t *testing.T, d *Drawer, put []Item, take ...string) {
	t.Helper()
	if err := d.Change(t.Context(), put, take); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsPutInIsThereAfterARestart(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		d := New(s, "alert", 10)
		is(t, d)
		change(t, d, []Item{{"1", `{"a":"ü\n"}`}, {"2", "two"}, {"10", "ten"}, {"1", "the last counts"}})
		is(t, d, Item{"1", "the last counts"}, Item{"10", "ten"}, Item{"2", "two"})
		change(t, d, []Item{{"2", "other"}, {"é", "a\x00b\xff"}}, "10", "not there")
		change(t, d, nil)
		for name, want := range map[string]string{"1": "the last counts", "2": "other", "10": ""} {
			if text, ok, err := d.Text(t.Context(), name); text != want || ok != (want != "") || err != nil {
				t.Errorf("%s is %q, %t, %v", name, text, ok, err)
			}
		}
		want := []Item{{"1", "the last counts"}, {"2", "other"}, {"é", "a\ufffdb\ufffd"}}
		is(t, d, want...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		is(t, New(db.Open(t), "alert", 10), want...)
	})
}

// TestDrawersAreApart: neither another kind nor another manager sees or takes what is in
// a drawer.
func TestDrawersAreApart(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		d, kind := New(s, "alert", 1), New(s, "other", 1)
		other := New(db.OpenAs(t, "other"), "alert", 1)
		change(t, d, []Item{{"1", "mine"}})
		change(t, kind, []Item{{"1", "another kind"}})
		change(t, other, []Item{{"1", "another manager"}})
		change(t, kind, nil, "1")
		is(t, d, Item{"1", "mine"})
		is(t, kind)
		is(t, other, Item{"1", "another manager"})
	})
}

func TestADrawerIsBounded(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		d := New(db.Open(t), "alert", 2)
		change(t, d, []Item{{"1", "one"}, {"2", "two"}})
		for name, tc := range map[string]struct {
			put  []Item
			want string
		}{
			"too many":          {[]Item{{"1", "changed"}, {"3", "three"}}, "drawer of alert: there is no room for it: 3 would be more than the bound of 2"},
			"too much":          {[]Item{{"1", strings.Repeat("x", MaxTextBytes+1)}}, "drawer of alert: 1: there is no room for it: a text of 65537 bytes is more than the bound of 65536"},
			"no name":           {[]Item{{"", "x"}}, "drawer of alert: a name of 0 bytes: it is not 1 to 256 bytes of valid UTF-8 without NUL"},
			"a long name":       {[]Item{{strings.Repeat("x", 257), "x"}}, "drawer of alert: a name of 257 bytes: it is not 1 to 256 bytes of valid UTF-8 without NUL"},
			"a name that is no": {[]Item{{"a\x00", "x"}}, "drawer of alert: a name of 2 bytes: it is not 1 to 256 bytes of valid UTF-8 without NUL"},
		} {
			err := d.Change(t.Context(), tc.put, nil)
			if err == nil || err.Error() != tc.want || strings.HasPrefix(name, "too") != errors.Is(err, ErrTooMuch) {
				t.Errorf("%s: got  %v\nwant %s", name, err, tc.want)
			}
		}
		// Nothing of what was refused is there, and what makes room counts first.
		is(t, d, Item{"1", "one"}, Item{"2", "two"})
		change(t, d, []Item{{"3", "three"}}, "1")
		is(t, d, Item{"2", "two"}, Item{"3", "three"})
	})
}

func TestADrawerIsInTheBackup(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		d := New(s, "alert", 10)
		change(t, d, []Item{{"1", "one"}})
		var backup bytes.Buffer
		if err := s.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		change(t, d, []Item{{"2", "after it"}}, "1")
		if err := s.Load(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		is(t, d, Item{"1", "one"})
	})
}

func TestADrawerNeedsAManagerAndADatabase(t *testing.T) {
	db := storetest.SQLite(t)
	if err := New(db.OpenAs(t, ""), "alert", 1).Change(t.Context(), []Item{{"1", "one"}}, nil); !errors.Is(err, errNoManager) {
		t.Errorf("got %v", err)
	}
	s := db.Open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := New(s, "alert", 1).All(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
