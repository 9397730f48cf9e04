package duty

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/peertest"
	"grove/notify/peer/registry"
	"grove/tree"
)

// numbers are tokens that only rise, as package lease gives them.
type numbers struct {
	mu   sync.Mutex
	last int64
}

func (n *numbers) Token(_ context.Context, above int64) (int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = max(n.last, above) + 1
	return n.last, nil
}

// homes is a world of managers with real registries, of which those in capitals integrate:
// there may be several homes, and links between any two may be cut.
type homes struct {
	*world
	registries map[peer.ID]*registry.Registry
	stop       map[peer.ID]func()
	double     time.Duration // how long a device has been watched twice with right
}

// newHomes starts managers of one device each, called "of" and the name of its owner.
func newHomes(t *testing.T, seed uint64, names ...string) *homes {
	w := &homes{registries: map[peer.ID]*registry.Registry{}, stop: map[peer.ID]func(){}}
	w.world = &world{t: t, net: peertest.New(seed), all: map[peer.ID]*manager{}, stop: make(chan struct{}), worst: map[Key]time.Time{}, home: "nobody"}
	for _, name := range names {
		m := &manager{w: w.world, id: id(name), name: name, disk: newDisk(), standIns: []string{"*"}, capacity: 100}
		m.devices = []Device{{Name: "of" + name, Application: "switch", At: tree.MustPath("/of" + name), Kinds: []string{"snmp"}}}
		w.all[id(name)] = m
	}
	for _, name := range names {
		w.run(name)
	}
	t.Cleanup(func() {
		for _, name := range names {
			w.kill(name)
		}
	})
	pass(20 * time.Second)
	return w
}

