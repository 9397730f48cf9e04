// Package member makes a manager one of many: it puts the rooms of peers together as the file
// of peers says. The authority says who may come in, the fabric moves messages, the registry
// knows who is there, branches join trees, records bring journals and readings, remote shows
// beans, twins find what is watched twice, and duty says who watches what.
//
// The file is read again when it changes. What cannot be read changes nothing: what ran goes
// on, and State says why.
package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"grove/beans"
	"grove/notify/peer"
	"grove/notify/peer/authority"
	"grove/notify/peer/branch"
	"grove/notify/peer/duty"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/fabric"
	"grove/notify/peer/lease"
	"grove/notify/peer/meter"
	"grove/notify/peer/record"
	"grove/notify/peer/record/question"
	"grove/notify/peer/record/sample"
	"grove/notify/peer/registry"
	"grove/notify/peer/remote"
	"grove/notify/peer/settings"
	"grove/notify/peer/twin"
	"grove/tree"
	"grove/tree/grant"
	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/audit"
	"grove/tree/store/journal"
)

// Options are the surroundings of a Member.
type Options struct {
	// Dir is the directory of keys; File the file of peers, which need not be there.
	Dir, File string
	// Name and Version are those of this manager, URL the address of its page.
	Name, Version string
	URL           func() string
	Store         *store.Store
	Audit         *audit.Log
	Journal       *journal.Journal
	History       *history.Store
	Tree          *tree.Tree
	Guard         *grant.Guard
	Beans         *beans.Server
	// Secret reads the secret that a reference names.
	Secret func(ref string) (string, error)
	// Kinds are the kinds of probes that there are, Applications the definitions.
	Kinds, Applications func() []string
	// Local makes the devices of this manager, once its ID is known.
	Local func(m *Member) (duty.Local, error)
	// Count is how many devices are watched here.
	Count func() int
	// Devices are those that are watched here, with whose they are, where and their marks.
	Devices func() []twin.Device
	// Told are the alerts about devices that are watched here of which people were told from
	// here. Left is told that alerts about some are left to other managers than before, or that
	// these have told people of others.
	Told func() []twin.Fact
	Left func()
	// Remote says what others may ask and do here; Fabric, Managers, Owner, Local and Allow of
	// it are filled in.
	Remote remote.Options
	// Duty has the functions Returned, Moved and Came; the rest is filled in.
	Duty duty.Options
	// Received is told of messages of other managers.
	Received func(registry.Note)
	// Ready says that the tree is whole: before, others that join it wait. Hung is told of a
	// tree of another manager that hangs here for the first time, with all its nodes.
	Ready func() bool
	Hung  func(at tree.Path)
	// Changed is told that something is different than before: managers, links, devices. It
	// must return soon.
	Changed func()
	Log     *slog.Logger
}

// Member is one manager among others. Its methods may be called from many goroutines; Start
// is called once, and Stop after it.
type Member struct {
	Authority *authority.Authority
	Fabric    *fabric.Fabric
	Meter     *meter.Fabric // Fabric, and how busy it is; what the rooms use
	Registry  *registry.Registry
	Leases    *lease.Leases
	Locker    *lease.Locker
	Branches  *branch.Branches
	Sender    *record.Sender
	Receiver  *record.Receiver
	Filler    *sample.Filler
	Asker     *question.Asker
	Remote    *remote.Remote
	Twins     *twin.Twins
	Duty      *duty.Duty

	ears  ears
	shown atomic.Pointer[map[peer.ID]string] // the names of all that are known, each of one manager alone

	o        Options
	log      *slog.Logger
	local    duty.Local
	shares   func(asker peer.ID, chain []peer.ID) (func(tree.Path) bool, error)
	exchange *twin.Exchange
	said     atomic.Pointer[settings.Settings]
	file     file
	runs     running
	pokes    chan struct{}
	names    atomic.Pointer[map[peer.ID]string]
	database atomic.Pointer[string] // its mark; nil: it is not known yet
	replaced atomic.Int64           // store.Replaced when that was read

	joining sync.Mutex // guards what is set of branches and records
	joined  []peer.ID
}

