// Package lease gives out leases: who holds one may act alone for a while. They are rows of
// the database, so that they outlive a restart, and several managers that share a database
// take them in the same table.
//
// # Tokens
//
// Each lease that is taken has a token, a number that is higher than that of every lease
// that was taken before in this database, whoever had it, whether it was given back or ran
// out. Who acts on a lease shows the token, and what it acts on refuses a smaller one than
// it has seen: a holder that was stopped for a while still believes that it holds what
// somebody else has meanwhile, and only the token tells the two apart. A token is at least
// the time of its making in milliseconds, so that it rises too when the database is lost.
//
// # Time
//
// No time is compared with that of another machine. A renewal raises a number in the row; a
// lease is over when a manager has seen the same number for as long as the lease lasts, by
// its own clock, which no setting of the time moves. Who comes new, or again after a restart,
// sees every lease for the first time: it waits for the whole of it. The holder counts from
// when it asked, so that it ends sooner with the holder than with any who waits for it.
package lease

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
)

// Bounds.
const (
	MinTTL = time.Second
	MaxTTL = time.Hour
	// MaxLeases bounds how many are held in a database.
	MaxLeases = 10_000
	maxName   = 200 // bytes, of a name and of a holder
)

// Lease is the right to act alone under a name.
type Lease struct {
	Name   string        `json:"name"`
	Holder string        `json:"holder"`
	Token  int64         `json:"token"`
	TTL    time.Duration `json:"ttl"` // for how long each renewal is
	// Left is how long it holds: for a holder that asked, since it asked; otherwise as far
	// as this manager has seen.
	Left time.Duration `json:"left"`
}

// Options are what leases need.
type Options struct {
	Store *store.Store
	// Now is the clock; nil is time.Now. Of its times the monotonic reading counts, which
	// setting the clock does not move.
	Now func() time.Time
	Log *slog.Logger // nil discards
}

// Leases are those of a database. Its methods may be called from many goroutines; their
// errors are refusals (peer.Refusal) where somebody else holds the lease (peer.Busy), it was
// lost (peer.Stale), or what was asked makes no sense (peer.Invalid), else those of the
// database.
type Leases struct {
	s   *store.Store
	now func() time.Time
	log *slog.Logger

	mu       sync.Mutex
	seen     map[string]sight
	replaced int64 // store.Replaced when seen was begun
}

// sight is what a row said when it was seen to change last.
type sight struct {
	token, beat int64
	at          time.Time
}

// New returns the leases of a database. Run must run, so that it is seen in time that a
// holder does not renew.
func New(o Options) *Leases {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Leases{s: o.Store, now: o.Now, log: o.Log, seen: map[string]sight{}}
}

// lookEvery is how often the rows are looked at.
const lookEvery = time.Second

