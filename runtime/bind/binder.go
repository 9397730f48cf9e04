// Package bind makes a plan run: it grows the nodes of the plan in the tree, runs the
// probes on the schedule, and carries what they find to the nodes.
//
// # Build, then swap
//
// Apply makes a running plan of what the definition files say now. The unit that
// succeeds or fails is the instance. First everything that can fail is done without
// touching what runs: the new probes are made, and the nodes are held against each
// other. An instance that cannot be made stays as it was: its old nodes and probes go
// on, and a node below Options.StatusAt says why. Then one change of the tree brings
// all others to their new shape, what left is stopped, and what is new is started.
// A probe whose fingerprint is the same goes on with all its state; a node whose spec
// and source are the same is not touched.
//
// # The way of a reading
//
// A run of a probe yields attributes and tables. Each probe has a table of routes from
// its attributes, and from the cells of its tables, to the nodes that show them. A
// table that a definition loops over makes nodes of its rows; they come and go with
// the rows. Derived values are evaluated whenever one of their inputs came anew.
//
// A result of a run feeds nodes in the modes timer, request and notification, and what
// a probe sends by itself feeds nodes in mode push, so that none gets anything twice.
//
// # Monitors
//
// The JMX monitors of an instance are beans, registered and started after its probes.
// Those that the files leave as they are go on with their state, also with what clients
// tuned; one that changed is made anew. What a pattern names comes and goes with the
// beans that the server tells of.
//
// # Locks
//
// Binder.applying is taken first and held by Apply and Stop. Then instance.mu, of which
// only Apply holds several, in the order of their names. The locks of the tree come
// after it. Binder.mu and runner.mu are taken last and held for moments. Nobody holds
// instance.mu while a probe is stopped, since a run under way may wait for it;
// runner.life is held then, and is taken before instance.mu, and so is runner.asking, which
// a run holds from its begin to its end. memory.mu is taken last. patterns.mu is taken in
// whatever goroutine registers a bean, and only the locks of monitors after it.
package bind

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"grove/beans"
	"grove/beans/monitor"
	"grove/runtime/probe"
	"grove/runtime/schedule"
	"grove/tree"
	"grove/tree/definition"
)

// ErrStopped is returned by Apply after Stop.
var ErrStopped = errors.New("the binder was stopped")

// ErrNoSource is returned by Refresh for a node that no probe feeds.
var ErrNoSource = errors.New("no probe feeds the node")

// MaxRows bounds the rows of one loop over a table; further rows are left out, and the
// instance shows that.
const MaxRows = 10_000

// askedEvery is the shortest time between two runs of a probe because somebody looks.
const askedEvery = time.Second

// Options are the surroundings of a Binder.
type Options struct {
	Tree     *tree.Tree
	Registry *probe.Registry
	Schedule *schedule.Schedule
	// Beans gets a bean for each probe and each instance; nil: there are none.
	Beans *beans.Server
	// Monitors runs the JMX monitors of the instances, which are registered with Beans;
	// nil: they do not run.
	Monitors *monitor.Service
	// Memories is where probes that remember find their memory after a restart; nil: they
	// begin anew.
	Memories Memories
	// Wrap is called with each probe that is made, and returns what runs in its place; nil:
	// they run themselves.
	Wrap func(i *definition.Instance, p probe.Probe) probe.Probe
	// Ran is called after each run of a probe with its kind and how it went, from the
	// goroutine of the run; nil: nobody wants to know. It must be quick.
	Ran func(kind string, o schedule.Outcome)
	// Logger is told of what nobody else can be told; nil is slog.Default.
	Logger *slog.Logger
	// Now is the clock of readings without a time of their own; nil is time.Now.
	Now func() time.Time
	// StatusAt is the group under which the binder grows one node for each instance
	// and each bad file; the root stands for /grove/Definitions.
	StatusAt tree.Path
}

// Binder makes plans run. Its methods may be called from many goroutines.
type Binder struct {
	opts Options

	applying turn // held by Apply and Stop; guards what follows
	stopped  bool
	shown    map[string]tree.Ref // the nodes below StatusAt, by name
	patterns patterns            // of the monitors; has a lock of its own, too
	// See described.
	yields, attributes []beans.AttributeInfo

	mu        sync.RWMutex // guards what follows; see Locks
	instances map[string]*instance
	asks      map[tree.Ref][]*runner // whom to run when somebody looks at a node
	kinds     map[string]*KindStats
	reload    Reload
}

