// Package twin finds the devices that several managers watch, so that each is there once:
// by one source, its primary, while the others, its secondaries, stand by.
//
// # The same
//
// Two devices are the same when people say so (Rules.Same), or when they are of the same
// application, of different managers, and the first mark of Rules.Identity that both have
// is equal. People can also part what that joins (Rules.Different). What is the same as
// the same is the same, unless that would join what a rule or people keep apart: then it is
// left apart, which at worst shows a device twice, and told as a [Contradiction].
//
// # The primary
//
// The primary is the one whose manager Rules.Prefer names first, then one that is not white,
// then the one of the manager with the lowest ID. In the tree of a manager that is itself
// among the sources its own goes first, unless Rules.Prefer names another before it. A
// secondary takes over when the link to the primary was lost, or the primary unwatched,
// for longer than [Hold], and the primary comes back when it was there for as long. While no
// source is alive, the last primary stays.
//
// What a secondary tells of what happened to a device is left out of the journal, as its nodes
// are of the tree. A device that moved from one manager to another is another matter: for a
// while both tell of it, but only one of them watches it at a time, so that what one tells the
// other does not. Its nodes hang once, and of what happened all is taken ([Twins.Repeated]).
// So it is with what one secondary tells from the moment on at which the primary is lost.
//
// # Alerts
//
// Only the manager of the primary tells people of alerts about the device; the others suppress
// theirs, with a reason that people can read at the node. What they alone see to be wrong is not
// told: the primary's view counts. A manager that knows several sources says so to those that
// tell it of them, every few seconds ([Word]), and they take that from managers which they have
// joined themselves (Options.Trust). It holds for [LeftFor]: who hears no more of it tells again
// itself. So when the primary dies, or is lost to the manager that knows both, a secondary
// tells after [Hold], and after LeftFor when that manager itself is lost. Two that are cut
// from each other while both watch the device both tell what happens meanwhile: neither can
// know that the other still tells.
//
// With its word goes of which alerts the primary has told people ([Told]). So who takes over
// does not tell these again, and tells when they are over; and when the primary is back, it
// goes on in the same way with what was told meanwhile.
//
// Where several managers decide about one device, of those that take each other's word the one
// with the lowest ID counts, and none makes that one primary whose alerts are left to another
// by a word that counts more.
package twin

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"grove/notify/peer"
	"grove/tree"
)

// Hold is how long something must last before another becomes the primary.
const Hold = 10 * time.Second

// Bounds of what is taken from other managers.
const (
	MaxDevices = 50000 // of one manager
	MaxMembers = 64    // sources of one device
	MaxMarks   = 16    // of one device
	MaxThrough = 4     // managers between
	maxText    = 256   // bytes of a name or a mark
)

// Device is one device as one manager watches it.
type Device struct {
	Manager     peer.ID   `json:"manager"`               // whose it is
	ManagerName string    `json:"managerName,omitempty"` // of that, for people
	Name        string    `json:"name"`                  // of the instance
	Application string    `json:"application"`
	At          tree.Path `json:"at"` // in the tree of the manager that tells of it
	// Identity are its marks, as Identify makes them.
	Identity map[string]string `json:"identity,omitempty"`
	Watched  bool              `json:"watched"`
	White    bool              `json:"white,omitempty"`
	// Through are the managers that told of it to one another, from the owner on, where the
	// owner itself does not.
	Through []peer.ID `json:"through,omitempty"`
}

// key names a source: a device, and who tells of it.
type key struct {
	via     peer.ID
	manager peer.ID
	name    string
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.manager, other.manager), cmp.Compare(k.name, other.name), cmp.Compare(k.via, other.via))
}

// source is a device, and how alive it has been.
type source struct {
	key
	Device
	came        time.Time // when it was told of first
	live, white steady
	leftBy      peer.ID // whose word has its manager leave alerts to another; nothing: it tells them
	told        []Told
}

// Rules say what is the same, and who is primary.
type Rules struct {
	Identity  []string   // marks, the strongest first
	Same      [][]string // by hand, "manager:device" each; the manager by its name or ID
	Different [][]string // each is none of the others
	Prefer    []string   // managers by name or ID, the first first
}

// Change is that the devices of a manager at a path are shown from now on, or are not.
type Change struct {
	Manager peer.ID // that tells of them
	At      tree.Path
	Hidden  bool
}

// Options are the surroundings of Twins.
type Options struct {
	Self peer.ID
	// Trust says whether the word of a manager counts; nil: that of all that are linked.
	Trust func(peer.ID) bool
	// Changed is told of changes, one call at a time and in order; it must not call Twins
	// except for Hidden and Left.
	Changed func([]Change)
	// Left is told that alerts about devices of this manager are left to others than before,
	// or that these have told of others; nil: nobody is. For it holds what does for Changed.
	Left func()
	Log  *slog.Logger // nil discards
}

