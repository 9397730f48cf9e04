// Package attempt slows down who guesses passwords, and counts failed logins for the
// audit log without letting them fill it.
//
// A guess takes from two buckets, that of the name and that of the address; a login that
// succeeds gives back. Somebody who has logged in from an address before has a bucket of
// his own there, so that nobody locks him out by guessing elsewhere. A browser that has
// logged in before, wherever it is now, has a bucket of its own that stands for both: it
// is not locked out by who guesses behind the same proxy either.
package attempt

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Rate is how many guesses are free at first, and how long one takes to come back.
type Rate struct {
	Burst int
	Every time.Duration
}

// Options are the bounds of a Book; zero is the default.
type Options struct {
	Name    Rate // 10, one a minute
	Address Rate // 30, one in 10 seconds
	Now     func() time.Time
	// Record takes a line for the audit log. It is called by one goroutine at a time.
	Record func(ctx context.Context, f Failure)
}

// Guess is somebody who says that he has a name.
type Guess struct {
	Name, Address string
	// Device is the browser if it has logged in under this name before; else it is empty.
	Device string
}

// Failure is one or more failed logins.
type Failure struct {
	Name    string // of a user that there is; empty for others, since people type passwords there
	Address string // empty: more than one
	Method  string // "password", "token", "oidc", "certificate"
	Why     string
	Count   int
}

// Bounds of what is remembered.
const (
	maxBuckets  = 10_000
	maxKnown    = 10_000
	maxAtOnce   = 20  // records a minute as they come
	maxFailures = 100 // different ones a minute, told with their number
	window      = time.Minute
)

// Book remembers guesses. Its methods may be called from many goroutines.
type Book struct {
	o Options

	mu       sync.Mutex // guards the fields below
	names    buckets
	address  buckets
	known    map[pair]struct{}
	failures map[Failure]*count // with Count zero
	others   int                // failures that had no room
	written  int                // records in this window
	writing  sync.Mutex         // one Record at a time
}

type pair struct{ name, address string }

type count struct{ all, told int }

// New returns an empty book.
func New(o Options) *Book {
	if o.Name == (Rate{}) {
		o.Name = Rate{10, time.Minute}
	}
	if o.Address == (Rate{}) {
		o.Address = Rate{30, 10 * time.Second}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Record == nil {
		o.Record = func(context.Context, Failure) {}
	}
	return &Book{
		o: o, names: buckets{rate: o.Name, all: map[string]*bucket{}}, address: buckets{rate: o.Address, all: map[string]*bucket{}},
		known: map[pair]struct{}{}, failures: map[Failure]*count{},
	}
}

// Network is what counts as one address: a host may have a whole /64 of IPv6.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		p, _ := ip.Prefix(64)
		return p.String()
	}
	return ip.String()
}

// of returns the buckets of a guess; that of the address is nil where it does not count.
// The lock is held.
func (b *Book) of(g Guess, network string) (byName, byAddress *bucket) {
	now := b.o.Now()
	if g.Device != "" {
		return b.names.get(g.Name+" at "+g.Device, now), nil
	}
	key := g.Name
	if _, ok := b.known[pair{g.Name, network}]; ok {
		key += " " + network
	}
	return b.names.get(key, now), b.address.get(network, now)
}

// Begin takes a guess. When there is none it returns how long to wait.
func (b *Book) Begin(g Guess) (wait time.Duration) {
	network := Network(g.Address)
	b.mu.Lock()
	defer b.mu.Unlock()
	byName, byAddress := b.of(g, network)
	wait = byName.wait(b.o.Name)
	if byAddress != nil {
		wait = max(wait, byAddress.wait(b.o.Address))
	}
	if wait > 0 {
		return wait
	}
	byName.take(b.o.Name)
	if byAddress != nil {
		byAddress.take(b.o.Address)
	}
	return 0
}

