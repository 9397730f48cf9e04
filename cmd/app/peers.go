package app

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"grove/cmd/device"
	"grove/definitions"
	"grove/notify/channel"
	"grove/notify/peer"
	"grove/notify/peer/duty"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
	"grove/notify/peer/member"
	devicepast "grove/notify/peer/record/past"
	"grove/notify/peer/registry"
	"grove/notify/peer/twin"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/store"
	"grove/tree/store/journal"
	peerrest "grove/viewer/peer"
)

// takenDir is where the files of devices are that were taken from other managers, in the data
// directory.
const takenDir = "taken"

// peers are the other managers, and what of this one moves to them.
type peers struct {
	member  *member.Member
	devices *device.Devices
	past    *devicepast.Past
	coming  coming
	some    atomic.Bool // own devices may be with others
	orphans atomic.Int64
	whole   atomic.Bool // the tree has what the definitions say, so that others may join it
	showing sync.Mutex
	own     bool             // the nodes about this manager are there; guarded by showing
	shown   map[string]bool  // paths of managers that have nodes; guarded by showing
	lost    map[peer.ID]bool // whether the link was lost, of managers whose trees hang here; guarded by showing
}

// openPeers makes this manager a member, once there is everything that others may ask for.
func (a *App) openPeers(ctx context.Context) (err error) {
	c := &a.config
	file := c.Peers
	if file == "" {
		file = member.File(c.Data)
	}
	a.peers.shown, a.peers.lost = map[string]bool{}, map[peer.ID]bool{}
	a.peers.member, err = member.New(ctx, member.Options{
		Dir: member.Keys(c.Data), File: file, Name: c.Name, Version: c.Version, URL: a.pageURL,
		Store: a.past.facts, Audit: a.past.audit, Journal: a.past.journal, History: a.past.samples, Tree: a.Tree, Guard: a.Guard, Beans: a.Beans, Secret: readSecret,
		Kinds: a.registry.Names, Applications: a.loader.BuiltInNames, Devices: a.twinDevices, Count: a.deviceCount,
		Told: a.toldOfTwins, Left: func() { a.alerts.center.TwinsChanged() },
		Local: a.openDevices, Remote: a.remoteOptions(),
		Duty:  duty.Options{Returned: a.deviceReturned, Moved: a.deviceMoved, Came: a.deviceCame},
		Ready: a.peers.whole.Load, Hung: a.hung,
		Received: a.messageReceived, Changed: a.peersChanged, Log: a.log,
	})
	if err == nil {
		a.onStop("peers", func(context.Context) error { return a.peers.member.Stop() })
	}
	return err
}

// openDevices makes the instances of this manager devices that move.
func (a *App) openDevices(m *member.Member) (_ duty.Local, err error) {
	dir := filepath.Join(a.config.Data, takenDir)
	a.loader.Beside = append(a.loader.Beside, dir)
	a.peers.devices, err = device.New(device.Options{
		Self: m.ID(), Dir: dir, Tree: a.Tree, Running: a.binder.Running, Instance: a.binder.Instance, Reload: a.Reload, Amend: a.Amend,
		Trial: newLoader(a.registry), Read: a.definitionFile,
		Memories: a.memories, Alerts: a.alerts.center, Calendar: a.alerts.center.Calendar, Settings: m.Settings, NameOf: m.NameOf, Log: a.log,
		Secrets: len(a.config.SecretDirs) > 0,
		May:     func(name string) bool { return m.Duty.May(name) },
	})
	a.openPeerPast(m)
	return watching{a.peers.devices, a}, err
}

// deviceCount is how many devices this manager watches.
func (a *App) deviceCount() int {
	if a.peers.devices == nil {
		return 0 // It is being put together.
	}
	return a.peers.devices.Count()
}

