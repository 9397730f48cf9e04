// Package device makes the instances of a manager devices that move between managers: it says
// which there are, packs one with all that is known of it, and begins and ends watching it.
// What was taken from others stands as files in a directory of its own, which the loader of
// definitions reads beside the drop-in directory.
package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty"
	"grove/notify/peer/duty/parcel"
	"grove/notify/peer/settings"
	"grove/tree"
	"grove/tree/alert"
	"grove/tree/definition"
	"grove/tree/maintenance"
)

// Alerts are the alerts of a manager, as far as a device takes them along.
type Alerts interface {
	// Release ends the alerts at and below a node without telling anybody, and returns those
	// that were open, since somebody else goes on with them.
	Release(ctx context.Context, under tree.Path, why string) ([]alert.Alert, error)
	// Adopt goes on with alerts that were open elsewhere, where people were told of them.
	Adopt(ctx context.Context, alerts []alert.Alert) error
	// TakeBack is Adopt for a device that somebody else has watched since: what was open here
	// below a node when it was last watched here ends without telling anybody.
	TakeBack(ctx context.Context, under tree.Path, why string, alerts []alert.Alert) error
	// Live yields the alerts that are open.
	Live(yield func(*alert.Alert) bool)
}

// Memories is where probes have what they remember, by the name of their instance, their own
// and their kind, with slashes between.
type Memories interface {
	Recall(name string) []byte
	Keep(name string, memory []byte)
}

// Options are the surroundings of Devices.
type Options struct {
	Self peer.ID
	// Dir is the directory of what was taken, for this package alone.
	Dir  string
	Tree *tree.Tree
	// Running returns what runs, and Instance what runs under a name; nil: nothing does.
	Running  func() []*definition.Instance
	Instance func(name string) *definition.Instance
	// Reload loads all definitions again; Amend has a changed plan run, unless there is an
	// error, without doing that. What they say runs when they return.
	Reload func()
	Amend  func(change func(*definition.Loader, *definition.Plan) (*definition.Plan, error)) error
	// Trial is a loader for trials, and Read returns the text of a file of a definition.
	Trial    *definition.Loader
	Read     func(file string) ([]byte, error)
	Memories Memories
	Alerts   Alerts
	Calendar *maintenance.Calendar
	Settings func() *settings.Settings
	// Secrets says that the directories were named which definitions may read secrets from:
	// devices of others have those alone.
	Secrets bool
	// May says whether the manager watches a device of its own, before Begin. It may ask for
	// the devices meanwhile.
	May func(name string) bool
	// NameOf is the name of a manager for people.
	NameOf func(peer.ID) string
	Log    *slog.Logger
}

// Devices are those of one manager. It implements duty.Local.
type Devices struct {
	o      Options
	lots   lots
	trials trials

	mu    sync.Mutex
	begun bool                               // the definitions were loaded once
	away  map[string]bool                    // own ones that others watch
	own   map[string]*definition.Instance    // by name, those that are away included
	keys  map[string]duty.Key                // by the name of the instance
	late  map[duty.Key]*parcel.Parcel        // what came before the definitions were loaded
	packs map[*definition.Definition]*packed // what was packed of definitions
	told  map[duty.Key][]parcel.Told         // what people were told of devices of others
	// list is what Devices returned last under the settings listed, since it is asked for with
	// each device that moves; nil: it is made again.
	list   []duty.Device
	listed *settings.Settings

	recalled recalls
}

var _ duty.Local = (*Devices)(nil)

// New returns the devices of a manager, none of which is away. What the directory has of
// before is forgotten by Begin, unless Watch has named it.
func New(o Options) (*Devices, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("taken devices: %w", err)
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return &Devices{o: o, away: map[string]bool{}, own: map[string]*definition.Instance{}, keys: map[string]duty.Key{}, late: map[duty.Key]*parcel.Parcel{}, packs: map[*definition.Definition]*packed{}, told: map[duty.Key][]parcel.Told{}}, nil
}

// Know says what the files of the manager have, before the definitions are loaded for the first
// time: home is told of its devices before it is known which of them it may watch.
func (d *Devices) Know(plan *definition.Plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.know(plan)
}

// know finds the devices in a plan; the lock is held.
func (d *Devices) know(plan *definition.Plan) {
	d.list = nil
	clear(d.own)
	clear(d.keys)
	used := map[*definition.Definition]bool{}
	for _, i := range plan.Instances {
		used[i.Defined()] = true
		if i.Application == manager {
			continue // Each has itself.
		}
		if !d.taken(i) {
			d.own[i.Name] = i
			d.keys[i.Name] = duty.Key{Owner: d.o.Self, Name: i.Name}
		} else if k, ok := keyOfFile(filepath.Base(i.File)); ok {
			d.keys[i.Name] = k
		}
	}
	maps.DeleteFunc(d.packs, func(of *definition.Definition, _ *packed) bool { return !used[of] })
}

