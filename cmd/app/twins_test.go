package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"grove/tree"
	"grove/tree/alert"
)

// loaded is a shop whose load the test says, and which several managers watch.
type loaded struct {
	server *httptest.Server
	load   atomic.Int64
}

func newLoaded(t *testing.T) *loaded {
	l := &loaded{}
	l.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"load": %d}`, l.load.Load())
	}))
	t.Cleanup(l.server.Close)
	return l
}

// watchedBy has a manager watch the shop.
func (l *loaded) watchedBy(s *site) {
	s.write("definitions/shop.yaml", "grove: 1\napplication: shop\nparameters: { url: { type: url, required: true } }\nprobes:\n  answer: { kind: document, url: \"${url}\", every: 200ms, format: json, attributes: { load: { from: load } } }\n"+
		"tree:\n  Load: { from: answer.load, red: \"> 10\" }\n---\ngrove: 1\nuse: shop\nname: shop\nat: /shop\nwith: { url: \""+l.server.URL+"\" }\n")
}

// secondary says whether the manager leaves it to another one to tell of the shop.
func (s *site) secondary() bool {
	var got struct {
		Devices []struct{ Name, DuplicateOf string }
	}
	if err := s.call(http.MethodGet, "/api/v1/devices", nil, &got); err != nil {
		return false
	}
	for _, d := range got.Devices {
		if d.Name == "shop" && d.DuplicateOf != "" {
			return true
		}
	}
	return false
}

// load has the shop so much load.
func (s *site) loadIs(want tree.Status) func() bool {
	return func() bool { n, ok := s.node("/shop/Load"); return ok && n.Status == want }
}

// Two managers watch one shop: people are told once of what is wrong with it, by the primary;
// by the secondary when that dies, of what was not told yet; and once that it is over.
func TestTwoManagersTellOnce(t *testing.T) {
	t.Parallel()
	hook := newHooked(t)
	hub := newSite(t, "hub", listens+"same: [ [\"berlin:shop\", \"hamburg:shop\"] ]\nprefer: [ berlin ]\n")
	shop := newLoaded(t)
	berlin, hamburg := newSite(t, "berlin", "move_loopback: true\n"), newSite(t, "hamburg", "move_loopback: true\n")
	for _, s := range []*site{berlin, hamburg} {
		s.hooks(hook)
		shop.watchedBy(s)
		s.joins(hub)
		s.until("the shop is watched", s.loadIs(tree.Green))
	}
	hamburg.until("berlin tells of the shop", hamburg.secondary)
	if berlin.secondary() {
		t.Error("berlin leaves it to somebody, too")
	}
	defer func() { // What they decided says why.
		if !t.Failed() {
			return
		}
		t.Logf("people were told\n%s", strings.Join(hook.said(), "\n"))
		for _, s := range []*site{berlin, hamburg} {
			var all struct{ Alerts []alert.Alert }
			if s.app == nil || s.call(http.MethodGet, "/api/v1/alerts?under=/shop&state=all", nil, &all) != nil {
				continue
			}
			for _, x := range all.Alerts {
				for _, step := range x.History {
					t.Logf("%s: alert %s: %s %s %s", s.name, x.ID, step.Time.Format("15:04:05.000"), step.What, step.Text)
				}
			}
		}
	}()
	said := func(want ...string) {
		t.Helper()
		got := hook.said()
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
				t.Fatalf("people were told\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
	until := func(s *site, what string, n int) {
		t.Helper()
		s.until(what, func() bool { return len(hook.said()) >= n })
	}
	firstRed, firstOver := "berlin: RED: /shop/Load", "berlin: RESOLVED: /shop/Load"

	// Berlin tells of both, hamburg of neither.
	shop.load.Store(20)
	until(berlin, "people are told", 1)
	left := func() bool {
		list := hamburg.alerts()
		return len(list) == 1 && list[0].State == alert.Suppressed && list[0].Suppression.Reason == alert.ByTwin && list[0].Suppression.Told
	}
	hamburg.until("the alert is left to berlin", left)
	if text := hamburg.alerts()[0].Suppression.Text; text != "berlin watches /shop, too, and has told of it" {
		t.Errorf("why nobody is told at hamburg: %q", text)
	}
	shop.load.Store(2)
	until(berlin, "it is told that it is over", 2)
	hamburg.until("the alert is over", func() bool { return len(hamburg.alerts()) == 0 })
	said(firstRed, firstOver)

	// Berlin dies with an alert open of which it has told: hamburg tells only that it is over.
	shop.load.Store(20)
	until(berlin, "people are told again", 3)
	hamburg.until("the alert is left to berlin", left)
	berlin.stop()
	hamburg.until("hamburg tells of the shop", func() bool { return !hamburg.secondary() })
	hamburg.until("the alert goes on at hamburg", func() bool {
		list := hamburg.alerts()
		return len(list) == 1 && list[0].State == alert.Open
	})
	shop.load.Store(2)
	until(hamburg, "it is told that it is over", 4)
	// What is new hamburg tells of.
	shop.load.Store(20)
	until(hamburg, "people are told of what is new", 5)

	// Berlin is back, and goes on with what hamburg has told.
	berlin.start()
	berlin.until("the shop is watched again", berlin.loadIs(tree.Red))
	hamburg.until("berlin tells of the shop again", hamburg.secondary)
	hamburg.until("the alert is left to berlin", left)
	shop.load.Store(2)
	until(berlin, "it is told that it is over", 6)
	hamburg.until("the alert is over", func() bool { return len(hamburg.alerts()) == 0 })
	berlin.until("the alert is over", func() bool { return len(berlin.alerts()) == 0 })
	shop.load.Store(30)
	until(berlin, "people are told of what is new", 7)
	said(firstRed, firstOver, firstRed, "hamburg: RESOLVED: /shop/Load", "hamburg: RED: /shop/Load", firstOver, firstRed)
}
