package duty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/duty/book"
	"grove/notify/peer/duty/parcel"
	"grove/notify/peer/peertest"
	"grove/tree"
)

// leaseTime is how long a lease is in these tests; lostTime is after how long a manager
// that is not heard is silent.
const (
	leaseTime = 5 * time.Second
	lostTime  = 2500 * time.Millisecond
)

// id makes the ID of a manager from a letter.
func id(name string) peer.ID { return peer.ID(fmt.Sprintf("%016x", name[0])) }

// world is some managers, their network, their disks, and what a registry would know.
type world struct {
	t      *testing.T
	net    *peertest.Net
	mu     sync.Mutex
	all    map[peer.ID]*manager
	heard  map[[2]peer.ID]time.Time // by whom, who
	ours   map[[2]peer.ID]time.Time // until when a home counts the lease of a member
	given  map[[2]peer.ID]time.Time // until when a member counts it
	token  map[[2]peer.ID]int64
	dead   map[[2]peer.ID]bool // the verdict of a home about a member
	cut    map[[2]peer.ID]bool
	home   peer.ID
	others []peer.ID // that could be home
	// strangers are linked, and not registered with anybody.
	strangers map[peer.ID]bool
	untold    bool // nobody says how often the home has changed
	term      int64
	stop      chan struct{}
	ended     sync.WaitGroup
	worst     map[Key]time.Time // since when nobody watches a device
	gap       time.Duration     // the longest that nobody watched one
	// point is called at each step at which a manager may be killed or a message lost; true
	// loses the message, or has the write fail.
	point  func(m *manager, what string) (lose bool)
	faults []string
}

// manager is one of them over all its lives.
type manager struct {
	w        *world
	id       peer.ID
	name     string
	disk     *disk
	devices  []Device
	standIns []string
	kinds    []string
	capacity int
	lacks    map[string]error // what Check says of a device

	life *life // nil: it is dead
}

// life is one process of a manager.
type life struct {
	m       *manager
	duty    *Duty
	cancel  context.CancelFunc
	dead    atomic.Bool
	running sync.WaitGroup

	mu      sync.Mutex
	watches map[Key]int // what is seen: how often the device has changed, as far as it knows
	came    []Key
	back    []Key
}

func newWorld(t *testing.T, seed uint64, names ...string) *world {
	w := &world{
		t: t, net: peertest.New(seed), all: map[peer.ID]*manager{}, heard: map[[2]peer.ID]time.Time{}, ours: map[[2]peer.ID]time.Time{},
		given: map[[2]peer.ID]time.Time{}, token: map[[2]peer.ID]int64{}, dead: map[[2]peer.ID]bool{}, cut: map[[2]peer.ID]bool{}, stop: make(chan struct{}),
		worst: map[Key]time.Time{}, home: id(names[0]),
	}
	for _, name := range names {
		w.all[id(name)] = &manager{w: w, id: id(name), name: name, disk: newDisk(), standIns: []string{"*"}, capacity: 100}
	}
	w.ended.Go(w.beat)
	t.Cleanup(w.close)
	return w
}

func (w *world) close() {
	for _, m := range w.all {
		m.kill()
	}
	close(w.stop)
	w.ended.Wait()
}

// own gives a manager devices of its own.
func (w *world) own(name string, devices ...string) {
	m := w.all[id(name)]
	for _, d := range devices {
		m.devices = append(m.devices, Device{Name: d, Application: "switch", At: tree.MustPath("/" + d), Kinds: []string{"snmp"}})
	}
}

func (w *world) m(name string) *manager { return w.all[id(name)] }

// cutBoth cuts or mends the link between two managers.
func (w *world) cutBoth(a, b peer.ID, cut bool) {
	for _, way := range [][2]peer.ID{{a, b}, {b, a}} {
		w.mu.Lock()
		w.cut[way] = cut
		w.mu.Unlock()
		w.net.Cut(way[0], way[1], cut)
	}
}

// isolate cuts a manager off from all others, or mends that.
func (w *world) isolate(name string, cut bool) {
	for other := range w.all {
		if other != id(name) {
			w.cutBoth(id(name), other, cut)
		}
	}
}

// beat is the registry and the judge of who watches: every 200 ms.
func (w *world) beat() {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		w.hear()
		w.mu.Unlock()
		w.look()
	}
}