// twinDevices are the devices that are watched here, as other managers compare them with
// theirs. What each has under the same name, such as its host, is known by no name.
func (a *App) twinDevices() (list []twin.Device) {
	d, m := a.peers.devices, a.peers.member
	if d == nil || m == nil {
		return nil // It is being put together.
	}
	for _, w := range d.Watched() {
		name := w.Key.Name
		if w.Fixed {
			name = ""
		}
		list = append(list, twin.Device{
			Manager: w.Key.Owner, Name: w.Key.Name, Application: w.Application, At: w.At, Identity: twin.Identify(m.Settings().Identity, name, w.Identity, nil, nil),
		})
	}
	return list
}

// definitionFile reads a file that a definition names as its own.
func (a *App) definitionFile(name string) ([]byte, error) {
	if inside, ok := strings.CutPrefix(name, "builtin:"); ok {
		return fs.ReadFile(definitions.Catalogue(), inside)
	}
	return os.ReadFile(name)
}

// pageURL is the address of the page for people.
func (a *App) pageURL() string {
	if a.config.URL != "" || a.viewer == nil {
		return a.config.URL
	}
	return a.Scheme() + "://" + reachable(a.Addr())
}

// startPeers links to others and finds out what this manager is to watch, before definitions
// are loaded.
func (a *App) startPeers() {
	m := a.peers.member
	plan, _ := a.loader.Dir(a.config.Definitions) // What is wrong is told when they are loaded.
	a.peers.devices.Know(plan)
	m.Start(context.Background())
	a.someAway()
	if err := a.peers.devices.Sweep(); err != nil {
		a.log.Warn("files of devices that others watch again could not be removed", "err", err)
	}
}

// peersChanged shows what is different about other managers, and has the journal say since when
// the tree of one is not heard.
func (a *App) peersChanged() {
	a.Tree.Report(a.showPeers()...)
	a.peers.showing.Lock()
	var news []journal.Entry
	for _, c := range a.peerConditions() {
		if !c.hangs || c.link == nil || a.peers.lost[c.state.ID] == !c.link.Up {
			continue
		}
		e := journal.Entry{Time: c.link.Since, Path: c.at, Kind: journal.Link, From: tree.White, To: tree.Green, Text: "link to " + c.state.Name + " is back"}
		if a.peers.lost[c.state.ID] = !c.link.Up; !c.link.Up {
			e.From, e.To, e.Text = tree.Green, tree.White, "link to "+c.state.Name+" lost"
		}
		news = append(news, e)
	}
	a.peers.showing.Unlock()
	if len(news) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), markWithin)
	defer cancel()
	if err := a.past.journal.Append(ctx, news...); err != nil {
		a.log.Error("that a link was lost, or is back, is not in the journal", "err", err)
	}
}

// countOrphans counts the devices of those to whom this manager is home that nobody can watch.
func (a *App) countOrphans(ctx context.Context) {
	m := a.peers.member
	if !m.Registry.Integrates() || m.Registry.Home().Home != "" {
		return // Its home counts them.
	}
	entries, _ := m.Duty.Devices(ctx) // This manager keeps the book itself.
	n := int64(0)
	for i := range entries {
		if entries[i].State == peerrest.Orphaned && entries[i].Fixed == "" {
			n++
		}
	}
	a.peers.orphans.Store(n)
}

// beginPeers goes on once the definitions are loaded.
func (a *App) beginPeers() {
	a.peers.devices.Begin(context.Background())
	a.peers.whole.Store(true)
	a.peers.coming.clear()
	a.run("past of devices", a.peers.past.Run)
}

// hung gives the nodes of another manager back what was tuned here before a restart.
func (a *App) hung(at tree.Path) {
	var paths []tree.Path
	if err := a.Tree.Walk(at, -1, func(n *tree.Node) bool { paths = append(paths, n.Path); return true }); err != nil {
		return // It is gone again.
	}
	// What they were else their owner tells.
	if err := a.past.memory.Retune(context.Background(), paths); err != nil {
		a.log.Error("thresholds that were tuned here are not in force again", "at", at.String(), "error", err)
	}
}

