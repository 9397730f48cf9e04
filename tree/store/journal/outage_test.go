package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/store"
	"grove/tree/store/storetest"
)

// TestNothingIsLostWhileTheServerIsAway takes the server away under a journal.
func TestNothingIsLostWhileTheServerIsAway(t *testing.T) {
	d := storetest.Postgres(t)
	j := running(t, d, Options{Queue: 1000})
	changes := func(n, from int) []tree.StatusChange {
		all := make([]tree.StatusChange, n)
		for i := range all {
			all[i] = tree.StatusChange{Path: tree.MustPath(fmt.Sprint("/a/", from+i)), To: tree.Green, Time: start.Add(time.Duration(from+i) * time.Millisecond)}
		}
		return all
	}
	j.Statuses(changes(100, 0))
	if err := j.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := storetest.TheServer()
	if err := server.Stop(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	j.Statuses(changes(500, 100))
	if err := j.Sync(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
	// What has no room is lost, says so, and keeps nobody waiting.
	j.Statuses(changes(700, 600))
	if lost := j.Lost(); lost != 200 {
		t.Errorf("%d are lost, want 200", lost)
	}
	if err := j.Sync(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("after a loss: %v", err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	for errors.Is(j.Sync(t.Context()), store.ErrUnavailable) {
		if _, err := j.Search(t.Context(), Query{Limit: 1}); err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	page, err := j.Search(t.Context(), Query{Oldest: true, Limit: MaxLimit})
	if err != nil || len(page.Entries) != 1100 {
		t.Fatalf("%d entries, %v, want 1100", len(page.Entries), err)
	}
	for i, e := range page.Entries {
		if want := fmt.Sprint("/a/", i); e.Path.String() != want {
			t.Fatalf("entry %d is of %s, want %s", i, e.Path, want)
		}
	}
}

// TestAFloodWaitsForTheDatabase gives more at once than the queue holds.
func TestAFloodWaitsForTheDatabase(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		j := running(t, d, Options{Queue: 5000})
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				for range 5 {
					j.WaitForRoom() // as producers do
					j.Statuses(changesAt(1000, start.Add(time.Duration(w)*time.Second), tree.Red))
				}
			})
		}
		all.Wait()
		if err := j.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := j.Stats(); s.Written != 20_000 || s.Lost != 0 || s.Queue != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestAHungDatabaseStopsNobody holds the database up for good while the tree tells more
// than there is room for.
func TestAHungDatabaseStopsNobody(t *testing.T) {
	d := storetest.SQLite(t)
	j := running(t, d, Options{Queue: 1000})
	j.Statuses(changesAt(10, start, tree.Red))
	if err := j.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	held, release := make(chan struct{}), make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := j.o.Store.Write(t.Context(), func(*store.Tx) error { close(held); <-release; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-held
	j.patience = 50 * time.Millisecond
	for range 5 {
		j.Statuses(changesAt(1000, start, tree.Green)) // as a flush does
	}
	j.WaitForRoom() // as a producer does: it gives up
	j.WaitForRoom()
	j.Statuses(changesAt(1000, start, tree.Yellow))
	if lost := j.Lost(); lost != 4000 {
		t.Errorf("%d are lost, want 4000", lost)
	}
	close(release)
	writer.Wait()
	for err := j.Sync(t.Context()); err != nil; err = j.Sync(t.Context()) {
		if !errors.Is(err, ErrLost) {
			t.Fatal(err)
		}
	}
	if s := j.Stats(); s.Written != 2010 || s.Queue != 0 {
		t.Errorf("%+v", s)
	}
	j.Statuses(changesAt(1999, start, tree.Red)) // and there is room for as many as before
	if err := j.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRunWritesWhatWaitsBeforeItEnds(t *testing.T) {
	d := storetest.SQLite(t)
	j := New(Options{Store: d.Open(t), Now: func() time.Time { return start }})
	j.Statuses(changesAt(10_000, start, tree.Red))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if s := j.Stats(); s.Written != 10_000 {
		t.Errorf("%+v", s)
	}
	if err := j.Append(t.Context(), some[0]); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestOldEntriesGo(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		for name, tc := range map[string]struct {
			o    Options
			want int64
		}{
			"by age":    {Options{Keep: 30 * time.Minute}, 15_000}, // those from 12:30 on, seen from 13:00
			"by number": {Options{Rows: 12_345}, 12_345},
			"neither":   {Options{}, 30_000},
		} {
			t.Run(name, func(t *testing.T) {
				o := tc.o
				o.Store = d.OpenAs(t, map[string]string{"by age": "a", "by number": "b", "neither": "c"}[name])
				o.Now = func() time.Time { return start.Add(time.Hour) }
				j := New(o)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				for i := range 6 {
					j.Statuses(changesAt(5000, start.Add(time.Duration(i)*10*time.Minute), tree.Red))
				}
				if err := j.Run(ctx); err != nil {
					t.Fatal(err)
				}
				for j.overdue = true; j.overdue; {
					if err := j.trim(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				page, err := j.Search(t.Context(), Query{Limit: 1})
				if err != nil || !page.Entries[0].Time.Equal(start.Add(50*time.Minute)) {
					t.Errorf("the newest: %v, %v", page.Entries, err)
				}
				if s := j.Stats(); s.Rows != tc.want || s.Deleted != uint64(30_000-tc.want) {
					t.Errorf("%+v, want %d rows", s, tc.want)
				}
			})
		}
	})
}