// New puts a member together and listens where the file says so; it links to others from
// Start on. Stop ends it, also one that was not started.
func New(ctx context.Context, o Options) (*Member, error) {
	m := &Member{o: o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), pokes: make(chan struct{}, 1)}
	m.file.name = o.File
	said, err := m.file.first()
	if err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	m.said.Store(said)
	if m.Authority, err = authority.Open(ctx, authority.Options{Dir: o.Dir, Store: o.Store, Audit: o.Audit, Name: o.Name, Life: said.Lives, Log: m.log}); err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	if m.Fabric, err = fabric.New(m.fabricOptions(said)); err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	m.Meter = meter.New(m.Fabric, 0)
	m.Authority.SetHooks(authority.Hooks{Cut: m.Fabric.Cut, Joined: m.call, Renewed: m.Fabric.Redial, Left: m.Fabric.Disconnect})
	m.Authority.Handle(m.Meter)
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	if err := m.startFabric(said); err != nil {
		m.Fabric.Close()
		return nil, fmt.Errorf("peers: %w", err)
	}
	return m, nil
}

func (m *Member) fabricOptions(said *settings.Settings) fabric.Options {
	o := fabric.Options{Self: m.Authority.ID(), Security: m.Authority, Listen: said.Listen, Proxy: said.Proxy, Log: m.log}
	if c := said.Cluster; c != nil {
		o.Admits = m.admits
		o.Cluster = &fabric.Cluster{Servers: c.Servers, CA: c.CA, Certificate: c.Certificate, Key: c.Key, User: c.User}
		if c.Password != "" {
			o.Cluster.Password = func() (string, error) { return m.o.Secret(c.Password) }
		}
	}
	return o
}

// open makes the rooms, each with those that it needs.
func (m *Member) open(ctx context.Context) (err error) {
	o := &m.o
	m.Leases = lease.New(lease.Options{Store: o.Store, Log: m.log})
	m.Registry, err = registry.New(ctx, registry.Options{
		Fabric: m.Meter, Self: m.self, Leases: m.Leases, Store: o.Store,
		Load: func() registry.Load {
			l := m.Meter.Load()
			return registry.Load{PerSecond: l.PerSecond, Saturation: l.Saturation}
		},
		Trusts: m.trusts, HandOver: m.handOver, Changed: func([]registry.State) { m.poke() }, Homed: func(registry.Registration) { m.poke() },
		Received: o.Received, Log: m.log,
	})
	if err != nil {
		return fmt.Errorf("registry of managers: %w", err)
	}
	m.Leases.Serve(m.Meter, m.Registry.With)
	m.Locker = lease.NewLocker(lease.LockerOptions{Fabric: m.Meter, Home: m.lockHome, Leases: m.Leases})
	m.Branches = branch.New(branch.Options{Tree: o.Tree, Fabric: m.Meter, Sees: m.sees, Class: m.class, Ready: o.Ready, Hung: o.Hung, Log: m.log})
	m.shares = record.SharesOf(o.Tree, branch.PropertyManager, m.sees)
	m.Sender = record.NewSender(record.SenderOptions{Store: o.Store, Fabric: m.Meter, Shares: m.shares, Log: m.log})
	m.Filler = sample.New(sample.Options{Store: o.Store, Fabric: m.Meter, History: o.History, Nodes: m.samples, Chain: m.chain, Log: m.log})
	m.Asker = question.New(question.Options{Fabric: m.Meter, History: o.History, Journal: o.Journal, Owner: m.Branches.Owner, Place: m.Branches.Place, Shares: m.shares, Chain: m.chain})
	m.Twins = twin.New(twin.Options{Self: m.ID(), Trust: m.trusts, Changed: m.twinned, Left: o.Left, Log: m.log})
	m.Receiver = record.NewReceiver(record.ReceiverOptions{
		Store: o.Store, Journal: o.Journal, Fabric: m.Meter, Place: m.Branches.Place, Owner: m.Branches.Owner, Hidden: m.Twins.Repeated, Own: m.judgedHere, Chain: m.chain, Log: m.log,
	})
	r := o.Remote
	r.Fabric, r.Managers, r.Owner, r.Local, r.Allow, r.Log = m.Meter, m.branched, m.Branches.Owner, m.Branches.Place, m.allow, m.log
	if m.Remote, err = remote.New(r); err != nil {
		return fmt.Errorf("beans of other managers: %w", err)
	}
	if m.local, err = o.Local(m); err != nil {
		return err
	}
	d := o.Duty
	d.Fabric, d.Roster, d.Local, d.Disk, d.Log = m.Meter, roster{m}, m.local, book.New(o.Store), m.log
	d.StandIns = func() []string { return m.Settings().StandIn }
	d.AloneAfter = func() time.Duration { return m.Settings().AloneAfter }
	if m.Duty, err = duty.New(d); err != nil {
		return err
	}
	m.exchange = twin.NewExchange(m.Twins, twin.ExchangeOptions{Fabric: m.Meter, Managers: m.branched, Own: m.ownDevices, Local: m.Branches.Place, Sees: m.sees, Told: o.Told, Log: m.log})
	m.rules()
	return nil
}

