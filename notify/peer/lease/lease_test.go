package lease

import (
	"bytes"
	"os"
	"sync"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(holderDatabase) != "" {
		os.Exit(holdOn())
	}
	storetest.Main(m)
}

// clock is one that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func take(t *testing.T, l *Leases, name, holder string, ttl time.Duration) Lease {
	t.Helper()
	got, err := l.Take(t.Context(), name, holder, ttl)
	if err != nil || got.Left != ttl || got.Holder != holder || got.Token <= 0 {
		t.Fatalf("take %s for %s: %+v, %v", name, holder, got, err)
	}
	return got
}

func refused(t *testing.T, err error, code peer.Code) {
	t.Helper()
	if !peer.IsRefusal(err, code) {
		t.Errorf("got %v, want a refusal: %s", err, code)
	}
}

// TestOneHolds: a lease is its holder's until it is given back or not renewed for as long as
// it lasts, and each that is taken has a higher token.
func TestOneHolds(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		l := New(Options{Store: db.Open(t), Now: c.Now})
		ctx := t.Context()
		a := take(t, l, "backup", "a", 10*time.Second)
		_, err := l.Take(ctx, "backup", "b", 10*time.Second)
		refused(t, err, peer.Busy)
		if want := "backup is held by a for another 10s"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		other := take(t, l, "report", "b", time.Second)
		if other.Token <= a.Token {
			t.Errorf("the token %d of the second is not higher than %d", other.Token, a.Token)
		}
		for range 5 {
			c.pass(9 * time.Second)
			if got, err := l.Renew(ctx, "backup", "a", a.Token); err != nil || got.Token != a.Token || got.Left != 10*time.Second {
				t.Fatalf("renew: %+v, %v", got, err)
			}
		}
		if got, ok, err := l.Get(ctx, "backup"); !ok || got.Holder != "a" || got.Left != 10*time.Second || err != nil {
			t.Errorf("get: %+v, %t, %v", got, ok, err)
		}
		if err := l.Check(ctx, "backup", a.Token); err != nil {
			t.Error(err)
		}
		c.pass(10 * time.Second)
		refused(t, l.Check(ctx, "backup", a.Token), peer.Stale)
		if all, err := l.List(ctx); len(all) != 0 || err != nil {
			t.Errorf("list: %+v, %v", all, err)
		}
		b := take(t, l, "backup", "b", 10*time.Second)
		if b.Token <= other.Token {
			t.Errorf("the token %d after it was over is not higher than %d", b.Token, other.Token)
		}
		_, err = l.Renew(ctx, "backup", "a", a.Token)
		refused(t, err, peer.Stale)
		refused(t, l.Check(ctx, "backup", a.Token), peer.Stale)
		// One that was lost is given back without harm to the one who has it.
		if err := l.Release(ctx, "backup", "a", a.Token); err != nil {
			t.Error(err)
		}
		if err := l.Check(ctx, "backup", b.Token); err != nil {
			t.Error(err)
		}
		if err := l.Release(ctx, "backup", "b", b.Token); err != nil {
			t.Error(err)
		}
		refused(t, l.Check(ctx, "backup", b.Token), peer.Stale)
		again := take(t, l, "backup", "a", time.Second)
		if again.Token <= b.Token {
			t.Errorf("the token %d after it was given back is not higher than %d", again.Token, b.Token)
		}
		// Who holds it and takes it again does not know its token: the old one is void.
		more := take(t, l, "backup", "a", time.Second)
		_, err = l.Renew(ctx, "backup", "a", again.Token)
		refused(t, err, peer.Stale)
		if more.Token <= again.Token {
			t.Errorf("the token %d of the one taken again is not higher than %d", more.Token, again.Token)
		}
	})
}

// TestARestartTakesNobodyOverTooEarly: who has just come sees every lease for the first time,
// however old it is.
func TestARestartTakesNobodyOverTooEarly(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		s := db.Open(t)
		a := take(t, New(Options{Store: s, Now: c.Now}), "backup", "a", 10*time.Second)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c.pass(9 * time.Second)
		l := New(Options{Store: db.Open(t), Now: c.Now})
		if err := l.tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.pass(9 * time.Second)
		_, err := l.Take(t.Context(), "backup", "b", 10*time.Second)
		refused(t, err, peer.Busy)
		if got, err := l.Renew(t.Context(), "backup", "a", a.Token); err != nil || got.Token != a.Token {
			t.Errorf("renew after the restart: %+v, %v", got, err)
		}
		c.pass(9 * time.Second)
		_, err = l.Take(t.Context(), "backup", "b", 10*time.Second)
		refused(t, err, peer.Busy)
		c.pass(time.Second)
		if b := take(t, l, "backup", "b", 10*time.Second); b.Token <= a.Token {
			t.Errorf("the token %d is not higher than %d", b.Token, a.Token)
		}
	})
}

