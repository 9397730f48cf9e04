// Package book is the book of alerts: it says when trouble becomes an alert, what it
// follows from, and when it is over.
//
// # How it decides
//
// The tree tells the book which nodes took another status ([Book.Statuses]); that only
// notes their paths. So long after ([Options.Settle]) [Book.Run] looks at what each of them
// is by then, compares it with the alert that it has of the node, and decides. Nothing is
// concluded from the change itself: what is told twice, late or not at all, as after a
// restart or a flood, comes to the same, since a look at the node decides.
//
// # Consequences
//
// After each round the alerts that can be causes are put in relation anew ([cause.Graph])
// when they are others than before, and every alert is held against them: what follows from
// another alert, from a group that alerts as a whole, or lies in a maintenance is suppressed.
// A cause that is over goes on holding back what follows from it for [Options.Recover],
// since what is below turns well at its next poll only, and services take time to start.
//
// # What is kept
//
// A round is written in pieces, each one transaction with its lines of the journal; then
// readers see it and [Options.Changed] is told. Between two pieces it is decided again, so
// that the cause of a storm is known before all of its consequences are told. While the database cannot be written the
// book goes on deciding, keeps what it decided in memory, and tries again; when that is too
// much it decides nothing more until there is room, and then goes by what the nodes are.
//
// # Concurrency
//
// One at a time decides: Run, or somebody who acknowledges. Whoever holds the turn owns
// the entries; mu guards what readers see, which are alerts that are never changed.
package book

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"grove/notify/ledger"
	"grove/notify/subject"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// Journal takes entries in a transaction of the caller's.
type Journal interface {
	Add(tx *store.Tx, entries ...journal.Entry) error
}

// Options are the surroundings of a Book.
type Options struct {
	Tree    *tree.Tree
	Store   *store.Store
	Journal Journal
	Manager string // its name, which is in every alert
	// Maintained says whether somebody works on a node; nil: nobody ever does. Its result
	// is asked for again when MaintenanceChanged is called, at Suppression.Until, and every
	// half minute.
	Maintained func(p tree.Path, at time.Time) (alert.Suppression, bool)
	// Twin says to whom the alerts about a device are left that another manager watches, too;
	// nil: to nobody, ever. It is asked again when TwinsChanged is called, and every half
	// minute.
	Twin func(*alert.Alert) Twin
	// Changed is told of alerts after they are committed, one call at a time and in order:
	// those that are new and those that took a step. Of one alert it is told the state
	// after the last of several steps. It must return soon, may call the methods that read,
	// and must not call those that change alerts. Nil: nobody is told.
	Changed func([]alert.Alert)
	// Settle is how long a change of status waits before it is decided, so that its cause
	// can arrive first; 500 ms when zero.
	Settle time.Duration
	// Silence is for how long an attribute may be white where its definition does not say;
	// 1 min when zero.
	Silence time.Duration
	// Reopen is how long after its end an alert is reopened rather than followed by
	// another; 5 min when zero.
	Reopen time.Duration
	// Recover is how long a cause that is over goes on holding back its consequences; 1 min
	// when zero.
	Recover time.Duration
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil is nowhere
}

// The defaults of Options.
const (
	DefaultSettle  = 500 * time.Millisecond
	DefaultSilence = time.Minute
	DefaultReopen  = 5 * time.Minute
	DefaultRecover = time.Minute
)

// Flapping: an alert that is reopened FlapTimes within FlapWithin ends only once the node
// was well for Calm. So does that of a node which the tree calls flapping.
const (
	FlapTimes  = 3
	FlapWithin = 15 * time.Minute
	Calm       = 5 * time.Minute
)

// Waits beyond those of the options.
const (
	// MissingAfter is how long an expected child must be missing: what grows at the first
	// poll after a reload is there by then.
	MissingAfter = time.Minute
	// GoneAtStart is how long after the start an alert of a node that is not there waits
	// for it: instances that are discovered come later than those of files.
	GoneAtStart = 5 * time.Minute
)

// Bounds of a book.
const (
	// MaxAlerts are not resolved at most. Beyond, some are given up: yellow ones that are
	// suppressed first, then others that are, and of equals the oldest.
	MaxAlerts = 200_000
	// Keep and MaxRows are how long, and how many, resolved alerts are kept.
	Keep    = 400 * 24 * time.Hour
	MaxRows = 1_000_000
	// maxQueue bounds the paths that wait to be looked at. When there are more the book
	// looks at the whole tree instead.
	maxQueue = 1 << 18
	// maxUnwritten bounds the alerts that wait for the database: when there are so many
	// nothing more is decided.
	maxUnwritten = 200_000
)

// Book is the book of alerts of one manager. Its methods may be called from many
// goroutines; Run runs once.
type Book struct {
	o      Options
	ledger *ledger.Ledger
	in     intake
	shown  shown
	plan   atomic.Pointer[plan] // what the last look at the whole tree found
	waits  atomic.Pointer[waits]
	owing  atomic.Bool // something is decided that is not committed and told yet

	deciding chan struct{} // holds an element while somebody has the turn; guards what follows
	decider
}

// New makes a book that is empty until Begin.
func New(o Options) *Book {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Maintained == nil {
		o.Maintained = func(tree.Path, time.Time) (alert.Suppression, bool) { return alert.Suppression{}, false }
	}
	if o.Twin == nil {
		o.Twin = func(*alert.Alert) Twin { return Twin{} }
	}
	if o.Changed == nil {
		o.Changed = func([]alert.Alert) {}
	}
	b := &Book{o: o, ledger: ledger.New(o.Store), deciding: make(chan struct{}, 1)}
	b.in.wake, b.in.watched = make(chan struct{}, 1), map[tree.Path]struct{}{}
	b.shown.live, b.shown.progress = map[alert.ID]*alert.Alert{}, make(chan struct{})
	b.shown.stats.Rows = -1
	b.plan.Store(&plan{})
	b.Configure(o.Settle, o.Silence, o.Reopen, o.Recover)
	b.register = subject.NewRegister(o.Tree)
	b.most = MaxAlerts
	b.forget()
	return b
}

// now is the time as it is kept: in UTC and to the millisecond.
func (b *Book) now() time.Time { return b.o.Now().UTC().Truncate(time.Millisecond) }

// take takes the turn, unless ctx ends first.
func (b *Book) take(ctx context.Context) error {
	select {
	case b.deciding <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Book) leave() { <-b.deciding }

// waits are the durations of Options that may be changed while the book runs.
type waits struct{ settle, silence, reopen, recover time.Duration }

// Configure changes the durations of Options from now on; zero is the default of each.
func (b *Book) Configure(settle, silence, reopen, recover time.Duration) {
	b.waits.Store(&waits{
		cmp.Or(settle, DefaultSettle), cmp.Or(silence, DefaultSilence), cmp.Or(reopen, DefaultReopen), cmp.Or(recover, DefaultRecover),
	})
}
