package app

import (
	"slices"
	"strings"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/authority"
	"grove/notify/peer/branch"
	"grove/notify/peer/member"
	"grove/notify/peer/registry"
	"grove/tree"
)

// peerCondition is how it is with one other manager.
type peerCondition struct {
	state  registry.State
	link   *peer.Link // nil: there is none
	hangs  bool       // its tree hangs here, at at
	at     tree.Path
	nodes  int
	behind int64         // entries of its journal that are missing here
	late   time.Duration // how old the oldest of them is
	// entries of its journal that came, by what became of them.
	entries map[string]uint64
}

// peerConditions are those of all managers that are known, by ID.
func (a *App) peerConditions() (list []peerCondition) {
	m := a.peers.member
	links := map[peer.ID]peer.Link{}
	for _, l := range m.Fabric.Links() {
		links[l.Peer] = l
	}
	for _, s := range m.Present() {
		c := peerCondition{state: s}
		if l, ok := links[s.ID]; ok {
			c.link = &l
		}
		list = append(list, c)
	}
	find := func(id peer.ID) *peerCondition {
		k := slices.IndexFunc(list, func(c peerCondition) bool { return c.state.ID == id })
		if k < 0 {
			return &peerCondition{}
		}
		return &list[k]
	}
	for _, s := range m.Branches.State() {
		c := find(s.Peer)
		if c.nodes += s.Nodes; !c.hangs && s.Phase != branch.Joining {
			c.hangs, c.at = true, s.At
		}
	}
	for _, s := range m.Receiver.Sources() {
		c := find(s.Peer)
		c.entries = map[string]uint64{"taken": s.Taken, "left": s.Left, "hidden": s.Hidden, "refused": s.Refused, "missed": s.Missed}
		if c.behind = s.Behind; s.Behind > 0 && !s.Known.IsZero() {
			c.late = max(0, time.Since(s.Known))
		}
	}
	return list
}

// peersPath is below which each manager has a group.
var peersPath = tree.MustPath("/grove/Peers")

// How a link is, for its node.
const linkUp = "up"

// linkState says how the way to a manager is. One that is reached by others alone has none.
func (c *peerCondition) linkState() tree.Value {
	switch {
	case c.link == nil && c.state.State == registry.Live:
		return tree.Text("through another manager")
	case c.link == nil:
		return tree.Text(string(c.state.State))
	case !c.link.Up:
		if c.state.State == registry.Gone {
			return tree.Text(string(c.state.State))
		}
		return tree.Text("lost")
	}
	return tree.Text(linkUp)
}