func (w *world) linked(a, b peer.ID) bool {
	return a == b || w.all[a].life != nil && w.all[b].life != nil && !w.cut[[2]peer.ID{a, b}] && !w.cut[[2]peer.ID{b, a}]
}

// hear has everybody hear everybody that can be, renews leases, and makes verdicts.
func (w *world) hear() {
	now := time.Now()
	for a := range w.all {
		for b := range w.all {
			way := [2]peer.ID{a, b}
			if a == b || w.all[a].life == nil {
				continue
			}
			if w.linked(a, b) {
				w.heard[way] = now
				if a == w.home {
					if w.dead[way] {
						w.dead[way] = false
						w.token[way]++
					}
					w.ours[way] = now.Add(leaseTime)
					w.given[way] = now.Add(leaseTime - 100*time.Millisecond)
					if w.token[way] == 0 {
						w.token[way] = 1
					}
				}
				continue
			}
			if a == w.home && !w.dead[way] && !w.ours[way].IsZero() && now.After(w.ours[way]) && !w.heardElsewhere(a, b) {
				w.dead[way] = true
				w.token[way]++
			}
		}
	}
}

// heardElsewhere says whether somebody whom one hears hears the other.
func (w *world) heardElsewhere(a, b peer.ID) bool {
	for c := range w.all {
		if c != a && c != b && w.linked(a, c) && w.linked(c, b) {
			return true
		}
	}
	return false
}

// look holds that no device is watched twice with right.
func (w *world) look() {
	watchers := map[Key][]string{}
	anybody := map[Key]bool{}
	for _, id := range slices.Sorted(maps.Keys(w.all)) {
		m := w.all[id]
		w.mu.Lock()
		l := m.life
		w.mu.Unlock()
		if l == nil {
			continue
		}
		l.mu.Lock()
		for k := range l.watches {
			l.watches[k]++
			anybody[k] = true
		}
		keys := slices.SortedFunc(maps.Keys(l.watches), book.Compare)
		l.mu.Unlock()
		for _, k := range keys {
			if l.rightful(k) {
				watchers[k] = append(watchers[k], m.name)
			}
		}
	}
	now := time.Now()
	for k, who := range watchers {
		if len(who) > 1 {
			w.fault("%v: %s is watched by %v with right", now.Sub(start(w)), k.Name, who)
		}
	}
	for _, m := range w.all {
		for _, d := range m.devices {
			k := Key{Owner: m.id, Name: d.Name}
			if anybody[k] {
				delete(w.worst, k)
				continue
			}
			if w.worst[k].IsZero() {
				w.worst[k] = now
			}
			w.gap = max(w.gap, now.Sub(w.worst[k]))
		}
	}
}

// start is when a bubble begins.
func start(*world) time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// rightful says whether a life watches a device and may tell of it.
func (l *life) rightful(k Key) bool {
	d := l.duty
	d.mu.must()
	defer d.mu.free()
	h := d.holds[k]
	if h != nil && h.Step != book.Watching {
		return false
	}
	l.mu.Lock()
	_, watches := l.watches[k]
	l.mu.Unlock()
	_, fenced := d.fenced(d.lessor(k, h), k, time.Now())
	return watches && !fenced
}

// start brings a manager up; it returns once it watches what it is to.
func (m *manager) start() *life {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{m: m, cancel: cancel, watches: map[Key]int{}}
	member := m.w.net.Join(m.id)
	m.w.mu.Lock()
	m.life = l
	for other := range m.w.all { // What it knew of others was on its disk.
		if way := [2]peer.ID{m.id, other}; !m.w.heard[way].IsZero() {
			m.w.heard[way] = time.Now()
			if m.id == m.w.home && !m.w.dead[way] {
				m.w.ours[way] = time.Now().Add(leaseTime)
			}
		}
		delete(m.w.given, [2]peer.ID{other, m.id})
	}
	m.w.mu.Unlock()
	d, err := New(options(l, member))
	if err != nil {
		m.w.t.Fatal(err)
	}
	l.duty = d
	if err := d.Start(ctx); err != nil && !l.dead.Load() {
		m.w.t.Errorf("start of %s: %v", m.name, err)
	}
	for _, own := range m.devices {
		if k := (Key{Owner: m.id, Name: own.Name}); d.May(own.Name) && !l.dead.Load() {
			if err := l.Watch(ctx, k, nil); err != nil {
				m.w.t.Error(err)
			}
		}
	}
	l.running.Go(func() { _ = d.Run(ctx) })
	return l
}

