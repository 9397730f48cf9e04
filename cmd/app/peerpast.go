package app

import (
	"context"
	"maps"
	"sync"

	"grove/notify/peer"
	"grove/notify/peer/duty"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
	"grove/notify/peer/member"
	devicepast "grove/notify/peer/record/past"
	"grove/tree"
)

// watching tells those who bring along the past of devices which of them are watched here.
type watching struct {
	duty.Local
	a *App
}

var _ duty.Local = watching{}

// Watch implements duty.Local.
func (w watching) Watch(ctx context.Context, k duty.Key, p *parcel.Parcel) error {
	a := w.a
	var by peer.ID
	if p != nil {
		by = p.By
	}
	if by != "" && by != a.peers.member.ID() {
		a.peers.coming.add(k, p)
		if a.peers.whole.Load() { // Else the first loading of the definitions takes them.
			defer a.peers.coming.remove(k)
		}
	}
	err := w.Local.Watch(ctx, k, p)
	if err == nil {
		a.peers.past.Watched(devicepast.Device(k), by)
	}
	return err
}

// Unwatch implements duty.Local.
func (w watching) Unwatch(ctx context.Context, k duty.Key) (*parcel.Parcel, error) {
	if k.Owner == w.a.peers.member.ID() {
		w.a.peers.some.Store(true)
	}
	p, err := w.Local.Unwatch(ctx, k)
	if err == nil {
		w.a.peers.past.Left(devicepast.Device(k), p != nil)
	}
	return p, err
}

// coming are devices that are about to be watched here, with what others knew of them last.
type coming struct {
	mu  sync.Mutex
	all map[duty.Key]*parcel.Parcel
}

func (c *coming) add(k duty.Key, p *parcel.Parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[duty.Key]*parcel.Parcel{}
	}
	c.all[k] = p
}

func (c *coming) remove(k duty.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, k)
}

// clear forgets them all.
func (c *coming) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.all)
}

// list returns them.
func (c *coming) list() map[duty.Key]*parcel.Parcel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.all)
}

// recall gives the nodes of devices that come what others have seen of them last. What this
// manager remembers itself is from before it let them go.
func (a *App) recall() {
	for k, p := range a.peers.coming.list() {
		if err := a.peers.devices.Recall(k, p); err != nil {
			a.log.Warn("not all of what is known of a device that came could be kept", "device", k.Name, "err", err)
		}
	}
}

// standsIn says of a node that it is there for a device that another manager watches: what
// happens to it comes from there. Some says that there may be such nodes at all.
func (a *App) standsIn(p tree.Path) bool {
	if !a.peers.some.Load() {
		return false
	}
	r, ok := a.Tree.Lookup(p)
	if !ok {
		return false
	}
	spec := a.Tree.Spec(r)
	return spec != nil && spec.Properties[tree.Elsewhere] != ""
}

// someAway notes at the start whether devices are with other managers.
func (a *App) someAway() {
	for _, d := range a.peers.devices.Devices() {
		if !a.peers.member.Duty.May(d.Name) {
			a.peers.some.Store(true)
			return
		}
	}
}

// openPeerPast makes what brings the past of devices along.
func (a *App) openPeerPast(m *member.Member) {
	a.peers.past = devicepast.New(devicepast.Options{
		Store: a.past.facts, Journal: a.past.journal, History: a.past.samples, Fabric: m.Meter, Local: pastDevices{a, m}, Log: a.log,
	})
}

// pastDevices are the devices as their past is seen.
type pastDevices struct {
	a *App
	m *member.Member
}

var _ devicepast.Local = pastDevices{}

// Place implements past.Local.
func (l pastDevices) Place(d devicepast.Device) (at tree.Path, ok bool) {
	if i := l.a.peers.devices.Of(duty.Key(d)); i != nil {
		return i.At, true
	}
	return tree.Root, false
}

// Nodes implements past.Local.
func (l pastDevices) Nodes(d devicepast.Device) (list []devicepast.Node) {
	i := l.a.peers.devices.Of(duty.Key(d))
	if i == nil {
		return nil
	}
	add := func(p tree.Path, spec *tree.Spec) {
		below, ok := i.At.Below(p)
		if ok && (spec.Kind == tree.Performance || spec.Kind == tree.State) && (spec.History == nil || !spec.History.Off) {
			list = append(list, devicepast.Node{Below: below, Spec: spec})
		}
	}
	// Rows of tables have nodes that the definition does not name.
	name := l.a.peers.devices.Name(duty.Key(d))
	_ = l.a.Tree.Walk(i.At, -1, func(n *tree.Node) bool {
		if n.Spec != nil && n.Spec.Owner == name {
			add(n.Path, n.Spec)
		}
		return true
	})
	if len(list) == 0 {
		for n := range i.Nodes {
			add(i.Nodes[n].Path, i.Nodes[n].Spec)
		}
	}
	return list
}

// Its implements past.Local.
func (l pastDevices) Its(d devicepast.Device, path tree.Path) bool {
	name := l.a.peers.devices.Name(duty.Key(d))
	for p := path; !p.IsRoot(); p = p.Parent() {
		if r, ok := l.a.Tree.Lookup(p); ok {
			if spec := l.a.Tree.Spec(r); spec != nil && spec.Owner != "" {
				return spec.Owner == name
			}
		}
	}
	return true
}

// Held implements past.Local.
func (l pastDevices) Held(d devicepast.Device) (h devicepast.Held, ok bool) {
	hold, ok := l.m.Duty.Holds(duty.Key(d))
	if !ok {
		return h, false
	}
	return devicepast.Held{Watching: hold.Step == book.Watching, Gone: hold.Step == book.Gone, Since: hold.Since, Heir: hold.Heir}, true
}

// movesAsked is among how many moves it is looked for who is a party.
const movesAsked = 1000

// Party implements past.Local.
func (l pastDevices) Party(ctx context.Context, d devicepast.Device, id peer.ID) (bool, error) {
	moves, err := l.m.Duty.Moves(ctx, book.Query{Device: d.Name, Limit: movesAsked})
	for i := range moves {
		if m := &moves[i]; m.Key == duty.Key(d) && m.State == "done" && (m.To == id || m.From == id) {
			return true, nil
		}
	}
	return false, err
}

// deviceCame has the past of a device fetched that came from another manager.
func (a *App) deviceCame(k duty.Key, from peer.ID) { a.peers.past.Came(devicepast.Device(k), from) }
