package duty

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
	"grove/tree"
)

// Key tells devices apart.
type Key = parcel.Key

// Device is a device of this manager itself: one instance of one of its definitions.
type Device struct {
	Name        string            `json:"name"`
	Application string            `json:"application"`
	At          tree.Path         `json:"at"`
	Kinds       []string          `json:"kinds,omitempty"`    // of its probes
	Identity    map[string]string `json:"identity,omitempty"` // see package twin
	// Fixed says why no other manager can watch it, such as "it watches this machine
	// itself"; empty: others can.
	Fixed string `json:"fixed,omitempty"`
}

// ErrNotYet is that a device will be watched, once its manager has loaded its definitions.
var ErrNotYet = errors.New("its definitions are being loaded")

// Local is the manager as far as devices go. Its methods are called from many goroutines,
// never two at a time about one device. Nothing of what they do has to outlive the process:
// what is to be watched after a restart is told again.
type Local interface {
	// Devices returns the manager's own devices, whether it watches them now or not, and
	// never those of others.
	Devices() []Device
	// Pack returns what is to be known of a device that is watched here, and changes nothing.
	// It is ErrNotYet while the manager is about to begin.
	Pack(ctx context.Context, k Key) (*parcel.Parcel, error)
	// Check says what this manager lacks to watch a device: it loads the definition as a
	// trial and looks whether kinds of probes and secrets are there. Nothing changes.
	Check(ctx context.Context, p *parcel.Parcel) error
	// Watch begins to watch a device, or goes on with it. What the parcel remembers counts
	// where nothing newer was read here; thresholds, acknowledgements and windows of one of
	// the manager's own are on disk when it returns. A nil parcel is for one of its own: as
	// it is in its own files and database.
	Watch(ctx context.Context, k Key, p *parcel.Parcel) error
	// Unwatch stops watching a device and returns it as it was in the end; nil when it was
	// not watched. After an error it is still watched.
	Unwatch(ctx context.Context, k Key) (*parcel.Parcel, error)
	// Device says in which device a path lies, of those that may be watched here.
	Device(path tree.Path) (Key, bool)
}

// State is how another manager is.
type State uint8

// The states. Dead is a verdict: its lease is over, and nobody else hears it either.
const (
	Unknown State = iota // nothing was heard of it since this manager began
	Live
	Silent // nothing was heard of it for some seconds
	CutOff // its lease is over, but others hear it
	Dead
	Left // it has gone for good
)

// Roster knows who is there. Its methods are called often, and must be quick.
type Roster interface {
	// Managers returns all that are known, with this one.
	Managers() []peer.Manager
	// State says how a manager is as seen from here; this one is Live.
	State(peer.ID) State
	// Home is the integration manager that keeps the book about the devices of this manager;
	// empty: there is none, and it keeps it itself.
	Home() peer.ID
	// Homes are all with whom the devices of this manager are left, so that another one can
	// be home one day. Home need not be among them.
	Homes() []peer.ID
	// Acts says whether this manager is home to another one now, and may decide about its
	// devices.
	Acts(owner peer.ID) bool
	// Term rises each time when another manager becomes home to an owner in the place of the
	// one before; it is less than 2^20. It may be zero always: then one that begins to be home
	// listens first whenever it knows of another that could have been. Before is whose term was
	// the one before, if that is known.
	Term(owner peer.ID) (term int64, before peer.ID)
	// Lease is the lease that a home gave this manager. Its token rises whenever the home has
	// found this manager dead and may have given its devices to others; zero is no lease.
	// Until is counted by the clock of this process from the sending of the last renewal that
	// was answered.
	Lease(home peer.ID) (token int64, until time.Time)
}

// Disk is where the book is; *book.Book has it.
type Disk interface {
	Load(ctx context.Context) (*book.Content, error)
	Write(ctx context.Context, c *book.Change) error
	Parcel(ctx context.Context, place book.Place, k Key) ([]byte, error)
	Moves(ctx context.Context, q book.Query) ([]book.Move, error)
}