// options are the surroundings of one life.
func options(l *life, member peer.Fabric) Options {
	m := l.m
	return Options{
		Fabric: &fabric{member, l}, Roster: &roster{m}, Local: l, Disk: &handle{m.disk, l}, Log: slog.New(slog.DiscardHandler),
		StandIns: func() []string { return m.standIns }, AloneAfter: func() time.Duration { return 2 * time.Minute },
		Returned: func(k Key, _ *parcel.Parcel) { l.mu.Lock(); l.back = append(l.back, k); l.mu.Unlock() },
		Came:     func(k Key, _ peer.ID) { l.mu.Lock(); l.came = append(l.came, k); l.mu.Unlock() },
	}
}

// kill ends a manager as kill -9 would. It may be called from its own goroutines.
func (m *manager) kill() {
	m.w.mu.Lock()
	l := m.life
	m.life = nil
	m.w.mu.Unlock()
	if l == nil {
		return
	}
	l.dead.Store(true)
	m.w.net.Leave(m.id)
	l.cancel()
}

// roster is what one manager knows of the others.
type roster struct{ m *manager }

func (r *roster) Managers() (all []peer.Manager) {
	w := r.m.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(w.all)) {
		m := w.all[id]
		all = append(all, peer.Manager{ID: id, Name: m.name, Kinds: m.kinds, Capacity: m.capacity, Integrates: id == w.home || slices.Contains(w.others, id)})
	}
	return all
}

func (r *roster) State(id peer.ID) State {
	w := r.m.w
	w.mu.Lock()
	defer w.mu.Unlock()
	way := [2]peer.ID{r.m.id, id}
	silent := time.Since(w.heard[way])
	switch {
	case id == r.m.id:
		return Live
	case w.heard[way].IsZero():
		return Unknown
	case r.m.id == w.home && w.dead[way]:
		return Dead
	case silent < lostTime:
		return Live
	case r.m.id == w.home && time.Now().After(w.ours[way]):
		return CutOff
	case r.m.id != w.home && silent > leaseTime && !w.heardElsewhere(r.m.id, id):
		return Dead
	}
	return Silent
}

// role returns who is home, and how often that has changed.
func (w *world) role() (peer.ID, int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.home, w.term
}

func (r *roster) Home() peer.ID {
	if home, _ := r.m.w.role(); home != r.m.id {
		return home
	}
	return ""
}

func (r *roster) Homes() (all []peer.ID) {
	if home := r.Home(); home != "" {
		all = append(all, home)
	}
	return append(all, r.m.w.others...)
}

func (r *roster) Acts(id peer.ID) bool {
	r.m.w.mu.Lock()
	stranger := r.m.w.strangers[id]
	r.m.w.mu.Unlock()
	return !stranger && r.Home() == ""
}

func (r *roster) Term(peer.ID) (int64, peer.ID) {
	if _, term := r.m.w.role(); !r.m.w.untold {
		return term, ""
	}
	return 0, ""
}

func (r *roster) Lease(home peer.ID) (int64, time.Time) {
	w := r.m.w
	w.mu.Lock()
	defer w.mu.Unlock()
	way := [2]peer.ID{home, r.m.id}
	if w.given[way].IsZero() {
		return 0, time.Time{}
	}
	return w.tokenSeen(way), w.given[way]
}

// tokenSeen is the token that a member knows: it learns of a new one with the renewal.
func (w *world) tokenSeen(way [2]peer.ID) int64 { return w.token[way] }

// Devices implements Local.
func (l *life) Devices() []Device { return l.m.devices }

// packed is a device as it is seen.
func (l *life) packed(k Key, seen int) *parcel.Parcel {
	return &parcel.Parcel{
		Key: k, Packed: time.Now(), Instance: parcel.Instance{Application: "switch", At: tree.MustPath("/" + k.Name)},
		Definition: parcel.Definition{Application: "switch", Files: []parcel.File{parcel.NewFile("switch.yaml", "application: switch")}},
		States:     []parcel.State{{Path: tree.Root, Form: "number", Value: fmt.Sprint(seen), Status: tree.Green}},
	}
}

