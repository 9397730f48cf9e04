package past

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree"
	"grove/tree/history"
	"grove/tree/store"
	"grove/tree/store/journal"
	"grove/tree/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	berlin  peer.ID = "00000000000000be"
	hamburg peer.ID = "00000000000000a4"
	bremen  peer.ID = "00000000000000b2"
	spy     peer.ID = "0000000000000bad"
)

// shop is a device of berlin.
var shop = Device{berlin, "shop"}

// local is a manager as far as devices go.
type local struct {
	mu      sync.Mutex
	place   tree.Path
	here    bool
	held    *Held
	parties map[peer.ID]bool
	away    error // why home does not answer
}

func (l *local) Place(d Device) (tree.Path, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.place, l.here && d == shop
}

func (l *local) Nodes(Device) (list []Node) {
	for i := range 70 { // more than one question has
		list = append(list, Node{tree.MustPath(fmt.Sprintf("/Load %d", i)), &tree.Spec{Kind: tree.Performance}})
	}
	return list
}

// Its implements Local: what is below Other is another device's.
func (l *local) Its(_ Device, p tree.Path) bool { return !strings.Contains(p.String(), "/Other/") }

func (l *local) Held(Device) (Held, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		return Held{}, false
	}
	return *l.held, true
}

func (l *local) Party(_ context.Context, _ Device, id peer.ID) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parties[id], l.away
}

// samples is a history in memory.
type samples struct {
	mu  sync.Mutex
	all map[string]map[int64]float64 // by path and Unix milliseconds
}