// New returns a Binder that runs nothing yet.
func New(o Options) (*Binder, error) {
	switch {
	case o.Tree == nil:
		return nil, errors.New("bind: no tree")
	case o.Registry == nil:
		return nil, errors.New("bind: no registry of probes")
	case o.Schedule == nil:
		return nil, errors.New("bind: no schedule")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.StatusAt.IsRoot() {
		o.StatusAt = tree.MustPath("/grove/Definitions")
	}
	return &Binder{
		opts:      o,
		shown:     map[string]tree.Ref{},
		instances: map[string]*instance{},
		asks:      map[tree.Ref][]*runner{},
		kinds:     map[string]*KindStats{},
	}, nil
}

// Asked runs the probes of nodes that somebody looks at, each at most once a second:
// it is the function for tree.Options.Asked. It returns at once.
func (b *Binder) Asked(refs []tree.Ref) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.asks) == 0 {
		return
	}
	now := time.Now()
	for _, ref := range refs {
		for _, r := range b.asks[ref] {
			r.ask(now)
		}
	}
}

// Refresh runs the probes behind a node now, whatever its mode, each at most once a
// second. It returns at once; ErrNoSource says that no probe feeds the node.
func (b *Binder) Refresh(ref tree.Ref) error {
	now := time.Now()
	for _, i := range b.running() {
		i.mu.Lock()
		var sources []*slot
		i.each(func(_ *definition.Node, t *target) {
			if t != nil && t.ref == ref {
				sources = t.slots
			}
		})
		for _, s := range sources {
			if s != nil {
				s.from.ask(now)
			}
		}
		i.mu.Unlock()
		if len(sources) > 0 {
			return nil
		}
	}
	return ErrNoSource
}

// Stop stops all probes and waits for them and for the goroutines of the Binder, until
// ctx ends. The nodes stay; they turn white as they grow stale. After Stop the Binder
// does nothing any more.
func (b *Binder) Stop(ctx context.Context) error {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.stop()
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Binder) stop() {
	b.applying.Lock()
	defer b.applying.Unlock()
	if b.stopped {
		return
	}
	b.stopped = true
	b.mu.Lock()
	instances := b.instances
	b.instances = map[string]*instance{}
	b.asks = map[tree.Ref][]*runner{}
	b.mu.Unlock()
	var leaving []*runner
	for _, name := range slices.Sorted(maps.Keys(instances)) {
		i := instances[name]
		i.mu.Lock()
		leaving = append(leaving, i.runners...)
		i.mu.Unlock()
		i.unwatchAll()
		i.unregister()
	}
	b.retire(leaving)
}

// retireAtOnce is how many probes are stopped side by side: one that does not heed its
// context holds up few others.
const retireAtOnce = 64

// retire stops probes for good and waits for them.
func (b *Binder) retire(leaving []*runner) {
	var wg sync.WaitGroup
	places := make(chan struct{}, retireAtOnce)
	for _, r := range leaving {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			r.retire()
		})
	}
	wg.Wait()
}

// ask notes, or forgets, that looking at a node runs probes.
func (b *Binder) setAsk(ref tree.Ref, runners []*runner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(runners) == 0 {
		delete(b.asks, ref)
		return
	}
	b.asks[ref] = runners
}

// running returns the instances as they run now, sorted by name.
func (b *Binder) running() []*instance {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]*instance, 0, len(b.instances))
	for _, name := range slices.Sorted(maps.Keys(b.instances)) {
		out = append(out, b.instances[name])
	}
	return out
}

// Running returns the plan as it runs: also the instances that the newest files have
// in error and that go on as they were.
func (b *Binder) Running() []*definition.Instance {
	running := b.running()
	out := make([]*definition.Instance, len(running))
	for n, i := range running {
		i.mu.Lock()
		out[n] = i.plan
		i.mu.Unlock()
	}
	return out
}