// Twins knows who watches what. Its methods may be called from many goroutines.
type Twins struct {
	opts Options

	telling  sync.Mutex // held while Changed is called; taken before mu
	mu       sync.Mutex // guards all below
	rules    Rules
	sources  map[key]*source
	down     map[peer.ID]bool // links
	groups   []*group
	of       map[key]*group
	sights   map[peer.ID]map[tree.Path]sight // of all places of devices that have others
	heard    map[name]map[peer.ID]heard      // what was said, by who said it
	verdicts map[name]Word                   // of own devices with several sources
	lefts    map[name]Word                   // the last verdict of each that left them to another
	against  []Contradiction
}

// New returns Twins that know of no device.
func New(o Options) *Twins {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Trust == nil {
		o.Trust = func(peer.ID) bool { return true }
	}
	return &Twins{opts: o, sources: map[key]*source{}, down: map[peer.ID]bool{}, of: map[key]*group{}, sights: map[peer.ID]map[tree.Path]sight{}, heard: map[name]map[peer.ID]heard{}, verdicts: map[name]Word{}, lefts: map[name]Word{}}
}

// SetRules takes other rules.
func (t *Twins) SetRules(r Rules) {
	t.change(func(time.Time) bool {
		t.rules = Rules{Prefer: slices.Clone(r.Prefer), Same: r.Same, Different: r.Different}
		for _, mark := range r.Identity {
			t.rules.Identity = append(t.rules.Identity, markName(mark))
		}
		return true
	})
}

// Set takes the devices of which a manager tells, in place of those that it told of before.
// Those of this manager are its own. It takes at most MaxDevices, and says how many of them
// it left out or found malformed.
func (t *Twins) Set(via peer.ID, devices []Device) (leftOut int) {
	t.change(func(now time.Time) (anew bool) {
		told := map[key]bool{}
		for _, d := range devices {
			k := key{via, d.Manager, d.Name}
			s := t.sources[k]
			if s != nil && !told[k] && s.same(&d) && s.Watched == d.Watched && s.White == d.White {
				told[k] = true
				continue
			}
			if len(told) >= MaxDevices || told[k] || !d.sound() || slices.Contains(d.Through, t.opts.Self) {
				leftOut++
				continue
			}
			told[k] = true
			if s == nil || !s.same(&d) {
				anew = true
			}
			if s == nil {
				s = &source{key: k, came: now}
				t.sources[k] = s
			}
			s.Device = d
		}
		for k := range t.sources {
			if k.via == via && !told[k] {
				delete(t.sources, k)
				anew = true
			}
		}
		return anew
	})
	return leftOut
}

// sound says whether the parts of a device are within their bounds.
func (d *Device) sound() bool {
	if d.Manager.Check() != nil || d.Name == "" || len(d.Name) > maxText || len(d.Application) > maxText || len(d.ManagerName) > maxText || len(d.Identity) > MaxMarks || len(d.Through) > MaxThrough {
		return false
	}
	for mark, value := range d.Identity {
		if mark != markName(mark) || value == "" || Normal(mark, value) != value {
			return false
		}
	}
	return true
}

// same says whether nothing has changed that groups depend on.
func (d *Device) same(other *Device) bool {
	return d.ManagerName == other.ManagerName && d.Application == other.Application && d.At == other.At && maps.Equal(d.Identity, other.Identity) && slices.Equal(d.Through, other.Through)
}

// SetLink says whether the link to a manager is there. One of which nothing was said is.
func (t *Twins) SetLink(via peer.ID, up bool) {
	t.change(func(time.Time) bool {
		if up {
			delete(t.down, via)
		} else {
			t.down[via] = true
		}
		return false
	})
}

// Tick looks at what has lasted long enough by now. It is called every second or so.
func (t *Twins) Tick() { t.change(func(time.Time) bool { return false }) }

// change makes a change, and tells what came of it. Anew says that groups may differ.
func (t *Twins) change(do func(now time.Time) (anew bool)) {
	t.telling.Lock()
	defer t.telling.Unlock()
	t.mu.Lock()
	now := time.Now()
	anew := do(now)
	for _, s := range t.sources {
		s.live.see(s.Watched && !t.down[s.via] && !t.yielded(s), now)
		s.white.see(s.White, now)
	}
	if anew {
		t.regroup()
	}
	changes := t.choose(now)
	left := t.judge(now)
	t.mu.Unlock()
	if len(changes) > 0 && t.opts.Changed != nil {
		t.opts.Changed(changes)
	}
	if left && t.opts.Left != nil {
		t.opts.Left()
	}
}

// regroup finds anew what is the same. A primary stays one where it can.
func (t *Twins) regroup() {
	shown := map[key]bool{}
	for _, g := range t.groups {
		shown[g.shown.key] = true
	}
	all := slices.SortedFunc(maps.Values(t.sources), func(a, b *source) int { return a.key.compare(b.key) })
	t.groups, t.against = join(all, t.rules)
	clear(t.of)
	for _, g := range t.groups {
		for _, s := range g.members {
			t.of[s.key] = g
			if shown[s.key] && (g.shown == nil || t.before(s, g.shown)) {
				g.shown = s
			}
		}
	}
	for _, c := range t.against {
		t.opts.Log.Warn("devices are not joined", "devices", c.Devices, "why", c.Why)
	}
}