// Options are the surroundings of a Duty.
type Options struct {
	Fabric peer.Fabric
	Roster Roster
	Local  Local
	Disk   Disk
	// StandIns are the names or IDs of who may take this manager's devices over, in this
	// order; "*" is whoever can, and none is nobody.
	StandIns func() []string
	// AloneAfter is after how long without its home a manager tells of alerts nonetheless.
	AloneAfter func() time.Duration
	// Returned is told of a device that is watched here again, with what was told of it
	// elsewhere; Moved of each move that is over, by its keeper; Came of a device that came
	// from another manager, whose history is to follow. Nil is nobody. They must be quick.
	Returned func(k Key, p *parcel.Parcel)
	Moved    func(m book.Move)
	Came     func(k Key, from peer.ID)
	Log      *slog.Logger // nil: nowhere
}

// Times of the work.
const (
	tickEvery = 250 * time.Millisecond
	// startTime is how long a manager that starts waits for its home.
	startTime = 5 * time.Second
	// busyTime is how long it waits for one that is there and does not answer.
	busyTime = 30 * time.Second
	// askTime bounds one order to another manager. Watching many devices is one reload over there.
	askTime = 30 * time.Second
	// personTime bounds one question for a person.
	personTime = 10 * time.Second
	// liveEvery is how often holder and keeper compare what they know, though nothing seems
	// to have happened.
	liveEvery = time.Minute
	// leaveAfter is how long a change waits for others before it is left with home.
	leaveAfter = 2 * time.Second
	// takenAfter is how long a device that was taken waits before it is left with home.
	takenAfter = 3 * time.Second
	// lookAfter is how long an answer waits for others before it is looked what follows.
	lookAfter = 20 * time.Millisecond
	// settleTime is how long one who became home listens before it takes devices over.
	settleTime = 6 * time.Second
	// helpAfter is after how long one who let a device go looks after it itself when nothing
	// is heard of its keeper.
	helpAfter = 2 * time.Second
	// goneTime is after how long a manager that said goodbye without a handover is missed:
	// a restart is shorter.
	goneTime = 20 * time.Second
	// refusedTime is after how long one that refused a device is asked again.
	refusedTime = 30 * time.Second
)

// maxAtOnce is how many orders are under way at the same time. maxUnwatched is how many devices
// are let go for one manager at the same time, unless one has died: nobody watches them until
// it has begun with all of them.
const (
	maxAtOnce    = 256
	maxUnwatched = 64
)

// Duty is what one manager knows of devices and who watches them. Its methods may be called
// from many goroutines.
type Duty struct {
	o    Options
	self peer.ID
	log  *slog.Logger
	wake chan struct{}

	parts  stash  // what is sent in pieces
	pieces pieces // of the book, which wait to be written
	keys   locks  // of what is held
	// Of each other manager one report is read at a time, and one long message is fetched, so
	// that they fill no more memory than one has.
	reports, fetches locks
	life             int64 // tells this run of the manager from others

	started bool // guarded by mu; Start has ended

	// mu guards what follows. It is held while the disk is written, so that what is in
	// memory is what is on disk.
	mu       lock
	rows     map[Key]*book.Row
	holds    map[Key]*book.Hold
	members  map[peer.ID]*book.Member
	active   map[Key]bool               // what Local watches, of what is held
	busy     map[Key]context.CancelFunc // rows that are being asked about
	moved    []book.Move                // that nobody was told of yet
	pauses   map[Key]time.Time
	gone     map[peer.ID]time.Time // since when a manager is seen to have left
	acting   map[peer.ID]home      // to whom this manager is home
	met      map[peer.ID]bool      // homes that were there when that was looked at last
	reported map[peer.ID]bool      // owners that have said which devices they have
	lives    map[peer.ID]*liveness // by keeper
	soon     map[Key]time.Time     // what is to be left, and when
	leaving  map[Key]bool
	helping  map[Key]bool
	foreign  map[Key]time.Time // of what is held, what its keeper does not decide about any more, and since when
	// ceded says until when this manager does not decide about the devices of an owner, since
	// another home has said that it does; by then it knows of that itself.
	ceded   map[peer.ID]time.Time
	kept    peer.ID       // the keeper of this manager's own devices, as it was last
	changes int64         // of what is held, in this life
	answers map[Key]stamp // the last answer to an order about a row, by who watches it or is to

	opened chan struct{} // by who opens what others have sent

	wantedMu sync.Mutex // guards what follows; it is held for moments only
	asks     map[*asking]bool
	linked   map[peer.ID]time.Time // when the link to a manager last came up
	wanted   map[peer.ID]bool      // keepers to be told what is held
	touched  map[Key]bool          // what has changed

	work sync.WaitGroup
}

