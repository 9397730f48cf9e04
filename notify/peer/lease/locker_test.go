package lease

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree/store"
)

const home peer.ID = "000000000000000a"

func member(n int) peer.ID { return peer.ID(fmt.Sprintf("%015db", n)) }

// court is a home, and managers that take locks there.
type court struct {
	net    *peertest.Net
	leases *Leases
	mu     sync.Mutex
	with   time.Duration
	at     peer.ID
}

// sit opens a home in a bubble; its database is a file, so that it can be opened again.
func sit(t *testing.T, c *court, file string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Address: file, Manager: "home"})
	if err != nil {
		t.Fatal(err)
	}
	c.leases = New(Options{Store: s})
	c.leases.Serve(c.net.Join(home), func(peer.ID) time.Duration {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.with
	})
	ctx, stop := context.WithCancel(context.Background())
	var ran sync.WaitGroup
	ran.Go(func() { _ = c.leases.Run(ctx) }) // It has no error.
	t.Cleanup(func() {
		stop()
		ran.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (c *court) locker(f peer.Fabric) *Locker {
	return NewLocker(LockerOptions{Fabric: f, Leases: c.leases, Home: func() peer.ID {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.at
	}})
}

// inCourt runs a test in a bubble, and holds that nothing of it runs on afterwards.
func inCourt(t *testing.T, seed uint64, test func(t *testing.T, c *court)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "grove.db")
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		c := &court{net: peertest.New(seed), with: time.Hour, at: home}
		sit(t, c, file)
		test(t, c)
	})
}

