// Package route says who is told of which alerts, when, and how often: it matches alerts
// with routes, groups them, waits for what belongs together, repeats, escalates, and says
// when it is over. It makes messages and puts them into the outbox; it sends nothing.
//
// # What is told
//
// An alert belongs to the first route whose conditions it meets, and to those below it
// when that route continues. It is decided when the alert opens, is released, or gets worse
// than was told; and, as long as no route has told of it, whenever the routes or the times of
// the week change; what a route has told of stays with it, also at another time of the week.
// A group tells for the first time when its first alert has waited for
// Group.Wait, then at most once in Group.Interval of what has joined or got worse, every
// Repeat while an alert of it is not acknowledged, and once when all of it are over. The last goes to
// exactly those channels that were told before, whatever has become of the route and of who
// is on call. An alert that is suppressed before it was told is not told; one that is
// released is told as if it had just opened.
//
// # What is remembered
//
// Package told keeps what was told, in the transaction that puts the message into the outbox.
// What is in memory only, waiting, is found again in the book of alerts. So a kill at any
// moment loses nothing that is owed, and what was decided is not decided again. The key
// of a message is made of the manager, the route, the group, the channel and a number
// that counts the messages about the group to that channel. After an error of the database
// it is as after a kill: all is read again.
package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"grove/notify/channel"
	"grove/notify/outbox"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// Book is the book of alerts, as far as it is read.
type Book interface {
	// Live yields those that are not resolved; what is yielded is never changed.
	Live(yield func(*alert.Alert) bool)
	// Get returns one, resolved or not; its error wraps alert.ErrNone when there is none.
	Get(ctx context.Context, id alert.ID) (alert.Alert, error)
	// Behind says that what is open now may be suppressed in a moment, for the book has not
	// decided on all that has happened.
	Behind() bool
}

// Outbox takes what is to be sent.
type Outbox interface {
	// Put puts messages into the queue in a transaction of the caller's.
	Put(tx *store.Tx, m ...outbox.Message) error
	// Wake says that such a transaction is committed.
	Wake()
}

// Journal takes entries in a transaction of the caller's.
type Journal interface {
	Add(tx *store.Tx, entries ...journal.Entry) error
}

// Options are what a Router works with.
type Options struct {
	Rules  []Rule // that Check has taken
	Book   Book
	Outbox Outbox
	Store  *store.Store
	// Journal keeps who was told of what, beside the alerts; nil: nothing does.
	Journal Journal
	// Resolve says by which channels a target is told at a time: a channel, a person, a
	// rota. It is called from several goroutines.
	Resolve func(target string, at time.Time) (channels []string, err error)
	Manager string
	// URL is where people find the page, without a slash at the end; empty: nobody said. Nil
	// is empty.
	URL func() string
	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards
}

// Router decides who is told of what. Its methods may be called from many goroutines.
type Router struct {
	o      Options
	routes atomic.Pointer[[]*route]
	wake   chan struct{} // has room for one

	mu       sync.Mutex // guards what follows
	pending  map[alert.ID]*alert.Alert
	replaced bool // routes were replaced, and Run does not know yet
	stats    Stats

	// What follows is Run's alone.
	loaded    bool
	databases int64         // Store.Replaced when it was loaded
	looked    time.Time     // the last look at the clock
	tick      time.Duration // how long time has gone on; never backwards
	behind    bool          // the book was, before what it has changed was taken
	open      []bool        // by route: whether its times of the week allow it
	groups    map[string]*group
	of        map[alert.ID][]*group
	spent     map[string]*minute // by name of a route
}

// Stats are counts since the start, and what there is now.
type Stats struct {
	Groups    int                       `json:"groups"`    // that wait, or were told and are not over
	Waiting   int                       `json:"waiting"`   // alerts that wait to be told
	Messages  map[channel.Purpose]int64 `json:"messages"`  // that were put into the outbox
	Merged    int64                     `json:"merged"`    // groups that were too many for messages of their own
	Unreached int64                     `json:"unreached"` // times that none of the targets of a message had a channel
	Refused   int64                     `json:"refused"`   // times that the outbox, or the database, did not take messages
	// Err is why nothing, or not all that is due, can be told at present; nil: all can.
	Err error `json:"-"`
}

// New returns a router; Run makes it decide.
func New(o Options) *Router {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.URL == nil {
		o.URL = func() string { return "" }
	}
	r := &Router{o: o, wake: make(chan struct{}, 1), pending: map[alert.ID]*alert.Alert{}, spent: map[string]*minute{}, looked: o.Now()}
	r.stats.Messages = map[channel.Purpose]int64{}
	r.setRules(o.Rules)
	return r
}

// Changed takes alerts that have changed, as they are after that was committed. It
// returns at once; of an alert that changes again before Run has seen it the last counts.
func (r *Router) Changed(alerts []alert.Alert) {
	r.mu.Lock()
	for i := range alerts {
		a := alerts[i]
		if old := r.pending[a.ID]; old == nil || old.Revision <= a.Revision {
			r.pending[a.ID] = &a
		}
	}
	r.mu.Unlock()
	r.poke()
}