// Run looks at the leases every second until its context ends.
func (l *Leases) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := false
	for {
		err := l.tidy(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			l.log.Warn("the leases cannot be read", "err", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// row is a row of the table.
type row struct {
	name, holder     string
	token, ttl, beat int64
}

const columns = "name, holder, token, ttl, beat"

func (r *row) into() []any { return []any{&r.name, &r.holder, &r.token, &r.ttl, &r.beat} }

// left notes how a row is, and returns for how long it holds as far as this manager has
// seen. The time is that of after the row was read: rather too late than too early, for who
// waits for it to be over.
func (l *Leases) left(r row) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if n := l.s.Replaced(); n != l.replaced { // A backup may bring old numbers back.
		clear(l.seen)
		l.replaced = n
	}
	was, ok := l.seen[r.name]
	if !ok || was.token != r.token || was.beat != r.beat {
		was = sight{r.token, r.beat, now}
		l.seen[r.name] = was
	}
	return max(0, time.Duration(r.ttl)*time.Millisecond-now.Sub(was.at))
}

func (l *Leases) lease(r row) Lease {
	return Lease{Name: r.name, Holder: r.holder, Token: r.token, TTL: time.Duration(r.ttl) * time.Millisecond, Left: l.left(r)}
}

// Take takes a lease for a holder; it is refused while another one holds it. Who holds it
// already gets a new token, and the old one is lost.
func (l *Leases) Take(ctx context.Context, name, holder string, ttl time.Duration) (Lease, error) {
	if err := check(name, holder, ttl); err != nil {
		return Lease{}, err
	}
	got := row{name: name, holder: holder, ttl: ttl.Milliseconds()}
	err := l.s.Write(ctx, func(tx *store.Tx) error {
		// Whoever takes a lease of this database waits here for the others that do.
		token, err := l.token(tx, 0)
		if err != nil {
			return err
		}
		was, found, err := find(tx, name)
		if err != nil {
			return err
		}
		if found && was.holder != holder {
			if left := l.left(was); left > 0 {
				return peer.Refuse(peer.Busy, "%s is held by %s for another %s", name, was.holder, left.Round(time.Millisecond))
			}
		}
		if !found {
			var have int
			if _, err := tx.Row("SELECT COUNT(*) FROM peer_lease", nil, &have); err != nil {
				return err
			}
			if have >= MaxLeases {
				return peer.Refuse(peer.Busy, "%s cannot be taken: there are %d leases already", name, have)
			}
		}
		got.token, got.beat = token, was.beat+1
		// Its holder does not wait: one that renews it at this moment keeps it.
		n, err := tx.Exec("INSERT INTO peer_lease ("+columns+", manager, taken) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO UPDATE SET "+
			"holder = excluded.holder, token = excluded.token, ttl = excluded.ttl, beat = excluded.beat, manager = excluded.manager, taken = excluded.taken "+
			"WHERE peer_lease.token = $8 AND peer_lease.beat = $9",
			name, holder, token, got.ttl, got.beat, tx.Manager(), l.now().UnixMilli(), was.token, was.beat)
		if err == nil && n == 0 {
			err = peer.Refuse(peer.Busy, "%s is held by %s, who has just renewed it", name, was.holder)
		}
		return err
	})
	if err != nil {
		return Lease{}, wrap("take", name, err)
	}
	return l.fresh(got), nil
}

// fresh is a lease that was renewed just now.
func (l *Leases) fresh(r row) Lease {
	out := l.lease(r)
	out.Left = out.TTL
	return out
}

// Renew makes a lease last for its whole time from now. It is refused as stale when the
// token is not that of the lease any more.
func (l *Leases) Renew(ctx context.Context, name, holder string, token int64) (Lease, error) {
	var got row
	err := l.s.Write(ctx, func(tx *store.Tx) error {
		found, err := tx.Row("UPDATE peer_lease SET beat = beat + 1 WHERE name = $1 AND holder = $2 AND token = $3 RETURNING "+columns,
			[]any{name, holder, token}, got.into()...)
		if err == nil && !found {
			err = stale(name, token)
		}
		return err
	})
	if err != nil {
		return Lease{}, wrap("renew", name, err)
	}
	return l.fresh(got), nil
}

// Release gives a lease back. What is not held any more is given back already.
func (l *Leases) Release(ctx context.Context, name, holder string, token int64) error {
	err := l.s.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec("DELETE FROM peer_lease WHERE name = $1 AND holder = $2 AND token = $3", name, holder, token)
		return err
	})
	if err != nil {
		return wrap("release", name, err)
	}
	l.mu.Lock()
	delete(l.seen, name)
	l.mu.Unlock()
	return nil
}

// Get returns who holds a lease; ok is false when nobody does.
func (l *Leases) Get(ctx context.Context, name string) (got Lease, ok bool, err error) {
	var r row
	err = l.s.Read(ctx, func(tx *store.Tx) (err error) {
		r, ok, err = find(tx, name)
		return err
	})
	if err != nil || !ok {
		return Lease{}, false, wrap("look at", name, err)
	}
	got = l.lease(r)
	return got, got.Left > 0, nil
}

// Check refuses with peer.Stale unless the token is that of a lease that holds. Who changes
// something that only a holder may change asks it before.
func (l *Leases) Check(ctx context.Context, name string, token int64) error {
	got, ok, err := l.Get(ctx, name)
	if err == nil && (!ok || got.Token != token) {
		err = stale(name, token)
	}
	return err
}