// TestWithLock: one after the other has it, each with a higher token, the home itself too.
func TestWithLock(t *testing.T) {
	inCourt(t, 1, func(t *testing.T, c *court) {
		lockers := []*Locker{c.locker(c.net.Join(member(1))), c.locker(c.net.Join(member(2)))}
		var mu sync.Mutex
		var all sync.WaitGroup
		last, inside, done := int64(0), 0, 0
		for i := range 12 {
			all.Go(func() {
				err := lockers[i%2].WithLock(t.Context(), "backup", 10*time.Second, func(ctx context.Context, token int64) error {
					mu.Lock()
					if inside++; inside > 1 || token <= last {
						t.Errorf("%d are inside, token %d after %d", inside, token, last)
					}
					last = token
					mu.Unlock()
					if err := c.leases.Check(ctx, "backup", token); err != nil {
						t.Error(err)
					}
					time.Sleep(25 * time.Second) // beyond its time: it is renewed
					mu.Lock()
					inside--
					done++
					mu.Unlock()
					return ctx.Err()
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if done != 12 {
			t.Errorf("%d had it", done)
		}
		failed := errors.New("it did not work")
		if err := lockers[0].WithLock(t.Context(), "backup", 10*time.Second, func(context.Context, int64) error { return failed }); !errors.Is(err, failed) {
			t.Errorf("got %v", err)
		}
		if held, err := c.leases.List(t.Context()); len(held) != 0 || err != nil {
			t.Errorf("held are %+v, %v", held, err)
		}
	})
}

// TestALockThatIsLost: who cannot renew it is told before anybody else gets it.
func TestALockThatIsLost(t *testing.T) {
	inCourt(t, 1, func(t *testing.T, c *court) {
		one, two := c.locker(c.net.Join(member(1))), c.locker(c.net.Join(member(2)))
		var lost, taken time.Time
		var all sync.WaitGroup
		all.Go(func() {
			err := one.WithLock(t.Context(), "backup", 10*time.Second, func(ctx context.Context, token int64) error {
				c.net.Cut(member(1), home, true)
				<-ctx.Done()
				lost = time.Now()
				if !errors.Is(context.Cause(ctx), ErrLost) {
					t.Errorf("the cause is %v", context.Cause(ctx))
				}
				return ctx.Err()
			})
			if !errors.Is(err, ErrLost) || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if err := two.WithLock(t.Context(), "backup", 10*time.Second, func(context.Context, int64) error {
				taken = time.Now()
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if lost.IsZero() || taken.Before(lost) || taken.Sub(lost) > 3*time.Second {
			t.Errorf("lost at %s, taken at %s", lost, taken)
		}
	})
}

// TestALockIsOfOneHome: it is lost when another manager is the home, which gives none to a
// manager before what was taken at the old home is over.
func TestALockIsOfOneHome(t *testing.T) {
	inCourt(t, 1, func(t *testing.T, c *court) {
		f := c.net.Join(member(1))
		l := c.locker(f)
		err := l.WithLock(t.Context(), "backup", 10*time.Second, func(ctx context.Context, _ int64) error {
			c.mu.Lock()
			c.at = member(7)
			c.mu.Unlock()
			<-ctx.Done()
			return nil
		})
		if !errors.Is(err, ErrLost) {
			t.Errorf("got %v", err)
		}
		c.mu.Lock()
		c.at, c.with = home, MaxServed-time.Second
		c.mu.Unlock()
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		err = l.WithLock(ctx, "other", 10*time.Second, func(context.Context, int64) error { t.Error("it was taken"); return nil })
		if !peer.IsRefusal(err, peer.Busy) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		c.mu.Lock()
		c.at = ""
		c.mu.Unlock()
		if err := l.WithLock(ctx, "other", 10*time.Second, nil); !peer.IsRefusal(err, peer.Busy) {
			t.Errorf("without a home: %v", err)
		}
		c.mu.Lock()
		c.at, c.with = home, time.Hour
		c.mu.Unlock()
		if err := l.WithLock(t.Context(), "other", time.Hour, nil); !peer.IsRefusal(err, peer.Invalid) {
			t.Errorf("too long: %v", err)
		}
		// One manager cannot renew or give back what another one holds.
		got, err := c.leases.Take(t.Context(), "third", string(member(2))+"/x", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Appendf(nil, `{"name":"third","holder":"x","token":%d}`, got.Token)
		if _, err := f.Ask(t.Context(), home, "lease.renew", body); !peer.IsRefusal(err, peer.Stale) {
			t.Errorf("renew: %v", err)
		}
		if _, err := f.Ask(t.Context(), home, "lease.release", body); err != nil {
			t.Errorf("release: %v", err)
		}
		if _, err := f.Ask(t.Context(), home, "lease.check", body); err != nil {
			t.Errorf("it was given back: %v", err)
		}
	})
}

// TestLocksUnderFaults: at no time do two believe that they hold a lock, whatever is lost,
// cut, or started anew.
func TestLocksUnderFaults(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "grove.db")
			synctest.Test(t, func(t *testing.T) {
				c := &court{net: peertest.New(seed), with: time.Hour, at: home}
				sit(t, c, file)
				c.net.Slow(5*time.Millisecond, 0.2)
				random := rand.New(rand.NewPCG(seed, 3))
				ctx, stop := context.WithCancel(t.Context())
				var mu sync.Mutex
				var all sync.WaitGroup
				inside, times, last := map[int]bool{}, 0, int64(0)
				for i := range 4 {
					l := c.locker(c.net.Join(member(i)))
					work := rand.New(rand.NewPCG(seed, uint64(i)))
					all.Go(func() {
						for ctx.Err() == nil {
							_ = l.WithLock(ctx, "backup", 4*time.Second, func(ctx context.Context, token int64) error { // Lost or not is a matter of chance.
								mu.Lock()
								if len(inside) > 0 || token <= last {
									t.Errorf("%d takes it with %d after %d while %v hold it", i, token, last, inside)
								}
								inside[i], last = true, token
								times++
								mu.Unlock()
								select {
								case <-ctx.Done():
								case <-time.After(time.Duration(work.IntN(10_000)) * time.Millisecond):
								}
								mu.Lock()
								delete(inside, i)
								mu.Unlock()
								return nil
							})
						}
					})
				}
				for range 60 {
					time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
					i := random.IntN(4)
					switch n := random.IntN(10); {
					case n < 3:
						c.net.Cut(member(i), home, true)
					case n < 6:
						c.net.Cut(home, member(i), true)
					case n < 9:
						c.net.Cut(member(i), home, false)
						c.net.Cut(home, member(i), false)
					default: // The home starts anew: it has seen nothing.
						c.leases.mu.Lock()
						clear(c.leases.seen)
						c.leases.mu.Unlock()
					}
				}
				stop()
				all.Wait()
				if times < 5 {
					t.Errorf("it was taken %d times only", times)
				}
			})
		})
	}
}
