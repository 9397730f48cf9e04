package registry

import (
	"testing"
	"testing/synctest"
	"time"

	"grove/notify/peer"
)

func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, 1)) })
}

// TestManagersFindEachOther: each knows all others, registers with the one that integrates,
// and sees how far and how far apart they are.
func TestManagersFindEachOther(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.net.Slow(10*time.Millisecond, 0)
		w.run("A", nil)
		b := w.run("b", nil)
		b.mu.Lock()
		b.skew = time.Hour
		b.mu.Unlock()
		w.run("c", nil)
		pass(3 * time.Second)
		w.stands(allStand("live", "A", "b", "c")...)
		s, _ := w.nodes["A"].Get(id("b"))
		if !s.Registered || !s.Mine || !s.Direct || s.Token == 0 || s.Home != id("A") || s.RoundTrip != 20*time.Millisecond || s.Offset != time.Hour || s.Name != "b" {
			t.Errorf("b at A: %+v", s)
		}
		home := b.Home()
		if home.Home != id("A") || home.Token != s.Token || !home.Held() || home.Left <= LeaseTime-Every-100*time.Millisecond || home.Left > LeaseTime || home.Relayed {
			t.Errorf("home of b: %+v", home)
		}
		if got := w.nodes["A"].With(id("b")); got < time.Second || w.nodes["c"].With(id("b")) != 0 {
			t.Errorf("A is the home of b for %s", got)
		}
		if got := w.nodes["A"].Home(); got.Home != "" || !got.Held() {
			t.Errorf("home of A: %+v", got)
		}
		if there, err := b.AskThere(t.Context(), id("c")); err != nil || there.Name != "c" {
			t.Errorf("c says %+v, %v", there, err)
		}
	})
}

// TestADeadManager: it is suspect within three seconds, and dead when its lease is over, with
// a new token; all know. When it comes back it is another one.
func TestADeadManager(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := w.run("A", nil)
		w.run("b", nil)
		w.run("c", nil)
		pass(10 * time.Second)
		before, _ := a.Get(id("b"))
		a.forgetChanges()
		w.kill("b")
		for _, at := range []string{"A", "c"} {
			if took := until(t, 10*time.Second, "suspicion", func() bool { return w.standing(at, "b") == Suspect }); took > 3*time.Second {
				t.Errorf("%s suspects b after %s", at, took)
			}
		}
		if took := until(t, 10*time.Second, "verdict", func() bool { return w.standing("A", "b") == Dead }); took > 4*time.Second {
			t.Errorf("A judges b %s after the suspicion", took)
		}
		after, _ := a.Get(id("b"))
		if after.Token <= before.Token || !after.Mine || after.By != id("A") {
			t.Errorf("b is %+v, and had the token %d", after, before.Token)
		}
		until(t, 5*time.Second, "word of A", func() bool { return w.standing("c", "b") == Dead })
		if !a.was("b", Dead) {
			t.Error("nobody was told")
		}
		pass(time.Minute)
		w.stands("A: b dead, c live", "c: b dead, A live")
		w.run("b", nil)
		pass(3 * time.Second)
		w.stands(allStand("live", "A", "b", "c")...)
		again, _ := a.Get(id("b"))
		if again.Token <= after.Token || w.nodes["b"].Home().Token != again.Token {
			t.Errorf("b has come back as %+v, and was dead with %d", again, after.Token)
		}
	})
}