// TestTwoManagersShareATable: neither believes the clock of the other one.
func TestTwoManagersShareATable(t *testing.T) {
	db := storetest.Postgres(t)
	early, late := newClock(), newClock()
	late.pass(-time.Hour)
	one := New(Options{Store: db.OpenAs(t, "one"), Now: early.Now})
	two := New(Options{Store: db.OpenAs(t, "two"), Now: late.Now})
	pass := func(d time.Duration) { early.pass(d); late.pass(d) }
	ctx := t.Context()
	a := take(t, one, "backup", "a", 10*time.Second)
	for range 4 {
		_, err := two.Take(ctx, "backup", "b", 10*time.Second)
		refused(t, err, peer.Busy)
		pass(6 * time.Second)
		if _, err := one.Renew(ctx, "backup", "a", a.Token); err != nil {
			t.Fatal(err)
		}
	}
	_, err := two.Take(ctx, "backup", "b", 10*time.Second)
	refused(t, err, peer.Busy)
	pass(10 * time.Second)
	b := take(t, two, "backup", "b", 10*time.Second)
	if b.Token <= a.Token {
		t.Errorf("the token %d is not higher than %d", b.Token, a.Token)
	}
	_, err = one.Renew(ctx, "backup", "a", a.Token)
	refused(t, err, peer.Stale)
	refused(t, one.Check(ctx, "backup", a.Token), peer.Stale)
	if err := one.Check(ctx, "backup", b.Token); err != nil {
		t.Error(err)
	}
}

// TestOneOfManyTakesIt: of many that take a lease at the same moment one gets it.
func TestOneOfManyTakesIt(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		all := []*Leases{New(Options{Store: db.OpenAs(t, "one")})}
		if db.Engine == "postgres" {
			all = append(all, New(Options{Store: db.OpenAs(t, "two")}), New(Options{Store: db.OpenAs(t, "three")}))
		}
		var mu sync.Mutex
		var takers sync.WaitGroup
		tokens := map[int64]bool{}
		last := int64(0)
		for round := range 5 {
			var got []Lease
			for i := range 9 {
				takers.Go(func() {
					l, err := all[i%len(all)].Take(t.Context(), "backup", string(rune('a'+i)), time.Hour)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						got = append(got, l)
					} else if !peer.IsRefusal(err, peer.Busy) {
						t.Error(err)
					}
				})
			}
			takers.Wait()
			if len(got) != 1 || got[0].Token <= last || tokens[got[0].Token] {
				t.Fatalf("round %d: %+v after %d", round, got, last)
			}
			last, tokens[got[0].Token] = got[0].Token, true
			if err := all[0].Release(t.Context(), "backup", got[0].Holder, got[0].Token); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTokensOnlyRise: also above those of another database, after a backup was loaded, and
// when the clock is set back.
func TestTokensOnlyRise(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		s := db.Open(t)
		l := New(Options{Store: s, Now: c.Now})
		last := int64(0)
		rise := func(what string, above int64) {
			t.Helper()
			token, err := l.Token(t.Context(), above)
			if err != nil || token <= max(last, above) {
				t.Errorf("%s: %d after %d, above %d, %v", what, token, last, above, err)
			}
			last = token
		}
		rise("first", 0)
		rise("second", 0)
		rise("above", last+1_000_000)
		var backup bytes.Buffer
		if err := s.Dump(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		take(t, l, "backup", "a", time.Hour)
		c.pass(time.Hour)
		rise("an hour later", 0)
		if err := s.Load(t.Context(), &backup); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Second)
		rise("backup", 0)
		c.pass(-48 * time.Hour)
		rise("set back", 0)
		if all, err := l.List(t.Context()); len(all) != 0 || err != nil {
			t.Errorf("leases of the backup: %+v, %v", all, err)
		}
	})
}

func TestWhatIsOverIsForgotten(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *storetest.Database) {
		c := newClock()
		l := New(Options{Store: db.Open(t), Now: c.Now})
		take(t, l, "one", "a", time.Second)
		two := take(t, l, "two", "a", time.Minute)
		c.pass(2 * time.Second)
		if err := l.tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows, err := l.all(t.Context())
		if err != nil || len(rows) != 1 || rows[0].name != "two" || rows[0].token != two.Token {
			t.Errorf("rows %+v, %v", rows, err)
		}
		if err := l.tidy(t.Context()); err != nil || len(l.seen) != 1 {
			t.Errorf("seen %v, %v", l.seen, err)
		}
	})
}

func TestWhatCannotBeTaken(t *testing.T) {
	l := New(Options{Store: storetest.SQLite(t).Open(t)})
	long := string(make([]byte, maxName+1))
	for name, tc := range map[string]struct {
		name, holder string
		ttl          time.Duration
		want         string
	}{
		"no name":     {"", "a", time.Second, "the name of a lease has 0 bytes: it is not 1 to 200 bytes of valid UTF-8 without NUL"},
		"long holder": {"x", long, time.Second, "the holder of a lease has 201 bytes: it is not 1 to 200 bytes of valid UTF-8 without NUL"},
		"too short":   {"x", "a", time.Millisecond, "x is taken for 1ms: a lease is for 1s to 1h0m0s"},
		"too long":    {"x", "a", 2 * time.Hour, "x is taken for 2h0m0s: a lease is for 1s to 1h0m0s"},
	} {
		_, err := l.Take(t.Context(), tc.name, tc.holder, tc.ttl)
		refused(t, err, peer.Invalid)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