// Sort takes the manager's own devices that others watch out of a plan. It is for who loads
// definitions, each time.
func (d *Devices) Sort(plan *definition.Plan) {
	// Who answers asks this manager for its devices meanwhile: nothing is held.
	others := map[string]bool{}
	for _, i := range plan.Instances {
		others[i.Name] = !d.o.May(i.Name)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.know(plan)
	for name := range d.own {
		if !d.begun && others[name] {
			d.away[name] = true
		}
	}
	plan.Instances = slices.DeleteFunc(plan.Instances, func(i *definition.Instance) bool {
		return d.away[i.Name] && d.own[i.Name] == i
	})
}

// Begin is called once the definitions were loaded for the first time: what is remembered of
// devices that were taken counts from now on.
func (d *Devices) Begin(ctx context.Context) {
	d.mu.Lock()
	d.begun = true
	late := d.late
	d.late = nil
	wanted := slices.Collect(maps.Keys(late))
	for name := range d.own {
		if !d.away[name] {
			wanted = append(wanted, duty.Key{Owner: d.o.Self, Name: name})
		}
	}
	d.mu.Unlock()
	// What Watch named after the files had been read does not run yet.
	if slices.ContainsFunc(wanted, func(k duty.Key) bool { return d.running(k) == nil }) {
		d.o.Reload()
	}
	for k, p := range late {
		if i := d.running(k); i == nil {
			d.o.Log.Error("a device that was taken from another manager cannot be watched", "device", k.Name, "from", d.o.NameOf(k.Owner), "err", d.whyNot(k))
		} else if err := errors.Join(d.adopt(ctx, k, i.At, p, k.Owner == d.o.Self), d.remember(ctx, i, p)); err != nil {
			d.o.Log.Warn("not all of what is known of a device that was taken could be kept", "device", k.Name, "from", d.o.NameOf(k.Owner), "err", err)
		}
	}
}

// manager is the application of the instance that watches the manager itself.
const manager = "grove"

// taken says whether an instance is a device of another manager.
func (d *Devices) taken(i *definition.Instance) bool {
	return strings.HasPrefix(i.File, d.o.Dir+string(filepath.Separator))
}

// Name is the name of the instance of a device: an own one has its own, one of another manager
// also the first digits of that one's ID, since names are unique with their owner alone.
func (d *Devices) Name(k duty.Key) string {
	if k.Owner == d.o.Self {
		return k.Name
	}
	return k.Name[:min(len(k.Name), 64-9)] + "." + string(k.Owner)[:8]
}

// KeyOf is the device that an instance is; ok is false for what is none.
func (d *Devices) KeyOf(instance string) (k duty.Key, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok = d.keys[instance]
	return k, ok
}

// Device implements duty.Local.
func (d *Devices) Device(path tree.Path) (duty.Key, bool) {
	for p := path; ; p = p.Parent() {
		if r, ok := d.o.Tree.Lookup(p); ok {
			if spec := d.o.Tree.Spec(r); spec != nil && spec.Owner != "" {
				return d.KeyOf(spec.Owner)
			}
		}
		if p.IsRoot() {
			return duty.Key{}, false
		}
	}
}

// running returns the instance of a device that runs.
func (d *Devices) running(k duty.Key) *definition.Instance {
	if i := d.o.Instance(d.Name(k)); i != nil && d.taken(i) == (k.Owner != d.o.Self) {
		return i
	}
	return nil
}

// Devices implements duty.Local.
func (d *Devices) Devices() []duty.Device {
	s := d.o.Settings()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.list != nil && d.listed == s {
		return d.list
	}
	list := make([]duty.Device, 0, len(d.own))
	for _, name := range slices.Sorted(maps.Keys(d.own)) {
		i := d.own[name]
		list = append(list, duty.Device{
			Name: name, Application: i.Application, At: i.At, Kinds: kinds(i), Identity: identity(i, s.Identity), Fixed: fixed(i, s.MoveLoopback),
		})
	}
	d.list, d.listed = list, s
	return list
}

// Gone lists the manager's own devices that others watch, by name.
func (d *Devices) Gone() (list []*definition.Instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(d.away)) {
		if i := d.own[name]; i != nil {
			list = append(list, i)
		}
	}
	return list
}

// Count is how many devices are watched here.
func (d *Devices) Count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(0, len(d.keys)-len(d.away))
}

// Watched is a device that is watched here.
type Watched struct {
	Key         duty.Key
	Application string
	At          tree.Path
	Identity    map[string]string
	Fixed       bool // it can be watched here alone
}

// Watched lists the devices that are watched here, those of other managers included.
func (d *Devices) Watched() []Watched {
	s := d.o.Settings()
	var list []Watched
	for _, i := range d.o.Running() {
		if k, ok := d.KeyOf(i.Name); ok {
			list = append(list, Watched{k, i.Application, i.At, identity(i, s.Identity), fixed(i, s.MoveLoopback) != ""})
		}
	}
	return list
}