func (h *samples) Samples(_ context.Context, p tree.Path, from, to time.Time) iter.Seq2[history.Sample, error] {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []history.Sample
	for _, at := range slices.Sorted(maps.Keys(h.all[p.String()])) {
		if s := (history.Sample{Time: time.UnixMilli(at), Value: h.all[p.String()][at]}); at >= from.UnixMilli() && at < to.UnixMilli() {
			list = append(list, s)
		}
	}
	return func(yield func(history.Sample, error) bool) {
		for _, s := range list {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func (h *samples) Fill(p tree.Path, _ *tree.Spec, list []history.Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all[p.String()] == nil {
		h.all[p.String()] = map[int64]float64{}
	}
	for _, s := range list {
		h.all[p.String()][s.Time.UnixMilli()] = s.Value
	}
}

func (h *samples) Sync(context.Context) error { return nil }

// of are the readings of a node, as texts in order.
func (h *samples) of(path string) (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, at := range slices.Sorted(maps.Keys(h.all[path])) {
		list = append(list, fmt.Sprintf("%d %g", at, h.all[path][at]))
	}
	return list
}

// manager is one with a past.
type manager struct {
	t       testing.TB
	id      peer.ID
	net     *peertest.Net
	address string
	ahead   atomic.Int64 // its clock
	more    func(o *Options)
	wrap    func(peer.Fabric) peer.Fabric
	local   *local
	history *samples

	store   *store.Store
	journal *journal.Journal
	past    *Past
	stop    func()
}

func newManager(t testing.TB, net *peertest.Net, d *storetest.Database, id peer.ID, place string) *manager {
	m := &manager{t: t, id: id, net: net, address: d.Address, local: &local{place: tree.MustPath(place), here: id == shop.Owner, parties: map[peer.ID]bool{}}, history: &samples{all: map[string]map[int64]float64{}}}
	m.start()
	return m
}

func (m *manager) now() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) }

// start begins, as a process does.
func (m *manager) start() {
	m.t.Helper()
	var err error
	if m.store, err = store.Open(context.Background(), store.Options{Address: m.address, Manager: string(m.id)}); err != nil {
		m.t.Fatal(err)
	}
	m.journal = journal.New(journal.Options{Store: m.store, Now: m.now})
	var f peer.Fabric = m.net.Join(m.id)
	if m.wrap != nil {
		f = m.wrap(f)
	}
	o := Options{Store: m.store, Journal: m.journal, History: m.history, Fabric: f, Local: m.local, Now: m.now}
	if m.more != nil {
		m.more(&o)
	}
	m.past = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{m.journal.Run, m.past.Run} {
		all.Go(func() {
			if err := run(ctx); err != nil {
				m.t.Error(err)
			}
		})
	}
	m.stop = sync.OnceFunc(func() {
		m.net.Leave(m.id)
		cancel()
		all.Wait()
		if err := m.store.Close(); err != nil {
			m.t.Error(err)
		}
	})
	m.t.Cleanup(m.stop)
}

// watches has the manager watch the shop, which another one has packed.
func (m *manager) watches(by peer.ID) {
	m.local.mu.Lock()
	m.local.here, m.local.held = true, &Held{Watching: true, Since: m.now()}
	m.local.mu.Unlock()
	m.past.Watched(shop, by)
}

// leaves has it let go for another one; nobody: it was watched there already.
func (m *manager) leaves(heir peer.ID) {
	m.past.Left(shop, true)
	m.local.mu.Lock()
	defer m.local.mu.Unlock()
	m.local.here, m.local.held = m.id == shop.Owner, &Held{Gone: true, Since: m.now(), Heir: heir}
}

// moves moves the shop from one to another, some milliseconds apart.
func moves(from, to *manager) {
	from.leaves(to.id)
	<-time.After(20 * time.Millisecond)
	to.watches(from.id)
	<-time.After(20 * time.Millisecond)
}

// sees writes something about the shop, now: so many turns to red and back, events and readings.
func (m *manager) sees(n int, what string) {
	m.t.Helper()
	at := m.now().Truncate(time.Millisecond)
	p := func(below string) tree.Path { return tree.MustPath(m.local.place.String() + below) }
	var list []journal.Entry
	for i := range n {
		list = append(list,
			journal.Entry{Time: at, Path: p("/Load 0"), Kind: journal.Status, From: tree.Green, To: tree.Red, Value: tree.Number(float64(i) + 0.25), Text: what},
			journal.Entry{Time: at, Path: p("/Load 0"), Kind: journal.Status, From: tree.Red, To: tree.Green, Value: tree.Number(0), Text: what},
			journal.Entry{Time: at, Path: p("/Log"), Kind: journal.Event, To: tree.Yellow, Text: fmt.Sprint(what, " line ", i)},
		)
	}
	list = append(list,
		journal.Entry{Time: at, Path: p(""), Kind: journal.Alert, From: tree.Green, To: tree.Red, Text: what + " opened"},
		journal.Entry{Time: at, Path: p("/Other/Load"), Kind: journal.Event, To: tree.Red, Text: what + " of another device"},
		journal.Entry{Time: at, Path: tree.MustPath(m.local.place.String() + "2/Load"), Kind: journal.Event, To: tree.Red, Text: what + " beside it"},
		journal.Entry{Time: at, Path: p(""), Kind: journal.Manager, Text: what + " of the manager"},
	)
	if err := m.journal.Append(context.Background(), list...); err != nil {
		m.t.Fatal(err)
	}
	for i := range 70 {
		m.history.Fill(p(fmt.Sprintf("/Load %d", i)), nil, []history.Sample{{Time: at, Value: float64(i)}, {Time: at.Add(2 * time.Millisecond), Value: 1}})
	}
	<-time.After(10 * time.Millisecond)
}

// knows is what the journal has of the shop, oldest first, without the manager's own.
func (m *manager) knows() (list []string) {
	m.t.Helper()
	q := journal.Query{Under: m.local.place, Oldest: true, Limit: journal.MaxLimit, Kinds: []journal.Kind{journal.Status, journal.Event, journal.Alert}}
	page, err := m.journal.Search(context.Background(), q)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, e := range page.Entries {
		if below, _ := m.local.place.Below(e.Path); !strings.HasPrefix(below.String(), "/Other") {
			list = append(list, fmt.Sprintf("%d %s %s %s %s %s %s", e.Time.UnixMilli(), below, e.Kind, e.From, e.To, e.Value, e.Text))
		}
	}
	return list
}

// settled waits until nothing is owed, and everything is written down.
func (m *manager) settled() {
	m.t.Helper()
	m.until("nothing is owed", func() bool {
		m.past.mu.Lock()
		defer m.past.mu.Unlock()
		return len(m.past.debts)+len(m.past.queue)+len(m.past.noted)+len(m.past.busy) == 0 && m.past.replaced >= 0
	})
}

func (m *manager) until(what string, is func() bool) {
	m.t.Helper()
	for end := time.Now().Add(5 * time.Minute); !is(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			m.t.Fatalf("%s: %s: not within five minutes", m.id, what)
		}
	}
}

// faulty loses what is asked, or what is answered, when told to.
type faulty struct {
	peer.Fabric
	mu    sync.Mutex
	asked int
	at    int // the number of the question that suffers; zero: none
	late  bool
	fault func() // what else happens then
}

var errLost = errors.Join(peer.ErrLost)

func (f *faulty) AskBulk(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	f.mu.Lock()
	f.asked++
	now := f.asked == f.at
	f.mu.Unlock()
	if now && !f.late {
		f.fault()
		return nil, errLost
	}
	answer, err := f.Fabric.AskBulk(ctx, to, kind, body)
	if now {
		f.fault()
		return nil, errLost
	}
	return answer, err
}
