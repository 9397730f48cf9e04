package registry

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
	"grove/tree/store/drawer"
)

// MaxManagers bounds how many other managers are known. Beyond it those that nobody has heard
// for longest are forgotten for those that come, unless they are dead or registered here.
const MaxManagers = 10_000

// Forget is after how long a manager is forgotten that said goodbye or is only known of, and
// was heard by nobody since. One that is dead stays until it comes back or is taken out: its
// devices wait for it.
const Forget = 24 * time.Hour

// Leases gives out numbers that only rise; see package lease.
type Leases interface {
	// Token returns a number that is higher than all that it returned before, and than above.
	Token(ctx context.Context, above int64) (int64, error)
}

// Options are what a registry needs.
type Options struct {
	Fabric peer.Fabric
	// Self is what this manager says of itself; it must not call the registry. Whether it integrates is what the settings
	// say: a command (Integrate) counts until the settings say something else than they did
	// at the time.
	Self   func() peer.Manager
	Leases Leases
	// Store keeps what is known; nil keeps it in memory only.
	Store *store.Store
	// Homes are the integration managers that are preferred as home, by ID or name, the
	// first one first; nil or empty: by ID. Like Load it must not call the registry.
	Homes func() []string
	// Trusts says which managers may be integration managers for this one, because it has
	// joined them: anybody can say of himself that he integrates. Only one of them becomes its
	// home, is believed in what it judges, or passes registered managers on. It must not call
	// the registry. Nil: all.
	Trusts func(peer.ID) bool
	// Load is how busy this manager is; nil: it does not say.
	Load func() Load
	// Can says for how many devices of that need there is room here, for other managers that
	// look for one: zero or an error is no. Nil: what Self says decides.
	Can func(ctx context.Context, from peer.ID, n Need) (free int, err error)
	// HandOver hands the devices of this manager over before it integrates; nil is nothing.
	HandOver func(ctx context.Context) error
	// Changed is called with the states of managers that changed, after that is on disk; what
	// only time changes (when it was heard, its load) is no change. Homed is called when the
	// home, the token or Held of this manager's registration changed. One call at a time of
	// both; they must return soon. Nil is nobody.
	Changed func([]State)
	Homed   func(Registration)
	// Received is called with each message of another manager, once; nil: there is nobody who
	// reads them, and they are refused.
	Received func(Note)
	// Now is the clock of the wall; nil is time.Now. How long something takes is measured on
	// the monotonic clock of the process, whatever Now says.
	Now func() time.Time
	Log *slog.Logger // nil discards
}

// Registry knows which managers there are. Its methods may be called from many goroutines.
type Registry struct {
	o      Options
	f      peer.Fabric
	log    *slog.Logger
	drawer *drawer.Drawer // nil: nothing is kept
	began  time.Time      // of the monotonic clock
	self   peer.ID
	asks   sync.WaitGroup // goroutines that Run started
	news   chan struct{}  // there is something to save and to tell

	turning sync.Mutex // of the role, one at a time
	saving  sync.Mutex // what is on its way to the disk, one at a time; before mu

	mu      sync.Mutex
	running context.Context // of Run; nil: it does not run
	members map[peer.ID]*member
	role    role
	// said is what this manager said of itself last, number its number, version that of the
	// list.
	said    peer.Manager
	number  int64
	version int64
	// from is since when this manager has listened without a gap, and ticked when it did so
	// last. Alone says that it takes itself for cut off.
	from, ticked time.Duration
	tickedWall   time.Time
	alone        bool
	following    bool             // the settings
	tallies      map[string]tally // of this tick, by homes
	rising       bool             // a new term is on its way to the disk
	under        term             // the last of this manager itself
	homes        []peer.ID        // the integration managers that it is registered with
	home         peer.ID
	told         Registration // to Homed
	notes        []string     // messages that came, the newest last
	dropped      []string     // managers that the drawer is to forget
	// life is a number of this run of the manager: what came from it before it said goodbye
	// does not bring it back.
	life int64
}

// New returns a registry, and begins to answer other managers. What it knew before a restart
// it reads from the database.
func New(ctx context.Context, o Options) (*Registry, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{
		o: o, f: o.Fabric, log: o.Log, began: time.Now(), self: o.Fabric.Self(), news: make(chan struct{}, 1),
		members: map[peer.ID]*member{}, tallies: map[string]tally{}, from: 1, ticked: 1, tickedWall: o.Now(),
	}
	r.version = o.Now().UnixMilli()
	r.number, r.life = r.version, rand.Int64()>>1|1
	if o.Store != nil {
		r.drawer = drawer.New(o.Store, "peer", MaxManagers+2)
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	for kind, h := range r.handlers() {
		r.f.Handle(kind, h)
	}
	return r, nil
}

// Present returns the states of all managers that are known, by ID.
func (r *Registry) Present() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]State, 0, len(r.members))
	for _, m := range r.members {
		all = append(all, r.present(m))
	}
	slices.SortFunc(all, func(a, b State) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Get returns the state of one manager; ok says whether it is known.
func (r *Registry) Get(id peer.ID) (s State, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	if m == nil {
		return State{}, false
	}
	return r.present(m), true
}

func (r *Registry) present(m *member) State {
	s := State{
		Manager: m.Manager, State: m.state, Since: m.since, Heard: r.wall(m.heard), Why: m.why, By: m.by, Home: m.home,
		Direct: r.hears(m), Registered: r.role.On && m.token != 0, Mine: r.mine(m), Token: m.token,
	}
	if s.Direct {
		s.RoundTrip, s.Offset, s.Load = m.trip, m.offset, m.load
	}
	return s
}

// integrates says whether another manager is an integration manager for this one.
func (r *Registry) integrates(m *member) bool {
	return m.Integrates && (r.o.Trusts == nil || r.o.Trusts(m.id))
}

// Self returns what this manager says of itself at present.
func (r *Registry) Self() peer.Manager {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.statement()
}

// Forget takes a manager out of the registry, such as one that is never to come back. One
// that is linked comes again with its next heartbeat.
func (r *Registry) Forget(ctx context.Context, id peer.ID) error {
	r.mu.Lock()
	_, ok := r.members[id]
	delete(r.members, id)
	r.mu.Unlock()
	if !ok {
		return peer.Refuse(peer.NotFound, "no manager %s is known", id)
	}
	if r.drawer == nil {
		return nil
	}
	r.saving.Lock()
	defer r.saving.Unlock()
	return r.drawer.Change(ctx, nil, []string{string(id)})
}