// Watch implements duty.Local.
func (d *Devices) Watch(ctx context.Context, k duty.Key, p *parcel.Parcel) error {
	c := &coming{key: k, come: true}
	if k.Owner != d.o.Self {
		if p == nil {
			return errors.New("nothing came with the device")
		}
		if err := d.write(c, p); err != nil {
			return err
		}
	}
	if p != nil {
		for _, m := range p.Memories {
			if _, rest, ok := strings.Cut(m.Name, "/"); ok {
				d.o.Memories.Keep(d.Name(k)+"/"+rest, m.Data)
			}
		}
	}
	d.mu.Lock()
	if k.Owner == d.o.Self {
		delete(d.away, k.Name)
	}
	if !d.begun {
		if p != nil {
			d.late[k] = p
		}
		d.mu.Unlock()
		return nil
	}
	d.mu.Unlock()
	// The alerts come before the nodes, which turn red as soon as they are asked.
	top := c.at
	if k.Owner == d.o.Self {
		top = d.top(k, p)
	}
	err := d.adopt(ctx, k, top, p, k.Owner == d.o.Self && d.running(k) == nil)
	if d.running(k) == nil || c.news {
		d.carry(c)
	}
	i := d.running(k)
	if i == nil {
		if p != nil && err == nil {
			_, err = d.o.Alerts.Release(ctx, top, k.Name+" cannot be watched here")
		}
		err = errors.Join(fmt.Errorf("%s cannot be watched: %w", k.Name, d.whyNot(k)), err)
		if k.Owner != d.o.Self { // Somebody else is to watch it: it must not begin later.
			err = errors.Join(err, d.drop(k))
		}
		return err
	}
	return errors.Join(err, d.remember(ctx, i, p))
}

// takeBack goes on with alerts of an own device that another manager watches, or has watched:
// those that are open here are over, since that one knows which are open, and told people of the
// others. There are some when the device was not let go in good order, as after a kill.
func (d *Devices) takeBack(ctx context.Context, k duty.Key, top tree.Path, alerts []alert.Alert) error {
	if top.IsRoot() {
		return nil
	}
	return d.o.Alerts.TakeBack(ctx, top, "another manager watched "+k.Name, alerts)
}

// top is where an own device hangs here, or will.
func (d *Devices) top(k duty.Key, p *parcel.Parcel) tree.Path {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := d.own[k.Name]; i != nil {
		return i.At
	}
	if p != nil {
		return p.Instance.At
	}
	return tree.Root // Nothing came with it that needs a place.
}

// Told keeps that people were told of alerts, for the owners of devices that are watched here
// for them.
func (d *Devices) Told(alerts []alert.Alert, at time.Time) {
	for k := range alerts {
		a := &alerts[k]
		key, ok := d.Device(a.Path)
		if !ok || key.Owner == d.o.Self {
			continue
		}
		i := d.running(key)
		if i == nil {
			continue
		}
		below, ok := i.At.Below(a.Path)
		if !ok {
			continue
		}
		d.mu.Lock()
		said := append(d.told[key], parcel.Told{Path: below, Kind: string(a.Kind), Status: a.Status, At: at})
		d.told[key] = said[max(0, len(said)-parcel.MaxAlerts):]
		d.mu.Unlock()
	}
}

// Unwatch implements duty.Local.
func (d *Devices) Unwatch(ctx context.Context, k duty.Key) (*parcel.Parcel, error) {
	i := d.running(k)
	if i == nil {
		d.mu.Lock()
		if k.Owner == d.o.Self {
			d.away[k.Name] = true
		}
		delete(d.late, k)
		d.mu.Unlock()
		if k.Owner != d.o.Self {
			return nil, d.drop(k)
		}
		return nil, d.takeBack(ctx, k, d.top(k, nil), nil)
	}
	p, err := d.Pack(ctx, k)
	if err != nil {
		return nil, err
	}
	// From here on the alerts are those of who watches next: what its nodes do while they go
	// tells nobody.
	released, err := d.o.Alerts.Release(ctx, i.At, "another manager watches "+k.Name+" now")
	if err != nil {
		return nil, fmt.Errorf("alerts of %s: %w", k.Name, err)
	}
	p.Alerts = alerts(i.At, released)
	d.mu.Lock()
	delete(d.told, k)
	d.mu.Unlock()
	if k.Owner == d.o.Self {
		d.mu.Lock()
		d.away[k.Name] = true
		d.mu.Unlock()
	} else if err := d.drop(k); err != nil {
		return nil, errors.Join(err, d.o.Alerts.Adopt(ctx, released))
	}
	d.carry(&coming{key: k})
	if d.running(k) != nil {
		return nil, errors.Join(fmt.Errorf("%s goes on: its definitions cannot be loaded", k.Name), d.o.Alerts.Adopt(ctx, released))
	}
	return p, nil
}
