package branch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/tree"
)

// Names that mirrored nodes carry.
const (
	// LabelManager is the label that says by name which manager a node is of.
	LabelManager = "manager"
	// PropertyManager is the property of the group at which a tree hangs: the ID of the
	// manager whose tree it is.
	PropertyManager = "manager_id"
)

// Bounds.
const (
	// MaxNodes is how many nodes of one manager hang in a tree unless Options says otherwise.
	MaxNodes = 250_000
	// MaxFeeds bounds the different parts of the tree that are followed at the same time.
	MaxFeeds = 64
	// MaxRules bounds what is joined.
	MaxRules = 1000
)

// Options are the surroundings of Branches.
type Options struct {
	Tree   *tree.Tree
	Fabric peer.Fabric
	// Sees says whether a manager may see the node at a path; nil: everybody sees all. It
	// is asked once for each node, when it comes into a feed. A node is only seen when
	// those above it are.
	Sees func(asker peer.ID, p tree.Path) bool
	// Class is the same for managers that Sees lets see the same, so that one feed serves
	// them all; nil: each is a class of its own, unless Sees is nil.
	Class func(asker peer.ID) string
	// Ready says whether the tree has everything that belongs to it: until then it is not
	// shared, so that who had it before does not take it for smaller. Nil: at once.
	Ready func() bool
	// Hung is told when a tree hangs for the first time since it was wanted, with all its
	// nodes: the moment to give them back what is remembered of them, such as thresholds
	// that were tuned here. It may take its time. Nil is nobody.
	Hung func(at tree.Path)
	// Log is told what goes wrong; nil is nowhere.
	Log *slog.Logger
	// MaxNodes bounds the nodes of one manager that hang here; zero is MaxNodes.
	MaxNodes int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Rule says whose tree hangs where.
type Rule struct {
	// From is the ID or the name of a manager, or "*" for everybody.
	From string
	// Under is the part of the other tree.
	Under tree.Path
	// At is where it hangs; "${name}" in it is the name of the manager. Empty is
	// DefaultAt. When the place is another one's, "~" and the first four digits of the ID
	// are added to the last name.
	At string
	// Ours says that what is wrong there is alerted here too; else it is alerted by its
	// owner alone.
	Ours bool
}

// DefaultAt is where trees hang unless a rule says otherwise.
const DefaultAt = "/Managers/${name}"

// LinkPath is the node that is red when the link to a manager of a name is lost.
func LinkPath(name string) (tree.Path, error) {
	p, err := tree.MustPath("/grove/Peers").Child(name)
	if err != nil {
		return tree.Root, err
	}
	return p.Child("Link")
}

// Phase is how far a joined tree is.
type Phase string

// The phases.
const (
	Joining Phase = "joining" // the other manager was asked, and nothing hangs yet
	Live    Phase = "live"    // what hangs is as it is over there
	Lost    Phase = "lost"    // the link is lost: what hangs is white
	Refused Phase = "refused" // the other manager refuses, or sends what makes no sense
)

// State is how a joined tree is.
type State struct {
	Peer  peer.ID
	Name  string
	Under tree.Path // of the other tree
	At    tree.Path // where it hangs
	Phase Phase
	Since time.Time // of Phase
	Error string    // why it is not live
	// Nodes hang here; Left were left out, since they are too many, too deep or hidden.
	Nodes, Left int
	// Number is that of the last delta that was applied, Behind how many came after it.
	Number, Behind uint64
	// Heard is when something was heard of the feed last.
	Heard time.Time
	// Bytes came since it was joined, deltas and snapshots, in Deltas changes of nodes;
	// PerSecond are the changes of a second lately.
	Bytes, Deltas uint64
	PerSecond     float64
	Snapshots     uint64 // that were taken
}

// Stats counts what is shared.
type Stats struct {
	Feeds, Followers int
	Bytes, Deltas    uint64 // published
}

// Branches are the trees that are joined here, and the share that others have in this one.
// Its methods may be called from many goroutines.
type Branches struct {
	o    Options
	wake chan struct{} // holds one token when what is wanted changed

	mu      sync.RWMutex // guards everything below
	wanted  []place
	joined  []peer.ID // of wanted, each once, sorted
	mirrors map[mount]*mirror
	places  map[tree.Path]*mirror
	hide    func(peer.ID, tree.Path) bool
	share   *share
}

// mount is one part of one tree.
type mount struct {
	peer  peer.ID
	under tree.Path
}

// place is where a part of a tree is to hang, and how.
type place struct {
	mount
	name string // of the manager
	at   tree.Path
	ours bool
	err  error // why it cannot
}

// New returns Branches that join nothing yet.
func New(o Options) *Branches {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.MaxNodes = cmp.Or(o.MaxNodes, MaxNodes)
	b := &Branches{o: o, wake: make(chan struct{}, 1), mirrors: map[mount]*mirror{}, places: map[tree.Path]*mirror{}}
	b.share = newShare(b)
	return b
}

// Set says what is to be joined: the parts of the trees of managers that the rules name, of
// each manager and part by the first rule that names it. It may be called again at any time:
// what is the same goes on, what is not wanted any more is taken off the tree. It begins
// with Run.
func (b *Branches) Set(rules []Rule, managers []peer.Manager) error {
	if len(rules) > MaxRules {
		return fmt.Errorf("%d trees or parts at most are joined by rules, not %d", MaxRules, len(rules))
	}
	b.mu.Lock()
	b.wanted = b.placesLocked(rules, managers)
	b.joined = nil
	var errs []error
	for _, p := range b.wanted {
		b.joined = append(b.joined, p.peer)
		if p.err != nil {
			errs = append(errs, fmt.Errorf("the tree of %s: %w", p.name, p.err))
		}
	}
	slices.Sort(b.joined)
	b.joined = slices.Compact(b.joined)
	b.mu.Unlock()
	poke(b.wake)
	return errors.Join(errs...)
}

// placesLocked finds a place for each part.
func (b *Branches) placesLocked(rules []Rule, managers []peer.Manager) (all []place) {
	managers = slices.Clone(managers)
	slices.SortStableFunc(managers, func(x, y peer.Manager) int { return cmp.Compare(x.ID, y.ID) })
	managers = slices.CompactFunc(managers, func(x, y peer.Manager) bool { return x.ID == y.ID })
	type site struct {
		peer peer.ID
		at   string
	}
	parts := map[site]int{}
	var rulesOf []Rule // of each in all
	for _, m := range managers {
		if m.ID == b.o.Fabric.Self() || m.ID.Check() != nil {
			continue
		}
		seen := map[tree.Path]bool{}
		for _, r := range rules {
			if r.From != "*" && r.From != string(m.ID) && r.From != m.Name || seen[r.Under] {
				continue
			}
			seen[r.Under] = true
			r.At = cmp.Or(r.At, DefaultAt)
			all = append(all, place{mount: mount{m.ID, r.Under}, name: cmp.Or(m.Name, string(m.ID)), ours: r.Ours})
			rulesOf = append(rulesOf, r)
			parts[site{m.ID, r.At}]++
		}
	}
	// Those that hang already keep their places, so that a newcomer does not move them.
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	hangs := func(i int) bool { m := b.mirrors[all[i].mount]; return m != nil && m.place.name == all[i].name }
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case hangs(i) == hangs(j):
			return 0
		case hangs(i):
			return -1
		}
		return 1
	})
	taken := map[tree.Path]bool{}
	for _, i := range order {
		p, r := &all[i], rulesOf[i]
		several := parts[site{p.peer, r.At}] > 1
		for _, id := range []peer.ID{"", p.peer} {
			if p.at, p.err = placeOf(r, p.name, id, several); p.err == nil {
				p.err = free(taken, p.at)
			}
			if p.err == nil {
				taken[p.at] = true
				break
			}
		}
	}
	return all
}