// ID is the ID of this manager.
func (m *Member) ID() peer.ID { return m.Authority.ID() }

// Settings are what the file says that is in force.
func (m *Member) Settings() *settings.Settings { return m.said.Load() }

// Integrates says whether this manager is an integration manager.
func (m *Member) Integrates() bool { return m.Registry.Integrates() }

// self is what this manager says of itself.
func (m *Member) self() peer.Manager {
	s := m.Settings()
	integrates := len(s.Listen) > 0
	if s.Integrate != nil {
		integrates = *s.Integrate
	}
	return peer.Manager{
		ID: m.ID(), Name: m.o.Name, Site: s.Site, Database: m.mark(), Version: m.o.Version, Protocol: peer.Protocol, URL: m.o.URL(), Ways: m.Ways(),
		Kinds: m.o.Kinds(), Applications: m.o.Applications(), Capacity: s.Capacity, Devices: m.o.Count(), Integrates: integrates, Started: started,
	}
}

// started is when this process was.
var started = time.Now().Truncate(time.Millisecond)

// Ways are the addresses at which others reach this manager.
func (m *Member) Ways() []string {
	if s := m.Settings(); len(s.Ways) > 0 {
		return s.Ways
	}
	ways := m.Fabric.Addresses()
	for k := range ways {
		ways[k] = way(ways[k], outward)
	}
	return ways
}

// call links to the manager that was joined, unless a cluster carries what the two say.
func (m *Member) call(u authority.Upper) {
	if u.Address == authority.Cluster {
		return
	}
	if err := m.Fabric.Connect(u.Address, u.ID); err != nil {
		m.log.Error("a manager that was joined cannot be called", "manager", u.Name, "address", u.Address, "err", err)
	}
}

// NameOf is the name of a manager for people: its ID while nothing else is known.
func (m *Member) NameOf(id peer.ID) string {
	if id == m.ID() {
		return m.o.Name
	}
	if s, ok := m.Get(id); ok && s.Name != "" {
		return s.Name
	}
	return string(id)
}

// Errors of Find.
var (
	ErrUnknown   = errors.New("no such manager is known")
	ErrAmbiguous = errors.New("several managers have that name: say which one by its ID")
)

// Find returns the manager of a name or ID.
func (m *Member) Find(text string) (peer.Manager, error) {
	if text == string(m.ID()) || text == m.o.Name {
		return m.Registry.Self(), nil
	}
	var found []peer.Manager
	for _, s := range m.Present() {
		if string(s.ID) == text {
			return s.Manager, nil
		}
		if m.called(&s, text) {
			found = append(found, s.Manager)
		}
	}
	switch len(found) {
	case 0:
		return peer.Manager{}, fmt.Errorf("%w: %.80q", ErrUnknown, text)
	case 1:
		return found[0], nil
	}
	return peer.Manager{}, fmt.Errorf("%w: %.80q", ErrAmbiguous, text)
}