// peerShows are the nodes of one manager.
var peerShows = []struct {
	name  string
	spec  tree.Spec
	value func(c *peerCondition) tree.Value
}{
	{"Link", tree.Spec{Kind: tree.State, Description: "whether the link to the manager is up", Threshold: &tree.Threshold{States: map[string]tree.Status{
		linkUp: tree.Green, "through another manager": tree.Green, string(registry.Gone): tree.White, string(registry.Known): tree.White, "*": tree.Red,
	}}, Alerting: &tree.Alerting{Vital: 1, EventType: "communicationsAlarm", ProbableCause: "linkFailure", Repair: "look at the other manager, and at the network between; grove peers says more"}},
		func(c *peerCondition) tree.Value { return c.linkState() }},
	{"State", tree.Spec{Kind: tree.State, Description: "whether the manager lives, as far as any manager knows", Threshold: &tree.Threshold{States: map[string]tree.Status{
		string(registry.Live): tree.Green, string(registry.Suspect): tree.Yellow, string(registry.CutOff): tree.Yellow, string(registry.Gone): tree.White, string(registry.Known): tree.White, "*": tree.Red,
	}}}, func(c *peerCondition) tree.Value { return tree.Text(string(c.state.State)) }},
	{"Round trip", tree.Spec{Kind: tree.Performance, Unit: "s", Threshold: above(1, 10), Description: "time of a ping to the manager and back"}, func(c *peerCondition) tree.Value {
		if c.link == nil || !c.link.Up || c.link.RoundTrip == 0 {
			return tree.Value{}
		}
		return tree.Number(c.link.RoundTrip.Seconds())
	}},
	{"Waiting", tree.Spec{Kind: tree.Performance, Unit: "bytes", Threshold: above(16<<20, 48<<20), Description: "bytes that the network has not taken yet"}, func(c *peerCondition) tree.Value {
		if c.link == nil || !c.link.Up {
			return tree.Value{}
		}
		return tree.Number(float64(c.link.Waiting))
	}},
	{"Messages", tree.Spec{Kind: tree.Performance, Unit: "messages/s", Description: "messages of others that the manager answers"}, func(c *peerCondition) tree.Value {
		if c.state.State != registry.Live {
			return tree.Value{}
		}
		return tree.Number(c.state.PerSecond)
	}},
	{"Saturation", tree.Spec{Kind: tree.Performance, Unit: "%", Threshold: above(80, 95), Description: "part of the time that the manager spends on messages of others; at 100 % they wait"}, func(c *peerCondition) tree.Value {
		if c.state.State != registry.Live {
			return tree.Value{}
		}
		return tree.Number(100 * c.state.Saturation)
	}},
	{"Behind", tree.Spec{Kind: tree.Performance, Unit: "s", Threshold: above(60, 3600), Description: "how old the oldest entry of its journal is that is not here yet"}, func(c *peerCondition) tree.Value {
		return tree.Number(c.late.Seconds())
	}},
	{"Devices", tree.Spec{Kind: tree.Performance, Unit: "devices", Description: "devices that the manager watches"}, func(c *peerCondition) tree.Value {
		if c.state.State != registry.Live {
			return tree.Value{}
		}
		return tree.Number(float64(c.state.Devices))
	}},
}

// How this manager listens, for its node.
const listening, nowhere = "listening", "nowhere, as its file says"

// deafText says why nobody can link to this manager; it is empty while others can, or are not
// to.
func deafText(m *member.Member) string {
	err := m.Deaf()
	if err == nil {
		return ""
	}
	return "cannot listen on " + strings.Join(m.Settings().Listen, ", ") + ": " + strings.TrimPrefix(err.Error(), "listen: ")
}

// ownPeerShows are the nodes about this manager among others, once there are any.
var ownPeerShows = []struct {
	name  string
	spec  tree.Spec
	value func(a *App) tree.Value
}{
	{"State", tree.Spec{Kind: tree.State, Threshold: working, Description: "whether the file of peers can be read; what it said before goes on while it cannot"}, func(a *App) tree.Value {
		if errs := a.peers.member.State().Errors; len(errs) > 0 {
			return tree.Text(errs.Sorted()[0].Error())
		}
		return tree.Text("working")
	}},
	{"Listening", tree.Spec{Kind: tree.State, Description: "whether others can link to this manager where its file of peers has it listen", Threshold: &tree.Threshold{States: map[string]tree.Status{
		listening: tree.Green, nowhere: tree.White, "*": tree.Red,
	}}, Alerting: &tree.Alerting{EventType: "communicationsAlarm", ProbableCause: "localNodeTransmissionError", Repair: "end what else listens there, or say another address in peers.yaml; it is tried again every 5 seconds"}}, func(a *App) tree.Value {
		m := a.peers.member
		switch err := m.Deaf(); {
		case err != nil:
			return tree.Text(deafText(m))
		case len(m.Settings().Listen) == 0:
			return tree.Text(nowhere)
		}
		return tree.Text(listening)
	}},
	{"Certificate", tree.Spec{Kind: tree.Performance, Unit: "h", Threshold: &tree.Threshold{Yellow: tree.BelowLevel(4, 4), Red: tree.BelowLevel(0.1, 0.1)}, Description: "for how long the certificates of this manager are good that it has from others, which renew them"}, func(a *App) tree.Value {
		uppers := a.peers.member.Authority.Uppers()
		if len(uppers) == 0 {
			return tree.Value{}
		}
		first := slices.MinFunc(uppers, func(x, y authority.Upper) int { return x.Ends.Compare(y.Ends) })
		return tree.Number(time.Until(first.Ends).Hours())
	}},
	{"Devices", tree.Spec{Kind: tree.Performance, Unit: "devices", Description: "devices that this manager watches"}, func(a *App) tree.Value {
		return tree.Number(float64(a.peers.member.Registry.Self().Devices))
	}},
	{"Orphaned", tree.Spec{Kind: tree.Performance, Unit: "devices", Threshold: &tree.Threshold{Red: tree.AboveLevel(0, 0)}, Description: "devices of managers that are gone, which nobody can watch: grove peer devices says why"}, func(a *App) tree.Value {
		return tree.Number(float64(a.peers.orphans.Load()))
	}},
	{"Moves", tree.Spec{Kind: tree.Log, Description: "devices that moved from one manager to another"}, nil},
}