// Pack implements Local.
func (l *life) Pack(_ context.Context, k Key) (*parcel.Parcel, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen, ok := l.watches[k]
	if !ok {
		return nil, errors.New("it is not watched")
	}
	return l.packed(k, seen), nil
}

// Check implements Local.
func (l *life) Check(_ context.Context, p *parcel.Parcel) error { return l.m.lacks[p.Key.Name] }

// Watch implements Local.
func (l *life) Watch(_ context.Context, k Key, p *parcel.Parcel) error {
	if l.dead.Load() {
		return errors.New("killed")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := 0
	if p != nil {
		m, err := p.States[0].Memory(tree.Root)
		if err != nil {
			return err
		}
		n, _ := m.Value.Number()
		seen = int(n)
	}
	l.watches[k] = max(l.watches[k], seen)
	return nil
}

// Unwatch implements Local.
func (l *life) Unwatch(_ context.Context, k Key) (*parcel.Parcel, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen, ok := l.watches[k]
	if !ok {
		return nil, nil
	}
	delete(l.watches, k)
	return l.packed(k, seen), nil
}

// Device implements Local.
func (l *life) Device(path tree.Path) (Key, bool) { return Key{Owner: l.m.id, Name: path.Name()}, true }

// fabric loses messages, and kills managers, where the world says so.
type fabric struct {
	peer.Fabric
	l *life
}

var errKilled = errors.New("killed")

func (f *fabric) Ask(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	if f.l.at("ask " + kind) {
		<-ctx.Done()
		return nil, peer.ErrLost
	}
	answer, err := f.Fabric.Ask(ctx, to, kind, body)
	if f.l.at("answer "+kind) || f.l.dead.Load() {
		<-ctx.Done()
		return nil, peer.ErrLost
	}
	return answer, err
}

func (f *fabric) AskBulk(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	return f.Ask(ctx, to, kind, body)
}

func (f *fabric) Handle(kind string, h peer.Handler) {
	f.Fabric.Handle(kind, func(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
		if f.l.dead.Load() {
			return nil, errKilled
		}
		return h(ctx, from, body)
	})
}

// at says that a manager is at some step.
func (l *life) at(what string) (lose bool) {
	if l.dead.Load() {
		return true
	}
	if p := l.m.w.point; p != nil {
		return p(l.m, what)
	}
	return false
}

// disk outlives the lives of its manager.
type disk struct {
	mu      sync.Mutex
	rows    map[Key]string
	holds   map[Key]string
	members map[peer.ID]string
	parcels map[book.Place]map[Key][]byte
	moves   []book.Move
	writes  int
	slow    time.Duration // how long a write takes
}

func newDisk() *disk {
	return &disk{rows: map[Key]string{}, holds: map[Key]string{}, members: map[peer.ID]string{}, parcels: map[book.Place]map[Key][]byte{book.OfBook: {}, book.OfHold: {}}}
}

// written is how often something was.
func (d *disk) written() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}