// poke has everything that hangs on who is there follow soon, and does not wait for it.
func (m *Member) poke() {
	select {
	case m.pokes <- struct{}{}:
	default:
	}
}

// Refresh has everything that hangs on who is there follow, at once.
func (m *Member) Refresh() { m.changed() }

// changed has everything that hangs on who is there follow.
func (m *Member) changed() {
	m.join()
	if m.Remote != nil {
		m.Remote.Changed()
	}
	if m.o.Changed != nil {
		m.o.Changed()
	}
}

// handOver gives everything away before this manager integrates; without a stand-in it keeps
// its devices and integrates nonetheless.
func (m *Member) handOver(ctx context.Context) error {
	if m.Duty == nil || len(m.Settings().StandIn) == 0 {
		return nil
	}
	return m.Duty.Handover(ctx, "", "")
}

// branches are the rules that say whose tree hangs here: those of the file, or else every
// manager's if this one integrates.
func (m *Member) branches() (rules []branch.Rule) {
	s := m.Settings()
	said := s.Branches
	if said == nil && m.Registry != nil && m.Registry.Integrates() {
		said = []settings.Branch{{From: "*", At: settings.DefaultAt, Alerts: settings.Theirs}}
	}
	for _, b := range said {
		rules = append(rules, branch.Rule{From: b.From, Under: b.Under, At: b.At, Ours: b.Alerts == settings.Ours})
	}
	return rules
}

// join sets whose trees hang here and whose journals are followed.
func (m *Member) join() {
	if m.Receiver == nil {
		return
	}
	m.joining.Lock()
	defer m.joining.Unlock()
	rules := m.branches()
	var managers []peer.Manager
	for _, s := range m.Present() {
		if s.State != registry.Known && s.Direct && m.acquainted(s.ID) || slices.Contains(m.joined, s.ID) {
			managers = append(managers, s.Manager)
		}
	}
	if err := m.Branches.Set(rules, managers); err != nil {
		m.log.Error("trees of other managers cannot be joined", "err", err)
		return
	}
	m.joined = m.joined[:0]
	for _, other := range managers {
		if slices.ContainsFunc(rules, func(r branch.Rule) bool { return r.From == "*" || r.From == other.Name || r.From == string(other.ID) }) {
			m.joined = append(m.joined, other.ID)
		}
	}
	m.Receiver.Set(m.joined...)
}

// branched are the managers whose trees are joined.
func (m *Member) branched() (list []peer.Manager) {
	m.joining.Lock()
	ids := slices.Clone(m.joined)
	m.joining.Unlock()
	for _, id := range ids {
		if s, ok := m.Get(id); ok {
			list = append(list, s.Manager)
		}
	}
	return list
}

// twinned has what is there twice hang once.
func (m *Member) twinned(changes []twin.Change) {
	if m.Branches == nil || len(changes) == 0 {
		return
	}
	of := make([]peer.ID, len(changes))
	for k, c := range changes {
		of[k] = c.Manager
	}
	m.Branches.Hide(m.Twins.Hidden, of...)
}

// ownDevices are what twins may be found of: what is watched here, and what is this manager's
// and watched elsewhere.
func (m *Member) ownDevices() (list []twin.Device) {
	marks := m.Settings().Identity
	here := map[duty.Key]bool{}
	for _, w := range m.o.Devices() {
		here[duty.Key{Owner: w.Manager, Name: w.Name}] = true
		w.ManagerName, w.Watched, w.White = m.NameOf(w.Manager), true, m.white(w.At)
		list = append(list, w)
	}
	for _, d := range m.local.Devices() {
		if here[duty.Key{Owner: m.ID(), Name: d.Name}] || d.Fixed != "" {
			continue
		}
		list = append(list, twin.Device{Manager: m.ID(), ManagerName: m.o.Name, Name: d.Name, Application: d.Application, At: d.At, Identity: twin.Identify(marks, d.Name, d.Identity, nil, nil)})
	}
	return list
}