// TestALostLinkIsNoDeath: who is only cut off from its home keeps its lease by a neighbour
// and is never judged dead, whichever way is cut.
func TestALostLinkIsNoDeath(t *testing.T) {
	for name, ways := range map[string][][2]string{
		"both ways":     {{"A", "b"}, {"b", "A"}},
		"to its home":   {{"b", "A"}},
		"from its home": {{"A", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				a, b := w.run("A", nil), w.run("b", nil)
				w.run("c", nil)
				pass(10 * time.Second)
				before := b.Home()
				for _, way := range ways {
					w.net.Cut(id(way[0]), id(way[1]), true)
				}
				for range 120 {
					pass(500 * time.Millisecond)
					if h := b.Home(); !h.Held() || h.Token != before.Token {
						t.Fatalf("home of b: %+v", h)
					}
				}
				if a.was("b", Dead) || len(a.Present()) != 2 {
					t.Errorf("A: %+v", a.changed)
				}
				want := "cut"
				if name == "from its home" { // It hears it still.
					want = "live"
				}
				if got := w.standing("A", "b"); string(got)[:3] != want[:3] {
					t.Errorf("b is %s, want %s", got, want)
				}
				if !b.Home().Relayed {
					t.Error("nobody has passed its renewals on")
				}
				w.stands("c: b live, A live")
				for _, way := range ways {
					w.net.Cut(id(way[0]), id(way[1]), false)
				}
				pass(5 * time.Second)
				w.stands(allStand("live", "A", "b", "c")...)
				if h := b.Home(); h.Token != before.Token || h.Relayed {
					t.Errorf("home of b afterwards: %+v", h)
				}
			})
		})
	}
}

// TestAWitnessThatMissesSomeHeartbeats: the one manager that hears another says so again before
// a lease is over, and nobody is judged dead meanwhile.
func TestAWitnessThatMissesSomeHeartbeats(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.run("A", nil)
		b := w.run("B", nil)
		w.run("c", nil)
		pass(10 * time.Second)
		w.cut("B", "c", true) // whose home is A
		pass(10 * time.Second)
		for range 10 {
			w.cut("A", "c", true)
			pass(3 * time.Second)
			w.cut("A", "c", false)
			pass(3 * time.Second)
		}
		if b.was("c", Dead) {
			t.Error("c was judged, and lived")
		}
		w.kill("c")
		until(t, LeaseTime+2*time.Second, "verdict", func() bool { return w.standing("B", "c") == Dead })
	})
}

// TestNobodyPassesItOn: one whose home does not hear it, and that nobody can help, loses its
// lease before it is judged dead.
func TestNobodyPassesItOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.run("A", nil), w.run("b", nil)
		pass(10 * time.Second)
		w.cut("A", "b", true)
		for range 2000 {
			if h := b.Home(); a.was("b", Dead) {
				if h.Held() {
					t.Errorf("b believes that it is there for another %s", h.Left)
				}
				break
			}
			pass(10 * time.Millisecond)
		}
		if !a.was("b", Dead) {
			t.Error("b was never judged")
		}
		token := b.Home().Token
		w.cut("A", "b", false)
		pass(3 * time.Second)
		w.stands(allStand("live", "A", "b")...)
		if h := b.Home(); !h.Held() || h.Token <= token {
			t.Errorf("home of b: %+v, and was %d", h, token)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		held := []bool{}
		for _, h := range b.homed {
			held = append(held, h.Held())
		}
		if len(held) != 3 || !held[0] || held[1] || !held[2] {
			t.Errorf("b was told %+v", b.homed)
		}
	})
}

// TestAHomeThatWasStopped judges nobody for what it has not heard itself.
func TestAHomeThatWasStopped(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := w.run("A", nil)
		w.run("b", nil)
		w.run("c", nil)
		pass(10 * time.Second)
		a.forgetChanges()
		a.ice.freeze(true)
		pass(20 * time.Second)
		w.kill("c") // which A cannot know
		a.ice.freeze(false)
		began := time.Now()
		until(t, 20*time.Second, "verdict", func() bool { return w.standing("A", "c") == Dead })
		if took := time.Since(began); took < LeaseTime {
			t.Errorf("c was judged after %s", took)
		}
		if a.was("b", Dead) || a.was("b", CutOff) {
			t.Error("b was judged, and lived")
		}
		w.stands("A: b live")
	})
}

// TestAClockThatJumps is what is left of a suspended machine: the process has not noticed.
func TestAClockThatJumps(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.run("A", nil), w.run("b", nil)
		pass(10 * time.Second)
		b.mu.Lock()
		b.skew = time.Hour
		b.mu.Unlock()
		if b.Home().Held() {
			t.Error("b believes that it was there all the time")
		}
		pass(2 * time.Second)
		if !b.Home().Held() {
			t.Error("b has no lease")
		}
		a.mu.Lock()
		a.skew = -time.Hour
		a.mu.Unlock()
		pass(10 * time.Second)
		w.stands(allStand("live", "A", "b")...)
		if !b.Home().Held() {
			t.Error("b has no lease")
		}
	})
}