// Replace puts routes in the place of those before. What was told under the name of a
// route goes on under the route that has that name now. Of what was told by a route that is
// gone it is only told that it is over; its alerts go to the routes that take them.
func (r *Router) Replace(rules []Rule) {
	r.setRules(rules)
	r.mu.Lock()
	r.replaced = true
	r.mu.Unlock()
	r.poke()
}

func (r *Router) setRules(rules []Rule) {
	list, err := newRoutes(rules)
	if err != nil { // Who gave them has not checked them.
		r.o.Log.Error("a route cannot be used", "error", err)
	}
	r.routes.Store(&list)
}

// Rules returns the routes in use.
func (r *Router) Rules() []Rule {
	list := *r.routes.Load()
	rules := make([]Rule, len(list))
	for i, rt := range list {
		rules[i] = rt.Rule
	}
	return rules
}

// Stats returns counts.
func (r *Router) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Messages = make(map[channel.Purpose]int64, len(r.stats.Messages))
	for p, n := range r.stats.Messages {
		s.Messages[p] = n
	}
	return s
}

// poke wakes Run.
func (r *Router) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Pauses of Run.
const (
	// idle is the longest: times of the week are looked at once a minute.
	idle = time.Minute
	// The first pause after an error, and the longest.
	firstPause, longestPause = time.Second, 30 * time.Second
)

// Run decides until ctx ends. It must not be called before the book has begun.
func (r *Router) Run(ctx context.Context) error {
	var pause time.Duration
	for ctx.Err() == nil {
		wait, err := r.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		r.count(func(s *Stats) { s.Err = cmp.Or(err, r.trouble()) })
		switch {
		case err != nil:
			if pause == 0 {
				r.o.Log.Error("alerts wait to be told, since the database does not answer", "error", err)
			}
			pause = min(max(2*pause, firstPause), longestPause)
			wait = pause
		case pause > 0:
			r.o.Log.Info("alerts are told again")
			pause = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-r.wake:
			if pause > 0 { // Nothing that comes makes the database answer sooner.
				select {
				case <-timer.C:
				case <-ctx.Done():
				}
			}
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// trouble is why a group that is due cannot be told; nil when there is none.
func (r *Router) trouble() error {
	for _, g := range r.groups {
		if g.err != nil {
			return fmt.Errorf("route %q, group %s: %w", g.name, g.common, g.err)
		}
	}
	return nil
}

// step does all that is due, and returns after how long there may be more to do. After an
// error everything is read again.
func (r *Router) step(ctx context.Context) (time.Duration, error) {
	now := r.look()
	r.behind = r.o.Book.Behind()
	r.mu.Lock()
	pending, replaced := r.pending, r.replaced
	r.pending, r.replaced = map[alert.ID]*alert.Alert{}, false
	r.mu.Unlock()
	if databases := r.o.Store.Replaced(); !r.loaded || databases != r.databases {
		r.loaded = false
		if err := r.load(ctx, now); err != nil {
			return 0, err // What was pending is in the book.
		}
		r.loaded, r.databases = true, databases
	} else if replaced || r.turned(now) {
		r.sortAgain(now, replaced)
	}
	for _, a := range pending {
		r.apply(a, now)
	}
	if err := r.decide(ctx, now); err != nil {
		r.loaded = false
		return 0, err
	}
	return r.rest(now), nil
}

// look looks at the clock. A clock that is set back does not hold up what waits.
func (r *Router) look() time.Time {
	now := r.o.Now()
	if d := now.Sub(r.looked); d > 0 {
		r.tick += d
	}
	r.looked = now
	return now
}

// ago is the tick of a time that was; what seems to be still to come was now.
func (r *Router) ago(t, now time.Time) time.Duration {
	return r.tick - max(now.Sub(t), 0)
}

// rest is how long nothing will be due, and counts what there is.
func (r *Router) rest(now time.Time) time.Duration {
	next, waiting := r.tick+idle, 0
	for _, g := range r.groups {
		next = min(next, g.due)
		waiting += g.fresh
	}
	r.mu.Lock()
	r.stats.Groups, r.stats.Waiting = len(r.groups), waiting
	r.mu.Unlock()
	if len(r.open) > 0 { // Times of the week begin with a minute.
		next = min(next, r.tick+now.Truncate(time.Minute).Add(time.Minute).Sub(now))
	}
	return max(next-r.tick, 0)
}

// count counts something of the statistics.
func (r *Router) count(do func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do(&r.stats)
}

// refusal is an error of the outbox: nothing was decided, for certain.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// isRefusal says whether the outbox refused, and not the database.
func isRefusal(err error) bool {
	var r refusal
	return errors.As(err, &r) && !errors.Is(err, store.ErrUnavailable)
}
