// Package remote shows the beans of other managers in the bean server of this one, and
// passes on questions about their nodes, and what is done with them.
//
// # Names
//
// A bean of the manager berlin has here the name that it has there and one more property:
// "grove:type=Alerts" is "grove:type=Alerts,manager=berlin". A manager is called by its
// name, or by its ID where that name is no plain word or another manager has it, too. What
// berlin shows of the manager hamburg is "manager=berlin/hamburg", unless hamburg is linked
// to this manager itself. Nodes are not among them: joined trees bring their own beans.
//
// The names are kept, and asked for anew when the other manager says that they changed; so
// are descriptions. Values never are: they are asked for when somebody reads, and the
// errors are those of the bean over there.
//
// # Who may
//
// A question carries who asks and the role that he has here, at the place of what he asks
// about. The owner takes no more of that than it allows this manager (Options.Allow), holds
// it against its own rules, which are those for its own users, and audits changes under
// "user@manager". The beans of a manager see the manager that a name was asked by, not what
// the question says.
//
// # Bounds
//
// A question is passed on by at most [MaxHops] managers, and never to one that it came
// from. Lists, values and queues are bounded; what was left out is counted.
//
// Locks: the one of Remote comes before those of feeds and outlets, and neither is held while
// anything is asked, or a bean or a listener called.
package remote

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"grove/beans"
	"grove/notify/peer"
	"grove/tree"
	"grove/tree/grant"
)

// Key is the property of names that says whose bean it is.
const Key = "manager"

// The kinds of messages.
const (
	kindList      = "remote.list"
	kindChanged   = "remote.changed"
	kindInfo      = "remote.info"
	kindGet       = "remote.get"
	kindSet       = "remote.set"
	kindInvoke    = "remote.invoke"
	kindQuery     = "remote.query"
	kindSubscribe = "remote.subscribe"
	kindNotify    = "remote.notify"
	kindNode      = "remote.node"
	kindAct       = "remote.act"
)

// Bounds of what managers ask each other.
const (
	MaxHops          = 4     // managers that a question goes through
	MaxNames         = 20000 // beans of one manager and those behind it
	MaxSubscriptions = 1000  // beans of one manager that are listened to
	MaxArguments     = 64    // of an operation
	MaxActBytes      = 64 << 10

	atOnce     = 16        // questions of one manager that are answered at the same time
	pageBytes  = 256 << 10 // of names or descriptions in one answer
	maxPages   = 200
	maxKnown   = 4096
	maxMessage = 2048 // bytes of an error

	listEvery   = 30 * time.Second
	listWithin  = 10 * time.Second
	listAgain   = 2 * time.Second // after no answer came
	infoWithin  = 3 * time.Second
	getWithin   = 5 * time.Second
	setWithin   = 10 * time.Second
	callWithin  = 30 * time.Second
	answerBound = time.Minute // for anything that is done for another manager
)

// Errors of what is asked of other managers. Besides, there are those of beans, grant.ErrDenied
// and tree.ErrNoNode.
var (
	// ErrAway is that the other manager is not linked or does not answer. Whether it has done
	// what it was told to do is not known.
	ErrAway = errors.New("the other manager does not answer")
	// ErrOwn is that a node is this manager's own, so that there is nobody to ask.
	ErrOwn = errors.New("the node is not of another manager")
	// ErrCircle is that a question came back, or went through too many managers.
	ErrCircle = errors.New("the question went from manager to manager and did not arrive")
)

// Options are the surroundings of a Remote. All functions may be called from many goroutines.
type Options struct {
	Fabric peer.Fabric
	// Managers are those whose beans are to be there: that are linked, or were a moment ago.
	Managers func() []peer.Manager
	// Name is what a manager is called that is not among these, but may ask; nil: its ID.
	Name  func(peer.ID) string
	Beans *beans.Server
	Tree  *tree.Tree
	Guard *grant.Guard
	// Place says where the instance is that a bean of this server belongs to, such as the one
	// of a probe. For beans of other managers it asks Remote.Place.
	Place func(beans.Name) (tree.Path, bool)
	// Owner says of which manager a node of this tree is, and its path over there; Local is
	// the other way round.
	Owner func(tree.Path) (peer.ID, tree.Path, bool)
	Local func(peer.ID, tree.Path) (tree.Path, bool)
	// Allow is what a manager, and who asks by it, may do here at most.
	Allow func(peer.ID) []grant.Grant
	// Details tells everything about a node to who asks in ctx, as JSON.
	Details func(ctx context.Context, at tree.Path) (json.RawMessage, error)
	// Acts is what others can do with nodes here.
	Acts map[Verb]Act
	// Audit keeps that who asks in ctx begins a change; done keeps how it ended. An error
	// keeps it from being made.
	Audit func(ctx context.Context, action, target string, detail any) (done func(error), err error)
	Log   *slog.Logger // nil discards
}

