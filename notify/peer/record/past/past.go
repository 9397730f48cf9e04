package past

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"grove/notify/peer"
	"grove/tree"
	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/journal"
)

// Device tells devices apart; names are unique with their owner.
type Device struct {
	Owner peer.ID `json:"owner"`
	Name  string  `json:"name"`
}

// Node is one whose readings are kept.
type Node struct {
	Below tree.Path // the place of its device
	Spec  *tree.Spec
}

// Held is what package duty holds of a device.
type Held struct {
	Watching, Gone bool // neither: it is being prepared
	Since          time.Time
	Heir           peer.ID // for whom it was let go; empty: somebody else watched it by then
}

// Local is the manager as far as devices go. Its methods are called from many goroutines.
type Local interface {
	// Place says where a device hangs here; an own one also while it is away. Ok is false for
	// one of another manager that is not watched here.
	Place(Device) (at tree.Path, ok bool)
	// Nodes are those of a device whose readings are kept, in any order, also while it is away.
	Nodes(Device) []Node
	// Its says of a node below the place of a device that it is no other device's.
	Its(Device, tree.Path) bool
	// Held says what is held of a device; ok is false when nothing is.
	Held(Device) (h Held, ok bool)
	// Party says whether home knows of a move of the device to that manager.
	Party(ctx context.Context, d Device, id peer.ID) (bool, error)
}

// Journal is the one of this manager; *journal.Journal is one.
type Journal interface {
	Add(tx *store.Tx, entries ...journal.Entry) error
	Sync(ctx context.Context) error
}

// History is the one of this manager; *history.Store is one.
type History interface {
	Samples(ctx context.Context, path tree.Path, from, to time.Time) iter.Seq2[history.Sample, error]
	Fill(path tree.Path, spec *tree.Spec, samples []history.Sample)
	Sync(ctx context.Context) error
}

// Options are the surroundings of a Past.
type Options struct {
	Store   *store.Store
	Journal Journal // of the same store
	History History
	Fabric  peer.Fabric
	Local   Local
	// Entries is how much of the journal of a device comes with one of another manager's; 7
	// days when zero.
	Entries time.Duration
	// Readings is how old readings may be that are asked for; 23 hours when zero, since the
	// history takes them for 24 hours after their time.
	Readings time.Duration
	// Age is after how long a debt is given up whose manager does not come back; 30 days when
	// zero.
	Age time.Duration
	// Away is how often readings come of an own device while it is away; an hour when zero.
	Away time.Duration
	Now  func() time.Time // the clock; nil is time.Now
	Log  *slog.Logger     // nil is nowhere
}

// Times of the work.
const (
	// again is how soon is asked again of who did not answer, mostAgain the longest.
	again, mostAgain = 2 * time.Second, 30 * time.Second
	// pace is between two questions.
	pace = 20 * time.Millisecond
	// askTime bounds a question.
	askTime = 30 * time.Second
	// wroteTime is how long it is waited for what duty writes of a device that was let go.
	wroteTime = 30 * time.Second
	// keepStays is how long is remembered what was watched.
	keepStays = 60 * 24 * time.Hour
)

// Past brings the past of devices along, and tells others of it. Its methods may be called
// from many goroutines; Run runs once.
type Past struct {
	o       Options
	self    peer.ID
	started time.Time
	wake    chan struct{} // holds a token when there is something to do

	entries, readings atomic.Uint64

	mu       sync.Mutex // guards what follows
	queue    []event
	noted    []event           // that are being written
	debts    map[debtKey]*debt // that are owed
	busy     map[peer.ID]bool
	pauses   map[peer.ID]pause
	parties  map[debtKey]time.Time // who was found to be one, and when
	replaced int64                 // of the store, when debts were read; -1: they were not
}

// event is that a device came to be watched here, or was let go.
type event struct {
	device  Device
	at      time.Time
	watched bool
	by      peer.ID // from whom it came; empty: nobody
	only    bool    // it is known from elsewhere that somebody had it
	ran     bool    // it was watched until it was let go

	// What is known of it when it is written down.
	held  Held
	place tree.Path
	hangs bool // here, or would
}

// pause is how long a manager is not asked.
type pause struct {
	until time.Time
	last  time.Duration
}

// New makes a Past that answers nobody yet.
func New(o Options) *Past {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Entries, o.Readings, o.Age = cmp.Or(o.Entries, 7*24*time.Hour), cmp.Or(o.Readings, 23*time.Hour), cmp.Or(o.Age, 30*24*time.Hour)
	o.Away = cmp.Or(o.Away, time.Hour)
	return &Past{
		o: o, self: o.Fabric.Self(), started: o.Now(), wake: make(chan struct{}, 1), debts: map[debtKey]*debt{}, busy: map[peer.ID]bool{},
		pauses: map[peer.ID]pause{}, parties: map[debtKey]time.Time{}, replaced: -1,
	}
}

// Watched says that a device is watched here from now on, and who has packed what came with
// it: this manager itself, or nobody, when it goes on with it. It does not wait.
func (p *Past) Watched(d Device, by peer.ID) {
	p.tell(event{device: d, at: p.o.Now(), watched: true, by: by})
}

// Came says from whom a device came that is watched here. It does not wait.
func (p *Past) Came(d Device, from peer.ID) {
	p.tell(event{device: d, at: p.o.Now(), by: from, only: true})
}

// Left says that a device was let go, and whether it was watched until then. It does not wait.
func (p *Past) Left(d Device, ran bool) { p.tell(event{device: d, at: p.o.Now(), ran: ran}) }

func (p *Past) tell(e event) {
	p.mu.Lock()
	p.queue = append(p.queue, e)
	p.mu.Unlock()
	p.rouse()
}

func (p *Past) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// lookEvery is how often it is looked for what is to be done, though nothing seems to be.
const lookEvery = time.Second

// Run answers others, writes down what is watched and fetches what is owed, until ctx ends.
func (p *Past) Run(ctx context.Context) error {
	defer p.answer()()
	defer p.o.Fabric.OnLink(func(l peer.Link) {
		if l.Up {
			p.mu.Lock()
			delete(p.pauses, l.Peer)
			p.mu.Unlock()
			p.rouse()
		}
	})()
	var all sync.WaitGroup
	defer all.Wait()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	failing := false
	for {
		err := errors.Join(p.load(ctx), p.note(ctx))
		if err != nil && !failing && ctx.Err() == nil {
			p.o.Log.Warn("which past of devices is missing is not written down for now", "err", err)
		}
		failing = err != nil
		for _, id := range p.due() {
			all.Go(func() { p.fetch(ctx, id) })
		}
		select {
		case <-p.wake:
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Stats are counts since the start, and what is owed now.
type Stats struct {
	Entries, Readings uint64 // that were brought here
	Owed              int    // pasts of devices that are yet to come
}

// Stats returns the counts.
func (p *Past) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{p.entries.Load(), p.readings.Load(), len(p.debts)}
}
