package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grove/tree"
	"grove/tree/alert"
)

// hooked is a server to which both managers post their messages.
type hooked struct {
	server *httptest.Server
	mu     sync.Mutex
	got    []string // "edge: title" of each message
}

func newHooked(t *testing.T) *hooked {
	h := &hooked{}
	h.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Title string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		t.Logf("%s %s: %s", time.Now().UTC().Format("15:04:05.000"), r.URL.Path, m.Title)
		h.got = append(h.got, strings.TrimPrefix(r.URL.Path, "/")+": "+m.Title)
	}))
	t.Cleanup(h.server.Close)
	return h
}

// said are the messages that there were up to now.
func (h *hooked) said() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

// hooks has a manager tell of all alerts.
func (s *site) hooks(h *hooked) {
	s.write("alerts.yaml", "channels:\n  hook: { kind: webhook, url: \""+h.server.URL+"/"+s.name+"\" }\nroutes: [ { name: all, to: [hook], group: { wait: 0s }, when: { under: /shop } } ]\nalerts: { settle: 10ms }\n")
}

// alerts are the alerts of the shop that are not resolved.
func (s *site) alerts() (list []alert.Alert) {
	var got struct{ Alerts []alert.Alert }
	if err := s.call(http.MethodGet, "/api/v1/alerts?under=/shop&state=open,acknowledged,suppressed", nil, &got); err != nil {
		s.Log(err)
		return nil
	}
	return got.Alerts
}

// An alert moves with its device, and back, with who knows of it; people are told once that
// it opened, and once that it is over.
func TestAlertsMoveWithTheirDevice(t *testing.T) {
	t.Parallel()
	hook := newHooked(t)
	hub := newSite(t, "hub", listens)
	hub.hooks(hook)
	shop := newProbed(t)
	edge := newSite(t, "edge", "move_loopback: true\n")
	edge.hooks(hook)
	edge.write("definitions/shop.yaml", shop.definition()+"---\n"+shop.instance())
	edge.joins(hub)
	edge.until("the shop is watched", func() bool { n, ok := edge.node("/shop/Load"); return ok && n.Status == tree.Green })
	edge.must(http.MethodPut, "/api/v1/thresholds/shop/Load", map[string]string{"red": "> 5"}, nil)
	edge.until("people are told", func() bool { return len(hook.said()) == 1 })
	opened := edge.alerts()[0]
	edge.must(http.MethodPost, "/api/v1/alerts/acknowledge", map[string]any{"ids": []string{opened.ID.String()}, "comment": "known", "sticky": true}, nil)
	edge.until("it is told that somebody knows", func() bool { return len(hook.said()) == 2 })
	var move struct{ State, To, Error string }
	has := func(s, not *site) {
		s.until("has the alert", func() bool {
			n, ok := s.node("/shop/Load")
			list := s.alerts()
			if !ok || n.Status != tree.Red || len(list) != 1 || len(not.alerts()) != 0 {
				return false
			}
			a := list[0]
			return a.Opened.Equal(opened.Opened) && a.State == alert.Acknowledged && a.Ack.Comment == "known" && a.Ack.Sticky && a.Manager == s.name
		})
	}
	edge.until("the shop can be given", func() bool {
		return edge.call(http.MethodPost, "/api/v1/devices/shop/give", map[string]string{"to": "hub"}, &move) == nil
	})
	has(hub, edge)
	edge.stop()
	edge.start()
	edge.until("the edge is back, without the shop", func() bool { _, ok := edge.node("/grove/Peers/hub/Link"); return ok })
	has(hub, edge)
	edge.until("the shop is returned", func() bool { return edge.call(http.MethodPost, "/api/v1/devices/shop/return", nil, &move) == nil })
	has(edge, hub)
	edge.must(http.MethodPut, "/api/v1/thresholds/shop/Load", map[string]string{"red": "> 50"}, nil)
	edge.until("it is told that it is over", func() bool { return len(hook.said()) >= 3 })
	got := hook.said()
	if len(got) != 3 || !strings.HasPrefix(got[0], "edge: RED: /shop/Load") || !strings.Contains(got[1], "acknowledged by") || !strings.HasPrefix(got[2], "edge: RESOLVED: /shop/Load") {
		t.Errorf("people were told\n%s", strings.Join(got, "\n"))
	}
}