// Remote shows what other managers have, and shows them what is here. Its methods may be
// called from many goroutines.
type Remote struct {
	opts    Options
	self    peer.ID
	unmount func()
	wake    chan struct{}

	mu      sync.Mutex // guards all below
	others  map[peer.ID]*other
	names   map[string]*entry // by canonical name here
	domains map[string]int    // beans in each
	feeds   map[string]*feed  // by canonical name here
	reads   map[readKey]*read
	serving map[peer.ID]int
	outlets map[peer.ID]*outlet
	told    map[peer.ID]time.Time // who asked for the list
	changed bool                  // beans of this manager came or went
	running bool
	work    sync.WaitGroup // of senders
}

// other is a manager whose beans are here.
type other struct {
	id      peer.ID // never changes
	called  string  // in names
	edition string
	stale   bool // it said that its list changed
	busy    bool
	asked   time.Time
	entries []*entry // by their names over there

	infos     sync.Mutex // held while descriptions are asked for
	infosDown time.Time  // until then nothing is asked, since it did not answer
	shared    map[[sha256.Size]byte]*described

	notes   sync.Mutex // held while notifications are delivered
	session string     // of the sender of these
	number  uint64

	subscribing bool
	sent        []string  // what it knows that is listened to
	leased      time.Time // when it was told
	failed      time.Time // when it could not be told
}

// entry is one bean of another manager.
type entry struct {
	name   beans.Name // here
	there  beans.Name
	of     peer.ID   // who is asked
	behind []peer.ID // the managers behind that one, the owner last
	place  *tree.Path
	emits  bool

	info *described
}

// New mounts the beans of other managers on the server and answers them from now on. Run
// fetches them.
func New(o Options) (*Remote, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Place == nil {
		o.Place = func(beans.Name) (tree.Path, bool) { return tree.Path{}, false }
	}
	if o.Owner == nil {
		o.Owner = func(tree.Path) (peer.ID, tree.Path, bool) { return "", tree.Path{}, false }
	}
	if o.Local == nil {
		o.Local = func(peer.ID, tree.Path) (tree.Path, bool) { return tree.Path{}, false }
	}
	r := &Remote{
		opts: o, self: o.Fabric.Self(), wake: make(chan struct{}, 1),
		others: map[peer.ID]*other{}, names: map[string]*entry{}, domains: map[string]int{}, feeds: map[string]*feed{},
		reads: map[readKey]*read{}, serving: map[peer.ID]int{}, outlets: map[peer.ID]*outlet{}, told: map[peer.ID]time.Time{},
	}
	var err error
	if r.unmount, err = o.Beans.MountKey(Key, directory{r}); err != nil {
		return nil, err
	}
	for kind, h := range r.handlers() {
		o.Fabric.Handle(kind, h)
	}
	return r, nil
}

func (r *Remote) handlers() map[string]peer.Handler {
	return map[string]peer.Handler{
		kindList: r.answerList, kindChanged: r.heardChange, kindInfo: r.answerInfo, kindQuery: r.answerQuery,
		kindGet: r.answerGet, kindSet: r.answerSet, kindInvoke: r.answerInvoke,
		kindSubscribe: r.answerSubscribe, kindNotify: r.hear, kindNode: r.answerNode, kindAct: r.answerAct,
	}
}

// Run keeps the names current until ctx ends; then the beans of others go.
func (r *Remote) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	r.mu.Lock()
	r.running = true
	r.mu.Unlock()
	lists := make(chan listed)
	var asking sync.WaitGroup
	defer func() {
		for kind := range r.handlers() {
			r.opts.Fabric.Handle(kind, nil)
		}
		cancel()
		r.closeOutlets()
		asking.Wait()
		r.work.Wait()
		r.unmount()
	}()
	unhear, err := r.followBeans()
	if err != nil {
		return err
	}
	defer unhear()
	defer r.opts.Fabric.OnLink(func(l peer.Link) {
		if l.Up {
			_, _ = r.heardChange(ctx, l.Peer, nil) // It never fails.
		}
	})()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		now := time.Now()
		r.announce(nil, r.meet(r.opts.Managers()))
		for _, o := range r.due(now) {
			asking.Go(func() {
				l := r.askList(ctx, o)
				select {
				case lists <- l:
				case <-ctx.Done():
				}
			})
		}
		for _, o := range r.subscribing(now) {
			asking.Go(func() { r.askSubscribe(ctx, o) })
		}
		r.endLeases(now)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			r.tellChange(now)
		case <-r.wake:
		case l := <-lists:
			r.announce(r.take(l))
		}
	}
}