// TestAManagerThatWasStopped is dead, and knows at once that it may not act.
func TestAManagerThatWasStopped(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.run("A", nil), w.run("b", nil)
		w.run("c", nil)
		pass(10 * time.Second)
		token := b.Home().Token
		b.ice.freeze(true)
		until(t, 10*time.Second, "verdict", func() bool { return w.standing("A", "b") == Dead })
		if b.Home().Held() {
			t.Error("b may act")
		}
		dead, _ := a.Get(id("b"))
		pass(time.Minute)
		b.ice.freeze(false)
		pass(4 * time.Second)
		w.stands(allStand("live", "A", "b", "c")...)
		if h := b.Home(); h.Token <= token || !h.Held() {
			t.Errorf("home of b: %+v, and was %d", h, token)
		}
		if s, _ := a.Get(id("b")); s.Token != b.Home().Token || s.Token <= dead.Token {
			t.Errorf("b at A: %+v, and was %+v", s, dead)
		}
	})
}

// TestGoodbye: who stops by its own will is gone at once, and never dead; what came from it
// late does not bring it back.
func TestGoodbye(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.net.Slow(100*time.Millisecond, 0)
		a := w.run("A", nil)
		w.run("b", nil)
		w.run("c", nil)
		w.run("d", nil)
		w.cut("b", "d", true) // who is told by the others
		pass(10 * time.Second)
		w.nodes["b"].stop()
		<-w.nodes["b"].ended
		w.net.Leave(id("b"))
		pass(time.Second)
		w.stands("A: b gone", "c: b gone")
		pass(time.Minute)
		w.stands("A: b gone", "c: b gone", "d: b gone")
		if a.was("b", Dead) || a.was("b", Suspect) {
			t.Errorf("A: %+v", a.changed)
		}
		for _, at := range []string{"A", "c", "d"} { // A day later.
			n := w.nodes[at]
			n.Registry.mu.Lock()
			n.members[id("b")].heard -= Forget
			n.members[id("b")].from -= Forget
			n.Registry.mu.Unlock()
		}
		pass(time.Second)
		for _, at := range []string{"A", "c", "d"} {
			if s, ok := w.nodes[at].Get(id("b")); ok {
				t.Errorf("%s still knows %+v", at, s)
			}
		}
		w.run("b", nil)
		pass(5 * time.Second)
		w.stands(allStand("live", "A", "b", "c", "d")...)
	})
}

// TestOneThatHearsNobody takes itself for cut off, not all others for dead.
func TestOneThatHearsNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := w.run("A", nil)
		others := []string{"b", "c", "d"}
		for _, name := range others {
			w.run(name, nil)
		}
		pass(10 * time.Second)
		for _, name := range others {
			w.cut("A", name, true)
		}
		pass(time.Minute)
		w.stands("b: c live, d live")
		for _, name := range others {
			if got := w.standing("A", name); got != CutOff {
				t.Errorf("%s is %s", name, got)
			}
		}
		for _, name := range others {
			w.cut("A", name, false)
		}
		pass(10 * time.Second)
		w.stands(allStand("live", "A", "b", "c", "d")...)
		for _, name := range others {
			if a.was(name, Dead) {
				t.Errorf("%s was judged dead", name)
			}
		}
	})
}

// TestHearsay: managers that are not linked know each other by the one in the middle, as
// long as it lives.
func TestHearsay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.cut("b", "c", true)
		for _, name := range []string{"A", "b", "c"} {
			w.run(name, nil)
		}
		w.cut("b", "c", true)
		pass(5 * time.Second)
		w.stands(allStand("live", "A", "b", "c")...)
		if s, _ := w.nodes["b"].Get(id("c")); s.Direct || s.By != id("A") || s.Name != "c" || s.Heard.IsZero() {
			t.Errorf("c at b: %+v", s)
		}
		w.kill("A")
		pass(20 * time.Second)
		w.stands("b: c suspect, A suspect", "c: b suspect")
		w.run("A", nil)
		pass(10 * time.Second)
		w.stands(allStand("live", "A", "b", "c")...)
		w.kill("c")
		pass(15 * time.Second)
		w.stands("A: c dead, b live", "b: c dead, A live")
	})
}