// Return gives back a guess that was none: nobody looked whether it was right.
func (b *Book) Return(g Guess) {
	network := Network(g.Address)
	b.mu.Lock()
	defer b.mu.Unlock()
	byName, byAddress := b.of(g, network)
	byName.back(b.o.Name)
	if byAddress != nil {
		byAddress.back(b.o.Address)
	}
}

// Succeeded gives back a guess that was right, and remembers where.
func (b *Book) Succeeded(g Guess) {
	b.Return(g)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.known) >= maxKnown {
		clear(b.known) // They come again.
	}
	b.known[pair{g.Name, Network(g.Address)}] = struct{}{}
}

// Failed tells of a failed login. The first of a kind is recorded at once, those that
// follow within a minute together.
func (b *Book) Failed(ctx context.Context, f Failure) {
	f.Count = 0
	b.mu.Lock()
	c := b.failures[f]
	if c == nil {
		if len(b.failures) >= maxFailures {
			b.others++
			b.mu.Unlock()
			return
		}
		c = &count{}
		b.failures[f] = c
	}
	c.all++
	now := c.all == 1 && b.written < maxAtOnce
	if now {
		b.written++
		c.told++
	}
	b.mu.Unlock()
	if now {
		f.Count = 1
		b.record(ctx, f)
	}
}

func (b *Book) record(ctx context.Context, f Failure) {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.o.Record(ctx, f)
}

// Flush records what was not recorded yet, and begins another minute.
func (b *Book) Flush(ctx context.Context) {
	b.mu.Lock()
	var left []Failure
	for f, c := range b.failures {
		if f.Count = c.all - c.told; f.Count > 0 {
			left = append(left, f)
		}
	}
	if b.others > 0 {
		left = append(left, Failure{Why: "many at once", Count: b.others})
	}
	clear(b.failures)
	b.others, b.written = 0, 0
	b.mu.Unlock()
	for _, f := range left {
		b.record(ctx, f)
	}
}

// Run flushes every minute until ctx ends, whose error it returns, and once more then.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(window)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.Flush(ctx)
		case <-ctx.Done():
			after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			b.Flush(after)
			return ctx.Err()
		}
	}
}

// String says how often, and why.
func (f Failure) String() string {
	why := "failed"
	if f.Why != "" {
		why += ": " + f.Why
	}
	if f.Count > 1 {
		why += fmt.Sprintf(", %d times within a minute", f.Count)
	}
	return why
}

// buckets are those of one kind.
type buckets struct {
	rate Rate
	all  map[string]*bucket
	rest bucket // of all that had no room
}

// bucket holds guesses, of which one comes back every so often: as the time in which they
// come back, so that nothing is rounded.
type bucket struct {
	left time.Duration
	at   time.Time // when left was true
}

func (r Rate) full() time.Duration { return time.Duration(r.Burst) * r.Every }

// get returns the bucket of a key, filled up to now.
func (b *buckets) get(key string, now time.Time) *bucket {
	g := b.all[key]
	if g == nil {
		if len(b.all) >= maxBuckets {
			for k, g := range b.all { // Full ones are as good as none.
				if g.fill(b.rate, now); g.left >= b.rate.full() {
					delete(b.all, k)
				}
			}
		}
		if len(b.all) >= maxBuckets {
			b.rest.fill(b.rate, now)
			return &b.rest
		}
		g = &bucket{}
		b.all[key] = g
	}
	g.fill(b.rate, now)
	return g
}

func (g *bucket) fill(r Rate, now time.Time) {
	if g.at.IsZero() {
		g.left = r.full()
	} else if past := now.Sub(g.at); past > 0 {
		g.left = min(r.full(), g.left+past)
	}
	g.at = now
}

// wait is how long until there is a guess, in whole seconds.
func (g *bucket) wait(r Rate) time.Duration {
	if g.left >= r.Every {
		return 0
	}
	return (r.Every - g.left + time.Second - 1).Truncate(time.Second)
}

func (g *bucket) take(r Rate) { g.left -= r.Every }
func (g *bucket) back(r Rate) { g.left = min(r.full(), g.left+r.Every) }