// New makes a Duty and has questions about devices answered: that it is busy, until Start.
func New(o Options) (*Duty, error) {
	if o.Fabric == nil || o.Roster == nil || o.Local == nil || o.Disk == nil || o.StandIns == nil || o.AloneAfter == nil {
		return nil, errors.New("duty: no fabric, no roster, no local manager, no disk or no settings")
	}
	d := &Duty{
		o: o, self: o.Fabric.Self(), log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), wake: make(chan struct{}, 1), mu: newLock(),
		rows: map[Key]*book.Row{}, holds: map[Key]*book.Hold{}, members: map[peer.ID]*book.Member{}, active: map[Key]bool{}, busy: map[Key]context.CancelFunc{},
		pauses: map[Key]time.Time{}, gone: map[peer.ID]time.Time{}, acting: map[peer.ID]home{}, met: map[peer.ID]bool{}, reported: map[peer.ID]bool{}, lives: map[peer.ID]*liveness{}, soon: map[Key]time.Time{}, leaving: map[Key]bool{},
		helping: map[Key]bool{}, answers: map[Key]stamp{}, foreign: map[Key]time.Time{}, ceded: map[peer.ID]time.Time{}, life: rand.Int64()>>11 | 1, opened: make(chan struct{}, maxOpened), asks: map[*asking]bool{}, linked: map[peer.ID]time.Time{}, wanted: map[peer.ID]bool{}, touched: map[Key]bool{},
	}
	d.handle()
	return d, nil
}

// poke has the loop look now.
func (d *Duty) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// keeper is who keeps the book about this manager's own devices.
func (d *Duty) keeper() peer.ID { return cmp.Or(d.o.Roster.Home(), d.self) }

// acts says whether this manager decides about the devices of an owner. The lock is held.
func (d *Duty) acts(owner peer.ID) bool {
	if owner == d.self {
		return d.keeper() == d.self
	}
	return d.o.Roster.Acts(owner) && !time.Now().Before(d.ceded[owner])
}

// write writes a change and, once it is on disk, takes it over. The lock is held.
func (d *Duty) write(ctx context.Context, c *book.Change) error {
	if c.IsZero() {
		return nil
	}
	if err := d.o.Disk.Write(ctx, c); err != nil {
		return err
	}
	for _, r := range c.Rows {
		if cancel := d.busy[r.Key]; cancel != nil {
			cancel() // What is asked is of no use any more.
		}
		d.rows[r.Key] = r
	}
	for _, k := range c.DropRows {
		delete(d.rows, k)
		delete(d.answers, k)
	}
	if len(c.Holds)+len(c.DropHolds) > 0 {
		d.changes++
	}
	for _, h := range c.Holds {
		d.holds[h.Key] = h
		delete(d.foreign, h.Key)
	}
	for _, k := range c.DropHolds {
		delete(d.holds, k)
		delete(d.foreign, k)
	}
	for _, m := range c.Members {
		d.members[m.ID] = m
	}
	if d.o.Moved != nil {
		d.moved = append(d.moved, c.Moves...)
	}
	return nil
}