// sight is what is left out of what a manager tells of a place: the nodes, and what happened.
type sight struct{ hidden, repeated bool }

// choose finds the primaries, and returns what is shown from now on, or is not.
func (t *Twins) choose(now time.Time) (changes []Change) {
	sights := map[peer.ID]map[tree.Path]sight{}
	for _, g := range t.groups {
		was := g.shown
		g.shown = t.primary(g.members, g.shown, now)
		if was != nil && was != g.shown {
			t.opts.Log.Info("another source of a device is the primary", "device", g.shown.ref(), "before", was.ref())
		}
		next := t.next(g)
		for _, s := range g.members {
			places := sights[s.via]
			if places == nil {
				places = map[tree.Path]sight{}
				sights[s.via] = places
			}
			// Where several devices hang at one place, one that is shown shows it.
			other, shared := places[s.At]
			places[s.At] = sight{s != g.shown && (other.hidden || !shared), g.repeats(s, g.shown) && g.repeats(s, next) && (other.repeated || !shared)}
		}
	}
	for via, places := range sights {
		for at, is := range places {
			if is.hidden != t.sights[via][at].hidden {
				changes = append(changes, Change{via, at, is.hidden})
			}
		}
	}
	for via, places := range t.sights {
		for at, was := range places {
			if _, still := sights[via][at]; was.hidden && !still {
				changes = append(changes, Change{via, at, false})
			}
		}
	}
	slices.SortFunc(changes, func(a, b Change) int {
		// What is shown comes before what is hidden, so that no device is gone in between.
		if a.Hidden != b.Hidden {
			if b.Hidden {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.At.String(), b.At.String()))
	})
	t.sights = sights
	return changes
}

// Hidden says whether what a manager tells of a path of its tree is left out, since
// another source of that device is the primary. Of this manager's own it says so, too: its
// nodes stay, and count for nothing.
func (t *Twins) Hidden(via peer.ID, at tree.Path) bool { return t.sightOf(via, at).hidden }

// Repeated says whether what a manager tells of what happened at a path of its tree is left
// out, since another source of that device tells it. Of a device that moved, none is, and of
// the secondary that is to take over, none from the loss of the primary on.
func (t *Twins) Repeated(via peer.ID, at tree.Path) bool { return t.sightOf(via, at).repeated }

// sightOf is that of the nearest place of a device.
func (t *Twins) sightOf(via peer.ID, at tree.Path) sight {
	t.mu.Lock()
	defer t.mu.Unlock()
	places := t.sights[via]
	if len(places) == 0 {
		return sight{}
	}
	for ; ; at = at.Parent() {
		if is, known := places[at]; known || at.IsRoot() {
			return is
		}
	}
}

// Ref names a source for people and programs.
type Ref struct {
	Manager peer.ID   `json:"manager"`
	Name    string    `json:"managerName,omitempty"`
	Device  string    `json:"device"`
	Via     peer.ID   `json:"via"`
	Path    tree.Path `json:"path"` // in the tree of Via
	Live    bool      `json:"live"`
}

func (s *source) ref() Ref {
	return Ref{Manager: s.Manager, Name: s.ManagerName, Device: s.Name, Via: s.via, Path: s.At, Live: s.live.now}
}

// called is the name of a device in rules and errors: "berlin:switch-1".
func (s *source) called() string { return cmp.Or(s.ManagerName, string(s.Manager)) + ":" + s.Name }

// Group is one device with its sources.
type Group struct {
	Identity    string `json:"identity"` // the mark by which it was found, "address 10.0.0.1"
	Primary     Ref    `json:"primary"`
	Secondaries []Ref  `json:"secondaries"`
	Why         string `json:"why"` // these are the same, and this is the primary
}

// Contradiction is that devices would be the same by one rule and are not by another.
type Contradiction struct {
	Devices []string `json:"devices"` // "manager:device", at most ten
	Why     string   `json:"why"`
}

// Groups returns the devices that several sources tell of, by their primaries, and what
// keeps others apart.
func (t *Twins) Groups() ([]Group, []Contradiction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	groups := make([]Group, 0, len(t.groups))
	for _, g := range t.groups {
		out := Group{Identity: g.mark, Primary: g.shown.ref(), Why: strings.Join(g.why, "; ") + "; " + t.reason(g), Secondaries: []Ref{}}
		for _, s := range g.members {
			if s != g.shown {
				out.Secondaries = append(out.Secondaries, s.ref())
			}
		}
		groups = append(groups, out)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Primary.Manager, b.Primary.Manager), cmp.Compare(a.Primary.Device, b.Primary.Device))
	})
	return groups, slices.Clone(t.against)
}