// List returns the leases that hold, by name.
func (l *Leases) List(ctx context.Context) ([]Lease, error) {
	rows, err := l.all(ctx)
	if err != nil {
		return nil, err
	}
	held := make([]Lease, 0, len(rows))
	for _, r := range rows {
		if one := l.lease(r); one.Left > 0 {
			held = append(held, one)
		}
	}
	return held, nil
}

func (l *Leases) all(ctx context.Context) (rows []row, err error) {
	err = l.s.Read(ctx, func(tx *store.Tx) error {
		rows = nil
		return tx.Each("SELECT "+columns+" FROM peer_lease ORDER BY name", nil, func(from *sql.Rows) error {
			var r row
			if err := from.Scan(r.into()...); err != nil {
				return err
			}
			rows = append(rows, r)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the leases: %w", err)
	}
	return rows, nil
}

// tidy looks at all leases and forgets those that are over: their tokens come from a number
// that stays.
func (l *Leases) tidy(ctx context.Context) error {
	rows, err := l.all(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(rows))
	var over []row
	for _, r := range rows {
		there[r.name] = true
		if l.left(r) == 0 {
			over = append(over, r)
		}
	}
	l.mu.Lock()
	for name := range l.seen {
		if !there[name] {
			delete(l.seen, name)
		}
	}
	l.mu.Unlock()
	if len(over) == 0 {
		return nil
	}
	return l.s.Write(ctx, func(tx *store.Tx) error {
		for _, r := range over {
			if _, err := tx.Exec("DELETE FROM peer_lease WHERE name = $1 AND token = $2 AND beat = $3", r.name, r.token, r.beat); err != nil {
				return err
			}
		}
		return nil
	})
}

// Token makes a token that is higher than every one that was made in this database, and than
// above: the last one that is known from elsewhere.
func (l *Leases) Token(ctx context.Context, above int64) (token int64, err error) {
	err = l.s.Write(ctx, func(tx *store.Tx) (err error) {
		token, err = l.token(tx, above)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("make a token: %w", err)
	}
	return token, nil
}

// Mark returns what tells this database from others: managers with the same take their leases
// in the same table. A database into which a backup was loaded gets a new one.
func (l *Leases) Mark(ctx context.Context) (mark string, err error) {
	fresh := rand.Text()
	err = l.s.Write(ctx, func(tx *store.Tx) error {
		// The row that is there is read by being written as it is.
		_, err := tx.Row("INSERT INTO peer_database (id, mark) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET mark = peer_database.mark RETURNING mark", []any{fresh}, &mark)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("mark of the database: %w", err)
	}
	return mark, nil
}

// token raises the number that all tokens of the database come from.
func (l *Leases) token(tx *store.Tx, above int64) (token int64, err error) {
	least := max(above+1, l.now().UnixMilli())
	_, err = tx.Row("INSERT INTO peer_token (id, token) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET "+
		"token = CASE WHEN peer_token.token >= excluded.token THEN peer_token.token + 1 ELSE excluded.token END RETURNING token", []any{least}, &token)
	return token, err
}

func find(tx *store.Tx, name string) (r row, found bool, err error) {
	found, err = tx.Row("SELECT "+columns+" FROM peer_lease WHERE name = $1", []any{name}, r.into()...)
	return r, found, err
}

func stale(name string, token int64) error {
	return peer.Refuse(peer.Stale, "%s is not held with the token %d any more", name, token)
}

// wrap says what failed, unless it is a refusal, which does so itself.
func wrap(what, name string, err error) error {
	var r *peer.Refusal
	if err == nil || errors.As(err, &r) {
		return err
	}
	return fmt.Errorf("%s the lease %s: %w", what, name, err)
}

// check says what is wrong with what somebody wants to take.
func check(name, holder string, ttl time.Duration) error {
	for what, text := range map[string]string{"name": name, "holder": holder} {
		if text == "" || len(text) > maxName || store.Clean(text) != text {
			return peer.Refuse(peer.Invalid, "the %s of a lease has %d bytes: it is not 1 to %d bytes of valid UTF-8 without NUL", what, len(text), maxName)
		}
	}
	if ttl < MinTTL || ttl > MaxTTL {
		return peer.Refuse(peer.Invalid, "%s is taken for %s: a lease is for %s to %s", name, ttl, MinTTL, MaxTTL)
	}
	return nil
}