// journaled gives entries of the journal to those who follow it.
func (a *App) journaled(tx *store.Tx, entries []journal.Entry) error {
	if m := a.peers.member; m != nil {
		return m.Sender.Write(tx, entries)
	}
	return nil
}

// elsewhere says of a node that another manager remembers what happens to it.
func (a *App) elsewhere(p tree.Path) bool {
	m := a.peers.member
	return m != nil && (m.Elsewhere(p) || a.standsIn(p))
}

// unknown says of what time another manager has not told yet.
func (a *App) unknown(p tree.Path) (from, to time.Time, why string) {
	if m := a.peers.member; m != nil {
		return m.Receiver.Unknown(p)
	}
	return
}

// devicesChanged has home know of devices that changed.
func (a *App) devicesChanged(changes []tree.StatusChange) {
	m := a.peers.member
	if m == nil || m.Registry.Home().Home == "" {
		return
	}
	seen := map[string]bool{}
	for i := range changes {
		if spec := a.Tree.Spec(changes[i].Ref); spec != nil && spec.Owner != "" && !seen[spec.Owner] {
			seen[spec.Owner] = true
			if k, ok := a.peers.devices.KeyOf(spec.Owner); ok {
				m.Duty.Changed(k)
			}
		}
	}
}

// deviceReturned drops messages about a device that another manager has sent meanwhile.
func (a *App) deviceReturned(k duty.Key, p *parcel.Parcel) {
	at, ok := a.binder.Place(a.peers.devices.Name(k))
	if !ok || len(p.Told) == 0 {
		return
	}
	n, err := a.alerts.center.DropTold(context.Background(), at, func(x *alert.Alert) bool {
		below, ok := at.Below(x.Path)
		return ok && slices.ContainsFunc(p.Told, func(t parcel.Told) bool { return t.Path == below && t.Kind == string(x.Kind) && t.Status == x.Status })
	})
	if err != nil {
		a.log.Error("messages that another manager has sent cannot be dropped", "device", k.Name, "err", err)
	}
	if n > 0 {
		a.log.Info("messages that another manager has sent were dropped", "device", k.Name, "messages", n)
	}
}

// held says why messages about a node must wait.
func (a *App) held(p tree.Path) (why string, held bool) {
	if m := a.peers.member; m != nil {
		return m.Duty.Held(p)
	}
	return "", false
}

// sent keeps of which alerts people were told.
func (a *App) sent(m *channel.Message) {
	if d := a.peers.devices; d != nil && len(m.Alerts) > 0 {
		d.Told(m.Alerts, time.Now())
	}
}

// deviceMoved writes into the journal who watches a device from now on.
func (a *App) deviceMoved(m book.Move) {
	names := a.peers.member.NameOf
	text := m.Key.Name + " of " + names(m.Key.Owner) + " moved from " + names(m.From) + " to " + names(m.To) + ": " + string(m.Why)
	if m.Error != "" {
		text += ": " + m.Error
	}
	if r, ok := a.Tree.Lookup(movesPath); ok {
		a.Tree.Report(tree.Report{Node: r, Events: []tree.Event{{Time: m.Time, Status: tree.Green, Text: text}}})
	}
}

// movesPath is the log of what moved.
var movesPath = tree.MustPath("/grove/Peers/Moves")

// note writes a line into the journal.
func (a *App) note(kind journal.Kind, at tree.Path, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), markWithin)
	defer cancel()
	if err := a.past.journal.Append(ctx, journal.Entry{Time: time.Now(), Path: at, Kind: kind, Text: text}); err != nil {
		a.log.Error("a line is not in the journal", "line", text, "err", err)
	}
}

// messageReceived writes a message of another manager into the journal.
func (a *App) messageReceived(n registry.Note) {
	who := n.From.Name
	if n.By != "" {
		who = n.By
	}
	a.note(journal.Manager, tree.MustPath("/grove/Peers"), "message of "+who+": "+n.Text)
}