// run starts one.
func (w *homes) run(name string) {
	m := w.all[id(name)]
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{m: m, cancel: cancel, watches: map[Key]int{}}
	member := w.net.Join(m.id)
	r, err := registry.New(ctx, registry.Options{
		Fabric: member, Leases: &numbers{},
		Self: func() peer.Manager {
			return peer.Manager{Name: name, Version: "1", Protocol: peer.Protocol, Capacity: 100, Integrates: name < "a"}
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	o := options(l, member)
	o.Roster = &registered{r, m.id}
	d, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	l.duty = d
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	w.mu.Lock()
	m.life = l
	w.mu.Unlock()
	w.registries[m.id] = r
	running.Go(func() {
		if err := d.Start(ctx); err != nil && !l.dead.Load() {
			w.t.Errorf("start of %s: %v", name, err)
		}
		for _, own := range m.devices {
			if d.May(own.Name) && !l.dead.Load() {
				_ = l.Watch(ctx, Key{Owner: m.id, Name: own.Name}, nil)
			}
		}
		_ = d.Run(ctx)
	})
	w.stop[m.id] = func() {
		w.net.Leave(m.id)
		l.dead.Store(true)
		cancel()
		running.Wait()
	}
}

// kill ends one as kill -9 does.
func (w *homes) kill(name string) {
	w.mu.Lock()
	dead := w.all[id(name)].life == nil
	w.all[id(name)].life = nil
	w.mu.Unlock()
	if !dead {
		w.stop[id(name)]()
	}
}

// part cuts all links between two parts of the network, or mends them.
func (w *homes) part(a, b string, cut bool) {
	for _, x := range a {
		for _, y := range b {
			w.net.Cut(id(string(x)), id(string(y)), cut)
			w.net.Cut(id(string(y)), id(string(x)), cut)
		}
	}
}

// meeting is for how long two may both watch a device with right after homes that were cut
// from each other meet again, until they know of each other what they have decided.
const meeting = 15 * time.Second

// last lets time pass, and holds that nothing is watched twice with right for longer than is
// allowed at a time.
func (w *homes) last(d, allowed time.Duration) {
	w.t.Helper()
	const step = 200 * time.Millisecond
	for end := time.Now().Add(d); time.Now().Before(end); {
		pass(step)
		w.look()
		if len(w.faults) == 0 {
			w.double = 0
			continue
		}
		if w.double += step; w.double > allowed {
			w.t.Errorf("for longer than %v: %s", allowed, w.faults[0])
		}
		w.faults = nil
	}
}

// righteous returns who watches a device with right.
func (w *homes) righteous(owner string) (who string) {
	k := Key{Owner: id(owner), Name: "of" + owner}
	for _, i := range slices.Sorted(mapKeys(w.all)) {
		if m := w.all[i]; m.life != nil && m.life.rightful(k) {
			who += m.name
		}
	}
	return who
}

func mapKeys(all map[peer.ID]*manager) func(yield func(peer.ID) bool) {
	return func(yield func(peer.ID) bool) {
		for k := range all {
			if !yield(k) {
				return
			}
		}
	}
}

// right holds who watches devices with right, as in "a: a, b: c".
func (w *homes) right(owner, want string) {
	w.t.Helper()
	if who := w.righteous(owner); who != want {
		w.t.Errorf("after %v: the device of %s is watched with right by %q, not by %q", time.Since(start(nil)), owner, who, want)
	}
}

// well holds that everybody who lives watches what is its own, with right, and nobody else does.
func (w *homes) well() {
	w.t.Helper()
	for _, m := range w.all {
		if m.life != nil {
			w.right(m.name, m.name)
			if who := w.everybody(m.name); who != m.name {
				w.t.Errorf("the device of %s is watched by %q", m.name, who)
			}
		}
	}
}

// everybody returns who watches a device, with right or without.
func (w *homes) everybody(owner string) (who string) {
	k := Key{Owner: id(owner), Name: "of" + owner}
	for _, i := range slices.Sorted(mapKeys(w.all)) {
		if m := w.all[i]; m.life != nil {
			m.life.mu.Lock()
			if _, ok := m.life.watches[k]; ok {
				who += m.name
			}
			m.life.mu.Unlock()
		}
	}
	return who
}

// registered is a registry as duty sees it, as package member has it.
type registered struct {
	r    *registry.Registry
	self peer.ID
}

func (r *registered) Managers() []peer.Manager {
	all := []peer.Manager{r.r.Self()}
	for _, s := range r.r.Present() {
		all = append(all, s.Manager)
	}
	return all
}

func (r *registered) State(id peer.ID) State {
	if id == r.self {
		return Live
	}
	s, _ := r.r.Get(id)
	return map[registry.Standing]State{
		registry.Live: Live, registry.Suspect: Silent, registry.CutOff: CutOff, registry.Dead: Dead, registry.Gone: Left,
	}[s.State]
}

func (r *registered) Home() peer.ID { return r.r.Home().Home }

func (r *registered) Homes() (all []peer.ID) {
	for _, s := range r.r.Present() {
		if s.Integrates && s.State == registry.Live {
			all = append(all, s.ID)
		}
	}
	return all
}

func (r *registered) Acts(owner peer.ID) bool {
	s, ok := r.r.Get(owner)
	return ok && s.Mine
}

func (r *registered) Term(owner peer.ID) (int64, peer.ID) { return r.r.Term(owner) }

func (r *registered) Lease(home peer.ID) (int64, time.Time) {
	h := r.r.Home()
	if h.Home != home || h.Left <= 0 {
		return h.Token, time.Time{}
	}
	return h.Token, time.Now().Add(h.Left)
}

// TestTwoHomes cuts a network with two integration managers in two in all ways that matter:
// while it is cut no device is watched twice with right and the larger part goes on as a
// whole, and in the end all is as it was.
func TestTwoHomes(t *testing.T) {
	for name, c := range map[string]struct {
		names, part, rest string
		right             map[string]string // while it is cut
	}{
		"the second home is alone":     {"HKabc", "K", "Habc", map[string]string{"a": "a", "b": "b"}},
		"the first home is alone":      {"HKabc", "H", "Kabc", map[string]string{"a": "a", "b": "b", "c": "c"}},
		"the first home with a few":    {"HKabc", "Ha", "Kbc", map[string]string{"b": "b", "c": "c"}},
		"the first home with most":     {"HKabc", "Hab", "Kc", map[string]string{"a": "a", "b": "b"}},
		"a spoke is alone":             {"HKabc", "a", "HKbc", map[string]string{"b": "b", "c": "c"}},
		"the homes do not hear at all": {"HKabc", "H", "K", map[string]string{"a": "a", "b": "b", "c": "c"}},
		"half and half":                {"HKab", "Ha", "Kb", map[string]string{"a": "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newHomes(t, 1, split(c.names)...)
				w.well()
				w.part(c.part, c.rest, true)
				w.last(40*time.Second, 0)
				for owner, want := range c.right {
					w.right(owner, want)
				}
				w.last(30*time.Second, 0)
				w.part(c.part, c.rest, false)
				w.last(time.Minute, meeting)
				w.well()
			})
		})
	}
}

// TestStray: who watched a device as this manager had decided is told when another one does
// under a later epoch, and nobody else is.
func TestStray(t *testing.T) {
	k := Key{Owner: id("b"), Name: "ofb"}
	row := func(watcher string, epoch int64) *book.Row {
		return &book.Row{Key: k, Watcher: id(watcher), Epoch: epoch}
	}
	v := &view{leased: func(m peer.ID) bool { return m == id("a") }}
	for name, c := range map[string]struct {
		was, is *book.Row
		want    *order
	}{
		"another one watches it":       {row("a", 4), row("b", 5), &order{Key: k, Epoch: 4, Next: 5, Heir: id("b"), From: id("a")}},
		"nobody was known to":          {nil, row("b", 5), nil},
		"it is the same":               {row("a", 4), row("a", 5), nil},
		"it is no later":               {row("a", 5), row("b", 5), nil},
		"this manager is not its home": {row("c", 4), row("b", 5), nil},
	} {
		if diff := cmp.Diff(c.want, v.stray(c.was, c.is)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// split returns the letters of a text.
func split(text string) (all []string) {
	for _, x := range text {
		all = append(all, string(x))
	}
	return all
}

// TestHomeAndSpokeDie: a home dies together with one that registered with it, and the second
// home has all of both watched, since most have chosen it.
func TestHomeAndSpokeDie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newHomes(t, 1, "H", "K", "a", "b", "c")
		w.kill("H")
		w.kill("a")
		w.last(25*time.Second, 0)
		for _, owner := range []string{"H", "a"} {
			if who := w.righteous(owner); len(who) != 1 {
				t.Errorf("the device of %s is watched with right by %q", owner, who)
			}
		}
		w.right("b", "b")
		if who := w.everybody("K"); who != "K" {
			t.Errorf("the device of K is watched by %q", who)
		}
	})
}

// TestRandomHomes cuts links of a network with two homes at random.
func TestRandomHomes(t *testing.T) {
	runs := 4
	if n, err := strconv.Atoi(os.Getenv("GROVE_TEST_SEEDS")); err == nil {
		runs = n
	}
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { randomHomes(t, seed) })
		})
	}
}

