package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"grove/notify/peer"
	"grove/tree/store"
)

// open opens a database in a bubble.
func open(t *testing.T, file string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Address: file, Manager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBecomingAnIntegrationManager: by a command while it runs, after its devices are handed
// over; all see it, and it is one after a restart too, until the settings say otherwise.
func TestBecomingAnIntegrationManager(t *testing.T) {
	file := t.TempDir() + "/grove.db"
	bubble(t, func(t *testing.T, w *world) {
		s := open(t, file)
		failed := errors.New("c has no room")
		handed := failed
		hand := func(o *Options) { o.HandOver = func(context.Context) error { return handed } }
		b := w.run("b", s, hand)
		c := w.run("c", nil)
		pass(3 * time.Second)
		if h := c.Home(); h.Home != "" || !h.Held() {
			t.Errorf("home of c: %+v", h)
		}
		if err := b.Integrate(t.Context(), true); !errors.Is(err, failed) || b.Integrates() {
			t.Errorf("got %v, integrates %t", err, b.Integrates())
		}
		handed = nil
		if err := b.Integrate(t.Context(), true); err != nil || !b.Integrates() {
			t.Errorf("got %v, integrates %t", err, b.Integrates())
		}
		if s, _ := c.Get(b.self); !s.Integrates {
			t.Error("c was not told")
		}
		pass(3 * time.Second)
		if h := c.Home(); h.Home != b.self || !h.Held() {
			t.Errorf("home of c: %+v", h)
		}
		w.kill("b")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		token := c.Home().Token
		s = open(t, file)
		b = w.run("b", s, hand)
		if s, ok := b.Get(c.self); !b.Integrates() || !ok || !s.Registered || s.Token != token || s.Name != "c" {
			t.Errorf("integrates %t, c is %+v, and had the token %d", b.Integrates(), s, token)
		}
		pass(3 * time.Second)
		w.stands(allStand("live", "b", "c")...)
		if h := c.Home(); h.Token != token || !h.Held() {
			t.Errorf("home of c: %+v", h)
		}
		b.mu.Lock()
		b.manager.Integrates = true // The settings say it too, then do not.
		b.mu.Unlock()
		pass(time.Second)
		b.mu.Lock()
		b.manager.Integrates = false
		b.mu.Unlock()
		pass(3 * time.Second)
		if b.Integrates() || c.Home().Home != "" {
			t.Errorf("integrates %t, home of c %+v", b.Integrates(), c.Home())
		}
		w.kill("b")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNoIntegrationManagerAnyMore: those who are registered go to another one, which knows
// who was there and gives higher tokens.
func TestNoIntegrationManagerAnyMore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.run("A", nil), w.run("B", nil)
		if _, err := a.leases.Token(t.Context(), 1000); err != nil { // Its next ones are higher.
			t.Fatal(err)
		}
		c := w.run("c", nil)
		w.cut("B", "c", true)
		pass(5 * time.Second)
		first := c.Home()
		if first.Home != a.self || first.Token <= 1000 {
			t.Errorf("home of c: %+v", first)
		}
		if err := a.Integrate(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if s, _ := b.Get(c.self); !s.Registered || s.Token <= first.Token {
			t.Errorf("c at B: %+v", s)
		}
		w.cut("B", "c", false)
		pass(5 * time.Second)
		if h := c.Home(); h.Home != b.self || !h.Held() || h.Token <= first.Token {
			t.Errorf("home of c: %+v, and was %+v", h, first)
		}
		if s, _ := a.Get(c.self); s.Registered || s.Mine {
			t.Errorf("c at A: %+v", s)
		}
		// The last one stops too: there is nobody to take them.
		if err := b.Integrate(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if h := c.Home(); h.Home != "" || !h.Held() {
			t.Errorf("home of c: %+v", h)
		}
	})
}

// TestAVerdictOutlivesARestart, and nobody is judged before a whole lease after it.
func TestAVerdictOutlivesARestart(t *testing.T) {
	file := t.TempDir() + "/grove.db"
	bubble(t, func(t *testing.T, w *world) {
		s := open(t, file)
		a := w.run("A", s)
		w.run("b", nil)
		w.run("c", nil)
		pass(5 * time.Second)
		w.kill("b")
		until(t, 15*time.Second, "verdict", func() bool { return a.was("b", Dead) })
		dead, _ := a.Get(id("b"))
		w.kill("A") // at once
		w.kill("c")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		s = open(t, file)
		a = w.run("A", s)
		got, _ := a.Get(id("b"))
		if got.State != Dead || got.Token != dead.Token || !got.Mine || got.Why != dead.Why || got.Since.UnixMilli() != dead.Since.UnixMilli() || time.Since(got.Heard) < time.Hour {
			t.Errorf("b is %+v, and was %+v", got, dead)
		}
		pass(LeaseTime - time.Second)
		if got := w.standing("A", "c"); got == Dead {
			t.Error("c was judged too early")
		}
		until(t, 10*time.Second, "verdict", func() bool { return w.standing("A", "c") == Dead })
		if err := a.Forget(t.Context(), id("b")); err != nil {
			t.Error(err)
		}
		if err := a.Forget(t.Context(), id("b")); !peer.IsRefusal(err, peer.NotFound) {
			t.Errorf("got %v", err)
		}
		w.kill("A")
		a = w.run("A", s)
		if _, ok := a.Get(id("b")); ok {
			t.Error("b is known still")
		}
		w.kill("A")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestTheClearingHouse: the home knows who can, asks them, and says it to who asks.
func TestTheClearingHouse(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		kinds := func(room int, free *int, kinds ...string) func(*Options) {
			return func(o *Options) {
				self := o.Self
				o.Self = func() peer.Manager {
					m := self()
					m.Kinds, m.Applications, m.Capacity = kinds, []string{"nginx"}, room
					return m
				}
				if free != nil {
					o.Can = func(_ context.Context, from peer.ID, n Need) (int, error) {
						if *free < 0 || from != id("b") {
							return 0, errors.New("not now")
						}
						return *free, nil
					}
				}
			}
		}
		three, no := 3, -1
		w.run("A", nil, kinds(20, nil, "http", "snmp"))
		b := w.run("b", nil, kinds(10, nil, "http"))
		w.run("c", nil, kinds(10, &three, "http", "snmp"))
		w.run("d", nil, kinds(10, nil, "http"))
		w.run("e", nil, kinds(0, nil, "http", "snmp"))
		w.run("f", nil, kinds(10, &no, "http", "snmp"))
		w.cut("b", "c", true) // A asks on its behalf.
		pass(3 * time.Second)
		for name, tc := range map[string]struct {
			need Need
			want string
		}{
			"snmp":        {Need{Kinds: []string{"snmp"}}, "A 20, c 3"},
			"http":        {Need{Kinds: []string{"http"}, Room: 3, Applications: []string{"nginx"}}, "A 20, d 10, c 3"},
			"much room":   {Need{Room: 15}, "A 20"},
			"not A":       {Need{Kinds: []string{"snmp"}, Not: []peer.ID{id("A")}}, "c 3"},
			"nobody":      {Need{Kinds: []string{"sap"}}, ""},
			"application": {Need{Applications: []string{"apache"}}, ""},
		} {
			got, err := b.Who(t.Context(), tc.need)
			if said := candidates(got); said != tc.want || err != nil {
				t.Errorf("%s: got %q, %v, want %q", name, said, err, tc.want)
			}
		}
		if got, err := w.nodes["A"].Who(t.Context(), Need{Kinds: []string{"http"}}); candidates(got) != "b 10, d 10" || err != nil {
			t.Errorf("A itself: %q, %v", candidates(got), err)
		}
		w.kill("A")
		if got, err := b.Who(t.Context(), Need{Kinds: []string{"http"}}); candidates(got) != "d 10" || err != nil {
			t.Errorf("without a home: %q, %v", candidates(got), err)
		}
		if _, err := b.Who(t.Context(), Need{Room: -1}); !peer.IsRefusal(err, peer.Invalid) {
			t.Errorf("got %v", err)
		}
	})
}

func candidates(all []Candidate) string {
	var texts []string
	for _, c := range all {
		texts = append(texts, c.Name+" "+string(rune('0'+c.Free/10))+string(rune('0'+c.Free%10)))
	}
	return strings.ReplaceAll(strings.Join(texts, ", "), " 0", " ")
}

// TestMessages: each has it once, however often it was sent, and who wrote is told who has.
func TestMessages(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.run("A", nil), w.run("b", nil)
		c := w.run("c", nil, func(o *Options) { o.Received = nil })
		pass(3 * time.Second)
		got, err := a.Message(t.Context(), "", "anna", "The machine room is warm.")
		if err != nil || len(got) != 2 || got[0].Name != "b" || got[0].Err != "" || got[1].Err != "nobody reads messages here" {
			t.Errorf("receipts %+v, %v", got, err)
		}
		w.net.Slow(10*time.Millisecond, 0.3)
		for range 10 {
			if got, err := a.Message(t.Context(), b.self, "anna", "Again."); err != nil || len(got) != 1 {
				t.Errorf("receipts %+v, %v", got, err)
			}
		}
		w.net.Slow(0, 0)
		b.mu.Lock()
		n := len(b.notes)
		again := slices.ContainsFunc(b.notes[1:], func(m Note) bool { return m.From.Name != "A" || m.By != "anna" || m.Text != "Again." })
		b.mu.Unlock()
		if n < 2 || n > 11 || again || b.notes[0].Text != "The machine room is warm." {
			t.Errorf("%d messages: %+v", n, b.notes)
		}
		for name, text := range map[string]string{"nothing": "", "too much": strings.Repeat("x", MaxMessage+1), "no text": "\xff"} {
			if _, err := a.Message(t.Context(), c.self, "anna", text); !peer.IsRefusal(err, peer.Invalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if _, err := a.Message(t.Context(), id("z"), "anna", "hello"); !peer.IsRefusal(err, peer.NotFound) {
			t.Errorf("nobody: got %v", err)
		}
	})
}