// handle is the disk for one life.
type handle struct {
	*disk
	l *life
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (h *handle) Load(context.Context) (*book.Content, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &book.Content{}
	var errs []error
	for _, k := range slices.SortedFunc(maps.Keys(h.rows), book.Compare) {
		var r book.Row
		errs = append(errs, json.Unmarshal([]byte(h.rows[k]), &r))
		c.Rows = append(c.Rows, r)
	}
	for _, k := range slices.SortedFunc(maps.Keys(h.holds), book.Compare) {
		var o book.Hold
		errs = append(errs, json.Unmarshal([]byte(h.holds[k]), &o))
		c.Holds = append(c.Holds, o)
	}
	for _, k := range slices.Sorted(maps.Keys(h.members)) {
		var m book.Member
		errs = append(errs, json.Unmarshal([]byte(h.members[k]), &m))
		c.Members = append(c.Members, m)
	}
	return c, errors.Join(errs...)
}

func (h *handle) Write(ctx context.Context, c *book.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.l.at("write") {
		return errors.New("the disk is away")
	}
	h.mu.Lock()
	slow := h.slow
	h.mu.Unlock()
	time.Sleep(slow) // It is the bubble's.
	h.mu.Lock()
	if h.l.dead.Load() {
		h.mu.Unlock()
		return errKilled
	}
	h.writes++
	for _, k := range c.DropRows {
		delete(h.rows, k)
		delete(h.parcels[book.OfBook], k)
	}
	for _, k := range c.DropHolds {
		delete(h.holds, k)
		delete(h.parcels[book.OfHold], k)
	}
	for _, r := range c.Rows {
		h.rows[r.Key] = text(r)
	}
	for _, o := range c.Holds {
		h.holds[o.Key] = text(o)
	}
	for _, m := range c.Members {
		h.members[m.ID] = text(m)
	}
	maps.Copy(h.parcels[book.OfBook], c.Left)
	maps.Copy(h.parcels[book.OfHold], c.Held)
	for _, m := range c.Moves {
		m.ID = int64(len(h.moves) + 1)
		h.moves = append(h.moves, m)
	}
	h.mu.Unlock()
	if h.l.at("written") {
		return errors.New("the disk does not say whether it was written")
	}
	return nil
}

func (h *handle) Parcel(_ context.Context, place book.Place, k Key) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.parcels[place][k], nil
}

func (h *handle) Moves(_ context.Context, q book.Query) ([]book.Move, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	moves := slices.Clone(h.moves)
	slices.Reverse(moves)
	return moves, nil
}

// quiet holds what is to be once everything is quiet: each device is watched by exactly one
// manager, by the one that the book has, with right; or nobody can.
func (w *world) quiet() {
	w.t.Helper()
	for _, f := range w.faults {
		w.t.Error(f)
	}
	home := w.all[w.home].life
	for _, owner := range slices.Sorted(maps.Keys(w.all)) {
		for _, d := range w.all[owner].devices {
			k := Key{Owner: owner, Name: d.Name}
			var who []string
			var epochs []int64
			for _, id := range slices.Sorted(maps.Keys(w.all)) {
				l := w.all[id].life
				if l == nil {
					continue
				}
				l.mu.Lock()
				_, watches := l.watches[k]
				l.mu.Unlock()
				if watches {
					who = append(who, w.all[id].name)
					if !l.rightful(k) {
						w.t.Errorf("%s: %s watches it without right: %+v %+v", d.Name, w.all[id].name, l.duty.holds[k], l.duty.lives[w.home])
					}
					l.duty.mu.must()
					if h := l.duty.holds[k]; h != nil {
						epochs = append(epochs, h.Epoch)
					}
					l.duty.mu.free()
				}
			}
			if home == nil {
				continue
			}
			home.duty.mu.must()
			r := home.duty.rows[k]
			home.duty.mu.free()
			switch {
			case r == nil:
				w.t.Errorf("%s: home has no row; it is watched by %v", d.Name, who)
			case r.State == book.Orphaned && len(who) == 0 && (!r.Left || r.Fixed != ""):
			case w.moved(k) != r.Watcher && w.term == 0:
				w.t.Errorf("%s: the last move was to %q, home has %s", d.Name, w.moved(k), text(r))
			case len(who) != 1 || r.State != book.Watched || id(who[0]) != r.Watcher || len(epochs) > 0 && epochs[0] != r.Epoch:
				w.t.Errorf("%s: watched by %v under %v; home has %s", d.Name, who, epochs, text(r))
			case w.all[r.Place].life != nil && !home.duty.members[r.Place].Away && r.Watcher != r.Place:
				w.t.Errorf("%s: watched by %v, and its place %s is there: %s", d.Name, who, w.all[r.Place].name, text(r))
			}
		}
	}
}

// moved returns to whom the last move of a device that is done was, as its home remembers it.
func (w *world) moved(k Key) peer.ID {
	to := k.Owner
	for _, m := range w.all[w.home].disk.moves {
		if m.Key == k && m.State == "done" {
			to = m.To
		}
	}
	return to
}

// succeed makes another manager home.
func (w *world) succeed(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.home = id(name)
	w.term++
	for other := range w.all {
		w.ours[[2]peer.ID{w.home, other}] = time.Now().Add(leaseTime)
	}
}
