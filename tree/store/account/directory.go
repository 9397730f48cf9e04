package account

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"grove/tree/grant"
	"grove/tree/store"
	"grove/tree/store/audit"
)

// Options are the surroundings of a Directory.
type Options struct {
	Store *store.Store
	Audit *audit.Log
	// Idle ends a session in which nothing was asked for so long; 24 hours when zero.
	Idle time.Duration
	// Copy is a file that is kept like the database, from which Recall knows who may come
	// in while that is away; empty: there is none. Database says of which database it is,
	// without a secret.
	Copy, Database string
	// Forget, unless nil, takes out what others keep of a user, in the transaction in which
	// he is removed, or made: one who has the name of another finds nothing of him.
	Forget func(tx *store.Tx, name string) error

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil is nowhere
}

// Directory knows everybody. Its methods may be called from many goroutines.
type Directory struct {
	o   Options
	log *slog.Logger

	source  atomic.Int32 // a source
	count   atomic.Int64 // of members
	changed atomic.Bool  // since the copy was written

	// reading is held from a read to what it makes known, so that what was read later is
	// known later; it comes before mu.
	reading sync.Mutex

	mu       sync.RWMutex // guards the fields below
	version  int64
	members  map[string]*member
	sessions map[hash]*Pass
	tokens   map[hash]*Pass
}

// member is a user with what lets him in.
type member struct {
	user     User
	self     *Pass // by his password, or a certificate
	sessions map[hash]*Pass
	tokens   map[hash]*Pass
}

// Pass is somebody who came in, and how: one of Session and Token is set, or none when it
// was by a password or a certificate with the request itself. It is shared, and not
// changed.
type Pass struct {
	User    string
	Session *Session
	Token   *Token
	Subject *grant.Subject

	d    *Directory
	gone atomic.Bool
	used atomic.Int64 // Unix milliseconds; zero: not since it was read
	kept atomic.Int64 // what the database has of it
}

