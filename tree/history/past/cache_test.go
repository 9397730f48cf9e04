package past

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grove/tree"
	"grove/tree/history"
	"grove/tree/store/journal"
)

// stub is a history and a journal of two nodes, which can be made to wait.
type stub struct {
	built atomic.Int32
	wait  chan struct{} // nil: nobody waits
}

func (s *stub) StatusesAt(ctx context.Context, at time.Time) (map[string]history.StatusAt, time.Duration, error) {
	s.built.Add(1)
	if s.wait != nil {
		select {
		case <-s.wait:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	return map[string]history.StatusAt{"/": {Group: true, Told: at}, "/a": {Status: tree.Green, Told: at}}, 0, nil
}

func (*stub) ReadingsAt(context.Context, time.Time, time.Duration, ...string) (map[string]history.ReadingAt, error) {
	return map[string]history.ReadingAt{}, nil
}
func (*stub) Stats() history.Stats { return history.Stats{Oldest: noon.Add(-24 * time.Hour)} }
func (*stub) Ready() error         { return nil }
func (*stub) Last(context.Context, time.Time) (map[int64]journal.Entry, error) {
	return nil, nil
}
func (*stub) EventsBefore(context.Context, time.Time, int, ...tree.Path) (map[tree.Path][]tree.Event, error) {
	return nil, nil
}
func (*stub) Search(context.Context, journal.Query) (journal.Page, error) { return journal.Page{}, nil }

// shelf is a Past of stubs, whose present is a time of the bubble.
func shelf(s *stub) (*Past, time.Time) {
	begin := time.Now()
	now := func() time.Time { return noon.Add(time.Since(begin)) }
	return New(Options{Tree: tree.New(tree.Options{}), History: s, Journal: s, Now: now, Held: 3, Kept: 2}), noon.Add(-time.Hour)
}

func TestMomentsAreKeptAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{}
		p, at := shelf(s)
		defer p.Close()
		look := func(at time.Time) {
			t.Helper()
			past, release, err := p.At(t.Context(), at)
			if err != nil || past.Len() != 2 {
				t.Fatal(past, err)
			}
			release()
			release()
		}
		expect := func(built int32, kept int) {
			t.Helper()
			p.mu.Lock()
			defer p.mu.Unlock()
			if s.built.Load() != built || len(p.moments) != kept {
				t.Fatalf("%d were built and %d are kept, want %d and %d", s.built.Load(), len(p.moments), built, kept)
			}
		}
		look(at)
		look(at)
		expect(1, 1)
		look(at.Add(time.Second))
		look(at)
		look(at.Add(2 * time.Second)) // The one that was looked at least lately goes.
		expect(3, 2)
		look(at)
		expect(3, 2)
		look(at.Add(time.Second))
		expect(4, 2)
		time.Sleep(2 * keptFor)
		synctest.Wait()
		expect(4, 0)
		look(p.o.Now().Add(-time.Second)) // Of what is hardly over more may be told.
		expect(5, 0)
	})
}

func TestMomentsAreBuiltOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{wait: make(chan struct{})}
		p, at := shelf(s)
		defer p.Close()
		first, leave := context.WithCancel(t.Context())
		var failed atomic.Int32
		var all sync.WaitGroup
		look := func(ctx context.Context) {
			all.Go(func() {
				_, release, err := p.At(ctx, at)
				if err != nil {
					failed.Add(1)
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				release()
			})
			synctest.Wait()
		}
		look(first)
		for range 5 {
			look(t.Context())
		}
		if n := s.built.Load(); n != 1 {
			t.Errorf("%d are built at once", n)
		}
		leave() // Then the next one builds.
		synctest.Wait()
		if s.built.Load() != 2 || failed.Load() != 1 {
			t.Errorf("%d are built, %d failed", s.built.Load(), failed.Load())
		}
		close(s.wait)
		all.Wait()
		if s.built.Load() != 2 || failed.Load() != 1 {
			t.Errorf("%d were built, %d failed", s.built.Load(), failed.Load())
		}
	})
}

func TestTooManyMoments(t *testing.T) {
	s := &stub{}
	p, at := shelf(s)
	defer p.Close()
	var releases []func()
	for i := range 3 {
		_, release, err := p.At(t.Context(), at.Add(time.Duration(i)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	if _, _, err := p.At(t.Context(), at.Add(time.Minute)); !errors.Is(err, ErrBusy) {
		t.Errorf("a fourth: %v", err)
	}
	_, again, err := p.At(t.Context(), at) // This one is there already.
	if err != nil {
		t.Fatal(err)
	}
	again()
	releases[1]()
	_, release, err := p.At(t.Context(), at.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	release()
	releases[0]()
	releases[2]()
}