// Changed has it looked at once which managers are there. It does not block.
func (r *Remote) Changed() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// plain is what a name of a manager must be like to stand in names of beans.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// meet takes the managers that are there, and returns the names of beans that went.
func (r *Remote) meet(managers []peer.Manager) (went []beans.Name) {
	counts := map[string]int{}
	for _, m := range managers {
		counts[m.Name]++
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	there := map[peer.ID]bool{}
	others := len(r.others)
	for _, m := range managers {
		if m.ID == r.self || m.ID.Check() != nil || there[m.ID] {
			continue
		}
		there[m.ID] = true
		called := m.Name
		if !plain.MatchString(called) || counts[called] > 1 || peer.ID(called).Check() == nil {
			called = string(m.ID)
		}
		o := r.others[m.ID]
		if o == nil {
			o = &other{id: m.ID}
			r.others[m.ID] = o
		}
		if o.called != called {
			o.called, o.edition = called, "" // All its names are others now.
			went = append(went, r.forgetLocked(o)...)
			o.asked = time.Time{}
		}
	}
	for id, o := range r.others {
		if !there[id] {
			went = append(went, r.forgetLocked(o)...)
			delete(r.others, id)
			delete(r.told, id)
			others = -1
		}
	}
	if others != len(r.others) { // What is told of those behind others depends on who is linked.
		for _, o := range r.others {
			o.stale = true
		}
	}
	return went
}

// forgetLocked takes out all beans of a manager.
func (r *Remote) forgetLocked(o *other) (went []beans.Name) {
	for _, e := range o.entries {
		went = append(went, e.name)
		r.removeLocked(e)
	}
	o.entries = nil
	return went
}

func (r *Remote) removeLocked(e *entry) {
	delete(r.names, e.name.Canonical())
	if r.domains[e.name.Domain()]--; r.domains[e.name.Domain()] == 0 {
		delete(r.domains, e.name.Domain())
	}
}

func (r *Remote) addLocked(e *entry) {
	r.names[e.name.Canonical()] = e
	r.domains[e.name.Domain()]++
}

// announce tells the listeners of the bean server what came and went.
func (r *Remote) announce(came, went []beans.Name) {
	for _, n := range went {
		_ = r.opts.Beans.Announce(false, n) // It fails only when nothing is mounted.
	}
	for _, n := range came {
		_ = r.opts.Beans.Announce(true, n)
	}
}

// due are the managers whose lists are to be asked for now.
func (r *Remote) due(now time.Time) (due []*other) {
	up := map[peer.ID]bool{}
	for _, l := range r.opts.Fabric.Links() {
		up[l.Peer] = up[l.Peer] || l.Up
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, o := range r.others {
		if is, known := up[id]; known && !is || o.busy || !o.stale && now.Sub(o.asked) < listEvery {
			continue
		}
		o.busy, o.stale, o.asked = true, false, now
		due = append(due, o)
	}
	return due
}

// heardChange is told that the list of another manager is another one.
func (r *Remote) heardChange(_ context.Context, from peer.ID, _ []byte) ([]byte, error) {
	r.mu.Lock()
	if o := r.others[from]; o != nil {
		o.stale = true
	}
	r.mu.Unlock()
	r.Changed()
	return nil, nil
}

// Place returns where a bean of another manager belongs to in the tree here, if what it
// belongs to over there is joined.
func (r *Remote) Place(name beans.Name) (tree.Path, bool) {
	r.mu.Lock()
	e := r.names[name.Canonical()]
	r.mu.Unlock()
	return r.placeOf(e)
}

func (r *Remote) placeOf(e *entry) (tree.Path, bool) {
	if e == nil || e.place == nil {
		return tree.Path{}, false
	}
	return r.opts.Local(e.of, *e.place)
}

// nameOf is what a manager is called in messages for people.
func (r *Remote) nameOf(id peer.ID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nameOfLocked(id)
}

func (r *Remote) nameOfLocked(id peer.ID) string {
	if o := r.others[id]; o != nil {
		return o.called
	}
	if r.opts.Name != nil {
		if name := r.opts.Name(id); plain.MatchString(name) {
			return name
		}
	}
	return string(id)
}

// directory shows the beans of other managers to the bean server.
type directory struct{ *Remote }

// Bean implements beans.Directory.
func (d directory) Bean(name beans.Name) (beans.Bean, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.names[name.Canonical()]
	switch {
	case e == nil:
		return nil, false
	case e.emits:
		return &emitter{bean{d.Remote, e}}, true
	}
	return &bean{d.Remote, e}, true
}

// Names implements beans.Directory.
func (d directory) Names(pattern beans.Name, yield func(beans.Name) bool) {
	d.mu.Lock()
	names := make([]beans.Name, 0, len(d.names))
	for _, e := range d.names {
		names = append(names, e.name)
	}
	d.mu.Unlock()
	for _, n := range names {
		if (pattern.IsZero() || pattern.Matches(n)) && !yield(n) {
			return
		}
	}
}

// Count implements beans.Directory.
func (d directory) Count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.names)
}

// Domains implements beans.KeyDirectory.
func (d directory) Domains() (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for domain := range d.domains {
		all = append(all, domain)
	}
	return all
}

// here is the name here of what has a name over there. It fails for names that no manager
// may tell of.
func here(called string, there beans.Name, behind int) (beans.Name, bool) {
	value := called
	var parts []string
	for _, p := range there.Properties() {
		if p.Key != Key {
			parts = append(parts, p.Key, p.Value)
			continue
		}
		steps := strings.Split(p.Value, "/")
		if len(steps) != behind || slices.ContainsFunc(steps, func(s string) bool { return !plain.MatchString(s) }) {
			return beans.Name{}, false
		}
		value += "/" + p.Value
	}
	if behind > 0 && value == called {
		return beans.Name{}, false
	}
	name, err := beans.NewName(there.Domain(), append(parts, Key, value)...)
	return name, err == nil && !name.IsPattern()
}