// peerSpec is the spec of a node that this manager feeds itself.
func peerSpec(spec tree.Spec) *tree.Spec {
	spec.Mode, spec.Source = tree.Push, "grove"
	return &spec
}

// showPeers makes the groups of managers that came, takes away those of managers that are
// forgotten, and returns the reports of all.
func (a *App) showPeers() (reports []tree.Report) {
	a.peers.showing.Lock()
	defer a.peers.showing.Unlock()
	conditions := a.peerConditions()
	there := map[string]bool{}
	var ops []tree.Op
	if len(conditions) == 0 && len(a.peers.member.Ways()) == 0 && a.peers.member.Deaf() == nil && !a.peers.own {
		return nil // This manager works alone.
	}
	for _, n := range ownPeerShows {
		at, err := peersPath.Child(n.name)
		if err != nil {
			continue // The names are good.
		}
		if !a.peers.own {
			ops = append(ops, tree.Add(at, peerSpec(n.spec)))
		}
	}
	for i := range conditions {
		group, ok := peerGroup(&conditions[i])
		if !ok || there[group.String()] {
			continue
		}
		there[group.String()] = true
		for _, n := range peerShows {
			at, err := group.Child(n.name)
			if err != nil {
				continue // The names are good.
			}
			if !a.peers.shown[group.String()] {
				ops = append(ops, tree.Add(at, peerSpec(n.spec)))
			}
		}
	}
	for name := range a.peers.shown {
		if !there[name] {
			ops = append(ops, tree.Remove(tree.MustPath(name)))
			delete(a.peers.shown, name)
		}
	}
	if len(ops) > 0 {
		if err := a.Tree.Change(ops...); err != nil {
			a.log.Error("other managers cannot be shown", "error", err)
			return nil
		}
	}
	for name := range there {
		a.peers.shown[name] = true
	}
	a.peers.own = true
	report := func(group tree.Path, name string, v tree.Value, why string) {
		at, err := group.Child(name)
		if err != nil {
			return // The names are good.
		}
		if r, ok := a.Tree.Lookup(at); !ok {
		} else if v.IsNone() {
			reports = append(reports, tree.Report{Node: r, Reason: why})
		} else {
			reports = append(reports, tree.Report{Node: r, Value: v})
		}
	}
	for _, n := range ownPeerShows {
		if n.value != nil {
			report(peersPath, n.name, n.value(a), "this manager has joined no other one")
		}
	}
	for i := range conditions {
		group, ok := peerGroup(&conditions[i])
		if !ok {
			continue
		}
		for _, n := range peerShows {
			report(group, n.name, n.value(&conditions[i]), "nothing is known of it: the manager is "+string(conditions[i].state.State))
		}
	}
	return reports
}

// peerGroup is the group of a manager, the one that package branch names; ok is false for one
// with which this manager has nothing to do.
func peerGroup(c *peerCondition) (tree.Path, bool) {
	if c.link == nil && !c.hangs && !c.state.Registered {
		return tree.Root, false // It is known by hearsay: others show it.
	}
	link, err := branch.LinkPath(c.state.Name)
	if err != nil || c.state.Name == "" {
		return tree.Root, false
	}
	return link.Parent(), true
}