// placeOf is where a rule hangs the tree of a manager; with an ID it is told apart by it.
func placeOf(r Rule, name string, id peer.ID, several bool) (tree.Path, error) {
	// A name is one name of a path, whatever is in it.
	single, err := tree.Root.Child(name)
	if err != nil {
		return tree.Root, fmt.Errorf("its name cannot be that of a node: %w", err)
	}
	at, err := tree.ParsePath(strings.ReplaceAll(r.At, "${name}", strings.TrimPrefix(single.String(), "/")))
	switch {
	case err != nil:
		return tree.Root, err
	case at.IsRoot():
		return tree.Root, errors.New("it cannot hang in place of the root; say where below it")
	case id != "":
		if at, err = at.Parent().Child(at.Name() + "~" + string(id[:4])); err != nil {
			return tree.Root, err
		}
	}
	if several {
		return at.Join(r.Under)
	}
	return at, nil
}

// free says whether a tree can hang at a path: not where one hangs, nor above or below it.
func free(taken map[tree.Path]bool, at tree.Path) error {
	for other := range taken {
		if other.Contains(at) || at.Contains(other) {
			return fmt.Errorf("another tree hangs at %s", other)
		}
	}
	return nil
}

// poke leaves a token for whoever waits.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run shares the tree and joins those of others until ctx ends. What hangs then stays.
func (b *Branches) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	running.Go(func() { b.share.run(ctx) })
	for {
		b.reconcile(ctx, &running)
		select {
		case <-ctx.Done():
			b.mu.Lock()
			mirrors := b.mirrors
			b.mirrors = map[mount]*mirror{}
			b.mu.Unlock()
			for _, m := range mirrors {
				<-m.ended
			}
			return nil
		case <-b.wake:
		}
	}
}

