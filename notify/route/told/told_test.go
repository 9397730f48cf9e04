package told

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/route/grouping"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func at(ms int64) time.Time { return time.UnixMilli(ms) }

func save(t *testing.T, s *store.Store, changes ...Change) {
	t.Helper()
	err := s.Write(t.Context(), func(tx *store.Tx) error {
		for i := range changes {
			if err := Save(tx, &changes[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// is compares all that is kept.
func is(t *testing.T, s *store.Store, want ...*Group) {
	t.Helper()
	groups := map[string]*Group{}
	for _, g := range want {
		groups[g.ID] = g
	}
	got, err := Load(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(groups, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestWhatWasToldIsKept(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		other := db.OpenAs(t, "other")
		is(t, s)
		first := Group{ID: "a", Route: "night", Common: grouping.Common{"instance": "ü \"1\""}, Precedence: 1, Merged: true, Began: at(1000), Told: at(2000), Step: 2,
			Channels: map[string]int64{"mail": 1, "push": 7},
			Alerts:   map[alert.ID]Alert{1 << 60: {tree.Red, tree.Major, at(900), at(2000), nil}, 2: {tree.White, tree.Warning, at(901), at(2000), []string{"day", "\"x"}}}}
		second := Group{ID: "b", Route: "", Began: at(1), Told: at(1), Channels: map[string]int64{}, Alerts: map[alert.ID]Alert{}}
		save(t, s, Change{Group: first}, Change{Group: second})
		save(t, other, Change{Group: first})
		is(t, s, &first, &second)

		// A change has only what is other than before.
		more := first
		more.Told, more.Step = at(3000), 3
		more.Channels, more.Alerts = map[string]int64{"push": 8, "sms": 1}, map[alert.ID]Alert{2: {tree.Red, tree.Critical, at(901), at(3000), nil}}
		save(t, s, Change{Group: more, Gone: []alert.ID{1 << 60}}, Change{Group: second, Ends: true})
		more.Channels = map[string]int64{"mail": 1, "push": 8, "sms": 1}
		is(t, s, &more)
		is(t, other, &first)

		var backup bytes.Buffer
		if err := s.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		save(t, s, Change{Group: more, Ends: true})
		is(t, s)
		if err := s.Load(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		is(t, s, &more)
	})
}

func TestItNeedsAManager(t *testing.T) {
	s := storetest.SQLite(t).OpenAs(t, "")
	err := s.Write(t.Context(), func(tx *store.Tx) error { return Save(tx, &Change{}) })
	if !errors.Is(err, errNoManager) {
		t.Errorf("got %v", err)
	}
}