func (m *Member) white(p tree.Path) bool {
	n, err := m.o.Tree.Node(p)
	return err != nil || n.Status == tree.White
}

// Elsewhere says of a node that another manager remembers what happens to it: it hangs here,
// and is not judged here.
func (m *Member) Elsewhere(p tree.Path) bool {
	_, _, ok := m.Branches.Owner(p)
	return ok && !m.judgedHere(p)
}

// judgedHere says whether somebody here has tuned the threshold of a node of another manager,
// so that its status is not that of its owner.
func (m *Member) judgedHere(p tree.Path) bool {
	n, err := m.o.Tree.Node(p)
	return err == nil && n.Tuned
}

// trusts says whether this manager has joined another one: what that says of itself, such as
// that it integrates, counts here.
func (m *Member) trusts(id peer.ID) bool {
	return slices.ContainsFunc(m.Authority.Uppers(), func(u authority.Upper) bool { return u.ID == id })
}

// chain are the managers on whose behalf this one asks: those whose trees it joins.
func (m *Member) chain() []peer.ID {
	m.joining.Lock()
	defer m.joining.Unlock()
	return slices.Clone(m.joined)
}

// samples are the nodes of another manager that have a history here.
func (m *Member) samples(of peer.ID) (list []sample.Node) {
	for _, s := range m.Branches.State() {
		if s.Peer != of {
			continue
		}
		// What is below another one's tree comes from that one.
		_ = m.o.Tree.Walk(s.At, -1, func(n *tree.Node) bool {
			if n.Kind != tree.Performance || n.Spec.History != nil && n.Spec.History.Off {
				return true
			}
			if below, ok := s.At.Below(n.Path); ok {
				if remote, err := s.Under.Join(below); err == nil {
					list = append(list, sample.Node{Remote: remote, Ref: n.Ref})
				}
			}
			return true
		})
	}
	return list
}

// filled tells the filler which trees are live.
func (m *Member) filled() {
	live := map[peer.ID]bool{}
	for _, s := range m.Branches.State() {
		live[s.Peer] = live[s.Peer] || s.Phase == branch.Live
	}
	for id, is := range live {
		if is {
			m.Filler.Live(id)
		} else {
			m.Filler.Lost(id)
		}
	}
}

// grants of another manager: what its users may do here at most.
func (m *Member) allow(id peer.ID) (list []grant.Grant) {
	s, _ := m.Registry.Get(id)
	name, named := m.named(id)
	for _, a := range m.Settings().Allow {
		if a.Who == "*" || a.Who == string(id) || named && a.Who == name || a.Who == settings.Integration && s.Integrates && m.trusts(id) {
			list = append(list, grant.Grant{Role: a.Role, Path: a.Under})
		}
	}
	return list
}

// sees says whether a manager may see a node of this one.
func (m *Member) sees(asker peer.ID, p tree.Path) bool {
	for _, g := range m.allow(asker) {
		if g.Role >= grant.Viewer && (g.Path.Contains(p) || p.Contains(g.Path)) {
			return true
		}
	}
	return false
}

// class is the same for managers that see the same.
func (m *Member) class(asker peer.ID) string { return fmt.Sprint(m.allow(asker)) }

// rules has the rooms follow the settings.
func (m *Member) rules() {
	s := m.Settings()
	m.Twins.SetRules(twin.Rules{Identity: s.Identity, Same: s.Same, Different: s.Different, Prefer: s.Prefer})
	m.join()
	m.Branches.Reshare()
}

// Keys is where the keys are.
func Keys(data string) string { return filepath.Join(data, "peers") }

// File is where the file of peers is, unless something else is said.
func File(data string) string { return filepath.Join(data, "peers.yaml") }
