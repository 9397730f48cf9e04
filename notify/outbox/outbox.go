package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"grove/notify/outbox/message"
	"grove/notify/outbox/queue"
	"grove/notify/outbox/shelf"
	"grove/tree/store"
)

// Options say what an outbox works with.
type Options struct {
	Store *store.Store
	// Send delivers one message, of one channel one at a time. It ends with ctx. Errors
	// are told apart by channel.IsPermanent, channel.Wait and channel.IsAside.
	Send     func(ctx context.Context, m *Message) error
	Settings Settings
	Timeout  time.Duration    // of one attempt; DefaultTimeout when zero
	Attempts int              // after so many a message is given up; DefaultAttempts when zero
	Senders  int              // channels that send at the same time; DefaultSenders when zero
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: nowhere
}

// Defaults of Options. So many attempts take a day.
const (
	DefaultTimeout  = 30 * time.Second
	DefaultAttempts = 300
	DefaultSenders  = 1000
)

// Bounds of what is kept of messages that do not wait any more.
const (
	MaxSent      = 1000
	MaxSentBytes = 16 << 20
	MaxSentAge   = 24 * time.Hour
	MaxDead      = 10_000
	MaxDeadBytes = 64 << 20
)

// Outbox is the queue. Its methods may be called from many goroutines.
type Outbox struct {
	options Options
	store   *store.Store
	log     *slog.Logger
	wake    chan struct{} // there may be something to send
	dirty   chan struct{} // there is something to write
	saving  chan struct{} // holds one token: who has it writes
	again   time.Duration // after which writing is tried again

	mu       sync.Mutex
	throttle Throttles
	lines    map[string]*line
	all      line // what holds for all channels: stopped, window
	queue    *queue.Queue
	known    map[int64]*entry
	keys     map[message.Name]*entry
	sent     queue.Kept
	dead     queue.Kept
	last     int64 // number of a message
	noted    int   // how many wait and are not persistent, as the database knows

	loaded   bool
	replaced int64 // store.Replaced when it was loaded
	doubt    bool  // the database may have rows that memory does not know
	away     error // why the last attempt to write failed
	lost     int   // that were in memory when the process before ended
	changed  map[*entry]struct{}
	settings map[string]struct{} // channels whose row is to be written
	stopping bool
	senders  int
	capped   bool               // a channel waits for a sender to be free
	touched  map[*line]struct{} // to be looked at; all are when rescan says so, or at due
	rescan   bool
	due      time.Time      // zero: never
	active   sync.WaitGroup // the senders

	said map[string]*said // what was logged of what happens often
}

// New makes an outbox; Run starts it.
func New(o Options) *Outbox {
	o.Timeout, o.Attempts, o.Senders = cmp.Or(o.Timeout, DefaultTimeout), cmp.Or(o.Attempts, DefaultAttempts), cmp.Or(o.Senders, DefaultSenders)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Outbox{
		options: o, store: o.Store, log: o.Log, queue: queue.New(o.Settings.Limits), throttle: o.Settings.Throttles,
		again: sweepEvery,
		wake:  make(chan struct{}, 1), dirty: make(chan struct{}, 1), saving: make(chan struct{}, 1),
		lines: map[string]*line{}, known: map[int64]*entry{}, keys: map[message.Name]*entry{},
		sent:    queue.Kept{Most: MaxSent, MostBytes: MaxSentBytes},
		dead:    queue.Kept{Most: MaxDead, MostBytes: MaxDeadBytes},
		changed: map[*entry]struct{}{}, settings: map[string]struct{}{}, said: map[string]*said{},
		touched: map[*line]struct{}{},
	}
}

// Configure puts other settings in the place of the present ones. What waits beyond a
// lower limit goes on waiting.
func (o *Outbox) Configure(s Settings) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue.Configure(s.Limits)
	o.throttle = s.Throttles
	o.wakeLocked()
}

// Wake has the outbox look whether there is something to send. It does so by itself
// after a commit.
func (o *Outbox) Wake() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wakeLocked()
}

// wakeLocked has all channels looked at.
func (o *Outbox) wakeLocked() {
	o.rescan = true
	poke(o.wake)
}

