package registry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"grove/notify/peer"
	"grove/notify/peer/peertest"
	"grove/tree/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// ice is a fabric of a manager that can be frozen, as SIGSTOP does: what has begun goes on
// when it thaws, and what came meanwhile was lost with the links.
type ice struct {
	peer.Fabric
	mu     sync.Mutex
	frozen chan struct{} // nil: it is not
}

// wait waits while it is frozen, and says whether it was.
func (f *ice) wait() bool {
	f.mu.Lock()
	frozen := f.frozen
	f.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	return frozen != nil
}

func (f *ice) freeze(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if on {
		f.frozen = make(chan struct{})
	} else {
		close(f.frozen)
		f.frozen = nil
	}
}

func (f *ice) Links() []peer.Link {
	f.wait()
	return f.Fabric.Links()
}

func (f *ice) Ask(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	f.wait()
	answer, err := f.Fabric.Ask(ctx, to, kind, body)
	if f.wait() {
		return nil, peer.ErrLost
	}
	return answer, err
}

func (f *ice) Handle(kind string, h peer.Handler) {
	if h == nil {
		f.Fabric.Handle(kind, nil)
		return
	}
	f.Fabric.Handle(kind, func(ctx context.Context, from peer.ID, body []byte) ([]byte, error) {
		if f.wait() {
			return nil, peer.ErrLost
		}
		return h(ctx, from, body)
	})
}

// node is a manager of a world.
type node struct {
	*Registry
	ice     *ice
	stop    context.CancelFunc
	ended   chan struct{}
	leases  *numbers
	mu      sync.Mutex
	manager peer.Manager
	changed []State
	homed   []Registration
	notes   []Note
	skew    time.Duration
}

// world is a network of managers.
type world struct {
	t     *testing.T
	net   *peertest.Net
	nodes map[string]*node
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, net: peertest.New(seed), nodes: map[string]*node{}}
	t.Cleanup(func() {
		for name := range w.nodes {
			w.kill(name)
		}
	})
	return w
}

// id is that of a manager of one letter.
func id(name string) peer.ID { return peer.ID(fmt.Sprintf("%016x", name)) }

// run starts a manager. An upper-case letter integrates.
func (w *world) run(name string, s *store.Store, change ...func(*Options)) *node {
	w.t.Helper()
	n := &node{leases: &numbers{}, ended: make(chan struct{})}
	if old := w.nodes[name]; old != nil {
		n.leases, n.skew = old.leases, old.skew
	}
	n.manager = peer.Manager{Name: name, Version: "1", Protocol: peer.Protocol, Capacity: 10, Integrates: name == strings.ToUpper(name), Started: time.Now()}
	n.ice = &ice{Fabric: w.net.Join(id(name))}
	o := Options{
		Fabric: n.ice, Leases: n.leases, Store: s,
		Self:     func() peer.Manager { n.mu.Lock(); defer n.mu.Unlock(); return n.manager },
		Now:      func() time.Time { n.mu.Lock(); defer n.mu.Unlock(); return time.Now().Add(n.skew) },
		Changed:  func(s []State) { n.mu.Lock(); defer n.mu.Unlock(); n.changed = append(n.changed, s...) },
		Homed:    func(r Registration) { n.mu.Lock(); defer n.mu.Unlock(); n.homed = append(n.homed, r) },
		Received: func(m Note) { n.mu.Lock(); defer n.mu.Unlock(); n.notes = append(n.notes, m) },
	}
	if os.Getenv("GROVE_TEST_LOG") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("at", name)
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	if n.Registry, err = New(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
	var ctx context.Context
	ctx, n.stop = context.WithCancel(context.Background())
	go func() {
		defer close(n.ended)
		if err := n.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	w.nodes[name] = n
	return n
}

// term is that of a manager as another one knows it.
func (n *node) term(of string) int64 {
	number, _ := n.Term(id(of))
	return number
}

// kill stops a manager as kill -9 does: nobody hears of it.
func (w *world) kill(name string) {
	n := w.nodes[name]
	w.net.Leave(id(name))
	n.ice.mu.Lock()
	frozen := n.ice.frozen != nil
	n.ice.mu.Unlock()
	if frozen {
		n.ice.freeze(false)
	}
	n.stop()
	<-n.ended
}

// cut cuts or mends a link both ways.
func (w *world) cut(a, b string, cut bool) {
	w.net.Cut(id(a), id(b), cut)
	w.net.Cut(id(b), id(a), cut)
}

// pass lets time pass.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

// standing is how it is with a manager for another one.
func (w *world) standing(at, of string) Standing {
	s, _ := w.nodes[at].Get(id(of))
	return s.State
}

// stands checks lines such as "A: b live, c dead", for the managers named there.
func (w *world) stands(lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		at, rest, _ := strings.Cut(line, ": ")
		for _, one := range strings.Split(rest, ", ") {
			of, want, _ := strings.Cut(one, " ")
			if s, _ := w.nodes[at].Get(id(of)); string(s.State) != want {
				w.t.Errorf("at %s: %s is %s (by %s: %s), want %s", at, of, s.State, s.By, s.Why, want)
			}
		}
	}
}

// allStand gives a line for each manager, on which all others stand as they are given.
func allStand(state string, names ...string) (lines []string) {
	for _, at := range names {
		var rest []string
		for _, of := range names {
			if of != at {
				rest = append(rest, of+" "+state)
			}
		}
		lines = append(lines, at+": "+strings.Join(rest, ", "))
	}
	return lines
}

// until lets time pass until a condition holds, and returns how long that took.
func until(t *testing.T, most time.Duration, what string, is func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > most {
			t.Fatalf("%s: not in %s", what, most)
		}
		pass(50 * time.Millisecond)
	}
	return time.Since(began)
}

// was says whether Changed has ever had a manager in a state.
func (n *node) was(of string, s Standing) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.changed, func(c State) bool { return c.ID == id(of) && c.State == s })
}

func (n *node) forgetChanges() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changed, n.homed = nil, nil
}