// TestASecondHome: when the home dies another one that integrates becomes it, which acts for
// whose home is no more; when it is back it is the home again after a while.
func TestASecondHome(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.run("A", nil)
		c := w.run("c", nil)
		w.run("d", nil)
		w.run("e", nil)
		pass(5 * time.Second) // Whom they hear first is their home for a while.
		b := w.run("B", nil)
		pass(5 * time.Second)
		if c.Home().Home != id("A") || b.Home().Home != id("A") || w.nodes["A"].Home().Home != id("B") {
			t.Errorf("homes: c %+v, B %+v, A %+v", c.Home(), b.Home(), w.nodes["A"].Home())
		}
		term := w.nodes["A"].term("c")
		if term != 1 {
			t.Errorf("the first term of A is %d", term)
		}
		w.kill("A")
		w.kill("d")
		until(t, 15*time.Second, "verdict", func() bool { return w.standing("B", "A") == Dead && w.standing("B", "d") == Dead })
		for _, of := range []string{"A", "d"} {
			until(t, 10*time.Second, "somebody who acts for "+of, func() bool { s, _ := b.Get(id(of)); return s.Mine })
		}
		until(t, 10*time.Second, "home", func() bool { h := c.Home(); return h.Home == id("B") && h.Held() })
		until(t, 10*time.Second, "the term of B", func() bool { return b.With(id("c")) > 0 })
		if b.term("c") <= term || b.term("d") <= term {
			t.Errorf("the terms of B are %d and %d, that of A was %d", b.term("c"), b.term("d"), term)
		}
		w.run("A", nil)
		pass(steadyTime / 2)
		if c.Home().Home != id("B") {
			t.Error("the home has changed at once")
		}
		pass(steadyTime)
		if h := c.Home(); h.Home != id("A") || !h.Held() {
			t.Errorf("home of c: %+v", h)
		}
		until(t, 3*time.Second, "term of A", func() bool { return w.nodes["A"].With(id("c")) > 0 })
		if got := w.nodes["A"].term("c"); got <= term+1 {
			t.Errorf("the term of A is %d, that of B was %d", got, term+1)
		}
		w.stands(allStand("live", "A", "B", "c", "e")...)
	})
}

// TestThePreferredHome is the first that the settings say.
func TestThePreferredHome(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.run("A", nil)
		w.run("B", nil)
		c := w.run("c", nil, func(o *Options) { o.Homes = func() []string { return []string{"nobody", "b"} } })
		pass(5*time.Second + steadyTime)
		if c.Home().Home != id("B") {
			t.Errorf("home: %+v", c.Home())
		}
	})
}

// TestWhoIsTrusted: one that only says that it integrates becomes nobody's home, and what it
// judges is not believed.
func TestWhoIsTrusted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		trust := func(o *Options) { o.Trusts = func(other peer.ID) bool { return other == id("B") } }
		b := w.run("B", nil, trust)
		c := w.run("c", nil, trust)
		w.run("A", nil)
		w.run("d", nil, trust)
		w.cut("A", "d", true)
		pass(5 * time.Second)
		if h := c.Home(); h.Home != b.self || !h.Held() {
			t.Errorf("home of c: %+v", h)
		}
		w.kill("B")
		w.kill("d")
		pass(time.Minute)
		w.stands("A: B dead", "c: A live, B suspect, d suspect")
		if h := c.Home(); h.Home != b.self || h.Held() {
			t.Errorf("home of c: %+v", h)
		}
		body := []byte(`{"members":[{"manager":{"id":"000000000000007a"},"token":9}]}`)
		w.run("B", nil, trust)
		pass(5 * time.Second)
		if _, err := w.nodes["A"].f.Ask(t.Context(), id("B"), "registry.adopt", body); !peer.IsRefusal(err, peer.Refused) {
			t.Errorf("adopt: %v", err)
		}
	})
}