// touchLocked has one channel looked at.
func (o *Outbox) touchLocked(l *line) {
	o.touched[l] = struct{}{}
	poke(o.wake)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Put puts messages into the outbox in the transaction of a caller: all of them, or none.
// They are sent once it is committed. What is known already is left as it is. The error
// is a *FullError when there is no room for one of them, or wraps ErrMessage when one is
// wrong; the caller's piece of work has to fail with it.
func (o *Outbox) Put(tx *store.Tx, messages ...Message) error {
	for i := range messages {
		if err := messages[i].Check(o.options.Now()); err != nil {
			return err
		}
	}
	if err := o.load(tx); err != nil {
		return err
	}
	p, err := o.plan(messages)
	if err != nil {
		return err
	}
	tx.Ended(p.end)
	if err := shelf.Insert(tx, p.messages()); err != nil {
		p.failed = true
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}

// Add is Put in a transaction of its own. When none of the messages is persistent it
// needs no database.
func (o *Outbox) Add(ctx context.Context, messages ...Message) error {
	for i := range messages {
		if messages[i].Persistent {
			return o.store.Write(ctx, func(tx *store.Tx) error { return o.Put(tx, messages...) })
		}
	}
	for i := range messages {
		if err := messages[i].Check(o.options.Now()); err != nil {
			return err
		}
	}
	p, err := o.plan(messages)
	if err == nil {
		p.end(nil)
	}
	return err
}

// plan is what becomes of the messages of one Put once that is committed.
type plan struct {
	o        *Outbox
	put      []*entry
	drop     []*queue.Entry
	repeated []*entry // that were known
	failed   bool     // the rows could not be written
}

// plan decides on messages, and reserves the room for them.
func (o *Outbox) plan(messages []Message) (*plan, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p, now := &plan{o: o}, o.options.Now()
	for i := range messages {
		m := &messages[i]
		if known := o.keys[m.Name()]; known != nil {
			p.repeated = append(p.repeated, known)
			continue
		}
		drop, full := o.queue.Reserve(m, now)
		if full != nil {
			p.undoLocked()
			o.refusedLocked(m, full)
			return nil, full
		}
		e := &entry{Entry: queue.Entry{Message: *m}, line: o.lineLocked(m.Channel)}
		e.ID = o.numberLocked(now, e.Persistent)
		o.keys[e.Name()], o.known[e.ID] = e, e
		p.put, p.drop = append(p.put, e), append(p.drop, drop...)
	}
	return p, nil
}

// numberLocked returns the number of a new message: the time in milliseconds and a
// counter, so that the order of numbers is that of putting. Those of messages that are
// not persistent are odd: they meet no number in the database, though it be read later.
func (o *Outbox) numberLocked(now time.Time, persistent bool) int64 {
	o.last = max((o.last|1)+1, now.UnixMilli()<<20)
	if !persistent {
		o.last++
	}
	return o.last
}

// refusedLocked counts and logs a refusal.
func (o *Outbox) refusedLocked(m *Message, full *FullError) {
	c := &o.lineLocked(m.Channel).counts[m.Precedence]
	if c.Refused == nil {
		c.Refused = map[Refusal]uint64{}
	}
	c.Refused[full.Reason]++
	o.sayLocked(slog.LevelError, "a message was refused", "err", full)
}

// messages are those to be put.
func (p *plan) messages() (all []*Message) {
	for _, e := range p.put {
		all = append(all, &e.Message)
	}
	return all
}

// undoLocked takes back what was planned.
func (p *plan) undoLocked() {
	for _, e := range p.drop {
		p.o.queue.Release(e)
	}
	for _, e := range p.put {
		p.o.unknowLocked(e)
		p.o.queue.Cancel(&e.Message)
	}
}

// end is called once it is known what became of the transaction.
func (p *plan) end(err error) {
	o := p.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil || p.failed {
		p.undoLocked()
		if p.failed || errors.Is(err, store.ErrUnavailable) {
			o.doubt = true // It may be there nonetheless.
		}
		o.wakeLocked() // What was reserved is free.
		return
	}
	for _, e := range p.drop {
		o.droppedLocked(o.entryLocked(e))
	}
	for _, e := range p.repeated {
		e.line.counts[e.Precedence].Repeated++
	}
	for _, e := range p.put {
		o.queue.Enter(&e.Entry)
		e.line.counts[e.Precedence].Put++
		o.touchLocked(e.line)
	}
}

// droppedLocked drops a message to make room.
func (o *Outbox) droppedLocked(e *entry) {
	if e.Over(o.options.Now()) {
		o.expireLocked(e)
		return
	}
	o.dropLocked(e, DroppedForRoom)
}

// dropLocked takes a waiting message out, for a reason that is counted.
func (o *Outbox) dropLocked(e *entry, why Drop) {
	c := &e.line.counts[e.Precedence]
	if c.Dropped == nil {
		c.Dropped = map[Drop]uint64{}
	}
	c.Dropped[why]++
	o.sayLocked(slog.LevelWarn, "a message was dropped", "reason", string(why), "key", e.Key, "channel", e.Channel, "precedence", e.Precedence.String(), "title", e.Title)
	o.queue.Leave(&e.Entry)
	o.forgetLocked(e)
	o.touchLocked(e.line) // Those behind it may go.
}

// expireLocked takes a waiting message out whose time to live is over: one that was tried
// is a dead letter, so that somebody sees why it did not go.
func (o *Outbox) expireLocked(e *entry) {
	if e.Attempts > 0 {
		o.giveUpLocked(e, fmt.Sprintf("its time to live is over after %d attempts: %s", e.Attempts, e.Error))
		return
	}
	e.line.counts[e.Precedence].Expired++
	o.sayLocked(slog.LevelWarn, "the time to live of a message is over", "key", e.Key, "channel", e.Channel, "precedence", e.Precedence.String(), "title", e.Title)
	o.queue.Leave(&e.Entry)
	o.forgetLocked(e)
	o.touchLocked(e.line) // Those behind it may go.
}

// giveUpLocked makes a waiting message a dead letter.
func (o *Outbox) giveUpLocked(e *entry, why string) {
	e.line.counts[e.Precedence].Dead++
	e.Error = message.Cut(store.Clean(why), message.MaxErrorBytes)
	o.sayLocked(slog.LevelError, "a message was given up", "key", e.Key, "channel", e.Channel, "precedence", e.Precedence.String(), "title", e.Title, "err", e.Error)
	o.queue.Leave(&e.Entry)
	o.settledLocked(e, Dead, &o.dead)
	o.touchLocked(e.line)
}

// settledLocked keeps a message for looking at.
func (o *Outbox) settledLocked(e *entry, s State, in *queue.Kept) {
	e.State, e.Next, e.Settled = s, time.Time{}, message.Milliseconds(o.options.Now())
	o.changedLocked(e)
	for _, old := range in.Add(&e.Entry) {
		if s == Dead {
			o.sayLocked(slog.LevelWarn, "the oldest dead letter makes room for another", "key", old.Key, "channel", old.Channel, "title", old.Title)
		}
		o.forgetLocked(o.entryLocked(old))
	}
}

// changedLocked notes that the database is to know of a change.
func (o *Outbox) changedLocked(e *entry) {
	e.version++
	if e.Persistent {
		o.changed[e] = struct{}{}
		poke(o.dirty)
	}
}

// Pauses before a message is tried again: the first, and the longest.
const (
	firstPause = time.Second
	MaxPause   = 5 * time.Minute
	// maxWait bounds what a channel may ask for.
	maxWait = time.Hour
	// earlyPause is after how long a message is tried again when another has just gone
	// through on its channel.
	earlyPause = 5 * time.Second
)

// pause is how long to wait after so many attempts: twice as long each time, a fifth more
// or less, so that what failed together does not come together again.
func pause(attempts int) time.Duration {
	d := MaxPause
	if attempts < 10 { // 2^9 seconds are more
		d = min(d, firstPause<<(attempts-1))
	}
	d = time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
	return min(d, MaxPause)
}
