package app

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"grove/notify/peer/duty"
	"grove/tree"
	"grove/tree/definition"
)

// away are the nodes that stand in the tree for own devices which other managers watch. They
// are white and alert nobody: here it is not known how the device is, and it counts where it
// is watched.
type away struct {
	mu     sync.Mutex
	places map[string]*awayPlace // by the name of the device
	news   chan struct{}         // has something when there are new ones
}

func newAway() *away { return &away{places: map[string]*awayPlace{}, news: make(chan struct{}, 1)} }

// awayPlace is what stands for one device.
type awayPlace struct {
	name  string
	at    tree.Path
	group bool // the group is there for it alone
	told  string
}

const (
	// awayNode is the name of the node that says who watches a device; it is always white.
	awayNode = "Watched by"
	// Properties of the group that stands for a device, besides tree.Elsewhere: where it hangs
	// in this tree while it is watched by another manager, or else on which page it is seen.
	awayPath, awayPage = "elsewhere_path", "elsewhere_page"
	// awayEvery is how often it is asked who watches devices that are away.
	awayEvery = 5 * time.Second
)

// clearAway makes room for devices that a plan watches here again.
func (a *App) clearAway(plan *definition.Plan) {
	w := a.away
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.places) == 0 {
		return
	}
	for _, i := range plan.Instances {
		if p := w.places[i.Name]; p != nil {
			a.removeAway(p)
			delete(w.places, i.Name)
		}
	}
}

// removeAway takes away what stands for a device. What others have below stays.
func (a *App) removeAway(p *awayPlace) {
	text, err := p.at.Child(awayNode)
	if err != nil {
		return // The name is good.
	}
	ops := []tree.Op{tree.Remove(text)}
	if p.group {
		ops = append(ops, tree.Release(p.at))
	}
	if err := a.Tree.Change(ops...); err != nil {
		a.log.Warn("the node that stands for a device which was away cannot be removed", "path", p.at.String(), "err", err)
	}
}

// markAway has nodes stand for the devices that others watch, and removes those of devices that
// no file asks for any more. It comes after the plan runs.
func (a *App) markAway() {
	w := a.away
	w.mu.Lock()
	defer w.mu.Unlock()
	gone := a.peers.devices.Gone()
	there := make(map[string]bool, len(gone))
	for _, i := range gone {
		there[i.Name] = true
		p := w.places[i.Name]
		if p != nil && p.at == i.At || i.At.IsRoot() {
			continue
		}
		if p != nil {
			a.removeAway(p)
		}
		delete(w.places, i.Name)
		if p := a.addAway(i); p != nil {
			w.places[i.Name] = p
		}
	}
	for name, p := range w.places {
		if !there[name] {
			a.removeAway(p)
			delete(w.places, name)
		}
	}
	if len(w.places) > 0 {
		select {
		case w.news <- struct{}{}:
		default:
		}
	}
}

// addAway has a node stand for a device, until it is known who watches it. It is nil when
// something else hangs there.
func (a *App) addAway(i *definition.Instance) *awayPlace {
	p := &awayPlace{name: i.Name, at: i.At}
	text, err := p.at.Child(awayNode)
	if err != nil {
		return nil // The name is good.
	}
	ops := []tree.Op{tree.Add(text, peerSpec(tree.Spec{
		Kind: tree.State, Description: "who watches the device " + i.Name + " in place of this manager", History: &tree.History{Off: true}, Alerting: &tree.Alerting{Rule: tree.AlertNever},
	}))}
	if _, taken := a.Tree.Lookup(p.at); !taken {
		p.group = true
		ops = append([]tree.Op{tree.Add(p.at, awaySpec(i.Title, map[string]string{tree.Elsewhere: "another manager watches it: grove peer devices says which"}))}, ops...)
	}
	if err := a.Tree.Change(ops...); err != nil {
		a.log.Warn("no node stands for a device that another manager watches", "device", i.Name, "path", p.at.String(), "err", err)
		return nil
	}
	return p
}

// awaySpec is the spec of a group that stands for a device.
func awaySpec(description string, properties map[string]string) *tree.Spec {
	return &tree.Spec{Kind: tree.Group, Description: description, Source: "grove", Properties: properties, Alerting: &tree.Alerting{Rule: tree.AlertNever}}
}

// keepAway says who watches the devices that are away until ctx ends.
func (a *App) keepAway(ctx context.Context) error {
	tick := time.NewTicker(awayEvery)
	defer tick.Stop()
	for {
		a.showAway(ctx)
		select {
		case <-tick.C:
		case <-a.away.news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// showAway brings what is said of devices that are away up to date.
func (a *App) showAway(ctx context.Context) {
	w := a.away
	w.mu.Lock()
	some := len(w.places) > 0
	w.mu.Unlock()
	if !some {
		return
	}
	asking, cancel := context.WithTimeout(ctx, awayEvery)
	defer cancel()
	entries, err := a.peers.member.Duty.Devices(asking)
	if err != nil && len(entries) == 0 {
		return // What was known goes on.
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		if p := w.places[e.Name]; p != nil && e.Owner == a.peers.member.ID() && e.Watcher != e.Owner {
			a.tellAway(p, e)
		}
	}
}

// tellAway says who watches a device, and where it is seen.
func (a *App) tellAway(p *awayPlace, e *duty.Entry) {
	m := a.peers.member
	who := m.NameOf(e.Watcher) + " watches " + p.name
	switch {
	case e.Watcher == "" || e.State == "orphaned":
		who = "nobody watches " + p.name
		if e.Reason != "" {
			who += ": " + e.Reason
		}
	case !e.Since.IsZero():
		who += " since " + e.Since.Local().Format("2 Jan 2006 15:04")
	}
	properties := map[string]string{tree.Elsewhere: who}
	if at, ok := m.Branches.Place(e.Watcher, e.At); ok {
		if _, hangs := a.Tree.Lookup(at); hangs {
			properties[tree.Elsewhere] += ": see " + at.String()
			properties[awayPath] = at.String()
		}
	}
	if s, ok := m.Get(e.Watcher); ok && properties[awayPath] == "" {
		if page := nodePage(s.URL, e); page != "" {
			properties[tree.Elsewhere] += ": see " + page
			properties[awayPage] = page
		} else {
			properties[tree.Elsewhere] += ": see it there"
		}
	}
	told := properties[tree.Elsewhere]
	if told == p.told {
		return
	}
	text, err := p.at.Child(awayNode)
	if err != nil {
		return // The name is good.
	}
	if p.group {
		if old, err := a.Tree.Node(p.at); err == nil {
			if err := a.Tree.Change(tree.Update(p.at, awaySpec(old.Spec.Description, properties))); err != nil {
				a.log.Warn("who watches a device cannot be told", "path", p.at.String(), "err", err)
				return
			}
		}
	}
	if r, ok := a.Tree.Lookup(text); ok {
		a.Tree.Report(tree.Report{Node: r, Reason: told})
		p.told = told
	}
}

// nodePage is where a device is seen on the page of the manager that watches it.
func nodePage(page string, e *duty.Entry) string {
	u, err := url.Parse(page)
	if page == "" || err != nil || u.Scheme != "http" && u.Scheme != "https" || e.At.IsRoot() {
		return ""
	}
	u.RawQuery, u.Fragment = "", ""
	return strings.TrimSuffix(u.String(), "/") + "/#/tree?node=" + strings.ReplaceAll(url.QueryEscape(e.At.String()), "%2F", "/")
}