// reconcile begins and ends mirrors, so that they are what is wanted.
func (b *Branches) reconcile(ctx context.Context, running *sync.WaitGroup) {
	b.mu.Lock()
	wanted := map[mount]place{}
	for _, p := range b.wanted {
		wanted[p.mount] = p
	}
	var gone []*mirror
	for at, m := range b.mirrors {
		if p, ok := wanted[at]; !ok || p != m.place {
			gone = append(gone, m)
			delete(b.mirrors, at)
		}
	}
	b.mu.Unlock()
	for _, m := range gone {
		m.end()
		<-m.ended
		m.unhang()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range gone {
		if b.places[m.place.at] == m {
			delete(b.places, m.place.at)
		}
	}
	for _, p := range b.wanted {
		if b.mirrors[p.mount] != nil {
			continue
		}
		m := newMirror(b, p)
		b.mirrors[p.mount] = m
		if p.err != nil {
			m.refuse(p.err)
			close(m.ended)
			continue
		}
		b.places[p.at] = m
		ctx, end := context.WithCancel(ctx)
		m.end = end
		running.Go(func() {
			defer close(m.ended)
			m.run(ctx)
		})
	}
}

// Owner says whose the node at a path is, and its path over there: that of the manager
// whose tree was joined here, which may itself have it from another one.
func (b *Branches) Owner(p tree.Path) (owner peer.ID, remote tree.Path, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.places) == 0 {
		return "", tree.Root, false
	}
	for at := p; !at.IsRoot(); at = at.Parent() {
		m := b.places[at]
		if m == nil {
			continue
		}
		below, _ := at.Below(p)
		if remote, err := m.place.under.Join(below); err == nil {
			return m.place.peer, remote, true
		}
		return "", tree.Root, false
	}
	return "", tree.Root, false
}

// Place says where a node of a manager whose tree is joined hangs here; of several parts that
// have it, in the smallest. That there is one at that path is not said.
func (b *Branches) Place(owner peer.ID, remote tree.Path) (local tree.Path, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	depth := -1
	for _, m := range b.places {
		below, in := m.place.under.Below(remote)
		if m.place.peer != owner || !in || m.place.under.Depth() <= depth {
			continue
		}
		if at, err := m.place.at.Join(below); err == nil {
			local, ok, depth = at, true, m.place.under.Depth()
		}
	}
	return local, ok
}

// Hide says which nodes of others do not hang here, with all below them: those that are
// there twice. Remote is the path over there. Each call has the trees of some managers looked
// at again, of all when none is named; the function is asked once for each node that comes,
// must be quick and must not call Branches or the tree. Nil hides nothing.
func (b *Branches) Hide(hidden func(owner peer.ID, remote tree.Path) bool, of ...peer.ID) {
	b.mu.Lock()
	b.hide = hidden
	mirrors := make([]*mirror, 0, len(b.mirrors))
	for _, m := range b.mirrors {
		if len(of) == 0 || slices.Contains(of, m.place.peer) {
			mirrors = append(mirrors, m)
		}
	}
	b.mu.Unlock()
	for _, m := range mirrors {
		m.lookAgain()
	}
}

// hidden asks what Hide was given.
func (b *Branches) hidden(owner peer.ID, remote tree.Path) bool {
	b.mu.RLock()
	hide := b.hide
	b.mu.RUnlock()
	return hide != nil && hide(owner, remote)
}

// State tells how each joined tree is, by name and part.
func (b *Branches) State() []State {
	b.mu.RLock()
	mirrors := make([]*mirror, 0, len(b.mirrors))
	for _, m := range b.mirrors {
		mirrors = append(mirrors, m)
	}
	b.mu.RUnlock()
	states := make([]State, len(mirrors))
	for i, m := range mirrors {
		states[i] = m.state()
	}
	slices.SortFunc(states, func(x, y State) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Peer, y.Peer), cmp.Compare(x.Under.String(), y.Under.String()))
	})
	return states
}

// Reshare has what managers may see looked at again: Sees or Class may answer otherwise.
func (b *Branches) Reshare() { b.share.endAll("what may be seen has changed") }

// Stats counts what is shared.
func (b *Branches) Stats() Stats { return b.share.stats() }
