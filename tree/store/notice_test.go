package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grove/tree/store"
	"grove/tree/store/storetest"
)

func TestThoseWhoWatchAreTold(t *testing.T) {
	storetest.Run(t, func(t *testing.T, d *storetest.Database) {
		writer := d.OpenAs(t, "writer")
		listener := writer
		if d.Engine == "postgres" {
			listener = d.OpenAs(t, "listener")
		}
		ctx, cancel := context.WithCancel(t.Context())
		told, ended := make(chan store.Notice), make(chan error)
		go func() { ended <- listener.Watch(ctx, "definition", func(n store.Notice) { told <- n }) }()
		gaveUp := errors.New("no")
		got := []store.Notice{<-told}
		for i, fail := range []error{nil, gaveUp, nil} {
			if err := writer.Write(t.Context(), func(tx *store.Tx) error {
				tx.Notify(store.Notice{Topic: "other", Name: "x", Revision: 1})
				tx.Notify(store.Notice{Topic: "definition", Name: fmt.Sprint("d", i), Revision: int64(i)})
				return fail
			}); !errors.Is(err, fail) {
				t.Fatal(err)
			}
		}
		got = append(got, <-told, <-told)
		if d.Engine == "postgres" { // anybody who may connect can say anything
			if err := writer.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec("SELECT pg_notify('grove', 'definition \x01 x')")
				return err
			}); err != nil {
				t.Fatal(err)
			}
		} else if err := writer.Write(t.Context(), func(tx *store.Tx) error {
			tx.Notify(store.Notice{Topic: "definition", All: true})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		got = append(got, <-told)
		want := []store.Notice{
			{Topic: "definition", All: true}, {Topic: "definition", Name: "d0"}, {Topic: "definition", Name: "d2", Revision: 2}, {Topic: "definition", All: true},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestAWatcherWhoIsSlowReadsEverything holds the queue of a watcher to its bound.
func TestAWatcherWhoIsSlowReadsEverything(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	told, ended := make(chan store.Notice), make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- s.Watch(ctx, "definition", func(n store.Notice) { told <- n }) }()
	<-told
	if err := s.Write(t.Context(), func(tx *store.Tx) error {
		for i := range 1000 {
			tx.Notify(store.Notice{Topic: "definition", Name: "x", Revision: int64(i)})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	n, all := 0, false
	for !all || n < 1000%256 {
		got := <-told
		all = all || got.All
		if n++; n > 256 {
			t.Fatal("more than 256 waited")
		}
	}
	cancel()
	for {
		select {
		case <-told:
			continue
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		return
	}
}

func BenchmarkGroupCommit(b *testing.B) {
	for _, d := range []func(testing.TB) *storetest.Database{storetest.SQLite, storetest.Postgres} {
		for _, writers := range []int{1, 8, 64} {
			db := d(b)
			s := db.Open(b)
			b.Run(fmt.Sprintf("%s/writers=%d", db.Engine, writers), func(b *testing.B) {
				b.SetParallelism((writers + 1) / 2) // times two processors
				n := make(chan int, 1)
				n <- 0
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						i := <-n
						n <- i + 1
						if err := s.Write(context.Background(), put(fmt.Sprint(writers, "-", b.N, "-", i))); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			})
		}
	}
}

func FuzzNotice(f *testing.F) {
	f.Add("definition 3 shop")
	f.Add("definition")
	f.Add("definition x shop")
	f.Fuzz(func(t *testing.T, payload string) {
		n := store.ParseNotice(payload)
		if n.All == (n.Name != "") {
			t.Errorf("%q is read as %+v", payload, n)
		}
		if back := store.ParseNotice(n.Payload()); !n.All && back != n {
			t.Errorf("%+v comes back as %+v", n, back)
		}
	})
}