func randomHomes(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	names := split("HKabcd")[:4+seed%3]
	w := newHomes(t, seed, names...)
	var said []string
	begin := time.Now()
	say := func(format string, args ...any) {
		said = append(said, fmt.Sprintf("%8v ", time.Since(begin))+fmt.Sprintf(format, args...))
	}
	for range 12 {
		a, b := names[random.IntN(len(names))], names[random.IntN(len(names))]
		switch random.IntN(5) {
		case 0, 1:
			var part, rest string
			for _, n := range names {
				if random.IntN(2) == 0 {
					part += n
				} else {
					rest += n
				}
			}
			say("cut %s from %s", part, rest)
			w.part(part, rest, true)
		case 2:
			say("cut %s to %s", a, b)
			w.net.Cut(id(a), id(b), true)
		case 3:
			say("mend all")
			for _, n := range names {
				w.part(n, fmt.Sprint(names), false)
			}
		case 4:
			if l := w.all[id(a)].life; l != nil {
				say("%s gives its device to %s", a, b)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				_ = l.duty.Give(ctx, "of"+a, Wish{To: b, Until: time.Now().Add(time.Minute)})
				cancel()
			}
		}
		w.last(time.Duration(random.IntN(15000))*time.Millisecond, meeting)
		if t.Failed() {
			break
		}
	}
	say("the end")
	for _, n := range names {
		w.part(n, fmt.Sprint(names), false)
	}
	w.last(200*time.Second, meeting)
	w.well()
	if t.Failed() {
		for _, s := range said {
			t.Log(s)
		}
		for _, i := range slices.Sorted(mapKeys(w.all)) {
			m := w.all[i]
			h := w.registries[i].Home()
			t.Logf("%s: home %s, left %v", m.name, h.Home, h.Left)
			for _, s := range w.registries[i].Present() {
				term, before := w.registries[i].Term(s.ID)
				t.Logf("   %s %s by %s home %s mine %t term %d after %s", s.Name, s.State, s.By, s.Home, s.Mine, term, before)
			}
			for _, r := range m.disk.rows {
				t.Logf("   row %s", r)
			}
			for _, r := range m.disk.holds {
				t.Logf("   hold %s", r)
			}
		}
	}
}
