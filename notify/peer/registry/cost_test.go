package registry

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/notify/peer"
)

// meter is a fabric that counts what is asked and answered over it.
type meter struct {
	peer.Fabric
	mu    sync.Mutex
	asked map[string]int // by kind and whom
	bytes int            // of questions and answers
}

func (m *meter) Ask(ctx context.Context, to peer.ID, kind string, body []byte) ([]byte, error) {
	answer, err := m.Fabric.Ask(ctx, to, kind, body)
	if err != nil {
		return nil, err // Nothing went over a link.
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked[kind+" "+string(to)]++
	m.bytes += len(body) + len(answer)
	return answer, nil
}

// take returns what was counted since it was called last.
func (m *meter) take() (asked map[string]int, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked, bytes = maps.Clone(m.asked), m.bytes
	clear(m.asked)
	m.bytes = 0
	return asked, bytes
}

// measured runs a manager that says much of itself, and counts what it asks.
func (w *world) measured(name string) *meter {
	m := &meter{asked: map[string]int{}}
	w.run(name, nil, func(o *Options) {
		m.Fabric = o.Fabric
		o.Fabric = m
		self := o.Self
		o.Self = func() peer.Manager {
			s := self()
			s.Kinds = []string{strings.Repeat("kind", 1000)}
			return s
		}
	})
	return m
}

// TestWhatAHeartbeatCosts: of two managers one asks, what is known is not said again, and
// managers that hear of each other from the one that integrates leave it at that.
func TestWhatAHeartbeatCosts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		meters := map[string]*meter{}
		for _, name := range []string{"A", "b", "c"} {
			meters[name] = w.measured(name)
		}
		w.cut("b", "c", true)
		pass(20 * time.Second)
		for _, m := range meters {
			m.take()
		}
		const long = 100
		pass(long * time.Second)
		w.stands(allStand("live", "A", "b", "c")...)
		for name, wants := range map[string]map[string]int{
			"A": {},
			"b": {"registry.here " + string(id("A")): long},
			"c": {"registry.here " + string(id("A")): long},
		} {
			asked, bytes := meters[name].take()
			maps.DeleteFunc(asked, func(kind string, n int) bool { return wants[kind] == n })
			if len(asked) > 0 || bytes > long*800 {
				t.Errorf("%s asks %v more or less often than %v, with %d bytes", name, asked, wants, bytes)
			}
		}
	})
}

// TestWhatAManagerSaysAnew: what is left out of heartbeats is said again once it is
// different, or not known any more.
func TestWhatAManagerSaysAnew(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.run("A", nil)
		b := w.run("b", nil)
		pass(5 * time.Second)
		name := func(at, of string) string { s, _ := w.nodes[at].Get(id(of)); return s.Name }
		say := func(name string, devices int) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.manager.Name, b.manager.Devices = name, devices
		}
		say("other", 7)
		pass(1100 * time.Millisecond)
		if s, _ := w.nodes["A"].Get(id("b")); s.Name != "other" || s.Devices != 7 {
			t.Errorf("b at A is %q with %d devices, not other with 7", s.Name, s.Devices)
		}
		say("other", 8)
		pass(1100 * time.Millisecond)
		if s, _ := w.nodes["A"].Get(id("b")); s.Devices != 8 {
			t.Errorf("b at A has %d devices, not 8", s.Devices)
		}
		// What others say of it, under a number that is higher than its own, does not stay.
		a := w.nodes["A"].Registry
		a.mu.Lock()
		m := a.members[id("b")]
		a.learn(m, peer.Manager{ID: id("b"), Name: "forged"}, m.number+1, "", false)
		a.mu.Unlock()
		pass(2100 * time.Millisecond)
		if got := name("A", "b"); got != "other" {
			t.Errorf("b at A is %q", got)
		}
		// One that has begun anew knows nobody, and is told at once.
		w.kill("A")
		w.run("A", nil)
		pass(2100 * time.Millisecond)
		if got := name("A", "b"); got != "other" {
			t.Errorf("b at A, which has begun anew, is %q", got)
		}
		if got := name("b", "A"); got != "A" {
			t.Errorf("A at b is %q", got)
		}
	})
}

// TestWhoIsNotAskedAsks: who leaves it to another one to ask does so itself before that counts
// as silent.
func TestWhoIsNotAskedAsks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.run("A", nil).Registry, w.run("b", nil).Registry
		pass(10 * time.Second)
		w.net.Cut(id("b"), id("A"), true) // What b asks does not arrive.
		asked := func(r *Registry, by string) time.Duration {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.members[id(by)].asks
		}
		before := asked(a, "b")
		until(t, peer.Suspect, "A asks b", func() bool {
			asks := asked(b, "A")
			return asks != 0 && b.time()-asks < Every
		})
		if now := asked(a, "b"); now != before {
			t.Errorf("b has asked A at %s, and again at %s", before, now)
		}
	})
}

// TestBothKnowOfARoundTrip: who asks knows it by the answer, and who is asked by the next
// question.
func TestBothKnowOfARoundTrip(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.run("A", nil).Registry, w.run("b", nil).Registry
		proven := func(r *Registry, of string) time.Duration {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.time() - r.members[id(of)].proven
		}
		pass(10 * time.Second)
		if x, y := proven(b, "A"), proven(a, "b"); x > Every+tickTime || y > 2*Every+tickTime {
			t.Errorf("the last round trip was %s ago for who asks, and %s for who is asked", x, y)
		}
		w.net.Cut(id("A"), id("b"), true) // What is answered does not arrive.
		pass(20 * time.Second)
		if x, y := proven(b, "A"), proven(a, "b"); x < 20*time.Second || y < 20*time.Second {
			t.Errorf("nothing is answered, and the last round trip was %s and %s ago", x, y)
		}
	})
}

// TestWhoIsAskedBeforeItRuns: what it learns then is not lost.
func TestWhoIsAskedBeforeItRuns(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.run("c", nil)
		w.run("A", nil)
		w.cut("b", "c", true)
		pass(10 * time.Second)
		b := w.run("b", nil)
		b.Registry.mu.Lock()
		running := b.Registry.running
		b.Registry.running = nil
		b.lists(b.get(id("A")), 1)
		b.Registry.running = running
		b.Registry.mu.Unlock()
		pass(5 * time.Second)
		w.stands("b: A live, c live")
	})
}
