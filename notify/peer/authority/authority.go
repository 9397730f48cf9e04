package authority

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
	"grove/tree/store/audit"
)

// Times of certificates.
const (
	DefaultLife = 24 * time.Hour
	MinLife     = time.Hour
	MaxLife     = 72 * time.Hour
	// Grace is how long after its end a certificate can still be renewed.
	Grace = 30 * 24 * time.Hour
	// Apart is how far clocks of two managers may be apart when one joins the other.
	Apart = 5 * time.Minute
)

// Bounds.
const (
	MaxMembers     = 10_000 // of one authority, those that were revoked included
	MaxInvitations = 1_000
	MaxUppers      = 64 // managers that one has joined
	MaxNameBytes   = 64
	maxBody        = 64 << 10 // of a question to the authority
)

// Options say how an authority works.
type Options struct {
	Dir   string // of keys and certificates; it is made, readable by its owner alone
	Store *store.Store
	Audit *audit.Log
	Name  string           // of this manager, for people
	Life  time.Duration    // of certificates; zero is DefaultLife
	Now   func() time.Time // nil is time.Now
	Log   *slog.Logger     // nil is nothing
}

// Hooks are told what the fabric has to do. Each may be nil; they must not block.
type Hooks struct {
	// Cut is told of a manager whose links must end at once, and why: it was revoked, or its
	// certificate is over.
	Cut func(id peer.ID, why string)
	// Joined is told of a manager that this one has joined.
	Joined func(Upper)
	// Renewed is told of a manager that has renewed this one's certificate after it was over:
	// its link may do nothing else until it is made again.
	Renewed func(id peer.ID)
	// Left is told of a manager that this one has left.
	Left func(id peer.ID)
}

// By is who does something, and where from, for the audit log.
type By struct{ Who, Origin string }

func (by By) entry(action, target string) audit.Entry {
	return audit.Entry{Who: by.Who, Origin: by.Origin, Action: action, Target: target, Outcome: "ok"}
}

// Authority is the identity of this manager and its authority for others. Its methods may be
// called from many goroutines.
type Authority struct {
	o        Options
	log      *slog.Logger
	keys     *keys
	throttle throttle
	wake     chan struct{} // for Run: something changed

	// issuing is held while certificates are numbered and while one is revoked, so that none is
	// made in between. It is taken before mu.
	issuing sync.Mutex

	mu       sync.RWMutex
	hooks    Hooks
	server   *served // the certificate for those who call
	loaded   bool    // the database was read
	replaced int64   // store.Replaced when it was
	number   int64   // of the last certificate
	revoked  revocations
	// ends is when the newest certificate of a member is over, as far as it is known here.
	ends   map[peer.ID]time.Time
	left   map[peer.ID]time.Time // members whose links are to be cut since they left, and when
	open   []opening             // invitations that were not used
	uppers map[peer.ID]*upper
	asked  peer.Fabric // of Handle; nil before
}

// Open makes the keys of this manager, or reads them. What it cannot read is an error that
// says what to do. A database that is away at the moment is none: who is known comes in, and
// who is revoked does not, until Run finds it.
func Open(ctx context.Context, o Options) (*Authority, error) {
	if o.Life == 0 {
		o.Life = DefaultLife
	}
	if o.Life < MinLife || o.Life > MaxLife {
		return nil, fmt.Errorf("peer authority: certificates that live %v: %v to %v is possible", o.Life, MinLife, MaxLife)
	}
	if err := checkName(o.Name); err != nil {
		return nil, fmt.Errorf("peer authority: the name of this manager: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Authority{o: o, log: o.Log, wake: make(chan struct{}, 1), ends: map[peer.ID]time.Time{}, left: map[peer.ID]time.Time{}}
	if err := a.openFiles(); err != nil {
		return nil, fmt.Errorf("peer authority: %w", err)
	}
	if err := a.Load(ctx); err != nil {
		if !errors.Is(err, store.ErrUnavailable) {
			return nil, err
		}
		a.log.Warn("nobody can join until the database is there", "error", err)
	}
	return a, nil
}

func (a *Authority) openFiles() (err error) {
	if err := os.MkdirAll(a.o.Dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(a.o.Dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir() || info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is not a directory that its owner alone may use (mode %#o): chmod 700 %[1]s", a.o.Dir, info.Mode().Perm())
	}
	if err := removeUnfinished(a.o.Dir); err != nil {
		return err
	}
	if a.keys, err = openKeys(a.o.Dir, a.o.Name, a.o.Now()); err != nil {
		return err
	}
	if a.revoked, err = readRevocations(a.revokedFile()); err != nil {
		return err
	}
	a.number = a.revoked.highest()
	a.uppers, err = readUppers(a.o.Dir, a.keys)
	return err
}

func (a *Authority) revokedFile() string { return filepath.Join(a.o.Dir, "revoked.json") }

// ID is the ID of this manager.
func (a *Authority) ID() peer.ID { return a.keys.id }

// SetHooks sets who is told what the fabric has to do.
func (a *Authority) SetHooks(h Hooks) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hooks = h
}

func (a *Authority) told() Hooks {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.hooks
}

// nudge has Run look what there is to do.
func (a *Authority) nudge() {
	select {
	case a.wake <- struct{}{}:
	default: // It will look anyway.
	}
}