// New returns a directory that knows nobody yet: Load, or Recall while the database is
// away, then Run.
func New(o Options) *Directory {
	o.Idle = cmp.Or(o.Idle, 24*time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Directory{o: o, log: o.Log, members: map[string]*member{}, sessions: map[hash]*Pass{}, tokens: map[hash]*Pass{}}
}

// Loaded says whether the directory was read, from the database or, see Recall, from its
// copy: until it was nobody can be let in, and nobody knows whether there are users.
func (d *Directory) Loaded() bool { return d.source.Load() != int32(fromNowhere) }

// Len counts the users.
func (d *Directory) Len() int { return int(d.count.Load()) }

// Session returns who shows the secret of a cookie; nil: nobody.
func (d *Directory) Session(secret string) *Pass {
	if !isSecret(secret) {
		return nil
	}
	h := hashOf(secret)
	d.mu.RLock()
	p := d.sessions[h]
	d.mu.RUnlock()
	return p.use()
}

// Token returns who shows a token; nil: nobody.
func (d *Directory) Token(text string) *Pass {
	if !IsToken(text) {
		return nil
	}
	h := hashOf(text)
	d.mu.RLock()
	p := d.tokens[h]
	d.mu.RUnlock()
	return p.use()
}

// Pass returns a user whom the caller knows to be who he says, by his password or a
// certificate; nil: there is no such user, or he is disabled.
func (d *Directory) Pass(name string) *Pass {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if m := d.members[name]; m != nil && !m.user.Disabled {
		return m.self
	}
	return nil
}

// use returns the pass if it is still good, and notes that it was used.
func (p *Pass) use() *Pass {
	if p == nil || !p.valid() {
		return nil
	}
	return p
}

// valid is the Subject's Valid: a stream that asks is a use, too.
func (p *Pass) valid() bool {
	if p.gone.Load() {
		return false
	}
	now := p.d.o.Now()
	switch {
	case p.Session != nil:
		if !now.Before(p.Session.Ends) || now.Sub(p.seen()) >= p.d.o.Idle {
			return false
		}
	case p.Token != nil:
		if !now.Before(p.Token.Ends) {
			return false
		}
	default:
		return true
	}
	p.used.Store(now.UnixMilli())
	return true
}

// seen is when the session was last used.
func (p *Pass) seen() time.Time { return time.UnixMilli(max(p.used.Load(), p.kept.Load())) }

// User returns a user.
func (d *Directory) User(name string) (User, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if m := d.members[name]; m != nil {
		return m.user, nil
	}
	return User{}, ErrNoUser
}

// Summary is a user with how many sessions and tokens he has.
type Summary struct {
	User
	Sessions, Tokens int
}

// Users returns all, by name.
func (d *Directory) Users() []Summary {
	d.mu.RLock()
	list := make([]Summary, 0, len(d.members))
	for _, m := range d.members {
		s := Summary{User: m.user, Tokens: len(m.tokens)}
		for _, p := range m.sessions {
			if p.alive() {
				s.Sessions++
			}
		}
		list = append(list, s)
	}
	d.mu.RUnlock()
	slices.SortFunc(list, func(a, b Summary) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// alive is valid without being a use.
func (p *Pass) alive() bool {
	now := p.d.o.Now()
	return now.Before(p.Session.Ends) && now.Sub(p.seen()) < p.d.o.Idle
}

// Sessions returns the sessions that have not ended of a user, or of all when the name is
// empty; who was seen last comes first.
func (d *Directory) Sessions(name string) []Session {
	var list []Session
	d.each(name, func(m *member) {
		for _, p := range m.sessions {
			if p.alive() {
				s := *p.Session
				s.Seen = p.seen()
				list = append(list, s)
			}
		}
	})
	slices.SortFunc(list, func(a, b Session) int { return cmp.Or(b.Seen.Compare(a.Seen), strings.Compare(a.ID, b.ID)) })
	return list
}

// Tokens returns the tokens of a user, or of all when the name is empty, by user and
// name; those that have ended are among them.
func (d *Directory) Tokens(name string) []Token {
	var list []Token
	d.each(name, func(m *member) {
		for _, p := range m.tokens {
			t := *p.Token
			if at := max(p.used.Load(), p.kept.Load()); at > 0 {
				t.Used = time.UnixMilli(at)
			}
			list = append(list, t)
		}
	})
	slices.SortFunc(list, func(a, b Token) int {
		return cmp.Or(strings.Compare(a.User, b.User), strings.Compare(a.Name, b.Name))
	})
	return list
}

func (d *Directory) each(name string, do func(*member)) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if name != "" {
		if m := d.members[name]; m != nil {
			do(m)
		}
		return
	}
	for _, m := range d.members {
		do(m)
	}
}

// pollEvery is how often the number of the last change is asked for, and flushEvery how
// often the database is told when sessions and tokens were last used.
const (
	pollEvery  = time.Second
	flushEvery = time.Minute
)

// Run keeps the directory like the database, and its copy like the directory, until ctx
// ends, whose error it returns.
func (d *Directory) Run(ctx context.Context) error {
	defer func() {
		if err := d.writeCopy(); err != nil {
			d.log.Error("the copy of the users is not as they are now", "copy", d.o.Copy, "error", err)
		}
	}()
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all.Go(func() {
		err := d.o.Store.Watch(ctx, topic, func(n store.Notice) { d.heard(ctx, n) })
		if ctx.Err() == nil {
			d.log.Error("changes of users by other managers are not heard", "error", err)
		}
	})
	if d.o.Copy != "" {
		all.Go(func() { d.keepCopy(ctx) })
	}
	poll, flush := time.NewTicker(pollEvery), time.NewTicker(flushEvery)
	defer poll.Stop()
	defer flush.Stop()
	behind := false // when it was asked the last time
	for {
		select {
		case <-poll.C:
			behind = d.poll(ctx, behind)
		case <-flush.C:
			d.log.Debug("users", "flushed", d.flush(ctx))
		case <-ctx.Done():
			after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			d.flush(after)
			return ctx.Err()
		}
	}
}

// heard takes a notice. One that follows on what is known needs one user read again.
func (d *Directory) heard(ctx context.Context, n store.Notice) {
	d.mu.RLock()
	next := d.source.Load() == int32(fromDatabase) && !n.All && n.Revision == d.version+1
	d.mu.RUnlock()
	var err error
	if next {
		if err = d.refresh(ctx, n.Name); err == nil {
			d.mu.Lock()
			d.version = max(d.version, n.Revision)
			d.mu.Unlock()
			return
		}
	} else if n.All || n.Revision > d.known() {
		err = d.Load(ctx)
	}
	if err != nil && ctx.Err() == nil {
		d.log.Warn("users are as they were before for now", "error", err)
	}
}

func (d *Directory) known() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.version
}

// poll reads everything again when the database is ahead twice: the first time a notice
// may be on its way.
func (d *Directory) poll(ctx context.Context, before bool) (behind bool) {
	if d.source.Load() != int32(fromDatabase) {
		if err := d.Load(ctx); err != nil && !errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
			d.log.Error("users cannot be read", "error", err)
		}
		return false
	}
	var version int64
	err := d.o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		version, err = readVersion(tx)
		return err
	})
	if err != nil || version == d.known() {
		return false // While the database is away what is known has to do.
	}
	if before {
		if err := d.Load(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("users are as they were before for now", "error", err)
		}
	}
	return true
}
